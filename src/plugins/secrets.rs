//! `wasmcloud:secrets`: what a component is trusted with.
//!
//! There is no backend: secrets come with the workload, each component has its own, and they do not
//! change while it runs. A guest is given a handle first, and the secret itself when it asks to see it.

use wasmtime::component::{Accessor, Component as Compiled, HasData, Linker, Resource, ResourceTable};

use super::Label;
use super::bindings::named_imports::wasmcloud::secrets as named;
use super::bindings::wasmcloud::secrets::{reveal, secret, store};
use super::entry;
use crate::component;
use crate::error::{Error, Result};
use crate::runtime::workload::{self, Component, Secrets, Workload};
use store::{SecretValue, SecretsError};

/// What the names of the package's interfaces begin with.
const PACKAGE: &str = "wasmcloud:secrets/";

/// A guest's secret.
pub struct Secret(workload::Secret);

/// What a component is given.
#[derive(PartialEq, Eq)]
pub struct ForComponent(Secrets);

/// Puts a component's secrets together: those of the workload's entries for `wasmcloud:secrets`, over
/// them its own. Refuses a component that imports a secret that it does not have.
pub fn configure(workload: &Workload, component: &Component) -> Result<ForComponent> {
    let entries = entry::of(workload, "wasmcloud", "secrets").map(|entry| &entry.config);
    let mut secrets: Secrets =
        entries.flatten().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    secrets.extend(component.local.secrets.clone());
    let configured = ForComponent(secrets);
    configured.check(component)?;
    Ok(configured)
}

impl ForComponent {
    fn check(&self, component: &Component) -> Result<()> {
        // Most components have nothing of it, and their interfaces need not be read.
        if memchr::memmem::find(&component.bytes, PACKAGE.as_bytes()).is_none() {
            return Ok(());
        }
        // What cannot be read is said better when it is compiled.
        let imports = component::interfaces(&component.bytes).unwrap_or_default().imports;
        for import in imports.iter().filter(|import| import.name == "wasmcloud:secrets/secret") {
            let name = &component.name;
            let Some(label) = &import.label else {
                return Err(Error::failed(format!(
                    "`{name}` imports `{}` without a name for the secret",
                    import.full_name()
                ))
                .hint(format!(
                    "write `import api-key: {};` in its world: that is the secret `api-key`",
                    import.full_name()
                )));
            };
            if self.find(label).is_none() {
                return Err(Error::failed(format!("`{name}` imports the secret `{label}`, and was not given it"))
                    .hint(format!("add `secrets: {{ {label}: \"${{NAME_OF_A_VARIABLE}}\" }}` below `dev`, or to its `localResources`")));
            }
        }
        Ok(())
    }

    /// A secret by its name, or by the name of an import, which has small letters and `-` where a
    /// variable has large ones and `_`.
    fn find(&self, name: &str) -> Option<&workload::Secret> {
        self.0.get(name).or_else(|| self.0.get(&name.to_ascii_uppercase().replace('-', "_")))
    }
}

/// What a call needs of its store.
pub struct View<'a> {
    /// `None` where several linked components have different secrets: who of them calls is not known.
    pub state: Option<&'a ForComponent>,
    pub table: &'a mut ResourceTable,
}

/// Stands for [`View`] where the bindings ask for a type without a lifetime.
struct Views;

impl HasData for Views {
    type Data<'a> = View<'a>;
}

/// Puts the interfaces into a linker.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_>) -> wasmtime::Result<()> {
    store::add_to_linker::<T, Views>(linker, view)?;
    reveal::add_to_linker::<T, Views>(linker, view)?;
    secret::add_to_linker::<T, Views>(linker, view)
}

/// Puts the secrets that a component imports by their names into a linker.
pub fn link_named<T: Send + 'static>(
    linker: &mut Linker<T>,
    component: &Compiled,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    named::secret::add_to_linker::<T, Views>(linker, component, |name| Ok(Label::from(name)), view)
}

impl View<'_> {
    fn find(&mut self, name: &str) -> Result<Resource<Secret>, SecretsError> {
        let state = self.state.ok_or_else(|| {
            SecretsError::Upstream("components that are linked to each other need the same secrets".into())
        })?;
        let secret = state.find(name).ok_or(SecretsError::NotFound)?.clone();
        self.table.push(Secret(secret)).map_err(|error| SecretsError::Upstream(error.to_string()))
    }
}

impl store::HostSecret for View<'_> {
    async fn drop(&mut self, secret: Resource<Secret>) -> wasmtime::Result<()> {
        self.table.delete(secret)?;
        Ok(())
    }
}

impl store::Host for View<'_> {}
impl reveal::Host for View<'_> {}
impl secret::Host for View<'_> {}
impl named::secret::Host for View<'_> {}

impl<T: Send + 'static> store::HostWithStore<T> for Views {
    async fn get(
        accessor: &Accessor<T, Self>,
        key: String,
    ) -> wasmtime::Result<Result<Resource<Secret>, SecretsError>> {
        Ok(accessor.with(|mut access| access.get().find(&key)))
    }
}

impl<T: Send + 'static> reveal::HostWithStore<T> for Views {
    async fn reveal(accessor: &Accessor<T, Self>, secret: Resource<Secret>) -> wasmtime::Result<SecretValue> {
        accessor.with(|mut access| {
            let secret = &access.get().table.get(&secret)?.0;
            Ok(match std::str::from_utf8(secret.reveal()) {
                Ok(text) => SecretValue::String(text.into()),
                Err(_) => SecretValue::Bytes(secret.reveal().to_vec()),
            })
        })
    }
}

impl<T: Send + 'static> secret::HostWithStore<T> for Views {
    /// Not reached: a component that imports it like this is refused.
    async fn get(_: &Accessor<T, Self>) -> wasmtime::Result<Resource<Secret>> {
        Err(wasmtime::Error::msg("the secret was imported without its name"))
    }
}

impl<T: Send + 'static> named::secret::HostWithStore<T> for Views {
    async fn get(accessor: &Accessor<T, Self>, name: Label) -> wasmtime::Result<Resource<Secret>> {
        let found = accessor.with(|mut access| access.get().find(&name));
        found.map_err(|error| wasmtime::Error::msg(format!("the secret `{name}`: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::runtime::workload::{HostInterface, LocalResources};

    #[test]
    fn a_components_own_secrets_go_before_those_of_the_workload() {
        let config: BTreeMap<_, _> = [("a", "entry"), ("b", "entry")].map(|(k, v)| (k.into(), v.into())).into();
        let entry = HostInterface {
            namespace: "wasmcloud".into(),
            package: "secrets".into(),
            config,
            ..HostInterface::default()
        };
        let workload = Workload { host_interfaces: vec![entry], ..Workload::default() };
        let secrets: Secrets =
            [("b".to_string(), b"own".to_vec()), ("API_KEY".into(), b"k".to_vec())].into_iter().collect();
        let local = LocalResources { secrets, ..LocalResources::default() };
        let state = configure(&workload, &Component { local, ..Component::default() }).unwrap();
        let found = |name: &str| state.find(name).map(|secret| secret.reveal().to_vec());
        assert_eq!(found("a").unwrap(), b"entry");
        assert_eq!(found("b").unwrap(), b"own");
        assert_eq!(found("api-key").unwrap(), b"k");
        assert_eq!(found("c"), None);
        // Another component of the workload has none of it.
        assert!(configure(&workload, &Component::default()).unwrap().find("API_KEY").is_none());
    }
}
