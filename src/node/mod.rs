//! The process that `wash host` is: workloads whose images have to be fetched first, and all that
//! goes with them.
//!
//! [`Node`] starts, replaces and stops workloads by their [`spec`]; whoever knows which there should
//! be (manifests, a scheduler) only tells it. It fetches images, makes folders for volumes, and lets
//! [`Host`] run what comes of it. Knows neither manifests nor schedulers, and nothing of the command
//! line. Start with [`Node::start`].

pub mod spec;

mod folders;
pub mod images;

pub mod admin;
pub mod metrics;
pub mod reconcile;
pub mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::host::http::{HostHandler, Target};
use crate::host::types::{
    HostHeartbeat, WorkloadReplaceRequest, WorkloadStartRequest, WorkloadState, WorkloadStatus, WorkloadStatusRequest,
    WorkloadStopRequest,
};
use crate::host::workloads::{Host, HostApi};
use crate::runtime::workload::{Component, Service, Volume, Workload};
pub use folders::Folders;
use images::{Fetched, Images};
use report::{Feed, Report};
use spec::{ComponentSpec, VolumeSource, WorkloadSpec};

/// A host whose workloads are given by their specs. Clones are the same one.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    host: Host,
    images: Images,
    folders: Folders,
    entrance: Option<Arc<dyn HostHandler>>,
    feed: Feed,
    /// Added to the rules of every component: private networks may be reached.
    private_networks: bool,
    placed: Mutex<BTreeMap<String, Arc<Placed>>>,
}

/// A workload that has been asked for and not been stopped.
struct Placed {
    id: String,
    /// `namespace/name`
    workload: String,
    /// Whether it is with the host yet, or its images are still being fetched.
    handed: watch::Sender<Handed>,
    /// Its temporary folders by the names of their volumes. They are removed when it has stopped.
    folders: Mutex<BTreeMap<String, tempfile::TempDir>>,
    generation: Mutex<u64>,
    /// Held by whoever starts, replaces or stops it.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Handed {
    NotYet,
    Yes,
    /// It is being stopped, whatever it did before.
    Leaving,
}

/// What a node is made of.
pub struct Setup {
    /// Runs the workloads; started.
    pub host: Host,
    /// Fetches what they are made of.
    pub images: Images,
    /// Where temporary folders are made.
    pub folders: Folders,
    /// The host's entrance for HTTP: it learns of a workload before its images are here, so that requests
    /// are told to come again.
    pub entrance: Option<Arc<dyn HostHandler>>,
    /// Learns what happens.
    pub feed: Feed,
    /// Whether components may connect to private networks that their rules do not name.
    pub private_networks: bool,
}

impl Node {
    /// A node without workloads.
    pub fn new(setup: Setup) -> Self {
        let Setup { host, images, folders, entrance, feed, private_networks } = setup;
        let placed = Mutex::default();
        Node { inner: Arc::new(Inner { host, images, folders, entrance, feed, private_networks, placed }) }
    }

    /// Runs a workload, and returns when it serves. A caller who stops waiting stops nothing.
    ///
    /// Errors: a workload of this identifier is there; an image cannot be fetched; the workload cannot be
    /// started; it is stopped meanwhile. Nothing of it is left then.
    pub async fn start(&self, workload_id: &str, spec: WorkloadSpec) -> Result<WorkloadStatus> {
        let inner = self.inner.clone();
        let placed = inner.place(workload_id, &spec)?;
        own_task(async move {
            inner.feed.tell(Report::Starting { workload_id: placed.id.clone() });
            let (node, place) = (inner.clone(), placed.clone());
            // In a task again: should it panic, the place is free afterwards.
            let started = own_task(async move { node.start(&place, spec).await }).await.and_then(|started| started);
            if let Err(error) = started {
                inner.forget(&placed).await;
                return Err(error);
            }
            Ok(inner.status(&placed.id).await)
        })
        .await?
    }

    /// Replaces a workload that runs by another version of it, without losing a request.
    ///
    /// Errors: no workload of this identifier runs, or it has another namespace or name; an image
    /// cannot be fetched; the new version cannot be started. The old one goes on then.
    pub async fn replace(&self, workload_id: &str, spec: WorkloadSpec) -> Result<WorkloadStatus> {
        let inner = self.inner.clone();
        let Some(placed) = inner.find(workload_id) else {
            return Err(Error::usage(format!("no workload `{workload_id}` runs")).hint("start it first"));
        };
        own_task(async move {
            let _turn = placed.turn.lock().await;
            let begun = Instant::now();
            let names = names_of(&spec);
            let workload = inner.fetch(&placed, spec).await?;
            let request = WorkloadReplaceRequest { workload_id: placed.id.clone(), workload };
            inner.host.workload_replace(request).await?;
            inner.tell_ready(&placed, names, begun);
            Ok(inner.status(&placed.id).await)
        })
        .await?
    }

