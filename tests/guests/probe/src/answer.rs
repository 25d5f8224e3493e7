//! Responses: text, bytes, nothing, and refusals with a status and a reason.

use std::fmt;
use wstd::http::{Body, Error, Response, StatusCode};

pub type Reply = Result<Response<Body>, Error>;

/// An error that has a status of its own. Any other error becomes a 500.
#[derive(Debug)]
pub struct Refusal {
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

/// Answers with one line for each item.
pub fn lines<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Reply {
    text(items.into_iter().map(|item| format!("{}\n", item.as_ref())).collect::<String>())
}

pub fn bytes(body: impl Into<Body>) -> Reply {
    Ok(Response::builder().header("content-type", "application/octet-stream").body(body.into())?)
}

pub fn done() -> Reply {
    Ok(Response::builder().status(StatusCode::NO_CONTENT).body(Body::empty())?)
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
