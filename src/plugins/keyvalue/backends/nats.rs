//! Key-value data in NATS: JetStream key-value buckets.
//!
//! A bucket of a workload is a bucket of NATS with a name made of both. Each operation on one key is
//! atomic; one on several keys is as many operations, done at the same time. Values are as large as
//! one message may be on that server.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::jetstream::context::KeyValueErrorKind;
use async_nats::jetstream::kv::{Config, Entry, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, Statistics};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::plugins::keyvalue::backend::{Answer, Backend, BucketId, Budget, Changes, Error, incremented};
use crate::plugins::remote::Nats;
use crate::plugins::remote::names::stream_name;
use crate::plugins::remote::nats::chain;
use crate::runtime::workload::WorkloadId;

/// How many keys of one call are asked for at the same time.
const AT_ONCE: usize = 32;
/// The longest encoded key, in bytes: it is part of a line of the protocol, of which a server takes
/// 4 KiB.
const MAX_ENCODED_KEY: usize = 3 << 10;
/// What a message has beside the value, in bytes: headers and the like.
const ENVELOPE: usize = 512;
/// How many buckets' keys are remembered.
const LISTED: usize = 4;

/// Buckets in one NATS server or cluster.
pub struct NatsBuckets {
    server: Arc<Nats>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// With what reaches them; `None` after the connection was replaced.
    opened: Mutex<HashMap<BucketId, Option<Reached>>>,
    listed: Mutex<VecDeque<Listed>>,
}

/// A bucket as one client reaches it. It holds that client, and so its connection, too.
struct Reached {
    store: Store,
    /// Each client has its own, by which it is recognised.
    client: Arc<Statistics>,
}

/// The buckets that were opened in this process.
pub(super) struct Opened(Arc<Shared>);

impl Opened {
    /// The one that is it.
    pub(super) fn id_of(&self, is_it: impl Fn(&BucketId) -> bool) -> Option<BucketId> {
        lock(&self.0.opened).keys().find(|id| is_it(id)).cloned()
    }
}

/// The keys of a bucket, sorted, as of its last change.
struct Listed {
    bucket: BucketId,
    last_change: u64,
    keys: Arc<Vec<String>>,
}

impl NatsBuckets {
    /// Buckets that are made when something is stored in them.
    pub fn new(server: Arc<Nats>) -> Self {
        NatsBuckets { server, shared: Arc::default() }
    }

    pub(super) fn server(&self) -> &Arc<Nats> {
        &self.server
    }

    /// The buckets that were opened here.
    pub(super) fn opened(&self) -> Opened {
        Opened(self.shared.clone())
    }

    /// Does something with a bucket, on the runtime of the connection.
    async fn run<T, W>(&self, id: &BucketId, work: impl FnOnce(Bucket) -> W + Send + 'static) -> Result<T, Error>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, String>> + Send + 'static,
    {
        let (id, shared) = (id.clone(), self.shared.clone());
        self.server.run(move |client| work(Bucket { id, client, shared })).await.map_err(Error::Other)
    }
}

/// A bucket with the client to reach it by.
struct Bucket {
    id: BucketId,
    client: Client,
    shared: Arc<Shared>,
}

impl Bucket {
    fn context(&self) -> Context {
        jetstream::new(self.client.clone())
    }

    /// The bucket, if anything was ever stored in it.
    async fn existing(&self) -> Result<Option<Store>, String> {
        if let Some(store) = self.kept() {
            return Ok(Some(store));
        }
        match self.context().get_key_value(bucket_name(&self.id)).await {
            Ok(store) => Ok(Some(self.keep(store))),
            Err(error) if error.kind() == KeyValueErrorKind::GetBucket && says_not_found(&error) => Ok(None),
            Err(error) => Err(failed("open the bucket", &self.id, &error)),
        }
    }

    /// The bucket, made when it is missing.
    async fn made(&self) -> Result<Store, String> {
        if let Some(store) = self.existing().await? {
            return Ok(store);
        }
        let config = Config {
            bucket: bucket_name(&self.id),
            description: description(&self.id.workload),
            history: 1,
            ..Config::default()
        };
        match self.context().create_key_value(config).await {
            Ok(store) => Ok(self.keep(store)),
            Err(error) => Err(failed("make the bucket", &self.id, &error)),
        }
    }

