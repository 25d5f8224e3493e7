//! wash, the Wasm Shell: creates, builds, runs and inspects WebAssembly components.
//!
//! The binary is a thin wrapper around this library. `docs/architecture.md` shows the rooms and
//! which may use which; a test keeps that picture true. Programs that run workloads themselves use
//! [`embed`].

pub mod embed;
pub use wasmtime;

pub mod cli;
pub mod context;
pub mod error;
pub mod progress;
pub mod shell;

pub mod doctor;
pub mod git;
pub mod process;
pub mod project;
pub mod scaffold;
pub mod toolchain;
pub mod update;
pub mod wit;

pub mod component;
pub mod dev;
pub mod host;
pub mod oci;
pub mod plugins;
pub mod runtime;
pub mod telemetry;
