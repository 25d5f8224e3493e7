//! `wash host --manifest`: what Kubernetes users write, run without Kubernetes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::dev::request;
use crate::support::registry::{PASSWORD, Protection, Registry, USERNAME};
use crate::support::{Dev, Sandbox, eventually, guests, run};

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

#[test]
fn a_change_is_taken_over_without_a_lost_request_and_a_mistake_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("m/one.wasm", guests::probe_version(1));
    sandbox.write("m/two.wasm", guests::probe_version(2));
    sandbox.write("m/a.yaml", workload("a", "./one.wasm", "a.example"));
    let mut host = sandbox.host(&["--manifest", "m"]);
    host.ready();
    let load = Load::start(&host.url, "a.example", "/version");

    sandbox.write("m/a.yaml", workload("a", "./two.wasm", "a.example"));
    let ready = host.ready();
    assert_eq!((&ready["workload_id"], &ready["generation"]), (&"default/a".into(), &2.into()));
    assert_eq!(host.get_from("a.example", "/version").body, guests::marker(2));

    // The bytes of an image are watched, too.
    sandbox.write("m/two.wasm", guests::probe_version(3));
    assert_eq!(host.ready()["generation"], 3);
    assert_eq!(host.get_from("a.example", "/version").body, guests::marker(3));

    sandbox.write("m/a.yaml", workload("a", "./two.wasm", "a.example").replace("spec:", "spec: ["));
    let invalid = host.wait_for("manifests-invalid");
    assert!(invalid["error"]["details"].as_str().unwrap().contains("a.yaml:"), "{invalid:#}");
    // Another file goes on to count meanwhile.
    sandbox.write("m/b.yaml", workload("b", "./one.wasm", "b.example"));
    host.wait_for_event("ready", |event| event["workload_id"] == "default/b");
    assert_eq!(host.get_from("a.example", "/version").body, guests::marker(3));

    // A version that cannot be started does not replace what runs.
    sandbox.write("m/a.yaml", workload("a", "./none.wasm", "a.example"));
    let failed = host.wait_for("failed");
    assert_eq!(failed["still_serving"], true);
    assert!(failed["error"]["message"].as_str().unwrap().contains("none.wasm"), "{failed:#}");
    assert_eq!(host.get_from("a.example", "/version").body, guests::marker(3));
    load.stop_without_a_failure();

    std::fs::remove_file(sandbox.path().join("m/a.yaml")).unwrap();
    host.wait_for_event("stopped", |event| event["workload_id"] == "default/a");
    assert_eq!(host.get_from("a.example", "/version").status, 404);
    assert_eq!(host.get_from("b.example", "/version").body, guests::marker(1));
    host.terminate();
}

/// Sends one request after the other until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(usize, Vec<String>)>,
}

impl Load {
    pub fn start(url: &str, host: &str, path: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (until, url, host, path) = (stop.clone(), url.to_string(), host.to_string(), path.to_string());
        let thread = std::thread::spawn(move || {
            let (mut count, mut failures) = (0, Vec::new());
            while !until.load(Ordering::SeqCst) {
                match request(&url, "GET", &path, None, &[("host", &host)]) {
                    Ok(answer) if answer.status == 200 => count += 1,
                    other => failures.push(format!("{other:?}")),
                }
            }
            (count, failures)
        });
        Load { stop, thread }
    }

    /// How many requests were taken and not answered: those that found nobody are not among them.
    pub fn stop_and_count_broken(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        let (_, failures) = self.thread.join().unwrap();
        failures.iter().filter(|failure| !failure.contains("refused")).inspect(|failure| eprintln!("{failure}")).count()
    }

    #[track_caller]
    pub fn stop_without_a_failure(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        let (count, failures) = self.thread.join().unwrap();
        assert!(failures.is_empty(), "{} of {} requests failed: {failures:?}", failures.len(), count + failures.len());
        assert!(count > 0);
        count
    }
}

