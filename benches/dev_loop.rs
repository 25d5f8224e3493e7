//! Measures what users of the loop feel, as ratios against peers in the same run: start to the
//! first answer, edit to live, requests a second with a new instance for each and with instances that are used again.
//!
//!     cargo bench --bench dev_loop -- [requests|reused|start|edit]
//!
//! `WASH_TEST_WASMTIME` names the `wasmtime` to compare with (`scripts/test` installs one). The load
//! generator, the servers and everything else share the machine's cores, so that only ratios mean
//! something. Nothing here is asserted.

mod guest;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CONNECTIONS: usize = 64;
const ROUND: Duration = Duration::from_secs(4);
const ROUNDS: usize = 5;

/// As the only argument: be the bare HTTP server.
const HYPER: &str = "bare-hyper";

fn main() {
    if std::env::args().nth(1).as_deref() == Some(HYPER) {
        return hyper();
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let guest = guest::hello();
    std::fs::write(dir.path().join("hello.wasm"), &guest).expect("a copy of the guest");
    println!("guest: http-hello-world, {} KB; {} cores", guest.len() / 1000, cores());
    if wants("requests") {
        requests(dir.path(), &guest);
    }
    if wants("reused") {
        reused(dir.path(), &guest);
    }
    if wants("start") {
        start(dir.path(), &guest);
    }
    if wants("edit") {
        edit(dir.path(), &guest);
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get())
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

fn serve(command: &mut Command, address: SocketAddr) -> Served {
    let child = command
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a server starts");
    Served { child, address }
}

fn wasmtime() -> Option<PathBuf> {
    std::env::var_os("WASH_TEST_WASMTIME").map(PathBuf::from).filter(|path| path.exists())
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

fn serve_wasmtime(wasmtime: &Path, guest: &Path, more: &[&str]) -> Served {
    let address = free_address();
    let mut command = Command::new(wasmtime);
    serve(command.args(["serve", "-S", "cli", "--addr", &address.to_string()]).args(more).arg(guest), address)
}

fn project(dir: &Path, name: &str, guest: &[u8], more: &str) -> PathBuf {
    let root = dir.join(name);
    std::fs::create_dir_all(root.join(".wash")).expect("a project");
    std::fs::write(root.join("input.wasm"), guest).expect("a component");
    let settings = "build:\n  command: mkdir -p out && cp input.wasm out/app.wasm\n  component_path: out/app.wasm\n";
    std::fs::write(root.join(".wash/config.yaml"), format!("{settings}{more}")).expect("settings");
    std::fs::write(root.join(".gitignore"), "out/\n").expect("ignore rules");
    root
}

fn wash(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wash"));
    command.env("XDG_CACHE_HOME", home.join("cache")).env("XDG_CONFIG_HOME", home.join("config"));
    command.env("XDG_DATA_HOME", home.join("data"));
    command
}

fn serve_wash(root: &Path, home: &Path) -> Served {
    let address = free_address();
    serve(wash(home).args(["dev", "--address", &address.to_string()]).current_dir(root), address)
}

/// `wash host` with one workload, which answers for every host name that the load generator may use.
fn serve_host(dir: &Path, pool: usize) -> Served {
    let address = free_address();
    let manifest = dir.join("hello.yaml");
    let image = dir.join("hello.wasm");
    let text = format!(
        "apiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: Workload\nmetadata: {{name: hello}}\nspec:\n  components:\n  \
         - {{name: hello, image: {}, poolSize: {pool}}}\n  hostInterfaces:\n  - {{namespace: wasi, package: http, \
         interfaces: [incoming-handler], config: {{host: 127.0.0.1}}}}\n",
        image.display()
    );
    std::fs::write(&manifest, text).expect("a manifest");
    let flags = ["--http-addr", &address.to_string(), "--admin-addr", "127.0.0.1:0"];
    serve(wash(dir).args(["host", "--manifest"]).arg(manifest).args(flags), address)
}

fn serve_hyper() -> Served {
    let address = free_address();
    let this = std::env::current_exe().expect("this program");
    serve(Command::new(this).args([HYPER, &address.to_string()]), address)
}

/// The HTTP library that wash serves with and nothing else: it answers from memory, on as many threads.
fn hyper() {
    let address: SocketAddr = std::env::args().nth(2).and_then(|address| address.parse().ok()).expect("an address");
    let listener = TcpListener::bind(address).expect("a free address");
    listener.set_nonblocking(true).expect("a listener");
    let serve = |listener: TcpListener| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let _ = stream.set_nodelay(true);
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(|_| async {
                        let body = http_body_util::Full::new(bytes::Bytes::from_static(b"Hello from wash!\n"));
                        Ok::<_, std::convert::Infallible>(http::Response::new(body))
                    });
                    let io = hyper_util::rt::TokioIo::new(stream);
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                });
            }
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..cores() {
            let listener = listener.try_clone().expect("a listener");
            scope.spawn(move || serve(listener));
        }
    });
}

