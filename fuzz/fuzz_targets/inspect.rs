//! Everything that `wash inspect` does with bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wash_fuzz::component::inspect::{compare, inspect, why, wit};

fuzz_target!(|bytes: &[u8]| {
    wash_fuzz::let_caught_panics_be();
    wash_fuzz::keep_last(bytes);
    // A panic that is not caught must end the run all the same.
    if std::panic::catch_unwind(|| examine(bytes)).is_err() {
        std::process::abort();
    }
});

fn examine(bytes: &[u8]) {
    let Ok(inspection) = inspect(bytes) else { return };
    let parts: u64 = inspection.anatomy.parts.iter().map(|part| part.bytes).sum();
    assert_eq!(parts, bytes.len() as u64, "every byte belongs to a part");
    let _ = wit(bytes);
    let _ = why(bytes, &inspection.description.imports, |_| true);
    assert!(compare(&inspection, &inspection).is_same(), "nothing differs from itself");
}
