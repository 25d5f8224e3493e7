//! A host of one's own: serves the component of a file with everything that wash has for
//! components, without a project and without watching. Ends at ctrl-c, after the requests that run.
//!
//!     cargo run --example custom_host -- hello.wasm 127.0.0.1:8000

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use wash::embed::{
    Component, DevRouter, Engine, Error, Fault, HostApi, HostBuilder, HttpServer, Observer, Output, RequestRecord,
    Result, Workload, WorkloadStartRequest, WorkloadStopRequest,
};

/// Shows on stderr what the component does.
struct Show;

impl Observer for Show {
    fn request(&self, request: RequestRecord) {
        eprintln!("{} {} {}", request.method, request.path, request.status);
    }

    fn output(&self, output: Output) {
        eprintln!("{}: {}", output.component, output.line);
    }

    fn fault(&self, fault: Arc<Fault>) {
        eprintln!("{} failed in {}: {}", fault.component, fault.what, fault.reason);
    }
}

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
    let mut args = std::env::args().skip(1);
    let usage = || Error::usage("no component was named").hint("custom_host hello.wasm [127.0.0.1:8000]");
    let file = args.next().ok_or_else(usage)?;
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8000".into());
    let address: SocketAddr =
        address.parse().map_err(|_| Error::usage(format!("`{address}` is not an address and a port")))?;
    let bytes = std::fs::read(&file).map_err(|error| Error::caused_by(format!("cannot read `{file}`"), &error))?;

    let http = Arc::new(HttpServer::new(DevRouter::default(), address).await?);
    let host = HostBuilder::new()
        .with_engine(Engine::builder().build()?)
        .with_friendly_name("my-custom-host")
        .with_http_handler(http.clone())
        .with_observer(Arc::new(Show))
        .build()?
        .start()
        .await?;

    let workload = Workload {
        namespace: "default".into(),
        name: "example".into(),
        components: vec![Component::new("main", bytes)],
        ..Workload::default()
    };
    host.workload_start(WorkloadStartRequest { workload_id: "example-1".into(), workload }).await?;
    println!("serving {file} at http://{}/", http.address());

    tokio::signal::ctrl_c().await.map_err(|error| Error::caused_by("cannot wait for ctrl-c", &error))?;
    let beat = host.heartbeat().await?;
    println!("{} stops {} workloads", beat.friendly_name, beat.workload_count);
    host.workload_stop(WorkloadStopRequest { workload_id: "example-1".into() }).await?;
    host.stop().await
}
