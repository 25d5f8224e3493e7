//! Kept instances of WASI 0.3 that work on several requests at the same time.
//!
//! Such an instance has a task of its own, since no request's connection can drive what belongs to
//! all of them. A request that is over leaves the instance to the others. One that was too slow, or
//! whose client left in the middle, cannot be ended by itself (the engine has no way to cancel one
//! task of a guest): the instance takes no more requests, finishes the others that it has, and is
//! dropped with what is left of the one. A trap ends the instance and every request that it has.

use std::collections::HashMap;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::channel::oneshot::channel;
use futures::stream::FuturesUnordered;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tracing::Span;
use wasmtime::AsContextMut;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::handler::{Prepared as Call, Proxy, ProxyPre};
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::admission::Limited;
use super::call::Work;
use super::instance::{self, Answer};
use crate::runtime::caller::{self, Callers};
use crate::runtime::capability::{Capabilities, GuestOf};
use crate::runtime::cpu;
use crate::runtime::fault::OfInstance;
use crate::runtime::observer::CallId;
use crate::runtime::prepare::Prepared;
use crate::runtime::stdio::CallOutput;

/// The instances of one component that are shared.
pub struct Shared<C: Capabilities> {
    component: Arc<Prepared<C>>,
    pre: Arc<ProxyPre<GuestOf<C>>>,
    /// The most instances.
    instances: usize,
    /// The most requests of one instance at a time.
    requests: usize,
    places: Mutex<Vec<Arc<Place>>>,
}

/// Room for one request in an instance.
pub struct Turn(Caller);

/// One instance, for those that have it work. Its task ends when all of these are gone.
struct Place {
    jobs: mpsc::UnboundedSender<Job>,
    output: Arc<CallOutput>,
    common: Arc<Common>,
}

/// What both sides know.
struct Common {
    state: Mutex<State>,
    /// Something about `state` has changed that the instance's task should look at.
    changed: Notify,
    /// Why it failed, once it has.
    failure: watch::Sender<Option<OfInstance>>,
}

#[derive(Default)]
struct State {
    /// Requests that somebody waits for.
    callers: usize,
    /// It takes no more requests.
    retired: bool,
    /// The guest has nothing to do.
    quiet: bool,
    /// Since when nobody waits, if nobody does.
    idle_since: Option<Instant>,
    /// Who has no answer yet.
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    next: u64,
}

struct Job {
    number: u64,
    request: Request<Limited>,
    scheme: Scheme,
    body_gone: oneshot::Sender<()>,
    /// The request, for what the guest does for it.
    caller: caller::Caller,
}

impl<C: Capabilities> Shared<C> {
    /// So many instances at most, each with so many requests at a time.
    pub fn new(component: Arc<Prepared<C>>, pre: Arc<ProxyPre<GuestOf<C>>>, instances: usize, requests: usize) -> Self {
        Shared { component, pre, instances, requests, places: Mutex::default() }
    }

    /// Finds an instance that has room for a request, or makes one, if there may be one more. Must be
    /// called on a serving thread, which then drives a new instance.
    pub fn turn(&self) -> Option<Turn> {
        self.find().map(|place| Turn(Caller { place, number: 0, finished: false }))
    }

    /// An instance with room, counted in.
    fn find(&self) -> Option<Arc<Place>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place| !place.common.lock().retired);
        let has_room = |place: &&Arc<Place>| {
            let mut state = place.common.lock();
            let room = !state.retired && state.callers < self.requests;
            if room {
                state.callers += 1;
            }
            room
        };
        if let Some(place) = places.iter().find(has_room) {
            return Some(place.clone());
        }
        if places.len() >= self.instances {
            return None;
        }
        let (jobs, waiting) = mpsc::unbounded_channel();
        let place = Arc::new(Place {
            jobs,
            output: self.component.output(),
            common: Arc::new(Common {
                state: Mutex::new(State { callers: 1, ..State::default() }),
                changed: Notify::new(),
                failure: watch::Sender::new(None),
            }),
        });
        let instance = Driven {
            component: self.component.clone(),
            pre: self.pre.clone(),
            output: place.output.clone(),
            common: place.common.clone(),
        };
        tokio::spawn(instance.run(waiting));
        places.push(place.clone());
        Some(place)
    }
}

