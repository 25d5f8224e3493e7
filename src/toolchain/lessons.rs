//! What the messages of tools mean: a sentence and the next step, behind the tool's own text.
//!
//! [`LESSONS`] is a table. Each has an example in `tests/failures/`, as the real tool wrote it, with
//! what wash makes of it. `tests/failures/quoted/` has those of tools that no registry carries, as their
//! users have reported them.

use crate::error::Error;

/// A message that more people have met than have understood.
struct Lesson {
    /// Parts of the text, all of them. In the first one `{}` stands for a name, on one line.
    says: &'static [&'static str],
    /// What it means; `{}` is the name.
    means: &'static str,
    /// What to type or change; `{}` is the name, `{-}` the same as WIT writes it.
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
    Lesson {
        says: &["No module named venv"],
        means: "this Python came without its module venv",
        next: "install it with your system's packages, e.g. apt-get install python3-venv",
    },
    // C.
    Lesson {
        says: &["'stdio.h' file not found"],
        means: "clang was not told where wasi-libc is, or it is not installed for this target",
        next: "wash doctor says what is missing; a Makefile passes --target=wasm32-wasi --sysroot=FOLDER",
    },
    Lesson {
        says: &["cannot open crt1", "No such file or directory"],
        means: "the linker found no wasi-libc: it is not installed for this target, or in another folder",
        next: "wash doctor says what is missing; a Makefile passes --target=wasm32-wasi --sysroot=FOLDER",
    },
    Lesson {
        says: &["cannot open {}libclang_rt.builtins-wasm32.a"],
        means: "compiler-rt for WebAssembly is not where this clang looks for it",
        next: "wash doctor finds it or says what brings it; a Makefile links with -nodefaultlibs -lc and its path",
    },
    Lesson {
        says: &["No available targets are compatible with triple \"{}\""],
        means: "this clang was built without WebAssembly ({}), as Apple's is",
        next: "brew install llvm lld, and name that clang: export CC=$(brew --prefix llvm)/bin/clang",
    },
    Lesson {
        says: &["#include \"{}.h\"", "' file not found"],
        means: "there is no header `{}.h`; if it has the bindings of a world, they were not made yet",
        next: "wit-bindgen c --world {-} --out-dir gen wit",
    },
    Lesson {
        says: &["fatal error: '{}' file not found"],
        means: "`{}` is in no folder in which clang looks",
        next: "add its folder: CFLAGS below `build.env` of the settings, with -I",
    },
    Lesson {
        says: &["compile with -D_WASI_EMULATED_{} "],
        means: "WASI does not have this; wasi-libc imitates it ({}) where that is asked for",
        next: "set CFLAGS and LDFLAGS below `build.env` of the settings, as the message says",
    },
    Lesson {
        says: &["undefined symbol: __component_type_object_force_link_{}"],
        means: "the bindings are of a world `{}`, which is not the one in wit/",
        next: "wit-bindgen c --world {-} --out-dir gen wit",
    },
    Lesson {
        says: &["undefined symbol: exports_{}"],
        means: "the world exports a function that no source has: exports_{}",
        next: "write it; the header in gen/ declares what the world exports",
    },
    Lesson {
        says: &["duplicate symbol: {}"],
        means: "`{}` is defined in two sources, and all in the project's folder, in src/ and in gen/ are linked",
        next: "remove or move one of them; `static` keeps a function to its file",
    },
    Lesson {
        says: &["undefined symbol: main", "__main_"],
        means: "the program has no `main`; a component that is called has its world in wit/",
        next: "write `int main(void)`, or put the world into wit/",
    },
    Lesson {
        says: &["undefined symbol: wasi_{}"],
        means: "the bindings have no wasi_{}: the world does not import its interface, or they are older than wit/",
        next: "import the interface in wit/, then make the bindings again: wit-bindgen c --world WORLD --out-dir gen wit",
    },
    Lesson {
        says: &["call to undeclared function 'wasi_{}'"],
        means: "the bindings have no wasi_{}: the world does not import its interface, or they are older than wit/",
        next: "import the interface in wit/, then make the bindings again: wit-bindgen c --world WORLD --out-dir gen wit",
    },
    Lesson {
        says: &["undefined symbol: {}", "wasm-ld"],
        means: "`{}` is called, and no source and no library has it",
        next: "correct its name, or link what has it: LDFLAGS below `build.env` of the settings, with -l",
    },
    Lesson {
        says: &["call to undeclared function '{}'"],
        means: "`{}` is called, and no header that is included declares it",
        next: "include its header, or correct the name",
    },
    // Go.
    Lesson {
        says: &["go.mod requires go >= {} (running"],
        means: "the project wants Go {}, and the one that is installed is older and may not fetch it",
        next: "install that Go, or let this one fetch it: GOTOOLCHAIN=auto",
    },
    Lesson {
        says: &["go: download {}: toolchain not available"],
        means: "there is no {} to be had: the line `go` of go.mod asks for it, and the network may be off (GOPROXY)",
        next: "install that Go, or write the version of yours into go.mod: go mod edit -go=1.24",
    },
    Lesson {
        says: &["unsupported GOOS/GOARCH pair wasip1/wasm"],
        means: "this Go is older than WASI",
        next: "install Go 1.24 or newer: https://go.dev/doc/install",
    },
    Lesson {
        says: &["-buildmode=c-shared not supported on wasip1/wasm"],
        means: "this Go makes programs for WASI, and no functions for a host to call; that came with Go 1.24",
        next: "install Go 1.24 or newer: https://go.dev/doc/install",
    },
    Lesson {
        says: &["no required module provides package {}; to add it"],
        means: "`{}` is imported, and go.mod does not name it",
        next: "go get {}",
    },
    Lesson {
        says: &["missing go.sum entry"],
        means: "go.mod names a module whose digest is not in go.sum",
        next: "go mod tidy",
    },
    Lesson {
        says: &["module lookup disabled by GOPROXY=off"],
        means: "a module is not on this machine, and the build may not use the network",
        next: "go mod download, while there is a network",
    },
    Lesson {
        says: &["Get \"https://{}/", "dial tcp", "go: downloading"],
        means: "go could not reach `{}`",
        next: "look at the network, and at `go env GOPROXY`; what was fetched once builds with GOFLAGS=-mod=readonly",
    },
    Lesson {
        says: &["replacement directory {} does not exist"],
        means: "go.mod replaces a module by a folder that is not there: {}",
        next: "bring the folder back, or take the line `replace` out of go.mod: go mod edit -dropreplace=MODULE",
    },
    Lesson {
        says: &["inconsistent vendoring"],
        means: "the folder `vendor` is older than go.mod",
        next: "go mod vendor, or without that folder: GOFLAGS=-mod=mod below `build.env` of the settings",
    },
    Lesson {
        says: &["-buildmode=c-shared requires exactly one main package"],
        means: "the project's folder has no `package main`, which a component is made of",
        next: "begin its files with `package main`, and add `func main() {}`",
    },
    Lesson {
        says: &["package {}: build constraints exclude all Go files"],
        means: "no file of `{}` is for wasip1: a `//go:build` line, the end of a file's name or `import \"C\"` excludes them",
        next: "remove what excludes them; there is no cgo for WebAssembly",
    },
    Lesson {
        says: &["cgo: unknown ptrSize for $GOARCH \"wasm\""],
        means: "there is no cgo for WebAssembly, and something has asked for it",
        next: "set CGO_ENABLED to \"0\" below `build.env` of the settings, and do without `import \"C\"`",
    },
    Lesson {
        says: &["-race is not supported on wasip1"],
        means: "GOFLAGS has `-race`, which is for other targets",
        next: "set GOFLAGS to \"\" below `build.env` of the settings",
    },
    Lesson {
        says: &["go.bytecodealliance.org/pkg/wit/runtime: invalid reference to {}"],
        means: "the bindings use an inner function of Go, {}, and the linker was not told to let them",
        next: "go build -buildmode=c-shared -ldflags=-checklinkname=0",
    },
    // TinyGo.
    Lesson {
        says: &["requires go version {}, got go"],
        means: "this TinyGo works with Go {}, and the `go` in the PATH is another",
        next: "install a newer TinyGo (https://tinygo.org/getting-started/install), or put such a Go first in the PATH",
    },
    Lesson {
        says: &["flag provided but not defined: -wit-"],
        means: "this TinyGo is older than components, which came with 0.33",
        next: "install a newer TinyGo: https://tinygo.org/getting-started/install",
    },
    Lesson {
        says: &["could not find wasm-opt, set the WASMOPT"],
        means: "TinyGo finishes WebAssembly with wasm-opt, which is not installed",
        next: "install binaryen, which has it: apt-get install binaryen, or brew install binaryen",
    },
];

/// Adds to the error of a failed build what the text of its tool means, where that is known.
pub(super) fn explain(error: Error, text: &str) -> Error {
    let known = LESSONS.iter().find_map(|lesson| Some((lesson, lesson.applies(text)?)));
    let Some((lesson, name)) = known else { return error };
    let filled = |pattern: &str| pattern.replace("{}", name).replace("{-}", &name.replace('_', "-"));
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
        let files = |folder: &str| std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let texts = files(folder).chain(files(&format!("{folder}/quoted"))).filter(|path| path.is_file());
        let texts: Vec<String> = texts.map(|path| std::fs::read_to_string(path).unwrap()).collect();
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
        let cell = |text: &str| text.trim().replace('|', "\\|").replace("{}", "…").replace("{-}", "…");
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
