//! What the standard `OTEL_…` variables ask for.
//!
//! They are read from the environment as it was at the start. The libraries read some of them once
//! more by themselves; what is decided here is told to them and goes before.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use opentelemetry_sdk::metrics::Temporality;
use url::Url;

use crate::error::{Error, Result};

/// Where collectors listen when nobody says it.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318";
/// How long one delivery may take.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

type Env = BTreeMap<String, String>;

/// What is recorded, and where it goes.
#[derive(Debug)]
pub struct Plan {
    pub traces: Exporter,
    pub logs: Exporter,
    pub metrics: Exporter,
    pub sampler: Sampler,
    /// Names of the formats in which context comes in and goes out.
    pub propagators: Vec<Propagator>,
    /// Attributes of everything that is sent: `service.name` and the like.
    pub resource: BTreeMap<String, String>,
    /// How spans are gathered before they are sent.
    pub spans: Batch,
    /// How log records are.
    pub records: Batch,
    /// Between two deliveries of metrics.
    pub interval: Duration,
    /// Whether metrics count from one delivery to the next, instead of from the start.
    pub temporality: Temporality,
}

/// Where the data of one signal goes.
#[derive(Debug)]
pub enum Exporter {
    None,
    Otlp(Otlp),
    /// To the log on stderr; spans only.
    Console,
}

/// A collector. Headers are secret: this must not be shown but for its endpoint.
pub struct Otlp {
    /// Where the data of this signal is sent to.
    pub endpoint: Url,
    pub json: bool,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub timeout: Duration,
    pub gzip: bool,
    /// PEM files: authorities that are trusted beside the usual ones, and our own certificate with its key.
    pub certificate: Option<PathBuf>,
    pub client_certificate: Option<(PathBuf, PathBuf)>,
}

impl std::fmt::Debug for Otlp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Otlp").field("endpoint", &shown(&self.endpoint)).finish_non_exhaustive()
    }
}

/// Which traces are recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampler {
    Always,
    Never,
    Ratio(f64),
    /// What the caller has decided; for traces that begin here, the ratio.
    Parent(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagator {
    TraceContext,
    Baggage,
}

/// How data is gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Between two deliveries.
    pub delay: Duration,
    /// What is more is thrown away.
    pub queue: usize,
    /// In one delivery.
    pub most: usize,
}

/// The names of a signal in variables and paths.
struct Signal {
    name: &'static str,
    path: &'static str,
    console: bool,
}

const TRACES: Signal = Signal { name: "TRACES", path: "v1/traces", console: true };
const LOGS: Signal = Signal { name: "LOGS", path: "v1/logs", console: false };
const METRICS: Signal = Signal { name: "METRICS", path: "v1/metrics", console: false };

/// An endpoint as it may be shown: without a user and a password.
pub fn shown(endpoint: &Url) -> String {
    let mut shown = endpoint.clone();
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.to_string()
}

