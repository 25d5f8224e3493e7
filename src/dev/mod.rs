//! The edit-refresh loop: watch, build, swap, report.
//!
//! Decisions are made in [`state`], by a pure transition; this file carries them out. The watcher,
//! the builds and the host only send what happened. Nothing but the user ends the loop. Start with
//! [`run`].

mod assemble;
mod gateway;
pub mod report;
mod snapshot;
mod stamp;
mod state;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, Result};
use crate::host::builder::HostBuilder;
use crate::host::workloads::{Host, Running};
use crate::host::{Ready, StartError};
use crate::plugins::blobstore::ObjectPlace;
use crate::plugins::remote::{CloudEnvironment, PostgresUrl, ServerUrl};
use crate::plugins::{Installed, InstalledOptions, blobstore, keyvalue, messaging};
use crate::project::{self, Project, settings};
use crate::runtime::engine::Engine;
use crate::runtime::http::server::{Bound, ServeOptions, Server, ServerLimits};
use crate::runtime::http::tls::{Certificates, TlsFiles};
use crate::runtime::observer::{Both, Observer};
use crate::toolchain::{self, BuildOptions, BuildReport, ToolOutput, WitFetch};
use assemble::Binary;
use gateway::{Gateway, Status};
use report::{Feed, Report, Swap};
use snapshot::Scope;
use state::{Action, Begin, Event, Node, State};
use watch::{Notice, Watcher};

/// How long requests may take to finish when the loop ends.
const DRAIN: Duration = Duration::from_secs(10);

/// How long the service may take to stop after them. It gives way at every tick, so only a call of the host
/// that cannot be given up takes longer.
const SERVICE_END: Duration = Duration::from_secs(2);

/// Toolchains bring these up to date when they build: cargo does at the first build after a rename.
const LOCK_FILES: &[&str] =
    &["Cargo.lock", "package-lock.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "uv.lock", "go.sum"];

/// Loads the project of a folder with everything that decides its settings.
pub type Loader = Arc<dyn Fn(&Path) -> Result<Project> + Send + Sync>;

/// What was decided about the loop before it starts.
pub struct Options {
    /// The folder to start looking for the project from.
    pub start: PathBuf,
    /// Loads settings, at the start and whenever they change.
    pub load: Loader,
    /// Replaces the port of the address (`--port`).
    pub port: Option<u16>,
    /// Looks for changes at intervals instead of waiting for events.
    pub poll: Option<Duration>,
    /// Begins with empty capabilities.
    pub fresh: bool,
    /// The environment for the toolchains.
    pub env: BTreeMap<String, String>,
    /// Where toolchains write.
    pub tool_output: ToolOutput,
    /// Whether the network must not be used.
    pub offline: bool,
    /// What is done about WIT packages that are missing.
    pub wit: WitFetch,
    /// Where compiled code, stamps and WIT packages are kept.
    pub cache: PathBuf,
    /// Who sees what guests do, beside the feed.
    pub observer: Option<Arc<dyn Observer>>,
}

/// What the user wants of a running loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Build everything again.
    Rebuild,
    /// End: finish the requests that run first; at the second time at once.
    Stop,
}

enum Input {
    Notice(Notice),
    BuildEnded { node: Node, epoch: u64, result: Option<Result<Box<BuildReport>>>, took: Duration },
    SwapEnded { epoch: u64, result: Box<Result<Ready, StartError>>, since: Instant },
    Command(Command),
}

