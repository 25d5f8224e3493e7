//! An instance of a component that answers HTTP requests, of either generation of WASI.

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot::channel;
use http::{Request, Response, uri};
use http_body_util::BodyExt;
use tokio::sync::oneshot::Sender;
use wasmtime::{AsContextMut, Store};
use wasmtime_wasi_http::handler::{Prepared as Call, Proxy, ProxyPre};
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView, p2, p3};

use super::admission::Limited;
use crate::runtime::capability::{Capabilities, GuestOf};
use crate::runtime::guest::Guest;
use crate::runtime::prepare::Prepared;
use crate::runtime::stdio::CallOutput;

/// What a guest answers: a response, or why there is none.
pub type Answer = wasmtime::Result<Response<HyperOutgoingBody>>;

/// An instance with its store.
pub struct Instance<C: Capabilities> {
    store: Store<GuestOf<C>>,
    proxy: Proxy,
    /// What it writes, for as long as it lives.
    pub output: Arc<CallOutput>,
    /// How many requests it has answered.
    pub served: u64,
}

/// Makes a component answer requests, through whichever interface it exports.
pub fn pre<C: Capabilities>(component: &Prepared<C>) -> wasmtime::Result<ProxyPre<GuestOf<C>>> {
    let pre = component.pre().clone();
    Ok(if component.exports("wasi:http/handler@0.3") {
        ProxyPre::P3(p3::bindings::ServicePre::new(pre)?)
    } else {
        ProxyPre::P2(p2::bindings::ProxyPre::new(pre)?)
    })
}

impl<C: Capabilities> Instance<C> {
    /// A new one.
    pub async fn new(
        component: &Prepared<C>,
        pre: &ProxyPre<GuestOf<C>>,
        output: Arc<CallOutput>,
    ) -> wasmtime::Result<Self> {
        let mut store = component.store(&output)?;
        let proxy = pre.instantiate_async(&mut store).await?;
        Ok(Instance { store, proxy, output, served: 0 })
    }

    /// Has it answer a request. The answer is sent as soon as its head is there; this ends when the
    /// guest has done all that it has to do. Returns whether it may be asked again.
    pub async fn answer(
        &mut self,
        request: Request<Limited>,
        scheme: Scheme,
        send: Sender<Answer>,
    ) -> wasmtime::Result<bool> {
        let reusable = match &self.proxy {
            Proxy::P2(proxy) => {
                let mut http = self.store.data_mut().http();
                let request = http.new_incoming_request(scheme, request)?;
                let out = http.new_response_outparam_from_callback(|answer| {
                    // Nobody waits any more: the client has left, or its time was over.
                    let _ = send.send(
                        answer
                            .map_err(|code| wasmtime::Error::msg(format!("it answered with the error code {code:?}"))),
                    );
                })?;
                proxy.wasi_http_incoming_handler().call_handle(&mut self.store, request, out).await?;
                true
            }
            proxy @ Proxy::P3(_) => {
                let request = complete(request, &scheme)?;
                let done = self.store.run_concurrent(async move |accessor| {
                    let (tx, rx) = channel();
                    let call = accessor
                        .with(|mut access| Call::new(access.as_context_mut(), proxy, request, http_of::<C>, tx))?;
                    let pass_on = async {
                        let Ok(answer) = rx.await else { return false };
                        let well = answer.is_ok();
                        let _ = send.send(answer);
                        well
                    };
                    let (called, well) = futures::join!(call.run(accessor, pending()), pass_on);
                    called?;
                    if well {
                        // The guest writes the body, and whatever else it has begun.
                        poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
                    }
                    wasmtime::error::Ok(well)
                });
                done.await??
            }
        };
        self.served += 1;
        Ok(reusable)
    }
}

/// Where the interfaces of HTTP find their state.
pub fn http_of<C: Capabilities>(guest: &mut GuestOf<C>) -> WasiHttpCtxView<'_> {
    Guest::http(guest)
}

/// WASI 0.3 takes scheme and authority from the request's URI, where HTTP/1.1 does not have them.
pub fn complete(request: Request<Limited>, scheme: &Scheme) -> wasmtime::Result<wasmtime_wasi_http::handler::Request> {
    let (mut head, body) = request.into_parts();
    let mut parts = head.uri.into_parts();
    parts.scheme = Some(match scheme {
        Scheme::Https => uri::Scheme::HTTPS,
        _ => uri::Scheme::HTTP,
    });
    if parts.authority.is_none() {
        let host = head.headers.get(http::header::HOST);
        let host =
            host.ok_or_else(|| wasmtime::Error::msg("the request has neither an authority nor a host header"))?;
        parts.authority = Some(uri::Authority::try_from(host.as_bytes())?);
    }
    if parts.path_and_query.is_none() {
        parts.path_and_query = Some(uri::PathAndQuery::from_static("/"));
    }
    head.uri = uri::Uri::from_parts(parts)?;
    Ok(Request::from_parts(head, body.boxed_unsync()))
}

/// Instances that have answered and may answer again.
pub struct Warm<C: Capabilities> {
    idle: Mutex<Vec<Instance<C>>>,
    most: usize,
}

impl<C: Capabilities> Warm<C> {
    /// Keeps so many at most; 0: none.
    pub fn new(most: usize) -> Self {
        Warm { idle: Mutex::default(), most }
    }

    /// The one that was used last: its memory is the most likely to be in a cache.
    pub fn take(&self) -> Option<Instance<C>> {
        if self.most == 0 { None } else { self.lock().pop() }
    }

    /// Keeps an instance that has done all that it had to do, if there is room.
    pub fn keep(&self, instance: Instance<C>) {
        let mut idle = self.lock();
        if idle.len() < self.most {
            idle.push(instance);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Instance<C>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
