//! Why something with a registry failed: a kind to branch on, and the error that people see.

use std::fmt;

use crate::error::Error;

/// A failure of this room. Becomes an [`Error`] with `?`.
#[derive(Clone, Debug)]
pub struct Failure {
    kind: FailureKind,
    /// Boxed: it is in every result of this room.
    error: Box<Error>,
}

/// What callers may branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The registry does not have it.
    NotFound,
    /// The registry wants other credentials.
    Denied,
    /// Nobody answered, or not in time.
    Unreachable,
    /// `--offline` was given, and it is not in the cache.
    Offline,
    /// The bytes are not those that were named.
    Corrupt,
    /// It is there, and nothing that we can read.
    Unsupported,
    /// The registry refused, or broke the protocol.
    Refused,
    /// A file of this machine could not be read or written.
    Local,
    /// It was asked for wrongly.
    Usage,
}

/// The result of this room's functions.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(super) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Failure { kind, error: Box::new(Error::failed(message)) }
    }

    pub(super) fn local(message: impl Into<String>, cause: &(dyn std::error::Error + 'static)) -> Self {
        Failure { kind: FailureKind::Local, error: Box::new(Error::caused_by(message, cause)) }
    }

    pub(super) fn cause(self, cause: impl Into<String>) -> Self {
        Failure { error: Box::new(self.error.cause(cause)), ..self }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Failure { error: Box::new(self.error.hint(hint)), ..self }
    }

    pub(super) fn wrap(self, message: impl Into<String>) -> Self {
        Failure { error: Box::new(self.error.wrap(message)), ..self }
    }

    /// What to branch on.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// What people see.
    pub fn error(&self) -> &Error {
        &self.error
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        *failure.error
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            crate::error::Kind::Usage => FailureKind::Usage,
            _ => FailureKind::Local,
        };
        Failure { kind, error: Box::new(error) }
    }
}

/// The error of a value that somebody typed.
pub(super) fn usage(message: impl Into<String>) -> Failure {
    Failure::from(Error::usage(message))
}
