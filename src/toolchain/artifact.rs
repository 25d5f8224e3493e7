//! Finding what a build has made, and making sure that it is from this build.
//!
//! A file is from this build when anything about it has changed: clocks are not compared, since file
//! systems round times and network drives have clocks of their own. A file that the build left as it
//! was is right only if nothing it is made from has changed since.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::recipe::{Product, component_path_hint};
use crate::component::{self, Kind};
use crate::error::{Error, Result};
use crate::project::Project;

/// What the system says of a file; differs after every write, also when the time is rounded or set.
#[derive(Clone, Debug, PartialEq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    #[cfg(unix)]
    identity: (u64, u64, i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let file = path.metadata().ok().filter(|file| file.is_file())?;
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Some(Stamp {
            modified: file.modified().ok(),
            length: file.len(),
            #[cfg(unix)]
            identity: (file.dev(), file.ino(), file.ctime(), file.ctime_nsec()),
        })
    }
}

/// How the files in question were before the build.
pub(super) struct Before(BTreeMap<PathBuf, Stamp>);

impl Before {
    pub fn look(product: &Product, root: &Path) -> Self {
        let paths = match product {
            Product::CargoMessages { .. } => Vec::new(),
            Product::OneOf(paths) => paths.clone(),
            Product::Written => wasm_files(root),
        };
        Before(paths.into_iter().filter_map(|path| Some((path.clone(), Stamp::of(&path)?))).collect())
    }

    fn was_written(&self, path: &Path) -> bool {
        Stamp::of(path).is_some_and(|now| self.0.get(path) != Some(&now))
    }
}

/// Finds the artifact among `paths`, the places where the tool may have put it.
pub(super) fn one_of(paths: &[PathBuf], before: &Before, project: &Project, command: &str) -> Result<PathBuf> {
    if let Some(path) = newest(paths.iter().filter(|path| before.was_written(path))) {
        return Ok(path.clone());
    }
    match newest(paths.iter().filter(|path| path.is_file())) {
        Some(path) => unless_outdated(path, project, command),
        None => Err(missing(paths, project)),
    }
}

/// Finds the artifact among all `.wasm` files of the project.
pub(super) fn written(before: &Before, project: &Project, command: &str) -> Result<PathBuf> {
    let files = wasm_files(&project.root);
    let from_this_build: Vec<PathBuf> = files.iter().filter(|path| before.was_written(path)).cloned().collect();
    if !from_this_build.is_empty() {
        return only_component(from_this_build, project);
    }
    if files.is_empty() {
        return Err(Error::failed("the build ended well and wrote no `.wasm` file")
            .cause(format!("looked below `{}`", project.root.display()))
            .hint(component_path_hint(project, "<path of the .wasm file it writes>")));
    }
    unless_outdated(&only_component(files, project)?, project, command)
}

/// The only component of the files; the only file, if none is a component.
fn only_component(files: Vec<PathBuf>, project: &Project) -> Result<PathBuf> {
    let is_component = |path: &&PathBuf| {
        let description = std::fs::read(path).ok().and_then(|bytes| component::describe(&bytes).ok());
        description.is_some_and(|description| description.kind == Kind::Component)
    };
    let components: Vec<&PathBuf> = files.iter().filter(is_component).collect();
    match (components.as_slice(), files.as_slice()) {
        ([one], _) => Ok((*one).clone()),
        ([], [one]) => Ok(one.clone()),
        _ => Err(Error::failed("the project has several WebAssembly files, and nothing says which is the component")
            .details(list(&files, &project.root))
            .hint(component_path_hint(project, &relative(&files[0], &project.root)))),
    }
}

/// The file, unless the build should have written it again.
fn unless_outdated(path: &Path, project: &Project, command: &str) -> Result<PathBuf> {
    let Some(source) = newer_source(path, &project.root, command) else { return Ok(path.to_path_buf()) };
    let shown = relative(path, &project.root);
    let mut error = Error::failed(format!("the build ended well but did not write `{shown}`"))
        .cause(format!("`{}` has changed since that file was written", relative(&source, &project.root)));
    let mut newer = wasm_files(&project.root);
    newer.extend(wasm_files_near(path));
    newer.retain(|other| modified(other) > modified(path));
    newer.truncate(SHOWN);
    if let Some(first) = newer.first() {
        error = error
            .details(format!("newer WebAssembly files:\n{}", list(&newer, &project.root)))
            .hint(component_path_hint(project, &relative(first, &project.root)));
    } else {
        error = error.hint(format!("let the command write `{shown}`, or correct `build.component_path`"));
    }
    Err(error)
}

/// Nothing is where it should be.
fn missing(paths: &[PathBuf], project: &Project) -> Error {
    let root = &project.root;
    let wanted = paths.first().map(|path| relative(path, root)).unwrap_or_default();
    let error = match paths.first() {
        Some(path) if path.is_dir() => Error::failed(format!("`{wanted}` is a folder, not the component")),
        _ => Error::failed(format!("the build ended well but `{wanted}` is not there")),
    };
    let mut others = wasm_files(root);
    others.extend(paths.iter().flat_map(|path| wasm_files_near(path)));
    others.sort_by_key(|path| (std::cmp::Reverse(modified(path)), path.clone()));
    others.dedup();
    others.truncate(SHOWN);
    match others.first() {
        None => error.hint(component_path_hint(project, "<path of the .wasm file it writes>")),
        Some(first) => error
            .details(format!("WebAssembly files that are there, the newest first:\n{}", list(&others, root)))
            .hint(component_path_hint(project, &relative(first, root))),
    }
}

