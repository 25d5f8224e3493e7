//! The keys of a running loop: single letters, without Enter, on a terminal.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::dev::Command;
use crate::progress::Progress;
use crate::shell::Shell;

/// What the keys do, for the line that tells.
pub const HELP: &str = "r rebuild · c clear · o open · q quit";

/// How often to look whether the terminal is ours again.
#[cfg(unix)]
const BACKGROUND_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// The address to open; known once the port is bound.
pub type Url = Arc<Mutex<Option<String>>>;

/// Puts the terminal back as it was when dropped.
pub struct Keys {
    #[cfg(unix)]
    before: rustix::termios::Termios,
}

/// Begins to listen; `None` where that cannot be done.
#[cfg(unix)]
pub fn listen(commands: mpsc::Sender<Command>, shell: Arc<Shell>, url: Url) -> Option<Keys> {
    use tokio::signal::unix::{SignalKind, signal};

    let before = rustix::termios::tcgetattr(rustix::stdio::stdin()).ok()?;
    single_keys(&before);
    // After ctrl-z the user's shell has had the terminal, and has set it for itself.
    const SIGCONT: i32 = 18;
    let (modes, at_start) = (before.clone(), before.clone());
    if let Ok(mut continued) = signal(SignalKind::from_raw(SIGCONT)) {
        tokio::spawn(async move {
            while continued.recv().await.is_some() {
                single_keys(&modes);
            }
        });
    }
    std::thread::Builder::new()
        .name("wash-keys".into())
        .spawn(move || {
            let mut byte = [0];
            // Ends with the process: a read of a terminal cannot be ended otherwise.
            loop {
                // In the background a read would stop us.
                if !terminal_is_ours() {
                    std::thread::sleep(BACKGROUND_PAUSE);
                    if terminal_is_ours() {
                        single_keys(&at_start);
                    }
                    continue;
                }
                match rustix::io::read(rustix::stdio::stdin(), &mut byte) {
                    Ok(1) if press(byte[0], &commands, &shell, &url) => {}
                    Err(rustix::io::Errno::INTR) => {}
                    _ => return,
                }
            }
        })
        .ok()?;
    Some(Keys { before })
}

/// Switches line editing and echo off: ctrl-c stays a signal, and output stays as it is. In the
/// background the terminal is somebody else's, and touching it would stop us.
#[cfg(unix)]
fn single_keys(before: &rustix::termios::Termios) {
    use rustix::termios::{LocalModes, OptionalActions, tcsetattr};

    let stdin = rustix::stdio::stdin();
    if terminal_is_ours() {
        let mut single = before.clone();
        single.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        let _ = tcsetattr(stdin, OptionalActions::Now, &single);
    }
}

/// Whether we are in the foreground. A terminal that is not the one of our session (then the system
/// does not tell) has no foreground, and cannot stop us.
#[cfg(unix)]
fn terminal_is_ours() -> bool {
    rustix::termios::tcgetpgrp(rustix::stdio::stdin()).map_or(true, |group| group == rustix::process::getpgrp())
}

#[cfg(not(unix))]
pub fn listen(_: mpsc::Sender<Command>, _: Arc<Shell>, _: Url) -> Option<Keys> {
    None
}

/// Does what a key means; `false` when nobody listens any more.
fn press(key: u8, commands: &mpsc::Sender<Command>, shell: &Shell, url: &Url) -> bool {
    match key {
        b'r' => commands.blocking_send(Command::Rebuild).is_ok(),
        b'q' => commands.blocking_send(Command::Stop).is_ok(),
        b'c' => {
            shell.clear();
            true
        }
        b'o' => {
            let url = url.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(url) = url {
                open_browser(shell, &url);
            }
            true
        }
        b'h' | b'?' => {
            shell.hint(HELP);
            true
        }
        _ => true,
    }
}

/// Opens the browser, or says where to point it.
pub fn open_browser(shell: &Shell, url: &str) {
    if let Err(error) = open::that_detached(url) {
        shell.warning(&format!("no browser could be opened: {error}"));
        shell.hint(&format!("open {url}"));
    }
}

#[cfg(unix)]
impl Drop for Keys {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if !terminal_is_ours() {
            return;
        }
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}
