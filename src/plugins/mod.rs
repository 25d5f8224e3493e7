//! The capabilities that components can be given, and the one list of all of them.
//!
//! A capability's folder has `host.rs` (the one dispatch), `backend.rs` (a small object-safe trait in
//! plain Rust types) and `backends/*.rs`. A backend never sees generated types. Capabilities do not
//! know each other.
