//! JSON, as strict as serde_json is.
//!
//! serde_json knows no positions, so a text that it has accepted is walked a second time here.

use std::ops::Range;

use serde_json::Value as Json;

use crate::project::problem::Problem;
use crate::project::source::{Mark, Origin};
use crate::project::tree::{Entry, Node, Value};

/// Reads a text.
pub fn parse(text: &str, origin: &dyn Fn(Mark) -> Origin) -> Result<Node, Problem> {
    if let Err(error) = serde_json::from_str::<Json>(text) {
        return Err(syntax_error(text, &error, origin));
    }
    Walk { text, at: 0, origin }.node()
}

fn syntax_error(text: &str, error: &serde_json::Error, origin: &dyn Fn(Mark) -> Origin) -> Problem {
    // serde_json counts bytes, and stops at the byte in question or, for the end of the text, behind it.
    let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let before = error.column().saturating_sub(1).min(line.len());
    let column = line.char_indices().take_while(|(at, _)| *at < before).count() + 1;
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    let mark = Mark { line: error.line().max(1), column, width: 1 };
    Problem::at(&origin(mark), format!("cannot read this as JSON: {message}")).without_values()
}

/// A position in a text that is known to be valid JSON.
struct Walk<'a> {
    text: &'a str,
    at: usize,
    origin: &'a dyn Fn(Mark) -> Origin,
}

impl Walk<'_> {
    fn node(&mut self) -> Result<Node, Problem> {
        let start = self.next_token();
        let value = match self.byte() {
            b'{' => self.map()?,
            b'[' => self.list()?,
            b'"' => Value::Text(self.string()),
            _ => self.word(),
        };
        Ok(Node { value, origin: self.origin(start..self.at) })
    }

    fn map(&mut self) -> Result<Value, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        self.at += 1;
        loop {
            let start = self.next_token();
            match self.byte() {
                b',' => self.at += 1,
                b'"' => {
                    let key = self.string();
                    let origin = self.origin(start..self.at);
                    if entries.iter().any(|entry| entry.key == key) {
                        return Err(Problem::at(&origin, format!("the key `{key}` is given twice"))
                            .hint("remove one of the two")
                            .without_values());
                    }
                    self.next_token();
                    self.at += 1; // the colon
                    entries.push(Entry { key, origin, node: self.node()? });
                }
                _ => {
                    self.at += 1;
                    return Ok(Value::Map(entries));
                }
            }
        }
    }

    fn list(&mut self) -> Result<Value, Problem> {
        let mut items = Vec::new();
        self.at += 1;
        loop {
            self.next_token();
            match self.byte() {
                b',' => self.at += 1,
                b']' | 0 => {
                    self.at += 1;
                    return Ok(Value::List(items));
                }
                _ => items.push(self.node()?),
            }
        }
    }

    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while !matches!(self.byte(), b'"' | 0) {
            self.at += if self.byte() == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        self.parsed(start).unwrap_or_default()
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Value {
        let start = self.at;
        while !matches!(self.byte(), b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' | 0) {
            self.at += 1;
        }
        match self.parsed(start).unwrap_or(Json::Null) {
            Json::Bool(yes) => Value::Bool(yes),
            Json::Number(number) => Value::Number(number),
            _ => Value::Null,
        }
    }

    fn parsed<T: serde::de::DeserializeOwned>(&self, start: usize) -> Option<T> {
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    /// Goes to the next token and returns where it is.
    fn next_token(&mut self) -> usize {
        while matches!(self.byte(), b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
        self.at
    }

    /// The byte here; 0 behind the end, which no valid JSON contains.
    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn origin(&self, range: Range<usize>) -> Origin {
        (self.origin)(Mark::of_bytes(self.text, range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_walk_reads_what_serde_json_reads() {
        let text = r#" {"a\"b\\": [1, -2.5e3, true, false, null, "\ud83d\ude00 \/", [], {}], "": {"x" : "}]," } } "#;
        let tree = parse(text, &|_| Origin::Default).unwrap();
        assert_eq!(tree.to_json(), serde_json::from_str::<Json>(text).unwrap());
        assert_eq!(parse("[ ]", &|_| Origin::Default).unwrap().to_json(), json!([]));
    }
}
