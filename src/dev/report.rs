//! What the loop tells, and the way it takes from the threads that serve to whoever shows it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::component::Description;
use crate::error::Error;
use crate::progress::{Busy, Progress};
use crate::runtime::observer::{Fault, NetworkNotice, Observer, Output, RequestRecord, ServiceRecord};

/// Something that happened in the loop.
#[derive(Debug)]
pub enum Report {
    /// The port is bound; requests are answered from now on.
    Listening { url: String, address: std::net::SocketAddr },
    /// The page for people who look into the loop can be opened.
    Console { url: String },
    /// What will be built, and why so.
    Recognised { name: String, because: String, command: String },
    /// A build begins.
    Building { name: String },
    /// A step of a build that is worth telling, e.g. the installation of packages.
    Step { verb: String, object: String },
    /// Edits came while a build runs.
    Waiting { name: String, files: usize },
    /// A build ended well; `changed` says whether its component is another one.
    Built { name: String, path: PathBuf, description: Box<Description>, changed: bool, time: Duration },
    /// A build failed.
    BuildFailed { name: String, error: Error, time: Duration, still_serving: bool },
    /// A build was ended for a newer edit.
    BuildCancelled { name: String },
    /// A new version is compiled to machine code, linked and tried.
    Preparing { name: String },
    /// A new version serves.
    Ready(Swap),
    /// The new version cannot run; the one before it goes on.
    NotReady { error: Error, still_serving: bool },
    /// The server's certificate has changed and is in use.
    CertificateRenewed,
    /// These settings have changed and are in force.
    SettingsChanged { keys: Vec<String> },
    /// The settings cannot be read; those before go on.
    SettingsInvalid { error: Error },
    /// A request was answered.
    Request(RequestRecord),
    /// A component wrote a line.
    Output(Output),
    /// A call of a component failed.
    Fault(Arc<Fault>),
    /// A component could not connect: denied, or for a reason that it gets no words for.
    Network(NetworkNotice),
    /// The service has come into another state.
    Service(ServiceRecord),
    /// So many requests and lines were not shown, because they came too fast.
    NotShown { lines: u64 },
    /// Something odd.
    Warning { message: String, hint: Option<String> },
    /// What to type or change next.
    Hint { message: String },
    /// The loop ends; requests that run are finished.
    Stopping { connections: usize },
    /// The loop has ended.
    Stopped { cut: usize },
}

/// A new version that serves.
#[derive(Clone, Debug)]
pub struct Swap {
    pub generation: u64,
    /// Names of the components.
    pub components: Vec<String>,
    /// Name of the service, if there is one.
    pub service: Option<String>,
    /// Whether a component answers HTTP requests.
    pub http: bool,
    pub compile: Duration,
    pub link: Duration,
    /// Since the edit that led to it was noticed (or since the start).
    pub since_edit: Duration,
}

/// Takes reports of the loop.
pub type Feed = crate::feed::Feed<Report>;

/// For builds: what they do is told, but for the beginning of the build itself, which the loop tells.
impl Progress for Feed {
    fn status(&self, verb: &str, object: &str) {
        if verb != "Building" {
            self.tell(Report::Step { verb: verb.into(), object: object.into() });
        }
    }

    fn warning(&self, message: &str) {
        self.tell(Report::Warning { message: message.into(), hint: None });
    }

    fn hint(&self, message: &str) {
        self.tell(Report::Hint { message: message.into() });
    }

    fn busy(&self, _: &str) -> Busy {
        Busy::hidden()
    }
}

impl Observer for Feed {
    fn request(&self, request: RequestRecord) {
        self.try_tell(Report::Request(request));
    }

    fn output(&self, output: Output) {
        self.try_tell(Report::Output(output));
    }

    fn fault(&self, fault: Arc<Fault>) {
        self.try_tell(Report::Fault(fault));
    }

    fn network(&self, notice: NetworkNotice) {
        self.try_tell(Report::Network(notice));
    }

    /// The service has a thread of its own, which may wait for the terminal.
    fn service(&self, record: ServiceRecord) {
        self.tell(Report::Service(record));
    }
}
