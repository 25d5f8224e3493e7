//! Settings files to start from.

use serde_json::Value as Json;

use super::formats::Format;
use super::shape::{Field, Shape};
use super::show::yaml_scalar;
use super::{Found, Language, settings};

/// Descriptions are broken after this many characters.
const WIDTH: usize = 96;

/// A short file for a project: valid as it is, with the usual keys in comments.
pub fn minimal(project: Option<&Found>, format: Format) -> String {
    let language = project.and_then(|project| project.language);
    let name = project.map_or("hello", |project| &project.name);
    let (command, path) = usual_build(language, name);
    let recognised = match language {
        Some(language) => format!(
            "Nothing here is needed: wash recognises {} by `{}` and knows how to build it.",
            language.name(),
            project.and_then(|project| project.manifest.as_deref()?.file_name()).unwrap_or_default().to_string_lossy(),
        ),
        None => "wash needs to know how the component is built, and where it lies then.".into(),
    };
    let head = format!(
        "# Settings of wash for this project. {recognised}\n# All keys: wash config init --example --force. In force: wash config show --origin.\n"
    );
    let address = settings::DEFAULT_ADDRESS;
    match format {
        Format::Yaml => format!(
            "{head}\n# build:\n#   command: {}\n#   component_path: {}\n\n# dev:\n#   address: {address}\n",
            yaml_scalar(&command.into()),
            yaml_scalar(&path.into()),
        ),
        Format::Toml => format!(
            "{head}\n# [build]\n# command = {}\n# component_path = {}\n\n# [dev]\n# address = {}\n",
            Json::from(command),
            Json::from(path),
            Json::from(address),
        ),
        // JSON has no comments, and a build command would switch off what wash knows by itself.
        Format::Json => format!("{{\n  \"dev\": {{\n    \"address\": {}\n  }}\n}}\n", Json::from(address)),
    }
}

/// A short file for a user.
pub fn minimal_user(format: Format) -> String {
    let head = "# Settings of wash for all projects of this user; those of a project win.\n# All keys: wash config init --global --example --force. In force: wash config show --origin.\n";
    let address = settings::DEFAULT_ADDRESS;
    match format {
        Format::Yaml => format!("{head}\n# dev:\n#   address: {address}\n"),
        Format::Toml => format!("{head}\n# [dev]\n# address = {}\n", Json::from(address)),
        Format::Json => "{}\n".into(),
    }
}

/// What builds a project of the language usually, and where the component lies then.
fn usual_build(language: Option<Language>, name: &str) -> (String, String) {
    match language {
        Some(Language::Rust) => (
            "cargo build --target wasm32-wasip2 --release".into(),
            format!("target/wasm32-wasip2/release/{}.wasm", name.replace('-', "_")),
        ),
        Some(Language::JavaScript) => ("npm run build".into(), format!("dist/{name}.wasm")),
        Some(Language::Go) => (
            format!(
                "GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags=-checklinkname=0 -o build/{name}.wasm ."
            ),
            format!("build/{name}.wasm"),
        ),
        Some(Language::Python) => (
            format!("componentize-py --wit-path wit --world {name} componentize app -o {name}.wasm"),
            format!("{name}.wasm"),
        ),
        Some(Language::C) => (
            format!("clang --target=wasm32-wasip1 -mexec-model=reactor -Oz -Igen src/*.c gen/*.c -o build/{name}.wasm"),
            format!("build/{name}.wasm"),
        ),
        Some(Language::Make) | None => ("make".into(), format!("{name}.wasm")),
    }
}

/// A file with every key, all in comments. `None` for JSON, which has no comments.
pub fn example(format: Format) -> Option<String> {
    let mut body = String::new();
    match format {
        Format::Yaml => yaml_table(Shape::of_settings().fields(), 0, &mut body),
        Format::Toml => toml_table(Shape::of_settings().fields(), "", &mut body),
        Format::Json => return None,
    }
    let head = "## Every setting of wash. To set one, remove the `# ` in front of its line and of the lines of\n## the tables around it. What is in force says: wash config show --origin\n\n";
    let lines = body.lines().map(|line| if line.is_empty() { "\n".to_string() } else { format!("# {line}\n") });
    Some(format!("{head}{}", lines.collect::<String>()))
}

fn yaml_table(fields: &[Field], indent: usize, text: &mut String) {
    let margin = " ".repeat(indent);
    for (position, field) in fields.iter().enumerate() {
        if indent == 0 && position > 0 {
            text.push('\n');
        }
        describe(field, &margin, text);
        match &field.shape {
            Shape::Table(fields) => {
                text.push_str(&format!("{margin}{}:\n", field.name));
                yaml_table(fields, indent + 2, text);
            }
            Shape::List(of) if !of.fields().is_empty() => {
                text.push_str(&format!("{margin}{}:\n{margin}  -\n", field.name));
                yaml_table(of.fields(), indent + 4, text);
            }
            _ => text.push_str(&format!("{margin}{}: {}\n", field.name, yaml_scalar(&sample(field)))),
        }
    }
}

