//! How the parts of a component are put together: which function of which module instance stands
//! behind each import of a core module and each export of the component.
//!
//! The component's sections are followed as an engine would at instantiation, only that nothing is
//! run. What the component imports stays a name.

use std::collections::HashMap;

use wasmparser::{
    CanonicalFunction, CanonicalOption, Chunk, ComponentAlias, ComponentExport, ComponentExternalKind,
    ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef, Encoding, ExternalKind, Instance, Parser, Payload,
};

use super::calls::{Item, Module, Signatures};

/// A file that is put together of more parts than this is not followed: parts can be used twice, and
/// those of parts again.
const MOST_WORK: usize = 2_000_000;

/// Components inside of components, how deep.
const DEEPEST: usize = 100;

/// A function of a core module's instance, or what stands for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum CoreFunction {
    /// A function with a body.
    Defined { instance: usize, function: u32 },
    /// A function of the component level, made callable for core modules.
    Lowered(usize),
    /// The engine's own: resources, tasks, streams.
    Builtin,
}

/// A function of the component level.
#[derive(Debug)]
pub(super) enum Function {
    /// The component imports it.
    Imported { import: String, function: String },
    /// Made of core functions: the one that does it, and those that the engine calls around it.
    Lifted(Vec<CoreFunction>),
    /// Behind something that is not followed.
    Unknown,
}

/// An instance of a core module.
pub(super) struct ModuleInstance {
    pub module: usize,
    /// What stands behind each imported function.
    pub functions: Vec<CoreFunction>,
    /// The number of each of its tables, own ones as well.
    pub tables: Vec<usize>,
}

/// A file with everything connected.
#[derive(Default)]
pub(super) struct Wiring<'a> {
    pub modules: Vec<Module<'a>>,
    pub instances: Vec<ModuleInstance>,
    pub functions: Vec<Function>,
    /// How many tables there are.
    pub tables: usize,
    /// What the outermost component exports: its name, and what stands behind it.
    pub exports: Vec<(String, CoreFunction)>,
    /// What is called when the file is instantiated.
    pub starts: Vec<CoreFunction>,
}

/// The file is put together of too many parts.
#[derive(Debug, PartialEq, Eq)]
pub struct TooIntricate;

/// Connects the parts of a component or core module. `bytes` have been validated.
pub(super) fn wiring(bytes: &[u8]) -> Result<Wiring<'_>, TooIntricate> {
    let mut parts = Parts::default();
    // What does not parse was refused before.
    let _ = parts.read(bytes);
    let Parts { modules, components, .. } = parts;
    let mut work = Work {
        components: &components,
        scopes: Vec::new(),
        core_instances: Vec::new(),
        instances: Vec::new(),
        spent: 0,
        wiring: Wiring { modules, ..Wiring::default() },
    };
    match components.len() {
        0 => work.module_alone(),
        _ => work.component_alone()?,
    }
    Ok(work.wiring)
}

