//! HTTP: the server, and one request through an instance.
//!
//! A request stays on the thread that accepted its connection, from the first byte to the last:
//! hops between threads were the largest cost after the instance itself. So each serving thread has
//! a single-threaded runtime, and all of them accept from the same listening socket.

mod activity;
mod admission;
pub mod call;
pub mod client;
mod failure;
mod instance;
pub mod outgoing;
mod pool;
pub mod server;
mod shared;
mod streaming;
pub mod tls;

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::uri::Scheme;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

use crate::error::Error;

/// The client of a request, among its extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub std::net::SocketAddr);

/// The body of a response.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a response's body ended early.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// What the server asks for an answer.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request, which came by this scheme. Dropping the future cancels the request: the
    /// client has left.
    fn handle(
        self: Arc<Self>,
        request: http::Request<Incoming>,
        scheme: Scheme,
    ) -> BoxFuture<'static, http::Response<Body>>;

    /// Learns what the server did by itself. Called on serving threads, so it must not wait.
    fn notice(&self, notice: Notice) {
        let _ = notice;
    }
}

/// What the server does without asking the handler.
#[derive(Debug)]
pub enum Notice {
    /// A request was answered with an error. Its method and path, as far as it got.
    Refused { status: http::StatusCode, request: Option<(http::Method, String)>, reason: &'static str },
    /// There is no TLS connection with a client.
    NoHandshake { reason: String },
    /// The certificate has changed; new connections get the new one.
    CertificateRenewed,
    /// The certificate has changed, and the new one cannot be used; the one before stays.
    CertificateUnusable(Error),
}

/// A body that is all there.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A response of our own, as plain text.
pub fn plain(status: http::StatusCode, text: impl Into<String>) -> http::Response<Body> {
    let mut response = http::Response::new(full(text.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
