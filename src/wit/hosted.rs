//! The WIT packages inside the binary, so that they need no network: what is in `wit/`.
//!
//! Of WASI 0.2 the newest release is kept, and the earlier ones are made from it: within 0.2 things
//! were only added or made stable, and each says in which release that was (`@since`). What a release
//! did not have yet is taken out, so that no source that was written for it sees more than it had.
//! This was compared with the sources of 0.2.0, 0.2.2, 0.2.3, 0.2.4 and 0.2.9; a test keeps it.

use std::fmt::Write as _;

use semver::{BuildMetadata, Prerelease, Version};
use wit_parser::PackageName;

use super::name::Name;

/// A package as it lies in `wit/`.
struct Embedded {
    /// As its first statement says, e.g. `wasi:keyvalue@0.2.0-draft`.
    name: &'static str,
    text: &'static str,
}

/// Made by `build.rs`, sorted by name.
static EMBEDDED: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/wit.rs"));

/// The newest release of WASI 0.2, of which the text is kept.
const WASI_0_2_PATCH: u64 = 12;

/// What a draft names as the release of WASI whose types it uses. In `wit/` it names the one that we
/// serve, for our own generated code; whoever fetches the draft gets it as it was published.
const DRAFTS: &[(&str, u64)] = &[("wasi:blobstore@0.2.0-draft", 1), ("wasi:otel@0.2.0-rc.2", 0)];

/// Drafts that few hosts and toolchains have besides us: only taken by name.
const ONLY_BY_NAME: &[&str] = &["wasi:keyvalue@0.2.0-draft2"];

/// Features that came with a later release than 0.2.1, and were not stable yet.
const FEATURES: &[(&str, u64)] = &[("informational-outbound-responses", 4)];

/// Returns the versions of a package that are inside the binary, from old to new.
pub fn versions(name: &Name) -> Vec<Version> {
    let mut versions: Vec<Version> = Vec::new();
    for embedded in EMBEDDED {
        let Some((package, version)) = embedded.name.split_once('@') else { continue };
        if package != name.to_string() {
            continue;
        }
        let Ok(version) = Version::parse(version) else { continue };
        if is_wasi_0_2(name, &version) {
            versions.extend((0..WASI_0_2_PATCH).map(|patch| Version::new(0, 2, patch)));
        }
        versions.push(version);
    }
    versions.sort();
    versions
}

/// Returns the newest version that is inside the binary: a release if there is one, else a draft.
pub fn newest(name: &Name) -> Option<Version> {
    let mut versions = versions(name);
    versions.retain(|version| !ONLY_BY_NAME.contains(&name.at(Some(version)).to_string().as_str()));
    // What is asynchronous is of another kind, and few toolchains can build it yet: 0.3 is only taken
    // by name.
    let (preferred, others): (Vec<_>, Vec<_>) =
        versions.into_iter().partition(|version| *version < Version::new(0, 3, 0));
    let newest = |versions: Vec<Version>| {
        let (releases, drafts): (Vec<_>, Vec<_>) = versions.into_iter().partition(|version| version.pre.is_empty());
        releases.into_iter().next_back().or(drafts.into_iter().next_back())
    };
    newest(preferred).or(newest(others))
}

/// Returns all packages with their newest version, sorted by name.
pub fn packages() -> Vec<PackageName> {
    let mut names: Vec<Name> =
        EMBEDDED.iter().filter_map(|embedded| Name::parse(embedded.name.split_once('@')?.0).ok()).collect();
    names.sort();
    names.dedup();
    names.iter().map(|name| name.at(newest(name).as_ref())).collect()
}

/// Returns the text of a package, if exactly this version is inside the binary.
pub fn text(name: &PackageName) -> Option<String> {
    let full = name.to_string();
    if let Some(embedded) = EMBEDDED.iter().find(|embedded| embedded.name == full) {
        let draft = DRAFTS.iter().find(|(draft, _)| *draft == full);
        return Some(draft.map_or_else(|| embedded.text.to_string(), |(_, patch)| with_wasi(embedded.text, *patch)));
    }
    let version = name.version.as_ref()?;
    if !is_wasi_0_2(&Name::from(name), version) || version.patch > WASI_0_2_PATCH {
        return None;
    }
    let newest = Name::from(name).at(Some(&Version::new(0, 2, WASI_0_2_PATCH))).to_string();
    let embedded = EMBEDDED.iter().find(|embedded| embedded.name == newest)?;
    Some(release(embedded.text, version.patch))
}

