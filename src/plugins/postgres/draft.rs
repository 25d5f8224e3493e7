//! The types of `wasmcloud:postgres@0.1.1-draft`: values are those of the later version, errors are its own.

use wasmtime::component::{ComponentType, HasData, Lift, Linker, Lower};

pub use crate::plugins::bindings::wasmcloud::postgres0_2_0::types::PgValue;

/// `query-error`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum QueryError {
    #[component(name = "invalid-params")]
    InvalidParams(String),
    #[component(name = "invalid-query")]
    InvalidQuery(String),
    #[component(name = "unexpected")]
    Unexpected(String),
}

/// `statement-prepare-error`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum StatementPrepareError {
    #[component(name = "unexpected")]
    Unexpected(String),
}

/// `prepared-statement-exec-error`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum PreparedStatementExecError {
    #[component(name = "unknown-prepared-query")]
    UnknownPreparedQuery,
    #[component(name = "query-error")]
    QueryError(QueryError),
    #[component(name = "unexpected")]
    Unexpected(String),
}

/// `result-row-entry`
#[derive(Clone, Debug, ComponentType, Lift, Lower)]
#[component(record)]
pub struct ResultRowEntry {
    #[component(name = "column-name")]
    pub column_name: String,
    pub value: PgValue,
}

/// `result-row`
pub type ResultRow = Vec<ResultRowEntry>;

/// The interface has types only: there is nothing to link, but the generated code asks for it.
#[allow(dead_code, reason = "only named by generated code that nobody calls")]
pub trait Host {}
impl<H: ?Sized> Host for H {}

/// As [`Host`].
#[allow(dead_code, reason = "only named by generated code that nobody calls")]
pub trait HostWithStore<T>: HasData {}
impl<H: HasData + ?Sized, T> HostWithStore<T> for H {}

/// As [`Host`].
#[allow(dead_code, reason = "only named by generated code that nobody calls")]
pub fn add_to_linker<T, D: HasData>(_: &mut Linker<T>, _: fn(&mut T) -> D::Data<'_>) -> wasmtime::Result<()> {
    Ok(())
}
