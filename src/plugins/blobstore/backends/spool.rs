//! Content that is collected before it goes anywhere.
//!
//! A guest may write first and say later which object it is, while a server wants to know the name
//! first. What is more than a little is collected in a temporary file, which nobody else can open
//! and which is gone when it is closed: no object is held in memory as a whole.

use std::io::SeekFrom;

use bytes::{Bytes, BytesMut};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// How much is collected in memory, in bytes.
const IN_MEMORY: usize = 1 << 20;

/// Content that grows until it is read.
#[derive(Default)]
pub struct Spool {
    memory: BytesMut,
    /// All of the content, once it is too much for memory.
    file: Option<File>,
    size: u64,
}

impl Spool {
    /// Adds bytes at the end.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), String> {
        self.size += bytes.len() as u64;
        if self.file.is_none() && self.memory.len() + bytes.len() <= IN_MEMORY {
            self.memory.extend_from_slice(&bytes);
            return Ok(());
        }
        let failed = |error: std::io::Error| format!("cannot keep the content in a temporary file: {error}");
        if self.file.is_none() {
            let file = tokio::task::spawn_blocking(tempfile::tempfile).await;
            let file = file.map_err(|_| "cannot make a temporary file: wash broke".to_string())?;
            let mut file = File::from_std(file.map_err(failed)?);
            file.write_all(&self.memory.split()).await.map_err(failed)?;
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(&bytes).await.map_err(failed),
            None => Ok(()),
        }
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Goes back to the beginning, to read it.
    pub async fn read(mut self) -> Result<SpoolReader, String> {
        if let Some(file) = &mut self.file {
            let failed = |error: std::io::Error| format!("cannot read the temporary file: {error}");
            file.flush().await.map_err(failed)?;
            file.seek(SeekFrom::Start(0)).await.map_err(failed)?;
        }
        Ok(SpoolReader { memory: self.memory.freeze(), file: self.file })
    }
}

/// Collected content on its way out.
pub struct SpoolReader {
    memory: Bytes,
    file: Option<File>,
}

impl SpoolReader {
    /// Returns the next bytes: `most`, or less at the end, and none after it.
    pub async fn next(&mut self, most: usize) -> Result<Bytes, String> {
        let Some(file) = &mut self.file else {
            return Ok(self.memory.split_to(most.min(self.memory.len())));
        };
        let mut bytes = BytesMut::with_capacity(most);
        let mut limited = file.take(most as u64);
        while limited.read_buf(&mut bytes).await.map_err(|error| format!("cannot read the temporary file: {error}"))?
            > 0
        {}
        Ok(bytes.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_written_is_read_in_pieces_whether_it_is_little_or_much() {
        for size in [0, 1, IN_MEMORY, IN_MEMORY + 1, 3 * IN_MEMORY + 7] {
            let content: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let mut spool = Spool::default();
            for piece in content.chunks(100_000) {
                spool.write(Bytes::copy_from_slice(piece)).await.unwrap();
            }
            assert_eq!(spool.size(), size as u64);
            let (mut reader, mut read) = (spool.read().await.unwrap(), Vec::new());
            loop {
                let piece = reader.next(300_000).await.unwrap();
                assert!(piece.len() == 300_000 || read.len() + piece.len() == size);
                if piece.is_empty() {
                    break;
                }
                read.extend_from_slice(&piece);
            }
            assert!(read == content, "{size}");
        }
    }
}
