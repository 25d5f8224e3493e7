//! Makes the workload of the loop from settings and components.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::component;
use crate::error::{Context, Error, Result};
use crate::project::Project;
use crate::project::settings::DevComponent;
use crate::runtime::limits::Limits;
use crate::runtime::workload::{Component, HostInterface, LocalResources, Volume, VolumeMount, Workload, WorkloadId};
use crate::toolchain;

/// The bytes of a component and their digest.
#[derive(Clone)]
pub struct Binary {
    pub bytes: Arc<[u8]>,
    pub digest: String,
}

impl Binary {
    /// Takes what a build made.
    pub fn of(artifact: toolchain::Artifact) -> Self {
        Binary { digest: artifact.description.digest, bytes: artifact.bytes.into() }
    }
}

/// The workload: the main component first, then those of `dev.components` in their order. `built`
/// has the binaries of sidecar projects by name.
pub fn workload(project: &Project, main: &Binary, built: &BTreeMap<String, Binary>) -> Result<Workload> {
    let dev = &project.settings.dev;
    let volumes: Vec<Volume> = dev
        .volumes
        .iter()
        .map(|volume| Volume { name: volume.guest_path.clone(), host_path: project.root.join(&volume.host_path) })
        .collect();
    let mounts: Vec<VolumeMount> = dev
        .volumes
        .iter()
        .map(|volume| VolumeMount {
            volume: volume.guest_path.clone(),
            mount_path: volume.guest_path.clone(),
            read_only: volume.read_only,
        })
        .collect();
    let local = |environment: &BTreeMap<String, String>, files: &[String], config: &BTreeMap<String, String>| {
        Ok::<_, Error>(LocalResources {
            environment: environment_of(&project.root, environment, files)?,
            config: config.clone(),
            volume_mounts: mounts.clone(),
            memory_limit_mb: dev.memory_limit_mb,
        })
    };
    let mut components = vec![Component {
        name: project.name.clone(),
        bytes: main.bytes.clone(),
        digest: main.digest.clone(),
        local: local(&dev.environment, &dev.env_files, &dev.config)?,
        ..Component::default()
    }];
    for sidecar in &dev.components {
        let binary = match built.get(&sidecar.name) {
            Some(binary) => binary.clone(),
            None => from_file(project, sidecar)?,
        };
        components.push(Component {
            name: sidecar.name.clone(),
            bytes: binary.bytes,
            digest: binary.digest,
            local: local(&sidecar.environment, &sidecar.env_files, &sidecar.config)?,
            ..Component::default()
        });
    }
    let host_interfaces = dev
        .host_interfaces
        .iter()
        .map(|entry| HostInterface {
            namespace: entry.namespace.clone(),
            package: entry.package.clone(),
            name: entry.name.clone(),
            interfaces: entry.interfaces.clone(),
            version: entry.version.clone(),
            config: config_of(&project.root, &entry.config),
        })
        .collect();
    Ok(Workload { components, host_interfaces, volumes, ..named(project) })
}

/// The settings of an entry. The folder of a backend is relative to the project's, as every path in
/// the settings.
fn config_of(root: &Path, config: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut config = config.clone();
    if let Some(folder) = config.get_mut("root") {
        *folder = root.join(&*folder).display().to_string();
    }
    config
}

/// Under which name the loop's data is kept.
pub fn id(project: &Project) -> WorkloadId {
    named(project).id()
}

fn named(project: &Project) -> Workload {
    Workload { namespace: "dev".into(), name: project.name.clone(), ..Workload::default() }
}

/// What the loop's components are held to.
pub fn limits(project: &Project) -> Limits {
    let mut limits = Limits::development();
    if let Some(seconds) = project.settings.dev.request_timeout_seconds {
        limits.request_time = Duration::from_secs(seconds);
    }
    limits
}

fn from_file(project: &Project, sidecar: &DevComponent) -> Result<Binary> {
    let file = sidecar.file.as_deref().unwrap_or_default();
    let path = project.root.join(file);
    let bytes = std::fs::read(&path)
        .context(|| format!("cannot read the component `{}` from `{}`", sidecar.name, path.display()))
        .map_err(|error| error.hint("build it first, or correct `file` below `dev.components`"))?;
    let bytes = match component::describe(&bytes) {
        Ok(description) if description.kind == component::Kind::Component => bytes,
        _ => toolchain::componentize(&path, bytes)?.0.bytes,
    };
    Ok(Binary { digest: component::digest(&bytes), bytes: bytes.into() })
}

/// Variables of the files in their order, then those of the settings.
fn environment_of(
    root: &Path,
    settings: &BTreeMap<String, String>,
    files: &[String],
) -> Result<BTreeMap<String, String>> {
    let mut environment = BTreeMap::new();
    for file in files {
        environment.extend(crate::project::env_file::read(&root.join(file))?);
    }
    environment.extend(settings.clone());
    Ok(environment)
}
