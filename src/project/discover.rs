//! Finding the project a folder belongs to, its language and its name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::formats;
use super::{Found, Language};
use crate::error::{Context as _, Error, Result};

/// The folder that holds a project's settings.
pub const SETTINGS_FOLDER: &str = ".wash";

/// Walks up from `start` for settings, then for a language's manifest.
///
/// `Ok(None)` if there is neither. Several settings files in one folder are an error.
pub fn find(start: &Path, env: &BTreeMap<String, String>) -> Result<Option<Found>> {
    let start = normal(start)?;
    for folder in start.ancestors() {
        if let Some(file) = formats::find_in(&folder.join(SETTINGS_FOLDER))? {
            return Ok(Some(found(folder, Some(file), language_in(folder))));
        }
    }
    let home = ["HOME", "USERPROFILE"].iter().find_map(|name| env.get(*name)).map(Path::new);
    for folder in start.ancestors() {
        // What lies around at home is no project, unless one works there.
        if folder != start && Some(folder) == home {
            continue;
        }
        match language_in(folder) {
            // Makefiles are for all kinds of things; a distant one means nothing.
            Some((Language::Make, _)) if folder != start => {}
            // So does a distant C program. One with WIT is a component, wherever one stands in it.
            Some((Language::C, _)) if folder != start && source_with_wit(folder).is_none() => {}
            Some(language) => return Ok(Some(found(folder, None, Some(language)))),
            None => {}
        }
    }
    Ok(None)
}

/// The error for a folder that belongs to no project.
pub fn not_found(start: &Path) -> Error {
    let start = normal(start).unwrap_or_else(|_| start.to_path_buf());
    let folders: Vec<String> = start.ancestors().map(|folder| format!("  {}", folder.display())).collect();
    Error::usage(format!("no project in `{}` or above it", start.display()))
        .details(format!(
            "looked for `.wash/config.yaml` (also .yml, .json, .toml) and for a manifest (Cargo.toml, package.json, go.mod, pyproject.toml, …) in\n{}",
            folders.join("\n")
        ))
        .hint("make one: wash new http-hello-world --name hello")
        .hint("or name its folder: wash -C path/to/project …")
}

/// Resolves `..`, which walking up would take for a folder; leaves symbolic links alone otherwise.
fn normal(start: &Path) -> Result<PathBuf> {
    let absolute =
        std::path::absolute(start).context(|| format!("cannot make the path `{}` absolute", start.display()))?;
    if absolute.components().any(|part| part == Component::ParentDir) {
        return fs::canonicalize(&absolute).context(|| format!("cannot find the folder `{}`", start.display()));
    }
    Ok(absolute)
}

fn found(folder: &Path, config_file: Option<PathBuf>, language: Option<(Language, PathBuf)>) -> Found {
    let (language, manifest) = language.unzip();
    let name = language.zip(manifest.as_deref()).and_then(|(language, manifest)| name_in(language, manifest));
    let folder_name = || folder.file_name().map(|name| name.to_string_lossy().into_owned());
    Found {
        root: folder.to_path_buf(),
        name: name.or_else(folder_name).unwrap_or_else(|| "project".into()),
        config_file,
        language,
        manifest,
    }
}

/// Recognises the language of a folder by its manifest. In a folder with several manifests the
/// first language of [`Language::ALL`] wins: the others are tools around it.
fn language_in(folder: &Path) -> Option<(Language, PathBuf)> {
    Language::ALL.into_iter().find_map(|language| {
        let manifest = language.manifests().iter().map(|name| folder.join(name)).find(|path| path.is_file());
        let manifest = manifest.or_else(|| (language == Language::C).then(|| source_with_wit(folder)).flatten());
        Some((language, manifest?))
    })
}

