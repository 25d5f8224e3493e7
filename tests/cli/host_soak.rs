//! `wash host` for long: whatever comes and goes, nothing of it remains.
//!
//! With `WASH_SOAK_SECONDS` (see `scripts/soak`) as many rounds as fit into that time, otherwise a few.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};

use crate::host_manifests::{admin_url, workload};
use crate::support::dev::request;
use crate::support::fake_registry::Fake;
use crate::support::load::{Aim, Load};
use crate::support::scheduler::{self, Scheduler};
use crate::support::{Dev, PATIENCE, Sandbox, Server, eventually, guests};

const HOST: &str = "soaking";
/// Rounds where nobody gives a time: some to warm up, some to compare.
const ROUNDS: usize = 4;
/// One round out of so many has NATS killed and started again.
const OUTAGE_EVERY: usize = 2;

/// What the host holds between two rounds, when everything that came has gone.
#[derive(Clone, Copy, Debug)]
struct Held {
    memory: u64,
    files: u64,
    threads: u64,
}

/// Waits until commands reach the host, after an outage.
async fn eventually_reached(scheduler: &Scheduler) {
    let deadline = Instant::now() + PATIENCE;
    while !scheduler.is_reached(HOST).await {
        assert!(Instant::now() < deadline, "no command reaches the host");
        tokio::task::yield_now().await;
    }
}

struct Soak {
    sandbox: Sandbox,
    registry: Fake,
    nats: Server,
    host: Dev,
    admin: String,
}

impl Soak {
    async fn start() -> Soak {
        let (sandbox, registry, nats) = (Sandbox::new(), Fake::start(), Server::nats());
        registry.publish("probe", "1", &guests::probe_version(3));
        for (name, bytes) in [
            ("1", guests::probe_version(1)),
            ("2", guests::probe_version(2)),
            ("service", guests::service()),
            ("core", b"\0asm\x01\0\0\0".to_vec()),
        ] {
            sandbox.write(format!("images/{name}.wasm"), bytes);
        }
        // Stays all the time, and may never miss a request.
        sandbox.write("m/stays.yaml", workload("stays", "../images/1.wasm", "stays.example"));
        let mut host = sandbox.cluster_host(
            &nats.url(),
            HOST,
            &[
                "--manifest",
                "m",
                "--data-nats-url",
                &nats.url(),
                "--admin-addr",
                "0",
                "--data-dir",
                "state",
                "--access-log=false",
                "--request-timeout",
                "1s",
                "--header-timeout",
                "1s",
                "--drain-timeout",
                "2s",
            ],
        );
        host.wait_for("settled");
        let admin = admin_url(&host);
        Soak { sandbox, registry, nats, host, admin }
    }

    fn metrics(&self) -> BTreeMap<String, u64> {
        let text = request(&self.admin, "GET", "/metrics", None, &[]).expect("metrics").body;
        let values = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        values.map(|(name, value)| (name.to_string(), value.parse::<f64>().unwrap_or(0.0) as u64)).collect()
    }

    /// Waits until everything of a round has gone, and says what is held then.
    fn held(&self, most: Option<Held>) -> Held {
        let held = || {
            let metrics = self.metrics();
            let value = |name: &str| metrics.get(name).copied().unwrap_or_else(|| panic!("{name}: {metrics:?}"));
            let now = Held {
                memory: value("process_resident_memory_bytes"),
                files: value("process_open_fds"),
                threads: value("process_threads"),
            };
            let workloads: u64 =
                metrics.iter().filter(|(name, _)| name.starts_with("wash_workloads{")).map(|(_, count)| count).sum();
            // The one that stays has an instance whenever it is asked.
            (now, workloads, value("wash_instances"), self.folders())
        };
        let is_gone = |(now, workloads, instances, folders): &(Held, u64, u64, usize)| {
            // One or two are there in some rounds and not in others; what leaks piles up.
            let fits = most.is_none_or(|most| now.files <= most.files + 2 && now.threads <= most.threads + 2);
            *workloads == 1 && *instances == 0 && *folders == 0 && fits
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = held();
            if is_gone(&now) {
                return now.0;
            }
            assert!(Instant::now() < deadline, "something remains: {now:?}, and at most {most:?} was there");
            std::thread::yield_now();
        }
    }

    /// Temporary folders of workloads.
    fn folders(&self) -> usize {
        let runs = std::fs::read_dir(self.sandbox.path().join("state/volumes")).expect("a folder").flatten();
        let entries = runs.flat_map(|run| std::fs::read_dir(run.path()).into_iter().flatten().flatten());
        entries.filter(|entry| entry.file_name() != "lock").count()
    }

    fn write(&self, name: &str, image: &str) {
        let text = workload(name, &format!("../images/{image}.wasm"), &format!("{name}.example")).replace(
            "  hostInterfaces:",
            "    localResources: { volumeMounts: [{ name: scratch, mountPath: /scratch }] }\n  service:\n    image: \
             ../images/service.wasm\n  volumes: [{ name: scratch, emptyDir: {} }]\n  hostInterfaces:\n  - { \
             namespace: wasi, package: keyvalue, interfaces: [store] }",
        );
        self.sandbox.write(format!("m/{name}.yaml"), text);
    }

    fn status(&self, name: &str, method: &str, path: &str) -> u16 {
        self.host.request(method, path, Some(b"value"), &[("host", &format!("{name}.example"))]).status
    }

