//! Embeds the projects below `templates/` and the WIT packages below `wit/` in the binary.
//!
//! Writes a table with one line for each file to `OUT_DIR/templates.rs`; `scaffold::catalog` includes
//! it. The one of WIT packages is `OUT_DIR/wit.rs`, for `wit::hosted`. What a template's `.gitignore` names, and what a build leaves behind, is not part of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

/// What toolchains leave behind, whatever a template's `.gitignore` says.
const LEFTOVERS: [&str; 6] = [".git", ".venv", "__pycache__", "dist", "node_modules", "target"];

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    // Releases have a file for each platform, by this name.
    let target = std::env::var_os("TARGET").expect("cargo sets it");
    println!("cargo::rustc-env=WASH_TARGET={}", target.display());
    let templates = root.join("templates");
    let mut files = BTreeSet::new();
    for template in folders(&templates) {
        collect(&template, &mut files);
    }

    let mut table = String::from("&[\n");
    for file in &files {
        let path = slashed(file.strip_prefix(&templates).expect("below templates/"));
        let (template, path) = path.split_once('/').expect("a file of a template");
        writeln!(
            table,
            "    File {{ template: {template:?}, path: {path:?}, executable: {}, \
             bytes: include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?})) }},",
            is_executable(file),
            format!("/templates/{template}/{path}"),
        )
        .expect("writing to a string");
    }
    table.push_str("]\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("templates.rs"), table).expect("OUT_DIR can be written to");

    fs::write(out.join("wit.rs"), wit_packages(&root)).expect("OUT_DIR can be written to");
    println!("cargo::rerun-if-changed=wit");

    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=templates/catalog.toml");
    watch(&templates, &root, &files);
}

/// The packages below `wit/`, but for `wash-host`: that one is how we generate code, and nobody else's.
fn wit_packages(root: &Path) -> String {
    let mut packages = std::collections::BTreeMap::new();
    for folder in folders(&root.join("wit")) {
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("cannot list `{}`: {error}", folder.display()));
        for file in files.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
            if folder.ends_with("wash-host") || file.extension().is_none_or(|end| end != "wit") {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("`{}`: {error}", file.display()));
            let name = text
                .lines()
                .find_map(|line| line.strip_prefix("package ")?.trim_end().strip_suffix(';').map(str::to_string))
                .unwrap_or_else(|| panic!("`{}` has no line `package name;`", file.display()));
            let path = slashed(file.strip_prefix(root).expect("below the root"));
            assert!(packages.insert(name, path).is_none(), "`{}` is a package for the second time", file.display());
        }
    }
    let mut table = String::from("&[\n");
    for (name, path) in packages {
        writeln!(
            table,
            "    Embedded {{ name: {name:?}, text: include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?})) }},",
            format!("/{path}"),
        )
        .expect("writing to a string");
    }
    table.push_str("]\n");
    table
}

fn collect(template: &Path, files: &mut BTreeSet<PathBuf>) {
    let walk = WalkBuilder::new(template)
        .hidden(false)
        .parents(false)
        .ignore(false)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .filter_entry(|entry| entry.depth() == 0 || !is_leftover(entry.path()))
        .build();
    for entry in walk {
        let entry = entry.unwrap_or_else(|error| panic!("cannot read the template: {error}"));
        let kind = entry.file_type().expect("not stdin");
        assert!(!kind.is_symlink(), "`{}` is a link: templates have none", entry.path().display());
        if kind.is_file() {
            files.insert(entry.into_path());
        }
    }
}

/// Tells cargo what to watch. Cargo looks at everything below a folder, so a folder in which
/// somebody has built a template is given file by file: otherwise each build there would make wash
/// compile again. (A file that is added to such a folder is noticed with the next other change; the
/// test `what_is_embedded_is_what_lies_in_the_folder` says when that happened.)
fn watch(folder: &Path, root: &Path, files: &BTreeSet<PathBuf>) {
    let say = |path: &Path| println!("cargo::rerun-if-changed={}", slashed(path.strip_prefix(root).expect("ours")));
    if !has_leftovers(folder) {
        return say(folder);
    }
    for file in files.iter().filter(|file| file.parent() == Some(folder)) {
        say(file);
    }
    for below in folders(folder).into_iter().filter(|below| !is_leftover(below)) {
        watch(&below, root, files);
    }
}

fn has_leftovers(folder: &Path) -> bool {
    folders(folder).iter().any(|below| is_leftover(below) || has_leftovers(below))
}

fn is_leftover(path: &Path) -> bool {
    path.file_name().is_some_and(|name| LEFTOVERS.iter().any(|leftover| name == *leftover)) && path.is_dir()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot list `{}`: {error}", folder.display()));
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir() && !path.is_symlink())
        .collect();
    folders.sort();
    folders
}

fn slashed(path: &Path) -> String {
    path.to_str().unwrap_or_else(|| panic!("`{}` is not Unicode", path.display())).replace('\\', "/")
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> bool {
    false
}
