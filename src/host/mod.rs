//! Running workloads: start, replace, stop.
//!
//! Knows where components come from as little as who asked for them. [`workloads::Host`] is what
//! others see of it: many workloads, each with its name and state. Below that, [`Core::make_ready`]
//! does all the work that can fail; [`Slot::activate_then`] replaces what serves, in one step that cannot.

pub mod access;
pub mod builder;
mod code;
pub mod graph;
pub mod http;
pub mod link;
mod machine;
mod messages;
mod plan;
pub mod routers;
mod service;
pub mod types;
mod watches;
pub mod workloads;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use wasmtime::component::Linker;

use crate::error::{Error, Result};
use crate::plugins::Installed;
use crate::runtime::callee::{self, Callees};
use crate::runtime::capability::GuestOf;
use crate::runtime::compose::{self, ComposeError, Link, Part, SOCKETS_OF_0_3};
use crate::runtime::cpu::CpuShare;
use crate::runtime::engine::Engine;
use crate::runtime::http::call::HttpComponent;
use crate::runtime::limits::Limits;
use crate::runtime::network::loopback::Seat;
use crate::runtime::network::{Outbound, OutboundOptions};
use crate::runtime::observer::{Observer, ServiceRecord, WorkloadNotice};
use crate::runtime::prepare::{self, PrepareError, Prepared, Surroundings};
use crate::runtime::workload::{Component, Workload};
use code::{Compiled, Shelf};
use graph::Graph;
use link::{LinkReport, Problem, Unmet};
use plan::Unit;
use service::{Place, ReadyService};

/// Makes workloads ready to run in this process.
pub struct Core {
    engine: Engine,
    linker: Linker<GuestOf<Installed>>,
    capabilities: ArcSwap<Installed>,
    outbound: ArcSwap<Outbound>,
    observer: Arc<dyn Observer>,
    compiled: Shelf,
}

/// Why a workload cannot be made ready.
#[derive(Debug)]
pub(crate) enum StartError {
    /// Imports that nobody provides, all of them.
    Link(LinkReport),
    /// Anything else.
    Other(Error),
}

impl From<Error> for StartError {
    fn from(error: Error) -> Self {
        StartError::Other(error)
    }
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Link(report) => report.into(),
            StartError::Other(error) => error,
        }
    }
}

/// A workload that is ready to serve, and serves once it is activated.
pub struct Ready {
    workload: Workload,
    generation: u64,
    http: Option<HttpComponent<Installed>>,
    messages: messages::Handlers,
    members: Vec<Arc<Prepared<Installed>>>,
    service: Option<ReadyService>,
    seat: Seat,
    watches: watches::Watches,
    graph: Graph,
    /// Held, so that another workload of the same component gets the same code.
    _code: Vec<Arc<Compiled>>,
    /// How long each stage took.
    pub times: Times,
}

/// How long it took to make a workload ready.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// To machine code, or from the cache.
    pub compile: Duration,
    /// Imports, configuration, and one instance of each component.
    pub link: Duration,
}

impl Ready {
    /// Which version of the workload this is.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// What runs, without the bytes of its components.
    pub fn workload(&self) -> &Workload {
        &self.workload
    }

    /// Who calls whom in it.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What the host calls: a component with all that it reaches is one of them.
    pub fn members(&self) -> &[Arc<Prepared<Installed>>] {
        &self.members
    }

    /// The component that answers HTTP requests, if one does.
    pub fn http(&self) -> Option<&HttpComponent<Installed>> {
        self.http.as_ref()
    }

    /// Tells, when this is dropped, whether calls still run on it.
    pub fn remains(&self) -> Remains {
        Remains(self.members.iter().map(Arc::downgrade).collect())
    }
}

/// What is left of a version that does not serve any more.
pub struct Remains(Vec<Weak<Prepared<Installed>>>);

impl Remains {
    /// Whether every call on it has ended and its memory is free.
    pub fn are_gone(&self) -> bool {
        self.0.iter().all(|member| member.strong_count() == 0)
    }
}

impl Core {
    /// A host with these capabilities.
    pub fn new(engine: Engine, capabilities: Installed, observer: Arc<dyn Observer>) -> Result<Self> {
        let mut linker = prepare::linker::<Installed>(&engine)?;
        capabilities.link_plugins(&mut linker)?;
        Ok(Core {
            engine,
            linker,
            capabilities: ArcSwap::from_pointee(capabilities),
            outbound: ArcSwap::from_pointee(Outbound::new(&OutboundOptions::default())?),
            observer,
            compiled: Shelf::default(),
        })
    }

