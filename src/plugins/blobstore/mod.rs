//! `wasi:blobstore`: containers of objects.
//!
//! [`host`] is what guests call, [`backend::Backend`] what keeps the data. Every workload has its own
//! containers; the data belongs to the host and outlives the instances and versions that use it.

mod backend;
mod backends;
#[cfg(test)]
mod conformance;
pub mod host;
pub mod incoming;
pub mod look;
pub mod names;
pub mod outgoing;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::runtime::workload::{HostInterface, Workload, WorkloadId};

use super::entry;
use super::remote::{Home, ServerUrl, Servers};
pub use backend::{Backend, ContainerId, ObjectInfo};
pub use backends::object_place::ObjectPlace;
use backends::{file::Folder, memory::Memory, nats::NatsObjects, objects::Objects};

/// The largest object that is kept in memory, in bytes.
pub const MAX_OBJECT_IN_MEMORY: usize = 256 << 20;
/// The most that `incoming-value-consume-sync` returns, in bytes; a guest reads more as a stream.
pub const MAX_CONSUME_SYNC: u64 = 256 << 20;

/// Where a host keeps blobs for which a workload does not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// In memory, until the process ends.
    #[default]
    Memory,
    /// In a folder, absolute, which is made when it is missing.
    Folder(PathBuf),
    /// In object stores of NATS.
    Nats(ServerUrl),
    /// In a bucket of S3, Google Cloud Storage or Azure.
    Objects(ObjectPlace),
}

/// The settings of entries for `wasi:blobstore` that every backend has.
const SETTINGS: &[&str] = &["backend", "bucket", "buckets", "max_object_mb", "read_only"];
const BACKENDS: &str =
    "the backends of `wasi:blobstore` are `memory`, `filesystem`, `nats`, and `s3`, `gcs`, `azure` with a `url`";

/// The capability on one host.
#[derive(Clone)]
pub struct Blobstore {
    storage: Storage,
    servers: Servers,
    default: Arc<dyn Backend>,
    memory: Arc<Memory>,
}

impl Blobstore {
    /// Opens the storage. A server is connected to when it is used.
    ///
    /// Fails when a folder cannot be used, or another process uses it; and with a server outside of a
    /// tokio runtime.
    pub fn new(storage: &Storage, servers: &Servers) -> Result<Self> {
        let memory = Arc::new(Memory::new(MAX_OBJECT_IN_MEMORY));
        let default = open(storage, servers, &memory)?;
        Ok(Blobstore { storage: storage.clone(), servers: servers.clone(), default, memory })
    }

    /// The same capability with another storage. What is in memory stays there.
    pub fn with(&self, storage: &Storage, servers: &Servers) -> Result<Self> {
        let default = open(storage, servers, &self.memory)?;
        Ok(Blobstore { storage: storage.clone(), servers: servers.clone(), default, memory: self.memory.clone() })
    }

    /// Validates the workload's entries for `wasi:blobstore`, and opens their backends.
    pub fn configure(&self, workload: &Workload) -> Result<ForComponent> {
        let entries = entry::by_name(workload, "wasi", "blobstore")?;
        let unnamed = match entries.unnamed {
            Some(entry) => self.place(entry)?,
            None => Place {
                backend: self.default.clone(),
                shared: None,
                max_object: None,
                read_only: false,
                containers: None,
            },
        };
        let named = entries.named.into_iter().map(|(name, entry)| Ok((name.to_string(), self.place(entry)?)));
        let named = named.collect::<Result<BTreeMap<String, Place>>>()?;
        let component = |unnamed| ForComponent {
            workload: workload.id(),
            unnamed,
            named: BTreeMap::new(),
            labels: BTreeMap::new(),
        };
        let labels = named.iter().map(|(name, place)| (name.clone(), component(place.clone()))).collect();
        Ok(ForComponent { named, labels, ..component(unnamed) })
    }

