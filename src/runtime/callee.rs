//! Calls that a service makes to components of its workload.
//!
//! A service lives for long, and the components it calls must not: each call has an instance of its
//! own, which is gone afterwards. So these calls go through the host, unlike those between components
//! ([`super::compose`]), and what the callee traps on does not take the service with it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tracing::Instrument;
use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem, Type};
use wasmtime::component::{Component as Compiled, Linker, Val};

use super::capability::{Capabilities, GuestOf};
use super::compose::Link;
use super::cpu;
use super::engine::Engine;
use super::fault;
use super::observer::CallId;
use super::prepare::Prepared;
use super::stdio::CallOutput;
use super::trace;

/// The components that a service may call, as they are now: an edit of one replaces it for the calls
/// that come, and the service goes on.
pub struct Callees<C: Capabilities>(ArcSwap<Vec<Arc<Prepared<C>>>>);

impl<C: Capabilities> Callees<C> {
    /// Of these components.
    pub fn new(components: Vec<Arc<Prepared<C>>>) -> Arc<Self> {
        Arc::new(Callees(ArcSwap::from_pointee(components)))
    }

    /// Puts others in their place.
    pub fn replace(&self, others: &Self) {
        self.0.store(others.0.load_full());
    }

    fn find(&self, name: &str) -> Option<Arc<Prepared<C>>> {
        self.0.load().iter().find(|component| &*component.name == name).cloned()
    }
}

/// An import of a service that a component does not satisfy.
#[derive(Debug)]
pub struct Misfit {
    /// The full name of the import.
    pub import: String,
    /// The component that exports it.
    pub component: String,
    /// Why it does not do.
    pub reason: String,
}

/// Links what a service imports to the components that export it; `names` are theirs, in the order
/// of the links' exporters.
pub fn link<C: Capabilities>(
    linker: &mut Linker<GuestOf<C>>,
    engine: &Engine,
    service: &Compiled,
    links: &[Link],
    names: &[&str],
    callees: &Arc<Callees<C>>,
) -> Result<(), Misfit> {
    for link in links {
        let component = names[link.exporter];
        let misfit = |reason: String| Misfit { import: link.import.clone(), component: component.to_string(), reason };
        let callee = callees.find(component).ok_or_else(|| misfit("it is not called by the host".into()))?;
        let wanted = interface(engine, service, &link.import, Side::Imports);
        let provided = interface(engine, callee.pre().component(), &link.export, Side::Exports);
        let (Some(wanted), Some(provided)) = (wanted, provided) else { continue };
        linker.allow_shadowing(true);
        let mut instance = linker.instance(&link.import).map_err(|error| misfit(format!("{error:#}")))?;
        for (function, kind) in functions(engine, &wanted) {
            let fits = functions(engine, &provided).into_iter().find(|(name, _)| *name == function);
            let Some((_, other)) = fits else {
                return Err(misfit(format!("it lacks the function `{function}`")));
            };
            if let Some(reason) = refusal(&kind, &other) {
                return Err(misfit(format!("`{function}` {reason}")));
            }
            let call = Arc::new(Call {
                callees: callees.clone(),
                component: component.to_string(),
                interface: link.export.clone(),
                function: function.clone(),
            });
            instance
                .func_new_async(&function, move |_, kind, arguments, results| {
                    let call = call.clone();
                    Box::new(async move { call.make(&kind, arguments, results).await })
                })
                .map_err(|error| misfit(format!("{error:#}")))?;
        }
        linker.allow_shadowing(false);
    }
    Ok(())
}

enum Side {
    Imports,
    Exports,
}

fn interface(engine: &Engine, component: &Compiled, name: &str, side: Side) -> Option<ComponentInstance> {
    let kind = component.component_type();
    let found = match side {
        Side::Imports => kind.get_import(engine.wasmtime(), name),
        Side::Exports => kind.get_export(engine.wasmtime(), name),
    };
    match found?.ty {
        ComponentItem::ComponentInstance(instance) => Some(instance),
        _ => None,
    }
}

fn functions(engine: &Engine, interface: &ComponentInstance) -> Vec<(String, ComponentFunc)> {
    let function = |(name, item): (&str, wasmtime::component::types::ComponentExtern<'_>)| match item.ty {
        ComponentItem::ComponentFunc(function) => Some((name.to_string(), function)),
        _ => None,
    };
    interface.exports(engine.wasmtime()).filter_map(function).collect()
}

/// Why a function cannot be called from a service.
fn refusal(wanted: &ComponentFunc, provided: &ComponentFunc) -> Option<String> {
    let types = || wanted.params().map(|(_, kind)| kind).chain(wanted.results());
    if let Some(what) = types().find_map(|kind| tied_to_a_store(&kind)) {
        return Some(format!("passes {what}, which cannot cross from a service to a component"));
    }
    if wanted.async_() || provided.async_() {
        return Some("is asynchronous, which is not supported yet between a service and a component".into());
    }
    let same = wanted.params().map(|(_, kind)| kind).eq(provided.params().map(|(_, kind)| kind))
        && wanted.results().eq(provided.results());
    (!same).then(|| "has other parameters or results than the service expects".into())
}

