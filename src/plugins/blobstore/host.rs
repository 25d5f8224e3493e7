//! What guests call: names and handles of `wasi:blobstore`, then the backend.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::ForComponent;
use super::backend::{Backend, ContainerId, ObjectId, Range, no_container, no_object};
use super::incoming::IncomingValue;
use super::names::ObjectNames;
use super::outgoing::OutgoingValue;
use crate::plugins::bindings::wasi::blobstore::{blobstore, container, types};
use crate::plugins::view::{View, ViewOf, Views};

/// A guest's container.
pub struct Container {
    id: ContainerId,
}

/// Puts the interfaces into a linker.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: ViewOf<T, ForComponent>) -> wasmtime::Result<()> {
    types::add_to_linker::<T, Views<ForComponent>>(linker, view)?;
    container::add_to_linker::<T, Views<ForComponent>>(linker, view)?;
    blobstore::add_to_linker::<T, Views<ForComponent>>(linker, view)
}

/// Inside: what the guest is told. Outside: what ends the guest.
type Reply<T> = wasmtime::Result<Result<T, String>>;

impl<'a> View<'a, ForComponent> {
    // Borrowed from the component, not from this view, so that the table can be used beside it.
    fn backend(&self) -> &'a dyn Backend {
        &*self.state.backend
    }

    fn id(&self, container: &Resource<Container>) -> wasmtime::Result<ContainerId> {
        Ok(self.table.get(container)?.id.clone())
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
    fn container(&self, name: &str) -> Result<ContainerId, String> {
        ContainerId::new(self.workload.clone(), name)
    }

    fn object(&self, id: blobstore::ObjectId) -> Result<ObjectId, String> {
        ObjectId::new(self.container(&id.container)?, id.object)
    }

    async fn create(&self, name: &str) -> Result<Container, String> {
        let id = self.container(name)?;
        match self.backend.create_container(&id).await? {
            true => Ok(Container { id }),
            false => Err(format!("the container `{name}` exists already")),
        }
    }

    async fn get(&self, name: &str) -> Result<Container, String> {
        let id = self.container(name)?;
        self.created_at(&id).await?;
        Ok(Container { id })
    }

    /// When a container was made. Fails where there is none.
    async fn created_at(&self, id: &ContainerId) -> Result<u64, String> {
        self.backend.container(id).await?.ok_or_else(|| no_container(id))
    }

    async fn read(&self, id: ContainerId, name: String, range: Range) -> Result<IncomingValue, String> {
        let Range { first, last } = range;
        if first > last {
            return Err(format!("the range {first} to {last} ends before it begins: both ends are included"));
        }
        Ok(IncomingValue::new(self.backend.read(&ObjectId::new(id, name)?, range).await?))
    }

    async fn info(&self, id: ContainerId, name: String) -> Result<container::ObjectMetadata, String> {
        let object = ObjectId::new(id, name)?;
        let info = self.backend.object(&object).await?.ok_or_else(|| no_object(&object))?;
        Ok(container::ObjectMetadata {
            container: object.container.name.to_string(),
            name: object.name,
            created_at: info.created_at,
            size: info.size,
        })
    }
}

impl blobstore::Host for View<'_, ForComponent> {
    async fn create_container(&mut self, name: String) -> Reply<Resource<Container>> {
        let created = self.state.create(&name).await;
        self.push(created)
    }

    async fn get_container(&mut self, name: String) -> Reply<Resource<Container>> {
        let found = self.state.get(&name).await;
        self.push(found)
    }

    async fn delete_container(&mut self, name: String) -> Reply<()> {
        let state = self.state;
        let deleted = async { state.backend.delete_container(&state.container(&name)?).await };
        Ok(deleted.await)
    }

    async fn container_exists(&mut self, name: String) -> Reply<bool> {
        let state = self.state;
        let exists = async { Ok(state.backend.container(&state.container(&name)?).await?.is_some()) };
        Ok(exists.await)
    }

    async fn copy_object(&mut self, src: blobstore::ObjectId, dest: blobstore::ObjectId) -> Reply<()> {
        let state = self.state;
        let copied = async { state.backend.copy_object(&state.object(src)?, &state.object(dest)?).await };
        Ok(copied.await)
    }

    async fn move_object(&mut self, src: blobstore::ObjectId, dest: blobstore::ObjectId) -> Reply<()> {
        let state = self.state;
        let moved = async { state.backend.move_object(&state.object(src)?, &state.object(dest)?).await };
        Ok(moved.await)
    }
}

