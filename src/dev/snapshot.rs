//! What the watched files are, by content: a change is a change of this, whatever events say.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Files beyond this size are compared by size and time only.
const MAX_HASHED: u64 = 64 << 20;

/// What editors and systems leave beside the files that people edit, in `.gitignore` form.
const EDITOR_FILES: &[&str] = &[
    "*~",
    ".*.sw[a-z]",
    ".#*",
    "\\#*\\#",
    "4913",
    ".DS_Store",
    "*.kate-swp",
    "*___jb_tmp___",
    "*___jb_old___",
    "Thumbs.db",
    ".goutputstream-*",
    ".wash-probe-*",
];

/// What is watched.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Folders whose files are watched, by the ignore files found in them.
    pub roots: Vec<PathBuf>,
    /// Single files, watched whatever ignore files say.
    pub files: BTreeSet<PathBuf>,
    /// Exact files and folders that builds write: never watched.
    pub outputs: BTreeSet<PathBuf>,
    /// More patterns, in `.gitignore` form, relative to the first root.
    pub ignore: Vec<String>,
}

/// One look at everything in a scope.
#[derive(Debug, Default)]
pub struct Snapshot {
    files: HashMap<PathBuf, Entry>,
    /// Folders that hold watched files; what a watcher has to listen to.
    pub folders: BTreeSet<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    modified: Option<SystemTime>,
    size: u64,
    content: u64,
}

impl Scope {
    /// The matcher for everything that is not in ignore files.
    fn extra_rules(&self) -> Gitignore {
        let mut rules = GitignoreBuilder::new(self.roots.first().map_or(Path::new("/"), PathBuf::as_path));
        for pattern in EDITOR_FILES.iter().copied().chain(self.ignore.iter().map(String::as_str)) {
            // A pattern that does not parse is reported when the settings are read.
            let _ = rules.add_line(None, pattern);
        }
        rules.build().unwrap_or_else(|_| Gitignore::empty())
    }

    /// Looks at everything. `before` saves reading what has not been touched; paths in `touched`
    /// are read in any case. `entering` is called for every folder before its files are listed, so
    /// that a watch set there misses nothing.
    pub fn look(&self, before: &Snapshot, touched: &HashSet<PathBuf>, mut entering: impl FnMut(&Path)) -> Snapshot {
        let rules = self.extra_rules();
        let mut now = Snapshot::default();
        for root in &self.roots {
            self.walk(root, &rules, before, touched, &mut now, &mut entering);
        }
        for file in &self.files {
            if let Some(folder) = nearest_folder(file)
                && now.folders.insert(folder.clone())
            {
                entering(&folder);
            }
            now.add(file, before, touched);
        }
        now
    }

    fn walk(
        &self,
        root: &Path,
        rules: &Gitignore,
        before: &Snapshot,
        touched: &HashSet<PathBuf>,
        now: &mut Snapshot,
        entering: &mut impl FnMut(&Path),
    ) {
        let outputs = self.outputs.clone();
        let rules = rules.clone();
        let walk = ignore::WalkBuilder::new(root)
            .hidden(false)
            .require_git(false)
            .filter_entry(move |entry| {
                let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
                let ours = (is_dir && entry.file_name() == ".git") || outputs.contains(entry.path());
                let ignored = entry.depth() > 0 && rules.matched(entry.path(), is_dir).is_ignore();
                !ours && !ignored
            })
            .build();
        // What cannot be read (a folder that vanished meanwhile) is simply not there.
        for entry in walk.flatten() {
            match entry.file_type() {
                Some(kind) if kind.is_dir() => {
                    let new = now.folders.insert(entry.path().to_path_buf());
                    if new {
                        entering(entry.path());
                    }
                }
                Some(_) => now.add(entry.path(), before, touched),
                None => {}
            }
        }
    }
}

impl Snapshot {
    fn add(&mut self, path: &Path, before: &Snapshot, touched: &HashSet<PathBuf>) {
        let Ok(metadata) = fs::metadata(path) else { return };
        if !metadata.is_file() {
            return;
        }
        let (modified, size) = (metadata.modified().ok(), metadata.len());
        let known = before.files.get(path).filter(|old| old.modified == modified && old.size == size);
        let content = match known {
            Some(old) if !touched.contains(path) => old.content,
            _ if size > MAX_HASHED => {
                let mut hasher = std::hash::DefaultHasher::new();
                (size, modified).hash(&mut hasher);
                hasher.finish()
            }
            _ => match content_of(path) {
                Some(content) => content,
                None => return,
            },
        };
        self.files.insert(path.to_path_buf(), Entry { modified, size, content });
    }