impl Turn {
    /// Hands the request to the instance. Dropping the work gives the request up.
    pub fn begin(
        self,
        request: Request<Limited>,
        scheme: Scheme,
        send: oneshot::Sender<Answer>,
        call: CallId,
        span: Span,
    ) -> (Work, Arc<CallOutput>) {
        let Turn(mut caller) = self;
        // The guest is nowhere in it, but what it does for the request finds it. It ends with the work.
        let span = Arc::new(span);
        let of_guest = caller::Caller { call, span: Arc::downgrade(&span) };
        let place = caller.place.clone();
        let (body_gone, gone) = oneshot::channel();
        let failure = place.common.failure.subscribe();
        caller.number = place.common.lock().admit(send);
        if place.jobs.send(Job { number: caller.number, request, scheme, body_gone, caller: of_guest }).is_err() {
            // Its thread has ended just now, and with it the server: there is nobody to answer to.
            place.common.fail(wasmtime::Error::msg("the server stopped"), Vec::new());
        }
        let work = async move {
            let _until_then = span;
            wait(caller, gone, failure).await
        };
        (Box::pin(work), place.output.clone())
    }
}

impl Common {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every request that the instance has, with the reason and the guest's last words.
    fn fail(&self, error: wasmtime::Error, stderr: Vec<String>) {
        let (several, waiting) = {
            let mut state = self.lock();
            state.retired = true;
            (state.callers > 1, std::mem::take(&mut state.waiting))
        };
        let failure = OfInstance { error: Arc::new(error), several, stderr: stderr.into() };
        self.failure.send_replace(Some(failure.clone()));
        for (_, send) in waiting {
            let _ = send.send(Err(wasmtime::Error::new(failure.clone())));
        }
    }
}

impl State {
    fn admit(&mut self, send: oneshot::Sender<Answer>) -> u64 {
        self.next += 1;
        self.quiet = false;
        self.idle_since = None;
        self.waiting.insert(self.next, send);
        self.next
    }
}

/// A request that somebody waits for.
struct Caller {
    place: Arc<Place>,
    number: u64,
    /// The response was complete.
    finished: bool,
}

impl Drop for Caller {
    fn drop(&mut self) {
        let mut state = self.place.common.lock();
        state.callers -= 1;
        if state.callers == 0 {
            state.idle_since = Some(Instant::now());
        }
        state.waiting.remove(&self.number);
        state.retired |= !self.finished;
        drop(state);
        self.place.common.changed.notify_one();
    }
}

/// The work on a request, as the request sees it: it ends with the response's body, or fails with
/// the instance.
async fn wait(
    mut caller: Caller,
    gone: oneshot::Receiver<()>,
    mut failure: watch::Receiver<Option<OfInstance>>,
) -> wasmtime::Result<()> {
    let failed = async {
        match failure.wait_for(Option::is_some).await {
            Ok(failure) => failure.clone(),
            Err(_) => None,
        }
    };
    tokio::select! {
        biased;
        failed = failed => Err(match failed {
            Some(failure) => wasmtime::Error::new(failure),
            None => wasmtime::Error::msg("the instance ended"),
        }),
        // It is only dropped when the instance fails, which is told a moment later.
        Ok(()) = gone => {
            caller.finished = true;
            Ok(())
        }
    }
}

/// A body that says when nobody wants more of it.
struct Tracked {
    body: HyperOutgoingBody,
    gone: Option<oneshot::Sender<()>>,
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = <HyperOutgoingBody as Body>::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if let Some(gone) = self.gone.take() {
            let _ = gone.send(());
        }
    }
}

/// The instance's side.
struct Driven<C: Capabilities> {
    component: Arc<Prepared<C>>,
    pre: Arc<ProxyPre<GuestOf<C>>>,
    output: Arc<CallOutput>,
    common: Arc<Common>,
}

impl<C: Capabilities> Driven<C> {
    /// Lives until nobody needs the instance any more.
    async fn run(self, jobs: mpsc::UnboundedReceiver<Job>) {
        let (common, patience) = (self.common.clone(), self.component.limits.request_time);
        // Should the thread's runtime end before this does, nobody is left waiting.
        let _end = End(common.clone());
        let share = self.component.cpu().cloned();
        let work = cpu::held(share.as_ref(), Box::pin(self.work(jobs)));
        tokio::select! {
            () = work => {}
            () = unneeded(&common, patience) => {}
        }
    }

