//! YAML, by its core schema: what looks like a number is one, `yes` and `no` are text.

use saphyr::{LoadableYamlNode, MarkedYaml, Marker, Scalar, ScanError, YamlData};
use serde_json::Number;

use crate::project::problem::Problem;
use crate::project::source::{Mark, Origin};
use crate::project::tree::{Entry, Node, Value};

/// More `- ` or `? ` in one line than this is no settings file. The library calls itself for each,
/// and a stack that overflows cannot be caught.
const DEEPEST_IN_A_LINE: usize = 64;

/// Reads a text with any number of documents. Those without content are left out.
pub fn parse_documents(text: &str, origin: &dyn Fn(Mark) -> Origin) -> Result<Vec<Node>, Problem> {
    let has_content =
        |document: &&MarkedYaml<'_>| !matches!(document.data, YamlData::BadValue | YamlData::Value(Scalar::Null));
    load(text, origin)?.iter().filter(has_content).map(|document| convert(document, origin)).collect()
}

fn load<'a>(text: &'a str, origin: &dyn Fn(Mark) -> Origin) -> Result<Vec<MarkedYaml<'a>>, Problem> {
    if let Some(mark) = too_deep(text) {
        return Err(Problem::at(&origin(mark), "cannot read this as YAML: nested too deeply"));
    }
    MarkedYaml::load_from_str(text).map_err(|error| syntax_error(text, &error, origin))
}

/// Reads a text. No content is an empty map.
pub fn parse(text: &str, origin: &dyn Fn(Mark) -> Origin) -> Result<Node, Problem> {
    let documents = load(text, origin)?;
    if let Some(second) = documents.get(1) {
        let mark = place(&second.span.start, &second.span.end);
        return Err(Problem::at(&origin(mark), "more than one YAML document in the settings")
            .hint("remove the line `---` and what follows it"));
    }
    match documents.first() {
        None => Ok(Node::empty_map()),
        // That is how the library shows a document without content.
        Some(MarkedYaml { data: YamlData::BadValue, .. }) => Ok(Node::empty_map()),
        Some(MarkedYaml { data: YamlData::Value(Scalar::Null), .. }) => Ok(Node::empty_map()),
        Some(document) => convert(document, origin),
    }
}

fn too_deep(text: &str) -> Option<Mark> {
    let indicators = |line: &str| line.split_ascii_whitespace().take_while(|word| matches!(*word, "-" | "?")).count();
    let line = text.lines().position(|line| indicators(line) > DEEPEST_IN_A_LINE)?;
    Some(Mark { line: line + 1, column: 1, width: 1 })
}

fn syntax_error(text: &str, error: &ScanError, origin: &dyn Fn(Mark) -> Origin) -> Problem {
    let mut mark = place(error.marker(), error.marker());
    if error.info().starts_with("duplicated key") {
        let line = text.lines().nth(mark.line - 1).unwrap_or_default();
        let rest: String = line.chars().skip(mark.column - 1).collect();
        let key = rest.split([':', ',', '}']).next().unwrap_or_default().trim();
        mark.width = key.chars().count().max(1);
        let key = key.trim_matches(['"', '\'']);
        let problem = Problem::at(&origin(mark), format!("the key `{key}` is given twice"));
        return problem.hint("remove one of the two").without_values();
    }
    if let Some((line, text)) = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).last()
        && mark.line > line + 1
    {
        // The end of the file shows nothing; the end of what is written does.
        mark = Mark { line: line + 1, column: text.chars().count() + 1, width: 1 };
    }
    let problem = Problem::at(&origin(mark), format!("cannot read this as YAML: {}", error.info())).without_values();
    match HINTS.iter().find(|(words, _)| error.info().contains(words)) {
        Some((_, hint)) => problem.hint(*hint),
        None => problem,
    }
}

/// What is behind messages of the library that are hard to understand.
const HINTS: [(&str, &str); 5] = [
    (
        "illegal placement of ':'",
        "a `[`, a `{` or a quote before this is not closed, or the blank after a `:` is missing",
    ),
    ("while parsing a flow", "a `[` or a `{` before this is not closed"),
    ("mapping values are not allowed", "check the indentation, and put text that contains `: ` in quotes"),
    ("tabs disallowed", "indent with spaces"),
    ("unexpected character", "put text that begins with a special character in quotes"),
];

fn place(start: &Marker, end: &Marker) -> Mark {
    let width = if start.line() == end.line() { end.col().saturating_sub(start.col()) } else { 1 };
    Mark { line: start.line().max(1), column: start.col() + 1, width: width.max(1) }
}

fn convert(yaml: &MarkedYaml<'_>, origin: &dyn Fn(Mark) -> Origin) -> Result<Node, Problem> {
    let here = origin(place(&yaml.span.start, &yaml.span.end));
    let value = match &yaml.data {
        YamlData::Value(scalar) => self::scalar(scalar),
        YamlData::Sequence(items) => {
            Value::List(items.iter().map(|item| convert(item, origin)).collect::<Result<_, _>>()?)
        }
        YamlData::Mapping(map) => {
            let mut entries = Vec::new();
            for (key, item) in map {
                let key_origin = origin(place(&key.span.start, &key.span.end));
                let name = match &key.data {
                    YamlData::Value(Scalar::String(name)) => name.to_string(),
                    YamlData::Value(other) => {
                        let written = self::scalar(other);
                        let written = Node { value: written, origin: Origin::Default }.to_json();
                        return Err(Problem::at(&key_origin, format!("the key `{written}` must be text"))
                            .hint(format!("put it in quotes: \"{written}\"")));
                    }
                    _ => return Err(Problem::at(&key_origin, "a key must be text")),
                };
                let mut node = convert(item, origin)?;
                if node.value == Value::Null {
                    // There may be nothing to point at but the key.
                    node.origin = key_origin.clone();
                }
                entries.push(Entry { key: name, origin: key_origin, node });
            }
            Value::Map(entries)
        }
        YamlData::Tagged(..) => Value::Strange("a value with a tag"),
        YamlData::Representation(..) | YamlData::Alias(_) | YamlData::BadValue => {
            Value::Strange("a value that does not fit its tag")
        }
    };
    Ok(Node { value, origin: here })
}

fn scalar(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(yes) => Value::Bool(*yes),
        Scalar::Integer(number) => Value::Number((*number).into()),
        Scalar::FloatingPoint(number) => {
            Number::from_f64(number.into_inner()).map_or(Value::Strange("a number without a value"), Value::Number)
        }
        Scalar::String(text) => Value::Text(text.to_string()),
    }
}
