//! What the host offers to guests: every interface with its functions.
//!
//! Made from the WIT in the binary, the same that the code is generated from, when somebody asks for
//! the first time: only the report of imports that cannot be met does.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use wit_parser::{Resolve, WorldId, WorldItem};

use crate::component::interface;
use crate::error::{Error, Result};

/// An interface that guests can import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedInterface {
    /// e.g. `wasi:keyvalue/store`
    pub name: String,
    /// e.g. `0.2.0-draft`
    pub version: String,
    /// Name and signature, e.g. `[method]bucket.get` and
    /// `func(key: string) -> result<option<list<u8>>, error>`, in the order of the interface.
    pub functions: Vec<(String, String)>,
}

/// Packages of other hosts that are still to come.
const LATER: &[&str] = &["wasi:tls", "wasi:webgpu"];

/// Whether a package, `namespace:package`, is still to come.
pub fn is_later(package: &str) -> bool {
    LATER.contains(&package)
}

/// Refuses a package that is not among what a host provides.
pub fn check_package(namespace: &str, package: &str, hosted: &[HostedInterface]) -> Result<()> {
    let package = format!("{namespace}:{package}");
    let packages: BTreeSet<&str> =
        hosted.iter().filter_map(|interface| Some(interface.name.split_once('/')?.0)).collect();
    if packages.contains(package.as_str()) {
        return Ok(());
    }
    if is_later(&package) {
        return Err(Error::usage(format!("not supported yet: `{package}`")).hint("remove the entry for it"));
    }
    let mut near: Vec<_> = packages.iter().map(|known| (strsim::osa_distance(known, &package), known)).collect();
    near.sort();
    let error = Error::usage(format!("the host does not provide `{package}`"));
    Err(match near.first() {
        Some((distance, known)) if *distance <= 3 => error.hint(format!("`{known}` is provided")),
        _ => {
            let packages: Vec<&str> = packages.into_iter().collect();
            error.hint(format!("remove the entry, or write one of {}", packages.join(", ")))
        }
    })
}

impl HostedInterface {
    /// Name and version, e.g. `wasi:keyvalue/store@0.2.0-draft`.
    pub fn full_name(&self) -> String {
        if self.version.is_empty() { self.name.clone() } else { format!("{}@{}", self.name, self.version) }
    }
}

/// Returns all interfaces, sorted by name; versions of one interface from old to new.
pub fn hosted() -> &'static [HostedInterface] {
    static HOSTED: LazyLock<Vec<HostedInterface>> = LazyLock::new(|| {
        let resolve = read(PACKAGES);
        let mut all: Vec<_> = WORLDS.iter().flat_map(|world| imports(&resolve, world)).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all.dedup();
        all
    });
    &HOSTED
}

/// What guests can import is what these import.
const WORLDS: &[&str] =
    &["wasi:cli/imports@0.2.12", "wasi:http/imports@0.2.12", "wash:catalog/wasi-of-0-3", "wash:host/capabilities"];

/// WASI 0.3 has no world of its own with all imports of `wasi:http`, and no exports.
const WASI_0_3: &str = "package wash:catalog;
world wasi-of-0-3 {
  include wasi:cli/imports@0.3.0;
  import wasi:http/types@0.3.0;
  import wasi:http/client@0.3.0;
}";

