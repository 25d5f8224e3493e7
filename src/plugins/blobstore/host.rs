//! What guests call: names and handles of `wasi:blobstore`, then the backend.

use std::sync::Arc;

use futures::StreamExt;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::ForComponent;
use super::backend::{Backend, ContainerId, ObjectId, Range, no_container, no_object};
use super::incoming::IncomingValue;
use super::names::ObjectNames;
use super::outgoing::{self, OutgoingValue};
use crate::plugins::bindings::wasi::blobstore::{blobstore, container, types};
use crate::plugins::view::{View, ViewOf, Views};
use crate::runtime::trace;

/// A guest's container.
#[derive(Clone)]
pub struct Container {
    id: ContainerId,
    backend: Arc<dyn Backend>,
    /// What the guest calls it.
    name: Arc<str>,
    /// The largest object, in bytes.
    max_object: Option<u64>,
    /// Whether it may not be changed.
    read_only: bool,
}

/// A guest's list of objects on its way.
pub struct Listing {
    names: ObjectNames,
    backend: Arc<dyn Backend>,
}

/// Puts the interfaces into a linker.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: ViewOf<T, ForComponent>) -> wasmtime::Result<()> {
    types::add_to_linker::<T, Views<ForComponent>>(linker, view)?;
    container::add_to_linker::<T, Views<ForComponent>>(linker, view)?;
    blobstore::add_to_linker::<T, Views<ForComponent>>(linker, view)
}

/// Puts `wasi:blobstore/blobstore` into a linker's instance for imports under a name of the component's own.
/// A container knows where it belongs from then on.
pub fn link_label<T: Send + 'static>(
    instance: &mut LinkerInstance<'_, T>,
    view: ViewOf<T, ForComponent>,
    label: Arc<str>,
) -> wasmtime::Result<()> {
    let of = label.clone();
    instance.func_wrap_async("create-container", move |mut store: StoreContextMut<'_, T>, (name,): (String,)| {
        let of = of.clone();
        Box::new(async move {
            let View { state, table } = view(store.data_mut());
            let mut view = View { state: state.of_label(&of), table };
            Ok((blobstore::Host::create_container(&mut view, name).await?,))
        })
    })?;
    let of = label.clone();
    instance.func_wrap_async("get-container", move |mut store: StoreContextMut<'_, T>, (name,): (String,)| {
        let of = of.clone();
        Box::new(async move {
            let View { state, table } = view(store.data_mut());
            let mut view = View { state: state.of_label(&of), table };
            Ok((blobstore::Host::get_container(&mut view, name).await?,))
        })
    })?;
    let of = label.clone();
    instance.func_wrap_async("delete-container", move |mut store: StoreContextMut<'_, T>, (name,): (String,)| {
        let of = of.clone();
        Box::new(async move {
            let View { state, table } = view(store.data_mut());
            let mut view = View { state: state.of_label(&of), table };
            Ok((blobstore::Host::delete_container(&mut view, name).await?,))
        })
    })?;
    let of = label.clone();
    instance.func_wrap_async("container-exists", move |mut store: StoreContextMut<'_, T>, (name,): (String,)| {
        let of = of.clone();
        Box::new(async move {
            let View { state, table } = view(store.data_mut());
            let mut view = View { state: state.of_label(&of), table };
            Ok((blobstore::Host::container_exists(&mut view, name).await?,))
        })
    })?;
    let of = label.clone();
    instance.func_wrap_async(
        "copy-object",
        move |mut store: StoreContextMut<'_, T>, (from, to): (blobstore::ObjectId, blobstore::ObjectId)| {
            let of = of.clone();
            Box::new(async move {
                let View { state, table } = view(store.data_mut());
                let mut view = View { state: state.of_label(&of), table };
                Ok((blobstore::Host::copy_object(&mut view, from, to).await?,))
            })
        },
    )?;
    let of = label.clone();
    instance.func_wrap_async(
        "move-object",
        move |mut store: StoreContextMut<'_, T>, (from, to): (blobstore::ObjectId, blobstore::ObjectId)| {
            let of = of.clone();
            Box::new(async move {
                let View { state, table } = view(store.data_mut());
                let mut view = View { state: state.of_label(&of), table };
                Ok((blobstore::Host::move_object(&mut view, from, to).await?,))
            })
        },
    )?;
    Ok(())
}

