//! The one place where graph, quantization and plan meet: every node writes its records with every number known.

pub mod numbers;

use lacewing::Int;
use lacewing::format::encode::{Builder, in_lines};
use lacewing::format::metadata::{self, Item, Layer};
use lacewing::format::{DType, Layout, MAX_REGIONS, Op as Record, Place, Port, Requant, Span, Tensor};
use lacewing_targets::wish::{Family, Wish, rounds};
use ndarray::ArrayD;

use crate::error::ConvertError;
use crate::graph::{Graph, Kind, Node, NodeId, Op, ValueId};
use crate::ops;
use crate::plan::{Optimize, Plan, PlanOptions, plan};
use crate::quantize::{Bits, Params, Quantization, Width, nodes};
use crate::wish::wish;

/// What a program is written for; it runs anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aim {
    /// The kernels whose order of weights it has.
    pub kernels: Family,
    /// Memory or time.
    pub optimize: Optimize,
    /// Instead, the least time with an arena of at most so many bytes; the smallest arena if that is none.
    pub ram: Option<usize>,
    /// Whether the input goes in row by row.
    pub rows: bool,
    /// Bytes of the regions of memory that the arena is in, the fastest first, 0 for those that are not there; one region if not given.
    pub regions: Option<[usize; MAX_REGIONS]>,
}

/// Finished values of all stages before.
#[derive(Debug)]
pub struct Context<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// Its numbers; empty for a float program.
    pub quantization: Quantization,
    /// Its memory.
    pub plan: Plan,
    /// Metadata beside the layers' names, which are added.
    pub items: Vec<Item>,
    /// The kernels that the file is written for.
    kernels: Family,
}

impl<'a> Context<'a> {
    /// Plans the memory of `graph` under `quantization`, for portable kernels.
    ///
    /// # Errors
    /// [`ConvertError::Plan`].
    pub fn new(graph: &'a Graph, quantization: Quantization, items: Vec<Item>) -> Result<Self, ConvertError> {
        Self::aimed(graph, quantization, items, Aim::default())
    }

    /// The same for the kernels of a target, and for memory or time.
    ///
    /// # Errors
    /// [`ConvertError::Plan`].
    pub fn aimed(
        graph: &'a Graph,
        quantization: Quantization,
        items: Vec<Item>,
        Aim { kernels, optimize, ram, rows, regions }: Aim,
    ) -> Result<Self, ConvertError> {
        let planned = |optimize| {
            let scratch = |node, banded| {
                let bytes = |wish: Wish| if optimize == Optimize::Ram { wish.least } else { wish.scratch };
                wish(graph, &quantization, node, (kernels, banded)).map_or(0, |wish| bytes(wish) as usize)
            };
            let options = PlanOptions { optimize, rows, regions, ..PlanOptions::default() };
            plan(graph, |value| quantization.element_bytes(value), scratch, options)
        };
        let mut plan = planned(if ram.is_some() { Optimize::Speed } else { optimize })?;
        for smaller in [Optimize::Balanced, Optimize::Ram] {
            if ram.is_some_and(|most| plan.arena_bytes > most) {
                plan = planned(smaller)?;
            }
        }
        Ok(Self { graph, quantization, plan, items, kernels })
    }

    /// The float program of `graph`.
    ///
    /// # Errors
    /// [`ConvertError::Plan`].
    pub fn float(graph: &'a Graph) -> Result<Self, ConvertError> {
        Self::new(graph, Quantization::none(), Vec::new())
    }
}

/// A file, and which node each record came from.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The bytes of the `.lace` file.
    pub file: Vec<u8>,
    /// The node of each record, in the order of the program.
    pub layers: Vec<NodeId>,
}

/// Writes the program, its constants and metadata.
///
/// # Errors
/// [`ConvertError::Node`] for a node that the format cannot express, [`ConvertError::TooLarge`].
pub fn encode(context: &Context<'_>) -> Result<Encoded, ConvertError> {
    let mut layers = Vec::new();
    let mut build = |builder| -> Result<Vec<u8>, ConvertError> {
        let encoded = encode_by(builder, context)?;
        layers = encoded.layers;
        Ok(encoded.file)
    };
    let file = match context.kernels {
        Family::Lanes => in_lines(|phase| build(Builder::default().lines(phase))),
        _ => build(Builder::default()),
    }?;
    Ok(Encoded { file, layers })
}

