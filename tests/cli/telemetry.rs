//! What `wash dev` tells a collector (OpenTelemetry).

use std::process::Command;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::support::collector::{Collector, attribute, hex};
use crate::support::upstream::{Upstream, cert_path};
use crate::support::{Dev, Sandbox, Server, guests, run};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn project(component: &[u8], settings: &str) -> (Sandbox, Command) {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", component, settings);
    let mut command = sandbox.wash(["dev", "-o", "json", "--port", "0"]);
    command.current_dir(root);
    (sandbox, command)
}

/// The probe, whose host sends what it records soon.
fn observed(settings: &str, variables: &[(&str, &str)]) -> (Sandbox, Collector, Dev) {
    observed_guest(&guests::probe(), settings, variables)
}

fn observed_guest(component: &[u8], settings: &str, variables: &[(&str, &str)]) -> (Sandbox, Collector, Dev) {
    let collector = Collector::start();
    let (sandbox, mut command) = project(component, settings);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .env("OTEL_BSP_SCHEDULE_DELAY", "20")
        .env("OTEL_BLRP_SCHEDULE_DELAY", "20")
        .env("OTEL_METRIC_EXPORT_INTERVAL", "50")
        .envs(variables.iter().copied());
    let mut dev = Dev::start(command);
    dev.ready();
    (sandbox, collector, dev)
}

fn is(span: &Span, kind: SpanKind) -> bool {
    span.kind == kind as i32
}

fn begins_a_trace(span: &Span) -> bool {
    span.parent_span_id.iter().all(|byte| *byte == 0)
}

/// The span of a request to this path.
fn request_to(collector: &Collector, path: &str) -> Span {
    let wanted = |span: &Span| is(span, SpanKind::Server) && attribute(&span.attributes, "url.path") == path;
    collector.span(&format!("the request to {path}"), wanted).data
}

fn child(collector: &Collector, parent: &Span, name: &str) -> Span {
    let wanted = |span: &Span| span.parent_span_id == parent.span_id && span.name == name;
    collector.span(&format!("{name} below {}", parent.name), wanted).data
}

#[test]
fn a_request_is_a_span_below_its_callers_with_the_call_of_the_guest_in_it() {
    let (_sandbox, collector, dev) = observed("", &[("OTEL_SERVICE_NAME", "shop")]);
    let headers = [("traceparent", PARENT), ("user-agent", "tester/1")];
    dev.request("GET", "/status?code=503&token=secret", None, &headers);
    let span = request_to(&collector, "/status");
    assert_eq!((hex(&span.trace_id).as_str(), hex(&span.parent_span_id).as_str()), (TRACE, "b7ad6b7169203331"));
    assert_eq!(span.name, "GET");
    let value = |key| attribute(&span.attributes, key);
    assert_eq!(value("http.request.method"), "GET");
    assert_eq!(value("http.response.status_code"), "503");
    assert_eq!(value("error.type"), "503");
    assert_eq!(value("url.scheme"), "http");
    assert_eq!(value("server.address"), "127.0.0.1");
    assert_eq!(format!("http://127.0.0.1:{}", value("server.port")), dev.url);
    assert_eq!(value("network.protocol.version"), "1.1");
    assert_eq!(value("user_agent.original"), "tester/1");
    assert_eq!((value("wash.component").as_str(), value("wash.generation").as_str()), ("probe", "1"));
    assert_eq!(span.status.as_ref().map(|status| status.code), Some(2));
    for name in ["instantiate", "handle"] {
        let child = child(&collector, &span, name);
        assert_eq!(child.trace_id, span.trace_id);
        assert!(child.start_time_unix_nano >= span.start_time_unix_nano);
        assert!(child.end_time_unix_nano <= span.end_time_unix_nano, "{name} ends within the request");
    }
    let all = collector.received();
    let recorded = all.spans.iter().find(|span| span.name == "GET").unwrap();
    assert_eq!(attribute(&recorded.resource, "service.name"), "shop");
    assert_eq!(attribute(&recorded.resource, "telemetry.sdk.language"), "rust");
    assert_eq!(recorded.scope, "wash");
    assert!(!format!("{:?}", all.spans).contains("secret"), "queries are not recorded");
    dev.stop();
}

