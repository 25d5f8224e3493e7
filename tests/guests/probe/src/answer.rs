//! Responses: text, bytes, nothing, and refusals with a status and a reason.

use futures_lite::stream;
use std::fmt;
use wstd::http::body::{Bytes, util::Empty};
use wstd::http::{Body, Error, Response, StatusCode};
use wstd::time::Duration;

pub type Reply = Result<Response<Body>, Error>;

/// An error that has a status of its own. Any other error becomes a 500.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refusal {}

pub fn refusal(status: StatusCode, reason: impl Into<String>) -> Error {
    let reason = reason.into();
    Error::new(Refusal { status, reason })
}

pub fn refuse(status: StatusCode, reason: impl Into<String>) -> Reply {
    Err(refusal(status, reason))
}

/// Answers with text, exactly as given.
pub fn text(text: impl Into<String>) -> Reply {
    Ok(Response::builder().header("content-type", "text/plain; charset=utf-8").body(text.into().into())?)
}

/// Answers with a page.
pub fn html(page: &str) -> Reply {
    Ok(Response::builder().header("content-type", "text/html; charset=utf-8").body(page.to_string().into())?)
}

/// Answers with one line for each item.
pub fn lines<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Reply {
    text(items.into_iter().map(|item| format!("{}\n", item.as_ref())).collect::<String>())
}

pub fn bytes(body: impl Into<Body>) -> Reply {
    Ok(Response::builder().header("content-type", "application/octet-stream").body(body.into())?)
}

pub fn done() -> Reply {
    Ok(Response::builder().status(StatusCode::NO_CONTENT).body(no_body())?)
}

/// A body of no chunks. `Body::empty()` would write one empty chunk, which fails if the host has already closed the body
/// of a message that cannot have one. Most guests do that all the time, so there is `late_empty_chunk` to test it.
pub fn no_body() -> Body {
    Body::from_http_body(Empty::<Bytes>::new())
}

/// `Body::empty()` in slow motion: one empty chunk, after a pause.
pub fn late_empty_chunk(ms: u64) -> Body {
    Body::from_stream(stream::once_future(async move {
        wstd::task::sleep(Duration::from_millis(ms)).await;
        Bytes::new()
    }))
}

/// The response for an error: its status, and its reason as a line.
pub fn failure(error: &Error) -> Response<Body> {
    let status = match error.downcast_ref::<Refusal>() {
        Some(refusal) => refusal.status,
        None => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut response = Response::new(Body::from(format!("{error:#}\n")));
    *response.status_mut() = status;
    response
}
