//! Bytes that were fetched, kept by their digest, for every project of the machine.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::{Context as _, Result};

/// A folder of files that are named by their digest.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    pub fn new(folder: &Path) -> Self {
        Store { folder: folder.to_path_buf() }
    }

    /// Returns the bytes of this digest (`sha256:…`). A file that is damaged is as good as none.
    pub fn get(&self, digest: &str) -> Option<Vec<u8>> {
        let bytes = fs::read(self.path(digest)).ok()?;
        (digest_of(&bytes) == digest).then_some(bytes)
    }

    /// Keeps bytes and returns their digest.
    pub fn put(&self, bytes: &[u8]) -> Result<String> {
        let digest = digest_of(bytes);
        let path = self.path(&digest);
        let cannot = || format!("cannot write to the cache at `{}`", self.folder.display());
        fs::create_dir_all(&self.folder).context(cannot)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).context(cannot)?;
        file.write_all(bytes).context(cannot)?;
        file.persist(&path).map_err(|error| error.error).context(cannot)?;
        Ok(digest)
    }

    fn path(&self, digest: &str) -> PathBuf {
        // Nothing but letters and digits: a digest comes from a file that others write, and names a path.
        let name: String = digest.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        self.folder.join(name)
    }
}

/// The digest of some bytes, `sha256:` and 64 hexadecimal digits.
pub fn digest_of(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_files_are_not_returned() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let digest = store.put(b"text").unwrap();
        assert_eq!(store.get(&digest).unwrap(), b"text");
        assert_eq!(store.get("sha256:../../etc/passwd"), None);
        fs::write(store.path(&digest), "other").unwrap();
        assert_eq!(store.get(&digest), None);
        store.put(b"text").unwrap();
        assert_eq!(store.get(&digest).unwrap(), b"text");
    }
}
