//! Traces, metrics and logs for collectors (OpenTelemetry): set up from the standard `OTEL_…`
//! variables, off unless they ask for it.
//!
//! The rooms below know nothing of it. Spans are `tracing` spans of [`trace`]; what guests do comes
//! through [`Observer`]. Start with [`Telemetry::start`].

mod collector;
mod console;
mod relay;
mod variables;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{ExporterBuildError, Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{self, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{self as spans, BatchSpanProcessor, SdkTracerProvider};
use tokio::runtime::{Handle, Runtime};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Layer, Registry};

use crate::error::{Error, Result};
use crate::runtime::observer::Observer;
use crate::runtime::trace;
use collector::{Collector, Complaints};
use relay::Relay;
use variables::{Exporter, Otlp, Plan, Propagator, Sampler};
use watch::Watch;

/// How long the end waits for the last deliveries.
const FLUSH: Duration = Duration::from_secs(5);
/// The target of what this room logs; it is not sent to the collector that it may be about.
const OWN_LOGS: &str = "wash::telemetry";
/// The name of all that is recorded by us.
const SCOPE: &str = "wash";

/// A layer for the subscriber of the process.
pub type BoxLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// What is recorded in this process; `None` in it: nothing.
pub struct Telemetry(Option<Active>);

struct Active {
    spans: Option<SdkTracerProvider>,
    logs: Option<SdkLoggerProvider>,
    metrics: Option<SdkMeterProvider>,
    relay: Relay,
    runtime: Runtime,
}

impl Telemetry {
    /// Records nothing.
    pub fn off() -> Self {
        Telemetry(None)
    }

    /// Does what the `OTEL_…` variables of this environment say. Collectors are connected to when there
    /// is something to send.
    ///
    /// Fails when a variable asks for what cannot be done, or a certificate cannot be read.
    pub fn start(env: &BTreeMap<String, String>) -> Result<Self> {
        let Some(plan) = variables::plan(env)? else { return Ok(Telemetry::off()) };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("wash-telemetry")
            .enable_all()
            .build()
            .map_err(|error| Error::caused_by("cannot start the asynchronous runtime", &error))?;
        let complaints = Arc::new(Complaints::default());
        let resource = resource(&plan);
        let around = Around { plan: &plan, resource: &resource, runtime: runtime.handle(), complaints: &complaints };
        global::set_text_map_propagator(propagator(&plan));
        Ok(Telemetry(Some(Active {
            spans: around.spans()?,
            logs: around.logs()?,
            metrics: around.metrics()?,
            relay: around.relay()?,
            runtime,
        })))
    }

    /// What the subscriber of the process needs, so that spans and logs are recorded.
    pub fn layers(&self) -> Vec<BoxLayer> {
        let Some(active) = &self.0 else { return Vec::new() };
        let spans = active.spans.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer(SCOPE))
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false)
                .with_filter(Targets::new().with_target(trace::TARGET, LevelFilter::DEBUG))
                .boxed()
        });
        let logs = active.logs.as_ref().map(|provider| {
            let own = Targets::new()
                .with_target("wash", LevelFilter::INFO)
                .with_target(OWN_LOGS, LevelFilter::OFF)
                .with_target(trace::TARGET, LevelFilter::OFF);
            OpenTelemetryTracingBridge::new(provider).with_filter(own).boxed()
        });
        spans.into_iter().chain(logs).collect()
    }

    /// Who is to see what guests do; nobody when nothing is recorded.
    pub fn observer(&self) -> Option<Arc<dyn Observer>> {
        let active = self.0.as_ref()?;
        Some(Arc::new(Watch::new(active.logs.as_ref(), active.metrics.as_ref(), active.relay.clone())))
    }

    /// Sends what has not been sent, within a bound. Nothing is recorded after it.
    pub fn end(self) {
        let Some(Active { spans, logs, metrics, relay, runtime }) = self.0 else { return };
        let (done, ended) = mpsc::channel();
        let mut waiting = 0;
        let mut begin = |last: Box<dyn FnOnce() + Send>| {
            let done = done.clone();
            // Beside each other: a slow collector must not take the time of the others.
            let thread = thread::Builder::new().name("wash-telemetry-end".into()).spawn(move || {
                last();
                let _ = done.send(());
            });
            waiting += usize::from(thread.is_ok());
        };
        begin(Box::new(move || relay.end(FLUSH)));
        begin(Box::new(move || drop(spans.map(|spans| spans.shutdown_with_timeout(FLUSH)))));
        begin(Box::new(move || drop(logs.map(|logs| logs.shutdown_with_timeout(FLUSH)))));
        begin(Box::new(move || drop(metrics.map(|metrics| metrics.shutdown_with_timeout(FLUSH)))));
        let deadline = Instant::now() + FLUSH;
        while waiting > 0 && ended.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok() {
            waiting -= 1;
        }
        runtime.shutdown_background();
    }
}

/// What every provider is made of.
struct Around<'a> {
    plan: &'a Plan,
    resource: &'a Resource,
    runtime: &'a Handle,
    complaints: &'a Arc<Complaints>,
}

