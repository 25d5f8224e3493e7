//! `wash host`: what clients notice while workloads come, change and go. Nothing.

use rustix::process::{Signal, kill_process};

use crate::host_manifests::workload;
use crate::support::load::{Aim, Load};
use crate::support::registry::Registry;
use crate::support::scheduler::{self, Scheduler};
use crate::support::{Dev, Sandbox, Server, guests};

const WORKLOADS: u32 = 20;

fn host_name(number: u32) -> String {
    format!("w{number}.example")
}

/// Which version of the probe a workload runs at first, and which afterwards. Some share theirs.
fn versions(number: u32) -> [u32; 2] {
    [1000 + number % 4, 2000 + number % 4]
}

/// Asks each of them for its version, over a connection that stays open.
fn aims(workloads: u32, by_turns: bool, versions: impl Fn(u32) -> Vec<u32>) -> Vec<Aim> {
    let aim = |number| Aim {
        host: host_name(number),
        path: "/version".into(),
        bodies: versions(number).into_iter().map(guests::marker).collect(),
        by_turns,
    };
    (0..workloads).map(aim).collect()
}

fn write_manifest(sandbox: &Sandbox, number: u32, version: u32) {
    // A file that is written again is another version.
    let file = format!("images/{version}.wasm");
    if !sandbox.path().join(&file).exists() {
        sandbox.write(file, guests::probe_version(version));
    }
    let image = format!("../images/{version}.wasm");
    sandbox.write(format!("m/{number}.yaml"), workload(&format!("w{number}"), &image, &host_name(number)));
}

/// Sends SIGTERM under the load and waits for the end: no request may be lost.
fn ends_without_a_loss(mut host: Dev, load: Load) {
    load.server_ends();
    kill_process(host.pid(), Signal::TERM).unwrap();
    assert_eq!(host.wait(), 0, "{}", host.stderr());
    load.ended_with_the_server();
}

#[test]
fn replacing_twenty_workloads_and_a_signal_lose_no_request_of_kept_connections() {
    let sandbox = Sandbox::new();
    (0..WORKLOADS).for_each(|number| write_manifest(&sandbox, number, versions(number)[0]));
    let mut host = sandbox.host(&["--manifest", "m", "--access-log=false"]);
    let settled = host.wait_for("settled");
    assert_eq!((&settled["running"], &settled["failed"]), (&WORKLOADS.into(), &0.into()), "{}", host.stderr());
    let load = Load::start(&host.url, &aims(WORKLOADS, false, |number| versions(number).to_vec()));
    // Some one after the other, the rest at once.
    let (singly, together) = (0..2, 2..WORKLOADS);
    let is_replaced = |number: u32| {
        move |event: &serde_json::Value| {
            event["workload_id"] == format!("default/w{number}") && event["generation"] == 2
        }
    };
    for number in singly {
        write_manifest(&sandbox, number, versions(number)[1]);
        host.wait_for_event("ready", is_replaced(number));
    }
    together.clone().for_each(|number| write_manifest(&sandbox, number, versions(number)[1]));
    for _ in together {
        host.wait_for_event("ready", |event| event["generation"] == 2);
    }
    load.everybody_answers_again();
    for number in 0..WORKLOADS {
        assert_eq!(host.get_from(&host_name(number), "/version").body, guests::marker(versions(number)[1]));
    }
    ends_without_a_loss(host, load);
}

#[test]
fn starting_fifty_more_disturbs_no_request_of_the_fifty_that_serve() {
    let sandbox = Sandbox::new();
    (0..50).for_each(|number| write_manifest(&sandbox, number, versions(number)[0]));
    let mut host = sandbox.host(&["--manifest", "m", "--access-log=false"]);
    assert_eq!(host.wait_for("settled")["running"], 50);
    let load = Load::start(&host.url, &aims(50, false, |number| vec![versions(number)[0]]));
    (50..100).for_each(|number| write_manifest(&sandbox, number, versions(number)[1]));
    for _ in 50..100 {
        host.ready();
    }
    load.everybody_answers_again();
    load.stop();
    for number in [0, 49, 50, 99] {
        let version = versions(number)[usize::from(number >= 50)];
        assert_eq!(host.get_from(&host_name(number), "/version").body, guests::marker(version));
    }
    host.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_starts_the_new_before_it_stops_the_old_loses_no_request() {
    const HOST: &str = "rolling";
    let (sandbox, registry, server) = (Sandbox::new(), Registry::open(), Server::nats());
    let image = |version: u32| format!("{}/probe:{version}", registry.host());
    for version in [1, 2] {
        sandbox.push(&image(version), &guests::probe_version(version));
    }
    let mut scheduler = Scheduler::connect(&server).await;
    let host = sandbox.cluster_host(&server.url(), HOST, &["--access-log=false"]);
    scheduler.next_beat().await;
    let id = |number: u32, version: u32| format!("w{number}-{version}");
    for number in 0..WORKLOADS {
        let workload = scheduler::workload(&format!("w{number}"), &image(1));
        scheduler.start(HOST, &id(number, 1), &workload).await.expect("RUNNING");
    }
    let load = Load::start(&host.url, &aims(WORKLOADS, true, |_| vec![1, 2]));
    for number in 0..WORKLOADS {
        let workload = scheduler::workload(&format!("w{number}"), &image(2));
        scheduler.start(HOST, &id(number, 2), &workload).await.expect("RUNNING");
        scheduler.stop(HOST, &id(number, 1)).await.expect("STOPPING");
        assert_eq!(host.get_from(&host_name(number), "/version").body, guests::marker(2));
    }
    load.everybody_answers_again();
    ends_without_a_loss(host, load);
}
