//! What a host is asked and what it answers: the data of the scheduler protocol, as Rust types.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::runtime::workload::{HostInterface, Workload};

/// Asks a host to run a workload.
#[derive(Clone, Debug, Default)]
pub struct WorkloadStartRequest {
    /// What the workload is called in later requests; chosen by the caller, one running workload each.
    pub workload_id: String,
    /// What is to run.
    pub workload: Workload,
}

/// Answers a [`WorkloadStartRequest`] that was carried out.
#[derive(Clone, Debug)]
pub struct WorkloadStartResponse {
    /// The state after the start.
    pub workload_status: WorkloadStatus,
}

/// Asks a host to run another version of a workload in place of the one that runs.
#[derive(Clone, Debug, Default)]
pub struct WorkloadReplaceRequest {
    /// The workload that runs.
    pub workload_id: String,
    /// What is to run instead. Namespace and name must be the same: the data of the capabilities is kept.
    pub workload: Workload,
}

/// Answers a [`WorkloadReplaceRequest`] that was carried out.
#[derive(Clone, Debug)]
pub struct WorkloadReplaceResponse {
    /// The state of the new version.
    pub workload_status: WorkloadStatus,
}

/// Asks how a workload is.
#[derive(Clone, Debug, Default)]
pub struct WorkloadStatusRequest {
    /// The workload.
    pub workload_id: String,
}

/// Answers a [`WorkloadStatusRequest`].
#[derive(Clone, Debug)]
pub struct WorkloadStatusResponse {
    /// How it is; a workload that is not there is [`WorkloadState::NotFound`].
    pub workload_status: WorkloadStatus,
}

/// Asks a host to stop a workload.
#[derive(Clone, Debug, Default)]
pub struct WorkloadStopRequest {
    /// The workload.
    pub workload_id: String,
}

/// Answers a [`WorkloadStopRequest`].
#[derive(Clone, Debug)]
pub struct WorkloadStopResponse {
    /// [`WorkloadState::Stopping`], or [`WorkloadState::NotFound`] of one that was not there.
    pub workload_status: WorkloadStatus,
}

/// How a workload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadStatus {
    /// The workload.
    pub workload_id: String,
    /// What it does.
    pub workload_state: WorkloadState,
    /// Why, where there is something to say; otherwise empty.
    pub message: String,
}

/// What a workload does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkloadState {
    /// Nobody knows.
    #[default]
    Unspecified,
    /// It is compiled, linked and tried; nothing of it serves yet.
    Starting,
    /// It serves.
    Running,
    /// It ran to its end.
    Completed,
    /// It takes no new calls; those that run finish.
    Stopping,
    /// It failed.
    Error,
    /// The host has no such workload.
    NotFound,
}

/// How a host is.
#[derive(Clone, Debug)]
pub struct HostHeartbeat {
    /// Identifies the host.
    pub id: String,
    /// The machine's name; empty where the system does not tell.
    pub hostname: String,
    /// The host's name for people.
    pub friendly_name: String,
    /// The version of wash.
    pub version: String,
    /// Labels by which schedulers choose hosts, e.g. `hostgroup`.
    pub labels: BTreeMap<String, String>,
    /// When the host was started.
    pub started_at: SystemTime,
    /// The processor's kind, e.g. `x86_64`.
    pub os_arch: String,
    /// The system, e.g. `linux`.
    pub os_name: String,
    /// The release of the system's kernel; empty where the system does not tell.
    pub os_kernel: String,
    /// How busy the machine's processors were since the last heartbeat, in percent of all of them; 0 at the first one and
    /// where the system does not tell.
    pub system_cpu_usage: f32,
    /// The machine's memory in bytes, or what its container is given of it; 0 where the system does not tell.
    pub system_memory_total: u64,
    /// How much of it can still be used, in bytes.
    pub system_memory_free: u64,
    /// Components of all workloads, services among them.
    pub component_count: u64,
    /// Workloads.
    pub workload_count: u64,
    /// What components can import.
    pub imports: Vec<HostInterface>,
    /// What the host calls in components that export it.
    pub exports: Vec<HostInterface>,
    /// Where it serves HTTP, if it does.
    pub http_port: Option<u16>,
    /// Where the host runs, as whoever built it says.
    pub environment: String,
}
