//! Key-value data in a file: one redb database for all workloads.
//!
//! Reads see the last commit and run beside each other and beside the one [`Writer`]. What blocks is
//! done on tokio's threads for that.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use redb::{Builder, Database, DatabaseError, ReadOnlyTable, ReadableDatabase, TableDefinition};

use super::writer::{Change, Writer};
use crate::error::{Context, Error as WashError, Result as WashResult};
use crate::plugins::folder::{self, OpenFolders};
use crate::plugins::keyvalue::backend::{Answer, Backend, BucketId, Budget, Error};
use crate::runtime::workload::WorkloadId;

/// Workload, bucket and key; and the value.
pub const ENTRIES: TableDefinition<(&str, &str, &str), &[u8]> = TableDefinition::new("entries");

type Entries = ReadOnlyTable<(&'static str, &'static str, &'static str), &'static [u8]>;

/// The database in its folder.
const FILE: &str = "keyvalue.redb";
/// How much of the database is kept in memory, in bytes.
const CACHE: usize = 64 << 20;

static OPEN: OpenFolders<File> = OpenFolders::new();

/// Data in a folder.
pub struct File {
    database: Arc<Database>,
    writer: Writer,
}

impl File {
    /// Opens the database of a folder. Both are made when they are missing.
    ///
    /// Fails when the folder cannot be used, another process uses it, or there is something else in
    /// the place of the database.
    pub fn open(folder: &Path) -> WashResult<Arc<Self>> {
        OPEN.open(folder, Self::open_real)
    }

    fn open_real(folder: &Path) -> WashResult<Self> {
        let path = folder.join(FILE);
        let cannot_open = || format!("cannot open the key-value database `{}`", path.display());
        let database = match Builder::new().set_cache_size(CACHE).create(&path) {
            Ok(database) => database,
            Err(DatabaseError::DatabaseAlreadyOpen) => return Err(folder::in_use("the key-value data", folder)),
            Err(error) => return Err(WashError::caused_by(cannot_open(), &error)),
        };
        make_table(&database).context(cannot_open)?;
        folder::sync(folder).context(cannot_open)?;
        let database = Arc::new(database);
        let writer = Writer::start(database.clone()).context(|| "cannot start a thread for the key-value database")?;
        Ok(File { database, writer })
    }

    /// Looks at the last commit.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Entries) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        let database = self.database.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let entries = database.begin_read().map_err(redb::Error::from)?.open_table(ENTRIES)?;
            look(&entries)
        });
        match looked.await {
            Ok(result) => result.map_err(Failure::into_error),
            Err(_) => Err(Error::other("the key-value database could not be read: wash broke")),
        }
    }

    async fn write(&self, bucket: &BucketId, change: Change) -> Result<u64, Error> {
        self.writer.write(bucket.clone(), change).await
    }
}

fn make_table(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(ENTRIES)?;
    Ok(transaction.commit()?)
}

/// Why looking failed.
enum Failure {
    Database(redb::Error),
    Refused(Error),
}

impl Failure {
    fn into_error(self) -> Error {
        match self {
            Failure::Database(error) => Error::other(format!("the key-value database failed: {error}")),
            Failure::Refused(error) => error,
        }
    }
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Database(error.into())
    }
}

impl Backend for File {
    fn buckets<'a>(&'a self, workload: &'a WorkloadId, limit: usize) -> Answer<'a, Option<Vec<String>>> {
        let workload = workload.clone();
        self.look(move |entries| {
            let (workload, mut from, mut names) = (workload.as_str(), String::new(), Vec::new());
            // From the first key of one bucket to the first of the next.
            while names.len() < limit {
                let Some(entry) = entries.range::<(&str, &str, &str)>((workload, from.as_str(), "")..)?.next() else {
                    break;
                };
                let entry = entry?;
                let (of_workload, bucket, _) = entry.0.value();
                if of_workload != workload {
                    break;
                }
                names.push(bucket.to_string());
                from = format!("{bucket}\0");
            }
            Ok(Some(names))
        })
        .boxed()
    }

