//! Fixes what the library shows to other programs: the names of `src/embed.rs` with their fields,
//! variants and functions are compared with `tests/public_api.txt`. Whoever changes them on purpose
//! changes that file, too, and looks at what it means for those who use the library.
//!
//!     WASH_ACCEPT=1 cargo nextest run -E 'binary(public_api)'    # writes the file anew

#![allow(clippy::disallowed_methods, reason = "accepting a change is asked for through the environment")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::{Fields, ImplItem, Item, TraitItem, UseTree, Visibility};

/// Crates whose types may be seen; `std` and our own are.
const VISIBLE: &[&str] = &["futures", "http", "wasmtime"];

#[test]
fn the_public_api_is_what_the_list_says() {
    let mut api = String::new();
    let mut foreign = BTreeSet::new();
    for name in exported() {
        let file = SourceFile::defining(&name.module, &name.original);
        let lines = file.describe(&name.original);
        assert!(!lines.is_empty(), "`{}` is not defined in {}", name.original, file.path.display());
        for line in &lines {
            foreign.extend(file.foreign(line).map(|seen| format!("{}: {seen}: {line}", name.shown)));
        }
        api.push_str(&format!("{}{}\n", name.shown, if name.shown == name.original { "" } else { " (renamed)" }));
        lines.iter().for_each(|line| api.push_str(&format!("    {line}\n")));
    }
    assert!(
        foreign.is_empty(),
        "types of other crates are seen:\n{}",
        foreign.into_iter().collect::<Vec<_>>().join("\n")
    );
    let list = root().join("tests/public_api.txt");
    if std::env::var_os("WASH_ACCEPT").is_some() {
        fs::write(&list, &api).unwrap();
    }
    let known = fs::read_to_string(&list).unwrap_or_default();
    let (known, api): (Vec<&str>, Vec<&str>) = (known.lines().collect(), api.lines().collect());
    let gone: Vec<&&str> = known.iter().filter(|line| !api.contains(line)).collect();
    let new: Vec<&&str> = api.iter().filter(|line| !known.contains(line)).collect();
    assert!(
        known == api,
        "the public API has changed.\ngone: {gone:#?}\nnew: {new:#?}\nIf that is meant: WASH_ACCEPT=1, see tests/public_api.rs"
    );
}

/// Everything else of the crate is for its own binary, tests and benches.
#[test]
fn nothing_but_the_face_is_public() {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let public: Vec<String> = syn::parse_file(&text)
        .unwrap()
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Mod(module) if is_public(&module.vis) => Some((module.ident.to_string(), &module.attrs)),
            Item::Use(item) if is_public(&item.vis) => Some((tidy(item.tree.to_token_stream()), &item.attrs)),
            _ => None,
        })
        .filter(|(_, attrs)| !attrs.iter().any(|attr| tidy(attr.to_token_stream()).contains("hidden")))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(public, ["embed", "wasmtime"]);
}

/// A name of the face.
struct Name {
    module: Vec<String>,
    original: String,
    shown: String,
}

/// What `src/embed.rs` exports, in its order.
fn exported() -> Vec<Name> {
    let text = fs::read_to_string(root().join("src/embed.rs")).unwrap();
    let mut found = Vec::new();
    for item in syn::parse_file(&text).unwrap().items {
        let Item::Use(item) = item else { panic!("the face only exports: {}", tidy(item.to_token_stream())) };
        walk(&item.tree, &[], &mut found);
    }
    found
}

/// The names of a `use` below a module.
fn walk(tree: &UseTree, module: &[String], found: &mut Vec<Name>) {
    let mut name = |original: String, shown: String| found.push(Name { module: module.to_vec(), original, shown });
    match tree {
        UseTree::Path(path) => {
            let mut module = module.to_vec();
            match path.ident.to_string().as_str() {
                "self" => {}
                "super" => drop(module.pop()),
                "crate" => module = vec!["crate".into()],
                name => module.push(name.into()),
            }
            walk(&path.tree, &module, found);
        }
        UseTree::Name(one) => name(one.ident.to_string(), one.ident.to_string()),
        UseTree::Rename(one) => name(one.ident.to_string(), one.rename.to_string()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| walk(tree, module, found)),
        UseTree::Glob(_) => panic!("every name of the face is written there"),
    }
}

struct SourceFile {
    path: PathBuf,
    items: Vec<Item>,
    /// Which crate a name is imported from.
    imported: BTreeMap<String, String>,
    /// What the package depends on.
    crates: BTreeSet<String>,
}

impl SourceFile {
    /// The file that defines a name of a module; the module itself may only pass it on.
    fn defining(module: &[String], name: &str) -> Self {
        let file = Self::read(module);
        let mut passed_on = Vec::new();
        for item in &file.items {
            if let Item::Use(item) = item
                && is_public(&item.vis)
            {
                walk(&item.tree, module, &mut passed_on);
            }
        }
        match passed_on.into_iter().find(|other| other.shown == name) {
            Some(other) => Self::defining(&other.module, &other.original),
            None => file,
        }
    }

