//! What guests call: the limits of `wasi:keyvalue`, then the backend.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource};

use super::backend::Change;
use super::backend::{Backend, BucketId, Error, MAX_BATCH_BYTES, MAX_KEY_BYTES};
use super::watch::Watchers;
use super::{ForComponent, Rules};
use crate::plugins::bindings::wasi::keyvalue0_2_0_draft::{atomics, batch, store};
use crate::plugins::view::{View, ViewOf, Views};
use crate::runtime::trace;
use crate::runtime::workload::WorkloadId;

/// What an empty identifier opens.
const DEFAULT_BUCKET: &str = "default";
/// How many keys one page has.
const PAGE: usize = 1000;

/// A guest's open bucket.
#[derive(Clone)]
pub struct Bucket {
    pub id: BucketId,
    pub backend: Arc<dyn Backend>,
    pub rules: Arc<Rules>,
    /// The workload whose component opened it.
    pub opened_by: WorkloadId,
    pub watchers: Arc<Watchers>,
}

impl Bucket {
    /// Whether somebody is to be told of a change by whoever makes it. A server tells its changes
    /// itself.
    fn tells(&self) -> bool {
        self.watchers.are_there() && self.backend.changes().is_none()
    }

    /// Stores several pairs, and tells of it.
    pub async fn set_many(&self, pairs: Vec<(String, Bytes)>) -> Result<(), Error> {
        let told = self.tells().then(|| pairs.clone());
        self.backend.set_many(&self.id, pairs).await?;
        for (key, value) in told.into_iter().flatten() {
            self.watchers.tell(self, Change::Set { key, value });
        }
        Ok(())
    }

    /// Deletes several keys, and tells of those that were there.
    pub async fn delete_many(&self, keys: Vec<String>) -> Result<(), Error> {
        let mut told = Vec::new();
        if self.tells() {
            for key in &keys {
                if self.backend.exists(&self.id, key).await? {
                    told.push(key.clone());
                }
            }
        }
        self.backend.delete_many(&self.id, keys).await?;
        told.into_iter().for_each(|key| self.watchers.tell(self, Change::Deleted { key }));
        Ok(())
    }

    /// Adds to a number, and tells of it.
    pub async fn increment(&self, key: &str, delta: u64) -> Result<u64, Error> {
        let sum = self.backend.increment(&self.id, key, delta).await?;
        if self.tells() {
            self.watchers.tell(self, Change::Set { key: key.into(), value: Bytes::from(sum.to_string()) });
        }
        Ok(sum)
    }

    /// Stores a value in place of another, and tells of it; returns whether it did.
    pub async fn swap(&self, key: &str, seen: Option<Bytes>, value: Bytes) -> Result<bool, Error> {
        let told = self.tells().then(|| value.clone());
        let swapped = self.backend.swap(&self.id, key, seen, value).await?;
        if let Some(value) = told.filter(|_| swapped) {
            self.watchers.tell(self, Change::Set { key: key.into(), value });
        }
        Ok(swapped)
    }
}

impl Rules {
    /// Fails where nothing may be changed.
    pub fn permit_change(&self) -> Result<(), Error> {
        if self.read_only { Err(Error::AccessDenied) } else { Ok(()) }
    }

    /// Fails where nothing may be changed, and when a value is too large.
    pub fn permit_value(&self, key: &str, value: Vec<u8>) -> Result<Bytes, Error> {
        self.permit_change()?;
        match value.len() > self.max_value {
            true => {
                let (limit, size) = (self.max_value >> 20, value.len());
                Err(Error::other(format!("the value of `{key}` is larger than {limit} MiB: it has {size} bytes")))
            }
            false => Ok(Bytes::from(value)),
        }
    }
}

/// Puts the interfaces into a linker.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: ViewOf<T, ForComponent>) -> wasmtime::Result<()> {
    store::add_to_linker::<T, Views<ForComponent>>(linker, view)?;
    atomics::add_to_linker::<T, Views<ForComponent>>(linker, view)?;
    batch::add_to_linker::<T, Views<ForComponent>>(linker, view)
}

/// Puts an interface into a linker's instance for imports under a name of the component's own.
pub fn link_label<T: Send + 'static>(
    instance: &mut LinkerInstance<'_, T>,
    interface: &str,
    view: ViewOf<T, ForComponent>,
    label: Arc<str>,
) -> wasmtime::Result<()> {
    match interface {
        // Only here a bucket comes from somewhere; it knows where it belongs from then on.
        "store" => {
            store::add_to_linker_instance::<T, Views<ForComponent>>(instance, view)?;
            instance.func_wrap_async("open", move |mut store: StoreContextMut<'_, T>, (identifier,): (String,)| {
                let label = label.clone();
                Box::new(async move {
                    let View { state, table } = view(store.data_mut());
                    let mut view = View { state: state.of_label(&label), table };
                    Ok((store::Host::open(&mut view, identifier).await?,))
                })
            })
        }
        "atomics" => atomics::add_to_linker_instance::<T, Views<ForComponent>>(instance, view),
        _ => batch::add_to_linker_instance::<T, Views<ForComponent>>(instance, view),
    }
}

