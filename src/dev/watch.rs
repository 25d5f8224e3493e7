//! Notices changes. Events only say when to look; what changed is found by looking.
//!
//! A thread of its own listens to the folders that hold watched files. After an event it waits for
//! a moment of quiet, looks at everything ([`Scope::look`]) and reports what is another than at the
//! last look. An overflow of the system's queue, a lost event, an editor's way of saving are all
//! the same: a reason to look.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::oneshot;

use super::snapshot::{Scope, Snapshot};
use crate::error::{Error, Result};

/// An editor's save is several events (write, rename, permissions); it is over after this much
/// quiet. Short, because it is part of every edit's way to the browser.
const QUIET: Duration = Duration::from_millis(15);
/// A burst (a branch switch) is not waited for longer than this before the first look.
const BURST: Duration = Duration::from_millis(200);
/// How long an event of the start-up probe may take before events count as missing.
const PROBE: Duration = Duration::from_millis(1500);
/// How often to look where events do not come.
pub const POLL: Duration = Duration::from_millis(500);

/// What the watcher tells.
pub enum Notice {
    /// These files are other than they were.
    Changed(BTreeSet<PathBuf>),
    /// Events do not come, or not all: from now on it looks at intervals. The reason is for people.
    Polling { reason: String, hint: Option<String> },
}

/// Something that takes notices; called on the watcher's thread.
pub type Listener = Box<dyn Fn(Notice) + Send>;

enum Message {
    Touched(Vec<PathBuf>),
    /// The system lost events.
    Overflow,
    Failed(notify::Error),
    Scope(Scope),
    LookNow(oneshot::Sender<()>),
    Fingerprint(PathBuf, oneshot::Sender<u64>),
    ProbeOver,
    Stop,
}

