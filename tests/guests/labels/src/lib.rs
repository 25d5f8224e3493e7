//! Handles messages with several stores, senders and settings at once, each imported under a name of its own:
//! `tests/guests/README.md`.

wit_bindgen::generate!({
    path: [
        "../wit/deps/wasi-io-0.2.1",
        "../wit/deps/wasi-clocks-0.2.1",
        "../wit/deps/wasi-config-0.2.0-rc.1",
        "../wit/deps/wasi-keyvalue-0.2.0-draft",
        "../wit/deps/wasi-blobstore-0.2.0-draft",
        "../wit/deps/wasmcloud-messaging-0.2.0",
        "wit",
    ],
    world: "wash-tests:labels/labels",
    generate_all,
});

use exports::wasmcloud::messaging::handler::Guest;
use wasmcloud::messaging::types::BrokerMessage;

struct Labels;

impl Guest for Labels {
    /// The body says what is done: `STORE set TEXT`, `STORE get`, `limits KEY`, `SENDER SUBJECT TEXT`.
    fn handle_message(message: BrokerMessage) -> Result<(), String> {
        let body = String::from_utf8_lossy(&message.body).into_owned();
        let words: Vec<&str> = body.splitn(3, ' ').collect();
        let answer = act(&words)?;
        let Some(subject) = message.reply_to else { return Ok(()) };
        wasmcloud::messaging::consumer::publish(&BrokerMessage { subject, body: answer.into_bytes(), reply_to: None })
    }
}

fn act(words: &[&str]) -> Result<String, String> {
    let other = |error| format!("{error:?}");
    match words {
        ["limits", key] => Ok(format!("{:?}", limits::get(key).map_err(|error| format!("{error:?}"))?)),
        ["config", key] => Ok(format!("{:?}", wasi::config::store::get(key).map_err(|error| format!("{error:?}"))?)),
        ["cache", "set", text] => {
            let bucket = cache::open("one").map_err(|error| format!("{error:?}"))?;
            bucket.set("k", text.as_bytes()).map_err(|error| format!("{error:?}")).map(|()| "set".into())
        }
        ["cache", "get"] => {
            let bucket = cache::open("one").map_err(|error| format!("{error:?}"))?;
            Ok(format!("{:?}", bucket.get("k").map_err(|error| format!("{error:?}"))?.map(text)))
        }
        ["sessions", "set", text] => {
            let bucket = sessions::open("one").map_err(|error| format!("{error:?}"))?;
            bucket.set("k", text.as_bytes()).map_err(|error| format!("{error:?}")).map(|()| "set".into())
        }
        ["sessions", "get"] => {
            let bucket = sessions::open("one").map_err(|error| format!("{error:?}"))?;
            Ok(format!("{:?}", bucket.get("k").map_err(|error| format!("{error:?}"))?.map(text)))
        }
        ["archive", name] => {
            if !archive::container_exists(name)? {
                archive::create_container(name)?;
            }
            Ok(format!("{name} is there"))
        }
        ["orders", subject, text] => {
            let message = BrokerMessage { subject: subject.to_string(), body: text.as_bytes().into(), reply_to: None };
            orders::publish(&message).map(|()| "sent".into())
        }
        ["ask", subject, text] => {
            let answer = orders::request(subject, text.as_bytes(), 5000)?;
            Ok(text_of(answer.body))
        }
        _ => Err(other("unknown")),
    }
}

fn text(bytes: Vec<u8>) -> String {
    text_of(bytes)
}

fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

export!(Labels);
