//! A collector of traces, logs and metrics (OTLP over HTTP), played by the test.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use rustls::server::WebPkiClientVerifier;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::PATIENCE;
use super::upstream::{certificate, key};

/// Takes what it is sent until it is dropped.
pub struct Collector {
    scheme: &'static str,
    address: SocketAddr,
    received: Arc<Log>,
    _stop: oneshot::Sender<()>,
}

#[derive(Default)]
struct Log {
    received: Mutex<Received>,
    changed: Condvar,
}

/// All that has come.
#[derive(Clone, Default)]
pub struct Received {
    pub spans: Vec<Recorded<Span>>,
    pub logs: Vec<Recorded<LogRecord>>,
    pub metrics: Vec<Recorded<Metric>>,
    /// The heads of all requests.
    pub heads: Vec<HeaderMap>,
}

/// Something with those who recorded it.
#[derive(Clone, Debug)]
pub struct Recorded<T> {
    pub resource: Vec<KeyValue>,
    pub scope: String,
    pub data: T,
}

impl<T> std::ops::Deref for Recorded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl Collector {
    pub fn start() -> Self {
        Collector::start_with(None)
    }

    /// Speaks TLS, with the certificate of `tests/certs/server.pem`, to clients whose certificate the authority
    /// of the tests has signed.
    pub fn start_tls() -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate("ca.pem")).expect("the authority");
        let provider = wash::internal::provider();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_client_cert_verifier(verifier.expect("a verifier"))
            .with_single_cert(vec![certificate("server.pem")], key("server-key.pem"))
            .expect("the server's certificate");
        Collector::start_with(Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener");
        let address = listener.local_addr().expect("its address");
        let received = Arc::new(Log::default());
        let (stop, stopped) = oneshot::channel();
        let log = received.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, tls, log) => {}
                    _ = stopped => {}
                }
            });
        });
        Collector { scheme, address, received, _stop: stop }
    }

    pub fn url(&self) -> String {
        let host = if self.scheme == "https" { "localhost" } else { "127.0.0.1" };
        format!("{}://{host}:{}", self.scheme, self.address.port())
    }

    /// All that has come so far.
    pub fn received(&self) -> Received {
        self.received.lock().clone()
    }

    /// Waits until something has come.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, find: impl Fn(&Received) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut received = self.received.lock();
        loop {
            if let Some(found) = find(&received) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let names = |spans: &[Recorded<Span>]| spans.iter().map(|span| span.name.clone()).collect::<Vec<_>>();
            assert!(
                !left.is_zero(),
                "{what} did not come; spans {:?}, logs {:#?}, metrics {:?}",
                names(&received.spans),
                received.logs,
                received.metrics.iter().map(|metric| metric.name.clone()).collect::<Vec<_>>()
            );
            let waited = self.received.changed.wait_timeout(received, left.min(Duration::from_secs(1)));
            received = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for a span.
    #[track_caller]
    pub fn span(&self, what: &str, wanted: impl Fn(&Span) -> bool) -> Recorded<Span> {
        self.wait(what, |received| received.spans.iter().find(|span| wanted(span)).cloned())
    }

    /// Waits for a log record.
    #[track_caller]
    pub fn log(&self, body: &str) -> Recorded<LogRecord> {
        self.wait(body, |received| received.logs.iter().find(|record| text(&record.body) == body).cloned())
    }
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, request: &Request<Incoming>, body: &[u8]) {
        let mut received = self.lock();
        received.heads.push(request.headers().clone());
        let mut unpacked = Vec::new();
        let zipped = request.headers().get("content-encoding").is_some_and(|coding| coding == "gzip");
        let body = match zipped {
            true => {
                flate2::read::GzDecoder::new(body).read_to_end(&mut unpacked).expect("a body in gzip");
                &unpacked[..]
            }
            false => body,
        };
        let json = request.headers().get("content-type").is_some_and(|kind| kind == "application/json");
        match request.uri().path().rsplit('/').next() {
            Some("traces") => {
                for of in decode::<ExportTraceServiceRequest>(json, body).resource_spans {
                    for scope in of.scope_spans {
                        let name = scope.scope.unwrap_or_default().name;
                        received.spans.extend(scope.spans.into_iter().map(|span| recorded(&of.resource, &name, span)));
                    }
                }
            }
            Some("logs") => {
                for of in decode::<ExportLogsServiceRequest>(json, body).resource_logs {
                    for scope in of.scope_logs {
                        let name = scope.scope.unwrap_or_default().name;
                        let records = scope.log_records.into_iter();
                        received.logs.extend(records.map(|record| recorded(&of.resource, &name, record)));
                    }
                }
            }
            Some("metrics") => {
                for of in decode::<ExportMetricsServiceRequest>(json, body).resource_metrics {
                    for scope in of.scope_metrics {
                        let name = scope.scope.unwrap_or_default().name;
                        let metrics = scope.metrics.into_iter();
                        received.metrics.extend(metrics.map(|metric| recorded(&of.resource, &name, metric)));
                    }
                }
            }
            other => panic!("nothing is sent to {other:?}"),
        }
        self.changed.notify_all();
    }
}

fn decode<M: Message + Default + DeserializeOwned>(json: bool, body: &[u8]) -> M {
    match json {
        true => serde_json::from_slice(body).expect("a message in JSON"),
        false => M::decode(body).expect("a message"),
    }
}

fn recorded<T>(resource: &Option<Resource>, scope: &str, data: T) -> Recorded<T> {
    let resource = resource.as_ref().map(|resource| resource.attributes.clone()).unwrap_or_default();
    Recorded { resource, scope: scope.into(), data }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, log: Arc<Log>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let log = log.clone();
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            let log = log.clone();
            async move {
                let body = request.body_mut().collect().await?.to_bytes();
                log.take(&request, &body);
                Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::new())))
            }
        });
        let tls = tls.clone();
        tokio::spawn(async move {
            let http = hyper::server::conn::http1::Builder::new();
            match tls {
                None => http.serve_connection(TokioIo::new(stream), service).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await,
                    Err(_) => Ok(()),
                },
            }
        });
    }
}

/// A value as text.
pub fn text(value: &Option<AnyValue>) -> String {
    match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

/// The value of an attribute as text; empty where there is none.
pub fn attribute(attributes: &[KeyValue], key: &str) -> String {
    attributes.iter().find(|attribute| attribute.key == key).map(|found| text(&found.value)).unwrap_or_default()
}

/// An identifier as W3C Trace Context writes it.
pub fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
