//! WIT packages as text: reading them from folders and from WebAssembly, and what they need.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use wit_component::{DecodedWasm, WitPrinter};
use wit_parser::{PackageId, PackageName, Resolve, SourceMap, UnresolvedPackageGroup};

use super::scan;
use crate::error::{Context as _, Error, Result};

/// The name of a folder's sub-folder with the packages it needs.
pub const DEPS: &str = "deps";
/// WIT is written by hand. A file that is larger is something else.
const MOST_BYTES: u64 = 8 << 20;
/// How deep packages may lie in a source: `repository/crates/name/wit/deps/package`.
const DEEPEST: usize = 8;
/// How many folders of a source are looked at.
const MOST_FOLDERS: usize = 10_000;

/// A package with its text.
#[derive(Clone, Debug)]
pub struct Package {
    pub name: PackageName,
    /// The packages within its files, beside itself.
    pub nested: Vec<PackageName>,
    /// The names of its interfaces and worlds.
    pub items: Vec<String>,
    /// Name and content of its files, sorted by name.
    pub files: Vec<File>,
    /// What it needs of others.
    pub needs: Vec<Need>,
}

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Without a folder, e.g. `world.wit`.
    pub name: String,
    /// How messages call it.
    pub shown: String,
    pub text: String,
}

/// A package that another one needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub name: PackageName,
    /// Its interfaces and worlds that are named.
    pub items: Vec<String>,
    /// The first mention, e.g. `wit/world.wit:4:10`.
    pub place: String,
}

impl Package {
    /// Parses the files of a package.
    ///
    /// Errors: the text is not WIT, shown with the place.
    pub fn parse(files: Vec<File>) -> Result<Self> {
        let group = group(&files)?;
        let name = group.main.name.clone();
        let nested: Vec<PackageName> = group.nested.iter().map(|package| package.name.clone()).collect();
        let interfaces = group.main.interfaces.iter().filter_map(|(_, one)| one.name.clone());
        // A world of another package that is included stands among them, without a name.
        let worlds = group.main.worlds.iter().map(|(_, one)| one.name.clone()).filter(|name| !name.is_empty());
        let items = interfaces.chain(worlds).collect();
        let mut needs: Vec<Need> = Vec::new();
        let foreign = [&group.main].into_iter().chain(&group.nested).flat_map(|package| &package.foreign_deps);
        for (needed, items) in foreign.filter(|(needed, _)| **needed != name && !nested.contains(needed)) {
            let items = items.keys().cloned();
            match needs.iter_mut().find(|need| need.name == *needed) {
                Some(need) => need.items.extend(items),
                None => needs.push(Need { name: needed.clone(), items: items.collect(), place: place(&files, needed) }),
            }
        }
        needs.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Package { name, nested, items, files, needs })
    }

    /// Whether it is, or has within it, the package of this name.
    pub fn provides(&self, name: &PackageName) -> bool {
        self.name == *name || self.nested.contains(name)
    }

    /// A package that needs one other, and nobody sees.
    pub fn probe(name: &PackageName, item: Option<&String>) -> Self {
        let text = "package wash:probe;\n".to_string();
        let items = item.into_iter().cloned().collect();
        Package {
            name: PackageName { namespace: "wash".into(), name: "probe".into(), version: None },
            nested: Vec::new(),
            items: Vec::new(),
            files: vec![File { name: "probe.wit".into(), shown: "probe.wit".into(), text }],
            needs: vec![Need { name: name.clone(), items, place: "the command line".into() }],
        }
    }

    /// The name of its folder below `deps`, as `wkg` has it.
    pub fn folder(&self) -> String {
        self.name.to_string().replace([':', '@'], "-")
    }

    /// For the parser, which has accepted it before.
    pub fn group(&self) -> Result<UnresolvedPackageGroup> {
        group(&self.files)
    }
}

fn group(files: &[File]) -> Result<UnresolvedPackageGroup> {
    let mut map = SourceMap::new();
    for file in files {
        map.push_str(&file.shown, file.text.as_str());
    }
    map.parse().map_err(|(map, error)| Error::failed("the WIT is not well-formed").details(error.render(&map)))
}

/// Where the files first mention a package.
fn place(files: &[File], name: &PackageName) -> String {
    let mentioned = |file: &File| {
        let text = &file.text;
        let mention = scan::mentions(text).into_iter().find(|mention| is_of(text, mention, name))?;
        let before = &text[..mention.range.start];
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        Some(format!("{}:{line}:{column}", file.shown))
    };
    files.iter().find_map(mentioned).unwrap_or_else(|| files.first().map(|file| file.shown.clone()).unwrap_or_default())
}

/// Whether a mention in `text` is of this package in this version.
pub fn is_of(text: &str, mention: &scan::Mention, name: &PackageName) -> bool {
    let version = mention.version.clone().map(|range| &text[range]);
    text[mention.namespace.clone()].trim_start_matches('%') == name.namespace
        && text[mention.package.clone()].trim_start_matches('%') == name.name
        && version == name.version.as_ref().map(ToString::to_string).as_deref()
}

/// Reads the `.wit` files of a folder, sorted; those of its sub-folders are others' business.
/// `shown` is how messages call the folder.
pub fn read_files(folder: &Path, shown: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        if path.extension().is_none_or(|end| end != "wit") || !path.is_file() {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = String::from_utf8(read(&path)?)
            .map_err(|_| Error::failed(format!("`{}` is not text in UTF-8", path.display())))?;
        files.push(File { shown: slashed(&shown.join(&name)), name, text });
    }
    Ok(files)
}

