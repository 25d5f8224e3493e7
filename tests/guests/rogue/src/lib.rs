//! An HTTP component that does what no component should: `tests/guests/README.md` has the routes.

use std::hint::black_box;
use std::io::Write;

use wasip2::clocks::monotonic_clock;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, HeaderError, IncomingBody, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse,
    RequestOptions, ResponseOutparam, Scheme,
};
use wasip2::io::streams::{OutputStream, StreamError};

const HOUR: u64 = 3_600_000_000_000;

struct Rogue;

impl Guest for Rogue {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let number: usize = query.parse().unwrap_or(0);
        match path {
            "/ok" => respond(out, b"fine"),
            "/loop" => endless_loop(),
            "/clock" => loop {
                black_box(monotonic_clock::now());
            },
            "/poll" => loop {
                monotonic_clock::subscribe_duration(0).block();
            },
            "/chatter" => loop {
                let _ = std::io::stdout().write_all(b"x");
                let _ = std::io::stdout().flush();
            },
            "/lines" => loop {
                println!("a line of no interest");
            },
            "/work" => respond(out, work(number).as_bytes()),
            "/hoard" => hoard(),
            "/handles" => loop {
                std::mem::forget(Fields::new());
            },
            "/wait" => monotonic_clock::subscribe_duration(HOUR).block(),
            "/twice" => twice(out),
            "/header" => headers(out, 1, number),
            "/headers" => headers(out, number, 100),
            "/after" => {
                respond(out, b"done, or not");
                endless_loop()
            }
            "/silent" => {
                let (_body, stream) = begin(out);
                let _ = stream.blocking_write_and_flush(b"a beginning");
                monotonic_clock::subscribe_duration(HOUR).block();
            }
            "/flood" => {
                let (_body, stream) = begin(out);
                while stream.blocking_write_and_flush(&[b'x'; 4096]).is_ok() {}
            }
            "/crumbs" => {
                let (body, stream) = begin(out);
                for _ in 0..number {
                    if stream.blocking_write_and_flush(b"x").is_err() {
                        return;
                    }
                }
                drop(stream);
                let _ = OutgoingBody::finish(body, None);
            }
            // Answers at once, and ends when the request's body does.
            "/hold" => {
                let (body, stream) = begin(out);
                let _ = stream.blocking_write_and_flush(b"holding");
                let (count, _) = read(&request.consume().expect("the body is there"));
                let _ = stream.blocking_write_and_flush(format!(" {count}").as_bytes());
                drop(stream);
                let _ = OutgoingBody::finish(body, None);
            }
            "/panic" => panic!("the till is empty"),
            "/unreachable" => core::arch::wasm32::unreachable(),
            "/overflow" => respond(out, recurse(1).to_string().as_bytes()),
            "/nothing" => drop(out),
            "/flush" => begin(out).1.blocking_write_and_flush(&vec![b'x'; number]).expect("it is taken"),
            "/write" => begin(out).1.write(&vec![b'x'; number]).expect("it is taken"),
            "/unfinished" => {
                let (body, stream) = begin(out);
                drop(stream);
                drop(body);
            }
            "/children" => {
                let (body, stream) = begin(out);
                drop(body);
                drop(stream);
            }
            "/short" => promise(out, b"10", b"short"),
            "/long" => promise(out, b"3", b"too long"),
            "/connection" => Fields::new().append("connection", b"close").unwrap(),
            "/space" => Fields::new().append("a name", b"value").unwrap(),
            "/received" => request.headers().append("x-more", b"value").unwrap(),
            "/ask" => ask(query),
            _ => respond(out, b"no such route"),
        }
    }
}

fn endless_loop() -> ! {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Turns of a loop until so many milliseconds have gone by.
fn work(milliseconds: usize) -> String {
    let end = monotonic_clock::now() + milliseconds as u64 * 1_000_000;
    let mut turns = 0u64;
    while monotonic_clock::now() < end {
        for _ in 0..1000 {
            turns = black_box(turns.wrapping_add(1));
        }
    }
    turns.to_string()
}

/// Takes all the memory that it gets, and wants more.
fn hoard() -> ! {
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        all.push(black_box(vec![1; 1 << 20]));
    }
}

/// The handle is gone with the first `set`; a language that checks would not do this.
fn twice(out: ResponseOutparam) {
    let again = unsafe { ResponseOutparam::from_handle(out.handle()) };
    respond(out, b"once");
    ResponseOutparam::set(again, Ok(OutgoingResponse::new(Fields::new())));
}

#[inline(never)]
#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    recurse(depth + 1) + black_box(frame)[0]
}

/// A body of another length than the head says.
fn promise(out: ResponseOutparam, length: &[u8], text: &[u8]) {
    let response = OutgoingResponse::new(Fields::from_list(&[("content-length".into(), length.into())]).unwrap());
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().unwrap();
    stream.blocking_write_and_flush(text).unwrap();
    drop(stream);
    // As many do.
    let _ = OutgoingBody::finish(body, None);
}

/// Asks another server, and takes it for granted that it answers within a second.
fn ask(url: &str) {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (authority, path) = rest.split_once('/').expect("a path");
    let request = OutgoingRequest::new(Fields::new());
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).unwrap();
    request.set_authority(Some(authority)).unwrap();
    request.set_path_with_query(Some(&format!("/{path}"))).unwrap();
    let options = RequestOptions::new();
    options.set_first_byte_timeout(Some(1_000_000_000)).unwrap();
    let response = outgoing_handler::handle(request, Some(options)).unwrap();
    response.subscribe().block();
    let response = response.get().expect("it is there").expect("it is taken once").unwrap();
    println!("the other server answered {}", response.status());
}

fn headers(out: ResponseOutparam, count: usize, length: usize) {
    let fields = Fields::new();
    for number in 0..count {
        if let Err(error) = fields.append(&format!("x-{number}"), &vec![b'v'; length]) {
            let reason = match error {
                HeaderError::InvalidSyntax => "invalid",
                HeaderError::Forbidden => "forbidden",
                HeaderError::Immutable => "immutable",
            };
            return respond(out, format!("refused at {number}: {reason}").as_bytes());
        }
    }
    let response = OutgoingResponse::new(fields);
    let body = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    let _ = OutgoingBody::finish(body, None);
}

/// How much there was, and in how many pieces.
fn read(body: &IncomingBody) -> (usize, usize) {
    let stream = body.stream().expect("the stream is there");
    let (mut count, mut pieces) = (0, 0);
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(part) => {
                count += part.len();
                pieces += 1;
            }
            Err(StreamError::Closed) => return (count, pieces),
            Err(error) => {
                eprintln!("rogue: the body cannot be read: {error:?}");
                return (count, pieces);
            }
        }
    }
}

fn begin(out: ResponseOutparam) -> (OutgoingBody, OutputStream) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("a stream");
    (body, stream)
}

fn respond(out: ResponseOutparam, answer: &[u8]) {
    let (body, stream) = begin(out);
    if stream.blocking_write_and_flush(answer).is_ok() {
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}

wasip2::http::proxy::export!(Rogue with_types_in wasip2);
