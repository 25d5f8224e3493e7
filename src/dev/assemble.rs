//! Makes the workload of the loop from settings and components.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::component;
use crate::error::{Context, Error, Result};
use crate::plugins::catalog;
use crate::project::Project;
use crate::project::settings::{self, DEFAULT_SERVICE_MAX_RESTARTS, DevComponent};
use crate::runtime::limits::Limits;
use crate::runtime::network::policy::{LoopbackPort, Policy};
use crate::runtime::network::{Outbound, OutboundOptions};
use crate::runtime::tls::{Trust, TrustRoots};
use crate::runtime::workload::{
    Component, HostInterface, LocalResources, Rules, Secrets, Service, Volume, VolumeMount, Workload, WorkloadId,
};
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
/// has the binaries of sidecar projects by name. The main component may be the service, too.
pub fn workload(project: &Project, main: &Binary, built: &BTreeMap<String, Binary>) -> Result<Workload> {
    let dev = &project.settings.dev;
    // Told apart by where they are found: no component has two at one place.
    let volume = |of: &str, volume: &settings::Volume| Volume {
        name: format!("{of}{}", volume.guest_path),
        host_path: project.root.join(&volume.host_path),
    };
    let mount = |of: &str, volume: &settings::Volume| VolumeMount {
        volume: format!("{of}{}", volume.guest_path),
        mount_path: volume.guest_path.clone(),
        read_only: volume.read_only,
    };
    let mut volumes: Vec<Volume> = dev.volumes.iter().map(|shared| volume("", shared)).collect();
    let mounts: Vec<VolumeMount> = dev.volumes.iter().map(|shared| mount("", shared)).collect();
    let local = |environment: &BTreeMap<String, String>,
                 files: &[String],
                 config: &BTreeMap<String, String>,
                 secrets: Secrets,
                 network: Rules| {
        Ok::<_, Error>(LocalResources {
            environment: environment_of(&project.root, environment, files)?,
            config: config.clone(),
            secrets,
            volume_mounts: mounts.clone(),
            memory_limit_mb: dev.memory_limit_mb,
            cpu_limit: dev.cpu_limit,
            network,
        })
    };
    let main_secrets = || secrets_of(&project.root, &dev.secrets, &dev.secret_files);
    let mut components = vec![Component {
        name: project.name.clone(),
        bytes: main.bytes.clone(),
        digest: main.digest.clone(),
        local: local(&dev.environment, &dev.env_files, &dev.config, main_secrets()?, main_rules(project))?,
        pool_size: dev.pool_size.unwrap_or(0),
        max_invocations: dev.max_invocations.unwrap_or(0),
        max_concurrency: dev.max_concurrency.unwrap_or(0),
    }];
    let service = match &dev.service_file {
        Some(file) => Some(Component {
            name: service_name(project, file),
            local: local(&dev.environment, &dev.env_files, &dev.config, main_secrets()?, main_rules(project))?,
            ..service_from_file(project, file)?
        }),
        None if dev.service || runs_by_itself(main) => components.pop(),
        None => None,
    };
    for (index, sidecar) in dev.components.iter().enumerate() {
        let binary = match built.get(&sidecar.name) {
            Some(binary) => binary.clone(),
            None => from_file(project, sidecar)?,
        };
        let secrets = secrets_of(&project.root, &sidecar.secrets, &sidecar.secret_files)?;
        let rules = sidecar_rules(project, index, sidecar);
        let mut local = local(&sidecar.environment, &sidecar.env_files, &sidecar.config, secrets, rules)?;
        volumes.extend(sidecar.volumes.iter().map(|own| volume(&sidecar.name, own)));
        local.volume_mounts.extend(sidecar.volumes.iter().map(|own| mount(&sidecar.name, own)));
        components.push(Component {
            name: sidecar.name.clone(),
            bytes: binary.bytes,
            digest: binary.digest,
            local,
            pool_size: dev.pool_size.unwrap_or(0),
            max_invocations: dev.max_invocations.unwrap_or(0),
            max_concurrency: dev.max_concurrency.unwrap_or(0),
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
    let max_restarts = dev.service_max_restarts.unwrap_or(DEFAULT_SERVICE_MAX_RESTARTS);
    let service = service.map(|component| Service { component, max_restarts });
    Ok(Workload { components, service, host_interfaces, volumes, ..named(project) })
}

/// Whether a component is a program with a `main` and nothing that anybody else could call.
fn runs_by_itself(main: &Binary) -> bool {
    let exports = component::interfaces(&main.bytes).unwrap_or_default().exports;
    !exports.is_empty() && exports.iter().all(|export| export.name == "wasi:cli/run")
}

fn service_name(project: &Project, file: &str) -> String {
    let stem = Path::new(file).file_stem().map_or_else(|| "service".into(), |stem| stem.to_string_lossy().into_owned());
    let others = project.settings.dev.components.iter().map(|component| &component.name);
    match std::iter::once(&project.name).chain(others).any(|name| *name == stem) {
        true => format!("{stem}-service"),
        false => stem,
    }
}

fn service_from_file(project: &Project, file: &str) -> Result<Component> {
    let path = project.root.join(file);
    let binary = component_file(&path, "service").map_err(|error| {
        error.hint("`dev.service_file` names what the build leaves behind; correct it or build the service first")
    })?;
    Ok(Component { bytes: binary.bytes, digest: binary.digest, ..Component::default() })
}

/// What the main component may reach.
fn main_rules(project: &Project) -> Rules {
    let dev = &project.settings.dev;
    Rules {
        allowed_hosts: dev.allowed_hosts.clone(),
        allow_private_networks: dev.allow_private_networks,
        allowed_host_loopback_ports: ports(&dev.allowed_host_loopback_ports),
        allowed_ip_name_lookups: dev.allowed_ip_name_lookups.clone(),
        place: place(project, "dev"),
    }
}

fn sidecar_rules(project: &Project, index: usize, sidecar: &DevComponent) -> Rules {
    Rules {
        allowed_hosts: sidecar.allowed_hosts.clone(),
        allow_private_networks: sidecar.allow_private_networks,
        allowed_host_loopback_ports: ports(&sidecar.allowed_host_loopback_ports),
        allowed_ip_name_lookups: sidecar.allowed_ip_name_lookups.clone(),
        place: place(project, &format!("dev.components[{index}]")),
    }
}

/// Ports that are none were refused when the settings were read.
fn ports(ports: &[u64]) -> Vec<LoopbackPort> {
    ports.iter().filter_map(|port| u16::try_from(*port).ok()).map(LoopbackPort::from).collect()
}

/// Where denials say that a line is to be added.
fn place(project: &Project, key: &str) -> String {
    let file = match &project.config_file {
        Some(file) => file.strip_prefix(&project.root).unwrap_or(file).display().to_string(),
        None => ".wash/config.yaml".into(),
    };
    format!("below `{key}` in {file}")
}

/// Finds what is wrong with the network rules; the error names the line.
pub fn check_network(project: &Project) -> Result<()> {
    let dev = &project.settings.dev;
    let sidecars = dev.components.iter().enumerate();
    let of_sidecars =
        sidecars.map(|(index, sidecar)| (format!("dev.components[{index}]"), sidecar_rules(project, index, sidecar)));
    for (place, rules) in std::iter::once(("dev".to_string(), main_rules(project))).chain(of_sidecars) {
        if let Err(error) = Policy::new(rules) {
            let key = format!("{place}.{}[{}]", error.key, error.index);
            return Err(project.error_at(&key, error.message).hint(error.hint));
        }
    }
    Ok(())
}

/// Finds entries of `dev.host_interfaces` that nobody would read; the error names the line.
pub fn check_interfaces(project: &Project) -> Result<()> {
    for (index, entry) in project.settings.dev.host_interfaces.iter().enumerate() {
        if let Err(error) = catalog::check_package(&entry.namespace, &entry.package, catalog::hosted()) {
            let placed = project.error_at(&format!("dev.host_interfaces[{index}].package"), error.message());
            return Err(error.hints().iter().fold(placed, |placed, hint| placed.hint(hint)));
        }
    }
    Ok(())
}

/// What outgoing connections have in common. Fails when a file of authorities cannot be used.
pub fn outbound(project: &Project, env: &BTreeMap<String, String>) -> Result<Outbound> {
    let dev = &project.settings.dev;
    let roots = match dev.http_client_trust_roots.as_deref() {
        Some("webpki") => TrustRoots::Webpki,
        Some("native") => TrustRoots::Native,
        Some("extra-only") => TrustRoots::ExtraOnly,
        _ => TrustRoots::WebpkiAndNative,
    };
    let ca_paths = dev.http_client_ca_paths.iter().map(|path| project.root.join(path)).collect();
    let hosts = dev.hosts.iter().filter_map(|(name, address)| Some((name.clone(), address.parse().ok()?))).collect();
    Outbound::new(&OutboundOptions { environment: env.clone(), trust: Trust { roots, ca_paths }, hosts })
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

/// The loop's workload, without anything in it yet.
pub fn named(project: &Project) -> Workload {
    Workload { namespace: "dev".into(), name: project.name.clone(), ..Workload::default() }
}

/// What the loop's components are held to.
pub fn limits(project: &Project) -> Limits {
    let mut limits = Limits::development();
    if let Some(seconds) = project.settings.dev.request_timeout_seconds {
        limits.request_time = Duration::from_secs(seconds);
    }
    limits.body_bytes = project.settings.dev.request_body_limit_mb.map(|megabytes| megabytes.saturating_mul(1 << 20));
    limits
}

fn from_file(project: &Project, sidecar: &DevComponent) -> Result<Binary> {
    let file = sidecar.file.as_deref().unwrap_or_default();
    component_file(&project.root.join(file), &format!("component `{}`", sidecar.name))
        .map_err(|error| error.hint("build it first, or correct `file` below `dev.components`"))
}

fn component_file(path: &Path, what: &str) -> Result<Binary> {
    let bytes = std::fs::read(path).context(|| format!("cannot read the {what} from `{}`", path.display()))?;
    let bytes = match component::describe(&bytes) {
        Ok(description) if description.kind == component::Kind::Component => bytes,
        _ => toolchain::componentize(path, bytes)?.0.bytes,
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

/// Secrets of the files, then those of the settings.
fn secrets_of(root: &Path, settings: &BTreeMap<String, String>, files: &BTreeMap<String, String>) -> Result<Secrets> {
    let mut secrets = Secrets::default();
    for (name, file) in files {
        let path = root.join(file);
        let mut secret =
            std::fs::read(&path).context(|| format!("cannot read the secret `{name}` from `{}`", path.display()))?;
        // Editors end a file with one, and no secret means it.
        if secret.ends_with(b"\n") {
            secret.pop();
            if secret.ends_with(b"\r") {
                secret.pop();
            }
        }
        secrets.insert(name, secret);
    }
    settings.iter().for_each(|(name, value)| secrets.insert(name, value.as_str()));
    Ok(secrets)
}
