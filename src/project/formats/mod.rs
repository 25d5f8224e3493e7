//! Reading settings files of all formats into one kind of tree, with the place of every value.

mod json;
mod toml;
mod yaml;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::problem::Problem;
use super::source::{Mark, Origin, Source};
use super::tree::Node;
use crate::error::{Context as _, Error, Result};

pub use yaml::{parse as parse_yaml, parse_documents as parse_yaml_documents};

/// The format of a settings file, decided by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Yaml,
    Json,
    Toml,
}

/// The names of a settings file, the preferred one first.
pub const FILE_NAMES: [&str; 4] = ["config.yaml", "config.yml", "config.json", "config.toml"];

impl Format {
    /// The format that a path's extension stands for.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Format::Yaml),
            "json" => Some(Format::Json),
            "toml" => Some(Format::Toml),
            _ => None,
        }
    }

    /// The name of a settings file of this format.
    pub fn file_name(self) -> &'static str {
        match self {
            Format::Yaml => "config.yaml",
            Format::Json => "config.json",
            Format::Toml => "config.toml",
        }
    }
}

/// Finds the settings file in a folder. More than one is an error: one of them would be ignored.
pub fn find_in(folder: &Path) -> Result<Option<PathBuf>> {
    let mut found: Vec<&str> = FILE_NAMES.into_iter().filter(|name| folder.join(name).exists()).collect();
    match found.len() {
        0 => Ok(None),
        1 => Ok(found.pop().map(|name| folder.join(name))),
        _ => {
            let names: Vec<String> = found.iter().map(|name| format!("`{name}`")).collect();
            Err(Error::usage(format!("more than one settings file in `{}`: {}", folder.display(), names.join(" and ")))
                .hint(format!("keep one of them, e.g. `{}`, and remove the others", found[0])))
        }
    }
}

/// Reads a settings file. What is wrong inside it is the inner result, the outer one is for files
/// that cannot be read at all.
pub fn read(path: &Path) -> Result<Result<Node, Problem>> {
    let format = format_of(path)?;
    let bytes = std::fs::read(path).context(|| format!("cannot read the settings file `{}`", path.display()))?;
    Ok(read_bytes(path, bytes, format))
}

/// Reads the content of a settings file.
pub fn read_bytes(path: &Path, bytes: Vec<u8>, format: Format) -> Result<Node, Problem> {
    decode(path, bytes).and_then(|source| parse(&Arc::new(source), format))
}

/// The format of a settings file by its name.
pub fn format_of(path: &Path) -> Result<Format> {
    Format::of(path).ok_or_else(|| {
        Error::usage(format!("cannot tell the format of the settings file `{}`", path.display()))
            .hint("its name must end in .yaml, .yml, .json or .toml")
    })
}

fn decode(path: &Path, bytes: Vec<u8>) -> Result<Source, Problem> {
    let path = path.to_path_buf();
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source { path, text: text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text) }),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            // Everything before the first bad byte is the same in both.
            let mark = Mark::of_bytes(&text, at..at + 1);
            let origin = Origin::File { source: Arc::new(Source { path, text }), mark };
            Err(Problem::at(&origin, "the settings file is not UTF-8 text").hint("save it as UTF-8"))
        }
    }
}

