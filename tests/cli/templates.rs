//! Every template as its user meets it: `new`, `build`, `dev`, a request to each of its routes, with
//! the real toolchains. And an edit of a running project in Rust and in TypeScript.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::dev::{Answer, request};
use crate::support::upstream::Upstream;
use crate::support::{Dev, Sandbox, run, write};

/// Toolchains that make components of 14 MB take their time, here and on slower machines.
const TOOLCHAIN_PATIENCE: Duration = Duration::from_secs(600);

struct Made {
    sandbox: Sandbox,
    root: PathBuf,
}

/// `wash new TEMPLATE --name my-app`, and `wash build` with its report.
fn make(template: &str) -> Made {
    make_that_exports(template, "wasi:http/incoming-handler@0.2")
}

fn make_that_exports(template: &str, export: &str) -> Made {
    build(new(template), export)
}

/// The same with an edit before the build.
fn make_edited(template: &str, edit: impl FnOnce(&Path)) -> Made {
    let made = new(template);
    edit(&made.root);
    build(made, "wasi:http/incoming-handler@0.2")
}

fn build(made: Made, export: &str) -> Made {
    let report = run(&mut made.sandbox.wash(["build", "-C", "my-app", "-o", "json"])).expect_code(0).json();
    assert_eq!(report["name"], "my-app", "{report}");
    assert_eq!(report["kind"], "component", "{report}");
    let exports = report["exports"].to_string();
    assert!(exports.contains(export), "{exports}");
    let path = PathBuf::from(report["path"].as_str().unwrap());
    assert_eq!(report["size"].as_u64().unwrap(), std::fs::metadata(&path).unwrap().len());
    made
}

/// `wash new TEMPLATE --name my-app` for `wash dev`, which builds as well. What npm installs, 20,000 files, comes from
/// another test; [`make`] leaves that to wash.
fn create(template: &str) -> Made {
    let made = new(template);
    if made.root.join("package-lock.json").exists() {
        link_packages(&made.root);
    }
    made
}

/// `wash new TEMPLATE --name my-app`.
fn new(template: &str) -> Made {
    let sandbox = Sandbox::for_project();
    run(&mut sandbox.wash(["new", template, "--name", "my-app", "--offline"])).expect_code(0);
    let root = sandbox.path().join("my-app");
    assert_renamed(&root, template);
    Made { sandbox, root }
}

/// Puts the packages of the folder's lock file there, which are installed once for all tests.
fn link_packages(folder: &Path) {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    let lock = std::fs::read(folder.join("package-lock.json")).unwrap();
    let mut hasher = DefaultHasher::new();
    lock.hash(&mut hasher);
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("npm/{:x}", hasher.finish()));
    std::fs::create_dir_all(&shared).unwrap();
    let turn = std::fs::File::create(shared.join("turn")).unwrap();
    turn.lock().unwrap();
    let tool = |program: &str, args: &[&str], folder: &Path| {
        let ended = run(Command::new(program).args(args).current_dir(folder));
        assert_eq!(ended.code, 0, "{program} {args:?}: {}{}", ended.stdout, ended.stderr);
    };
    if !shared.join("complete").exists() {
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(folder.join(file), shared.join(file)).unwrap();
        }
        tool("npm", &["ci", "--ignore-scripts"], &shared);
        std::fs::write(shared.join("complete"), "").unwrap();
    }
    let modules = shared.join("node_modules");
    tool("cp", &["-al", modules.to_str().unwrap(), "."], folder);
    tool("npm", &["run", "prepare", "--if-present"], folder);
    // Not older than the lock file: nothing has to be installed.
    tool("touch", &["node_modules/.package-lock.json"], folder);
}

/// No file speaks of the template's name any more.
fn assert_renamed(root: &Path, template: &str) {
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                for name in [template.to_string(), template.replace('-', "_")] {
                    let whole = |at: usize| {
                        let part =
                            |letter: Option<char>| letter.is_some_and(|it| it.is_alphanumeric() || "-_".contains(it));
                        !part(text[..at].chars().next_back()) && !part(text[at + name.len()..].chars().next())
                    };
                    let kept = text.match_indices(&name).any(|(at, _)| whole(at));
                    assert!(!kept, "{} still says {name}", path.display());
                }
            }
        }
    }
}