/// Whether it is a release of WASI 0.2, and not a draft that goes by a version of its own.
fn is_wasi_0_2(name: &Name, version: &Version) -> bool {
    name.namespace == "wasi"
        && version.major == 0
        && version.minor == 2
        && version.pre == Prerelease::EMPTY
        && version.build == BuildMetadata::EMPTY
}

/// The same text with an earlier release of WASI 0.2 in the names of packages.
fn with_wasi(text: &str, patch: u64) -> String {
    text.replace(&format!("@0.2.{WASI_0_2_PATCH}"), &format!("@0.2.{patch}"))
}

/// The text of an earlier release.
fn release(text: &str, patch: u64) -> String {
    let mut made = String::new();
    let mut lines = text.lines().peekable();
    // Documentation waits for what it belongs to.
    let mut pending = String::new();
    while let Some(line) = lines.next() {
        let statement = line.trim();
        if statement.starts_with("///") {
            let _ = writeln!(pending, "{line}");
            continue;
        }
        let Some(attribute) = statement.strip_prefix('@') else {
            made.push_str(&pending);
            pending.clear();
            let _ = writeln!(made, "{line}");
            continue;
        };
        match fate(attribute, patch) {
            Fate::Kept => {
                let _ = writeln!(pending, "{line}");
            }
            Fate::Without => {}
            Fate::Instead(other) => {
                let indent = &line[..line.len() - line.trim_start().len()];
                let _ = writeln!(pending, "{indent}{other}");
            }
            Fate::Removed => {
                pending.clear();
                let mut depth = 0_usize;
                for line in lines.by_ref() {
                    let code = line.split("//").next().unwrap_or_default();
                    depth = depth + code.matches('{').count() - code.matches('}').count();
                    if depth == 0 && (code.trim_end().ends_with(';') || code.trim_end().ends_with('}')) {
                        break;
                    }
                }
            }
        }
    }
    made.push_str(&pending);
    let made = with_wasi(&made, patch);
    if patch == 0 { with_field_key(&made) } else { made }
}

/// What becomes of an attribute, and of what it stands at, in an earlier release.
enum Fate {
    Kept,
    /// The attribute goes, what it stands at stays.
    Without,
    Instead(&'static str),
    /// It was not there yet.
    Removed,
}

fn fate(attribute: &str, patch: u64) -> Fate {
    let value = |name: &str| attribute.strip_prefix(name)?.split('=').nth(1)?.split(')').next().map(str::trim);
    let later = |version: &str| Version::parse(version).is_ok_and(|version| version.patch > patch);
    if let Some(version) = value("since") {
        return match version {
            // It was there from 0.2.1 on, behind a feature.
            "0.2.12" if patch >= 1 && later(version) => Fate::Instead("@unstable(feature = cli-exit-with-code)"),
            _ if later(version) => Fate::Removed,
            // Releases before 0.2.1 had no such attributes.
            _ if patch == 0 => Fate::Without,
            _ => Fate::Kept,
        };
    }
    if let Some(version) = value("deprecated") {
        return if later(version) { Fate::Without } else { Fate::Kept };
    }
    if let Some(feature) = value("unstable") {
        let came = FEATURES.iter().find(|(name, _)| *name == feature).map_or(1, |(_, patch)| *patch);
        return if patch < came { Fate::Removed } else { Fate::Kept };
    }
    Fate::Kept
}

/// In 0.2.0 the names of HTTP fields were of type `field-key`.
fn with_field_key(text: &str) -> String {
    let mut made = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("field-name") {
        let (before, after) = rest.split_at(at);
        let after = &after["field-name".len()..];
        made.push_str(before);
        // `field-name: option<string>` is the name of a field of a record.
        made.push_str(if after.starts_with([',', ')', '>', ';']) { "field-key" } else { "field-name" });
        rest = after;
    }
    made.push_str(rest);
    made
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};
    use wit_parser::{Resolve, UnresolvedPackageGroup};

