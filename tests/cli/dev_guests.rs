//! What guests do and get under `wash dev`.

use std::path::PathBuf;

use crate::support::upstream::Upstream;
use crate::support::{Dev, Sandbox, guests, write};

fn serve(settings: &str) -> (Sandbox, PathBuf, Dev) {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(1), settings);
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, root, dev)
}

#[test]
fn a_looping_guest_costs_one_time_out_and_nobody_else() {
    let (_sandbox, _root, mut dev) = serve("dev:\n  request_timeout_seconds: 1\n");
    let url = dev.url.clone();
    // More loops than there are cores, at the same time.
    let loops: Vec<_> = (0..4)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || crate::support::dev::request(&url, "GET", "/loop", None, &[]).unwrap().status)
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(dev.get("/version").body, guests::marker(1));
    }
    for answer in loops {
        assert_eq!(answer.join().unwrap(), 504);
    }
    let fault = dev.wait_for("fault");
    assert!(fault["reason"].as_str().unwrap().contains("no answer within 1 second"), "{fault}");
    dev.stop();
}

#[test]
fn a_trap_is_explained_and_the_next_request_works() {
    let (_sandbox, _root, mut dev) = serve("");
    let answer = dev.get("/trap");
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("probe panic on purpose"), "the guest's own words: {}", answer.body);
    assert!(answer.body.contains("panic_on_purpose"), "the function: {}", answer.body);
    assert!(answer.body.contains("faults.rs:"), "the line: {}", answer.body);
    let fault = dev.wait_for("fault");
    assert_eq!(fault["what"], "GET /trap");
    assert_eq!(fault["stderr"][0], "probe: about to panic");
    assert_eq!(dev.get("/version").body, guests::marker(1));
    let page = dev.request("GET", "/trap", None, &[("accept", "text/html")]);
    assert!(page.body.starts_with("<!doctype html>") && page.body.contains("probe panic on purpose"), "{}", page.body);
    for (path, words) in [
        ("/unreachable", "unreachable"),
        ("/overflow", "calls itself again and again"),
        ("/noresponse", "without setting"),
    ] {
        let answer = dev.get(path);
        assert_eq!(answer.status, 500, "{path}");
        assert!(answer.body.contains(words), "{path}: {}", answer.body);
        assert_eq!(dev.get("/version").body, guests::marker(1), "after {path}");
    }
    dev.stop();
}

#[test]
fn a_trap_in_the_middle_of_a_response_does_not_look_complete() {
    let (_sandbox, _root, mut dev) = serve("");
    let cut = crate::support::dev::request(&dev.url, "GET", "/traplate", None, &[]);
    assert!(cut.is_err(), "{cut:?}");
    dev.wait_for("fault");
    let request = dev.wait_for("request");
    assert_eq!((request["cut"].as_bool(), request["client_left"].as_bool()), (Some(true), Some(false)), "{request}");
    assert_eq!(dev.get("/version").body, guests::marker(1));
    dev.stop();
}

#[test]
fn memory_is_limited_for_each_instance() {
    let (_sandbox, _root, dev) = serve("dev:\n  memory_limit_mb: 64\n");
    assert_eq!(dev.get("/alloc?mb=16").body.trim(), "allocated 16 MiB");
    assert_ne!(dev.get("/alloc?mb=200").status, 200);
    assert_eq!(dev.get("/version").body, guests::marker(1));
    dev.stop();
}

#[test]
fn bodies_stream_both_ways() {
    let (_sandbox, _root, dev) = serve("");
    let body = "0123456789".repeat(300_000);
    assert_eq!(dev.send("POST", "/echo", &body).body, body);
    assert_eq!(dev.get("/bytes?n=5000000").body.len(), 5_000_000);
    assert_eq!(dev.get("/drip?n=5&ms=20").body.lines().count(), 5);
    assert_eq!(dev.request("HEAD", "/version", None, &[]).body, "");
    assert_eq!(dev.get("/nocontent?ms=50").status, 204);
    dev.stop();
}

#[test]
fn writing_to_a_response_without_a_body_does_not_fail_the_guest() {
    let (_sandbox, _root, mut dev) = serve("");
    for _ in 0..20 {
        assert_eq!(dev.get("/nocontent?ms=5").status, 204);
        assert_eq!(dev.request("HEAD", "/status?code=200", None, &[]).status, 200);
    }
    // The last request's line comes after everything the guests before it wrote.
    dev.get("/stderr?text=done");
    dev.wait_for_event("output", |event| event["line"] == "done");
    assert!(
        !dev.events().iter().any(|event| event["line"].as_str().is_some_and(|line| line.contains("could not send")))
    );
    assert_eq!(dev.count("fault"), 0);
    dev.stop();
}

