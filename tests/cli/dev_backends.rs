//! Capabilities whose data is on real servers, under `wash dev`.

use std::path::PathBuf;

use crate::support::collector::Collector;
use crate::support::dev::request;
use crate::support::s3::FakeS3;
use crate::support::{Dev, Sandbox, Server, guests, servers, write};

fn serve(settings: &str) -> (Sandbox, PathBuf, Dev) {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(1), settings);
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, root, dev)
}

/// Waits until a PUT works.
#[track_caller]
fn accepts(dev: &Dev, path: &str, body: &str) {
    let deadline = std::time::Instant::now() + dev.patience;
    loop {
        let answer = dev.send("PUT", path, body);
        if answer.status == 204 {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{path} still answers {answer:?}");
    }
}

#[test]
fn key_value_data_is_kept_on_the_server_that_the_settings_name() {
    let (nats, redis) = (Server::nats(), Server::redis());
    for (key, url) in [("wasi_keyvalue_nats_url", nats.url()), ("wasi_keyvalue_redis_url", redis.url())] {
        let (sandbox, root, mut dev) = serve(&format!("dev:\n  {key}: {url}\n"));
        assert_eq!(dev.send("PUT", "/kv/shop/apples", "7").status, 204);
        assert_eq!(dev.get("/kv/shop/apples").body, "7");
        assert_eq!(dev.get("/kv/other/apples").status, 404, "buckets are separate");
        assert_eq!(dev.send("POST", "/incr/shop/visits?by=5", "").body, "5");
        assert_eq!(dev.send("POST", "/incr/shop/visits", "").body, "6");
        assert_eq!(dev.get("/kv/shop/visits").body, "6", "a count is decimal digits everywhere");
        assert_eq!(dev.send("POST", "/batch/shop2", "").body.lines().last(), Some("left batch-c"));
        second_draft(&dev);
        write(&root.join("input.wasm"), guests::probe_version(2));
        dev.ready();
        dev.answers("/version", &guests::marker(2));
        assert_eq!(dev.get("/kv/shop/apples").body, "7", "after a swap");
        dev.stop();

        let mut dev = sandbox.dev(&root, &[]);
        dev.ready();
        assert_eq!(dev.get("/kv/shop").body, "apples\nvisits\n", "after a restart");
        dev.stop();
        let mut dev = sandbox.dev(&root, &["--fresh"]);
        dev.ready();
        assert_eq!(dev.get("/kv/shop").body, "", "a fresh start");
        dev.stop();
    }
}

/// The second draft of the interface has the same data.
fn second_draft(dev: &Dev) {
    assert_eq!(dev.send("POST", "/incr2/signed/n?by=-5", "").body, "-5");
    assert_eq!(dev.send("POST", "/incr2/signed/n?by=12", "").body, "7");
    assert_eq!(dev.send("POST", "/incr/signed/n", "").body, "8", "one encoding of numbers");
    assert_eq!(dev.send("POST", "/swap2/signed/v", "first").body, "saw nothing\nswapped\n");
    assert_eq!(
        dev.send("POST", "/swap2/signed/v?meanwhile=other", "second").body,
        "saw first\nfailed, saw other\nswapped\n"
    );
    assert_eq!(dev.get("/list2/signed").body, "n=8\nv=second\n");
}

#[test]
fn the_second_draft_of_key_value_stores_has_the_same_data_in_memory_and_in_a_folder() {
    for settings in ["", "dev:\n  wasi_keyvalue_path: data\n"] {
        let (_sandbox, _root, dev) = serve(settings);
        second_draft(&dev);
        dev.stop();
    }
}

#[test]
fn projects_on_the_same_server_do_not_see_each_others_data() {
    for (key, server) in [("wasi_keyvalue_nats_url", Server::nats()), ("wasi_keyvalue_redis_url", Server::redis())] {
        let settings = format!("dev:\n  {key}: {}\n", server.url());
        let sandbox = Sandbox::new();
        let mut started = ["one", "two"].map(|name| {
            let root = sandbox.copying_project(name, &guests::probe(), &settings);
            let mut dev = sandbox.dev(&root, &[]);
            dev.ready();
            dev
        });
        assert_eq!(started[0].send("PUT", "/kv/default/k", "secret").status, 204);
        assert_eq!(started[1].get("/kv/default/k").status, 404, "{key}");
        assert_eq!(started[1].get("/kv/default").body, "", "{key}");
        assert_eq!(started[1].send("DELETE", "/kv/default/k", "").status, 204);
        assert_eq!(started[0].get("/kv/default/k").body, "secret", "{key}");
        started[0].interrupt();
        started[1].interrupt();
        assert_eq!(started.each_mut().map(Dev::wait), [130, 130]);
    }
}

#[test]
fn a_server_that_is_down_is_an_error_for_the_guest_and_data_is_there_again_when_it_is_up() {
    for (key, mut server) in [("wasi_keyvalue_nats_url", Server::nats()), ("wasi_keyvalue_redis_url", Server::redis())]
    {
        // Down at the start: the loop starts all the same.
        server.stop();
        let (_sandbox, _root, dev) = serve(&format!("dev:\n  {key}: {}\n", server.url()));
        let refused = dev.get("/kv/shop/apples");
        assert_eq!(refused.status, 500, "{refused:?}");
        assert!(
            refused.body.starts_with("other: cannot reach the ") && refused.body.contains(&server.url()),
            "{refused:?}"
        );
        assert_eq!(dev.get("/version").body, guests::marker(1));
        server.start_again();
        accepts(&dev, "/kv/shop/apples", "7");
        assert_eq!(dev.get("/kv/shop/apples").body, "7");

        // Gone while it was used.
        server.stop();
        let refused = dev.get("/kv/shop/apples");
        assert_eq!(refused.status, 500, "{refused:?}");
        assert_eq!(dev.get("/version").body, guests::marker(1));
        server.start_again();
        dev.answers("/kv/shop/apples", "7");
        assert_eq!(dev.send("POST", "/incr/shop/n", "").body, "1", "{key}");
        dev.stop();
    }
}

#[test]
fn a_server_that_hangs_costs_its_guest_a_bounded_time_and_nobody_else() {
    for (key, server) in [("wasi_keyvalue_nats_url", Server::nats()), ("wasi_keyvalue_redis_url", Server::redis())] {
        let (_sandbox, _root, dev) = serve(&format!("dev:\n  {key}: {}\n", server.url()));
        assert_eq!(dev.send("PUT", "/kv/shop/apples", "7").status, 204);
        server.pause();
        let url = dev.url.clone();
        let waiting = std::thread::spawn(move || request(&url, "GET", "/kv/shop/apples", None, &[]).unwrap());
        for _ in 0..20 {
            assert_eq!(dev.get("/version").body, guests::marker(1));
        }
        // The guest's own time would be 30 seconds, and its end a 504.
        let refused = waiting.join().unwrap();
        assert_eq!(refused.status, 500, "{refused:?}");
        server.go_on();
        dev.answers("/kv/shop/apples", "7");
        dev.stop();
    }
}

#[test]
fn passwords_of_servers_are_used_and_never_shown() {
    for (key, server) in [
        ("wasi_keyvalue_nats_url", Server::nats_with_password("pa55word")),
        ("wasi_keyvalue_redis_url", Server::redis_with_password("pa55word")),
    ] {
        let (_sandbox, root, mut dev) = serve(&format!("dev:\n  {key}: {}\n", server.url()));
        assert_eq!(dev.send("PUT", "/kv/shop/apples", "7").status, 204);
        let wrong = server.url().replace("pa55word", "wr0ng");
        let settings = std::fs::read_to_string(root.join(".wash/config.yaml")).unwrap();
        write(&root.join(".wash/config.yaml"), settings.replace(&server.url(), &wrong));
        dev.wait_for("settings-changed");
        dev.ready();
        let refused = dev.get("/kv/shop/apples");
        assert_eq!(refused.status, 500, "{refused:?}");
        assert!(refused.body.contains("***@127.0.0.1"), "{refused:?}");
        let said = format!("{:?}\n{}\n{refused:?}", dev.events(), dev.stderr());
        assert!(!said.contains("pa55word") && !said.contains("wr0ng"), "{said}");
        dev.stop();
    }
}

#[test]
fn entries_with_names_give_a_component_several_backends_at_once() {
    let (nats, redis) = (Server::nats(), Server::redis());
    let entry = |name: &str, config: &str| {
        format!("    - {{namespace: wasi, package: keyvalue, name: {name}, config: {{{config}}}}}\n")
    };
    let settings = [
        "dev:\n  wasi_keyvalue_path: data/default\n  host_interfaces:\n".to_string(),
        entry("cache", "backend: memory"),
        entry("sessions", &format!("url: '{}'", redis.url())),
        entry("orders", &format!("backend: nats, url: '{}'", nats.url())),
        entry("files", "backend: filesystem, root: data/files"),
        entry("prices", &format!("url: '{}', bucket: common-prices", nats.url())),
    ]
    .concat();
    let (sandbox, root, dev) = serve(&settings);
    for identifier in ["cache", "sessions", "orders", "files", "prices", "unnamed"] {
        assert_eq!(dev.send("PUT", &format!("/kv/{identifier}/k"), identifier).status, 204, "{identifier}");
    }
    for identifier in ["cache", "sessions", "orders", "files", "prices", "unnamed"] {
        assert_eq!(dev.get(&format!("/kv/{identifier}/k")).body, identifier);
    }
    assert!(root.join("data/files").is_dir() && root.join("data/default").is_dir());
    dev.stop();
    // Another project with an entry for the same bucket sees that one, and nothing else.
    let settings = format!(
        "dev:\n  host_interfaces:\n{}",
        entry("shared", &format!("url: '{}', bucket: common-prices", nats.url()))
    );
    let other = sandbox.copying_project("other", &guests::probe(), &settings);
    let mut dev = sandbox.dev(&other, &[]);
    dev.ready();
    assert_eq!(dev.get("/kv/shared/k").body, "prices");
    assert_eq!(dev.get("/kv/orders/k").status, 404);
    dev.stop();
}

#[test]
fn an_entry_that_is_wrong_is_said_before_the_first_request() {
    let sandbox = Sandbox::new();
    let settings = "dev:\n  host_interfaces:\n    - {namespace: wasi, package: keyvalue, config: {backend: redis}}\n";
    let root = sandbox.copying_project("probe", &guests::probe(), settings);
    let mut dev = sandbox.dev(&root, &[]);
    let report = dev.wait_for("not-ready");
    assert_eq!(
        report["error"]["message"], "the backend `redis` of `wasi:keyvalue` needs the setting `url`",
        "{report}"
    );
    dev.stop();
    let url = format!("redis://127.0.0.1:{}", servers::free_port());
    let both = format!("dev:\n  wasi_keyvalue_path: data\n  wasi_keyvalue_redis_url: {url}\n");
    let root = sandbox.copying_project("both", &guests::probe(), &both);
    let output = sandbox.wash(["dev", "--port", "0"]).current_dir(&root).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("say where key-value data is kept"), "{stderr}");
}

