//! Settings before they are typed: a tree whose every node knows where it was written.
//!
//! The layers are merged as such trees, so that the origin of each value survives.

use std::fmt;

use serde_json::{Number, Value as Json};

use super::source::Origin;

/// A value with the place that set it.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub value: Value,
    pub origin: Origin,
}

/// What a settings file can say.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<Entry>),
    /// What no setting can be, said in words: `a date`.
    Strange(&'static str),
}

/// A key of a map with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    /// Where the key was written.
    pub origin: Origin,
    pub node: Node,
}

/// Values are compared by what they say, not by where they say it.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Node {
    /// A map without entries.
    pub fn empty_map() -> Self {
        Node { value: Value::Map(Vec::new()), origin: Origin::Default }
    }

    /// A value that was not written in a file; all of it has the same origin.
    pub fn from_json(json: &Json, origin: &Origin) -> Self {
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(yes) => Value::Bool(*yes),
            Json::Number(number) => Value::Number(number.clone()),
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(|item| Node::from_json(item, origin)).collect()),
            Json::Object(map) => Value::Map(
                map.iter()
                    .map(|(key, item)| Entry {
                        key: key.clone(),
                        origin: origin.clone(),
                        node: Node::from_json(item, origin),
                    })
                    .collect(),
            ),
        };
        Node { value, origin: origin.clone() }
    }

    /// The value without its origins.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Null | Value::Strange(_) => Json::Null,
            Value::Bool(yes) => Json::Bool(*yes),
            Value::Number(number) => Json::Number(number.clone()),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect())
            }
        }
    }

    /// The value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            _ => None,
        }
    }

    /// The value at the end of a path, if there is one.
    pub fn find(&self, key: &Key) -> Option<&Node> {
        key.0.iter().try_fold(self, |node, step| match (step, &node.value) {
            (Step::Name(name), _) => node.get(name),
            (Step::Index(index), Value::List(items)) => items.get(*index),
            _ => None,
        })
    }

    /// Lets `over` decide: maps are merged key by key, everything else is replaced as a whole.
    pub fn merge(self, over: Node) -> Node {
        match (self.value, over.value) {
            (value, Value::Null) => Node { value, origin: self.origin },
            (Value::Map(mut entries), Value::Map(others)) => {
                for other in others {
                    match entries.iter_mut().find(|entry| entry.key == other.key) {
                        Some(entry) => {
                            entry.node = std::mem::take(&mut entry.node).merge(other.node);
                            entry.origin = other.origin;
                        }
                        None => entries.push(other),
                    }
                }
                Node { value: Value::Map(entries), origin: over.origin }
            }
            (_, value) => Node { value, origin: over.origin },
        }
    }

    /// What this is, for messages: `the number 5`, `a list`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".into(),
            Value::Bool(yes) => format!("`{yes}`"),
            Value::Number(number) => format!("the number {number}"),
            Value::Text(text) if text.chars().count() <= 40 && !text.contains(char::is_control) => {
                format!("the text `{text}`")
            }
            Value::Text(_) => "a text".into(),
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a table of keys".into(),
            Value::Strange(what) => (*what).into(),
        }
    }
}

/// The path to a value: `dev.components[0].name`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(Vec<Step>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Name(String),
    Index(usize),
}

impl Key {
    /// The path of the whole.
    pub fn root() -> Self {
        Key::default()
    }

    /// A path of plain names and numbers: `dev.components[0].file`.
    pub fn of(dotted: &str) -> Self {
        let mut key = Key::root();
        for part in dotted.split('.') {
            let (name, index) = match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
                Some((name, index)) => (name, index.parse().ok()),
                None => (part, None),
            };
            key = key.name(name);
            if let Some(index) = index {
                key = key.index(index);
            }
        }
        key
    }

    /// The path of a key below this one.
    pub fn name(&self, name: impl Into<String>) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Name(name.into()));
        Key(steps)
    }

    /// The path of an element of this list.
    pub fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Key(steps)
    }

    /// The steps from the top.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

/// Names that are not plain words are quoted: `wit.sources."wasi:http"`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Name(name) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
                    if !name.is_empty() && name.chars().all(plain) {
                        f.write_str(name)?
                    } else {
                        write!(f, "{name:?}")?
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(json: Json) -> Node {
        Node::from_json(&json, &Origin::Default)
    }

    #[test]
    fn maps_are_merged_and_lists_are_replaced() {
        let below = node(json!({"build": {"env": {"A": "1", "B": "2"}}, "dev": {"ignore": ["a", "b"]}}));
        let above = node(json!({"build": {"env": {"B": "3", "C": "4"}}, "dev": {"ignore": ["c"]}}));
        let merged = json!({"build": {"env": {"A": "1", "B": "3", "C": "4"}}, "dev": {"ignore": ["c"]}});
        assert_eq!(below.merge(above).to_json(), merged);
    }

    #[test]
    fn a_merged_value_has_the_origin_of_who_set_it_last() {
        let below = Node::from_json(&json!({"a": 1, "b": 1}), &Origin::Variable("BELOW".into()));
        let above = Node::from_json(&json!({"b": 2}), &Origin::Flag("--b"));
        let merged = below.merge(above);
        assert_eq!(merged.get("a").unwrap().origin.to_string(), "BELOW");
        assert_eq!(merged.get("b").unwrap().origin.to_string(), "--b");
    }

    #[test]
    fn nothing_does_not_replace_something() {
        assert_eq!(node(json!({"a": 1})).merge(node(json!({"a": null}))).to_json(), json!({"a": 1}));
    }

    #[test]
    fn paths_are_written_as_one_would_say_them() {
        assert_eq!(Key::of("dev.components").index(0).name("name").to_string(), "dev.components[0].name");
        assert_eq!(Key::of("dev.components[0].name"), Key::of("dev.components").index(0).name("name"));
        assert_eq!(Key::of("wit.sources").name("wasi:http").to_string(), "wit.sources.\"wasi:http\"");
    }

    #[test]
    fn values_are_found_by_their_path() {
        let tree = node(json!({"dev": {"components": [{"name": "a"}]}}));
        let key = Key::of("dev.components").index(0).name("name");
        assert_eq!(tree.find(&key).unwrap().to_json(), json!("a"));
        assert!(tree.find(&Key::of("dev.components.name")).is_none());
    }
}
