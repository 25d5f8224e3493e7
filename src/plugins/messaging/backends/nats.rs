//! Messages through NATS.
//!
//! Subjects are those of NATS, so that components speak with whoever else is there; below a prefix
//! where the workload has one. Handlers are members of queue groups: those of the same component on
//! several hosts share its messages. As everywhere in NATS, what nobody takes in time is lost, and
//! a handler that fails answers nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_nats::client::RequestErrorKind;
use async_nats::{Client, Message, Request, Subscriber};
use bytes::Bytes;
use futures::stream::select_all;
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::plugins::messaging::backend::{
    Answer, Backend, Broker, BrokerMessage, Handler, STOPPED, Shed, Subscription, no_answer, no_responders,
};
use crate::plugins::messaging::subject::{INBOX, Pattern};
use crate::plugins::remote::Nats;
use crate::plugins::remote::names::stream_name;
use crate::plugins::remote::nats::chain;
use crate::runtime::trace;
use crate::runtime::workload::WorkloadId;

/// How long until somebody who cannot subscribe tries again.
const AGAIN: Duration = Duration::from_millis(500);
/// How long a request takes beyond its own time: connecting, and telling what went wrong.
const SLACK: Duration = Duration::from_secs(5);
/// How long a sender waits until the workload's own handlers have subscribed.
const SUBSCRIBING: Duration = Duration::from_secs(3);
/// How many messages may wait here, each for a bounded time; more wait in the client.
const MOST_WAITING: usize = 4096;

/// The brokers of all workloads on one server.
pub struct NatsMessages {
    server: Arc<Nats>,
    prefix: Option<String>,
    brokers: Mutex<HashMap<WorkloadId, Arc<NatsBroker>>>,
}

impl NatsMessages {
    /// Subjects stand below `prefix`, if there is one.
    pub fn new(server: Arc<Nats>, prefix: Option<String>) -> Self {
        NatsMessages { server, prefix, brokers: Mutex::default() }
    }
}

impl Backend for NatsMessages {
    fn broker(&self, workload: &WorkloadId) -> Arc<dyn Broker> {
        let new = || {
            Arc::new(NatsBroker {
                server: self.server.clone(),
                prefix: self.prefix.clone(),
                workload: workload.clone(),
                routes: Mutex::default(),
                state: watch::Sender::new(Some(0)),
            })
        };
        lock(&self.brokers).entry(workload.clone()).or_insert_with(new).clone()
    }

