//! Bands: consecutive nodes that run row by row. Their values are rings of lines; no row is computed twice.
//!
//! The node with a turn is always the last one in the band whose rows are there, so that a ring holds as few lines as the order of nodes
//! allows. [`choose`] takes the bands under which the largest sum of live bytes at one step is least, and of those the ones with the fewest turns.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use lacewing::format::{Span, Turns};

use super::overlaps::tensor;
use crate::graph::{Binary, Graph, Node, Op, PoolKind, ValueId};
use crate::ops::window_of;

/// Records that the runtime takes in a band.
const MAX_MEMBERS: usize = 32;

/// Nodes that run row by row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Band {
    /// The nodes, one record each, and those between them that run nothing.
    pub nodes: Range<usize>,
    /// Pairs of bytes as the format has them: the first and the last of members that follow each other and have one turn each.
    pub turns: Vec<u8>,
    /// For each storage that is a ring, the one whose ring it is, itself or one that is overwritten line by line.
    rings: HashMap<usize, usize>,
    /// Lines of each ring, by that storage.
    pub(super) lines: HashMap<usize, u32>,
    /// Bytes of the sums of pools, by node.
    pub(super) sums: BTreeMap<usize, usize>,
    /// Bytes that whole results share with inputs before which they start: result, input, bytes.
    pub(super) overlaps: Vec<(ValueId, ValueId, usize)>,
    /// Turns in all.
    length: usize,
}

impl Band {
    /// Whether a member's output lies over the ring of its operand; both by their storage.
    pub(super) fn overwrites(&self, operand: usize, output: usize) -> bool {
        let ring = |storage: usize| self.rings.get(&storage);
        output != operand && ring(output).is_some() && ring(output) == ring(operand)
    }

    /// Bytes of the rings and sums.
    fn own_bytes(&self, sizes: Sizes<'_>) -> usize {
        let ring = |(storage, lines): (&usize, &u32)| *lines as usize * sizes.row(ValueId(*storage));
        self.lines.iter().map(ring).sum::<usize>() + self.sums.values().sum::<usize>()
    }
}

/// The sizes of a graph's values, and which of them are one.
#[derive(Clone, Copy)]
pub(super) struct Sizes<'a> {
    pub(super) graph: &'a Graph,
    pub(super) bytes: &'a [usize],
    /// The first value with each value's bytes, of reshapes.
    pub(super) storage: &'a [usize],
    /// The nodes that run nothing.
    pub(super) aliases: &'a [bool],
    /// Whether the input goes in row by row.
    pub(super) rows: bool,
}

impl Sizes<'_> {
    /// The node that runs first.
    fn first(self) -> usize {
        self.aliases.iter().position(|alias| !alias).unwrap_or(0)
    }

    /// The input that goes in row by row, as the first node reads it.
    pub(super) fn arriving(self) -> Option<ValueId> {
        let storage = self.storage[self.graph.inputs.first().filter(|_| self.rows)?.0];
        self.graph.nodes.get(self.first())?.inputs.iter().copied().find(|value| self.storage[value.0] == storage)
    }

    /// Bytes of a row of an image, of the arriving input in the shape in which it is read.
    pub(super) fn row(self, value: ValueId) -> usize {
        let read = self.arriving().filter(|read| self.storage[read.0] == self.storage[value.0]);
        let value = read.unwrap_or(value);
        let rows = tensor(self.graph, value, self.bytes).shape[1] as usize;
        self.bytes[value.0] / rows.max(1)
    }

    /// Bytes of an element.
    fn element(self, value: ValueId) -> usize {
        self.bytes[value.0] / self.graph.shape(value).iter().product::<usize>().max(1)
    }

    /// How a node runs row by row in one record, if it can.
    fn turns(self, node: &Node) -> Option<Turns> {
        let graph = self.graph;
        let (x, y) = (node.inputs[0], node.outputs[0]);
        let [input, output] = [x, y].map(|value| tensor(graph, value, self.bytes));
        let computed = node.inputs.iter().all(|value| graph.constant(*value).is_none());
        match &node.op {
            Op::Conv { window, .. } => Turns::of_window(&input, &output, &window_of(window)),
            Op::Pool { window, kind } => {
                let whole = window.kernel == [input.shape[1] as usize, input.shape[2] as usize];
                let sums = Span { offset: 0, len: self.sums_bytes(node) as u32 };
                match kind {
                    PoolKind::Max => Turns::of_window(&input, &output, &window_of(window)),
                    _ if whole && window.pads == [0; 4] && sums.len > 0 => Turns::of_sums(&input, sums),
                    _ => Turns::of_window(&input, &output, &window_of(window)),
                }
            }
            Op::Binary(Binary::Add | Binary::Sub | Binary::Mul) if computed => {
                let inputs: Vec<_> = node.inputs.iter().map(|value| tensor(graph, *value, self.bytes)).collect();
                Turns::of_elements(&inputs, &output)
            }
            Op::Unary(_) if self.element(x) == self.element(y) && self.element(x) != 2 => {
                Turns::of_elements(&[input], &output)
            }
            _ => None,
        }
    }

    /// Bytes of the sums of an integer pool over a whole image: a number of 32 bits for int8, of 64 for int16.
    fn sums_bytes(self, node: &Node) -> usize {
        let channels = self.graph.shape(node.inputs[0]).last().copied().unwrap_or(0);
        match self.element(node.inputs[0]) {
            1 => 4 * channels,
            2 => 8 * channels,
            _ => 0,
        }
    }
}

