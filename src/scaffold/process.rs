//! A child process that does not outlive us, nor does anything it has started.

use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use system::Family;

/// Long enough for git to restore the terminal's echo and to remove its lock files.
const GRACE: Duration = Duration::from_secs(2);
/// How often we look whether a child is gone. Only while stopping, where nothing else goes on.
const LOOK: Duration = Duration::from_millis(5);

/// Where a child stands towards the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a process group of its own: it cannot read from the terminal, and all that it starts can
    /// be ended with it.
    Apart,
    /// In our group: it may ask the user, and ctrl-c in the terminal reaches it without us. (A group
    /// of its own could not read from the terminal.)
    AtTheTerminal,
}

/// A running child. It is ended when this is dropped, and gone when the drop returns.
pub(super) struct Running {
    child: Child,
    place: Place,
}

impl Running {
    pub fn start(mut command: Command, place: Place) -> io::Result<Self> {
        if place == Place::Apart {
            system::set_apart(&mut command);
        }
        Ok(Running { child: command.spawn()?, place })
    }

    /// Waits until the child ends by itself.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
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

    fn pid(id: u32) -> Option<Pid> {
        Pid::from_raw(i32::try_from(id).ok()?)
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
                let running = Running::start(command, place).unwrap();
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
