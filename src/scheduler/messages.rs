//! The messages of the scheduler protocol (`wasmcloud.runtime.v2`) as JSON, and what they mean here.
//!
//! What comes in is what a scheduler asks for; what goes out leaves defaults out, as the protocol's
//! JSON does.

use std::path::PathBuf;
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::json::{Field, Message, parse};
use crate::host::types::{HostHeartbeat, WorkloadState, WorkloadStatus};
use crate::node::spec::{
    ComponentSpec, Image, ImageSpec, PullPolicy, PullSecret, ServiceSpec, VolumeSource, VolumeSpec, WorkloadSpec,
};
use crate::runtime::network::policy::LoopbackPort;
use crate::runtime::workload::{HostInterface, LocalResources, Rules, Secrets, VolumeMount};

/// The longest message of a state, in bytes: reports of unmet imports may have many lines, and a
/// scheduler keeps what it is told.
const LONGEST_MESSAGE: usize = 16 << 10;
/// Where denials of the network policy say that a line is to be added.
const RULES_PLACE: &str = " below `localResources` of the component in its manifest";

type Read<T> = Result<T, String>;

/// A message that cannot be carried out, with what was asked for if that much could be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub workload_id: String,
    pub reason: String,
}

/// Reads a `WorkloadStartRequest`: the workload's identifier and what is to run.
pub fn read_start(bytes: &[u8]) -> Result<(String, WorkloadSpec), Unreadable> {
    read(bytes, |message| workload(message.field("workload")?.message()?))
}

/// Reads a `WorkloadStatusRequest` or a `WorkloadStopRequest`: the workload's identifier.
pub fn read_workload_id(bytes: &[u8]) -> Result<String, Unreadable> {
    read(bytes, |_| Ok(())).map(|(workload_id, ())| workload_id)
}

/// What can be read of the identifier in a message that is of no known kind.
pub fn guess_workload_id(bytes: &[u8]) -> String {
    read_workload_id(bytes).unwrap_or_else(|unreadable| unreadable.workload_id)
}

fn read<T>(bytes: &[u8], rest: impl FnOnce(&Message) -> Read<T>) -> Result<(String, T), Unreadable> {
    let unreadable = |workload_id: &str, reason| Unreadable { workload_id: workload_id.into(), reason };
    let value = parse(bytes).map_err(|reason| unreadable("", format!("the command cannot be read: {reason}")))?;
    let message = Field::root(&value).message().map_err(|reason| unreadable("", reason))?;
    let workload_id = message.field("workloadId").and_then(Field::text).map_err(|reason| unreadable("", reason))?;
    match rest(&message) {
        _ if workload_id.is_empty() => Err(unreadable("", "`workloadId` is missing".into())),
        Ok(rest) => Ok((workload_id, rest)),
        Err(reason) => Err(unreadable(&workload_id, reason)),
    }
}

fn workload(message: Message) -> Read<WorkloadSpec> {
    let world = message.field("witWorld")?.message()?;
    let service = message.field("service")?;
    Ok(WorkloadSpec {
        namespace: message.field("namespace")?.text()?,
        name: message.field("name")?.text()?,
        annotations: message.field("annotations")?.texts()?,
        components: each(world.field("components")?, component)?,
        service: if service.is_absent() { None } else { Some(self::service(service.message()?)?) },
        host_interfaces: each(world.field("hostInterfaces")?, interface)?,
        volumes: each(message.field("volumes")?, volume)?,
    })
}

fn each<T>(field: Field, read: impl Fn(Message) -> Read<T>) -> Read<Vec<T>> {
    field.list()?.into_iter().map(|entry| read(entry.message()?)).collect()
}

fn component(message: Message) -> Read<ComponentSpec> {
    Ok(ComponentSpec {
        name: message.field("name")?.text()?,
        image: image(&message)?,
        resources: resources(message.field("localResources")?.message()?)?,
        pool_size: positive(message.field("poolSize")?)?.unwrap_or_default(),
        max_invocations: positive(message.field("maxInvocations")?)?.unwrap_or_default(),
        max_concurrency: positive(message.field("maxConcurrency")?)?.unwrap_or_default(),
    })
}

fn service(message: Message) -> Read<ServiceSpec> {
    Ok(ServiceSpec {
        image: image(&message)?,
        resources: resources(message.field("localResources")?.message()?)?,
        max_restarts: message.field("maxRestarts")?.uint64()?,
    })
}

