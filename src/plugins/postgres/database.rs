//! A database as one instance of a component sees it.
//!
//! An instance that answers one call has one session until it ends, so that a transaction may reach
//! over several statements. Instances that answer several have none that lasts: what one call leaves
//! open would be found by another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{RowStream, Statement};

use super::failure::Failure;
use super::value::read;
use super::value::write::Param;
use crate::plugins::bindings::wasmcloud::postgres0_2_0::types::PgValue;
use crate::plugins::remote::postgres::{Lease, TO_LEASE};
use crate::plugins::remote::{Postgres, Unanswered};

/// How much longer than a statement may take in the server we wait: the server's own word is better.
const SLACK: Duration = Duration::from_secs(2);
/// The most that all rows of a result may have that is returned in one piece, in bytes.
const LARGEST_RESULT: usize = 64 << 20;
/// Rows are handed over in pieces of so many, or of so many bytes.
const PIECE: usize = 64;
const PIECE_BYTES: usize = 64 << 10;

/// One row.
pub type Row = Vec<PgValue>;

/// A database with the session of an instance. Clones are the same.
#[derive(Clone)]
pub struct Database {
    server: Arc<Postgres>,
    session: Arc<Mutex<Session>>,
    /// Whether the session lasts as long as the instance.
    lasts: bool,
}

#[derive(Default)]
struct Session {
    lease: Option<Lease>,
    /// Whether somebody is using it right now.
    taken: bool,
    /// Whether a transaction is open on it.
    in_transaction: bool,
}

/// The use of a connection for one statement. Dropped before its end, the statement is given up.
struct Turn {
    session: Arc<Mutex<Session>>,
    /// Whether this is the session of the instance, and not a connection beside it.
    is_session: bool,
    lasts: bool,
    lease: Option<Lease>,
    in_transaction: bool,
}

/// Names of columns, and rows that come while they are read.
pub struct Rows {
    pub columns: Vec<String>,
    pub pieces: mpsc::Receiver<Vec<Row>>,
    /// How it ended.
    pub end: oneshot::Receiver<Result<(), Failure>>,
}

impl Database {
    /// A database without a connection yet.
    pub fn new(server: Arc<Postgres>, lasts: bool) -> Self {
        Database { server, session: Arc::default(), lasts }
    }

    /// Where it is, without secrets.
    pub fn place(&self) -> String {
        self.server.url().to_string()
    }

    /// Runs a statement and returns all rows.
    pub async fn query(&self, sql: String, params: Vec<Param>) -> Result<(Vec<String>, Vec<Row>), Failure> {
        let server = self.server.clone();
        self.run(move |turn| async move {
            let (columns, stream) = start(&server, turn, &sql, params).await?;
            let mut stream = std::pin::pin!(stream);
            let (mut rows, mut bytes) = (Vec::new(), 0usize);
            while let Some(row) = stream.next().await {
                let row = row.map_err(|error| turn.answered(&error, &server))?;
                bytes += row.raw_size_bytes();
                if bytes > LARGEST_RESULT {
                    return Err(Failure::Other(format!(
                        "the result has more than {} MiB; ask for less of it with `LIMIT`, or use version 0.2.0, which streams",
                        LARGEST_RESULT >> 20
                    )));
                }
                rows.push(read::row(&row).map_err(Failure::Value)?);
            }
            finish(&server, turn, &sql).await?;
            Ok((columns, rows))
        }.boxed())
        .await
    }