fn encode_by(builder: Builder, context: &Context<'_>) -> Result<Encoded, ConvertError> {
    let mut writer = Writer { context, node: NodeId(0), builder, layers: Vec::new() };
    for (id, node) in nodes(context.graph) {
        writer.node = id;
        let band = context.plan.bands().iter().find(|band| band.nodes.contains(&id.0));
        if band.is_some_and(|band| band.nodes.start == id.0) {
            writer.builder.end_plain();
        }
        ops::encode(node, &mut writer)?;
        if let Some(band) = band.filter(|band| band.nodes.end == id.0 + 1) {
            writer.builder.end_band(&band.turns);
        }
    }
    let Writer { mut builder, layers, .. } = writer;
    let metadata = metadata::write(&items(context, &layers));
    let inputs = ports(context, &context.graph.inputs);
    let outputs = ports(context, &context.graph.outputs);
    let states: Vec<ValueId> = context.graph.states.iter().map(|state| state.input).collect();
    ports(context, &states).iter().try_for_each(|state| builder.state(state))?;
    if let Some(starts) = context.plan.region_starts() {
        builder.regions(starts.map(|start| start as u32));
    }
    let arena = u32::try_from(context.plan.arena_bytes).map_err(|_| lacewing::format::encode::TooLarge)?;
    let file = builder.finish(&inputs, &outputs, arena, &metadata)?;
    Ok(Encoded { file, layers })
}

fn items(context: &Context<'_>, layers: &[NodeId]) -> Vec<Item> {
    let layer = |id: &NodeId| {
        let node = &context.graph.nodes[id.0];
        let params = context.quantization.params(node.outputs[0]);
        Layer::new(node.name.clone(), params.map(|params| (params.scale, params.zero)))
    };
    let mut items = context.items.clone();
    items.push(Item::Layers(layers.iter().map(layer).collect()));
    items
}

fn ports<'g>(context: &Context<'g>, values: &[ValueId]) -> Vec<Port<'g>> {
    let arriving = context.plan.arriving();
    let port = |value: &ValueId| {
        let of = context.graph.value(*value);
        let mut dims = [1; 6];
        dims.iter_mut().zip(&of.shape).for_each(|(to, from)| *to = *from as u32);
        let params = context.quantization.params(*value).unwrap_or(Params::int8(1.0, 0));
        Port {
            name: of.name.as_bytes(),
            tensor: tensor(context, arriving.filter(|_| context.graph.inputs.contains(value)).unwrap_or(*value)),
            rank: of.shape.len() as u8,
            dims,
            scale: params.scale,
            zero: params.zero,
        }
    };
    values.iter().map(port).collect()
}

/// Row-major weights `[o][ky][kx]` in the order of a layout, zeros in its padding, with so many columns.
fn reorder<W: Copy + Default>(weights: &[W], outputs: u32, (layout, columns): (Layout, u32)) -> Vec<W> {
    let depth = weights.len() as u32 / outputs;
    let kernel = [depth / columns, columns];
    let len = layout.taps(kernel).and_then(|taps| layout.len(outputs, taps));
    let mut ordered = vec![W::default(); len.unwrap_or(0) as usize];
    for (i, weight) in (0..).zip(weights) {
        ordered[layout.position(i / depth, i % depth, kernel) as usize] = *weight;
    }
    ordered
}

/// The value's place in the arena.
fn tensor(context: &Context<'_>, value: ValueId) -> Tensor {
    let offset = context.plan.offset(value).expect("only constants are outside the arena") as u32;
    let place = if context.plan.is_state(value) { Place::State } else { Place::Arena };
    let tensor = Tensor::new(place, dtype(context, value), offset, shape4(context.graph.shape(value)));
    match context.plan.lines(value) {
        0 => tensor,
        lines => tensor.ring(lines),
    }
}

fn dtype(context: &Context<'_>, value: ValueId) -> DType {
    match (context.graph.value(value).kind, context.quantization.params(value)) {
        (Kind::Index, _) => DType::I32,
        (_, Some(params)) => dtype_of(params.width),
        (_, None) => DType::F32,
    }
}

fn dtype_of(width: Width) -> DType {
    match width {
        Width::I8 => DType::I8,
        Width::I16 => DType::I16,
    }
}