fn image(message: &Message) -> Read<ImageSpec> {
    let field = message.field("image")?;
    let missing = field.wrong("it is empty, and an image of a registry is needed");
    let reference = field.text()?;
    if reference.is_empty() {
        return Err(missing);
    }
    let policies = [
        ("IMAGE_PULL_POLICY_UNSPECIFIED", PullPolicy::Unspecified),
        ("IMAGE_PULL_POLICY_ALWAYS", PullPolicy::Always),
        ("IMAGE_PULL_POLICY_IF_NOT_PRESENT", PullPolicy::IfNotPresent),
        ("IMAGE_PULL_POLICY_NEVER", PullPolicy::Never),
    ];
    let secret = message.field("imagePullSecret")?.message()?;
    let (username, password) = (secret.field("username")?.text()?, secret.field("password")?.text()?);
    let nobody = username.is_empty() && password.is_empty();
    Ok(ImageSpec {
        image: Image::Reference(reference),
        policy: message.field("imagePullPolicy")?.choice(&policies)?,
        secret: (!nobody).then_some(PullSecret { username, password }),
    })
}

fn resources(message: Message) -> Read<LocalResources> {
    Ok(LocalResources {
        environment: message.field("environment")?.texts()?,
        config: message.field("config")?.texts()?,
        volume_mounts: each(message.field("volumeMounts")?, mount)?,
        memory_limit_mb: positive(message.field("memoryLimitMb")?)?.map(u64::from),
        // Thousandths of a core there, hundredths here.
        cpu_limit: positive(message.field("cpuLimit")?)?.map(|limit| limit.div_ceil(10)),
        network: Rules {
            allowed_hosts: texts(message.field("allowedHosts")?)?,
            allowed_ip_name_lookups: texts(message.field("allowedIpNameLookups")?)?,
            allowed_host_loopback_ports: ports(message.field("allowedHostLoopbackPorts")?)?,
            place: RULES_PLACE.into(),
            ..Rules::default()
        },
        // The protocol has none: schedulers put them into the environment.
        secrets: Secrets::default(),
    })
}

fn texts(field: Field) -> Read<Vec<String>> {
    field.list()?.into_iter().map(Field::text).collect()
}

/// `5432`, `5432/tcp`, `53/udp`. A port is open for both, or for none.
fn ports(field: Field) -> Read<Vec<LoopbackPort>> {
    let mut ports = Vec::new();
    for entry in field.list()? {
        let wrong = entry.wrong("it must be a port like `5432`, `5432/tcp` or `53/udp`");
        ports.push(LoopbackPort::parse(&entry.text()?).ok_or(wrong)?);
    }
    Ok(ports)
}

fn mount(message: Message) -> Read<VolumeMount> {
    Ok(VolumeMount {
        volume: message.field("name")?.text()?,
        mount_path: message.field("mountPath")?.text()?,
        read_only: message.field("readOnly")?.flag()?,
    })
}

fn volume(message: Message) -> Read<VolumeSpec> {
    let name = message.field("name")?.text()?;
    let (host_path, empty_dir) = (message.field("hostPath")?, message.field("emptyDir")?);
    let source = match (host_path.is_absent(), empty_dir.is_absent()) {
        (false, false) => return Err(host_path.wrong("the volume has an `emptyDir`, too")),
        (true, true) => return Err(host_path.wrong("the volume has neither this nor an `emptyDir`")),
        (true, false) => empty_dir.message().map(|_| VolumeSource::EmptyDir)?,
        (false, true) => {
            let local_path = host_path.message()?.field("localPath")?;
            let relative = local_path.wrong("it must be an absolute path of this host");
            let path = PathBuf::from(local_path.text()?);
            if !path.is_absolute() {
                return Err(relative);
            }
            VolumeSource::HostPath(path)
        }
    };
    Ok(VolumeSpec { name, source })
}

fn interface(message: Message) -> Read<HostInterface> {
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(HostInterface {
        namespace: message.field("namespace")?.text()?,
        package: message.field("package")?.text()?,
        name: filled(message.field("name")?.text()?),
        interfaces: texts(message.field("interfaces")?)?,
        version: filled(message.field("version")?.text()?),
        config: message.field("config")?.texts()?,
    })
}

