//! The command line: one file a subcommand, with its flags, its translation to options and the
//! rendering of its report. How the work is done is the business of the other rooms.

mod build;
mod completion;
mod config;
mod dev;
mod doctor;
mod host;
mod inspect;
mod new;
mod oci;
mod signals;
mod update;
mod wit;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::context::{Context, Wishes};
use crate::error::{Error, Result};
use crate::project::{self, Project};
use crate::shell::{Format, Shell};
use crate::telemetry::{BoxLayer, Telemetry};
use crate::toolchain::WitFetch;

/// Creates, builds, runs and inspects WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "wash", version, about, long_about = None, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "Start here: wash new http-hello-world --name hello && wash dev -C hello")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every subcommand; accepted before and after it.
#[derive(Debug, Args)]
pub struct Global {
    /// Run as if wash was started in this folder
    #[arg(short = 'C', value_name = "PATH", global = true)]
    pub directory: Option<PathBuf>,

    /// What stdout is for: text for people, json for programs
    #[arg(short, long, value_name = "FORMAT", global = true, default_value = "text")]
    pub output: OutputFormat,

    /// How much to log to stderr: off, trace, debug, info, warn or error; WASH_LOG takes a full filter
    #[arg(short, long, value_name = "LEVEL", global = true, default_value = "info")]
    pub log_level: LogLevel,

    /// Say more: log lines name their source, and other libraries log, too
    #[arg(long, global = true)]
    pub verbose: bool,

    /// Never ask a question (as when stdin is not a terminal)
    #[arg(long, global = true)]
    pub non_interactive: bool,

    /// Never use the network; what is needed and not here is an error
    #[arg(long, global = true, env = "WASH_OFFLINE", value_parser = clap::builder::FalseyValueParser::new())]
    pub offline: bool,

    /// The user settings file, instead of the one in wash's configuration folder
    #[arg(long, value_name = "PATH", global = true)]
    pub user_config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum OutputFormat {
    #[value(alias = "plain")]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a project from a template, a Git repository or a folder
    New(new::Args),
    /// Build the project into a component
    Build(build::Args),
    /// Build, serve and rebuild on every change
    Dev(dev::Args),
    /// Run workloads in production, from manifests or under a scheduler
    Host(Box<host::Args>),
    /// Say what a component is, needs, offers and weighs, without running it
    Inspect(inspect::Args),
    /// Push components to registries and pull them
    #[command(alias = "docker")]
    Oci(oci::Args),
    /// Manage the WIT packages that the project needs
    Wit(wit::Args),
    /// Make, show and check settings
    Config(config::Args),
    /// Look for what is in the way of building and running, and say what mends it
    Doctor(doctor::Args),
    /// Print a completion script for a shell
    Completion(completion::Args),
    /// Replace this wash by a newer release
    #[command(alias = "upgrade")]
    Update(update::Args),
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Command::New(_) => "new",
            Command::Build(_) => "build",
            Command::Dev(args) => args.name(),
            Command::Host(_) => "host",
            Command::Inspect(_) => "inspect",
            Command::Oci(args) => args.name(),
            Command::Wit(_) => "wit",
            Command::Config(_) => "config",
            Command::Doctor(_) => "doctor",
            Command::Completion(_) => "completion",
            Command::Update(_) => update::COMMAND,
        }
    }
}

/// Runs the command line of this process and returns its exit code.
pub fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results: they go to stdout and are a success.
            let _ = error.print();
            if !error.use_stderr() {
                return 0;
            }
            if wants_json() {
                let text = error.to_string();
                let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_string();
                Shell::new(Format::Json).error_document("wash", &Error::usage(message).details(text));
            }
            return 2;
        }
    };
    let format = match cli.global.output {
        OutputFormat::Text => Format::Text,
        OutputFormat::Json => Format::Json,
    };
    let shell = Arc::new(Shell::new(format));
    let command = cli.command.name();
    match run(cli, shell.clone()) {
        Ok(()) => u8::from(shell.has_lost_output()),
        Err(error) => {
            shell.error(command, &error);
            error.exit_code()
        }
    }
}

/// Whether a command line that cannot be parsed asks for JSON all the same.
fn wants_json() -> bool {
    let args: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    args.iter().any(|arg| arg == "-ojson" || arg == "-o=json" || arg == "--output=json")
        || args.windows(2).any(|pair| (pair[0] == "-o" || pair[0] == "--output") && pair[1] == "json")
}

