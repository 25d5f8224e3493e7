//! Services: programs that run for as long as the workload, and the network that they share with it.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value;

use crate::support::dev::{Answer, request};
use crate::support::{Dev, Sandbox, guests, run, write};

/// The probe with a service beside it that does what `service` says.
fn with_service(service: &str, more: &str) -> (Sandbox, PathBuf, Dev) {
    let sandbox = Sandbox::new();
    let settings = format!("dev:\n  service_file: service.wasm\n  environment: {{SERVICE: '{service}'}}\n{more}");
    let root = sandbox.copying_project("app", &guests::probe(), &settings);
    write(&root.join("service.wasm"), guests::service());
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, root, dev)
}

/// A project that is a service and nothing else.
fn alone(service: &str, more: &str) -> (Sandbox, PathBuf, Dev) {
    let sandbox = Sandbox::new();
    let settings = format!("dev:\n  environment: {{SERVICE: '{service}'}}\n{more}");
    let root = sandbox.copying_project("app", &guests::service(), &settings);
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, root, dev)
}

#[track_caller]
fn state(dev: &mut Dev, state: &str) -> Value {
    dev.wait_for_event("service", |event| event["state"] == state)
}

fn ask(dev: &Dev, line: &str) -> Answer {
    dev.get(&format!("/tcp?to=127.0.0.1:7000&text={}%0A", line.replace(' ', "%20")))
}

#[test]
fn a_service_whose_secret_changes_is_started_again() {
    let (_sandbox, root, mut dev) = with_service("tcp", "  secrets: {key: first}\n");
    let running = |dev: &mut Dev, generation: u64| {
        dev.wait_for_event("service", |event| event["state"] == "running" && event["generation"] == generation)
    };
    running(&mut dev, 1);
    let settings = std::fs::read_to_string(root.join(".wash/config.yaml")).unwrap();
    write(&root.join(".wash/config.yaml"), settings.replace("first", "second"));
    running(&mut dev, 2);
    dev.stop();
}

#[test]
fn a_component_reaches_the_service_of_its_workload_as_localhost() {
    let (_sandbox, _root, mut dev) = with_service("tcp", "");
    // No waiting for the service here: the first connection waits for it.
    assert_eq!(ask(&dev, "accepted").body, "1");
    let running = state(&mut dev, "running");
    assert_eq!((&running["service"], &running["restarts"]), (&Value::from("service"), &Value::from(0)));
    dev.wait_for_event("output", |event| {
        event["line"] == "listening on 127.0.0.1:7000" && event["component"] == "service"
    });
    assert_eq!(dev.get("/tcp?to=localhost:7000&text=accepted%0A").body, "2", "no permission to look up is needed");
    let peer = ask(&dev, "peer").body;
    assert!(peer.contains("127, 0, 0, 1"), "{peer}");
    assert_eq!(dev.get("/tcp?to=127.0.0.1:7001&text=x").status, 502, "nothing listens there");
    let told = dev.wait_for_event("network", |event| event["reason"].to_string().contains("tcp://127.0.0.1:7001"));
    assert!(told["reason"].as_str().unwrap().contains("nothing listens"), "{told}");
    dev.stop();
}

/// Components that are composed are one store with several members; each has the workload's network.
#[test]
fn linked_components_reach_the_service_each_by_itself() {
    let sandbox = Sandbox::new();
    let settings = "dev:\n  service_file: service.wasm\n  environment: {SERVICE: tcp}\n  components:\n    - {name: cart, file: cart.wasm}\n";
    let root = sandbox.copying_project("front", &guests::shop_front(), settings);
    write(&root.join("cart.wasm"), guests::shop_cart());
    write(&root.join("service.wasm"), guests::service());
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    assert_eq!(dev.get("/reach?127.0.0.1:7000").body, "front: reached, cart: reached");
    assert_eq!(dev.get("/reach?127.0.0.1:7001").body, "front: connection refused, cart: connection refused");
    dev.stop();
}

