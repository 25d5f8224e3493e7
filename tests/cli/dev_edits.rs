//! Which changes build, and which do not.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use crate::support::{self, Dev, Sandbox, guests, write};

/// A project whose build notes each run in a file outside of the project and copies the component.
struct Project {
    sandbox: Sandbox,
    root: PathBuf,
}

impl Project {
    fn new() -> Self {
        Self::with_build("cp input.wasm out/app.tmp && mv out/app.tmp out/app.wasm")
    }

    /// `build` runs in the project folder; `$PAUSE` names a file that the test can make.
    fn with_build(build: &str) -> Self {
        let sandbox = Sandbox::new();
        let root = sandbox.path().join("project");
        write(&root.join("input.wasm"), guests::probe_version(1));
        write(&root.join("src/a.txt"), "a");
        write(&root.join("src/b.txt"), "b");
        write(&root.join(".gitignore"), "out/\n");
        write(&root.join("build.sh"), format!("set -e\nmkdir -p out\n{build}\n"));
        let go = sandbox.path().join("go");
        write(
            &root.join(".wash/config.yaml"),
            format!(
                "build:\n  command: sh build.sh\n  component_path: out/app.wasm\n  env:\n    GO: '{}'\n",
                go.display()
            ),
        );
        Project { sandbox, root }
    }

    fn dev(&self) -> Dev {
        self.sandbox.dev(&self.root, &[])
    }

    fn edit(&self, file: &str, text: &str) {
        write(&self.root.join(file), text);
    }

    fn new_version(&self, version: u32) {
        write(&self.root.join("input.wasm"), guests::probe_version(version));
    }

    fn let_go(&self) {
        write(&self.sandbox.path().join("go"), "");
    }
}

/// Everything up to the next version that serves, after one more edit that certainly builds: what
/// did not build before it never will.
fn builds_until(dev: &mut Dev, project: &Project, version: u32) -> usize {
    let before = dev.count("building");
    project.new_version(version);
    dev.ready();
    dev.answers("/version", &guests::marker(version));
    dev.count("building") - before
}

#[test]
fn an_edit_is_served() {
    let project = Project::new();
    let mut dev = project.dev();
    dev.ready();
    dev.answers("/version", &guests::marker(1));
    assert_eq!(builds_until(&mut dev, &project, 2), 1);
    dev.stop();
}

#[test]
fn a_touch_without_a_change_does_not_build() {
    let project = Project::new();
    let mut dev = project.dev();
    dev.ready();
    let file = project.root.join("src/a.txt");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(10);
    fs::File::options().write(true).open(&file).unwrap().set_modified(later).unwrap();
    fs::write(&file, "a").unwrap();
    assert_eq!(builds_until(&mut dev, &project, 2), 1);
    dev.stop();
}

#[test]
fn saving_as_editors_do_builds_once() {
    let project = Project::new();
    let mut dev = project.dev();
    dev.ready();
    // Vim: a swap file, a backup by renaming, a new file under the old name, backup and swap gone.
    let source = project.root.join("src");
    fs::write(source.join(".a.txt.swp"), "swap").unwrap();
    fs::rename(source.join("a.txt"), source.join("a.txt~")).unwrap();
    fs::write(source.join("a.txt"), "new").unwrap();
    fs::remove_file(source.join("a.txt~")).unwrap();
    fs::remove_file(source.join(".a.txt.swp")).unwrap();
    dev.wait_for("building");
    let built = dev.wait_for("built");
    assert_eq!(built["changed"], false, "the component does not depend on that file");
    // And once more, to see that the renamed file is still watched.
    write(&source.join("a.txt"), "newer");
    dev.wait_for("building");
    dev.wait_for("built");
    assert_eq!(builds_until(&mut dev, &project, 2), 1);
    dev.stop();
}

