//! From the workloads that there should be to those that there are.
//!
//! One thing is done to a workload at a time, and those of different workloads wait for each other
//! only where the node bounds that. What fails is tried again, less and less often.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;

use super::Node;
use super::report::Report;
use super::spec::WorkloadSpec;
use crate::error::{Error, Result};

/// Before the first attempt after a failure; doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest time between two attempts: a registry that is back is noticed within it.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Longer than any host runs: nothing has to be done at a time.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A workload that there should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// What is to run.
    pub spec: WorkloadSpec,
    /// Whether the version that runs is stopped before the next one starts, instead of being replaced
    /// without a gap.
    pub recreate: bool,
    /// How the image files looked: other files are another version.
    pub files: BTreeMap<PathBuf, Option<Stamp>>,
}

/// How a file looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub size: u64,
    pub changed: Option<SystemTime>,
}

impl Stamp {
    /// How a file looks now; `None`: it is not there.
    pub fn of(path: &Path) -> Option<Self> {
        let about = std::fs::metadata(path).ok()?;
        Some(Stamp { size: about.len(), changed: about.modified().ok() })
    }
}

/// Makes the node's workloads those that there should be.
pub struct Reconciler {
    node: Node,
    managed: BTreeMap<String, Managed>,
    done: mpsc::UnboundedSender<Done>,
    ended: mpsc::UnboundedReceiver<Done>,
    /// Whether the first attempt of every workload has been told.
    settled: bool,
    asked: bool,
}

#[derive(Default)]
struct Managed {
    /// What there should be; `None`: it is to go.
    desired: Option<Desired>,
    /// What runs.
    running: Option<Desired>,
    busy: bool,
    failure: Option<Failure>,
}

struct Failure {
    message: String,
    times: u32,
    not_before: Instant,
}

struct Done {
    workload_id: String,
    /// What runs afterwards.
    running: Option<Desired>,
    /// What was tried; `None`: to stop it.
    tried: Option<Desired>,
    result: Result<()>,
}

impl Reconciler {
    /// For a node of which nobody else starts or stops the same workloads.
    pub fn new(node: Node) -> Self {
        let (done, ended) = mpsc::unbounded_channel();
        Reconciler { node, managed: BTreeMap::new(), done, ended, settled: false, asked: false }
    }

    /// Says which workloads there should be from now on.
    pub fn want(&mut self, mut desired: BTreeMap<String, Desired>) {
        self.asked = true;
        for (id, managed) in self.managed.iter_mut() {
            match desired.remove(id) {
                Some(wanted) => {
                    if managed.desired.as_ref() != Some(&wanted) {
                        managed.failure = None;
                        managed.desired = Some(wanted);
                    }
                }
                None => {
                    managed.failure = None;
                    managed.desired = None;
                }
            }
        }
        for (id, wanted) in desired {
            self.managed.insert(id, Managed { desired: Some(wanted), ..Managed::default() });
        }
        self.step_all();
    }

    /// Waits until something is over or to be tried again, and does what follows from it. May be dropped
    /// at any time.
    pub async fn next(&mut self) {
        let next = self.managed.values().filter(|managed| !managed.busy).filter_map(Managed::next_try).min();
        let pause = next.map_or(NEVER, |next| next.saturating_duration_since(Instant::now()));
        tokio::select! {
            done = self.ended.recv() => {
                if let Some(done) = done {
                    self.take(done);
                }
            }
            () = tokio::time::sleep(pause) => {}
        }
        self.step_all();
    }

    /// How many of the workloads run, and how many cannot be started.
    pub fn counts(&self) -> (usize, usize) {
        let running = self.managed.values().filter(|managed| managed.running.is_some()).count();
        let failed = self.managed.values().filter(|managed| managed.failure.is_some()).count();
        (running, failed)
    }

