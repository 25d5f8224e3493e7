//! Reading a workload's `host_interfaces` entries, for all capabilities alike.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::runtime::workload::{HostInterface, Workload};

/// The workload's entries for a package.
pub fn of<'a>(workload: &'a Workload, namespace: &'a str, package: &'a str) -> impl Iterator<Item = &'a HostInterface> {
    workload.host_interfaces.iter().filter(move |entry| entry.is(namespace, package))
}

/// The workload's entries for a package whose entries are found by name: the one without a name, and
/// the others by theirs.
///
/// Fails when there are several and not each has a name of its own, and when a name is none.
pub fn by_name<'a>(workload: &'a Workload, namespace: &'a str, package: &'a str) -> Result<ByName<'a>> {
    let entries: Vec<_> = of(workload, namespace, package).collect();
    let mut found = ByName { unnamed: None, named: BTreeMap::new() };
    for entry in &entries {
        let Some(name) = entry.name.as_deref().filter(|name| !name.is_empty()) else {
            if entries.len() > 1 {
                return Err(Error::usage(format!(
                    "there are {} entries for `{namespace}:{package}`, and one has no `name`",
                    entries.len()
                ))
                .hint("give each a `name`: the identifier by which the component opens it"));
            }
            found.unnamed = Some(entry);
            continue;
        };
        name_of(entry)?;
        if found.named.insert(name, entry).is_some() {
            return Err(twice(entry, name));
        }
    }
    Ok(found)
}

/// The name of an entry, if it has one. Fails when it is none.
pub fn name_of(entry: &HostInterface) -> Result<Option<&str>> {
    match entry.name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) if !is_label(name) => {
            let package = format!("{}:{}", entry.namespace, entry.package);
            Err(Error::usage(format!("`{name}` cannot be the `name` of an entry for `{package}`"))
                .hint("use small letters, digits and `-`, and begin with a letter or digit"))
        }
        name => Ok(name),
    }
}

/// The error for a name that two entries have.
pub fn twice(entry: &HostInterface, name: &str) -> Error {
    let package = format!("{}:{}", entry.namespace, entry.package);
    Error::usage(format!("two entries for `{package}` have the name `{name}`")).hint("give each a name of its own")
}

/// Entries by their names.
#[derive(Debug)]
pub struct ByName<'a> {
    pub unnamed: Option<&'a HostInterface>,
    pub named: BTreeMap<&'a str, &'a HostInterface>,
}

/// Like a label of DNS: small letters, digits and `-`, which does not stand first.
fn is_label(name: &str) -> bool {
    !name.starts_with('-') && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Refuses settings that only other backends have.
pub fn check_backend_settings(entry: &HostInterface, backend: &str, known: &[&str]) -> Result<()> {
    let package = format!("{}:{}", entry.namespace, entry.package);
    match entry.config.keys().find(|key| *key != "backend" && !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Error::usage(format!("the backend `{backend}` of `{package}` has no setting `{key}`"))
            .hint(format!("remove `{key}`, or choose the backend that it is for"))),
    }
}

