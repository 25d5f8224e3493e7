//! The way from the threads that serve to the one that shows: what was told is shown in order, by one
//! thread, and nobody who serves waits for a terminal or a log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};

/// So many reports may wait to be shown. A terminal or a log that is slower than the requests must not
/// slow them down; what does not fit is counted instead.
const QUEUE: usize = 4096;
/// With so many reports in one go there is a load, and each report that wakes the showing thread costs
/// the thread that serves.
const LOAD: usize = 16;
/// Under a load reports are collected for so long before they are shown.
const PAUSE: Duration = Duration::from_millis(5);

/// Shows reports. Called on a thread of its own, one report at a time.
pub trait Reporter<R>: Send {
    /// Takes a report; what came before it must be seen by the next [`Reporter::flush`].
    fn report(&mut self, report: R);
    /// So many reports were not shown, because they came too fast.
    fn not_shown(&mut self, lines: u64) {
        let _ = lines;
    }
    /// Nothing else waits: all reports must be seen now.
    fn flush(&mut self) {}
}

/// Takes reports from everywhere and hands them to the reporter in order. Cheap to clone.
pub struct Feed<R> {
    queue: mpsc::SyncSender<Item<R>>,
    not_shown: Arc<AtomicU64>,
}

impl<R> Clone for Feed<R> {
    fn clone(&self) -> Self {
        Feed { queue: self.queue.clone(), not_shown: self.not_shown.clone() }
    }
}

#[allow(clippy::large_enum_variant, reason = "the small one is sent once")]
enum Item<R> {
    Report(R),
    /// Nothing is shown after this.
    End,
}

/// The thread that shows reports.
pub struct Showing<R> {
    queue: mpsc::SyncSender<Item<R>>,
    thread: thread::JoinHandle<()>,
}

impl<R: Send + 'static> Feed<R> {
    /// Starts to show.
    pub fn start(reporter: Box<dyn Reporter<R>>) -> Result<(Self, Showing<R>)> {
        let (queue, waiting) = mpsc::sync_channel(QUEUE);
        let not_shown = Arc::new(AtomicU64::new(0));
        let counter = not_shown.clone();
        let thread = thread::Builder::new()
            .name("wash-report".into())
            .spawn(move || show(reporter, &waiting, &counter))
            .map_err(|error| Error::caused_by("cannot start a thread", &error))?;
        Ok((Feed { queue: queue.clone(), not_shown }, Showing { queue, thread }))
    }

    /// Tells something that must not get lost. May wait for a slow terminal.
    pub fn tell(&self, report: R) {
        let _ = self.queue.send(Item::Report(report));
    }

    /// Tells something that is only counted when too much waits to be shown. Never waits.
    pub fn try_tell(&self, report: R) {
        if self.queue.try_send(Item::Report(report)).is_err() {
            self.not_shown.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn show<R>(mut reporter: Box<dyn Reporter<R>>, waiting: &mpsc::Receiver<Item<R>>, not_shown: &AtomicU64) {
    while let Ok(Item::Report(report)) = waiting.recv() {
        reporter.report(report);
        let (mut shown, mut ended) = (1, false);
        while shown < QUEUE {
            match waiting.try_recv() {
                Ok(Item::Report(report)) => reporter.report(report),
                Ok(Item::End) => ended = true,
                Err(_) => break,
            }
            if ended {
                break;
            }
            shown += 1;
        }
        match not_shown.swap(0, Ordering::Relaxed) {
            0 => {}
            lines => reporter.not_shown(lines),
        }
        reporter.flush();
        if ended {
            return;
        }
        if shown >= LOAD {
            thread::sleep(PAUSE);
        }
    }
}

impl<R> Showing<R> {
    /// Shows what has been told so far, and nothing after it: a guest whose connection was cut may
    /// still be at work, and nobody waits for it.
    pub fn finish(self) {
        let _ = self.queue.send(Item::End);
        let _ = self.thread.join();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    type Written = Arc<Mutex<Vec<String>>>;

    /// Writes down what it is called with; waits for the test before it takes the first report.
    struct Notes {
        begin: mpsc::Receiver<()>,
        notes: Written,
    }

    impl Reporter<u32> for Notes {
        fn report(&mut self, report: u32) {
            if report == 0 {
                let _ = self.begin.recv();
            }
            self.notes.lock().unwrap().push(report.to_string());
        }

        fn not_shown(&mut self, lines: u64) {
            self.notes.lock().unwrap().push(format!("{lines} lost"));
        }

        fn flush(&mut self) {
            self.notes.lock().unwrap().push("flush".into());
        }
    }

    fn feed() -> (Feed<u32>, Showing<u32>, mpsc::Sender<()>, Written) {
        let (go, begin) = mpsc::channel();
        let notes = Written::default();
        let (feed, showing) = Feed::start(Box::new(Notes { begin, notes: notes.clone() })).unwrap();
        (feed, showing, go, notes)
    }

    #[test]
    fn what_waits_is_shown_in_order_and_in_one_go() {
        let (feed, showing, go, notes) = feed();
        for report in 0..3 {
            feed.tell(report);
        }
        go.send(()).unwrap();
        showing.finish();
        assert_eq!(*notes.lock().unwrap(), ["0", "1", "2", "flush"]);
    }

    #[test]
    fn who_must_not_wait_loses_what_does_not_fit_and_that_is_said() {
        let (feed, showing, go, notes) = feed();
        // The first may be taken already, and wait in the reporter.
        for report in 0..QUEUE as u32 + 3 {
            feed.try_tell(report);
        }
        go.send(()).unwrap();
        showing.finish();
        let notes = notes.lock().unwrap();
        let lost = notes.iter().find_map(|note| note.strip_suffix(" lost")).expect("it is said");
        assert!(["2", "3"].contains(&lost), "{lost}");
    }
}
