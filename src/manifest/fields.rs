//! Taking a tree apart: what is there, what is missing, what nobody knows.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::project::nearest;
use crate::project::problem::Problem;
use crate::project::source::{Origin, Source};
use crate::project::tree::{Entry, Node, Value};

/// Gathers what is wrong.
#[derive(Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub fn add(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    pub fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// A table of keys that is being read. [`Table::end`] tells of the keys that nobody asked for.
pub struct Table<'a> {
    /// The path to it, e.g. `spec.components[0]`; empty for a whole document.
    pub path: String,
    pub origin: &'a Origin,
    entries: &'a [Entry],
    asked: RefCell<Vec<&'static str>>,
    problems: &'a Problems,
}

impl<'a> Table<'a> {
    /// The table that a node is; `None`, and a problem, if it is none.
    pub fn of(node: &'a Node, path: String, problems: &'a Problems) -> Option<Self> {
        let entries: &[Entry] = match &node.value {
            Value::Map(entries) => entries,
            // A key without a value: nothing is set.
            Value::Null => &[],
            _ => {
                let what = if path.is_empty() { "a document".to_string() } else { format!("`{path}`") };
                let message = format!("{what} must be a table of keys, not {}", node.describe());
                problems.add(Problem::at(&node.origin, message));
                return None;
            }
        };
        Some(Table { path, origin: &node.origin, entries, asked: RefCell::default(), problems })
    }

    /// Whether anything is set.
    pub fn has(&self, name: &'static str) -> bool {
        self.node(name).is_some()
    }

