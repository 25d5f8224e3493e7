//! Bytes that were fetched, kept by their digest, for every project of the machine: in the cache that
//! all commands share.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::oci::{Cache, DEFAULT_LIMIT, Digest};

/// What was fetched, by digest.
#[derive(Clone, Debug)]
pub struct Store {
    cache_dir: PathBuf,
    cache: Cache,
}

impl Store {
    /// The one below wash's cache folder.
    pub fn new(cache_dir: &Path) -> Self {
        Store { cache_dir: cache_dir.to_path_buf(), cache: Cache::below(cache_dir, DEFAULT_LIMIT) }
    }

    /// wash's cache folder.
    pub fn cache_dir(&self) -> &Path {
        &self.cache_dir
    }

    /// Returns the bytes of this digest (`sha256:…`). A file that is damaged is as good as none.
    pub fn get(&self, digest: &str) -> Option<Vec<u8>> {
        self.cache.bytes(&Digest::parse(digest).ok()?)
    }

    /// Keeps bytes and returns their digest.
    pub fn put(&self, bytes: &[u8]) -> Result<String> {
        let digest = Digest::of(bytes);
        self.cache.put(&digest, bytes)?;
        Ok(digest.to_string())
    }
}

/// The digest of some bytes, `sha256:` and 64 hexadecimal digits.
pub fn digest_of(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_returned_by_its_digest_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let digest = store.put(b"text").unwrap();
        assert_eq!(digest, digest_of(b"text"));
        assert_eq!(Store::new(folder.path()).get(&digest).unwrap(), b"text");
        assert_eq!(store.get("sha256:../../etc/passwd"), None);
        assert_eq!(store.get(&digest_of(b"other")), None);
    }
}
