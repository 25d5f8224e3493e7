//! `wash update`, with a server that has releases as GitHub has them. The program that is replaced is a
//! copy of wash; the one that comes is a script that says a version.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::support::{Ended, Sandbox, eventually, run};

const TARGET: &str = wash::update::TARGET;
const CURRENT: &str = env!("CARGO_PKG_VERSION");

type Answers = BTreeMap<String, (u16, String, Vec<u8>)>;
/// Paths with the token that came along.
type Asked = Vec<(String, Option<String>)>;

/// A server with releases.
struct Releases {
    address: String,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Asked>>,
}

impl Releases {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (answers, asked) = (Arc::<Mutex<Answers>>::default(), Arc::<Mutex<Asked>>::default());
        let (given, seen) = (answers.clone(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (given, seen) = (given.clone(), seen.clone());
                std::thread::spawn(move || answer(stream.unwrap(), &given, &seen));
            }
        });
        Releases { address, answers, asked }
    }

    fn put(&self, path: &str, status: u16, headers: &str, body: impl Into<Vec<u8>>) {
        self.answers.lock().unwrap().insert(path.to_string(), (status, headers.to_string(), body.into()));
    }

    /// Publishes releases: versions with the text of their program.
    fn publish(&self, releases: &[(&str, &str)]) {
        let mut list = Vec::new();
        for (version, program) in releases {
            let name = format!("wash-{TARGET}");
            let sum = wash::component::digest(program.as_bytes()).replace("sha256:", "");
            let files = [(name.clone(), program.to_string()), ("SHA256SUMS".to_string(), format!("{sum}  {name}\n"))];
            let mut assets = Vec::new();
            for (name, content) in &files {
                let (browser, api) = (format!("/files/{version}/{name}"), format!("/api/v3/assets/{version}/{name}"));
                self.put(&browser, 200, "", content.as_bytes());
                self.put(
                    &api,
                    302,
                    &format!("location: http://localhost:{}/files/{version}/{name}\r\n", self.port()),
                    "",
                );
                assets.push(serde_json::json!({
                    "name": name,
                    "size": content.len(),
                    "browser_download_url": format!("http://{}{browser}", self.address),
                    "url": format!("http://{}{api}", self.address),
                }));
            }
            list.push(serde_json::json!({
                "tag_name": format!("v{version}"),
                "draft": false,
                "html_url": format!("https://example.com/{version}"),
                "assets": assets,
            }));
        }
        list.push(serde_json::json!({ "tag_name": "nightly", "draft": false, "assets": [] }));
        self.put("/api/v3/repos/o/wash/releases", 200, "", serde_json::to_vec(&list).unwrap());
    }

    fn port(&self) -> &str {
        self.address.rsplit_once(':').unwrap().1
    }

    fn paths(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(path, _)| path.clone()).collect()
    }
}

fn answer(stream: TcpStream, answers: &Mutex<Answers>, asked: &Mutex<Asked>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap().split('?').next().unwrap().to_string();
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let token = head.iter().find_map(|line| line.strip_prefix("authorization: ").map(str::to_string));
    asked.lock().unwrap().push((path.clone(), token));
    let (status, headers, body) =
        answers.lock().unwrap().get(&path).cloned().unwrap_or((404, String::new(), Vec::new()));
    let mut stream = stream;
    // A length that is too long keeps the client waiting for the rest.
    let length = if headers.contains("x-hold") { body.len() + 1 } else { body.len() };
    let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    if headers.contains("x-hold") {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    }
}

fn saying(version: &str) -> String {
    format!("#!/bin/sh\necho wash {version}\n")
}

/// A version that the current one is compatible with, and one that it is not.
fn newer() -> (String, String) {
    let current: semver::Version = CURRENT.parse().unwrap();
    let patch = format!("{}.{}.{}", current.major, current.minor, current.patch + 1);
    (patch, format!("{}.0.0", current.major + 1))
}

