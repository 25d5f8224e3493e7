//! Objects in a store of a cloud: S3 and what speaks its language, Google Cloud Storage, Azure.
//!
//! Below the folder that the address names, a workload has a folder of its own, with an empty object
//! for each container in `containers/`, and the objects in `objects/CONTAINER/`. A shared container
//! is a folder and always there. Names of objects are kept as they are, as far as stores allow it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};
use tokio::sync::oneshot;

use super::object_place::without_queries;
use super::pump::pump;
use super::spool::Spool;
use crate::plugins::blobstore::backend::{
    Answer, Backend, ContainerId, Content, ObjectId, ObjectInfo, Range, Upload, no_container, no_object,
};
use crate::plugins::remote::nats::chain;
use crate::plugins::remote::{Home, Unanswered};
use crate::runtime::workload::WorkloadId;

/// How long one operation may take.
const OPERATION: Duration = Duration::from_secs(15);
/// How long one part of an object may take, or something that the store does to many objects.
const LONG_OPERATION: Duration = Duration::from_secs(120);
/// How large a part is, in bytes. Stores allow 10000 parts, so that an object has 160 GB at most.
const PART: usize = 16 << 20;

/// Containers in one bucket of a store.
pub struct Objects {
    inner: Arc<Inner>,
    home: Home,
}

struct Inner {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    /// The address as it may be shown.
    shown: String,
}

type Stored<T> = Result<T, StoreError>;

impl Objects {
    /// Containers below a folder. Nothing is asked of the store yet.
    pub fn new(store: Arc<dyn ObjectStore>, folder: Path, shown: String, home: Home) -> Self {
        Objects { inner: Arc::new(Inner { store, folder, shown }), home }
    }

    async fn run<T, W>(&self, limit: Duration, work: impl FnOnce(Arc<Inner>) -> W) -> Result<T, String>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, String>> + Send + 'static,
    {
        let done = self.home.run(limit, work(self.inner.clone())).await;
        done.unwrap_or_else(|unanswered| Err(self.inner.unanswered(unanswered, limit)))
    }
}

impl Inner {
    fn unanswered(&self, unanswered: Unanswered, limit: Duration) -> String {
        match unanswered {
            Unanswered::TimedOut => format!("no answer from {} within {} seconds", self.shown, limit.as_secs()),
            Unanswered::Gone => format!("the connection to {} has ended", self.shown),
        }
    }

    fn failed(&self, error: StoreError) -> String {
        format!("{} failed: {}", self.shown, without_queries(&chain(&error)))
    }

    /// A place below the folder, from parts that have been escaped.
    fn below(&self, parts: &[&str]) -> Path {
        let folder = [self.folder.as_ref()].into_iter().filter(|folder| !folder.is_empty());
        let all: Vec<&str> = folder.chain(parts.iter().copied()).collect();
        // Not `Path::join`, which would escape the escapes.
        Path::parse(all.join("/")).expect("escaped parts make a path")
    }

    fn of_workload(&self, workload: &WorkloadId) -> Path {
        self.below(&[&segment(workload.as_str())])
    }

    /// The empty object that says that there is a container; `None` for a shared one.
    fn marker(&self, id: &ContainerId) -> Option<Path> {
        let parts = [&*segment(id.workload.as_str()), "containers", &*segment(&id.name)];
        (!id.workload.is_shared()).then(|| self.below(&parts))
    }

    fn objects_of(&self, id: &ContainerId) -> Path {
        let name = segment(&id.name);
        match id.workload.is_shared() {
            true => self.below(&[&name]),
            false => self.below(&[&segment(id.workload.as_str()), "objects", &name]),
        }
    }

    fn place(&self, id: &ObjectId) -> Result<Path, String> {
        let folder = self.objects_of(&id.container);
        let path = format!("{folder}/{}", encoded(&id.name));
        Path::parse(path).map_err(|error| format!("the object `{}` cannot be kept there: {error}", id.name))
    }

    async fn created_at(&self, id: &ContainerId) -> Result<Option<u64>, String> {
        let Some(marker) = self.marker(id) else { return Ok(Some(0)) };
        Ok(self.found(self.store.head(&marker).await)?.map(|meta| seconds_of(&meta)))
    }

    async fn need(&self, id: &ContainerId) -> Result<(), String> {
        match self.created_at(id).await? {
            Some(_) => Ok(()),
            None => Err(no_container(id)),
        }
    }

