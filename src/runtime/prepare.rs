//! A component made ready to be instantiated: compiled, linked, configured.
//!
//! Everything that belongs to the workload is computed here, once; [`Prepared::store`] only copies
//! handles.

use std::sync::Arc;

use wasmtime::component::{Component as Compiled, InstancePre, Linker, ResourceTable};
use wasmtime::{Store, StoreLimitsBuilder, UpdateDeadline};
use wasmtime_wasi::{FsPerms, WasiCtx};
use wasmtime_wasi_http::WasiHttpCtx;

use super::capability::{Capabilities, ForComponent, GuestOf};
use super::engine::Engine;
use super::guest::Guest;
use super::http::client::Client;
use super::http::outgoing::Outgoing;
use super::limits::Limits;
use super::network::policy::Policy;
use super::network::sockets::{self, Sockets};
use super::network::{Network, Outbound};
use super::observer::Observer;
use super::stdio::CallOutput;
use super::workload::{Component, LocalResources, Workload};
use crate::error::{Error, Result};

/// Makes the linker with everything a guest may import: WASI 0.2, `wasi:http`, the capabilities.
/// Done once per host.
pub fn linker<C: Capabilities>(engine: &Engine) -> Result<Linker<GuestOf<C>>> {
    let mut linker = Linker::new(engine.wasmtime());
    let linked = wasmtime_wasi::p2::add_to_linker_async(&mut linker)
        .and_then(|()| sockets::link(&mut linker, Guest::lookups))
        .and_then(|()| wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker))
        .and_then(|()| C::link(&mut linker));
    linked.map_err(|error| Error::bug("the host's interfaces do not fit together").cause(format!("{error:#}")))?;
    Ok(linker)
}

/// A component that can be instantiated.
pub struct Prepared<C: Capabilities> {
    engine: Engine,
    /// The component's name in its workload.
    pub name: Arc<str>,
    pre: InstancePre<GuestOf<C>>,
    /// Names and values, in the form that a WASI context takes.
    environment: Vec<(String, String)>,
    mounts: Vec<Mount>,
    /// What each instance is held to.
    pub limits: Limits,
    capabilities: C::ForComponent,
    network: Arc<Network>,
    client: Arc<Client>,
    /// Whether the component imports `wasi:sockets`; most do not, and their stores carry none of it.
    uses_sockets: bool,
    observer: Arc<dyn Observer>,
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
    /// The host's defaults; a component may ask for less memory.
    pub limits: Limits,
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
        let pre = around.linker.instantiate_pre(compiled).map_err(PrepareError::Link)?;
        let capabilities =
            around.capabilities.configure(workload, component, around.observer).map_err(PrepareError::Configure)?;
        let name: Arc<str> = component.name.as_str().into();
        let policy = policy(component).map_err(PrepareError::Configure)?;
        let network = Arc::new(Network::new(policy, around.outbound.clone(), name.clone(), around.observer.clone()));
        let imports = compiled.component_type();
        let uses_sockets = imports.imports(around.engine.wasmtime()).any(|(name, _)| name.starts_with("wasi:sockets/"));
        Ok(Prepared {
            engine: around.engine.clone(),
            name,
            pre,
            environment: component.local.environment.clone().into_iter().collect(),
            mounts: mounts(workload, &component.local).map_err(PrepareError::Configure)?,
            limits: around.limits.with_memory(component.local.memory_limit_mb),
            capabilities,
            client: Arc::new(Client::new(network.clone())),
            network,
            uses_sockets,
            observer: around.observer.clone(),
        })
    }

    /// The linked component, for typed views of its exports.
    pub fn pre(&self) -> &InstancePre<GuestOf<C>> {
        &self.pre
    }

    /// Whether the component exports an interface whose full name begins so.
    pub fn exports(&self, prefix: &str) -> bool {
        let kind = self.pre.component().component_type();
        kind.exports(self.engine.wasmtime()).any(|(name, _)| name.starts_with(prefix))
    }

    /// Who sees what the component does.
    pub fn observer(&self) -> &Arc<dyn Observer> {
        &self.observer
    }

    /// A store for one call. What the guest writes goes to `output`.
    pub fn store(&self, output: &Arc<CallOutput>) -> Result<Store<GuestOf<C>>, wasmtime::Error> {
        let mut wasi = WasiCtx::builder();
        wasi.envs(&self.environment).stdout(output.stdout()).stderr(output.stderr());
        for mount in &self.mounts {
            wasi.preopened_dir(&mount.host_path, &mount.guest_path, mount.perms)?;
        }
        let sockets = self.uses_sockets.then(|| Arc::new(Sockets::new(self.network.clone())));
        if let Some(sockets) = &sockets {
            let sockets = sockets.clone();
            wasi.allow_tcp(true).allow_udp(true).socket_addr_check(move |address, usage| {
                let permitted = sockets.permits(address, usage);
                Box::pin(std::future::ready(permitted))
            });
        }
        let guest = Guest {
            table: ResourceTable::new(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            outgoing: Outgoing { client: self.client.clone() },
            sockets,
            limits: StoreLimitsBuilder::new()
                .memory_size(self.limits.memory_bytes)
                .table_elements(self.limits.table_elements)
                .build(),
            capabilities: self.capabilities.for_store(),
        };
        let mut store = Store::new(self.engine.wasmtime(), guest);
        store.limiter(|guest| &mut guest.limits);
        self.engine.guest_runs();
        let engine = self.engine.clone();
        store.set_epoch_deadline(1);
        // The guest gives way at every tick; whoever waits for it decides when it was long enough.
        store.epoch_deadline_callback(move |_| {
            engine.guest_runs();
            Ok(UpdateDeadline::Yield(1))
        });
        Ok(store)
    }
}

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
