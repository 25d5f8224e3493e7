//! The summary for people: 80 columns, the answer first.

use std::collections::BTreeMap;

use super::report::{Import, Provider, Report};
use crate::component::Kind;
use crate::component::inspect::{Metadata, Part, Producer};
use crate::shell::human_size;

/// Lines are not longer than this, where what they say can be cut or wrapped.
const WIDTH: usize = 80;
/// Where values begin.
const MARGIN: usize = 11;
/// How many of the heaviest things are shown, unless more was asked for.
const FEW: usize = 5;
/// Core modules import hundreds of functions.
const MANY: usize = 12;

pub(super) fn summary(report: &Report, verbose: bool) -> String {
    let mut page = Page::titled(&report.name);
    page.fact("kind", &kind(report));
    about(&mut page, &report.metadata);
    if let Some(package) = &report.package {
        for interface in &package.interfaces {
            let count = interface.functions.len();
            let types = interface.types.len();
            let name = interface.name.split_once('/').map_or(interface.name.as_str(), |(_, name)| name);
            let content = format!("{}, {}", counted(count, "function"), counted(types, "type"));
            page.fact("interfaces", &format!("{name}  ({content})"));
        }
        for world in &package.worlds {
            let (imports, exports) = (counted(world.imports.len(), "import"), counted(world.exports.len(), "export"));
            page.fact("worlds", &format!("{}  ({imports}, {exports})", world.name));
        }
    } else {
        exports(&mut page, report, verbose);
        imports(&mut page, report, verbose);
    }
    if !report.from_text {
        page.fact("size", &format!("{}{}", human_size(report.size), exact(report.size)));
        if report.kind != Kind::WitPackage {
            size(&mut page, report, verbose);
        }
        page.fact("digest", &report.digest);
    }
    page.lines.join("\n")
}

/// What it is, in a line: `component that answers HTTP requests, in Rust`.
fn kind(report: &Report) -> String {
    let mut text = report.kind.to_string();
    if let Some(package) = &report.package {
        text.push(' ');
        text.push_str(&package.name);
        if let Some(version) = &package.version {
            text.push('@');
            text.push_str(version);
        }
        return text;
    }
    let mut purposes: Vec<&str> = report.exports.iter().filter_map(|export| export.purpose).collect();
    purposes.dedup();
    if !purposes.is_empty() {
        text.push_str(&format!(" that {}", purposes.join(" and ")));
    } else if report.kind == Kind::Component && report.exports.is_empty() {
        text.push_str(" that exports nothing: no host can call it");
    }
    if let Some(language) = &report.language {
        text.push_str(&format!(", in {language}"));
    }
    text
}

fn about(page: &mut Page, metadata: &Metadata) {
    let fields = [
        ("name", &metadata.name),
        ("version", &metadata.version),
        ("about", &metadata.description),
        ("authors", &metadata.authors),
        ("licences", &metadata.licenses),
        ("source", &metadata.source),
        ("homepage", &metadata.homepage),
        ("revision", &metadata.revision),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            page.fact(name, value);
        }
    }
    page.list("made with", "", &tools(metadata));
    for sbom in &metadata.sboms {
        let what = match &sbom.problem {
            Some(problem) => format!("cannot be read: {problem}"),
            None => counted(sbom.packages.len(), "package"),
        };
        let version = sbom.spec_version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        page.fact("SBOM", &format!("{}{version}: {what}", sbom.format.name()));
        let mut licences: BTreeMap<&str, usize> = BTreeMap::new();
        for licence in sbom.packages.iter().flat_map(|package| &package.licenses) {
            *licences.entry(licence).or_default() += 1;
        }
        let mut licences: Vec<_> = licences.into_iter().collect();
        licences.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let list: Vec<String> = licences.iter().map(|(licence, count)| format!("{licence} ({count})")).collect();
        page.list("SBOM", "licences: ", &list);
    }
}

/// SDKs and tools, each once with its versions.
fn tools(metadata: &Metadata) -> Vec<String> {
    let mut tools: Vec<(&str, Vec<&str>)> = Vec::new();
    for Producer { name, version } in metadata.sdks.iter().chain(&metadata.processed_by) {
        // `1.95.0 (59807616e 2026-04-14)`: the commit is for programs.
        let version = version.split(" (").next().unwrap_or_default();
        match tools.iter_mut().find(|(other, _)| other == name) {
            Some((_, versions)) if versions.contains(&version) => {}
            Some((_, versions)) => versions.push(version),
            None => tools.push((name, vec![version])),
        }
    }
    tools.iter().map(|(name, versions)| format!("{name} {}", versions.join(" and ")).trim_end().to_string()).collect()
}