/// A node of a band that is being tried, or the arrival of the input.
struct Member {
    turns: Turns,
    inputs: Vec<Source>,
    /// `None` for the input.
    node: Option<usize>,
    output: ValueId,
    /// The ring that the output is, `None` for a whole tensor.
    ring: Option<usize>,
    had: u32,
}

/// Where a member reads.
#[derive(Clone, Copy)]
enum Source {
    /// Rows that another member writes, and the ring that holds them; the whole tensor if there is none.
    Member(usize),
    /// A tensor from before the band.
    Outside(ValueId),
}

/// The band of these nodes, if they can be one.
fn band(sizes: Sizes<'_>, readers: &[Vec<usize>], nodes: Range<usize>) -> Option<Band> {
    let mut members = members(sizes, readers, nodes.clone())?;
    let mut band = Band { nodes, ..Band::default() };
    let mut order = Vec::new();
    while let Some(next) = (0..members.len()).rev().find(|m| is_ready(&members, *m)) {
        read(&members, next, &mut band.lines);
        members[next].had += 1;
        order.push(next);
    }
    band.length = order.len();
    band.turns = pairs(&order, members[0].node.is_none());
    for member in &members {
        if let Some(ring) = member.ring {
            band.rings.insert(sizes.storage[member.output.0], ring);
            band.lines.entry(ring).or_insert(1);
        }
        band.sums.extend(member.node.filter(|_| member.turns.sums.len > 0).zip(Some(member.turns.sums.len as usize)));
    }
    band.overlaps = overlaps(sizes, &members, &order);
    Some(band).filter(|_| members.iter().all(|member| member.had == member.turns.count))
}

fn members(sizes: Sizes<'_>, readers: &[Vec<usize>], nodes: Range<usize>) -> Option<Vec<Member>> {
    let state = |value: &ValueId| sizes.graph.states.iter().any(|state| [state.input, state.output].contains(value));
    let mut made: HashMap<usize, usize> = HashMap::new();
    let mut members: Vec<Member> = Vec::new();
    if let Some(input) = sizes.arriving().filter(|_| sizes.first() == nodes.start) {
        let (storage, image) = (sizes.storage[input.0], tensor(sizes.graph, input, sizes.bytes));
        let turns = Turns::of_sums(&image, Span::EMPTY).filter(|turns| turns.count <= u16::MAX.into())?;
        readers[storage].iter().all(|reader| nodes.contains(reader)).then_some(())?;
        made.insert(storage, 0);
        members.push(Member { turns, inputs: Vec::new(), node: None, output: input, ring: Some(storage), had: 0 });
    }
    for index in nodes.clone().filter(|index| !sizes.aliases[*index]) {
        let node = &sizes.graph.nodes[index];
        let turns = sizes.turns(node).filter(|turns| turns.count <= u16::MAX.into())?;
        if node.inputs.iter().chain(&node.outputs).any(state) {
            return None;
        }
        let mut inputs = Vec::new();
        for value in node.inputs.iter().filter(|value| sizes.graph.constant(**value).is_none()) {
            inputs.push(match made.get(&sizes.storage[value.0]) {
                Some(m) if sizes.graph.shape(*value) == sizes.graph.shape(members[*m].output) => Source::Member(*m),
                Some(_) => return None,
                None => Source::Outside(*value),
            });
        }
        let output = node.outputs[0];
        let storage = sizes.storage[output.0];
        let inside = readers[storage].iter().all(|reader| nodes.contains(reader));
        let ring = inside.then(|| overwritten(sizes, readers, &members, node, &inputs).unwrap_or(storage));
        made.insert(storage, members.len());
        members.push(Member { turns, inputs, node: Some(index), output, ring, had: 0 });
    }
    Some(members).filter(|members| members.iter().filter(|member| member.node.is_some()).count() <= MAX_MEMBERS)
}

