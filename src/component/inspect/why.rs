//! Why a component imports something: the way from an export to the function that is imported.
//!
//! Calls are read from the bodies of the core functions. A call through a function pointer may reach
//! every function of its type that stands in the table: such steps are marked as guessed, and a way
//! with fewer of them is preferred to a shorter one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use serde::Serialize;

use super::calls::Indirect;
use super::names::readable;
pub use super::wiring::TooIntricate;
use super::wiring::{self, CoreFunction, Function, Wiring};

/// A graph of more functions than this is refused: instances of one module are counted apart.
const MOST_NODES: usize = 2_000_000;

/// Objects of one language are rarely called by another one: such a guess counts as so many more.
const UNLIKELY: u32 = 2;

/// A longer way tells nobody anything; its middle is left out.
const LONGEST_WAY: usize = 200;

/// What is known of one import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Why {
    /// e.g. `wasi:cli/environment@0.2.3`
    pub import: String,
    /// The functions of it that core code can call, the easiest to reach first. Empty: only types of
    /// it are used.
    pub functions: Vec<FunctionWhy>,
}

/// What is known of one imported function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FunctionWhy {
    /// e.g. `get-environment`
    pub name: String,
    /// How it is reached. `None`: nothing leads to it, as far as can be seen.
    pub way: Option<Way>,
}

/// A way of calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// The export where it begins, `None` when it begins at instantiation.
    pub export: Option<String>,
    /// The functions on the way, without the imported one.
    pub steps: Vec<Step>,
    /// Whether the last call, that of the import, is guessed.
    pub ends_guessed: bool,
}

/// A function on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Readable; `function 12` without a name.
    pub function: String,
    /// The name of its module, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Whether the call that leads here goes through a function pointer.
    pub guessed: bool,
}

/// Explains every import whose name `is_wanted`, in the order of `imports`. `bytes` have been validated.
pub fn why(bytes: &[u8], imports: &[String], is_wanted: impl Fn(&str) -> bool) -> Result<Vec<Why>, TooIntricate> {
    let wiring = wiring::wiring(bytes)?;
    let search = Search::run(&wiring)?;
    let mut by_import: HashMap<&str, Vec<(usize, &str)>> = HashMap::new();
    for (id, function) in wiring.functions.iter().enumerate() {
        if let Function::Imported { import, function } = function {
            by_import.entry(import).or_default().push((id, function));
        }
    }
    let mut found = Vec::new();
    for import in imports.iter().filter(|import| is_wanted(import)) {
        let mut functions: HashMap<&str, (Cost, Option<CoreFunction>)> = HashMap::new();
        for (id, function) in by_import.get(import.as_str()).into_iter().flatten().copied() {
            let node = CoreFunction::Lowered(id);
            let cost = search.cost(node);
            let entry = functions.entry(function).or_insert((UNREACHED, None));
            if cost < entry.0 {
                *entry = (cost, Some(node));
            }
        }
        let mut functions: Vec<_> = functions.into_iter().collect();
        functions.sort_by_key(|(name, (cost, _))| (*cost, *name));
        let explain = |(name, (_, node)): (&str, (Cost, Option<CoreFunction>))| FunctionWhy {
            name: name.to_string(),
            way: node.map(|node| search.way(node)),
        };
        found.push(Why { import: import.clone(), functions: functions.into_iter().map(explain).collect() });
    }
    Ok(found)
}

/// Guessed steps first, then all steps.
type Cost = (u32, u32);

const UNREACHED: Cost = (u32::MAX, u32::MAX);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Node {
    Function(CoreFunction),
    /// Everything of one signature in one table, as code of one kind calls it.
    Pointers {
        table: usize,
        signature: u32,
        from_paths: bool,
    },
}

/// Where a node was reached from.
#[derive(Clone, Copy, Debug)]
enum Before {
    Export(usize),
    Start,
    Node(Node),
}

