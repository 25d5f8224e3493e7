//! Real servers that capabilities keep data on: NATS and Redis, each in a temporary folder and on a
//! free port, ended when they are dropped.
//!
//! Used by the tests of the binary and by the conformance tests of the backends.

#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::disallowed_methods, reason = "which programs there are depends on the process's environment")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
enum Kind {
    Nats,
    Redis,
}

/// A server in a process of its own.
pub struct Server {
    kind: Kind,
    folder: tempfile::TempDir,
    port: u16,
    /// What a client must give; empty: nothing.
    password: String,
    /// Settings of the server's own, instead of JetStream and a password.
    settings: Option<String>,
    child: Option<Child>,
}

impl Server {
    /// A NATS server with JetStream.
    pub fn nats() -> Server {
        Server::start(Kind::Nats, "")
    }

    /// A NATS server that wants the user `wash` and this password.
    pub fn nats_with_password(password: &str) -> Server {
        Server::start(Kind::Nats, password)
    }

    /// A NATS server with these settings, without JetStream.
    pub fn nats_with_settings(settings: impl Into<String>) -> Server {
        Server::start_with(Kind::Nats, "", Some(settings.into()))
    }

    /// A NATS server that nobody can reach before [`Server::start_again`].
    pub fn nats_that_is_away() -> Server {
        let mut server = Server::nats();
        server.stop();
        server
    }

    /// A Redis server.
    pub fn redis() -> Server {
        Server::start(Kind::Redis, "")
    }

    /// A Redis server that wants this password.
    pub fn redis_with_password(password: &str) -> Server {
        Server::start(Kind::Redis, password)
    }

    fn start(kind: Kind, password: &str) -> Server {
        Server::start_with(kind, password, None)
    }

    fn start_with(kind: Kind, password: &str, settings: Option<String>) -> Server {
        let folder = tempfile::Builder::new().prefix("wash-server-").tempdir().expect("a temporary folder");
        if let Some(settings) = &settings {
            std::fs::write(folder.path().join("server.conf"), settings).expect("a file of settings");
        }
        let mut server = Server { kind, folder, port: 0, password: password.into(), settings, child: None };
        // Somebody else may take the port before the server does.
        for _ in 0..20 {
            server.port = free_port();
            if server.run() {
                return server;
            }
        }
        panic!("the server does not start: {:?}", server.command());
    }

    /// The URL with the password, if there is one.
    pub fn url(&self) -> String {
        let port = self.port;
        match (self.kind, self.password.as_str()) {
            (Kind::Nats, "") => format!("nats://127.0.0.1:{port}"),
            (Kind::Nats, password) => format!("nats://wash:{password}@127.0.0.1:{port}"),
            (Kind::Redis, "") => format!("redis://127.0.0.1:{port}"),
            (Kind::Redis, password) => format!("redis://:{password}@127.0.0.1:{port}"),
        }
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it. What it stored on disk stays.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again, on the same port and with what it had stored on disk.
    pub fn start_again(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.run() {
            assert!(Instant::now() < deadline, "the server does not start again: {:?}", self.command());
        }
    }

    /// Stops it in the middle of whatever it does: it keeps its connections and answers nothing.
    #[cfg(unix)]
    pub fn pause(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets it go on after [`Server::pause`].
    #[cfg(unix)]
    pub fn go_on(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    #[cfg(unix)]
    fn signal(&self, signal: rustix::process::Signal) {
        let child = self.child.as_ref().expect("the server runs");
        rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).expect("the signal is sent");
    }

    /// Starts the process and waits until it listens. Returns whether it does.
    fn run(&mut self) -> bool {
        let mut child = self.command().spawn().unwrap_or_else(|error| {
            panic!("cannot start {:?}: {error}; `scripts/test` installs what is missing", self.command())
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Ok(Some(_)) = child.try_wait() {
                return false;
            }
            if TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_ok() {
                self.child = Some(child);
                return true;
            }
            std::thread::yield_now();
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }

    fn command(&self) -> Command {
        let (folder, port) = (self.folder.path(), self.port.to_string());
        let mut command = match self.kind {
            Kind::Nats => {
                let mut command = Command::new(nats_server());
                command.args(["-a", "127.0.0.1", "-p", &port]);
                match self.settings {
                    Some(_) => command.arg("-c").arg(folder.join("server.conf")),
                    None => command.args(["-js", "-sd"]).arg(folder),
                };
                if !self.password.is_empty() {
                    command.args(["--user", "wash", "--pass", &self.password]);
                }
                command
            }
            Kind::Redis => {
                let mut command = Command::new("redis-server");
                command.args(["--bind", "127.0.0.1", "--port", &port, "--dir"]).arg(folder);
                command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
                if !self.password.is_empty() {
                    command.args(["--requirepass", &self.password]);
                }
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port on which nobody listens, right now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// What `WASH_TEST_NATS_SERVER` names, what `scripts/test` has installed, or what the machine has.
fn nats_server() -> PathBuf {
    if let Some(named) = std::env::var_os("WASH_TEST_NATS_SERVER") {
        return named.into();
    }
    let tools = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let installed = std::fs::read_dir(tools).into_iter().flatten().flatten();
    let installed = installed
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("nats-"))
        .map(|entry| entry.path().join("bin/nats-server"))
        .filter(|path| path.is_file());
    installed.max().unwrap_or_else(|| "nats-server".into())
}
