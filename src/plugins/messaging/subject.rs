//! Subjects and patterns, by the rules of NATS.

use std::fmt;

/// The longest subject or pattern, in bytes.
const MAX_BYTES: usize = 1024;
/// What subjects of answers begin with.
pub const INBOX: &str = "_INBOX";

/// Fails when a message cannot be sent to that subject: a subject is tokens with dots between them,
/// without spaces and wildcards.
pub fn check(subject: &str) -> Result<(), String> {
    check_tokens(subject, "subject")?;
    match subject.split('.').find(|token| is_wildcard(token)) {
        Some(wildcard) => Err(format!("`{subject}` is no subject to send to: `{wildcard}` is for subscriptions")),
        None => Ok(()),
    }
}

/// Which subjects a subscription is for: `*` stands for one token, `>` at the end for one or more.
///
/// A pattern that begins with a wildcard is not for the subjects of answers, as in NATS with its own
/// subjects: a component that takes every message is not given the answers that others wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// For every subject.
    pub fn everything() -> Self {
        Pattern(">".into())
    }

    /// Fails when it is not a pattern.
    pub fn new(pattern: &str) -> Result<Self, String> {
        check_tokens(pattern, "subscription")?;
        match pattern.strip_suffix('>').unwrap_or(pattern).split('.').any(|token| token == ">") {
            true => Err(format!("`{pattern}` is no subscription: `>` can only be at its end")),
            false => Ok(Pattern(pattern.into())),
        }
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is for subjects of any beginning.
    pub fn begins_with_a_wildcard(&self) -> bool {
        self.0.split('.').next().is_some_and(is_wildcard)
    }

    /// Whether a message to that subject is for the subscription.
    pub fn matches(&self, subject: &str) -> bool {
        let mut tokens = subject.split('.');
        for (at, wanted) in self.0.split('.').enumerate() {
            let Some(token) = tokens.next() else { return false };
            if at == 0 && token == INBOX && is_wildcard(wanted) {
                return false;
            }
            match wanted {
                ">" => return true,
                "*" => {}
                wanted if wanted != token => return false,
                _ => {}
            }
        }
        tokens.next().is_none()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_wildcard(token: &str) -> bool {
    matches!(token, "*" | ">")
}

fn check_tokens(text: &str, what: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("the {what} is empty"));
    }
    if text.len() > MAX_BYTES {
        return Err(format!("the {what} is longer than {MAX_BYTES} bytes"));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("{text:?} is no {what}: it contains a space"));
    }
    match text.split('.').any(str::is_empty) {
        true => Err(format!("`{text}` is no {what}: there is nothing before, after or between its dots")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, subject: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(subject)
    }

    #[test]
    fn a_star_stands_for_one_token() {
        assert!(matches("tasks.*", "tasks.a"));
        assert!(matches("*.a", "tasks.a"));
        assert!(matches("tasks.*.done", "tasks.a.done"));
        assert!(!matches("tasks.*", "tasks"));
        assert!(!matches("tasks.*", "tasks.a.b"));
    }

    #[test]
    fn a_greater_than_sign_stands_for_one_or_more_tokens() {
        assert!(matches("tasks.>", "tasks.a"));
        assert!(matches("tasks.>", "tasks.a.b.c"));
        assert!(matches(">", "anything"));
        assert!(!matches("tasks.>", "tasks"));
        assert!(!matches("tasks.>", "task.a"));
    }

    #[test]
    fn without_a_wildcard_only_the_very_subject_matches() {
        assert!(matches("tasks.a", "tasks.a"));
        assert!(!matches("tasks.a", "tasks.A"));
        assert!(!matches("tasks.a", "tasks.a.b"));
        assert!(!matches("tasks.a*", "tasks.ab"));
    }

    #[test]
    fn answers_are_not_for_those_who_take_everything() {
        assert!(!matches(">", "_INBOX.x"));
        assert!(!matches("*.x", "_INBOX.x"));
        assert!(!matches("*.>", "_INBOX.x.y"));
        assert!(matches("_INBOX.>", "_INBOX.x"));
        assert!(matches(">", "a._INBOX"));
    }

    #[test]
    fn subjects_have_tokens_and_no_wildcards() {
        for good in ["a", "a.b", "tasks.größe", "a-b_c$1", "a*", "a>"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\n", "*", "a.*", ">", "a.>", &"a".repeat(1025)] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_the_end_of_a_pattern_can_be_open() {
        for good in [">", "*", "a.>", "*.*.>", "a>"] {
            assert!(Pattern::new(good).is_ok(), "{good}");
        }
        for bad in ["", ">.a", "a.>.b", "a..b", "a b", ">.>"] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
    }
}
