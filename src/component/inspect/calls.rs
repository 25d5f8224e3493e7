//! The functions of a core module and what they call.

use std::collections::HashMap;

use wasmparser::{
    CompositeInnerType, ElementItems, ElementKind, ExternalKind, FuncType, FunctionBody, KnownCustom, Name, Operator,
    Payload, TypeRef,
};

use super::anatomy::constant;

/// Types of functions, the same number for the same type in all modules.
#[derive(Default)]
pub(super) struct Signatures(HashMap<FuncType, u32>);

impl Signatures {
    fn number(&mut self, ty: &FuncType) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(ty.clone()).or_insert(next)
    }
}

/// A type that is none of functions.
const NO_FUNCTION: u32 = u32::MAX;

/// One core module. Functions and tables have the numbers of the module, imported ones first.
#[derive(Default)]
pub(super) struct Module<'a> {
    pub name: Option<&'a str>,
    /// Module and name of each imported function.
    pub imported_functions: Vec<(&'a str, &'a str)>,
    pub imported_tables: Vec<(&'a str, &'a str)>,
    /// Tables of its own.
    pub own_tables: usize,
    /// The signature of each function.
    pub signatures: Vec<u32>,
    pub elements: Vec<Elements>,
    pub exports: HashMap<&'a str, Item>,
    pub start: Option<u32>,
    names: HashMap<u32, &'a str>,
    types: Vec<u32>,
    /// Of each function with a body, where its calls end in the lists below.
    ends: Vec<(usize, usize)>,
    direct: Vec<u32>,
    indirect: Vec<Indirect>,
}

/// What a module exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Function(u32),
    Table(u32),
    Other,
}

/// Functions that are put into a table.
pub(super) struct Elements {
    /// Without one, into any.
    pub table: Option<u32>,
    /// The place of the first of them, if it is constant.
    pub offset: Option<u64>,
    pub functions: Vec<u32>,
}

/// A call through a function pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Indirect {
    /// Anything of this signature in this table.
    Any { table: u32, signature: u32 },
    /// What stands in this place.
    Slot { table: u32, signature: u32, slot: u32 },
    /// A function whose reference is taken may be called by whoever gets it.
    Reference(u32),
}

/// What a function calls.
pub(super) struct Calls<'m> {
    pub direct: &'m [u32],
    pub indirect: &'m [Indirect],
}

impl<'a> Module<'a> {
    /// What a function with a body calls; each callee once.
    pub fn calls(&self, function: u32) -> Calls<'_> {
        let none = Calls { direct: &[], indirect: &[] };
        let Some(index) = (function as usize).checked_sub(self.imported_functions.len()) else { return none };
        let Some(end) = self.ends.get(index) else { return none };
        let start = if index == 0 { (0, 0) } else { self.ends[index - 1] };
        Calls { direct: &self.direct[start.0..end.0], indirect: &self.indirect[start.1..end.1] }
    }

    /// The name of a function in its module, as it stands there.
    pub fn name_of(&self, function: u32) -> Option<&'a str> {
        self.names.get(&function).copied()
    }

    /// Takes in one section. What cannot be read is passed over: the file was validated, but for the
    /// bodies of functions.
    pub fn read(&mut self, payload: &Payload<'a>, signatures: &mut Signatures) -> Result<(), wasmparser::Error> {
        match payload {
            Payload::TypeSection(groups) => {
                for group in groups.clone() {
                    for ty in group?.types() {
                        self.types.push(match &ty.composite_type.inner {
                            CompositeInnerType::Func(ty) => signatures.number(ty),
                            _ => NO_FUNCTION,
                        });
                    }
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    let import = import?;
                    match import.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                            self.imported_functions.push((import.module, import.name));
                            self.signatures.push(self.signature(ty));
                        }
                        TypeRef::Table(_) => self.imported_tables.push((import.module, import.name)),
                        _ => {}
                    }
                }
            }
            Payload::FunctionSection(types) => {
                for ty in types.clone() {
                    let signature = self.signature(ty?);
                    self.signatures.push(signature);
                }
            }
            Payload::TableSection(tables) => self.own_tables = tables.count() as usize,
            Payload::ExportSection(exports) => {
                for export in exports.clone() {
                    let export = export?;
                    let item = match export.kind {
                        ExternalKind::Func | ExternalKind::FuncExact => {
                            self.names.entry(export.index).or_insert(export.name);
                            Item::Function(export.index)
                        }
                        ExternalKind::Table => Item::Table(export.index),
                        _ => Item::Other,
                    };
                    self.exports.insert(export.name, item);
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(*func),
            Payload::ElementSection(segments) => {
                for segment in segments.clone() {
                    let segment = segment?;
                    let (table, offset) = match &segment.kind {
                        ElementKind::Active { table_index, offset_expr } => {
                            (Some(table_index.unwrap_or(0)), constant(offset_expr))
                        }
                        ElementKind::Passive => (None, None),
                        ElementKind::Declared => continue,
                    };
                    let functions = functions_of(segment.items)?;
                    self.elements.push(Elements { table, offset, functions });
                }
            }
            Payload::CodeSectionEntry(body) => {
                let (direct, indirect) = (self.direct.len(), self.indirect.len());
                // What was read before the error is called all the same.
                let _ = self.body(body);
                dedup_from(&mut self.direct, direct);
                dedup_from(&mut self.indirect, indirect);
                self.ends.push((self.direct.len(), self.indirect.len()));
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    for subsection in names.into_iter().map_while(Result::ok) {
                        match subsection {
                            Name::Module { name, .. } => self.name = Some(name),
                            Name::Function(map) => {
                                let named = map.into_iter().map_while(Result::ok);
                                self.names.extend(named.map(|naming| (naming.index, naming.name)));
                            }
                            _ => {}
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'a>) -> Result<(), wasmparser::Error> {
        let mut operators = body.get_operators_reader()?;
        let mut before = None;
        while !operators.eof() {
            let operator = operators.read()?;
            let pushed = before.take();
            match operator {
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    self.direct.push(function_index);
                }
                Operator::CallIndirect { type_index, table_index: table }
                | Operator::ReturnCallIndirect { type_index, table_index: table } => {
                    let signature = self.signature(type_index);
                    self.indirect.push(match pushed {
                        Some(slot) => Indirect::Slot { table, signature, slot },
                        None => Indirect::Any { table, signature },
                    });
                }
                Operator::RefFunc { function_index } => self.indirect.push(Indirect::Reference(function_index)),
                Operator::I32Const { value } => before = Some(value as u32),
                _ => {}
            }
        }
        Ok(())
    }

    fn signature(&self, ty: u32) -> u32 {
        self.types.get(ty as usize).copied().unwrap_or(NO_FUNCTION)
    }
}

fn functions_of(items: ElementItems<'_>) -> Result<Vec<u32>, wasmparser::Error> {
    match items {
        ElementItems::Functions(functions) => functions.into_iter().collect(),
        // Every entry has its place, also one that is no function.
        ElementItems::Expressions(_, expressions) => expressions
            .into_iter()
            .map(|expression| {
                Ok(match expression?.get_operators_reader().read()? {
                    Operator::RefFunc { function_index } => function_index,
                    _ => u32::MAX,
                })
            })
            .collect(),
    }
}

fn dedup_from<T: Ord + Copy>(list: &mut Vec<T>, start: usize) {
    list[start..].sort_unstable();
    let mut kept = start;
    for index in start..list.len() {
        if kept == start || list[kept - 1] != list[index] {
            list[kept] = list[index];
            kept += 1;
        }
    }
    list.truncate(kept);
}