impl<'a> View<'a, ForComponent> {
    /// A bucket with the backend that has it, not borrowed from this view.
    fn open(&self, bucket: &Resource<Bucket>) -> wasmtime::Result<Bucket> {
        Ok(self.table.get(bucket)?.clone())
    }
}

impl ForComponent {
    async fn page(
        &self,
        backend: &dyn Backend,
        id: &BucketId,
        cursor: Option<u64>,
    ) -> Result<store::KeyResponse, Error> {
        let cursors = &self.cursors;
        let after = match cursor {
            Some(cursor) => Some(cursors.key(backend, id, cursor).await?),
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

/// Inside: what the guest is told. Outside: what ends the guest.
pub type Reply<T> = wasmtime::Result<Result<T, store::Error>>;

impl store::Host for View<'_, ForComponent> {
    async fn open(&mut self, identifier: String) -> Reply<Resource<Bucket>> {
        if let Err(error) = check("identifier of a bucket", &identifier) {
            return Ok(Err(error.into()));
        }
        let identifier = if identifier.is_empty() { DEFAULT_BUCKET } else { &identifier };
        match self.state.bucket(identifier) {
            Ok(bucket) => Ok(Ok(self.table.push(bucket)?)),
            Err(error) => Ok(Err(error.into())),
        }
    }
}

impl store::HostBucket for View<'_, ForComponent> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Reply<Option<Vec<u8>>> {
        let Bucket { id, backend, .. } = View::open(self, &bucket)?;
        reply("get", &id, async {
            check("key", &key)?;
            let values = backend.get_many(&id, std::slice::from_ref(&key)).await?;
            Ok(values.into_iter().next().flatten().map(Vec::from))
        })
        .await
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Reply<()> {
        let bucket = View::open(self, &bucket)?;
        reply("set", &bucket.id, async { bucket.set_many(checked_pairs(&bucket.rules, vec![(key, value)])?).await })
            .await
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Reply<()> {
        let bucket = View::open(self, &bucket)?;
        reply("delete", &bucket.id, async {
            bucket.rules.permit_change()?;
            check("key", &key)?;
            bucket.delete_many(vec![key]).await
        })
        .await
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Reply<bool> {
        let Bucket { id, backend, .. } = View::open(self, &bucket)?;
        reply("exists", &id, async {
            check("key", &key)?;
            backend.exists(&id, &key).await
        })
        .await
    }

    async fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<u64>) -> Reply<store::KeyResponse> {
        let Bucket { id, backend, .. } = View::open(self, &bucket)?;
        reply("list-keys", &id, self.state.page(&*backend, &id, cursor)).await
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for View<'_, ForComponent> {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: u64) -> Reply<u64> {
        let bucket = View::open(self, &bucket)?;
        reply("increment", &bucket.id, async {
            bucket.rules.permit_change()?;
            check("key", &key)?;
            bucket.increment(&key, delta).await
        })
        .await
    }
}

impl batch::Host for View<'_, ForComponent> {
    async fn get_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Reply<Vec<Option<(String, Vec<u8>)>>> {
        let Bucket { id, backend, .. } = View::open(self, &bucket)?;
        reply("get-many", &id, async {
            keys.iter().try_for_each(|key| check("key", key))?;
            let values = backend.get_many(&id, &keys).await?;
            let pairs = keys.into_iter().zip(values);
            Ok(pairs.map(|(key, value)| value.map(|value| (key, Vec::from(value)))).collect())
        })
        .await
    }

    async fn set_many(&mut self, bucket: Resource<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> Reply<()> {
        let bucket = View::open(self, &bucket)?;
        reply("set-many", &bucket.id, async { bucket.set_many(checked_pairs(&bucket.rules, pairs)?).await }).await
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Reply<()> {
        let bucket = View::open(self, &bucket)?;
        reply("delete-many", &bucket.id, async {
            bucket.rules.permit_change()?;
            keys.iter().try_for_each(|key| check("key", key))?;
            bucket.delete_many(keys).await
        })
        .await
    }
}

async fn reply<T>(
    operation: &'static str,
    bucket: &BucketId,
    result: impl Future<Output = Result<T, Error>>,
) -> Reply<T> {
    Ok(trace::capability("keyvalue", operation, &bucket.name, result).await.map_err(store::Error::from))
}

/// Fails when a key or an identifier is too long.
pub fn check(what: &str, name: &str) -> Result<(), Error> {
    match name.len() > MAX_KEY_BYTES {
        true => Err(Error::other(format!(
            "the {what} is longer than {} KiB: it has {} bytes",
            MAX_KEY_BYTES >> 10,
            name.len()
        ))),
        false => Ok(()),
    }
}

fn checked_pairs(rules: &Rules, pairs: Vec<(String, Vec<u8>)>) -> Result<Vec<(String, Bytes)>, Error> {
    let mut total = 0;
    let mut checked = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        check("key", &key)?;
        let value = rules.permit_value(&key, value)?;
        total += value.len();
        checked.push((key, value));
    }
    if total > MAX_BATCH_BYTES {
        let limit = MAX_BATCH_BYTES >> 20;
        return Err(Error::other(format!("the values are more than {limit} MiB together: use smaller batches")));
    }
    Ok(checked)
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

#[cfg(test)]
mod tests {
    use super::super::MAX_VALUE_BYTES;
    use super::super::tests::in_memory;
    use super::*;
    use crate::plugins::bindings::wasi::keyvalue0_2_0_draft::atomics::Host as _;
    use crate::plugins::bindings::wasi::keyvalue0_2_0_draft::batch::Host as _;
    use crate::plugins::bindings::wasi::keyvalue0_2_0_draft::store::HostBucket as _;
    use crate::plugins::tests::workload;
    use wasmtime::component::ResourceTable;

    fn component() -> ForComponent {
        in_memory().configure(&workload("default", "hello")).unwrap()
    }

    async fn open(state: &ForComponent, table: &mut ResourceTable, name: &str) -> Resource<Bucket> {
        store::Host::open(&mut View { state, table }, name.into()).await.unwrap().unwrap()
    }

    /// The same handle once more, as a guest may use it.
    fn again(bucket: &Resource<Bucket>) -> Resource<Bucket> {
        Resource::new_borrow(bucket.rep())
    }

    #[tokio::test]
    async fn an_empty_identifier_opens_the_bucket_named_default() {
        let (state, mut table) = (component(), ResourceTable::new());
        let unnamed = open(&state, &mut table, "").await;
        let named = open(&state, &mut table, "default").await;
        let mut view = View { state: &state, table: &mut table };
        view.set(unnamed, "k".into(), b"v".to_vec()).await.unwrap().unwrap();
        assert_eq!(view.get(named, "k".into()).await.unwrap().unwrap().unwrap(), b"v");
    }

    #[tokio::test]
    async fn pages_of_keys_pass_over_nothing_when_listed_keys_are_deleted() {
        let (state, mut table) = (component(), ResourceTable::new());
        let bucket = open(&state, &mut table, "many").await;
        let all: Vec<String> = (0..2500).map(|n| format!("{n:04}")).collect();
        let mut view = View { state: &state, table: &mut table };
        let pairs = all.iter().map(|key| (key.clone(), Vec::new())).collect();
        view.set_many(again(&bucket), pairs).await.unwrap().unwrap();

        let (mut listed, mut cursor, mut pages) = (Vec::new(), None, Vec::new());
        loop {
            let page = view.list_keys(again(&bucket), cursor).await.unwrap().unwrap();
            view.delete_many(again(&bucket), page.keys.clone()).await.unwrap().unwrap();
            pages.push(page.keys.len());
            listed.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(pages, [1000, 1000, 500]);
        assert_eq!(listed, all);
    }

    #[tokio::test]
    async fn a_full_last_page_has_no_cursor() {
        let (state, mut table) = (component(), ResourceTable::new());
        let bucket = open(&state, &mut table, "").await;
        let mut view = View { state: &state, table: &mut table };
        let pairs = (0..PAGE).map(|n| (n.to_string(), Vec::new())).collect();
        view.set_many(again(&bucket), pairs).await.unwrap().unwrap();
        let page = view.list_keys(bucket, None).await.unwrap().unwrap();
        assert_eq!((page.keys.len(), page.cursor), (PAGE, None));
    }

    #[tokio::test]
    async fn missing_keys_of_a_batch_are_none_in_their_places() {
        let (state, mut table) = (component(), ResourceTable::new());
        let bucket = open(&state, &mut table, "").await;
        let mut view = View { state: &state, table: &mut table };
        view.increment(again(&bucket), "n".into(), 7).await.unwrap().unwrap();
        let keys = ["no", "n"].map(String::from).to_vec();
        let values = view.get_many(bucket, keys).await.unwrap().unwrap();
        assert_eq!(values, [None, Some(("n".into(), b"7".to_vec()))]);
    }

    #[tokio::test]
    async fn what_is_too_long_is_refused_and_says_how_long() {
        let (state, mut table) = (component(), ResourceTable::new());
        let bucket = open(&state, &mut table, "").await;
        let mut view = View { state: &state, table: &mut table };
        let refused = |error| match error {
            store::Error::Other(message) => message,
            other => panic!("{other:?}"),
        };
        let long = "k".repeat(MAX_KEY_BYTES + 1);
        let error = view.get(again(&bucket), long.clone()).await.unwrap().unwrap_err();
        assert_eq!(refused(error), "the key is longer than 4 KiB: it has 4097 bytes");
        let error = store::Host::open(&mut view, long).await.unwrap().unwrap_err();
        assert_eq!(refused(error), "the identifier of a bucket is longer than 4 KiB: it has 4097 bytes");
        let error = view.set(bucket, "k".into(), vec![0; MAX_VALUE_BYTES + 1]).await.unwrap().unwrap_err();
        assert_eq!(refused(error), "the value of `k` is larger than 64 MiB: it has 67108865 bytes");
    }
}
