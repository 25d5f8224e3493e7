//! What components may reach, and how their requests get there.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;

use crate::support::upstream::{RAW_PATIENCE, Upstream, cert_path};
use crate::support::{Dev, Sandbox, guests, write};

/// Serves the probe with these lines below `dev`.
fn serve(settings: &str) -> (Sandbox, PathBuf, Dev) {
    serve_with(settings, &[])
}

fn serve_with(settings: &str, environment: &[(&str, &str)]) -> (Sandbox, PathBuf, Dev) {
    let sandbox = Sandbox::new();
    let lines: String = settings.lines().map(|line| format!("  {line}\n")).collect();
    let settings = if lines.is_empty() { lines } else { format!("dev:\n{lines}") };
    let root = sandbox.copying_project("probe", &guests::probe_version(1), &settings);
    let mut command = sandbox.wash(["dev", "-o", "json", "--port", "0"]);
    command.current_dir(&root);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_ascii_lowercase());
    }
    command.envs(environment.iter().copied());
    let mut dev = Dev::start(command);
    dev.ready();
    (sandbox, root, dev)
}

fn fetch(dev: &Dev, url: &str) -> String {
    dev.get(&format!("/fetch?url={url}")).body
}

#[track_caller]
fn denied(dev: &mut Dev, words: &[&str]) -> serde_json::Value {
    let event = dev.wait_for_event("network", |event| event["denied"] == true);
    assert_eq!(event["component"], "probe");
    for word in words {
        assert!(event.to_string().contains(word), "{word} in {event}");
    }
    event
}

#[test]
fn the_machines_own_services_and_metadata_are_out_of_reach() {
    let upstream = Upstream::start();
    let (_sandbox, _root, mut dev) = serve("");
    let port = upstream.port();
    // All of them are other ways to write this machine's loopback; the last four only a resolver understands.
    for host in
        ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "app.localhost", "2130706433", "127.1", "0x7f.1"]
    {
        let answer = dev.get(&format!("/fetch?url=http://{host}:{port}/hello"));
        assert_eq!(answer.status, 502, "{host}: {}", answer.body);
        assert!(answer.body.contains("DestinationIpProhibited"), "{host}: {}", answer.body);
        let event = denied(&mut dev, &["loopback"]);
        assert_eq!(
            event["hint"],
            format!("add `allowed_host_loopback_ports: [{port}]` below `dev` in .wash/config.yaml"),
            "{host}"
        );
    }
    for (host, words) in [
        ("169.254.169.254", "link-local"),
        ("[::ffff:169.254.169.254]", "link-local"),
        ("[fd00:ec2::254]", "metadata"),
        ("[64:ff9b::a9fe:a9fe]", "link-local"),
        ("0.0.0.0", "no particular machine"),
    ] {
        let answer = dev.get(&format!("/fetch?url=http://{host}:{port}/"));
        assert!(answer.body.contains("DestinationIpProhibited"), "{host}: {}", answer.body);
        assert_eq!(denied(&mut dev, &[words])["hint"], serde_json::Value::Null, "nothing opens {host}");
    }
    let answer = dev.get(&format!("/fetch?url=http://10.0.0.1:{port}/"));
    assert!(answer.body.contains("DestinationIpProhibited"), "{}", answer.body);
    denied(&mut dev, &["private", "allow_private_networks: true"]);
    assert_eq!(upstream.connections(), 0, "nothing got through");
    dev.stop();
}

#[test]
fn a_public_name_that_resolves_to_this_machine_is_denied_by_its_address() {
    let upstream = Upstream::start();
    let (_sandbox, _root, mut dev) = serve("hosts:\n  rebound.example: 127.0.0.1\n  cloud.example: 169.254.169.254");
    let port = upstream.port();
    let answer = dev.get(&format!("/fetch?url=http://rebound.example:{port}/"));
    assert!(answer.body.contains("DestinationIpProhibited"), "{}", answer.body);
    denied(&mut dev, &["rebound.example", "127.0.0.1", "loopback"]);
    fetch(&dev, "http://cloud.example/");
    denied(&mut dev, &["cloud.example", "169.254.169.254"]);
    assert_eq!(upstream.connections(), 0);
    dev.stop();
}

