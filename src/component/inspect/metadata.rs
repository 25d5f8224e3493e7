//! What a file says of itself in custom sections: who made it with what, under which licence, from
//! which dependencies.
//!
//! Nothing of it is verified by anybody: it is what the makers wrote. Lists and texts are bounded.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Serialize;
use serde_json::Value as Json;
use wasmparser::{Chunk, CustomSectionReader, KnownCustom, Parser, Payload};

/// A text is cut after so many bytes.
const LONGEST_TEXT: usize = 10_000;
/// More producers of one kind are left out.
const MOST_PRODUCERS: usize = 200;
/// More dependencies are counted and not listed.
const MOST_PACKAGES: usize = 20_000;
/// A list of dependencies that is larger than this when unpacked is refused, in bytes.
const LARGEST_SBOM: u64 = 8 << 20;
/// More sections that look like lists of dependencies are not unpacked.
const MOST_SBOMS: usize = 16;

/// What the makers say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Metadata {
    /// The component's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authors: Option<String>,
    /// An SPDX expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licenses: Option<String>,
    /// Where the sources are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// The commit of the sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// `Rust`, `C11`, `JavaScript`
    pub languages: Vec<Producer>,
    /// Compilers and other tools.
    pub processed_by: Vec<Producer>,
    /// SDKs of platforms.
    pub sdks: Vec<Producer>,
    /// Embedded lists of dependencies.
    pub sboms: Vec<Sbom>,
}

impl Metadata {
    /// The language in which the component's author wrote it. Parts of runtimes are in other ones, and
    /// not every compiler names its own.
    /// `modules` are the names of the core modules: an interpreter says its language there alone.
    pub fn language<'m>(&'m self, modules: impl IntoIterator<Item = &'m str>) -> Option<&'m str> {
        if modules.into_iter().any(|name| name.starts_with("libpython") || name.starts_with("componentize_py")) {
            return Some("Python");
        }
        let tools = || self.languages.iter().chain(&self.processed_by).chain(&self.sdks);
        let by_tool =
            LANGUAGES.iter().find(|(sign, _)| tools().any(|tool| tool.name.to_ascii_lowercase().starts_with(sign)));
        by_tool.map(|(_, language)| *language).or_else(|| self.languages.first().map(|language| language.name.as_str()))
    }
}

/// The strongest signs first: a JavaScript engine is written in C++, with parts in Rust.
const LANGUAGES: &[(&str, &str)] = &[
    ("componentizejs", "JavaScript"),
    ("componentize-js", "JavaScript"),
    ("javascript", "JavaScript"),
    ("componentize-py", "Python"),
    ("python", "Python"),
    ("tinygo", "Go"),
    ("go", "Go"),
    ("assemblyscript", "AssemblyScript"),
    ("moonbit", "MoonBit"),
    ("zig", "Zig"),
    ("rustc", "Rust"),
    ("rust", "Rust"),
    ("c_plus_plus", "C++"),
    ("c11", "C"),
    ("clang", "C"),
];

/// A tool or language with its version, which may be empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Producer {
    pub name: String,
    pub version: String,
}

/// An embedded list of what went into the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sbom {
    pub format: SbomFormat,
    /// The name of the custom section.
    pub section: String,
    /// The version of the format, e.g. `1.5` of CycloneDX.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_version: Option<String>,
    /// Sorted by name, without what was only needed to build.
    pub packages: Vec<Package>,
    /// Why it could not be read, then `packages` is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The formats that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SbomFormat {
    /// What `cargo auditable` leaves in the section `.dep-v0`.
    #[serde(rename = "cargo-auditable")]
    CargoAuditable,
    #[serde(rename = "cyclonedx")]
    CycloneDx,
    #[serde(rename = "spdx")]
    Spdx,
}

impl SbomFormat {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            SbomFormat::CargoAuditable => "cargo-auditable",
            SbomFormat::CycloneDx => "CycloneDX",
            SbomFormat::Spdx => "SPDX",
        }
    }
}

/// One dependency.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Package {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// SPDX expressions or names, if the list has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub licenses: Vec<String>,
}

/// Reads the custom sections of a file and of all that lies inside. `bytes` have been validated.
pub(super) fn metadata(bytes: &[u8]) -> Metadata {
    let mut found = Found::default();
    // What does not parse was refused before.
    let _ = found.walk(bytes);
    found.finish()
}

