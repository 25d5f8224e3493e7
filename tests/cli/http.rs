//! HTTP as it comes in: TLS, both protocols, limits, and everything that is not a plain request.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::client::TlsStream;

use crate::support::upstream::{Upstream, cert_path, certificate, key};
use crate::support::{Dev, PATIENCE, Sandbox, guests, write};

fn serve(settings: &str) -> (Sandbox, PathBuf, Dev) {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(1), settings);
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, root, dev)
}

const TLS: &str = "dev:\n  tls_cert_path: certs/cert.pem\n  tls_key_path: certs/key.pem\n";

/// Serves HTTPS with a copy of the certificate of the tests.
fn serve_tls(more: &str) -> (Sandbox, PathBuf, Dev) {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(1), &format!("{TLS}{more}"));
    install(&root, "server");
    write(&root.join("certs/ca.pem"), std::fs::read(cert_path("ca.pem")).unwrap());
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, root, dev)
}

fn install(root: &Path, name: &str) {
    write(&root.join("certs/key.pem"), std::fs::read(cert_path(&format!("{name}-key.pem"))).unwrap());
    write(&root.join("certs/cert.pem"), std::fs::read(cert_path(&format!("{name}.pem"))).unwrap());
}

fn address(dev: &Dev) -> &str {
    dev.url.split("://").nth(1).unwrap()
}

fn connect(dev: &Dev) -> TcpStream {
    let stream = TcpStream::connect(address(dev)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes and returns everything that comes back until the server closes.
fn raw(dev: &Dev, request: &str) -> String {
    let mut stream = connect(dev);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads until a text has come.
fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut received = String::new();
    let mut buffer = [0; 1024];
    while !received.contains(text) {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "{text:?} never came: {received}");
        received.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    received
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("an answer in time") })
}

/// A TLS client that trusts the authority of the tests, and shows the certificate of `identity`.
fn client(alpn: &[&[u8]], identity: Option<&str>) -> ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate("ca.pem")).unwrap();
    let builder = ClientConfig::builder_with_provider(wash::internal::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(name) => builder
            .with_client_auth_cert(vec![certificate(&format!("{name}.pem"))], key(&format!("{name}-key.pem")))
            .unwrap(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}

async fn secure(dev: &Dev, config: ClientConfig) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
    let stream = tokio::net::TcpStream::connect(address(dev)).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// A request over a TLS connection of HTTP/1.1: the whole answer. An error when the server refuses
/// the client, which in TLS 1.3 it learns only when it reads.
async fn https_get(dev: &Dev, path: &str, identity: Option<&str>) -> std::io::Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = secure(dev, client(&[b"http/1.1"], identity)).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

type TestBody = http_body_util::combinators::UnsyncBoxBody<Bytes, std::convert::Infallible>;

fn empty() -> TestBody {
    Full::default().boxed_unsync()
}

/// An HTTP/2 connection over any stream.
async fn http2<S>(stream: S) -> (http2::SendRequest<TestBody>, tokio::task::JoinHandle<hyper::Result<()>>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await.expect("HTTP/2 begins");
    (sender, tokio::spawn(connection))
}

#[test]
fn https_speaks_both_protocols_and_the_guest_knows() {
    let (_sandbox, _root, dev) = serve_tls("");
    assert!(dev.url.starts_with("https://127.0.0.1:"), "{}", dev.url);
    block_on(async {
        let answer = https_get(&dev, "/headers", None).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains(":scheme: https\n"), "{answer}");
        assert!(answer.contains(":authority: localhost\n"), "{answer}");
        let stream = secure(&dev, client(&[b"h2", b"http/1.1"], None)).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (mut sender, _connection) = http2(stream).await;
        let request = Request::get("https://shop.example:8443/headers?x=1").body(empty()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body);
        for line in [":scheme: https", ":authority: shop.example:8443", ":path: /headers?x=1"] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    });
    dev.stop();
}

#[test]
fn plain_http_on_the_tls_port_is_told_so() {
    let (_sandbox, _root, dev) = serve_tls("");
    let answer = raw(&dev, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("write https://"), "{answer}");
    dev.stop();
}