#[test]
fn the_guest_sees_method_path_scheme_and_authority() {
    let (_sandbox, _root, dev) = serve("");
    let answer = dev.request("PUT", "/headers?x=1", Some(b""), &[("x-test", "yes")]);
    let authority = dev.url.trim_start_matches("http://");
    for line in
        [":method: PUT", ":path: /headers?x=1", ":scheme: http", &format!(":authority: {authority}"), "x-test: yes"]
    {
        assert!(answer.body.lines().any(|found| found == line), "{line} in {}", answer.body);
    }
    dev.stop();
}

#[test]
fn requests_and_lines_of_the_guest_are_shown() {
    let (_sandbox, _root, mut dev) = serve("");
    dev.get("/stdout?text=hello%20out");
    let line = dev.wait_for_event("output", |event| event["stream"] == "stdout");
    assert_eq!((line["component"].as_str(), line["line"].as_str()), (Some("probe"), Some("hello out")));
    let request = dev.wait_for_event("request", |event| event["path"].as_str().unwrap().starts_with("/stdout"));
    assert_eq!(
        (request["method"].as_str(), request["status"].as_u64(), request["generation"].as_u64()),
        (Some("GET"), Some(204), Some(1))
    );
    dev.get("/log?level=warn&context=checkout&message=low%20stock");
    let line = dev.wait_for_event("output", |event| event["stream"] == "log");
    assert_eq!(
        (line["level"].as_str(), line["context"].as_str(), line["line"].as_str()),
        (Some("warn"), Some("checkout"), Some("low stock"))
    );
    dev.stop();
}

#[test]
fn key_value_stores_work_and_survive_swaps_and_restarts() {
    let (sandbox, root, mut dev) = serve("dev:\n  wasi_keyvalue_path: data/kv\n");
    assert_eq!(dev.send("PUT", "/kv/shop/apples", "7").status, 204);
    assert_eq!(dev.get("/kv/shop/apples").body, "7");
    assert_eq!(dev.send("POST", "/incr/shop/visits?by=5", "").body.trim(), "5");
    assert_eq!(dev.send("POST", "/incr/shop/visits", "").body.trim(), "6");
    assert_eq!(dev.get("/kv/other/apples").status, 404, "buckets are separate");
    let batch = dev.send("POST", "/batch/shop2", "");
    assert_eq!(batch.body.lines().last(), Some("left batch-c"), "{}", batch.body);
    write(&root.join("input.wasm"), guests::probe_version(2));
    dev.ready();
    dev.answers("/version", &guests::marker(2));
    assert_eq!(dev.get("/kv/shop/apples").body, "7");
    dev.stop();
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    assert_eq!(dev.get("/kv/shop").body, "apples\nvisits\n");
    dev.stop();
    let mut dev = sandbox.dev(&root, &["--fresh"]);
    dev.ready();
    assert_eq!(dev.get("/kv/shop/apples").status, 404);
    dev.stop();
}

#[test]
fn blobs_work_in_memory_and_in_a_folder() {
    for settings in ["", "dev:\n  wasi_blobstore_path: data/blobs\n"] {
        let (sandbox, root, mut dev) = serve(settings);
        let body = "blob ".repeat(10_000);
        assert_eq!(dev.send("PUT", "/blob/photos/cat", &body).status, 204);
        assert_eq!(dev.send("PUT", "/blob/photos/dog?order=late", "woof").status, 204);
        assert_eq!(dev.get("/blob/photos/cat").body, body);
        assert_eq!(dev.get("/blob/photos/cat?start=0&end=3").body, "blob", "both ends are included");
        assert_eq!(dev.get("/blob/photos/dog?sync").body, "woof");
        assert_eq!(dev.send("POST", "/blobcopy?src=photos/dog&dst=photos/wolf", "").status, 204);
        assert_ne!(dev.send("POST", "/blobmove?src=photos/none&dst=photos/x", "").status, 204);
        assert_eq!(dev.send("POST", "/blobmove?src=photos/dog&dst=photos/fox", "").status, 204);
        assert_eq!(dev.get("/blob/photos").body, "cat\nfox\nwolf\n");
        assert!(dev.get("/blobinfo/photos/fox").body.contains("size=4"));
        write(&root.join("input.wasm"), guests::probe_version(2));
        dev.ready();
        assert_eq!(dev.get("/blob/photos/fox").body, "woof", "after a swap");
        dev.stop();
        let mut dev = sandbox.dev(&root, &[]);
        dev.ready();
        let expected = if settings.is_empty() { 404 } else { 200 };
        assert_eq!(dev.get("/blob/photos/fox").status, expected, "after a restart with {settings:?}");
        dev.stop();
    }
}