    fn get_many<'a>(&'a self, bucket: &'a BucketId, keys: &'a [String]) -> Answer<'a, Vec<Option<Bytes>>> {
        let (id, keys) = (bucket.clone(), keys.to_vec());
        self.look(move |entries| {
            let mut budget = Budget::default();
            let mut values = Vec::with_capacity(keys.len());
            for key in &keys {
                let found = entries.get((id.workload.as_str(), &*id.name, key.as_str()))?;
                if let Some(found) = &found {
                    budget.take(found.value().len()).map_err(Failure::Refused)?;
                }
                values.push(found.map(|found| Bytes::copy_from_slice(found.value())));
            }
            Ok(values)
        })
        .boxed()
    }

    fn exists<'a>(&'a self, bucket: &'a BucketId, key: &'a str) -> Answer<'a, bool> {
        let (id, key) = (bucket.clone(), key.to_string());
        self.look(move |entries| Ok(entries.get((id.workload.as_str(), &*id.name, key.as_str()))?.is_some())).boxed()
    }

    fn keys<'a>(&'a self, bucket: &'a BucketId, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        let (id, after) = (bucket.clone(), after.map(String::from));
        self.look(move |entries| {
            let (workload, name) = (id.workload.as_str(), &*id.name);
            let from = match &after {
                Some(after) => Bound::Excluded((workload, name, after.as_str())),
                None => Bound::Included((workload, name, "")),
            };
            let mut keys = Vec::new();
            for entry in entries.range::<(&str, &str, &str)>((from, Bound::Unbounded))? {
                let entry = entry?;
                let (of_workload, of_bucket, key) = entry.0.value();
                if (of_workload, of_bucket) != (workload, name) || keys.len() == limit {
                    break;
                }
                keys.push(key.to_string());
            }
            Ok(keys)
        })
        .boxed()
    }

    fn set_many<'a>(&'a self, bucket: &'a BucketId, pairs: Vec<(String, Bytes)>) -> Answer<'a, ()> {
        async move { self.write(bucket, Change::Set(pairs)).await.map(|_| ()) }.boxed()
    }

    fn delete_many<'a>(&'a self, bucket: &'a BucketId, keys: Vec<String>) -> Answer<'a, ()> {
        async move { self.write(bucket, Change::Delete(keys)).await.map(|_| ()) }.boxed()
    }

    fn increment<'a>(&'a self, bucket: &'a BucketId, key: &'a str, delta: u64) -> Answer<'a, u64> {
        self.write(bucket, Change::Increment { key: key.to_string(), delta }).boxed()
    }

    fn swap<'a>(&'a self, bucket: &'a BucketId, key: &'a str, seen: Option<Bytes>, value: Bytes) -> Answer<'a, bool> {
        let change = Change::Swap { key: key.to_string(), seen, value };
        async move { Ok(self.write(bucket, change).await? == 1) }.boxed()
    }

    fn forget(&self, _: &WorkloadId) {}

    fn clear<'a>(&'a self, workload: &'a WorkloadId) -> Answer<'a, ()> {
        let all = BucketId { workload: workload.clone(), name: "".into() };
        async move { self.write(&all, Change::ClearWorkload).await.map(|_| ()) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket() -> BucketId {
        BucketId { workload: crate::plugins::tests::workload("default", "hello").id(), name: "b".into() }
    }

    #[tokio::test]
    async fn acknowledged_data_is_there_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::open(folder.path()).unwrap();
        file.set_many(&bucket(), vec![("k".into(), "v".into())]).await.unwrap();
        file.increment(&bucket(), "n", 41).await.unwrap();
        drop(file);

        let file = File::open(folder.path()).unwrap();
        assert_eq!(file.get_many(&bucket(), &["k".into()]).await.unwrap(), [Some("v".into())]);
        assert_eq!(file.increment(&bucket(), "n", 1).await.unwrap(), 42);
    }

    #[tokio::test]
    async fn acknowledged_data_is_there_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::open(folder.path()).unwrap();
        for n in 0..10 {
            file.set_many(&bucket(), vec![(n.to_string(), "v".into())]).await.unwrap();
        }
        // What is on the disk at this moment is what a crash leaves: nothing was closed.
        let crashed = tempfile::tempdir().unwrap();
        std::fs::copy(folder.path().join(FILE), crashed.path().join(FILE)).unwrap();
        let recovered = File::open(crashed.path()).unwrap();
        assert_eq!(recovered.keys(&bucket(), None, 100).await.unwrap().len(), 10);
    }

    #[test]
    fn a_folder_that_another_process_uses_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let _other = Database::create(folder.path().join(FILE)).unwrap();
        let error = File::open(folder.path()).err().unwrap();
        let path = folder.path().canonicalize().unwrap();
        assert_eq!(
            error.message(),
            format!("the key-value data in `{}` are in use by another process", path.display())
        );
    }

    #[test]
    fn something_else_in_the_place_of_the_database_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, "my notes").unwrap();
        let error = File::open(folder.path()).err().unwrap();
        assert!(error.message().starts_with("cannot open the key-value database"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "my notes");
    }

    #[tokio::test]
    async fn a_refused_change_does_not_stop_the_others_of_its_commit() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::open(folder.path()).unwrap();
        file.set_many(&bucket(), vec![("text".into(), "x".into())]).await.unwrap();
        let id = bucket();
        let (good, bad, more) =
            tokio::join!(file.increment(&id, "n", 1), file.increment(&id, "text", 1), file.increment(&id, "n", 1));
        assert!(good.is_ok() && bad.is_err() && more.is_ok());
        assert_eq!(file.increment(&id, "n", 0).await.unwrap(), 2);
    }
}