#[test]
fn with_an_authority_every_client_needs_its_certificate() {
    let (_sandbox, _root, mut dev) = serve_tls("  tls_ca_path: certs/ca.pem\n");
    block_on(async {
        let answer = https_get(&dev, "/version", Some("client")).await.unwrap();
        assert!(answer.contains("200 OK") && answer.contains(&guests::marker(1)), "{answer}");
        assert!(https_get(&dev, "/version", None).await.is_err());
        assert!(https_get(&dev, "/version", Some("stranger-client")).await.is_err());
    });
    for words in ["it sent no certificate", "its certificate is not accepted"] {
        let event = dev.wait_for("warning");
        assert!(event["message"].as_str().unwrap().contains(words), "{event}");
    }
    assert_eq!(dev.count("request"), 1, "no stranger got to the component");
    dev.stop();
}

#[test]
fn a_renewed_certificate_is_used_and_a_bad_one_is_not() {
    let (_sandbox, root, mut dev) = serve_tls("");
    let shown = |dev: &Dev| {
        block_on(async {
            let stream = secure(dev, client(&[b"http/1.1"], None)).await.unwrap();
            stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
        })
    };
    assert_eq!(shown(&dev), certificate("server.pem"));
    install(&root, "renewed");
    dev.wait_for("certificate-renewed");
    assert_eq!(shown(&dev), certificate("renewed.pem"));
    write(&root.join("certs/cert.pem"), "no certificate at all\n");
    let event = dev.wait_for("warning");
    assert!(event["message"].as_str().unwrap().contains("the one before stays"), "{event}");
    assert_eq!(shown(&dev), certificate("renewed.pem"));
    install(&root, "server");
    dev.wait_for("certificate-renewed");
    assert_eq!(shown(&dev), certificate("server.pem"));
    assert_eq!(dev.count("building"), 1, "nothing is built of certificates");
    dev.stop();
}

#[test]
fn https_is_switched_on_and_off_while_it_runs() {
    let (_sandbox, root, mut dev) = serve("");
    let config = root.join(".wash/config.yaml");
    let settings = std::fs::read_to_string(&config).unwrap();
    write(&config, format!("{settings}{TLS}"));
    let event = dev.wait_for("settings-invalid");
    assert!(event.to_string().contains("cannot read the certificate"), "{event}");
    assert_eq!(dev.get("/version").status, 200, "it goes on without");
    install(&root, "server");
    write(&config, format!("# again\n{settings}{TLS}"));
    assert!(dev.wait_for("listening")["url"].as_str().unwrap().starts_with("https://"));
    dev.ready();
    block_on(async { assert!(https_get(&dev, "/version", None).await.unwrap().contains("200 OK")) });
    write(&config, settings);
    assert!(dev.wait_for("listening")["url"].as_str().unwrap().starts_with("http://"));
    dev.ready();
    assert_eq!(dev.get("/version").status, 200);
    dev.stop();
}

#[test]
fn a_certificate_that_cannot_be_used_ends_the_start() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", b"", TLS);
    install(&root, "server");
    write(&root.join("certs/key.pem"), std::fs::read(cert_path("client-key.pem")).unwrap());
    let ended = crate::support::run(sandbox.wash(["dev", "--port", "0"]).current_dir(&root)).expect_code(1);
    assert!(ended.stderr.contains("cannot be used with the key"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("Listening"), "{}", ended.stderr);
}

#[test]
fn trailers_go_both_ways() {
    let (_sandbox, _root, dev) = serve("");
    block_on(async {
        let stream = tokio::net::TcpStream::connect(address(&dev)).await.unwrap();
        let (mut sender, _connection) = http2(stream).await;
        let mut trailers = hyper::HeaderMap::new();
        trailers.insert("x-checksum", "abc".parse().unwrap());
        let frames: [Result<_, std::convert::Infallible>; 2] =
            [Ok(Frame::data(Bytes::from("body"))), Ok(Frame::trailers(trailers))];
        let body = StreamBody::new(futures::stream::iter(frames)).boxed_unsync();
        let request = Request::post(format!("{}/echo", dev.url)).body(body).unwrap();
        let response = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
        assert_eq!(response.trailers().unwrap()["x-checksum"], "abc");
        assert_eq!(response.to_bytes(), "body");
    });
    dev.stop();
}

#[test]
fn expect_continue_is_answered_when_the_guest_reads() {
    let (_sandbox, _root, dev) = serve("");
    let mut stream = connect(&dev);
    let head =
        "POST /echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let answer = read_until(&mut stream, "\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\n"), "{answer}");
    stream.write_all(b"hello").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(format!("{answer}{rest}").contains("HTTP/1.1 200 OK") && rest.contains("hello"), "{rest}");
    // One that is not interested in the body says so without it.
    let refused = raw(&dev, &head.replace("/echo", "/status?code=401"));
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    dev.stop();
}

