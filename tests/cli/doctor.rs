//! `wash doctor`, with tools that are scripts: they say the version that a test wants.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

use crate::support::fake_registry::Fake;
use crate::support::{Ended, Sandbox, run, write};

struct Surgery {
    sandbox: Sandbox,
    root: PathBuf,
}

impl Surgery {
    /// A project with these files.
    fn new(files: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::new();
        let root = sandbox.path().join("project");
        fs::create_dir(&root).unwrap();
        for (path, text) in files {
            write(&root.join(path), text);
        }
        Surgery { sandbox, root }
    }

    /// Puts a tool into the folder `place` of the PATH.
    fn tool(&self, place: &str, name: &str, script: &str) -> &Self {
        let path = self.sandbox.write(format!("{place}/{name}"), format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.wash(args);
        let place = |name: &str| self.sandbox.path().join(name).display().to_string();
        // Nothing of the machine's own tools.
        let path = format!("{}:{}:{}", place("first"), place("second"), place("system"));
        fs::create_dir_all(place("system")).unwrap();
        for tool in ["sh", "mkdir", "touch", "cp", "cat", "basename"] {
            let _ =
                std::os::unix::fs::symlink(Path::new("/bin").join(tool), self.sandbox.path().join("system").join(tool));
        }
        command.current_dir(&self.root).env("PATH", path);
        command
    }

    fn doctor(&self, args: &[&str]) -> Ended {
        run(self.command(&["doctor"]).args(args))
    }

    /// The finding about something.
    fn finding(&self, what: &str) -> Value {
        finding(&self.doctor(&["-o", "json"]), what)
    }
}

fn finding(ended: &Ended, what: &str) -> Value {
    let report = ended.json();
    let groups = report["groups"].as_array().unwrap();
    let mut findings = groups.iter().flat_map(|group| group["findings"].as_array().unwrap());
    findings.find(|finding| finding["what"] == what).unwrap_or_else(|| panic!("{what}: {report:#}")).clone()
}

const RUST: &[(&str, &str)] = &[("Cargo.toml", "[package]\nname = \"hello\"\nversion = \"0.1.0\"\n")];
/// A rustc with a folder of targets beside it.
const RUSTC: &str = "case $1 in --version) echo 'rustc 1.90.0 (abc 2026-01-01)' ;; *) echo \"${0%/*}/sysroot\" ;; esac";

#[test]
fn a_healthy_project_is_told_so() {
    let surgery = Surgery::new(RUST);
    surgery.tool("first", "cargo", "exit 1").tool("first", "rustc", RUSTC);
    surgery.sandbox.write("first/sysroot/lib/rustlib/wasm32-wasip2/lib/libcore-1.rlib", "");
    let healthy = surgery.doctor(&[]).expect_code(0);
    assert!(healthy.stdout.contains("ok    rustc                  1.90.0  "), "{}", healthy.stdout);
    assert!(healthy.stdout.contains("ok    target wasm32-wasip2   installed"), "{}", healthy.stdout);
    assert!(healthy.stdout.contains("Rust project: Cargo.toml"), "{}", healthy.stdout);
    assert_eq!(surgery.doctor(&["-o", "json"]).expect_code(0).json()["state"], "good");
}

#[test]
fn each_language_is_looked_at_where_there_is_no_project() {
    let surgery = Surgery::new(&[]);
    surgery.tool("first", "node", "echo v18.19.0").tool("first", "npm", "exit 1");
    // What nobody has asked for need not be there.
    let looked = surgery.doctor(&[]).expect_code(0);
    for text in [
        "Rust\n",
        "JavaScript and TypeScript\n",
        "Python\n",
        "Go\n",
        "warn  cargo",
        "fix: install Rust: https://rustup.rs",
    ] {
        assert!(looked.stdout.contains(text), "{text}: {}", looked.stdout);
    }
    assert!(looked.stdout.contains(">=20 is needed: jco and componentize-js need it"), "{}", looked.stdout);
}

#[test]
fn a_tool_that_is_too_old_is_told_by_the_doctor_and_before_a_build() {
    let surgery = Surgery::new(RUST);
    surgery.tool("first", "cargo", "exit 1").tool("first", "rustc", "echo 'rustc 1.63.0 (abc 2022-08-08)'");
    let rustc = surgery.finding("rustc");
    assert_eq!(rustc["state"], "problem", "{rustc}");
    assert_eq!(rustc["why"], ">=1.82 is needed: the target wasm32-wasip2 came with Rust 1.82", "{rustc}");
    let built = run(&mut surgery.command(&["build"])).expect_code(1);
    assert!(built.stderr.contains("error: `rustc` is 1.63.0, and the build needs >=1.82"), "{}", built.stderr);

    // One that would do stands later in the PATH.
    surgery.tool("second", "rustc", RUSTC);
    let rustc = surgery.finding("rustc");
    let second = surgery.sandbox.path().join("second").display().to_string();
    assert_eq!(rustc["fix"], format!("export PATH=\"{second}:$PATH\""), "{rustc}");
}

#[test]
fn a_project_says_what_else_it_needs() {
    let settings = "build:\n  command: cp a b\n  component_path: b\n  tools:\n    frobnicate: \">=2, <3\"\n";
    let surgery = Surgery::new(&[(".wash/config.yaml", settings)]);
    assert_eq!(surgery.finding("frobnicate")["state"], "problem");
    let built = run(&mut surgery.command(&["build"])).expect_code(1);
    assert!(built.stderr.contains("error: `frobnicate` is not installed"), "{}", built.stderr);
    surgery.tool("first", "frobnicate", "echo frobnicate version 1.9.4");
    let built = run(&mut surgery.command(&["build"])).expect_code(1);
    assert!(built.stderr.contains("`frobnicate` is 1.9.4, and the build needs >=2, <3"), "{}", built.stderr);
    surgery.tool("first", "frobnicate", "echo frobnicate version 2.1.0");
    assert_eq!(surgery.finding("frobnicate")["state"], "good");

    write(&surgery.root.join(".wash/config.yaml"), settings.replace(">=2, <3", "new"));
    let wrong = surgery.doctor(&[]).expect_code(2);
    assert!(
        wrong.stderr.contains("config.yaml:5:") && wrong.stderr.contains("`new` does not say which versions"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn a_pair_of_go_and_tinygo_that_does_not_fit_is_told() {
    let surgery = Surgery::new(&[("go.mod", "module hello\nrequire go.bytecodealliance.org/cm v0.2.2\n")]);
    surgery.tool("first", "tinygo", "echo tinygo version 0.34.0 linux/amd64").tool(
        "first",
        "go",
        "echo go version go1.27.3 linux/amd64",
    );
    let pair = surgery.finding("TinyGo with Go");
    assert_eq!(
        pair["why"], "TinyGo 0.34.0 does not work with Go 1.27.3; the newest that it works with is 1.23",
        "{pair}"
    );
    let built = run(&mut surgery.command(&["build"])).expect_code(1);
    assert!(built.stderr.contains("error: TinyGo 0.34.0 does not work with Go 1.27.3"), "{}", built.stderr);
}

#[test]
fn what_clang_lacks_for_webassembly_is_told_piece_by_piece() {
    let surgery = Surgery::new(&[("main.c", "int main(void) { return 0; }\n")]);
    surgery.tool("first", "clang", "echo \"${0%/*}/resources\"");
    let sdk = surgery.finding("wasm-ld");
    assert_eq!(sdk["state"], "problem", "{sdk}");
    assert!(sdk["fix"].as_str().unwrap().contains("export WASI_SDK_PATH="), "{sdk}");
    surgery.tool("second", "apt-get", "exit 1");
    let missing = surgery.finding("compiler-rt");
    assert_eq!(missing["why"], "`clang` has no `libclang_rt.builtins` for wasm32", "{missing}");
    assert_eq!(missing["fix"], "apt-get install clang lld wasi-libc libclang-rt-dev-wasm32", "{missing}");
    let built = run(&mut surgery.command(&["build"])).expect_code(1);
    assert!(built.stderr.contains("error: `wasm-ld` is not installed"), "{}", built.stderr);

    surgery.tool("first", "wasm-ld", "exit 1");
    surgery.sandbox.write("first/resources/lib/wasi/libclang_rt.builtins-wasm32.a", "");
    assert_eq!(surgery.finding("wasm-ld")["state"], "good");
    assert_eq!(surgery.finding("compiler-rt")["state"], "good");
}

#[test]
fn go_of_the_manifest_is_asked_for_where_it_is_not_fetched() {
    let surgery = Surgery::new(&[("go.mod", "module hello\n\ngo 1.27.1\n")]);
    surgery.tool("first", "go", "echo go version go1.26.0 linux/amd64");
    assert_eq!(surgery.finding("go")["state"], "good");
    let old = finding(&run(surgery.command(&["doctor", "-o", "json"]).env("GOTOOLCHAIN", "local")), "go");
    assert_eq!(old["found"].as_str().unwrap().split(' ').next(), Some("1.26.0"), "{old}");
    assert!(old["why"].as_str().unwrap().starts_with(">=1.27.1 is needed: go.mod says `go 1.27.1`"), "{old}");
}

#[test]
fn what_can_be_mended_without_risk_is_mended_with_consent() {
    let surgery = Surgery::new(RUST);
    surgery.tool("first", "cargo", "exit 1").tool("first", "rustc", RUSTC);
    let rustup = "lib=${0%/*}/sysroot/lib/rustlib/$3/lib; mkdir -p $lib; touch $lib/libcore-1.rlib; echo \"$*\" >ran";
    // Another rustup's targets are not for this rustc.
    surgery.tool("second", "rustup", rustup);
    let other = surgery.finding("target wasm32-wasip2");
    assert!(other["why"].as_str().unwrap().contains("comes first in the PATH"), "{other}");

    surgery.tool("first", "rustup", rustup);
    let target = surgery.finding("target wasm32-wasip2");
    assert_eq!(target["fix"], "rustup target add wasm32-wasip2", "{target}");
    let asked = surgery.doctor(&["--fix"]).expect_code(2);
    assert!(asked.stderr.contains("hint: add --yes"), "{}", asked.stderr);
    assert!(!surgery.root.join("ran").exists(), "nothing is run without consent");

    let mended = surgery.doctor(&["--fix", "--yes"]).expect_code(0);
    assert!(mended.stderr.contains("Running rustup target add wasm32-wasip2"), "{}", mended.stderr);
    assert_eq!(fs::read_to_string(surgery.root.join("ran")).unwrap(), "target add wasm32-wasip2\n");
    assert!(mended.stdout.contains("ok    target wasm32-wasip2"), "{}", mended.stdout);
}

#[test]
fn packages_that_are_missing_are_a_warning() {
    let package = r#"{"scripts":{"build":"true"},"dependencies":{"hono":"4"}}"#;
    let surgery = Surgery::new(&[("package.json", package), ("package-lock.json", "{}")]);
    surgery.tool("first", "node", "echo v22.1.0").tool(
        "first",
        "npm",
        "echo \"$*\" >ran; mkdir -p node_modules/hono; echo {} >node_modules/hono/package.json",
    );
    let looked = surgery.doctor(&["-o", "json"]).expect_code(0);
    let packages = finding(&looked, "packages");
    assert_eq!(
        (&packages["state"], &packages["fix"]),
        (&"warning".into(), &"npm ci --no-audit --no-fund".into()),
        "{packages}"
    );
    surgery.doctor(&["--fix", "--yes"]).expect_code(0);
    assert_eq!(fs::read_to_string(surgery.root.join("ran")).unwrap(), "ci --no-audit --no-fund\n");
}

#[test]
fn a_port_that_is_taken_and_a_build_of_somebody_else_are_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let surgery = Surgery::new(RUST);
    write(&surgery.root.join(".wash/config.yaml"), format!("dev:\n  address: {address}\n"));
    surgery.tool("first", "cargo", "exit 1").tool("first", "rustc", RUSTC);
    let lock = write(&surgery.root.join("target/wasm32-wasip2/debug/.cargo-lock"), "");
    let file = fs::File::open(lock).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    let looked = surgery.doctor(&["-o", "json"]);
    let port = finding(&looked, "port");
    assert_eq!(port["why"], format!("{address} is taken; `wash dev` would not start there"), "{port}");
    let held = finding(&looked, "cargo's lock");
    assert!(held["why"].as_str().unwrap().contains("target/wasm32-wasip2/debug"), "{held}");
    assert!(held["fix"].as_str().unwrap().contains("rust-analyzer.cargo.targetDir"), "{held}");
}

#[test]
fn registries_are_asked_when_that_is_wanted() {
    let surgery = Surgery::new(&[(".wash/config.yaml", "build:\n  command: cp a b\n  component_path: b\n")]);
    let registry = Fake::start();
    assert!(registry.calls().is_empty());
    surgery.doctor(&[]).expect_code(0);
    assert!(registry.calls().is_empty(), "nobody is asked without being named");
    let asked = surgery.doctor(&["--registry", registry.host(), "-o", "json"]).expect_code(0);
    assert_eq!(finding(&asked, registry.host())["state"], "good");
    assert!(!registry.calls().is_empty());
    let nobody = surgery.doctor(&["--registry", "127.0.0.1:1", "-o", "json"]).expect_code(1);
    assert_eq!(finding(&nobody, "127.0.0.1:1")["state"], "problem");
    surgery.doctor(&["--registry", "not a host"]).expect_code(2);
}
