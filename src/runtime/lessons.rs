//! What failures of components mean: a sentence and the next step, behind the words of the engine and
//! of the guest.
//!
//! [`LESSONS`] is a table. `tests/failures/running/` has an example of each, made by a real component,
//! as the user of `wash dev` sees it.

use super::observer::Fault;

/// A failure that more people have met than have understood.
pub struct Lesson {
    /// Words in the reason, any of them.
    says: &'static [&'static str],
    pub means: &'static str,
    /// What to type or change.
    pub next: &'static str,
}

/// In the order in which they are tried: what is more special stands first.
const LESSONS: &[Lesson] = &[
    // Streams.
    Lesson {
        says: &["Buffer too large for blocking-write-and-flush"],
        means: "one call of `blocking-write-and-flush` takes 4096 bytes",
        next: "write in parts of at most 4096 bytes; in Rust `std::io::Write::write_all` on the stream does that",
    },
    Lesson {
        says: &["write exceeded budget"],
        means: "`write` takes as many bytes as `check-write` has just said, and no more",
        next: "ask `check-write` before each `write`, or use `blocking-write-and-flush` with at most 4096 bytes",
    },
    // HTTP, both ways.
    Lesson {
        says: &["HeaderError::Forbidden", "HeaderError_Forbidden"],
        means: "the host sets this header by itself: `host`, `connection`, `keep-alive`, `transfer-encoding`, `upgrade` and the like",
        next: "leave it out",
    },
    Lesson {
        says: &["HeaderError::InvalidSyntax", "HeaderError_InvalidSyntax"],
        means: "the name or the value of a header has a character that HTTP does not permit, such as a space or a line break",
        next: "correct the name; encode what comes from outside before it becomes a value",
    },
    Lesson {
        says: &["HeaderError::Immutable", "HeaderError_Immutable"],
        means: "the headers of what was received, or was already handed over, cannot be changed",
        next: "change a copy: `fields.clone()`",
    },
    Lesson {
        says: &["without setting a response"],
        means: "a way through the handler ends without an answer, or something panicked beside it",
        next: "set the response on every way; in WASI 0.2 that is `response-outparam.set`",
    },
    Lesson {
        says: &["unknown handle index", "cannot lift own", "already been dropped"],
        means: "the component used a resource that it had given away or dropped, such as a response that was set before",
        next: "use it once: what a function takes over (`set`, `finish`, `handle`) is gone then",
    },
    Lesson {
        says: &["than its `content-length`", "HttpResponseBodySize", "HttpRequestBodySize"],
        means: "the body has another length than its header `content-length` says",
        next: "leave `content-length` out, or write as many bytes as it says",
    },
    Lesson {
        says: &["StreamError::LastOperationFailed", "StreamError_LastOperationFailed"],
        means: "where the stream leads to did not take it: the client has left, or the body is longer than its `content-length`",
        next: "`to-debug-string` of the error says which; leave `content-length` out if it need not be there",
    },
    Lesson {
        says: &["resource has children"],
        means: "a resource was dropped before one that was made of it, such as a body before its stream",
        next: "drop the inner one first: the stream, then the body",
    },
    Lesson {
        says: &["total size of fields exceeds limit"],
        means: "all headers of one request or response together may have 128 KiB",
        next: "send what is longer in the body",
    },
    Lesson {
        says: &["was dropped before it was finished"],
        means: "the client cannot tell such a body from a whole one but by the connection, which was cut",
        next: "end it with `outgoing-body.finish`, after the stream of the body was dropped",
    },
    Lesson {
        says: &["HttpRequestDenied", "DestinationIpProhibited"],
        means: "the network policy does not let the component go there",
        next: "the warning, which is given once, names the line that would allow it",
    },
    Lesson {
        says: &["DnsError", "DnsTimeout"],
        means: "the name of the server that the component asked has no address",
        next: "correct the name, or give it an address: `hosts` below `dev` in the settings",
    },
    Lesson {
        says: &["ConnectionRefused"],
        means: "nothing listens at the address that the component asked",
        next: "start that server, or correct the port",
    },
    Lesson {
        says: &["ConnectionTimeout", "DestinationIpUnroutable", "DestinationUnavailable", "DestinationNotFound"],
        means: "the server that the component asked cannot be reached",
        next: "look at the address, the network and the proxy variables",
    },
    Lesson {
        says: &["TlsCertificateError", "TlsProtocolError", "TlsAlertReceived"],
        means: "no TLS connection came about with the server that the component asked",
        next: "the warning, which is given once, has the reason; an authority of your own goes into `http_client_ca_paths`",
    },
    Lesson {
        says: &["ConnectionReadTimeout", "HttpResponseTimeout"],
        means: "the server that the component asked did not answer in time",
        next: "give it more time: the component's `first-byte-timeout` and `between-bytes-timeout`",
    },
    Lesson {
        says: &["ConnectionTerminated", "HttpResponseIncomplete", "HttpProtocolError"],
        means: "the server that the component asked broke off, or speaks something else than HTTP",
        next: "look at that server's log; https:// and http:// are easily confused",
    },
    // Limits.
    Lesson {
        says: &["memory allocation of", "asked for more memory", "out of memory", "MemoryError"],
        means: "the component has used all the memory that it may have",
        next: "raise `memory_limit_mb`, or stream instead of collecting",
    },
    Lesson {
        says: &["calls itself"],
        means: "each call takes a part of the stack, which has an end",
        next: "give the recursion an end, or make it a loop",
    },
    Lesson {
        says: &["more handles"],
        means: "each header, stream, request and the like is a handle until it is dropped",
        next: "drop what is done with; raising `memory_limit_mb` raises this limit, too",
    },
    Lesson {
        says: &["no answer within", "sent nothing for"],
        means: "the component took longer than a request may take",
        next: "raise `request_timeout_seconds`, or answer earlier",
    },
    Lesson {
        says: &["(`unreachable`)"],
        means: "a panic or an abort without words: its message was turned off, or there is no stderr to write to",
        next: "the functions above say where; a build with debug information knows the lines, too",
    },
];