    async fn work(self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        let made = async {
            let mut store = self.component.store(&self.output)?;
            store.data_mut().callers = Some(Callers::default());
            let proxy = self.pre.instantiate_async(&mut store).await?;
            wasmtime::error::Ok((store, proxy))
        };
        let (mut store, proxy) = match made.await {
            Ok(made) => made,
            Err(error) => return self.common.fail(error, self.output.finish().stderr),
        };
        let common = &self.common;
        let proxy = &proxy;
        let ended = store.run_concurrent(async move |accessor| {
            let mut calls = FuturesUnordered::new();
            let mut more = true;
            loop {
                let quiet = common.lock().quiet;
                if !more && calls.is_empty() && quiet {
                    return wasmtime::error::Ok(());
                }
                tokio::select! {
                    biased;
                    Some(called) = calls.next(), if !calls.is_empty() => called?,
                    job = jobs.recv(), if more => match job {
                        Some(job) => calls.push(answer::<C>(accessor, proxy, common, job)),
                        None => more = false,
                    },
                    () = poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)), if calls.is_empty() && !quiet => {
                        common.lock().quiet = true;
                    }
                }
            }
        });
        // The requests learn of it before the store goes, and with it the bodies that it fills.
        match ended.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) | Err(error) => self.common.fail(error, self.output.finish().stderr),
        }
    }
}

async fn answer<C: Capabilities>(
    accessor: &Accessor<GuestOf<C>>,
    proxy: &Proxy,
    common: &Common,
    job: Job,
) -> wasmtime::Result<()> {
    let Job { number, request, scheme, body_gone, caller } = job;
    let answered = |answer: Answer| {
        let waiting = common.lock().waiting.remove(&number);
        if let Some(send) = waiting {
            let _ = send.send(answer);
        }
    };
    let request = match instance::complete(request, &scheme) {
        Ok(request) => request,
        Err(error) => {
            answered(Err(error));
            let _ = body_gone.send(());
            return Ok(());
        }
    };
    let (send, receive) = channel();
    let call = accessor.with(|mut access| {
        let call = Call::new(access.as_context_mut(), proxy, request, instance::http_of::<C>, send)?;
        if let (Call::P3 { call, .. }, Some(callers)) = (&call, &mut access.data_mut().callers) {
            callers.insert(call.task(), caller);
        }
        wasmtime::error::Ok(call)
    })?;
    let pass_on = async {
        match receive.await {
            Ok(Ok(response)) => {
                let track = |body| Tracked { body, gone: Some(body_gone) }.boxed_unsync();
                answered(Ok(response.map(track)));
            }
            // An error in place of a response is no fault of the instance.
            Ok(Err(error)) => {
                answered(Err(error));
                let _ = body_gone.send(());
            }
            Err(_) => {}
        }
    };
    let (called, ()) = futures::join!(call.run(accessor, pending()), pass_on);
    called.map(drop)
}

/// Waits until an instance that takes no more requests has none left, or one without requests has
/// gone on working for longer than a request may take. Looked at from outside, since an instance that
/// loops looks at nothing.
async fn unneeded(common: &Common, patience: Duration) {
    loop {
        // How long it may go on without a request; `None`: it need not, or somebody waits.
        let rest = {
            let mut state = common.lock();
            let rest = match state.idle_since {
                Some(since) if !state.quiet => Some(patience.saturating_sub(since.elapsed())),
                _ => None,
            };
            state.retired |= rest == Some(Duration::ZERO);
            if state.retired && state.callers == 0 {
                return;
            }
            rest
        };
        match rest {
            None => common.changed.notified().await,
            Some(rest) => {
                let _ = tokio::time::timeout(rest, common.changed.notified()).await;
            }
        }
    }
}

struct End(Arc<Common>);

impl Drop for End {
    fn drop(&mut self) {
        let callers = {
            let mut state = self.0.lock();
            state.retired = true;
            state.callers
        };
        if callers > 0 && self.0.failure.borrow().is_none() {
            self.0.fail(wasmtime::Error::msg("the server stopped"), Vec::new());
        }
    }
}
