//! What keeps the data of `wasi:keyvalue`, in plain types.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::runtime::workload::WorkloadId;

/// The longest key, and the longest identifier of a bucket, in bytes.
pub const MAX_KEY_BYTES: usize = 4 << 10;
/// The largest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 64 << 20;
/// The most bytes of values that one call returns or stores.
pub const MAX_BATCH_BYTES: usize = 256 << 20;

/// A bucket among those of all workloads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BucketId {
    /// Whose it is; [`WorkloadId::shared`] for a bucket that the operator has named.
    pub workload: WorkloadId,
    /// What the workload, or the operator, calls it.
    pub name: Arc<str>,
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the interface has cases that none of the backends knows")]
pub enum Error {
    /// There is no store by this name.
    NoSuchStore,
    /// The component may not use the store.
    AccessDenied,
    /// Anything else, in words.
    Other(String),
}

impl Error {
    /// Anything that has no case of its own.
    pub fn other(message: impl Into<String>) -> Self {
        Error::Other(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoSuchStore => f.write_str("no such store"),
            Error::AccessDenied => f.write_str("access denied"),
            Error::Other(message) => f.write_str(message),
        }
    }
}

/// The future answer of a backend.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// Keeps the data.
///
/// Every operation on one key is atomic, and so is one on several, unless the backend says otherwise:
/// others see all of it or nothing. A bucket exists as soon as it is named. Keys and values have been
/// checked against the limits above; a backend may have lower ones. An answer of a persistent backend
/// means that the change survives a crash.
pub trait Backend: Send + Sync + 'static {
    /// Returns the values of several keys as of one moment, in the order of the keys.
    /// Fails when they are more than [`MAX_BATCH_BYTES`] together.
    fn get_many<'a>(&'a self, bucket: &'a BucketId, keys: &'a [String]) -> Answer<'a, Vec<Option<Bytes>>>;

    /// Says whether there is such a key.
    fn exists<'a>(&'a self, bucket: &'a BucketId, key: &'a str) -> Answer<'a, bool>;

    /// Returns up to `limit` keys, sorted, from the first one that is greater than `after`.
    fn keys<'a>(&'a self, bucket: &'a BucketId, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>>;

    /// Stores several pairs; of two with the same key the later one stays.
    fn set_many<'a>(&'a self, bucket: &'a BucketId, pairs: Vec<(String, Bytes)>) -> Answer<'a, ()>;

    /// Deletes several keys; those that are not there are no error.
    fn delete_many<'a>(&'a self, bucket: &'a BucketId, keys: Vec<String>) -> Answer<'a, ()>;

    /// Adds to the number under a key, as `incremented` does it, and returns the sum.
    fn increment<'a>(&'a self, bucket: &'a BucketId, key: &'a str, delta: u64) -> Answer<'a, u64>;

    /// Stores a value in place of `seen` (`None`: where there is none), and returns whether it did: not
    /// when something else is there.
    fn swap<'a>(&'a self, bucket: &'a BucketId, key: &'a str, seen: Option<Bytes>, value: Bytes) -> Answer<'a, bool>;

    /// Returns the names of a workload's buckets that have something in them, sorted, up to `limit`; for people
    /// who look at them. `None`: it cannot tell.
    fn buckets<'a>(&'a self, workload: &'a WorkloadId, limit: usize) -> Answer<'a, Option<Vec<String>>> {
        let _ = (workload, limit);
        Box::pin(std::future::ready(Ok(None)))
    }

    /// What tells of changes that others make, too. `None`: components of this process make all of
    /// them, and whoever makes one tells it.
    fn changes(&self) -> Option<&dyn Changes> {
        None
    }

    /// Drops what is only in memory of a workload's data. A persistent backend has nothing to do.
    fn forget(&self, workload: &WorkloadId);

    /// Deletes all data of a workload.
    fn clear<'a>(&'a self, workload: &'a WorkloadId) -> Answer<'a, ()>;
}

/// What happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Set { key: String, value: Bytes },
    Deleted { key: String },
}

/// Which buckets are watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// All that a workload has for itself, also those that are made later.
    Workload(WorkloadId),
    /// One that the operator has named.
    Shared(Arc<str>),
}

/// Is given changes, those of one key in their order. Never waits.
pub type Told = Arc<dyn Fn(&BucketId, Change) + Send + Sync>;

/// Tells of changes, whoever makes them.
pub trait Changes: Send + Sync {
    /// The same text for backends that have the same data.
    fn place(&self) -> String;

