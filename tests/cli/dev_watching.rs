//! Where the system's events do not come, or not all of them.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Signal, WaitOptions, kill_process, waitpid};

use crate::support::{Dev, Sandbox, guests, run, write};

/// Stands before the C library's function for watching a folder, as a system without events would:
/// a network mount takes the request and never says anything; a full table refuses it.
const SYSTEM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int inotify_add_watch(int fd, const char *path, uint32_t mask) {
    const char *kind = getenv("EVENTS");
    if (kind && strcmp(kind, "refused") == 0) {
        errno = ENOSPC;
        return -1;
    }
    int (*real)(int, const char *, uint32_t) = dlsym(RTLD_NEXT, "inotify_add_watch");
    return real(fd, kind ? getenv("QUIET_FOLDER") : path, mask);
}
"#;

struct Project {
    sandbox: Sandbox,
    root: PathBuf,
}

impl Project {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let root = sandbox.copying_project("project", &guests::probe_version(1), "");
        Project { sandbox, root }
    }

    /// `wash dev` on a system whose events are `silent` or `refused`.
    fn dev_without_events(&self, kind: &str) -> Dev {
        let folder = self.sandbox.path();
        let (source, library, quiet) = (folder.join("system.c"), folder.join("system.so"), folder.join("quiet"));
        fs::create_dir(&quiet).unwrap();
        fs::write(&source, SYSTEM).unwrap();
        run(Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source])).expect_code(0);
        let mut command = self.sandbox.wash(["dev", "-o", "json", "--port", "0"]);
        command.current_dir(&self.root).env("LD_PRELOAD", &library).env("EVENTS", kind).env("QUIET_FOLDER", &quiet);
        Dev::start(command)
    }

    fn edit_is_served(&self, dev: &mut Dev, version: u32) {
        write(&self.root.join("input.wasm"), guests::probe_version(version));
        dev.ready();
        dev.answers("/version", &guests::marker(version));
    }
}

#[test]
fn a_folder_that_reports_nothing_is_looked_at_instead() {
    let project = Project::new();
    let mut dev = project.dev_without_events("silent");
    let warning = dev.wait_for("warning");
    let message = warning["message"].as_str().unwrap();
    assert!(message.contains("reports no changes") && message.contains("every 500 ms"), "{message}");
    project.edit_is_served(&mut dev, 2);
    project.edit_is_served(&mut dev, 3);
    assert_eq!(dev.count("warning"), 1, "it is said once");
    dev.stop();
}

#[test]
fn a_full_table_of_watches_is_told_with_its_remedy_and_edits_are_served() {
    let project = Project::new();
    let mut dev = project.dev_without_events("refused");
    let warning = dev.wait_for("warning");
    assert!(warning["message"].as_str().unwrap().contains("limit of watched folders"), "{warning}");
    assert!(warning["hint"].as_str().unwrap().contains("fs.inotify.max_user_watches"), "{warning}");
    project.edit_is_served(&mut dev, 2);
    dev.stop();
}

#[test]
fn a_working_watcher_never_falls_back() {
    let project = Project::new();
    let mut dev = project.sandbox.dev(&project.root, &[]);
    dev.ready();
    project.edit_is_served(&mut dev, 2);
    assert_eq!(dev.count("warning"), 0, "{:#?}", dev.events());
    dev.stop();
}

#[test]
fn an_edit_whose_event_the_system_lost_is_served() {
    let project = Project::new();
    let mut command = project.sandbox.wash(["dev", "-o", "json", "--port", "0"]);
    command.current_dir(&project.root).env("WASH_LOG", "wash=debug");
    let mut dev = Dev::start(command);
    dev.ready();
    // A process that stands still reads no events: the system's queue for it fills, and what comes
    // after is thrown away, the edit with it.
    stand_still(&dev);
    let room: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let noise = project.root.join("noise~");
    for _ in 0..room / 2 + 1 {
        fs::write(&noise, "").unwrap();
        fs::remove_file(&noise).unwrap();
    }
    edit_with_the_same_size_and_time(&project.root.join("input.wasm"), &guests::probe_version(2));
    kill_process(dev.pid(), Signal::CONT).unwrap();
    dev.ready();
    dev.answers("/version", &guests::marker(2));
    assert!(dev.stderr().contains("the system lost events"), "{}", dev.stderr());
    project.edit_is_served(&mut dev, 3);
    dev.stop();
}

/// Stops the process and returns when it is stopped.
fn stand_still(dev: &Dev) {
    kill_process(dev.pid(), Signal::STOP).unwrap();
    while waitpid(Some(dev.pid()), WaitOptions::UNTRACED | WaitOptions::NOHANG).unwrap().is_none() {
        std::thread::yield_now();
    }
}

/// Only reading the file shows that it is another one.
fn edit_with_the_same_size_and_time(file: &Path, content: &[u8]) {
    let before = fs::metadata(file).unwrap();
    assert_eq!(before.len(), content.len() as u64, "versions of the probe have the same size");
    fs::write(file, content).unwrap();
    fs::File::options().write(true).open(file).unwrap().set_modified(before.modified().unwrap()).unwrap();
}
