//! `wash config`: makes, shows and checks settings, and cleans up.

mod cleanup;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::context::Context;
use crate::error::{Context as _, Error, Result};
use crate::progress::Progress;
use crate::project::{self, Format, Found, Language, Request, show};

/// What the documents of all subcommands are called, and their errors, too.
const COMMAND: &str = "config";

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a settings file to start from
    Init(InitArgs),
    /// Print the version, the folders and the files that wash uses
    Info,
    /// Print the settings in force, merged from all files and variables
    Show {
        /// Print each value with the file, variable or default it comes from
        #[arg(long)]
        origin: bool,
    },
    /// Check the settings and print everything that is wrong
    Validate {
        /// Check this file only
        #[arg(long, value_name = "PATH")]
        file: Option<PathBuf>,
    },
    /// Remove compiled code, pulled artifacts and what else can be made again
    Cleanup(cleanup::Args),
    /// Print the JSON Schema of settings files
    Schema,
    /// Print the reference page of the settings as Markdown
    #[command(hide = true)]
    Reference,
}

#[derive(Debug, clap::Args)]
struct InitArgs {
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
    /// Write the user settings instead of a project's
    #[arg(long)]
    global: bool,
    /// Write every key, in comments
    #[arg(long)]
    example: bool,
    /// The format of the file [default: yaml, or what the name given with --user-config says]
    #[arg(long, value_name = "FORMAT")]
    format: Option<FileFormat>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FileFormat {
    Yaml,
    Json,
    Toml,
}

impl From<FileFormat> for Format {
    fn from(format: FileFormat) -> Self {
        match format {
            FileFormat::Yaml => Format::Yaml,
            FileFormat::Json => Format::Json,
            FileFormat::Toml => Format::Toml,
        }
    }
}

pub fn run(ctx: &Context, start: &Path, args: Args) -> Result<()> {
    let request = Request {
        start,
        env: &ctx.env,
        user_config: ctx.user_config.as_deref(),
        user_config_dir: &ctx.dirs.config,
        flags: &[],
    };
    match args.command {
        Command::Init(args) => init(ctx, &request, &args),
        Command::Info => info(ctx, &request),
        Command::Show { origin } => show(ctx, &request, origin),
        Command::Validate { file } => validate(ctx, &request, file.as_deref()),
        Command::Cleanup(args) => cleanup::run(ctx, &args),
        Command::Schema => {
            ctx.shell.raw_result(&project::schema_text());
            Ok(())
        }
        Command::Reference => {
            ctx.shell.raw_result(&project::reference::markdown());
            Ok(())
        }
    }
}

#[derive(Serialize)]
struct Initialized {
    path: PathBuf,
    /// Settings files that were there before and are not any more.
    replaced: Vec<PathBuf>,
}

fn init(ctx: &Context, request: &Request<'_>, args: &InitArgs) -> Result<()> {
    let (path, format) = target(request, args)?;
    let folder = path.parent().unwrap_or(&path);
    // Under --user-config any name will do, and its neighbours are not read.
    let names = if args.global && request.user_config.is_some() { Vec::new() } else { project::FILE_NAMES.to_vec() };
    let mut existing: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).filter(|path| path.exists()).collect();
    if path.exists() && !existing.contains(&path) {
        existing.push(path.clone());
    }
    if let (Some(first), false) = (existing.first(), args.force) {
        return Err(Error::usage(format!("there are settings already: `{}`", first.display()))
            .hint("edit that file, or replace it with --force"));
    }
    let text = match (args.example, args.global) {
        (true, _) => project::starter::example(format).ok_or_else(|| {
            Error::usage("an example needs comments, which JSON does not have")
                .hint("use --format yaml or --format toml")
        })?,
        (false, true) => project::starter::minimal_user(format),
        (false, false) => project::starter::minimal(project_here(ctx, request).as_ref(), format),
    };
    fs::create_dir_all(folder).context(|| format!("cannot create the folder `{}`", folder.display()))?;
    write_whole(&path, &text, args.force)?;
    // Two settings files in one folder would be an error from now on.
    for other in existing.iter().filter(|other| **other != path) {
        fs::remove_file(other).context(|| format!("cannot remove the replaced file `{}`", other.display()))?;
    }
    let report = Initialized { path, replaced: existing };
    ctx.shell.result(COMMAND, &report, || {
        let names: Vec<_> = report.replaced.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        let replaced = if names.is_empty() { String::new() } else { format!(" (replaces {})", names.join(", ")) };
        format!("wrote {}{replaced}", report.path.display())
    });
    Ok(())
}

/// Where `init` writes to, and what.
fn target(request: &Request<'_>, args: &InitArgs) -> Result<(PathBuf, Format)> {
    let given = args.format.map(Format::from);
    if args.global
        && let Some(path) = request.user_config
    {
        let by_name = Format::of(path);
        if by_name.is_none() || given.is_some_and(|given| Some(given) != by_name) {
            return Err(Error::usage(format!("the name `{}` does not say the format of the file", path.display()))
                .hint("let it end in .yaml, .json or .toml, as --format says"));
        }
        return Ok((path.to_path_buf(), by_name.unwrap_or(Format::Yaml)));
    }
    let format = given.unwrap_or(Format::Yaml);
    let folder = match args.global {
        true => request.user_config_dir.to_path_buf(),
        false => request.start.join(project::SETTINGS_FOLDER),
    };
    Ok((folder.join(format.file_name()), format))
}

/// The project of the start folder itself. Says so if there is one above: it will not apply here
/// any more.
fn project_here(ctx: &Context, request: &Request<'_>) -> Option<Found> {
    let found = project::find(request).ok().flatten()?;
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if real(&found.root) == real(request.start) {
        return Some(found);
    }
    let root = found.root.display();
    ctx.shell.warning(&format!("this folder is now a project of its own; so far it belonged to `{root}`"));
    None
}

