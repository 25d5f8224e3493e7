//! Tells of changes in NATS: each bucket is a stream, and each of its messages a change.
//!
//! The buckets of a workload are those whose description says so. The server announces new ones; that
//! is heard where its user may, and the buckets are looked through now and then in any case. After a
//! break a bucket is followed from where it was left, so what happened meanwhile is told, too: of each
//! key what was done last.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::kv::{Operation, Watch};
use async_nats::jetstream::stream::Info;
use async_nats::jetstream::{self, Context};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::nats::{NatsBuckets, Opened, bucket_name, decoded, description, says_not_found};
use crate::plugins::keyvalue::backend::{Begun, BucketId, Change, Changes, Feed, Scope, Told};
use crate::plugins::remote::Nats;
use crate::plugins::remote::names::last_part;
use crate::plugins::remote::nats::chain;
use crate::runtime::workload::WorkloadId;

/// Where the server announces that a stream was made or deleted.
const ANNOUNCEMENTS: &str = "$JS.EVENT.ADVISORY.STREAM.*.*";
/// What the name of a bucket's stream begins with.
const STREAM: &str = "KV_";
/// How often the buckets are looked through although nothing was announced.
const LOOK: Duration = Duration::from_secs(30);
/// How long looking through them may take.
const LOOKING: Duration = Duration::from_secs(20);
/// How long the first attempt after a failure waits, and the last ones.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

impl Changes for NatsBuckets {
    fn place(&self) -> String {
        format!("nats {:p}", Arc::as_ptr(self.server()))
    }

    fn watch(&self, scope: Scope, told: Told) -> Feed {
        let (begun, said) = watch::channel(None);
        let server = self.server().clone();
        let follower =
            Follower { scope, told, opened: self.opened(), known: HashMap::new(), tasks: JoinSet::new(), first: true };
        Feed::new(server.clone().spawn(async move { follower.run(&server, begun).await }), said)
    }
}

/// Follows the buckets of one scope.
struct Follower {
    scope: Scope,
    told: Told,
    opened: Opened,
    /// By the names of their streams.
    known: HashMap<String, Known>,
    tasks: JoinSet<()>,
    /// What is there at the first look is not told.
    first: bool,
}

/// A bucket that is followed.
struct Known {
    /// When its stream was made: a later one of the same name counts anew.
    made: String,
    /// The last change that was told.
    last: Arc<AtomicU64>,
    task: AbortHandle,
}

