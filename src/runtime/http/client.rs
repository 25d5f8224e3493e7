//! The HTTP client of a component: policy, connections that are kept, TLS, proxies, time-outs.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::ThreadId;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, Uri, Version, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, timeout};
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody};

use super::failure;
use super::pool::{Key, Pool, Sender};
use crate::runtime::network::dial::DialError;
use crate::runtime::network::{Host, Network, Transport};

/// How long connecting may take: names, TCP, TLS, and the proxy. A guest may ask for another time.
const CONNECT_TIME: Duration = Duration::from_secs(30);
/// The longest that a guest may ask for.
const MOST_CONNECT_TIME: Duration = Duration::from_secs(120);
/// How long a server may take to begin its response, and between two parts of it. A guest may ask
/// for less. What the guest itself is given for its work usually ends it before.
const RESPONSE_TIME: Duration = Duration::from_secs(600);
/// Requests of one component at one time, until the end of their responses.
const REQUESTS: usize = 512;
/// The longest answer of a proxy to the wish for a tunnel.
const TUNNEL_ANSWER: usize = 16 << 10;
/// How long to look for the addresses of a host that a proxy connects to. The proxy may be there
/// because names cannot be resolved here, so no answer is no reason to refuse.
const LOOK_BEHIND_PROXY: Duration = Duration::from_secs(2);
/// The longest head of a response over HTTP/2, in bytes.
const RESPONSE_HEAD: u32 = 64 << 10;

/// Sends the requests of one component.
pub struct Client {
    network: Arc<Network>,
    room: Arc<Semaphore>,
    /// One for each thread that has sent requests: serving threads, and those of the host.
    pools: Mutex<HashMap<ThreadId, Arc<Pool>>>,
    tls: OnceCell<Arc<ClientConfig>>,
}

/// Where a request goes.
struct Target {
    key: Key,
    proxy: Option<Intercept>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}
type BoxStream = Box<dyn Stream>;

impl Client {
    /// A client without connections.
    pub fn new(network: Arc<Network>) -> Self {
        Client { network, room: Arc::new(Semaphore::new(REQUESTS)), pools: Mutex::default(), tls: OnceCell::new() }
    }

    /// Sends a request and returns the response when its head is there.
    pub async fn send(
        self: Arc<Self>,
        request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<Response<WasiBody>> {
        let target = self.target(&request)?;
        let connect_time = options.connect_timeout.unwrap_or(CONNECT_TIME).min(MOST_CONNECT_TIME);
        let first_byte = options.first_byte_timeout.unwrap_or(RESPONSE_TIME).min(RESPONSE_TIME);
        let between_bytes = options.between_bytes_timeout.unwrap_or(RESPONSE_TIME).min(RESPONSE_TIME);
        let permit = match timeout(connect_time, self.room.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            _ => return Err(Error::ConnectionLimitReached),
        };
        let pool = self.pool();
        let mut request = request;
        loop {
            let (sender, kept) = match pool.take(&target.key) {
                Some(sender) => (sender, true),
                None => {
                    let connected = timeout(connect_time, self.connect(&target, &pool)).await;
                    let connected = connected.map_err(|_| {
                        self.tell_time(&target, "no connection to", connect_time);
                        Error::ConnectionTimeout
                    });
                    (connected??, false)
                }
            };
            let sent = timeout(first_byte, exchange(sender, request, &target, &pool)).await;
            let sent = sent.map_err(|_| {
                self.tell_time(&target, "no response of", first_byte);
                Error::ConnectionReadTimeout
            });
            match sent? {
                Ok(response) => {
                    return Ok(response.map(|body| Receiving::new(body, between_bytes, permit).boxed_unsync()));
                }
                // A kept connection was closed by its server before it took the request.
                Err((_, Some(unsent))) if kept => request = *unsent,
                Err((error, _)) => return Err(failure::of_request(&error)),
            }
        }
    }

    /// Reads the destination and asks the policy, as far as it can be asked without looking up names.
    fn target(&self, request: &Request<WasiBody>) -> Result<Target> {
        let uri = request.uri();
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        // A password would go to logs, and the host that is meant would not be the one that is read.
        if authority.as_str().contains('@') {
            return Err(Error::HttpRequestUriInvalid);
        }
        // A tunnel through us is no request; servers have no other use for it.
        if request.method() == Method::CONNECT {
            return Err(Error::HttpRequestMethodInvalid);
        }
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let host = Host::parse(authority.host()).ok_or(Error::HttpRequestUriInvalid)?;
        let port = match authority.port() {
            Some(port) => port.as_str().parse().map_err(|_| Error::HttpRequestUriInvalid)?,
            None if authority.as_str().ends_with(':') => return Err(Error::HttpRequestUriInvalid),
            None if tls => 443,
            None => 80,
        };
        // Who is there is found out by dialling, and by then the policy is asked about the machine's.
        let inside = self.network.is_inside(&host);
        if !inside {
            self.network
                .decide(&host.destination(transport(tls), port))
                .map_err(|denial| failure::of_dialling(&DialError::Denied(denial)))?;
        }
        // gRPC is HTTP/2 only, and without TLS there is nothing to negotiate it by.
        let grpc = |value: &HeaderValue| value.as_bytes().starts_with(b"application/grpc");
        let prior_knowledge = !tls && request.headers().get(header::CONTENT_TYPE).is_some_and(grpc);
        // A proxy would look for this machine's loopback on its own, and for fixed names in its own way.
        let fixed = matches!(&host, Host::Name(name) if self.network.fixed(name).is_some());
        let direct = inside || fixed;
        let proxy = if direct { None } else { self.network.outbound().proxy(uri) };
        Ok(Target { key: Key { tls, host, port, prior_knowledge }, proxy })
    }

    /// The connections of this thread.
    fn pool(&self) -> Arc<Pool> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.entry(std::thread::current().id()).or_default().clone()
    }

