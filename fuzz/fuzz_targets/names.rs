//! Names of functions, as compilers mangle them and as nobody would.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wash_fuzz::component::inspect::readable;

fuzz_target!(|bytes: &[u8]| {
    wash_fuzz::keep_last(bytes);
    if let Ok(name) = std::str::from_utf8(bytes) {
        assert!(readable(name).len() <= 500, "{name}");
    }
});
