//! Measures calls between components of a workload, and what an idle workload takes of memory.
//!
//!     cargo bench --bench workloads -- [calls|memory]
//!
//! `WASH_TEST_WASMTIME` names the `wasmtime` to compare with. All servers run on the same machine as what
//! asks them, and take turns, so that only ratios mean something. Nothing here is asserted.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use wash::embed::{Component, Engine, Host, HostApi, HostBuilder, Workload, WorkloadStartRequest};
use wash::internal::compose::{Link, Part, compose};

const ROUNDS: usize = 7;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let dir = tempfile::tempdir().expect("a temporary folder");
    if wants("calls") {
        calls(dir.path());
    }
    if wants("memory") {
        memory();
    }
}

/// A guest of the tests, built by cargo.
fn guest(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("target/bench-guest");
    let built = Command::new("cargo")
        .args(["build", "--release", "--quiet", "--target", "wasm32-wasip2", "--package", &name.replace('_', "-")])
        .args(if name == "shop_cart" { &["--no-default-features"][..] } else { &[] })
        .current_dir(root.join("tests/guests"))
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .expect("cargo starts");
    assert!(built.success(), "the guest does not build");
    std::fs::read(target.join(format!("wasm32-wasip2/release/{name}.wasm"))).expect("the guest")
}

