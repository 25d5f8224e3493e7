//! `wasi:keyvalue`: store, atomics and batch.

use crate::answer::{Reply, bytes, done, lines, refusal, refuse, text};
use crate::bindings::wasi::keyvalue0_2_0_draft::{atomics, batch, store};
use crate::call::{decode, pair};
use store::Bucket;
use wstd::http::{Body, Error, Method, StatusCode};

/// Serves `{bucket}` and `{bucket}/{key}`.
pub async fn route(method: &Method, path: &str, mut body: Body) -> Reply {
    let (bucket, key) = pair(path);
    let bucket = open(&bucket)?;
    match (method, key) {
        (&Method::GET, None) => lines(keys(&bucket)?),
        (&Method::GET, Some(key)) => match bucket.get(&key).map_err(explain)? {
            Some(value) => bytes(value),
            None => refuse(StatusCode::NOT_FOUND, "no such key"),
        },
        (&Method::HEAD, Some(key)) => match bucket.exists(&key).map_err(explain)? {
            true => text(""),
            false => refuse(StatusCode::NOT_FOUND, ""),
        },
        (&Method::PUT, Some(key)) => {
            let value = body.contents().await?;
            bucket.set(&key, value).map_err(explain)?;
            done()
        }
        (&Method::DELETE, Some(key)) => {
            bucket.delete(&key).map_err(explain)?;
            done()
        }
        _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "no such method here"),
    }
}

pub fn increment(path: &str, by: u64) -> Reply {
    let (bucket, Some(key)) = pair(path) else {
        return refuse(StatusCode::BAD_REQUEST, "the path needs a key");
    };
    let bucket = open(&bucket)?;
    let number = atomics::increment(&bucket, &key, by).map_err(explain)?;
    text(number.to_string())
}

/// Stores three keys, reads two of them and a missing one, removes two, and says what each step saw.
pub fn batch(bucket: &str) -> Reply {
    let bucket = open(&decode(bucket))?;
    let pairs = ["a", "b", "c"].map(|name| (format!("batch-{name}"), name.as_bytes().to_vec()));
    batch::set_many(&bucket, &pairs).map_err(explain)?;

    let wanted = ["batch-a", "batch-none", "batch-c"].map(str::to_string);
    let found: Vec<_> = batch::get_many(&bucket, &wanted)
        .map_err(explain)?
        .into_iter()
        .map(|pair| match pair {
            Some((key, value)) => format!("{key}={}", String::from_utf8_lossy(&value)),
            None => "none".to_string(),
        })
        .collect();

    let gone = ["batch-a", "batch-b"].map(str::to_string);
    batch::delete_many(&bucket, &gone).map_err(explain)?;
    let mut left = keys(&bucket)?;
    left.retain(|key| key.starts_with("batch-"));

    lines([
        "set batch-a batch-b batch-c".to_string(),
        format!("get {}", found.join(" ")),
        "delete batch-a batch-b".to_string(),
        format!("left {}", left.join(" ")),
    ])
}

fn open(name: &str) -> Result<Bucket, Error> {
    store::open(name).map_err(explain)
}

/// Returns all keys, sorted, however many pages the host makes of them.
fn keys(bucket: &Bucket) -> Result<Vec<String>, Error> {
    let mut keys = Vec::new();
    let mut cursor = None;
    loop {
        let page = bucket.list_keys(cursor).map_err(explain)?;
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            keys.sort();
            return Ok(keys);
        }
    }
}

fn explain(error: store::Error) -> Error {
    match error {
        store::Error::NoSuchStore => refusal(StatusCode::INTERNAL_SERVER_ERROR, "no-such-store"),
        store::Error::AccessDenied => refusal(StatusCode::FORBIDDEN, "access-denied"),
        store::Error::Other(reason) => refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("other: {reason}")),
    }
}
