//! An HTTP component of WASI 0.3: `tests/guests/README.md` has the routes.

mod sockets;

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
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
        "/ok" => Ok(text("fine".into())),
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
        path @ ("/tcp" | "/udp" | "/resolve" | "/listen" | "/bindudp") => {
            let answer = match path {
                "/tcp" => sockets::tcp(query, request.into_body().collect().await?.to_bytes().to_vec()).await,
                "/udp" => sockets::udp(query).await,
                "/resolve" => sockets::resolve(query).await,
                "/listen" => sockets::listen(query),
                _ => sockets::bind_udp(query),
            };
            Ok(text(answer.unwrap_or_else(|error| format!("failed: {error}"))))
        }
        "/say" => {
            println!("probe3 says {query}");
            Ok(text("said".into()))
        }
        "/murmur" => {
            println!("{query} first");
            wasip3::clocks::monotonic_clock::wait_for(200_000_000).await;
            println!("{query} second");
            Ok(text("murmured".into()))
        }
        "/fail" => Err(ErrorCode::InternalError(Some("probe3 failed on purpose".into()))),
        "/trap" => panic!("probe3 panic on purpose"),
        "/loop" => loop {
            std::hint::spin_loop();
        },
        "/clock" => loop {
            std::hint::black_box(wasip3::clocks::monotonic_clock::now());
        },
        "/poll" => loop {
            wasip3::clocks::monotonic_clock::wait_for(0).await;
        },
        "/lines" => loop {
            println!("a line of no interest");
        },
        "/hoard" => {
            let mut all: Vec<Vec<u8>> = Vec::new();
            loop {
                all.push(std::hint::black_box(vec![1; 1 << 20]));
            }
        }
        "/overflow" => Ok(text(recurse(1).to_string())),
        "/wait" => {
            wasip3::clocks::monotonic_clock::wait_for(3_600_000_000_000).await;
            Ok(text("an hour later".into()))
        }
        "/header" => {
            let mut response = text(String::new());
            let value = vec![b'v'; query.parse().unwrap_or(0)];
            let value = http::HeaderValue::from_bytes(&value).map_err(|_| ErrorCode::HttpProtocolError)?;
            response.headers_mut().insert("x-long", value);
            Ok(response)
        }
        "/flood" => Ok(Response::new(repeated(vec![b'x'; 4096], None))),
        "/crumbs" => Ok(Response::new(repeated(b"x".to_vec(), Some(query.parse().unwrap_or(0))))),
        // Answers at once, and ends when the request's body does.
        "/hold" => {
            let first = stream::once(async { Ok(Frame::data(Bytes::from_static(b"holding"))) });
            let rest = request.into_body().into_data_stream().map_ok(Frame::data);
            Ok(Response::new(StreamBody::new(first.chain(rest)).boxed_unsync()))
        }
        "/after" => {
            wasip3::spawn_local(async {
                loop {
                    wasip3::clocks::monotonic_clock::wait_for(1_000_000).await;
                }
            });
            Ok(text("done, or not".into()))
        }
        _ => {
            let mut response = text("no such route".into());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok(response)
        }
    }
}

#[allow(unconditional_recursion)]
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 16]);
    recurse(depth + 1) + std::hint::black_box(frame)[0]
}

/// The same piece again and again, so many times or for ever.
fn repeated(piece: Vec<u8>, times: Option<usize>) -> Body {
    let pieces = stream::repeat(Bytes::from(piece)).take(times.unwrap_or(usize::MAX));
    StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece)))).boxed_unsync()
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
