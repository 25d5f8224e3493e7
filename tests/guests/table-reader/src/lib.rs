//! An HTTP component that looks up rows in tables of its host: `tests/guests/README.md` has the routes.

mod bindings {
    wit_bindgen::generate!({ path: "../../../examples/custom_plugin/wit", world: "reader" });
}

use bindings::example::tables::tables::{self, Error};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Reader;

impl Guest for Reader {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let answer = match &parts[..] {
            [table] => tables::open(table).map(|table| table.columns().join(",")),
            [table, column, value] => find(table, column, value, 2),
            [table, column, value, count] => find(table, column, value, count.parse().unwrap_or(u32::MAX)),
            _ => Ok("table-reader".into()),
        };
        let (status, text) = match answer {
            Ok(text) => (200, text),
            Err(error @ (Error::NoSuchTable | Error::NoSuchColumn(_))) => (404, format!("{error:?}")),
            Err(error) => (500, format!("{error:?}")),
        };
        respond(out, status, text.as_bytes());
    }
}

/// All rows, in portions.
fn find(table: &str, column: &str, value: &str, count: u32) -> Result<String, Error> {
    // The rows live longer than the table that they are from.
    let rows = tables::open(table)?.find(column, value)?;
    let mut lines = Vec::new();
    loop {
        let some = rows.next(count)?;
        if some.is_empty() {
            return Ok(lines.join("\n"));
        }
        lines.extend(some.into_iter().map(|row| row.join("|")));
    }
}

fn respond(out: ResponseOutparam, status: u16, answer: &[u8]) {
    let response = OutgoingResponse::new(Fields::new());
    response.set_status_code(status).expect("a status");
    let body = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("a stream");
    for part in answer.chunks(4096) {
        stream.blocking_write_and_flush(part).expect("the answer is taken");
    }
    drop(stream);
    OutgoingBody::finish(body, None).expect("the body ends");
}

wasip2::http::proxy::export!(Reader with_types_in wasip2);