impl Made {
    fn dev(&self) -> Dev {
        let mut dev = self.sandbox.dev(&self.root, &[]);
        dev.patience = TOOLCHAIN_PATIENCE;
        dev.ready();
        dev
    }

    /// The component under `wasmtime serve`, where that is at hand and has the imports.
    fn wasmtime(&self, component: &str, more: &[&str]) -> Option<Wasmtime> {
        let program = std::env::var_os("WASH_TEST_WASMTIME")?;
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .args(["serve", "-S", "cli", "--addr", &format!("127.0.0.1:{port}")])
            .args(more)
            .arg(self.root.join(component))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("wasmtime starts");
        let served = Wasmtime { child, url: format!("http://127.0.0.1:{port}") };
        let deadline = Instant::now() + TOOLCHAIN_PATIENCE;
        while request(&served.url, "GET", "/", None, &[]).is_err() {
            assert!(Instant::now() < deadline, "wasmtime serve does not answer");
            std::thread::yield_now();
        }
        Some(served)
    }
}

struct Wasmtime {
    child: Child,
    url: String,
}

impl Wasmtime {
    fn get(&self, path: &str) -> Answer {
        request(&self.url, "GET", path, None, &[]).unwrap()
    }
}

impl Drop for Wasmtime {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, body: body.into() }
}

fn hello_world(template: &str, component: &str) {
    let made = make(template);
    let dev = made.dev();
    hello_world_answers(&made, &dev, component);
    dev.stop();
}

/// A project of the template that fails at `/throw`, with these lines in front of others.
fn hello_world_that_throws(template: &str, file: &str, before: &str, lines: &str) -> Made {
    make_edited(template, |root| {
        let file = root.join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(before), "{text}");
        write(&file, text.replacen(before, &format!("{lines}{before}"), 1));
    })
}

/// The reason of the failure, of which the runtime of the language does not speak.
fn throws_in_its_own_words(dev: &mut Dev) -> String {
    let answer = dev.get("/throw");
    assert_eq!(answer.status, 500);
    let reason = dev.wait_for("fault")["reason"].as_str().unwrap().to_string();
    assert!(answer.body.contains(&reason), "{reason}: {}", answer.body);
    let frames: Vec<&str> = answer.body.lines().filter(|line| line.starts_with("    at ")).collect();
    for inner in ["runtime.", "Py", "wit_dylib"] {
        assert!(!frames.iter().any(|frame| frame.contains(&format!("at {inner}"))), "{frames:?}");
    }
    reason
}

fn hello_world_answers(made: &Made, dev: &Dev, component: &str) {
    let peer = made.wasmtime(component, &[]);
    for (path, expected) in [("/", answer(200, "Hello from wash!\n")), ("/nowhere", answer(404, "Not found\n"))] {
        assert_eq!(dev.get(path), expected, "{path}");
        if let Some(peer) = &peer {
            assert_eq!(peer.get(path), expected, "{path} under wasmtime serve");
        }
    }
}

#[test]
fn http_hello_world() {
    hello_world("http-hello-world", "target/wasm32-wasip2/release/my_app.wasm");
}

#[test]
fn http_hello_world_fetch() {
    hello_world("http-hello-world-fetch", "dist/my_app.wasm");
}

#[test]
fn http_hello_world_python() {
    let throws = "        if path == \"/throw\":\n            raise ValueError(\"the till is empty\")\n";
    let made = hello_world_that_throws("http-hello-world-python", "app.py", "        if isinstance(", throws);
    let mut dev = made.dev();
    hello_world_answers(&made, &dev, "dist/my_app.wasm");
    assert_eq!(throws_in_its_own_words(&mut dev), "ValueError: the till is empty (app.py:18)");
    dev.stop();
}

#[test]
fn http_hello_world_go() {
    let throws = "\tif path == \"/throw\" {\n\t\tpanic(\"the till is empty\")\n\t}\n";
    let made = hello_world_that_throws("http-hello-world-go", "handler/handler.go", "\tif path == ", throws);
    let mut dev = made.dev();
    hello_world_answers(&made, &dev, "build/my-app.component.wasm");
    let place = made.root.canonicalize().unwrap().join("handler/handler.go:17");
    assert_eq!(throws_in_its_own_words(&mut dev), format!("panic: the till is empty ({})", place.display()));
    dev.stop();
}

