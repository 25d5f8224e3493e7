//! What the messages of tools mean: a sentence and the next step, behind the tool's own text.
//!
//! [`LESSONS`] is a table. Each has an example in `tests/failures/`, as the real tool wrote it, with
//! what wash makes of it.

use super::hints;
use crate::error::Error;

/// A message that more people have met than have understood.
struct Lesson {
    /// Parts of the text, all of them. In the first one `{}` stands for a name, on one line.
    says: &'static [&'static str],
    /// What it means; `{}` is the name.
    means: &'static str,
    /// What to type or change; `{}` is the name.
    next: &'static str,
}

/// In the order in which they are tried: what is more special stands first.
const LESSONS: &[Lesson] = &[
    Lesson {
        says: &["the `{}` target may not be installed"],
        means: "the standard library of Rust for `{}` is not installed",
        next: "rustup target add {}",
    },
    Lesson {
        says: &["package '{}' not found. known packages:"],
        means: "the project's WIT names `{}`, and its text is not in wit/deps in this version",
        next: "wash wit fetch; wash wit check shows which versions are there",
    },
    Lesson {
        says: &["has an incompatible type for trait", "wit_bindgen::generate"],
        means: "a function of the component has another signature than the world says",
        next: "change the function as the compiler shows, or its line in wit/",
    },
    Lesson {
        says: &["`{}` have similar names, but are actually distinct types"],
        means: "bindings were generated more than once, and each time made a type of its own for the same type of WIT",
        next: "generate them once, or point to the others: wit_bindgen::generate!({ with: { \"PACKAGE/INTERFACE\": path::to::it } })",
    },
    Lesson {
        says: &["failed to parse core wasm for componentization", "expected section, got wasm magic number"],
        means: "two calls of `wit_bindgen::generate!` have worlds of the same name, which the linker takes for one",
        next: "give each world a name of its own, or generate all bindings in one call",
    },
    Lesson {
        says: &["Only features {} are supported on wasm"],
        means: "tokio has only these features in a component: {}",
        next: "tokio = { version = \"1\", default-features = false, features = [\"rt\", \"macros\", \"sync\", \"time\"] }",
    },
    Lesson {
        says: &["current package believes it's in a workspace when it's not"],
        means: "a folder above has a Cargo workspace that does not know this project",
        next: "add a line `[workspace]` to the project's Cargo.toml",
    },
    Lesson {
        says: &["because --locked was passed"],
        means: "the lock file would have to change, and the build command forbids that",
        next: "cargo generate-lockfile",
    },
    Lesson {
        says: &["no matching package named `{}` found", "you're using offline mode (--offline)"],
        means: "the crate `{}` is not on this machine, and the build may not use the network",
        next: "cargo fetch, while there is a network",
    },
    Lesson {
        says: &["rustc {} is not supported by the following package"],
        means: "Rust {} is too old for the packages named above",
        next: "rustup update",
    },
    Lesson {
        says: &["failed to download from `{}`"],
        means: "cargo could not reach `{}`",
        next: "look at the network and at HTTPS_PROXY; what was fetched once builds with --offline",
    },
    Lesson {
        says: &["failed to get path metadata: No such file or directory (os error 44)", "jco"],
        means: "@bytecodealliance/preview2-shim 0.26.1 and newer do not work with this jco",
        next: "put `\"overrides\": { \"@bytecodealliance/preview2-shim\": \"0.26.0\" }` into package.json, then: npm install",
    },
    Lesson {
        says: &["failed to find export of interface `{}` function"],
        means: "the world exports `{}`, and the script does not; a listener for `fetch` counts only up to wasi:http 0.2.10",
        next: "export it by its name in camel case, e.g. export const incomingHandler = { handle(request, response) { … } }",
    },
    Lesson {
        says: &["local binding for export '{}' not found"],
        means: "`{}` stands behind code that never comes to an end, such as a `throw`, and was left out of the bundle",
        next: "move what throws at the top of the script into a function",
    },
    Lesson {
        says: &["Error loading module \"{}\"", "Failed to initialize component"],
        means: "the module `{}` is not installed, or is one of Node.js that components do not have",
        next: "npm install {}",
    },
    Lesson {
        says: &["World `{}` not found in package"],
        means: "the build names the world `{}`, and wit/ has none of that name",
        next: "wash wit show prints the worlds; name one of them behind --world-name",
    },
    Lesson {
        says: &["Unable to resolve `Some(\"{}\")`", "Available worlds"],
        means: "the build names the world `{}`, and wit/ has none of that name",
        next: "name one of the worlds above behind --world",
    },
    Lesson {
        // npm shows what it runs behind `>`.
        says: &["sh: 1: {}: not found", "\n> "],
        means: "`{}` belongs to the project's packages, which are not installed",
        next: "npm install",
    },
    Lesson {
        says: &["npm error code {}", "npm error FetchError"],
        means: "npm could not reach its registry ({})",
        next: "look at the network, and at `npm config get registry` and `npm config get proxy`",
    },
    Lesson {
        says: &["No module named componentize_py"],
        means: "componentize-py is not installed in the Python that the build uses",
        next: "python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1",
    },
    Lesson {
        says: &["AssertionError: ModuleNotFoundError: No module named '{}'"],
        means: "componentize-py found no module `{}` to make a component of",
        next: "name the file without `.py`, and its folder behind --python-path",
    },
    Lesson {
        says: &["ModuleNotFoundError: No module named '{}'", "componentize-py"],
        means: "`{}` is not where componentize-py looks, which is beside the component's module",
        next: "install it, and name its folder: --python-path . --python-path .venv/lib/python3.11/site-packages",
    },
    Lesson {
        says: &["has no attribute '{}'", "AssertionError: AttributeError: module"],
        means: "the world exports an interface for which the module needs a class `{}`",
        next: "from wit_world import exports, then: class {}(exports.{}), with a method for each function",
    },
];

