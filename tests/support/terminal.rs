//! A command on a terminal of its own: what it draws, and keys for it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::PATIENCE;

/// A command whose stdin, stdout and stderr are a terminal.
pub struct Terminal {
    pub child: Child,
    keyboard: File,
    side: File,
    drawn: Receiver<String>,
    /// Everything that was drawn so far.
    pub seen: String,
}

impl Terminal {
    pub fn start(command: &mut Command) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let side = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let stdio = || Stdio::from(OwnedFd::from(side.try_clone().unwrap()));
        let child = command.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        let mut screen = File::from(terminal);
        let keyboard = screen.try_clone().unwrap();
        let (draw, drawn) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                let _ = draw.send(String::from_utf8_lossy(&buffer[..count]).into_owned());
            }
        });
        Terminal { child, keyboard, side, drawn, seen: String::new() }
    }

    /// Waits until this has been drawn.
    #[track_caller]
    pub fn until(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.seen.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.drawn.recv_timeout(left) {
                Ok(more) => self.seen.push_str(&more),
                Err(_) => panic!("`{text}` is not drawn:\n{}", self.seen),
            }
        }
    }

    /// Waits until keys are not shown: then a secret is asked for.
    pub fn until_secret(&self) {
        let deadline = Instant::now() + PATIENCE;
        while tcgetattr(&self.side).unwrap().local_modes.contains(LocalModes::ECHO) {
            assert!(Instant::now() < deadline, "what is typed stays visible");
            std::thread::yield_now();
        }
    }

    pub fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
