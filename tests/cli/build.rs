//! `wash build` with the machine's own cargo, and with commands of the settings.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Sandbox, run};

/// A component without dependencies: it compiles in a moment.
const LIBRARY: &str = "[lib]\ncrate-type = [\"cdylib\"]\n";

impl Sandbox {
    /// A crate below the working folder.
    fn cargo_crate(&self, folder: &str, name: &str, more: &str) -> PathBuf {
        let manifest =
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{LIBRARY}{more}");
        self.write(
            format!("{folder}/src/lib.rs"),
            "#[unsafe(no_mangle)]\npub extern \"C\" fn answer() -> i32 { 42 }\n",
        );
        self.write(format!("{folder}/Cargo.toml"), manifest).parent().unwrap().to_path_buf()
    }
}

#[test]
fn cargo_project_needs_no_settings() {
    let sandbox = Sandbox::new();
    let root = sandbox.cargo_crate("my pr\u{f6}ject", "hello-there", "");
    let built = run(sandbox.wash(["build"]).current_dir(root.join("src"))).expect_code(0);
    assert!(built.stderr.contains("Building hello-there with `cargo build --target wasm32-wasip2 --release`"));
    assert!(built.stderr.contains("(Rust project: Cargo.toml)"));
    assert!(built.stderr.contains("Compiling hello-there"), "cargo is shown as it works: {}", built.stderr);
    assert!(built.stderr.contains("exports nothing"), "{}", built.stderr);
    let path = root.join("target/wasm32-wasip2/release/hello_there.wasm");
    assert_eq!(built.stdout.lines().next(), path.to_str());
    for fact in ["\n  size ", "\n  digest   sha256:", "\n  time     check "] {
        assert!(built.stdout.contains(fact), "{}", built.stdout);
    }
    let relative = run(&mut sandbox.wash(["-C", "my pr\u{f6}ject", "build"])).expect_code(0);
    assert!(relative.stdout.starts_with("my pr\u{f6}ject/target/wasm32-wasip2/release/hello_there.wasm\n"));
}

