//! What is sent with a request: bytes of memory or of a file, with a known length, as often as
//! attempts need it, and counted as it goes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// As much as is handed over at once: small enough that progress is seen, large enough to be quick.
const PIECE: usize = 64 << 10;

/// Something to send. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    Empty,
    Bytes(Bytes),
    File { path: PathBuf, start: u64, length: u64 },
}

impl Payload {
    pub fn len(&self) -> u64 {
        match self {
            Payload::Empty => 0,
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::File { length, .. } => *length,
        }
    }

    /// A part of it.
    pub fn part(&self, from: u64, length: u64) -> Payload {
        match self {
            Payload::Empty => Payload::Empty,
            Payload::Bytes(bytes) => {
                let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
                let end = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(bytes.len());
                Payload::Bytes(bytes.slice(from..end))
            }
            Payload::File { path, start, length: all } => {
                let from = from.min(*all);
                Payload::File { path: path.clone(), start: start + from, length: length.min(all - from) }
            }
        }
    }

    /// The body of one attempt.
    pub fn body(
        &self,
        moved: Arc<AtomicU64>,
        sent: Option<Arc<dyn Fn(u64) + Send + Sync>>,
    ) -> io::Result<reqwest::Body> {
        let source = match self {
            Payload::Empty => Source::Bytes(Bytes::new()),
            Payload::Bytes(bytes) => Source::Bytes(bytes.clone()),
            Payload::File { path, start, .. } => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(*start))?;
                Source::File(file)
            }
        };
        Ok(reqwest::Body::wrap(Counted { source, left: self.len(), moved, sent }))
    }
}

enum Source {
    Bytes(Bytes),
    File(File),
}

struct Counted {
    source: Source,
    left: u64,
    moved: Arc<AtomicU64>,
    sent: Option<Arc<dyn Fn(u64) + Send + Sync>>,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let want = PIECE.min(usize::try_from(self.left).unwrap_or(PIECE));
        let piece = match &mut self.source {
            Source::Bytes(bytes) => bytes.split_to(want.min(bytes.len())),
            // A piece of a file that was written a moment ago is in memory.
            Source::File(file) => {
                let mut piece = vec![0; want];
                if let Err(error) = file.read_exact(&mut piece) {
                    return Poll::Ready(Some(Err(error)));
                }
                piece.into()
            }
        };
        self.left -= piece.len() as u64;
        let moved = self.moved.fetch_add(piece.len() as u64, Ordering::Relaxed) + piece.len() as u64;
        if let Some(sent) = &self.sent {
            sent(moved);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
