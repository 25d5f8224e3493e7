//! Data of the capabilities, to look at and to change: buckets, containers, messages.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::Loop;
use super::recorder::{self, Recorded};
use crate::error::{Error, Result};
use crate::plugins::messaging::BrokerMessage;
use crate::plugins::messaging::host::{MAX_TIMEOUT_MS, check};

/// Keys and objects in one answer, unless less is asked for.
const PAGE: usize = 500;
/// The most of an object that is shown, in bytes.
const SHOWN: usize = 1 << 20;
/// How long an answer to a message is waited for, unless somebody says it, in milliseconds.
const ANSWER: u32 = 5000;

/// Bytes that somebody sends: as text, or in base64.
#[derive(Debug, Default, Deserialize)]
pub struct Given {
    pub text: Option<String>,
    pub base64: Option<String>,
}

impl Given {
    /// The bytes.
    pub fn bytes(self) -> Result<Bytes> {
        match (self.text, self.base64) {
            (_, Some(base64)) => STANDARD
                .decode(base64)
                .map(Bytes::from)
                .map_err(|error| Error::usage("the value is not base64").cause(error.to_string())),
            (text, None) => Ok(text.unwrap_or_default().into()),
        }
    }
}

/// Bytes that are shown: as text where they are, else in base64.
pub fn shown(bytes: &[u8], size: u64) -> Json {
    let cut = size > bytes.len() as u64;
    // What was cut in the middle of a letter is text all the same.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if cut && error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    match text {
        Some(text) => json!({ "size": size, "cut": cut, "text": text }),
        None => json!({ "size": size, "cut": cut, "base64": STANDARD.encode(bytes) }),
    }
}

/// What was recorded of a body.
pub fn shown_body(body: &Recorded) -> Json {
    shown(&body.bytes, body.size)
}

/// The parameters of a query.
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn of(query: Option<&str>) -> Self {
        Query(url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn need(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| Error::usage(format!("the parameter `{name}` is missing")))
    }

    pub fn number(&self, name: &str) -> Result<Option<u64>> {
        let parse = |text: &str| text.parse().map_err(|_| Error::usage(format!("`{name}={text}` is no number")));
        self.get(name).map(parse).transpose()
    }

    fn page(&self) -> Result<(Option<&str>, usize)> {
        let limit = self.number("limit")?.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE));
        Ok((self.get("after"), limit.clamp(1, PAGE)))
    }
}

pub async fn buckets(about: &Loop) -> Result<Json> {
    Ok(json!({ "buckets": keyvalue(about)?.buckets().await? }))
}

pub async fn keys(about: &Loop, query: &Query) -> Result<Json> {
    let (after, limit) = query.page()?;
    let mut keys = keyvalue(about)?.keys(query.need("bucket")?, after, limit + 1).await?;
    let more = keys.len() > limit;
    keys.truncate(limit);
    Ok(json!({ "keys": keys, "more": more }))
}

pub async fn value(about: &Loop, query: &Query) -> Result<Json> {
    let value = keyvalue(about)?.get(query.need("bucket")?, query.need("key")?).await?;
    Ok(match value {
        Some(value) => json!({ "found": true, "value": shown(&value, value.len() as u64) }),
        None => json!({ "found": false }),
    })
}

/// A value for a key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetValue {
    bucket: String,
    key: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    base64: Option<String>,
}

pub async fn set_value(about: &Loop, set: SetValue) -> Result<Json> {
    let value = Given { text: set.text, base64: set.base64 }.bytes()?;
    let size = value.len();
    keyvalue(about)?.set(&set.bucket, &set.key, value).await?;
    Ok(json!({ "bucket": set.bucket, "key": set.key, "size": size }))
}

pub async fn delete_value(about: &Loop, query: &Query) -> Result<Json> {
    let existed = keyvalue(about)?.delete(query.need("bucket")?, query.need("key")?).await?;
    Ok(json!({ "deleted": existed }))
}

fn keyvalue(about: &Loop) -> Result<crate::plugins::keyvalue::look::Look> {
    about.core.capabilities().keyvalue().look(about.serving()?.workload())
}

pub async fn containers(about: &Loop) -> Result<Json> {
    Ok(json!({ "containers": blobs(about)?.containers().await? }))
}

