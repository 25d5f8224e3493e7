//! Which release is wanted: the rules of semantic versioning. Pure.

use semver::Version;

/// How far the version may move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allow {
    /// To what is compatible: the same first number that is not 0.
    #[default]
    Compatible,
    /// Within the same major and minor version.
    Patch,
    /// Within the same major version, also from 0.1 to 0.2.
    Minor,
    /// To the newest.
    Major,
}

/// What the releases have for a version.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The newest that is allowed, which may be the current version itself.
    pub newest: Option<Version>,
    /// A newer one that is not.
    pub held_back: Option<Version>,
}

/// Chooses among releases. Pre-releases are for those who have one.
pub fn choose<'a>(current: &Version, all: impl Iterator<Item = &'a Version>, allow: Allow) -> Choice {
    let mut choice = Choice::default();
    for version in all {
        if !version.pre.is_empty() && current.pre.is_empty() {
            continue;
        }
        if *version < *current {
            continue;
        }
        let place = if is_allowed(current, version, allow) { &mut choice.newest } else { &mut choice.held_back };
        if place.as_ref().is_none_or(|known| known < version) {
            *place = Some(version.clone());
        }
    }
    choice
}

fn is_allowed(current: &Version, version: &Version, allow: Allow) -> bool {
    let same_major = version.major == current.major;
    let same_minor = same_major && version.minor == current.minor;
    match allow {
        Allow::Major => true,
        Allow::Minor => same_major,
        Allow::Patch => same_minor,
        // Before 1.0 the second number is the one that breaks, before 0.1 the third.
        Allow::Compatible => match (current.major, current.minor) {
            (0, 0) => same_minor && version.patch == current.patch,
            (0, _) => same_minor,
            _ => same_major,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_semantic_versioning_decide() {
        let all = ["0.9.0", "1.0.0-rc.1", "1.0.0", "1.0.2", "1.3.0", "1.4.0-beta.1", "2.0.0", "2.1.0-rc.1"];
        let old = ["0.1.0", "0.1.4", "0.2.0", "0.0.3", "0.0.4"];
        for (releases, current, allow, newest, held_back) in [
            (&all[..], "1.0.0", Allow::Compatible, Some("1.3.0"), Some("2.0.0")),
            (&all, "1.0.0", Allow::Minor, Some("1.3.0"), Some("2.0.0")),
            (&all, "1.0.0", Allow::Patch, Some("1.0.2"), Some("2.0.0")),
            (&all, "1.0.0", Allow::Major, Some("2.0.0"), None),
            (&all, "2.0.0", Allow::Compatible, Some("2.0.0"), None),
            // One of our own that was never released: nothing older is wanted.
            (&all, "3.0.0", Allow::Major, None, None),
            // Who has a pre-release gets newer ones, and the release.
            (&all, "1.4.0-alpha", Allow::Compatible, Some("1.4.0-beta.1"), Some("2.1.0-rc.1")),
            (&all, "1.0.0-rc.1", Allow::Patch, Some("1.0.2"), Some("2.1.0-rc.1")),
            (&old, "0.1.0", Allow::Compatible, Some("0.1.4"), Some("0.2.0")),
            (&old, "0.1.0", Allow::Minor, Some("0.2.0"), None),
            (&old, "0.0.3", Allow::Compatible, Some("0.0.3"), Some("0.2.0")),
            (&[], "1.0.0", Allow::Major, None, None),
        ] {
            let releases: Vec<Version> = releases.iter().map(|version| version.parse().unwrap()).collect();
            let current: Version = current.parse().unwrap();
            let wanted = |text: Option<&str>| text.map(|text| text.parse::<Version>().unwrap());
            let expected = Choice { newest: wanted(newest), held_back: wanted(held_back) };
            assert_eq!(choose(&current, releases.iter(), allow), expected, "{current} {allow:?}");
        }
    }
}
