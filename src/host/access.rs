//! Who sees every request at the entrance: those that reach a workload, and those that do not.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use crate::runtime::http::call::body_length;
use crate::runtime::http::{Body, BodyError, Peer};
use crate::runtime::workload::WorkloadId;

/// Sees requests. Called from the threads that serve: it must not block.
pub trait AccessObserver: Send + Sync + 'static {
    /// A request was sent on to a workload; [`AccessObserver::ended`] follows.
    fn began(&self, workload: &WorkloadId);
    /// A request is over, also one that no workload got.
    fn ended(&self, access: Access);
}

/// One request at the entrance, when its response is over.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who answered; `None`: nobody was found, or was ready.
    pub workload: Option<WorkloadId>,
    /// Which of its replicas.
    pub workload_id: Option<String>,
    /// Which version of it; 0 without one.
    pub generation: u64,
    /// The client, as far as the connection tells.
    pub client: Option<SocketAddr>,
    /// `http` or `https`
    pub scheme: &'static str,
    pub version: Version,
    /// The host that was asked for, without its port; empty where none was named.
    pub host: String,
    pub method: Method,
    /// Path and query.
    pub path: String,
    pub status: u16,
    /// Of the response's body.
    pub bytes: u64,
    /// From the head of the request to the end of the response.
    pub time: Duration,
    /// Whether the response was sent to its end.
    pub complete: bool,
}

impl Access {
    /// One that the server answered itself, because it is none that a workload could be given. Its
    /// method and path, as far as it got.
    pub(super) fn refused(status: StatusCode, request: Option<(Method, String)>) -> Self {
        let (method, path) = request.unwrap_or_default();
        Access { method, path, status: status.as_u16(), complete: true, ..Access::default() }
    }
}

impl Default for Access {
    fn default() -> Self {
        Access {
            workload: None,
            workload_id: None,
            generation: 0,
            client: None,
            scheme: "http",
            version: Version::HTTP_11,
            host: String::new(),
            method: Method::GET,
            path: String::new(),
            status: 0,
            bytes: 0,
            time: Duration::ZERO,
            complete: false,
        }
    }
}

/// A request that is not over.
pub(super) struct Account {
    observer: Arc<dyn AccessObserver>,
    access: Access,
    begun: Instant,
}

impl Account {
    pub fn open(
        observer: Arc<dyn AccessObserver>,
        request: &Request<Incoming>,
        host: Option<&str>,
        scheme: &http::uri::Scheme,
    ) -> Self {
        let access = Access {
            client: request.extensions().get::<Peer>().map(|peer| peer.0),
            scheme: if *scheme == http::uri::Scheme::HTTPS { "https" } else { "http" },
            version: request.version(),
            host: host.unwrap_or_default().to_string(),
            method: request.method().clone(),
            path: request.uri().path_and_query().map_or("/", |path| path.as_str()).to_string(),
            ..Access::default()
        };
        Account { observer, access, begun: Instant::now() }
    }

    /// Somebody answers.
    pub fn sent_to(&mut self, workload: WorkloadId, workload_id: &str, generation: u64) {
        self.observer.began(&workload);
        self.access.workload = Some(workload);
        self.access.workload_id = Some(workload_id.to_string());
        self.access.generation = generation;
    }

    /// Follows the response to its end.
    pub fn follow(mut self, response: Response<Body>) -> Response<Body> {
        self.access.status = response.status().as_u16();
        let (head, body) = response.into_parts();
        // The connection does not ask for the end of what it knows to be over.
        let length = body_length(&self.access.method, &head);
        self.access.complete = body.is_end_stream() || length == Some(0);
        Response::from_parts(head, Followed { body, length, account: self }.boxed_unsync())
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.access.time = self.begun.elapsed();
        self.observer.ended(std::mem::take(&mut self.access));
    }
}

struct Followed {
    body: Body,
    length: Option<u64>,
    account: Account,
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(ctx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.account.access.bytes += bytes as u64;
                let is_whole = self.length == Some(self.account.access.bytes);
                self.account.access.complete = is_whole || self.body.is_end_stream();
            }
            Poll::Ready(None) => self.account.access.complete = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