/// Reads the variables. `None`: nothing is to be recorded.
pub fn plan(env: &Env) -> Result<Option<Plan>> {
    if var(env, "OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let (traces, logs, metrics) = (exporter(env, &TRACES)?, exporter(env, &LOGS)?, exporter(env, &METRICS)?);
    if [&traces, &logs, &metrics].iter().all(|exporter| matches!(exporter, Exporter::None)) {
        return Ok(None);
    }
    Ok(Some(Plan {
        traces,
        logs,
        metrics,
        sampler: sampler(env)?,
        propagators: propagators(env)?,
        resource: resource(env)?,
        spans: batch(env, "BSP", Duration::from_secs(5))?,
        records: batch(env, "BLRP", Duration::from_secs(1))?,
        temporality: temporality(env)?,
        interval: milliseconds(env, "OTEL_METRIC_EXPORT_INTERVAL")?.unwrap_or(Duration::from_secs(60)),
    }))
}

fn exporter(env: &Env, signal: &Signal) -> Result<Exporter> {
    let name = format!("OTEL_{}_EXPORTER", signal.name);
    let chosen = var(env, &name).map(str::to_ascii_lowercase);
    let somewhere = of_signal(env, signal, "ENDPOINT").is_some();
    match chosen.as_deref() {
        Some("none") => Ok(Exporter::None),
        Some("otlp") => Ok(Exporter::Otlp(otlp(env, signal)?)),
        Some("console") if signal.console => Ok(Exporter::Console),
        Some("console") => Err(Error::usage(format!("`{name}=console` is not supported: stdout has the events"))
            .hint(format!("set {name} to `otlp` or `none`; `wash dev` shows logs and requests in any case"))),
        Some(_) => Err(Error::usage(format!("the value of {name} is no exporter that wash has"))
            .hint(format!("set {name} to `otlp`{} or `none`", if signal.console { ", `console`" } else { "" }))),
        None if somewhere => Ok(Exporter::Otlp(otlp(env, signal)?)),
        None => Ok(Exporter::None),
    }
}

fn otlp(env: &Env, signal: &Signal) -> Result<Otlp> {
    let json = match of_signal(env, signal, "PROTOCOL") {
        None | Some((_, "http/protobuf")) => false,
        Some((_, "http/json")) => true,
        Some((name, "grpc")) => {
            return Err(Error::usage(format!("`{name}=grpc` is not supported: wash sends OTLP over HTTP")).hint(
                format!("set {name}=http/protobuf, and the endpoint to the collector's port for HTTP, usually 4318"),
            ));
        }
        Some((name, _)) => {
            return Err(Error::usage(format!("the value of {name} is no protocol of OTLP"))
                .hint(format!("set {name} to `http/protobuf` or `http/json`")));
        }
    };
    let gzip = match of_signal(env, signal, "COMPRESSION") {
        None | Some((_, "none")) => false,
        Some((_, "gzip")) => true,
        Some((name, _)) => {
            return Err(Error::usage(format!("the value of {name} is no compression that wash has"))
                .hint(format!("set {name} to `gzip` or `none`")));
        }
    };
    let headers = of_signal(env, signal, "HEADERS").map(|(name, text)| headers(&name, text)).transpose()?;
    let path = |what: &str| of_signal(env, signal, what).map(|(_, path)| PathBuf::from(path));
    let client_certificate = match (path("CLIENT_CERTIFICATE"), path("CLIENT_KEY")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            return Err(Error::usage("a client certificate for OTLP needs its key, and the key its certificate")
                .hint("set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY to PEM files"));
        }
    };
    let timeout = of_signal(env, signal, "TIMEOUT").map(|(name, text)| time(&name, text)).transpose()?;
    Ok(Otlp {
        endpoint: endpoint(env, signal)?,
        json,
        headers: headers.unwrap_or_default(),
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        gzip,
        certificate: path("CERTIFICATE"),
        client_certificate,
    })
}

/// The one for all signals has the path of each added; the one for a signal is taken as it is.
fn endpoint(env: &Env, signal: &Signal) -> Result<Url> {
    let own = format!("OTEL_EXPORTER_OTLP_{}_ENDPOINT", signal.name);
    if let Some(text) = var(env, &own) {
        return url(&own, text);
    }
    let name = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let mut endpoint = url(name, var(env, name).unwrap_or(DEFAULT_ENDPOINT))?;
    let path = format!("{}/{}", endpoint.path().trim_end_matches('/'), signal.path);
    endpoint.set_path(&path);
    Ok(endpoint)
}

/// The error does not repeat the value: it may have a password in it.
fn url(name: &str, text: &str) -> Result<Url> {
    let wrong = |reason: &str| {
        Error::usage(format!("the value of {name} is no address of a collector: {reason}"))
            .hint(format!("set it to the address for HTTP: {name}=http://localhost:4318"))
    };
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(wrong("it does not begin with http:// or https://")),
    }
}