#[test]
fn a_malformed_context_begins_a_new_trace() {
    let (_sandbox, collector, dev) = observed("", &[]);
    for wrong in ["00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", "nonsense", ""] {
        let path = format!("/nowhere-{}", wrong.len());
        assert_eq!(dev.request("GET", &path, None, &[("traceparent", wrong)]).status, 404);
        let span = request_to(&collector, &path);
        assert_ne!(hex(&span.trace_id), TRACE);
        assert!(span.parent_span_id.is_empty() || span.parent_span_id == [0; 8], "{wrong}");
    }
    dev.stop();
}

fn with_upstream(variables: &[(&str, &str)]) -> (Sandbox, Collector, Dev, Upstream, String) {
    let upstream = Upstream::start();
    let settings = format!("dev: {{allowed_host_loopback_ports: [{}]}}\n", upstream.port());
    let (sandbox, collector, dev) = observed(&settings, variables);
    let fetch = format!("/fetch?url=http://127.0.0.1:{}/headers", upstream.port());
    (sandbox, collector, dev, upstream, fetch)
}

#[test]
fn requests_of_a_guest_carry_the_context_on() {
    let (_sandbox, collector, dev, _upstream, fetch) = with_upstream(&[]);
    let headers = [("traceparent", PARENT), ("tracestate", "vendor=1"), ("baggage", "user=alice")];
    let answer = dev.request("GET", &fetch, None, &headers);
    let request = request_to(&collector, "/fetch");
    let handle = child(&collector, &request, "handle");
    let sent = child(&collector, &handle, "GET");
    assert!(is(&sent, SpanKind::Client));
    let value = |key| attribute(&sent.attributes, key);
    assert!(value("url.full").ends_with("/headers"), "{}", value("url.full"));
    assert_eq!((value("server.address").as_str(), value("http.response.status_code").as_str()), ("127.0.0.1", "200"));
    let traceparent = format!("traceparent: 00-{TRACE}-{}-01\n", hex(&sent.span_id));
    assert!(format!("{}\n", answer.body).contains(&traceparent), "{} in {}", traceparent, answer.body);
    assert!(answer.body.contains("tracestate: vendor=1"), "{}", answer.body);
    assert!(answer.body.contains("baggage: user=alice"), "{}", answer.body);
    dev.stop();
}

#[test]
fn a_guest_that_sets_a_context_of_its_own_keeps_it() {
    let (_sandbox, collector, dev, _upstream, fetch) = with_upstream(&[("OTEL_PROPAGATORS", "tracecontext")]);
    let own = "00-11111111111111111111111111111111-2222222222222222-00";
    let headers = [("traceparent", PARENT), ("x-as-traceparent", own), ("tracestate", "a=1"), ("baggage", "b=1")];
    let answer = dev.request("GET", &fetch, None, &headers);
    request_to(&collector, "/fetch");
    assert!(answer.body.contains(&format!("traceparent: {own}")), "{}", answer.body);
    assert!(!answer.body.contains("tracestate") && !answer.body.contains("baggage"), "{}", answer.body);
    dev.stop();
}

#[test]
fn traces_that_are_not_sampled_are_passed_on_and_not_recorded() {
    let (_sandbox, collector, dev, _upstream, fetch) = with_upstream(&[("OTEL_TRACES_SAMPLER", "always_off")]);
    let answer = dev.request("GET", &fetch, None, &[("traceparent", PARENT)]);
    assert!(answer.body.contains(&format!("traceparent: 00-{TRACE}-")), "{}", answer.body);
    assert!(
        answer.body.lines().any(|line| line.starts_with("traceparent") && line.ends_with("-00")),
        "{}",
        answer.body
    );
    dev.stop();
    assert!(collector.received().spans.is_empty());
}

