//! JavaScript and TypeScript projects: the `build` script of `package.json`, after an installation
//! of the packages where one is missing.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::checks::Need;
use super::custom::conventional_outputs;
use super::recipe::{Facts, Install, Recipe, Step, program};
use crate::error::Error;

/// A package manager: its lock file, and a file that it writes at the end of an installation.
struct Manager {
    name: &'static str,
    locks: &'static [&'static str],
    mark: &'static str,
}

/// The first whose lock file is there is used; npm otherwise.
const MANAGERS: &[Manager] = &[
    Manager { name: "pnpm", locks: &["pnpm-lock.yaml"], mark: ".modules.yaml" },
    Manager { name: "yarn", locks: &["yarn.lock"], mark: ".yarn-state.yml" },
    Manager { name: "bun", locks: &["bun.lock", "bun.lockb"], mark: "" },
    Manager { name: "npm", locks: &["package-lock.json", "npm-shrinkwrap.json"], mark: ".package-lock.json" },
];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Package {
    scripts: serde_json::Map<String, serde_json::Value>,
    dependencies: serde_json::Map<String, serde_json::Value>,
    #[serde(rename = "devDependencies")]
    dev_dependencies: serde_json::Map<String, serde_json::Value>,
    /// e.g. `pnpm@9.1.0`
    #[serde(rename = "packageManager")]
    package_manager: Option<String>,
}

/// The recipe of a project with `package.json`.
pub(super) fn recipe(facts: Facts<'_>) -> Recipe {
    let package = read_package(facts.root());
    let manager = manager(facts.root(), package.as_ref().ok());
    let blocked = match &package {
        Err(error) => Some(error.clone()),
        Ok(package) if !package.scripts.contains_key("build") => Some(
            Error::failed("`package.json` has no script `build`")
                .hint("add one that writes the component: \"build\": \"jco componentize src/index.js --wit wit --out dist/component.wasm\""),
        ),
        Ok(_) => None,
    };
    let mut outputs = conventional_outputs(&facts);
    outputs.extend(facts.declared());
    Recipe {
        because: "JavaScript project: package.json".into(),
        needs: [manager.name, "node"]
            .into_iter()
            .filter(|tool| *tool != "node" || manager.name != "bun")
            .map(Need::tool)
            .collect(),
        install: install(&facts),
        steps: vec![program(manager.name, &["run", "build"])],
        product: facts.product(),
        outputs,
        blocked,
        env: facts.env,
    }
}

/// Whether a command has to do with installed packages.
pub(super) fn is_package_tool(programs: &[&str]) -> bool {
    programs.iter().any(|program| matches!(*program, "npm" | "npx" | "pnpm" | "yarn" | "bun" | "node"))
}

/// The installation that the project needs before it can be built, if any.
pub(super) fn install(facts: &Facts<'_>) -> Option<Install> {
    let root = facts.root();
    // A package.json that cannot be read is reported by who needs it.
    let package = read_package(root).ok()?;
    let manager = manager(root, Some(&package));
    // Yarn's plug-and-play keeps packages elsewhere and finds out on its own.
    if has_above(root, ".pnp.cjs").is_some() {
        return None;
    }
    let lock = manager.locks.iter().find_map(|lock| has_above(root, lock));
    let folder = lock.as_deref().and_then(Path::parent).unwrap_or(root).to_path_buf();
    let because = missing(root, &folder, &package, manager, lock.as_deref())?;
    let has_modules = folder.join("node_modules").is_dir();
    Some(Install { because, step: install_step(manager, lock.is_some(), has_modules, facts), folder })
}

/// What is missing of the packages.
fn missing(root: &Path, folder: &Path, package: &Package, manager: &Manager, lock: Option<&Path>) -> Option<String> {
    let names = || package.dependencies.keys().chain(package.dev_dependencies.keys());
    names().next()?;
    let modules = folder.join("node_modules");
    if !modules.is_dir() && !root.join("node_modules").is_dir() {
        return Some("there is no node_modules".into());
    }
    if let Some(name) = names().find(|name| has_above(root, &format!("node_modules/{name}/package.json")).is_none()) {
        return Some(format!("`{name}` is not in node_modules"));
    }
    let modified = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    let lock = lock?;
    let is_newer = modified(lock)? > modified(&modules.join(manager.mark))?;
    let lock = lock.file_name()?.to_string_lossy();
    (is_newer && !manager.mark.is_empty()).then(|| format!("`{lock}` is newer than node_modules"))
}

