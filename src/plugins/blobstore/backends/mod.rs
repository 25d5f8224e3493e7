//! Where the data of `wasi:blobstore` can be kept.

pub mod file;
mod file_names;
mod file_tree;
mod file_upload;
pub mod memory;
pub mod nats;
pub mod object_place;
pub mod objects;
mod pump;
pub mod spool;