#[test]
fn what_a_guest_writes_and_logs_is_a_record_of_its_request() {
    let (_sandbox, collector, mut dev) = observed("", &[]);
    let parent = [("traceparent", PARENT)];
    dev.request("GET", "/stdout?text=to-stdout", None, &parent);
    dev.request("GET", "/log?level=warn&context=shop&message=to-the-log", None, &parent);
    dev.request("GET", "/trap", None, &parent);
    let cases = [("to-stdout", "/stdout", 0), ("to-the-log", "/log", 13)];
    for (body, path, severity) in cases {
        let (record, span) = (collector.log(body), request_to(&collector, path));
        assert_eq!((hex(&record.trace_id).as_str(), &record.span_id), (TRACE, &span.span_id));
        assert_eq!(record.severity_number, severity);
        assert_eq!(attribute(&record.attributes, "wash.component"), "probe");
        let output = dev.wait_for_event("output", |event| event["line"] == body);
        assert_eq!(output["trace_id"], TRACE);
        assert_eq!(output["call_id"].to_string(), attribute(&record.attributes, "wash.call_id"));
        let request = dev.wait_for_event("request", |event| event["path"].as_str().unwrap().starts_with(path));
        assert_eq!((&request["call_id"], &request["trace_id"]), (&output["call_id"], &output["trace_id"]));
    }
    let failed = collector.wait("the fault", |all| {
        all.logs.iter().find(|record| record.severity_number == 17 && !record.trace_id.is_empty()).cloned()
    });
    assert!(attribute(&failed.attributes, "exception.stacktrace").contains("faults"), "{failed:#?}");
    assert_eq!(hex(&failed.trace_id), TRACE);
    dev.stop();
}

#[test]
fn requests_are_counted_and_measured() {
    let (_sandbox, collector, dev) = observed("", &[("OTEL_TRACES_EXPORTER", "none")]);
    for _ in 0..3 {
        dev.get("/version");
    }
    dev.get("/nowhere");
    let count = |code: &str| {
        collector.wait("the durations", |all| {
            let metric = all.metrics.iter().rev().find(|metric| metric.name == "http.server.request.duration")?;
            assert_eq!(metric.unit, "s");
            let Some(Data::Histogram(histogram)) = &metric.data.data else { panic!("{metric:?}") };
            let mut points = histogram.data_points.iter();
            let point = points.find(|point| attribute(&point.attributes, "http.response.status_code") == code)?;
            assert_eq!(attribute(&point.attributes, "http.request.method"), "GET");
            assert_eq!(attribute(&point.attributes, "url.scheme"), "http");
            (code != "200" || point.count == 3).then_some(point.count)
        })
    };
    assert_eq!((count("200"), count("404")), (3, 1));
    for name in ["http.server.active_requests", "wash.instances"] {
        collector.wait(name, |all| {
            let metric = all.metrics.iter().rev().find(|metric| metric.name == name)?;
            let Some(Data::Sum(sum)) = &metric.data.data else { panic!("{metric:?}") };
            // Nothing runs any more.
            (sum.data_points[0].value == Some(Number::AsInt(0))).then_some(())
        });
    }
    assert!(collector.received().spans.is_empty());
    dev.stop();
}

#[test]
fn what_waits_is_sent_at_the_end() {
    let slow = [
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "3600000"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "3600000"),
    ];
    let (_sandbox, collector, dev) = observed("", &slow);
    dev.get("/stdout?text=last");
    dev.stop();
    request_to(&collector, "/stdout");
    collector.log("last");
    collector.wait("metrics", |all| (!all.metrics.is_empty()).then_some(()));
}

#[test]
fn json_and_compression_are_spoken_and_headers_stay_secret() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hush%2Chush"),
        // All that has the headers in its hands; a compiler at this level would take minutes.
        (
            "WASH_LOG",
            "off,wash=trace,opentelemetry=trace,opentelemetry_otlp=trace,reqwest=trace,hyper=trace,hyper_util=trace",
        ),
    ];
    let (_sandbox, collector, dev) = observed("", &variables);
    dev.get("/stdout?text=spoken");
    request_to(&collector, "/stdout");
    collector.log("spoken");
    let heads = collector.received().heads;
    assert!(heads.iter().all(|head| head["api-key"] == "hush,hush"), "{heads:?}");
    assert!(heads.iter().all(|head| head["content-encoding"] == "gzip"), "{heads:?}");
    let events = format!("{:?}", dev.events());
    let stderr = dev.stop();
    assert!(!stderr.contains("hush") && !events.contains("hush"), "{stderr}");
}

