//! The records of `wasi:otel` as the messages of OTLP. Nothing is left out, and numbers stay what they are.

use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1 as out;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{exemplar, metric::Data, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span, Status};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;

use crate::plugins::bindings::wasi::otel::{logs, metrics, tracing, types};

/// By which name a collector knows the component.
const COMPONENT: &str = "wash.component";
/// Deeper values are kept as the text that they came as.
const DEEPEST_VALUE: usize = 8;

/// A span; `None` when its identifiers are none.
pub fn span(span: tracing::SpanData, component: &str) -> Option<ScopeSpans> {
    let (kind, status) = (kind(span.span_kind), status(span.status));
    let mut attributes = attributes(span.attributes);
    attributes.push(of_component(component));
    let flags = u32::from(span.span_context.trace_flags.contains(tracing::TraceFlags::SAMPLED));
    let converted = Span {
        trace_id: id::<16>(&span.span_context.trace_id)?,
        span_id: id::<8>(&span.span_context.span_id)?,
        trace_state: trace_state(&span.span_context.trace_state),
        // A span that begins a trace has none.
        parent_span_id: id::<8>(&span.parent_span_id).unwrap_or_default(),
        flags,
        name: span.name,
        kind: kind as i32,
        start_time_unix_nano: nanoseconds(span.start_time),
        end_time_unix_nano: nanoseconds(span.end_time),
        attributes,
        dropped_attributes_count: span.dropped_attributes,
        events: span
            .events
            .into_iter()
            .map(|event| Event {
                time_unix_nano: nanoseconds(event.time),
                name: event.name,
                attributes: self::attributes(event.attributes),
                ..Event::default()
            })
            .collect(),
        dropped_events_count: span.dropped_events,
        links: span
            .links
            .into_iter()
            .filter_map(|link| {
                Some(Link {
                    trace_id: id::<16>(&link.span_context.trace_id)?,
                    span_id: id::<8>(&link.span_context.span_id)?,
                    trace_state: trace_state(&link.span_context.trace_state),
                    attributes: self::attributes(link.attributes),
                    ..Link::default()
                })
            })
            .collect(),
        dropped_links_count: span.dropped_links,
        status,
    };
    let schema_url = span.instrumentation_scope.schema_url.clone().unwrap_or_default();
    Some(ScopeSpans { scope: Some(scope(span.instrumentation_scope)), spans: vec![converted], schema_url })
}

/// A log record, with what the guest says of itself.
pub fn record(record: logs::LogRecord, component: &str) -> (Option<Resource>, ScopeLogs) {
    let mut attributes = attributes(record.attributes.unwrap_or_default());
    attributes.push(of_component(component));
    let sampled = record.trace_flags.is_some_and(|flags| flags.contains(tracing::TraceFlags::SAMPLED));
    let converted = LogRecord {
        time_unix_nano: record.timestamp.map(nanoseconds).unwrap_or_default(),
        observed_time_unix_nano: record.observed_timestamp.or(record.timestamp).map(nanoseconds).unwrap_or_default(),
        // 1 to 24; anything else is none.
        severity_number: record.severity_number.filter(|number| (1..=24).contains(number)).map_or(0, i32::from),
        severity_text: record.severity_text.unwrap_or_default(),
        body: record.body.map(|body| value(&body)),
        attributes,
        flags: u32::from(sampled),
        trace_id: record.trace_id.and_then(|text| id::<16>(&text)).unwrap_or_default(),
        span_id: record.span_id.and_then(|text| id::<8>(&text)).unwrap_or_default(),
        event_name: record.event_name.unwrap_or_default(),
        ..LogRecord::default()
    };
    let scope = record.instrumentation_scope.map(scope);
    let logs = ScopeLogs { scope, log_records: vec![converted], ..ScopeLogs::default() };
    (record.resource.map(resource), logs)
}

/// Metrics, with what the guest says of itself.
pub fn metrics(all: metrics::ResourceMetrics, component: &str) -> out::ResourceMetrics {
    let schema_url = all.resource.schema_url.clone().unwrap_or_default();
    let mut resource = resource(all.resource);
    resource.attributes.push(of_component(component));
    let scope_metrics = all.scope_metrics.into_iter().map(|of| out::ScopeMetrics {
        schema_url: of.scope.schema_url.clone().unwrap_or_default(),
        scope: Some(scope(of.scope)),
        metrics: of.metrics.into_iter().map(metric).collect(),
    });
    out::ResourceMetrics { scope_metrics: scope_metrics.collect(), resource: Some(resource), schema_url }
}

