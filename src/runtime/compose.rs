//! Makes one component of several that call each other, so that calls between them are the
//! engine's own: nothing of ours stands between caller and callee.
//!
//! What each member has for itself (its environment, its files, its output) must stay its own. So
//! the imports that give access to it get a name of the member's own in the composed component
//! ([`Personal`]), and the host links them one by one. All other imports are shared, and with them
//! the types of their resources, so that a stream may pass from one member to another.

pub use super::personal::{SOCKETS_OF_0_3, is_personal};
use wac_graph::types::{ItemKind, Package};
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, PackageId};

/// A component that is to become part of another.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// What messages call it.
    pub name: &'a str,
    /// The component.
    pub bytes: &'a [u8],
}

/// An import of one part that another part's export satisfies. Parts are told by their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The part that imports.
    pub importer: usize,
    /// The full name of the import, e.g. `acme:shop/cart@0.1.0`.
    pub import: String,
    /// The part that exports.
    pub exporter: usize,
    /// The full name of the export; its version may be another, compatible one.
    pub export: String,
}

/// An import of the composed component that belongs to one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Personal {
    /// The part whose import it is.
    pub part: usize,
    /// The full name of the interface.
    pub interface: String,
    /// What it is called in the composed component.
    pub label: String,
}

/// What parts have become.
#[derive(Debug)]
pub struct Composed {
    /// The component.
    pub bytes: Vec<u8>,
    /// Its imports that belong to one part.
    pub personal: Vec<Personal>,
}

/// Why parts do not fit together.
#[derive(Debug)]
pub enum ComposeError {
    /// An export is not what the import needs.
    Mismatch {
        /// The import and the export.
        link: Link,
        /// In which way.
        reason: String,
    },
    /// The parts cannot be put together for another reason.
    Other(String),
}

/// Composes parts to one component with the exports of the first. Every part is instantiated once.
pub fn compose(
    parts: &[Part<'_>],
    links: &[Link],
    is_personal: impl Fn(&str) -> bool,
) -> Result<Composed, ComposeError> {
    let mut graph = CompositionGraph::new();
    let mut packages: Vec<PackageId> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let other = |error: String| ComposeError::Other(format!("`{}`: {error}", part.name));
        // The names are only seen in the composed component's name section.
        let name = format!("wash:part{index}");
        let package = Package::from_bytes(&name, None, part.bytes.to_vec(), graph.types_mut())
            .map_err(|error| other(format!("{error:#}")))?;
        packages.push(graph.register_package(package).map_err(|error| other(error.to_string()))?);
    }
    let instances: Vec<NodeId> = packages.iter().map(|package| graph.instantiate(*package)).collect();
    for link in links {
        let mismatch = |reason: String| ComposeError::Mismatch { link: link.clone(), reason };
        let export = graph
            .alias_instance_export(instances[link.exporter], &link.export)
            .map_err(|error| mismatch(error.to_string()))?;
        graph
            .set_instantiation_argument(instances[link.importer], &link.import, export)
            .map_err(|error| mismatch(chain(&error)))?;
    }
    let mut personal = Vec::new();
    for (part, package) in packages.iter().enumerate() {
        for (interface, kind) in imports_of(&graph, *package) {
            let linked = links.iter().any(|link| link.importer == part && link.import == interface);
            if linked || !is_personal(&interface) {
                continue;
            }
            let label = format!("part{part}-{}", label_of(&interface));
            let node = graph.import(&label, kind).map_err(|error| ComposeError::Other(error.to_string()))?;
            graph
                .set_instantiation_argument(instances[part], &interface, node)
                .map_err(|error| ComposeError::Other(chain(&error)))?;
            personal.push(Personal { part, interface, label });
        }
    }
    let exports: Vec<String> = graph.types()[graph[packages[0]].ty()].exports.keys().cloned().collect();
    for name in exports {
        let export =
            graph.alias_instance_export(instances[0], &name).map_err(|error| ComposeError::Other(error.to_string()))?;
        graph.export(export, &name).map_err(|error| ComposeError::Other(error.to_string()))?;
    }
    // The engine validates what it compiles.
    let options = EncodeOptions { define_components: true, validate: false, processor: None };
    let bytes = graph.encode(options).map_err(|error| ComposeError::Other(chain(&error)))?;
    Ok(Composed { bytes, personal })
}

fn imports_of(graph: &CompositionGraph, package: PackageId) -> Vec<(String, ItemKind)> {
    graph.types()[graph[package].ty()].imports.iter().map(|(name, kind)| (name.clone(), *kind)).collect()
}

/// `wasi:cli/stdout@0.2.3` as a plain name: `wasi-cli-stdout-v023`.
fn label_of(interface: &str) -> String {
    let (name, version) = interface.split_once('@').unwrap_or((interface, ""));
    let mut label = name.replace([':', '/'], "-");
    if !version.is_empty() {
        label.push_str("-v");
        label.extend(version.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()));
    }
    label
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_plain_names_and_tell_versions_apart() {
        assert_eq!(label_of("wasi:cli/stdout@0.2.3"), "wasi-cli-stdout-v023");
        assert_eq!(label_of("wasi:config/store@0.2.0-rc.1"), "wasi-config-store-v020rc1");
        assert_eq!(label_of("acme:x/y"), "acme-x-y");
    }
}