    /// `None` for what is not there.
    fn found<T>(&self, result: Stored<T>) -> Result<Option<T>, String> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The error for an object that is not there: perhaps its container is not, either.
    async fn missing(&self, id: &ObjectId) -> String {
        match self.need(&id.container).await {
            Ok(()) => no_object(id),
            Err(error) => error,
        }
    }

    async fn delete(&self, places: BoxStream<'static, Stored<Path>>) -> Result<(), String> {
        let mut deleted = self.store.delete_stream(places);
        while let Some(result) = deleted.next().await {
            self.found(result)?;
        }
        Ok(())
    }

    async fn delete_all(&self, folder: &Path) -> Result<(), String> {
        let all = self.store.list(Some(folder)).map_ok(|meta| meta.location).boxed();
        self.delete(all).await
    }

    async fn copy(&self, from: &ObjectId, to: &ObjectId) -> Result<(), String> {
        self.need(&to.container).await?;
        let (source, target) = (self.place(from)?, self.place(to)?);
        // A store refuses to copy an object to itself.
        let copied = match source == target {
            true => self.store.head(&source).await.map(drop),
            false => self.store.copy(&source, &target).await,
        };
        match self.found(copied)? {
            Some(()) => Ok(()),
            None => Err(self.missing(from).await),
        }
    }

    /// Stores content that has been collected: at once, or in parts that become an object together.
    async fn store(&self, spool: Spool, id: ObjectId) -> Result<(), String> {
        let late = |limit: Duration| move |_| self.unanswered(Unanswered::TimedOut, limit);
        let within = |limit: Duration, stored| tokio::time::timeout(limit, stored);
        within(OPERATION, self.need(&id.container).boxed()).await.map_err(late(OPERATION))??;
        let place = self.place(&id)?;
        let size = spool.size();
        let mut content = spool.read().await?;
        if size <= PART as u64 {
            let put = self.store.put(&place, PutPayload::from(content.next(PART).await?));
            let put = tokio::time::timeout(LONG_OPERATION, put).await.map_err(late(LONG_OPERATION))?;
            return put.map(drop).map_err(|error| self.failed(error));
        }
        let begun = tokio::time::timeout(OPERATION, self.store.put_multipart(&place)).await.map_err(late(OPERATION))?;
        let mut upload = begun.map_err(|error| self.failed(error))?;
        let stored = async {
            loop {
                let part = content.next(PART).await?;
                if part.is_empty() {
                    break;
                }
                let put = tokio::time::timeout(LONG_OPERATION, upload.put_part(part.into())).await;
                put.map_err(late(LONG_OPERATION))?.map_err(|error| self.failed(error))?;
            }
            let completed = tokio::time::timeout(LONG_OPERATION, upload.complete()).await;
            completed.map_err(late(LONG_OPERATION))?.map_err(|error| self.failed(error))
        };
        match stored.await {
            Ok(_) => Ok(()),
            Err(error) => {
                // Parts that nobody puts together would be kept, and paid for.
                let _ = tokio::time::timeout(OPERATION, upload.abort()).await;
                Err(error)
            }
        }
    }
}

fn seconds_of(meta: &ObjectMeta) -> u64 {
    meta.last_modified.timestamp().max(0) as u64
}

/// Any text as one part of a path.
fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        match character {
            '%' | '/' | '\\' => escape(character, &mut segment),
            '.' if at == 0 => escape(character, &mut segment),
            control if control.is_control() => escape(control, &mut segment),
            other => segment.push(other),
        }
    }
    segment
}