#[test]
fn http_hello_world_c() {
    hello_world("http-hello-world-c", "build/my-app.component.wasm");
}

/// Settings that let the component ask a server of the test.
fn allow_loopback(made: &Made, port: u16) {
    let config = made.root.join(".wash/config.yaml");
    let settings = std::fs::read_to_string(&config).unwrap();
    write(&config, format!("{settings}dev:\n  allowed_host_loopback_ports: [{port}]\n"));
}

#[test]
fn http_client_typescript() {
    let upstream = Upstream::start();
    let port = upstream.port();
    let made = create("http-client-typescript");
    allow_loopback(&made, port);
    let dev = made.dev();
    let url = format!("http://127.0.0.1:{port}");
    assert!(dev.get("/").body.contains("/fetch?url="));
    assert_eq!(dev.get("/fetch").status, 400);
    assert_eq!(dev.get(&format!("/fetch?url={url}/hello")), answer(200, "hello HTTP/1.1"));
    assert_eq!(dev.get(&format!("/fetch?url={url}/nowhere")), answer(404, "nowhere"));
    assert_eq!(dev.send("POST", &format!("/fetch?url={url}/sink"), "12345"), answer(200, "5"));
    let headers = [("accept", "text/x"), ("cookie", "mine")];
    let seen = dev.request("GET", &format!("/fetch?url={url}/headers"), None, &headers).body;
    assert!(seen.contains("accept: text/x") && !seen.contains("cookie"), "{seen}");
    let head: serde_json::Value = serde_json::from_str(&dev.get(&format!("/headers?url={url}/nowhere")).body).unwrap();
    assert_eq!(head["status"], 404, "{head}");
    assert_eq!(dev.get(&format!("/json?url={url}/hello")).status, 502, "it is no JSON");
    let refused = dev.get("/fetch?url=http://127.0.0.1:1/");
    assert!(refused.status == 502 && refused.body.contains("Could not fetch"), "{refused:?}");
    dev.stop();
}

#[test]
fn http_streaming_p3() {
    let upstream = Upstream::start();
    let port = upstream.port();
    let made = make_that_exports("http-streaming-p3", "wasi:http/handler@0.3");
    allow_loopback(&made, port);
    let dev = made.dev();
    let url = format!("http://127.0.0.1:{port}");
    assert!(dev.get("/").body.contains("/count?to=5"));
    assert_eq!(dev.get("/count?to=2"), answer(200, "1\n2\n"));
    assert_eq!(dev.get("/count?to=9999").status, 400);
    assert_eq!(dev.send("POST", "/upper", "good morning"), answer(200, "GOOD MORNING"));
    assert_eq!(dev.send("POST", "/upper", &"a".repeat(300_000)), answer(200, &"A".repeat(300_000)));
    assert_eq!(dev.get(&format!("/fetch?url={url}/hello")), answer(200, "hello HTTP/1.1"));
    assert_eq!(dev.get(&format!("/both?a={url}/hello&b={url}/bytes%3F70000")), answer(200, "14 70000\n"));
    let refused = dev.get("/fetch?url=http://127.0.0.1:1/");
    assert!(refused.status == 502 && refused.body.contains("Could not fetch"), "{refused:?}");
    assert_eq!(dev.get("/nowhere"), answer(404, "Not found\n"));
    dev.stop();
}

#[test]
fn http_client() {
    let upstream = Upstream::start();
    let port = upstream.port();
    let made = make("http-client");
    allow_loopback(&made, port);
    let dev = made.dev();
    let usage = dev.get("/");
    assert_eq!(usage.status, 400);
    assert!(usage.body.contains("/?url="), "{}", usage.body);
    let (found, missing) =
        (format!("/?url=http://127.0.0.1:{port}/hello"), format!("/?url=http://127.0.0.1:{port}/nowhere"));
    assert_eq!(dev.get(&found), answer(200, "hello HTTP/1.1"));
    assert_eq!(dev.get(&missing), answer(404, "nowhere"));
    if let Some(peer) = made.wasmtime("target/wasm32-wasip2/release/my_app.wasm", &[]) {
        for path in ["/", &found, &missing] {
            assert_eq!(peer.get(path), dev.get(path), "{path}");
        }
    }
    let refused = dev.get("/?url=http://127.0.0.1:1/");
    assert_eq!(refused.status, 502);
    assert!(refused.body.contains("Could not fetch"), "{}", refused.body);
    dev.stop();
}

