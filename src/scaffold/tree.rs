//! What a new project is made of, listed before anything is written: folders, files and links.
//!
//! Everything is refused that has no place in a project: links that lead out of it, devices and
//! pipes, and more than a project can reasonably hold.

use std::fs;
use std::path::{Path, PathBuf};

use ignore::{DirEntry, WalkBuilder};

use super::{catalog, inside};
use crate::error::{Context as _, Error, Result};

/// More files and folders than this are no template but a mistake (a home folder, a data set).
const MOST_ITEMS: usize = 100_000;
/// More bytes than this, as well.
const MOST_BYTES: u64 = 512 * 1024 * 1024;

/// The parts of a project, parents before children.
pub(super) struct Tree {
    pub items: Vec<Item>,
}

pub(super) struct Item {
    /// Relative to the project.
    pub path: PathBuf,
    pub kind: Kind,
}

pub(super) enum Kind {
    Folder,
    File {
        executable: bool,
        content: Content,
    },
    /// Where the link leads: relative, and inside the project.
    Link(PathBuf),
}

pub(super) enum Content {
    Embedded(&'static [u8]),
    /// An absolute path.
    OnDisk(PathBuf),
}

/// Which files of a folder belong to the project.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// All but `.git`: the folder was checked out, so there is nothing else.
    Everything,
    /// What is not ignored by `.gitignore` files, and no output of a toolchain.
    NotIgnored,
}

impl Tree {
    pub fn of_template(name: &str) -> Self {
        let items = catalog::files(name).map(|file| Item {
            path: PathBuf::from(file.path),
            kind: Kind::File { executable: file.executable, content: Content::Embedded(file.bytes) },
        });
        Tree { items: items.collect() }
    }

    /// Lists a folder, which errors call `shown`. Gives way to other tasks now and then, so that it can
    /// be stopped.
    pub async fn of_folder(root: &Path, shown: &str, choice: Choice) -> Result<Self> {
        let mut items = Vec::new();
        let mut bytes = 0;
        for entry in walk(root, choice) {
            let entry = entry.context(|| format!("cannot read all of `{shown}`"))?;
            let Some(kind) = entry.file_type() else { continue };
            let path = entry.path().strip_prefix(root).expect("the walk stays below its root").to_path_buf();
            if path.as_os_str().is_empty() {
                continue;
            }
            let kind = if kind.is_dir() {
                Kind::Folder
            } else if kind.is_symlink() {
                Kind::Link(inside::link(root, &path)?)
            } else if kind.is_file() {
                let metadata = entry.metadata().context(|| format!("cannot read `{}`", entry.path().display()))?;
                bytes += metadata.len();
                Kind::File { executable: is_executable(&metadata), content: Content::OnDisk(entry.path().into()) }
            } else {
                return Err(Error::failed(format!("`{}` is neither a file nor a folder nor a link", path.display()))
                    .hint("remove it from the source: pipes, sockets and devices cannot be part of a project"));
            };
            items.push(Item { path, kind });
            check_size(shown, items.len(), bytes)?;
            if items.len() % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        if items.iter().all(|item| matches!(item.kind, Kind::Folder)) {
            let error = Error::failed(format!("there are no files in `{shown}`"));
            return Err(match choice {
                Choice::Everything => error,
                Choice::NotIgnored => error.hint("files that a `.gitignore` file names are not taken"),
            });
        }
        Ok(Tree { items })
    }

    /// Reads a file of the project, if there is one of this name.
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        let item = self.items.iter().find(|item| item.path == Path::new(path))?;
        match &item.kind {
            Kind::File { content, .. } => content.read().ok(),
            _ => None,
        }
    }

    pub fn contains(&self, path: &str) -> bool {
        self.items.iter().any(|item| item.path == Path::new(path))
    }
}

impl Content {
    pub fn read(&self) -> Result<Vec<u8>> {
        match self {
            Content::Embedded(bytes) => Ok(bytes.to_vec()),
            Content::OnDisk(path) => fs::read(path).context(|| format!("cannot read `{}`", path.display())),
        }
    }
}

fn walk(root: &Path, choice: Choice) -> ignore::Walk {
    let respect = choice == Choice::NotIgnored;
    // Ignore files above the folder count as far as git lets them: up to the top of the repository.
    let in_repository = root.ancestors().any(|ancestor| ancestor.join(".git").exists());
    WalkBuilder::new(root)
        .hidden(false)
        .ignore(false)
        .git_ignore(respect)
        .git_exclude(respect)
        .git_global(false)
        .parents(respect && in_repository)
        .require_git(in_repository)
        .follow_links(false)
        .sort_by_file_name(Ord::cmp)
        .filter_entry(move |entry| entry.depth() == 0 || !is_left_out(entry, choice))
        .build()
}

