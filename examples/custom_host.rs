//! A host of one's own: serves the component of a file with everything `wash dev` gives it, in
//! fifty lines, without a project and without watching.
//!
//!     cargo run --example custom_host -- hello.wasm 127.0.0.1:8000

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::future::BoxFuture;
use wash::component;
use wash::host::{Host, Slot};
use wash::plugins::{Installed, InstalledOptions};
use wash::runtime::engine::{Engine, EngineOptions};
use wash::runtime::http::server::Bound;
use wash::runtime::http::{Body, Handler, plain};
use wash::runtime::limits::Limits;
use wash::runtime::observer::Blind;
use wash::runtime::workload::{Component, Workload};
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

/// Hands every request to what is in the slot.
struct Everything(Slot);

impl Handler for Everything {
    fn handle(
        self: Arc<Self>,
        request: http::Request<hyper::body::Incoming>,
        scheme: http::uri::Scheme,
    ) -> BoxFuture<'static, http::Response<Body>> {
        let scheme = if scheme == http::uri::Scheme::HTTPS { Scheme::Https } else { Scheme::Http };
        Box::pin(async move {
            let ready = self.0.serving();
            let Some(component) = ready.as_ref().and_then(|ready| ready.http()) else {
                return plain(http::StatusCode::NOT_FOUND, "nothing answers HTTP requests here\n");
            };
            match component.answer(request, scheme).await {
                Ok(response) => response,
                Err(no_answer) => plain(no_answer.status(), format!("{}\n", no_answer.short_reason())),
            }
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("name a component file")?;
    let address: SocketAddr = args.next().as_deref().unwrap_or("127.0.0.1:8000").parse()?;

    let bytes = std::fs::read(&file)?;
    let component = Component {
        name: "main".into(),
        digest: component::digest(&bytes),
        bytes: bytes.into(),
        ..Component::default()
    };
    let workload = Workload {
        namespace: "default".into(),
        name: "example".into(),
        components: vec![component],
        ..Workload::default()
    };

    let engine = Engine::new(&EngineOptions::default())?;
    let host = Arc::new(Host::new(engine, Installed::new(&InstalledOptions::default())?, Arc::new(Blind))?);
    let ready = host.make_ready(workload, 1, Limits::development()).await.map_err(wash::error::Error::from)?;
    let slot = Slot::default();
    slot.activate(ready);

    let server = Bound::bind(address)?.serve(Arc::new(Everything(slot)), NonZeroUsize::MIN)?;
    println!("serving {file} at http://{}/", server.address());
    tokio::signal::ctrl_c().await?;
    server.drain(std::time::Duration::from_secs(10)).await;
    Ok(())
}
