//! What the loop tells, and the way it takes from the threads that serve to whoever shows it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::component::Description;
use crate::error::{Error, Result};
use crate::progress::{Busy, Progress};
use crate::runtime::observer::{Fault, NetworkNotice, Observer, Output, RequestRecord, ServiceRecord};

/// So many lines may wait to be shown. A terminal that is slower than the requests must not slow
/// them down; what does not fit is counted instead.
const QUEUE: usize = 4096;

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

/// Shows reports. Called on a thread of its own, one report at a time.
pub trait Reporter: Send {
    /// Shows one report.
    fn report(&mut self, report: Report);
}

/// Takes reports from everywhere and hands them to the reporter in order.
#[derive(Clone)]
pub struct Feed {
    queue: mpsc::SyncSender<Item>,
    not_shown: Arc<AtomicU64>,
}

#[allow(clippy::large_enum_variant, reason = "the small one is sent once")]
enum Item {
    Report(Report),
    /// Nothing is shown after this.
    End,
}

/// The thread that shows reports.
pub struct Showing {
    queue: mpsc::SyncSender<Item>,
    thread: thread::JoinHandle<()>,
}

impl Feed {
    /// Starts to show.
    pub fn start(mut reporter: Box<dyn Reporter>) -> Result<(Feed, Showing)> {
        let (queue, waiting) = mpsc::sync_channel::<Item>(QUEUE);
        let not_shown = Arc::new(AtomicU64::new(0));
        let counter = not_shown.clone();
        let thread = thread::Builder::new()
            .name("wash-report".into())
            .spawn(move || {
                while let Ok(Item::Report(report)) = waiting.recv() {
                    reporter.report(report);
                    match counter.swap(0, Ordering::Relaxed) {
                        0 => {}
                        lines => reporter.report(Report::NotShown { lines }),
                    }
                }
            })
            .map_err(|error| Error::caused_by("cannot start a thread", &error))?;
        Ok((Feed { queue: queue.clone(), not_shown }, Showing { queue, thread }))
    }

    /// Tells something that must not get lost. May wait for a slow terminal.
    pub fn tell(&self, report: Report) {
        let _ = self.queue.send(Item::Report(report));
    }

    /// Tells something that is only counted when too much waits to be shown. Never waits.
    pub fn try_tell(&self, report: Report) {
        if self.queue.try_send(Item::Report(report)).is_err() {
            self.not_shown.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Showing {
    /// Shows what has been told so far, and nothing after it: a guest whose connection was cut may
    /// still be at work, and nobody waits for it.
    pub fn finish(self) {
        let _ = self.queue.send(Item::End);
        let _ = self.thread.join();
    }
}

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
