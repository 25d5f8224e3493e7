//! From a document to what a workload is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::document::{Document, Kind};
use super::fields::{Problems, Table};
use super::layers::{Artifact, Values};
use super::{Notice, folder_of};
use crate::node::spec::{
    ComponentSpec, Image, ImageSpec, PullPolicy, ServiceSpec, VolumeSource, VolumeSpec, WorkloadSpec,
};
use crate::oci::Reference;
use crate::plugins::catalog;
use crate::project::problem::Problem;
use crate::runtime::network::policy::{LoopbackPort, Policy};
use crate::runtime::workload::{HostInterface, LocalResources, Rules, VolumeMount};

/// What nobody asks of one machine; more is a slip of the pen.
const MOST_REPLICAS: u32 = 100;
/// How often a service is started again where nobody says it, as in the dev loop.
const DEFAULT_MAX_RESTARTS: u64 = 5;

/// What a document says.
pub struct Read {
    pub spec: WorkloadSpec,
    pub replicas: u32,
    pub recreate: bool,
    pub notices: Vec<Notice>,
}

/// What is the same for all parts of a document.
struct Around<'a> {
    document: &'a Document,
    values: &'a Values,
    problems: &'a Problems,
    /// Images of a deployment by the names of their components.
    artifacts: BTreeMap<String, Artifact>,
}

/// Reads a document of a kind that runs. What is wrong is a problem.
pub fn read(document: &Document, values: &Values, problems: &Problems) -> Option<Read> {
    let table = Table::of(&document.node, String::new(), problems)?;
    for known in ["apiVersion", "kind", "metadata", "status"] {
        table.skip(known);
    }
    let Some(spec) = table.table("spec") else {
        problems.add(Problem::at(&document.origin, "`spec` is missing"));
        return None;
    };
    table.end();
    let mut around = Around { document, values, problems, artifacts: BTreeMap::new() };
    if document.kind == Kind::Workload {
        let (spec, notices) = workload(&without_scheduling(spec), &around, document.annotations.clone(), None);
        return Some(Read { spec, replicas: 1, recreate: false, notices });
    }
    let replicas = spec.whole("replicas").unwrap_or(1);
    if replicas > MOST_REPLICAS {
        let origin = spec.origin_of("replicas");
        spec.wrong(origin, format!("one host runs at most {MOST_REPLICAS} replicas, not {replicas}"));
    }
    let mut recreate = false;
    if document.kind == Kind::WorkloadDeployment {
        recreate = match spec.text("deployPolicy") {
            None | Some("RollingUpdate") => false,
            Some("Recreate") => true,
            Some(other) => {
                let origin = spec.origin_of("deployPolicy");
                spec.wrong_with_hint(
                    origin,
                    format!("there is no `deployPolicy` `{other}`"),
                    "`RollingUpdate` or `Recreate`",
                );
                false
            }
        };
        around.artifacts = artifacts(&spec, &around);
    }
    let for_service = service_name(&spec);
    let Some(template) = spec.table("template") else {
        problems.add(Problem::at(&document.origin, "`spec.template` is missing"));
        return None;
    };
    spec.end();
    let mut annotations = template.map("annotations");
    template.skip("labels");
    if let Some(metadata) = template.table("metadata") {
        annotations.extend(metadata.map("annotations"));
    }
    let Some(inner) = template.table("spec") else {
        problems.add(Problem::at(template.origin, "`spec.template.spec` is missing"));
        return None;
    };
    template.end();
    let (spec, notices) = workload(&without_scheduling(inner), &around, annotations, for_service);
    Some(Read { spec, replicas, recreate, notices })
}

