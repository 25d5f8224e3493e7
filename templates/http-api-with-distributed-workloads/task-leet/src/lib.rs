mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "task",
        generate_all,
    });
}

use bindings::exports::wasmcloud::messaging::handler::Guest;
use bindings::wasmcloud::messaging::{consumer, types::BrokerMessage};

struct TaskLeet;

impl Guest for TaskLeet {
    /// Answers one task. Which subjects come here is not decided in the code, but by `subscriptions`
    /// in `.wash/config.yaml`.
    fn handle_message(task: BrokerMessage) -> Result<(), String> {
        let Some(reply_to) = task.reply_to else {
            return Err(format!("nobody waits for the result of {}", task.subject));
        };
        let payload = String::from_utf8(task.body)
            .map_err(|error| format!("the payload is not text: {error}"))?;
        consumer::publish(&BrokerMessage {
            subject: reply_to,
            body: leet(&payload).into_bytes(),
            reply_to: None,
        })
    }
}

fn leet(text: &str) -> String {
    text.chars()
        .map(|char| match char.to_ascii_lowercase() {
            'a' => '4',
            'e' => '3',
            'i' | 'l' => '1',
            'o' => '0',
            's' => '5',
            't' => '7',
            _ => char,
        })
        .collect()
}

bindings::export!(TaskLeet with_types_in bindings);

#[cfg(test)]
mod tests {
    use super::leet;

    #[test]
    fn leet_replaces_letters_and_keeps_the_rest() {
        assert_eq!(leet("hello world"), "h3110 w0r1d");
        assert_eq!(leet("Task LIST, 42?"), "745k 1157, 42?");
        assert_eq!(leet(""), "");
    }
}