#[test]
fn json_is_one_document_and_nothing_else() {
    let sandbox = Sandbox::new();
    let root = sandbox
        .write(".wash/config.yaml", "build:\n  command: echo noise; cp in.bin app.wasm\n  component_path: app.wasm\n");
    let root = root.parent().unwrap().parent().unwrap();
    let component = wat::parse_str("(component (import \"wasi:cli/nothing@0.2.0\" (instance)))").unwrap();
    sandbox.write("in.bin", &component);
    let built = run(&mut sandbox.wash(["build", "-o", "json"])).expect_code(0);
    let document = built.json();
    assert_eq!(document["schema_version"], 1);
    assert_eq!(document["command"], "build");
    assert_eq!(document["build_command"], "echo noise; cp in.bin app.wasm");
    assert_eq!(document["path"], root.join("app.wasm").to_str().unwrap());
    assert_eq!(document["kind"], "component");
    assert_eq!(document["size"], component.len());
    assert_eq!(document["imports"], serde_json::json!(["wasi:cli/nothing@0.2.0"]));
    assert_eq!(document["exports"], serde_json::json!([]));
    assert_eq!(document["adapted"], false);
    assert!(document["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(document["stages"][1]["name"], "build");
    assert!(built.stderr.contains("noise"), "{}", built.stderr);

    let text = run(&mut sandbox.wash(["build"])).expect_code(0);
    assert!(!text.stdout.contains("noise"), "stdout is for the result: {}", text.stdout);
    assert!(text.stderr.contains("noise"), "{}", text.stderr);
}

#[test]
fn target_folder_may_be_anywhere() {
    let sandbox = Sandbox::new();
    let root = sandbox.cargo_crate("app", "app", "");
    let elsewhere = sandbox.path().join("else where");
    let mut by_variable = sandbox.wash(["build", "-o", "json"]);
    let built = run(by_variable.current_dir(&root).env("CARGO_TARGET_DIR", &elsewhere)).expect_code(0);
    let expected = elsewhere.join("wasm32-wasip2/release/app.wasm");
    assert_eq!(built.json()["path"], expected.to_str().unwrap());

    // Settings with the usual path mean the same file.
    let settings = "build:\n  command: cargo build --target wasm32-wasip2 --release\n  \
                    component_path: target/wasm32-wasip2/release/app.wasm\n";
    sandbox.write("app/.wash/config.yaml", settings);
    sandbox.write("app/.cargo/config.toml", "[build]\ntarget-dir = \"out of the way\"\n");
    let built = run(sandbox.wash(["build", "-o", "json"]).current_dir(&root)).expect_code(0);
    let expected = root.join("out of the way/wasm32-wasip2/release/app.wasm");
    assert_eq!(built.json()["path"], expected.to_str().unwrap());
}

#[test]
fn member_of_a_workspace_is_found_and_a_workspace_of_several_says_what_to_write() {
    let sandbox = Sandbox::new();
    sandbox.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"one\", \"two\"]\n");
    let one = sandbox.cargo_crate("one", "one", "");
    sandbox.cargo_crate("two", "two", "");
    let built = run(sandbox.wash(["build", "-o", "json"]).current_dir(&one)).expect_code(0);
    let release = sandbox.path().join("target/wasm32-wasip2/release");
    assert_eq!(built.json()["path"], release.join("one.wasm").to_str().unwrap());

    let several = run(&mut sandbox.wash(["build"])).expect_code(1);
    assert!(several.stderr.contains("error: cargo built 2 WebAssembly files"), "{}", several.stderr);
    assert!(several.stderr.contains("component_path: target/wasm32-wasip2/release/"), "{}", several.stderr);
    sandbox.write(".wash/config.yaml", "build:\n  component_path: target/wasm32-wasip2/release/two.wasm\n");
    let chosen = run(&mut sandbox.wash(["build", "-o", "json"])).expect_code(0);
    assert_eq!(chosen.json()["path"], release.join("two.wasm").to_str().unwrap());
}

#[test]
fn error_of_the_compiler_is_shown_by_the_compiler_and_summed_up_once() {
    let sandbox = Sandbox::new();
    let root = sandbox.cargo_crate("app", "app", "");
    sandbox.write("app/src/lib.rs", "pub fn broken() -> i32 { \"text\" }\n");
    let failed = run(sandbox.wash(["build", "-o", "json"]).current_dir(&root)).expect_code(1);
    assert!(failed.stderr.contains("error[E0308]: mismatched types"), "{}", failed.stderr);
    assert_eq!(failed.stderr.matches("the build command failed with exit code 101").count(), 1, "{}", failed.stderr);
    let document = failed.json();
    assert_eq!(document["error"]["message"], "the build command failed with exit code 101");
    assert_eq!(document["error"]["exit_code"], 1);
}

#[test]
fn library_that_makes_no_wasm_is_told_the_missing_line() {
    let sandbox = Sandbox::new();
    sandbox.write("Cargo.toml", "[package]\nname = \"plain\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    sandbox.write("src/lib.rs", "");
    let failed = run(&mut sandbox.wash(["build"])).expect_code(1);
    assert!(failed.stderr.contains("error: cargo built no WebAssembly file"), "{}", failed.stderr);
    assert!(failed.stderr.contains("crate-type = [\"cdylib\"]"), "{}", failed.stderr);
}

#[test]
fn missing_tool_is_named_with_what_brings_it() {
    let sandbox = Sandbox::new();
    sandbox.write("go.mod", "module example.com/hello\nrequire go.bytecodealliance.org/cm v0.2.2\n");
    let failed = run(sandbox.wash(["build"]).env("PATH", sandbox.path())).expect_code(1);
    assert!(failed.stderr.contains("error: `tinygo` and `go` are not installed"), "{}", failed.stderr);
    assert!(failed.stderr.contains("hint: install TinyGo: https://tinygo.org/getting-started/install"));
    assert_eq!(failed.stdout, "");
}

#[test]
fn c_and_go_programs_are_built_without_settings() {
    let c = "#include <stdio.h>\nint main(void) { puts(\"hello\"); }\n";
    let go = "package main\n\nfunc main() { println(\"hello\") }\n";
    for (files, recognised) in [
        (&[("src/main.c", c)][..], "(C program: main.c)"),
        (&[("go.mod", "module example.com/hello\n\ngo 1.21\n"), ("main.go", go)][..], "(Go program: go.mod)"),
    ] {
        let sandbox = Sandbox::new();
        for (path, text) in files {
            sandbox.write(format!("hello/{path}"), text);
        }
        let built = run(&mut sandbox.wash(["build", "-C", "hello", "-o", "json", "--offline"])).expect_code(0);
        assert!(built.stderr.contains(recognised), "{}", built.stderr);
        let report = built.json();
        assert!(report["exports"].to_string().contains("wasi:cli/run@0.2"), "{report}");
        assert!(report["path"].as_str().unwrap().ends_with("hello/build/hello.component.wasm"), "{report}");
    }
}

#[test]
fn c_component_gets_the_types_of_its_world_from_the_wit() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "wit/world.wit",
        "package demo:c; interface sums { add: func(a: u32, b: u32) -> u32; } world w { export sums; }",
    );
    let source =
        "__attribute__((export_name(\"demo:c/sums#add\"))) unsigned add(unsigned a, unsigned b) { return a + b; }\n";
    sandbox.write("sums.c", source);
    let built = run(&mut sandbox.wash(["build", "-o", "json"])).expect_code(0);
    assert!(built.stderr.contains("(C project: C sources and WIT)"), "{}", built.stderr);
    assert_eq!(built.json()["exports"], serde_json::json!(["demo:c/sums"]));
    // What the sources include and nobody has made.
    sandbox.write("sums.c", format!("#include \"w.h\"\n{source}"));
    let failed = run(&mut sandbox.wash(["build"])).expect_code(1);
    assert!(failed.stderr.contains("'w.h' file not found"), "clang's own words: {}", failed.stderr);
    assert!(failed.stderr.contains("hint: wit-bindgen c --world w --out-dir gen wit"), "{}", failed.stderr);
}

