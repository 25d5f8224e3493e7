//! Reading a workload's `host_interfaces` entries, for all capabilities alike.

use crate::error::{Error, Result};
use crate::runtime::workload::{HostInterface, Workload};

/// Settings of entries that other hosts have and we do not have yet.
const LATER: &[&str] = &[
    "admission_wait",
    "backend",
    "broadcast",
    "bucket",
    "buckets",
    "max_in_flight",
    "prefix",
    "read_only",
    "root",
    "url",
];

/// The workload's entries for a package.
pub fn of<'a>(workload: &'a Workload, namespace: &'a str, package: &'a str) -> impl Iterator<Item = &'a HostInterface> {
    workload.host_interfaces.iter().filter(move |entry| entry.is(namespace, package))
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
        if LATER.contains(&key) {
            return Err(Error::usage(format!("not supported yet: the setting `{key}` of `{package}`")));
        }
        let error = Error::usage(format!("`{package}` has no setting `{key}`"));
        return Err(match known {
            [] => error.hint(format!("remove `{key}`: `{package}` has no settings")),
            known => error.hint(format!("the settings of `{package}` are {}", list(known))),
        });
    }
    Ok(())
}

fn list(names: &[&str]) -> String {
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
    fn a_setting_of_other_hosts_is_not_supported_yet() {
        let error = check_settings(&entry("backend"), &[]).unwrap_err();
        assert_eq!(error.message(), "not supported yet: the setting `backend` of `wasmcloud:messaging`");
    }

    #[test]
    fn a_known_setting_passes() {
        assert!(check_settings(&entry("subscriptions"), &["subscriptions"]).is_ok());
    }
}
