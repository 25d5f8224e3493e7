//! `wasi:blobstore`. The errors of this interface are plain text, so most of them are a 500 with that text.

use crate::answer::{Reply, bytes, done, lines, refuse, text};
use crate::bindings::wasi::blobstore::blobstore;
use crate::bindings::wasi::blobstore::container::Container;
use crate::bindings::wasi::blobstore::types::{IncomingValue, ObjectId, OutgoingValue};
use crate::call::{Call, decode, pair};
use wstd::http::{Body, Error, Method, StatusCode};
use wstd::io::{AsyncInputStream, AsyncOutputStream};

/// Serves `{container}` and `{container}/{object}`.
pub async fn route(call: &Call, path: &str, mut body: Body) -> Reply {
    let (container, object) = pair(path);
    match (&call.method, object) {
        (&Method::GET, None) => list(&open(&container)?),
        (&Method::GET, Some(object)) => read(call, &open(&container)?, &object),
        (&Method::HEAD, Some(object)) => match open(&container)?.has_object(&object) {
            Ok(true) => text(""),
            Ok(false) => refuse(StatusCode::NOT_FOUND, ""),
            Err(error) => Err(Error::msg(error)),
        },
        (&Method::PUT, Some(object)) => {
            let container = match exists(&container)? {
                true => open(&container)?,
                false => blobstore::create_container(&container).map_err(Error::msg)?,
            };
            write(call, &container, &object, body.contents().await?).await
        }
        (&Method::DELETE, None) => {
            blobstore::delete_container(&container).map_err(Error::msg)?;
            done()
        }
        (&Method::DELETE, Some(object)) => {
            // Several objects, if commas part them.
            let container = open(&container)?;
            match object.contains(',') {
                true => {
                    let objects: Vec<_> = object.split(',').map(str::to_string).collect();
                    container.delete_objects(&objects).map_err(Error::msg)?;
                }
                false => container.delete_object(&object).map_err(Error::msg)?,
            }
            done()
        }
        _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "no such method here"),
    }
}

/// Writes the way guests do: the bytes, then `write-data`, then `finish`. With `?order=late` the bytes come after
/// `write-data`, which the interface allows, too.
async fn write(call: &Call, container: &Container, object: &str, content: &[u8]) -> Reply {
    let late = call.get("order") == Some("late");
    let value = OutgoingValue::new_outgoing_value();
    let Ok(stream) = value.outgoing_value_write_body() else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "the value gives no stream");
    };
    let stream = AsyncOutputStream::new(stream);
    if late {
        container.write_data(object, &value).map_err(Error::msg)?;
    }
    stream.write_all(content).await?;
    stream.flush().await?;
    drop(stream);
    if !late {
        container.write_data(object, &value).map_err(Error::msg)?;
    }
    OutgoingValue::finish(value).map_err(Error::msg)?;
    done()
}

/// Streams an object, or the part from `start` to `end`, both included. `?sync` takes it in one piece instead.
fn read(call: &Call, container: &Container, object: &str) -> Reply {
    if !container.has_object(object).map_err(Error::msg)? {
        return refuse(StatusCode::NOT_FOUND, "no such object");
    }
    let size = container.object_info(object).map_err(Error::msg)?.size;
    let start = call.number("start", 0)?;
    let end = call.number("end", size.saturating_sub(1))?;
    let value = container.get_data(object, start, end).map_err(Error::msg)?;
    let size = value.size();
    let body = match call.get("sync") {
        Some(_) => Body::from(IncomingValue::incoming_value_consume_sync(value).map_err(Error::msg)?),
        None => {
            let stream = IncomingValue::incoming_value_consume_async(value).map_err(Error::msg)?;
            Body::from(AsyncInputStream::new(stream))
        }
    };
    let mut reply = bytes(body)?;
    reply.headers_mut().insert("x-size", size.into());
    Ok(reply)
}

/// Lists the objects, sorted, a few at a time.
fn list(container: &Container) -> Reply {
    let names = container.list_objects().map_err(Error::msg)?;
    let mut all = Vec::new();
    loop {
        let (some, last) = names.read_stream_object_names(3).map_err(Error::msg)?;
        all.extend(some);
        if last {
            break;
        }
    }
    all.sort();
    lines(all)
}

pub fn info(path: &str) -> Reply {
    let (container, object) = pair(path);
    let container = open(&container)?;
    match object {
        Some(object) => {
            let info = container.object_info(&object).map_err(Error::msg)?;
            lines([
                format!("name={}", info.name),
                format!("container={}", info.container),
                format!("size={}", info.size),
                format!("created={}", info.created_at),
            ])
        }
        None => {
            let info = container.info().map_err(Error::msg)?;
            lines([format!("name={}", container.name().map_err(Error::msg)?), format!("created={}", info.created_at)])
        }
    }
}

pub fn clear(container: &str) -> Reply {
    open(&decode(container))?.clear().map_err(Error::msg)?;
    done()
}

pub fn copy(from: &str, to: &str) -> Reply {
    blobstore::copy_object(&object_id(from)?, &object_id(to)?).map_err(Error::msg)?;
    done()
}

pub fn rename(from: &str, to: &str) -> Reply {
    blobstore::move_object(&object_id(from)?, &object_id(to)?).map_err(Error::msg)?;
    done()
}

fn object_id(path: &str) -> Result<ObjectId, Error> {
    match path.split_once('/') {
        Some((container, object)) => Ok(ObjectId { container: container.to_string(), object: object.to_string() }),
        None => Err(Error::msg(format!("`{path}` is not container/object"))),
    }
}

fn exists(container: &str) -> Result<bool, Error> {
    blobstore::container_exists(container).map_err(Error::msg)
}

fn open(container: &str) -> Result<Container, Error> {
    if !exists(container)? {
        return Err(crate::answer::refusal(StatusCode::NOT_FOUND, "no such container"));
    }
    blobstore::get_container(container).map_err(Error::msg)
}
