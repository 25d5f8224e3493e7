//! What comes back from a registry, and what its refusals and our failures to reach it mean.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use url::Url;

use super::failure::{Failure, FailureKind};
use super::patience::{Pace, Setback, stalled};
use super::tls;
use super::transport::Scope;

/// Error messages longer than this are cut.
const LONGEST_REASON: usize = 500;
/// What came back, with its body still to be read.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Where it came from, after redirects.
    pub url: Url,
    response: reqwest::Response,
    stall: Duration,
}

impl Answer {
    pub fn of(response: reqwest::Response, url: &Url, stall: Duration) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, url: url.clone(), response, stall }
    }

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

/// What a request that got no answer means.
pub(super) fn setback(error: &reqwest::Error, url: &Url) -> Setback {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_registries_are_one_line() {
        let json = br#"{"errors":[{"code":"DENIED","message":"no\nway","detail":{}},{"code":"X"}]}"#;
        assert_eq!(reason(json).as_deref(), Some("DENIED: noway; X"));
        assert_eq!(reason(b"plain text\n").as_deref(), Some("plain text"));
        assert_eq!(reason(b"<html>"), None);
        assert_eq!(reason(&[b'x'; 9000]).unwrap().len(), LONGEST_REASON);
    }
}