    async fn connect(&self, target: &Target, pool: &Arc<Pool>) -> Result<Sender> {
        let key = &target.key;
        let stream: BoxStream = match &target.proxy {
            None => self.dial(key).await?,
            Some(proxy) => self.through_proxy(key, proxy).await?,
        };
        let (stream, http2) = if key.tls {
            let (stream, alpn) = self.secure(stream, &key.host).await?;
            (stream, alpn.as_deref() == Some(b"h2"))
        } else {
            (stream, key.prior_knowledge)
        };
        let stream = TokioIo::new(stream);
        if http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.timer(TokioTimer::new()).max_header_list_size(RESPONSE_HEAD);
            builder.keep_alive_interval(Duration::from_secs(20)).keep_alive_while_idle(false);
            let (sender, connection) = builder.handshake(stream).await.map_err(|error| failure::of_request(&error))?;
            drive(connection);
            pool.put(key.clone(), Sender::Http2(sender.clone()));
            return Ok(Sender::Http2(sender));
        }
        let (sender, connection) =
            http1::Builder::new().handshake(stream).await.map_err(|error| failure::of_request(&error))?;
        drive(connection);
        Ok(Sender::Http1(sender))
    }

    async fn dial(&self, key: &Key) -> Result<BoxStream> {
        if self.network.is_inside(&key.host)
            && let Some(stream) = self.network.dial_inside(&key.host, key.port).await
        {
            return Ok(Box::new(stream));
        }
        let stream = self.network.dial(transport(key.tls), &key.host, key.port).await;
        let stream = stream.map_err(|error| {
            self.tell_dialling(key, &error);
            failure::of_dialling(&error)
        })?;
        let _ = stream.set_nodelay(true);
        Ok(Box::new(stream))
    }

    /// Connects to the proxy, and for HTTPS through it. The proxy was chosen by the user; where it
    /// leads to is checked as far as that can be known here.
    async fn through_proxy(&self, key: &Key, proxy: &Intercept) -> Result<BoxStream> {
        let look = self.network.addresses(transport(key.tls), &key.host, key.port);
        if let Ok(Err(error @ DialError::Denied(_))) = timeout(LOOK_BEHIND_PROXY, look).await {
            return Err(failure::of_dialling(&error));
        }
        let uri = proxy.uri();
        let shown = uri.authority().map(ToString::to_string).unwrap_or_default();
        let unusable = |why: &str| {
            self.network.tell(
                format!("the proxy {shown} cannot be used: {why}"),
                Some("correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or name the host in NO_PROXY".into()),
                false,
            );
        };
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            other => {
                unusable(&format!("`{}` is not supported, only `http` and `https`", other.unwrap_or_default()));
                return Err(Error::ConfigurationError);
            }
        };
        let host = uri.host().and_then(Host::parse).ok_or(Error::ConfigurationError)?;
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = self.network.dial_chosen(&host, port).await.map_err(|error| {
            let code = failure::of_dialling(&error);
            unusable(&code.to_string());
            code
        })?;
        let _ = stream.set_nodelay(true);
        let mut stream: BoxStream = Box::new(stream);
        if secure {
            stream = self.secure(stream, &host).await?.0;
        }
        if key.tls {
            let status = tunnel(&mut stream, key, proxy.basic_auth()).await?;
            if !(200..300).contains(&status) {
                unusable(&format!("it answered {status} to the wish for a connection to {}", authority_of(key)));
                return Err(if status == 403 { Error::HttpRequestDenied } else { Error::DestinationUnavailable });
            }
        }
        Ok(stream)
    }

    /// Makes a stream a TLS one; returns what was negotiated, too.
    async fn secure(&self, stream: BoxStream, host: &Host) -> Result<(BoxStream, Option<Vec<u8>>)> {
        let config = self.tls.get_or_try_init(|| self.configure_tls()).await?;
        let name = match host {
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Error::HttpRequestUriInvalid)?,
            Host::Address(address) => ServerName::from(*address),
        };
        let connected = TlsConnector::from(config.clone()).connect(name, stream).await;
        let stream = connected.map_err(|error| {
            let code = failure::of_tls(&error);
            self.tell_tls(host, &error, &code);
            code
        })?;
        let alpn = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        Ok((Box::new(stream), alpn))
    }

    async fn configure_tls(&self) -> Result<Arc<ClientConfig>> {
        let trusted = self.network.outbound().trusted().clone();
        let config = tokio::task::spawn_blocking(move || trusted.client()).await;
        match config {
            Ok(Ok(mut config)) => {
                // Sessions are the component's own, as its connections are.
                config.resumption = Resumption::in_memory_sessions(32);
                Ok(Arc::new(config))
            }
            Ok(Err(error)) => {
                self.network.tell(error.to_string(), error.hints().first().cloned(), false);
                Err(Error::ConfigurationError)
            }
            Err(_) => Err(Error::InternalError(None)),
        }
    }

    /// Many guests make one answer of every failure; here stands which one it was.
    fn tell_dialling(&self, key: &Key, error: &DialError) {
        let to = authority_of(key);
        match error {
            // The policy has told.
            DialError::Denied(_) => {}
            DialError::Unknown(error) => self.network.tell(
                format!("no connection to {to}: the name has no address ({error})"),
                Some("correct the name, or give it an address: `hosts` below `dev` in the settings".into()),
                false,
            ),
            DialError::Unreachable(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                let hint = "start that server, or correct the port".to_string();
                self.network.tell(format!("no connection to {to}: nothing listens there"), Some(hint), false);
            }
            DialError::Unreachable(error) => {
                self.network.tell(format!("no connection to {to}: {error}"), None, false);
            }
        }
    }

    fn tell_time(&self, target: &Target, what: &str, limit: Duration) {
        let to = authority_of(&target.key);
        self.network.tell(format!("{what} {to} within {} s", limit.as_secs_f64()), None, false);
    }

    /// A guest only gets a code; what to do about it is in the words.
    fn tell_tls(&self, host: &Host, error: &std::io::Error, code: &Error) {
        let host = match host {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
        };
        let hint = matches!(code, Error::TlsCertificateError)
            .then(|| "if its authority is your own, name its PEM file in `http_client_ca_paths`".to_string());
        self.network.tell(format!("no TLS connection to {host}: {error}"), hint, false);
    }
}