    /// The capabilities that workloads get.
    pub fn capabilities(&self) -> Arc<Installed> {
        self.capabilities.load_full()
    }

    /// Gives other capabilities to the workloads that are made ready from now on.
    pub fn replace_capabilities(&self, capabilities: Installed) {
        self.capabilities.store(Arc::new(capabilities));
    }

    /// Gives other means for outgoing connections (proxies, trusted authorities, fixed names) to the
    /// workloads that are made ready from now on.
    pub fn replace_outbound(&self, outbound: Outbound) {
        self.outbound.store(Arc::new(outbound));
    }

    /// Compiles, links and configures a workload, and instantiates each of its components once.
    /// What runs now is not touched.
    pub(crate) async fn make_ready(
        self: &Arc<Self>,
        workload: Workload,
        generation: u64,
        limits: Limits,
    ) -> Result<Ready, StartError> {
        let begun = Instant::now();
        let plan = plan::plan(&workload.components, workload.service.as_ref().map(|service| &service.component));
        let plan = plan.map_err(|unmet| StartError::Link(LinkReport { unmet }))?;
        let units = &plan.units;
        let mut compiled = Vec::new();
        for unit in units {
            let components = unit.members.iter().map(|index| workload.components[*index].clone()).collect();
            compiled.push(self.compile_together(components, unit).await?);
        }
        let compiled_service = match &workload.service {
            Some(service) => {
                let alone = Unit { members: vec![0], links: Vec::new() };
                Some((service, self.compile_together(vec![service.component.clone()], &alone).await?))
            }
            None => None,
        };
        let compile = begun.elapsed();
        let installed = self.capabilities.load_full();
        let capabilities = Arc::new(installed.bind(&workload).await?);
        let outbound = self.outbound.load_full();
        let seat = Seat::default();
        let shares = shares(&workload);
        let observer = self.observer.of_workload(&workload.id()).unwrap_or_else(|| self.observer.clone());
        let around = Surroundings {
            engine: &self.engine,
            linker: &self.linker,
            capabilities: &*capabilities,
            observer: &observer,
            outbound: &outbound,
            seat: &seat,
            limits,
            shares: &shares,
        };
        let mut members = Vec::new();
        let mut report = LinkReport::default();
        let hosted = capabilities.hosted();
        for (unit, compiled) in units.iter().zip(&compiled) {
            let components: Vec<&Component> = unit.members.iter().map(|index| &workload.components[*index]).collect();
            let prepared = match &components[..] {
                [component] => Prepared::new(&around, &workload, component, &compiled.code),
                several => Prepared::composed(&around, &workload, several, &compiled.personal, &compiled.code),
            };
            match prepared {
                Ok(prepared) => members.push(Arc::new(prepared)),
                Err(PrepareError::Configure(error)) => return Err(error.into()),
                Err(PrepareError::Link(error)) => report.explain(&components, &unit.links, &hosted, &error),
            }
        }
        let callees = Callees::new(members.clone());
        let mut prepared_service = None;
        if let Some((service, compiled)) = &compiled_service
            && report.is_empty()
        {
            let mut linker = self.linker.clone();
            let names: Vec<&str> = workload.components.iter().map(|component| component.name.as_str()).collect();
            let linked = callee::link(&mut linker, &self.engine, &compiled.code, &plan.service, &names, &callees);
            let component = &service.component;
            match linked.map(|()| Prepared::service(&around, &workload, component, &linker, &compiled.code)) {
                Err(misfit) => report.unmet.push(service::unmet(&component.name, misfit)),
                Ok(Ok(prepared)) => prepared_service = Some((*service, Arc::new(prepared))),
                Ok(Err(PrepareError::Configure(error))) => return Err(error.into()),
                Ok(Err(PrepareError::Link(error))) => {
                    let links: Vec<Link> =
                        plan.service.iter().map(|link| Link { importer: 0, ..link.clone() }).collect();
                    report.explain(&[component], &links, &hosted, &error);
                }
            }
        }
        if !report.is_empty() {
            return Err(StartError::Link(report));
        }
        for member in &members {
            try_instance(member).await?;
        }
        for unit in units {
            let members: Vec<&Component> = unit.members.iter().map(|index| &workload.components[*index]).collect();
            if let Some(reason) = disagreement(&members) {
                let hint = "what one of them runs counts for each, so that the smallest holds all: give them the same";
                let (workload, hint) = (workload.id().to_string(), Some(format!("{hint} `cpu_limit`, or none")));
                self.observer.notice(WorkloadNotice { workload, reason, hint });
            }
        }
        let http = members
            .iter()
            .find(|member| member.exports("wasi:http/incoming-handler@0.2") || member.exports("wasi:http/handler@0.3"))
            .map(|member| HttpComponent::new(member.clone(), generation))
            .transpose()
            .map_err(|error| {
                Error::failed("the component's HTTP handler cannot be called").cause(format!("{error:#}"))
            })?;
        let service = match prepared_service {
            Some((service, prepared)) => {
                // Other capabilities and other ways out are another service, too.
                let around = format!("{:p} {}", Arc::as_ptr(&installed), outbound.description());
                let ready = ReadyService::new(&workload, service, prepared.clone(), callees, &around, generation)?;
                try_instance(&prepared).await?;
                Some(ready)
            }
            None => None,
        };
        let messages = messages::Handlers::of(&workload, &members, capabilities.clone())?;
        let watches = watches::Watches::of(&workload, &members, capabilities).await?;
        let code: Vec<Arc<Compiled>> =
            compiled.into_iter().chain(compiled_service.map(|(_, compiled)| compiled)).collect();
        let graph = graph::graph(&workload, &plan, || {
            let imports = |compiled: &Compiled| {
                let kind = compiled.code.component_type();
                kind.imports(self.engine.wasmtime()).map(|(name, _)| name.to_string()).collect::<Vec<_>>()
            };
            code.iter().flat_map(|compiled| imports(compiled)).collect()
        });
        let times = Times { compile, link: begun.elapsed() - compile };
        // They are machine code now; what an idle workload keeps is a thousandth of them.
        let mut workload = workload;
        let service_component = workload.service.as_mut().map(|service| &mut service.component);
        for component in workload.components.iter_mut().chain(service_component) {
            component.bytes = Arc::default();
        }
        let _code = code;
        Ok(Ready { workload, generation, http, messages, watches, members, service, seat, graph, _code, times })
    }

