//! What was pulled, kept by digest.
//!
//! ```text
//! oci/blobs/sha256/<digest>       manifests and layers, as they came
//! oci/references/<digest>         what a reference meant when it was last asked for
//! oci/partial/                    downloads under way
//! ```
//!
//! A blob gets its name when it is whole and has been checked, in one step, so that any number of
//! processes may share the folder. It is checked again when it is used. What was not used for the
//! longest time goes first when there is too much.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::failure::{Failure, Result};
use super::reference::Reference;

/// What is kept at most, in bytes. Components of the languages with an engine in them have 10 to 20
/// MB, so this holds some hundred versions.
pub const DEFAULT_LIMIT: u64 = 4_000_000_000;
/// A download that nobody has written to for this long has lost its process.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// The folder of everything that was pulled. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
    limit: u64,
}

/// What a reference meant when it was last asked for.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    reference: String,
    digest: String,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Manifests and layers.
    pub blobs: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

impl Cache {
    /// The cache below wash's cache folder, holding `limit` bytes. Nothing is made before it is used.
    pub fn below(cache_dir: &Path, limit: u64) -> Self {
        Cache { root: cache_dir.join("oci"), limit }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file of a blob, if it is here and still what it is called.
    pub fn blob(&self, digest: &Digest) -> Option<PathBuf> {
        let path = self.path_of(digest);
        let mut file = fs::File::open(&path).ok()?;
        let mut hasher = digest.hasher();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match std::io::Read::read(&mut file, &mut buffer) {
                Ok(0) => break,
                Ok(read) => hasher.update(&buffer[..read]),
                Err(_) => return None,
            }
        }
        if hasher.finish() != *digest {
            tracing::warn!(path = %path.display(), "a damaged file of the cache is removed");
            let _ = fs::remove_file(&path);
            return None;
        }
        // The time of the last change is the time of the last use, which decides what goes first.
        let _ = file.set_modified(SystemTime::now());
        Some(path)
    }

    /// The bytes of a blob, if it is here and still what it is called.
    pub fn bytes(&self, digest: &Digest) -> Option<Vec<u8>> {
        let path = self.path_of(digest);
        let bytes = fs::read(&path).ok()?;
        if digest.matches(&bytes) {
            let _ = fs::File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
            return Some(bytes);
        }
        // Removes it, and says so.
        self.blob(digest);
        None
    }

    /// Keeps bytes that have been checked.
    pub fn put(&self, digest: &Digest, bytes: &[u8]) -> Result<PathBuf> {
        let mut partial = self.begin()?;
        partial.as_file_mut().write_all(bytes).map_err(|error| self.cannot_write(&error))?;
        self.finish(partial, digest)
    }

    /// A file to download into. It goes away unless it is finished.
    pub fn begin(&self) -> Result<tempfile::NamedTempFile> {
        let folder = self.root.join("partial");
        fs::create_dir_all(&folder).map_err(|error| self.cannot_write(&error))?;
        tempfile::NamedTempFile::new_in(&folder).map_err(|error| self.cannot_write(&error))
    }

    /// Gives a whole and checked download its name.
    pub fn finish(&self, partial: tempfile::NamedTempFile, digest: &Digest) -> Result<PathBuf> {
        let path = self.path_of(digest);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(|error| self.cannot_write(&error))?;
        partial.persist(&path).map_err(|error| self.cannot_write(&error.error))?;
        self.trim(Some(&path));
        Ok(path)
    }

    /// What a reference meant when it was last asked for. By digest it means that digest.
    pub fn meaning(&self, reference: &Reference) -> Option<Digest> {
        if let Some(digest) = reference.digest() {
            return Some(digest.clone());
        }
        let text = fs::read(self.path_of_reference(reference)).ok()?;
        let remembered: Remembered = serde_json::from_slice(&text).ok()?;
        (remembered.reference == reference.to_string()).then(|| Digest::parse(&remembered.digest).ok())?
    }

