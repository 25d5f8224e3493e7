//! Looking into a running loop: what it records, the page that shows it, and the socket for scripts.
//!
//! One set of answers ([`api`]) serves both. The [`recorder`] sees requests and output, the [`journal`] builds and
//! swaps; both keep a bounded part. The page ([`page`]) is on a port of its own that only this machine's browsers
//! reach, with a token ([`door`]); the socket ([`socket`]) is a file that only its user can open. Nothing in here
//! decides anything about the loop. Start with [`open`].

pub mod client;
pub mod journal;
pub mod recorder;

mod api;
mod data;
mod door;
mod functions;
mod page;
mod places;
mod replay;
mod server;
mod socket;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::dev::Live;
use crate::dev::report::{Feed, Report};
use crate::error::{Error, Result};
use crate::host::Core;
use crate::host::Ready;
use crate::host::workloads::Running;
use crate::project::Project;
use journal::Journal;
use recorder::Recorder;
pub use socket::folders;

/// What was decided about the console before the loop begins.
pub struct Options {
    /// Whether there is no page, whatever the settings say (`--no-console`).
    pub no_page: bool,
    /// Where the control socket may be, the best place first.
    pub folders: Vec<PathBuf>,
    pub recorder: Arc<Recorder>,
    pub journal: Arc<Journal>,
}

/// What the answers are made of.
pub struct Loop {
    pub core: Arc<Core>,
    pub place: Arc<Running>,
    pub project: watch::Receiver<Arc<Project>>,
    pub recorder: Arc<Recorder>,
    pub journal: Arc<Journal>,
    pub begun: Instant,
}

impl Loop {
    /// The version that serves.
    pub fn serving(&self) -> Result<Arc<Ready>> {
        self.place.serving().ok_or_else(|| {
            Error::failed("no version serves yet").hint("wait for the first build: wash dev status says how it is")
        })
    }

    /// The project with the settings in force.
    pub fn project(&self) -> Arc<Project> {
        self.project.borrow().clone()
    }
}

/// Everything that runs for it; ends when this is dropped.
struct Console {
    tasks: Vec<AbortHandle>,
    _socket: Option<socket::Socket>,
}

impl Drop for Console {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Opens the socket and the page of a loop. What cannot be opened is a warning: the loop goes on without it.
/// Must be called on a tokio runtime. Ends when what is returned is dropped.
pub fn open(live: Live, opts: Options) -> Box<dyn std::any::Any + Send> {
    let Live { core, place, project, feed } = live;
    let Options { no_page, folders, recorder, journal } = opts;
    let settings = project.clone();
    let about = Arc::new(Loop { core, place, project, recorder, journal, begun: Instant::now() });
    let mut tasks = Vec::new();
    let root = about.project().root.clone();
    let socket = match socket::Socket::bind(&root, &folders) {
        Ok((socket, listener)) => {
            if let Some(other) = socket.others.first() {
                let message = format!("another wash dev of this project runs already, as process {other}");
                let hint = format!("commands such as `wash dev status` ask which one is meant: --pid {other}");
                feed.tell(Report::Warning { message, hint: Some(hint) });
            }
            if let Some(listener) = listener {
                tasks.push(tokio::spawn(server::on_socket(listener, about.clone())).abort_handle());
            }
            Some(socket)
        }
        Err(error) => {
            warn(&feed, &error.wrap("commands such as `wash dev status` cannot reach this loop"));
            None
        }
    };
    if !no_page {
        tasks.push(tokio::spawn(keep_page(about, settings, feed)).abort_handle());
    }
    Box::new(Console { tasks, _socket: socket })
}

/// Opens the page when the settings want one, and closes it when they do not any more.
async fn keep_page(about: Arc<Loop>, mut settings: watch::Receiver<Arc<Project>>, feed: Feed) {
    // The page keeps its address for as long as the loop runs, so that an open tab finds it again.
    let mut place = None;
    loop {
        let wanted = settings.borrow_and_update().settings.dev.console.unwrap_or(true);
        if wanted {
            let door = match &place {
                Some(door) => server::Page::again(door).await,
                None => server::Page::open().await,
            };
            match door {
                Ok(page) => {
                    let url = page.door.url();
                    about.journal.set_console(Some(url.clone()));
                    feed.tell(Report::Console { url });
                    place = Some(page.door.clone());
                    tokio::select! {
                        () = page.serve(about.clone()) => {}
                        () = until(&mut settings, false) => {}
                    }
                    about.journal.set_console(None);
                }
                Err(error) => {
                    warn(&feed, &error.wrap("the console cannot be opened"));
                    until(&mut settings, false).await;
                }
            }
        }
        until(&mut settings, true).await;
    }
}

/// Waits until the settings want the page, or do not.
async fn until(settings: &mut watch::Receiver<Arc<Project>>, wanted: bool) {
    loop {
        if settings.borrow_and_update().settings.dev.console.unwrap_or(true) == wanted {
            return;
        }
        // The loop has ended, and this with it.
        if settings.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn warn(feed: &Feed, error: &Error) {
    feed.tell(Report::Warning { message: error.to_string(), hint: error.hints().first().cloned() });
}