/// Reads the text of a settings file. A text without content is an empty map.
pub fn parse(source: &Arc<Source>, format: Format) -> Result<Node, Problem> {
    if source.text.trim().is_empty() {
        return Ok(Node::empty_map());
    }
    let origin = |mark: Mark| Origin::File { source: source.clone(), mark };
    match format {
        Format::Yaml => yaml::parse(&source.text, &origin),
        Format::Json => json::parse(&source.text, &origin),
        Format::Toml => toml::parse(&source.text, &origin),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::project::source::Mark;
    use crate::project::tree::{Key, Value};
    use serde_json::json;

    /// Parses a text as if it was a file at `/p/config.…`.
    pub fn parse_text(format: Format, text: &str) -> Result<Node, Problem> {
        let name = match format {
            Format::Yaml => "config.yaml",
            Format::Json => "config.json",
            Format::Toml => "config.toml",
        };
        parse(&Arc::new(Source { path: Path::new("/p").join(name), text: text.into() }), format)
    }

    fn mark(origin: &Origin) -> Mark {
        match origin {
            Origin::File { mark, .. } => *mark,
            other => panic!("not from a file: {other}"),
        }
    }

    const YAML: &str = "# comment\nbuild:\n  env: {ÄÖ: \"ß\", B: x}\ndev:\n  service: true\n  ignore:\n    - a\n    - 'b c'\n  request_timeout_seconds: 30\n";
    const TOML: &str = "[build]\nenv = { \"ÄÖ\" = \"ß\", B = 'x' }\n[dev]\nservice = true\nignore = [\"a\", \"b c\"]\nrequest_timeout_seconds = 30\n";
    const JSON: &str = "{\n \"build\": {\"env\": {\"ÄÖ\": \"\\u00df\", \"B\": \"x\"}},\n \"dev\": {\"service\": true, \"ignore\": [\"a\",\n  \"b c\"], \"request_timeout_seconds\": 30}\n}";

    #[test]
    fn all_formats_say_the_same() {
        let meant = json!({
            "build": {"env": {"ÄÖ": "ß", "B": "x"}},
            "dev": {"service": true, "ignore": ["a", "b c"], "request_timeout_seconds": 30},
        });
        for (format, text) in [(Format::Yaml, YAML), (Format::Toml, TOML), (Format::Json, JSON)] {
            assert_eq!(parse_text(format, text).unwrap().to_json(), meant, "{format:?}");
        }
    }

    #[test]
    fn all_formats_know_the_place_of_every_value_and_key() {
        for (format, text, value, element, key) in [
            (Format::Yaml, YAML, (3, 21, 1), (8, 7, 5), (5, 3, 7)),
            (Format::Toml, TOML, (2, 25, 3), (5, 16, 5), (4, 1, 7)),
            (Format::Json, JSON, (2, 41, 3), (4, 3, 5), (3, 10, 9)),
        ] {
            let tree = parse_text(format, text).unwrap();
            let place = |origin: &Origin| {
                let Mark { line, column, width } = mark(origin);
                (line, column, width)
            };
            assert_eq!(place(&tree.find(&Key::of("build.env.B")).unwrap().origin), value, "{format:?}");
            assert_eq!(place(&tree.find(&Key::of("dev.ignore").index(1)).unwrap().origin), element, "{format:?}");
            let Value::Map(entries) = &tree.find(&Key::of("dev")).unwrap().value else { panic!() };
            let service = entries.iter().find(|entry| entry.key == "service").unwrap();
            assert_eq!(place(&service.origin), key, "{format:?}");
        }
    }

    #[test]
    fn a_file_without_content_is_empty_settings() {
        for (format, text) in [
            (Format::Yaml, ""),
            (Format::Yaml, "# nothing\n"),
            (Format::Yaml, "---\n"),
            (Format::Json, " \n"),
            (Format::Json, "{}"),
            (Format::Toml, "# nothing\n"),
        ] {
            assert_eq!(parse_text(format, text).unwrap().to_json(), json!({}), "{format:?} {text:?}");
        }
    }

    #[test]
    fn errors_of_syntax_have_a_message_and_a_place() {
        for (format, text, message, line, column) in [
            (Format::Yaml, "build:\n  command: [a\ndev: 1\n", "cannot read this as YAML", 3, 4),
            (Format::Yaml, "build:\n\tcommand: x\n", "cannot read this as YAML: tabs", 2, 2),
            (Format::Yaml, "a: \"x\nb: 1\n", "cannot read this as YAML", 1, 4),
            (Format::Yaml, "dev: {address: x\n\n", "cannot read this as YAML", 1, 17),
            (Format::Yaml, "a: 1\n---\nb: 2\n", "more than one YAML document", 3, 1),
            (Format::Yaml, "1: x\n", "the key `1` must be text", 1, 1),
            (Format::Json, "{\n  \"build\": {,}\n}", "cannot read this as JSON: key must be a string", 2, 13),
            (Format::Json, "{\"a\": 'x'}", "cannot read this as JSON: expected value", 1, 7),
            (Format::Json, "{\n  // no\n}", "cannot read this as JSON: key must be a string", 2, 3),
            (Format::Json, "{\"a\": 1,}", "cannot read this as JSON: trailing comma", 1, 9),
            (Format::Json, "{\"ä\": 1", "cannot read this as JSON: EOF", 1, 7),
            (Format::Toml, "[build]\ncommand = cargo\n", "cannot read this as TOML", 2, 11),
            (Format::Toml, "[build\n", "cannot read this as TOML", 1, 7),
        ] {
            let problem = parse_text(format, text).unwrap_err();
            assert!(problem.message.contains(message), "{text:?}: {}", problem.message);
            let place = mark(&problem.origin);
            assert_eq!((place.line, place.column), (line, column), "{text:?}: {}", problem.message);
        }
    }

    #[test]
    fn a_key_that_is_given_twice_is_an_error_in_every_format() {
        for (format, text, line, column) in [
            (Format::Yaml, "dev:\n  address: a\n  address: b\n", 3, 3),
            (Format::Json, "{\"dev\": {\"address\": \"a\",\n \"address\": \"b\"}}", 2, 2),
            (Format::Toml, "[dev]\naddress = 'a'\naddress = 'b'\n", 3, 1),
        ] {
            let problem = parse_text(format, text).unwrap_err();
            assert_eq!(problem.message, "the key `address` is given twice", "{format:?}");
            let place = mark(&problem.origin);
            assert_eq!((place.line, place.column), (line, column), "{format:?}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_the_end() {
        for (format, text) in [
            (Format::Yaml, "[".repeat(100_000)),
            (Format::Yaml, "- ".repeat(100_000)),
            (Format::Yaml, "? ".repeat(100_000)),
            (Format::Json, "[".repeat(100_000)),
            (Format::Toml, format!("a = {}", "[".repeat(100_000))),
        ] {
            assert!(parse_text(format, &text).is_err(), "{format:?}");
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_told_with_its_place() {
        let problem = decode(Path::new("/p/config.yaml"), b"a: x\nb: \xff\xfe\n".to_vec()).unwrap_err();
        assert_eq!(problem.message, "the settings file is not UTF-8 text");
        assert_eq!((mark(&problem.origin).line, mark(&problem.origin).column), (2, 4));
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        let source = decode(Path::new("/p/config.json"), b"\xef\xbb\xbf{}".to_vec()).unwrap();
        assert_eq!(source.text, "{}");
    }
}