#[test]
fn missing_c_library_is_told_before_clang_runs() {
    let sandbox = Sandbox::new();
    sandbox.write("main.c", "int main(void) { return 0; }\n");
    let failed = run(sandbox.wash(["build"]).env("WASI_SYSROOT", "/no/such/folder")).expect_code(1);
    assert!(failed.stderr.contains("error: `wasi-libc` is not installed"), "{}", failed.stderr);
    assert!(failed.stderr.contains("WASI_SYSROOT is `/no/such/folder`"), "{}", failed.stderr);
    assert!(!failed.stderr.contains("Building"), "{}", failed.stderr);
}

#[test]
fn go_that_cannot_build_says_what_to_do() {
    let sandbox = Sandbox::new();
    sandbox.write("main.go", "package main\n\nimport \"example.com/other\"\n\nfunc main() { other.Run() }\n");
    for (manifest, flags, error, hint) in [
        ("go 1.99\n", "", "error: `go` is 1.", "hint: install Go: https://go.dev/doc/install"),
        ("go 1.21\nrequire example.com/other v1.0.0\n", "", "missing go.sum entry", "go mod tidy"),
        ("go 1.21\nrequire example.com/other v1.0.0\n", "-mod=mod", "disabled by GOPROXY=off", "go mod download"),
        ("go 1.21\n", "-race", "-race is not supported on wasip1", "GOFLAGS has `-race`"),
    ] {
        sandbox.write("go.mod", format!("module example.com/hello\n\n{manifest}"));
        let failed = run(sandbox.wash(["build", "--offline"]).env("GOFLAGS", flags)).expect_code(1);
        assert!(failed.stderr.contains(error) && failed.stderr.contains(hint), "{}", failed.stderr);
    }
}

#[test]
fn what_the_command_leaves_must_be_a_component() {
    let component = wat::parse_str("(component (core module))").unwrap();
    for (content, expected) in [
        (&b"\x7fELF\x02\x01\x01"[..], "is not WebAssembly but an ELF program"),
        (b"", "is empty"),
        (&component[..component.len() - 1], "is WebAssembly that ends too early"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write(".wash/config.yaml", "build:\n  command: cp in.bin app.wasm\n  component_path: app.wasm\n");
        sandbox.write("in.bin", content);
        let failed = run(&mut sandbox.wash(["build"])).expect_code(1);
        assert!(failed.stderr.contains(&format!("app.wasm` {expected}")), "{}", failed.stderr);
    }
}

#[test]
fn core_module_becomes_a_component() {
    let sandbox = Sandbox::new();
    sandbox.write(".wash/config.yaml", "build:\n  command: cp in.bin app.wasm\n  component_path: app.wasm\n");
    sandbox
        .write("in.bin", wat::parse_str("(module (memory (export \"memory\") 1) (func (export \"_start\")))").unwrap());
    let built = run(&mut sandbox.wash(["build", "-o", "json"])).expect_code(0).json();
    assert_eq!(built["path"], sandbox.path().join("app.component.wasm").to_str().unwrap());
    assert_eq!(built["adapted"], true);
    assert!(built["exports"][0].as_str().unwrap().starts_with("wasi:cli/run@0.2"));
}

#[cfg(unix)]
#[test]
fn interrupted_build_ends_with_all_its_children() {
    for signal in ["-INT", "-TERM"] {
        let sandbox = Sandbox::new();
        let settings = "build:\n  command: sh -c 'sleep 1000 & echo $! > pid.new; mv pid.new pid; wait'; true\n  component_path: app.wasm\n";
        sandbox.write(".wash/config.yaml", settings);
        let mut wash = sandbox.wash(["build"]).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = sandbox.path().join("pid");
        wait_until("the build runs", || pid.exists());
        send(signal, &wash.id().to_string());
        let status = wash.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{signal}");
        let pid = std::fs::read_to_string(pid).unwrap();
        wait_until("the grandchild ends", || !Path::new("/proc").exists() || !is_running(pid.trim()));
    }
}

#[cfg(unix)]
fn send(signal: &str, pid: &str) {
    assert!(std::process::Command::new("kill").args([signal, pid]).status().unwrap().success());
}

#[cfg(unix)]
fn is_running(pid: &str) -> bool {
    let state = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
    let state = String::from_utf8_lossy(&state.stdout).trim().to_string();
    // A process that nobody has waited for is gone, too.
    !state.is_empty() && !state.starts_with('Z')
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
