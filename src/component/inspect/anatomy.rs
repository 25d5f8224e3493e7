//! What a file is made of: bytes by kind of section, by module, by function and by data segment.
//!
//! One walk over sections that have been validated before. Every byte is counted once, so that the
//! parts add up to the size of the file.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use wasmparser::{Chunk, DataKind, KnownCustom, Name, NameSectionReader, Operator, Parser, Payload, TypeRef};

use super::names;

/// How many of the heaviest functions and data segments are told.
const HEAVIEST: usize = 20;

/// How many modules are told one by one.
const MOST_MODULES: usize = 64;

/// How many origins of code are told; the rest is in none.
const MOST_ORIGINS: usize = 20;

/// How many names of functions are kept for comparisons.
const MOST_NAMES: usize = 200_000;

/// Bytes by what they are for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Anatomy {
    /// Adds up to the size of the file; from large to small, what is not there is left out.
    pub parts: Vec<PartSize>,
    /// The core modules in the order in which they lie in the file, the first [`MOST_MODULES`].
    pub modules: Vec<ModuleSize>,
    /// How many core modules there are.
    pub module_count: usize,
    /// How many components lie inside of this one.
    pub component_count: usize,
    /// How many functions have a body, in all modules.
    pub function_count: usize,
    /// The largest functions of all modules, from large to small.
    pub functions: Vec<FunctionSize>,
    /// Code by crate or namespace, from large to small. Empty without names.
    pub origins: Vec<OriginSize>,
    /// The largest data segments of all modules, from large to small.
    pub data: Vec<DataSize>,
    /// The functions that have names, those of one name together; for comparisons.
    #[serde(skip)]
    pub bytes_by_name: BTreeMap<String, u64>,
}

/// What bytes of a file are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Bodies of functions.
    Code,
    /// What memory holds at the start.
    Data,
    /// Types, imports, exports, tables, globals of the core modules.
    Declarations,
    /// Types, imports, exports and wiring of the component itself.
    Component,
    /// Names of functions and others, for backtraces.
    Names,
    /// DWARF, for debuggers and for lines in backtraces.
    DebugInfo,
    /// Other custom sections: producers, licences, dependencies.
    Metadata,
}

impl Part {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Part::Code => "code",
            Part::Data => "data",
            Part::Declarations => "declarations",
            Part::Component => "component",
            Part::Names => "names",
            Part::DebugInfo => "debug info",
            Part::Metadata => "metadata",
        }
    }
}

/// The bytes of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartSize {
    pub part: Part,
    pub bytes: u64,
}

/// One core module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModuleSize {
    /// The name it carries, else `module 1`, `module 2`, …
    pub name: String,
    pub bytes: u64,
    pub code: u64,
    pub data: u64,
    /// Functions with a body.
    pub functions: usize,
}

/// One function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FunctionSize {
    /// Readable, cut when it is very long. Files without names have none.
    pub name: Option<String>,
    /// Its number in its module.
    pub index: u32,
    /// The name of its module.
    pub module: String,
    pub bytes: u64,
}

/// The functions of one crate or namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OriginSize {
    /// e.g. `core`, `hello`
    pub name: String,
    pub bytes: u64,
    pub functions: usize,
}

/// One data segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataSize {
    /// The name it carries, e.g. `.rodata`.
    pub name: Option<String>,
    /// Its number in its module.
    pub index: usize,
    /// The name of its module.
    pub module: String,
    pub bytes: u64,
    /// Where in memory it is put, if that is a constant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<u64>,
}

/// Takes a file apart. `bytes` have been validated; what cannot be read all the same is passed over.
pub(super) fn anatomy(bytes: &[u8]) -> Anatomy {
    let mut work = Work::default();
    // What does not parse was refused before; sizes counted so far are right all the same.
    let _ = work.walk(bytes);
    work.finish()
}

#[derive(Default)]
struct Work<'a> {
    bytes_of: HashMap<Part, u64>,
    anatomy: Anatomy,
    /// The module that is being read; modules do not nest.
    module: Option<Module<'a>>,
    origins: HashMap<String, (u64, usize)>,
}

