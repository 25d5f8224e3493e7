//! WIT packages: finding what a project's WIT needs, locking it, and changing the project's worlds.
//!
//! Every change is made as a whole or not at all: it is worked out in memory, parsed and resolved, and
//! only then written (`stage`). Refuses to know settings, toolchains and how a component is run. Start
//! with [`fetch`] and [`ensure`], which the other operations are made of; `resolve` decides where a
//! package comes from.

mod name;
mod scan;

mod hosted;
mod package;

mod lock;
mod registry;
mod source;
mod store;

mod resolve;

mod edit;
mod stage;
mod stamp;

mod change;
mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use wit_parser::PackageName;

use crate::error::{Context as _, Error, Result};
use crate::progress::Progress;

pub use change::{AddReport, Addition, BuildReport, Move, RemoveReport, UpdateReport, add, build, remove, update};
pub use edit::Keyword;
pub use look::{Check, Finding, Severity, Shown, Tree, check, read_encoded, show, tree};
pub use name::{Name, Wanted};
pub use registry::Registry;
pub use resolve::Origin;
pub use source::Source;

use lock::Lock;
use package::{DEPS, Package};
use resolve::{Choice, Resolution};
use stage::Changes;

/// What was decided about a project's WIT.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of `wkg.lock` and `wkg.toml`; relative sources are relative to it. Absolute.
    pub root: PathBuf,
    /// The folder of the project's WIT. Absolute.
    pub folder: PathBuf,
    /// The folder of wash's cache. Absolute.
    pub cache: PathBuf,
    /// Where single packages come from, by `namespace:package`.
    pub sources: BTreeMap<String, String>,
    /// Registries to ask.
    pub registries: Vec<Registry>,
    /// The environment, of `git` and for the configuration of `wkg`.
    pub env: BTreeMap<String, String>,
    /// Whether `git` may ask for a password.
    pub interactive: bool,
    /// Whether the network must not be used.
    pub offline: bool,
    /// Whether the lock file may change.
    pub locking: Locking,
}

/// Whether the lock file may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locking {
    /// It gets what it does not have.
    #[default]
    Updated,
    /// A lock file that would have to change is an error.
    Locked,
}

impl Options {
    /// How messages call the folder of the project's WIT.
    fn shown_folder(&self) -> PathBuf {
        self.folder.strip_prefix(&self.root).unwrap_or(&self.folder).to_path_buf()
    }

    fn deps(&self) -> PathBuf {
        self.folder.join(DEPS)
    }

    /// Reads the project's own package; nothing where there is no WIT.
    fn root_package(&self) -> Result<Option<Package>> {
        if !self.folder.is_dir() {
            return Ok(None);
        }
        let files = package::read_files(&self.folder, &self.shown_folder())?;
        if files.is_empty() { Ok(None) } else { Package::parse(files).map(Some) }
    }

    fn required_root_package(&self) -> Result<Package> {
        self.root_package()?.ok_or_else(|| {
            let folder = package::slashed(&self.shown_folder());
            Error::failed(format!("there is no WIT in `{folder}`"))
                .cause(format!("looked for files that end with `.wit` in `{}`", self.folder.display()))
                .hint(format!(
                    "write `{folder}/world.wit`, for example: package me:hello; world hello {{ export wasi:cli/run@0.2.12; }}"
                ))
                .hint("or say where it is: --wit-dir PATH, or wit.wit_dir of the settings")
        })
    }
}

/// A package that the project's WIT needs.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// With its version.
    pub name: String,
    /// Where it came from.
    pub origin: Origin,
}

/// What fetching has come to.
#[derive(Clone, Debug, Serialize)]
pub struct FetchReport {
    /// All that is needed, sorted by name.
    pub packages: Vec<Row>,
    /// What was written: paths relative to the project.
    pub changed: Vec<String>,
}

/// Brings `deps` and the lock file up to what the project's WIT needs. `clean`: whatever lies in
/// `deps` goes, and everything is fetched anew.
///
/// Errors: there is no WIT, or something is nowhere; then nothing was changed.
pub async fn fetch(opts: &Options, clean: bool, progress: &dyn Progress) -> Result<FetchReport> {
    let root = opts.required_root_package()?;
    let choice = Choice { without_deps: clean, ..Choice::default() };
    let resolution = resolve::resolve(opts, root, &choice, progress).await?;
    let changed = write(opts, &resolution, clean, &BTreeSet::new(), Changes::default())?;
    Ok(FetchReport { packages: rows(&resolution), changed })
}

/// Fetches what is missing before a build; `None` when nothing is. Costs some milliseconds then.
///
/// What lies in `deps` and was not written by wash is trusted, as far as it is complete.
pub async fn ensure(opts: &Options, progress: &dyn Progress) -> Result<Option<FetchReport>> {
    let Some(root) = opts.root_package()? else { return Ok(None) };
    if root.needs.is_empty() || stamp::is_current(opts, &root)? {
        return Ok(None);
    }
    if !stamp::is_ours(opts)? && !has_sources(opts)? && is_complete(opts, &root)? {
        return Ok(None);
    }
    let resolution = resolve::resolve(opts, root, &Choice::default(), progress).await?;
    let changed = write(opts, &resolution, false, &BTreeSet::new(), Changes::default())?;
    Ok(Some(FetchReport { packages: rows(&resolution), changed }))
}

