//! Reading protocol-buffers JSON: values that know the way to them, so that an error names its field.
//!
//! Names come as `camelCase` or as `snake_case`, numbers as numbers or as text, `null` is what is not
//! there. What nobody asks for is not looked at. An error never repeats a value: it may be a secret.

use serde_json::{Map, Value};

/// How deep a message may be nested, which the parser keeps; real ones are eight deep.
const DEPTH: &str = "it is nested more than 128 levels deep";

/// Reads the bytes of a message.
pub fn parse(bytes: &[u8]) -> Result<Value, String> {
    if bytes.is_empty() {
        return Err("it is empty, and not JSON".into());
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        if text.contains("recursion limit") { DEPTH.into() } else { format!("it is not JSON: {text}") }
    })
}

/// A value, and where it stands.
pub struct Field<'a> {
    value: &'a Value,
    path: String,
}

/// A message: a value that has fields.
pub struct Message<'a> {
    fields: Option<&'a Map<String, Value>>,
    path: String,
}

impl<'a> Field<'a> {
    /// The outermost value.
    pub fn root(value: &'a Value) -> Self {
        Field { value, path: String::new() }
    }

    /// Whether there is nothing.
    pub fn is_absent(&self) -> bool {
        self.value.is_null()
    }

    /// The complaint that this field is not what it should be.
    pub fn wrong(&self, problem: &str) -> String {
        if self.path.is_empty() { format!("the message is wrong: {problem}") } else { wrong(&self.path, problem) }
    }

    fn unexpected(&self, expected: &str) -> String {
        let found = match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.wrong(&format!("it is {found} and must be {expected}"))
    }

    /// A message; one that is not there has no fields.
    pub fn message(self) -> Result<Message<'a>, String> {
        match self.value {
            Value::Null => Ok(Message { fields: None, path: self.path }),
            Value::Object(fields) => Ok(Message { fields: Some(fields), path: self.path }),
            _ => Err(self.unexpected("an object")),
        }
    }

    /// The entries of a list.
    pub fn list(self) -> Result<Vec<Field<'a>>, String> {
        match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Array(entries) => {
                let entry = |(index, value): (usize, &'a Value)| {
                    let field = Field { value, path: format!("{}[{index}]", self.path) };
                    if value.is_null() { Err(field.unexpected("an entry")) } else { Ok(field) }
                };
                entries.iter().enumerate().map(entry).collect()
            }
            _ => Err(self.unexpected("a list")),
        }
    }

    /// A map from text to text.
    pub fn texts<M: FromIterator<(String, String)>>(self) -> Result<M, String> {
        let entries = match self.value {
            Value::Null => None,
            Value::Object(entries) => Some(entries),
            _ => return Err(self.unexpected("an object of texts")),
        };
        let entry = |(key, value): (&String, &'a Value)| match value {
            Value::String(text) => Ok((key.clone(), text.clone())),
            _ => Err(Field { value, path: format!("{}.{key}", self.path) }.unexpected("text")),
        };
        entries.into_iter().flatten().map(entry).collect()
    }

    /// Text; empty where there is none.
    pub fn text(self) -> Result<String, String> {
        match self.value {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text.clone()),
            _ => Err(self.unexpected("text")),
        }
    }

    /// True or false.
    pub fn flag(self) -> Result<bool, String> {
        match self.value {
            Value::Null => Ok(false),
            Value::Bool(flag) => Ok(*flag),
            _ => Err(self.unexpected("true or false")),
        }
    }

    /// A whole number of 32 bits with a sign.
    pub fn int32(self) -> Result<i32, String> {
        let number = self.whole(&format!("a whole number from {} to {}", i32::MIN, i32::MAX))?;
        i32::try_from(number).map_err(|_| self.wrong(&format!("it must be from {} to {}", i32::MIN, i32::MAX)))
    }

    /// A whole number of 64 bits without a sign.
    pub fn uint64(self) -> Result<u64, String> {
        let number = self.whole(&format!("a whole number from 0 to {}", u64::MAX))?;
        u64::try_from(number).map_err(|_| self.wrong(&format!("it must be from 0 to {}", u64::MAX)))
    }

    /// One of several: by its name, or by its number. A number that nobody knows is the first one, as
    /// for every receiver that is older than the sender.
    pub fn choice<T: Copy>(self, choices: &[(&str, T)]) -> Result<T, String> {
        let default = choices[0].1;
        match self.value {
            Value::Null => Ok(default),
            Value::String(name) if choices.iter().any(|(known, _)| known == name) => {
                Ok(choices.iter().find(|(known, _)| known == name).map_or(default, |(_, value)| *value))
            }
            Value::Number(_) => {
                let number = self.whole("a whole number")?;
                Ok(usize::try_from(number).ok().and_then(|number| choices.get(number)).map_or(default, |(_, one)| *one))
            }
            _ => {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                Err(self.wrong(&format!("it must be one of {}", names.join(", "))))
            }
        }
    }

    fn whole(&self, expected: &str) -> Result<i128, String> {
        let found = match self.value {
            Value::Null => Some(0),
            Value::Number(number) => whole(&number.to_string()),
            Value::String(text) => whole(text),
            _ => None,
        };
        found.ok_or_else(|| match self.value {
            Value::Number(_) | Value::String(_) => self.wrong(&format!("it must be {expected}")),
            _ => self.unexpected(expected),
        })
    }
}