/// As many files as show what is going on.
const SHOWN: usize = 5;

/// Tools that know by themselves whether something has to be made again.
const INCREMENTAL: &[&str] =
    &["make", "gmake", "ninja", "cmake", "meson", "bazel", "gradle", "mvn", "nx", "turbo", "task"];

/// A source of the artifact that is newer than it.
fn newer_source(path: &Path, root: &Path, command: &str) -> Option<PathBuf> {
    let written = modified(path)?;
    let is_newer = |source: &PathBuf| modified(source).is_some_and(|time| time > written);
    // Cargo leaves a list of sources beside what it builds.
    if let Ok(list) = std::fs::read_to_string(path.with_extension("d")) {
        return sources_of(&list).into_iter().find(is_newer);
    }
    let mut words = command.split(|c: char| !c.is_alphanumeric() && !"-_.".contains(c));
    if words.any(|word| word == "cargo" || INCREMENTAL.contains(&word)) {
        return None;
    }
    project_files(root)
        .filter(|file| {
            let extension = file.extension().unwrap_or_default();
            // Prose and our own settings make no component.
            extension != "wasm" && extension != "md" && !file.starts_with(root.join(".wash"))
        })
        .find(is_newer)
}

/// The sources in a list as make has it: `target: one two\ with\ spaces`.
fn sources_of(list: &str) -> Vec<PathBuf> {
    let mut sources = Vec::new();
    for line in list.lines() {
        let Some((_, line)) = line.split_once(": ") else { continue };
        let mut source = String::new();
        let mut letters = line.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' if letters.peek() == Some(&' ') => source.extend(letters.next()),
                ' ' => sources.push(std::mem::take(&mut source)),
                _ => source.push(letter),
            }
        }
        sources.push(source);
    }
    sources.into_iter().filter(|source| !source.is_empty()).map(PathBuf::from).collect()
}

/// Folders of tools, whose `.wasm` files are not the project's. An ignore file does not always name
/// them, and the folders that builds write are ignored by most.
const FOREIGN: &[&str] = &["node_modules", ".git", ".venv", "venv", "target", ".wash"];
/// How deep a build may hide its result.
const DEPTH: usize = 5;

/// The `.wasm` files of a project, ignored ones too.
fn wasm_files(root: &Path) -> Vec<PathBuf> {
    let walk = ignore::WalkBuilder::new(root)
        .standard_filters(false)
        .max_depth(Some(DEPTH))
        .filter_entry(|entry| entry.depth() == 0 || !FOREIGN.iter().any(|foreign| entry.file_name() == *foreign))
        .build();
    let mut files: Vec<PathBuf> =
        walk.flatten().map(ignore::DirEntry::into_path).filter(|path| is_wasm(path)).collect();
    files.sort();
    files
}

/// The `.wasm` files beside a file that may not be there: in cargo's target folder also those of
/// other targets and profiles.
fn wasm_files_near(path: &Path) -> Vec<PathBuf> {
    /// What cargo keeps for itself.
    const INNER: &[&str] = &["deps", "build", "incremental", "examples", ".fingerprint"];
    let in_target = path.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "target"));
    let Some(folder) = in_target.or(path.parent()) else { return Vec::new() };
    let walk = ignore::WalkBuilder::new(folder)
        .standard_filters(false)
        .max_depth(Some(3))
        .filter_entry(|entry| !INNER.iter().any(|inner| entry.file_name() == *inner))
        .build();
    walk.flatten().map(ignore::DirEntry::into_path).filter(|path| is_wasm(path)).collect()
}

fn is_wasm(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm") && path.is_file()
}

/// The files of a project that nobody ignores.
fn project_files(root: &Path) -> impl Iterator<Item = PathBuf> {
    let walk = ignore::WalkBuilder::new(root)
        .require_git(false)
        .filter_entry(|entry| entry.depth() == 0 || !FOREIGN.iter().any(|foreign| entry.file_name() == *foreign))
        .build();
    walk.flatten().map(ignore::DirEntry::into_path).filter(|path| path.is_file())
}

fn newest<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Option<&'a PathBuf> {
    paths.max_by_key(|path| modified(path))
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|file| file.modified()).ok()
}

fn list(files: &[PathBuf], root: &Path) -> String {
    files.iter().map(|file| format!("  {}\n", relative(file, root))).collect()
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_sources_are_read() {
        assert_eq!(
            sources_of("/t/a.wasm: /p/src/lib.rs /p/my\\ src/\u{fc}.rs\n"),
            [PathBuf::from("/p/src/lib.rs"), PathBuf::from("/p/my src/\u{fc}.rs")]
        );
        assert!(sources_of("/t/a.wasm:\n").is_empty());
    }
}
