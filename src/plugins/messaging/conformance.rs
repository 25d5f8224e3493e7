//! What every backend of `wasmcloud:messaging` does alike.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Semaphore, mpsc};

use super::backend::{Backend, Broker, BrokerMessage, Handler, IN_FLIGHT, Subscription};
use super::backends::{memory::Memory, nats::NatsMessages};
use super::subject::Pattern;
use crate::plugins::remote::{Connections, ServerUrl};
use crate::plugins::servers::Server;
use crate::plugins::tests::workload;

/// Runs a test over every backend; those after `but nats` over all others.
macro_rules! every_backend {
    ($($name:ident)*; but nats: $($but_nats:ident)*) => {
        every_backend! { @memory $($name)* $($but_nats)* }
        every_backend! { @nats $($name)* }
    };
    (@$backend:ident $($name:ident)*) => {
        mod $backend {
            use super::Subject;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let subject = Subject::$backend();
                super::$name(&subject).await;
            })*
        }
    };
}

every_backend! {
    a_message_goes_to_everyone_who_subscribes
    nobody_needs_to_subscribe
    a_message_that_matches_twice_is_delivered_once
    a_message_that_matches_twice_is_delivered_once_in_a_broadcast
    one_of_a_group_is_given_each_message
    a_request_is_answered_through_its_reply_subject
    an_answer_is_not_seen_by_those_who_take_everything
    a_request_that_nobody_subscribes_to_fails_at_once
    a_request_times_out
    an_answer_that_comes_too_late_goes_nowhere
    workloads_are_apart
    messages_that_wait_go_to_the_new_handler
    a_handler_is_given_as_many_messages_at_a_time_as_it_wants
    a_trace_goes_with_its_message
    a_forgotten_workload_fails_what_waits
    nothing_is_lost_while_handlers_are_replaced
    ; but nats:
    // Nobody is told of a failure there.
    a_request_fails_when_its_only_handler_does
    a_request_fails_only_when_all_its_handlers_do
    a_request_whose_handler_breaks_fails
}

/// A backend with what it needs. Two workloads are apart in memory, and below two prefixes of NATS.
struct Subject {
    backend: Arc<dyn Backend>,
    other: Arc<dyn Backend>,
    _server: Option<Server>,
}

impl Subject {
    fn memory() -> Self {
        let memory = Arc::new(Memory::default());
        Subject { backend: memory.clone(), other: memory, _server: None }
    }

    fn nats() -> Self {
        let server = Server::nats();
        let nats = Connections::default().nats(&ServerUrl::nats(&server.url()).unwrap()).unwrap();
        let other = Arc::new(NatsMessages::new(nats.clone(), Some("other".into())));
        let backend = Arc::new(NatsMessages::new(nats, Some("tests.hello".into())));
        Subject { backend, other, _server: Some(server) }
    }
}

/// Longer than anything takes inside of one process; nothing waits for it.
const LONG: Duration = Duration::from_secs(60);

/// A handler that tells what it was given, and does what the test says.
struct Told<F> {
    messages: mpsc::UnboundedSender<BrokerMessage>,
    then: F,
}

impl<F> Handler for Told<F>
where
    F: Fn(BrokerMessage) -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
{
    fn handle(&self, message: BrokerMessage) -> BoxFuture<'_, Result<(), String>> {
        let _ = self.messages.send(message.clone());
        (self.then)(message)
    }
}

type Inbox = mpsc::UnboundedReceiver<BrokerMessage>;

fn subscription(
    name: &str,
    patterns: &[&str],
    then: impl Fn(BrokerMessage) -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
) -> (Subscription, Inbox) {
    let (messages, inbox) = mpsc::unbounded_channel();
    let patterns = patterns.iter().map(|pattern| Pattern::new(pattern).unwrap()).collect();
    let handler = Arc::new(Told { messages, then });
    let (in_flight, admission_wait) = (IN_FLIGHT, None);
    (
        Subscription { name: name.into(), patterns, group: None, broadcast: false, in_flight, admission_wait, handler },
        inbox,
    )
}

/// A handler that only listens.
fn listener(name: &str, patterns: &[&str]) -> (Subscription, Inbox) {
    subscription(name, patterns, |_| async { Ok(()) }.boxed())
}

