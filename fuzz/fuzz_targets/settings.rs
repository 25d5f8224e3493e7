//! Reading and checking of settings files in every format. The first byte chooses the format.

#![no_main]

use std::collections::BTreeMap;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wash_fuzz::project;

fuzz_target!(|bytes: &[u8]| {
    wash_fuzz::keep_last(bytes);
    let Some((format, text)) = bytes.split_first() else { return };
    let name = ["config.yaml", "config.json", "config.toml"][usize::from(format % 3)];
    let env = BTreeMap::from([("HOME".to_string(), "/home/somebody".to_string())]);
    let _ = project::check_bytes(Path::new(name), text.to_vec(), &env);
});
