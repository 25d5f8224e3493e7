//! Where the data of `wasi:keyvalue` can be kept.

pub mod memory;
