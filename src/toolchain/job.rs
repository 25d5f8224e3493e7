//! One build from its recipe to its report.

use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Instant;

use super::process::{Stop, Tail, Tool};
use super::recipe::{self, Product, Recipe, Step, find_tool};
use super::{
    BuildOptions, BuildReport, Stage, ToolOutput, adapt, artifact, cargo, checks, dependencies, lessons, wit_world,
};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::project::Project;

/// Runs everything, one stage after the other.
pub(super) async fn run(
    project: &Project,
    opts: &BuildOptions,
    progress: &dyn Progress,
    mut stop: Stop,
) -> Result<BuildReport> {
    let mut stages = Stages::begin();
    // A recipe may depend on the WIT, so this comes first.
    let fetched = tokio::select! {
        fetched = dependencies::fetch(project, opts, progress) => fetched?,
        () = stop.requested() => return Err(Error::interrupted()),
    };
    if fetched {
        stages.end("fetch");
    }
    let project = Arc::new(project.clone());
    let recipe = {
        let (project, opts) = (project.clone(), opts.clone());
        Arc::new(blocking(move || recipe::decide(&project, &opts)).await??)
    };
    if let Some(error) = &recipe.blocked {
        return Err(error.clone());
    }
    let root = &project.root;
    checks::check(&recipe, root, opts, progress, &mut stop).await?;
    stages.end("check");

    if let Some(install) = &recipe.install {
        progress.status("Installing", &format!("packages with `{}`: {}", install.step.command(), install.because));
        run_step(&install.step, &recipe, &install.folder, opts, &mut stop, &mut Vec::new()).await?;
        stages.end("install");
    }

    progress.status("Building", &format!("{} with `{}` ({})", project.name, recipe.command(), recipe.because));
    let before = {
        let (recipe, project) = (recipe.clone(), project.clone());
        blocking(move || artifact::Before::look(&recipe.product, &project.root)).await?
    };
    make_output_folder(&recipe)?;
    let mut named = Vec::new();
    for step in &recipe.steps {
        run_step(step, &recipe, root, opts, &mut stop, &mut named).await?;
    }
    stages.end("build");

    let (found, adapted) = {
        let (recipe, project) = (recipe.clone(), project.clone());
        blocking(move || collect(&recipe, &project, &before, &named)).await??
    };
    stages.end(if adapted { "adapt" } else { "read" });
    if found.description.exports.is_empty() {
        progress.warning(&format!("`{}` exports nothing: no host can call it", found.path.display()));
    }
    Ok(BuildReport {
        name: project.name.clone(),
        path: found.path.clone(),
        description: found.description.clone(),
        adapted,
        command: recipe.command(),
        stages: stages.done,
        artifact: found,
    })
}

/// Finds, reads and, for a core module, wraps what the build has made.
fn collect(
    recipe: &Recipe,
    project: &Project,
    before: &artifact::Before,
    named: &[cargo::Named],
) -> Result<(super::Artifact, bool)> {
    let path = match &recipe.product {
        Product::CargoMessages { wanted } => cargo::choose(named, project, wanted.as_deref())?,
        Product::OneOf(paths) => artifact::one_of(paths, before, project, &recipe.command())?,
        Product::Written => artifact::written(before, project, &recipe.command())?,
    };
    let bytes =
        std::fs::read(&path).map_err(|error| Error::caused_by(format!("cannot read `{}`", path.display()), &error))?;
    let bytes = wit_world::with_types(bytes, &project.root, &project.settings.wit.wit_dir)?;
    let (mut artifact, adapted) = adapt::componentize(&path, bytes)?;
    if adapted {
        artifact.path = adapt::wrapped_path(&path);
        adapt::write_if_different(&artifact.path, &artifact.bytes)?;
    }
    Ok((artifact, adapted))
}

