//! An HTTP component that runs statements through `wasmcloud:postgres@0.1.1-draft`: `tests/guests/README.md` has the
//! commands.

mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "ledger", generate_all });
}

use bindings::wasmcloud::postgres0_1_1_draft::{prepared, query, types::PgValue};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasip2::io::streams::StreamError;

struct Ledger;

impl Guest for Ledger {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let body = request.consume().expect("the body is there");
        let commands = String::from_utf8(read(&body)).expect("the commands are text");
        let said: String = commands.lines().map(|command| format!("{}\n", run(command))).collect();
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("the body is there");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("the stream is there");
        for chunk in said.as_bytes().chunks(4096) {
            if stream.blocking_write_and_flush(chunk).is_err() {
                return;
            }
        }
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}

wasip2::http::proxy::export!(Ledger with_types_in wasip2);

fn run(command: &str) -> String {
    let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
    let mut parts = rest.split('\t');
    let first = parts.next().unwrap_or_default();
    let params: Vec<PgValue> = parts.map(param).collect();
    match verb {
        "query" => shown(query::query(first, &params).map(|rows| {
            let rows = rows.into_iter().map(|row| {
                let values = row.into_iter().map(|entry| format!("{}={:?}", entry.column_name, entry.value));
                format!("[{}]", values.collect::<Vec<_>>().join(", "))
            });
            rows.collect::<Vec<_>>().join(" ")
        })),
        "batch" => shown(query::query_batch(first).map(|()| "done".into())),
        "prepare" => shown(prepared::prepare(first)),
        "exec" => shown(prepared::exec(first, &params).map(|count| count.to_string())),
        "roundtrip" => {
            let (ty, literal) = first.split_once(' ').unwrap_or_default();
            let sent = format!("select {literal}::{ty} as v");
            let value = match query::query(&sent, &[]) {
                Ok(mut rows) => rows.remove(0).remove(0).value,
                Err(error) => return format!("error: {error:?}"),
            };
            let back = format!("select $1::{ty}::text = {literal}::{ty}::text as same, $1::{ty} as v");
            match query::query(&back, std::slice::from_ref(&value)) {
                Ok(mut rows) => {
                    let (same, again) = (rows[0].remove(0).value, rows[0].remove(0).value);
                    let same = format!("{same:?}").contains("true") && format!("{again:?}") == format!("{value:?}");
                    format!("{ty} {value:?} {}", if same { "same" } else { "DIFFERENT" })
                }
                Err(error) => format!("{ty} {value:?} error: {error:?}"),
            }
        }
        _ => "no such command".into(),
    }
}

fn param(text: &str) -> PgValue {
    match text {
        "\\N" => PgValue::Null,
        text => PgValue::Text(text.into()),
    }
}

fn shown<E: std::fmt::Debug>(result: Result<String, E>) -> String {
    result.unwrap_or_else(|error| format!("error: {error:?}"))
}

fn read(body: &IncomingBody) -> Vec<u8> {
    let stream = body.stream().expect("the stream is there");
    let mut all = Vec::new();
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(bytes) => all.extend(bytes),
            Err(StreamError::Closed) => return all,
            Err(error) => panic!("the body cannot be read: {error}"),
        }
    }
}
