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
mod regions;
mod sharing;

use lacewing::format::{MAX_REGIONS, Span};
use lacewing_targets::wish::Family;
use thiserror::Error;

use crate::graph::{Graph, NodeId, ValueId};
pub use bands::Band;
pub use place::{Overlap, Placement, Request, place};
use sharing::Sharing;

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
    /// Of several inputs none can go in row by row.
    #[error("an input that goes in row by row is the only one of its model; this one has {inputs}")]
    RowsOfSeveral {
        /// Number of inputs.
        inputs: usize,
    },
    /// A region of memory is too small.
    #[error(
        "region {} has {size} bytes, and {needed} are left for it; give more, or --optimize ram", region + 1
    )]
    Regions {
        /// Number of the region, from 0.
        region: usize,
        /// Bytes that it has for the plan.
        size: usize,
        /// Bytes that are needed.
        needed: usize,
    },
    /// The input goes into a node that takes it as a whole.
    #[error(
        "the input cannot go in row by row: `{node}` takes it as a whole. Convolutions, pools and functions of one image run row by row, \
         channels last (--input-layout nhwc) and integer doors (no --io f32)"
    )]
    Rows {
        /// Name of the node.
        node: String,
    },
}

/// What the planner may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanOptions {
    /// Alignment of every tensor in bytes, at least 1.
    pub align: usize,
    /// What memory is traded for.
    pub optimize: Optimize,
    /// Whether the input goes in row by row, so that the arena never holds all of it.
    pub rows: bool,
    /// Bytes of the regions of memory that the arena is in, the fastest first, 0 for those that are not there; one region if not given.
    pub regions: Option<[usize; MAX_REGIONS]>,
}

impl Default for PlanOptions {
    fn default() -> Self {
        PlanOptions { align: 4, optimize: Optimize::default(), rows: false, regions: None }
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
    /// What matters more where nobody says it: time for the kernels of machines with an operating system and of browsers, which have the RAM.
    #[must_use]
    pub const fn of(kernels: Family) -> Self {
        match kernels {
            Family::Lanes => Self::Speed,
            _ => Self::Balanced,
        }
    }

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
    arriving: Option<ValueId>,
    region_starts: Option<[usize; MAX_REGIONS - 1]>,
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

    /// The input that goes in row by row, in the shape in which it is read.
    pub fn arriving(&self) -> Option<ValueId> {
        self.arriving
    }

    /// Where the second and the third region of memory start in the arena, if it is in several.
    pub fn region_starts(&self) -> Option<[usize; MAX_REGIONS - 1]> {
        self.region_starts
    }

    /// Bytes in each region of memory: all in the first, if there is but one.
    pub fn regions(&self) -> [usize; MAX_REGIONS] {
        let all = self.arena_bytes;
        let [second, third] = self.region_starts.unwrap_or([all; MAX_REGIONS - 1]);
        [second, third - second, all - third]
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
/// [`PlanError::TooManyLive`] if the device could not follow all tensors; [`PlanError::Rows`] and [`PlanError::RowsOfSeveral`] if the input
/// cannot go in row by row; [`PlanError::Regions`] if they are too small.
pub fn plan(
    graph: &Graph,
    elem_bytes: impl Fn(ValueId) -> usize,
    scratch: impl Fn(NodeId, bool) -> usize,
    options: PlanOptions,
) -> Result<Plan, PlanError> {
    let bytes: Vec<usize> = (0..graph.values.len())
        .map(|v| graph.values[v].shape.iter().product::<usize>() * elem_bytes(ValueId(v)))
        .collect();
    if options.rows && graph.inputs.len() != 1 {
        return Err(PlanError::RowsOfSeveral { inputs: graph.inputs.len() });
    }
    let mut sharing = Sharing::new(graph, &bytes, options.rows);
    sharing.join_aliases();
    if options.rows || options.optimize == Optimize::Ram {
        sharing.bands = sharing.best_bands(&scratch, options)?;
    }
    sharing.join_in_place();
    check_live(graph, &sharing)?;
    let scratch: Vec<usize> =
        (0..graph.nodes.len()).map(|node| scratch(NodeId(node), sharing.band_of(node).is_some())).collect();
    sharing.place(&scratch, options)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Binary, Function, Kind, Node, Op, Value};
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

    #[test]
    fn an_input_that_no_band_takes_does_not_go_in_row_by_row() {
        let options = PlanOptions { rows: true, ..PlanOptions::default() };
        let rows = |g: &Graph| plan(g, |_| 1, |_, _| 0, options).map(|plan| plan.lines(ValueId(0)));
        let mut g = start(100);
        let a = node(&mut g, RELU, &[ValueId(0)], &[1, 100]);
        let b = node(&mut g, SOFTMAX, &[a], &[1, 100]);
        g.outputs.push(b);
        assert_eq!(rows(&g), Ok(1), "one row of one number");
        let late = node(&mut g, SOFTMAX, &[ValueId(0)], &[1, 100]);
        g.outputs.push(late);
        assert_eq!(rows(&g), Err(PlanError::Rows { node: "n1".into() }));
        let other = value(&mut g, &[1, 100]);
        g.inputs.push(other);
        assert_eq!(rows(&g), Err(PlanError::RowsOfSeveral { inputs: 2 }));
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
