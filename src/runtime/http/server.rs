//! Listening, accepting, and shutting down without losing a request.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use http::header::CONNECTION;
use http::uri::Scheme;
use http::{HeaderValue, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, watch};

use super::activity::{Activity, Counted, Patience, Verdict, Watched};
use super::tls::{self, Certificates};
use super::{Body, Handler, Notice, Peer, admission, plain};
use crate::error::{Error, Result};

/// After a failure to accept (too many open files), so that it is not tried in a hot loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// When the server drains, a client that has sent half a head, or knows nothing of it yet, has this
/// long before its connection is closed. Requests that were sent just before are in time.
const GRACE: Duration = Duration::from_millis(500);
/// A kept connection without a request for so long is closed at once when the server drains. Before, the
/// next request may be under way already, and closing would lose it.
const LATELY: Duration = Duration::from_secs(5);
/// How often a draining connection is looked at.
const DRAIN_TICK: Duration = Duration::from_millis(50);
/// How often certificates are looked at.
const CERTIFICATE_TICK: Duration = Duration::from_secs(1);
/// Streams at one time on one HTTP/2 connection.
const STREAMS: u32 = 200;

/// What a server holds its clients to.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Connections at one time, all serving threads together; more wait in the system's queue.
    pub connections: usize,
    /// For a TLS handshake.
    pub handshake_time: Duration,
    /// For the head of a request, from its first byte.
    pub head_time: Duration,
    /// How long a connection may stay without a request.
    pub idle_time: Duration,
    /// How long a client may read nothing of the response that is there for it.
    pub stall_time: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        ServerLimits {
            connections: 4096,
            handshake_time: Duration::from_secs(10),
            head_time: Duration::from_secs(15),
            // Longer than the pools of usual clients keep a connection (50 to 60 seconds).
            idle_time: Duration::from_secs(75),
            stall_time: Duration::from_secs(60),
        }
    }
}

/// How a server serves.
pub struct ServeOptions {
    /// Threads that accept and serve.
    pub threads: NonZeroUsize,
    /// `None`: without TLS.
    pub certificates: Option<Certificates>,
    pub limits: ServerLimits,
}

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

    /// Starts to accept.
    pub fn serve_with(self, handler: Arc<dyn Handler>, opts: ServeOptions) -> Result<Server> {
        let (stop, stopping) = watch::channel(Phase::Serving);
        let shared = Arc::new(Shared {
            open: AtomicUsize::new(0),
            room: Semaphore::new(opts.limits.connections),
            certificates: ArcSwapOption::from_pointee(opts.certificates),
            limits: opts.limits,
        });
        let mut running = Vec::new();
        for index in 0..opts.threads.get() {
            let listener = self
                .listener
                .try_clone()
                .map_err(|error| Error::caused_by("cannot share the listening socket", &error))?;
            let worker = Worker {
                index,
                handler: handler.clone(),
                stopping: stopping.clone(),
                shared: shared.clone(),
                spare: Mutex::new(None),
            };
            let thread = thread::Builder::new()
                .name(format!("wash-http-{index}"))
                .spawn(move || worker.run_again(listener))
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
    certificates: ArcSwapOption<Certificates>,
    limits: ServerLimits,
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

    /// Whether it speaks TLS.
    pub fn is_secure(&self) -> bool {
        self.shared.certificates.load().is_some()
    }

    /// Changes the certificates of connections that are accepted from now on; `None`: without TLS.
    pub fn replace_certificates(&self, certificates: Option<Certificates>) {
        self.shared.certificates.store(certificates.map(Arc::new));
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
    index: usize,
    handler: Arc<dyn Handler>,
    stopping: watch::Receiver<Phase>,
    shared: Arc<Shared>,
    /// The same socket, for after a panic. Closed when nobody is accepted any more: with it open, the system
    /// would go on taking in connections.
    spare: Mutex<Option<TcpListener>>,
}

impl Worker {
    /// A panic outside of a connection (inside of one it ends that one only) costs the connections of
    /// this thread, and not the thread.
    fn run_again(self, mut listener: TcpListener) {
        loop {
            *self.spare() = listener.try_clone().ok();
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.run(listener))).is_ok() {
                return;
            }
            let Some(again) = self.spare().take() else { return };
            listener = again;
            tracing::error!("a serving thread ended in a panic and starts again; this is a fault of wash");
        }
    }

    fn spare(&self) -> MutexGuard<'_, Option<TcpListener>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, listener: TcpListener) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!("a serving thread could not start: {error}");
                return;
            }
        };
        runtime.block_on(self.accept(listener));
    }

    async fn accept(&self, listener: TcpListener) {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!("a serving thread could not listen: {error}");
                return;
            }
        };
        if self.index == 0 {
            // Ends with the thread's runtime.
            tokio::spawn(look_at_certificates(Arc::downgrade(&self.shared), self.handler.clone()));
        }
        let local = listener.local_addr().ok();
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
                    connections.spawn(self.connection(stream, local));
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Connections that the system has taken for us already would be reset with the socket.
        refuse_more(&listener);
        drop(self.spare().take());
        if let Ok(listener) = listener.into_std() {
            while let Ok((stream, _)) = listener.accept() {
                let taken = stream.set_nonblocking(true).and_then(|()| tokio::net::TcpStream::from_std(stream));
                if let (Ok(stream), Ok(room)) = (taken, self.shared.room.try_acquire()) {
                    room.forget();
                    connections.spawn(self.connection(stream, local));
                }
            }
        }
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

    fn connection(
        &self,
        stream: tokio::net::TcpStream,
        local: Option<SocketAddr>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let connection = Connection {
            handler: self.handler.clone(),
            stopping: self.stopping.clone(),
            limits: self.shared.limits,
            local,
            peer: stream.peer_addr().ok(),
            activity: Activity::new(),
            _open: OpenConnection::new(self.shared.clone()),
        };
        let certificates = self.shared.certificates.load_full();
        async move {
            match certificates {
                None => connection.serve(stream, Scheme::HTTP).await,
                Some(certificates) => {
                    if let Some(stream) = connection.secure(stream, &certificates).await {
                        connection.serve(stream, Scheme::HTTPS).await;
                    }
                }
            }
        }
    }
}