#[test]
fn a_collector_with_an_authority_of_its_own_is_sent_everything_over_tls() {
    let collector = Collector::start_tls();
    let (_sandbox, mut command) = project(&guests::probe(), "");
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .env("OTEL_EXPORTER_OTLP_CERTIFICATE", cert_path("ca.pem"))
        .env("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", cert_path("client.pem"))
        .env("OTEL_EXPORTER_OTLP_CLIENT_KEY", cert_path("client-key.pem"))
        .env("OTEL_BSP_SCHEDULE_DELAY", "20")
        .env("OTEL_BLRP_SCHEDULE_DELAY", "20")
        .env("OTEL_METRIC_EXPORT_INTERVAL", "50");
    let mut dev = Dev::start(command);
    dev.ready();
    dev.get("/stdout?text=sealed");
    request_to(&collector, "/stdout");
    collector.log("sealed");
    collector.wait("metrics", |all| (!all.metrics.is_empty()).then_some(()));
    dev.stop();
}

#[test]
fn a_collector_that_cannot_be_trusted_or_does_not_trust_us_is_sent_nothing_and_that_is_said() {
    // Nobody has said whose its certificate is; then, that ours is signed by somebody else.
    let stranger = [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", cert_path("ca.pem")),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", cert_path("stranger-client.pem")),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", cert_path("stranger-client-key.pem")),
    ];
    for (variables, reason) in [(&[][..], "certificate"), (&stranger, "")] {
        let collector = Collector::start_tls();
        let (_sandbox, mut command) = project(&guests::probe(), "");
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()).env("OTEL_BSP_SCHEDULE_DELAY", "20");
        command.envs(variables.iter().map(|(name, path)| (name, path)));
        let mut dev = Dev::start(command);
        dev.ready();
        assert_eq!(dev.get("/stdout?text=sealed").status, 204, "requests do not notice");
        let stderr = dev.stop();
        let line = stderr.lines().find(|line| line.contains("to https://localhost:")).unwrap_or_default();
        assert!(line.contains("cannot send") && line.contains(reason), "{stderr}");
        assert!(collector.received().spans.is_empty());
    }
}

#[test]
fn certificates_for_a_collector_that_cannot_be_used_end_the_start() {
    let sandbox = Sandbox::new();
    let nothing = sandbox.path().join("nothing.pem");
    crate::support::write(&nothing, "no certificate at all\n");
    let client = cert_path("client.pem");
    let missing = sandbox.path().join("missing.pem");
    for (variables, words) in [
        (vec![("CERTIFICATE", &nothing)], "there is no certificate in"),
        (vec![("CERTIFICATE", &missing)], "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        (vec![("CLIENT_CERTIFICATE", &client)], "needs its key"),
        (vec![("CLIENT_CERTIFICATE", &client), ("CLIENT_KEY", &nothing)], "are no certificate with its key"),
    ] {
        let (_sandbox, mut command) = project(&guests::probe(), "");
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://localhost:4318");
        command.envs(variables.iter().map(|(name, path)| (format!("OTEL_EXPORTER_OTLP_{name}"), path)));
        let output = run(&mut command);
        assert_ne!(output.code, 0, "{variables:?}");
        assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
    }
}

#[test]
fn without_a_collector_nothing_is_recorded() {
    let (_sandbox, mut command) = project(&guests::probe(), "");
    command.env("OTEL_SERVICE_NAME", "shop").env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let mut dev = Dev::start(command);
    dev.ready();
    dev.request("GET", "/stdout?text=quiet", None, &[("traceparent", PARENT)]);
    let output = dev.wait_for("output");
    assert_eq!(output["trace_id"], serde_json::Value::Null);
    assert_eq!(output["call_id"], 1);
    dev.stop();
}

#[test]
fn a_collector_that_is_down_costs_one_warning() {
    let (_sandbox, mut command) = project(&guests::probe(), "");
    // Nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://user:hush@127.0.0.1:{port}"))
        .env("OTEL_BSP_SCHEDULE_DELAY", "1")
        .env("OTEL_BLRP_SCHEDULE_DELAY", "1");
    let mut dev = Dev::start(command);
    dev.ready();
    for _ in 0..50 {
        assert_eq!(dev.get("/stdout?text=on").status, 204);
    }
    crate::support::eventually("a warning", || dev.stderr().contains("cannot send"));
    let stderr = dev.stop();
    assert_eq!(stderr.matches("cannot send").count(), 1, "{stderr}");
    assert!(stderr.contains(&format!("http://127.0.0.1:{port}/v1/")), "{stderr}");
    assert!(stderr.contains("OTEL_SDK_DISABLED=true") && !stderr.contains("hush"), "{stderr}");
}

#[test]
fn a_collector_that_never_answers_does_not_hold_up_the_end() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (_sandbox, mut command) = project(&guests::probe(), "");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", silent.local_addr().unwrap()));
    command.env("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000");
    let mut dev = Dev::start(command);
    dev.ready();
    dev.get("/version");
    dev.stop();
}

