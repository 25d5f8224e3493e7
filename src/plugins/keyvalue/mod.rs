//! `wasi:keyvalue`: buckets of keys and values.
//!
//! [`host`] is what guests call, [`backend::Backend`] what keeps the data. Every workload has its own
//! buckets; the data belongs to the host and outlives the instances and versions that use it.

mod backend;
mod backends;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod conformance_watch;
mod cursors;
pub mod draft2;
pub mod host;
pub mod look;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error as WashError, Result};
use crate::runtime::workload::{HostInterface, Workload, WorkloadId};

use super::entry;
use super::remote::{ServerUrl, Servers};
pub use backend::{Backend, BucketId};
use backend::{Begun, Error, MAX_VALUE_BYTES, Scope};
use backends::{file::File, memory::Memory, nats::NatsBuckets, redis::RedisBuckets};
use cursors::Cursors;
use watch::{Source, Watched, Watchers};

/// Where a host keeps key-value data for which a workload does not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// In memory, until the process ends.
    #[default]
    Memory,
    /// In a folder, absolute, which is made when it is missing.
    Folder(PathBuf),
    /// In buckets of NATS.
    Nats(ServerUrl),
    /// In Redis.
    Redis(ServerUrl),
}

/// The settings of an entry for `wasi:keyvalue`.
const SETTINGS: &[&str] = &["backend", "bucket", "buckets", "max_value_mb", "prefix", "read_only", "root", "url"];
/// Those that every backend has.
const OF_ALL: &[&str] = &["bucket", "buckets", "max_value_mb", "read_only"];
/// How long a workload waits until its changes are watched; longer than connecting takes.
const BEGIN_TO_WATCH: Duration = Duration::from_secs(8);
const BACKENDS: &str = "the backends of `wasi:keyvalue` are `memory`, `filesystem`, `nats`, `redis`";

/// The capability on one host.
#[derive(Clone)]
pub struct Keyvalue {
    storage: Storage,
    servers: Servers,
    default: Arc<dyn Backend>,
    memory: Arc<Memory>,
    cursors: Arc<Cursors>,
    watchers: Arc<Watchers>,
}

impl Keyvalue {
    /// Opens the storage. A server is connected to when it is used.
    ///
    /// Fails when a folder cannot be used, or another process uses it; and with a server outside of a
    /// tokio runtime.
    pub fn new(storage: &Storage, servers: &Servers) -> Result<Self> {
        let memory = Arc::<Memory>::default();
        let default = open(storage, servers, &memory)?;
        Ok(Keyvalue {
            storage: storage.clone(),
            servers: servers.clone(),
            default,
            memory,
            cursors: Arc::default(),
            watchers: Arc::default(),
        })
    }

    /// The same capability with another storage. What is in memory stays there.
    pub fn with(&self, storage: &Storage, servers: &Servers) -> Result<Self> {
        let default = open(storage, servers, &self.memory)?;
        Ok(Keyvalue { storage: storage.clone(), servers: servers.clone(), default, ..self.clone() })
    }

    /// Validates the workload's entries for `wasi:keyvalue`, and opens their backends.
    pub fn configure(&self, workload: &Workload) -> Result<ForComponent> {
        let entries = entry::by_name(workload, "wasi", "keyvalue")?;
        let unnamed = match entries.unnamed {
            Some(entry) => self.place(entry)?,
            None => Place { backend: self.default.clone(), bucket: None, rules: Arc::default() },
        };
        let named = entries.named.into_iter().map(|(name, entry)| Ok((name.to_string(), self.place(entry)?)));
        let places = Places { workload: workload.id(), unnamed, named: named.collect::<Result<_>>()? };
        let component = |places| {
            let (cursors, watchers) = (self.cursors.clone(), self.watchers.clone());
            ForComponent { places, cursors, watchers, labels: BTreeMap::new() }
        };
        let labels = places.named.iter().map(|(name, place)| {
            let (workload, unnamed) = (places.workload.clone(), place.clone());
            (name.clone(), component(Places { workload, unnamed, named: BTreeMap::new() }))
        });
        let labels = labels.collect();
        Ok(ForComponent { labels, ..component(places) })
    }

