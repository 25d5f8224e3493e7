//! A share of run time for a component: one that has had its share waits, and nothing else happens
//! to it.
//!
//! What counts is the time that a thread spends in polls of the component's calls, its host's work
//! for it included. A guest gives way at every tick of the engine, so that it is never over its share
//! by more than a tick for each serving thread; that is owed, and waited for.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, Future};
use tokio::time::Sleep;

/// Time that was not used is kept for this long: a short call after a pause is never slowed down.
const WINDOW: Duration = Duration::from_millis(100);
/// The longest that a call waits at a time. A host's function that ran for longer than it should
/// have, without giving way, costs no more than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What all calls of a component may run for, together.
pub struct CpuShare {
    /// Of one core; more than 100: of several.
    percent: u32,
    account: Mutex<Account>,
}

struct Account {
    /// Nanoseconds it may still run for; below zero: what it owes.
    balance: i64,
    /// When the balance was right.
    at: Instant,
}

impl CpuShare {
    /// A share of a core, in percent; 0 is taken for 1.
    pub fn new(percent: u32) -> Arc<Self> {
        let percent = percent.max(1);
        let share = CpuShare { percent, account: Mutex::new(Account { balance: 0, at: Instant::now() }) };
        let full = share.earned_in(WINDOW);
        share.account.lock().unwrap_or_else(PoisonError::into_inner).balance = full;
        Arc::new(share)
    }

    /// Nanoseconds of running that so much time brings.
    fn earned_in(&self, time: Duration) -> i64 {
        let nanoseconds = time.as_nanos().saturating_mul(u128::from(self.percent)) / 100;
        i64::try_from(nanoseconds).unwrap_or(i64::MAX)
    }

    /// How long it has to wait before it may run; `None`: not at all.
    fn pause(&self, now: Instant) -> Option<Duration> {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let earned = self.earned_in(now.saturating_duration_since(account.at));
        account.balance = account.balance.saturating_add(earned).min(self.earned_in(WINDOW));
        account.at = now;
        if account.balance > 0 {
            return None;
        }
        let owed = Duration::from_nanos(account.balance.unsigned_abs());
        let pause = owed.saturating_mul(100) / self.percent;
        // Timers are no finer than that.
        Some(pause.clamp(Duration::from_millis(1), LONGEST_PAUSE))
    }

    fn spent(&self, time: Duration) {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let time = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        account.balance = account.balance.saturating_sub(time).max(-self.earned_in(LONGEST_PAUSE));
    }
}

/// The shares that work counts for. Members of a composed component run in one call, and nobody can
/// tell whose time it was: it counts for each of them, and the first that has had its share makes all
/// of them wait.
#[derive(Clone)]
pub struct Shares(Arc<[Arc<CpuShare>]>);

impl Shares {
    /// `None` if nothing is limited.
    pub fn of(shares: Vec<Arc<CpuShare>>) -> Option<Self> {
        if shares.is_empty() { None } else { Some(Shares(shares.into())) }
    }

    fn pause(&self, now: Instant) -> Option<Duration> {
        self.0.iter().filter_map(|share| share.pause(now)).max()
    }

    fn spent(&self, time: Duration) {
        self.0.iter().for_each(|share| share.spent(time));
    }
}

/// Holds work to its shares, if there are any. Its pauses count as its time for everybody who waits.
pub fn held<'a, T: Send + 'a>(share: Option<&Shares>, work: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
    match share {
        None => work,
        Some(share) => Box::pin(Held { work, share: share.clone(), pause: None }),
    }
}

struct Held<'a, T> {
    work: BoxFuture<'a, T>,
    share: Shares,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<T> Future for Held<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match self.share.pause(Instant::now()) {
                Some(pause) => self.pause = Some(Box::pin(tokio::time::sleep(pause))),
                None => break,
            }
        }
        let begun = this_threads_time();
        let result = self.work.as_mut().poll(cx);
        self.share.spent(this_threads_time().saturating_sub(begun));
        result
    }
}

/// How long this thread has run for, whatever else the machine did.
#[cfg(unix)]
fn this_threads_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0)) + Duration::from_nanos(nanoseconds)
}

/// The time on the wall: what is left where threads have no clocks of their own.
#[cfg(not(unix))]
fn this_threads_time() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_was_run_beyond_the_share_is_waited_for() {
        let share = CpuShare::new(10);
        let start = Instant::now();
        assert_eq!(share.pause(start), None, "a tenth of the window is there at once");
        share.spent(10 * MS);
        share.spent(10 * MS);
        let pause = share.pause(start).expect("it owes a tick");
        assert!(pause >= 95 * MS && pause <= 101 * MS, "{pause:?}");
        assert_eq!(share.pause(start + 150 * MS), None);
    }

    #[test]
    fn time_that_was_not_used_is_not_kept_for_long() {
        let share = CpuShare::new(50);
        let later = Instant::now() + Duration::from_secs(3600);
        assert_eq!(share.pause(later), None);
        share.spent(60 * MS);
        assert!(share.pause(later).is_some(), "an hour of silence is worth half a window");
    }

    #[test]
    fn no_pause_is_longer_than_a_second() {
        let share = CpuShare::new(1);
        share.spent(Duration::from_secs(3600));
        assert!(share.pause(Instant::now()).unwrap() <= LONGEST_PAUSE);
    }

    #[test]
    fn what_several_have_done_together_counts_for_each() {
        let (strict, generous) = (CpuShare::new(10), CpuShare::new(200));
        let both = Shares::of(vec![strict.clone(), generous.clone()]).unwrap();
        let start = Instant::now();
        assert_eq!(both.pause(start), None);
        both.spent(20 * MS);
        let pause = both.pause(start).expect("the strict one owes a tick");
        assert!(pause >= 95 * MS, "{pause:?}");
        assert_eq!(generous.pause(start), None, "by itself it may go on");
        assert!(strict.pause(start).is_some(), "also in calls of its own");
        assert!(Shares::of(Vec::new()).is_none());
    }

    #[test]
    fn several_cores_may_be_a_share() {
        let share = CpuShare::new(200);
        let start = Instant::now();
        share.spent(199 * MS);
        assert_eq!(share.pause(start), None);
        share.spent(21 * MS);
        let pause = share.pause(start).unwrap();
        assert!(pause <= 11 * MS, "{pause:?}");
    }
}
