//! Objects in NATS: JetStream object stores.
//!
//! A container of a workload is an object store of NATS with a name made of both. An object is kept
//! in pieces, which are read from the first one on, also when a guest wants only the last ones. Who
//! reads an object while it is replaced gets an error.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::object_store::{Config, InfoErrorKind, ObjectInfo as StoredInfo, ObjectStore};
use async_nats::jetstream::{self, Context};
use bytes::{Bytes, BytesMut};
use futures::{FutureExt, TryStreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::pump::pump;
use super::spool::Spool;
use crate::plugins::blobstore::backend::{
    Answer, Backend, ContainerId, Content, ObjectId, ObjectInfo, Range, Upload, no_container, no_object,
};
use crate::plugins::remote::Nats;
use crate::plugins::remote::names::stream_name;
use crate::plugins::remote::nats::chain;
use crate::runtime::workload::WorkloadId;

/// How long something that concerns many objects may take, or the whole content of one.
const LONG_OPERATION: Duration = Duration::from_secs(120);
/// How large the pieces are that a guest is given, in bytes.
const PIECE: usize = 128 << 10;

/// Containers in one NATS server or cluster.
pub struct NatsObjects {
    server: Arc<Nats>,
}

impl NatsObjects {
    /// Containers are object stores of that server.
    pub fn new(server: Arc<Nats>) -> Self {
        NatsObjects { server }
    }

    async fn run<T, W>(
        &self,
        limit: Option<Duration>,
        work: impl FnOnce(Client) -> W + Send + 'static,
    ) -> Result<T, String>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, String>> + Send + 'static,
    {
        match limit {
            Some(limit) => self.server.run_within(limit, work).await,
            None => self.server.run(work).await,
        }
    }
}

fn context(client: &Client) -> Context {
    jetstream::new(client.clone())
}

/// What NATS calls the container. A shared one is called what the operator calls it.
fn store_name(id: &ContainerId) -> String {
    match id.workload.is_shared() {
        true => id.name.to_string(),
        false => stream_name(&["wash", id.workload.as_str(), &id.name]),
    }
}

/// By which the containers of a workload are found again, followed by what makes each unlike others:
/// who wants to make one that is there is told by NATS that it is another.
fn description(workload: &WorkloadId) -> String {
    format!("blobs of the workload {workload}; ")
}

async fn existing(client: &Client, id: &ContainerId) -> Result<Option<ObjectStore>, String> {
    match context(client).get_object_store(store_name(id)).await {
        Ok(store) => Ok(Some(store)),
        Err(error) if chain(&error).contains("stream not found") => Ok(None),
        Err(error) => Err(failed("open", id, &error)),
    }
}

async fn need(client: &Client, id: &ContainerId) -> Result<ObjectStore, String> {
    existing(client, id).await?.ok_or_else(|| no_container(id))
}

async fn info(store: &ObjectStore, id: &ObjectId) -> Result<Option<StoredInfo>, String> {
    match store.info(&id.name).await {
        Ok(info) => Ok((!info.deleted).then_some(info)),
        Err(error) if error.kind() == InfoErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("look into", &id.container, &error)),
    }
}

/// The names of all objects, sorted.
async fn names(store: &ObjectStore, id: &ContainerId) -> Result<Vec<String>, String> {
    let list = store.list().await.map_err(|error| failed("list", id, &error))?;
    let mut names: Vec<String> =
        list.map_ok(|info| info.name).try_collect().await.map_err(|error| failed("list", id, &error))?;
    names.sort();
    Ok(names)
}

async fn delete(store: &ObjectStore, id: &ObjectId) -> Result<(), String> {
    if info(store, id).await?.is_none() {
        return Ok(());
    }
    store.delete(&id.name).await.map_err(|error| failed("delete from", &id.container, &error))
}

