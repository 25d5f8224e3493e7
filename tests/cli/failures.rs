//! What users see when a tool fails: the tool's own text, then what it means and what to do. The
//! files of `tests/failures/` have both; the first part of each was written by the real tool. The tools of
//! those in `tests/failures/quoted/` are in no registry; their first line says who has reported the text.
//!
//! And what they see of `wash dev` when a component fails, or cannot be linked: `tests/failures/running/` has
//! what the terminal shows, made by real components.
//!
//!     WASH_ACCEPT=1 cargo nextest run -E 'test(failures::)'    # writes them anew

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;

use crate::support::dev::request;
use crate::support::upstream::Upstream;
use crate::support::{PATIENCE, Sandbox, guests, run, write};

/// Between what the tool has written and what wash adds.
const BORDER: &str = "\n======== and wash says\n";

#[test]
fn the_text_of_a_tool_is_shown_and_then_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/failures");
    let sandbox = Sandbox::new();
    sandbox.write(".wash/config.yaml", "build:\n  command: cat text; exit 1\n  component_path: app.wasm\n");
    let mut count = 0;
    let files = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    for path in files(&folder).chain(files(&folder.join("quoted"))).filter(|path| path.is_file()) {
        let content = std::fs::read_to_string(&path).unwrap();
        let (text, expected) = content.split_once(BORDER).unwrap_or((&content, ""));
        let text = text.trim_end();
        sandbox.write("text", text);
        let failed = run(&mut sandbox.wash(["build"])).expect_code(1);
        let shown = failed.stderr.find(text).unwrap_or_else(|| panic!("{path:?} is not shown:\n{}", failed.stderr));
        let said = failed.stderr[shown + text.len()..].replace(&sandbox.path().display().to_string(), "/home/me/hello");
        let said = said.trim();
        if std::env::var_os("WASH_ACCEPT").is_some() {
            std::fs::write(&path, format!("{text}\n{BORDER}{said}\n")).unwrap();
        } else {
            assert_eq!(said, expected.trim(), "{}", path.display());
        }
        assert!(said.contains("\nhint: "), "{} teaches nothing:\n{said}", path.display());
        count += 1;
    }
    assert!(count > 50, "{count}");
}

/// `wash dev` as its user sees it, without a terminal.
struct Loop {
    child: Child,
    lines: mpsc::Receiver<String>,
    url: String,
}

impl Loop {
    fn start(sandbox: &Sandbox, root: &Path) -> Loop {
        Loop::start_with(sandbox, root, &[])
    }

