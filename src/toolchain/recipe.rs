//! How a project is built, decided before anything runs: what was recognised, what must be there,
//! which commands run, and where the result will lie.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::checks::Need;
use super::versions::Wanted;
use super::{BuildOptions, c, cargo, custom, go, javascript, make, python};
use crate::error::{Error, Result};
use crate::project::{Language, Project, requirement};

/// Everything that is decided about a build.
pub(super) struct Recipe {
    /// What was recognised and why, e.g. `Rust project: Cargo.toml`.
    pub because: String,
    /// The whole environment of the tools.
    pub env: BTreeMap<String, String>,
    /// What must be there before the first step.
    pub needs: Vec<Need>,
    /// Packages that must be installed first.
    pub install: Option<Install>,
    /// What is run, one after the other.
    pub steps: Vec<Step>,
    /// Where the result lies.
    pub product: Product,
    /// Files and folders that the build writes.
    pub outputs: Vec<PathBuf>,
    /// Why the steps cannot be run, where that is known already.
    pub blocked: Option<Error>,
}

/// An installation of packages that the build needs.
pub(super) struct Install {
    /// e.g. `there is no node_modules`
    pub because: String,
    pub step: Step,
    pub folder: PathBuf,
}

/// Something to run.
pub(super) enum Step {
    /// A command for the shell, as the user wrote it.
    Shell(String),
    /// A program with its arguments.
    Program { name: String, args: Vec<String> },
    /// Cargo, whose messages are read for the artifacts it names.
    Cargo { args: Vec<String> },
    /// Go's own compiler, for WebAssembly. Its output is read for messages that need a next step.
    Go { args: Vec<String> },
    /// A C compiler, whose output is read like that, too.
    Clang { name: String, args: Vec<String> },
}

/// Where the result of a build lies.
#[derive(Clone)]
pub(super) enum Product {
    /// What cargo's messages name; `wanted` chooses among several.
    CargoMessages { wanted: Option<PathBuf> },
    /// The first that was written of these.
    OneOf(Vec<PathBuf>),
    /// Whichever `.wasm` file the build writes.
    Written,
}

impl Recipe {
    /// The commands as the user would type them.
    pub fn command(&self) -> String {
        self.steps.iter().map(Step::command).collect::<Vec<_>>().join(" && ")
    }
}

impl Step {
    /// The command as the user would type it.
    pub fn command(&self) -> String {
        let (name, args) = match self {
            Step::Shell(command) => return command.clone(),
            Step::Program { name, args } | Step::Clang { name, args } => (name.as_str(), args),
            Step::Cargo { args } => ("cargo", args),
            Step::Go { args } => ("go", args),
        };
        let variables = self.variables().iter().map(|(name, value)| format!("{name}={value}"));
        let words = std::iter::once(name).chain(args.iter().map(String::as_str)).map(quoted);
        variables.chain(words).collect::<Vec<_>>().join(" ")
    }
}

impl Step {
    /// What is set for this step alone.
    pub fn variables(&self) -> &'static [(&'static str, &'static str)] {
        if matches!(self, Step::Go { .. }) { go::TARGET } else { &[] }
    }
}

/// A step from words.
pub(super) fn program(name: &str, args: &[&str]) -> Step {
    Step::Program { name: name.to_string(), args: args.iter().map(|arg| arg.to_string()).collect() }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=@:+,%\\".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// What every language's recipe is decided from.
pub(super) struct Facts<'a> {
    pub project: &'a Project,
    pub opts: &'a BuildOptions,
    /// The environment of the tools.
    pub env: BTreeMap<String, String>,
    /// Where the settings say that the component lies.
    pub component_path: Option<&'a str>,
}

impl<'a> Facts<'a> {
    fn of(project: &'a Project, opts: &'a BuildOptions) -> Self {
        let settings = &project.settings;
        let for_dev = settings.dev.component_path.as_deref().filter(|_| opts.for_dev);
        Facts {
            project,
            opts,
            env: environment(project, opts),
            component_path: for_dev.or(settings.build.component_path.as_deref()),
        }
    }

