//! The interfaces of a component with their functions and types, as WIT text.
//!
//! The text is made from [`wit_parser`]'s model by [`signature`] and [`interface`], which serve as
//! well for WIT packages: what a component imports and what a host provides can be compared.

use std::panic::AssertUnwindSafe;

use wit_parser::{
    Function, FunctionKind, Handle, InterfaceId, Resolve, Type, TypeDef, TypeDefKind, TypeId, TypeOwner, WorldId,
    WorldItem, WorldKey, decoding::DecodedWasm,
};

use super::{Kind, Unreadable, read};

/// What a component needs and offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// In the component's order.
    pub imports: Vec<Interface>,
    /// In the component's order.
    pub exports: Vec<Interface>,
}

/// An interface, or a function that belongs to none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Without the version, e.g. `wasi:keyvalue/store`; a plain name for what has no package.
    pub name: String,
    /// The version, e.g. `0.2.0-draft`.
    pub version: Option<String>,
    /// The plain name under which a component imports it, when that is not the interface's own.
    pub label: Option<String>,
    /// Name and signature, e.g. `[method]bucket.get` and `func(key: string) -> option<list<u8>>`.
    /// A component's imports list only the functions that it uses. A function that belongs to no
    /// interface is the only entry of one of its own name.
    pub functions: Vec<(String, String)>,
    /// Name and definition of the types, e.g. `error` and `variant { no-such-store, other(string) }`.
    pub types: Vec<(String, String)>,
}

impl Interface {
    /// Name and version, as components write it: `wasi:keyvalue/store@0.2.0-draft`.
    pub fn full_name(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{version}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Longer texts are cut: types can be built whose text is exponentially longer than they are.
const LONGEST_TEXT: usize = 4000;
/// The most text of all signatures and definitions of one component together; what follows is cut. A
/// large world has 100 KB. Without it each of the functions of a made-up file, some bytes long, could
/// have a text of [`LONGEST_TEXT`].
const LONGEST_TEXTS: usize = 8 << 20;

/// Reads the interfaces of a component. A core module has none.
pub fn interfaces(bytes: &[u8]) -> Result<Interfaces, Unreadable> {
    // Validates everything that the decoder below takes for granted.
    let outline = read::outline(bytes)?;
    if outline.kind != Kind::Component {
        return Ok(Interfaces::default());
    }
    // Bytes of strangers must not bring us down with a case that the decoder did not think of.
    let decoded = std::panic::catch_unwind(AssertUnwindSafe(|| wit_parser::decoding::decode(bytes)));
    if let Ok(Ok(DecodedWasm::Component(resolve, world))) = decoded {
        return Ok(of_world(&resolve, world));
    }
    // Valid, and not expressible in WIT: the names are all there is to say.
    let named = |names: &[String]| {
        let entry = |name: &String| {
            let (name, version) = split_version(name);
            Interface { name, version, ..Interface::default() }
        };
        names.iter().map(entry).collect()
    };
    Ok(Interfaces { imports: named(&outline.imports), exports: named(&outline.exports) })
}

/// What a world needs and offers.
pub(super) fn of_world(resolve: &Resolve, id: WorldId) -> Interfaces {
    let world = &resolve.worlds[id];
    let mut writer = Writer { resolve, left: LONGEST_TEXTS };
    let mut all = |items: &wit_parser::IndexMap<WorldKey, WorldItem>| {
        items.iter().filter_map(|(key, item)| writer.world_item(key, item)).collect()
    };
    Interfaces { imports: all(&world.imports), exports: all(&world.exports) }
}

/// The interface `id` of a WIT package.
pub fn interface(resolve: &Resolve, id: InterfaceId) -> Interface {
    Writer { resolve, left: LONGEST_TEXTS }.interface(id)
}

/// The signature of a function as WIT has it: `func(key: string) -> result<u32, error>`. Named types
/// appear by their names; a method's `self` is left out.
pub fn signature(resolve: &Resolve, function: &Function) -> String {
    Writer { resolve, left: LONGEST_TEXTS }.signature(function)
}

/// `wasi:http/types@0.2.12` as name and version.
fn split_version(name: &str) -> (String, Option<String>) {
    match name.split_once('@') {
        Some((name, version)) => (name.to_string(), Some(version.to_string())),
        None => (name.to_string(), None),
    }
}

/// Writes the texts of a component, as long as there is room.
struct Writer<'a> {
    resolve: &'a Resolve,
    /// The bytes that all further texts may have together.
    left: usize,
}

impl<'a> Writer<'a> {
    fn world_item(&mut self, key: &WorldKey, item: &WorldItem) -> Option<Interface> {
        match item {
            WorldItem::Interface { id, .. } => {
                let mut interface = self.interface(*id);
                if let WorldKey::Name(name) = key {
                    if interface.name.is_empty() {
                        interface.name = name.clone();
                    } else {
                        interface.label = Some(name.clone());
                    }
                }
                Some(interface)
            }
            WorldItem::Function(function) => Some(Interface {
                name: function.name.clone(),
                functions: vec![(function.name.clone(), self.signature(function))],
                ..Interface::default()
            }),
            WorldItem::Type { .. } => None,
        }
    }

