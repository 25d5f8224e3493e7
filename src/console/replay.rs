//! Sends a request to the loop, as it was recorded or with changes.

use std::time::{Duration, Instant};

use base64::Engine as _;
use http::header::{self, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::Loop;
use super::data::{self, Given};
use super::journal::milliseconds;
use super::recorder::{Recorded, is_secret};
use crate::error::{Error, Result};

/// What stands in place of a secret. Sent back, it means the value that was recorded.
pub const MASK: &str = "***";
/// How long an answer may take beyond the time of a request.
const GRACE: Duration = Duration::from_secs(5);
/// The most of an answer that is read, in bytes.
const LARGEST: usize = 1 << 20;
/// How long it may take until an answered request is recorded.
const RECORDED: Duration = Duration::from_secs(1);

/// A request to send.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    method: String,
    /// Path and query.
    path: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    base64: Option<String>,
    /// The request that it was made from; masked headers are taken from there.
    #[serde(default)]
    number: Option<u64>,
}

pub async fn replay(about: &Loop, replay: Replay) -> Result<Json> {
    if !replay.path.starts_with('/') {
        return Err(Error::usage(format!("the path `{}` does not begin with a slash", replay.path)));
    }
    let url = about.journal.story().url.ok_or_else(|| Error::failed("the loop does not listen yet"))?;
    let url =
        url::Url::parse(&url).map_err(|error| Error::bug("the loop's address is none").cause(error.to_string()))?;
    if url.scheme() != "http" {
        return Err(Error::failed("not supported yet: sending a request to a loop that serves HTTPS")
            .hint("send it with curl, or leave out `dev.tls_cert_path` meanwhile"));
    }
    let (host, port) = (url.host_str().unwrap_or("127.0.0.1"), url.port_or_known_default().unwrap_or(80));
    let authority = format!("{host}:{port}");
    let body = Given { text: replay.text.clone(), base64: replay.base64.clone() }.bytes()?;
    let mut builder = http::Request::builder().method(replay.method.as_str()).uri(replay.path.as_str());
    let mut has_host = false;
    for (name, value) in headers(about, &replay)? {
        has_host |= name == header::HOST;
        builder = builder.header(name, value);
    }
    if !has_host {
        builder = builder.header(header::HOST, &authority);
    }
    let wrong = |error: http::Error| Error::usage("this is no request").cause(error.to_string());
    let request = builder.body(Full::new(body)).map_err(wrong)?;
    let before = about.recorder.last_request();
    let limit = about.project().settings.dev.request_timeout_seconds;
    let limit = limit.map_or(Duration::from_secs(30), Duration::from_secs) + GRACE;
    let begun = Instant::now();
    let failed = |error: &(dyn std::error::Error + 'static)| Error::caused_by("the request got no answer", error);
    let exchange = async {
        let address = (host.trim_matches(['[', ']']), port);
        let stream = tokio::net::TcpStream::connect(address).await.map_err(|error| failed(&error))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| failed(&error))?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
        let (head, mut body) = response.into_parts();
        let mut recorded = Recorded::default();
        while recorded.size < LARGEST as u64 {
            match body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        recorded.bytes.extend_from_slice(data);
                        recorded.size += data.len() as u64;
                    }
                }
                Some(Err(error)) => return Err(failed(&error)),
                None => break,
            }
        }
        connection.abort();
        Ok((head, recorded))
    };
    let exchange = tokio::time::timeout(limit, exchange).await;
    let (head, body) =
        exchange.map_err(|_| Error::failed(format!("the request got no answer within {} s", limit.as_secs())))??;
    let time = begun.elapsed();
    let recorded = async {
        loop {
            let is_it = |request: &std::sync::Arc<super::recorder::Request>| {
                request.record.path == replay.path && request.record.method.as_str() == replay.method
            };
            if let Some(request) = about.recorder.requests(before, usize::MAX).into_iter().find(is_it) {
                return request.number;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let number = tokio::time::timeout(RECORDED, recorded).await.ok();
    Ok(json!({
        "number": number, "status": head.status.as_u16(), "headers": shown_headers(&head.headers),
        "body": data::shown_body(&body), "milliseconds": milliseconds(time),
    }))
}

/// The headers to send. Those that say how the body is sent are up to us.
fn headers(about: &Loop, replay: &Replay) -> Result<Vec<(HeaderName, HeaderValue)>> {
    let recorded = replay.number.and_then(|number| about.recorder.details(number)).and_then(|details| details.parts);
    let ours = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::EXPECT, header::UPGRADE];
    let mut headers = Vec::new();
    for (name, value) in &replay.headers {
        let wrong = || Error::usage(format!("`{name}: {value}` is no header"));
        let header = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
        if ours.contains(&header) {
            continue;
        }
        let before = recorded.as_ref().and_then(|parts| parts.request_headers.get(&header));
        let value = match before.filter(|_| value.trim() == MASK && is_secret(&header)) {
            Some(before) => before.clone(),
            None => HeaderValue::try_from(value.trim()).map_err(|_| wrong())?,
        };
        headers.push((header, value));
    }
    Ok(headers)
}

/// Names and values; what would let others act as the user is masked.
pub fn shown_headers(headers: &http::HeaderMap) -> Json {
    let shown = |(name, value): (&HeaderName, &HeaderValue)| {
        let value = match (is_secret(name), value.to_str()) {
            (true, _) => MASK.to_string(),
            (false, Ok(value)) => value.to_string(),
            (false, Err(_)) => base64::engine::general_purpose::STANDARD.encode(value.as_bytes()),
        };
        json!([name.as_str(), value])
    };
    headers.iter().map(shown).collect()
}
