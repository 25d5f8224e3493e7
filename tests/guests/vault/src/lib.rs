//! An HTTP component of WASI 0.3 that reads secrets through `wasmcloud:secrets`: `GET /NAME` answers what it was given.

mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "vault", generate_all });
}

use bindings::wasmcloud::secrets::reveal;
use bindings::wasmcloud::secrets::store::{self, SecretValue};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::{http_from_wasi_request, http_into_wasi_response};

struct Vault;

impl wasip3::exports::http::handler::Guest for Vault {
    async fn handle(request: types::Request) -> Result<types::Response, ErrorCode> {
        let path = http_from_wasi_request(request)?.uri().path().to_string();
        let said = match store::get(path.trim_start_matches('/').into()).await {
            Ok(secret) => match reveal::reveal(&secret).await {
                SecretValue::String(text) => format!("text {text}"),
                SecretValue::Bytes(bytes) => format!("bytes {bytes:?}"),
            },
            Err(error) => format!("error: {error:?}"),
        };
        let body = Full::new(Bytes::from(said)).map_err(|never| match never {}).boxed_unsync();
        http_into_wasi_response(Response::new(body))
    }
}

wasip3::http::service::export!(Vault);
