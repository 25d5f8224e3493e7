//! What must be there before a build, and the one command that brings it.
//!
//! The rules are data: [`TOOLS`] and [`TARGETS`]. They are looked at before anything runs, so that
//! the answer is a sentence and not the last of a hundred lines of somebody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::BuildOptions;
use super::process::{Stop, Tool};
use super::recipe::{Recipe, find_tool};
use super::versions::{self, Wanted};
use crate::error::{Error, Result};
use crate::progress::Progress;

/// A tool that builds may need, and how to get it.
struct Rule {
    tool: &'static str,
    fix: &'static str,
}

const fn rule(tool: &'static str, fix: &'static str) -> Rule {
    Rule { tool, fix }
}

const NODE: &str = "install Node.js 20 or newer: https://nodejs.org/en/download";
const RUST: &str = "install Rust: https://rustup.rs";
const PYTHON: &str = "install Python 3.10 or newer: https://www.python.org/downloads";

/// The tools that we know. A command that begins with another program is run unchecked.
const TOOLS: &[Rule] = &[
    rule("cargo", RUST),
    rule("rustc", RUST),
    rule("rustup", RUST),
    rule("node", NODE),
    rule("npm", NODE),
    rule("npx", NODE),
    rule("pnpm", "npm install --global pnpm"),
    rule("yarn", "npm install --global yarn"),
    rule("bun", "npm install --global bun"),
    rule("jco", "npm install --global @bytecodealliance/jco"),
    rule("python3", PYTHON),
    rule("python", PYTHON),
    rule("pip", PYTHON),
    rule("uv", "install uv: https://docs.astral.sh/uv/getting-started/installation"),
    rule("componentize-py", "python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1"),
    rule("go", "install Go: https://go.dev/doc/install"),
    rule("tinygo", "install TinyGo: https://tinygo.org/getting-started/install"),
    rule("make", "install make with your system's packages, e.g. apt-get install make"),
    rule("cmake", "install CMake with your system's packages, e.g. apt-get install cmake"),
    rule("ninja", "install Ninja with your system's packages, e.g. apt-get install ninja-build"),
    rule(
        "clang",
        "install clang with your system's packages, e.g. apt-get install clang lld wasi-libc libclang-rt-dev-wasm32",
    ),
    rule("zig", "install Zig: https://ziglang.org/download"),
    rule("just", "cargo install just"),
    rule("wasm-tools", "cargo install wasm-tools"),
    rule("wit-bindgen", "cargo install wit-bindgen-cli"),
    rule("wkg", "cargo install wkg"),
    rule("wac", "cargo install wac-cli"),
];

/// Rust targets that a command may name.
pub(super) const TARGETS: &[&str] = &["wasm32-wasip2", "wasm32-wasip1", "wasm32-unknown-unknown"];

/// Something that a build needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// A program in the PATH, maybe of certain versions.
    Tool { name: String, fix: String, wanted: Option<Wanted> },
    /// The standard library of a Rust target.
    RustTarget(String),
    /// A file that belongs to a tool: what it is, where it was found, what its lack means, what brings it.
    Part { what: String, found: Option<String>, why: String, fix: String },
}

impl Need {
    /// A tool of the table.
    pub fn tool(name: &str) -> Self {
        let fix = TOOLS.iter().find(|rule| rule.tool == name).map_or("", |rule| rule.fix);
        Need::Tool { name: name.into(), fix: fix.into(), wanted: versions::wanted(name) }
    }

    /// The compiler that a tool is the front of, whose version counts.
    pub fn compiler(name: &str) -> Option<Self> {
        (name == "cargo").then(|| Need::tool("rustc"))
    }
}

/// Whether the tool is in the table.
pub(super) fn is_known_tool(name: &str) -> bool {
    TOOLS.iter().any(|rule| rule.tool == name)
}

/// Finds out whether everything is there, and offers to bring what one command can bring.
pub(super) async fn check(
    recipe: &Recipe,
    root: &Path,
    opts: &BuildOptions,
    progress: &dyn Progress,
    stop: &mut Stop,
) -> Result<()> {
    check_tools(recipe, root)?;
    check_parts(recipe)?;
    check_versions(recipe, root, stop).await?;
    for need in &recipe.needs {
        if let Need::RustTarget(target) = need {
            check_rust_target(target, recipe, root, opts, progress, stop).await?;
        }
    }
    Ok(())
}

