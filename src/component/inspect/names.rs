//! Names of functions as their authors wrote them.

use std::fmt::{self, Write};

/// Longer names are cut: generic code has names of many kilobytes, and made-up ones expand without end.
const LONGEST: usize = 400;

/// How deep a C++ name may be nested.
const DEEPEST: u32 = 64;

/// Rust's names without the hash at their end, C++'s with their namespaces, others as they are.
/// At most some hundred characters, whatever the name.
pub fn readable(name: &str) -> String {
    let mut short = Bounded(String::new());
    if let Ok(demangled) = rustc_demangle::try_demangle(name) {
        let _ = write!(short, "{demangled:#}");
        return short.0;
    }
    if name.starts_with("_Z") && name.len() <= 10 * LONGEST {
        let parse = cpp_demangle::ParseOptions::default().recursion_limit(DEEPEST);
        let print = cpp_demangle::DemangleOptions::new().no_params().no_return_type().recursion_limit(DEEPEST);
        if let Ok(symbol) = cpp_demangle::BorrowedSymbol::new_with_options(name.as_bytes(), &parse) {
            // A full buffer is an error as well, and what is in it good enough.
            let whole = symbol.structured_demangle(&mut short, &print).is_ok();
            if whole || short.is_full() {
                return short.0;
            }
            short.0.clear();
        }
    }
    let _ = short.write_str(name);
    short.0
}

/// The crate, namespace or runtime that a readable name belongs to.
///
/// `None` for a name that tells nothing of it, as those of C are.
pub fn origin(readable: &str) -> Option<&str> {
    // `<alloc::vec::Vec<T> as core::fmt::Debug>::fmt` belongs to what it is implemented for.
    let start = readable.trim_start_matches(['<', '&', '*', '[', '(']);
    let start = ["dyn ", "mut ", "const "].iter().fold(start, |text, word| text.strip_prefix(word).unwrap_or(text));
    let (first, _) = start.split_once("::")?;
    let first = first.split(['[', '<', ' ', '{']).next().unwrap_or_default();
    let is_word = !first.is_empty() && first.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    // Of `<u8 as core::fmt::Display>::fmt`.
    let is_primitive = matches!(
        first,
        "u8" | "u16"
            | "u32"
            | "u64"
            | "u128"
            | "usize"
            | "i8"
            | "i16"
            | "i32"
            | "i64"
            | "i128"
            | "isize"
            | "f32"
            | "f64"
    ) || matches!(first, "str" | "char" | "bool");
    is_word.then_some(if is_primitive { "core" } else { first })
}

struct Bounded(String);

impl Bounded {
    fn is_full(&self) -> bool {
        self.0.len() >= LONGEST
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = LONGEST.saturating_sub(self.0.len());
        if more.len() <= room {
            self.0.push_str(more);
            return Ok(());
        }
        self.0.push_str(&more[..more.floor_char_boundary(room)]);
        self.0.push('\u{2026}');
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_they_were_written() {
        for (name, readable_name, of) in [
            ("_ZN5hello6handle17h0123456789abcdefE", "hello::handle", Some("hello")),
            ("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt", Some("core")),
            (
                "_ZN62_$LT$alloc..vec..Vec$LT$u8$GT$$u20$as$u20$core..fmt..Write$GT$5write17h0123456789abcdefE",
                "<alloc::vec::Vec<u8> as core::fmt::Write>::write",
                Some("alloc"),
            ),
            ("_RNvCs1234_7mycrate3foo", "mycrate::foo", Some("mycrate")),
            ("_ZN2js3jit10CompileEnv", "_ZN2js3jit10CompileEnv", None),
            ("_ZN2js3jit7CompileEPNS_6ScriptE", "js::jit::Compile", Some("js")),
            ("PyObject_Call", "PyObject_Call", None),
            ("main", "main", None),
        ] {
            assert_eq!(readable(name), readable_name);
            assert_eq!(origin(&readable(name)), of, "{name}");
        }
    }

    #[test]
    fn endless_names_are_cut() {
        assert!(readable(&"n".repeat(100_000)).len() <= LONGEST + 4);
        assert!(readable(&"\u{fc}".repeat(100_000)).len() <= LONGEST + 4);
        // Each substitution doubles what the name expands to.
        let bomb: String = (0..60).fold("_Z1fI1a".to_string(), |name, _| name + "S_S_") + "E";
        assert!(readable(&bomb).len() <= bomb.len().max(LONGEST + 4));
        let deep = format!("_Z{}1f", "N".repeat(3_000));
        assert!(readable(&deep).len() <= LONGEST + 4);
    }
}