/// A handler that answers with its name and the body.
fn echo(broker: &Arc<dyn Broker>, name: &'static str, patterns: &[&str]) -> (Subscription, Inbox) {
    let broker = Arc::downgrade(broker);
    subscription(name, patterns, move |message| {
        let broker = broker.clone();
        async move {
            let subject = message.reply_to.ok_or("nobody waits")?;
            let body = Bytes::from([name.as_bytes(), b": ", &message.body].concat());
            broker.upgrade().ok_or("gone")?.publish(bare(subject, body)).await
        }
        .boxed()
    })
}

fn failing(name: &str, reason: &'static str) -> (Subscription, Inbox) {
    subscription(name, &[">"], move |_| async move { Err(reason.to_string()) }.boxed())
}

/// A handler that waits until the test gives it permits.
fn waiting(name: &str, gate: &Arc<Semaphore>) -> (Subscription, Inbox) {
    let gate = gate.clone();
    subscription(name, &[">"], move |_| {
        let gate = gate.clone();
        async move { gate.acquire().await.map(|permit| permit.forget()).map_err(|_| "closed".to_string()) }.boxed()
    })
}

fn broker(subject: &Subject) -> Arc<dyn Broker> {
    subject.backend.broker(&workload("default", "hello").id())
}

fn to(subject: &str, body: &str) -> BrokerMessage {
    bare(subject.into(), Bytes::from(body.to_string()))
}

fn bare(subject: String, body: Bytes) -> BrokerMessage {
    BrokerMessage { subject, body, reply_to: None, trace: http::HeaderMap::new() }
}

async fn request(broker: &Arc<dyn Broker>, subject: &str, body: &'static str) -> Result<Bytes, String> {
    broker.request(bare(subject.into(), body.into()), LONG).await.map(|answer| answer.body)
}

fn received(inbox: &mut Inbox) -> Vec<Bytes> {
    std::iter::from_fn(|| inbox.try_recv().ok()).map(|message| message.body).collect()
}

async fn a_message_goes_to_everyone_who_subscribes(subject: &Subject) {
    let broker = broker(subject);
    let (one, mut ones) = listener("one", &["tasks.*"]);
    let (two, mut twos) = listener("two", &[">"]);
    let (other, mut others) = listener("other", &["events.>"]);
    broker.replace_subscriptions(vec![one, two, other]);
    broker.publish(to("tasks.a", "body")).await.unwrap();
    for inbox in [&mut ones, &mut twos] {
        assert_eq!(inbox.recv().await.unwrap(), to("tasks.a", "body"));
    }
    broker.publish(to("events.b", "end")).await.unwrap();
    assert_eq!(others.recv().await.unwrap().body, "end");
    assert!(received(&mut ones).is_empty());
}

async fn nobody_needs_to_subscribe(subject: &Subject) {
    broker(subject).publish(to("tasks.a", "body")).await.unwrap();
}

async fn a_message_that_matches_twice_is_delivered_once(subject: &Subject) {
    let broker = broker(subject);
    let (one, mut ones) = listener("one", &["tasks.*", "tasks.a", ">"]);
    broker.replace_subscriptions(vec![one]);
    broker.publish(to("tasks.a", "first")).await.unwrap();
    assert_eq!(ones.recv().await.unwrap().body, "first");
    broker.publish(to("tasks.a", "second")).await.unwrap();
    assert_eq!(ones.recv().await.unwrap().body, "second");
}

async fn a_message_that_matches_twice_is_delivered_once_in_a_broadcast(subject: &Subject) {
    let broker = broker(subject);
    let (one, mut ones) = listener("one", &["tasks.*", "tasks.a", ">"]);
    broker.replace_subscriptions(vec![Subscription { broadcast: true, ..one }]);
    for body in ["first", "second"] {
        broker.publish(to("tasks.a", body)).await.unwrap();
        assert_eq!(ones.recv().await.unwrap().body, body);
    }
}