/// The name of an object as the store has it. It is the same but for what no store takes: control
/// characters, `.` and `..` between slashes, and `%`, with which these are written; and nothing
/// between slashes, which is a `%` of its own.
fn encoded(name: &str) -> String {
    let parts = name.split('/').map(|part| match part {
        "" => "%".to_string(),
        "." => "%2E".to_string(),
        ".." => "%2E%2E".to_string(),
        part => {
            let mut encoded = String::with_capacity(part.len());
            for character in part.chars() {
                match character {
                    '%' => escape(character, &mut encoded),
                    control if control.is_control() => escape(control, &mut encoded),
                    other => encoded.push(other),
                }
            }
            encoded
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

fn escape(character: char, into: &mut String) {
    let mut bytes = [0; 4];
    for byte in character.encode_utf8(&mut bytes).bytes() {
        into.push_str(&format!("%{byte:02X}"));
    }
}

/// The name that is written so.
fn decoded(encoded: &str) -> String {
    let part = |part: &str| {
        if part == "%" {
            return String::new();
        }
        let mut bytes = Vec::with_capacity(part.len());
        let mut rest = part.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            let digits = after.get(..2).filter(|_| first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
            match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &after[2..];
                }
                None => {
                    bytes.push(first);
                    rest = after;
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    encoded.split('/').map(part).collect::<Vec<_>>().join("/")
}

impl Backend for Objects {
    fn create_container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, bool> {
        let id = id.clone();
        let created = self.run(OPERATION, |inner| async move {
            let Some(marker) = inner.marker(&id) else { return Ok(false) };
            let only_new = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            match inner.store.put_opts(&marker, PutPayload::default(), only_new).await {
                Ok(_) => Ok(true),
                Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => Ok(false),
                // A store without conditions: of two who come at the same time, both are first.
                Err(StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }) => {
                    let there = inner.created_at(&id).await?.is_some();
                    if !there {
                        let put = inner.store.put(&marker, PutPayload::default()).await;
                        put.map_err(|error| inner.failed(error))?;
                    }
                    Ok(!there)
                }
                Err(error) => Err(inner.failed(error)),
            }
        });
        created.boxed()
    }

    fn container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, Option<u64>> {
        let id = id.clone();
        self.run(OPERATION, |inner| async move { inner.created_at(&id).await }).boxed()
    }

    fn delete_container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        let id = id.clone();
        let deleted = self.run(LONG_OPERATION, |inner| async move {
            inner.delete_all(&inner.objects_of(&id)).await?;
            match inner.marker(&id) {
                Some(marker) => inner.found(inner.store.delete(&marker).await).map(drop),
                None => Ok(()),
            }
        });
        deleted.boxed()
    }

    fn clear_container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        let id = id.clone();
        let cleared = self.run(LONG_OPERATION, |inner| async move {
            inner.need(&id).await?;
            inner.delete_all(&inner.objects_of(&id)).await
        });
        cleared.boxed()
    }

    fn objects<'a>(&'a self, id: &'a ContainerId, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        let (id, after) = (id.clone(), after.map(encoded));
        let listed = self.run(LONG_OPERATION, move |inner| async move {
            let folder = inner.objects_of(&id);
            let listing = match after {
                Some(after) => {
                    let offset = Path::parse(format!("{folder}/{after}")).map_err(|error| error.to_string())?;
                    inner.store.list_with_offset(Some(&folder), &offset)
                }
                None => inner.store.list(Some(&folder)),
            };
            let found: Vec<ObjectMeta> =
                listing.take(limit).try_collect().await.map_err(|error| inner.failed(error))?;
            if found.is_empty() {
                inner.need(&id).await?;
            }
            let begin = format!("{folder}/");
            let names = found.iter().filter_map(|meta| meta.location.as_ref().strip_prefix(&begin));
            Ok(names.map(decoded).collect())
        });
        listed.boxed()
    }

    fn object<'a>(&'a self, id: &'a ObjectId) -> Answer<'a, Option<ObjectInfo>> {
        let id = id.clone();
        let looked = self.run(OPERATION, |inner| async move {
            match inner.found(inner.store.head(&inner.place(&id)?).await)? {
                Some(meta) => Ok(Some(ObjectInfo { created_at: seconds_of(&meta), size: meta.size })),
                None => inner.need(&id.container).await.map(|()| None),
            }
        });
        looked.boxed()
    }

    fn read<'a>(&'a self, id: &'a ObjectId, range: Range) -> Answer<'a, Content> {
        let id = id.clone();
        async move {
            let begun = self.run(OPERATION, move |inner| async move {
                let place = inner.place(&id)?;
                let mut options = GetOptions::default();
                if (range.first, range.last) != (0, u64::MAX) {
                    // A store refuses a range that is not there at all, so the size is asked for first.
                    let Some(meta) = inner.found(inner.store.head(&place).await)? else {
                        return Err(inner.missing(&id).await);
                    };
                    let (start, size) = range.of(meta.size);
                    if size == 0 {
                        return Ok((0, stream::empty().boxed()));
                    }
                    options.range = Some(GetRange::Bounded(start..start + size));
                    options.if_match = meta.e_tag;
                }
                match inner.found(inner.store.get_opts(&place, options).await)? {
                    Some(got) => {
                        let size = got.range.end - got.range.start;
                        let content = got.into_stream().map_err(move |error| inner.failed(error)).boxed();
                        Ok((size, content))
                    }
                    None => Err(inner.missing(&id).await),
                }
            });
            let (size, content): (u64, BoxStream<'static, Result<Bytes, String>>) = begun.await?;
            let (chunks, work) = pump(content);
            self.home.spawn(work);
            Ok(Content { size, chunks })
        }
        .boxed()
    }

    fn upload(&self) -> Answer<'_, Box<dyn Upload>> {
        let upload = Collected { spool: Spool::default(), inner: self.inner.clone(), home: self.home.clone() };
        std::future::ready(Ok(Box::new(upload) as Box<dyn Upload>)).boxed()
    }

    fn delete_objects<'a>(&'a self, id: &'a ContainerId, names: &'a [String]) -> Answer<'a, ()> {
        let (id, names) = (id.clone(), names.to_vec());
        let deleted = self.run(LONG_OPERATION, |inner| async move {
            inner.need(&id).await?;
            // What cannot be a name is not there.
            let objects = names.into_iter().filter_map(|name| ObjectId::new(id.clone(), name).ok());
            let places: Vec<_> = objects.filter_map(|object| inner.place(&object).ok()).map(Ok).collect();
            inner.delete(stream::iter(places).boxed()).await
        });
        deleted.boxed()
    }

    fn copy_object<'a>(&'a self, from: &'a ObjectId, to: &'a ObjectId) -> Answer<'a, ()> {
        let (from, to) = (from.clone(), to.clone());
        self.run(LONG_OPERATION, |inner| async move { inner.copy(&from, &to).await }).boxed()
    }

    fn move_object<'a>(&'a self, from: &'a ObjectId, to: &'a ObjectId) -> Answer<'a, ()> {
        let (from, to) = (from.clone(), to.clone());
        let moved = self.run(LONG_OPERATION, |inner| async move {
            inner.copy(&from, &to).await?;
            match from == to {
                true => Ok(()),
                false => inner.found(inner.store.delete(&inner.place(&from)?).await).map(drop),
            }
        });
        moved.boxed()
    }

    fn forget(&self, _: &WorkloadId) {}

    fn clear<'a>(&'a self, workload: &'a WorkloadId) -> Answer<'a, ()> {
        let workload = workload.clone();
        self.run(LONG_OPERATION, |inner| async move { inner.delete_all(&inner.of_workload(&workload)).await }).boxed()
    }
}

