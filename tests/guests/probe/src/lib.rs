//! An HTTP component that pokes its host: `tests/guests/README.md` has the table of routes.
//!
//! `wstd` is used without its `http_server` macro, because `/headers` shows the request as it came and `/noresponse`
//! must not answer.

mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "probe",
        with: {
            "wasi:io/error@0.2.1": wasip2::io::error,
            "wasi:io/poll@0.2.1": wasip2::io::poll,
            "wasi:io/streams@0.2.1": wasip2::io::streams,
        },
        generate_all,
    });
}

mod answer;
mod blobs;
mod call;
mod draft2;
mod faults;
mod keyvalue;
mod services;
mod sockets;
mod system;
mod web;

use answer::{Reply, refuse, text};
use call::Call;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};
use wstd::http::server::Responder;
use wstd::http::{Body, Error, Method, StatusCode};

/// Says which build is answering. It is in the component's data exactly once and read in a way that the compiler
/// cannot see through, so a test makes another version of the component by replacing the four digits in the file.
static VERSION: [u8; 23] = *b"WASH-PROBE-VERSION-0000";

fn version() -> String {
    let bytes = unsafe { std::ptr::read_volatile(&raw const VERSION) };
    String::from_utf8_lossy(&bytes).into_owned()
}

struct Probe;

impl Guest for Probe {
    fn handle(incoming: IncomingRequest, out: ResponseOutparam) {
        let call = Call::of(&incoming);
        match call.path.as_str() {
            "/noresponse" => return,
            "/fail" => return Responder::new(out).fail(Error::msg("probe failed on purpose")),
            _ => {}
        }
        wstd::runtime::block_on(async move {
            let reply = match wstd::http::request::try_from_incoming(incoming) {
                Ok(request) => route(&call, request.into_body()).await,
                Err(error) => Err(error),
            };
            let response = reply.unwrap_or_else(|error| answer::failure(&error));
            // A client that leaves early is not the probe's fault, so this is no reason to trap.
            if let Err(error) = Responder::new(out).respond(response).await {
                eprintln!("probe: could not send all of the response: {error}");
            }
        });
    }
}

wasip2::http::proxy::export!(Probe with_types_in wasip2);

async fn route(call: &Call, mut body: Body) -> Reply {
    let get = call.method == Method::GET;
    let post = call.method == Method::POST;
    let (first, rest) = call.segments();

    match (first, rest) {
        ("version", None) if get => text(version()),
        ("calls", None) if get => faults::calls(),
        ("slow", None) if get => faults::slow(call.number("ms", 1000)?).await,
        ("loop", None) if get => faults::endless_loop(),
        ("trap", None) if get => faults::panic_on_purpose(),
        ("traplate", None) if get => faults::panic_after_a_chunk(),
        ("unreachable", None) if get => core::arch::wasm32::unreachable(),
        ("overflow", None) if get => faults::overflow(),
        ("alloc", None) if get => faults::allocate(call.number("mb", 1)?),

        ("echo", None) if post => web::echo(body),
        ("bytes", None) if get => web::bytes(call.number("n", 1024)?),
        ("drip", None) if get => web::drip(call.number("n", 10)?, call.number("ms", 100)?),
        ("headers", None) => web::headers(call),
        ("html", None) if get => answer::html("<!doctype html><title>probe</title><p>a page"),
        ("status", None) => web::status(call.number("code", 200)?),
        ("nocontent", None) => web::no_content(call.number("ms", 0)?),
        ("fetch", None) => web::fetch(call, body).await,

        ("relay", None) => web::relay(call, body).await,

        ("tcp", None) if get => {
            sockets::tcp(&call.need("to")?, call.get("text").unwrap_or(""), call.get("half").is_some())
        }
        ("tcp", None) if post => {
            sockets::stream(&call.need("to")?, call.get("line").unwrap_or(""), body.contents().await?.to_vec()).await
        }
        ("udp", None) if get => sockets::udp(&call.need("to")?, call.get("text").unwrap_or("")),
        ("resolve", None) if get => sockets::resolve(&call.need("name")?),
        ("listen", None) if get => sockets::listen(&call.need("at")?),
        ("bindudp", None) if get => sockets::bind_udp(&call.need("at")?),

        ("env", None) if get => system::environment(),
        ("args", None) if get => system::arguments(),
        ("read", None) if get => system::read(&call.need("path")?),
        ("write", None) if post => system::write(&call.need("path")?, body.contents().await?),
        ("dir", None) if get => system::directory(&call.need("path")?),
        ("stdout", None) if get => system::stdout(&call.need("text")?),
        ("stderr", None) if get => system::stderr(&call.need("text")?),

        ("kv", Some(rest)) => keyvalue::route(&call.method, rest, body).await,
        ("incr", Some(rest)) if post => keyvalue::increment(rest, call.number("by", 1)?),
        ("batch", Some(bucket)) if post => keyvalue::batch(bucket),

        ("incr2", Some(rest)) if post => draft2::increment(rest, call.number("by", 1)?),
        ("swap2", Some(rest)) if post => draft2::swap(call, rest, body.contents().await?),
        ("list2", Some(bucket)) if get => draft2::list(bucket),

        ("blob", Some(rest)) => blobs::route(call, rest, body).await,
        ("blobinfo", Some(rest)) if get => blobs::info(rest),
        ("blobclear", Some(container)) if post => blobs::clear(container),
        ("blobcopy", None) if post => blobs::copy(&call.need("src")?, &call.need("dst")?),
        ("blobmove", None) if post => blobs::rename(&call.need("src")?, &call.need("dst")?),

        ("config", None) if get => services::all_config(),
        ("config", Some(key)) if get => services::config(key),
        ("log", None) if get => services::log(call),
        ("publish", None) if post => services::publish(call, body.contents().await?),
        ("request", None) if post => services::request(call, body.contents().await?),

        _ => refuse(StatusCode::NOT_FOUND, "no such route"),
    }
}