#[test]
fn the_one_function_of_the_one_interface_is_a_service_too() {
    let component = wat::parse_str(
        r#"(component
            (core module $m (func (export "start")))
            (core instance $i (instantiate $m))
            (func $start (canon lift (core func $i "start")))
            (instance $job (export "start" (func $start)))
            (export "acme:job/job@1.0.0" (instance $job)))"#,
    )
    .unwrap();
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("app", &component, "dev: {service: true}\n");
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    state(&mut dev, "running");
    assert_eq!(state(&mut dev, "completed")["restarts"], 0);
    dev.stop();
}

#[test]
fn a_megabyte_comes_back_through_buffers_that_are_much_smaller() {
    let (_sandbox, _root, dev) = with_service("tcp", "");
    let body: String = (0..300_000).map(|number| char::from(b'a' + (number % 23) as u8)).collect::<String>().repeat(4);
    let answer = dev.send("POST", "/tcp?to=127.0.0.1:7000&line=echo", &body);
    assert_eq!(answer.status, 200, "{}", &answer.body[..answer.body.len().min(200)]);
    assert!(answer.body == body, "{} of {} bytes", answer.body.len(), body.len());
    // The service saw the end of what was sent, and its answer still arrived.
    assert_eq!(dev.get("/tcp?to=127.0.0.1:7000&text=echo%0Ahalf&half").body, "half");
    dev.stop();
}

