//! Being driven by a scheduler over NATS: commands come in, answers and heartbeats go out.
//!
//! Owns the protocol (`docs/cluster.md`): its JSON, the connection, who we are to the server and to the
//! scheduler. What runs is the business of [`Node`], which hears of no NATS.
//!
//! The connection, the heartbeats and the answers have a thread of their own, so that no compiling, no
//! pull and no request can make this host look dead; the commands are carried out elsewhere. Start with
//! [`Scheduler::start`], then `link.rs`.

pub mod connection;
pub mod identity;
pub mod login;

mod json;
mod link;
mod messages;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::node::Node;
use crate::node::admin::Health;
use crate::node::report::{Report, SchedulerState};
use connection::Access;
use link::{Link, Phase};

/// How long it may take to say that we take no more commands.
const LEAVE: Duration = Duration::from_secs(3);
/// How long the last answers may take to be sent.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// The pause after a panic, so that one that comes again and again is no endless loop.
const RECOVERY: Duration = Duration::from_secs(1);

/// The connection to a scheduler. Lives until [`Scheduler::end`].
pub struct Scheduler {
    phase: watch::Sender<Phase>,
    reached: watch::Receiver<Phase>,
}

impl Scheduler {
    /// Begins to take commands for a node; must be called on the runtime that carries them out. A
    /// server that cannot be reached is no error: it is tried again until it can, and `health` tells.
    ///
    /// Errors: a file that the connection needs cannot be used.
    pub fn start(node: Node, access: Access, health: Health) -> Result<Self> {
        access.check()?;
        health.set_scheduler(SchedulerState::Unreachable { reason: "there was no connection yet".into() });
        let (phase, wanted) = watch::channel(Phase::Serving);
        let (reaching, reached) = watch::channel(Phase::Serving);
        let link = Arc::new(Link::new(node, access, health, Handle::current()));
        std::thread::Builder::new()
            .name("wash-scheduler".into())
            .spawn(move || live(&link, &wanted, &reaching))
            .map_err(|error| Error::caused_by("cannot start a thread", &error))?;
        Ok(Scheduler { phase, reached })
    }

    /// Takes no more commands: from now on the scheduler is told by NATS that nobody answers, and
    /// places its workloads elsewhere. Those that came before are still answered.
    pub async fn leave(&self) {
        self.phase.send_replace(Phase::Leaving);
        let mut reached = self.reached.clone();
        let _ = tokio::time::timeout(LEAVE, reached.wait_for(|phase| *phase >= Phase::Leaving)).await;
    }

    /// Sends the answers that are not sent yet, and closes the connection.
    pub async fn end(self) {
        self.phase.send_replace(Phase::Ending);
        let mut reached = self.reached;
        let _ = tokio::time::timeout(LAST_ANSWERS + LEAVE, reached.wait_for(|phase| *phase >= Phase::Ending)).await;
    }
}

/// What the thread does. A panic does not end it: a host that nobody can reach, and that looks alive,
/// is worse than one that connects again.
fn live(link: &Arc<Link>, wanted: &watch::Receiver<Phase>, reaching: &watch::Sender<Phase>) {
    loop {
        let run = || -> std::io::Result<()> {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(link.run(wanted.clone(), reaching));
            Ok(())
        };
        let why = match std::panic::catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(())) => break,
            Ok(Err(error)) => Error::caused_by("cannot start the asynchronous runtime", &error),
            Err(_) => Error::bug("the connection to the scheduler ended in a panic"),
        };
        link.tell(Report::Warning { message: format!("{why}; it is begun anew") });
        std::thread::sleep(RECOVERY);
    }
    reaching.send_replace(Phase::Ending);
}
