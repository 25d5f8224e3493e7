//! Running a program so that it does not outlive us, nor does anything it has started.
//!
//! Knows how a program and its children are ended, politely or at once, and where it stands towards
//! the terminal. What is run and what becomes of its output is the business of the rooms above.

use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use system::Family;

/// How long a program may take to end after it was asked to: long enough for git to restore the
/// terminal's echo and to remove its lock files. Cargo and npm end in milliseconds; what cleans up
/// after itself gets a moment, and a terminal user does not wait noticeably longer.
const GRACE: Duration = Duration::from_secs(2);
/// How often we look whether a child is gone. Only while stopping, where nothing else goes on.
const LOOK: Duration = Duration::from_millis(5);
/// The same where other work goes on.
#[cfg(unix)]
const LOOK_NOW_AND_THEN: Duration = Duration::from_millis(20);

/// Where a child stands towards the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a process group of its own: it cannot read from the terminal, and all that it starts can
    /// be ended with it.
    Apart,
    /// In our group: it may ask the user, and ctrl-c in the terminal reaches it without us. (A group
    /// of its own could not read from the terminal.)
    AtTheTerminal,
}

/// What becomes of a child that is dropped while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It is asked to end, gets a moment for it, and is gone when the drop returns.
    Asked,
    /// It is killed with its group, and nobody waits: for what may be dropped amid other work.
    Killed,
}

/// How a child has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exited(ExitStatus),
    /// It, or a child of it, waits for the terminal, which belongs to us; it was killed.
    WantsTerminal,
}

/// A running child. It is ended when this is dropped.
pub struct Running {
    child: Child,
    place: Place,
    leave: Leave,
}

impl Running {
    pub fn start(command: &mut Command, place: Place, leave: Leave) -> io::Result<Self> {
        if place == Place::Apart {
            system::set_apart(command);
        }
        Ok(Running { child: command.kill_on_drop(leave == Leave::Killed).spawn()?, place, leave })
    }

    /// The pipe of its stdout, once, if it has one.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The pipe of its stderr, once, if it has one.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Waits until the child ends by itself. What it has left behind goes on.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Waits for the end of the child itself, and ends what it has left behind in its group. Only for
    /// children that stand apart.
    #[cfg(unix)]
    pub async fn ended(&mut self) -> io::Result<End> {
        use tokio::signal::unix::{SignalKind, signal};

        let mut child_changed = signal(SignalKind::child())?;
        loop {
            // Before the child is waited for its number is still taken, so that the group that is
            // killed can be no other.
            match system::state(self.child.id()) {
                system::State::Running => {
                    let _ = child_changed.recv().await;
                }
                system::State::Ended => {
                    self.kill();
                    return self.child.wait().await.map(End::Exited);
                }
                system::State::WaitsForTerminal => {
                    self.kill();
                    self.child.wait().await?;
                    return Ok(End::WantsTerminal);
                }
            }
        }
    }

    /// Waits for the end of the child itself.
    #[cfg(not(unix))]
    pub async fn ended(&mut self) -> io::Result<End> {
        self.child.wait().await.map(End::Exited)
    }

    /// Asks the child's group to end, and kills what is left of it after a while.
    pub async fn terminate(mut self) {
        #[cfg(unix)]
        if let Some(group) = self.child.id().and_then(system::pid) {
            use rustix::process::{Signal, kill_process_group, test_kill_process_group};
            let _ = kill_process_group(group, Signal::TERM);
            // A stopped process would not notice.
            let _ = kill_process_group(group, Signal::CONT);
            let gone = async {
                let _ = self.child.wait().await;
                // Its children may take longer; nobody tells us when they end.
                while test_kill_process_group(group).is_ok() {
                    tokio::time::sleep(LOOK_NOW_AND_THEN).await;
                }
            };
            if tokio::time::timeout(GRACE, gone).await.is_err() {
                let _ = kill_process_group(group, Signal::KILL);
            }
        }
        let _ = self.child.kill().await;
    }

    /// Kills the whole group, if its leader has not been waited for: after that the number may
    /// belong to somebody else.
    fn kill(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.child.id().and_then(system::pid) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.start_kill();
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.leave == Leave::Killed {
            return self.kill();
        }
        // There is no number any more when somebody has waited for the end.
        let Some(id) = self.child.id() else { return };
        let family = Family::of(id, self.place);
        family.ask_to_end();
        if !wait_until(GRACE, || self.has_ended()) {
            let _ = self.child.start_kill();
            wait_until(GRACE, || self.has_ended());
        }
        // Nothing may write into a folder that is about to be removed.
        family.end();
    }
}

fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(unix)]
mod system {
    use std::collections::BTreeSet;
    use std::fs;

