//! Errors as the user meets them: what failed, why, and what to type or change next.
//!
//! A room whose callers branch on a failure has its own enum and turns it into an [`Error`] at its
//! edge. Everything else makes an [`Error`] directly and adds context on the way up. The kind
//! decides the exit code, here and nowhere else.

use std::fmt;

/// Says who has to act on an error; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The command could not do what it was asked to (exit code 1).
    Failed,
    /// The command was asked wrongly (exit code 2).
    Usage,
    /// wash broke one of its own rules (exit code 3).
    Bug,
    /// The user stopped the command (exit code 130).
    Interrupted,
}

/// An error with its causes and hints, ready to be rendered by the shell.
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    details: Option<String>,
    hints: Vec<String>,
    /// What failed has already explained itself on the terminal, e.g. a compiler.
    explained: bool,
}

/// The result of nearly every function above the lowest rooms.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), causes: Vec::new(), details: None, hints: Vec::new(), explained: false }
    }

    /// The command could not do what it was asked to.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// The command was asked wrongly: a bad flag, a bad value in a settings file.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// A broken invariant of ours that need not bring the process down.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug, message)
    }

    /// The user asked us to stop.
    pub fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }

    /// Wraps a low-level error: `message` says what we were doing and to what.
    pub fn caused_by(message: impl Into<String>, cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut error = Self::failed(message);
        let mut next = Some(cause);
        while let Some(cause) = next {
            let text = cause.to_string();
            // Many libraries repeat their source's text in their own; one mention is enough.
            if !error.causes.last().is_some_and(|last| last.contains(&text)) {
                error.causes.push(text);
            }
            next = cause.source();
        }
        error
    }

    /// Adds a cause, the most immediate one first.
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds one thing to type or change, exact, one line.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a block that is shown below the message as it is: a report, an excerpt of a file.
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// Puts a wider message in front; the old message becomes the first cause.
    pub fn wrap(mut self, message: impl Into<String>) -> Self {
        let old = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, old);
        self
    }

    /// Marks that a child process has already shown the reason on the terminal.
    pub(crate) fn already_explained(mut self) -> Self {
        self.explained = true;
        self
    }

    /// Who has to act.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What failed, one line, lowercase.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Why, the most immediate reason first.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// A block to be shown as it is.
    pub fn details_text(&self) -> Option<&str> {
        self.details.as_deref()
    }

    /// What to type or change next.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Whether a child process has already shown the reason.
    pub(crate) fn is_explained(&self) -> bool {
        self.explained
    }

    /// The exit code of a process that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Bug => 3,
            Kind::Interrupted => 130,
        }
    }
}

/// One line for logs and for causes of other errors.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Adds what we were doing to a low-level error.
pub trait Context<T> {
    /// `message` is only made when there is an error.
    fn context<M: Into<String>>(self, message: impl FnOnce() -> M) -> Result<T>;
}

impl<T, E: std::error::Error + 'static> Context<T> for std::result::Result<T, E> {
    fn context<M: Into<String>>(self, message: impl FnOnce() -> M) -> Result<T> {
        self.map_err(|error| Error::caused_by(message(), &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_that_repeat_themselves_are_shown_once() {
        let io = std::io::Error::new(std::io::ErrorKind::NotFound, Error::failed("no such thing"));
        let error = Error::caused_by("cannot read `a`", &io);
        assert_eq!(error.to_string(), "cannot read `a`: no such thing");
    }

    #[test]
    fn kinds_decide_the_exit_code() {
        assert_eq!(Error::failed("x").exit_code(), 1);
        assert_eq!(Error::usage("x").exit_code(), 2);
        assert_eq!(Error::bug("x").exit_code(), 3);
        assert_eq!(Error::interrupted().exit_code(), 130);
    }
}