fn metric(metric: metrics::Metric) -> out::Metric {
    use metrics::MetricData as In;
    let data = match metric.data {
        In::F64Gauge(data) | In::U64Gauge(data) | In::S64Gauge(data) => {
            let (start, time) = (data.start_time.map(nanoseconds).unwrap_or_default(), nanoseconds(data.time));
            let point = |point: metrics::GaugeDataPoint| out::NumberDataPoint {
                attributes: attributes(point.attributes),
                start_time_unix_nano: start,
                time_unix_nano: time,
                exemplars: exemplars(point.exemplars),
                flags: 0,
                value: Some(number(point.value)),
            };
            Data::Gauge(out::Gauge { data_points: data.data_points.into_iter().map(point).collect() })
        }
        In::F64Sum(data) | In::U64Sum(data) | In::S64Sum(data) => {
            let (start, time) = (nanoseconds(data.start_time), nanoseconds(data.time));
            let point = |point: metrics::SumDataPoint| out::NumberDataPoint {
                attributes: attributes(point.attributes),
                start_time_unix_nano: start,
                time_unix_nano: time,
                exemplars: exemplars(point.exemplars),
                flags: 0,
                value: Some(number(point.value)),
            };
            Data::Sum(out::Sum {
                aggregation_temporality: temporality(data.temporality),
                is_monotonic: data.is_monotonic,
                data_points: data.data_points.into_iter().map(point).collect(),
            })
        }
        In::F64Histogram(data) | In::U64Histogram(data) | In::S64Histogram(data) => {
            let (start, time) = (nanoseconds(data.start_time), nanoseconds(data.time));
            let point = |point: metrics::HistogramDataPoint| out::HistogramDataPoint {
                attributes: attributes(point.attributes),
                start_time_unix_nano: start,
                time_unix_nano: time,
                count: point.count,
                sum: Some(float(point.sum)),
                bucket_counts: point.bucket_counts,
                explicit_bounds: point.bounds,
                exemplars: exemplars(point.exemplars),
                flags: 0,
                min: point.min.map(float),
                max: point.max.map(float),
            };
            Data::Histogram(out::Histogram {
                aggregation_temporality: temporality(data.temporality),
                data_points: data.data_points.into_iter().map(point).collect(),
            })
        }
        In::F64ExponentialHistogram(data) | In::U64ExponentialHistogram(data) | In::S64ExponentialHistogram(data) => {
            let (start, time) = (nanoseconds(data.start_time), nanoseconds(data.time));
            let buckets = |bucket: metrics::ExponentialBucket| {
                Some(Buckets { offset: bucket.offset, bucket_counts: bucket.counts })
            };
            let point = |point: metrics::ExponentialHistogramDataPoint| out::ExponentialHistogramDataPoint {
                attributes: attributes(point.attributes),
                start_time_unix_nano: start,
                time_unix_nano: time,
                count: point.count,
                sum: Some(float(point.sum)),
                scale: point.scale.into(),
                zero_count: point.zero_count,
                positive: buckets(point.positive_bucket),
                negative: buckets(point.negative_bucket),
                flags: 0,
                exemplars: exemplars(point.exemplars),
                min: point.min.map(float),
                max: point.max.map(float),
                zero_threshold: point.zero_threshold,
            };
            Data::ExponentialHistogram(out::ExponentialHistogram {
                aggregation_temporality: temporality(data.temporality),
                data_points: data.data_points.into_iter().map(point).collect(),
            })
        }
    };
    out::Metric {
        name: metric.name,
        description: metric.description,
        unit: metric.unit,
        data: Some(data),
        ..out::Metric::default()
    }
}

fn exemplars(exemplars: Vec<metrics::Exemplar>) -> Vec<out::Exemplar> {
    let convert = |exemplar: metrics::Exemplar| out::Exemplar {
        filtered_attributes: attributes(exemplar.filtered_attributes),
        time_unix_nano: nanoseconds(exemplar.time),
        span_id: id::<8>(&exemplar.span_id).unwrap_or_default(),
        trace_id: id::<16>(&exemplar.trace_id).unwrap_or_default(),
        value: Some(match number(exemplar.value) {
            number_data_point::Value::AsInt(number) => exemplar::Value::AsInt(number),
            number_data_point::Value::AsDouble(number) => exemplar::Value::AsDouble(number),
        }),
    };
    exemplars.into_iter().map(convert).collect()
}

/// OTLP has no unsigned numbers; what is too great for a signed one is a floating point number.
fn number(number: metrics::MetricNumber) -> number_data_point::Value {
    match number {
        metrics::MetricNumber::F64(number) => number_data_point::Value::AsDouble(number),
        metrics::MetricNumber::S64(number) => number_data_point::Value::AsInt(number),
        metrics::MetricNumber::U64(number) => match i64::try_from(number) {
            Ok(number) => number_data_point::Value::AsInt(number),
            Err(_) => number_data_point::Value::AsDouble(number as f64),
        },
    }
}

fn float(number: metrics::MetricNumber) -> f64 {
    match number {
        metrics::MetricNumber::F64(number) => number,
        metrics::MetricNumber::S64(number) => number as f64,
        metrics::MetricNumber::U64(number) => number as f64,
    }
}

/// What is for little memory is cumulative as far as a collector is concerned.
fn temporality(temporality: metrics::Temporality) -> i32 {
    (match temporality {
        metrics::Temporality::Delta => out::AggregationTemporality::Delta,
        metrics::Temporality::Cumulative | metrics::Temporality::LowMemory => out::AggregationTemporality::Cumulative,
    }) as i32
}

