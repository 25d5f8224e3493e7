//! New projects: template sources, renaming, safe writing.
//!
//! A project is made from a template inside the binary, from a folder or from a Git repository, under
//! a new name, and is there as a whole or not at all. Nothing of a source is executed here without
//! being asked for: [`create`] never runs the template's `new.command`, it reports it, and [`set_up`]
//! runs it. Refuses to overwrite anything, and to know what the project is built with.
//!
//! Start with [`Source::parse`], then [`create`].

pub mod catalog;
mod inside;
mod manifest;
mod name;
mod rename;
mod source;
mod staging;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use tokio::process::Command;

use crate::error::{Context as _, Error, Result};
use crate::git::{Git, Repository};
use crate::process::{Leave, Place, Running};
use crate::progress::Progress;

pub use catalog::Template;
pub use manifest::SetupCommand;
pub use name::Name;
pub use source::{Source, list};

use rename::Renaming;
use staging::Staging;
use tree::{Choice, Tree};

/// A clone that hangs is given up after this time. Templates are small: a slow line needs a minute.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// A set-up command that hangs is ended after this time. It may download and compile a lot.
const SET_UP_PATIENCE: Duration = Duration::from_secs(60 * 60);

/// What was decided about a new project.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it comes from.
    pub source: Source,
    /// What it is called; also the name of its folder.
    pub name: Name,
    /// The folder in which its folder is made. Absolute.
    pub parent: PathBuf,
    /// The environment of `git`.
    pub env: BTreeMap<String, String>,
    /// Whether `git` may ask for a password.
    pub interactive: bool,
    /// Whether the network must not be used.
    pub offline: bool,
}

/// A project that was made.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What it is called.
    pub name: String,
    /// Its folder. Absolute.
    pub path: PathBuf,
    /// The template inside the binary that it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The folder or the URL that it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What it is written in, if that can be told.
    pub language: Option<String>,
    /// Its files, relative to its folder, with `/` between folders.
    pub files: Vec<String>,
    /// What the template wants run in it.
    #[serde(skip)]
    pub set_up: Option<SetupCommand>,
    /// Why it cannot be told what the template wants run.
    #[serde(skip)]
    pub problem: Option<Error>,
}

/// Makes a project. Dropping the future ends `git` and leaves nothing behind.
pub async fn create(opts: &Options, progress: &dyn Progress) -> Result<Report> {
    let target = opts.parent.join(opts.name.as_typed());
    staging::refuse_existing(&target)?;
    match &opts.source {
        Source::Template(template) => {
            let tree = Tree::of_template(&template.name);
            let staging = Staging::beside(&target)?;
            let report = finish(opts, staging, &tree, Some(&template.name), &target).await?;
            Ok(Report { template: Some(template.name.clone()), language: Some(template.language.clone()), ..report })
        }
        Source::Folder { typed, path, subfolder } => {
            let folder = inside::folder(path, typed, subfolder.as_ref())?;
            let busy = progress.busy(&format!("reading {typed}"));
            // Listed before the temporary folder is made: that may lie in the source.
            let tree = Tree::of_folder(&folder, typed, Choice::NotIgnored).await?;
            let staging = Staging::beside(&target)?;
            let report = finish(opts, staging, &tree, old_name(&opts.source).as_deref(), &target).await?;
            drop(busy);
            Ok(Report { source: Some(opts.source.shown()), ..report })
        }
        Source::Git { repository, subfolder } => {
            refuse_network(opts, repository)?;
            let staging = Staging::beside(&target)?;
            let git = Git {
                env: &opts.env,
                interactive: opts.interactive,
                patience: PATIENCE,
                folder: &staging.path(""),
                instead: "the templates inside wash need no git: wash new --list",
            };
            let clone = git.fetch(repository, progress).await?;
            let folder = inside::folder(&clone, &repository.shown_url(), subfolder.as_ref())?;
            let tree = Tree::of_folder(&folder, &repository.shown_url(), Choice::Everything).await?;
            let report = finish(opts, staging, &tree, old_name(&opts.source).as_deref(), &target).await?;
            Ok(Report { source: Some(opts.source.shown()), ..report })
        }
    }
}

/// Runs the template's `new.command` in a new project. What it prints goes to stderr. Dropping the
/// future ends it with all that it has started.
pub async fn set_up(project: &Path, set_up: &SetupCommand, opts: &Options) -> Result<()> {
    let mut command = shell(&set_up.command);
    command.current_dir(project).env_clear().envs(&opts.env).stdout(std::io::stderr()).stderr(Stdio::inherit());
    let place = if opts.interactive { Place::AtTheTerminal } else { Place::Apart };
    command.stdin(if opts.interactive { Stdio::inherit() } else { Stdio::null() });
    let mut running =
        Running::start(&mut command, place, Leave::Asked).context(|| "cannot start the shell for `new.command`")?;
    let Ok(status) = tokio::time::timeout(SET_UP_PATIENCE, running.wait()).await else {
        return Err(Error::failed("`new.command` of the template was ended after an hour"));
    };
    let status = status.context(|| "cannot wait for `new.command`")?;
    if status.success() {
        return Ok(());
    }
    Err(Error::failed(format!("`new.command` of the template failed ({status})")))
}

async fn finish(opts: &Options, staging: Staging, tree: &Tree, old: Option<&str>, target: &Path) -> Result<Report> {
    let names = manifest::names(tree, old);
    let renaming = Renaming::new(&names, &opts.name, manifest::is_program(tree));
    let files = staging.write(tree, &renaming).await?;
    let (set_up, problem) = match manifest::command_of(&staging.project()) {
        Ok(set_up) => (set_up, None),
        // The project is as good as its template; only what is in this file cannot be said.
        Err(error) => (None, Some(error)),
    };
    staging.move_to(target)?;
    Ok(Report {
        name: opts.name.to_string(),
        path: target.to_path_buf(),
        template: None,
        source: None,
        language: manifest::language(tree).map(ToString::to_string),
        files,
        set_up,
        problem,
    })
}

/// The name by the source's folder; it need not be one that a new project could have.
fn old_name(source: &Source) -> Option<String> {
    source.own_name().filter(|name| !name.is_empty())
}

fn refuse_network(opts: &Options, repository: &Repository) -> Result<()> {
    if !opts.offline || repository.is_local() {
        return Ok(());
    }
    Err(Error::failed(format!("`{}` needs the network, which `--offline` forbids", repository.shown_url()))
        .hint("leave out `--offline` (or unset WASH_OFFLINE)")
        .hint("the templates inside wash need no network: wash new --list"))
}

#[cfg(unix)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    shell
}

#[cfg(not(unix))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.args(["/C", command]);
    shell
}
