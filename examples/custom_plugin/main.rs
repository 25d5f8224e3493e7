//! A host with a capability of one's own: components import `example:tables/tables` and look up rows
//! in CSV files. The plugin is in `tables.rs`, a component that uses it in `tests/guests/table-reader`.
//!
//!     cargo run --example custom_plugin -- reader.wasm folder=data,max-rows=10 127.0.0.1:8000

mod tables;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use wash::embed::{
    Component, DevRouter, Error, HostApi, HostBuilder, HttpServer, Result, WitInterface, Workload, WorkloadStartRequest,
};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            eprint!("{}", error.details_text().unwrap_or_default());
            error.hints().iter().for_each(|hint| eprintln!("hint: {hint}"));
            ExitCode::from(error.exit_code())
        }
    }
}

async fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, settings, address] = &args[..] else {
        return Err(Error::usage("three arguments are needed")
            .hint("custom_plugin reader.wasm folder=data,max-rows=10 127.0.0.1:8000"));
    };
    let address: SocketAddr =
        address.parse().map_err(|_| Error::usage(format!("`{address}` is not an address and a port")))?;
    let bytes = std::fs::read(file).map_err(|error| Error::caused_by(format!("cannot read `{file}`"), &error))?;
    let config: BTreeMap<String, String> = settings
        .split(',')
        .filter_map(|setting| setting.split_once('='))
        .map(|(key, value)| (key.to_string(), value.replace('+', ",")))
        .collect();

    let http = Arc::new(HttpServer::new(DevRouter::default(), address).await?);
    let host = HostBuilder::new()
        .with_http_handler(http.clone())
        .with_plugin(Arc::new(tables::Tables))?
        .build()?
        .start()
        .await?;
    let workload = Workload {
        namespace: "default".into(),
        name: "reader".into(),
        components: vec![Component::new("reader", bytes)],
        host_interfaces: vec![WitInterface {
            namespace: "example".into(),
            package: "tables".into(),
            config,
            ..WitInterface::default()
        }],
        ..Workload::default()
    };
    host.workload_start(WorkloadStartRequest { workload_id: "reader-1".into(), workload }).await?;
    println!("serving {file} at http://{}/", http.address());
    tokio::signal::ctrl_c().await.map_err(|error| Error::caused_by("cannot wait for ctrl-c", &error))?;
    host.stop().await
}
