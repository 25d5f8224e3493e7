//! Who is told of changes: components that export `wasi:keyvalue/watcher`.
//!
//! Every change that a component makes passes this process, and in memory and in folders there are no
//! others; so whoever changes something tells it here. Backends that others write to, too, cannot be
//! watched this way, and are refused when a workload with a watcher is configured.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::host::Bucket;
use crate::runtime::workload::WorkloadId;

/// How many changes may wait for one component; what is more is not told, and counted in a warning.
const QUEUE: usize = 1024;
/// How many bytes of values may wait for one component.
const QUEUED_BYTES: usize = 64 << 20;

/// What happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Set { key: String, value: Bytes },
    Deleted { key: String },
}

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

/// The watchers of all workloads.
#[derive(Default)]
pub struct Watchers {
    /// How many there are: nearly always none, and then a change costs a comparison.
    count: AtomicUsize,
    of: Mutex<HashMap<WorkloadId, Vec<Route>>>,
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
    pub fn replace(&self, workload: &WorkloadId, watchers: Vec<Watcher>) {
        let mut all = self.lock();
        let mut old = all.remove(workload).unwrap_or_default();
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
            all.insert(workload.clone(), routes);
        }
        self.count.store(all.values().map(Vec::len).sum(), Ordering::Relaxed);
    }

    /// Drops the watchers of a workload, and what waits for them.
    pub fn forget(&self, workload: &WorkloadId) {
        self.replace(workload, Vec::new());
    }

    /// Whether anybody at all is told of changes.
    pub fn are_there(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Tells a change of a bucket to the watchers of its workload.
    pub fn tell(&self, bucket: &Bucket, change: Change) {
        for route in self.lock().get(&bucket.opened_by).into_iter().flatten() {
            route.tell(bucket.clone(), change.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkloadId, Vec<Route>>> {
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
