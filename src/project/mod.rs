//! A project: its folder, its settings with their origins, its language.
//!
//! Settings are read in layers: defaults, the user's file, the project's file, `WASH_…` variables,
//! flags. Each layer is a tree whose values know where they were written; they are checked against
//! the types in [`settings`], merged, and validated as a whole. Everything that is wrong is told at
//! once. Refuses to build, run or change anything. Start with [`load`].

pub mod settings;

mod discover;
mod layers;

mod formats;
pub mod source;
pub mod tree;
mod variables;

mod check;
mod expand;
pub mod problem;
mod shape;
mod validate;

pub mod env_file;
pub mod reference;
pub mod show;
pub mod starter;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
pub use check::nearest;
pub use discover::SETTINGS_FOLDER;
pub use formats::{FILE_NAMES, Format, parse_yaml_documents};
#[allow(unused_imports, reason = "for fuzzing")]
pub use layers::check_bytes;
pub use layers::{Merged, Origins, check_file, user_settings};
pub use settings::Settings;
pub use shape::schema_text;
pub use validate::{requirement, socket_address};

/// Everything that decides which project is meant and what its settings are.
pub struct Request<'a> {
    /// The folder to start looking from (`-C`, else the current folder). Absolute.
    pub start: &'a Path,
    /// The environment, for `WASH_…` variables and `${VAR}`.
    pub env: &'a BTreeMap<String, String>,
    /// The user settings file that was asked for (`--user-config`); it must exist then.
    pub user_config: Option<&'a Path>,
    /// The folder in which to look for `config.{yaml,yml,json,toml}` of the user otherwise.
    pub user_config_dir: &'a Path,
    /// What flags say; they win over everything else.
    pub flags: &'a [Flag],
}

/// A setting that a flag decides.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The key of the setting, e.g. `dev.address`.
    pub key: &'static str,
    /// Its value.
    pub value: serde_json::Value,
    /// The flag as it is typed, e.g. `--address`; errors name it.
    pub flag: &'static str,
}

/// A project with its settings. Paths are absolute.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The folder that holds `.wash/` or the language's manifest.
    pub root: PathBuf,
    /// What the project is called: by its manifest, else by its folder.
    pub name: String,
    /// The project's settings file, if it has one.
    pub config_file: Option<PathBuf>,
    /// The user settings file, if there is one.
    pub user_config_file: Option<PathBuf>,
    /// The language, recognised by its manifest.
    pub language: Option<Language>,
    /// The merged settings.
    pub settings: Settings,
    /// Where each of the settings comes from.
    pub origins: Origins,
}

impl Project {
    /// The files that decided the settings; when one of them changes, load again.
    pub fn inputs(&self) -> Vec<PathBuf> {
        self.user_config_file.iter().chain(&self.config_file).cloned().collect()
    }

    /// Makes an error about the value of a setting, e.g. of `dev.components[0].file`: it shows the
    /// place where the value was written.
    pub fn error_at(&self, key: &str, message: impl Into<String>) -> Error {
        problem::Problem::at(&self.origins.of(key), message).into_error()
    }
}

/// A language whose projects wash recognises without settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// `Cargo.toml`
    Rust,
    /// `package.json`
    JavaScript,
    /// `go.mod`
    Go,
    /// `pyproject.toml`, `requirements.txt` or `app.py`
    Python,
    /// `Makefile` (whatever it builds)
    Make,
    /// C sources: `main.c`, or any beside a folder `wit`
    C,
}

impl Language {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Language; 6] =
        [Language::Rust, Language::JavaScript, Language::Go, Language::Python, Language::Make, Language::C];

    /// The files by which it is recognised, the strongest sign first.
    pub fn manifests(self) -> &'static [&'static str] {
        match self {
            Language::Rust => &["Cargo.toml"],
            Language::JavaScript => &["package.json"],
            Language::Go => &["go.mod"],
            Language::Python => &["pyproject.toml", "requirements.txt", "app.py"],
            Language::Make => &["Makefile", "makefile", "GNUmakefile"],
            Language::C => &["main.c", "src/main.c"],
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "Rust",
            Language::JavaScript => "JavaScript",
            Language::Go => "Go",
            Language::Python => "Python",
            Language::Make => "make",
            Language::C => "C",
        }
    }
}

/// A project that was found and whose settings were not read yet. Paths are absolute.
#[derive(Clone, Debug)]
pub struct Found {
    /// The folder that holds `.wash/` or the language's manifest.
    pub root: PathBuf,
    /// What the project is called: by its manifest, else by its folder.
    pub name: String,
    /// The project's settings file, if it has one.
    pub config_file: Option<PathBuf>,
    /// The language, recognised by its manifest.
    pub language: Option<Language>,
    /// The manifest by which the language was recognised.
    pub manifest: Option<PathBuf>,
}

/// Finds the project without reading its settings; `None` if `start` belongs to no project.
///
/// Errors: there is more than one settings file where there must be one.
pub fn find(request: &Request<'_>) -> Result<Option<Found>> {
    discover::find(request.start, request.env)
}

/// Finds the user settings file: the one that was asked for, or one in the user's folder.
///
/// Errors: the file that was asked for does not exist, or the folder has more than one.
pub fn find_user_file(request: &Request<'_>) -> Result<Option<PathBuf>> {
    let Some(path) = request.user_config else { return formats::find_in(request.user_config_dir) };
    match layers::must_be_file(path, "the user settings file") {
        Ok(()) => Ok(Some(path.to_path_buf())),
        Err(error) => Err(error.hint("make one: wash config init --global, or leave out --user-config")),
    }
}

/// Finds the project and its settings.
///
/// Errors: there is no project, a file cannot be read, or the settings are wrong; then all that is
/// wrong is told at once.
pub fn load(request: &Request<'_>) -> Result<Project> {
    let found = find(request)?.ok_or_else(|| discover::not_found(request.start))?;
    let user_config_file = find_user_file(request)?;
    let files: Vec<&Path> = user_config_file.iter().chain(&found.config_file).map(PathBuf::as_path).collect();
    let Merged { settings, origins } = layers::merge(&files, request.env, request.flags)?;
    let Found { root, name, config_file, language, .. } = found;
    Ok(Project { root, name, config_file, user_config_file, language, settings, origins })
}
