//! `wash new`: what is made, what is refused, and that nothing is left behind.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// A folder to work in, with a home of its own.
struct Sandbox {
    root: TempDir,
    variables: BTreeMap<String, String>,
}

struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Sandbox {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["work", "home", "git"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        let home = root.path().join("home").to_str().unwrap().to_string();
        let variables = [
            ("PATH", std::env::var("PATH").unwrap()),
            ("HOME", home),
            ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GIT_AUTHOR_NAME", "A".into()),
            ("GIT_AUTHOR_EMAIL", "a@example.com".into()),
            ("GIT_COMMITTER_NAME", "A".into()),
            ("GIT_COMMITTER_EMAIL", "a@example.com".into()),
        ];
        Sandbox { root, variables: variables.into_iter().map(|(name, value)| (name.to_string(), value)).collect() }
    }

    /// Where wash is started.
    fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    fn git_folder(&self) -> PathBuf {
        self.root.path().join("git")
    }

    fn url(&self) -> String {
        format!("file://{}", self.git_folder().display())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wash"));
        command.args(arguments).current_dir(self.work()).env_clear().envs(&self.variables).stdin(Stdio::null());
        command
    }

    fn wash(&self, arguments: &[&str]) -> Ended {
        Ended::from(self.command(arguments).output().unwrap())
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(self.git_folder())
            .env_clear()
            .envs(&self.variables)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    }

    /// Commits everything in the folder of the repository.
    fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// A repository with the branches `main` and `next`, the tag `v1` and a subfolder; returns the
    /// commit of `main` and one that no branch or tag points at.
    fn repository(&self) -> (String, String) {
        let git = self.git_folder();
        self.git(&["init", "--quiet", "--initial-branch=main"]);
        write(&git, "version", "old");
        let old = self.commit("old");
        write(&git, "version", "one");
        write(&git, "Cargo.toml", "[package]\nname = \"the-template\"\n");
        write(&git, ".wash/config.yaml", "build:\n  component_path: target/x/release/the_template.wasm\n");
        write(&git, "templates/small-one/wit/small-one.wit", "package example:small-one;\nworld small-one {}\n");
        write(&git, "templates/small-one/run", "#!/bin/sh\n");
        fs::set_permissions(git.join("templates/small-one/run"), fs::Permissions::from_mode(0o755)).unwrap();
        self.commit("one");
        self.git(&["tag", "--annotate", "--message", "v1", "v1"]);
        write(&git, "version", "main");
        let main = self.commit("main");
        self.git(&["checkout", "--quiet", "-b", "next"]);
        write(&git, "version", "next");
        self.commit("next");
        self.git(&["checkout", "--quiet", "main"]);
        (main, old)
    }

    /// The names in the folder where wash is started, also the hidden ones.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(self.work()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.work().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Ended {
            code: output.status.code().expect("ended by itself"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    #[track_caller]
    fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }

    #[track_caller]
    fn failed(self, code: i32, texts: &[&str]) -> Self {
        assert_eq!(self.code, code, "{}", self.stderr);
        for text in texts {
            assert!(self.stderr.contains(text), "`{text}` is not in:\n{}", self.stderr);
        }
        assert!(!self.stderr.contains(".wash-new-"), "{}", self.stderr);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[track_caller]
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the process runs. One that has ended may stay in the table when nobody looks after it.
fn is_running(pid: &str) -> bool {
    let state = Command::new("ps").args(["-o", "stat=", "-p", pid.trim()]).output().unwrap().stdout;
    !state.trim_ascii().is_empty() && !state.starts_with(b"Z")
}

fn embedded(sandbox: &Sandbox) -> Vec<String> {
    let list = sandbox.wash(&["new", "--list", "-o", "json"]).succeeded().json();
    list["templates"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_string()).collect()
}

#[test]
fn every_embedded_template_is_made_offline_and_renamed_throughout() {
    let sandbox = Sandbox::new();
    for template in embedded(&sandbox) {
        let name = format!("my-{}x", template.len());
        let made = sandbox.wash(&["--offline", "new", &template, "--name", &name]).succeeded();
        let path = sandbox.work().join(&name).canonicalize().unwrap();
        assert_eq!(Path::new(made.stdout.trim()).canonicalize().unwrap(), path);
        assert!(path.join(".wash/config.yaml").is_file() && path.join(".gitignore").is_file(), "{template}");
        let old = [template.clone(), template.replace('-', "_")];
        for entry in ignore::WalkBuilder::new(&path).hidden(false).build() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let text = fs::read_to_string(entry.path()).unwrap();
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                let left = text.split(|c| !is_part(c)).find(|word| old.iter().any(|old| old == word));
                assert_eq!(left, None, "in {}", entry.path().display());
            }
        }
        fs::remove_dir_all(path).unwrap();
    }
}