/// Reads what may be a package: a folder of `.wit` files, one such file, or a package as WebAssembly.
/// Nothing, if it is none of these.
pub fn read_entry(path: &Path, shown: &Path) -> Result<Option<Contents>> {
    if path.is_dir() {
        let files = read_files(path, shown)?;
        return if files.is_empty() { Ok(None) } else { Package::parse(files).map(Contents::Text).map(Some) };
    }
    match path.extension().and_then(|end| end.to_str()) {
        Some("wit") => {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = String::from_utf8(read(path)?)
                .map_err(|_| Error::failed(format!("`{}` is not text in UTF-8", path.display())))?;
            Package::parse(vec![File { name, shown: slashed(shown), text }]).map(Contents::Text).map(Some)
        }
        Some("wasm") => decode(&read(path)?, &shown.display().to_string()).map(Some),
        _ => Ok(None),
    }
}

/// A package as it came.
#[derive(Clone, Debug)]
pub enum Contents {
    Text(Package),
    /// With what it uses of others, as far as it uses it.
    Encoded {
        resolve: Box<Resolve>,
        id: PackageId,
    },
}

impl Contents {
    pub fn name(&self) -> PackageName {
        match self {
            Contents::Text(package) => package.name.clone(),
            Contents::Encoded { resolve, id } => resolve.packages[*id].name.clone(),
        }
    }
}

/// Reads a WIT package that was encoded as WebAssembly.
///
/// Errors: it is something else, or damaged; `shown` says what was read.
pub fn decode(bytes: &[u8], shown: &str) -> Result<Contents> {
    if !bytes.starts_with(b"\0asm") {
        // Some registries have packages as text.
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains("package"));
        let text = text.ok_or_else(|| Error::failed(format!("`{shown}` is no WIT package")))?;
        let file = File { name: "package.wit".into(), shown: shown.into(), text: text.into() };
        return Package::parse(vec![file]).map(Contents::Text);
    }
    match wit_component::decode(bytes) {
        Ok(DecodedWasm::WitPackage(resolve, id)) => Ok(Contents::Encoded { resolve: Box::new(resolve), id }),
        Ok(DecodedWasm::Component(..)) => Err(Error::failed(format!("`{shown}` is a component, not a WIT package"))
            .hint(format!("to see its WIT: wash wit show {shown}"))),
        Err(error) => {
            let error: &(dyn std::error::Error + 'static) = error.as_ref();
            Err(Error::caused_by(format!("`{shown}` is no WIT package, or damaged"), error))
        }
    }
}

/// Prints a package of `resolve`, with documentation and attributes.
pub fn print(resolve: &Resolve, id: PackageId) -> Result<String> {
    let mut printer = WitPrinter::default();
    printer.print(resolve, id, &[]).map_err(|error| {
        let error: &(dyn std::error::Error + 'static) = error.as_ref();
        Error::caused_by(format!("cannot print the package `{}`", resolve.packages[id].name), error)
    })?;
    Ok(printer.output.to_string())
}

/// Makes text of a package of `resolve`.
pub fn printed(resolve: &Resolve, id: PackageId) -> Result<Package> {
    let shown = resolve.packages[id].name.to_string();
    Package::parse(vec![File { name: "package.wit".into(), shown, text: print(resolve, id)? }])
}

/// Finds the packages of a folder that was made by others: in it, and in all its folders.
/// What cannot be parsed is left out; nobody may need it.
pub fn find_all(root: &Path, shown: &str) -> Vec<Contents> {
    let mut found = Vec::new();
    let mut folders = vec![(root.to_path_buf(), 0)];
    let mut looked = 0;
    while let Some((folder, depth)) = folders.pop() {
        looked += 1;
        if looked > MOST_FOLDERS {
            break;
        }
        let relative = folder.strip_prefix(root).unwrap_or(Path::new(""));
        let name = Path::new(shown).join(relative);
        found.extend(read_entry(&folder, &name).ok().flatten());
        for path in entries(&folder).unwrap_or_default() {
            let is_link = path.is_symlink();
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir()
                && !is_link
                && depth < DEEPEST
                && !matches!(file.as_str(), ".git" | "node_modules" | "target")
            {
                folders.push((path, depth + 1));
            } else if folder.ends_with(DEPS) && !is_link && path.is_file() {
                // Files of `deps` are packages each.
                found.extend(read_entry(&path, &name.join(&file)).ok().flatten());
            } else if path.extension().is_some_and(|end| end == "wasm") && !is_link {
                found.extend(read_entry(&path, &name.join(&file)).ok().flatten());
            }
        }
    }
    found
}

/// The entries of a folder, sorted by name.
pub fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).context(|| format!("cannot read the folder `{}`", folder.display()))? {
        entries.push(entry.context(|| format!("cannot read the folder `{}`", folder.display()))?.path());
    }
    entries.sort();
    Ok(entries)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let size = fs::metadata(path).context(|| format!("cannot read `{}`", path.display()))?.len();
    if size > MOST_BYTES {
        return Err(Error::failed(format!("`{}` is too large for a WIT package", path.display()))
            .cause(format!("it has {size} bytes; at most {MOST_BYTES} are read")));
    }
    fs::read(path).context(|| format!("cannot read `{}`", path.display()))
}

/// All files below a folder with their content, by their path with `/`. Links to folders are not
/// followed.
pub fn read_tree(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        for path in entries(&current)? {
            if path.is_dir() && (!path.is_symlink() || current == folder) {
                folders.push(path);
            } else if path.is_file() {
                files.insert(slashed(path.strip_prefix(folder).unwrap_or(&path)), read(&path)?);
            }
        }
    }
    Ok(files)
}

/// A path for messages and tables, the same on every system.
pub fn slashed(path: &Path) -> String {
    path.display().to_string().replace('\\', "/")
}
