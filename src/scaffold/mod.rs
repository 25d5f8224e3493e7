//! New projects: template sources, renaming, safe writing.

pub mod catalog;
mod name;
mod rename;
