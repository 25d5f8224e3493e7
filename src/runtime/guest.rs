//! What a store holds for its guest.

use std::sync::Arc;

use wasmtime::StoreLimits;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::http::outgoing::Outgoing;
use super::network::sockets::{self, Sockets};

/// The store's data. Host functions borrow the fields they need.
pub struct Guest<S> {
    /// Resources that the guest holds handles to.
    pub table: ResourceTable,
    /// WASI 0.2 itself: environment, stdio, clocks, files, sockets.
    pub wasi: WasiCtx,
    /// `wasi:http`.
    pub http: WasiHttpCtx,
    /// How requests of the guest are sent.
    pub outgoing: Outgoing,
    /// What its sockets have done; `None` in a component that imports none.
    pub sockets: Option<Arc<Sockets>>,
    /// What the guest's memory and tables may grow to.
    pub limits: StoreLimits,
    /// What the capabilities keep in this store.
    pub capabilities: S,
}

impl<S: Send> WasiView for Guest<S> {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl<S: Send> WasiHttpView for Guest<S> {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}

impl<S> Guest<S> {
    /// What looking up names through `wasi:sockets` needs.
    pub fn lookups(&mut self) -> sockets::View<'_> {
        sockets::View { sockets: self.sockets.as_ref(), table: &mut self.table }
    }
}
