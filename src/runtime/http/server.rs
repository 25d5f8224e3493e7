//! Listening, accepting, and shutting down without losing a request.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::{Semaphore, watch};

use super::Handler;
use crate::error::{Error, Result};

/// How long a client may take for the head of a request, idle time before it included.
const HEAD_TIME: Duration = Duration::from_secs(60);
/// Connections at one time, all serving threads together.
const MAX_CONNECTIONS: usize = 4096;
/// After a failure to accept (too many open files), so that it is not tried in a hot loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A socket that listens and does not accept yet.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Binds the address. A port that is taken is an immediate error; port 0 takes a free one.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Bound { listener, address })
    }

    /// The address that was bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to accept, on `threads` threads.
    pub fn serve(self, handler: Arc<dyn Handler>, threads: NonZeroUsize) -> Result<Server> {
        let (stop, stopping) = watch::channel(Phase::Serving);
        let shared = Arc::new(Shared { open: AtomicUsize::new(0), room: Semaphore::new(MAX_CONNECTIONS) });
        let mut running = Vec::new();
        for index in 0..threads.get() {
            let listener = self
                .listener
                .try_clone()
                .map_err(|error| Error::caused_by("cannot share the listening socket", &error))?;
            let worker = Worker { handler: handler.clone(), stopping: stopping.clone(), shared: shared.clone() };
            let thread = thread::Builder::new()
                .name(format!("wash-http-{index}"))
                .spawn(move || worker.run(listener))
                .map_err(|error| Error::caused_by("cannot start a serving thread", &error))?;
            running.push(thread);
        }
        Ok(Server { address: self.address, stop, threads: running, shared })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// No new connections; those that are open finish their requests.
    Draining,
    /// Everything ends now.
    Ending,
}

struct Shared {
    open: AtomicUsize,
    room: Semaphore,
}

/// A running server. Dropping it ends every connection at once.
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<Phase>,
    threads: Vec<thread::JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Stops accepting and waits until every request has its answer, at most `patience`. Returns
    /// how many connections had to be cut.
    pub async fn drain(mut self, patience: Duration) -> usize {
        self.stop.send_replace(Phase::Draining);
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                let _ = thread.join();
            }
        });
        let mut joined = pin!(joined);
        if tokio::time::timeout(patience, &mut joined).await.is_ok() {
            return 0;
        }
        let cut = self.connections();
        self.stop.send_replace(Phase::Ending);
        let _ = joined.await;
        cut
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(Phase::Ending);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

struct Worker {
    handler: Arc<dyn Handler>,
    stopping: watch::Receiver<Phase>,
    shared: Arc<Shared>,
}

impl Worker {
    fn run(self, listener: TcpListener) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!("a serving thread could not start: {error}");
                return;
            }
        };
        runtime.block_on(self.accept(listener));
    }

    async fn accept(self, listener: TcpListener) {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!("a serving thread could not listen: {error}");
                return;
            }
        };
        let mut connections = tokio::task::JoinSet::new();
        let mut stopping = self.stopping.clone();
        loop {
            let stream = tokio::select! {
                () = until(&mut stopping, |phase| phase != Phase::Serving) => break,
                accepted = self.next(&listener) => accepted,
                _ = connections.join_next(), if !connections.is_empty() => continue,
            };
            match stream {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(self.connection(stream));
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        tokio::select! {
            () = until(&mut stopping, |phase| phase == Phase::Ending) => {}
            _ = async { while connections.join_next().await.is_some() {} } => {}
        }
    }

    async fn next(&self, listener: &tokio::net::TcpListener) -> io::Result<tokio::net::TcpStream> {
        // Beyond the cap, clients wait in the kernel's queue.
        let room = self.shared.room.acquire().await.map_err(io::Error::other)?;
        let (stream, _) = listener.accept().await?;
        room.forget();
        Ok(stream)
    }

    fn connection(&self, stream: tokio::net::TcpStream) -> impl Future<Output = ()> + Send + 'static {
        let open = OpenConnection::new(self.shared.clone());
        let handler = self.handler.clone();
        let mut stopping = self.stopping.clone();
        async move {
            let _open = open;
            let service = hyper::service::service_fn(move |request| {
                let answer = handler.clone().handle(request);
                async move { Ok::<_, std::convert::Infallible>(answer.await) }
            });
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).half_close(false);
            builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(20)));
            let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                ended = connection.as_mut() => note(ended),
                () = until(&mut stopping, |phase| phase != Phase::Serving) => {
                    connection.as_mut().graceful_shutdown();
                    note(connection.await);
                }
            }
        }
    }
}

/// Waits for a phase; a server that is gone is in its last one.
async fn until(stopping: &mut watch::Receiver<Phase>, wanted: impl Fn(Phase) -> bool) {
    loop {
        if wanted(*stopping.borrow_and_update()) || stopping.changed().await.is_err() {
            return;
        }
    }
}

/// A client that goes away in the middle is everyday life, not an error.
fn note(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!("a connection ended early: {error}");
    }
}

struct OpenConnection(Arc<Shared>);

impl OpenConnection {
    fn new(shared: Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::SeqCst);
        OpenConnection(shared)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        self.0.room.add_permits(1);
    }
}
