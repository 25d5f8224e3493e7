//! An HTTP component of WASI 0.3 that imports what it uses under names of its own: `GET /secret`, and `POST /orders` and
//! `/prices` with a statement.

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "named", generate_all });
}

use bindings::wasmcloud::postgres::types::{Error, PgValue};
use bindings::wasmcloud::secrets::{reveal, store::SecretValue};
use bindings::{api_key, orders, prices};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::{http_from_wasi_request, http_into_wasi_response};

struct Named;

impl wasip3::exports::http::handler::Guest for Named {
    async fn handle(request: types::Request) -> Result<types::Response, ErrorCode> {
        let (head, body) = http_from_wasi_request(request)?.into_parts();
        let sql = String::from_utf8(body.collect().await?.to_bytes().to_vec()).expect("the statement is text");
        let said = match head.uri.path() {
            "/secret" => match reveal::reveal(&api_key::get().await).await {
                SecretValue::String(text) => text,
                SecretValue::Bytes(bytes) => format!("{bytes:?}"),
            },
            "/orders" => shown(async { Ok(orders::query(sql, vec![]).await?.1.collect().await) }).await,
            _ => shown(async { Ok(prices::query(sql, vec![]).await?.1.collect().await) }).await,
        };
        let body = Full::new(Bytes::from(said)).map_err(|never| match never {}).boxed_unsync();
        http_into_wasi_response(Response::new(body))
    }
}

async fn shown(rows: impl Future<Output = Result<Vec<Vec<PgValue>>, Error>>) -> String {
    format!("{:?}", rows.await)
}

wasip3::http::service::export!(Named);
