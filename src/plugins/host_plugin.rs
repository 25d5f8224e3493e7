//! The open door: capabilities of whoever embeds a host.
//!
//! The built-in capabilities are fields of one struct and are reached without a lookup. Those of an
//! embedder are not known when wash is compiled. So each store keeps, for each [`HostPlugin`] that its
//! component imports, a value of the plugin's own type, found by that type ([`Guest::plugin`]).
//! Everything else is done once per host ([`HostPlugin::link`]) or once per component
//! ([`HostPlugin::on_workload_item_bind`]).

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use futures::future::BoxFuture;
use wasmtime::component::{HasData, Linker, ResourceTable};

use super::catalog::{self, HostedInterface};
use super::{ForStore, entry};
use crate::component::{self, Interfaces};
use crate::error::{Error, Result};
use crate::runtime::workload::{Component, HostInterface, Workload, WorkloadId};

/// The data of a store: everything that the host keeps for one instance. A plugin finds its own part
/// of it with [`Guest::plugin`].
pub type Guest = crate::runtime::guest::Guest<ForStore>;

/// A capability of an embedder: implements interfaces that components import.
///
/// It lives in stages. [`start`](HostPlugin::start) when the host starts; [`link`](HostPlugin::link)
/// once, for all components; [`on_workload_item_bind`](HostPlugin::on_workload_item_bind) once for
/// each component that imports one of its interfaces, which is where configuration is validated;
/// [`for_store`](HostPlugin::for_store) for each instance;
/// [`on_workload_unbind`](HostPlugin::on_workload_unbind) when a workload has stopped;
/// [`stop`](HostPlugin::stop) when the host stops.
///
/// Components that call each other are one instance. They share what is bound for the first of them
/// that imports an interface of the plugin.
pub trait HostPlugin: Send + Sync + 'static {
    /// What it keeps for one component, as long as that runs.
    type ForComponent: Send + Sync + 'static;
    /// What it keeps for one instance of a component, next to the handles in the store's table.
    type ForStore: Send + 'static;

    /// Identifies the plugin on its host, e.g. `tables`.
    fn id(&self) -> &'static str;

    /// The interfaces that it implements. Asked once, when it is registered.
    ///
    /// Errors: see [`WitWorld::parse`].
    fn world(&self) -> Result<WitWorld>;

    /// Puts its functions into the linker, for which `wasmtime::component::bindgen!` makes the code:
    /// `add_to_linker::<_, PluginViews<Self>>(linker, Guest::plugin::<Self>)`.
    ///
    /// Errors: a function is defined twice.
    fn link(&self, linker: &mut Linker<Guest>) -> wasmtime::Result<()>;

    /// Prepares for what it has to do before the first workload: connections, files. The host does not
    /// start when it fails.
    ///
    /// Errors: whatever keeps it from working.
    fn start(&self) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Validates what a workload configures, and makes what the component's calls will need. Called
    /// for every version of a workload, before it serves.
    ///
    /// Errors: the configuration is wrong. The workload is not started then, or the version before it
    /// stays.
    fn on_workload_item_bind(&self, item: &WorkloadItem<'_>)
    -> impl Future<Output = Result<Self::ForComponent>> + Send;

    /// Makes what one instance needs. Called for every instance, often for every request: copies
    /// handles and does nothing that takes time.
    fn for_store(&self, component: &Arc<Self::ForComponent>) -> Self::ForStore;

    /// Drops what it keeps for a workload: nothing of this namespace and name runs any more, or its
    /// start has failed. Called also for those that never imported the plugin. It gets 3 seconds.
    fn on_workload_unbind(&self, workload: &WorkloadId) -> impl Future<Output = ()> + Send {
        let _ = workload;
        async {}
    }

    /// Ends, after the last workload has stopped. It gets 3 seconds.
    ///
    /// Errors: are told to the log; nothing depends on them any more.
    fn stop(&self) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
}

/// The interfaces that a [`HostPlugin`] implements.
#[derive(Clone, Debug)]
pub struct WitWorld {
    interfaces: Vec<HostedInterface>,
}

impl WitWorld {
    /// Takes what a world imports: a component of that world can be linked to the plugin. `files` are
    /// names and texts of WIT files, each after those that it uses; the packages that wash itself
    /// provides (`wasi:io`, …) are there already. `world` is `namespace:package/world[@version]`.
    ///
    /// Errors: the text is no WIT, uses a package that is not there, or has no such world; the world
    /// imports nothing but what wash itself provides.
    pub fn parse(files: &[(&str, &str)], world: &str) -> Result<Self> {
        let all = catalog::imports_of(files, world)
            .map_err(|reason| Error::failed(format!("the WIT of the world `{world}` cannot be used")).cause(reason))?;
        let interfaces: Vec<HostedInterface> = all.into_iter().filter(|interface| !is_hosted(interface)).collect();
        if interfaces.is_empty() {
            return Err(Error::failed(format!("the world `{world}` imports no interface of its own"))
                .hint("a plugin implements what the world of its components imports: `import tables;`"));
        }
        Ok(WitWorld { interfaces })
    }

