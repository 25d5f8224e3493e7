//! From what was typed to bytes: a file, a project, WIT files, or a reference to a registry.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::oci::{ConnectionArgs, pull_bytes};
use super::super::{build, wit_fetch};
use crate::component;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::project;

/// Larger files are refused, in bytes. The largest components known are a tenth of it.
const LARGEST: u64 = 1 << 30;

/// Bytes to inspect, and what to call them.
pub(super) struct Subject {
    /// As people see it: a path or a reference.
    pub name: String,
    pub bytes: Vec<u8>,
    /// How to read a file's content from errors about it.
    pub from: From,
}

/// Where bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    File,
    Project,
    Registry,
    /// Text, which was made binary: sizes are of no interest.
    Wit,
}

/// What a word of the command line means.
enum Place {
    File(PathBuf),
    Project(PathBuf),
    /// A `.wit` file, or a folder of them.
    Wit(PathBuf),
    Registry,
}

/// Reads what was asked for; without a word the project here, which is built.
pub(super) fn read(
    ctx: &Context,
    start: &Path,
    reference: Option<&str>,
    connection: &ConnectionArgs,
) -> Result<Subject> {
    let Some(reference) = reference else { return project(ctx, start) };
    match place(start, reference)? {
        Place::File(path) => file(reference, &path),
        Place::Project(path) => project(ctx, &path),
        Place::Wit(path) => wit(reference, &path),
        Place::Registry => registry(ctx, reference, connection),
    }
}

fn place(start: &Path, reference: &str) -> Result<Place> {
    let path = start.join(reference);
    let is_wit = |path: &Path| path.extension().is_some_and(|end| end == "wit");
    if path.is_dir() {
        let of_wit = |folder: std::fs::ReadDir| folder.flatten().any(|entry| is_wit(&entry.path()));
        let holds_wit = std::fs::read_dir(&path).is_ok_and(of_wit);
        let is_project = project::Language::ALL
            .iter()
            .flat_map(|language| language.manifests())
            .chain(&[project::SETTINGS_FOLDER])
            .any(|name| path.join(name).exists());
        return Ok(if holds_wit && !is_project { Place::Wit(path) } else { Place::Project(path) });
    }
    if path.exists() {
        return Ok(if is_wit(&path) { Place::Wit(path) } else { Place::File(path) });
    }
    if !looks_like_path(reference) {
        return Ok(Place::Registry);
    }
    let missing = Error::failed(format!("there is no file `{reference}`"));
    Err(match start.to_str() {
        Some(start) if Path::new(reference).is_relative() => missing.cause(format!("looked in `{start}`")),
        _ => missing,
    }
    .hint("without a file, `wash inspect` builds and inspects the project"))
}

/// Whether a word that names no file was meant to.
fn looks_like_path(reference: &str) -> bool {
    let path = Path::new(reference);
    let known_end = path.extension().is_some_and(|end| end == "wasm" || end == "wit" || end == "wat");
    path.is_absolute() || reference.starts_with(['.', '~']) || known_end || !reference.contains(['/', ':'])
}

fn registry(ctx: &Context, reference: &str, connection: &ConnectionArgs) -> Result<Subject> {
    let bytes = pull_bytes(ctx, connection, reference)
        .map_err(|error| error.wrap(format!("there is no file `{reference}`, and it cannot be pulled either")))?;
    Ok(Subject { name: reference.to_string(), bytes, from: From::Registry })
}

fn project(ctx: &Context, folder: &Path) -> Result<Subject> {
    let project = super::super::load_project(ctx, folder, &[])?;
    // stdout is for the report, in either format.
    let report = build::build_project(ctx, &project, build::tool_output(ctx), wit_fetch(false, false))?;
    Ok(Subject { name: shown(ctx, &report.path), bytes: report.artifact.bytes, from: From::Project })
}

fn file(reference: &str, path: &Path) -> Result<Subject> {
    let cannot = |error: std::io::Error| Error::caused_by(format!("cannot read `{reference}`"), &error);
    // What only looks like a file (a pipe) does not know its size.
    let mut bytes = Vec::new();
    File::open(path).map_err(cannot)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Error::failed(format!("`{reference}` is larger than {} MiB", LARGEST >> 20)));
    }
    Ok(Subject { name: reference.to_string(), bytes, from: From::File })
}

/// WIT text becomes a binary WIT package, which says the same.
fn wit(reference: &str, path: &Path) -> Result<Subject> {
    let mut resolve = wit_parser::Resolve { all_features: true, ..wit_parser::Resolve::default() };
    let package = match resolve.push_path(path) {
        Ok((package, _)) => package,
        Err(error) => {
            return Err(
                Error::failed(format!("cannot read the WIT in `{reference}`")).details(resolve.render_error(&error))
            );
        }
    };
    let bytes = wit_component::encode(&resolve, package)
        .map_err(|error| Error::failed(format!("cannot read the WIT in `{reference}`")).cause(format!("{error:#}")))?;
    Ok(Subject { name: reference.to_string(), bytes, from: From::Wit })
}

fn shown(ctx: &Context, path: &Path) -> String {
    path.strip_prefix(&ctx.cwd).unwrap_or(path).display().to_string()
}

impl Subject {
    /// What the bytes tell, or why they cannot be read.
    pub fn inspect(&self) -> Result<component::inspect::Inspection> {
        component::inspect::inspect(&self.bytes).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, error: &component::Unreadable) -> Error {
        let failed = Error::failed(format!("`{}` {error}", self.name));
        match error {
            component::Unreadable::Text => {
                failed.hint(format!("make it binary: wasm-tools parse {} -o x.wasm", self.name))
            }
            component::Unreadable::Truncated { .. } => failed.hint("build or copy it again: a part of it is missing"),
            _ => failed,
        }
    }
}
