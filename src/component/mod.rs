//! Reading components: what kind of bytes, which world, which imports and exports.
//!
//! Pure functions of bytes. Never touches a file, the network or the engine. Start with [`describe`];
//! [`interfaces`] has the functions of each import and export, for those who link; [`inspect`] has
//! everything that bytes tell.

pub mod inspect;
mod interfaces;
mod nesting;
mod read;
mod sniff;

use std::fmt;

use serde::Serialize;

pub use interfaces::{Interface, Interfaces, interface, interfaces, signature};
pub use sniff::looks_like;

/// What the bytes of a `.wasm` file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A component.
    Component,
    /// A core module.
    Module,
    /// A WIT package in its binary form: types only, nothing that could run.
    WitPackage,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Component => "component",
            Kind::Module => "core module",
            Kind::WitPackage => "WIT package",
        })
    }
}

/// What a component says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Description {
    /// Component or core module.
    pub kind: Kind,
    /// The world, as `package/world`. Binary components do not carry the name of theirs, so that it
    /// is `root:component/root` for all of them, as other tools have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
    /// What it needs, e.g. `wasi:http/types@0.2.12`, in the component's order. For a core module
    /// each is `module.name`.
    pub imports: Vec<String>,
    /// What it offers, e.g. `wasi:http/incoming-handler@0.2.12`, in the component's order.
    pub exports: Vec<String>,
    /// Size in bytes.
    pub size: u64,
    /// `sha256:` and the hexadecimal digest of the bytes.
    pub digest: String,
}

/// Why bytes are not a component or module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// There are no bytes.
    Empty,
    /// It does not begin as WebAssembly does; `looks_like` says what it seems to be.
    NotWasm { looks_like: &'static str },
    /// It begins as WebAssembly and ends too early.
    Truncated { at: usize },
    /// It is WebAssembly text, not binary.
    Text,
    /// It is WebAssembly with an error in it.
    Invalid { reason: String, at: usize },
}

/// Reads as the end of a sentence that begins with the name of a file.
impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Empty => f.write_str("is empty"),
            Unreadable::NotWasm { looks_like } => write!(f, "is not WebAssembly but {looks_like}"),
            Unreadable::Truncated { at } => write!(f, "is WebAssembly that ends too early, after {at} bytes"),
            Unreadable::Text => f.write_str("is WebAssembly text, not binary"),
            Unreadable::Invalid { reason, at } => {
                write!(f, "is WebAssembly with an error in it, at byte {at}: {reason}")
            }
        }
    }
}

impl std::error::Error for Unreadable {}

/// Reads what the bytes are, without running them. Everything is validated but the bodies of
/// functions: who compiles them validates them, too, and only that costs noticeable time.
pub fn describe(bytes: &[u8]) -> Result<Description, Unreadable> {
    let outline = read::outline(bytes)?;
    Ok(Description {
        kind: outline.kind,
        world: (outline.kind == Kind::Component).then(|| "root:component/root".to_string()),
        imports: outline.imports,
        exports: outline.exports,
        size: bytes.len() as u64,
        digest: digest(bytes),
    })
}

/// `sha256:` and the hexadecimal digest of the bytes: the name of these bytes everywhere in wash.
pub fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    use std::fmt::Write;
    let mut text = String::from("sha256:");
    for byte in sha2::Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests;
