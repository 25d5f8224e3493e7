//! Makes a readable account of a call that failed: what, where in the source, what the guest said.

use std::sync::Arc;

use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};

use super::observer::{Fault, Frame};
use super::stdio::LastWords;

/// Describes the failure of a call of `component` while it did `what`.
pub fn describe(component: &Arc<str>, what: String, error: &wasmtime::Error, last: LastWords) -> Arc<Fault> {
    let shared = error.downcast_ref::<OfInstance>();
    let error = shared.map_or(error, |shared| &shared.error);
    let mut reason = match error.downcast_ref::<Trap>() {
        Some(trap) => trap_in_words(*trap),
        None if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) => {
            "the component has more handles (of headers, streams and the like) than it may: it does not drop them"
                .into()
        }
        None => error.root_cause().to_string(),
    };
    let frames = error.downcast_ref::<WasmBacktrace>().map(frames).unwrap_or_default();
    if let Some(function) = endless_recursion(&frames) {
        reason = format!("{reason}; `{function}` calls itself again and again");
    }
    let LastWords { stderr, call } = last;
    let stderr = match shared {
        Some(shared) if stderr.is_empty() => shared.stderr.to_vec(),
        _ => stderr,
    };
    if shared.is_some_and(|shared| shared.several) {
        reason = format!("{reason} (it shared its instance with other requests, whose fault it may be)");
    }
    Arc::new(Fault { component: component.clone(), what, reason, frames, stderr, call })
}

/// The failure of an instance that several calls may have shared; each of them has this error.
#[derive(Clone, Debug)]
pub struct OfInstance {
    pub error: Arc<wasmtime::Error>,
    /// Whether it had several calls then: the engine does not say whose fault it was.
    pub several: bool,
    /// The guest's last lines on stderr.
    pub stderr: Arc<[String]>,
}

impl std::fmt::Display for OfInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for OfInstance {}

/// What a trap means for somebody who wrote the component.
fn trap_in_words(trap: Trap) -> String {
    let words = match trap {
        Trap::UnreachableCodeReached => "the component stopped itself (`unreachable`), as a panic or an abort does",
        Trap::StackOverflow => "the stack overflowed: a function calls itself without end",
        Trap::MemoryOutOfBounds => "memory was used outside of its bounds",
        Trap::TableOutOfBounds | Trap::IndirectCallToNull | Trap::BadSignature => {
            "a function pointer was called that points to no function of that type"
        }
        Trap::IntegerDivisionByZero => "an integer was divided by zero",
        Trap::IntegerOverflow => "an integer division overflowed",
        Trap::BadConversionToInteger => "a floating point number was converted to an integer that cannot hold it",
        Trap::Interrupt => "the component was interrupted",
        Trap::AllocationTooLarge => "the component asked for more memory than it may have",
        _ => return format!("the component trapped: {trap}"),
    };
    words.to_string()
}

/// The function that fills most of the stack. Languages keep a stack of their own in the guest's
/// memory, so that its end often shows as another kind of trap.
fn endless_recursion(frames: &[Frame]) -> Option<&str> {
    const DEEP: usize = 30;
    frames
        .iter()
        .take(8)
        .map(|frame| frame.function.as_str())
        .find(|function| frames.iter().filter(|frame| frame.function == *function).count() >= DEEP)
}

/// The guest's functions, innermost first, inlined ones included.
fn frames(backtrace: &WasmBacktrace) -> Vec<Frame> {
    let mut frames = Vec::new();
    for frame in backtrace.frames() {
        let own_name = || frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), demangle);
        if frame.symbols().is_empty() {
            frames.push(Frame { function: own_name(), location: None });
        }
        for symbol in frame.symbols() {
            let location = symbol.file().map(|file| match symbol.line() {
                Some(line) => format!("{file}:{line}"),
                None => file.to_string(),
            });
            frames.push(Frame { function: symbol.name().map_or_else(own_name, demangle), location });
        }
    }
    frames
}

/// Rust's names without the hash at the end; other languages' as they are.
fn demangle(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

impl Frame {
    /// Whether the frame belongs to a language's runtime rather than to what the user wrote.
    pub fn is_plumbing(&self) -> bool {
        const PREFIXES: &[&str] = &[
            "core::",
            "std::",
            "alloc::",
            "<core::",
            "<std::",
            "<alloc::",
            "__rust",
            "rust_",
            "__rustc",
            "abort",
            "_abort",
            "__wasi",
            "wit_bindgen::",
            "wstd::",
            "<wstd::",
            "cabi_",
            "dlmalloc",
            "_start",
            "__wasm",
        ];
        PREFIXES.iter().any(|prefix| self.function.starts_with(prefix))
    }
}

/// One block of text for terminals and plain pages.
pub fn render(fault: &Fault) -> String {
    let mut text = format!("{} failed in {}: {}", fault.what, fault.component, fault.reason);
    let own: Vec<&Frame> = fault.frames.iter().filter(|frame| !frame.is_plumbing()).collect();
    let folded = fault.frames.len() - own.len();
    for frame in own.iter().take(12) {
        text.push_str(&format!("\n    at {}", frame.function));
        if let Some(location) = &frame.location {
            text.push_str(&format!(" ({location})"));
        }
    }
    let hidden = folded + own.len().saturating_sub(12);
    if hidden > 0 {
        text.push_str(&format!("\n    … {hidden} more of the language's runtime"));
    }
    if !fault.stderr.is_empty() {
        text.push_str("\n  the component's last lines on stderr:");
        for line in &fault.stderr {
            text.push_str(&format!("\n    | {line}"));
        }
    }
    text
}
