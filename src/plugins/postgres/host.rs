//! What guests call, in both versions: names and handles, then [`Database`].

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::mpsc;
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Accessor, Component, Destination, FutureReader, HasData, Linker, StreamProducer, StreamReader, StreamResult,
    VecBuffer,
};

use super::ForComponent;
use super::database::{Database, Row};
use super::draft::{PreparedStatementExecError, QueryError, ResultRow, ResultRowEntry, StatementPrepareError};
use super::failure::Failure;
use super::value::write;
use crate::plugins::Label;
use crate::plugins::bindings::named_imports::wasmcloud as named;
use crate::plugins::bindings::wasmcloud::postgres0_1_1_draft as draft;
use crate::plugins::bindings::wasmcloud::postgres0_2_0 as current;
use crate::runtime::trace;
use current::types::{Error, PgValue};

/// The most statements that an instance may have prepared at one time: it cannot give them back.
const MOST_PREPARED: usize = 1000;

/// What an instance has: its databases, and the statements that it has prepared.
#[derive(Default)]
pub struct Sessions {
    databases: BTreeMap<Option<Label>, Database>,
    prepared: BTreeMap<String, Prepared>,
}

/// A statement that the server has read once. It is prepared again where the session is another.
#[derive(Clone)]
struct Prepared {
    label: Option<Label>,
    sql: Arc<str>,
}

/// What a call needs of its store.
pub struct View<'a> {
    pub state: &'a ForComponent,
    /// Made when the first statement is run.
    pub sessions: &'a mut Option<Box<Sessions>>,
}

/// Stands for [`View`] where the bindings ask for a type without a lifetime.
pub struct Views;

impl HasData for Views {
    type Data<'a> = View<'a>;
}

/// Finds the view in the data of a store.
type ViewOf<T> = fn(&mut T) -> View<'_>;

/// Puts the interfaces into a linker.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: ViewOf<T>) -> wasmtime::Result<()> {
    draft::query::add_to_linker::<T, Views>(linker, view)?;
    draft::prepared::add_to_linker::<T, Views>(linker, view)?;
    current::types::add_to_linker::<T, Views>(linker, view)?;
    current::query::add_to_linker::<T, Views>(linker, view)?;
    current::prepared::add_to_linker::<T, Views>(linker, view)
}

/// Puts what a component imports under names of its own into a linker.
pub fn link_named<T: Send + 'static>(
    linker: &mut Linker<T>,
    component: &Component,
    view: ViewOf<T>,
) -> wasmtime::Result<()> {
    let label = |name: &str| Ok(Label::from(name));
    named::postgres0_1_1_draft::query::add_to_linker::<T, Views>(linker, component, label, view)?;
    named::postgres0_1_1_draft::prepared::add_to_linker::<T, Views>(linker, component, label, view)?;
    named::postgres0_2_0::query::add_to_linker::<T, Views>(linker, component, label, view)?;
    named::postgres0_2_0::prepared::add_to_linker::<T, Views>(linker, component, label, view)
}

impl View<'_> {
    fn sessions(&mut self) -> &mut Sessions {
        self.sessions.get_or_insert_default()
    }

    fn database(&mut self, label: Option<Label>) -> Result<Database, Failure> {
        let state = self.state;
        if let Some(database) = self.sessions().databases.get(&label) {
            return Ok(database.clone());
        }
        // A component that imports it without a server was not started.
        let server = state.server(label.as_deref());
        let server = server.ok_or_else(|| Failure::Other("no PostgreSQL server is named".into()))?;
        let database = Database::new(server.clone(), state.lasts);
        self.sessions().databases.insert(label, database.clone());
        Ok(database)
    }

    fn keep(&mut self, label: Option<Label>, sql: Arc<str>) -> Result<String, Failure> {
        let prepared = &mut self.sessions().prepared;
        if prepared.len() >= MOST_PREPARED {
            return Err(Failure::Other(format!("an instance can have prepared {MOST_PREPARED} statements")));
        }
        let token = format!("statement-{}", prepared.len() + 1);
        prepared.insert(token.clone(), Prepared { label, sql });
        Ok(token)
    }

    fn prepared(&mut self, label: Option<Label>, token: &str) -> Result<(Database, Arc<str>), Failure> {
        let prepared = self.sessions().prepared.get(token).filter(|prepared| prepared.label == label);
        let sql = prepared.ok_or(Failure::Unknown)?.sql.clone();
        Ok((self.database(label)?, sql))
    }
}