    fn keep(&self, store: Store) -> Store {
        let reached = Reached { store: store.clone(), client: self.client.statistics() };
        lock(&self.shared.opened).insert(self.id.clone(), Some(reached));
        store
    }

    /// The bucket as the client of now reaches it. An older client, of which another took the place, is let go:
    /// it would connect again, and stay beside the new one.
    fn kept(&self) -> Option<Store> {
        let (mut opened, now) = (lock(&self.shared.opened), self.client.statistics());
        for reached in opened.values_mut() {
            reached.take_if(|reached| !Arc::ptr_eq(&reached.client, &now));
        }
        opened.get(&self.id)?.as_ref().map(|reached| reached.store.clone())
    }

    /// A bucket that somebody deleted is not remembered any longer than until it fails.
    fn check<T>(&self, what: &str, result: Result<T, impl std::error::Error + 'static>) -> Result<T, String> {
        result.map_err(|error| {
            lock(&self.shared.opened).remove(&self.id);
            failed(what, &self.id, &error)
        })
    }

    async fn entry(&self, store: &Store, key: &str) -> Result<Option<Entry>, String> {
        self.check("read from the bucket", store.entry(encoded(key)?).await)
    }

    async fn get(&self, store: &Store, key: &str) -> Result<Option<Bytes>, String> {
        let entry = self.entry(store, key).await?;
        Ok(entry.filter(|entry| entry.operation == Operation::Put).map(|entry| entry.value))
    }

    fn fits(&self, key: &str, value: &Bytes) -> Result<(), String> {
        let most = self.client.server_info().max_payload.saturating_sub(ENVELOPE);
        match value.len() > most {
            true => Err(format!(
                "the value of `{key}` has {} bytes, and the NATS server takes {most} (see its `max_payload`)",
                value.len()
            )),
            false => Ok(()),
        }
    }

    async fn put(&self, store: &Store, key: &str, value: Bytes) -> Result<(), String> {
        self.fits(key, &value)?;
        self.check("write to the bucket", store.put(encoded(key)?, value).await).map(|_| ())
    }

