//! Components that do what no component should, while others are served by the same threads.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::support::dev::request;
use crate::support::{Dev, PATIENCE, Sandbox, guests, write};

/// As many calls at a time as the tests allow. More loops than serving threads.
const CALLS: usize = 12;

fn serve(component: &[u8], settings: &str) -> (Sandbox, Dev) {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("rogue", component, settings);
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, dev)
}

/// Long enough for a busy machine, on which every loop of these tests takes its turn before a
/// bystander does.
fn five_seconds() -> String {
    format!("dev: {{request_timeout_seconds: 5, max_invocations: {CALLS}, memory_limit_mb: 64}}\n")
}

/// Somebody who wants nothing but an answer, again and again.
struct Bystander {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Bystander {
    fn asks(dev: &Dev, path: &'static str) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (url, until, count) = (dev.url.clone(), stop.clone(), answered.clone());
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::SeqCst) {
                let answer = request(&url, "GET", path, None, &[]).unwrap();
                assert_eq!(answer.status, 200, "{answer:?}");
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Bystander { stop, answered, thread }
    }

    /// Waits until one more request was answered, from beginning to end.
    #[track_caller]
    fn is_answered(&self) {
        let enough = self.answered.load(Ordering::SeqCst) + 2;
        let deadline = Instant::now() + PATIENCE;
        while self.answered.load(Ordering::SeqCst) < enough {
            assert!(!self.thread.is_finished(), "a bystander was not served");
            assert!(Instant::now() < deadline, "a bystander waits");
            std::thread::yield_now();
        }
    }

