//! Memory plan: lifetimes from the graph, storage shared where it may be, offsets from [`place()`].
//!
//! Node `i` runs at step `i`; after the last node comes one more step, at which the outputs are read.
//! Graph inputs are live from step 0, outputs to the end, constants never: they stay in the file.
//! A value that nothing reads is live to the end, since no operation can say that it was the last to read it.
//!
//! States have the front of the arena to themselves, for ever; nothing else is an alias of them or written over them.
//!
//! A reshape's output is an alias of its input, so quantization must give both the same scale and zero point.
//!
//! The output of a convolution or a pool may lie over the rows of its input that are read no more, as far as [`Optimize`] wants it.
//! For the smallest arena, nodes run in [bands](Band) where that lowers the peak; a band is one step.

mod bands;
mod overlaps;
mod place;

use lacewing::format::Span;
use thiserror::Error;

use crate::graph::{Graph, Node, NodeId, Op, State, ValueId};
pub use bands::Band;
use bands::Sizes;
pub use place::{Overlap, Placement, Request, place};

/// As many tensors as a device can follow at once.
pub const MAX_LIVE: usize = 32;

/// Why a graph has no plan.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// The device follows at most [`MAX_LIVE`] tensors.
    #[error("{live} tensors are live at `{node}`, the runtime follows at most {MAX_LIVE}; split the model there")]
    TooManyLive {
        /// Name of the node, or `the outputs`.
        node: String,
        /// Tensors in the arena while it runs.
        live: usize,
    },
}

/// What the planner may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanOptions {
    /// Alignment of every tensor in bytes, at least 1.
    pub align: usize,
    /// What memory is traded for.
    pub optimize: Optimize,
}

impl Default for PlanOptions {
    fn default() -> Self {
        PlanOptions { align: 4, optimize: Optimize::default() }
    }
}

/// What matters more, memory or time. The fewer rows of an output can be written at once before the input's are in the way, the more often
/// its kernel starts anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Optimize {
    /// The smallest arena, in bands of rows where these make it smaller.
    Ram,
    /// Outputs lie over inputs where that makes the arena smaller and still leaves room for four rows at once.
    #[default]
    Balanced,
    /// Every layer in one go.
    Speed,
}

impl Optimize {
    /// The name that options have.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ram => "ram",
            Self::Balanced => "balanced",
            Self::Speed => "speed",
        }
    }
}

/// Where each value lies and how long it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    offsets: Vec<Option<usize>>,
    storage: Vec<usize>,
    in_place: Vec<Option<usize>>,
    aliases: Vec<bool>,
    last_uses: Vec<Vec<bool>>,
    scratch: Vec<Span>,
    sums: Vec<Span>,
    lines: Vec<u16>,
    bands: Vec<Band>,
    live_bytes: Vec<usize>,
    /// Bytes at the front of the arena that hold the states.
    pub state_bytes: usize,
    /// Size of the arena: states, inputs, outputs, scratch and all between.
    pub arena_bytes: usize,
    /// The largest sum of live bytes at one step, what may overlap counted once; no arena for this order of nodes and these bands is smaller.
    pub lower_bound_bytes: usize,
}

impl Plan {
    /// Byte offset of a value in the arena; `None` for a constant.
    pub fn offset(&self, value: ValueId) -> Option<usize> {
        self.offsets[value.0]
    }

    /// Whether a value lies among the states.
    pub fn is_state(&self, value: ValueId) -> bool {
        self.offsets[value.0].is_some_and(|offset| offset < self.state_bytes)
    }

    /// Whether two values lie in the same bytes by an alias or in place.
    pub fn share_storage(&self, a: ValueId, b: ValueId) -> bool {
        self.storage[a.0] == self.storage[b.0]
    }

    /// The operand that the node's output overwrites, if the node works in place.
    pub fn in_place(&self, node: NodeId) -> Option<usize> {
        self.in_place[node.0]
    }

    /// Whether the node is a reshape whose output is its input, so that nothing is left to run.
    pub fn is_alias(&self, node: NodeId) -> bool {
        self.aliases[node.0]
    }

    /// For each operand of the node: whether nothing reads this content of its bytes later, as is the case for
    /// one overwritten in place. Never set for constants and for what a graph output or an alias still needs.
    pub fn last_uses(&self, node: NodeId) -> &[bool] {
        &self.last_uses[node.0]
    }

