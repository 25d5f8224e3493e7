//! What changed from one component to another, and whether the new one can stand in for the old one.
//!
//! For components the question is whether the new one runs wherever the old one ran and serves whoever
//! called it: what it needs may only shrink, what it offers may only grow. For WIT packages it is the
//! other way round for worlds, since a world is what others implement.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::{Interface, Interfaces, Kind};
use super::{Anatomy, Inspection, Metadata, Package, Part};

/// How many functions are told that grew or shrank.
const MOST_FUNCTIONS: usize = 20;

/// What semantic versioning calls the whole change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The same bytes.
    Same,
    /// Other bytes, the same world.
    Patch,
    /// Something was added, nothing breaks.
    Minor,
    /// Something breaks: the new one cannot stand in for the old one everywhere.
    Major,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Same => "same",
            Verdict::Patch => "patch",
            Verdict::Minor => "minor",
            Verdict::Major => "major",
        }
    }
}

/// All that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    pub verdict: Verdict,
    /// In imports, exports and definitions.
    pub changes: Vec<Change>,
    pub size: SizeChange,
    /// Version, licence, tools.
    pub metadata: Vec<FieldChange>,
    /// Dependencies, as the embedded lists have them.
    pub packages: Vec<FieldChange>,
    /// The least version that semantic versioning asks for, if the old one has a version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed_version: Option<String>,
}

impl Comparison {
    /// Whether nothing at all differs.
    pub fn is_same(&self) -> bool {
        self.verdict == Verdict::Same && self.changes.is_empty() && self.metadata.is_empty() && self.packages.is_empty()
    }
}

/// One change of a world or interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub place: Place,
    /// The interface, world or function.
    pub name: String,
    pub kind: ChangeKind,
    /// What it means for who uses it.
    pub verdict: Verdict,
    /// What was there; a signature, a definition, a version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// Where a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Component, module or package.
    Kind,
    Export,
    Import,
    /// An interface of a WIT package.
    Interface,
    /// A world of a WIT package.
    World,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    Added,
    Removed,
    Changed,
}

/// Sizes in bytes, before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SizeChange {
    pub old: u64,
    pub new: u64,
    /// Parts that changed, the largest change first.
    pub parts: Vec<PartChange>,
    /// Functions that changed by their names, the largest change first.
    pub functions: Vec<FunctionChange>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartChange {
    pub part: Part,
    pub old: u64,
    pub new: u64,
}

/// All functions of one name together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FunctionChange {
    pub name: String,
    pub old: u64,
    pub new: u64,
}

/// A field that has another value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// Says what changed from `old` to `new`.
pub fn compare(old: &Inspection, new: &Inspection) -> Comparison {
    let mut changes = Vec::new();
    if old.description.kind != new.description.kind {
        changes.push(Change {
            place: Place::Kind,
            name: "kind".into(),
            kind: ChangeKind::Changed,
            verdict: Verdict::Major,
            old: Some(old.description.kind.to_string()),
            new: Some(new.description.kind.to_string()),
        });
    } else {
        match old.description.kind {
            Kind::Component => component(&old.interfaces, &new.interfaces, &mut changes),
            Kind::Module => {
                let (old, new) = (&old.description, &new.description);
                names(Place::Export, &old.exports, &new.exports, GROWS, &mut changes);
                names(Place::Import, &old.imports, &new.imports, SHRINKS, &mut changes);
            }
            Kind::WitPackage => packages(old, new, &mut changes),
        }
    }
    changes.sort_by(|one, other| {
        (one.place, std::cmp::Reverse(one.verdict), &one.name).cmp(&(
            other.place,
            std::cmp::Reverse(other.verdict),
            &other.name,
        ))
    });
    let world = changes.iter().map(|change| change.verdict).max();
    let bytes = if old.description.digest == new.description.digest { Verdict::Same } else { Verdict::Patch };
    let verdict = world.unwrap_or(bytes).max(bytes);
    let old_version = old.package.as_ref().map_or(old.metadata.version.as_ref(), |package| package.version.as_ref());
    Comparison {
        verdict,
        changes,
        size: sizes(old, new),
        metadata: metadata(&old.metadata, &new.metadata),
        packages: dependencies(&old.metadata, &new.metadata),
        needed_version: old_version.and_then(|version| needed_version(version, verdict)),
    }
}

/// What adding and what removing means in a place.
#[derive(Clone, Copy)]
struct Rule {
    added: Verdict,
    removed: Verdict,
}

/// What is offered may grow.
const GROWS: Rule = Rule { added: Verdict::Minor, removed: Verdict::Major };
/// What is needed may shrink.
const SHRINKS: Rule = Rule { added: Verdict::Major, removed: Verdict::Minor };
/// What is used of the same interface is nobody's business.
const FREE: Rule = Rule { added: Verdict::Patch, removed: Verdict::Patch };

fn component(old: &Interfaces, new: &Interfaces, changes: &mut Vec<Change>) {
    interfaces(Place::Export, &old.exports, &new.exports, GROWS, GROWS, changes);
    // Types of imports are listed as far as they are used, just as functions are.
    interfaces(Place::Import, &old.imports, &new.imports, SHRINKS, FREE, changes);
}