fn transport(tls: bool) -> Transport {
    if tls { Transport::Https } else { Transport::Http }
}

/// Runs a connection beside the requests that use it, on this thread.
fn drive<C: Future<Output = hyper::Result<()>> + Send + 'static>(connection: C) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("a connection of a component ended early: {error}");
        }
    });
}

type Unsent = Option<Box<Request<WasiBody>>>;

/// Sends the request on a connection, and keeps the connection for the next one. What could not be
/// sent at all is given back.
async fn exchange(
    sender: Sender,
    request: Request<WasiBody>,
    target: &Target,
    pool: &Arc<Pool>,
) -> Result<Response<Incoming>, (hyper::Error, Unsent)> {
    let back = |mut error: hyper::client::conn::TrySendError<Request<WasiBody>>, uri: Uri| {
        let unsent = error.take_message().map(|mut request| {
            // It may go out in another form the next time.
            *request.uri_mut() = uri;
            Box::new(request)
        });
        (error.into_error(), unsent)
    };
    let uri = request.uri().clone();
    match sender {
        Sender::Http1(mut sender) => {
            let response =
                sender.try_send_request(for_http1(request, target)).await.map_err(|error| back(error, uri))?;
            pool.put(target.key.clone(), Sender::Http1(sender));
            Ok(response)
        }
        Sender::Http2(mut sender) => {
            sender.try_send_request(for_http2(request)).await.map_err(|error| back(error, uri))
        }
    }
}

