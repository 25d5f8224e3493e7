//! The capabilities that components can be given, and the one list of all of them: [`Installed`].
//!
//! A capability's folder has `host.rs` (the one dispatch), `backend.rs` (a small object-safe trait in
//! plain Rust types) and `backends/*.rs`. A backend never sees generated types. Capabilities do not
//! know each other. Data belongs to the host: it is kept under the workload's name, outside of the
//! stores, and outlives the versions of the workload.

pub mod bindings;
pub mod blobstore;
pub mod catalog;
pub mod config;
mod entry;
mod folder;
pub mod host_plugin;
pub mod keyvalue;
pub mod logging;
pub mod messaging;
pub mod otel;
pub mod postgres;
pub mod remote;
#[cfg(test)]
#[path = "../../tests/support/s3.rs"]
mod s3;
pub mod secrets;
#[cfg(test)]
#[path = "../../tests/support/servers.rs"]
mod servers;
pub mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::{Component as Compiled, Linker, LinkerInstance};

use crate::error::{Error, Result};
use crate::runtime::capability::{self, Capabilities, GuestOf};
use crate::runtime::observer::Observer;
use crate::runtime::workload::{Component, Workload, WorkloadId};

use blobstore::Blobstore;
use host_plugin::{BoundPlugins, Guest, Plugins, States};
use keyvalue::Keyvalue;
use messaging::Messaging;
use postgres::Databases;
use remote::{CloudEnvironment, Connections, PostgresUrl, ServerUrl, Servers};
use view::View;

/// What a component calls an import, where it imports an interface under a name of its own.
pub type Label = Arc<str>;

/// Where the capabilities keep their data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstalledOptions {
    /// For `wasi:keyvalue`.
    pub keyvalue: keyvalue::Storage,
    /// For `wasi:blobstore`.
    pub blobstore: blobstore::Storage,
    /// For `wasmcloud:messaging`.
    pub messaging: messaging::Transport,
    /// The NATS server for entries of workloads that ask for NATS and do not say where.
    pub nats_url: Option<ServerUrl>,
    /// The PostgreSQL server of `wasmcloud:postgres`, for components whose workload names no other.
    pub postgres_url: Option<PostgresUrl>,
    /// Variables by which clouds are reached where nothing else says how.
    pub cloud_environment: CloudEnvironment,
}

/// All capabilities of a host. Clones are the same capabilities with the same data.
#[derive(Clone)]
pub struct Installed {
    options: InstalledOptions,
    servers: Servers,
    keyvalue: Keyvalue,
    blobstore: Blobstore,
    messaging: Messaging,
    databases: Databases,
    plugins: Plugins,
    /// What the plugins keep for the components of the workload that is being made ready, by name.
    bound: Arc<BTreeMap<String, BoundPlugins>>,
}

impl Installed {
    /// Opens what the options name. Folders are made when they are missing; servers are connected to
    /// when they are used.
    ///
    /// Fails when a folder cannot be used, or another process uses it; and with a server outside of a
    /// tokio runtime: its connection lives there.
    pub fn new(options: &InstalledOptions) -> Result<Self> {
        let servers = servers_of(options, Connections::default());
        Ok(Installed {
            options: options.clone(),
            keyvalue: Keyvalue::new(&options.keyvalue, &servers)?,
            blobstore: Blobstore::new(&options.blobstore, &servers)?,
            messaging: Messaging::new(&options.messaging, &servers),
            databases: Databases::new(options.postgres_url.clone(), &servers),
            plugins: Plugins::default(),
            bound: Arc::default(),
            servers,
        })
    }

    /// The same capabilities with other options: what the options do not change keeps its data.
    pub fn with(&self, options: &InstalledOptions) -> Result<Self> {
        let servers = servers_of(options, self.servers.connections.clone());
        let mut changed = Installed { options: options.clone(), servers: servers.clone(), ..self.clone() };
        let others =
            options.nats_url != self.options.nats_url || options.cloud_environment != self.options.cloud_environment;
        if others || options.keyvalue != self.options.keyvalue {
            changed.keyvalue = self.keyvalue.with(&options.keyvalue, &servers)?;
        }
        if others || options.messaging != self.options.messaging {
            changed.messaging = self.messaging.with(&options.messaging, &servers);
        }
        changed.databases = Databases::new(options.postgres_url.clone(), &servers);
        if others || options.blobstore != self.options.blobstore {
            changed.blobstore = self.blobstore.with(&options.blobstore, &servers)?;
        }
        Ok(changed)
    }

    /// The same capabilities, and those of an embedder.
    pub(crate) fn with_plugins(self, plugins: Plugins) -> Self {
        Installed { plugins, ..self }
    }