/// Four dimensions: ones in front of a lower rank, the leading ones of a higher rank joined.
pub(crate) fn shape4(shape: &[usize]) -> [u32; 4] {
    let (front, back) = shape.split_at(shape.len().saturating_sub(3));
    let mut dims = [1; 4];
    dims[0] = front.iter().product::<usize>() as u32;
    for (to, from) in dims[4 - back.len()..].iter_mut().zip(back) {
        *to = *from as u32;
    }
    dims
}

/// What a node writes with.
pub(crate) struct Writer<'a> {
    pub(crate) context: &'a Context<'a>,
    node: NodeId,
    builder: Builder,
    layers: Vec<NodeId>,
}

impl Writer<'_> {
    /// The node that is being written.
    pub(crate) fn node(&self) -> &Node {
        &self.context.graph.nodes[self.node.0]
    }

    /// The shape of a value.
    pub(crate) fn shape(&self, value: ValueId) -> &[usize] {
        self.context.graph.shape(value)
    }

    /// Scale and zero point of a value; `None` in float.
    pub(crate) fn params(&self, value: ValueId) -> Option<Params> {
        self.context.quantization.params(value)
    }

    /// Params of the node's first input and its output, if both are integers.
    pub(crate) fn integers(&self) -> Option<(Params, Params)> {
        self.params(self.node().inputs[0]).zip(self.params(self.node().outputs[0]))
    }

    /// The integers that a node moves from its first input to its output, `None` in float.
    pub(crate) fn moved(&self) -> Option<Width> {
        self.integers().map(|(_, params)| params.width)
    }

    /// The int8 weights of the node.
    pub(crate) fn weights(&self) -> Option<&crate::quantize::Weights> {
        self.context.quantization.weights(self.node)
    }

    /// The int8 weights of the node's gates.
    pub(crate) fn gates(&self) -> Option<&[crate::quantize::Weights; 2]> {
        self.context.quantization.gates(self.node)
    }

    /// Operand `index` of the node: in the arena, or among the constants in the operand's own type.
    pub(crate) fn input(&mut self, index: usize) -> Tensor {
        let value = self.node().inputs[index];
        let graph = self.context.graph;
        let Some(numbers) = graph.constant(value) else {
            let at = tensor(self.context, value);
            return if self.context.plan.last_uses(self.node)[index] { at.last() } else { at };
        };
        let (shape, params) = (shape4(graph.shape(value)), self.params(value));
        let (dtype, span) = match params {
            Some(params) if params.width == Width::I16 => (DType::I16, self.integer_constant::<i16>(params, numbers)),
            Some(params) => (DType::I8, self.integer_constant::<i8>(params, numbers)),
            None => (DType::F32, self.constant(&numbers.iter().copied().collect::<Vec<f32>>())),
        };
        Tensor::new(Place::Constant, dtype, span.offset, shape)
    }

    fn integer_constant<T: Int>(&mut self, params: Params, numbers: &ArrayD<f32>) -> Span {
        let integers: Vec<T> = numbers.iter().map(|x| params.quantize(*x)).collect();
        self.constant(&integers)
    }

    /// The node's result.
    pub(crate) fn output(&self) -> Tensor {
        tensor(self.context, self.node().outputs[0])
    }

    /// Whether the node is a reshape that runs nothing.
    pub(crate) fn is_alias(&self) -> bool {
        self.context.plan.is_alias(self.node)
    }

    /// Numbers among the constants.
    pub(crate) fn constant<T: lacewing::arena::Pod>(&mut self, numbers: &[T]) -> Span {
        self.builder.constant(numbers)
    }

    /// The order of the node's weights that the target's kernels want, or else, and if they do not round like that, `usual`.
    pub(crate) fn layout<T: Int>(&self, usual: Layout, requant: &Requant<T>) -> Layout {
        if rounds(requant) { self.layout_f32(usual) } else { usual }
    }

    /// The same where nothing is rounded.
    pub(crate) fn layout_f32(&self, usual: Layout) -> Layout {
        let Context { graph, quantization, kernels, .. } = self.context;
        wish(graph, quantization, self.node, (*kernels, false)).map_or(usual, |wish| wish.layout)
    }

    /// The bytes where the node adds up rows.
    pub(crate) fn sums(&self) -> Span {
        self.context.plan.sums(self.node)
    }

    /// The bytes that the node works in.
    pub(crate) fn scratch(&self) -> Span {
        self.context.plan.scratch(self.node)
    }

    /// Row-major weights `[o][ky][kx]` among the constants in the order of a layout, with as many columns as a depthwise convolution has, else one.
    /// Those of int4 are two in a byte, the first in the low half; for [`Layout::PAIRS`] none of an odd output is −128.
    pub(crate) fn weights_constant(&mut self, bits: Bits, weights: &[i8], (layout, columns): (Layout, u32)) -> Span {
        let mut weights = reorder(weights, self.output().shape[3], (layout, columns));
        if layout == Layout::PAIRS {
            for [even, odd] in weights.as_chunks_mut().0 {
                *odd -= i8::from(*even < 0);
            }
        }
        let pair = |pair: &[i8]| pair[0] & 15 | pair.get(1).copied().unwrap_or_default() << 4;
        match bits {
            Bits::Eight => self.constant(&weights),
            Bits::Four => self.constant(&weights.chunks(2).map(pair).collect::<Vec<i8>>()),
        }
    }

    /// The same of the node's weights in f32.
    pub(crate) fn float_weights(&mut self, order: (Layout, u32)) -> Span {
        let weights = reorder(&self.floats(1, 0), self.output().shape[3], order);
        self.constant(&weights)
    }

    /// A constant operand in f32: weights, a bias; `len` zeros if the node has no such operand.
    pub(crate) fn floats(&self, index: usize, len: usize) -> Vec<f32> {
        let graph = self.context.graph;
        match self.node().inputs.get(index).and_then(|value| graph.constant(*value)) {
            Some(numbers) => numbers.iter().copied().collect(),
            None => vec![0.0; len],
        }
    }

    /// The same among the constants.
    pub(crate) fn float_constant(&mut self, index: usize, len: usize) -> Span {
        let numbers = self.floats(index, len);
        self.constant(&numbers)
    }

    /// The fused activation, without bounds if there is none.
    pub(crate) fn clamp(&self) -> (f32, f32) {
        self.node().clamp.unwrap_or((f32::NEG_INFINITY, f32::INFINITY))
    }

    /// The fused activation in integers.
    pub(crate) fn limits<T: Int>(&self, output: Params) -> (T, T) {
        let (lo, hi) = self.clamp();
        (output.quantize(lo), output.quantize(hi))
    }

    /// Appends a record.
    pub(crate) fn push(&mut self, record: impl Into<Record>) -> Result<(), ConvertError> {
        self.builder.push(&record.into())?;
        self.layers.push(self.node);
        Ok(())
    }

    /// An error that names the node.
    pub(crate) fn error(&self, reason: impl Into<String>) -> ConvertError {
        let node = self.node();
        ConvertError::Node { op: name(&node.op).into(), node: node.name.clone(), reason: reason.into() }
    }
}