#[test]
fn the_same_component_is_not_swapped() {
    let project = Project::new();
    let mut dev = project.dev();
    dev.ready();
    project.edit("src/a.txt", "other");
    assert_eq!(dev.wait_for("built")["changed"], false);
    assert_eq!(builds_until(&mut dev, &project, 2), 1);
    let generations: Vec<_> = dev
        .events()
        .iter()
        .filter(|event| event["event"] == "ready")
        .map(|event| event["generation"].clone())
        .collect();
    assert_eq!(generations, [1, 2]);
    dev.stop();
}

#[test]
fn a_broken_build_keeps_the_last_version_and_is_shown_until_it_is_repaired() {
    let project = Project::with_build(
        "if grep -q broken src/a.txt; then echo 'src/a.txt:1: <this> does not build' >&2; exit 1; fi
         cp input.wasm out/app.tmp && mv out/app.tmp out/app.wasm",
    );
    let mut dev = project.dev();
    dev.ready();
    project.edit("src/a.txt", "broken");
    let failed = dev.wait_for("build-failed");
    assert!(failed["error"]["message"].as_str().unwrap().contains("exit"), "{failed}");
    assert!(dev.stderr().contains("does not build"), "the tool's own words are shown");
    let html = [("accept", "text/html")];
    assert_eq!(dev.get("/version").body, guests::marker(1), "programs get the old version as it is");
    let page = dev.request("GET", "/html", None, &html);
    assert!(page.body.contains("the last version that worked"), "{}", page.body);
    assert!(page.body.contains("&lt;this&gt; does not build"), "the tool's words are in the page: {}", page.body);
    project.new_version(2);
    dev.wait_for("build-failed");
    project.edit("src/a.txt", "fine again");
    dev.ready();
    dev.answers("/version", &guests::marker(2));
    let page = dev.request("GET", "/html", None, &html);
    assert!(!page.body.contains("the last version that worked"), "{}", page.body);
    dev.stop();
}

#[test]
fn a_failed_first_build_leaves_the_loop_alive_and_answers_503() {
    let project = Project::with_build(
        "if grep -q broken src/a.txt; then echo 'no way' >&2; exit 3; fi
         cp input.wasm out/app.tmp && mv out/app.tmp out/app.wasm",
    );
    project.edit("src/a.txt", "broken");
    let mut dev = project.dev();
    dev.wait_for("build-failed");
    let answer = dev.get("/");
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("build failed"), "{}", answer.body);
    project.edit("src/a.txt", "fine");
    dev.ready();
    dev.answers("/version", &guests::marker(1));
    dev.stop();
}

#[test]
fn requests_before_the_first_build_are_told_so_and_never_again() {
    let project = Project::with_build(
        "while [ ! -e \"$GO\" ]; do sleep 0.02; done; cp input.wasm out/app.tmp && mv out/app.tmp out/app.wasm",
    );
    let mut dev = project.dev();
    dev.wait_for("building");
    let answer = dev.get("/");
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("building project"), "{}", answer.body);
    let page = dev.request("GET", "/", None, &[("accept", "text/html")]);
    assert!(page.body.contains("http-equiv=\"refresh\""), "a browser looks again: {}", page.body);
    project.let_go();
    dev.ready();
    dev.answers("/version", &guests::marker(1));
    dev.stop();
}

#[test]
fn an_edit_during_a_build_is_not_lost() {
    let project = Project::with_build(
        "cp input.wasm out/app.tmp; while [ ! -e \"$GO\" ]; do sleep 0.02; done; mv out/app.tmp out/app.wasm",
    );
    let mut dev = project.dev();
    dev.wait_for("building");
    // The build has copied version 1 already or not: version 2 must be served in the end.
    project.new_version(2);
    dev.wait_for("waiting");
    project.let_go();
    dev.answers("/version", &guests::marker(2));
    dev.stop();
}

