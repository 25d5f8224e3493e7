//! References to registries, as they are typed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wash_fuzz::oci::Reference;

fuzz_target!(|bytes: &[u8]| {
    wash_fuzz::keep_last(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(reference) = Reference::parse(text) {
        // What is printed means the same.
        let printed = reference.to_string();
        assert_eq!(Reference::parse(&printed).expect("what was printed can be read"), reference, "{text} -> {printed}");
    }
});
