//! `--why IMPORT`: which imports are meant, and the answer as text.

use super::text::{Page, counted, plain};
use crate::component::Kind;
use crate::component::inspect::{self, FunctionWhy, Inspection, Way, Why};
use crate::error::{Error, Result};

use super::source::Subject;

/// Explains the imports that `wanted` names.
///
/// Errors: no import has such a name; then those that there are are listed.
pub(super) fn explain(subject: &Subject, inspection: &Inspection, wanted: &str) -> Result<Vec<Why>> {
    let description = &inspection.description;
    if description.kind == Kind::WitPackage {
        return Err(Error::usage(format!("`{}` is a WIT package: nothing in it calls an import", subject.name))
            .hint("name a component: wash inspect --why IMPORT component.wasm"));
    }
    // `wasi:io/streams#read` and `wasi:io/streams.read` mean one function.
    let (interface, function) = match wanted.split_once('#') {
        Some((interface, function)) => (interface, Some(function)),
        None => (wanted, None),
    };
    let named: Vec<&String> = description.imports.iter().filter(|import| is_named(import, interface)).collect();
    if named.is_empty() {
        return Err(no_such_import(subject, &description.imports, wanted));
    }
    let mut answers = inspect::why(&subject.bytes, &description.imports, |import| is_named(import, interface))
        .map_err(|_| Error::failed(format!("`{}` is put together of too many parts to be followed", subject.name)))?;
    if let Some(function) = function {
        for answer in &mut answers {
            answer.functions.retain(|known| known.name == function || method(&known.name) == function);
        }
        if answers.iter().all(|answer| answer.functions.is_empty()) {
            return Err(Error::failed(format!(
                "`{}` does not use a function `{function}` of `{interface}`",
                subject.name
            ))
            .hint(format!("see those that it uses: wash inspect --why {interface} {}", subject.name)));
        }
    }
    Ok(answers)
}

/// `read` of `[method]input-stream.read`.
fn method(name: &str) -> &str {
    name.rsplit(['.', ']']).next().unwrap_or(name)
}

/// Whether an import is meant by a name in full, without its version, by its package, or by the part
/// behind the slash.
fn is_named(import: &str, wanted: &str) -> bool {
    let bare = import.split('@').next().unwrap_or(import);
    let package = |name: &str| name.split('/').next().unwrap_or_default().to_string();
    let version = import.split_once('@').map_or("", |(_, version)| version);
    let is_component_import = bare.contains('/');
    import == wanted
        || bare == wanted
        || is_component_import && (package(bare) == wanted || format!("{}@{version}", package(bare)) == wanted)
        || bare.split_once('/').is_some_and(|(_, interface)| interface == wanted)
        || !is_component_import
            && import.split_once('.').is_some_and(|(module, name)| module == wanted || name == wanted)
}

fn no_such_import(subject: &Subject, imports: &[String], wanted: &str) -> Error {
    let error = Error::failed(format!("`{}` does not import `{wanted}`", subject.name));
    if imports.is_empty() {
        return error.cause("it imports nothing");
    }
    let near = imports
        .iter()
        .max_by(|one, other| strsim::jaro_winkler(one, wanted).total_cmp(&strsim::jaro_winkler(other, wanted)));
    let list: Vec<String> = imports.iter().take(60).map(|import| format!("  {}", plain(import))).collect();
    let error = error.details(format!("it imports\n{}", list.join("\n")));
    match near {
        Some(near) => error.hint(format!("name one of them: wash inspect --why {} {}", plain(near), subject.name)),
        None => error,
    }
}

/// The answer for people.
pub(super) fn text(answers: &[Why], verbose: bool) -> String {
    let mut lines = Vec::new();
    let mut has_guesses = false;
    for answer in answers {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(plain(&answer.import));
        if answer.functions.is_empty() {
            lines.push("  is imported for its types: no function of it is called".to_string());
            continue;
        }
        let reached: Vec<(&FunctionWhy, &Way)> =
            answer.functions.iter().filter_map(|function| Some((function, function.way.as_ref()?))).collect();
        for (function, way) in reached.iter().take(if verbose { usize::MAX } else { 1 }) {
            has_guesses |= way.ends_guessed || way.steps.iter().any(|step| step.guessed);
            show(&mut lines, function, way);
        }
        let others: Vec<&str> = reached.iter().skip(1).map(|(function, _)| function.name.as_str()).collect();
        if !others.is_empty() && !verbose {
            list(&mut lines, "also called, shown with --verbose:", &others);
        }
        let unreached: Vec<&str> = answer
            .functions
            .iter()
            .filter(|function| function.way.is_none())
            .map(|function| function.name.as_str())
            .collect();
        if !unreached.is_empty() {
            list(&mut lines, "in the file, and nothing seen leads to it:", &unreached);
        }
    }
    if has_guesses {
        lines.push(String::new());
        lines
            .push("may call: through a function pointer; every function of its type is taken into account".to_string());
    }
    lines.join("\n")
}

/// A title with names below it, wrapped.
fn list(lines: &mut Vec<String>, title: &str, names: &[&str]) {
    let mut page = Page::default();
    page.list("", "", &names.iter().map(ToString::to_string).collect::<Vec<_>>());
    lines.push(format!("  {title}"));
    lines.extend(page.lines.iter().map(|line| format!("    {}", line.trim_start())));
}

/// Longer ways are shown with a hole.
const LONG: usize = 30;

fn show(lines: &mut Vec<String>, function: &FunctionWhy, way: &Way) {
    lines.push(match &way.export {
        Some(export) => format!("  export {}", plain(export)),
        None => "  when the component is instantiated".to_string(),
    });
    let verb = |guessed: bool| if guessed { "may call" } else { "calls" };
    // The name of the module, where there are several and it is another one than before.
    let mut module: Option<&str> = None;
    let several = way.steps.iter().any(|step| step.module != way.steps[0].module);
    for (index, step) in way.steps.iter().enumerate() {
        if way.steps.len() > LONG && index == LONG / 2 {
            lines.push(format!("    \u{2026} {} in between", counted(way.steps.len() - LONG, "call")));
        }
        let hidden = way.steps.len() > LONG && (LONG / 2..way.steps.len() - LONG / 2).contains(&index);
        if hidden {
            continue;
        }
        let of = match step.module.as_deref() {
            Some(name) if several && module != Some(name) => format!("  (in {})", plain(name)),
            _ => String::new(),
        };
        module = step.module.as_deref();
        lines.push(format!("    {:<9} {}{of}", verb(step.guessed), plain(&step.function)));
    }
    lines.push(format!("    {:<9} {}, which is imported", verb(way.ends_guessed), plain(&function.name)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_go_by_several_names() {
        let import = "wasi:io/streams@0.2.3";
        for name in [import, "wasi:io/streams", "wasi:io", "wasi:io@0.2.3", "streams"] {
            assert!(is_named(import, name), "{name}");
        }
        for name in ["wasi:io/poll", "wasi", "stream", "wasi:io@0.2.4", ""] {
            assert!(!is_named(import, name), "{name}");
        }
        assert!(is_named("env.log", "log") && is_named("env.log", "env") && is_named("tick", "tick"));
        assert_eq!((method("[method]input-stream.read"), method("open")), ("read", "open"));
    }
}