async fn query(database: Database, sql: String, params: Vec<PgValue>) -> Result<Vec<ResultRow>, Failure> {
    let params = write::params(params).map_err(Failure::Params)?;
    let place = database.place();
    let (columns, rows) = trace::capability("wasmcloud:postgres", "query", &place, database.query(sql, params)).await?;
    let with_names = |row: Row| -> ResultRow {
        let values = columns.iter().zip(row);
        values.map(|(name, value)| ResultRowEntry { column_name: name.clone(), value }).collect()
    };
    Ok(rows.into_iter().map(with_names).collect())
}

async fn query_batch(database: Database, sql: String) -> Result<(), Failure> {
    let place = database.place();
    trace::capability("wasmcloud:postgres", "query-batch", &place, database.batch(sql)).await
}

async fn prepare(database: Database, sql: Arc<str>) -> Result<(), Failure> {
    let place = database.place();
    trace::capability("wasmcloud:postgres", "prepare", &place, database.prepare(sql)).await
}

async fn exec(database: Database, sql: Arc<str>, params: Vec<PgValue>) -> Result<u64, Failure> {
    let params = write::params(params).map_err(Failure::Params)?;
    let place = database.place();
    trace::capability("wasmcloud:postgres", "exec", &place, database.execute(sql, params)).await
}

/// The functions of the draft, for an import of whichever name.
impl View<'_> {
    async fn draft_query(
        &mut self,
        label: Option<Label>,
        sql: String,
        params: Vec<PgValue>,
    ) -> Result<Vec<ResultRow>, QueryError> {
        Ok(query(self.database(label)?, sql, params).await?)
    }

    async fn draft_query_batch(&mut self, label: Option<Label>, sql: String) -> Result<(), QueryError> {
        Ok(query_batch(self.database(label)?, sql).await?)
    }

    async fn draft_prepare(&mut self, label: Option<Label>, sql: String) -> Result<String, StatementPrepareError> {
        let sql: Arc<str> = sql.into();
        prepare(self.database(label.clone())?, sql.clone()).await?;
        Ok(self.keep(label, sql)?)
    }

    async fn draft_exec(
        &mut self,
        label: Option<Label>,
        token: String,
        params: Vec<PgValue>,
    ) -> Result<u64, PreparedStatementExecError> {
        let (database, sql) = self.prepared(label, &token)?;
        Ok(exec(database, sql, params).await?)
    }
}

impl draft::query::Host for View<'_> {
    async fn query(
        &mut self,
        sql: String,
        params: Vec<PgValue>,
    ) -> wasmtime::Result<Result<Vec<ResultRow>, QueryError>> {
        Ok(self.draft_query(None, sql, params).await)
    }

    async fn query_batch(&mut self, sql: String) -> wasmtime::Result<Result<(), QueryError>> {
        Ok(self.draft_query_batch(None, sql).await)
    }
}

impl draft::prepared::Host for View<'_> {
    async fn prepare(&mut self, sql: String) -> wasmtime::Result<Result<String, StatementPrepareError>> {
        Ok(self.draft_prepare(None, sql).await)
    }

    async fn exec(
        &mut self,
        token: String,
        params: Vec<PgValue>,
    ) -> wasmtime::Result<Result<u64, PreparedStatementExecError>> {
        Ok(self.draft_exec(None, token, params).await)
    }
}

impl named::postgres0_1_1_draft::query::Host for View<'_> {
    async fn query(
        &mut self,
        label: Label,
        sql: String,
        params: Vec<PgValue>,
    ) -> wasmtime::Result<Result<Vec<ResultRow>, QueryError>> {
        Ok(self.draft_query(Some(label), sql, params).await)
    }

    async fn query_batch(&mut self, label: Label, sql: String) -> wasmtime::Result<Result<(), QueryError>> {
        Ok(self.draft_query_batch(Some(label), sql).await)
    }
}

impl named::postgres0_1_1_draft::prepared::Host for View<'_> {
    async fn prepare(&mut self, label: Label, sql: String) -> wasmtime::Result<Result<String, StatementPrepareError>> {
        Ok(self.draft_prepare(Some(label), sql).await)
    }

    async fn exec(
        &mut self,
        label: Label,
        token: String,
        params: Vec<PgValue>,
    ) -> wasmtime::Result<Result<u64, PreparedStatementExecError>> {
        Ok(self.draft_exec(Some(label), token, params).await)
    }
}

/// Names of columns, rows while they come, and how it ended.
type Answer = (Vec<String>, StreamReader<Row>, FutureReader<Result<(), Error>>);

/// The functions of the later version, for an import of whichever name.
impl Views {
    fn database<T>(accessor: &Accessor<T, Self>, label: Option<Label>) -> Result<Database, Failure> {
        accessor.with(|mut access| access.get().database(label))
    }

