//! Measures a host with many workloads: how long they take to start, what an idle one takes of memory, requests
//! a second across all of them, and what clients of the first notice while others start.
//!
//!     cargo bench --bench host -- [start|memory|requests|neighbours]
//!
//! The host is `wash host` with manifests, in a process of its own. It shares the machine's cores with what
//! asks it, so that only ratios mean something. Nothing here is asserted.

mod guest;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// All workloads of the host, and those of them that are there first.
const WORKLOADS: usize = 300;
const FIRST: usize = 100;
const CONNECTIONS: usize = 64;
const ROUND: Duration = Duration::from_secs(4);
const ROUNDS: usize = 5;
/// Those who measure latency send at their times, whether or not answers are late: a host that stalls is
/// charged for all that would have been sent meanwhile.
const CLIENTS: usize = 16;
const EACH: Duration = Duration::from_millis(32);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let guest = guest::hello();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    println!("guest: http-hello-world, {} KB; {WORKLOADS} workloads; {cores} cores", guest.len() / 1000);
    if wants("start") || wants("memory") {
        start_and_memory(dir.path(), &guest);
    }
    if wants("requests") {
        requests(dir.path(), &guest);
    }
    if wants("neighbours") {
        neighbours(dir.path(), &guest);
    }
}

/// `wash host` and its events; killed when dropped.
struct Host {
    child: Child,
    events: std::io::Lines<BufReader<std::process::ChildStdout>>,
    address: SocketAddr,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Host {
    /// Starts on the manifests of a folder, and waits until it listens.
    fn start(home: &Path, manifests: &Path) -> Host {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wash"))
            .args(["host", "-o", "json", "--http-addr", "0", "--access-log=false", "--manifest"])
            .arg(manifests)
            .current_dir(home)
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_DATA_HOME", home.join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("wash starts");
        let mut events = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let listening = next(&mut events, "listening");
        let address = listening["address"].as_str().expect("an address").parse().expect("an address");
        Host { child, events, address }
    }

    fn wait_for(&mut self, name: &str) -> serde_json::Value {
        next(&mut self.events, name)
    }

    /// What is resident of it in KiB: all, and what is not of a file.
    fn resident(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        (field("VmRSS:"), field("RssAnon:"))
    }
}

fn next(events: &mut std::io::Lines<BufReader<std::process::ChildStdout>>, name: &str) -> serde_json::Value {
    for line in events.by_ref() {
        let event: serde_json::Value = serde_json::from_str(&line.expect("a line")).expect("an event");
        assert_ne!(event["event"], "failed", "{event}");
        if event["event"] == name {
            return event;
        }
    }
    panic!("the host ended before `{name}`");
}

/// Manifests of these workloads, with an image for all or one for each.
fn manifests(folder: &Path, guest: &[u8], workloads: std::ops::Range<usize>, distinct: bool) -> PathBuf {
    std::fs::create_dir_all(folder).expect("a folder");
    for number in workloads {
        let image = if distinct { format!("{number}.wasm") } else { "all.wasm".into() };
        let mut bytes = guest.to_vec();
        if distinct {
            // A custom section makes it another component with the same code.
            bytes.extend([0, 6, 1, b'n']);
            bytes.extend((number as u32).to_le_bytes());
        }
        if distinct || !folder.join(&image).exists() {
            std::fs::write(folder.join(&image), bytes).expect("an image");
        }
        let text = format!(
            "apiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: Workload\nmetadata: {{ name: w{number} }}\nspec:\n  \
             components: [{{ name: main, image: ./{image} }}]\n  hostInterfaces:\n  - {{ namespace: wasi, package: \
             http, interfaces: [incoming-handler], config: {{ host: w{number}.example }} }}\n"
        );
        let (temporary, file) = (folder.join(format!("{number}.tmp")), folder.join(format!("{number}.yaml")));
        std::fs::write(&temporary, text).expect("a manifest");
        std::fs::rename(temporary, file).expect("a manifest");
    }
    folder.to_path_buf()
}

fn start_and_memory(dir: &Path, guest: &[u8]) {
    println!("\nstart of {WORKLOADS} workloads, and the memory of an idle one (beyond the first)");
    println!("| images | first start, s | started before, s | KiB for each | of it anonymous |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for (name, distinct) in [("one for all", false), ("one for each", true)] {
        let home = dir.join(format!("start-{distinct}"));
        let one = manifests(&home.join("one"), guest, 0..1, distinct);
        let all = manifests(&home.join("all"), guest, 0..WORKLOADS, distinct);
        let mut first = Host::start(&home.join("one"), &one);
        first.wait_for("settled");
        let before = first.resident();
        drop(first);
        let mut times = Vec::new();
        let mut after = (0, 0);
        for _ in 0..2 {
            let begun = Instant::now();
            let mut host = Host::start(&home, &all);
            host.wait_for("settled");
            times.push(begun.elapsed().as_secs_f64());
            after = host.resident();
        }
        let each = |before: u64, after: u64| after.saturating_sub(before) / (WORKLOADS as u64 - 1);
        println!(
            "| {name} | {:.2} | {:.2} | {} | {} |",
            times[0],
            times[1],
            each(before.0, after.0),
            each(before.1, after.1)
        );
    }
}

fn requests(dir: &Path, guest: &[u8]) {
    println!("\nrequests a second, a new instance for each, {CONNECTIONS} connections, {ROUNDS} rounds of {ROUND:?}");
    let home = dir.join("requests");
    let all = manifests(&home.join("all"), guest, 0..WORKLOADS, true);
    let mut host = Host::start(&home, &all);
    host.wait_for("settled");
    let mut figures = [("one workload", 1, Vec::new()), ("all by turns", WORKLOADS, Vec::new())];
    for _ in 0..ROUNDS {
        for (_, workloads, figures) in &mut figures {
            figures.push(load(host.address, *workloads));
        }
    }
    println!("| asked | requests/s (median) | this / one workload |\n| --- | ---: | ---: |");
    let one = median(&mut figures[0].2);
    for (name, _, figures) in &mut figures {
        let figure = median(figures);
        println!("| {name} | {figure:.0} | {:.2} |", figure / one);
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn load(address: SocketAddr, workloads: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let begun = Instant::now();
        let connections: Vec<_> = (0..CONNECTIONS)
            .map(|index| {
                tokio::spawn(async move {
                    let mut client = Client::connect(address).await;
                    let mut answers = 0;
                    while begun.elapsed() < ROUND {
                        client.ask((index + answers) % workloads).await;
                        answers += 1;
                    }
                    answers
                })
            })
            .collect();
        let mut answers = 0;
        for connection in connections {
            answers += connection.await.expect("a connection ended in a panic");
        }
        answers as f64 / begun.elapsed().as_secs_f64()
    })
}

fn neighbours(dir: &Path, guest: &[u8]) {
    let rate = CLIENTS as f64 / EACH.as_secs_f64();
    println!("\nrequests to the first {FIRST}, {rate:.0} a second, from when each was due to its answer");
    println!("| meanwhile | requests | median, ms | p99, ms | longest, ms |\n| --- | ---: | ---: | ---: | ---: |");
    let home = dir.join("neighbours");
    let folder = manifests(&home.join("m"), guest, 0..FIRST, true);
    let mut host = Host::start(&home, &folder);
    host.wait_for("settled");
    let address = host.address;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let begin = || {
        let clients: Vec<_> = (0..CLIENTS).map(|index| runtime.spawn(paced(address, index, stopped.clone()))).collect();
        move |runtime: &tokio::runtime::Runtime| {
            let all = clients.into_iter().flat_map(|client| runtime.block_on(client).expect("a client"));
            all.collect::<Vec<f64>>()
        }
    };
    let idle = begin();
    std::thread::sleep(Duration::from_secs(10));
    stop.send_replace(true);
    tell("nothing starts", idle(&runtime));
    stop.send_replace(false);
    let busy = begin();
    let begun = Instant::now();
    manifests(&folder, guest, FIRST..WORKLOADS, true);
    for _ in FIRST..WORKLOADS {
        host.wait_for("ready");
    }
    let took = begun.elapsed().as_secs_f64();
    stop.send_replace(true);
    tell(&format!("{} more start, within {took:.1} s", WORKLOADS - FIRST), busy(&runtime));
}

fn tell(meanwhile: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("| {meanwhile} | {} | {:.2} | {:.2} | {:.2} |", times.len(), at(0.5), at(0.99), at(1.0));
}

/// Asks one workload after the other, at its times; milliseconds from when each request was due.
async fn paced(address: SocketAddr, index: usize, stopped: tokio::sync::watch::Receiver<bool>) -> Vec<f64> {
    let mut client = Client::connect(address).await;
    let mut due = tokio::time::Instant::now() + EACH * index as u32 / CLIENTS as u32;
    let mut times = Vec::new();
    while !*stopped.borrow() {
        tokio::time::sleep_until(due).await;
        client.ask((index + times.len() * CLIENTS) % FIRST).await;
        times.push(due.elapsed().as_secs_f64() * 1e3);
        due += EACH;
    }
    times
}

/// A connection that stays open.
struct Client {
    stream: tokio::net::TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    async fn connect(address: SocketAddr) -> Client {
        let stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket option");
        Client { stream, buffer: vec![0; 4096] }
    }

    async fn ask(&mut self, workload: usize) {
        let request = format!("GET / HTTP/1.1\r\nhost: w{workload}.example\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await.expect("a request is sent");
        let mut got = 0;
        while !is_complete(&self.buffer[..got]) {
            let count = self.stream.read(&mut self.buffer[got..]).await.expect("an answer");
            assert!(count > 0, "the connection was closed");
            got += count;
        }
        assert!(self.buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&self.buffer[..got]));
    }
}

/// Whether the greeting is there, and with it the last chunk if there are chunks.
fn is_complete(answer: &[u8]) -> bool {
    let has = |part: &[u8]| answer.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
    has(b"\r\n\r\n")
        && (!answer.starts_with(b"HTTP/1.1 200")
            || (has(b"Hello from wash!\n") && (!has(b"transfer-encoding: chunked") || answer.ends_with(b"0\r\n\r\n"))))
}