#[test]
fn http_handler() {
    let made = make("http-handler");
    let dev = made.dev();
    assert!(dev.get("/").body.contains("/hello"));
    assert_eq!(dev.get("/hello"), answer(200, "Hello, World!\n"));
    assert_eq!(dev.get("/hello?name=Ada"), answer(200, "Hello, Ada!\n"));
    assert_eq!(dev.get("/items/7"), answer(200, r#"{"id":7,"name":"Item 7"}"#));
    assert_eq!(dev.get("/items/x").status, 400);
    let json = [("content-type", "application/json")];
    assert_eq!(dev.request("POST", "/echo", Some(br#"{"a":[1]}"#), &json), answer(200, r#"{"a":[1]}"#));
    assert_eq!(dev.request("POST", "/echo", Some(b"{"), &json).status, 400);
    assert_eq!(dev.get("/nowhere"), answer(404, "Not found\n"));
    if let Some(peer) = made.wasmtime("target/wasm32-wasip2/release/my_app.wasm", &[]) {
        for path in ["/", "/hello?name=Ada", "/items/7", "/nowhere"] {
            assert_eq!(peer.get(path), dev.get(path), "{path}");
        }
    }
    dev.stop();
}

fn key_value(made: &Made, component: &str) {
    let dev = made.dev();
    assert!(dev.get("/").body.contains("/kv"), "usage");
    // In `wasmtime serve` each instance has a store of its own, so that only an empty one compares.
    if let Some(peer) = made.wasmtime(component, &["-S", "keyvalue"]) {
        for path in ["/", "/kv", "/kv/apples", "/nowhere"] {
            assert_eq!(peer.get(path), dev.get(path), "{path}");
        }
    }
    assert_eq!(dev.get("/kv/apples").status, 404);
    assert_eq!(dev.send("PUT", "/kv/apples", "red").status, 204);
    assert_eq!(dev.send("PUT", "/kv/limes", "green").status, 204);
    assert_eq!(dev.get("/kv/apples"), answer(200, "red"));
    assert_eq!(dev.get("/kv"), answer(200, r#"["apples","limes"]"#));
    assert_eq!(dev.send("POST", "/counter/visits", "").body.trim(), "1");
    assert_eq!(dev.send("POST", "/counter/visits", "").body.trim(), "2");
    assert_eq!(dev.request("DELETE", "/kv/apples", None, &[]).status, 204);
    assert_eq!(dev.get("/kv/apples").status, 404);
    dev.stop();
}

#[test]
fn http_kv_handler() {
    key_value(&make("http-kv-handler"), "target/wasm32-wasip2/release/my_app.wasm");
}

#[test]
fn http_kv_handler_hono() {
    key_value(&create("http-kv-handler-hono"), "dist/my_app.wasm");
}

#[test]
fn http_handler_hono() {
    let made = create("http-handler-hono");
    let dev = made.dev();
    assert!(dev.get("/").body.contains("/items"), "usage");
    let second = r#"{"id":2,"title":"serve it","done":false}"#;
    assert_eq!(dev.get("/items?done=false"), answer(200, &format!("[{second}]")));
    assert_eq!(dev.get("/items/2"), answer(200, second));
    assert_eq!(dev.get("/items/7"), answer(404, r#"{"error":"there is no item 7"}"#));
    let added = dev.send("POST", "/items", r#"{"title":"sleep","owner":"x"}"#);
    assert_eq!(added, answer(201, r#"{"id":3,"title":"sleep","done":false}"#));
    assert_eq!(dev.send("POST", "/items", "{").status, 400);
    assert_eq!(dev.send("POST", "/items", "[]").status, 400);
    let changed = dev.send("PUT", "/items/2", r#"{"done":true}"#);
    assert_eq!(changed, answer(200, r#"{"id":2,"title":"serve it","done":true}"#));
    assert_eq!(dev.request("DELETE", "/items/1", None, &[]).status, 204);
    assert_eq!(dev.get("/nowhere").status, 404);
    dev.stop();
}

#[test]
fn http_filesystem_handler_hono() {
    let made = create("http-filesystem-handler-hono");
    let dev = made.dev();
    assert!(dev.get("/").body.contains("/files"), "usage");
    assert_eq!(dev.get("/files"), answer(200, r#"["hello.txt"]"#));
    assert_eq!(dev.get("/files/hello.txt"), answer(200, "Hello from a file!\n"));
    let long = "word ".repeat(50_000);
    assert_eq!(dev.send("PUT", "/files/notes/today.txt", &long).status, 201);
    assert_eq!(std::fs::read_to_string(made.root.join("data/notes/today.txt")).unwrap(), long);
    assert_eq!(dev.get("/files/notes/today.txt"), answer(200, &long));
    assert_eq!(dev.get("/files"), answer(200, r#"["hello.txt","notes/"]"#));
    assert_eq!(dev.get("/files/notes").status, 400);
    assert_eq!(dev.request("DELETE", "/files/notes/today.txt", None, &[]).status, 204);
    assert_eq!(dev.get("/files/notes/today.txt"), answer(404, "No such file\n"));
    assert_eq!(dev.get("/files/..%2fpackage.json"), answer(403, "Not allowed\n"));
    assert_eq!(dev.send("PUT", "/files/..%2fmine", "x").status, 403);
    assert!(!made.root.join("mine").exists());
    dev.stop();
}

#[test]
fn http_logging_handler_hono() {
    let made = create("http-logging-handler-hono");
    let mut dev = made.dev();
    assert!(dev.get("/").body.contains("/log/{level}"), "usage");
    assert_eq!(dev.send("POST", "/log/warn", "the kettle is hot").status, 204);
    dev.wait_for_event("output", |event| {
        event["level"] == "warn" && event["line"].as_str().unwrap().ends_with("the kettle is hot")
    });
    assert_eq!(dev.send("POST", "/log/loudly", "x").status, 400);
    assert_eq!(dev.get("/fail"), answer(500, "Internal server error\n"));
    dev.wait_for_event("output", |event| {
        event["level"] == "critical" && event["line"].as_str().unwrap().contains("this route always fails")
    });
    dev.stop();
}

#[test]
fn http_blobstore_handler_hono() {
    let made = create("http-blobstore-handler-hono");
    let dev = made.dev();
    assert!(dev.get("/").body.contains("/blobs"), "usage");
    assert_eq!(dev.get("/blobs/cat").status, 404);
    let body = "meow ".repeat(20_000);
    assert_eq!(dev.send("PUT", "/blobs/cat", &body).status, 201);
    assert_eq!(dev.get("/blobs/cat"), answer(200, &body));
    let info: serde_json::Value = serde_json::from_str(&dev.get("/blobs/cat/info").body).unwrap();
    assert_eq!((info["name"].as_str(), info["size"].as_u64()), (Some("cat"), Some(100_000)));
    assert_eq!(dev.get("/blobs"), answer(200, r#"["cat"]"#));
    assert_eq!(dev.request("DELETE", "/blobs/cat", None, &[]).status, 204);
    assert_eq!(dev.get("/blobs/cat").status, 404);
    dev.stop();
}

#[test]
fn http_api_with_distributed_workloads() {
    tasks(&make("http-api-with-distributed-workloads"));
}

#[test]
fn http_api_with_distributed_workloads_typescript() {
    tasks(&create("http-api-with-distributed-workloads-typescript"));
}

fn tasks(made: &Made) {
    let dev = made.dev();
    assert!(dev.get("/").body.contains("/task"), "usage");
    assert_eq!(dev.send("POST", "/task", "hello world").body.trim(), "h3110 w0r1d");
    let json = [("content-type", "application/json")];
    let task = br#"{"worker":"leet","payload":"hello"}"#;
    assert_eq!(dev.request("POST", "/task", Some(task), &json).body.trim(), "h3110");
    assert_eq!(dev.request("POST", "/task", Some(b"{}"), &json).status, 400);
    assert_eq!(dev.get("/nowhere").status, 404);
    dev.stop();
}

#[test]
fn service_tcp() {
    let made = make("service-tcp");
    let mut dev = made.dev();
    assert!(dev.get("/").body.contains("<title>leet</title>"));
    assert_eq!(dev.send("POST", "/leet", "hello world"), answer(200, "h3110 w0r1d"));
    let long = "leet ".repeat(100_000);
    assert_eq!(dev.send("POST", "/leet", &long), answer(200, &"1337 ".repeat(100_000)));
    assert_eq!(dev.get("/nowhere"), answer(404, "Not found\n"));
    // An edit of the service alone replaces it.
    let source = made.root.join("service-leet/src/main.rs");
    write(&source, std::fs::read_to_string(&source).unwrap().replace("b'a' => b'4'", "b'a' => b'@'"));
    dev.wait_for_event("service", |event| event["state"] == "running" && event["generation"] != 1);
    assert_eq!(dev.send("POST", "/leet", "as"), answer(200, "@5"));
    dev.stop();
}

#[test]
fn cron_service() {
    let made = make("cron-service");
    let mut dev = made.dev();
    for run in ["run 1 is done", "run 2 is done"] {
        dev.wait_for_event("output", |event| event["component"] == "scheduler" && event["line"] == run);
    }
    let runs = dev.get("/").body;
    assert!(runs.ends_with(" runs\n") && !runs.starts_with('0') && !runs.starts_with("1 "), "{runs}");
    assert_eq!(dev.get("/nowhere"), answer(404, "Not found\n"));
    dev.stop();
}

#[test]
fn service_tcp_echo() {
    let made = create("service-tcp-echo");
    let dev = made.dev();
    assert!(dev.get("/").body.contains("/count"), "usage");
    for (text, expected) in [
        ("one two three", r#"{"text":"one two three","words":3,"counted":1}"#),
        ("", r#"{"text":"","words":0,"counted":2}"#),
    ] {
        assert_eq!(dev.send("POST", "/count", text), answer(200, expected));
    }
    let long = "word ".repeat(20_000);
    assert!(dev.send("POST", "/count", &long).body.ends_with(r#""words":20000,"counted":3}"#));
    assert_eq!(dev.get("/nowhere"), answer(404, "Not found\n"));
    dev.stop();
}

#[test]
fn an_edit_of_a_rust_project_is_served() {
    // Compiled where everybody's is: in the project, which is watched.
    let mut made = create("http-hello-world");
    made.sandbox.keep_builds_in_projects();
    let mut dev = made.dev();
    let source = made.root.join("src/lib.rs");
    let text = std::fs::read_to_string(&source).unwrap();
    write(&source, text.replace("Hello from wash!", "Edited!"));
    dev.answers("/", "Edited!\n");
    write(&source, "this is not Rust");
    dev.wait_for("build-failed");
    assert!(dev.stderr().contains("src/lib.rs"), "the compiler's own words are shown");
    assert_eq!(dev.get("/"), answer(200, "Edited!\n"));
    write(&source, text.replace("Hello from wash!", "Repaired!"));
    dev.answers("/", "Repaired!\n");
    dev.stop();
}

#[test]
fn http_hello_world_hono_and_an_edit_of_it() {
    let made = create("http-hello-world-hono");
    let mut dev = made.dev();
    assert_eq!(dev.get("/"), answer(200, "Hello from wash!\n"));
    assert_eq!(dev.get("/nowhere"), answer(404, "Not found\n"));
    let source = made.root.join("src/index.ts");
    let text = std::fs::read_to_string(&source).unwrap();
    assert!(text.contains("Hello from wash!"), "{text}");
    let route = "app.get('/throw', () => {\n  throw new Error('the till is empty');\n});\n\napp.notFound(";
    write(&source, text.replace("Hello from wash!", "Edited!").replace("app.notFound(", route));
    dev.answers("/", "Edited!\n");
    // Hono catches what is thrown, answers and says it on stderr.
    assert_eq!(dev.get("/throw"), answer(500, "Internal Server Error"));
    let told = dev.wait_for_event("output", |event| event["stream"] == "stderr");
    let line = told["line"].as_str().unwrap();
    assert!(line.contains("the till is empty") && line.contains("index.js"), "{line}");
    assert_eq!(dev.count("fault"), 0);
    dev.stop();
}
