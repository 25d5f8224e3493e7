//! Key-value data for people who look at it: the buckets of a workload, as its components open them.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::backend::{MAX_KEY_BYTES, MAX_VALUE_BYTES};
use super::host::Bucket;
use super::{ForComponent, Keyvalue};
use crate::error::{Error, Result};
use crate::runtime::workload::Workload;

/// The most buckets that are named.
const MOST_BUCKETS: usize = 1000;

/// What an operator may see and change. The rules that settings give to components (`read_only`,
/// `max_value_mb`) are not for them.
pub struct Look(ForComponent);

impl Keyvalue {
    /// Looks at what the components of a workload see.
    pub fn look(&self, workload: &Workload) -> Result<Look> {
        Ok(Look(self.configure(workload)?))
    }
}

impl Look {
    /// The identifiers that open something: those of the settings, and of buckets that have keys, as far as the
    /// backend can tell. Others exist as soon as they are named.
    pub async fn buckets(&self) -> Result<Vec<String>> {
        let mut names: BTreeSet<String> = self.0.places.named.keys().cloned().collect();
        if self.0.places.unnamed.bucket.is_none() {
            let known = self.0.places.unnamed.backend.buckets(&self.0.places.workload, MOST_BUCKETS).await;
            names.extend(known.map_err(failed)?.into_iter().flatten());
        }
        names.insert("default".into());
        Ok(names.into_iter().take(MOST_BUCKETS).collect())
    }

    /// Up to `limit` keys, sorted, after this one.
    pub async fn keys(&self, bucket: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let bucket = self.open(bucket)?;
        bucket.backend.keys(&bucket.id, after, limit).await.map_err(failed)
    }

    /// The value under a key.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>> {
        let bucket = self.open(bucket)?;
        let values = bucket.backend.get_many(&bucket.id, &[key.to_string()]).await.map_err(failed)?;
        Ok(values.into_iter().next().flatten())
    }

    /// Stores a value; components that watch the bucket are told.
    pub async fn set(&self, bucket: &str, key: &str, value: Bytes) -> Result<()> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(Error::usage(format!("a key has 1 to {MAX_KEY_BYTES} bytes")));
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(Error::usage(format!("a value has at most {} MiB", MAX_VALUE_BYTES >> 20)));
        }
        self.open(bucket)?.set_many(vec![(key.to_string(), value)]).await.map_err(failed)
    }

    /// Deletes a key; returns whether it was there.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<bool> {
        let bucket = self.open(bucket)?;
        let existed = bucket.backend.exists(&bucket.id, key).await.map_err(failed)?;
        bucket.delete_many(vec![key.to_string()]).await.map_err(failed)?;
        Ok(existed)
    }

    fn open(&self, identifier: &str) -> Result<Bucket> {
        if identifier.is_empty() || identifier.len() > MAX_KEY_BYTES {
            return Err(Error::usage(format!("the identifier of a bucket has 1 to {MAX_KEY_BYTES} bytes")));
        }
        self.0.bucket(identifier).map_err(failed)
    }
}

fn failed(error: super::backend::Error) -> Error {
    match error {
        super::backend::Error::AccessDenied => Error::failed("access denied")
            .hint("the settings list the `buckets` that may be opened; this one is not among them"),
        error => Error::failed(error.to_string()),
    }
}