    /// Full names, e.g. `example:tables/tables@0.1.0`.
    pub fn interfaces(&self) -> impl Iterator<Item = String> {
        self.interfaces.iter().map(HostedInterface::full_name)
    }

    pub(crate) fn hosted(&self) -> &[HostedInterface] {
        &self.interfaces
    }

    fn has_package(&self, entry: &HostInterface) -> bool {
        self.interfaces.iter().any(|interface| {
            interface.name.split('/').next().and_then(|name| name.split_once(':'))
                == Some((entry.namespace.as_str(), entry.package.as_str()))
        })
    }

    fn is_imported(&self, face: &Interfaces) -> bool {
        let is_own = |import: &component::Interface| self.interfaces.iter().any(|own| own.name == import.name);
        face.imports.iter().any(is_own)
    }
}

fn is_hosted(interface: &HostedInterface) -> bool {
    catalog::hosted().iter().any(|hosted| hosted.name == interface.name && hosted.version == interface.version)
}

/// A component for which a plugin is bound.
pub struct WorkloadItem<'a> {
    workload: &'a Workload,
    component: &'a Component,
    entries: Vec<&'a HostInterface>,
}

impl<'a> WorkloadItem<'a> {
    /// The workload that it belongs to.
    pub fn workload(&self) -> &'a Workload {
        self.workload
    }

    /// The component.
    pub fn component(&self) -> &'a Component {
        self.component
    }

    /// The workload's entries for the plugin's packages, in their order.
    pub fn entries(&self) -> &[&'a HostInterface] {
        &self.entries
    }

    /// Refuses settings of the entries that are not among these: what nobody reads is a mistake.
    ///
    /// Errors: there is another one; it is named.
    pub fn check_settings(&self, known: &[&str]) -> Result<()> {
        self.entries.iter().try_for_each(|entry| entry::check_settings(entry, known))
    }

    /// A setting of the first entry that has it, read by `read`. `None`: no entry has it.
    ///
    /// Errors: what `read` says, with the name of the setting and without its value, which may be a
    /// secret.
    pub fn setting<T>(&self, key: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>> {
        let having = self.entries.iter().find(|entry| entry.config.contains_key(key));
        having.map_or(Ok(None), |entry| entry::setting(entry, key, read))
    }
}

/// What a call of a guest needs: what the plugin keeps for the instance, and the handles that the
/// instance has. The traits that `bindgen!` makes are implemented for it.
pub struct PluginView<'a, P: HostPlugin> {
    /// Made by [`HostPlugin::for_store`].
    pub state: &'a mut P::ForStore,
    /// The resources of the instance, of all capabilities.
    pub table: &'a mut ResourceTable,
}

/// Stands for [`PluginView`] where the code of `bindgen!` asks for a type without a lifetime.
pub struct PluginViews<P>(PhantomData<fn() -> P>);

impl<P: HostPlugin> HasData for PluginViews<P> {
    type Data<'a> = PluginView<'a, P>;
}

impl Guest {
    /// What a plugin keeps in this store.
    ///
    /// Panics when nothing was bound: only functions that the plugin itself has linked may ask.
    pub fn plugin<P: HostPlugin>(&mut self) -> PluginView<'_, P> {
        let own = std::iter::once(&mut self.capabilities);
        let state = own
            .chain(self.others.iter_mut().map(|other| &mut other.capabilities))
            .find_map(|capabilities| capabilities.states.get::<P>())
            .unwrap_or_else(|| panic!("the plugin `{}` is bound where it is called", std::any::type_name::<P>()));
        PluginView { state, table: &mut self.table }
    }
}

/// What the plugins keep in a store; empty, and without an allocation, where a component uses none.
#[derive(Default)]
pub struct States(Vec<(TypeId, Box<dyn Any + Send>)>);

impl States {
    fn get<P: HostPlugin>(&mut self) -> Option<&mut P::ForStore> {
        let wanted = TypeId::of::<P>();
        self.0.iter_mut().find(|(plugin, _)| *plugin == wanted)?.1.downcast_mut()
    }
}