    /// Runs a statement and returns its rows while they come.
    pub async fn stream(&self, sql: String, params: Vec<Param>) -> Result<Rows, Failure> {
        let mut turn = self.turn()?;
        let server = self.server.clone();
        let limit = self.limit();
        let started = self.server.home().run(TO_LEASE + limit, async move {
            let started = start(&server, &mut turn, &sql, params).await;
            match started {
                Ok((columns, stream)) => Ok((columns, stream, turn, server, sql)),
                Err(failure) => Err(turn.failed(failure)),
            }
        });
        let (columns, stream, turn, server, sql) =
            started.await.unwrap_or_else(|unanswered| Err(self.unanswered(unanswered)))?;
        let ((send, pieces), (told, end)) = (mpsc::channel(1), oneshot::channel());
        self.server.home().spawn(async move {
            let mut turn = turn;
            let passed = async {
                let passed = pass(&server, &mut turn, stream, &send).await?;
                if passed == Passed::All {
                    finish(&server, &mut turn, &sql).await?;
                }
                Ok(passed)
            };
            let ended = match tokio::time::timeout(limit, passed).await {
                Ok(Ok(Passed::All)) => turn.end(),
                // The statement is ended in the server.
                Ok(Ok(Passed::Some)) => {
                    drop(turn);
                    Ok(())
                }
                Ok(Err(failure)) => Err(turn.failed(failure)),
                Err(_) => Err(turn.failed(Failure::Timeout)),
            };
            let _ = told.send(ended);
        });
        Ok(Rows { columns, pieces, end })
    }

    /// Runs statements with `;` between them.
    pub async fn batch(&self, sql: String) -> Result<(), Failure> {
        let server = self.server.clone();
        self.run(move |turn| {
            async move {
                let lease = turn.lease(&server).await?;
                lease.at_work = true;
                let done = lease.client().batch_execute(&sql).await;
                let done = done.map_err(|error| Failure::of_preparing(&error, server.url()));
                lease.at_work = false;
                // What ran before a failure may have begun a transaction.
                let finished = finish(&server, turn, &sql).await;
                done.and(finished)
            }
            .boxed()
        })
        .await
    }

    /// Has the server read a statement.
    pub async fn prepare(&self, sql: Arc<str>) -> Result<(), Failure> {
        let server = self.server.clone();
        self.run(move |turn| async move { prepared(&server, turn, &sql).await.map(|_| ()) }.boxed()).await
    }

    /// Runs a statement that was prepared, and returns how many rows it changed.
    pub async fn execute(&self, sql: Arc<str>, params: Vec<Param>) -> Result<u64, Failure> {
        let server = self.server.clone();
        self.run(move |turn| {
            async move {
                let statement = prepared(&server, turn, &sql).await?;
                check(&statement, &params)?;
                let lease = turn.lease(&server).await?;
                lease.at_work = true;
                let done = lease.client().execute_raw(&statement, params).await;
                let done = done.map_err(|error| Failure::of(&error, server.url()));
                lease.at_work = false;
                let finished = finish(&server, turn, &sql).await;
                let count = done?;
                finished.map(|()| count)
            }
            .boxed()
        })
        .await
    }

    /// Does something with a connection, on the runtime of the connections and in bounded time.
    async fn run<T: Send + 'static>(
        &self,
        work: impl for<'a> FnOnce(&'a mut Turn) -> BoxFuture<'a, Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let mut turn = self.turn()?;
        let done = self.server.home().run(TO_LEASE + self.limit(), async move {
            match work(&mut turn).await {
                Ok(done) => turn.end().map(|()| done),
                Err(failure) => Err(turn.failed(failure)),
            }
        });
        done.await.unwrap_or_else(|unanswered| Err(self.unanswered(unanswered)))
    }

    /// How long a statement may take, with what is asked before and after it.
    fn limit(&self) -> Duration {
        self.server.url().statement_timeout() + SLACK
    }

    fn unanswered(&self, unanswered: Unanswered) -> Failure {
        match unanswered {
            Unanswered::TimedOut => Failure::Timeout,
            Unanswered::Gone => {
                Failure::Connection(format!("the connection to the PostgreSQL server {} has ended", self.place()))
            }
        }
    }

    fn turn(&self) -> Result<Turn, Failure> {
        let mut session = lock(&self.session);
        let mut turn = Turn {
            session: self.session.clone(),
            is_session: false,
            lasts: self.lasts,
            lease: None,
            in_transaction: false,
        };
        if !self.lasts {
            return Ok(turn);
        }
        if session.taken {
            return match session.in_transaction {
                // Beside the transaction it would not see what that has done.
                true => Err(Failure::Other(
                    "a statement of the open transaction has not ended; read its rows to the end first".into(),
                )),
                false => Ok(turn),
            };
        }
        session.taken = true;
        turn.is_session = true;
        turn.in_transaction = session.in_transaction;
        turn.lease = session.lease.take();
        Ok(turn)
    }
}

