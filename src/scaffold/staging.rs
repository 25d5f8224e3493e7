//! Writing a project so that it is there as a whole or not at all: into a temporary folder beside
//! the target, which is moved into place at the end.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::rename::Renaming;
use super::tree::{Item, Kind, Tree};
use crate::error::{Context as _, Error, Result};

/// The name of the temporary folder starts with this. It is beside the target because a folder can
/// only be moved in one step within a file system.
const PREFIX: &str = ".wash-new-";

/// A temporary folder; removed with all that is in it when dropped.
pub(super) struct Staging(TempDir);

impl Staging {
    pub fn beside(target: &Path) -> Result<Self> {
        let parent = target.parent().expect("a target has a name in a folder");
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(parent)
            .context(|| format!("cannot create a folder in `{}`", parent.display()))?;
        Ok(Staging(folder))
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Where the project lies until it is moved.
    pub fn project(&self) -> PathBuf {
        self.path("project")
    }

    /// Writes the project with its new names and returns the paths of its files. Gives way to other
    /// tasks now and then, so that it can be stopped.
    pub async fn write(&self, tree: &Tree, renaming: &Renaming) -> Result<Vec<String>> {
        let root = self.project();
        create_folder(&root)?;
        let mut files = Vec::new();
        // Links come last, so that nothing can be written through one.
        let (links, others): (Vec<&Item>, Vec<&Item>) =
            tree.items.iter().partition(|item| matches!(item.kind, Kind::Link(_)));
        for (index, item) in others.into_iter().chain(links).enumerate() {
            let relative = renaming.path(&item.path);
            let path = root.join(&relative);
            match &item.kind {
                Kind::Folder => create_folder(&path)?,
                Kind::File { executable, content } => {
                    create_folder(path.parent().expect("below the root"))?;
                    let bytes = renaming.bytes(&item.path, content.read()?);
                    write_file(&path, &bytes, *executable).map_err(|error| explain(&error, &item.path, &relative))?;
                }
                Kind::Link(target) => {
                    create_folder(path.parent().expect("below the root"))?;
                    make_link(&renaming.path(target), &path).map_err(|error| explain(&error, &item.path, &relative))?;
                }
            }
            if !matches!(item.kind, Kind::Folder) {
                files.push(slashed(&relative));
            }
            if index % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        files.sort();
        Ok(files)
    }

    /// Moves the project to its place. The temporary folder goes away.
    pub fn move_to(self, target: &Path) -> Result<()> {
        match move_without_replacing(&self.project(), target) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(existing(target).unwrap_or_else(|| Error::caused_by(cannot_move(target), &error)))
            }
            Err(error) => Err(Error::caused_by(cannot_move(target), &error)),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // `TempDir` tries once and says nothing when a file appears while it deletes. Nothing of ours
        // runs any more, so a second look finds the folder at rest.
        if fs::remove_dir_all(self.0.path()).is_err() {
            let _ = fs::remove_dir_all(self.0.path());
        }
    }
}

/// Refuses a target that exists, whatever it is: an empty folder may be somebody's mount point.
pub(super) fn refuse_existing(target: &Path) -> Result<()> {
    existing(target).map_or(Ok(()), Err)
}

fn existing(target: &Path) -> Option<Error> {
    let metadata = fs::symlink_metadata(target).ok()?;
    let what = if metadata.is_symlink() {
        "a link"
    } else if metadata.is_dir() {
        match fs::read_dir(target).map(|mut entries| entries.next().is_none()) {
            Ok(true) => "an empty folder",
            _ => "a folder",
        }
    } else {
        "a file"
    };
    Some(
        Error::failed(format!("`{}` exists already: it is {what}", target.display()))
            .hint("choose another name with --name, or another folder with -C, or remove it first"),
    )
}

fn cannot_move(target: &Path) -> String {
    format!("cannot move the new project to `{}`", target.display())
}

fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).context(|| format!("cannot create the folder `{}`", path.display()))
}

fn explain(error: &io::Error, old: &Path, new: &Path) -> Error {
    let error = Error::caused_by(format!("cannot write `{}` of the new project", new.display()), error);
    if old == new { error } else { error.cause(format!("in the source it is called `{}`", old.display())) }
}

fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

/// Two files of the source that become one by renaming are an error, so nothing is overwritten.
fn write_file(path: &Path, bytes: &[u8], executable: bool) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    set_mode(&mut options, executable);
    options.open(path)?.write_all(bytes)
}

#[cfg(unix)]
fn set_mode(options: &mut fs::OpenOptions, executable: bool) {
    use std::os::unix::fs::OpenOptionsExt;
    // What the user's umask leaves of it.
    options.mode(if executable { 0o777 } else { 0o666 });
}

#[cfg(not(unix))]
fn set_mode(_: &mut fs::OpenOptions, _: bool) {}

#[cfg(unix)]
fn make_link(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn make_link(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::Error::other("links are only supported on Unix"))
}

/// A plain rename would replace an empty folder that somebody made in the meantime.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn move_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;

    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system does not know how.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => look_and_move(from, to),
        result => Ok(result?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn move_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    look_and_move(from, to)
}

fn look_and_move(from: &Path, to: &Path) -> io::Result<()> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_appears_at_the_last_moment_is_not_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("hello");
        for make in [fs::create_dir::<&Path>, |path: &Path| fs::write(path, "mine")] {
            let staging = Staging::beside(&target).unwrap();
            create_folder(&staging.project()).unwrap();
            make(&target).unwrap();
            assert!(look_and_move(&staging.project(), &target).is_err());
            let error = staging.move_to(&target).unwrap_err();
            assert!(error.message().contains("exists already: it is a"), "{error}");
            assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "the temporary folder is still there");
            let _ = fs::remove_dir(&target);
            let _ = fs::remove_file(&target);
        }
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("hello");
        let what = || existing(&target).unwrap().message().rsplit(": ").next().unwrap().to_string();
        assert!(refuse_existing(&target).is_ok());
        fs::create_dir(&target).unwrap();
        assert_eq!(what(), "it is an empty folder");
        fs::write(target.join("x"), "").unwrap();
        assert_eq!(what(), "it is a folder");
        fs::remove_dir_all(&target).unwrap();
        fs::write(&target, "").unwrap();
        assert_eq!(what(), "it is a file");
    }
}
