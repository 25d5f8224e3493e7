//! Being stopped by the user, or by whoever started us.

use crate::error::{Error, Result};

/// What says that the user wants to stop.
#[cfg(unix)]
pub struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    /// Starts to listen: a signal no longer ends the process.
    pub fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| Error::caused_by("cannot listen for signals", &error));
        // A terminal that is closed hangs up.
        Ok(Signals([listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?]))
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Starts to listen: a signal no longer ends the process.
    pub fn listen() -> Result<Self> {
        Ok(Signals)
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// Runs `work` until it is done or the user wants us to stop. What is stopped is dropped, and cleans
/// up in that.
pub fn run_until_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::caused_by("cannot start the runtime", &error))?;
    let result = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            biased;
            () = signals.next() => Err(Error::interrupted()),
            result = work => result,
        }
    });
    // A look-up of a name that still runs is of no use to anybody now.
    runtime.shutdown_background();
    result
}
