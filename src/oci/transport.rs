//! Requests to a registry: where it is, who we are for it, redirects, waits and retries.
//!
//! We follow redirects ourselves, because that is where credentials leak: `Authorization` goes with
//! a request whose scheme, host and port are the registry's, and with no other. The same holds for
//! the places that uploads are sent to. Every wait has a bound, in [`Timing`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use url::Url;

use super::auth::{Action, Tokens};
use super::credentials::Credentials;
use super::failure::{Failure, FailureKind, Result};
use super::payload::Payload;
use super::tls;
use crate::error::Error;

/// As many as browsers follow.
const MOST_REDIRECTS: usize = 10;
/// Error messages longer than this are cut.
const LONGEST_REASON: usize = 500;
/// A peer that sends less than this in the time of a stall has stalled.
pub(super) const LEAST_PROGRESS: u64 = 1024;

/// How long to wait, and how often to try.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// For a connection, with TLS.
    pub connect: Duration,
    /// For an answer, or for the next kilobyte.
    pub stall: Duration,
    /// How often a request is made that fails for reasons that pass.
    pub attempts: u32,
    /// Before the second attempt; doubles each time.
    pub first_wait: Duration,
    /// The longest wait before an attempt, also when the registry asks for a longer one.
    pub longest_wait: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            attempts: 5,
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(60),
        }
    }
}

/// What requests are made with.
pub(super) struct Settings {
    pub credentials: Credentials,
    pub env: Arc<BTreeMap<String, String>>,
    /// Registries that may be asked over plain HTTP.
    pub insecure: BTreeSet<String>,
    pub ca_paths: Vec<PathBuf>,
    pub timing: Timing,
}

pub(super) struct Transport {
    http: reqwest::Client,
    pub(super) settings: Settings,
    /// Registries whose address is known.
    origins: Mutex<BTreeMap<String, Url>>,
    pub(super) tokens: Tokens,
    /// What the user should hear of, apart from errors.
    notes: Mutex<Vec<String>>,
}

/// What a request is about: decides who may see which credential.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub registry: String,
    /// None for questions about the registry itself.
    pub repository: Option<String>,
    pub action: Action,
}

/// One request. Made anew for each attempt.
pub(super) struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(&'static str, String)>,
    pub payload: Payload,
    /// Sees how many bytes of the payload are on their way.
    pub sent: Option<Arc<dyn Fn(u64) + Send + Sync>>,
}

impl Request {
    pub fn new(method: Method, url: Url) -> Self {
        Request { method, url, headers: Vec::new(), payload: Payload::Empty, sent: None }
    }

    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }
}

/// What came back, with its body still to be read.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Where it came from, after redirects.
    pub url: Url,
    response: reqwest::Response,
    stall: Duration,
}

/// Why an attempt failed.
pub(super) enum Setback {
    /// Another attempt may succeed; the registry may say when.
    Passing { failure: Failure, wait: Option<Duration> },
    /// Nobody is there. One more attempt, so that an answer that nobody is there comes soon.
    Absent(Failure),
    /// Another attempt would fail, too.
    Final(Failure),
}

/// Counts attempts, and waits between them.
pub(super) struct Retries {
    timing: Timing,
    failed: u32,
}

impl Retries {
    pub fn new(timing: Timing) -> Self {
        Retries { timing, failed: 0 }
    }

    /// Something was reached: what comes is a new difficulty.
    pub fn forget(&mut self) {
        self.failed = 0;
    }