/// Has the system overlook who wants to connect from now on, so that nobody is taken in between the last look at
/// the queue and the end of the socket. Who was overlooked tries again, and is refused.
#[cfg(target_os = "linux")]
fn refuse_more(listener: &tokio::net::TcpListener) {
    /// `return 0` in the language of Berkeley packet filters: nothing passes.
    const RETURN: u16 = 0x06;
    let filter = socket2::SockFilter::new(RETURN, 0, 0, 0);
    // Without it a connection may be lost in these microseconds, as everywhere else.
    let _ = socket2::SockRef::from(listener).attach_filter(&[filter]);
}

#[cfg(not(target_os = "linux"))]
fn refuse_more(_: &tokio::net::TcpListener) {}

/// One accepted connection.
struct Connection {
    handler: Arc<dyn Handler>,
    stopping: watch::Receiver<Phase>,
    limits: ServerLimits,
    local: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    activity: Arc<Activity>,
    _open: OpenConnection,
}

impl Connection {
    /// The TLS handshake, within its time, unless the server stops before.
    async fn secure(
        &self,
        stream: tokio::net::TcpStream,
        certificates: &Certificates,
    ) -> Option<tokio_rustls::server::TlsStream<tokio::net::TcpStream>> {
        let mut stopping = self.stopping.clone();
        let handshake = async {
            // What begins with a letter is HTTP without TLS, whose sender would understand nothing else.
            let mut first = [0];
            if stream.peek(&mut first).await.is_ok_and(|count| count == 1) && first[0].is_ascii_uppercase() {
                speak_plainly(stream, self.local).await;
                return None;
            }
            match certificates.acceptor().accept(stream).await {
                Ok(stream) => Some(stream),
                Err(error) => {
                    if let Some(reason) = tls::handshake_failure(&error) {
                        self.handler.notice(Notice::NoHandshake { reason });
                    }
                    None
                }
            }
        };
        tokio::select! {
            done = tokio::time::timeout(self.limits.handshake_time, handshake) => done.ok().flatten(),
            () = until(&mut stopping, |phase| phase != Phase::Serving) => None,
        }
    }

