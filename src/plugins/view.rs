//! How a host call reaches what it needs of its store.

use std::marker::PhantomData;

use wasmtime::component::{HasData, ResourceTable};

/// What a call needs of its store: what the capability knows of the component, and the handles that
/// the guest has.
pub struct View<'a, S> {
    pub state: &'a S,
    pub table: &'a mut ResourceTable,
}

/// Stands for [`View`] where the bindings ask for a type without a lifetime.
pub struct Views<S>(PhantomData<fn() -> S>);

impl<S: 'static> HasData for Views<S> {
    type Data<'a> = View<'a, S>;
}

/// Finds the view in the data of a store.
pub type ViewOf<T, S> = fn(&mut T) -> View<'_, S>;
