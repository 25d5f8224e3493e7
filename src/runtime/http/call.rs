//! One request through an instance of a component.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::Future;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::{Instrument, Span};
use wasmtime_wasi_http::handler::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::Body;
use super::admission::{self, Limited};
use super::instance::{self, Answer, Instance, Warm};
use super::shared::Shared;
use super::streaming::Streaming;
use crate::runtime::capability::{Capabilities, GuestOf};
use crate::runtime::cpu;
use crate::runtime::fault;
use crate::runtime::observer::{CallId, Content, Fault, Observer, RequestRecord, Stages};
use crate::runtime::prepare::Prepared;
use crate::runtime::stdio::CallOutput;
use crate::runtime::trace;

/// A component that answers HTTP requests.
pub struct HttpComponent<C: Capabilities> {
    component: Arc<Prepared<C>>,
    pre: Arc<ProxyPre<GuestOf<C>>>,
    warm: Arc<Warm<C>>,
    /// Instances with several requests at a time, where the component may have them.
    shared: Option<Box<Shared<C>>>,
    /// Which version of the workload this is; stamped on every request's record.
    generation: u64,
}

/// Why a request has no answer of the component.
#[derive(Debug)]
pub enum NoAnswer {
    /// Too many calls are in flight, and none ended in time.
    Busy,
    /// The request's body is longer than permitted.
    TooLarge,
    /// The client did not send the body that the component waited for.
    ClientStalled,
    /// The component did not answer in time.
    TimedOut(Arc<Fault>),
    /// The component trapped, gave an error code or gave nothing at all.
    Failed(Arc<Fault>),
}

impl NoAnswer {
    /// The status that says so.
    pub fn status(&self) -> StatusCode {
        match self {
            NoAnswer::Busy => StatusCode::SERVICE_UNAVAILABLE,
            NoAnswer::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            NoAnswer::ClientStalled => StatusCode::REQUEST_TIMEOUT,
            NoAnswer::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            NoAnswer::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether the same request may well have an answer a moment later.
    pub fn is_worth_another_try(&self) -> bool {
        matches!(self, NoAnswer::Busy)
    }

    /// What may be said to anybody.
    pub fn short_reason(&self) -> &'static str {
        match self {
            NoAnswer::Busy => "the component is busy",
            NoAnswer::TooLarge => "the body of the request is longer than permitted",
            NoAnswer::ClientStalled => "the body of the request did not come in time",
            NoAnswer::TimedOut(_) => "the component did not answer in time",
            NoAnswer::Failed(_) => "the component failed",
        }
    }

    /// The details, if there are any.
    pub fn fault(&self) -> Option<&Arc<Fault>> {
        match self {
            NoAnswer::Busy | NoAnswer::TooLarge | NoAnswer::ClientStalled => None,
            NoAnswer::TimedOut(fault) | NoAnswer::Failed(fault) => Some(fault),
        }
    }
}

/// The guest at work on one request: instantiate, call, done.
pub(super) type Work = Pin<Box<dyn Future<Output = wasmtime::Result<()>> + Send>>;

impl<C: Capabilities> HttpComponent<C> {
    /// Makes the component answer requests; `Err` gives back why it cannot.
    pub fn new(component: Arc<Prepared<C>>, generation: u64) -> wasmtime::Result<Self> {
        let pre = Arc::new(instance::pre(&component)?);
        let limits = component.limits;
        let shares = limits.pool_size > 0 && limits.concurrency > 1 && matches!(*pre, ProxyPre::P3(_));
        let shared =
            shares.then(|| Box::new(Shared::new(component.clone(), pre.clone(), limits.pool_size, limits.concurrency)));
        let warm = Arc::new(Warm::new(if shares { 0 } else { limits.pool_size }));
        Ok(HttpComponent { component, pre, warm, shared, generation })
    }