#[test]
fn a_deployment_has_replicas_with_values_of_maps_and_secrets_that_are_nowhere_else() {
    let sandbox = Sandbox::new();
    sandbox.write("probe.wasm", guests::probe());
    let manifest = r#"
apiVersion: runtime.wasmcloud.dev/v1alpha1
kind: WorkloadDeployment
metadata: { name: shop, namespace: sales }
spec:
  replicas: 3
  template:
    spec:
      components:
      - name: main
        image: ./probe.wasm
        localResources:
          environment:
            config: { COLOUR: inline, SIZE: inline }
            configFrom: [{ name: settings }]
            secretFrom: [{ name: keys }]
      hostInterfaces:
      - { namespace: wasi, package: http, interfaces: [incoming-handler], config: { host: shop.example } }
---
{ apiVersion: v1, kind: ConfigMap, metadata: { name: settings, namespace: sales }, data: { COLOUR: red } }
---
{ apiVersion: v1, kind: Secret, metadata: { name: keys, namespace: sales }, data: { TOKEN: aHVudGVyMg== } }
"#;
    sandbox.write("shop.yaml", manifest);
    let mut host = sandbox.host(&["--manifest", "shop.yaml", "--admin-addr", "0"]);
    let settled = host.wait_for("settled");
    assert_eq!((&settled["running"], &settled["failed"]), (&3.into(), &0.into()));
    let environment = host.get_from("shop.example", "/env").body;
    for line in ["COLOUR=red", "SIZE=inline", "TOKEN=hunter2"] {
        assert!(environment.contains(line), "{environment}");
    }
    for _ in 0..8 {
        assert_eq!(host.get_from("shop.example", "/version").status, 200);
    }
    let served = || {
        let requests = host.events().into_iter().filter(|event| event["event"] == "request");
        requests.map(|event| event["workload_id"].to_string()).collect::<BTreeSet<_>>()
    };
    eventually("all replicas answer", || served().len() == 3);
    let metrics = request(&admin_url(&host), "GET", "/metrics", None, &[]).unwrap().body;
    let told = format!("{:?} {metrics} {}", host.events(), host.stderr());
    for secret in ["hunter2", "aHVudGVyMg"] {
        assert!(!told.contains(secret), "{told}");
    }
    host.terminate();
}

/// Where the operator is answered.
pub fn admin_url(host: &Dev) -> String {
    let events = host.events();
    let admin = events.iter().find(|event| event["event"] == "admin").expect("an address for the operator");
    admin["url"].as_str().unwrap().trim_end_matches('/').to_string()
}

#[test]
fn volumes_are_mounted_and_temporary_ones_go_with_the_workload() {
    let sandbox = Sandbox::new();
    sandbox.write("probe.wasm", guests::probe());
    sandbox.write("data/kept.txt", "kept");
    let text = workload("a", "./probe.wasm", "a.example").replace(
        "  hostInterfaces:",
        "    localResources:\n      volumeMounts:\n      - { name: data, mountPath: /data, readOnly: true }\n      \
         - { name: scratch, mountPath: /scratch }\n  volumes:\n  - { name: data, hostPath: { path: ./data } }\n  \
         - { name: scratch, ephemeral: {} }\n  hostInterfaces:",
    );
    sandbox.write("a.yaml", text);
    let mut host = sandbox.host(&["--manifest", "a.yaml", "--data-dir", "state"]);
    host.ready();
    assert_eq!(host.get_from("a.example", "/read?path=/data/kept.txt").body, "kept");
    let write = |path: &str| {
        let path = format!("/write?path={path}");
        host.request("POST", &path, Some(b"new"), &[("host", "a.example")]).status
    };
    assert!(write("/data/new.txt") >= 400, "it is read-only");
    assert_eq!(write("/scratch/new.txt"), 204);
    assert_eq!(host.get_from("a.example", "/read?path=/scratch/new.txt").body, "new");
    let volumes = sandbox.path().join("state/volumes");
    assert_eq!(std::fs::read_dir(&volumes).unwrap().count(), 1);
    host.terminate();
    assert_eq!(std::fs::read_dir(&volumes).unwrap().count(), 0, "nothing is left");
    assert_eq!(std::fs::read_to_string(sandbox.path().join("data/kept.txt")).unwrap(), "kept");
}

#[test]
fn manifests_come_through_stdin_too() {
    use std::io::Write;
    let sandbox = Sandbox::new();
    sandbox.write("probe.wasm", guests::probe_version(4));
    let mut command = sandbox.wash(["host", "-o", "json", "--http-addr", "0", "--manifest", "-"]);
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(workload("a", "./probe.wasm", "a.example").as_bytes()).unwrap();
    drop(writer);
    command.stdin(reader);
    let mut host = Dev::start_with_stdin(command);
    host.ready();
    assert_eq!(host.get_from("a.example", "/version").body, guests::marker(4));
    host.terminate();

    let ended = run(&mut sandbox.wash(["host", "--manifest", "-"])).expect_code(2);
    assert!(ended.stderr.contains("there are no workloads on stdin"), "{}", ended.stderr);
}

