//! Who of a workload calls whom, for people: the picture, without what it takes to run.

use super::plan::Plan;
use crate::runtime::workload::Workload;

/// A workload as a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// The components, and the service behind them.
    pub nodes: Vec<Node>,
    /// Calls between them; by places in `nodes`.
    pub links: Vec<Edge>,
}

/// One of its components.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// What it is called.
    pub name: String,
    /// Whether it is the service.
    pub service: bool,
    /// What it imports from the host: full names of interfaces.
    pub host_imports: Vec<String>,
}

/// One calls another through an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    /// As the caller names it.
    pub interface: String,
}

/// Draws it. `alone` are the imports of the only component, where there is only one.
pub fn graph(workload: &Workload, plan: &Plan, alone: impl FnOnce() -> Vec<String>) -> Graph {
    let service = workload.service.iter().map(|service| (service.component.name.clone(), true));
    let components = workload.components.iter().map(|component| (component.name.clone(), false));
    let names: Vec<(String, bool)> = components.chain(service).collect();
    let mut links: Vec<Edge> = Vec::new();
    for unit in &plan.units {
        for link in &unit.links {
            let (from, to) = (unit.members[link.importer], unit.members[link.exporter]);
            let edge = Edge { from, to, interface: link.import.clone() };
            // A component that several others reach is a member of several units.
            if !links.contains(&edge) {
                links.push(edge);
            }
        }
    }
    let from = workload.components.len();
    links.extend(plan.service.iter().map(|link| Edge { from, to: link.exporter, interface: link.import.clone() }));
    let mut imports = plan.imports.clone();
    if imports.is_empty() && names.len() == 1 {
        imports.push(alone());
    }
    let nodes = names.into_iter().enumerate().map(|(index, (name, service))| {
        let own = imports.get(index).cloned().unwrap_or_default();
        let met = |import: &String| links.iter().any(|link| link.from == index && link.interface == *import);
        Node { name, service, host_imports: own.into_iter().filter(|import| !met(import)).collect() }
    });
    Graph { nodes: nodes.collect(), links: links.clone() }
}