impl Around<'_> {
    fn collector(&self, signal: &'static str, otlp: &Otlp) -> Result<Arc<Collector>> {
        Collector::new(signal, otlp, self.runtime, self.complaints).map(Arc::new)
    }

    fn spans(&self) -> Result<Option<SdkTracerProvider>> {
        let Plan { spans, sampler, .. } = self.plan;
        let config = spans::BatchConfigBuilder::default()
            .with_max_queue_size(spans.queue)
            .with_max_export_batch_size(spans.most)
            .with_scheduled_delay(spans.delay)
            .build();
        let processor = match &self.plan.traces {
            Exporter::None => return Ok(None),
            Exporter::Console => BatchSpanProcessor::new(console::Console, config),
            Exporter::Otlp(otlp) => {
                let builder = opentelemetry_otlp::SpanExporter::builder().with_http();
                let exporter = configured(builder, otlp, self.collector("traces", otlp)?).build().map_err(unusable)?;
                BatchSpanProcessor::new(exporter, config)
            }
        };
        let sampler = match *sampler {
            Sampler::Always => spans::Sampler::AlwaysOn,
            Sampler::Never => spans::Sampler::AlwaysOff,
            Sampler::Ratio(ratio) => spans::Sampler::TraceIdRatioBased(ratio),
            Sampler::Parent(ratio) => {
                let root = match ratio {
                    1.0 => spans::Sampler::AlwaysOn,
                    ratio => spans::Sampler::TraceIdRatioBased(ratio),
                };
                spans::Sampler::ParentBased(Box::new(root))
            }
        };
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(sampler)
            .with_resource(self.resource.clone())
            .build();
        Ok(Some(provider))
    }

    fn logs(&self) -> Result<Option<SdkLoggerProvider>> {
        let Exporter::Otlp(otlp) = &self.plan.logs else { return Ok(None) };
        let builder = opentelemetry_otlp::LogExporter::builder().with_http();
        let exporter = configured(builder, otlp, self.collector("logs", otlp)?).build().map_err(unusable)?;
        let batch = self.plan.records;
        let config = logs::BatchConfigBuilder::default()
            .with_max_queue_size(batch.queue)
            .with_max_export_batch_size(batch.most)
            .with_scheduled_delay(batch.delay)
            .build();
        let processor = BatchLogProcessor::builder(exporter).with_batch_config(config).build();
        let provider =
            SdkLoggerProvider::builder().with_log_processor(processor).with_resource(self.resource.clone()).build();
        Ok(Some(provider))
    }

    fn metrics(&self) -> Result<Option<SdkMeterProvider>> {
        let Exporter::Otlp(otlp) = &self.plan.metrics else { return Ok(None) };
        let builder = opentelemetry_otlp::MetricExporter::builder().with_http();
        let exporter = configured(builder, otlp, self.collector("metrics", otlp)?)
            .with_temporality(self.plan.temporality)
            .build()
            .map_err(unusable)?;
        let reader = PeriodicReader::builder(exporter).with_interval(self.plan.interval).build();
        Ok(Some(SdkMeterProvider::builder().with_reader(reader).with_resource(self.resource.clone()).build()))
    }

    fn relay(&self) -> Result<Relay> {
        let way = |signal, exporter: &Exporter| -> Result<Option<relay::Way>> {
            let Exporter::Otlp(otlp) = exporter else { return Ok(None) };
            Ok(Some(relay::Way::new(otlp.endpoint.as_str(), otlp.json, self.collector(signal, otlp)?)))
        };
        let ways = relay::Ways {
            spans: way("traces of components", &self.plan.traces)?,
            logs: way("logs of components", &self.plan.logs)?,
            metrics: way("metrics of components", &self.plan.metrics)?,
        };
        Ok(Relay::start(ways, self.resource, self.plan.spans, self.runtime))
    }
}

/// Says to an exporter what the variables said to us. It reads them, too; what is given goes before.
fn configured<B: WithExportConfig + WithHttpConfig>(builder: B, otlp: &Otlp, collector: Arc<Collector>) -> B {
    builder
        .with_endpoint(otlp.endpoint.as_str())
        .with_protocol(if otlp.json { Protocol::HttpJson } else { Protocol::HttpBinary })
        .with_timeout(otlp.timeout)
        .with_http_client(SharedCollector(collector))
}

/// The exporters take a client and not the handle of one.
#[derive(Debug)]
struct SharedCollector(Arc<Collector>);

#[wasmtime_wasi::async_trait]
impl HttpClient for SharedCollector {
    async fn send_bytes(
        &self,
        request: http::Request<bytes::Bytes>,
    ) -> Result<http::Response<bytes::Bytes>, opentelemetry_http::HttpError> {
        self.0.send_bytes(request).await
    }
}

fn unusable(error: ExporterBuildError) -> Error {
    Error::caused_by("telemetry cannot be exported", &error).hint("OTEL_SDK_DISABLED=true turns it off")
}

fn resource(plan: &Plan) -> Resource {
    let attributes = plan.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder_empty().with_detector(Box::new(TelemetryResourceDetector)).with_attributes(attributes).build()
}

fn propagator(plan: &Plan) -> TextMapCompositePropagator {
    let of = |kind: &Propagator| -> Box<dyn TextMapPropagator + Send + Sync> {
        match kind {
            Propagator::TraceContext => Box::new(TraceContextPropagator::new()),
            Propagator::Baggage => Box::new(BaggagePropagator::new()),
        }
    };
    TextMapCompositePropagator::new(plan.propagators.iter().map(of).collect())
}
