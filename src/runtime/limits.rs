//! What a call and an instance are held to.

use std::time::Duration;

/// Bounds of one component's calls and instances.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the request's head to the response's head, and between two parts of a response's body.
    pub request_time: Duration,
    /// The most memory of one instance.
    pub memory_bytes: usize,
    /// The most elements of a table.
    pub table_elements: usize,
    /// The longest body of a request, in bytes; `None`: any, since bodies are streamed.
    pub body_bytes: Option<u64>,
    /// The most calls at one time.
    pub in_flight: usize,
    /// How many instances are kept to serve again; 0: none, each call has a new one.
    pub pool_size: usize,
    /// How many requests a kept instance of WASI 0.3 may work on at the same time.
    pub concurrency: usize,
    /// How long a call waits for its turn when that many are in flight.
    pub queue_time: Duration,
    /// The most calls that wait.
    pub queue: usize,
}

impl Limits {
    /// Generous: for one developer's machine.
    pub fn development() -> Self {
        Limits {
            request_time: Duration::from_secs(30),
            memory_bytes: 1 << 30,
            table_elements: 50_000,
            body_bytes: None,
            // Below the engine's number of instance slots, so that a slot is there for each.
            in_flight: 512,
            pool_size: 0,
            concurrency: 1,
            queue_time: Duration::from_secs(10),
            // One connection of HTTP/2 can ask for 200 at once; nobody is served by a longer queue.
            queue: 2048,
        }
    }

    /// The same, with what a component asks for; 0 stands for the default.
    pub fn with_calls(mut self, pool_size: u32, max_invocations: u32) -> Self {
        self.pool_size = pool_size as usize;
        if max_invocations > 0 {
            self.in_flight = max_invocations as usize;
        }
        self
    }

    /// The same, with so many requests at a time for a kept instance; 0: one.
    pub fn with_concurrency(mut self, max_concurrency: u32) -> Self {
        self.concurrency = max_concurrency.max(1) as usize;
        self
    }

    /// The most resources of the host that an instance has handles of. The largest (headers) may have
    /// 128 KiB each, and what they take is not in the instance's own memory; so there are fewer of them
    /// where memory is limited. No fewer than 1,000, which nobody needs who does not leak them.
    pub fn handles(&self) -> usize {
        (self.memory_bytes / (64 << 10)).clamp(1_000, 100_000)
    }

    /// The same, with another memory limit.
    pub fn with_memory(mut self, megabytes: Option<u64>) -> Self {
        if let Some(megabytes) = megabytes {
            self.memory_bytes = usize::try_from(megabytes.saturating_mul(1 << 20)).unwrap_or(usize::MAX);
        }
        self
    }
}