/// What belongs to one store and so to one instance.
fn tied_to_a_store(kind: &Type) -> Option<&'static str> {
    match kind {
        Type::Own(_) | Type::Borrow(_) => Some("a resource"),
        Type::Future(_) => Some("a future"),
        Type::Stream(_) => Some("a stream"),
        Type::ErrorContext => Some("an error context"),
        Type::List(list) => tied_to_a_store(&list.ty()),
        Type::FixedLengthList(list) => tied_to_a_store(&list.ty()),
        Type::Map(map) => tied_to_a_store(&map.key()).or_else(|| tied_to_a_store(&map.value())),
        Type::Record(record) => record.fields().find_map(|field| tied_to_a_store(&field.ty)),
        Type::Tuple(tuple) => tuple.types().find_map(|kind| tied_to_a_store(&kind)),
        Type::Variant(variant) => variant.cases().find_map(|case| case.ty.as_ref().and_then(tied_to_a_store)),
        Type::Option(option) => tied_to_a_store(&option.ty()),
        Type::Result(result) => [result.ok(), result.err()].iter().flatten().find_map(tied_to_a_store),
        _ => None,
    }
}

/// One function of one component.
struct Call<C: Capabilities> {
    callees: Arc<Callees<C>>,
    component: String,
    interface: String,
    function: String,
}

impl<C: Capabilities> Call<C> {
    async fn make(&self, kind: &ComponentFunc, arguments: &[Val], results: &mut [Val]) -> wasmtime::Result<()> {
        let Some(callee) = self.callees.find(&self.component) else {
            return self.failed(kind, "the component is not there any more".into(), results);
        };
        let output = callee.output();
        let span = trace::called(&callee.name, &self.interface, &self.function);
        output.serve(CallId::next(trace::id(&span)));
        let limit = callee.limits.request_time;
        let call = self.call(&callee, &output, arguments, results).instrument(span.clone());
        let call = cpu::held(callee.cpu(), Box::pin(call));
        let error = match tokio::time::timeout(limit, call).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => wasmtime::Error::msg(format!("no end within {} seconds", limit.as_secs_f64())),
        };
        trace::record_error(&span, "component_failed");
        let what = format!("{}#{}, called by the service,", self.interface, self.function);
        let fault = fault::describe(&callee.name, what, &error, output.finish());
        let reason = fault.reason.clone();
        callee.observer().fault(fault);
        self.failed(kind, reason, results)
    }

    /// Each call has an instance of its own.
    async fn call(
        &self,
        callee: &Prepared<C>,
        output: &Arc<CallOutput>,
        arguments: &[Val],
        results: &mut [Val],
    ) -> wasmtime::Result<()> {
        let mut store = callee.store(output)?;
        let instantiated = callee.pre().instantiate_async(&mut store).instrument(trace::instantiate(&callee.name));
        let instance = instantiated.await?;
        let missing = || wasmtime::Error::msg(format!("it does not export `{}#{}`", self.interface, self.function));
        let interface = instance.get_export_index(&mut store, None, &self.interface).ok_or_else(missing)?;
        let index = instance.get_export_index(&mut store, Some(&interface), &self.function).ok_or_else(missing)?;
        let function = instance.get_func(&mut store, index).ok_or_else(missing)?;
        function.call_async(&mut store, arguments, results).await
    }

    /// Makes a failure the result of the call, where its type has room for it. Elsewhere it ends the
    /// service, since a call without a result cannot be gone on from.
    fn failed(&self, kind: &ComponentFunc, reason: String, results: &mut [Val]) -> wasmtime::Result<()> {
        let reason = format!("calling `{}#{}` of `{}` failed: {reason}", self.interface, self.function, self.component);
        match (kind.results().next(), results) {
            (Some(Type::Result(kind)), [result]) if let Some(error) = error_of(kind.err(), &reason) => {
                *result = Val::Result(Err(error));
                Ok(())
            }
            _ => Err(wasmtime::Error::msg(reason)),
        }
    }
}

/// Cases of a variant that stand for what nobody has foreseen.
const UNFORESEEN: &[&str] = &["other", "internal", "internal-error", "unknown", "failed", "error", "unexpected"];

/// An error of this type that says why; `None` if the type has no such.
fn error_of(kind: Option<Type>, reason: &str) -> Option<Option<Box<Val>>> {
    let Some(kind) = kind else { return Some(None) };
    let value = match kind {
        Type::String => Val::String(reason.to_string()),
        Type::Variant(variant) => {
            let text = |case: &wasmtime::component::types::Case<'_>| matches!(case.ty, Some(Type::String));
            let named = |case: &wasmtime::component::types::Case<'_>| UNFORESEEN.contains(&case.name);
            let cases: Vec<_> = variant.cases().collect();
            let with_text = cases.iter().find(|case| text(case) && named(case));
            match with_text.or_else(|| cases.iter().find(|case| text(case))) {
                Some(case) => Val::Variant(case.name.to_string(), Some(Box::new(Val::String(reason.to_string())))),
                None => {
                    let bare = cases.iter().find(|case| case.ty.is_none() && named(case))?;
                    Val::Variant(bare.name.to_string(), None)
                }
            }
        }
        Type::Enum(names) => Val::Enum(names.names().find(|name| UNFORESEEN.contains(name))?.to_string()),
        _ => return None,
    };
    Some(Some(Box::new(value)))
}