impl Drop for Known {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follower {
    async fn run(mut self, server: &Nats, begun: watch::Sender<Option<Begun>>) {
        let mut pause = PAUSES.0;
        loop {
            let mut followed = false;
            let failed = match server.client().await {
                Ok(client) => self.follow(client, &begun, &mut followed).await,
                Err(error) => error,
            };
            if followed {
                pause = PAUSES.0;
            }
            match begun.borrow().is_some() {
                true if pause == PAUSES.0 => tracing::warn!("changes of keys in NATS are not told now: {failed}"),
                _ => tracing::debug!("changes of keys in NATS are not told now: {failed}"),
            }
            begun.send_if_modified(|begun| begun.is_none() && begun.replace(Begun::Later(failed)).is_none());
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Returns why it cannot go on.
    async fn follow(&mut self, client: Client, begun: &watch::Sender<Option<Begun>>, followed: &mut bool) -> String {
        let mut announcements = match client.subscribe(ANNOUNCEMENTS).await {
            Ok(announcements) => announcements,
            Err(error) => return chain(&error),
        };
        let context = jetstream::new(client);
        loop {
            match tokio::time::timeout(LOOKING, self.look(&context)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error,
                Err(_) => return "the server does not answer".into(),
            }
            *followed = true;
            begun.send_replace(Some(Begun::Watching));
            let look = tokio::time::sleep(LOOK);
            tokio::pin!(look);
            loop {
                tokio::select! {
                    announced = announcements.next() => match announced {
                        None => return "the connection has ended".into(),
                        Some(message) if self.concerns(&message.subject) => break,
                        Some(_) => {}
                    },
                    // One that ended is followed again, but not as fast as it ends.
                    Some(_) = self.tasks.join_next() => {
                        tokio::time::sleep(PAUSES.0).await;
                        break;
                    }
                    () = &mut look => break,
                }
            }
        }
    }

    /// Whether an announcement is about a bucket that is followed or would be.
    fn concerns(&self, subject: &str) -> bool {
        let Some(bucket) = subject.rsplit('.').next().and_then(|stream| stream.strip_prefix(STREAM)) else {
            return false;
        };
        match &self.scope {
            Scope::Shared(name) => bucket == &**name,
            Scope::Workload(_) => self.id_of(bucket).is_some(),
        }
    }

    /// Which bucket has this name in NATS. One with a long name is only known if it was opened here.
    fn id_of(&self, bucket: &str) -> Option<BucketId> {
        match &self.scope {
            Scope::Shared(name) => Some(BucketId { workload: WorkloadId::shared(), name: name.clone() }),
            Scope::Workload(workload) => {
                let read = last_part(bucket, &["wash", workload.as_str()]);
                let read = read.map(|name| BucketId { workload: workload.clone(), name: name.into() });
                read.or_else(|| self.opened.id_of(|id| id.workload == *workload && bucket_name(id) == bucket))
            }
        }
    }

    /// Follows buckets that are new, and those that are not followed any more.
    async fn look(&mut self, context: &Context) -> Result<(), String> {
        let streams = self.streams(context).await?;
        self.known.retain(|name, _| streams.iter().any(|info| info.config.name == *name));
        for info in streams {
            let name = info.config.name.clone();
            let made = format!("{:?}", info.created);
            let known = self.known.get(&name).filter(|known| known.made == made);
            if known.is_some_and(|known| !known.task.is_finished()) {
                continue;
            }
            let Some(id) = name.strip_prefix(STREAM).and_then(|bucket| self.id_of(bucket)) else { continue };
            let last = match known {
                Some(known) => known.last.clone(),
                // What was made later has nothing that was there before.
                None => Arc::new(AtomicU64::new(if self.first { info.state.last_sequence } else { 0 })),
            };
            let store = context.get_key_value(bucket_name(&id)).await.map_err(|error| chain(&error))?;
            let from = last.load(Ordering::Relaxed) + 1;
            let changes = store.watch_all_from_revision(from).await.map_err(|error| chain(&error))?;
            let task = self.tasks.spawn(tell(changes, id, last.clone(), self.told.clone()));
            self.known.insert(name, Known { made, last, task });
        }
        self.first = false;
        Ok(())
    }

    async fn streams(&self, context: &Context) -> Result<Vec<Info>, String> {
        match &self.scope {
            Scope::Shared(name) => match context.get_stream(format!("{STREAM}{name}")).await {
                Ok(stream) => Ok(vec![stream.cached_info().clone()]),
                Err(error) if says_not_found(&error) => Ok(Vec::new()),
                Err(error) => Err(chain(&error)),
            },
            Scope::Workload(workload) => {
                let ours = description(workload);
                let all: Vec<Info> = context.streams().try_collect().await.map_err(|error| chain(&error))?;
                Ok(all.into_iter().filter(|info| info.config.description.as_deref() == Some(&ours)).collect())
            }
        }
    }
}

/// Tells the changes of one bucket until that fails.
async fn tell(mut changes: Watch, id: BucketId, last: Arc<AtomicU64>, told: Told) {
    while let Some(change) = changes.next().await {
        let entry = match change {
            Ok(entry) => entry,
            Err(error) => return tracing::debug!("the bucket `{}` is followed anew: {}", id.name, chain(&error)),
        };
        last.store(entry.revision, Ordering::Relaxed);
        // What somebody else wrote in another way no component could ask for.
        let Some(key) = decoded(&entry.key) else { continue };
        let change = match entry.operation {
            Operation::Put => Change::Set { key, value: entry.value },
            Operation::Delete | Operation::Purge => Change::Deleted { key },
        };
        told(&id, change);
    }
}
