//! Writing several files as one step: all of them get their new content, or none does.
//!
//! Everything is written beside its target first. Then each is moved into place; when one cannot be,
//! those before it get their old content back.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use super::package::{read_tree, slashed};
use crate::error::{Context as _, Error, Result};

/// What shall be written.
#[derive(Debug, Default)]
pub struct Changes {
    files: BTreeMap<PathBuf, Vec<u8>>,
    folders: BTreeMap<PathBuf, Option<BTreeMap<String, Vec<u8>>>>,
}

/// A step that was done, and what it replaced.
enum Done {
    File { target: PathBuf, old: Option<Vec<u8>> },
    Folder { target: PathBuf, old: Option<(TempDir, PathBuf)> },
}

impl Changes {
    /// A file that gets this content.
    pub fn file(&mut self, path: &Path, content: impl Into<Vec<u8>>) {
        self.files.insert(path.to_path_buf(), content.into());
    }

    /// A folder that gets these files and no others, by their paths with `/`.
    pub fn folder(&mut self, path: &Path, files: BTreeMap<String, Vec<u8>>) {
        self.folders.insert(path.to_path_buf(), Some(files));
    }

    /// A folder that goes away.
    pub fn no_folder(&mut self, path: &Path) {
        self.folders.insert(path.to_path_buf(), None);
    }

    /// Writes what differs from what is there; returns the paths of the files and folders that do.
    pub fn apply(self) -> Result<Vec<PathBuf>> {
        let mut staged = Vec::new();
        for (path, content) in self.files {
            // A link stays a link, and what it leads to changes.
            let target = path.canonicalize().unwrap_or(path);
            let old = match fs::read(&target) {
                Ok(old) if old == content => continue,
                Ok(old) => Some(old),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(Error::caused_by(format!("cannot read `{}`", target.display()), &error)),
            };
            let new = stage_file(&target, &content)?;
            staged.push(Staged::File { target, new, old });
        }
        for (path, files) in self.folders {
            let target = path.canonicalize().unwrap_or(path);
            let old = if target.exists() { Some(read_tree(&target)?) } else { None };
            if old == files || (old.as_ref().is_some_and(BTreeMap::is_empty) && files.is_none()) {
                if files.is_none() {
                    let _ = fs::remove_dir_all(&target);
                }
                continue;
            }
            let parent = target.parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(parent).context(|| format!("cannot make the folder `{}`", parent.display()))?;
            let beside = tempfile::Builder::new()
                .prefix(".wash-")
                .tempdir_in(parent)
                .context(|| format!("cannot make a folder in `{}`", parent.display()))?;
            if let Some(files) = &files {
                let root = beside.path().join("new");
                fs::create_dir(&root).context(|| format!("cannot make `{}`", root.display()))?;
                for (name, content) in files {
                    write_below(&root, name, content)?;
                }
            }
            staged.push(Staged::Folder { target, beside, has_new: files.is_some() });
        }
        commit(staged)
    }
}

/// What waits beside its target.
enum Staged {
    File { target: PathBuf, new: NamedTempFile, old: Option<Vec<u8>> },
    Folder { target: PathBuf, beside: TempDir, has_new: bool },
}

fn stage_file(target: &Path, content: &[u8]) -> Result<NamedTempFile> {
    let parent = target.parent().unwrap_or(Path::new("/"));
    let cannot = || format!("cannot write `{}`", target.display());
    fs::create_dir_all(parent).context(cannot)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".wash-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // What the user's umask leaves of it; a file that is there keeps its own.
        let mode = fs::metadata(target).map_or(0o666, |metadata| metadata.permissions().mode() & 0o777);
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    let mut file = builder.tempfile_in(parent).context(cannot)?;
    file.write_all(content).and_then(|()| file.as_file().sync_all()).context(cannot)?;
    Ok(file)
}

fn write_below(root: &Path, name: &str, content: &[u8]) -> Result<()> {
    let path = root.join(name);
    let cannot = || format!("cannot write `{}`", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).context(cannot)?;
    }
    fs::write(&path, content).context(cannot)
}