#[test]
fn the_line_of_the_denial_opens_the_way_without_a_restart() {
    let upstream = Upstream::start();
    let (_sandbox, root, mut dev) = serve("");
    let url = format!("http://localhost:{}/hello", upstream.port());
    fetch(&dev, &url);
    let hint = denied(&mut dev, &[])["hint"].as_str().unwrap().to_string();
    let line = hint.split('`').nth(1).unwrap();
    let config = root.join(".wash/config.yaml");
    let settings = std::fs::read_to_string(&config).unwrap();
    write(&config, format!("{settings}dev:\n  {line}\n"));
    dev.wait_for("settings-changed");
    dev.ready();
    assert_eq!(fetch(&dev, &url), "200\nhello HTTP/1.1");
    // The next port is still closed.
    let other = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    fetch(&dev, &format!("http://localhost:{other}/"));
    denied(&mut dev, &[&format!("add `{other}` to `allowed_host_loopback_ports`")]);
    dev.stop();
}

#[test]
fn a_list_of_hosts_closes_all_others_and_redirects_to_them() {
    let upstream = Upstream::start();
    let port = upstream.port();
    let (_sandbox, _root, mut dev) = serve(&format!(
        "allowed_hosts: ['*.shop.example', 'https://pay.example']\nallowed_host_loopback_ports: [{port}]\n\
         hosts: {{a.shop.example: 127.0.0.1, other.example: 127.0.0.1, shop.example: 127.0.0.1, pay.example: 127.0.0.1}}"
    ));
    assert_eq!(fetch(&dev, &format!("http://A.Shop.Example:{port}/hello")), "200\nhello HTTP/1.1");
    for host in ["other.example", "shop.example", "a.shop.example.other.example", "pay.example"] {
        let answer = dev.get(&format!("/fetch?url=http://{host}:{port}/"));
        assert!(answer.body.contains("HttpRequestDenied"), "{host}: {}", answer.body);
        denied(&mut dev, &["allowed_hosts", &format!("add `\\\"{host}:{port}\\\"` to `allowed_hosts`")]);
    }
    // A redirect is an answer; to follow it is a request of its own.
    let redirected = fetch(&dev, &format!("http://a.shop.example:{port}/redirect?http://other.example:{port}/"));
    assert!(redirected.starts_with("302\n"), "{redirected}");
    assert_eq!(upstream.requests().len(), 2);
    dev.stop();
}

#[test]
fn a_wrong_entry_is_an_error_at_its_line() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project(
        "probe",
        b"",
        "dev:\n  allowed_hosts:\n    - api.example.com\n    - https://a.example/v1\n",
    );
    let ended = crate::support::run(sandbox.wash(["dev", "--port", "0"]).current_dir(&root)).expect_code(2);
    for words in ["has a path", "config.yaml:7", "write `https://a.example`"] {
        assert!(ended.stderr.contains(words), "{words} in {}", ended.stderr);
    }
    write(&root.join(".wash/config.yaml"), "dev:\n  allowed_hosts: ['localhost:5432']\n");
    let ended = crate::support::run(sandbox.wash(["dev", "--port", "0"]).current_dir(&root)).expect_code(2);
    assert!(ended.stderr.contains("allowed_host_loopback_ports: [5432]"), "{}", ended.stderr);
    write(&root.join(".wash/config.yaml"), "dev:\n  http_client_ca_paths: [nowhere.pem]\n");
    let ended = crate::support::run(sandbox.wash(["dev", "--port", "0"]).current_dir(&root)).expect_code(1);
    assert!(ended.stderr.contains("nowhere.pem"), "{}", ended.stderr);
}

