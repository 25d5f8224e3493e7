//! What the machine says of itself, for heartbeats. A field that the system does not tell stays empty.

use std::sync::{Mutex, PoisonError};

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, System};

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    pub free: u64,
}

/// The machine's name; in a container, the container's.
pub fn hostname() -> String {
    System::host_name().unwrap_or_default()
}

/// The release of the kernel.
pub fn kernel() -> String {
    System::kernel_version().unwrap_or_default()
}

/// The memory that this process can have: the machine's, or what its container is given of it.
pub fn memory() -> Memory {
    let Ok(mut system) = System::new() else { return Memory::default() };
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let machine = Memory { total: system.total_memory(), free: system.available_memory() };
    let container =
        system.cgroup_limits().map(|limits| Memory { total: limits.total_memory, free: limits.free_memory });
    smaller(machine, container)
}

/// A container without a limit says so with a number that is no smaller than the machine's, or with 0.
fn smaller(machine: Memory, container: Option<Memory>) -> Memory {
    match container {
        Some(container) if container.total > 0 && container.total < machine.total => {
            Memory { total: container.total, free: container.free.min(machine.free) }
        }
        _ => machine,
    }
}

/// Measures how busy the processors are, from one asking to the next.
#[derive(Default)]
pub struct Processors(Mutex<Option<System>>);

impl Processors {
    /// Percent of all processors since the last asking; 0 at the first.
    pub fn usage(&self) -> f32 {
        let mut measured = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asked_before = measured.is_some();
        if !asked_before {
            *measured = System::new().ok();
        }
        let Some(system) = measured.as_mut() else { return 0.0 };
        system.refresh_cpu_specifics(CpuRefreshKind::nothing().with_usage());
        let usage = if asked_before { system.global_cpu_usage() } else { 0.0 };
        // Two askings in the same tick of the system's clock divide by nothing.
        if usage.is_finite() { usage.clamp(0.0, 100.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_s_limit_is_the_memory_there_is() {
        let machine = Memory { total: 16_000, free: 8_000 };
        let of = |total, free| smaller(machine, Some(Memory { total, free }));
        assert_eq!(of(4_000, 1_000), Memory { total: 4_000, free: 1_000 });
        assert_eq!(of(12_000, 9_000), Memory { total: 12_000, free: 8_000 }, "the machine itself has no more");
        assert_eq!((of(0, 0), of(u64::MAX, u64::MAX), smaller(machine, None)), (machine, machine, machine));
    }

    #[test]
    fn the_machine_tells_what_it_has() {
        let memory = memory();
        assert!(memory.total > 0 && memory.free <= memory.total, "{memory:?}");
        assert!(!hostname().is_empty() && !kernel().is_empty());
        let processors = Processors::default();
        assert_eq!(processors.usage(), 0.0);
        assert!((0.0..=100.0).contains(&processors.usage()));
    }
}