/// Waits for the first answer with status 200 and returns how long that took.
fn first_200(address: SocketAddr, since: Instant) -> Duration {
    loop {
        let url = format!("http://{address}/");
        if ureq::get(&url).call().is_ok_and(|response| response.status() == 200) {
            return since.elapsed();
        }
        assert!(since.elapsed() < Duration::from_secs(120), "{address} never answers");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Requests a second over keep-alive connections.
fn load(address: SocketAddr) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let begun = Instant::now();
        let connections: Vec<_> = (0..CONNECTIONS).map(|_| tokio::spawn(connection(address, begun + ROUND))).collect();
        let mut answers = 0;
        for connection in connections {
            answers += connection.await.expect("a connection ended in a panic");
        }
        answers as f64 / begun.elapsed().as_secs_f64()
    })
}

async fn connection(address: SocketAddr, until: Instant) -> u64 {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    let request = format!("GET / HTTP/1.1\r\nhost: {address}\r\n\r\n");
    // All answers are alike, so that the first one tells how long they are.
    let mut buffer = vec![0; 4096];
    let mut answers = 0;
    let mut length = 0;
    while Instant::now() < until {
        stream.write_all(request.as_bytes()).await.expect("a request is sent");
        let mut got = 0;
        while length == 0 || got < length {
            let count = stream.read(&mut buffer[got..]).await.expect("an answer");
            assert!(count > 0, "the connection was closed");
            got += count;
            if length == 0 && buffer[..got].windows(17).any(|part| part == b"Hello from wash!\n") {
                let text = String::from_utf8_lossy(&buffer[..got]).to_ascii_lowercase();
                if !text.contains("transfer-encoding: chunked") || text.ends_with("0\r\n\r\n") {
                    length = got;
                }
            }
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"));
        answers += 1;
    }
    answers
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const POOLING: [&str; 4] = ["-O", "pooling-allocator=y", "-O", "pooling-memory-keep-resident=1048576"];

fn requests(dir: &Path, guest: &[u8]) {
    println!("\nrequests a second, a new instance for each, {CONNECTIONS} connections, {ROUNDS} rounds of {ROUND:?}");
    let file = dir.join("hello.wasm");
    let mut servers = vec![
        ("wash host", serve_host(dir, 0)),
        ("wash dev", serve_wash(&project(dir, "project", guest, ""), dir)),
        ("bare hyper", serve_hyper()),
    ];
    if let Some(wasmtime) = wasmtime() {
        let once = ["--max-instance-reuse-count", "1"];
        servers.push(("wasmtime serve", serve_wasmtime(&wasmtime, &file, &once)));
        let pooling = [&once[..], &POOLING].concat();
        servers.push(("wasmtime serve, pooling", serve_wasmtime(&wasmtime, &file, &pooling)));
    }
    compare(&servers);
}

fn reused(dir: &Path, guest: &[u8]) {
    println!("\nrequests a second, instances used again, {CONNECTIONS} connections, {ROUNDS} rounds of {ROUND:?}");
    let file = dir.join("hello.wasm");
    let settings = format!("dev:\n  pool_size: {CONNECTIONS}\n");
    let mut servers = vec![
        ("wash host", serve_host(dir, CONNECTIONS)),
        ("wash dev", serve_wash(&project(dir, "pooled", guest, &settings), dir)),
        ("bare hyper", serve_hyper()),
    ];
    if let Some(wasmtime) = wasmtime() {
        let often = ["--max-instance-reuse-count", "1000000"];
        servers.push(("wasmtime serve", serve_wasmtime(&wasmtime, &file, &often)));
        let pooling = [&often[..], &POOLING].concat();
        servers.push(("wasmtime serve, pooling", serve_wasmtime(&wasmtime, &file, &pooling)));
    }
    compare(&servers);
}

/// Rounds of all servers in turn, so that a machine whose speed drifts treats them alike. The first is compared with
/// the others.
fn compare(servers: &[(&str, Served)]) {
    for (_, server) in servers {
        first_200(server.address, Instant::now());
    }
    let mut figures: Vec<Vec<f64>> = vec![Vec::new(); servers.len()];
    for _ in 0..ROUNDS {
        for ((_, server), figures) in servers.iter().zip(&mut figures) {
            figures.push(load(server.address));
        }
    }
    let first = median(&mut figures[0]);
    println!("| server | requests/s (median) | {} / this |\n| --- | ---: | ---: |", servers[0].0);
    for ((name, _), figures) in servers.iter().zip(&mut figures) {
        let figure = median(figures);
        println!("| {name} | {figure:.0} | {:.2} |", first / figure);
    }
}

fn start(dir: &Path, guest: &[u8]) {
    println!("\nstart of the process to the first answer, {ROUNDS} starts each, milliseconds");
    println!("| what | median | this / wash dev up to date |\n| --- | ---: | ---: |");
    let root = project(dir, "project", guest, "");
    let home = dir.join("cold");
    let cold: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let _ = std::fs::remove_dir_all(&home);
            let begun = Instant::now();
            let server = serve_wash(&root, &home);
            first_200(server.address, begun).as_secs_f64() * 1e3
        })
        .collect();
    // The stamp of a build is written when the build has ended.
    let begun = Instant::now();
    let warm_up = serve_wash(&root, &home);
    first_200(warm_up.address, begun);
    std::thread::sleep(Duration::from_secs(1));
    drop(warm_up);
    let mut warm: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            let server = serve_wash(&root, &home);
            first_200(server.address, begun).as_secs_f64() * 1e3
        })
        .collect();
    let unit = median(&mut warm);
    let show = |name: &str, mut times: Vec<f64>| {
        let time = median(&mut times);
        println!("| {name} | {time:.0} | {:.1} |", time / unit);
    };
    show("wash dev, component up to date", warm);
    show("wash dev, nothing built or compiled before", cold);
    if let Some(wasmtime) = wasmtime() {
        for (name, more) in [("wasmtime serve, no cache", &["-C", "cache=n"][..]), ("wasmtime serve, cached", &[][..])]
        {
            let times = (0..ROUNDS)
                .map(|_| {
                    let begun = Instant::now();
                    let server = serve_wasmtime(&wasmtime, &dir.join("hello.wasm"), more);
                    first_200(server.address, begun).as_secs_f64() * 1e3
                })
                .collect();
            show(name, times);
        }
    }
}