#[test]
fn grpc_is_refused_with_the_line_that_helps() {
    let (_sandbox, mut command) = project(&guests::probe(), "");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317").env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let ended = run(&mut command).expect_code(2);
    assert!(ended.stdout.contains("OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"), "{}", ended.stdout);
}

#[test]
fn spans_can_be_looked_at_without_a_collector() {
    let (_sandbox, mut command) = project(&guests::probe(), "");
    command.env("OTEL_TRACES_EXPORTER", "console");
    let mut dev = Dev::start(command);
    dev.ready();
    dev.request("GET", "/version", None, &[("traceparent", PARENT)]);
    let stderr = dev.stop();
    let line = stderr.lines().find(|line| line.contains("span GET Server")).unwrap_or_else(|| panic!("{stderr}"));
    assert!(line.contains(TRACE) && line.contains("url.path=/version"), "{line}");
}

#[test]
fn what_a_guest_records_itself_joins_the_trace_of_its_request() {
    for protocol in ["http/protobuf", "http/json"] {
        let variables = [("OTEL_EXPORTER_OTLP_PROTOCOL", protocol), ("OTEL_SERVICE_NAME", "shop")];
        let (_sandbox, collector, dev) = observed_guest(&guests::recorder(), "", &variables);
        let answer = dev.request("GET", "/", None, &[("traceparent", PARENT), ("tracestate", "vendor=1")]);
        let span = collector.span("the span of the guest", |span| span.name == "guest work");
        let handle = child(&collector, &request_to(&collector, "/"), "handle");
        assert_eq!(answer.body, format!("{TRACE} {} vendor=1 Ok(())", hex(&handle.span_id)));
        assert_eq!((hex(&span.trace_id).as_str(), &span.parent_span_id), (TRACE, &handle.span_id));
        assert_eq!(hex(&span.span_id), "00f067aa0ba902b7");
        assert_eq!(
            (span.start_time_unix_nano, span.end_time_unix_nano),
            (1_700_000_001_000_000_007, 1_700_000_002_000_000_007)
        );
        let value = |key| attribute(&span.attributes, key);
        assert_eq!(
            (value("step"), value("kind"), value("wash.component")),
            ("3".into(), "quoted".into(), "probe".into())
        );
        assert_eq!((&*span.events[0].name, span.scope.as_str()), ("half done", "recorder"));
        assert_eq!((span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count), (1, 2, 3));
        let status = span.status.as_ref().unwrap();
        assert_eq!((status.code, status.message.as_str()), (2, "on purpose"));
        assert_eq!(attribute(&span.resource, "service.name"), "shop");

        let record = collector.log("from the guest");
        assert_eq!((hex(&record.trace_id).as_str(), &record.span_id), (TRACE, &span.span_id));
        assert_eq!((record.severity_number, record.event_name.as_str()), (13, "odd"));
        assert_eq!(attribute(&record.attributes, "answer"), "42");
        assert_eq!(
            (attribute(&record.resource, "service.name"), attribute(&record.resource, "own")),
            ("shop".into(), "true".into())
        );

        let metric =
            |name: &str| collector.wait(name, |all| all.metrics.iter().find(|metric| metric.name == name).cloned());
        let Some(Data::Sum(sum)) = metric("guest.sum").data.data else { panic!() };
        // No number is bent by being taken for a floating point number.
        assert_eq!(sum.data_points[0].value, Some(Number::AsInt(9_007_199_254_740_993)));
        assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
        let Some(Data::Histogram(sizes)) = metric("guest.sizes").data.data else { panic!() };
        let point = &sizes.data_points[0];
        assert_eq!(
            (point.count, &point.bucket_counts[..], &point.explicit_bounds[..]),
            (3, &[1, 0, 2][..], &[1.0, 2.0][..])
        );
        assert_eq!((point.sum, point.min, point.max), (Some(7.5), Some(0.5), None));
        dev.stop();
    }
}

