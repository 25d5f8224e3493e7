//! `wit.sources` and `wkg.toml`: folders, archives, repositories; and the loop with them.
#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Ended, Sandbox, run, write};

const BILLING: &str = "package acme:billing@1.2.0;\ninterface invoices {\n  use acme:types/money@1.0.0.{amount};\n  \
                       open: func() -> list<amount>;\n}\n";
const TYPES: &str = "package acme:types@1.0.0;\ninterface money { record amount { cents: u64 } }\n";
const WORLD: &str = "package me:app;\nworld app {\n  import acme:billing/invoices@1.2.0;\n}\n";

impl Sandbox {
    fn sourced(&self, billing: &str, types: &str) -> PathBuf {
        let root = self.path().join("app");
        write(&root.join("wit/world.wit"), WORLD);
        write(
            &root.join(".wash/config.yaml"),
            format!("wit:\n  sources:\n    \"acme:billing\": {billing}\n    \"acme:types\": {types}\n"),
        );
        root
    }

    fn fetch(&self, root: &Path, more: &[&str]) -> Ended {
        run(self.wash(["wit", "fetch"]).args(more).current_dir(root))
    }
}

fn read(root: &Path, path: &str) -> String {
    std::fs::read_to_string(root.join(path)).unwrap_or_default()
}

/// A server that gives the same answer to everybody, and the requests so far.
fn server(status: &'static str, body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    format!("http://{address}")
}

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

#[test]
fn a_folder_is_read_anew_each_time_by_every_command() {
    let sandbox = Sandbox::new();
    let component = wat::parse_str("(component (core module))").unwrap();
    let root = sandbox.copying_project(
        "app",
        &component,
        "wit:\n  sources:\n    \"acme:billing\": ../billing\n    \"acme:types\": ../types/wit/types.wit\n",
    );
    write(&root.join("wit/world.wit"), WORLD);
    sandbox.write("billing/wit/package.wit", BILLING);
    sandbox.write("types/wit/types.wit", TYPES);
    let fetched = sandbox.fetch(&root, &["--offline"]).expect_code(0);
    let shown = sandbox.path();
    assert_eq!(
        fetched.stdout.lines().next(),
        Some(format!("acme:billing@1.2.0  {}", shown.join("app/../billing").display()).as_str()),
    );
    assert!(!root.join("wkg.lock").exists(), "what is on this machine is not locked");
    // A change there is taken by the next build, whatever lies in deps.
    sandbox.write("billing/wit/package.wit", BILLING.replace("open:", "closed:"));
    run(sandbox.wash(["build", "--offline"]).current_dir(&root)).expect_code(0);
    assert!(read(&root, "wit/deps/acme-billing-1.2.0/package.wit").contains("closed:"));
    std::fs::remove_dir_all(sandbox.path().join("types")).unwrap();
    let failed = sandbox.fetch(&root, &[]).expect_code(1);
    assert!(failed.stderr.contains("app/../types/wit/types.wit` does not exist"), "{}", failed.stderr);
    assert!(failed.stderr.contains("it is the source of `acme:types`, which is needed at"), "{}", failed.stderr);
}

#[test]
fn an_override_of_wkg_counts() {
    let sandbox = Sandbox::new();
    let root = sandbox.path().join("app");
    write(&root.join("wit/world.wit"), WORLD);
    write(
        &root.join("wkg.toml"),
        "[overrides]\n\"acme:billing\" = { path = \"../billing\" }\n\"acme:types\" = { path = \"../types\" }\n",
    );
    sandbox.write("billing/package.wit", BILLING);
    sandbox.write("types/package.wit", TYPES);
    sandbox.fetch(&root, &["--offline"]).expect_code(0);
    assert_eq!(read(&root, "wit/deps/acme-billing-1.2.0/package.wit"), BILLING);
    write(&root.join("wkg.toml"), "[overrides]\n\"acme:billing\" = { version = \"^2\" }\n");
    let failed = sandbox.fetch(&root, &["--offline"]).expect_code(1);
    assert!(
        failed.stderr.contains("error: `acme:billing@1.2.0` is not what `wkg.toml` allows: ^2"),
        "{}",
        failed.stderr
    );
}

