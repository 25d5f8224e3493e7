//! `wash host`: how it ends, and what it does when what it depends on is gone.

use std::net::TcpStream;

use rustix::process::{Signal, kill_process};

use crate::host_manifests::{Load, admin_url, workload};
use crate::support::dev::request;
use crate::support::postgres::PASSWORD;
use crate::support::{Dev, Postgres, Sandbox, Server, eventually, guests};

fn host_with_probe(sandbox: &Sandbox, args: &[&str]) -> Dev {
    sandbox.write("probe.wasm", guests::probe_version(1));
    sandbox.write("a.yaml", workload("a", "./probe.wasm", "a.example"));
    let mut host = sandbox.host(&[&["--manifest", "a.yaml", "--admin-addr", "0"][..], args].concat());
    host.ready();
    host
}

#[test]
fn the_first_signal_lets_requests_finish_and_takes_no_more() {
    let sandbox = Sandbox::new();
    let mut host = host_with_probe(&sandbox, &[]);
    let url = host.url.clone();
    let slow = std::thread::spawn(move || request(&url, "GET", "/slow?ms=8000", None, &[("host", "a.example")]));
    let admin = admin_url(&host);
    let in_flight = || request(&admin, "GET", "/metrics", None, &[]).unwrap().body;
    eventually("the request is there", || {
        in_flight().contains(r#"wash_http_requests_in_flight{namespace="default",workload="a"} 1"#)
    });
    kill_process(host.pid(), Signal::TERM).unwrap();
    host.wait_for("draining");
    // The operator still gets answers.
    let ready = request(&admin, "GET", "/readyz", None, &[]).map(|answer| (answer.status, answer.body));
    assert_eq!(ready.ok(), Some((503, "stopping\n".to_string())));
    let address = host.url.split("://").nth(1).unwrap().to_string();
    eventually("nobody listens any more", || TcpStream::connect(&address).is_err());
    assert_eq!(slow.join().unwrap().unwrap().status, 200);
    assert_eq!(host.wait(), 0, "{}", host.stderr());
    assert_eq!(host.count("ended"), 1);
    assert_eq!(host.count("stopped") + host.count("failed"), 0, "{:#?}", host.events());
}

#[test]
fn the_second_signal_leaves_at_once() {
    let sandbox = Sandbox::new();
    let mut host = host_with_probe(&sandbox, &["--request-timeout", "5m", "--drain-timeout", "5m"]);
    let url = host.url.clone();
    let slow = std::thread::spawn(move || request(&url, "GET", "/slow?ms=250000", None, &[("host", "a.example")]));
    let admin = admin_url(&host);
    eventually("the request is there", || {
        let metrics = request(&admin, "GET", "/metrics", None, &[]).unwrap().body;
        metrics.contains(r#"wash_http_requests_in_flight{namespace="default",workload="a"} 1"#)
    });
    kill_process(host.pid(), Signal::INT).unwrap();
    host.wait_for("draining");
    kill_process(host.pid(), Signal::INT).unwrap();
    assert_eq!(host.wait(), 130, "{}", host.stderr());
    assert!(slow.join().unwrap().is_err());
}

#[test]
fn a_signal_under_load_breaks_no_request_that_was_taken() {
    let sandbox = Sandbox::new();
    let mut host = host_with_probe(&sandbox, &[]);
    let loads: Vec<Load> = (0..4).map(|_| Load::start(&host.url, "a.example", "/version")).collect();
    eventually("there is load", || host.count("request") > 50);
    kill_process(host.pid(), Signal::TERM).unwrap();
    assert_eq!(host.wait(), 0, "{}", host.stderr());
    for load in loads {
        // What is refused was not taken: a balancer would have sent it elsewhere.
        let broken = load.stop_and_count_broken();
        assert_eq!(broken, 0);
    }
}

#[test]
fn data_is_kept_on_the_servers_that_were_named_and_a_dead_one_is_an_error_in_time() {
    let sandbox = Sandbox::new();
    let mut nats = Server::nats();
    let redis = Server::redis();
    sandbox.write("m/probe.wasm", guests::probe());
    let manifest = |name: &str| {
        let more = format!(
            "  - {{ name: fast, namespace: wasi, package: keyvalue, interfaces: [store], config: {{ backend: redis, url: \
             '{}' }} }}\n  - {{ name: safe, namespace: wasi, package: keyvalue, interfaces: [store] }}\n",
            redis.url()
        );
        workload(name, "./probe.wasm", &format!("{name}.example")) + &more
    };
    sandbox.write("m/a.yaml", manifest("a"));
    sandbox.write("m/b.yaml", manifest("b"));
    let mut host = sandbox.host(&[
        "--manifest",
        "m",
        "--data-nats-url",
        &nats.url(),
        "--admin-addr",
        "0",
        "--request-timeout",
        "20s",
    ]);
    host.wait_for("settled");
    let put = |name: &str, bucket: &str, value: &str| {
        let host_name = format!("{name}.example");
        host.request("PUT", &format!("/kv/{bucket}/k"), Some(value.as_bytes()), &[("host", &host_name)]).status
    };
    let get = |name: &str, bucket: &str| host.get_from(&format!("{name}.example"), &format!("/kv/{bucket}/k"));
    for bucket in ["fast", "safe"] {
        assert!((200..300).contains(&put("a", bucket, bucket)), "{bucket}");
        assert_eq!(get("a", bucket).body, bucket);
        assert_eq!(get("b", bucket).status, 404, "the data of another workload is not there");
    }
    nats.stop();
    let answer = get("a", "safe");
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(get("a", "fast").body, "fast", "the other backend goes on");
    assert_eq!(request(&admin_url(&host), "GET", "/readyz", None, &[]).unwrap().status, 200);
    nats.start_again();
    eventually("the data is there again", || get("a", "safe").body == "safe");
    host.terminate();
}

#[test]
fn components_use_the_database_that_was_named_and_the_host_stays_ready_without_it() {
    let mut server = Postgres::start();
    let sandbox = Sandbox::new();
    sandbox.write("ledger.wasm", guests::ledger());
    let manifest = |name: &str| {
        let declared = "  - { namespace: wasmcloud, package: postgres, interfaces: [query, prepared] }\n";
        workload(name, "./ledger.wasm", &format!("{name}.example")) + declared
    };
    sandbox.write("m/a.yaml", manifest("a").replace("./", "../"));
    sandbox.write("m/b.yaml", manifest("b").replace("./", "../"));
    let mut command = sandbox.wash(["host", "-o", "json", "--http-addr", "0", "--admin-addr", "0", "--manifest", "m"]);
    command.args(["--postgres-url", &server.url("application_name=orders"), "--request-timeout", "20s"]);
    command.env("WASH_LOG", "info,wash=trace,tokio_postgres=debug");
    let mut host = Dev::start(command);
    assert_eq!(host.wait_for("settled")["running"], 2, "{:#?}", host.events());
    let ask = |name: &str, commands: &str| {
        host.request("POST", "/", Some(commands.as_bytes()), &[("host", &format!("{name}.example"))])
    };
    assert_eq!(ask("a", "batch create table notes (n int); insert into notes values (7)").body.trim(), "done");
    assert_eq!(ask("b", "query select n from notes").body.trim(), "[n=PgValue::Int4(7)]", "it is one database");
    // And not one session.
    ask("a", "query set my.note to 'of a'");
    assert!(!ask("b", "query select current_setting('my.note', true) as note").body.contains("of a"));
    server.stop();
    let failed = ask("a", "query select n from notes");
    assert!(failed.body.starts_with("error: "), "{failed:?}");
    assert_eq!(request(&admin_url(&host), "GET", "/readyz", None, &[]).unwrap().body, "ok\n");
    server.start_again();
    eventually("the database is there again", || ask("a", "query select n from notes").body.contains("Int4(7)"));
    let said = format!("{:?}\n{}", host.events(), host.stderr());
    assert!(!said.contains(PASSWORD), "{said}");
    host.terminate();
}

#[test]
fn what_a_killed_host_leaves_is_removed_by_the_next_one() {
    let sandbox = Sandbox::new();
    sandbox.write("probe.wasm", guests::probe());
    let text = workload("a", "./probe.wasm", "a.example").replace(
        "  hostInterfaces:",
        "    localResources: { volumeMounts: [{ name: scratch, mountPath: /scratch }] }\n  volumes: [{ name: scratch, \
         emptyDir: {} }]\n  hostInterfaces:",
    );
    sandbox.write("a.yaml", text);
    let args = ["--manifest", "a.yaml", "--data-dir", "state"];
    let mut host = sandbox.host(&args);
    host.ready();
    kill_process(host.pid(), Signal::KILL).unwrap();
    host.wait();
    let volumes = sandbox.path().join("state/volumes");
    let left = std::fs::read_dir(&volumes).unwrap().next().unwrap().unwrap().path();
    let mut host = sandbox.host(&args);
    host.ready();
    assert!(!left.exists(), "{}", left.display());
    host.terminate();
    assert_eq!(std::fs::read_dir(&volumes).unwrap().count(), 0);
}