/// The ring that an elementwise node writes its output over: of an operand that nothing else reads.
fn overwritten(
    sizes: Sizes<'_>,
    readers: &[Vec<usize>],
    members: &[Member],
    node: &Node,
    inputs: &[Source],
) -> Option<usize> {
    if !matches!(node.op, Op::Binary(_) | Op::Unary(_)) {
        return None;
    }
    let ring = |source: &Source| {
        let Source::Member(m) = *source else { return None };
        let alone = readers[sizes.storage[members[m].output.0]].len() == 1;
        let same = sizes.bytes[members[m].output.0] == sizes.bytes[node.outputs[0].0];
        members[m].ring.filter(|_| alone && same && members[m].node.is_some())
    };
    inputs.iter().find_map(ring)
}

/// Rows of a member's output that are there.
fn written(member: &Member) -> u32 {
    if member.turns.sums.len > 0 { u32::from(member.had == member.turns.count) } else { member.had }
}

fn is_ready(members: &[Member], m: usize) -> bool {
    let Member { turns, inputs, had, .. } = &members[m];
    let there = |source: &Source| match source {
        Source::Member(from) => turns.reads(*had).end <= written(&members[*from]),
        Source::Outside(_) => true,
    };
    // The runtime finds a record when those before it have had a turn.
    let reached = m == 0 || members[m - 1].had > 0;
    reached && *had < turns.count && inputs.iter().all(there)
}

/// Makes the rings as long as a member's next turn needs them.
fn read(members: &[Member], m: usize, lines: &mut HashMap<usize, u32>) {
    let rows = members[m].turns.reads(members[m].had);
    for source in &members[m].inputs {
        if let Source::Member(from) = *source
            && let Some(ring) = members[from].ring
        {
            // Who wrote the ring's first content is the farthest.
            let first = members.iter().filter(|member| member.ring == Some(ring)).map(written).max().unwrap_or(0);
            let needed = lines.entry(ring).or_default();
            *needed = (*needed).max(first.saturating_sub(rows.start));
        }
    }
}

/// An order of turns as pairs of the first and the last of members that follow each other; if the first of all is the input, its turns are
/// marked as no member's.
fn pairs(order: &[usize], input: bool) -> Vec<u8> {
    let mut pairs: Vec<[u8; 2]> = Vec::new();
    let number = |member: usize| if input { member.checked_sub(1).map_or(u8::MAX, |m| m as u8) } else { member as u8 };
    for member in order.iter().map(|member| number(*member)) {
        match pairs.last_mut() {
            Some([_, last]) if last.checked_add(1) == Some(member) => *last = member,
            _ => pairs.push([member; 2]),
        }
    }
    pairs.concat()
}

/// How far a whole result that starts before an input from outside may lie over it: each row is written where nothing is read any more.
fn overlaps(sizes: Sizes<'_>, members: &[Member], order: &[usize]) -> Vec<(ValueId, ValueId, usize)> {
    let mut had: Vec<u32> = members.iter().map(|member| member.had).collect();
    let mut first: HashMap<ValueId, u32> = HashMap::new();
    let outside = members.iter().flat_map(|member| &member.inputs).filter_map(|source| match source {
        Source::Outside(value) => Some(*value),
        Source::Member(_) => None,
    });
    let whole = || (0..members.len()).filter(|m| members[*m].ring.is_none());
    let mut ahead: HashMap<(usize, ValueId), usize> =
        outside.flat_map(|value| whole().map(move |m| ((m, value), 0))).collect();
    for &m in order.iter().rev() {
        had[m] -= 1;
        let Member { turns, inputs, output, ring, .. } = &members[m];
        for source in inputs {
            if let Source::Outside(value) = source {
                let start = turns.reads(had[m]).start;
                first.entry(*value).and_modify(|first| *first = start.min(*first)).or_insert(start);
            }
        }
        if ring.is_none() && turns.writes(had[m]) {
            let row = if turns.sums.len > 0 { 0 } else { had[m] as usize };
            let end = (row + 1) * sizes.row(*output);
            for (value, first) in &first {
                let needed = ahead.entry((m, *value)).or_default();
                *needed = (*needed).max(end.saturating_sub(*first as usize * sizes.row(*value)));
            }
        }
    }
    let mut overlaps: Vec<_> = ahead
        .into_iter()
        .map(|((m, input), ahead)| {
            let output = members[m].output;
            (output, input, (sizes.bytes[output.0] - ahead.max(1)).min(sizes.bytes[output.0]))
        })
        .collect();
    overlaps.sort_unstable();
    overlaps
}

