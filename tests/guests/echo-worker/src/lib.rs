//! A message handler that answers with what it was sent.
//!
//! It keeps the last body of each subject in the bucket `messages`, then looks at the body: `trap` panics, `fail` is
//! an error, `hold` waits for the key `go` in the bucket and leaves there, under `in-flight.N`, how many it has seen
//! wait with it; anything else is sent to `reply-to` as `echo:` and the body.

mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "echo-worker",
        generate_all,
    });
}

use bindings::exports::wasmcloud::messaging::handler::Guest;
use bindings::wasi::keyvalue0_2_0_draft::{atomics, store};
use bindings::wasmcloud::messaging::{consumer, types::BrokerMessage};

struct EchoWorker;

impl Guest for EchoWorker {
    fn handle_message(message: BrokerMessage) -> Result<(), String> {
        let bucket = store::open("messages").map_err(|error| error.to_string())?;
        bucket.set(&message.subject, &message.body).map_err(|error| error.to_string())?;

        match &message.body[..] {
            b"trap" => panic!("echo-worker panic on purpose"),
            b"fail" => return Err("echo-worker was told to fail".to_string()),
            b"hold" => hold(&bucket).map_err(|error| error.to_string())?,
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

fn hold(bucket: &store::Bucket) -> Result<(), store::Error> {
    let begun = atomics::increment(bucket, "begun", 1)?;
    let in_flight = begun - atomics::increment(bucket, "ended", 0)?;
    bucket.set(&format!("in-flight.{begun}"), in_flight.to_string().as_bytes())?;
    while !bucket.exists("go")? {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    atomics::increment(bucket, "ended", 1)?;
    Ok(())
}

bindings::export!(EchoWorker with_types_in bindings);
