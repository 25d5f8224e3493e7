//! What can carry the messages of `wasmcloud:messaging`.

pub mod memory;
pub mod nats;
mod requests;
