//! A cluster host when something around it breaks: NATS, registries, itself.

use std::sync::{Mutex, mpsc};

use crate::host_manifests::admin_url;
use crate::support::dev::{Dev, request};
use crate::support::fake_registry::{Fake, Reaction};
use crate::support::scheduler::{Scheduler, workload};
use crate::support::{Sandbox, Server, eventually, guests, run};

const HOST: &str = "test-host";

fn version(host: &Dev, name: &str) -> String {
    request(&host.url, "GET", "/version", None, &[("host", name)]).unwrap().body
}

fn registry() -> (Fake, String) {
    let registry = Fake::start();
    registry.publish("probe", "1", &guests::probe_version(3));
    let image = format!("{}/probe:1", registry.host());
    (registry, image)
}

/// Every scheduler event of a host so far, by its state.
fn states(host: &Dev) -> Vec<String> {
    let events = host.events().into_iter().filter(|event| event["event"] == "scheduler");
    events.map(|event| event["state"].as_str().unwrap_or_default().to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_registry_delays_nothing_but_its_own_workload() {
    let sandbox = Sandbox::new();
    let server = Server::nats();
    let (registry, image) = registry();
    registry.publish("slow", "1", &guests::probe_version(4));
    registry.react(|call| if call.path.contains("/slow/") { Reaction::Hang } else { Reaction::Normal });
    let slow = format!("{}/slow:1", registry.host());
    let mut scheduler = Scheduler::connect(&server).await;
    let host = sandbox.cluster_host(&server.url(), HOST, &["--registry-pull-timeout=1h"]);
    scheduler.next_beat().await;
    let nats = scheduler.nats.clone();
    let hanging = {
        let request = serde_json::json!({ "workloadId": "slow", "workload": workload("slow", &slow) });
        let request = bytes::Bytes::from(request.to_string());
        tokio::spawn(async move { nats.request(format!("runtime.host.{HOST}.workload.start"), request).await })
    };
    scheduler.reaches(HOST, "slow", "STARTING").await;
    scheduler.start(HOST, "fast", &workload("fast", &image)).await.expect("RUNNING");
    assert_eq!(version(&host, "fast.example"), guests::marker(3));
    // One is told because of the start, the next one because it is time.
    let at_start = scheduler.beat_with(|beat| !beat["componentCount"].is_null()).await;
    let at_its_time = scheduler.next_beat().await;
    assert_eq!(at_start["startedAt"], at_its_time["startedAt"]);
    assert!(!hanging.is_finished());
    // What hangs can be stopped, and then its start is answered, too.
    scheduler.stop(HOST, "slow").await.expect("STOPPING");
    let answer = hanging.await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer.payload).into_owned();
    assert!(answer.contains("WORKLOAD_STATE_ERROR") && answer.contains("stopped before it was ready"), "{answer}");
    scheduler.status(HOST, "slow").await.expect("NOT_FOUND");
    host.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_may_come_late_go_and_come_back() {
    let sandbox = Sandbox::new();
    let mut server = Server::nats_that_is_away();
    let (registry, image) = registry();
    let mut host = sandbox.cluster_host(&server.url(), HOST, &["--registry-pull-timeout=1h", "--admin-addr=0"]);
    let admin = admin_url(&host);
    let ready = |told: &str| {
        let answer = || request(&admin, "GET", "/readyz", None, &[]).unwrap();
        eventually(told, || (answer().status, answer().body.contains(told)) == (200, true));
    };
    let unreachable = host.wait_for_event("scheduler", |event| event["state"] == "unreachable");
    assert!(unreachable["reason"].as_str().unwrap().to_lowercase().contains("refused"), "{unreachable}");
    // It is ready all the same.
    ready("scheduler: trying again: ");
    server.start_again();
    let mut scheduler = Scheduler::connect(&server).await;
    scheduler.next_beat().await;
    ready("scheduler: connected");
    scheduler.start(HOST, "1", &workload("shop", &image)).await.expect("RUNNING");

    // A start is under way when the server goes; its answer comes when the server is back.
    registry.publish("later", "1", &guests::probe_version(5));
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    registry.react(move |call| {
        if call.path.contains("/later/") {
            // Until the other end is dropped.
            let _ = held.lock().unwrap().recv();
        }
        Reaction::Normal
    });
    let later = format!("{}/later:1", registry.host());
    let nats = scheduler.nats.clone();
    let starting = {
        let request = serde_json::json!({ "workloadId": "2", "workload": workload("later", &later) });
        let request = bytes::Bytes::from(request.to_string());
        tokio::spawn(async move { nats.request(format!("runtime.host.{HOST}.workload.start"), request).await })
    };
    scheduler.reaches(HOST, "2", "STARTING").await;
    server.stop();
    host.wait_for_event("scheduler", |event| event["state"] == "lost");
    assert_eq!(version(&host, "shop.example"), guests::marker(3), "it serves without NATS");
    drop(release);
    host.wait_for_event("ready", |event| event["workload_id"] == "2");
    server.start_again();
    host.wait_for_event("scheduler", |event| event["state"] == "connected");
    let answer = starting.await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer.payload).into_owned();
    assert!(answer.contains("WORKLOAD_STATE_RUNNING"), "{answer}");
    // Heartbeats and commands are there again, and it is the same host.
    scheduler.beat_with(|beat| beat["workloadCount"] == "2").await;
    scheduler.status(HOST, "1").await.expect("RUNNING");
    assert_eq!(version(&host, "later.example"), guests::marker(5));
    scheduler.stop(HOST, "1").await.expect("STOPPING");
    let states = states(&host);
    assert_eq!(states.iter().filter(|state| *state == "connected").count(), 2, "{states:?}");
    host.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_killed_comes_back_as_the_same_one() {
    let sandbox = Sandbox::new();
    let server = Server::nats();
    let (_registry, image) = registry();
    let mut scheduler = Scheduler::connect(&server).await;
    let url = server.url();
    let command = || {
        let args =
            ["host", "-o", "json", "--http-addr", "127.0.0.1:0", "--data-dir", "state", "--scheduler-nats-url", &url];
        sandbox.wash(args)
    };
    let host = Dev::start(command());
    let id = scheduler.next_beat().await["id"].as_str().unwrap().to_string();
    scheduler.start(&id, "1", &workload("shop", &image)).await.expect("RUNNING");
    assert_eq!(version(&host, "shop.example"), guests::marker(3));

    let second = run(&mut command()).expect_code(1);
    assert!(second.stderr.contains("another host uses the data directory"), "{}", second.stderr);
    assert!(second.stderr.contains("--data-dir"), "{}", second.stderr);

    // Killed without a chance to tidy up, as its `drop` does.
    drop(host);
    let host = Dev::start(command());
    let beat = scheduler.beat_with(|beat| beat["workloadCount"].is_null()).await;
    assert_eq!(beat["id"], id.as_str());
    // What ran is gone, and the scheduler is told so and starts it again.
    scheduler.status(&id, "1").await.expect("NOT_FOUND");
    scheduler.start(&id, "1", &workload("shop", &image)).await.expect("RUNNING");
    assert_eq!(version(&host, "shop.example"), guests::marker(3));
    host.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_of_one_scheduler_take_their_own_commands_only() {
    let sandbox = Sandbox::new();
    let server = Server::nats();
    let (_registry, image) = registry();
    let scheduler = Scheduler::connect(&server).await;
    let mut one = sandbox.cluster_host(&server.url(), "one", &[]);
    let mut other = sandbox.cluster_host(&server.url(), "other", &[]);
    for host in [&mut one, &mut other] {
        host.wait_for_event("scheduler", |event| event["state"] == "connected");
    }
    scheduler.start("one", "1", &workload("shop", &image)).await.expect("RUNNING");
    scheduler.status("other", "1").await.expect("NOT_FOUND");
    assert_eq!(version(&one, "shop.example"), guests::marker(3));
    one.terminate();
    assert!(scheduler.is_reached("other").await && !scheduler.is_reached("one").await);
    other.terminate();
}

#[test]
fn what_is_wrong_with_the_flags_is_told_before_anything_starts() {
    let sandbox = Sandbox::new();
    sandbox.write("empty.creds", "nothing");
    sandbox.write("text.pem", "nothing");
    for (args, code, expected) in [
        (&["--scheduler-nats-url", "http://u:s3cret@a"][..], 2, "write it like `nats://127.0.0.1:4222`"),
        (&["--scheduler-nats-creds", "empty.creds"], 1, "there are no credentials in"),
        (&["--scheduler-nats-nkey", "nowhere"], 1, "cannot read `"),
        (&["--scheduler-tls-ca", "text.pem"], 1, "there is no certificate in"),
        (&["--scheduler-nats-user", "u"], 2, "--scheduler-nats-password-file"),
        (&["--host-id", "a.b"], 2, "use letters, digits"),
        (&["--label", "zone"], 2, "write a name and a value"),
    ] {
        let ended = run(sandbox.wash(["host"]).args(args)).expect_code(code);
        assert!(ended.stderr.contains(expected) && !ended.stderr.contains("s3cret"), "{args:?}: {}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_a_scheduler_sends_are_given_to_components_and_shown_to_nobody() {
    let (sandbox, server) = (Sandbox::new(), Server::nats());
    let (registry, image) = registry();
    registry.publish("vault", "1", &guests::vault());
    let mut scheduler = Scheduler::connect(&server).await;
    let mut command = sandbox.wash(["host", "-o", "json", "--http-addr", "0", "--host-id", HOST]);
    command.args(["--scheduler-nats-url", &server.url(), "--admin-addr", "0"]);
    command.env("WASH_LOG", "info,wash=trace,async_nats=trace");
    let host = Dev::start(command);
    scheduler.next_beat().await;
    let mut vault = workload("vault", &image.replace("probe", "vault"));
    let entry = serde_json::json!({
        "namespace": "wasmcloud", "package": "secrets", "interfaces": ["store", "reveal"],
        "config": { "api-key": "k3y-s3cret" },
    });
    vault["witWorld"]["hostInterfaces"].as_array_mut().unwrap().push(entry);
    vault["witWorld"]["components"][0]["localResources"] =
        serde_json::json!({ "environment": { "TOKEN": "env-s3cret" } });
    vault["witWorld"]["components"][0]["imagePullSecret"] =
        serde_json::json!({ "username": "alice", "password": "pull-s3cret" });
    scheduler.start(HOST, "1", &vault).await.expect("RUNNING");
    let asked = request(&host.url, "GET", "/api-key", None, &[("host", "vault.example")]).unwrap();
    assert_eq!(asked.body, "text k3y-s3cret");
    // Nor does a workload show them that is wrong.
    vault["witWorld"]["components"][0]["poolSize"] = "many".into();
    let refused = scheduler.start(HOST, "2", &vault).await.expect("ERROR");
    let metrics = request(&admin_url(&host), "GET", "/metrics", None, &[]).unwrap().body;
    let said = format!("{:?}\n{}\n{metrics}\n{refused:?}", host.events(), host.stderr());
    let told = said.lines().find(|line| line.contains("s3cret"));
    assert!(told.is_none(), "{told:?}");
    host.terminate();
}
