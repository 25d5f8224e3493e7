//! Settings from the environment: `WASH_DEV__ADDRESS` is `dev.address`.
//!
//! Only variables with a double underscore are settings, and of these only the ones that begin
//! with a table of the settings; `WASH_LOG`, `WASH_OFFLINE` and others have meanings of their own.

use std::collections::BTreeMap;

use super::check::suggestion;
use super::formats::parse_yaml;
use super::problem::Problem;
use super::shape::Shape;
use super::source::Origin;
use super::tree::{Entry, Key, Node, Step, Value};

const PREFIX: &str = "WASH_";
const SEPARATOR: &str = "__";

/// The variable that sets `key`, a path of plain names.
pub fn name_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', SEPARATOR).to_ascii_uppercase())
}

/// What the environment sets, not yet checked for types; unknown keys are told in `problems`.
pub fn layer(env: &BTreeMap<String, String>, problems: &mut Vec<Problem>) -> Node {
    let mut layer = Node::empty_map();
    let mut seen: BTreeMap<Key, &str> = BTreeMap::new();
    for (name, value) in env {
        let Some(path) = name.strip_prefix(PREFIX).filter(|path| path.contains(SEPARATOR)) else { continue };
        let first = path.split(SEPARATOR).next().unwrap_or_default().to_ascii_lowercase();
        if Shape::of_settings().field(&first).is_none() {
            continue;
        }
        let origin = Origin::Variable(name.clone());
        let result = locate(path, &origin).and_then(|(key, shape)| {
            if let Some(other) = seen.insert(key.clone(), name) {
                let message = format!("`{key}` is set by two variables, `{other}` and `{name}`");
                return Err(Problem::at(&origin, message).hint(format!("unset {name}")));
            }
            Ok((key, read(value, shape, &origin)?))
        });
        match result {
            Ok((key, node)) => layer = layer.merge(nest(&key, node, &origin)),
            Err(problem) => problems.push(problem),
        }
    }
    layer
}

/// Finds the key that `path` (`DEV__ADDRESS`) means.
fn locate(path: &str, origin: &Origin) -> Result<(Key, &'static Shape), Problem> {
    let mut key = Key::root();
    let mut shape = Shape::of_settings();
    let mut rest = path;
    loop {
        let (segment, below) = match rest.split_once(SEPARATOR) {
            Some((segment, below)) => (segment, Some(below)),
            None => (rest, None),
        };
        match shape {
            Shape::Table(fields) => {
                let name = segment.to_ascii_lowercase();
                let Some(field) = shape.field(&name) else {
                    let problem = Problem::at(origin, format!("unknown key `{name}` in `{key}`"));
                    return Err(problem.hint(suggestion(&name, &key, fields, |key| name_of(&key.to_string()))));
                };
                key = key.name(&field.name);
                shape = &field.shape;
            }
            // The user's own keys may have any case, and underscores in them.
            Shape::Map(of) => return Ok((key.name(rest), of)),
            Shape::List(_) => {
                let problem = Problem::at(origin, format!("an element of the list `{key}` cannot be set on its own"));
                return Err(problem.hint(format!("give the whole list: {}='[…]'", name_of(&key.to_string()))));
            }
            Shape::Text | Shape::Switch | Shape::Whole(_) => {
                let problem = Problem::at(origin, format!("`{key}` has no keys below it"));
                return Err(problem.hint(format!("set {}", name_of(&key.to_string()))));
            }
        }
        match below {
            Some(below) => rest = below,
            None => return Ok((key, shape)),
        }
    }
}

/// Text is taken as it is, everything else is read as YAML (and so as JSON).
fn read(value: &str, shape: &Shape, origin: &Origin) -> Result<Node, Problem> {
    if matches!(shape, Shape::Text) || value.trim().is_empty() {
        return Ok(Node { value: Value::Text(value.into()), origin: origin.clone() });
    }
    parse_yaml(value, &|_| origin.clone())
}

