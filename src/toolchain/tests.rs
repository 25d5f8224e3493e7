//! The room through its public face, with projects made by hand and tools made of shell scripts.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::*;
use crate::component::Kind;
use crate::error;
use crate::progress::{Busy, Silent};
use crate::project::{Language, Project};

/// A folder with a project and a folder with tools, which come first in the PATH.
struct Workshop {
    folder: tempfile::TempDir,
    project: Project,
    opts: BuildOptions,
}

impl Workshop {
    fn new() -> Self {
        // What can go wrong with paths does so in all of these tests.
        let folder = tempfile::Builder::new().prefix("wash \u{fc}n\u{ef} ").tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("my pr\u{f6}ject");
        std::fs::create_dir_all(&root).unwrap();
        let tools = root.with_file_name("tools");
        std::fs::create_dir_all(&tools).unwrap();
        let cache = root.with_file_name("cache");
        let project = Project { root, name: "hello".into(), ..Project::default() };
        let env = [("PATH".to_string(), format!("{}:/usr/bin:/bin", tools.display()))].into();
        let opts = BuildOptions {
            for_dev: false,
            output: ToolOutput::Stderr,
            env,
            interactive: false,
            offline: false,
            wit: WitFetch::Missing,
            cache,
        };
        Workshop { folder, project, opts }
    }

    fn command(command: &str, component_path: &str) -> Self {
        let mut workshop = Workshop::new();
        workshop.project.settings.build.command = Some(command.into());
        workshop.project.settings.build.component_path = Some(component_path.into());
        workshop
    }

    fn language(language: Language, files: &[(&str, &str)]) -> Self {
        let mut workshop = Workshop::new();
        workshop.project.language = Some(language);
        for (file, text) in files {
            workshop.write(file, text);
        }
        workshop
    }

    fn write(&self, file: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.project.root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Makes a program of a shell script. Another process writes it: a file that this one has open
    /// for writing while a thread starts a process cannot be run ("text file busy").
    fn tool(&self, name: &str, script: &str) -> PathBuf {
        let path = if name.contains('/') { self.project.root.join(name) } else { self.tools().join(name) };
        let status = std::process::Command::new("/bin/sh")
            .args([
                "-c",
                r#"mkdir -p "$(dirname "$1")" && printf '#!/bin/sh\n%s\n' "$2" > "$1" && chmod +x "$1""#,
                "sh",
            ])
            .args([path.as_os_str(), script.as_ref()])
            .status();
        assert!(status.unwrap().success());
        path
    }

    fn tools(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("tools")
    }

    async fn build(&self) -> Result<BuildReport> {
        build(&self.project, &self.opts, &Silent).await
    }

    async fn fails(&self) -> Error {
        self.build().await.map(|report| report.path).expect_err("the build fails")
    }

    fn set_age(&self, file: &str, seconds: u64) {
        let file = std::fs::File::options().write(true).open(self.project.root.join(file)).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    }
}

fn component() -> Vec<u8> {
    wat::parse_str(r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m)) (func (export "go") (canon lift (core func $i "f"))))"#).unwrap()
}

fn module() -> Vec<u8> {
    wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#).unwrap()
}

