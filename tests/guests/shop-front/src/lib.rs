//! An HTTP component that has its work done by another component of the workload: `tests/guests/README.md` has the
//! routes.

mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "shop-front",
        with: {
            "wasi:io/error@0.2.1": wasip2::io::error,
            "wasi:io/poll@0.2.1": wasip2::io::poll,
            "wasi:io/streams@0.2.1": wasip2::io::streams,
        },
        generate_all,
    });
}

use bindings::test::shop0_1_0::cart::{self, Basket, Item};
use bindings::wasi::config::store;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasip2::io::streams::StreamError;

struct Front;

impl Guest for Front {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let body = request.consume().expect("the body is there");
        let answer = match path {
            "/basket" => basket().into_bytes(),
            "/increment" => cart::increment(&read(&body)),
            "/measure" => match cart::measure(body.stream().expect("the stream is there")) {
                Ok(length) => length.to_string().into_bytes(),
                Err(error) => error.into_bytes(),
            },
            "/times" => {
                let (calls, length) = query.split_once(',').unwrap_or((query, "0"));
                let data = vec![7; length.parse().unwrap_or(0)];
                let mut sum = 0;
                for _ in 0..calls.parse().unwrap_or(1) {
                    sum += if data.is_empty() { cart::calls() as usize } else { cart::increment(&data).len() };
                }
                sum.to_string().into_bytes()
            }
            "/calls" => format!("{} {}", cart::calls(), cart::calls()).into_bytes(),
            "/own" => format!("front:\n{}cart:\n{}\n", own(), cart::belongings().join("\n")).into_bytes(),
            "/slow" => {
                let before = own();
                cart::pause(query.parse().unwrap_or(50));
                format!("{}{}", if own() == before { "" } else { "changed\n" }, cart::belongings().join("\n"))
                    .into_bytes()
            }
            "/reach" => {
                let mine = std::net::TcpStream::connect(query);
                let mine = mine.map_or_else(|error| error.kind().to_string(), |_| "reached".into());
                format!("front: {mine}, cart: {}", cart::reach(query)).into_bytes()
            }
            "/say" => {
                println!("front says {query}");
                cart::say(query);
                b"said".to_vec()
            }
            "/poison" => {
                poison();
                b"it was not dropped".to_vec()
            }
            "/poisonlate" => {
                respond(out, b"all of it");
                return poison();
            }
            "/fail" => {
                cart::fail();
                b"it did not fail".to_vec()
            }
            _ => b"front".to_vec(),
        };
        respond(out, &answer);
    }
}

/// Both ways of handing over a resource, and the error that a basket gives.
fn basket() -> String {
    let (mine, yours) = (Basket::new("me"), Basket::new("you"));
    let added = mine.add(&Item { name: "pear".into(), count: 2 });
    let refused = mine.add(&Item { name: "nothing".into(), count: 0 });
    let _ = yours.add(&Item { name: "Äpfel".into(), count: 3 });
    let count = cart::merge(&mine, yours);
    let items: Vec<String> = mine.items().into_iter().map(|item| format!("{}={}", item.name, item.count)).collect();
    format!("{added:?} {refused:?} {count} {}", items.join(","))
}

/// Drops a resource of the cart, whose destructor panics.
fn poison() {
    let basket = Basket::new("me");
    let _ = basket.add(&Item { name: "poison".into(), count: 1 });
}

fn own() -> String {
    let mut lines: Vec<String> = std::env::vars().map(|(name, value)| format!("env {name}={value}")).collect();
    lines.extend(store::get_all().unwrap_or_default().into_iter().map(|(key, value)| format!("config {key}={value}")));
    lines.extend(wasip2::filesystem::preopens::get_directories().into_iter().map(|(_, path)| format!("folder {path}")));
    lines.sort();
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

fn read(body: &IncomingBody) -> Vec<u8> {
    let stream = body.stream().expect("the stream is there");
    let mut all = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(part) => all.extend(part),
            Err(StreamError::Closed) => return all,
            Err(error) => panic!("the body cannot be read: {error:?}"),
        }
    }
}

fn respond(out: ResponseOutparam, answer: &[u8]) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("a stream");
    for part in answer.chunks(4096) {
        stream.blocking_write_and_flush(part).expect("the answer is taken");
    }
    drop(stream);
    OutgoingBody::finish(body, None).expect("the body ends");
}

wasip2::http::proxy::export!(Front with_types_in wasip2);