fn nest(key: &Key, node: Node, origin: &Origin) -> Node {
    key.steps().iter().rev().fold(node, |node, step| {
        let key = match step {
            Step::Name(name) => name.clone(),
            Step::Index(index) => index.to_string(),
        };
        let entry = Entry { key, origin: origin.clone(), node };
        Node { value: Value::Map(vec![entry]), origin: origin.clone() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn layer_of(env: &[(&str, &str)]) -> (serde_json::Value, Vec<Problem>) {
        let env = env.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let mut problems = Vec::new();
        let layer = layer(&env, &mut problems);
        (super::super::check::check(layer, &mut problems).to_json(), problems)
    }

    #[test]
    fn nested_variables_become_settings_of_the_right_types() {
        let (layer, problems) = layer_of(&[
            ("WASH_DEV__ADDRESS", "127.0.0.1:9"),
            ("WASH_dev__Service", "true"),
            ("WASH_DEV__REQUEST_TIMEOUT_SECONDS", "5"),
            ("WASH_DEV__IGNORE", "[a, \"b c\"]"),
            ("WASH_DEV__COMPONENTS", r#"[{"name": "x", "file": "x.wasm"}]"#),
            ("WASH_WIT__SOURCES", "{'wasi:http': ../http}"),
            ("WASH_VERSION", "ignored"),
        ]);
        assert!(problems.is_empty(), "{problems:#?}");
        assert_eq!(
            layer,
            json!({
                "dev": {
                    "address": "127.0.0.1:9", "service": true, "request_timeout_seconds": 5, "ignore": ["a", "b c"],
                    "components": [{"name": "x", "file": "x.wasm"}],
                },
                "wit": {"sources": {"wasi:http": "../http"}},
            })
        );
    }

    #[test]
    fn text_stays_text() {
        let (layer, problems) = layer_of(&[("WASH_BUILD__ENV__PORT", "8080"), ("WASH_BUILD__COMMAND", "[ -f x ] # y")]);
        assert!(problems.is_empty(), "{problems:#?}");
        assert_eq!(layer, json!({"build": {"env": {"PORT": "8080"}, "command": "[ -f x ] # y"}}));
    }

    #[test]
    fn the_users_own_keys_keep_their_case_and_underscores() {
        let (layer, problems) = layer_of(&[("WASH_BUILD__ENV__My__Var_", "x"), ("WASH_BUILD__ENV", "{OTHER: y}")]);
        assert!(problems.is_empty(), "{problems:#?}");
        assert_eq!(layer, json!({"build": {"env": {"OTHER": "y", "My__Var_": "x"}}}));
    }

    #[test]
    fn variables_that_are_not_settings_are_not_ours() {
        let (layer, problems) = layer_of(&[
            ("WASH_LOG", "debug"),
            ("WASH_DEV", "x"),
            ("WASH_OCI_TOKEN", "x"),
            ("WASH_OTHER__THING", "x"),
            ("DEV__ADDRESS", "x"),
        ]);
        assert!(problems.is_empty(), "{problems:#?}");
        assert_eq!(layer, json!({}));
    }

    #[test]
    fn mistakes_name_the_variable_and_what_was_meant() {
        for (name, value, message, hint) in [
            ("WASH_DEV__ADRESS", "x", "unknown key `adress` in `dev`", "did you mean `WASH_DEV__ADDRESS`?"),
            ("WASH_DEV__WIT_DIR", "x", "unknown key `wit_dir` in `dev`", "did you mean `WASH_WIT__WIT_DIR`?"),
            ("WASH_DEV__ADDRESS__PORT", "1", "`dev.address` has no keys below it", "set WASH_DEV__ADDRESS"),
            (
                "WASH_DEV__IGNORE__0",
                "x",
                "an element of the list `dev.ignore` cannot be set on its own",
                "give the whole list: WASH_DEV__IGNORE='[…]'",
            ),
            ("WASH_DEV__SERVICE", "maybe", "`dev.service` must be `true` or `false`, not the text `maybe`", ""),
            ("WASH_DEV__SERVICE", "", "`dev.service` must be `true` or `false`, not the text ``", ""),
            ("WASH_DEV__IGNORE", "a", "`dev.ignore` must be a list of texts, not the text `a`", ""),
            (
                "WASH_DEV__IGNORE",
                "[a",
                "cannot read this as YAML: while parsing a flow sequence, expected ',' or ']'",
                "a `[` or a `{` before this is not closed",
            ),
        ] {
            let (_, problems) = layer_of(&[(name, value)]);
            assert_eq!(problems.len(), 1, "{name}: {problems:#?}");
            assert_eq!(problems[0].message, message, "{name}={value}");
            assert_eq!(problems[0].hint.as_deref().unwrap_or_default(), hint, "{name}");
            assert_eq!(problems[0].origin.to_string(), name);
        }
    }

    #[test]
    fn two_variables_for_one_key_are_an_error() {
        let (_, problems) = layer_of(&[("WASH_DEV__ADDRESS", "x"), ("WASH_dev__address", "y")]);
        assert_eq!(
            problems[0].message,
            "`dev.address` is set by two variables, `WASH_DEV__ADDRESS` and `WASH_dev__address`"
        );
    }
}
