//! Numbers for Prometheus, gathered when they are asked for.
//!
//! What is counted belongs to workloads that are there: nothing is kept of one that has stopped, so
//! that a host on which workloads come and go does not grow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeMetric, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::Node;
use super::report::Instances;
use crate::host::access::Access;
use crate::host::types::WorkloadState;
use crate::runtime::workload::WorkloadId;

/// The type of what [`Metrics::text`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How often the counts of workloads that have gone are dropped.
const TIDY: Duration = Duration::from_secs(60);

/// Upper ends of the histogram's buckets, in seconds: from what an instance takes to the longest request.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Counts requests.
pub struct Metrics {
    workloads: RwLock<BTreeMap<WorkloadId, Arc<Counts>>>,
    /// Of requests that no workload got.
    nobody: Counts,
    instances: Arc<Instances>,
    started: Instant,
}

/// What is counted of one workload.
#[derive(Default)]
struct Counts {
    in_flight: AtomicI64,
    by_status: Mutex<BTreeMap<u16, u64>>,
    cut: AtomicU64,
    bytes: AtomicU64,
    /// By bucket; the last one is for what took longer than all.
    times: [AtomicU64; BUCKETS.len() + 1],
    microseconds: AtomicU64,
}

impl Metrics {
    /// Nothing was counted yet.
    pub fn new(instances: Arc<Instances>) -> Self {
        Metrics { workloads: RwLock::default(), nobody: Counts::default(), instances, started: Instant::now() }
    }

    /// Everything, as OpenMetrics text. Forgets workloads that are not there any more.
    pub async fn text(&self, node: &Node) -> String {
        let snapshot = self.snapshot(node).await;
        let mut registry = Registry::default();
        registry.register_collector(Box::new(snapshot));
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &registry) {
            Ok(()) => text,
            Err(fmt::Error) => "# EOF\n".into(),
        }
    }

    async fn snapshot(&self, node: &Node) -> Snapshot {
        let mut states: BTreeMap<&'static str, u64> = STATES.iter().map(|(_, name)| (*name, 0)).collect();
        for status in node.list().await {
            let name = STATES.iter().find(|(state, _)| *state == status.workload_state).map(|(_, name)| *name);
            *states.entry(name.unwrap_or("unknown")).or_default() += 1;
        }
        self.forget_others(&node.workloads());
        let counted = self.workloads.read().unwrap_or_else(PoisonError::into_inner);
        let counts = counted.iter().map(|(workload, counts)| (workload.to_string(), counts.read())).collect();
        drop(counted);
        let (instances_made, instances) = self.instances.counts();
        let (pulled, not_pulled) = node.images().counts();
        Snapshot {
            states,
            counts,
            nobody: self.nobody.read(),
            instances,
            instances_made,
            pulled,
            not_pulled,
            process: Process::now(),
            uptime: self.started.elapsed(),
        }
    }

    /// Forgets, once a minute for as long as it is polled, what was counted of workloads that have gone:
    /// also where nobody ever asks for the numbers, they do not pile up.
    pub async fn keep_small(&self, node: &Node) {
        let mut interval = tokio::time::interval(TIDY);
        loop {
            interval.tick().await;
            self.forget_others(&node.workloads());
        }
    }

    fn forget_others(&self, there: &BTreeSet<String>) {
        let mut all = self.workloads.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|workload, _| there.contains(workload.as_str()));
    }

    fn of(&self, workload: &WorkloadId) -> Option<Arc<Counts>> {
        self.workloads.read().unwrap_or_else(PoisonError::into_inner).get(workload).cloned()
    }
}

/// The states of workloads, as the label has them.
const STATES: [(WorkloadState, &str); 5] = [
    (WorkloadState::Starting, "starting"),
    (WorkloadState::Running, "running"),
    (WorkloadState::Completed, "completed"),
    (WorkloadState::Stopping, "stopping"),
    (WorkloadState::Error, "error"),
];

