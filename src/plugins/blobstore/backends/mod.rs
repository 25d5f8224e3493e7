//! Where the data of `wasi:blobstore` can be kept.

pub mod memory;