/// What is known of this failure, by its reason. What else stands on stderr may be of other things.
pub fn of(fault: &Fault) -> Option<&'static Lesson> {
    LESSONS.iter().find(|lesson| lesson.says.iter().any(|words| fault.reason.contains(words)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every failure that is known was made by a real component, once, and is kept.
    #[test]
    fn each_lesson_has_an_example() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/failures/running");
        let files = std::fs::read_dir(folder).unwrap();
        let texts: Vec<String> = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
        for Lesson { says, next, .. } in LESSONS {
            assert!(texts.iter().any(|text| text.contains(next)), "no file of tests/failures/running has: {says:?}");
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "accepting a change is asked for through the environment")]
    fn the_page_lists_the_lessons() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/troubleshooting.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (begin, end) = ("<!-- made from src/runtime/lessons.rs -->\n", "<!-- as far as here: running -->");
        let (head, rest) = page.split_once(begin).unwrap();
        let (_, tail) = rest.split_once(end).unwrap();
        let mut table = String::from("| the report has | it means | next |\n| --- | --- | --- |\n");
        for Lesson { says, means, next } in LESSONS {
            let says: Vec<String> = says.iter().map(|words| format!("`` {words} ``")).collect();
            table.push_str(&format!("| {} | {means} | {next} |\n", says.join(" or ")));
        }
        let made = format!("{head}{begin}{table}{end}{tail}");
        if std::env::var_os("WASH_ACCEPT").is_some() {
            std::fs::write(path, &made).unwrap();
        } else {
            assert_eq!(page, made, "docs/troubleshooting.md is stale: WASH_ACCEPT=1 cargo test --lib lessons");
        }
    }
}
