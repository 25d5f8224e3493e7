//! What a store holds for its guest.

use std::sync::Arc;

use wasmtime::StoreLimits;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::caller::Callers;
use super::http::outgoing::Outgoing;
use super::network::sockets::{self, Sockets};
use super::stdio::CallOutput;

/// The store's data. Host functions borrow the fields they need.
#[allow(unnameable_types, reason = "`embed::Guest` is its name")]
pub struct Guest<S> {
    /// Resources that the guest holds handles to.
    pub(crate) table: ResourceTable,
    /// WASI 0.2 itself: environment, stdio, clocks, files, sockets.
    pub(crate) wasi: WasiCtx,
    /// `wasi:http`.
    pub(crate) http: WasiHttpCtx,
    /// How requests of the guest are sent.
    pub(crate) outgoing: Outgoing,
    /// What its sockets have done; `None` in a component that imports none.
    pub(crate) sockets: Option<Arc<Sockets>>,
    /// What the guest's memory and tables may grow to.
    pub(crate) limits: StoreLimits,
    /// What it writes, and for which call it works.
    pub(crate) output: Arc<CallOutput>,
    /// What the capabilities keep in this store.
    pub(crate) capabilities: S,
    /// The same for the other members of a composed component, in their order. All that is above
    /// belongs to the first member, or to all of them (the table, the limits).
    pub(crate) others: Vec<Own<S>>,
    /// For whom each task of the guest works; `None` where the instance has one call at a time.
    pub(crate) callers: Option<Callers>,
}

/// What one member of a composed component has for itself.
pub struct Own<S> {
    pub(crate) wasi: WasiCtx,
    pub(crate) outgoing: Outgoing,
    pub(crate) sockets: Option<Arc<Sockets>>,
    pub(crate) capabilities: S,
}

impl<S> Guest<S> {
    /// A member's WASI context, and the table that all share.
    pub(crate) fn wasi_of(&mut self, member: usize) -> (&mut WasiCtx, &mut ResourceTable) {
        let wasi = match member.checked_sub(1) {
            None => &mut self.wasi,
            Some(other) => &mut self.others[other].wasi,
        };
        (wasi, &mut self.table)
    }

    /// What `wasi:sockets` needs.
    pub(crate) fn sockets(&mut self) -> sockets::View<'_> {
        self.sockets_of(0)
    }

    /// The same for a member.
    pub(crate) fn sockets_of(&mut self, member: usize) -> sockets::View<'_> {
        let (wasi, sockets) = match member.checked_sub(1) {
            None => (&mut self.wasi, self.sockets.as_ref()),
            Some(other) => {
                let own = &mut self.others[other];
                (&mut own.wasi, own.sockets.as_ref())
            }
        };
        sockets::View { sockets, ctx: wasi.sockets(), table: &mut self.table }
    }

    /// A member's way out to other servers.
    pub(crate) fn http_of(&mut self, member: usize) -> WasiHttpCtxView<'_> {
        let outgoing = match member.checked_sub(1) {
            None => &mut self.outgoing,
            Some(other) => &mut self.others[other].outgoing,
        };
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: outgoing }
    }

    /// What the capabilities keep for a member, and the table that all share.
    pub(crate) fn capabilities_of(&mut self, member: usize) -> (&S, &mut ResourceTable) {
        let capabilities = match member.checked_sub(1) {
            None => &self.capabilities,
            Some(other) => &self.others[other].capabilities,
        };
        (capabilities, &mut self.table)
    }
}

#[doc(hidden)]
impl<S: Send> WasiView for Guest<S> {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

#[doc(hidden)]
impl<S: Send> WasiHttpView for Guest<S> {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}
