mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "job",
        generate_all,
    });
}

use bindings::exports::example::cron_service::cron::Guest;
use bindings::wasi::keyvalue::{atomics, store};
use wstd::http::{Body, Error, Method, Request, Response, StatusCode};

/// The host's default bucket. An instance is gone after its call, so what is to stay is kept there.
const BUCKET: &str = "";
const KEY: &str = "runs";

struct Job;

impl Guest for Job {
    /// The scheduler calls this.
    fn invoke() -> Result<u64, String> {
        println!("at work");
        count(1).map_err(|error| error.to_string())
    }
}

bindings::export!(Job with_types_in bindings);

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => match count(0) {
            Ok(runs) => (StatusCode::OK, format!("{runs} runs\n")),
            Err(error) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("key-value store: {error}\n"),
            ),
        },
        _ => (StatusCode::NOT_FOUND, "Not found\n".to_string()),
    };
    Ok(Response::builder()
        .status(status)
        .header("content-type", "text/plain; charset=utf-8")
        .body(body.into())?)
}

/// Adds to the number of runs, and returns it.
fn count(more: u64) -> Result<u64, store::Error> {
    let bucket = store::open(BUCKET)?;
    atomics::increment(&bucket, KEY, more)
}
