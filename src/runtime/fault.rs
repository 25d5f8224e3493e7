//! Makes a readable account of a call that failed: what, where in the source, what the guest said.

use std::sync::Arc;

use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};

use super::exception;
use super::lessons;
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
        reason = format!("the stack overflowed: `{function}` calls itself again and again");
    }
    let LastWords { stderr, call } = last;
    let stderr = match shared {
        Some(shared) if stderr.is_empty() => shared.stderr.to_vec(),
        _ => stderr,
    };
    // How a language ends its program says nothing; why it did so is in what it wrote before.
    if stopped_itself(error)
        && let Some(words) = exception::told(&stderr)
    {
        reason = words;
    }
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

/// Whether the guest ended on purpose, as languages do with what nobody catches.
fn stopped_itself(error: &wasmtime::Error) -> bool {
    matches!(error.downcast_ref(), Some(Trap::UnreachableCodeReached)) || error.is::<wasmtime_wasi::I32Exit>()
}

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
            "wasip2::",
            "wasip3::",
            "<wasip2::",
            "<wasip3::",
            // Go.
            "runtime.",
            "wasm_export_",
            "_rt0_",
            // Python, and the engine of JavaScript.
            "Py",
            "_Py",
            "wit_dylib_",
            // Exported functions as the world names them; what they call stands above.
            "wasi:",
            "wasi_http_incoming_handler_",
            "JS::",
            "js::",
        ];
        self.is_unnamed() || PREFIXES.iter().any(|prefix| self.function.starts_with(prefix))
    }

    /// The shims between the modules of a component have no names.
    fn is_unnamed(&self) -> bool {
        self.location.is_none() && self.function.starts_with("function ")
    }
}

/// One block of text for plain pages and logs.
pub fn render(fault: &Fault) -> String {
    let mut text = head(fault);
    if !fault.stderr.is_empty() {
        text.push_str("\n  the component's last lines on stderr:");
        for line in &fault.stderr {
            text.push_str(&format!("\n    | {line}"));
        }
    }
    text + &tail(fault)
}

/// The same for a terminal, on which the guest's lines have just been shown: where the reason is in
/// them, they are not repeated.
pub fn render_below_output(fault: &Fault) -> String {
    let is_said = exception::told(&fault.stderr).is_some_and(|words| fault.reason.starts_with(&words));
    if is_said { head(fault) + &tail(fault) } else { render(fault) }
}

/// What failed, why, and where in the source.
fn head(fault: &Fault) -> String {
    const SHOWN: usize = 12;
    let mut text = format!("{} failed in {}: {}", fault.what, fault.component, fault.reason);
    let mut own: Vec<&Frame> = fault.frames.iter().filter(|frame| !frame.is_plumbing()).collect();
    if own.is_empty() {
        // All of it may have become part of the function that the host calls.
        own.extend(fault.frames.iter().filter(|frame| frame.function.starts_with("wasi")));
    }
    if own.is_empty() {
        // A component without names; what it has are numbers.
        own.extend(fault.frames.iter().filter(|frame| frame.is_unnamed()));
    }
    let folded = fault.frames.len() - own.len();
    let mut own = own.chunk_by(|one, next| one == next);
    for same in own.by_ref().take(SHOWN) {
        text.push_str(&format!("\n    at {}", same[0].function));
        if let Some(location) = &same[0].location {
            text.push_str(&format!(" ({location})"));
        }
        if same.len() > 1 {
            text.push_str(&format!(", {} times", same.len()));
        }
    }
    if let hidden @ 1.. = own.map(<[_]>::len).sum() {
        text.push_str(&format!("\n    … {hidden} more"));
    }
    if folded > 0 {
        text.push_str(&format!("\n    … {folded} more of the language's runtime"));
    }
    text
}

/// What it means and what to do, where that is known.
fn tail(fault: &Fault) -> String {
    match lessons::of(fault) {
        Some(lesson) => format!("\n  {}\n  hint: {}", lesson.means, lesson.next),
        None => String::new(),
    }
}