#[test]
fn an_archive_is_locked_by_its_digest_and_kept() {
    let sandbox = Sandbox::new();
    let files = [("billing-1.2.0/wit/billing.wit", BILLING), ("billing-1.2.0/wit/deps/types/types.wit", TYPES)];
    let url = format!("{}/v1.2.0.tar.gz", server("200 OK", archive(&files)));
    let root = sandbox.sourced(&url, &url);
    let fetched = sandbox.fetch(&root, &[]).expect_code(0);
    assert!(fetched.stderr.contains(&format!("Fetching {url}")), "{}", fetched.stderr);
    let lock = read(&root, "wkg.lock");
    assert!(lock.contains(&format!("registry = \"{url}\"")) && lock.contains("requirement = \"=1.2.0\""), "{lock}");
    sandbox.fetch(&root, &["--offline", "--clean", "--locked"]).expect_code(0);
    assert_eq!(read(&root, "wit/deps/acme-types-1.0.0/types.wit"), TYPES);

    // Without the source, what was locked for it is no package.
    let settings = read(&root, ".wash/config.yaml");
    write(&root.join(".wash/config.yaml"), "");
    let failed = sandbox.fetch(&root, &["--offline", "--clean"]).expect_code(1);
    assert!(
        failed.stderr.contains("error: cannot find 1 WIT package")
            || failed.stderr.contains("error: cannot find the WIT package `acme:billing@1.2.0`"),
        "{}",
        failed.stderr
    );
    write(&root.join(".wash/config.yaml"), settings);

    // Somebody else has locked it, and the server now gives something else.
    let other = Sandbox::new();
    let root = other.sourced(&url, &url);
    let at = lock.find("sha256:").unwrap() + "sha256:".len();
    write(&root.join("wkg.lock"), format!("{}{}{}", &lock[..at], "0".repeat(64), &lock[at + 64..]));
    let failed = other.fetch(&root, &[]).expect_code(1);
    assert!(failed.stderr.contains(&format!("error: `{url}` has changed since it was locked")), "{}", failed.stderr);
    assert!(failed.stderr.contains("hint: if that is right, lock the new content: wash wit update acme:billing"));
    run(other.wash(["wit", "update", "acme:billing"]).current_dir(&root)).expect_code(0);
    assert_eq!(read(&root, "wkg.lock"), lock);
}

