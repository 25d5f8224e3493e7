//! Changes to the text of worlds. What is not changed stays as it was, to the byte: comments, order
//! and format.

use std::ops::Range;

use semver::Version;

use super::name::{Name, Wanted};
use super::package::{File, Package};
use super::scan::{self, Statement};
use crate::error::{Error, Result};

/// How a world gets hold of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyword {
    Import,
    Export,
}

impl Keyword {
    fn text(self) -> &'static str {
        match self {
            Keyword::Import => "import",
            Keyword::Export => "export",
        }
    }
}

/// A file with another text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The file's name in the folder.
    pub name: String,
    pub text: String,
}

/// A world and where it stands.
struct Place<'a> {
    world: String,
    file: &'a File,
    body: Range<usize>,
}

/// Adds statements to a world, after its last one of the same kind. Those that it has already are
/// left out; returns those that were added, and no change when there is none.
///
/// Errors: there is no world, or more than one and `world` does not choose.
pub fn add(
    package: &Package,
    world: Option<&str>,
    keyword: Keyword,
    interfaces: &[String],
) -> Result<(Option<Changed>, Vec<String>)> {
    let place = choose(places(package)?, world)?;
    let text = &place.file.text;
    let statements = scan::statements(text, &place.body);
    let has = |interface: &String| {
        statements.iter().any(|statement| {
            statement.keyword == keyword.text()
                && scan::mentions(&text[statement.range.clone()])
                    .iter()
                    .any(|mention| text[statement.range.clone()][mention.range.clone()] == **interface)
        })
    };
    let added: Vec<String> = interfaces.iter().filter(|interface| !has(interface)).cloned().collect();
    if added.is_empty() {
        return Ok((None, added));
    }
    let lines: Vec<String> = added.iter().map(|interface| format!("{} {interface};", keyword.text())).collect();
    let changed = insert(text, &place.body, &statements, keyword, &lines);
    Ok((Some(Changed { name: place.file.name.clone(), text: changed }), added))
}

fn insert(text: &str, body: &Range<usize>, statements: &[Statement], keyword: Keyword, lines: &[String]) -> String {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let world_indent = indent_at(text, body.start);
    let is_blank = text[body.clone()].trim().is_empty();
    if is_blank {
        let indent = format!("{newline}{world_indent}  ");
        let lines: String = lines.iter().map(|line| format!("{indent}{line}")).collect();
        return format!("{}{lines}{newline}{world_indent}{}", &text[..body.start], &text[body.end..]);
    }
    if !text[body.clone()].contains('\n') {
        let lines: String = lines.iter().map(|line| format!(" {line}")).collect();
        return format!("{}{lines}{}", &text[..body.start], &text[body.start..]);
    }
    let last = statements.iter().rfind(|statement| statement.keyword == keyword.text());
    let (at, indent) = match last {
        Some(statement) => (end_of_line(text, statement.range.end), indent_at(text, statement.range.start)),
        // Imports come first, exports last, as people write them.
        None => {
            let indent = statements
                .first()
                .map_or_else(|| format!("{world_indent}  "), |first| indent_at(text, first.range.start));
            let last = statements.last().filter(|_| keyword == Keyword::Export);
            (end_of_line(text, last.map_or(body.start, |last| last.range.end)), indent)
        }
    };
    let at = at.min(body.end);
    let lines: String = lines.iter().map(|line| format!("{newline}{indent}{line}")).collect();
    format!("{}{lines}{}", &text[..at], &text[at..])
}

/// Removes what imports, exports, includes or uses a package, or one interface of it, from all worlds.
/// Returns the changed files and the statements.
pub fn remove(package: &Package, wanted: &Wanted) -> Result<(Vec<Changed>, Vec<String>)> {
    let mut changed = Vec::new();
    let mut removed = Vec::new();
    let places = places(package)?;
    for file in &package.files {
        let text = &file.text;
        let mut cuts: Vec<Range<usize>> = Vec::new();
        for place in places.iter().filter(|place| place.file.name == file.name) {
            for statement in scan::statements(text, &place.body) {
                let shown = &text[statement.range.clone()];
                if scan::mentions(shown).iter().any(|mention| is_wanted(shown, mention, wanted)) {
                    removed.push(without_space(shown));
                    cuts.push(whole_lines(text, &statement.range, &place.body));
                }
            }
        }
        if cuts.is_empty() {
            continue;
        }
        cuts.sort_by_key(|cut| cut.start);
        let mut kept = String::new();
        let mut from = 0;
        for cut in cuts {
            kept.push_str(&text[from..cut.start.max(from)]);
            from = cut.end.max(from);
        }
        kept.push_str(&text[from..]);
        changed.push(Changed { name: file.name.clone(), text: kept });
    }
    Ok((changed, removed))
}

