//! Keeps the arrows between the rooms: what `src/` uses is compared with the table below, and the
//! table with the one that people read in `docs/architecture.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A room and the rooms it may import. Rooms only import rooms below them in this list.
const ROOMS: &[(&str, MayImport)] = &[
    ("main", Only(&["cli"])),
    ("cli", Anything),
    ("context", Only(&["shell"])),
    ("shell", Only(&[])),
    ("embed", Only(&["host", "plugins", "runtime"])),
    ("console", Only(&["dev", "host", "plugins", "runtime", "component", "project"])),
    ("dev", Only(&["feed", "host", "plugins", "runtime", "toolchain", "component", "project"])),
    ("doctor", Only(&["toolchain", "project", "oci"])),
    ("scaffold", Only(&["git", "process", "project"])),
    ("toolchain", Only(&["component", "process", "project", "wit"])),
    ("scheduler", Only(&["host", "node", "plugins", "runtime"])),
    ("manifest", Only(&["node", "oci", "plugins", "project", "runtime"])),
    ("node", Only(&["component", "feed", "host", "oci", "runtime"])),
    ("host", Only(&["plugins", "runtime", "component"])),
    ("telemetry", Only(&["runtime"])),
    ("plugins", Only(&["runtime", "component"])),
    ("runtime", Only(&["component"])),
    ("update", Only(&["process"])),
    ("wit", Only(&["git", "oci"])),
    ("oci", Only(&["component"])),
    ("component", Only(&[])),
    ("git", Only(&["process"])),
    ("process", Only(&[])),
    ("project", Only(&[])),
    ("feed", Only(&[])),
    ("progress", Only(&[])),
    ("error", Only(&[])),
];

/// What every room may import.
const OPEN_TO_ALL: &[&str] = &["progress", "error"];

use MayImport::{Anything, Only};

enum MayImport {
    Anything,
    Only(&'static [&'static str]),
}

#[test]
fn rooms_import_what_the_table_allows() {
    let mut wrong = Vec::new();
    for (room, file) in sources() {
        let Some((_, may_import)) = ROOMS.iter().find(|(name, _)| *name == room) else { continue };
        let text = fs::read_to_string(&file).unwrap();
        for (line, imported) in imports(&text) {
            let allowed = match may_import {
                Anything => imported != "main",
                Only(rooms) => rooms.contains(&imported.as_str()) || OPEN_TO_ALL.contains(&imported.as_str()),
            };
            if !allowed && imported != room {
                wrong.push(format!("{}:{line}: `{room}` must not know `{imported}`", shown(&file)));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that are not in the table of tests/architecture.rs:\n{}", wrong.join("\n"));
}

#[test]
fn every_room_is_in_the_table_and_in_the_source() {
    let in_source: BTreeSet<String> =
        sources().into_iter().map(|(room, _)| room).filter(|room| room != "lib").collect();
    let in_table: BTreeSet<String> = ROOMS.iter().map(|(room, _)| room.to_string()).collect();
    assert_eq!(in_source, in_table);
}

#[test]
fn arrows_point_down() {
    let place = |wanted: &str| ROOMS.iter().position(|(room, _)| *room == wanted);
    for (index, (room, may_import)) in ROOMS.iter().enumerate() {
        if let Only(rooms) = may_import {
            for imported in *rooms {
                assert!(place(imported).is_some_and(|place| place > index), "`{room}` imports `{imported}`");
            }
        }
    }
}

#[test]
fn the_page_about_the_rooms_has_the_same_table() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let documented = table_of(&page);
    for (room, may_import) in ROOMS {
        let expected = match may_import {
            _ if OPEN_TO_ALL.contains(room) => BTreeSet::from(["—".to_string()]),
            Anything => BTreeSet::from(["any room".to_string()]),
            Only([]) => BTreeSet::from(["—".to_string()]),
            Only(rooms) => rooms.iter().map(|room| format!("`{room}`")).collect(),
        };
        assert_eq!(documented.get(*room), Some(&expected), "the row of `{room}` in docs/architecture.md");
    }
    assert_eq!(documented.len(), ROOMS.len(), "rows of docs/architecture.md: {:?}", documented.keys());
}

/// The rows of the table `| room | … | may import | …`: what each room may import.
fn table_of(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut lines = page.lines().map(cells);
    let header = lines.by_ref().find(|cells| cells.first() == Some(&"room")).expect("a table that begins with `room`");
    let column = header.iter().position(|cell| *cell == "may import").expect("a column `may import`");
    lines
        .skip(1)
        .take_while(|cells| cells.len() == header.len())
        .flat_map(|cells| {
            let may_import: BTreeSet<String> = cells[column].split(", ").map(str::to_string).collect();
            // `error`, `progress` share a row, and files are written with their ending.
            let rooms = cells[0].split(", ").map(|room| room.trim_matches('`').trim_end_matches(".rs").to_string());
            rooms.map(|room| (room, may_import.clone())).collect::<Vec<_>>()
        })
        .collect()
}

fn cells(line: &str) -> Vec<&str> {
    let Some(line) = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|')) else { return Vec::new() };
    line.split('|').map(str::trim).collect()
}

/// The rooms that a source file names, with their lines: `use crate::room`, groups in braces, and
/// paths in the middle of code. `main.rs` says `wash::` where the others say `crate::`.
fn imports(text: &str) -> Vec<(usize, String)> {
    let code = without_comments(text);
    let mut found = Vec::new();
    for start in ["crate::", "wash::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|letter| letter.is_alphanumeric() || "_$:\"".contains(letter)) {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            found.extend(names(&code[at + start.len()..]).into_iter().map(|name| (line, name)));
        }
    }
    found
}

/// The first parts of the paths that begin here: one, or those of a group in braces.
fn names(code: &str) -> Vec<String> {
    let name =
        |code: &str| code.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect::<String>();
    let Some(group) = code.strip_prefix('{') else { return vec![name(code)] };
    let mut depth = 0;
    let mut items = vec![String::new()];
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(String::new()),
            _ => {}
        }
        if let Some(item) = items.last_mut() {
            item.push(letter);
        }
    }
    items
        .iter()
        .map(|item| name(item.trim_start_matches(|letter: char| letter == ',' || letter.is_whitespace())))
        .filter(|name| !name.is_empty())
        .collect()
}

/// Lines that are comments become empty, so that line numbers stay.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line }).collect::<Vec<_>>().join("\n")
}

/// Every source file with its room: the folder or file below `src/`.
fn sources() -> Vec<(String, PathBuf)> {
    let src = root().join("src");
    let mut found = Vec::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let room = path.strip_prefix(&src).unwrap().iter().next().unwrap().to_string_lossy();
                found.push((room.trim_end_matches(".rs").to_string(), path.clone()));
            }
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::error::{Context as _, Result};\n\
                // use crate::cli;\n\
                use crate::{\n    dev::{self, report},\n    host,\n};\n\
                fn f() { crate::project::load(\"crate::shell\"); other_crate::plugins(); $crate::scaffold }\n";
    let found: Vec<String> = imports(text).into_iter().map(|(line, room)| format!("{line} {room}")).collect();
    assert_eq!(found, ["1 error", "3 dev", "3 host", "7 project"]);
}
