//! What the machine says of itself, for heartbeats. Linux tells; elsewhere the fields stay empty.

use std::fs;
use std::sync::{Mutex, PoisonError};

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    pub free: u64,
}

/// The machine's name.
pub fn hostname() -> String {
    line("/proc/sys/kernel/hostname")
}

/// The release of the kernel.
pub fn kernel() -> String {
    line("/proc/sys/kernel/osrelease")
}

fn line(path: &str) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_string()).unwrap_or_default()
}

/// The machine's memory now.
pub fn memory() -> Memory {
    memory_of(&fs::read_to_string("/proc/meminfo").unwrap_or_default())
}

fn memory_of(meminfo: &str) -> Memory {
    let value = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    let bytes = |name| value(name).unwrap_or_default().saturating_mul(1024);
    Memory { total: bytes("MemTotal"), free: bytes("MemAvailable") }
}

/// Measures how busy the processors are, from one asking to the next.
#[derive(Default)]
pub struct Processors {
    last: Mutex<Option<Ticks>>,
}

#[derive(Clone, Copy)]
struct Ticks {
    busy: u64,
    all: u64,
}

impl Processors {
    /// Percent of all processors since the last asking; 0 at the first.
    pub fn usage(&self) -> f32 {
        let Some(now) = ticks_of(&fs::read_to_string("/proc/stat").unwrap_or_default()) else { return 0.0 };
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        last.map_or(0.0, |last| percent(last, now))
    }
}

fn percent(last: Ticks, now: Ticks) -> f32 {
    let (busy, all) = (now.busy.saturating_sub(last.busy), now.all.saturating_sub(last.all));
    if all == 0 { 0.0 } else { (busy as f64 * 100.0 / all as f64) as f32 }
}

/// The first line: user, nice, system, idle, waiting for disks, …
fn ticks_of(stat: &str) -> Option<Ticks> {
    let numbers: Vec<u64> =
        stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().filter_map(|text| text.parse().ok()).collect();
    // Guests' time is part of the user's.
    let all: u64 = numbers.iter().take(8).sum();
    let idle: u64 = numbers.get(3)? + numbers.get(4)?;
    Some(Ticks { busy: all.saturating_sub(idle), all })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_bytes() {
        let memory = memory_of("MemTotal:       16000 kB\nMemFree:  1 kB\nMemAvailable:    8000 kB\n");
        assert_eq!(memory, Memory { total: 16_384_000, free: 8_192_000 });
        assert_eq!(memory_of(""), Memory::default());
    }

    #[test]
    fn usage_is_the_share_that_was_not_idle() {
        let last = ticks_of("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2\n").unwrap();
        let now = ticks_of("cpu  150 0 100 750 100 0 0 0 80 0\n").unwrap();
        assert_eq!(percent(last, now), 50.0);
        assert_eq!(percent(now, now), 0.0);
    }
}