fn packages(old: &Inspection, new: &Inspection, changes: &mut Vec<Change>) {
    let (Some(old), Some(new)) = (&old.package, &new.package) else { return };
    if old.name != new.name {
        changes.push(Change {
            place: Place::Kind,
            name: "package".into(),
            kind: ChangeKind::Changed,
            verdict: Verdict::Major,
            old: Some(old.name.clone()),
            new: Some(new.name.clone()),
        });
        return;
    }
    // The package's own version is on every interface of it, and is what the verdict is about.
    let unversioned = |list: &[Interface], package: &super::WitPackage| -> Vec<Interface> {
        let own = format!("{}/", package.name);
        let strip = |interface: &Interface| {
            let mut interface = interface.clone();
            if interface.name.starts_with(&own) {
                interface.version = None;
            }
            interface
        };
        list.iter().map(strip).collect()
    };
    interfaces(
        Place::Interface,
        &unversioned(&old.interfaces, old),
        &unversioned(&new.interfaces, new),
        GROWS,
        GROWS,
        changes,
    );
    let worlds = |package: &super::WitPackage| package.worlds.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    names(Place::World, &worlds(old), &worlds(new), GROWS, changes);
    for (name, before) in &old.worlds {
        let Some((_, after)) = new.worlds.iter().find(|(other, _)| other == name) else { continue };
        for (side, before, after, rule) in
            [("import", &before.imports, &after.imports, GROWS), ("export", &before.exports, &after.exports, SHRINKS)]
        {
            let named = |list: &[Interface], package| -> Vec<String> {
                unversioned(list, package).iter().map(|item| format!("{name}: {side} {}", item.full_name())).collect()
            };
            names(Place::World, &named(before, old), &named(after, new), rule, changes);
        }
    }
}

fn names(place: Place, old: &[String], new: &[String], rule: Rule, changes: &mut Vec<Change>) {
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (old.iter().collect(), new.iter().collect());
    let change =
        |name: &String, kind, verdict| Change { place, name: name.clone(), kind, verdict, old: None, new: None };
    changes.extend(old.difference(&new).map(|name| change(name, ChangeKind::Removed, rule.removed)));
    changes.extend(new.difference(&old).map(|name| change(name, ChangeKind::Added, rule.added)));
}

/// Compares interfaces by name and compatible version; `inside` is the rule for their functions.
fn interfaces(place: Place, old: &[Interface], new: &[Interface], rule: Rule, inside: Rule, changes: &mut Vec<Change>) {
    let key = |interface: &Interface| {
        let label = interface.label.clone().unwrap_or_default();
        (interface.name.clone(), interface.version.as_deref().map(track), label)
    };
    let old: BTreeMap<_, &Interface> = old.iter().map(|interface| (key(interface), interface)).collect();
    let new: BTreeMap<_, &Interface> = new.iter().map(|interface| (key(interface), interface)).collect();
    for (key, before) in &old {
        let Some(after) = new.get(key) else {
            let verdict = rule.removed;
            changes.push(Change {
                place,
                name: before.full_name(),
                kind: ChangeKind::Removed,
                verdict,
                old: None,
                new: None,
            });
            continue;
        };
        if before.version != after.version {
            changes.push(Change {
                place,
                name: before.name.clone(),
                kind: ChangeKind::Changed,
                verdict: Verdict::Minor,
                old: before.version.clone(),
                new: after.version.clone(),
            });
        }
        // Of another version, a function may be one that the old version does not have.
        let inside = if place == Place::Import && before.version != after.version {
            Rule { added: Verdict::Minor, removed: Verdict::Patch }
        } else {
            inside
        };
        entries(place, before, &before.functions, &after.functions, inside, changes);
        // Unnamed and new types do no harm; those that are named and change do.
        entries(place, before, &before.types, &after.types, Rule { added: Verdict::Patch, ..inside }, changes);
    }
    for (key, after) in &new {
        if !old.contains_key(key) {
            changes.push(Change {
                place,
                name: after.full_name(),
                kind: ChangeKind::Added,
                verdict: rule.added,
                old: None,
                new: None,
            });
        }
    }
}

fn entries(
    place: Place,
    interface: &Interface,
    old: &[(String, String)],
    new: &[(String, String)],
    rule: Rule,
    changes: &mut Vec<Change>,
) {
    let old: BTreeMap<&String, &String> = old.iter().map(|(name, text)| (name, text)).collect();
    let new: BTreeMap<&String, &String> = new.iter().map(|(name, text)| (name, text)).collect();
    let named = |name: &String| {
        if *name == interface.name { name.clone() } else { format!("{}.{name}", interface.name) }
    };
    for (name, before) in &old {
        let (kind, verdict, after) = match new.get(*name) {
            Some(after) if after == before => continue,
            Some(after) => (ChangeKind::Changed, Verdict::Major, Some((*after).clone())),
            None => (ChangeKind::Removed, rule.removed, None),
        };
        changes.push(Change { place, name: named(name), kind, verdict, old: Some((*before).clone()), new: after });
    }
    for (name, after) in new.iter().filter(|(name, _)| !old.contains_key(**name)) {
        let (kind, verdict) = (ChangeKind::Added, rule.added);
        changes.push(Change { place, name: named(name), kind, verdict, old: None, new: Some((*after).clone()) });
    }
}

