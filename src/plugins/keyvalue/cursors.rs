//! Numbers that stand for places in a list of keys.
//!
//! The interface pages through keys with a number, and a key is not a number. A count of keys would
//! do until somebody deletes while listing: the pages after that would pass over keys. So a number
//! stands for the last key of a page, and the next page begins after that key, whether it is still
//! there or not. The number is made from the key, hence the same in every instance of a component
//! and after a restart; which key it was made from is remembered here, and where it is forgotten,
//! found by going through the keys.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::backend::{Backend, BucketId, Error};
use crate::runtime::workload::WorkloadId;

/// How many places are remembered; the oldest is forgotten first.
const MAX_REMEMBERED: usize = 4096;
/// How many keys are looked at in one step when a place must be found again.
const SEARCH_STEP: usize = 1000;

/// The places that were handed out.
#[derive(Default)]
pub struct Cursors {
    remembered: Mutex<Remembered>,
}

type Place = (BucketId, u64);

#[derive(Default)]
struct Remembered {
    keys: HashMap<Place, String>,
    oldest_first: VecDeque<Place>,
}

impl Cursors {
    /// Returns the number for the place after a key.
    pub fn after(&self, bucket: &BucketId, key: &str) -> u64 {
        let place = (bucket.clone(), number(key));
        let mut remembered = self.lock();
        if remembered.keys.insert(place.clone(), key.to_string()).is_none() {
            remembered.oldest_first.push_back(place.clone());
        }
        if remembered.oldest_first.len() > MAX_REMEMBERED
            && let Some(oldest) = remembered.oldest_first.pop_front()
        {
            remembered.keys.remove(&oldest);
        }
        place.1
    }

    /// Returns the key that a number stands for.
    ///
    /// Fails when the number was never handed out for this bucket, or it was forgotten and the key
    /// has been deleted since.
    pub async fn key(&self, backend: &dyn Backend, bucket: &BucketId, cursor: u64) -> Result<String, Error> {
        let place = (bucket.clone(), cursor);
        if let Some(key) = self.lock().keys.get(&place) {
            return Ok(key.clone());
        }
        let mut after: Option<String> = None;
        loop {
            let keys = backend.keys(bucket, after.as_deref(), SEARCH_STEP).await?;
            if let Some(key) = keys.iter().find(|key| number(key) == cursor) {
                return Ok(key.clone());
            }
            after = keys.into_iter().last();
            if after.is_none() {
                return Err(Error::other(format!(
                    "the cursor {cursor} is not known here any more: list the keys from the beginning"
                )));
            }
        }
    }

    /// Forgets the places of a workload.
    pub fn forget(&self, workload: &WorkloadId) {
        let mut remembered = self.lock();
        remembered.keys.retain(|(bucket, _), _| bucket.workload != *workload);
        remembered.oldest_first.retain(|(bucket, _)| bucket.workload != *workload);
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 53 bits of the key's digest: a guest written in JavaScript may keep it as a `number`, which holds
/// no more.
fn number(key: &str) -> u64 {
    let digest = Sha256::digest(key.as_bytes());
    let (start, _) = digest.split_first_chunk::<8>().expect("a SHA-256 digest has 32 bytes");
    u64::from_be_bytes(*start) >> 11
}

#[cfg(test)]
mod tests {
    use super::super::backends::memory::Memory;
    use super::*;
    use bytes::Bytes;

    fn bucket() -> BucketId {
        let workload = crate::plugins::tests::workload("default", "hello").id();
        BucketId { workload, name: "b".into() }
    }

    #[tokio::test]
    async fn a_place_stays_when_its_key_is_deleted() {
        let cursors = Cursors::default();
        let cursor = cursors.after(&bucket(), "gone");
        assert_eq!(cursors.key(&Memory::default(), &bucket(), cursor).await, Ok("gone".into()));
    }

    #[tokio::test]
    async fn a_forgotten_place_is_found_again_by_its_key() {
        let memory = Memory::default();
        memory.set_many(&bucket(), vec![("k".into(), Bytes::new())]).await.unwrap();
        let cursor = Cursors::default().after(&bucket(), "k");
        assert_eq!(Cursors::default().key(&memory, &bucket(), cursor).await, Ok("k".into()));
        assert!(Cursors::default().key(&memory, &bucket(), cursor + 1).await.is_err());
    }

    #[test]
    fn only_so_many_places_are_remembered() {
        let cursors = Cursors::default();
        for n in 0..MAX_REMEMBERED + 10 {
            cursors.after(&bucket(), &n.to_string());
            cursors.after(&bucket(), "often");
        }
        let remembered = cursors.lock();
        assert_eq!(remembered.keys.len(), MAX_REMEMBERED);
        assert_eq!(remembered.oldest_first.len(), MAX_REMEMBERED);
    }

    #[test]
    fn a_javascript_number_holds_a_cursor() {
        for key in ["", "a", "key"] {
            assert!(number(key) < 1 << 53);
        }
    }
}
