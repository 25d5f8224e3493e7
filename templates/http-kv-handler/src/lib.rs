mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "http-kv-handler",
        generate_all,
    });
}

use bindings::wasi::keyvalue::{atomics, store};
use percent_encoding::percent_decode_str;
use wstd::http::body::{Bytes, util::Empty};
use wstd::http::{Body, Error, Method, Request, Response, StatusCode};

/// The bucket that everything is kept in. The empty name stands for the host's default bucket,
/// which exists everywhere; any other name has to be known to the host.
const BUCKET: &str = "";

const USAGE: &str = "\
PUT    /kv/{key}       store the request body
GET    /kv/{key}       read it
DELETE /kv/{key}       remove it
GET    /kv             list all keys
POST   /counter/{key}  add one and get the new number
";

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    match route(request).await {
        Ok(response) => Ok(response),
        Err(error) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("key-value store: {error}\n"),
        ),
    }
}

async fn route(mut request: Request<Body>) -> Result<Response<Body>, Error> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();

    if path == "/" && method == Method::GET {
        return text(StatusCode::OK, USAGE);
    }
    if path == "/kv" && method == Method::GET {
        return list();
    }
    if let Some(key) = key_after("/kv/", &path) {
        match method {
            Method::PUT => return set(&key, request.body_mut().contents().await?),
            Method::GET => return get(&key),
            Method::DELETE => return delete(&key),
            _ => {}
        }
    }
    if let Some(key) = key_after("/counter/", &path)
        && method == Method::POST
    {
        return increment(&key);
    }
    text(StatusCode::NOT_FOUND, "Not found\n")
}

/// Returns what follows the prefix, percent-decoded. It may contain slashes, but not be empty.
fn key_after(prefix: &str, path: &str) -> Option<String> {
    let key = path.strip_prefix(prefix).filter(|key| !key.is_empty())?;
    let key = percent_decode_str(key).decode_utf8().ok()?;
    Some(key.into_owned())
}

fn set(key: &str, value: &[u8]) -> Result<Response<Body>, Error> {
    let bucket = store::open(BUCKET)?;
    bucket.set(key, value)?;
    no_content()
}

fn get(key: &str) -> Result<Response<Body>, Error> {
    let bucket = store::open(BUCKET)?;
    match bucket.get(key)? {
        Some(value) => Ok(Response::builder()
            .header("content-type", "application/octet-stream")
            .body(value.into())?),
        None => text(StatusCode::NOT_FOUND, "No such key\n"),
    }
}

fn delete(key: &str) -> Result<Response<Body>, Error> {
    let bucket = store::open(BUCKET)?;
    bucket.delete(key)?;
    no_content()
}

/// Answers with all keys as sorted JSON. A host may hand them out in pages, in any order.
fn list() -> Result<Response<Body>, Error> {
    let bucket = store::open(BUCKET)?;
    let mut keys = Vec::new();
    let mut cursor = None;
    loop {
        let page = bucket.list_keys(cursor)?;
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    keys.sort();
    Ok(Response::builder()
        .header("content-type", "application/json")
        .body(Body::from_json(&keys)?)?)
}

/// Adds one on the host's side, so that no request is lost when many come at once.
fn increment(key: &str) -> Result<Response<Body>, Error> {
    let bucket = store::open(BUCKET)?;
    let number = atomics::increment(&bucket, key, 1)?;
    text(StatusCode::OK, &format!("{number}\n"))
}

fn text(status: StatusCode, body: &str) -> Result<Response<Body>, Error> {
    Ok(Response::builder()
        .status(status)
        .header("content-type", "text/plain; charset=utf-8")
        .body(body.into())?)
}

/// A response without a body, not even one empty chunk: the host may have closed the stream before
/// that could be written.
fn no_content() -> Result<Response<Body>, Error> {
    Ok(Response::builder()
        .status(StatusCode::NO_CONTENT)
        .body(Body::from_http_body(Empty::<Bytes>::new()))?)
}