/// Runs the loop until it is told to stop.
pub async fn run(opts: Options, feed: Feed, mut commands: mpsc::Receiver<Command>) -> Result<()> {
    let project = (opts.load)(&opts.start)?;
    assemble::check_network(&project)?;
    assemble::check_interfaces(&project)?;
    let outbound = assemble::outbound(&project, &opts.env)?;
    let address = address_of(&project, opts.port)?;
    let certificates = certificates(&project)?;
    let bound = bind(address)?;
    let gateway = Arc::new(Gateway::new(feed.clone()));
    let server = bound.serve_with(gateway.clone(), serving(certificates))?;
    feed.tell(listening(&server));

    let capabilities = Installed::new(&kept_data(&project, &opts.env)?)?;
    if opts.fresh {
        capabilities.fresh(&assemble::id(&project)).await?;
    }
    let engine = Engine::builder().with_cache_dir(opts.cache.join("engine")).build()?;
    let mut observer: Arc<dyn Observer> = Arc::new(feed.clone());
    if let Some(other) = &opts.observer {
        observer = Arc::new(Both(observer, other.clone()));
    }
    let host = HostBuilder::new()
        .with_engine(engine)
        .with_installed(capabilities)
        .with_observer(observer)
        .with_http_handler(gateway.clone())
        // The loop's own server has been drained by then.
        .with_drain_timeout(Duration::ZERO)
        .build()?
        .start()
        .await?;
    host.core().replace_outbound(outbound);
    let place = host.reserve(assemble::id(&project).as_str(), &assemble::named(&project))?;

    let (inputs, mut inbox) = mpsc::unbounded_channel();
    let nodes = nodes_of(&project, &opts)?;
    let scope = scope_of(&project, &nodes, &BTreeSet::new());
    let notices = inputs.clone();
    let watcher = Watcher::start(
        scope,
        opts.poll,
        Box::new(move |notice| {
            let _ = notices.send(Input::Notice(notice));
        }),
    )?;
    let stamps = stamp::Stamps::in_cache(&opts.cache);
    let mut session = Session {
        opts,
        feed,
        project: Arc::new(project),
        nodes,
        state: State::default(),
        epoch: 0,
        generation: 0,
        host,
        place,
        gateway,
        server: Some(server),
        watcher: Arc::new(watcher),
        stamps,
        generated: BTreeSet::new(),
        settings_broken: false,
        edited_at: Instant::now(),
        inputs,
    };
    session.begin(true).await;
    loop {
        let input = tokio::select! {
            biased;
            command = commands.recv() => Input::Command(command.unwrap_or(Command::Stop)),
            Some(input) = inbox.recv() => input,
        };
        if let Input::Command(Command::Stop) = input {
            return session.end(&mut commands).await;
        }
        session.handle(input).await;
    }
}

/// Something with a build of its own.
struct NodeState {
    /// The name of the sidecar in the settings; the project's own for the main node.
    name: String,
    project: Arc<Project>,
    outputs: Vec<PathBuf>,
    binary: Option<Binary>,
    /// Ends the running build when it is dropped or used.
    cancel: Option<oneshot::Sender<()>>,
    recognised: bool,
}

struct Session {
    opts: Options,
    feed: Feed,
    project: Arc<Project>,
    nodes: Vec<NodeState>,
    state: State,
    /// Counts changes of the settings: what was begun under older ones is not taken any more.
    epoch: u64,
    generation: u64,
    host: Host,
    /// The loop's workload on the host.
    place: Arc<Running>,
    gateway: Arc<Gateway>,
    server: Option<Server>,
    watcher: Arc<Watcher>,
    stamps: stamp::Stamps,
    /// Files that turned out to be written by builds.
    generated: BTreeSet<PathBuf>,
    /// The settings in force are not those in the file, which is wrong.
    settings_broken: bool,
    edited_at: Instant,
    inputs: mpsc::UnboundedSender<Input>,
}

impl Session {
    /// Starts every node; `recall` takes components of an earlier run that fit the sources.
    async fn begin(&mut self, recall: bool) {
        if recall {
            for node in &mut self.nodes {
                if let Some(fingerprint) = self.watcher.fingerprint(&node.project.root).await {
                    node.binary = self.stamps.recall(&node.project, fingerprint);
                }
            }
        }
        let begin = |node: &NodeState| Begin {
            has_component: node.binary.is_some(),
            written_by_tools: LOCK_FILES.iter().map(|name| node.project.root.join(name)).collect(),
        };
        let (state, actions) = State::start(self.nodes.iter().map(begin).collect());
        self.state = state;
        for action in actions {
            self.act(action);
        }
    }