    /// The file of a module, `crate::…`.
    fn read(module: &[String]) -> Self {
        let folder = module.iter().skip(1).fold(root().join("src"), |folder, part| folder.join(part));
        let path = [folder.with_extension("rs"), folder.join("mod.rs")].into_iter().find(|path| path.is_file());
        let path = path.unwrap_or_else(|| panic!("no file for {module:?}"));
        let items = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap().items;
        let mut imported = BTreeMap::new();
        for item in &items {
            if let Item::Use(item) = item {
                names_of(&item.tree, None, &mut imported);
            }
        }
        SourceFile { path, items, imported, crates: dependencies() }
    }

    /// Types of crates that nobody is to see.
    fn foreign<'a>(&'a self, line: &'a str) -> impl Iterator<Item = String> {
        let words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != ':');
        words.filter_map(|word| {
            let first = word.split("::").find(|part| !part.is_empty())?;
            let from = self.imported.get(first).map_or(first, String::as_str);
            let is_path = word.contains("::") || self.imported.contains_key(first);
            let foreign = self.crates.contains(from) && !VISIBLE.contains(&from);
            (is_path && foreign).then(|| format!("`{word}` of `{from}`"))
        })
    }

    /// The item and everything public of it, a line each.
    fn describe(&self, name: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for item in &self.items {
            match item {
                Item::Struct(item) if item.ident == name => {
                    lines.push(tidy(head("struct", &item.ident, &item.generics)));
                    lines.extend(fields(&item.fields));
                }
                Item::Enum(item) if item.ident == name => {
                    let open = item.attrs.iter().any(|attr| attr.path().is_ident("non_exhaustive"));
                    lines.push(format!("{}enum {name}", if open { "non-exhaustive " } else { "" }));
                    for variant in &item.variants {
                        let mut variant = variant.clone();
                        variant.attrs.clear();
                        variant.fields.iter_mut().for_each(|field| field.attrs.clear());
                        lines.push(tidy(variant.to_token_stream()));
                    }
                }
                Item::Trait(item) if item.ident == name => {
                    let bounds = item.supertraits.to_token_stream();
                    lines.push(format!("trait {name}: {}", tidy(bounds)));
                    for item in &item.items {
                        match item {
                            TraitItem::Fn(function) if is_hidden(&function.attrs) => {}
                            TraitItem::Fn(function) => {
                                let given = if function.default.is_some() { "default " } else { "" };
                                lines.push(format!("{given}{}", tidy(function.sig.to_token_stream())));
                            }
                            TraitItem::Type(kind) => {
                                lines.push(format!("type {}: {}", kind.ident, tidy(kind.bounds.to_token_stream())));
                            }
                            other => lines.push(tidy(other.to_token_stream())),
                        }
                    }
                }
                Item::Type(item) if item.ident == name => lines.push(format!("type {name}")),
                Item::Impl(item) if of(&item.self_ty) == name => match &item.trait_ {
                    None => {
                        for item in &item.items {
                            match item {
                                ImplItem::Fn(function) if is_public(&function.vis) => {
                                    lines.push(tidy(function.sig.to_token_stream()));
                                }
                                ImplItem::Const(one) if is_public(&one.vis) => {
                                    lines.push(format!("const {}", one.ident))
                                }
                                _ => {}
                            }
                        }
                    }
                    Some((_, of, _)) => lines.push(format!("impl {}", tidy(of.to_token_stream()))),
                },
                _ => {}
            }
        }
        lines
    }
}

/// The crates of `Cargo.toml`, as code names them.
fn dependencies() -> BTreeSet<String> {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let dependencies = manifest["dependencies"].as_table().unwrap();
    dependencies.keys().map(|name| name.replace('-', "_")).collect()
}

fn fields(fields: &Fields) -> Vec<String> {
    let public = fields.iter().filter(|field| is_public(&field.vis));
    public
        .map(|field| {
            let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{name}: {}", tidy(field.ty.to_token_stream()))
        })
        .collect()
}

fn head(kind: &str, name: &syn::Ident, generics: &syn::Generics) -> String {
    format!("{kind} {name}{}", generics.to_token_stream())
}

/// The last name of a type's path.
fn of(kind: &syn::Type) -> String {
    let syn::Type::Path(path) = kind else { return String::new() };
    path.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default()
}

fn names_of(tree: &UseTree, from: Option<&str>, found: &mut BTreeMap<String, String>) {
    let mut add = |name: String| {
        let from = from.unwrap_or(&name).to_string();
        found.insert(name, from);
    };
    match tree {
        UseTree::Path(path) => names_of(&path.tree, Some(from.unwrap_or(&path.ident.to_string())), found),
        UseTree::Name(one) => add(one.ident.to_string()),
        UseTree::Rename(one) => add(one.rename.to_string()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| names_of(tree, from, found)),
        UseTree::Glob(_) => {}
    }
}

fn is_hidden(attrs: &[syn::Attribute]) -> bool {
    attrs.iter().any(|attr| attr.path().is_ident("doc") && tidy(attr.to_token_stream()).contains("hidden"))
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Code as people write it, on one line.
fn tidy(code: impl ToString) -> String {
    let mut text = code.to_string();
    for (ugly, plain) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" ::", "::"),
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        ("[ ", "["),
        (" ]", "]"),
        (" ,", ","),
        (" :", ":"),
        ("& ", "&"),
        (" ;", ";"),
        (",)", ")"),
        ("fn(", "fn ("),
        ("->(", "-> ("),
    ] {
        text = text.replace(ugly, plain);
    }
    text
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
