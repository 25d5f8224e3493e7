//! Renaming a project throughout: package, artifact path, WIT package, world, lock files, docs.
//!
//! The old names are those of the template's folder and of its manifests. A whole word (what
//! stands between characters other than ASCII letters, digits, `-` and `_`) that is an old name is
//! replaced, in every text file and in the names of files:
//!
//! - spelled with `-`, it becomes the new name as typed; spelled with `_`, the new name with `_`;
//! - where WIT names are written (`.wit` files, `--world-name x`, `world: "x"`, `"ns:x/…"`) it
//!   becomes the new name as WIT spells it, and as the `name` in `package.json` it is lowercase;
//! - within a URL it stays: that names somebody else's place. So does `wit/deps`.
//!
//! An old name without `-` and `_` (`app`, `hello`) is an ordinary word, too. It is replaced only
//! where it is certainly the name of the project: the `name` in manifests and lock files, the
//! artifact `app.wasm`, the WIT package and world, and `app::` in programs beside the library.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::name::{Name, is_part_of_name};

/// Files in which `name` is the name of a package.
const MANIFESTS: [&str; 7] = [
    "Cargo.toml",
    "Cargo.lock",
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pyproject.toml",
    "uv.lock",
];

/// What stands before the name of a world, without quotes, `=` and `:`.
const WORLD: [&str; 9] =
    ["world", "--world", "--world-name", "-w", "-n", "world-name", "world_name", "worldname", "witworld"];

/// Old names, and the new one that takes their place.
pub(super) struct Renaming {
    old: Vec<Old>,
    new: Name,
    /// Cargo spells the artifact of a program as typed, and that of a library with `_`.
    is_program: bool,
}

struct Old {
    kebab: String,
    snake: String,
}

impl Old {
    fn is_ordinary_word(&self) -> bool {
        self.kebab == self.snake
    }
}

/// What a file is, as far as names in it are concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Wit,
    NpmManifest,
    Manifest,
    /// Rust beside the library: it calls the library by its name.
    RustProgram,
    Other,
}

/// An old name at its place in a line.
struct Found<'a> {
    kind: Kind,
    /// The line up to the name.
    before: &'a str,
    word: &'a str,
    /// The text from the name on.
    after: &'a str,
}

impl Renaming {
    /// Takes whatever the project was called; what cannot be a name is left out.
    pub fn new(old: &BTreeSet<String>, new: &Name, is_program: bool) -> Self {
        let old = old
            .iter()
            .filter(|name| !name.is_empty() && name.chars().all(is_part_of_name))
            .map(|name| Old { kebab: name.replace('_', "-"), snake: name.replace('-', "_") })
            .collect();
        Renaming { old, new: new.clone(), is_program }
    }

    /// The path of a file in the new project. Ordinary words stay.
    pub fn path(&self, path: &Path) -> PathBuf {
        let rename = |name: &OsStr| -> Option<String> {
            let text = name.to_str()?;
            let renamed = replace_words(text, |_, word, _| {
                let old = self.old.iter().find(|old| !old.is_ordinary_word() && old.matches(word))?;
                Some(if word == old.snake { self.new.snake() } else { self.new.as_typed().to_string() })
            });
            match renamed {
                Cow::Owned(name) => Some(name),
                Cow::Borrowed(_) => None,
            }
        };
        path.components()
            .map(|part| match part {
                Component::Normal(name) => rename(name).map_or_else(|| name.to_os_string(), Into::into),
                other => other.as_os_str().to_os_string(),
            })
            .collect()
    }

    /// The content of a file in the new project: renamed if it is text.
    pub fn bytes(&self, path: &Path, bytes: Vec<u8>) -> Vec<u8> {
        if bytes.contains(&0) || is_vendored(path) {
            return bytes;
        }
        match String::from_utf8(bytes) {
            Ok(text) => match self.text(path, &text) {
                Cow::Borrowed(_) => text.into_bytes(),
                Cow::Owned(renamed) => renamed.into_bytes(),
            },
            Err(error) => error.into_bytes(),
        }
    }

