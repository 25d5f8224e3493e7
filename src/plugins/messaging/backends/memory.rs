//! Messages inside of this process.
//!
//! Each subscription has a queue and a task that hands its messages out, several at a time. Whoever
//! sends waits while a queue is full, and fails when it stays full.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;

use super::requests::{DROPPED, Requests, Share};
use crate::plugins::messaging::backend::{
    Answer, Backend, Broker, BrokerMessage, Handler, STOPPED, Shed, Subscription, no_answer, no_responders,
};
use crate::runtime::workload::WorkloadId;

/// What a subscription is held to.
#[derive(Clone, Copy)]
struct Limits {
    /// How many messages may wait.
    queued: usize,
    /// How many KiB of bodies may wait; more than the largest body.
    queued_kib: u32,
    /// How long a sender waits for room.
    patience: Duration,
}

const LIMITS: Limits = Limits { queued: 1024, queued_kib: 64 << 10, patience: Duration::from_secs(5) };

/// The brokers of all workloads.
#[derive(Default)]
pub struct Memory {
    brokers: Mutex<HashMap<WorkloadId, Arc<MemoryBroker>>>,
}

impl Backend for Memory {
    fn broker(&self, workload: &WorkloadId) -> Arc<dyn Broker> {
        let mut brokers = self.brokers.lock().unwrap_or_else(PoisonError::into_inner);
        brokers.entry(workload.clone()).or_insert_with(|| MemoryBroker::new(LIMITS)).clone()
    }

    fn forget(&self, workload: &WorkloadId) {
        let broker = self.brokers.lock().unwrap_or_else(PoisonError::into_inner).remove(workload);
        if let Some(broker) = broker {
            broker.close();
        }
    }
}

struct MemoryBroker {
    this: Weak<MemoryBroker>,
    limits: Limits,
    table: RwLock<Table>,
    requests: Arc<Requests>,
    /// Whose turn it is in groups.
    turn: AtomicUsize,
}

#[derive(Default)]
struct Table {
    closed: bool,
    routes: Vec<Route>,
}

struct Route {
    subscription: Subscription,
    queue: Queue,
    /// Runs as long as the route exists.
    task: Task,
}

/// What hands the messages of a queue out. Dropped, it stops, and those that wait are dropped.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Clone)]
struct Queue {
    sender: mpsc::Sender<Delivery>,
    room: Arc<Semaphore>,
    /// For as many messages as are handled at one time.
    permits: Arc<Semaphore>,
}

/// A message on its way to one subscription.
struct Delivery {
    message: BrokerMessage,
    share: Option<Share>,
    /// Its room in the queue.
    room: OwnedSemaphorePermit,
    since: Instant,
}

