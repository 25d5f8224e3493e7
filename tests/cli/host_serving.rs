//! `wash host`: who answers a request, over which connection, and what is told of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::host_manifests::{admin_url, workload};
use crate::support::dev::request;
use crate::support::fake_registry::{Fake, Reaction};
use crate::support::registry::make_certificates;
use crate::support::upstream::{cert_path, certificate, key};
use crate::support::{Dev, PATIENCE, Sandbox, eventually, guests, run};

/// Puts a version of the probe beside the manifests; what they call it.
fn probe(sandbox: &Sandbox, version: u32) -> String {
    sandbox.write(format!("m/{version}.wasm"), guests::probe_version(version));
    format!("./{version}.wasm")
}

#[test]
fn hosts_paths_and_aliases_decide_who_answers() {
    let sandbox = Sandbox::new();
    let (one, two, three) = (probe(&sandbox, 1), probe(&sandbox, 2), probe(&sandbox, 3));
    sandbox.write("m/one.yaml", workload("one", &one, "'*.example', host-aliases: 'one.test, uno.test'"));
    sandbox.write("m/two.yaml", workload("two", &two, "two.example"));
    sandbox.write("m/three.yaml", workload("three", &three, "two.example, path: /version"));
    let mut host = sandbox.host(&["--manifest", "m"]);
    host.wait_for("settled");
    for (name, path, expected) in [
        ("any.example", "/version", Some(1)),
        ("uno.test:8080", "/version", Some(1)),
        ("two.example", "/version", Some(3)),
        ("dos.test", "/version", None),
        ("example", "/version", None),
    ] {
        let answer = host.get_from(name, path);
        match expected {
            Some(version) => assert_eq!(answer.body, guests::marker(version), "{name}{path}"),
            None => assert_eq!(answer.status, 404, "{name}{path}"),
        }
    }
    assert_eq!(host.get_from("two.example", "/status?code=418").status, 418);
    host.terminate();
}

#[test]
fn two_namespaces_cannot_have_one_host_and_the_first_keeps_it() {
    let sandbox = Sandbox::new();
    let (one, two) = (probe(&sandbox, 1), probe(&sandbox, 2));
    sandbox.write("m/one.yaml", workload("one", &one, "a.example"));
    let mut host = sandbox.host(&["--manifest", "m"]);
    host.ready();
    let other = workload("two", &two, "a.example").replace("name: two", "name: two, namespace: other");
    sandbox.write("m/two.yaml", other);
    let failed = host.wait_for("failed");
    assert!(failed["error"]["message"].as_str().unwrap().contains("belongs to another namespace"), "{failed:#}");
    assert_eq!(host.get_from("a.example", "/version").body, guests::marker(1));
    host.terminate();
}