#[test]
fn a_new_project_is_reported_with_what_to_type_next() {
    let sandbox = Sandbox::new();
    let made = sandbox.wash(&["new", "http-hello-world", "--name", "hello"]).succeeded();
    assert_eq!(made.stdout.trim(), sandbox.work().canonicalize().unwrap().join("hello").to_str().unwrap());
    assert_eq!(made.stderr, "   Created hello from http-hello-world\nhint: cd hello && wash dev\n");
    assert_eq!(sandbox.names(), ["hello"]);
}

#[test]
fn a_new_project_goes_below_the_folder_of_dash_c() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.work().join("my apps")).unwrap();
    let made = sandbox.wash(&["new", "http-hello-world", "-C", "my apps"]).succeeded();
    assert!(made.stderr.contains("hint: cd 'my apps/http-hello-world' && wash dev"), "{}", made.stderr);
    assert!(sandbox.work().join("my apps/http-hello-world/Cargo.toml").is_file());
    let made = sandbox.wash(&["-C", "my apps/..", "new", "http-hello-world"]).succeeded();
    assert_eq!(made.stdout.trim(), sandbox.work().canonicalize().unwrap().join("http-hello-world").to_str().unwrap());
}

#[test]
fn json_is_one_document_with_everything() {
    let sandbox = Sandbox::new();
    let made = sandbox.wash(&["new", "http-hello-world", "--name", "hello", "-o", "json"]).succeeded().json();
    assert_eq!(made["schema_version"], 1);
    assert_eq!(made["command"], "new");
    assert_eq!(made["name"], "hello");
    assert_eq!(made["template"], "http-hello-world");
    assert_eq!(made["language"], "Rust");
    assert_eq!(made["set_up"], Value::Null);
    assert_eq!(made["next"], serde_json::json!(["cd hello && wash dev"]));
    let files: Vec<&str> = made["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    assert!(files.contains(&".wash/config.yaml") && files.contains(&"src/lib.rs"), "{files:?}");
    assert!(Path::new(made["path"].as_str().unwrap()).join("Cargo.toml").is_file());
}

#[test]
fn names_are_spelled_as_each_place_needs_it() {
    let sandbox = Sandbox::new();
    for (name, snake, wit) in
        [("my-app", "my_app", "my-app"), ("my_app", "my_app", "my-app"), ("My-App2", "My_App2", "my-app2")]
    {
        sandbox.wash(&["new", "http-kv-handler", "--name", name]).succeeded();
        let read = |path: &str| sandbox.read(&format!("{name}/{path}"));
        assert!(read("Cargo.toml").contains(&format!("name = \"{name}\"")));
        assert!(read("Cargo.lock").contains(&format!("name = \"{name}\"")));
        assert!(read(".wash/config.yaml").contains(&format!("release/{snake}.wasm")));
        assert!(read("wit/world.wit").contains(&format!("package example:{wit}@0.1.0;")));
        assert!(read("wit/world.wit").contains(&format!("world {wit} {{")));
        assert!(read("src/lib.rs").contains(&format!("world: \"{wit}\"")));
        assert!(read("README.md").starts_with(&format!("# {name}\n")));
        fs::remove_dir_all(sandbox.work().join(name)).unwrap();
    }
}

#[test]
fn names_that_no_project_can_have_are_refused() {
    let sandbox = Sandbox::new();
    for name in ["", "../x", "a/b", ".", "a b", "2x", "fn", "x\u{1b}[2J"] {
        let refused = sandbox.wash(&["new", "http-hello-world", &format!("--name={name}")]);
        refused.failed(2, &["cannot be the name of a project", "--name"]);
    }
    assert_eq!(sandbox.names(), Vec::<String>::new());
}

#[test]
fn whatever_exists_already_is_refused_and_untouched() {
    let sandbox = Sandbox::new();
    sandbox.repository();
    let target = sandbox.work().join("hello");
    for source in ["http-hello-world", &sandbox.url()] {
        fs::create_dir(&target).unwrap();
        sandbox.wash(&["new", source, "--name", "hello"]).failed(1, &["hello` exists already: it is an empty folder"]);
        fs::write(target.join("mine"), "").unwrap();
        sandbox.wash(&["new", source, "--name", "hello"]).failed(1, &["exists already: it is a folder", "--name"]);
        fs::remove_dir_all(&target).unwrap();
        fs::write(&target, "mine").unwrap();
        sandbox.wash(&["new", source, "--name", "hello"]).failed(1, &["exists already: it is a file"]);
        assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
        fs::remove_file(&target).unwrap();
        symlink("nowhere", &target).unwrap();
        sandbox.wash(&["new", source, "--name", "hello"]).failed(1, &["exists already: it is a link"]);
        fs::remove_file(&target).unwrap();
    }
    assert_eq!(sandbox.names(), Vec::<String>::new());
}

#[test]
fn without_a_terminal_the_templates_are_listed_and_the_exit_code_is_2() {
    let sandbox = Sandbox::new();
    let listed =
        sandbox.wash(&["new"]).failed(2, &["http-hello-world", "TypeScript", "wash new http-hello-world --name hello"]);
    assert_eq!(listed.stdout, "");
    let listed = sandbox.wash(&["new", "-o", "json"]).json();
    assert_eq!(listed["error"]["exit_code"], 2);
    assert!(listed["error"]["details"].as_str().unwrap().contains("http-kv-handler"));
}

#[test]
fn the_list_is_a_result_when_it_is_asked_for() {
    let sandbox = Sandbox::new();
    let listed = sandbox.wash(&["new", "--list"]).succeeded();
    assert!(listed.stdout.starts_with("http-hello-world "), "{}", listed.stdout);
    assert_eq!(listed.stderr, "");
    sandbox.wash(&["new", "--list", "http-hello-world"]).failed(2, &["cannot be used with"]);
}

#[test]
fn a_source_that_is_nothing_is_an_error_with_a_suggestion() {
    let sandbox = Sandbox::new();
    sandbox
        .wash(&["new", "http-helo-world"])
        .failed(2, &["no template is called `http-helo-world`", "did you mean `http-hello-world`?"]);
    sandbox.wash(&["new", "./missing"]).failed(2, &["the folder `./missing` does not exist"]);
    sandbox.wash(&["new", "http-hello-world", "--git-ref", "main"]).failed(2, &["`--git-ref` has no meaning"]);
    sandbox.wash(&["new", "--", "--upload-pack=x:y"]).failed(2, &["is no Git URL"]);
    sandbox.wash(&["new", "ext::sh -c touch% pwned"]).failed(2, &["would run a command"]);
    assert_eq!(sandbox.names(), Vec::<String>::new());
}

#[test]
fn a_repository_is_cloned_renamed_and_named_after_itself() {
    let sandbox = Sandbox::new();
    sandbox.repository();
    let made = sandbox.wash(&["new", &sandbox.url(), "-o", "json"]).succeeded().json();
    assert_eq!(made["name"], "git");
    assert_eq!(made["source"], sandbox.url());
    assert_eq!(sandbox.read("git/version"), "main");
    assert!(sandbox.read("git/Cargo.toml").contains("name = \"git\""));
    assert!(sandbox.read("git/.wash/config.yaml").contains("release/git.wasm"));
    assert!(!sandbox.work().join("git/.git").exists());
    assert_eq!(sandbox.names(), ["git"]);
}

#[test]
fn branches_tags_and_commits_can_be_taken() {
    let sandbox = Sandbox::new();
    let (main, old) = sandbox.repository();
    for (git_ref, version) in [
        ("main", "main"),
        ("next", "next"),
        ("refs/heads/next", "next"),
        ("v1", "one"),
        (&*main, "main"),
        (&main[..8], "main"),
        (&*old, "old"),
        (&old[..7], "old"),
    ] {
        sandbox.wash(&["--offline", "new", &sandbox.url(), "--name", "hello", "--git-ref", git_ref]).succeeded();
        assert_eq!(sandbox.read("hello/version"), version, "of {git_ref}");
        assert_eq!(sandbox.names(), ["hello"]);
        fs::remove_dir_all(sandbox.work().join("hello")).unwrap();
    }
}

#[test]
fn a_bad_ref_leaves_nothing_behind_and_says_what_was_tried() {
    let sandbox = Sandbox::new();
    sandbox.repository();
    let url = sandbox.url();
    sandbox.wash(&["new", &url, "--name", "x", "--git-ref", "nope"]).failed(
        1,
        &[
            &format!("there is no branch, tag or commit `nope` in `{url}`"),
            "git fetch --no-tags --depth=1 nope",
            "ls-remote",
        ],
    );
    sandbox.wash(&["new", &url, "--name", "x", "--git-ref", "0123abcd"]).failed(
        1,
        &[
            "there is no branch, tag or commit `0123abcd`",
            "git fetch --no-tags --depth=1 0123abcd",
            "git checkout --detach",
        ],
    );
    assert_eq!(sandbox.names(), Vec::<String>::new());
}

#[test]
fn a_failing_clone_leaves_nothing_behind_and_says_what_was_tried() {
    let sandbox = Sandbox::new();
    let url = format!("{}/missing", sandbox.url());
    sandbox
        .wash(&["new", &url])
        .failed(1, &[&format!("cannot clone `{url}`"), "git clone --no-tags --depth=1: exit status: 128", "fatal: "]);
    assert_eq!(sandbox.names(), Vec::<String>::new());
}

#[test]
fn a_subfolder_is_taken_alone_with_its_modes() {
    let sandbox = Sandbox::new();
    sandbox.repository();
    let made =
        sandbox.wash(&["new", &sandbox.url(), "--subfolder", "templates/small-one/", "--name", "my_app", "-o", "json"]);
    assert_eq!(made.succeeded().json()["files"], serde_json::json!(["run", "wit/my_app.wit"]));
    assert_eq!(sandbox.read("my_app/wit/my_app.wit"), "package example:my-app;\nworld my-app {}\n");
    let mode = fs::metadata(sandbox.work().join("my_app/run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o100, 0o100);
    let plain = fs::metadata(sandbox.work().join("my_app/wit/my_app.wit")).unwrap().permissions().mode();
    assert_eq!(plain & 0o111, 0);
    sandbox.wash(&["new", &sandbox.url(), "--subfolder", "templates/small-one"]).succeeded();
    assert_eq!(sandbox.names(), ["my_app", "small-one"]);
}

#[test]
fn a_missing_subfolder_leaves_nothing_behind_and_says_what_is_there() {
    let sandbox = Sandbox::new();
    sandbox.repository();
    let url = sandbox.url();
    sandbox.wash(&["new", &url, "--subfolder", "templates/smal-one"]).failed(
        1,
        &[
            &format!("there is no folder `templates/smal-one` in `{url}`"),
            "did you mean --subfolder templates/small-one?",
        ],
    );
    sandbox.wash(&["new", &url, "--subfolder", "version"]).failed(1, &["`version` in", "is not a folder"]);
    assert_eq!(sandbox.names(), Vec::<String>::new());
}

#[test]
fn a_subfolder_that_leaves_the_source_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.repository();
    symlink("..", sandbox.git_folder().join("up")).unwrap();
    sandbox.commit("link");
    for (subfolder, why) in
        [("../home", "leaves the source with `..`"), ("a/../../x", "`..`"), ("/etc", "absolute"), (".git", "`.git`")]
    {
        sandbox.wash(&["new", &sandbox.url(), "--name", "x", "--subfolder", subfolder]).failed(2, &[why]);
        sandbox.wash(&["new", "../git", "--name", "x", "--subfolder", subfolder]).failed(2, &[why]);
    }
    sandbox.wash(&["new", &sandbox.url(), "--name", "x", "--subfolder", "up"]).failed(1, &["leads out of"]);
    sandbox.wash(&["new", "../git", "--name", "x", "--subfolder", "up/home"]).failed(1, &["leads out of"]);
    assert_eq!(sandbox.names(), Vec::<String>::new());
}

#[test]
fn a_link_that_leaves_the_source_is_refused_by_name() {
    let sandbox = Sandbox::new();
    sandbox.repository();
    for (link, target) in [("absolute", "/etc/passwd"), ("escaping", "../home"), ("templates/deep", "../../home")] {
        let path = sandbox.git_folder().join(link);
        symlink(target, &path).unwrap();
        sandbox.commit(link);
        let why = format!("the link `{link}` leads out of the project, to `{target}`");
        sandbox.wash(&["new", &sandbox.url(), "--name", "x"]).failed(1, &[&why]);
        sandbox.wash(&["new", "../git", "--name", "x"]).failed(1, &[&why]);
        fs::remove_file(&path).unwrap();
    }
    assert_eq!(sandbox.names(), Vec::<String>::new());
}

#[test]
fn a_link_inside_the_source_stays_a_link() {
    let sandbox = Sandbox::new();
    sandbox.repository();
    symlink("templates/small-one/run", sandbox.git_folder().join("the-template")).unwrap();
    symlink("the-template", sandbox.git_folder().join("again")).unwrap();
    sandbox.commit("links");
    sandbox.wash(&["new", &sandbox.url(), "--name", "new-name"]).succeeded();
    assert_eq!(fs::read_link(sandbox.work().join("new-name/new-name")).unwrap(), Path::new("templates/small-one/run"));
    assert_eq!(fs::read_link(sandbox.work().join("new-name/again")).unwrap(), Path::new("new-name"));
    assert_eq!(sandbox.read("new-name/again"), "#!/bin/sh\n");
}

#[test]
fn hooks_of_a_repository_or_of_the_user_are_not_run() {
    let mut sandbox = Sandbox::new();
    sandbox.repository();
    let templates = sandbox.root.path().join("git-templates");
    write(&templates, "hooks/post-checkout", "#!/bin/sh\ntouch \"$HOME/hook-was-run\"\n");
    fs::set_permissions(templates.join("hooks/post-checkout"), fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.variables.insert("GIT_TEMPLATE_DIR".into(), templates.to_str().unwrap().into());
    sandbox.wash(&["new", &sandbox.url(), "--name", "x"]).succeeded();
    sandbox.wash(&["new", &sandbox.url(), "--name", "y", "--git-ref", "next"]).succeeded();
    assert!(!sandbox.root.path().join("home/hook-was-run").exists());
}

#[test]
fn a_repository_of_somebody_elses_environment_is_not_touched() {
    let mut sandbox = Sandbox::new();
    sandbox.repository();
    let before = sandbox.git(&["rev-parse", "HEAD"]);
    let git_dir = sandbox.git_folder().join(".git").to_str().unwrap().to_string();
    sandbox.variables.insert("GIT_DIR".into(), git_dir);
    sandbox.wash(&["new", &sandbox.url(), "--name", "x", "--git-ref", "next"]).succeeded();
    assert_eq!(sandbox.read("x/version"), "next");
    sandbox.variables.remove("GIT_DIR");
    assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), before);
}

#[test]
fn offline_is_an_error_for_a_remote_url_only() {
    let sandbox = Sandbox::new();
    sandbox.repository();
    for url in ["https://example.invalid/me/hello", "git@example.invalid:hello.git"] {
        sandbox.wash(&["--offline", "new", url]).failed(1, &["needs the network, which `--offline` forbids"]);
    }
    sandbox.wash(&["--offline", "new", &sandbox.url(), "--name", "x"]).succeeded();
    sandbox.wash(&["--offline", "new", "../git", "--name", "y"]).succeeded();
    assert_eq!(sandbox.names(), ["x", "y"]);
}

#[test]
fn a_missing_git_is_said_with_how_to_install_it() {
    let mut sandbox = Sandbox::new();
    sandbox.variables.insert("PATH".into(), "/nowhere".into());
    sandbox.wash(&["new", "file:///x", "--name", "x"]).failed(1, &["`git` is not installed", "install"]);
    assert_eq!(sandbox.names(), Vec::<String>::new());
}

#[test]
fn a_folder_is_copied_without_what_it_ignores() {
    let sandbox = Sandbox::new();
    let source = sandbox.work().join("my-source");
    write(&source, ".gitignore", "/out\n");
    write(&source, ".wash/config.toml", "[build]\ncomponent_path = \"out/my_source.wasm\"\n");
    write(&source, "package.json", "{\"name\": \"my-source\", \"dependencies\": {}}\n");
    write(&source, "out/my_source.wasm", "x");
    write(&source, "node_modules/a/b.js", "x");
    let made = sandbox.wash(&["new", "my-source", "--name", "Copy", "-o", "json"]).succeeded().json();
    assert_eq!(made["files"], serde_json::json!([".gitignore", ".wash/config.toml", "package.json"]));
    assert_eq!(made["language"], "JavaScript");
    assert!(sandbox.read("Copy/package.json").contains("\"name\": \"copy\""));
    assert!(sandbox.read("Copy/.wash/config.toml").contains("out/Copy.wasm"));
    sandbox.wash(&["new", "my-source"]).failed(1, &["exists already"]);
    sandbox.wash(&["new", "my-source", "--git-ref", "x"]).failed(2, &["`--git-ref` has no meaning", "file://"]);
}

#[test]
fn a_set_up_command_is_run_only_with_consent() {
    let sandbox = Sandbox::new();
    let source = sandbox.work().join("source");
    write(&source, ".wash/config.yaml", "new:\n  command: echo said; touch was-run\n");
    let made = sandbox.wash(&["new", "source", "--name", "plain"]).succeeded();
    assert!(made.stderr.contains("    echo said; touch was-run\n"), "{}", made.stderr);
    assert!(made.stderr.contains("warning: the set-up command was not run\n"), "{}", made.stderr);
    assert!(
        made.stderr.ends_with("hint: cd plain && sh -c 'echo said; touch was-run' && wash dev\n"),
        "{}",
        made.stderr
    );
    assert!(!sandbox.work().join("plain/was-run").exists());

    let made = sandbox.wash(&["new", "source", "--name", "ready", "--yes"]).succeeded();
    assert!(sandbox.work().join("ready/was-run").exists());
    assert!(made.stderr.contains("\nsaid\n"), "{}", made.stderr);
    assert_eq!(made.stdout.lines().count(), 1, "{}", made.stdout);

    let made = sandbox.wash(&["new", "source", "--name", "json", "--yes", "-o", "json"]).succeeded().json();
    assert_eq!(made["set_up"], serde_json::json!({"command": "echo said; touch was-run", "done": true}));
    let made = sandbox.wash(&["new", "source", "--name", "json2", "-o", "json"]).succeeded().json();
    assert_eq!(made["set_up"]["done"], false);
    assert_eq!(made["next"][0], "cd json2 && sh -c 'echo said; touch was-run' && wash dev");
}

#[test]
fn a_set_up_command_that_fails_leaves_the_project_and_says_so() {
    let sandbox = Sandbox::new();
    write(&sandbox.work().join("source"), ".wash/config.json", "{\"new\": {\"command\": \"exit 7\"}}");
    sandbox
        .wash(&["new", "source", "--name", "x", "--yes"])
        .failed(1, &["`new.command` of the template failed (exit status: 7)", "the project was created: "]);
    assert_eq!(sandbox.names(), ["source", "x"]);
}

#[test]
fn settings_that_cannot_be_read_are_a_warning() {
    let sandbox = Sandbox::new();
    write(&sandbox.work().join("source"), ".wash/config.yaml", "new: [");
    let made = sandbox.wash(&["new", "source", "--name", "x", "--yes"]).succeeded();
    assert!(made.stderr.contains("warning: cannot read `new.command` in `.wash/config.yaml`"), "{}", made.stderr);
}

/// Puts a `git` first on the path that never ends, and that starts a child which never ends either.
fn hanging_git(sandbox: &mut Sandbox) -> PathBuf {
    let bin = sandbox.root.path().join("bin");
    let pids = sandbox.root.path().join("pids");
    let script = format!(
        "#!/bin/sh\ntrap '' INT\nfor last; do :; done\nmkdir -p \"$last\"\ntouch \"$last/partly\"\nsleep 1000 &\n\
         echo $$ $! > {0}.new\nmv {0}.new {0}\nwait\nwait\n",
        pids.display()
    );
    write(&bin, "git", &script);
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), sandbox.variables["PATH"]);
    sandbox.variables.insert("PATH".into(), path);
    pids
}

