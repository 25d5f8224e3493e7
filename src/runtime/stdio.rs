//! What a guest writes to stdout and stderr: whole lines, tagged with the component, and the last
//! lines of stderr kept for the report of a trap.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::observer::{CallId, InstanceChange, Observer, Output, Stream};

/// A line is cut here; a guest that never ends its line must not fill our memory.
const MAX_LINE: usize = 16 << 10;
/// How many lines of stderr the report of a trap shows.
const TAIL_LINES: usize = 20;

/// Everything one instance writes, during the calls that it takes one after the other.
pub struct CallOutput {
    /// The members of the component that is called; a plain component is its only member.
    members: Arc<[Arc<str>]>,
    observer: Arc<dyn Observer>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    call: CallId,
    /// Since when the instance is there, if it was made for this call.
    made: Option<Instant>,
    /// Lines that have not ended, by member and stream. Most calls write nothing and need none.
    pending: Vec<(usize, Stream, Vec<u8>)>,
    tail: VecDeque<String>,
}

impl CallOutput {
    /// Collects the output of an instance of a component with these members.
    pub fn new(members: Arc<[Arc<str>]>, observer: Arc<dyn Observer>) -> Arc<Self> {
        observer.instance(InstanceChange::Made);
        Arc::new(CallOutput { members, observer, state: Mutex::default() })
    }

    /// Says for which call the instance works from now on.
    pub fn serve(&self, call: CallId) {
        let mut state = self.lock();
        state.call = call;
        state.made = None;
    }

    /// Says that an instance was made for this call, and is there now.
    pub fn made(&self) {
        self.lock().made = Some(Instant::now());
    }

    /// Since when the instance is there, if it was made for this call.
    pub fn made_at(&self) -> Option<Instant> {
        self.lock().made
    }

    /// For which call the instance works.
    pub fn call(&self) -> CallId {
        self.lock().call
    }

    /// A member's stdout.
    pub fn stdout(self: &Arc<Self>, member: usize) -> Pipe {
        Pipe { call: self.clone(), member, stream: Stream::Stdout }
    }

    /// A member's stderr.
    pub fn stderr(self: &Arc<Self>, member: usize) -> Pipe {
        Pipe { call: self.clone(), member, stream: Stream::Stderr }
    }

    /// Passes on what is left without a line break, and returns the last lines of stderr.
    pub fn finish(&self) -> LastWords {
        let mut state = self.lock();
        for (member, stream, rest) in std::mem::take(&mut state.pending) {
            if !rest.is_empty() {
                self.line(&mut state, member, stream, &rest);
            }
        }
        LastWords { stderr: state.tail.drain(..).collect(), call: state.call }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, member: usize, stream: Stream, mut bytes: &[u8]) {
        let mut state = self.lock();
        let place = state.place(member, stream);
        let mut pending = std::mem::take(&mut state.pending[place].2);
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            pending.extend_from_slice(&bytes[..end]);
            self.line(&mut state, member, stream, &pending);
            pending.clear();
            bytes = &bytes[end + 1..];
        }
        pending.extend_from_slice(bytes);
        while pending.len() > MAX_LINE {
            let rest = pending.split_off(MAX_LINE);
            self.line(&mut state, member, stream, &pending);
            pending = rest;
        }
        state.pending[place].2 = pending;
    }

    fn line(&self, state: &mut State, member: usize, stream: Stream, line: &[u8]) {
        let line = String::from_utf8_lossy(line).trim_end_matches('\r').to_string();
        if stream == Stream::Stderr {
            if state.tail.len() == TAIL_LINES {
                state.tail.pop_front();
            }
            state.tail.push_back(line.clone());
        }
        let component = self.members[member].clone();
        self.observer.output(Output { component, stream, context: String::new(), line, call: state.call });
    }
}

/// What is known of a call's output when it has failed.
#[derive(Default)]
pub struct LastWords {
    /// The last lines of stderr.
    pub stderr: Vec<String>,
    pub call: CallId,
}

impl Drop for CallOutput {
    fn drop(&mut self) {
        self.finish();
        self.observer.instance(InstanceChange::Ended);
    }
}

impl State {
    fn place(&mut self, member: usize, stream: Stream) -> usize {
        let found = self.pending.iter().position(|(known, kind, _)| *known == member && *kind == stream);
        found.unwrap_or_else(|| {
            self.pending.push((member, stream, Vec::new()));
            self.pending.len() - 1
        })
    }
}

/// One of the two streams, as WASI takes it.
#[derive(Clone)]
pub struct Pipe {
    call: Arc<CallOutput>,
    member: usize,
    stream: Stream,
}

impl IsTerminal for Pipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Pipe {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Pipe {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.call.write(self.member, self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Pipe {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.call.write(self.member, self.stream, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::observer::{Fault, RequestRecord};

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl Observer for Lines {
        fn request(&self, _: RequestRecord) {}
        fn output(&self, output: Output) {
            self.0.lock().unwrap().push(output.line);
        }
        fn fault(&self, _: Arc<Fault>) {}
    }

    #[test]
    fn lines_are_passed_on_whole_and_the_tail_of_stderr_is_kept() {
        let lines = Arc::new(Lines::default());
        let call = CallOutput::new(Arc::new(["hello".into(), "other".into()]), lines.clone());
        call.write(0, Stream::Stdout, b"one\ntw");
        call.write(0, Stream::Stderr, b"oops\n");
        // A line of one member is not ended by another's.
        call.write(1, Stream::Stdout, b"other\n");
        call.write(0, Stream::Stdout, b"o\r\nthree");
        assert_eq!(*lines.0.lock().unwrap(), ["one", "oops", "other", "two"]);
        assert_eq!(call.finish().stderr, ["oops"]);
        assert_eq!(*lines.0.lock().unwrap(), ["one", "oops", "other", "two", "three"]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let lines = Arc::new(Lines::default());
        let call = CallOutput::new(Arc::new(["hello".into(), "other".into()]), lines.clone());
        call.write(0, Stream::Stdout, &vec![b'x'; 3 * MAX_LINE + 1]);
        assert_eq!(lines.0.lock().unwrap().len(), 3);
    }
}
