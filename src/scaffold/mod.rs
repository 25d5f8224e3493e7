//! New projects: template sources, renaming, safe writing.

pub mod catalog;
mod inside;
mod name;
mod rename;
mod source;
mod tree;
