//! Reading components: what kind of bytes, which world, which imports and exports.
//!
//! Pure functions of bytes. Never touches a file, the network or the engine. Start with [`describe`].

use serde::Serialize;

/// What the bytes of a `.wasm` file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A component.
    Component,
    /// A core module.
    Module,
}

/// What a component says of itself.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// Component or core module.
    pub kind: Kind,
    /// The world, as `package/world` where the component says it, e.g. `root:component/root`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
    /// What it needs, e.g. `wasi:http/types@0.2.12`, in the component's order.
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

/// Reads what the bytes are, without running them.
pub fn describe(bytes: &[u8]) -> Result<Description, Unreadable> {
    let _ = bytes;
    Err(Unreadable::Empty)
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
