//! What happens at run time, for whoever shows or records it.

use std::sync::Arc;
use std::time::Duration;

/// Sees what guests do. Called from the threads that serve: it must not block.
pub trait Observer: Send + Sync + 'static {
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
}

/// One request, when its response is over.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    pub method: http::Method,
    /// Path and query.
    pub path: String,
    pub status: u16,
    /// From the request's head to the end of the response's body.
    pub time: Duration,
    /// Which version of the workload answered.
    pub generation: u64,
    /// Whether the client left before the response was complete.
    pub client_left: bool,
    /// Whether the response was cut because the component failed in the middle of it.
    pub cut: bool,
}

/// Where a guest wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
    /// Through `wasi:logging`.
    Log(Level),
}

/// The severities of `wasi:logging`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

/// A line of a guest.
#[derive(Clone, Debug)]
pub struct Output {
    /// The component's name in its workload.
    pub component: Arc<str>,
    pub stream: Stream,
    /// `wasi:logging`'s context; empty for stdout and stderr.
    pub context: String,
    /// Without the line break.
    pub line: String,
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

/// How a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRecord {
    /// The component's name in its workload.
    pub service: Arc<str>,
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
        reason: String,
        pause: Duration,
        /// Which of the restarts that it may have in a row this is.
        attempt: u64,
        most: u64,
    },
    /// It has ended well, and is not started again.
    Completed,
    /// It has failed too often, and is not started again.
    Failed { reason: String },
    /// It was stopped: a newer version takes its place, or the workload ends.
    Stopped,
}

/// Shows nothing.
pub struct Blind;

impl Observer for Blind {
    fn request(&self, _: RequestRecord) {}
    fn output(&self, _: Output) {}
    fn fault(&self, _: Arc<Fault>) {}
}