/// Content that is collected until its name is known.
struct Collected {
    spool: Spool,
    inner: Arc<Inner>,
    home: Home,
}

impl Upload for Collected {
    fn write(&mut self, bytes: Bytes) -> Answer<'_, ()> {
        self.spool.write(bytes).boxed()
    }

    fn commit(self: Box<Self>, object: ObjectId) -> Answer<'static, ()> {
        let Collected { spool, inner, home } = *self;
        async move {
            let (done, result) = oneshot::channel();
            // Goes on when the guest has gone, so that no half upload is left behind.
            home.spawn(async move {
                let _ = done.send(inner.store(spool, object).await);
            });
            result.await.unwrap_or_else(|_| Err("the upload was given up".into()))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_kept_as_they_are() {
        for name in ["cat.jpg", "2024/07/cat 1.jpg", "date=2024-01-01/größe", "a..b", ".hidden", "a+b(c)"] {
            assert_eq!(encoded(name), name);
        }
    }

    #[test]
    fn every_name_comes_back_as_it_was_and_is_a_path() {
        for name in
            ["a", "/", "//", "/a", "a/", "a//b", ".", "..", "../a", "a/./b", "%", "%41", "a%", "nul\0", "\u{85}"]
        {
            assert_eq!(decoded(&encoded(name)), name);
            let path = Path::parse(format!("x/{}", encoded(name))).unwrap();
            assert_eq!(path.as_ref(), format!("x/{}", encoded(name)), "{name:?}");
        }
    }

    #[test]
    fn a_container_is_one_folder() {
        for (name, folder) in [("photos", "photos"), ("a/b", "a%2Fb"), ("..", "%2E."), (".x", "%2Ex"), ("50%", "50%25")]
        {
            assert_eq!(segment(name), folder);
        }
    }
}
