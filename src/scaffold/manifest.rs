//! What the files of a project say about it: its names, its language, its set-up command.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, Yaml};
use serde::Deserialize;
use serde_json::Value;

use super::tree::Tree;
use crate::error::{Error, Result};

/// A settings file larger than this is none.
const LARGEST_SETTINGS: u64 = 1024 * 1024;

/// Returns what the project is called now: by its folder and by its manifests. The folder's name
/// does not count when it is also the name of a dependency.
pub(super) fn names(tree: &Tree, folder: Option<&str>) -> BTreeSet<String> {
    let cargo = read_toml(tree, "Cargo.toml");
    let npm = read_json(tree, "package.json");
    let python = read_toml(tree, "pyproject.toml");

    let dependencies = [
        &cargo["dependencies"],
        &cargo["dev-dependencies"],
        &cargo["build-dependencies"],
        &cargo["workspace"]["dependencies"],
        &npm["dependencies"],
        &npm["devDependencies"],
    ];
    let is_dependency = |name: &str| dependencies.iter().any(|table| table.get(name).is_some());

    let mut names: BTreeSet<String> =
        [&cargo["package"]["name"], &npm["name"], &python["project"]["name"], &python["tool"]["poetry"]["name"]]
            .into_iter()
            .filter_map(Value::as_str)
            // `@scope/name`
            .filter_map(|name| name.rsplit('/').next())
            .map(ToString::to_string)
            .collect();
    names.extend(folder.filter(|name| !is_dependency(name)).map(ToString::to_string));
    names
}

/// Whether cargo makes a program of it (`x-y.wasm`) and not a library (`x_y.wasm`).
pub(super) fn is_program(tree: &Tree) -> bool {
    tree.contains("src/main.rs") && !tree.contains("src/lib.rs")
}

/// Returns the language, as people write it.
pub(super) fn language(tree: &Tree) -> Option<&'static str> {
    [
        ("Cargo.toml", "Rust"),
        ("tsconfig.json", "TypeScript"),
        ("package.json", "JavaScript"),
        ("go.mod", "Go"),
        ("pyproject.toml", "Python"),
        ("requirements.txt", "Python"),
        ("app.py", "Python"),
    ]
    .into_iter()
    .find_map(|(file, language)| tree.contains(file).then_some(language))
}

fn read_toml(tree: &Tree, path: &str) -> Value {
    let text = tree.read(path).and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| toml::from_str(&text).ok()).unwrap_or_default()
}

fn read_json(tree: &Tree, path: &str) -> Value {
    tree.read(path).and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// A command that the template wants run in the new project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupCommand {
    /// For the shell.
    pub command: String,
    /// The file that has it, relative to the project.
    pub file: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    new: New,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct New {
    command: Option<String>,
}

/// Reads `new.command` of the settings in a project folder, and nothing else of them: whether the
/// rest is right is for the commands to say that use it.
pub(super) fn command_of(project: &Path) -> Result<Option<SetupCommand>> {
    for name in ["config.yaml", "config.yml", "config.json", "config.toml"] {
        let file = format!(".wash/{name}");
        let path: PathBuf = project.join(".wash").join(name);
        let Ok(metadata) = fs::metadata(&path) else { continue };
        let read = || -> Result<Option<String>, String> {
            if metadata.len() > LARGEST_SETTINGS {
                return Err(format!("it is larger than {LARGEST_SETTINGS} bytes"));
            }
            let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
            match name.rsplit('.').next() {
                Some("json") => serde_json::from_str(&text).map(command).map_err(|error| error.to_string()),
                Some("toml") => toml::from_str(&text).map(command).map_err(|error| error.to_string()),
                _ => command_in_yaml(&text),
            }
        };
        let command = read().map_err(|reason| {
            Error::failed(format!("cannot read `new.command` in `{file}` of the template")).cause(reason.trim_end())
        })?;
        return Ok(command.filter(|command| !command.trim().is_empty()).map(|command| SetupCommand { command, file }));
    }
    Ok(None)
}

fn command(settings: Settings) -> Option<String> {
    settings.new.command
}

fn command_in_yaml(text: &str) -> Result<Option<String>, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    let new = documents.first().and_then(|top| top.as_mapping_get("new"));
    match new.and_then(|new| new.as_mapping_get("command")) {
        None => Ok(None),
        Some(command) if command.is_null() => Ok(None),
        Some(command) => match command.as_str() {
            Some(text) => Ok(Some(text.to_string())),
            None => Err("it is no text".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::{Content, Item, Kind};
    use super::*;

    fn tree(files: &[(&'static str, &'static str)]) -> Tree {
        let items = files.iter().map(|(path, text)| Item {
            path: path.into(),
            kind: Kind::File { executable: false, content: Content::Embedded(text.as_bytes()) },
        });
        Tree { items: items.collect() }
    }

    #[test]
    fn names_come_from_the_folder_and_all_manifests() {
        let tree = tree(&[
            ("Cargo.toml", "[package]\nname = \"from-cargo\""),
            ("package.json", "{\"name\": \"@scope/from-npm\"}"),
            ("pyproject.toml", "[project]\nname = \"from-python\""),
        ]);
        let names: Vec<String> = names(&tree, Some("from-folder")).into_iter().collect();
        assert_eq!(names, ["from-cargo", "from-folder", "from-npm", "from-python"]);
    }

    #[test]
    fn a_folder_called_like_a_dependency_is_no_name() {
        let tree = tree(&[("Cargo.toml", "[package]\nname = \"x\"\n[dependencies]\nhttp-client = \"1\"")]);
        assert_eq!(names(&tree, Some("http-client")), BTreeSet::from(["x".to_string()]));
    }

    #[test]
    fn manifests_that_cannot_be_read_name_nothing() {
        let tree = tree(&[("Cargo.toml", "[package\nname"), ("package.json", "[1]")]);
        assert!(names(&tree, None).is_empty());
    }

    #[test]
    fn the_set_up_command_is_read_from_every_format() {
        for (name, text, command) in [
            ("config.yaml", "build:\n  command: x\nnew:\n  command: npm install # go\n", Some("npm install")),
            ("config.yml", "new: {command: a}\nunknown: [1]", Some("a")),
            ("config.yaml", "new:\n  command: |\n    a\n    b\n", Some("a\nb\n")),
            ("config.yaml", "new:\n", None),
            ("config.yaml", "", None),
            ("config.yaml", "new:\n  command: '  '", None),
            ("config.json", "{\"new\": {\"command\": \"a\"}, \"x\": 1}", Some("a")),
            ("config.toml", "x = 1\n[new]\ncommand = 'a'", Some("a")),
            ("config.toml", "x = 1", None),
            ("other.yaml", "new: {command: a}", None),
        ] {
            let project = tempfile::tempdir().unwrap();
            fs::create_dir(project.path().join(".wash")).unwrap();
            fs::write(project.path().join(".wash").join(name), text).unwrap();
            let found = command_of(project.path()).unwrap();
            assert_eq!(found.map(|found| found.command).as_deref(), command, "{text}");
        }
    }

    #[test]
    fn settings_that_cannot_be_read_are_an_error_that_names_the_file() {
        for text in ["new: [", "new:\n  command: [1]"] {
            let project = tempfile::tempdir().unwrap();
            fs::create_dir(project.path().join(".wash")).unwrap();
            fs::write(project.path().join(".wash/config.yaml"), text).unwrap();
            let error = command_of(project.path()).unwrap_err();
            assert_eq!(error.message(), "cannot read `new.command` in `.wash/config.yaml` of the template");
        }
    }
}