    /// Keeps what a reference means now.
    pub fn remember(&self, reference: &Reference, digest: &Digest) -> Result<()> {
        let remembered = Remembered { reference: reference.to_string(), digest: digest.to_string() };
        let text = serde_json::to_vec(&remembered).map_err(|error| Failure::local("cannot write JSON", &error))?;
        let path = self.path_of_reference(reference);
        let mut partial = self.begin()?;
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder)
            .and_then(|()| partial.write_all(&text))
            .and_then(|()| partial.persist(&path).map_err(|error| error.error))
            .map(drop)
            .map_err(|error| self.cannot_write(&error))
    }

    /// How much there is.
    pub fn usage(&self) -> Usage {
        let blobs = self.blobs();
        Usage { blobs: blobs.len() as u64, bytes: blobs.iter().map(|blob| blob.size).sum() }
    }

    /// Removes what was not used for the longest time until there is less than the limit, and
    /// downloads whose process is gone. `spare` stays whatever it is.
    pub fn trim(&self, spare: Option<&Path>) {
        for entry in files(&self.root.join("partial")) {
            if entry.used.elapsed().is_ok_and(|age| age > ABANDONED) {
                let _ = fs::remove_file(&entry.path);
            }
        }
        let mut blobs = self.blobs();
        let mut total: u64 = blobs.iter().map(|blob| blob.size).sum();
        blobs.sort_by_key(|blob| blob.used);
        for blob in blobs.iter().filter(|blob| spare != Some(&blob.path)) {
            if total <= self.limit {
                break;
            }
            if fs::remove_file(&blob.path).is_ok() {
                total -= blob.size;
            }
        }
    }

    fn blobs(&self) -> Vec<Entry> {
        let blobs = self.root.join("blobs");
        ["sha256", "sha512"].iter().flat_map(|algorithm| files(&blobs.join(algorithm))).collect()
    }

    fn path_of(&self, digest: &Digest) -> PathBuf {
        let (algorithm, hex) = digest.parts();
        self.root.join("blobs").join(algorithm).join(hex)
    }

    /// By digest, so that no name of a registry can lead out of the folder.
    fn path_of_reference(&self, reference: &Reference) -> PathBuf {
        let digest = Digest::of(reference.to_string().as_bytes());
        self.root.join("references").join(digest.parts().1)
    }

    fn cannot_write(&self, error: &std::io::Error) -> Failure {
        Failure::local(format!("cannot write to the cache `{}`", self.root.display()), error)
            .hint("set XDG_CACHE_HOME to a folder you may write to, or make room: wash config cleanup")
    }
}

struct Entry {
    path: PathBuf,
    size: u64,
    used: SystemTime,
}

fn files(folder: &Path) -> Vec<Entry> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok()?;
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            metadata.is_file().then(|| Entry { path: entry.path(), size: metadata.len(), used })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_and_unused_blobs_go() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::below(folder.path(), 25);
        let put = |bytes: &[u8]| {
            let digest = Digest::of(bytes);
            let path = cache.put(&digest, bytes).unwrap();
            (digest, path)
        };
        let (first, first_path) = put(b"first 10 b");
        assert_eq!(cache.bytes(&first).as_deref(), Some(&b"first 10 b"[..]));
        let (second, second_path) = put(b"second 10b");
        // Used long ago, and in the other order.
        let ago = |seconds| SystemTime::now() - Duration::from_secs(seconds);
        let age = |path: &Path, seconds| fs::File::open(path).unwrap().set_modified(ago(seconds)).unwrap();
        age(&first_path, 50);
        age(&second_path, 100);
        let (third, _) = put(b"third 10 b");
        assert!(cache.blob(&first).is_some() && cache.blob(&third).is_some());
        assert!(cache.blob(&second).is_none(), "not used for the longest time");
        assert_eq!(cache.usage(), Usage { blobs: 2, bytes: 20 });

        let (large, _) = put(&[7; 100]);
        assert!(cache.blob(&large).is_some(), "what was asked for stays, whatever its size");

        let (damaged, path) = put(b"x");
        fs::write(path, b"y").unwrap();
        assert!(cache.bytes(&damaged).is_none() && cache.blob(&damaged).is_none());
        assert!(fs::read_dir(folder.path().join("oci/partial")).unwrap().next().is_none());
    }

    #[test]
    fn references_are_remembered_by_their_whole_name() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::below(folder.path(), DEFAULT_LIMIT);
        let one = Reference::parse("localhost:5000/a:1").unwrap();
        let digest = Digest::of(b"1");
        assert_eq!(cache.meaning(&one), None);
        cache.remember(&one, &digest).unwrap();
        assert_eq!(cache.meaning(&one), Some(digest.clone()));
        assert_eq!(cache.meaning(&Reference::parse("localhost:5001/a:1").unwrap()), None);
        assert_eq!(cache.meaning(&one.with_digest(&digest)), Some(digest));
    }
}