fn exports(page: &mut Page, report: &Report, verbose: bool) {
    let shown = if verbose { usize::MAX } else { MANY };
    for export in report.exports.iter().take(shown) {
        page.fact("exports", &export.name);
    }
    page.more("exports", report.exports.len(), shown);
}

fn imports(page: &mut Page, report: &Report, verbose: bool) {
    if report.imports.is_empty() {
        page.fact("imports", "nothing");
        return;
    }
    for (provider, title) in [
        (Provider::Host, "provided by the host:"),
        (Provider::Adapter, "provided by the adapter that wash build puts around the module:"),
        (Provider::Component, "another component must provide:"),
        (Provider::Nobody, "nobody provides:"),
    ] {
        let imports: Vec<&Import> = report.imports.iter().filter(|import| import.provider == provider).collect();
        if imports.is_empty() {
            continue;
        }
        page.fact("imports", title);
        if provider == Provider::Nobody && report.kind == Kind::Component {
            for import in imports {
                page.fact("imports", &format!("  {}", import.name));
                if let Some(problem) = &import.problem {
                    page.wrapped("imports", "    ", problem);
                }
            }
            continue;
        }
        // One line for a package.
        let mut packages: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for import in imports {
            let (package, interface) = match import.interface.split_once('/') {
                Some((package, interface)) => (package, interface),
                None => (import.interface.as_str(), import.name.split_once('.').map_or("", |(_, name)| name)),
            };
            let version = import.version.as_deref().map(|version| format!("@{version}")).unwrap_or_default();
            let package = format!("{package}{version}");
            packages.entry(package).or_default().push(interface);
        }
        let column = packages.keys().map(|package| package.chars().count()).max().unwrap_or_default().min(34);
        for (package, mut interfaces) in packages {
            let hidden = if verbose { 0 } else { interfaces.len().saturating_sub(2 * MANY) };
            interfaces.truncate(interfaces.len() - hidden);
            let mut list: Vec<String> = interfaces.into_iter().map(str::to_string).collect();
            list.extend((hidden > 0).then(|| format!("\u{2026} {hidden} more")));
            page.list("imports", &format!("  {package:<column$}  "), &list);
        }
    }
}

fn size(page: &mut Page, report: &Report, verbose: bool) {
    let shown = if verbose { usize::MAX } else { FEW };
    let anatomy = &report.anatomy;
    let parts: Vec<String> = anatomy
        .parts
        .iter()
        .filter(|size| size.bytes * 200 >= report.size)
        .map(|size| format!("{} {} ({})", size.part.name(), human_size(size.bytes), percent(size.bytes, report.size)))
        .collect();
    page.list("size", "", &parts);
    if anatomy.module_count > 1 || anatomy.component_count > 0 {
        let modules = counted(anatomy.module_count, "core module");
        let inside = match anatomy.component_count {
            0 => String::new(),
            count => format!(" and {}", counted(count, "component")),
        };
        page.fact("size", &format!("in {modules}{inside}, {}", counted(anatomy.function_count, "function")));
    }
    let code: u64 = anatomy.parts.iter().filter(|size| size.part == Part::Code).map(|size| size.bytes).sum();
    let origins: Vec<String> = anatomy
        .origins
        .iter()
        .filter(|origin| verbose || origin.bytes * 100 >= code)
        .take(if verbose { usize::MAX } else { 2 * FEW })
        .map(|origin| format!("{} {}", origin.name, percent(origin.bytes, code)))
        .collect();
    page.list("code of", "", &origins);
    let several = anatomy.module_count > 1;
    let of = |module: &str| if several { format!(" of {module}") } else { String::new() };
    let known: u64 = anatomy.origins.iter().map(|origin| origin.bytes).sum();
    if verbose {
        for module in &anatomy.modules {
            let content = format!("code {}, data {}", human_size(module.code), human_size(module.data));
            page.cut("modules", &format!("{:>9}  {} ({content})", human_size(module.bytes), module.name));
        }
    } else if several && known * 2 < code {
        // Where functions do not tell where they come from, modules do: libraries that are linked when
        // the component starts.
        let mut modules: Vec<_> = anatomy.modules.iter().filter(|module| module.bytes * 100 >= report.size).collect();
        modules.sort_by_key(|module| std::cmp::Reverse(module.bytes));
        let list: Vec<String> =
            modules.iter().take(FEW).map(|module| format!("{} {}", module.name, human_size(module.bytes))).collect();
        if list.len() > 1 {
            page.list("modules", "", &list);
        }
    }
    // What has no name tells little.
    for function in anatomy.functions.iter().filter(|function| verbose || function.name.is_some()).take(shown) {
        let size = human_size(function.bytes);
        page.cut(
            "functions",
            &match &function.name {
                Some(name) => format!("{size:>9}  {name}"),
                None => format!("{size:>9}  function {}{}", function.index, of(&function.module)),
            },
        );
    }
    if !anatomy.functions.is_empty() && anatomy.functions.iter().all(|function| function.name.is_none()) {
        page.fact("functions", "have no names in this file; see their sizes with --verbose");
    }
    for data in anatomy.data.iter().filter(|data| verbose || data.name.is_some()).take(if verbose { shown } else { 3 })
    {
        let name = data.name.clone().unwrap_or_else(|| format!("segment {}", data.index));
        page.cut("data", &format!("{:>9}  {name}{}", human_size(data.bytes), of(&data.module)));
    }
}