    use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process, test_kill_process_group};

    use super::*;

    pub(super) fn set_apart(command: &mut Command) {
        command.process_group(0);
    }

    /// A child and what it has started.
    pub(super) enum Family {
        Group(Pid),
        Each { child: Option<Pid>, others: Vec<Pid> },
    }

    impl Family {
        pub(super) fn of(child: u32, place: Place) -> Self {
            let child = pid(child);
            match (child, place) {
                (Some(child), Place::Apart) => Family::Group(child),
                _ => Family::Each { child, others: child.map(descendants).unwrap_or_default() },
            }
        }

        pub(super) fn ask_to_end(&self) {
            match self {
                Family::Group(group) => {
                    let _ = kill_process_group(*group, Signal::TERM);
                }
                Family::Each { child, others } => others.iter().chain(child).for_each(|pid| send(*pid, Signal::TERM)),
            }
        }

        /// Ends whoever is still there when the child itself has ended.
        pub(super) fn end(self) {
            match self {
                Family::Group(group) => {
                    if kill_process_group(group, Signal::KILL).is_ok() {
                        wait_until(GRACE, || !is_group_alive(group));
                    }
                }
                Family::Each { others, .. } => {
                    if !wait_until(GRACE, || !others.iter().any(|pid| is_alive(*pid))) {
                        others.iter().for_each(|pid| send(*pid, Signal::KILL));
                    }
                }
            }
        }
    }

    /// A signal that cannot be sent finds nobody, and that is what it was for.
    fn send(pid: Pid, signal: Signal) {
        let _ = kill_process(pid, signal);
    }

    pub(super) fn pid(id: u32) -> Option<Pid> {
        Pid::from_raw(i32::try_from(id).ok()?)
    }

    /// What a running child does.
    pub(super) enum State {
        Running,
        Ended,
        /// The system stopped it because it, or a child of it, asked the terminal for input (a
        /// password, say). It would wait for ever.
        WaitsForTerminal,
    }

    /// What the child does, without waiting and without taking note of its end.
    pub(super) fn state(child: Option<u32>) -> State {
        use rustix::process::{WaitId, WaitIdOptions, waitid};

        let Some(id) = child.and_then(pid) else { return State::Ended };
        let options = WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(id), options) {
            Ok(Some(status)) => match status.stopping_signal() {
                Some(signal) if signal == Signal::TTIN.as_raw() || signal == Signal::TTOU.as_raw() => {
                    State::WaitsForTerminal
                }
                // Somebody has stopped it by hand and will continue it.
                Some(_) => State::Running,
                None => State::Ended,
            },
            Ok(None) => State::Running,
            Err(_) => State::Ended,
        }
    }

    /// What `/proc` says of a process. Other systems than Linux have no such files.
    struct Process {
        pid: Pid,
        parent: u32,
        group: u32,
        /// It has ended; only its parent has not looked yet, and may never do so.
        is_dead: bool,
    }

    impl Process {
        fn read(pid: Pid) -> Option<Self> {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
            // `pid (name) state parent group …`, where the name may contain anything.
            let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
            let is_dead = matches!(rest.next()?, "Z" | "X");
            Some(Process { pid, parent: rest.next()?.parse().ok()?, group: rest.next()?.parse().ok()?, is_dead })
        }

        fn all() -> Vec<Self> {
            let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
            entries.filter_map(|entry| Self::read(pid(entry.file_name().to_str()?.parse().ok()?)?)).collect()
        }
    }

    fn is_alive(pid: Pid) -> bool {
        test_kill_process(pid).is_ok() && !Process::read(pid).is_some_and(|process| process.is_dead)
    }

    fn is_group_alive(group: Pid) -> bool {
        let number = group.as_raw_nonzero().get().unsigned_abs();
        let processes = Process::all();
        test_kill_process_group(group).is_ok()
            && (processes.is_empty() || processes.iter().any(|process| process.group == number && !process.is_dead))
    }

    /// Who was started by the process, directly or not.
    fn descendants(ancestor: Pid) -> Vec<Pid> {
        let processes = Process::all();
        let mut family = BTreeSet::from([ancestor.as_raw_nonzero().get().unsigned_abs()]);
        let mut found = Vec::new();
        loop {
            let number = |process: &Process| process.pid.as_raw_nonzero().get().unsigned_abs();
            let is_new = |process: &&Process| family.contains(&process.parent) && !family.contains(&number(process));
            let new: Vec<&Process> = processes.iter().filter(is_new).collect();
            if new.is_empty() {
                return found;
            }
            found.extend(new.iter().map(|process| process.pid));
            family.extend(new.into_iter().map(number));
        }
    }

    #[cfg(all(test, target_os = "linux"))]
    mod tests {
        use super::*;

        #[test]
        fn dropping_a_child_ends_what_it_has_started_wherever_it_stands() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _inside = runtime.enter();
            for place in [Place::Apart, Place::AtTheTerminal] {
                let mut command = Command::new("sh");
                command.args(["-c", "sh -c 'sleep 1000; true'; true"]);
                let running = Running::start(&mut command, place, Leave::Asked).unwrap();
                let child = pid(running.child.id().unwrap()).unwrap();
                assert!(wait_until(Duration::from_secs(30), || descendants(child).len() == 2));
                let others = descendants(child);
                drop(running);
                assert!(!others.iter().chain([&child]).any(|pid| is_alive(*pid)));
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use super::*;

    pub(super) fn set_apart(_: &mut Command) {}

    /// Only the child itself can be ended here, and the caller does that.
    pub(super) struct Family;

    impl Family {
        pub(super) fn of(_: u32, _: Place) -> Self {
            Family
        }

        pub(super) fn ask_to_end(&self) {}

        pub(super) fn end(self) {}
    }
}