/// `key=value` with commas between them, values in percent-encoding.
fn headers(name: &str, text: &str) -> Result<Vec<(HeaderName, HeaderValue)>> {
    let wrong = || {
        Error::usage(format!("the value of {name} is no list of headers"))
            .hint(format!("write {name}=key=value,other=value"))
    };
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    let header = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let mut value = HeaderValue::from_str(&decoded(value.trim())?).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::from_bytes(key.trim().as_bytes()).ok()?, value))
    };
    pairs.map(|pair| header(pair).ok_or_else(wrong)).collect()
}

fn resource(env: &Env) -> Result<BTreeMap<String, String>> {
    let mut resource: BTreeMap<String, String> = [
        ("service.name".to_string(), "wash".to_string()),
        ("service.version".to_string(), env!("CARGO_PKG_VERSION").to_string()),
    ]
    .into();
    let name = "OTEL_RESOURCE_ATTRIBUTES";
    for pair in var(env, name).unwrap_or_default().split(',').filter(|pair| !pair.trim().is_empty()) {
        let attribute = pair.split_once('=').and_then(|(key, value)| {
            Some((decoded(key.trim()).filter(|key| !key.is_empty())?, decoded(value.trim())?))
        });
        let (key, value) = attribute.ok_or_else(|| {
            Error::usage(format!("the value of {name} is no list of attributes"))
                .hint(format!("write {name}=key=value,other=value"))
        })?;
        resource.insert(key, value);
    }
    if let Some(service) = var(env, "OTEL_SERVICE_NAME") {
        resource.insert("service.name".into(), service.into());
    }
    Ok(resource)
}

fn sampler(env: &Env) -> Result<Sampler> {
    let (name, argument) = ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG");
    let ratio = || match var(env, argument) {
        None => Ok(1.0),
        Some(text) => text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or_else(|| {
            Error::usage(format!("the value of {argument} is no ratio"))
                .hint(format!("set it to a number from 0 to 1: {argument}=0.1"))
        }),
    };
    match var(env, name) {
        None | Some("parentbased_always_on") => Ok(Sampler::Parent(1.0)),
        Some("always_on") => Ok(Sampler::Always),
        Some("always_off") => Ok(Sampler::Never),
        Some("traceidratio") => Ok(Sampler::Ratio(ratio()?)),
        Some("parentbased_always_off") => Ok(Sampler::Parent(0.0)),
        Some("parentbased_traceidratio") => Ok(Sampler::Parent(ratio()?)),
        Some(_) => Err(Error::usage(format!("the value of {name} is no sampler that wash has")).hint(
            "the samplers are `always_on`, `always_off`, `traceidratio`, and these with `parentbased_` in front",
        )),
    }
}

fn temporality(env: &Env) -> Result<Temporality> {
    let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    match var(env, name).map(str::to_ascii_lowercase).as_deref() {
        None | Some("cumulative") => Ok(Temporality::Cumulative),
        Some("delta") => Ok(Temporality::Delta),
        Some("lowmemory") => Ok(Temporality::LowMemory),
        Some(_) => Err(Error::usage(format!("the value of {name} is none that wash has"))
            .hint(format!("set {name} to `cumulative`, `delta` or `lowmemory`"))),
    }
}

fn propagators(env: &Env) -> Result<Vec<Propagator>> {
    let name = "OTEL_PROPAGATORS";
    let mut propagators = Vec::new();
    for wanted in var(env, name).unwrap_or("tracecontext,baggage").split(',') {
        let propagator = match wanted.trim() {
            "tracecontext" => Propagator::TraceContext,
            "baggage" => Propagator::Baggage,
            "none" | "" => continue,
            _ => {
                return Err(Error::usage(format!("{name} names a format that wash does not have"))
                    .hint(format!("the formats are `tracecontext`, `baggage`, `none`: {name}=tracecontext,baggage")));
            }
        };
        if !propagators.contains(&propagator) {
            propagators.push(propagator);
        }
    }
    Ok(propagators)
}