/// The bands that make the largest of `live`, the bytes at each node when every one is a step, as small as bands can; `lives` are the first and
/// last node of each value, `scratch` what a node works in as part of a band. Without `ram` only a band that the input goes into is made.
///
/// # Errors
/// The node that takes the input and cannot be in a band with it, if the input goes in row by row.
pub(super) fn choose(
    sizes: Sizes<'_>,
    live: &[usize],
    lives: &[Option<(usize, usize)>],
    scratch: impl Fn(usize) -> usize,
    ram: bool,
) -> Result<Vec<Band>, usize> {
    let readers = readers(sizes);
    let mut possible = possible(sizes, &readers, lives, scratch);
    let mut live = live.to_vec();
    if sizes.rows {
        let first = sizes.first();
        if sizes.arriving().is_none() || !possible.iter().flatten().any(|(band, _)| band.nodes.start == first) {
            return Err(obstacle(sizes, &readers));
        }
        live[first] = usize::MAX;
        possible.iter_mut().for_each(|bands| bands.retain(|(band, _)| ram || band.nodes.start == first));
    }
    let lower = |(peak, length): (usize, usize), bytes: usize, turns| (peak.max(bytes), length + turns);
    let least = best(&live, &possible, lower).0.0;
    let within =
        |(over, length): (usize, usize), bytes: usize, turns| (over + usize::from(bytes > least), length + turns);
    Ok(best(&live, &possible, within).1)
}

/// Of the nodes from the first to the last that reads the input, the first that does not run row by row.
fn obstacle(sizes: Sizes<'_>, readers: &[Vec<usize>]) -> usize {
    let first = sizes.first();
    let last = sizes.arriving().and_then(|input| readers[sizes.storage[input.0]].last().copied());
    let stays = |node: &usize| !sizes.aliases[*node] && sizes.turns(&sizes.graph.nodes[*node]).is_none();
    (first..sizes.graph.nodes.len().min(last.unwrap_or(first) + 1)).find(stays).unwrap_or(first)
}

/// For each node the bands that end with it, and the bytes that are live in each.
type Possible = Vec<Vec<(Band, usize)>>;

fn possible(
    sizes: Sizes<'_>,
    readers: &[Vec<usize>],
    lives: &[Option<(usize, usize)>],
    scratch: impl Fn(usize) -> usize,
) -> Possible {
    let count = sizes.graph.nodes.len();
    let runs = |node: usize| !sizes.aliases[node];
    let mut possible: Possible = vec![Vec::new(); count];
    for start in (0..count).filter(|start| runs(*start)) {
        let mut ends = (start..count).filter(|end| runs(*end)).take(MAX_MEMBERS);
        while let Some(end) = ends.next().filter(|end| sizes.turns(&sizes.graph.nodes[*end]).is_some()) {
            let worth = end > start || sizes.rows && start == sizes.first();
            if let Some(band) = band(sizes, readers, start..end + 1).filter(|_| worth) {
                let bytes = bytes(sizes, &band, lives, &scratch);
                possible[end].push((band, bytes));
            }
        }
    }
    possible
}

