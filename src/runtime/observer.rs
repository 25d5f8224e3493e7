//! What happens at run time, for whoever shows or records it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::logs::v1::ScopeLogs;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::ScopeSpans;

use super::workload::WorkloadId;

/// Sees what guests do. Called from the threads that serve: it must not block.
pub trait Observer: Send + Sync + 'static {
    /// A request came; [`Observer::request`] follows when it is over.
    fn began(&self, method: &http::Method, scheme: &'static str) {
        let _ = (method, scheme);
    }
    /// A request was answered, or its client left.
    fn request(&self, request: RequestRecord);
    /// A guest wrote a line, or logged.
    fn output(&self, output: Output);
    /// A call of a guest failed.
    fn fault(&self, fault: Arc<Fault>);
    /// A connection of a guest was denied, or failed for a reason that the guest gets no words for.
    fn network(&self, notice: NetworkNotice) {
        let _ = notice;
    }
    /// A service has come into another state.
    fn service(&self, record: ServiceRecord) {
        let _ = record;
    }
    /// A workload that was made ready does something else than its settings seem to say.
    fn notice(&self, notice: WorkloadNotice) {
        let _ = notice;
    }
    /// A component was instantiated, or an instance of it has ended.
    fn instance(&self, change: InstanceChange) {
        let _ = change;
    }
    /// Who sees what this workload does, where workloads are told apart; asked when a version of it is
    /// made ready. `None`: this observer itself.
    fn of_workload(&self, workload: &WorkloadId) -> Option<Arc<dyn Observer>> {
        let _ = workload;
        None
    }
    #[doc(hidden)]
    /// A component was given a message, and is done with it.
    fn message(&self, message: MessageRecord) {
        let _ = message;
    }
    #[doc(hidden)]
    /// Takes what a request and its answer have in them, if somebody wants to see it; asked for each request.
    fn content(&self, call: CallId, headers: &http::HeaderMap) -> Option<Arc<dyn Content>> {
        let _ = (call, headers);
        None
    }
    #[doc(hidden)]
    /// Whether [`Observer::signal`] does anything with such a signal; asked each time.
    fn wants(&self, kind: GuestSignalKind) -> bool {
        let _ = kind;
        false
    }
    #[doc(hidden)]
    /// A guest recorded something itself, through `wasi:otel`.
    fn signal(&self, signal: GuestSignal) {
        let _ = signal;
    }
}

/// Sees what one request and its answer have in them, as it passes. Called from the threads that serve: it must
/// not block.
#[allow(unnameable_types, missing_docs, reason = "seen through `Observer::content` only, which is hidden")]
pub trait Content: Send + Sync {
    /// A part of the request's body, as the component took it.
    fn request_body(&self, bytes: &[u8]);
    fn response_head(&self, headers: &http::HeaderMap);
    /// A part of the response's body, as the client was sent it.
    fn response_body(&self, bytes: &[u8]);
}

/// What a guest recorded, in the form that collectors take.
#[derive(Clone, Debug)]
#[allow(
    unnameable_types,
    missing_docs,
    reason = "its types are those of the collectors' protocol: not for other programs"
)]
pub enum GuestSignal {
    /// Spans that have ended.
    Span(Box<ScopeSpans>),
    /// Log records, and what the guest says of itself.
    Log(Option<Resource>, Box<ScopeLogs>),
    Metrics(Box<ResourceMetrics>),
}

/// Of which kind a [`GuestSignal`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(unnameable_types, missing_docs, reason = "as `GuestSignal`")]
pub enum GuestSignalKind {
    Span,
    Log,
    Metrics,
}

/// What happened to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceChange {
    /// It is there.
    Made,
    /// It is gone.
    Ended,
}

/// Which call of a guest something belongs to: a request, or a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallId {
    /// Counts the calls of this process, from 1; 0: none that is known.
    pub number: u64,
    /// Where it stands in a trace, if somebody records traces.
    pub trace: Option<TraceId>,
}

impl CallId {
    /// The next number, with the place of a span in its trace.
    pub(crate) fn next(trace: Option<TraceId>) -> Self {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        CallId { number: CALLS.fetch_add(1, Ordering::Relaxed) + 1, trace }
    }
}

/// A span of a trace, as W3C Trace Context names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId {
    /// The trace.
    pub trace: u128,
    /// The span in it.
    pub span: u64,
    /// Whether the trace is recorded.
    pub sampled: bool,
}

/// One request, when its response is over.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// Which call it was.
    pub call: CallId,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// e.g. `GET`
    pub method: http::Method,
    /// Path and query.
    pub path: String,
    /// What the client was answered.
    pub status: u16,
    /// From the request's head to the end of the response's body.
    pub time: Duration,
    /// What that time was spent on.
    pub stages: Stages,
    /// Which version of the workload answered.
    pub generation: u64,
    /// Whether the client left before the response was complete.
    pub client_left: bool,
    /// Whether the response was cut because the component failed in the middle of it.
    pub cut: bool,
}

/// What the time of a request was spent on, one after the other. A stage that was not reached has no time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// Waiting for a turn, because too many calls were in flight.
    pub queued: Duration,
    /// Making an instance; nothing where a kept one answered.
    pub instance: Duration,
    /// The component's work, to the head of the response.
    pub head: Duration,
    /// From there to the end of the response's body.
    pub body: Duration,
}

/// A message that a component was given.
#[derive(Clone, Debug)]
#[allow(unnameable_types, reason = "seen through `Observer::message` only, which is hidden")]
pub struct MessageRecord {
    /// Which call it was.
    pub call: CallId,
    /// The component's name in its workload.
    pub component: Arc<str>,
    /// Where the message went.
    pub subject: String,
    /// What it said.
    pub body: bytes::Bytes,
    /// Where an answer was to go.
    pub reply_to: Option<String>,
    /// How long the component took.
    pub time: Duration,
    /// Why it failed, in words.
    pub error: Option<String>,
}

