//! One direction of a connection: bytes that were written and not yet read, never more than fit.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

/// So many bytes may be on their way in one direction; whoever writes more waits. A system's own
/// loopback has about the same.
pub const CAPACITY: usize = 64 << 10;

/// Bytes on their way.
#[derive(Default)]
pub struct Pipe {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: BytesMut,
    /// Nothing more will be written.
    finished: bool,
    /// The reader is gone; what is written fails.
    abandoned: bool,
    /// The reader wants no more; what is written vanishes.
    discarding: bool,
    /// The writer is gone without a proper end.
    reset: bool,
    readers: Wakers,
    writers: Wakers,
}

impl Pipe {
    /// Takes up to `most` bytes. Empty: the writer has finished.
    pub fn poll_read(&self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<Bytes>> {
        let mut state = self.lock();
        if most == 0 || state.discarding {
            return Poll::Ready(Ok(Bytes::new()));
        }
        if state.held.is_empty() {
            return match (state.reset, state.finished) {
                (true, _) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                (false, true) => Poll::Ready(Ok(Bytes::new())),
                (false, false) => {
                    state.readers.add(cx);
                    Poll::Pending
                }
            };
        }
        let count = most.min(state.held.len());
        let bytes = state.held.split_to(count).freeze();
        state.writers.wake();
        Poll::Ready(Ok(bytes))
    }

    /// Ready when reading would not wait.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if !state.held.is_empty() || state.finished || state.reset || state.discarding {
            return Poll::Ready(());
        }
        state.readers.add(cx);
        Poll::Pending
    }

    /// How many bytes may be written now; 0: none before the reader takes some.
    pub fn room(&self) -> io::Result<usize> {
        self.lock().room()
    }

    /// Ready when there is room, or when writing fails.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        match state.room() {
            Ok(0) => {
                state.writers.add(cx);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// Writes as much as there is room for, and returns how much that was.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.lock();
        let count = state.room()?.min(bytes.len());
        if !state.discarding {
            state.held.extend_from_slice(&bytes[..count]);
            state.readers.wake();
        }
        Ok(count)
    }

    /// The writer's end: what is on its way still arrives.
    pub fn finish(&self) {
        let mut state = self.lock();
        state.finished = true;
        state.wake();
    }

    /// The writer is gone without a proper end; what is on its way still arrives.
    pub fn reset(&self) {
        let mut state = self.lock();
        state.reset = true;
        state.wake();
    }

    /// The reader is gone. Returns whether something was on its way.
    pub fn abandon(&self) -> bool {
        let mut state = self.lock();
        state.abandoned = true;
        state.wake();
        !std::mem::take(&mut state.held).is_empty()
    }

    /// The reader wants no more, and the writer need not know.
    pub fn discard(&self) {
        let mut state = self.lock();
        state.discarding = true;
        state.held.clear();
        state.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn room(&self) -> io::Result<usize> {
        match self {
            State { finished: true, .. } => Err(io::ErrorKind::BrokenPipe.into()),
            State { abandoned: true, .. } => Err(io::ErrorKind::ConnectionReset.into()),
            State { discarding: true, .. } => Ok(CAPACITY),
            _ => Ok(CAPACITY.saturating_sub(self.held.len())),
        }
    }

    fn wake(&mut self) {
        self.readers.wake();
        self.writers.wake();
    }
}

/// Who waits for a change.
#[derive(Default)]
pub struct Wakers(Vec<Waker>);

/// More than could wait at one time: a heap of waits that were given up. Waking them once too often does
/// no harm; with a smaller number those who do wait would wake each other without end.
const WAITING: usize = 2 * super::SOCKETS;

impl Wakers {
    /// Wakes this one at the next change.
    pub fn add(&mut self, cx: &Context<'_>) {
        if self.0.iter().any(|known| known.will_wake(cx.waker())) {
            return;
        }
        if self.0.len() >= WAITING {
            self.wake();
        }
        self.0.push(cx.waker().clone());
    }

    /// Something has changed.
    pub fn wake(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pipe: &Pipe, most: usize) -> Poll<Result<Bytes, io::ErrorKind>> {
        pipe.poll_read(&mut Context::from_waker(Waker::noop()), most).map_err(|error| error.kind())
    }

    #[test]
    fn a_full_pipe_takes_nothing_until_something_was_read() {
        let pipe = Pipe::default();
        assert_eq!(pipe.write(&vec![1; CAPACITY + 10]).unwrap(), CAPACITY);
        assert_eq!(pipe.room().unwrap(), 0);
        assert!(pipe.poll_writable(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(read(&pipe, 100), Poll::Ready(Ok(vec![1; 100].into())));
        assert_eq!(pipe.write(&[2; 200]).unwrap(), 100);
    }

    #[test]
    fn what_was_written_arrives_before_the_end_and_before_a_reset() {
        let pipe = Pipe::default();
        pipe.write(b"abc").unwrap();
        pipe.finish();
        assert_eq!(pipe.write(b"d").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(read(&pipe, 2), Poll::Ready(Ok("ab".into())));
        assert_eq!(read(&pipe, 2), Poll::Ready(Ok("c".into())));
        assert_eq!(read(&pipe, 2), Poll::Ready(Ok("".into())));
        let pipe = Pipe::default();
        pipe.write(b"abc").unwrap();
        pipe.reset();
        assert_eq!(read(&pipe, 9), Poll::Ready(Ok("abc".into())));
        assert_eq!(read(&pipe, 9), Poll::Ready(Err(io::ErrorKind::ConnectionReset)));
    }

    #[test]
    fn a_reader_that_left_is_an_error_and_one_that_wants_no_more_is_none() {
        let pipe = Pipe::default();
        pipe.write(b"abc").unwrap();
        assert!(pipe.abandon(), "something was on its way");
        assert_eq!(pipe.write(b"d").unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let pipe = Pipe::default();
        pipe.discard();
        assert_eq!(pipe.write(&vec![0; CAPACITY]).unwrap(), CAPACITY);
        assert_eq!(pipe.write(&vec![0; CAPACITY]).unwrap(), CAPACITY);
        assert_eq!(read(&pipe, 9), Poll::Ready(Ok("".into())));
    }
}
