//! Building: runs the language's own toolchain and turns its output into a component.
//!
//! Refuses to run the component or to watch anything. Start with [`plan`], then [`build`]: a recipe
//! is decided (`recipe` and a file for each language), what it needs is checked (`checks`) and fetched
//! (`dependencies`), its commands run (`process`), and what they made is found (`artifact`) and taken as a component
//! (`adapt`).

mod recipe;

mod c;
mod cargo;
mod custom;
mod go;
mod javascript;
mod make;
mod python;
mod tinygo;
mod wit_world;

mod adapt;
mod artifact;
mod checks;
mod dependencies;
mod diagnosis;
mod job;
mod lessons;
mod process;
mod versions;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::component::Description;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::project::Project;
pub use adapt::componentize;
pub use dependencies::{WitSurroundings, wit_options};
pub use diagnosis::{Finding, Group, State, diagnose, repair};

/// What was decided about a build, before it runs.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The build of the edit-refresh loop: `dev.command` and `dev.component_path` apply.
    pub for_dev: bool,
    /// Where the toolchain's output goes.
    pub output: ToolOutput,
    /// The environment at start; `build.env` is added to it.
    pub env: BTreeMap<String, String>,
    /// Whether a question may be asked (`rustup target add`).
    pub interactive: bool,
    /// Whether the network must not be used (package installs, WIT).
    pub offline: bool,
    /// What is done about WIT packages that are missing.
    pub wit: WitFetch,
    /// The folder of wash's cache.
    pub cache: PathBuf,
}

/// What is done about WIT packages that a project needs and does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WitFetch {
    /// They are fetched, unless the settings forbid it.
    #[default]
    Missing,
    /// They are fetched, and the lock file must know all of them.
    Locked,
    /// Nothing.
    Skipped,
}

/// Where the output of the language's toolchain goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolOutput {
    /// As it comes, stdout to stdout and stderr to stderr.
    Inherit,
    /// As it comes, all to stderr: stdout is for a JSON document.
    Stderr,
    /// As it comes, all to stderr, and the end of it into the error of a build that fails: somebody
    /// else than the terminal shows it, too, and what it means is looked up. `colour`: tools are asked
    /// for it. `progress`: cargo is asked for its bar.
    Copied { colour: bool, progress: bool },
}

/// A component that was built.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// Where it lies.
    pub path: PathBuf,
    /// The component itself: when the toolchain made a core module, the wrapped one.
    pub bytes: Vec<u8>,
    /// What it says of itself.
    pub description: Description,
}

/// What a build has come to.
#[derive(Clone, Debug, Serialize)]
pub struct BuildReport {
    /// The project's name.
    pub name: String,
    /// Where the component lies.
    pub path: PathBuf,
    /// What the component says of itself.
    #[serde(flatten)]
    pub description: Description,
    /// Whether a core module was wrapped with the preview1 adapter.
    pub adapted: bool,
    /// The command that was run. In JSON `command` is the one of wash.
    #[serde(rename = "build_command")]
    pub command: String,
    /// How long each stage took.
    pub stages: Vec<Stage>,
    #[serde(skip)]
    pub artifact: Artifact,
}

/// One stage of a build with its time.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// `fetch`, `check`, `install`, `build`, `adapt`, `read`
    pub name: &'static str,
    /// How long it took, in milliseconds.
    #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
    pub time: Duration,
}

fn milliseconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.as_millis() as u64)
}

/// Which paths a build reads and writes, for those who watch a project.
#[derive(Clone, Debug, Default)]
pub struct Footprint {
    /// Exact files and folders that the build writes: the artifact, the target folder,
    /// `node_modules`. Never a reason to build again.
    pub outputs: Vec<PathBuf>,
}

/// How the project would be built, found without building it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One line that says what was recognised and why.
    pub because: String,
    /// The command, as the user would type it.
    pub command: String,
    /// What the build writes.
    pub footprint: Footprint,
}

/// Decides how to build the project.
///
/// Errors: nothing in the project says how. Whatever else is wrong is told by [`build`], so that a
/// plan is there for a project that cannot be built just now.
pub fn plan(project: &Project, opts: &BuildOptions) -> Result<Plan> {
    let recipe = recipe::decide(project, opts)?;
    let mut outputs = recipe.outputs.clone();
    outputs
        .extend(recipe.outputs.iter().filter(|path| path.extension().is_some()).map(|path| adapt::wrapped_path(path)));
    outputs.sort();
    outputs.dedup();
    Ok(Plan { command: recipe.command(), because: recipe.because, footprint: Footprint { outputs } })
}

/// Builds the project. Dropping the future ends the toolchain and all its children.
///
/// Errors: something is missing (named with what brings it), a command failed (which has explained
/// itself on the terminal), or what it made is not there, not new or not a component.
pub async fn build(project: &Project, opts: &BuildOptions, progress: &dyn Progress) -> Result<BuildReport> {
    build_until(project, opts, progress, std::future::pending()).await
}

/// Builds the project until `stop` is there: then the toolchain is asked to end and gets a moment to
/// clean up, before it is killed with all its children. The error says that it was interrupted.
pub async fn build_until(
    project: &Project,
    opts: &BuildOptions,
    progress: &dyn Progress,
    stop: impl Future<Output = ()>,
) -> Result<BuildReport> {
    let (sender, receiver) = process::Stop::new();
    let work = job::run(project, opts, progress, receiver);
    tokio::pin!(work);
    tokio::select! {
        report = &mut work => report,
        () = stop => {
            let _ = sender.send(true);
            let _ = work.await;
            Err(Error::interrupted())
        }
    }
}

#[cfg(test)]
mod tests;