    /// The keys of the bucket, sorted. NATS tells them all or none, so they are asked for once for
    /// all the pages of a list, as long as nothing changes.
    async fn keys(&self) -> Result<Arc<Vec<String>>, String> {
        let Some(store) = self.existing().await? else { return Ok(Arc::default()) };
        let info = self.check("look at the bucket", store.stream.get_info().await)?;
        let last_change = info.state.last_sequence;
        let known = lock(&self.shared.listed)
            .iter()
            .find(|listed| listed.bucket == self.id && listed.last_change == last_change)
            .map(|listed| listed.keys.clone());
        if let Some(keys) = known {
            return Ok(keys);
        }
        let listing = self.check("list the bucket", store.keys().await)?;
        let all: Vec<String> = self.check("list the bucket", listing.try_collect().await)?;
        let mut keys: Vec<String> = all.iter().filter_map(|key| decoded(key)).collect();
        keys.sort();
        let keys = Arc::new(keys);
        let mut listed = lock(&self.shared.listed);
        listed.retain(|listed| listed.bucket != self.id);
        listed.push_front(Listed { bucket: self.id.clone(), last_change, keys: keys.clone() });
        listed.truncate(LISTED);
        Ok(keys)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What NATS calls a bucket. A shared one is called what the operator calls it.
pub(super) fn bucket_name(id: &BucketId) -> String {
    match id.workload.is_shared() {
        true => id.name.to_string(),
        false => stream_name(&["wash", id.workload.as_str(), &id.name]),
    }
}

/// By which the buckets of a workload are found again.
pub(super) fn description(workload: &WorkloadId) -> String {
    match workload.is_shared() {
        true => String::new(),
        false => format!("key-value data of the workload {workload}"),
    }
}

pub(super) fn says_not_found(error: &(dyn std::error::Error + 'static)) -> bool {
    chain(error).contains("stream not found")
}

fn failed(what: &str, id: &BucketId, error: &(dyn std::error::Error + 'static)) -> String {
    format!("NATS could not {what} `{}`: {}", bucket_name(id), chain(error))
}

/// The key as NATS takes it: letters, digits and `-_/.` stay; any other byte is `=` with two
/// hexadecimal digits, and so is a dot where NATS has none. The empty key is `=`.
fn encoded(key: &str) -> Result<String, String> {
    if key.is_empty() {
        return Ok("=".into());
    }
    let bytes = key.as_bytes();
    let mut encoded = String::with_capacity(bytes.len());
    for (at, &byte) in bytes.iter().enumerate() {
        let plain = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'/' => true,
            b'.' => at > 0 && at + 1 < bytes.len() && bytes[at - 1] != b'.',
            _ => false,
        };
        match plain {
            true => encoded.push(byte as char),
            false => encoded.push_str(&format!("={byte:02X}")),
        }
    }
    match encoded.len() > MAX_ENCODED_KEY {
        true => Err(format!(
            "the key is too long for NATS: it has {} bytes as it is written there, and may have {MAX_ENCODED_KEY}",
            encoded.len()
        )),
        false => Ok(encoded),
    }
}

/// The key that is written so; `None` where somebody else wrote it in another way.
pub(super) fn decoded(encoded: &str) -> Option<String> {
    if encoded == "=" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        match first {
            b'=' => {
                let digits = std::str::from_utf8(after.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &after[2..];
            }
            other => {
                bytes.push(other);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

impl Backend for NatsBuckets {
    fn changes(&self) -> Option<&dyn Changes> {
        Some(self)
    }

    fn get_many<'a>(&'a self, id: &'a BucketId, keys: &'a [String]) -> Answer<'a, Vec<Option<Bytes>>> {
        let keys = keys.to_vec();
        let found = self.run(id, |bucket| async move {
            let Some(store) = bucket.existing().await? else { return Ok(vec![None; keys.len()]) };
            let (bucket, store) = (&bucket, &store);
            let mut values = Vec::with_capacity(keys.len());
            let mut budget = Budget::default();
            let asked = keys.into_iter().map(|key| async move { bucket.get(store, &key).await });
            let mut answers = stream::iter(asked).buffered(AT_ONCE);
            while let Some(value) = answers.try_next().await? {
                budget.take(value.as_ref().map_or(0, Bytes::len)).map_err(|error| error.to_string())?;
                values.push(value);
            }
            Ok(values)
        });
        found.boxed()
    }

    fn exists<'a>(&'a self, id: &'a BucketId, key: &'a str) -> Answer<'a, bool> {
        let key = key.to_string();
        let found = self.run(id, |bucket| async move {
            let Some(store) = bucket.existing().await? else { return Ok(false) };
            Ok(bucket.get(&store, &key).await?.is_some())
        });
        found.boxed()
    }

    fn keys<'a>(&'a self, id: &'a BucketId, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        let after = after.map(String::from);
        let page = self.run(id, move |bucket| async move {
            let keys = bucket.keys().await?;
            let from = after.map_or(0, |after| keys.partition_point(|key| *key <= after));
            Ok(keys[from..].iter().take(limit).cloned().collect())
        });
        page.boxed()
    }

    fn set_many<'a>(&'a self, id: &'a BucketId, pairs: Vec<(String, Bytes)>) -> Answer<'a, ()> {
        // Of two with the same key the later one stays, although all are written at the same time.
        let pairs: HashMap<String, Bytes> = pairs.into_iter().collect();
        let written = self.run(id, |bucket| async move {
            let store = bucket.made().await?;
            let (bucket, store) = (&bucket, &store);
            let puts = pairs.into_iter().map(|(key, value)| async move { bucket.put(store, &key, value).await });
            stream::iter(puts).buffer_unordered(AT_ONCE).try_collect().await
        });
        written.boxed()
    }

    fn delete_many<'a>(&'a self, id: &'a BucketId, keys: Vec<String>) -> Answer<'a, ()> {
        let deleted = self.run(id, |bucket| async move {
            let Some(store) = bucket.existing().await? else { return Ok(()) };
            let (bucket, store) = (&bucket, &store);
            let deletes = keys.into_iter().map(|key| async move {
                // A mark for a key that was never there would be kept for nothing.
                if bucket.get(store, &key).await?.is_none() {
                    return Ok(());
                }
                bucket.check("delete from the bucket", store.delete(encoded(&key)?).await)
            });
            stream::iter(deletes).buffer_unordered(AT_ONCE).try_collect().await
        });
        deleted.boxed()
    }

    fn increment<'a>(&'a self, id: &'a BucketId, key: &'a str, delta: u64) -> Answer<'a, u64> {
        let key = key.to_string();
        // Not a text but an error, so that what is no number is told as such.
        let sum = self.run(id, move |bucket| async move {
            let store = bucket.made().await?;
            let place = encoded(&key)?;
            loop {
                let entry = bucket.entry(&store, &key).await?;
                let revision = entry.as_ref().map_or(0, |entry| entry.revision);
                let stored = entry.filter(|entry| entry.operation == Operation::Put).map(|entry| entry.value);
                let sum = match incremented(&key, stored.as_deref(), delta) {
                    Ok(sum) => sum,
                    Err(error) => return Ok(Err(error)),
                };
                match store.update(&place, Bytes::from(sum.to_string()), revision).await {
                    Ok(_) => return Ok(Ok(sum)),
                    // Somebody else was faster; the time of the operation is the bound.
                    Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {}
                    Err(error) => return bucket.check("write to the bucket", Err(error)),
                }
            }
        });
        async move { sum.await? }.boxed()
    }