#[test]
fn an_archive_comes_over_tls_from_whom_one_trusts() {
    use crate::support::upstream::{cert_path, certificate, key};
    let config = rustls::ServerConfig::builder_with_provider(wash::runtime::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate("server.pem")], key("server-key.pem"))
        .unwrap();
    let (config, body) = (
        std::sync::Arc::new(config),
        archive(&[("b/wit/billing.wit", BILLING), ("b/wit/deps/types/types.wit", TYPES)]),
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/b.tar.gz", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            // A client that does not trust us hangs up here.
            if stream.read(&mut [0; 4096]).is_ok() {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    let sandbox = Sandbox::new();
    let root = sandbox.sourced(&url, &url);
    let failed = sandbox.fetch(&root, &[]).expect_code(1);
    assert!(failed.stderr.contains(&format!("error: cannot download `{url}`")), "{}", failed.stderr);
    assert!(failed.stderr.to_lowercase().contains("certificate"), "{}", failed.stderr);
    assert!(!root.join("wkg.lock").exists());
    run(sandbox.wash(["wit", "fetch"]).current_dir(&root).env("WASH_OCI_CA_PATHS", cert_path("ca.pem"))).expect_code(0);
    assert_eq!(read(&root, "wit/deps/acme-types-1.0.0/types.wit"), TYPES);
    assert!(read(&root, "wkg.lock").contains(&url));
    sandbox.fetch(&root, &["--offline", "--locked", "--clean"]).expect_code(0);
}

#[test]
fn archives_that_are_none_are_told() {
    let sandbox = Sandbox::new();
    for (status, body, expected) in [
        ("404 Not Found", Vec::new(), "the server answers 404 Not Found"),
        ("200 OK", b"<html>".to_vec(), "is neither a .tar.gz nor a WIT package"),
        ("200 OK", archive(&[("a/README", "")]), "there are no WIT packages in"),
        ("200 OK", archive(&[("a/types.wit", TYPES)]), "has no package `acme:billing@1.2.0`"),
        (
            "200 OK",
            archive(&[("a/b.wit", &BILLING.replace("1.2.0", "1.1.0"))]),
            "it has `acme:billing@1.1.0`: write that",
        ),
        ("200 OK", archive(&[("a/b.wit", BILLING)])[..40].to_vec(), "cannot unpack"),
    ] {
        let root = sandbox.sourced(&format!("{}/x.tar.gz", server(status, body)), "../types");
        let failed = sandbox.fetch(&root, &[]).expect_code(1);
        assert!(failed.stderr.contains(expected), "{expected}: {}", failed.stderr);
        assert!(!root.join("wit/deps").exists() && !root.join("wkg.lock").exists());
    }
    let root = sandbox.sourced("http://me:secret-word@127.0.0.1:1/x.tar.gz", "../types");
    let failed = sandbox.fetch(&root, &[]).expect_code(1);
    assert!(failed.stderr.contains("cannot download `http://***@127.0.0.1:1/x.tar.gz`"), "{}", failed.stderr);
    assert!(!failed.stderr.contains("secret-word"), "{}", failed.stderr);
    let failed = sandbox.fetch(&root, &["--offline"]).expect_code(1);
    assert!(failed.stderr.contains("needs the network, which `--offline` forbids"), "{}", failed.stderr);
}

#[test]
fn a_repository_is_taken_at_its_ref_and_locked() {
    let sandbox = Sandbox::new();
    let repository = sandbox.path().join("repository.git");
    write(&repository.join("crates/billing/wit/billing.wit"), BILLING);
    write(&repository.join("wit/types/types.wit"), TYPES);
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=A", "-c", "user.email=a@example.com"]).args(args).current_dir(&repository);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        run(&mut command).expect_code(0);
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "one"]);
    git(&["tag", "v1"]);
    write(&repository.join("crates/billing/wit/billing.wit"), BILLING.replace("open:", "closed:"));
    git(&["commit", "--quiet", "--all", "--message", "two"]);

    let url = format!("git+file://{}#v1", repository.display());
    let root = sandbox.sourced(&url, &url);
    sandbox.fetch(&root, &[]).expect_code(0);
    assert_eq!(read(&root, "wit/deps/acme-billing-1.2.0/billing.wit"), BILLING);
    assert!(read(&root, "wkg.lock").contains(&format!("registry = \"{url}\"")));
    // What was fetched once is kept, also when the repository is gone.
    std::fs::rename(&repository, sandbox.path().join("elsewhere")).unwrap();
    sandbox.fetch(&root, &["--clean", "--offline", "--locked"]).expect_code(0);

    let root = sandbox.sourced(&url.replace("#v1", "#v9"), &url);
    std::fs::rename(sandbox.path().join("elsewhere"), &repository).unwrap();
    let failed = sandbox.fetch(&root, &[]).expect_code(1);
    assert!(failed.stderr.contains("error: there is no branch, tag or commit `v9` in `file://"), "{}", failed.stderr);
}

#[test]
fn ctrl_c_while_a_server_is_silent_leaves_everything_as_it_was() {
    let sandbox = Sandbox::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x.tar.gz", listener.local_addr().unwrap());
    let root = sandbox.sourced(&url, "../types");
    let mut wash = sandbox.wash(["wit", "fetch"]).current_dir(&root).stdin(Stdio::null()).spawn().unwrap();
    // It is being waited for now, and gets no answer.
    let connection = listener.accept().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(wash.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(wash.wait().unwrap().code(), Some(130));
    drop(connection);
    assert!(!root.join("wit/deps").exists() && !root.join("wkg.lock").exists());
    let names: Vec<_> = std::fs::read_dir(root.join("wit")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["world.wit"], "nothing is left beside");
}
