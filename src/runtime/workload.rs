//! The one model of what runs, whatever brought it: the dev loop, a manifest, a scheduler, an
//! embedder.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

pub use super::network::policy::{LoopbackPort, LoopbackSockets, Rules};

/// Components that belong together, with what they may use.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    /// Who it belongs to; with the name it identifies the workload's data.
    pub namespace: String,
    /// What it is called; unique in the namespace.
    pub name: String,
    /// Free notes for people and tools.
    pub annotations: BTreeMap<String, String>,
    /// The components. The first that exports an HTTP handler gets the requests.
    pub components: Vec<Component>,
    /// What runs for as long as the workload, beside its components.
    pub service: Option<Service>,
    /// Capabilities it declares, with their configuration.
    pub host_interfaces: Vec<HostInterface>,
    /// Folders that components may mount, by name.
    pub volumes: Vec<Volume>,
}

impl Workload {
    /// The name of the workload's data in every capability.
    pub fn id(&self) -> WorkloadId {
        WorkloadId(format!("{}/{}", self.namespace, self.name).into())
    }
}

/// Identifies a workload on a host, and its data in every capability: `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkloadId(Arc<str>);

impl WorkloadId {
    /// Stands for data that no workload has for itself, because the operator gave it a name that
    /// several may use. No workload has this identifier: theirs have a slash.
    pub(crate) fn shared() -> Self {
        WorkloadId("shared".into())
    }

    /// Whether this is [`WorkloadId::shared`].
    pub(crate) fn is_shared(&self) -> bool {
        &*self.0 == "shared"
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One component of a workload.
#[derive(Clone, Debug, Default)]
pub struct Component {
    /// What it is called in messages; unique in the workload.
    pub name: String,
    /// The component's bytes.
    pub bytes: Arc<[u8]>,
    /// The digest of the bytes, `sha256:…`: the key of everything that is cached for them. A host that is
    /// given an empty one works it out.
    pub digest: String,
    /// What only this component has.
    pub local: LocalResources,
    /// How many instances are kept warm; 0: a new one for every call.
    pub pool_size: u32,
    /// The most calls at one time; 0: the host's default.
    pub max_invocations: u32,
    /// The most requests that a kept instance works on at the same time, where its WASI generation
    /// (0.3) has that; 0: one.
    pub max_concurrency: u32,
}

impl Component {
    /// A component with this name, these bytes and nothing else.
    pub fn new(name: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Component { name: name.into(), bytes: bytes.into(), ..Component::default() }
    }
}

/// A component that is started once and runs on.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// It exports `wasi:cli/run`, or one interface with one function that needs no arguments.
    pub component: Component,
    /// How often it is started again after it has failed, in a row.
    pub max_restarts: u64,
}

/// What one component has for itself and no other member of the workload sees.
///
/// `Debug` shows of environment and configuration only the names: values may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LocalResources {
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// What `wasi:config` returns.
    pub config: BTreeMap<String, String>,
    /// What `wasmcloud:secrets` returns.
    pub secrets: Secrets,
    /// Volumes of the workload that it sees.
    pub volume_mounts: Vec<VolumeMount>,
    /// The most memory of an instance, in MiB; `None`: the host's default.
    pub memory_limit_mb: Option<u64>,
    /// The most that all of its calls together run for, in percent of one core; `None`: any.
    pub cpu_limit: Option<u32>,
    /// What it may reach on the network.
    pub network: Rules,
}

impl std::fmt::Debug for LocalResources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let LocalResources { environment, config, secrets, volume_mounts, memory_limit_mb, cpu_limit, network } = self;
        f.debug_struct("LocalResources")
            .field("environment", &Names(environment))
            .field("config", &Names(config))
            .field("secrets", secrets)
            .field("volume_mounts", volume_mounts)
            .field("memory_limit_mb", memory_limit_mb)
            .field("cpu_limit", cpu_limit)
            .field("network", network)
            .finish()
    }
}

/// Shows what is set, and not to what: a panic prints such things, and nobody knows which of them are secret.
struct Names<'a>(&'a BTreeMap<String, String>);

impl std::fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Secrets by their names. Never shown, also not by `Debug`, and wiped from memory when the last copy is
/// dropped. Clones share the same memory.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, Secret>);

/// What is secret: text, or any bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secrets {
    /// Adds a secret, or replaces the one that has this name.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.0.insert(name.into(), Secret(Arc::new(Zeroizing::new(value.into()))));
    }

    /// The names of all secrets, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }

    /// Adds all of these, which replace those of the same names.
    pub(crate) fn extend(&mut self, others: Secrets) {
        self.0.extend(others.0);
    }
}

impl Secret {
    /// The secret itself.
    pub(crate) fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl<N: Into<String>, V: Into<Vec<u8>>> FromIterator<(N, V)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(all: I) -> Self {
        let mut secrets = Secrets::default();
        all.into_iter().for_each(|(name, value)| secrets.insert(name, value));
        secrets
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A folder that components may mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// What mounts call it.
    pub name: String,
    /// The folder on this machine, absolute.
    pub host_path: PathBuf,
}

/// A volume in the file system of one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeMount {
    /// The volume's name.
    pub volume: String,
    /// Where the component finds it, absolute.
    pub mount_path: String,
    /// Whether the component may only read.
    pub read_only: bool,
}

/// A capability that a workload declares, with its configuration, of which `Debug` shows only the names:
/// values may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HostInterface {
    /// e.g. `wasmcloud`
    pub namespace: String,
    /// e.g. `messaging`
    pub package: String,
    /// The identifier that a component opens, or the name under which it imports the interface, to get
    /// what this entry configures, where there are several for one package; e.g. `sessions`.
    pub name: Option<String>,
    /// e.g. `consumer`, `handler`; empty: all of the package.
    pub interfaces: Vec<String>,
    /// e.g. `0.2.0`; `None`: the newest that the host has.
    pub version: Option<String>,
    /// Settings of the capability.
    pub config: BTreeMap<String, String>,
}

impl std::fmt::Debug for HostInterface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let HostInterface { namespace, package, name, interfaces, version, config } = self;
        f.debug_struct("HostInterface")
            .field("namespace", namespace)
            .field("package", package)
            .field("name", name)
            .field("interfaces", interfaces)
            .field("version", version)
            .field("config", &Names(config))
            .finish()
    }
}

impl HostInterface {
    /// Whether this is an entry for `namespace:package`.
    pub fn is(&self, namespace: &str, package: &str) -> bool {
        self.namespace == namespace && self.package == package
    }
}
