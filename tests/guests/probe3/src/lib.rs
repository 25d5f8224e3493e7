//! An HTTP component of WASI 0.3: `tests/guests/README.md` has the routes.

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::{
    IncomingRequestBody, http_from_wasi_request, http_from_wasi_response, http_into_wasi_request,
    http_into_wasi_response,
};

static CALLS: AtomicU32 = AtomicU32::new(0);
static AT_WORK: AtomicU32 = AtomicU32::new(0);

type Body = UnsyncBoxBody<Bytes, ErrorCode>;

struct Probe;

impl wasip3::exports::http::handler::Guest for Probe {
    async fn handle(request: types::Request) -> Result<types::Response, ErrorCode> {
        let request = http_from_wasi_request(request)?;
        http_into_wasi_response(route(request).await?)
    }
}

async fn route(request: Request<IncomingRequestBody>) -> Result<Response<Body>, ErrorCode> {
    let uri = request.uri().clone();
    let query = uri.query().unwrap_or_default();
    match uri.path() {
        "/calls" => Ok(text((CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string())),
        "/echo" => Ok(Response::new(request.into_body().boxed_unsync())),
        "/uri" => Ok(text(format!("{} {uri}", request.method()))),
        "/env" => Ok(text(std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect())),
        "/slow" => {
            let together = AT_WORK.fetch_add(1, Ordering::Relaxed) + 1;
            let milliseconds: u64 = query.parse().unwrap_or(0);
            wasip3::clocks::monotonic_clock::wait_for(milliseconds * 1_000_000).await;
            AT_WORK.fetch_sub(1, Ordering::Relaxed);
            Ok(text(together.to_string()))
        }
        "/fetch" => fetch(query).await,
        "/say" => {
            println!("probe3 says {query}");
            Ok(text("said".into()))
        }
        "/fail" => Err(ErrorCode::InternalError(Some("probe3 failed on purpose".into()))),
        "/trap" => panic!("probe3 panic on purpose"),
        "/loop" => loop {
            std::hint::spin_loop();
        },
        _ => {
            let mut response = text("no such route".into());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok(response)
        }
    }
}

/// The answer of another server, passed on while it comes.
async fn fetch(url: &str) -> Result<Response<Body>, ErrorCode> {
    let empty = Empty::<Bytes>::new().map_err(|never| match never {});
    let request = Request::get(url).body(empty).map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
    let response = wasip3::http::client::send(http_into_wasi_request(request)?).await?;
    let (head, body) = http_from_wasi_response(response)?.into_parts();
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = head.status;
    Ok(answer)
}

fn text(text: String) -> Response<Body> {
    Response::new(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync())
}

wasip3::http::service::export!(Probe);
