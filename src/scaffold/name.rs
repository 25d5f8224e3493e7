//! What a project may be called, and how the name is spelled where not every spelling is allowed.

use std::fmt;

use crate::error::{Error, Result};

const LONGEST: usize = 64;

/// Names that break the new project or its folder: keywords of Rust and of WIT (a crate and a world
/// are called like the project), crates that come with Rust, folders that cargo keeps for itself,
/// and names that no file can have on Windows.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
    "bool", "borrow", "char", "constructor", "export", "f32", "f64", "flags", "from", "func", "future", "import",
    "include", "interface", "list", "map", "option", "own", "package", "record", "resource", "result", "s16", "s32",
    "s64", "s8", "stream", "string", "tuple", "u16", "u32", "u64", "u8", "variant", "with", "world",
    "alloc", "core", "proc-macro", "proc_macro", "std", "test",
    "build", "deps", "examples", "incremental",
    "aux", "con", "nul", "prn",
];

/// A name that a project may have: ASCII letters, digits, `-` and `_`; it starts with a letter and
/// ends with a letter or a digit. So it is one component of a path, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Takes a name as it was typed.
    pub fn parse(text: &str) -> Result<Self> {
        match reason_against(text) {
            None => Ok(Name(text.to_string())),
            Some(reason) => {
                let error = Error::usage(format!("`{text}` cannot be the name of a project: {reason}"));
                Err(match repaired(text) {
                    Some(name) => error.hint(format!("use --name {name}")),
                    None => error.hint("use letters, digits, `-` and `_`, for example --name hello"),
                })
            }
        }
    }

    /// Takes the name that a template, a folder or a repository has.
    pub fn parse_default(text: &str) -> Result<Self> {
        Self::parse(text).map_err(|error| error.wrap("the new project needs a name"))
    }

    /// As it was typed: folder and package.
    pub fn as_typed(&self) -> &str {
        &self.0
    }

    /// With underscores: crates and artifacts in Rust, modules in Python.
    pub fn snake(&self) -> String {
        self.0.replace('-', "_")
    }

    /// In lower case: npm allows no other.
    pub fn lowercase(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// As WIT writes names: words in lower case, each starting with a letter, with `-` between.
    pub fn wit(&self) -> String {
        let mut name = String::new();
        for word in self.0.to_ascii_lowercase().split(['-', '_']).filter(|word| !word.is_empty()) {
            // A word cannot start with a digit: `app-2` becomes `app2`.
            if !name.is_empty() && !word.starts_with(|first: char| first.is_ascii_digit()) {
                name.push('-');
            }
            name.push_str(word);
        }
        name
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn reason_against(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("it is empty".into());
    }
    if let Some(other) = text.chars().find(|c| !is_part_of_name(*c)) {
        return Some(format!(
            "it contains `{}`, which is no letter of a to z, digit, `-` or `_`",
            other.escape_default()
        ));
    }
    if !text.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Some("it does not start with a letter".into());
    }
    if text.ends_with(['-', '_']) {
        return Some("it ends with neither a letter nor a digit".into());
    }
    if text.len() > LONGEST {
        return Some(format!("it is longer than {LONGEST} characters"));
    }
    RESERVED
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
        .then(|| "the word has a meaning of its own for the tools that build it".to_string())
}

/// Whether the character can be part of a name, so that a name next to it is a part of a longer one.
pub(super) fn is_part_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// A valid name that is like what was typed, if there is one.
fn repaired(text: &str) -> Option<String> {
    let words: Vec<String> =
        text.split(|c: char| !is_part_of_name(c)).filter(|word| !word.is_empty()).map(ToString::to_string).collect();
    let name = words.join("-");
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphabetic()).trim_end_matches(['-', '_']);
    let name: String = name.chars().take(LONGEST).collect();
    let name = if reason_against(&name).is_some() { format!("my-{name}") } else { name };
    (name != "my-" && reason_against(&name).is_none()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_are_taken_as_typed() {
        for name in ["hello", "my-app", "my_app", "App2", "a", "http-hello-world", "x-1"] {
            assert_eq!(Name::parse(name).unwrap().as_typed(), name);
        }
    }

    #[test]
    fn names_that_no_project_can_have_are_refused_with_the_reason() {
        for (name, reason) in [
            ("", "empty"),
            ("a/b", "contains `/`"),
            ("..", "contains `.`"),
            (".hidden", "contains `.`"),
            ("a b", "contains ` `"),
            ("grüße", "contains `\\u{fc}`"),
            ("a\nb", "contains `\\n`"),
            ("2fast", "start with a letter"),
            ("-x", "start with a letter"),
            ("_x", "start with a letter"),
            ("x-", "ends with neither"),
            ("fn", "meaning of its own"),
            ("Test", "meaning of its own"),
            ("con", "meaning of its own"),
        ] {
            let error = Name::parse(name).unwrap_err();
            assert!(error.message().contains(reason), "{name}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
        assert!(Name::parse(&"x".repeat(65)).unwrap_err().message().contains("longer than 64"));
    }

    #[test]
    fn a_near_name_is_offered() {
        for (typed, offered) in
            [("my app", "my-app"), ("../x", "x"), ("2fast", "fast"), ("fn", "my-fn"), ("a.b", "a-b"), ("x-", "x")]
        {
            assert_eq!(repaired(typed).as_deref(), Some(offered), "{typed}");
        }
        assert_eq!(repaired("…"), None);
    }

    #[test]
    fn spellings_follow_the_rules_of_their_places() {
        for (typed, snake, wit) in [
            ("hello", "hello", "hello"),
            ("my-app", "my_app", "my-app"),
            ("my_app", "my_app", "my-app"),
            ("My__App", "My__App", "my-app"),
            ("app-2", "app_2", "app2"),
            ("a--b", "a__b", "a-b"),
        ] {
            let name = Name::parse(typed).unwrap();
            assert_eq!((name.snake().as_str(), name.wit().as_str()), (snake, wit));
        }
    }
}
