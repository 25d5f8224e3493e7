//! Everything that a guest can do wrong, and what tells one instance from another.

use crate::answer::{Reply, bytes, refuse, text};
use futures_lite::stream;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use wstd::http::{Body, StatusCode};
use wstd::time::Duration;

/// Answers how often this instance was asked for it, so `1` means a new instance.
pub fn calls() -> Reply {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let number = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    text(number.to_string())
}

pub async fn slow(ms: u64) -> Reply {
    wstd::task::sleep(Duration::from_millis(ms)).await;
    text(crate::version())
}

pub fn endless_loop() -> ! {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

// The names of the functions that trap are what a test looks for in a backtrace.
#[inline(never)]
pub fn panic_on_purpose() -> ! {
    eprintln!("probe: about to panic");
    panic!("probe panic on purpose");
}

/// Traps when the status, the headers and a part of the body are already on their way.
pub fn panic_after_a_chunk() -> Reply {
    let body = stream::unfold(0, |turn| async move {
        match turn {
            0 => Some((b"the first chunk\n".to_vec(), 1)),
            _ => panic_on_purpose(),
        }
    });
    bytes(Body::from_stream(body))
}

pub fn overflow() -> Reply {
    text(recurse(1).to_string())
}

#[inline(never)]
#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    recurse(depth + 1) + black_box(frame)[0]
}

/// Takes memory a mebibyte at a time and writes to all of it.
pub fn allocate(mb: usize) -> Reply {
    const MIB: usize = 1 << 20;
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for number in 0..mb {
        let mut block = Vec::new();
        if block.try_reserve_exact(MIB).is_err() {
            drop(blocks);
            let reason = format!("memory refused after {number} MiB");
            return refuse(StatusCode::INSUFFICIENT_STORAGE, reason);
        }
        block.resize(MIB, 1);
        blocks.push(black_box(block));
    }
    text(format!("allocated {} MiB", black_box(&blocks).len()))
}