fn kind(kind: tracing::SpanKind) -> SpanKind {
    match kind {
        tracing::SpanKind::Client => SpanKind::Client,
        tracing::SpanKind::Server => SpanKind::Server,
        tracing::SpanKind::Producer => SpanKind::Producer,
        tracing::SpanKind::Consumer => SpanKind::Consumer,
        tracing::SpanKind::Internal => SpanKind::Internal,
    }
}

fn status(status: tracing::Status) -> Option<Status> {
    let (code, message) = match status {
        tracing::Status::Unset => return None,
        tracing::Status::Ok => (StatusCode::Ok, String::new()),
        tracing::Status::Error(message) => (StatusCode::Error, message),
    };
    Some(Status { code: code as i32, message })
}

fn scope(scope: types::InstrumentationScope) -> InstrumentationScope {
    InstrumentationScope {
        name: scope.name,
        version: scope.version.unwrap_or_default(),
        attributes: attributes(scope.attributes),
        ..InstrumentationScope::default()
    }
}

fn resource(resource: types::Resource) -> Resource {
    Resource { attributes: attributes(resource.attributes), ..Resource::default() }
}

fn attributes(attributes: Vec<types::KeyValue>) -> Vec<KeyValue> {
    attributes.into_iter().map(|attribute| key_value(attribute.key, value(&attribute.value))).collect()
}

fn of_component(component: &str) -> KeyValue {
    key_value(COMPONENT.into(), AnyValue { value: Some(Value::StringValue(component.into())) })
}

fn key_value(key: String, value: AnyValue) -> KeyValue {
    KeyValue { key, value: Some(value), ..KeyValue::default() }
}

/// Values come as JSON. What is none is text as it is.
fn value(text: &str) -> AnyValue {
    let plain = || AnyValue { value: Some(Value::StringValue(text.into())) };
    serde_json::from_str(text).ok().and_then(|json| of_json(json, DEEPEST_VALUE)).unwrap_or_else(plain)
}

fn of_json(json: serde_json::Value, depth: usize) -> Option<AnyValue> {
    use serde_json::Value as Json;
    let depth = depth.checked_sub(1)?;
    let value = match json {
        Json::Null => return Some(AnyValue::default()),
        Json::Bool(flag) => Value::BoolValue(flag),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::IntValue(number),
            None => Value::DoubleValue(number.as_f64()?),
        },
        Json::String(text) => Value::StringValue(text),
        Json::Array(values) => Value::ArrayValue(ArrayValue {
            values: values.into_iter().map(|value| of_json(value, depth)).collect::<Option<_>>()?,
        }),
        Json::Object(map) => Value::KvlistValue(KeyValueList {
            values: map
                .into_iter()
                .map(|(key, value)| Some(key_value(key, of_json(value, depth)?)))
                .collect::<Option<_>>()?,
        }),
    };
    Some(AnyValue { value: Some(value) })
}

/// An identifier of so many bytes in hexadecimal digits; one of zeros is none.
fn id<const BYTES: usize>(text: &str) -> Option<Vec<u8>> {
    if text.len() != 2 * BYTES || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok();
    let bytes: Vec<u8> = (0..BYTES).map(byte).collect::<Option<_>>()?;
    bytes.iter().any(|byte| *byte != 0).then_some(bytes)
}

fn trace_state(state: &[(String, String)]) -> String {
    state.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

fn nanoseconds(time: Datetime) -> u64 {
    time.seconds.saturating_mul(1_000_000_000).saturating_add(time.nanoseconds.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_hexadecimal_digits_and_not_zero() {
        assert_eq!(id::<8>("00f067aa0ba902b7").unwrap()[..3], [0, 0xf0, 0x67]);
        for wrong in
            ["", "00f067aa0ba902b", "0000000000000000", "00f067aa0ba902bx", "ä0f067aa0ba902b", "+1f067aa0ba902b7"]
        {
            assert_eq!(id::<8>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn values_are_json_and_what_is_none_is_text() {
        let shown = |text| value(text).value.unwrap();
        assert_eq!(shown("\"a\""), Value::StringValue("a".into()));
        assert_eq!(shown("12"), Value::IntValue(12));
        assert_eq!(shown("1.5"), Value::DoubleValue(1.5));
        assert_eq!(shown("true"), Value::BoolValue(true));
        assert_eq!(shown("GET /"), Value::StringValue("GET /".into()));
        assert!(matches!(shown("[1,\"b\"]"), Value::ArrayValue(array) if array.values.len() == 2));
        let deep = "[".repeat(20) + &"]".repeat(20);
        assert_eq!(shown(&deep), Value::StringValue(deep.clone()));
    }

    #[test]
    fn numbers_stay_what_they_are() {
        assert_eq!(number(metrics::MetricNumber::U64(7)), number_data_point::Value::AsInt(7));
        assert_eq!(number(metrics::MetricNumber::S64(-7)), number_data_point::Value::AsInt(-7));
        assert_eq!(number(metrics::MetricNumber::U64(u64::MAX)), number_data_point::Value::AsDouble(u64::MAX as f64));
    }
}