#[derive(Default)]
struct Found {
    metadata: Metadata,
    producers: BTreeMap<&'static str, Vec<Producer>>,
    /// How many sections were taken for lists of dependencies.
    unpacked: usize,
}

/// The fields of a producers section that mean something.
const PRODUCERS: [&str; 3] = ["language", "processed-by", "sdk"];

impl Found {
    fn walk(&mut self, bytes: &[u8]) -> Result<(), wasmparser::Error> {
        let mut parser = Parser::new(0);
        let mut parents = Vec::new();
        let mut rest = bytes;
        while let Chunk::Parsed { consumed, payload } = parser.parse(rest, true)? {
            rest = &rest[consumed..];
            match payload {
                Payload::CustomSection(section) => self.section(&section, parents.is_empty()),
                Payload::ModuleSection { parser: inner, .. } | Payload::ComponentSection { parser: inner, .. } => {
                    parents.push(std::mem::replace(&mut parser, inner));
                }
                Payload::End(_) => match parents.pop() {
                    Some(parent) => parser = parent,
                    None => break,
                },
                _ => {}
            }
        }
        Ok(())
    }

    fn section(&mut self, section: &CustomSectionReader<'_>, outermost: bool) {
        match section.as_known() {
            // Broken sections are legal: what can be read of them is taken.
            KnownCustom::Producers(fields) => {
                for field in fields.into_iter().map_while(Result::ok) {
                    let Some(known) = PRODUCERS.iter().find(|name| **name == field.name) else { continue };
                    let list = self.producers.entry(known).or_default();
                    for value in field.values.into_iter().map_while(Result::ok) {
                        let producer = Producer { name: cut(value.name), version: cut(value.version) };
                        if list.len() < MOST_PRODUCERS && !list.contains(&producer) {
                            list.push(producer);
                        }
                    }
                }
            }
            KnownCustom::ComponentName(names) if outermost => {
                for name in names.into_iter().map_while(Result::ok) {
                    if let wasmparser::ComponentName::Component { name, .. } = name {
                        self.metadata.name = Some(cut(name));
                    }
                }
            }
            KnownCustom::Name(names) if outermost => {
                for name in names.into_iter().map_while(Result::ok) {
                    if let wasmparser::Name::Module { name, .. } = name {
                        self.metadata.name = Some(cut(name));
                    }
                }
            }
            _ => {}
        }
        let metadata = &mut self.metadata;
        let field = match section.name() {
            "version" => &mut metadata.version,
            "description" => &mut metadata.description,
            "authors" => &mut metadata.authors,
            "licenses" => &mut metadata.licenses,
            "source" => &mut metadata.source,
            "homepage" => &mut metadata.homepage,
            "revision" => &mut metadata.revision,
            name => {
                if self.unpacked < MOST_SBOMS && may_be_sbom(name, section.data()) {
                    self.unpacked += 1;
                    metadata.sboms.extend(sbom(name, section.data()));
                }
                return;
            }
        };
        // The outermost component speaks for all; inside, the first one that says something.
        if let Ok(text) = std::str::from_utf8(section.data())
            && (outermost || field.is_none())
        {
            *field = Some(cut(text.trim_matches('\0').trim()));
        }
    }

    fn finish(mut self) -> Metadata {
        let mut take = |name| self.producers.remove(name).unwrap_or_default();
        self.metadata.languages = take("language");
        self.metadata.processed_by = take("processed-by");
        self.metadata.sdks = take("sdk");
        self.metadata
    }
}

fn cut(text: &str) -> String {
    let mut short = text[..text.floor_char_boundary(LONGEST_TEXT)].to_string();
    if short.len() < text.len() {
        short.push('\u{2026}');
    }
    short
}

/// No section's name is reserved for CycloneDX and SPDX, so that they are known by their content.
fn may_be_sbom(section: &str, data: &[u8]) -> bool {
    let name = section.to_ascii_lowercase();
    let is_json = data.first() == Some(&b'{') && data.len() as u64 <= LARGEST_SBOM;
    is_json || name == ".dep-v0" || ["sbom", "cyclonedx", "spdx"].iter().any(|word| name.contains(word))
}