pub async fn objects(about: &Loop, query: &Query) -> Result<Json> {
    let (after, limit) = query.page()?;
    let mut objects = blobs(about)?.objects(query.need("container")?, after, limit + 1).await?;
    let more = objects.len() > limit;
    objects.truncate(limit);
    let object = |(name, info): &(String, _)| {
        let info: &crate::plugins::blobstore::ObjectInfo = info;
        json!({ "name": name, "size": info.size, "created_at": info.created_at })
    };
    Ok(json!({ "objects": objects.iter().map(object).collect::<Vec<_>>(), "more": more }))
}

pub async fn object(about: &Loop, query: &Query) -> Result<Json> {
    let (bytes, size) = blobs(about)?.read(query.need("container")?, query.need("name")?, SHOWN).await?;
    Ok(json!({ "value": shown(&bytes, size) }))
}

/// Content for an object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetObject {
    container: String,
    name: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    base64: Option<String>,
}

pub async fn set_object(about: &Loop, set: SetObject) -> Result<Json> {
    let value = Given { text: set.text, base64: set.base64 }.bytes()?;
    let size = value.len();
    blobs(about)?.write(&set.container, &set.name, value).await?;
    Ok(json!({ "container": set.container, "name": set.name, "size": size }))
}

pub async fn delete_object(about: &Loop, query: &Query) -> Result<Json> {
    blobs(about)?.delete(query.need("container")?, query.need("name")?).await?;
    Ok(json!({ "deleted": true }))
}

fn blobs(about: &Loop) -> Result<crate::plugins::blobstore::look::Look> {
    about.core.capabilities().blobstore().look(about.serving()?.workload())
}

/// A message to send.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    subject: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    base64: Option<String>,
    /// Waits for an answer.
    #[serde(default)]
    request: bool,
    /// For so long at most.
    #[serde(default)]
    timeout_milliseconds: Option<u32>,
}

pub async fn send(about: &Loop, send: Send) -> Result<Json> {
    let body = Given { text: send.text, base64: send.base64 }.bytes()?;
    check(&send.subject, &body).map_err(Error::usage)?;
    let timeout = send.timeout_milliseconds.unwrap_or(ANSWER);
    if !(1..=MAX_TIMEOUT_MS).contains(&timeout) {
        return Err(Error::usage(format!("the time-out must be from 1 to {MAX_TIMEOUT_MS} ms: it is {timeout}")));
    }
    let ready = about.serving()?;
    let broker = about.core.capabilities().messaging().broker(ready.workload())?;
    let message = BrokerMessage { subject: send.subject.clone(), body, reply_to: None, trace: HeaderMap::new() };
    let begun = Instant::now();
    let failed = |error: String| Error::failed(error).wrap(format!("cannot send to `{}`", send.subject));
    if !send.request {
        broker.publish(message).await.map_err(failed)?;
        return Ok(json!({ "subject": send.subject }));
    }
    let answer = broker.request(message, Duration::from_millis(timeout.into())).await.map_err(failed)?;
    let milliseconds = super::journal::milliseconds(begun.elapsed());
    let body = shown(&answer.body, answer.body.len() as u64);
    Ok(json!({ "subject": send.subject, "answer": body, "milliseconds": milliseconds }))
}

pub fn messages(about: &Loop) -> Json {
    let message = |message: &std::sync::Arc<recorder::Message>| {
        let record = &message.record;
        json!({
            "number": message.number, "at": message.at, "component": &*record.component, "subject": record.subject,
            "body": shown(&record.body, message.size as u64), "reply_to": record.reply_to,
            "milliseconds": super::journal::milliseconds(record.time), "error": record.error,
        })
    };
    json!({ "messages": about.recorder.messages(PAGE).iter().map(message).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_text_where_they_can_be() {
        assert_eq!(shown("ö".as_bytes(), 2), json!({"size": 2, "cut": false, "text": "ö"}));
        assert_eq!(shown(&"aö".as_bytes()[..2], 3), json!({"size": 3, "cut": true, "text": "a"}));
        assert_eq!(shown(b"\xff\xfe", 2), json!({"size": 2, "cut": false, "base64": "//4="}));
        assert_eq!(Given { text: None, base64: Some("//4=".into()) }.bytes().unwrap(), &b"\xff\xfe"[..]);
        assert!(Given { text: None, base64: Some("?".into()) }.bytes().is_err());
    }
}
