//! A message handler that answers with what it was sent.
//!
//! It keeps the last body of each subject in the bucket `messages`, then looks at the body: `trap` panics, `fail` is
//! an error, anything else is sent to `reply-to` as `echo:` and the body.

mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "echo-worker",
        generate_all,
    });
}

use bindings::exports::wasmcloud::messaging::handler::Guest;
use bindings::wasi::keyvalue0_2_0_draft::store;
use bindings::wasmcloud::messaging::{consumer, types::BrokerMessage};

struct EchoWorker;

impl Guest for EchoWorker {
    fn handle_message(message: BrokerMessage) -> Result<(), String> {
        let bucket = store::open("messages").map_err(|error| error.to_string())?;
        bucket.set(&message.subject, &message.body).map_err(|error| error.to_string())?;

        match &message.body[..] {
            b"trap" => panic!("echo-worker panic on purpose"),
            b"fail" => return Err("echo-worker was told to fail".to_string()),
            _ => {}
        }

        if let Some(reply_to) = message.reply_to {
            consumer::publish(&BrokerMessage {
                subject: reply_to,
                body: [b"echo:", &message.body[..]].concat(),
                reply_to: None,
            })?;
        }
        Ok(())
    }
}

bindings::export!(EchoWorker with_types_in bindings);
