//! What guests call: the limits of `wasi:keyvalue`, then the backend.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use super::backend::{Backend, BucketId, Error, MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES};
use super::{ForComponent, Keyvalue};
use crate::plugins::bindings::wasi::keyvalue::{atomics, batch, store};

/// What an empty identifier opens.
const DEFAULT_BUCKET: &str = "default";
/// How many keys one page has.
const PAGE: usize = 1000;

/// A guest's open bucket.
pub struct Bucket {
    id: BucketId,
}

/// What a call needs of its store.
pub struct View<'a> {
    pub state: &'a ForComponent,
    pub table: &'a mut ResourceTable,
}

/// Stands for [`View`] where the bindings ask for a type without a lifetime.
pub struct Views;

impl HasData for Views {
    type Data<'a> = View<'a>;
}

/// Puts the interfaces into a linker.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_>) -> wasmtime::Result<()> {
    store::add_to_linker::<T, Views>(linker, view)?;
    atomics::add_to_linker::<T, Views>(linker, view)?;
    batch::add_to_linker::<T, Views>(linker, view)
}

impl<'a> View<'a> {
    /// A bucket and the backend that has it, neither borrowed from this view.
    fn open(&self, bucket: &Resource<Bucket>) -> wasmtime::Result<(BucketId, &'a dyn Backend)> {
        Ok((self.table.get(bucket)?.id.clone(), &*self.state.capability.backend))
    }
}

impl ForComponent {
    async fn page(&self, id: &BucketId, cursor: Option<u64>) -> Result<store::KeyResponse, Error> {
        let Keyvalue { backend, cursors } = &self.capability;
        let after = match cursor {
            Some(cursor) => Some(cursors.key(&**backend, id, cursor).await?),
            None => None,
        };
        // One more than a page, to know whether there is a next one.
        let mut keys = backend.keys(id, after.as_deref(), PAGE + 1).await?;
        let more = keys.len() > PAGE;
        keys.truncate(PAGE);
        let cursor = keys.last().filter(|_| more).map(|last| cursors.after(id, last));
        Ok(store::KeyResponse { keys, cursor })
    }
}

type Reply<T> = wasmtime::Result<Result<T, store::Error>>;

impl store::Host for View<'_> {
    async fn open(&mut self, identifier: String) -> Reply<Resource<Bucket>> {
        if let Err(error) = check("identifier of a bucket", &identifier) {
            return Ok(Err(error.into()));
        }
        let name: Arc<str> = if identifier.is_empty() { DEFAULT_BUCKET.into() } else { identifier.into() };
        let id = BucketId { workload: self.state.workload.clone(), name };
        Ok(Ok(self.table.push(Bucket { id })?))
    }
}

impl store::HostBucket for View<'_> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Reply<Option<Vec<u8>>> {
        let (id, backend) = View::open(self, &bucket)?;
        reply(async {
            check("key", &key)?;
            let values = backend.get_many(&id, std::slice::from_ref(&key)).await?;
            Ok(values.into_iter().next().flatten().map(Vec::from))
        })
        .await
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Reply<()> {
        let (id, backend) = View::open(self, &bucket)?;
        reply(async { backend.set_many(&id, checked_pairs(vec![(key, value)])?).await }).await
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Reply<()> {
        let (id, backend) = View::open(self, &bucket)?;
        reply(async {
            check("key", &key)?;
            backend.delete_many(&id, vec![key]).await
        })
        .await
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Reply<bool> {
        let (id, backend) = View::open(self, &bucket)?;
        reply(async {
            check("key", &key)?;
            backend.exists(&id, &key).await
        })
        .await
    }

    async fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<u64>) -> Reply<store::KeyResponse> {
        let (id, _) = View::open(self, &bucket)?;
        reply(self.state.page(&id, cursor)).await
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for View<'_> {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: u64) -> Reply<u64> {
        let (id, backend) = View::open(self, &bucket)?;
        reply(async {
            check("key", &key)?;
            backend.increment(&id, &key, delta).await
        })
        .await
    }
}

impl batch::Host for View<'_> {
    async fn get_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Reply<Vec<Option<(String, Vec<u8>)>>> {
        let (id, backend) = View::open(self, &bucket)?;
        reply(async {
            keys.iter().try_for_each(|key| check("key", key))?;
            let values = backend.get_many(&id, &keys).await?;
            let pairs = keys.into_iter().zip(values);
            Ok(pairs.map(|(key, value)| value.map(|value| (key, Vec::from(value)))).collect())
        })
        .await
    }

    async fn set_many(&mut self, bucket: Resource<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> Reply<()> {
        let (id, backend) = View::open(self, &bucket)?;
        reply(async { backend.set_many(&id, checked_pairs(pairs)?).await }).await
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Reply<()> {
        let (id, backend) = View::open(self, &bucket)?;
        reply(async {
            keys.iter().try_for_each(|key| check("key", key))?;
            backend.delete_many(&id, keys).await
        })
        .await
    }
}

async fn reply<T>(result: impl Future<Output = Result<T, Error>>) -> Reply<T> {
    Ok(result.await.map_err(store::Error::from))
}

fn check(what: &str, name: &str) -> Result<(), Error> {
    match name.len() > MAX_KEY_BYTES {
        true => Err(Error::other(format!(
            "the {what} is longer than {} KiB: it has {} bytes",
            MAX_KEY_BYTES >> 10,
            name.len()
        ))),
        false => Ok(()),
    }
}

fn checked_pairs(pairs: Vec<(String, Vec<u8>)>) -> Result<Vec<(String, Bytes)>, Error> {
    let mut total = 0;
    for (key, value) in &pairs {
        check("key", key)?;
        if value.len() > MAX_VALUE_BYTES {
            let (limit, size) = (MAX_VALUE_BYTES >> 20, value.len());
            return Err(Error::other(format!("the value of `{key}` is larger than {limit} MiB: it has {size} bytes")));
        }
        total += value.len();
    }
    if total > MAX_BATCH_BYTES {
        let limit = MAX_BATCH_BYTES >> 20;
        return Err(Error::other(format!("the values are more than {limit} MiB together: use smaller batches")));
    }
    Ok(pairs.into_iter().map(|(key, value)| (key, Bytes::from(value))).collect())
}

impl From<Error> for store::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSuchStore => store::Error::NoSuchStore,
            Error::AccessDenied => store::Error::AccessDenied,
            Error::Other(message) => store::Error::Other(message),
        }
    }
}
