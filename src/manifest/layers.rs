//! Values that workloads are given by name: of ConfigMaps, Secrets and Artifacts.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::document::{Document, Kind};
use super::fields::{Problems, Table};
use crate::node::spec::PullSecret;
use crate::oci::Reference;
use crate::project::problem::Problem;
use crate::project::tree::Value;
use crate::runtime::workload::Secrets;

/// What documents of the manifests can be asked for, by namespace and name.
#[derive(Default)]
pub struct Values {
    maps: BTreeMap<(Kind, String), Layer>,
    artifacts: BTreeMap<String, Artifact>,
}

/// The values of a ConfigMap or Secret; `None`: it is there, and something in it is wrong.
type Layer = Option<BTreeMap<String, String>>;

/// Where an image is, for those who name the artifact.
#[derive(Clone)]
pub struct Artifact {
    pub image: String,
    /// The Secret of its namespace that has the password.
    pub pull_secret: Option<String>,
}

/// The file of docker's credentials, as Secrets have it.
#[derive(Deserialize)]
struct DockerConfig {
    auths: BTreeMap<String, DockerAuth>,
}

#[derive(Deserialize)]
struct DockerAuth {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
}

impl Values {
    pub fn of(documents: &[Document], problems: &mut Vec<Problem>) -> Self {
        let mut values = Values::default();
        for document in documents {
            let own = Problems::default();
            match document.kind {
                Kind::ConfigMap | Kind::Secret => {
                    let layer = layer(document, &own);
                    let layer = if own.count() == 0 { layer } else { None };
                    values.maps.insert((document.kind, document.full_name()), layer);
                }
                Kind::Artifact => {
                    if let Some(artifact) = artifact(document, &own) {
                        values.artifacts.insert(document.full_name(), artifact);
                    }
                }
                Kind::Workload | Kind::WorkloadDeployment | Kind::WorkloadReplicaSet => {}
            }
            let own = own.into_vec().into_iter();
            match document.kind {
                Kind::Secret => problems.extend(own.map(super::without_excerpt)),
                _ => problems.extend(own),
            }
        }
        values
    }

    /// The values of `config`, `configFrom` and `secretFrom`, of which later ones win; and those of
    /// `secretFrom` again, for `wasmcloud:secrets`.
    pub fn merged(&self, namespace: &str, table: &Table<'_>) -> (BTreeMap<String, String>, Secrets) {
        let mut merged = table.map("config");
        let mut secrets = Secrets::default();
        for (list, kind) in [("configFrom", Kind::ConfigMap), ("secretFrom", Kind::Secret)] {
            for entry in table.tables(list) {
                if let Some(layer) = self.referred(namespace, &entry, kind) {
                    merged.extend(layer.clone());
                    if kind == Kind::Secret {
                        layer.iter().for_each(|(name, value)| secrets.insert(name, value.as_bytes()));
                    }
                }
                entry.end();
            }
        }
        (merged, secrets)
    }

    fn referred(&self, namespace: &str, entry: &Table<'_>, kind: Kind) -> Option<&BTreeMap<String, String>> {
        let name = entry.required("name")?;
        let origin = entry.origin_of("name");
        match self.maps.get(&(kind, format!("{namespace}/{name}"))) {
            Some(Some(layer)) => Some(layer),
            Some(None) => {
                entry.wrong(origin, format!("the {} `{name}` cannot be used: see there", kind.name()));
                None
            }
            None => {
                let message = format!("there is no {} `{name}` in the namespace `{namespace}`", kind.name());
                let hint = format!("give a manifest with it, too: the host reads no {} elsewhere", kind.name());
                entry.wrong_with_hint(origin, message, hint);
                None
            }
        }
    }

    pub fn artifact(&self, namespace: &str, name: &str) -> Option<&Artifact> {
        self.artifacts.get(&format!("{namespace}/{name}"))
    }

    /// Who we are for the registry of an image: of the Secret that a table `name: …` names.
    pub fn pull_secret(&self, namespace: &str, entry: &Table<'_>, image: &str) -> Option<PullSecret> {
        let layer = self.referred(namespace, entry, Kind::Secret)?;
        let found = pull_secret(layer, image);
        if found.is_none() {
            let registry = Reference::parse(image).map(|reference| reference.registry().to_string());
            let registry = registry.unwrap_or_else(|_| image.to_string());
            let message = format!("the Secret has no user name and password for `{registry}`");
            let hint = "it needs `.dockerconfigjson`, or `username` and `password`";
            entry.wrong_with_hint(entry.origin_of("name"), message, hint);
        }
        found
    }

