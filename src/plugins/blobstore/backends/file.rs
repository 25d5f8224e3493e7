//! Objects as files, so that people can look at them; [`file_tree`] says how.

use std::fs::{self, TryLockError};
use std::io::{ErrorKind, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use futures::{FutureExt, StreamExt, stream};
use tokio::io::AsyncReadExt;

use super::file_tree::{self, PARTS, TRASH, existing, failed};
use super::file_upload::{FileUpload, Part};
use crate::error::{Context, Error, Result as WashResult};
use crate::plugins::blobstore::backend::{
    Answer, Backend, Chunks, ContainerId, Content, ObjectId, ObjectInfo, Range, Upload, seconds,
};
use crate::plugins::folder::{self, OpenFolders};
use crate::runtime::workload::WorkloadId;

const LOCK: &str = ".lock";

/// How much of an object a reader is given at a time, in bytes.
const CHUNK: usize = 256 << 10;

static OPEN: OpenFolders<Folder> = OpenFolders::new();

/// Data in a folder.
pub struct Folder {
    root: Arc<Path>,
    /// Held as long as this process uses the folder.
    _lock: fs::File,
}

impl Folder {
    /// Opens a folder, which is made when it is missing.
    ///
    /// Fails when the folder cannot be used, or another process uses it.
    pub fn open(folder: &Path) -> WashResult<Arc<Self>> {
        OPEN.open(folder, Self::open_real)
    }

    fn open_real(root: &Path) -> WashResult<Self> {
        let cannot_use = || format!("cannot use the folder `{}`", root.display());
        let lock = fs::File::options().create(true).truncate(false).write(true).open(root.join(LOCK));
        let lock = lock.context(cannot_use)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(folder::in_use("the blobs", root)),
            Err(TryLockError::Error(error)) => return Err(Error::caused_by(cannot_use(), &error)),
        }
        for ours in [PARTS, TRASH] {
            let ours = root.join(ours);
            // What is there was left behind by a crash.
            match fs::remove_dir_all(&ours) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).context(cannot_use),
                _ => fs::create_dir(&ours).context(cannot_use)?,
            }
        }
        Ok(Folder { root: root.into(), _lock: lock })
    }

    /// Does something with the folder where blocking is allowed.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let root = self.root.clone();
        on_disk(move || work(&root)).await
    }
}

/// Does something where blocking is allowed.
pub async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err("the folder of the blobs failed: wash broke".into()))
}

fn chunks(file: fs::File, size: u64) -> Chunks {
    let file = tokio::fs::File::from_std(file);
    stream::unfold((file, size), |(mut file, left)| async move {
        if left == 0 {
            return None;
        }
        let wanted = left.min(CHUNK as u64);
        let mut chunk = BytesMut::with_capacity(wanted as usize);
        let (chunk, left) = match (&mut file).take(wanted).read_buf(&mut chunk).await {
            Ok(0) => (Err("the object ended too early: somebody has changed its file".into()), 0),
            Ok(read) => (Ok(chunk.freeze()), left - read as u64),
            Err(error) => (Err(failed("read the object")(error)), 0),
        };
        Some((chunk, (file, left)))
    })
    .boxed()
}

impl Backend for Folder {
    fn containers<'a>(&'a self, workload: &'a WorkloadId, limit: usize) -> Answer<'a, Option<Vec<String>>> {
        let workload = workload.clone();
        self.on_disk(move |root| {
            file_tree::containers(root, &workload, limit).map(Some).map_err(failed("list the containers"))
        })
        .boxed()
    }

    fn create_container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, bool> {
        let id = id.clone();
        self.on_disk(move |root| {
            file_tree::make_container(root, &id).map_err(failed(format_args!("make the container `{}`", id.name)))
        })
        .boxed()
    }

    fn container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, Option<u64>> {
        let id = id.clone();
        self.on_disk(move |root| file_tree::created_at(root, &id)).boxed()
    }