/// C has no manifest: a source beside WIT is a component's.
fn source_with_wit(folder: &Path) -> Option<PathBuf> {
    let has = |folder: &Path, extension: &str| {
        let mut files = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
        files.find(|path| path.extension().is_some_and(|end| end == extension) && path.is_file())
    };
    has(&folder.join("wit"), "wit")?;
    has(folder, "c").or_else(|| has(&folder.join("src"), "c"))
}

/// What the manifest calls the project. A manifest that cannot be read is the business of its
/// toolchain, which explains it better.
fn name_in(language: Language, manifest: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&fs::read(manifest).ok()?).into_owned();
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let name = match language {
        Language::Rust => toml_text(text, &["package", "name"])?,
        Language::JavaScript => {
            let manifest: serde_json::Value = serde_json::from_str(text).ok()?;
            // `@scope/name`
            manifest["name"].as_str()?.rsplit('/').next()?.to_string()
        }
        Language::Go => go_module(text)?,
        Language::Python if manifest.extension().is_some_and(|extension| extension == "toml") => {
            toml_text(text, &["project", "name"]).or_else(|| toml_text(text, &["tool", "poetry", "name"]))?
        }
        Language::Python | Language::Make | Language::C => return None,
    };
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_string())
}

fn toml_text(text: &str, path: &[&str]) -> Option<String> {
    let table: toml::Table = text.parse().ok()?;
    let (first, rest) = path.split_first()?;
    let value = rest.iter().try_fold(table.get(*first)?, |value, key| value.get(key))?;
    Some(value.as_str()?.to_string())
}

