//! Swapping under load: no request fails, none gets an answer of two versions, nothing is lost.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::{Sandbox, guests, write};

/// One connection that asks for the version again and again; returns how many answers it got.
fn ask_without_end(address: &str, stop: &AtomicBool, asked: &AtomicU64, newest: &AtomicU64) -> u64 {
    let stream = TcpStream::connect(address).expect("a connection");
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    let mut answers = 0;
    while !stop.load(Ordering::Relaxed) {
        let newest_before = newest.load(Ordering::SeqCst);
        writer.write_all(b"GET /version HTTP/1.1\r\nhost: probe\r\n\r\n").expect("the connection is never cut");
        asked.fetch_add(1, Ordering::Relaxed);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "{line:?} after {answers} answers");
        let mut length = None;
        let mut chunked = false;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let header = header.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length: ") {
                length = Some(value.parse::<usize>().unwrap());
            }
            chunked |= header == "transfer-encoding: chunked";
        }
        let body = match (length, chunked) {
            (Some(length), _) => {
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                body
            }
            (None, true) => {
                let mut body = Vec::new();
                loop {
                    let mut size = String::new();
                    reader.read_line(&mut size).unwrap();
                    let size = usize::from_str_radix(size.trim(), 16).unwrap();
                    let mut chunk = vec![0; size + 2];
                    reader.read_exact(&mut chunk).unwrap();
                    if size == 0 {
                        break;
                    }
                    body.extend_from_slice(&chunk[..size]);
                }
                body
            }
            (None, false) => panic!("a body without a length"),
        };
        let text = String::from_utf8(body).unwrap();
        let version: u64 = text.strip_prefix("WASH-PROBE-VERSION-").expect(&text).parse().expect("a whole version");
        assert!(version >= newest_before, "version {version} after {newest_before} was announced");
        answers += 1;
    }
    answers
}

#[test]
fn a_hundred_swaps_under_load_lose_no_request() {
    const SWAPS: u32 = 100;
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(0), "");
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    assert_eq!(dev.send("PUT", "/kv/shop/apples", "still here").status, 204);
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicU64::new(0));
    // The newest version that has been announced: no request that begins later may see an older one.
    let newest = Arc::new(AtomicU64::new(0));
    let address = dev.url.trim_start_matches("http://").to_string();
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (address, stop, asked, newest) = (address.clone(), stop.clone(), asked.clone(), newest.clone());
            std::thread::spawn(move || ask_without_end(&address, &stop, &asked, &newest))
        })
        .collect();
    for version in 1..=SWAPS {
        write(&root.join("input.wasm"), guests::probe_version(version));
        let ready = dev.ready();
        newest.store(u64::from(version), Ordering::SeqCst);
        assert_eq!(ready["generation"], version + 1);
        assert_eq!(dev.get("/kv/shop/apples").body, "still here");
    }
    stop.store(true, Ordering::Relaxed);
    let answers: u64 = load.into_iter().map(|thread| thread.join().expect("no request failed")).sum();
    assert_eq!(answers, asked.load(Ordering::Relaxed));
    assert!(answers > u64::from(SWAPS), "there was load: {answers} answers");
    assert_eq!(dev.count("fault"), 0);
    dev.stop();
}

#[test]
fn a_request_finishes_on_the_version_that_took_it() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(1), "");
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    let mut stream = TcpStream::connect(dev.url.trim_start_matches("http://")).unwrap();
    stream.write_all(b"GET /drip?n=30&ms=100 HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n").unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while !line.contains("drip 0") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0);
    }
    write(&root.join("input.wasm"), guests::probe_version(2));
    dev.ready();
    dev.answers("/version", &guests::marker(2));
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("drip 29"), "{rest}");
    let request = dev.wait_for_event("request", |event| event["path"].as_str().unwrap().starts_with("/drip"));
    assert_eq!(request["generation"], 1);
    dev.stop();
}

#[test]
fn a_sidecar_project_is_rebuilt_alone() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project(
        "main",
        &guests::probe_version(1),
        "dev:\n  components:\n    - name: worker\n      project: worker\n",
    );
    let worker = root.join("worker");
    write(&worker.join("input.wasm"), guests::echo_worker());
    write(
        &worker.join(".wash/config.yaml"),
        "build:\n  command: cp input.wasm built.wasm\n  component_path: built.wasm\n",
    );
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    assert_eq!(dev.send("POST", "/request?subject=any&timeout=5000", "hi").body, "echo:hi");
    let before = dev.count("building");
    write(&worker.join("notes.txt"), "a change of the worker");
    assert_eq!(dev.wait_for_event("building", |event| event["project"] == "worker")["project"], "worker");
    dev.wait_for_event("built", |event| event["project"] == "worker");
    assert_eq!(dev.count("building"), before + 1, "the main project was not built");
    dev.stop();
}

#[test]
fn a_changed_component_file_is_taken_without_a_build() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project(
        "main",
        &guests::probe_version(1),
        "dev:\n  components:\n    - name: worker\n      file: worker.wasm\n",
    );
    write(&root.join("worker.wasm"), guests::echo_worker());
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    let before = dev.count("building");
    write(&root.join("worker.wasm"), guests::probe_version(7));
    assert_eq!(dev.ready()["generation"], 2);
    assert_eq!(dev.send("POST", "/request?subject=any&timeout=5000", "hi").status, 504, "nobody handles messages now");
    assert_eq!(dev.count("building"), before);
    dev.stop();
}
