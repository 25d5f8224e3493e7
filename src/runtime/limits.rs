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
    /// How long a call waits for its turn when that many are in flight.
    pub queue_time: Duration,
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
            queue_time: Duration::from_secs(10),
        }
    }

    /// The same, with what a component asks for; 0 stands for the default.
    pub(crate) fn with_calls(mut self, pool_size: u32, max_invocations: u32) -> Self {
        self.pool_size = pool_size as usize;
        if max_invocations > 0 {
            self.in_flight = max_invocations as usize;
        }
        self
    }

    /// The same, with another memory limit.
    pub(crate) fn with_memory(mut self, megabytes: Option<u64>) -> Self {
        if let Some(megabytes) = megabytes {
            self.memory_bytes = usize::try_from(megabytes.saturating_mul(1 << 20)).unwrap_or(usize::MAX);
        }
        self
    }
}