fn is_left_out(entry: &DirEntry, choice: Choice) -> bool {
    if entry.file_name() == ".git" {
        return true;
    }
    let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
    // cargo and many others mark what they can make again; Python marks its environments.
    choice == Choice::NotIgnored
        && is_folder
        && (["node_modules", "__pycache__"].iter().any(|name| entry.file_name() == *name)
            || ["CACHEDIR.TAG", "pyvenv.cfg"].iter().any(|mark| entry.path().join(mark).is_file()))
}

fn check_size(shown: &str, items: usize, bytes: u64) -> Result<()> {
    if items <= MOST_ITEMS && bytes <= MOST_BYTES {
        return Ok(());
    }
    Err(Error::failed(format!("`{shown}` is too much for a template"))
        .cause(format!(
            "there are more than {MOST_ITEMS} files and folders or more than {} MiB in it",
            MOST_BYTES >> 20
        ))
        .hint("name the folder that is the project with --subfolder"))
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn list(root: &Path, choice: Choice) -> Result<Tree> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Tree::of_folder(root, "SRC", choice))
    }

    fn paths(tree: &Tree) -> Vec<&str> {
        tree.items.iter().map(|item| item.path.to_str().unwrap()).collect()
    }

    #[test]
    fn what_is_ignored_or_made_by_tools_is_not_taken_from_a_folder() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), ".gitignore", "/secret\n*.log\n");
        write(root.path(), ".wash/config.yaml", "");
        write(root.path(), "src/main.rs", "");
        write(root.path(), "src/x.log", "");
        write(root.path(), "secret/key", "");
        write(root.path(), "target/CACHEDIR.TAG", "");
        write(root.path(), "target/debug/x", "");
        write(root.path(), "node_modules/a/index.js", "");
        write(root.path(), "env/pyvenv.cfg", "");
        write(root.path(), ".git/HEAD", "");
        let tree = list(root.path(), Choice::NotIgnored).unwrap();
        assert_eq!(paths(&tree), [".gitignore", ".wash", ".wash/config.yaml", "src", "src/main.rs"]);

        let tree = list(root.path(), Choice::Everything).unwrap();
        assert!(tree.contains("src/x.log") && tree.contains("target/debug/x"));
        assert!(!tree.contains(".git/HEAD"));
    }

    #[test]
    fn executable_files_and_links_inside_are_kept_as_they_are() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "run", "#!/bin/sh\n");
        fs::set_permissions(root.path().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
        write(root.path(), "docs/a", "");
        symlink("../run", root.path().join("docs/run")).unwrap();
        let tree = list(root.path(), Choice::Everything).unwrap();
        let kind = |path: &str| &tree.items.iter().find(|item| item.path == Path::new(path)).unwrap().kind;
        assert!(matches!(kind("run"), Kind::File { executable: true, .. }));
        assert!(matches!(kind("docs/a"), Kind::File { executable: false, .. }));
        assert!(matches!(kind("docs/run"), Kind::Link(target) if target == Path::new("../run")));
    }

    #[test]
    fn links_that_leave_are_refused_by_name() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a", "");
        symlink("/etc/passwd", root.path().join("sneaky")).unwrap();
        let error = list(root.path(), Choice::Everything).err().unwrap();
        assert_eq!(error.message(), "the link `sneaky` leads out of the project, to `/etc/passwd`");
    }

    #[test]
    fn pipes_are_refused() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a", "");
        let pipe = root.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let error = list(root.path(), Choice::Everything).err().unwrap();
        assert_eq!(error.message(), "`pipe` is neither a file nor a folder nor a link");
    }

    #[test]
    fn too_much_is_refused() {
        assert!(check_size("SRC", MOST_ITEMS, MOST_BYTES).is_ok());
        assert!(check_size("SRC", MOST_ITEMS + 1, 0).is_err());
        assert!(check_size("SRC", 1, MOST_BYTES + 1).is_err());
    }

    #[test]
    fn an_empty_folder_is_no_template() {
        let root = tempfile::tempdir().unwrap();
        assert!(list(root.path(), Choice::NotIgnored).err().unwrap().message() == "there are no files in `SRC`");
    }
}
