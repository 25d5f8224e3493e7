//! What is there of the tools that a project needs, or each language, and what brings the rest: for
//! `wash doctor`. The rules are those that are checked before each build.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::checks::{self, Need};
use super::process::{Stop, Tool};
use super::recipe::{self, Install, Step, find_tool};
use super::{BuildOptions, c, cargo, versions};
use crate::error::{Error, Result};
use crate::project::Project;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Good,
    /// It works, and may surprise.
    Warning,
    /// It does not work.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What it is, e.g. `rustc`.
    pub what: String,
    /// How it is.
    pub state: State,
    /// What was found: a version, a path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What is wrong, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What to type or change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The fix as something that may be run with consent.
    #[serde(skip)]
    pub repair: Option<Repair>,
}

/// A command that mends something and can do no harm beside it.
#[derive(Clone, Debug)]
pub struct Repair {
    program: String,
    args: Vec<String>,
    folder: PathBuf,
}

impl Finding {
    /// Something that is as it should be.
    pub fn good(what: impl Into<String>, found: impl Into<String>) -> Self {
        Finding { state: State::Good, found: Some(found.into()), ..Finding::problem(what, "") }.without_reason()
    }

    /// Something that works, and may surprise.
    pub fn warning(what: impl Into<String>, why: impl Into<String>) -> Self {
        Finding { state: State::Warning, ..Finding::problem(what, why) }
    }

    /// Something that does not work.
    pub fn problem(what: impl Into<String>, why: impl Into<String>) -> Self {
        let (what, why) = (what.into(), Some(why.into()));
        Finding { what, state: State::Problem, found: None, why, fix: None, repair: None }
    }

    /// From an error of the check that a build makes.
    fn of_error(what: impl Into<String>, error: &Error) -> Self {
        let why = std::iter::once(error.message()).chain(error.causes().iter().map(String::as_str));
        let why: Vec<&str> = why.collect();
        Finding { fix: error.hints().first().cloned(), ..Finding::problem(what, why.join(": ")) }
    }

    /// With what was found.
    pub fn with_found(self, found: impl Into<String>) -> Self {
        Finding { found: Some(found.into()), ..self }
    }

    /// With what to type or change.
    pub fn with_fix(self, fix: impl Into<String>) -> Self {
        Finding { fix: Some(fix.into()), ..self }
    }

    fn without_reason(self) -> Self {
        Finding { why: None, ..self }
    }

    fn with_repair(self, program: &str, args: &[String], folder: &Path) -> Self {
        let repair = Repair { program: program.to_string(), args: args.to_vec(), folder: folder.to_path_buf() };
        Finding { fix: Some(repair.command()), repair: Some(repair), ..self }
    }
}

impl Repair {
    /// The command as the user would type it.
    pub fn command(&self) -> String {
        Step::Program { name: self.program.clone(), args: self.args.clone() }.command()
    }
}

/// Findings that belong together.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// e.g. `Rust`
    pub title: String,
    /// In the order of their importance.
    pub findings: Vec<Finding>,
}

/// What it needs depends on where it is.
const C: &str = "C";

/// What a language needs where there is no project.
const LANGUAGES: &[(&str, &[&str], &[&str])] = &[
    ("Rust", &["cargo"], &[cargo::TARGET]),
    ("JavaScript and TypeScript", &["node", "npm"], &[]),
    ("Python", &["python3"], &[]),
    ("Go", &["go"], &[]),
    ("TinyGo", &["tinygo", "go"], &[]),
    (C, &[], &[]),
];

/// Looks at what the project needs; without a project at what each language does.
///
/// Errors: a tool that cannot be asked, the user's interruption.
pub async fn diagnose(project: Option<&Project>, opts: &BuildOptions) -> Result<Vec<Group>> {
    let (_stop, mut stop) = Stop::new();
    let mut doctor = Doctor { opts, stop: &mut stop };
    match project {
        Some(project) => Ok(vec![doctor.project(project).await?]),
        None => {
            let mut groups = Vec::new();
            for (title, tools, targets) in LANGUAGES {
                let needs = tools.iter().map(|tool| Need::tool(tool));
                let needs: Vec<Need> =
                    needs.chain(targets.iter().map(|target| Need::RustTarget(target.to_string()))).collect();
                let needs = if *title == C { c::needs(&opts.env, Path::new("/")) } else { needs };
                let mut findings = doctor.needs(&needs, &opts.env, Path::new("/")).await?;
                // Nobody has said that this language is wanted.
                for finding in findings.iter_mut().filter(|finding| finding.state == State::Problem) {
                    finding.state = State::Warning;
                }
                groups.push(Group { title: title.to_string(), findings });
            }
            Ok(groups)
        }
    }
}

