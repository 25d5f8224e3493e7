//! `wasi:config`: the settings a component is started with.
//!
//! There is no backend: the settings come with the workload and do not change while it runs.

use std::collections::BTreeMap;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance};

use super::bindings::wasi::{config0_2_0_draft::runtime, config0_2_0_rc_1::store};
use super::entry;
use super::view::{View, ViewOf, Views};
use crate::runtime::workload::{Component, HostInterface, Workload};

/// What a component is given.
pub struct ForComponent {
    values: BTreeMap<String, String>,
    /// What it is given by imports under a name of its own: the settings of the entry of that name.
    labels: BTreeMap<String, ForComponent>,
}

impl ForComponent {
    /// What an import under this name is given.
    pub fn of_label(&self, label: &str) -> &ForComponent {
        self.labels.get(label).unwrap_or(self)
    }
}

/// Puts a component's settings together: those of the workload's entries for `wasi:config`, over them the
/// component's own, over them its environment.
pub fn configure(workload: &Workload, component: &Component) -> ForComponent {
    let entries = entry::of(workload, "wasi", "config");
    let entries = entries.filter(|entry| entry::names(entry, "store") || entry::names(entry, "runtime"));
    let (named, for_all): (Vec<_>, Vec<_>) = entries.partition(|entry| entry.name.is_some());
    let label = |entry: &HostInterface| {
        let values = entry.config.clone();
        Some((entry.name.clone()?, ForComponent { values, labels: BTreeMap::new() }))
    };
    let labels = named.iter().filter_map(|entry| label(entry)).collect();
    // Without imports of such names, those are settings like all others.
    let for_all = named.into_iter().chain(for_all);
    let layers = for_all.map(|entry| &entry.config).chain([&component.local.config, &component.local.environment]);
    ForComponent { values: layers.flatten().map(|(key, value)| (key.clone(), value.clone())).collect(), labels }
}

/// Puts the interfaces into a linker.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: ViewOf<T, ForComponent>) -> wasmtime::Result<()> {
    store::add_to_linker::<T, Views<ForComponent>>(linker, view)?;
    runtime::add_to_linker::<T, Views<ForComponent>>(linker, view)
}

/// Puts one of the interfaces into a linker's instance, for a store that holds several components:
/// `view` finds the one that calls.
pub fn link_personal<T: Send + 'static>(
    instance: &mut LinkerInstance<'_, T>,
    interface: &str,
    view: impl for<'a> Fn(&'a mut T) -> View<'a, ForComponent> + Clone + Send + Sync + 'static,
) -> wasmtime::Result<()> {
    let all = view.clone();
    type Call<'a, T> = StoreContextMut<'a, T>;
    if interface == "wasi:config/store" {
        instance.func_wrap("get", move |mut store: Call<'_, T>, (key,): (String,)| {
            Ok((store::Host::get(&mut view(store.data_mut()), key)?,))
        })?;
        instance.func_wrap("get-all", move |mut store: Call<'_, T>, (): ()| {
            Ok((store::Host::get_all(&mut all(store.data_mut()))?,))
        })
    } else {
        instance.func_wrap("get", move |mut store: Call<'_, T>, (key,): (String,)| {
            Ok((runtime::Host::get(&mut view(store.data_mut()), key)?,))
        })?;
        instance.func_wrap("get-all", move |mut store: Call<'_, T>, (): ()| {
            Ok((runtime::Host::get_all(&mut all(store.data_mut()))?,))
        })
    }
}

impl View<'_, ForComponent> {
    fn get(&self, key: &str) -> Option<String> {
        self.state.values.get(key).cloned()
    }

    fn all(&self) -> Vec<(String, String)> {
        self.state.values.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

impl store::Host for View<'_, ForComponent> {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, store::Error>> {
        Ok(Ok(View::get(self, &key)))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, store::Error>> {
        Ok(Ok(self.all()))
    }
}

impl runtime::Host for View<'_, ForComponent> {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, runtime::ConfigError>> {
        Ok(Ok(View::get(self, &key)))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, runtime::ConfigError>> {
        Ok(Ok(self.all()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::workload::LocalResources;
    use wasmtime::component::ResourceTable;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    #[test]
    fn later_layers_win_interface_then_component_then_environment() {
        let entry = |interface: &str, config| HostInterface {
            namespace: "wasi".into(),
            package: "config".into(),
            interfaces: vec![interface.into()],
            config,
            ..Default::default()
        };
        let workload = Workload {
            host_interfaces: vec![
                entry("store", map(&[("a", "interface"), ("b", "interface"), ("c", "interface")])),
                entry("elsewhere", map(&[("d", "another interface")])),
            ],
            ..Default::default()
        };
        let local = LocalResources {
            config: map(&[("b", "component"), ("c", "component")]),
            environment: map(&[("c", "environment")]),
            ..Default::default()
        };
        let state = configure(&workload, &Component { local, ..Default::default() });
        let view = View { state: &state, table: &mut ResourceTable::new() };
        assert_eq!(
            view.all().into_iter().collect::<BTreeMap<_, _>>(),
            map(&[("a", "interface"), ("b", "component"), ("c", "environment")])
        );
        assert_eq!(view.get("b").as_deref(), Some("component"));
        assert_eq!(view.get("d"), None);
    }

    #[test]
    fn nothing_is_shared_between_components() {
        let local = LocalResources { config: map(&[("secret", "s")]), ..Default::default() };
        let workload = Workload { components: vec![Component { local, ..Default::default() }], ..Default::default() };
        let other = configure(&workload, &Component::default());
        assert_eq!(View { state: &other, table: &mut ResourceTable::new() }.get("secret"), None);
    }
}
