//! How the user says that it is enough: ctrl-c, and what else ends a program.

use crate::error::{Error, Result};

/// Runs `work` to its end, or drops it when the user wants to stop: what it has begun goes with it.
pub(super) fn run_until_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::caused_by("cannot start the runtime", &error))?;
    let result = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            result = work => result,
            () = signals.next() => Err(Error::interrupted()),
        }
    });
    // A thread that still resolves a name or reads a file is of no use to anybody now.
    runtime.shutdown_background();
    result
}

/// What says that the user wants to stop.
#[cfg(unix)]
pub(super) struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    pub fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| Error::caused_by("cannot listen for signals", &error));
        // A terminal that is closed hangs up.
        Ok(Signals([listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?]))
    }

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
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub fn listen() -> Result<Self> {
        Ok(Signals)
    }

    pub async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