/// Where a guest wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Through `wasi:logging`.
    Log(Level),
}

/// The severities of `wasi:logging`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What exactly is done.
    Trace,
    /// For who looks for a fault.
    Debug,
    /// What happens.
    Info,
    /// What may become a fault.
    Warn,
    /// What failed.
    Error,
    /// What ends the component's use.
    Critical,
}

/// A line of a guest.
#[derive(Clone, Debug)]
pub struct Output {
    /// The component's name in its workload.
    pub component: Arc<str>,
    /// Where to.
    pub stream: Stream,
    /// `wasi:logging`'s context; empty for stdout and stderr.
    pub context: String,
    /// Without the line break.
    pub line: String,
    /// During which call; with number 0 where that cannot be told.
    pub call: CallId,
}

/// A call of a guest that failed: a trap, a time-out, a broken promise.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The component's name in its workload.
    pub component: Arc<str>,
    /// What was being done, e.g. `GET /trap`.
    pub what: String,
    /// In words, e.g. `the component trapped: unreachable`.
    pub reason: String,
    /// Names and source lines of the guest's code, innermost first.
    pub frames: Vec<Frame>,
    /// The last lines that the guest wrote to stderr during this call.
    pub stderr: Vec<String>,
    /// The call; with number 0 where it was none, as a trial at the start.
    pub call: CallId,
}

/// One function on the guest's stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Demangled.
    pub function: String,
    /// `file:line`, where the component carries that.
    pub location: Option<String>,
}

/// Why a component could not connect. Each reason is told once of a component.
#[derive(Clone, Debug)]
pub struct NetworkNotice {
    /// The component's name in its workload.
    pub component: Arc<str>,
    /// What happened to what, and why.
    pub reason: String,
    /// What to change.
    pub hint: Option<String>,
    /// Whether it was denied by the network policy.
    pub denied: bool,
}

/// What a workload does otherwise than its settings seem to say.
#[derive(Clone, Debug)]
pub struct WorkloadNotice {
    /// `namespace/name` of the workload.
    pub workload: String,
    /// What is so, and why.
    pub reason: String,
    /// What to change.
    pub hint: Option<String>,
}

/// How a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRecord {
    /// The component's name in its workload.
    pub service: Arc<str>,
    /// What it does.
    pub state: ServiceState,
    /// How often it was started again since this version of it was started.
    pub restarts: u64,
    /// The version of the workload that brought it.
    pub generation: u64,
}

/// The life of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceState {
    /// Being instantiated.
    Starting,
    /// At work.
    Running,
    /// It failed, and is started again after a pause.
    BackingOff {
        /// In words.
        reason: String,
        /// Until it is started again.
        pause: Duration,
        /// Which of the restarts that it may have in a row this is.
        attempt: u64,
        /// How many it may have.
        most: u64,
    },
    /// It has ended well, and is not started again.
    Completed,
    /// It has failed too often, and is not started again.
    Failed {
        /// In words.
        reason: String,
    },
    /// It was stopped: a newer version takes its place, or the workload ends.
    Stopped,
}

/// Two who see the same.
pub struct Both(pub Arc<dyn Observer>, pub Arc<dyn Observer>);

impl Observer for Both {
    fn began(&self, method: &http::Method, scheme: &'static str) {
        self.0.began(method, scheme);
        self.1.began(method, scheme);
    }

    fn request(&self, request: RequestRecord) {
        self.0.request(request.clone());
        self.1.request(request);
    }

    fn output(&self, output: Output) {
        self.0.output(output.clone());
        self.1.output(output);
    }

    fn fault(&self, fault: Arc<Fault>) {
        self.0.fault(fault.clone());
        self.1.fault(fault);
    }

    fn network(&self, notice: NetworkNotice) {
        self.0.network(notice.clone());
        self.1.network(notice);
    }

    fn notice(&self, notice: WorkloadNotice) {
        self.0.notice(notice.clone());
        self.1.notice(notice);
    }

    fn instance(&self, change: InstanceChange) {
        self.0.instance(change);
        self.1.instance(change);
    }

    fn service(&self, record: ServiceRecord) {
        self.0.service(record.clone());
        self.1.service(record);
    }

    fn of_workload(&self, workload: &WorkloadId) -> Option<Arc<dyn Observer>> {
        let (one, other) = (self.0.of_workload(workload), self.1.of_workload(workload));
        if one.is_none() && other.is_none() {
            return None;
        }
        let (one, other) = (one.unwrap_or_else(|| self.0.clone()), other.unwrap_or_else(|| self.1.clone()));
        Some(Arc::new(Both(one, other)))
    }

    fn message(&self, message: MessageRecord) {
        self.0.message(message.clone());
        self.1.message(message);
    }

    fn content(&self, call: CallId, headers: &http::HeaderMap) -> Option<Arc<dyn Content>> {
        // One is enough for all that there is to see; nobody has two who look at it.
        self.0.content(call, headers).or_else(|| self.1.content(call, headers))
    }

    fn wants(&self, kind: GuestSignalKind) -> bool {
        self.0.wants(kind) || self.1.wants(kind)
    }

    fn signal(&self, signal: GuestSignal) {
        self.0.signal(signal.clone());
        self.1.signal(signal);
    }
}

/// Shows nothing.
pub struct Blind;

impl Observer for Blind {
    fn request(&self, _: RequestRecord) {}
    fn output(&self, _: Output) {}
    fn fault(&self, _: Arc<Fault>) {}
}
