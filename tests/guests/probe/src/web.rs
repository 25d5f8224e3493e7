//! HTTP in and out: bodies that stream, heads that are shown, requests that are sent on.

use crate::answer::{Reply, bytes as bytes_reply, late_empty_chunk, lines, no_body, refusal, refuse, text};
use crate::call::Call;
use futures_lite::stream;
use wstd::http::body::Bytes;
use wstd::http::body::util::BodyExt;
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
    let uri = target(call)?;
    let body = match call.method {
        Method::GET | Method::HEAD if call.get("late").is_some() => late_empty_chunk(call.number("late", 0)?),
        Method::GET | Method::HEAD => no_body(),
        _ => body,
    };
    match exchange(&client(call)?, request(call, uri, body)?).await {
        Ok(answer) => bytes_reply(answer),
        Err(error) => refuse(StatusCode::BAD_GATEWAY, format!("{error:#}")),
    }
}

/// Sends the request on and answers with what comes back while it comes.
pub async fn relay(call: &Call, body: Body) -> Reply {
    let uri = target(call)?;
    let body = if call.method == Method::GET { no_body() } else { body };
    match client(call)?.send(request(call, uri, body)?).await {
        Ok(response) => bytes_reply(response.into_body()),
        Err(error) => refuse(StatusCode::BAD_GATEWAY, format!("{error:#}")),
    }
}

fn target(call: &Call) -> Result<Uri, wstd::http::Error> {
    let url = call.need("url")?;
    match url.parse::<Uri>() {
        Ok(uri) if uri.scheme().is_none() => Err(refusal(StatusCode::BAD_REQUEST, format!("`{url}` has no scheme"))),
        Ok(uri) => Ok(uri),
        Err(error) => Err(refusal(StatusCode::BAD_REQUEST, format!("`{url}`: {error}"))),
    }
}

fn request(call: &Call, uri: Uri, body: Body) -> Result<Request<Body>, wstd::http::Error> {
    let mut request = Request::builder().method(call.method.clone()).uri(uri);
    // Types and test headers go on; the rest belongs to this connection.
    for (name, value) in &call.headers {
        if let Some(own) = name.strip_prefix("x-as-") {
            request = request.header(own, value.as_slice());
        } else if name == "content-type" || name == "te" || name.starts_with("x-") {
            request = request.header(name, value.as_slice());
        }
    }
    Ok(request.body(body)?)
}

fn client(call: &Call) -> Result<Client, wstd::http::Error> {
    let mut client = Client::new();
    let time = |name| Ok::<_, wstd::http::Error>(Duration::from_millis(call.number(name, 0)?));
    if call.get("connect").is_some() {
        client.set_connect_timeout(time("connect")?);
    }
    if call.get("first").is_some() {
        client.set_first_byte_timeout(time("first")?);
    }
    if call.get("between").is_some() {
        client.set_between_bytes_timeout(time("between")?);
    }
    Ok(client)
}

async fn exchange(client: &Client, request: Request<Body>) -> Result<Vec<u8>, wstd::http::Error> {
    let response: Response<Body> = client.send(request).await?;
    let mut answer = format!("{}\n", response.status().as_u16()).into_bytes();
    let body = response.into_body().into_boxed_body().collect().await?;
    let trailers = body.trailers().cloned();
    answer.extend(body.to_bytes());
    for (name, value) in trailers.iter().flatten() {
        answer.extend(format!("\n{name}: {}", String::from_utf8_lossy(value.as_bytes())).into_bytes());
    }
    Ok(answer)
}
