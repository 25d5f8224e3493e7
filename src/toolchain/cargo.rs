//! Rust projects: cargo itself says where its artifacts lie.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use serde::Deserialize;

use super::checks::Need;
use super::process::{Tool, ask_blocking};
use super::recipe::{Facts, Product, Recipe, Step, component_path_hint, find_tool};
use crate::error::{Error, Result};
use crate::project::Project;

/// The target of components. Its linker makes components, not core modules.
pub(super) const TARGET: &str = "wasm32-wasip2";

/// In the edit-refresh loop, line tables are all the debug information that is of use (traps name
/// functions and lines). For a hello-world on two cores they made 2.6 MB of a component of 7.5 MB,
/// and edit-to-live took 0.9 s, against 1.1 s with all of it and 2.4 s in the release profile.
const DEV_PROFILE: &str = r#"profile.dev.debug="line-tables-only""#;

/// The recipe of a project with `Cargo.toml`.
pub(super) fn recipe(facts: Facts<'_>) -> Recipe {
    let mut args = vec!["build", "--target", TARGET];
    if facts.opts.for_dev {
        args.extend(["--config", DEV_PROFILE]);
    } else {
        args.push("--release");
    }
    Recipe {
        because: "Rust project: Cargo.toml".into(),
        needs: vec![Need::tool("cargo"), Need::RustTarget(TARGET.into())],
        install: None,
        steps: vec![Step::Cargo { args: args.into_iter().map(str::to_string).collect() }],
        product: Product::CargoMessages { wanted: facts.declared() },
        outputs: outputs(&facts),
        blocked: None,
        env: facts.env,
    }
}

/// Cargo's target folder, if there is a Rust project.
pub(super) fn outputs(facts: &Facts<'_>) -> Vec<PathBuf> {
    if !facts.root().join("Cargo.toml").is_file() {
        return Vec::new();
    }
    let mut folders = vec![facts.root().join("target")];
    if let Some(metadata) = metadata(facts.root(), &facts.env)
        && metadata.target_directory != folders[0]
    {
        folders.push(metadata.target_directory.clone());
    }
    folders
}

/// A path of the settings. If it begins with `target/` and cargo's target folder is elsewhere (a
/// workspace, `CARGO_TARGET_DIR`, cargo's settings), it is in that one.
pub(super) fn real_path(facts: &Facts<'_>, path: &Path) -> PathBuf {
    let plain = facts.root().join(path);
    let mut parts = path.components().filter(|part| !matches!(part, std::path::Component::CurDir));
    let in_target = parts.next().is_some_and(|first| first.as_os_str() == "target");
    if !in_target || !facts.root().join("Cargo.toml").is_file() {
        return plain;
    }
    match metadata(facts.root(), &facts.env) {
        Some(metadata) => metadata.target_directory.join(parts.collect::<PathBuf>()),
        None => plain,
    }
}

/// Where a cargo command of the user's own leaves its artifacts when no setting says so.
pub(super) fn usual_paths(facts: &Facts<'_>, command: &str) -> Vec<PathBuf> {
    let Some(metadata) = metadata(facts.root(), &facts.env) else { return Vec::new() };
    let words: Vec<&str> = command.split_whitespace().collect();
    let after = |flag: &str| {
        let position = words.iter().position(|word| *word == flag)?;
        words.get(position + 1).copied()
    };
    let with_equals = |flag: &str| words.iter().find_map(|word| word.strip_prefix(flag)?.strip_prefix('='));
    let profile = match after("--profile").or(with_equals("--profile")) {
        Some("dev" | "test") => "debug",
        Some("bench") => "release",
        Some(profile) => profile,
        None if words.iter().any(|word| matches!(*word, "--release" | "-r")) => "release",
        None => "debug",
    };
    let target = after("--target").or(with_equals("--target")).unwrap_or(TARGET);
    let folder = metadata.target_directory.join(target).join(profile);
    metadata
        .packages
        .iter()
        .filter(|package| is_manifest_of(&package.manifest_path, facts.root()) || metadata.packages.len() == 1)
        .flat_map(|package| &package.targets)
        .filter_map(|target| {
            if target.has_kind("cdylib") {
                Some(format!("{}.wasm", target.name.replace('-', "_")))
            } else {
                target.has_kind("bin").then(|| format!("{}.wasm", target.name))
            }
        })
        .map(|name| folder.join(name))
        .collect()
}

/// A `.wasm` file that cargo has named.
#[derive(Clone, Debug)]
pub(super) struct Named {
    manifest: PathBuf,
    path: PathBuf,
}

