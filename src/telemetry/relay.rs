//! What guests themselves record (`wasi:otel`), passed on to the collector as they made it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_http::HttpClient;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::ResourceLogs;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use opentelemetry_sdk::Resource as SdkResource;
use prost::Message;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::collector::Collector;
use super::variables::Batch;
use crate::runtime::observer::{GuestSignal, GuestSignalKind};

/// Where one signal goes.
pub struct Way {
    endpoint: String,
    json: bool,
    collector: Arc<Collector>,
}

impl Way {
    pub fn new(endpoint: &str, json: bool, collector: Arc<Collector>) -> Self {
        Way { endpoint: endpoint.into(), json, collector }
    }

    /// What fails is told by the collector.
    async fn send<M: Message + Serialize>(&self, message: &M) {
        let (body, kind) = match self.json {
            true => (serde_json::to_vec(message).unwrap_or_default(), "application/json"),
            false => (message.encode_to_vec(), "application/x-protobuf"),
        };
        let request = http::Request::post(&self.endpoint).header(http::header::CONTENT_TYPE, kind);
        if let Ok(request) = request.body(Bytes::from(body)) {
            let _ = self.collector.send_bytes(request).await;
        }
    }
}

/// Where each signal goes, if it goes anywhere.
pub struct Ways {
    pub spans: Option<Way>,
    pub logs: Option<Way>,
    pub metrics: Option<Way>,
}

impl Ways {
    fn take(&self, kind: GuestSignalKind) -> bool {
        match kind {
            GuestSignalKind::Span => self.spans.is_some(),
            GuestSignalKind::Log => self.logs.is_some(),
            GuestSignalKind::Metrics => self.metrics.is_some(),
        }
    }
}

/// The most bytes that wait, as they will be sent; what is more is thrown away.
const WAITING_BYTES: usize = 32 << 20;

/// Gathers and passes on. Clones are the same.
#[derive(Clone)]
pub struct Relay(Arc<Shared>);

/// A signal and its share of [`WAITING_BYTES`].
struct Waiting {
    signal: GuestSignal,
    share: Share,
}

struct Share {
    bytes: usize,
    of: Arc<AtomicUsize>,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct Shared {
    ways: Arc<Ways>,
    /// `None` after the end.
    queue: Mutex<Option<mpsc::Sender<Waiting>>>,
    bytes: Arc<AtomicUsize>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
    dropped: AtomicU64,
    runtime: Handle,
}

impl Relay {
    /// Starts to pass on what comes, in the name of `resource` where a guest names none.
    pub fn start(ways: Ways, resource: &SdkResource, batch: Batch, runtime: &Handle) -> Self {
        let (sender, receiver) = mpsc::channel(batch.queue);
        let (end, ended) = oneshot::channel();
        let ways = Arc::new(ways);
        let work = Work { ways: ways.clone(), resource: plain(resource), batch };
        runtime.spawn(async move {
            work.pass_on(receiver).await;
            let _ = end.send(());
        });
        Relay(Arc::new(Shared {
            ways,
            queue: Mutex::new(Some(sender)),
            bytes: Arc::default(),
            ended: Mutex::new(Some(ended)),
            dropped: AtomicU64::new(0),
            runtime: runtime.clone(),
        }))
    }

    /// Whether such signals go anywhere.
    pub fn takes(&self, kind: GuestSignalKind) -> bool {
        self.0.ways.take(kind)
    }

    /// Takes a signal, unless too many wait already.
    pub fn take(&self, signal: GuestSignal) {
        let bytes = match &signal {
            GuestSignal::Span(spans) => spans.encoded_len(),
            GuestSignal::Log(_, logs) => logs.encoded_len(),
            GuestSignal::Metrics(metrics) => metrics.encoded_len(),
        };
        let before = self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        let waiting = Waiting { signal, share: Share { bytes, of: self.0.bytes.clone() } };
        let queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = match &*queue {
            Some(queue) if before + bytes <= WAITING_BYTES => queue.try_send(waiting).is_ok(),
            _ => false,
        };
        if !taken {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends what waits, within a bound. Not to be called on the runtime itself.
    pub fn end(self, patience: Duration) {
        drop(self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            let _ = self.0.runtime.block_on(async { tokio::time::timeout(patience, ended).await });
        }
        let dropped = self.0.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(target: super::OWN_LOGS, "{dropped} spans and log records of components came too fast");
        }
    }
}

struct Work {
    ways: Arc<Ways>,
    resource: Resource,
    batch: Batch,
}

impl Work {
    async fn pass_on(&self, mut queue: mpsc::Receiver<Waiting>) {
        while let Some(first) = queue.recv().await {
            let mut gathered = vec![first];
            let deadline = Instant::now() + self.batch.delay;
            while gathered.len() < self.batch.most {
                match timeout_at(deadline, queue.recv()).await {
                    Ok(Some(next)) => gathered.push(next),
                    // Time is over, or it is the end.
                    _ => break,
                }
            }
            self.send(gathered).await;
        }
    }

    async fn send(&self, signals: Vec<Waiting>) {
        let (mut spans, mut logs, mut metrics) = (Vec::new(), Vec::new(), Vec::new());
        // Their shares are given back when they have been sent.
        let mut shares = Vec::new();
        for Waiting { signal, share } in signals {
            shares.push(share);
            match signal {
                GuestSignal::Span(scope_spans) => spans.push(*scope_spans),
                GuestSignal::Log(resource, scope_logs) => logs.push(ResourceLogs {
                    resource: Some(self.named(resource)),
                    scope_logs: vec![*scope_logs],
                    ..Default::default()
                }),
                GuestSignal::Metrics(resource_metrics) => {
                    let resource = Some(self.named(resource_metrics.resource.clone()));
                    metrics.push(ResourceMetrics { resource, ..*resource_metrics });
                }
            }
        }
        if let (Some(way), false) = (&self.ways.spans, spans.is_empty()) {
            let resource = Some(self.resource.clone());
            let resource_spans = vec![ResourceSpans { resource, scope_spans: spans, ..Default::default() }];
            way.send(&ExportTraceServiceRequest { resource_spans }).await;
        }
        if let (Some(way), false) = (&self.ways.logs, logs.is_empty()) {
            way.send(&ExportLogsServiceRequest { resource_logs: logs }).await;
        }
        if let (Some(way), false) = (&self.ways.metrics, metrics.is_empty()) {
            way.send(&ExportMetricsServiceRequest { resource_metrics: metrics }).await;
        }
    }

    /// What a guest says of itself; where it says nothing, what we are.
    fn named(&self, own: Option<Resource>) -> Resource {
        let mut own = own.unwrap_or_default();
        // The placeholder of a library that was told no name.
        own.attributes.retain(|attribute| !(attribute.key == "service.name" && is_placeholder(attribute)));
        for attribute in &self.resource.attributes {
            if own.attributes.iter().all(|known| known.key != attribute.key) {
                own.attributes.push(attribute.clone());
            }
        }
        own
    }
}

fn is_placeholder(attribute: &KeyValue) -> bool {
    let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
    matches!(value, Some(Value::StringValue(name)) if name.starts_with("unknown_service"))
}

fn plain(resource: &SdkResource) -> Resource {
    let attributes = resource.iter().map(|(key, value)| KeyValue {
        key: key.to_string(),
        value: Some(AnyValue { value: Some(Value::StringValue(value.to_string())) }),
        ..Default::default()
    });
    Resource { attributes: attributes.collect(), ..Default::default() }
}