    /// Waits before the next attempt, or says why there is none.
    pub async fn after(&mut self, setback: Setback) -> Result<()> {
        self.failed += 1;
        let (failure, wait, attempts) = match setback {
            Setback::Final(failure) => return Err(failure),
            Setback::Absent(failure) => (failure, None, self.timing.attempts.min(2)),
            Setback::Passing { failure, wait } => (failure, wait, self.timing.attempts),
        };
        if self.failed >= attempts {
            return Err(match self.failed {
                1 | 2 => failure,
                times => failure.cause(format!("tried {times} times")),
            });
        }
        if let Some(wait) = wait.filter(|wait| *wait > self.timing.longest_wait) {
            return Err(failure.hint(format!("the registry asks to wait {} s; try again then", wait.as_secs())));
        }
        let doubled = self.timing.first_wait.saturating_mul(1 << (self.failed - 1).min(16));
        let wait = wait.unwrap_or_else(|| spread(doubled)).min(self.timing.longest_wait);
        tracing::debug!(attempt = self.failed, ?wait, reason = %failure, "trying again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// Between half and all of a wait, so that many who failed together do not return together.
fn spread(wait: Duration) -> Duration {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    wait / 2 + wait.mul_f64((random % 1000) as f64 / 2000.0)
}

impl Transport {
    pub fn new(settings: Settings) -> Result<Self> {
        let http = tls::client(&settings)?;
        Ok(Transport { http, settings, origins: Mutex::default(), tokens: Tokens::default(), notes: Mutex::default() })
    }

    /// Something that the user should hear of once the work is done.
    pub fn note(&self, note: String) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// Takes what the user should hear of.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The address of a part of a registry's API: `path` begins with `v2/`.
    pub async fn url(&self, registry: &str, path: &str) -> Result<Url> {
        let origin = self.origin(registry).await?;
        origin.join(path).map_err(|error| {
            Failure::new(FailureKind::Usage, format!("`{registry}` cannot be an address")).cause(error.to_string())
        })
    }

    /// Makes a request until it is answered with something that another attempt would not change.
    pub async fn send(&self, request: &Request, scope: &Scope) -> Result<Answer> {
        let mut retries = Retries::new(self.settings.timing);
        loop {
            match self.attempt(request, scope).await {
                Ok(answer) => return Ok(answer),
                Err(setback) => retries.after(setback).await?,
            }
        }
    }

    /// Makes a request once; what another attempt may change is a setback.
    pub async fn attempt(&self, request: &Request, scope: &Scope) -> Result<Answer, Setback> {
        let answer = self.exchange(request, scope).await?;
        let passes = matches!(answer.status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504);
        if !passes {
            return Ok(answer);
        }
        let wait = answer.headers.get(RETRY_AFTER).and_then(retry_after);
        let failure = answer.refusal(&format!("{} {}", request.method, shown(&request.url)), scope).await;
        Err(Setback::Passing { failure, wait })
    }

    /// One request with its redirects, proving who we are if the registry asks for it.
    async fn exchange(&self, request: &Request, scope: &Scope) -> Result<Answer, Setback> {
        let origin = self.origin(&scope.registry).await.map_err(Setback::Final)?;
        let mut url = request.url.clone();
        let mut redirects = 0;
        let mut challenges = 0;
        loop {
            // The one place that decides who sees a credential.
            let is_ours = url.origin() == origin.origin();
            let authorization = if is_ours { self.tokens.known(scope) } else { None };
            let had_authorization = authorization.is_some();
            let answer = self.once(request, &url, authorization).await?;
            if answer.status == StatusCode::UNAUTHORIZED && is_ours && challenges < 2 {
                challenges += 1;
                if self.tokens.answer(self, &answer, scope, &origin, had_authorization).await? {
                    continue;
                }
            }
            let Some(next) = redirect(&answer, &request.method) else { return Ok(answer) };
            redirects += 1;
            let broken = |why: String| {
                let what = format!("cannot follow the redirect of {}", shown(&request.url));
                Setback::Final(Failure::new(FailureKind::Refused, what).cause(why))
            };
            if redirects > MOST_REDIRECTS {
                return Err(broken(format!("there are more than {MOST_REDIRECTS}")));
            }
            let next = url.join(&next).map_err(|error| broken(format!("it leads to no address: {error}")))?;
            check_downgrade(&url, &next).map_err(broken)?;
            tracing::debug!(to = %shown(&next), "redirected");
            url = next;
        }
    }

    /// One request and one answer.
    pub(super) async fn once(
        &self,
        request: &Request,
        url: &Url,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, Setback> {
        let timing = self.settings.timing;
        let moved = Arc::new(AtomicU64::new(0));
        let mut builder = self.http.request(request.method.clone(), url.clone());
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if let Some(authorization) = authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        let length = request.payload.len();
        if length > 0 || !matches!(request.method, Method::GET | Method::HEAD) {
            let body = request
                .payload
                .body(moved.clone(), request.sent.clone())
                .map_err(|error| Setback::Final(Failure::local("cannot read what is to be sent", &error)))?;
            builder = builder.body(body);
        }
        tracing::debug!(method = %request.method, url = %shown(url), bytes = length, "request");
        let answered = watched(builder.send(), &moved, length, timing.stall).await;
        match answered {
            Some(Ok(response)) => {
                tracing::debug!(status = response.status().as_u16(), url = %shown(url), "answer");
                Ok(Answer {
                    status: response.status(),
                    headers: response.headers().clone(),
                    url: url.clone(),
                    response,
                    stall: timing.stall,
                })
            }
            Some(Err(error)) => Err(setback(&error, url)),
            None => Err(stalled(url, timing.stall)),
        }
    }

    /// Where a registry is: `https`, unless plain HTTP is allowed and it speaks that.
    async fn origin(&self, registry: &str) -> Result<Url> {
        if let Some(origin) = self.origins.lock().unwrap_or_else(PoisonError::into_inner).get(registry) {
            return Ok(origin.clone());
        }
        let host = match registry {
            "docker.io" => "registry-1.docker.io",
            _ => registry,
        };
        let address = |scheme: &str| {
            Url::parse(&format!("{scheme}://{host}/")).map_err(|error| {
                Failure::new(FailureKind::Usage, format!("`{registry}` cannot be an address")).cause(error.to_string())
            })
        };
        let mut origin = address("https")?;
        let allowed = self.settings.insecure.contains(registry);
        if (allowed || is_loopback(&origin)) && self.speaks_plain_http(&origin, allowed).await {
            tracing::debug!(registry, "speaks plain HTTP");
            origin = address("http")?;
        }
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        origins.insert(registry.to_string(), origin.clone());
        Ok(origin)
    }

    /// Whether what answers there is no TLS, or nothing answers there and plain HTTP was asked for.
    /// Nothing is sent that anybody could make use of.
    async fn speaks_plain_http(&self, origin: &Url, was_asked_for: bool) -> bool {
        let mut url = origin.clone();
        url.set_path("/v2/");
        let probe = self.http.get(url).send();
        match tokio::time::timeout(self.settings.timing.stall, probe).await {
            Ok(Ok(_)) => false,
            Ok(Err(error)) => match tls::Cause::of(&error) {
                tls::Cause::NotTls => true,
                tls::Cause::Certificate(_) => false,
                tls::Cause::Other => was_asked_for && error.is_connect(),
            },
            Err(_) => was_asked_for,
        }
    }
}

impl Answer {
    /// Whether it is what was asked for.
    pub fn is_success(&self) -> bool {
        self.status.is_success()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The next bytes of the body; waits no longer than a stall. None is the end.
    pub async fn chunk(&mut self) -> Result<Option<bytes::Bytes>, Setback> {
        match tokio::time::timeout(self.stall, self.response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(setback(&error, &self.url)),
            Err(_) => Err(stalled(&self.url, self.stall)),
        }
    }

    /// The whole body, if it is no longer than `limit` bytes.
    pub async fn bytes(mut self, limit: usize, what: &str) -> Result<Vec<u8>, Setback> {
        let mut pace = Pace::new(self.stall);
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if bytes.len() + chunk.len() > limit {
                let message = format!("{what} is larger than {limit} bytes");
                return Err(Setback::Final(Failure::new(FailureKind::Refused, message)));
            }
            bytes.extend_from_slice(&chunk);
            pace.moved(chunk.len(), &self.url)?;
        }
        Ok(bytes)
    }

    /// The failure that an answer means. Reads what the registry says about it.
    pub async fn refusal(mut self, doing: &str, scope: &Scope) -> Failure {
        let status = self.status;
        let mut text = Vec::new();
        while text.len() < 64 << 10 {
            match self.chunk().await {
                Ok(Some(chunk)) => text.extend_from_slice(&chunk),
                _ => break,
            }
        }
        let kind = match status.as_u16() {
            401 | 403 => FailureKind::Denied,
            404 => FailureKind::NotFound,
            _ => FailureKind::Refused,
        };
        let host = self.url.host_str().unwrap_or_default();
        let mut failure = Failure::new(kind, doing.to_string()).cause(format!("{host} answered {status}"));
        if let Some(reason) = reason(&text) {
            failure = failure.cause(reason);
        }
        if kind == FailureKind::Denied {
            failure = failure.hint(format!("log in: wash oci login {}", scope.registry));
        }
        failure
    }
}

/// Sees to it that bytes keep moving.
pub(super) struct Pace {
    since: Instant,
    bytes: u64,
    stall: Duration,
}

impl Pace {
    pub fn new(stall: Duration) -> Self {
        Pace { since: Instant::now(), bytes: 0, stall }
    }

    /// More bytes came. A peer that sends one now and then has stalled all the same.
    pub fn moved(&mut self, bytes: usize, url: &Url) -> Result<(), Setback> {
        self.bytes += bytes as u64;
        if self.bytes >= LEAST_PROGRESS {
            *self = Pace::new(self.stall);
        } else if self.since.elapsed() > self.stall {
            return Err(stalled(url, self.stall));
        }
        Ok(())
    }
}

/// Waits for an answer as long as the payload moves, and then for the time of a stall; for four such
/// times behind a payload, because a registry may have to put it together first.
async fn watched<F: Future>(future: F, moved: &AtomicU64, length: u64, stall: Duration) -> Option<F::Output> {
    tokio::pin!(future);
    loop {
        let before = moved.load(Ordering::Relaxed);
        let is_sent = before >= length;
        let patience = if is_sent && length > 0 { stall * 4 } else { stall };
        if let Ok(output) = tokio::time::timeout(patience, &mut future).await {
            return Some(output);
        }
        let now = moved.load(Ordering::Relaxed);
        if is_sent || (now < length && now < before + LEAST_PROGRESS) {
            return None;
        }
    }
}

/// Where an answer sends us, if it does.
fn redirect(answer: &Answer, method: &Method) -> Option<String> {
    let follows = match answer.status.as_u16() {
        307 | 308 => true,
        // What these mean for other methods, nobody agrees on.
        301..=303 => matches!(*method, Method::GET | Method::HEAD),
        _ => false,
    };
    let location = answer.headers.get(LOCATION)?.to_str().ok()?;
    follows.then(|| location.to_string())
}

/// Where a protected connection begins, none but protected ones follow.
pub(super) fn check_downgrade(from: &Url, to: &Url) -> Result<(), String> {
    match to.scheme() {
        "https" => Ok(()),
        "http" if from.scheme() == "http" => Ok(()),
        "http" => Err(format!("it leads from https to plain HTTP, to {}", shown(to))),
        other => Err(format!("it leads to an address of the kind `{other}`")),
    }
}

/// Whether the host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An address without what may be secret in it: signed links carry their credential in the query.
pub(super) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

fn stalled(url: &Url, stall: Duration) -> Setback {
    let host = url.host_str().unwrap_or_default();
    let failure = Failure::new(FailureKind::Unreachable, format!("{host} has stopped answering")).cause(format!(
        "nothing came for {:.0?}, for {}",
        stall,
        shown(url)
    ));
    Setback::Passing { failure, wait: None }
}

fn setback(error: &reqwest::Error, url: &Url) -> Setback {
    let host = url.host_str().unwrap_or_default();
    let host = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_string(),
    };
    let mut failure = Failure::new(FailureKind::Unreachable, format!("cannot reach {host}"));
    for cause in causes(error) {
        failure = failure.cause(cause);
    }
    match tls::Cause::of(error) {
        tls::Cause::NotTls if url.scheme() == "https" => Setback::Final(
            Failure::new(FailureKind::Unreachable, format!("{host} does not speak TLS"))
                .hint("if it is a registry of yours with plain HTTP: --insecure"),
        ),
        tls::Cause::Certificate(why) => Setback::Final(
            Failure::new(FailureKind::Unreachable, format!("the certificate of {host} is not trusted"))
                .cause(why)
                .hint("if its issuer is one of yours: --ca-path FILE, or WASH_OCI_CA_PATHS"),
        ),
        _ if error.is_builder() => Setback::Final(failure),
        _ if error.is_connect() => Setback::Absent(failure),
        _ => Setback::Passing { failure, wait: None },
    }
}

/// What the layers of a client say, without the address that each of them repeats.
fn causes(error: &reqwest::Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        // Which layer it was says nothing to people.
        let is_layer = text.starts_with("client error (") || text == "tcp connect error" || text == "dns error";
        if !is_layer && !causes.iter().any(|known| known.contains(&text)) {
            causes.push(text);
        }
        next = cause.source();
    }
    if causes.is_empty() { vec!["the connection broke".into()] } else { causes }
}

/// The time of a `Retry-After`, in seconds or as a date.
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    Some((date.to_utc() - chrono::Utc::now()).to_std().unwrap_or_default())
}

/// What a registry says about its refusal: `CODE: message`, or the text as it is.
fn reason(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let json: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let said = json.and_then(|json| {
        let errors = json.get("errors")?.as_array()?.clone();
        let lines: Vec<String> = errors
            .iter()
            .filter_map(|error| {
                let part = |key: &str| error.get(key).and_then(|value| value.as_str()).filter(|text| !text.is_empty());
                match (part("code"), part("message")) {
                    (Some(code), Some(message)) => Some(format!("{code}: {message}")),
                    (code, message) => code.or(message).map(str::to_string),
                }
            })
            .collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    });
    let said = said.or_else(|| {
        let line = text.trim();
        // A page for browsers says nothing that its status does not say.
        (!line.is_empty() && !line.starts_with('<')).then(|| line.to_string())
    })?;
    let clean: String = said.chars().filter(|letter| !letter.is_control()).take(LONGEST_REASON).collect();
    Some(clean)
}

/// The error of a value that somebody typed.
pub(super) fn usage(message: impl Into<String>) -> Failure {
    Failure::from(Error::usage(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_as_seconds_and_dates() {
        let read = |text: &str| retry_after(&HeaderValue::from_str(text).unwrap());
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("soon"), None);
    }

    #[test]
    fn reasons_of_registries_are_one_line() {
        let json = br#"{"errors":[{"code":"DENIED","message":"no\nway","detail":{}},{"code":"X"}]}"#;
        assert_eq!(reason(json).as_deref(), Some("DENIED: noway; X"));
        assert_eq!(reason(b"plain text\n").as_deref(), Some("plain text"));
        assert_eq!(reason(b"<html>"), None);
        assert_eq!(reason(&[b'x'; 9000]).unwrap().len(), LONGEST_REASON);
    }

    #[test]
    fn links_that_are_signed_are_not_shown() {
        let url = Url::parse("https://user:pw@blobs.example/a%2Fb?sig=secret#x").unwrap();
        assert_eq!(shown(&url), "https://blobs.example/a%2Fb");
    }
}
