//! Building: runs the language's own toolchain and turns its output into a component.
//!
//! Refuses to run the component or to watch anything. Start with [`plan`], then [`build`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::component::Description;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::project::Project;

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
    /// Whether the network must not be used (package installs).
    pub offline: bool,
}

/// Where the output of the language's toolchain goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolOutput {
    /// As it comes, stdout to stdout and stderr to stderr.
    Inherit,
    /// As it comes, all to stderr: stdout is for a JSON document.
    Stderr,
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
    /// The command that was run.
    pub command: String,
    /// How long each stage took.
    pub stages: Vec<Stage>,
    #[serde(skip)]
    pub artifact: Artifact,
}

/// One stage of a build with its time.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// `check`, `install`, `build`, `adapt`, `read`
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
pub fn plan(project: &Project, opts: &BuildOptions) -> Result<Plan> {
    let _ = (project, opts);
    Err(Error::bug("not written"))
}

/// Builds the project. Dropping the future ends the toolchain and all its children.
pub async fn build(project: &Project, opts: &BuildOptions, progress: &dyn Progress) -> Result<BuildReport> {
    let _ = (project, opts, progress);
    Err(Error::bug("not written"))
}

/// Takes bytes as a component: a core module is wrapped with the preview1 adapter; anything else
/// is an error that says what was found in `path`.
pub fn componentize(path: &Path, bytes: Vec<u8>) -> Result<(Artifact, bool)> {
    let _ = (path, bytes);
    Err(Error::bug("not written"))
}
