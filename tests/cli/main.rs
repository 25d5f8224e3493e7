//! Tests of the `wash` binary, a module per subject.

#![allow(clippy::disallowed_methods, reason = "tests look at their own process's environment")]

#[path = "../support/mod.rs"]
mod support;

mod book;
mod build;
mod cluster;
mod cluster_login;
mod cluster_trouble;
mod completion;
mod config;
mod dev_backends;
mod dev_console;
mod dev_control;
mod dev_edits;
mod dev_generations;
mod dev_guests;
mod dev_labels;
mod dev_links;
mod dev_misbehaving;
mod dev_pool;
mod dev_process;
mod dev_services;
mod dev_settings;
mod dev_swaps;
mod dev_watching;
mod doctor;
mod embed;
mod embed_examples;
mod failures;
mod host_load;
mod host_manifests;
mod host_operations;
mod host_serving;
mod host_soak;
mod http;
mod inspect;
mod isolation;
mod network;
mod new;
mod oci;
mod oci_supply;
mod oci_transfer;
mod postgres;
mod secrets;
mod telemetry;
mod templates;
mod terminals;
mod update;
mod wit;
mod wit_errors;
mod wit_registries;
mod wit_sources;

/// A file that no `mod` line names would silently test nothing.
#[test]
fn no_test_file_is_forgotten() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let listed = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name != "main" {
            assert!(listed.contains(&format!("mod {name};")), "tests/cli/{name}.rs is not part of the tests");
        }
    }
}
