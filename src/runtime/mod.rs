//! The runtime: engine, compiling, linking, instances and their limits, HTTP serving.
//!
//! Knows workloads and components, and capabilities only through the traits it declares
//! ([`capability`]); never a project, a setting, or a concrete capability. Start with
//! [`engine::Engine`], then [`workload::Workload`], [`prepare`] and [`http`].

pub mod capability;
pub mod guest;
pub mod observer;
pub mod workload;