    async fn handle(&mut self, input: Input) {
        let events = match input {
            Input::Notice(Notice::Changed(paths)) => self.sort_changes(paths).await,
            Input::Notice(Notice::Polling { reason, hint }) => {
                let message = format!("{reason}; looking for changes every {} ms instead", watch::POLL.as_millis());
                self.feed.tell(Report::Warning { message, hint });
                Vec::new()
            }
            Input::BuildEnded { node, epoch, result, took } if epoch == self.epoch => {
                vec![self.build_ended(node, result, took).await]
            }
            Input::SwapEnded { epoch, result, since } if epoch == self.epoch => vec![self.swap_ended(*result, since)],
            Input::BuildEnded { .. } | Input::SwapEnded { .. } => Vec::new(),
            Input::Command(Command::Rebuild) => {
                self.edited_at = Instant::now();
                vec![Event::RebuildWanted]
            }
            Input::Command(Command::Stop) => Vec::new(),
        };
        for event in events {
            let edited = if let Event::Edited(node, _) = &event { Some(*node) } else { None };
            for action in self.state.on(event) {
                self.act(action);
            }
            if let Some(node) = edited.filter(|node| self.state.waiting(*node) > 0) {
                let (name, files) = (self.nodes[node].name.clone(), self.state.waiting(node));
                self.feed.tell(Report::Waiting { name, files });
            }
        }
    }

    /// Whose change is it: settings, surroundings, or sources of a node.
    async fn sort_changes(&mut self, paths: BTreeSet<PathBuf>) -> Vec<Event> {
        if !self.state.is_building() {
            self.edited_at = Instant::now();
        }
        let settings: BTreeSet<PathBuf> = self.project.inputs().into_iter().collect();
        let surroundings = surroundings_of(&self.project);
        let mut events = Vec::new();
        let mut edits: BTreeMap<Node, BTreeSet<PathBuf>> = BTreeMap::new();
        let mut settings_changed = false;
        for path in paths {
            if settings.contains(&path) || is_settings_file(&self.project, &path) {
                settings_changed = true;
            } else if surroundings.contains(&path) {
                if !events.contains(&Event::SurroundingsChanged) {
                    events.push(Event::SurroundingsChanged);
                }
            } else if let Some(node) = self.node_of(&path) {
                edits.entry(node).or_default().insert(path);
            }
        }
        if settings_changed && self.reload().await {
            return Vec::new();
        }
        events.extend(edits.into_iter().map(|(node, paths)| Event::Edited(node, paths)));
        events
    }

    /// The node with the deepest folder around the path.
    fn node_of(&self, path: &Path) -> Option<Node> {
        let around = |(_, node): &(usize, &NodeState)| path.starts_with(&node.project.root);
        let depth = |(_, node): &(usize, &NodeState)| node.project.root.components().count();
        self.nodes.iter().enumerate().filter(around).max_by_key(depth).map(|(index, _)| index)
    }

