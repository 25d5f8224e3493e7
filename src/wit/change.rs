//! Operations that change a project's WIT, or make something of it: add, remove, update, build.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use semver::Version;
use serde::Serialize;
use wasm_metadata::{AddMetadata, AddMetadataField};
use wit_parser::PackageName;

use super::edit::{self, Changed, Keyword};
use super::hosted;
use super::name::{Name, Wanted};
use super::package::{Need, Package};
use super::registry::Registries;
use super::resolve::{self, Choice, Resolution};
use super::stage::Changes;
use super::{Lock, Options, Row, rows, write};
use crate::error::{Error, Result};
use crate::progress::Progress;

/// What shall be added.
#[derive(Clone, Debug)]
pub struct Addition {
    pub wanted: Wanted,
    /// The world to add it to; needed when there are several.
    pub world: Option<String>,
    pub keyword: Keyword,
}

/// What adding has come to.
#[derive(Clone, Debug, Serialize)]
pub struct AddReport {
    /// The package with its version.
    pub package: String,
    /// The interfaces that were added to the world, with their versions.
    pub added: Vec<String>,
    /// All that is needed now.
    pub packages: Vec<Row>,
    /// What was written: paths relative to the project.
    pub changed: Vec<String>,
    /// Interfaces of the package that a component exports, rather than imports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// Adds a package, or one interface of it, to a world, and fetches it.
///
/// Errors: there is no such package or interface, or the world has become wrong by it; then nothing
/// was changed.
pub async fn add(opts: &Options, addition: &Addition, progress: &dyn Progress) -> Result<AddReport> {
    let root = opts.required_root_package()?;
    let wanted = &addition.wanted;
    let version = match &wanted.version {
        Some(version) => Some(version.clone()),
        None => version_for(opts, &root, &wanted.name, progress).await?,
    };
    let package = wanted.name.at(version.as_ref());
    let probe = Package::probe(&package, wanted.interface.as_ref());
    let probed = resolve::resolve(
        &Options { locking: super::Locking::Updated, ..opts.clone() },
        probe,
        &Choice::default(),
        progress,
    )
    .await
    .map_err(|error| error.wrap(format!("cannot add `{wanted}`")))?;
    let found = probed.found.get(&package).ok_or_else(|| Error::bug("a package that was found is gone"))?;
    let (interfaces, left_out) = match &wanted.interface {
        Some(interface) => (vec![known_interface(&found.package, interface)?], Vec::new()),
        None => interfaces_of(&found.package, addition.keyword)?,
    };
    let full: Vec<String> = interfaces.iter().map(|interface| package.interface_id(interface)).collect();
    let (changed, added) = edit::add(&root, addition.world.as_deref(), addition.keyword, &full)?;
    let (root, changes) = edited(opts, root, changed.into_iter().collect())?;
    let choice = Choice { known: probed.lock.clone(), ..Choice::default() };
    let resolution = resolve::resolve(opts, root, &choice, progress).await?;
    let changed = write(opts, &resolution, false, &BTreeSet::new(), changes)?;
    Ok(AddReport {
        package: package.to_string(),
        added,
        packages: rows(&resolution),
        changed,
        left_out: left_out.iter().map(|interface| package.interface_id(interface)).collect(),
    })
}

/// The version to take when none was said: the one in use, else the newest.
async fn version_for(opts: &Options, root: &Package, name: &Name, progress: &dyn Progress) -> Result<Option<Version>> {
    let used = root.needs.iter().find(|need| Name::from(&need.name) == *name);
    if let Some(used) = used {
        return Ok(used.name.version.clone());
    }
    if let Some(typed) = opts.sources.get(&name.to_string()) {
        return version_of_source(opts, name, typed, progress).await;
    }
    // Others may lie in `deps`, where nobody uses them yet.
    let vendored = resolve::vendored(&opts.folder, &opts.shown_folder())?;
    let mut here: Vec<PackageName> = vendored.iter().map(|one| one.contents.name()).collect();
    here.retain(|found| Name::from(found) == *name);
    here.sort();
    if let Some(found) = here.pop() {
        return Ok(found.version);
    }
    if let Some(version) = hosted::newest(name) {
        return Ok(Some(version));
    }
    if opts.offline {
        let inside: Vec<String> = hosted::packages().iter().map(ToString::to_string).collect();
        let error = Error::failed(format!("cannot tell the newest version of `{name}` without the network"))
            .details(format!("inside wash are:\n  {}", inside.join("\n  ")));
        return Err(did_you_mean(error, name)
            .hint(format!("name one, as far as it was fetched before: wash wit add {name}@VERSION"))
            .hint("leave out `--offline` (or unset WASH_OFFLINE)"));
    }
    let registries = Registries::new(&opts.registries, &opts.env)?;
    match registries.versions(name).await {
        Ok(versions) => {
            let release = versions.iter().rfind(|version| version.pre.is_empty());
            Ok(release.or(versions.last()).cloned())
        }
        Err(tried) => {
            let error = Error::failed(format!("cannot find the WIT package `{name}`"))
                .details(format!("  {}", tried.join("\n  ")));
            Err(did_you_mean(error, name)
                .hint(format!("name where it comes from in the settings: wit: {{sources: {{\"{name}\": ../folder}}}}")))
        }
    }
}

/// Adds what is inside the binary and called nearly so.
fn did_you_mean(error: Error, name: &Name) -> Error {
    let near = hosted::packages()
        .into_iter()
        .map(|package| Name::from(&package).to_string())
        .max_by(|one, other| similarity(one, name).total_cmp(&similarity(other, name)))
        .filter(|found| similarity(found, name) > 0.9);
    match near {
        Some(near) => error.hint(format!("did you mean `{near}`? wash wit add {near}")),
        None => error,
    }
}

fn similarity(one: &str, name: &Name) -> f64 {
    strsim::jaro_winkler(one, &name.to_string())
}

async fn version_of_source(
    opts: &Options,
    name: &Name,
    typed: &str,
    progress: &dyn Progress,
) -> Result<Option<Version>> {
    let store = super::store::Store::new(&opts.cache);
    let around = super::source::Surroundings {
        env: &opts.env,
        interactive: opts.interactive,
        offline: opts.offline,
        store: &store,
        registries: &opts.registries,
    };
    let source = super::Source::parse(typed, &opts.root)?;
    let lock = Lock::read(&Lock::path(&opts.root))?;
    let locked = lock.entries.iter().find(|entry| entry.name == name.to_string() && source.is_of(entry));
    let fetched = source.fetch(locked, &around, progress).await?;
    let mut names: Vec<PackageName> = fetched.packages.iter().map(super::package::Contents::name).collect();
    names.retain(|found| Name::from(found) == *name);
    names.sort();
    let found = names.pop();
    found.map(|found| found.version).ok_or_else(|| {
        Error::failed(format!("`{}` has no package `{name}`", source.shown()))
            .cause("it is named as the source of that package")
    })
}

fn known_interface(package: &Package, interface: &str) -> Result<String> {
    let group = package.group()?;
    let names: Vec<String> = group.main.interfaces.iter().filter_map(|(_, one)| one.name.clone()).collect();
    if names.iter().any(|name| name == interface) {
        return Ok(interface.to_string());
    }
    let mut error = Error::failed(format!("`{}` has no interface `{interface}`", package.name));
    let near = names
        .iter()
        .max_by(|one, other| strsim::jaro_winkler(one, interface).total_cmp(&strsim::jaro_winkler(other, interface)));
    if let Some(near) = near.filter(|near| strsim::jaro_winkler(near, interface) > 0.8) {
        error = error.hint(format!("did you mean `{near}`? wash wit add {}", package.name.interface_id(near)));
    }
    Err(error.hint(format!("it has: {}", names.join(", "))))
}

/// The interfaces that adding a whole package means, and those that go the other way.
fn interfaces_of(package: &Package, keyword: Keyword) -> Result<(Vec<String>, Vec<String>)> {
    let group = package.group()?;
    let interfaces = &group.main.interfaces;
    let name_of = |id: wit_parser::InterfaceId| interfaces[id].name.clone();
    let has_functions =
        |name: &String| interfaces.iter().any(|(_, one)| one.name.as_ref() == Some(name) && !one.functions.is_empty());
    let all: Vec<String> = interfaces.iter().filter_map(|(_, one)| one.name.clone()).collect();
    // Packages say what a component may import of them by a world of this name.
    let world = group.main.worlds.iter().find(|(_, world)| world.name == "imports");
    let imported: Vec<String> = match world {
        Some((_, world)) => world
            .imports
            .values()
            .filter_map(|item| match item {
                wit_parser::WorldItem::Interface { id, .. } => name_of(*id),
                _ => None,
            })
            // Those of other packages have no place in this one's list, or no functions.
            .filter(|name| all.contains(name) && has_functions(name))
            .collect(),
        None => all.iter().filter(|name| has_functions(name) && !is_exported_by_custom(name)).cloned().collect(),
    };
    let others: Vec<String> =
        all.iter().filter(|name| has_functions(name) && !imported.contains(name)).cloned().collect();
    // A package of types alone has nothing to call, and is added for its types.
    let imported = if imported.is_empty() && others.is_empty() { all.clone() } else { imported };
    let (taken, left) = match keyword {
        Keyword::Import => (imported, others),
        Keyword::Export => (others, Vec::new()),
    };
    if taken.is_empty() {
        let commands: Vec<String> = all.iter().map(|one| package.name.interface_id(one)).collect();
        return Err(Error::usage(format!("which interface of `{}` is meant?", package.name))
            .hint(format!("name one: wash wit add {}", commands.join(", or "))));
    }
    Ok((taken, left))
}

/// Interfaces that components export are called so, in packages that do not say it by a world.
fn is_exported_by_custom(name: &str) -> bool {
    name == "run" || name.ends_with("handler") || name.ends_with("watcher")
}

/// What removing has come to.
#[derive(Clone, Debug, Serialize)]
pub struct RemoveReport {
    /// The statements that are gone.
    pub removed: Vec<String>,
    /// The packages that left `deps`.
    pub dropped: Vec<String>,
    /// Where the package is still used: outside of worlds, or by another package.
    pub still_used: Vec<String>,
    /// What was written: paths relative to the project.
    pub changed: Vec<String>,
}

/// Removes a package, or one interface of it, from all worlds, and what nobody needs any more from
/// `deps` and the lock file.
pub async fn remove(opts: &Options, wanted: &Wanted, progress: &dyn Progress) -> Result<RemoveReport> {
    let root = opts.required_root_package()?;
    let (changed, removed) = edit::remove(&root, wanted)?;
    if removed.is_empty() {
        let used: Vec<String> = root.needs.iter().map(|need| need.name.to_string()).collect();
        let error = Error::failed(format!("no world of the project uses `{wanted}`"));
        return Err(match used.as_slice() {
            [] => error.hint("the project's WIT uses no packages at all"),
            used => error.hint(format!("it uses: {}", used.join(", "))),
        });
    }
    let before = reachable(opts, &root)?;
    let (root, changes) = edited(opts, root, changed)?;
    let resolution = resolve::resolve(opts, root, &Choice::default(), progress)
        .await
        .map_err(|error| error.wrap(format!("the project's WIT would be wrong without `{wanted}`")))?;
    let dropped: BTreeSet<PackageName> =
        before.into_iter().filter(|name| !resolution.found.contains_key(name)).collect();
    let still_used = still_used(&resolution, wanted);
    let changed = write(opts, &resolution, false, &dropped, changes)?;
    Ok(RemoveReport { removed, dropped: dropped.iter().map(ToString::to_string).collect(), still_used, changed })
}

fn still_used(resolution: &Resolution, wanted: &Wanted) -> Vec<String> {
    if wanted.interface.is_some() {
        return Vec::new();
    }
    let packages = resolution.found.values().map(|found| &found.package).chain([&resolution.root]);
    packages
        .flat_map(|package| &package.needs)
        .filter(|need| Name::from(&need.name) == wanted.name)
        .map(|need| need.place.clone())
        .collect()
}

/// The packages of `deps` that the project uses, directly or not.
fn reachable(opts: &Options, root: &Package) -> Result<BTreeSet<PackageName>> {
    let mut vendored = Vec::new();
    for one in resolve::vendored(&opts.folder, &opts.shown_folder())? {
        vendored.push(match one.contents {
            super::package::Contents::Text(package) => package,
            super::package::Contents::Encoded { resolve, id } => super::package::printed(&resolve, id)?,
        });
    }
    let mut found = BTreeSet::new();
    let mut queue: Vec<PackageName> = root.needs.iter().map(|need| need.name.clone()).collect();
    while let Some(name) = queue.pop() {
        if let Some(package) = vendored.iter().find(|package| package.provides(&name))
            && found.insert(package.name.clone())
        {
            queue.extend(package.needs.iter().map(|need| need.name.clone()));
        }
    }
    Ok(found)
}

/// The project's package with changed files, and the writing of them.
fn edited(opts: &Options, root: Package, changed: Vec<Changed>) -> Result<(Package, Changes)> {
    let mut changes = Changes::default();
    let mut files = root.files;
    for Changed { name, text } in changed {
        changes.file(&opts.folder.join(&name), text.clone());
        if let Some(file) = files.iter_mut().find(|file| file.name == name) {
            file.text = text;
        }
    }
    let root = Package::parse(files).map_err(|error| error.wrap("the change would make the project's WIT wrong"))?;
    Ok((root, changes))
}

/// A package that moved to another version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Move {
    pub package: String,
    pub from: String,
    pub to: String,
}

