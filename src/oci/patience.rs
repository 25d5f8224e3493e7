//! How long we wait, how often we try, and when a peer has stopped moving.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;
use url::Url;

use super::failure::{Failure, FailureKind, Result};
use super::transport::shown;

/// A peer that sends less than this in the time of a stall has stalled.
pub(super) const LEAST_PROGRESS: u64 = 1024;

/// How long to wait, and how often to try.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// For a connection, with TLS.
    pub connect: Duration,
    /// For an answer, or for the next kilobyte.
    pub stall: Duration,
    /// How often a request is made that fails for reasons that pass.
    pub attempts: u32,
    /// Before the second attempt; doubles each time.
    pub first_wait: Duration,
    /// The longest wait before an attempt, also when the registry asks for a longer one.
    pub longest_wait: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            attempts: 5,
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(60),
        }
    }
}

/// Why an attempt failed.
pub(super) enum Setback {
    /// Another attempt may succeed; the registry may say when.
    Passing { failure: Failure, wait: Option<Duration> },
    /// Nobody is there. One more attempt, so that an answer that nobody is there comes soon.
    Absent(Failure),
    /// Another attempt would fail, too.
    Final(Failure),
}

/// Counts attempts, and waits between them.
pub(super) struct Retries {
    timing: Timing,
    failed: u32,
}

impl Retries {
    pub fn new(timing: Timing) -> Self {
        Retries { timing, failed: 0 }
    }

    /// Something was reached: what comes is a new difficulty.
    pub fn forget(&mut self) {
        self.failed = 0;
    }

    /// Waits before the next attempt, or says why there is none.
    pub async fn after(&mut self, setback: Setback) -> Result<()> {
        self.failed += 1;
        let (failure, wait, attempts) = match setback {
            Setback::Final(failure) => return Err(failure),
            Setback::Absent(failure) => (failure, None, self.timing.attempts.min(2)),
            Setback::Passing { failure, wait } => (failure, wait, self.timing.attempts),
        };
        if self.failed >= attempts {
            return Err(match self.failed {
                1 | 2 => failure,
                times => failure.cause(format!("tried {times} times")),
            });
        }
        if let Some(wait) = wait.filter(|wait| *wait > self.timing.longest_wait) {
            return Err(failure.hint(format!("the registry asks to wait {} s; try again then", wait.as_secs())));
        }
        let doubled = self.timing.first_wait.saturating_mul(1 << (self.failed - 1).min(16));
        let wait = wait.unwrap_or_else(|| spread(doubled)).min(self.timing.longest_wait);
        tracing::debug!(attempt = self.failed, ?wait, reason = %failure, "trying again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// Between half and all of a wait, so that many who failed together do not return together.
fn spread(wait: Duration) -> Duration {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    wait / 2 + wait.mul_f64((random % 1000) as f64 / 2000.0)
}

/// Sees to it that bytes keep moving.
pub(super) struct Pace {
    since: Instant,
    bytes: u64,
    stall: Duration,
}

impl Pace {
    pub fn new(stall: Duration) -> Self {
        Pace { since: Instant::now(), bytes: 0, stall }
    }

    /// More bytes came. A peer that sends one now and then has stalled all the same.
    pub fn moved(&mut self, bytes: usize, url: &Url) -> Result<(), Setback> {
        self.bytes += bytes as u64;
        if self.bytes >= LEAST_PROGRESS {
            *self = Pace::new(self.stall);
        } else if self.since.elapsed() > self.stall {
            return Err(stalled(url, self.stall));
        }
        Ok(())
    }
}

/// Waits for an answer as long as the payload moves, and then for the time of a stall; for four such
/// times behind a payload, because a registry may have to put it together first.
pub(super) async fn watched<F: Future>(
    future: F,
    moved: &AtomicU64,
    length: u64,
    stall: Duration,
) -> Option<F::Output> {
    tokio::pin!(future);
    loop {
        let before = moved.load(Ordering::Relaxed);
        let is_sent = before >= length;
        let patience = if is_sent && length > 0 { stall * 4 } else { stall };
        if let Ok(output) = tokio::time::timeout(patience, &mut future).await {
            return Some(output);
        }
        let now = moved.load(Ordering::Relaxed);
        if is_sent || (now < length && now < before + LEAST_PROGRESS) {
            return None;
        }
    }
}

/// The setback of a peer from which nothing comes any more.
pub(super) fn stalled(url: &Url, stall: Duration) -> Setback {
    let host = url.host_str().unwrap_or_default();
    let failure = Failure::new(FailureKind::Unreachable, format!("{host} has stopped answering")).cause(format!(
        "nothing came for {:.0?}, for {}",
        stall,
        shown(url)
    ));
    Setback::Passing { failure, wait: None }
}

/// The time of a `Retry-After`, in seconds or as a date.
pub(super) fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    Some((date.to_utc() - chrono::Utc::now()).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_as_seconds_and_dates() {
        let read = |text: &str| retry_after(&HeaderValue::from_str(text).unwrap());
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("soon"), None);
    }
}
