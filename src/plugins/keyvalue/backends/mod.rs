//! Where the data of `wasi:keyvalue` can be kept.

pub mod file;
pub mod memory;
pub mod nats;
pub mod redis;
mod writer;