    /// Reads the settings again. Returns whether they were other than before and are in force now.
    async fn reload(&mut self) -> bool {
        let loaded = (self.opts.load)(&self.opts.start).and_then(|project| {
            let nodes = nodes_of(&project, &self.opts)?;
            assemble::check_network(&project)?;
            assemble::check_interfaces(&project)?;
            let address = address_of(&project, self.opts.port)?;
            Ok((project, nodes, address))
        });
        let (project, mut nodes, address) = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return self.refuse_settings(error),
        };
        let keys = differences(&self.project, &project);
        let repaired = std::mem::take(&mut self.settings_broken);
        if keys.is_empty() {
            if repaired {
                self.gateway.set_status(Status::Fine);
                self.feed.tell(Report::SettingsChanged { keys });
            }
            return false;
        }
        if let Err(error) = self.apply(&project, address) {
            return self.refuse_settings(error);
        }
        self.feed.tell(Report::SettingsChanged { keys });
        for node in &mut nodes {
            let before = self.nodes.iter().find(|old| {
                old.project.root == node.project.root
                    && old.project.settings.build == node.project.settings.build
                    && old.project.settings.dev.command == node.project.settings.dev.command
                    && old.project.settings.dev.component_path == node.project.settings.dev.component_path
            });
            if let Some(before) = before {
                node.binary = before.binary.clone();
                node.recognised = before.recognised;
            }
        }
        self.epoch += 1;
        self.project = Arc::new(project);
        // The builds of the old nodes end with their senders.
        self.nodes = nodes;
        self.watcher.set_scope(scope_of(&self.project, &self.nodes, &self.generated));
        self.begin(false).await;
        true
    }

    fn refuse_settings(&mut self, error: Error) -> bool {
        self.settings_broken = true;
        self.set_broken(&error);
        self.feed.tell(Report::SettingsInvalid { error });
        false
    }

    /// Puts the settings in force that are not part of the workload.
    fn apply(&mut self, project: &Project, address: SocketAddr) -> Result<()> {
        let (old, new) = (&self.project.settings.dev, &project.settings.dev);
        // What can fail comes first: settings are in force as a whole or not at all.
        let outbound = assemble::outbound(project, &self.opts.env)?;
        let other_files = tls_files(&self.project) != tls_files(project);
        let other_address =
            old.address != new.address && self.server.as_ref().is_some_and(|server| server.address() != address);
        let certificates = if other_files || other_address { certificates(project)? } else { None };
        let kept = kept_data(project, &self.opts.env)?;
        if kept != kept_data(&self.project, &self.opts.env)? {
            let core = self.host.core();
            core.replace_capabilities(core.capabilities().with(&kept)?);
        }
        if other_address {
            let server = bind(address)?.serve_with(self.gateway.clone(), serving(certificates))?;
            self.feed.tell(listening(&server));
            if let Some(old) = self.server.replace(server) {
                tokio::spawn(old.drain(DRAIN));
            }
        } else if let Some(server) = &self.server
            && other_files
        {
            let was_secure = server.is_secure();
            server.replace_certificates(certificates);
            if server.is_secure() != was_secure {
                self.feed.tell(listening(server));
            }
        }
        self.host.core().replace_outbound(outbound);
        Ok(())
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Build(node) => self.build(node),
            Action::CancelBuild(node) => {
                self.feed.tell(Report::BuildCancelled { name: self.nodes[node].name.clone() });
                self.nodes[node].cancel = None;
            }
            Action::Swap => self.swap(),
            Action::TreatAsOutput(node, files) => {
                let names: Vec<String> =
                    files.iter().map(|file| format!("`{}`", relative(&self.nodes[node].project.root, file))).collect();
                let message = format!("{} changes with every build; it is not watched any more", names.join(", "));
                let hint = "name it in `.gitignore`, or below `dev.ignore` in the settings".to_string();
                self.feed.tell(Report::Warning { message, hint: Some(hint) });
                self.generated.extend(files);
                self.watcher.set_scope(scope_of(&self.project, &self.nodes, &self.generated));
            }
        }
    }

    fn build(&mut self, index: Node) {
        let options = build_options(&self.opts);
        let node = &mut self.nodes[index];
        if !node.recognised {
            node.recognised = true;
            if let Ok(plan) = toolchain::plan(&node.project, &options) {
                let (because, command) = (plan.because, plan.command);
                self.feed.tell(Report::Recognised { name: node.name.clone(), because, command });
            }
        }
        if self.place.serving().is_none() {
            self.gateway.set_status(Status::Starting(format!("building {}", node.name)));
        }
        self.feed.tell(Report::Building { name: node.name.clone() });
        let (cancel, cancelled) = oneshot::channel::<()>();
        node.cancel = Some(cancel);
        let (project, watcher, inputs, epoch, feed) =
            (node.project.clone(), self.watcher.clone(), self.inputs.clone(), self.epoch, self.feed.clone());
        tokio::spawn(async move {
            let begun = Instant::now();
            let result = tokio::select! {
                result = toolchain::build(&project, &options, &feed) => Some(result.map(Box::new)),
                // Used or dropped: the build is not wanted any more. Dropping it ends its processes.
                _ = cancelled => None,
            };
            let took = begun.elapsed();
            // What the build changed, and what was edited meanwhile, is reported before its end.
            watcher.look_now().await;
            let _ = inputs.send(Input::BuildEnded { node: index, epoch, result, took });
        });
    }

    async fn build_ended(&mut self, index: Node, result: Option<Result<Box<BuildReport>>>, took: Duration) -> Event {
        let unedited = self.state.waiting(index) == 0;
        let node = &mut self.nodes[index];
        node.cancel = None;
        let name = node.name.clone();
        match result {
            None => Event::BuildCancelled(index),
            Some(Err(error)) => {
                self.set_broken(&error);
                self.feed.tell(Report::BuildFailed { name, error, time: took });
                Event::BuildFailed { node: index, took }
            }
            Some(Ok(report)) => {
                let BuildReport { path, description, artifact, adapted, .. } = *report;
                let changed = node.binary.as_ref().is_none_or(|old| old.digest != description.digest);
                // A wrapped module is not what lies at the path, so that it could not be recalled.
                if unedited
                    && !adapted
                    && let Some(fingerprint) = self.watcher.fingerprint(&node.project.root).await
                {
                    self.stamps.remember(&node.project, fingerprint, &path, &description.digest);
                }
                if changed {
                    node.binary = Some(Binary::of(artifact));
                } else if self.place.serving().is_some() {
                    self.gateway.set_status(Status::Fine);
                }
                self.feed.tell(Report::Built { name, path, description: Box::new(description), changed, time: took });
                Event::Built { node: index, changed, took }
            }
        }
    }

    /// Makes the workload ready beside the one that serves.
    fn swap(&mut self) {
        let Some(main) = self.nodes.first().and_then(|node| node.binary.clone()) else { return };
        let built = self.nodes[1..]
            .iter()
            .filter_map(|node| Some((node.name.clone(), node.binary.clone()?)))
            .collect::<BTreeMap<_, _>>();
        self.generation += 1;
        let (generation, epoch, since) = (self.generation, self.epoch, self.edited_at);
        let (project, core, inputs) = (self.project.clone(), self.host.core().clone(), self.inputs.clone());
        if self.place.serving().is_none() {
            self.gateway.set_status(Status::Starting("compiling to machine code".into()));
        }
        self.feed.tell(Report::Preparing { name: project.name.clone() });
        let env = self.opts.env.clone();
        tokio::spawn(async move {
            let limits = assemble::limits(&project);
            // Files of authorities may be other ones than at the last swap.
            let workload = assemble::outbound(&project, &env).and_then(|outbound| {
                core.replace_outbound(outbound);
                assemble::workload(&project, &main, &built)
            });
            let result = match workload {
                Ok(workload) => core.make_ready(workload, generation, limits).await,
                Err(error) => Err(error.into()),
            };
            let _ = inputs.send(Input::SwapEnded { epoch, result: Box::new(result), since });
        });
    }

    fn swap_ended(&mut self, result: Result<Ready, StartError>, since: Instant) -> Event {
        let tell = |ready: &Ready| {
            let workload = ready.workload();
            self.gateway.set_status(Status::Fine);
            self.feed.tell(Report::Ready(Swap {
                generation: ready.generation(),
                components: workload.components.iter().map(|component| component.name.clone()).collect(),
                service: workload.service.as_ref().map(|service| service.component.name.clone()),
                http: ready.http().is_some(),
                compile: ready.times.compile,
                link: ready.times.link,
                since_edit: since.elapsed(),
            }));
        };
        match result.and_then(|ready| Ok(self.host.activate_then(&self.place, ready, tell)?)) {
            Ok(_) => Event::Swapped,
            Err(error) => {
                let error = Error::from(error);
                self.set_broken(&error);
                // The next version takes the number: one that never served is none.
                self.generation -= 1;
                let still_serving = self.place.serving().is_some();
                self.feed.tell(Report::NotReady { error, still_serving });
                Event::SwapFailed
            }
        }
    }

    fn set_broken(&self, error: &Error) {
        let mut text = error.to_string();
        if let Some(details) = error.details_text() {
            text = format!("{text}\n{details}");
        }
        for hint in error.hints() {
            text = format!("{text}\nhint: {hint}");
        }
        self.gateway.set_status(Status::Broken(text));
    }

    /// Ends the builds, lets requests finish, and leaves at once at the second wish to stop.
    async fn end(mut self, commands: &mut mpsc::Receiver<Command>) -> Result<()> {
        for node in &mut self.nodes {
            node.cancel = None;
        }
        let Some(server) = self.server.take() else { return Ok(()) };
        self.feed.tell(Report::Stopping { connections: server.connections() });
        let cut = tokio::select! {
            cut = server.drain(DRAIN) => cut,
            _ = async { while commands.recv().await.is_some_and(|command| command != Command::Stop) {} } => {
                return Err(Error::interrupted());
            }
        };
        // Requests may have needed it until now.
        if !self.place.stop_service(SERVICE_END).await {
            let message = "the service did not stop in time; it ends with wash".to_string();
            self.feed.tell(Report::Warning { message, hint: None });
        }
        // In-memory data ends with the loop; nobody gets messages any more.
        self.host.stop().await?;
        self.feed.tell(Report::Stopped { cut });
        Ok(())
    }
}

