//! `wash oci` with a real registry, and with other clients of it.

use crate::support::registry::Registry;
use crate::support::{Sandbox, run};

/// A component that imports and exports something, and is made in no time.
fn component() -> Vec<u8> {
    wat::parse_str(
        r#"(component
            (import "wasi:cli/environment@0.2.0" (instance))
            (import "wasi:clocks/wall-clock@0.2.0" (instance))
            (instance $empty)
            (export "wasi:http/incoming-handler@0.2.0" (instance $empty)))"#,
    )
    .unwrap()
}

#[test]
fn what_is_pushed_can_be_pulled_and_the_same_bytes_have_the_same_digest() {
    let registry = Registry::open();
    let sandbox = Sandbox::new();
    sandbox.write("hello.wasm", component());
    let name = format!("{}/team/hello", registry.host());
    let pushed = run(&mut sandbox.wash(["oci", "push", &format!("{name}:1"), "hello.wasm"])).expect_code(0);
    let (_, digest) = pushed.stdout.trim().split_once('@').expect("a digest");
    assert_eq!(pushed.stdout, format!("{name}:1@{digest}\n"));

    // From another file, under other names.
    let other = Sandbox::new();
    other.write("x/other.wasm", component());
    let args = ["oci", "push", &format!("{name}:2"), "x/other.wasm", "--tag", "3", "-t", "2", "-o", "json"];
    let again = run(&mut other.wash(args)).expect_code(0).json();
    assert_eq!(again["digest"], digest);
    assert_eq!(again["tags"], serde_json::json!(["2", "3"]));
    assert_eq!(again["existed"], true);
    assert_eq!(again["command"], "oci push");

    for reference in
        [format!("{name}:1"), format!("{name}:3"), format!("{name}@{digest}"), format!("{name}:2@{digest}")]
    {
        let other = Sandbox::new();
        let pulled = run(&mut other.wash(["oci", "pull", &reference])).expect_code(0);
        assert_eq!(pulled.stdout, "component.wasm\n");
        assert_eq!(std::fs::read(other.path().join("component.wasm")).unwrap(), component());
    }
}
