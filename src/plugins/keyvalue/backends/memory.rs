//! Key-value data in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use futures::FutureExt;

use crate::plugins::keyvalue::backend::{Answer, Backend, BucketId, Budget, Error, incremented};
use crate::runtime::workload::WorkloadId;

type Bucket = BTreeMap<String, Bytes>;
type Buckets = HashMap<WorkloadId, HashMap<Arc<str>, Bucket>>;

/// All buckets of all workloads, behind one lock: what happens under it is looking up and moving
/// handles, never copying values.
#[derive(Default)]
pub struct Memory {
    buckets: RwLock<Buckets>,
}

impl Memory {
    // A panic under the lock leaves whole values behind: each change is one call on a map.
    fn read(&self) -> RwLockReadGuard<'_, Buckets> {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Buckets> {
        self.buckets.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bucket<'a>(buckets: &'a Buckets, id: &BucketId) -> Option<&'a Bucket> {
    buckets.get(&id.workload)?.get(&id.name)
}

fn bucket_mut<'a>(buckets: &'a mut Buckets, id: &BucketId) -> &'a mut Bucket {
    buckets.entry(id.workload.clone()).or_default().entry(id.name.clone()).or_default()
}

fn answer<'a, T: Send + 'a>(result: Result<T, Error>) -> Answer<'a, T> {
    std::future::ready(result).boxed()
}

impl Backend for Memory {
    fn buckets<'a>(&'a self, workload: &'a WorkloadId, limit: usize) -> Answer<'a, Option<Vec<String>>> {
        let buckets = self.read();
        let of_workload = buckets.get(workload).into_iter().flatten().filter(|(_, bucket)| !bucket.is_empty());
        let mut names: Vec<String> = of_workload.map(|(name, _)| name.to_string()).collect();
        names.sort();
        names.truncate(limit);
        answer(Ok(Some(names)))
    }

    fn get_many<'a>(&'a self, id: &'a BucketId, keys: &'a [String]) -> Answer<'a, Vec<Option<Bytes>>> {
        let buckets = self.read();
        let bucket = bucket(&buckets, id);
        let mut budget = Budget::default();
        let mut get = |key: &String| -> Result<Option<Bytes>, Error> {
            let value = bucket.and_then(|bucket| bucket.get(key)).cloned();
            budget.take(value.as_ref().map_or(0, Bytes::len))?;
            Ok(value)
        };
        answer(keys.iter().map(&mut get).collect())
    }

    fn exists<'a>(&'a self, id: &'a BucketId, key: &'a str) -> Answer<'a, bool> {
        answer(Ok(bucket(&self.read(), id).is_some_and(|bucket| bucket.contains_key(key))))
    }

    fn keys<'a>(&'a self, id: &'a BucketId, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        let buckets = self.read();
        let Some(bucket) = bucket(&buckets, id) else { return answer(Ok(Vec::new())) };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = bucket.range::<str, _>((from, Bound::Unbounded)).take(limit).map(|(key, _)| key.clone());
        answer(Ok(keys.collect()))
    }

    fn set_many<'a>(&'a self, id: &'a BucketId, pairs: Vec<(String, Bytes)>) -> Answer<'a, ()> {
        bucket_mut(&mut self.write(), id).extend(pairs);
        answer(Ok(()))
    }

    fn delete_many<'a>(&'a self, id: &'a BucketId, keys: Vec<String>) -> Answer<'a, ()> {
        let mut buckets = self.write();
        if let Some(bucket) = buckets.get_mut(&id.workload).and_then(|buckets| buckets.get_mut(&id.name)) {
            for key in &keys {
                bucket.remove(key);
            }
        }
        answer(Ok(()))
    }

    fn increment<'a>(&'a self, id: &'a BucketId, key: &'a str, delta: u64) -> Answer<'a, u64> {
        let mut buckets = self.write();
        let bucket = bucket_mut(&mut buckets, id);
        let sum = incremented(key, bucket.get(key).map(|value| &value[..]), delta);
        if let Ok(sum) = &sum {
            bucket.insert(key.to_string(), sum.to_string().into());
        }
        answer(sum)
    }

    fn swap<'a>(&'a self, id: &'a BucketId, key: &'a str, seen: Option<Bytes>, value: Bytes) -> Answer<'a, bool> {
        let mut buckets = self.write();
        let bucket = bucket_mut(&mut buckets, id);
        let same = bucket.get(key) == seen.as_ref();
        if same {
            bucket.insert(key.to_string(), value);
        }
        answer(Ok(same))
    }

    fn forget(&self, workload: &WorkloadId) {
        self.write().remove(workload);
    }

    fn clear<'a>(&'a self, workload: &'a WorkloadId) -> Answer<'a, ()> {
        self.forget(workload);
        answer(Ok(()))
    }
}