    /// The bytes that the node works in while it runs.
    pub fn scratch(&self, node: NodeId) -> Span {
        self.scratch[node.0]
    }

    /// Where the node adds up rows, if it does in a band.
    pub fn sums(&self, node: NodeId) -> Span {
        self.sums[node.0]
    }

    /// Lines of the ring that a value is; 0 if it is there as a whole.
    pub fn lines(&self, value: ValueId) -> u16 {
        self.lines[value.0]
    }

    /// The bands, in the order of their nodes.
    pub fn bands(&self) -> &[Band] {
        &self.bands
    }

    /// Bytes live at each node, all those of a band alike; the last are those at the reading of the outputs.
    pub fn live_bytes(&self) -> &[usize] {
        &self.live_bytes
    }
}

/// Plans the memory of `graph`, whose nodes run in their order; `elem_bytes` is the size of one element of a value,
/// `scratch` are the bytes that a node works in, as a whole or as a member of a band.
///
/// # Errors
///
/// [`PlanError::TooManyLive`] if the device could not follow all tensors.
pub fn plan(
    graph: &Graph,
    elem_bytes: impl Fn(ValueId) -> usize,
    scratch: impl Fn(NodeId, bool) -> usize,
    options: PlanOptions,
) -> Result<Plan, PlanError> {
    let bytes: Vec<usize> = (0..graph.values.len())
        .map(|v| graph.values[v].shape.iter().product::<usize>() * elem_bytes(ValueId(v)))
        .collect();
    let mut sharing = Sharing::new(graph, &bytes);
    sharing.join_aliases();
    if options.optimize == Optimize::Ram {
        sharing.bands = sharing.best_bands(&scratch, options.align);
    }
    sharing.join_in_place();
    check_live(graph, &sharing)?;
    let scratch: Vec<usize> =
        (0..graph.nodes.len()).map(|node| scratch(NodeId(node), sharing.band_of(node).is_some())).collect();
    Ok(sharing.place(&scratch, options))
}

fn check_live(graph: &Graph, sharing: &Sharing) -> Result<(), PlanError> {
    let live = sharing.live();
    for (node, step) in sharing.steps().into_iter().enumerate() {
        let live = live[step];
        if live > MAX_LIVE {
            let node = graph.nodes.get(node).map_or("the outputs".into(), |node| node.name.clone());
            return Err(PlanError::TooManyLive { node, live });
        }
    }
    Ok(())
}

/// Which values share bytes, and the life of the bytes. A storage is named by the first value in it.
#[derive(Clone)]
struct Sharing<'a> {
    graph: &'a Graph,
    bytes: &'a [usize],
    /// The storage of each value.
    storage: Vec<usize>,
    /// The values in each storage.
    values: Vec<Vec<usize>>,
    /// First and last node of each storage; `None` for those joined to another and for constants.
    lives: Vec<Option<(usize, usize)>>,
    in_place: Vec<Option<usize>>,
    aliases: Vec<bool>,
    bands: Vec<Band>,
}

impl<'a> Sharing<'a> {
    fn new(graph: &'a Graph, bytes: &'a [usize]) -> Self {
        Sharing {
            graph,
            bytes,
            storage: (0..graph.values.len()).collect(),
            values: (0..graph.values.len()).map(|value| vec![value]).collect(),
            lives: lives(graph),
            in_place: vec![None; graph.nodes.len()],
            aliases: vec![false; graph.nodes.len()],
            bands: Vec::new(),
        }
    }

    /// The bands that lower the peak which the plan without bands has.
    fn best_bands(&self, scratch: impl Fn(NodeId, bool) -> usize, align: usize) -> Vec<Band> {
        let mut plain = self.clone();
        plain.join_in_place();
        let works: Vec<usize> = (0..self.graph.nodes.len()).map(|node| scratch(NodeId(node), false)).collect();
        let (storages, requests) = plain.requests(&works, align);
        let mut live = place::live_bytes(&requests, &plain.overlaps(&storages, Optimize::Ram));
        live.resize(self.graph.nodes.len() + 1, 0);
        bands::choose(self.sizes(), &live, &self.lives, |node| scratch(NodeId(node), true))
    }