/// Zero or less is not configured.
fn positive(field: Field) -> Read<Option<u32>> {
    Ok(u32::try_from(field.int32()?).ok().filter(|number| *number > 0))
}

/// The answer to a start, a stop or a question for the state: all of one shape.
pub fn answer(status: &WorkloadStatus) -> Value {
    let mut fields = Map::new();
    put(&mut fields, "workloadId", status.workload_id.as_str().into());
    // The default is left out.
    if let Some(name) = state_name(status.workload_state) {
        put(&mut fields, "workloadState", name.into());
    }
    put(&mut fields, "message", shortened(&status.message).into());
    json!({ "workloadStatus": fields })
}

/// The answer that something could not be done.
pub fn failure(workload_id: &str, message: impl Into<String>) -> Value {
    answer(&WorkloadStatus {
        workload_id: workload_id.into(),
        workload_state: WorkloadState::Error,
        message: message.into(),
    })
}

fn state_name(state: WorkloadState) -> Option<&'static str> {
    Some(match state {
        WorkloadState::Unspecified => return None,
        WorkloadState::Starting => "WORKLOAD_STATE_STARTING",
        WorkloadState::Running => "WORKLOAD_STATE_RUNNING",
        WorkloadState::Completed => "WORKLOAD_STATE_COMPLETED",
        WorkloadState::Stopping => "WORKLOAD_STATE_STOPPING",
        WorkloadState::Error => "WORKLOAD_STATE_ERROR",
        WorkloadState::NotFound => "WORKLOAD_STATE_NOT_FOUND",
    })
}

fn shortened(message: &str) -> &str {
    if message.len() <= LONGEST_MESSAGE {
        return message;
    }
    let end = (0..=LONGEST_MESSAGE).rev().find(|end| message.is_char_boundary(*end)).unwrap_or_default();
    &message[..end]
}

/// A `HostHeartbeat`.
pub fn heartbeat(beat: &HostHeartbeat) -> Value {
    let mut fields = Map::new();
    let mut put = |name, value| self::put(&mut fields, name, value);
    put("id", beat.id.as_str().into());
    put("hostname", beat.hostname.as_str().into());
    put("friendlyName", beat.friendly_name.as_str().into());
    put("version", beat.version.as_str().into());
    put("labels", json!(beat.labels));
    put("startedAt", timestamp(beat.started_at).into());
    put("osArch", beat.os_arch.as_str().into());
    put("osName", beat.os_name.as_str().into());
    put("osKernel", beat.os_kernel.as_str().into());
    put("systemCpuUsage", percent(beat.system_cpu_usage));
    put("systemMemoryTotal", int64(beat.system_memory_total));
    put("systemMemoryFree", int64(beat.system_memory_free));
    put("componentCount", int64(beat.component_count));
    put("workloadCount", int64(beat.workload_count));
    put("imports", beat.imports.iter().map(interface_entry).collect());
    put("exports", beat.exports.iter().map(interface_entry).collect());
    put("httpPort", beat.http_port.unwrap_or_default().into());
    put("environment", beat.environment.as_str().into());
    Value::Object(fields)
}

fn interface_entry(entry: &HostInterface) -> Value {
    let mut fields = Map::new();
    let mut put = |name, value| self::put(&mut fields, name, value);
    put("namespace", entry.namespace.as_str().into());
    put("package", entry.package.as_str().into());
    put("version", entry.version.as_deref().unwrap_or_default().into());
    put("interfaces", json!(entry.interfaces));
    put("config", json!(entry.config));
    put("name", entry.name.as_deref().unwrap_or_default().into());
    Value::Object(fields)
}

/// Puts a field, unless it has its default.
fn put(fields: &mut Map<String, Value>, name: &str, value: Value) {
    let is_default = match &value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        Value::Object(entries) => entries.is_empty(),
    };
    if !is_default {
        fields.insert(name.into(), value);
    }
}

/// Numbers of 64 bits are texts in this JSON.
fn int64(number: u64) -> Value {
    if number == 0 { Value::Null } else { number.to_string().into() }
}

/// With two digits behind the point: a heartbeat is no measuring instrument.
fn percent(share: f32) -> Value {
    if share.is_finite() { json!((f64::from(share) * 100.0).round() / 100.0) } else { Value::Null }
}

fn timestamp(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests;