#[test]
fn messages_reach_the_component_that_handles_them() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project(
        "shop",
        &guests::probe(),
        "dev:\n  components:\n    - name: worker\n      file: worker.wasm\n  host_interfaces:\n    - namespace: wasmcloud\n      \
         package: messaging\n      version: 0.2.0\n      interfaces: [consumer, handler]\n      config:\n        subscriptions: tasks.>\n",
    );
    write(&root.join("worker.wasm"), guests::echo_worker());
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    assert_eq!(dev.send("POST", "/request?subject=tasks.echo&timeout=5000", "hi").body, "echo:hi");
    let nobody = dev.send("POST", "/request?subject=other.echo&timeout=5000", "hi");
    assert_eq!(nobody.status, 504, "{}", nobody.body);
    assert_eq!(dev.send("POST", "/publish?subject=tasks.note", "remember").status, 204);
    dev.answers("/kv/messages/tasks.note", "remember");
    assert_eq!(dev.send("POST", "/publish?subject=tasks.bad", "trap").status, 204);
    let fault = dev.wait_for("fault");
    assert_eq!(fault["component"], "worker");
    assert_eq!(dev.send("POST", "/request?subject=tasks.echo&timeout=5000", "still").body, "echo:still");
    dev.stop();
}

#[test]
fn environment_config_and_volumes_are_given_and_changed_without_a_restart() {
    let settings = |greeting: &str| {
        format!(
            "build:\n  command: mkdir -p out && cp input.wasm out/app.wasm\n  component_path: out/app.wasm\ndev:\n  \
             environment:\n    GREETING: {greeting}\n  env_files: [local.env]\n  config:\n    colour: blue\n  volumes:\n    \
             - host_path: data\n      guest_path: /data\n    - host_path: fixed\n      guest_path: /fixed\n      read_only: true\n"
        )
    };
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe(), "");
    write(&root.join(".wash/config.yaml"), settings("hello"));
    write(&root.join("local.env"), "# secrets\nTOKEN='one two'\nGREETING=overridden\n");
    write(&root.join("data/note.txt"), "from outside");
    write(&root.join("fixed/rules.txt"), "read me");
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    assert_eq!(dev.get("/env").body, "GREETING=hello\nTOKEN=one two\n");
    assert_eq!(dev.get("/config/colour").body, "blue");
    assert_eq!(dev.get("/read?path=/data/note.txt").body, "from outside");
    assert_eq!(dev.send("POST", "/write?path=/data/new.txt", "from inside").status, 204);
    assert_eq!(std::fs::read_to_string(root.join("data/new.txt")).unwrap(), "from inside");
    assert_eq!(dev.get("/read?path=/fixed/rules.txt").body, "read me");
    assert_ne!(dev.send("POST", "/write?path=/fixed/rules.txt", "x").status, 204);
    assert_ne!(dev.get("/read?path=/data/../local.env").status, 200);

    write(&root.join("local.env"), "TOKEN=three\n");
    dev.ready();
    assert_eq!(dev.get("/env").body, "GREETING=hello\nTOKEN=three\n");
    write(&root.join(".wash/config.yaml"), settings("bonjour"));
    let changed = dev.wait_for("settings-changed");
    assert_eq!(changed["keys"], serde_json::json!(["dev.environment.GREETING"]));
    dev.ready();
    assert_eq!(dev.get("/env").body, "GREETING=bonjour\nTOKEN=three\n");
    let builds = dev.count("building");
    assert!(builds <= 2, "what components write to volumes builds nothing: {builds}");
    dev.stop();
}

#[test]
fn everything_that_is_missing_is_reported_at_once() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("shop", &guests::missing_import(), "");
    let mut dev = sandbox.dev(&root, &[]);
    let report = dev.wait_for("not-ready");
    let details = report["error"]["details"].as_str().unwrap();
    assert!(details.contains("acme:billing/ledger@1.2.0") && details.contains("nobody provides"), "{details}");
    assert!(details.contains("wasi:keyvalue/store@0.9.0") && details.contains("0.2.0-draft"), "{details}");
    assert_eq!(dev.get("/").status, 503);
    write(&root.join("input.wasm"), guests::probe_version(3));
    dev.ready();
    dev.answers("/version", &guests::marker(3));
    write(&root.join("input.wasm"), guests::missing_import());
    let report = dev.wait_for("not-ready");
    assert_eq!(report["still_serving"], true);
    assert_eq!(dev.get("/version").body, guests::marker(3));
    dev.stop();
}

#[test]
fn a_guest_can_send_requests() {
    let upstream = Upstream::start();
    let port = upstream.port();
    let (_sandbox, _root, dev) = serve(&format!("dev:\n  allowed_host_loopback_ports: [{port}, 1]\n"));
    let url = format!("http://127.0.0.1:{port}/hello");
    assert_eq!(dev.get(&format!("/fetch?url={url}")).body, "200\nhello HTTP/1.1");
    assert_eq!(dev.get(&format!("/fetch?url={url}&late=50")).body, "200\nhello HTTP/1.1");
    assert_eq!(dev.get("/fetch?url=http://127.0.0.1:1/").status, 502);
    dev.stop();
}
