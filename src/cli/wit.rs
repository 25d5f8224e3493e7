//! `wash wit`: the WIT packages that a project needs.

mod render;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::signals::run_until_interrupted;
use crate::context::Context;
use crate::error::{Context as _, Error, Result};
use crate::plugins;
use crate::progress::Progress;
use crate::project::{self, Project};
use crate::toolchain::{WitSurroundings, wit_options};
use crate::wit::{self, Addition, Check, Finding, Keyword, Locking, Options, Severity, Wanted};

/// What the documents of all subcommands are called.
const COMMAND: &str = "wit";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of the project's WIT [default: wit.wit_dir of the settings, else ./wit]
    #[arg(long, value_name = "PATH", global = true)]
    wit_dir: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Import a package or an interface into the project's world, and fetch it
    #[command(after_help = "\
Examples:
  wash wit add wasi:keyvalue
  wash wit add wasi:keyvalue/store@0.2.0-draft
  wash wit add wasmcloud:messaging/handler --export")]
    Add {
        /// What to add: NAMESPACE:PACKAGE[/INTERFACE][@VERSION]
        package: String,
        /// The world to add it to, where there are several
        #[arg(long, value_name = "NAME")]
        world: Option<String>,
        /// Export the interface instead of importing it
        #[arg(long)]
        export: bool,
        #[command(flatten)]
        locked: LockedFlag,
    },
    /// Encode the project's WIT as a WebAssembly file, as registries have it
    Build {
        /// Where to write it [default: NAMESPACE-PACKAGE-VERSION.wasm in the current folder]
        #[arg(long, value_name = "PATH")]
        output_file: Option<PathBuf>,
        #[command(flatten)]
        locked: LockedFlag,
    },
    /// Remove the folder of fetched packages, wit/deps
    Clean,
    /// Fetch the packages that the project's WIT needs into wit/deps
    Fetch {
        /// Remove what is in wit/deps first
        #[arg(long)]
        clean: bool,
        #[command(flatten)]
        locked: LockedFlag,
    },
    /// Remove a package or an interface from the project's worlds, and what nobody needs any more
    Remove {
        /// What to remove: NAMESPACE:PACKAGE[/INTERFACE][@VERSION]
        package: String,
    },
    /// Move packages to their newest compatible versions
    Update {
        /// The package to update; with @VERSION, to that version [default: all]
        package: Option<String>,
    },
    /// Print what needs which package, and where each comes from
    Tree,
    /// Compare the project's WIT with wit/deps, wkg.lock and what this wash can serve
    Check,
    /// Print the WIT of the project, of a package, or of a component
    Show {
        /// A package or interface, or a WebAssembly file [default: the project's WIT]
        what: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct LockedFlag {
    /// Fail if wkg.lock would have to change
    #[arg(long)]
    locked: bool,
}

pub fn run(ctx: &Context, start: &Path, args: Args) -> Result<()> {
    let Args { wit_dir, command } = args;
    let locked = match &command {
        Command::Add { locked, .. } | Command::Build { locked, .. } | Command::Fetch { locked, .. } => locked.locked,
        _ => false,
    };
    let shell = &ctx.shell;
    match command {
        Command::Show { what: Some(what) } if is_file(ctx, &what) => {
            let path = ctx.absolute(&what);
            let bytes = std::fs::read(&path).context(|| format!("cannot read `{}`", path.display()))?;
            let shown = wit::read_encoded(&bytes, &what)?;
            shell.result(COMMAND, &shown, || shown.wit.clone());
        }
        Command::Show { what } => {
            let wanted = what.as_deref().map(Wanted::parse).transpose()?;
            let opts = options(ctx, start, wit_dir.as_deref(), locked)?;
            let shown = run_until_interrupted(wit::show(&opts, wanted.as_ref(), &**shell))?;
            shell.result(COMMAND, &shown, || shown.wit.clone());
        }
        Command::Add { package, world, export, .. } => {
            let wanted = Wanted::parse(&package)?;
            let keyword = if export { Keyword::Export } else { Keyword::Import };
            let opts = options(ctx, start, wit_dir.as_deref(), locked)?;
            let report = run_until_interrupted(wit::add(&opts, &Addition { wanted, world, keyword }, &**shell))?;
            shell.result(COMMAND, &report, || render::added(&report, keyword));
            if !report.left_out.is_empty() {
                let interfaces = report.left_out.join("`, `");
                shell.hint(&format!(
                    "`{interfaces}` is for components to export: wash wit add {} --export",
                    report.left_out[0]
                ));
            }
        }
        Command::Build { output_file, .. } => {
            let opts = options(ctx, start, wit_dir.as_deref(), locked)?;
            let output = output_file.map(|path| ctx.absolute(path));
            let report = run_until_interrupted(wit::build(&opts, output.as_deref(), &ctx.cwd, &**shell))?;
            shell.result(COMMAND, &report, || render::built(&report, &ctx.cwd));
        }
        Command::Clean => {
            let opts = options(ctx, start, wit_dir.as_deref(), locked)?;
            let report = wit::clean(&opts)?;
            shell.result(COMMAND, &report, || render::cleaned(&report));
        }
        Command::Fetch { clean, .. } => {
            let opts = options(ctx, start, wit_dir.as_deref(), locked)?;
            let report = run_until_interrupted(wit::fetch(&opts, clean, &**shell))?;
            shell.result(COMMAND, &report, || render::fetched(&report));
        }
        Command::Remove { package } => {
            let wanted = Wanted::parse(&package)?;
            let opts = options(ctx, start, wit_dir.as_deref(), locked)?;
            let report = run_until_interrupted(wit::remove(&opts, &wanted, &**shell))?;
            shell.result(COMMAND, &report, || render::removed(&report));
            if !report.still_used.is_empty() {
                shell.warning(&format!("`{}` is still used: {}", wanted.name, report.still_used.join(", ")));
            }
        }
        Command::Update { package } => {
            let wanted = package.as_deref().map(Wanted::parse).transpose()?;
            if let Some(interface) = wanted.as_ref().and_then(|wanted| wanted.interface.as_ref()) {
                return Err(Error::usage(format!("packages are updated, not their interfaces (`{interface}`)")));
            }
            let opts = options(ctx, start, wit_dir.as_deref(), locked)?;
            let report = run_until_interrupted(wit::update(&opts, wanted.as_ref(), &**shell))?;
            shell.result(COMMAND, &report, || render::updated(&report));
        }
        Command::Tree => {
            let opts = options(ctx, start, wit_dir.as_deref(), locked)?;
            let tree = run_until_interrupted(wit::tree(&opts, &**shell))?;
            shell.result(COMMAND, &tree, || render::tree(&tree));
        }
        Command::Check => {
            let opts = options(ctx, start, wit_dir.as_deref(), locked)?;
            let mut check = run_until_interrupted(wit::check(&opts, &**shell))?;
            check.findings.extend(not_served(&check));
            let problems = check.findings.iter().filter(|finding| finding.severity == Severity::Problem).count();
            if problems > 0 {
                let s = if problems == 1 { "" } else { "s" };
                return Err(Error::failed(format!("the project's WIT has {problems} problem{s}"))
                    .details(render::checked(&check)));
            }
            shell.result(COMMAND, &check, || render::checked(&check));
        }
    }
    Ok(())
}

/// A component or package as a file, rather than the name of a package.
fn is_file(ctx: &Context, what: &str) -> bool {
    ctx.absolute(what).is_file() || what.ends_with(".wasm")
}

/// The options of a project; a folder with WIT and nothing else is one, too.
fn options(ctx: &Context, start: &Path, wit_dir: Option<&Path>, locked: bool) -> Result<Options> {
    let request = project::Request {
        start,
        env: &ctx.env,
        user_config: ctx.user_config.as_deref(),
        user_config_dir: &ctx.dirs.config,
        flags: &[],
    };
    let has_wit = wit_dir.is_some() || start.join(project::settings::DEFAULT_WIT_DIR).is_dir();
    let mut project = if project::find(&request)?.is_none() && has_wit {
        let settings = project::user_settings(&request)?.settings;
        Project { root: start.to_path_buf(), settings, ..Project::default() }
    } else {
        super::load_project(ctx, start, &[])?
    };
    let settings = &project.settings.wit.wit_dir;
    if !project.root.join(settings).is_dir() {
        // A package of its own within a larger project, which has no WIT itself.
        let below = start.ancestors().take_while(|folder| **folder != project.root);
        if let Some(folder) = below.into_iter().find(|folder| folder.join(settings).is_dir()) {
            project.root = folder.to_path_buf();
        }
    }
    let around = WitSurroundings {
        cache: &ctx.dirs.cache,
        env: &ctx.env,
        interactive: ctx.interactive,
        offline: ctx.offline,
        locking: if locked { Locking::Locked } else { Locking::Updated },
    };
    let mut opts = wit_options(&project, around);
    if let Some(wit_dir) = wit_dir {
        opts.folder = ctx.absolute(wit_dir).components().collect();
        if !opts.folder.is_dir() {
            return Err(Error::usage(format!("the folder of `--wit-dir {}` does not exist", wit_dir.display())));
        }
    }
    Ok(opts)
}

/// What the worlds import and this wash does not serve: another component must, or another host.
fn not_served(check: &Check) -> Vec<Finding> {
    let hosted = plugins::catalog::hosted();
    let mut findings = Vec::new();
    for import in &check.imports {
        let (name, version) = import.split_once('@').unwrap_or((import, ""));
        let versions: Vec<&str> =
            hosted.iter().filter(|one| one.name == name).map(|one| one.version.as_str()).collect();
        if versions.iter().any(|served| is_compatible(version, served)) {
            continue;
        }
        let hint = versions.last().map(|served| format!("it serves `{name}@{served}`"));
        let message = format!("this wash does not serve `{import}`: another component has to, or another host");
        findings.push(Finding { severity: Severity::Note, message, hint });
    }
    findings
}

/// Hosts match versions by what semver calls compatible.
fn is_compatible(wanted: &str, served: &str) -> bool {
    let track = |text: &str| {
        let version = semver::Version::parse(text).ok()?;
        Some(wit_parser::PackageName::version_compat_track_string(&version))
    };
    wanted == served || (track(wanted).is_some() && track(wanted) == track(served))
}
