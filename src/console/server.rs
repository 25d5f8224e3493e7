//! Serves the page and the socket: HTTP/1 on either, the same answers behind both.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

use super::client::document_of;
use super::door::{Door, Entry};
use super::{Loop, api, page};
use crate::error::{Context as _, Error, Result};

/// The largest body of a request, in bytes: a value of 64 MiB in base64.
const LARGEST: usize = 96 << 20;
/// How long the head of a request may take, and the pause before it.
const HEAD: Duration = Duration::from_secs(30);
/// How long the body of a request may take.
const BODY: Duration = Duration::from_secs(60);
/// Connections at one time; further ones wait.
const CONNECTIONS: usize = 64;
/// How often an open page is told that something has changed.
const TICK: Duration = Duration::from_millis(200);
/// After so many ticks without a change a line is sent all the same, so that a page that is gone is noticed.
const QUIET_TICKS: u32 = 75;
/// A pause after a connection could not be taken, e.g. without file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The page's listener, with its door.
pub struct Page {
    listener: tokio::net::TcpListener,
    pub door: Door,
}

impl Page {
    /// Takes a free port of the loopback.
    pub async fn open() -> Result<Self> {
        let listener = listen(0).await?;
        let port = listener.local_addr().context(|| "cannot tell the port of the console")?.port();
        Ok(Page { listener, door: Door::new(port)? })
    }

    /// Takes the same port again, or another one where it is taken meanwhile.
    pub async fn again(door: &Door) -> Result<Self> {
        match listen(door.port()).await {
            Ok(listener) => Ok(Page { listener, door: door.clone() }),
            Err(_) => Page::open().await,
        }
    }

    /// Answers until this is dropped.
    pub async fn serve(self, about: Arc<Loop>) {
        let (door, room) = (Arc::new(self.door), Arc::new(Semaphore::new(CONNECTIONS)));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (about, door) = (about.clone(), door.clone());
                    connections.spawn(async move {
                        connection(stream, about, Some(door)).await;
                        drop(permit);
                    });
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

async fn listen(port: u16) -> Result<tokio::net::TcpListener> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    listener.context(|| format!("cannot listen on 127.0.0.1:{port}"))
}

/// Answers on the control socket until this is dropped.
#[cfg(unix)]
pub async fn on_socket(listener: tokio::net::UnixListener, about: Arc<Loop>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let about = about.clone();
                connections.spawn(async move {
                    connection(stream, about, None).await;
                    drop(permit);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// There are no sockets on this system, and nobody calls this.
#[cfg(not(unix))]
pub async fn on_socket(never: Infallible, _: Arc<Loop>) {
    match never {}
}

/// One connection. Without a door it is the socket's, whose file lets nobody else in.
async fn connection<S>(stream: S, about: Arc<Loop>, door: Option<Arc<Door>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request| {
        let (about, door) = (about.clone(), door.clone());
        async move { Ok::<_, Infallible>(answer(request, about, door.as_deref()).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    // Whoever goes away in the middle is no concern of ours.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, about: Arc<Loop>, door: Option<&Door>) -> Response<Body> {
    let mut response = match door.map(|door| (door, door.look(request.method(), request.uri(), request.headers()))) {
        Some((_, Entry::Closed(reason))) => text(StatusCode::FORBIDDEN, format!("{reason}\n")),
        Some((door, Entry::Welcome)) => {
            let mut response = text(StatusCode::SEE_OTHER, String::new());
            response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/"));
            response.headers_mut().insert(header::SET_COOKIE, door.cookie());
            response
        }
        Some((_, Entry::Open)) | None => open_answer(request, about).await,
    };
    page::protect(response.headers_mut());
    response
}

async fn open_answer(request: Request<Incoming>, about: Arc<Loop>) -> Response<Body> {
    let path = request.uri().path().to_string();
    if let Some((kind, content)) = page::file(&path) {
        return match *request.method() {
            Method::GET | Method::HEAD => typed(StatusCode::OK, kind, Bytes::from_static(content.as_bytes())),
            _ => text(StatusCode::METHOD_NOT_ALLOWED, "a file is only read\n".into()),
        };
    }
    if path == "/api/v1/events" && *request.method() == Method::GET {
        return events(about);
    }
    match api_answer(request, &about).await {
        Ok(document) => json_response(StatusCode::OK, &document),
        Err((status, error)) => json_response(status, &json!({ "error": document_of(&error) })),
    }
}

async fn api_answer(request: Request<Incoming>, about: &Arc<Loop>) -> Result<Json, (StatusCode, Error)> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let Some(path) = path.strip_prefix("/api/v1/") else {
        return Err((StatusCode::NOT_FOUND, Error::usage(format!("there is nothing at `{path}`"))));
    };
    let bad = |error: Error| (StatusCode::BAD_REQUEST, error);
    let body = tokio::time::timeout(BODY, Limited::new(body, LARGEST).collect()).await;
    let body = body.map_err(|_| bad(Error::usage("the body of the request did not come in time")))?;
    let body = body.map_err(|error| {
        bad(Error::usage(format!("the body of the request cannot be read, or has more than {} MiB", LARGEST >> 20))
            .cause(error.to_string()))
    })?;
    let wish = api::Wish { method: &head.method, path, query: head.uri.query(), body: body.to_bytes() };
    match api::answer(about, wish).await {
        Ok(Some(document)) => Ok(document),
        Ok(None) => {
            let error = Error::usage(format!("there is nothing at `{} /api/v1/{path}`", head.method))
                .hint("another version of wash may be running: stop it and start it again");
            Err((StatusCode::NOT_FOUND, error))
        }
        Err(error) => Err(match error.exit_code() {
            2 => bad(error),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, error),
        }),
    }
}

/// Says whenever something has changed, until the page goes away. What has changed is asked for: a page that is slow,
/// or in the background, gets less of these and misses nothing.
fn events(about: Arc<Loop>) -> Response<Body> {
    let begin = (about, None::<Json>, 0);
    let changes = futures::stream::unfold(begin, |(about, seen, mut quiet)| async move {
        loop {
            let now = api::changes(&about);
            if seen.as_ref() != Some(&now) {
                let line = format!("event: changed\ndata: {now}\n\n");
                return Some((line, (about, Some(now), 0)));
            }
            quiet += 1;
            if quiet >= QUIET_TICKS {
                return Some((": still here\n\n".to_string(), (about, seen, 0)));
            }
            tokio::time::sleep(TICK).await;
        }
    });
    let frames = changes.map(|line| Ok::<_, Infallible>(Frame::data(Bytes::from(line))));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

fn json_response(status: StatusCode, document: &Json) -> Response<Body> {
    typed(status, "application/json", Bytes::from(document.to_string()))
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    typed(status, "text/plain; charset=utf-8", Bytes::from(text))
}

fn typed(status: StatusCode, kind: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(bytes).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
