//! What keeps the data of `wasi:blobstore`, in plain types.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::runtime::workload::WorkloadId;

/// The longest name of a container, in bytes.
const MAX_CONTAINER_NAME: usize = 63;
/// The longest name of an object, in bytes.
const MAX_OBJECT_NAME: usize = 1024;

/// A container among those of all workloads. Its name has been checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerId {
    /// Whose it is.
    pub workload: WorkloadId,
    /// What the workload calls it.
    pub name: Arc<str>,
}

impl ContainerId {
    /// Fails when the name cannot be that of a container.
    pub fn new(workload: WorkloadId, name: &str) -> Result<Self, String> {
        let fault = match name {
            "" => "it is empty".to_string(),
            "." | ".." => "it means a folder".to_string(),
            name if name.len() > MAX_CONTAINER_NAME => format!("it is longer than {MAX_CONTAINER_NAME} bytes"),
            name => match name.chars().find(|&c| c == '/' || c == '\\' || c.is_control()) {
                Some(character) => format!("it contains {character:?}"),
                None => return Ok(ContainerId { workload, name: name.into() }),
            },
        };
        Err(format!("{name:?} cannot be the name of a container: {fault}"))
    }
}

/// An object. Its name has been checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectId {
    /// Where it is.
    pub container: ContainerId,
    /// What it is called there: any text, also with `/`.
    pub name: String,
}

impl ObjectId {
    /// Fails when the name cannot be that of an object.
    pub fn new(container: ContainerId, name: String) -> Result<Self, String> {
        match name.len() {
            0 => Err("the name of an object is empty".into()),
            1..=MAX_OBJECT_NAME => Ok(ObjectId { container, name }),
            size => Err(format!("the name of an object is longer than {MAX_OBJECT_NAME} bytes: it has {size}")),
        }
    }
}

/// What is known of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// When its content was stored, in seconds since 1970.
    pub created_at: u64,
    /// In bytes.
    pub size: u64,
}

/// A part of an object, from the first to the last byte, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub first: u64,
    pub last: u64,
}

impl Range {
    /// Which part of an object of that size it is: where it begins, and how many bytes it has.
    /// What the object does not have is left out.
    pub fn of(&self, size: u64) -> (u64, u64) {
        let start = self.first.min(size);
        let end = self.last.saturating_add(1).min(size);
        (start, end.saturating_sub(start))
    }
}

/// The content of an object, or a part of it, as it was at one moment: whatever is stored under the
/// same name later does not change it.
pub struct Content {
    /// How many bytes there are.
    pub size: u64,
    /// The bytes, in pieces.
    pub chunks: Chunks,
}

/// Bytes in pieces of moderate size.
pub type Chunks = BoxStream<'static, Result<Bytes, String>>;

/// The future answer of a backend; an error says what went wrong.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, String>>;

/// Keeps the data.
///
/// Every operation is atomic but for deleting several objects. An operation in a container that does
/// not exist fails with `no_container`. An answer of a persistent backend means that the change
/// survives a crash.
pub trait Backend: Send + Sync + 'static {
    /// Makes an empty container; returns whether it is new.
    fn create_container<'a>(&'a self, container: &'a ContainerId) -> Answer<'a, bool>;

    /// Returns when a container was made, in seconds since 1970; `None` where there is none.
    fn container<'a>(&'a self, container: &'a ContainerId) -> Answer<'a, Option<u64>>;

    /// Deletes a container with its objects. One that is not there is no error.
    fn delete_container<'a>(&'a self, container: &'a ContainerId) -> Answer<'a, ()>;

    /// Deletes all objects of a container.
    fn clear_container<'a>(&'a self, container: &'a ContainerId) -> Answer<'a, ()>;

    /// Returns up to `limit` names of objects, sorted, from the first one that is greater than `after`.
    fn objects<'a>(
        &'a self,
        container: &'a ContainerId,
        after: Option<&'a str>,
        limit: usize,
    ) -> Answer<'a, Vec<String>>;

    /// Returns what is known of an object; `None` where there is none.
    fn object<'a>(&'a self, object: &'a ObjectId) -> Answer<'a, Option<ObjectInfo>>;

    /// Returns a part of an object. Fails with `no_object` where there is none.
    fn read<'a>(&'a self, object: &'a ObjectId, range: Range) -> Answer<'a, Content>;

    /// Begins the content of an object whose name is told at the end.
    fn upload(&self) -> Answer<'_, Box<dyn Upload>>;

    /// Deletes objects. Those that are not there are no error.
    fn delete_objects<'a>(&'a self, container: &'a ContainerId, names: &'a [String]) -> Answer<'a, ()>;

    /// Copies an object, in place of an earlier one.
    fn copy_object<'a>(&'a self, from: &'a ObjectId, to: &'a ObjectId) -> Answer<'a, ()>;

    /// Gives an object another name. When that fails, it still has the old one.
    fn move_object<'a>(&'a self, from: &'a ObjectId, to: &'a ObjectId) -> Answer<'a, ()>;

    /// Returns the names of a workload's containers, sorted, up to `limit`; for people who look at them. `None`: it
    /// cannot tell.
    fn containers<'a>(&'a self, workload: &'a WorkloadId, limit: usize) -> Answer<'a, Option<Vec<String>>> {
        let _ = (workload, limit);
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Drops what is only in memory of a workload's data. A persistent backend has nothing to do.
    fn forget(&self, workload: &WorkloadId);

    /// Deletes all data of a workload.
    fn clear<'a>(&'a self, workload: &'a WorkloadId) -> Answer<'a, ()>;
}

/// Content that is being written. Dropped, it leaves nothing behind.
pub trait Upload: Send {
    /// Adds bytes at the end.
    fn write(&mut self, bytes: Bytes) -> Answer<'_, ()>;

    /// Makes an object of it, in place of an earlier one.
    fn commit(self: Box<Self>, object: ObjectId) -> Answer<'static, ()>;
}

/// The error for a container that does not exist.
pub fn no_container(container: &ContainerId) -> String {
    format!("the container `{}` does not exist", container.name)
}

/// The error for an object that does not exist.
pub fn no_object(object: &ObjectId) -> String {
    format!("the object `{}` does not exist in the container `{}`", object.name, object.container.name)
}

/// In seconds since 1970.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_includes_both_ends_and_ends_with_the_object() {
        let of = |first, last, size| Range { first, last }.of(size);
        assert_eq!(of(0, 9, 10), (0, 10));
        assert_eq!(of(3, 3, 10), (3, 1));
        assert_eq!(of(3, u64::MAX, 10), (3, 7));
        assert_eq!(of(10, 20, 10), (10, 0));
        assert_eq!(of(0, 0, 0), (0, 0));
        assert_eq!(of(0, u64::MAX, 0), (0, 0));
    }

    #[test]
    fn a_container_has_a_name_that_could_be_a_folder() {
        let workload = || crate::plugins::tests::workload("default", "hello").id();
        for name in ["default", "a", "Images.2024", "größe", "a b"] {
            assert!(ContainerId::new(workload(), name).is_ok(), "{name}");
        }
        for name in ["", ".", "..", "a/b", "..\\a", "a\0", "a\n", &"x".repeat(64)] {
            assert!(ContainerId::new(workload(), name).is_err(), "{name}");
        }
        let error = ContainerId::new(workload(), "a/b").unwrap_err();
        assert_eq!(error, r#""a/b" cannot be the name of a container: it contains '/'"#);
    }
}