    /// Stops a workload: it gets no new calls, those that run may finish within the host's drain time.
    /// Returns when nothing of it is left.
    pub async fn stop(&self, workload_id: &str) -> WorkloadStatus {
        let inner = self.inner.clone();
        let not_found = status(workload_id, WorkloadState::NotFound);
        let Some(placed) = inner.find(workload_id) else { return not_found };
        let stopped = own_task(async move {
            inner.feed.tell(Report::Stopping { workload_id: placed.id.clone() });
            inner.forget(&placed).await;
            inner.feed.tell(Report::Stopped { workload_id: placed.id.clone() });
            status(&placed.id, WorkloadState::Stopping)
        });
        stopped.await.unwrap_or(not_found)
    }

    /// Has requests to a workload that should run answered, with 503, while it does not. Without this its
    /// hosts would be unknown. Until [`Node::wanted_no_more`].
    pub fn wanted(&self, workload_id: &str, spec: &WorkloadSpec) {
        let Some(entrance) = &self.inner.entrance else { return };
        let target = Target::refusing(&place_of(workload_id), "the workload could not be started, and is tried again");
        // What is wrong with its hosts is told by the start.
        let _ = entrance.on_workload_bind(&entrance_part(spec), &target);
    }

    /// Forgets what [`Node::wanted`] was told.
    pub fn wanted_no_more(&self, workload_id: &str) {
        if let Some(entrance) = &self.inner.entrance {
            entrance.on_workload_unbind(&place_of(workload_id));
        }
    }

    /// How a workload is. One that is not there is no error but a state.
    pub async fn status(&self, workload_id: &str) -> WorkloadStatus {
        self.inner.status(workload_id).await
    }

    /// How all workloads are, by their identifiers.
    pub async fn list(&self) -> Vec<WorkloadStatus> {
        let ids: Vec<String> = self.inner.placed().keys().cloned().collect();
        let mut all = Vec::new();
        for id in ids {
            all.push(self.status(&id).await);
        }
        all
    }

    /// The names, `namespace/name`, of all workloads that are there.
    pub fn workloads(&self) -> BTreeSet<String> {
        self.inner.placed().values().map(|placed| placed.workload.clone()).collect()
    }

    /// How the host is. Never waits for a workload.
    pub async fn heartbeat(&self) -> Result<HostHeartbeat> {
        self.inner.host.heartbeat().await
    }

    /// What identifies the host.
    pub fn id(&self) -> &str {
        self.inner.host.id()
    }

    /// Who learns what happens.
    pub fn feed(&self) -> &Feed {
        &self.inner.feed
    }

    /// What fetches images.
    pub fn images(&self) -> &Images {
        &self.inner.images
    }

    /// Stops everything: no more requests, then the workloads. Requests that are here get their
    /// answers within the drain time. No workload can be started after this.
    ///
    /// Errors: something did not end well. Everything has stopped then, too.
    pub async fn end(&self) -> Result<()> {
        let ended = self.inner.host.stop().await;
        let all: Vec<Arc<Placed>> = self.inner.placed().values().cloned().collect();
        for placed in all {
            self.inner.forget(&placed).await;
        }
        ended
    }
}