/// Bytes that are live while a band runs.
fn bytes(sizes: Sizes<'_>, band: &Band, lives: &[Option<(usize, usize)>], scratch: impl Fn(usize) -> usize) -> usize {
    let Range { start, end } = band.nodes;
    let at_once = |storage: &usize| lives[*storage].is_some_and(|(first, last)| first < end && last >= start);
    let whole = (0..lives.len()).filter(at_once).filter(|storage| !band.rings.contains_key(storage));
    let whole: usize = whole.map(|storage| sizes.bytes[storage]).sum();
    let dies = |value: ValueId| lives[sizes.storage[value.0]].is_some_and(|(_, last)| (start..end).contains(&last));
    let shared = band.overlaps.iter().filter(|(_, input, _)| dies(*input));
    let shared = shared.map(|(_, input, bytes)| *bytes.min(&sizes.bytes[input.0])).max();
    whole + band.own_bytes(sizes) + band.nodes.clone().map(scratch).max().unwrap_or(0) - shared.unwrap_or(0)
}

/// The cheapest way through all nodes, one by one or in bands: its cost, and the bands. `add` adds a step of so many bytes and turns.
fn best<C: Copy + Ord + Default>(
    live: &[usize],
    possible: &Possible,
    add: impl Fn(C, usize, usize) -> C,
) -> (C, Vec<Band>) {
    let mut ways: Vec<(C, Option<usize>)> = vec![(C::default(), None)];
    for (node, bands) in possible.iter().enumerate() {
        let plain = (add(ways[node].0, live[node], 0), None);
        let banded = bands
            .iter()
            .enumerate()
            .map(|(i, (band, bytes))| (add(ways[band.nodes.start].0, *bytes, band.length), Some(i)));
        ways.push(banded.fold(plain, |best, way| if way.0 < best.0 { way } else { best }));
    }
    let (mut at, mut bands) = (possible.len(), Vec::new());
    while at > 0 {
        at = match ways[at].1 {
            Some(i) => {
                let band = &possible[at - 1][i].0;
                bands.push(band.clone());
                band.nodes.start
            }
            None => at - 1,
        };
    }
    bands.reverse();
    (ways[possible.len()].0, bands)
}

/// The nodes that read each storage and run. States and the graph's outputs are read after all nodes.
fn readers(sizes: Sizes<'_>) -> Vec<Vec<usize>> {
    let Sizes { graph, storage, aliases, .. } = sizes;
    let mut readers = vec![Vec::new(); graph.values.len()];
    for (index, node) in graph.nodes.iter().enumerate().filter(|(index, _)| !aliases[*index]) {
        node.inputs.iter().for_each(|value| readers[storage[value.0]].push(index));
    }
    let states = graph.states.iter().map(|state| &state.output);
    graph.outputs.iter().chain(states).for_each(|value| readers[storage[value.0]].push(graph.nodes.len()));
    readers
}

#[cfg(test)]
mod tests {
    use lacewing::Model;
    use lacewing::format::encode::Builder;
    use lacewing::format::{Encode, Op as Record, Span, Tensor};
    use lacewing::owned::Aligned;
    use proptest::prelude::*;

    use crate::calibrate::Ranges;
    use crate::channels::tests::{block, has_integers, net};
    use crate::encode::{Aim, Context, Encoded, encode};
    use crate::graph::{Binary, Graph, Op, PoolKind, Window};
    use crate::passes::tests::{Build, random};
    use crate::plan::Optimize;
    use crate::quantize::{Policy, Quantization, quantize};
    use crate::runner::Runner;

    /// The program of a graph, its arena and how many bands it has.
    fn program(graph: &Graph, quantization: &Quantization, optimize: Optimize) -> (Vec<u8>, usize, usize) {
        let aim = Aim { optimize, ..Aim::default() };
        let context = Context::aimed(graph, quantization.clone(), Vec::new(), aim).unwrap();
        let Encoded { file, .. } = encode(&context).unwrap();
        (file, context.plan.arena_bytes, context.plan.bands().len())
    }

    /// The bytes of the outputs of two runs.
    fn outputs(graph: &Graph, file: &[u8]) -> Vec<Vec<u8>> {
        let mut runner = Runner::new(file).unwrap();
        let inputs = |seed| graph.inputs.iter().map(|id| random(graph.shape(*id), seed)).collect::<Vec<_>>();
        let mut run = |seed| runner.run(&inputs(seed)).map(|_| runner.output_bytes()).unwrap();
        vec![run(3), run(4)]
    }

    /// The program whose input goes in row by row, if it can.
    fn fed(graph: &Graph, quantization: &Quantization, optimize: Optimize) -> Option<Vec<u8>> {
        let aim = Aim { optimize, rows: true, ..Aim::default() };
        let context = Context::aimed(graph, quantization.clone(), Vec::new(), aim).ok()?;
        let input = context.plan.arriving().unwrap();
        assert!(context.plan.lines(input) > 0);
        Some(encode(&context).unwrap().file)
    }

