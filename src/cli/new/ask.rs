//! Questions on the terminal, and being stopped: while we ask, and while we work.

use std::path::Path;

use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input, Select};

use crate::error::{Error, Result};
use crate::scaffold::{Name, Template, catalog};

/// Runs `work` until it is done or the user wants us to stop. Whoever is stopped is dropped, and
/// cleans up in that.
pub async fn or_stop<T>(stop: &mut Stop, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        () = stop.wanted() => Err(Error::interrupted()),
        result = work => result,
    }
}

/// Shows the menu of templates.
pub async fn template(stop: &mut Stop) -> Result<&'static Template> {
    let templates = catalog::templates();
    let choice = question(stop, || {
        let theme = theme();
        Select::with_theme(theme.as_ref())
            .with_prompt("Which template?")
            .items(catalog::table().into_iter().map(|row| fitting(&row)))
            .default(0)
            .max_length(20)
            .report(false)
            .interact_opt()
    });
    match choice.await? {
        Some(index) => Ok(&templates[index]),
        None => Err(Error::interrupted()),
    }
}

/// As much of a row as the terminal has room for: a row that wraps cannot be drawn again in place.
fn fitting(row: &str) -> String {
    #[cfg(unix)]
    let width = rustix::termios::tcgetwinsize(rustix::stdio::stderr()).map_or(80, |size| size.ws_col);
    #[cfg(not(unix))]
    let width = 80;
    // The menu's own mark, and one column so that the cursor does not wrap either.
    row.chars().take(usize::from(width).saturating_sub(4).max(16)).collect()
}

/// Asks for the name of the project until it is valid.
pub async fn name(stop: &mut Stop, default: &str) -> Result<Name> {
    let default = default.to_string();
    let typed = question(stop, move || {
        let theme = theme();
        Input::<String>::with_theme(theme.as_ref())
            .with_prompt("What is it called?")
            .default(default)
            .validate_with(|typed: &String| match Name::parse(typed.trim()) {
                Ok(_) => Ok(()),
                Err(error) => Err(error.message().to_string()),
            })
            .interact_text()
    });
    Name::parse(typed.await?.trim())
}

/// Asks whether the set-up command may run.
pub async fn consent(stop: &mut Stop, project: &Path) -> Result<bool> {
    let prompt = format!("Run it in {}?", project.display());
    question(stop, move || {
        let theme = theme();
        Confirm::with_theme(theme.as_ref()).with_prompt(prompt).default(false).interact()
    })
    .await
}

/// Asks something in a thread of its own, so that a signal can end the wait for a key.
pub(in crate::cli) async fn question<T: Send + 'static>(
    stop: &mut Stop,
    ask: impl FnOnce() -> dialoguer::Result<T> + Send + 'static,
) -> Result<T> {
    let restored = terminal::Restored::on_drop();
    let work = async {
        match tokio::task::spawn_blocking(ask).await {
            Ok(Ok(answer)) => Ok(answer),
            // ctrl-c arrives as a key, and as a signal a moment later.
            Ok(Err(dialoguer::Error::IO(error))) if error.kind() == std::io::ErrorKind::Interrupted => {
                Err(Error::interrupted())
            }
            Ok(Err(error)) => Err(Error::caused_by("cannot ask at the terminal", &error)
                .hint("say everything in the command line: see --help")),
            Err(error) => Err(Error::bug("a question ended unexpectedly").cause(error.to_string())),
        }
    };
    let answer = or_stop(stop, work).await;
    drop(restored);
    if answer.is_err() {
        // The cursor stands behind the question.
        let _ = dialoguer::console::Term::stderr().write_line("");
    }
    answer
}

fn theme() -> Box<dyn Theme> {
    if dialoguer::console::colors_enabled_stderr() { Box::new(ColorfulTheme::default()) } else { Box::new(SimpleTheme) }
}

pub use signals::Stop;

#[cfg(unix)]
mod signals {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use crate::error::{Context as _, Result};

    /// Ctrl-c, a polite `kill`, and a closed terminal.
    pub struct Stop {
        interrupt: Signal,
        terminate: Signal,
        hang_up: Signal,
    }

    impl Stop {
        /// Takes the signals over; from here on they do not end the process by themselves.
        pub fn listen() -> Result<Self> {
            let listen = |kind| signal(kind).context(|| "cannot listen to signals");
            Ok(Stop {
                interrupt: listen(SignalKind::interrupt())?,
                terminate: listen(SignalKind::terminate())?,
                hang_up: listen(SignalKind::hangup())?,
            })
        }

        /// Waits until one of them comes.
        pub async fn wanted(&mut self) {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
                _ = self.hang_up.recv() => {}
            }
        }
    }
}

#[cfg(not(unix))]
mod signals {
    use crate::error::Result;

    /// Ctrl-c.
    pub struct Stop;

    impl Stop {
        pub fn listen() -> Result<Self> {
            Ok(Stop)
        }

        pub async fn wanted(&mut self) {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(unix)]
mod terminal {
    use dialoguer::console::Term;
    use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

    /// A question that is given up leaves the cursor hidden and the terminal without echo.
    pub struct Restored(Option<Termios>);

    impl Restored {
        pub fn on_drop() -> Self {
            Restored(tcgetattr(std::io::stdin()).ok())
        }
    }

    impl Drop for Restored {
        fn drop(&mut self) {
            if let Some(before) = &self.0 {
                let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
            }
            let _ = Term::stderr().show_cursor();
        }
    }
}

#[cfg(not(unix))]
mod terminal {
    use dialoguer::console::Term;

    /// A question that is given up leaves the cursor hidden.
    pub struct Restored;

    impl Restored {
        pub fn on_drop() -> Self {
            Restored
        }
    }

    impl Drop for Restored {
        fn drop(&mut self) {
            let _ = Term::stderr().show_cursor();
        }
    }
}
