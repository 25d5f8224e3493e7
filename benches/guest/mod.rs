//! What the benches serve.

use std::path::Path;
use std::process::Command;

/// The template `http-hello-world`, built by cargo.
pub fn hello() -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("target/bench-guest");
    let built = Command::new("cargo")
        .args(["build", "--release", "--quiet", "--target", "wasm32-wasip2"])
        .current_dir(root.join("templates/http-hello-world"))
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .expect("cargo starts");
    assert!(built.success(), "the guest does not build");
    std::fs::read(target.join("wasm32-wasip2/release/http_hello_world.wasm")).expect("the guest")
}
