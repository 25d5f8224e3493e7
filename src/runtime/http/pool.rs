//! Connections that are open to servers, of one component on one thread.
//!
//! A connection is driven by the thread that opened it, and so it is used by that thread only: a
//! request never waits for another thread.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use hyper::client::conn::{http1, http2};
use wasmtime_wasi_http::WasiBody;

use crate::runtime::network::Host;

/// Servers close idle connections after a minute or more; ours are closed before.
const IDLE: Duration = Duration::from_secs(50);
/// How often idle connections are looked for.
const SWEEP: Duration = Duration::from_secs(10);
/// Connections that are kept for one server.
const KEPT: usize = 64;

/// To which server a connection leads, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub tls: bool,
    pub host: Host,
    pub port: u16,
    /// HTTP/2 without asking whether the server speaks it.
    pub prior_knowledge: bool,
}

/// The end of a connection that takes requests.
pub enum Sender {
    /// One request at a time.
    Http1(http1::SendRequest<WasiBody>),
    /// Many.
    Http2(http2::SendRequest<WasiBody>),
}

struct Kept {
    sender: Sender,
    since: Instant,
}

/// The open connections.
#[derive(Default)]
pub struct Pool {
    kept: Mutex<HashMap<Key, Vec<Kept>>>,
}

impl Pool {
    /// A connection to that server which can take a request now.
    pub fn take(&self, key: &Key) -> Option<Sender> {
        let mut kept = self.lock();
        let connections = kept.get_mut(key)?;
        connections.retain(|kept| !kept.sender.is_closed());
        // The one that was used last is the least likely to be closed by the server just now.
        let place = connections.iter().rposition(|kept| kept.sender.is_ready())?;
        if let Sender::Http2(sender) = &connections[place].sender {
            let sender = sender.clone();
            connections[place].since = Instant::now();
            return Some(Sender::Http2(sender));
        }
        Some(connections.remove(place).sender)
    }

    /// Keeps a connection for the next request. It may still be busy with the response of the last
    /// one; it is taken when it is not.
    pub fn put(self: &Arc<Self>, key: Key, sender: Sender) {
        let mut kept = self.lock();
        let first = kept.is_empty();
        let connections = kept.entry(key).or_default();
        connections.retain(|kept| !kept.sender.is_closed());
        if connections.len() >= KEPT {
            connections.remove(0);
        }
        connections.push(Kept { sender, since: Instant::now() });
        drop(kept);
        if first {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Vec<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes idle connections, as long as there are any.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut kept = pool.lock();
        for connections in kept.values_mut() {
            // One that is busy is not idle, however long that takes; its response bounds it.
            connections
                .retain(|kept| !kept.sender.is_closed() && (kept.since.elapsed() < IDLE || !kept.sender.is_ready()));
        }
        kept.retain(|_, connections| !connections.is_empty());
        if kept.is_empty() {
            return;
        }
    }
}

impl Sender {
    fn is_closed(&self) -> bool {
        match self {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    fn is_ready(&self) -> bool {
        match self {
            Sender::Http1(sender) => sender.is_ready(),
            Sender::Http2(sender) => sender.is_ready(),
        }
    }
}