#[test]
fn a_guest_that_records_runs_without_a_collector() {
    let (_sandbox, mut command) = project(&guests::recorder(), "");
    command.env("OTEL_SDK_DISABLED", "true").env("OTEL_TRACES_EXPORTER", "otlp");
    let mut dev = Dev::start(command);
    dev.ready();
    assert_eq!(dev.get("/").body, format!("{} {}  Ok(())", "0".repeat(32), "0".repeat(16)));
    dev.stop();
}

#[test]
fn calls_of_capabilities_are_spans_of_the_call() {
    let (_sandbox, collector, dev) = observed("", &[]);
    assert_eq!(dev.request("PUT", "/kv/cart/secret-key", Some(b"1"), &[("traceparent", PARENT)]).status, 204);
    dev.request("PUT", "/blob/box/secret-name", Some(b"1"), &[("traceparent", PARENT)]);
    for (path, name, place) in
        [("/kv/cart/secret-key", "keyvalue set", "cart"), ("/blob/box/secret-name", "blobstore finish", "box")]
    {
        let handle = child(&collector, &request_to(&collector, path), "handle");
        let call = child(&collector, &handle, name);
        assert!(is(&call, SpanKind::Client));
        assert_eq!(attribute(&call.attributes, "db.namespace"), place);
        assert!(!format!("{call:?}").contains("secret"), "keys are not recorded");
    }
    dev.stop();
}

#[test]
fn what_a_shared_instance_does_belongs_to_the_request_that_it_is_done_for() {
    let upstream = Upstream::start();
    let settings =
        format!("dev: {{pool_size: 1, max_concurrency: 8, allowed_host_loopback_ports: [{}]}}\n", upstream.port());
    let (_sandbox, collector, mut dev) = observed_guest(&guests::probe3(), &settings, &[]);
    let parents = ["1", "2", "3"].map(|digit| format!("00-{}-b7ad6b7169203331-01", digit.repeat(32)));
    std::thread::scope(|scope| {
        for (name, parent) in ["a", "b", "c"].iter().zip(&parents) {
            let (dev, path) = (&dev, format!("/murmur?{name}"));
            scope.spawn(move || {
                assert_eq!(dev.request("GET", &path, None, &[("traceparent", parent)]).body, "murmured");
            });
        }
    });
    for _ in 0..3 {
        dev.wait_for("request");
    }
    // What was said comes before it.
    let events = dev.events();
    for (name, digit) in ["a", "b", "c"].iter().zip(["1", "2", "3"]) {
        let trace = digit.repeat(32);
        let of_trace = |span: &Span| hex(&span.trace_id) == trace && is(span, SpanKind::Server);
        let request = collector.span("the request", of_trace).data;
        child(&collector, &request, "handle");
        for line in ["first", "second"] {
            let record = collector.log(&format!("{name} {line}"));
            assert_eq!((hex(&record.trace_id), &record.span_id), (trace.clone(), &request.span_id), "{name} {line}");
            let said = format!("{name} {line}");
            let shown = events.iter().find(|event| event["line"] == said).expect("the line is an event");
            assert_eq!(shown["trace_id"], trace);
        }
    }
    // While another request is there, one sends a request of its own.
    let fetch = format!("/fetch?http://127.0.0.1:{}/headers", upstream.port());
    let answer = dev.request("GET", &fetch, None, &[("traceparent", PARENT)]);
    let handle = child(&collector, &request_to(&collector, "/fetch"), "handle");
    let sent = child(&collector, &handle, "GET");
    assert!(is(&sent, SpanKind::Client) && hex(&sent.trace_id) == TRACE);
    let traceparent = format!("traceparent: 00-{TRACE}-{}-01", hex(&sent.span_id));
    assert!(answer.body.contains(&traceparent), "{traceparent} in {}", answer.body);
    dev.stop();
}

