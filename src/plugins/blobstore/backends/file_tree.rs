//! Containers and objects as folders and files: what a path is, and what is done with it. All of it
//! blocks.
//!
//! `<root>/<workload>/<container>/<object>`, each name as [`file_names`] writes it. Names that begin
//! with a dot are ours: in the root [`PARTS`] (content that is being written) and [`TRASH`] (folders
//! that are being deleted), in a container `.created` and `.names` (what objects with very long names
//! are called).
//!
//! What is visible is complete: content is written to a part and given its name by renaming. Renaming
//! decides who was first, so nothing here is locked. Links are never followed.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::file_names::{self, FileName};
use super::file_upload::Part;
use crate::plugins::blobstore::backend::{ContainerId, ObjectId, no_container, no_object, seconds};
use crate::plugins::folder;
use crate::runtime::workload::WorkloadId;

pub const PARTS: &str = ".parts";
pub const TRASH: &str = ".trash";
const CREATED: &str = ".created";
const NAMES: &str = ".names";

/// An error of the file system, without paths: guests see it.
pub fn failed(doing: impl std::fmt::Display) -> impl FnOnce(io::Error) -> String {
    move |error| format!("cannot {doing}: {error}")
}

/// The folder of a workload, whether it exists or not.
pub fn workload_path(root: &Path, workload: &WorkloadId) -> PathBuf {
    object_path(root, workload.as_str())
}

fn container_path(root: &Path, id: &ContainerId) -> PathBuf {
    // Names of containers are so short that they are never digests.
    object_path(&workload_path(root, &id.workload), &id.name)
}

fn object_path(folder: &Path, name: &str) -> PathBuf {
    match file_names::encode(name) {
        FileName::Whole(file) | FileName::Digest(file) => folder.join(file),
    }
}

/// What is at a path, if anything; of a link, the link.
fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_folder(path: &Path) -> io::Result<bool> {
    Ok(look(path)?.is_some_and(|found| found.is_dir()))
}

/// Opens a file to read; fails for a link.
fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    }
    options.open(path)
}

/// The folder of a container; `None` where there is none.
fn container(root: &Path, id: &ContainerId) -> Result<Option<PathBuf>, String> {
    let path = container_path(root, id);
    let found = is_folder(&workload_path(root, &id.workload)).and_then(|found| Ok(found && is_folder(&path)?));
    let found = found.map_err(failed(format_args!("look at the container `{}`", id.name)))?;
    Ok(found.then_some(path))
}

/// The folder of a container that exists.
pub fn existing(root: &Path, id: &ContainerId) -> Result<PathBuf, String> {
    container(root, id)?.ok_or_else(|| no_container(id))
}

/// The names of a workload's containers, sorted, up to `limit`.
pub fn containers(root: &Path, workload: &WorkloadId, limit: usize) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(workload_path(root, workload)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_str().and_then(file_names::decode);
        if let Some(name) = name.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            names.insert(name);
        }
    }
    Ok(names.into_iter().take(limit).collect())
}

/// When a container was made; `None` where there is none.
pub fn created_at(root: &Path, id: &ContainerId) -> Result<Option<u64>, String> {
    let Some(path) = container(root, id)? else { return Ok(None) };
    let note = open(&path.join(CREATED)).and_then(io::read_to_string);
    if let Ok(Ok(seconds)) = note.map(|text| text.trim().parse()) {
        return Ok(Some(seconds));
    }
    // A folder that a person made.
    let changed = fs::symlink_metadata(&path).and_then(|folder| folder.modified());
    Ok(Some(seconds(changed.map_err(failed(format_args!("look at the container `{}`", id.name)))?)))
}

/// Returns whether the container is new.
pub fn make_container(root: &Path, id: &ContainerId) -> io::Result<bool> {
    let (workload, path) = (workload_path(root, &id.workload), container_path(root, id));
    if look(&path)?.is_some() {
        return Ok(false);
    }
    // Complete before it is visible, so that it always says when it was made.
    let made = tempfile::tempdir_in(root.join(PARTS))?;
    let mut note = Part::new(made.path())?;
    note.add(seconds(SystemTime::now()).to_string().as_bytes())?;
    note.complete()?.persist(made.path().join(CREATED)).map_err(|error| error.error)?;
    folder::sync(made.path())?;
    match fs::create_dir(&workload) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ if !is_folder(&workload)? => return Err(ErrorKind::NotADirectory.into()),
        _ => {}
    }
    if let Err(error) = fs::rename(made.path(), &path) {
        // Somebody else was first.
        return if look(&path)?.is_some() { Ok(false) } else { Err(error) };
    }
    folder::sync(&workload)?;
    folder::sync(root)?;
    Ok(true)
}

/// Deletes a container, if there is one.
pub fn remove_container(root: &Path, id: &ContainerId) -> Result<(), String> {
    let Some(path) = container(root, id)? else { return Ok(()) };
    remove_tree(root, &path).map_err(failed(format_args!("delete the container `{}`", id.name)))
}