#[test]
fn a_file_that_the_build_makes_does_not_build_again() {
    let project = Project::with_build(
        "echo constant > src/generated.txt; cp input.wasm out/app.tmp && mv out/app.tmp out/app.wasm",
    );
    let mut dev = project.dev();
    dev.ready();
    assert!(builds_until(&mut dev, &project, 2) <= 2, "one more build at the most, after the file appeared");
    let before = dev.count("building");
    assert_eq!(builds_until(&mut dev, &project, 3), 1);
    assert_eq!(dev.count("building"), before + 1);
    dev.stop();
}

#[test]
fn a_file_that_every_build_changes_stops_the_loop_by_name() {
    let project =
        Project::with_build("date +%s%N > src/stamp.txt; cp input.wasm out/app.tmp && mv out/app.tmp out/app.wasm");
    let mut dev = project.dev();
    let warning = dev.wait_for_event("warning", |event| event["message"].as_str().unwrap().contains("src/stamp.txt"));
    assert!(warning["hint"].as_str().unwrap().contains(".gitignore"), "{warning}");
    assert_eq!(builds_until(&mut dev, &project, 2), 1);
    dev.stop();
}

#[test]
fn a_burst_of_500_files_builds_once_or_twice() {
    let project = Project::new();
    let mut dev = project.dev();
    dev.ready();
    let before = dev.count("building");
    let begun = Instant::now();
    for index in 0..500 {
        fs::write(project.root.join(format!("src/file-{index}.txt")), index.to_string()).unwrap();
    }
    // The component as well is part of the burst.
    project.new_version(2);
    let looks = begun.elapsed().as_millis().div_ceil(200);
    dev.answers("/version", &guests::marker(2));
    let builds = dev.count("building") - before;
    // A burst is looked at every 200 ms; one more look finds its end, and one what came during the last build.
    assert!((1..=looks as usize + 2).contains(&builds), "{builds} builds, {looks} looks");
    dev.stop();
}

#[test]
fn a_source_folder_that_is_deleted_and_made_again_is_still_watched() {
    let project = Project::new();
    let mut dev = project.dev();
    dev.ready();
    fs::remove_dir_all(project.root.join("src")).unwrap();
    dev.wait_for("building");
    dev.wait_for("built");
    project.edit("src/a.txt", "back");
    dev.wait_for("building");
    dev.wait_for("built");
    project.edit("src/a.txt", "edited");
    dev.wait_for("building");
    dev.wait_for("built");
    assert_eq!(builds_until(&mut dev, &project, 2), 1);
    dev.stop();
}

#[test]
fn a_folder_that_is_replaced_in_one_go_is_still_watched() {
    let project = Project::new();
    let mut dev = project.dev();
    dev.ready();
    // As a version control system does it when it changes branches.
    let other = project.sandbox.path().join("other");
    support::copy_tree(&project.root.join("src"), &other);
    fs::write(other.join("a.txt"), "from the other branch").unwrap();
    fs::rename(project.root.join("src"), project.sandbox.path().join("old")).unwrap();
    fs::rename(&other, project.root.join("src")).unwrap();
    dev.wait_for("building");
    dev.wait_for("built");
    project.edit("src/a.txt", "edited after that");
    dev.wait_for("building");
    dev.wait_for("built");
    dev.stop();
}

#[test]
fn a_changed_wit_file_builds() {
    let project = Project::new();
    write(&project.root.join("wit/world.wit"), "package a:b; world w {}");
    let mut dev = project.dev();
    dev.ready();
    write(&project.root.join("wit/world.wit"), "package a:b; world other {}");
    dev.wait_for("building");
    dev.wait_for("built");
    dev.stop();
}

#[test]
fn polling_finds_edits_as_events_do() {
    let project = Project::new();
    let mut dev = project.sandbox.dev(&project.root, &["--poll=50"]);
    dev.ready();
    assert_eq!(builds_until(&mut dev, &project, 2), 1);
    dev.stop();
}