fn lock(session: &Mutex<Session>) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turn {
    /// The connection; a new one, where the last one has ended. A transaction ends with its connection,
    /// and what belongs to it must not be done outside of it.
    async fn lease(&mut self, server: &Postgres) -> Result<&mut Lease, Failure> {
        if !self.lease.as_ref().is_some_and(Lease::is_alive) {
            self.lease = None;
            if std::mem::take(&mut self.in_transaction) {
                lock(&self.session).in_transaction = false;
                return Err(Failure::Connection(format!(
                    "the connection to the PostgreSQL server {} broke, and the open transaction was rolled back",
                    server.url()
                )));
            }
            self.lease = Some(server.lease().await.map_err(Failure::Connection)?);
        }
        self.lease.as_mut().ok_or_else(|| Failure::Other("there is no connection".into()))
    }

    /// The server has ended the statement with an error.
    fn answered(&mut self, error: &tokio_postgres::Error, server: &Postgres) -> Failure {
        if let Some(lease) = &mut self.lease {
            lease.at_work = false;
        }
        Failure::of(error, server.url())
    }

    /// The statement has ended: the session is there for the next one.
    fn end(mut self) -> Result<(), Failure> {
        if self.is_session {
            let mut session = lock(&self.session);
            session.in_transaction = self.in_transaction;
            session.lease = self.lease.take();
            return Ok(());
        }
        match self.in_transaction {
            false => Ok(()),
            // The lease takes it back.
            true if self.lasts => Err(Failure::Other(
                "a transaction cannot begin while the rows of another statement are read; it was rolled back".into(),
            )),
            true => Err(Failure::Other(
                "a transaction over several calls needs an instance for each request, and this one answers several; \
                 it was rolled back: send it as one `query-batch`"
                    .into(),
            )),
        }
    }

    /// The statement has failed; the session is there for the next one if it can be.
    fn failed(mut self, failure: Failure) -> Failure {
        if let Some(lease) = &mut self.lease
            && failure.is_of_connection()
        {
            lease.broken = true;
        }
        // An answer that was not read to its end is in the way of the next one.
        if self.lease.as_ref().is_none_or(|lease| lease.at_work || !lease.is_alive()) {
            return failure;
        }
        let _ = self.end();
        failure
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_session {
            lock(&self.session).taken = false;
        }
    }
}

/// Sends a statement. Its rows come when they are asked for.
async fn start(
    server: &Postgres,
    turn: &mut Turn,
    sql: &str,
    params: Vec<Param>,
) -> Result<(Vec<String>, RowStream), Failure> {
    let lease = turn.lease(server).await?;
    lease.at_work = true;
    let statement = lease.client().prepare(sql).await;
    lease.at_work = false;
    let statement = statement.map_err(|error| Failure::of_preparing(&error, server.url()))?;
    check(&statement, &params)?;
    read::check(statement.columns()).map_err(Failure::Value)?;
    let columns = statement.columns().iter().map(|column| column.name().to_string()).collect();
    lease.at_work = true;
    match lease.client().query_raw(&statement, params).await {
        Ok(stream) => Ok((columns, stream)),
        Err(error) => {
            lease.at_work = false;
            Err(Failure::of(&error, server.url()))
        }
    }
}

/// The statement, which the server has read; before, if it did so in this session.
async fn prepared(server: &Postgres, turn: &mut Turn, sql: &Arc<str>) -> Result<Statement, Failure> {
    let lease = turn.lease(server).await?;
    if let Some(statement) = lease.statements.get(sql) {
        return Ok(statement.clone());
    }
    lease.at_work = true;
    let statement = lease.client().prepare(sql).await;
    lease.at_work = false;
    let statement = statement.map_err(|error| Failure::of_preparing(&error, server.url()))?;
    lease.statements.insert(sql.clone(), statement.clone());
    Ok(statement)
}