async fn run_step(
    step: &Step,
    recipe: &Recipe,
    folder: &Path,
    opts: &BuildOptions,
    stop: &mut Stop,
    named: &mut Vec<cargo::Named>,
) -> Result<()> {
    let shell_args;
    let (name, args) = match step {
        Step::Shell(command) => {
            shell_args = shell_args_of(command);
            (SHELL, &shell_args)
        }
        Step::Program { name, args } | Step::Clang { name, args } => (name.as_str(), args),
        Step::Cargo { args } => ("cargo", args),
        Step::Go { args } => ("go", args),
    };
    let program = find_tool(name, &recipe.env, folder)
        .ok_or_else(|| Error::failed(format!("`{name}` is not installed: there is no such program in the PATH")))?;
    let title = step.command();
    let mut env = std::borrow::Cow::Borrowed(&recipe.env);
    for (name, value) in step.variables() {
        env.to_mut().insert(name.to_string(), value.to_string());
    }
    let tool = Tool { title: &title, program: &program, args, folder, env: &env };
    let tail = Arc::new(Tail::default());
    let status = match step {
        Step::Cargo { args } => {
            let args = [args.as_slice(), &["--message-format=json-render-diagnostics".to_string()]].concat();
            let on_line = |line: &[u8]| match cargo::read_message(line) {
                Some(more) => named.extend(more),
                None => pass_on(line),
            };
            Tool { args: &args, ..tool }.run_lines(opts.output, &tail, stop, on_line).await?
        }
        // They write nothing that would look different on a terminal, so that it may be read on its way.
        Step::Go { .. } | Step::Clang { .. } if !matches!(opts.output, ToolOutput::Copied { .. }) => {
            tool.run(ToolOutput::Copied { colour: false, progress: false }, &tail, stop).await?
        }
        _ => tool.run(opts.output, &tail, stop).await?,
    };
    if status.success() {
        return Ok(());
    }
    let error = failed(step, status, folder);
    Err(match tail.text() {
        Some(text) => lessons::explain(error, &text).details(text),
        None => error,
    })
}

#[cfg(unix)]
const SHELL: &str = "/bin/sh";
#[cfg(windows)]
const SHELL: &str = "cmd";

fn shell_args_of(command: &str) -> Vec<String> {
    let flags: &[&str] = if cfg!(windows) { &["/D", "/S", "/C"] } else { &["-c"] };
    flags.iter().map(|flag| flag.to_string()).chain([command.to_string()]).collect()
}

/// A line that somebody printed amid cargo's messages goes where tools write, as it is.
fn pass_on(line: &[u8]) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(line);
}

/// The tool has written what is wrong; we say which tool, where, and how it ended.
fn failed(step: &Step, status: ExitStatus, folder: &Path) -> Error {
    let how = match status.code() {
        Some(code) => format!("failed with exit code {code}"),
        None => format!("was ended by {}", signal_name(status)),
    };
    let error = Error::failed(format!("the build command {how}"))
        .cause(format!("`{}` in `{}`", step.command(), folder.display()))
        .already_explained();
    match status.code() {
        Some(127) => {
            error.hint("the shell did not find a program that the command names: install it, or correct the command")
        }
        Some(126) => error.hint("a file that the command names cannot be run: make it executable with chmod +x"),
        // A shell reports the signal that ended its child like this.
        Some(137) => {
            error.hint("something killed it, mostly the system for want of memory: build with fewer jobs at once")
        }
        None if is_kill(status) => {
            error.hint("something killed it, mostly the system for want of memory: build with fewer jobs at once")
        }
        _ => error,
    }
}

#[cfg(unix)]
fn signal_name(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    let number = status.signal().unwrap_or_default();
    let name = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        6 => "SIGABRT",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        _ => return format!("signal {number}"),
    };
    format!("signal {number} ({name})")
}

#[cfg(not(unix))]
fn signal_name(_: ExitStatus) -> String {
    "the system".into()
}

#[cfg(unix)]
fn is_kill(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9)
}

#[cfg(not(unix))]
fn is_kill(_: ExitStatus) -> bool {
    false
}

/// Tools do not make the folder of the file they are told to write. A command of the user's own
/// does with folders as it likes.
fn make_output_folder(recipe: &Recipe) -> Result<()> {
    let Product::OneOf(paths) = &recipe.product else { return Ok(()) };
    if recipe.steps.iter().any(|step| matches!(step, Step::Shell(_))) {
        return Ok(());
    }
    for folder in paths.iter().filter_map(|path| path.parent()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| Error::caused_by(format!("cannot make the folder `{}`", folder.display()), &error))?;
    }
    Ok(())
}

/// Work that would keep others waiting, on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::bug(format!("a step of the build broke: {error}")))
}

/// The times of the stages so far.
struct Stages {
    done: Vec<Stage>,
    since: Instant,
}

impl Stages {
    fn begin() -> Self {
        Stages { done: Vec::new(), since: Instant::now() }
    }

    fn end(&mut self, name: &'static str) {
        let now = Instant::now();
        self.done.push(Stage { name, time: now - self.since });
        self.since = now;
    }
}
