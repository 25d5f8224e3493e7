//! Connections of a workload's own loopback, and those who wait for them.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::Lease;
use super::pipe::{Pipe, Wakers};

/// So many connections may wait to be accepted, whatever the guest asks for.
pub const MOST_BACKLOG: usize = 1024;

/// One end of a connection. Dropping it closes it, as a system closes what a process leaves behind.
pub struct Connection {
    pub local: SocketAddr,
    pub peer: SocketAddr,
    incoming: Arc<Pipe>,
    outgoing: Arc<Pipe>,
    /// The port of the end that connected.
    _lease: Option<Lease>,
    /// That of the service counts, once it has accepted it.
    counted: Option<Count>,
}

/// Counts the connections that a service has accepted.
#[derive(Default)]
pub(super) struct Accepted {
    count: AtomicUsize,
    fewer: Notify,
}

impl Accepted {
    /// Ready when all of them are over.
    pub(super) async fn are_over(&self) {
        loop {
            let fewer = self.fewer.notified();
            tokio::pin!(fewer);
            fewer.as_mut().enable();
            if self.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            fewer.await;
        }
    }
}

/// One of them.
struct Count(Arc<Accepted>);

impl Count {
    fn new(accepted: &Arc<Accepted>) -> Self {
        accepted.count.fetch_add(1, Ordering::SeqCst);
        Count(accepted.clone())
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.fewer.notify_waiters();
    }
}

impl Connection {
    /// Both ends of a new one: that of the client, which holds the lease of its port, and that of the
    /// server.
    fn pair(lease: Lease, client: SocketAddr, server: SocketAddr) -> (Connection, Connection) {
        let (there, back) = (Arc::new(Pipe::default()), Arc::new(Pipe::default()));
        let one = Connection {
            local: client,
            peer: server,
            incoming: back.clone(),
            outgoing: there.clone(),
            _lease: Some(lease),
            counted: None,
        };
        let other =
            Connection { local: server, peer: client, incoming: there, outgoing: back, _lease: None, counted: None };
        (one, other)
    }

    /// What comes from the peer.
    pub fn incoming(&self) -> &Pipe {
        &self.incoming
    }

    /// What goes to the peer.
    pub fn outgoing(&self) -> &Pipe {
        &self.outgoing
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // What nobody will read was lost; its writer must not take it for delivered.
        if self.incoming.abandon() {
            self.outgoing.reset();
        } else {
            self.outgoing.finish();
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} - {}", self.local, self.peer)
    }
}

/// A connection for code of the host's own.
pub struct Stream(pub Connection);

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let bytes: Bytes = futures::ready!(self.0.incoming.poll_read(cx, buffer.remaining()))?;
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        futures::ready!(self.0.outgoing.poll_writable(cx));
        Poll::Ready(self.0.outgoing.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.outgoing.finish();
        Poll::Ready(Ok(()))
    }
}

/// Waits for connections. It holds its port until it is dropped.
pub struct Listener {
    pub local: SocketAddr,
    state: Mutex<Waiting>,
    accepted: Arc<Accepted>,
    _lease: Lease,
}

struct Waiting {
    queue: VecDeque<Connection>,
    backlog: usize,
    closed: bool,
    acceptors: Wakers,
    connectors: Wakers,
}

impl Listener {
    pub(super) fn new(lease: Lease, backlog: usize, accepted: Arc<Accepted>) -> Self {
        let state = Waiting {
            queue: VecDeque::new(),
            backlog: backlog.clamp(1, MOST_BACKLOG),
            closed: false,
            acceptors: Wakers::default(),
            connectors: Wakers::default(),
        };
        Listener { local: lease.address(), state: Mutex::new(state), accepted, _lease: lease }
    }

    /// Changes how many connections may wait.
    pub fn set_backlog(&self, backlog: usize) {
        let mut state = self.lock();
        state.backlog = backlog.clamp(1, MOST_BACKLOG);
        state.connectors.wake();
    }

    /// The next connection.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Connection> {
        let mut state = self.lock();
        match state.queue.pop_front() {
            Some(mut connection) => {
                state.connectors.wake();
                connection.counted = Some(Count::new(&self.accepted));
                Poll::Ready(connection)
            }
            None => {
                state.acceptors.add(cx);
                Poll::Pending
            }
        }
    }

    /// Ready when there is a connection.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.queue.is_empty() {
            state.acceptors.add(cx);
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Puts a connection from `client` into the queue, waiting for room, and returns the client's end. The
    /// lease is taken only then.
    pub(super) async fn join(
        &self,
        lease: &mut Option<Lease>,
        client: SocketAddr,
        server: SocketAddr,
    ) -> io::Result<Connection> {
        std::future::poll_fn(|cx| {
            let mut state = self.lock();
            if state.closed {
                return Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into()));
            }
            if state.queue.len() >= state.backlog {
                state.connectors.add(cx);
                return Poll::Pending;
            }
            let Some(lease) = lease.take() else { return Poll::Pending };
            let (ours, theirs) = Connection::pair(lease, client, server);
            state.queue.push_back(theirs);
            state.acceptors.wake();
            Poll::Ready(Ok(ours))
        })
        .await
    }

    /// Takes connections that wanted to come here before this listened.
    pub(super) fn inherit(&self, connections: Vec<Connection>) {
        let mut state = self.lock();
        state.queue.extend(connections);
        state.acceptors.wake();
    }

    /// Nobody accepts any more. Those who hold it for connecting learn so.
    pub fn close(&self) {
        for connection in &self.surrender() {
            connection.outgoing.reset();
        }
    }

    /// The same, and whoever was not accepted is returned.
    pub(super) fn surrender(&self) -> VecDeque<Connection> {
        let mut state = self.lock();
        state.closed = true;
        state.connectors.wake();
        state.acceptors.wake();
        std::mem::take(&mut state.queue)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close();
    }
}