fn commit(staged: Vec<Staged>) -> Result<Vec<PathBuf>> {
    let mut done: Vec<Done> = Vec::new();
    for step in staged {
        let target = match &step {
            Staged::File { target, .. } | Staged::Folder { target, .. } => target.clone(),
        };
        match move_into_place(step) {
            Ok(step) => done.push(step),
            Err(error) => {
                for step in done.into_iter().rev() {
                    undo(step);
                }
                return Err(Error::caused_by(
                    format!("cannot replace `{}`; nothing was changed", target.display()),
                    &error,
                ));
            }
        }
    }
    Ok(done
        .into_iter()
        .map(|step| match step {
            Done::File { target, .. } | Done::Folder { target, .. } => target,
        })
        .collect())
}

fn move_into_place(step: Staged) -> io::Result<Done> {
    match step {
        Staged::File { target, new, old } => {
            new.persist(&target).map_err(|error| error.error)?;
            Ok(Done::File { target, old })
        }
        Staged::Folder { target, beside, has_new } => {
            let kept = beside.path().join("old");
            let had_old = target.exists();
            if had_old {
                fs::rename(&target, &kept)?;
            }
            if has_new && let Err(error) = fs::rename(beside.path().join("new"), &target) {
                if had_old {
                    fs::rename(&kept, &target)?;
                }
                return Err(error);
            }
            Ok(Done::Folder { target, old: had_old.then_some((beside, kept)) })
        }
    }
}

/// Best effort: what made a step fail may make this fail, too, and there is no third way.
fn undo(step: Done) {
    match step {
        Done::File { target, old: Some(old) } => {
            let _ = fs::write(target, old);
        }
        Done::File { target, old: None } => {
            let _ = fs::remove_file(target);
        }
        Done::Folder { target, old } => {
            let _ = fs::remove_dir_all(&target);
            if let Some((_beside, kept)) = old {
                let _ = fs::rename(kept, target);
            }
        }
    }
}

/// A path relative to `root` for messages.
pub fn shown(path: &Path, root: &Path) -> String {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    slashed(path.strip_prefix(&root).unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        files.iter().map(|(name, text)| (name.to_string(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn what_is_the_same_already_is_not_touched() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let write = |text: &str| {
            let mut changes = Changes::default();
            changes.file(&root.join("a"), text);
            changes.folder(&root.join("deps"), tree(&[("x/package.wit", "x")]));
            changes.apply().unwrap()
        };
        assert_eq!(write("one"), [root.join("a"), root.join("deps")]);
        let modified = fs::metadata(root.join("deps/x/package.wit")).unwrap().modified().unwrap();
        assert_eq!(write("two"), [root.join("a")]);
        assert_eq!(fs::metadata(root.join("deps/x/package.wit")).unwrap().modified().unwrap(), modified);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 2, "nothing is left beside");
    }

    #[cfg(unix)]
    #[test]
    fn a_step_that_fails_takes_those_before_it_back() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::write(root.join("a"), "old").unwrap();
        fs::create_dir_all(root.join("deps/x")).unwrap();
        fs::write(root.join("deps/x/package.wit"), "old").unwrap();
        let mut done = Vec::new();
        let new = stage_file(&root.join("a"), b"new").unwrap();
        done.push(Staged::File { target: root.join("a"), new, old: Some(b"old".to_vec()) });
        let new = stage_file(&root.join("b"), b"new").unwrap();
        done.push(Staged::File { target: root.join("b"), new, old: None });
        let beside = tempfile::tempdir_in(&root).unwrap();
        // There is no new folder to be moved.
        done.push(Staged::Folder { target: root.join("deps"), beside, has_new: true });
        let error = commit(done).unwrap_err();
        assert!(error.message().ends_with("deps`; nothing was changed"), "{error}");
        assert_eq!(fs::read_to_string(root.join("a")).unwrap(), "old");
        assert!(!root.join("b").exists());
        assert_eq!(fs::read_to_string(root.join("deps/x/package.wit")).unwrap(), "old");
        assert_eq!(fs::read_dir(&root).unwrap().count(), 2, "nothing is left beside");
    }
}
