//! An HTTP component that asks for what no host has: a package nobody knows, and a known one in a version nobody published.

mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "missing-import",
        generate_all,
    });
}

use bindings::acme::billing::ledger;
use bindings::wasi::keyvalue::store;
use wstd::http::{Body, Error, Request, Response};

#[wstd::http_server]
async fn main(_request: Request<Body>) -> Result<Response<Body>, Error> {
    let answer = format!("{:?} {:?}\n", ledger::charge(1), store::open("bills"));
    Ok(Response::new(answer.into()))
}
