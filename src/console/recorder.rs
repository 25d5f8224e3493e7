//! What happened in the loop lately: requests with what they had in them, output, faults, messages.
//!
//! All of it is bounded, by number and by bytes, so that the memory of a loop does not depend on how many requests it
//! has had. Every request is kept with its times. What requests and answers have in them is recorded of the first
//! [`CONTENTS_A_SECOND`] of each second: enough for every person, and nothing that a load test would notice.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use http::{HeaderMap, header};

use crate::runtime::observer::{CallId, Content, Fault, MessageRecord, Observer, Output, RequestRecord};

/// Requests that are remembered with their times.
pub const REQUESTS: usize = 10_000;
/// Of so many requests a second the content is recorded.
pub const CONTENTS_A_SECOND: u32 = 100;
/// The most of a body that is recorded, in bytes, each way.
pub const BODY: usize = 64 << 10;
/// Requests whose content is remembered, at most, and their bytes; more only while requests are in flight.
const CONTENTS: usize = 2000;
const CONTENT_BYTES: usize = 16 << 20;
/// Lines that are remembered, and their bytes.
const LINES: usize = 5000;
const LINE_BYTES: usize = 4 << 20;
const FAULTS: usize = 200;
/// Messages that are remembered, and the bytes of their bodies.
const MESSAGES: usize = 1000;
const MESSAGE_BYTES: usize = 4 << 20;
/// Longer paths are cut.
const PATH: usize = 2 << 10;

/// Sees what happens and keeps the last part of it.
pub struct Recorder {
    state: Mutex<State>,
    /// The number of the last request.
    last: AtomicU64,
    begun: Instant,
}

#[derive(Default)]
struct State {
    requests: VecDeque<Arc<Request>>,
    contents: VecDeque<Arc<Exchange>>,
    content_bytes: Arc<AtomicUsize>,
    lines: VecDeque<Arc<Line>>,
    line_bytes: usize,
    faults: VecDeque<Arc<Fault>>,
    messages: VecDeque<Arc<Message>>,
    message_bytes: usize,
    line_count: u64,
    message_count: u64,
    /// The second that is counted now, and what was recorded in it.
    second: u64,
    in_second: u32,
}

/// One request that is over.
#[derive(Clone, Debug)]
pub struct Request {
    /// Counts requests, from 1.
    pub number: u64,
    /// When it was over, in milliseconds since 1970.
    pub ended: u64,
    pub record: RequestRecord,
}

/// A line of a guest.
#[derive(Clone, Debug)]
pub struct Line {
    /// Counts lines, from 1.
    pub number: u64,
    /// In milliseconds since 1970.
    pub at: u64,
    pub output: Output,
}

/// A message that a component was given.
#[derive(Clone, Debug)]
pub struct Message {
    /// Counts messages, from 1.
    pub number: u64,
    /// In milliseconds since 1970.
    pub at: u64,
    pub record: MessageRecord,
    /// How long its body was; the record may have less of it.
    pub size: usize,
}

/// What one request and its answer had in them.
pub struct Exchange {
    pub call: u64,
    parts: Mutex<Parts>,
    /// The bytes of all of them.
    total: Arc<AtomicUsize>,
}

/// Headers and bodies.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    pub request_headers: HeaderMap,
    pub request_body: Recorded,
    pub response_headers: HeaderMap,
    pub response_body: Recorded,
    /// What it was counted with.
    counted: usize,
    /// It is forgotten, and nothing is added any more.
    gone: bool,
}

/// The begin of a body.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    pub bytes: Vec<u8>,
    /// How long all of it was.
    pub size: u64,
}

impl Recorded {
    fn add(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        let room = BODY.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

impl Exchange {
    /// What there is of it now.
    pub fn parts(&self) -> Parts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, change: impl FnOnce(&mut Parts)) {
        let mut parts = self.lock();
        if parts.gone {
            return;
        }
        change(&mut parts);
        let bytes = parts.bytes();
        self.total.fetch_add(bytes - parts.counted, Ordering::Relaxed);
        parts.counted = bytes;
    }

    fn forget(&self) {
        let mut parts = self.lock();
        parts.gone = true;
        self.total.fetch_sub(parts.counted, Ordering::Relaxed);
    }
}

impl Content for Exchange {
    fn request_body(&self, bytes: &[u8]) {
        self.add(|parts| parts.request_body.add(bytes));
    }

    fn response_head(&self, headers: &HeaderMap) {
        self.add(|parts| parts.response_headers = headers.clone());
    }