fn shop_with_worker(sandbox: &Sandbox, name: &str, config: &str) -> PathBuf {
    let settings = format!(
        "dev:\n  components:\n    - name: worker\n      file: worker.wasm\n  host_interfaces:\n    \
         - namespace: wasmcloud\n      package: messaging\n      interfaces: [consumer, handler]\n      \
         config: {{{config}}}\n"
    );
    let root = sandbox.copying_project(name, &guests::probe_version(1), &settings);
    write(&root.join("worker.wasm"), guests::echo_worker());
    root
}

#[test]
fn messages_go_through_nats_to_the_handlers_of_every_host() {
    let nats = Server::nats();
    let sandbox = Sandbox::new();
    let subscribed = format!("url: '{}', subscriptions: 'tasks.>'", nats.url());
    // One project only sends, the other has the handler.
    let handler = shop_with_worker(&sandbox, "handler", &subscribed);
    let sender = sandbox.copying_project(
        "sender",
        &guests::probe(),
        &format!("dev:\n  wasmcloud_messaging_nats_url: {}\n", nats.url()),
    );
    let mut handler_dev = sandbox.dev(&handler, &[]);
    handler_dev.ready();
    let mut sender_dev = sandbox.dev(&sender, &[]);
    sender_dev.ready();
    assert_eq!(handler_dev.send("POST", "/request?subject=tasks.echo&timeout=5000", "hi").body, "echo:hi");
    assert_eq!(sender_dev.send("POST", "/request?subject=tasks.echo&timeout=5000", "hi").body, "echo:hi");
    let nobody = sender_dev.send("POST", "/request?subject=other.echo&timeout=5000", "hi");
    assert_eq!((nobody.status, nobody.body.trim()), (504, "no responders: nothing subscribes to `other.echo`"));
    assert_eq!(sender_dev.send("POST", "/publish?subject=tasks.note", "remember").status, 204);
    handler_dev.answers("/kv/messages/tasks.note", "remember");
    let trap = sender_dev.send("POST", "/request?subject=tasks.bad&timeout=300", "trap");
    assert_eq!((trap.status, trap.body.trim()), (504, "no answer from `tasks.bad` within 300 ms"));
    assert_eq!(handler_dev.wait_for("fault")["component"], "worker");
    // A new version takes over without a message lost.
    write(&handler.join("input.wasm"), guests::probe_version(2));
    handler_dev.ready();
    assert_eq!(sender_dev.send("POST", "/request?subject=tasks.echo&timeout=5000", "still").body, "echo:still");
    handler_dev.stop();
    let gone = sender_dev.send("POST", "/request?subject=tasks.echo&timeout=5000", "hi");
    assert_eq!(gone.status, 504, "{gone:?}");
    sender_dev.stop();
}