fn failed(what: &str, id: &ContainerId, error: &(dyn std::error::Error + 'static)) -> String {
    format!("NATS could not {what} the object store `{}`: {}", store_name(id), chain(error))
}

/// Stores what `content` gives, piece by piece.
async fn put(store: &ObjectStore, id: &ObjectId, mut content: impl AsyncReadExt + Unpin) -> Result<(), String> {
    let stored = store.put(id.name.as_str(), &mut content).await;
    stored.map(drop).map_err(|error| failed("write to", &id.container, &error))
}

async fn copy(client: &Client, from: &ObjectId, to: &ObjectId) -> Result<(), String> {
    let (source, target) = (need(client, &from.container).await?, need(client, &to.container).await?);
    if info(&source, from).await?.is_none() {
        return Err(no_object(from));
    }
    if from == to {
        return Ok(());
    }
    let content = source.get(&from.name).await.map_err(|error| failed("read from", &from.container, &error))?;
    put(&target, to, content).await
}

impl Backend for NatsObjects {
    fn create_container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, bool> {
        let id = id.clone();
        let created = self.run(None, |client| async move {
            if existing(&client, &id).await?.is_some() {
                return Ok(false);
            }
            let own = format!("{}{}", description(&id.workload), client.new_inbox());
            let config = Config { bucket: store_name(&id), description: Some(own), ..Config::default() };
            match context(&client).create_object_store(config).await {
                Ok(_) => Ok(true),
                Err(error) if chain(&error).contains("already in use") => Ok(false),
                Err(error) => Err(failed("make", &id, &error)),
            }
        });
        created.boxed()
    }

    fn container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, Option<u64>> {
        let id = id.clone();
        let looked = self.run(None, |client| async move {
            match context(&client).get_stream(format!("OBJ_{}", store_name(&id))).await {
                Ok(stream) => Ok(Some(stream.cached_info().created.unix_timestamp().max(0) as u64)),
                Err(error) if chain(&error).contains("stream not found") => Ok(None),
                Err(error) => Err(failed("open", &id, &error)),
            }
        });
        looked.boxed()
    }

    fn delete_container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        let id = id.clone();
        let deleted = self.run(None, |client| async move {
            match context(&client).delete_object_store(store_name(&id)).await {
                Ok(()) => Ok(()),
                Err(error) if chain(&error).contains("stream not found") => Ok(()),
                Err(error) => Err(failed("delete", &id, &error)),
            }
        });
        deleted.boxed()
    }

    fn clear_container<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()> {
        let id = id.clone();
        let cleared = self.run(Some(LONG_OPERATION), |client| async move {
            need(&client, &id).await?;
            let stream = context(&client).get_stream_no_info(format!("OBJ_{}", store_name(&id))).await;
            let stream = stream.map_err(|error| failed("open", &id, &error))?;
            stream.purge().await.map(drop).map_err(|error| failed("empty", &id, &error))
        });
        cleared.boxed()
    }

    fn objects<'a>(&'a self, id: &'a ContainerId, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        let (id, after) = (id.clone(), after.map(String::from));
        let listed = self.run(Some(LONG_OPERATION), move |client| async move {
            let mut names = names(&need(&client, &id).await?, &id).await?;
            let from = after.map_or(0, |after| names.partition_point(|name| *name <= after));
            names.drain(..from);
            names.truncate(limit);
            Ok(names)
        });
        listed.boxed()
    }

    fn object<'a>(&'a self, id: &'a ObjectId) -> Answer<'a, Option<ObjectInfo>> {
        let id = id.clone();
        let looked = self.run(None, |client| async move {
            let found = info(&need(&client, &id.container).await?, &id).await?;
            Ok(found.map(|info| ObjectInfo {
                created_at: info.modified.map_or(0, |time| time.unix_timestamp().max(0) as u64),
                size: info.size as u64,
            }))
        });
        looked.boxed()
    }

    fn read<'a>(&'a self, id: &'a ObjectId, range: Range) -> Answer<'a, Content> {
        let id = id.clone();
        async move {
            let begun = self.run(None, move |client| async move {
                let store = need(&client, &id.container).await?;
                let Some(info) = info(&store, &id).await? else { return Err(no_object(&id)) };
                let (start, size) = range.of(info.size as u64);
                let object = store.get(&id.name).await.map_err(|error| failed("read from", &id.container, &error))?;
                Ok((object, start, size))
            });
            let (object, start, size) = begun.await?;
            let pieces = stream::try_unfold((object, start, size), |(mut object, mut skip, mut left)| async move {
                let failed = |error: std::io::Error| format!("NATS could not go on with the object: {error}");
                while left > 0 {
                    let mut piece = BytesMut::with_capacity(PIECE);
                    if object.read_buf(&mut piece).await.map_err(failed)? == 0 {
                        return Err("the object in NATS ended before its size".to_string());
                    }
                    let passed = skip.min(piece.len() as u64);
                    skip -= passed;
                    let mut piece = piece.split_off(passed as usize).freeze();
                    piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                    if !piece.is_empty() {
                        left -= piece.len() as u64;
                        return Ok(Some((piece, (object, skip, left))));
                    }
                }
                Ok(None)
            });
            let (chunks, work) = pump(pieces);
            self.server.spawn(work);
            Ok(Content { size, chunks })
        }
        .boxed()
    }

    fn upload(&self) -> Answer<'_, Box<dyn Upload>> {
        let upload = Collected { spool: Spool::default(), server: self.server.clone() };
        std::future::ready(Ok(Box::new(upload) as Box<dyn Upload>)).boxed()
    }

    fn delete_objects<'a>(&'a self, id: &'a ContainerId, names: &'a [String]) -> Answer<'a, ()> {
        let (id, names) = (id.clone(), names.to_vec());
        let deleted = self.run(Some(LONG_OPERATION), |client| async move {
            let store = need(&client, &id).await?;
            // What cannot be a name is not there.
            for object in names.into_iter().filter_map(|name| ObjectId::new(id.clone(), name).ok()) {
                delete(&store, &object).await?;
            }
            Ok(())
        });
        deleted.boxed()
    }

    fn copy_object<'a>(&'a self, from: &'a ObjectId, to: &'a ObjectId) -> Answer<'a, ()> {
        let (from, to) = (from.clone(), to.clone());
        self.run(Some(LONG_OPERATION), |client| async move { copy(&client, &from, &to).await }).boxed()
    }

    fn move_object<'a>(&'a self, from: &'a ObjectId, to: &'a ObjectId) -> Answer<'a, ()> {
        let (from, to) = (from.clone(), to.clone());
        let moved = self.run(Some(LONG_OPERATION), |client| async move {
            copy(&client, &from, &to).await?;
            match from == to {
                true => Ok(()),
                false => delete(&need(&client, &from.container).await?, &from).await,
            }
        });
        moved.boxed()
    }

    fn forget(&self, _: &WorkloadId) {}

    fn clear<'a>(&'a self, workload: &'a WorkloadId) -> Answer<'a, ()> {
        let ours = description(workload);
        let cleared = self.run(Some(LONG_OPERATION), move |client| async move {
            let context = context(&client);
            let mut streams = context.streams();
            let mut names = Vec::new();
            while let Some(info) = streams.try_next().await.map_err(|error| chain(&error))? {
                if info.config.description.as_ref().is_some_and(|description| description.starts_with(&ours)) {
                    names.push(info.config.name);
                }
            }
            for name in names {
                context.delete_stream(&name).await.map_err(|error| chain(&error))?;
            }
            Ok(())
        });
        cleared.boxed()
    }
}

