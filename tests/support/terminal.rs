//! A command on a terminal of its own: what it shows, and keys that are pressed.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process_group};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

use super::PATIENCE;

/// A pseudo-terminal whose session is led by the command. Everything in the terminal's foreground
/// is killed when this is dropped.
pub struct Terminal {
    pub child: Child,
    /// The side that a person sits at.
    keyboard: File,
    /// The command's side, kept open to look at its modes.
    side: File,
    shown: mpsc::Receiver<String>,
    /// What was shown and not yet waited for.
    unread: String,
}

impl Terminal {
    /// Starts a command with its standard streams on a new terminal of so many columns. The
    /// terminal is the controlling one, so that ctrl-c, ctrl-z and hanging up do what they do.
    pub fn start(command: &Command, columns: u16) -> Terminal {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&terminal).expect("the terminal can be opened");
        unlockpt(&terminal).expect("the terminal can be opened");
        let name = ptsname(&terminal, Vec::new()).expect("the terminal has a name");
        let side = {
            use std::os::unix::fs::OpenOptionsExt;
            let mut options = File::options();
            options.read(true).write(true).custom_flags(rustix::fs::OFlags::NOCTTY.bits() as i32);
            options.open(name.to_str().expect("a name")).expect("the terminal opens")
        };
        let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&side, size).expect("the terminal has a size");
        // util-linux's program makes a session with this controlling terminal, and becomes the command.
        let mut session = Command::new("setsid");
        session.arg("--ctty").arg(command.get_program()).args(command.get_args()).env("TERM", "xterm");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            session.current_dir(folder);
        }
        let stdio = || Stdio::from(OwnedFd::from(side.try_clone().expect("a descriptor")));
        let child = session.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().expect("the command starts");
        let keyboard = File::from(terminal);
        let mut screen = keyboard.try_clone().expect("a descriptor");
        let (send, shown) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                if send.send(String::from_utf8_lossy(&buffer[..count]).into_owned()).is_err() {
                    return;
                }
            }
        });
        Terminal { child, keyboard, side, shown, unread: String::new() }
    }

    /// Waits until this text is shown, after what was waited for before. Returns what came with it.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.unread.find(text) {
                return self.unread.drain(..at + text.len()).collect();
            }
            match self.shown.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(more) => self.unread.push_str(&more),
                Err(_) => panic!("{text:?} is not shown, but:\n{}", self.unread),
            }
        }
    }

    /// Waits until keys are not shown: then a secret is asked for.
    #[track_caller]
    pub fn until_secret(&self) {
        let hidden = || !self.modes().local_modes.contains(LocalModes::ECHO);
        super::eventually("what is typed stays visible", hidden);
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("keys are taken");
    }

    /// How the terminal is set.
    pub fn modes(&self) -> Termios {
        tcgetattr(&self.side).expect("the modes of a terminal")
    }

    /// Closes the window: tells what a terminal that goes away tells its session.
    pub fn hang_up(&self) {
        let leader = rustix::process::Pid::from_child(&self.child);
        kill_process_group(leader, Signal::HUP).expect("the signal is sent");
    }

    /// Waits for the end of the command and returns its exit code.
    #[track_caller]
    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end; shown:\n{}", self.unread);
            if let Ok(more) = self.shown.recv_timeout(Duration::from_millis(20)) {
                self.unread.push_str(&more);
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // The jobs of an interactive shell have groups of their own.
            let foreground = rustix::termios::tcgetpgrp(&self.side).ok();
            for group in foreground.into_iter().chain([rustix::process::Pid::from_child(&self.child)]) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = self.child.wait();
        }
    }
}