/// Versions of one track are compatible: the major one, for 0.x the minor one, a pre-release alone.
fn track(version: &str) -> String {
    if version.contains('-') {
        return version.to_string();
    }
    let mut parts = version.split('.');
    match (parts.next(), parts.next()) {
        (Some("0"), Some(minor)) => format!("0.{minor}"),
        (Some(major), _) => major.to_string(),
        _ => String::new(),
    }
}

fn sizes(old: &Inspection, new: &Inspection) -> SizeChange {
    let part = |anatomy: &Anatomy, part: Part| {
        anatomy.parts.iter().find(|size| size.part == part).map_or(0, |size| size.bytes)
    };
    let all: BTreeSet<Part> = old.anatomy.parts.iter().chain(&new.anatomy.parts).map(|size| size.part).collect();
    let mut parts: Vec<PartChange> = all
        .into_iter()
        .map(|name| PartChange { part: name, old: part(&old.anatomy, name), new: part(&new.anatomy, name) })
        .filter(|change| change.old != change.new)
        .collect();
    parts.sort_by_key(|change| std::cmp::Reverse(change.old.abs_diff(change.new)));
    let (before, after) = (&old.anatomy.bytes_by_name, &new.anatomy.bytes_by_name);
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let size = |map: &BTreeMap<String, u64>, name: &String| map.get(name).copied().unwrap_or(0);
    let mut functions: Vec<FunctionChange> = all
        .into_iter()
        .map(|name| FunctionChange { name: name.clone(), old: size(before, name), new: size(after, name) })
        .filter(|change| change.old != change.new)
        .collect();
    functions.sort_by(|one, other| {
        let by = |change: &FunctionChange| std::cmp::Reverse(change.old.abs_diff(change.new));
        by(one).cmp(&by(other)).then_with(|| one.name.cmp(&other.name))
    });
    functions.truncate(MOST_FUNCTIONS);
    SizeChange { old: old.description.size, new: new.description.size, parts, functions }
}

fn metadata(old: &Metadata, new: &Metadata) -> Vec<FieldChange> {
    let tools = |list: &[super::Producer]| {
        let tools: Vec<String> = list.iter().map(|tool| format!("{} {}", tool.name, tool.version)).collect();
        (!tools.is_empty()).then(|| tools.join(", "))
    };
    let fields = |metadata: &Metadata| {
        [
            ("name", metadata.name.clone()),
            ("version", metadata.version.clone()),
            ("description", metadata.description.clone()),
            ("authors", metadata.authors.clone()),
            ("licenses", metadata.licenses.clone()),
            ("source", metadata.source.clone()),
            ("homepage", metadata.homepage.clone()),
            ("revision", metadata.revision.clone()),
            ("languages", tools(&metadata.languages)),
            ("sdks", tools(&metadata.sdks)),
            ("processed-by", tools(&metadata.processed_by)),
        ]
    };
    let pairs = fields(old).into_iter().zip(fields(new)).filter(|((_, old), (_, new))| old != new);
    pairs.map(|((name, old), (_, new))| FieldChange { name: name.to_string(), old, new }).collect()
}

fn dependencies(old: &Metadata, new: &Metadata) -> Vec<FieldChange> {
    let versions = |metadata: &Metadata| {
        let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for Package { name, version, .. } in metadata.sboms.iter().flat_map(|sbom| &sbom.packages) {
            versions.entry(name.clone()).or_default().insert(version.clone().unwrap_or_default());
        }
        versions
    };
    let (old, new) = (versions(old), versions(new));
    let text = |map: &BTreeMap<String, BTreeSet<String>>, name: &str| {
        map.get(name).map(|versions| versions.iter().cloned().collect::<Vec<_>>().join(", "))
    };
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    all.into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| FieldChange { name: name.clone(), old: text(&old, name), new: text(&new, name) })
        .collect()
}

fn needed_version(old: &str, verdict: Verdict) -> Option<String> {
    let version = semver::Version::parse(old).ok()?;
    if !version.pre.is_empty() || verdict == Verdict::Same {
        return None;
    }
    let (major, minor, patch) = (version.major, version.minor, version.patch);
    // Before 1.0 the minor number stands for breaking changes.
    let (major, minor, patch) = match verdict {
        Verdict::Major if major == 0 => (0, minor.checked_add(1)?, 0),
        Verdict::Major => (major.checked_add(1)?, 0, 0),
        Verdict::Minor if major > 0 => (major, minor.checked_add(1)?, 0),
        _ => (major, minor, patch.checked_add(1)?),
    };
    Some(format!("{major}.{minor}.{patch}"))
}
