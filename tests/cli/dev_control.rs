//! `wash dev status`, `send`, `call`, `functions` and `kv`: talking to a loop that runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Dev, Ended, PATIENCE, Sandbox, eventually, guests, run};

/// A loop with a component for each thing that can be asked for.
fn served(sandbox: &Sandbox) -> (PathBuf, Dev) {
    sandbox.write("more/tasks.wasm", guests::tasks());
    sandbox.write("more/echo.wasm", guests::echo_worker());
    let settings = "dev:\n  request_timeout_seconds: 5\n  components:\n    - name: tasks\n      file: ../more/tasks.wasm\n    \
                    - name: echo\n      file: ../more/echo.wasm\n";
    let root = sandbox.copying_project("hello", &guests::probe(), settings);
    let mut dev = sandbox.dev(&root, &["--no-console"]);
    dev.ready();
    (root, dev)
}

fn control(sandbox: &Sandbox, root: &Path, args: &[&str]) -> Ended {
    run(sandbox.wash(["dev"]).args(args).current_dir(root))
}

fn json(sandbox: &Sandbox, root: &Path, args: &[&str]) -> serde_json::Value {
    run(sandbox.wash(["-o", "json", "dev"]).args(args).current_dir(root)).expect_code(0).json()
}

#[test]
fn status_says_how_the_loop_is() {
    let sandbox = Sandbox::new();
    let (root, mut dev) = served(&sandbox);
    dev.get("/version");
    let status = json(&sandbox, &root, &["status"]);
    assert_eq!((&status["schema_version"], &status["command"]), (&1.into(), &"dev status".into()));
    assert_eq!((&status["state"], &status["project"]), (&"serving".into(), &"hello".into()));
    assert_eq!(status["url"].as_str().unwrap().trim_end_matches('/'), dev.url);
    assert_eq!(status["components"], serde_json::json!(["hello", "tasks", "echo"]));
    assert_eq!(status["console"], serde_json::Value::Null, "--no-console turns it off");
    assert_eq!(dev.count("console"), 0);
    // From a folder inside of the project, too.
    std::fs::create_dir(root.join("deep")).unwrap();
    let text = control(&sandbox, &root.join("deep"), &["status"]).expect_code(0).stdout;
    assert!(text.starts_with("hello  serving\n") && text.contains(&dev.url) && text.contains("requests   1"), "{text}");

    sandbox.write("hello/input.wasm", b"no component");
    dev.wait_for("build-failed");
    let broken = json(&sandbox, &root, &["status"]);
    assert_eq!((&broken["state"], &broken["generation"]), (&"broken".into(), &1.into()));
    assert!(broken["problem"]["message"].as_str().unwrap().contains("WebAssembly"), "{broken}");
}

#[test]
fn without_a_loop_it_says_how_to_start_one() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("hello", b"", "");
    let ended = control(&sandbox, &root, &["status"]).expect_code(1);
    assert_eq!(
        ended.stderr,
        format!(
            "error: no `wash dev` runs for `{0}`\nhint: start it in another terminal: wash -C '{0}' dev\n",
            root.display()
        )
    );
    let document = run(sandbox.wash(["-o", "json", "dev", "kv", "list"]).current_dir(&root)).expect_code(1).json();
    assert_eq!(document["command"], "dev kv list");
}

#[test]
fn what_a_killed_loop_left_behind_is_removed() {
    let sandbox = Sandbox::new();
    let (root, mut dev) = served(&sandbox);
    json(&sandbox, &root, &["status"]);
    rustix::process::kill_process(dev.pid(), rustix::process::Signal::KILL).unwrap();
    dev.wait();
    control(&sandbox, &root, &["status"]).expect_code(1);
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    assert_eq!(json(&sandbox, &root, &["status"])["process"], dev.pid().as_raw_nonzero().get());
    dev.stop();
    let left = control(&sandbox, &root, &["status"]).expect_code(1);
    assert!(left.stderr.contains("no `wash dev` runs"), "{}", left.stderr);
}

#[test]
fn of_several_loops_one_is_named() {
    let sandbox = Sandbox::new();
    let (root, one) = served(&sandbox);
    let mut two = sandbox.dev(&root, &[]);
    let warning = two.wait_for("warning");
    assert!(
        warning["message"].as_str().unwrap().contains("another wash dev of this project runs already"),
        "{warning}"
    );
    two.ready();
    let ended = control(&sandbox, &root, &["status"]).expect_code(1);
    assert!(ended.stderr.contains("several `wash dev` run") && ended.stderr.contains("--pid"), "{}", ended.stderr);
    for dev in [&one, &two] {
        let pid = dev.pid().as_raw_nonzero().get();
        let status = json(&sandbox, &root, &["status", "--pid", &pid.to_string()]);
        assert_eq!(status["url"].as_str().unwrap().trim_end_matches('/'), dev.url);
    }
    control(&sandbox, &root, &["status", "--pid", "1"]).expect_code(1);
}

