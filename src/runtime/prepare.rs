//! A component made ready to be instantiated: compiled, linked, configured.
//!
//! Everything that belongs to the workload is computed here, once; [`Prepared::store`] only copies
//! handles.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::component::{Component as Compiled, InstancePre, Linker, ResourceTable};
use wasmtime::{Store, StoreLimitsBuilder, UpdateDeadline};
use wasmtime_wasi::{FsPerms, WasiCtx};
use wasmtime_wasi_http::WasiHttpCtx;

use super::caller;
use super::capability::{Capabilities, ForComponent, GuestOf};
use super::compose::Personal;
use super::cpu::{CpuShare, Shares};
use super::engine::Engine;
use super::guest::{Guest, Own};
use super::http::client::Client;
use super::http::outgoing::Outgoing;
use super::limits::Limits;
use super::network::loopback::Seat;
use super::network::policy::Policy;
use super::network::sockets::{self, Sockets};
use super::network::{Network, Outbound, wasi3};
use super::observer::Observer;
use super::personal::{self, SOCKETS_OF_0_3};
use super::stdio::CallOutput;
use super::workload::{Component, LocalResources, Workload};
use crate::error::{Error, Result};

/// Makes the linker with everything a guest may import: WASI 0.2 and 0.3 with `wasi:http`, the
/// capabilities. Done once per host.
pub fn linker<C: Capabilities>(engine: &Engine) -> Result<Linker<GuestOf<C>>> {
    let mut linker = Linker::new(engine.wasmtime());
    let linked = wasmtime_wasi::p2::add_to_linker_async(&mut linker)
        .and_then(|()| sockets::link(&mut linker, Guest::sockets))
        .and_then(|()| wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker))
        .and_then(|()| wasmtime_wasi::p3::add_to_linker(&mut linker))
        .and_then(|()| wasi3::link(&mut linker, Guest::sockets))
        .and_then(|()| wasmtime_wasi_http::p3::add_to_linker(&mut linker))
        .and_then(|()| C::link(&mut linker));
    linked.map_err(|error| Error::bug("the host's interfaces do not fit together").cause(format!("{error:#}")))?;
    Ok(linker)
}

/// The linker with what a component has for itself: imports under names of its own; and where several requests
/// share an instance, functions that know for which they are called. `None`: nothing of that.
fn own_linker<C: Capabilities>(
    linker: &Linker<GuestOf<C>>,
    compiled: &Compiled,
    shares: bool,
) -> wasmtime::Result<Option<Linker<GuestOf<C>>>> {
    let kind = compiled.component_type();
    let labelled = kind.imports(compiled.engine()).filter_map(|(name, item)| Some((name, item.implements?)));
    let labelled: Vec<(String, String)> =
        labelled.map(|(name, interface)| (name.to_string(), interface.to_string())).collect();
    if labelled.is_empty() && !shares {
        return Ok(None);
    }
    let mut linker = linker.clone();
    linker.allow_shadowing(true);
    if !labelled.is_empty() {
        C::link_named(&mut linker, compiled)?;
    }
    for (label, interface) in labelled {
        // What belongs to the component alone is the same under any name.
        if !C::link_label(&mut linker, &label, &interface)? && personal::is_personal::<C>(&interface) {
            personal::link::<C>(&mut linker.instance(&label)?, &interface, 0)?;
        }
    }
    if shares {
        caller::link::<C>(&mut linker, compiled)?;
    }
    Ok(Some(linker))
}