/// Adds to the error of a failed build what the text of its tool means, where that is known.
pub(super) fn explain(error: Error, text: &str) -> Error {
    let known = LESSONS.iter().find_map(|lesson| Some((lesson, lesson.applies(text)?)));
    let Some((lesson, name)) = known else {
        // Words that explain themselves, and only leave out what to do.
        return match hints::hint(text) {
            Some(hint) => error.hint(hint),
            None => error,
        };
    };
    let filled = |pattern: &str| pattern.replace("{}", name);
    error.cause(filled(lesson.means)).hint(filled(lesson.next))
}

impl Lesson {
    /// The name for `{}`, empty where there is none; `None` if the text does not say this.
    fn applies<'a>(&self, text: &'a str) -> Option<&'a str> {
        let (first, others) = self.says.split_first()?;
        if !others.iter().all(|part| text.contains(part)) {
            return None;
        }
        let Some((before, after)) = first.split_once("{}") else { return text.contains(first).then_some("") };
        text.match_indices(before).find_map(|(at, _)| {
            let line = text[at + before.len()..].lines().next()?;
            let name = if after.is_empty() { line.trim() } else { line.split_once(after)?.0 };
            // Names are shown in commands to be typed: nothing but a name may be one.
            (!name.is_empty() && name.len() <= 120).then_some(name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(text: &str) -> (Vec<String>, Vec<String>) {
        let error = explain(Error::failed("the build command failed"), text);
        (error.causes().to_vec(), error.hints().to_vec())
    }

    #[test]
    fn the_name_is_taken_from_the_line() {
        let (causes, hints) = explained("note: the `wasm32-wasip1` target may not be installed\nhelp: …");
        assert!(causes[0].contains("`wasm32-wasip1`"), "{causes:?}");
        assert_eq!(hints, ["rustup target add wasm32-wasip1"]);
    }

    /// Every message that is known was written by the real tool, once, and is kept.
    #[test]
    fn each_lesson_has_an_example() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/failures");
        let files =
            std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        let texts: Vec<String> = files.collect();
        for lesson in LESSONS {
            let first_for = |text: &String| {
                let first = LESSONS.iter().find(|lesson| lesson.applies(text).is_some());
                first.is_some_and(|first| first.means == lesson.means)
            };
            assert!(texts.iter().any(first_for), "no file of tests/failures has: {:?}", lesson.says);
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "accepting a change is asked for through the environment")]
    fn the_page_lists_the_lessons() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/troubleshooting.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (begin, end) = ("<!-- made from src/toolchain/lessons.rs -->\n", "<!-- as far as here -->");
        let (head, rest) = page.split_once(begin).unwrap();
        let (_, tail) = rest.split_once(end).unwrap();
        let mut table = String::from("| the tool says | it means | next |\n| --- | --- | --- |\n");
        let cell = |text: &str| text.replace('|', "\\|").replace("{}", "…");
        for Lesson { says, means, next } in LESSONS {
            let says: Vec<String> = says.iter().map(|part| format!("`` {} ``", cell(part))).collect();
            table.push_str(&format!("| {} | {} | {} |\n", says.join(" and "), cell(means), cell(next)));
        }
        let made = format!("{head}{begin}{table}{end}{tail}");
        if std::env::var_os("WASH_ACCEPT").is_some() {
            std::fs::write(path, &made).unwrap();
        } else {
            assert_eq!(page, made, "docs/troubleshooting.md is stale: WASH_ACCEPT=1 cargo test --lib lessons");
        }
    }

    #[test]
    fn what_is_not_known_stays_as_it_is() {
        assert_eq!(explained("error[E0308]: mismatched types"), (vec![], vec![]));
        assert_eq!(explained("the `a\nb` target may not be installed"), (vec![], vec![]));
        assert_eq!(explained(""), (vec![], vec![]));
    }
}