/// Runs what mends a finding; its output is shown.
///
/// Errors: the program is missing, or it failed.
pub async fn repair(repair: &Repair, opts: &BuildOptions) -> Result<()> {
    let (_stop, mut stop) = Stop::new();
    let command = repair.command();
    let Some(program) = find_tool(&repair.program, &opts.env, &repair.folder) else {
        return Err(Error::failed(format!("`{}` is not installed", repair.program)));
    };
    let tool = Tool { title: &command, program: &program, args: &repair.args, folder: &repair.folder, env: &opts.env };
    let status = tool.run(opts.output, &Arc::default(), &mut stop).await?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::failed(format!("`{command}` failed: {status}")).already_explained())
    }
}

struct Doctor<'a> {
    opts: &'a BuildOptions,
    stop: &'a mut Stop,
}

type Env = std::collections::BTreeMap<String, String>;

impl Doctor<'_> {
    async fn project(&mut self, project: &Project) -> Result<Group> {
        let title = format!("{} ({})", project.name, project.root.display());
        let recipe = match recipe::decide(project, self.opts) {
            Ok(recipe) => recipe,
            Err(error) => return Ok(Group { title, findings: vec![Finding::of_error("build", &error)] }),
        };
        let mut findings = vec![match &recipe.blocked {
            Some(error) => Finding::of_error("build", error),
            None => Finding::good("build", format!("`{}` ({})", recipe.command(), recipe.because)),
        }];
        findings.extend(self.needs(&recipe.needs, &recipe.env, &project.root).await?);
        findings.extend(recipe.install.as_ref().map(packages));
        findings.extend(lock_of_others(&recipe.outputs));
        Ok(Group { title, findings })
    }

    async fn needs(&mut self, needs: &[Need], env: &Env, folder: &Path) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for need in needs {
            match need {
                Need::Tool { name, .. } => {
                    findings.push(self.tool(need, env, folder).await?);
                    if let Some(compiler) = Need::compiler(name) {
                        findings.push(self.tool(&compiler, env, folder).await?);
                    }
                }
                Need::RustTarget(target) => findings.push(self.rust_target(target, env, folder).await?),
                Need::Part { what, found, why, fix } => findings.push(match found {
                    Some(found) => Finding::good(what, found),
                    None => Finding::problem(what, why).with_fix(fix),
                }),
            }
        }
        let has = |tool: &str| needs.iter().any(|need| matches!(need, Need::Tool { name, .. } if name == tool));
        if has("tinygo")
            && let Some(tinygo) = versions::in_path("tinygo", env, folder, self.stop).await?
            && let Some(go) = versions::in_path("go", env, folder, self.stop).await?
            && let Some(newest) = versions::too_new_for_tinygo(&tinygo, &go)
        {
            let why = format!("TinyGo {tinygo} does not work with Go {go}; the newest that it works with is {newest}");
            let fix = "install a newer TinyGo: https://tinygo.org/getting-started/install";
            findings.push(Finding::problem("TinyGo with Go", why).with_fix(fix));
        }
        Ok(findings)
    }

    async fn tool(&mut self, need: &Need, env: &Env, folder: &Path) -> Result<Finding> {
        let Need::Tool { name, fix, wanted } = need else { return Err(Error::bug("a tool that is none")) };
        let with_fix = |finding: Finding| if fix.is_empty() { finding } else { finding.with_fix(fix.as_str()) };
        let Some(program) = find_tool(name, env, folder) else {
            return Ok(with_fix(Finding::problem(name, "there is no such program in the PATH")));
        };
        let version = match wanted {
            Some(_) => versions::of(name, &program, env, folder, self.stop).await?,
            None => None,
        };
        let found = match &version {
            Some(version) => format!("{version}  {}", program.display()),
            None => program.display().to_string(),
        };
        if let (Some(wanted), Some(version)) = (wanted, &version)
            && !wanted.requirement.matches(version)
        {
            let why = format!("{} is needed: {}", wanted.requirement, wanted.because);
            return Ok(match self.better(name, wanted, &program, env, folder).await? {
                // Installing it again would change nothing.
                Some(better) => {
                    let place = better.parent().unwrap_or(Path::new("/")).display().to_string();
                    Finding::problem(
                        name,
                        format!("{why}; `{}` is one, and stands later in the PATH", better.display()),
                    )
                    .with_found(found)
                    .with_fix(format!("export PATH=\"{place}:$PATH\""))
                }
                None => with_fix(Finding::problem(name, why).with_found(found)),
            });
        }
        Ok(Finding::good(name, found))
    }

    /// Another one in the PATH that would do.
    async fn better(
        &mut self,
        name: &str,
        wanted: &versions::Wanted,
        first: &Path,
        env: &Env,
        folder: &Path,
    ) -> Result<Option<PathBuf>> {
        let all = which::which_in_all(name, env.get("PATH"), folder).into_iter().flatten();
        for other in all.filter(|other| other != first) {
            let version = versions::of(name, &other, env, folder, self.stop).await?;
            if version.is_some_and(|version| wanted.requirement.matches(&version)) {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    async fn rust_target(&mut self, target: &str, env: &Env, folder: &Path) -> Result<Finding> {
        let what = format!("target {target}");
        let Some(rustc) = find_tool("rustc", env, folder) else {
            return Ok(Finding::problem(what, "there is no rustc whose target it could be"));
        };
        if checks::is_installed(target, env, folder, self.stop).await? {
            return Ok(Finding::good(what, "installed"));
        }
        let missing = Finding::problem(what, "its standard library is not installed");
        let Some(rustup) = find_tool("rustup", env, folder) else {
            return Ok(missing.with_fix(format!(
                "install it with what has installed Rust, or use https://rustup.rs and: rustup target add {target}"
            )));
        };
        // What rustup adds is for its own rustc.
        if rustup.parent() != rustc.parent() {
            let place = rustup.parent().unwrap_or(Path::new("/")).display().to_string();
            let why =
                format!("`{}` comes first in the PATH, and rustup adds targets to its own rustc only", rustc.display());
            return Ok(Finding::problem(missing.what, why).with_fix(format!("export PATH=\"{place}:$PATH\"")));
        }
        let args = ["target", "add", target].map(str::to_string);
        Ok(missing.with_repair("rustup", &args, folder))
    }
}

fn packages(install: &Install) -> Finding {
    let finding = Finding::warning("packages", format!("{}; the next build installs them", install.because));
    match &install.step {
        Step::Program { name, args } => finding.with_repair(name, args, &install.folder),
        step => finding.with_fix(step.command()),
    }
}

/// Cargo keeps others waiting while it builds in a folder: an editor that checks the same target does.
#[cfg(unix)]
fn lock_of_others(outputs: &[PathBuf]) -> Option<Finding> {
    use rustix::fs::{FlockOperation, flock};

    let folders: BTreeSet<PathBuf> = outputs
        .iter()
        .flat_map(|output| ["debug", "release"].map(|profile| output.join(cargo::TARGET).join(profile)))
        .collect();
    let is_held = |folder: &PathBuf| {
        let Ok(file) = std::fs::File::open(folder.join(".cargo-lock")) else { return false };
        // Held for no longer than this look.
        matches!(flock(&file, FlockOperation::NonBlockingLockExclusive), Err(rustix::io::Errno::WOULDBLOCK))
    };
    let held = folders.iter().find(|folder| is_held(folder))?;
    let why = format!("somebody builds in `{}` now, and a build of wash waits for it", held.display());
    Some(
        Finding::warning("cargo's lock", why)
            .with_fix("if it is your editor, give it a folder of its own: \"rust-analyzer.cargo.targetDir\": true"),
    )
}

#[cfg(not(unix))]
fn lock_of_others(_: &[PathBuf]) -> Option<Finding> {
    None
}