/// A wash of one's own that may be replaced.
struct Installed {
    sandbox: Sandbox,
    releases: Releases,
    program: PathBuf,
}

impl Installed {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let program = sandbox.path().join("bin/wash");
        fs::create_dir(program.parent().unwrap()).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_wash"), &program).unwrap();
        Installed { sandbox, releases: Releases::new(), program }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        self.sandbox.environment(&mut command);
        command.args(["update", "--git", &format!("http://{}/o/wash", self.releases.address)]).args(args);
        command
    }

    fn update(&self, args: &[&str]) -> Ended {
        run(&mut self.command(args))
    }

    fn version(&self) -> String {
        run(Command::new(&self.program).arg("--version")).expect_code(0).stdout.trim().to_string()
    }

    /// The names in the program's folder.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.program.parent().unwrap()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn assert_untouched(&self) {
        assert_eq!(self.version(), format!("wash {CURRENT}"));
        assert_eq!(self.files(), ["wash"]);
    }
}

#[test]
fn a_newer_release_takes_the_place_of_the_program_that_runs() {
    let installed = Installed::new();
    let (patch, major) = newer();
    installed.releases.publish(&[(&major, &saying(&major)), (&patch, &saying(&patch)), (CURRENT, &saying(CURRENT))]);
    fs::set_permissions(&installed.program, fs::Permissions::from_mode(0o711)).unwrap();
    let link = installed.sandbox.path().join("wash-link");
    std::os::unix::fs::symlink(&installed.program, &link).unwrap();

    let told = installed.update(&["--dry-run"]).expect_code(0);
    assert!(told.stdout.contains(&format!("wash {patch} can be installed; this is {CURRENT}")), "{}", told.stdout);
    assert!(
        told.stderr.contains(&format!("wash {major} is there, too")) && told.stderr.contains("--major"),
        "{}",
        told.stderr
    );
    installed.assert_untouched();
    assert_eq!(installed.releases.paths(), ["/api/v3/repos/o/wash/releases"]);

    let updated = installed.update(&["-o", "json"]).expect_code(0).json();
    assert_eq!(updated["updated"], true, "{updated}");
    assert_eq!(updated["newest"], patch, "{updated}");
    assert_eq!(updated["held_back"], major, "{updated}");
    assert_eq!(updated["program"], installed.program.display().to_string(), "{updated}");
    assert_eq!(installed.version(), format!("wash {patch}"));
    assert_eq!(installed.files(), ["wash"], "nothing is left beside");
    assert_eq!(fs::metadata(&installed.program).unwrap().permissions().mode() & 0o777, 0o711 | 0o500);
    assert!(link.is_symlink());
}

#[test]
fn flags_say_how_far_and_whether_at_all() {
    let installed = Installed::new();
    let (_, major) = newer();
    installed.releases.publish(&[(&major, &saying(&major)), (CURRENT, &saying(CURRENT))]);
    let newest = installed.update(&[]).expect_code(0);
    assert!(newest.stdout.contains(&format!("wash {CURRENT} is the newest")), "{}", newest.stdout);
    installed.assert_untouched();
    // Forced, the current release is installed again: here it is a script.
    installed.update(&["--force"]).expect_code(0);
    assert!(fs::read(&installed.program).unwrap().starts_with(b"#!"));
    fs::copy(env!("CARGO_BIN_EXE_wash"), &installed.program).unwrap();
    installed.update(&["--major"]).expect_code(0);
    assert_eq!(installed.version(), format!("wash {major}"));
    fs::copy(env!("CARGO_BIN_EXE_wash"), &installed.program).unwrap();
    installed.update(&["--major", "--patch"]).expect_code(2);
    let offline = installed.update(&["--offline"]).expect_code(1);
    assert!(offline.stderr.contains("needs the network"), "{}", offline.stderr);
}

