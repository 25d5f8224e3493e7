//! Spans of requests and calls, and the trace context that comes in and goes out with them.
//!
//! They are `tracing` spans with the target [`TARGET`] and the field names of OpenTelemetry. Who wants
//! them has a subscriber for that target: the room `telemetry`, or an embedder with a layer of
//! `tracing-opentelemetry` and a global propagator. As long as nobody does, a span is one comparison,
//! and no header is read.
//!
//! Queries are in no span: they carry tokens and names of people.

use http::{HeaderMap, Method, Request, Response, Uri};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry::{Context, global};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use tracing::field::{Empty, display};
use tracing::{Instrument, Span, debug_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::observer::TraceId;

/// The target of all spans that are meant for traces.
pub const TARGET: &str = "wash::trace";

/// A guest that sets this goes its own ways with traces; nothing is added then.
const TRACEPARENT: &str = "traceparent";
/// What belongs to it.
const TRACESTATE: &str = "tracestate";
/// The names of all headers in which context comes and goes.
pub const FIELDS: &[&str] = &[TRACEPARENT, TRACESTATE, "baggage"];

/// A request that a component is asked to answer. Its context is the parent, if it has one.
pub fn request<B>(request: &Request<B>, scheme: &'static str, component: &str, generation: u64) -> Span {
    let span = debug_span!(
        target: TARGET,
        "request",
        otel.name = known(request.method()),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = known(request.method()),
        http.response.status_code = Empty,
        url.scheme = scheme,
        url.path = request.uri().path(),
        server.address = Empty,
        server.port = Empty,
        network.protocol.version = version(request.version()),
        user_agent.original = Empty,
        error.type = Empty,
        wash.component = component,
        wash.generation = generation,
    );
    if !span.is_disabled() {
        let host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
        if let Some(authority) = request.uri().authority().cloned().or(host) {
            record_server(&span, &authority);
        }
        if let Some(agent) = request.headers().get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok()) {
            span.record("user_agent.original", agent);
        }
        continue_trace(&span, request.headers());
    }
    span
}

/// Notes how a request ended: its status, and what kept it from ending well.
pub fn answered(span: &Span, status: u16, problem: Option<&str>) {
    if span.is_disabled() {
        return;
    }
    if status > 0 {
        span.record("http.response.status_code", i64::from(status));
    }
    match problem {
        Some(problem) => record_error(span, problem),
        None if status >= 500 => record_error(span, &status.to_string()),
        None => {}
    }
}

/// Making an instance of a component.
pub fn instantiate(component: &str) -> Span {
    debug_span!(target: TARGET, "instantiate", otel.kind = "internal", wash.component = component)
}

/// The work of a guest on one call: `handle` and the like.
pub fn guest(function: &'static str, component: &str) -> Span {
    debug_span!(target: TARGET, "guest", otel.name = function, otel.kind = "internal", wash.component = component)
}

/// A call that a service makes to a component of its workload. It begins a trace: the service itself may
/// run for months, and nothing is below it.
pub fn called(component: &str, interface: &str, function: &str) -> Span {
    debug_span!(
        target: TARGET,
        parent: None,
        "call",
        otel.name = display(format_args!("{interface}#{function}")),
        otel.kind = "internal",
        otel.status_code = Empty,
        rpc.service = interface,
        rpc.method = function,
        wash.component = component,
        error.type = Empty,
    )
}

/// One run of a service, from its start to its end. What the service says belongs to it.
pub fn service(component: &str, generation: u64) -> Span {
    debug_span!(
        target: TARGET,
        parent: None,
        "service",
        otel.kind = "internal",
        otel.status_code = Empty,
        wash.component = component,
        wash.generation = generation,
        error.type = Empty,
    )
}

/// A request that a guest sends.
pub fn outgoing<B>(request: &Request<B>) -> Span {
    let span = debug_span!(
        target: TARGET,
        "outgoing",
        otel.name = known(request.method()),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = known(request.method()),
        http.response.status_code = Empty,
        url.full = Empty,
        server.address = Empty,
        server.port = Empty,
        error.type = Empty,
    );
    if !span.is_disabled() {
        span.record("url.full", display(without_query(request.uri())));
        if let Some(authority) = request.uri().authority() {
            record_server(&span, authority);
        }
    }
    span
}

/// Notes what became of a request that a guest sent.
pub fn received<B, E: std::fmt::Debug>(span: &Span, result: &Result<Response<B>, E>) {
    if span.is_disabled() {
        return;
    }
    match result {
        Ok(response) => {
            let status = response.status();
            span.record("http.response.status_code", i64::from(status.as_u16()));
            if status.is_client_error() || status.is_server_error() {
                record_error(span, status.as_str());
            }
        }
        Err(error) => {
            // The name of the case without what is in it, as a low number of values is wanted.
            let text = format!("{error:?}");
            record_error(span, text.split(['(', ' ', '{']).next().unwrap_or_default());
        }
    }
}