    /// Half a request, or one whose client leaves.
    fn connection(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.host.url.split("://").nth(1).expect("a URL")).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time for reading");
        stream.write_all(text.as_bytes()).expect("some bytes are sent");
        stream
    }

    async fn round(&mut self, number: usize) {
        let names: Vec<String> = (0..3).map(|index| format!("r{number}-{index}")).collect();
        let [ready, failed, stopped] = ["ready", "failed", "stopped"].map(|name| self.host.count(name));
        names.iter().for_each(|name| self.write(name, "1"));
        // Neither of these can be started.
        self.write("missing", "none");
        self.write("core", "core");
        self.host.wait_for_count("ready", ready + names.len());
        self.host.wait_for_count("failed", failed + 2);
        let name = names[0].as_str();
        let head = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: {name}.example\r\n");
        // Clients that are slow, or leave.
        let half_a_head = self.connection(&head("/version"));
        let reads_nothing = self.connection(&format!("{}\r\n", head("/bytes?n=50000000")));
        drop(self.connection(&format!("{}\r\n", head("/slow?ms=60000"))));
        drop(
            self.connection(&format!("POST /echo HTTP/1.1\r\nhost: {name}.example\r\ncontent-length: 99\r\n\r\nhalf")),
        );
        // Components that do what they should not.
        for (path, status) in [("/trap", 500), ("/loop", 504), ("/alloc?mb=4000", 507), ("/overflow", 500)] {
            // On a busy machine the request's time may be over before.
            let answered = self.status(name, "GET", path);
            assert!([status, 504].contains(&answered), "{path}: {answered}");
        }
        for (method, path) in [("POST", "/write?path=/scratch/file"), ("PUT", "/kv/bucket/key")] {
            eventually(path, || self.status(name, method, path) == 204);
        }
        let outage = number % OUTAGE_EVERY == OUTAGE_EVERY - 1;
        if outage {
            self.nats.stop();
            // The server's answer is waited for, or the request's time is over before.
            assert!([500, 504].contains(&self.status(name, "GET", "/kv/bucket/key")));
        }
        names.iter().for_each(|name| self.write(name, "2"));
        self.host.wait_for_count("ready", ready + 2 * names.len());
        assert_eq!(self.host.get_from(&format!("{name}.example"), "/version").body, guests::marker(2));
        if outage {
            self.nats.start_again();
        }
        eventually("data is there again", || self.status(name, "GET", "/kv/bucket/key") == 200);
        // More by way of the scheduler.
        let scheduler = Scheduler::connect(&self.nats).await;
        let image = |name: &str| format!("{}/{name}:1", self.registry.host());
        let sent = |image: &str| scheduler::workload("sent", image);
        eventually_reached(&scheduler).await;
        scheduler.start(HOST, "sent", &sent(&image("none"))).await.expect("ERROR");
        scheduler.start(HOST, "sent", &sent(&image("probe"))).await.expect("RUNNING");
        assert_eq!(self.host.get_from("sent.example", "/version").body, guests::marker(3));
        scheduler.stop(HOST, "sent").await.expect("STOPPING");
        for name in names.iter().map(String::as_str).chain(["missing", "core"]) {
            std::fs::remove_file(self.sandbox.path().join(format!("m/{name}.yaml"))).expect("a manifest is removed");
        }
        // And the one of the scheduler.
        self.host.wait_for_count("stopped", stopped + names.len() + 1);
        // It is cut when its head takes too long, and so the host does not need us to go.
        let mut stream = half_a_head;
        assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
        // Its workload has not waited for longer than the drain time.
        drop(reads_nothing);
    }
}

fn median(values: impl Iterator<Item = u64>) -> f64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values[values.len() / 2] as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_for_long_leaves_nothing() {
    let time = std::env::var("WASH_SOAK_SECONDS").ok().map(|seconds| seconds.parse().expect("a number of seconds"));
    let time = time.map(Duration::from_secs);
    let begun = Instant::now();
    let mut soak = Soak::start().await;
    let stays =
        Aim { host: "stays.example".into(), path: "/version".into(), bodies: vec![guests::marker(1)], by_turns: false };
    // What the first rounds leave is there for all: connections to NATS, threads that wait for work.
    let mut samples: Vec<Held> = Vec::new();
    let mut most = None;
    let mut requests = 0;
    while time.map_or(samples.len() < ROUNDS, |time| begun.elapsed() < time) {
        let load = Load::start(&soak.host.url, std::slice::from_ref(&stays));
        soak.round(samples.len()).await;
        requests += load.stop();
        let held = soak.held(most);
        if time.is_some() {
            eprintln!("{:>5} s, round {:>3}: {held:?}", begun.elapsed().as_secs(), samples.len() + 1);
        }
        samples.push(held);
        if samples.len() == ROUNDS / 2 {
            // An outage was among them.
            most = samples
                .iter()
                .copied()
                .max_by_key(|held| held.files)
                .map(|held| Held { threads: samples.iter().map(|held| held.threads).max().unwrap_or(0), ..held });
        }
    }
    assert!(samples.len() >= ROUNDS, "only {} rounds in that time", samples.len());
    let third = samples.len() / 3;
    let before = median(samples[third..2 * third].iter().map(|held| held.memory));
    let after = median(samples[samples.len() - third..].iter().map(|held| held.memory));
    let ratio = after / before;
    eprintln!(
        "{} rounds, {requests} requests to the workload that stayed; memory of the last third / the one before: {ratio:.3}",
        samples.len()
    );
    // The first rounds still fill what is kept: caches of the engine, arenas of the allocator.
    let most = if time.is_some() { 1.1 } else { 1.5 };
    assert!(ratio < most, "memory grows: {samples:#?}");
    kill_process(soak.host.pid(), Signal::TERM).expect("the signal is sent");
    assert_eq!(soak.host.wait(), 0, "{}", soak.host.stderr());
    assert_eq!(soak.folders(), 0);
}