#[test]
fn a_restart_on_unchanged_sources_serves_before_the_build_has_ended() {
    let project = Project::with_build(
        "while [ -e \"$GO\" ]; do sleep 0.02; done; cp input.wasm out/app.tmp && mv out/app.tmp out/app.wasm",
    );
    let mut dev = project.dev();
    dev.ready();
    dev.stop();
    // The next build waits for the file to go.
    project.let_go();
    let mut dev = project.dev();
    dev.ready();
    assert_eq!(dev.get("/version").body, guests::marker(1));
    assert_eq!(dev.count("built"), 0, "the build still waits");
    fs::remove_file(project.sandbox.path().join("go")).unwrap();
    assert_eq!(dev.wait_for("built")["changed"], false);
    dev.stop();
}

#[test]
fn a_restart_on_changed_sources_does_not_serve_the_old_component() {
    let project = Project::with_build(
        "while [ -e \"$GO\" ]; do sleep 0.02; done; cp input.wasm out/app.tmp && mv out/app.tmp out/app.wasm",
    );
    let mut dev = project.dev();
    dev.ready();
    dev.stop();
    project.new_version(2);
    project.let_go();
    let mut dev = project.dev();
    dev.wait_for("building");
    assert_eq!(dev.get("/version").status, 503);
    fs::remove_file(project.sandbox.path().join("go")).unwrap();
    dev.ready();
    dev.answers("/version", &guests::marker(2));
    dev.stop();
}

#[test]
fn a_path_with_spaces_and_other_letters_works() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("mein Projekt – größer 漢字", &guests::probe_version(1), "");
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    write(&root.join("input.wasm"), guests::probe_version(2));
    dev.ready();
    dev.answers("/version", &guests::marker(2));
    dev.stop();
}

#[test]
fn output_of_a_tool_that_is_not_utf_8_does_no_harm() {
    let project = Project::with_build(
        "printf 'caf\\351 \\377\\n'; printf 'warn\\351\\n' >&2; cp input.wasm out/app.tmp && mv out/app.tmp out/app.wasm",
    );
    let mut dev = project.dev();
    dev.ready();
    dev.answers("/version", &guests::marker(1));
    assert!(dev.stderr().contains("caf"), "it is shown as well as it can be: {}", dev.stderr());
    dev.stop();
}

#[test]
fn what_is_no_component_is_named_and_does_not_end_the_loop() {
    let project = Project::new();
    let mut dev = project.dev();
    dev.ready();
    let probe = guests::probe();
    let truncated = &probe[..probe.len() / 2];
    let cases: [(&[u8], &str); 3] = [(b"", "empty"), (b"#!/bin/sh\necho hi\n", "not"), (truncated, "ends too early")];
    for (bytes, word) in cases {
        write(&project.root.join("input.wasm"), bytes);
        let failed = dev.wait_for("build-failed");
        let text = failed["error"].to_string();
        assert!(text.contains(word) && text.contains("app.wasm"), "{word}: {text}");
        assert_eq!(dev.get("/version").body, guests::marker(1));
    }
    project.new_version(2);
    dev.ready();
    dev.answers("/version", &guests::marker(2));
    dev.stop();
}

#[test]
fn a_core_module_is_wrapped() {
    let project = Project::new();
    write(&project.root.join("input.wasm"), guests::core_module());
    let mut dev = project.dev();
    let ready = dev.ready();
    assert_eq!(ready["http"], false, "a command answers no HTTP requests");
    // It is run as the service of its workload.
    assert_eq!(dev.wait_for("output")["line"], "hi");
    let answer = dev.get("/");
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("service without a component that answers HTTP requests"), "{}", answer.body);
    dev.stop();
}

#[test]
fn edits_in_ignored_folders_do_not_build() {
    let project = Project::new();
    let mut dev = project.dev();
    dev.ready();
    write(&project.root.join("out/other.txt"), "x");
    assert_eq!(builds_until(&mut dev, &project, 2), 1);
    dev.stop();
}
