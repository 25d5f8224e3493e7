//! A cluster host, done by hand: takes the commands of a scheduler over NATS, carries them out with
//! the library's [`HostApi`], and tells the scheduler how it is.
//!
//! It shows the shape: heartbeats wait for nothing, commands are carried out beside each other and at
//! most so many at a time, everything gets an answer, ctrl-c lets requests finish. To be a skeleton, it
//! takes the `image` of a component for the path of a file, and leaves services and volumes out.
//!
//!     cargo run --example cluster_host -- nats://127.0.0.1:4222 host-1 127.0.0.1:8000

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use wash::embed::{
    Component, DynamicRouter, Engine, Error, Host, HostApi, HostBuilder, HostHeartbeat, HttpServer, LocalResources,
    NetworkRules, Result, WitInterface, Workload, WorkloadStartRequest, WorkloadState, WorkloadStatus,
    WorkloadStatusRequest, WorkloadStopRequest,
};

/// How often the scheduler hears of the host without asking.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Commands that are carried out at one time; more wait.
const COMMANDS: usize = 64;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            error.hints().iter().for_each(|hint| eprintln!("hint: {hint}"));
            ExitCode::from(error.exit_code())
        }
    }
}

async fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, id, address] = &args[..] else {
        return Err(
            Error::usage("three arguments are needed").hint("cluster_host nats://127.0.0.1:4222 host-1 127.0.0.1:8000")
        );
    };
    let address: SocketAddr =
        address.parse().map_err(|_| Error::usage(format!("`{address}` is not an address and a port")))?;
    let nats = async_nats::connect(url.as_str())
        .await
        .map_err(|error| Error::caused_by("cannot connect to NATS", &error).hint("is the server running?"))?;
    let http = HttpServer::new(DynamicRouter::default(), address).await?;
    let host = HostBuilder::new()
        .with_engine(Engine::builder().build()?)
        .with_id(id.as_str())
        .with_label("hostgroup", "default")
        .with_http_handler(Arc::new(http))
        .build()?
        .start()
        .await?;

    let mut commands = nats
        .subscribe(format!("runtime.host.{id}.>"))
        .await
        .map_err(|error| Error::caused_by("cannot subscribe to commands", &error))?;
    let beating = tokio::spawn(beat(host.clone(), nats.clone()));
    println!("host {id} takes commands");
    let room = Arc::new(Semaphore::new(COMMANDS));
    let mut ending = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let message = tokio::select! {
            _ = &mut ending => break,
            message = commands.next() => message,
        };
        let Some(message) = message else { break };
        let (host, nats, room) = (host.clone(), nats.clone(), room.clone());
        tokio::spawn(async move {
            let Some(reply_to) = message.reply else { return };
            let verb = message.subject.splitn(4, '.').nth(3).unwrap_or_default().to_string();
            // A heartbeat is never behind work.
            let _permit = if verb == "heartbeat" { None } else { room.acquire().await.ok() };
            let reply = obey(&host, &verb, &message.payload).await;
            if let Err(error) = nats.publish(reply_to, reply.to_string().into()).await {
                eprintln!("a reply was not sent: {error}");
            }
        });
    }
    beating.abort();
    host.stop().await
}

/// Tells the scheduler how the host is: at once, and then from time to time.
async fn beat(host: Host, nats: async_nats::Client) {
    let mut interval = tokio::time::interval(HEARTBEAT);
    loop {
        interval.tick().await;
        let Ok(beat) = host.heartbeat().await else { continue };
        let subject = format!("runtime.operator.heartbeat.{}", beat.id);
        if let Err(error) = nats.publish(subject, heartbeat(&beat).to_string().into()).await {
            eprintln!("a heartbeat was not sent: {error}");
        }
    }
}

/// Carries out one command. What goes wrong is an answer, too.
async fn obey(host: &impl HostApi, verb: &str, payload: &[u8]) -> Value {
    let command: Command = match serde_json::from_slice(payload) {
        Ok(command) => command,
        // Whatever is sent with it: a heartbeat is asked for.
        Err(_) if verb == "heartbeat" => Command::default(),
        Err(error) => return failed("", format!("the command cannot be read: {error}")),
    };
    let (workload_id, asked) = (command.workload_id.clone(), command.workload_id.clone());
    let done = match verb {
        "heartbeat" => {
            return host.heartbeat().await.map_or_else(|error| failed("", error.to_string()), |beat| heartbeat(&beat));
        }
        "workload.start" => start(host, command).await,
        "workload.status" => {
            host.workload_status(WorkloadStatusRequest { workload_id }).await.map(|response| response.workload_status)
        }
        "workload.stop" => {
            host.workload_stop(WorkloadStopRequest { workload_id }).await.map(|response| response.workload_status)
        }
        other => Err(Error::usage(format!("unknown command `{other}`"))),
    };
    match done {
        Ok(status) => answer(&status),
        Err(error) => failed(&asked, error.to_string()),
    }
}