/// The last part of the module's path that is not a version.
fn go_module(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| line.starts_with("module"))?;
    let path = line.strip_prefix("module")?.split("//").next()?.trim().trim_matches('"');
    let version =
        |part: &str| part.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
    path.rsplit('/').find(|part| !version(part)).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        /// A folder with these files; each is its path and its text.
        fn with(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::Builder::new().prefix("größe und mehr ").tempdir().unwrap();
            for (path, text) in files {
                let path = folder.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Folder(folder)
        }

        fn find(&self, start: &str) -> Option<Found> {
            let home = self.0.path().to_string_lossy().into_owned();
            find(&self.0.path().join(start), &BTreeMap::from([("HOME".into(), home)])).unwrap()
        }

        /// The root, relative to this folder, of what is found from `start`.
        fn root(&self, start: &str) -> Option<String> {
            Some(self.find(start)?.root.strip_prefix(self.0.path()).unwrap().to_string_lossy().into_owned())
        }
    }

    #[test]
    fn settings_are_found_from_below() {
        for name in formats::FILE_NAMES {
            let folder = Folder::with(&[(&format!("a b/.wash/{name}"), ""), ("a b/ä/c/x", "")]);
            let found = folder.find("a b/ä/c").unwrap();
            assert_eq!(found.root, folder.0.path().join("a b"));
            assert_eq!(found.config_file, Some(folder.0.path().join("a b/.wash").join(name)));
            assert_eq!((found.language, found.name.as_str()), (None, "a b"));
        }
    }

    #[test]
    fn settings_above_win_over_a_manifest_below() {
        let folder = Folder::with(&[("a/.wash/config.yaml", ""), ("a/b/Cargo.toml", "")]);
        assert_eq!(folder.root("a/b").as_deref(), Some("a"));
    }

    #[test]
    fn the_nearest_manifest_is_the_root() {
        let folder = Folder::with(&[("w/Cargo.toml", "[workspace]"), ("w/m/Cargo.toml", ""), ("w/m/src/lib.rs", "")]);
        assert_eq!(folder.root("w/m/src").as_deref(), Some("w/m"));
    }

    #[test]
    fn two_settings_files_are_an_error_that_names_both() {
        let folder = Folder::with(&[(".wash/config.yml", ""), (".wash/config.toml", "")]);
        let error = find(folder.0.path(), &BTreeMap::new()).unwrap_err();
        assert!(error.message().starts_with("more than one settings file in `"), "{error}");
        assert!(error.message().ends_with(": `config.yml` and `config.toml`"), "{error}");
    }

    #[test]
    fn languages_are_recognised_in_order() {
        use Language::*;
        let all = [
            "Cargo.toml",
            "package.json",
            "go.mod",
            "pyproject.toml",
            "requirements.txt",
            "app.py",
            "Makefile",
            "main.c",
        ];
        let languages = [Rust, JavaScript, Go, Python, Python, Python, Make, C];
        for (first, language) in languages.into_iter().enumerate() {
            let files: Vec<(String, &str)> = all[first..].iter().map(|name| (format!("p/{name}"), "")).collect();
            let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
            assert_eq!(Folder::with(&files).find("p").unwrap().language, Some(language));
        }
    }

    #[test]
    fn a_makefile_counts_only_where_one_stands() {
        let folder = Folder::with(&[("p/Makefile", ""), ("p/src/x.c", "")]);
        assert_eq!(folder.root("p").as_deref(), Some("p"));
        assert_eq!(folder.root("p/src"), None);
    }

    #[test]
    fn c_sources_are_a_project_with_wit_beside_them_or_a_main() {
        let files = [("p/wit/world.wit", ""), ("p/src/handler.c", ""), ("q/handler.c", ""), ("r/src/main.c", "")];
        let folder = Folder::with(&files);
        assert_eq!(folder.find("p").unwrap().language, Some(Language::C));
        assert_eq!(folder.root("p/src").as_deref(), Some("p"));
        assert_eq!(folder.root("q"), None);
        assert_eq!(folder.find("r").unwrap().language, Some(Language::C));
        assert_eq!(folder.find("p").unwrap().name, "p");
    }

    #[test]
    fn manifests_at_home_count_only_at_home() {
        let folder = Folder::with(&[("package.json", "{}"), ("notes/x", "")]);
        assert_eq!(folder.root("notes"), None);
        assert_eq!(folder.root("").as_deref(), Some(""));
    }

    #[test]
    fn parent_folders_in_the_start_are_resolved() {
        let folder = Folder::with(&[("a/Cargo.toml", ""), ("b/x", "")]);
        assert_eq!(folder.find("b/../a").unwrap().root, fs::canonicalize(folder.0.path().join("a")).unwrap());
        assert_eq!(folder.root("a/../b"), None);
    }

    #[test]
    fn projects_are_called_what_their_manifest_says() {
        for (file, text, name) in [
            ("p/Cargo.toml", "[package]\nname = \"hello\"", "hello"),
            ("p/Cargo.toml", "[workspace]", "p"),
            ("p/Cargo.toml", "not toml", "p"),
            ("p/package.json", "{\"name\": \"@acme/hello\"}", "hello"),
            ("p/package.json", "{\"name\": \"\"}", "p"),
            ("p/package.json", "{", "p"),
            ("p/go.mod", "// x\nmodule example.com/a/hello\n\ngo 1.24\n", "hello"),
            ("p/go.mod", "module example.com/hello/v2 // x\n", "hello"),
            ("p/go.mod", "module hello", "hello"),
            ("p/pyproject.toml", "[project]\nname = \"hello\"", "hello"),
            ("p/pyproject.toml", "[tool.poetry]\nname = \"hello\"", "hello"),
            ("p/app.py", "name = 'x'", "p"),
            ("p/Makefile", "all:", "p"),
        ] {
            assert_eq!(Folder::with(&[(file, text)]).find("p").unwrap().name, name, "{file}: {text}");
        }
    }

    #[test]
    fn nothing_found_says_where_was_looked_and_what_to_do() {
        let error = not_found(Path::new("/a/b"));
        assert_eq!(error.message(), "no project in `/a/b` or above it");
        assert!(error.details_text().unwrap().ends_with("  /a/b\n  /a\n  /"), "{error:?}");
        assert!(error.hints()[0].contains("wash new http-hello-world --name hello"));
        assert!(error.hints()[1].contains("-C"));
        assert_eq!(error.exit_code(), 2);
    }
}
