//! A project: its folder, its settings with their origins, its language.
//!
//! Refuses to build, run or change anything. Start with [`load`].

pub mod settings;

mod formats;
mod problem;
mod source;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::Result;
pub use settings::Settings;

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
    /// What flags say, as dotted key and value; they win over everything else.
    pub flags: &'a [(String, serde_json::Value)],
}

/// A project with its settings. Paths are absolute.
#[derive(Clone, Debug)]
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
    /// `Makefile` (C and everything else)
    Make,
}

/// Finds the project and its settings.
pub fn load(request: &Request<'_>) -> Result<Project> {
    let _ = request;
    Err(crate::error::Error::bug("not written"))
}
