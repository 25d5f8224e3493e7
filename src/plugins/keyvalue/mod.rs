//! `wasi:keyvalue`: buckets of keys and values.
//!
//! [`host`] is what guests call, [`backend::Backend`] what keeps the data. Every workload has its own
//! buckets; the data belongs to the host and outlives the instances and versions that use it.

mod backend;
mod backends;
#[cfg(test)]
mod conformance;
mod cursors;
pub mod host;

use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::runtime::workload::{Workload, WorkloadId};

use super::entry;
pub use backend::{Backend, BucketId, Error, MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES};
use cursors::Cursors;

/// The capability on one host.
#[derive(Clone)]
pub struct Keyvalue {
    backend: Arc<dyn Backend>,
    cursors: Arc<Cursors>,
}

impl Keyvalue {
    /// Keeps the data in a folder, which is made when it is missing, or in memory until the process
    /// ends.
    ///
    /// Fails when the folder cannot be used, or another process uses it.
    pub fn new(folder: Option<&Path>) -> Result<Self> {
        let backend: Arc<dyn Backend> = match folder {
            Some(folder) => backends::file::File::open(folder)?,
            None => Arc::new(backends::memory::Memory::default()),
        };
        Ok(Keyvalue { backend, cursors: Arc::default() })
    }

    /// Validates the workload's entries for `wasi:keyvalue`.
    pub fn configure(&self, workload: &Workload) -> Result<ForComponent> {
        for entry in entry::of(workload, "wasi", "keyvalue") {
            entry::check_settings(entry, &[])?;
        }
        Ok(ForComponent { capability: self.clone(), workload: workload.id() })
    }

    /// Drops what is only in memory.
    pub fn forget(&self, workload: &WorkloadId) {
        self.backend.forget(workload);
        self.cursors.forget(workload);
    }

    /// Deletes all data of a workload.
    pub async fn clear(&self, workload: &WorkloadId) -> Result<()> {
        self.cursors.forget(workload);
        self.backend.clear(workload).await.map_err(|error| {
            crate::error::Error::failed(format!("cannot delete the key-value data of `{workload}`"))
                .cause(error.to_string())
        })
    }
}

/// What a component is given.
#[derive(Clone)]
pub struct ForComponent {
    capability: Keyvalue,
    workload: WorkloadId,
}