/// A module while it is read. Names come behind what they name.
#[derive(Default)]
struct Module<'a> {
    bytes: u64,
    code: u64,
    data_bytes: u64,
    imported_functions: u32,
    functions: Vec<u32>,
    data: Vec<(u64, Option<u64>)>,
    exports: HashMap<u32, &'a str>,
    names: Option<NameSectionReader<'a>>,
}

impl<'a> Work<'a> {
    fn walk(&mut self, bytes: &'a [u8]) -> Result<(), wasmparser::Error> {
        let mut parser = Parser::new(0);
        let mut parents = Vec::new();
        let mut rest = bytes;
        while let Chunk::Parsed { consumed, payload } = parser.parse(rest, true)? {
            rest = &rest[consumed..];
            let part = self.part(&payload);
            *self.bytes_of.entry(part).or_default() += consumed as u64;
            if let Some(module) = &mut self.module {
                module.bytes += consumed as u64;
                match part {
                    Part::Code => module.code += consumed as u64,
                    Part::Data => module.data_bytes += consumed as u64,
                    _ => {}
                }
                // A section that cannot be read has a size all the same.
                let _ = module.read(&payload);
            }
            match payload {
                Payload::Version { encoding: wasmparser::Encoding::Module, .. } => {
                    self.module = Some(Module { bytes: consumed as u64, ..Module::default() });
                }
                Payload::ModuleSection { parser: inner, .. } => parents.push(std::mem::replace(&mut parser, inner)),
                Payload::ComponentSection { parser: inner, .. } => {
                    self.anatomy.component_count += 1;
                    parents.push(std::mem::replace(&mut parser, inner));
                }
                Payload::End(_) => {
                    if let Some(module) = self.module.take() {
                        self.take_in(module);
                    }
                    match parents.pop() {
                        Some(parent) => parser = parent,
                        None => break,
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn part(&self, payload: &Payload<'_>) -> Part {
        match payload {
            Payload::CodeSectionStart { .. } | Payload::CodeSectionEntry(_) => Part::Code,
            Payload::DataSection(_) => Part::Data,
            Payload::CustomSection(section) => match section.name() {
                "name" | "component-name" => Part::Names,
                name if is_debug_info(name) => Part::DebugInfo,
                _ => Part::Metadata,
            },
            Payload::Version { encoding: wasmparser::Encoding::Module, .. } => Part::Declarations,
            _ if self.module.is_some() => Part::Declarations,
            _ => Part::Component,
        }
    }

    fn take_in(&mut self, module: Module<'a>) {
        self.anatomy.module_count += 1;
        let Names { module: own_name, functions: mut function_names, data: data_names } = module.names();
        let name = own_name.map_or_else(|| format!("module {}", self.anatomy.module_count), names::readable);
        for (index, export) in &module.exports {
            function_names.entry(*index).or_insert(export);
        }

        let mut functions: Vec<(u32, u32)> =
            module.functions.iter().zip(module.imported_functions..).map(|(size, index)| (*size, index)).collect();
        for (size, index) in &functions {
            let Some(readable) = function_names.get(index).map(|name| names::readable(name)) else { continue };
            if self.anatomy.bytes_by_name.len() < MOST_NAMES || self.anatomy.bytes_by_name.contains_key(&readable) {
                *self.anatomy.bytes_by_name.entry(readable.clone()).or_default() += u64::from(*size);
            }
            let Some(origin) = names::origin(&readable) else { continue };
            // Made-up names must not make the table large.
            if self.origins.len() < 10_000 || self.origins.contains_key(origin) {
                let entry = self.origins.entry(origin.to_string()).or_default();
                entry.0 += u64::from(*size);
                entry.1 += 1;
            }
        }
        // Of equal size the first one wins, so that the same file always has the same report.
        functions.sort_by_key(|(size, index)| (std::cmp::Reverse(*size), *index));
        self.anatomy.functions.extend(functions.iter().take(HEAVIEST).map(|(size, index)| FunctionSize {
            name: function_names.get(index).map(|name| names::readable(name)),
            index: *index,
            module: name.clone(),
            bytes: u64::from(*size),
        }));

        let mut data: Vec<(u64, usize, Option<u64>)> =
            module.data.iter().enumerate().map(|(index, (size, address))| (*size, index, *address)).collect();
        data.sort_by_key(|(size, index, _)| (std::cmp::Reverse(*size), *index));
        self.anatomy.data.extend(data.iter().take(HEAVIEST).map(|(size, index, address)| DataSize {
            name: data_names.get(&(*index as u32)).map(|name| names::readable(name)),
            index: *index,
            module: name.clone(),
            bytes: *size,
            address: *address,
        }));

        self.anatomy.function_count += module.functions.len();
        if self.anatomy.modules.len() < MOST_MODULES {
            self.anatomy.modules.push(ModuleSize {
                name,
                bytes: module.bytes,
                code: module.code,
                data: module.data_bytes,
                functions: module.functions.len(),
            });
        }
        // Many modules must not make the lists long in the meantime.
        self.anatomy.functions.sort_by_key(|function| std::cmp::Reverse(function.bytes));
        self.anatomy.functions.truncate(HEAVIEST);
        self.anatomy.data.sort_by_key(|data| std::cmp::Reverse(data.bytes));
        self.anatomy.data.truncate(HEAVIEST);
    }

    fn finish(mut self) -> Anatomy {
        let mut parts: Vec<_> = self.bytes_of.into_iter().map(|(part, bytes)| PartSize { part, bytes }).collect();
        parts.sort_by_key(|size| (std::cmp::Reverse(size.bytes), size.part));
        self.anatomy.parts = parts;
        let mut origins: Vec<_> =
            self.origins.into_iter().map(|(name, (bytes, functions))| OriginSize { name, bytes, functions }).collect();
        origins.sort_by(|one, other| other.bytes.cmp(&one.bytes).then_with(|| one.name.cmp(&other.name)));
        origins.truncate(MOST_ORIGINS);
        self.anatomy.origins = origins;
        self.anatomy
    }
}

/// The names that a module has for its parts.
struct Names<'a> {
    module: Option<&'a str>,
    functions: HashMap<u32, &'a str>,
    data: HashMap<u32, &'a str>,
}

impl<'a> Module<'a> {
    fn read(&mut self, payload: &Payload<'a>) -> Result<(), wasmparser::Error> {
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    if matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) {
                        self.imported_functions = self.imported_functions.saturating_add(1);
                    }
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports.clone() {
                    let export = export?;
                    if export.kind == wasmparser::ExternalKind::Func {
                        self.exports.entry(export.index).or_insert(export.name);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => self.functions.push(body.range().len() as u32),
            Payload::DataSection(segments) => {
                for segment in segments.clone() {
                    let segment = segment?;
                    let address = match &segment.kind {
                        DataKind::Active { offset_expr, .. } => constant(offset_expr),
                        DataKind::Passive => None,
                    };
                    self.data.push((segment.data.len() as u64, address));
                }
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    self.names.get_or_insert(names);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Broken name sections are legal: what can be read of them is taken.
    fn names(&self) -> Names<'a> {
        let mut found = Names { module: None, functions: HashMap::new(), data: HashMap::new() };
        for subsection in self.names.clone().into_iter().flatten() {
            let (map, into) = match subsection {
                Ok(Name::Module { name, .. }) => {
                    found.module = Some(name);
                    continue;
                }
                Ok(Name::Function(map)) => (map, &mut found.functions),
                Ok(Name::Data(map)) => (map, &mut found.data),
                Ok(_) => continue,
                Err(_) => break,
            };
            for naming in map {
                let Ok(naming) = naming else { break };
                into.insert(naming.index, naming.name);
            }
        }
        found
    }
}

/// The value of an expression that is one constant.
pub(super) fn constant(expr: &wasmparser::ConstExpr<'_>) -> Option<u64> {
    match expr.get_operators_reader().read().ok()? {
        Operator::I32Const { value } => Some(u64::from(value as u32)),
        Operator::I64Const { value } => Some(value as u64),
        _ => None,
    }
}

fn is_debug_info(section: &str) -> bool {
    section.starts_with(".debug_") || section == "external_debug_info" || section == "sourceMappingURL"
}