    /// The value of a key that is set.
    pub fn node(&self, name: &'static str) -> Option<&'a Node> {
        self.asked.borrow_mut().push(name);
        let entry = self.entries.iter().find(|entry| entry.key == name)?;
        (entry.node.value != Value::Null).then_some(&entry.node)
    }

    /// A key that is known and means nothing here.
    pub fn skip(&self, name: &'static str) {
        self.asked.borrow_mut().push(name);
    }

    pub fn text(&self, name: &'static str) -> Option<&'a str> {
        let node = self.node(name)?;
        self.text_of(node, &self.path_of(name))
    }

    /// A text that has to be there.
    pub fn required(&self, name: &'static str) -> Option<&'a str> {
        match self.node(name) {
            Some(node) => match self.text_of(node, &self.path_of(name)) {
                Some("") => {
                    self.wrong(&node.origin, format!("`{}` is empty", self.path_of(name)));
                    None
                }
                text => text,
            },
            None => {
                self.wrong(self.origin, format!("`{}` is missing", self.path_of(name)));
                None
            }
        }
    }

    /// A whole number that is not negative.
    pub fn whole(&self, name: &'static str) -> Option<u32> {
        let node = self.node(name)?;
        if let Value::Number(number) = &node.value
            && let Some(number) = number.as_u64().and_then(|number| i32::try_from(number).ok())
        {
            return u32::try_from(number).ok();
        }
        let message = format!("`{}` must be a whole number from 0 up, not {}", self.path_of(name), node.describe());
        self.wrong(&node.origin, message);
        None
    }

    pub fn switch(&self, name: &'static str) -> Option<bool> {
        let node = self.node(name)?;
        if let Value::Bool(yes) = node.value {
            return Some(yes);
        }
        let message = format!("`{}` must be true or false, not {}", self.path_of(name), node.describe());
        self.wrong(&node.origin, message);
        None
    }

    pub fn table(&self, name: &'static str) -> Option<Table<'a>> {
        Table::of(self.node(name)?, self.path_of(name), self.problems)
    }

    /// The elements of a list, with their paths.
    pub fn list(&self, name: &'static str) -> Vec<(String, &'a Node)> {
        let Some(node) = self.node(name) else { return Vec::new() };
        let path = self.path_of(name);
        match &node.value {
            Value::List(items) => {
                items.iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect()
            }
            _ => {
                self.wrong(&node.origin, format!("`{path}` must be a list, not {}", node.describe()));
                Vec::new()
            }
        }
    }

    pub fn tables(&self, name: &'static str) -> Vec<Table<'a>> {
        self.list(name).into_iter().filter_map(|(path, node)| Table::of(node, path, self.problems)).collect()
    }

    pub fn texts(&self, name: &'static str) -> Vec<String> {
        let texts = self.list(name).into_iter().filter_map(|(path, node)| self.text_of(node, &path));
        texts.map(String::from).collect()
    }

    /// A table of texts under any keys.
    pub fn map(&self, name: &'static str) -> BTreeMap<String, String> {
        let Some(node) = self.node(name) else { return BTreeMap::new() };
        let path = self.path_of(name);
        let Value::Map(entries) = &node.value else {
            self.wrong(&node.origin, format!("`{path}` must be a table of keys, not {}", node.describe()));
            return BTreeMap::new();
        };
        let texts = entries.iter().filter_map(|entry| {
            // A key without a value is an empty text, as other tools have it.
            if entry.node.value == Value::Null {
                return Some((entry.key.clone(), String::new()));
            }
            let text = self.text_of(&entry.node, &format!("{path}.{}", entry.key))?;
            Some((entry.key.clone(), text.to_string()))
        });
        texts.collect()
    }

    /// Whether a key is there, also one without a value: `emptyDir:` says all that there is to say.
    pub fn is_written(&self, name: &'static str) -> bool {
        self.asked.borrow_mut().push(name);
        self.entries.iter().any(|entry| entry.key == name)
    }

    /// Whether there is a key that may have been meant for one of these: it is told as unknown, with a
    /// suggestion.
    pub fn has_slip_of(&self, names: &[&'static str]) -> bool {
        let asked = self.asked.borrow();
        let mut unknown = self.entries.iter().filter(|entry| !asked.contains(&entry.key.as_str()));
        unknown.any(|entry| nearest(&entry.key, asked.iter().copied()).is_some_and(|near| names.contains(&near)))
    }

    /// Tells of keys that nobody has asked for, and ends the reading.
    pub fn end(self) {
        self.tell_unknown();
    }

    /// Tells of keys that nobody has asked for.
    pub fn tell_unknown(&self) {
        let asked = self.asked.borrow();
        for entry in self.entries.iter().filter(|entry| !asked.contains(&entry.key.as_str())) {
            let place = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
            let problem = Problem::at(&entry.origin, format!("unknown key `{}`{place}", entry.key));
            let mut known = asked.clone();
            known.sort_unstable();
            known.dedup();
            self.problems.add(match nearest(&entry.key, known.iter().copied()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(format!("known keys: {}", known.join(", "))),
            });
        }
    }

    /// Something wrong with a value.
    pub fn wrong(&self, origin: &Origin, message: impl Into<String>) {
        self.problems.add(Problem::at(origin, message));
    }

    /// The same, with what to write instead.
    pub fn wrong_with_hint(&self, origin: &Origin, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.add(Problem::at(origin, message).hint(hint));
    }

    /// Where a key's value is written, or else this table.
    pub fn origin_of(&self, name: &'static str) -> &'a Origin {
        self.node(name).map_or(self.origin, |node| &node.origin)
    }

    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) }
    }

    fn text_of(&self, node: &'a Node, path: &str) -> Option<&'a str> {
        if let Value::Text(text) = &node.value {
            return Some(text);
        }
        let message = format!("`{path}` must be text, not {}", node.describe());
        match (&node.value, &node.origin) {
            (Value::Bool(_) | Value::Number(_) | Value::Strange(_), Origin::File { source, mark }) => {
                let hint = format!("put it in quotes: \"{}\"", Source::slice(source, *mark));
                self.wrong_with_hint(&node.origin, message, hint);
            }
            _ => self.wrong(&node.origin, message),
        }
        None
    }
}