/// Inside: what the guest is told. Outside: what ends the guest.
type Reply<T> = wasmtime::Result<Result<T, String>>;

impl View<'_, ForComponent> {
    /// A copy of the handle, so that the table can be used beside it.
    fn container(&self, container: &Resource<Container>) -> wasmtime::Result<Container> {
        Ok(self.table.get(container)?.clone())
    }

    /// Gives the guest a handle to what was found or made for it.
    fn push<T: Send + 'static>(&mut self, result: Result<T, String>) -> Reply<Resource<T>> {
        match result {
            Ok(value) => Ok(Ok(self.table.push(value)?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl ForComponent {
    /// What a name stands for, whether it is there or not.
    fn container(&self, name: &str) -> Result<Container, String> {
        let place = self.place(name)?;
        let id = match &place.shared {
            Some(shared) => shared.clone(),
            None => ContainerId::new(self.workload.clone(), name)?,
        };
        let (backend, max_object, read_only) = (place.backend.clone(), place.max_object, place.read_only);
        Ok(Container { id, backend, name: name.into(), max_object, read_only })
    }

    /// The same, for a change. Fails where nothing may be changed.
    fn container_to_change(&self, name: &str) -> Result<Container, String> {
        let container = self.container(name)?;
        container.permit_change()?;
        Ok(container)
    }

    fn object(&self, id: blobstore::ObjectId) -> Result<(Container, ObjectId), String> {
        let container = self.container(&id.container)?;
        let object = ObjectId::new(container.id.clone(), id.object)?;
        Ok((container, object))
    }

    async fn create(&self, name: &str) -> Result<Container, String> {
        let container = self.container_to_change(name)?;
        match container.backend.create_container(&container.id).await? {
            true => Ok(container),
            false => Err(format!("the container `{name}` exists already")),
        }
    }

    async fn get(&self, name: &str) -> Result<Container, String> {
        let container = self.container(name)?;
        container.created_at().await?;
        Ok(container)
    }

    async fn copy(&self, from: blobstore::ObjectId, to: blobstore::ObjectId) -> Result<(), String> {
        let ((source, from), (target, to)) = (self.object(from)?, self.object(to)?);
        target.permit_change()?;
        match Arc::ptr_eq(&source.backend, &target.backend) {
            true => target.backend.copy_object(&from, &to).await,
            false => carry(&source, &from, &target, &to).await,
        }
    }

    async fn rename(&self, from: blobstore::ObjectId, to: blobstore::ObjectId) -> Result<(), String> {
        let ((source, from), (target, to)) = (self.object(from)?, self.object(to)?);
        source.permit_change()?;
        target.permit_change()?;
        if Arc::ptr_eq(&source.backend, &target.backend) {
            return target.backend.move_object(&from, &to).await;
        }
        carry(&source, &from, &target, &to).await?;
        source.backend.delete_objects(&from.container, std::slice::from_ref(&from.name)).await
    }
}

/// Copies an object from one backend to another, piece by piece.
async fn carry(source: &Container, from: &ObjectId, target: &Container, to: &ObjectId) -> Result<(), String> {
    target.created_at().await?;
    let mut content = source.backend.read(from, Range { first: 0, last: u64::MAX }).await?;
    outgoing::fits(content.size, target.max_object)?;
    let mut upload = target.backend.upload().await?;
    while let Some(piece) = content.chunks.next().await {
        upload.write(piece?).await?;
    }
    upload.commit(to.clone()).await
}

impl Container {
    fn permit_change(&self) -> Result<(), String> {
        match self.read_only {
            true => Err(format!("access denied: the container `{}` is read-only by its settings", self.name)),
            false => Ok(()),
        }
    }

    /// When it was made. Fails where there is none.
    async fn created_at(&self) -> Result<u64, String> {
        self.backend.container(&self.id).await?.ok_or_else(|| no_container(&self.id))
    }

    fn object(&self, name: String) -> Result<ObjectId, String> {
        ObjectId::new(self.id.clone(), name)
    }

    async fn read(&self, name: String, range: Range) -> Result<IncomingValue, String> {
        let Range { first, last } = range;
        if first > last {
            return Err(format!("the range {first} to {last} ends before it begins: both ends are included"));
        }
        Ok(IncomingValue::new(self.backend.read(&self.object(name)?, range).await?))
    }

    async fn info(&self, name: String) -> Result<container::ObjectMetadata, String> {
        let object = self.object(name)?;
        let info = self.backend.object(&object).await?.ok_or_else(|| no_object(&object))?;
        Ok(container::ObjectMetadata {
            container: self.name.to_string(),
            name: object.name,
            created_at: info.created_at,
            size: info.size,
        })
    }
}

impl blobstore::Host for View<'_, ForComponent> {
    async fn create_container(&mut self, name: String) -> Reply<Resource<Container>> {
        let created = trace::capability("blobstore", "create-container", &name, self.state.create(&name)).await;
        self.push(created)
    }

    async fn get_container(&mut self, name: String) -> Reply<Resource<Container>> {
        let found = trace::capability("blobstore", "get-container", &name, self.state.get(&name)).await;
        self.push(found)
    }

    async fn delete_container(&mut self, name: String) -> Reply<()> {
        let state = self.state;
        let deleted = async {
            let container = state.container_to_change(&name)?;
            container.backend.delete_container(&container.id).await
        };
        Ok(trace::capability("blobstore", "delete-container", &name, deleted).await)
    }

    async fn container_exists(&mut self, name: String) -> Reply<bool> {
        let state = self.state;
        let exists = async {
            let container = state.container(&name)?;
            Ok(container.backend.container(&container.id).await?.is_some())
        };
        Ok(trace::capability("blobstore", "container-exists", &name, exists).await)
    }

    async fn copy_object(&mut self, src: blobstore::ObjectId, dest: blobstore::ObjectId) -> Reply<()> {
        let place = dest.container.clone();
        Ok(trace::capability("blobstore", "copy-object", &place, self.state.copy(src, dest)).await)
    }

    async fn move_object(&mut self, src: blobstore::ObjectId, dest: blobstore::ObjectId) -> Reply<()> {
        let place = dest.container.clone();
        Ok(trace::capability("blobstore", "move-object", &place, self.state.rename(src, dest)).await)
    }
}

impl container::Host for View<'_, ForComponent> {}

impl container::HostContainer for View<'_, ForComponent> {
    async fn name(&mut self, container: Resource<Container>) -> Reply<String> {
        Ok(Ok(self.container(&container)?.name.to_string()))
    }

    async fn info(&mut self, container: Resource<Container>) -> Reply<container::ContainerMetadata> {
        let container = self.container(&container)?;
        let created_at = container.created_at().await;
        let name = container.name.to_string();
        Ok(created_at.map(|created_at| container::ContainerMetadata { name, created_at }))
    }

    async fn get_data(
        &mut self,
        container: Resource<Container>,
        name: String,
        start: u64,
        end: u64,
    ) -> Reply<Resource<IncomingValue>> {
        let container = self.container(&container)?;
        let read = container.read(name, Range { first: start, last: end });
        let value = trace::capability("blobstore", "get-data", &container.name, read).await;
        self.push(value)
    }

    async fn write_data(
        &mut self,
        container: Resource<Container>,
        name: String,
        data: Resource<OutgoingValue>,
    ) -> Reply<()> {
        let container = self.container(&container)?;
        if let Err(error) = container.permit_change() {
            return Ok(Err(error));
        }
        if let Err(error) = container.created_at().await {
            return Ok(Err(error));
        }
        let value = self.table.get_mut(&data)?;
        let target = container.object(name);
        Ok(target.and_then(|object| value.name(object, &container.backend, container.max_object)))
    }

    async fn list_objects(&mut self, container: Resource<Container>) -> Reply<Resource<Listing>> {
        let container = self.container(&container)?;
        let listing = container
            .created_at()
            .await
            .map(|_| Listing { names: ObjectNames::new(container.id), backend: container.backend });
        self.push(listing)
    }

    async fn delete_object(&mut self, container: Resource<Container>, name: String) -> Reply<()> {
        self.delete_objects(container, vec![name]).await
    }

    async fn delete_objects(&mut self, container: Resource<Container>, names: Vec<String>) -> Reply<()> {
        let container = self.container(&container)?;
        let deleted = async {
            container.permit_change()?;
            container.backend.delete_objects(&container.id, &names).await
        };
        Ok(trace::capability("blobstore", "delete-objects", &container.name, deleted).await)
    }

    async fn has_object(&mut self, container: Resource<Container>, name: String) -> Reply<bool> {
        let container = self.container(&container)?;
        let has = async { Ok(container.backend.object(&container.object(name)?).await?.is_some()) };
        Ok(trace::capability("blobstore", "has-object", &container.name, has).await)
    }

    async fn object_info(&mut self, container: Resource<Container>, name: String) -> Reply<container::ObjectMetadata> {
        let container = self.container(&container)?;
        Ok(trace::capability("blobstore", "object-info", &container.name, container.info(name)).await)
    }

    async fn clear(&mut self, container: Resource<Container>) -> Reply<()> {
        let container = self.container(&container)?;
        let cleared = async {
            container.permit_change()?;
            container.backend.clear_container(&container.id).await
        };
        Ok(trace::capability("blobstore", "clear", &container.name, cleared).await)
    }

    async fn drop(&mut self, container: Resource<Container>) -> wasmtime::Result<()> {
        self.table.delete(container)?;
        Ok(())
    }
}

impl container::HostStreamObjectNames for View<'_, ForComponent> {
    async fn read_stream_object_names(&mut self, listing: Resource<Listing>, len: u64) -> Reply<(Vec<String>, bool)> {
        let Listing { names, backend } = self.table.get_mut(&listing)?;
        Ok(names.take(&**backend, len).await)
    }

    async fn skip_stream_object_names(&mut self, listing: Resource<Listing>, num: u64) -> Reply<(u64, bool)> {
        let Listing { names, backend } = self.table.get_mut(&listing)?;
        Ok(names.skip(&**backend, num).await)
    }

    async fn drop(&mut self, listing: Resource<Listing>) -> wasmtime::Result<()> {
        self.table.delete(listing)?;
        Ok(())
    }
}

