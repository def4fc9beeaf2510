//! Which values share bytes, how long these live, and where they go.

use lacewing::format::{MAX_REGIONS, Span};

use super::bands::{self, Band, Sizes};
use super::regions::{self, Regions};
use super::{Optimize, Overlap, Placement, Plan, PlanError, PlanOptions, Request, overlaps, place};
use crate::graph::{Graph, Node, NodeId, Op, State, ValueId};

/// Which values share bytes, and the life of the bytes. A storage is named by the first value in it.
#[derive(Clone)]
pub(super) struct Sharing<'a> {
    pub(super) graph: &'a Graph,
    pub(super) bytes: &'a [usize],
    /// The storage of each value.
    pub(super) storage: Vec<usize>,
    /// The values in each storage.
    values: Vec<Vec<usize>>,
    /// First and last node of each storage; `None` for those joined to another and for constants.
    pub(super) lives: Vec<Option<(usize, usize)>>,
    in_place: Vec<Option<usize>>,
    aliases: Vec<bool>,
    pub(super) bands: Vec<Band>,
    /// Whether the input goes in row by row.
    rows: bool,
}

impl<'a> Sharing<'a> {
    pub(super) fn new(graph: &'a Graph, bytes: &'a [usize], rows: bool) -> Self {
        Sharing {
            graph,
            bytes,
            storage: (0..graph.values.len()).collect(),
            values: (0..graph.values.len()).map(|value| vec![value]).collect(),
            lives: lives(graph),
            in_place: vec![None; graph.nodes.len()],
            aliases: vec![false; graph.nodes.len()],
            bands: Vec::new(),
            rows,
        }
    }

    /// The bands that lower the peak which the plan without bands has.
    pub(super) fn best_bands(
        &self,
        scratch: impl Fn(NodeId, bool) -> usize,
        PlanOptions { align, optimize, .. }: PlanOptions,
    ) -> Result<Vec<Band>, PlanError> {
        let mut plain = self.clone();
        plain.join_in_place();
        let works: Vec<usize> = (0..self.graph.nodes.len()).map(|node| scratch(NodeId(node), false)).collect();
        let (storages, requests) = plain.requests(&works, align);
        let mut live = place::live_bytes(&requests, &plain.overlaps(&storages, Optimize::Ram));
        live.resize(self.graph.nodes.len() + 1, 0);
        let work = |node| scratch(NodeId(node), true);
        let bands = bands::choose(self.sizes(), &live, &self.lives, work, optimize == Optimize::Ram);
        bands.map_err(|node| PlanError::Rows { node: self.graph.nodes[node].name.clone() })
    }

    fn sizes(&self) -> Sizes<'_> {
        Sizes { graph: self.graph, bytes: self.bytes, storage: &self.storage, aliases: &self.aliases, rows: self.rows }
    }

    pub(super) fn band_of(&self, node: usize) -> Option<&Band> {
        self.bands.iter().find(|band| band.nodes.contains(&node))
    }

    /// The step of each node, and that of the reading of the outputs. A band is one step.
    pub(super) fn steps(&self) -> Vec<usize> {
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
    pub(super) fn join_aliases(&mut self) {
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
    pub(super) fn join_in_place(&mut self) {
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

    pub(super) fn dies_at(&self, value: usize, step: usize) -> bool {
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
    pub(super) fn live(&self) -> Vec<usize> {
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

    pub(super) fn place(self, scratch: &[usize], options: PlanOptions) -> Result<Plan, PlanError> {
        let states = place_states(self.graph, self.bytes);
        let state_bytes =
            states.last().map_or(0, |(state, at)| (at + self.bytes[state.input.0]).next_multiple_of(STATE_ALIGN));
        let (storages, requests) = self.requests(scratch, options.align);
        let overlaps = self.overlaps(&storages, options.optimize);
        let (placed, arena_bytes, region_starts) = match options.regions {
            None => {
                let Placement { offsets, arena_bytes, .. } = overlaps::place_with(&requests, &overlaps);
                (offsets, arena_bytes, None)
            }
            Some(sizes) => {
                let regions = self.in_regions((&storages, &requests, &overlaps), (sizes, state_bytes))?;
                (regions.offsets, regions.bytes, Some(regions.starts.map(|start| state_bytes + start)))
            }
        };
        let live = place::live_bytes(&requests, &self.overlaps(&storages, Optimize::Ram));
        let at = |step: usize| state_bytes + live.get(step).copied().unwrap_or(0);
        let steps = self.steps();
        let live_bytes: Vec<usize> = steps.iter().map(|step| at(*step)).collect();
        let mut placed = placed.into_iter().map(|offset| state_bytes + offset);
        let mut offsets = vec![None; self.storage.len()];
        storages.iter().zip(placed.by_ref()).for_each(|(storage, offset)| offsets[*storage] = Some(offset));
        let scratch = scratch_spans(&steps, scratch, placed.by_ref());
        let sums = self.sums(placed);
        for (state, offset) in states {
            (offsets[state.input.0], offsets[state.output.0]) = (Some(offset), Some(offset));
        }
        Ok(Plan {
            region_starts,
            arriving: self.sizes().arriving(),
            offsets: self.storage.iter().map(|&s| offsets[s]).collect(),
            last_uses: self.last_uses(),
            scratch,
            sums,
            lines: self.lines(),
            lower_bound_bytes: live_bytes.iter().copied().max().unwrap_or(0),
            live_bytes,
            state_bytes,
            arena_bytes: state_bytes + arena_bytes,
            storage: self.storage,
            in_place: self.in_place,
            aliases: self.aliases,
            bands: self.bands,
        })
    }

    /// Places the requests, the first of which are storages, in regions of memory, behind the states.
    fn in_regions(
        &self,
        (storages, requests, overlaps): (&[usize], &[Request], &[Overlap]),
        (sizes, states): ([usize; MAX_REGIONS], usize),
    ) -> Result<Regions, PlanError> {
        let heat = storages.iter().map(|storage| self.heat(*storage));
        // Scratch and sums are what kernels touch all the time.
        let heat: Vec<f64> = heat.chain(std::iter::repeat(f64::MAX)).take(requests.len()).collect();
        let placed = regions::place(requests, overlaps, &heat, (sizes, states));
        placed.map_err(|(region, needed)| PlanError::Regions { region, size: sizes[region], needed })
    }

    /// How often the numbers of a storage are read and written.
    fn heat(&self, storage: usize) -> f64 {
        let reads = |node: &Node| node.inputs.first().is_some_and(|value| self.storage[value.0] == storage);
        let writes = |node: &Node| self.storage[node.outputs[0].0] == storage;
        let nodes = self.graph.nodes.iter().filter(|node| reads(node) || writes(node));
        nodes.map(|node| regions::touches(self.graph, node)).sum()
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