#[test]
fn projects_with_prefixes_of_their_own_do_not_hear_each_other_on_the_same_server() {
    let nats = Server::nats();
    let sandbox = Sandbox::new();
    let config = |prefix: &str| format!("url: '{}', prefix: {prefix}", nats.url());
    let mut started = ["one", "two"].map(|name| {
        let mut dev = sandbox.dev(&shop_with_worker(&sandbox, name, &config(name)), &[]);
        dev.ready();
        dev
    });
    assert_eq!(started[0].send("POST", "/request?subject=tasks.echo&timeout=5000", "hi").body, "echo:hi");
    assert_eq!(started[0].get("/kv/messages/tasks.echo").body, "hi");
    assert_eq!(started[1].get("/kv/messages/tasks.echo").status, 404);
    started.iter().for_each(Dev::interrupt);
    assert_eq!(started.each_mut().map(Dev::wait), [130, 130]);
}

/// A project whose worker is given few messages at one time, in memory or through NATS, and what its host
/// records.
fn held_back(sandbox: &Sandbox, nats: Option<&Server>, config: &str) -> (Collector, Dev) {
    let carried = nats.map(|nats| format!("url: '{}', ", nats.url())).unwrap_or_default();
    let config = format!("{carried}subscriptions: 'tasks.>', {config}");
    let root = shop_with_worker(sandbox, if nats.is_some() { "nats" } else { "memory" }, &config);
    let collector = Collector::start();
    let mut command = sandbox.wash(["dev", "-o", "json", "--port", "0"]);
    command.current_dir(root).env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()).env("OTEL_BLRP_SCHEDULE_DELAY", "20");
    let mut dev = Dev::start(command);
    dev.ready();
    (collector, dev)
}