fn build_options(opts: &Options) -> BuildOptions {
    BuildOptions {
        for_dev: true,
        output: opts.tool_output,
        env: opts.env.clone(),
        // The terminal belongs to the loop's keys; a question would be in their way.
        interactive: false,
        offline: opts.offline,
        wit: opts.wit,
        cache: opts.cache.clone(),
    }
}

/// The project and its sidecars that have a build of their own.
fn nodes_of(project: &Project, opts: &Options) -> Result<Vec<NodeState>> {
    let options = build_options(opts);
    let node = |name: String, project: Project| {
        // Without a plan there is a reason, which the build tells.
        let outputs = toolchain::plan(&project, &options).map(|plan| plan.footprint.outputs).unwrap_or_default();
        NodeState { name, project: Arc::new(project), outputs, binary: None, cancel: None, recognised: false }
    };
    let mut nodes = vec![node(project.name.clone(), project.clone())];
    for sidecar in &project.settings.dev.components {
        if let Some(folder) = &sidecar.project {
            let path = project.root.join(folder);
            let path = path.canonicalize().map_err(|error| {
                Error::caused_by(format!("cannot open the project folder `{folder}` of `{}`", sidecar.name), &error)
            })?;
            nodes.push(node(sidecar.name.clone(), (opts.load)(&path)?));
        }
    }
    Ok(nodes)
}

