//! An HTTP component that records what it does through `wasi:otel`: `tests/guests/README.md` has what it records.

mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "recorder",
        generate_all,
    });
}

use bindings::wasi::clocks::wall_clock::Datetime;
use bindings::wasi::otel::types::{InstrumentationScope, KeyValue, Resource};
use bindings::wasi::otel::{logs, metrics, tracing};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

const SPAN: &str = "00f067aa0ba902b7";

struct Recorder;

impl Guest for Recorder {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        let outer = tracing::outer_span_context();
        let context = tracing::SpanContext { span_id: SPAN.into(), is_remote: false, ..outer.clone() };
        tracing::on_start(&context);
        log(&context);
        let taken = metrics::export(&numbers());
        tracing::on_end(&span(&context, &outer));
        let state: Vec<_> = outer.trace_state.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let answer = format!("{} {} {} {taken:?}", outer.trace_id, outer.span_id, state.join(","));
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("a body");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("a stream");
        stream.blocking_write_and_flush(answer.as_bytes()).expect("it is taken");
        drop(stream);
        OutgoingBody::finish(body, None).expect("it ends");
    }
}

fn span(context: &tracing::SpanContext, outer: &tracing::SpanContext) -> tracing::SpanData {
    tracing::SpanData {
        span_context: context.clone(),
        parent_span_id: outer.span_id.clone(),
        span_kind: tracing::SpanKind::Internal,
        name: "guest work".into(),
        start_time: at(1),
        end_time: at(2),
        attributes: vec![pair("step", "3"), pair("kind", "\"quoted\"")],
        events: vec![tracing::Event { name: "half done".into(), time: at(1), attributes: vec![] }],
        links: vec![],
        status: tracing::Status::Error("on purpose".into()),
        instrumentation_scope: scope(),
        dropped_attributes: 1,
        dropped_events: 2,
        dropped_links: 3,
    }
}

fn log(context: &tracing::SpanContext) {
    logs::on_emit(&logs::LogRecord {
        timestamp: Some(at(1)),
        observed_timestamp: None,
        severity_text: Some("WARN".into()),
        severity_number: Some(13),
        body: Some("\"from the guest\"".into()),
        attributes: Some(vec![pair("answer", "42")]),
        event_name: Some("odd".into()),
        resource: Some(resource()),
        instrumentation_scope: Some(scope()),
        trace_id: Some(context.trace_id.clone()),
        span_id: Some(context.span_id.clone()),
        trace_flags: Some(context.trace_flags),
    });
}

fn numbers() -> metrics::ResourceMetrics {
    let sum = metrics::Sum {
        data_points: vec![metrics::SumDataPoint {
            attributes: vec![pair("shelf", "\"a\"")],
            value: metrics::MetricNumber::U64(9_007_199_254_740_993),
            exemplars: vec![],
        }],
        start_time: at(1),
        time: at(2),
        temporality: metrics::Temporality::Cumulative,
        is_monotonic: true,
    };
    let histogram = metrics::Histogram {
        data_points: vec![metrics::HistogramDataPoint {
            attributes: vec![],
            count: 3,
            bounds: vec![1.0, 2.0],
            bucket_counts: vec![1, 0, 2],
            min: Some(metrics::MetricNumber::F64(0.5)),
            max: None,
            sum: metrics::MetricNumber::F64(7.5),
            exemplars: vec![],
        }],
        start_time: at(1),
        time: at(2),
        temporality: metrics::Temporality::Delta,
    };
    let metric =
        |name: &str, data| metrics::Metric { name: name.into(), description: String::new(), unit: "1".into(), data };
    metrics::ResourceMetrics {
        resource: resource(),
        scope_metrics: vec![metrics::ScopeMetrics {
            scope: scope(),
            metrics: vec![
                metric("guest.sum", metrics::MetricData::U64Sum(sum)),
                metric("guest.sizes", metrics::MetricData::F64Histogram(histogram)),
            ],
        }],
    }
}

fn at(second: u64) -> Datetime {
    Datetime { seconds: 1_700_000_000 + second, nanoseconds: 7 }
}

fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.into(), value: value.into() }
}

fn resource() -> Resource {
    Resource { attributes: vec![pair("service.name", "\"unknown_service\""), pair("own", "true")], schema_url: None }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope { name: "recorder".into(), version: Some("1.0".into()), schema_url: None, attributes: vec![] }
}

wasip2::http::proxy::export!(Recorder with_types_in wasip2);