#[test]
fn sockets_obey_the_same_policy() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 64];
            let count = stream.read(&mut buffer).unwrap();
            stream.write_all(&[b"echo ", &buffer[..count]].concat()).unwrap();
        }
    });
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp_port = datagrams.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((count, from)) = datagrams.recv_from(&mut buffer) {
            datagrams.send_to(&[b"echo ", &buffer[..count]].concat(), from).unwrap();
        }
    });
    let (_sandbox, _root, mut dev) = serve("");
    for to in [
        format!("/tcp?to=127.0.0.1:{port}"),
        format!("/tcp?to=[::ffff:127.0.0.1]:{port}"),
        format!("/tcp?to=localhost:{port}"),
        "/tcp?to=169.254.169.254:80".into(),
        "/tcp?to=10.0.0.1:80".into(),
        format!("/udp?to=127.0.0.1:{udp_port}"),
        "/udp?to=169.254.169.254:53".into(),
    ] {
        let answer = dev.get(&to);
        assert_ne!(answer.status, 200, "{to}: {}", answer.body);
    }
    for words in ["tcp://127.0.0.1", "tcp://169.254", "tcp://10.0.0.1", "udp://127.0.0.1", "udp://169.254"] {
        dev.wait_for_event("network", |event| event.to_string().contains(words));
    }
    dev.stop();

    let (_sandbox, _root, dev) = serve(&format!("allowed_host_loopback_ports: [{port}, {udp_port}]"));
    assert_eq!(dev.get(&format!("/tcp?to=127.0.0.1:{port}&text=hi")).body, "echo hi");
    assert_eq!(dev.get(&format!("/tcp?to=localhost:{port}&text=hi")).body, "echo hi");
    assert_eq!(dev.get(&format!("/udp?to=127.0.0.1:{udp_port}&text=hi")).body, "echo hi");
    assert_eq!(dev.get(&format!("/tcp?to=127.0.0.1:{udp_port}")).status, 502, "open, and nothing listens");
    dev.stop();
}

/// Serves the probe of WASI 0.3 with these lines below `dev`.
fn serve3(settings: &str) -> (Sandbox, Dev) {
    let sandbox = Sandbox::new();
    let lines: String = settings.lines().map(|line| format!("  {line}\n")).collect();
    let root = sandbox.copying_project("probe", &guests::probe3(), &format!("dev:\n{lines}"));
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, dev)
}