impl container::Host for View<'_, ForComponent> {}

impl container::HostContainer for View<'_, ForComponent> {
    async fn name(&mut self, container: Resource<Container>) -> Reply<String> {
        Ok(Ok(self.id(&container)?.name.to_string()))
    }

    async fn info(&mut self, container: Resource<Container>) -> Reply<container::ContainerMetadata> {
        let id = self.id(&container)?;
        let created_at = self.state.created_at(&id).await;
        Ok(created_at.map(|created_at| container::ContainerMetadata { name: id.name.to_string(), created_at }))
    }

    async fn get_data(
        &mut self,
        container: Resource<Container>,
        name: String,
        start: u64,
        end: u64,
    ) -> Reply<Resource<IncomingValue>> {
        let id = self.id(&container)?;
        let value = self.state.read(id, name, Range { first: start, last: end }).await;
        self.push(value)
    }

    async fn write_data(
        &mut self,
        container: Resource<Container>,
        name: String,
        data: Resource<OutgoingValue>,
    ) -> Reply<()> {
        let id = self.id(&container)?;
        if let Err(error) = self.state.created_at(&id).await {
            return Ok(Err(error));
        }
        let value = self.table.get_mut(&data)?;
        Ok(ObjectId::new(id, name).and_then(|object| value.name(object)))
    }

    async fn list_objects(&mut self, container: Resource<Container>) -> Reply<Resource<ObjectNames>> {
        let id = self.id(&container)?;
        let names = self.state.created_at(&id).await.map(|_| ObjectNames::new(id));
        self.push(names)
    }

    async fn delete_object(&mut self, container: Resource<Container>, name: String) -> Reply<()> {
        self.delete_objects(container, vec![name]).await
    }

    async fn delete_objects(&mut self, container: Resource<Container>, names: Vec<String>) -> Reply<()> {
        let id = self.id(&container)?;
        Ok(self.backend().delete_objects(&id, &names).await)
    }

    async fn has_object(&mut self, container: Resource<Container>, name: String) -> Reply<bool> {
        let id = self.id(&container)?;
        let backend = self.backend();
        let has = async { Ok(backend.object(&ObjectId::new(id, name)?).await?.is_some()) };
        Ok(has.await)
    }

    async fn object_info(&mut self, container: Resource<Container>, name: String) -> Reply<container::ObjectMetadata> {
        let id = self.id(&container)?;
        Ok(self.state.info(id, name).await)
    }

    async fn clear(&mut self, container: Resource<Container>) -> Reply<()> {
        let id = self.id(&container)?;
        Ok(self.backend().clear_container(&id).await)
    }

    async fn drop(&mut self, container: Resource<Container>) -> wasmtime::Result<()> {
        self.table.delete(container)?;
        Ok(())
    }
}

impl container::HostStreamObjectNames for View<'_, ForComponent> {
    async fn read_stream_object_names(&mut self, names: Resource<ObjectNames>, len: u64) -> Reply<(Vec<String>, bool)> {
        let (backend, names) = (self.backend(), self.table.get_mut(&names)?);
        Ok(names.take(backend, len).await)
    }

    async fn skip_stream_object_names(&mut self, names: Resource<ObjectNames>, num: u64) -> Reply<(u64, bool)> {
        let (backend, names) = (self.backend(), self.table.get_mut(&names)?);
        Ok(names.skip(backend, num).await)
    }

    async fn drop(&mut self, names: Resource<ObjectNames>) -> wasmtime::Result<()> {
        self.table.delete(names)?;
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
        let (backend, value) = (self.backend(), self.table.get_mut(&value)?);
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
        Ok(value.finish(self.backend()).await)
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
