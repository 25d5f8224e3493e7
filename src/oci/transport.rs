//! Requests to a registry: where it is, who we are for it, redirects, waits and retries.
//!
//! We follow redirects ourselves, because that is where credentials leak: `Authorization` goes with
//! a request whose scheme, host and port are the registry's, and with no other. The same holds for
//! the places that uploads are sent to. How long we wait and how often we try is in `patience`, what
//! answers mean in `answer`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::{AUTHORIZATION, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use url::Url;

use super::answer::{Answer, setback};
use super::auth::{Action, Tokens};
use super::credentials::Credentials;
use super::failure::{Failure, FailureKind, Result};
use super::patience::{Retries, Setback, Timing, retry_after, stalled, watched};
use super::payload::Payload;
use super::tls;

/// As many as browsers follow.
const MOST_REDIRECTS: usize = 10;

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
                Ok(Answer::of(response, url, timing.stall))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_are_signed_are_not_shown() {
        let url = Url::parse("https://user:pw@blobs.example/a%2Fb?sig=secret#x").unwrap();
        assert_eq!(shown(&url), "https://blobs.example/a%2Fb");
    }
}