    /// The plugins of an embedder.
    pub(crate) fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// Everything that components can import, as [`catalog::hosted`] and with the plugins' interfaces.
    pub fn hosted(&self) -> Vec<catalog::HostedInterface> {
        let of_plugins = self.plugins.iter().flat_map(|registered| registered.world.hosted());
        let mut all: Vec<_> = catalog::hosted().iter().chain(of_plugins).cloned().collect();
        // Stable: versions of one interface stay in their order.
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// Puts the functions of the plugins into the linker.
    pub fn link_plugins(&self, linker: &mut Linker<Guest>) -> Result<()> {
        self.plugins.iter().try_for_each(|registered| {
            registered.plugin.link(linker).map_err(|error| {
                Error::failed(format!("the plugin `{}` cannot be linked", registered.plugin.id()))
                    .cause(format!("{error:#}"))
            })
        })
    }

    /// The same capabilities, for one workload: with what the plugins keep for its components.
    pub async fn bind(&self, workload: &Workload) -> Result<Self> {
        let bound = self.plugins.bind(workload).await?;
        Ok(Installed { bound: Arc::new(bound), ..self.clone() })
    }

    /// The broker of `wasmcloud:messaging`.
    pub fn messaging(&self) -> &Messaging {
        &self.messaging
    }

    /// The containers of `wasi:blobstore`.
    pub fn blobstore(&self) -> &Blobstore {
        &self.blobstore
    }

    /// The buckets of `wasi:keyvalue`.
    pub fn keyvalue(&self) -> &Keyvalue {
        &self.keyvalue
    }

    /// Drops what a workload has in memory: for a workload that has stopped.
    pub fn forget(&self, workload: &WorkloadId) {
        self.keyvalue.forget(workload);
        self.blobstore.forget(workload);
        self.messaging.forget(workload);
    }

    /// Deletes all data of a workload, in memory and in folders: for a workload that does not run.
    pub async fn fresh(&self, workload: &WorkloadId) -> Result<()> {
        self.forget(workload);
        self.keyvalue.clear(workload).await?;
        self.blobstore.clear(workload).await
    }
}

fn servers_of(options: &InstalledOptions, connections: Connections) -> Servers {
    Servers { connections, nats_url: options.nats_url.clone(), environment: options.cloud_environment.clone() }
}

impl Capabilities for Installed {
    type ForComponent = ForComponent;

    fn link(linker: &mut Linker<GuestOf<Self>>) -> wasmtime::Result<()> {
        keyvalue::host::link(linker, buckets)?;
        keyvalue::draft2::link(linker, buckets)?;
        blobstore::host::link(linker, blobs)?;
        config::link(linker, |guest| View { state: &guest.capabilities.configured.config, table: &mut guest.table })?;
        logging::link(linker, |guest| logging::Speaker {
            state: &guest.capabilities.configured.logging,
            call: guest.output.call(),
        })?;
        otel::link(linker, |guest| otel::Recorder(&guest.capabilities.configured.otel))?;
        messaging::host::link(linker, messages)?;
        postgres::host::link(linker, databases)?;
        secrets::link(linker, secrets)
    }

    fn link_named(linker: &mut Linker<GuestOf<Self>>, component: &Compiled) -> wasmtime::Result<()> {
        postgres::host::link_named(linker, component, databases)?;
        secrets::link_named(linker, component, secrets)
    }

    const PERSONAL: &'static [&'static str] = &[
        "wasi:config/store",
        "wasi:config/runtime",
        "wasi:logging/logging",
        "wasi:otel/tracing",
        "wasi:otel/logs",
        "wasi:otel/metrics",
    ];

    fn link_personal(
        instance: &mut LinkerInstance<'_, GuestOf<Self>>,
        interface: &str,
        member: usize,
    ) -> wasmtime::Result<()> {
        match interface {
            "wasi:logging/logging" => logging::link_personal(instance, move |guest: &mut GuestOf<Self>| {
                let call = guest.output.call();
                logging::Speaker { state: &guest.capabilities_of(member).0.configured.logging, call }
            }),
            "wasi:otel/tracing" | "wasi:otel/logs" | "wasi:otel/metrics" => {
                otel::link_personal(instance, interface, move |guest: &mut GuestOf<Self>| {
                    otel::Recorder(&guest.capabilities_of(member).0.configured.otel)
                })
            }
            interface => config::link_personal(instance, interface, move |guest: &mut GuestOf<Self>| {
                let (own, table) = guest.capabilities_of(member);
                View { state: &own.configured.config, table }
            }),
        }
    }