/// Writes a file whole or not at all.
fn write_whole(path: &Path, text: &str, replace: bool) -> Result<()> {
    let doing = || format!("cannot write `{}`", path.display());
    // `tempfile` alone would make a file that only this user can read.
    let create = |path: &Path| fs::File::create_new(path);
    let mut file = tempfile::Builder::new().make_in(path.parent().unwrap_or(path), create).context(doing)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).context(doing)?;
    let written = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    written.map(drop).map_err(|error| error.error).context(doing)
}

#[derive(Serialize)]
struct Info<'a> {
    version: &'static str,
    folder: &'a Path,
    directories: &'a crate::context::Directories,
    project: Option<ProjectInfo>,
    user_config_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct ProjectInfo {
    root: PathBuf,
    name: String,
    language: Option<Language>,
    manifest: Option<PathBuf>,
    config_file: Option<PathBuf>,
}

fn info(ctx: &Context, request: &Request<'_>) -> Result<()> {
    let found = project::find(request)?;
    let report = Info {
        version: env!("CARGO_PKG_VERSION"),
        folder: request.start,
        directories: &ctx.dirs,
        project: found.map(|Found { root, name, config_file, language, manifest }| ProjectInfo {
            root,
            name,
            language,
            manifest,
            config_file,
        }),
        user_config_file: project::find_user_file(request)?,
    };
    ctx.shell.result(COMMAND, &report, || info_text(&report));
    Ok(())
}

fn info_text(report: &Info<'_>) -> String {
    let path = |path: Option<&Path>| path.map_or("none".to_string(), |path| path.display().to_string());
    let mut lines = vec![
        ("version", report.version.to_string()),
        ("folder", path(Some(report.folder))),
        ("config", path(Some(&report.directories.config))),
        ("data", path(Some(&report.directories.data))),
        ("cache", path(Some(&report.directories.cache))),
        ("user settings", path(report.user_config_file.as_deref())),
    ];
    let project = report.project.as_ref();
    lines.push(("project", path(project.map(|project| project.root.as_path()))));
    if let Some(project) = project {
        let language = match (project.language, project.manifest.as_deref().and_then(Path::file_name)) {
            (Some(language), Some(manifest)) => format!("{} (`{}`)", language.name(), manifest.to_string_lossy()),
            _ => "none recognised".into(),
        };
        lines.push(("project name", project.name.clone()));
        lines.push(("language", language));
        lines.push(("project settings", path(project.config_file.as_deref())));
    }
    lines.iter().map(|(name, value)| format!("{name:<17} {value}\n")).collect()
}

#[derive(Serialize)]
struct Shown {
    settings: Json,
    files: Vec<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origins: Option<Map<String, Json>>,
}

fn show(ctx: &Context, request: &Request<'_>, with_origin: bool) -> Result<()> {
    let (merged, root, files) = load(ctx, request)?;
    if root.is_none() {
        ctx.shell.hint("this folder belongs to no project; these are the settings for every project");
    }
    let settings = show::effective(&merged.settings);
    let leaves = show::leaves(&settings, &merged.origins);
    let shorten = |path: &Path| short(path, root.as_deref(), ctx.var("HOME"));
    let origins = with_origin.then(|| {
        leaves.iter().map(|leaf| (leaf.key.to_string(), leaf.origin.describe(shorten).into())).collect::<Map<_, _>>()
    });
    let report = Shown { settings, files, origins };
    ctx.shell.result(COMMAND, &report, || match with_origin {
        true => leaves
            .iter()
            .map(|leaf| format!("{} = {}  # {}\n", leaf.key, leaf.value, leaf.origin.describe(shorten)))
            .collect(),
        false => show::yaml(&report.settings),
    });
    Ok(())
}

/// The settings of the project, or of the user outside of a project, with the files they are from.
fn load(ctx: &Context, request: &Request<'_>) -> Result<(project::Merged, Option<PathBuf>, Vec<PathBuf>)> {
    if project::find(request)?.is_none() {
        let files = project::find_user_file(request)?.into_iter().collect();
        return Ok((project::user_settings(request)?, None, files));
    }
    let project = super::load_project(ctx, request.start, request.flags)?;
    let files = project.inputs();
    let merged = project::Merged { settings: project.settings, origins: project.origins };
    Ok((merged, Some(project.root), files))
}

/// A path as people write it: relative to the project, or to home.
fn short(path: &Path, root: Option<&Path>, home: Option<&str>) -> String {
    if let Some(rest) = root.and_then(|root| path.strip_prefix(root).ok()) {
        return rest.display().to_string();
    }
    match home.filter(|home| !home.is_empty()).and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => Path::new("~").join(rest).display().to_string(),
        None => path.display().to_string(),
    }
}

#[derive(Serialize)]
struct Validated {
    ok: bool,
    files: Vec<PathBuf>,
}

fn validate(ctx: &Context, request: &Request<'_>, file: Option<&Path>) -> Result<()> {
    let files = match file {
        Some(file) => {
            let file = ctx.absolute(file);
            project::check_file(&file, request.env)?;
            vec![file]
        }
        None => load(ctx, request)?.2,
    };
    let report = Validated { ok: true, files };
    ctx.shell.result(COMMAND, &report, || {
        if report.files.is_empty() {
            return "ok: no settings files, the defaults are in force".into();
        }
        let files: Vec<String> = report.files.iter().map(|file| file.display().to_string()).collect();
        format!("ok: {}", files.join(", "))
    });
    Ok(())
}
