//! The loop's decisions: one closed set of events, one pure transition to actions.
//!
//! A *node* is something with a build of its own: the project, or a sidecar project. Nothing here
//! touches a file, a process or a clock, so that every order of events can be tested.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Which project of the loop; 0 is the main one.
pub type Node = usize;

/// A build that took longer than this is ended when a newer edit comes; a quicker one finishes
/// first, because its result is worth having.
pub const SLOW_BUILD: Duration = Duration::from_secs(8);
/// So many builds in a row may change the same files before these count as their output.
const LOOPS: u32 = 2;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Sources of a node are other than they were.
    Edited(Node, BTreeSet<PathBuf>),
    /// Something a workload is made of changed that needs no build: a component file, an env file.
    SurroundingsChanged,
    /// A build ended well. `changed` says whether the component is another one.
    Built { node: Node, changed: bool, took: Duration },
    /// A build failed, or its output is no component.
    BuildFailed { node: Node, took: Duration },
    /// A build was ended by us, for a newer edit.
    BuildCancelled(Node),
    /// The workload was made ready and serves now.
    Swapped,
    /// The workload could not be made ready.
    SwapFailed,
    /// The user wants everything built again.
    RebuildWanted,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Build(Node),
    CancelBuild(Node),
    /// Make the workload of what is there now ready, and serve it.
    Swap,
    /// These files change with every build of the node: they are its output, not its source.
    TreatAsOutput(Node, BTreeSet<PathBuf>),
}

/// What a node begins with.
#[derive(Clone, Debug, Default)]
pub struct Begin {
    /// There is a component from an earlier run that fits the sources.
    pub has_component: bool,
    /// Files that the toolchain may write while it builds (lock files): no edit then, but one at any
    /// other time.
    pub written_by_tools: BTreeSet<PathBuf>,
}

/// Everything the decisions depend on.
#[derive(Clone, Debug, Default)]
pub struct State {
    nodes: Vec<NodeState>,
    swapping: bool,
    /// The workload has to be made ready (again) as soon as that is possible.
    swap_wanted: bool,
    /// The same, once the running builds have ended: what changed may be written by one of them,
    /// and half of it only be there.
    swap_after_builds: bool,
}

#[derive(Clone, Debug, Default)]
struct NodeState {
    phase: Phase,
    /// A build has ended well at least once.
    has_component: bool,
    last_time: Duration,
    /// The running build was begun because of these files, which the build before it changed.
    trigger: Option<BTreeSet<PathBuf>>,
    loops: u32,
    /// The last build was ended for a newer edit; the next one may finish, however slow.
    spared: bool,
    outputs: BTreeSet<PathBuf>,
}

#[derive(Clone, Debug, Default, PartialEq)]
enum Phase {
    #[default]
    Idle,
    /// `again`: what changed since the build began.
    Building {
        again: BTreeSet<PathBuf>,
        forced: bool,
    },
    Cancelling,
}

impl State {
    /// A loop over these nodes, and its first actions.
    pub fn start(begin: Vec<Begin>) -> (Self, Vec<Action>) {
        let nodes = begin.len();
        let node = |begin: Begin| NodeState {
            has_component: begin.has_component,
            outputs: begin.written_by_tools,
            ..NodeState::default()
        };
        let mut state = State { nodes: begin.into_iter().map(node).collect(), ..State::default() };
        state.swap_wanted = state.nodes.iter().all(|node| node.has_component);
        let mut actions = Vec::new();
        state.swap_if_possible(&mut actions);
        for node in 0..nodes {
            state.build(node, None, &mut actions);
        }
        (state, actions)
    }

    /// Whether a build runs.
    pub fn is_building(&self) -> bool {
        self.nodes.iter().any(|node| node.phase != Phase::Idle)
    }

    /// How many changed files wait for the running build of a node to end.
    pub fn waiting(&self, node: Node) -> usize {
        match self.nodes.get(node).map(|node| &node.phase) {
            Some(Phase::Building { again, .. }) => again.len(),
            _ => 0,
        }
    }

