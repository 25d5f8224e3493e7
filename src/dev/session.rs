//! Carries out what [`super::state`] decides: builds, swaps, settings that change, the end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::assemble::{self, Binary};
use super::gateway::{Gateway, Status};
use super::report::{Feed, Report, Swap};
use super::scope::{is_settings_file, scope_of, surroundings_of};
use super::serving::{self, address_of, bind, certificates, kept_data, listening, tls_files};
use super::state::{Action, Begin, Event, Node, State};
use super::watch::{self, Notice, Watcher};
use super::{Command, Options, stamp};
use crate::error::{Error, Result};
use crate::host::workloads::{Host, Running};
use crate::host::{Ready, StartError};
use crate::project::Project;
use crate::runtime::http::server::Server;
use crate::toolchain::{self, BuildOptions, BuildReport};

/// How long requests may take to finish when the loop ends.
const DRAIN: Duration = Duration::from_secs(10);

/// How long the service may take to stop after them. It gives way at every tick, so only a call of the host
/// that cannot be given up takes longer.
const SERVICE_END: Duration = Duration::from_secs(2);

/// Toolchains bring these up to date when they build: cargo does at the first build after a rename.
const LOCK_FILES: &[&str] =
    &["Cargo.lock", "package-lock.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "uv.lock", "go.sum"];

/// What the watcher, builds, swaps and the user send.
pub enum Input {
    Notice(Notice),
    BuildEnded { node: Node, epoch: u64, result: Option<Result<Box<BuildReport>>>, took: Duration },
    SwapEnded { epoch: u64, result: Box<Result<Ready, StartError>>, since: Instant },
    Command(Command),
}

/// Something with a build of its own.
pub struct NodeState {
    /// The name of the sidecar in the settings; the project's own for the main node.
    pub name: String,
    pub project: Arc<Project>,
    pub outputs: Vec<PathBuf>,
    pub binary: Option<Binary>,
    /// Ends the running build when it is dropped or used.
    pub cancel: Option<oneshot::Sender<()>>,
    pub recognised: bool,
}

pub struct Session {
    pub opts: Options,
    pub feed: Feed,
    pub project: Arc<Project>,
    /// Says so to who looks into the loop.
    pub settings: tokio::sync::watch::Sender<Arc<Project>>,
    pub nodes: Vec<NodeState>,
    pub state: State,
    /// Counts changes of the settings: what was begun under older ones is not taken any more.
    pub epoch: u64,
    pub generation: u64,
    pub host: Host,
    /// The loop's workload on the host.
    pub place: Arc<Running>,
    pub gateway: Arc<Gateway>,
    pub server: Option<Server>,
    pub watcher: Arc<Watcher>,
    pub stamps: stamp::Stamps,
    /// Files that turned out to be written by builds.
    pub generated: BTreeSet<PathBuf>,
    /// The settings in force are not those in the file, which is wrong.
    pub settings_broken: bool,
    pub edited_at: Instant,
    pub inputs: mpsc::UnboundedSender<Input>,
}

impl Session {
    /// Starts every node; `recall` takes components of an earlier run that fit the sources.
    pub async fn begin(&mut self, recall: bool) {
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

    pub async fn handle(&mut self, input: Input) {
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
        self.settings.send_replace(self.project.clone());
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
            let server = bind(address)?.serve_with(self.gateway.clone(), serving::options(certificates))?;
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
                let still_serving = self.place.serving().is_some();
                self.feed.tell(Report::BuildFailed { name, error, time: took, still_serving });
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
    pub async fn end(mut self, commands: &mut mpsc::Receiver<Command>) -> Result<()> {
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
pub fn nodes_of(project: &Project, opts: &Options) -> Result<Vec<NodeState>> {
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
