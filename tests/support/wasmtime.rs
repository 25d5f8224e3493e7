//! `wasmtime serve`, to compare with.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::PATIENCE;

/// A component under `wasmtime serve`; stopped when dropped.
pub struct Served {
    child: Child,
    url: String,
}

/// Serves a component with the `wasmtime` of `WASH_TEST_WASMTIME`, where that is at hand.
pub fn serve(component: &Path, more: &[&str]) -> Option<Served> {
    let program = std::env::var_os("WASH_TEST_WASMTIME")?;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(program)
        .args(["serve", "-S", "cli", "--addr", &format!("127.0.0.1:{port}")])
        .args(more)
        .arg(component)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("wasmtime starts");
    let served = Served { child, url: format!("http://127.0.0.1:{port}") };
    let deadline = Instant::now() + PATIENCE;
    while served.try_get("/").is_none() {
        assert!(Instant::now() < deadline, "wasmtime serve does not answer");
        std::thread::yield_now();
    }
    Some(served)
}

impl Served {
    /// Status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path).expect("an answer")
    }

    fn try_get(&self, path: &str) -> Option<(u16, String)> {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let mut answer = config.new_agent().get(format!("{}{path}", self.url)).call().ok()?;
        Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