    /// Who is told of changes.
    pub fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    /// Begins to watch what a workload may open and a server keeps, for its component `watcher`. What is
    /// watched already stays watched, without a gap. A server that cannot be reached is no failure: it is
    /// tried again.
    ///
    /// Fails when a server does not let us watch.
    pub async fn watch(&self, workload: &Workload, watcher: &str) -> Result<Watched> {
        let configured = self.configure(workload)?;
        let mut watched = Watched { places: configured.places, feeds: BTreeMap::new() };
        let places = std::iter::once(&watched.places.unnamed).chain(watched.places.named.values());
        for place in places {
            let Some(changes) = place.backend.changes() else { continue };
            let scope = match &place.bucket {
                Some(name) => Scope::Shared(name.clone()),
                None => Scope::Workload(watched.places.workload.clone()),
            };
            let source = Source { place: changes.place(), scope };
            if watched.feeds.contains_key(&source) {
                continue;
            }
            let feed = self.watchers.feed(&workload.id(), &source, changes);
            match tokio::time::timeout(BEGIN_TO_WATCH, feed.begun()).await {
                Ok(Begun::Watching) => {}
                Ok(Begun::Later(reason)) => tracing::warn!("`{watcher}` is told of no changes yet: {reason}"),
                Err(_) => tracing::warn!("`{watcher}` is told of no changes yet: the server does not answer"),
                Ok(Begun::Refused(reason)) => {
                    return Err(WashError::failed(format!("`{watcher}` cannot be told of changes of keys"))
                        .cause(reason)
                        .hint(watch::PERMISSION));
                }
            }
            watched.feeds.insert(source, feed);
        }
        Ok(watched)
    }

    /// Where the buckets of an entry are.
    fn place(&self, entry: &HostInterface) -> Result<Place> {
        entry::check_settings(entry, SETTINGS)?;
        let bucket = entry::setting(entry, "bucket", |name| match name {
            "" => Err("it is empty".into()),
            name => Ok(Arc::<str>::from(name)),
        })?;
        let max_value = entry::setting(entry, "max_value_mb", |text| match text.parse::<usize>() {
            Ok(mb) if (1..=MAX_VALUE_BYTES >> 20).contains(&mb) => Ok(mb << 20),
            _ => Err(format!("`{text}` is no number of MiB from 1 to {}", MAX_VALUE_BYTES >> 20)),
        })?;
        let rules = Rules {
            read_only: entry::flag(entry, "read_only")?,
            buckets: entry::names_in(entry, "buckets")?,
            max_value: max_value.unwrap_or(MAX_VALUE_BYTES),
        };
        Ok(Place { backend: self.backend(entry)?, bucket, rules: Arc::new(rules) })
    }