#[test]
fn a_call_of_a_service_is_a_trace_of_its_own_with_what_the_component_says_in_it() {
    let collector = Collector::start();
    let settings = "dev:\n  service_file: scheduler.wasm\n  components: [{name: tasks, file: tasks.wasm}]\n";
    let (sandbox, mut command) = project(&guests::probe(), settings);
    crate::support::write(&sandbox.path().join("probe/scheduler.wasm"), guests::scheduler());
    crate::support::write(&sandbox.path().join("probe/tasks.wasm"), guests::tasks());
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
    command.env("OTEL_BSP_SCHEDULE_DELAY", "20").env("OTEL_BLRP_SCHEDULE_DELAY", "20");
    let mut dev = Dev::start(command);
    dev.ready();
    let ask = |line: &str| {
        dev.request("GET", &format!("/tcp?to=127.0.0.1:7000&text={line}%0A"), None, &[("traceparent", PARENT)])
    };
    assert_eq!(ask("work%20parcel").body, "Ok(\"done: parcel of 3\")");
    assert!(ask("work%20trap").body.starts_with("Err("));
    let calls = collector.wait("two calls", |all| {
        let calls = all.spans.iter().filter(|span| span.name == "test:tasks/tasks@0.1.0#work").cloned();
        let calls: Vec<_> = calls.collect();
        (calls.len() == 2).then_some(calls)
    });
    for call in &calls {
        assert!(is(call, SpanKind::Internal) && begins_a_trace(call) && hex(&call.trace_id) != TRACE);
        assert_eq!(attribute(&call.attributes, "wash.component"), "tasks");
        child(&collector, call, "instantiate");
    }
    assert_ne!(calls[0].trace_id, calls[1].trace_id);
    let failed: Vec<bool> =
        calls.iter().map(|call| call.status.as_ref().is_some_and(|status| status.code == 2)).collect();
    assert_eq!(failed, [false, true]);
    for (line, call) in ["acting on parcel", "acting on trap"].iter().zip(&calls) {
        let record = collector.log(line);
        assert_eq!((&record.trace_id, &record.span_id), (&call.trace_id, &call.span_id));
    }
    let fault = collector.wait("the trap", |all| {
        all.logs.iter().find(|record| !attribute(&record.attributes, "exception.message").is_empty()).cloned()
    });
    assert_eq!(fault.span_id, calls[1].span_id);
    dev.stop();
}

