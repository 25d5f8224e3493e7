//! `wash wit`: everything that needs no network, and `wash build` with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Ended, Sandbox, guests, run, write};

const WORLD: &str = "package me:app;

// What it is.
world app {
  /// Requests.
  export wasi:http/incoming-handler@0.2.4;
}
";

impl Sandbox {
    /// A project with WIT and a build in no time.
    fn wit_project(&self, world: &str) -> PathBuf {
        let component = wat::parse_str("(component (core module))").unwrap();
        let root = self.copying_project("app", &component, "");
        write(&root.join("wit/world.wit"), world);
        root
    }

    /// `wash` without a network, in a project.
    fn offline(&self, root: &Path, args: &[&str]) -> Command {
        let mut command = self.wash(["--offline"]);
        command.args(args).current_dir(root);
        command
    }

    fn wit(&self, root: &Path, args: &[&str]) -> Ended {
        run(self.offline(root, &["wit"]).args(args))
    }
}

fn world(root: &Path) -> String {
    std::fs::read_to_string(root.join("wit/world.wit")).unwrap()
}

fn deps(root: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(root.join("wit/deps")) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Everything in a folder, to be compared before and after.
fn tree(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push((path.clone(), std::fs::read(path).unwrap())) }
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_inside_wash_is_fetched_without_a_network() {
    let sandbox = Sandbox::new();
    let root = sandbox.wit_project(WORLD);
    let fetched = sandbox.wit(&root, &["fetch"]).expect_code(0);
    assert_eq!(
        fetched.stdout,
        "wasi:cli@0.2.4         inside wash\n\
         wasi:clocks@0.2.4      inside wash\n\
         wasi:filesystem@0.2.4  inside wash\n\
         wasi:http@0.2.4        inside wash\n\
         wasi:io@0.2.4          inside wash\n\
         wasi:random@0.2.4      inside wash\n\
         wasi:sockets@0.2.4     inside wash\n\
         changed wit/deps\n"
    );
    let http = std::fs::read_to_string(root.join("wit/deps/wasi-http-0.2.4/package.wit")).unwrap();
    assert!(http.starts_with("package wasi:http@0.2.4;") && !http.contains("0.2.12"), "{http}");
    let again = sandbox.wit(&root, &["fetch"]).expect_code(0);
    assert!(again.stdout.ends_with("\nnothing had to be changed\n"), "{}", again.stdout);
    // What a language's tools read is what is there now.
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_dir(root.join("wit")).unwrap();
}

#[test]
fn adding_and_removing_leaves_the_world_as_it_was() {
    let sandbox = Sandbox::new();
    let root = sandbox.wit_project(WORLD);
    sandbox.wit(&root, &["fetch"]).expect_code(0);
    let before = tree(&root);
    let added = sandbox.wit(&root, &["add", "wasi:keyvalue"]).expect_code(0);
    assert_eq!(
        added.stdout,
        "+ import wasi:keyvalue/store@0.2.0-draft;\n\
         + import wasi:keyvalue/atomics@0.2.0-draft;\n\
         + import wasi:keyvalue/batch@0.2.0-draft;\n\
         changed wit/world.wit, wit/deps\n"
    );
    assert!(added.stderr.contains("wash wit add wasi:keyvalue/watcher@0.2.0-draft --export"), "{}", added.stderr);
    let text = world(&root);
    assert!(text.contains("world app {\n  import wasi:keyvalue/store@0.2.0-draft;\n"), "{text}");
    assert!(text.contains("// What it is.\n") && text.contains("  /// Requests.\n  export wasi:http"), "{text}");
    let twice = sandbox.wit(&root, &["add", "wasi:keyvalue"]).expect_code(0);
    assert!(
        twice.stdout.starts_with("the world has everything of `wasi:keyvalue@0.2.0-draft` already"),
        "{}",
        twice.stdout
    );

    let removed = sandbox.wit(&root, &["remove", "wasi:keyvalue/batch"]).expect_code(0);
    assert_eq!(removed.stdout, "- import wasi:keyvalue/batch@0.2.0-draft;\nchanged wit/world.wit\n");
    let removed = sandbox.wit(&root, &["remove", "wasi:keyvalue"]).expect_code(0);
    assert!(removed.stdout.contains("  dropped wasi:keyvalue@0.2.0-draft\n"), "{}", removed.stdout);
    assert_eq!(tree(&root), before, "nothing is left of it");
    let none = sandbox.wit(&root, &["remove", "wasi:keyvalue"]).expect_code(1);
    assert_eq!(none.stderr, "error: no world of the project uses `wasi:keyvalue`\nhint: it uses: wasi:http@0.2.4\n");
}

#[test]
fn cleaning_removes_what_was_fetched_and_nothing_else() {
    let sandbox = Sandbox::new();
    let root = sandbox.wit_project(WORLD);
    let before = tree(&root);
    sandbox.wit(&root, &["fetch"]).expect_code(0);
    assert!(!deps(&root).is_empty());
    write(&root.join("wit/deps/mine/package.wit"), "package my:own;\n");
    let cleaned = sandbox.wit(&root, &["clean", "-o", "json"]).expect_code(0);
    let report = cleaned.json();
    assert_eq!(report["folder"], "wit/deps", "{report}");
    assert_eq!(tree(&root), before, "the world stays, and so does the lock file");
    let again = sandbox.wit(&root, &["clean"]).expect_code(0);
    assert!(again.stdout.contains("wit/deps is empty already"), "{}", again.stdout);
    // A link is removed, and not what it leads to.
    #[cfg(unix)]
    {
        let elsewhere = sandbox.write("elsewhere/package.wit", "package my:own;\n");
        std::os::unix::fs::symlink(elsewhere.parent().unwrap(), root.join("wit/deps")).unwrap();
        sandbox.wit(&root, &["clean"]).expect_code(0);
        assert!(elsewhere.is_file() && !root.join("wit/deps").exists());
    }
}

#[test]
fn metadata_of_wkg_toml_is_in_the_package() {
    let sandbox = Sandbox::new();
    let root = sandbox.path().join("types");
    write(
        &root.join("wit/package.wit"),
        "package acme:types@1.0.0;\ninterface money { record amount { cents: u64 } }\n",
    );
    write(
        &root.join("wkg.toml"),
        "[metadata]\nauthors = \"Ann, Bob\"\ndescription = \"Money\"\nlicenses = \"Apache-2.0\"\n\
         source = \"https://example.com/types.git\"\nhomepage = \"https://example.com\"\nrevision = \"abc123\"\n",
    );
    sandbox.wit(&root, &["build"]).expect_code(0);
    let inspected = run(sandbox.offline(&root, &["inspect", "acme-types-1.0.0.wasm", "-o", "json"]).current_dir(&root));
    let data = inspected.expect_code(0).json();
    let metadata = &data["metadata"];
    for (key, value) in [
        ("authors", "Ann, Bob"),
        ("description", "Money"),
        ("licenses", "Apache-2.0"),
        ("source", "https://example.com/types.git"),
        ("homepage", "https://example.com/"),
        ("revision", "abc123"),
    ] {
        assert_eq!(metadata[key], value, "{data}");
    }
    write(&root.join("wkg.toml"), "[metadata]\nhomepage = \"no url\"\n");
    let failed = sandbox.wit(&root, &["build"]).expect_code(2);
    assert!(failed.stderr.contains("error: `metadata.homepage` of `wkg.toml` is wrong"), "{}", failed.stderr);
}

#[test]
fn updating_moves_to_the_newest_compatible_release() {
    let sandbox = Sandbox::new();
    let root = sandbox.wit_project(WORLD);
    sandbox.wit(&root, &["add", "wasi:config/store@0.2.0-rc.1"]).expect_code(0);
    let updated = sandbox.wit(&root, &["update"]).expect_code(0);
    assert_eq!(
        updated.stdout,
        "wasi:http 0.2.4 -> 0.2.12\nwasi:config@0.2.0-rc.1 is the newest of its kind\nchanged wit/world.wit, wit/deps\n"
    );
    assert!(world(&root).contains("export wasi:http/incoming-handler@0.2.12;"));
    assert!(deps(&root).iter().all(|name| !name.ends_with("-0.2.4")), "{:?}", deps(&root));
    // A toolchain may need an older one: then it is said which.
    let back = sandbox.wit(&root, &["update", "wasi:http@0.2.9", "-o", "json"]).expect_code(0).json();
    assert_eq!(back["moved"][0], serde_json::json!({"package": "wasi:http", "from": "0.2.12", "to": "0.2.9"}));
    assert!(world(&root).contains("export wasi:http/incoming-handler@0.2.9;"));
    assert!(deps(&root).contains(&"wasi-io-0.2.9".to_string()));
    let unused = sandbox.wit(&root, &["update", "wasi:keyvalue"]).expect_code(1);
    assert!(unused.stderr.contains("hint: it uses: wasi:config@0.2.0-rc.1, wasi:http@0.2.9"), "{}", unused.stderr);
}

#[test]
fn the_same_as_a_program_reads_it() {
    let sandbox = Sandbox::new();
    let root = sandbox.wit_project(WORLD);
    let added = sandbox.wit(&root, &["add", "wasi:logging", "-o", "json"]).expect_code(0).json();
    assert_eq!(added["command"], "wit");
    assert_eq!(added["package"], "wasi:logging@0.1.0-draft");
    assert_eq!(added["added"], serde_json::json!(["wasi:logging/logging@0.1.0-draft"]));
    assert_eq!(added["changed"], serde_json::json!(["wit/world.wit", "wit/deps"]));
    let tree = sandbox.wit(&root, &["tree", "-o", "json"]).expect_code(0).json();
    assert_eq!(tree["name"], "me:app");
    assert_eq!(tree["uses"][1]["name"], "wasi:logging@0.1.0-draft");
    assert_eq!(tree["uses"][1]["origin"]["kind"], "vendored");
    let failed = sandbox.wit(&root, &["add", "acme:x@1.0.0", "-o", "json"]).expect_code(1).json();
    assert_eq!(failed["error"]["message"], "cannot add `acme:x@1.0.0`");
}

#[test]
fn a_build_fetches_what_is_missing_and_only_that() {
    let sandbox = Sandbox::new();
    let root = sandbox.wit_project(WORLD);
    let built = run(&mut sandbox.offline(&root, &["build", "-o", "json"])).expect_code(0);
    assert_eq!(built.json()["stages"][0]["name"], "fetch");
    assert!(built.stderr.contains("Fetched 7 WIT packages into `wit/deps`"), "{}", built.stderr);
    assert_eq!(deps(&root).len(), 7);
    let again = run(&mut sandbox.offline(&root, &["build", "-o", "json"])).expect_code(0);
    assert_eq!(again.json()["stages"][0]["name"], "check", "nothing is fetched");

    // Another world, another need.
    write(
        &root.join("wit/world.wit"),
        WORLD.replace("world app {", "world app {\n  import wasi:logging/logging@0.1.0-draft;"),
    );
    run(&mut sandbox.offline(&root, &["build"])).expect_code(0);
    assert!(deps(&root).contains(&"wasi-logging-0.1.0-draft".to_string()));

    // Left out by a flag or by settings, whatever is missing.
    write(&root.join("wit/world.wit"), WORLD.replace("wasi:http", "acme:http"));
    run(&mut sandbox.offline(&root, &["build", "--skip-fetch"])).expect_code(0);
    let failed = run(&mut sandbox.offline(&root, &["build"])).expect_code(1);
    assert!(failed.stderr.contains("error: cannot find the WIT package `acme:http@0.2.4`"), "{}", failed.stderr);
    assert!(failed.stderr.contains("needed at wit/world.wit:6:10"), "{}", failed.stderr);
    assert!(failed.stderr.contains("--skip-fetch"), "{}", failed.stderr);
    run(sandbox.offline(&root, &["build"]).env("WASH_WIT__SKIP_FETCH", "true")).expect_code(0);
}

#[test]
fn packages_that_somebody_put_into_deps_are_left_alone() {
    let sandbox = Sandbox::new();
    let root = sandbox.wit_project("package me:app;\nworld app {\n  import acme:billing/invoices@1.2.0;\n  import wasi:keyvalue/store@0.2.0-draft;\n}\n");
    let billing = "package acme:billing@1.2.0;\ninterface invoices { count: func() -> u32; }\n";
    let keyvalue = "package wasi:keyvalue@0.2.0-draft;\ninterface store { mine: func(); }\n";
    write(&root.join("wit/deps/billing/a.wit"), billing);
    write(&root.join("wit/deps/keyvalue.wit"), keyvalue);
    let before = tree(&root.join("wit"));
    run(&mut sandbox.offline(&root, &["build"])).expect_code(0);
    let fetched = sandbox.wit(&root, &["fetch"]).expect_code(0);
    assert_eq!(
        fetched.stdout,
        "acme:billing@1.2.0         wit/deps/billing\nwasi:keyvalue@0.2.0-draft  wit/deps/keyvalue.wit\nnothing had to be changed\n"
    );
    assert_eq!(tree(&root.join("wit")), before);
    // `--clean` means it: what is nowhere else cannot be made anew, and then nothing is removed.
    let failed = sandbox.wit(&root, &["fetch", "--clean"]).expect_code(1);
    assert!(failed.stderr.contains("cannot find the WIT package `acme:billing@1.2.0`"), "{}", failed.stderr);
    assert_eq!(tree(&root.join("wit")), before);
}

#[test]
fn the_loop_fetches_what_an_edit_of_the_world_needs() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("app", &guests::probe_version(1), "");
    write(&root.join("wit/world.wit"), WORLD);
    let mut dev = sandbox.dev(&root, &["--offline"]);
    dev.ready();
    assert_eq!(deps(&root).len(), 7);
    write(&root.join("wit/world.wit"), WORLD.replace("wasi:http", "acme:http"));
    let failed = dev.wait_for("build-failed");
    assert!(failed.to_string().contains("cannot find the WIT package `acme:http@0.2.4`"), "{failed}");
    assert_eq!(dev.get("/version").status, 200, "the last good version serves");
    write(
        &root.join("wit/world.wit"),
        WORLD.replace("world app {", "world app { import wasi:logging/logging@0.1.0-draft;"),
    );
    dev.wait_for("built");
    assert!(deps(&root).contains(&"wasi-logging-0.1.0-draft".to_string()));
    dev.stop();
}
