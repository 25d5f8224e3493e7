//! A running host: many workloads, each with its identifier and state.
//!
//! Whatever takes time is done in tasks of the host's own: a caller who stops waiting stops nothing.
//! Requests on one workload take turns; those on different ones do not wait for each other, but for
//! the compiler, which takes as many at a time as there are cores.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Semaphore, watch};

use super::http::{HostHandler, Target};
use super::machine::{self, Processors};
use super::types::{
    HostHeartbeat, WorkloadReplaceRequest, WorkloadReplaceResponse, WorkloadStartRequest, WorkloadStartResponse,
    WorkloadState, WorkloadStatus, WorkloadStatusRequest, WorkloadStatusResponse, WorkloadStopRequest,
    WorkloadStopResponse,
};
use super::{Core, Ready, Slot};
use crate::component;
use crate::error::{Error, Result};
use crate::plugins::catalog;
use crate::runtime::limits::Limits;
use crate::runtime::observer::ServiceState;
use crate::runtime::workload::{HostInterface, Workload, WorkloadId};

/// How long a plugin may take to end, or to drop what it has for a workload.
const PLUGIN_STOP: Duration = Duration::from_secs(3);
/// How long a service may take to end once it is told: it is dropped at its next tick.
const SERVICE_STOP: Duration = Duration::from_secs(2);
/// How often a version that has to end is looked at.
const DRAIN_TICK: Duration = Duration::from_millis(10);

/// What can be asked of a host that runs. [`Host`] answers it; a scheduler that is written for this
/// trait can be tested with something else.
pub trait HostApi: Send + Sync {
    /// Runs a workload, and returns when it serves.
    ///
    /// Errors: a workload of this identifier runs; the host stops; the workload cannot be compiled,
    /// linked, configured or instantiated. Nothing of it is left then.
    fn workload_start(
        &self,
        request: WorkloadStartRequest,
    ) -> impl Future<Output = Result<WorkloadStartResponse>> + Send;

    /// Replaces a workload that runs by another version of it, and returns when that serves. Calls that
    /// run finish on the version that took them; no request is lost.
    ///
    /// Errors: no workload of this identifier runs, or it has another namespace or name; the new
    /// version cannot be started. The old one goes on then.
    fn workload_replace(
        &self,
        request: WorkloadReplaceRequest,
    ) -> impl Future<Output = Result<WorkloadReplaceResponse>> + Send;

    /// How a workload is. One that is not there is no error but a state.
    ///
    /// Errors: the host cannot be asked.
    fn workload_status(
        &self,
        request: WorkloadStatusRequest,
    ) -> impl Future<Output = Result<WorkloadStatusResponse>> + Send;

    /// Stops a workload: it gets no new calls, those that run may finish within the host's drain
    /// time, its data in memory is dropped. Returns when that is done. One that is not there is no
    /// error but a state.
    ///
    /// Errors: the host cannot be asked.
    fn workload_stop(&self, request: WorkloadStopRequest) -> impl Future<Output = Result<WorkloadStopResponse>> + Send;

    /// How the host is. Never waits for a workload.
    ///
    /// Errors: the host cannot be asked.
    fn heartbeat(&self) -> impl Future<Output = Result<HostHeartbeat>> + Send;
}

/// Runs workloads in this process. Clones are the same host.
///
/// Made by [`HostBuilder`](super::builder::HostBuilder); what it does is in [`HostApi`]. Needs a
/// tokio runtime with more than one thread for as long as it runs; guests are driven by the threads
/// of the HTTP server, and messages by the runtime's.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

/// What a host is made of.
pub(super) struct Setup {
    pub core: Core,
    pub http: Option<Arc<dyn HostHandler>>,
    pub about: About,
    pub limits: Limits,
    pub drain: Duration,
}

/// What a host tells of itself.
pub(super) struct About {
    pub id: String,
    pub friendly_name: String,
    pub labels: BTreeMap<String, String>,
    pub environment: String,
}