fn for_http1(mut request: Request<WasiBody>, target: &Target) -> Request<WasiBody> {
    *request.version_mut() = Version::HTTP_11;
    // It is gone when the request was made for HTTP/2 first.
    if !request.headers().contains_key(header::HOST)
        && let Some(Ok(host)) = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()))
    {
        request.headers_mut().insert(header::HOST, host);
    }
    match &target.proxy {
        // A proxy is told the whole address, and who asks.
        Some(proxy) if !target.key.tls => {
            if let Some(authorization) = proxy.basic_auth() {
                request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
            }
        }
        _ => {
            let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
            *request.uri_mut() = Uri::from(path);
        }
    }
    request
}

fn for_http2(mut request: Request<WasiBody>) -> Request<WasiBody> {
    *request.version_mut() = Version::HTTP_2;
    // The address has the authority.
    request.headers_mut().remove(header::HOST);
    request
}

fn authority_of(key: &Key) -> String {
    match &key.host {
        Host::Name(name) => format!("{name}:{}", key.port),
        Host::Address(address) => std::net::SocketAddr::new(*address, key.port).to_string(),
    }
}

/// Asks a proxy for a tunnel and returns the status of its answer.
async fn tunnel(stream: &mut BoxStream, key: &Key, authorization: Option<&HeaderValue>) -> Result<u16> {
    let authority = authority_of(key);
    let mut wish = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n").into_bytes();
    if let Some(authorization) = authorization {
        wish.extend_from_slice(b"proxy-authorization: ");
        wish.extend_from_slice(authorization.as_bytes());
        wish.extend_from_slice(b"\r\n");
    }
    wish.extend_from_slice(b"\r\n");
    let terminated = |_| Error::ConnectionTerminated;
    stream.write_all(&wish).await.map_err(terminated)?;
    let mut answer = Vec::new();
    // Byte by byte: what comes after the head belongs to the tunnel.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= TUNNEL_ANSWER {
            return Err(Error::HttpProtocolError);
        }
        answer.push(stream.read_u8().await.map_err(terminated)?);
    }
    let status = answer.strip_prefix(b"HTTP/1.").and_then(|rest| std::str::from_utf8(rest.get(2..5)?).ok());
    status.and_then(|status| status.parse().ok()).ok_or(Error::HttpProtocolError)
}

/// The body of a response, with its time-out.
struct Receiving {
    body: Incoming,
    pause: Duration,
    patience: Option<Pin<Box<Sleep>>>,
    /// The request counts until here.
    _permit: OwnedSemaphorePermit,
}

impl Receiving {
    fn new(body: Incoming, pause: Duration, permit: OwnedSemaphorePermit) -> Self {
        Receiving { body, pause, patience: None, _permit: permit }
    }
}

impl Body for Receiving {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.patience = None;
                Poll::Ready(frame.map(|frame| frame.map_err(|error| failure::of_response(&error))))
            }
            Poll::Pending => {
                let pause = this.pause;
                let patience = this.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
                futures::ready!(patience.as_mut().poll(cx));
                Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
