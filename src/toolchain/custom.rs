//! Projects whose settings name the command that builds them.

use super::cargo;
use super::checks::{Need, TARGETS, is_known_tool};
use super::javascript;
use super::recipe::{Facts, Product, Recipe, Step, find_tool};
use crate::error::Error;

/// The recipe of a project with a build command, which the setting `key` holds.
pub(super) fn recipe(mut facts: Facts<'_>, key: &str, command: &str) -> Recipe {
    let programs = programs(command);
    let mut needs = Vec::new();
    for program in programs.iter().filter(|program| is_known_tool(program)) {
        let need = Need::tool(program);
        // A command with `||` knows what to do without its first choice.
        if !needs.contains(&need) && !command.contains("||") {
            needs.push(need);
        }
    }
    use_virtual_environment(&mut facts, &programs);
    if programs.iter().any(|program| matches!(*program, "cargo" | "rustc")) && !command.contains("build-std") {
        let targets = TARGETS.iter().filter(|target| command.contains(*target));
        needs.extend(targets.map(|target| Need::RustTarget(target.to_string())));
    }
    let install = javascript::is_package_tool(&programs).then(|| javascript::install(&facts)).flatten();
    let install = install.filter(|_| !installs_itself(command));

    let mut outputs = cargo::outputs(&facts);
    outputs.extend(conventional_outputs(&facts));
    let mut blocked = None;
    let product = match facts.declared() {
        Some(path) => Product::OneOf(vec![path]),
        None => {
            let usual = if programs.contains(&"cargo") { cargo::usual_paths(&facts, command) } else { Vec::new() };
            if usual.is_empty() {
                blocked = Some(
                    Error::usage(format!("the settings have `{key}` and do not say where it leaves the component"))
                        .hint(facts.component_path_hint("<path of the .wasm file it writes>")),
                );
            }
            Product::OneOf(usual)
        }
    };
    if let Product::OneOf(paths) = &product {
        outputs.extend(paths.iter().cloned());
    }
    let file = facts.project.config_file.as_deref();
    let file = file.map(|file| file.strip_prefix(facts.root()).unwrap_or(file).display().to_string());
    Recipe {
        because: format!("{key} of {}", file.as_deref().unwrap_or("the settings")),
        needs,
        install,
        steps: vec![Step::Shell(command.to_string())],
        product,
        outputs,
        blocked,
        env: facts.env,
    }
}

/// Folders that tools write by convention, where they are tools of this project.
pub(super) fn conventional_outputs(facts: &Facts<'_>) -> Vec<std::path::PathBuf> {
    let has = |file: &str| facts.root().join(file).exists();
    let mut folders = Vec::new();
    if has("package.json") {
        folders.push("node_modules");
    }
    if has("requirements.txt") || has("pyproject.toml") || has("app.py") {
        folders.extend([".venv", "__pycache__"]);
    }
    folders.into_iter().map(|folder| facts.root().join(folder)).collect()
}

/// The programs that a shell command begins its parts with, as far as they are plain words.
fn programs(command: &str) -> Vec<&str> {
    let is_assignment = |word: &str| {
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    };
    command
        .split(['&', '|', ';', '\n', '(', ')'])
        .filter_map(|part| {
            part.split_whitespace().find(|word| !is_assignment(word) && !matches!(*word, "env" | "exec"))
        })
        .filter(|word| word.chars().all(|c| c.is_alphanumeric() || "-_.+/".contains(c)))
        .collect()
}

/// Whether the command installs packages on its own.
fn installs_itself(command: &str) -> bool {
    command.split(|c: char| !c.is_alphanumeric()).any(|word| matches!(word, "install" | "ci" | "add"))
}

/// Puts the project's virtual environment into the PATH, if it has a tool of the command that is
/// nowhere else. It needs not be activated then.
fn use_virtual_environment(facts: &mut Facts<'_>, programs: &[&str]) {
    for folder in [".venv", "venv"] {
        let folder = facts.root().join(folder);
        let scripts = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
        let only_there =
            |program: &&str| scripts.join(program).is_file() && find_tool(program, &facts.env, facts.root()).is_none();
        if programs.iter().any(only_there) {
            let path = facts.env.get("PATH").cloned().unwrap_or_default();
            let separator = if cfg!(windows) { ';' } else { ':' };
            facts.env.insert("PATH".into(), format!("{}{separator}{path}", scripts.display()));
            facts.env.insert("VIRTUAL_ENV".into(), folder.display().to_string());
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_a_command_are_found() {
        assert_eq!(programs("cargo build --release"), ["cargo"]);
        assert_eq!(programs("A=1 B_2=x cargo build && npm run b; ( make ) | tee x"), ["cargo", "npm", "make", "tee"]);
        assert_eq!(programs("go generate ./... && tinygo build -o x.wasm"), ["go", "tinygo"]);
        assert_eq!(programs("$TOOL build"), [""; 0]);
        assert_eq!(programs("'my tool' build"), [""; 0]);
        assert_eq!(programs("./build.sh"), ["./build.sh"]);
    }

    #[test]
    fn commands_that_install_are_known() {
        assert!(installs_itself("npm ci && npm run build"));
        assert!(installs_itself("npm run install-and-build"));
        assert!(!installs_itself("npm run build"));
    }
}
