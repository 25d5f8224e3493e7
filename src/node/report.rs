//! What a host tells, and the way it takes from the threads that serve to whoever shows it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::Error;
use crate::host::access::Access;
use crate::progress::{Busy, Progress};
use crate::runtime::observer::{Fault, InstanceChange, NetworkNotice, Observer, Output, RequestRecord, ServiceRecord};
use crate::runtime::workload::WorkloadId;

/// Something that happened on the host.
#[derive(Debug)]
pub enum Report {
    /// The host is there; it runs nothing yet.
    Started { host_id: String, name: String, version: String },
    /// Requests are answered here from now on.
    Listening { url: String, address: SocketAddr },
    /// The operator is answered here.
    Admin { url: String, address: SocketAddr },
    /// A workload is fetched, compiled and tried.
    Starting { workload_id: String },
    /// An image of a registry is here.
    Pulled { image: String, digest: String, size: u64, cached: bool, time: Duration },
    /// A workload serves. `generation` counts its versions, from 1.
    Ready { workload_id: String, workload: String, generation: u64, components: Vec<String>, time: Duration },
    /// A workload cannot be started, or not replaced; then the version before goes on.
    Failed { workload_id: String, error: Error, still_serving: bool, again_in: Option<Duration> },
    /// A workload takes no more calls.
    Stopping { workload_id: String },
    /// Nothing of a workload is left.
    Stopped { workload_id: String },
    /// The connection to the scheduler has changed.
    Scheduler { url: String, state: SchedulerState },
    /// The manifests were read.
    Manifests { files: usize, workloads: usize },
    /// Something in the manifests is wrong; what it is about stays as it was.
    ManifestsInvalid { error: Error },
    /// A request was answered.
    Request(Access),
    /// A component wrote a line.
    Output { workload: WorkloadId, output: Output },
    /// A call of a component failed.
    Fault { workload: WorkloadId, fault: Arc<Fault> },
    /// A component could not connect.
    Network { workload: WorkloadId, notice: NetworkNotice },
    /// A service has come into another state.
    Service { workload: WorkloadId, record: ServiceRecord },
    /// So many requests and lines were not shown, because they came too fast.
    NotShown { lines: u64 },
    /// Something odd.
    Warning { message: String },
    /// What to type or change next.
    Hint { message: String },
    /// All first starts have been tried.
    Settled { running: usize, failed: usize },
    /// The host takes no more requests; those that run may finish within this time.
    Draining { patience: Duration },
    /// Everything has ended.
    Ended,
}

/// How it is between a host and its scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchedulerState {
    /// Commands are taken.
    Connected,
    /// There was a connection. It is tried again.
    Lost,
    /// There is none, for this reason. It is tried again.
    Unreachable { reason: String },
}

/// Takes reports of the host.
pub type Feed = crate::feed::Feed<Report>;

/// For pulls: what is odd about them is told.
impl Progress for Feed {
    fn status(&self, _: &str, _: &str) {}

    fn warning(&self, message: &str) {
        self.tell(Report::Warning { message: message.into() });
    }

    fn hint(&self, message: &str) {
        self.tell(Report::Hint { message: message.into() });
    }

    fn busy(&self, _: &str) -> Busy {
        Busy::hidden()
    }
}

/// Sees what all guests do; each workload gets an observer of its own from it.
pub struct Watch {
    feed: Feed,
    instances: Arc<Instances>,
}

/// Counts the instances of components.
#[derive(Default)]
pub struct Instances {
    made: AtomicU64,
    ended: AtomicU64,
}

impl Instances {
    /// How many were made so far, and how many are there now.
    pub fn counts(&self) -> (u64, u64) {
        let ended = self.ended.load(Ordering::Relaxed);
        let made = self.made.load(Ordering::Relaxed);
        (made, made.saturating_sub(ended))
    }
}

impl Watch {
    /// Tells the feed, and counts.
    pub fn new(feed: Feed, instances: Arc<Instances>) -> Self {
        Watch { feed, instances }
    }
}

impl Observer for Watch {
    fn request(&self, _: RequestRecord) {}
    fn output(&self, _: Output) {}
    fn fault(&self, _: Arc<Fault>) {}

    fn instance(&self, change: InstanceChange) {
        count(&self.instances, change);
    }

    fn of_workload(&self, workload: &WorkloadId) -> Option<Arc<dyn Observer>> {
        let (feed, instances) = (self.feed.clone(), self.instances.clone());
        Some(Arc::new(OfWorkload { workload: workload.clone(), feed, instances }))
    }
}

fn count(instances: &Instances, change: InstanceChange) {
    let counter = match change {
        InstanceChange::Made => &instances.made,
        InstanceChange::Ended => &instances.ended,
    };
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Sees what the guests of one workload do. Requests are told by the entrance, which knows more.
struct OfWorkload {
    workload: WorkloadId,
    feed: Feed,
    instances: Arc<Instances>,
}

impl Observer for OfWorkload {
    fn request(&self, _: RequestRecord) {}

    fn output(&self, output: Output) {
        self.feed.try_tell(Report::Output { workload: self.workload.clone(), output });
    }

    fn fault(&self, fault: Arc<Fault>) {
        self.feed.try_tell(Report::Fault { workload: self.workload.clone(), fault });
    }

    fn network(&self, notice: NetworkNotice) {
        self.feed.try_tell(Report::Network { workload: self.workload.clone(), notice });
    }

    fn service(&self, record: ServiceRecord) {
        self.feed.try_tell(Report::Service { workload: self.workload.clone(), record });
    }

    fn instance(&self, change: InstanceChange) {
        count(&self.instances, change);
    }
}
