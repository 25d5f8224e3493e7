//! Content on its way to a guest.

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

use super::MAX_CONSUME_SYNC;
use super::backend::{Chunks, Content};

/// The guest's `incoming-value`.
pub struct IncomingValue {
    content: Content,
}

impl IncomingValue {
    /// A value that the guest has not looked at yet.
    pub fn new(content: Content) -> Self {
        IncomingValue { content }
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.content.size
    }

    /// Returns all of it. Fails when it is larger than [`MAX_CONSUME_SYNC`].
    pub async fn bytes(mut self) -> Result<Vec<u8>, String> {
        let size = self.content.size;
        if size > MAX_CONSUME_SYNC {
            return Err(format!(
                "the value has {size} bytes, which is too much at once (more than {} MiB): \
                 use incoming-value-consume-async, or ask for a part of the object",
                MAX_CONSUME_SYNC >> 20
            ));
        }
        let mut bytes = Vec::with_capacity(size as usize);
        while let Some(chunk) = self.content.chunks.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok(bytes)
    }

    /// Returns it as a stream.
    pub fn stream(self) -> impl InputStream {
        Reader { chunks: Some(self.content.chunks), chunk: Ok(Bytes::new()) }
    }
}

/// Reads one chunk ahead at most, and only when the guest wants to read.
struct Reader {
    /// `None` after the end.
    chunks: Option<Chunks>,
    /// What the guest has not read yet.
    chunk: Result<Bytes, String>,
}

impl Reader {
    fn is_waiting(&self) -> bool {
        self.chunks.is_some() && self.chunk.as_ref().is_ok_and(Bytes::is_empty)
    }
}

#[async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        while self.is_waiting()
            && let Some(chunks) = &mut self.chunks
        {
            match chunks.next().await {
                Some(chunk) => self.chunk = chunk,
                None => self.chunks = None,
            }
        }
    }
}

impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        // What is there without waiting is there for guests that do not wait, too.
        self.ready().now_or_never();
        match &mut self.chunk {
            Ok(chunk) if chunk.is_empty() && self.chunks.is_none() => Err(StreamError::Closed),
            Ok(chunk) => Ok(chunk.split_to(size.min(chunk.len()))),
            Err(message) => {
                let error = wasmtime::Error::msg(std::mem::take(message));
                (self.chunks, self.chunk) = (None, Ok(Bytes::new()));
                Err(StreamError::LastOperationFailed(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    fn value(chunks: Vec<Result<&'static str, String>>) -> IncomingValue {
        let size = chunks.iter().flatten().map(|chunk| chunk.len() as u64).sum();
        let chunks = chunks.into_iter().map(|chunk| chunk.map(|text| Bytes::from_static(text.as_bytes())));
        IncomingValue::new(Content { size, chunks: stream::iter(chunks.collect::<Vec<_>>()).boxed() })
    }

    #[tokio::test]
    async fn a_stream_gives_the_chunks_in_the_pieces_that_are_asked_for() {
        let mut reader = value(vec![Ok("hello"), Ok(""), Ok("world")]).stream();
        for piece in ["hel", "lo", "wor", "ld"] {
            assert_eq!(reader.blocking_read(3).await.unwrap(), piece);
        }
        assert!(matches!(reader.blocking_read(3).await, Err(StreamError::Closed)));
    }

    #[test]
    fn what_is_there_can_be_read_without_waiting() {
        let mut reader = value(vec![Ok("hello")]).stream();
        assert_eq!(reader.read(100).unwrap(), "hello");
        assert!(matches!(reader.read(100), Err(StreamError::Closed)));
    }

    #[test]
    fn a_failure_is_told_once_and_ends_the_stream() {
        let mut reader = value(vec![Ok("a"), Err("the disk is on fire".into()), Ok("b")]).stream();
        assert_eq!(reader.read(100).unwrap(), "a");
        let Err(StreamError::LastOperationFailed(error)) = reader.read(100) else { panic!("no failure") };
        assert_eq!(error.to_string(), "the disk is on fire");
        assert!(matches!(reader.read(100), Err(StreamError::Closed)));
    }

    #[tokio::test]
    async fn consuming_at_once_returns_everything_or_the_failure() {
        assert_eq!(value(vec![Ok("a"), Ok("b")]).bytes().await.unwrap(), b"ab");
        assert_eq!(value(vec![Ok("a"), Err("no".into())]).bytes().await.unwrap_err(), "no");
        let mut large = value(vec![]);
        large.content.size = MAX_CONSUME_SYNC + 1;
        assert!(large.bytes().await.unwrap_err().contains("incoming-value-consume-async"));
    }
}
