//! HTTP for many workloads: a server, and who of them answers a request.
//!
//! A [`Router`] knows the workloads and chooses; [`HttpServer`] listens and hands requests on. A host
//! only knows [`HostHandler`], so that one may have an entrance of its own.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::{HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

use super::access::{Access, AccessObserver, Account};
use super::{Ready, Slot};
use crate::error::{Error, Result};
use crate::runtime::http::server::{Bound, ServeOptions, Server, ServerLimits};
use crate::runtime::http::tls::{Certificates, TlsFiles};
use crate::runtime::http::{Body, Handler, Notice, plain};
use crate::runtime::workload::Workload;

/// The entrance for HTTP requests to a host's workloads. [`HttpServer`] is one.
///
/// None of its functions may ask the host for anything: the host holds its list of workloads meanwhile.
pub trait HostHandler: Send + Sync + 'static {
    /// Begins to take requests. Called once, before the first workload.
    ///
    /// Errors: it cannot.
    fn start(&self) -> Result<()> {
        Ok(())
    }

    /// Learns of a workload. Called before anything of it is ready, so that its requests can be told
    /// to come again; and once more with the same target when the workload has been replaced.
    ///
    /// Errors: the workload's configuration of `wasi:http` is wrong, or contradicts another
    /// workload's. Nothing may have changed then.
    fn on_workload_bind(&self, workload: &Workload, target: &Target) -> Result<()>;

    /// Forgets a workload: no request reaches it after this.
    fn on_workload_unbind(&self, workload_id: &str);

    /// Takes no more requests, and waits until those that are here have their answers, at most
    /// `patience`. Returns how many connections had to be cut.
    fn stop(&self, patience: Duration) -> BoxFuture<'_, usize>;

    /// Where it listens.
    fn address(&self) -> Option<SocketAddr> {
        None
    }
}

/// Chooses the workload that answers a request.
pub trait Router: Send + Sync + 'static {
    /// Learns of a workload, as [`HostHandler::on_workload_bind`].
    ///
    /// Errors: the workload's configuration of `wasi:http` is wrong, or contradicts another
    /// workload's.
    fn on_workload_bind(&self, workload: &Workload, target: &Target) -> Result<()>;

    /// Forgets a workload.
    fn on_workload_unbind(&self, workload_id: &str);

    /// Chooses. Called for every request, on the threads that serve, so it must not wait.
    fn route(&self, request: &RequestHead<'_>) -> Route;
}

/// What a router decides by.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// e.g. `GET`
    pub method: &'a Method,
    /// Path and query; in HTTP/2 also scheme and authority.
    pub uri: &'a Uri,
    /// The header fields.
    pub headers: &'a HeaderMap,
}

impl<'a> RequestHead<'a> {
    /// The host that the request is for, as the client wrote it and without the port; `None` where it
    /// names none.
    pub fn host(&self) -> Option<&'a str> {
        let named = match self.uri.authority() {
            Some(authority) => authority.as_str(),
            None => self.headers.get(HOST)?.to_str().ok()?,
        };
        // The port follows the last colon, unless that stands inside the brackets of an IPv6 address.
        let end = match (named.rfind(':'), named.rfind(']')) {
            (Some(colon), Some(bracket)) if colon < bracket => named.len(),
            (Some(colon), _) => colon,
            (None, _) => named.len(),
        };
        Some(&named[..end]).filter(|host| !host.is_empty())
    }

    /// The path, without the query.
    pub fn path(&self) -> &'a str {
        self.uri.path()
    }
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub enum Route {
    /// To this workload.
    To(Target),
    /// To nobody: 404.
    NotFound,
    /// To somebody who is not ready yet: 503.
    NotReady,
}

/// A workload to whom requests can be sent, whichever version of it serves. Cheap to clone.
#[derive(Clone)]
pub struct Target {
    workload_id: Arc<str>,
    slot: Arc<Slot>,
    /// What clients are told while nothing serves, if it is not just a matter of time.
    refusal: Option<&'static str>,
}

impl Target {
    pub(crate) fn new(workload_id: &str, slot: Arc<Slot>) -> Self {
        Target { workload_id: workload_id.into(), slot, refusal: None }
    }

