//! Ports, signals, keys: `wash dev` as a process among others.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{Sandbox, eventually, guests, is_alive, run, write};

#[test]
fn a_taken_port_is_an_immediate_error_that_names_it_and_its_owner() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("first", &guests::probe(), "");
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    let port = dev.url.rsplit(':').next().unwrap().to_string();
    let second = run(sandbox.wash(["dev", "--port", &port]).current_dir(&root)).expect_code(1);
    assert!(second.stderr.contains(&format!("127.0.0.1:{port} is already in use")), "{}", second.stderr);
    let pid = dev.pid().as_raw_nonzero().to_string();
    assert!(second.stderr.contains(&pid) && second.stderr.contains("wash"), "its owner is named: {}", second.stderr);
    assert!(second.stderr.contains("--port"), "and what to do: {}", second.stderr);
    assert!(!second.stderr.contains("Building"), "nothing was built: {}", second.stderr);
    assert_eq!(dev.get("/version").status, 200, "the first is not disturbed");
    dev.stop();
}

#[test]
fn ctrl_c_during_a_build_ends_the_whole_process_group() {
    let sandbox = Sandbox::new();
    let root = sandbox.path().join("project");
    let pids = sandbox.path().join("pids");
    write(
        &root.join("build.sh"),
        format!("sleep 1000 & echo $! >> '{0}'; echo $$ >> '{0}.tmp'; mv '{0}.tmp' '{0}.done'; wait\n", pids.display()),
    );
    write(&root.join(".wash/config.yaml"), "build:\n  command: sh build.sh\n  component_path: app.wasm\n");
    let mut dev = sandbox.dev(&root, &[]);
    dev.wait_for("building");
    let done = sandbox.path().join("pids.done");
    eventually("the build begins", || done.exists());
    let children: Vec<String> = fs::read_to_string(&pids).unwrap().lines().map(str::to_string).collect();
    let shell = fs::read_to_string(&done).unwrap();
    assert!(is_alive(&children[0]) && is_alive(&shell));
    dev.stop();
    for pid in children.iter().chain([&shell]) {
        eventually("a process of the build is left behind", || !is_alive(pid));
    }
}

#[test]
fn ctrl_c_lets_a_running_request_finish() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(1), "");
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    // The first drip has come, so the request runs; the others come while wash is being stopped.
    let mut stream = TcpStream::connect(dev.url.trim_start_matches("http://")).unwrap();
    stream.write_all(b"GET /drip?n=8&ms=100 HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n").unwrap();
    let mut received = Vec::new();
    let mut buffer = [0; 256];
    while !String::from_utf8_lossy(&received).contains("drip 0") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0);
        received.extend_from_slice(&buffer[..count]);
    }
    dev.interrupt();
    dev.wait_for("stopping");
    stream.read_to_end(&mut received).unwrap();
    assert!(String::from_utf8_lossy(&received).contains("drip 7"), "{}", String::from_utf8_lossy(&received));
    assert_eq!(dev.wait(), 130);
    assert_eq!(dev.wait_for("stopped")["connections_cut"], 0);
}

#[test]
fn the_second_ctrl_c_leaves_at_once() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(1), "");
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    let mut stream = TcpStream::connect(dev.url.trim_start_matches("http://")).unwrap();
    stream.write_all(b"GET /slow?ms=600000 HTTP/1.1\r\nhost: probe\r\n\r\n").unwrap();
    let address = dev.url.clone();
    // The request has certainly been taken when one that came after it has its answer.
    assert_eq!(dev.get("/version").status, 200);
    dev.interrupt();
    dev.wait_for("stopping");
    let before = Instant::now();
    dev.interrupt();
    assert_eq!(dev.wait(), 130);
    assert!(before.elapsed() < Duration::from_secs(8), "it did not wait for the request");
    assert!(TcpStream::connect(address.trim_start_matches("http://")).is_err(), "the port is free");
}

#[test]
fn ctrl_c_while_a_version_is_made_ready_ends_at_once() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(1), "");
    let mut dev = sandbox.dev(&root, &[]);
    // Right after the build the component is compiled and linked.
    dev.wait_for("built");
    dev.stop();
}

#[test]
fn sigterm_drains_as_ctrl_c_does() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(1), "");
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    rustix::process::kill_process(dev.pid(), rustix::process::Signal::TERM).unwrap();
    assert_eq!(dev.wait(), 130);
}

#[test]
fn the_listener_is_local_unless_asked_otherwise() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(1), "");
    let mut dev = sandbox.dev(&root, &[]);
    assert!(dev.url.starts_with("http://127.0.0.1:"), "{}", dev.url);
    dev.ready();
    dev.stop();
    let mut dev = sandbox.dev(&root, &["--address", "0.0.0.0:0"]);
    let listening = dev.events().into_iter().find(|event| event["event"] == "listening").unwrap();
    assert!(listening["address"].as_str().unwrap().starts_with("0.0.0.0:"), "{listening}");
    assert!(dev.url.starts_with("http://127.0.0.1:"), "a URL that a browser can open: {}", dev.url);
    dev.ready();
    dev.stop();
}

#[test]
fn a_changed_address_is_listened_to_without_a_restart() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(1), "");
    let settings = fs::read_to_string(root.join(".wash/config.yaml")).unwrap();
    let free = |_| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (first, second) = (free(1), free(2));
    let with_port = |port: u16| format!("{settings}dev:\n  address: 127.0.0.1:{port}\n");
    write(&root.join(".wash/config.yaml"), with_port(first));
    let mut command = sandbox.wash(["dev", "-o", "json"]);
    command.current_dir(&root);
    let mut dev = crate::support::Dev::start(command);
    dev.ready();
    write(&root.join(".wash/config.yaml"), with_port(second));
    let listening = dev.wait_for("listening");
    dev.url = listening["url"].as_str().unwrap().trim_end_matches('/').to_string();
    assert!(dev.url.ends_with(&second.to_string()));
    dev.answers("/version", &guests::marker(1));
    dev.stop();
}