#[tokio::test]
async fn command_of_the_settings_is_run_in_the_project_with_its_environment() {
    let mut workshop =
        Workshop::command(r#"test "$COLOUR" = red && mkdir out && cp in.wasm "out/a b.wasm""#, "out/a b.wasm");
    workshop.project.settings.build.env.insert("COLOUR".into(), "red".into());
    workshop.write("in.wasm", component());
    let report = workshop.build().await.unwrap();
    assert_eq!(report.path, workshop.project.root.join("out/a b.wasm"));
    assert_eq!(report.artifact.bytes, component());
    assert_eq!((report.description.kind, report.adapted), (Kind::Component, false));
    assert_eq!(report.stages.iter().map(|stage| stage.name).collect::<Vec<_>>(), ["check", "build", "read"]);
}

#[tokio::test]
async fn loop_has_a_command_and_a_path_of_its_own() {
    let mut workshop = Workshop::command("false", "none.wasm");
    workshop.project.settings.dev.command = Some("cp in.wasm dev.wasm".into());
    workshop.project.settings.dev.component_path = Some("dev.wasm".into());
    workshop.write("in.wasm", component());
    workshop.opts.for_dev = true;
    let plan = plan(&workshop.project, &workshop.opts).unwrap();
    assert_eq!((plan.command.as_str(), plan.because.as_str()), ("cp in.wasm dev.wasm", "dev.command of the settings"));
    assert!(plan.footprint.outputs.contains(&workshop.project.root.join("dev.wasm")));
    assert_eq!(workshop.build().await.unwrap().path, workshop.project.root.join("dev.wasm"));
}

#[tokio::test]
async fn core_module_is_wrapped_beside_itself() {
    let workshop = Workshop::command("cp in.wasm app.wasm", "app.wasm");
    workshop.write("in.wasm", module());
    let report = workshop.build().await.unwrap();
    let wrapped = workshop.project.root.join("app.component.wasm");
    assert!(report.adapted);
    assert_eq!(report.path, wrapped);
    assert_eq!(std::fs::read(&wrapped).unwrap(), report.artifact.bytes);
    assert_eq!(std::fs::read(workshop.project.root.join("app.wasm")).unwrap(), module());
    let plan = plan(&workshop.project, &workshop.opts).unwrap();
    assert!(plan.footprint.outputs.contains(&wrapped));
}

#[tokio::test]
async fn what_is_no_component_is_named_with_its_path() {
    let whole = component();
    for (bytes, expected) in [
        (&b""[..], "is empty"),
        (b"hello", "is not WebAssembly but text"),
        (&whole[..whole.len() - 3], "is WebAssembly that ends too early"),
    ] {
        let workshop = Workshop::command("cp in.wasm app.wasm", "app.wasm");
        workshop.write("in.wasm", bytes);
        let error = workshop.fails().await;
        assert!(error.message().contains("my pr\u{f6}ject/app.wasm") && error.message().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn failing_command_is_named_with_folder_and_exit_code_and_explained_once() {
    let workshop = Workshop::command("exit 7", "app.wasm");
    let error = workshop.fails().await;
    assert_eq!(error.message(), "the build command failed with exit code 7");
    assert_eq!(error.causes(), [format!("`exit 7` in `{}`", workshop.project.root.display())]);
    assert!(error.is_explained());
    let killed = Workshop::command("kill -9 $$", "app.wasm").fails().await;
    assert_eq!(killed.message(), "the build command was ended by signal 9 (SIGKILL)");
    assert!(killed.hints()[0].contains("memory"));
    let unknown = Workshop::command("no-such-tool-anywhere", "app.wasm").fails().await;
    assert!(unknown.hints()[0].contains("did not find a program"));
}

#[tokio::test]
async fn command_that_writes_elsewhere_is_told_the_right_line() {
    let workshop = Workshop::command("mkdir dist && cp in.bin dist/other.wasm", "out/app.wasm");
    workshop.write("in.bin", component());
    let error = workshop.fails().await;
    assert_eq!(error.message(), "the build ended well but `out/app.wasm` is not there");
    assert_eq!(error.hints(), ["set `build.component_path` in `.wash/config.yaml`: `component_path: dist/other.wasm`"]);
}

#[tokio::test]
async fn artifact_of_an_older_build_is_accepted_only_if_nothing_has_changed_since() {
    let workshop = Workshop::command("true", "app.wasm");
    workshop.write("app.wasm", component());
    workshop.write("src/main.c", "");
    workshop.write("README.md", "");
    workshop.set_age("app.wasm", 50);
    workshop.set_age("src/main.c", 100);
    workshop.build().await.unwrap();

    workshop.set_age("src/main.c", 10);
    let error = workshop.fails().await;
    assert_eq!(error.message(), "the build ended well but did not write `app.wasm`");
    assert_eq!(error.causes(), ["`src/main.c` has changed since that file was written"]);
}

#[tokio::test]
async fn stale_artifact_of_cargo_is_noticed_by_its_list_of_sources() {
    let workshop = Workshop::command("true cargo", "target/app.wasm");
    workshop.write("target/app.wasm", component());
    let source = workshop.write("src/lib.rs", "");
    let list = format!("x: {}\n", source.display().to_string().replace(' ', "\\ "));
    workshop.write("target/app.d", list);
    workshop.write("other.txt", "");
    workshop.set_age("target/app.wasm", 50);
    workshop.set_age("src/lib.rs", 100);
    workshop.build().await.unwrap();
    workshop.set_age("src/lib.rs", 10);
    assert_eq!(workshop.fails().await.causes(), ["`src/lib.rs` has changed since that file was written"]);
}

#[tokio::test]
async fn artifact_with_an_old_time_is_new_if_it_was_written() {
    let workshop = Workshop::command("cp -p in.wasm app.wasm", "app.wasm");
    workshop.write("in.wasm", component());
    workshop.write("app.wasm", "");
    workshop.write("src.c", "");
    workshop.set_age("in.wasm", 1000);
    workshop.build().await.unwrap();
}

#[tokio::test]
async fn command_without_a_path_is_asked_for_one_before_it_runs() {
    let mut workshop = Workshop::command("touch ran", "");
    workshop.project.settings.build.component_path = None;
    let error = workshop.fails().await;
    assert!(error.message().contains("`build.command` and do not say where it leaves the component"), "{error}");
    assert!(error.hints()[0].starts_with("set `build.component_path` in `.wash/config.yaml`"));
    assert!(!workshop.project.root.join("ran").exists());
}

#[tokio::test]
async fn project_that_nobody_recognises_is_explained() {
    let error = Workshop::new().fails().await;
    assert!(error.message().starts_with("do not know how to build"));
    assert!(error.causes()[0].contains("Cargo.toml, package.json"));
}

#[tokio::test]
async fn missing_tools_are_named_all_at_once_before_anything_runs() {
    let mut workshop = Workshop::command("touch ran && tinygo build && wkg fetch", "app.wasm");
    let empty = workshop.tools().display().to_string();
    workshop.opts.env.insert("PATH".into(), empty);
    let error = workshop.fails().await;
    assert_eq!(error.message(), "`tinygo` and `wkg` are not installed");
    assert_eq!(error.hints(), ["cargo install wkg", "install TinyGo: https://tinygo.org/getting-started/install"]);
    assert!(!workshop.project.root.join("ran").exists());
}

/// Answers every question with yes.
#[derive(Default)]
struct Agreeing(Mutex<Vec<String>>);

impl Progress for Agreeing {
    fn status(&self, _: &str, _: &str) {}
    fn warning(&self, _: &str) {}
    fn hint(&self, _: &str) {}
    fn confirm(&self, question: &str) -> bool {
        self.0.lock().unwrap().push(question.into());
        true
    }
    fn busy(&self, _: &str) -> Busy {
        Busy::hidden()
    }
}

/// Rust tools of which one says where the toolchain lies.
fn without_target() -> Workshop {
    let workshop = Workshop::command("cargo build --target wasm32-wasip2; cp in.wasm app.wasm", "app.wasm");
    workshop.write("in.wasm", component());
    let sysroot = workshop.tools().join("sysroot");
    workshop.tool("rustc", &format!("echo '{}'", sysroot.display()));
    workshop.tool("cargo", "exit 0");
    workshop
}

#[tokio::test]
async fn missing_rust_target_is_found_before_the_build_and_named_with_its_command() {
    let mut workshop = without_target();
    workshop.opts.env.insert("PATH".into(), format!("{}:/bin", workshop.tools().display()));
    let error = workshop.fails().await;
    assert_eq!(error.message(), "the Rust target wasm32-wasip2 is not installed");
    assert!(error.hints()[0].ends_with("https://rustup.rs and: rustup target add wasm32-wasip2"), "{error:?}");
    workshop.tool("rustup", "exit 1");
    assert_eq!(workshop.fails().await.hints(), ["rustup target add wasm32-wasip2"]);
    assert!(!workshop.project.root.join("app.wasm").exists());
}

#[tokio::test]
async fn missing_rust_target_is_added_with_consent() {
    let mut workshop = without_target();
    let library = workshop.tools().join("sysroot/lib/rustlib/wasm32-wasip2/lib");
    let script = format!(
        "test \"$*\" = 'target add wasm32-wasip2' && mkdir -p '{0}' && touch '{0}/libcore-1.rlib'",
        library.display()
    );
    workshop.tool("rustup", &script);
    workshop.opts.interactive = true;
    let asked = Agreeing::default();
    build(&workshop.project, &workshop.opts, &asked).await.unwrap();
    let questions = asked.0.into_inner().unwrap();
    assert_eq!(questions, ["The Rust target wasm32-wasip2 is not installed. Run `rustup target add wasm32-wasip2`?"]);
}

#[tokio::test]
async fn packages_are_installed_once_and_before_the_build() {
    let workshop = Workshop::language(
        Language::JavaScript,
        &[
            ("package.json", r#"{"scripts": {"build": "x"}, "dependencies": {"dep": "1"}}"#),
            ("package-lock.json", "{}"),
        ],
    );
    workshop.write("in.bin", component());
    workshop.tool("node", "exit 0");
    workshop.tool(
        "npm",
        r#"echo "$*" >> log
        case "$1" in
            ci) mkdir -p node_modules/dep && echo '{}' > node_modules/dep/package.json && touch node_modules/.package-lock.json;;
            run) mkdir -p dist && cp in.bin dist/out.wasm;;
        esac"#,
    );
    let plan = plan(&workshop.project, &workshop.opts).unwrap();
    assert_eq!((plan.command.as_str(), plan.because.as_str()), ("npm run build", "JavaScript project: package.json"));
    assert!(plan.footprint.outputs.contains(&workshop.project.root.join("node_modules")));
    let report = workshop.build().await.unwrap();
    assert_eq!(report.path, workshop.project.root.join("dist/out.wasm"));
    assert_eq!(report.stages.iter().map(|stage| stage.name).collect::<Vec<_>>(), ["check", "install", "build", "read"]);
    workshop.build().await.unwrap();
    let log = std::fs::read_to_string(workshop.project.root.join("log")).unwrap();
    assert_eq!(log, "ci --no-audit --no-fund\nrun build\nrun build\n");
}

#[tokio::test]
async fn offline_is_told_to_every_tool() {
    let mut workshop = Workshop::command(
        r#"test "$CARGO_NET_OFFLINE$npm_config_offline$PIP_NO_INDEX" = truetrue1 && cp in.wasm app.wasm"#,
        "app.wasm",
    );
    workshop.write("in.wasm", component());
    workshop.opts.offline = true;
    workshop.build().await.unwrap();
}

#[tokio::test]
async fn python_project_is_built_by_the_tool_of_its_virtual_environment() {
    let workshop = Workshop::language(
        Language::Python,
        &[("app.py", ""), ("requirements.txt", ""), ("wit/world.wit", "package a:b; world answer {}")],
    );
    let missing = workshop.fails().await;
    assert_eq!(missing.message(), "`componentize-py` is not installed");
    assert_eq!(missing.hints(), ["python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"]);

    workshop.write("in.bin", component());
    workshop.tool(
        ".venv/bin/componentize-py",
        r#"test -n "$VIRTUAL_ENV" && echo "$*" > log && cp in.bin build/hello.wasm"#,
    );
    let report = workshop.build().await.unwrap();
    assert_eq!(report.path, workshop.project.root.join("build/hello.wasm"));
    assert_eq!(
        std::fs::read_to_string(workshop.project.root.join("log")).unwrap(),
        "--wit-path wit --world answer componentize app --output build/hello.wasm\n"
    );
}

#[tokio::test]
async fn go_project_is_built_by_tinygo_after_its_code_was_generated() {
    let mut workshop = Workshop::language(
        Language::Go,
        &[("go.mod", ""), ("main.go", "//go:generate bindings\n"), ("wit/world.wit", "package a:b; world answer {}")],
    );
    workshop.project.name = "example.com/team/hello".into();
    workshop.write("in.bin", component());
    workshop.tool("go", "echo \"go $*\" > log");
    workshop.tool("tinygo", "echo \"tinygo $*\" >> log && cp in.bin build/hello.wasm");
    let report = workshop.build().await.unwrap();
    let commands =
        "go generate ./... && tinygo build -target wasip2 -wit-package ./wit -wit-world answer -o build/hello.wasm .";
    assert_eq!(report.command, commands);
    assert_eq!(
        std::fs::read_to_string(workshop.project.root.join("log")).unwrap(),
        commands.replace(" && ", "\n") + "\n"
    );
}

#[tokio::test]
async fn plain_go_makes_a_library_for_preview_1_and_its_variables_are_its_own() {
    let workshop = Workshop::language(
        Language::Go,
        &[
            ("go.mod", "require go.bytecodealliance.org/pkg v0.4.0\n"),
            ("wit/world.wit", "package a:b; world answer {}"),
        ],
    );
    workshop.write("in.bin", component());
    workshop.tool("go", "test \"$1\" = version || { echo \"$GOOS $GOARCH $*\" > log && cp in.bin build/hello.wasm; }");
    let report = workshop.build().await.unwrap();
    let args = "build -buildmode=c-shared -ldflags=-checklinkname=0 -o build/hello.wasm .";
    assert_eq!(report.command, format!("GOOS=wasip1 GOARCH=wasm go {args}"));
    assert_eq!(std::fs::read_to_string(workshop.project.root.join("log")).unwrap(), format!("wasip1 wasm {args}\n"));
}

/// A clang that says what it was asked to do, with all that belongs to it.
fn with_clang(files: &[(&str, &str)]) -> Workshop {
    let mut workshop = Workshop::language(Language::C, files);
    let sysroot = workshop.tools().join("sysroot");
    for file in ["sysroot/lib/wasm32-wasip1/libc.a", "resources/lib/wasip1/libclang_rt.builtins-wasm32.a"] {
        let path = workshop.tools().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    workshop.write("in.bin", component());
    workshop.opts.env.insert("WASI_SYSROOT".into(), sysroot.display().to_string());
    workshop.opts.env.insert("CC".into(), "clang-of-mine".into());
    workshop.opts.env.insert("CFLAGS".into(), "-Wall  -DA=1".into());
    workshop.tool("wasm-ld", "exit 1");
    let resources = workshop.tools().join("resources");
    workshop.tool(
        "clang-of-mine",
        &format!(
            "if [ \"$1\" = --print-resource-dir ]; then echo '{}'; else echo \"$*\" > log && cp in.bin build/hello.wasm; fi",
            resources.display()
        ),
    );
    workshop
}

#[tokio::test]
async fn c_component_is_compiled_with_all_its_sources_and_what_the_environment_says() {
    let mut workshop =
        with_clang(&[("src/b.c", ""), ("gen/my_world.c", ""), ("wit/world.wit", "package a:b; world my-world {}")]);
    let report = workshop.build().await.unwrap();
    assert!(report.command.starts_with("clang-of-mine --target=wasm32-wasip1 "), "{}", report.command);
    let log = || std::fs::read_to_string(workshop.project.root.join("log")).unwrap();
    let flags = "-mexec-model=reactor -D__component_type_object_force_link_my_world=abort -Oz -I. -Isrc -Igen -Wall -DA=1 gen/my_world.c src/b.c -Wl,--strip-debug -nodefaultlibs -lc ";
    assert!(log().contains(flags), "{}", log());
    assert!(log().ends_with("resources/lib/wasip1/libclang_rt.builtins-wasm32.a -o build/hello.wasm\n"), "{}", log());

    // The object file with the types, where wit-bindgen has made one, is what the sources refer to.
    workshop.write("gen/my_world_component_type.o", "");
    workshop.opts.for_dev = true;
    workshop.build().await.unwrap();
    let log = std::fs::read_to_string(workshop.project.root.join("log")).unwrap();
    assert!(!log.contains("force_link") && log.contains("-O1 -gline-tables-only"), "{log}");
    assert!(log.contains(" gen/my_world.c gen/my_world_component_type.o src/b.c "), "{log}");
}

#[tokio::test]
async fn makefile_leaves_whichever_file_it_writes() {
    let workshop = Workshop::language(Language::Make, &[("Makefile", "")]);
    workshop.write("in.bin", component());
    workshop.write("old/unused.wasm", module());
    workshop.tool("make", "test -f b/app.wasm || { mkdir -p b && cp in.bin b/app.wasm; }");
    let made = workshop.build().await.unwrap();
    assert_eq!(made.path, workshop.project.root.join("b/app.wasm"));
    // Nothing is to be made again; of the two files one is a component.
    assert_eq!(workshop.build().await.unwrap().path, made.path);
    let nothing = Workshop::language(Language::Make, &[("Makefile", "")]);
    nothing.tool("make", "true");
    assert_eq!(nothing.fails().await.message(), "the build ended well and wrote no `.wasm` file");
}

#[tokio::test]
async fn broken_wit_fails_the_build_and_not_the_plan() {
    let workshop = Workshop::language(Language::Python, &[("app.py", ""), ("wit/world.wit", "package a:b; world {")]);
    assert!(plan(&workshop.project, &workshop.opts).is_ok());
    assert!(workshop.fails().await.details_text().unwrap().contains("world.wit:1"));
}

/// Waits for a condition; only a failing test waits to the end.
async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn is_running(pid: &str) -> bool {
    // A process that nobody has waited for is gone, too.
    let state = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
    let state = String::from_utf8_lossy(&state.stdout).trim().to_string();
    !state.is_empty() && !state.starts_with('Z')
}

/// A build whose grandchild writes its number and then sleeps.
fn endless(trap: &str) -> (Workshop, PathBuf) {
    let workshop = Workshop::command(
        &format!("{trap} sh -c 'sleep 1000 & echo $! > pid.new; mv pid.new pid; wait' ; true"),
        "app.wasm",
    );
    let pid = workshop.project.root.join("pid");
    (workshop, pid)
}

#[tokio::test]
async fn dropped_build_kills_the_whole_process_group() {
    let (workshop, pid) = endless("");
    {
        let building = workshop.build();
        tokio::pin!(building);
        tokio::select! {
            _ = &mut building => panic!("it never ends"),
            () = wait_until("the tool starts", || pid.exists()) => {}
        }
    }
    let pid = std::fs::read_to_string(pid).unwrap();
    wait_until("the grandchild ends", || !is_running(pid.trim())).await;
}

#[tokio::test]
async fn stopped_build_lets_the_tool_clean_up() {
    let (workshop, pid) = endless("trap 'touch cleaned; exit 1' TERM;");
    let result =
        build_until(&workshop.project, &workshop.opts, &Silent, wait_until("the tool starts", || pid.exists())).await;
    assert_eq!(result.map(|_| ()).unwrap_err().kind(), error::Kind::Interrupted);
    assert!(workshop.project.root.join("cleaned").exists());
    assert!(!is_running(std::fs::read_to_string(pid).unwrap().trim()));
}

#[tokio::test]
async fn tool_that_does_not_want_to_end_is_killed() {
    let (workshop, pid) = endless("trap '' TERM;");
    let begun = Instant::now();
    let result =
        build_until(&workshop.project, &workshop.opts, &Silent, wait_until("the tool starts", || pid.exists())).await;
    assert_eq!(result.map(|_| ()).unwrap_err().kind(), error::Kind::Interrupted);
    assert!(begun.elapsed() < Duration::from_secs(60));
    wait_until("the grandchild ends", || !is_running(std::fs::read_to_string(&pid).unwrap().trim())).await;
}

#[tokio::test]
async fn what_a_command_leaves_running_ends_with_it() {
    let workshop = Workshop::command("sleep 1000 & echo $! > pid; cp in.wasm app.wasm", "app.wasm");
    workshop.write("in.wasm", component());
    workshop.build().await.unwrap();
    let pid = std::fs::read_to_string(workshop.project.root.join("pid")).unwrap();
    wait_until("the sleeper ends", || !is_running(pid.trim())).await;
}

#[tokio::test]
async fn tool_that_asks_the_terminal_does_not_hang_the_build() {
    // The system sends this signal to who reads from a terminal that is somebody else's.
    let error = Workshop::command("kill -TTIN $$", "app.wasm").fails().await;
    assert!(error.message().ends_with("wants to read from the terminal"), "{error}");
}

#[tokio::test]
async fn input_of_a_tool_is_empty_and_its_output_may_be_any_bytes() {
    let workshop = Workshop::command(r"printf '\377\376\n'; cat; cp in.wasm app.wasm", "app.wasm");
    workshop.write("in.wasm", component());
    workshop.build().await.unwrap();
}

#[test]
fn path_in_the_target_folder_is_recognised_as_written() {
    let workshop = Workshop::command("make", "./target/x/app.wasm");
    let plan = plan(&workshop.project, &workshop.opts).unwrap();
    assert!(plan.footprint.outputs.iter().any(|path| path.ends_with(Path::new("target/x/app.wasm"))), "{plan:?}");
}