    fn delete_container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        let id = id.clone();
        self.on_disk(move |root| file_tree::remove_container(root, &id)).boxed()
    }

    fn clear_container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        let id = id.clone();
        self.on_disk(move |root| {
            let path = existing(root, &id)?;
            file_tree::list(&path, None, usize::MAX)
                .and_then(|names| file_tree::remove_objects(&path, &names))
                .map_err(failed(format_args!("clear the container `{}`", id.name)))
        })
        .boxed()
    }

    fn objects<'a>(&'a self, id: &'a ContainerId, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        let (id, after) = (id.clone(), after.map(String::from));
        self.on_disk(move |root| {
            file_tree::list(&existing(root, &id)?, after.as_deref(), limit)
                .map_err(failed(format_args!("list the container `{}`", id.name)))
        })
        .boxed()
    }

    fn object<'a>(&'a self, id: &'a ObjectId) -> Answer<'a, Option<ObjectInfo>> {
        let id = id.clone();
        self.on_disk(move |root| {
            let Some((_, file)) = file_tree::object(root, &id)? else { return Ok(None) };
            // The content never changes once it has its name, so this is when it was stored.
            let stored = file.modified().map_err(failed(format_args!("look at the object `{}`", id.name)))?;
            Ok(Some(ObjectInfo { created_at: seconds(stored), size: file.len() }))
        })
        .boxed()
    }

    fn read<'a>(&'a self, id: &'a ObjectId, range: Range) -> Answer<'a, Content> {
        let id = id.clone();
        self.on_disk(move |root| {
            let (mut file, metadata) = file_tree::open_object(root, &id)?;
            let (start, size) = range.of(metadata.len());
            file.seek(SeekFrom::Start(start)).map_err(failed(format_args!("read the object `{}`", id.name)))?;
            Ok(Content { size, chunks: chunks(file, size) })
        })
        .boxed()
    }

    fn upload(&self) -> Answer<'_, Box<dyn Upload>> {
        let root = self.root.clone();
        on_disk(move || {
            let part = Part::new(&root.join(PARTS)).map_err(failed("begin to write an object"))?;
            Ok(Box::new(FileUpload::new(root, part)) as Box<dyn Upload>)
        })
        .boxed()
    }

    fn delete_objects<'a>(&'a self, id: &'a ContainerId, names: &'a [String]) -> Answer<'a, ()> {
        let (id, names) = (id.clone(), names.to_vec());
        self.on_disk(move |root| {
            file_tree::remove_objects(&existing(root, &id)?, &names)
                .map_err(failed(format_args!("delete objects of the container `{}`", id.name)))
        })
        .boxed()
    }

    fn copy_object<'a>(&'a self, from: &'a ObjectId, to: &'a ObjectId) -> Answer<'a, ()> {
        let (from, to) = (from.clone(), to.clone());
        self.on_disk(move |root| file_tree::copy(root, &from, &to)).boxed()
    }

    fn move_object<'a>(&'a self, from: &'a ObjectId, to: &'a ObjectId) -> Answer<'a, ()> {
        let (from, to) = (from.clone(), to.clone());
        self.on_disk(move |root| file_tree::rename(root, &from, &to)).boxed()
    }

    fn forget(&self, _: &WorkloadId) {}

    fn clear<'a>(&'a self, workload: &'a WorkloadId) -> Answer<'a, ()> {
        let workload = workload.clone();
        self.on_disk(move |root| {
            let path = file_tree::workload_path(root, &workload);
            file_tree::remove_tree(root, &path).map_err(failed("delete the containers"))
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::blobstore::backend::no_object;
    use bytes::Bytes;

    fn container() -> ContainerId {
        ContainerId::new(crate::plugins::tests::workload("default", "hello").id(), "c").unwrap()
    }

    fn object(name: &str) -> ObjectId {
        ObjectId::new(container(), name.into()).unwrap()
    }

    async fn put(folder: &Folder, name: &str, content: &'static str) -> Result<(), String> {
        let mut upload = folder.upload().await?;
        upload.write(Bytes::from(content)).await?;
        upload.commit(object(name)).await
    }

    async fn get(folder: &Folder, name: &str) -> Result<Vec<u8>, String> {
        let content = folder.read(&object(name), Range { first: 0, last: u64::MAX }).await?;
        crate::plugins::blobstore::incoming::IncomingValue::new(content).bytes().await
    }

    #[tokio::test]
    async fn acknowledged_objects_are_there_after_reopening_and_unfinished_ones_are_not() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        folder.create_container(&container()).await.unwrap();
        let made = folder.container(&container()).await.unwrap();
        put(&folder, "o", "content").await.unwrap();
        // A crash gives an upload no chance to clean up.
        std::mem::forget(folder.upload().await.unwrap());
        assert_eq!(fs::read_dir(temp.path().join(PARTS)).unwrap().count(), 1);
        drop(folder);

        let folder = Folder::open(temp.path()).unwrap();
        assert_eq!(fs::read_dir(temp.path().join(PARTS)).unwrap().count(), 0);
        assert_eq!(folder.container(&container()).await.unwrap(), made);
        assert_eq!(folder.objects(&container(), None, 10).await.unwrap(), ["o"]);
        assert_eq!(get(&folder, "o").await.unwrap(), b"content");
    }

    #[test]
    fn a_folder_that_another_process_uses_is_refused_by_name() {
        let temp = tempfile::tempdir().unwrap();
        let other = fs::File::create(temp.path().join(LOCK)).unwrap();
        other.lock().unwrap();
        let error = Folder::open(temp.path()).err().unwrap();
        let path = temp.path().canonicalize().unwrap();
        assert_eq!(error.message(), format!("the blobs in `{}` are in use by another process", path.display()));
    }

    #[tokio::test]
    async fn containers_are_folders_and_objects_are_files() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        folder.create_container(&container()).await.unwrap();
        put(&folder, "item:1.json", "{}").await.unwrap();
        let path = temp.path().join("default%2Fhello").join("c").join("item%3A1.json");
        assert_eq!(fs::read_to_string(path).unwrap(), "{}");
    }

    #[tokio::test]
    async fn a_folder_that_a_person_made_is_a_container_without_the_files_that_have_no_name_here() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        let path = temp.path().join("default%2Fhello").join("c");
        fs::create_dir_all(path.join("a folder")).unwrap();
        fs::write(path.join("picture.png"), "png").unwrap();
        fs::write(path.join("Not Ours.txt"), "").unwrap();
        fs::write(path.join(".DS_Store"), "").unwrap();
        assert!(folder.container(&container()).await.unwrap().is_some());
        assert_eq!(folder.objects(&container(), None, 10).await.unwrap(), ["picture.png"]);
        folder.clear_container(&container()).await.unwrap();
        assert!(path.join("Not Ours.txt").exists());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn links_lead_nowhere() {
        use std::os::unix::fs::symlink;
        let (temp, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("secret"), "secret").unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        folder.create_container(&container()).await.unwrap();
        let workload = temp.path().join("default%2Fhello");
        symlink(outside.path().join("secret"), workload.join("c").join("link")).unwrap();
        symlink(outside.path(), workload.join("linked")).unwrap();

        assert_eq!(get(&folder, "link").await.unwrap_err(), no_object(&object("link")));
        assert!(folder.object(&object("link")).await.unwrap().is_none());
        assert!(folder.objects(&container(), None, 10).await.unwrap().is_empty());
        let linked = ContainerId { name: "linked".into(), ..container() };
        assert!(folder.container(&linked).await.unwrap().is_none());
        assert!(folder.objects(&linked, None, 10).await.is_err());
        // Written over, a link is replaced; deleted, it is what goes.
        put(&folder, "link", "mine").await.unwrap();
        assert_eq!(get(&folder, "link").await.unwrap(), b"mine");
        folder.delete_container(&linked).await.unwrap();
        let through = ContainerId::new(crate::plugins::tests::workload("evil", "w").id(), "c").unwrap();
        symlink(outside.path(), temp.path().join("evil%2Fw")).unwrap();
        assert!(folder.create_container(&through).await.is_err());
        fs::create_dir(outside.path().join("c")).unwrap();
        assert!(folder.container(&through).await.unwrap().is_none());
        folder.delete_container(&through).await.unwrap();
        folder.clear(&through.workload).await.unwrap();
        assert!(outside.path().join("c").exists());
        assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
    }
}
