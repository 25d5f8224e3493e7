//! For which request a function of the host is called, in an instance that several requests share.
//!
//! Nothing that runs around such an instance knows it: the guest's tasks take turns inside of it. The engine
//! does, and tells those functions that see their whole store. So the functions by which a guest shows what it
//! does (output, logs, requests that it sends, its own telemetry) are linked anew for such a component; all
//! others stay as they are, and know of no request.

use std::collections::HashMap;
use std::sync::Weak;

use futures::FutureExt;
use tracing::{Instrument, Span};
use wasmtime::component::{Component as Compiled, GuestTaskId, Linker, LinkerInstance, Resource};
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi::p2::DynOutputStream;
use wasmtime_wasi::p2::bindings::io::streams;
use wasmtime_wasi_http::p3::bindings::http::{client, types};
use wasmtime_wasi_http::{WasiHttp, WasiHttpCtxView};

use super::capability::{Capabilities, GuestOf};
use super::guest::Guest;
use super::observer::CallId;
use super::personal;

/// The streams of WASI 0.2, by the name that the upstream linker gives them.
const STREAMS: &str = "wasi:io/streams@0.2.12";
/// Interfaces that are linked anew, without their versions.
const SHOWING: &[&str] = &[
    "wasi:http/client",
    "wasi:http/outgoing-handler",
    "wasi:logging/logging",
    "wasi:otel/logs",
    "wasi:otel/metrics",
    "wasi:otel/tracing",
];

/// The requests that tasks of an instance work for.
#[derive(Default)]
pub struct Callers(HashMap<GuestTaskId, Caller>);

/// One of them. Its span ends with the request, whatever the guest does after it.
#[derive(Clone)]
pub struct Caller {
    pub call: CallId,
    pub span: Weak<Span>,
}

impl Callers {
    /// Says for whom a task works. Its number is given to another task when it has ended, which then is said
    /// anew.
    pub fn insert(&mut self, task: GuestTaskId, caller: Caller) {
        self.0.insert(task, caller);
    }
}

/// Who calls a function of the host now, and in which span; `None` in an instance that has one call at a time.
/// A call and a span that are not known are those of nobody.
fn caller<S: 'static>(store: &mut StoreContextMut<'_, Guest<S>>) -> Option<(CallId, Span)> {
    store.data().callers.as_ref()?;
    let task = store.async_call_stack().ok().and_then(Iterator::last);
    let callers = store.data().callers.as_ref()?;
    let Some(caller) = task.and_then(|task| callers.0.get(&task)) else {
        return Some((CallId::default(), Span::none()));
    };
    let span = caller.span.upgrade().map_or_else(Span::none, |span| (*span).clone());
    Some((caller.call, span))
}

/// Does something for whoever calls the function.
pub fn for_caller<S: 'static, R>(store: &mut StoreContextMut<'_, Guest<S>>, act: impl FnOnce(&mut Guest<S>) -> R) -> R {
    let Some((call, span)) = caller(store) else { return act(store.data_mut()) };
    let guest = store.data_mut();
    guest.output.serve(call);
    let done = span.in_scope(|| act(guest));
    guest.output.serve(CallId::default());
    done
}

/// Links what shows the doings of a component whose instances several requests share.
pub fn link<C: Capabilities>(linker: &mut Linker<GuestOf<C>>, compiled: &Compiled) -> wasmtime::Result<()> {
    let kind = compiled.component_type();
    for (name, _) in kind.imports(compiled.engine()) {
        if SHOWING.contains(&name.split('@').next().unwrap_or(name)) {
            personal::link::<C>(&mut linker.instance(name)?, name, 0)?;
        }
    }
    link_output(&mut linker.instance(STREAMS)?)
}

/// The two functions by which text reaches stdout and stderr.
fn link_output<S: Send + 'static>(instance: &mut LinkerInstance<'_, Guest<S>>) -> wasmtime::Result<()> {
    type Written = (Resource<DynOutputStream>, Vec<u8>);
    type Call<'a, S> = StoreContextMut<'a, Guest<S>>;
    instance.func_wrap("[method]output-stream.write", |mut store: Call<'_, S>, (stream, bytes): Written| {
        let written = for_caller(&mut store, |guest| streams::HostOutputStream::write(&mut guest.table, stream, bytes));
        Ok((or_error(store.data_mut(), written)?,))
    })?;
    instance.func_wrap_async(
        "[method]output-stream.blocking-write-and-flush",
        |mut store: Call<'_, S>, (stream, bytes): Written| {
            Box::new(async move {
                let called = caller(&mut store);
                let guest = store.data_mut();
                let output = guest.output.clone();
                let written = {
                    let writing = streams::HostOutputStream::blocking_write_and_flush(&mut guest.table, stream, bytes);
                    futures::pin_mut!(writing);
                    // Output is written at once. What takes longer is another stream, and others have their turn.
                    let at_once = called.and_then(|(call, _)| {
                        output.serve(call);
                        let written = writing.as_mut().now_or_never();
                        output.serve(CallId::default());
                        written
                    });
                    match at_once {
                        Some(written) => written,
                        None => writing.await,
                    }
                };
                Ok((or_error(store.data_mut(), written)?,))
            })
        },
    )
}

fn or_error<S>(
    guest: &mut Guest<S>,
    written: Result<(), wasmtime_wasi::p2::StreamError>,
) -> wasmtime::Result<Result<(), streams::StreamError>> {
    Ok(match written {
        Ok(()) => Ok(()),
        Err(error) => Err(streams::Host::convert_stream_error(&mut guest.table, error)?),
    })
}

/// Puts `wasi:http/client` of WASI 0.3 into a linker's instance, for the member of the store that `view` finds.
pub fn link_client<S: Send + 'static>(
    instance: &mut LinkerInstance<'_, Guest<S>>,
    view: fn(&mut Guest<S>) -> WasiHttpCtxView<'_>,
) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent("send", move |accessor, (request,): (Resource<_>,)| {
        Box::pin(async move {
            let called = accessor.with(|mut access| caller(&mut access.as_context_mut()));
            let own = accessor.with_getter::<WasiHttp>(view);
            let sending = client::HostWithStore::send(&own, request);
            let sent = match called {
                Some((_, span)) => sending.instrument(span).await,
                None => sending.await,
            };
            let sent: Result<Resource<types::Response>, types::ErrorCode> =
                match sent {
                    Ok(response) => Ok(response),
                    Err(error) => Err(accessor
                        .with(|mut access| types::Host::convert_error_code(&mut view(access.data_mut()), error))?),
                };
            Ok((sent,))
        })
    })
}
