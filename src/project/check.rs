//! Compares what was written with what settings may look like.

use super::problem::Problem;
use super::shape::{Field, SCHEMA_KEY, Shape};
use super::source::Origin;
use super::tree::{Entry, Key, Node, Value};

/// Checks one layer of settings. What is wrong is told in `problems` and left out of the result,
/// so that the rest can still be looked at.
pub fn check(node: Node, problems: &mut Vec<Problem>) -> Node {
    let origin = node.origin.clone();
    check_value(node, Shape::of_settings(), &Key::root(), problems).unwrap_or(Node { origin, ..Node::empty_map() })
}

fn check_value(node: Node, shape: &Shape, key: &Key, problems: &mut Vec<Problem>) -> Option<Node> {
    let Node { value, origin } = node;
    let value = match (shape, value) {
        (Shape::Text, value @ Value::Text(_)) | (Shape::Switch, value @ Value::Bool(_)) => value,
        (Shape::Whole(least), Value::Number(number)) if number.as_u64().is_some_and(|number| number >= *least) => {
            Value::Number(number)
        }
        (Shape::List(of), Value::List(items)) => {
            let expected = items.len();
            let items: Vec<Node> = items
                .into_iter()
                .enumerate()
                .filter_map(|(index, item)| check_value(item, of, &key.index(index), problems))
                .collect();
            // With an element missing, the others would be called by wrong numbers.
            return (items.len() == expected).then_some(Node { value: Value::List(items), origin });
        }
        (Shape::Map(of), Value::Map(entries)) => Value::Map(
            entries
                .into_iter()
                .filter_map(|Entry { key: name, origin, node }| {
                    let node = check_value(node, of, &key.name(&name), problems)?;
                    Some(Entry { key: name, origin, node })
                })
                .collect(),
        ),
        (Shape::Table(fields), Value::Map(entries)) => check_table(entries, fields, &origin, key, problems)?,
        (_, value) => {
            problems.push(wrong_type(&Node { value, origin }, shape, key));
            return None;
        }
    };
    Some(Node { value, origin })
}

fn check_table(
    entries: Vec<Entry>,
    fields: &[Field],
    origin: &Origin,
    key: &Key,
    problems: &mut Vec<Problem>,
) -> Option<Value> {
    let mut complete = true;
    for field in fields.iter().filter(|field| field.required) {
        let given = entries.iter().any(|entry| entry.key == field.name && entry.node.value != Value::Null);
        if !given {
            let problem = Problem::at(origin, format!("missing key `{}` in `{key}`", field.name));
            let meaning = field.about.trim_end_matches('.');
            problems.push(problem.hint(format!("add `{}`: {meaning}", field.name)));
            complete = false;
        }
    }
    let mut good = Vec::new();
    for Entry { key: name, origin, node } in entries {
        match fields.iter().find(|field| field.name == name) {
            // A key without a value is a key that is not set.
            Some(_) if node.value == Value::Null => {}
            Some(field) => match check_value(node, &field.shape, &key.name(&name), problems) {
                Some(node) => good.push(Entry { key: name, origin, node }),
                None => complete &= !field.required,
            },
            None if *key == Key::root() && name == SCHEMA_KEY => {}
            None => problems.push(unknown_key(&name, &origin, key, fields)),
        }
    }
    complete.then_some(Value::Map(good))
}

fn wrong_type(node: &Node, shape: &Shape, key: &Key) -> Problem {
    let whole = *key == Key::root();
    let what = if whole { "a settings file".to_string() } else { format!("`{key}`") };
    let problem = Problem::at(&node.origin, format!("{what} must be {}, not {}", shape.describe(), node.describe()));
    let key_text = key.to_string();
    match (shape, &node.value, &node.origin) {
        (Shape::Text, Value::Bool(_) | Value::Number(_) | Value::Strange(_), Origin::File { source, mark }) => {
            problem.hint(format!("put it in quotes: \"{}\"", source.slice(*mark)))
        }
        (Shape::Text, Value::Null, _) => problem.hint("for an empty text write \"\""),
        (Shape::Switch | Shape::Whole(_), Value::Text(text), Origin::File { .. }) if text.contains("${") => problem
            .hint(format!(
                "only text can be made of variables; set `{}` instead",
                super::variables::name_of(&key_text)
            )),
        _ => problem,
    }
}