    /// The same by the name of the Secret alone, for artifacts.
    pub fn pull_secret_by_name(&self, namespace: &str, secret: &str, image: &str) -> Option<PullSecret> {
        let layer = self.maps.get(&(Kind::Secret, format!("{namespace}/{secret}")))?.as_ref()?;
        pull_secret(layer, image)
    }
}

fn pull_secret(layer: &BTreeMap<String, String>, image: &str) -> Option<PullSecret> {
    if let (Some(username), Some(password)) = (layer.get("username"), layer.get("password")) {
        return Some(PullSecret { username: username.clone(), password: password.clone() });
    }
    let config: DockerConfig = serde_json::from_str(layer.get(".dockerconfigjson")?).ok()?;
    let reference = Reference::parse(image).ok()?;
    let registry = reference.registry();
    let is_for = |key: &str| {
        let host = key.trim_start_matches("https://").trim_start_matches("http://");
        let host = host.split('/').next().unwrap_or_default();
        host == registry || (registry == "docker.io" && host == "index.docker.io")
    };
    let (_, auth) = config.auths.into_iter().find(|(key, _)| is_for(key))?;
    if let (Some(username), Some(password)) = (auth.username, auth.password) {
        return Some(PullSecret { username, password });
    }
    let decoded = String::from_utf8(STANDARD.decode(auth.auth?.trim()).ok()?).ok()?;
    let (username, password) = decoded.split_once(':')?;
    Some(PullSecret { username: username.into(), password: password.into() })
}

fn layer(document: &Document, problems: &Problems) -> Layer {
    let table = Table::of(&document.node, String::new(), problems)?;
    for known in ["apiVersion", "kind", "metadata", "immutable", "type", "status"] {
        table.skip(known);
    }
    let layer = match document.kind {
        Kind::Secret => secrets(&table, document),
        _ => {
            if let Some(node) = table.node("binaryData") {
                table.wrong(&node.origin, "`binaryData` cannot be given to a component: its values are text");
            }
            table.map("data")
        }
    };
    table.end();
    Some(layer)
}

/// The values of a Secret. What is wrong is told of its name, and without what is there.
fn secrets(table: &Table<'_>, document: &Document) -> BTreeMap<String, String> {
    let mut layer = BTreeMap::new();
    for (list, encoded) in [("data", true), ("stringData", false)] {
        let Some(node) = table.node(list) else { continue };
        let Value::Map(entries) = &node.value else {
            table.wrong(&document.origin, format!("`{list}` of the Secret must be a table of keys"));
            continue;
        };
        for entry in entries {
            let text = match &entry.node.value {
                Value::Text(text) => text.as_str(),
                Value::Null => "",
                _ => {
                    let message = format!("`{list}.{}` of the Secret must be text", entry.key);
                    table.wrong_with_hint(&document.origin, message, "put it in quotes");
                    continue;
                }
            };
            if !encoded {
                layer.insert(entry.key.clone(), text.to_string());
                continue;
            }
            // Line breaks inside are usual: `base64` of the command line makes them.
            let compact: String = text.split_whitespace().collect();
            match STANDARD.decode(compact).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(decoded) => {
                    layer.insert(entry.key.clone(), decoded);
                }
                None => {
                    let message = format!("`data.{}` of the Secret is not text in base64", entry.key);
                    table.wrong_with_hint(&document.origin, message, "write text as it is below `stringData`");
                }
            }
        }
    }
    layer
}

fn artifact(document: &Document, problems: &Problems) -> Option<Artifact> {
    let table = Table::of(&document.node, String::new(), problems)?;
    for known in ["apiVersion", "kind", "metadata", "status"] {
        table.skip(known);
    }
    let Some(spec) = table.table("spec") else {
        problems.add(Problem::at(&document.origin, "`spec.image` is missing"));
        return None;
    };
    let image = spec.required("image")?.to_string();
    let pull_secret = spec.table("imagePullSecret").and_then(|secret| {
        let name = secret.required("name")?.to_string();
        secret.end();
        Some(name)
    });
    spec.end();
    table.end();
    Some(Artifact { image, pull_secret })
}