    fn start_with(sandbox: &Sandbox, root: &Path, environment: &[(&str, &str)]) -> Loop {
        let mut command = sandbox.wash(["dev", "--port", "0", "--no-console"]);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_ascii_lowercase());
        }
        command.envs(environment.iter().copied());
        let command = command.current_dir(root).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("wash starts");
        let (send, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().expect("stderr"));
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let mut this = Loop { child, lines, url: String::new() };
        let listening = this.until(|line| line.contains("Listening "));
        this.url = listening.trim().trim_start_matches("Listening ").trim_end_matches('/').to_string();
        this
    }

    /// All lines as far as the one that is meant.
    #[track_caller]
    fn until(&self, is_last: impl Fn(&str) -> bool) -> String {
        let mut text = String::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nothing more came after:\n{text}"));
            let _ = writeln!(text, "{line}");
            if is_last(&line) {
                return text;
            }
        }
    }

    fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("the signal is sent");
    }

    fn serves(&self) {
        self.until(|line| line.contains("edit and save"));
    }

    /// What is shown because of a request.
    #[track_caller]
    fn shows(&self, path: &str) -> String {
        // Some answers are cut off, which is the point.
        let _ = request(&self.url, "GET", path, None, &[]);
        self.until(|line| line.starts_with(' ') && line.contains(&format!(" GET {path} ")))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Compares with the file, without what differs from run to run.
#[track_caller]
fn as_in_the_file(name: &str, text: &str, masks: &[(&str, &str)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/failures/running").join(format!("{name}.txt"));
    let mut text = text.to_string();
    for (from, to) in masks {
        text = text.replace(from, to);
    }
    let lines = text.lines().map(|line| {
        let line = line.trim_end();
        // A matter of the system's resolver.
        let line = match line.split_once("the name has no address (") {
            Some((before, _)) => format!("{before}the name has no address (…)"),
            None => line.to_string(),
        };
        // A matter of the compiler's version and of the size of its stacks.
        match line.strip_suffix(" times").and_then(|line| line.rsplit_once(", ")) {
            _ if line.ends_with(" more of the language's runtime") => {
                "    … more of the language's runtime".to_string()
            }
            Some((line, _)) => format!("{line}, N times"),
            None => without_times(&line),
        }
    });
    let text: Vec<String> = lines.collect();
    let text = format!("{}\n", text.join("\n").trim_matches('\n'));
    if std::env::var_os("WASH_ACCEPT").is_some() {
        write(&path, &text);
    } else {
        assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
    }
}

/// The line of a request without its time: `GET / 200 1.2 ms #1`.
fn without_times(line: &str) -> String {
    let Some((line, version)) = line.rsplit_once(" #").filter(|(line, _)| line.contains(" GET ")) else {
        return line.to_string();
    };
    let (mut kept, mut numbers) = (Vec::new(), 0);
    for word in line.split(' ') {
        // The status is the first number.
        numbers += usize::from(word.trim_end_matches(',').parse::<f64>().is_ok());
        if numbers > 1 {
            break;
        }
        kept.push(word);
    }
    format!("{} … #{version}", kept.join(" "))
}

fn rogue(sandbox: &Sandbox, settings: &str) -> PathBuf {
    sandbox.copying_project("hello", &guests::rogue(), settings)
}

#[test]
fn what_a_component_does_wrong_is_shown_with_its_own_words_first_and_explained() {
    let sandbox = Sandbox::new();
    let hello = Loop::start(&sandbox, &rogue(&sandbox, "dev: {memory_limit_mb: 64, request_timeout_seconds: 300}\n"));
    hello.serves();
    for (name, path) in [
        ("panic", "/panic"),
        ("unreachable", "/unreachable"),
        ("overflow", "/overflow"),
        ("memory", "/hoard"),
        ("handles", "/handles"),
        ("flush-too-much", "/flush?4097"),
        ("write-too-much", "/write?10000000"),
        ("no-response", "/nothing"),
        ("response-twice", "/twice"),
        ("body-unfinished", "/unfinished"),
        ("body-before-its-stream", "/children"),
        ("body-too-short", "/short"),
        ("body-too-long", "/long"),
        ("header-of-the-host", "/connection"),
        ("header-syntax", "/space"),
        ("header-too-long", "/header?10000000"),
        ("header-of-the-request", "/received"),
    ] {
        as_in_the_file(name, &hello.shows(path), &[]);
    }
    // A project that was served before says more at its start.
    let sandbox = Sandbox::new();
    let slow = Loop::start(&sandbox, &rogue(&sandbox, "dev: {request_timeout_seconds: 2}\n"));
    slow.serves();
    as_in_the_file("too-slow", &slow.shows("/loop"), &[]);
    as_in_the_file("silent", &slow.shows("/silent"), &[]);
}

#[test]
fn why_another_server_did_not_answer_is_said_to_the_guest_and_to_the_developer() {
    let (plain, secure) = (Upstream::start(), Upstream::start_tls());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ports = [plain.port(), secure.port(), closed];
    let sandbox = Sandbox::new();
    let settings = format!("dev: {{allowed_host_loopback_ports: {ports:?}, request_timeout_seconds: 300}}\n");
    let hello = Loop::start(&sandbox, &rogue(&sandbox, &settings));
    hello.serves();
    let masks =
        [(plain.port().to_string(), "PLAIN"), (secure.port().to_string(), "SECURE"), (closed.to_string(), "CLOSED")];
    let masks: Vec<(&str, &str)> = masks.iter().map(|(port, name)| (port.as_str(), *name)).collect();
    let [plain, secure, closed] = ports;
    for (name, url) in [
        ("ask-refused", format!("http://127.0.0.1:{closed}/")),
        ("ask-denied", "http://127.0.0.1:9/".to_string()),
        ("ask-unknown", "http://no-such-host.invalid/".to_string()),
        ("ask-untrusted", format!("https://localhost:{secure}/")),
        ("ask-not-http", format!("http://localhost:{secure}/")),
        ("ask-silent", format!("http://127.0.0.1:{plain}/silent")),
    ] {
        as_in_the_file(name, &hello.shows(&format!("/ask?{url}")), &masks);
    }
    let proxy = proxy_that_reaches_nobody();
    let sandbox = Sandbox::new();
    let behind = Loop::start_with(&sandbox, &rogue(&sandbox, ""), &[("HTTPS_PROXY", &format!("http://{proxy}"))]);
    behind.serves();
    let shown = behind.shows("/ask?https://no-such-host.invalid/");
    as_in_the_file("ask-unreachable", &shown, &[(&proxy, "PROXY")]);
}

/// Answers each wish for a tunnel with 502.
fn proxy_that_reaches_nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let wish = BufReader::new(&stream).lines().map_while(Result::ok);
            wish.take_while(|line| !line.is_empty()).for_each(drop);
            let _ = (&stream).write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n");
        }
    });
    address
}

#[test]
fn a_component_that_cannot_be_linked_names_every_import_and_what_to_do() {
    let import = |interface: &str, function: &str| {
        let text = format!(
            "(component (import \"{interface}\" (instance (export \"{function}\" (func (param \"a\" string))))))"
        );
        wat::parse_str(text).expect("valid text")
    };
    for (name, component) in [
        ("link-unknown-and-other-version", guests::missing_import()),
        ("link-unknown-interface", import("wasi:keyvalue/cas@0.2.0-draft", "swap")),
        ("link-signature", import("wasi:random/insecure-seed@0.2.0", "insecure-seed")),
        ("link-no-function", import("wasi:random/insecure-seed@0.2.0", "seed")),
    ] {
        let sandbox = Sandbox::new();
        let root = sandbox.copying_project("hello", &component, "");
        let hello = Loop::start(&sandbox, &root);
        let before = hello.until(|line| line.starts_with("error"));
        let first = before.lines().last().unwrap_or_default();
        // What follows is one report, and comes before the loop says that it ends.
        hello.interrupt();
        let rest = hello.until(|line| line.contains("Stopping"));
        let rest = rest.rsplit_once("  Stopping").map_or("", |(rest, _)| rest);
        let text = format!("{first}\n{rest}");
        as_in_the_file(name, &text, &[]);
    }
}

#[test]
fn programs_get_the_text_and_the_meaning_in_the_document() {
    let sandbox = Sandbox::new();
    let command = "echo 'the `wasm32-wasip2` target may not be installed' >&2; exit 1";
    sandbox.write(".wash/config.yaml", format!("build:\n  command: \"{command}\"\n  component_path: app.wasm\n"));
    let failed = run(&mut sandbox.wash(["build", "-o", "json"])).expect_code(1).json();
    assert_eq!(failed["error"]["hints"][0], "rustup target add wasm32-wasip2");
    assert!(failed["error"]["details"].as_str().unwrap().contains("may not be installed"), "{failed}");
}
