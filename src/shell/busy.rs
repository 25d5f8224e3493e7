//! The spinner of a step that takes longer than a moment.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::progress::{Busy, Gauge, Transfer};

/// Steps shorter than this show nothing: a spinner that flashes is noise.
const PATIENCE: Duration = Duration::from_millis(500);
const FRAME: Duration = Duration::from_millis(100);

/// Ends the waiting thread (by closing the channel) and waits until the spinner is gone, so that
/// the next line is not drawn over it.
struct Guard {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Shows a spinner with `message` once [`PATIENCE`] is over.
pub fn show_later(bars: &MultiProgress, message: &str) -> Busy {
    let (stop, stopped) = mpsc::channel::<()>();
    let bars = bars.clone();
    let message = message.to_string();
    let thread = thread::Builder::new().name("spinner".into()).spawn(move || {
        if stopped.recv_timeout(PATIENCE) != Err(mpsc::RecvTimeoutError::Timeout) {
            return;
        }
        let bar = bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(message);
        bar.enable_steady_tick(FRAME);
        let _ = stopped.recv();
        bar.finish_and_clear();
    });
    match thread {
        Ok(thread) => Busy::new(Guard { stop: Some(stop), thread: Some(thread) }),
        // No thread, no spinner: the step itself goes on.
        Err(_) => Busy::hidden(),
    }
}

/// A bar that ends with its transfer.
struct Bar(ProgressBar);

impl Gauge for Bar {
    fn moved(&self, bytes: u64) {
        self.0.set_position(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Shows how many of `total` bytes have been transferred.
pub fn show_transfer(bars: &MultiProgress, message: &str, total: u64) -> Transfer {
    let bar = bars.add(ProgressBar::new(total));
    let template = "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(message.to_string());
    // Also drawn when nothing moves, so that the last number is the right one.
    bar.enable_steady_tick(FRAME);
    Transfer::new(Bar(bar))
}