/// Writes another version wherever a package is named in an old one.
pub fn set_versions(files: &[File], moves: &[(Name, Version, Version)]) -> Vec<Changed> {
    let mut changed = Vec::new();
    for file in files {
        let text = &file.text;
        let mut made = String::new();
        let mut from = 0;
        for mention in scan::mentions(text) {
            let Some(version) = mention.version.clone() else { continue };
            let to = moves.iter().find(|(name, old, _)| {
                text[mention.namespace.clone()] == name.namespace
                    && text[mention.package.clone()] == name.package
                    && text[version.clone()] == old.to_string()
            });
            if let Some((_, _, new)) = to {
                made.push_str(&text[from..version.start]);
                made.push_str(&new.to_string());
                from = version.end;
            }
        }
        if from > 0 {
            made.push_str(&text[from..]);
            changed.push(Changed { name: file.name.clone(), text: made });
        }
    }
    changed
}

fn is_wanted(text: &str, mention: &scan::Mention, wanted: &Wanted) -> bool {
    let same = |range: &Range<usize>, name: &str| *text[range.clone()].trim_start_matches('%') == *name;
    same(&mention.namespace, &wanted.name.namespace)
        && same(&mention.package, &wanted.name.package)
        && wanted.interface.as_ref().is_none_or(|interface| same(&mention.interface, interface))
        && wanted.version.as_ref().is_none_or(|version| {
            mention.version.as_ref().is_some_and(|range| text[range.clone()] == version.to_string())
        })
}

/// All worlds of a package, in the order of its files.
fn places(package: &Package) -> Result<Vec<Place<'_>>> {
    let group = package.group()?;
    let mut places = Vec::new();
    // A world of another package that is included stands among them, without a name.
    for (_, world) in group.main.worlds.iter().filter(|(_, world)| !world.name.is_empty()) {
        let Some(location) = group.source_map.resolve_span(world.span) else { continue };
        let Some(file) = package.files.iter().find(|file| file.shown == location.path) else { continue };
        if let Some(body) = scan::body(&file.text, &location.range) {
            places.push(Place { world: world.name.clone(), file, body });
        }
    }
    places.sort_by(|one, other| (&one.file.name, one.body.start).cmp(&(&other.file.name, other.body.start)));
    Ok(places)
}

fn choose<'a>(mut places: Vec<Place<'a>>, world: Option<&str>) -> Result<Place<'a>> {
    let names: Vec<String> = places.iter().map(|place| format!("`{}`", place.world)).collect();
    if let Some(world) = world {
        let found = places.into_iter().find(|place| place.world == world);
        return found.ok_or_else(|| {
            let error = Error::usage(format!("there is no world `{world}` in the project's WIT"));
            if names.is_empty() { error } else { error.hint(format!("there is: {}", names.join(", "))) }
        });
    }
    match places.len() {
        1 => Ok(places.remove(0)),
        0 => Err(Error::failed("there is no world in the project's WIT")
            .hint("write one, for example: world component { export wasi:cli/run@0.2.12; }")),
        _ => Err(Error::usage(format!("there are {} worlds in the project's WIT: {}", names.len(), names.join(", ")))
            .hint(format!("say which one: --world {}", names[0].trim_matches('`')))),
    }
}

/// The white space in front of the line of `at`.
fn indent_at(text: &str, at: usize) -> String {
    let line = &text[text[..at].rfind('\n').map_or(0, |end| end + 1)..];
    line.chars().take_while(|letter| *letter == ' ' || *letter == '\t').collect()
}

/// Where the line of `at` ends: before its line break.
fn end_of_line(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    if text[..end].ends_with('\r') { end - 1 } else { end }
}

/// A statement with its documentation, and its lines where nothing else is on them.
fn whole_lines(text: &str, range: &Range<usize>, body: &Range<usize>) -> Range<usize> {
    let line_start = text[..range.start].rfind('\n').map_or(0, |end| end + 1);
    let after = &text[range.end..body.end.min(text.len())];
    let rest = after.split('\n').next().unwrap_or_default().trim();
    let is_alone = line_start >= body.start
        && text[line_start..range.start].trim().is_empty()
        && (rest.is_empty() || rest.starts_with("//"))
        && after.contains('\n');
    if !is_alone {
        // ` import a:b/c;` within a line: the space in front is its own.
        let space = text[..range.start].len() - text[..range.start].trim_end_matches(' ').len();
        return range.start - space.min(1)..range.end;
    }
    let mut start = line_start;
    while start > body.start {
        let above = text[..start - 1].rfind('\n').map_or(0, |end| end + 1);
        if above < body.start || !text[above..start].trim_start().starts_with("///") {
            break;
        }
        start = above;
    }
    let end = text[range.end..].find('\n').map_or(text.len(), |end| range.end + end + 1);
    start..end
}