#[test]
fn messages_that_wait_longer_than_they_may_are_thrown_away_and_said() {
    let server = Server::nats();
    for nats in [None, Some(&server)] {
        let sandbox = Sandbox::new();
        let (collector, dev) = held_back(&sandbox, nats, "max_in_flight: '1', admission_wait: 1s");
        assert_eq!(dev.send("POST", "/publish?subject=tasks.first", "hold").status, 204);
        dev.answers("/kv/messages/tasks.first", "hold");
        for late in ["late1", "late2"] {
            assert_eq!(dev.send("POST", &format!("/publish?subject=tasks.{late}"), "x").status, 204);
        }
        // Counted at the first, second, fourth, …
        for count in 1..=2 {
            collector.log(&format!(
                "{count} messages thrown away so far: `worker` was busy for longer than 1 s (`admission_wait`)"
            ));
        }
        assert_eq!(dev.send("PUT", "/kv/messages/go", "").status, 204);
        assert_eq!(dev.send("POST", "/request?subject=tasks.next&timeout=20000", "hi").body, "echo:hi");
        for late in ["late1", "late2"] {
            assert_eq!(dev.get(&format!("/kv/messages/tasks.{late}")).status, 404);
        }
        dev.stop();
    }
}

#[test]
fn no_more_messages_are_handled_at_one_time_than_the_settings_say() {
    let server = Server::nats();
    for nats in [None, Some(&server)] {
        let sandbox = Sandbox::new();
        let (_collector, dev) = held_back(&sandbox, nats, "max_in_flight: '2'");
        for number in 1..=6 {
            assert_eq!(dev.send("POST", &format!("/publish?subject=tasks.m{number}"), "hold").status, 204);
        }
        dev.answers("/kv/messages/in-flight.2", "2");
        assert_eq!(dev.get("/kv/messages/begun").body, "2", "the others wait");
        assert_eq!(dev.send("PUT", "/kv/messages/go", "").status, 204);
        dev.answers("/kv/messages/ended", "6");
        for number in 1..=6 {
            let in_flight: u32 = dev.get(&format!("/kv/messages/in-flight.{number}")).body.parse().unwrap();
            assert!(in_flight <= 2, "{in_flight} at one time");
        }
        dev.stop();
    }
}