async fn one_of_a_group_is_given_each_message(subject: &Subject) {
    let broker = broker(subject);
    let (all, mut everything) = listener("all", &[">"]);
    let (mut one, mut ones) = listener("one", &["tasks.*"]);
    let (mut two, mut twos) = listener("two", &["tasks.>"]);
    one.group = Some("workers".into());
    two.group = Some("workers".into());
    broker.replace_subscriptions(vec![all, one, two]);
    let mut worked = Vec::new();
    for n in 0..10 {
        broker.publish(to("tasks.a", &n.to_string())).await.unwrap();
        everything.recv().await.unwrap();
        let message = tokio::select! { message = ones.recv() => message, message = twos.recv() => message };
        worked.push(message.unwrap().body);
    }
    assert_eq!(worked, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(received(&mut ones).is_empty() && received(&mut twos).is_empty());
}

async fn a_request_is_answered_through_its_reply_subject(subject: &Subject) {
    let broker = broker(subject);
    let (worker, mut inbox) = echo(&broker, "worker", &["tasks.*"]);
    broker.replace_subscriptions(vec![worker]);
    assert_eq!(request(&broker, "tasks.a", "hello").await.unwrap(), "worker: hello");
    let message = inbox.recv().await.unwrap();
    assert!(message.reply_to.unwrap().starts_with("_INBOX."));
}

async fn an_answer_is_not_seen_by_those_who_take_everything(subject: &Subject) {
    let broker = broker(subject);
    let (worker, _inbox) = echo(&broker, "worker", &["tasks.*"]);
    let (all, mut everything) = listener("all", &[">", "*.*"]);
    broker.replace_subscriptions(vec![worker, all]);
    request(&broker, "tasks.a", "hello").await.unwrap();
    // Messages that wait together may be handled in any order.
    assert_eq!(everything.recv().await.unwrap().subject, "tasks.a");
    broker.publish(to("end", "")).await.unwrap();
    assert_eq!(everything.recv().await.unwrap().subject, "end");
}

async fn a_request_that_nobody_subscribes_to_fails_at_once(subject: &Subject) {
    let broker = broker(subject);
    let error = request(&broker, "tasks.a", "hello").await.unwrap_err();
    assert_eq!(error, "no responders: nothing subscribes to `tasks.a`");
}

async fn a_request_fails_when_its_only_handler_does(subject: &Subject) {
    let broker = broker(subject);
    broker.replace_subscriptions(vec![failing("worker", "missing reply_to").0]);
    assert_eq!(request(&broker, "tasks.a", "hello").await.unwrap_err(), "missing reply_to");
}

async fn a_request_fails_only_when_all_its_handlers_do(subject: &Subject) {
    let broker = broker(subject);
    let (worker, _inbox) = echo(&broker, "worker", &[">"]);
    broker.replace_subscriptions(vec![failing("one", "no").0, worker, failing("two", "no").0]);
    assert_eq!(request(&broker, "tasks.a", "hello").await.unwrap(), "worker: hello");
    broker.replace_subscriptions(vec![failing("one", "no").0, failing("two", "no").0]);
    assert_eq!(request(&broker, "tasks.a", "hello").await.unwrap_err(), "no");
}

async fn a_request_whose_handler_breaks_fails(subject: &Subject) {
    let broker = broker(subject);
    broker.replace_subscriptions(vec![subscription("worker", &[">"], |_| panic!("on purpose")).0]);
    let error = request(&broker, "tasks.a", "hello").await.unwrap_err();
    assert_eq!(error, "`worker` failed to handle the message");
    broker.replace_subscriptions(vec![echo(&broker, "worker", &[">"]).0]);
    assert_eq!(request(&broker, "tasks.a", "hello").await.unwrap(), "worker: hello");
}

async fn a_request_times_out(subject: &Subject) {
    let broker = broker(subject);
    broker.replace_subscriptions(vec![listener("worker", &[">"]).0]);
    let error = broker.request(to("tasks.a", ""), Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(error, "no answer from `tasks.a` within 1 ms");
}

async fn an_answer_that_comes_too_late_goes_nowhere(subject: &Subject) {
    let broker = broker(subject);
    let (worker, mut inbox) = listener("worker", &[">"]);
    broker.replace_subscriptions(vec![worker]);
    broker.request(to("tasks.a", ""), Duration::from_millis(1)).await.unwrap_err();
    let reply_to = inbox.recv().await.unwrap().reply_to.unwrap();
    broker.publish(to(&reply_to, "late")).await.unwrap();
    broker.publish(to("end", "end")).await.unwrap();
    assert_eq!(inbox.recv().await.unwrap().body, "end");
}

async fn workloads_are_apart(subject: &Subject) {
    let other = subject.other.broker(&workload("default", "other").id());
    let (all, mut everything) = listener("all", &[">"]);
    other.replace_subscriptions(vec![all]);
    broker(subject).publish(to("tasks.a", "secret")).await.unwrap();
    request(&broker(subject), "tasks.a", "secret").await.unwrap_err();
    other.publish(to("end", "end")).await.unwrap();
    assert_eq!(everything.recv().await.unwrap().body, "end");
}

async fn messages_that_wait_go_to_the_new_handler(subject: &Subject) {
    let broker = broker(subject);
    let gate = Arc::new(Semaphore::new(0));
    let (old, mut olds) = waiting("worker", &gate);
    broker.replace_subscriptions(vec![old]);
    // As many as a subscription handles at one time, and then those that wait.
    let busy = IN_FLIGHT;
    for n in 0..busy + 10 {
        broker.publish(to("tasks.a", &n.to_string())).await.unwrap();
    }
    let mut handled = BTreeSet::new();
    for _ in 0..busy {
        handled.insert(olds.recv().await.unwrap().body);
    }
    let (new, mut news) = listener("worker", &[">"]);
    broker.replace_subscriptions(vec![new]);
    gate.add_permits(busy);
    for _ in 0..10 {
        handled.insert(news.recv().await.unwrap().body);
    }
    assert_eq!(handled.len(), busy + 10);
    assert!(received(&mut olds).is_empty());
}

async fn a_handler_is_given_as_many_messages_at_a_time_as_it_wants(subject: &Subject) {
    let broker = broker(subject);
    let gate = Arc::new(Semaphore::new(0));
    let (one, mut inbox) = waiting("worker", &gate);
    broker.replace_subscriptions(vec![Subscription { in_flight: 1, ..one.clone() }]);
    for n in 0..4 {
        broker.publish(to("tasks.a", &n.to_string())).await.unwrap();
    }
    assert_eq!(inbox.recv().await.unwrap().body, "0");
    // The second comes when the first is done, and no other before.
    gate.add_permits(1);
    assert_eq!(inbox.recv().await.unwrap().body, "1");
    assert!(received(&mut inbox).is_empty());
    gate.add_permits(3);
    assert_eq!(inbox.recv().await.unwrap().body, "2");
    assert_eq!(inbox.recv().await.unwrap().body, "3");
}

async fn a_trace_goes_with_its_message(subject: &Subject) {
    let broker = broker(subject);
    let (worker, mut inbox) = listener("worker", &[">"]);
    broker.replace_subscriptions(vec![worker]);
    let mut message = to("tasks.a", "x");
    message.trace.insert("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap());
    broker.publish(message.clone()).await.unwrap();
    assert_eq!(inbox.recv().await.unwrap().trace, message.trace);
    let unanswered = broker.request(message.clone(), Duration::from_millis(1));
    assert!(unanswered.await.is_err());
    assert_eq!(inbox.recv().await.unwrap().trace, message.trace);
}

async fn a_forgotten_workload_fails_what_waits(subject: &Subject) {
    let old = broker(subject);
    let (worker, mut inbox) = listener("worker", &[">"]);
    old.replace_subscriptions(vec![worker]);
    let waits = tokio::spawn({
        let broker = old.clone();
        async move { request(&broker, "tasks.a", "hello").await }
    });
    inbox.recv().await.unwrap();
    subject.backend.forget(&workload("default", "hello").id());
    assert_eq!(waits.await.unwrap().unwrap_err(), "the workload has been stopped");
    assert_eq!(old.publish(to("tasks.a", "")).await.unwrap_err(), "the workload has been stopped");
    // Started again, it has nothing of its former life.
    let new = broker(subject);
    assert!(request(&new, "tasks.a", "hello").await.unwrap_err().starts_with("no responders"));
    assert!(inbox.recv().await.is_none());
}

async fn nothing_is_lost_while_handlers_are_replaced(subject: &Subject) {
    let broker = broker(subject);
    broker.replace_subscriptions(vec![echo(&broker, "worker", &[">"]).0]);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let broker = broker.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    request(&broker, "tasks.a", "hello").await.unwrap();
                }
            })
        })
        .collect();
    while !clients.iter().all(|client| client.is_finished()) {
        broker.replace_subscriptions(vec![echo(&broker, "worker", &[">"]).0]);
        tokio::task::yield_now().await;
    }
    for client in clients {
        client.await.unwrap();
    }
}