fn run(cli: Cli, shell: Arc<Shell>) -> Result<()> {
    let Cli { global, command } = cli;
    let wishes = Wishes {
        non_interactive: global.non_interactive,
        offline: global.offline,
        verbose: global.verbose,
        user_config: global.user_config.clone(),
    };
    let ctx = Context::from_process(wishes, shell)?;
    crate::runtime::tls::choose_provider();
    // Only what serves has something to tell a collector.
    let telemetry = match &command {
        Command::Dev(args) if args.begins() => Telemetry::start(&ctx.env)?,
        Command::Host(_) => Telemetry::start(&ctx.env)?,
        _ => Telemetry::off(),
    };
    start_logging(&ctx, global.log_level, telemetry.layers());
    let start = start_folder(&ctx, global.directory.as_deref())?;
    match command {
        Command::New(args) => new::run(&ctx, &start, args),
        Command::Build(args) => build::run(&ctx, &start, args),
        Command::Dev(args) => dev::run(&ctx, &start, args, telemetry),
        Command::Host(args) => host::run(&ctx, &start, *args, telemetry),
        Command::Inspect(args) => inspect::run(&ctx, &start, args),
        Command::Oci(args) => oci::run(&ctx, &start, args),
        Command::Wit(args) => wit::run(&ctx, &start, args),
        Command::Config(args) => config::run(&ctx, &start, args),
        Command::Doctor(args) => doctor::run(&ctx, &start, args),
        Command::Completion(args) => completion::run(&ctx, args),
        Command::Update(args) => update::run(&ctx, args),
    }
}

/// The folder of `-C`, made absolute, or the current one.
fn start_folder(ctx: &Context, directory: Option<&std::path::Path>) -> Result<PathBuf> {
    let Some(directory) = directory else { return Ok(ctx.cwd.clone()) };
    let path = ctx.absolute(directory);
    if path.is_dir() {
        return Ok(path);
    }
    let what = if path.exists() { "is not a folder" } else { "does not exist" };
    Err(Error::usage(format!("the folder of `-C {}` {what}", directory.display())))
}

/// Finds the project for a command; `flags` are settings that flags decide.
fn load_project(ctx: &Context, start: &std::path::Path, flags: &[project::Flag]) -> Result<Project> {
    project::load(&project::Request {
        start,
        env: &ctx.env,
        user_config: ctx.user_config.as_deref(),
        user_config_dir: &ctx.dirs.config,
        flags,
    })
}

/// What the flags of `build` and `dev` say about WIT packages that are missing.
fn wit_fetch(skip_fetch: bool, locked: bool) -> WitFetch {
    match (skip_fetch, locked) {
        (true, _) => WitFetch::Skipped,
        (false, true) => WitFetch::Locked,
        (false, false) => WitFetch::Missing,
    }
}

/// Logs go to stderr; `more` are those who record them elsewhere.
fn start_logging(ctx: &Context, level: LogLevel, more: Vec<BoxLayer>) {
    use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
    use tracing_subscriber::layer::{Layer, SubscriberExt};
    use tracing_subscriber::util::SubscriberInitExt;
    use tracing_subscriber::{EnvFilter, fmt, registry};

    let level = match level {
        LogLevel::Off => "off",
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let fallback = if ctx.verbose { level.to_string() } else { format!("off,wash={level}") };
    let filter = match ctx.var("WASH_LOG") {
        Some(text) => EnvFilter::builder().parse_lossy(text),
        None => EnvFilter::builder().parse_lossy(fallback),
    };
    // Without the hint nothing could be skipped early: every line that any library would log at its lowest level
    // would be made and then thrown away, several for each request.
    let most = filter.max_level_hint().unwrap_or(LevelFilter::TRACE);
    let no_secrets = filter_fn(has_no_secrets).with_max_level_hint(most);
    let shown = fmt::layer()
        .with_writer(anstream::stderr)
        .with_target(ctx.verbose)
        .with_file(ctx.verbose)
        .with_line_number(ctx.verbose)
        .with_filter(filter.and(no_secrets))
        .boxed();
    let layers: Vec<BoxLayer> = std::iter::once(shown).chain(more).collect();
    // Fails only when a library user has set up logging before, which then stays.
    let _ = registry().with(layers).try_init();
}

/// The NATS library logs what it sends and receives, passwords and whole commands among it, whatever is
/// asked for: that stays out of logs.
fn has_no_secrets(line: &tracing::Metadata) -> bool {
    !line.target().starts_with("async_nats") || *line.level() <= tracing::Level::INFO
}

/// The whole command line as clap sees it, for completions and manual pages.
pub fn command() -> clap::Command {
    Cli::command()
}
