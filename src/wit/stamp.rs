//! What wash wrote into a project's `deps`, and for what: so that a build knows in a moment that
//! nothing is to be done, and whether `deps` is ours or was put there by somebody else.
//!
//! It lies in the cache, not in the project: nobody commits it, and no watcher sees it.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Options;
use super::lock::Lock;
use super::package::{self, Package};
use super::source::Source;
use super::store::digest_of;
use crate::error::Result;

#[derive(Debug, Serialize, Deserialize)]
struct Stamp {
    /// The digest of everything that decides what is in `deps`.
    inputs: String,
    /// The digest of `deps` as it was written.
    deps: String,
}

/// Whether `deps` is what wash wrote for exactly these inputs.
pub fn is_current(opts: &Options, root: &Package) -> Result<bool> {
    let Some(stamp) = read(opts) else { return Ok(false) };
    Ok(stamp.deps == deps(opts)? && stamp.inputs == inputs(opts, root)?)
}

/// Whether `deps` is what wash wrote, for whatever inputs.
pub fn is_ours(opts: &Options) -> Result<bool> {
    let Some(stamp) = read(opts) else { return Ok(false) };
    Ok(stamp.deps == deps(opts)?)
}

/// Remembers the present state. Without it the next build looks closer, so a failure does no harm.
pub fn write(opts: &Options) {
    let stamp = || {
        let root = opts.root_package().ok()??;
        Some(Stamp { inputs: inputs(opts, &root).ok()?, deps: deps(opts).ok()? })
    };
    let Some(text) = stamp().and_then(|stamp| serde_json::to_string(&stamp).ok()) else { return };
    let path = path(opts);
    if let Some(folder) = path.parent() {
        let _ = fs::create_dir_all(folder);
        if let Ok(file) = tempfile::NamedTempFile::new_in(folder)
            && fs::write(file.path(), text).is_ok()
        {
            let _ = file.persist(&path);
        }
    }
}

fn read(opts: &Options) -> Option<Stamp> {
    serde_json::from_str(&fs::read_to_string(path(opts)).ok()?).ok()
}

fn path(opts: &Options) -> PathBuf {
    let folder = opts.folder.canonicalize().unwrap_or_else(|_| opts.folder.clone());
    let name = digest_of(folder.to_string_lossy().as_bytes()).replace(':', "-");
    opts.cache.join("wit").join("projects").join(format!("{name}.json"))
}

fn deps(opts: &Options) -> Result<String> {
    let deps = opts.deps();
    if !deps.is_dir() {
        return Ok(String::new());
    }
    let mut all = Vec::new();
    for (path, content) in package::read_tree(&deps)? {
        all.extend_from_slice(format!("{path}\0{}\0", digest_of(&content)).as_bytes());
    }
    Ok(digest_of(&all))
}

fn inputs(opts: &Options, root: &Package) -> Result<String> {
    let mut all = format!("{}\0", env!("CARGO_PKG_VERSION"));
    let mut add = |text: &str| {
        all.push_str(text);
        all.push('\0');
    };
    for file in &root.files {
        add(&file.name);
        add(&file.text);
    }
    add(&Lock::read(&Lock::path(&opts.root))?.text()?);
    add(&fs::read_to_string(opts.root.join(wasm_pkg_core::manifest::MANIFEST_FILE_NAME)).unwrap_or_default());
    let overrides = super::resolve::manifest(&opts.root)?.and_then(|manifest| manifest.overrides).unwrap_or_default();
    let mut locals: Vec<PathBuf> =
        overrides.into_values().filter_map(|one| one.path).map(|path| opts.root.join(path)).collect();
    for (name, typed) in &opts.sources {
        add(name);
        add(typed);
        if let Ok(Source::Local(path)) = Source::parse(typed, &opts.root) {
            locals.push(path);
        }
    }
    locals.sort();
    for path in locals {
        for contents in package::find_all(&path, "") {
            if let package::Contents::Text(package) = contents {
                package.files.iter().for_each(|file| add(&file.text));
            }
        }
        if path.is_file() {
            add(&digest_of(&fs::read(&path).unwrap_or_default()));
        }
    }
    for registry in &opts.registries {
        add(&registry.url);
    }
    Ok(digest_of(all.as_bytes()))
}
