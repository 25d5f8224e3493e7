//! Temporary folders of workloads, below one folder of this process.
//!
//! A process that is killed leaves its folder behind. The next one removes it: whose process is gone
//! is told by a lock that the system releases.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use crate::error::{Context, Result};

const LOCK: &str = "lock";

/// Makes folders that go when they are dropped, and all at once when this is.
pub struct Folders {
    root: tempfile::TempDir,
    /// Held as long as the folder is in use.
    _lock: File,
}

impl Folders {
    /// Below this folder, which is made when it is missing. Removes what processes have left there that
    /// do not run any more.
    ///
    /// Errors: nothing can be written there.
    pub fn below(parent: &Path) -> Result<Self> {
        let cannot = || format!("cannot make temporary folders in `{}`", parent.display());
        fs::create_dir_all(parent).context(cannot)?;
        remove_abandoned(parent);
        let root = tempfile::Builder::new().prefix("run-").tempdir_in(parent).context(cannot)?;
        let lock = File::create(root.path().join(LOCK)).context(cannot)?;
        lock.lock().context(cannot)?;
        Ok(Folders { root, _lock: lock })
    }

    /// A new, empty folder.
    pub fn make(&self) -> Result<tempfile::TempDir> {
        let root = self.root.path();
        tempfile::Builder::new()
            .prefix("volume-")
            .tempdir_in(root)
            .context(|| format!("cannot make a temporary folder in `{}`", root.display()))
    }
}

fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_ours = entry.file_name().to_string_lossy().starts_with("run-");
        // One without a lock is just being made, or being removed, by somebody else.
        let Ok(lock) = File::open(path.join(LOCK)) else { continue };
        match lock.try_lock() {
            Ok(()) if is_ours => {
                if let Err(error) = fs::remove_dir_all(&path) {
                    tracing::warn!("what another process has left in `{}` cannot be removed: {error}", path.display());
                }
            }
            Ok(()) | Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_leaves_is_removed_and_what_is_in_use_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let killed = parent.path().join("run-killed");
        fs::create_dir_all(killed.join("volume-1")).unwrap();
        fs::write(killed.join(LOCK), "").unwrap();
        let used = Folders::below(parent.path()).unwrap();
        let folder = used.make().unwrap();
        assert!(!killed.exists());
        let other = Folders::below(parent.path()).unwrap();
        assert!(folder.path().is_dir(), "another process does not touch it");
        drop(other);
        drop(folder);
        drop(used);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