fn scope_of(project: &Project, nodes: &[NodeState], generated: &BTreeSet<PathBuf>) -> Scope {
    let mut files = surroundings_of(project);
    files.extend(project.inputs());
    let mut outputs = generated.clone();
    outputs.extend(nodes.iter().flat_map(|node| node.outputs.iter().cloned()));
    for path in [&project.settings.dev.wasi_keyvalue_path, &project.settings.dev.wasi_blobstore_path] {
        outputs.extend(path.as_ref().map(|path| project.root.join(path)));
    }
    // What components write to their volumes is no edit.
    let dev = &project.settings.dev;
    let volumes = dev.volumes.iter().chain(dev.components.iter().flat_map(|component| &component.volumes));
    outputs.extend(volumes.map(|volume| project.root.join(&volume.host_path)));
    // The server looks at these itself; nothing is built of them.
    if let Some(files) = tls_files(project) {
        outputs.extend([files.cert, files.key].into_iter().chain(files.ca));
    }
    outputs.remove(&project.root);
    Scope {
        roots: nodes.iter().map(|node| node.project.root.clone()).collect(),
        files,
        outputs,
        ignore: project.settings.dev.ignore.clone(),
    }
}

/// Files that a workload is made of and that need no build: env files, secrets, component files, the
/// service, authorities.
fn surroundings_of(project: &Project) -> BTreeSet<PathBuf> {
    let dev = &project.settings.dev;
    let sidecars = dev
        .components
        .iter()
        .flat_map(|component| component.file.iter().chain(&component.env_files).chain(component.secret_files.values()));
    let authorities = &dev.http_client_ca_paths;
    dev.env_files
        .iter()
        .chain(sidecars)
        .chain(&dev.service_file)
        .chain(dev.secret_files.values())
        .chain(authorities)
        .map(|file| project.root.join(file))
        .collect()
}

