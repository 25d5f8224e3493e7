//! From YAML documents to those of kinds that we know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Notice;
use super::fields::{Problems, Table};
use crate::project::nearest;
use crate::project::problem::Problem;
use crate::project::source::Origin;
use crate::project::tree::{Entry, Node, Value};

/// The group and version of the kinds that are ours.
const API: &str = "runtime.wasmcloud.dev/v1alpha1";
/// The namespace of what names none.
const DEFAULT_NAMESPACE: &str = "default";

/// A document of a kind that matters here.
pub struct Document {
    pub kind: Kind,
    pub namespace: String,
    pub name: String,
    pub annotations: BTreeMap<String, String>,
    pub file: PathBuf,
    /// Where its name is written.
    pub origin: Origin,
    /// All of it.
    pub node: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Workload,
    WorkloadDeployment,
    WorkloadReplicaSet,
    Artifact,
    ConfigMap,
    Secret,
}

const OURS: [(&str, Kind); 4] = [
    ("Workload", Kind::Workload),
    ("WorkloadDeployment", Kind::WorkloadDeployment),
    ("WorkloadReplicaSet", Kind::WorkloadReplicaSet),
    ("Artifact", Kind::Artifact),
];
const THEIRS: [(&str, Kind); 2] = [("ConfigMap", Kind::ConfigMap), ("Secret", Kind::Secret)];

impl Kind {
    pub fn name(self) -> &'static str {
        let known = OURS.iter().chain(&THEIRS).find(|(_, kind)| *kind == self);
        known.map_or("", |(name, _)| name)
    }

    /// Whether workloads come of it.
    pub fn runs(self) -> bool {
        matches!(self, Kind::Workload | Kind::WorkloadDeployment | Kind::WorkloadReplicaSet)
    }
}

impl Document {
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// The documents that a node is: one, or the items of a list. Other kinds than ours are passed over with a notice.
pub fn of(node: Node, file: &Path, problems: &Problems, notices: &mut Vec<Notice>) -> Vec<Document> {
    let Some(table) = Table::of(&node, String::new(), problems) else { return Vec::new() };
    let (Some(api), Some(kind)) = (table.required("apiVersion"), table.required("kind")) else { return Vec::new() };
    let (api, kind) = (api.to_string(), kind.to_string());
    let is_list = kind == "List" || (api == API && kind.ends_with("List"));
    if is_list {
        let items = match take(&node, "items") {
            Some(Node { value: Value::List(items), .. }) => items,
            _ => Vec::new(),
        };
        return items.into_iter().flat_map(|item| of(item, file, problems, notices)).collect();
    }
    let known = match (api.as_str(), api.split_once('/')) {
        (API, _) => match OURS.iter().find(|(name, _)| *name == kind) {
            Some((_, known)) => *known,
            None if kind == "Host" => {
                notices.push(passed_over(&table, &kind, "this host is the one that reads it"));
                return Vec::new();
            }
            None => {
                let problem = Problem::at(table.origin_of("kind"), format!("there is no kind `{kind}` in {API}"));
                let kinds = OURS.map(|(name, _)| name);
                problems.add(match nearest(&kind, kinds.into_iter()) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None => problem.hint(format!("it has {}", kinds.join(", "))),
                });
                return Vec::new();
            }
        },
        (_, Some(("runtime.wasmcloud.dev", version))) => {
            let message = format!("the version `{version}` of runtime.wasmcloud.dev is not known");
            problems.add(Problem::at(table.origin_of("apiVersion"), message).hint(format!("write `{API}`")));
            return Vec::new();
        }
        _ if OURS.iter().any(|(name, _)| *name == kind) => {
            let message = format!("`{kind}` is not a kind of `{api}`");
            problems.add(Problem::at(table.origin_of("apiVersion"), message).hint(format!("write `{API}`")));
            return Vec::new();
        }
        ("v1", _) => match THEIRS.iter().find(|(name, _)| *name == kind) {
            Some((_, known)) => *known,
            None => {
                notices.push(passed_over(&table, &kind, "it is for Kubernetes"));
                return Vec::new();
            }
        },
        _ => {
            notices.push(passed_over(&table, &kind, "it is for Kubernetes"));
            return Vec::new();
        }
    };
    document(known, &table, file, problems)
        .into_iter()
        .map(|document| Document { node: node.clone(), ..document })
        .collect()
}

fn document(kind: Kind, table: &Table<'_>, file: &Path, problems: &Problems) -> Option<Document> {
    let Some(metadata) = table.table("metadata") else {
        problems.add(Problem::at(table.origin, "`metadata.name` is missing"));
        return None;
    };
    let name = metadata.required("name")?;
    let namespace = metadata.text("namespace").unwrap_or(DEFAULT_NAMESPACE);
    for (key, text) in [("name", name), ("namespace", namespace)] {
        if !is_name(text) {
            let origin = if key == "name" { metadata.origin_of("name") } else { metadata.origin_of("namespace") };
            let problem = Problem::at(origin, format!("{text:?} cannot be a {key}"));
            problems.add(problem.hint("use small letters, digits, `-` and `.`, at most 253"));
            return None;
        }
    }
    Some(Document {
        kind,
        name: name.to_string(),
        namespace: namespace.to_string(),
        annotations: metadata.map("annotations"),
        file: file.to_path_buf(),
        origin: metadata.origin_of("name").clone(),
        node: Node::default(),
    })
}

/// As Kubernetes has it: RFC 1123.
fn is_name(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let is_edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = text.as_bytes();
    bytes.len() <= 253 && bytes.iter().all(|byte| is_inner(*byte)) && is_edge(bytes.first()) && is_edge(bytes.last())
}

fn passed_over(table: &Table<'_>, kind: &str, why: &str) -> Notice {
    let name = table.node("metadata").and_then(|metadata| metadata.get("name"));
    let name = match name.map(|node| &node.value) {
        Some(Value::Text(name)) => format!(" `{name}`"),
        _ => String::new(),
    };
    Notice { message: format!("{kind}{name} is passed over: {why} ({})", table.origin), hint: None }
}

fn take(node: &Node, key: &str) -> Option<Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry: &&Entry| entry.key == key).map(|entry| entry.node.clone())
}
