//! The programs of `examples/`, run as their readers run them.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::dev::{Answer, request};
use crate::support::{PATIENCE, Sandbox, Server, guests, run};

/// The program of an example; cargo builds it with the tests.
fn example(name: &str) -> Command {
    let wash = PathBuf::from(env!("CARGO_BIN_EXE_wash"));
    let path = wash.parent().unwrap().join("examples").join(name);
    assert!(path.is_file(), "`{}` is built with the tests", path.display());
    Command::new(path)
}

/// An example that runs. Killed when dropped.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the example starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        Running { child, stdout }
    }

    /// The next line that has this, and what follows it there.
    #[track_caller]
    fn line_with(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).expect("stdout can be read") == 0 {
                let mut stderr = String::new();
                let _ = self.child.stderr.take().expect("stderr").read_to_string(&mut stderr);
                panic!("it ended without a line with `{text}`; stderr:\n{stderr}");
            }
            if let Some((_, rest)) = line.split_once(text) {
                return rest.trim().to_string();
            }
        }
    }

    /// Ends it as ctrl-c does; returns exit code, and what it still wrote to stdout and stderr.
    #[track_caller]
    fn interrupt(mut self) -> (i32, String, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("the signal is sent");
        let deadline = Instant::now() + PATIENCE;
        let code = loop {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                break status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "the example did not end");
            std::thread::yield_now();
        };
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).expect("stdout");
        self.child.stderr.take().expect("stderr").read_to_string(&mut stderr).expect("stderr");
        (code, stdout, stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(url: &str, path: &str) -> Answer {
    request(url, "GET", path, None, &[]).unwrap()
}

#[test]
fn the_custom_host_serves_a_file_and_ends_well() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("probe.wasm", guests::probe_version(7));
    let mut command = example("custom_host");
    command.arg(&file).arg("127.0.0.1:0");
    let mut host = Running::start(command);
    let url = host.line_with(" at ").trim_end_matches('/').to_string();
    assert_eq!(get(&url, "/version").body, guests::marker(7));
    assert_eq!(get(&url, "/trap").status, 500);
    let (code, stdout, stderr) = host.interrupt();
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout, "my-custom-host stops 1 workloads\n");
    assert!(stderr.contains("GET /version 200\n") && stderr.contains("main failed in GET /trap"), "{stderr}");
}

#[test]
fn the_custom_host_says_what_is_wrong() {
    let sandbox = Sandbox::new();
    let text = sandbox.write("text.wasm", "no component");
    let missing = sandbox.write("missing.wasm", guests::missing_import());
    let text = text.to_str().unwrap();
    for (args, code, expected) in [
        (&[][..], 2, "hint: custom_host hello.wasm"),
        (&["/nowhere.wasm"], 1, "cannot read `/nowhere.wasm`"),
        (&[text, "nowhere"], 2, "`nowhere` is not an address"),
        (&[text, "127.0.0.1:0"], 1, "the component `main` cannot be used"),
        (&[missing.to_str().unwrap(), "127.0.0.1:0"], 1, "nobody provides this package"),
    ] {
        let ended = run(example("custom_host").args(args)).expect_code(code);
        assert!(ended.stderr.contains(expected), "{args:?}: {}", ended.stderr);
    }
}

const CITIES: &str = "name,country,motto\nBern,CH,\nGenf,CH,\"post, then \"\"lux\"\"\"\nWien,AT,\nBasel,CH,x\n";

/// The custom plugin with a component that uses it, and these settings.
fn reader(sandbox: &Sandbox, settings: &str) -> Command {
    sandbox.write("data/cities.csv", CITIES);
    sandbox.write("data/secret.csv", "a\n1\n");
    let guest = sandbox.write("reader.wasm", guests::table_reader());
    let mut command = example("custom_plugin");
    command.arg(guest).arg(settings).arg("127.0.0.1:0").current_dir(sandbox.path());
    command
}