#[test]
fn images_are_pulled_with_the_secret_and_a_warm_start_needs_no_registry() {
    let registry = Registry::start(Protection { password: true, tls: false });
    let sandbox = Sandbox::new();
    sandbox.write("probe.wasm", guests::probe_version(5));
    let image = format!("{}/team/probe:1", registry.host());
    let mut push = sandbox.wash(["oci", "push", &image, "probe.wasm", "-u", USERNAME, "-p", PASSWORD]);
    run(&mut push).expect_code(0);
    let secret = format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: registry }}\nstringData: {{ username: {USERNAME}, \
         password: {PASSWORD} }}\n"
    );
    let with_secret =
        |text: String| text.replace("  hostInterfaces:", "    imagePullSecret: { name: registry }\n  hostInterfaces:");
    sandbox.write("a.yaml", workload("a", &image, "a.example"));
    let mut host = sandbox.host(&["--manifest", "a.yaml"]);
    let failed = host.wait_for("failed");
    assert!(failed["error"]["message"].as_str().unwrap().contains(&image), "{failed:#}");
    assert_eq!(failed["still_serving"], false);
    // The secret that was forgotten is enough.
    sandbox.write("a.yaml", with_secret(workload("a", &image, "a.example")) + &secret);
    let pulled = host.wait_for("pulled");
    assert_eq!(pulled["cached"], false);
    host.ready();
    assert_eq!(host.get_from("a.example", "/version").body, guests::marker(5));
    let told = format!("{:?} {}", host.events(), host.stderr());
    assert!(!told.contains(PASSWORD), "{told}");
    host.terminate();

    drop(registry);
    let mut host = sandbox.host(&["--manifest", "a.yaml"]);
    assert_eq!(host.wait_for("pulled")["cached"], true);
    host.ready();
    assert_eq!(host.get_from("a.example", "/version").body, guests::marker(5));
    host.terminate();
}

#[test]
fn an_image_that_comes_late_is_found_and_its_requests_are_told_to_come_again() {
    let registry = Registry::open();
    let sandbox = Sandbox::new();
    sandbox.write("probe.wasm", guests::probe_version(6));
    let image = format!("{}/team/late:1", registry.host());
    sandbox.write("a.yaml", workload("a", &image, "a.example"));
    let mut host = sandbox.host(&["--manifest", "a.yaml"]);
    let failed = host.wait_for("failed");
    assert!(failed["again_in_milliseconds"].as_f64().unwrap() > 0.0, "{failed:#}");
    run(&mut sandbox.wash(["oci", "push", &image, "probe.wasm"])).expect_code(0);
    host.ready();
    assert_eq!(host.get_from("a.example", "/version").body, guests::marker(6));
    host.terminate();
}

#[test]
fn a_service_runs_beside_the_components_and_its_end_is_told() {
    let sandbox = Sandbox::new();
    sandbox.write("service.wasm", guests::service());
    let text = "apiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: Workload\nmetadata: { name: job }\nspec:\n  service:\n    \
                image: ./service.wasm\n    maxRestarts: 0\n    localResources: { environment: { config: { SERVICE: \
                done } } }\n";
    sandbox.write("job.yaml", text);
    let mut host = sandbox.host(&["--manifest", "job.yaml"]);
    host.wait_for_event("output", |event| event["line"] == "all is done" && event["workload"] == "default/job");
    let completed = host.wait_for_event("service", |event| event["state"] == "completed");
    assert_eq!(completed["workload"], "default/job");
    host.terminate();
}

#[test]
fn the_manifest_of_the_kubernetes_example_is_one_that_we_read() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = std::fs::read_to_string(root.join("docs/deploy/kubernetes.yaml")).unwrap();
    let (_, rest) = example.split_once("hello.yaml: |\n").unwrap();
    let inner: Vec<&str> = rest.lines().map_while(|line| line.strip_prefix("    ")).collect();
    let sandbox = Sandbox::new();
    sandbox.write("probe.wasm", guests::probe_version(7));
    let text = inner.join("\n").replace("ghcr.io/example/http-hello-world:0.1.0", "./probe.wasm");
    sandbox.write("hello.yaml", text + "\n");
    // And the example as a whole: other kinds are passed over with a line each.
    sandbox.write("all.yaml", &example);
    let mut host = sandbox.host(&["--manifest", "hello.yaml", "all.yaml"]);
    host.ready();
    assert_eq!(host.get_from("hello.example", "/version").body, guests::marker(7));
    let passed = host.events().iter().filter(|event| event["event"] == "warning").count();
    assert_eq!(passed, 2, "the Deployment and the Service: {:#?}", host.events());
    host.terminate();
}