fn check_tools(recipe: &Recipe, root: &Path) -> Result<()> {
    let missing: Vec<(&str, &str)> = recipe
        .needs
        .iter()
        .filter_map(|need| match need {
            Need::Tool { name, fix, .. } if find_tool(name, &recipe.env, root).is_none() => {
                Some((name.as_str(), fix.as_str()))
            }
            _ => None,
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = missing.iter().map(|(name, _)| format!("`{name}`")).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    let mut error = Error::failed(format!("{} {verb} not installed", names.join(" and ")))
        .cause(format!("the build runs `{}`, and there is no such program in the PATH", recipe.command()));
    let fixes: BTreeSet<&str> = missing.iter().map(|(_, fix)| *fix).filter(|fix| !fix.is_empty()).collect();
    for fix in fixes {
        error = error.hint(fix);
    }
    Err(error)
}

fn check_parts(recipe: &Recipe) -> Result<()> {
    for need in &recipe.needs {
        if let Need::Part { what, found: None, why, fix } = need {
            return Err(Error::failed(format!("`{what}` is not installed")).cause(why.clone()).hint(fix.clone()));
        }
    }
    Ok(())
}

/// A tool of a wrong version fails late, and with words that do not say so.
async fn check_versions(recipe: &Recipe, root: &Path, stop: &mut Stop) -> Result<()> {
    for need in &recipe.needs {
        let Need::Tool { name, fix, wanted } = need else { continue };
        let compiler = Need::compiler(name);
        let (name, wanted) = match &compiler {
            Some(Need::Tool { name, wanted, .. }) => (name, wanted),
            _ => (name, wanted),
        };
        let Some(wanted) = wanted else { continue };
        let Some(version) = versions::in_path(name, &recipe.env, root, stop).await? else { continue };
        if !wanted.requirement.matches(&version) {
            let error = Error::failed(format!("`{name}` is {version}, and the build needs {}", wanted.requirement));
            return Err(error
                .cause(wanted.because.clone())
                .hint(fix.clone())
                .hint("see everything that is needed: wash doctor"));
        }
    }
    check_tinygo(recipe, root, stop).await
}

async fn check_tinygo(recipe: &Recipe, root: &Path, stop: &mut Stop) -> Result<()> {
    let is_needed =
        |tool: &str| recipe.needs.iter().any(|need| matches!(need, Need::Tool { name, .. } if name == tool));
    if !is_needed("tinygo") {
        return Ok(());
    }
    let tinygo = versions::in_path("tinygo", &recipe.env, root, stop).await?;
    let go = versions::in_path("go", &recipe.env, root, stop).await?;
    if let (Some(tinygo), Some(go)) = (tinygo, go)
        && let Some(newest) = versions::too_new_for_tinygo(&tinygo, &go)
    {
        return Err(Error::failed(format!("TinyGo {tinygo} does not work with Go {go}"))
            .cause(format!("the newest Go that it works with is {newest}"))
            .hint("install a newer TinyGo: https://tinygo.org/getting-started/install"));
    }
    Ok(())
}

async fn check_rust_target(
    target: &str,
    recipe: &Recipe,
    root: &Path,
    opts: &BuildOptions,
    progress: &dyn Progress,
    stop: &mut Stop,
) -> Result<()> {
    /// Targets that were found, with everything that decides which toolchain is used. Asking costs
    /// 20 ms, which a build of the loop should not pay again.
    static FOUND: Mutex<BTreeSet<Vec<String>>> = Mutex::new(BTreeSet::new());

    let variable = |name| recipe.env.get(name).cloned().unwrap_or_default();
    let grounds = vec![
        target.to_string(),
        root.display().to_string(),
        variable("PATH"),
        variable("RUSTUP_TOOLCHAIN"),
        variable("RUSTUP_HOME"),
    ];
    if FOUND.lock().is_ok_and(|found| found.contains(&grounds)) {
        return Ok(());
    }
    if !is_installed(target, &recipe.env, root, stop).await? {
        let rustup = find_tool("rustup", &recipe.env, root);
        let command = format!("rustup target add {target}");
        let question = format!("The Rust target {target} is not installed. Run `{command}`?");
        let offer = rustup.as_ref().filter(|_| opts.interactive && !opts.offline);
        match offer {
            Some(rustup) if progress.confirm(&question) => add_target(rustup, target, recipe, root, opts, stop).await?,
            _ => {
                let error = Error::failed(format!("the Rust target {target} is not installed"));
                return Err(match rustup {
                    Some(_) => error.hint(command),
                    None => error.hint(format!(
                        "install it with what has installed Rust, or use https://rustup.rs and: {command}"
                    )),
                });
            }
        }
    }
    if let Ok(mut found) = FOUND.lock() {
        found.insert(grounds);
    }
    Ok(())
}

/// Whether rustc, as it is chosen in the project's folder, has the target's standard library. What
/// cannot be found out counts as there: cargo will say what is wrong.
pub(super) async fn is_installed(
    target: &str,
    env: &BTreeMap<String, String>,
    root: &Path,
    stop: &mut Stop,
) -> Result<bool> {
    let Some(rustc) = find_tool("rustc", env, root) else { return Ok(true) };
    let args = ["--print", "sysroot"].map(str::to_string);
    let Some(sysroot) =
        (Tool { title: "rustc --print sysroot", program: &rustc, args: &args, folder: root, env }).ask(stop).await?
    else {
        return Ok(true);
    };
    let libraries: PathBuf = [&sysroot, "lib", "rustlib", target, "lib"].iter().collect();
    let has_core = std::fs::read_dir(&libraries)
        .is_ok_and(|files| files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libcore-")));
    Ok(has_core)
}

async fn add_target(
    rustup: &Path,
    target: &str,
    recipe: &Recipe,
    root: &Path,
    opts: &BuildOptions,
    stop: &mut Stop,
) -> Result<()> {
    let args = ["target", "add", target].map(str::to_string);
    let tool = Tool { title: "rustup target add", program: rustup, args: &args, folder: root, env: &recipe.env };
    if tool.run(opts.output, &std::sync::Arc::default(), stop).await?.success()
        && is_installed(target, &recipe.env, root, stop).await?
    {
        return Ok(());
    }
    Err(Error::failed(format!("`rustup target add {target}` did not install the target")).already_explained())
}
