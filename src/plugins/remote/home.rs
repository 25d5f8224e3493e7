//! The runtime that connections live on.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::error::{Error, Result};

/// The runtime that connections live on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Home(Handle);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It took too long.
    TimedOut,
    /// The runtime has ended, or the work broke.
    Gone,
}

impl Home {
    /// The runtime of the caller. Fails outside of one.
    pub fn here() -> Result<Self> {
        let here = Handle::try_current();
        here.map(Home).map_err(|_| Error::bug("a capability that uses a server needs a tokio runtime"))
    }

    /// Does something on that runtime and returns what came of it. Dropped before, it is given up.
    pub async fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Unanswered> {
        // The clock, too, is that of the other runtime: it is made there.
        let task = self.0.spawn(async move { tokio::time::timeout(limit, work).await });
        let _given_up = GiveUp(task.abort_handle());
        match task.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(Unanswered::TimedOut),
            Err(_) => Err(Unanswered::Gone),
        }
    }

    /// Starts something that runs until it ends or the handle is used.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.0.spawn(work).abort_handle()
    }
}

struct GiveUp(AbortHandle);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_takes_too_long_is_given_up() {
        let home = Home::here().unwrap();
        assert_eq!(home.run(Duration::from_secs(1), std::future::pending::<()>()).await, Err(Unanswered::TimedOut));
        assert_eq!(home.run(Duration::from_secs(1), async { 1 }).await, Ok(1));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends() {
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let home = Home::here().unwrap();
        let mut run = Box::pin(home.run(Duration::from_secs(60), async move {
            let _held = sender;
            std::future::pending::<()>().await;
        }));
        assert!(futures::poll!(&mut run).is_pending());
        drop(run);
        assert!(receiver.await.is_err());
    }

    #[test]
    fn work_is_done_on_the_runtime_that_was_home() {
        let home_runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("home")
            .enable_all()
            .build()
            .unwrap();
        let home = home_runtime.block_on(async { Home::here().unwrap() });
        let elsewhere = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let name = async { std::thread::current().name().map(String::from) };
        let name = elsewhere.block_on(home.run(Duration::from_secs(60), name)).unwrap();
        assert_eq!(name.as_deref(), Some("home"));
    }
}
