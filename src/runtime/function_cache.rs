//! Compiled functions by their content, so that a component in which little changed compiles
//! quickly: the engine inside a JavaScript or Python component stays the same at every edit.
//!
//! One file an engine version, read at the first use and written after a compilation that added
//! something. The entries are only ever found by a hash of everything that went into them, so a
//! file of another version holds nothing that is found.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use wasmtime::CacheStore;

/// The file is not let grow beyond this; it is begun anew then.
const MAX_BYTES: u64 = 512 << 20;
/// Small functions are compiled faster than they are looked up.
const MIN_ENTRY: usize = 64;
/// How the names of files begin that are being written.
const PART: &str = ".part-";
/// No file takes this long to be written.
const WRITTEN_BY_THEN: Duration = Duration::from_secs(600);
const MAGIC: &[u8; 8] = b"washfn01";

/// The store behind the engine's incremental compilation.
#[derive(Debug)]
pub struct FunctionCache {
    file: PathBuf,
    entries: OnceLock<RwLock<HashMap<Vec<u8>, Vec<u8>>>>,
    grown: AtomicBool,
}

impl FunctionCache {
    /// Opens the store in `dir`; nothing is read before it is needed.
    pub fn open(dir: PathBuf) -> Arc<Self> {
        Arc::new(FunctionCache {
            file: dir.join(concat!("wash-", env!("CARGO_PKG_VERSION"), ".bin")),
            entries: OnceLock::new(),
            grown: AtomicBool::new(false),
        })
    }

    fn entries(&self) -> &RwLock<HashMap<Vec<u8>, Vec<u8>>> {
        self.entries.get_or_init(|| {
            let read = fs::metadata(&self.file)
                .ok()
                .filter(|metadata| metadata.len() <= MAX_BYTES)
                .and_then(|_| fs::read(&self.file).ok())
                .and_then(|bytes| parse(&bytes));
            RwLock::new(read.unwrap_or_default())
        })
    }

    /// Writes what was added since the last time, in the background: the next run profits, this
    /// one need not wait.
    pub fn save(self: &Arc<Self>) {
        if !self.grown.swap(false, Ordering::SeqCst) {
            return;
        }
        let cache = self.clone();
        let writer = move || {
            if let Err(error) = cache.write() {
                tracing::debug!("the function cache could not be written: {error}");
            }
        };
        // Without a thread there is no file, and compiling is as slow as it was.
        let _ = std::thread::Builder::new().name("wash-functions".into()).spawn(writer);
    }

    fn write(&self) -> std::io::Result<()> {
        use std::io::Write;
        let Some(dir) = self.file.parent() else { return Ok(()) };
        fs::create_dir_all(dir)?;
        remove_leftovers(dir);
        let file = tempfile::Builder::new().prefix(PART).tempfile_in(dir)?;
        let mut file = std::io::BufWriter::new(file);
        file.write_all(MAGIC)?;
        {
            let Ok(entries) = self.entries().read() else { return Ok(()) };
            for (key, value) in entries.iter() {
                file.write_all(&(key.len() as u32).to_le_bytes())?;
                file.write_all(&(value.len() as u32).to_le_bytes())?;
                file.write_all(key)?;
                file.write_all(value)?;
            }
        }
        file.into_inner().map_err(|error| error.into_error())?.persist(&self.file)?;
        Ok(())
    }
}

/// Removes what processes that ended while they wrote have left.
fn remove_leftovers(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let is_part = entry.file_name().to_string_lossy().starts_with(PART);
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
        if is_part && age.is_some_and(|age| age > WRITTEN_BY_THEN) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The entries of a file; `None` when it is not whole.
fn parse(bytes: &[u8]) -> Option<HashMap<Vec<u8>, Vec<u8>>> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let mut entries = HashMap::new();
    while !rest.is_empty() {
        let (sizes, tail) = rest.split_first_chunk::<8>()?;
        let key = u32::from_le_bytes(sizes[..4].try_into().ok()?) as usize;
        let value = u32::from_le_bytes(sizes[4..].try_into().ok()?) as usize;
        if tail.len() < key.checked_add(value)? {
            return None;
        }
        entries.insert(tail[..key].to_vec(), tail[key..key + value].to_vec());
        rest = &tail[key + value..];
    }
    Some(entries)
}

impl CacheStore for FunctionCache {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let entries = self.entries().read().ok()?;
        entries.get(key).map(|value| Cow::Owned(value.clone()))
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        if value.len() < MIN_ENTRY {
            return false;
        }
        let Ok(mut entries) = self.entries().write() else { return false };
        entries.insert(key.to_vec(), value);
        self.grown.store(true, Ordering::SeqCst);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let first = FunctionCache::open(dir.path().to_path_buf());
        assert!(first.insert(b"key", vec![7; 100]));
        first.write().unwrap();
        let second = FunctionCache::open(dir.path().to_path_buf());
        assert_eq!(second.get(b"key").as_deref(), Some(&[7; 100][..]));
    }

    #[test]
    fn what_an_ended_process_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join(".part-old"), dir.path().join(".part-new"));
        for file in [&old, &new] {
            fs::write(file, b"half").unwrap();
        }
        let hours_ago = std::time::SystemTime::now() - Duration::from_secs(7200);
        fs::File::options().write(true).open(&old).unwrap().set_modified(hours_ago).unwrap();
        let cache = FunctionCache::open(dir.path().to_path_buf());
        assert!(cache.insert(b"key", vec![7; 100]));
        cache.write().unwrap();
        assert!(!old.exists(), "nobody writes it any more");
        assert!(new.exists(), "somebody may be writing it");
    }

    #[test]
    fn a_broken_file_is_an_empty_cache() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FunctionCache::open(dir.path().to_path_buf());
        fs::write(&cache.file, b"washfn01\x05\0\0\0\xff\xff\xff\x7f").unwrap();
        assert_eq!(cache.get(b"key"), None);
    }
}