fn batch(env: &Env, kind: &str, delay: Duration) -> Result<Batch> {
    let number = |what: &str, default: usize| {
        let name = format!("OTEL_{kind}_{what}");
        match var(env, &name) {
            None => Ok(default),
            Some(text) => text.parse().ok().filter(|number| (1..=1_000_000).contains(number)).ok_or_else(|| {
                Error::usage(format!("the value of {name} is no number from 1 to 1000000"))
                    .hint(format!("unset {name}, or write {name}={default}"))
            }),
        }
    };
    let queue = number("MAX_QUEUE_SIZE", 2048)?;
    Ok(Batch {
        delay: milliseconds(env, &format!("OTEL_{kind}_SCHEDULE_DELAY"))?.unwrap_or(delay),
        queue,
        most: number("MAX_EXPORT_BATCH_SIZE", 512.min(queue))?.min(queue),
    })
}

fn milliseconds(env: &Env, name: &str) -> Result<Option<Duration>> {
    var(env, name).map(|text| time(name, text)).transpose()
}

fn time(name: &str, text: &str) -> Result<Duration> {
    text.parse().ok().filter(|time| *time > 0).map(Duration::from_millis).ok_or_else(|| {
        Error::usage(format!("the value of {name} is no time in milliseconds"))
            .hint(format!("write {name}=10000 for 10 seconds"))
    })
}

/// A variable of a signal, or the one for all signals, with its name.
fn of_signal<'a>(env: &'a Env, signal: &Signal, what: &str) -> Option<(String, &'a str)> {
    let names = [format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.name), format!("OTEL_EXPORTER_OTLP_{what}")];
    names.into_iter().find_map(|name| var(env, &name).map(|value| (name, value)))
}