struct Search<'w, 'a> {
    wiring: &'w Wiring<'a>,
    /// What stands in tables, by signature.
    pointers: HashMap<(usize, u32), Vec<CoreFunction>>,
    /// What stands in a place of a table.
    slots: HashMap<(usize, u64), CoreFunction>,
    reached: HashMap<Node, (Cost, Before)>,
}

impl<'w, 'a> Search<'w, 'a> {
    fn run(wiring: &'w Wiring<'a>) -> Result<Self, TooIntricate> {
        let mut search = Search { wiring, pointers: HashMap::new(), slots: HashMap::new(), reached: HashMap::new() };
        search.fill_tables();
        search.spread()?;
        Ok(search)
    }

    fn fill_tables(&mut self) {
        for (instance, wired) in self.wiring.instances.iter().enumerate() {
            let module = &self.wiring.modules[wired.module];
            for elements in &module.elements {
                // Passive segments can be put into any table.
                let tables: Vec<usize> = match elements.table {
                    Some(table) => wired.tables.get(table as usize).copied().into_iter().collect(),
                    None => wired.tables.first().copied().into_iter().collect(),
                };
                for table in tables {
                    for (index, function) in elements.functions.iter().enumerate() {
                        let Some(signature) = module.signatures.get(*function as usize) else { continue };
                        let target = self.wiring.core_function(instance, *function);
                        self.pointers.entry((table, *signature)).or_default().push(target);
                        if let Some(offset) = elements.offset {
                            self.slots.insert((table, offset.wrapping_add(index as u64)), target);
                        }
                    }
                }
            }
        }
    }

    fn spread(&mut self) -> Result<(), TooIntricate> {
        let mut queue = BinaryHeap::new();
        let mut nodes: Vec<Node> = Vec::new();
        let mut begin = |search: &mut Self, cost: Cost, function: CoreFunction, before: Before| {
            search.offer(Node::Function(function), cost, before, &mut queue, &mut nodes);
        };
        for (index, (_, function)) in self.wiring.exports.iter().enumerate() {
            begin(self, (0, 0), *function, Before::Export(index));
        }
        // What happens at instantiation alone is said only if no export leads there as easily.
        for function in &self.wiring.starts {
            begin(self, (0, 1), *function, Before::Start);
        }
        let mut done: HashSet<Node> = HashSet::new();
        while let Some((Reverse(cost), index)) = queue.pop() {
            let node: Node = nodes[index];
            if nodes.len() > MOST_NODES {
                return Err(TooIntricate);
            }
            if !done.insert(node) {
                continue;
            }
            let before = Before::Node(node);
            let mut offer = |search: &mut Self, next: Node, guess: u32, step: u32| {
                search.offer(next, (cost.0 + guess, cost.1 + step), before, &mut queue, &mut nodes);
            };
            match node {
                Node::Pointers { table, signature, from_paths } => {
                    // Each of the two kinds of callers comes here once.
                    for function in self.pointers.get(&(table, signature)).cloned().unwrap_or_default() {
                        let unlikely = if self.has_path(function) == from_paths { 0 } else { UNLIKELY };
                        offer(self, Node::Function(function), unlikely, 0);
                    }
                }
                Node::Function(CoreFunction::Defined { instance, function }) => {
                    let wiring = self.wiring;
                    let wired = &wiring.instances[instance];
                    let calls = wiring.modules[wired.module].calls(function);
                    for callee in calls.direct {
                        offer(self, Node::Function(wiring.core_function(instance, *callee)), 0, 1);
                    }
                    let from_paths = self.has_path(CoreFunction::Defined { instance, function });
                    for call in calls.indirect {
                        match *call {
                            Indirect::Reference(function) => {
                                offer(self, Node::Function(wiring.core_function(instance, function)), 1, 1);
                            }
                            Indirect::Slot { table, signature, slot } => {
                                let Some(table) = wired.tables.get(table as usize).copied() else { continue };
                                match self.slots.get(&(table, u64::from(slot))).copied() {
                                    Some(function) => offer(self, Node::Function(function), 0, 1),
                                    None => offer(self, Node::Pointers { table, signature, from_paths }, 1, 1),
                                }
                            }
                            Indirect::Any { table, signature } => {
                                let Some(table) = wired.tables.get(table as usize).copied() else { continue };
                                offer(self, Node::Pointers { table, signature, from_paths }, 1, 1);
                            }
                        }
                    }
                }
                Node::Function(CoreFunction::Lowered(function)) => {
                    if let Some(Function::Lifted(functions)) = self.wiring.functions.get(function) {
                        for function in functions {
                            offer(self, Node::Function(*function), 0, 0);
                        }
                    }
                }
                Node::Function(CoreFunction::Builtin) => {}
            }
        }
        Ok(())
    }