    fn sizes(&self) -> Sizes<'_> {
        Sizes { graph: self.graph, bytes: self.bytes, storage: &self.storage, aliases: &self.aliases }
    }

    fn band_of(&self, node: usize) -> Option<&Band> {
        self.bands.iter().find(|band| band.nodes.contains(&node))
    }

    /// The step of each node, and that of the reading of the outputs. A band is one step.
    fn steps(&self) -> Vec<usize> {
        let begins = |node: usize| self.band_of(node).is_none_or(|band| band.nodes.start == node);
        let mut next = 0;
        let step = |node| {
            next += usize::from(begins(node));
            next - 1
        };
        (0..=self.graph.nodes.len()).map(step).collect()
    }

    /// The bytes of a storage: of a ring those of its lines.
    fn size(&self, storage: usize) -> usize {
        let ring = self.bands.iter().find_map(|band| band.lines.get(&storage));
        ring.map_or(self.bytes[storage], |lines| *lines as usize * self.sizes().row(ValueId(storage)))
    }

    /// A reshape is its input under another shape, except straight from a graph input to a graph output:
    /// those are buffers of the caller, and the reshape copies.
    fn join_aliases(&mut self) {
        for (i, node) in self.graph.nodes.iter().enumerate() {
            let [input, output] = [node.inputs[0].0, node.outputs[0].0];
            let fits = node.op == Op::Reshape
                && node.clamp.is_none()
                && self.bytes[input] == self.bytes[output]
                && self.lives[self.storage[input]].is_some();
            if fits && !self.joins_doors(input, output) {
                self.join(input, output);
                self.aliases[i] = true;
            }
        }
    }

    fn joins_doors(&self, input: usize, output: usize) -> bool {
        let holds = |doors: &[ValueId], storage| doors.iter().any(|v| self.storage[v.0] == storage);
        holds(&self.graph.inputs, self.storage[input]) && holds(&self.graph.outputs, self.storage[output])
    }

    /// An elementwise node writes over an operand that dies there.
    fn join_in_place(&mut self) {
        for (i, node) in self.graph.nodes.iter().enumerate() {
            let may = |operand: &usize| match self.band_of(i) {
                None => self.may_overwrite(i, node, *operand),
                Some(band) => band.overwrites(self.storage[node.inputs[*operand].0], self.storage[node.outputs[0].0]),
            };
            self.in_place[i] = (0..node.inputs.len()).find(may);
            if let Some(operand) = self.in_place[i] {
                self.join(node.inputs[operand].0, node.outputs[0].0);
            }
        }
    }

    fn may_overwrite(&self, step: usize, node: &Node, operand: usize) -> bool {
        let [input, output] = [node.inputs[operand], node.outputs[0]];
        let shape = |v: ValueId| &self.graph.values[v.0].shape;
        let others = node.inputs.iter().enumerate().filter(|&(other, _)| other != operand);
        let elementwise = matches!(node.op, Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cumulative { .. });
        (elementwise || (matches!(node.op, Op::Scatter { .. }) && operand == 0))
            && shape(input) == shape(output)
            && self.bytes[input.0] == self.bytes[output.0]
            && self.dies_at(input.0, step)
            && others.map(|(_, v)| self.storage[v.0]).all(|other| other != self.storage[input.0])
    }

    fn dies_at(&self, value: usize, step: usize) -> bool {
        self.lives[self.storage[value]].is_some_and(|(_, last)| last == step)
    }

    /// Puts all that shares bytes with `later` into the storage of `earlier`.
    fn join(&mut self, earlier: usize, later: usize) {
        let (into, from) = (self.storage[earlier], self.storage[later]);
        if let (Some((first, last)), Some((_, end))) = (self.lives[into], self.lives[from].take()) {
            self.lives[into] = Some((first, last.max(end)));
        }
        let joined = std::mem::take(&mut self.values[from]);
        joined.iter().for_each(|value| self.storage[*value] = into);
        self.values[into].extend(joined);
    }

    /// How many tensors are live at each step.
    fn live(&self) -> Vec<usize> {
        let steps = self.steps();
        let mut live = vec![0; self.graph.nodes.len() + 1];
        for &(first, last) in self.lives.iter().flatten() {
            live[steps[first]..=steps[last]].iter_mut().for_each(|count| *count += 1);
        }
        live
    }

    /// The storages, and what wants a place: each of them, then the scratch of each step and the sums, where there are any.
    fn requests(&self, scratch: &[usize], align: usize) -> (Vec<usize>, Vec<Request>) {
        let steps = self.steps();
        let request = |bytes, first: usize, last: usize| Request { bytes, first, last, align: align.max(1) };
        let (storages, mut requests): (Vec<usize>, Vec<Request>) = (0..self.lives.len())
            .filter_map(|s| self.lives[s].map(|(first, last)| (s, request(self.size(s), steps[first], steps[last]))))
            .unzip();
        let works = works(&steps, scratch).into_iter().enumerate();
        requests.extend(works.filter(|(_, bytes)| *bytes > 0).map(|(step, bytes)| request(bytes, step, step)));
        let sums = self.bands.iter().flat_map(|band| &band.sums);
        requests.extend(
            sums.map(|(node, bytes)| Request { align: SUM_ALIGN, ..request(*bytes, steps[*node], steps[*node]) }),
        );
        (storages, requests)
    }

    fn place(self, scratch: &[usize], options: PlanOptions) -> Plan {
        let states = place_states(self.graph, self.bytes);
        let state_bytes =
            states.last().map_or(0, |(state, at)| (at + self.bytes[state.input.0]).next_multiple_of(STATE_ALIGN));
        let (storages, requests) = self.requests(scratch, options.align);
        let overlaps = self.overlaps(&storages, options.optimize);
        let placement = overlaps::place_with(&requests, &overlaps);
        let live = place::live_bytes(&requests, &self.overlaps(&storages, Optimize::Ram));
        let at = |step: usize| state_bytes + live.get(step).copied().unwrap_or(0);
        let steps = self.steps();
        let live_bytes: Vec<usize> = steps.iter().map(|step| at(*step)).collect();
        let mut placed = placement.offsets.iter().map(|offset| state_bytes + offset);
        let mut offsets = vec![None; self.storage.len()];
        storages.iter().zip(placed.by_ref()).for_each(|(storage, offset)| offsets[*storage] = Some(offset));
        let scratch = scratch_spans(&steps, scratch, placed.by_ref());
        let sums = self.sums(placed);
        for (state, offset) in states {
            (offsets[state.input.0], offsets[state.output.0]) = (Some(offset), Some(offset));
        }
        Plan {
            offsets: self.storage.iter().map(|&s| offsets[s]).collect(),
            last_uses: self.last_uses(),
            scratch,
            sums,
            lines: self.lines(),
            lower_bound_bytes: live_bytes.iter().copied().max().unwrap_or(0),
            live_bytes,
            state_bytes,
            arena_bytes: state_bytes + placement.arena_bytes,
            storage: self.storage,
            in_place: self.in_place,
            aliases: self.aliases,
            bands: self.bands,
        }
    }

    /// The lines of each value; 0 for those that are no rings.
    fn lines(&self) -> Vec<u16> {
        let of = |storage: &usize| self.bands.iter().find_map(|band| band.lines.get(storage)).map_or(0, |n| *n as u16);
        self.storage.iter().map(of).collect()
    }

    /// The sums of each node, with their offsets in the order of the bands.
    fn sums(&self, offsets: impl Iterator<Item = usize>) -> Vec<Span> {
        let mut sums = vec![Span::EMPTY; self.graph.nodes.len()];
        for ((node, bytes), offset) in self.bands.iter().flat_map(|band| &band.sums).zip(offsets) {
            sums[*node] = Span { offset: offset as u32, len: *bytes as u32 };
        }
        sums
    }

    fn last_uses(&self) -> Vec<Vec<bool>> {
        let flags = |step: usize, node: &Node| {
            let operands = node.inputs.iter().enumerate();
            let last =
                |(operand, v): (usize, &ValueId)| self.in_place[step] == Some(operand) || self.dies_at(v.0, step);
            operands.map(last).collect()
        };
        self.graph.nodes.iter().enumerate().map(|(step, node)| flags(step, node)).collect()
    }
}