#[test]
fn keys_are_set_listed_read_and_deleted() {
    let sandbox = Sandbox::new();
    let (root, dev) = served(&sandbox);
    let kv = |args: &[&str]| control(&sandbox, &root, &[&["kv"], args].concat());
    kv(&["set", "greeting", "hello there"]).expect_code(0);
    assert_eq!(dev.get("/kv/default/greeting").body, "hello there");
    dev.send("PUT", "/kv/carts/c1", "3 apples");
    assert_eq!(kv(&["get", "greeting"]).expect_code(0).stdout, "hello there");
    assert_eq!(kv(&["get", "c1", "--bucket", "carts"]).expect_code(0).stdout, "3 apples");
    assert_eq!(kv(&["list"]).expect_code(0).stdout, "greeting\n");
    assert_eq!(kv(&["list", "--buckets"]).expect_code(0).stdout, "carts\ndefault\n");
    assert_eq!(kv(&["list", "--bucket", "nobody"]).expect_code(0).stdout, "");
    let missing = kv(&["get", "nothing"]).expect_code(1);
    assert!(missing.stderr.starts_with("error: the bucket `default` has no key `nothing`"), "{}", missing.stderr);
    kv(&["delete", "greeting"]).expect_code(0);
    assert_eq!(dev.get("/kv/default/greeting").status, 404);

    // Bytes go in by stdin and come out as they are.
    let bytes = b"\xff\x00\xfe";
    sandbox.write("bytes", bytes);
    let file = std::fs::File::open(sandbox.path().join("bytes")).unwrap();
    let set = sandbox.wash(["dev", "kv", "set", "raw", "-"]).current_dir(&root).stdin(file).output().unwrap();
    assert!(set.status.success());
    let raw = sandbox.wash(["dev", "kv", "get", "raw"]).current_dir(&root).stdin(Stdio::null()).output().unwrap();
    assert_eq!(raw.stdout, bytes);
    let document = json(&sandbox, &root, &["kv", "get", "raw"]);
    assert_eq!((&document["value"]["base64"], &document["value"]["size"]), (&"/wD+".into(), &3.into()));
}

#[test]
fn more_keys_than_a_page_has_are_all_listed() {
    let sandbox = Sandbox::new();
    let (root, dev) = served(&sandbox);
    for number in 0..1203 {
        dev.send("PUT", &format!("/kv/many/{number:04}"), "v");
    }
    let keys = control(&sandbox, &root, &["kv", "list", "--bucket", "many"]).expect_code(0).stdout;
    assert_eq!(keys.lines().count(), 1203);
    assert_eq!((keys.lines().next(), keys.lines().last()), (Some("0000"), Some("1202")));
}

#[test]
fn messages_are_sent_and_answered() {
    let sandbox = Sandbox::new();
    let (root, dev) = served(&sandbox);
    let sent = control(&sandbox, &root, &["send", "tasks.new", "one"]).expect_code(0);
    assert_eq!(sent.stdout, "sent to tasks.new\n");
    eventually("the message is handled", || dev.get("/kv/messages/tasks.new").body == "one");
    let answered = control(&sandbox, &root, &["send", "--request", "tasks.ask", "two"]).expect_code(0);
    assert_eq!(answered.stdout, "echo:two");
    let document = json(&sandbox, &root, &["send", "--request", "tasks.ask", "three"]);
    assert_eq!(document["answer"]["text"], "echo:three");

    let failed = control(&sandbox, &root, &["send", "--request", "tasks.ask", "fail"]).expect_code(1);
    assert!(failed.stderr.contains("cannot send to `tasks.ask`"), "{}", failed.stderr);
    let wrong = control(&sandbox, &root, &["send", "a..b", "x"]).expect_code(2);
    assert!(wrong.stderr.contains("a..b"), "{}", wrong.stderr);
    control(&sandbox, &root, &["send", "a.b", "x", "--timeout", "5"]).expect_code(2);
}

