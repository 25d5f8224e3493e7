//! Finding every package that a project's WIT needs, and deciding where each comes from.
//!
//! For each package, in this order: what `wit.sources` or `wkg.toml` names, what `wkg.lock` pins and
//! the cache has, what lies in `deps` already, what is inside the binary, and only then the network.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use serde::Serialize;
use wasm_pkg_core::manifest::{MANIFEST_FILE_NAME, Manifest};
use wit_parser::{PackageId, PackageName, Resolve, UnresolvedPackageGroup};

use super::hosted;
use super::lock::{Entry, Lock, requirement};
use super::name::Name;
use super::package::{self, Contents, DEPS, Need, Package};
use super::registry::Registries;
use super::scan;
use super::source::{Fetched, Source, Surroundings};
use super::store::Store;
use super::{Locking, Options};
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Where a package came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "where", rename_all = "kebab-case")]
pub enum Origin {
    /// What `wit.sources` or `wkg.toml` names.
    Source(String),
    /// A registry; its bytes are in the lock file.
    Registry(String),
    /// It lay in `deps` already, at this path.
    Vendored(String),
    /// Inside the binary.
    Hosted,
    /// It came along with this package.
    Bundled(String),
}

impl Origin {
    /// For tables.
    pub fn shown(&self) -> String {
        match self {
            Origin::Source(source) => source.clone(),
            Origin::Registry(registry) => format!("registry {registry}"),
            Origin::Vendored(path) => path.clone(),
            Origin::Hosted => "inside wash".into(),
            Origin::Bundled(name) => format!("came with {name}"),
        }
    }
}

/// A package that was found.
#[derive(Clone, Debug)]
pub struct Found {
    pub package: Package,
    pub origin: Origin,
}

/// Which places are looked at.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// `deps` counts for nothing: it is made anew.
    pub without_deps: bool,
    /// Packages whose pins in the lock file count for nothing. `None`: all pins count.
    pub unpinned: Option<Vec<Name>>,
    /// Pins beside those of the lock file: what was found a moment ago.
    pub known: Lock,
}

impl Choice {
    fn is_pinned(&self, name: &Name) -> bool {
        self.unpinned.as_ref().is_none_or(|names| !names.is_empty() && !names.contains(name))
    }
}

/// All that a project's WIT needs.
pub struct Resolution {
    pub root: Package,
    pub found: BTreeMap<PackageName, Found>,
    /// What the lock file has to say.
    pub lock: Lock,
    pub resolve: Resolve,
    pub id: PackageId,
}

/// What lies in `deps`.
#[derive(Clone, Debug)]
pub struct Vendored {
    pub path: PathBuf,
    pub contents: Contents,
}

/// Reads the packages of `deps`. A package that cannot be read is an error that names its place.
pub fn vendored(folder: &Path, shown: &Path) -> Result<Vec<Vendored>> {
    let deps = folder.join(DEPS);
    let mut found = Vec::new();
    if !deps.is_dir() {
        return Ok(found);
    }
    for path in package::entries(&deps)? {
        let shown = shown.join(DEPS).join(path.file_name().unwrap_or_default());
        if let Some(contents) = package::read_entry(&path, &shown)? {
            found.push(Vendored { path, contents });
        }
    }
    Ok(found)
}

/// Finds everything that `root` needs.
///
/// Errors: packages that are nowhere (all of them at once), content that is not what was locked, and
/// packages that do not fit together.
pub async fn resolve(opts: &Options, root: Package, choice: &Choice, progress: &dyn Progress) -> Result<Resolution> {
    let old = Lock::read(&Lock::path(&opts.root))?;
    let store = Store::new(&opts.cache);
    let overrides = overrides(&opts.root)?;
    let registries = if opts.offline { None } else { Some(Registries::new(&opts.registries, &opts.env)?) };
    let vendored = if choice.without_deps { Vec::new() } else { vendored(&opts.folder, &opts.shown_folder())? };
    let mut search = Search {
        opts,
        choice,
        progress,
        store: &store,
        old: &old,
        overrides,
        registries,
        vendored,
        libraries: BTreeMap::new(),
        bundles: Resolve { all_features: true, ..Resolve::default() },
        bundled: BTreeMap::new(),
        lock: Lock::default(),
        found: BTreeMap::new(),
        partial: BTreeSet::new(),
    };
    search.all(&root).await?;
    search.finish(root)
}