    fn backend(&self, entry: &HostInterface) -> Result<Arc<dyn Backend>> {
        let config = &entry.config;
        let scheme = config.get("url").and_then(|url| url.split_once("://")).map(|(scheme, _)| scheme);
        let backend = match (config.get("backend").map(String::as_str), scheme) {
            (Some(named), _) => named,
            (None, Some("nats" | "tls")) => "nats",
            (None, Some("redis" | "rediss")) => "redis",
            (None, _) if config.contains_key("url") => {
                return Err(WashError::usage("the `url` of `wasi:keyvalue` is no address of NATS or Redis")
                    .hint("write it like `nats://127.0.0.1:4222` or `redis://127.0.0.1:6379`"));
            }
            (None, _) if config.contains_key("root") => "filesystem",
            (None, _) if config.contains_key("prefix") => "redis",
            (None, _) => return Ok(self.default.clone()),
        };
        let settings: &[&str] = match backend {
            "memory" | "in-memory" | "in_memory" => &[],
            "filesystem" | "file" => &["root"],
            "nats" => &["url"],
            "redis" => &["prefix", "url"],
            other => {
                return Err(WashError::usage(format!("`wasi:keyvalue` has no backend `{other}`")).hint(BACKENDS));
            }
        };
        entry::check_backend_settings(entry, backend, &[OF_ALL, settings].concat())?;
        match backend {
            "filesystem" | "file" => match (entry::setting(entry, "root", absolute)?, &self.storage) {
                (Some(root), _) => Ok(File::open(&root)?),
                (None, Storage::Folder(_)) => Ok(self.default.clone()),
                (None, _) => Err(missing("root", "filesystem", "a folder")),
            },
            "nats" => match (entry::setting(entry, "url", ServerUrl::nats)?, &self.storage) {
                (None, Storage::Nats(_)) => Ok(self.default.clone()),
                (url, _) => {
                    let url = url.or_else(|| self.servers.nats_url.clone());
                    let url = url.ok_or_else(|| missing("url", "nats", "e.g. `nats://127.0.0.1:4222`"))?;
                    Ok(Arc::new(NatsBuckets::new(self.servers.connections.nats(&url)?)))
                }
            },
            "redis" => {
                let url = entry::setting(entry, "url", ServerUrl::redis)?;
                let url = url.or_else(|| match &self.storage {
                    Storage::Redis(url) => Some(url.clone()),
                    _ => None,
                });
                let url = url.ok_or_else(|| missing("url", "redis", "e.g. `redis://127.0.0.1:6379`"))?;
                let server = self.servers.connections.redis(&url)?;
                Ok(Arc::new(RedisBuckets::new(server, config.get("prefix").cloned())))
            }
            _ => Ok(self.memory.clone()),
        }
    }

    /// Drops what is only in memory.
    pub fn forget(&self, workload: &WorkloadId) {
        self.memory.forget(workload);
        self.watchers.forget(workload);
        self.cursors.forget(workload);
    }

    /// Deletes all data that a workload has for itself in memory and in the host's storage. What is
    /// in the backends of its own entries stays.
    pub async fn clear(&self, workload: &WorkloadId) -> Result<()> {
        self.forget(workload);
        self.default.clear(workload).await.map_err(|error| {
            WashError::failed(format!("cannot delete the key-value data of `{workload}`")).cause(error.to_string())
        })
    }
}

fn open(storage: &Storage, servers: &Servers, memory: &Arc<Memory>) -> Result<Arc<dyn Backend>> {
    Ok(match storage {
        Storage::Memory => memory.clone(),
        Storage::Folder(folder) => File::open(folder)?,
        Storage::Nats(url) => Arc::new(NatsBuckets::new(servers.connections.nats(url)?)),
        Storage::Redis(url) => Arc::new(RedisBuckets::new(servers.connections.redis(url)?, None)),
    })
}

fn absolute(folder: &str) -> Result<PathBuf, String> {
    match Path::new(folder).is_absolute() {
        true => Ok(folder.into()),
        false => Err(format!("`{folder}` is not an absolute path")),
    }
}

fn missing(setting: &str, backend: &str, what: &str) -> WashError {
    WashError::usage(format!("the backend `{backend}` of `wasi:keyvalue` needs the setting `{setting}`"))
        .hint(format!("add `{setting}: …` to the `config` of the entry: {what}"))
}

/// What a component is given.
#[derive(Clone)]
pub struct ForComponent {
    places: Places,
    cursors: Arc<Cursors>,
    watchers: Arc<Watchers>,
    /// What it is given by imports under a name of its own, where an entry has this name: there every
    /// identifier is for that entry.
    labels: BTreeMap<String, ForComponent>,
}

/// Where the buckets of a workload are.
#[derive(Clone)]
struct Places {
    workload: WorkloadId,
    /// For identifiers that no entry has as its name.
    unnamed: Place,
    named: BTreeMap<String, Place>,
}