#[test]
fn functions_are_called_with_typed_arguments() {
    let sandbox = Sandbox::new();
    let (root, mut dev) = served(&sandbox);
    let call = |text: &str| control(&sandbox, &root, &["call", text]);
    assert_eq!(call("test:tasks/tasks@0.1.0#plain(\"it\")").expect_code(0).stdout, "\"done: it\"\n");
    assert_eq!(call("tasks#work({name: \"it\", size: 3})").expect_code(0).stdout, "ok(\"done: it of 3\")\n");
    assert_eq!(call("vary(\"fail\")").expect_code(0).stdout, "err(busy)\n");
    assert_eq!(call("tasks#double([1, 2, 100])").expect_code(0).stdout, "[2, 4, 200]\n");
    assert_eq!(call("calls").expect_code(0).stdout, "1\n");
    assert_eq!(call("calls()").expect_code(0).stdout, "1\n", "each call has an instance of its own");
    let document = json(&sandbox, &root, &["call", "tasks#vary(\"fail\")"]);
    assert_eq!(document["value"], serde_json::json!({"err": "busy"}));
    assert_eq!(document["result"], "err(busy)");

    let wrong = call("tasks#work(\"it\")").expect_code(2);
    assert!(wrong.stderr.contains("the arguments of `test:tasks/tasks@0.1.0#work` are wrong"), "{}", wrong.stderr);
    let signature = "its signature is `work: func(job: record { name: string, size: u32 }) -> result<string, string>`";
    assert!(wrong.stderr.contains(signature), "{}", wrong.stderr);
    assert!(
        wrong.stderr.contains("wash dev call 'test:tasks/tasks@0.1.0#work({name: \"\", size: 0})'"),
        "{}",
        wrong.stderr
    );
    let unknown = call("tasks#wrok(1)").expect_code(2);
    assert!(unknown.stderr.contains("the nearest is `test:tasks/tasks@0.1.0#work`"), "{}", unknown.stderr);
    let handles = call("incoming-handler#handle(1, 2)").expect_code(1);
    assert!(handles.stderr.contains("it passes a resource"), "{}", handles.stderr);
    let trap = call("tasks#plain(\"trap\")").expect_code(1);
    assert!(trap.stderr.contains("tasks panic on purpose"), "{}", trap.stderr);
    dev.wait_for("fault");
    let endless = call("tasks#plain(\"loop\")").expect_code(1);
    assert!(endless.stderr.contains("no end within 5 seconds"), "{}", endless.stderr);

    let list = control(&sandbox, &root, &["functions"]).expect_code(0).stdout;
    assert!(list.contains("tasks  test:tasks/tasks@0.1.0\n  calls: func() -> u32\n"), "{list}");
    assert!(list.contains("(it passes a resource, for which there is no text)"), "{list}");
}

#[test]
fn commands_before_the_first_version_say_what_to_wait_for() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("hello", b"no component", "");
    let mut dev = sandbox.dev(&root, &[]);
    dev.wait_for("build-failed");
    assert_eq!(json(&sandbox, &root, &["status"])["state"], "broken");
    let ended = control(&sandbox, &root, &["kv", "list"]).expect_code(1);
    assert!(ended.stderr.contains("no version serves yet"), "{}", ended.stderr);
}

#[test]
fn flags_of_the_loop_and_commands_do_not_mix() {
    let sandbox = Sandbox::new();
    let ended = control(&sandbox, &sandbox.path(), &["--fresh", "status"]).expect_code(2);
    assert!(ended.stderr.contains("cannot be used with"), "{}", ended.stderr);
}

#[test]
#[cfg(target_os = "linux")]
fn nobody_else_can_open_the_socket() {
    use std::os::unix::fs::PermissionsExt;

    let sandbox = Sandbox::new();
    let (_root, dev) = served(&sandbox);
    // Asked of the system, since the path is nobody's business.
    let pid = dev.pid().as_raw_nonzero().get();
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
    let path = sockets
        .lines()
        .filter_map(|line| line.split_whitespace().nth(7))
        .find(|path| path.contains(&format!("-{pid}.sock")));
    let path = Path::new(path.expect("the loop has a socket"));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert!(path.as_os_str().len() <= 100);
}

#[test]
fn a_pipe_that_closes_is_no_error() {
    let sandbox = Sandbox::new();
    let (root, _dev) = served(&sandbox);
    let mut child: Command = sandbox.wash(["dev", "functions"]);
    let mut child = child.current_dir(&root).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let deadline = std::time::Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert!(child.wait().unwrap().success());
}
