//! Settings for people to read: complete, as YAML, without secrets.

use serde_json::{Map, Value as Json};

use super::layers::Origins;
use super::settings::Settings;
use super::shape::Shape;
use super::source::Origin;
use super::tree::Key;

/// What is shown instead of a secret.
pub const MASK: &str = "***";

/// A key is taken for a secret when its name has one of these in it.
const SECRET_WORDS: [&str; 10] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "api_key",
    "apikey",
    "credential",
    "access_key",
    "account_key",
];

/// One value with its key and its origin.
pub struct Leaf {
    pub key: Key,
    /// A scalar, a list of scalars, or an empty map or list.
    pub value: Json,
    pub origin: Origin,
}

/// The settings in force, with defaults filled in and secrets masked.
pub fn effective(settings: &Settings) -> Json {
    // Settings consist of strings, numbers, lists and maps with text keys; that cannot fail.
    let json = serde_json::to_value(settings).unwrap_or_default();
    masked("", &with_defaults(json, Shape::of_settings()))
}

/// The values of [`effective`] settings one by one.
pub fn leaves(effective: &Json, origins: &Origins) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    collect(effective, &Key::root(), origins, &mut leaves);
    leaves
}

fn collect(json: &Json, key: &Key, origins: &Origins, leaves: &mut Vec<Leaf>) {
    match json {
        Json::Object(map) if !map.is_empty() => {
            map.iter().for_each(|(name, value)| collect(value, &key.name(name), origins, leaves));
        }
        Json::Array(items) if items.iter().any(Json::is_object) => {
            items.iter().enumerate().for_each(|(index, item)| collect(item, &key.index(index), origins, leaves));
        }
        value => leaves.push(Leaf { key: key.clone(), value: value.clone(), origin: origins.of_key(key) }),
    }
}

/// Fills in what nobody set, in the order of the reference.
fn with_defaults(json: Json, shape: &Shape) -> Json {
    match (json, shape) {
        (Json::Object(mut map), Shape::Table(fields)) => {
            let mut complete = Map::new();
            for field in fields {
                let value = map.remove(&field.name).filter(|value| !value.is_null()).or_else(|| field.default.clone());
                if let Some(value) = value {
                    complete.insert(field.name.clone(), with_defaults(value, &field.shape));
                }
            }
            Json::Object(complete)
        }
        (Json::Array(items), Shape::List(of)) => {
            Json::Array(items.into_iter().map(|item| with_defaults(item, of)).collect())
        }
        (json, _) => json,
    }
}

fn masked(name: &str, json: &Json) -> Json {
    let lower = name.to_ascii_lowercase().replace('-', "_");
    let secret = SECRET_WORDS.iter().any(|word| lower.contains(word));
    match json {
        Json::String(text) if secret && !text.is_empty() => MASK.into(),
        Json::String(text) => without_password(text).into(),
        Json::Array(items) => items.iter().map(|item| masked(name, item)).collect(),
        // Whatever they are called.
        Json::Object(map) if lower == "secrets" => {
            Json::Object(map.keys().map(|name| (name.clone(), Json::from(MASK))).collect())
        }
        Json::Object(map) if map.get("package").is_some_and(|package| package == "secrets") => {
            let entry = |(key, item): (&String, &Json)| {
                let name = if key == "config" { "secrets" } else { key };
                (key.clone(), masked(name, item))
            };
            map.iter().map(entry).collect()
        }
        Json::Object(map) => map.iter().map(|(name, item)| (name.clone(), masked(name, item))).collect(),
        other => other.clone(),
    }
}

/// Masks the passwords of URLs, of which several may stand with commas between them:
/// `postgres://user:***@host`.
fn without_password(text: &str) -> String {
    // A password may have a comma in it, so that only one before another URL counts.
    let (first, rest) = match text.match_indices(',').find(|(at, _)| {
        let after = text[at + 1..].trim_start();
        after.split_once("://").is_some_and(|(scheme, _)| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    }) {
        Some((at, _)) => text.split_at(at),
        None => return without_one_password(text),
    };
    format!("{},{}", without_one_password(first), without_password(&rest[1..]))
}

fn without_one_password(text: &str) -> String {
    let masked = || {
        let (scheme, rest) = text.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let (user, _) = authority.rsplit_once('@')?;
        let Some((user_name, _)) = user.split_once(':') else {
            // What stands alone in an address of NATS is a token.
            return matches!(scheme, "nats" | "tls").then(|| format!("{scheme}://{MASK}{}", &rest[user.len()..]));
        };
        Some(format!("{scheme}://{user_name}:{MASK}{}", &rest[user.len()..]))
    };
    masked().unwrap_or_else(|| text.to_string())
}

/// Writes a value as YAML, with a line break at the end.
pub fn yaml(json: &Json) -> String {
    let mut text = String::new();
    write_yaml(json, 0, &mut text);
    text
}

fn write_yaml(json: &Json, indent: usize, text: &mut String) {
    let margin = " ".repeat(indent);
    match json {
        Json::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                text.push_str(&format!("{margin}{}:", yaml_text(key)));
                match value {
                    Json::Object(map) if !map.is_empty() => {
                        text.push('\n');
                        write_yaml(value, indent + 2, text);
                    }
                    Json::Array(items) if !items.is_empty() => {
                        text.push('\n');
                        write_yaml(value, indent + 2, text);
                    }
                    value => text.push_str(&format!(" {}\n", yaml_scalar(value))),
                }
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                let mut block = String::new();
                write_yaml(item, indent + 2, &mut block);
                text.push_str(&format!("{margin}- {}", block.trim_start_matches(' ')));
            }
        }
        scalar => text.push_str(&format!("{margin}{}\n", yaml_scalar(scalar))),
    }
}