    fn forget(&self, workload: &WorkloadId) {
        let broker = lock(&self.brokers).remove(workload);
        if let Some(broker) = broker {
            broker.state.send_replace(None);
            let routes = std::mem::take(&mut *lock(&broker.routes));
            drop(routes);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct NatsBroker {
    server: Arc<Nats>,
    prefix: Option<String>,
    workload: WorkloadId,
    routes: Mutex<Vec<Route>>,
    /// How many routes have not subscribed yet; `None` when the workload has been stopped.
    state: watch::Sender<Option<usize>>,
}

/// A subscription of a component. Dropped, it ends.
struct Route {
    name: String,
    patterns: Vec<Pattern>,
    group: Option<String>,
    /// How many messages at one time, and how long one may wait.
    turns: (usize, Option<Duration>),
    handler: Arc<ArcSwap<Arc<dyn Handler>>>,
    task: AbortHandle,
    starting: Arc<Starting>,
}

impl Drop for Route {
    fn drop(&mut self) {
        self.task.abort();
        self.starting.over();
    }
}

/// Counts as one of those who have not subscribed yet, until it is over.
struct Starting {
    over: AtomicBool,
    state: watch::Sender<Option<usize>>,
}

impl Starting {
    fn new(state: &watch::Sender<Option<usize>>) -> Self {
        state.send_modify(|state| *state = state.map(|starting| starting + 1));
        Starting { over: AtomicBool::new(false), state: state.clone() }
    }

    fn over(&self) {
        if !self.over.swap(true, Ordering::SeqCst) {
            self.state.send_modify(|state| *state = state.map(|starting| starting.saturating_sub(1)));
        }
    }
}

impl NatsBroker {
    /// The subject on the server. Those of answers belong to whoever waits for one.
    fn there(&self, subject: &str) -> String {
        match &self.prefix {
            Some(prefix) if !is_inbox(subject) => format!("{prefix}.{subject}"),
            _ => subject.to_string(),
        }
    }

    /// Fails when the workload has been stopped. Waits a moment for handlers that are about to
    /// subscribe: they must not miss what is sent after them.
    async fn ready(&self) -> Result<(), String> {
        let mut state = self.state.subscribe();
        let subscribed = state.wait_for(|state| state.is_none_or(|starting| starting == 0));
        let state = match tokio::time::timeout(SUBSCRIBING, subscribed).await {
            Ok(Ok(state)) => *state,
            // Whoever cannot subscribe cannot be told; sending says why.
            _ => Some(0),
        };
        state.map(|_| ()).ok_or_else(|| STOPPED.into())
    }

    async fn stopped(&self) {
        let _ = self.state.subscribe().wait_for(Option::is_none).await;
    }

    fn start(&self, subscription: &Subscription, group: Option<String>) -> Route {
        let handler = Arc::new(ArcSwap::from_pointee(subscription.handler.clone()));
        let starting = Arc::new(Starting::new(&self.state));
        let listener = Listener {
            server: self.server.clone(),
            prefix: self.prefix.clone(),
            patterns: subscription.patterns.clone(),
            group: group.clone(),
            name: subscription.name.clone(),
            in_flight: subscription.in_flight,
            admission_wait: subscription.admission_wait,
            handler: handler.clone(),
            starting: starting.clone(),
        };
        Route {
            name: subscription.name.clone(),
            patterns: subscription.patterns.clone(),
            group,
            turns: (subscription.in_flight, subscription.admission_wait),
            handler,
            task: self.server.spawn(listener.listen()),
            starting,
        }
    }

    /// Without a group of its own, a component shares its messages with itself on other hosts.
    fn group_of(&self, subscription: &Subscription) -> Option<String> {
        let own = || stream_name(&["wash", self.workload.as_str(), &subscription.name]);
        match subscription.broadcast {
            true => None,
            false => Some(subscription.group.clone().unwrap_or_else(own)),
        }
    }
}

impl Broker for NatsBroker {
    fn publish(&self, message: BrokerMessage) -> Answer<'_, ()> {
        async move {
            self.ready().await?;
            let subject = self.there(&message.subject);
            let reply_to = message.reply_to.as_deref().map(|reply_to| self.there(reply_to));
            self.server
                .run(|client| async move {
                    fits(&client, &message.body)?;
                    let headers = headers(&message.trace);
                    let sent = match (reply_to, headers) {
                        (Some(to), Some(headers)) => {
                            client.publish_with_reply_and_headers(subject, to, headers, message.body).await
                        }
                        (Some(to), None) => client.publish_with_reply(subject, to, message.body).await,
                        (None, Some(headers)) => client.publish_with_headers(subject, headers, message.body).await,
                        (None, None) => client.publish(subject, message.body).await,
                    };
                    sent.map_err(|error| chain(&error))?;
                    client.flush().await.map_err(|error| chain(&error))
                })
                .await
        }
        .boxed()
    }

    fn request(&self, message: BrokerMessage, timeout: Duration) -> Answer<'_, BrokerMessage> {
        let BrokerMessage { subject, body, trace, .. } = message;
        async move {
            self.ready().await?;
            let there = self.there(&subject);
            let prefix = self.prefix.clone();
            let answered = self.server.run_within(timeout + SLACK, move |client| async move {
                fits(&client, &body)?;
                let mut request = Request::new().payload(body).timeout(Some(timeout));
                if let Some(headers) = headers(&trace) {
                    request = request.headers(headers);
                }
                match client.send_request(there, request).await {
                    Ok(answer) => Ok(plain(answer, prefix.as_deref())),
                    Err(error) => Err(match error.kind() {
                        RequestErrorKind::TimedOut => no_answer(&subject, timeout),
                        RequestErrorKind::NoResponders => no_responders(&subject),
                        _ => chain(&error),
                    }),
                }
            });
            tokio::select! {
                answer = answered => answer,
                () = self.stopped() => Err(STOPPED.into()),
            }
        }
        .boxed()
    }

    fn replace_subscriptions(&self, subscriptions: Vec<Subscription>) {
        if self.state.borrow().is_none() {
            return;
        }
        let mut routes = lock(&self.routes);
        let mut old = std::mem::take(&mut *routes);
        for subscription in &subscriptions {
            let group = self.group_of(subscription);
            let same = old.iter().position(|route| {
                route.name == subscription.name
                    && route.patterns == subscription.patterns
                    && route.group == group
                    && route.turns == (subscription.in_flight, subscription.admission_wait)
            });
            match same {
                Some(index) => {
                    let route = old.swap_remove(index);
                    route.handler.store(Arc::new(subscription.handler.clone()));
                    routes.push(route);
                }
                None => routes.push(self.start(subscription, group)),
            }
        }
        drop(routes);
        // Only now: who subscribes anew has begun to before the old subscription ends.
        drop(old);
    }

    fn is_common(&self) -> bool {
        self.prefix.is_none()
    }
}

/// The headers of a message, if there is something to say in them.
fn headers(trace: &http::HeaderMap) -> Option<async_nats::HeaderMap> {
    let mut headers = async_nats::HeaderMap::new();
    for (name, value) in trace {
        if let Ok(value) = value.to_str() {
            headers.insert(name.as_str(), value);
        }
    }
    (!headers.is_empty()).then_some(headers)
}

/// What of the headers of a message is of a trace; there may be others, which components never see.
fn trace_of(headers: Option<&async_nats::HeaderMap>) -> http::HeaderMap {
    let mut trace = http::HeaderMap::new();
    for name in trace::FIELDS {
        let value = headers.and_then(|headers| headers.get(*name)).map(|value| value.as_str().parse());
        if let Some(Ok(value)) = value {
            trace.insert(*name, value);
        }
    }
    trace
}

fn is_inbox(subject: &str) -> bool {
    subject.split('.').next() == Some(INBOX)
}

fn fits(client: &Client, body: &Bytes) -> Result<(), String> {
    let most = client.server_info().max_payload;
    match body.len() > most {
        true => {
            Err(format!("the body has {} bytes, and the NATS server takes {most} (see its `max_payload`)", body.len()))
        }
        false => Ok(()),
    }
}

/// The message as components know it.
fn plain(message: Message, prefix: Option<&str>) -> BrokerMessage {
    let here = |subject: &str| match prefix {
        Some(prefix) => {
            let below = subject.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'));
            below.unwrap_or(subject).to_string()
        }
        None => subject.to_string(),
    };
    BrokerMessage {
        subject: here(&message.subject),
        body: message.payload,
        reply_to: message.reply.as_deref().map(here),
        trace: trace_of(message.headers.as_ref()),
    }
}

/// Takes the messages of one component.
struct Listener {
    server: Arc<Nats>,
    prefix: Option<String>,
    patterns: Vec<Pattern>,
    group: Option<String>,
    name: String,
    in_flight: usize,
    admission_wait: Option<Duration>,
    handler: Arc<ArcSwap<Arc<dyn Handler>>>,
    starting: Arc<Starting>,
}

/// A message with the number of the pattern that it came for.
type Numbered = (usize, Message);

/// Messages that wait for their turn, where that has a bound.
struct Row {
    waiting: VecDeque<(Instant, Numbered)>,
    shed: Shed,
}

impl Listener {
    /// Subscribes and hands messages out, for ever. The client renews a subscription when its
    /// connection breaks; a client that has given up is replaced here.
    async fn listen(self) {
        let permits = Arc::new(Semaphore::new(self.in_flight));
        let mut row = Row { waiting: VecDeque::new(), shed: Shed::default() };
        loop {
            match self.subscribe().await {
                Ok(subscribers) => {
                    self.starting.over();
                    let numbered =
                        |(index, subscriber): (usize, Subscriber)| subscriber.map(move |message| (index, message));
                    let mut messages = select_all(subscribers.into_iter().enumerate().map(numbered));
                    while let Some((permit, (index, message))) = self.next(&mut row, &mut messages, &permits).await {
                        let message = plain(message, self.prefix.as_deref());
                        if !self.is_wanted(index, &message.subject) {
                            continue;
                        }
                        let handler = self.handler.load_full();
                        tokio::spawn(async move {
                            // The handler reports what goes wrong; NATS has no place for it.
                            let _ = handler.handle(message).await;
                            drop(permit);
                        });
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot subscribe");
                    self.starting.over();
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The next message with its turn. `None`: no more come.
    async fn next(
        &self,
        row: &mut Row,
        messages: &mut (impl Stream<Item = Numbered> + Unpin),
        permits: &Arc<Semaphore>,
    ) -> Option<(OwnedSemaphorePermit, Numbered)> {
        let Some(wait) = self.admission_wait else {
            // Nothing is taken that nobody could handle now: it waits in the client.
            let permit = permits.clone().acquire_owned().await.ok()?;
            return Some((permit, messages.next().await?));
        };
        // Where the wait has a bound, each is taken at once, as of when it has come.
        loop {
            let first = row.waiting.front().map(|(since, _)| *since + wait);
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(first.unwrap_or_else(Instant::now)), if first.is_some() => {
                    row.waiting.pop_front();
                    row.shed.count(&self.name, wait);
                }
                permit = permits.clone().acquire_owned(), if first.is_some() => {
                    let (_, message) = row.waiting.pop_front()?;
                    return Some((permit.ok()?, message));
                }
                message = messages.next(), if row.waiting.len() < MOST_WAITING => {
                    row.waiting.push_back((Instant::now(), message?));
                }
            }
        }
    }

    async fn subscribe(&self) -> Result<Vec<Subscriber>, String> {
        let client = self.server.client().await?;
        let mut subscribers = Vec::new();
        for pattern in &self.patterns {
            let subject = match &self.prefix {
                Some(prefix) if !is_inbox(pattern.as_str()) => format!("{prefix}.{pattern}"),
                _ => pattern.to_string(),
            };
            let subscribed = match &self.group {
                Some(group) => client.queue_subscribe(subject, group.clone()).await,
                None => client.subscribe(subject).await,
            };
            subscribers.push(subscribed.map_err(|error| chain(&error))?);
        }
        client.flush().await.map_err(|error| chain(&error))?;
        Ok(subscribers)
    }

    /// Whether the message is for the component: not an answer or a message of the server itself
    /// that a wildcard happens to match; and not one that comes for another pattern, too. A member
    /// of a group is given it once anyway.
    fn is_wanted(&self, index: usize, subject: &str) -> bool {
        let matches = |pattern: &Pattern| {
            pattern.matches(subject) && !(subject.starts_with('$') && pattern.begins_with_a_wildcard())
        };
        match self.group {
            Some(_) => self.patterns.iter().any(matches),
            None => self.patterns.iter().position(matches) == Some(index),
        }
    }
}
