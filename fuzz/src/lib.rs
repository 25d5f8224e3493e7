//! The rooms of wash that read what strangers wrote, compiled without the rest.

#![allow(dead_code, reason = "each target uses its part")]

#[path = "../../src/error.rs"]
pub mod error;

#[path = "../../src/component/mod.rs"]
pub mod component;
#[path = "../../src/project/mod.rs"]
pub mod project;

/// A panic that is caught where a library has one is no finding. libFuzzer would end at any.
pub fn let_caught_panics_be() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}
