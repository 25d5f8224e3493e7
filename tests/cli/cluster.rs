//! `wash host` under a scheduler: the protocol, point by point.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::dev::{Dev, request};
use crate::support::registry::Registry;
use crate::support::scheduler::{Scheduler, Status, service, workload};
use crate::support::{PATIENCE, Sandbox, Server, guests};

const HOST: &str = "test-host";

/// A sandbox, a registry with the probe, and a server.
struct Cluster {
    sandbox: Sandbox,
    registry: Registry,
    server: Server,
}

impl Cluster {
    fn new() -> Self {
        let cluster = Cluster { sandbox: Sandbox::new(), registry: Registry::open(), server: Server::nats() };
        cluster.sandbox.push(&cluster.image("probe"), &guests::probe_version(3));
        cluster
    }

    fn image(&self, name: &str) -> String {
        format!("{}/{name}:1", self.registry.host())
    }

    fn host(&self, args: &[&str]) -> Dev {
        self.sandbox.cluster_host(&self.server.url(), HOST, args)
    }
}

fn version(host: &Dev, name: &str) -> (u16, String) {
    let answer = request(&host.url, "GET", "/version", None, &[("host", name)]).unwrap();
    (answer.status, answer.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_drives_the_host_through_the_whole_protocol() {
    let cluster = Cluster::new();
    let mut scheduler = Scheduler::connect(&cluster.server).await;
    let args = ["--host-group=edge", "--label=zone=eu-1", "--host-name=friendly", "--environment=team-a"];
    let host = cluster.host(&args);
    let beat = scheduler.next_beat().await;
    let port = host.url.rsplit(':').next().unwrap().parse::<u64>().unwrap();
    for (name, expected) in [
        ("id", json!(HOST)),
        ("friendlyName", json!("friendly")),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("labels", json!({ "hostgroup": "edge", "zone": "eu-1" })),
        ("osArch", json!(std::env::consts::ARCH)),
        ("osName", json!(std::env::consts::OS)),
        ("httpPort", json!(port)),
        ("environment", json!("team-a")),
        // Defaults are left out.
        ("workloadCount", Value::Null),
    ] {
        assert_eq!(beat[name], expected, "{name}: {beat}");
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    assert_eq!(beat["osKernel"], release.trim());
    assert!(beat["systemMemoryTotal"].as_str().unwrap().parse::<u64>().unwrap() > 0, "{beat}");
    assert!(beat["startedAt"].as_str().unwrap().ends_with('Z'), "{beat}");
    let has = |list: &str, package: &str, interface: &str| {
        let has = |entry: &Value| {
            entry["package"] == package && entry["interfaces"].as_array().unwrap().contains(&json!(interface))
        };
        beat[list].as_array().unwrap().iter().any(has)
    };
    assert!(has("imports", "keyvalue", "store") && has("imports", "config", "store"), "{beat}");
    assert!(has("exports", "http", "incoming-handler") && has("exports", "cli", "run"), "{beat}");

    let probe = cluster.image("probe");
    let mut shop = workload("shop", &probe);
    shop["witWorld"]["hostInterfaces"][0]["config"]["host-aliases"] = json!("shop,shop.default.svc");
    let started = scheduler.start(HOST, "1", &shop).await.expect("RUNNING");
    assert_eq!(started, Status { id: "1".into(), state: "RUNNING".into(), message: String::new() });
    for name in ["shop.example", "shop", "shop.default.svc"] {
        assert_eq!(version(&host, name), (200, guests::marker(3)), "{name}");
    }
    assert_eq!(version(&host, "other.example").0, 404);
    scheduler.status(HOST, "1").await.expect("RUNNING");
    let asked = scheduler.heartbeat(HOST).await;
    assert_eq!((&asked["workloadCount"], &asked["componentCount"]), (&json!("1"), &json!("1")), "{asked}");
    // The scheduler hears of it without asking, too.
    scheduler.beat_with(|beat| beat["workloadCount"] == "1").await;

    let twice = scheduler.start(HOST, "1", &workload("twice", &probe)).await.expect("ERROR");
    assert!(twice.message.contains("a workload `1` exists already"), "{twice:?}");
    assert_eq!(version(&host, "shop.example").1, guests::marker(3), "the one that runs is left alone");

    for (image, reason) in [
        (cluster.image("nothing"), "not found"),
        ("127.0.0.1:1/nobody:1".into(), "127.0.0.1:1"),
        ("Not An Image".into(), "Not An Image"),
    ] {
        let failed = scheduler.start(HOST, "2", &workload("bad", &image)).await.expect("ERROR");
        let message = failed.message.to_lowercase();
        assert!(message.contains(&image.to_lowercase()) && message.contains(&reason.to_lowercase()), "{failed:?}");
        scheduler.status(HOST, "2").await.expect("NOT_FOUND");
    }

    scheduler.stop(HOST, "1").await.expect("STOPPING");
    scheduler.status(HOST, "1").await.expect("NOT_FOUND");
    scheduler.stop(HOST, "1").await.expect("NOT_FOUND");
    assert_eq!(version(&host, "shop.example").0, 404);
    host.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_gets_an_answer_that_says_what_is_wrong() {
    let cluster = Cluster::new();
    let mut scheduler = Scheduler::connect(&cluster.server).await;
    let host = cluster.host(&[]);
    scheduler.next_beat().await;
    let deep = "[".repeat(50_000);
    for (verb, payload, expected) in [
        ("workload.start", "not JSON", "the command cannot be read: it is not JSON"),
        ("workload.start", "", "it is empty, and not JSON"),
        ("workload.start", deep.as_str(), "nested more than 128 levels deep"),
        ("workload.start", "{}", "`workloadId` is missing"),
        ("workload.start", r#"{"workloadId":"9"}"#, "the workload has no components and no service"),
        (
            "workload.start",
            r#"{"workloadId":"9","workload":{"witWorld":{"components":[{"image":"a.example/b:1","poolSize":"x"}]}}}"#,
            "`workload.witWorld.components[0].poolSize` is wrong",
        ),
        ("workload.stop", "\u{1}", "it is not JSON"),
        ("workload.status", "[]", "it is a list and must be an object"),
        ("workload.dance", r#"{"workloadId":"9"}"#, "unknown command `workload.dance`"),
        ("dance", "{}", "unknown command `dance`"),
    ] {
        let answer = Status::of(&scheduler.ask(HOST, verb, payload).await).expect("ERROR");
        assert!(answer.message.contains(expected), "{verb} {payload:.80}: {answer:?}");
        assert_eq!(answer.id == "9", payload.contains("\"9\""), "{verb} {payload:.80}: {answer:?}");
    }
    let answer = Status::of(&scheduler.ask(HOST, "workload.status", vec![0xff, 0xfe, 0x00]).await);
    assert_eq!(answer.state, "ERROR");
    // A heartbeat is given whatever comes with the question.
    assert_eq!(scheduler.ask(HOST, "heartbeat", "not JSON").await["id"], HOST);
    host.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_with_all_that_a_component_can_have_gets_it() {
    let cluster = Cluster::new();
    let mut scheduler = Scheduler::connect(&cluster.server).await;
    let host = cluster.host(&[]);
    scheduler.next_beat().await;
    let folder = cluster.sandbox.path().join("shared");
    cluster.sandbox.write("shared/hello.txt", "from the host");
    let mut all = workload("all", &cluster.image("probe"));
    all["volumes"] = json!([
        { "name": "shared", "host_path": { "local_path": folder } },
        { "name": "scratch", "emptyDir": {} },
    ]);
    all["witWorld"]["components"][0]["local_resources"] = json!({
        "environment": { "GREETING": "hi" },
        "config": { "colour": "red" },
        "memoryLimitMb": 32,
        "cpuLimit": 900,
        "volumeMounts": [
            { "name": "shared", "mountPath": "/shared", "readOnly": true },
            { "name": "scratch", "mount_path": "/scratch" },
        ],
        "allowedHosts": ["only.example"],
    });
    all["witWorld"]["components"][0]["poolSize"] = json!("2");
    all["witWorld"]["hostInterfaces"].as_array_mut().unwrap().extend([
        json!({ "namespace": "wasi", "package": "keyvalue", "interfaces": ["store", "atomics", "batch"] }),
        json!({ "namespace": "wasi", "package": "blobstore", "interfaces": [] }),
        json!({ "namespace": "wasi", "package": "config", "interfaces": ["store"] }),
        json!({ "namespace": "wasi", "package": "logging", "interfaces": ["logging"] }),
        json!({ "namespace": "wasmcloud", "package": "messaging", "interfaces": ["consumer"] }),
    ]);
    scheduler.start(HOST, "1", &all).await.expect("RUNNING");
    let ask = |method: &str, path: &str, body: &str| {
        let answer = request(&host.url, method, path, Some(body.as_bytes()), &[("host", "all.example")]).unwrap();
        (answer.status, answer.body)
    };
    assert!(ask("GET", "/env", "").1.lines().any(|line| line == "GREETING=hi"));
    assert_eq!(ask("GET", "/config/colour", "").1, "red");
    assert_eq!(ask("GET", "/read?path=/shared/hello.txt", "").1, "from the host");
    assert_eq!(ask("POST", "/write?path=/shared/no.txt", "x").0, 403);
    assert_eq!(ask("POST", "/write?path=/scratch/yes.txt", "x").0, 204);
    assert_eq!(ask("GET", "/read?path=/scratch/yes.txt", "").1, "x");
    assert_eq!(ask("GET", "/alloc?mb=64", "").0, 507);
    assert_eq!(ask("PUT", "/kv/b/k", "v").0, 204);
    assert_eq!(ask("GET", "/kv/b/k", "").1, "v");
    let denied = ask("GET", "/fetch?url=http://other.example/", "");
    assert_eq!(denied.0, 502, "{denied:?}");
    scheduler.stop(HOST, "1").await.expect("STOPPING");
    host.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_told_as_they_end_also_long_after_the_start() {
    let cluster = Cluster::new();
    let image = cluster.image("service");
    cluster.sandbox.push(&image, &guests::service());
    let mut scheduler = Scheduler::connect(&cluster.server).await;
    let host = cluster.host(&[]);
    scheduler.next_beat().await;
    for (id, does, restarts) in
        [("done", "done", 0), ("fails", "exit 3", 0), ("again", "panic", 1), ("runs", "sleep", 0)]
    {
        let started = scheduler.start(HOST, id, &service(id, &image, does, restarts)).await;
        assert!(["STARTING", "RUNNING", "COMPLETED", "ERROR"].contains(&started.state.as_str()), "{started:?}");
    }
    scheduler.reaches(HOST, "done", "COMPLETED").await;
    let failed = scheduler.reaches(HOST, "fails", "ERROR").await;
    assert!(failed.message.contains("the service failed"), "{failed:?}");
    let failed = scheduler.reaches(HOST, "again", "ERROR").await;
    assert!(failed.message.contains("service panic on purpose") || failed.message.contains("failed"), "{failed:?}");
    scheduler.reaches(HOST, "runs", "RUNNING").await;
    // A service is a component.
    let beat = scheduler.heartbeat(HOST).await;
    assert_eq!((&beat["workloadCount"], &beat["componentCount"]), (&json!("4"), &json!("4")), "{beat}");
    for id in ["done", "fails", "again", "runs"] {
        scheduler.stop(HOST, id).await.expect("STOPPING");
        scheduler.status(HOST, id).await.expect("NOT_FOUND");
    }
    host.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_starts_at_once_are_all_carried_out() {
    let cluster = Cluster::new();
    let mut scheduler = Scheduler::connect(&cluster.server).await;
    let host = cluster.host(&["--registry-pull-timeout=5m"]);
    scheduler.next_beat().await;
    let image = cluster.image("probe");
    let starts = (0..200).map(|number| {
        let (scheduler, image) = (&scheduler, &image);
        async move { scheduler.start(HOST, &format!("id-{number}"), &workload(&format!("w{number}"), image)).await }
    });
    let all = futures::future::join_all(starts);
    // Who asks meanwhile is answered meanwhile.
    let asking = async {
        for number in 0..50 {
            assert_eq!(scheduler.heartbeat(HOST).await["id"], HOST);
            scheduler.status(HOST, &format!("id-{number}")).await;
        }
    };
    let (answers, ()) = futures::join!(all, asking);
    for answer in answers {
        answer.expect("RUNNING");
    }
    for number in [0, 99, 199] {
        assert_eq!(version(&host, &format!("w{number}.example")).1, guests::marker(3));
    }
    assert_eq!(scheduler.heartbeat(HOST).await["workloadCount"], "200");
    let stops = (0..200).map(|number| {
        let scheduler = &scheduler;
        async move { scheduler.stop(HOST, &format!("id-{number}")).await }
    });
    for answer in futures::future::join_all(stops).await {
        answer.expect("STOPPING");
    }
    assert_eq!(scheduler.heartbeat(HOST).await["workloadCount"], Value::Null);
    host.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_stops_tells_by_not_answering_and_finishes_what_it_has() {
    let cluster = Cluster::new();
    let mut scheduler = Scheduler::connect(&cluster.server).await;
    let mut host = cluster.host(&[]);
    scheduler.next_beat().await;
    scheduler.start(HOST, "1", &workload("shop", &cluster.image("probe"))).await.expect("RUNNING");
    let address = host.url.trim_start_matches("http://").to_string();
    let mut slow = TcpStream::connect(address).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.write_all(b"GET /drip?n=5&ms=300 HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    let mut part = [0; 4096];
    while !answer.contains("drip 0") {
        let count = slow.read(&mut part).unwrap();
        answer.push_str(std::str::from_utf8(&part[..count]).unwrap());
    }
    let asked = std::time::Instant::now();
    rustix::process::kill_process(host.pid(), rustix::process::Signal::TERM).expect("the signal is sent");
    while scheduler.is_reached(HOST).await {
        assert!(asked.elapsed() < PATIENCE, "the host still takes commands");
    }
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("drip 4"), "{answer}");
    assert_eq!(host.wait(), 0, "{}", host.stderr());
}
