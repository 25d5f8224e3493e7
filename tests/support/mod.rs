//! What the tests of the binary have in common: a sandbox to run `wash` in, a running `wash dev`
//! to talk to, and the guests that it serves.
//!
//! Nothing here waits for time: [`Dev::wait_for`] waits for an event, [`Dev::answers`] for an answer,
//! both with a generous bound that only a failing test ever reaches.

#![allow(dead_code, reason = "each test uses its part")]

pub mod browser;
pub mod collector;
pub mod dev;
pub mod fake_registry;
pub mod guests;
pub mod load;
#[cfg(unix)]
pub mod postgres;
pub mod registry;
pub mod s3;
pub mod scheduler;
pub mod servers;
#[cfg(target_os = "linux")]
pub mod terminal;
pub mod upstream;
pub mod wasmtime;
pub mod wit_registry;
pub mod wkg;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

pub use dev::Dev;
#[cfg(unix)]
pub use postgres::Postgres;
pub use servers::Server;

/// Only a failing test waits this long. Toolchains on a busy machine are slow.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A home, a cache and a working folder of its own.
pub struct Sandbox {
    dir: tempfile::TempDir,
    /// Where cargo keeps the compiled packages of projects; `None`: in the project, as for everybody.
    builds: Option<PathBuf>,
}

impl Sandbox {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("wash-test-").tempdir().expect("a temporary folder");
        for folder in ["home", "work"] {
            std::fs::create_dir(dir.path().join(folder)).expect("a folder in the sandbox");
        }
        let sandbox = Sandbox { dir, builds: None };
        sandbox.share_with_other_tests("code");
        sandbox
    }

    /// For a real project: its packages, and the functions of the interpreter inside of its component, are compiled
    /// once for all tests that have them.
    pub fn for_project() -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.share_with_other_tests("functions");
        sandbox.builds = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages"));
        sandbox
    }

    /// Takes back that the packages are kept elsewhere.
    pub fn keep_builds_in_projects(&mut self) {
        self.builds = None;
    }

    /// Lets the sandbox have the machine code that other tests compiled: the same guests are compiled by hundreds
    /// of them. It is found by what it was compiled from and by the binary that did.
    fn share_with_other_tests(&self, cache: &str) {
        #[cfg(unix)]
        {
            let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("engine").join(cache);
            std::fs::create_dir_all(&shared).expect("a folder for machine code");
            let engine = self.dir.path().join("home/cache/wash/engine");
            std::fs::create_dir_all(&engine).expect("a folder in the sandbox");
            std::os::unix::fs::symlink(shared, engine.join(cache)).expect("a link in the sandbox");
        }
        #[cfg(not(unix))]
        let _ = cache;
    }

    /// The folder in which `wash` is run.
    pub fn path(&self) -> PathBuf {
        // Canonical, because wash prints canonical paths (macOS: /private/tmp).
        self.dir.path().join("work").canonicalize().expect("the sandbox exists")
    }

    /// `wash` with these arguments, in [`Self::path`].
    pub fn wash<I: IntoIterator<Item = A>, A: AsRef<OsStr>>(&self, args: I) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wash"));
        command.args(args).current_dir(self.path());
        self.environment(&mut command);
        command
    }

    /// Gives a command the sandbox's home. The toolchains keep theirs: they are the machine's.
    pub fn environment(&self, command: &mut Command) {
        let home = self.dir.path().join("home");
        let real_home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
        let tool_home = |name: &str, folder: &str| {
            std::env::var_os(name).unwrap_or_else(|| real_home.join(folder).into_os_string())
        };
        command
            .env("CARGO_HOME", tool_home("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", tool_home("RUSTUP_HOME", ".rustup"))
            .env("npm_config_cache", tool_home("npm_config_cache", ".npm"))
            .env("PIP_CACHE_DIR", tool_home("PIP_CACHE_DIR", ".cache/pip"))
            .env("GOCACHE", tool_home("GOCACHE", ".cache/go-build"))
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("XDG_DATA_HOME", home.join("data"))
            .env("NO_COLOR", "1")
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("RUSTFLAGS");
        if let Some(builds) = &self.builds {
            command.env("CARGO_BUILD_BUILD_DIR", builds);
        }
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            // What cargo and nextest set for the test itself must not reach the guests' toolchains.
            let ours = ["CARGO_PKG_", "CARGO_BIN_EXE_", "NEXTEST", "OTEL_", "WASH_"];
            if ours.iter().any(|prefix| name.starts_with(prefix)) || name == "CARGO_MANIFEST_DIR" || name == "CARGO" {
                command.env_remove(&name);
            }
        }
    }

    /// Writes a file below the working folder, with the folders it needs.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        write(&self.path().join(path), content)
    }

    /// A project whose "toolchain" copies `input.wasm` to `out/app.wasm`: a build in no time.
    pub fn copying_project(&self, name: &str, component: &[u8], more_settings: &str) -> PathBuf {
        let root = self.path().join(name);
        write(&root.join("input.wasm"), component);
        let settings = format!(
            "build:\n  command: mkdir -p out && cp input.wasm out/app.tmp && mv out/app.tmp out/app.wasm\n  \
             component_path: out/app.wasm\n{more_settings}"
        );
        write(&root.join(".wash/config.yaml"), settings);
        write(&root.join(".gitignore"), "out/\n");
        root
    }
}

/// Writes a file with the folders it needs, in one step: a watcher never sees half of it.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> PathBuf {
    let folder = path.parent().expect("a file in a folder");
    std::fs::create_dir_all(folder).expect("folders for a file");
    let temporary = folder.join(format!(".{}.tmp~", path.file_name().unwrap_or_default().to_string_lossy()));
    std::fs::write(&temporary, content).expect("a file is written");
    std::fs::rename(&temporary, path).expect("a file is moved into place");
    path.to_path_buf()
}

/// Exit code, stdout and stderr of a command that has ended.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command to its end. One that serves although it should not would never come to it, and is killed.
pub fn run(command: &mut Command) -> Ended {
    use std::process::Stdio;

    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the command starts");
    let (_ended, ended) = std::sync::mpsc::channel::<()>();
    #[cfg(unix)]
    {
        let pid = rustix::process::Pid::from_child(&child);
        std::thread::spawn(move || {
            if ended.recv_timeout(5 * PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        });
    }
    let output: Output = child.wait_with_output().expect("the command ends");
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ended {
    /// Panics with everything that was printed unless the exit code is this.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// stdout as one JSON document.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", self.stdout))
    }
}

/// Waits until a condition holds.
#[track_caller]
pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// Whether a process runs.
#[cfg(target_os = "linux")]
pub fn is_alive(pid: &str) -> bool {
    // A zombie has ended; only its parent has not looked yet.
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Copies a folder of this repository, without what builds leave there.
pub fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder to copy") {
        let entry = entry.expect("an entry");
        let name = entry.file_name();
        if ["target", "node_modules", "dist", ".venv"].iter().any(|skipped| name == *skipped) {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type().expect("a file type").is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a file is copied");
        }
    }
}
