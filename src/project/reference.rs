//! The reference page of the settings, made from their types.

use super::expand::COMMANDS;
use super::shape::{Field, Shape};

/// The page as Markdown; `docs/configuration.md` is a copy of it.
pub fn markdown() -> String {
    let mut text = INTRODUCTION.replace("{commands}", &COMMANDS.map(|key| format!("`{key}`")).join(", "));
    text.push_str("\n## Keys\n");
    table(Shape::of_settings().fields(), "", &mut text);
    text
}

const INTRODUCTION: &str = "\
<!-- Made by `wash config reference`. Refresh: cargo run -- config reference > docs/configuration.md -->

# Configuration

wash needs no configuration for a project whose language it recognises. What can be set is set in two files of
the same form, both optional, in YAML, JSON or TOML:

| file | where |
| --- | --- |
| project | `.wash/config.yaml` (or `.yml`, `.json`, `.toml`) in the project's root |
| user | `config.yaml` (or `.yml`, `.json`, `.toml`) in wash's configuration folder, on Linux `~/.config/wash`; `--user-config PATH` names another file |

`wash config init` writes a file to start from, `wash config init --example` one with every key. `wash config validate`
checks the files, `wash config show --origin` prints what is in force and who said so, `wash config info` prints the folders.

Editors complete and check the files with the JSON Schema that `wash config schema` prints. Name it in the file: `$schema` in
JSON, `# yaml-language-server: $schema=…` in YAML, `#:schema …` in TOML.

## The project's root

wash walks up from the current folder (or the folder of `-C`) to the first folder with a `.wash/config.…` file. If there is
none, it walks up to the first folder with a manifest: `Cargo.toml`, `package.json`, `go.mod`, `pyproject.toml`,
`requirements.txt` or `app.py`. A `Makefile` counts in the folder itself only, and manifests in the home folder count only
there. Of several manifests in one folder the first in this order decides the language. Paths in settings are relative to
the root.

More than one settings file in one folder is an error.

## Which value wins

From strongest to weakest:

1. flags of the command line
2. variables of the environment that begin with `WASH_`
3. the project's file
4. the user's file
5. defaults

Maps (such as `build.env`) are merged key by key; lists are replaced as a whole. A key without a value is not set.

## Variables that set keys

The name is `WASH_` and the path of the key in capitals, with two underscores between its parts. Text is taken as it is;
everything else is read as YAML or JSON.

| variable | key |
| --- | --- |
| `WASH_DEV__ADDRESS=127.0.0.1:9000` | `dev.address` |
| `WASH_DEV__REQUEST_TIMEOUT_SECONDS=5` | `dev.request_timeout_seconds` |
| `WASH_BUILD__ENV__RUSTFLAGS=-g` | `build.env.RUSTFLAGS` |
| `WASH_DEV__IGNORE='[notes/, \"*.log\"]'` | `dev.ignore` |

The keys of maps keep the case they are written in. Variables without two underscores (`WASH_LOG`, `WASH_OFFLINE`) are not keys.

## Variables in values

In the text values of files, `${NAME}` is replaced by the variable `NAME` of the environment. A variable that is not set is
an error; `${NAME:-default}` gives a default for one that is not set or empty. `$${` is a plain `${`. Keep secrets in the
environment this way.

The commands {commands} are left as they are: the shell that runs them knows the same notation.

## Environment files

The files of `env_files` have a line `NAME=value` for each variable; `export` in front is allowed, and so are empty lines and
comments after `#`. A value in single quotes is taken as it is. In double quotes `\\n`, `\\t`, `\\\"` and `\\\\` are escapes. Both
kinds of quotes may hold line breaks. `$` means itself.

## Mistakes

Unknown keys, wrong types, keys given twice, and keys that this version does not support yet are errors with file, line and
a suggestion. Nothing is ignored silently.
";

fn table(fields: &[Field], path: &str, text: &mut String) {
    text.push_str("\n| key | type | default | |\n| --- | --- | --- | --- |\n");
    for field in fields {
        let default = match &field.default {
            _ if field.required => "required".to_string(),
            Some(default) if !matches!(field.shape, Shape::Table(_)) => format!("`{default}`"),
            _ => String::new(),
        };
        let about = field.about.replace('|', "\\|");
        text.push_str(&format!("| `{}` | {} | {default} | {about} |\n", field.name, type_name(&field.shape)));
    }
    for field in fields {
        let path = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
        match &field.shape {
            Shape::Table(fields) => section(&path, &field.about, fields, text),
            Shape::List(of) if !of.fields().is_empty() => {
                section(&format!("{path}[]"), &field.about, of.fields(), text);
            }
            _ => {}
        }
    }
}

fn section(path: &str, about: &str, fields: &[Field], text: &mut String) {
    let level = "#".repeat(3 + path.matches('.').count());
    text.push_str(&format!("\n{level} `{path}`\n\n{about}\n"));
    table(fields, path.trim_end_matches("[]"), text);
}

fn type_name(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text => "text",
        Shape::Switch => "true or false",
        Shape::Whole(_) => "whole number",
        Shape::List(of) if of.fields().is_empty() => "list of texts",
        Shape::List(_) => "list of tables",
        Shape::Map(_) => "map of texts",
        Shape::Table(_) => "table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::schema_text;
    use std::path::Path;

    fn compare(file: &str, made: &str, command: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(file);
        let copy = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
        assert!(copy == made, "docs/{file} is not up to date; refresh it: cargo run -- config {command} > docs/{file}");
    }

    #[test]
    fn the_reference_page_is_up_to_date() {
        compare("configuration.md", &markdown(), "reference");
    }

    #[test]
    fn the_published_schema_is_up_to_date() {
        compare("settings.schema.json", &schema_text(), "schema");
    }

    #[test]
    fn every_table_has_a_section() {
        let text = markdown();
        for heading in ["### `build`", "### `dev`", "#### `dev.components[]`", "#### `wit.registries[]`"] {
            assert!(text.contains(&format!("\n{heading}\n")), "{heading}: {text}");
        }
    }
}