    /// A workload that should be there and is not: clients get this reason, until another target of the
    /// same host serves. Strangers read it, so that it has no details.
    pub(crate) fn refusing(workload_id: &str, reason: &'static str) -> Self {
        Target { refusal: Some(reason), ..Target::new(workload_id, Arc::default()) }
    }

    /// Whether requests are refused with a reason of their own.
    pub(crate) fn refuses(&self) -> bool {
        self.refusal.is_some()
    }

    /// The workload.
    pub fn workload_id(&self) -> &str {
        &self.workload_id
    }

    /// Whether a version of it serves.
    pub fn is_ready(&self) -> bool {
        self.slot.serving().is_some()
    }

    /// Whether a version of it serves that answers HTTP requests.
    pub fn answers_http(&self) -> bool {
        self.slot.serving().is_some_and(|ready| ready.http().is_some())
    }

    /// What serves now.
    pub(crate) fn serving(&self) -> Option<Arc<Ready>> {
        self.slot.serving()
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Target").field(&self.workload_id).finish()
    }
}

/// Listens, and hands each request to the workload that its router chooses.
pub struct HttpServer<R> {
    router: Arc<R>,
    address: SocketAddr,
    opts: Mutex<Options>,
    state: Mutex<State>,
}

struct Options {
    certificates: Option<Certificates>,
    limits: ServerLimits,
    threads: NonZeroUsize,
    access: Option<Arc<dyn AccessObserver>>,
}

enum State {
    Bound(Bound),
    Serving(Server),
    Stopped,
}

impl<R: Router> HttpServer<R> {
    /// Binds an address; port 0 takes a free one. Requests are answered when the host starts.
    ///
    /// Errors: the address is in use, or listening there is not permitted.
    #[allow(clippy::unused_async, reason = "so that looking names up can be added")]
    pub async fn new(router: R, address: SocketAddr) -> Result<Self> {
        let bound = Bound::bind(address)
            .map_err(|error| Error::caused_by(format!("cannot listen on {address}"), &error))
            .map_err(|error| error.hint("choose another port; 0 takes a free one"))?;
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Ok(HttpServer {
            router: Arc::new(router),
            address: bound.address(),
            opts: Mutex::new(Options { certificates: None, limits: ServerLimits::default(), threads, access: None }),
            state: Mutex::new(State::Bound(bound)),
        })
    }

    /// Serves HTTPS with the certificate and key of these files, which are read again when they
    /// change; with an authority, clients need a certificate of it.
    ///
    /// Errors: a file cannot be read, or is no certificate or key.
    pub fn with_tls(self, files: TlsFiles) -> Result<Self> {
        self.opts().certificates = Some(Certificates::read(files)?);
        Ok(self)
    }

    /// Serves HTTPS with several certificates: each client gets the one for the name that it asks for,
    /// or else the first.
    pub(crate) fn with_certificates(self, files: Vec<TlsFiles>) -> Result<Self> {
        self.opts().certificates = Some(Certificates::read_all(files)?);
        Ok(self)
    }

    /// What clients are held to.
    pub fn with_limits(self, limits: ServerLimits) -> Self {
        self.opts().limits = limits;
        self
    }

    /// How many threads accept and serve; without this one for each core.
    pub fn with_threads(self, threads: NonZeroUsize) -> Self {
        self.opts().threads = threads;
        self
    }

    /// Who sees every request, also those that no workload gets.
    pub(crate) fn with_access(self, access: Arc<dyn AccessObserver>) -> Self {
        self.opts().access = Some(access);
        self
    }

    /// Who chooses the workload.
    pub fn router(&self) -> &R {
        &self.router
    }

    /// Where it listens, with the port that was taken for 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn opts(&self) -> std::sync::MutexGuard<'_, Options> {
        self.opts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Router> HostHandler for HttpServer<R> {
    fn start(&self) -> Result<()> {
        let mut state = self.state();
        *state = match std::mem::replace(&mut *state, State::Stopped) {
            State::Bound(bound) => {
                let mut opts = self.opts();
                let front = Front { router: self.router.clone(), access: opts.access.take() };
                let opts =
                    ServeOptions { threads: opts.threads, certificates: opts.certificates.take(), limits: opts.limits };
                State::Serving(bound.serve_with(Arc::new(front), opts)?)
            }
            other => {
                *state = other;
                return Err(Error::usage("this HTTP server was started before").hint("make one server for each host"));
            }
        };
        Ok(())
    }

    fn on_workload_bind(&self, workload: &Workload, target: &Target) -> Result<()> {
        self.router.on_workload_bind(workload, target)
    }

    fn on_workload_unbind(&self, workload_id: &str) {
        self.router.on_workload_unbind(workload_id);
    }

    fn stop(&self, patience: Duration) -> BoxFuture<'_, usize> {
        let state = std::mem::replace(&mut *self.state(), State::Stopped);
        Box::pin(async move {
            match state {
                State::Serving(server) => server.drain(patience).await,
                State::Bound(_) | State::Stopped => 0,
            }
        })
    }

    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }
}

