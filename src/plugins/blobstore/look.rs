//! Blobs for people who look at them: the containers of a workload, as its components see them.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::backend::{ContainerId, ObjectId, ObjectInfo, Range};
use super::{Blobstore, ForComponent, Place};
use crate::error::{Error, Result};
use crate::runtime::workload::Workload;

/// The most containers that are named.
const MOST_CONTAINERS: usize = 1000;

/// What an operator may see and change. The rules that settings give to components (`read_only`,
/// `max_object_mb`) are not for them.
pub struct Look(ForComponent);

impl Blobstore {
    /// Looks at what the components of a workload see.
    pub fn look(&self, workload: &Workload) -> Result<Look> {
        Ok(Look(self.configure(workload)?))
    }
}

impl Look {
    /// The names of containers: those of the settings, and those that exist, as far as the backend can tell.
    pub async fn containers(&self) -> Result<Vec<String>> {
        let mut names: BTreeSet<String> = self.0.named.keys().cloned().collect();
        if self.0.unnamed.shared.is_none() {
            let known = self.0.unnamed.backend.containers(&self.0.workload, MOST_CONTAINERS).await;
            names.extend(known.map_err(Error::failed)?.into_iter().flatten());
        }
        Ok(names.into_iter().take(MOST_CONTAINERS).collect())
    }

    /// Up to `limit` objects with what is known of them, sorted by name, after this one.
    pub async fn objects(
        &self,
        container: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, ObjectInfo)>> {
        let (place, id) = self.open(container)?;
        let names = place.backend.objects(&id, after, limit).await.map_err(Error::failed)?;
        let mut objects = Vec::new();
        for name in names {
            let object = ObjectId { container: id.clone(), name };
            // One that was deleted meanwhile is not listed.
            if let Some(info) = place.backend.object(&object).await.map_err(Error::failed)? {
                objects.push((object.name, info));
            }
        }
        Ok(objects)
    }

    /// The first `limit` bytes of an object, and how many it has.
    pub async fn read(&self, container: &str, name: &str, limit: usize) -> Result<(Bytes, u64)> {
        let (place, id) = self.open(container)?;
        let object = ObjectId::new(id, name.to_string()).map_err(Error::usage)?;
        let info = place.backend.object(&object).await.map_err(Error::failed)?;
        let size = info.ok_or_else(|| Error::failed(super::backend::no_object(&object)))?.size;
        let mut bytes = BytesMut::new();
        if size > 0 {
            let range = Range { first: 0, last: (limit as u64).saturating_sub(1) };
            let mut content = place.backend.read(&object, range).await.map_err(Error::failed)?;
            while let Some(chunk) = content.chunks.next().await {
                bytes.extend_from_slice(&chunk.map_err(Error::failed)?);
            }
        }
        bytes.truncate(limit);
        Ok((bytes.freeze(), size))
    }

    /// Stores an object in place of an earlier one; its container is made when it is missing.
    pub async fn write(&self, container: &str, name: &str, bytes: Bytes) -> Result<()> {
        let (place, id) = self.open(container)?;
        let object = ObjectId::new(id, name.to_string()).map_err(Error::usage)?;
        place.backend.create_container(&object.container).await.map_err(Error::failed)?;
        let mut upload = place.backend.upload().await.map_err(Error::failed)?;
        upload.write(bytes).await.map_err(Error::failed)?;
        upload.commit(object).await.map_err(Error::failed)
    }

    /// Deletes an object; one that is not there is no error.
    pub async fn delete(&self, container: &str, name: &str) -> Result<()> {
        let (place, id) = self.open(container)?;
        place.backend.delete_objects(&id, &[name.to_string()]).await.map_err(Error::failed)
    }

    fn open(&self, name: &str) -> Result<(&Place, ContainerId)> {
        let place = self.0.place(name).map_err(Error::failed)?;
        match &place.shared {
            Some(shared) => Ok((place, shared.clone())),
            None => Ok((place, ContainerId::new(self.0.workload.clone(), name).map_err(Error::usage)?)),
        }
    }
}
