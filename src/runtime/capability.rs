//! What the runtime asks of the set of capabilities, whichever they are.
//!
//! A capability lives in three stages. *Link*, once per engine: its functions are put into the
//! linker. *Configure*, once per workload: the only place that validates. *Instantiate*, per store:
//! cheap, cannot fail.

use std::sync::Arc;

use wasmtime::component::{Component as Compiled, Linker, LinkerInstance};

use super::guest::Guest;
use super::observer::Observer;
use super::workload::{Component, Workload};
use crate::error::Error;

/// A set of capabilities that guests can be given.
pub trait Capabilities: Send + Sync + 'static {
    /// What the capabilities know of one component of one workload.
    type ForComponent: ForComponent;

    /// Puts every function of every capability into the linker.
    fn link(linker: &mut Linker<GuestOf<Self>>) -> wasmtime::Result<()>
    where
        Self: Sized;

    /// Puts what a component imports under names of its own into a linker that is for it alone.
    fn link_named(linker: &mut Linker<GuestOf<Self>>, component: &Compiled) -> wasmtime::Result<()>
    where
        Self: Sized;

    /// Interfaces whose state belongs to one component and not to its workload, without versions:
    /// in a component that is composed of several, each has its own.
    const PERSONAL: &'static [&'static str];

    /// Puts one of [`Self::PERSONAL`] into a linker's instance, for one member of the store
    /// ([`Guest::capabilities_of`]).
    fn link_personal(
        instance: &mut LinkerInstance<'_, GuestOf<Self>>,
        interface: &str,
        member: usize,
    ) -> wasmtime::Result<()>
    where
        Self: Sized;

    /// Puts an interface into the linker under a name that a component has chosen for it, its label: what comes
    /// this way is for what the workload has named so. `false`: it is no interface of the capabilities.
    fn link_label(linker: &mut Linker<GuestOf<Self>>, label: &str, interface: &str) -> wasmtime::Result<bool>
    where
        Self: Sized;

    /// Validates the workload's configuration for one of its components.
    fn configure(
        &self,
        workload: &Workload,
        component: &Component,
        observer: &Arc<dyn Observer>,
    ) -> Result<Self::ForComponent, Error>;
}

/// What a set of capabilities knows of one component.
pub trait ForComponent: Send + Sync + 'static {
    /// What it keeps in each store of the component.
    type ForStore: Send + 'static;

    /// Called for every instance, so it copies handles and nothing else.
    fn for_store(&self) -> Self::ForStore;
}

/// The store data of guests that have the capabilities `C`.
pub type GuestOf<C> = Guest<<<C as Capabilities>::ForComponent as ForComponent>::ForStore>;
