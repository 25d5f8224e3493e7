//! A server of the test itself, to which components send requests.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::oneshot;

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

/// Answers on loopback until it is dropped.
///
/// | path | answer |
/// | --- | --- |
/// | `/hello` | `hello`, with the HTTP version, e.g. `hello HTTP/1.1` |
/// | `/headers` | the request line and the headers, as lines |
/// | `/sink` | how many bytes the body had |
/// | `/bytes?N` | N bytes |
/// | `/trailers` | `body`, and the trailer `x-end: done` |
/// | `/nowhere` | 404 and `nowhere` |
/// | `/silent` | never |
/// | `/stall` | a head and one chunk, then nothing |
/// | `/redirect?URL` | 302 to there |
pub struct Upstream {
    address: SocketAddr,
    seen: Arc<Seen>,
    _stop: oneshot::Sender<()>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    open: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

impl Upstream {
    /// Starts in the clear.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts with the certificate of `tests/certs/server.pem`.
    pub fn start_tls() -> Self {
        let mut config = rustls::ServerConfig::builder_with_provider(wash::internal::provider())
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate("server.pem")], key("server-key.pem"))
            .expect("the server's certificate");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self::start_with(Some(Arc::new(config)))
    }

    fn start_with(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener");
        let address = listener.local_addr().expect("its address");
        let seen = Arc::new(Seen::default());
        let (stop, stopped) = oneshot::channel();
        let serving = seen.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, tls, serving) => {}
                    _ = stopped => {}
                }
            });
        });
        Upstream { address, seen, _stop: stop, thread: Some(thread) }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// The request lines that it has seen.
    pub fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let (stop, _) = oneshot::channel();
        drop(std::mem::replace(&mut self._stop, stop));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, tls: Option<Arc<rustls::ServerConfig>>, seen: Arc<Seen>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    let tls = tls.map(tokio_rustls::TlsAcceptor::from);
    while let Ok((stream, _)) = listener.accept().await {
        seen.connections.fetch_add(1, Ordering::SeqCst);
        seen.open.fetch_add(1, Ordering::SeqCst);
        let counted = seen.clone();
        let (tls, seen) = (tls.clone(), seen.clone());
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| answer(request, seen.clone()));
            let builder = auto::Builder::new(TokioExecutor::new());
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                    }
                }
                None => {
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                }
            }
            counted.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn answer(request: Request<Incoming>, seen: Arc<Seen>) -> Result<Response<Body>, Infallible> {
    let line = format!("{} {}", request.method(), request.uri());
    seen.requests.lock().unwrap().push(line.clone());
    let version = match request.version() {
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    };
    let query = request.uri().query().unwrap_or_default().to_string();
    let chunk = |text: String| Ok::<_, Infallible>(Frame::data(Bytes::from(text)));
    Ok(match request.uri().path() {
        "/headers" => {
            let mut lines = vec![line];
            for (name, value) in request.headers() {
                lines.push(format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
            }
            full(lines.join("\n"))
        }
        "/sink" => {
            let mut count = 0;
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                count += frame.data_ref().map_or(0, Bytes::len);
            }
            full(count.to_string())
        }
        "/bytes" => {
            let pattern = Bytes::from(vec![b'x'; 64 << 10]);
            let body = futures::stream::unfold(query.parse().unwrap_or(0), move |left: usize| {
                let chunk = pattern.slice(..left.min(pattern.len()));
                async move { (left > 0).then(|| (Ok(Frame::data(chunk.clone())), left - chunk.len())) }
            });
            Response::new(StreamBody::new(body).boxed_unsync())
        }
        "/trailers" => {
            let mut trailers = hyper::HeaderMap::new();
            trailers.insert("x-end", "done".parse().expect("a header"));
            let frames = futures::stream::iter([chunk("body".into()), Ok(Frame::trailers(trailers))]);
            let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
            response.headers_mut().insert("trailer", "x-end".parse().expect("a header"));
            response
        }
        "/nowhere" => {
            let mut response = full("nowhere".into());
            *response.status_mut() = hyper::StatusCode::NOT_FOUND;
            response
        }
        "/silent" => std::future::pending().await,
        "/stall" => {
            let first = futures::stream::iter([chunk("first".into())]);
            let frames = futures::StreamExt::chain(first, futures::stream::pending());
            Response::new(StreamBody::new(frames).boxed_unsync())
        }
        "/redirect" => Response::builder()
            .status(302)
            .header("location", query)
            .body(full(String::new()).into_body())
            .expect("a response"),
        _ => full(format!("hello {version}")),
    })
}

fn full(text: String) -> Response<Body> {
    Response::new(http_body_util::Full::new(Bytes::from(text)).boxed_unsync())
}

/// A file of `tests/certs`.
pub fn cert_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certs").join(name)
}

pub fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(cert_path(name)).expect("a certificate of the tests")
}

pub fn key(name: &str) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(cert_path(name)).expect("a key of the tests")
}

/// How long a proxy or raw server of a test waits for the other side; only a failing test waits so long.
pub const RAW_PATIENCE: Duration = Duration::from_secs(30);