    fn response_body(&self, bytes: &[u8]) {
        self.add(|parts| parts.response_body.add(bytes));
    }
}

impl Parts {
    fn bytes(&self) -> usize {
        let of = |headers: &HeaderMap| -> usize {
            headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum()
        };
        let bodies = self.request_body.bytes.len() + self.response_body.bytes.len();
        bodies + of(&self.request_headers) + of(&self.response_headers) + 256
    }
}

/// What is known of one request.
pub struct Details {
    pub request: Arc<Request>,
    pub parts: Option<Parts>,
    pub lines: Vec<Arc<Line>>,
    pub faults: Vec<Arc<Fault>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder { state: Mutex::default(), last: AtomicU64::new(0), begun: Instant::now() }
    }
}

impl Recorder {
    /// How many requests there were.
    pub fn last_request(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    /// How many lines and messages there were.
    pub fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.line_count, state.message_count)
    }

    /// The newest `limit` requests with a greater number than this, the oldest of them first.
    pub fn requests(&self, after: u64, limit: usize) -> Vec<Arc<Request>> {
        let state = self.lock();
        let begin = state.requests.partition_point(|request| request.number <= after);
        let begin = begin.max(state.requests.len().saturating_sub(limit));
        state.requests.range(begin..).cloned().collect()
    }

    /// Everything about one request, if it is remembered.
    pub fn details(&self, number: u64) -> Option<Details> {
        let state = self.lock();
        let at = state.requests.binary_search_by_key(&number, |request| request.number).ok()?;
        let request = state.requests[at].clone();
        let call = request.record.call.number;
        let exchange = state.contents.iter().rev().find(|exchange| exchange.call == call).cloned();
        let (lines, faults) = (state.lines_of(call), state.faults_of(call));
        drop(state);
        Some(Details { request, parts: exchange.map(|exchange| exchange.parts()), lines, faults })
    }

    /// What a call wrote.
    pub fn lines_of(&self, call: CallId) -> Vec<Arc<Line>> {
        self.lock().lines_of(call.number)
    }

    /// The newest `limit` lines with a greater number than this.
    pub fn lines(&self, after: u64, limit: usize) -> Vec<Arc<Line>> {
        let state = self.lock();
        let begin = state.lines.partition_point(|line| line.number <= after);
        let begin = begin.max(state.lines.len().saturating_sub(limit));
        state.lines.range(begin..).cloned().collect()
    }

    /// The newest `limit` messages, the oldest of them first.
    pub fn messages(&self, limit: usize) -> Vec<Arc<Message>> {
        let state = self.lock();
        let begin = state.messages.len().saturating_sub(limit);
        state.messages.range(begin..).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lines_of(&self, call: u64) -> Vec<Arc<Line>> {
        // Without a number it belongs to no call.
        let of_call = |line: &&Arc<Line>| call != 0 && line.output.call.number == call;
        self.lines.iter().filter(of_call).cloned().collect()
    }

    fn faults_of(&self, call: u64) -> Vec<Arc<Fault>> {
        self.faults.iter().filter(|fault| call != 0 && fault.call.number == call).cloned().collect()
    }
}

impl Observer for Recorder {
    fn content(&self, call: CallId, headers: &HeaderMap) -> Option<Arc<dyn Content>> {
        let second = self.begun.elapsed().as_secs();
        let mut state = self.lock();
        if state.second != second {
            state.second = second;
            state.in_second = 0;
        }
        if state.in_second == CONTENTS_A_SECOND {
            return None;
        }
        state.in_second += 1;
        let (parts, total) = (Mutex::default(), state.content_bytes.clone());
        let exchange = Arc::new(Exchange { call: call.number, parts, total });
        exchange.add(|parts| parts.request_headers = headers.clone());
        state.contents.push_back(exchange.clone());
        while state.contents.len() > CONTENTS || state.content_bytes.load(Ordering::Relaxed) > CONTENT_BYTES {
            let Some(oldest) = state.contents.pop_front() else { break };
            oldest.forget();
        }
        Some(exchange)
    }

    fn request(&self, mut record: RequestRecord) {
        cut(&mut record.path, PATH);
        let ended = now();
        let mut state = self.lock();
        let number = self.last.load(Ordering::Relaxed) + 1;
        state.requests.push_back(Arc::new(Request { number, ended, record }));
        let forgotten = if state.requests.len() > REQUESTS { state.requests.pop_front() } else { None };
        self.last.store(number, Ordering::Relaxed);
        drop(state);
        // Freed without the lock.
        drop(forgotten);
    }