#[test]
fn what_cannot_be_trusted_or_does_not_run_changes_nothing() {
    let installed = Installed::new();
    let (patch, _) = newer();
    let name = format!("wash-{TARGET}");
    let cases: [(&str, &dyn Fn(), &str); 6] = [
        (
            "damaged",
            &|| installed.releases.put(&format!("/files/{patch}/{name}"), 200, "", "#!/bin/sh\necho evil\n"),
            "the checksum of",
        ),
        (
            "not listed",
            &|| installed.releases.put(&format!("/files/{patch}/SHA256SUMS"), 200, "", ""),
            "says nothing about",
        ),
        (
            "no checksums",
            &|| installed.releases.put(&format!("/files/{patch}/SHA256SUMS"), 404, "", ""),
            "cannot download `SHA256SUMS`",
        ),
        (
            "another version",
            &|| installed.releases.publish(&[(&patch, &saying("0.0.1"))]),
            "`--version` says `wash 0.0.1`",
        ),
        (
            "fails",
            &|| installed.releases.publish(&[(&patch, "#!/bin/sh\nexit 3\n")]),
            "`--version` ended with exit status: 3",
        ),
        (
            "no program",
            &|| installed.releases.publish(&[(&patch, "\u{7f}ELF nonsense")]),
            "does not run here; nothing was changed",
        ),
    ];
    for (name, prepare, expected) in cases {
        installed.releases.publish(&[(&patch, &saying(&patch))]);
        prepare();
        let failed = installed.update(&[]).expect_code(1);
        assert!(failed.stderr.contains(expected), "{name}: {}", failed.stderr);
        installed.assert_untouched();
    }
    // One that answers beside its place, and not in it.
    let sly = format!("#!/bin/sh\ncase $0 in */bin/wash) exit 1 ;; esac\necho wash {patch}\n");
    installed.releases.publish(&[(&patch, &sly)]);
    let failed = installed.update(&[]).expect_code(1);
    assert!(failed.stderr.contains(&format!("wash {CURRENT} is back")), "{}", failed.stderr);
    installed.assert_untouched();
}

#[test]
fn a_release_without_a_file_for_this_platform_says_what_it_has() {
    let installed = Installed::new();
    let (patch, _) = newer();
    let list = serde_json::json!([{ "tag_name": patch, "assets": [
        { "name": "wash-riscv64gc-unknown-linux-gnu", "browser_download_url": "", "url": "" }] }]);
    installed.releases.put("/api/v3/repos/o/wash/releases", 200, "", list.to_string());
    let failed = installed.update(&[]).expect_code(1);
    assert!(failed.stderr.contains(&format!("has no file for {TARGET}")), "{}", failed.stderr);
    assert!(failed.stderr.contains("wash-riscv64gc-unknown-linux-gnu"), "{}", failed.stderr);
    installed.releases.put("/api/v3/repos/o/wash/releases", 200, "", "[]");
    let none = installed.update(&[]).expect_code(0);
    assert!(none.stdout.contains("there is no release"), "{}", none.stdout);
    installed.releases.put("/api/v3/repos/o/wash/releases", 200, "", "<html>");
    installed.update(&[]).expect_code(1);
    installed.assert_untouched();
}