/// The bytes that each step's nodes work in, one after the other.
fn works(steps: &[usize], scratch: &[usize]) -> Vec<usize> {
    let mut works = vec![0; steps.len()];
    steps.iter().zip(scratch).for_each(|(step, bytes)| works[*step] = (*bytes).max(works[*step]));
    works
}

/// The scratch of each node; the steps that have any have an offset each.
fn scratch_spans(steps: &[usize], scratch: &[usize], offsets: &mut impl Iterator<Item = usize>) -> Vec<Span> {
    let works = works(steps, scratch);
    let starts: Vec<usize> =
        works.iter().map(|bytes| if *bytes > 0 { offsets.next().unwrap_or(0) } else { 0 }).collect();
    let span = |(step, bytes): (&usize, &usize)| match bytes {
        0 => Span::EMPTY,
        bytes => Span { offset: starts[*step] as u32, len: *bytes as u32 },
    };
    steps.iter().zip(scratch).map(span).collect()
}

/// Alignment of the sums of pools in bytes, those of int16.
const SUM_ALIGN: usize = 8;

/// Alignment of the states, and of what follows them, in bytes.
const STATE_ALIGN: usize = 16;

/// The states one after another.
fn place_states(graph: &Graph, bytes: &[usize]) -> Vec<(State, usize)> {
    let mut end: usize = 0;
    let place = |state: &State| {
        let at = end.next_multiple_of(STATE_ALIGN);
        end = at + bytes[state.input.0];
        (*state, at)
    };
    graph.states.iter().map(place).collect()
}