#[test]
fn what_is_no_ordinary_request_is_answered_correctly() {
    let (_sandbox, _root, mut dev) = serve("");
    let tunnel = raw(&dev, "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\nconnection: close\r\n\r\n");
    assert!(tunnel.starts_with("HTTP/1.1 501 "), "{tunnel}");
    let upgrade = raw(
        &dev,
        "GET /headers HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n",
    );
    assert!(upgrade.starts_with("HTTP/1.1 200 "), "the guest answers as if nothing was asked: {upgrade}");
    assert!(!upgrade.to_lowercase().contains("upgrade"), "it cannot, so it is not told: {upgrade}");
    let head = raw(&dev, "HEAD /headers HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    let options = raw(&dev, "OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert!(options.starts_with("HTTP/1.1 404 "), "the probe has no such route: {options}");
    let absolute = raw(&dev, "GET http://shop.example/headers HTTP/1.1\r\nhost: other\r\nconnection: close\r\n\r\n");
    assert!(absolute.contains(":authority: shop.example\n"), "{absolute}");
    let old = raw(&dev, "GET /headers HTTP/1.0\r\n\r\n");
    assert!(old.contains(&format!(":authority: {}\n", address(&dev))), "{old}");
    for request in [
        "GET /headers HTTP/1.1\r\nconnection: close\r\n\r\n",
        "GET /headers HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n",
        "GET /headers HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n",
        "this is no HTTP\r\n\r\n",
    ] {
        let answer = raw(&dev, request);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request}: {answer}");
    }
    assert_eq!(dev.count("fault"), 0);
    // Interim and switching statuses are not answers.
    for code in [100, 101, 103] {
        let answer = dev.get(&format!("/status?code={code}"));
        assert_eq!(answer.status, 500, "{code}: {}", answer.body);
        assert!(dev.wait_for("fault")["reason"].as_str().unwrap().contains("no final status"));
    }
    dev.stop();
}

