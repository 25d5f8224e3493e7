//! What can carry the messages of `wasmcloud:messaging`.

pub mod memory;
mod requests;