/// The hello-world template under `wash dev`, edited; beside it the same edit built by cargo alone.
fn edit(dir: &Path, _: &[u8]) {
    println!("\nedit of a Rust source to the new answer, {ROUNDS} edits, milliseconds");
    let root = dir.join("hello");
    let created = Command::new(env!("CARGO_BIN_EXE_wash"))
        .args(["new", "http-hello-world", "--name", "hello"])
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("wash starts");
    assert!(created.success(), "the project was not created");
    let source = root.join("src/lib.rs");
    let original = std::fs::read_to_string(&source).expect("the source");
    let edited = |version: usize| original.replace("Hello from wash!", &format!("Hello, version {version}!"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_wash"))
        .args(["dev", "-o", "json", "--port", "0"])
        .current_dir(&root)
        .env("XDG_CACHE_HOME", dir.join("cache"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("wash starts");
    let mut events = BufReader::new(child.stdout.take().expect("stdout")).lines().map_while(Result::ok);
    let mut until = |name: &str| -> serde_json::Value {
        loop {
            let event: serde_json::Value =
                serde_json::from_str(&events.next().expect("one more event")).expect("an event");
            if event["event"] == name {
                return event;
            }
        }
    };
    let url = until("listening")["url"].as_str().expect("a URL").to_string();
    until("ready");
    let mut live = Vec::new();
    let mut building = Vec::new();
    for version in 0..ROUNDS {
        let begun = Instant::now();
        std::fs::write(&source, edited(version)).expect("an edit");
        let built = until("built");
        let wanted = format!("Hello, version {version}!\n");
        while ureq::get(&url).call().ok().and_then(|mut answer| answer.body_mut().read_to_string().ok()).as_deref()
            != Some(&wanted)
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        live.push(begun.elapsed().as_secs_f64() * 1e3);
        building.push(built["milliseconds"].as_f64().expect("a time"));
        until("ready");
    }
    let _ = child.kill();
    let _ = child.wait();
    let mut rest: Vec<f64> = live.iter().zip(&building).map(|(live, building)| live - building).collect();
    let (live, building) = (median(&mut live), median(&mut building));
    println!("| what | median |\n| --- | ---: |");
    println!(
        "| edit to live | {live:.0} |\n| of which cargo | {building:.0} |\n| everything else | {:.0} |",
        median(&mut rest)
    );
}