    /// Answers a request. Everything is told to the observer; the caller only renders what is not
    /// an answer.
    pub async fn answer(&self, request: Request<Incoming>, scheme: Scheme) -> Result<Response<Body>, NoAnswer> {
        let mut account = Account::open(self, &request, &scheme);
        if admission::is_too_large(&request, self.component.limits.body_bytes) {
            account.close(StatusCode::PAYLOAD_TOO_LARGE.as_u16());
            return Err(NoAnswer::TooLarge);
        }
        let permit = self.enter(&mut account).await?;
        account.entered = Some(Instant::now());
        let content = account.content.clone();
        let request = request.map(|body| Limited::new(body, self.component.limits.body_bytes, content));
        let awaited = request.body().awaited();
        let (send, receive) = oneshot::channel();
        let (work, output) = self.begin(request, scheme, send, &account);
        let limit = self.component.limits.request_time;
        match tokio::time::timeout(limit, first(work, receive)).await {
            // The client would go on waiting for the answer, or take the connection for another protocol's.
            Ok((Some(Ok(response)), _)) if response.status().is_informational() => {
                let status = response.status().as_u16();
                let error = wasmtime::Error::msg(format!("it answered with {status}, which is no final status"));
                Err(self.failed(&mut account, &error, &output))
            }
            Ok((Some(Ok(response)), rest)) => {
                Ok(self.stream(response, rest, Ongoing { account, output, _permit: permit }))
            }
            Ok((Some(Err(refusal)), rest)) => {
                // The guest may have trapped after it said so; that is the better explanation.
                let error = match rest {
                    Rest::Ended(Err(trap)) => trap,
                    _ => refusal,
                };
                Err(self.failed(&mut account, &error, &output))
            }
            Ok((None, Rest::Ended(Err(error)))) => Err(self.failed(&mut account, &error, &output)),
            Ok((None, _)) => {
                let error = wasmtime::Error::msg("it returned without setting a response");
                Err(self.failed(&mut account, &error, &output))
            }
            Err(_) if awaited.is_so() => {
                account.close(StatusCode::REQUEST_TIMEOUT.as_u16());
                Err(NoAnswer::ClientStalled)
            }
            Err(_) => {
                let error = wasmtime::Error::msg(format!("no answer within {}", seconds(limit)));
                let fault = self.report(&mut account, &error, &output);
                account.close(StatusCode::GATEWAY_TIMEOUT.as_u16());
                Err(NoAnswer::TimedOut(fault))
            }
        }
    }

    async fn enter(&self, account: &mut Account) -> Result<OwnedSemaphorePermit, NoAnswer> {
        if let Ok(permit) = self.component.calls.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let turn = async {
            let _place = self.component.queue.try_acquire().ok()?;
            let turn = self.component.calls.clone().acquire_owned();
            tokio::time::timeout(self.component.limits.queue_time, turn).await.ok()?.ok()
        };
        match turn.await {
            Some(permit) => Ok(permit),
            None => {
                account.close(StatusCode::SERVICE_UNAVAILABLE.as_u16());
                Err(NoAnswer::Busy)
            }
        }
    }

    /// The work on a request, not begun yet, and where its output goes.
    fn begin(
        &self,
        request: Request<Limited>,
        scheme: Scheme,
        send: oneshot::Sender<Answer>,
        account: &Account,
    ) -> (Work, Arc<CallOutput>) {
        if let Some(turn) = self.shared.as_ref().and_then(|shared| shared.turn()) {
            let span = account.span.in_scope(|| trace::guest("handle", &self.component.name));
            return turn.begin(request, scheme, send, account.call, span);
        }
        let warm = self.warm.take();
        let output = warm.as_ref().map_or_else(|| self.component.output(), |instance| instance.output.clone());
        output.serve(account.call);
        let (component, pre, pool, new) = (self.component.clone(), self.pre.clone(), self.warm.clone(), output.clone());
        let work = async move {
            let mut instance = match warm {
                Some(instance) => instance,
                None => {
                    let made = Instance::new(&component, &pre, new);
                    let instance = made.instrument(trace::instantiate(&component.name)).await?;
                    instance.output.made();
                    instance
                }
            };
            // One that trapped, was too slow or lost its client does not come here: it is dropped.
            let handle = trace::guest("handle", &component.name);
            if instance.answer(request, scheme, send).instrument(handle).await? {
                pool.keep(instance);
            }
            Ok(())
        };
        (cpu::held(self.component.cpu(), Box::pin(work.instrument(account.span.clone()))), output)
    }

    fn stream(&self, response: Response<HyperOutgoingBody>, rest: Rest, ongoing: Ongoing) -> Response<Body> {
        let mut ongoing = ongoing;
        let (head, body) = response.into_parts();
        ongoing.account.status = head.status.as_u16();
        ongoing.account.has_head(&ongoing.output, &head.headers);
        let mut failed = false;
        let work = match rest {
            Rest::Ended(Ok(())) => None,
            Rest::Ended(Err(error)) => {
                // The head is right and the body may be, too; what follows it failed.
                self.report(&mut ongoing.account, &error, &ongoing.output);
                failed = true;
                None
            }
            Rest::Working(work) => Some(work),
        };
        let component = self.component.clone();
        let length = body_length(&ongoing.account.method, &head);
        let body = Streaming::new(
            body,
            work,
            length,
            self.component.limits.request_time,
            ongoing,
            failed,
            move |ongoing, error| {
                report(&component, &mut ongoing.account, error, &ongoing.output);
            },
        );
        Response::from_parts(head, body.boxed_unsync())
    }

    fn failed(&self, account: &mut Account, error: &wasmtime::Error, output: &Arc<CallOutput>) -> NoAnswer {
        let fault = self.report(account, error, output);
        account.close(StatusCode::INTERNAL_SERVER_ERROR.as_u16());
        NoAnswer::Failed(fault)
    }