    /// Where the containers of an entry are.
    fn place(&self, entry: &HostInterface) -> Result<Place> {
        let shared = entry::setting(entry, "bucket", |name| ContainerId::new(WorkloadId::shared(), name))?;
        let max_object = entry::setting(entry, "max_object_mb", |text| match text.parse::<u64>() {
            Ok(mb @ 1..) => Ok(mb.saturating_mul(1 << 20)),
            _ => Err(format!("`{text}` is no number of MiB")),
        })?;
        let read_only = entry::flag(entry, "read_only")?;
        let containers = entry::names_in(entry, "buckets")?.map(Arc::new);
        Ok(Place { backend: self.backend(entry)?, shared, max_object, read_only, containers })
    }

    fn backend(&self, entry: &HostInterface) -> Result<Arc<dyn Backend>> {
        let config = &entry.config;
        let scheme = config.get("url").and_then(|url| url.split_once("://")).map(|(scheme, _)| scheme);
        let backend = match (config.get("backend").map(String::as_str), scheme) {
            (Some("in-memory" | "in_memory"), _) => "memory",
            (Some("file"), _) => "filesystem",
            (Some(named), _) => named,
            (None, Some("nats" | "tls")) => "nats",
            (None, _) if config.contains_key("url") => "object store",
            (None, _) if config.contains_key("root") => "filesystem",
            (None, _) => {
                entry::check_settings(entry, SETTINGS)?;
                return Ok(self.default.clone());
            }
        };
        let with = |more: &[&'static str]| [SETTINGS, more].concat();
        match backend {
            "memory" => {
                entry::check_backend_settings(entry, backend, &with(&[]))?;
                Ok(self.memory.clone())
            }
            "filesystem" => {
                entry::check_backend_settings(entry, backend, &with(&["root"]))?;
                match (entry::setting(entry, "root", absolute)?, &self.storage) {
                    (Some(root), _) => Ok(Folder::open(&root)?),
                    (None, Storage::Folder(_)) => Ok(self.default.clone()),
                    (None, _) => Err(missing("root", backend, "a folder")),
                }
            }
            "nats" => {
                entry::check_backend_settings(entry, backend, &with(&["url"]))?;
                match (entry::setting(entry, "url", ServerUrl::nats)?, &self.storage) {
                    (None, Storage::Nats(_)) => Ok(self.default.clone()),
                    (url, _) => {
                        let url = url.or_else(|| self.servers.nats_url.clone());
                        let url = url.ok_or_else(|| missing("url", backend, "e.g. `nats://127.0.0.1:4222`"))?;
                        Ok(Arc::new(NatsObjects::new(self.servers.connections.nats(&url)?)))
                    }
                }
            }
            "object store" | "s3" | "gcs" | "azure" => {
                // All other settings are those of the store: region, endpoint, keys and many more.
                let mut options = config.clone();
                options.retain(|key, _| key != "url" && !SETTINGS.contains(&key.as_str()));
                let place = entry::setting(entry, "url", |url| ObjectPlace::new(url, options))?;
                let place = place.ok_or_else(|| missing("url", backend, "e.g. `s3://bucket/folder`"))?;
                open_objects(&place, &self.servers)
            }
            other => Err(Error::usage(format!("`wasi:blobstore` has no backend `{other}`")).hint(BACKENDS)),
        }
    }

    /// Drops what is only in memory.
    pub fn forget(&self, workload: &WorkloadId) {
        self.memory.forget(workload);
    }

    /// Deletes all data that a workload has for itself in memory and in the host's storage. What is
    /// in the backends of its own entries stays.
    pub async fn clear(&self, workload: &WorkloadId) -> Result<()> {
        self.forget(workload);
        self.default
            .clear(workload)
            .await
            .map_err(|error| Error::failed(format!("cannot delete the blobs of `{workload}`")).cause(error))
    }
}

fn open(storage: &Storage, servers: &Servers, memory: &Arc<Memory>) -> Result<Arc<dyn Backend>> {
    Ok(match storage {
        Storage::Memory => memory.clone(),
        Storage::Folder(folder) => Folder::open(folder)?,
        Storage::Nats(url) => Arc::new(NatsObjects::new(servers.connections.nats(url)?)),
        Storage::Objects(place) => open_objects(place, servers)?,
    })
}

fn open_objects(place: &ObjectPlace, servers: &Servers) -> Result<Arc<dyn Backend>> {
    let opened = place.open(servers.environment.values());
    let (store, folder) = opened.map_err(|error| {
        Error::usage(format!("the object store {place} cannot be used")).cause(error).hint(
            "its options are those of the crate `object_store`, e.g. `region`, `endpoint`, `access_key_id`; \
             variables such as `AWS_REGION` count, too",
        )
    })?;
    Ok(Arc::new(Objects::new(store, folder, place.to_string(), Home::here()?)))
}

fn absolute(folder: &str) -> Result<PathBuf, String> {
    match Path::new(folder).is_absolute() {
        true => Ok(folder.into()),
        false => Err(format!("`{folder}` is not an absolute path")),
    }
}

fn missing(setting: &str, backend: &str, what: &str) -> Error {
    Error::usage(format!("the backend `{backend}` of `wasi:blobstore` needs the setting `{setting}`"))
        .hint(format!("add `{setting}: …` to the `config` of the entry: {what}"))
}

/// What a component is given.
#[derive(Clone)]
pub struct ForComponent {
    workload: WorkloadId,
    /// For containers that no entry has as its name.
    unnamed: Place,
    named: BTreeMap<String, Place>,
    /// What it is given by imports under a name of its own, where an entry has this name: there every
    /// container is that entry's.
    labels: BTreeMap<String, ForComponent>,
}

/// Where containers are.
#[derive(Clone)]
struct Place {
    backend: Arc<dyn Backend>,
    /// The one container that is used, whatever the component calls it: it is shared by all who are
    /// given it. Without one, the workload has containers of its own.
    shared: Option<ContainerId>,
    /// The largest object, in bytes.
    max_object: Option<u64>,
    /// Whether the component may change nothing.
    read_only: bool,
    /// The only containers that it may use; `None`: all.
    containers: Option<Arc<BTreeSet<String>>>,
}

impl ForComponent {
    /// Where a container is. Fails where the operator has not listed it.
    fn place(&self, name: &str) -> Result<&Place, String> {
        let place = self.named.get(name).unwrap_or(&self.unnamed);
        match place.containers.as_ref().is_some_and(|listed| !listed.contains(name)) {
            true => Err(format!("access denied: the container `{name}` is not among the `buckets` of the settings")),
            false => Ok(place),
        }
    }