    fn text<'a>(&self, path: &Path, text: &'a str) -> Cow<'a, str> {
        let kind = Kind::of(path, text);
        replace_words(text, |before, word, after| {
            let old = self.old.iter().find(|old| old.matches(word))?;
            let before = &before[before.rfind('\n').map_or(0, |end| end + 1)..];
            let found = Found { kind, before, word, after };
            if found.is_in_url() {
                None
            } else if old.is_ordinary_word() {
                self.instead_of_ordinary_word(&found)
            } else {
                Some(self.instead_of_compound(&found, old))
            }
        })
    }

    fn instead_of_compound(&self, found: &Found<'_>, old: &Old) -> String {
        if found.word == old.snake {
            self.new.snake()
        } else if found.kind == Kind::Wit || found.is_world() || found.is_wit_package() {
            self.new.wit()
        } else if found.kind == Kind::NpmManifest && found.is_value_of_name() {
            self.new.lowercase()
        } else {
            self.new.as_typed().to_string()
        }
    }

    fn instead_of_ordinary_word(&self, found: &Found<'_>) -> Option<String> {
        if found.is_wit_package() || found.is_world() && (found.kind == Kind::Wit || found.is_quoted_or_flag()) {
            return Some(self.new.wit());
        }
        match found.kind {
            Kind::NpmManifest if found.is_value_of_name() => return Some(self.new.lowercase()),
            Kind::Manifest if found.is_value_of_name() => return Some(self.new.as_typed().to_string()),
            Kind::RustProgram if found.after[found.word.len()..].starts_with("::") => return Some(self.new.snake()),
            _ => {}
        }
        found.is_artifact().then(|| if self.is_program { self.new.as_typed().to_string() } else { self.new.snake() })
    }
}

impl Old {
    fn matches(&self, word: &str) -> bool {
        word == self.kebab || word == self.snake
    }
}

impl Kind {
    fn of(path: &Path, text: &str) -> Self {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        let starts = |folder: &str| path.starts_with(folder);
        match name {
            "package.json" | "package-lock.json" | "npm-shrinkwrap.json" => Kind::NpmManifest,
            _ if MANIFESTS.contains(&name) => Kind::Manifest,
            _ if extension == "wit" => Kind::Wit,
            // A file with modules of its own may have one that is called like the library.
            _ if extension == "rs" && !text.contains("mod ") => {
                let beside = ["tests", "examples", "benches", "src/bin"].into_iter().any(starts);
                if beside || path == Path::new("src/main.rs") { Kind::RustProgram } else { Kind::Other }
            }
            _ => Kind::Other,
        }
    }
}

impl Found<'_> {
    fn rest(&self) -> &str {
        &self.after[self.word.len()..]
    }

    fn is_in_url(&self) -> bool {
        let start = self.before.rfind(|c: char| c.is_whitespace() || "\"'`()<>[]{}|,".contains(c));
        self.before[start.map_or(0, |start| start + 1)..].contains("://")
    }

    fn is_quoted_or_flag(&self) -> bool {
        self.before.ends_with(['"', '\'', ' ', '=']) && !self.rest().starts_with([' ', '.'])
            || self.before.trim_end().ends_with("--world-name")
    }

    /// `world x`, `--world-name x`, `"worldName": "x"`
    fn is_world(&self) -> bool {
        let before = self.before.trim_end_matches([' ', '\t', '"', '\'', '`', '=', ':', '(', '\\']);
        let start = before
            .rfind(|c: char| !is_part_of_name(c))
            .map_or(0, |end| end + before[end..].chars().next().map_or(1, char::len_utf8));
        before.len() < self.before.len() && WORLD.contains(&before[start..].to_ascii_lowercase().as_str())
    }

    /// `package ns:x`, `"ns:x/interface"`, `"ns:x@1.0.0"`
    fn is_wit_package(&self) -> bool {
        let Some(before) = self.before.strip_suffix(':') else { return false };
        let namespace = before.rsplit(|c: char| !is_part_of_name(c)).next().unwrap_or_default();
        if namespace.is_empty() {
            return false;
        }
        let quote = before[..before.len() - namespace.len()].chars().next_back();
        self.kind == Kind::Wit
            || quote.is_some_and(|quote| {
                "\"'`".contains(quote) && (self.rest().starts_with(['/', '@']) || self.rest().starts_with(quote))
            })
    }

    /// `name = "x"`, `"name": "x"`, `"name": "@scope/x"`
    fn is_value_of_name(&self) -> bool {
        let Some(quote) = self.rest().chars().next().filter(|quote| "\"'".contains(*quote)) else { return false };
        let Some((before, scope)) = self.before.rsplit_once(quote) else { return false };
        let is_scope = scope.is_empty() || scope.starts_with('@') && scope.ends_with('/');
        let before = before.trim_end();
        let Some(key) = before.strip_suffix(['=', ':']) else { return false };
        let key = key.trim_end();
        let key = key.strip_suffix('"').unwrap_or(key);
        is_scope && key.strip_suffix("name").is_some_and(|left| !left.ends_with(is_part_of_name))
    }

    /// `x.wasm`
    fn is_artifact(&self) -> bool {
        self.rest().strip_prefix(".wasm").is_some_and(|rest| !rest.starts_with(is_part_of_name))
    }
}

