//! What is told of a component: what it says, joined with what the host provides.

use serde::Serialize;

use super::source::{From, Subject};
use crate::component::inspect::{Anatomy, Inspection, Metadata, Why, Wit};
use crate::component::{Interface, Kind};
use crate::host::link::{self, Problem};

/// One document for programs; the text for people is made of it.
#[derive(Serialize)]
pub(super) struct Report {
    /// The path or reference.
    pub name: String,
    pub kind: Kind,
    /// Size in bytes.
    pub size: u64,
    pub digest: String,
    /// The author's language, if tools left a sign of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    pub imports: Vec<Import>,
    pub exports: Vec<Export>,
    /// Of a WIT package what it defines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
    pub anatomy: Anatomy,
    pub metadata: Metadata,
    /// The interfaces as WIT text; not of a core module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wit: Option<Wit>,
    /// The answer to `--why`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Vec<Why>>,
    #[serde(skip)]
    pub from_text: bool,
}

/// An interface or function that the component needs.
#[derive(Serialize)]
pub(super) struct Import {
    /// As the component has it, e.g. `wasi:http/types@0.2.12`.
    pub name: String,
    /// Without the version.
    pub interface: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The functions that it uses.
    pub functions: Vec<Function>,
    pub provider: Provider,
    /// The version that the host provides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provided_version: Option<String>,
    /// Why the host does not provide it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Who provides an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Provider {
    /// `wash dev` and other hosts made of wash.
    Host,
    /// The adapter with which wash makes a component of a core module.
    Adapter,
    /// Another component: the host knows nothing of its package, and need not.
    Component,
    /// It belongs to the platform, and the host does not have it, or not as it is wanted.
    Nobody,
}

/// An interface or function that the component offers.
#[derive(Serialize)]
pub(super) struct Export {
    pub name: String,
    pub interface: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub functions: Vec<Function>,
    /// What a host does with it, e.g. `answers HTTP requests`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Function {
    pub name: String,
    pub signature: String,
}

/// What a WIT package defines.
#[derive(Serialize)]
pub(super) struct Package {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub interfaces: Vec<Definition>,
    pub worlds: Vec<World>,
}

#[derive(Serialize)]
pub(super) struct Definition {
    pub name: String,
    pub functions: Vec<Function>,
    /// Names of types.
    pub types: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct World {
    pub name: String,
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// Namespaces of the platform: what is missing of these no component brings.
const PLATFORM: &[&str] = &["wasi", "wasmcloud"];

/// What hosts do with exports of these names.
const PURPOSES: &[(&str, &str)] = &[
    ("wasi:http/incoming-handler", "answers HTTP requests"),
    ("wasi:http/handler", "answers HTTP requests"),
    ("wasi:cli/run", "runs as a command or service"),
    ("wasmcloud:messaging/handler", "handles messages"),
];

impl Report {
    pub fn new(subject: &Subject, inspection: Inspection, wit: Option<Wit>) -> Self {
        let language = inspection.language().map(str::to_string);
        let Inspection { description, interfaces, package, anatomy, metadata } = inspection;
        let (imports, exports) = if description.kind == Kind::Module {
            (
                description.imports.iter().map(|name| core_import(name)).collect(),
                description.exports.iter().map(|name| core_export(name)).collect(),
            )
        } else {
            (interfaces.imports.iter().map(import).collect(), interfaces.exports.iter().map(export).collect())
        };
        let package = package.map(|package| Package {
            name: package.name,
            version: package.version,
            interfaces: package
                .interfaces
                .iter()
                .map(|interface| Definition {
                    name: interface.name.clone(),
                    functions: functions(interface),
                    types: interface.types.iter().map(|(name, _)| name.clone()).collect(),
                })
                .collect(),
            worlds: package
                .worlds
                .iter()
                .map(|(name, world)| World {
                    name: name.clone(),
                    imports: world.imports.iter().map(Interface::full_name).collect(),
                    exports: world.exports.iter().map(Interface::full_name).collect(),
                })
                .collect(),
        });
        Report {
            name: subject.name.clone(),
            kind: description.kind,
            size: description.size,
            digest: description.digest,
            language,
            imports,
            exports,
            package,
            anatomy,
            // Whoever made text binary was wash.
            metadata: if subject.from == From::Wit { Metadata::default() } else { metadata },
            wit,
            why: None,
            from_text: subject.from == From::Wit,
        }
    }
}

fn import(interface: &Interface) -> Import {
    let (provider, provided_version, problem) = match link::provided(interface) {
        Ok(version) => (Provider::Host, Some(version.to_string()), None),
        Err(problem) => {
            let namespace = interface.name.split(':').next().unwrap_or_default();
            let of_platform = PLATFORM.contains(&namespace) || problem != Problem::UnknownPackage;
            let provider = if of_platform { Provider::Nobody } else { Provider::Component };
            (provider, None, of_platform.then(|| in_words(&problem)))
        }
    };
    Import {
        name: interface.full_name(),
        interface: interface.name.clone(),
        version: interface.version.clone(),
        functions: functions(interface),
        provider,
        provided_version,
        problem,
    }
}

fn export(interface: &Interface) -> Export {
    let purpose = PURPOSES.iter().find(|(name, _)| *name == interface.name).map(|(_, purpose)| *purpose);
    Export {
        name: interface.full_name(),
        interface: interface.name.clone(),
        version: interface.version.clone(),
        functions: functions(interface),
        purpose,
    }
}

/// An import of a core module, `module.name`.
fn core_import(name: &str) -> Import {
    let adapted = name.starts_with("wasi_snapshot_preview1.");
    let (module, _) = name.split_once('.').unwrap_or((name, ""));
    Import {
        name: name.to_string(),
        interface: module.to_string(),
        version: None,
        functions: Vec::new(),
        provider: if adapted { Provider::Adapter } else { Provider::Nobody },
        provided_version: None,
        problem: (!adapted).then(|| "no adapter has it".to_string()),
    }
}

fn core_export(name: &str) -> Export {
    Export { name: name.to_string(), interface: name.to_string(), version: None, functions: Vec::new(), purpose: None }
}

fn functions(interface: &Interface) -> Vec<Function> {
    let function = |(name, signature): &(String, String)| Function { name: name.clone(), signature: signature.clone() };
    interface.functions.iter().map(function).collect()
}

fn in_words(problem: &Problem) -> String {
    match problem {
        Problem::UnknownPackage => "wash does not know this package".to_string(),
        Problem::UnknownInterface { known } => format!("wash has, of this package: {}", known.join(", ")),
        Problem::OtherVersion { nearest } => format!("wash provides version {nearest}, which is not compatible"),
        Problem::MissingFunction { function } => format!("wash's interface has no function `{function}`"),
        Problem::OtherSignature { function, wanted, provided } => {
            format!("the function `{function}` differs; wanted `{wanted}`, provided `{provided}`")
        }
        // These come of whole workloads, which nobody inspects.
        Problem::Ambiguous { names } | Problem::Cycle { names } => names.join(", "),
        Problem::OtherComponent { name, reason } => format!("`{name}` exports it: {reason}"),
        Problem::Engine { message } => message.clone(),
    }
}