fn check(statement: &Statement, params: &[Param]) -> Result<(), Failure> {
    let (wanted, given) = (statement.params().len(), params.len());
    match wanted == given {
        true => Ok(()),
        false => Err(Failure::Params(format!("the statement has {wanted} parameters, and {given} were given"))),
    }
}

/// What became of rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passed {
    All,
    /// Nobody wants the others.
    Some,
}

/// Passes rows on while somebody wants them. In a transaction, which is to go on, all are read.
async fn pass(
    server: &Postgres,
    turn: &mut Turn,
    stream: RowStream,
    send: &mpsc::Sender<Vec<Row>>,
) -> Result<Passed, Failure> {
    let mut stream = std::pin::pin!(stream);
    let (mut piece, mut bytes) = (Vec::new(), 0);
    loop {
        let next = match stream.next().now_or_never() {
            Some(next) => next,
            None => {
                // What is there is not kept back while the server thinks.
                if !piece.is_empty() {
                    bytes = 0;
                    let _ = send.send(std::mem::take(&mut piece)).await;
                }
                tokio::select! {
                    next = stream.next() => next,
                    () = send.closed(), if !turn.in_transaction => return Ok(Passed::Some),
                }
            }
        };
        let row = next.transpose().map_err(|error| turn.answered(&error, server));
        if let Ok(Some(row)) = &row {
            if !send.is_closed() {
                bytes += row.raw_size_bytes();
                piece.push(read::row(row).map_err(Failure::Value)?);
            } else if !turn.in_transaction {
                return Ok(Passed::Some);
            }
        }
        let is_last = !matches!(row, Ok(Some(_)));
        if !piece.is_empty() && (is_last || piece.len() >= PIECE || bytes >= PIECE_BYTES) {
            bytes = 0;
            let _ = send.send(std::mem::take(&mut piece)).await;
        }
        if row?.is_none() {
            return Ok(Passed::All);
        }
    }
}

/// After a statement: finds out whether a transaction is open, where it may have begun or ended one.
async fn finish(server: &Postgres, turn: &mut Turn, sql: &str) -> Result<(), Failure> {
    let lease = turn.lease(server).await?;
    lease.at_work = false;
    if is_plain(sql) {
        return Ok(());
    }
    lease.is_last |= takes_statements(sql);
    // In a transaction the time stands still.
    lease.at_work = true;
    let asked = lease.client().simple_query("SELECT pg_catalog.now() = pg_catalog.statement_timestamp()").await;
    lease.at_work = false;
    turn.in_transaction = match asked {
        Ok(said) => said
            .iter()
            .any(|message| matches!(message, tokio_postgres::SimpleQueryMessage::Row(row) if row.get(0) == Some("f"))),
        // One that has failed answers nothing until it is rolled back.
        Err(error) => match error.code() {
            Some(code) if *code == tokio_postgres::error::SqlState::IN_FAILED_SQL_TRANSACTION => true,
            _ => return Err(Failure::of(&error, server.url())),
        },
    };
    Ok(())
}

/// Whether a statement neither begins nor ends a transaction. A doubtful one counts as one that does.
fn is_plain(sql: &str) -> bool {
    let first: String = sql.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "VALUES", "MERGE", "TABLE"]
        .iter()
        .any(|word| first.eq_ignore_ascii_case(word))
        && !sql.trim_end().trim_end_matches(';').contains(';')
}

/// Whether a statement may take away what the client library has prepared for itself on the
/// connection, to find out about types.
fn takes_statements(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    sql.contains("discard") || sql.contains("deallocate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_may_begin_or_end_a_transaction_are_told_from_others() {
        for plain in ["select 1", "  INSERT INTO t VALUES (1);", "With x as (select 1) select * from x"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in ["BEGIN", "/* */ select 1", "select 1; begin", "commit;", "", "-- x\nbegin", "CALL p()"] {
            assert!(!is_plain(other), "{other}");
        }
    }
}
