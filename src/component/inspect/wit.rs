//! The interfaces of a component or of a binary WIT package as WIT text, and the outline of a package.

use std::panic::AssertUnwindSafe;

use serde::Serialize;
use wit_component::{Output, WitPrinter};
use wit_parser::{PackageId, Resolve, decoding::DecodedWasm};

use super::super::interfaces::{self, Interface, Interfaces};

/// A text is cut after so many bytes: types can be built whose text is exponentially longer than they.
const LONGEST_TEXT: usize = 16 << 20;

/// WIT as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Wit {
    /// The worlds alone: what is imported and exported, by name.
    pub worlds: String,
    /// Everything, with all packages that it needs.
    pub text: String,
}

/// What a WIT package defines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WitPackage {
    /// e.g. `wasi:keyvalue`
    pub name: String,
    pub version: Option<String>,
    pub interfaces: Vec<Interface>,
    pub worlds: Vec<(String, Interfaces)>,
}

/// The WIT of a component or of a binary WIT package. A core module has none, and of a component that
/// WIT cannot express there is none either.
pub fn wit(bytes: &[u8]) -> Option<Wit> {
    with_package(bytes, |mut resolve, package| {
        let nested: Vec<PackageId> = resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != package).collect();
        let text = print(|printer| printer.print(&resolve, package, &nested));
        resolve.packages[package].interfaces.clear();
        let worlds = print(|printer| printer.emit_docs(false).print_package(&resolve, package, true));
        Some(Wit { worlds: worlds?, text: text? })
    })
}

/// The interfaces and worlds of a binary WIT package.
pub(super) fn package(bytes: &[u8]) -> Option<WitPackage> {
    with_package(bytes, |resolve, id| {
        let package = &resolve.packages[id];
        Some(WitPackage {
            name: format!("{}:{}", package.name.namespace, package.name.name),
            version: package.name.version.as_ref().map(ToString::to_string),
            interfaces: package.interfaces.values().map(|id| interfaces::interface(&resolve, *id)).collect(),
            worlds: package
                .worlds
                .iter()
                .map(|(name, world)| (name.clone(), interfaces::of_world(&resolve, *world)))
                .collect(),
        })
    })
}

fn with_package<T>(bytes: &[u8], use_it: impl FnOnce(Resolve, PackageId) -> Option<T>) -> Option<T> {
    // The decoder takes a module for a component of nothing.
    if !wasmparser::Parser::is_component(bytes) {
        return None;
    }
    // Bytes of strangers must not bring us down with a case that the library did not think of.
    let guarded = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let decoded = wit_parser::decoding::decode(bytes).ok()?;
        let package = decoded.package();
        let (DecodedWasm::Component(resolve, _) | DecodedWasm::WitPackage(resolve, _)) = decoded;
        use_it(resolve, package)
    }));
    guarded.ok().flatten()
}

fn print<E>(fill: impl FnOnce(&mut WitPrinter<Text>) -> Result<(), E>) -> Option<String> {
    let mut printer = WitPrinter::new(Text::default());
    fill(&mut printer).ok()?;
    let Text { mut text, .. } = printer.output;
    if text.len() >= LONGEST_TEXT {
        text.push_str("\n// \u{2026} the rest is cut\n");
    }
    Some(text)
}

/// Text with indentation that does not grow without end.
#[derive(Default)]
struct Text {
    text: String,
    depth: usize,
    at_start_of_line: bool,
}

impl Output for Text {
    fn push_str(&mut self, more: &str) {
        if self.text.len() < LONGEST_TEXT {
            self.text.push_str(more);
        }
    }

    fn indent_if_needed(&mut self) -> bool {
        if !std::mem::take(&mut self.at_start_of_line) {
            return false;
        }
        for _ in 0..self.depth {
            self.push_str("  ");
        }
        true
    }

    fn indent_start(&mut self) {
        self.push_str(" {");
        self.depth += 1;
        self.newline();
    }

    fn indent_end(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.indent_if_needed();
        self.push_str("}");
        self.newline();
    }

    fn newline(&mut self) {
        self.push_str("\n");
        self.at_start_of_line = true;
    }
}