/// A settings file that did not exist when the settings were read.
fn is_settings_file(project: &Project, path: &Path) -> bool {
    path.parent() == Some(&project.root.join(".wash"))
        && path.file_stem().is_some_and(|stem| stem == "config")
        && path.extension().is_some_and(|end| ["yaml", "yml", "json", "toml"].iter().any(|known| end == *known))
}

/// Where the capabilities keep their data. A key of a capability's own goes before `data_nats_url`.
fn kept_data(project: &Project, env: &BTreeMap<String, String>) -> Result<InstalledOptions> {
    let dev = &project.settings.dev;
    let path = |path: &Option<String>| path.as_ref().map(|path| project.root.join(path));
    let nats_url = server("dev.data_nats_url", &dev.data_nats_url, ServerUrl::nats)?;
    let keyvalue_nats = server("dev.wasi_keyvalue_nats_url", &dev.wasi_keyvalue_nats_url, ServerUrl::nats)?;
    let keyvalue_redis = server("dev.wasi_keyvalue_redis_url", &dev.wasi_keyvalue_redis_url, ServerUrl::redis)?;
    let messaging_nats =
        server("dev.wasmcloud_messaging_nats_url", &dev.wasmcloud_messaging_nats_url, ServerUrl::nats)?;
    let messaging =
        messaging_nats.or(nats_url.clone()).map_or(messaging::Transport::Memory, messaging::Transport::Nats);
    let keyvalue = match (path(&dev.wasi_keyvalue_path), keyvalue_nats, keyvalue_redis, nats_url.clone()) {
        (Some(folder), ..) => keyvalue::Storage::Folder(folder),
        (None, None, Some(url), _) => keyvalue::Storage::Redis(url),
        (None, Some(url), ..) | (None, None, None, Some(url)) => keyvalue::Storage::Nats(url),
        (None, None, None, None) => keyvalue::Storage::Memory,
    };
    let blobstore_nats = server("dev.wasi_blobstore_nats_url", &dev.wasi_blobstore_nats_url, ServerUrl::nats)?;
    let objects = |url: &str| ObjectPlace::new(url, BTreeMap::new());
    let blobstore_objects = server("dev.wasi_blobstore_url", &dev.wasi_blobstore_url, objects)?;
    let blobstore = match (path(&dev.wasi_blobstore_path), blobstore_nats, blobstore_objects, nats_url.clone()) {
        (Some(folder), ..) => blobstore::Storage::Folder(folder),
        (None, None, Some(place), _) => blobstore::Storage::Objects(place),
        (None, Some(url), ..) | (None, None, None, Some(url)) => blobstore::Storage::Nats(url),
        (None, None, None, None) => blobstore::Storage::Memory,
    };
    let postgres_url = server("dev.postgres_url", &dev.postgres_url, PostgresUrl::parse)?;
    let cloud_environment = CloudEnvironment::of(env);
    Ok(InstalledOptions { keyvalue, blobstore, messaging, nats_url, postgres_url, cloud_environment })
}