impl Metrics {
    /// A request was sent on to a workload.
    pub fn began(&self, workload: &WorkloadId) {
        let counts = self.of(workload).unwrap_or_else(|| {
            let mut all = self.workloads.write().unwrap_or_else(PoisonError::into_inner);
            all.entry(workload.clone()).or_default().clone()
        });
        counts.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A request is over.
    pub fn ended(&self, access: &Access) {
        match &access.workload {
            None => self.nobody.add(access),
            // One that is gone is not counted any more.
            Some(workload) => {
                if let Some(counts) = self.of(workload) {
                    counts.in_flight.fetch_sub(1, Ordering::Relaxed);
                    counts.add(access);
                }
            }
        }
    }
}

impl Counts {
    fn add(&self, access: &Access) {
        *self.by_status.lock().unwrap_or_else(PoisonError::into_inner).entry(access.status).or_default() += 1;
        let seconds = access.time.as_secs_f64();
        let bucket = BUCKETS.iter().position(|end| seconds <= *end).unwrap_or(BUCKETS.len());
        self.times[bucket].fetch_add(1, Ordering::Relaxed);
        let microseconds = u64::try_from(access.time.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
        self.bytes.fetch_add(access.bytes, Ordering::Relaxed);
        if !access.complete {
            self.cut.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self) -> Read {
        Read {
            in_flight: self.in_flight.load(Ordering::Relaxed).max(0),
            by_status: self.by_status.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            cut: self.cut.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            times: self.times.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            seconds: self.microseconds.load(Ordering::Relaxed) as f64 / 1e6,
        }
    }
}

/// The counts at one time.
#[derive(Debug)]
struct Read {
    in_flight: i64,
    by_status: BTreeMap<u16, u64>,
    cut: u64,
    bytes: u64,
    times: Vec<u64>,
    seconds: f64,
}

/// Everything at one time.
#[derive(Debug)]
struct Snapshot {
    states: BTreeMap<&'static str, u64>,
    counts: BTreeMap<String, Read>,
    nobody: Read,
    instances: u64,
    instances_made: u64,
    pulled: u64,
    not_pulled: u64,
    process: Process,
    uptime: Duration,
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut workloads = family(&mut encoder, "wash_workloads", "Workloads by state", None, MetricType::Gauge)?;
        for (state, count) in &self.states {
            gauge(&mut workloads, &[("state", *state)], *count)?;
        }
        self.encode_requests(&mut encoder)?;
        let mut pulls = family(&mut encoder, "wash_image_pulls", "Images of registries", None, MetricType::Counter)?;
        counter(&mut pulls, &[("result", "ok")], self.pulled)?;
        counter(&mut pulls, &[("result", "error")], self.not_pulled)?;
        let one = family(&mut encoder, "wash_instances", "Instances of components", None, MetricType::Gauge)?;
        ConstGauge::new(self.instances).encode(one)?;
        let about = "Instances that were made";
        let one = family(&mut encoder, "wash_instances_made", about, None, MetricType::Counter)?;
        ConstCounter::new(self.instances_made).encode(one)?;
        self.encode_process(&mut encoder)
    }
}

impl Snapshot {
    fn encode_requests(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let about = "Requests that are over, by workload and status; those that no workload got have no workload";
        let mut requests = family(encoder, "wash_http_requests", about, None, MetricType::Counter)?;
        for (namespace, name, read) in self.all() {
            for (status, count) in &read.by_status {
                let status = status.to_string();
                counter(&mut requests, &[("namespace", namespace), ("workload", name), ("status", &status)], *count)?;
            }
        }
        let about = "Requests whose response was not sent to its end";
        let mut cut = family(encoder, "wash_http_requests_cut", about, None, MetricType::Counter)?;
        for (namespace, name, read) in self.all() {
            counter(&mut cut, &[("namespace", namespace), ("workload", name)], read.cut)?;
        }
        let about = "Bodies of responses";
        let mut bytes = family(encoder, "wash_http_response", about, Some(&Unit::Bytes), MetricType::Counter)?;
        for (namespace, name, read) in self.all() {
            counter(&mut bytes, &[("namespace", namespace), ("workload", name)], read.bytes)?;
        }
        let about = "Requests that are being answered";
        let mut in_flight = family(encoder, "wash_http_requests_in_flight", about, None, MetricType::Gauge)?;
        for (namespace, name, read) in self.all().filter(|(_, name, _)| !name.is_empty()) {
            gauge(&mut in_flight, &[("namespace", namespace), ("workload", name)], read.in_flight)?;
        }
        let about = "From the head of a request to the end of its response";
        let unit = Some(&Unit::Seconds);
        let mut times = family(encoder, "wash_http_request_duration", about, unit, MetricType::Histogram)?;
        for (namespace, name, read) in self.all() {
            let labels = [("namespace", namespace), ("workload", name)];
            let ends = BUCKETS.iter().copied().chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = ends.zip(read.times.iter().copied()).collect();
            times.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                read.seconds,
                read.times.iter().sum(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }

    fn encode_process(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Process { memory, files, threads } = self.process;
        let about = "Memory of the process that is in use";
        let unit = Some(&Unit::Bytes);
        let one = family(encoder, "process_resident_memory", about, unit, MetricType::Gauge)?;
        ConstGauge::new(memory).encode(one)?;
        let one = family(encoder, "process_open_fds", "Open files and connections", None, MetricType::Gauge)?;
        ConstGauge::new(files).encode(one)?;
        let one = family(encoder, "process_threads", "Threads", None, MetricType::Gauge)?;
        ConstGauge::new(threads).encode(one)?;
        let about = "How long the host runs";
        let one = family(encoder, "wash_uptime", about, Some(&Unit::Seconds), MetricType::Gauge)?;
        ConstGauge::new(self.uptime.as_secs_f64()).encode(one)?;
        let mut one = family(encoder, "wash_build", "The version of wash", None, MetricType::Info)?;
        one.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }

    /// Namespace, name and counts; the last one is of those that nobody got.
    fn all(&self) -> impl Iterator<Item = (&str, &str, &Read)> {
        let known = self.counts.iter().map(|(workload, read)| {
            let (namespace, name) = workload.split_once('/').unwrap_or(("", workload));
            (namespace, name, read)
        });
        known.chain([("", "", &self.nobody)])
    }
}

fn family<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    about: &str,
    unit: Option<&'a Unit>,
    kind: MetricType,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, about, unit, kind)
}

fn counter<N: EncodeCounterValue>(encoder: &mut MetricEncoder<'_>, labels: &[(&str, &str)], value: N) -> fmt::Result {
    encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, N, u64>(&value, None)
}

fn gauge<N: EncodeGaugeValue>(encoder: &mut MetricEncoder<'_>, labels: &[(&str, &str)], value: N) -> fmt::Result {
    encoder.encode_family(&labels)?.encode_gauge(&value)
}

/// What the system says of this process; zeros where it does not tell.
#[derive(Clone, Copy, Debug, Default)]
struct Process {
    memory: u64,
    files: u64,
    threads: u64,
}

impl Process {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        let files = std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
        Process {
            memory: value("VmRSS").unwrap_or_default().saturating_mul(1024),
            // One of them is the folder that is being read.
            files: files.saturating_sub(1),
            threads: value("Threads").unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::workload::Workload;

    #[test]
    fn nothing_is_kept_of_workloads_that_have_gone() {
        let metrics = Metrics::new(Arc::default());
        let [one, other] = ["one", "other"].map(|name| {
            let workload = Workload { namespace: "a".into(), name: name.into(), ..Workload::default() };
            metrics.began(&workload.id());
            workload.id()
        });
        metrics.forget_others(&BTreeSet::from(["a/one".to_string()]));
        assert!(metrics.of(&one).is_some() && metrics.of(&other).is_none());
        // Its last request ends now.
        metrics.ended(&Access { workload: Some(other.clone()), ..Access::default() });
        assert!(metrics.of(&other).is_none());
    }
}
