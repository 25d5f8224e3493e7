//! The report of everything that a workload imports and nobody provides, in one go.

use std::fmt::Write;

use crate::component::{self, Interface};
use crate::error::Error;
use crate::plugins::catalog::{self, HostedInterface};
use crate::runtime::compose::Link;
use crate::runtime::workload::Component;

/// All unmet imports of a workload.
#[derive(Debug, Default)]
pub(crate) struct LinkReport {
    /// In the order of the components and their imports.
    pub unmet: Vec<Unmet>,
}

/// An import that nobody provides as it is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unmet {
    /// The component's name in its workload.
    pub component: String,
    /// e.g. `acme:billing/ledger@1.2.0`
    pub import: String,
    pub problem: Problem,
}

impl Unmet {
    /// e.g. `acme:billing`
    fn package(&self) -> Option<&str> {
        self.import.split_once('/').map(|(package, _)| package)
    }
}

/// Why an import is not met.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The host has nothing of that package.
    UnknownPackage,
    /// The host has the package and not this interface.
    UnknownInterface { known: Vec<String> },
    /// The host has the interface in another version that is not compatible.
    OtherVersion { nearest: String },
    /// The host's interface lacks a function.
    MissingFunction { function: String },
    /// A function has other parameters or results.
    OtherSignature { function: String, wanted: String, provided: String },
    /// Several components of the workload export it.
    Ambiguous { names: Vec<String> },
    /// The components call each other in a circle.
    Cycle { names: Vec<String> },
    /// Another component of the workload exports it, and something else than is wanted.
    OtherComponent { name: String, reason: String },
    /// The engine's own words, when nothing better was found.
    Engine { message: String },
}

impl LinkReport {
    /// Whether every import is met.
    pub fn is_empty(&self) -> bool {
        self.unmet.is_empty()
    }

    /// Finds out why components that are instantiated together do not link, for every import that
    /// none of them provides.
    pub fn explain(
        &mut self,
        members: &[&Component],
        links: &[Link],
        hosted: &[HostedInterface],
        error: &wasmtime::Error,
    ) {
        let before = self.unmet.len();
        for (place, component) in members.iter().enumerate() {
            let interfaces = component::interfaces(&component.bytes).unwrap_or_default();
            for import in &interfaces.imports {
                let full = full_name(&import.name, import.version.as_deref());
                let linked = links.iter().any(|link| link.importer == place && link.import == full);
                let problem = if linked { None } else { judge(import, hosted) };
                let unmet = problem.map(|problem| Unmet { component: component.name.clone(), import: full, problem });
                // A component may be part of several units.
                self.unmet.extend(unmet.filter(|unmet| !self.unmet.contains(unmet)));
            }
        }
        if self.unmet.len() == before {
            let problem = Problem::Engine { message: format!("{error:#}") };
            let component = members[0].name.clone();
            self.unmet.push(Unmet { component, import: "(see below)".into(), problem });
        }
    }
}

/// The version in which the host provides an import of a component, whatever its workload is.
///
/// Errors: the host does not provide it, or not as it is wanted.
pub(crate) fn provided(import: &Interface) -> Result<&'static str, Problem> {
    let hosted = catalog::hosted();
    if let Some(problem) = judge(import, hosted) {
        return Err(problem);
    }
    let fits = |hosted: &&HostedInterface| {
        hosted.name == import.name && compatible(Some(&hosted.version), import.version.as_deref())
    };
    Ok(hosted.iter().find(fits).map_or("", |hosted| &hosted.version))
}

/// What is wrong with an import; `None` when the host provides it.
fn judge(import: &Interface, hosted: &[HostedInterface]) -> Option<Problem> {
    let same: Vec<_> = hosted.iter().filter(|hosted| hosted.name == import.name).collect();
    if same.is_empty() {
        let package = import.name.split('/').next().unwrap_or_default();
        let mut known: Vec<String> = hosted
            .iter()
            .filter(|hosted| hosted.name.split('/').next() == Some(package))
            .map(|hosted| full_name(&hosted.name, Some(&hosted.version)))
            .collect();
        known.dedup();
        return Some(if known.is_empty() { Problem::UnknownPackage } else { Problem::UnknownInterface { known } });
    }
    let Some(fitting) = same.iter().find(|hosted| compatible(Some(&hosted.version), import.version.as_deref())) else {
        // The list is ordered from old to new.
        let nearest = same.last().map(|hosted| hosted.version.clone()).unwrap_or_default();
        return Some(Problem::OtherVersion { nearest });
    };
    for (function, wanted) in &import.functions {
        match fitting.functions.iter().find(|(name, _)| name == function) {
            None => return Some(Problem::MissingFunction { function: function.clone() }),
            Some((_, provided)) if provided != wanted => {
                return Some(Problem::OtherSignature {
                    function: function.clone(),
                    wanted: wanted.clone(),
                    provided: provided.clone(),
                });
            }
            Some(_) => {}
        }
    }
    None
}

/// Whether a provided version serves a wanted one: the same major version, for 0.x the same minor
/// one, for pre-releases the very same. The engine links by the same rule.
pub(super) fn compatible(provided: Option<&str>, wanted: Option<&str>) -> bool {
    let (Some(provided), Some(wanted)) = (provided, wanted) else { return provided == wanted };
    if provided == wanted {
        return true;
    }
    if provided.contains('-') || wanted.contains('-') {
        return false;
    }
    let track = |version: &str| {
        let mut parts = version.split('.').map(str::to_string);
        match (parts.next(), parts.next()) {
            (Some(major), Some(minor)) if major == "0" => format!("0.{minor}"),
            (Some(major), _) => major,
            _ => String::new(),
        }
    };
    track(provided) == track(wanted)
}

