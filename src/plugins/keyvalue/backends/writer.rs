//! The one thread that writes to the key-value database.
//!
//! A durable commit costs a wait for the disk, however little it has to write. So all changes that have
//! come in while one commit was under way go into the next one together: each is told of its success
//! after that, and a hundred writers wait hardly longer than one.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use redb::{Database, ReadableTable, Table};
use tokio::sync::{mpsc, oneshot};

use super::file::ENTRIES;
use crate::plugins::keyvalue::backend::{BucketId, Error, incremented};

/// How many changes may wait.
const QUEUE: usize = 1024;
/// How many changes go into one commit.
const MAX_CHANGES: usize = 256;
/// A commit with more bytes than that takes no further changes.
const ENOUGH_BYTES: usize = 16 << 20;

/// What is to be written.
pub enum Change {
    Set(Vec<(String, Bytes)>),
    Delete(Vec<String>),
    Increment {
        key: String,
        delta: u64,
    },
    /// Stores the value if that is there which was seen.
    Swap {
        key: String,
        seen: Option<Bytes>,
        value: Bytes,
    },
    /// Deletes all buckets of the workload.
    ClearWorkload,
}

impl Change {
    fn bytes(&self) -> usize {
        match self {
            Change::Set(pairs) => pairs.iter().map(|(key, value)| key.len() + value.len()).sum(),
            Change::Swap { key, value, .. } => key.len() + value.len(),
            _ => 0,
        }
    }
}

struct Order {
    bucket: BucketId,
    change: Change,
    /// The sum of an increment, 1 for a swap that was done; 0 for anything else.
    answer: oneshot::Sender<Result<u64, Error>>,
}

/// Takes changes until it is dropped; what was taken is written by then.
pub struct Writer {
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(database: Arc<Database>) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("keyvalue".into()).spawn(move || run(&database, inbox))?;
        Ok(Writer { orders: Some(orders), thread: Some(thread) })
    }

    /// Returns when the change is safe on the disk.
    pub async fn write(&self, bucket: BucketId, change: Change) -> Result<u64, Error> {
        let gone = || Error::other("the key-value database has stopped");
        let (answer, answered) = oneshot::channel();
        let orders = self.orders.as_ref().ok_or_else(gone)?;
        orders.send(Order { bucket, change, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // The file is free again when this returns.
            let _ = thread.join();
        }
    }
}

fn run(database: &Database, mut inbox: mpsc::Receiver<Order>) {
    while let Some(first) = inbox.blocking_recv() {
        let mut bytes = first.change.bytes();
        let mut orders = vec![first];
        while orders.len() < MAX_CHANGES
            && bytes < ENOUGH_BYTES
            && let Ok(next) = inbox.try_recv()
        {
            bytes += next.change.bytes();
            orders.push(next);
        }
        let results = match commit(database, &orders) {
            Ok(results) => results,
            Err(error) => {
                tracing::error!(%error, "the key-value database could not be written");
                let failed = Error::other(format!("the key-value database could not be written: {error}"));
                vec![Err(failed); orders.len()]
            }
        };
        for (order, result) in orders.into_iter().zip(results) {
            // Whoever asked may have gone; it is written all the same.
            let _ = order.answer.send(result);
        }
    }
}

/// Writes all changes in one transaction. A change that is refused has changed nothing.
fn commit(database: &Database, orders: &[Order]) -> Result<Vec<Result<u64, Error>>, redb::Error> {
    let transaction = database.begin_write()?;
    let mut results = Vec::with_capacity(orders.len());
    {
        let mut entries = transaction.open_table(ENTRIES)?;
        for order in orders {
            results.push(apply(&mut entries, &order.bucket, &order.change)?);
        }
    }
    transaction.commit()?;
    Ok(results)
}

type Entries<'t> = Table<'t, (&'static str, &'static str, &'static str), &'static [u8]>;

fn apply(entries: &mut Entries<'_>, id: &BucketId, change: &Change) -> Result<Result<u64, Error>, redb::Error> {
    let (workload, bucket) = (id.workload.as_str(), &*id.name);
    match change {
        Change::Set(pairs) => {
            for (key, value) in pairs {
                entries.insert((workload, bucket, key.as_str()), &value[..])?;
            }
        }
        Change::Delete(keys) => {
            for key in keys {
                entries.remove((workload, bucket, key.as_str()))?;
            }
        }
        Change::Increment { key, delta } => {
            let place = (workload, bucket, key.as_str());
            let sum = incremented(key, entries.get(place)?.as_ref().map(|stored| stored.value()), *delta);
            if let Ok(sum) = &sum {
                entries.insert(place, sum.to_string().as_bytes())?;
            }
            return Ok(sum);
        }
        Change::Swap { key, seen, value } => {
            let place = (workload, bucket, key.as_str());
            let same = entries.get(place)?.as_ref().map(|stored| stored.value()) == seen.as_deref();
            if same {
                entries.insert(place, &value[..])?;
            }
            return Ok(Ok(same.into()));
        }
        Change::ClearWorkload => {
            // No text is between a text and the same with a zero at its end.
            let next = format!("{workload}\0");
            entries.retain_in((workload, "", "")..(next.as_str(), "", ""), |_, _| false)?;
        }
    }
    Ok(Ok(0))
}