    async fn query<T>(
        accessor: &Accessor<T, Self>,
        label: Option<Label>,
        sql: String,
        params: Vec<PgValue>,
    ) -> wasmtime::Result<Result<Answer, Error>> {
        let rows = async {
            let database = Self::database(accessor, label)?;
            let params = write::params(params).map_err(Failure::Params)?;
            let place = database.place();
            trace::capability("wasmcloud:postgres", "query", &place, database.stream(sql, params)).await
        };
        let rows = match rows.await {
            Ok(rows) => rows,
            Err(failure) => return Ok(Err(failure.into())),
        };
        let end = rows.end;
        let end = async move {
            let broke = || Err(Failure::Connection("the connection to the PostgreSQL server has ended".into()));
            Ok::<_, wasmtime::Error>(end.await.unwrap_or_else(|_| broke()).map_err(Error::from))
        };
        accessor.with(|mut access| {
            let stream = StreamReader::new(&mut access, Produced(rows.pieces))?;
            let end = FutureReader::new(&mut access, end)?;
            Ok(Ok((rows.columns, stream, end)))
        })
    }

    async fn query_batch<T>(accessor: &Accessor<T, Self>, label: Option<Label>, sql: String) -> Result<(), Error> {
        Ok(query_batch(Self::database(accessor, label)?, sql).await?)
    }

    async fn prepare<T>(accessor: &Accessor<T, Self>, label: Option<Label>, sql: String) -> Result<String, Error> {
        let sql: Arc<str> = sql.into();
        prepare(Self::database(accessor, label.clone())?, sql.clone()).await?;
        Ok(accessor.with(|mut access| access.get().keep(label, sql))?)
    }

    async fn exec<T>(
        accessor: &Accessor<T, Self>,
        label: Option<Label>,
        token: String,
        params: Vec<PgValue>,
    ) -> Result<u64, Error> {
        let (database, sql) = accessor.with(|mut access| access.get().prepared(label, &token))?;
        Ok(exec(database, sql, params).await?)
    }
}

impl current::types::Host for View<'_> {}
impl current::query::Host for View<'_> {}
impl current::prepared::Host for View<'_> {}
impl named::postgres0_2_0::query::Host for View<'_> {}
impl named::postgres0_2_0::prepared::Host for View<'_> {}

impl<T: Send + 'static> current::query::HostWithStore<T> for Views {
    async fn query(
        accessor: &Accessor<T, Self>,
        sql: String,
        params: Vec<PgValue>,
    ) -> wasmtime::Result<Result<Answer, Error>> {
        Self::query(accessor, None, sql, params).await
    }

    async fn query_batch(accessor: &Accessor<T, Self>, sql: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(Self::query_batch(accessor, None, sql).await)
    }
}

impl<T: Send + 'static> current::prepared::HostWithStore<T> for Views {
    async fn prepare(accessor: &Accessor<T, Self>, sql: String) -> wasmtime::Result<Result<String, Error>> {
        Ok(Self::prepare(accessor, None, sql).await)
    }

    async fn exec(
        accessor: &Accessor<T, Self>,
        token: String,
        params: Vec<PgValue>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        Ok(Self::exec(accessor, None, token, params).await)
    }
}

impl<T: Send + 'static> named::postgres0_2_0::query::HostWithStore<T> for Views {
    async fn query(
        accessor: &Accessor<T, Self>,
        label: Label,
        sql: String,
        params: Vec<PgValue>,
    ) -> wasmtime::Result<Result<Answer, Error>> {
        Self::query(accessor, Some(label), sql, params).await
    }

    async fn query_batch(
        accessor: &Accessor<T, Self>,
        label: Label,
        sql: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(Self::query_batch(accessor, Some(label), sql).await)
    }
}

impl<T: Send + 'static> named::postgres0_2_0::prepared::HostWithStore<T> for Views {
    async fn prepare(
        accessor: &Accessor<T, Self>,
        label: Label,
        sql: String,
    ) -> wasmtime::Result<Result<String, Error>> {
        Ok(Self::prepare(accessor, Some(label), sql).await)
    }

    async fn exec(
        accessor: &Accessor<T, Self>,
        label: Label,
        token: String,
        params: Vec<PgValue>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        Ok(Self::exec(accessor, Some(label), token, params).await)
    }
}

/// Rows that a guest reads. When it does not want them any more, nobody takes the pieces, and the
/// statement is ended.
struct Produced(mpsc::Receiver<Vec<Row>>);

impl<D> StreamProducer<D> for Produced {
    type Item = Row;
    type Buffer = VecBuffer<Row>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // Whether there is a row cannot be found out without taking it.
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match self.0.poll_recv(cx) {
            Poll::Ready(Some(piece)) => {
                destination.set_buffer(piece.into());
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(None) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}
