//! New projects: template sources, renaming, safe writing.

pub mod catalog;
mod inside;
mod manifest;
mod name;
mod rename;
mod source;
mod staging;
mod tree;