/// What the server's threads ask.
struct Front<R> {
    router: Arc<R>,
    access: Option<Arc<dyn AccessObserver>>,
}

impl<R: Router> Handler for Front<R> {
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        scheme: http::uri::Scheme,
    ) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            let head = RequestHead { method: request.method(), uri: request.uri(), headers: request.headers() };
            let mut account =
                self.access.clone().map(|observer| Account::open(observer, &request, head.host(), &scheme));
            let response = match self.router.route(&head) {
                Route::To(target) => answer(target, request, &scheme, account.as_mut()).await,
                Route::NotFound => plain(StatusCode::NOT_FOUND, "no workload answers for this host and path\n"),
                Route::NotReady => unavailable(NOT_READY),
            };
            match account {
                Some(account) => account.follow(response),
                None => response,
            }
        })
    }

    fn notice(&self, notice: Notice) {
        if let (Some(access), Notice::Refused { status, request, .. }) = (&self.access, &notice) {
            access.ended(Access::refused(*status, request.clone()));
        }
        match notice {
            Notice::CertificateRenewed => tracing::info!("the renewed certificate is in use"),
            Notice::CertificateUnusable(error) => {
                tracing::error!("the changed certificate cannot be used, the one before stays: {error}");
            }
            Notice::Refused { status, reason, .. } => tracing::debug!(%status, "a request was refused: {reason}"),
            Notice::NoHandshake { reason } => tracing::debug!("no TLS connection with a client: {reason}"),
        }
    }
}

async fn answer(
    target: Target,
    request: Request<Incoming>,
    scheme: &http::uri::Scheme,
    account: Option<&mut Account>,
) -> Response<Body> {
    // Between the choice and this, it may have been stopped.
    let Some(ready) = target.serving() else { return unavailable(target.refusal.unwrap_or(NOT_READY)) };
    if let Some(account) = account {
        account.sent_to(ready.workload().id(), target.workload_id(), ready.generation());
    }
    let Some(component) = ready.http() else {
        return plain(StatusCode::NOT_FOUND, "the workload answers no HTTP requests\n");
    };
    match component.answer(request, scheme_of(scheme)).await {
        Ok(response) => response,
        // Details are for the observer: strangers learn nothing of a component's inside.
        Err(no_answer) => {
            let mut response = plain(no_answer.status(), format!("{}\n", no_answer.short_reason()));
            if no_answer.is_worth_another_try() {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            response
        }
    }
}

/// The scheme, as guests are told.
pub(crate) fn scheme_of(scheme: &http::uri::Scheme) -> Scheme {
    if *scheme == http::uri::Scheme::HTTPS { Scheme::Https } else { Scheme::Http }
}

const NOT_READY: &str = "the workload is not ready yet";

fn unavailable(reason: &str) -> Response<Body> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(uri: &str, header: Option<&str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(HOST, header.parse().unwrap());
        }
        let uri: Uri = uri.parse().unwrap();
        RequestHead { method: &Method::GET, uri: &uri, headers: &headers }.host().map(String::from)
    }

    #[test]
    fn the_host_is_told_without_its_port() {
        assert_eq!(host("/", Some("a.example:8000")).unwrap(), "a.example");
        assert_eq!(host("/", Some("a.example")).unwrap(), "a.example");
        assert_eq!(host("http://b.example:1/", Some("a.example")).unwrap(), "b.example");
        assert_eq!(host("/", Some("[::1]:80")).unwrap(), "[::1]");
        assert_eq!(host("/", Some("[::1]")).unwrap(), "[::1]");
        assert_eq!(host("/", None), None);
        assert_eq!(host("/", Some(":80")), None);
    }
}