    fn report(&self, account: &mut Account, error: &wasmtime::Error, output: &Arc<CallOutput>) -> Arc<Fault> {
        report(&self.component, account, error, output)
    }
}

fn report<C: Capabilities>(
    component: &Prepared<C>,
    account: &mut Account,
    error: &wasmtime::Error,
    output: &Arc<CallOutput>,
) -> Arc<Fault> {
    account.failed = true;
    account.made = account.made.or_else(|| output.made_at());
    let what = format!("{} {}", account.method, account.path);
    let fault = fault::describe(&component.name, what, error, output.finish());
    component.observer().fault(fault.clone());
    fault
}

/// What is left of the guest's work when the head of the response is there.
enum Rest {
    Ended(wasmtime::Result<()>),
    Working(Work),
}

/// Drives the guest until it has set a response or ended. Nothing is spawned: the guest runs where
/// its connection does, and dropping this future stops it.
async fn first(mut work: Work, mut receive: oneshot::Receiver<Answer>) -> (Option<Answer>, Rest) {
    tokio::select! {
        biased;
        answer = &mut receive => (answer.ok(), Rest::Working(work)),
        ended = &mut work => {
            // The work holds the sender, so it is gone with it: an answer is here now or never.
            drop(work);
            (receive.try_recv().ok(), Rest::Ended(ended))
        }
    }
}

/// What lives as long as the response's body does.
pub(super) struct Ongoing {
    pub account: Account,
    pub output: Arc<CallOutput>,
    _permit: OwnedSemaphorePermit,
}

/// The record of a request; handed to the observer when it is closed or dropped.
pub(super) struct Account {
    observer: Arc<dyn Observer>,
    span: Span,
    call: CallId,
    scheme: &'static str,
    method: http::Method,
    path: String,
    started: Instant,
    /// When its turn came.
    entered: Option<Instant>,
    /// When the instance was there, if it needed one.
    made: Option<Instant>,
    /// When the head of the response was there.
    head: Option<Instant>,
    /// Sees what passes, if somebody wants to.
    pub content: Option<Arc<dyn Content>>,
    generation: u64,
    status: u16,
    complete: bool,
    cut: bool,
    /// The component trapped, was too slow, or said that it failed.
    failed: bool,
}

impl Account {
    fn open<C: Capabilities>(target: &HttpComponent<C>, request: &Request<Incoming>, scheme: &Scheme) -> Self {
        let scheme = if matches!(scheme, Scheme::Https) { "https" } else { "http" };
        let span = trace::request(request, scheme, &target.component.name, target.generation);
        let observer = target.component.observer().clone();
        observer.began(request.method(), scheme);
        let call = CallId::next(trace::id(&span));
        let content = observer.content(call, request.headers());
        Account {
            observer,
            call,
            span,
            scheme,
            method: request.method().clone(),
            path: request.uri().path_and_query().map_or("/", |path| path.as_str()).to_string(),
            started: Instant::now(),
            entered: None,
            made: None,
            head: None,
            content,
            generation: target.generation,
            status: 0,
            complete: false,
            cut: false,
            failed: false,
        }
    }

    /// The head of the response is there.
    fn has_head(&mut self, output: &CallOutput, headers: &http::HeaderMap) {
        self.made = output.made_at();
        self.head = Some(Instant::now());
        if let Some(content) = &self.content {
            content.response_head(headers);
        }
    }

    fn stages(&self, end: Instant) -> Stages {
        let entered = self.entered.unwrap_or(end);
        let made = self.made.unwrap_or(entered);
        let head = self.head.unwrap_or(end);
        Stages {
            queued: entered.saturating_duration_since(self.started),
            instance: made.saturating_duration_since(entered),
            head: head.saturating_duration_since(made),
            body: end.saturating_duration_since(head),
        }
    }

    fn close(&mut self, status: u16) {
        self.status = status;
        self.complete = true;
    }

    /// The body ends too early, and it is not the client's doing.
    pub fn cut(&mut self) {
        self.cut = true;
        self.complete = true;
    }

    /// The body has been sent to its end.
    pub fn complete(&mut self) {
        self.complete = true;
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let problem = match () {
            () if !self.complete => Some("client_left"),
            () if self.cut => Some("cut"),
            () if self.failed => Some("component_failed"),
            () => None,
        };
        trace::answered(&self.span, self.status, problem);
        let end = Instant::now();
        let stages = self.stages(end);
        self.observer.request(RequestRecord {
            call: self.call,
            scheme: self.scheme,
            method: std::mem::take(&mut self.method),
            path: std::mem::take(&mut self.path),
            status: self.status,
            time: end.saturating_duration_since(self.started),
            stages,
            generation: self.generation,
            client_left: !self.complete,
            cut: self.cut,
        });
    }
}

/// How many bytes of body the client is going to get, where the head decides that.
pub(crate) fn body_length(method: &http::Method, head: &http::response::Parts) -> Option<u64> {
    let bodiless = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if *method == http::Method::HEAD || bodiless {
        return Some(0);
    }
    head.headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pub(super) fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        1.0 => "1 second".into(),
        seconds => format!("{seconds} seconds"),
    }
}
