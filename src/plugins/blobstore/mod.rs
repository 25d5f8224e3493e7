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
pub mod names;
pub mod outgoing;

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::runtime::workload::{Workload, WorkloadId};

use super::entry;
pub use backend::{Backend, ContainerId, ObjectId};

/// The largest object that is kept in memory, in bytes.
pub const MAX_OBJECT_IN_MEMORY: usize = 256 << 20;
/// The most that `incoming-value-consume-sync` returns, in bytes; a guest reads more as a stream.
pub const MAX_CONSUME_SYNC: u64 = 256 << 20;

/// The capability on one host.
#[derive(Clone)]
pub struct Blobstore {
    backend: Arc<dyn Backend>,
}

impl Blobstore {
    /// Keeps the data in a folder, which is made when it is missing, or in memory until the process
    /// ends.
    ///
    /// Fails when the folder cannot be used, or another process uses it.
    pub fn new(folder: Option<&Path>) -> Result<Self> {
        let backend: Arc<dyn Backend> = match folder {
            Some(folder) => backends::file::Folder::open(folder)?,
            None => Arc::new(backends::memory::Memory::new(MAX_OBJECT_IN_MEMORY)),
        };
        Ok(Blobstore { backend })
    }

    /// Validates the workload's entries for `wasi:blobstore`.
    pub fn configure(&self, workload: &Workload) -> Result<ForComponent> {
        for entry in entry::of(workload, "wasi", "blobstore") {
            entry::check_settings(entry, &[])?;
        }
        Ok(ForComponent { backend: self.backend.clone(), workload: workload.id() })
    }

    /// Drops what is only in memory.
    pub fn forget(&self, workload: &WorkloadId) {
        self.backend.forget(workload);
    }

    /// Deletes all data of a workload.
    pub async fn clear(&self, workload: &WorkloadId) -> Result<()> {
        self.backend
            .clear(workload)
            .await
            .map_err(|error| Error::failed(format!("cannot delete the blobs of `{workload}`")).cause(error))
    }
}

/// What a component is given.
#[derive(Clone)]
pub struct ForComponent {
    backend: Arc<dyn Backend>,
    workload: WorkloadId,
}
