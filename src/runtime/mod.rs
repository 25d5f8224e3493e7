//! The runtime: engine, compiling, linking, instances and their limits, HTTP serving.
//!
//! Knows workloads and components, and capabilities only through the traits it declares
//! ([`capability`]); never a project, a setting, or a concrete capability. Start with
//! [`engine::Engine`] and [`workload::Workload`], then [`prepare`] and [`http`].

pub mod callee;
pub mod caller;
pub mod capability;
pub mod compose;
pub mod cpu;
pub mod engine;
mod exception;
pub mod fault;
mod function_cache;
pub mod guest;
pub mod http;
pub mod invoke;
pub mod lessons;
pub mod limits;
pub mod network;
pub mod observer;
mod personal;
mod personal3;
pub mod prepare;
pub mod service;
pub mod stdio;
pub mod tls;
pub mod trace;
pub mod workload;
