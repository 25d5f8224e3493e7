//! `${NAME}` in the text values of settings files.
//!
//! Commands are left alone: the shell that runs them knows the same notation.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::Problem;
use super::source::Origin;
use super::tree::{Key, Node, Value};

/// The keys whose value is a command for the shell.
pub const COMMANDS: [&str; 3] = ["build.command", "dev.command", "new.command"];

/// Replaces variables in every text that comes from a file. What cannot be replaced is told in
/// `problems` and stays as it is; its key is returned.
pub fn expand(node: &mut Node, env: &BTreeMap<String, String>, problems: &mut Vec<Problem>) -> BTreeSet<Key> {
    let mut broken = BTreeSet::new();
    walk(node, &Key::root(), env, &mut |key, problem| {
        broken.insert(key.clone());
        problems.push(problem);
    });
    broken
}

fn walk(node: &mut Node, key: &Key, env: &BTreeMap<String, String>, complain: &mut dyn FnMut(&Key, Problem)) {
    match &mut node.value {
        Value::Text(text) if matches!(node.origin, Origin::File { .. }) && text.contains("${") => {
            if COMMANDS.iter().any(|command| Key::of(command) == *key) {
                return;
            }
            match replace(text, env) {
                Ok(replaced) => *text = replaced,
                Err(fault) => complain(key, fault.problem(key, &node.origin)),
            }
        }
        Value::List(items) => {
            items.iter_mut().enumerate().for_each(|(index, item)| walk(item, &key.index(index), env, complain));
        }
        Value::Map(entries) => {
            entries.iter_mut().for_each(|entry| walk(&mut entry.node, &key.name(&entry.key), env, complain));
        }
        _ => {}
    }
}

/// Why a text cannot be made.
#[derive(Debug, PartialEq, Eq)]
enum Fault<'a> {
    /// The variable is not in the environment.
    Unset(&'a str),
    /// What stands between the braces is no name.
    Malformed(&'a str),
    /// There is no closing brace.
    Open,
}

impl Fault<'_> {
    fn problem(&self, key: &Key, origin: &Origin) -> Problem {
        match self {
            Fault::Unset(name) => Problem::at(origin, format!("`{key}` needs the variable `{name}`, which is not set"))
                .hint(format!("export {name}=… (or write a default: `${{{name}:-…}}`)")),
            Fault::Malformed(inside) => {
                Problem::at(origin, format!("`{key}` has `${{{inside}}}`, which is no name of a variable"))
                    .hint("write `${NAME}`, `${NAME:-default}`, or `$${` for a plain `${`")
            }
            Fault::Open => Problem::at(origin, format!("`{key}` has `${{` without a closing `}}`"))
                .hint("write `${NAME}`, `${NAME:-default}`, or `$${` for a plain `${`"),
        }
    }
}

fn replace<'a>(text: &'a str, env: &BTreeMap<String, String>) -> Result<String, Fault<'a>> {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            replaced.push_str(before);
            replaced.push_str("${");
            rest = &from[2..];
            continue;
        }
        replaced.push_str(before);
        let (inside, after) = from[2..].split_once('}').ok_or(Fault::Open)?;
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if !is_name(name) {
            return Err(Fault::Malformed(inside));
        }
        match (env.get(name), default) {
            (Some(value), None) => replaced.push_str(value),
            (Some(value), Some(_)) if !value.is_empty() => replaced.push_str(value),
            (_, Some(default)) => replaced.push_str(default),
            (None, None) => return Err(Fault::Unset(name)),
        }
        rest = after;
    }
    replaced.push_str(rest);
    Ok(replaced)
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::formats::Format;
    use crate::project::formats::tests::parse_text;

    fn env() -> BTreeMap<String, String> {
        [("USER_", "ann"), ("EMPTY", ""), ("TRICKY", "${USER_}")].map(|(k, v)| (k.into(), v.into())).into()
    }

    #[test]
    fn variables_are_replaced() {
        for (text, replaced) in [
            ("${USER_}", "ann"),
            ("a/${USER_}/${USER_}b", "a/ann/annb"),
            ("${EMPTY}", ""),
            ("${EMPTY:-full}", "full"),
            ("${USER_:-bob}", "ann"),
            ("${NOBODY:-}", ""),
            ("${NOBODY:-a:-b $x}", "a:-b $x"),
            ("$${USER_}", "${USER_}"),
            ("$USER_ $$ 5$", "$USER_ $$ 5$"),
            ("ä${USER_}ö", "äannö"),
            // A value is not looked at again.
            ("${TRICKY}", "${USER_}"),
        ] {
            assert_eq!(replace(text, &env()).as_deref(), Ok(replaced), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_an_error() {
        assert_eq!(replace("x ${NOBODY}", &env()), Err(Fault::Unset("NOBODY")));
        assert_eq!(replace("${a b}", &env()), Err(Fault::Malformed("a b")));
        assert_eq!(replace("${}", &env()), Err(Fault::Malformed("")));
        assert_eq!(replace("${1A}", &env()), Err(Fault::Malformed("1A")));
        assert_eq!(replace("${USER_:?no}", &env()), Err(Fault::Malformed("USER_:?no")));
        assert_eq!(replace("${USER_", &env()), Err(Fault::Open));
    }

    #[test]
    fn an_unset_variable_is_told_with_key_place_and_remedy() {
        let mut tree = parse_text(Format::Yaml, "wit:\n  registries:\n    - token: ${TOKEN}\n").unwrap();
        let mut problems = Vec::new();
        let broken = expand(&mut tree, &env(), &mut problems);
        assert_eq!(problems[0].message, "`wit.registries[0].token` needs the variable `TOKEN`, which is not set");
        assert_eq!(problems[0].hint.as_deref(), Some("export TOKEN=… (or write a default: `${TOKEN:-…}`)"));
        assert_eq!(problems[0].origin.to_string(), "/p/config.yaml:3");
        assert!(broken.contains(&Key::of("wit.registries[0].token")));
    }

    #[test]
    fn commands_keys_and_what_is_not_from_a_file_are_left_alone() {
        let text = "build: {command: 'echo ${NOBODY}', env: {'${NOBODY}': x}}";
        let mut tree = parse_text(Format::Yaml, text).unwrap();
        let flag = serde_json::json!({"dev": {"address": "${NOBODY}"}});
        tree = tree.merge(Node::from_json(&flag, &Origin::Flag("--address")));
        let before = tree.to_json();
        let mut problems = Vec::new();
        expand(&mut tree, &env(), &mut problems);
        assert!(problems.is_empty(), "{problems:#?}");
        assert_eq!(tree.to_json(), before);
    }
}