/// A server in a process of its own, killed when dropped.
struct Served {
    child: Child,
    address: SocketAddr,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

fn serve_wash(dir: &Path, name: &str, component: &[u8], sidecar: Option<&[u8]>) -> Served {
    let root = dir.join(name);
    std::fs::create_dir_all(root.join(".wash")).expect("a project");
    std::fs::write(root.join("input.wasm"), component).expect("a component");
    let mut settings =
        String::from("build:\n  command: mkdir -p out && cp input.wasm out/app.wasm\n  component_path: out/app.wasm\n");
    if let Some(sidecar) = sidecar {
        std::fs::write(root.join("cart.wasm"), sidecar).expect("a component");
        settings.push_str("dev:\n  components: [{name: cart, file: cart.wasm}]\n");
    }
    std::fs::write(root.join(".wash/config.yaml"), settings).expect("settings");
    let address = free_address();
    let child = Command::new(env!("CARGO_BIN_EXE_wash"))
        .args(["dev", "--address", &address.to_string()])
        .current_dir(&root)
        .env("XDG_CACHE_HOME", dir.join("cache"))
        .env("XDG_CONFIG_HOME", dir.join("config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("wash starts");
    Served { child, address }
}

fn serve_wasmtime(wasmtime: &Path, component: &Path) -> Served {
    let address = free_address();
    let child = Command::new(wasmtime)
        .args(["serve", "-S", "cli", "-S", "config", "--addr", &address.to_string()])
        .arg(component)
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("wasmtime starts");
    Served { child, address }
}

/// How long a request takes; `None` if it has no answer with status 200.
fn ask(address: SocketAddr, path: &str) -> Option<Duration> {
    let begun = Instant::now();
    let mut response = ureq::get(format!("http://{address}{path}")).call().ok()?;
    response.body_mut().read_to_string().ok()?;
    Some(begun.elapsed())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A `wasi:logging` that logs nothing: `wasmtime serve` has none.
const LOGGING: &str = r#"(component
    (core module $m
        (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
        (func (export "log") (param i32 i32 i32 i32 i32)))
    (core instance $i (instantiate $m))
    (alias core export $i "memory" (core memory $memory))
    (alias core export $i "realloc" (core func $realloc))
    (type $level (enum "trace" "debug" "info" "warn" "error" "critical"))
    (func $log (param "level" $level) (param "context" string) (param "message" string)
        (canon lift (core func $i "log") (memory $memory) (realloc $realloc)))
    (component $named
        (type $level (enum "trace" "debug" "info" "warn" "error" "critical"))
        (import "import-type-level" (type $given (eq $level)))
        (import "import-func-log"
            (func $log (param "level" $given) (param "context" string) (param "message" string)))
        (export $exported "level" (type $level))
        (export "log" (func $log)
            (func (param "level" $exported) (param "context" string) (param "message" string))))
    (instance $logging (instantiate $named
        (with "import-type-level" (type $level))
        (with "import-func-log" (func $log))))
    (export "wasi:logging/logging@0.1.0-draft" (instance $logging)))"#;

fn calls(dir: &Path) {
    let (front, cart) = (guest("shop_front"), guest("shop_cart"));
    let silent = wat::parse_str(LOGGING).expect("a component");
    let parts = [("front", &front), ("cart", &cart), ("logging", &silent)].map(|(name, bytes)| Part { name, bytes });
    let link = |importer, import: &str, exporter, export: &str| Link {
        importer,
        import: import.into(),
        exporter,
        export: export.into(),
    };
    let logging = "wasi:logging/logging@0.1.0-draft";
    let links = [link(0, "test:shop/cart@0.1.0", 1, "test:shop/cart@0.1.3"), link(1, logging, 2, logging)];
    let composed = compose(&parts, &links, |_| false).expect("they fit").bytes;
    let file = dir.join("composed.wasm");
    std::fs::write(&file, &composed).expect("a component");
    let mut servers = vec![
        ("wash dev, linked when it starts", serve_wash(dir, "linked", &front, Some(&cart))),
        ("wash dev, composed beforehand", serve_wash(dir, "composed", &composed, None)),
    ];
    let wasmtime = std::env::var_os("WASH_TEST_WASMTIME").map(PathBuf::from).filter(|path| path.exists());
    if let Some(wasmtime) = wasmtime {
        servers.push(("wasmtime serve, composed beforehand", serve_wasmtime(&wasmtime, &file)));
    }
    servers.retain(|(name, server)| {
        let begun = Instant::now();
        while ask(server.address, "/times?1,0").is_none() {
            if begun.elapsed() > Duration::from_secs(60) {
                println!("{name}: no answer, left out");
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    });
    for (what, calls, bytes) in [("without a list", 20_000_000, 0), ("a list of 1 MiB there and back", 100, 1 << 20)] {
        println!("\na call between two components, {what}; {calls} in one request, {ROUNDS} rounds");
        let mut figures: Vec<Vec<f64>> = vec![Vec::new(); servers.len()];
        let mut alone = Vec::new();
        for _ in 0..ROUNDS {
            for ((_, server), figures) in servers.iter().zip(&mut figures) {
                // A request with one call has everything else in it.
                let one = ask(server.address, &format!("/times?1,{bytes}")).expect("an answer");
                let all = ask(server.address, &format!("/times?{calls},{bytes}")).expect("an answer");
                figures.push(all.saturating_sub(one).as_secs_f64() * 1e6 / f64::from(calls - 1));
            }
            let time = ask(servers[0].1.address, &format!("/alone?{calls},{bytes}")).expect("an answer");
            alone.push(time.as_secs_f64() * 1e6 / f64::from(calls));
        }
        if bytes > 0 {
            println!("the same work without a call: {:.0} µs", median(&mut alone));
        }
        let linked = median(&mut figures[0]);
        println!("| server | µs a call (median) | linked / this |\n| --- | ---: | ---: |");
        for ((name, _), figures) in servers.iter().zip(&mut figures) {
            let figure = median(figures);
            println!("| {name} | {figure:.3} | {:.2} |", linked / figure);
        }
    }
}

const WORKLOADS: usize = 100;

/// What the process has in memory, in KiB: all of it, and what is not of a file.
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    (field("VmRSS:"), field("RssAnon:"))
}

fn memory() {
    println!("\nmemory of idle workloads on one host, {WORKLOADS} of them, KiB for each");
    println!("| workloads | resident | of it anonymous |\n| --- | ---: | ---: |");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let probe = guest("probe");
    for (name, distinct) in [("the same component", false), ("a component of its own each", true)] {
        runtime.block_on(async {
            let cache = tempfile::tempdir().expect("a temporary folder");
            let engine = Engine::builder().with_cache_dir(cache.path()).build().expect("an engine");
            let host =
                HostBuilder::new().with_engine(engine).build().expect("a host").start().await.expect("it starts");
            // What everything after it shares.
            start(&host, &probe, 0, distinct).await;
            let (all, anonymous) = resident();
            for number in 1..=WORKLOADS {
                start(&host, &probe, number, distinct).await;
            }
            let (all_now, anonymous_now) = resident();
            let each = |before: u64, now: u64| now.saturating_sub(before) / WORKLOADS as u64;
            println!(
                "| {name} ({} KB) | {} | {} |",
                probe.len() / 1000,
                each(all, all_now),
                each(anonymous, anonymous_now)
            );
        });
    }
}

async fn start(host: &Host, bytes: &[u8], number: usize, distinct: bool) {
    let mut bytes = bytes.to_vec();
    if distinct {
        // A custom section makes it another component with the same code.
        bytes.extend([0, 6, 1, b'n']);
        bytes.extend((number as u32).to_le_bytes());
    }
    let workload = Workload {
        namespace: "bench".into(),
        name: format!("w{number}"),
        components: vec![Component::new("probe", bytes)],
        ..Workload::default()
    };
    let request = WorkloadStartRequest { workload_id: format!("w{number}"), workload };
    host.workload_start(request).await.expect("the workload starts");
}