/// A component that can be instantiated.
pub struct Prepared<C: Capabilities> {
    engine: Engine,
    /// The component's name in its workload.
    pub name: Arc<str>,
    pre: InstancePre<GuestOf<C>>,
    /// The component itself; for a composed one its members, the first of which has the exports.
    members: Vec<Member<C>>,
    names: Arc<[Arc<str>]>,
    /// Whether `wasi:sockets` is imported; most do not, and their stores carry none of it.
    uses_sockets: bool,
    /// Whether members pass sockets of WASI 0.3 to each other, which are therefore not theirs alone.
    shares_sockets: bool,
    /// What each instance is held to.
    pub limits: Limits,
    /// A permit for each call that may run at one time, of whatever kind.
    pub calls: Arc<Semaphore>,
    /// A permit for each call that may wait for one of those.
    pub queue: Semaphore,
    cpu: Option<Shares>,
    observer: Arc<dyn Observer>,
}

/// Only a service may wait for others to connect.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Component,
    Service,
}

/// What one member has for itself.
struct Member<C: Capabilities> {
    /// Names and values, in the form that a WASI context takes.
    environment: Vec<(String, String)>,
    mounts: Vec<Mount>,
    capabilities: C::ForComponent,
    network: Arc<Network>,
    client: Arc<Client>,
}

struct Mount {
    host_path: std::path::PathBuf,
    guest_path: String,
    perms: FsPerms,
}

/// What a component is prepared with, beside itself.
pub struct Surroundings<'a, C: Capabilities> {
    pub engine: &'a Engine,
    pub linker: &'a Linker<GuestOf<C>>,
    pub capabilities: &'a C,
    pub observer: &'a Arc<dyn Observer>,
    /// What outgoing connections have in common.
    pub outbound: &'a Arc<Outbound>,
    /// Where the workload's own loopback will be.
    pub seat: &'a Seat,
    /// The host's defaults; a component may ask for less memory.
    pub limits: Limits,
    /// The run time of components that have a limit, by their names. One that belongs to several
    /// compositions has one share.
    pub shares: &'a BTreeMap<String, Arc<CpuShare>>,
}

impl<C: Capabilities> Prepared<C> {
    /// Links and configures a compiled component of a workload. A failure to link is returned as
    /// wasmtime says it; the host makes a report of it.
    pub fn new(
        around: &Surroundings<'_, C>,
        workload: &Workload,
        component: &Component,
        compiled: &Compiled,
    ) -> Result<Self, PrepareError> {
        let shares = around.limits.with_concurrency(component.max_concurrency).concurrency > 1;
        let own = own_linker::<C>(around.linker, compiled, shares).map_err(PrepareError::Link)?;
        let pre = own.as_ref().unwrap_or(around.linker).instantiate_pre(compiled).map_err(PrepareError::Link)?;
        Self::with_members(around, workload, &[component], pre, Role::Component)
    }

    /// The same for the workload's service, with a linker that also has the components it calls.
    pub fn service(
        around: &Surroundings<'_, C>,
        workload: &Workload,
        component: &Component,
        linker: &Linker<GuestOf<C>>,
        compiled: &Compiled,
    ) -> Result<Self, PrepareError> {
        let own = own_linker::<C>(linker, compiled, false).map_err(PrepareError::Link)?;
        let pre = own.as_ref().unwrap_or(linker).instantiate_pre(compiled).map_err(PrepareError::Link)?;
        Self::with_members(around, workload, &[component], pre, Role::Service)
    }

    /// The same for what several components were composed to. `personal` are its imports that
    /// belong to one of them.
    pub fn composed(
        around: &Surroundings<'_, C>,
        workload: &Workload,
        components: &[&Component],
        personal: &[Personal],
        compiled: &Compiled,
    ) -> Result<Self, PrepareError> {
        let mut linker = around.linker.clone();
        for import in personal {
            let mut instance = linker.instance(&import.label).map_err(PrepareError::Link)?;
            personal::link::<C>(&mut instance, &import.interface, import.part).map_err(PrepareError::Link)?;
        }
        let pre = linker.instantiate_pre(compiled).map_err(PrepareError::Link)?;
        let mut prepared = Self::with_members(around, workload, components, pre, Role::Component)?;
        let own = personal.iter().any(|import| import.interface.starts_with(SOCKETS_OF_0_3));
        prepared.shares_sockets &= !own;
        Ok(prepared)
    }