#[test]
fn a_token_goes_to_the_interface_and_to_nobody_else() {
    let installed = Installed::new();
    let (patch, _) = newer();
    installed.releases.publish(&[(&patch, &saying(&patch))]);
    // These are for github.com.
    let mut command = installed.command(&["--dry-run"]);
    run(command.env("GITHUB_TOKEN", "secret-word").env("GH_TOKEN", "secret-word")).expect_code(0);
    assert!(installed.releases.asked.lock().unwrap().drain(..).all(|(_, token)| token.is_none()));

    let mut command = installed.command(&["-l", "trace", "--verbose"]);
    let updated = run(command.env("WASH_GITHUB_TOKEN", "secret-word")).expect_code(0);
    assert!(!updated.stderr.contains("secret-word") && !updated.stdout.contains("secret-word"), "{}", updated.stderr);
    for (path, token) in installed.releases.asked.lock().unwrap().iter() {
        let expected = path.starts_with("/api/").then(|| "Bearer secret-word".to_string());
        assert_eq!(token, &expected, "{path}");
    }
    assert!(installed.releases.paths().iter().any(|path| path.starts_with("/api/v3/assets/")));

    let installed = Installed::new();
    installed.releases.put("/api/v3/repos/o/wash/releases", 403, "x-ratelimit-remaining: 0\r\n", "{}");
    let failed = installed.update(&[]).expect_code(1);
    assert!(failed.stderr.contains("too many questions came from this network"), "{}", failed.stderr);
    installed.releases.put("/api/v3/repos/o/wash/releases", 404, "", "{}");
    let failed = installed.update(&["--token", "secret-word"]).expect_code(1);
    assert!(
        failed.stderr.contains("whether the token may read it") && !failed.stderr.contains("secret-word"),
        "{}",
        failed.stderr
    );
}

#[test]
fn ctrl_c_in_a_download_leaves_nothing() {
    let installed = Installed::new();
    let (patch, _) = newer();
    installed.releases.publish(&[(&patch, &saying(&patch))]);
    let path = format!("/files/{patch}/wash-{TARGET}");
    installed.releases.put(&path, 200, "x-hold: yes\r\n", "#!/bin/sh\n");
    let mut child = installed.command(&[]).spawn().unwrap();
    eventually("the download runs", || installed.releases.paths().contains(&path));
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    installed.assert_untouched();

    // Nobody can clean up when it is killed; the next update does, when it is surely over.
    let mut child = installed.command(&[]).spawn().unwrap();
    eventually("the download waits", || installed.files().len() == 2);
    child.kill().unwrap();
    child.wait().unwrap();
    let left = installed.files().into_iter().find(|name| name != "wash").unwrap();
    let left = installed.program.with_file_name(left);
    let file = fs::File::options().write(true).open(&left).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(2 * 60 * 60)).unwrap();
    installed.releases.publish(&[(&patch, &saying(&patch))]);
    installed.update(&[]).expect_code(0);
    assert_eq!(installed.files(), ["wash"]);
    assert_eq!(installed.version(), format!("wash {patch}"));
}

/// Stands before the C library's functions, as a file system that is full, or that may not be written.
#[cfg(target_os = "linux")]
const FULL: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if (strstr(path, "/.wash-update-") && getenv("READ_ONLY")) { errno = EROFS; return -1; }
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    return real(path, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0) {
        path[length] = 0;
        if (strstr(path, "/.wash-update-")) { errno = ENOSPC; return -1; }
    }
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    return real(fd, bytes, count);
}
"#;

#[cfg(target_os = "linux")]
#[test]
fn a_full_file_system_and_one_that_may_not_be_written_change_nothing() {
    let installed = Installed::new();
    let (patch, _) = newer();
    installed.releases.publish(&[(&patch, &saying(&patch))]);
    let (source, library) = (installed.sandbox.write("full.c", FULL), installed.sandbox.path().join("full.so"));
    run(Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source])).expect_code(0);
    let failed = run(installed.command(&[]).env("LD_PRELOAD", &library)).expect_code(1);
    assert!(failed.stderr.contains("No space left on device"), "{}", failed.stderr);
    assert!(failed.stderr.contains("hint: make room there, and try again"), "{}", failed.stderr);
    installed.assert_untouched();

    let failed = run(installed.command(&[]).env("LD_PRELOAD", &library).env("READ_ONLY", "yes")).expect_code(1);
    assert!(failed.stderr.contains("cannot write to `"), "{}", failed.stderr);
    assert!(failed.stderr.contains("hint: update as the owner of that folder"), "{}", failed.stderr);
    let downloads = installed.releases.paths().iter().filter(|path| path.ends_with(TARGET)).count();
    assert_eq!(downloads, 1, "nothing is downloaded in vain");
    installed.assert_untouched();
}