/// The list of dependencies in a custom section, if it is one.
fn sbom(section: &str, data: &[u8]) -> Option<Sbom> {
    let mut sbom = Sbom {
        format: SbomFormat::CargoAuditable,
        section: cut(section),
        spec_version: None,
        packages: Vec::new(),
        problem: None,
    };
    if section == ".dep-v0" {
        match unpacked(data).and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string())) {
            Ok(list) => sbom.packages = cargo_packages(&list),
            Err(problem) => sbom.problem = Some(problem),
        }
        return Some(sbom.sorted());
    }
    let bytes = unpacked(data).ok()?;
    let list: Json = serde_json::from_slice(&bytes).ok()?;
    if list["bomFormat"] == "CycloneDX" {
        sbom.format = SbomFormat::CycloneDx;
        sbom.spec_version = list["specVersion"].as_str().map(cut);
        let mut components = Vec::new();
        collect_cyclonedx(&list["components"], &mut components);
        sbom.packages = components;
    } else if let Some(version) = list["spdxVersion"].as_str() {
        sbom.format = SbomFormat::Spdx;
        sbom.spec_version = Some(cut(version.trim_start_matches("SPDX-")));
        sbom.packages = spdx_packages(&list);
    } else {
        return None;
    }
    Some(sbom.sorted())
}

impl Sbom {
    fn sorted(mut self) -> Self {
        self.packages.truncate(MOST_PACKAGES);
        self.packages.sort();
        self.packages.dedup();
        self
    }
}

/// The content, unpacked if it is packed with zlib or gzip. A small section must not become large.
fn unpacked(data: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut read = |mut reader: Box<dyn Read + '_>| reader.read_to_end(&mut bytes).map_err(|error| error.to_string());
    let limit = LARGEST_SBOM + 1;
    match data {
        [0x1f, 0x8b, ..] => read(Box::new(flate2::read::GzDecoder::new(data).take(limit)))?,
        [0x78, ..] => read(Box::new(flate2::read::ZlibDecoder::new(data).take(limit)))?,
        _ => read(Box::new(data.take(limit)))?,
    };
    if bytes.len() as u64 > LARGEST_SBOM {
        return Err(format!("it is larger than {} MiB when unpacked", LARGEST_SBOM >> 20));
    }
    Ok(bytes)
}

fn cargo_packages(list: &Json) -> Vec<Package> {
    let runs = |package: &&Json| package["kind"] != "build" && package["root"] != true;
    objects(&list["packages"]).filter(runs).filter_map(|package| named(package, "version")).collect()
}

fn spdx_packages(list: &Json) -> Vec<Package> {
    let package = |entry: &Json| {
        let mut package = named(entry, "versionInfo")?;
        let says = |key: &str| entry[key].as_str().filter(|text| !matches!(*text, "NOASSERTION" | "NONE"));
        package.licenses = says("licenseConcluded").or(says("licenseDeclared")).map(cut).into_iter().collect();
        Some(package)
    };
    objects(&list["packages"]).filter_map(package).collect()
}

/// Components of CycloneDX may have components; JSON that was read is not nested deeply.
fn collect_cyclonedx(list: &Json, packages: &mut Vec<Package>) {
    for entry in objects(list) {
        if packages.len() >= MOST_PACKAGES {
            return;
        }
        if let Some(mut package) = named(entry, "version") {
            if let Some(group) = entry["group"].as_str().filter(|group| !group.is_empty()) {
                package.name = format!("{}/{}", cut(group), package.name);
            }
            for choice in objects(&entry["licenses"]) {
                let license = &choice["license"];
                let text = [&choice["expression"], &license["id"], &license["name"]].into_iter().find_map(Json::as_str);
                package.licenses.extend(text.map(cut));
            }
            packages.push(package);
        }
        collect_cyclonedx(&entry["components"], packages);
    }
}

fn objects(list: &Json) -> impl Iterator<Item = &Json> {
    list.as_array().into_iter().flatten().filter(|entry| entry.is_object())
}

fn named(entry: &Json, version: &str) -> Option<Package> {
    let name = cut(entry["name"].as_str()?);
    Some(Package { name, version: entry[version].as_str().map(cut), licenses: Vec::new() })
}