    fn with_members(
        around: &Surroundings<'_, C>,
        workload: &Workload,
        components: &[&Component],
        pre: InstancePre<GuestOf<C>>,
        role: Role,
    ) -> Result<Self, PrepareError> {
        let member = |component: &&Component| {
            let (outbound, observer) = (around.outbound.clone(), around.observer.clone());
            let network = Network::new(policy(component)?, outbound, component.name.as_str().into(), observer);
            let network = Arc::new(network.inside(around.seat, role == Role::Service));
            Ok(Member {
                environment: component.local.environment.clone().into_iter().collect(),
                mounts: mounts(workload, &component.local)?,
                capabilities: around.capabilities.configure(workload, component, around.observer)?,
                client: Arc::new(Client::new(network.clone())),
                network,
            })
        };
        let members = components.iter().map(member).collect::<Result<Vec<_>>>().map_err(PrepareError::Configure)?;
        let names: Arc<[Arc<str>]> = components.iter().map(|component| component.name.as_str().into()).collect();
        // The engine asks for each memory by itself, and cannot tell whose it is.
        let limits = around
            .limits
            .with_calls(components[0].pool_size, components[0].max_invocations)
            .with_concurrency(components[0].max_concurrency);
        let memory = components.iter().map(|component| component.local.memory_limit_mb);
        let memory = memory.reduce(|one, other| Some(one?.max(other?))).flatten();
        let imports = pre.component().component_type();
        let has = |part: &str| imports.imports(around.engine.wasmtime()).any(|(name, _)| name.contains(part));
        let uses_sockets = has("sockets");
        let shares_sockets = components.len() > 1 && has(SOCKETS_OF_0_3);
        Ok(Prepared {
            engine: around.engine.clone(),
            name: names[0].clone(),
            pre,
            members,
            names,
            uses_sockets,
            shares_sockets,
            limits: limits.with_memory(memory),
            calls: Arc::new(Semaphore::new(limits.in_flight)),
            queue: Semaphore::new(limits.queue),
            cpu: Shares::of(
                components.iter().filter_map(|component| around.shares.get(&component.name).cloned()).collect(),
            ),
            observer: around.observer.clone(),
        })
    }

    /// The linked component, for typed views of its exports.
    pub fn pre(&self) -> &InstancePre<GuestOf<C>> {
        &self.pre
    }

    /// What compiled it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether the component exports an interface whose full name begins so.
    pub fn exports(&self, prefix: &str) -> bool {
        let kind = self.pre.component().component_type();
        kind.exports(self.engine.wasmtime()).any(|(name, _)| name.starts_with(prefix))
    }

    /// What all of its calls may run for, if that is limited.
    pub fn cpu(&self) -> Option<&Shares> {
        self.cpu.as_ref()
    }

    /// Who sees what the component does.
    pub fn observer(&self) -> &Arc<dyn Observer> {
        &self.observer
    }

    /// Collects what a call writes.
    pub fn output(&self) -> Arc<CallOutput> {
        CallOutput::new(self.names.clone(), self.observer.clone())
    }