fn install_step(manager: &Manager, has_lock: bool, has_modules: bool, facts: &Facts<'_>) -> Step {
    let offline = facts.opts.offline;
    let mut args = match manager.name {
        // `ci` installs exactly the lock file, from nothing; `install` keeps what is there.
        "npm" if has_lock && !has_modules => vec!["ci", "--no-audit", "--no-fund"],
        "npm" => vec!["install", "--no-audit", "--no-fund"],
        _ => vec!["install"],
    };
    // Newer yarns know only the environment variable.
    if offline
        && (matches!(manager.name, "npm" | "pnpm")
            || manager.name == "yarn" && !facts.root().join(".yarnrc.yml").exists())
    {
        args.push("--offline");
    }
    program(manager.name, &args)
}

fn read_package(root: &Path) -> Result<Package, Error> {
    let path = root.join("package.json");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Error::caused_by(format!("cannot read `{}`", path.display()), &error))?;
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| Error::caused_by(format!("`{}` is not as npm wants it", path.display()), &error))
}

/// The package manager of the project: what `package.json` says, else whose lock file is there.
fn manager(root: &Path, package: Option<&Package>) -> &'static Manager {
    let named = package.and_then(|package| package.package_manager.as_deref()).and_then(|text| text.split('@').next());
    let by_name = |name: &str| MANAGERS.iter().find(|manager| manager.name == name);
    let by_lock =
        |folder: &Path| MANAGERS.iter().find(|manager| manager.locks.iter().any(|lock| folder.join(lock).is_file()));
    named
        .and_then(by_name)
        .or_else(|| up_to_repository(root).find_map(by_lock))
        .unwrap_or(&MANAGERS[MANAGERS.len() - 1])
}

/// A file in the folder or above it, as far as the repository reaches.
fn has_above(root: &Path, file: &str) -> Option<PathBuf> {
    up_to_repository(root).map(|folder| folder.join(file)).find(|path| path.exists())
}

/// The folder and those above it that belong to the same repository; the folder alone if it is in
/// none, since what lies above is not the project's then.
fn up_to_repository(root: &Path) -> impl Iterator<Item = &Path> {
    let depth = root.ancestors().position(|folder| folder.join(".git").exists()).unwrap_or(0);
    root.ancestors().take(depth + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager_of(package: &str, files: &[&str]) -> &'static str {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        manager(folder.path(), serde_json::from_str(package).ok().as_ref()).name
    }

    #[test]
    fn package_manager_is_the_named_one_else_that_of_the_lock_file_else_npm() {
        assert_eq!(manager_of("{}", &[]), "npm");
        assert_eq!(manager_of("{}", &["yarn.lock"]), "yarn");
        assert_eq!(manager_of("{}", &["pnpm-lock.yaml"]), "pnpm");
        assert_eq!(manager_of("{}", &["package-lock.json"]), "npm");
        assert_eq!(manager_of(r#"{"packageManager": "pnpm@9.1.0"}"#, &["package-lock.json"]), "pnpm");
    }

    #[test]
    fn lock_file_of_a_workspace_counts_for_its_members_and_not_for_strangers() {
        let folder = tempfile::tempdir().unwrap();
        let member = folder.path().join("packages/one");
        std::fs::create_dir_all(&member).unwrap();
        std::fs::write(folder.path().join("yarn.lock"), "").unwrap();
        assert_eq!(manager(&member, None).name, "npm");
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        assert_eq!(manager(&member, None).name, "yarn");
    }

    #[test]
    fn missing_packages_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let package: Package = serde_json::from_str(r#"{"devDependencies": {"@a/b": "1"}}"#).unwrap();
        let npm = manager(root, None);
        let look = |lock: Option<&Path>| missing(root, root, &package, npm, lock);
        assert_eq!(look(None).as_deref(), Some("there is no node_modules"));
        std::fs::create_dir_all(root.join("node_modules")).unwrap();
        assert_eq!(look(None).as_deref(), Some("`@a/b` is not in node_modules"));
        std::fs::create_dir_all(root.join("node_modules/@a/b")).unwrap();
        std::fs::write(root.join("node_modules/@a/b/package.json"), "{}").unwrap();
        assert_eq!(look(None), None);

        let (lock, mark) = (root.join("package-lock.json"), root.join("node_modules/.package-lock.json"));
        std::fs::write(&lock, "").unwrap();
        std::fs::write(&mark, "").unwrap();
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(100);
        std::fs::File::options().write(true).open(&lock).unwrap().set_modified(old).unwrap();
        assert_eq!(look(Some(&lock)), None);
        std::fs::File::options()
            .write(true)
            .open(&mark)
            .unwrap()
            .set_modified(old - std::time::Duration::from_secs(1))
            .unwrap();
        assert_eq!(look(Some(&lock)).as_deref(), Some("`package-lock.json` is newer than node_modules"));

        let nothing = Package::default();
        assert_eq!(missing(&root.join("elsewhere"), &root.join("elsewhere"), &nothing, npm, None), None);
    }
}
