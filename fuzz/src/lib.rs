//! The rooms of wash that read what strangers wrote, compiled without the rest.

#![allow(dead_code, reason = "each target uses its part")]

#[path = "../../src/error.rs"]
pub mod error;

#[path = "../../src/component/mod.rs"]
pub mod component;
#[path = "../../src/project/mod.rs"]
pub mod project;

/// Of registries only what reads their names.
#[path = "../../src/oci"]
pub mod oci {
    pub mod digest;
    pub mod reference;

    pub use reference::Reference;
}

/// A panic that is caught where a library has one is no finding. libFuzzer would end at any.
pub fn let_caught_panics_be() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}

/// Keeps the input that is about to be tried in the file that `WASH_FUZZ_LAST` names: a stack that
/// overflows takes libFuzzer's own report of the input with it.
pub fn keep_last(bytes: &[u8]) {
    if let Some(path) = std::env::var_os("WASH_FUZZ_LAST") {
        std::fs::write(path, bytes).expect("a file for the last input");
    }
}
