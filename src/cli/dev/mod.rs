//! `wash dev`: build, serve and rebuild on every change.

mod control;
mod keys;
mod show;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use crate::console;
use crate::console::journal::Journal;
use crate::console::recorder::Recorder;
use crate::context::Context;
use crate::dev::report::{Feed, Report};
use crate::dev::{self, Command, Options};
use crate::error::{Error, Result};
use crate::feed::Reporter;
use crate::project;
use crate::runtime::observer::Both;
use crate::shell::Format;
use crate::telemetry::Telemetry;
use crate::toolchain::ToolOutput;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Ask or tell a loop that runs already
    #[command(subcommand)]
    control: Option<control::Command>,

    /// Where to listen, e.g. 127.0.0.1:8000 or 0.0.0.0:8000 for every network
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,

    /// The port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,

    /// Look for changes at intervals, in milliseconds, instead of waiting for the system to report them
    #[arg(long, value_name = "MS", num_args = 0..=1, require_equals = true, default_missing_value = "500",
          value_parser = clap::value_parser!(u64).range(50..=60_000))]
    poll: Option<u64>,

    /// Begin with empty key-value stores and blob containers, also those kept in folders
    #[arg(long)]
    fresh: bool,

    /// Do not fetch WIT packages that are missing
    #[arg(long, conflicts_with = "locked")]
    skip_fetch: bool,

    /// Fail if wkg.lock would have to change
    #[arg(long)]
    locked: bool,

    /// Open the browser when the first version serves
    #[arg(long)]
    open: bool,

    /// Do not open the console
    #[arg(long)]
    no_console: bool,
}

impl Args {
    /// The name of the command in documents: of the loop, or of what is asked of one.
    pub fn name(&self) -> &'static str {
        self.control.as_ref().map_or("dev", control::Command::name)
    }

    /// Whether a loop is begun, in place of talking to one.
    pub fn begins(&self) -> bool {
        self.control.is_none()
    }
}

pub fn run(ctx: &Context, start: &Path, args: Args, telemetry: Telemetry) -> Result<()> {
    if let Some(command) = args.control {
        return control::run(ctx, start, command);
    }
    let flags: Arc<[project::Flag]> = args
        .address
        .map(|address| project::Flag { key: "dev.address", value: address.into(), flag: "--address" })
        .into_iter()
        .collect();
    let loader = {
        let ctx = ctx.clone();
        Arc::new(move |folder: &Path| super::load_project(&ctx, folder, &flags))
    };
    let (recorder, journal) = (Arc::new(Recorder::default()), Arc::new(Journal::default()));
    let console_opts = console::Options {
        no_page: args.no_console,
        folders: control::folders(ctx),
        recorder: recorder.clone(),
        journal: journal.clone(),
    };
    let opts = Options {
        start: start.to_path_buf(),
        load: loader,
        port: args.port,
        poll: args.poll.map(Duration::from_millis),
        fresh: args.fresh,
        env: ctx.env.as_ref().clone(),
        tool_output: ToolOutput::Copied { colour: ctx.shell.has_colour(), progress: false },
        offline: ctx.offline,
        wit: super::wit_fetch(args.skip_fetch, args.locked),
        cache: ctx.dirs.cache.clone(),
        observer: Some(match telemetry.observer() {
            Some(collector) => Arc::new(Both(recorder.clone(), collector)),
            None => recorder.clone(),
        }),
        attach: Some(Box::new(|live| console::open(live, console_opts))),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::caused_by("cannot start the asynchronous runtime", &error))?;
    let result = runtime.block_on(async {
        let (commands, wishes) = mpsc::channel(8);
        let stop = Arc::new(StopReason::default());
        tokio::spawn(stop_at_signals(commands.clone(), stop.clone()));
        let show = show::Show::new(ctx.shell.clone(), args.open, ctx.interactive);
        let url = show.url();
        let keys = (ctx.interactive && ctx.shell.format() == Format::Text)
            .then(|| keys::listen(commands, ctx.shell.clone(), url))
            .flatten();
        let (feed, showing) = Feed::start(Box::new(Noted { journal, show }))?;
        let ended = dev::run(opts, feed, wishes).await;
        drop(keys);
        showing.finish();
        // Who is asked a second time to stop does not wait for a collector.
        tokio::select! {
            _ = tokio::task::spawn_blocking(move || telemetry.end()) => {}
            () = stop.again() => {}
        }
        // A quiet end by a signal is an interruption all the same, and its exit code says so.
        ended.and_then(|()| if stop.by_signal() { Err(Error::interrupted()) } else { Ok(()) })
    });
    // A compilation that still runs is of no use to anybody any more.
    runtime.shutdown_background();
    result
}

/// Takes down what is shown.
struct Noted {
    journal: Arc<Journal>,
    show: show::Show,
}

impl Reporter<Report> for Noted {
    fn report(&mut self, report: Report) {
        self.journal.note(&report);
        self.show.report(report);
    }

    fn not_shown(&mut self, lines: u64) {
        self.show.not_shown(lines);
    }

    fn flush(&mut self) {
        self.show.flush();
    }
}

#[derive(Default)]
struct StopReason {
    by_signal: AtomicBool,
    signals: Notify,
}

impl StopReason {
    fn by_signal(&self) -> bool {
        self.by_signal.load(Ordering::SeqCst)
    }

    fn signal(&self) {
        self.by_signal.store(true, Ordering::SeqCst);
        self.signals.notify_waiters();
    }

    /// Waits for a signal from now on.
    async fn again(&self) {
        self.signals.notified().await;
    }
}

/// Turns SIGINT and SIGTERM into the wish to stop; each time, so that the second one is heard, too.
async fn stop_at_signals(commands: mpsc::Sender<Command>, reason: Arc<StopReason>) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // A terminal that is closed says so by SIGHUP: the builds must not outlive it.
        let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()));
        let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = signals else { return };
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            reason.signal();
            let _ = commands.send(Command::Stop).await;
        }
    }
    #[cfg(not(unix))]
    while tokio::signal::ctrl_c().await.is_ok() {
        reason.signal();
        let _ = commands.send(Command::Stop).await;
    }
}