impl MemoryBroker {
    fn new(limits: Limits) -> Arc<Self> {
        Arc::new_cyclic(|this| MemoryBroker {
            this: this.clone(),
            limits,
            table: RwLock::default(),
            requests: Arc::default(),
            turn: AtomicUsize::new(0),
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let table = std::mem::replace(&mut *self.write(), Table { closed: true, routes: Vec::new() });
        drop(table);
        self.requests.fail_all(STOPPED);
    }

    /// The queues of those who are given a message: everyone who subscribes, one of each group.
    fn queues_for(&self, subject: &str) -> Result<Vec<(String, Queue)>, String> {
        let table = self.read();
        if table.closed {
            return Err(STOPPED.into());
        }
        let wanted = |route: &&Route| route.subscription.patterns.iter().any(|pattern| pattern.matches(subject));
        let mut chosen = Vec::new();
        let mut groups = BTreeMap::<&str, Vec<&Route>>::new();
        for route in table.routes.iter().filter(wanted) {
            match &route.subscription.group {
                Some(group) => groups.entry(group).or_default().push(route),
                None => chosen.push(route),
            }
        }
        for mut members in groups.into_values() {
            let first = self.turn.fetch_add(1, Ordering::Relaxed) % members.len();
            members.rotate_left(first);
            let free = members.iter().position(|route| route.queue.sender.capacity() > 0);
            chosen.push(members[free.unwrap_or(0)]);
        }
        Ok(chosen.into_iter().map(|route| (route.subscription.name.clone(), route.queue.clone())).collect())
    }

    /// The handler that a subscription has now, and how long a message may wait for it.
    fn handler(&self, name: &str) -> Option<(Arc<dyn Handler>, Option<Duration>)> {
        let table = self.read();
        let route = table.routes.iter().find(|route| route.subscription.name == name)?;
        Some((route.subscription.handler.clone(), route.subscription.admission_wait))
    }

    fn new_queue(&self, subscription: &Subscription) -> (Queue, Task) {
        let (sender, receiver) = mpsc::channel(self.limits.queued);
        let permits = Arc::new(Semaphore::new(subscription.in_flight));
        let name = subscription.name.clone();
        let task = tokio::spawn(hand_out(self.this.clone(), name, receiver, permits.clone()));
        let room = Arc::new(Semaphore::new(self.limits.queued_kib as usize));
        (Queue { sender, room, permits }, Task(task.abort_handle()))
    }

    async fn publish(&self, message: BrokerMessage) -> Result<(), String> {
        let queues = self.queues_for(&message.subject)?;
        let Some(message) = self.requests.answer(message) else { return Ok(()) };
        let sent = queues.iter().map(|(name, queue)| self.enqueue(name, queue, message.clone(), None));
        join_all(sent).await.into_iter().collect()
    }

    async fn request(&self, message: BrokerMessage, timeout: Duration) -> Result<BrokerMessage, String> {
        let subject = message.subject.clone();
        let queues = self.queues_for(&subject)?;
        if queues.is_empty() {
            return Err(no_responders(&subject));
        }
        let mut waiting = self.requests.wait();
        let message = BrokerMessage { reply_to: Some(waiting.inbox.clone()), ..message };
        let shares = waiting.shares(queues.len());
        let answered = async {
            let sent = queues.iter().zip(shares);
            // Who does not take it has failed its share; who takes it may answer before all have.
            let sent = sent.map(|((name, queue), share)| self.enqueue(name, queue, message.clone(), Some(share)));
            let (sent, answer) = (join_all(sent), waiting.answer());
            futures::pin_mut!(sent, answer);
            match futures::future::select(sent, answer).await {
                futures::future::Either::Left((_, answer)) => answer.await,
                futures::future::Either::Right((answer, _)) => answer,
            }
        };
        let answered = tokio::time::timeout(timeout, answered).await;
        answered.unwrap_or_else(|_| Err(no_answer(&subject, timeout)))
    }

    /// Puts a message into a queue when there is room, and waits for it while there is none. Somebody
    /// who has just stopped to subscribe is nobody who must be given it.
    async fn enqueue(
        &self,
        name: &str,
        queue: &Queue,
        message: BrokerMessage,
        mut share: Option<Share>,
    ) -> Result<(), String> {
        let full = || format!("`{name}` does not keep up with its messages: {} wait", self.limits.queued);
        may_fail(&mut share, full());
        let kib = 1 + (message.body.len() >> 10) as u32;
        let put = async {
            let (room, place) = (queue.room.clone().acquire_many_owned(kib), queue.sender.reserve());
            let (Ok(room), Ok(place)) = (room.await, place.await) else {
                may_fail(&mut share, format!("`{name}` does not subscribe any more"));
                return Ok(());
            };
            may_fail(&mut share, DROPPED);
            place.send(Delivery { message, share: share.take(), room, since: Instant::now() });
            Ok(())
        };
        futures::pin_mut!(put);
        // With room, which is nearly always, no timer is needed.
        match put.as_mut().now_or_never() {
            Some(done) => done,
            None => tokio::time::timeout(self.limits.patience, put).await.unwrap_or_else(|_| Err(full())),
        }
    }
}

impl Broker for MemoryBroker {
    fn publish(&self, message: BrokerMessage) -> Answer<'_, ()> {
        self.publish(message).boxed()
    }

    fn request(&self, message: BrokerMessage, timeout: Duration) -> Answer<'_, BrokerMessage> {
        self.request(message, timeout).boxed()
    }

    fn replace_subscriptions(&self, subscriptions: Vec<Subscription>) {
        // Dropped when the table is free again: a handler may be the last to hold a compiled component.
        let mut retired = Vec::new();
        let mut queues = HashMap::new();
        let mut table = self.write();
        if table.closed {
            return;
        }
        for Route { subscription, queue, task } in table.routes.drain(..) {
            queues.insert(subscription.name.clone(), (queue, task, subscription.in_flight));
            retired.push(subscription);
        }
        for subscription in subscriptions {
            let (queue, task) = match queues.remove(&subscription.name) {
                Some((queue, task, in_flight)) => {
                    resize(&queue.permits, in_flight, subscription.in_flight);
                    (queue, task)
                }
                None => self.new_queue(&subscription),
            };
            table.routes.push(Route { subscription, queue, task });
        }
    }
}

fn may_fail(share: &mut Option<Share>, reason: impl Into<String>) {
    if let Some(share) = share {
        share.may_fail(reason);
    }
}

/// Lets more or fewer messages be handled at one time. Those that are being handled are finished.
fn resize(permits: &Arc<Semaphore>, from: usize, to: usize) {
    permits.add_permits(to.saturating_sub(from));
    let too_many = from.saturating_sub(to);
    let left = too_many - permits.forget_permits(too_many);
    if left > 0 {
        let permits = permits.clone();
        tokio::spawn(async move {
            if let Ok(permits) = permits.acquire_many_owned(left as u32).await {
                permits.forget();
            }
        });
    }
}