/// The outcome of removing `deps`.
#[derive(Clone, Debug, Serialize)]
pub struct CleanReport {
    /// The folder.
    pub folder: String,
    /// The files and folders that were in it.
    pub removed: Vec<String>,
}

/// Removes `deps` with all that is in it.
pub fn clean(opts: &Options) -> Result<CleanReport> {
    let deps = opts.deps();
    let folder = package::slashed(&opts.shown_folder().join(DEPS));
    if !deps.is_dir() {
        return Ok(CleanReport { folder, removed: Vec::new() });
    }
    let removed = package::entries(&deps)?
        .iter()
        .map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    // What a link leads to may be others' as well: only the link is ours.
    if deps.is_symlink() {
        std::fs::remove_file(&deps).context(|| format!("cannot remove `{folder}`"))?;
        return Ok(CleanReport { folder, removed });
    }
    let mut changes = Changes::default();
    changes.no_folder(&deps);
    changes.apply()?;
    Ok(CleanReport { folder, removed })
}

fn rows(resolution: &Resolution) -> Vec<Row> {
    resolution
        .found
        .values()
        .map(|found| Row { name: found.package.name.to_string(), origin: found.origin.clone() })
        .collect()
}

/// Whether what lies in `deps` is all that the project's WIT needs, and fits.
fn is_complete(opts: &Options, root: &Package) -> Result<bool> {
    // A package in `deps` that is broken is somebody's business, and will be told when it is needed.
    let Ok(vendored) = resolve::vendored(&opts.folder, &opts.shown_folder()) else { return Ok(false) };
    let mut all = wit_parser::Resolve { all_features: true, ..wit_parser::Resolve::default() };
    let mut groups = Vec::new();
    for one in vendored {
        match one.contents {
            package::Contents::Text(package) => groups.push(package.group()?),
            package::Contents::Encoded { resolve, .. } => {
                if all.merge(*resolve).is_err() {
                    return Ok(false);
                }
            }
        }
    }
    Ok(all.push_groups(root.group()?, groups).is_ok())
}

/// Whether settings or `wkg.toml` say where something comes from that may be in use.
fn has_sources(opts: &Options) -> Result<bool> {
    let overrides = resolve::manifest(&opts.root)?.and_then(|manifest| manifest.overrides).unwrap_or_default();
    Ok(!opts.sources.is_empty() || !overrides.is_empty())
}

/// Writes `deps`, the lock file and what else `changes` has. `dropped` packages leave `deps`.
fn write(
    opts: &Options,
    resolution: &Resolution,
    clean: bool,
    dropped: &BTreeSet<PackageName>,
    mut changes: Changes,
) -> Result<Vec<String>> {
    let deps = opts.deps();
    let files = deps_files(opts, resolution, clean, dropped)?;
    if !files.is_empty() {
        changes.folder(&deps, files);
    } else if deps.is_dir() {
        changes.no_folder(&deps);
    }
    let path = Lock::path(&opts.root);
    if !resolution.lock.entries.is_empty() || path.exists() {
        // A file that says the same in other words stays, but for one that wkg could not read.
        let is_blank = std::fs::read_to_string(&path).is_ok_and(|text| text.trim().is_empty());
        if is_blank || Lock::read(&path)? != resolution.lock {
            changes.file(&path, resolution.lock.text()?);
        }
    }
    let changed = changes.apply()?;
    stamp::write(opts);
    Ok(changed.iter().map(|path| stage::shown(path, &opts.root)).collect())
}

/// What `deps` shall have: what it has, without what is replaced or dropped, and what was found
/// elsewhere.
fn deps_files(
    opts: &Options,
    resolution: &Resolution,
    clean: bool,
    dropped: &BTreeSet<PackageName>,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let deps = opts.deps();
    let mut files = BTreeMap::new();
    let is_from_deps = |found: &resolve::Found| matches!(found.origin, Origin::Vendored(_));
    if !clean && deps.is_dir() {
        files = package::read_tree(&deps)?;
        for vendored in resolve::vendored(&opts.folder, &opts.shown_folder())? {
            let name = vendored.contents.name();
            let replaced = resolution.found.get(&name).is_some_and(|found| !is_from_deps(found));
            if replaced || dropped.contains(&name) {
                let entry = entry_name(&vendored.path);
                files.retain(|path, _| *path != entry && !path.starts_with(&format!("{entry}/")));
            }
        }
    }
    for found in resolution.found.values().filter(|found| clean || !is_from_deps(found)) {
        for file in &found.package.files {
            files.insert(format!("{}/{}", found.package.folder(), file.name), file.text.clone().into_bytes());
        }
    }
    Ok(files)
}

fn entry_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