/// Passes over what is not for a host.
fn without_scheduling(spec: Table<'_>) -> Table<'_> {
    // Where it is to run is for schedulers: whoever gives it to this host has decided.
    for known in ["hostSelector", "hostId", "environment"] {
        spec.skip(known);
    }
    spec
}

fn workload(
    spec: &Table<'_>,
    around: &Around<'_>,
    annotations: BTreeMap<String, String>,
    for_service: Option<String>,
) -> (WorkloadSpec, Vec<Notice>) {
    let document = around.document;
    let volumes = volumes(spec, around);
    let mut components = Vec::new();
    let mut names = BTreeSet::new();
    for table in spec.tables("components") {
        let component = component(&table, around, &volumes);
        if !names.insert(component.name.clone()) {
            table.wrong(table.origin_of("name"), format!("there are two components `{}`", component.name));
        }
        components.push(component);
        table.end();
    }
    let service = spec.table("service").map(|table| {
        let service = service(&table, around, &volumes);
        table.end();
        service
    });
    if components.is_empty() && service.is_none() && !spec.has_slip_of(&["components", "service"]) {
        spec.wrong(spec.origin, format!("`{}` has neither components nor a service", document.full_name()));
    }
    let mut host_interfaces = host_interfaces(spec, around);
    if let Some(name) = service_name(spec).or(for_service) {
        add_aliases(&mut host_interfaces, &name, &document.namespace);
    }
    let notices = unreachable(document, spec, &host_interfaces).into_iter().collect();
    spec.tell_unknown();
    let spec = WorkloadSpec {
        namespace: document.namespace.clone(),
        name: document.name.clone(),
        annotations,
        components,
        service,
        host_interfaces,
        volumes,
    };
    (spec, notices)
}

fn component(table: &Table<'_>, around: &Around<'_>, volumes: &[VolumeSpec]) -> ComponentSpec {
    let name = table.required("name").unwrap_or_default().to_string();
    let artifact = around.artifacts.get(&name);
    ComponentSpec {
        image: image(table, around, artifact),
        resources: resources(table, around, volumes, &name),
        pool_size: table.whole("poolSize").unwrap_or(0),
        max_invocations: table.whole("maxInvocations").unwrap_or(0),
        max_concurrency: table.whole("maxConcurrency").unwrap_or(0),
        name,
    }
}

fn service(table: &Table<'_>, around: &Around<'_>, volumes: &[VolumeSpec]) -> ServiceSpec {
    // It may be called something; what it is called in messages is the same for all.
    table.skip("name");
    ServiceSpec {
        image: image(table, around, None),
        resources: resources(table, around, volumes, "service"),
        max_restarts: table.whole("maxRestarts").map_or(DEFAULT_MAX_RESTARTS, u64::from),
    }
}

fn image(table: &Table<'_>, around: &Around<'_>, artifact: Option<&Artifact>) -> ImageSpec {
    let namespace = &around.document.namespace;
    let (text, origin) = match artifact {
        // What the component itself says is the older word.
        Some(artifact) => {
            table.skip("image");
            (artifact.image.as_str(), table.origin)
        }
        None => (table.required("image").unwrap_or_default(), table.origin_of("image")),
    };
    let image = match local_file(text, around) {
        Some(path) => Image::File(path),
        None => {
            if let Err(error) = Reference::parse(text)
                && !text.is_empty()
            {
                let problem = Problem::at(origin, format!("`{text}` is no image: {error}"));
                around.problems.add(problem.hint("write `registry/name:tag`, or a file: `./name.wasm`"));
            }
            Image::Reference(text.to_string())
        }
    };
    let policy = match table.text("imagePullPolicy") {
        None => PullPolicy::Unspecified,
        Some("Always") => PullPolicy::Always,
        Some("IfNotPresent") => PullPolicy::IfNotPresent,
        Some("Never") => PullPolicy::Never,
        Some(other) => {
            let message = format!("there is no `imagePullPolicy` `{other}`");
            table.wrong_with_hint(table.origin_of("imagePullPolicy"), message, "`Always`, `IfNotPresent` or `Never`");
            PullPolicy::Unspecified
        }
    };
    let secret = match table.table("imagePullSecret") {
        Some(entry) => {
            let secret = around.values.pull_secret(namespace, &entry, text);
            entry.end();
            secret
        }
        None => artifact
            .and_then(|artifact| around.values.pull_secret_by_name(namespace, artifact.pull_secret.as_ref()?, text)),
    };
    ImageSpec { image, policy, secret }
}

/// The file that an image is, if it is written as one.
fn local_file(text: &str, around: &Around<'_>) -> Option<PathBuf> {
    let path = text.strip_prefix("file://").or_else(|| {
        let is_path = text.starts_with('/') || text.starts_with("./") || text.starts_with("../");
        (is_path || text.ends_with(".wasm")).then_some(text)
    })?;
    Some(folder_of(&around.document.file).join(path.strip_prefix("./").unwrap_or(path)))
}

fn resources(table: &Table<'_>, around: &Around<'_>, volumes: &[VolumeSpec], name: &str) -> LocalResources {
    let Some(local) = table.table("localResources") else { return LocalResources::default() };
    let document = around.document;
    let environment = local.table("environment").map(|layers| {
        let merged = around.values.merged(&document.namespace, &layers);
        layers.end();
        merged
    });
    let mut volume_mounts = Vec::new();
    for mount in local.tables("volumeMounts") {
        let volume = mount.required("name").unwrap_or_default().to_string();
        let mount_path = mount.required("mountPath").unwrap_or_default().to_string();
        if !volume.is_empty() && !volumes.iter().any(|known| known.name == volume) {
            let message = format!("there is no volume `{volume}` in the workload");
            mount.wrong_with_hint(mount.origin_of("name"), message, "add it to `volumes`");
        }
        if !mount_path.is_empty() && !mount_path.starts_with('/') {
            mount.wrong(mount.origin_of("mountPath"), format!("`{mount_path}` is not absolute"));
        }
        volume_mounts.push(VolumeMount { volume, mount_path, read_only: mount.switch("readOnly").unwrap_or(false) });
        mount.end();
    }
    let network = Rules {
        allowed_hosts: local.texts("allowedHosts"),
        allow_private_networks: false,
        allowed_host_loopback_ports: loopback_ports(&local),
        allowed_ip_name_lookups: local.texts("allowedIpNameLookups"),
        place: format!("to `localResources` of `{name}` in {}", document.file.display()),
    };
    if let Err(error) = Policy::new(network.clone()) {
        let origin = match error.key {
            "allowed_hosts" => local.origin_of("allowedHosts"),
            "allowed_ip_name_lookups" => local.origin_of("allowedIpNameLookups"),
            _ => local.origin,
        };
        local.wrong_with_hint(origin, error.message, error.hint);
    }
    let (environment, secrets) = environment.unwrap_or_default();
    let resources = LocalResources {
        environment,
        config: local.map("config"),
        volume_mounts,
        memory_limit_mb: local.whole("memoryLimitMb").filter(|limit| *limit > 0).map(u64::from),
        // Thousandths of a core there, hundredths here.
        cpu_limit: local.whole("cpuLimit").filter(|limit| *limit > 0).map(|limit| limit.div_ceil(10)),
        network,
        secrets,
    };
    local.end();
    resources
}

/// `5432`, or for one kind of sockets `5432/tcp`, `53/udp`.
fn loopback_ports(local: &Table<'_>) -> Vec<LoopbackPort> {
    let mut ports = Vec::new();
    for text in local.texts("allowedHostLoopbackPorts") {
        match LoopbackPort::parse(&text) {
            Some(port) => ports.push(port),
            None => {
                let origin = local.origin_of("allowedHostLoopbackPorts");
                local.wrong_with_hint(origin, format!("`{text}` is no port"), "write \"5432\", or \"5432/tcp\"");
            }
        }
    }
    ports
}

fn volumes(spec: &Table<'_>, around: &Around<'_>) -> Vec<VolumeSpec> {
    let mut volumes: Vec<VolumeSpec> = Vec::new();
    for table in spec.tables("volumes") {
        let name = table.required("name").unwrap_or_default().to_string();
        if volumes.iter().any(|volume| volume.name == name) {
            table.wrong(table.origin_of("name"), format!("there are two volumes `{name}`"));
        }
        let temporary: Vec<&str> = ["ephemeral", "emptyDir"].into_iter().filter(|key| table.is_written(key)).collect();
        let host_path = table.table("hostPath").and_then(|inner| {
            let path = inner.required("path").map(|path| path.strip_prefix("./").unwrap_or(path));
            let path = path.map(|path| folder_of(&around.document.file).join(path));
            // What Kubernetes checks, we find out when it is used.
            inner.skip("type");
            inner.end();
            path
        });
        let has_host_path = table.has("hostPath");
        let source = match (has_host_path, temporary.len()) {
            (true, 0) => VolumeSource::HostPath(host_path.unwrap_or_default()),
            (false, 1) => VolumeSource::EmptyDir,
            _ => {
                let message = format!("the volume `{name}` must have one of `hostPath`, `ephemeral`, `emptyDir`");
                table.wrong_with_hint(
                    table.origin,
                    message,
                    "for a folder that goes with the workload: `ephemeral: {}`",
                );
                VolumeSource::EmptyDir
            }
        };
        volumes.push(VolumeSpec { name, source });
        table.end();
    }
    volumes
}

fn host_interfaces(spec: &Table<'_>, around: &Around<'_>) -> Vec<HostInterface> {
    let mut all: Vec<HostInterface> = Vec::new();
    for table in spec.tables("hostInterfaces") {
        let entry = HostInterface {
            namespace: table.required("namespace").unwrap_or_default().to_string(),
            package: table.required("package").unwrap_or_default().to_string(),
            name: table.text("name").filter(|name| !name.is_empty()).map(String::from),
            interfaces: table.texts("interfaces"),
            version: table.text("version").map(String::from),
            config: around.values.merged(&around.document.namespace, &table).0,
        };
        let package = format!("{}:{}", entry.namespace, entry.package);
        if !entry.namespace.is_empty()
            && !entry.package.is_empty()
            && let Err(error) = catalog::check_package(&entry.namespace, &entry.package, catalog::hosted())
        {
            let problem = Problem::at(table.origin_of("package"), error.message());
            let hint = error.hints().first().cloned();
            around.problems.add(Problem { hint, ..problem });
        }
        if let Some(name) = &entry.name
            && !is_interface_name(name)
        {
            let hint = "small letters, digits and `-`, not `-` first";
            table.wrong_with_hint(
                table.origin_of("name"),
                format!("`{name}` cannot be the name of an interface"),
                hint,
            );
        }
        let same = |other: &&HostInterface| other.namespace == entry.namespace && other.package == entry.package;
        if let Some(other) = all.iter().find(same) {
            if entry.name.is_none() || other.name.is_none() {
                let message = format!("there are several entries for `{package}`, and not all have a name");
                table.wrong_with_hint(table.origin, message, "give each a `name`: that is what the component opens");
            } else if all.iter().filter(same).any(|other| other.name == entry.name) {
                let name = entry.name.clone().unwrap_or_default();
                table.wrong(table.origin_of("name"), format!("there are two entries `{name}` for `{package}`"));
            }
        }
        all.push(entry);
        table.end();
    }
    all
}

fn is_interface_name(name: &str) -> bool {
    !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The Kubernetes service that leads here: its names are names of the workload, as the operator has it.
fn service_name(spec: &Table<'_>) -> Option<String> {
    let kubernetes = spec.table("kubernetes")?;
    let service = kubernetes.table("service");
    kubernetes.end();
    let service = service?;
    let name = service.required("name").map(String::from);
    service.end();
    name
}

fn add_aliases(interfaces: &mut [HostInterface], service: &str, namespace: &str) {
    let Some(http) = interfaces.iter_mut().find(|entry| entry.is("wasi", "http")) else { return };
    let base = format!("{service}.{namespace}");
    let names = [service.to_string(), base.clone(), format!("{base}.svc"), format!("{base}.svc.cluster.local")];
    let aliases = http.config.entry("host-aliases".into()).or_default();
    for name in names {
        if !aliases.is_empty() {
            aliases.push(',');
        }
        aliases.push_str(&name);
    }
}

/// One who wants requests and can get none is probably not what was meant.
fn unreachable(document: &Document, spec: &Table<'_>, interfaces: &[HostInterface]) -> Option<Notice> {
    let http = interfaces.iter().find(|entry| entry.is("wasi", "http"))?;
    let is_incoming = http.interfaces.iter().any(|name| name == "incoming-handler" || name == "handler");
    let has_host = |key: &str| http.config.get(key).is_some_and(|text| !text.trim().is_empty());
    if !is_incoming || has_host("host") || has_host("host-aliases") {
        return None;
    }
    let name = document.full_name();
    let place = spec.origin_of("hostInterfaces");
    Some(Notice {
        message: format!("`{name}` gets no requests: its entry for `wasi:http` names no host ({place})"),
        hint: Some("add `host: hello.example` to the `config` of the entry, or `host: localhost`".into()),
    })
}

/// The images of `artifacts`, by the components that they are for.
fn artifacts(spec: &Table<'_>, around: &Around<'_>) -> BTreeMap<String, Artifact> {
    let mut all = BTreeMap::new();
    for table in spec.tables("artifacts") {
        let component = table.required("name").unwrap_or_default().to_string();
        if let Some(from) = table.table("artifactFrom") {
            let name = from.required("name").unwrap_or_default();
            match around.values.artifact(&around.document.namespace, name) {
                Some(artifact) => {
                    all.insert(component, artifact.clone());
                }
                None => {
                    let message =
                        format!("there is no Artifact `{name}` in the namespace `{}`", around.document.namespace);
                    from.wrong_with_hint(from.origin_of("name"), message, "give a manifest with it, too");
                }
            }
            from.end();
        } else {
            table.wrong(table.origin, "`artifactFrom.name` is missing");
        }
        table.end();
    }
    all
}
