//! Objects in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};

use crate::plugins::blobstore::backend::{
    Answer, Backend, ContainerId, Content, ObjectId, ObjectInfo, Range, Upload, no_container, no_object, seconds,
};
use crate::runtime::workload::WorkloadId;

/// How much of an object a reader is given at a time, in bytes.
const CHUNK: usize = 256 << 10;

type Containers = HashMap<WorkloadId, HashMap<Arc<str>, Container>>;

struct Container {
    created_at: u64,
    objects: BTreeMap<String, Object>,
}

#[derive(Clone)]
struct Object {
    created_at: u64,
    bytes: Bytes,
}

/// All containers of all workloads, behind one lock: what happens under it is looking up and moving
/// handles, never copying content.
pub struct Memory {
    containers: Arc<RwLock<Containers>>,
    /// The largest object, in bytes.
    max_object: usize,
}

impl Memory {
    /// Holds nothing yet, and never an object with more bytes than that.
    pub fn new(max_object: usize) -> Self {
        Memory { containers: Arc::default(), max_object }
    }

    fn read(&self) -> RwLockReadGuard<'_, Containers> {
        self.containers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Containers> {
        write(&self.containers)
    }

    fn in_container<T>(&self, id: &ContainerId, look: impl FnOnce(&Container) -> T) -> Result<T, String> {
        let containers = self.read();
        let container = containers.get(&id.workload).and_then(|all| all.get(&id.name));
        container.map(look).ok_or_else(|| no_container(id))
    }

    fn get(&self, id: &ObjectId) -> Result<Object, String> {
        self.in_container(&id.container, |container| container.objects.get(&id.name).cloned())?
            .ok_or_else(|| no_object(id))
    }
}

// A panic under the lock leaves whole objects behind: each change is one call on a map.
fn write(containers: &RwLock<Containers>) -> RwLockWriteGuard<'_, Containers> {
    containers.write().unwrap_or_else(PoisonError::into_inner)
}

fn container_mut<'a>(containers: &'a mut Containers, id: &ContainerId) -> Result<&'a mut Container, String> {
    containers.get_mut(&id.workload).and_then(|all| all.get_mut(&id.name)).ok_or_else(|| no_container(id))
}

fn answer<'a, T: Send + 'a>(result: Result<T, String>) -> Answer<'a, T> {
    std::future::ready(result).boxed()
}

fn now() -> u64 {
    seconds(SystemTime::now())
}

impl Backend for Memory {
    fn containers<'a>(&'a self, workload: &'a WorkloadId, limit: usize) -> Answer<'a, Option<Vec<String>>> {
        let containers = self.read();
        let of_workload = containers.get(workload).into_iter().flatten();
        let mut names: Vec<String> = of_workload.map(|(name, _)| name.to_string()).collect();
        names.sort();
        names.truncate(limit);
        std::future::ready(Ok(Some(names))).boxed()
    }

    fn create_container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, bool> {
        let mut containers = self.write();
        let all = containers.entry(id.workload.clone()).or_default();
        let is_new = !all.contains_key(&id.name);
        if is_new {
            all.insert(id.name.clone(), Container { created_at: now(), objects: BTreeMap::new() });
        }
        answer(Ok(is_new))
    }

    fn container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, Option<u64>> {
        answer(Ok(self.in_container(id, |container| container.created_at).ok()))
    }

    fn delete_container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        if let Some(all) = self.write().get_mut(&id.workload) {
            all.remove(&id.name);
        }
        answer(Ok(()))
    }

    fn clear_container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        answer(container_mut(&mut self.write(), id).map(|container| container.objects.clear()))
    }

    fn objects<'a>(&'a self, id: &'a ContainerId, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        answer(self.in_container(id, |container| {
            let objects = container.objects.range::<str, _>((from, Bound::Unbounded));
            objects.take(limit).map(|(name, _)| name.clone()).collect()
        }))
    }

    fn object<'a>(&'a self, id: &'a ObjectId) -> Answer<'a, Option<ObjectInfo>> {
        answer(self.in_container(&id.container, |container| {
            let object = container.objects.get(&id.name)?;
            Some(ObjectInfo { created_at: object.created_at, size: object.bytes.len() as u64 })
        }))
    }

    fn read<'a>(&'a self, id: &'a ObjectId, range: Range) -> Answer<'a, Content> {
        answer(self.get(id).map(|object| {
            let (start, size) = range.of(object.bytes.len() as u64);
            let mut rest = object.bytes.slice(start as usize..(start + size) as usize);
            let chunks = std::iter::from_fn(move || {
                let chunk = rest.split_to(rest.len().min(CHUNK));
                (!chunk.is_empty()).then_some(Ok(chunk))
            });
            Content { size, chunks: stream::iter(chunks).boxed() }
        }))
    }

    fn upload(&self) -> Answer<'_, Box<dyn Upload>> {
        let upload = Buffer { containers: self.containers.clone(), max_object: self.max_object, bytes: Vec::new() };
        answer(Ok(Box::new(upload) as Box<dyn Upload>))
    }

    fn delete_objects<'a>(&'a self, id: &'a ContainerId, names: &'a [String]) -> Answer<'a, ()> {
        answer(container_mut(&mut self.write(), id).map(|container| {
            for name in names {
                container.objects.remove(name);
            }
        }))
    }

    fn copy_object<'a>(&'a self, from: &'a ObjectId, to: &'a ObjectId) -> Answer<'a, ()> {
        answer(self.get(from).and_then(|object| {
            let copy = Object { created_at: now(), ..object };
            container_mut(&mut self.write(), &to.container)?.objects.insert(to.name.clone(), copy);
            Ok(())
        }))
    }

    fn move_object<'a>(&'a self, from: &'a ObjectId, to: &'a ObjectId) -> Answer<'a, ()> {
        let mut containers = self.write();
        let mut rename = || {
            // The new place first: without it the object stays where it is.
            container_mut(&mut containers, &to.container)?;
            let source = container_mut(&mut containers, &from.container)?;
            let object = source.objects.remove(&from.name).ok_or_else(|| no_object(from))?;
            container_mut(&mut containers, &to.container)?.objects.insert(to.name.clone(), object);
            Ok(())
        };
        answer(rename())
    }

    fn forget(&self, workload: &WorkloadId) {
        self.write().remove(workload);
    }

    fn clear<'a>(&'a self, workload: &'a WorkloadId) -> Answer<'a, ()> {
        self.forget(workload);
        answer(Ok(()))
    }
}

/// Content that is being written.
struct Buffer {
    containers: Arc<RwLock<Containers>>,
    max_object: usize,
    bytes: Vec<u8>,
}

impl Upload for Buffer {
    fn write(&mut self, bytes: Bytes) -> Answer<'_, ()> {
        if self.bytes.len() + bytes.len() > self.max_object {
            let limit = self.max_object;
            return answer(Err(format!("an object in memory has at most {limit} bytes")));
        }
        self.bytes.extend_from_slice(&bytes);
        answer(Ok(()))
    }

    fn commit(self: Box<Self>, id: ObjectId) -> Answer<'static, ()> {
        // Boxed first: the room to grow that the buffer still had is given back.
        let object = Object { created_at: now(), bytes: self.bytes.into_boxed_slice().into() };
        let mut containers = write(&self.containers);
        let committed =
            container_mut(&mut containers, &id.container).map(|container| container.objects.insert(id.name, object));
        drop(containers);
        answer(committed.map(|_| ()))
    }
}