#[test]
fn a_head_that_is_too_long_is_refused_and_shown() {
    let (_sandbox, _root, mut dev) = serve("");
    let with_header = |size: usize| {
        format!("GET /headers HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-long: {}\r\n\r\n", "x".repeat(size))
    };
    assert!(raw(&dev, &with_header(60 << 10)).starts_with("HTTP/1.1 200 "));
    assert!(raw(&dev, &with_header(65 << 10)).starts_with("HTTP/1.1 431 "));
    let shown = dev.wait_for_event("request", |event| event["status"] == 431);
    assert_eq!(shown["path"], "/headers");
    let many: String = (0..101).map(|number| format!("x-{number}: y\r\n")).collect();
    assert!(raw(&dev, &format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n")).starts_with("HTTP/1.1 431 "));
    let event = dev.wait_for("warning");
    assert!(event["message"].as_str().unwrap().contains("431"), "{event}");
    assert_eq!(dev.get("/version").status, 200);
    dev.stop();
}

#[test]
fn a_body_that_is_too_long_is_refused() {
    let (_sandbox, _root, mut dev) = serve("dev:\n  request_body_limit_mb: 1\n");
    let fits = "x".repeat(1 << 20);
    assert_eq!(dev.send("POST", "/echo", &fits).body.len(), 1 << 20);
    // Said at once where its length is known; without it, the guest's stream ends with an error.
    let refused = raw(&dev, "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1048577\r\nconnection: close\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");
    dev.wait_for_event("request", |event| event["status"] == 413);
    let head =
        "POST /write?path=/nowhere HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let answer = raw(&dev, &format!("{head}100001\r\n{fits}x\r\n0\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("body size exceeds limit"), "{answer}");
    dev.stop();
}

#[test]
fn half_a_head_does_not_delay_the_end() {
    let (_sandbox, _root, mut dev) = serve("");
    let mut half = connect(&dev);
    half.write_all(b"GET /version HTTP/1.1\r\nhost: a\r\nx-half").unwrap();
    let silent = connect(&dev);
    // Both are certainly accepted when a later one has its answer from each thread.
    for _ in 0..8 {
        dev.get("/version");
    }
    dev.interrupt();
    assert_eq!(dev.wait(), 130);
    let stopped = dev.wait_for("stopped");
    assert_eq!(stopped["connections_cut"], 0, "nothing had to be waited for to its bound: {stopped}");
    drop((half, silent));
}

#[test]
fn http_2_drains_with_goaway_and_loses_no_response() {
    let (_sandbox, _root, mut dev) = serve("");
    block_on(async {
        let stream = tokio::net::TcpStream::connect(address(&dev)).await.unwrap();
        let (mut sender, connection) = http2(stream).await;
        let request = Request::get(format!("{}/drip?n=8&ms=100", dev.url)).body(empty()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        dev.interrupt();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("drip 7"), "{body:?}");
        // GOAWAY ends the connection without an error.
        connection.await.unwrap().unwrap();
        assert!(sender.is_closed());
    });
    assert_eq!(dev.wait(), 130);
    assert_eq!(dev.wait_for("stopped")["connections_cut"], 0);
}

#[test]
fn a_client_that_leaves_takes_the_guests_own_requests_with_it() {
    let upstream = Upstream::start();
    let port = upstream.port();
    let (_sandbox, _root, mut dev) = serve(&format!("dev:\n  allowed_host_loopback_ports: [{port}]\n"));
    let mut stream = connect(&dev);
    let url = format!("/relay?url=http://127.0.0.1:{port}/stall");
    stream.write_all(format!("GET {url} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).unwrap();
    read_until(&mut stream, "first");
    drop(stream);
    let request = dev.wait_for_event("request", |event| event["path"].as_str().unwrap().starts_with("/relay"));
    assert_eq!(request["client_left"], true, "{request}");
    let deadline = std::time::Instant::now() + PATIENCE;
    while upstream.open() > 0 {
        assert!(std::time::Instant::now() < deadline, "the server still has the guest's connection");
        std::thread::yield_now();
    }
    dev.stop();
}

/// The most memory that the process has ever had, in MiB.
fn most_memory(dev: &Dev) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", dev.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

#[test]
#[cfg(target_os = "linux")]
fn a_gigabyte_passes_in_constant_memory() {
    const GIGABYTE: usize = 1 << 30;
    let upstream = Upstream::start();
    let port = upstream.port();
    let (_sandbox, _root, dev) = serve(&format!("dev:\n  allowed_host_loopback_ports: [{port}]\n"));
    dev.get("/version");
    let before = most_memory(&dev);
    // In and out at the same time, through the guest.
    let post = |path: String| {
        let stream = connect(&dev);
        let mut writing = stream.try_clone().unwrap();
        let writer = std::thread::spawn(move || {
            let head =
                format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {GIGABYTE}\r\n\r\n");
            writing.write_all(head.as_bytes()).unwrap();
            let chunk = vec![b'x'; 1 << 20];
            for _ in 0..GIGABYTE / chunk.len() {
                writing.write_all(&chunk).unwrap();
            }
        });
        (stream, writer)
    };
    let (mut stream, writer) = post("/echo".into());
    assert!(count(&mut stream) >= GIGABYTE, "all of it came back");
    writer.join().unwrap();
    // From a server through the guest to the client, and from the client through the guest to a server.
    let mut stream = connect(&dev);
    let url = format!("/relay?url=http://127.0.0.1:{port}/bytes?{GIGABYTE}");
    stream.write_all(format!("GET {url} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
    assert!(count(&mut stream) >= GIGABYTE, "all of the server's came through");
    let (mut stream, writer) = post(format!("/relay?url=http://127.0.0.1:{port}/sink"));
    read_until(&mut stream, &GIGABYTE.to_string());
    writer.join().unwrap();
    let after = most_memory(&dev);
    assert!(after < before + 64, "{before} MiB before, {after} MiB at most");
    dev.stop();
}

/// How many bytes come until the end.
fn count(stream: &mut TcpStream) -> usize {
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return total,
            count => total += count,
        }
    }
}

#[test]
fn methods_of_ones_own_reach_the_guest() {
    let (_sandbox, _root, dev) = serve("");
    block_on(async {
        let stream = tokio::net::TcpStream::connect(address(&dev)).await.unwrap();
        let (mut sender, _connection) = http2(stream).await;
        let request = Request::builder()
            .method(Method::from_bytes(b"PURGE").unwrap())
            .uri(format!("{}/headers", dev.url))
            .body(empty())
            .unwrap();
        let body = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).starts_with(":method: PURGE\n"), "{body:?}");
    });
    dev.stop();
}
