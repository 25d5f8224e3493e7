//! The small interfaces: `wasi:config`, `wasi:logging` and `wasmcloud:messaging`.

use crate::answer::{Reply, bytes, done, lines, refuse, text};
use crate::bindings::wasi::config::store;
use crate::bindings::wasi::logging::logging::{self, Level};
use crate::bindings::wasmcloud::messaging::{consumer, types::BrokerMessage};
use crate::call::{Call, decode};
use wstd::http::StatusCode;

pub fn all_config() -> Reply {
    let mut settings: Vec<_> = store::get_all()?.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    settings.sort();
    lines(settings)
}

pub fn config(key: &str) -> Reply {
    match store::get(&decode(key))? {
        Some(value) => text(value),
        None => refuse(StatusCode::NOT_FOUND, "no such setting"),
    }
}

pub fn log(call: &Call) -> Reply {
    let level = match call.get("level") {
        Some("trace") => Level::Trace,
        Some("debug") => Level::Debug,
        Some("info") | None => Level::Info,
        Some("warn") => Level::Warn,
        Some("error") => Level::Error,
        Some("critical") => Level::Critical,
        Some(_) => return refuse(StatusCode::BAD_REQUEST, "no such level"),
    };
    logging::log(level, call.get("context").unwrap_or(""), &call.need("message")?);
    done()
}

pub fn publish(call: &Call, body: &[u8]) -> Reply {
    let message = BrokerMessage {
        subject: call.need("subject")?,
        body: body.to_vec(),
        reply_to: call.get("reply-to").map(str::to_string),
    };
    match consumer::publish(&message) {
        Ok(()) => done(),
        Err(error) => refuse(StatusCode::BAD_GATEWAY, error),
    }
}

pub fn request(call: &Call, body: &[u8]) -> Reply {
    let subject = call.need("subject")?;
    match consumer::request(&subject, body, call.number("timeout", 1000)?) {
        Ok(reply) => bytes(reply.body),
        Err(error) => refuse(StatusCode::GATEWAY_TIMEOUT, error),
    }
}