    /// Whether every workload that there was to be at the start has been tried.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    fn step_all(&mut self) {
        let ids: BTreeSet<String> = self.managed.keys().cloned().collect();
        for id in ids {
            self.step(&id);
        }
        let waits = |managed: &Managed| managed.busy || (managed.running.is_none() && managed.failure.is_none());
        if self.asked && !self.settled && !self.managed.values().any(waits) {
            self.settled = true;
            let (running, failed) = self.counts();
            self.node.feed().tell(Report::Settled { running, failed });
        }
    }

    fn step(&mut self, id: &str) {
        let Some(managed) = self.managed.get_mut(id) else { return };
        if managed.busy {
            return;
        }
        let waits = managed.failure.as_ref().is_some_and(|failure| failure.not_before > Instant::now());
        match (&managed.desired, &managed.running) {
            (None, None) => {
                self.node.wanted_no_more(id);
                self.managed.remove(id);
                return;
            }
            (Some(desired), Some(running)) if desired == running => {
                managed.failure = None;
                return;
            }
            (Some(_), _) if waits => return,
            _ => {}
        }
        managed.busy = true;
        let (desired, running) = (managed.desired.clone(), managed.running.clone());
        let (node, done, workload_id) = (self.node.clone(), self.done.clone(), id.to_string());
        tokio::spawn(async move {
            let (id, tried, before) = (workload_id.clone(), desired.clone(), running.clone());
            let work = supervised(running, async move { act(&node, &id, tried, before).await });
            let (after, result) = work.await;
            let _ = done.send(Done { workload_id, running: after, tried: desired, result });
        });
    }

    fn take(&mut self, done: Done) {
        let Done { workload_id, running, tried, result } = done;
        let Some(managed) = self.managed.get_mut(&workload_id) else { return };
        managed.busy = false;
        let still_serving = running.is_some();
        managed.running = running;
        let Err(error) = result else {
            managed.failure = None;
            return;
        };
        // Something else is wanted meanwhile: that is tried at once.
        if managed.desired != tried {
            managed.failure = None;
            self.node.feed().tell(Report::Failed { workload_id, error, still_serving, again_in: None });
            return;
        }
        let before = managed.failure.take();
        let times = before.as_ref().map_or(0, |failure| failure.times) + 1;
        let wait = FIRST_WAIT.saturating_mul(1 << (times - 1).min(16)).min(LONGEST_WAIT);
        let message = error.to_string();
        // The same again is no news.
        if before.is_none_or(|before| before.message != message) {
            self.node.feed().tell(Report::Failed { workload_id, error, still_serving, again_in: Some(wait) });
        }
        managed.failure = Some(Failure { message, times, not_before: Instant::now() + wait });
    }
}

impl Managed {
    /// When it has to be looked at again, if nothing happens before.
    fn next_try(&self) -> Option<Instant> {
        self.failure.as_ref().filter(|_| self.desired != self.running).map(|failure| failure.not_before)
    }
}

/// Does something in a task of its own. A panic in it is an error, after which runs what ran before.
async fn supervised(
    before: Option<Desired>,
    work: impl Future<Output = (Option<Desired>, Result<()>)> + Send + 'static,
) -> (Option<Desired>, Result<()>) {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(error) => (before, Err(Error::bug("starting it ended in a panic").cause(error.to_string()))),
    }
}

/// Does one step; returns what runs afterwards.
async fn act(
    node: &Node,
    id: &str,
    desired: Option<Desired>,
    running: Option<Desired>,
) -> (Option<Desired>, Result<()>) {
    let Some(desired) = desired else {
        node.wanted_no_more(id);
        node.stop(id).await;
        return (None, Ok(()));
    };
    // Before anything else, so that at no moment its hosts are unknown.
    node.wanted(id, &desired.spec);
    if running.is_some() && !desired.recreate {
        return match node.replace(id, desired.spec.clone()).await {
            Ok(_) => (Some(arrived(node, id, desired)), Ok(())),
            Err(error) => (running, Err(error)),
        };
    }
    if running.is_some() {
        node.stop(id).await;
    }
    match node.start(id, desired.spec.clone()).await {
        Ok(_) => (Some(arrived(node, id, desired)), Ok(())),
        Err(error) => (None, Err(error)),
    }
}

fn arrived(node: &Node, id: &str, desired: Desired) -> Desired {
    node.wanted_no_more(id);
    desired
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[tokio::test]
    async fn a_panic_in_a_step_is_an_error_that_is_told_and_what_ran_before_runs() {
        let before = Desired { spec: WorkloadSpec::default(), recreate: false, files: BTreeMap::new() };
        let (after, result) = supervised(Some(before.clone()), async { panic!("on purpose") }).await;
        assert_eq!(after, Some(before));
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Bug, "starting it ended in a panic"));
        assert!(error.causes()[0].contains("on purpose"), "{error}");
    }
}