/// A value in one line of YAML.
pub fn yaml_scalar(json: &Json) -> String {
    match json {
        Json::String(text) => yaml_text(text),
        // JSON is YAML.
        other => other.to_string(),
    }
}

/// Text as it is where YAML reads it back as the same text, else in quotes.
fn yaml_text(text: &str) -> String {
    let harmless = |c: char| c.is_alphanumeric() || " _./@+:=,~*-".contains(c);
    let plain = text.starts_with(|c: char| c.is_alphanumeric() || "_./".contains(c))
        && text.chars().all(harmless)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        // Words that older YAML takes for something else.
        && !["y", "n", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str())
        && matches!(saphyr::Scalar::parse_from_cow(text.into()), saphyr::Scalar::String(_));
    if plain { text.to_string() } else { Json::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::formats::Format;
    use crate::project::formats::tests::parse_text;
    use serde_json::json;

    fn settings(json: Json) -> Settings {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_is_written_as_yaml_is_read_as_the_same() {
        let json = json!({
            "text": "plain words", "address": "127.0.0.1:8000", "path": "./a b/c.wasm", "url": "https://x.example/a",
            "number like": "8080", "float": "1.0", "hex": "0x10", "null": "null", "yes": "yes", "true": "true", "tilde": "~",
            "empty": "", "space": " a", "end": "a ", "colon": "a: b", "colon end": "a:", "hash": "a #b", "quote": "\"a'",
            "lines": "a\nb", "star": "*a", "dash": "- a", "uni": "größe", "emoji": "😀", "cmd": "a && b | c > \"d\" {x} [y]",
            "on": true, "n": -5, "list": ["a", 1, {"b": "c", "d": ["e", {"f": "g"}], "h": {}}], "nothing": [], "wasi:http": {"a: b": "x"},
        });
        let text = yaml(&json);
        assert_eq!(parse_text(Format::Yaml, &text).unwrap().to_json(), json, "{text}");
    }

    #[test]
    fn harmless_text_needs_no_quotes() {
        for text in ["127.0.0.1:8000", "./a b/c.wasm", "cargo build --target wasm32-wasip2", "wit"] {
            assert_eq!(yaml_text(text), text);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = effective(&settings(json!({
            "build": {"env": {"API_KEY": "x", "PLAIN": "y", "DB": "postgres://u:p@ss@h:1/d?e", "EMPTY_TOKEN": ""}},
            "wit": {"registries": [{"url": "https://a:b@c.example", "token": "abc"}]},
            "dev": {"environment": {"Db-Password": "x", "SITE": "https://h/a:b@c"}},
        })));
        assert_eq!(
            shown["build"]["env"],
            json!({"API_KEY": "***", "PLAIN": "y", "DB": "postgres://u:***@h:1/d?e", "EMPTY_TOKEN": ""})
        );
        assert_eq!(shown["wit"]["registries"][0], json!({"url": "https://a:***@c.example", "token": "***"}));
        assert_eq!(shown["dev"]["environment"], json!({"Db-Password": "***", "SITE": "https://h/a:b@c"}));
    }

    #[test]
    fn defaults_are_shown_as_defaults() {
        let shown = effective(&settings(json!({"dev": {"components": [{"name": "a"}]}})));
        assert_eq!(shown["dev"]["address"], "127.0.0.1:8000");
        let leaves = leaves(&shown, &Origins::default());
        let leaf = |key: &str| leaves.iter().find(|leaf| leaf.key.to_string() == key).unwrap();
        assert_eq!((leaf("dev.address").origin.to_string(), &leaf("dev.ignore").value), ("default".into(), &json!([])));
        assert_eq!(leaf("dev.components[0].name").value, "a");
        assert_eq!(leaf("wit.wit_dir").value, "wit");
    }

    #[test]
    fn each_of_several_urls_is_shown_without_its_secrets() {
        for (text, shown) in [
            ("nats://u:p,w@a:1,nats://u:pw@b", "nats://u:***@a:1,nats://u:***@b"),
            ("nats://token@a:1, tls://b", "nats://***@a:1, tls://b"),
            ("https://user@host/a,b", "https://user@host/a,b"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }
}
