//! The only generated code of the capabilities, made from `wit/`.
//!
//! Functions that may wait are `async`; those that only look something up are not.

/// What guests import: the world `wash:host/capabilities`.
mod imports {
    wasmtime::component::bindgen!({
        path: [
            "wit/deps/io.wit",
            "wit/deps/clocks.wit",
            "wit/wasi-keyvalue-0.2.0-draft",
            "wit/wasi-keyvalue-0.2.0-draft2",
            "wit/wasi-blobstore-0.2.0-draft",
            "wit/wasi-config-0.2.0-rc.1",
            "wit/wasi-config-0.2.0-draft",
            "wit/wasi-logging-0.1.0-draft",
            "wit/wasi-otel-0.2.0-rc.2",
            "wit/wasmcloud-messaging-0.2.0",
            "wit/wasmcloud-postgres-0.1.1-draft",
            "wit/wasmcloud-postgres-0.2.0",
            "wit/wasmcloud-secrets-2.1.0",
            "wit/wash-host",
        ],
        world: "wash:host/capabilities",
        imports: {
            "wasi:config/store.get": trappable,
            "wasi:config/store.get-all": trappable,
            "wasi:config/runtime.get": trappable,
            "wasi:config/runtime.get-all": trappable,
            "wasi:logging/logging.log": trappable,
            "wasi:otel/tracing.on-start": trappable,
            "wasi:otel/tracing.on-end": trappable,
            "wasi:otel/tracing.outer-span-context": trappable,
            "wasi:otel/logs.on-emit": trappable,
            "wasi:otel/metrics.export": trappable,
            default: async | trappable,
        },
        require_store_data_send: true,
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:keyvalue/store@0.2.0-draft.bucket": crate::plugins::keyvalue::host::Bucket,
            "wasi:keyvalue/store@0.2.0-draft2.bucket": crate::plugins::keyvalue::host::Bucket,
            "wasi:keyvalue/atomics@0.2.0-draft2.cas": crate::plugins::keyvalue::draft2::Cas,
            "wasi:blobstore/types.outgoing-value": crate::plugins::blobstore::outgoing::OutgoingValue,
            "wasi:blobstore/types.incoming-value": crate::plugins::blobstore::incoming::IncomingValue,
            "wasi:blobstore/container.container": crate::plugins::blobstore::host::Container,
            "wasi:blobstore/container.stream-object-names": crate::plugins::blobstore::host::Listing,
            "wasmcloud:postgres/types@0.1.1-draft": crate::plugins::postgres::draft,
            "wasmcloud:secrets/store.secret": crate::plugins::secrets::Secret,
        },
        // What a component imports under a name of its own, for one of several servers.
        named_imports: {
            "wasmcloud:postgres/query@0.1.1-draft": crate::plugins::Label,
            "wasmcloud:postgres/prepared@0.1.1-draft": crate::plugins::Label,
            "wasmcloud:postgres/query@0.2.0": crate::plugins::Label,
            "wasmcloud:postgres/prepared@0.2.0": crate::plugins::Label,
            "wasmcloud:secrets/secret@2.1.0": crate::plugins::Label,
        },
    });
}

/// What guests export: the world `wash:host/message-handler`.
mod exports {
    wasmtime::component::bindgen!({
        path: ["wit/wasmcloud-messaging-0.2.0", "wit/deps/io.wit", "wit/deps/clocks.wit", "wit/wasi-keyvalue-0.2.0-draft",
            "wit/wasi-keyvalue-0.2.0-draft2", "wit/wasi-blobstore-0.2.0-draft", "wit/wasi-config-0.2.0-rc.1", "wit/wasi-config-0.2.0-draft",
            "wit/wasi-logging-0.1.0-draft", "wit/wasi-otel-0.2.0-rc.2", "wit/wasmcloud-postgres-0.1.1-draft",
            "wit/wasmcloud-postgres-0.2.0", "wit/wasmcloud-secrets-2.1.0", "wit/wash-host"],
        world: "wash:host/message-handler",
        exports: { default: async },
        require_store_data_send: true,
        with: {
            "wasmcloud:messaging/types": super::imports::wasmcloud::messaging::types,
        },
    });
}

/// What guests export: the world `wash:host/key-watcher`.
mod watching {
    wasmtime::component::bindgen!({
        path: ["wit/wasmcloud-messaging-0.2.0", "wit/deps/io.wit", "wit/deps/clocks.wit", "wit/wasi-keyvalue-0.2.0-draft",
            "wit/wasi-keyvalue-0.2.0-draft2", "wit/wasi-blobstore-0.2.0-draft", "wit/wasi-config-0.2.0-rc.1", "wit/wasi-config-0.2.0-draft",
            "wit/wasi-logging-0.1.0-draft", "wit/wasi-otel-0.2.0-rc.2", "wit/wasmcloud-postgres-0.1.1-draft",
            "wit/wasmcloud-postgres-0.2.0", "wit/wasmcloud-secrets-2.1.0", "wit/wash-host"],
        world: "wash:host/key-watcher",
        exports: { default: async },
        require_store_data_send: true,
        with: {
            "wasi:keyvalue/store@0.2.0-draft": super::imports::wasi::keyvalue0_2_0_draft::store,
        },
    });
}

pub use exports::MessageHandlerPre;
pub use imports::{named_imports, wasi, wasmcloud};
pub use watching::KeyWatcherPre;