#[test]
fn sockets_of_0_3_obey_the_same_policy() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            // All of it comes back when the sender has said that this was all.
            let mut stream = stream.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            stream.write_all(&all).unwrap();
        }
    });
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp_port = datagrams.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((count, from)) = datagrams.recv_from(&mut buffer) {
            datagrams.send_to(&[b"echo ", &buffer[..count]].concat(), from).unwrap();
        }
    });
    let hosts = "hosts: {db.example: 127.0.0.1, public.example: 203.0.113.9}";
    let (_sandbox, mut dev) = serve3(hosts);
    for to in ["/tcp?169.254.169.254:80,x", "/tcp?10.0.0.1:80,x", "/udp?169.254.169.254:53,x"] {
        assert_eq!(dev.get(to).body, "failed: ErrorCode::AccessDenied", "{to}");
    }
    for words in ["tcp://169.254", "tcp://10.0.0.1", "udp://169.254"] {
        dev.wait_for_event("network", |event| event["denied"] == true && event.to_string().contains(words));
    }
    assert_eq!(dev.get(&format!("/tcp?127.0.0.1:{port},x")).body, "failed: ErrorCode::ConnectionRefused");
    assert_eq!(dev.get("/resolve?db.example").body, "failed: ErrorCode::AccessDenied");
    dev.wait_for_event("network", |event| {
        event["hint"].to_string().contains("add `allowed_ip_name_lookups: [\\\"db.example\\\"]`")
    });
    assert_eq!(dev.get("/resolve?127.0.0.1").body, "127.0.0.1\n", "needs nobody");
    assert_eq!(dev.get("/resolve?a..b").body, "failed: ErrorCode::AccessDenied");
    dev.stop();

    let (_sandbox, mut dev) = serve3(&format!(
        "{hosts}\nallowed_ip_name_lookups: ['*.example']\nallowed_hosts: [db.example]\nallowed_host_loopback_ports: [{port}, {udp_port}]"
    ));
    assert_eq!(dev.get("/resolve?DB.example").body, "127.0.0.1\n");
    assert_eq!(dev.get("/resolve?public.example").body, "203.0.113.9\n");
    assert_eq!(dev.get(&format!("/tcp?127.0.0.1:{port},hi")).body, "hi\n");
    let body = "a body that is sent while the answer is read ".repeat(40_000);
    let answer = dev.send("POST", &format!("/tcp?127.0.0.1:{port},hi"), &body).body;
    assert!(answer == format!("hi\n{body}"), "{} bytes", answer.len());
    assert_eq!(
        dev.get(&format!("/udp?127.0.0.1:{udp_port},hi")).body,
        format!("echo hi echo hi from 127.0.0.1:{udp_port}")
    );
    // The list has names, sockets have addresses: that it is one of a listed name is found out.
    assert_eq!(dev.get(&format!("/tcp?db.example:{port},hi")).body, "hi\n");
    assert_eq!(dev.get("/tcp?public.example:80,x").body, "failed: ErrorCode::AccessDenied");
    denied(&mut dev, &["allowed_hosts", "public.example"]);
    dev.stop();
}

#[test]
fn components_cannot_listen() {
    let (_sandbox, _root, mut dev) = serve("allow_private_networks: true\nallowed_host_loopback_ports: [8080]");
    for path in [
        "/listen?at=127.0.0.1:8080",
        "/listen?at=0.0.0.0:8080",
        "/listen?at=[::]:8080",
        "/listen?at=0.0.0.0:0",
        "/bindudp?at=127.0.0.1:8080",
        "/bindudp?at=0.0.0.0:8080",
    ] {
        let answer = dev.get(path);
        assert_eq!(answer.status, 403, "{path}: {}", answer.body);
        denied(&mut dev, &["components do not listen"]);
    }
    dev.stop();
}

#[test]
fn a_datagram_that_nobody_asked_for_does_not_arrive() {
    // The probe sends to one socket; another one answers first, then the one that was asked.
    let (asked, stranger) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (port, other) = (asked.local_addr().unwrap().port(), stranger.local_addr().unwrap().port());
    let answering = std::thread::spawn(move || {
        let mut buffer = [0; 64];
        let (_, from) = asked.recv_from(&mut buffer).unwrap();
        stranger.send_to(b"from a stranger", from).unwrap();
        asked.send_to(b"from the one that was asked", from).unwrap();
    });
    let (_sandbox, _root, dev) = serve(&format!("allowed_host_loopback_ports: [{port}, {other}]"));
    assert_eq!(dev.get(&format!("/udp?to=127.0.0.1:{port}&text=hi")).body, "from the one that was asked");
    answering.join().unwrap();
    dev.stop();
}

