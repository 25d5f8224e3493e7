//! A registry of WIT packages: Debian's `docker-registry` with what `wkg` publishes into it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use wasm_pkg_client::{Client, Config, PublishOpts};

/// The one user of a registry that wants to know who asks, and the hash of the password.
pub const USER: &str = "me";
pub const PASSWORD: &str = "secret-word";
const HTPASSWD: &str = "me:$2y$04$ZKXKds52zK8Ym22zDxlMte0uqHnIAx.Az03LsICChWXtjc1fESzgi\n";

/// A running registry. It ends with this.
pub struct Registry {
    child: Child,
    /// `127.0.0.1:PORT`
    pub address: String,
    with_password: bool,
    _folder: tempfile::TempDir,
}

impl Registry {
    /// One that answers everybody.
    pub fn open() -> Self {
        Self::start(false)
    }

    /// One that answers [`USER`] with [`PASSWORD`].
    pub fn private() -> Self {
        Self::start(true)
    }

    fn start(with_password: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {:?}}}}}\nhttp: {{addr: 127.0.0.1:0}}\n",
            folder.path().join("data")
        );
        if with_password {
            let htpasswd = folder.path().join("htpasswd");
            std::fs::write(&htpasswd, HTPASSWD).expect("a file");
            config.push_str(&format!("auth: {{htpasswd: {{realm: test, path: {htpasswd:?}}}}}\n"));
        }
        let path = folder.path().join("config.yml");
        std::fs::write(&path, config).expect("a file");
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is installed (scripts/test does it)");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let rest = line.split("listening on ").nth(1)?;
                Some(rest.split(|c: char| c == '"' || c.is_whitespace()).next()?.to_string())
            })
            .expect("docker-registry says where it listens");
        // Nobody may stand in its way when it writes more.
        std::thread::spawn(move || lines.for_each(drop));
        Registry { child, address, with_password, _folder: folder }
    }

    /// The configuration of `wkg` for it: every package is there.
    pub fn wkg_config(&self) -> String {
        let auth = if self.with_password {
            format!("auth = {{ username = {USER:?}, password = {PASSWORD:?} }}\n")
        } else {
            String::new()
        };
        let address = &self.address;
        format!(
            "default_registry = {address:?}\n[registry.{address:?}]\ntype = \"oci\"\n[registry.{address:?}.oci]\nprotocol = \"http\"\n{auth}"
        )
    }

    /// Publishes a package that was encoded, as `wkg publish` does.
    pub fn publish(&self, path: &Path) {
        let config = Config::from_toml(&self.wkg_config()).expect("a configuration of wkg");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let opts = PublishOpts { skip_semver_check: true, ..PublishOpts::default() };
        runtime.block_on(Client::new(config).publish_release_file(path, opts)).expect("the package is published");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
