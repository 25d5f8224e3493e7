//! What a guest writes to stdout and stderr: whole lines, tagged with the component, and the last
//! lines of stderr kept for the report of a trap.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::observer::{Observer, Output, Stream};

/// A line is cut here; a guest that never ends its line must not fill our memory.
const MAX_LINE: usize = 16 << 10;
/// How many lines of stderr the report of a trap shows.
const TAIL_LINES: usize = 20;

/// Everything one call writes.
pub struct CallOutput {
    component: Arc<str>,
    observer: Arc<dyn Observer>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    tail: VecDeque<String>,
}

impl CallOutput {
    /// Collects the output of a call of `component`.
    pub fn new(component: Arc<str>, observer: Arc<dyn Observer>) -> Arc<Self> {
        Arc::new(CallOutput { component, observer, state: Mutex::default() })
    }

    /// The guest's stdout.
    pub fn stdout(self: &Arc<Self>) -> Pipe {
        Pipe { call: self.clone(), stream: Stream::Stdout }
    }

    /// The guest's stderr.
    pub fn stderr(self: &Arc<Self>) -> Pipe {
        Pipe { call: self.clone(), stream: Stream::Stderr }
    }

    /// Passes on what is left without a line break, and returns the last lines of stderr.
    pub fn finish(&self) -> Vec<String> {
        let mut state = self.lock();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = std::mem::take(state.pending(stream));
            if !rest.is_empty() {
                self.line(&mut state, stream, &rest);
            }
        }
        state.tail.drain(..).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, stream: Stream, mut bytes: &[u8]) {
        let mut state = self.lock();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let mut line = std::mem::take(state.pending(stream));
            line.extend_from_slice(&bytes[..end]);
            self.line(&mut state, stream, &line);
            bytes = &bytes[end + 1..];
        }
        state.pending(stream).extend_from_slice(bytes);
        while state.pending(stream).len() > MAX_LINE {
            let rest = state.pending(stream).split_off(MAX_LINE);
            let line = std::mem::replace(state.pending(stream), rest);
            self.line(&mut state, stream, &line);
        }
    }

    fn line(&self, state: &mut State, stream: Stream, line: &[u8]) {
        let line = String::from_utf8_lossy(line).trim_end_matches('\r').to_string();
        if stream == Stream::Stderr {
            if state.tail.len() == TAIL_LINES {
                state.tail.pop_front();
            }
            state.tail.push_back(line.clone());
        }
        self.observer.output(Output { component: self.component.clone(), stream, context: String::new(), line });
    }
}

impl Drop for CallOutput {
    fn drop(&mut self) {
        self.finish();
    }
}

impl State {
    fn pending(&mut self, stream: Stream) -> &mut Vec<u8> {
        if stream == Stream::Stderr { &mut self.stderr } else { &mut self.stdout }
    }
}

/// One of the two streams, as WASI takes it.
#[derive(Clone)]
pub struct Pipe {
    call: Arc<CallOutput>,
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
        self.call.write(self.stream, &bytes);
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
        self.call.write(self.stream, bytes);
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
        let call = CallOutput::new("hello".into(), lines.clone());
        call.write(Stream::Stdout, b"one\ntw");
        call.write(Stream::Stderr, b"oops\n");
        call.write(Stream::Stdout, b"o\r\nthree");
        assert_eq!(*lines.0.lock().unwrap(), ["one", "oops", "two"]);
        assert_eq!(call.finish(), ["oops"]);
        assert_eq!(*lines.0.lock().unwrap(), ["one", "oops", "two", "three"]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let lines = Arc::new(Lines::default());
        let call = CallOutput::new("hello".into(), lines.clone());
        call.write(Stream::Stdout, &vec![b'x'; 3 * MAX_LINE + 1]);
        assert_eq!(lines.0.lock().unwrap().len(), 3);
    }
}