/// A plugin without its types.
pub(crate) trait AnyPlugin: Send + Sync {
    fn id(&self) -> &'static str;
    fn link(&self, linker: &mut Linker<Guest>) -> wasmtime::Result<()>;
    fn start(&self) -> BoxFuture<'_, Result<()>>;
    fn bind<'a>(self: Arc<Self>, item: &'a WorkloadItem<'a>) -> BoxFuture<'a, Result<Arc<dyn AnyBound>>>;
    fn unbind<'a>(&'a self, workload: &'a WorkloadId) -> BoxFuture<'a, ()>;
    fn stop(&self) -> BoxFuture<'_, Result<()>>;
}

impl<P: HostPlugin> AnyPlugin for P {
    fn id(&self) -> &'static str {
        HostPlugin::id(self)
    }

    fn link(&self, linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        HostPlugin::link(self, linker)
    }

    fn start(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(HostPlugin::start(self))
    }

    fn bind<'a>(self: Arc<Self>, item: &'a WorkloadItem<'a>) -> BoxFuture<'a, Result<Arc<dyn AnyBound>>> {
        Box::pin(async move {
            let component = Arc::new(self.on_workload_item_bind(item).await?);
            Ok(Arc::new(BoundTo { plugin: self, component }) as Arc<dyn AnyBound>)
        })
    }

    fn unbind<'a>(&'a self, workload: &'a WorkloadId) -> BoxFuture<'a, ()> {
        Box::pin(self.on_workload_unbind(workload))
    }

    fn stop(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(HostPlugin::stop(self))
    }
}

/// A plugin with what it keeps for one component.
pub(crate) trait AnyBound: Send + Sync {
    fn for_store(&self) -> (TypeId, Box<dyn Any + Send>);
}

struct BoundTo<P: HostPlugin> {
    plugin: Arc<P>,
    component: Arc<P::ForComponent>,
}

impl<P: HostPlugin> AnyBound for BoundTo<P> {
    fn for_store(&self) -> (TypeId, Box<dyn Any + Send>) {
        (TypeId::of::<P>(), Box::new(self.plugin.for_store(&self.component)))
    }
}

/// What the plugins keep for one component.
pub(crate) type BoundPlugins = Arc<[Arc<dyn AnyBound>]>;

/// The states for a new store.
pub(crate) fn states(bound: &BoundPlugins) -> States {
    States(bound.iter().map(|bound| bound.for_store()).collect())
}

/// A plugin that a host has.
#[derive(Clone)]
pub(crate) struct Registered {
    pub plugin: Arc<dyn AnyPlugin>,
    pub world: WitWorld,
}

/// The plugins of a host.
#[derive(Clone, Default)]
pub(crate) struct Plugins(Vec<Registered>);

impl Plugins {
    /// Adds a plugin.
    ///
    /// Errors: its WIT cannot be used; its name or an interface of it is taken.
    pub fn add<P: HostPlugin>(&mut self, plugin: Arc<P>) -> Result<()> {
        let id = HostPlugin::id(&*plugin);
        let refused = |reason: String| Error::usage(format!("the plugin `{id}` cannot be registered")).cause(reason);
        if self.0.iter().any(|other| other.plugin.id() == id) {
            return Err(refused("there is a plugin with this name already".into()));
        }
        let world = plugin.world().map_err(|error| error.wrap(format!("the plugin `{id}` cannot be registered")))?;
        for interface in world.hosted() {
            // The linker finds compatible versions under one name; two providers would be a matter of luck.
            if catalog::hosted().iter().any(|hosted| hosted.name == interface.name) {
                return Err(refused(format!("the host itself provides `{}`", interface.name)));
            }
            let other = self.0.iter().find(|other| other.world.hosted().iter().any(|own| own.name == interface.name));
            if let Some(other) = other {
                return Err(refused(format!("the plugin `{}` provides `{}`", other.plugin.id(), interface.name)));
            }
        }
        self.0.push(Registered { plugin, world });
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Registered> {
        self.0.iter()
    }

    /// Binds every component, and the service, to the plugins whose interfaces it imports; by name.
    pub async fn bind(&self, workload: &Workload) -> Result<BTreeMap<String, BoundPlugins>> {
        let mut all = BTreeMap::new();
        let service = workload.service.iter().map(|service| &service.component);
        for component in workload.components.iter().chain(service) {
            let mut bound = Vec::new();
            if !self.0.is_empty() {
                // What cannot be read is said better when it is compiled.
                let face = component::interfaces(&component.bytes).unwrap_or_default();
                for registered in self.0.iter().filter(|registered| registered.world.is_imported(&face)) {
                    let has_package = |entry: &&HostInterface| registered.world.has_package(entry);
                    let entries = workload.host_interfaces.iter().filter(has_package).collect();
                    let item = WorkloadItem { workload, component, entries };
                    bound.push(registered.plugin.clone().bind(&item).await?);
                }
            }
            all.insert(component.name.clone(), bound.into());
        }
        Ok(all)
    }
}
