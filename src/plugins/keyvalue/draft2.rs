//! The second draft of `wasi:keyvalue`: cursors are text, numbers have a sign, and values can be
//! swapped. Everything else is done as in [`super::host`].

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource};

use super::ForComponent;
use super::backend::{Error, signed_sum};
use super::host::{Bucket, Reply as OtherReply, check};
use crate::plugins::bindings::wasi::keyvalue0_2_0_draft as first;
use crate::plugins::bindings::wasi::keyvalue0_2_0_draft2::{atomics, batch, store};
use crate::plugins::view::{View, ViewOf, Views};
use crate::runtime::trace;

/// How often a change is tried again that others have come between.
const ATTEMPTS: usize = 100;

/// A guest's handle for a swap.
pub struct Cas {
    bucket: Bucket,
    key: String,
    seen: Option<Bytes>,
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

type Reply<T> = wasmtime::Result<Result<T, store::Error>>;

/// An answer of the first draft as one of the second.
fn same<T>(reply: OtherReply<T>) -> Reply<T> {
    Ok(reply?.map_err(|error| match error {
        first::store::Error::NoSuchStore => store::Error::NoSuchStore,
        first::store::Error::AccessDenied => store::Error::AccessDenied,
        first::store::Error::Other(message) => store::Error::Other(message),
    }))
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

impl Bucket {
    async fn value(&self, key: &str) -> Result<Option<Bytes>, Error> {
        check("key", key)?;
        let values = self.backend.get_many(&self.id, std::slice::from_ref(&key.to_string())).await?;
        Ok(values.into_iter().next().flatten())
    }

    async fn add(&self, key: &str, delta: i64) -> Result<i64, Error> {
        self.rules.permit_change()?;
        for _ in 0..ATTEMPTS {
            let seen = self.value(key).await?;
            let sum = signed_sum(key, seen.as_deref(), delta)?;
            if self.swap(key, seen, Bytes::from(sum.to_string())).await? {
                return Ok(sum);
            }
        }
        Err(Error::other(format!("the number under `{key}` is changed by too many others at the same time")))
    }
}

impl store::Host for View<'_, ForComponent> {
    async fn open(&mut self, identifier: String) -> Reply<Resource<Bucket>> {
        same(first::store::Host::open(self, identifier).await)
    }
}

impl store::HostBucket for View<'_, ForComponent> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Reply<Option<Vec<u8>>> {
        same(first::store::HostBucket::get(self, bucket, key).await)
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Reply<()> {
        same(first::store::HostBucket::set(self, bucket, key, value).await)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Reply<()> {
        same(first::store::HostBucket::delete(self, bucket, key).await)
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Reply<bool> {
        same(first::store::HostBucket::exists(self, bucket, key).await)
    }

    async fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<String>) -> Reply<store::KeyResponse> {
        let cursor = match cursor.map(|text| text.parse().map_err(|_| text)).transpose() {
            Ok(cursor) => cursor,
            Err(text) => {
                let message = format!("{text:?} is no cursor: list the keys from the beginning");
                return Ok(Err(store::Error::Other(message)));
            }
        };
        let page = same(first::store::HostBucket::list_keys(self, bucket, cursor).await)?;
        Ok(page
            .map(|page| store::KeyResponse { keys: page.keys, cursor: page.cursor.map(|cursor| cursor.to_string()) }))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        first::store::HostBucket::drop(self, bucket).await
    }
}

impl atomics::Host for View<'_, ForComponent> {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: i64) -> Reply<i64> {
        let bucket = self.table.get(&bucket)?.clone();
        let added = trace::capability("keyvalue", "increment", &bucket.id.name, bucket.add(&key, delta));
        Ok(added.await.map_err(store::Error::from))
    }

    async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let Cas { bucket, key, seen } = self.table.delete(cas)?;
        let swapped = async {
            let value = bucket.rules.permit_value(&key, value)?;
            match bucket.swap(&key, seen, value).await? {
                true => Ok(None),
                false => bucket.value(&key).await.map(Some),
            }
        };
        let swapped = trace::capability("keyvalue", "swap", &bucket.id.name, swapped);
        Ok(match swapped.await {
            Ok(None) => Ok(()),
            Ok(Some(seen)) => Err(atomics::CasError::CasFailed(self.table.push(Cas { bucket, key, seen })?)),
            Err(error) => Err(atomics::CasError::StoreError(error.into())),
        })
    }
}

impl atomics::HostCas for View<'_, ForComponent> {
    async fn new(&mut self, bucket: Resource<Bucket>, key: String) -> Reply<Resource<Cas>> {
        let bucket = self.table.get(&bucket)?.clone();
        match bucket.value(&key).await {
            Ok(seen) => Ok(Ok(self.table.push(Cas { bucket, key, seen })?)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn current(&mut self, cas: Resource<Cas>) -> Reply<Option<Vec<u8>>> {
        Ok(Ok(self.table.get(&cas)?.seen.as_ref().map(|value| value.to_vec())))
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.table.delete(cas)?;
        Ok(())
    }
}

impl batch::Host for View<'_, ForComponent> {
    async fn get_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Reply<Vec<(String, Option<Vec<u8>>)>> {
        let found = same(first::batch::Host::get_many(self, bucket, keys.clone()).await)?;
        let value = |(key, pair): (String, Option<(String, Vec<u8>)>)| (key, pair.map(|(_, value)| value));
        Ok(found.map(|found| keys.into_iter().zip(found).map(value).collect()))
    }

    async fn set_many(&mut self, bucket: Resource<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> Reply<()> {
        same(first::batch::Host::set_many(self, bucket, pairs).await)
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Reply<()> {
        same(first::batch::Host::delete_many(self, bucket, keys).await)
    }
}