/// Content that is collected until its name is known.
struct Collected {
    spool: Spool,
    server: Arc<Nats>,
}

impl Upload for Collected {
    fn write(&mut self, bytes: Bytes) -> Answer<'_, ()> {
        self.spool.write(bytes).boxed()
    }

    fn commit(self: Box<Self>, id: ObjectId) -> Answer<'static, ()> {
        let Collected { spool, server } = *self;
        async move {
            let (done, result) = oneshot::channel();
            let home = server.clone();
            // Goes on when the guest has gone, so that no half object is left behind.
            home.spawn(async move {
                let stored = async {
                    let client = server.client().await?;
                    let store = need(&client, &id.container).await?;
                    let mut content = spool.read().await?;
                    let (mut sender, receiver) = tokio::io::duplex(PIECE);
                    let feed = async move {
                        loop {
                            let piece = content.next(PIECE).await?;
                            if piece.is_empty() {
                                return Ok::<_, String>(());
                            }
                            sender.write_all(&piece).await.map_err(|error| error.to_string())?;
                        }
                    };
                    tokio::try_join!(feed, put(&store, &id, receiver)).map(drop)
                };
                let stored = tokio::time::timeout(LONG_OPERATION, stored).await;
                let _ = done.send(stored.unwrap_or_else(|_| Err("NATS did not take the object in time".into())));
            });
            result.await.unwrap_or_else(|_| Err("the upload was given up".into()))
        }
        .boxed()
    }
}