#[test]
fn handlers_subscribe_again_when_nats_was_away() {
    let mut nats = Server::nats();
    nats.stop();
    let sandbox = Sandbox::new();
    let root = shop_with_worker(&sandbox, "shop", &format!("url: '{}', subscriptions: 'tasks.>'", nats.url()));
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    let echo = "/request?subject=tasks.echo&timeout=1000";
    let down = dev.send("POST", echo, "hi");
    assert_eq!(down.status, 504);
    assert!(down.body.starts_with("cannot reach the NATS server nats://127.0.0.1:"), "{down:?}");
    assert_eq!(dev.send("POST", "/publish?subject=tasks.note", "x").status, 502);
    for _ in 0..2 {
        nats.start_again();
        let deadline = std::time::Instant::now() + dev.patience;
        loop {
            let answer = dev.send("POST", echo, "hi");
            if answer.body == "echo:hi" {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "still {answer:?}");
        }
        nats.stop();
        assert_eq!(dev.send("POST", echo, "hi").status, 504);
    }
    dev.stop();
}

fn stores_blobs(sandbox: &Sandbox, root: &std::path::Path, mut dev: Dev) -> Dev {
    let body = "blob ".repeat(100_000);
    assert_eq!(dev.send("PUT", "/blob/photos/cat", &body).status, 204);
    assert_eq!(dev.send("PUT", "/blob/photos/2024/dog?order=late", "woof").status, 204);
    assert_eq!(dev.get("/blob/photos/cat").body, body);
    assert_eq!(dev.get("/blob/photos/cat?start=5&end=8").body, "blob", "both ends are included");
    assert_eq!(dev.get("/blob/photos/cat?start=499999&end=600000").body, " ");
    assert_eq!(dev.get("/blob/photos/2024/dog?sync").body, "woof");
    assert_eq!(dev.send("POST", "/blobcopy?src=photos/2024/dog&dst=photos/wolf", "").status, 204);
    assert_ne!(dev.send("POST", "/blobmove?src=photos/none&dst=photos/x", "").status, 204);
    assert_eq!(dev.send("POST", "/blobmove?src=photos/2024/dog&dst=photos/fox", "").status, 204);
    assert_eq!(dev.get("/blob/photos").body, "cat\nfox\nwolf\n");
    assert!(dev.get("/blobinfo/photos/fox").body.contains("size=4"));
    assert_eq!(dev.get("/blob/photos/2024/dog").status, 404);
    write(&root.join("input.wasm"), guests::probe_version(2));
    dev.ready();
    assert_eq!(dev.get("/blob/photos/fox").body, "woof", "after a swap");
    dev.stop();
    let mut dev = sandbox.dev(root, &[]);
    dev.ready();
    assert_eq!(dev.get("/blob/photos/fox").body, "woof", "after a restart");
    dev
}

#[test]
fn blobs_are_kept_in_nats() {
    let nats = Server::nats();
    let (sandbox, root, dev) = serve(&format!("dev:\n  wasi_blobstore_nats_url: {}\n", nats.url()));
    stores_blobs(&sandbox, &root, dev).stop();
    let other = sandbox.copying_project(
        "other",
        &guests::probe(),
        &format!("dev:\n  wasi_blobstore_nats_url: {}\n", nats.url()),
    );
    let mut dev = sandbox.dev(&other, &[]);
    dev.ready();
    assert_eq!(dev.get("/blob/photos").status, 404, "another project sees nothing of it");
    dev.stop();
    let mut dev = sandbox.dev(&root, &["--fresh"]);
    dev.ready();
    assert_eq!(dev.get("/blob/photos").status, 404, "a fresh start");
    dev.stop();
}

