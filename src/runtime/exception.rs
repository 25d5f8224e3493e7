//! What a guest's own language says of its end: the text of a panic or an exception, and its place in
//! the source, out of the last lines on stderr.

/// The longest text that is repeated; all of it is on stderr.
const LONGEST: usize = 400;

/// One line with the text, and the place behind it where the language has told that.
pub fn told(stderr: &[String]) -> Option<String> {
    let (text, place) = python(stderr).or_else(|| rust(stderr)).or_else(|| go(stderr)).or_else(|| c(stderr))?;
    let mut text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // It goes to terminals.
    text.retain(|letter| !letter.is_control());
    if text.is_empty() {
        return None;
    }
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    Some(match place.filter(|place| !place.contains(char::is_control)) {
        Some(place) => format!("{text} ({place})"),
        None => text,
    })
}

type Told = (String, Option<String>);

/// `thread '<unnamed>' panicked at src/lib.rs:7:5:`, and the message on the lines below.
fn rust(stderr: &[String]) -> Option<Told> {
    let is_panic = |line: &String| line.starts_with("thread '") && line.contains(" panicked at ");
    if let Some(at) = stderr.iter().rposition(is_panic) {
        let place = stderr[at].split_once(" panicked at ")?.1.trim_end_matches(':');
        let message = stderr[at + 1..].iter().take_while(|line| {
            let ends = ["note: ", "stack backtrace:", "thread '"];
            !ends.iter().any(|end| line.starts_with(end))
        });
        let message: Vec<&str> = message.map(String::as_str).collect();
        return Some((format!("panicked: {}", message.join(" ")), Some(place.to_string())));
    }
    let memory = stderr.iter().rfind(|line| line.starts_with("memory allocation of ") && line.ends_with(" failed"))?;
    Some((memory.clone(), None))
}

/// A traceback, which a panic of componentize-py's own runtime follows: places with the outermost first, and behind them the exception.
fn python(stderr: &[String]) -> Option<Told> {
    let at = stderr.iter().rposition(|line| line.starts_with("  File \""))?;
    let place = stderr[at].trim().strip_prefix("File \"")?;
    let (file, rest) = place.split_once("\", line ")?;
    let number = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    let text = stderr[at + 1..].iter().find(|line| !line.starts_with(' ') && !line.trim().is_empty())?;
    Some((text.clone(), Some(format!("{}:{number}", file.trim_start_matches("/0/")))))
}

/// `panic: ` or `fatal error: `, and the stack with paths of files on indented lines.
fn go(stderr: &[String]) -> Option<Told> {
    let starts = ["panic: ", "fatal error: "];
    let at = stderr.iter().position(|line| starts.iter().any(|start| line.starts_with(start)))?;
    let place = stderr[at + 1..].iter().find_map(|line| {
        let place = line.strip_prefix('\t')?;
        let place = place.split(" +0x").next().unwrap_or(place);
        (!place.contains("/src/runtime/") && place.contains(".go:")).then(|| place.to_string())
    });
    Some((stderr[at].clone(), place))
}

/// `Assertion failed: x > 0 (main.c: take: 12)`.
fn c(stderr: &[String]) -> Option<Told> {
    let line = stderr.iter().rfind(|line| line.starts_with("Assertion failed: "))?;
    let (text, place) = line.rsplit_once(" (")?;
    let mut parts = place.trim_end_matches(')').split(": ");
    let (file, _, number) = (parts.next()?, parts.next()?, parts.next()?);
    Some((text.to_string(), Some(format!("{file}:{number}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the languages have written it.
    #[test]
    fn the_text_and_the_place_are_the_languages_own() {
        for (stderr, expected) in [
            (
                "about to fail\nthread '<unnamed>' (1) panicked at src/faults.rs:37:5:\nthe till is empty\n\
                 note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
                "panicked: the till is empty (src/faults.rs:37:5)",
            ),
            (
                "thread 'main' panicked at src/main.rs:2:3:\nassertion `left == right` failed\n  left: 1\n right: 2",
                "panicked: assertion `left == right` failed left: 1 right: 2 (src/main.rs:2:3)",
            ),
            ("memory allocation of 1048576 bytes failed", "memory allocation of 1048576 bytes failed"),
            (
                "panic: the till is empty\n\ngoroutine 1 [running]:\nhello/handler.Handle(0x200030, 0x200038)\n\
                 \t/home/me/hello/handler/handler.go:19 +0x24\nmain.main()\n\t/home/me/hello/main.go:3",
                "panic: the till is empty (/home/me/hello/handler/handler.go:19)",
            ),
            (
                "Traceback (most recent call last):\n  File \"/0/app.py\", line 18, in handle\n    charge()\n  \
                 File \"/0/till.py\", line 4, in charge\n    raise ValueError(\"the till is empty\")\n\
                 ValueError: the till is empty\n\nthread '<unnamed>' (1) panicked at runtime/src/lib.rs:1280:25:\n\
                 Python function threw an unexpected exception",
                "ValueError: the till is empty (till.py:4)",
            ),
            (
                "Assertion failed: count > 0 (src/component.c: take: 12)",
                "Assertion failed: count > 0 (src/component.c:12)",
            ),
        ] {
            let lines: Vec<String> = stderr.lines().map(str::to_string).collect();
            assert_eq!(told(&lines).as_deref(), Some(expected));
        }
        let wild = ["thread 'x' panicked at a.rs:1:\u{1b}[2J".to_string(), "red \u{1b}[31malert".to_string()];
        assert_eq!(told(&wild).as_deref(), Some("panicked: red [31malert"));
        assert_eq!(told(&[]), None);
        assert_eq!(told(&["a line of no interest".into()]), None);
    }
}
