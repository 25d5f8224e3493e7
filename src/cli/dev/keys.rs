//! The keys of a running loop: single letters, without Enter, on a terminal.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::dev::Command;
use crate::progress::Progress;
use crate::shell::Shell;

/// What the keys do, for the line that tells.
pub const HELP: &str = "r rebuild · c clear · o open · q quit";

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
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

    let stdin = rustix::stdio::stdin();
    let before = tcgetattr(stdin).ok()?;
    let mut single = before.clone();
    // Only line editing and echo go: ctrl-c stays a signal, and output stays as it is.
    single.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    tcsetattr(stdin, OptionalActions::Now, &single).ok()?;
    std::thread::Builder::new()
        .name("wash-keys".into())
        .spawn(move || {
            let mut byte = [0];
            // Ends with the process: a read of a terminal cannot be ended otherwise.
            while let Ok(1) = rustix::io::read(rustix::stdio::stdin(), &mut byte) {
                if !press(byte[0], &commands, &shell, &url) {
                    return;
                }
            }
        })
        .ok()?;
    Some(Keys { before })
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
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}