    fn output(&self, mut output: Output) {
        cut(&mut output.context, PATH);
        let at = now();
        let mut state = self.lock();
        state.line_count += 1;
        state.line_bytes += output.line.len();
        let number = state.line_count;
        state.lines.push_back(Arc::new(Line { number, at, output }));
        while state.lines.len() > LINES || state.line_bytes > LINE_BYTES {
            let Some(oldest) = state.lines.pop_front() else { break };
            state.line_bytes -= oldest.output.line.len();
        }
    }

    fn fault(&self, fault: Arc<Fault>) {
        let mut state = self.lock();
        state.faults.push_back(fault);
        if state.faults.len() > FAULTS {
            state.faults.pop_front();
        }
    }

    fn message(&self, mut record: MessageRecord) {
        let size = record.body.len();
        if size > BODY {
            // A slice of it would keep all of it.
            record.body = bytes::Bytes::copy_from_slice(&record.body[..BODY]);
        }
        let at = now();
        let mut state = self.lock();
        state.message_count += 1;
        state.message_bytes += record.body.len();
        let number = state.message_count;
        state.messages.push_back(Arc::new(Message { number, at, record, size }));
        while state.messages.len() > MESSAGES || state.message_bytes > MESSAGE_BYTES {
            let Some(oldest) = state.messages.pop_front() else { break };
            state.message_bytes -= oldest.record.body.len();
        }
    }
}

/// Whether a header is shown with its value: others let whoever sees them act as somebody else.
pub fn is_secret(name: &header::HeaderName) -> bool {
    [header::AUTHORIZATION, header::COOKIE, header::SET_COOKIE, header::PROXY_AUTHORIZATION].contains(name)
}

/// In milliseconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::observer::{Stages, Stream};
    use std::time::Duration;

    fn call(number: u64) -> CallId {
        CallId { number, trace: None }
    }

    fn record(number: u64) -> RequestRecord {
        RequestRecord {
            call: call(number),
            scheme: "http",
            method: http::Method::GET,
            path: format!("/{number}"),
            status: 200,
            time: Duration::from_millis(1),
            stages: Stages::default(),
            generation: 1,
            client_left: false,
            cut: false,
        }
    }

    #[test]
    fn a_hundred_thousand_requests_need_no_more_room_than_ten_thousand() {
        let recorder = Recorder::default();
        for number in 1..=100_000 {
            if let Some(content) = recorder.content(call(number), &HeaderMap::new()) {
                content.response_body(&vec![b'x'; 2 * BODY]);
            }
            recorder.request(record(number));
        }
        let state = recorder.lock();
        assert_eq!(state.requests.len(), REQUESTS);
        assert!(state.contents.len() <= CONTENTS);
        let held: usize = state.contents.iter().map(|exchange| exchange.parts().bytes()).sum();
        assert_eq!(held, state.content_bytes.load(Ordering::Relaxed));
        assert!(held <= CONTENT_BYTES + CONTENTS_A_SECOND as usize * 2 * BODY, "{held}");
        drop(state);
        assert_eq!(recorder.last_request(), 100_000);
        assert_eq!(recorder.requests(99_998, 10).len(), 2);
        assert_eq!(
            recorder.requests(0, 3).iter().map(|request| request.number).collect::<Vec<_>>(),
            [99_998, 99_999, 100_000]
        );
        assert!(recorder.details(1).is_none());
    }

    #[test]
    fn a_request_has_what_it_had_in_it_and_what_was_written_during_it() {
        let recorder = Recorder::default();
        let content = recorder.content(call(7), &HeaderMap::new()).unwrap();
        content.request_body(b"abc");
        content.request_body(&vec![b'x'; BODY]);
        content.response_body(b"answer");
        for (number, line) in [(7, "mine"), (8, "another's"), (0, "nobody's")] {
            let (component, context, line) = ("hello".into(), String::new(), line.to_string());
            recorder.output(Output { component, stream: Stream::Stdout, context, line, call: call(number) });
        }
        recorder.request(record(7));
        let details = recorder.details(1).unwrap();
        let parts = details.parts.unwrap();
        assert_eq!((parts.request_body.size, parts.request_body.bytes.len()), (BODY as u64 + 3, BODY));
        assert_eq!(parts.response_body.bytes, b"answer");
        assert_eq!(details.lines.iter().map(|line| line.output.line.as_str()).collect::<Vec<_>>(), ["mine"]);
    }

    #[test]
    fn what_passes_too_fast_to_be_read_is_not_recorded() {
        let recorder = Recorder::default();
        let recorded = (1..=10 * u64::from(CONTENTS_A_SECOND))
            .filter(|number| recorder.content(call(*number), &HeaderMap::new()).is_some())
            .count();
        // The loop may go on in the next second.
        assert!((100..=200).contains(&recorded), "{recorded}");
    }
}