async fn start(host: &impl HostApi, command: Command) -> Result<WorkloadStatus> {
    let mut components = Vec::new();
    for (index, message) in command.workload.wit_world.components.into_iter().enumerate() {
        let bytes = tokio::fs::read(&message.image)
            .await
            .map_err(|error| Error::caused_by(format!("cannot read the image `{}`", message.image), &error))?;
        let name = if message.name.is_empty() { format!("component-{index}") } else { message.name };
        components.push(Component {
            local: LocalResources {
                environment: message.local_resources.environment,
                config: message.local_resources.config,
                network: NetworkRules {
                    allowed_hosts: message.local_resources.allowed_hosts,
                    ..NetworkRules::default()
                },
                ..LocalResources::default()
            },
            // Zero or less: not configured.
            pool_size: u32::try_from(message.pool_size).unwrap_or(0),
            max_invocations: u32::try_from(message.max_invocations).unwrap_or(0),
            ..Component::new(name, bytes)
        });
    }
    let interfaces = command.workload.wit_world.host_interfaces.into_iter();
    let workload = Workload {
        namespace: command.workload.namespace,
        name: command.workload.name,
        annotations: command.workload.annotations,
        components,
        host_interfaces: interfaces.map(InterfaceMessage::into).collect(),
        ..Workload::default()
    };
    let request = WorkloadStartRequest { workload_id: command.workload_id, workload };
    Ok(host.workload_start(request).await?.workload_status)
}

/// Every command: what one does not have stays empty.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Command {
    #[serde(alias = "workload_id")]
    workload_id: String,
    workload: WorkloadMessage,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WorkloadMessage {
    namespace: String,
    name: String,
    annotations: BTreeMap<String, String>,
    #[serde(alias = "wit_world")]
    wit_world: WorldMessage,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WorldMessage {
    components: Vec<ComponentMessage>,
    #[serde(alias = "host_interfaces")]
    host_interfaces: Vec<InterfaceMessage>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ComponentMessage {
    name: String,
    image: String,
    #[serde(alias = "local_resources")]
    local_resources: LocalMessage,
    #[serde(alias = "pool_size")]
    pool_size: i32,
    #[serde(alias = "max_invocations")]
    max_invocations: i32,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LocalMessage {
    environment: BTreeMap<String, String>,
    config: BTreeMap<String, String>,
    #[serde(alias = "allowed_hosts")]
    allowed_hosts: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InterfaceMessage {
    namespace: String,
    package: String,
    version: String,
    interfaces: Vec<String>,
    config: BTreeMap<String, String>,
    name: String,
}

impl From<InterfaceMessage> for WitInterface {
    fn from(message: InterfaceMessage) -> Self {
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        WitInterface {
            namespace: message.namespace,
            package: message.package,
            name: filled(message.name),
            interfaces: message.interfaces,
            version: filled(message.version),
            config: message.config,
        }
    }
}

fn answer(status: &WorkloadStatus) -> Value {
    let state = match status.workload_state {
        WorkloadState::Starting => "WORKLOAD_STATE_STARTING",
        WorkloadState::Running => "WORKLOAD_STATE_RUNNING",
        WorkloadState::Completed => "WORKLOAD_STATE_COMPLETED",
        WorkloadState::Stopping => "WORKLOAD_STATE_STOPPING",
        WorkloadState::Error => "WORKLOAD_STATE_ERROR",
        WorkloadState::NotFound => "WORKLOAD_STATE_NOT_FOUND",
        _ => "WORKLOAD_STATE_UNSPECIFIED",
    };
    let (id, message) = (&status.workload_id, &status.message);
    json!({ "workloadStatus": { "workloadId": id, "workloadState": state, "message": message } })
}

fn failed(workload_id: &str, message: String) -> Value {
    answer(&WorkloadStatus { workload_id: workload_id.into(), workload_state: WorkloadState::Error, message })
}

fn heartbeat(beat: &HostHeartbeat) -> Value {
    let interface = |entry: &WitInterface| {
        json!({
            "namespace": entry.namespace, "package": entry.package, "version": entry.version,
            "interfaces": entry.interfaces,
        })
    };
    // 64-bit numbers are strings there.
    json!({
        "id": beat.id,
        "hostname": beat.hostname,
        "friendlyName": beat.friendly_name,
        "version": beat.version,
        "labels": beat.labels,
        "startedAt": chrono::DateTime::<chrono::Utc>::from(beat.started_at).to_rfc3339(),
        "osArch": beat.os_arch,
        "osName": beat.os_name,
        "osKernel": beat.os_kernel,
        "systemCpuUsage": beat.system_cpu_usage,
        "systemMemoryTotal": beat.system_memory_total.to_string(),
        "systemMemoryFree": beat.system_memory_free.to_string(),
        "componentCount": beat.component_count.to_string(),
        "workloadCount": beat.workload_count.to_string(),
        "imports": beat.imports.iter().map(interface).collect::<Vec<_>>(),
        "exports": beat.exports.iter().map(interface).collect::<Vec<_>>(),
        "httpPort": beat.http_port.unwrap_or_default(),
        "environment": beat.environment,
    })
}
