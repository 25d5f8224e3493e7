//! The control socket: a file that only its user can open, named after the project and the process.
//!
//! The path of a socket has at most 107 bytes, so it is not in the project but in one of a few short folders, and a
//! digest stands for the project's path.

use std::path::{Path, PathBuf};

use crate::component;
use crate::error::{Context as _, Error, Result};

/// What the system takes for the path of a socket, with some room (macOS: 104).
const LONGEST_PATH: usize = 100;

/// The folders in which sockets may be, the best one first: the user's run folder, the cache, and one of the user's
/// own below the temporary folder where the others have too long a path.
pub fn folders(run: Option<&Path>, cache: &Path, user: Option<u32>) -> Vec<PathBuf> {
    let shared = user.map(|user| Path::new("/tmp").join(format!("wash-{user}")));
    run.map(|run| run.join("wash")).into_iter().chain([cache.join("run")]).chain(shared).collect()
}

/// What the sockets of a project begin with.
fn prefix(root: &Path) -> String {
    // However the project was named, it is one.
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let digest = component::digest(root.as_os_str().as_encoded_bytes());
    let digest = digest.strip_prefix("sha256:").unwrap_or(&digest);
    format!("dev-{}-", &digest[..16.min(digest.len())])
}

/// The socket of this process; its file is removed when this is dropped.
pub struct Socket {
    path: Option<PathBuf>,
    /// Other loops of the same project, as they run now.
    pub others: Vec<u32>,
}

/// A loop that somebody can talk to.
#[derive(Clone, Debug)]
pub struct Found {
    pub pid: u32,
    pub path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(unix)]
impl Socket {
    /// Opens one. What loops left behind that did not end well is removed.
    pub fn bind(root: &Path, folders: &[PathBuf]) -> Result<(Self, Option<tokio::net::UnixListener>)> {
        use std::os::unix::fs::PermissionsExt;

        let others = find(root, folders).into_iter().map(|found| found.pid).collect();
        let name = format!("{}{}.sock", prefix(root), std::process::id());
        let mut failure = Error::failed("no folder has a path that is short enough for a socket");
        for folder in folders.iter().filter(|folder| folder.join(&name).as_os_str().len() <= LONGEST_PATH) {
            let path = folder.join(&name);
            let opened = make_folder(folder).and_then(|()| {
                let _ = std::fs::remove_file(&path);
                let listener = tokio::net::UnixListener::bind(&path)
                    .context(|| format!("cannot make the socket `{}`", path.display()))?;
                // The folder lets nobody else in, so there is no moment at which others could.
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
                    .context(|| format!("cannot protect the socket `{}`", path.display()))?;
                Ok(listener)
            });
            match opened {
                Ok(listener) => return Ok((Socket { path: Some(path), others }, Some(listener))),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

#[cfg(not(unix))]
impl Socket {
    /// There are none on this system: the page is the way in.
    pub fn bind(_: &Path, _: &[PathBuf]) -> Result<(Self, Option<std::convert::Infallible>)> {
        Ok((Socket { path: None, others: Vec::new() }, None))
    }
}

/// Makes a folder that nobody else can look into, or makes sure that it is one.
#[cfg(unix)]
fn make_folder(folder: &Path) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

    let what = || format!("cannot make the folder `{}` for the control socket", folder.display());
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).context(what)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error).context(what),
        _ => {}
    }
    if !is_ours(folder) {
        return Err(Error::failed(what()).cause("something of somebody else is in its place"));
    }
    if std::fs::metadata(folder).context(what)?.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).context(what)?;
    }
    Ok(())
}

/// Whether a folder is this user's own: what others put into theirs is not talked to.
#[cfg(unix)]
fn is_ours(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let ours = rustix::process::geteuid().as_raw();
    std::fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir() && found.uid() == ours)
}

/// The loops of a project that run now. Sockets that nobody listens to are removed.
#[cfg(unix)]
pub fn find(root: &Path, folders: &[PathBuf]) -> Vec<Found> {
    let prefix = prefix(root);
    let mut found: Vec<Found> = Vec::new();
    for folder in folders.iter().filter(|folder| is_ours(folder)) {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid =
                name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".sock")).and_then(|pid| pid.parse().ok());
            let Some(pid) = pid else { continue };
            let path = entry.path();
            match std::os::unix::net::UnixStream::connect(&path) {
                Ok(_) => found.push(Found { pid, path }),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    let _ = std::fs::remove_file(&path);
                }
                Err(_) => {}
            }
        }
    }
    found.sort_by_key(|found| found.pid);
    found
}

#[cfg(not(unix))]
pub fn find(_: &Path, _: &[PathBuf]) -> Vec<Found> {
    Vec::new()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_found_as_long_as_somebody_listens() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let (root, folders) = (Path::new("/a/project"), vec![folder.path().join("run")]);
        let stale = folders[0].join(format!("{}1.sock", prefix(root)));
        std::fs::create_dir(&folders[0]).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
        let (socket, listener) = Socket::bind(root, &folders).unwrap();
        assert!(!stale.exists(), "what a crash left is removed");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let found = find(root, &folders);
        assert_eq!(found.iter().map(|found| found.pid).collect::<Vec<_>>(), [std::process::id()]);
        assert_eq!((mode(&folders[0]), mode(&found[0].path)), (0o700, 0o600));
        assert!(find(Path::new("/another/project"), &folders).is_empty());
        drop(listener);
        drop(socket);
        assert!(find(root, &folders).is_empty() && !found[0].path.exists());
    }

    #[test]
    fn a_folder_with_too_long_a_path_is_not_used() {
        let all = folders(Some(Path::new("/run/user/1")), Path::new("/home/a/.cache/wash"), Some(7));
        assert_eq!(all, ["/run/user/1/wash", "/home/a/.cache/wash/run", "/tmp/wash-7"].map(PathBuf::from));
    }
}