    async fn serve<S>(self, stream: S, scheme: Scheme)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (handler, activity, local) = (self.handler.clone(), self.activity.clone(), self.local);
        let peer = self.peer.map(Peer);
        let service = hyper::service::service_fn(move |mut request: http::Request<Incoming>| {
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            let ongoing = activity.begin();
            let (account, is_http1) = (activity.clone(), request.version() < http::Version::HTTP_2);
            let answer = answer(handler.clone(), request, scheme.clone(), local);
            async move {
                let mut response = answer.await;
                if is_http1 && account.is_leaving() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, std::convert::Infallible>(response.map(|body| Counted::new(body, ongoing)))
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        // Of HTTP/1 this bounds the head, and the time before it.
        let head_and_idle = self.limits.idle_time + self.limits.head_time;
        builder.http1().timer(TokioTimer::new()).header_read_timeout(head_and_idle).half_close(false);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(Duration::from_secs(20)))
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(2 * admission::HEAD_BYTES as u32);
        let stream = TokioIo::new(Watched::new(stream, self.activity.clone()));
        let mut connection = pin!(builder.serve_connection(stream, service));
        let patience =
            Patience { head: self.limits.head_time, idle: self.limits.idle_time, stall: self.limits.stall_time };
        // Often enough that no limit is missed by more than a third.
        let tick = patience.head.min(patience.idle).min(patience.stall) / 3;
        let mut looking = pin!(tokio::time::sleep(tick));
        let mut stopping = self.stopping.clone();
        let mut draining: Option<Instant> = None;
        // A client that has just come would be sent away with its first request under way.
        let mut goodbye_later = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    self.note(ended);
                    return;
                }
                () = until(&mut stopping, |phase| phase != Phase::Serving), if draining.is_none() => {
                    // One that is idle would be closed at once, and with it a request that is under way to
                    // us. Its answer says that it is the last one; without one, it is closed below.
                    let waits = self.activity.is_between_requests(LATELY);
                    self.activity.leave();
                    goodbye_later = !self.activity.has_read();
                    if !goodbye_later && !waits {
                        connection.as_mut().graceful_shutdown();
                    }
                    draining = Some(Instant::now());
                    looking.as_mut().reset(tokio::time::Instant::now() + DRAIN_TICK);
                }
                () = looking.as_mut() => {
                    if goodbye_later && self.activity.has_read() {
                        goodbye_later = false;
                        connection.as_mut().graceful_shutdown();
                    }
                    match self.activity.judge(&patience) {
                        Verdict::Go => {}
                        Verdict::Finish => connection.as_mut().graceful_shutdown(),
                        Verdict::Cut(reason) => {
                            tracing::debug!("a connection is cut: {reason}");
                            return;
                        }
                    }
                    if draining.is_some_and(|since| since.elapsed() >= GRACE) && self.activity.is_quiet(GRACE) {
                        return;
                    }
                    let next = if draining.is_some() { DRAIN_TICK } else { tick };
                    looking.as_mut().reset(tokio::time::Instant::now() + next);
                }
            }
        }
    }

    /// A client that goes away in the middle is everyday life, not an error. That the parser refused
    /// a head was answered by it, and is known to nobody else.
    fn note(&self, ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
        let Err(error) = ended else { return };
        let parse = error.downcast_ref::<hyper::Error>().filter(|error| error.is_parse());
        match parse {
            Some(error) if error.is_parse_too_large() => self.handler.notice(Notice::Refused {
                status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                request: None,
                reason: "its head has more than 100 headers or 400 KiB",
            }),
            Some(_) => self.handler.notice(Notice::Refused {
                status: StatusCode::BAD_REQUEST,
                request: None,
                reason: "what came is no HTTP",
            }),
            None => tracing::debug!("a connection ended early: {error}"),
        }
    }
}

async fn answer(
    handler: Arc<dyn Handler>,
    mut request: http::Request<Incoming>,
    scheme: Scheme,
    local: Option<SocketAddr>,
) -> http::Response<Body> {
    if let Some((status, reason)) = admission::refuse(&request) {
        let path = request.uri().path_and_query().map_or_else(|| request.uri().to_string(), ToString::to_string);
        handler.notice(Notice::Refused { status, request: Some((request.method().clone(), path)), reason });
        return plain(status, format!("{reason}\n"));
    }
    admission::complete(&mut request, local);
    handler.handle(request, scheme).await
}

