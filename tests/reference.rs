//! The man pages in `man/` and the reference in `docs/commands.md` are made from the program's own
//! command line. Both are compared with it, so that they cannot be stale.
//!
//!     WASH_ACCEPT=1 cargo nextest run -E 'binary(reference)'    # writes them anew

#![allow(clippy::disallowed_methods, reason = "accepting a change is asked for through the environment")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Command};

#[test]
fn the_man_pages_are_those_of_the_program() {
    let mut pages = BTreeMap::new();
    each(&command(), &mut Vec::new(), &mut |command, _| {
        let mut page = Vec::new();
        // The version is in the name of the release, and a date would make every day's page another one.
        clap_mangen::Man::new(command.clone()).manual("wash manual").source("wash").render(&mut page).unwrap();
        let name = command.get_display_name().unwrap_or(command.get_name());
        pages.insert(format!("{name}.1"), String::from_utf8(page).unwrap());
    });
    assert!(pages.contains_key("wash.1") && pages.contains_key("wash-oci-push.1"), "{:?}", pages.keys());
    let folder = root().join("man");
    if accepts() {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        pages.iter().for_each(|(name, page)| std::fs::write(folder.join(name), page).unwrap());
    }
    let kept: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !pages.contains_key(name))
        .collect();
    assert!(kept.is_empty(), "pages of commands that are not there: {kept:?}");
    for (name, page) in &pages {
        let kept = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(kept == *page, "man/{name} is stale: WASH_ACCEPT=1 cargo test --test reference");
    }
}

#[test]
fn the_reference_of_commands_is_that_of_the_program() {
    let root_command = command();
    let mut page = String::from(
        "# Commands\n\nThis page is made from the program: it is what `--help` says. `wash COMMAND --help` shows the same, and `man \
         wash-COMMAND`\nwhere the man pages of `man/` are installed.\n\nExit codes: 0 done, 1 failed, 2 wrong use, 3 a fault of wash, 130 \
         interrupted.\n\n## Options of every command\n\nThey may stand before and after the command.\n\n",
    );
    options(&mut page, root_command.get_arguments().filter(|arg| arg.is_global_set()));
    each(&root_command, &mut Vec::new(), &mut |command, path| {
        if !path.is_empty() {
            describe(&mut page, command, path);
        }
    });
    let file = root().join("docs/commands.md");
    if accepts() {
        std::fs::write(&file, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == page, "docs/commands.md is stale: WASH_ACCEPT=1 cargo test --test reference");
}

/// The command line as it is when the program runs, with usage lines.
fn command() -> Command {
    let mut command = wash::cli::command();
    command.build();
    command
}

/// Visits a command and all below it that are shown.
fn each<'a>(command: &'a Command, path: &mut Vec<&'a str>, visit: &mut dyn FnMut(&'a Command, &[&str])) {
    visit(command, path);
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help") {
        path.push(below.get_name());
        each(below, path, visit);
        path.pop();
    }
}

fn describe(page: &mut String, command: &Command, path: &[&str]) {
    let level = "#".repeat(path.len() + 1);
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let _ = write!(page, "\n{level} wash {}\n\n{}\n\n```text\n{usage}\n```\n", path.join(" "), sentence(&about));
    let own = || command.get_arguments().filter(|arg| !arg.is_global_set() && !arg.is_hide_set());
    // What every command has is said once.
    let own = || own().filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version"));
    if own().next().is_some() {
        page.push('\n');
        options(page, own());
    }
    if let Some(after) = command.get_after_help() {
        let _ = write!(page, "\n```text\n{}\n```\n", after.to_string().trim());
    }
}

fn options<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    page.push_str("| | |\n| --- | --- |\n");
    for argument in arguments {
        let mut names = Vec::new();
        names.extend(argument.get_short().map(|short| format!("-{short}")));
        names.extend(argument.get_long().map(|long| format!("--{long}")));
        let takes_value = argument.get_action().takes_values();
        let value = argument
            .get_value_names()
            .filter(|_| takes_value)
            .map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        let mut shown = names.join(", ");
        if let Some(value) = value {
            let _ = write!(shown, "{}{value}", if shown.is_empty() { "" } else { " " });
        }
        let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
        let mut notes = Vec::new();
        let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if !defaults.is_empty() && takes_value {
            notes.push(format!("default `{}`", defaults.join(" ")));
        }
        let values: Vec<_> =
            argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
        if !values.is_empty() && takes_value {
            notes.push(values.join(", "));
        }
        if let Some(variable) = argument.get_env() {
            notes.push(format!("variable `{}`", variable.to_string_lossy()));
        }
        let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
        let help = sentence(&help).replace('|', "\\|").replace('\n', " ");
        let _ = writeln!(page, "| `{}` | {help}{notes} |", shown.replace('|', "\\|"));
    }
}

/// Help texts as text of a page: `<` would begin a tag.
fn sentence(help: &str) -> String {
    help.trim().replace('<', "&lt;")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn accepts() -> bool {
    std::env::var_os("WASH_ACCEPT").is_some()
}
