//! What a connection is doing, to tell those that wait for something from those that only stay.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Body, BodyError};

/// The account of one connection. All of it is used on one thread; the atomics are for the type.
#[derive(Debug)]
pub struct Activity {
    started: Instant,
    /// Requests whose response is not over.
    requests: AtomicUsize,
    http2: AtomicBool,
    /// The next response of HTTP/1 is the last one.
    leaving: AtomicBool,
    /// Moments in milliseconds since the start, plus one; 0: not so.
    head_since: AtomicU64,
    quiet_since: AtomicU64,
    blocked_since: AtomicU64,
    read_anything: AtomicBool,
    /// Of the responses of HTTP/2: since when the client has not asked for more of one; 0: it has.
    streams: Mutex<Vec<Weak<AtomicU64>>>,
}

/// A stream of HTTP/2 has a window of its own, so that a client may pause one beside others. It gets
/// this many times the patience that a connection gets.
const STREAM_STALLS: u32 = 5;

/// How long a connection may be in a state.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the head of a request, from its first byte.
    pub head: Duration,
    /// Without a request.
    pub idle: Duration,
    /// For a client that reads nothing of what is there for it.
    pub stall: Duration,
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Go,
    /// It is idle; it may say goodbye.
    Finish,
    /// Nothing good can come of it.
    Cut(&'static str),
}

impl Activity {
    pub fn new() -> Arc<Self> {
        Arc::new(Activity {
            started: Instant::now(),
            requests: AtomicUsize::new(0),
            http2: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            head_since: AtomicU64::new(0),
            quiet_since: AtomicU64::new(1),
            blocked_since: AtomicU64::new(0),
            read_anything: AtomicBool::new(false),
            streams: Mutex::default(),
        })
    }

    /// A request begins; it ends when the returned value is dropped.
    pub fn begin(self: &Arc<Self>) -> Ongoing {
        self.requests.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        Ongoing(self.clone())
    }

    /// Looks how long things have been as they are.
    pub fn judge(&self, patience: &Patience) -> Verdict {
        if self.lasted(&self.blocked_since) > Some(patience.stall) {
            return Verdict::Cut("the client read nothing for too long");
        }
        if self.requests.load(Relaxed) > 0 {
            let stall = patience.stall * STREAM_STALLS;
            let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.retain(|stream| stream.strong_count() > 0);
            let stalled =
                |stream: &Weak<AtomicU64>| stream.upgrade().and_then(|since| self.lasted(&since)) > Some(stall);
            return match streams.iter().any(stalled) {
                true => Verdict::Cut("the client wanted no more of a response for too long"),
                false => Verdict::Go,
            };
        }
        if self.lasted(&self.head_since) > Some(patience.head) {
            return Verdict::Cut("the head of a request took too long");
        }
        if self.lasted(&self.quiet_since) > Some(patience.idle) {
            return Verdict::Finish;
        }
        Verdict::Go
    }

    /// Whether nothing is lost by cutting the connection: no request runs, nothing waits to be
    /// written, and that for a while.
    pub fn is_quiet(&self, for_long: Duration) -> bool {
        self.requests.load(Relaxed) == 0
            && self.blocked_since.load(Relaxed) == 0
            && self.lasted(&self.quiet_since) >= Some(for_long)
    }

    /// Whether a client of HTTP/1 may send its next request at any moment: it has done so lately, and
    /// learns of our goodbye only by an answer.
    pub fn is_between_requests(&self, lately: Duration) -> bool {
        !self.http2.load(Relaxed)
            && self.requests.load(Relaxed) == 0
            && self.lasted(&self.quiet_since).is_some_and(|quiet| quiet < lately)
    }

    /// The answer to the next request says that it is the last one.
    pub fn leave(&self) {
        self.leaving.store(true, Relaxed);
    }

    /// Whether answers are to say that they are the last one.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    /// Whether the client has sent anything yet.
    pub fn has_read(&self) -> bool {
        self.read_anything.load(Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    fn lasted(&self, since: &AtomicU64) -> Option<Duration> {
        match since.load(Relaxed) {
            0 => None,
            since => Some(Duration::from_millis(self.now().saturating_sub(since))),
        }
    }

    fn read(&self, bytes: &[u8]) {
        if !self.read_anything.swap(true, Relaxed) && bytes.starts_with(b"PRI") {
            self.http2.store(true, Relaxed);
        }
        // In HTTP/2 there is more than requests: settings, pings.
        let first = !self.http2.load(Relaxed) && self.head_since.load(Relaxed) == 0;
        if first && self.requests.load(Relaxed) == 0 {
            self.head_since.store(self.now(), Relaxed);
        }
    }
}

/// A request that is not over.
pub struct Ongoing(Arc<Activity>);

impl Drop for Ongoing {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Relaxed) == 1 {
            self.0.quiet_since.store(self.0.now(), Relaxed);
        }
    }
}