/// Packages that others wrote; their files say what they are, not what the project is.
fn is_vendored(path: &Path) -> bool {
    let parts: Vec<_> = path.components().collect();
    parts.windows(2).any(|pair| pair[0].as_os_str() == "wit" && pair[1].as_os_str() == "deps")
}

/// Replaces words; `decide` gets the text before a word, the word, and the text from the word on.
fn replace_words<'a>(text: &'a str, decide: impl Fn(&str, &str, &str) -> Option<String>) -> Cow<'a, str> {
    let mut replaced = String::new();
    let mut copied = 0;
    let mut position = 0;
    while let Some(start) = text[position..].find(is_part_of_name).map(|start| position + start) {
        let end = text[start..].find(|c: char| !is_part_of_name(c)).map_or(text.len(), |length| start + length);
        if let Some(new) = decide(&text[..start], &text[start..end], &text[start..]) {
            replaced.push_str(&text[copied..start]);
            replaced.push_str(&new);
            copied = end;
        }
        position = end;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    replaced.push_str(&text[copied..]);
    Cow::Owned(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renaming(old: &[&str], new: &str) -> Renaming {
        let old = old.iter().map(ToString::to_string).collect();
        Renaming::new(&old, &Name::parse(new).unwrap(), false)
    }

    fn renamed(old: &str, new: &str, path: &str, text: &str) -> String {
        renaming(&[old], new).text(Path::new(path), text).into_owned()
    }

    /// File, text of the template `http-hello`, text of the project `My_App2-x`.
    #[test]
    fn each_place_gets_its_own_spelling() {
        for (path, old, new) in [
            ("Cargo.toml", "name = \"http-hello\"", "name = \"My_App2-x\""),
            ("Cargo.lock", "name = \"http-hello\"\nversion", "name = \"My_App2-x\"\nversion"),
            (
                ".wash/config.yaml",
                "p: target/wasm32-wasip2/release/http_hello.wasm",
                "p: target/wasm32-wasip2/release/My_App2_x.wasm",
            ),
            (".wash/config.yaml", "command: cargo build -p http-hello", "command: cargo build -p My_App2-x"),
            ("package.json", "{\"name\": \"http-hello\",", "{\"name\": \"my_app2-x\","),
            ("package.json", "{\"name\":\"@me/http-hello\",", "{\"name\":\"@me/my_app2-x\","),
            ("package.json", "\"build\": \"jco -o dist/http-hello.wasm\"", "\"build\": \"jco -o dist/My_App2-x.wasm\""),
            ("package.json", "jco componentize --world-name http-hello", "jco componentize --world-name my-app2-x"),
            ("package.json", "jco componentize -n http-hello", "jco componentize -n my-app2-x"),
            ("pyproject.toml", "name = 'http-hello'", "name = 'My_App2-x'"),
            ("wit/world.wit", "package example:http-hello@0.1.0;", "package example:my-app2-x@0.1.0;"),
            ("wit/world.wit", "world http-hello {", "world my-app2-x {"),
            ("src/lib.rs", "world: \"http-hello\",", "world: \"my-app2-x\","),
            ("src/lib.rs", "use http_hello::x;", "use My_App2_x::x;"),
            ("src/index.ts", "from 'example:http-hello/api'", "from 'example:my-app2-x/api'"),
            ("wkg.toml", "\"example:http-hello\" = 1", "\"example:my-app2-x\" = 1"),
            ("README.md", "# http-hello\n\nThe (http-hello).", "# My_App2-x\n\nThe (My_App2-x)."),
            ("a.yaml", "image: registry/http-hello:1", "image: registry/My_App2-x:1"),
        ] {
            assert_eq!(renamed("http-hello", "My_App2-x", path, old), new, "in {path}");
        }
    }

    #[test]
    fn only_whole_words_are_names() {
        for text in
            ["http-hello-2", "my-http-hello", "http_hello_2", "xhttp-hello", "http-Hello", "httphello", "_http_hello"]
        {
            assert_eq!(renamed("http-hello", "new", "README.md", text), text);
        }
        assert_eq!(renamed("http-hello", "new", "README.md", "ähttp-hellö"), "ähttp-hellö");
        assert_eq!(renamed("http-hello", "new", "README.md", "é http-hello…"), "é new…");
    }

    #[test]
    fn urls_and_foreign_packages_stay() {
        for text in [
            "https://x.example/me/http-hello/tree",
            "[a](https://x.example/http-hello)",
            "git = \"ssh://h/http-hello\"",
        ] {
            assert_eq!(renamed("http-hello", "new", "README.md", text), text);
        }
        assert_eq!(renamed("http-hello", "new", "README.md", "https://x.example http-hello"), "https://x.example new");
        let renaming = renaming(&["http-hello"], "new");
        let text = b"package example:http-hello;".to_vec();
        assert_eq!(renaming.bytes(Path::new("wit/deps/a/b.wit"), text.clone()), text);
        assert_ne!(renaming.bytes(Path::new("wit/a.wit"), text.clone()), text);
    }

    #[test]
    fn ordinary_words_are_replaced_only_where_they_are_names() {
        for (path, old, new) in [
            ("Cargo.toml", "name = \"hello\"\nkeywords = [\"hello\"]", "name = \"my-app\"\nkeywords = [\"hello\"]"),
            ("Cargo.toml", "[dependencies]\nhello = \"1\"", "[dependencies]\nhello = \"1\""),
            (
                "package.json",
                "\"name\": \"hello\", \"description\": \"hello\"",
                "\"name\": \"my-app\", \"description\": \"hello\"",
            ),
            (".wash/config.yaml", "path: target/x/release/hello.wasm", "path: target/x/release/my_app.wasm"),
            (".wash/config.yaml", "path: dist/hello.wasmx", "path: dist/hello.wasmx"),
            (
                "wit/world.wit",
                "package example:hello;\nworld hello {\n  export hello: func();",
                "package example:my-app;\nworld my-app {\n  export hello: func();",
            ),
            ("src/lib.rs", "world: \"hello\"", "world: \"my-app\""),
            ("src/lib.rs", "fn hello() { hello::x(); \"hello\" }", "fn hello() { hello::x(); \"hello\" }"),
            ("src/main.rs", "use hello::x; // hello", "use my_app::x; // hello"),
            ("src/main.rs", "mod hello; use hello::x;", "mod hello; use hello::x;"),
            ("README.md", "Say hello to the world hello.", "Say hello to the world hello."),
            ("data.json", "{\"name\": \"hello\"}", "{\"name\": \"hello\"}"),
        ] {
            assert_eq!(renamed("hello", "my-app", path, old), new, "in {path}");
        }
    }

    #[test]
    fn the_artifact_of_a_program_is_spelled_as_typed() {
        let old = BTreeSet::from(["hello".to_string()]);
        let renaming = Renaming::new(&old, &Name::parse("my-app").unwrap(), true);
        assert_eq!(renaming.text(Path::new("a.yaml"), "release/hello.wasm"), "release/my-app.wasm");
    }

    #[test]
    fn names_are_not_replaced_twice() {
        let renaming = renaming(&["a-b", "c-d"], "c-d");
        assert_eq!(renaming.text(Path::new("x"), "a-b c-d"), "c-d c-d");
        assert_eq!(renamed("http-hello", "my-http-hello", "x", "http-hello"), "my-http-hello");
    }

    #[test]
    fn files_are_renamed_too() {
        let renaming = renaming(&["http-hello", "app"], "my-app");
        for (old, new) in [
            ("http-hello.wit", "my-app.wit"),
            ("src/http_hello/mod.rs", "src/my_app/mod.rs"),
            ("../http-hello/x", "../my-app/x"),
            ("app/src/x", "app/src/x"),
        ] {
            assert_eq!(renaming.path(Path::new(old)), Path::new(new));
        }
    }

    #[test]
    fn what_is_not_text_stays_as_it_is() {
        let renaming = renaming(&["http-hello"], "x");
        for bytes in [&b"http-hello\0"[..], b"\xffhttp-hello"] {
            assert_eq!(renaming.bytes(Path::new("x"), bytes.to_vec()), bytes);
        }
    }
}
