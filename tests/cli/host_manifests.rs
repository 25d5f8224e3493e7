//! `wash host --manifest`: what Kubernetes users write, run without Kubernetes.

use crate::support::{Sandbox, guests, run};

/// A workload with one component of a file, for one host.
pub fn workload(name: &str, image: &str, host: &str) -> String {
    format!(
        "apiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: Workload\nmetadata: {{ name: {name} }}\nspec:\n  \
         components:\n  - name: main\n    image: {image}\n  hostInterfaces:\n  - namespace: wasi\n    \
         package: http\n    interfaces: [incoming-handler]\n    config: {{ host: {host} }}\n"
    )
}

#[test]
fn a_workload_of_a_manifest_is_served_by_its_host() {
    let sandbox = Sandbox::new();
    sandbox.write("app/hello.wasm", guests::probe_version(1));
    sandbox.write("app/hello.yaml", workload("hello", "./hello.wasm", "hello.example"));
    let mut host = sandbox.host(&["--manifest", "app/hello.yaml"]);
    let ready = host.ready();
    assert_eq!(ready["workload_id"], "default/hello");
    assert_eq!(ready["generation"], 1);
    assert_eq!(host.get_from("hello.example", "/version").body, guests::marker(1));
    assert_eq!(host.get_from("other.example", "/version").status, 404);
    let request = host.wait_for_event("request", |event| event["status"] == 200);
    assert_eq!(request["workload"], "default/hello");
    assert_eq!(request["host"], "hello.example");
    assert_eq!(request["path"], "/version");
    host.terminate();
}

#[test]
fn what_is_wrong_with_a_manifest_is_told_with_its_line_before_anything_runs() {
    let sandbox = Sandbox::new();
    let text = workload("hello", "./hello.wasm", "hello.example").replace("image:", "imag:");
    let path = sandbox.write("hello.yaml", text);
    let ended = run(&mut sandbox.wash(["host", "--manifest", "hello.yaml"])).expect_code(2);
    assert!(ended.stderr.contains("`spec.components[0].image` is missing"), "{}", ended.stderr);
    assert!(ended.stderr.contains("unknown key `imag` in `spec.components[0]`"), "{}", ended.stderr);
    assert!(ended.stderr.contains("did you mean `image`?"), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("{}:7:5", path.display())), "{}", ended.stderr);
}
