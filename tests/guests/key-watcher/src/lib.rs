//! Writes a line for each change in a bucket that it is told of: `tests/guests/README.md`.

mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "key-watcher",
        generate_all,
    });
}

use bindings::exports::wasi::keyvalue0_2_0_draft::watcher::{Bucket, Guest};

struct KeyWatcher;

impl Guest for KeyWatcher {
    fn on_set(bucket: Bucket, key: String, value: Vec<u8>) {
        if value == b"trap" {
            panic!("key-watcher panic on purpose");
        }
        let now = bucket.get(&key).ok().flatten().unwrap_or_default();
        println!("{key} is {}, now {}", String::from_utf8_lossy(&value), String::from_utf8_lossy(&now));
    }

    fn on_delete(bucket: Bucket, key: String) {
        println!("{key} is gone, now {:?}", bucket.exists(&key).ok());
    }
}

bindings::export!(KeyWatcher with_types_in bindings);