/// Reads the address of a server. The error does not repeat it: it may have a password in it.
fn server<T>(key: &str, url: &Option<String>, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>> {
    let read = url.as_deref().map(read).transpose();
    read.map_err(|reason| Error::usage(format!("`{key}` is wrong: {reason}")))
}

fn address_of(project: &Project, port: Option<u16>) -> Result<SocketAddr> {
    let text = project.settings.dev.address.as_deref().unwrap_or(settings::DEFAULT_ADDRESS);
    let mut address = project::socket_address(text).ok_or_else(|| {
        Error::usage(format!("`{text}` is not an address to listen on")).hint("write it as 127.0.0.1:8000")
    })?;
    if let Some(port) = port {
        address.set_port(port);
    }
    Ok(address)
}

fn bind(address: SocketAddr) -> Result<Bound> {
    Bound::bind(address).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            let owner = listeners::get_process_by_port(address.port(), listeners::Protocol::TCP);
            let by = owner.map(|owner| format!(" by `{}` (process {})", owner.name, owner.pid)).unwrap_or_default();
            Error::failed(format!("the address {address} is already in use{by}")).hint(format!(
                "choose another port: wash dev --port {} (0 takes a free one)",
                address.port().wrapping_add(1)
            ))
        }
        std::io::ErrorKind::PermissionDenied => {
            Error::caused_by(format!("listening on {address} is not permitted"), &error)
                .hint("choose a port above 1023: wash dev --port 8000")
        }
        _ => Error::caused_by(format!("cannot listen on {address}"), &error),
    })
}

fn listening(server: &Server) -> Report {
    let address = server.address();
    let host = match address {
        _ if address.ip().is_unspecified() => format!("127.0.0.1:{}", address.port()),
        _ => address.to_string(),
    };
    let scheme = if server.is_secure() { "https" } else { "http" };
    Report::Listening { url: format!("{scheme}://{host}/"), address }
}

/// The files of the certificates, if HTTPS is wanted.
fn tls_files(project: &Project) -> Option<TlsFiles> {
    let dev = &project.settings.dev;
    let path = |path: &String| project.root.join(path);
    Some(TlsFiles {
        cert: dev.tls_cert_path.as_ref().map(path)?,
        key: dev.tls_key_path.as_ref().map(path)?,
        ca: dev.tls_ca_path.as_ref().map(path),
    })
}

fn certificates(project: &Project) -> Result<Option<Certificates>> {
    tls_files(project).map(Certificates::read).transpose()
}

fn serving(certificates: Option<Certificates>) -> ServeOptions {
    ServeOptions { threads: serving_threads(), certificates, limits: ServerLimits::default() }
}

/// One for each core: each serves the connections it accepts.
fn serving_threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Keys whose values differ, dotted.
fn differences(old: &Project, new: &Project) -> Vec<String> {
    let flat = |project: &Project| {
        let mut values = BTreeMap::new();
        flatten("", &serde_json::to_value(&project.settings).unwrap_or_default(), &mut values);
        values
    };
    let (old, new) = (flat(old), flat(new));
    let mut keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    keys.retain(|key| old.get(*key) != new.get(*key));
    keys.into_iter().cloned().collect()
}

fn flatten(prefix: &str, value: &serde_json::Value, into: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, value, into);
            }
        }
        other => {
            into.insert(prefix.to_string(), other.to_string());
        }
    }
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