/// What updating has come to.
#[derive(Clone, Debug, Serialize)]
pub struct UpdateReport {
    /// Versions that changed in the project's WIT.
    pub moved: Vec<Move>,
    /// Packages that are the newest of their kind already.
    pub unchanged: Vec<String>,
    /// Packages of which nobody could be asked for newer versions, with the reason.
    pub unknown: Vec<String>,
    /// All that is needed now.
    pub packages: Vec<Row>,
    /// What was written: paths relative to the project.
    pub changed: Vec<String>,
}

/// Moves packages to their newest compatible version, or to the one that `wanted` says, and locks
/// anew what is not a version's matter.
///
/// Of what is inside the binary, the newest there is the newest that this wash runs.
pub async fn update(opts: &Options, wanted: Option<&Wanted>, progress: &dyn Progress) -> Result<UpdateReport> {
    let root = opts.required_root_package()?;
    let needs: Vec<&Need> =
        root.needs.iter().filter(|need| wanted.is_none_or(|wanted| Name::from(&need.name) == wanted.name)).collect();
    if let Some(wanted) = wanted
        && needs.is_empty()
    {
        let used: Vec<String> = root.needs.iter().map(|need| need.name.to_string()).collect();
        return Err(Error::failed(format!("the project's WIT does not use `{}`", wanted.name))
            .hint(format!("it uses: {}", used.join(", "))));
    }
    let registries = if opts.offline { None } else { Some(Registries::new(&opts.registries, &opts.env)?) };
    let overrides = resolve::manifest(&opts.root)?.and_then(|manifest| manifest.overrides).unwrap_or_default();
    let (mut moves, mut unchanged, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for need in needs {
        let name = Name::from(&need.name);
        let Some(version) = need.name.version.clone() else {
            unchanged.push(need.name.to_string());
            continue;
        };
        if let Some(target) = wanted.and_then(|wanted| wanted.version.clone()) {
            if target == version {
                unchanged.push(need.name.to_string())
            } else {
                moves.push((name, version, target))
            }
            continue;
        }
        if opts.sources.contains_key(&name.to_string()) || overrides.contains_key(&name.to_string()) {
            unchanged.push(need.name.to_string());
            continue;
        }
        let mut versions = hosted::versions(&name);
        if versions.is_empty() {
            versions = match &registries {
                None => {
                    unknown.push(format!("{}: not asked, `--offline` forbids it", need.name));
                    continue;
                }
                Some(registries) => match registries.versions(&name).await {
                    Ok(versions) => versions,
                    Err(tried) => {
                        unknown.push(format!("{}: {}", need.name, tried.join("; ")));
                        continue;
                    }
                },
            };
        }
        match newest_compatible(&version, versions) {
            Some(target) => moves.push((name, version, target)),
            None => unchanged.push(need.name.to_string()),
        }
    }
    let changed = edit::set_versions(&root.files, &moves);
    let (root, changes) = edited(opts, root, changed)?;
    // Without the network, what is locked stays locked.
    let unpinned = (!opts.offline).then(|| wanted.map(|wanted| wanted.name.clone()).into_iter().collect());
    let before = reachable(opts, &root)?;
    let choice = Choice { unpinned, ..Choice::default() };
    let resolution = resolve::resolve(opts, root, &choice, progress).await?;
    let dropped = stale(&moves, &before, &resolution, opts)?;
    let changed = write(opts, &resolution, false, &dropped, changes)?;
    let moved = moves
        .into_iter()
        .map(|(name, from, to)| Move { package: name.to_string(), from: from.to_string(), to: to.to_string() })
        .collect();
    Ok(UpdateReport { moved, unchanged, unknown, packages: rows(&resolution), changed })
}

/// Old versions that lie in `deps` and that nobody needs any more.
fn stale(
    moves: &[(Name, Version, Version)],
    before: &BTreeSet<PackageName>,
    resolution: &Resolution,
    opts: &Options,
) -> Result<BTreeSet<PackageName>> {
    let moved: BTreeSet<Version> = moves.iter().map(|(_, from, _)| from.clone()).collect();
    let namespaces: BTreeSet<&str> = moves.iter().map(|(name, _, _)| name.namespace.as_str()).collect();
    let mut stale: BTreeSet<PackageName> = before.iter().cloned().collect();
    for one in resolve::vendored(&opts.folder, &opts.shown_folder())? {
        let name = one.contents.name();
        // What belongs to the release that was left: `wasi:io@0.2.0` beside `wasi:http@0.2.0`.
        if namespaces.contains(name.namespace.as_str()) && name.version.as_ref().is_some_and(|v| moved.contains(v)) {
            stale.insert(name);
        }
    }
    stale.retain(|name| !resolution.found.contains_key(name));
    Ok(stale)
}

/// The newest of the versions on the track of `current`, if it is newer.
fn newest_compatible(current: &Version, versions: Vec<Version>) -> Option<Version> {
    let track = PackageName::version_compat_track(current);
    versions
        .into_iter()
        .filter(|version| version > current && PackageName::version_compat_track(version) == track)
        .max()
}

/// A package that was built.
#[derive(Clone, Debug, Serialize)]
pub struct BuildReport {
    /// The package with its version.
    pub package: String,
    /// Where it was written to.
    pub path: PathBuf,
    pub size: u64,
    pub digest: String,
}

/// Encodes the project's WIT, with what it uses, as one WebAssembly file, as registries have it.
/// Without `output`, it is called like the package and goes into `here`.
pub async fn build(opts: &Options, output: Option<&Path>, here: &Path, progress: &dyn Progress) -> Result<BuildReport> {
    let root = opts.required_root_package()?;
    let resolution = resolve::resolve(opts, root, &Choice::default(), progress).await?;
    let name = &resolution.root.name;
    let cannot = |error: &(dyn std::error::Error + 'static)| {
        Error::caused_by(format!("cannot encode `{name}` as WebAssembly"), error)
    };
    let bytes = wit_component::encode(&resolution.resolve, resolution.id).map_err(|error| cannot(error.as_ref()))?;
    let bytes = with_metadata(opts, name, &bytes)?;
    let path = output.map_or_else(|| here.join(format!("{}.wasm", resolution.root.folder())), Path::to_path_buf);
    let mut changes = Changes::default();
    changes.file(&path, bytes.clone());
    let lock = Lock::path(&opts.root);
    if Lock::read(&lock)? != resolution.lock {
        changes.file(&lock, resolution.lock.text()?);
    }
    changes.apply()?;
    Ok(BuildReport {
        package: name.to_string(),
        path,
        size: bytes.len() as u64,
        digest: super::store::digest_of(&bytes),
    })
}

/// What `wkg.toml` says about the package goes with it.
fn with_metadata(opts: &Options, name: &PackageName, bytes: &[u8]) -> Result<Vec<u8>> {
    fn set<T: std::str::FromStr + std::fmt::Debug + Clone>(
        key: &str,
        text: Option<String>,
    ) -> Result<AddMetadataField<T>> {
        let Some(text) = text else { return Ok(AddMetadataField::default()) };
        text.parse().map(AddMetadataField::Set).map_err(|_| {
            Error::usage(format!("`metadata.{key}` of `wkg.toml` is wrong: {text}"))
                .hint(format!("correct `{key}`, or remove it"))
        })
    }
    let metadata = resolve::manifest(&opts.root)?.and_then(|manifest| manifest.metadata).unwrap_or_default();
    let mut add = AddMetadata::default();
    add.name = AddMetadataField::Set(format!("{}:{}", name.namespace, name.name));
    add.version = set("version", name.version.as_ref().map(ToString::to_string))?;
    add.authors = set("authors", metadata.authors)?;
    add.description = set("description", metadata.description)?;
    add.licenses = set("licenses", metadata.licenses)?;
    add.source = set("source", metadata.source)?;
    add.homepage = set("homepage", metadata.homepage)?;
    add.revision = set("revision", metadata.revision)?;
    add.processed_by = vec![("wash".to_string(), env!("CARGO_PKG_VERSION").to_string())];
    add.to_wasm(bytes).map_err(|error| {
        let error: &(dyn std::error::Error + 'static) = error.as_ref();
        Error::caused_by(format!("cannot describe `{name}`"), error)
    })
}
