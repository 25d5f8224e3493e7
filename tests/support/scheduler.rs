//! A scheduler: does with a host what the one of a real cluster does, over NATS.

use std::path::Path;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Subscriber};
use futures::StreamExt;
use serde_json::{Value, json};

use super::{Dev, PATIENCE, Sandbox, Server};

/// A scheduler, and the heartbeats that come to it.
pub struct Scheduler {
    pub nats: Client,
    beats: Subscriber,
}

/// The host's answer to a start, a stop or a question for the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub id: String,
    /// Without `WORKLOAD_STATE_`.
    pub state: String,
    pub message: String,
}

impl Scheduler {
    /// Connects without proving who it is.
    pub async fn connect(server: &Server) -> Self {
        Self::connect_with(&server.url(), ConnectOptions::new()).await
    }

    /// Connects in some other way.
    pub async fn connect_with(url: &str, options: ConnectOptions) -> Self {
        let options = options
            .request_timeout(Some(PATIENCE))
            .reconnect_delay_callback(|_| Duration::from_millis(20))
            .subscription_capacity(1 << 16);
        let nats = options.connect(url).await.expect("the server lets the scheduler in");
        let beats = nats.subscribe("runtime.operator.heartbeat.>").await.expect("a subscription");
        nats.flush().await.expect("a connection");
        Scheduler { nats, beats }
    }

    /// The next heartbeat of any host.
    pub async fn next_beat(&mut self) -> Value {
        let beat = tokio::time::timeout(PATIENCE, self.beats.next()).await.expect("a heartbeat in time");
        let beat = beat.expect("a subscription");
        let value: Value = serde_json::from_slice(&beat.payload).expect("JSON");
        let id = beat.subject.strip_prefix("runtime.operator.heartbeat.").expect("the subject").to_string();
        assert_eq!(value["id"], id.as_str(), "{value}");
        value
    }

    /// The next heartbeat for which this holds.
    pub async fn beat_with(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        loop {
            let beat = self.next_beat().await;
            if holds(&beat) {
                return beat;
            }
        }
    }

    /// Asks a host for something and gives its answer as it came.
    pub async fn ask(&self, host: &str, verb: &str, payload: impl Into<Vec<u8>>) -> Value {
        let subject = format!("runtime.host.{host}.{verb}");
        let asked = self.nats.request(subject, payload.into().into()).await;
        let reply = asked.unwrap_or_else(|error| panic!("no answer to {verb}: {error}"));
        serde_json::from_slice(&reply.payload).unwrap_or_else(|error| panic!("{error}: {reply:?}"))
    }

    /// Starts a workload.
    pub async fn start(&self, host: &str, id: &str, workload: &Value) -> Status {
        let request = json!({ "workloadId": id, "workload": workload });
        Status::of(&self.ask(host, "workload.start", request.to_string()).await)
    }

    /// Asks how a workload is.
    pub async fn status(&self, host: &str, id: &str) -> Status {
        Status::of(&self.ask(host, "workload.status", json!({ "workload_id": id }).to_string()).await)
    }

    /// Stops a workload.
    pub async fn stop(&self, host: &str, id: &str) -> Status {
        Status::of(&self.ask(host, "workload.stop", json!({ "workloadId": id }).to_string()).await)
    }

    /// Waits until a workload is in a state.
    pub async fn reaches(&self, host: &str, id: &str, state: &str) -> Status {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let status = self.status(host, id).await;
            if status.state == state {
                return status;
            }
            assert!(tokio::time::Instant::now() < deadline, "it does not become {state}: {status:?}");
            tokio::task::yield_now().await;
        }
    }

    /// Asks a host for a heartbeat.
    pub async fn heartbeat(&self, host: &str) -> Value {
        self.ask(host, "heartbeat", "").await
    }

    /// Whether somebody takes commands for a host.
    pub async fn is_reached(&self, host: &str) -> bool {
        self.nats.request(format!("runtime.host.{host}.heartbeat"), "".into()).await.is_ok()
    }
}

impl Status {
    #[track_caller]
    pub fn of(answer: &Value) -> Status {
        let status = &answer["workloadStatus"];
        assert!(status.is_object(), "{answer}");
        let text = |name: &str| status[name].as_str().unwrap_or_default().to_string();
        Status {
            id: text("workloadId"),
            state: text("workloadState").trim_start_matches("WORKLOAD_STATE_").to_string(),
            message: text("message"),
        }
    }

    /// Panics with the message unless it is in this state.
    #[track_caller]
    pub fn expect(self, state: &str) -> Self {
        assert_eq!(self.state, state, "{self:?}");
        self
    }
}

/// A workload of one component that answers for a name of hosts.
pub fn workload(name: &str, image: &str) -> Value {
    json!({
        "namespace": "default",
        "name": name,
        "witWorld": {
            "components": [{ "name": "main", "image": image }],
            "hostInterfaces": [{
                "namespace": "wasi", "package": "http", "interfaces": ["incoming-handler"],
                "config": { "host": format!("{name}.example") },
            }],
        },
    })
}

/// A workload of nothing but a service.
pub fn service(name: &str, image: &str, does: &str, max_restarts: u64) -> Value {
    json!({
        "namespace": "default",
        "name": name,
        "service": {
            "image": image,
            "maxRestarts": max_restarts.to_string(),
            "localResources": { "environment": { "SERVICE": does } },
        },
    })
}

impl Sandbox {
    /// Starts a host with this identifier under the scheduler of a server, and waits until it listens.
    pub fn cluster_host(&self, url: &str, id: &str, args: &[&str]) -> Dev {
        let mut command = self.wash([
            "host",
            "-o",
            "json",
            "--http-addr",
            "127.0.0.1:0",
            "--scheduler-nats-url",
            url,
            "--host-id",
            id,
        ]);
        command.args(args);
        Dev::start(command)
    }

    /// Pushes a component to a registry without TLS.
    #[track_caller]
    pub fn push(&self, reference: &str, component: &[u8]) {
        let file = self.write(Path::new("pushed.wasm"), component);
        super::run(self.wash(["oci", "push", "--insecure", reference]).arg(file)).expect_code(0);
    }
}