/// An empty variable is none.
fn var<'a>(env: &'a Env, name: &str) -> Option<&'a str> {
    env.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// Undoes percent-encoding; `None` where that gives no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            bytes.push((digit(rest.next())? * 16 + digit(rest.next())?) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs.iter().map(|(key, value)| (format!("OTEL_{key}"), value.to_string())).collect()
    }

    fn planned(pairs: &[(&str, &str)]) -> Plan {
        plan(&env(pairs)).unwrap().expect("something to record")
    }

    fn refused(pairs: &[(&str, &str)]) -> String {
        let error = plan(&env(pairs)).unwrap_err();
        format!("{}; {}", error.message(), error.hints().join("; "))
    }

    fn endpoint_of(exporter: &Exporter) -> String {
        let Exporter::Otlp(otlp) = exporter else { panic!("{exporter:?}") };
        otlp.endpoint.to_string()
    }

    #[test]
    fn nothing_is_recorded_unless_somebody_says_where_it_goes() {
        assert!(plan(&Env::new()).unwrap().is_none());
        assert!(plan(&env(&[("SERVICE_NAME", "x"), ("EXPORTER_OTLP_PROTOCOL", "grpc")])).unwrap().is_none());
        let disabled = [("EXPORTER_OTLP_ENDPOINT", "http://c"), ("SDK_DISABLED", "TRUE")];
        assert!(plan(&env(&disabled)).unwrap().is_none());
        let none = [("EXPORTER_OTLP_TRACES_ENDPOINT", "http://c"), ("TRACES_EXPORTER", "none")];
        assert!(plan(&env(&none)).unwrap().is_none());
    }

    #[test]
    fn an_endpoint_is_for_all_signals_or_for_one() {
        let all = planned(&[("EXPORTER_OTLP_ENDPOINT", "http://c:4318/base/")]);
        assert_eq!(endpoint_of(&all.traces), "http://c:4318/base/v1/traces");
        assert_eq!(endpoint_of(&all.logs), "http://c:4318/base/v1/logs");
        assert_eq!(endpoint_of(&all.metrics), "http://c:4318/base/v1/metrics");
        let one = planned(&[("EXPORTER_OTLP_LOGS_ENDPOINT", "https://c/here")]);
        assert_eq!(endpoint_of(&one.logs), "https://c/here");
        assert!(matches!(one.traces, Exporter::None));
        let default = planned(&[("TRACES_EXPORTER", "otlp")]);
        assert_eq!(endpoint_of(&default.traces), "http://localhost:4318/v1/traces");
    }

    #[test]
    fn what_cannot_be_done_is_said_with_the_line_that_helps() {
        let endpoint = ("EXPORTER_OTLP_ENDPOINT", "http://c");
        assert_eq!(
            refused(&[endpoint, ("EXPORTER_OTLP_PROTOCOL", "grpc")]),
            "`OTEL_EXPORTER_OTLP_PROTOCOL=grpc` is not supported: wash sends OTLP over HTTP; set \
             OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, and the endpoint to the collector's port for HTTP, usually 4318"
        );
        for (key, value) in [
            ("EXPORTER_OTLP_LOGS_COMPRESSION", "zstd"),
            ("EXPORTER_OTLP_TIMEOUT", "10s"),
            ("EXPORTER_OTLP_CLIENT_KEY", "key.pem"),
            ("TRACES_SAMPLER", "jaeger_remote"),
            ("PROPAGATORS", "b3"),
            ("RESOURCE_ATTRIBUTES", "a"),
            ("BSP_MAX_QUEUE_SIZE", "0"),
            ("METRICS_EXPORTER", "prometheus"),
            ("LOGS_EXPORTER", "console"),
        ] {
            assert!(refused(&[endpoint, (key, value)]).contains("OTEL_"), "{key}");
        }
    }

    #[test]
    fn secrets_are_in_no_message() {
        for (key, value) in [
            ("EXPORTER_OTLP_ENDPOINT", "ftp://secret@c"),
            ("EXPORTER_OTLP_ENDPOINT", "secret"),
            ("EXPORTER_OTLP_HEADERS", "secret"),
            ("EXPORTER_OTLP_HEADERS", "key=\u{7f}secret"),
        ] {
            let message = refused(&[("TRACES_EXPORTER", "otlp"), (key, value)]);
            assert!(!message.contains("secret"), "{message}");
        }
        let plan =
            planned(&[("EXPORTER_OTLP_ENDPOINT", "http://user:secret@c"), ("EXPORTER_OTLP_HEADERS", "a=secret")]);
        assert!(!format!("{plan:?}").contains("secret"), "{plan:?}");
    }

    #[test]
    fn headers_and_attributes_are_lists_in_percent_encoding() {
        let plan = planned(&[
            ("EXPORTER_OTLP_ENDPOINT", "http://c"),
            ("EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x, api-key = y"),
            ("RESOURCE_ATTRIBUTES", "deployment.environment.name=test%2C1,service.name=other"),
        ]);
        let Exporter::Otlp(otlp) = plan.traces else { panic!() };
        let headers: Vec<_> =
            otlp.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(headers, [("authorization", "Bearer x"), ("api-key", "y")]);
        assert_eq!(plan.resource["deployment.environment.name"], "test,1");
        assert_eq!(plan.resource["service.name"], "other");
    }

    #[test]
    fn samplers_are_those_of_the_standard() {
        let sampler = |name, argument| {
            planned(&[("TRACES_EXPORTER", "otlp"), ("TRACES_SAMPLER", name), ("TRACES_SAMPLER_ARG", argument)]).sampler
        };
        assert_eq!(sampler("", ""), Sampler::Parent(1.0));
        assert_eq!(sampler("parentbased_traceidratio", "0.5"), Sampler::Parent(0.5));
        assert_eq!(sampler("traceidratio", ""), Sampler::Ratio(1.0));
        assert_eq!(sampler("always_off", "0.5"), Sampler::Never);
    }
}