/// A setting, read by `read`. The error names the setting, not its value, which may be a secret.
pub fn setting<T>(entry: &HostInterface, key: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>> {
    let Some(text) = entry.config.get(key) else { return Ok(None) };
    let package = format!("{}:{}", entry.namespace, entry.package);
    read(text)
        .map(Some)
        .map_err(|reason| Error::usage(format!("the setting `{key}` of `{package}` is wrong: {reason}")))
}

/// A setting that is `true` or `false`, as it is without it.
pub fn flag(entry: &HostInterface, key: &str) -> Result<bool> {
    let read = |text: &str| text.parse().map_err(|_| format!("write `true` or `false`, not `{text}`"));
    Ok(setting(entry, key, read)?.unwrap_or_default())
}

/// A setting that lists names with commas between them.
pub fn names_in(entry: &HostInterface, key: &str) -> Result<Option<BTreeSet<String>>> {
    setting(entry, key, |text| {
        let names: BTreeSet<String> = text.split(',').map(|name| name.trim().to_string()).collect();
        match names.contains("") {
            true => Err("write names with commas between them".into()),
            false => Ok(names),
        }
    })
}

/// Whether the entry is for this interface of its package; one that names none is for all of them.
pub fn names(entry: &HostInterface, interface: &str) -> bool {
    entry.interfaces.is_empty() || entry.interfaces.iter().any(|name| name == interface)
}

/// Refuses settings that nobody would read: a setting is followed or said to be wrong, never passed
/// over.
pub fn check_settings(entry: &HostInterface, known: &[&str]) -> Result<()> {
    let package = format!("{}:{}", entry.namespace, entry.package);
    for key in entry.config.keys().map(String::as_str) {
        if known.contains(&key) {
            continue;
        }
        let error = Error::usage(format!("`{package}` has no setting `{key}`"));
        return Err(match known {
            [] => error.hint(format!("remove `{key}`: `{package}` has no settings")),
            known => error.hint(format!("the settings of `{package}` are {}", list(known))),
        });
    }
    Ok(())
}

/// Names with commas between them, for messages.
pub fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str) -> HostInterface {
        HostInterface {
            namespace: "wasmcloud".into(),
            package: "messaging".into(),
            config: [(key.to_string(), "x".to_string())].into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_setting_that_nobody_reads_is_refused_with_the_known_ones() {
        let error = check_settings(&entry("subscription"), &["subscriptions"]).unwrap_err();
        assert_eq!(error.message(), "`wasmcloud:messaging` has no setting `subscription`");
        assert_eq!(error.hints(), ["the settings of `wasmcloud:messaging` are `subscriptions`"]);
    }

    #[test]
    fn flags_and_lists_are_text_in_an_entry() {
        let with = |value: &str| {
            let mut entry = entry("a");
            entry.config.insert("x".into(), value.into());
            entry
        };
        assert!(flag(&with("true"), "x").unwrap() && !flag(&with("true"), "y").unwrap());
        assert!(flag(&with("yes"), "x").is_err());
        assert_eq!(names_in(&with("b, a"), "x").unwrap().unwrap(), ["a", "b"].map(String::from).into());
        assert!(names_in(&with("b"), "y").unwrap().is_none());
        assert!(names_in(&with("a,,b"), "x").is_err());
    }

    fn named(names: &[Option<&str>]) -> Workload {
        let entry = |name: &Option<&str>| HostInterface { name: name.map(String::from), ..entry("x") };
        Workload { host_interfaces: names.iter().map(entry).collect(), ..Default::default() }
    }

    fn by_name_error(names: &[Option<&str>]) -> String {
        by_name(&named(names), "wasmcloud", "messaging").unwrap_err().message().to_string()
    }

    #[test]
    fn entries_are_found_by_their_names() {
        let workload = named(&[Some("cache"), Some("sessions-2")]);
        let found = by_name(&workload, "wasmcloud", "messaging").unwrap();
        assert_eq!(found.named.keys().copied().collect::<Vec<_>>(), ["cache", "sessions-2"]);
        assert!(by_name(&named(&[None]), "wasmcloud", "messaging").unwrap().unnamed.is_some());
    }

    #[test]
    fn several_entries_have_each_a_name_of_their_own() {
        assert_eq!(
            by_name_error(&[Some("a"), None]),
            "there are 2 entries for `wasmcloud:messaging`, and one has no `name`"
        );
        assert_eq!(by_name_error(&[Some("a"), Some("a")]), "two entries for `wasmcloud:messaging` have the name `a`");
        for wrong in ["-a", "A", "a_b", "a.b", "ä"] {
            assert!(by_name_error(&[Some(wrong)]).contains("cannot be the `name`"), "{wrong}");
        }
    }

    #[test]
    fn a_known_setting_passes() {
        assert!(check_settings(&entry("subscriptions"), &["subscriptions"]).is_ok());
    }
}
