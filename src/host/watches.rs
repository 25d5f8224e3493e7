//! Tells changes of buckets to the components that export `wasi:keyvalue/watcher`.

use std::sync::Arc;

use futures::future::BoxFuture;
use tracing::Instrument;
use wasmtime::component::Resource;

use crate::error::{Error, Result};
use crate::plugins::Installed;
use crate::plugins::bindings::KeyWatcherPre;
use crate::plugins::keyvalue::host::Bucket;
use crate::plugins::keyvalue::watch::{Change, Watch, Watched, Watcher};
use crate::runtime::capability::GuestOf;
use crate::runtime::cpu;
use crate::runtime::fault;
use crate::runtime::observer::CallId;
use crate::runtime::prepare::Prepared;
use crate::runtime::stdio::CallOutput;
use crate::runtime::trace;
use crate::runtime::workload::{Workload, WorkloadId};

/// The watchers of one version of a workload, not yet told anything.
pub struct Watches {
    capabilities: Arc<Installed>,
    watchers: Vec<Watcher>,
    /// What is watched on servers; `None`: no component watches.
    watched: Option<Watched>,
}

impl Watches {
    /// Finds the components that watch, and begins to watch the servers that have what they would be told
    /// of. Fails where a server does not let us.
    pub async fn of(
        workload: &Workload,
        members: &[Arc<Prepared<Installed>>],
        capabilities: Arc<Installed>,
    ) -> Result<Self> {
        let (mut watchers, mut watched) = (Vec::new(), None);
        for member in members.iter().filter(|member| member.exports("wasi:keyvalue/watcher@0.2.0-draft")) {
            if watched.is_none() {
                watched = Some(capabilities.keyvalue().watch(workload, &member.name).await?);
            }
            let pre = KeyWatcherPre::new(member.pre().clone()).map_err(|error| {
                Error::failed(format!("the watcher of `{}` cannot be called", member.name)).cause(format!("{error:#}"))
            })?;
            let watch = Arc::new(WatchingComponent { member: member.clone(), pre });
            watchers.push(Watcher { name: member.name.to_string(), watch });
        }
        Ok(Watches { capabilities, watchers, watched })
    }

    /// Makes these the watchers of the workload, instead of those before.
    pub fn begin(&self, workload: &WorkloadId) {
        let watchers = self.capabilities.keyvalue().watchers();
        match &self.watched {
            Some(watched) => watchers.replace(workload, self.watchers.clone(), watched),
            None => watchers.forget(workload),
        }
    }

    /// Nobody of the workload is told anything any more.
    pub fn end(&self, workload: &WorkloadId) {
        self.capabilities.keyvalue().watchers().forget(workload);
    }
}

/// A component that is told of changes, each in a fresh instance.
struct WatchingComponent {
    member: Arc<Prepared<Installed>>,
    pre: KeyWatcherPre<GuestOf<Installed>>,
}

impl Watch for WatchingComponent {
    fn changed(&self, bucket: Bucket, change: Change) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let member = &self.member;
            let what = match &change {
                Change::Set { key, .. } => format!("on-set of `{key}`"),
                Change::Deleted { key } => format!("on-delete of `{key}`"),
            };
            let span = trace::guest("watch", &member.name);
            let output = member.output();
            output.serve(CallId::next(trace::id(&span)));
            let limit = member.limits.request_time;
            let call = self.call(bucket, change, &output).instrument(span.clone());
            let call = cpu::held(member.cpu(), Box::pin(call));
            let error = match tokio::time::timeout(limit, call).await {
                Ok(Ok(())) => return,
                Ok(Err(trap)) => trap,
                Err(_) => wasmtime::Error::msg(format!("no end within {} seconds", limit.as_secs_f64())),
            };
            trace::record_error(&span, "component_failed");
            member.observer().fault(fault::describe(&member.name, what, &error, output.finish()));
        })
    }
}

impl WatchingComponent {
    async fn call(&self, bucket: Bucket, change: Change, output: &Arc<CallOutput>) -> wasmtime::Result<()> {
        let mut store = self.member.store(output)?;
        let component = self.pre.instantiate_async(&mut store).await?;
        let bucket: Resource<Bucket> = store.data_mut().table.push(bucket)?;
        let watcher = component.wasi_keyvalue0_2_0_draft_watcher();
        match change {
            Change::Set { key, value } => watcher.call_on_set(&mut store, bucket, &key, &value).await,
            Change::Deleted { key } => watcher.call_on_delete(&mut store, bucket, &key).await,
        }
    }
}
