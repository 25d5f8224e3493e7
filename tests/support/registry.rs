//! A real registry: Debian's `docker-registry`, on a free port, with its data in a temporary folder.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How the registry protects itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Protection {
    /// Asks for `alice` with the password `s3cret`.
    pub password: bool,
    /// Speaks TLS, with a certificate of an authority that only [`Registry::ca`] knows.
    pub tls: bool,
}

/// A running registry; stopped when dropped.
pub struct Registry {
    child: Child,
    folder: tempfile::TempDir,
    host: String,
}

pub const USERNAME: &str = "alice";
pub const PASSWORD: &str = "s3cret";

impl Registry {
    /// Plain HTTP, open to everybody.
    pub fn open() -> Self {
        Self::start(Protection::default())
    }

    pub fn start(protection: Protection) -> Self {
        let folder = tempfile::Builder::new().prefix("wash-registry-").tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut config = format!(
            "version: 0.1\nlog: {{ level: info }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\n\
             http:\n  addr: 127.0.0.1:0\n",
            path("data")
        );
        if protection.tls {
            make_certificates(folder.path());
            config += &format!("  tls: {{ certificate: {}, key: {} }}\n", path("server.crt"), path("server.key"));
        }
        if protection.password {
            let made = tool("htpasswd").args(["-Bbn", USERNAME, PASSWORD]).output().expect("htpasswd starts");
            std::fs::write(folder.path().join("htpasswd"), made.stdout).expect("a password file");
            config += &format!("auth: {{ htpasswd: {{ realm: test, path: {} }} }}\n", path("htpasswd"));
        }
        std::fs::write(folder.path().join("config.yml"), config).expect("the registry's settings");
        let mut child = tool("docker-registry")
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is installed: scripts/test");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, rest) = line.split_once("listening on 127.0.0.1:")?;
                Some(rest.chars().take_while(char::is_ascii_digit).collect::<String>())
            })
            .expect("the registry says where it listens");
        // Somebody has to read what it says, or it stops.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Registry { child, folder, host: format!("127.0.0.1:{port}") }
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The certificate of the authority that has signed the registry's.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("authority/ca.crt")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `skopeo`, another client.
pub fn skopeo() -> Command {
    tool("skopeo")
}

fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command.stdin(Stdio::null());
    command
}

/// An authority, and a certificate of its for this machine.
pub fn make_certificates(folder: &Path) {
    let script = "set -e; mkdir -p authority; \
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=wash-test-authority \
          -keyout authority.key -out authority/ca.crt \
          -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign; \
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
          -keyout server.key -out server.csr; \
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\nextendedKeyUsage=serverAuth\\n' > extensions; \
        openssl x509 -req -in server.csr -CA authority/ca.crt -CAkey authority.key -CAcreateserial -days 2 \
          -extfile extensions -out server.crt";
    let made = Command::new("sh").args(["-c", script]).current_dir(folder).output().expect("a shell");
    assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
}
