//! The edit-refresh loop: watch, build, swap, report.
//!
//! Decisions are made in [`state`], by a pure transition; [`session`] carries them out. The watcher,
//! the builds and the host only send what happened. Nothing but the user ends the loop. Start with
//! [`run`].

mod assemble;
mod gateway;
pub mod report;
mod scope;
mod serving;
mod session;
mod snapshot;
mod stamp;
mod state;
mod watch;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::error::Result;
use crate::host::Core;
use crate::host::builder::HostBuilder;
use crate::host::workloads::Running;
use crate::plugins::Installed;
use crate::project::Project;
use crate::runtime::engine::Engine;
use crate::runtime::observer::{Both, Observer};
use crate::toolchain::{ToolOutput, WitFetch};
use gateway::Gateway;
use report::Feed;
use session::{Input, Session};
use state::State;
use watch::Watcher;

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
    /// Looks into the loop while it runs.
    pub attach: Option<Attach>,
}

/// A loop that is about to begin, for who looks into it.
pub struct Live {
    /// The capabilities with their data.
    pub core: Arc<Core>,
    /// The loop's workload: what serves now.
    pub place: Arc<Running>,
    /// The project with the settings in force; another one when they change.
    pub project: tokio::sync::watch::Receiver<Arc<Project>>,
    /// Takes reports.
    pub feed: Feed,
}

/// Called once, when the loop is about to begin. What it returns is dropped when the loop has ended.
pub type Attach = Box<dyn FnOnce(Live) -> Box<dyn Any + Send> + Send>;

/// What the user wants of a running loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Build everything again.
    Rebuild,
    /// End: finish the requests that run first; at the second time at once.
    Stop,
}

/// Runs the loop until it is told to stop.
pub async fn run(mut opts: Options, feed: Feed, mut commands: mpsc::Receiver<Command>) -> Result<()> {
    let project = (opts.load)(&opts.start)?;
    assemble::check_network(&project)?;
    assemble::check_interfaces(&project)?;
    let outbound = assemble::outbound(&project, &opts.env)?;
    let address = serving::address_of(&project, opts.port)?;
    let certificates = serving::certificates(&project)?;
    let bound = serving::bind(address)?;
    let gateway = Arc::new(Gateway::new(feed.clone()));
    let server = bound.serve_with(gateway.clone(), serving::options(certificates))?;
    feed.tell(serving::listening(&server));

    let capabilities = Installed::new(&serving::kept_data(&project, &opts.env)?)?;
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
    let nodes = session::nodes_of(&project, &opts)?;
    let scope = scope::scope_of(&project, &nodes, &BTreeSet::new());
    let notices = inputs.clone();
    let watcher = Watcher::start(
        scope,
        opts.poll,
        Box::new(move |notice| {
            let _ = notices.send(Input::Notice(notice));
        }),
    )?;
    let stamps = stamp::Stamps::in_cache(&opts.cache);
    let project = Arc::new(project);
    let (settings, project_now) = tokio::sync::watch::channel(project.clone());
    let live = Live { core: host.core().clone(), place: place.clone(), project: project_now, feed: feed.clone() };
    let _attached = opts.attach.take().map(|attach| attach(live));
    let mut session = Session {
        opts,
        feed,
        project,
        settings,
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
