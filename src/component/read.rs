//! The outline of WebAssembly bytes: a walk over their sections, validated on the way.

use wasmparser::{Chunk, Encoding, Parser, Payload, Validator, WasmFeatures};

use super::{Kind, Unreadable, nesting, sniff};

/// What a walk over the sections tells.
pub(super) struct Outline {
    pub kind: Kind,
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

const MAGIC: &[u8] = b"\0asm";

/// Reads the outermost imports and exports. Time and memory are linear in the size of the bytes,
/// and wasmparser's limits bound what their contents can ask for.
pub(super) fn outline(bytes: &[u8]) -> Result<Outline, Unreadable> {
    if bytes.is_empty() {
        return Err(Unreadable::Empty);
    }
    if !bytes.starts_with(MAGIC) {
        return Err(if MAGIC.starts_with(bytes) {
            Unreadable::Truncated { at: bytes.len() }
        } else if sniff::is_wat(bytes) {
            Unreadable::Text
        } else {
            Unreadable::NotWasm { looks_like: sniff::looks_like(bytes) }
        });
    }
    let walked = walk(bytes).map_err(|error| {
        let at = error.offset();
        // What is wrong only behind the last byte is missing, not wrong.
        if at >= bytes.len() || error.message().contains("unexpected end-of-file") {
            Unreadable::Truncated { at: bytes.len() }
        } else {
            Unreadable::Invalid { reason: error.message().trim().to_string(), at }
        }
    })?;
    walked.map_err(|TooDeep { at }| {
        let reason = format!("types are nested more than {} levels deep", nesting::DEEPEST);
        Unreadable::Invalid { reason, at }
    })
}

/// Types that the library could not read without overflowing the stack.
struct TooDeep {
    at: usize,
}

fn walk(bytes: &[u8]) -> Result<Result<Outline, TooDeep>, wasmparser::Error> {
    // The engine decides what it can run; here everything that has a meaning is accepted.
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let mut parser = Parser::new(0);
    let mut parents = Vec::new();
    let mut rest = bytes;
    let mut outline = Outline { kind: Kind::Module, imports: Vec::new(), exports: Vec::new() };
    let mut only_types = true;

    // The parser knows that there is no more, so that it never asks for it.
    while let Chunk::Parsed { consumed, payload } = parser.parse(rest, true)? {
        rest = &rest[consumed..];
        if let Payload::ComponentTypeSection(types) = &payload {
            let section = types.range();
            if let Some(at) = bytes.get(section.clone()).and_then(|types| nesting::too_deep_at(types, section.start)) {
                return Ok(Err(TooDeep { at }));
            }
        }
        validator.payload(&payload)?;
        let outermost = parents.is_empty();
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } if outermost => outline.kind = Kind::Component,
            Payload::ImportSection(imports) if outermost => {
                for import in imports.into_imports() {
                    let import = import?;
                    outline.imports.push(format!("{}.{}", import.module, import.name));
                }
            }
            Payload::ExportSection(exports) if outermost => {
                for export in exports {
                    outline.exports.push(export?.name.to_string());
                }
            }
            Payload::ComponentImportSection(imports) if outermost => {
                for import in imports {
                    outline.imports.push(import?.name.name.to_string());
                }
            }
            Payload::ComponentExportSection(exports) if outermost => {
                for export in exports {
                    let export = export?;
                    only_types &= export.kind == wasmparser::ComponentExternalKind::Type;
                    outline.exports.push(export.name.name.to_string());
                }
            }
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
    let exports_only_types = only_types && !outline.exports.is_empty() && outline.imports.is_empty();
    if outline.kind == Kind::Component && exports_only_types {
        outline.kind = Kind::WitPackage;
    }
    Ok(Ok(outline))
}