fn without_space(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(text: &str) -> Package {
        let file = File { name: "world.wit".into(), shown: "wit/world.wit".into(), text: text.into() };
        Package::parse(vec![file]).unwrap()
    }

    fn added(text: &str, interfaces: &[&str]) -> String {
        let interfaces: Vec<String> = interfaces.iter().map(ToString::to_string).collect();
        add(&package(text), None, Keyword::Import, &interfaces).unwrap().0.map_or_else(|| text.into(), |c| c.text)
    }

    fn removed(text: &str, wanted: &str) -> String {
        let (changed, _) = remove(&package(text), &Wanted::parse(wanted).unwrap()).unwrap();
        changed.into_iter().next().map_or_else(|| text.into(), |changed| changed.text)
    }

    #[test]
    fn an_import_goes_after_the_last_import_and_leaves_everything_else() {
        let text = "package a:b;\n\n// The world.\nworld w {\n    // first\n    import wasi:io/poll@0.2.12; // why\n\n    \
                    /// The handler.\n    export wasi:http/incoming-handler@0.2.12;\n}\n// end";
        let with = added(text, &["wasi:keyvalue/store@0.2.0-draft", "wasi:keyvalue/atomics@0.2.0-draft"]);
        assert_eq!(
            with,
            "package a:b;\n\n// The world.\nworld w {\n    // first\n    import wasi:io/poll@0.2.12; // why\n    \
             import wasi:keyvalue/store@0.2.0-draft;\n    import wasi:keyvalue/atomics@0.2.0-draft;\n\n    \
             /// The handler.\n    export wasi:http/incoming-handler@0.2.12;\n}\n// end"
        );
        assert_eq!(removed(&with, "wasi:keyvalue"), text, "removing undoes adding");
        let one = removed(&with, "wasi:keyvalue/atomics");
        assert!(one.contains("store@") && !one.contains("atomics"), "{one}");
    }

    #[test]
    fn worlds_of_every_shape_are_added_to_and_restored() {
        for text in [
            "package a:b;\nworld w {\n  export wasi:cli/run@0.2.12;\n}\n",
            "package a:b;\nworld w { export wasi:cli/run@0.2.12; }\n",
            "package a:b;\r\nworld w {\r\n\texport wasi:cli/run@0.2.12;\r\n}\r\n",
            "package a:b;\nworld w {\n}\n",
            "package a:b;\nworld w { // comment\n  // only\n}\n",
            "package a:b;\nworld w {\n  import f: func() -> u8; import g: interface { h: func(); }\n}\n",
            "package a:b;\nworld w {\n  include wasi:cli/imports@0.2.12;\n  use wasi:io/poll@0.2.12.{pollable};\n}",
        ] {
            let with = added(text, &["acme:x/y@1.0.0"]);
            assert!(with.contains("import acme:x/y@1.0.0;"), "{with}");
            package(&with);
            assert_eq!(removed(&with, "acme:x"), text, "{with:?}");
            assert_eq!(added(&with, &["acme:x/y@1.0.0"]), with, "a second time changes nothing");
        }
        assert_eq!(added("package a:b;\nworld w {}\n", &["a:c/d"]), "package a:b;\nworld w {\n  import a:c/d;\n}\n");
    }

    #[test]
    fn documentation_goes_with_its_statement_and_comments_of_others_stay() {
        let text = "package a:b;\nworld w {\n  // Storage:\n  /// Keys.\n  @since(version = 1.0.0)\n  \
                    import wasi:keyvalue/store@0.2.0-draft; // needed\n  // Time:\n  import wasi:clocks/wall-clock@0.2.12;\n}\n";
        assert_eq!(
            removed(text, "wasi:keyvalue"),
            "package a:b;\nworld w {\n  // Storage:\n  // Time:\n  import wasi:clocks/wall-clock@0.2.12;\n}\n"
        );
        assert_eq!(removed(text, "wasi:keyvalue@0.1.0"), text, "another version is meant");
    }

    #[test]
    fn several_worlds_need_a_choice() {
        let package = package("package a:b;\nworld one {}\nworld two {\n}\n");
        let interfaces = ["a:c/d".to_string()];
        let error = add(&package, None, Keyword::Import, &interfaces).unwrap_err();
        assert_eq!(error.message(), "there are 2 worlds in the project's WIT: `one`, `two`");
        assert_eq!(error.hints(), ["say which one: --world one"]);
        let (changed, _) = add(&package, Some("two"), Keyword::Import, &interfaces).unwrap();
        assert_eq!(changed.unwrap().text, "package a:b;\nworld one {}\nworld two {\n  import a:c/d;\n}\n");
        assert_eq!(
            add(&package, Some("x"), Keyword::Import, &interfaces).unwrap_err().hints(),
            ["there is: `one`, `two`"]
        );
    }

    #[test]
    fn versions_are_set_wherever_they_are_named() {
        let file = File {
            name: "a.wit".into(),
            shown: "a.wit".into(),
            text: "package a:b;\n// wasi:io/poll@0.2.0\ninterface i { use wasi:io/poll@0.2.0.{pollable}; }\nworld w { import \
                   wasi:io/poll@0.2.0; import wasi:io/error@0.2.1; }"
                .into(),
        };
        let moves = [(Name::parse("wasi:io").unwrap(), Version::new(0, 2, 0), Version::new(0, 2, 12))];
        let changed = set_versions(&[file], &moves);
        assert_eq!(
            changed[0].text,
            "package a:b;\n// wasi:io/poll@0.2.0\ninterface i { use wasi:io/poll@0.2.12.{pollable}; }\nworld w { import \
             wasi:io/poll@0.2.12; import wasi:io/error@0.2.1; }"
        );
    }
}