/// A stream that keeps the account.
pub struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub fn new(stream: S, activity: Arc<Activity>) -> Self {
        Watched { stream, activity }
    }

    fn wrote<T>(&self, result: &Poll<io::Result<T>>) {
        match result {
            Poll::Pending if self.activity.blocked_since.load(Relaxed) == 0 => {
                self.activity.blocked_since.store(self.activity.now(), Relaxed);
            }
            Poll::Pending => {}
            Poll::Ready(_) => self.activity.blocked_since.store(0, Relaxed),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.read(&buffer.filled()[before..]);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.wrote(&result);
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A response's body; its request is over with it.
pub struct Counted {
    body: Body,
    ongoing: Ongoing,
    /// In HTTP/2: since when the client has not asked for more.
    unasked_since: Option<Arc<AtomicU64>>,
}

impl Counted {
    pub fn new(body: Body, ongoing: Ongoing) -> Self {
        let activity = &ongoing.0;
        let unasked_since = activity.http2.load(Relaxed).then(|| {
            let since = Arc::new(AtomicU64::new(0));
            let mut streams = activity.streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.retain(|stream| stream.strong_count() > 0);
            streams.push(Arc::downgrade(&since));
            since
        });
        Counted { body, ongoing, unasked_since }
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(since) = &self.unasked_since {
            // While the guest is waited for, it is not the client's doing.
            since.store(if frame.is_ready() { self.ongoing.0.now() } else { 0 }, Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), idle: Duration::from_secs(60), stall: Duration::from_secs(30) };

    /// An account that is so old.
    fn aged(seconds: u64) -> Arc<Activity> {
        let mut activity = Activity::new();
        let started = &mut Arc::get_mut(&mut activity).unwrap().started;
        *started = started.checked_sub(Duration::from_secs(seconds)).unwrap();
        activity
    }

    #[test]
    fn an_idle_connection_finishes_and_a_slow_head_is_cut() {
        assert_eq!(aged(59).judge(&PATIENCE), Verdict::Go);
        assert_eq!(aged(61).judge(&PATIENCE), Verdict::Finish);
        let slow = aged(61);
        slow.read(b"GET / HT");
        assert_eq!(slow.judge(&PATIENCE), Verdict::Finish, "it was idle before");
        let slow = aged(11);
        slow.head_since.store(1, Relaxed);
        assert!(matches!(slow.judge(&PATIENCE), Verdict::Cut(_)));
        let request = slow.begin();
        assert_eq!(slow.judge(&PATIENCE), Verdict::Go, "the head is there");
        drop(request);
        assert_eq!(slow.judge(&PATIENCE), Verdict::Go);
    }

    #[test]
    fn a_running_request_may_take_its_time_unless_nobody_reads() {
        let activity = aged(100);
        let _request = activity.begin();
        assert_eq!(activity.judge(&PATIENCE), Verdict::Go);
        activity.blocked_since.store(1, Relaxed);
        assert!(matches!(activity.judge(&PATIENCE), Verdict::Cut(_)));
    }

    #[test]
    fn a_stream_of_http_2_may_pause_for_longer() {
        let mut activity = aged(149);
        activity.read(b"PRI");
        let body = Counted::new(crate::runtime::http::full("x"), activity.begin());
        let since = body.unasked_since.clone().unwrap();
        assert_eq!(activity.judge(&PATIENCE), Verdict::Go, "nothing was ever sent");
        since.store(1, Relaxed);
        assert_eq!(activity.judge(&PATIENCE), Verdict::Go);
        drop(body);
        activity = aged(151);
        activity.read(b"PRI");
        let body = Counted::new(crate::runtime::http::full("x"), activity.begin());
        body.unasked_since.as_ref().unwrap().store(1, Relaxed);
        assert!(matches!(activity.judge(&PATIENCE), Verdict::Cut(_)));
    }

    #[test]
    fn http_2_has_other_traffic_than_requests() {
        let activity = aged(11);
        activity.read(b"PRI * HTTP/2.0");
        activity.read(b"ping");
        assert_eq!(activity.head_since.load(Relaxed), 0);
    }

    #[test]
    fn what_waits_to_be_written_is_not_quiet() {
        let activity = aged(5);
        assert!(activity.is_quiet(Duration::from_secs(1)));
        activity.blocked_since.store(1, Relaxed);
        assert!(!activity.is_quiet(Duration::from_secs(1)));
        activity.blocked_since.store(0, Relaxed);
        let request = activity.begin();
        assert!(!activity.is_quiet(Duration::from_secs(1)));
        drop(request);
        assert!(!activity.is_quiet(Duration::from_secs(1)), "it was busy just now");
    }
}