    fn offer(
        &mut self,
        node: Node,
        cost: Cost,
        before: Before,
        queue: &mut BinaryHeap<(Reverse<Cost>, usize)>,
        nodes: &mut Vec<Node>,
    ) {
        if self.reached.get(&node).is_none_or(|(known, _)| cost < *known) {
            self.reached.insert(node, (cost, before));
            queue.push((Reverse(cost), nodes.len()));
            nodes.push(node);
        }
    }

    /// Whether a function's name is a path, as those of Rust and C++ are and those of C are not.
    fn has_path(&self, function: CoreFunction) -> bool {
        let CoreFunction::Defined { instance, function } = function else { return false };
        let module = &self.wiring.modules[self.wiring.instances[instance].module];
        module
            .name_of(function)
            .is_some_and(|name| name.starts_with("_ZN") || name.starts_with("_R") || name.contains("::"))
    }

    fn cost(&self, function: CoreFunction) -> Cost {
        self.reached.get(&Node::Function(function)).map_or(UNREACHED, |(cost, _)| *cost)
    }

    fn way(&self, target: CoreFunction) -> Way {
        let mut way = Way { export: None, steps: Vec::new(), ends_guessed: false };
        let mut node = Node::Function(target);
        // Whether the call that leads to the step before (in this walk) is guessed.
        let mut guessed = false;
        let mut is_target = true;
        while let Some((cost, before)) = self.reached.get(&node) {
            if let (Node::Function(CoreFunction::Defined { instance, function }), false) = (node, is_target)
                && let Some(step) = self.step(instance, function)
            {
                way.steps.push(step);
            }
            is_target = false;
            match *before {
                Before::Export(index) => {
                    way.export = self.wiring.exports.get(index).map(|(name, _)| name.clone());
                    break;
                }
                Before::Start => break,
                Before::Node(from) => {
                    let cost_before = self.reached.get(&from).map_or(0, |(cost, _)| cost.0);
                    if cost.0 > cost_before {
                        // The call that follows `from` is guessed: that of the last step that was found.
                        match way.steps.last_mut() {
                            Some(step) => step.guessed = true,
                            None => guessed = true,
                        }
                    }
                    node = from;
                }
            }
        }
        way.ends_guessed = guessed;
        way.steps.reverse();
        // The function that is the export repeats its name: `wasi:cli/run@0.2.3#run`.
        let export = way.export.as_deref().map(|export| export.replace(' ', "#"));
        if way.steps.first().is_some_and(|step| Some(&step.function) == export.as_ref()) {
            way.steps.remove(0);
        }
        if way.steps.len() > LONGEST_WAY {
            let end = way.steps.split_off(way.steps.len() - LONGEST_WAY / 2);
            way.steps.truncate(LONGEST_WAY / 2);
            way.steps.extend(end);
        }
        way
    }

    /// `None` for what tools put between the parts: it is no code of anybody.
    fn step(&self, instance: usize, function: u32) -> Option<Step> {
        let module = &self.wiring.modules[self.wiring.instances[instance].module];
        // The shim's functions only pass calls on, through the table that is filled last.
        if module.exports.contains_key("$imports") {
            return None;
        }
        Some(Step {
            function: module.name_of(function).map_or_else(|| format!("function {function}"), readable),
            module: module.name.map(readable),
            guessed: false,
        })
    }
}
