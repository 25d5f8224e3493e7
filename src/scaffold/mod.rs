//! New projects: template sources, renaming, safe writing.

pub mod catalog;
mod git;
mod inside;
mod manifest;
mod name;
mod process;
mod rename;
mod source;
mod staging;
mod tree;