struct Inner {
    core: Arc<Core>,
    http: Option<Arc<dyn HostHandler>>,
    about: About,
    limits: Limits,
    drain: Duration,
    running: Mutex<BTreeMap<String, Arc<Running>>>,
    /// Workloads that are compiled at one time.
    compiling: Semaphore,
    /// Counts starts, to tell which of two workloads is the newer.
    starts: AtomicU64,
    started: Mutex<Option<SystemTime>>,
    stopping: AtomicBool,
    processors: Processors,
}

/// A workload of the host.
pub(crate) struct Running {
    id: String,
    /// Under which name its data is kept.
    data: WorkloadId,
    components: AtomicU64,
    order: u64,
    slot: Arc<Slot>,
    target: Target,
    state: watch::Sender<WorkloadState>,
    /// Set when it is as good as gone: those who stay decide about what workloads of one name share.
    leaving: AtomicBool,
    /// Held by whoever starts, replaces or stops it.
    turn: tokio::sync::Mutex<()>,
}

impl Running {
    fn status(&self) -> WorkloadStatus {
        let state = *self.state.borrow();
        // While it runs, the workload is what its service is.
        let service = self.slot.service().filter(|_| state == WorkloadState::Running);
        let Some(service) = service else { return status(&self.id, state) };
        let (state, message) = match service.state {
            ServiceState::Running => (state, String::new()),
            ServiceState::Starting | ServiceState::Stopped => (WorkloadState::Starting, String::new()),
            ServiceState::BackingOff { reason, attempt, most, .. } => {
                (WorkloadState::Starting, format!("the service failed, restart {attempt} of {most} follows: {reason}"))
            }
            ServiceState::Completed => (WorkloadState::Completed, String::new()),
            ServiceState::Failed { reason } => (WorkloadState::Error, format!("the service failed: {reason}")),
        };
        WorkloadStatus { message, ..status(&self.id, state) }
    }

    /// Stops the service, if there is one; whether none runs any more.
    pub(crate) async fn stop_service(&self, patience: Duration) -> bool {
        self.slot.stop_service(patience).await
    }

    /// Whether it serves and is going to.
    fn serves(&self) -> bool {
        self.slot.serving().is_some() && !self.is_stopping()
    }

    fn is_stopping(&self) -> bool {
        *self.state.borrow() == WorkloadState::Stopping
    }

    /// What serves now.
    pub(crate) fn serving(&self) -> Option<Arc<Ready>> {
        self.slot.serving()
    }
}

fn status(workload_id: &str, workload_state: WorkloadState) -> WorkloadStatus {
    WorkloadStatus { workload_id: workload_id.to_string(), workload_state, message: String::new() }
}