    /// Compiles a component, or what several are composed to.
    async fn compile_together(
        self: &Arc<Self>,
        components: Vec<Component>,
        unit: &Unit,
    ) -> Result<Arc<Compiled>, StartError> {
        let key = match &components[..] {
            [component] => component.digest.clone(),
            several => several.iter().map(|component| component.digest.as_str()).collect::<Vec<_>>().join(" "),
        };
        let (host, links) = (self.clone(), unit.links.clone());
        let compiling = async move {
            tokio::task::spawn_blocking(move || host.compile(&components, &links))
                .await
                .map_err(|error| Error::bug("compiling ended in a panic").cause(error.to_string()))?
        };
        self.compiled.get_or(&key, compiling).await
    }

    fn compile(&self, components: &[Component], links: &[Link]) -> Result<Compiled, StartError> {
        let name = &components[0].name;
        let unusable = |error: Error| error.wrap(format!("the component `{name}` cannot be used"));
        if let [component] = components {
            let code = self.engine.compile(&component.bytes).map_err(unusable)?;
            return Ok(Compiled { code, personal: Vec::new() });
        }
        components.iter().try_for_each(without_labels)?;
        let parts: Vec<Part> =
            components.iter().map(|component| Part { name: &component.name, bytes: &component.bytes }).collect();
        let composed = compose::compose(&parts, links, compose::is_personal::<Installed>)
            // Where each member has the sockets for itself, they are of different types: none passes from
            // one to another. Members that do that have them together.
            .or_else(|_| {
                let is_personal = |interface: &str| {
                    compose::is_personal::<Installed>(interface) && !interface.starts_with(SOCKETS_OF_0_3)
                };
                compose::compose(&parts, links, is_personal)
            })
            .map_err(|error| match error {
                ComposeError::Mismatch { link, reason } => StartError::Link(LinkReport {
                    unmet: vec![Unmet {
                        component: components[link.importer].name.clone(),
                        import: link.import,
                        problem: Problem::OtherComponent { name: components[link.exporter].name.clone(), reason },
                    }],
                }),
                ComposeError::Other(reason) => {
                    Error::failed(format!("`{name}` cannot be linked to the components that it calls"))
                        .cause(reason)
                        .into()
                }
            })?;
        let code = self.engine.compile(&composed.bytes).map_err(unusable)?;
        Ok(Compiled { code, personal: composed.personal })
    }

    /// Drops the machine code of components that nothing runs any more.
    pub fn forget_code(&self) {
        self.compiled.forget_unused();
    }
}

/// The run time of those that have a limit, by their names.
fn shares(workload: &Workload) -> BTreeMap<String, Arc<CpuShare>> {
    let service = workload.service.iter().map(|service| &service.component);
    let limited = workload.components.iter().chain(service);
    limited.filter_map(|component| Some((component.name.clone(), CpuShare::new(component.local.cpu_limit?)))).collect()
}

