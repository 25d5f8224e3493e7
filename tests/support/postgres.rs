//! A real PostgreSQL server in a temporary folder and on a free port, ended when it is dropped.

#![allow(dead_code, reason = "each test uses its part")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::servers::free_port;
use super::{PATIENCE, run};

/// The password of its user, `wash`.
pub const PASSWORD: &str = "pa55word";

/// A server in a process of its own.
pub struct Postgres {
    folder: tempfile::TempDir,
    port: u16,
    /// Settings of the server, `name=value`.
    settings: Vec<String>,
    child: Option<Child>,
}

impl Postgres {
    /// A server that wants a password.
    pub fn start() -> Postgres {
        Postgres::with(&[])
    }

    /// A server with the certificate of the tests, for 127.0.0.1 and `localhost`.
    pub fn with_tls() -> Postgres {
        Postgres::with(&["ssl=on"])
    }

    /// A server with more settings.
    pub fn with(settings: &[&str]) -> Postgres {
        let folder = tempfile::Builder::new().prefix("wash-postgres-").tempdir().expect("a temporary folder");
        let mut server = Postgres {
            folder,
            port: 0,
            settings: settings.iter().map(|setting| setting.to_string()).collect(),
            child: None,
        };
        let owned = |path: &Path, mode: u32| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its permissions are set");
            if let Some((user, group)) = other_user() {
                chown(path, Some(user), Some(group)).expect("it is given away");
            }
        };
        let root = server.folder.path();
        owned(root, 0o700);
        let password = root.join("password");
        fs::write(&password, PASSWORD).expect("a file for the password");
        owned(&password, 0o600);
        let certificates = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certs");
        for (from, to) in [("server.pem", "server.crt"), ("server-key.pem", "server.key")] {
            fs::copy(certificates.join(from), root.join(to)).expect("a certificate");
            owned(&root.join(to), 0o600);
        }
        let mut make = program("initdb");
        make.arg("-D").arg(root.join("data")).args(["-U", "wash", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8"]);
        make.args(["--locale", "C.UTF-8"]).arg("--pwfile").arg(password);
        run(&mut make).expect_code(0);
        // Somebody else may take the port before the server does.
        for _ in 0..20 {
            server.port = free_port();
            if server.run() {
                return server;
            }
        }
        panic!(
            "the server does not start: {}",
            fs::read_to_string(server.folder.path().join("log")).unwrap_or_default()
        );
    }

    /// The URL of its database, with more parameters, `name=value&…`.
    pub fn url(&self, parameters: &str) -> String {
        format!("postgres://wash:{PASSWORD}@127.0.0.1:{}/postgres?{parameters}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What a statement of somebody else gives, without frills.
    #[track_caller]
    pub fn sql(&self, statement: &str) -> String {
        let mut psql = program("psql");
        psql.args(["-h", "127.0.0.1", "-U", "wash", "-d", "postgres", "-XAtc", statement, "-p"]);
        psql.arg(self.port.to_string()).env("PGPASSWORD", PASSWORD);
        run(&mut psql).expect_code(0).stdout.trim().to_string()
    }

    /// Waits until a statement gives this.
    #[track_caller]
    pub fn says(&self, statement: &str, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.sql(statement);
            if said == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{statement} still gives {said:?}, not {expected:?}");
        }
    }

    /// Ends it, with all of its connections. What it stored stays.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = rustix::process::Pid::from_child(&child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
            let _ = child.wait();
        }
    }

    /// Starts it again, on the same port.
    pub fn start_again(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.run() {
            assert!(Instant::now() < deadline, "the server does not start again");
        }
    }

    /// Starts the process and waits until it takes connections. Returns whether it does.
    fn run(&mut self) -> bool {
        let root = self.folder.path();
        let mut server = program("postgres");
        server.arg("-D").arg(root.join("data")).arg("-k").arg(root).args(["-p", &self.port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "fsync=off"] {
            server.args(["-c", setting]);
        }
        for (name, file) in [("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key")] {
            server.arg("-c").arg(format!("{name}={}", root.join(file).display()));
        }
        for setting in &self.settings {
            server.args(["-c", setting]);
        }
        let log = fs::File::create(root.join("log")).expect("a log");
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child = server.spawn().expect("PostgreSQL starts; `scripts/test` installs it");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Ok(Some(_)) = child.try_wait() {
                return false;
            }
            let mut ready = program("pg_isready");
            ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if run(&mut ready).code == 0 {
                self.child = Some(child);
                return true;
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A program of PostgreSQL, as a user that it accepts.
fn program(name: &str) -> Command {
    let mut command = Command::new(path(name));
    // It looks where it is, and that may be a folder of root's.
    command.current_dir("/");
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    command
}

/// Debian has the programs for servers in a folder for each version, the newest of which is taken.
fn path(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin").join(name))))
        .filter(|(_, path)| path.is_file())
        .collect();
    found.sort();
    found.pop().map_or_else(|| name.into(), |(_, path)| path)
}

/// User and group of `postgres`, where the tests run as root: PostgreSQL refuses to be root.
fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
