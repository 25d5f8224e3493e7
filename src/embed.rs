//! The library's face: everything that a program needs which runs workloads itself.
//!
//! ```no_run
//! use std::sync::Arc;
//! use wash::embed::{Component, DevRouter, Engine, HostApi, HostBuilder, HttpServer, Workload, WorkloadStartRequest};
//!
//! # async fn run() -> wash::embed::Result<()> {
//! let http = HttpServer::new(DevRouter::default(), ([127, 0, 0, 1], 8000).into()).await?;
//! let host = HostBuilder::new()
//!     .with_engine(Engine::builder().build()?)
//!     .with_http_handler(Arc::new(http))
//!     .build()?
//!     .start()
//!     .await?;
//! let component = Component::new("hello", std::fs::read("hello.wasm").expect("a component"));
//! host.workload_start(WorkloadStartRequest {
//!     workload_id: "hello-1".into(),
//!     workload: Workload {
//!         namespace: "default".into(),
//!         name: "hello".into(),
//!         components: vec![component],
//!         ..Workload::default()
//!     },
//! })
//! .await?;
//! // … until the program ends:
//! host.stop().await
//! # }
//! ```
//!
//! All names are in this one module. Nothing else of this crate is for other programs, and none of
//! the types of its dependencies is, but for those of [`wasmtime`](crate::wasmtime) that the functions
//! of a [`HostPlugin`] are written with, `http`, and `futures`' boxed futures.
//!
//! Structs with public fields get more of them in minor versions: end them with `..Default::default()`.

pub use crate::error::{Error, Kind as ErrorKind, Result};
pub use crate::host::builder::HostBuilder;
pub use crate::host::http::{HostHandler, HttpServer, RequestHead, Route, Router, Target};
pub use crate::host::routers::{DevRouter, DynamicRouter};
pub use crate::host::types::{
    HostHeartbeat, WorkloadReplaceRequest, WorkloadReplaceResponse, WorkloadStartRequest, WorkloadStartResponse,
    WorkloadState, WorkloadStatus, WorkloadStatusRequest, WorkloadStatusResponse, WorkloadStopRequest,
    WorkloadStopResponse,
};
pub use crate::host::workloads::{Host, HostApi};
pub use crate::plugins::InstalledOptions as CapabilityOptions;
pub use crate::plugins::blobstore::{ObjectPlace, Storage as BlobstoreStorage};
pub use crate::plugins::host_plugin::{Guest, HostPlugin, PluginView, PluginViews, WitWorld, WorkloadItem};
pub use crate::plugins::keyvalue::Storage as KeyvalueStorage;
pub use crate::plugins::messaging::Transport as MessagingTransport;
pub use crate::plugins::remote::{CloudEnvironment, PostgresUrl, ServerUrl};
pub use crate::runtime::engine::{Engine, EngineBuilder};
pub use crate::runtime::http::server::ServerLimits;
pub use crate::runtime::http::tls::TlsFiles;
pub use crate::runtime::limits::Limits;
pub use crate::runtime::network::OutboundOptions;
pub use crate::runtime::observer::{
    CallId, Fault, Frame, InstanceChange, Level as LogLevel, NetworkNotice, Observer, Output, RequestRecord,
    ServiceRecord, ServiceState, Stages as RequestStages, Stream as OutputStream, TraceId, WorkloadNotice,
};
pub use crate::runtime::tls::{Trust, TrustRoots};
pub use crate::runtime::workload::{
    Component, HostInterface as WitInterface, LocalResources, LoopbackPort, LoopbackSockets, Rules as NetworkRules,
    Secrets, Service, Volume, VolumeMount, Workload, WorkloadId,
};
