//! What `wash wit` says of WIT that does not fit together.

use std::path::{Path, PathBuf};

use crate::support::{Sandbox, run, write};

impl Sandbox {
    fn project_of(&self, files: &[(&str, &str)]) -> PathBuf {
        let root = self.path().join("app");
        let _ = std::fs::remove_dir_all(&root);
        for (path, text) in files {
            write(&root.join("wit").join(path), text);
        }
        root
    }

    /// What stderr says when fetching fails, and that nothing was changed by it.
    #[track_caller]
    fn refusal(&self, files: &[(&str, &str)]) -> String {
        let root = self.project_of(files);
        let failed = run(self.wash(["--offline", "wit", "fetch"]).current_dir(&root)).expect_code(1);
        assert_eq!(count(&root), files.len(), "nothing was changed");
        failed.stderr
    }
}

fn count(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
}

#[test]
fn packages_that_are_nowhere_are_told_all_at_once() {
    let said = Sandbox::new().refusal(&[
        (
            "world.wit",
            "package me:app;\nworld app {\n  import wasi:keyvalue/store@0.9.0;\n  import acme:billing/invoices@1.2.0;\n}\n",
        ),
        ("deps/billing.wit", "package acme:billing@1.1.0;\ninterface invoices {}\n"),
    ]);
    assert_eq!(
        said,
        "error: cannot find 2 WIT packages
  acme:billing@1.2.0, needed at wit/world.wit:4:10
    wkg.lock  says nothing about it
    wit/deps  has acme:billing@1.1.0 only
    in wash   no such package
    network   not asked: `--offline` forbids it
  wasi:keyvalue@0.9.0, needed at wit/world.wit:3:10
    wkg.lock  says nothing about it
    wit/deps  not there
    in wash   not this version; the newest is 0.2.0-draft
    network   not asked: `--offline` forbids it
hint: leave out `--offline` (or unset WASH_OFFLINE) once; what was fetched is kept
hint: write `wasi:keyvalue@0.2.0-draft` at wit/world.wit:3:10
"
    );
}

#[test]
fn a_package_without_a_version_is_told_one() {
    let said =
        Sandbox::new().refusal(&[("world.wit", "package me:app;\nworld app {\n  import wasi:keyvalue/store;\n}\n")]);
    assert_eq!(
        said,
        "error: cannot find the WIT package `wasi:keyvalue`
  wasi:keyvalue, needed at wit/world.wit:3:10
    wkg.lock  says nothing about it
    wit/deps  not there
    in wash   not this version; the newest is 0.2.0-draft
    network   not asked: registries need a version
hint: write `wasi:keyvalue@0.2.0-draft` at wit/world.wit:3:10
"
    );
}

#[test]
fn an_interface_that_is_not_there_is_shown_in_its_place() {
    let said = Sandbox::new()
        .refusal(&[("world.wit", "package me:app;\nworld app {\n  import wasi:keyvalue/stores@0.2.0-draft;\n}\n")]);
    assert_eq!(
        said,
        "error: the project's WIT does not fit the packages it uses
interface not found in package
     --> wit/world.wit:3:24
      |
    3 |   import wasi:keyvalue/stores@0.2.0-draft;
      |                        ^-----
hint: `wasi:keyvalue@0.2.0-draft` has: store, atomics, batch, watcher, imports, watch-service
"
    );
}

#[test]
fn packages_that_need_each_other_are_a_cycle() {
    let said = Sandbox::new().refusal(&[
        ("world.wit", "package me:app;\nworld app { import a:one/i@1.0.0; }\n"),
        ("deps/one.wit", "package a:one@1.0.0;\ninterface i { use a:two/i@1.0.0.{t}; }\n"),
        ("deps/two.wit", "package a:two@1.0.0;\ninterface i { use a:one/i@1.0.0.{t}; }\n"),
    ]);
    assert_eq!(
        said,
        "error: `a:two@1.0.0` needs itself, through what it uses
package `a:two@1.0.0` creates a dependency cycle
     --> wit/deps/one.wit:2:19
      |
    2 | interface i { use a:two/i@1.0.0.{t}; }
      |                   ^----
hint: if what is wrong lies in wit/deps, make it anew: wash wit fetch --clean
"
    );
}