/// In TOML the plain keys of a table must come before its tables.
fn toml_table(fields: &[Field], path: &str, text: &mut String) {
    let is_table = |field: &&Field| match &field.shape {
        Shape::Table(_) => true,
        Shape::List(of) => !of.fields().is_empty(),
        _ => false,
    };
    for field in fields.iter().filter(|field| !is_table(field)) {
        describe(field, "", text);
        text.push_str(&format!("{} = {}\n", field.name, toml_value(&sample(field))));
    }
    for field in fields.iter().filter(is_table) {
        text.push('\n');
        describe(field, "", text);
        let path = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
        match &field.shape {
            Shape::List(of) => {
                text.push_str(&format!("[[{path}]]\n"));
                toml_table(of.fields(), &path, text);
            }
            shape => {
                text.push_str(&format!("[{path}]\n"));
                toml_table(shape.fields(), &path, text);
            }
        }
    }
}

fn describe(field: &Field, margin: &str, text: &mut String) {
    let mut line = String::new();
    for word in field.about.split(' ') {
        if !line.is_empty() && margin.len() + line.chars().count() + word.chars().count() > WIDTH {
            text.push_str(&format!("{margin}#{line}\n"));
            line.clear();
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&format!("{margin}#{line}\n"));
}

fn sample(field: &Field) -> Json {
    field.example.clone().or_else(|| field.default.clone()).unwrap_or_else(|| match field.shape {
        Shape::Text => "text".into(),
        Shape::Switch => false.into(),
        Shape::Whole(least) => least.into(),
        Shape::List(_) => Json::Array(Vec::new()),
        Shape::Map(_) | Shape::Table(_) => Json::Object(serde_json::Map::new()),
    })
}

/// JSON's texts, numbers and lists are TOML, too; maps are not.
fn toml_value(json: &Json) -> String {
    match json {
        Json::Object(map) if !map.is_empty() => {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{} = {}", Json::from(key.as_str()), toml_value(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::check::check;
    use crate::project::formats::tests::parse_text;
    use crate::project::tree::Node;

    fn checked(format: Format, text: &str) -> Node {
        let mut problems = Vec::new();
        let tree =
            check(parse_text(format, text).unwrap_or_else(|problem| panic!("{problem:?}\n{text}")), &mut problems);
        assert!(problems.is_empty(), "{problems:#?}\n{text}");
        tree
    }

    fn uncommented(text: &str) -> String {
        text.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect::<Vec<_>>().join("\n")
    }

    fn count(shape: &Shape) -> usize {
        match shape {
            Shape::Table(fields) => fields.iter().map(|field| count(&field.shape)).sum(),
            Shape::List(of) if !of.fields().is_empty() => count(of),
            _ => 1,
        }
    }

    fn count_set(json: &Json, shape: &Shape) -> usize {
        match (json, shape) {
            (Json::Object(map), Shape::Table(fields)) => {
                fields.iter().map(|field| map.get(&field.name).map_or(0, |value| count_set(value, &field.shape))).sum()
            }
            (Json::Array(items), Shape::List(of)) if !of.fields().is_empty() => count_set(&items[0], of),
            _ => 1,
        }
    }

    #[test]
    fn the_example_has_every_key_in_comments() {
        for format in [Format::Yaml, Format::Toml] {
            let text = example(format).unwrap();
            assert_eq!(checked(format, &text).to_json(), serde_json::json!({}), "{format:?}");
            let set = checked(format, &uncommented(&text)).to_json();
            assert_eq!(count_set(&set, Shape::of_settings()), count(Shape::of_settings()), "{text}");
        }
        assert_eq!(example(Format::Json), None);
    }

    #[test]
    fn minimal_files_are_valid_with_and_without_their_comments() {
        let found = |language| Found {
            root: "/p".into(),
            name: "my-name".into(),
            config_file: None,
            language: Some(language),
            manifest: Some("/p/Cargo.toml".into()),
        };
        for format in [Format::Yaml, Format::Toml, Format::Json] {
            for project in Language::ALL.map(|language| Some(found(language))).into_iter().chain([None]) {
                let text = minimal(project.as_ref(), format);
                checked(format, &text);
                let body: Vec<&str> = text.lines().skip_while(|line| line.starts_with('#')).collect();
                let set = checked(format, &uncommented(&body.join("\n")));
                assert!(set.get("dev").is_some(), "{text}");
                assert!(format == Format::Json || set.get("build").is_some(), "{text}");
            }
            checked(format, &minimal_user(format));
        }
    }
}