impl Host {
    pub(super) fn new(setup: Setup) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Host {
            inner: Arc::new(Inner {
                core: Arc::new(setup.core),
                http: setup.http,
                about: setup.about,
                limits: setup.limits,
                drain: setup.drain,
                running: Mutex::default(),
                compiling: Semaphore::new(cores),
                starts: AtomicU64::new(0),
                started: Mutex::default(),
                stopping: AtomicBool::new(false),
                processors: Processors::default(),
            }),
        }
    }

    /// Starts the plugins, in the order in which they were given, and then the HTTP handler.
    ///
    /// Errors: one of them cannot start; those that have started are stopped again. The host was
    /// started before.
    pub async fn start(self) -> Result<Host> {
        let inner = &self.inner;
        if inner.started().replace(SystemTime::now()).is_some() {
            return Err(Error::usage("the host has been started already"));
        }
        let capabilities = inner.core.capabilities();
        let mut started = Vec::new();
        let mut failure = None;
        for registered in capabilities.plugins().iter() {
            if let Err(error) = registered.plugin.start().await {
                failure = Some(error.wrap(format!("the plugin `{}` cannot start", registered.plugin.id())));
                break;
            }
            started.push(registered.plugin.clone());
        }
        if failure.is_none() {
            failure = inner.http.as_ref().and_then(|http| http.start().err());
        }
        let Some(error) = failure else { return Ok(self) };
        inner.stopping.store(true, Ordering::SeqCst);
        for plugin in started.into_iter().rev() {
            let _ = tokio::time::timeout(PLUGIN_STOP, plugin.stop()).await;
        }
        Err(error)
    }

    /// Stops everything: no more requests, then the workloads, then the plugins. Requests that are here
    /// get their answers within the drain time.
    ///
    /// Errors: plugins that did not end well, all of them. Everything has stopped then, too.
    pub async fn stop(&self) -> Result<()> {
        let inner = self.inner.clone();
        inner.stopping.store(true, Ordering::SeqCst);
        // In a task: a caller who stops waiting leaves nothing half stopped.
        own_task(async move { inner.stop().await }).await?
    }

    /// What identifies the host.
    pub fn id(&self) -> &str {
        &self.inner.about.id
    }

    /// The host's name for people.
    pub fn friendly_name(&self) -> &str {
        &self.inner.about.friendly_name
    }

    /// The identifiers of the workloads that are there, in whatever state.
    pub fn workload_ids(&self) -> Vec<String> {
        self.inner.running().keys().cloned().collect()
    }

    /// What makes workloads ready.
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.inner.core
    }

    /// Takes a place for a workload, of which nothing serves yet.
    pub(crate) fn reserve(&self, workload_id: &str, workload: &Workload) -> Result<Arc<Running>> {
        self.inner.reserve(workload_id, workload)
    }

    /// Makes a version that is ready serve, in place of the one before it; `tell` is called when it
    /// does, and before its service begins to do things.
    pub(crate) fn activate_then(
        &self,
        running: &Running,
        ready: Ready,
        tell: impl FnOnce(&Ready),
    ) -> Result<Arc<Ready>> {
        self.inner.activate_then(running, ready, tell)
    }
}

impl HostApi for Host {
    async fn workload_start(&self, request: WorkloadStartRequest) -> Result<WorkloadStartResponse> {
        let WorkloadStartRequest { workload_id, workload } = request;
        let inner = self.inner.clone();
        let workload = inner.checked(workload)?;
        let running = inner.reserve(&workload_id, &workload)?;
        own_task(async move {
            let (host, place) = (inner.clone(), running.clone());
            // In a task again: should it panic, the place is free afterwards.
            let started = own_task(async move { host.start_workload(&place, workload).await });
            if let Err(error) = started.await.and_then(|started| started) {
                inner.stop_workload(&running).await;
                return Err(error.wrap(format!("the workload `{workload_id}` cannot be started")));
            }
            Ok(WorkloadStartResponse { workload_status: running.status() })
        })
        .await?
    }

    async fn workload_replace(&self, request: WorkloadReplaceRequest) -> Result<WorkloadReplaceResponse> {
        let WorkloadReplaceRequest { workload_id, workload } = request;
        let inner = self.inner.clone();
        let workload = inner.checked(workload)?;
        let Some(running) = inner.find(&workload_id) else {
            return Err(Error::usage(format!("no workload `{workload_id}` runs")).hint("start it first"));
        };
        if running.data != workload.id() {
            return Err(Error::usage(format!(
                "the workload `{workload_id}` is `{}`, not `{}`",
                running.data,
                workload.id()
            ))
            .hint("start the other one under an identifier of its own, then stop this one"));
        }
        own_task(async move {
            let _turn = running.turn.lock().await;
            let generation = running.slot.serving().map_or(1, |ready| ready.generation() + 1);
            let replaced = inner.try_start(&running, workload, generation).await;
            inner.core.forget_code();
            replaced.map_err(|error| error.wrap(format!("the workload `{workload_id}` cannot be replaced")))?;
            Ok(WorkloadReplaceResponse { workload_status: running.status() })
        })
        .await?
    }

    async fn workload_status(&self, request: WorkloadStatusRequest) -> Result<WorkloadStatusResponse> {
        let found = self.inner.find(&request.workload_id);
        let workload_status =
            found.map_or_else(|| status(&request.workload_id, WorkloadState::NotFound), |running| running.status());
        Ok(WorkloadStatusResponse { workload_status })
    }