#[test]
fn blobs_are_kept_in_a_bucket_of_s3_whose_key_is_in_the_environment() {
    let s3 = FakeS3::start();
    let sandbox = Sandbox::new();
    let settings = "dev:\n  wasi_blobstore_url: s3://bucket/dev\n";
    let root = sandbox.copying_project("probe", &guests::probe_version(1), settings);
    let start = || {
        let mut command = sandbox.wash(["dev", "-o", "json", "--port", "0"]);
        command.current_dir(&root).env("AWS_ENDPOINT_URL", s3.endpoint()).env("AWS_ACCESS_KEY_ID", "key");
        command.env("AWS_SECRET_ACCESS_KEY", "s3cret");
        let mut dev = Dev::start(command);
        dev.ready();
        dev
    };
    let dev = start();
    assert_eq!(dev.send("PUT", "/blob/photos/cat", "meow").status, 204);
    assert_eq!(dev.get("/blob/photos/cat?start=1&end=2").body, "eo");
    assert!(s3.keys().contains(&"dev/dev%2Fprobe/objects/photos/cat".to_string()), "{:?}", s3.keys());
    dev.stop();
    let dev = start();
    assert_eq!(dev.get("/blob/photos").body, "cat\n");
    s3.fail(usize::MAX);
    let failed = dev.get("/blob/photos/cat");
    assert!(failed.status == 500 && failed.body.contains("s3://bucket/dev failed"), "{failed:?}");
    assert!(!failed.body.contains("s3cret"), "{failed:?}");
    assert_eq!(dev.get("/version").body, guests::marker(1));
    s3.fail(0);
    assert_eq!(dev.get("/blob/photos/cat").body, "meow");
    dev.stop();
}

#[test]
fn entries_with_names_give_a_component_several_blobstores_at_once() {
    let (nats, s3) = (Server::nats(), FakeS3::start());
    s3.put("archive/2023.txt", b"from elsewhere");
    let entry = |name: &str, config: &str| {
        format!("    - {{namespace: wasi, package: blobstore, name: {name}, config: {{{config}}}}}\n")
    };
    let options = format!("endpoint: '{}', access_key_id: key, secret_access_key: s3cret", s3.endpoint());
    let settings = [
        "dev:\n  host_interfaces:\n".to_string(),
        entry("cache", "backend: memory, max_object_mb: '1'"),
        entry("uploads", &format!("url: '{}'", nats.url())),
        entry("files", "root: data/files"),
        entry("archive", &format!("url: 's3://bucket', bucket: archive, {options}")),
    ]
    .concat();
    let (_sandbox, root, dev) = serve(&settings);
    for container in ["cache", "uploads", "files", "archive", "unnamed"] {
        for order in ["", "?order=late"] {
            let put = dev.send("PUT", &format!("/blob/{container}/o{order}"), container);
            assert_eq!(put.status, 204, "{container}: {put:?}");
        }
        assert_eq!(dev.get(&format!("/blob/{container}/o")).body, container);
    }
    assert!(root.join("data/files").is_dir());
    assert_eq!(dev.get("/blob/archive/2023.txt").body, "from elsewhere");
    assert_eq!(s3.keys(), ["archive/2023.txt", "archive/o"]);
    // From one backend to another.
    assert_eq!(dev.send("POST", "/blobcopy?src=archive/2023.txt&dst=uploads/old", "").status, 204);
    assert_eq!(dev.send("POST", "/blobmove?src=uploads/old&dst=files/old", "").status, 204);
    assert_eq!(dev.get("/blob/files/old").body, "from elsewhere");
    assert_eq!(dev.get("/blob/uploads").body, "o\n");
    let too_large = dev.send("PUT", "/blob/cache/large", &"x".repeat((1 << 20) + 1));
    assert!(too_large.body.contains("an object may have at most 1 MiB here"), "{too_large:?}");
    dev.stop();
}

fn watched(sandbox: &Sandbox, settings: &str) -> PathBuf {
    let settings = format!("dev:\n  components: [{{name: watcher, file: watcher.wasm}}]\n{settings}");
    let root = sandbox.copying_project("watched", &guests::probe(), &settings);
    write(&root.join("watcher.wasm"), guests::key_watcher());
    root
}