/// The handle to the watching thread, which ends with it.
pub struct Watcher {
    messages: mpsc::Sender<Message>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Watcher {
    /// Looks once and begins to watch. `poll` asks for looking at intervals instead of events.
    pub fn start(scope: Scope, poll: Option<Duration>, listener: Listener) -> Result<Self> {
        let (messages, inbox) = mpsc::channel();
        let sender = messages.clone();
        let thread = thread::Builder::new()
            .name("wash-watch".into())
            .spawn(move || Thread::new(scope, poll, listener, sender).run(&inbox))
            .map_err(|error| Error::caused_by("cannot start the watching thread", &error))?;
        Ok(Watcher { messages, thread: Some(thread) })
    }

    /// Watches something else from now on. That files come into the scope or leave it is not reported.
    pub fn set_scope(&self, scope: Scope) {
        let _ = self.messages.send(Message::Scope(scope));
    }

    /// Looks now; returns when everything that changed before the call has been reported.
    pub async fn look_now(&self) {
        let (done, over) = oneshot::channel();
        let _ = self.messages.send(Message::LookNow(done));
        let _ = over.await;
    }

    /// A hash of names and contents of what is watched below `root`, as of the last look.
    pub async fn fingerprint(&self, root: &Path) -> Option<u64> {
        let (send, receive) = oneshot::channel();
        let _ = self.messages.send(Message::Fingerprint(root.to_path_buf(), send));
        receive.await.ok()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.messages.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What came between two looks.
#[derive(Default)]
struct Round {
    touched: HashSet<PathBuf>,
    /// Whether there is a reason to look.
    look: bool,
    /// Who waits for it.
    asked: Vec<oneshot::Sender<()>>,
}

struct Thread {
    scope: Scope,
    snapshot: Snapshot,
    listener: Listener,
    events: Option<RecommendedWatcher>,
    listening_to: HashSet<PathBuf>,
    poll: Option<Duration>,
    probe: Option<PathBuf>,
    messages: mpsc::Sender<Message>,
}

impl Thread {
    fn new(scope: Scope, poll: Option<Duration>, listener: Listener, messages: mpsc::Sender<Message>) -> Self {
        let mut thread = Thread {
            scope,
            snapshot: Snapshot::default(),
            listener,
            events: None,
            listening_to: HashSet::new(),
            poll,
            probe: None,
            messages,
        };
        if poll.is_none() {
            thread.listen();
        }
        thread
    }

    fn run(mut self, inbox: &mpsc::Receiver<Message>) {
        self.look(&HashSet::new(), false);
        self.start_probe();
        loop {
            let first = match self.poll {
                Some(interval) => match inbox.recv_timeout(interval) {
                    Ok(message) => Some(message),
                    Err(mpsc::RecvTimeoutError::Timeout) => None,
                    Err(mpsc::RecvTimeoutError::Disconnected) => return,
                },
                None => match inbox.recv() {
                    Ok(message) => Some(message),
                    Err(_) => return,
                },
            };
            let mut round = Round { look: first.is_none(), ..Round::default() };
            let begun = Instant::now();
            let mut next = first;
            let mut in_change = false;
            loop {
                while let Some(message) = next {
                    if matches!(message, Message::Stop) {
                        return;
                    }
                    self.take(message, &mut round);
                    // Who asks for a look is not kept waiting.
                    let wait = round.look && (round.asked.is_empty() || in_change) && begun.elapsed() < BURST;
                    next = if wait { inbox.recv_timeout(QUIET).ok() } else { None };
                }
                // But for files that are being changed just now: half of them are no reason to build.
                if round.asked.is_empty() || in_change {
                    break;
                }
                if !self.finds_changes(&round.touched) {
                    round.look = false;
                    break;
                }
                in_change = true;
                next = inbox.recv_timeout(QUIET).ok();
            }
            if round.look {
                self.look(&round.touched, true);
            }
            for done in round.asked {
                let _ = done.send(());
            }
        }
    }

    fn take(&mut self, message: Message, round: &mut Round) {
        match message {
            Message::Stop => {}
            Message::Touched(paths) => {
                let probe = self.probe.take_if(|probe| paths.contains(probe));
                round.look |= probe.is_none() || paths.len() > 1;
                // A folder that is itself named was made, moved or removed: the one of that
                // name may be another now, and must be listened to again.
                for path in &paths {
                    self.listening_to.remove(path);
                }
                round.touched.extend(paths);
            }
            Message::Overflow => {
                tracing::debug!("the system lost events; every file is read again");
                round.look = true;
                // What was lost may be that a folder is another one now.
                self.listening_to.clear();
                self.snapshot.distrust();
            }
            Message::Failed(error) => {
                self.give_up_events(&error);
                round.look = true;
            }
            Message::Scope(scope) => self.change_scope(scope),
            Message::LookNow(done) => {
                round.look = true;
                round.asked.push(done);
            }
            Message::Fingerprint(root, answer) => {
                let _ = answer.send(self.snapshot.fingerprint(&root));
            }
            Message::ProbeOver => self.end_probe(),
        }
    }

    /// Looks at everything; changes are for the next look to report.
    fn finds_changes(&mut self, touched: &HashSet<PathBuf>) -> bool {
        let now = self.look_and_listen(touched);
        let found = !now.changes_since(&self.snapshot).is_empty();
        if !found {
            self.snapshot = now;
        }
        found
    }

    /// Looks at everything, listens to new folders, and reports the changes if `report`.
    fn look(&mut self, touched: &HashSet<PathBuf>, report: bool) {
        let now = self.look_and_listen(touched);
        let changed = now.changes_since(&self.snapshot);
        self.snapshot = now;
        if report && !changed.is_empty() {
            (self.listener)(Notice::Changed(changed));
        }
    }

    /// Watches another scope. What only one of the two has is no edit; an edit of what they share is reported, as
    /// one may have come since the last look.
    fn change_scope(&mut self, scope: Scope) {
        let old = std::mem::replace(&mut self.scope, scope);
        let now = self.look_and_listen(&HashSet::new());
        // After the look at the new scope: an edit between the two looks is reported twice rather than never.
        let mut edited = old.look(&self.snapshot, &HashSet::new(), |_| ()).changes_since(&self.snapshot);
        edited.retain(|path| now.has(path) || !path.exists());
        self.snapshot = now;
        if !edited.is_empty() {
            (self.listener)(Notice::Changed(edited));
        }
    }

    /// Looks at everything in the scope and listens to its new folders.
    fn look_and_listen(&mut self, touched: &HashSet<PathBuf>) -> Snapshot {
        let mut failure = None;
        let Thread { scope, snapshot, events, listening_to, .. } = self;
        let now = scope.look(snapshot, touched, |folder| {
            if let Some(events) = events
                && failure.is_none()
                && !listening_to.contains(folder)
            {
                match events.watch(folder, RecursiveMode::NonRecursive) {
                    Ok(()) => {
                        listening_to.insert(folder.to_path_buf());
                    }
                    // A folder that vanished meanwhile is noticed by the one above it.
                    Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {}
                    Err(error) => failure = Some(error),
                }
            }
        });
        self.forget_folders(&now);
        if let Some(error) = failure {
            self.give_up_events(&error);
        }
        now
    }

    /// A folder that is gone, or replaced by another of its name, must be listened to anew.
    fn forget_folders(&mut self, now: &Snapshot) {
        let Some(events) = &mut self.events else { return };
        self.listening_to.retain(|folder| {
            let stays = now.folders.contains(folder);
            if !stays {
                let _ = events.unwatch(folder);
            }
            stays
        });
    }

    fn listen(&mut self) {
        let messages = self.messages.clone();
        let handler = move |event: notify::Result<notify::Event>| {
            let message = match event {
                // Reading a file is no change; looking at the files would otherwise cause events.
                Ok(event) if matches!(event.kind, EventKind::Access(_)) => return,
                Ok(event) if event.need_rescan() => Message::Overflow,
                Ok(event) => Message::Touched(event.paths),
                Err(error) => Message::Failed(error),
            };
            let _ = messages.send(message);
        };
        match notify::recommended_watcher(handler) {
            Ok(watcher) => self.events = Some(watcher),
            Err(error) => self.give_up_events(&error),
        }
    }

    fn give_up_events(&mut self, error: &notify::Error) {
        let (reason, hint) = match &error.kind {
            notify::ErrorKind::MaxFilesWatch => (
                "the system's limit of watched folders is reached".to_string(),
                Some("raise it: sudo sysctl fs.inotify.max_user_watches=524288".to_string()),
            ),
            _ => (format!("watching failed: {error}"), None),
        };
        self.poll_instead(reason, hint);
    }

    fn poll_instead(&mut self, reason: String, hint: Option<String>) {
        self.events = None;
        self.listening_to.clear();
        self.probe = None;
        if self.poll.is_none() {
            self.poll = Some(POLL);
            (self.listener)(Notice::Polling { reason, hint });
        }
    }

    /// On network mounts and in some virtual machines events never come, without an error. A file
    /// of our own, made and removed, shows whether they do.
    fn start_probe(&mut self) {
        let (Some(_), Some(root)) = (&self.events, self.scope.roots.first()) else { return };
        let probe = root.join(format!(".wash-probe-{}", std::process::id()));
        if std::fs::write(&probe, b"").is_err() {
            return;
        }
        let _ = std::fs::remove_file(&probe);
        self.probe = Some(probe);
        let messages = self.messages.clone();
        // Only a timer: it holds nothing and ends by itself.
        let _ = thread::Builder::new().name("wash-probe".into()).spawn(move || {
            thread::sleep(PROBE);
            let _ = messages.send(Message::ProbeOver);
        });
    }

    fn end_probe(&mut self) {
        if self.probe.take().is_some() {
            let reason = "this folder reports no changes (a network or virtual drive?)".to_string();
            self.poll_instead(reason, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_edit_just_before_the_scope_changes_is_reported_and_the_change_itself_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, left, entered) = (dir.path().join("kept"), dir.path().join("left"), dir.path().join("entered"));
        for file in [&kept, &left, &entered] {
            std::fs::write(file, "1").unwrap();
        }
        let scope = |files: [&PathBuf; 2]| Scope { files: files.into_iter().cloned().collect(), ..Scope::default() };
        let (send, notices) = mpsc::channel();
        let listener = move |notice| {
            if let Notice::Changed(paths) = notice {
                send.send(paths).unwrap();
            }
        };
        // Without events, and never by itself: this test says when it looks.
        let never = Some(Duration::from_secs(3600));
        let watcher = Watcher::start(scope([&kept, &left]), never, Box::new(listener)).unwrap();
        watcher.look_now().await;
        for file in [&kept, &left, &entered] {
            std::fs::write(file, "22").unwrap();
        }
        watcher.set_scope(scope([&kept, &entered]));
        watcher.look_now().await;
        drop(watcher);
        assert_eq!(notices.iter().collect::<Vec<_>>(), [BTreeSet::from([kept])]);
    }
}