/// Reads a line of `cargo build --message-format json`. `None` if it is no JSON and so somebody
/// else's (a procedural macro that prints).
pub(super) fn read_message(line: &[u8]) -> Option<Vec<Named>> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        #[serde(default)]
        manifest_path: PathBuf,
        target: Option<Target>,
        #[serde(default)]
        filenames: Vec<PathBuf>,
    }
    let text = String::from_utf8_lossy(line);
    let message: Message = serde_json::from_str(&text).ok()?;
    let is_artifact = message.reason == "compiler-artifact"
        && message.target.is_some_and(|target| target.has_kind("cdylib") || target.has_kind("bin"));
    if !is_artifact {
        return Some(Vec::new());
    }
    let is_wasm = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
    let named = message.filenames.into_iter().filter(is_wasm);
    Some(named.map(|path| Named { manifest: message.manifest_path.clone(), path }).collect())
}

/// Chooses the project's component among the files that cargo has named.
pub(super) fn choose(named: &[Named], project: &Project, wanted: Option<&Path>) -> Result<PathBuf> {
    let own: Vec<&Named> = named.iter().filter(|one| is_manifest_of(&one.manifest, &project.root)).collect();
    let candidates = if own.is_empty() { named.iter().collect() } else { own };
    if let Some(wanted) = wanted {
        let fits = |one: &&&Named| one.path == wanted || one.path.file_name() == wanted.file_name();
        if let Some(one) =
            candidates.iter().find(|one| one.path == wanted).or(named.iter().collect::<Vec<_>>().iter().find(fits))
        {
            return Ok(one.path.clone());
        }
    }
    let list = || candidates.iter().map(|one| format!("  {}\n", one.path.display())).collect::<String>();
    match (candidates.as_slice(), wanted) {
        ([one], None) => Ok(one.path.clone()),
        ([], _) => Err(Error::failed("cargo built no WebAssembly file")
            .cause(format!("`{}` has no library of the kind `cdylib` and no program", project.name))
            .hint("add to `Cargo.toml`: `[lib]` and below it `crate-type = [\"cdylib\"]`")),
        (_, Some(wanted)) => Err(Error::failed(format!(
            "cargo did not build `{}`, the component_path of the settings",
            wanted.display()
        ))
        .details(format!("it built\n{}", list()))
        .hint(component_path_hint(project, &relative(&candidates[0].path, &project.root)))),
        (several, None) => Err(Error::failed(format!("cargo built {} WebAssembly files", several.len()))
            .details(list())
            .hint(component_path_hint(project, &relative(&several[0].path, &project.root)))),
    }
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn is_manifest_of(manifest: &Path, root: &Path) -> bool {
    let Some(folder) = manifest.parent() else { return false };
    folder == root || matches!((folder.canonicalize(), root.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// What `cargo metadata` says, as far as we ask.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub target_directory: PathBuf,
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Target {
    fn has_kind(&self, kind: &str) -> bool {
        self.kind.iter().any(|one| one == kind)
    }
}

/// Asks `cargo metadata`, without the network. The answer is kept until a file or a variable changes
/// that decides it, since a build of the loop should not pay for it (20 ms).
pub(super) fn metadata(root: &Path, env: &BTreeMap<String, String>) -> Option<Arc<Metadata>> {
    static KNOWN: Mutex<Vec<(Grounds, Arc<Metadata>)>> = Mutex::new(Vec::new());
    /// More projects than one loop has; the rest is forgotten.
    const KEPT: usize = 16;

    let grounds = Grounds::of(root, env);
    let mut known = KNOWN.lock().ok()?;
    if let Some((_, metadata)) = known.iter().find(|(other, _)| *other == grounds) {
        return Some(metadata.clone());
    }
    let cargo = find_tool("cargo", env, root)?;
    let args = ["metadata", "--no-deps", "--offline", "--format-version", "1"].map(str::to_string);
    let answer = ask_blocking(&Tool { title: "cargo metadata", program: &cargo, args: &args, folder: root, env })?;
    let metadata: Arc<Metadata> = Arc::new(serde_json::from_slice(&answer).ok()?);
    known.insert(0, (grounds, metadata.clone()));
    known.truncate(KEPT);
    Some(metadata)
}

/// All that decides where cargo builds.
#[derive(PartialEq)]
struct Grounds {
    root: PathBuf,
    variables: Vec<Option<String>>,
    files: Vec<(PathBuf, Option<SystemTime>)>,
}

impl Grounds {
    fn of(root: &Path, env: &BTreeMap<String, String>) -> Self {
        let variables = ["PATH", "HOME", "CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"];
        let in_folders = root
            .ancestors()
            .flat_map(|folder| ["Cargo.toml", ".cargo/config.toml", ".cargo/config"].map(|file| folder.join(file)));
        let cargo_home = env.get("CARGO_HOME").map(PathBuf::from);
        let cargo_home = cargo_home.or_else(|| Some(Path::new(env.get("HOME")?).join(".cargo")));
        let at_home = cargo_home.map(|home| home.join("config.toml"));
        Grounds {
            root: root.to_path_buf(),
            variables: variables.map(|name| env.get(name).cloned()).to_vec(),
            files: in_folders
                .chain(at_home)
                .map(|path| {
                    let modified = path.metadata().and_then(|file| file.modified()).ok();
                    (path, modified)
                })
                .collect(),
        }
    }
}
