//! Requests that are answered without asking anybody: malformed, too large, or for a tunnel.
//! And the limit of bodies.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderValue, Method, Request, StatusCode, Version, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use wasmtime_wasi_http::Error;

use crate::runtime::observer::Content;

/// The longest head of a request in bytes: its target, names and values. The HTTP/1 parser takes at
/// most 100 headers, and heads of at most about 400 KiB.
pub const HEAD_BYTES: usize = 64 << 10;

/// Finds a reason to refuse a request, with the status that says so.
pub fn refuse<B>(request: &Request<B>) -> Option<(StatusCode, &'static str)> {
    if *request.method() == Method::CONNECT {
        return Some((StatusCode::NOT_IMPLEMENTED, "this server makes no tunnels (CONNECT)"));
    }
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    if fields.fold(target, usize::saturating_add) > HEAD_BYTES {
        return Some((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head of the request is longer than 64 KiB"));
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Some((StatusCode::BAD_REQUEST, "the request has more than one Host")),
        (Some(host), None) if !is_authority(host) => Some((StatusCode::BAD_REQUEST, "the request's Host is no host")),
        (None, _) if request.uri().authority().is_none() && request.version() != Version::HTTP_10 => {
            Some((StatusCode::BAD_REQUEST, "the request has no Host"))
        }
        _ => None,
    }
}

/// Gives a request of HTTP/1.0, which need not name a host, the address that it came to.
pub fn complete<B>(request: &mut Request<B>, local: Option<SocketAddr>) {
    if request.uri().authority().is_some() || request.headers().contains_key(header::HOST) {
        return;
    }
    let value = local.and_then(|local| HeaderValue::from_str(&local.to_string()).ok());
    request.headers_mut().insert(header::HOST, value.unwrap_or(HeaderValue::from_static("localhost")));
}

/// Whether a request says of itself that its body is longer than permitted.
pub fn is_too_large<B: Body>(request: &Request<B>, limit: Option<u64>) -> bool {
    limit.is_some_and(|limit| request.body().size_hint().lower() > limit)
}

/// A request's body that fails when it turns out to be longer than permitted.
pub struct Limited {
    body: Incoming,
    left: Option<u64>,
    limit: u64,
    awaited: Awaited,
    content: Option<Arc<dyn Content>>,
}

/// Whether a guest waits for more of a request's body, which its client has not sent.
#[derive(Clone, Debug, Default)]
pub struct Awaited(Option<Arc<AtomicBool>>);

impl Awaited {
    pub fn is_so(&self) -> bool {
        self.0.as_ref().is_some_and(|awaited| awaited.load(Relaxed))
    }

    fn set(&self, awaited: bool) {
        if let Some(flag) = &self.0 {
            flag.store(awaited, Relaxed);
        }
    }
}

impl Limited {
    /// `content` sees what passes.
    pub fn new(body: Incoming, limit: Option<u64>, content: Option<Arc<dyn Content>>) -> Self {
        let awaited = Awaited((!body.is_end_stream()).then(Arc::default));
        Limited { body, left: limit, limit: limit.unwrap_or_default(), awaited, content }
    }

    pub fn awaited(&self) -> Awaited {
        self.awaited.clone()
    }
}

impl Body for Limited {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.awaited.set(frame.is_pending());
        let frame = futures::ready!(frame);
        if let (Some(Ok(frame)), Some(left)) = (&frame, self.left) {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            match left.checked_sub(length) {
                Some(left) => self.left = Some(left),
                None => return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(self.limit))))),
            }
        }
        if let (Some(content), Some(Ok(frame))) = (&self.content, &frame)
            && let Some(data) = frame.data_ref()
        {
            content.request_body(data);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Error::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn is_authority(host: &HeaderValue) -> bool {
    let text = host.to_str().unwrap_or_default();
    !text.contains('@') && text.parse::<Authority>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: http::request::Builder) -> Option<u16> {
        refuse(&request.body(()).unwrap()).map(|(status, _)| status.as_u16())
    }

    #[test]
    fn what_nobody_could_answer_is_refused() {
        let get = || Request::builder().uri("/a");
        assert_eq!(status(get().header("host", "a.example:80")), None);
        assert_eq!(status(get().header("host", "[::1]:80")), None);
        assert_eq!(status(Request::builder().uri("http://a.example/").version(Version::HTTP_2)), None);
        assert_eq!(status(get()), Some(400));
        assert_eq!(status(get().header("host", "")), Some(400));
        assert_eq!(status(get().header("host", "a b")), Some(400));
        assert_eq!(status(get().header("host", "user@a.example")), Some(400));
        assert_eq!(status(get().header("host", "a").header("host", "b")), Some(400));
        assert_eq!(status(get().version(Version::HTTP_10)), None);
        assert_eq!(status(Request::builder().method("CONNECT").uri("a.example:443").header("host", "a")), Some(501));
        let long = "x".repeat(HEAD_BYTES);
        assert_eq!(status(get().header("host", "a").header("x-long", &long)), Some(431));
        assert_eq!(status(get().header("host", "a").header("x-long", &long[..HEAD_BYTES - 20])), None);
    }

    #[test]
    fn http_1_0_gets_the_address_that_it_came_to() {
        let mut request = Request::builder().uri("/").version(Version::HTTP_10).body(()).unwrap();
        complete(&mut request, Some("127.0.0.1:8000".parse().unwrap()));
        assert_eq!(request.headers()["host"], "127.0.0.1:8000");
        request.headers_mut().insert("host", HeaderValue::from_static("mine"));
        complete(&mut request, None);
        assert_eq!(request.headers()["host"], "mine");
    }
}