/// A package that is replaced by a folder, or held to a version, by `wkg.toml`.
struct Override {
    path: Option<PathBuf>,
    version: Option<semver::VersionReq>,
}

fn overrides(root: &Path) -> Result<BTreeMap<String, Override>> {
    let overrides = manifest(root)?.and_then(|manifest| manifest.overrides);
    Ok(overrides
        .unwrap_or_default()
        .into_iter()
        .map(|(name, one)| (name, Override { path: one.path.map(|path| root.join(path)), version: one.version }))
        .collect())
}

/// Reads the project's `wkg.toml`, if it has one.
pub fn manifest(root: &Path) -> Result<Option<Manifest>> {
    let path = root.join(MANIFEST_FILE_NAME);
    if !path.is_file() {
        return Ok(None);
    }
    Manifest::load_from_path(&path).map(Some).map_err(|error| {
        let error: &(dyn std::error::Error + 'static) = error.as_ref();
        Error::caused_by(format!("cannot read `{}`", path.display()), error)
    })
}

struct Search<'a> {
    opts: &'a Options,
    choice: &'a Choice,
    progress: &'a dyn Progress,
    store: &'a Store,
    old: &'a Lock,
    overrides: BTreeMap<String, Override>,
    /// None when the network must not be used.
    registries: Option<Registries>,
    vendored: Vec<Vendored>,
    /// The sources that were read, by the package they are for.
    libraries: BTreeMap<Name, (String, Fetched)>,
    /// What came encoded, with parts of what it uses, all in one.
    bundles: Resolve,
    /// The packages of `bundles`, and what they came with; a package itself comes with itself.
    bundled: BTreeMap<PackageName, PackageName>,
    lock: Lock,
    found: BTreeMap<PackageName, Found>,
    /// Packages of which `deps` has a part only.
    partial: BTreeSet<PackageName>,
}

/// A package that is nowhere.
struct Unmet {
    need: Need,
    tried: Vec<(&'static str, String)>,
    hints: Vec<String>,
}

impl Search<'_> {
    async fn all(&mut self, root: &Package) -> Result<()> {
        let mut queue: VecDeque<(Need, bool)> = root.needs.iter().cloned().map(|need| (need, true)).collect();
        let mut seen = BTreeSet::new();
        let mut unmet = Vec::new();
        while let Some((need, hard)) = queue.pop_front() {
            if root.provides(&need.name) {
                continue;
            }
            if let Some(found) = self.found.values().find(|found| found.package.provides(&need.name)) {
                // What lies in `deps` may be a part of the package, for others who needed less of it.
                let is_part = matches!(found.origin, Origin::Vendored(_)) && !covers(&found.package, &need);
                if !is_part || !self.partial.insert(need.name.clone()) {
                    continue;
                }
            } else if !seen.insert((need.name.clone(), hard)) {
                continue;
            }
            match self.one(&need, hard).await? {
                Ok(Some(found)) => {
                    queue.extend(found.package.needs.iter().cloned().map(|need| (need, true)));
                    self.found.insert(found.package.name.clone(), found);
                }
                // It came encoded: what it uses came with it, unless somebody has more of that.
                Ok(None) => {
                    for (_, package) in self.bundles.packages.iter() {
                        let items = package.interfaces.keys().cloned().collect();
                        queue.push_back((Need { name: package.name.clone(), items, place: need.place.clone() }, false));
                    }
                }
                Err(why) if hard && !self.bundled.contains_key(&need.name) => unmet.push(*why),
                Err(_) => {}
            }
        }
        let deps = package::slashed(&self.opts.shown_folder().join(DEPS));
        if unmet.is_empty() { Ok(()) } else { Err(explain(unmet, &deps)) }
    }