#[test]
fn what_a_service_says_belongs_to_its_run_and_its_requests_carry_a_context() {
    let (upstream, collector) = (Upstream::start(), Collector::start());
    let fetch = format!("fetch http://127.0.0.1:{}/headers", upstream.port());
    let settings =
        format!("dev:\n  allowed_host_loopback_ports: [{}]\n  environment: {{SERVICE: '{fetch}'}}\n", upstream.port());
    let (_sandbox, mut command) = project(&guests::service(), &settings);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
    command.env("OTEL_BSP_SCHEDULE_DELAY", "20").env("OTEL_BLRP_SCHEDULE_DELAY", "20");
    let mut dev = Dev::start(command);
    dev.wait_for_event("service", |event| event["state"] == "completed");
    let run = collector.span("the run", |span| span.name == "service").data;
    assert_eq!(attribute(&run.attributes, "wash.component"), "probe");
    let sent = collector.span("the request", |span| is(span, SpanKind::Client) && span.name == "GET").data;
    assert!(begins_a_trace(&sent) && sent.trace_id != run.trace_id, "a service may run for months");
    let traceparent = format!("traceparent: 00-{}-{}-01", hex(&sent.trace_id), hex(&sent.span_id));
    let line = collector.log(&traceparent);
    assert_eq!((&line.trace_id, &line.span_id), (&run.trace_id, &run.span_id));
    dev.stop();
}

/// One trace from a request to the message that it sends, its handling, and what that sends.
fn message_is_traced(settings: &str) {
    let sandbox = Sandbox::new();
    let collector = Collector::start();
    let settings = format!("dev:\n  components: [{{name: worker, file: worker.wasm}}]\n{settings}");
    let root = sandbox.copying_project("probe", &guests::probe(), &settings);
    crate::support::write(&root.join("worker.wasm"), guests::echo_worker());
    let mut command = sandbox.wash(["dev", "-o", "json", "--port", "0"]);
    command.current_dir(root).env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()).env("OTEL_BSP_SCHEDULE_DELAY", "20");
    let mut dev = Dev::start(command);
    dev.ready();
    let answer = dev.request("POST", "/request?subject=tasks.a&timeout=10000", Some(b"hi"), &[("traceparent", PARENT)]);
    assert_eq!(answer.body, "echo:hi");
    let handle = child(&collector, &request_to(&collector, "/request"), "handle");
    let request = child(&collector, &handle, "request");
    assert_eq!(attribute(&request.attributes, "messaging.destination.name"), "tasks.a");
    let process = child(&collector, &request, "process");
    assert!(is(&process, SpanKind::Consumer) && hex(&process.trace_id) == TRACE);
    let worker = child(&collector, &process, "handle-message");
    child(&collector, &worker, "keyvalue set");
    assert!(is(&child(&collector, &worker, "publish"), SpanKind::Producer));
    dev.stop();
}

#[test]
fn a_message_in_memory_is_handled_in_the_trace_of_its_sender() {
    message_is_traced("");
}

#[test]
fn a_message_through_nats_is_handled_in_the_trace_of_its_sender() {
    let server = Server::nats();
    let entry = "{namespace: wasmcloud, package: messaging, interfaces: [handler], config: {subscriptions: tasks.*}}";
    message_is_traced(&format!("  wasmcloud_messaging_nats_url: {}\n  host_interfaces: [{entry}]\n", server.url()));
}

#[test]
fn a_member_of_a_composed_component_records_in_its_own_name() {
    let sandbox = Sandbox::new();
    let collector = Collector::start();
    let settings = "dev:\n  components: [{name: cart, file: cart.wasm}]\n";
    let root = sandbox.copying_project("front", &guests::shop_front(), settings);
    crate::support::write(&root.join("cart.wasm"), guests::shop_cart());
    let mut command = sandbox.wash(["dev", "-o", "json", "--port", "0"]);
    command.current_dir(root).env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()).env("OTEL_BSP_SCHEDULE_DELAY", "20");
    let mut dev = Dev::start(command);
    dev.ready();
    assert_eq!(dev.request("GET", "/say?hi", None, &[("traceparent", PARENT)]).body, "said");
    let handle = child(&collector, &request_to(&collector, "/say"), "handle");
    for (body, component) in
        [("front says hi", "front"), ("cart says hi", "cart"), ("cart logs hi", "cart"), ("cart records hi", "cart")]
    {
        let record = collector.log(body);
        assert_eq!(
            (hex(&record.trace_id).as_str(), attribute(&record.attributes, "wash.component").as_str()),
            (TRACE, component)
        );
    }
    assert_eq!(collector.log("cart records hi").span_id, handle.span_id);
    dev.stop();
}
