//! The second draft of `wasi:keyvalue`: what it has beside the first.

use crate::answer::{Reply, lines, refusal, refuse, text};
use crate::bindings::wasi::keyvalue0_2_0_draft2::{atomics, batch, store};
use crate::call::{Call, decode, pair};
use atomics::{Cas, CasError};
use store::Bucket;
use wstd::http::{Error, StatusCode};

/// Adds to a number, which may be negative.
pub fn increment(path: &str, by: i64) -> Reply {
    let (bucket, Some(key)) = pair(path) else {
        return refuse(StatusCode::BAD_REQUEST, "the path needs a key");
    };
    text(atomics::increment(&open(&bucket)?, &key, by).map_err(explain)?.to_string())
}

/// Looks at a key, stores `?meanwhile=` if it is given, and then swaps; after a failure once more.
pub fn swap(call: &Call, path: &str, value: &[u8]) -> Reply {
    let (bucket, Some(key)) = pair(path) else {
        return refuse(StatusCode::BAD_REQUEST, "the path needs a key");
    };
    let bucket = open(&bucket)?;
    let cas = Cas::new(&bucket, &key).map_err(explain)?;
    let mut seen = vec![format!("saw {}", shown(cas.current().map_err(explain)?))];
    if let Some(meanwhile) = call.get("meanwhile") {
        bucket.set(&key, meanwhile.as_bytes()).map_err(explain)?;
    }
    match atomics::swap(cas, value) {
        Ok(()) => seen.push("swapped".to_string()),
        Err(CasError::StoreError(error)) => return Err(explain(error)),
        Err(CasError::CasFailed(cas)) => {
            seen.push(format!("failed, saw {}", shown(cas.current().map_err(explain)?)));
            match atomics::swap(cas, value) {
                Ok(()) => seen.push("swapped".to_string()),
                Err(_) => seen.push("failed again".to_string()),
            }
        }
    }
    lines(seen)
}

/// All keys of all pages with their values.
pub fn list(bucket: &str) -> Reply {
    let bucket = open(&decode(bucket))?;
    let (mut keys, mut cursor) = (Vec::new(), None);
    loop {
        let page = bucket.list_keys(cursor.as_deref()).map_err(explain)?;
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    let found = batch::get_many(&bucket, &keys).map_err(explain)?;
    lines(found.into_iter().map(|(key, value)| format!("{key}={}", shown(value))))
}

fn shown(value: Option<Vec<u8>>) -> String {
    value.map_or("nothing".to_string(), |value| String::from_utf8_lossy(&value).into_owned())
}

fn open(name: &str) -> Result<Bucket, Error> {
    store::open(name).map_err(explain)
}

fn explain(error: store::Error) -> Error {
    match error {
        store::Error::NoSuchStore => refusal(StatusCode::INTERNAL_SERVER_ERROR, "no-such-store"),
        store::Error::AccessDenied => refusal(StatusCode::FORBIDDEN, "access-denied"),
        store::Error::Other(reason) => refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("other: {reason}")),
    }
}
