//! wash, the Wasm Shell: creates, builds, runs and inspects WebAssembly components.
//!
//! Programs that run workloads themselves use [`embed`]. Everything else is private: the binary is a
//! thin wrapper around it. `docs/architecture.md` shows the rooms and which may use which; a test
//! keeps that picture true.

#![warn(missing_docs, unnameable_types)]

pub mod embed;
/// The engine, in the version that a [`HostPlugin`](embed::HostPlugin) is linked with.
pub use wasmtime;

mod context;
mod error;
mod feed;
mod shell;

mod doctor;
mod git;
mod process;
mod project;
mod scaffold;
mod toolchain;
mod update;
mod wit;

mod console;
mod dev;
mod host;
mod manifest;
mod node;
mod plugins;
mod runtime;
mod scheduler;
mod telemetry;

// For this package's own binary, tests and benches. No promise is made about these.
#[doc(hidden)]
#[allow(unnameable_types)]
pub mod cli;
#[doc(hidden)]
#[allow(unnameable_types)]
pub mod component;
#[doc(hidden)]
#[allow(unnameable_types)]
pub mod oci;
#[doc(hidden)]
pub mod progress;
#[doc(hidden)]
pub mod internal {
    pub use crate::runtime::tls::provider;
    pub use crate::update::TARGET;

    pub mod compose {
        pub use crate::runtime::compose::{ComposeError, Composed, Link, Part, Personal, compose};
    }
}
