//! What settings may look like: the JSON Schema, and the same as a small tree to walk along.
//!
//! Both come from the types in [`super::settings`], so that checking, the reference page, the
//! example file and what editors complete cannot disagree.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json, json};

use super::settings::Settings;

/// The key by which editors find the schema of a file; allowed at the top and not read.
pub const SCHEMA_KEY: &str = "$schema";

/// What a value may be.
#[derive(Clone, Debug)]
pub enum Shape {
    Text,
    Switch,
    /// A whole number, not less than this.
    Whole(u64),
    List(Box<Shape>),
    /// Keys that the user chooses, with values of one shape.
    Map(Box<Shape>),
    /// Keys that we have chosen.
    Table(Vec<Field>),
}

/// A key of a table.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    /// What it means, one line.
    pub about: String,
    pub required: bool,
    pub shape: Shape,
    /// What it is when nobody sets it, if that is anything.
    pub default: Option<Json>,
    /// A value to learn from.
    pub example: Option<Json>,
}

impl Shape {
    /// The shape of all settings.
    pub fn of_settings() -> &'static Shape {
        static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
            let schema = schema();
            shape(&schema, &schema)
        });
        &SHAPE
    }

    /// The keys of a table; empty for everything else.
    pub fn fields(&self) -> &[Field] {
        match self {
            Shape::Table(fields) => fields,
            _ => &[],
        }
    }

    /// The key of a table.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// What must be there, for messages.
    pub fn describe(&self) -> String {
        match self {
            Shape::Text => "text".into(),
            Shape::Switch => "`true` or `false`".into(),
            Shape::Whole(0) => "a whole number".into(),
            Shape::Whole(least) => format!("a whole number of at least {least}"),
            Shape::List(of) if matches!(**of, Shape::Text) => "a list of texts".into(),
            Shape::List(of) if matches!(**of, Shape::Whole(_)) => "a list of whole numbers".into(),
            Shape::List(_) => "a list of tables".into(),
            Shape::Map(_) => "a map of texts".into(),
            Shape::Table(_) => "a table of keys".into(),
        }
    }
}

/// The JSON Schema of a settings file.
pub fn schema() -> Json {
    let settings = SchemaSettings::draft2020_12();
    let mut schema = settings.into_generator().into_root_schema_for::<Settings>().to_value();
    tidy(&mut schema);
    if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
        let own = json!({ "description": "The JSON Schema of this file, for editors. Not read.", "type": "string" });
        properties.insert(SCHEMA_KEY.into(), own);
    }
    schema
}

/// The JSON Schema as the text of a file.
pub fn schema_text() -> String {
    // Writing a `Value` whose keys are strings cannot fail.
    let mut text = serde_json::to_string_pretty(&schema()).unwrap_or_default();
    text.push('\n');
    text
}

/// Joins the lines of descriptions and drops defaults that only say "not set".
fn tidy(schema: &mut Json) {
    match schema {
        Json::Object(map) => {
            if let Some(Json::String(text)) = map.get_mut("description") {
                *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            if map.get("default").is_some_and(|default| default.is_null() || default.is_object()) {
                map.remove("default");
            }
            map.values_mut().for_each(tidy);
        }
        Json::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn shape(schema: &Json, root: &Json) -> Shape {
    let schema = resolve(schema, root);
    let has_type = |name: &str| match &schema["type"] {
        Json::String(only) => only == name,
        Json::Array(several) => several.iter().any(|one| one == name),
        _ => false,
    };
    if let Some(properties) = schema["properties"].as_object() {
        return Shape::Table(fields(schema, properties, root));
    }
    if has_type("string") {
        Shape::Text
    } else if has_type("boolean") {
        Shape::Switch
    } else if has_type("integer") {
        Shape::Whole(schema["minimum"].as_u64().unwrap_or(0))
    } else if has_type("array") {
        Shape::List(Box::new(shape(&schema["items"], root)))
    } else if has_type("object") {
        Shape::Map(Box::new(shape(&schema["additionalProperties"], root)))
    } else {
        // A type that the settings do not use so far; a test fails when that changes.
        panic!("a setting has a type that cannot be described: {schema}")
    }
}

fn fields(schema: &Json, properties: &Map<String, Json>, root: &Json) -> Vec<Field> {
    let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
    properties
        .iter()
        .filter(|(name, _)| *name != SCHEMA_KEY)
        .map(|(name, property)| Field {
            name: name.clone(),
            about: property["description"].as_str().unwrap_or_default().to_string(),
            required: required(name),
            shape: shape(property, root),
            default: property.get("default").cloned(),
            example: property["examples"].get(0).cloned(),
        })
        .collect()
}

fn resolve<'a>(schema: &'a Json, root: &'a Json) -> &'a Json {
    match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => root.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(path: &[&str]) -> &'static Field {
        let (last, tables) = path.split_last().unwrap();
        let table = tables.iter().fold(Shape::of_settings(), |shape, name| &shape.field(name).unwrap().shape);
        let table = if let Shape::List(of) = table { of } else { table };
        table.field(last).unwrap_or_else(|| panic!("no key {path:?}"))
    }

    #[test]
    fn the_shape_follows_the_types() {
        assert!(matches!(field(&["build", "command"]).shape, Shape::Text));
        assert!(matches!(field(&["dev", "wasi_webgpu"]).shape, Shape::Switch));
        assert!(matches!(field(&["dev", "memory_limit_mb"]).shape, Shape::Whole(1)));
        assert!(matches!(&field(&["dev", "ignore"]).shape, Shape::List(of) if matches!(**of, Shape::Text)));
        assert!(matches!(&field(&["build", "env"]).shape, Shape::Map(of) if matches!(**of, Shape::Text)));
        assert!(field(&["dev", "components", "name"]).required);
        assert!(!field(&["dev", "components", "file"]).required);
        assert!(field(&["dev", "volumes", "host_path"]).required);
        assert!(!field(&["dev", "volumes", "read_only"]).required);
    }

    #[test]
    fn defaults_are_told() {
        assert_eq!(field(&["dev", "address"]).default, Some(json!("127.0.0.1:8000")));
        assert_eq!(field(&["dev", "service"]).default, Some(json!(false)));
        assert_eq!(field(&["wit", "wit_dir"]).default, Some(json!("wit")));
        assert_eq!(field(&["build", "command"]).default, None);
    }

    #[test]
    fn every_key_has_a_description() {
        fn walk(shape: &Shape) {
            for field in shape.fields() {
                assert!(!field.about.is_empty(), "`{}` is not described", field.name);
                assert!(!field.about.contains('\n'));
                walk(&field.shape);
            }
            if let Shape::List(of) = shape {
                walk(of);
            }
        }
        walk(Shape::of_settings());
    }

    #[test]
    fn unknown_keys_are_errors_for_editors_and_the_key_of_the_schema_is_not() {
        assert_eq!(schema()["additionalProperties"], json!(false));
        assert_eq!(schema()["properties"]["$schema"]["type"], json!("string"));
    }
}
