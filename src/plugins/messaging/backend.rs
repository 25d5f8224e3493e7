//! What carries the messages of `wasmcloud:messaging`, in plain types.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::HeaderMap;

use super::subject::Pattern;
use crate::runtime::workload::WorkloadId;

/// How many messages of one subscription are handled at one time, unless it says otherwise.
pub const IN_FLIGHT: usize = 64;
/// Why everything fails in a workload that does not run any more.
pub const STOPPED: &str = "the workload has been stopped";

/// The error for a request that nobody could answer.
pub fn no_responders(subject: &str) -> String {
    format!("no responders: nothing subscribes to `{subject}`")
}

/// The error for a request that nobody answered in its time.
pub fn no_answer(subject: &str, timeout: Duration) -> String {
    format!("no answer from `{subject}` within {} ms", timeout.as_millis())
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerMessage {
    /// Where it goes; see [`super::subject::check`].
    pub subject: String,
    /// What it says.
    pub body: Bytes,
    /// The subject that an answer goes to.
    pub reply_to: Option<String>,
    /// The place in a trace, as headers. Empty where nobody records one.
    pub trace: HeaderMap,
}

/// Receives messages: a component that can be called.
pub trait Handler: Send + Sync + 'static {
    /// Handles one message. The error is told to whoever waits for an answer; it is up to the handler
    /// to report it to anybody else, and to end in bounded time.
    fn handle(&self, message: BrokerMessage) -> BoxFuture<'_, Result<(), String>>;
}

/// Who wants which messages.
#[derive(Clone)]
pub struct Subscription {
    /// The component's name, unique in the workload. Messages that wait when the subscriptions are
    /// replaced go to the new subscription of the same name.
    pub name: String,
    /// A message that matches several of them is still delivered once.
    pub patterns: Vec<Pattern>,
    /// Of all subscriptions in a group, one is given each message.
    pub group: Option<String>,
    /// Where several hosts run the workload, each of them is given each message.
    pub broadcast: bool,
    /// How many messages are handled at one time.
    pub in_flight: usize,
    /// How long a message may wait for its turn; then it is thrown away. `None`: as long as it takes.
    pub admission_wait: Option<Duration>,
    /// Who is called.
    pub handler: Arc<dyn Handler>,
}

/// The future answer of a backend; an error says what went wrong.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, String>>;

/// Carries messages.
pub trait Backend: Send + Sync + 'static {
    /// Returns the workload's broker: always the same one until the workload is forgotten.
    fn broker(&self, workload: &WorkloadId) -> Arc<dyn Broker>;

    /// Closes the workload's broker. What waits for it fails.
    fn forget(&self, workload: &WorkloadId);
}

/// Carries the messages of one workload. Subjects and bodies have been checked.
pub trait Broker: Send + Sync + 'static {
    /// Hands a message to everyone who subscribes to its subject, and does not wait until they have
    /// handled it. Nobody may subscribe. Fails when somebody does not keep up.
    fn publish(&self, message: BrokerMessage) -> Answer<'_, ()>;

    /// Sends a message, with a subject for answers of its own, and returns the first of them. Fails at once when nobody subscribes; and when
    /// everyone has failed, where the backend hears of that.
    fn request(&self, message: BrokerMessage, timeout: Duration) -> Answer<'_, BrokerMessage>;

    /// Replaces all subscriptions in one step. Messages that are being handled stay where they are;
    /// those that wait go to the new handlers.
    fn replace_subscriptions(&self, subscriptions: Vec<Subscription>);

    /// Whether others may send and see what is sent here.
    fn is_common(&self) -> bool {
        false
    }
}

/// Counts messages that were thrown away because their turn did not come in time.
#[derive(Default)]
pub struct Shed(AtomicU64);

impl Shed {
    /// Counts one more, and warns at the first, second, fourth, … of a subscription.
    pub fn count(&self, name: &str, wait: Duration) -> String {
        let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let reason = format!("`{name}` was busy for longer than {} s (`admission_wait`)", wait.as_secs());
        if count.is_power_of_two() {
            tracing::warn!("{count} messages thrown away so far: {reason}");
        }
        reason
    }
}
