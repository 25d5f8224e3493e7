//! What a workload is before anything of it is fetched: as a manifest or a scheduler says it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use crate::oci::Reference;
use crate::runtime::workload::{HostInterface, LocalResources};

/// A workload with the images of its components instead of their bytes.
///
/// Two that are equal run the same, so long as their images stay what they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkloadSpec {
    /// Who it belongs to; with the name it identifies the workload's data.
    pub namespace: String,
    /// What it is called; replicas have the same name.
    pub name: String,
    /// Free notes for people and tools.
    pub annotations: BTreeMap<String, String>,
    /// The components. The first that exports an HTTP handler gets the requests.
    pub components: Vec<ComponentSpec>,
    /// What runs for as long as the workload.
    pub service: Option<ServiceSpec>,
    /// Capabilities it declares, with their configuration.
    pub host_interfaces: Vec<HostInterface>,
    /// Folders that components may mount, by name.
    pub volumes: Vec<VolumeSpec>,
}

/// One component of a workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComponentSpec {
    /// What it is called in messages; empty: by its place, `component-0`.
    pub name: String,
    /// Where its bytes are.
    pub image: ImageSpec,
    /// What only this component has.
    pub resources: LocalResources,
    /// How many instances are kept warm; 0: a new one for every call.
    pub pool_size: u32,
    /// The most calls at one time; 0: the host's default.
    pub max_invocations: u32,
    /// The most requests that a kept instance works on at the same time; 0: one.
    pub max_concurrency: u32,
}

/// A component that is started once and runs on. It is called `service` in messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceSpec {
    /// Where its bytes are.
    pub image: ImageSpec,
    /// What only the service has.
    pub resources: LocalResources,
    /// How often it is started again after it has failed, in a row.
    pub max_restarts: u64,
}

/// Where the bytes of a component are, and how they are got.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageSpec {
    /// A file, or a reference in a registry.
    pub image: Image,
    /// Whether the registry is asked for what is in the cache.
    pub policy: PullPolicy,
    /// Who we are for the image's registry; `None`: what the machine's own files say.
    pub secret: Option<PullSecret>,
}

/// Where the bytes of a component are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Image {
    /// A file of this machine, absolute.
    File(PathBuf),
    /// `registry/name:tag`, or with a digest.
    Reference(String),
}

impl Default for Image {
    fn default() -> Self {
        Image::Reference(String::new())
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Image::File(path) => write!(f, "{}", path.display()),
            Image::Reference(reference) => f.write_str(reference),
        }
    }
}

/// When a registry is asked for an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Nobody said: [`PullPolicy::Always`] for the tag `latest` and for none,
    /// [`PullPolicy::IfNotPresent`] otherwise.
    #[default]
    Unspecified,
    /// At each start. Only where the registry cannot be reached, what was pulled the last time is used.
    Always,
    /// When it was never pulled.
    IfNotPresent,
    /// Never: it was pulled before, or the start fails.
    Never,
}

impl PullPolicy {
    /// What is meant for this reference; never [`PullPolicy::Unspecified`].
    pub fn for_reference(self, reference: &Reference) -> PullPolicy {
        match self {
            PullPolicy::Unspecified if reference.digest().is_some() => PullPolicy::IfNotPresent,
            PullPolicy::Unspecified if reference.tag().is_none_or(|tag| tag == "latest") => PullPolicy::Always,
            PullPolicy::Unspecified => PullPolicy::IfNotPresent,
            said => said,
        }
    }
}

/// A name and a password for a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct PullSecret {
    pub username: String,
    pub password: String,
}

/// Only the name: debug output ends up in logs.
impl fmt::Debug for PullSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullSecret").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A folder that components may mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeSpec {
    /// What mounts call it.
    pub name: String,
    /// What it is.
    pub source: VolumeSource,
}

/// What a volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// A folder of this machine, absolute.
    HostPath(PathBuf),
    /// A new folder that goes with the workload.
    EmptyDir,
}

impl WorkloadSpec {
    /// The images of all components and of the service.
    pub fn images(&self) -> impl Iterator<Item = &ImageSpec> {
        let service = self.service.iter().map(|service| &service.image);
        self.components.iter().map(|component| &component.image).chain(service)
    }

    /// The files of this machine among the images.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let files = self.images().filter_map(|image| match &image.image {
            Image::File(path) => Some(path.clone()),
            Image::Reference(_) => None,
        });
        files.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_that_moves_is_asked_for_again() {
        let policy = |text: &str| PullPolicy::Unspecified.for_reference(&Reference::parse(text).unwrap());
        assert_eq!(policy("a.example/b"), PullPolicy::Always);
        assert_eq!(policy("a.example/b:latest"), PullPolicy::Always);
        assert_eq!(policy("a.example/b:1"), PullPolicy::IfNotPresent);
        assert_eq!(policy(&format!("a.example/b@sha256:{}", "0".repeat(64))), PullPolicy::IfNotPresent);
        let never = PullPolicy::Never.for_reference(&Reference::parse("a.example/b").unwrap());
        assert_eq!(never, PullPolicy::Never);
    }

    #[test]
    fn a_password_is_not_in_debug_output() {
        let secret = PullSecret { username: "alice".into(), password: "s3cret".into() };
        assert!(!format!("{secret:?}").contains("s3cret"));
    }
}
