//! HTTP in and out: bodies that stream, heads that are shown, requests that are sent on.

use crate::answer::{Reply, bytes as bytes_reply, late_empty_chunk, lines, no_body, refuse, text};
use crate::call::Call;
use futures_lite::stream;
use wstd::http::body::Bytes;
use wstd::http::{Body, Client, Method, Request, Response, StatusCode, Uri};
use wstd::time::Duration;

/// Sends the body back while it is still coming in.
pub fn echo(body: Body) -> Reply {
    bytes_reply(body)
}

/// Streams bytes that count 0 to 250 and start again.
pub fn bytes(n: u64) -> Reply {
    const CHUNK: usize = 251 * 256;
    let pattern = Bytes::from_iter((0..=250u8).cycle().take(CHUNK));
    let body = stream::unfold((pattern, n), |(pattern, left)| async move {
        let take = left.min(CHUNK as u64);
        (take > 0).then(|| (pattern.slice(..take as usize), (pattern, left - take)))
    });
    bytes_reply(Body::from_stream(body))
}

/// Streams numbered lines with a pause before each but the first.
pub fn drip(n: u64, ms: u64) -> Reply {
    let body = stream::unfold(0, move |number| async move {
        if number == n {
            return None;
        }
        if number > 0 {
            wstd::task::sleep(Duration::from_millis(ms)).await;
        }
        Some((format!("drip {number}\n"), number + 1))
    });
    bytes_reply(Body::from_stream(body))
}

/// Shows the head of the request, with the pseudo-headers of HTTP/2 for what is not a header.
pub fn headers(call: &Call) -> Reply {
    let unset = "-".to_string();
    let mut shown = vec![
        format!(":method: {}", call.method),
        format!(":path: {}", call.target.as_ref().unwrap_or(&unset)),
        format!(":scheme: {}", call.scheme.as_ref().unwrap_or(&unset)),
        format!(":authority: {}", call.authority.as_ref().unwrap_or(&unset)),
    ];
    for (name, value) in &call.headers {
        shown.push(format!("{name}: {}", String::from_utf8_lossy(value)));
    }
    lines(shown)
}

pub fn status(code: u16) -> Reply {
    let mut reply = text(format!("status {code}"))?;
    *reply.status_mut() = StatusCode::from_u16(code)?;
    Ok(reply)
}

/// A 204 whose empty body comes late. What the host thinks of it goes to stderr.
pub fn no_content(ms: u64) -> Reply {
    Ok(Response::builder().status(StatusCode::NO_CONTENT).body(late_empty_chunk(ms))?)
}

/// Sends the request on, with its method and body, and answers with status and body of what comes back.
pub async fn fetch(call: &Call, body: Body) -> Reply {
    let url = call.need("url")?;
    let uri: Uri = match url.parse() {
        Ok(uri) => uri,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, format!("`{url}`: {error}")),
    };
    if uri.scheme().is_none() {
        return refuse(StatusCode::BAD_REQUEST, format!("`{url}` has no scheme"));
    }
    let body = match call.method {
        Method::GET | Method::HEAD if call.get("late").is_some() => late_empty_chunk(call.number("late", 0)?),
        Method::GET | Method::HEAD => no_body(),
        _ => body,
    };
    let request = Request::builder().method(call.method.clone()).uri(uri).body(body)?;
    match exchange(request).await {
        Ok(answer) => bytes_reply(answer),
        Err(error) => refuse(StatusCode::BAD_GATEWAY, format!("{error:#}")),
    }
}

async fn exchange(request: Request<Body>) -> Result<Vec<u8>, wstd::http::Error> {
    let response: Response<Body> = Client::new().send(request).await?;
    let mut answer = format!("{}\n", response.status().as_u16()).into_bytes();
    answer.extend(response.into_body().contents().await?);
    Ok(answer)
}