#[test]
fn ctrl_c_during_a_hanging_clone_ends_git_and_leaves_nothing_behind() {
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let mut sandbox = Sandbox::new();
        let pids = hanging_git(&mut sandbox);
        let mut command = sandbox.command(&["new", "https://example.invalid/hello"]);
        let wash = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for("git starts", || pids.exists());
        assert!(sandbox.names()[0].starts_with(".wash-new-"));

        let pid = rustix::process::Pid::from_raw(wash.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        let ended = Ended::from(wash.wait_with_output().unwrap());
        assert_eq!(ended.code, 130, "{}", ended.stderr);
        assert_eq!(sandbox.names(), Vec::<String>::new());
        for pid in fs::read_to_string(&pids).unwrap().split_whitespace() {
            assert!(!is_running(pid));
        }
    }
}

#[test]
fn ctrl_c_during_a_set_up_command_ends_it_and_keeps_the_project() {
    let sandbox = Sandbox::new();
    let command = "sleep 1000 & echo $! > pid.new; mv pid.new pid; wait";
    write(&sandbox.work().join("source"), ".wash/config.yaml", &format!("new:\n  command: {command}\n"));
    let mut command = sandbox.command(&["new", "source", "--name", "x", "--yes"]);
    let wash = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid_file = sandbox.work().join("x/pid");
    wait_for("the command starts", || pid_file.exists());
    let pid = rustix::process::Pid::from_raw(wash.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = Ended::from(wash.wait_with_output().unwrap());
    assert_eq!(ended.code, 130, "{}", ended.stderr);
    assert!(ended.stderr.contains("the project was created: "), "{}", ended.stderr);
    assert!(!is_running(&fs::read_to_string(&pid_file).unwrap()));
}
