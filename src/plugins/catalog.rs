//! The list of every interface we host, with its functions, read from the WIT in `wit/`.
//!
//! Only for reports: what is really linked is up to [`super::Installed`] and the WASI crates.

use std::sync::OnceLock;

use wit_parser::{Resolve, UnresolvedPackageGroup};

use crate::component;

/// An interface that guests may import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedInterface {
    /// e.g. `wasi:keyvalue/store`
    pub name: String,
    /// e.g. `0.2.0-draft`
    pub version: String,
    /// Name and signature, e.g. `[method]bucket.get` and `func(key: string) -> option<list<u8>>`.
    pub functions: Vec<(String, String)>,
}

macro_rules! packages {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../wit/", $path)))),*]
    };
}

/// In the order in which they use each other.
const PACKAGES: &[(&str, &str)] = packages![
    "deps/io.wit",
    "deps/clocks.wit",
    "deps/random.wit",
    "deps/filesystem.wit",
    "deps/sockets.wit",
    "deps/cli.wit",
    "deps/http.wit",
    "wasi-keyvalue-0.2.0-draft/package.wit",
    "wasi-blobstore-0.2.0-draft/package.wit",
    "wasi-config-0.2.0-draft/package.wit",
    "wasi-config-0.2.0-rc.1/package.wit",
    "wasi-logging-0.1.0-draft/package.wit",
    "wasmcloud-messaging-0.2.0/package.wit",
];

/// Every interface we host, by name, older versions first.
pub fn hosted() -> &'static [HostedInterface] {
    static HOSTED: OnceLock<Vec<HostedInterface>> = OnceLock::new();
    HOSTED.get_or_init(|| {
        let mut resolve = Resolve::default();
        for (path, text) in PACKAGES {
            let pushed = UnresolvedPackageGroup::parse(path, text)
                .map_err(|error| format!("{error:?}"))
                .and_then(|group| resolve.push_group(group).map_err(|error| format!("{error:?}")));
            if let Err(error) = pushed {
                panic!("the WIT in the binary is wrong: {path}: {error}");
            }
        }
        let mut hosted: Vec<HostedInterface> = resolve
            .interfaces
            .iter()
            .map(|(id, _)| component::interface(&resolve, id))
            .map(|interface| HostedInterface {
                name: interface.name,
                version: interface.version.unwrap_or_default(),
                functions: interface.functions,
            })
            .collect();
        hosted.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        hosted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_components_ask_for_most_is_listed_with_its_functions() {
        for (name, version, function) in [
            ("wasi:http/types", "0.2.12", "[method]fields.get"),
            ("wasi:keyvalue/store", "0.2.0-draft", "open"),
            ("wasi:blobstore/container", "0.2.0-draft", "[method]container.get-data"),
            ("wasi:config/store", "0.2.0-rc.1", "get-all"),
            ("wasi:logging/logging", "0.1.0-draft", "log"),
            ("wasmcloud:messaging/consumer", "0.2.0", "request"),
        ] {
            let found = hosted().iter().find(|hosted| hosted.name == name && hosted.version == version);
            let functions = &found.unwrap_or_else(|| panic!("{name}@{version} is not listed")).functions;
            assert!(functions.iter().any(|(known, _)| known == function), "{name}: {functions:?}");
        }
    }
}