    use super::*;
    use crate::wit::scan;

    const WASI: [&str; 7] = ["io", "clocks", "random", "filesystem", "sockets", "cli", "http"];

    fn wasi(name: &str) -> Name {
        Name { namespace: "wasi".into(), package: name.into() }
    }

    /// All of WASI in one release.
    fn resolve(version: &Version) -> Resolve {
        let mut groups: Vec<UnresolvedPackageGroup> = WASI
            .iter()
            .filter(|name| **name != "io" || version.minor == 2)
            .map(|name| {
                let name = wasi(name).at(Some(version));
                let text = text(&name).unwrap_or_else(|| panic!("{name} is not inside"));
                UnresolvedPackageGroup::parse(format!("{name}.wit"), &text)
                    .unwrap_or_else(|(map, error)| panic!("{name}: {}", error.render(&map)))
            })
            .collect();
        let mut resolve = Resolve::default();
        let main = groups.pop().unwrap();
        resolve.push_groups(main, groups).unwrap_or_else(|error| panic!("{version}: {error}"));
        resolve
    }

    #[test]
    fn every_release_of_wasi_is_well_formed() {
        for patch in 0..=WASI_0_2_PATCH {
            resolve(&Version::new(0, 2, patch));
        }
        resolve(&Version::new(0, 3, 0));
    }

    /// What two sources of the same release have in common, however they are written: the lines of
    /// their interfaces in some order, without comments, attributes and what is not stable.
    fn essence(resolve: &Resolve) -> String {
        let mut lines = Vec::new();
        for (id, _) in resolve.interfaces.iter() {
            let name = resolve.id_of(id).unwrap_or_default();
            let mut printer = wit_component::WitPrinter::default();
            printer.emit_docs(false);
            printer.print_interface(resolve, id).unwrap();
            let printed = printer.output.to_string();
            let kept = printed.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('@'));
            lines.extend(kept.map(|line| format!("{name} {line}")));
        }
        lines.sort();
        lines.join("\n")
    }

    /// The digests are of the sources in the crates `wasi` 0.12.1, 0.13.3, 0.14.0 and `wasip2` 1.0.0
    /// and 1.0.2.
    #[test]
    fn earlier_releases_are_as_they_were_published() {
        for (patch, digest) in [
            (0, "bc040cabbfaa18ae"),
            (2, "5d5544fbf8e4c995"),
            (3, "8b0b3502b2dbd2c9"),
            (4, "1ba8cb86e8786b0c"),
            (9, "8b860088b1f9cd15"),
        ] {
            let made = Sha256::digest(essence(&resolve(&Version::new(0, 2, patch))));
            let made: String = made[..8].iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(made, digest, "0.2.{patch}");
        }
    }

    #[test]
    fn drafts_are_as_they_were_published() {
        let blobstore = Name::parse("wasi:blobstore").unwrap();
        let text = text(&blobstore.at(newest(&blobstore).as_ref())).unwrap();
        let versions: Vec<_> = scan::mentions(&text).into_iter().filter_map(|mention| mention.version).collect();
        assert!(!versions.is_empty() && versions.iter().all(|version| &text[version.clone()] == "0.2.1"));
    }

    #[test]
    fn newest_is_a_release_that_toolchains_build() {
        for (name, expected) in
            [("wasi:http", "0.2.12"), ("wasi:keyvalue", "0.2.0-draft"), ("wasi:config", "0.2.0-rc.1")]
        {
            assert_eq!(newest(&Name::parse(name).unwrap()).unwrap().to_string(), expected);
        }
        assert_eq!(newest(&Name::parse("acme:billing").unwrap()), None);
        assert_eq!(versions(&wasi("http")).len(), 14);
        assert!(packages().iter().any(|name| name.to_string() == "wasmcloud:messaging@0.2.0"));
    }
}