/// Where buckets are.
#[derive(Clone)]
struct Place {
    backend: Arc<dyn Backend>,
    /// The one bucket that is opened, whatever the component calls it: it is shared by all who are
    /// given it. Without one, the workload has buckets of its own.
    bucket: Option<Arc<str>>,
    rules: Arc<Rules>,
}

/// What a component may do with the buckets of an entry.
#[derive(Clone, Debug)]
pub struct Rules {
    /// It may change nothing.
    read_only: bool,
    /// The only identifiers that it may open; `None`: all.
    buckets: Option<BTreeSet<String>>,
    /// The largest value, in bytes.
    max_value: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { read_only: false, buckets: None, max_value: MAX_VALUE_BYTES }
    }
}

impl ForComponent {
    /// What an identifier opens. Fails where the operator has not listed it.
    fn bucket(&self, identifier: &str) -> Result<host::Bucket, Error> {
        self.places.bucket(identifier, &self.watchers)
    }

    /// What an import under this name is given.
    fn of_label(&self, label: &str) -> &ForComponent {
        self.labels.get(label).unwrap_or(self)
    }
}

impl Places {
    fn place(&self, identifier: &str) -> &Place {
        self.named.get(identifier).unwrap_or(&self.unnamed)
    }

    fn bucket(&self, identifier: &str, watchers: &Arc<Watchers>) -> Result<host::Bucket, Error> {
        let place = self.place(identifier);
        if place.rules.buckets.as_ref().is_some_and(|allowed| !allowed.contains(identifier)) {
            return Err(Error::AccessDenied);
        }
        Ok(self.at(place, identifier, watchers))
    }

    fn at(&self, place: &Place, identifier: &str, watchers: &Arc<Watchers>) -> host::Bucket {
        let id = match &place.bucket {
            Some(name) => BucketId { workload: WorkloadId::shared(), name: name.clone() },
            None => BucketId { workload: self.workload.clone(), name: identifier.into() },
        };
        host::Bucket {
            id,
            backend: place.backend.clone(),
            rules: place.rules.clone(),
            opened_by: self.workload.clone(),
            watchers: watchers.clone(),
        }
    }

