//! The life of the connection: commands, answers, heartbeats.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, Event, Message, ServerError, Subject};
use futures::{FutureExt, StreamExt};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connection::{Access, delay, explained};
use super::messages::{self, Unreadable};
use super::{LAST_ANSWERS, LEAVE};
use crate::error::Error;
use crate::host::types::{WorkloadState, WorkloadStatus};
use crate::node::Node;
use crate::node::admin::Health;
use crate::node::report::{Report, SchedulerState};

/// How often the scheduler hears of the host without asking: as it expects it.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The shortest time between two heartbeats: what many starts change is told once.
const HEARTBEAT_GAP: Duration = Duration::from_millis(500);
/// How long one message may take to be handed to the system.
const SEND: Duration = Duration::from_secs(5);
/// How long an answer waits for a connection that broke. Nobody waits longer for one.
const ANSWER: Duration = Duration::from_secs(60);
/// Starts and stops that are under way at one time. More are refused at once: they would only be
/// answered when nobody waits any more.
const COMMANDS: usize = 1024;
/// The answer to a stop does not wait longer for requests that run: the scheduler gives it 30 seconds.
const STOP: Duration = Duration::from_secs(20);

/// How far the host has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Commands are taken.
    Serving,
    /// No more commands are taken; those that came are answered.
    Leaving,
    /// Nothing is sent any more.
    Ending,
}

/// A node and its connection to a scheduler.
pub struct Link {
    node: Node,
    access: Access,
    /// Tells the operator how the connection is.
    health: Health,
    /// Carries the commands out.
    home: Handle,
    /// The client of this connection, if there ever was one.
    client: watch::Sender<Option<Client>>,
    /// Whether the client is connected now.
    up: watch::Sender<bool>,
    /// Whether there is a subscription: who hears of a host may send it commands.
    taking: AtomicBool,
    leaving: AtomicBool,
    /// A heartbeat is wanted at once.
    beat: Notify,
    /// Room for starts and stops.
    room: Semaphore,
    /// Commands that are not answered yet.
    unanswered: watch::Sender<usize>,
    /// What was last told about why there is no connection: the same is told once.
    told: Mutex<String>,
}

impl Link {
    pub fn new(node: Node, access: Access, health: Health, home: Handle) -> Self {
        Link {
            node,
            access,
            health,
            home,
            client: watch::Sender::new(None),
            up: watch::Sender::new(false),
            taking: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            beat: Notify::new(),
            room: Semaphore::new(COMMANDS),
            unanswered: watch::Sender::new(0),
            told: Mutex::default(),
        }
    }

    /// Lives until it is to end.
    pub async fn run(self: &Arc<Self>, mut wanted: watch::Receiver<Phase>, reached: &watch::Sender<Phase>) {
        let mut leave = wanted.clone();
        let taking = async {
            loop {
                let client = self.connect().await;
                self.take_commands(client, &mut leave).await;
                self.taking.store(false, Ordering::SeqCst);
                if *leave.borrow() >= Phase::Leaving {
                    break;
                }
            }
        };
        tokio::select! {
            () = taking => {}
            () = self.beats() => {}
            // There is nobody to tell.
            () = async {
                let _ = wanted.wait_for(|phase| *phase >= Phase::Leaving).await;
                self.leaving.store(true, Ordering::SeqCst);
                if *self.up.borrow() {
                    sleep(LEAVE).await;
                }
            } => {}
        }
        self.taking.store(false, Ordering::SeqCst);
        reached.send_replace(Phase::Leaving);
        let _ = wanted.wait_for(|phase| *phase >= Phase::Ending).await;
        let mut unanswered = self.unanswered.subscribe();
        if timeout(LAST_ANSWERS, unanswered.wait_for(|count| *count == 0)).await.is_err() {
            tracing::warn!("{} commands of the scheduler were not answered", *self.unanswered.borrow());
        }
        let client = self.client.send_replace(None);
        if let Some(client) = client {
            let _ = timeout(SEND, client.flush()).await;
        }
    }

    /// Tells the operator. Never waits: a slow terminal would delay heartbeats.
    pub fn tell(&self, report: Report) {
        self.node.feed().try_tell(report);
    }

    fn tell_state(&self, state: SchedulerState) {
        self.health.set_scheduler(state.clone());
        self.tell(Report::Scheduler { url: self.access.url.to_string(), state });
    }

    /// Tells why there is no connection, once.
    fn tell_unreachable(&self, reason: String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != reason {
            told.clone_from(&reason);
            drop(told);
            self.tell_state(SchedulerState::Unreachable { reason });
        }
    }