#[test]
fn names_are_looked_up_only_if_they_are_listed() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            stream.unwrap().write_all(b"here").unwrap();
        }
    });
    let hosts = "hosts: {db.example: 127.0.0.1, other.example: 127.0.0.1, public.example: 203.0.113.9}";
    let (_sandbox, root, mut dev) = serve(hosts);
    assert_eq!(dev.get("/resolve?name=db.example").status, 403);
    denied(&mut dev, &["looking up `db.example`", "add `allowed_ip_name_lookups: [\\\"db.example\\\"]`"]);
    // These need nobody.
    assert_eq!(dev.get("/resolve?name=127.0.0.1").body, "127.0.0.1\n");
    assert_eq!(dev.get("/resolve?name=localhost").body, "127.0.0.1\n");

    let config = root.join(".wash/config.yaml");
    let settings = std::fs::read_to_string(&config).unwrap();
    let lists = format!(
        "  allowed_ip_name_lookups: ['*.example']\n  allowed_hosts: [db.example]\n  allowed_host_loopback_ports: [{port}]\n"
    );
    write(&config, format!("{settings}{lists}"));
    dev.wait_for("settings-changed");
    dev.ready();
    assert_eq!(dev.get("/resolve?name=DB.example").body, "127.0.0.1\n");
    assert_eq!(dev.get(&format!("/tcp?to=db.example:{port}")).body, "here");
    // The list has names, sockets have addresses: that it is no address of a listed name is found out.
    assert_eq!(dev.get("/resolve?name=public.example").body, "203.0.113.9\n");
    let answer = dev.get("/tcp?to=public.example:80");
    assert_eq!(answer.status, 403, "{}", answer.body);
    denied(&mut dev, &["allowed_hosts", "public.example"]);
    dev.stop();
}

#[test]
fn connections_are_kept_and_used_again() {
    let upstream = Upstream::start();
    let port = upstream.port();
    let (_sandbox, _root, dev) = serve(&format!("allowed_host_loopback_ports: [{port}]"));
    for _ in 0..40 {
        assert_eq!(fetch(&dev, &format!("http://127.0.0.1:{port}/hello")), "200\nhello HTTP/1.1");
    }
    // Each serving thread has its own.
    let threads = std::thread::available_parallelism().unwrap().get();
    assert!(upstream.connections() <= threads, "{} connections for 40 requests", upstream.connections());
    dev.stop();
}

#[test]
fn a_server_that_closes_its_connections_costs_no_request() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer);
            // It says that the connection stays, and closes it.
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
        }
    });
    let (_sandbox, _root, dev) = serve(&format!("allowed_host_loopback_ports: [{port}]"));
    for time in 0..30 {
        assert_eq!(fetch(&dev, &format!("http://127.0.0.1:{port}/")), "200\nok", "request {time}");
    }
    dev.stop();
}

#[test]
fn https_is_spoken_as_http_2_and_only_with_those_who_are_trusted() {
    let upstream = Upstream::start_tls();
    let port = upstream.port();
    let ports = format!(
        "allowed_host_loopback_ports: [{port}]\nhosts: {{secure.example: 127.0.0.1, wrong.example: 127.0.0.1}}"
    );
    let (_sandbox, root, mut dev) = serve(&ports);
    let url = format!("https://secure.example:{port}/hello");
    let answer = fetch(&dev, &url);
    assert!(answer.contains("TlsCertificateError"), "{answer}");
    let event = dev.wait_for("network");
    assert_eq!(event["denied"], false);
    assert!(event["hint"].as_str().unwrap().contains("http_client_ca_paths"), "{event}");

    let config = root.join(".wash/config.yaml");
    let settings = std::fs::read_to_string(&config).unwrap();
    write(&root.join("certs/ca.pem"), std::fs::read(cert_path("ca.pem")).unwrap());
    write(&config, format!("{settings}  http_client_ca_paths: [certs/ca.pem]\n"));
    dev.wait_for("settings-changed");
    dev.ready();
    assert_eq!(fetch(&dev, &url), "200\nhello HTTP/2");
    assert_eq!(fetch(&dev, &format!("https://localhost:{port}/hello")), "200\nhello HTTP/2");
    assert_eq!(fetch(&dev, &format!("https://127.0.0.1:{port}/hello")), "200\nhello HTTP/2");
    assert_eq!(fetch(&dev, &format!("https://secure.example:{port}/trailers")), "200\nbody\nx-end: done");
    let wrong = fetch(&dev, &format!("https://wrong.example:{port}/"));
    assert!(wrong.contains("TlsCertificateError"), "the certificate is another's: {wrong}");
    let before = upstream.connections();
    for _ in 0..10 {
        fetch(&dev, &url);
    }
    let threads = std::thread::available_parallelism().unwrap().get();
    assert!(upstream.connections() < before + threads, "connections are shared");
    // Plain HTTP on a TLS port, and the other way round.
    assert!(fetch(&dev, &format!("http://127.0.0.1:{port}/")).contains("ErrorCode"), "no answer of a TLS server");
    dev.stop();
}

