//! What depends on a terminal: keys, the menu, jobs of a shell, a window that is closed.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::Command;

use crate::support::terminal::Terminal;
use crate::support::{Sandbox, eventually, guests, is_alive, write};

const DOWN: &str = "\x1b[B";
const ENTER: &str = "\r";
const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";

/// An interactive shell with job control, in a project's folder.
fn shell(sandbox: &Sandbox, root: &std::path::Path) -> Terminal {
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-i"]).current_dir(root);
    sandbox.environment(&mut bash);
    // What the shell itself shows: a prompt that no output has, and no escape sequences.
    bash.env("PS1", "ready> ").env("WASH", env!("CARGO_BIN_EXE_wash")).env("INPUTRC", "/dev/null");
    let mut terminal = Terminal::start(&bash, 100);
    terminal.until("ready> ");
    terminal
}

#[test]
fn keys_work_and_the_terminal_is_put_back() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe(), "");
    let mut command = sandbox.wash(["dev", "--port", "0"]);
    let mut terminal = Terminal::start(command.current_dir(&root), 100);
    let before = terminal.modes();
    terminal.until("Serving");
    terminal.until("q quit");
    assert_ne!(terminal.modes().local_modes, before.local_modes, "keys come without Enter");
    terminal.press("r");
    terminal.until("Building");
    terminal.until("the same component as before");
    terminal.press("q");
    terminal.until("Stopping");
    assert_eq!(terminal.wait(), Some(0), "to quit by key is no interruption");
    assert_eq!(terminal.modes().local_modes, before.local_modes);
}

#[test]
fn the_menu_of_templates_fits_a_narrow_terminal() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::start(&sandbox.wash(["new"]), 60);
    terminal.until("Which template?");
    let menu = terminal.until("python");
    for row in menu.lines() {
        // A row that wraps would be drawn again below itself at every key.
        assert!(row.chars().filter(|letter| !letter.is_control()).count() <= 60, "{row:?}");
    }
    let listed = crate::support::run(&mut sandbox.wash(["new", "--list"])).expect_code(0).stdout;
    let second = listed.lines().nth(1).and_then(|row| row.split_whitespace().next()).unwrap().to_string();
    terminal.press(DOWN);
    terminal.press(ENTER);
    terminal.until("What is it called?");
    terminal.press("from-menu");
    terminal.press(ENTER);
    terminal.until(&format!("from-menu from {second}"));
    assert_eq!(terminal.wait(), Some(0));
    assert!(sandbox.path().join("from-menu/.wash/config.yaml").is_file());
}

#[test]
fn ctrl_c_in_the_menu_leaves_nothing_and_puts_the_terminal_back() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::start(&sandbox.wash(["new"]), 80);
    let before = terminal.modes();
    terminal.until("Which template?");
    terminal.until("python");
    terminal.press(CTRL_C);
    assert_eq!(terminal.wait(), Some(130));
    assert_eq!(terminal.modes().local_modes, before.local_modes);
    assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), 0);
}

#[test]
fn a_background_job_serves_and_its_keys_work_in_the_foreground() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe(), "");
    let mut terminal = shell(&sandbox, &root);
    terminal.press("$WASH dev --port 0 &\r");
    terminal.until("Serving");
    terminal.until("q quit");
    terminal.press("jobs\r");
    terminal.until("Running");
    terminal.press("fg\r");
    terminal.until("$WASH dev");
    terminal.press("r");
    terminal.until("the same component as before");
    terminal.press("q");
    terminal.until("Stopping");
    terminal.until("ready> ");
    terminal.press("echo code=$?\r");
    terminal.until("code=0");
    terminal.press("exit\r");
    terminal.wait();
}

#[test]
fn a_stopped_job_goes_on_where_it_was() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe(), "");
    let mut terminal = shell(&sandbox, &root);
    terminal.press("$WASH dev --port 0\r");
    terminal.until("q quit");
    terminal.press(CTRL_Z);
    terminal.until("Stopped");
    terminal.until("ready> ");
    // What the shell does with the terminal meanwhile is its business: it echoes again.
    terminal.press("echo back\r");
    terminal.until("back\r\n");
    terminal.until("ready> ");
    terminal.press("fg\r");
    terminal.until("$WASH dev");
    terminal.press("r");
    terminal.until("the same component as before");
    terminal.press("q");
    terminal.until("Stopping");
    terminal.until("ready> ");
    terminal.press("exit\r");
    terminal.wait();
}

#[test]
fn a_closed_window_ends_the_builds_processes() {
    let sandbox = Sandbox::new();
    let root = sandbox.path().join("project");
    let pids = sandbox.path().join("pids");
    write(
        &root.join("build.sh"),
        format!("sleep 1000 & echo $! $$ > '{0}.tmp'; mv '{0}.tmp' '{0}'; wait\n", pids.display()),
    );
    write(&root.join(".wash/config.yaml"), "build:\n  command: sh build.sh\n  component_path: app.wasm\n");
    let mut command = sandbox.wash(["dev", "--port", "0"]);
    let mut terminal = Terminal::start(command.current_dir(&root), 80);
    terminal.until("Building");
    eventually("the build begins", || pids.exists());
    terminal.hang_up();
    terminal.wait();
    for pid in fs::read_to_string(&pids).unwrap().split_whitespace() {
        eventually("a process of the build is left behind", || !is_alive(pid));
    }
}