pub(super) fn full_name(name: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("{name}@{version}"),
        None => name.to_string(),
    }
}

impl From<LinkReport> for Error {
    fn from(report: LinkReport) -> Error {
        let count = report.unmet.len();
        let mut details = String::new();
        for unmet in &report.unmet {
            let _ = writeln!(details, "  {} imports {}", unmet.component, unmet.import);
            let _ = match &unmet.problem {
                Problem::UnknownPackage if unmet.package().is_some_and(catalog::is_later) => {
                    writeln!(details, "      not supported yet: wash does not provide this package")
                }
                Problem::UnknownPackage => writeln!(details, "      nobody provides this package"),
                Problem::UnknownInterface { known } => {
                    writeln!(details, "      the host has, of this package: {}", known.join(", "))
                }
                Problem::OtherVersion { nearest } => {
                    writeln!(details, "      the host provides version {nearest}, which is not compatible")
                }
                Problem::MissingFunction { function } => {
                    writeln!(details, "      the host's interface has no function `{function}`")
                }
                Problem::OtherSignature { function, wanted, provided } => writeln!(
                    details,
                    "      the function `{function}` differs\n        wanted:   {wanted}\n        provided: {provided}"
                ),
                Problem::Ambiguous { names } => {
                    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                    writeln!(details, "      {} export it; only one component may", names.join(" and "))
                }
                Problem::Cycle { names } => {
                    writeln!(details, "      the components call each other in a circle: {}", names.join(" → "))
                }
                Problem::OtherComponent { name, reason } => {
                    writeln!(details, "      `{name}` exports it, and something else than is wanted:\n        {reason}")
                }
                Problem::Engine { message } => writeln!(details, "      {message}"),
            };
        }
        let what = if count == 1 { "1 import is".to_string() } else { format!("{count} imports are") };
        let mut error = Error::failed(format!("{what} not provided")).details(details);
        if report.unmet.iter().any(|unmet| matches!(unmet.problem, Problem::Ambiguous { .. })) {
            error = error.hint("leave one of them out of the workload, or give the interface another name in its WIT");
        }
        if report.unmet.iter().any(|unmet| matches!(unmet.problem, Problem::OtherVersion { .. })) {
            error =
                error.hint("change the version in the component's WIT to the one the host provides, and build again");
        }
        let differs =
            |unmet: &Unmet| matches!(unmet.problem, Problem::MissingFunction { .. } | Problem::OtherSignature { .. });
        if report.unmet.iter().any(differs) {
            error = error.hint("compare the project's WIT with what wash provides: wash wit check");
        }
        if report.unmet.iter().any(|unmet| matches!(unmet.problem, Problem::UnknownInterface { .. })) {
            error = error.hint("import one of those in the component's WIT instead, or remove the import");
        }
        if report.unmet.iter().any(|unmet| matches!(unmet.problem, Problem::UnknownPackage)) {
            error = error
                .hint("remove the import from the component's WIT, or compose the component with one that exports it");
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosted() -> Vec<HostedInterface> {
        vec![HostedInterface {
            name: "wasi:keyvalue/store".into(),
            version: "0.2.0-draft".into(),
            functions: vec![("open".into(), "func(identifier: string) -> result<bucket, error>".into())],
        }]
    }

    fn import(name: &str, version: &str, functions: &[(&str, &str)]) -> Interface {
        Interface {
            name: name.into(),
            version: Some(version.into()),
            label: None,
            types: Vec::new(),
            functions: functions.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect(),
        }
    }

    #[test]
    fn every_kind_of_unmet_import_has_its_own_explanation() {
        let open = "func(identifier: string) -> result<bucket, error>";
        let cases = [
            (import("acme:billing/ledger", "1.2.0", &[]), Some(Problem::UnknownPackage)),
            (
                import("wasi:keyvalue/cas", "0.2.0-draft", &[]),
                Some(Problem::UnknownInterface { known: vec!["wasi:keyvalue/store@0.2.0-draft".into()] }),
            ),
            (
                import("wasi:keyvalue/store", "0.9.0", &[]),
                Some(Problem::OtherVersion { nearest: "0.2.0-draft".into() }),
            ),
            (
                import("wasi:keyvalue/store", "0.2.0-draft", &[("shut", "func()")]),
                Some(Problem::MissingFunction { function: "shut".into() }),
            ),
            (
                import("wasi:keyvalue/store", "0.2.0-draft", &[("open", "func()")]),
                Some(Problem::OtherSignature {
                    function: "open".into(),
                    wanted: "func()".into(),
                    provided: open.into(),
                }),
            ),
            (import("wasi:keyvalue/store", "0.2.0-draft", &[("open", open)]), None),
        ];
        for (import, problem) in cases {
            assert_eq!(judge(&import, &hosted()), problem, "{import:?}");
        }
    }

    #[test]
    fn versions_are_compatible_as_the_engine_sees_it() {
        assert!(compatible(Some("0.2.12"), Some("0.2.0")));
        assert!(compatible(Some("1.4.0"), Some("1.2.0")));
        assert!(!compatible(Some("0.3.0"), Some("0.2.0")));
        assert!(!compatible(Some("0.2.0"), Some("0.2.0-draft")));
        assert!(!compatible(Some("2.0.0"), Some("1.0.0")));
    }
}