    fn is_connected(&self) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if !self.up.send_replace(true) {
            self.tell_state(SchedulerState::Connected);
        }
        self.beat.notify_one();
    }

    /// Connects, however long that takes.
    async fn connect(self: &Arc<Self>) -> Client {
        let mut attempts = 0;
        loop {
            attempts += 1;
            sleep(delay(attempts)).await;
            let link = self.clone();
            match self.access.connect(move |event| link.note(event)).await {
                Ok(client) => {
                    self.client.send_replace(Some(client.clone()));
                    self.is_connected();
                    return client;
                }
                Err(reason) => self.tell_unreachable(reason),
            }
        }
    }

    fn note(&self, event: Event) {
        match event {
            // The first one is told by `connect`, which knows the client.
            Event::Connected if self.client.borrow().is_some() => self.is_connected(),
            Event::Disconnected => {
                if self.up.send_replace(false) && !self.leaving.load(Ordering::SeqCst) {
                    self.tell_state(SchedulerState::Lost);
                }
            }
            Event::ClientError(error) => {
                self.tell_unreachable(explained(error.to_string().trim_start_matches("nats: ")));
            }
            Event::ServerError(ServerError::AuthorizationViolation) => {
                self.tell_unreachable(explained("authorization violation"));
            }
            Event::ServerError(ServerError::Other(message)) => {
                self.tell(Report::Warning { message: format!("the scheduler's NATS server says: {message}") });
                if message.to_lowercase().contains("permissions violation") {
                    let id = self.node.id();
                    self.tell(Report::Hint {
                        message: format!(
                            "let the host's user subscribe to `runtime.host.{id}.>` and publish to \
                             `runtime.operator.heartbeat.{id}` and `_INBOX.>`"
                        ),
                    });
                }
            }
            Event::ServerError(ServerError::SlowConsumer(_)) | Event::SlowConsumer(_) => {
                self.tell(Report::Warning { message: "commands of the scheduler were lost: too many at once".into() });
            }
            event => tracing::debug!(%event, "NATS"),
        }
    }

    /// Takes commands until the host leaves, or the client has given up.
    async fn take_commands(self: &Arc<Self>, client: Client, leave: &mut watch::Receiver<Phase>) {
        let prefix = format!("runtime.host.{}.", self.node.id());
        let subscribed = timeout(SEND, client.subscribe(format!("{prefix}>"))).await;
        let mut commands = match subscribed {
            Ok(Ok(commands)) => commands,
            Ok(Err(error)) => return self.tell_unreachable(format!("cannot subscribe to commands: {error}")),
            Err(_) => return self.tell_unreachable("cannot subscribe to commands in time".into()),
        };
        self.taking.store(true, Ordering::SeqCst);
        self.beat.notify_one();
        loop {
            tokio::select! {
                command = commands.next() => match command {
                    Some(command) => self.take(&prefix, command),
                    None => return,
                },
                _ = leave.wait_for(|phase| *phase >= Phase::Leaving) => break,
            }
        }
        self.leaving.store(true, Ordering::SeqCst);
        // What the server has sent before it knew is still answered.
        let draining = async {
            let _ = commands.drain().await;
            while let Some(command) = commands.next().await {
                self.take(&prefix, command);
            }
        };
        let _ = timeout(LEAVE, draining).await;
    }

    /// Takes one command. Never waits.
    fn take(self: &Arc<Self>, prefix: &str, command: Message) {
        let Message { subject, reply, payload, .. } = command;
        let verb = subject.strip_prefix(prefix).unwrap_or_default().to_string();
        let unanswered = Unanswered::new(self.clone());
        tokio::spawn(async move {
            let link = &unanswered.0;
            let obeying = AssertUnwindSafe(link.obey(&verb, &payload)).catch_unwind();
            // Who asks gets an answer, whatever happens to us.
            let answer = obeying.await.unwrap_or_else(|_| {
                let message = "the command ended in a panic; this is a bug of wash";
                messages::failure(&messages::guess_workload_id(&payload), message)
            });
            if let Some(reply) = reply {
                link.send(reply, answer.to_string()).await;
            }
        });
    }

    /// Carries out one command. What goes wrong is an answer, too.
    async fn obey(&self, verb: &str, payload: &[u8]) -> Value {
        match verb {
            "heartbeat" => match self.node.heartbeat().await {
                Ok(beat) => messages::heartbeat(&beat),
                Err(error) => messages::failure("", told(&error)),
            },
            "workload.status" => match messages::read_workload_id(payload) {
                Ok(workload_id) => messages::answer(&self.node.status(&workload_id).await),
                Err(unreadable) => refused(unreadable),
            },
            "workload.start" | "workload.stop" => {
                let Ok(_permit) = self.room.try_acquire() else {
                    let busy =
                        format!("the host is busy with {COMMANDS} commands; try again later, or on another host");
                    return messages::failure(&messages::guess_workload_id(payload), busy);
                };
                if verb == "workload.start" { self.start(payload).await } else { self.stop(payload).await }
            }
            unknown => {
                let message = format!(
                    "unknown command `{}`; this host knows heartbeat, workload.start, workload.status and workload.stop",
                    unknown.chars().take(100).collect::<String>()
                );
                messages::failure(&messages::guess_workload_id(payload), message)
            }
        }
    }

    async fn start(&self, payload: &[u8]) -> Value {
        let (workload_id, spec) = match messages::read_start(payload) {
            Ok(read) => read,
            Err(unreadable) => return refused(unreadable),
        };
        if self.leaving.load(Ordering::SeqCst) {
            return messages::failure(&workload_id, "the host is stopping and takes no more workloads");
        }
        let (node, id) = (self.node.clone(), workload_id.clone());
        let started = self.home.spawn(async move { node.start(&id, spec).await }).await;
        self.beat.notify_one();
        match started {
            Ok(Ok(status)) => messages::answer(&status),
            Ok(Err(error)) => {
                let answer = messages::failure(&workload_id, told(&error));
                self.tell(Report::Failed { workload_id, error, still_serving: false, again_in: None });
                answer
            }
            Err(_) => messages::failure(&workload_id, "the start ended in a panic; this is a bug of wash"),
        }
    }

    async fn stop(&self, payload: &[u8]) -> Value {
        let workload_id = match messages::read_workload_id(payload) {
            Ok(workload_id) => workload_id,
            Err(unreadable) => return refused(unreadable),
        };
        let (node, id) = (self.node.clone(), workload_id.clone());
        let stopping = self.home.spawn(async move { node.stop(&id).await });
        let stopped = timeout(STOP, stopping).await;
        self.beat.notify_one();
        match stopped {
            Ok(Ok(status)) => messages::answer(&status),
            Ok(Err(_)) => messages::failure(&workload_id, "the stop ended in a panic; this is a bug of wash"),
            // It goes on, and a question for the state will say when it is done.
            Err(_) => messages::answer(&WorkloadStatus {
                workload_id,
                workload_state: WorkloadState::Stopping,
                message: "requests that run are given time to finish".into(),
            }),
        }
    }

    /// Sends an answer, if need be over the connection that comes after this one.
    async fn send(&self, to: Subject, text: String) {
        let sending = async {
            let mut up = self.up.subscribe();
            loop {
                if up.wait_for(|up| *up).await.is_err() {
                    return;
                }
                let client = self.client.borrow().clone();
                if let Some(client) = client
                    && self.publish(&client, to.clone(), &text).await
                {
                    return;
                }
                // It has just broken, and the event that says so is on its way.
                sleep(Duration::from_millis(50)).await;
            }
        };
        if timeout(ANSWER, sending).await.is_err() {
            tracing::warn!("an answer to the scheduler could not be sent: there was no connection");
        }
    }

    async fn publish(&self, client: &Client, to: Subject, text: &str) -> bool {
        let published = async {
            client.publish(to, text.to_string().into()).await.ok()?;
            client.flush().await.ok()
        };
        matches!(timeout(SEND, published).await, Ok(Some(())))
    }

    /// Tells the scheduler how the host is: when it connects, when something has changed, and from time to
    /// time.
    async fn beats(&self) {
        let subject = format!("runtime.operator.heartbeat.{}", self.node.id());
        let mut next = Instant::now() + HEARTBEAT;
        loop {
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.beat.notified() => {}
            }
            let client = self.client.borrow().clone();
            next = Instant::now() + HEARTBEAT;
            // Whoever changes this wants a heartbeat.
            let is_there = self.taking.load(Ordering::SeqCst) && *self.up.borrow();
            let Some(client) = client.filter(|_| is_there && !self.leaving.load(Ordering::SeqCst)) else { continue };
            match self.node.heartbeat().await {
                Ok(beat) => {
                    let text = messages::heartbeat(&beat).to_string();
                    if !self.publish(&client, subject.clone().into(), &text).await {
                        tracing::warn!("a heartbeat could not be sent");
                    }
                }
                Err(error) => tracing::warn!("there is no heartbeat: {error}"),
            }
            sleep(HEARTBEAT_GAP).await;
        }
    }
}

fn refused(unreadable: Unreadable) -> Value {
    messages::failure(&unreadable.workload_id, unreadable.reason)
}

/// An error in one text: the scheduler's users see nothing else of it.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    for more in error.details_text().into_iter().chain(error.hints().iter().map(String::as_str)) {
        text.push_str("; ");
        text.push_str(more.trim());
    }
    text
}

/// A command that is not answered yet.
struct Unanswered(Arc<Link>);

impl Unanswered {
    fn new(link: Arc<Link>) -> Self {
        link.unanswered.send_modify(|count| *count += 1);
        Unanswered(link)
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.unanswered.send_modify(|count| *count -= 1);
    }
}