    /// Makes the next look read every file, also those of the same size and time.
    pub fn distrust(&mut self) {
        for entry in self.files.values_mut() {
            entry.modified = None;
        }
    }

    /// Paths whose content is another than in `before`, that are new, or that are gone.
    pub fn changes_since(&self, before: &Snapshot) -> BTreeSet<PathBuf> {
        let mut changed: BTreeSet<PathBuf> = self
            .files
            .iter()
            .filter(|(path, entry)| before.files.get(*path).is_none_or(|old| old.content != entry.content))
            .map(|(path, _)| path.clone())
            .collect();
        changed.extend(before.files.keys().filter(|path| !self.files.contains_key(*path)).cloned());
        changed
    }

    /// Whether the file was there.
    pub fn has(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    /// A hash of names and contents of everything below `root`.
    pub fn fingerprint(&self, root: &Path) -> u64 {
        let mut files: Vec<_> = self.files.iter().filter(|(path, _)| path.starts_with(root)).collect();
        files.sort_by_key(|(path, _)| *path);
        let mut hasher = std::hash::DefaultHasher::new();
        for (path, entry) in files {
            path.hash(&mut hasher);
            entry.content.hash(&mut hasher);
        }
        hasher.finish()
    }
}

fn content_of(path: &Path) -> Option<u64> {
    let mut file = fs::File::open(path).ok()?;
    let mut hasher = std::hash::DefaultHasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Some(hasher.finish()),
            Ok(count) => hasher.write(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// The folder of a file, or the nearest one above it that exists.
fn nearest_folder(file: &Path) -> Option<PathBuf> {
    file.ancestors().skip(1).find(|folder| folder.is_dir()).map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(root: &Path) -> Scope {
        Scope { roots: vec![root.to_path_buf()], ..Scope::default() }
    }

    fn look(scope: &Scope, before: &Snapshot) -> Snapshot {
        scope.look(before, &HashSet::new(), |_| ())
    }

    fn names(root: &Path, changed: &BTreeSet<PathBuf>) -> Vec<String> {
        changed.iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect()
    }

    #[test]
    fn a_touch_without_a_change_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.rs");
        fs::write(&file, "one").unwrap();
        let scope = scope(dir.path());
        let before = look(&scope, &Snapshot::default());
        fs::write(&file, "one").unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        fs::File::open(&file).unwrap().set_modified(later).unwrap();
        let after = look(&scope, &before);
        assert!(after.changes_since(&before).is_empty());
    }

    #[test]
    fn an_edit_that_keeps_size_and_time_is_found_when_the_file_was_touched() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.rs");
        fs::write(&file, "one").unwrap();
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        let scope = scope(dir.path());
        let before = look(&scope, &Snapshot::default());
        fs::write(&file, "two").unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        let after = scope.look(&before, &HashSet::from([file]), |_| ());
        assert_eq!(names(dir.path(), &after.changes_since(&before)), ["a.rs"]);
    }

    #[test]
    fn ignore_files_outputs_and_editor_files_are_not_watched() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            (".gitignore", "ignored/\n"),
            ("ignored/x", ""),
            ("out/x.wasm", ""),
            ("src/lib.rs", ""),
            ("src/.lib.rs.swp", ""),
            ("src/lib.rs~", ""),
            (".git/HEAD", ""),
            ("notes/x", ""),
            (".wash/config.yaml", ""),
        ] {
            fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
            fs::write(dir.path().join(path), text).unwrap();
        }
        let mut scope = scope(dir.path());
        scope.outputs.insert(dir.path().join("out"));
        scope.ignore.push("/notes".into());
        let now = look(&scope, &Snapshot::default());
        let all = names(dir.path(), &now.changes_since(&Snapshot::default()));
        assert_eq!(all, [".gitignore", ".wash/config.yaml", "src/lib.rs"]);
    }

    #[test]
    fn a_single_file_is_watched_although_it_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".gitignore"), "*.env\n").unwrap();
        let file = dir.path().join("a.env");
        fs::write(&file, "A=1").unwrap();
        let mut scope = scope(dir.path());
        scope.files.insert(file.clone());
        let before = look(&scope, &Snapshot::default());
        fs::write(&file, "A=22").unwrap();
        let after = look(&scope, &before);
        assert_eq!(names(dir.path(), &after.changes_since(&before)), ["a.env"]);
    }
}
