//! Operations that look and change nothing: tree, check, show.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use wit_parser::PackageName;

use super::hosted;
use super::name::{Name, Wanted};
use super::package::{self, Need, Package};
use super::resolve::{self, Choice, Resolution};
use super::{Lock, Locking, Options, Origin, deps_files};
use crate::error::{Error, Result};
use crate::progress::Progress;

/// A package with what it uses.
#[derive(Clone, Debug, Serialize)]
pub struct Tree {
    /// With its version.
    pub name: String,
    /// Where it comes from; none for the project's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What it uses; empty where it was shown before.
    pub uses: Vec<Tree>,
    /// Whether what it uses was shown before.
    pub repeated: bool,
}

/// Says what uses what, and where it comes from. Writes nothing into the project.
pub async fn tree(opts: &Options, progress: &dyn Progress) -> Result<Tree> {
    let root = opts.required_root_package()?;
    let resolution = resolve::resolve(&unlocked(opts), root, &Choice::default(), progress).await?;
    let mut seen = BTreeSet::new();
    let uses = resolution.root.needs.iter().filter_map(|need| branch(&resolution, &need.name, &mut seen)).collect();
    Ok(Tree { name: resolution.root.name.to_string(), origin: None, uses, repeated: false })
}

fn branch(resolution: &Resolution, name: &PackageName, seen: &mut BTreeSet<PackageName>) -> Option<Tree> {
    let found = resolution.found.values().find(|found| found.package.provides(name))?;
    let repeated = !seen.insert(found.package.name.clone()) && !found.package.needs.is_empty();
    let uses = if repeated {
        Vec::new()
    } else {
        found.package.needs.iter().filter_map(|need| branch(resolution, &need.name, seen)).collect()
    };
    Some(Tree { name: found.package.name.to_string(), origin: Some(found.origin.clone()), uses, repeated })
}

/// Looking does not ask whether the lock file may change.
fn unlocked(opts: &Options) -> Options {
    Options { locking: Locking::Updated, ..opts.clone() }
}

/// How much something matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Problem,
    Note,
}

/// Something that was noticed.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What checking has come to.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// Problems first.
    pub findings: Vec<Finding>,
    /// The interfaces of other packages that the project's worlds import, with their versions.
    pub imports: Vec<String>,
    /// The packages that were looked at.
    pub packages: usize,
}

/// Compares the project's WIT with `deps`, the lock file and what this wash has inside. Changes
/// nothing.
///
/// Errors: the WIT is not well-formed, or something it needs is nowhere.
pub async fn check(opts: &Options, progress: &dyn Progress) -> Result<Check> {
    let root = opts.required_root_package()?;
    let old = Lock::read(&Lock::path(&opts.root))?;
    let resolution = resolve::resolve(&unlocked(opts), root, &Choice::default(), progress).await?;
    let mut findings = Vec::new();
    let mut find = |severity, message: String, hint: Option<String>| findings.push(Finding { severity, message, hint });

    let fetch = Some("bring it up to date: wash wit fetch".to_string());
    if resolution.lock != old {
        find(Severity::Problem, "wkg.lock is not what the project's WIT needs".into(), fetch.clone());
    }
    let expected = deps_files(opts, &resolution, false, &BTreeSet::new())?;
    let deps = opts.deps();
    let present = if deps.is_dir() { package::read_tree(&deps)? } else { BTreeMap::new() };
    let differing: BTreeSet<&str> = expected
        .iter()
        .filter(|(path, content)| present.get(*path) != Some(content))
        .filter_map(|(path, _)| path.split('/').next())
        .collect();
    if !differing.is_empty() {
        let shown: Vec<&str> = differing.into_iter().collect();
        let deps = package::slashed(&opts.shown_folder().join(package::DEPS));
        find(Severity::Problem, format!("{deps} does not have, or not as it should be: {}", shown.join(", ")), fetch);
    }
    for (message, hint) in versions_beside(&resolution) {
        find(Severity::Note, message, Some(hint));
    }
    for need in &resolution.root.needs {
        if let Some((message, hint)) = newer_inside(need) {
            find(Severity::Note, message, Some(hint));
        }
    }
    findings.sort_by_key(|finding| finding.severity);
    Ok(Check { findings, imports: imports(&resolution), packages: resolution.found.len() })
}

/// Compatible versions of one package beside each other: two sets of types that do not mix.
fn versions_beside(resolution: &Resolution) -> Vec<(String, String)> {
    let mut tracks: BTreeMap<(Name, String), Vec<&PackageName>> = BTreeMap::new();
    for name in resolution.found.keys() {
        if let Some(version) = &name.version {
            tracks.entry((Name::from(name), PackageName::version_compat_track_string(version))).or_default().push(name);
        }
    }
    let users = |wanted: &PackageName| {
        let all = resolution.found.values().map(|found| &found.package).chain([&resolution.root]);
        let users: Vec<String> = all
            .filter(|package| package.needs.iter().any(|need| need.name == *wanted))
            .map(|package| package.name.to_string())
            .collect();
        users.join(", ")
    };
    tracks
        .into_iter()
        .filter(|(_, names)| names.len() > 1)
        .map(|((name, _), names)| {
            let each: Vec<String> = names
                .iter()
                .filter_map(|name| Some(format!("{} (by {})", name.version.as_ref()?, users(name))))
                .collect();
            (
                format!("`{name}` is used in {} versions: {}", names.len(), each.join(", ")),
                "the host serves all of them, but in the component types of one are not types of the other".to_string(),
            )
        })
        .collect()
}