fn exact(bytes: u64) -> String {
    if bytes < 1_000 { String::new() } else { format!(" ({bytes} bytes)") }
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.0} %", part as f64 * 100.0 / whole.max(1) as f64)
}

pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Text of strangers must not command the terminal: control characters and those that turn the
/// direction of writing are shown by their number.
pub(super) fn plain(text: &str) -> String {
    let turns =
        |letter: char| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || turns(letter) {
            plain.extend(letter.escape_unicode());
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// Lines of facts, with names on the left.
#[derive(Default)]
pub(super) struct Page {
    pub lines: Vec<String>,
    /// The name of the last fact.
    name: String,
}

impl Page {
    pub fn titled(title: &str) -> Self {
        Page { lines: vec![plain(title)], name: String::new() }
    }

    /// A line. The name is written once for facts that follow each other.
    pub fn fact(&mut self, name: &str, value: &str) {
        let is_said = self.name == name;
        self.name = name.to_string();
        let name = if is_said { "" } else { name };
        self.lines.push(format!("  {name:<MARGIN$}{}", plain(value)).trim_end().to_string());
    }

    /// A line that is cut at the end.
    pub fn cut(&mut self, name: &str, value: &str) {
        let room = WIDTH - MARGIN - 2;
        let value = plain(value);
        match value.char_indices().nth(room) {
            None => self.fact(name, &value),
            Some(_) => {
                let short: String = value.chars().take(room - 1).collect();
                self.fact(name, &format!("{short}\u{2026}"));
            }
        }
    }

    /// Words behind `start`, on as many lines as they need.
    pub fn wrapped(&mut self, name: &str, start: &str, words: &str) {
        let words: Vec<String> = words.split_whitespace().map(str::to_string).collect();
        self.fill(name, start, &words, "");
    }

    /// Items behind `start`, with commas, on as many lines as they need. Nothing for no items.
    pub fn list(&mut self, name: &str, start: &str, items: &[String]) {
        if !items.is_empty() {
            self.fill(name, start, items, ",");
        }
    }

    fn fill(&mut self, name: &str, start: &str, items: &[String], end: &str) {
        let room = WIDTH - MARGIN - 2;
        let start = plain(start);
        let indent = " ".repeat(start.chars().count());
        let mut line = start;
        let mut is_empty = true;
        for (index, item) in items.iter().enumerate() {
            let item = format!("{}{}", plain(item), if index + 1 < items.len() { end } else { "" });
            if !is_empty && line.chars().count() + 1 + item.chars().count() > room {
                self.fact(name, &line);
                line = indent.clone();
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(&item);
            is_empty = false;
        }
        self.fact(name, &line);
    }

    fn more(&mut self, name: &str, count: usize, shown: usize) {
        if count > shown {
            self.fact(name, &format!("\u{2026} {} more", count - shown));
        }
    }
}