    /// Takes an event into account.
    pub fn on(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Edited(node, paths) => self.edited(node, paths, &mut actions),
            Event::SurroundingsChanged if self.is_building() => self.swap_after_builds = true,
            Event::SurroundingsChanged => self.swap_wanted = true,
            Event::RebuildWanted => {
                for node in 0..self.nodes.len() {
                    match &mut self.nodes[node].phase {
                        Phase::Building { forced, .. } => *forced = true,
                        Phase::Cancelling => {}
                        Phase::Idle => self.build(node, None, &mut actions),
                    }
                }
            }
            Event::Built { node, changed, took } => {
                self.nodes[node].has_component = true;
                self.swap_wanted |= changed;
                self.ended(node, took, &mut actions);
            }
            Event::BuildFailed { node, took } => self.ended(node, took, &mut actions),
            Event::BuildCancelled(node) => {
                self.nodes[node].spared = true;
                self.build(node, None, &mut actions);
            }
            Event::Swapped | Event::SwapFailed => self.swapping = false,
        }
        self.swap_if_possible(&mut actions);
        actions
    }

    fn edited(&mut self, node: Node, paths: BTreeSet<PathBuf>, actions: &mut Vec<Action>) {
        let Some(state) = self.nodes.get_mut(node) else { return };
        match &mut state.phase {
            Phase::Idle => self.build(node, None, actions),
            Phase::Building { again, .. } => {
                let edits = paths.difference(&state.outputs).cloned().collect::<BTreeSet<_>>();
                let first = again.is_empty() && !edits.is_empty();
                again.extend(edits);
                if first && state.last_time > SLOW_BUILD && !state.spared {
                    state.phase = Phase::Cancelling;
                    actions.push(Action::CancelBuild(node));
                }
            }
            Phase::Cancelling => {}
        }
    }

    fn ended(&mut self, node: Node, took: Duration, actions: &mut Vec<Action>) {
        let state = &mut self.nodes[node];
        state.last_time = took;
        state.spared = false;
        let phase = std::mem::take(&mut state.phase);
        let Phase::Building { again, forced } = phase else { return };
        if forced {
            return self.build(node, None, actions);
        }
        if again.is_empty() {
            state.trigger = None;
            state.loops = 0;
            return;
        }
        // Changed during the build, and this build ran because the one before it changed just the
        // same: nobody edits like that twice in a row.
        state.loops = if state.trigger.as_ref() == Some(&again) { state.loops + 1 } else { 0 };
        if state.loops >= LOOPS {
            state.outputs.extend(again.iter().cloned());
            state.trigger = None;
            state.loops = 0;
            actions.push(Action::TreatAsOutput(node, again));
            return;
        }
        self.build(node, Some(again), actions);
    }

    fn build(&mut self, node: Node, trigger: Option<BTreeSet<PathBuf>>, actions: &mut Vec<Action>) {
        let state = &mut self.nodes[node];
        state.phase = Phase::Building { again: BTreeSet::new(), forced: false };
        state.trigger = trigger;
        actions.push(Action::Build(node));
    }

    /// A workload is made ready when every node has a component. What nodes are building now need
    /// not be waited for: a sidecar's slow build must not hold back the main component's edit.
    fn swap_if_possible(&mut self, actions: &mut Vec<Action>) {
        if self.swap_after_builds && !self.is_building() {
            self.swap_after_builds = false;
            self.swap_wanted = true;
        }
        if self.swap_wanted && !self.swapping && self.nodes.iter().all(|node| node.has_component) {
            self.swap_wanted = false;
            self.swapping = true;
            actions.push(Action::Swap);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(500);

    fn files(names: &[&str]) -> BTreeSet<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    fn nodes(count: usize) -> Vec<Begin> {
        vec![Begin::default(); count]
    }

    fn edit(name: &str) -> Event {
        Event::Edited(0, files(&[name]))
    }

    fn built(changed: bool) -> Event {
        Event::Built { node: 0, changed, took: QUICK }
    }

    fn started() -> State {
        let (mut state, actions) = State::start(nodes(1));
        assert_eq!(actions, [Action::Build(0)]);
        assert_eq!(state.on(built(true)), [Action::Swap]);
        assert_eq!(state.on(Event::Swapped), []);
        state
    }

    #[test]
    fn a_component_of_an_earlier_run_serves_while_it_is_checked() {
        let (_, actions) = State::start(vec![Begin { has_component: true, ..Begin::default() }]);
        assert_eq!(actions, [Action::Swap, Action::Build(0)]);
    }

    #[test]
    fn an_edit_builds_and_swaps() {
        let mut state = started();
        assert_eq!(state.on(edit("a")), [Action::Build(0)]);
        assert_eq!(state.on(built(true)), [Action::Swap]);
    }

    #[test]
    fn the_same_component_is_not_swapped() {
        let mut state = started();
        state.on(edit("a"));
        assert_eq!(state.on(built(false)), []);
    }

    #[test]
    fn edits_during_a_build_make_one_more_build_and_the_first_result_serves() {
        let mut state = started();
        state.on(edit("a"));
        assert_eq!(state.on(edit("a")), []);
        assert_eq!(state.on(edit("b")), []);
        assert_eq!(state.waiting(0), 2);
        assert_eq!(state.on(built(true)), [Action::Build(0), Action::Swap]);
        assert_eq!(state.on(built(true)), []);
        assert_eq!(state.on(Event::Swapped), [Action::Swap]);
    }

    #[test]
    fn a_slow_build_is_ended_for_a_newer_edit_but_not_twice() {
        let mut state = started();
        state.on(edit("a"));
        state.on(Event::Built { node: 0, changed: true, took: SLOW_BUILD * 2 });
        state.on(Event::Swapped);
        assert_eq!(state.on(edit("a")), [Action::Build(0)]);
        assert_eq!(state.on(edit("b")), [Action::CancelBuild(0)]);
        assert_eq!(state.on(edit("c")), []);
        assert_eq!(state.on(Event::BuildCancelled(0)), [Action::Build(0)]);
        assert_eq!(state.on(edit("d")), []);
        assert_eq!(state.on(built(true)), [Action::Build(0), Action::Swap]);
    }

    #[test]
    fn a_failed_build_waits_for_the_next_edit() {
        let mut state = started();
        state.on(edit("a"));
        assert_eq!(state.on(Event::BuildFailed { node: 0, took: QUICK }), []);
        assert_eq!(state.on(edit("a")), [Action::Build(0)]);
        assert_eq!(state.on(built(true)), [Action::Swap]);
    }

    #[test]
    fn a_file_that_every_build_changes_does_not_loop() {
        let mut state = started();
        state.on(edit("a"));
        let mut builds = 1;
        loop {
            state.on(edit("generated"));
            let actions = state.on(built(false));
            if actions == [Action::TreatAsOutput(0, files(&["generated"]))] {
                break;
            }
            assert_eq!(actions, [Action::Build(0)]);
            builds += 1;
            assert!(builds < 10, "builds without end");
        }
        // A real edit during a build still counts.
        state.on(edit("a"));
        state.on(edit("generated"));
        assert_eq!(state.on(built(false)), []);
        state.on(edit("a"));
        state.on(edit("b"));
        assert_eq!(state.on(built(false)), [Action::Build(0)]);
    }

    #[test]
    fn a_lock_file_that_the_tool_writes_is_no_edit_but_one_that_the_user_changes_is() {
        let begin = Begin { written_by_tools: files(&["Cargo.lock"]), ..Begin::default() };
        let (mut state, _) = State::start(vec![begin]);
        assert_eq!(state.on(edit("Cargo.lock")), []);
        assert_eq!(state.waiting(0), 0);
        assert_eq!(state.on(built(true)), [Action::Swap]);
        assert_eq!(state.on(Event::Swapped), []);
        assert_eq!(state.on(edit("Cargo.lock")), [Action::Build(0)]);
    }

    #[test]
    fn nothing_is_served_before_every_node_has_a_component() {
        let (mut state, actions) = State::start(nodes(2));
        assert_eq!(actions, [Action::Build(0), Action::Build(1)]);
        assert_eq!(state.on(built(true)), []);
        assert_eq!(state.on(Event::Built { node: 1, changed: true, took: QUICK }), [Action::Swap]);
    }

    #[test]
    fn a_sidecar_is_rebuilt_alone() {
        let (mut state, _) = State::start(nodes(2));
        state.on(built(true));
        state.on(Event::Built { node: 1, changed: true, took: QUICK });
        state.on(Event::Swapped);
        assert_eq!(state.on(Event::Edited(1, files(&["x"]))), [Action::Build(1)]);
    }

    #[test]
    fn changes_while_swapping_swap_once_more() {
        let mut state = started();
        assert_eq!(state.on(Event::SurroundingsChanged), [Action::Swap]);
        assert_eq!(state.on(Event::SurroundingsChanged), []);
        assert_eq!(state.on(Event::SurroundingsChanged), []);
        assert_eq!(state.on(Event::SwapFailed), [Action::Swap]);
        assert_eq!(state.on(Event::Swapped), []);
    }

    #[test]
    fn a_component_file_that_the_build_writes_is_taken_when_the_build_is_over() {
        let mut state = started();
        state.on(edit("a"));
        assert_eq!(state.on(Event::SurroundingsChanged), []);
        assert_eq!(state.on(built(false)), [Action::Swap]);
    }

    #[test]
    fn a_wanted_rebuild_during_a_build_follows_it() {
        let mut state = started();
        state.on(edit("a"));
        assert_eq!(state.on(Event::RebuildWanted), []);
        assert_eq!(state.on(built(false)), [Action::Build(0)]);
    }
}