    fn link_label(linker: &mut Linker<GuestOf<Self>>, label: &str, interface: &str) -> wasmtime::Result<bool> {
        let (name, version) = interface.split_once('@').unwrap_or((interface, ""));
        let (package, part) = name.split_once('/').unwrap_or((name, ""));
        let of: Arc<str> = label.into();
        match (package, part, version) {
            ("wasi:keyvalue", "store" | "atomics" | "batch", "0.2.0-draft") => {
                keyvalue::host::link_label(&mut linker.instance(label)?, part, buckets, of)?;
            }
            ("wasi:keyvalue", "store" | "atomics" | "batch", "0.2.0-draft2") => {
                keyvalue::draft2::link_label(&mut linker.instance(label)?, part, buckets, of)?;
            }
            ("wasi:blobstore", "blobstore", "0.2.0-draft") => {
                blobstore::host::link_label(&mut linker.instance(label)?, blobs, of)?;
            }
            ("wasi:config", "store", "0.2.0-rc.1") | ("wasi:config", "runtime", "0.2.0-draft") => {
                config::link_personal(&mut linker.instance(label)?, name, move |guest: &mut GuestOf<Self>| {
                    let state = guest.capabilities.configured.config.of_label(&of);
                    View { state, table: &mut guest.table }
                })?;
            }
            ("wasmcloud:messaging", "consumer", version) if version.starts_with("0.2.") => {
                messaging::host::link_label(&mut linker.instance(label)?, messages, of)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn configure(
        &self,
        workload: &Workload,
        component: &Component,
        observer: &Arc<dyn Observer>,
    ) -> Result<ForComponent> {
        Ok(ForComponent(Arc::new(Configured {
            keyvalue: self.keyvalue.configure(workload)?,
            blobstore: self.blobstore.configure(workload)?,
            config: config::configure(workload, component),
            logging: logging::configure(workload, component, observer)?,
            otel: otel::configure(workload, component, observer)?,
            messaging: self.messaging.configure(workload)?,
            postgres: self.databases.configure(workload, component)?,
            secrets: secrets::configure(workload, component)?,
            plugins: self.bound.get(&component.name).cloned().unwrap_or_default(),
        })))
    }
}

fn databases(guest: &mut Guest) -> postgres::host::View<'_> {
    let ForStore { configured, sessions, .. } = &mut guest.capabilities;
    postgres::host::View { state: &configured.postgres, sessions }
}

/// Linked components share the import of secrets, so that all of them must have the same.
fn secrets(guest: &mut Guest) -> secrets::View<'_> {
    let first = &guest.capabilities.configured.secrets;
    let are_alike = guest.others.iter().all(|other| other.capabilities.configured.secrets == *first);
    secrets::View { state: are_alike.then_some(first), table: &mut guest.table }
}

/// What the capabilities know of one component.
pub struct ForComponent(Arc<Configured>);

/// What the capabilities keep in a store: one handle, what databases the guest uses, and what the
/// plugins keep for themselves.
#[allow(unnameable_types, reason = "part of `embed::Guest`, which is opaque")]
pub struct ForStore {
    configured: Arc<Configured>,
    sessions: Option<Box<postgres::host::Sessions>>,
    states: States,
    /// The way back of the message that is handled.
    answering: Option<Box<messaging::ForComponent>>,
}

impl ForStore {
    /// Has the answer to the message that the instance handles go back the way that the message came.
    pub(crate) fn answer_through(&mut self, subject: &str, broker: &Arc<dyn messaging::Broker>) {
        self.answering = self.configured.messaging.answering(subject, broker).map(Box::new);
    }
}

fn buckets(guest: &mut GuestOf<Installed>) -> View<'_, keyvalue::ForComponent> {
    View { state: &guest.capabilities.configured.keyvalue, table: &mut guest.table }
}

fn blobs(guest: &mut GuestOf<Installed>) -> View<'_, blobstore::ForComponent> {
    View { state: &guest.capabilities.configured.blobstore, table: &mut guest.table }
}

fn messages(guest: &mut GuestOf<Installed>) -> View<'_, messaging::ForComponent> {
    let ForStore { configured, answering, .. } = &guest.capabilities;
    View { state: answering.as_deref().unwrap_or(&configured.messaging), table: &mut guest.table }
}

struct Configured {
    keyvalue: keyvalue::ForComponent,
    blobstore: blobstore::ForComponent,
    config: config::ForComponent,
    logging: logging::ForComponent,
    otel: otel::ForComponent,
    messaging: messaging::ForComponent,
    postgres: postgres::ForComponent,
    secrets: secrets::ForComponent,
    plugins: BoundPlugins,
}

impl capability::ForComponent for ForComponent {
    type ForStore = ForStore;