/// Whether components that run in one call differ in what they may run for, and in which way.
fn disagreement(members: &[&Component]) -> Option<String> {
    let limit = |component: &Component| component.local.cpu_limit;
    if members.iter().all(|member| limit(member) == limit(members[0])) {
        return None;
    }
    let said = |member: &&Component| match limit(member) {
        Some(percent) => format!("`{}` {percent} %", member.name),
        None => format!("`{}` none", member.name),
    };
    let all: Vec<String> = members.iter().map(said).collect();
    Some(format!("linked components run in one call and have different `cpu_limit`s: {}", all.join(", ")))
}

/// Refuses imports under a name of the component's own in one that is to be linked to others: composed they
/// would lose what they stand for.
fn without_labels(component: &Component) -> Result<()> {
    let interfaces = crate::component::interfaces(&component.bytes).unwrap_or_default();
    let labelled = interfaces.imports.iter().find_map(|import| Some((import, import.label.as_ref()?)));
    let Some((import, label)) = labelled else { return Ok(()) };
    let (name, interface) = (&component.name, import.full_name());
    Err(Error::failed(format!("`{name}` imports `{interface}` as `{label}`, and is linked to other components"))
        .cause("not supported yet: an import under a name of its own in components that call each other")
        .hint(format!("import it as it is in the world of `{name}`: `import {interface};`")))
}

/// Instantiates a component once: what fails now would fail at every request.
async fn try_instance(member: &Arc<Prepared<Installed>>) -> Result<()> {
    let output = member.output();
    let failed = |error: wasmtime::Error| {
        let what = format!("starting `{}`", member.name);
        let fault = crate::runtime::fault::describe(&member.name, what, &error, output.finish());
        Error::failed(format!("the component `{}` cannot be started", member.name))
            .details(crate::runtime::fault::render(&fault))
    };
    let mut store = member.store(&output).map_err(failed)?;
    // A request's time has to be enough for its instance, too.
    let limit = member.limits.request_time;
    match tokio::time::timeout(limit, member.pre().instantiate_async(&mut store)).await {
        Ok(started) => started.map(drop).map_err(failed),
        Err(_) => {
            let seconds = limit.as_secs_f64();
            Err(Error::failed(format!("the component `{}` was not started within {seconds} s", member.name))
                .cause("that is the time of a request, and each may need a new instance")
                .hint("what it does before its first call may be too much or without an end"))
        }
    }
}

/// The place of one workload on a host: what serves now.
#[derive(Default)]
pub struct Slot {
    serving: ArcSwapOption<Ready>,
    /// The service, which may be of an earlier version than what serves: it lives on while it stays
    /// the same.
    place: Place,
}

impl Slot {
    /// What serves now; whoever holds it finishes on it.
    pub fn serving(&self) -> Option<Arc<Ready>> {
        self.serving.load_full()
    }

    /// Replaces what serves, in one step. Calls that run finish on the version that took them.
    /// `tell` is called when it serves, and before its service begins to do things.
    pub fn activate_then(&self, ready: Ready, tell: impl FnOnce(&Ready)) -> Arc<Ready> {
        let ready = Arc::new(ready);
        ready.seat.take(self.place.network.clone());
        self.place.make_room(ready.service.as_ref());
        ready.messages.subscribe(&ready.workload.id());
        ready.watches.begin(&ready.workload.id());
        self.serving.store(Some(ready.clone()));
        tell(&ready);
        self.place.activate(ready.service.as_ref());
        ready
    }

    /// Makes what serves the receiver of the workload's messages again, after another workload of the
    /// same name had them.
    pub fn subscribe(&self) {
        if let Some(ready) = self.serving() {
            ready.messages.subscribe(&ready.workload.id());
            ready.watches.begin(&ready.workload.id());
        }
    }

    /// Ends the serving. Calls that run finish; messages are not handed to it any more if `unsubscribe`.
    pub fn clear(&self, unsubscribe: bool) -> Option<Arc<Ready>> {
        let ready = self.serving.swap(None)?;
        if unsubscribe {
            ready.messages.unsubscribe(&ready.workload.id());
            ready.watches.end(&ready.workload.id());
        }
        Some(ready)
    }

    /// How the workload's service is; `None`: it has none.
    pub fn service(&self) -> Option<ServiceRecord> {
        self.place.status()
    }

    /// Stops the workload's service, and waits for its end for this long at most. Returns whether none
    /// runs any more.
    pub async fn stop_service(&self, patience: Duration) -> bool {
        self.place.stop(patience).await
    }
}