/// Answers a client that speaks HTTP where TLS is spoken.
async fn speak_plainly(mut stream: tokio::net::TcpStream, local: Option<SocketAddr>) {
    let mut head = [0; 4096];
    let _ = stream.read(&mut head).await;
    let port = local.map(|local| format!(" {}", local.port())).unwrap_or_default();
    let text = format!("the port{port} speaks HTTPS: write https:// in place of http://\n");
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{text}",
        text.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Takes changed certificates over, and tells of those that cannot be used.
async fn look_at_certificates(shared: Weak<Shared>, handler: Arc<dyn Handler>) {
    loop {
        tokio::time::sleep(CERTIFICATE_TICK).await;
        let Some(shared) = shared.upgrade() else { return };
        match shared.certificates.load_full().and_then(|certificates| certificates.look()) {
            None => {}
            Some(Ok(())) => handler.notice(Notice::CertificateRenewed),
            Some(Err(error)) => handler.notice(Notice::CertificateUnusable(error)),
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use futures::future::BoxFuture;

    use super::*;

    /// Answers `here`.
    struct Here;

    impl Handler for Here {
        fn handle(self: Arc<Self>, _: http::Request<Incoming>, _: Scheme) -> BoxFuture<'static, http::Response<Body>> {
            Box::pin(async { plain(StatusCode::OK, "here") })
        }
    }

    fn serve(limits: ServerLimits) -> Server {
        let bound = Bound::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let opts = ServeOptions { threads: NonZeroUsize::MIN, certificates: None, limits };
        bound.serve_with(Arc::new(Here), opts).unwrap()
    }

    fn connect(server: &Server) -> TcpStream {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    fn read_until(stream: &mut TcpStream, end: &str) -> String {
        let mut received = Vec::new();
        let mut byte = [0];
        while !received.ends_with(end.as_bytes()) {
            assert_eq!(stream.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&received));
            received.push(byte[0]);
        }
        String::from_utf8(received).unwrap()
    }

    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const SHORT: Duration = Duration::from_millis(60);

    #[test]
    fn a_head_that_does_not_end_is_cut() {
        let server = serve(ServerLimits { head_time: SHORT, ..Default::default() });
        let mut stream = connect(&server);
        stream.write_all(&GET[..10]).unwrap();
        assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0, "it is closed without an answer");
    }

    #[test]
    fn an_idle_connection_is_closed_and_a_new_one_is_not() {
        let server = serve(ServerLimits { idle_time: SHORT, ..Default::default() });
        let mut stream = connect(&server);
        stream.write_all(GET).unwrap();
        read_until(&mut stream, "here");
        assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0);
        let mut silent = connect(&server);
        assert_eq!(silent.read(&mut [0; 16]).unwrap_or(0), 0, "also one that never said anything");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_that_sends_on_is_told_the_last_answer_by_it() {
        let server = serve(ServerLimits::default());
        let mut stream = connect(&server);
        let (asked, mut asking) = watch::channel(false);
        let client = tokio::task::spawn_blocking(move || {
            let is_last = |head: &str| head.contains("\r\nconnection: close\r\n");
            let mut last = false;
            while !last {
                stream.write_all(GET).expect("the connection is open");
                last = is_last(&read_until(&mut stream, "here"));
                asked.send_replace(true);
            }
            stream.read(&mut [0; 16]).unwrap_or(0)
        });
        asking.changed().await.unwrap();
        assert_eq!(server.drain(Duration::from_secs(30)).await, 0, "nothing had to be cut");
        assert_eq!(client.await.unwrap(), 0);
    }

    #[test]
    fn connections_beyond_the_cap_wait_for_their_turn() {
        let server = serve(ServerLimits { connections: 1, ..Default::default() });
        let mut first = connect(&server);
        first.write_all(GET).unwrap();
        read_until(&mut first, "here");
        let mut second = connect(&server);
        second.write_all(GET).unwrap();
        second.set_read_timeout(Some(SHORT)).unwrap();
        assert!(second.read(&mut [0; 1]).is_err(), "nobody has taken it");
        drop(first);
        second.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        read_until(&mut second, "here");
    }
}