#[test]
fn trailers_come_back_and_grpc_is_http_2_without_tls() {
    let upstream = Upstream::start();
    let port = upstream.port();
    let (_sandbox, _root, dev) = serve(&format!("allowed_host_loopback_ports: [{port}]"));
    let te = [("te", "trailers")];
    let answer = dev.request("GET", &format!("/fetch?url=http://127.0.0.1:{port}/trailers"), None, &te);
    assert_eq!(answer.body, "200\nbody\nx-end: done");
    let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
    let answer = dev.request("POST", &format!("/fetch?url=http://127.0.0.1:{port}/hello"), Some(b"x"), &grpc);
    assert_eq!(answer.body, "200\nhello HTTP/2");
    dev.stop();
}

#[test]
fn the_guests_time_outs_are_honoured() {
    let upstream = Upstream::start();
    let port = upstream.port();
    let (_sandbox, _root, dev) = serve(&format!("allowed_host_loopback_ports: [{port}]"));
    let silent = dev.get(&format!("/fetch?url=http://127.0.0.1:{port}/silent&first=100"));
    assert!(silent.body.contains("ConnectionReadTimeout"), "{}", silent.body);
    let stall = dev.get(&format!("/fetch?url=http://127.0.0.1:{port}/stall&between=100"));
    assert!(stall.status == 502, "{stall:?}");
    let soon = dev.get(&format!("/fetch?url=http://127.0.0.1:{port}/hello&connect=20000&first=20000&between=20000"));
    assert_eq!(soon.body, "200\nhello HTTP/1.1");
    dev.stop();
}

#[test]
fn errors_have_their_codes() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).unwrap_or(0);
            let head = String::from_utf8_lossy(&buffer[..count]).into_owned();
            let answer: &[u8] = match head.split(' ').nth(1) {
                Some("/short") => b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
                Some("/garbage") => b"this is no HTTP\r\n\r\n",
                _ => b"",
            };
            stream.write_all(answer).unwrap();
        }
    });
    let (_sandbox, _root, dev) = serve(&format!("allowed_host_loopback_ports: [{port}, {closed}]"));
    for (url, code) in [
        (format!("http://127.0.0.1:{closed}/"), "ConnectionRefused"),
        (format!("http://127.0.0.1:{port}/close"), "ConnectionTerminated"),
        (format!("http://127.0.0.1:{port}/garbage"), "HttpProtocolError"),
        ("http://no-such-host.invalid/".into(), "DnsError"),
    ] {
        let answer = fetch(&dev, &url);
        assert!(answer.contains(code), "{url}: {answer}");
    }
    assert_eq!(dev.get(&format!("/fetch?url=http://127.0.0.1:{port}/short")).status, 502);
    dev.stop();
}

/// A proxy that connects everything to one address, and tells the first line of what it was asked.
fn proxy(target: u16) -> (u16, std::sync::mpsc::Receiver<String>) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let (mut stream, tell) = (stream.unwrap(), tell.clone());
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let text = String::from_utf8_lossy(&head).into_owned();
                let tunnel = text.starts_with("CONNECT");
                tell.send(text).unwrap();
                let mut server = TcpStream::connect(("127.0.0.1", target)).unwrap();
                if tunnel {
                    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
                } else {
                    server.write_all(&head).unwrap();
                }
                let (mut from, mut to) = (stream.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                let _ = std::io::copy(&mut server, &mut stream);
            });
        }
    });
    (port, told)
}