    /// A store for one call. What the guest writes goes to `output`.
    pub fn store(&self, output: &Arc<CallOutput>) -> Result<Store<GuestOf<C>>, wasmtime::Error> {
        let sockets = |member: &Member<C>| self.uses_sockets.then(|| Arc::new(Sockets::new(member.network.clone())));
        let mut others = Vec::new();
        for (index, member) in self.members.iter().enumerate().skip(1) {
            others.push(member.own(output, index, sockets(member), &[])?);
        }
        let first = &self.members[0];
        // Sockets that pass from one member to another are nobody's own: what one may not, none may.
        let restrict: &[Own<_>] = if self.shares_sockets { &others } else { &[] };
        let Own { wasi, outgoing, sockets, capabilities } = first.own(output, 0, sockets(first), restrict)?;
        let mut table = ResourceTable::new();
        table.set_max_capacity(self.limits.handles());
        let guest = Guest {
            table,
            wasi,
            http: WasiHttpCtx::new(),
            outgoing,
            sockets,
            limits: StoreLimitsBuilder::new()
                .memory_size(self.limits.memory_bytes)
                .table_elements(self.limits.table_elements)
                .build(),
            output: output.clone(),
            capabilities,
            others,
            callers: None,
        };
        let mut store = Store::new(self.engine.wasmtime(), guest);
        store.limiter(|guest| &mut guest.limits);
        self.engine.guest_runs();
        let engine = self.engine.clone();
        store.set_epoch_deadline(1);
        // The guest gives way at every tick; whoever waits for it decides when it was long enough.
        store.epoch_deadline_callback(move |_| {
            engine.guest_runs();
            // Tokio's own way to give way: others' input and timers are looked at in each round, and not
            // only in every 61st, which guests that loop would turn into a second.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        Ok(store)
    }
}

impl<C: Capabilities> Member<C> {
    /// What the member has for itself in a new store. Its sockets may do what it may and, should there be
    /// `restrict`, what those may, too.
    fn own(
        &self,
        output: &Arc<CallOutput>,
        member: usize,
        sockets: Option<Arc<Sockets>>,
        restrict: &[OwnOf<C>],
    ) -> wasmtime::Result<OwnOf<C>> {
        let mut wasi = WasiCtx::builder();
        wasi.envs(&self.environment).stdout(output.stdout(member)).stderr(output.stderr(member));
        for mount in &self.mounts {
            wasi.preopened_dir(&mount.host_path, &mount.guest_path, mount.perms)?;
        }
        if let Some(sockets) = &sockets {
            let all: Vec<Arc<Sockets>> =
                std::iter::once(sockets.clone()).chain(restrict.iter().filter_map(|own| own.sockets.clone())).collect();
            wasi.allow_tcp(true).allow_udp(true).socket_addr_check(move |address, usage| {
                let permitted = all.iter().all(|sockets| sockets.permits(address, usage));
                Box::pin(std::future::ready(permitted))
            });
        }
        Ok(Own {
            wasi: wasi.build(),
            outgoing: Outgoing { client: self.client.clone() },
            sockets,
            capabilities: self.capabilities.for_store(),
        })
    }
}

type OwnOf<C> = Own<<<C as Capabilities>::ForComponent as ForComponent>::ForStore>;

/// Why a component could not be made ready.
pub enum PrepareError {
    /// An import is not there, or is another than the component expects.
    Link(wasmtime::Error),
    /// The workload's configuration is wrong.
    Configure(Error),
}

/// What the component may reach. Whoever reads settings or manifests has checked them and names
/// the line; this is for all others.
fn policy(component: &Component) -> Result<Policy> {
    Policy::new(component.local.network.clone()).map_err(|error| {
        let place = format!("{}[{}] of the component `{}`", error.key, error.index, component.name);
        Error::failed(format!("{place}: {}", error.message)).hint(error.hint)
    })
}

fn mounts(workload: &Workload, local: &LocalResources) -> Result<Vec<Mount>> {
    let find = |mount: &super::workload::VolumeMount| {
        let volume = workload.volumes.iter().find(|volume| volume.name == mount.volume).ok_or_else(|| {
            Error::failed(format!(
                "the volume `{}` that is mounted at `{}` does not exist",
                mount.volume, mount.mount_path
            ))
        })?;
        if !volume.host_path.is_dir() {
            return Err(Error::failed(format!(
                "the folder `{}` of a volume does not exist",
                volume.host_path.display()
            ))
            .hint(format!("create it: mkdir -p '{}'", volume.host_path.display())));
        }
        let perms = if mount.read_only { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
        Ok(Mount { host_path: volume.host_path.clone(), guest_path: mount.mount_path.clone(), perms })
    };
    local.volume_mounts.iter().map(find).collect()
}