/// Puts a folder out of sight in one step, then deletes it.
pub fn remove_tree(root: &Path, path: &Path) -> io::Result<()> {
    let trash = tempfile::tempdir_in(root.join(TRASH))?;
    match fs::rename(path, trash.path().join("tree")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        renamed => renamed?,
    }
    if let Some(parent) = path.parent() {
        folder::sync(parent)?;
    }
    // What cannot be deleted now is deleted when the folder is opened the next time.
    if let Err(error) = trash.close() {
        tracing::warn!(%error, "deleted blobs still take room");
    }
    Ok(())
}

/// Returns the first names after one.
pub fn list(container: &Path, after: Option<&str>, limit: usize) -> io::Result<Vec<String>> {
    // Never more than asked for, however many there are.
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(container)? {
        let Some(name) = object_name(container, &entry?)? else { continue };
        if after.is_none_or(|after| name.as_str() > after) {
            names.insert(name);
        }
        if names.len() > limit {
            names.pop_last();
        }
    }
    Ok(names.into_iter().collect())
}

/// The name of the object in a file; `None` when the file is not ours.
fn object_name(container: &Path, entry: &fs::DirEntry) -> io::Result<Option<String>> {
    let file = entry.file_name();
    let Some(file) = file.to_str().filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file())) else {
        return Ok(None);
    };
    if file.starts_with(file_names::LONG) {
        return match open(&container.join(NAMES).join(file)).and_then(io::read_to_string) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            name => name.map(Some),
        };
    }
    Ok(file_names::decode(file))
}

/// Notes the name of an object whose file is named by a digest. The note stays when the object goes.
fn keep_name(root: &Path, container: &Path, name: &str) -> io::Result<()> {
    let FileName::Digest(file) = file_names::encode(name) else { return Ok(()) };
    let names = container.join(NAMES);
    match fs::create_dir(&names) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let mut note = Part::new(&root.join(PARTS))?;
    note.add(name.as_bytes())?;
    note.complete()?.persist(names.join(file)).map_err(|error| error.error)?;
    folder::sync(&names)
}

/// What is known of an object; `None` where there is none.
pub fn object(root: &Path, id: &ObjectId) -> Result<Option<(PathBuf, Metadata)>, String> {
    let path = object_path(&existing(root, &id.container)?, &id.name);
    let found = look(&path).map_err(failed(format_args!("look at the object `{}`", id.name)))?;
    Ok(found.filter(Metadata::is_file).map(|found| (path, found)))
}

/// Opens an object, as it is now.
pub fn open_object(root: &Path, id: &ObjectId) -> Result<(File, Metadata), String> {
    let (path, _) = object(root, id)?.ok_or_else(|| no_object(id))?;
    let opened = open(&path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
    opened.map_err(|error| match error.kind() {
        ErrorKind::NotFound => no_object(id),
        _ => failed(format_args!("read the object `{}`", id.name))(error),
    })
}

/// Gives a part its name.
pub fn commit(root: &Path, part: Part, id: &ObjectId) -> Result<(), String> {
    let container = existing(root, &id.container)?;
    let failed = |error: io::Error| match error.kind() {
        // It has just been deleted.
        ErrorKind::NotFound => no_container(&id.container),
        _ => failed(format_args!("write the object `{}`", id.name))(error),
    };
    keep_name(root, &container, &id.name).map_err(failed)?;
    let file = part.complete().map_err(failed)?;
    file.persist(object_path(&container, &id.name)).map_err(|error| failed(error.error))?;
    folder::sync(&container).map_err(failed)
}

/// Copies an object.
pub fn copy(root: &Path, from: &ObjectId, to: &ObjectId) -> Result<(), String> {
    let (mut source, _) = open_object(root, from)?;
    existing(root, &to.container)?;
    let copied = Part::new(&root.join(PARTS)).and_then(|mut part| part.copy(&mut source).map(|()| part));
    let part = copied.map_err(failed(format_args!("copy the object `{}`", from.name)))?;
    commit(root, part, to)
}

/// Gives an object another name, in one step.
pub fn rename(root: &Path, from: &ObjectId, to: &ObjectId) -> Result<(), String> {
    let (source, _) = object(root, from)?.ok_or_else(|| no_object(from))?;
    let container = existing(root, &to.container)?;
    let renamed = keep_name(root, &container, &to.name)
        .and_then(|()| fs::rename(&source, object_path(&container, &to.name)))
        .and_then(|()| folder::sync(&container))
        .and_then(|()| folder::sync(&container_path(root, &from.container)));
    renamed.map_err(failed(format_args!("move the object `{}`", from.name)))
}

/// Deletes objects. Those that are not there are no error.
pub fn remove_objects(container: &Path, names: &[String]) -> io::Result<()> {
    // An empty name is no object's: its path would be the container itself.
    for name in names.iter().filter(|name| !name.is_empty()) {
        match fs::remove_file(object_path(container, name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    folder::sync(container)
}
