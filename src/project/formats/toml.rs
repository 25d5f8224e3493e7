//! TOML.

use serde_json::Number;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::project::problem::Problem;
use crate::project::source::{Mark, Origin};
use crate::project::tree::{Entry, Node, Value};

/// Reads a text.
pub fn parse(text: &str, origin: &dyn Fn(Mark) -> Origin) -> Result<Node, Problem> {
    let origin = |range| origin(Mark::of_bytes(text, range));
    match DeTable::parse(text) {
        Ok(table) => {
            let here = origin(table.span());
            Ok(Node { value: map(table.get_ref(), &origin), origin: here })
        }
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            let here = origin(span.clone());
            if error.message().contains("duplicate key") {
                let key = text.get(span).unwrap_or_default().trim_matches(['"', '\'']);
                let problem = Problem::at(&here, format!("the key `{key}` is given twice"));
                return Err(problem.hint("remove one of the two").without_values());
            }
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            Err(Problem::at(&here, format!("cannot read this as TOML: {message}")).without_values())
        }
    }
}

type Range = std::ops::Range<usize>;

fn map(table: &DeTable<'_>, origin: &dyn Fn(Range) -> Origin) -> Value {
    let mut items: Vec<_> = table.iter().collect();
    // The library sorts by name; we keep the order of the file.
    items.sort_by_key(|(key, _)| key.span().start);
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        Entry { key: name.to_string(), origin: origin(key.span()), node: node(value, origin) }
    };
    Value::Map(items.into_iter().map(entry).collect())
}

fn node(value: &Spanned<DeValue<'_>>, origin: &dyn Fn(Range) -> Origin) -> Node {
    let here = origin(value.span());
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(yes) => Value::Bool(*yes),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Number(number.into()),
            Err(_) => Value::Strange("a number that is too large"),
        },
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map_or(Value::Strange("a number without a value"), Value::Number),
        DeValue::Datetime(_) => Value::Strange("a date"),
        DeValue::Array(items) => Value::List(items.iter().map(|item| node(item, origin)).collect()),
        DeValue::Table(table) => map(table, origin),
    };
    Node { value, origin: here }
}
