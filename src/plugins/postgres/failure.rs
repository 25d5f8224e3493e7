//! Why something did not work, and how the interfaces say it.

use tokio_postgres::error::{DbError, Severity, SqlState};

use super::draft::{PreparedStatementExecError, QueryError, StatementPrepareError};
use crate::plugins::bindings::wasmcloud::postgres0_2_0::types;
use crate::plugins::remote::PostgresUrl;
use crate::plugins::remote::postgres::text;

/// Why something did not work.
#[derive(Clone, Debug)]
pub enum Failure {
    /// There is no connection, or it broke.
    Connection(String),
    /// A parameter is none.
    Params(String),
    /// The server does not understand the statement.
    Query(String),
    /// The server understood and did not do it.
    Database(Box<DbError>),
    /// A value cannot be returned.
    Value(String),
    /// The instance has no such statement.
    Unknown,
    /// The statement took too long.
    Timeout,
    Other(String),
}

impl Failure {
    /// What the client library says, when a statement was run.
    pub fn of(error: &tokio_postgres::Error, url: &PostgresUrl) -> Self {
        let Some(said) = error.as_db_error() else {
            return match error.is_closed() || is_io(error) {
                true => {
                    Failure::Connection(format!("the connection to the PostgreSQL server {url} broke: {}", text(error)))
                }
                false => Failure::Other(format!("the PostgreSQL server {url}: {}", text(error))),
            };
        };
        if matches!(said.parsed_severity(), Some(Severity::Fatal | Severity::Panic)) {
            return Failure::Connection(format!(
                "the PostgreSQL server {url} has ended the connection: {}",
                said.message()
            ));
        }
        if *said.code() == SqlState::QUERY_CANCELED {
            return Failure::Timeout;
        }
        // The server says so when it cannot read a value as the type that it expects.
        if said.where_().is_some_and(|place| place.contains("portal parameter")) {
            return Failure::Params(described(said));
        }
        Failure::Database(Box::new(said.clone()))
    }

    /// What the client library says, when the server has only read a statement.
    pub fn of_preparing(error: &tokio_postgres::Error, url: &PostgresUrl) -> Self {
        match Failure::of(error, url) {
            Failure::Database(said) if is_wrong_sql(&said) => Failure::Query(described(&said)),
            other => other,
        }
    }

    /// Whether the connection can be used after it.
    pub fn is_of_connection(&self) -> bool {
        match self {
            Failure::Connection(_) | Failure::Timeout | Failure::Other(_) => true,
            // Somebody has taken away what the client library had prepared for itself.
            Failure::Database(said) => *said.code() == SqlState::INVALID_SQL_STATEMENT_NAME,
            _ => false,
        }
    }
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>())
}

/// Syntax errors, and names that are not there; not missing permission, which is of the same class.
fn is_wrong_sql(said: &DbError) -> bool {
    said.code().code().starts_with("42") && *said.code() != SqlState::INSUFFICIENT_PRIVILEGE
}

/// An error of the server in one line.
fn described(said: &DbError) -> String {
    let mut text = format!("{}: {}", said.code().code(), said.message());
    if let Some(tokio_postgres::error::ErrorPosition::Original(position)) = said.position() {
        text.push_str(&format!(" (at character {position})"));
    }
    for (name, value) in [("", said.detail()), ("", said.hint()), ("in ", said.where_())] {
        if let Some(value) = value {
            text.push_str(&format!("; {name}{value}"));
        }
    }
    text
}

impl From<Failure> for types::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Connection(text) => types::Error::ConnectionFailed(text),
            Failure::Params(text) => types::Error::InvalidParams(text),
            Failure::Query(text) => types::Error::InvalidQuery(text),
            Failure::Database(said) if *said.code() == SqlState::INSUFFICIENT_PRIVILEGE => types::Error::AccessDenied,
            Failure::Database(said) => types::Error::QueryFailed(db_error(&said)),
            Failure::Value(text) => types::Error::ValueConversionFailed(text),
            Failure::Unknown => types::Error::UnknownPreparedStatement,
            Failure::Timeout => types::Error::Timeout,
            Failure::Other(text) => types::Error::Other(text),
        }
    }
}

fn db_error(said: &DbError) -> types::DbError {
    let extras = [
        ("hint", said.hint()),
        ("where", said.where_()),
        ("schema", said.schema()),
        ("table", said.table()),
        ("column", said.column()),
        ("datatype", said.datatype()),
        ("constraint", said.constraint()),
    ];
    let position = match said.position() {
        Some(tokio_postgres::error::ErrorPosition::Original(position)) => Some(("position", position.to_string())),
        _ => None,
    };
    let extras = extras.into_iter().filter_map(|(name, value)| Some((name, value?.to_string()))).chain(position);
    types::DbError {
        code: said.code().code().into(),
        severity: said.severity().into(),
        message: said.message().into(),
        detail: said.detail().map(String::from),
        extras: extras.map(|(name, value)| (name.to_string(), value)).collect(),
    }
}

impl From<Failure> for QueryError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Params(text) => QueryError::InvalidParams(text),
            Failure::Query(text) => QueryError::InvalidQuery(text),
            other => QueryError::Unexpected(unexpected(other)),
        }
    }
}

impl From<Failure> for StatementPrepareError {
    fn from(failure: Failure) -> Self {
        StatementPrepareError::Unexpected(unexpected(failure))
    }
}

impl From<Failure> for PreparedStatementExecError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unknown => PreparedStatementExecError::UnknownPreparedQuery,
            Failure::Params(_) | Failure::Query(_) | Failure::Database(_) | Failure::Timeout => {
                PreparedStatementExecError::QueryError(failure.into())
            }
            other => PreparedStatementExecError::Unexpected(unexpected(other)),
        }
    }
}

fn unexpected(failure: Failure) -> String {
    match failure {
        Failure::Database(said) => described(&said),
        Failure::Unknown => "this instance has not prepared such a statement".into(),
        Failure::Timeout => "the statement took too long, and was ended".into(),
        Failure::Connection(text)
        | Failure::Params(text)
        | Failure::Query(text)
        | Failure::Value(text)
        | Failure::Other(text) => text,
    }
}