/// Hands the messages of one queue to whichever handler the subscription has by then.
async fn hand_out(
    broker: Weak<MemoryBroker>,
    name: String,
    mut queue: mpsc::Receiver<Delivery>,
    permits: Arc<Semaphore>,
) {
    let shed = Shed::default();
    let handler = || broker.upgrade().and_then(|broker| broker.handler(&name));
    loop {
        // Only where the wait has a bound, the first in the row is taken to look at the clock for it.
        let (permit, Delivery { message, mut share, room, since }) = match handler().and_then(|(_, wait)| wait) {
            None => {
                let Ok(permit) = permits.clone().acquire_owned().await else { return };
                let Some(delivery) = queue.recv().await else { return };
                (Some(permit), delivery)
            }
            Some(wait) => {
                let Some(delivery) = queue.recv().await else { return };
                let left = wait.saturating_sub(delivery.since.elapsed());
                let permit = tokio::time::timeout(left, permits.clone().acquire_owned()).await;
                (permit.ok().and_then(Result::ok), delivery)
            }
        };
        drop(room);
        let Some((handler, wait)) = handler() else { continue };
        let permit = match (permit, wait) {
            (_, Some(wait)) if since.elapsed() >= wait => {
                may_fail(&mut share, shed.count(&name, wait));
                continue;
            }
            (Some(permit), _) => permit,
            // It has no bound any more.
            (None, _) => match permits.clone().acquire_owned().await {
                Ok(permit) => permit,
                Err(_) => return,
            },
        };
        may_fail(&mut share, format!("`{name}` failed to handle the message"));
        tokio::spawn(async move {
            match (handler.handle(message).await, share) {
                (Ok(()), Some(share)) => share.done(),
                (Err(reason), Some(mut share)) => share.may_fail(reason),
                (_, None) => {}
            }
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::messaging::subject::Pattern;
    use bytes::Bytes;
    use futures::future::BoxFuture;

    /// Tells of each message and then never ends.
    struct Stuck(mpsc::UnboundedSender<()>);

    impl Handler for Stuck {
        fn handle(&self, _: BrokerMessage) -> BoxFuture<'_, Result<(), String>> {
            let _ = self.0.send(());
            std::future::pending().boxed()
        }
    }

    fn message(body: Bytes) -> BrokerMessage {
        BrokerMessage { subject: "tasks.a".into(), body, reply_to: None, trace: http::HeaderMap::new() }
    }

    /// A broker without patience, and one handler that is busy with as much as it may be.
    async fn busy(limits: Limits, in_flight: usize) -> Arc<MemoryBroker> {
        let broker = MemoryBroker::new(Limits { patience: Duration::ZERO, ..limits });
        let (sender, mut begun) = mpsc::unbounded_channel();
        broker.replace_subscriptions(vec![Subscription {
            name: "worker".into(),
            patterns: vec![Pattern::everything()],
            group: None,
            broadcast: false,
            in_flight,
            admission_wait: None,
            handler: Arc::new(Stuck(sender)),
        }]);
        for _ in 0..in_flight {
            broker.publish(message(Bytes::new())).await.unwrap();
            begun.recv().await.unwrap();
        }
        broker
    }

    #[tokio::test]
    async fn who_sends_too_many_messages_is_told_who_does_not_keep_up() {
        let broker = busy(Limits { queued: 3, ..LIMITS }, 2).await;
        for _ in 0..3 {
            broker.publish(message(Bytes::new())).await.unwrap();
        }
        let error = broker.publish(message(Bytes::new())).await.unwrap_err();
        assert_eq!(error, "`worker` does not keep up with its messages: 3 wait");
        let error = broker.request(message(Bytes::new()), Duration::from_secs(60)).await.unwrap_err();
        assert_eq!(error, "`worker` does not keep up with its messages: 3 wait");
        assert_eq!(broker.requests.count(), 0);
    }

    #[tokio::test]
    async fn large_messages_fill_a_queue_sooner() {
        let broker = busy(Limits { queued_kib: 100, ..LIMITS }, 1).await;
        let large = Bytes::from(vec![0; 60 << 10]);
        broker.publish(message(large.clone())).await.unwrap();
        assert!(broker.publish(message(large)).await.is_err());
        broker.publish(message(Bytes::new())).await.unwrap();
    }

    #[tokio::test]
    async fn messages_that_wait_for_somebody_who_has_gone_fail_their_requests() {
        let broker = busy(LIMITS, 1).await;
        let mut request = Box::pin(broker.request(message(Bytes::new()), Duration::from_secs(60)));
        assert!((&mut request).now_or_never().is_none());
        broker.replace_subscriptions(Vec::new());
        assert_eq!(request.await.unwrap_err(), DROPPED);
    }

    #[tokio::test]
    async fn a_request_that_nobody_waits_for_any_more_is_forgotten() {
        let broker = busy(LIMITS, 1).await;
        let mut request = Box::pin(broker.request(message(Bytes::new()), Duration::from_secs(60)));
        assert!((&mut request).now_or_never().is_none());
        assert_eq!(broker.requests.count(), 1);
        drop(request);
        assert_eq!(broker.requests.count(), 0);
    }
}