#[test]
fn a_package_that_is_there_twice_is_told_with_both_places() {
    let sandbox = Sandbox::new();
    let said = sandbox.refusal(&[
        ("world.wit", "package me:app;\nworld app { import a:one/i@1.0.0; }\npackage a:one@1.0.0 { interface i {} }\npackage a:one@1.0.0 { interface j {} }\n"),
    ]);
    assert!(said.contains("`a:one@1.0.0` is there twice"), "{said}");
    assert!(said.contains("wit/world.wit:3:") && said.contains("wit/world.wit:4:"), "{said}");
}

#[test]
fn packages_within_a_file_need_not_be_fetched() {
    let sandbox = Sandbox::new();
    let root = sandbox.project_of(&[(
        "world.wit",
        "package me:app;\nworld app { import a:one/i@1.0.0; }\npackage a:one@1.0.0 {\n  interface i { use wasi:io/poll@0.2.0.{pollable}; }\n}\n",
    )]);
    let fetched = run(sandbox.wash(["--offline", "wit", "fetch"]).current_dir(&root)).expect_code(0);
    assert_eq!(fetched.stdout, "wasi:io@0.2.0  inside wash\nchanged wit/deps\n");
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_dir(root.join("wit")).unwrap();
}

#[test]
fn wit_that_cannot_be_read_is_shown_in_its_place() {
    let said = Sandbox::new().refusal(&[("world.wit", "package me:app;\nworld app {\n  imports x;\n}\n")]);
    assert!(said.starts_with("error: the WIT is not well-formed\nexpected"), "{said}");
    assert!(said.contains("--> wit/world.wit:3:3"), "{said}");
    let said = Sandbox::new().refusal(&[
        ("world.wit", "package me:app;\nworld app { import a:one/i@1.0.0; }\n"),
        ("deps/one/a.wit", "package a:one@1.0.0;\ninterface i {\n"),
    ]);
    assert!(said.contains("--> wit/deps/one/a.wit:3:1"), "{said}");
}

#[test]
fn commands_that_are_asked_wrongly_say_how() {
    let sandbox = Sandbox::new();
    let root = sandbox.project_of(&[("world.wit", "package me:app;\nworld one {}\nworld two {}\n")]);
    let wash = |args: &[&str]| run(sandbox.wash(["--offline", "wit"]).args(args).current_dir(&root));
    assert_eq!(
        wash(&["add", "keyvalue"]).expect_code(2).stderr,
        "error: `keyvalue` is not the name of a WIT package: there is no `:` between namespace and package\n\
         hint: write NAMESPACE:PACKAGE[/INTERFACE][@VERSION], for example wasi:keyvalue/store@0.2.0-draft\n"
    );
    assert_eq!(
        wash(&["add", "wasi:logging"]).expect_code(2).stderr,
        "error: there are 2 worlds in the project's WIT: `one`, `two`\nhint: say which one: --world one\n"
    );
    wash(&["add", "wasi:logging", "--world", "two"]).expect_code(0);
    let missing = run(sandbox.wash(["wit", "fetch", "--wit-dir", "nowhere"]).current_dir(&root)).expect_code(2);
    assert_eq!(missing.stderr, "error: the folder of `--wit-dir nowhere` does not exist\n");
    std::fs::remove_dir_all(root.join("wit")).unwrap();
    std::fs::create_dir(root.join("wit")).unwrap();
    let empty = wash(&["fetch"]).expect_code(1);
    assert!(empty.stderr.starts_with("error: there is no WIT in `wit`\n"), "{}", empty.stderr);
}

#[test]
fn checking_tells_what_is_out_of_step_and_changes_nothing() {
    let sandbox = Sandbox::new();
    let root = sandbox.project_of(&[("world.wit", "package me:app;\nworld app { import wasi:io/poll@0.2.0; }\n")]);
    let failed = run(sandbox.wash(["--offline", "wit", "check"]).current_dir(&root)).expect_code(1);
    assert_eq!(
        failed.stderr,
        "error: the project's WIT has 1 problem
problem: wit/deps does not have, or not as it should be: wasi-io-0.2.0
  bring it up to date: wash wit fetch
note: `wasi:io@0.2.0` at wit/world.wit:2:20 has a newer release inside wash, 0.2.12
  the host serves both; to move: wash wit update wasi:io
"
    );
    assert_eq!(count(&root), 1);
    run(sandbox.wash(["--offline", "wit", "fetch"]).current_dir(&root)).expect_code(0);
    run(sandbox.wash(["--offline", "wit", "check"]).current_dir(&root)).expect_code(0);
}
