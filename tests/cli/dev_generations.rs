//! Components of WASI 0.3, beside those of 0.2.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use crate::support::dev::request;
use crate::support::{Dev, Sandbox, guests};

fn serve(settings: &str) -> (Sandbox, PathBuf, Dev) {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe3", &guests::probe3(), settings);
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, root, dev)
}

#[test]
fn a_component_of_0_3_answers_with_uri_body_and_environment() {
    let (_sandbox, _root, dev) = serve("dev:\n  environment: {COLOUR: green}\n");
    assert_eq!(dev.get("/uri?x=1").body, format!("GET {}/uri?x=1", dev.url));
    let body = "abc".repeat(200_000);
    assert_eq!(dev.send("POST", "/echo", &body).body, body);
    assert!(dev.get("/env").body.contains("COLOUR=green"));
    assert_eq!(dev.get("/nowhere").status, 404);
    for _ in 0..3 {
        assert_eq!(dev.get("/calls").body, "1", "each request has a new instance");
    }
    dev.stop();
}

#[test]
fn bodies_stream_while_they_come() {
    let (_sandbox, _root, dev) = serve("");
    let mut stream = TcpStream::connect(dev.url.trim_start_matches("http://")).unwrap();
    let head = "POST /echo HTTP/1.1\r\nhost: probe\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut seen = String::new();
    for part in ["first", "second"] {
        stream.write_all(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes()).unwrap();
        let mut buffer = [0; 1024];
        // The next part is only sent when this one has come back.
        while !seen.contains(part) {
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "{seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    stream.read_to_string(&mut seen).unwrap();
    assert!(seen.ends_with("0\r\n\r\n"), "{seen}");
    dev.stop();
}

#[test]
fn outgoing_requests_and_output_work_as_in_0_2() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.copying_project("upstream", &guests::probe_version(5), "");
    let mut other = sandbox.dev(&upstream, &[]);
    other.ready();
    let port = other.url.rsplit(':').next().unwrap().to_string();
    let (_sandbox, root, mut dev) = serve("");
    let denied = dev.get(&format!("/fetch?{}/version", other.url));
    assert!(denied.status == 500 && denied.body.contains("DestinationIpProhibited"), "{denied:?}");
    let settings = std::fs::read_to_string(root.join(".wash/config.yaml")).unwrap();
    let allowed = format!("{settings}dev:\n  allowed_host_loopback_ports: [{port}]\n");
    crate::support::write(&root.join(".wash/config.yaml"), allowed);
    dev.ready();
    let answer = dev.get(&format!("/fetch?{}/version", other.url));
    assert_eq!(answer.body, guests::marker(5), "{answer:?}");
    assert_eq!(dev.get("/say?hello").body, "said");
    let output = dev.wait_for_event("output", |event| event["line"] == "probe3 says hello");
    assert_eq!(output["component"], "probe3");
    other.stop();
    dev.stop();
}

#[test]
fn faults_of_0_3_are_explained_and_disturb_nobody() {
    let (_sandbox, _root, mut dev) = serve("dev:\n  request_timeout_seconds: 1\n");
    let answer = dev.get("/trap");
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("probe3 panic on purpose"), "{}", answer.body);
    assert_eq!(dev.wait_for("fault")["what"], "GET /trap");
    let answer = dev.get("/fail");
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("probe3 failed on purpose"), "{}", answer.body);
    let loops: Vec<_> = (0..3)
        .map(|_| {
            let url = dev.url.clone();
            std::thread::spawn(move || request(&url, "GET", "/loop", None, &[]).unwrap().status)
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(dev.get("/calls").body, "1");
    }
    for answer in loops {
        assert_eq!(answer.join().unwrap(), 504);
    }
    dev.stop();
}

#[test]
fn an_edit_swaps_one_generation_for_the_other() {
    let (_sandbox, root, mut dev) = serve("");
    assert_eq!(dev.get("/calls").body, "1");
    crate::support::write(&root.join("input.wasm"), guests::probe_version(3));
    dev.ready();
    dev.answers("/version", &guests::marker(3));
    dev.stop();
}