/// What a component is made of, in the order of its sections.
enum Entry<'a> {
    Module(usize),
    Component(usize),
    CoreInstance(Instance<'a>),
    Instance(ComponentInstance<'a>),
    Alias(ComponentAlias<'a>),
    Canonical(CanonicalFunction),
    Import(&'a str, ComponentTypeRef),
    Export(ComponentExport<'a>),
    Start(u32),
}

#[derive(Default)]
struct Parts<'a> {
    modules: Vec<Module<'a>>,
    /// The outermost one is the first.
    components: Vec<Vec<Entry<'a>>>,
    signatures: Signatures,
}

impl<'a> Parts<'a> {
    fn read(&mut self, bytes: &'a [u8]) -> Result<(), wasmparser::Error> {
        let mut parser = Parser::new(0);
        let mut parents = Vec::new();
        // The components that are open, outermost first; and the module, if one is.
        let mut open: Vec<usize> = Vec::new();
        let mut module: Option<usize> = None;
        let mut rest = bytes;
        while let Chunk::Parsed { consumed, payload } = parser.parse(rest, true)? {
            rest = &rest[consumed..];
            if let Some(index) = module {
                let _ = self.modules[index].read(&payload, &mut self.signatures);
            }
            match payload {
                Payload::Version { encoding: Encoding::Module, .. } => {
                    module = Some(self.modules.len());
                    self.modules.push(Module::default());
                }
                Payload::Version { encoding: Encoding::Component, .. } => {
                    open.push(self.components.len());
                    self.components.push(Vec::new());
                }
                Payload::ModuleSection { parser: inner, .. } => {
                    self.add(&open, Entry::Module(self.modules.len()));
                    parents.push(std::mem::replace(&mut parser, inner));
                }
                Payload::ComponentSection { parser: inner, .. } => {
                    self.add(&open, Entry::Component(self.components.len()));
                    parents.push(std::mem::replace(&mut parser, inner));
                }
                Payload::End(_) => {
                    if module.take().is_none() {
                        open.pop();
                    }
                    match parents.pop() {
                        Some(parent) => parser = parent,
                        None => break,
                    }
                }
                payload => self.section(&open, payload)?,
            }
        }
        Ok(())
    }

    fn section(&mut self, open: &[usize], payload: Payload<'a>) -> Result<(), wasmparser::Error> {
        match payload {
            Payload::InstanceSection(instances) => {
                for instance in instances {
                    self.add(open, Entry::CoreInstance(instance?));
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances {
                    self.add(open, Entry::Instance(instance?));
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases {
                    self.add(open, Entry::Alias(alias?));
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                for function in functions {
                    self.add(open, Entry::Canonical(function?));
                }
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    let import = import?;
                    self.add(open, Entry::Import(import.name.name, import.ty));
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    self.add(open, Entry::Export(export?));
                }
            }
            Payload::ComponentStartSection { start, .. } => self.add(open, Entry::Start(start.func_index)),
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, open: &[usize], entry: Entry<'a>) {
        if let Some(component) = open.last() {
            self.components[*component].push(entry);
        }
    }
}

/// The index spaces of one component's instance. What is not followed has a place and no content.
#[derive(Default)]
struct Scope {
    /// The scope in which the component was defined.
    parent: Option<usize>,
    modules: Vec<Option<usize>>,
    components: Vec<Option<Closure>>,
    core_instances: Vec<usize>,
    instances: Vec<usize>,
    core_functions: Vec<CoreFunction>,
    core_tables: Vec<Option<usize>>,
    functions: Vec<usize>,
}

/// A component with the scope in which it was defined.
#[derive(Clone, Copy)]
struct Closure {
    component: usize,
    scope: Option<usize>,
}

#[derive(Clone, Copy)]
enum Core {
    Function(CoreFunction),
    Table(usize),
}

#[derive(Clone, Copy)]
enum Value {
    Function(usize),
    Instance(usize),
    Component(Option<Closure>),
    Module(Option<usize>),
}

enum CoreInstanceValue<'a> {
    Module(usize),
    Exports(HashMap<&'a str, Core>),
}

enum InstanceValue<'a> {
    /// An import of the outermost component.
    Imported(String),
    Exports(HashMap<&'a str, Value>),
}

struct Work<'a, 'p> {
    components: &'p [Vec<Entry<'a>>],
    scopes: Vec<Scope>,
    core_instances: Vec<CoreInstanceValue<'a>>,
    instances: Vec<InstanceValue<'a>>,
    spent: usize,
    wiring: Wiring<'a>,
}

impl<'a> Work<'a, '_> {
    fn spend(&mut self, work: usize) -> Result<(), TooIntricate> {
        self.spent = self.spent.saturating_add(work);
        if self.spent > MOST_WORK { Err(TooIntricate) } else { Ok(()) }
    }

    /// A core module as if it was instantiated with its imports.
    fn module_alone(&mut self) {
        let Some(module) = self.wiring.modules.first() else { return };
        let imports: Vec<_> =
            module.imported_functions.iter().map(|(module, name)| (module.to_string(), name.to_string())).collect();
        let tables = (0..module.imported_tables.len() + module.own_tables).collect::<Vec<_>>();
        let mut exports: Vec<(String, u32)> = Vec::new();
        for (name, item) in &module.exports {
            if let Item::Function(function) = item {
                exports.push((name.to_string(), *function));
            }
        }
        exports.sort();
        let start = module.start;
        self.wiring.tables = tables.len();
        let functions = imports
            .into_iter()
            .map(|(module, name)| {
                let import = format!("{module}.{name}");
                CoreFunction::Lowered(self.function(Function::Imported { import, function: name }))
            })
            .collect();
        self.wiring.instances.push(ModuleInstance { module: 0, functions, tables });
        self.wiring.exports =
            exports.into_iter().map(|(name, function)| (name, self.core_function(0, function))).collect();
        self.wiring.starts = start.map(|start| self.core_function(0, start)).into_iter().collect();
    }

    fn component_alone(&mut self) -> Result<(), TooIntricate> {
        let outermost = Closure { component: 0, scope: None };
        let exports = self.component(outermost, None, 0)?;
        let InstanceValue::Exports(exports) = &self.instances[exports] else { return Ok(()) };
        let mut named: Vec<(&str, Value)> = exports.iter().map(|(name, value)| (*name, *value)).collect();
        named.sort_by_key(|(name, _)| *name);
        let mut found = Vec::new();
        for (name, value) in named {
            match value {
                Value::Function(function) => found.push((name.to_string(), CoreFunction::Lowered(function))),
                Value::Instance(instance) => {
                    let InstanceValue::Exports(inner) = &self.instances[instance] else { continue };
                    let mut functions: Vec<_> = inner
                        .iter()
                        .filter_map(|(inner, value)| match value {
                            Value::Function(function) => {
                                Some((format!("{name} {inner}"), CoreFunction::Lowered(*function)))
                            }
                            _ => None,
                        })
                        .collect();
                    functions.sort_by(|(one, _), (other, _)| one.cmp(other));
                    found.extend(functions);
                }
                _ => {}
            }
        }
        self.wiring.exports = found;
        Ok(())
    }

    /// Instantiates a component and returns the instance of its exports. The outermost one has no
    /// arguments: its imports stay names.
    fn component(
        &mut self,
        closure: Closure,
        args: Option<&HashMap<&str, Value>>,
        depth: usize,
    ) -> Result<usize, TooIntricate> {
        if depth > DEEPEST {
            return Err(TooIntricate);
        }
        let components = self.components;
        let Some(entries) = components.get(closure.component) else { return Err(TooIntricate) };
        self.spend(entries.len() + 1)?;
        let scope = self.scopes.len();
        self.scopes.push(Scope { parent: closure.scope, ..Scope::default() });
        let mut exports = HashMap::new();
        for entry in entries {
            match entry {
                Entry::Module(module) => self.scopes[scope].modules.push(Some(*module)),
                Entry::Component(component) => {
                    let closure = Closure { component: *component, scope: Some(scope) };
                    self.scopes[scope].components.push(Some(closure));
                }
                Entry::CoreInstance(instance) => {
                    let instance = self.core_instance(scope, instance)?;
                    self.scopes[scope].core_instances.push(instance);
                }
                Entry::Instance(instance) => {
                    let instance = self.instance(scope, instance, depth)?;
                    self.scopes[scope].instances.push(instance);
                }
                Entry::Alias(alias) => self.alias(scope, alias),
                Entry::Canonical(function) => self.canonical(scope, function),
                Entry::Import(name, ty) => {
                    let given = args.map(|args| args.get(name).copied());
                    self.import(scope, name, ty, given);
                }
                Entry::Export(export) => {
                    if let Some(value) = self.value(scope, export.kind, export.index) {
                        exports.insert(export.name.name, value);
                        // What is exported has a second number from then on.
                        self.put(scope, value);
                    }
                }
                Entry::Start(function) => {
                    if let Some(function) = self.scopes[scope].functions.get(*function as usize) {
                        self.wiring.starts.push(CoreFunction::Lowered(*function));
                    }
                }
            }
        }
        Ok(self.new_instance(InstanceValue::Exports(exports)))
    }

    fn import(&mut self, scope: usize, name: &str, ty: &ComponentTypeRef, given: Option<Option<Value>>) {
        let value = match (ty, given) {
            (ComponentTypeRef::Value(_) | ComponentTypeRef::Type(_), _) => return,
            (_, Some(Some(value))) => value,
            (ComponentTypeRef::Func(_), None) => {
                let imported = Function::Imported { import: name.to_string(), function: name.to_string() };
                Value::Function(self.function(imported))
            }
            (ComponentTypeRef::Func(_), Some(None)) => Value::Function(self.function(Function::Unknown)),
            (ComponentTypeRef::Instance(_), None) => {
                Value::Instance(self.new_instance(InstanceValue::Imported(name.to_string())))
            }
            (ComponentTypeRef::Instance(_), Some(None)) => {
                Value::Instance(self.new_instance(InstanceValue::Exports(HashMap::new())))
            }
            (ComponentTypeRef::Component(_), _) => Value::Component(None),
            (ComponentTypeRef::Module(_), _) => Value::Module(None),
        };
        self.put(scope, value);
    }

    fn put(&mut self, scope: usize, value: Value) {
        let scope = &mut self.scopes[scope];
        match value {
            Value::Function(function) => scope.functions.push(function),
            Value::Instance(instance) => scope.instances.push(instance),
            Value::Component(component) => scope.components.push(component),
            Value::Module(module) => scope.modules.push(module),
        }
    }

    fn value(&self, scope: usize, kind: ComponentExternalKind, index: u32) -> Option<Value> {
        let scope = &self.scopes[scope];
        let index = index as usize;
        match kind {
            ComponentExternalKind::Func => scope.functions.get(index).copied().map(Value::Function),
            ComponentExternalKind::Instance => scope.instances.get(index).copied().map(Value::Instance),
            ComponentExternalKind::Component => scope.components.get(index).copied().map(Value::Component),
            ComponentExternalKind::Module => scope.modules.get(index).copied().map(Value::Module),
            ComponentExternalKind::Value | ComponentExternalKind::Type => None,
        }
    }

    fn instance(
        &mut self,
        scope: usize,
        instance: &ComponentInstance<'a>,
        depth: usize,
    ) -> Result<usize, TooIntricate> {
        match instance {
            ComponentInstance::Instantiate { component_index, args } => {
                self.spend(args.len() + 1)?;
                let args: HashMap<&str, Value> =
                    args.iter().filter_map(|arg| Some((arg.name, self.value(scope, arg.kind, arg.index)?))).collect();
                match self.scopes[scope].components.get(*component_index as usize).copied().flatten() {
                    Some(closure) => self.component(closure, Some(&args), depth + 1),
                    None => Ok(self.new_instance(InstanceValue::Exports(HashMap::new()))),
                }
            }
            ComponentInstance::FromExports(exports) => {
                self.spend(exports.len() + 1)?;
                let exports = exports
                    .iter()
                    .filter_map(|export| Some((export.name.name, self.value(scope, export.kind, export.index)?)))
                    .collect();
                Ok(self.new_instance(InstanceValue::Exports(exports)))
            }
        }
    }

    fn core_instance(&mut self, scope: usize, instance: &Instance<'a>) -> Result<usize, TooIntricate> {
        let value = match instance {
            Instance::Instantiate { module_index, args } => {
                let args: HashMap<&str, usize> = args
                    .iter()
                    .filter_map(|arg| Some((arg.name, *self.scopes[scope].core_instances.get(arg.index as usize)?)))
                    .collect();
                match self.scopes[scope].modules.get(*module_index as usize).copied().flatten() {
                    Some(module) => CoreInstanceValue::Module(self.module(module, &args)?),
                    None => CoreInstanceValue::Exports(HashMap::new()),
                }
            }
            Instance::FromExports(exports) => {
                self.spend(exports.len() + 1)?;
                let scope = &self.scopes[scope];
                let item = |kind, index: u32| match kind {
                    ExternalKind::Func | ExternalKind::FuncExact => {
                        scope.core_functions.get(index as usize).copied().map(Core::Function)
                    }
                    ExternalKind::Table => scope.core_tables.get(index as usize).copied().flatten().map(Core::Table),
                    _ => None,
                };
                let exports = exports.iter().filter_map(|export| Some((export.name, item(export.kind, export.index)?)));
                CoreInstanceValue::Exports(exports.collect())
            }
        };
        self.core_instances.push(value);
        Ok(self.core_instances.len() - 1)
    }

    /// Instantiates a core module.
    fn module(&mut self, module: usize, args: &HashMap<&str, usize>) -> Result<usize, TooIntricate> {
        let Some(definition) = self.wiring.modules.get(module) else { return Err(TooIntricate) };
        let elements: usize = definition.elements.iter().map(|elements| elements.functions.len()).sum();
        let (imports, own_tables, start) =
            (definition.imported_functions.len(), definition.own_tables, definition.start);
        self.spend(imports + elements + own_tables + 1)?;
        let definition = &self.wiring.modules[module];
        let look_up = |(from, name): &(&str, &str)| self.core_export(*args.get(from)?, name);
        let functions = definition
            .imported_functions
            .iter()
            .map(|import| match look_up(import) {
                Some(Core::Function(function)) => function,
                _ => CoreFunction::Builtin,
            })
            .collect();
        let mut next = self.wiring.tables;
        let mut tables = Vec::new();
        for import in &definition.imported_tables {
            tables.push(match look_up(import) {
                Some(Core::Table(table)) => table,
                _ => {
                    next += 1;
                    next - 1
                }
            });
        }
        tables.extend(next..next + own_tables);
        self.wiring.tables = next + own_tables;
        let instance = self.wiring.instances.len();
        self.wiring.instances.push(ModuleInstance { module, functions, tables });
        if let Some(start) = start {
            let start = self.core_function(instance, start);
            self.wiring.starts.push(start);
        }
        Ok(instance)
    }

    fn core_export(&self, instance: usize, name: &str) -> Option<Core> {
        match self.core_instances.get(instance)? {
            CoreInstanceValue::Exports(exports) => exports.get(name).copied(),
            CoreInstanceValue::Module(instance) => {
                let module = &self.wiring.modules[self.wiring.instances[*instance].module];
                match module.exports.get(name)? {
                    Item::Function(function) => Some(Core::Function(self.core_function(*instance, *function))),
                    Item::Table(table) => {
                        self.wiring.instances[*instance].tables.get(*table as usize).copied().map(Core::Table)
                    }
                    Item::Other => None,
                }
            }
        }
    }

    fn core_function(&self, instance: usize, function: u32) -> CoreFunction {
        self.wiring.core_function(instance, function)
    }

    fn alias(&mut self, scope: usize, alias: &ComponentAlias<'a>) {
        match alias {
            ComponentAlias::InstanceExport { kind, instance_index, name } => {
                let instance = self.scopes[scope].instances.get(*instance_index as usize).copied();
                let found = match instance.map(|instance| &self.instances[instance]) {
                    Some(InstanceValue::Exports(exports)) => exports.get(name).copied(),
                    Some(InstanceValue::Imported(import)) => match kind {
                        ComponentExternalKind::Func => {
                            let imported = Function::Imported { import: import.clone(), function: name.to_string() };
                            Some(Value::Function(self.function(imported)))
                        }
                        _ => None,
                    },
                    None => None,
                };
                let value = found.or_else(|| self.placeholder(*kind));
                if let Some(value) = value {
                    self.put(scope, value);
                }
            }
            ComponentAlias::CoreInstanceExport { kind, instance_index, name } => {
                let instance = self.scopes[scope].core_instances.get(*instance_index as usize).copied();
                let found = instance.and_then(|instance| self.core_export(instance, name));
                let scope = &mut self.scopes[scope];
                match (kind, found) {
                    (ExternalKind::Func | ExternalKind::FuncExact, Some(Core::Function(function))) => {
                        scope.core_functions.push(function);
                    }
                    (ExternalKind::Func | ExternalKind::FuncExact, _) => {
                        scope.core_functions.push(CoreFunction::Builtin);
                    }
                    (ExternalKind::Table, Some(Core::Table(table))) => scope.core_tables.push(Some(table)),
                    (ExternalKind::Table, _) => scope.core_tables.push(None),
                    _ => {}
                }
            }
            ComponentAlias::Outer { kind, count, index } => {
                let mut from = Some(scope);
                for _ in 0..*count {
                    from = from.and_then(|scope| self.scopes[scope].parent);
                }
                let from = from.map(|scope| &self.scopes[scope]);
                let index = *index as usize;
                match kind {
                    ComponentOuterAliasKind::CoreModule => {
                        let module = from.and_then(|scope| scope.modules.get(index).copied()).flatten();
                        self.scopes[scope].modules.push(module);
                    }
                    ComponentOuterAliasKind::Component => {
                        let component = from.and_then(|scope| scope.components.get(index).copied()).flatten();
                        self.scopes[scope].components.push(component);
                    }
                    ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => {}
                }
            }
        }
    }

    /// Keeps the numbers right where nothing is known.
    fn placeholder(&mut self, kind: ComponentExternalKind) -> Option<Value> {
        match kind {
            ComponentExternalKind::Func => Some(Value::Function(self.function(Function::Unknown))),
            ComponentExternalKind::Instance => {
                Some(Value::Instance(self.new_instance(InstanceValue::Exports(HashMap::new()))))
            }
            ComponentExternalKind::Component => Some(Value::Component(None)),
            ComponentExternalKind::Module => Some(Value::Module(None)),
            ComponentExternalKind::Value | ComponentExternalKind::Type => None,
        }
    }

    fn canonical(&mut self, scope: usize, function: &CanonicalFunction) {
        let core = |work: &Self, index: u32| work.scopes[scope].core_functions.get(index as usize).copied();
        match function {
            CanonicalFunction::Lift { core_func_index, options, .. } => {
                let around = options.iter().filter_map(|option| match option {
                    CanonicalOption::Realloc(function)
                    | CanonicalOption::PostReturn(function)
                    | CanonicalOption::Callback(function) => Some(*function),
                    _ => None,
                });
                let called = std::iter::once(*core_func_index).chain(around).filter_map(|index| core(self, index));
                let lifted = Function::Lifted(called.collect());
                let lifted = self.function(lifted);
                self.scopes[scope].functions.push(lifted);
            }
            CanonicalFunction::Lower { func_index, .. } => {
                let lowered = self.scopes[scope].functions.get(*func_index as usize).copied();
                let lowered = lowered.map_or(CoreFunction::Builtin, CoreFunction::Lowered);
                self.scopes[scope].core_functions.push(lowered);
            }
            _ => self.scopes[scope].core_functions.push(CoreFunction::Builtin),
        }
    }

    fn function(&mut self, function: Function) -> usize {
        self.wiring.functions.push(function);
        self.wiring.functions.len() - 1
    }

    fn new_instance(&mut self, instance: InstanceValue<'a>) -> usize {
        self.instances.push(instance);
        self.instances.len() - 1
    }
}

impl Wiring<'_> {
    /// What stands behind a function of an instance, by its number in the module.
    pub fn core_function(&self, instance: usize, function: u32) -> CoreFunction {
        let imported = &self.instances[instance].functions;
        imported.get(function as usize).copied().unwrap_or(CoreFunction::Defined { instance, function })
    }
}