/// Runs a call of a capability in a span: `operation` on what is in `place`, e.g. a bucket. Keys are in no
/// span, as they may name people.
pub async fn capability<T, E>(
    interface: &'static str,
    operation: &'static str,
    place: &str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let span = debug_span!(
        target: TARGET,
        "capability",
        otel.name = display(format_args!("{interface} {operation}")),
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = interface,
        db.operation.name = operation,
        db.namespace = place,
        error.type = Empty,
    );
    watched(span, call).await
}

/// A message that is sent (`publish`, `request`) or handled (`process`).
pub fn message(operation: &'static str, kind: &'static str, subject: &str, bytes: usize) -> Span {
    debug_span!(
        target: TARGET,
        "message",
        otel.name = operation,
        otel.kind = kind,
        otel.status_code = Empty,
        messaging.system = "wasmcloud",
        messaging.operation.name = operation,
        messaging.destination.name = subject,
        messaging.message.body.size = bytes as u64,
        error.type = Empty,
    )
}

/// Runs something in a span, which is marked when it fails.
pub async fn watched<T, E>(span: Span, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    if span.is_disabled() {
        return call.await;
    }
    let result = call.instrument(span.clone()).await;
    if result.is_err() {
        record_error(&span, "_OTHER");
    }
    result
}

/// Marks a span as failed.
pub fn record_error(span: &Span, kind: &str) {
    span.record("error.type", kind);
    span.record("otel.status_code", "ERROR");
}

/// Makes the context in the headers the parent of a span that has not begun. One that is malformed
/// is none.
pub fn continue_trace(span: &Span, headers: &HeaderMap) {
    if span.is_disabled() || headers.is_empty() {
        return;
    }
    let nothing = Context::new();
    let parent = global::get_text_map_propagator(|propagator| {
        propagator.extract_with_context(&nothing, &HeaderExtractor(headers))
    });
    // Fails where spans are only logged.
    let _ = span.set_parent(parent);
}

/// Puts the context of a span into headers, unless they have one of their own.
pub fn pass_on(span: &Span, headers: &mut HeaderMap) {
    if span.is_disabled() {
        return;
    }
    let context = span.context();
    let mut fields = HeaderMap::new();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut HeaderInjector(&mut fields));
    });
    if headers.contains_key(TRACEPARENT) {
        fields.remove(TRACEPARENT);
        fields.remove(TRACESTATE);
    }
    for (name, value) in fields {
        if let Some(name) = name
            && !headers.contains_key(&name)
        {
            headers.insert(name, value);
        }
    }
}

/// Where a span stands in its trace; `None` where nobody records it.
pub fn id(span: &Span) -> Option<TraceId> {
    context(span).map(|context| id_of(&context))
}

/// The context of the call that runs on this thread now, with what is to be passed on of others;
/// `None` where nobody records it.
pub fn current() -> Option<(TraceId, Vec<(String, String)>)> {
    let context = context(&Span::current())?;
    let state = context.trace_state().header();
    let pairs = state.split(',').filter_map(|pair| pair.split_once('='));
    Some((id_of(&context), pairs.map(|(key, value)| (key.into(), value.into())).collect()))
}

fn context(span: &Span) -> Option<SpanContext> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then_some(context)
}

fn id_of(context: &SpanContext) -> TraceId {
    TraceId {
        trace: u128::from_be_bytes(context.trace_id().to_bytes()),
        span: u64::from_be_bytes(context.span_id().to_bytes()),
        sampled: context.is_sampled(),
    }
}

fn record_server(span: &Span, authority: &http::uri::Authority) {
    span.record("server.address", authority.host());
    if let Some(port) = authority.port_u16() {
        span.record("server.port", i64::from(port));
    }
}

/// Methods that a collector knows; a client may send any word.
pub fn known(method: &Method) -> &str {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "CONNECT" | "OPTIONS" | "TRACE" | "PATCH" | "QUERY") => {
            known
        }
        _ => "_OTHER",
    }
}

fn version(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_10 => "1.0",
        http::Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

fn without_query(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    // Only what comes behind a password's `@` is the server.
    let server = authority.rsplit('@').next().unwrap_or_default();
    format!("{}://{server}{}", uri.scheme_str().unwrap_or("http"), uri.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_not_in_a_span() {
        let uri: Uri = "https://user:word@example.org:8443/a/b?token=secret".parse().unwrap();
        assert_eq!(without_query(&uri), "https://example.org:8443/a/b");
    }

    #[test]
    fn without_anybody_who_wants_them_spans_are_nothing() {
        let mut headers = HeaderMap::new();
        let span = instantiate("hello");
        assert!(span.is_disabled());
        pass_on(&span, &mut headers);
        assert!(headers.is_empty() && id(&span).is_none());
    }
}