    pub fn root(&self) -> &'a Path {
        &self.project.root
    }

    /// A tool in the PATH of the build.
    pub fn find(&self, tool: &str) -> Option<PathBuf> {
        find_tool(tool, &self.env, self.root())
    }

    /// Where the component lies by the settings. A path in cargo's target folder follows that
    /// folder to wherever the environment or cargo's settings have put it.
    pub fn declared(&self) -> Option<PathBuf> {
        Some(cargo::real_path(self, Path::new(self.component_path?)))
    }

    /// A name for the artifact that is a plain file name, whatever the project is called.
    pub fn artifact_name(&self) -> String {
        let name = self.project.name.rsplit(['/', '\\']).next().unwrap_or_default();
        let name = name.trim_matches('.');
        if name.is_empty() { "component".into() } else { name.into() }
    }

    /// The product when the language's tool has no habit: the declared file, else what is written.
    pub fn product(&self) -> Product {
        self.declared().map_or(Product::Written, |path| Product::OneOf(vec![path]))
    }

    /// The line that sets where the component lies.
    pub fn component_path_hint(&self, path: &str) -> String {
        component_path_hint(self.project, path)
    }
}

/// The line that sets where the component lies.
pub(super) fn component_path_hint(project: &Project, path: &str) -> String {
    let file = match &project.config_file {
        Some(file) => file.strip_prefix(&project.root).unwrap_or(file).display().to_string(),
        None => ".wash/config.yaml".to_string(),
    };
    format!("set `build.component_path` in `{file}`: `component_path: {path}`")
}

/// A tool in the PATH of `env`.
pub(super) fn find_tool(tool: &str, env: &BTreeMap<String, String>, folder: &Path) -> Option<PathBuf> {
    which::which_in(tool, env.get("PATH"), folder).ok()
}

/// Decides how the project is built.
pub(super) fn decide(project: &Project, opts: &BuildOptions) -> Result<Recipe> {
    let mut recipe = of_language_or_command(project, opts)?;
    // A project, and so a template, may know better than our table.
    for (tool, text) in &project.settings.build.tools {
        let because = "build.tools of the settings".to_string();
        let stated = requirement(text).ok().map(|requirement| Wanted { requirement, because });
        let known = recipe.needs.iter_mut().find(|need| matches!(need, Need::Tool { name, .. } if name == tool));
        match known {
            Some(Need::Tool { wanted, .. }) => *wanted = stated,
            _ => {
                let Need::Tool { name, fix, .. } = Need::tool(tool) else { continue };
                recipe.needs.push(Need::Tool { name, fix, wanted: stated });
            }
        }
    }
    Ok(recipe)
}

fn of_language_or_command(project: &Project, opts: &BuildOptions) -> Result<Recipe> {
    let facts = Facts::of(project, opts);
    let settings = &project.settings;
    let command = match (&settings.dev.command, &settings.build.command) {
        (Some(command), _) if opts.for_dev => Some(("dev.command", command)),
        (_, Some(command)) => Some(("build.command", command)),
        _ => None,
    };
    if let Some((key, command)) = command {
        return Ok(custom::recipe(facts, key, command));
    }
    match project.language {
        Some(Language::Rust) => Ok(cargo::recipe(facts)),
        Some(Language::JavaScript) => Ok(javascript::recipe(facts)),
        Some(Language::Go) => Ok(go::recipe(facts)),
        Some(Language::Python) => Ok(python::recipe(facts)),
        Some(Language::Make) => Ok(make::recipe(facts)),
        Some(Language::C) => Ok(c::recipe(facts)),
        None => Err(Error::failed(format!("do not know how to build `{}`", project.root.display()))
            .cause("there is no build.command in its settings, and no Cargo.toml, package.json, go.mod, pyproject.toml, requirements.txt, app.py, Makefile or main.c")
            .hint("write the command that builds it into `.wash/config.yaml`: wash config init")),
    }
}

/// What tells the tools that we know to stay off the network. Only what is not set is set.
const OFFLINE: &[(&str, &str)] = &[
    ("CARGO_NET_OFFLINE", "true"),
    ("npm_config_offline", "true"),
    ("YARN_ENABLE_NETWORK", "false"),
    ("PIP_NO_INDEX", "1"),
    ("UV_OFFLINE", "1"),
    ("GOPROXY", "off"),
    ("GOTOOLCHAIN", "local"),
];

fn environment(project: &Project, opts: &BuildOptions) -> BTreeMap<String, String> {
    let mut env = opts.env.clone();
    env.extend(project.settings.build.env.clone());
    if opts.offline {
        for (name, value) in OFFLINE {
            env.entry(name.to_string()).or_insert_with(|| value.to_string());
        }
    }
    env
}