#[test]
fn a_component_is_told_of_changes_in_every_backend() {
    let (nats, redis) = (Server::nats(), Server::redis());
    let on_nats = format!("  wasi_keyvalue_nats_url: {}\n", nats.url());
    let on_redis = format!("  wasi_keyvalue_redis_url: {}\n", redis.url());
    for settings in ["", "  wasi_keyvalue_path: data\n", &on_nats, &on_redis] {
        let sandbox = Sandbox::new();
        let root = watched(&sandbox, settings);
        let mut dev = sandbox.dev(&root, &[]);
        dev.ready();
        assert_eq!(dev.send("PUT", "/kv/cart/a", "1").status, 204);
        assert_eq!(next_line(&mut dev), "a is 1, now 1", "{settings}");
        assert_eq!(dev.send("POST", "/incr/cart/a?by=2", "").body, "3");
        assert_eq!(next_line(&mut dev), "a is 3, now 3");
        assert_eq!(dev.request("DELETE", "/kv/cart/a", None, &[]).status, 204);
        assert_eq!(next_line(&mut dev), "a is gone, now Some(false)");
        // What was not there is not gone.
        assert_eq!(dev.request("DELETE", "/kv/cart/a", None, &[]).status, 204);
        assert_eq!(dev.send("PUT", "/kv/cart/b", "trap").status, 204);
        assert_eq!(dev.wait_for("fault")["what"], "on-set of `b`");
        assert_eq!(dev.send("POST", "/incr2/cart/n?by=-4", "").body, "-4");
        assert_eq!(next_line(&mut dev), "n is -4, now -4");
        // A new version goes on, and is told once.
        write(&root.join("input.wasm"), guests::probe_version(2));
        dev.ready();
        for value in ["7", "8"] {
            assert_eq!(dev.send("PUT", "/kv/cart/a", value).status, 204);
            assert_eq!(next_line(&mut dev), format!("a is {value}, now {value}"), "{settings}");
        }
        dev.stop();
    }
}

#[test]
fn a_lost_server_of_a_watcher_takes_nothing_down() {
    for mut server in [Server::nats(), Server::redis()] {
        let key = if server.url().starts_with("nats") { "nats" } else { "redis" };
        let sandbox = Sandbox::new();
        let root = watched(&sandbox, &format!("  wasi_keyvalue_{key}_url: {}\n", server.url()));
        server.stop();
        let mut dev = sandbox.dev(&root, &[]);
        dev.ready();
        assert!(dev.send("PUT", "/kv/cart/a", "1").status >= 500);
        server.start_again();
        accepts(&dev, "/kv/cart/a", "2");
        server.stop();
        assert_eq!(dev.get("/version").status, 200, "the component still serves");
        server.start_again();
        accepts(&dev, "/kv/cart/a", "3");
        dev.stop();
    }
}

/// The next line that the watcher wrote.
fn next_line(dev: &mut Dev) -> String {
    let output = dev.wait_for_event("output", |event| event["component"] == "watcher" && event["stream"] == "stdout");
    output["line"].as_str().unwrap().to_string()
}

#[test]
fn an_entry_says_what_a_component_may_do() {
    let sandbox = Sandbox::new();
    let entries = "dev:\n  host_interfaces:\n    - {namespace: wasi, package: keyvalue, name: prices, config: {read_only: \"true\"}}\n    \
                   - {namespace: wasi, package: keyvalue, name: other, config: {buckets: \"orders\"}}\n    \
                   - {namespace: wasi, package: blobstore, config: {buckets: \"photos\", read_only: \"true\"}}\n";
    let root = sandbox.copying_project("bounded", &guests::probe(), entries);
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    assert_eq!(dev.send("PUT", "/kv/cart/a", "1").status, 204, "nobody bounds it");
    assert_eq!(dev.get("/kv/prices/a").status, 404);
    for (method, path) in [
        ("PUT", "/kv/prices/a"),
        ("DELETE", "/kv/prices/a"),
        ("POST", "/incr/prices/a"),
        ("POST", "/incr2/prices/a"),
        ("PUT", "/kv/other/a"),
    ] {
        let answer = dev.request(method, path, Some(b"1"), &[]);
        assert_eq!((answer.status, answer.body.trim()), (403, "access-denied"), "{method} {path}");
    }
    for (path, reason) in [("/blob/photos/cat", "read-only"), ("/blob/other/cat", "not among the `buckets`")] {
        let answer = dev.send("PUT", path, "meow");
        assert!(answer.status >= 400 && answer.body.contains(reason), "{answer:?}");
    }
    dev.stop();
}
