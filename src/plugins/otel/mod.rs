//! `wasi:otel`: spans, log records and metrics that a component makes itself, passed on to the
//! observer in the form that collectors take.
//!
//! [`outer-span-context`](tracing::Host::outer_span_context) tells it the span of its call, so that its
//! own spans stand below that one.

mod convert;

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{HasData, Linker, LinkerInstance};

use super::bindings::wasi::otel::{logs, metrics, tracing, types};
use super::entry;
use crate::error::Result;
use crate::runtime::caller::for_caller;
use crate::runtime::guest::Guest;
use crate::runtime::observer::{GuestSignal, GuestSignalKind, Observer};
use crate::runtime::trace;
use crate::runtime::workload::{Component, Workload};

/// What a component is given.
pub struct ForComponent {
    component: Arc<str>,
    observer: Arc<dyn Observer>,
}

/// What a call of the interface needs of its store.
pub struct Recorder<'a>(pub &'a ForComponent);

/// Stands for [`Recorder`] where the bindings ask for a type without a lifetime.
struct Recorders;

impl HasData for Recorders {
    type Data<'a> = Recorder<'a>;
}

/// Validates the workload's entries for `wasi:otel`.
pub fn configure(workload: &Workload, component: &Component, observer: &Arc<dyn Observer>) -> Result<ForComponent> {
    for entry in entry::of(workload, "wasi", "otel") {
        entry::check_settings(entry, &[])?;
    }
    Ok(ForComponent { component: component.name.as_str().into(), observer: observer.clone() })
}

/// Puts the interfaces into a linker.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, recorder: fn(&mut T) -> Recorder<'_>) -> wasmtime::Result<()> {
    types::add_to_linker::<T, Recorders>(linker, recorder)?;
    tracing::add_to_linker::<T, Recorders>(linker, recorder)?;
    logs::add_to_linker::<T, Recorders>(linker, recorder)?;
    metrics::add_to_linker::<T, Recorders>(linker, recorder)
}

/// Puts one of the interfaces into a linker's instance, for a store that holds several components or
/// has several calls: `recorder` finds the one that calls.
pub fn link_personal<S: Send + 'static>(
    instance: &mut LinkerInstance<'_, Guest<S>>,
    interface: &str,
    recorder: impl for<'a> Fn(&'a mut Guest<S>) -> Recorder<'a> + Copy + Send + Sync + 'static,
) -> wasmtime::Result<()> {
    type Call<'a, S> = StoreContextMut<'a, Guest<S>>;
    match interface {
        "wasi:otel/logs" => {
            instance.func_wrap("on-emit", move |mut store: Call<'_, S>, (record,): (logs::LogRecord,)| {
                for_caller(&mut store, |guest| logs::Host::on_emit(&mut recorder(guest), record))
            })
        }
        "wasi:otel/metrics" => {
            instance.func_wrap("export", move |mut store: Call<'_, S>, (all,): (metrics::ResourceMetrics,)| {
                for_caller(&mut store, |guest| Ok((metrics::Host::export(&mut recorder(guest), all)?,)))
            })
        }
        _ => {
            instance.func_wrap("on-start", move |mut store: Call<'_, S>, (context,): (tracing::SpanContext,)| {
                for_caller(&mut store, |guest| tracing::Host::on_start(&mut recorder(guest), context))
            })?;
            instance.func_wrap("on-end", move |mut store: Call<'_, S>, (span,): (tracing::SpanData,)| {
                for_caller(&mut store, |guest| tracing::Host::on_end(&mut recorder(guest), span))
            })?;
            instance.func_wrap("outer-span-context", move |mut store: Call<'_, S>, (): ()| {
                for_caller(&mut store, |guest| Ok((tracing::Host::outer_span_context(&mut recorder(guest))?,)))
            })
        }
    }
}

impl types::Host for Recorder<'_> {}

impl tracing::Host for Recorder<'_> {
    /// Spans are recorded when they end.
    fn on_start(&mut self, _: tracing::SpanContext) -> wasmtime::Result<()> {
        Ok(())
    }

    fn on_end(&mut self, span: tracing::SpanData) -> wasmtime::Result<()> {
        let Recorder(ForComponent { component, observer }) = self;
        if !span.span_context.trace_flags.contains(tracing::TraceFlags::SAMPLED) {
            return Ok(());
        }
        if observer.wants(GuestSignalKind::Span) {
            match convert::span(span, component) {
                Some(span) => observer.signal(GuestSignal::Span(Box::new(span))),
                None => ::tracing::debug!("a span of `{component}` has identifiers that are none"),
            }
        }
        Ok(())
    }

    fn outer_span_context(&mut self) -> wasmtime::Result<tracing::SpanContext> {
        let (id, trace_state) = trace::current().unzip();
        let sampled = id.is_some_and(|id| id.sampled);
        Ok(tracing::SpanContext {
            // Without a trace, the identifiers that stand for none.
            trace_id: format!("{:032x}", id.map_or(0, |id| id.trace)),
            span_id: format!("{:016x}", id.map_or(0, |id| id.span)),
            trace_flags: if sampled { tracing::TraceFlags::SAMPLED } else { tracing::TraceFlags::empty() },
            is_remote: true,
            trace_state: trace_state.unwrap_or_default(),
        })
    }
}

impl logs::Host for Recorder<'_> {
    fn on_emit(&mut self, record: logs::LogRecord) -> wasmtime::Result<()> {
        let Recorder(ForComponent { component, observer }) = self;
        if observer.wants(GuestSignalKind::Log) {
            let (resource, record) = convert::record(record, component);
            observer.signal(GuestSignal::Log(resource, Box::new(record)));
        }
        Ok(())
    }
}

impl metrics::Host for Recorder<'_> {
    fn export(&mut self, metrics: metrics::ResourceMetrics) -> wasmtime::Result<Result<(), String>> {
        let Recorder(ForComponent { component, observer }) = self;
        if observer.wants(GuestSignalKind::Metrics) {
            observer.signal(GuestSignal::Metrics(Box::new(convert::metrics(metrics, component))));
        }
        Ok(Ok(()))
    }
}