    /// The program in a small region and a large one.
    fn parted(graph: &Graph, quantization: &Quantization, arena: usize) -> Vec<u8> {
        let regions = Some([arena / 3, 2 * arena, 0]);
        let aim = Aim { optimize: Optimize::Ram, regions, ..Aim::default() };
        let context = Context::aimed(graph, quantization.clone(), Vec::new(), aim).unwrap();
        let [fast, slow, none] = context.plan.regions();
        assert!(fast <= (arena / 3).next_multiple_of(16) && slow > 0 && none == 0, "{arena}: {fast} {slow} {none}");
        encode(&context).unwrap().file
    }

    /// Whether bands make the arena smaller, and whether the input can go in row by row; the outputs are the same.
    fn lower(graph: &Graph, quantization: &Quantization) -> [bool; 2] {
        let (whole, plain, none) = program(graph, quantization, Optimize::Speed);
        let (banded, arena, bands) = program(graph, quantization, Optimize::Ram);
        assert_eq!(none, 0);
        assert!(arena <= plain, "{arena} {plain}");
        let right = outputs(graph, &whole);
        assert_eq!(right, outputs(graph, &banded));
        assert_eq!(right, outputs(graph, &parted(graph, quantization, arena)));
        let fed = [Optimize::Ram, Optimize::Balanced].map(|optimize| fed(graph, quantization, optimize));
        fed.iter().flatten().for_each(|file| assert_eq!(right, outputs(graph, file)));
        [bands > 0, fed.iter().all(Option::is_some)]
    }