/// The packages, each after those that it uses, versions of one from old to new.
const PACKAGES: &[(&str, &str)] = &[
    ("io.wit", include_str!("../../wit/deps/io.wit")),
    ("random.wit", include_str!("../../wit/deps/random.wit")),
    ("clocks.wit", include_str!("../../wit/deps/clocks.wit")),
    ("filesystem.wit", include_str!("../../wit/deps/filesystem.wit")),
    ("sockets.wit", include_str!("../../wit/deps/sockets.wit")),
    ("cli.wit", include_str!("../../wit/deps/cli.wit")),
    ("http.wit", include_str!("../../wit/deps/http.wit")),
    ("random-0-3.wit", include_str!("../../wit/wasi-0.3.0/random.wit")),
    ("clocks-0-3.wit", include_str!("../../wit/wasi-0.3.0/clocks.wit")),
    ("filesystem-0-3.wit", include_str!("../../wit/wasi-0.3.0/filesystem.wit")),
    ("sockets-0-3.wit", include_str!("../../wit/wasi-0.3.0/sockets.wit")),
    ("cli-0-3.wit", include_str!("../../wit/wasi-0.3.0/cli.wit")),
    ("http-0-3.wit", include_str!("../../wit/wasi-0.3.0/http.wit")),
    ("catalog.wit", WASI_0_3),
    ("keyvalue.wit", include_str!("../../wit/wasi-keyvalue-0.2.0-draft/package.wit")),
    ("keyvalue-draft2.wit", include_str!("../../wit/wasi-keyvalue-0.2.0-draft2/package.wit")),
    ("blobstore.wit", include_str!("../../wit/wasi-blobstore-0.2.0-draft/package.wit")),
    ("config-draft.wit", include_str!("../../wit/wasi-config-0.2.0-draft/package.wit")),
    ("config.wit", include_str!("../../wit/wasi-config-0.2.0-rc.1/package.wit")),
    ("logging.wit", include_str!("../../wit/wasi-logging-0.1.0-draft/package.wit")),
    ("otel.wit", include_str!("../../wit/wasi-otel-0.2.0-rc.2/package.wit")),
    ("messaging.wit", include_str!("../../wit/wasmcloud-messaging-0.2.0/package.wit")),
    ("postgres-draft.wit", include_str!("../../wit/wasmcloud-postgres-0.1.1-draft/package.wit")),
    ("postgres.wit", include_str!("../../wit/wasmcloud-postgres-0.2.0/package.wit")),
    ("secrets.wit", include_str!("../../wit/wasmcloud-secrets-2.1.0/package.wit")),
    ("host.wit", include_str!("../../wit/wash-host/package.wit")),
];

fn read(packages: &[(&str, &str)]) -> Resolve {
    let mut resolve = Resolve::default();
    for (path, text) in packages {
        resolve.push_source(path, text).expect("our own WIT is well-formed: code is generated from it");
    }
    resolve
}

/// What a world of other packages imports. `files` are names and texts, each after those that it uses.
/// Fails with the parser's words.
pub fn imports_of(files: &[(&str, &str)], world: &str) -> Result<Vec<HostedInterface>, String> {
    let mut resolve = read(PACKAGES);
    for (path, text) in files {
        resolve.push_source(path, text).map_err(|error| format!("{error:#}"))?;
    }
    let packages: Vec<_> = resolve.packages.iter().map(|(id, _)| id).collect();
    let world = resolve.select_world(&packages, Some(world)).map_err(|error| format!("{error:#}"))?;
    Ok(imports_of_world(&resolve, world))
}

fn imports(resolve: &Resolve, world: &str) -> Vec<HostedInterface> {
    let packages: Vec<_> = resolve.packages.iter().map(|(id, _)| id).collect();
    let world = resolve.select_world(&packages, Some(world)).expect("our own WIT has this world");
    imports_of_world(resolve, world)
}