#[test]
fn while_an_image_is_fetched_its_requests_are_told_to_come_again() {
    let registry = Fake::start();
    registry.react(|_| Reaction::Hang);
    let sandbox = Sandbox::new();
    sandbox.write("a.yaml", workload("a", &format!("{}/team/a:1", registry.host()), "a.example"));
    let mut host = sandbox.host(&["--manifest", "a.yaml", "--registry-pull-timeout", "3s", "--admin-addr", "0"]);
    host.wait_for("starting");
    eventually("it is known before it is here", || host.get_from("a.example", "/").status == 503);
    assert_eq!(host.get_from("b.example", "/").status, 404);
    let ready = |host: &Dev| request(&admin_url(host), "GET", "/readyz", None, &[]).unwrap();
    assert_eq!((ready(&host).status, ready(&host).body.as_str()), (503, "starting\n"));
    let failed = host.wait_for("failed");
    assert!(failed["error"].to_string().contains("within 3 seconds"), "{failed:#}");
    // One image that is not to be had does not make the host useless.
    eventually("the host is ready", || ready(&host).status == 200);
    host.terminate();
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A connection that is not used yet.
fn connect(host: &Dev, name: &str, ca: &[&Path], identity: Option<&str>) -> std::io::Result<Tls> {
    let mut roots = RootCertStore::empty();
    for path in ca {
        let pem = std::fs::read(path).unwrap();
        for one in rustls_pemfile_certs(&pem) {
            roots.add(one).unwrap();
        }
    }
    let builder = ClientConfig::builder_with_provider(wash::internal::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(vec![certificate(&format!("{identity}.pem"))], key(&format!("{identity}-key.pem")))
            .unwrap(),
    };
    let name_for_tls = ServerName::try_from(name.to_string()).unwrap();
    let client = ClientConnection::new(Arc::new(config), name_for_tls).unwrap();
    let stream = TcpStream::connect(host.url.split("://").nth(1).unwrap())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(StreamOwned::new(client, stream))
}

/// The first line of the answer, and the certificate that it came with.
fn https(host: &Dev, name: &str, ca: &[&Path], identity: Option<&str>) -> std::io::Result<(String, Vec<u8>)> {
    let mut stream = connect(host, name, ca, identity)?;
    stream.write_all(format!("GET /version HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    // Who closes without saying so has said all that there was.
    if let Err(error) = stream.read_to_end(&mut answer)
        && answer.is_empty()
    {
        return Err(error);
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let leaf = stream.conn.peer_certificates().unwrap()[0].to_vec();
    Ok((answer.lines().next().unwrap_or_default().to_string(), leaf))
}

fn rustls_pemfile_certs(pem: &[u8]) -> Vec<rustls::pki_types::CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject;
    rustls::pki_types::CertificateDer::pem_slice_iter(pem).map(|one| one.unwrap()).collect()
}

#[test]
fn each_name_gets_its_certificate_and_clients_need_theirs() {
    let sandbox = Sandbox::new();
    let image = probe(&sandbox, 1);
    sandbox.write("m/a.yaml", workload("a", &image, "localhost, host-aliases: other.example"));
    // A second certificate, for another name.
    let folder = sandbox.path().join("second");
    std::fs::create_dir(&folder).unwrap();
    make_certificates(&folder);
    let script = "printf 'subjectAltName=DNS:other.example\\n' > extensions; openssl x509 -req -in server.csr -CA \
                  authority/ca.crt -CAkey authority.key -CAcreateserial -days 2 -extfile extensions -out server.crt";
    let made = std::process::Command::new("sh").args(["-c", script]).current_dir(&folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (first, first_key, ca) = (cert_path("server.pem"), cert_path("server-key.pem"), cert_path("ca.pem"));
    let (second, second_key) = (folder.join("server.crt"), folder.join("server.key"));
    let second_ca = folder.join("authority/ca.crt");
    let files = [&first, &first_key, &second, &second_key, &ca].map(|path| path.display().to_string());
    let [first, first_key, second, second_key, ca_path] = files.each_ref().map(String::as_str);
    let mut args = vec!["--manifest", "m", "--tls-cert", first, "--tls-key", first_key];
    args.extend(["--tls-cert", second, "--tls-key", second_key]);
    let mut host = sandbox.host(&args);
    host.ready();
    assert!(host.url.starts_with("https://"), "{}", host.url);
    let authorities = [ca.as_path(), second_ca.as_path()];
    let (status, one) = https(&host, "localhost", &authorities, None).unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK");
    let (status, two) = https(&host, "other.example", &authorities, None).unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_ne!(one, two);
    host.terminate();

    args.extend(["--tls-ca", ca_path]);
    let mut host = sandbox.host(&args);
    host.ready();
    assert!(https(&host, "localhost", &authorities, None).is_err(), "without a certificate nobody comes in");
    let (status, _) = https(&host, "localhost", &authorities, Some("client")).unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK");
    host.terminate();
}

#[test]
fn a_renewed_certificate_is_taken_over_and_open_connections_stay() {
    let sandbox = Sandbox::new();
    let image = probe(&sandbox, 1);
    sandbox.write("m/a.yaml", workload("a", &image, "localhost"));
    let copy = |from: &str, to: &str| sandbox.write(to, std::fs::read(cert_path(from)).unwrap());
    copy("server.pem", "tls/cert.pem");
    copy("server-key.pem", "tls/key.pem");
    let args = ["--manifest", "m", "--tls-cert", "tls/cert.pem", "--tls-key", "tls/key.pem"];
    let mut host = sandbox.host(&args);
    host.ready();
    let ca = cert_path("ca.pem");
    let leaf = || https(&host, "localhost", &[&ca], None).unwrap();
    let mut kept = connect(&host, "localhost", &[&ca], None).unwrap();
    let mut ask_on_kept = || {
        kept.write_all(b"GET /version HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let (mut answer, mut byte) = (Vec::new(), [0]);
        while !answer.ends_with(guests::marker(1).as_bytes()) {
            kept.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        // The end of the chunks, if there are some.
        if String::from_utf8_lossy(&answer).contains("chunked") {
            kept.read_exact(&mut [0; 7]).unwrap();
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    };
    ask_on_kept();
    assert_eq!(leaf(), ("HTTP/1.1 200 OK".into(), certificate("server.pem").to_vec()));
    // What cannot be used changes nothing: a certificate without its key, and what is none.
    copy("renewed.pem", "tls/cert.pem");
    sandbox.write("tls/key.pem", "half a k");
    ask_on_kept();
    assert_eq!(leaf().1, certificate("server.pem").to_vec());
    copy("renewed-key.pem", "tls/key.pem");
    eventually("the renewed certificate is in use", || leaf().1 == certificate("renewed.pem").to_vec());
    ask_on_kept();
    host.terminate();
}

#[test]
fn who_could_not_be_started_is_unavailable_and_only_strangers_are_unknown() {
    let sandbox = Sandbox::new();
    let image = probe(&sandbox, 1);
    sandbox.write("m/a.yaml", workload("a", "./none.wasm", "a.example"));
    sandbox.write("m/b.yaml", workload("b", &image, "b.example"));
    let mut host = sandbox.host(&["--manifest", "m"]);
    let settled = host.wait_for("settled");
    assert_eq!((&settled["running"], &settled["failed"]), (&1.into(), &1.into()));
    let refused = host.get_from("a.example", "/version");
    assert_eq!(refused.status, 503);
    assert_eq!(refused.body, "the workload could not be started, and is tried again\n");
    assert_eq!(host.get_from("nobody.example", "/version").status, 404);
    // The new version of what runs fails: its new host is unavailable, the old one serves.
    sandbox.write("m/b.yaml", workload("b", "./none.wasm", "b2.example"));
    host.wait_for_event("failed", |event| event["workload_id"] == "default/b");
    assert_eq!(host.get_from("b2.example", "/version").status, 503);
    assert_eq!(host.get_from("b.example", "/version").body, guests::marker(1));
    // What is there again is not refused, and what is wanted no more is unknown.
    sandbox.write("m/b.yaml", workload("b", &image, "b2.example"));
    eventually("the new host serves", || host.get_from("b2.example", "/version").status == 200);
    assert_eq!(host.get_from("b.example", "/version").status, 404);
    std::fs::remove_file(sandbox.path().join("m/a.yaml")).unwrap();
    eventually("nobody knows it any more", || host.get_from("a.example", "/version").status == 404);
    host.terminate();
}

#[test]
fn the_operator_is_told_the_health_and_the_numbers() {
    let sandbox = Sandbox::new();
    let image = probe(&sandbox, 1);
    sandbox.write("m/a.yaml", workload("a", &image, "a.example"));
    sandbox.write("m/b.yaml", workload("b", &image, "b.example"));
    let mut host = sandbox.host(&["--manifest", "m", "--admin-addr", "0"]);
    host.wait_for("settled");
    let admin = admin_url(&host);
    let ask = |path: &str| request(&admin, "GET", path, None, &[]).unwrap();
    assert_eq!((ask("/livez").status, ask("/other").status), (200, 404));
    eventually("the host is ready", || ask("/readyz").status == 200);
    for _ in 0..3 {
        host.get_from("a.example", "/version");
    }
    host.get_from("a.example", "/trap");
    host.get_from("nobody.example", "/");
    let has = |line: &str| ask("/metrics").body.lines().any(|one| one.starts_with(line));
    for line in [
        r#"wash_http_requests_total{namespace="default",workload="a",status="200"} 3"#,
        r#"wash_http_requests_total{namespace="default",workload="a",status="500"} 1"#,
        r#"wash_http_requests_total{namespace="",workload="",status="404"} 1"#,
        r#"wash_http_requests_in_flight{namespace="default",workload="a"} 0"#,
        r#"wash_http_request_duration_seconds_count{namespace="default",workload="a"} 4"#,
        r#"wash_workloads{state="running"} 2"#,
        r#"wash_image_pulls_total{result="ok"} 0"#,
        "wash_instances ",
        "process_resident_memory_bytes ",
        "process_open_fds ",
    ] {
        eventually(line, || has(line));
    }
    // Nothing is kept of what is gone.
    std::fs::remove_file(sandbox.path().join("m/a.yaml")).unwrap();
    host.wait_for("stopped");
    let metrics = ask("/metrics").body;
    assert!(!metrics.contains(r#"workload="a""#), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(host.get_from("b.example", "/version").status == 200);
    host.terminate();
}

#[test]
fn wrong_flags_are_told_before_anything_starts() {
    let sandbox = Sandbox::new();
    for (args, words) in [
        (&["host", "--manifest", "none.yaml"][..], "cannot read the manifest"),
        (&["host", "--manifest", "x", "--http-addr", "here"], "write an address and a port"),
        (&["host", "--manifest", "x", "--drain-timeout", "1d"], "no unit of time"),
        (&["host", "--manifest", "x", "--http-addr", "0", "--tls-cert", "a"], "--tls-key"),
        (&["host", "--manifest", "x", "--redis-url", "http://secret@a"], "--redis-url"),
    ] {
        let ended = run(&mut sandbox.wash(args));
        assert!(ended.code == 1 || ended.code == 2, "{args:?}: {}", ended.code);
        assert!(ended.stderr.contains(words), "{args:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("secret@"), "{args:?}: {}", ended.stderr);
    }
}