/// The operation's name for people.
pub fn name(op: &Op) -> &'static str {
    use crate::graph::{Binary, PoolKind};
    match op {
        Op::Conv { .. } => "Conv",
        Op::FullyConnected => "FullyConnected",
        Op::Pool { kind: PoolKind::Max, .. } => "MaxPool",
        Op::Pool { kind: PoolKind::Sum, .. } => "SumPool",
        Op::Pool { kind: PoolKind::Average { .. }, .. } => "AveragePool",
        Op::Binary(Binary::Add) => "Add",
        Op::Binary(Binary::Sub) => "Sub",
        Op::Binary(Binary::Mul) => "Mul",
        Op::Binary(Binary::Function(_)) => "Binary",
        Op::Select => "Select",
        Op::MatMul { .. } => "MatMul",
        Op::Cumulative { .. } => "Cumulative",
        Op::Lstm { .. } => "Lstm",
        Op::Gru { .. } => "Gru",
        Op::Rnn { .. } => "Rnn",
        Op::Unary(_) => "Unary",
        Op::Pad { .. } => "Pad",
        Op::Concat { .. } => "Concat",
        Op::Transpose { .. } => "Transpose",
        Op::Reshape => "Reshape",
        Op::Slice { .. } => "Slice",
        Op::Take { .. } => "Take",
        Op::Gather { .. } => "Gather",
        Op::Scatter { .. } => "Scatter",
        Op::Resample { .. } => "Resample",
        Op::TopK { .. } => "TopK",
        Op::Softmax { .. } => "Softmax",
        Op::Normalize { .. } => "Normalize",
        Op::ArgMax { .. } => "ArgMax",
        Op::Quantize => "Quantize",
        Op::Dequantize => "Dequantize",
        Op::Rescale => "Rescale",
    }
}