    /// Tells of changes from now on, until the feed is dropped. A connection that breaks is made again.
    fn watch(&self, scope: Scope, told: Told) -> Feed;
}

/// How the watching of a server has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Every change is told from now on.
    Watching,
    /// The server cannot be reached now, for this reason; it is tried again.
    Later(String),
    /// The server does not let us watch, for this reason.
    Refused(String),
}

/// A watch that goes on until it is dropped.
pub struct Feed {
    task: AbortHandle,
    begun: watch::Receiver<Option<Begun>>,
}

impl Feed {
    /// A watch that this task does, which says how it has begun.
    pub fn new(task: AbortHandle, begun: watch::Receiver<Option<Begun>>) -> Self {
        Feed { task, begun }
    }

    /// Returns when the watch has begun, or cannot begin.
    pub async fn begun(&self) -> Begun {
        let mut begun = self.begun.clone();
        let said = begun.wait_for(Option::is_some).await.ok().and_then(|said| said.clone());
        said.unwrap_or_else(|| Begun::Later("it has ended".into()))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The sum of the stored number (0 where there is none) and `delta`.
///
/// A number is stored as decimal digits in every backend, so that `get` shows what a person would
/// write, `set` can begin a count anywhere, and data can move from one backend to another.
pub fn incremented(key: &str, stored: Option<&[u8]>, delta: u64) -> Result<u64, Error> {
    let number = match stored {
        None => 0,
        Some(digits) => number(digits).ok_or_else(|| no_number(key))?,
    };
    number.checked_add(delta).ok_or_else(|| too_great(key, number))
}

/// The same with numbers that may be negative; such a one is written with a `-` in front.
pub fn signed_sum(key: &str, stored: Option<&[u8]>, delta: i64) -> Result<i64, Error> {
    let digits = std::str::from_utf8(stored.unwrap_or(b"0")).ok().filter(|text| !text.starts_with('+'));
    let number: i64 = digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| Error::other(format!("the value of `{key}` is not a number of 64 bits with a sign")))?;
    number.checked_add(delta).ok_or_else(|| {
        Error::other(format!("the number under `{key}` would not have 64 bits any more: it stays {number}"))
    })
}

/// The error for a value that cannot be added to.
pub fn no_number(key: &str) -> Error {
    Error::other(format!("the value of `{key}` is not a number: a number is 1 to 20 decimal digits"))
}

/// The error for a sum that nobody could store.
pub fn too_great(key: &str, stored: impl fmt::Display) -> Error {
    Error::other(format!("the number under `{key}` would be greater than {}: it stays {stored}", u64::MAX))
}

/// The error for more values than one answer may have.
pub fn too_many_bytes() -> Error {
    Error::other(format!("the values are more than {} MiB together: use smaller batches", MAX_BATCH_BYTES >> 20))
}

fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    // `parse` alone would also take `+1`.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Counts the bytes of one answer.
#[derive(Default)]
pub struct Budget {
    used: usize,
}

impl Budget {
    /// Fails when this value makes it too much.
    pub fn take(&mut self, bytes: usize) -> Result<(), Error> {
        self.used += bytes;
        match self.used > MAX_BATCH_BYTES {
            true => Err(too_many_bytes()),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_decimal_digits_and_nothing_else() {
        assert_eq!(incremented("n", None, 3), Ok(3));
        assert_eq!(incremented("n", Some(b"007"), 3), Ok(10));
        for no_number in [&b""[..], b"+1", b"-1", b" 1", b"1\n", b"0x1", b"\xff", b"99999999999999999999", &[0; 8]] {
            assert!(incremented("n", Some(no_number), 1).is_err(), "{no_number:?}");
        }
    }

    #[test]
    fn a_number_may_have_a_sign_where_the_interface_has_it() {
        assert_eq!(signed_sum("n", None, -3), Ok(-3));
        assert_eq!(signed_sum("n", Some(b"-3"), 5), Ok(2));
        for no_number in [&b""[..], b"+1", b"x", b"9223372036854775808"] {
            assert!(signed_sum("n", Some(no_number), 1).is_err(), "{no_number:?}");
        }
        assert!(signed_sum("n", Some(b"9223372036854775807"), 1).is_err());
    }

    #[test]
    fn a_number_never_wraps_around() {
        let most = u64::MAX.to_string();
        assert_eq!(incremented("n", Some(most.as_bytes()), 0), Ok(u64::MAX));
        let error = incremented("n", Some(most.as_bytes()), 1).unwrap_err().to_string();
        assert!(error.contains("would be greater than 18446744073709551615"), "{error}");
    }
}