impl types::Host for View<'_, ForComponent> {}

impl types::HostOutgoingValue for View<'_, ForComponent> {
    async fn new_outgoing_value(&mut self) -> wasmtime::Result<Resource<OutgoingValue>> {
        Ok(self.table.push(OutgoingValue::default())?)
    }

    async fn outgoing_value_write_body(
        &mut self,
        value: Resource<OutgoingValue>,
    ) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
        let (backend, value) = (self.state.only_backend(), self.table.get_mut(&value)?);
        // Not a child of the value: guests end the value while they still have the stream.
        match value.write_body(backend).await {
            Ok(Some(stream)) => {
                let stream: DynOutputStream = Box::new(stream);
                Ok(Ok(self.table.push(stream)?))
            }
            Ok(None) => Ok(Err(())),
            Err(error) => {
                tracing::warn!(%error, "a value for an object could not be begun");
                Ok(Err(()))
            }
        }
    }

    async fn finish(&mut self, value: Resource<OutgoingValue>) -> Reply<()> {
        let value = self.table.delete(value)?;
        let place = value.container().unwrap_or_else(|| "".into());
        Ok(trace::capability("blobstore", "finish", &place, value.finish()).await)
    }

    async fn drop(&mut self, value: Resource<OutgoingValue>) -> wasmtime::Result<()> {
        self.table.delete(value)?;
        Ok(())
    }
}

impl types::HostIncomingValue for View<'_, ForComponent> {
    async fn incoming_value_consume_sync(&mut self, value: Resource<IncomingValue>) -> Reply<Vec<u8>> {
        Ok(self.table.delete(value)?.bytes().await)
    }

    async fn incoming_value_consume_async(
        &mut self,
        value: Resource<IncomingValue>,
    ) -> Reply<Resource<DynInputStream>> {
        let stream: DynInputStream = Box::new(self.table.delete(value)?.stream());
        Ok(Ok(self.table.push(stream)?))
    }

    async fn size(&mut self, value: Resource<IncomingValue>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&value)?.size())
    }

    async fn drop(&mut self, value: Resource<IncomingValue>) -> wasmtime::Result<()> {
        self.table.delete(value)?;
        Ok(())
    }
}