    /// Finds one package. `hard`: somebody names it, so that also the network is asked.
    async fn one(&mut self, need: &Need, hard: bool) -> Result<Result<Option<Found>, Box<Unmet>>> {
        let name = &need.name;
        let package = Name::from(name);
        let mut tried: Vec<(&'static str, String)> = Vec::new();
        let mut hints = Vec::new();

        if let Some(source) = self.source_of(&package)? {
            return self.take_from_source(need, &package, &source).await.map(Ok);
        }
        if let Some(requirement) = self.overrides.get(&package.to_string()).and_then(|one| one.version.clone())
            && !name.version.as_ref().is_some_and(|version| requirement.matches(version))
        {
            return Err(Error::failed(format!("`{name}` is not what `{MANIFEST_FILE_NAME}` allows: {requirement}"))
                .cause(format!("it is needed at {}", need.place))
                .hint(format!("change the version there, or in `{MANIFEST_FILE_NAME}`")));
        }

        // What a source was locked to is no package, and of no use when the source is gone.
        let is_of_registry = |entry: &Entry| !entry.registry.as_ref().is_some_and(|address| address.contains("://"));
        let locked = self.pin(name).filter(|entry| is_of_registry(entry) && self.choice.is_pinned(&package));
        if let Some(entry) = &locked {
            if let Some(bytes) = self.store.get(&entry.digest) {
                self.lock.entries.insert(entry.clone());
                let origin = Origin::Registry(entry.registry.clone().unwrap_or_default());
                return self.take(package::decode(&bytes, &name.to_string())?, name, origin).map(Ok);
            }
            tried.push(("wkg.lock", format!("{} of it is not in the cache", short(&entry.digest))));
        } else {
            tried.push(("wkg.lock", "says nothing about it".into()));
        }

        // What came from a registry and shall be locked anew is asked for there, though it lies here.
        let is_asked_anew =
            locked.is_none() && self.old.find(name).is_some_and(is_of_registry) && self.registries.is_some();
        let vendored = self.vendored.iter().find(|vendored| provides(&vendored.contents, name)).cloned();
        let part = match vendored.filter(|_| !is_asked_anew) {
            Some(vendored) => {
                let is_whole = match &vendored.contents {
                    Contents::Text(package) => covers(package, need),
                    Contents::Encoded { .. } => true,
                };
                let shown = self.opts.shown_folder().join(DEPS).join(vendored.path.file_name().unwrap_or_default());
                let origin = Origin::Vendored(package::slashed(&shown));
                if is_whole && !self.partial.contains(name) {
                    self.lock.entries.extend(locked);
                    return self.take(vendored.contents, name, origin).map(Ok);
                }
                Some((vendored.contents, origin))
            }
            None => None,
        };
        tried.push((
            DEPS,
            match &part {
                Some((Contents::Text(package), _)) => {
                    let missing: Vec<String> =
                        need.items.iter().filter(|item| !package.items.contains(item)).cloned().collect();
                    format!("has it, but without `{}`", missing.join("`, `"))
                }
                _ if self.choice.without_deps => "is made anew".into(),
                _ => self.elsewhere(&package),
            },
        ));

        if let Some(text) = hosted::text(name) {
            // It needs no pin; one that `wkg` has written is kept for `wkg`.
            self.lock.entries.extend(self.old.find(name).filter(|entry| is_of_registry(entry)).cloned());
            let file = package::File { name: "package.wit".into(), shown: name.to_string(), text };
            return self.take(Contents::Text(Package::parse(vec![file])?), name, Origin::Hosted).map(Ok);
        }
        let inside = hosted::versions(&package);
        if inside.is_empty() {
            tried.push(("in wash", "no such package".into()));
        } else {
            let newest = hosted::newest(&package).map(|version| version.to_string()).unwrap_or_default();
            tried.push(("in wash", format!("not this version; the newest is {newest}")));
            hints.push(format!("write `{package}@{newest}` at {}", need.place));
        }

        // Nobody on this machine has more. Where something is missing in it, the parser shows the place.
        if let Some((contents, origin)) = part
            && (!hard || self.registries.is_none() || name.version.is_none())
        {
            return if hard { self.take(contents, name, origin).map(Ok) } else { Ok(Ok(None)) };
        }
        if !hard {
            return Ok(Err(Box::new(Unmet { need: need.clone(), tried, hints })));
        }
        if name.version.is_none() {
            tried.push(("network", "not asked: registries need a version".into()));
            if hints.is_empty() {
                hints.push(format!("name a version at {}, for example {package}/…@1.0.0", need.place));
            }
            return Ok(Err(Box::new(Unmet { need: need.clone(), tried, hints })));
        }
        // Somebody's bundle is better than a question that cannot be answered.
        let Some(registries) = &self.registries else {
            tried.push(("network", "not asked: `--offline` forbids it".into()));
            hints.push("leave out `--offline` (or unset WASH_OFFLINE) once; what was fetched is kept".into());
            return Ok(Err(Box::new(Unmet { need: need.clone(), tried, hints })));
        };
        self.progress.status("Fetching", &name.to_string());
        let busy = self.progress.busy(&format!("fetching {name}"));
        let (bytes, entry) = match &locked {
            Some(entry) => (registries.locked(entry).await, Some(entry.clone())),
            None => match registries.release(name).await {
                Ok(fetched) => {
                    let entry = Entry {
                        name: package.to_string(),
                        registry: Some(fetched.registry),
                        requirement: requirement(name),
                        version: fetched.version.to_string(),
                        digest: fetched.digest,
                    };
                    (Ok(fetched.bytes), Some(entry))
                }
                Err(tried) => (Err(tried), None),
            },
        };
        drop(busy);
        match (bytes, entry) {
            (Ok(bytes), Some(entry)) => {
                self.store.put(&bytes)?;
                let origin = Origin::Registry(entry.registry.clone().unwrap_or_default());
                self.lock.entries.insert(entry);
                self.take(package::decode(&bytes, &name.to_string())?, name, origin).map(Ok)
            }
            (bytes, _) => {
                tried.extend(bytes.err().unwrap_or_default().into_iter().map(|line| ("network", line)));
                hints.push(format!(
                    "name where it comes from in the settings: wit: {{sources: {{\"{package}\": ../folder}}}}"
                ));
                Ok(Err(Box::new(Unmet { need: need.clone(), tried, hints })))
            }
        }
    }

    fn pin(&self, name: &PackageName) -> Option<Entry> {
        self.old.find(name).or_else(|| self.choice.known.find(name)).cloned()
    }

    /// The source that settings or `wkg.toml` name for a package.
    fn source_of(&self, package: &Name) -> Result<Option<Source>> {
        let key = package.to_string();
        if let Some(typed) = self.opts.sources.get(&key) {
            return Source::parse(typed, &self.opts.root).map(Some);
        }
        Ok(self.overrides.get(&key).and_then(|one| one.path.clone()).map(Source::Local))
    }

    async fn take_from_source(&mut self, need: &Need, package: &Name, source: &Source) -> Result<Option<Found>> {
        let name = &need.name;
        let locked = self.pin(name).filter(|entry| source.is_of(entry) && self.choice.is_pinned(package));
        if !self.libraries.contains_key(package) {
            let around = Surroundings {
                env: &self.opts.env,
                interactive: self.opts.interactive,
                offline: self.opts.offline,
                store: self.store,
                registries: &self.opts.registries,
            };
            let fetched = source.fetch(locked.as_ref(), &around, self.progress).await.map_err(|error| {
                error.cause(format!("it is the source of `{package}`, which is needed at {}", need.place))
            })?;
            self.libraries.insert(package.clone(), (source.shown(), fetched));
        }
        let (shown, fetched) = &self.libraries[package];
        let shown = shown.clone();
        let Some(contents) = fetched.packages.iter().find(|contents| provides(contents, name)).cloned() else {
            let mut versions: Vec<String> = fetched
                .packages
                .iter()
                .map(Contents::name)
                .filter(|found| Name::from(found) == *package)
                .map(|found| found.to_string())
                .collect();
            versions.sort();
            versions.dedup();
            let error = Error::failed(format!("`{shown}` has no package `{name}`"))
                .cause(format!("it is needed at {}", need.place));
            return Err(if versions.is_empty() {
                let mut names: Vec<String> = fetched.packages.iter().map(|one| one.name().to_string()).collect();
                names.sort();
                names.dedup();
                error.hint(format!("there is: {}", names.join(", ")))
            } else {
                error.hint(format!("it has `{}`: write that version at {}", versions.join("`, `"), need.place))
            });
        };
        if let Some((registry, digest)) = fetched.locked.clone() {
            let version = name.version.as_ref().map_or_else(|| "0.0.0".into(), ToString::to_string);
            self.lock.entries.insert(Entry {
                name: package.to_string(),
                registry: Some(registry),
                requirement: requirement(name),
                version,
                digest,
            });
        }
        self.take(contents, name, Origin::Source(shown))
    }

    /// Other versions that lie in `deps`.
    fn elsewhere(&self, package: &Name) -> String {
        let others: Vec<String> = self
            .vendored
            .iter()
            .map(|vendored| vendored.contents.name())
            .filter(|name| Name::from(name) == *package)
            .map(|name| name.to_string())
            .collect();
        if others.is_empty() { "not there".into() } else { format!("has {} only", others.join(", ")) }
    }

    /// Takes a package in. One that came encoded is merged with the others that did, and made text at
    /// the end.
    fn take(&mut self, contents: Contents, wanted: &PackageName, origin: Origin) -> Result<Option<Found>> {
        match contents {
            Contents::Text(package) if package.provides(wanted) => Ok(Some(Found { package, origin })),
            Contents::Encoded { resolve, id } if resolve.packages[id].name == *wanted => {
                let names: Vec<PackageName> = resolve.packages.iter().map(|(_, one)| one.name.clone()).collect();
                self.bundles.merge(*resolve).map_err(|error| {
                    let error: &(dyn std::error::Error + 'static) = error.as_ref();
                    Error::caused_by(format!("`{wanted}` does not fit what other packages use"), error)
                        .hint("see who uses what: wash wit tree")
                })?;
                let (id, _) = self
                    .bundles
                    .packages
                    .iter()
                    .find(|(_, one)| one.name == *wanted)
                    .ok_or_else(|| Error::bug("a merged package is gone"))?;
                let package = package::printed(&self.bundles, id)?;
                for name in names {
                    self.bundled.entry(name).or_insert_with(|| wanted.clone());
                }
                self.bundled.insert(wanted.clone(), wanted.clone());
                self.found.insert(wanted.clone(), Found { package, origin });
                Ok(None)
            }
            other => Err(Error::failed(format!("`{}` was to be `{wanted}`", other.name()))
                .cause(format!("it came from {}", origin.shown()))),
        }
    }

    fn finish(mut self, root: Package) -> Result<Resolution> {
        // Parts that came along, of packages that nobody has as a whole.
        for (name, with) in &self.bundled {
            if self.found.values().any(|found| found.package.provides(name)) {
                continue;
            }
            if let Some((id, _)) = self.bundles.packages.iter().find(|(_, one)| one.name == *name) {
                let package = package::printed(&self.bundles, id)?;
                self.found.insert(name.clone(), Found { package, origin: Origin::Bundled(with.to_string()) });
            }
        }
        let mut resolve = Resolve { all_features: true, ..Resolve::default() };
        let groups: Vec<UnresolvedPackageGroup> =
            self.found.values().map(|found| found.package.group()).collect::<Result<_>>()?;
        let group = root.group()?;
        let id = resolve.push_groups(group, groups).map_err(|error| self.does_not_fit(&root, &resolve, &error))?;
        if self.opts.locking == Locking::Locked && self.lock != *self.old {
            return Err(lock_must_change(&self.lock, self.old));
        }
        Ok(Resolution { root, found: self.found, lock: self.lock, resolve, id })
    }

    fn does_not_fit(&self, root: &Package, resolve: &Resolve, error: &wit_parser::ResolveError) -> Error {
        use wit_parser::ResolveErrorKind;

        let message = match error.kind() {
            ResolveErrorKind::PackageCycle { package, .. } => format!("`{package}` needs itself, through what it uses"),
            ResolveErrorKind::DuplicatePackage { name, .. } => format!("`{name}` is there twice"),
            _ => "the project's WIT does not fit the packages it uses".to_string(),
        };
        let told = Error::failed(message).details(error.render(&resolve.source_map));
        match (error.kind(), self.what_it_has(root, resolve, error.kind().span())) {
            (ResolveErrorKind::Semantic { .. }, Some(hint)) => told.hint(hint),
            _ if self.vendored.is_empty() => told,
            // What lies there may be of another time, or only a part.
            _ => {
                let deps = package::slashed(&self.opts.shown_folder().join(DEPS));
                told.hint(format!("if what is wrong lies in {deps}, make it anew: wash wit fetch --clean"))
            }
        }
    }

    /// The interfaces of the package that is named where an error is.
    fn what_it_has(&self, root: &Package, resolve: &Resolve, span: wit_parser::Span) -> Option<String> {
        let location = resolve.source_map.resolve_span(span)?;
        let packages = self.found.values().map(|found| &found.package).chain([root]);
        let file = packages.flat_map(|package| &package.files).find(|file| file.shown == location.path)?;
        let mention = scan::mentions(&file.text).into_iter().find(|mention| mention.interface == location.range)?;
        let named = self.found.values().find(|found| package::is_of(&file.text, &mention, &found.package.name))?;
        Some(format!("`{}` has: {}", named.package.name, named.package.items.join(", ")))
    }
}

/// Whether a package has all that is named of it. One that is within another's file is taken as it is.
fn covers(package: &Package, need: &Need) -> bool {
    package.name != need.name || need.items.iter().all(|item| package.items.contains(item))
}

fn provides(contents: &Contents, name: &PackageName) -> bool {
    match contents {
        Contents::Text(package) => package.provides(name),
        Contents::Encoded { resolve, id } => resolve.packages[*id].name == *name,
    }
}

fn lock_must_change(new: &Lock, old: &Lock) -> Error {
    let line =
        |sign: char, entry: &Entry| format!("  {sign} {} {} {}", entry.name, entry.requirement, short(&entry.digest));
    let mut lines: Vec<String> = old.entries.difference(&new.entries).map(|entry| line('-', entry)).collect();
    lines.extend(new.entries.difference(&old.entries).map(|entry| line('+', entry)));
    Error::failed("wkg.lock does not have what the project's WIT needs, and `--locked` forbids to change it")
        .details(lines.join("\n"))
        .hint("bring it up to date and commit it: wash wit fetch")
}

fn short(digest: &str) -> &str {
    digest.get(.."sha256:".len() + 12).unwrap_or(digest)
}

/// `deps` is how messages call the folder of packages that are there.
fn explain(mut unmet: Vec<Unmet>, deps: &str) -> Error {
    unmet.sort_by(|one, other| one.need.name.cmp(&other.need.name));
    let message = match unmet.as_slice() {
        [one] => format!("cannot find the WIT package `{}`", one.need.name),
        several => format!("cannot find {} WIT packages", several.len()),
    };
    let mut lines = Vec::new();
    let mut hints: Vec<String> = Vec::new();
    for one in unmet {
        lines.push(format!("  {}, needed at {}", one.need.name, one.need.place));
        let width = deps.len().max("wkg.lock".len()) + 1;
        lines.extend(one.tried.iter().map(|(place, why)| {
            let place = if *place == DEPS { deps } else { place };
            format!("    {place:<width$} {why}")
        }));
        for hint in one.hints {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
    }
    hints.into_iter().fold(Error::failed(message).details(lines.join("\n")), Error::hint)
}
