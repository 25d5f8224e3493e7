//! What identifies this host to schedulers, also after a restart.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::host::builder::random_id;

/// The file of the data directory that has the identifier.
const FILE: &str = "host-id";
/// The file that the host which uses the data directory has locked.
const LOCK: &str = "host.lock";

/// An identifier that nobody else of this machine has.
#[derive(Debug)]
pub struct Identity {
    /// The identifier: letters, digits, `-`.
    pub id: String,
    /// Held for as long as the host runs; the system lets go of it should the host be killed.
    _lock: Option<File>,
}

impl Identity {
    /// The identifier that somebody has chosen.
    pub fn given(id: String) -> Self {
        Identity { id, _lock: None }
    }

    /// The identifier that a data directory has, or gets now. The directory belongs to this host for as
    /// long as the identity is held. With `given` that identifier is used, and nothing is written but the
    /// lock.
    ///
    /// Errors: another host runs with this directory; it cannot be written; what is in it is no identifier.
    pub fn of_folder(folder: &Path, given: Option<String>) -> Result<Self> {
        let cannot = |path: &Path| format!("cannot keep the host's identifier in `{}`", path.display());
        let hint = "name a folder that can be written: --data-dir; or say who the host is: --host-id";
        std::fs::create_dir_all(folder).context(|| cannot(folder)).map_err(|error| error.hint(hint))?;
        let lock_path = folder.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.context(|| cannot(&lock_path)).map_err(|error| error.hint(hint))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = format!("another host uses the data directory `{}`", folder.display());
                let error = Error::failed(what).hint("stop it, or give this host a directory of its own: --data-dir");
                return Err(error);
            }
            Err(TryLockError::Error(error)) => {
                return Err(Error::caused_by(cannot(&lock_path), &error).hint(hint));
            }
        }
        let id = match given {
            Some(id) => id,
            None => kept(folder, &folder.join(FILE), cannot).map_err(|error| error.hint(hint))?,
        };
        Ok(Identity { id, _lock: Some(lock) })
    }
}

fn kept(folder: &Path, path: &PathBuf, cannot: impl Fn(&Path) -> String) -> Result<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let id = text.trim();
            let is_id =
                |id: &str| id.len() <= 128 && id.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-');
            if id.is_empty() || !is_id(id) {
                return Err(Error::failed(format!("what is in `{}` is no identifier of a host", path.display()))
                    .hint("remove the file; the host then gets a new identifier"));
            }
            Ok(id.to_string())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = random_id()?;
            // Whole or not at all: half an identifier would be another host.
            let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
                writeln!(file, "{id}")?;
                file.as_file().sync_all()?;
                file.persist(path).map_err(|error| error.error)
            });
            written.context(|| cannot(path))?;
            Ok(id)
        }
        Err(error) => Err(Error::caused_by(cannot(path), &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_identifier_and_belongs_to_one_host_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made/for/it");
        let refused = |folder: &Path, given| Identity::of_folder(folder, given).unwrap_err();
        let first = Identity::of_folder(&folder, None).unwrap();
        let error = refused(&folder, None);
        assert!(error.to_string().starts_with("another host uses the data directory"), "{error}");
        let error = refused(&folder, Some("given".into()));
        assert!(error.hints()[0].contains("--data-dir"), "{error:?}");
        let id = first.id.clone();
        drop(first);
        assert_eq!(Identity::of_folder(&folder, None).unwrap().id, id);
        assert_eq!(Identity::of_folder(&folder, Some("given".into())).unwrap().id, "given");
        assert_eq!(Identity::of_folder(&folder, None).unwrap().id, id, "what was given is not kept");
    }

    #[test]
    fn what_is_no_identifier_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "\n", "a.b", "a b", "a>b", "ä"] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            let error = Identity::of_folder(folder.path(), None).unwrap_err();
            assert!(error.to_string().contains("is no identifier of a host"), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told_with_a_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = Identity::of_folder(&file.join("below"), None).unwrap_err();
        assert!(error.to_string().starts_with("cannot keep the host's identifier in"), "{error}");
        assert!(error.hints()[0].contains("--host-id"), "{error:?}");
    }
}
