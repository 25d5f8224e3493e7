//! An HTTP component of WASI 0.3 that runs statements through `wasmcloud:postgres@0.2.0`: `tests/guests/README.md` has
//! the commands.

mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "ledger3", generate_all });
}

use bindings::wasmcloud::postgres0_2_0::types::{Error, PgValue, Row};
use bindings::wasmcloud::postgres0_2_0::{prepared, query};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::{http_from_wasi_request, http_into_wasi_response};

struct Ledger;

impl wasip3::exports::http::handler::Guest for Ledger {
    async fn handle(request: types::Request) -> Result<types::Response, ErrorCode> {
        let (_, body) = http_from_wasi_request(request)?.into_parts();
        let commands = String::from_utf8(body.collect().await?.to_bytes().to_vec()).expect("the commands are text");
        let mut said = String::new();
        for command in commands.lines() {
            said.push_str(&run(command).await.unwrap_or_else(|error| format!("error: {error:?}")));
            said.push('\n');
        }
        let body = Full::new(Bytes::from(said)).map_err(|never| match never {}).boxed_unsync();
        http_into_wasi_response(Response::new(body))
    }
}

async fn run(command: &str) -> Result<String, Error> {
    let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
    let mut parts = rest.split('\t');
    let first = parts.next().unwrap_or_default().to_string();
    let params: Vec<PgValue> = parts.map(param).collect();
    match verb {
        "query" => {
            let (columns, rows, end) = query::query(first, params).await?;
            let rows: Vec<Row> = rows.collect().await;
            end.await?;
            let rows = rows.into_iter().map(|row| {
                let values = columns.iter().zip(row).map(|(name, value)| format!("{name}={value:?}"));
                format!("[{}]", values.collect::<Vec<_>>().join(", "))
            });
            Ok(rows.collect::<Vec<_>>().join(" "))
        }
        "batch" => query::query_batch(first).await.map(|()| "done".into()),
        "prepare" => prepared::prepare(first).await,
        "exec" => prepared::exec(first, params).await.map(|count| count.to_string()),
        // Counts rows, and keeps none.
        "count" => {
            let (_, mut rows, end) = query::query(first, params).await?;
            let (mut count, mut piece) = (0, Vec::with_capacity(256));
            loop {
                let (status, read) = rows.read(piece).await;
                count += read.len();
                if !matches!(status, wit_bindgen::StreamResult::Complete(_)) {
                    break;
                }
                piece = read;
                piece.clear();
            }
            Ok(format!("{count} rows, {:?}", end.await))
        }
        // Reads one row, and wants no more.
        "first" => {
            let (_, mut rows, _end) = query::query(first, params).await?;
            let row = rows.next().await;
            Ok(format!("{row:?}"))
        }
        // Runs a second statement for each of its rows, while they come.
        "nested" => {
            let (outer, inner) = first.split_once('|').unwrap_or_default();
            let (_, mut rows, end) = query::query(outer.into(), params).await?;
            let mut said = Vec::new();
            while let Some(row) = rows.next().await {
                let (_, inner, end) = query::query(inner.into(), row).await?;
                said.push(format!("{:?}", inner.collect().await));
                end.await?;
            }
            Ok(format!("{} {:?}", said.join(" "), end.await))
        }
        "roundtrip" => {
            let (ty, literal) = first.split_once(' ').unwrap_or_default();
            let value = one(format!("select {literal}::{ty} as v"), vec![]).await?.remove(0);
            let back = format!("select $1::{ty}::text = {literal}::{ty}::text as same, $1::{ty} as v");
            let mut back = one(back, vec![value.clone()]).await?;
            let (same, again) = (back.remove(0), back.remove(0));
            let same = format!("{same:?}").contains("true") && format!("{again:?}") == format!("{value:?}");
            Ok(format!("{ty} {value:?} {}", if same { "same" } else { "DIFFERENT" }))
        }
        _ => Ok("no such command".into()),
    }
}

async fn one(sql: String, params: Vec<PgValue>) -> Result<Row, Error> {
    let (_, rows, end) = query::query(sql, params).await?;
    let mut rows: Vec<Row> = rows.collect().await;
    end.await?;
    Ok(rows.remove(0))
}

fn param(text: &str) -> PgValue {
    match text {
        "\\N" => PgValue::Null,
        text => PgValue::Text(text.into()),
    }
}

wasip3::http::service::export!(Ledger);