fn unknown_key(name: &str, origin: &Origin, key: &Key, fields: &[Field]) -> Problem {
    let message =
        if *key == Key::root() { format!("unknown key `{name}`") } else { format!("unknown key `{name}` in `{key}`") };
    Problem::at(origin, message).hint(suggestion(name, key, fields, |key| key.to_string()))
}

/// Says what may have been meant by `name` below `key`; `write` tells how a whole key is written.
pub fn suggestion(name: &str, key: &Key, fields: &[Field], write: impl Fn(&Key) -> String) -> String {
    if let Some(best) = nearest(name, fields.iter().map(|field| field.name.as_str())) {
        let whole = write(&key.name(best));
        // Within its own table the bare name is enough.
        let shown = if whole == key.name(best).to_string() { best } else { &whole };
        return format!("did you mean `{shown}`?");
    }
    let top = Shape::of_settings();
    let elsewhere =
        top.fields().iter().find(|table| Key::of(&table.name) != *key && table.shape.field(&plain(name)).is_some());
    if let Some(table) = elsewhere {
        return format!("did you mean `{}`?", write(&Key::of(&table.name).name(plain(name))));
    }
    let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    format!("known keys: {}", known.join(", "))
}

/// The candidate that is most like `name`, if any is like it at all.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = plain(name);
    candidates
        .map(|candidate| (strsim::jaro_winkler(&name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.85)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

/// `componentPath` and `component-path` are spellings of `component_path`.
fn plain(name: &str) -> String {
    let mut plain = String::new();
    for character in name.chars() {
        match character {
            '-' => plain.push('_'),
            c if c.is_uppercase() => {
                if !plain.is_empty() && !plain.ends_with('_') {
                    plain.push('_');
                }
                plain.extend(c.to_lowercase());
            }
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::formats::Format;
    use crate::project::formats::tests::parse_text;
    use serde_json::json;

    fn check_text(format: Format, text: &str) -> (serde_json::Value, Vec<Problem>) {
        let mut problems = Vec::new();
        let node = check(parse_text(format, text).unwrap(), &mut problems);
        (node.to_json(), problems)
    }

    #[test]
    fn what_is_wrong_is_told_with_place_and_hint() {
        use Format::{Json, Toml, Yaml};
        for (format, text, place, message, hint) in [
            (Yaml, "dev:\n  adress: x\n", "2:3", "unknown key `adress` in `dev`", "did you mean `address`?"),
            (
                Json,
                "{\"dev\": {\n\"adress\": \"x\"}}",
                "2:1",
                "unknown key `adress` in `dev`",
                "did you mean `address`?",
            ),
            (Toml, "[dev]\nadress = 'x'\n", "2:1", "unknown key `adress` in `dev`", "did you mean `address`?"),
            (Yaml, "biuld: {}\n", "1:1", "unknown key `biuld`", "did you mean `build`?"),
            (
                Yaml,
                "build: {componentPath: x}\n",
                "1:9",
                "unknown key `componentPath` in `build`",
                "did you mean `component_path`?",
            ),
            (Yaml, "address: x\n", "1:1", "unknown key `address`", "did you mean `dev.address`?"),
            (
                Yaml,
                "build: {zzz: 1}\n",
                "1:9",
                "unknown key `zzz` in `build`",
                "known keys: command, env, component_path, tools",
            ),
            (Yaml, "version: 2.0\n", "1:10", "`version` must be text, not the number 2.0", "put it in quotes: \"2.0\""),
            (
                Yaml,
                "build:\n  env:\n    OPT: 0x1F\n",
                "3:10",
                "`build.env.OPT` must be text, not the number 31",
                "put it in quotes: \"0x1F\"",
            ),
            (
                Toml,
                "version = 2024-01-01\n",
                "1:11",
                "`version` must be text, not a date",
                "put it in quotes: \"2024-01-01\"",
            ),
            (
                Yaml,
                "build:\n  env:\n    A:\n",
                "3:5",
                "`build.env.A` must be text, not nothing",
                "for an empty text write \"\"",
            ),
            (
                Yaml,
                "dev:\n  components:\n    - file: a.wasm\n",
                "3:7",
                "missing key `name` in `dev.components[0]`",
                "add `name`: What the component is called in messages; unique in the workload",
            ),
            (
                Yaml,
                "dev: {memory_limit_mb: \"${MEMORY}\"}\n",
                "1:24",
                "`dev.memory_limit_mb` must be a whole number of at least 1, not the text `${MEMORY}`",
                "only text can be made of variables; set `WASH_DEV__MEMORY_LIMIT_MB` instead",
            ),
        ] {
            let (_, problems) = check_text(format, text);
            assert_eq!(problems.len(), 1, "{text}: {problems:#?}");
            assert_eq!(problems[0].message, message, "{text}");
            assert_eq!(problems[0].hint.as_deref(), Some(hint), "{text}");
            let excerpt = problems[0].origin.excerpt().unwrap();
            let (first, _) = excerpt.split_once('\n').unwrap();
            assert!(first.ends_with(&format!(":{place}")), "{text}: {excerpt}");
        }
    }

    #[test]
    fn wrong_types_are_told_in_words() {
        for (text, message) in [
            ("dev: 5", "`dev` must be a table of keys, not the number 5"),
            ("dev: [a]", "`dev` must be a table of keys, not a list"),
            ("dev: {service: 'yes'}", "`dev.service` must be `true` or `false`, not the text `yes`"),
            ("dev: {service: yes}", "`dev.service` must be `true` or `false`, not the text `yes`"),
            ("dev: {ignore: a}", "`dev.ignore` must be a list of texts, not the text `a`"),
            ("dev: {ignore: [1]}", "`dev.ignore[0]` must be text, not the number 1"),
            ("dev: {volumes: {a: b}}", "`dev.volumes` must be a list of tables, not a table of keys"),
            ("build: {env: [A]}", "`build.env` must be a map of texts, not a list"),
            (
                "dev: {request_timeout_seconds: 0}",
                "`dev.request_timeout_seconds` must be a whole number of at least 1, not the number 0",
            ),
            (
                "dev: {request_timeout_seconds: 1.5}",
                "`dev.request_timeout_seconds` must be a whole number of at least 1, not the number 1.5",
            ),
            (
                "dev: {memory_limit_mb: -1}",
                "`dev.memory_limit_mb` must be a whole number of at least 1, not the number -1",
            ),
            ("- a", "a settings file must be a table of keys, not a list"),
            ("hello", "a settings file must be a table of keys, not the text `hello`"),
            ("dev: {address: !tag x}", "`dev.address` must be text, not a value with a tag"),
        ] {
            let (_, problems) = check_text(Format::Yaml, text);
            let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
            assert_eq!(messages, [message], "{text}");
        }
    }

    #[test]
    fn all_problems_are_told_and_the_rest_is_kept() {
        let text = "build:\n  comand: a\n  component_path: b\ndev:\n  service: 1\n  address: c\n";
        let (kept, problems) = check_text(Format::Yaml, text);
        assert_eq!(problems.len(), 2, "{problems:#?}");
        assert_eq!(kept, json!({"build": {"component_path": "b"}, "dev": {"address": "c"}}));
    }

    #[test]
    fn keys_without_a_value_are_not_set() {
        let (kept, problems) = check_text(Format::Yaml, "build:\ndev:\n  address:\n  ignore: ~\n");
        assert!(problems.is_empty(), "{problems:#?}");
        assert_eq!(kept, json!({"dev": {}}));
    }

    #[test]
    fn the_schema_of_the_file_may_be_named() {
        let (kept, problems) = check_text(Format::Json, r#"{"$schema": "https://example.com/s.json"}"#);
        assert!(problems.is_empty(), "{problems:#?}");
        assert_eq!(kept, json!({}));
    }
}
