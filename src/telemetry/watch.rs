//! Sees what guests do, and records it as logs and metrics.

use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::metrics::{Histogram, MeterProvider, UpDownCounter};
use opentelemetry::trace::{SpanId, TraceFlags, TraceId};
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;

use super::SCOPE;
use super::relay::Relay;
use crate::runtime::fault;
use crate::runtime::observer::{
    CallId, Fault, GuestSignal, GuestSignalKind, InstanceChange, Level, NetworkNotice, Observer, Output, RequestRecord,
    Stream,
};

/// The limits of the buckets for durations, in seconds, that the semantic conventions advise.
const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Records what guests do.
pub struct Watch {
    logger: Option<SdkLogger>,
    meters: Option<Meters>,
    relay: Relay,
}

struct Meters {
    duration: Histogram<f64>,
    active: UpDownCounter<i64>,
    instances: UpDownCounter<i64>,
}

impl Watch {
    /// Records with those that are there.
    pub fn new(logs: Option<&SdkLoggerProvider>, metrics: Option<&SdkMeterProvider>, relay: Relay) -> Self {
        let meters = metrics.map(|provider| {
            let meter = provider.meter(SCOPE);
            Meters {
                duration: meter
                    .f64_histogram("http.server.request.duration")
                    .with_unit("s")
                    .with_description("Duration of HTTP server requests.")
                    .with_boundaries(SECONDS.to_vec())
                    .build(),
                active: meter
                    .i64_up_down_counter("http.server.active_requests")
                    .with_unit("{request}")
                    .with_description("Number of active HTTP server requests.")
                    .build(),
                instances: meter
                    .i64_up_down_counter("wash.instances")
                    .with_unit("{instance}")
                    .with_description("Number of instances of components.")
                    .build(),
            }
        });
        Watch { logger: logs.map(|provider| provider.logger(SCOPE)), meters, relay }
    }

    fn log(&self, severity: Option<Severity>, call: CallId, body: String, attributes: Vec<(&'static str, AnyValue)>) {
        let Some(logger) = &self.logger else { return };
        let mut record = logger.create_log_record();
        let now = SystemTime::now();
        record.set_timestamp(now);
        record.set_observed_timestamp(now);
        if let Some(severity) = severity {
            record.set_severity_number(severity);
            record.set_severity_text(severity.name());
        }
        record.set_body(body.into());
        if call.number > 0 {
            record.add_attribute("wash.call_id", i64::try_from(call.number).unwrap_or(i64::MAX));
        }
        if let Some(trace) = call.trace {
            let flags = if trace.sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
            record.set_trace_context(TraceId::from(trace.trace), SpanId::from(trace.span), Some(flags));
        }
        record.add_attributes(attributes);
        logger.emit(record);
    }
}

fn attributes(method: &http::Method, scheme: &'static str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("http.request.method", crate::runtime::trace::known(method).to_string()),
        KeyValue::new("url.scheme", scheme),
    ]
}

impl Observer for Watch {
    fn began(&self, method: &http::Method, scheme: &'static str) {
        if let Some(meters) = &self.meters {
            meters.active.add(1, &attributes(method, scheme));
        }
    }

    fn request(&self, request: RequestRecord) {
        let Some(meters) = &self.meters else { return };
        let mut attributes = attributes(&request.method, request.scheme);
        meters.active.add(-1, &attributes);
        if request.status > 0 {
            attributes.push(KeyValue::new("http.response.status_code", i64::from(request.status)));
        }
        let problem = match &request {
            request if request.client_left => Some("client_left".to_string()),
            request if request.cut => Some("cut".to_string()),
            request if request.status >= 500 => Some(request.status.to_string()),
            _ => None,
        };
        attributes.extend(problem.map(|problem| KeyValue::new("error.type", problem)));
        meters.duration.record(request.time.as_secs_f64(), &attributes);
    }

    fn output(&self, output: Output) {
        let (severity, stream) = match output.stream {
            Stream::Stdout => (None, Some("stdout")),
            Stream::Stderr => (None, Some("stderr")),
            Stream::Log(level) => (Some(severity(level)), None),
        };
        let mut attributes: Vec<(&'static str, AnyValue)> =
            vec![("wash.component", output.component.to_string().into())];
        if let Some(stream) = stream {
            attributes.push(("log.iostream", stream.into()));
        }
        if !output.context.is_empty() {
            attributes.push(("wasi.logging.context", output.context.into()));
        }
        self.log(severity, output.call, output.line, attributes);
    }

    fn fault(&self, fault: Arc<Fault>) {
        let attributes = vec![
            ("wash.component", AnyValue::from(fault.component.to_string())),
            ("exception.message", fault.reason.clone().into()),
            ("exception.stacktrace", fault::render(&fault).into()),
        ];
        let body = format!("{} failed: {}", fault.what.split('?').next().unwrap_or_default(), fault.reason);
        self.log(Some(Severity::Error), fault.call, body, attributes);
    }

    fn network(&self, notice: NetworkNotice) {
        let attributes = vec![("wash.component", AnyValue::from(notice.component.to_string()))];
        self.log(Some(Severity::Warn), CallId::default(), notice.reason, attributes);
    }

    fn instance(&self, change: InstanceChange) {
        if let Some(meters) = &self.meters {
            let change = match change {
                InstanceChange::Made => 1,
                InstanceChange::Ended => -1,
            };
            meters.instances.add(change, &[]);
        }
    }

    fn wants(&self, kind: GuestSignalKind) -> bool {
        self.relay.takes(kind)
    }

    fn signal(&self, signal: GuestSignal) {
        self.relay.take(signal);
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Trace => Severity::Trace,
        Level::Debug => Severity::Debug,
        Level::Info => Severity::Info,
        Level::Warn => Severity::Warn,
        Level::Error => Severity::Error,
        Level::Critical => Severity::Fatal,
    }
}