    fn for_store(&self) -> ForStore {
        let states = host_plugin::states(&self.0.plugins);
        ForStore { configured: self.0.clone(), sessions: None, states, answering: None }
    }
}

#[cfg(test)]
mod tests {
    use super::bindings::wasi::keyvalue0_2_0_draft::store::{self, HostBucket};
    use super::keyvalue::host::Bucket;
    use super::*;
    use crate::runtime::observer::Blind;
    use crate::runtime::workload::HostInterface;
    use wasmtime::component::{Resource, ResourceTable};

    /// A workload of which only the name matters.
    pub fn workload(namespace: &str, name: &str) -> Workload {
        Workload { namespace: namespace.into(), name: name.into(), ..Default::default() }
    }

    async fn open(configured: &ForComponent, table: &mut ResourceTable) -> Resource<Bucket> {
        let view = &mut View { state: &configured.0.keyvalue, table };
        store::Host::open(view, "default".into()).await.unwrap().unwrap()
    }

    /// What a component of the workload finds under a key, and leaves there.
    async fn exchange(installed: &Installed, workload: &Workload, value: &str) -> Option<Vec<u8>> {
        let observer: Arc<dyn Observer> = Arc::new(Blind);
        let configured = installed.configure(workload, &Component::default(), &observer).unwrap();
        let mut table = ResourceTable::new();
        let (bucket, again) = (open(&configured, &mut table).await, open(&configured, &mut table).await);
        let view = &mut View { state: &configured.0.keyvalue, table: &mut table };
        let found = view.get(bucket, "k".into()).await.unwrap().unwrap();
        view.set(again, "k".into(), value.into()).await.unwrap().unwrap();
        found
    }

    #[tokio::test]
    async fn data_belongs_to_the_workload_and_not_to_a_version_of_it() {
        let installed = Installed::new(&InstalledOptions::default()).unwrap();
        let (one, two) = (workload("default", "one"), workload("default", "two"));
        assert_eq!(exchange(&installed, &one, "1").await, None);
        assert_eq!(exchange(&installed, &one, "2").await.unwrap(), b"1");
        assert_eq!(exchange(&installed, &two, "3").await, None);
        installed.forget(&one.id());
        assert_eq!(exchange(&installed, &one, "4").await, None);
        assert_eq!(exchange(&installed, &two, "5").await.unwrap(), b"3");
    }

    #[tokio::test]
    async fn options_that_stay_keep_their_data_when_others_change() {
        let folder = tempfile::tempdir().unwrap();
        let blobs_only = InstalledOptions {
            blobstore: blobstore::Storage::Folder(folder.path().join("blobs")),
            ..InstalledOptions::default()
        };
        let hello = workload("default", "hello");
        let installed = Installed::new(&InstalledOptions::default()).unwrap();
        exchange(&installed, &hello, "1").await;
        let installed = installed.with(&blobs_only).unwrap();
        assert_eq!(exchange(&installed, &hello, "2").await.unwrap(), b"1");

        let both = InstalledOptions { keyvalue: keyvalue::Storage::Folder(folder.path().join("kv")), ..blobs_only };
        let installed = installed.with(&both).unwrap();
        assert_eq!(exchange(&installed, &hello, "3").await, None);
        // The same folders once more, while they are open.
        let again = Installed::new(&both).unwrap();
        assert_eq!(exchange(&again, &hello, "4").await.unwrap(), b"3");
    }

    #[tokio::test]
    async fn a_fresh_start_deletes_what_folders_keep_and_stopping_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let options = InstalledOptions {
            keyvalue: keyvalue::Storage::Folder(folder.path().into()),
            ..InstalledOptions::default()
        };
        let hello = workload("default", "hello");
        let installed = Installed::new(&options).unwrap();
        exchange(&installed, &hello, "1").await;
        installed.forget(&hello.id());
        assert_eq!(exchange(&installed, &hello, "2").await.unwrap(), b"1");
        installed.fresh(&hello.id()).await.unwrap();
        assert_eq!(exchange(&installed, &hello, "3").await, None);
    }

    #[test]
    fn a_wrong_setting_is_said_before_anything_runs() {
        let mut hello = workload("default", "hello");
        let config = [("bucketz".to_string(), "x".to_string())].into();
        let (namespace, package) = ("wasi".into(), "keyvalue".into());
        hello.host_interfaces = vec![HostInterface { namespace, package, config, ..HostInterface::default() }];
        let installed = Installed::new(&InstalledOptions::default()).unwrap();
        let observer: Arc<dyn Observer> = Arc::new(Blind);
        let error = installed.configure(&hello, &Component::default(), &observer).err().unwrap();
        assert_eq!(error.message(), "`wasi:keyvalue` has no setting `bucketz`");
    }
}