impl Inner {
    fn placed(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Placed>>> {
        self.placed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, workload_id: &str) -> Option<Arc<Placed>> {
        self.placed().get(workload_id).cloned()
    }

    fn place(&self, workload_id: &str, spec: &WorkloadSpec) -> Result<Arc<Placed>> {
        if workload_id.is_empty() {
            return Err(Error::usage("a workload needs an identifier").hint("e.g. a UUID"));
        }
        let placed = Arc::new(Placed {
            id: workload_id.to_string(),
            workload: format!("{}/{}", spec.namespace, spec.name),
            handed: watch::Sender::new(Handed::NotYet),
            folders: Mutex::default(),
            generation: Mutex::new(0),
            turn: tokio::sync::Mutex::default(),
        });
        let mut all = self.placed();
        if all.contains_key(workload_id) {
            return Err(Error::usage(format!("a workload `{workload_id}` exists already"))
                .hint("stop it first, or choose another identifier"));
        }
        all.insert(workload_id.to_string(), placed.clone());
        Ok(placed)
    }

    async fn start(&self, placed: &Placed, spec: WorkloadSpec) -> Result<()> {
        let _turn = placed.turn.lock().await;
        let begun = Instant::now();
        let names = names_of(&spec);
        let mut handed = placed.handed.subscribe();
        self.announce(placed, &spec)?;
        let workload = tokio::select! {
            fetched = self.fetch(placed, spec) => fetched?,
            _ = handed.wait_for(|handed| *handed == Handed::Leaving) => {
                return Err(Error::failed(format!("the workload `{}` was stopped before it was ready", placed.id)));
            }
        };
        let hands_over = placed.handed.send_if_modified(|handed| {
            let hands_over = *handed == Handed::NotYet;
            if hands_over {
                *handed = Handed::Yes;
            }
            hands_over
        });
        if !hands_over {
            return Err(Error::failed(format!("the workload `{}` was stopped before it was ready", placed.id)));
        }
        self.host.workload_start(WorkloadStartRequest { workload_id: placed.id.clone(), workload }).await?;
        self.tell_ready(placed, names, begun);
        Ok(())
    }

    /// Tells the entrance of a workload that is not ready. The host tells it again, and of the end; until
    /// then [`Inner::forget`] does.
    fn announce(&self, placed: &Placed, spec: &WorkloadSpec) -> Result<()> {
        let Some(entrance) = &self.entrance else { return Ok(()) };
        entrance.on_workload_bind(&entrance_part(spec), &Target::new(&placed.id, Arc::default()))
    }

    fn tell_ready(&self, placed: &Placed, components: Vec<String>, begun: Instant) {
        let generation = {
            let mut generation = placed.generation.lock().unwrap_or_else(PoisonError::into_inner);
            *generation += 1;
            *generation
        };
        self.feed.tell(Report::Ready {
            workload_id: placed.id.clone(),
            workload: placed.workload.clone(),
            generation,
            components,
            time: begun.elapsed(),
        });
    }

    /// Fetches all images, beside each other, and makes the folders.
    async fn fetch(&self, placed: &Placed, spec: WorkloadSpec) -> Result<Workload> {
        let fetched = futures::future::try_join_all(spec.images().map(|image| self.images.fetch(image))).await?;
        let mut fetched = fetched.into_iter();
        let mut next = || fetched.next().ok_or_else(|| Error::bug("an image is missing"));
        let WorkloadSpec { namespace, name, annotations, components, service, host_interfaces, volumes } = spec;
        let mut ready = Vec::new();
        for (index, component) in components.into_iter().enumerate() {
            ready.push(self.component(index, component, next()?));
        }
        let service = match service {
            None => None,
            Some(service) => {
                let Fetched { bytes, digest } = next()?;
                let mut local = service.resources;
                local.network.allow_private_networks |= self.private_networks;
                let component = Component { name: "service".into(), bytes, digest, local, ..Component::default() };
                Some(Service { component, max_restarts: service.max_restarts })
            }
        };
        let mut folders = Vec::new();
        for volume in volumes {
            let host_path = match volume.source {
                VolumeSource::HostPath(path) => path,
                VolumeSource::EmptyDir => self.folder(placed, &volume.name)?,
            };
            folders.push(Volume { name: volume.name, host_path });
        }
        Ok(Workload { namespace, name, annotations, components: ready, service, host_interfaces, volumes: folders })
    }

    fn component(&self, index: usize, spec: ComponentSpec, fetched: Fetched) -> Component {
        let mut local = spec.resources;
        local.network.allow_private_networks |= self.private_networks;
        Component {
            name: component_name(index, &spec.name),
            bytes: fetched.bytes,
            digest: fetched.digest,
            local,
            pool_size: spec.pool_size,
            max_invocations: spec.max_invocations,
            max_concurrency: spec.max_concurrency,
        }
    }

    /// The temporary folder of a volume: the same for all versions of the workload.
    fn folder(&self, placed: &Placed, volume: &str) -> Result<PathBuf> {
        let mut folders = placed.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = folders.get(volume) {
            return Ok(folder.path().to_path_buf());
        }
        let folder = self.folders.make()?;
        let path = folder.path().to_path_buf();
        folders.insert(volume.to_string(), folder);
        Ok(path)
    }

    async fn status(&self, workload_id: &str) -> WorkloadStatus {
        let Some(placed) = self.find(workload_id) else { return status(workload_id, WorkloadState::NotFound) };
        let handed = *placed.handed.borrow();
        let request = WorkloadStatusRequest { workload_id: workload_id.to_string() };
        let told = self.host.workload_status(request).await.map(|response| response.workload_status);
        let told = told.unwrap_or_else(|error| WorkloadStatus {
            message: error.to_string(),
            ..status(workload_id, WorkloadState::Unspecified)
        });
        match (handed, told.workload_state) {
            (Handed::Leaving, _) => status(workload_id, WorkloadState::Stopping),
            (Handed::NotYet, _) => WorkloadStatus {
                message: "its images are being fetched".into(),
                ..status(workload_id, WorkloadState::Starting)
            },
            // On its way into the host, or out of it.
            (Handed::Yes, WorkloadState::NotFound) => status(workload_id, WorkloadState::Starting),
            (Handed::Yes, _) => told,
        }
    }

    /// Takes a workload away, with all that belongs to it.
    async fn forget(&self, placed: &Arc<Placed>) {
        placed.handed.send_replace(Handed::Leaving);
        // The host ends what is under way there.
        let request = || WorkloadStopRequest { workload_id: placed.id.clone() };
        let _ = self.host.workload_stop(request()).await;
        let _turn = placed.turn.lock().await;
        let _ = self.host.workload_stop(request()).await;
        if let Some(entrance) = &self.entrance {
            entrance.on_workload_unbind(&placed.id);
        }
        let folders = std::mem::take(&mut *placed.folders.lock().unwrap_or_else(PoisonError::into_inner));
        let removed = tokio::task::spawn_blocking(move || folders.into_values().try_for_each(tempfile::TempDir::close));
        if let Ok(Err(error)) = removed.await {
            tracing::warn!(workload = placed.id, "a temporary folder cannot be removed: {error}");
        }
        let mut all = self.placed();
        if all.get(&placed.id).is_some_and(|found| Arc::ptr_eq(found, placed)) {
            all.remove(&placed.id);
        }
    }
}

/// What the entrance has to know of a workload.
fn entrance_part(spec: &WorkloadSpec) -> Workload {
    Workload {
        namespace: spec.namespace.clone(),
        name: spec.name.clone(),
        host_interfaces: spec.host_interfaces.clone(),
        ..Workload::default()
    }
}

/// What stands for a workload at the entrance while it is not there.
fn place_of(workload_id: &str) -> String {
    format!("{workload_id} (wanted)")
}

fn names_of(spec: &WorkloadSpec) -> Vec<String> {
    let components = spec.components.iter().enumerate().map(|(index, one)| component_name(index, &one.name));
    components.chain(spec.service.iter().map(|_| "service".to_string())).collect()
}

fn component_name(index: usize, name: &str) -> String {
    if name.is_empty() { format!("component-{index}") } else { name.to_string() }
}

fn status(workload_id: &str, workload_state: WorkloadState) -> WorkloadStatus {
    WorkloadStatus { workload_id: workload_id.to_string(), workload_state, message: String::new() }
}

/// Runs something to its end, whether or not somebody waits for it.
async fn own_task<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.map_err(|error| Error::bug("work of the host ended in a panic").cause(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;
    use std::time::Duration;

    use super::report::{Instances, Watch};
    use super::spec::{Image, ImageSpec, VolumeSpec};
    use super::*;
    use crate::feed::{Reporter, Showing};
    use crate::host::builder::HostBuilder;
    use crate::oci::{ClientOptions, Credentials, Timing};
    use crate::runtime::observer::Observer;

    struct Quiet;

    impl Reporter<Report> for Quiet {
        fn report(&mut self, _: Report) {}
    }

    /// A node without an entrance, whose folders are below this one.
    async fn node(folder: &std::path::Path) -> (Node, Showing<Report>, Arc<Instances>) {
        let (feed, showing) = Feed::start(Box::new(Quiet)).unwrap();
        let instances = Arc::new(Instances::default());
        let observer: Arc<dyn Observer> = Arc::new(Watch::new(feed.clone(), instances.clone()));
        let host = HostBuilder::new().with_observer(observer).build().unwrap().start().await.unwrap();
        let opts = ClientOptions {
            env: Arc::default(),
            credentials: Credentials::default(),
            insecure: BTreeSet::new(),
            ca_paths: Vec::new(),
            cache_dir: folder.join("cache"),
            cache_limit: crate::oci::DEFAULT_LIMIT,
            offline: true,
            timing: Timing::default(),
        };
        let images = Images::new(opts, false, Duration::from_secs(30), feed.clone()).unwrap();
        let folders = Folders::below(&folder.join("volumes")).unwrap();
        let setup = Setup { host, images, folders, entrance: None, feed, private_networks: false };
        (Node::new(setup), showing, instances)
    }

    fn spec(folder: &std::path::Path) -> WorkloadSpec {
        let file = folder.join("empty.wasm");
        std::fs::write(&file, wat::parse_str("(component)").unwrap()).unwrap();
        WorkloadSpec {
            namespace: "default".into(),
            name: "empty".into(),
            components: vec![ComponentSpec {
                image: ImageSpec { image: Image::File(file), ..ImageSpec::default() },
                ..ComponentSpec::default()
            }],
            volumes: vec![VolumeSpec { name: "scratch".into(), source: VolumeSource::EmptyDir }],
            ..WorkloadSpec::default()
        }
    }

    fn folders_of_volumes(folder: &std::path::Path) -> usize {
        let runs = std::fs::read_dir(folder.join("volumes")).unwrap();
        let entries = runs.flat_map(|run| std::fs::read_dir(run.unwrap().path()).unwrap());
        entries.filter(|entry| entry.as_ref().unwrap().file_name() != "lock").count()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_remains_of_what_was_started_and_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let (node, showing, instances) = node(folder.path()).await;
        let mut gone: Vec<Weak<Placed>> = Vec::new();
        for round in 0..200 {
            let id = format!("round-{round}");
            let status = node.start(&id, spec(folder.path())).await.unwrap();
            assert_eq!(status.workload_state, WorkloadState::Running);
            assert_eq!(folders_of_volumes(folder.path()), 1);
            gone.push(Arc::downgrade(&node.inner.find(&id).unwrap()));
            node.replace(&id, spec(folder.path())).await.unwrap();
            assert_eq!(node.stop(&id).await.workload_state, WorkloadState::Stopping);
            assert_eq!(node.status(&id).await.workload_state, WorkloadState::NotFound);
        }
        assert!(gone.iter().all(|placed| placed.strong_count() == 0));
        assert_eq!(folders_of_volumes(folder.path()), 0);
        assert!(node.inner.host.workload_ids().is_empty() && node.list().await.is_empty());
        assert_eq!(instances.counts().1, 0);
        node.end().await.unwrap();
        drop(node);
        showing.finish();
        assert_eq!(std::fs::read_dir(folder.path().join("volumes")).unwrap().count(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn workloads_of_one_image_share_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (node, showing, _) = node(folder.path()).await;
        let (one, other) = (folder.path().join("one.wasm"), folder.path().join("other.wasm"));
        for path in [&one, &other] {
            std::fs::write(path, wat::parse_str("(component)").unwrap()).unwrap();
        }
        let image = |path: &std::path::Path| ImageSpec { image: Image::File(path.into()), ..ImageSpec::default() };
        let fetched = node.images().fetch(&image(&one)).await.unwrap();
        let again = node.images().fetch(&image(&other)).await.unwrap();
        assert!(Arc::ptr_eq(&fetched.bytes, &again.bytes));
        let weak = Arc::downgrade(&fetched.bytes);
        drop((fetched, again));
        assert_eq!(weak.strong_count(), 0, "nobody else holds them");
        node.end().await.unwrap();
        drop(node);
        showing.finish();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_cannot_be_started_leaves_nothing_and_its_identifier_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let (node, showing, _) = node(folder.path()).await;
        let mut missing = spec(folder.path());
        missing.components[0].image.image = Image::Reference("registry.example/none:1".into());
        let error = node.start("a", missing.clone()).await.unwrap_err();
        assert!(error.to_string().contains("registry.example/none:1"), "{error}");
        assert_eq!(node.status("a").await.workload_state, WorkloadState::NotFound);
        node.start("a", spec(folder.path())).await.unwrap();
        let again = node.start("a", spec(folder.path())).await.unwrap_err();
        assert_eq!(again.message(), "a workload `a` exists already");
        assert!(node.replace("a", missing).await.is_err());
        assert_eq!(node.status("a").await.workload_state, WorkloadState::Running, "the one before goes on");
        node.end().await.unwrap();
        drop(node);
        showing.finish();
    }
}
