//! Which versions of tools builds need, and which version a tool is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use semver::{Version, VersionReq};

use super::process::{Stop, Tool};
use super::recipe::find_tool;
use crate::error::Result;

/// What a version of a tool has to meet, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub requirement: VersionReq,
    pub because: String,
}

/// The tools whose version decides whether a build can work.
const RULES: &[(&str, &str, &str)] = &[
    ("rustc", ">=1.82", "the target wasm32-wasip2 came with Rust 1.82"),
    ("node", ">=20", "jco and componentize-js need it"),
    ("python3", ">=3.10", "componentize-py needs it"),
    ("python", ">=3.10", "componentize-py needs it"),
    ("tinygo", ">=0.33", "the target wasip2 came with TinyGo 0.33"),
];

/// The newest Go that a TinyGo works with, from the release notes of TinyGo; from this version on.
const NEWEST_GO: &[((u64, u64), u64)] = &[((0, 33), 23), ((0, 36), 24), ((0, 39), 25)];
/// Newer TinyGos than this are not in the table.
const LAST_KNOWN_TINYGO: (u64, u64) = (0, 40);

/// What is wanted of a tool, whoever the project is of.
pub(super) fn wanted(tool: &str) -> Option<Wanted> {
    let (_, requirement, because) = RULES.iter().find(|(name, _, _)| *name == tool)?;
    Some(Wanted { requirement: requirement.parse().ok()?, because: because.to_string() })
}

/// Whether this TinyGo works with this Go; the newest that it works with, where it does not.
pub(super) fn too_new_for_tinygo(tinygo: &Version, go: &Version) -> Option<String> {
    let place = (tinygo.major, tinygo.minor);
    if place > LAST_KNOWN_TINYGO {
        return None;
    }
    let (_, newest) = NEWEST_GO.iter().rev().find(|(since, _)| *since <= place)?;
    (go.major == 1 && go.minor > *newest).then(|| format!("1.{newest}"))
}

/// Finds a version in what a tool says of itself: the first word with numbers and dots.
pub(super) fn read(text: &str) -> Option<Version> {
    text.split(|c: char| c.is_whitespace() || c == ',' || c == '(').find_map(|word| {
        let word = word.trim_start_matches("go").trim_start_matches('v');
        let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
        let mut parts = word[..end].split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        let patch = parts.next().and_then(|patch| patch.parse().ok()).unwrap_or_default();
        Some(Version::new(major, minor, patch))
    })
}

/// Asks a tool for its version, once for each file: asking costs some ten milliseconds, which a build
/// of the loop should not pay again. `None` where it does not say.
pub(super) async fn of(
    name: &str,
    program: &Path,
    env: &BTreeMap<String, String>,
    folder: &Path,
    stop: &mut Stop,
) -> Result<Option<Version>> {
    type Known = BTreeMap<(PathBuf, Option<SystemTime>, PathBuf, String), Option<Version>>;
    static KNOWN: Mutex<Known> = Mutex::new(Known::new());

    let modified = program.metadata().and_then(|file| file.modified()).ok();
    // What stands in for several versions of a tool looks at these.
    let chosen = env.get("RUSTUP_TOOLCHAIN").cloned().unwrap_or_default();
    let key = (program.to_path_buf(), modified, folder.to_path_buf(), chosen);
    if let Some(known) = KNOWN.lock().ok().and_then(|known| known.get(&key).cloned()) {
        return Ok(known);
    }
    let args = [if matches!(name, "go" | "tinygo") { "version" } else { "--version" }.to_string()];
    let title = format!("{name} {}", args[0]);
    let version =
        (Tool { title: &title, program, args: &args, folder, env }).ask(stop).await?.as_deref().and_then(read);
    if let Ok(mut known) = KNOWN.lock() {
        known.insert(key, version.clone());
    }
    Ok(version)
}

/// The version of a tool in the PATH.
pub(super) async fn in_path(
    name: &str,
    env: &BTreeMap<String, String>,
    folder: &Path,
    stop: &mut Stop,
) -> Result<Option<Version>> {
    match find_tool(name, env, folder) {
        Some(program) => of(name, &program, env, folder, stop).await,
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_say() {
        for (text, version) in [
            ("rustc 1.95.0 (59807616e 2026-04-14)", Some("1.95.0")),
            ("v20.20.1", Some("20.20.1")),
            ("Python 3.11.2", Some("3.11.2")),
            ("go version go1.27.3 linux/amd64", Some("1.27.3")),
            ("go version go1.24 linux/amd64", Some("1.24.0")),
            ("tinygo version 0.34.0 linux/amd64 (using go version go1.23.1 and LLVM version 18.1.2)", Some("0.34.0")),
            ("GNU Make 4.3\nBuilt for x86_64-pc-linux-gnu", Some("4.3.0")),
            ("rustc 1.97.0-nightly (abc 2026-01-01)", Some("1.97.0")),
            ("Debian clang version 19.1.7 (3+b1)", Some("19.1.7")),
            ("error: no default toolchain", None),
            ("", None),
        ] {
            assert_eq!(read(text).map(|version| version.to_string()).as_deref(), version, "{text}");
        }
    }

    #[test]
    fn rules_can_be_read_and_bare_numbers_are_the_least() {
        for (tool, _, _) in RULES {
            assert!(wanted(tool).is_some(), "{tool}");
        }
        let requirement = crate::project::requirement;
        let meets = |text: &str, version: &str| requirement(text).unwrap().matches(&version.parse().unwrap());
        assert!(meets("20", "24.1.0") && !meets("20", "18.19.0"));
        assert!(meets("1.82", "1.95.0") && meets(">=1, <2", "1.9.0") && !meets(">=1, <2", "2.0.0"));
        assert!(requirement("new").is_err() && requirement("").is_err());
    }

    #[test]
    fn a_tinygo_has_a_newest_go() {
        let newest = |tinygo: &str, go: &str| too_new_for_tinygo(&tinygo.parse().unwrap(), &go.parse().unwrap());
        assert_eq!(newest("0.34.0", "1.24.0").as_deref(), Some("1.23"));
        assert_eq!(newest("0.34.0", "1.23.4"), None);
        assert_eq!(newest("0.38.0", "1.25.1").as_deref(), Some("1.24"));
        assert_eq!(newest("0.50.0", "1.40.0"), None, "not in the table");
        assert_eq!(newest("0.31.0", "1.40.0"), None, "too old for other reasons");
    }
}