fn newer_inside(need: &Need) -> Option<(String, String)> {
    let version = need.name.version.as_ref()?;
    let track = PackageName::version_compat_track(version);
    let name = Name::from(&need.name);
    let newest = hosted::versions(&name)
        .into_iter()
        .filter(|other| other > version && PackageName::version_compat_track(other) == track)
        .max()?;
    Some((
        format!("`{}` at {} has a newer release inside wash, {newest}", need.name, need.place),
        format!("the host serves both; to move: wash wit update {name}"),
    ))
}

/// What the project's worlds import of other packages.
fn imports(resolution: &Resolution) -> Vec<String> {
    let resolve = &resolution.resolve;
    let mut found = BTreeSet::new();
    for world in resolve.packages[resolution.id].worlds.values() {
        for key in resolve.worlds[*world].imports.keys() {
            if let wit_parser::WorldKey::Interface(id) = key
                && resolve.interfaces[*id].package != Some(resolution.id)
            {
                found.extend(resolve.id_of(*id));
            }
        }
    }
    found.into_iter().collect()
}

/// The WIT of something, as text.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// What it is: a package with its version.
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    pub wit: String,
}

/// Shows the project's own package, resolved, or one that it uses or could use. An interface alone is
/// shown alone.
pub async fn show(opts: &Options, wanted: Option<&Wanted>, progress: &dyn Progress) -> Result<Shown> {
    let Some(wanted) = wanted else {
        let root = opts.required_root_package()?;
        let resolution = resolve::resolve(&unlocked(opts), root, &Choice::default(), progress).await?;
        let wit = package::print(&resolution.resolve, resolution.id)?;
        return Ok(Shown { name: resolution.root.name.to_string(), origin: None, wit });
    };
    let root = opts.root_package()?;
    let used = root.iter().flat_map(|root| &root.needs).find(|need| Name::from(&need.name) == wanted.name);
    let version = wanted
        .version
        .clone()
        .or_else(|| used.and_then(|need| need.name.version.clone()))
        .or_else(|| hosted::newest(&wanted.name));
    let name = wanted.name.at(version.as_ref());
    let probe = Package::probe(&name, wanted.interface.as_ref());
    let resolution = resolve::resolve(&unlocked(opts), probe, &Choice::default(), progress).await?;
    let found = resolution.found.get(&name).ok_or_else(|| Error::bug("a package that was found is gone"))?;
    let origin = Some(found.origin.clone());
    let Some(interface) = &wanted.interface else {
        let wit = found.package.files.iter().map(|file| file.text.as_str()).collect::<Vec<_>>().join("\n");
        return Ok(Shown { name: name.to_string(), origin, wit });
    };
    let (id, _) = resolution
        .resolve
        .packages
        .iter()
        .find(|(_, package)| package.name == name)
        .ok_or_else(|| Error::bug("a package that was found is gone"))?;
    let interfaces = &resolution.resolve.packages[id].interfaces;
    let Some(interface_id) = interfaces.get(interface) else {
        let names: Vec<&str> = interfaces.keys().map(String::as_str).collect();
        return Err(Error::failed(format!("`{name}` has no interface `{interface}`"))
            .hint(format!("it has: {}", names.join(", "))));
    };
    let cannot =
        |error: &(dyn std::error::Error + 'static)| Error::caused_by(format!("cannot print `{wanted}`"), error);
    let mut head = wit_component::WitPrinter::default();
    head.print_interface_outer(&resolution.resolve, *interface_id, interface)
        .map_err(|error| cannot(error.as_ref()))?;
    let mut body = wit_component::WitPrinter::default();
    body.print_interface(&resolution.resolve, *interface_id).map_err(|error| cannot(error.as_ref()))?;
    let body: String = body
        .output
        .to_string()
        .lines()
        .map(|line| if line.is_empty() { "\n".to_string() } else { format!("  {line}\n") })
        .collect();
    let wit = format!("{} {{\n{body}}}\n", head.output.to_string().trim_end());
    Ok(Shown { name: name.interface_id(interface), origin, wit })
}

/// Shows the WIT inside a component or an encoded package.
///
/// Errors: `bytes` is neither; `shown` says what it is.
pub fn read_encoded(bytes: &[u8], shown: &str) -> Result<Shown> {
    let decoded = wit_component::decode(bytes)
        .map_err(|error| Error::caused_by(format!("`{shown}` has no WIT in it"), error.as_ref()))?;
    let wit = package::print(decoded.resolve(), decoded.package())?;
    Ok(Shown { name: decoded.resolve().packages[decoded.package()].name.to_string(), origin: None, wit })
}
