//! Where the data of `wasi:keyvalue` can be kept.

pub mod file;
pub mod memory;
pub mod nats;
mod nats_changes;
pub mod redis;
mod redis_changes;
mod writer;