    async fn workload_stop(&self, request: WorkloadStopRequest) -> Result<WorkloadStopResponse> {
        let inner = self.inner.clone();
        let Some(running) = inner.find(&request.workload_id) else {
            let workload_status = status(&request.workload_id, WorkloadState::NotFound);
            return Ok(WorkloadStopResponse { workload_status });
        };
        own_task(async move {
            inner.stop_workload(&running).await;
            Ok(WorkloadStopResponse { workload_status: status(&running.id, WorkloadState::Stopping) })
        })
        .await?
    }

    async fn heartbeat(&self) -> Result<HostHeartbeat> {
        Ok(self.inner.heartbeat())
    }
}

/// Runs something to its end, whether or not somebody waits for it.
async fn own_task<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.map_err(|error| Error::bug("work of the host ended in a panic").cause(error.to_string()))
}

impl Inner {
    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn started(&self) -> MutexGuard<'_, Option<SystemTime>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, workload_id: &str) -> Option<Arc<Running>> {
        self.running().get(workload_id).cloned()
    }

    /// Refuses what whoever reads manifests would refuse with a line. Gives every component the digest
    /// of its bytes.
    fn checked(&self, mut workload: Workload) -> Result<Workload> {
        if workload.components.is_empty() && workload.service.is_none() {
            return Err(Error::usage("the workload has no components and no service"));
        }
        for (what, name) in [("namespace", &workload.namespace), ("name", &workload.name)] {
            if name.is_empty() || name.contains('/') {
                return Err(Error::usage(format!("{name:?} cannot be the {what} of a workload"))
                    .hint("its data is kept under `namespace/name`: neither is empty or has a slash"));
            }
        }
        let mut names = BTreeSet::new();
        let service = workload.service.as_mut().map(|service| &mut service.component);
        for component in workload.components.iter_mut().chain(service) {
            if component.name.is_empty() || !names.insert(component.name.clone()) {
                return Err(Error::usage(format!("a component cannot be called {:?}", component.name))
                    .hint("give each component of a workload a name of its own"));
            }
            // Code is cached by it: a wrong one would run somebody else's component.
            let digest = component::digest(&component.bytes);
            if !component.digest.is_empty() && component.digest != digest {
                return Err(Error::failed(format!(
                    "the bytes of the component `{}` are not those of its digest",
                    component.name
                ))
                .cause(format!("they have the digest {digest}, and {} was expected", component.digest)));
            }
            component.digest = digest;
        }
        let hosted = self.core.capabilities().hosted();
        for entry in &workload.host_interfaces {
            catalog::check_package(&entry.namespace, &entry.package, &hosted)?;
        }
        Ok(workload)
    }

    fn reserve(&self, workload_id: &str, workload: &Workload) -> Result<Arc<Running>> {
        if self.started().is_none() {
            return Err(Error::usage("the host has not been started").hint("call `start` on it first"));
        }
        if workload_id.is_empty() {
            return Err(Error::usage("a workload needs an identifier").hint("e.g. a UUID"));
        }
        let slot = Arc::new(Slot::default());
        let running = Arc::new(Running {
            id: workload_id.to_string(),
            data: workload.id(),
            components: AtomicU64::new(component_count(workload)),
            order: self.starts.fetch_add(1, Ordering::Relaxed),
            target: Target::new(workload_id, slot.clone()),
            slot,
            state: watch::Sender::new(WorkloadState::Starting),
            leaving: AtomicBool::new(false),
            turn: tokio::sync::Mutex::default(),
        });
        let mut all = self.running();
        // Looked at under the lock: `stop` sets it and then takes all that are here.
        if self.stopping.load(Ordering::SeqCst) {
            return Err(Error::failed("the host is stopping and takes no more workloads"));
        }
        if all.contains_key(workload_id) {
            return Err(Error::usage(format!("a workload `{workload_id}` exists already"))
                .hint("stop it first, replace it, or choose another identifier"));
        }
        if let Some(http) = &self.http {
            http.on_workload_bind(workload, &running.target)?;
        }
        all.insert(workload_id.to_string(), running.clone());
        Ok(running)
    }

    async fn start_workload(&self, running: &Arc<Running>, workload: Workload) -> Result<()> {
        let _turn = running.turn.lock().await;
        for other in self.namesakes(running).iter().filter(|other| other.is_stopping()) {
            // What they share is dropped, or kept, before this one uses it.
            drop(other.turn.lock().await);
        }
        self.try_start(running, workload, 1).await
    }

    /// Makes a version ready and lets it serve, unless the workload is stopped meanwhile.
    async fn try_start(&self, running: &Arc<Running>, workload: Workload, generation: u64) -> Result<()> {
        let mut state = running.state.subscribe();
        let begin = async {
            let _permit =
                self.compiling.acquire().await.map_err(|_| Error::bug("the host compiles nothing any more"))?;
            self.core.make_ready(workload, generation, self.limits).await.map_err(Error::from)
        };
        let ready = tokio::select! {
            ready = begin => ready?,
            _ = state.wait_for(|state| *state == WorkloadState::Stopping) => {
                return Err(Error::failed("it was stopped before it was ready"));
            }
        };
        self.activate_then(running, ready, |_| ())?;
        Ok(())
    }

    fn activate_then(&self, running: &Running, ready: Ready, tell: impl FnOnce(&Ready)) -> Result<Arc<Ready>> {
        if let Some(http) = &self.http {
            http.on_workload_bind(ready.workload(), &running.target)?;
        }
        running.components.store(component_count(ready.workload()), Ordering::Relaxed);
        let ready = running.slot.activate_then(ready, tell);
        // One that is stopping meanwhile stays so.
        running.state.send_if_modified(|state| {
            let starts = *state == WorkloadState::Starting;
            if starts {
                *state = WorkloadState::Running;
            }
            starts
        });
        Ok(ready)
    }

    async fn stop_workload(&self, running: &Arc<Running>) {
        running.state.send_replace(WorkloadState::Stopping);
        let _turn = running.turn.lock().await;
        self.remove(running).await;
    }

    /// Takes a workload away, with all that belongs to it. Its calls may finish before.
    async fn remove(&self, running: &Arc<Running>) {
        running.state.send_replace(WorkloadState::Stopping);
        if self.find(&running.id).is_none_or(|found| !Arc::ptr_eq(&found, running)) {
            return;
        }
        if let Some(http) = &self.http {
            http.on_workload_unbind(&running.id);
        }
        // Another workload of the same name has the messages, or gets them back.
        let heir = self.namesakes(running).into_iter().filter(|other| other.serves()).max_by_key(|other| other.order);
        let remains = running.slot.clear(heir.is_none()).map(|ready| ready.remains());
        if let Some(heir) = &heir {
            heir.slot.subscribe();
        }
        if let Some(remains) = remains {
            let gone = async {
                while !remains.are_gone() {
                    tokio::time::sleep(DRAIN_TICK).await;
                }
            };
            let _ = tokio::time::timeout(self.drain, gone).await;
        }
        // Calls may have needed it until now.
        if !running.slot.stop_service(SERVICE_STOP).await {
            tracing::warn!(workload = running.id, "a service did not stop in time");
        }
        if self.leaves_last(running) {
            let capabilities = self.core.capabilities();
            for registered in capabilities.plugins().iter() {
                if tokio::time::timeout(PLUGIN_STOP, registered.plugin.unbind(&running.data)).await.is_err() {
                    let plugin = registered.plugin.id();
                    tracing::warn!(plugin, workload = running.id, "a plugin did not let go of a workload in time");
                }
            }
            capabilities.forget(&running.data);
        }
        self.running().remove(&running.id);
        self.core.forget_code();
    }

    /// The other workloads of the same namespace and name.
    fn namesakes(&self, running: &Arc<Running>) -> Vec<Arc<Running>> {
        let all = self.running();
        all.values().filter(|other| other.data == running.data && !Arc::ptr_eq(other, running)).cloned().collect()
    }

    /// Marks a workload as gone; returns whether nobody of its name stays.
    fn leaves_last(&self, running: &Arc<Running>) -> bool {
        let all = self.running();
        running.leaving.store(true, Ordering::SeqCst);
        !all.values().any(|other| other.data == running.data && !other.leaving.load(Ordering::SeqCst))
    }

    async fn stop(&self) -> Result<()> {
        if let Some(http) = &self.http {
            let cut = http.stop(self.drain).await;
            if cut > 0 {
                tracing::warn!("{cut} connections were cut");
            }
        }
        let all: Vec<Arc<Running>> = self.running().values().cloned().collect();
        futures::future::join_all(all.iter().map(|running| self.stop_workload(running))).await;
        let capabilities = self.core.capabilities();
        let mut failures = Vec::new();
        for registered in capabilities.plugins().iter() {
            let id = registered.plugin.id();
            match tokio::time::timeout(PLUGIN_STOP, registered.plugin.stop()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failures.push(format!("the plugin `{id}`: {error}")),
                Err(_) => {
                    failures.push(format!("the plugin `{id}` did not end within {} seconds", PLUGIN_STOP.as_secs()))
                }
            }
        }
        if failures.is_empty() {
            return Ok(());
        }
        Err(failures.into_iter().fold(Error::failed("not everything ended well"), Error::cause))
    }

    fn heartbeat(&self) -> HostHeartbeat {
        let memory = machine::memory();
        let (workload_count, component_count) = {
            let all = self.running();
            (all.len() as u64, all.values().map(|running| running.components.load(Ordering::Relaxed)).sum())
        };
        HostHeartbeat {
            id: self.about.id.clone(),
            hostname: machine::hostname(),
            friendly_name: self.about.friendly_name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            labels: self.about.labels.clone(),
            started_at: self.started().unwrap_or(SystemTime::UNIX_EPOCH),
            os_arch: std::env::consts::ARCH.into(),
            os_name: std::env::consts::OS.into(),
            os_kernel: machine::kernel(),
            system_cpu_usage: self.processors.usage(),
            system_memory_total: memory.total,
            system_memory_free: memory.free,
            component_count,
            workload_count,
            imports: self.imports(),
            exports: exports(),
            http_port: self.http.as_ref().and_then(|http| http.address()).map(|address| address.port()),
            environment: self.about.environment.clone(),
        }
    }

    /// What components can import, an entry for each version of a package.
    fn imports(&self) -> Vec<HostInterface> {
        let mut packages: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for interface in self.core.capabilities().hosted() {
            if let Some((package, name)) = interface.name.split_once('/') {
                packages.entry((package.to_string(), interface.version)).or_default().push(name.to_string());
            }
        }
        packages.into_iter().map(|((package, version), interfaces)| entry(&package, &version, interfaces)).collect()
    }
}

/// The components of a workload. Its service is one of them.
fn component_count(workload: &Workload) -> u64 {
    workload.components.len() as u64 + u64::from(workload.service.is_some())
}

/// What the host calls in components.
fn exports() -> Vec<HostInterface> {
    [
        ("wasi:http", "0.2.12", "incoming-handler"),
        ("wasi:http", "0.3.0", "handler"),
        ("wasi:cli", "0.2.12", "run"),
        ("wasi:cli", "0.3.0", "run"),
        ("wasi:keyvalue", "0.2.0-draft", "watcher"),
        ("wasmcloud:messaging", "0.2.0", "handler"),
    ]
    .into_iter()
    .map(|(package, version, interface)| entry(package, version, vec![interface.to_string()]))
    .collect()
}

fn entry(package: &str, version: &str, interfaces: Vec<String>) -> HostInterface {
    let (namespace, package) = package.split_once(':').unwrap_or_default();
    HostInterface {
        namespace: namespace.into(),
        package: package.into(),
        version: Some(version.to_string()).filter(|version| !version.is_empty()),
        interfaces,
        ..HostInterface::default()
    }
}