#[test]
fn the_custom_plugin_gives_components_rows_within_their_workload_s_bounds() {
    let sandbox = Sandbox::new();
    let mut host = Running::start(reader(&sandbox, "folder=data,tables=cities+towns,max-rows=3"));
    let url = host.line_with(" at ").trim_end_matches('/').to_string();
    assert_eq!(get(&url, "/cities").body, "name,country,motto");
    assert_eq!(get(&url, "/cities/country/CH").body, "Bern|CH|\nGenf|CH|post, then \"lux\"\nBasel|CH|x");
    // What one instance has taken is not missing in the next.
    assert_eq!(get(&url, "/cities/country/CH/1").body.lines().count(), 3);
    assert_eq!(get(&url, "/cities/country/IT").body, "");
    for (path, status, error) in [
        ("/cities/mayor/x", 404, "no-such-column"),
        ("/towns", 404, "no-such-table"),
        ("/secret", 404, "no-such-table"),
    ] {
        let answer = get(&url, path);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let told = answer.body.to_lowercase().replace("::", "-");
        assert!(told.replace('-', "").contains(&error.replace('-', "")), "{path}: {answer:?}");
    }
    // A file that has changed is read again.
    sandbox.write("data/cities.csv", "name,country\nRom,IT\nPisa,IT\nBari,IT\nTrieste,IT\n");
    let answer = get(&url, "/cities/country/IT");
    assert_eq!((answer.status, answer.body.contains('3')), (500, true), "four rows are too many: {answer:?}");
    let (code, _, stderr) = host.interrupt();
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn the_custom_plugin_says_what_is_wrong_before_the_first_request() {
    let sandbox = Sandbox::new();
    for (settings, expected) in [
        ("", "hint: give the workload an entry for `example:tables` with the setting `folder`"),
        ("folder=nowhere", "the folder of tables `nowhere` does not exist"),
        ("folder=data,rows=3", "`example:tables` has no setting `rows`"),
        ("folder=data,max-rows=many", "the setting `max-rows` of `example:tables` is wrong: it is not a number"),
        ("folder=data,tables=../x", "write names with commas between them"),
    ] {
        let ended = run(&mut reader(&sandbox, settings));
        assert_ne!(ended.code, 0, "{settings}");
        assert!(ended.stderr.contains(expected), "{settings}: {}", ended.stderr);
    }
}

/// Asks the cluster host for something, as a scheduler does.
async fn ask(nats: &async_nats::Client, verb: &str, command: impl ToString) -> Value {
    let request = nats.request(format!("runtime.host.test-host.{verb}"), command.to_string().into());
    let reply = tokio::time::timeout(PATIENCE, request).await.expect("an answer in time").expect("an answer");
    serde_json::from_slice(&reply.payload).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_host_obeys_a_scheduler_and_answers_everything() {
    let server = Server::nats();
    let sandbox = Sandbox::new();
    let image = sandbox.write("probe.wasm", guests::probe_version(3));
    let nats = async_nats::connect(server.url()).await.unwrap();
    let mut beats = nats.subscribe("runtime.operator.heartbeat.test-host").await.unwrap();
    nats.flush().await.unwrap();
    let mut command = example("cluster_host");
    command.args([&server.url(), "test-host", "127.0.0.1:0"]);
    let mut host = Running::start(command);
    host.line_with("takes commands");
    let beat = tokio::time::timeout(PATIENCE, futures::StreamExt::next(&mut beats)).await.expect("in time").unwrap();
    let beat: Value = serde_json::from_slice(&beat.payload).unwrap();
    assert_eq!((&beat["id"], &beat["workloadCount"]), (&json!("test-host"), &json!("0")), "{beat}");
    let url = format!("http://127.0.0.1:{}", beat["httpPort"]);

    let start = |id: &str, image: &Path| {
        json!({ "workloadId": id, "workload": {
            "namespace": "default", "name": "hello",
            "witWorld": {
                "components": [{ "image": image, "poolSize": -1 }],
                "hostInterfaces": [{ "namespace": "wasi", "package": "http", "interfaces": ["incoming-handler"],
                    "config": { "host": "hello.example" } }],
            },
        }})
    };
    let state = |answer: &Value| answer["workloadStatus"]["workloadState"].as_str().unwrap_or_default().to_string();
    let by_id = json!({ "workload_id": "1" });
    assert_eq!(state(&ask(&nats, "workload.start", start("1", &image)).await), "WORKLOAD_STATE_RUNNING");
    assert_eq!(state(&ask(&nats, "workload.status", &by_id).await), "WORKLOAD_STATE_RUNNING");
    let answer = request(&url, "GET", "/version", None, &[("host", "hello.example")]).unwrap();
    assert_eq!(answer.body, guests::marker(3));
    assert_eq!(get(&url, "/version").status, 404);
    assert_eq!(ask(&nats, "heartbeat", "not JSON").await["workloadCount"], "1");

    for (verb, command, expected) in [
        ("workload.start", start("1", &image).to_string(), "a workload `1` exists already"),
        ("workload.start", start("2", Path::new("/nowhere")).to_string(), "cannot read the image `/nowhere`"),
        ("workload.start", "not JSON".into(), "the command cannot be read"),
        ("workload.dance", "{}".into(), "unknown command `workload.dance`"),
    ] {
        let answer = ask(&nats, verb, command).await;
        assert_eq!(state(&answer), "WORKLOAD_STATE_ERROR", "{answer}");
        assert!(answer["workloadStatus"]["message"].as_str().unwrap().contains(expected), "{answer}");
    }
    assert_eq!(state(&ask(&nats, "workload.stop", &by_id).await), "WORKLOAD_STATE_STOPPING");
    assert_eq!(state(&ask(&nats, "workload.status", &by_id).await), "WORKLOAD_STATE_NOT_FOUND");
    let (code, _, stderr) = host.interrupt();
    assert_eq!((code, stderr.as_str()), (0, ""));
}

#[test]
fn the_cluster_host_says_what_is_wrong() {
    for (args, code, expected) in [
        (&[][..], 2, "hint: cluster_host nats://"),
        (&["nats://127.0.0.1:1", "id", "127.0.0.1:0"], 1, "hint: is the server running?"),
        (&["nats://127.0.0.1:1", "id", "8000"], 2, "`8000` is not an address"),
    ] {
        let ended = run(example("cluster_host").args(args)).expect_code(code);
        assert!(ended.stderr.contains(expected), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn the_code_of_the_page_is_that_of_the_examples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [
        "custom_host.rs",
        "cluster_host.rs",
        "custom_plugin/main.rs",
        "custom_plugin/tables.rs",
        "custom_plugin/wit/tables.wit",
    ];
    let examples = files.map(|file| std::fs::read_to_string(root.join("examples").join(file)).unwrap());
    let page = std::fs::read_to_string(root.join("docs/embedding.md")).unwrap();
    let mut blocks = 0;
    for block in page.split("\n```").skip(1).step_by(2) {
        let (language, code) = block.split_once('\n').unwrap_or_default();
        if ["rust", "wit"].contains(&language) {
            blocks += 1;
            assert!(examples.iter().any(|example| example.contains(code)), "no example has this any more:\n{code}");
        }
    }
    assert!(blocks >= 8, "the page has code");
}