    #[test]
    fn nets_give_the_same_in_bands() {
        let nets = (prop::collection::vec(block(), 2..9), 1..4usize, 5..12usize, any::<bool>());
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            failure_persistence: None,
            // Of a hundred nets once only 29 programs were in bands.
            ..ProptestConfig::with_cases(200)
        });
        let found = std::cell::Cell::new([0; 2]);
        let find = |more: [bool; 2]| {
            let [bands, rows] = found.get();
            found.set([bands + i32::from(more[0]), rows + i32::from(more[1])]);
        };
        let check = |(blocks, channels, size, flat): (Vec<_>, usize, usize, bool)| {
            let graph = net(&blocks, [size, channels], flat);
            find(lower(&graph, &Quantization::none()));
            if has_integers(&graph) {
                let (graph, numbers) = quantize(&graph, &Ranges::made_up(&graph), &Policy::default()).unwrap();
                find(lower(&graph, &numbers));
            }
            Ok(())
        };
        runner.run(&nets, check).unwrap();
        let [bands, rows] = found.get();
        assert!(bands > 30 && rows > 30, "{bands} programs in bands, {rows} with the input row by row");
    }

    /// A program taken apart: its records, and the turns of the band that is all of it.
    struct Parts<'m> {
        model: Model<'m>,
        ops: Vec<Record>,
        turns: Vec<u8>,
    }

    impl Parts<'_> {
        fn file(&self, ops: &[Record], turns: &[u8]) -> Aligned {
            let mut builder = Builder::default();
            builder.constant(self.model.constants().get::<u8>(self.constants()).unwrap());
            ops.iter().for_each(|op| builder.push(op).unwrap());
            builder.end_band(turns);
            let (mut inputs, outputs): (Vec<_>, Vec<_>) =
                (self.model.inputs().collect(), self.model.outputs().collect());
            // The port of an input that arrives is the ring that the first record reads.
            inputs.iter_mut().filter(|port| port.tensor.lines > 0).for_each(|port| port.tensor = ops[0].inputs()[0]);
            let file = builder.finish(&inputs, &outputs, self.model.header().arena_len, &[]).unwrap();
            Aligned::from(&file[..])
        }

        fn constants(&self) -> Span {
            Span { offset: 0, len: self.model.header().constants_len }
        }

        /// All records with another tensor instead of one.
        fn with(&self, old: Tensor, new: Tensor) -> Vec<Record> {
            let bytes = |tensor: Tensor| {
                let mut bytes = Vec::new();
                tensor.encode(&mut bytes);
                bytes
            };
            let changed = |op: &Record| {
                let mut record = op.to_bytes();
                for (old, new) in [(bytes(old), bytes(new)), (bytes(old.last()), bytes(new.last()))] {
                    if let Some(at) = record.windows(old.len()).position(|window| window == old) {
                        record.splice(at..at + old.len(), new);
                    }
                }
                Record::read(&Aligned::from(&record[..])).unwrap().0
            };
            self.ops.iter().map(changed).collect()
        }

        fn moved(&self, old: Tensor, offset: u32) -> Vec<Record> {
            let mut new = old;
            new.offset = offset;
            self.with(old, new)
        }
    }

    /// A net that is one band: a residual block, a convolution of stride 2 and a pool over what is left.
    fn residual(rows: bool) -> Vec<u8> {
        let mut b = Build::nhwc();
        let x = b.input(&[1, 9, 9, 1]);
        let conv = |b: &mut Build, x, strides, channels: [usize; 2]| {
            let [w, c] = [b.random(&[channels[1], 3, 3, channels[0]]), b.random(&[channels[1]])];
            let window = Window { kernel: [3; 2], strides: [strides; 2], dilations: [1; 2], pads: [1; 4] };
            b.op(Op::Conv { window, groups: 1 }, &[x, w, c])
        };
        let stem = conv(&mut b, x, 1, [1, 8]);
        let y = conv(&mut b, stem, 1, [8, 8]);
        let y = conv(&mut b, y, 1, [8, 8]);
        let y = b.op(Op::Binary(Binary::Add), &[stem, y]);
        let y = conv(&mut b, y, 2, [8, 8]);
        let window = Window { kernel: [5; 2], ..Window::default() };
        let y = b.op(Op::Pool { window, kind: PoolKind::Average { count_include_pad: false } }, &[y]);
        let graph = b.output(y);
        let (graph, numbers) = quantize(&graph, &Ranges::made_up(&graph), &Policy::default()).unwrap();
        if rows { fed(&graph, &numbers, Optimize::Ram).unwrap() } else { program(&graph, &numbers, Optimize::Ram).0 }
    }

    /// Whether a program is refused; if it is not, it gives what the right one gives.
    fn refused(right: &[u8], file: &Aligned) -> bool {
        let Ok(mut runner) = Runner::new(file) else { return true };
        let x = [random(&[1, 9, 9, 1], 1)];
        let mut right = Runner::new(right).unwrap();
        assert_eq!(runner.run(&x).unwrap(), right.run(&x).unwrap());
        false
    }

    #[test]
    fn a_wrong_plan_is_refused_or_gives_the_same() {
        wrong_plans(&residual(false));
    }

    #[test]
    fn a_wrong_plan_of_arriving_rows_is_refused_or_gives_the_same() {
        wrong_plans(&residual(true));
    }

    fn wrong_plans(right: &[u8]) {
        let file = Aligned::from(right);
        let model: Model<'_> = Model::read(&file).unwrap();
        let (records, turns) = model.bands().next().unwrap();
        let parts = Parts { model, ops: model.ops().collect(), turns: turns.to_vec() };
        assert_eq!(records, 0..parts.ops.len(), "one band");
        assert!(!refused(right, &parts.file(&parts.ops, turns)));
        let input = parts.model.inputs().map(|port| port.tensor);
        for ring in parts.ops.iter().map(|op| *op.output()).chain(input).filter(|tensor| tensor.lines > 0) {
            let shorter = parts.with(ring, ring.ring(ring.lines - 1));
            assert!(refused(right, &parts.file(&shorter, turns)), "a line less of {ring:?}");
            for offset in 0..model.header().arena_len {
                refused(right, &parts.file(&parts.moved(ring, offset), turns));
            }
        }
        let output = *parts.ops.last().unwrap().output();
        for offset in 0..output.offset {
            refused(right, &parts.file(&parts.moved(output, offset), turns));
        }
        for pair in 0..turns.len() / 2 {
            let mut less = parts.turns.clone();
            less.drain(2 * pair..2 * pair + 2);
            assert!(refused(right, &parts.file(&parts.ops, &less)), "without pair {pair}");
            let mut swapped = parts.turns.clone();
            swapped.rotate_left(2 * pair);
            refused(right, &parts.file(&parts.ops, &swapped));
            for member in 0..=u8::MAX {
                let mut other = parts.turns.clone();
                other[2 * pair + 1] = member;
                refused(right, &parts.file(&parts.ops, &other));
            }
        }
    }
}