#[test]
fn many_connections_at_one_time_are_served() {
    let (_sandbox, _root, dev) = with_service("tcp 0.0.0.0:7000", "");
    let clients: Vec<_> = (0..100)
        .map(|number| {
            let url = dev.url.clone();
            std::thread::spawn(move || {
                let body = format!("{number};").repeat(3000);
                let answer =
                    request(&url, "POST", "/tcp?to=127.0.0.1:7000&line=echo", Some(body.as_bytes()), &[]).unwrap();
                assert!(answer.body == body, "{number}: {}", answer.status);
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert_eq!(ask(&dev, "accepted").body, "101");
    dev.stop();
}

#[test]
fn datagrams_reach_the_service_and_come_back() {
    let (_sandbox, _root, mut dev) = with_service("udp 0.0.0.0:7000", "");
    dev.wait_for_event("output", |event| event["line"] == "bound to 0.0.0.0:7000");
    assert_eq!(dev.get("/udp?to=127.0.0.1:7000&text=hello").body, "hello");
    assert_eq!(dev.get("/udp?to=127.0.0.1:7000&text=again").body, "again");
    assert_eq!(dev.get("/udp?to=127.0.0.1:7001&text=x").status, 502, "nothing is there");
    dev.stop();
}

#[test]
fn requests_over_http_reach_a_service_that_speaks_it() {
    let (_sandbox, _root, dev) = with_service("http", "");
    for host in ["localhost:8080", "127.0.0.1:8080"] {
        let answer = dev.get(&format!("/fetch?url=http://{host}/"));
        assert!(answer.body.starts_with("200\nservice "), "{answer:?}");
    }
    // Connections are kept, for each thread and each name.
    for _ in 0..20 {
        dev.get("/fetch?url=http://localhost:8080/");
    }
    let last = dev.get("/fetch?url=http://localhost:8080/").body;
    let connections: usize = last.strip_prefix("200\nservice ").unwrap().parse().unwrap();
    assert!(connections <= 2 * std::thread::available_parallelism().unwrap().get(), "{last}");
    dev.stop();
}

#[test]
fn nothing_inside_of_a_workload_reaches_the_machine() {
    let machine = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = machine.local_addr().unwrap().port();
    let six = TcpListener::bind(("::1", port));
    let datagrams = UdpSocket::bind(("0.0.0.0", port)).unwrap();
    let (_sandbox, _root, mut dev) = with_service("tcp", "");
    state(&mut dev, "running");
    let hosts = ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.0.0.2", "0.0.0.0", "127.1"];
    for host in hosts {
        for path in [
            format!("/tcp?to={host}:{port}&text=x"),
            format!("/udp?to={host}:{port}&text=x"),
            format!("/fetch?url=http://{host}:{port}/"),
        ] {
            let answer = dev.get(&path);
            assert!(matches!(answer.status, 403 | 502), "{path}: {answer:?}");
        }
        // Nor does the service itself.
        let answer = ask(&dev, &format!("connect {host}:{port}"));
        assert!(answer.body.starts_with("not connected: "), "{host}: {answer:?}");
    }
    dev.stop();
    machine.set_nonblocking(true).unwrap();
    assert!(machine.accept().is_err(), "nobody has connected");
    if let Ok(six) = six {
        six.set_nonblocking(true).unwrap();
        assert!(six.accept().is_err(), "nobody has connected");
    }
    datagrams.set_nonblocking(true).unwrap();
    assert!(datagrams.recv(&mut [0]).is_err(), "nothing was sent");
}

#[test]
fn the_machine_cannot_reach_a_service_and_two_workloads_use_the_same_port() {
    let (_one, _root, first) = with_service("tcp", "");
    let (_two, _root, second) = with_service("tcp", "");
    assert_eq!(ask(&first, "accepted").body, "1");
    assert_eq!(ask(&first, "accepted").body, "2");
    assert_eq!(ask(&second, "accepted").body, "1", "another service");
    assert!(std::net::TcpStream::connect("127.0.0.1:7000").is_err(), "the machine has no such port");
    first.stop();
    second.stop();
}

#[test]
fn a_port_of_the_machine_is_hidden_by_one_of_the_service_and_only_then() {
    // Whatever connects gets a word, so that it is clear who answered.
    let machine = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = machine.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in machine.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(b"machine").and_then(|()| stream.shutdown(std::net::Shutdown::Write));
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let settings = format!("  allowed_host_loopback_ports: [{port}]\n");
    let (_sandbox, _root, mut dev) = with_service(&format!("tcp 127.0.0.1:{port}"), &settings);
    let answer = dev.get(&format!("/tcp?to=127.0.0.1:{port}&text=accepted%0A"));
    assert_eq!(answer.body, "1", "the service goes before the machine");
    let told = dev.wait_for_event("network", |event| event["denied"] == false);
    assert!(
        told["reason"].as_str().unwrap().contains(&format!("port {port} of this machine is not reached")),
        "{told}"
    );
    dev.stop();

    let (_sandbox, _root, mut dev) = with_service("tcp", &settings);
    state(&mut dev, "running");
    assert_eq!(dev.get(&format!("/tcp?to=127.0.0.1:{port}")).body, "machine");
    assert_eq!(ask(&dev, &format!("connect 127.0.0.1:{port}")).body, "connected: machine");
    dev.stop();
}

#[test]
fn a_component_cannot_listen_beside_a_service_either() {
    let (_sandbox, _root, mut dev) = with_service("tcp", "");
    for path in ["/listen?at=127.0.0.1:7002", "/listen?at=0.0.0.0:0", "/bindudp?at=0.0.0.0:7002"] {
        let answer = dev.get(path);
        assert_eq!(answer.status, 403, "{path}: {}", answer.body);
        dev.wait_for_event("network", |event| event["reason"].to_string().contains("components do not listen"));
    }
    dev.stop();
}

#[test]
fn a_service_listens_inside_of_the_workload_only() {
    let (_sandbox, _root, mut dev) = alone("tcp 93.184.216.34:80", "  service_max_restarts: 0\n");
    let told = dev.wait_for_event("network", |event| event["denied"] == true);
    assert!(told["reason"].as_str().unwrap().contains("93.184.216.34:80"), "{told}");
    state(&mut dev, "failed");
    dev.stop();
}

#[test]
fn a_program_with_a_main_is_a_service_by_itself() {
    let (_sandbox, _root, mut dev) = alone("done", "");
    dev.wait_for_event("output", |event| event["line"] == "all is done");
    let completed = state(&mut dev, "completed");
    assert_eq!((&completed["service"], &completed["generation"]), (&Value::from("app"), &Value::from(1)));
    let answer = dev.get("/");
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("a service"), "{answer:?}");
    dev.stop();
}

/// A component and a service, each of the WASI generation that is said.
fn generations(component: u32, service: u32, what: &str, more: &str) -> (Sandbox, Dev) {
    let sandbox = Sandbox::new();
    let settings = format!("dev:\n  service_file: service.wasm\n  environment: {{SERVICE: '{what}'}}\n{more}");
    let component = if component == 3 { guests::probe3() } else { guests::probe() };
    let root = sandbox.copying_project("app", &component, &settings);
    write(&root.join("service.wasm"), if service == 3 { guests::service3() } else { guests::service() });
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, dev)
}

#[test]
fn a_service_of_wasi_0_3_is_reached_by_components_of_its_generation() {
    let (_sandbox, mut dev) = generations(3, 3, "tcp 0.0.0.0:7000", "");
    assert_eq!(dev.get("/tcp?127.0.0.1:7000,accepted").body, "1");
    dev.wait_for_event("output", |event| {
        event["line"] == "listening on 0.0.0.0:7000" && event["component"] == "service"
    });
    assert_eq!(dev.get("/resolve?localhost").body, "127.0.0.1\n");
    let peer = dev.get("/tcp?127.0.0.1:7000,peer").body;
    assert!(peer.starts_with("127.0.0.1:"), "{peer}");
    let body: String = (0..300_000).map(|number| char::from(b'a' + (number % 23) as u8)).collect::<String>().repeat(4);
    let answer = dev.send("POST", "/tcp?127.0.0.1:7000,echo", &body);
    assert!(answer.body == body, "{} of {} bytes", answer.body.len(), body.len());
    assert_eq!(dev.get("/tcp?127.0.0.1:7001,x").body, "failed: ErrorCode::ConnectionRefused");
    let told = dev.wait_for_event("network", |event| event["reason"].to_string().contains("tcp://127.0.0.1:7001"));
    assert!(told["reason"].as_str().unwrap().contains("nothing listens"), "{told}");
    // Many at one time, each with more than fits into the buffers.
    let clients: Vec<_> = (0..30)
        .map(|number| {
            let url = dev.url.clone();
            std::thread::spawn(move || {
                let body = format!("{number};").repeat(40_000);
                let answer = request(&url, "POST", "/tcp?127.0.0.1:7000,echo", Some(body.as_bytes()), &[]).unwrap();
                assert!(answer.body == body, "{number}: {} bytes", answer.body.len());
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert_eq!(dev.get("/tcp?127.0.0.1:7000,accepted").body, "34");
    dev.stop();
}

#[test]
fn components_and_services_of_both_generations_meet_at_127_0_0_1() {
    let body = "abcdefg".repeat(100_000);
    let (_sandbox, dev) = generations(2, 3, "tcp 127.0.0.1:7000", "");
    assert_eq!(ask(&dev, "accepted").body, "1");
    assert_eq!(dev.get("/tcp?to=localhost:7000&text=accepted%0A").body, "2");
    assert!(dev.send("POST", "/tcp?to=127.0.0.1:7000&line=echo", &body).body == body);
    dev.stop();
    let (_sandbox, dev) = generations(3, 2, "tcp", "");
    assert_eq!(dev.get("/tcp?127.0.0.1:7000,accepted").body, "1");
    assert!(dev.send("POST", "/tcp?127.0.0.1:7000,echo", &body).body == body);
    dev.stop();
}

#[test]
fn datagrams_of_both_generations_reach_a_service_and_come_back() {
    for (component, service) in [(3, 3), (2, 3), (3, 2)] {
        let (_sandbox, mut dev) = generations(component, service, "udp 0.0.0.0:7000", "");
        dev.wait_for_event("output", |event| event["line"] == "bound to 0.0.0.0:7000");
        if component == 2 {
            assert_eq!(dev.get("/udp?to=127.0.0.1:7000&text=hello").body, "hello");
            assert_eq!(dev.get("/udp?to=127.0.0.1:7000&text=again").body, "again");
        } else {
            assert_eq!(dev.get("/udp?127.0.0.1:7000,hello").body, "hello hello from 127.0.0.1:7000");
            assert_eq!(dev.get("/udp?127.0.0.1:7001,x").body, "failed: ErrorCode::ConnectionRefused");
        }
        dev.stop();
    }
}

#[test]
fn sockets_of_0_3_stay_inside_of_the_workload_and_only_its_service_listens() {
    let machine = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = machine.local_addr().unwrap().port();
    let (_sandbox, mut dev) = generations(3, 3, "tcp", "");
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "127.0.0.2", "0.0.0.0"] {
        let answer = dev.get(&format!("/tcp?{host}:{port},x")).body;
        assert!(answer.starts_with("failed: "), "{host}: {answer}");
        let answer = dev.get(&format!("/udp?{host}:{port},x")).body;
        assert!(answer.starts_with("failed: "), "{host}: {answer}");
        let answer = dev.get(&format!("/tcp?127.0.0.1:7000,connect%20{host}:{port}")).body;
        assert!(answer.starts_with("not connected: "), "{host}: {answer}");
    }
    for path in ["/listen?127.0.0.1:7002", "/listen?0.0.0.0:0", "/bindudp?0.0.0.0:7002"] {
        assert_eq!(dev.get(path).body, "failed: ErrorCode::AccessDenied", "{path}");
        dev.wait_for_event("network", |event| event["reason"].to_string().contains("components do not listen"));
    }
    dev.stop();
    machine.set_nonblocking(true).unwrap();
    assert!(machine.accept().is_err(), "nobody has connected");

    let (_sandbox, mut dev) = generations(3, 3, "tcp 93.184.216.34:80", "  service_max_restarts: 0\n");
    let told = dev.wait_for_event("network", |event| event["denied"] == true);
    assert!(told["reason"].as_str().unwrap().contains("93.184.216.34:80"), "{told}");
    dev.wait_for_event("output", |event| event["line"] == "it failed: ErrorCode::AccessDenied");
    state(&mut dev, "failed");
    dev.stop();
}

#[test]
fn a_service_that_fails_is_started_again_in_a_new_store_until_it_has_failed_too_often() {
    let (_sandbox, _root, mut dev) = alone("panic", "  service_max_restarts: 2\n");
    for attempt in 0..3 {
        let running = state(&mut dev, "running");
        assert_eq!(running["restarts"], attempt);
        let fault = dev.wait_for("fault");
        assert_eq!((&fault["component"], &fault["what"]), (&Value::from("app"), &Value::from("running the service")));
        assert_eq!(fault["stderr"][0], "about to panic");
        assert!(fault.to_string().contains("service panic on purpose"), "{fault}");
        if attempt < 2 {
            let waiting = state(&mut dev, "backing-off");
            assert_eq!(waiting["pause_milliseconds"], 250.0 * f64::from(1 << attempt));
        }
    }
    let failed = state(&mut dev, "failed");
    assert_eq!(failed["restarts"], 2);
    dev.stop();
}

#[test]
fn an_exit_status_is_told_and_only_0_is_a_good_end() {
    // WASI 0.2 tells whether a program has ended well, and not more.
    let (_sandbox, root, mut dev) = alone("exit 7", "  service_max_restarts: 0\n");
    let failed = state(&mut dev, "failed");
    assert_eq!(failed["reason"], "it ended with exit status 1");
    let config = root.join(".wash/config.yaml");
    let settings = std::fs::read_to_string(&config).unwrap().replace("exit 7", "exit 0");
    write(&config, settings);
    state(&mut dev, "completed");
    dev.stop();
}

#[test]
fn a_crash_under_a_request_is_that_connections_end_and_the_next_one_works() {
    let (_sandbox, _root, mut dev) = with_service("tcp", "");
    assert_eq!(ask(&dev, "accepted").body, "1");
    assert_eq!(ask(&dev, "accepted").body, "2");
    ask(&dev, "panic");
    dev.wait_for("fault");
    state(&mut dev, "backing-off");
    state(&mut dev, "running");
    assert_eq!(ask(&dev, "accepted").body, "1", "a new store");
    dev.stop();
}

#[test]
fn an_edit_of_the_service_replaces_it_and_an_edit_of_the_component_does_not() {
    let (_sandbox, root, mut dev) = with_service("tcp", "");
    assert_eq!(ask(&dev, "version").body, "WASH-SERVICE-VERSION-0000");
    assert_eq!(ask(&dev, "accepted").body, "2");
    write(&root.join("input.wasm"), guests::probe_version(1));
    dev.ready();
    assert_eq!(dev.get("/version").body, guests::marker(1));
    assert_eq!(ask(&dev, "accepted").body, "3", "the same service, reached by the new component");
    write(&root.join("service.wasm"), guests::service_version(2));
    dev.ready();
    // The port is free for the new one, and whoever connects meanwhile waits for it.
    assert_eq!(ask(&dev, "version").body, "WASH-SERVICE-VERSION-0002");
    assert_eq!(ask(&dev, "accepted").body, "2");
    state(&mut dev, "stopped");
    assert_eq!(state(&mut dev, "running")["generation"], 3);
    // A service that cannot be linked leaves the one before running.
    write(&root.join("service.wasm"), guests::missing_import());
    dev.wait_for("not-ready");
    assert_eq!(ask(&dev, "version").body, "WASH-SERVICE-VERSION-0002");
    dev.stop();
}

/// Each connection is served: by the old one, which finishes with those it has accepted, or by the new
/// one, which gets those that wait. The two are of different WASI generations.
#[test]
fn no_connection_is_lost_while_a_service_is_replaced_twenty_times() {
    let (_sandbox, root, mut dev) = with_service("tcp", "");
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (url, stop, done) = (dev.url.clone(), stop.clone(), done.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let answer = request(&url, "GET", "/tcp?to=127.0.0.1:7000&text=accepted%0A", None, &[]).unwrap();
                    assert!(answer.status == 200 && answer.body.parse::<u32>().is_ok(), "{answer:?}");
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let (earlier, later) = (guests::service(), guests::service3());
    for swap in 0..20 {
        let before = done.load(Ordering::SeqCst);
        write(&root.join("service.wasm"), if swap % 2 == 0 { &later } else { &earlier });
        dev.ready();
        state(&mut dev, "running");
        while done.load(Ordering::SeqCst) < before + 8 && !clients.iter().any(std::thread::JoinHandle::is_finished) {
            std::thread::yield_now();
        }
    }
    stop.store(true, Ordering::SeqCst);
    clients.into_iter().for_each(|client| client.join().unwrap());
    dev.stop();
}

/// A connection that never ends does not keep the old service.
#[test]
fn a_connection_that_stays_open_does_not_keep_a_service_from_being_replaced() {
    let (_sandbox, root, mut dev) = with_service("tcp", "");
    let url = dev.url.clone();
    let silent =
        std::thread::spawn(move || request(&url, "GET", "/tcp?to=127.0.0.1:7000&text=silent%0A", None, &[]).unwrap());
    while ask(&dev, "accepted").body.parse::<u32>().unwrap() < 2 {}
    write(&root.join("service.wasm"), guests::service_version(1));
    dev.ready();
    dev.answers("/tcp?to=127.0.0.1:7000&text=version%0A", "WASH-SERVICE-VERSION-0001");
    assert_ne!(silent.join().unwrap().status, 504, "its connection ended with the service");
    dev.stop();
}

#[test]
fn a_service_that_never_waits_takes_no_request_away_and_ends_at_once() {
    let (_sandbox, root, mut dev) = with_service("loop", "");
    dev.wait_for_event("output", |event| event["line"] == "looping");
    for _ in 0..50 {
        assert_eq!(dev.get("/version").body, guests::marker(0));
    }
    write(&root.join("input.wasm"), guests::probe_version(1));
    dev.ready();
    assert_eq!(dev.get("/version").body, guests::marker(1));
    let stderr = dev.stop();
    assert!(!stderr.contains("did not stop"), "{stderr}");
}

/// What was used is told by the system; a busy machine can only make it less.
#[cfg(target_os = "linux")]
#[test]
fn a_service_gets_no_more_than_its_share_of_a_core() {
    for service in ["loop", "tcp"] {
        let (_sandbox, _root, mut dev) = with_service(service, "  cpu_limit: 20\n");
        let line = if service == "loop" { "looping" } else { "listening on 127.0.0.1:7000" };
        dev.wait_for_event("output", |event| event["line"] == line);
        if service == "tcp" {
            assert_eq!(ask(&dev, "accepted").body, "1", "one that waits is not slowed down");
        } else {
            let (used, begun) = (dev.processor_time(), std::time::Instant::now());
            assert_eq!(dev.get("/slow?ms=3000").status, 200);
            let share = (dev.processor_time() - used).as_secs_f64() / begun.elapsed().as_secs_f64();
            assert!(share < 0.45, "a loop used {share} of a core");
        }
        let stderr = dev.stop();
        assert!(!stderr.contains("did not stop"), "{stderr}");
    }
}

#[test]
fn a_sleeping_service_ends_with_the_loop() {
    let (_sandbox, _root, mut dev) = alone("sleep", "");
    state(&mut dev, "running");
    dev.interrupt();
    assert_eq!(dev.wait(), 130);
    assert_eq!(dev.events().last().unwrap()["event"], "stopped");
    assert!(dev.events().iter().any(|event| event["state"] == "stopped"));
}

/// The probe, a component with tasks, and a service that has them done.
fn with_tasks(more: &str) -> (Sandbox, PathBuf, Dev) {
    let sandbox = Sandbox::new();
    let settings =
        format!("dev:\n  service_file: scheduler.wasm\n  components: [{{name: tasks, file: tasks.wasm}}]\n{more}");
    let root = sandbox.copying_project("app", &guests::probe(), &settings);
    write(&root.join("scheduler.wasm"), guests::scheduler());
    write(&root.join("tasks.wasm"), guests::tasks());
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, root, dev)
}

#[test]
fn a_service_calls_components_each_time_in_a_new_instance() {
    let (_sandbox, root, mut dev) = with_tasks("");
    assert_eq!(ask(&dev, "calls").body, "1 1");
    assert_eq!(ask(&dev, "double 1000000").body, "1000000 true");
    assert_eq!(ask(&dev, "work parcel").body, "Ok(\"done: parcel of 3\")");
    assert_eq!(ask(&dev, "work fail").body, "Err(\"it was told to fail\")", "an error of the component's own");
    assert_eq!(ask(&dev, "plain x").body, "done: x");
    // Another version of the component is called by the same service.
    write(&root.join("tasks.wasm"), replaced(guests::tasks(), b"done: ", b"DONE: "));
    dev.ready();
    assert_eq!(ask(&dev, "work parcel").body, "Ok(\"DONE: parcel of 3\")");
    assert_eq!(ask(&dev, "lived").body, "7");
    dev.stop();
}

#[test]
fn a_trap_or_time_out_of_a_component_is_an_error_of_the_call_and_the_service_goes_on() {
    let (_sandbox, _root, mut dev) = with_tasks("  request_timeout_seconds: 5\n");
    let answer = ask(&dev, "work trap").body;
    assert!(answer.starts_with("Err(\"calling `test:tasks/tasks@0.1.0#work` of `tasks` failed: "), "{answer}");
    let fault = dev.wait_for("fault");
    assert_eq!(fault["component"], "tasks");
    assert!(fault.to_string().contains("tasks panic on purpose"), "{fault}");
    let answer = ask(&dev, "vary trap").body;
    assert!(answer.starts_with("Err(Problem::Other(\"calling"), "{answer}");
    assert_eq!(ask(&dev, "bare trap").body, "Err(())");
    // The request that waits for it has no more time than the call.
    assert_eq!(ask(&dev, "work loop").status, 504);
    dev.wait_for_event("fault", |event| event["component"] == "tasks" && event.to_string().contains("5 seconds"));
    assert_eq!(ask(&dev, "lived").body, "5", "it is the same service");
    // A call without a result cannot fail; it takes the service with it, which says why.
    ask(&dev, "plain trap");
    let fault = dev.wait_for_event("fault", |event| event["what"] == "running the service");
    assert!(fault["reason"].as_str().unwrap().contains("#plain` of `tasks` failed"), "{fault}");
    state(&mut dev, "running");
    assert_eq!(ask(&dev, "lived").body, "1");
    dev.stop();
}

fn replaced(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("the text");
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn resources_between_a_service_and_a_component_are_refused_when_they_are_linked() {
    let sandbox = Sandbox::new();
    let settings = "dev:\n  service: true\n  components: [{name: cart, file: cart.wasm}]\n";
    let root = sandbox.copying_project("front", &guests::shop_front(), settings);
    write(&root.join("cart.wasm"), guests::shop_cart());
    let mut dev = sandbox.dev(&root, &[]);
    let refused = dev.wait_for("not-ready")["error"].to_string();
    assert!(refused.contains("passes a resource, which cannot cross from a service to a component"), "{refused}");
    dev.stop();
}

#[test]
fn what_is_no_service_is_refused_with_what_is_needed() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("app", &guests::probe(), "dev:\n  service: true\n");
    let mut dev = sandbox.dev(&root, &[]);
    let refused = dev.wait_for("not-ready")["error"].clone();
    let text = refused.to_string();
    assert!(text.contains("`app` cannot run as a service: no function of `wasi:http/incoming-handler"), "{text}");
    assert!(text.contains("export `wasi:cli/run`"), "{text}");
    dev.stop();
}

#[test]
fn settings_of_services_that_do_not_fit_are_told_with_their_place() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("app", &guests::probe(), "dev:\n  service: true\n  service_file: x.wasm\n");
    let ended = run(sandbox.wash(["dev", "--port", "0"]).current_dir(&root));
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("a workload has one"), "{}", ended.stderr);
    assert!(ended.stderr.contains("config.yaml:6:"), "{}", ended.stderr);

    write(&root.join(".wash/config.yaml"), settings_without_service(&root));
    let mut dev = sandbox.dev(&root, &[]);
    let missing = dev.wait_for("not-ready")["error"].to_string();
    assert!(missing.contains("cannot read the service from") && missing.contains("dev.service_file"), "{missing}");
    // The file is watched, though it did not exist.
    write(&root.join("x.wasm"), guests::service());
    dev.wait_for("ready");
    dev.stop();
}

fn settings_without_service(root: &Path) -> String {
    std::fs::read_to_string(root.join(".wash/config.yaml")).unwrap().replace("  service: true\n", "")
}

#[test]
fn in_a_terminal_a_service_is_readable_lines() {
    let sandbox = Sandbox::new();
    let settings = "dev:\n  environment: {SERVICE: 'exit 3'}\n  service_max_restarts: 1\n";
    let root = sandbox.copying_project("app", &guests::service(), settings);
    let mut command = sandbox.wash(["dev", "--port", "0"]);
    command.current_dir(&root).stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let (mut text, mut buffer) = (String::new(), [0; 1024]);
    while !text.contains("it stays stopped") {
        let count = stderr.read(&mut buffer).unwrap();
        assert!(count > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    child.wait().unwrap();
    for line in [
        "Serving app (a service, no HTTP handler)",
        "Running app (service)",
        "warning: the service app failed: it ended with exit status 1; it is started again in 250 ms (1 of 1)",
        "warning: the service app failed after 1 restarts: it ended with exit status 1; it stays stopped",
    ] {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(line), "{line}\n{text}");
    }
}