#[test]
fn proxy_variables_are_honoured() {
    let (plain, secure) = (Upstream::start(), Upstream::start_tls());
    let (http_proxy, http_told) = proxy(plain.port());
    let (https_proxy, https_told) = proxy(secure.port());
    let ca = cert_path("ca.pem");
    let settings = format!(
        "allowed_host_loopback_ports: [{}]\nhosts: {{rebound.example: 127.0.0.1}}\nhttp_client_ca_paths: ['{}']",
        plain.port(),
        ca.display()
    );
    let (http_url, https_url) =
        (format!("http://user:pass@127.0.0.1:{http_proxy}"), format!("http://localhost:{https_proxy}"));
    let environment = [("HTTP_PROXY", &*http_url), ("https_proxy", &*https_url), ("NO_PROXY", "direct.invalid")];
    let (_sandbox, _root, mut dev) = serve_with(&settings, &environment);
    // The name is the proxy's to resolve: this machine knows none of that name.
    assert_eq!(fetch(&dev, "http://plain.invalid/hello"), "200\nhello HTTP/1.1");
    let head = http_told.recv_timeout(RAW_PATIENCE).unwrap();
    assert!(head.starts_with("GET http://plain.invalid/hello HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: Basic dXNlcjpwYXNz\r\n"), "{head}");
    assert_eq!(fetch(&dev, "https://secure.example/hello"), "200\nhello HTTP/2");
    let head = https_told.recv_timeout(RAW_PATIENCE).unwrap();
    assert!(head.starts_with("CONNECT secure.example:443 HTTP/1.1\r\n") && !head.contains("authorization"), "{head}");
    // This machine is asked directly, and so is whom NO_PROXY names.
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(fetch(&dev, &format!("http://{host}:{}/hello", plain.port())), "200\nhello HTTP/1.1");
    }
    assert!(fetch(&dev, "http://direct.invalid/").contains("DnsError"));
    // A proxy is no way around the policy; a resolver takes the last one for 127.0.0.1.
    for host in ["169.254.169.254", "rebound.example", "2130706433"] {
        let answer = fetch(&dev, &format!("http://{host}/"));
        assert!(answer.contains("DestinationIpProhibited"), "{host}: {answer}");
        denied(&mut dev, &[]);
    }
    assert!(http_told.try_recv().is_err());
    dev.stop();
}

#[test]
fn a_proxy_that_cannot_be_used_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://user:secret@127.0.0.1:{closed}");
    let (_sandbox, _root, mut dev) = serve_with("", &[("HTTP_PROXY", &url)]);
    assert!(fetch(&dev, "http://plain.invalid/").contains("ConnectionRefused"));
    let event = dev.wait_for("network");
    let reason = event["reason"].as_str().unwrap();
    assert!(reason.contains(&format!("the proxy 127.0.0.1:{closed} cannot be used")), "{reason}");
    assert!(event["hint"].as_str().unwrap().contains("HTTP_PROXY"), "{event}");
    assert!(!format!("{:?}{}", dev.events(), dev.stderr()).contains("secret"));
    dev.stop();
}

#[test]
fn each_component_has_its_own_rules() {
    let upstream = Upstream::start();
    let port = upstream.port();
    // The main component is closed, the sidecar open; the main one answers HTTP.
    let (_sandbox, _root, mut dev) = serve(&format!(
        "components:\n  - name: helper\n    file: input.wasm\n    allowed_host_loopback_ports: [{port}]"
    ));
    assert!(fetch(&dev, &format!("http://127.0.0.1:{port}/")).contains("DestinationIpProhibited"));
    denied(&mut dev, &["below `dev` in .wash/config.yaml"]);
    dev.stop();
}