/// First and last step of each value by itself; `None` for constants and states.
fn lives(graph: &Graph) -> Vec<Option<(usize, usize)>> {
    let end = graph.nodes.len();
    let mut first = vec![None; graph.values.len()];
    let mut last = vec![None; graph.values.len()];
    graph.inputs.iter().for_each(|v| first[v.0] = Some(0));
    for (step, node) in graph.nodes.iter().enumerate() {
        node.outputs.iter().for_each(|v| first[v.0] = Some(step));
        node.inputs.iter().for_each(|v| last[v.0] = Some(step));
    }
    graph.outputs.iter().for_each(|v| last[v.0] = Some(end));
    graph.states.iter().for_each(|state| first[state.output.0] = None);
    let constant = |v: usize| graph.values[v].constant.is_some();
    (0..graph.values.len()).map(|v| first[v].filter(|_| !constant(v)).map(|f| (f, last[v].unwrap_or(end)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Binary, Function, Kind, Value};
    use proptest::prelude::*;
    use std::sync::Arc;

    const ARG_MAX: Op = Op::ArgMax { axis: 1 };
    const SOFTMAX: Op = Op::Softmax { axis: 1 };
    const RELU: Op = Op::Unary(Function::Clip { lo: 0.0, hi: f32::INFINITY });

    /// A graph whose value 0 is its input `[1, size]`.
    fn start(size: usize) -> Graph {
        let mut graph = Graph::default();
        let input = value(&mut graph, &[1, size]);
        graph.inputs.push(input);
        graph
    }

    fn value(graph: &mut Graph, shape: &[usize]) -> ValueId {
        let name = format!("v{}", graph.values.len());
        graph.values.push(Value::activation(&name, shape, Kind::F32));
        ValueId(graph.values.len() - 1)
    }

    fn node(graph: &mut Graph, op: Op, inputs: &[ValueId], shape: &[usize]) -> ValueId {
        let output = value(graph, shape);
        let name = format!("n{}", graph.nodes.len());
        graph.nodes.push(Node::new(&name, op, inputs, output));
        output
    }

    fn planned(graph: &Graph) -> Plan {
        plan(graph, |_| 1, |_, _| 0, PlanOptions::default()).unwrap()
    }

    #[test]
    fn a_chain_holds_two_tensors_at_once() {
        let mut g = start(100);
        let a = node(&mut g, SOFTMAX, &[ValueId(0)], &[1, 100]);
        let b = node(&mut g, Op::FullyConnected, &[a], &[1, 20]);
        g.outputs.push(b);
        let plan = planned(&g);
        assert_eq!((plan.arena_bytes, plan.lower_bound_bytes), (200, 200));
        assert_eq!(plan.live_bytes(), [200, 120, 20]);
        assert_eq!(plan.last_uses(NodeId(0)), [true]);
        assert_eq!(plan.in_place(NodeId(0)), None);
    }

    #[test]
    fn scratch_is_apart_from_what_is_live_and_counts() {
        let mut g = start(100);
        let a = node(&mut g, SOFTMAX, &[ValueId(0)], &[1, 20]);
        let b = node(&mut g, Op::FullyConnected, &[a], &[1, 60]);
        g.outputs.push(b);
        let plan = plan(&g, |_| 1, |node, _| [0, 40][node.0], PlanOptions::default()).unwrap();
        assert_eq!((plan.arena_bytes, plan.live_bytes()), (120, &[120, 120, 60][..]));
        assert_eq!((plan.scratch(NodeId(0)), plan.scratch(NodeId(1)).len), (Span::EMPTY, 40));
        let at = |value: ValueId, len| Span { offset: plan.offset(value).unwrap() as u32, len };
        assert!([at(a, 20), at(b, 60)].iter().all(|live| !live.overlaps(plan.scratch(NodeId(1)))));
    }

    #[test]
    fn elementwise_nodes_write_over_what_dies() {
        let mut g = start(100);
        let x = ValueId(0);
        let a = node(&mut g, RELU, &[x], &[1, 100]);
        let sum = node(&mut g, Op::Binary(Binary::Add), &[x, a], &[1, 100]);
        g.outputs.push(sum);
        let plan = planned(&g);
        assert_eq!(plan.in_place(NodeId(0)), None, "x is read again");
        assert_eq!(plan.in_place(NodeId(1)), Some(0));
        assert_eq!(plan.last_uses(NodeId(0)), [false]);
        assert_eq!(plan.last_uses(NodeId(1)), [true, true]);
        assert!(plan.share_storage(x, sum));
        assert_eq!(plan.arena_bytes, 200);
    }

    #[test]
    fn an_operand_used_twice_or_broadcast_is_not_overwritten() {
        let mut g = start(100);
        let row = value(&mut g, &[1, 1]);
        g.inputs.push(row);
        let twice = node(&mut g, Op::Binary(Binary::Mul), &[ValueId(0), ValueId(0)], &[1, 100]);
        let sum = node(&mut g, Op::Binary(Binary::Sub), &[row, twice], &[1, 100]);
        g.outputs.push(sum);
        let plan = planned(&g);
        assert_eq!(plan.in_place(NodeId(0)), None);
        assert_eq!(plan.in_place(NodeId(1)), Some(1));
    }

    #[test]
    fn other_element_sizes_and_other_operations_are_not_in_place() {
        let mut g = start(100);
        let q = node(&mut g, Op::Quantize, &[ValueId(0)], &[1, 100]);
        let best = node(&mut g, ARG_MAX, &[q], &[1, 1]);
        g.outputs.push(best);
        let sizes = [4, 1, 4];
        let plan = plan(&g, |v| sizes[v.0], |_, _| 0, PlanOptions::default()).unwrap();
        assert_eq!([plan.in_place(NodeId(0)), plan.in_place(NodeId(1))], [None, None]);
        assert_eq!(plan.arena_bytes, 500);
    }

    #[test]
    fn a_reshape_is_an_alias_and_what_follows_may_overwrite_it() {
        let mut g = start(100);
        let a = node(&mut g, SOFTMAX, &[ValueId(0)], &[1, 100]);
        let b = node(&mut g, Op::Reshape, &[a], &[10, 10]);
        let c = node(&mut g, RELU, &[b], &[10, 10]);
        let d = node(&mut g, Op::Reshape, &[c], &[100]);
        g.outputs.push(d);
        let plan = planned(&g);
        assert!(plan.is_alias(NodeId(1)) && plan.is_alias(NodeId(3)) && !plan.is_alias(NodeId(2)));
        assert_eq!(plan.in_place(NodeId(2)), Some(0));
        assert!(plan.share_storage(a, d));
        assert_eq!(plan.offset(a), plan.offset(d));
        assert_eq!(plan.live_bytes(), [200, 100, 100, 100, 100]);
    }

    #[test]
    fn an_alias_that_is_read_later_keeps_its_bytes() {
        let mut g = start(100);
        let flat = node(&mut g, Op::Reshape, &[ValueId(0)], &[100]);
        let a = node(&mut g, RELU, &[ValueId(0)], &[1, 100]);
        let b = node(&mut g, Op::Reshape, &[a], &[100]);
        let sum = node(&mut g, Op::Binary(Binary::Add), &[b, flat], &[100]);
        g.outputs.push(sum);
        let plan = planned(&g);
        assert_eq!(plan.in_place(NodeId(1)), None);
        assert_eq!(plan.last_uses(NodeId(1)), [false]);
        assert!(!plan.share_storage(a, flat));
    }

    #[test]
    fn a_reshape_from_door_to_door_is_a_copy() {
        let mut g = start(100);
        let a = node(&mut g, Op::Reshape, &[ValueId(0)], &[100]);
        let b = node(&mut g, Op::Reshape, &[a], &[10, 10]);
        g.outputs.push(b);
        let plan = planned(&g);
        assert!(plan.is_alias(NodeId(0)) && !plan.is_alias(NodeId(1)));
        assert_eq!(plan.arena_bytes, 200);
    }

    #[test]
    fn outputs_and_unread_inputs_live_to_the_end_and_constants_nowhere() {
        let mut g = start(8);
        let weight = value(&mut g, &[8]);
        g.values[weight.0].constant = Some(Arc::new(ndarray::ArrayD::zeros(vec![8])));
        let unread = value(&mut g, &[1, 12]);
        g.inputs.push(unread);
        let a = node(&mut g, Op::Binary(Binary::Add), &[ValueId(0), weight], &[1, 8]);
        let b = node(&mut g, RELU, &[a], &[1, 8]);
        g.outputs.extend([a, b]);
        let plan = planned(&g);
        assert_eq!(plan.offset(weight), None);
        assert_eq!(plan.last_uses(NodeId(0)), [true, false]);
        assert_eq!(plan.in_place(NodeId(0)), Some(0));
        assert_eq!(plan.in_place(NodeId(1)), None, "a is an output");
        assert_eq!(plan.live_bytes(), [20, 28, 28]);
    }

    #[test]
    fn more_tensors_than_the_device_follows_are_refused_by_name() {
        let mut g = start(4);
        let parts: Vec<_> = (0..33).map(|_| node(&mut g, Op::Reshape, &[ValueId(0)], &[4])).collect();
        assert!(plan(&g, |_| 1, |_, _| 0, PlanOptions::default()).is_ok(), "all are one storage");
        let parts: Vec<_> = parts.iter().map(|&p| node(&mut g, SOFTMAX, &[p], &[1, 4])).collect();
        let joined = node(&mut g, Op::Concat { axis: 0 }, &parts, &[33, 4]);
        g.outputs.push(joined);
        let error = plan(&g, |_| 1, |_, _| 0, PlanOptions::default()).unwrap_err();
        assert_eq!(error, PlanError::TooManyLive { node: "n64".into(), live: 33 });
    }

    /// Random graphs of unary, binary, reshape and softmax nodes over vectors of one size.
    fn any_graph() -> impl Strategy<Value = Graph> {
        let steps =
            prop::collection::vec((0..5usize, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..20);
        (steps, any::<prop::sample::Index>()).prop_map(|(steps, extra)| {
            let mut g = start(16);
            for (kind, a, b) in steps {
                let recent = |i: prop::sample::Index, n: usize| ValueId(n - 1 - i.index(n.min(4)));
                let n = g.values.len();
                let (a, b) = (recent(a, n), recent(b, n));
                match kind {
                    0 | 1 => node(&mut g, RELU, &[a], &[1, 16]),
                    2 => node(&mut g, Op::Binary(Binary::Add), &[a, b], &[1, 16]),
                    3 => node(&mut g, Op::Reshape, &[a], &[1, 16]),
                    _ => node(&mut g, SOFTMAX, &[a], &[1, 16]),
                };
            }
            let n = g.values.len();
            g.outputs = vec![ValueId(n - 1), ValueId(1 + extra.index(n - 1))];
            g
        })
    }

    /// Runs the plan over memory cells that hold the value written last: a read must find its own operand.
    fn simulate(g: &Graph, plan: &Plan) -> Result<(), TestCaseError> {
        let mut cells = vec![usize::MAX; plan.arena_bytes];
        let at = |v: ValueId| plan.offset(v).unwrap()..plan.offset(v).unwrap() + 16;
        let mut meaning: Vec<usize> = (0..g.values.len()).collect();
        cells[at(ValueId(0))].fill(0);
        for (i, node) in g.nodes.iter().enumerate() {
            for v in &node.inputs {
                prop_assert!(cells[at(*v)].iter().all(|&c| c == meaning[v.0]), "node {i} reads {v:?}");
            }
            let output = node.outputs[0];
            if plan.is_alias(NodeId(i)) {
                meaning[output.0] = meaning[node.inputs[0].0];
            } else {
                cells[at(output)].fill(meaning[output.0]);
            }
        }
        for v in &g.outputs {
            prop_assert!(cells[at(*v)].iter().all(|&c| c == meaning[v.0]), "output {v:?}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn every_read_finds_what_was_written(g in any_graph()) {
            let plan = planned(&g);
            prop_assert!(plan.arena_bytes >= plan.lower_bound_bytes);
            simulate(&g, &plan)?;
        }
    }
}
