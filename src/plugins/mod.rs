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
pub mod keyvalue;
pub mod logging;
pub mod messaging;

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::component::Linker;

use crate::error::Result;
use crate::runtime::capability::{self, Capabilities, GuestOf};
use crate::runtime::observer::Observer;
use crate::runtime::workload::{Component, Workload, WorkloadId};

use blobstore::Blobstore;
use keyvalue::Keyvalue;
use messaging::Messaging;

/// Where the capabilities keep their data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstalledOptions {
    /// A folder for `wasi:keyvalue`, absolute; `None`: in memory.
    pub keyvalue_path: Option<PathBuf>,
    /// A folder for `wasi:blobstore`, absolute; `None`: in memory.
    pub blobstore_path: Option<PathBuf>,
}

/// All capabilities of a host. Clones are the same capabilities with the same data.
#[derive(Clone)]
pub struct Installed {
    options: InstalledOptions,
    keyvalue: Keyvalue,
    blobstore: Blobstore,
    messaging: Messaging,
}

impl Installed {
    /// Opens what the options name. Folders are made when they are missing.
    ///
    /// Fails when a folder cannot be used, or another process uses it.
    pub fn new(options: &InstalledOptions) -> Result<Self> {
        Ok(Installed {
            options: options.clone(),
            keyvalue: Keyvalue::new(options.keyvalue_path.as_deref())?,
            blobstore: Blobstore::new(options.blobstore_path.as_deref())?,
            messaging: Messaging::in_memory(),
        })
    }

    /// The same capabilities with other options: what the options do not change keeps its data.
    pub fn with(&self, options: &InstalledOptions) -> Result<Self> {
        let mut changed = Installed { options: options.clone(), ..self.clone() };
        if options.keyvalue_path != self.options.keyvalue_path {
            changed.keyvalue = Keyvalue::new(options.keyvalue_path.as_deref())?;
        }
        if options.blobstore_path != self.options.blobstore_path {
            changed.blobstore = Blobstore::new(options.blobstore_path.as_deref())?;
        }
        Ok(changed)
    }

    /// The broker of `wasmcloud:messaging`.
    pub fn messaging(&self) -> &Messaging {
        &self.messaging
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

impl Capabilities for Installed {
    type ForComponent = ForComponent;

    fn link(linker: &mut Linker<GuestOf<Self>>) -> wasmtime::Result<()> {
        keyvalue::host::link(linker, |guest| keyvalue::host::View {
            state: &guest.capabilities.0.keyvalue,
            table: &mut guest.table,
        })?;
        blobstore::host::link(linker, |guest| blobstore::host::View {
            state: &guest.capabilities.0.blobstore,
            table: &mut guest.table,
        })?;
        config::link(linker, |guest| config::View { state: &guest.capabilities.0.config })?;
        logging::link(linker, |guest| logging::View { state: &guest.capabilities.0.logging })?;
        messaging::host::link(linker, |guest| messaging::host::View { state: &guest.capabilities.0.messaging })
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
            messaging: self.messaging.configure(workload)?,
        })))
    }
}

/// What the capabilities know of one component.
pub struct ForComponent(Arc<Configured>);

/// What the capabilities keep in a store: one handle.
pub struct ForStore(Arc<Configured>);

struct Configured {
    keyvalue: keyvalue::ForComponent,
    blobstore: blobstore::ForComponent,
    config: config::ForComponent,
    logging: logging::ForComponent,
    messaging: messaging::ForComponent,
}

impl capability::ForComponent for ForComponent {
    type ForStore = ForStore;

    fn for_store(&self) -> ForStore {
        ForStore(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::{Config, Engine};

    /// A workload of which only the name matters.
    pub fn workload(namespace: &str, name: &str) -> Workload {
        Workload { namespace: namespace.into(), name: name.into(), ..Default::default() }
    }

    #[test]
    fn all_capabilities_fit_into_one_linker() {
        let engine = Engine::new(Config::new().wasm_component_model(true)).unwrap();
        Installed::link(&mut Linker::new(&engine)).unwrap();
    }
}