    /// The bucket that a server tells of, as components of the workload would open it; `None` where they
    /// could not.
    fn told_of(&self, source: &Source, id: &BucketId, watchers: &Arc<Watchers>) -> Option<host::Bucket> {
        let is_it = |place: &&Place| place.backend.changes().is_some_and(|changes| changes.place() == source.place);
        match &source.scope {
            Scope::Workload(_) => {
                let own = |place: &&Place| place.bucket.is_none() && is_it(place);
                if own(&self.place(&id.name)) {
                    return self.bucket(&id.name, watchers).ok();
                }
                // Where an entry's name is that of an import, all identifiers are for it.
                let place = self.named.values().find(own)?;
                Some(self.at(place, &id.name, watchers))
            }
            Scope::Shared(name) => {
                let mut all = std::iter::once(&self.unnamed).chain(self.named.values());
                let place = all.find(|place| place.bucket.as_ref() == Some(name) && is_it(place))?;
                Some(self.at(place, name, watchers))
            }
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::plugins::tests::workload;
    use bytes::Bytes;

    /// The capability in memory.
    pub fn in_memory() -> Keyvalue {
        Keyvalue::new(&Storage::Memory, &Servers::default()).unwrap()
    }

    /// Name and settings of an entry.
    type Entry<'a> = (Option<&'a str>, &'a [(&'a str, &'a str)]);

    fn with_entries(name: &str, entries: &[Entry<'_>]) -> Workload {
        let entry = |(name, config): &Entry<'_>| HostInterface {
            namespace: "wasi".into(),
            package: "keyvalue".into(),
            name: name.map(String::from),
            config: config.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            ..HostInterface::default()
        };
        Workload { host_interfaces: entries.iter().map(entry).collect(), ..workload("default", name) }
    }

    fn refused(config: &[(&str, &str)]) -> String {
        let error = in_memory().configure(&with_entries("a", &[(None, config)])).err().unwrap();
        format!("{}; {}", error.message(), error.hints().join("; "))
    }

    async fn set(state: &ForComponent, identifier: &str, value: &'static str) {
        let host::Bucket { id, backend, .. } = state.bucket(identifier).unwrap();
        backend.set_many(&id, vec![("k".into(), Bytes::from(value))]).await.unwrap();
    }

    async fn get(state: &ForComponent, identifier: &str) -> Option<Bytes> {
        let host::Bucket { id, backend, .. } = state.bucket(identifier).unwrap();
        backend.get_many(&id, &["k".into()]).await.unwrap().pop().unwrap()
    }

    #[tokio::test]
    async fn the_name_of_an_entry_is_the_identifier_that_opens_its_backend() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let keyvalue = in_memory();
        let entries =
            with_entries("a", &[(Some("cache"), &[("backend", "memory")]), (Some("orders"), &[("root", root)])]);
        let state = keyvalue.configure(&entries).unwrap();
        for identifier in ["cache", "orders", "other"] {
            set(&state, identifier, "v").await;
        }
        // Memory ends with the workload, the folder does not.
        keyvalue.forget(&entries.id());
        assert_eq!(get(&state, "cache").await, None);
        assert_eq!(get(&state, "other").await, None);
        assert_eq!(get(&state, "orders").await.unwrap(), "v");
    }

    #[tokio::test]
    async fn a_bucket_that_the_operator_names_is_shared_and_no_other() {
        let keyvalue = in_memory();
        let entries: &[Entry<'_>] = &[(Some("common"), &[("bucket", "prices")])];
        let one = keyvalue.configure(&with_entries("one", entries)).unwrap();
        let two = keyvalue.configure(&with_entries("two", entries)).unwrap();
        let stranger = keyvalue.configure(&workload("default", "stranger")).unwrap();
        set(&one, "common", "v").await;
        set(&one, "prices", "own").await;
        assert_eq!(get(&two, "common").await.unwrap(), "v");
        assert_eq!(get(&two, "prices").await, None);
        assert_eq!(get(&stranger, "common").await, None);
        assert_eq!(get(&stranger, "prices").await, None);
    }

    #[test]
    fn only_listed_buckets_can_be_opened() {
        let entries: &[Entry<'_>] = &[(None, &[("buckets", "orders, carts")])];
        let state = in_memory().configure(&with_entries("a", entries)).unwrap();
        assert!(state.bucket("orders").is_ok() && state.bucket("carts").is_ok());
        assert_eq!(state.bucket("other").err(), Some(Error::AccessDenied));
    }

    #[test]
    fn what_is_wrong_with_an_entry_is_said_with_what_would_be_right() {
        assert_eq!(
            refused(&[("backend", "mongo")]),
            "`wasi:keyvalue` has no backend `mongo`; \
             the backends of `wasi:keyvalue` are `memory`, `filesystem`, `nats`, `redis`"
        );
        assert_eq!(
            refused(&[("backend", "redis")]),
            "the backend `redis` of `wasi:keyvalue` needs the setting `url`; \
             add `url: …` to the `config` of the entry: e.g. `redis://127.0.0.1:6379`"
        );
        assert_eq!(
            refused(&[("backend", "memory"), ("url", "redis://secret@host")]),
            "the backend `memory` of `wasi:keyvalue` has no setting `url`; \
             remove `url`, or choose the backend that it is for"
        );
        assert!(refused(&[("url", "http://user:secret@host")]).contains("is no address of NATS or Redis"));
        assert!(refused(&[("backend", "nats"), ("url", "redis://user:secret@host")]).contains("begins with `redis:`"));
        assert!(refused(&[("root", "data")]).contains("`data` is not an absolute path"));
        assert!(refused(&[("bucket", "")]).contains("it is empty"));
        assert!(refused(&[("read_only", "yes")]).contains("write `true` or `false`"));
        assert!(refused(&[("buckets", "a,")]).contains("names with commas"));
        assert!(refused(&[("max_value_mb", "65")]).contains("from 1 to 64"));
    }
}