    fn interface(&mut self, id: InterfaceId) -> Interface {
        let resolve = self.resolve;
        let item = &resolve.interfaces[id];
        let (name, version) = split_version(&resolve.id_of(id).or(item.name.clone()).unwrap_or_default());
        Interface {
            name,
            version,
            label: None,
            functions: item.functions.iter().map(|(name, f)| (name.clone(), self.signature(f))).collect(),
            types: item.types.iter().map(|(name, id)| (name.clone(), self.definition(*id))).collect(),
        }
    }

    fn signature(&mut self, function: &Function) -> String {
        let mut text = self.text();
        text.push(if function.kind.is_async() { "async func(" } else { "func(" });
        let is_method = matches!(function.kind, FunctionKind::Method(_) | FunctionKind::AsyncMethod(_));
        for (index, param) in function.params.iter().skip(usize::from(is_method)).enumerate() {
            text.push(if index == 0 { "" } else { ", " });
            text.push(&param.name);
            text.push(": ");
            text.ty(&param.ty);
        }
        text.push(")");
        // What a constructor makes goes without saying.
        if let (Some(result), false) = (&function.result, matches!(function.kind, FunctionKind::Constructor(_))) {
            text.push(" -> ");
            text.ty(result);
        }
        self.finish(text)
    }

    fn definition(&mut self, id: TypeId) -> String {
        let mut text = self.text();
        text.definition(&self.resolve.types[id]);
        self.finish(text)
    }

    fn text(&self) -> Text<'a> {
        // One that there is no room for is seen to be cut, too.
        let text = if self.left == 0 { "\u{2026}".into() } else { String::new() };
        Text { resolve: self.resolve, text, longest: self.left.min(LONGEST_TEXT) }
    }

    fn finish(&mut self, text: Text<'_>) -> String {
        self.left = self.left.saturating_sub(text.text.len());
        text.text
    }
}

/// A text that grows to a bound.
struct Text<'a> {
    resolve: &'a Resolve,
    text: String,
    longest: usize,
}

