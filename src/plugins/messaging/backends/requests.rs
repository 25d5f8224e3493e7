//! Requests that wait for their answer.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::plugins::messaging::backend::BrokerMessage;
use crate::plugins::messaging::subject::INBOX;

/// Why a request fails whose message waited for somebody who has gone.
pub const DROPPED: &str = "the message was dropped before anybody handled it";

type Answer = Result<BrokerMessage, String>;

/// All requests of a broker that wait, by the subject that their answer goes to.
#[derive(Default)]
pub struct Requests {
    waiting: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
}

impl Requests {
    /// Begins to wait. It ends when [`Waiting`] is dropped.
    pub fn wait(self: &Arc<Self>) -> Waiting {
        let (sender, answer) = oneshot::channel();
        // The hasher's keys come from the operating system's randomness, so nobody guesses the subject.
        let random = || RandomState::new().hash_one(0);
        let inbox = format!("{INBOX}.{:016x}{:016x}", random(), random());
        self.lock().insert(inbox.clone(), sender);
        Waiting { requests: self.clone(), inbox, answer }
    }

    /// Passes a message on to the request that waits for it. Returns it when there is none.
    pub fn answer(&self, message: BrokerMessage) -> Option<BrokerMessage> {
        let sender = self.lock().remove(&message.subject);
        match sender {
            // One that has just stopped waiting needs no answer either.
            Some(sender) => sender.send(Ok(message)).ok().and(None),
            None => Some(message),
        }
    }

    /// Tells everyone who waits that there will be no answer.
    pub fn fail_all(&self, reason: &str) {
        for (_, sender) in self.lock().drain() {
            let _ = sender.send(Err(reason.to_string()));
        }
    }

    fn fail(&self, inbox: &str, reason: String) {
        let sender = self.lock().remove(inbox);
        if let Some(sender) = sender {
            let _ = sender.send(Err(reason));
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that waits.
pub struct Waiting {
    requests: Arc<Requests>,
    /// The subject that the answer goes to.
    pub inbox: String,
    answer: oneshot::Receiver<Answer>,
}

impl Waiting {
    /// Returns the answer, or why there will be none.
    pub async fn answer(&mut self) -> Answer {
        (&mut self.answer).await.unwrap_or_else(|_| Err("the broker has gone".into()))
    }

    /// Divides the request among so many handlers: when all of them fail, it does.
    pub fn shares(&self, count: usize) -> Vec<Share> {
        let open = Arc::new(AtomicUsize::new(count));
        let share = || Share {
            requests: self.requests.clone(),
            inbox: self.inbox.clone(),
            open: open.clone(),
            failure: Some(DROPPED.into()),
        };
        std::iter::repeat_with(share).take(count).collect()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.requests.lock().remove(&self.inbox);
    }
}

/// One handler's part in a request. Dropped, it has failed, for the last reason it was told.
pub struct Share {
    requests: Arc<Requests>,
    inbox: String,
    open: Arc<AtomicUsize>,
    failure: Option<String>,
}

impl Share {
    /// What the request is told if nothing else comes.
    pub fn may_fail(&mut self, reason: impl Into<String>) {
        self.failure = Some(reason.into());
    }

    /// The handler has done its part: the answer has come, or comes from somebody it told.
    pub fn done(mut self) {
        self.failure = None;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(reason) = self.failure.take()
            && self.open.fetch_sub(1, Ordering::AcqRel) == 1
        {
            self.requests.fail(&self.inbox, reason);
        }
    }
}
