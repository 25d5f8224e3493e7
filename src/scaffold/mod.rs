//! New projects: template sources, renaming, safe writing.