/// `12`, `-3`, and also `1e3` and `2.0`, which are whole numbers, too.
fn whole(text: &str) -> Option<i128> {
    if text.is_empty() || !text.bytes().all(|letter| letter.is_ascii_digit() || b"+-.eE".contains(&letter)) {
        return None;
    }
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    // Above this, not every whole number is one of these.
    let exact = f64::from(u32::MAX) * f64::from(1 << 20);
    let number: f64 = text.parse().ok()?;
    (number.fract() == 0.0 && number.abs() <= exact).then_some(number as i128)
}

impl<'a> Message<'a> {
    /// The field of this name in `camelCase`.
    ///
    /// Errors: it is there in both spellings.
    pub fn field(&self, name: &str) -> Result<Field<'a>, String> {
        let snake = snake_case(name);
        let get = |name: &str| self.fields.and_then(|fields| fields.get(name));
        let path = if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) };
        let value = match (get(name), get(&snake)) {
            (Some(_), Some(_)) if name != snake => return Err(wrong(&path, &format!("it is there as `{snake}`, too"))),
            (Some(value), _) | (None, Some(value)) => value,
            (None, None) => &Value::Null,
        };
        Ok(Field { value, path })
    }
}

fn wrong(path: &str, problem: &str) -> String {
    format!("`{path}` is wrong: {problem}")
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(value: &Value) -> Field<'_> {
        Field { value, path: "a.b".into() }
    }

    #[test]
    fn numbers_come_as_numbers_and_as_text() {
        for (value, expected) in [
            (json!(7), Ok(7)),
            (json!("7"), Ok(7)),
            (json!(-7), Ok(-7)),
            (json!(7.0), Ok(7)),
            (json!("1e3"), Ok(1000)),
            (json!(null), Ok(0)),
            (json!(2_147_483_647), Ok(i32::MAX)),
            (json!("-2147483648"), Ok(i32::MIN)),
        ] {
            assert_eq!(field(&value).int32(), expected, "{value}");
        }
        for value in [
            json!(2_147_483_648_i64),
            json!(7.5),
            json!("seven"),
            json!(""),
            json!(" 7"),
            json!("NaN"),
            json!("inf"),
            json!("1e999"),
            json!("9".repeat(400)),
            json!(true),
            json!([7]),
            json!({}),
        ] {
            let error = field(&value).int32().unwrap_err();
            assert!(error.starts_with("`a.b` is wrong: it "), "{value}: {error}");
            assert!(error.len() < 200, "{error}");
        }
        assert_eq!(field(&json!("18446744073709551615")).uint64(), Ok(u64::MAX));
        assert_eq!(field(&json!(u64::MAX)).uint64(), Ok(u64::MAX));
        assert!(field(&json!("18446744073709551616")).uint64().is_err());
        assert!(field(&json!(-1)).uint64().is_err());
    }

    #[test]
    fn choices_come_by_name_and_by_number() {
        let choices = [("NONE", 'n'), ("ONE", '1')];
        for (value, expected) in [
            (json!("ONE"), '1'),
            (json!(1), '1'),
            (json!(0), 'n'),
            (json!(null), 'n'),
            (json!(99), 'n'),
            (json!(-1), 'n'),
        ] {
            assert_eq!(field(&value).choice(&choices), Ok(expected), "{value}");
        }
        let error = field(&json!("one")).choice(&choices).unwrap_err();
        assert_eq!(error, "`a.b` is wrong: it must be one of NONE, ONE");
    }

    #[test]
    fn names_come_in_both_spellings_but_not_at_once() {
        let value = json!({ "readOnly": true, "mount_path": "/a", "x_y": 1, "xY": 2 });
        let message = Field::root(&value).message().unwrap();
        assert_eq!(message.field("readOnly").unwrap().flag(), Ok(true));
        assert_eq!(message.field("mountPath").unwrap().text(), Ok("/a".into()));
        assert_eq!(message.field("nothing").unwrap().text(), Ok(String::new()));
        assert_eq!(message.field("xY").err().unwrap(), "`xY` is wrong: it is there as `x_y`, too");
    }

    #[test]
    fn an_error_names_the_field_and_never_the_value() {
        let value = json!({ "list": [{}, { "deep": "s3cret" }, null], "map": { "k": 5 } });
        let message = Field::root(&value).message().unwrap();
        let list = message.field("list").unwrap().list().err().unwrap();
        assert_eq!(list, "`list[2]` is wrong: it is nothing and must be an entry");
        let map = message.field("map").unwrap().texts::<Vec<_>>().unwrap_err();
        assert_eq!(map, "`map.k` is wrong: it is a number and must be text");
        let inner = &value["list"][1];
        let deep = Message { fields: inner.as_object(), path: "list[1]".into() }.field("deep").unwrap().int32();
        assert_eq!(
            deep.unwrap_err(),
            "`list[1].deep` is wrong: it must be a whole number from -2147483648 to 2147483647"
        );
    }

    #[test]
    fn what_is_no_json_is_told_in_one_line() {
        assert_eq!(parse(b"").unwrap_err(), "it is empty, and not JSON");
        assert_eq!(parse(&b"[".repeat(100_000)).unwrap_err(), DEPTH);
        for bytes in [&b"{"[..], b"\xff\xfe", b"{} {}", b"not JSON", b"{\"a\":}"] {
            let error = parse(bytes).unwrap_err();
            assert!(error.starts_with("it is not JSON: ") && !error.contains('\n'), "{error}");
        }
    }
}