impl Text<'_> {
    fn is_full(&self) -> bool {
        self.text.len() >= self.longest
    }

    fn push(&mut self, more: &str) {
        if self.is_full() {
            return;
        }
        self.text.push_str(more);
        if self.is_full() {
            self.text.push('\u{2026}');
        }
    }

    fn ty(&mut self, ty: &Type) {
        let name = match ty {
            Type::Bool => "bool",
            Type::U8 => "u8",
            Type::U16 => "u16",
            Type::U32 => "u32",
            Type::U64 => "u64",
            Type::S8 => "s8",
            Type::S16 => "s16",
            Type::S32 => "s32",
            Type::S64 => "s64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Char => "char",
            Type::String => "string",
            Type::ErrorContext => "error-context",
            Type::Id(id) => return self.reference(*id),
        };
        self.push(name);
    }

    /// A type where it is used: by name, if it has one.
    fn reference(&mut self, id: TypeId) {
        if self.is_full() {
            return;
        }
        let resolve = self.resolve;
        let ty = &resolve.types[id];
        match &ty.name {
            Some(name) => self.push(name),
            None => self.definition(ty),
        }
    }

    fn definition(&mut self, ty: &TypeDef) {
        match &ty.kind {
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter().map(|field| (field.name.as_str(), Some(&field.ty)));
                self.block("record", ": ", "", fields);
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter().map(|case| (case.name.as_str(), case.ty.as_ref()));
                self.block("variant", "(", ")", cases);
            }
            TypeDefKind::Enum(cases) => {
                self.block("enum", "", "", cases.cases.iter().map(|case| (case.name.as_str(), None)));
            }
            TypeDefKind::Flags(flags) => {
                self.block("flags", "", "", flags.flags.iter().map(|flag| (flag.name.as_str(), None)));
            }
            TypeDefKind::Resource => self.push("resource"),
            // WIT writes an owned handle as the plain name of its resource.
            TypeDefKind::Handle(Handle::Own(id)) => self.reference(*id),
            TypeDefKind::Handle(Handle::Borrow(id)) => {
                self.push("borrow<");
                self.reference(*id);
                self.push(">");
            }
            TypeDefKind::Tuple(tuple) => self.generic("tuple", tuple.types.iter().map(Some)),
            TypeDefKind::Option(ty) => self.generic("option", [Some(ty)]),
            TypeDefKind::List(ty) => self.generic("list", [Some(ty)]),
            TypeDefKind::Map(key, value) => self.generic("map", [Some(key), Some(value)]),
            TypeDefKind::FixedLengthList(ty, length) => {
                self.push("list<");
                self.ty(ty);
                self.push(&format!(", {length}>"));
            }
            TypeDefKind::Result(result) => match (&result.ok, &result.err) {
                (None, None) => self.push("result"),
                (ok, None) => self.generic("result", [ok.as_ref()]),
                (ok, err) => self.generic("result", [ok.as_ref(), err.as_ref()]),
            },
            TypeDefKind::Future(None) => self.push("future"),
            TypeDefKind::Future(ty) => self.generic("future", [ty.as_ref()]),
            TypeDefKind::Stream(None) => self.push("stream"),
            TypeDefKind::Stream(ty) => self.generic("stream", [ty.as_ref()]),
            TypeDefKind::Type(Type::Id(id)) => self.used(*id),
            TypeDefKind::Type(ty) => self.ty(ty),
            TypeDefKind::Unknown => self.push("unknown"),
        }
    }

    /// A type of another interface: `wasi:io/streams.input-stream`, without a version, since types
    /// of compatible versions are the same.
    fn used(&mut self, id: TypeId) {
        let resolve = self.resolve;
        if let TypeOwner::Interface(owner) = resolve.types[id].owner
            && let Some(interface) = resolve.id_of(owner)
        {
            self.push(&split_version(&interface).0);
            self.push(".");
        }
        self.reference(id);
    }

    fn generic<'t>(&mut self, name: &str, args: impl IntoIterator<Item = Option<&'t Type>>) {
        self.push(name);
        self.push("<");
        for (index, arg) in args.into_iter().enumerate() {
            // A type of a million parts could be used by as many functions.
            if self.is_full() {
                return;
            }
            self.push(if index == 0 { "" } else { ", " });
            match arg {
                Some(ty) => self.ty(ty),
                None => self.push("_"),
            }
        }
        self.push(">");
    }

    fn block<'t>(
        &mut self,
        keyword: &str,
        open: &str,
        close: &str,
        entries: impl IntoIterator<Item = (&'t str, Option<&'t Type>)>,
    ) {
        self.push(keyword);
        self.push(" {");
        for (index, (name, ty)) in entries.into_iter().enumerate() {
            if self.is_full() {
                return;
            }
            self.push(if index == 0 { " " } else { ", " });
            self.push(name);
            if let Some(ty) = ty {
                self.push(open);
                self.ty(ty);
                self.push(close);
            }
        }
        self.push(" }");
    }
}
