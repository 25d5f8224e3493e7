//! Who is told of changes: components that export `wasi:keyvalue/watcher`.
//!
//! Every change that a component makes passes this process, and in memory and in folders there are no
//! others; so whoever changes something tells it here. What is on a server is changed by others, too:
//! there a feed of the backend tells all changes, ours as well, and nobody else tells them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::Places;
use super::backend::{BucketId, Changes, Feed, Scope};
use super::host::Bucket;
use crate::runtime::workload::WorkloadId;

pub use super::backend::Change;

/// How many changes may wait for one component; what is more is not told, and counted in a warning.
const QUEUE: usize = 1024;
/// How many bytes of values may wait for one component.
const QUEUED_BYTES: usize = 64 << 20;

/// What helps where a server does not let us watch.
pub const PERMISSION: &str = "let the user of Redis subscribe to the notices of changes: `ACL SETUSER NAME +psubscribe +subscribe &wash-changes@*`";

/// Is told of changes: a component that can be called.
pub trait Watch: Send + Sync + 'static {
    /// Tells one change. It reports what goes wrong itself, and ends in bounded time.
    fn changed(&self, bucket: Bucket, change: Change) -> BoxFuture<'_, ()>;
}

/// A component that wants to be told.
#[derive(Clone)]
pub struct Watcher {
    /// The component's name, unique in the workload.
    pub name: String,
    pub watch: Arc<dyn Watch>,
}

/// Something on a server that is watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// Whose data it is among servers; see [`Changes::place`].
    pub place: String,
    pub scope: Scope,
}

/// What is watched for one version of a workload, as long as this is held.
#[derive(Clone)]
pub struct Watched {
    pub(super) places: Places,
    pub(super) feeds: BTreeMap<Source, Arc<Feed>>,
}

/// The watchers of all workloads.
#[derive(Default)]
pub struct Watchers {
    /// How many there are: nearly always none, and then a change costs a comparison.
    count: AtomicUsize,
    of: Mutex<HashMap<WorkloadId, Active>>,
    /// Versions of a workload that watch the same have the same feed: a swap misses nothing, and
    /// nothing is told twice.
    feeds: Mutex<Vec<(WorkloadId, Source, Weak<Feed>)>>,
}

/// Who is told of the changes in a workload now.
struct Active {
    routes: Vec<Route>,
    watched: Watched,
}

/// The way to one watcher. Changes are told one after the other, in their order.
struct Route {
    name: String,
    watch: Arc<Mutex<Arc<dyn Watch>>>,
    queue: mpsc::Sender<Told>,
    waiting: Arc<AtomicUsize>,
    lost: AtomicU64,
    task: AbortHandle,
}

struct Told {
    bucket: Bucket,
    change: Change,
    bytes: usize,
}

impl Drop for Route {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watchers {
    /// Replaces the watchers of a workload in one step. Changes that wait go to the new watcher of the
    /// same name.
    ///
    /// Panics outside of a tokio runtime: a task tells the changes.
    pub fn replace(&self, workload: &WorkloadId, watchers: Vec<Watcher>, watched: &Watched) {
        let mut all = self.lock();
        let mut old = all.remove(workload).map(|active| active.routes).unwrap_or_default();
        let mut routes = Vec::new();
        for watcher in watchers {
            match old.iter().position(|route| route.name == watcher.name) {
                Some(index) => {
                    let route = old.swap_remove(index);
                    *route.watch.lock().unwrap_or_else(PoisonError::into_inner) = watcher.watch;
                    routes.push(route);
                }
                None => routes.push(Route::start(watcher)),
            }
        }
        if !routes.is_empty() {
            all.insert(workload.clone(), Active { routes, watched: watched.clone() });
        }
        self.count.store(all.len(), Ordering::Relaxed);
    }

    /// Drops the watchers of a workload, and what waits for them.
    pub fn forget(&self, workload: &WorkloadId) {
        let mut all = self.lock();
        all.remove(workload);
        self.count.store(all.len(), Ordering::Relaxed);
    }

    /// Whether anybody at all is told of changes.
    pub fn are_there(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Tells a change of a bucket to the watchers of its workload.
    pub fn tell(&self, bucket: &Bucket, change: Change) {
        for route in self.lock().get(&bucket.opened_by).iter().flat_map(|active| &active.routes) {
            route.tell(bucket.clone(), change.clone());
        }
    }

    /// What tells a workload of the changes of a source: what does so already, or a new feed.
    pub fn feed(self: &Arc<Self>, workload: &WorkloadId, source: &Source, changes: &dyn Changes) -> Arc<Feed> {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        feeds.retain(|(.., feed)| feed.strong_count() > 0);
        let known = feeds.iter().find(|(of, known, _)| of == workload && known == source);
        if let Some(feed) = known.and_then(|(.., feed)| feed.upgrade()) {
            return feed;
        }
        let (watchers, of, from) = (Arc::downgrade(self), workload.clone(), source.clone());
        let told = Arc::new(move |bucket: &BucketId, change| {
            if let Some(watchers) = watchers.upgrade() {
                watchers.tell_of(&of, &from, bucket, change);
            }
        });
        let feed = Arc::new(changes.watch(source.scope.clone(), told));
        feeds.push((workload.clone(), source.clone(), Arc::downgrade(&feed)));
        feed
    }

    /// Tells a change that a server has told. One of which the version that runs now does not want to
    /// know goes nowhere.
    fn tell_of(self: &Arc<Self>, workload: &WorkloadId, source: &Source, bucket: &BucketId, change: Change) {
        let all = self.lock();
        let Some(active) = all.get(workload).filter(|active| active.watched.feeds.contains_key(source)) else { return };
        let Some(bucket) = active.watched.places.told_of(source, bucket, self) else { return };
        for route in &active.routes {
            route.tell(bucket.clone(), change.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkloadId, Active>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Route {
    fn start(watcher: Watcher) -> Self {
        let (queue, mut changes) = mpsc::channel::<Told>(QUEUE);
        let watch = Arc::new(Mutex::new(watcher.watch));
        let waiting = Arc::new(AtomicUsize::new(0));
        let (now, left) = (watch.clone(), waiting.clone());
        let task = tokio::spawn(async move {
            while let Some(Told { bucket, change, bytes }) = changes.recv().await {
                left.fetch_sub(bytes, Ordering::Relaxed);
                let watch = now.lock().unwrap_or_else(PoisonError::into_inner).clone();
                watch.changed(bucket, change).await;
            }
        });
        Route { name: watcher.name, watch, queue, waiting, lost: AtomicU64::new(0), task: task.abort_handle() }
    }

    /// Never waits: whoever changes something must not be held up by those who look on.
    fn tell(&self, bucket: Bucket, change: Change) {
        let bytes = match &change {
            Change::Set { key, value } => key.len() + value.len(),
            Change::Deleted { key } => key.len(),
        };
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes <= QUEUED_BYTES && self.queue.try_send(Told { bucket, change, bytes }).is_ok() {
            return;
        }
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        if lost.is_power_of_two() {
            tracing::warn!("`{}` does not keep up with changes of buckets: {lost} were not told so far", self.name);
        }
    }
}
