//! The templates inside the binary: what `templates/` held when wash was built.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// A project that `wash new` can make without a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// What to type; also the name of its folder below `templates/`.
    pub name: String,
    /// The language it is written in, as people write it: `TypeScript`.
    pub language: String,
    /// What the project does, half a line.
    pub description: String,
}

/// A file of a template.
pub(super) struct File {
    template: &'static str,
    /// Relative to the template's folder, with `/` between folders.
    pub path: &'static str,
    pub executable: bool,
    pub bytes: &'static [u8],
}

/// Sorted by template and path. Made by `build.rs`.
static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

#[derive(Deserialize)]
struct Catalog {
    template: Vec<Template>,
}

static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    let catalog: Catalog =
        toml::from_str(include_str!("../../templates/catalog.toml")).expect("a test reads templates/catalog.toml");
    catalog.template.into_iter().filter(|template| files(&template.name).next().is_some()).collect()
});

/// Returns the templates in the order of the catalogue.
pub fn templates() -> &'static [Template] {
    &TEMPLATES
}

/// Returns the template of exactly this name.
pub fn find(name: &str) -> Option<&'static Template> {
    templates().iter().find(|template| template.name == name)
}

/// Returns the names that are most like what was typed, or contain it; the most alike first.
pub fn similar(typed: &str) -> Vec<&'static str> {
    let likeness = |name: &str| {
        let contained = typed.len() > 1 && name.contains(typed);
        strsim::jaro_winkler(typed, name) + if contained { 1.0 } else { 0.0 }
    };
    let mut alike: Vec<(f64, &str)> = templates()
        .iter()
        .map(|template| (likeness(&template.name), template.name.as_str()))
        .filter(|(likeness, _)| *likeness > 0.85)
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0));
    alike.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Returns the templates as lines of a table: name, language, description.
pub fn table() -> Vec<String> {
    let width = |text: fn(&Template) -> &str| templates().iter().map(|one| text(one).len()).max().unwrap_or(0);
    let (names, languages) = (width(|one| &one.name), width(|one| &one.language));
    templates()
        .iter()
        .map(|one| format!("{:names$}  {:languages$}  {}", one.name, one.language, one.description))
        .collect()
}

pub(super) fn files(template: &str) -> impl Iterator<Item = &'static File> {
    FILES.iter().filter(move |file| file.template == template)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn folder() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/templates"))
    }

    #[test]
    fn catalogue_and_folders_agree() {
        let catalog: Catalog = toml::from_str(include_str!("../../templates/catalog.toml")).unwrap();
        let listed: BTreeSet<String> = catalog.template.iter().map(|template| template.name.clone()).collect();
        assert_eq!(listed.len(), catalog.template.len(), "a name is listed twice");
        let folders: BTreeSet<String> = std::fs::read_dir(folder())
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        assert_eq!(listed, folders);
    }

    /// Fails when `build.rs` has not noticed a new file; `touch build.rs` repairs it.
    #[test]
    fn what_is_embedded_is_what_lies_in_the_folder() {
        for template in templates() {
            let root = folder().join(&template.name);
            let walk = ignore::WalkBuilder::new(&root)
                .hidden(false)
                .parents(false)
                .git_global(false)
                .require_git(false)
                .build();
            let on_disk: BTreeSet<String> = walk
                .map(|entry| entry.unwrap())
                .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
                .map(|entry| entry.path().strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/"))
                .collect();
            let embedded: BTreeSet<String> = files(&template.name).map(|file| file.path.to_string()).collect();
            assert_eq!(embedded, on_disk, "of {}", template.name);
            for file in files(&template.name) {
                assert!(file.bytes == std::fs::read(root.join(file.path)).unwrap(), "{} is old", file.path);
            }
        }
    }

    #[test]
    fn hidden_files_are_embedded() {
        let paths: Vec<&str> = files("http-hello-world").map(|file| file.path).collect();
        assert!(paths.contains(&".gitignore"), "{paths:?}");
        assert!(paths.contains(&".wash/config.yaml"), "{paths:?}");
    }

    #[test]
    fn a_typing_error_finds_its_template() {
        assert_eq!(similar("http-helo-world").first(), Some(&"http-hello-world"));
        assert!(similar("kv").contains(&"http-kv-handler"));
        assert_eq!(similar("zzz"), Vec::<&str>::new());
    }
}
