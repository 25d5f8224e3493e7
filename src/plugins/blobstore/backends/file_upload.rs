//! Content on its way into a file.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::FutureExt;
use tempfile::NamedTempFile;

use super::file::on_disk;
use super::file_tree::{commit, failed};
use crate::plugins::blobstore::backend::{Answer, ObjectId, Upload};

/// How much is collected before it is written, in bytes: guests write little at a time.
const BUFFER: usize = 256 << 10;

/// A file that has no name of its own yet. Dropped, it is deleted.
pub struct Part {
    file: NamedTempFile,
}

impl Part {
    /// Begins a part in a folder of the same file system as its later place.
    pub fn new(folder: &Path) -> io::Result<Self> {
        Ok(Part { file: tempfile::Builder::new().prefix("").tempfile_in(folder)? })
    }

    /// Adds bytes at the end.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Adds all that can be read.
    pub fn copy(&mut self, from: &mut impl Read) -> io::Result<()> {
        io::copy(from, self.file.as_file_mut()).map(|_| ())
    }

    /// Makes sure that the content is on the disk, and returns the file to be given its name.
    pub fn complete(self) -> io::Result<NamedTempFile> {
        let file = self.file.as_file();
        // When it was stored, not when its last byte was written.
        file.set_modified(SystemTime::now())?;
        file.sync_all()?;
        Ok(self.file)
    }
}

/// An object that is being written.
pub struct FileUpload {
    root: Arc<Path>,
    /// `None` after a failure.
    part: Option<Part>,
    buffer: Vec<u8>,
}

impl FileUpload {
    /// Writes into a part.
    pub fn new(root: Arc<Path>, part: Part) -> Self {
        FileUpload { root, part: Some(part), buffer: Vec::new() }
    }

    async fn flush(&mut self) -> Result<(), String> {
        let mut part = self.part.take().ok_or("writing the object has failed before")?;
        let buffer = std::mem::take(&mut self.buffer);
        let (part, mut buffer) = on_disk(move || {
            part.add(&buffer).map_err(failed("write the object"))?;
            Ok((part, buffer))
        })
        .await?;
        buffer.clear();
        (self.part, self.buffer) = (Some(part), buffer);
        Ok(())
    }
}

impl Upload for FileUpload {
    fn write(&mut self, bytes: Bytes) -> Answer<'_, ()> {
        async move {
            self.buffer.extend_from_slice(&bytes);
            if self.buffer.len() >= BUFFER { self.flush().await } else { Ok(()) }
        }
        .boxed()
    }

    fn commit(self: Box<Self>, object: ObjectId) -> Answer<'static, ()> {
        on_disk(move || {
            let mut part = self.part.ok_or("writing the object has failed before")?;
            part.add(&self.buffer).map_err(failed("write the object"))?;
            commit(&self.root, part, &object)
        })
        .boxed()
    }
}