fn imports_of_world(resolve: &Resolve, world: WorldId) -> Vec<HostedInterface> {
    let hosted = |item: &WorldItem| {
        let WorldItem::Interface { id, .. } = item else { return None };
        let interface = interface(resolve, *id);
        Some(HostedInterface {
            name: interface.name,
            version: interface.version.unwrap_or_default(),
            functions: interface.functions,
        })
    };
    resolve.worlds[world].imports.values().filter_map(hosted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::Installed;
    use crate::plugins::bindings::MessageHandlerPre;
    use crate::runtime::capability::GuestOf;
    use crate::runtime::engine::{Engine, EngineOptions};
    use crate::runtime::prepare;
    use wasmtime::component::{Component, InstancePre};
    use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
    use wit_parser::{LiftLowerAbi, ManglingAndAbi};

    fn functions(name: &str) -> Vec<String> {
        let interface = hosted().iter().find(|hosted| hosted.name == name).unwrap();
        interface.functions.iter().map(|(name, signature)| format!("{name}: {signature}")).collect()
    }

    #[test]
    fn functions_have_names_and_signatures() {
        assert_eq!(
            functions("wasi:keyvalue/store"),
            [
                "[method]bucket.get: func(key: string) -> result<option<list<u8>>, error>",
                "[method]bucket.set: func(key: string, value: list<u8>) -> result<_, error>",
                "[method]bucket.delete: func(key: string) -> result<_, error>",
                "[method]bucket.exists: func(key: string) -> result<bool, error>",
                "[method]bucket.list-keys: func(cursor: option<u64>) -> result<key-response, error>",
                "open: func(identifier: string) -> result<bucket, error>",
            ]
        );
        assert_eq!(
            functions("wasmcloud:messaging/consumer"),
            [
                "request: func(subject: string, body: list<u8>, timeout-ms: u32) -> result<broker-message, string>",
                "publish: func(msg: broker-message) -> result<_, string>",
            ]
        );
    }

    #[test]
    fn interfaces_are_listed_once_with_their_versions() {
        let names: Vec<_> = hosted().iter().map(|hosted| format!("{}@{}", hosted.name, hosted.version)).collect();
        for name in [
            "wasi:blobstore/container@0.2.0-draft",
            "wasi:cli/environment@0.2.12",
            "wasi:config/runtime@0.2.0-draft",
            "wasi:config/store@0.2.0-rc.1",
            "wasi:http/outgoing-handler@0.2.12",
            "wasi:http/types@0.2.12",
            "wasi:http/types@0.3.0",
            "wasi:http/client@0.3.0",
            "wasi:cli/environment@0.3.0",
            "wasi:io/streams@0.2.12",
            "wasi:logging/logging@0.1.0-draft",
            "wasi:otel/tracing@0.2.0-rc.2",
            "wasi:otel/metrics@0.2.0-rc.2",
            "wasi:sockets/tcp@0.2.12",
        ] {
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name} in {names:#?}");
        }
        assert!(hosted().is_sorted_by_key(|hosted| &hosted.name));
        // Unstable, and nobody serves it.
        assert!(!names.iter().any(|name| name.contains("timezone")));
    }

    #[test]
    fn what_is_still_to_come_is_not_here_yet() {
        for package in LATER {
            let (namespace, name) = package.split_once(':').unwrap();
            let error = check_package(namespace, name, hosted()).expect_err("take it off the list");
            assert_eq!(error.message(), format!("not supported yet: `{package}`"));
        }
        assert!(check_package("wasi", "keyvalue", hosted()).is_ok());
        let error = check_package("wasi", "keyvalu", hosted()).unwrap_err();
        assert_eq!(
            (error.message(), &error.hints()[0][..]),
            ("the host does not provide `wasi:keyvalu`", "`wasi:keyvalue` is provided")
        );
        assert!(check_package("acme", "x", hosted()).unwrap_err().hints()[0].contains("wasi:http, wasi:io"));
    }

    /// A component that imports a world and does nothing.
    fn dummy(mut resolve: Resolve, world: &str) -> Vec<u8> {
        let package = resolve.push_source("dummy.wit", &format!("package test:dummy; {world}")).unwrap();
        let world = resolve.select_world(&[package], None).unwrap();
        let mut module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
    }

    fn link(component: &[u8]) -> wasmtime::Result<InstancePre<GuestOf<Installed>>> {
        let engine = Engine::new(&EngineOptions::default()).unwrap();
        let linker = prepare::linker::<Installed>(&engine).unwrap();
        linker.instantiate_pre(&Component::new(engine.wasmtime(), component)?)
    }

    #[test]
    fn a_component_that_imports_everything_can_be_linked() {
        let includes: String = WORLDS.iter().map(|world| format!("include {world};")).collect();
        link(&dummy(read(PACKAGES), &format!("world w {{ {includes} }}"))).unwrap();
    }

    #[test]
    fn a_component_with_the_streams_of_the_published_draft_can_be_linked() {
        let texts: Vec<_> = PACKAGES.iter().map(|(path, text)| (*path, text.replace("0.2.12", "0.2.1"))).collect();
        let wanted = ["io.wit", "blobstore.wit"];
        let packages: Vec<_> =
            texts.iter().filter(|(path, _)| wanted.contains(path)).map(|(path, text)| (*path, text.as_str())).collect();
        link(&dummy(read(&packages), "world w { include wasi:blobstore/imports@0.2.0-draft; }")).unwrap();
    }

    #[test]
    fn a_component_that_wants_another_signature_cannot_be_linked() {
        let text = PACKAGES.iter().find(|(path, _)| *path == "config.wit").unwrap().1;
        let text = text.replace("get: func(key: string)", "get: func(key: u32)");
        let component = dummy(read(&[("config.wit", &text)]), "world w { import wasi:config/store@0.2.0-rc.1; }");
        assert!(link(&component).is_err());
    }

    #[test]
    fn a_component_that_handles_messages_can_be_called() {
        let pre = link(&dummy(read(PACKAGES), "world w { export wasmcloud:messaging/handler@0.2.0; }")).unwrap();
        assert!(MessageHandlerPre::new(pre).is_ok());
        let pre = link(&dummy(read(PACKAGES), "world w { import wasmcloud:messaging/consumer@0.2.0; }")).unwrap();
        assert!(MessageHandlerPre::new(pre).is_err());
    }
}
