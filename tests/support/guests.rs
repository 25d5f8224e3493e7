//! The components that tests serve: real programs, compiled once by the real toolchain.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What the probe answers at `/version`; the digits can be replaced in the compiled file.
const MARKER: &[u8] = b"WASH-PROBE-VERSION-0000";

/// The component with a route for everything that a host does.
pub fn probe() -> Vec<u8> {
    read("wasm32-wasip2/release/probe.wasm")
}

/// The probe of another version: the same program with another marker.
pub fn probe_version(version: u32) -> Vec<u8> {
    let mut bytes = probe();
    let digits = format!("{version:04}");
    let places: Vec<usize> =
        bytes.windows(MARKER.len()).enumerate().filter(|(_, window)| *window == MARKER).map(|(at, _)| at).collect();
    assert_eq!(places.len(), 1, "the marker stands once in the probe");
    let end = places[0] + MARKER.len();
    bytes[end - 4..end].copy_from_slice(digits.as_bytes());
    bytes
}

/// What `/version` answers for [`probe_version`].
pub fn marker(version: u32) -> String {
    format!("WASH-PROBE-VERSION-{version:04}")
}

/// An HTTP component of WASI 0.3.
pub fn probe3() -> Vec<u8> {
    read("wasm32-wasip2/release/probe3.wasm")
}

/// Does what no component should.
pub fn rogue() -> Vec<u8> {
    read("wasm32-wasip2/release/rogue.wasm")
}

/// Is told of changes in key-value buckets.
pub fn key_watcher() -> Vec<u8> {
    read("wasm32-wasip2/release/key_watcher.wasm")
}

/// Records what it does through `wasi:otel`.
pub fn recorder() -> Vec<u8> {
    read("wasm32-wasip2/release/recorder.wasm")
}

/// Answers messages.
pub fn echo_worker() -> Vec<u8> {
    read("wasm32-wasip2/release/echo_worker.wasm")
}

/// Answers HTTP requests with the help of [`shop_cart`].
pub fn shop_front() -> Vec<u8> {
    read("wasm32-wasip2/release/shop_front.wasm")
}

/// Exports what [`shop_front`] imports, in a newer version.
pub fn shop_cart() -> Vec<u8> {
    read("wasm32-wasip2/release/shop_cart.wasm")
}

/// Imports what the plugin of `examples/custom_plugin` provides.
pub fn table_reader() -> Vec<u8> {
    read("wasm32-wasip2/release/table_reader.wasm")
}

/// Answers HTTP requests with the help of [`relay_back`], in WASI 0.3.
pub fn relay_front() -> Vec<u8> {
    read("wasm32-wasip2/release/relay_front.wasm")
}

/// Exports what [`relay_front`] imports.
pub fn relay_back() -> Vec<u8> {
    read("wasm32-wasip2/release/relay_back.wasm")
}

/// A service that does what the variable `SERVICE` says.
pub fn service() -> Vec<u8> {
    read("wasm32-wasip2/release/service.wasm")
}

/// The service of another version: the same program with another marker.
pub fn service_version(version: u32) -> Vec<u8> {
    let (mut bytes, marker) = (service(), b"WASH-SERVICE-VERSION-0000");
    let at = bytes.windows(marker.len()).position(|window| window == marker).expect("the marker");
    bytes[at + marker.len() - 4..at + marker.len()].copy_from_slice(format!("{version:04}").as_bytes());
    bytes
}

/// A service of WASI 0.3.
pub fn service3() -> Vec<u8> {
    read("wasm32-wasip2/release/service3.wasm")
}

/// A service that calls [`tasks`].
pub fn scheduler() -> Vec<u8> {
    read("wasm32-wasip2/release/scheduler.wasm")
}

/// Exports what [`scheduler`] imports.
pub fn tasks() -> Vec<u8> {
    read("wasm32-wasip2/release/tasks.wasm")
}

/// Runs statements through `wasmcloud:postgres@0.1.1-draft`.
pub fn ledger() -> Vec<u8> {
    read("wasm32-wasip2/release/ledger.wasm")
}

/// Runs statements through `wasmcloud:postgres@0.2.0`, in WASI 0.3.
pub fn ledger3() -> Vec<u8> {
    read("wasm32-wasip2/release/ledger3.wasm")
}

/// Reads secrets, in WASI 0.3.
pub fn vault() -> Vec<u8> {
    read("wasm32-wasip2/release/vault.wasm")
}

/// Imports what nobody provides.
pub fn missing_import() -> Vec<u8> {
    read("wasm32-wasip2/release/missing_import.wasm")
}

/// A core module that becomes a component with imports under names of its own: the linker of
/// `wasm32-wasip2` does not know those yet.
pub fn labels() -> Vec<u8> {
    read("wasm32-wasip1/release/labels.wasm")
}

/// Imports secrets and databases under names of its own: a core module, because the toolchain's own
/// linker does not know such imports yet, which `wash` makes a component of.
pub fn named() -> Vec<u8> {
    read("wasm32-wasip1/release/named.wasm")
}

/// A core module, no component.
pub fn core_module() -> Vec<u8> {
    read("wasm32-wasip1/release/core-module.wasm")
}

fn read(path: &str) -> Vec<u8> {
    let path = built().join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("the guest {}: {error}", path.display()))
}

/// Builds all guests, once a process, one process at a time: cargo does nothing the second time.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = root.join("target/guests");
        std::fs::create_dir_all(&target).expect("a folder for the guests");
        let lock = File::create(target.join("build.lock")).expect("a lock file");
        lock.lock().expect("the lock");
        for args in [
            &[
                "--target",
                "wasm32-wasip2",
                "--workspace",
                "--exclude",
                "core-module",
                "--exclude",
                "labels",
                "--exclude",
                "named",
            ][..],
            &["--target", "wasm32-wasip1", "--package", "core-module", "--package", "labels", "--package", "named"][..],
        ] {
            let status = Command::new("cargo")
                .args(["build", "--release", "--quiet", "--locked"])
                .args(args)
                .current_dir(root.join("tests/guests"))
                .env("CARGO_TARGET_DIR", &target)
                .env_remove("RUSTFLAGS")
                .status()
                .expect("cargo starts");
            assert!(status.success(), "the guests do not build; is the target there? scripts/rust-target");
        }
        target
    })
}