    /// What an import under this name is given.
    fn of_label(&self, label: &str) -> &ForComponent {
        self.labels.get(label).unwrap_or(self)
    }

    /// The one backend of the component, if it has only one.
    fn only_backend(&self) -> Option<&Arc<dyn Backend>> {
        self.named.is_empty().then_some(&self.unnamed.backend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::tests::workload;

    fn refused(config: &[(&str, &str)]) -> String {
        let entry = HostInterface {
            namespace: "wasi".into(),
            package: "blobstore".into(),
            config: config.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            ..HostInterface::default()
        };
        let workload = Workload { host_interfaces: vec![entry], ..workload("default", "a") };
        let blobstore = Blobstore::new(&Storage::Memory, &Servers::default()).unwrap();
        let error = blobstore.configure(&workload).err().unwrap();
        format!("{error}; {}", error.hints().join("; "))
    }

    #[test]
    fn what_is_wrong_with_an_entry_is_said_with_what_would_be_right() {
        assert!(refused(&[("backend", "ftp")]).contains("has no backend `ftp`; the backends of `wasi:blobstore` are"));
        assert!(refused(&[("backend", "s3")]).contains("needs the setting `url`"));
        assert!(refused(&[("backend", "nats")]).contains("needs the setting `url`"));
        assert!(refused(&[("backend", "memory"), ("root", "/x")]).contains("has no setting `root`"));
        assert!(refused(&[("bucket", "a/b")]).contains("cannot be the name of a container"));
        assert!(refused(&[("read_only", "no")]).contains("write `true` or `false`"));
        assert!(refused(&[("max_object_mb", "0")]).contains("`0` is no number of MiB"));
        assert!(
            refused(&[("url", "http://user:secret@host")]).contains("the setting `url` of `wasi:blobstore` is wrong")
        );
        let unknown = refused(&[("url", "s3://bucket"), ("acces_key", "s3cret")]);
        assert!(unknown.contains("`s3:` has no option `acces_key`") && !unknown.contains("s3cret"), "{unknown}");
    }
}