    fn swap<'a>(&'a self, id: &'a BucketId, key: &'a str, seen: Option<Bytes>, value: Bytes) -> Answer<'a, bool> {
        let key = key.to_string();
        let swapped = self.run(id, move |bucket| async move {
            let store = bucket.made().await?;
            let place = encoded(&key)?;
            bucket.fits(&key, &value)?;
            loop {
                let entry = bucket.entry(&store, &key).await?;
                let revision = entry.as_ref().map_or(0, |entry| entry.revision);
                let stored = entry.filter(|entry| entry.operation == Operation::Put).map(|entry| entry.value);
                if stored != seen {
                    return Ok(false);
                }
                match store.update(&place, value.clone(), revision).await {
                    Ok(_) => return Ok(true),
                    // Perhaps somebody has stored the same value once more.
                    Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {}
                    Err(error) => return bucket.check("write to the bucket", Err(error)),
                }
            }
        });
        swapped.boxed()
    }

    fn forget(&self, _: &WorkloadId) {}

    fn clear<'a>(&'a self, workload: &'a WorkloadId) -> Answer<'a, ()> {
        let (owner, shared) = (workload.clone(), self.shared.clone());
        let cleared = self.server.run(move |client| async move {
            let context = jetstream::new(client);
            let ours = description(&owner);
            let mut streams = context.streams();
            let mut names = Vec::new();
            while let Some(info) = streams.try_next().await.map_err(|error| chain(&error))? {
                if info.config.description.as_deref() == Some(&ours) {
                    names.push(info.config.name);
                }
            }
            lock(&shared.opened).retain(|id, _| id.workload != owner);
            lock(&shared.listed).retain(|listed| listed.bucket.workload != owner);
            for name in names {
                context.delete_stream(&name).await.map_err(|error| chain(&error))?;
            }
            Ok(())
        });
        async move { cleared.await.map_err(Error::Other) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_keys_are_written_as_they_are() {
        for key in ["a", "item/1", "a.b.c", "A-b_c", "0"] {
            assert_eq!(encoded(key).unwrap(), key);
        }
    }

    #[test]
    fn every_key_comes_back_as_it_was() {
        for key in ["", "=", "=41", " ", ".", "..", "a..b", ".a.", "*", ">", "größe", "nul\0", "a b=c"] {
            let encoded = encoded(key).unwrap();
            assert_eq!(decoded(&encoded).as_deref(), Some(key), "{encoded}");
            let plain = |c: char| c.is_ascii_alphanumeric() || "-/_=.".contains(c);
            assert!(encoded.chars().all(plain) && !encoded.contains("..") && !encoded.starts_with('.'), "{encoded}");
        }
        assert!(encoded(&"ö".repeat(2000)).unwrap_err().contains("may have 3072"));
    }

    #[test]
    fn what_others_wrote_differently_is_passed_over() {
        for foreign in ["a=", "a=zz", "=C3"] {
            assert_eq!(decoded(foreign), None, "{foreign}");
        }
    }
}
