//! Folders that capabilities keep data in.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::error::{Context, Error, Result};

/// What this process has open, by folder.
///
/// A folder belongs to one process, and in it to one backend: opened again, for instance when a
/// host's settings change, it is the same backend.
pub struct OpenFolders<T> {
    open: Mutex<Option<HashMap<PathBuf, Weak<T>>>>,
}

impl<T> OpenFolders<T> {
    /// Nothing is open.
    pub const fn new() -> Self {
        OpenFolders { open: Mutex::new(None) }
    }

    /// Returns what is open for a folder, or opens it. The folder is made when it is missing.
    pub fn open(&self, folder: &Path, open: impl FnOnce(&Path) -> Result<T>) -> Result<Arc<T>> {
        std::fs::create_dir_all(folder).context(|| format!("cannot make the folder `{}`", folder.display()))?;
        // The same folder by another name is still the same.
        let real = folder.canonicalize().context(|| format!("cannot use the folder `{}`", folder.display()))?;
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.get_or_insert_default();
        if let Some(opened) = all.get(&real).and_then(Weak::upgrade) {
            return Ok(opened);
        }
        let opened = Arc::new(open(&real)?);
        all.retain(|_, other| other.strong_count() > 0);
        all.insert(real, Arc::downgrade(&opened));
        Ok(opened)
    }
}

/// The error for a folder that another process has open. `what` is kept in it.
pub fn in_use(what: &str, folder: &Path) -> Error {
    Error::failed(format!("{what} in `{}` are in use by another process", folder.display()))
        .hint("stop the other wash that uses this folder, or give this one another folder")
}

/// Makes new names in a folder survive a crash.
#[cfg(unix)]
pub fn sync(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// Makes new names in a folder survive a crash; this system does it by itself.
#[cfg(not(unix))]
pub fn sync(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_opened_once_as_long_as_it_is_used() {
        static FOLDERS: OpenFolders<PathBuf> = OpenFolders::new();
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("a").join("b");
        let first = FOLDERS.open(&folder, |path| Ok(path.to_path_buf())).unwrap();
        let again = FOLDERS.open(&folder.join("..").join("b"), |_| panic!("opened twice")).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        drop((first, again));
        FOLDERS.open(&folder, |path| Ok(path.to_path_buf())).unwrap();
    }
}
