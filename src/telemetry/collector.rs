//! Deliveries to a collector, over our own HTTP client.
//!
//! Whoever delivers may be on any thread; the connections live on the runtime of this room. One that
//! fails costs nothing but a warning, and not one for each.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use reqwest::{Certificate, Identity, redirect};
use tokio::runtime::Handle;

use super::variables::{Otlp, shown};
use crate::error::{Context, Error, Result};

/// Between two warnings about deliveries that fail.
const QUIET: Duration = Duration::from_secs(60);
/// The longest answer of a collector that is read, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;

/// What helps where a certificate cannot be used.
const CORRECT: &str = "correct OTEL_EXPORTER_OTLP_CERTIFICATE and its relatives, or unset them";

/// The collector of one signal.
#[derive(Debug)]
pub struct Collector {
    /// What is delivered: `traces`, `logs` or `metrics`.
    signal: &'static str,
    /// As it may be shown.
    place: String,
    client: reqwest::Client,
    headers: HeaderMap,
    gzip: bool,
    timeout: Duration,
    runtime: Handle,
    complaints: Arc<Complaints>,
}

impl Collector {
    /// Connects when there is something to deliver.
    pub fn new(signal: &'static str, otlp: &Otlp, runtime: &Handle, complaints: &Arc<Complaints>) -> Result<Self> {
        Ok(Collector {
            signal,
            place: shown(&otlp.endpoint),
            client: client(otlp)?,
            headers: otlp.headers.iter().cloned().collect(),
            gzip: otlp.gzip,
            timeout: otlp.timeout,
            runtime: runtime.clone(),
            complaints: complaints.clone(),
        })
    }

    async fn deliver(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let (mut head, mut body) = request.into_parts();
        head.headers.extend(self.headers.clone());
        if self.gzip {
            body = compressed(&body).map_err(|error| error.to_string())?;
            head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let (client, timeout) = (self.client.clone(), self.timeout);
        // The caller's thread has no reactor, and perhaps no runtime: even making the request needs one.
        let delivered = self.runtime.spawn(async move {
            let request = client.request(head.method, head.uri.to_string()).headers(head.headers).timeout(timeout);
            let mut response = request.body(body).send().await.map_err(|error| chain(error.without_url()))?;
            let mut answer = Vec::new();
            while let Some(part) = response.chunk().await.map_err(|error| chain(error.without_url()))? {
                answer.extend_from_slice(&part);
                if answer.len() > LONGEST_ANSWER {
                    return Err("its answer is too long".to_string());
                }
            }
            let mut whole = Response::new(Bytes::from(answer));
            *whole.status_mut() = response.status();
            *whole.headers_mut() = std::mem::take(response.headers_mut());
            Ok(whole)
        });
        delivered.await.map_err(|error| error.to_string())?
    }
}

#[wasmtime_wasi::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let delivered = self.deliver(request).await;
        match &delivered {
            Ok(response) if response.status().is_success() => {}
            Ok(response) => {
                self.complaints.tell(self.signal, &self.place, &format!("it answered {}", response.status()))
            }
            Err(reason) => self.complaints.tell(self.signal, &self.place, reason),
        }
        delivered.map_err(HttpError::from)
    }
}

fn client(otlp: &Otlp) -> Result<reqwest::Client> {
    let mut trusted = Vec::new();
    if let Some(path) = &otlp.certificate {
        let nothing = || format!("there is no certificate in `{}`", path.display());
        trusted = Certificate::from_pem_bundle(&read(path)?).context(nothing)?;
        // A file without any is no error to the library, and would be trusted to have said something.
        if trusted.is_empty() {
            return Err(Error::failed(nothing()).hint(CORRECT));
        }
    }
    let identity = match &otlp.client_certificate {
        None => None,
        Some((certificate, key)) => {
            let pem = [read(certificate)?, read(key)?].join(&b'\n');
            let paths =
                || format!("`{}` and `{}` are no certificate with its key", certificate.display(), key.display());
            Some(Identity::from_pem(&pem).context(paths)?)
        }
    };
    let builder = || {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("wash/", env!("CARGO_PKG_VERSION")))
            // Headers are secrets of this collector.
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy();
        match &identity {
            Some(identity) => builder.identity(identity.clone()),
            None => builder,
        }
    };
    if otlp.endpoint.scheme() == "http" {
        // Reading the system's certificates takes a while, and they are for nothing here.
        return builder().tls_certs_only(trusted).build().context(|| "cannot make a client for the collector");
    }
    match builder().tls_certs_merge(trusted.clone()).build() {
        Ok(client) => Ok(client),
        // A small container may have no certificates of its own; plain HTTP works without.
        Err(error) => {
            tracing::debug!(%error, "the system's certificates cannot be used");
            builder().tls_certs_only(trusted).build().context(|| "cannot set up TLS for the collector")
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path)
        .context(|| format!("cannot read `{}`, a certificate for OTLP", path.display()))
        .map_err(|error: Error| error.hint(CORRECT))
}

fn compressed(body: &[u8]) -> std::io::Result<Bytes> {
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    Ok(encoder.finish()?.into())
}

fn chain(error: reqwest::Error) -> String {
    Error::caused_by("", &error).causes().last().cloned().unwrap_or_default()
}

/// Warnings about deliveries that fail: the first at once, then one in a while.
#[derive(Debug, Default)]
pub struct Complaints(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    since: u64,
}

impl Complaints {
    /// Warns, unless that was done a moment ago.
    pub fn tell(&self, signal: &str, place: &str, reason: &str) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.last.is_some_and(|last| last.elapsed() < QUIET) {
            told.since += 1;
            return;
        }
        let more = match std::mem::take(&mut told.since) {
            0 => String::new(),
            since => format!(" ({since} more failed since the last warning)"),
        };
        told.last = Some(Instant::now());
        tracing::warn!(
            target: super::OWN_LOGS,
            "cannot send {signal} to {place}: {reason}{more}; OTEL_SDK_DISABLED=true turns it off"
        );
    }
}
