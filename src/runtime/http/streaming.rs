//! The body of a response while its guest may still be at work on it.
//!
//! The guest is polled together with the body, on the connection's thread, with the connection's
//! back-pressure. When the client leaves, the body is dropped and the guest with it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::Future;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::Sleep;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::BodyError;
use super::call::{Ongoing, Work, seconds};

type Report = Box<dyn FnMut(&mut Ongoing, &wasmtime::Error) + Send>;

/// A guest's body, and the guest.
pub(super) struct Streaming {
    body: HyperOutgoingBody,
    /// The guest, as long as it is at work.
    work: Option<Work>,
    /// Between two parts of the body at most this much time may pass.
    pause: Duration,
    patience: Option<Pin<Box<Sleep>>>,
    ongoing: Option<Ongoing>,
    report: Report,
    /// What is still to come, where the head says how much. The server stops asking then.
    remaining: Option<u64>,
    ended: bool,
    /// The guest failed before its body was complete; the client must not take it for complete.
    failed: bool,
    /// What was sent before the failure has had a chance to leave.
    flushed: bool,
}

impl Streaming {
    pub fn new(
        body: HyperOutgoingBody,
        work: Option<Work>,
        remaining: Option<u64>,
        pause: Duration,
        ongoing: Ongoing,
        failed: bool,
        report: impl FnMut(&mut Ongoing, &wasmtime::Error) + Send + 'static,
    ) -> Self {
        let mut streaming = Streaming {
            body,
            work,
            pause,
            patience: None,
            ongoing: Some(ongoing),
            report: Box::new(report),
            remaining,
            ended: false,
            failed,
            flushed: false,
        };
        if streaming.remaining == Some(0) || streaming.is_end_stream() {
            streaming.end();
        }
        streaming
    }

    fn end(&mut self) {
        self.ended = true;
        if let Some(ongoing) = &mut self.ongoing {
            ongoing.account.complete();
        }
    }

    fn cut(&mut self) {
        if let Some(ongoing) = &mut self.ongoing {
            ongoing.account.cut();
        }
    }

    fn poll_work(&mut self, cx: &mut Context<'_>) {
        let Some(work) = &mut self.work else { return };
        if let Poll::Ready(result) = work.as_mut().poll(cx) {
            self.work = None;
            if let (Err(error), Some(ongoing)) = (result, &mut self.ongoing) {
                self.failed = true;
                (self.report)(ongoing, &error);
            }
        }
    }
}

impl Body for Streaming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        // The guest first: what it writes now is sent now.
        this.poll_work(cx);
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.patience = None;
                if let (Some(ongoing), Some(data)) = (&this.ongoing, frame.data_ref())
                    && let Some(content) = &ongoing.account.content
                {
                    content.response_body(data);
                }
                if let (Some(remaining), Some(data)) = (&mut this.remaining, frame.data_ref()) {
                    *remaining = remaining.saturating_sub(data.len() as u64);
                }
                if this.remaining == Some(0) || this.body.is_end_stream() {
                    this.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(code))) => {
                // The guest often has nobody to tell it to: its response was set long ago.
                if let Some(ongoing) = this.ongoing.as_mut().filter(|_| !this.failed) {
                    (this.report)(ongoing, &wasmtime::Error::msg(broken_off(&code, this.remaining)));
                }
                this.cut();
                Poll::Ready(Some(Err(format!("the component failed: {code:?}").into())))
            }
            // What was not finished by the guest ends here, too; only the connection can say so.
            Poll::Ready(None) if this.failed && !this.ended => {
                if !this.flushed {
                    // The server writes what it has while it waits; an error now would discard it.
                    this.flushed = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                this.cut();
                Poll::Ready(Some(Err("the component failed in the middle of its response".into())))
            }
            Poll::Ready(None) => {
                this.end();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let pause = this.pause;
                let patience = this.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
                if patience.as_mut().poll(cx).is_ready() {
                    this.work = None;
                    let text = format!("the component sent nothing for {}", seconds(pause));
                    if let Some(ongoing) = &mut this.ongoing {
                        (this.report)(ongoing, &wasmtime::Error::msg(text.clone()));
                    }
                    this.cut();
                    return Poll::Ready(Some(Err(text.into())));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.failed && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the guest has done with the body of its response, in words.
fn broken_off(code: &Error, remaining: Option<u64>) -> String {
    match (code, remaining) {
        (_, Some(bytes @ 1..)) => {
            format!("the body of its response was {bytes} bytes shorter than its `content-length`")
        }
        (Error::HttpProtocolError, _) => "the body of its response was dropped before it was finished".into(),
        (other, _) => format!("the body of its response was broken off: {other:?}"),
    }
}

fn empty() -> HyperOutgoingBody {
    http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Takes everything that a body gives, and forgets it.
pub(super) async fn drain<B: Body + Unpin>(mut body: B) {
    while let Some(Ok(_)) = body.frame().await {}
}

impl Drop for Streaming {
    /// A guest whose response is complete may have work left (`waitUntil`, a log line); it is
    /// given the time of one request for it. A guest whose client left is dropped.
    fn drop(&mut self) {
        let (Some(work), Some(mut ongoing)) = (self.work.take(), self.ongoing.take()) else { return };
        if !self.ended {
            return;
        }
        let mut report = std::mem::replace(&mut self.report, Box::new(|_, _| ()));
        let pause = self.pause;
        // The server drops the body of a HEAD or 204 response unread, while the guest may be about
        // to write to it: what it writes is taken and thrown away, so that it does not fail.
        let body = std::mem::replace(&mut self.body, empty());
        let rest = async move {
            let both = async move { futures::join!(work, drain(body)).0 };
            if let Ok(Err(error)) = tokio::time::timeout(pause, both).await {
                report(&mut ongoing, &error);
            }
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(rest);
        }
    }
}