    #[track_caller]
    fn ends(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("bystanders are served");
    }
}

/// Sends a request on its own thread.
fn ask(dev: &Dev, path: &str) -> JoinHandle<crate::support::dev::Answer> {
    let (url, path) = (dev.url.clone(), path.to_string());
    std::thread::spawn(move || request(&url, "GET", &path, None, &[]).unwrap())
}

fn connect(dev: &Dev) -> TcpStream {
    let stream = TcpStream::connect(dev.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_until(stream: &mut TcpStream, end: &str) {
    let mut seen = Vec::new();
    let mut buffer = [0; 1];
    while !seen.ends_with(end.as_bytes()) {
        assert_eq!(stream.read(&mut buffer).unwrap(), 1, "{}", String::from_utf8_lossy(&seen));
        seen.push(buffer[0]);
    }
}

/// As many calls as are allowed run at the same time: nothing of those before holds a place.
#[track_caller]
fn all_places_are_free(dev: &Dev) {
    let mut calls: Vec<TcpStream> = (0..CALLS).map(|_| connect(dev)).collect();
    for call in &mut calls {
        call.write_all(b"POST /hold HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n")
            .unwrap();
    }
    for call in &mut calls {
        read_until(call, "holding");
    }
    for call in &mut calls {
        call.write_all(b"3\r\nabc\r\n0\r\n\r\n").unwrap();
        read_until(call, "0\r\n\r\n");
    }
}

/// Resident memory in MiB.
#[cfg(target_os = "linux")]
fn memory(dev: &Dev) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", dev.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
}

#[test]
fn what_never_ends_costs_its_own_request_only() {
    for (component, ways) in [
        (guests::rogue(), &["/loop", "/clock", "/poll", "/chatter", "/lines", "/wait"][..]),
        (guests::probe3(), &["/loop", "/clock", "/poll", "/lines", "/wait"][..]),
    ] {
        let (_sandbox, dev) = serve(&component, &five_seconds());
        let bystander = Bystander::asks(&dev, "/ok");
        let calls: Vec<_> = ways.iter().map(|path| (path, ask(&dev, path))).collect();
        bystander.is_answered();
        for (path, call) in calls {
            let answer = call.join().unwrap();
            assert_eq!(answer.status, 504, "{path}: {answer:?}");
            assert!(answer.body.starts_with("the component did not answer in time\n"), "{path}: {answer:?}");
            assert!(answer.body.contains("no answer within 5 seconds"), "{path}: {answer:?}");
        }
        bystander.ends();
        all_places_are_free(&dev);
        dev.stop();
    }
}

#[test]
fn what_traps_is_explained_and_nobody_else_notices() {
    for (component, ways) in [
        (
            guests::rogue(),
            &[
                ("/hoard", "memory"),
                ("/handles", "more handles"),
                ("/header?10000000", "header"),
                ("/headers?100000", "header"),
            ][..],
        ),
        (
            guests::probe3(),
            &[
                ("/hoard", "memory"),
                ("/overflow", "calls itself"),
                ("/header?10000000", "header"),
                ("/trap", "on purpose"),
            ],
        ),
    ] {
        let (_sandbox, dev) = serve(&component, &format!("dev: {{max_invocations: {CALLS}, memory_limit_mb: 64}}\n"));
        let bystander = Bystander::asks(&dev, "/ok");
        for (path, words) in ways {
            let calls: Vec<_> = (0..4).map(|_| ask(&dev, path)).collect();
            bystander.is_answered();
            for call in calls {
                let answer = call.join().unwrap();
                assert_eq!(answer.status, 500, "{path}: {answer:?}");
                assert!(answer.body.starts_with("the component failed\n"), "{path}: {answer:?}");
                assert!(answer.body.contains(words), "{path}: {answer:?}");
            }
        }
        bystander.ends();
        all_places_are_free(&dev);
        dev.stop();
    }
}

/// A component of WASI 0.2 whose core module is this text; it has a function `handle`.
fn component(module: &str) -> Vec<u8> {
    let text = format!(
        "(component
          (import \"wasi:http/types@0.2.0\" (instance $types
            (export \"incoming-request\" (type (sub resource)))
            (export \"response-outparam\" (type (sub resource)))))
          (alias export $types \"incoming-request\" (type $request))
          (alias export $types \"response-outparam\" (type $out))
          (core module $m {module})
          (core instance $i (instantiate $m))
          (func $handle (param \"request\" (own $request)) (param \"response-out\" (own $out))
            (canon lift (core func $i \"handle\")))
          (instance $handler (export \"handle\" (func $handle)))
          (export \"wasi:http/incoming-handler@0.2.0\" (instance $handler)))"
    );
    wat::parse_str(text).expect("valid text")
}

#[test]
fn tables_are_limited_like_memory() {
    let endless = component(
        "(table $t 1 funcref)
         (func (export \"handle\") (param i32 i32)
           (loop $again
             (if (i32.eq (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)) (then unreachable))
             (br $again)))",
    );
    let (_sandbox, dev) = serve(&endless, "");
    for _ in 0..3 {
        let answer = dev.get("/");
        assert!(answer.status == 500 && answer.body.contains("unreachable"), "the table did not grow: {answer:?}");
    }
    dev.stop();
}

#[test]
fn a_component_that_does_not_start_is_not_taken_over() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("rogue", &guests::rogue(), &five_seconds());
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    let bystander = Bystander::asks(&dev, "/ok");
    let handle = "(func (export \"handle\") (param i32 i32))";
    for (start, words) in [
        ("(func $f (loop $again (br $again))) (start $f)", "was not started within 5 s"),
        ("(func $f unreachable) (start $f)", "unreachable"),
        ("(memory 10000)", "memory"),
        ("(table 100000 funcref)", "table"),
    ] {
        write(&root.join("input.wasm"), component(&format!("{start} {handle}")));
        let report = dev.wait_for("not-ready");
        let text = report["error"].to_string();
        assert!(text.contains(words), "{words}: {text}");
        assert_eq!(report["still_serving"], true);
        bystander.is_answered();
    }
    bystander.ends();
    dev.stop();
}

/// Reads to the end, however it ends.
fn read_all(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let ended = stream.read_to_end(&mut all).is_ok();
    (all, ended)
}

#[test]
fn a_response_that_goes_wrong_after_its_head_is_cut_and_its_place_is_free_again() {
    for (component, ways) in
        [(guests::rogue(), &["/twice", "/silent", "/after"][..]), (guests::probe3(), &["/after"][..])]
    {
        let (_sandbox, mut dev) = serve(&component, &five_seconds());
        let bystander = Bystander::asks(&dev, "/ok");
        for path in ways {
            let mut calls: Vec<_> = (0..3)
                .map(|_| {
                    let mut stream = connect(&dev);
                    write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
                    stream
                })
                .collect();
            for stream in &mut calls {
                let (answer, _) = read_all(stream);
                let answer = String::from_utf8_lossy(&answer);
                assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
                // What is complete is complete for the client, whatever the guest does then.
                assert_eq!(answer.ends_with("0\r\n\r\n"), *path == "/after", "{path}: {answer}");
            }
            bystander.is_answered();
        }
        bystander.ends();
        // What goes on after its response has its place for the time of one request.
        for _ in 0..3 {
            dev.wait_for_event("request", |event| event["path"] == "/after");
        }
        all_places_are_free(&dev);
        if ways.len() > 1 {
            for (what, words) in [("GET /twice", "handle"), ("GET /silent", "sent nothing for 5 seconds")] {
                let fault = dev.events().into_iter().find(|event| event["event"] == "fault" && event["what"] == what);
                let fault = fault.unwrap_or_else(|| panic!("{what} was told of"));
                assert!(fault["reason"].as_str().unwrap().contains(words), "{fault}");
            }
        }
        dev.stop();
    }
}

#[test]
fn a_panic_while_a_resource_is_dropped_is_the_callers_failure() {
    let sandbox = Sandbox::new();
    let settings = "dev:\n  components:\n    - {name: cart, file: cart.wasm}\n";
    let root = sandbox.copying_project("front", &guests::shop_front(), settings);
    write(&root.join("cart.wasm"), guests::shop_cart());
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    let bystander = Bystander::asks(&dev, "/calls");
    for _ in 0..5 {
        let answer = dev.get("/poison");
        assert!(answer.status == 500 && answer.body.contains("while a basket is dropped"), "{answer:?}");
        // All of it was written, and whether that was its end is not known of a component that trapped.
        let _ = request(&dev.url, "GET", "/poisonlate", None, &[]);
    }
    dev.wait_for_event("fault", |event| event["what"] == "GET /poisonlate");
    bystander.is_answered();
    bystander.ends();
    dev.stop();
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_that_does_not_read_costs_no_memory_and_one_that_leaves_frees_its_place() {
    for component in [guests::rogue(), guests::probe3()] {
        let (_sandbox, mut dev) = serve(&component, &five_seconds());
        let bystander = Bystander::asks(&dev, "/ok");
        let begin = |path: &str| {
            let mut stream = connect(&dev);
            write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
            stream
        };
        // One place is left for the bystander.
        let mut readers: Vec<_> = (1..CALLS).map(|_| begin("/flood")).collect();
        for reader in &mut readers {
            read_until(reader, "\r\n\r\n");
        }
        bystander.is_answered();
        let before = memory(&dev);
        for _ in 0..20 {
            bystander.is_answered();
        }
        let grown = memory(&dev).saturating_sub(before);
        assert!(grown < 64, "{grown} MiB more while nobody reads");
        drop(readers);
        for path in ["/flood", "/loop", "/wait"] {
            let calls: Vec<_> = (1..CALLS).map(|_| begin(path)).collect();
            bystander.is_answered();
            drop(calls);
        }
        bystander.ends();
        all_places_are_free(&dev);
        let left = |event: &serde_json::Value| event["path"] == "/flood" && event["client_left"] == true;
        dev.wait_for_event("request", left);
        dev.stop();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_million_chunks_of_one_byte_pass_in_both_directions() {
    for (component, down, up) in [(guests::rogue(), 1_000_000, 100_000), (guests::probe3(), 100_000, 1_000_000)] {
        let (_sandbox, dev) = serve(&component, &format!("dev: {{max_invocations: {CALLS}}}\n"));
        let bystander = Bystander::asks(&dev, "/ok");
        bystander.is_answered();
        let before = memory(&dev);
        assert_eq!(dev.get(&format!("/crumbs?{down}")).body.len(), down);
        bystander.is_answered();
        let mut stream = connect(&dev);
        let head = "POST /hold HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut reading = stream.try_clone().unwrap();
        let answer = std::thread::spawn(move || read_all(&mut reading));
        let crumbs = b"1\r\nx\r\n".repeat(1000);
        for _ in 0..up / 1000 {
            stream.write_all(&crumbs).unwrap();
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
        let (answer, ended) = answer.join().unwrap();
        assert!(
            ended && answer.ends_with(b"0\r\n\r\n"),
            "{}",
            String::from_utf8_lossy(&answer[..200.min(answer.len())])
        );
        bystander.is_answered();
        bystander.ends();
        let grown = memory(&dev).saturating_sub(before);
        assert!(grown < 128, "{grown} MiB more");
        all_places_are_free(&dev);
        dev.stop();
    }
}

#[test]
fn a_client_that_does_not_send_its_body_is_told_so_and_not_the_component() {
    for (component, path) in [(guests::probe(), "/write?path=x"), (guests::relay_front(), "/shout")] {
        let sandbox = Sandbox::new();
        let settings = "dev:\n  request_timeout_seconds: 1\n  components: [{name: back, file: back.wasm}]\n";
        let root = sandbox.copying_project("rogue", &component, settings);
        write(&root.join("back.wasm"), guests::relay_back());
        let mut dev = sandbox.dev(&root, &[]);
        dev.ready();
        let mut stream = connect(&dev);
        write!(stream, "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\nconnection: close\r\n\r\nabc")
            .unwrap();
        let (answer, _) = read_all(&mut stream);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{path}: {answer}");
        assert!(answer.ends_with("the body of the request did not come in time\n"), "{path}: {answer}");
        assert_eq!(dev.count("fault"), 0);
        dev.stop();
    }
}

#[test]
fn calls_beyond_the_limit_wait_and_then_get_503() {
    let (_sandbox, dev) = serve(&guests::rogue(), "dev: {max_invocations: 1, request_timeout_seconds: 60}\n");
    let mut holder = connect(&dev);
    holder.write_all(b"POST /hold HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
    read_until(&mut holder, "holding");
    let mut waiting = connect(&dev);
    waiting.write_all(b"GET /ok HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let (answer, _) = read_all(&mut waiting);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1"), "{answer}");
    assert!(answer.ends_with("the component is busy\n"), "{answer}");
    drop(holder);
    // The place is free again.
    assert_eq!(dev.get("/ok").body, "fine");
    dev.stop();
}

/// Again and again: nothing is kept of instances that failed.
#[cfg(target_os = "linux")]
#[test]
fn failures_leave_no_memory_behind() {
    let (_sandbox, dev) = serve(&guests::rogue(), "dev: {memory_limit_mb: 64}\n");
    let round = || {
        for path in ["/hoard", "/handles", "/header?10000000"] {
            assert_eq!(dev.get(path).status, 500, "{path}");
        }
    };
    for _ in 0..5 {
        round();
    }
    let before = memory(&dev);
    for _ in 0..20 {
        round();
    }
    let grown = memory(&dev).saturating_sub(before);
    assert!(grown < 64, "{grown} MiB more");
    dev.stop();
}
