//! The program of a file as people look at it: its operations, and the tensors between them with their place and time.

use std::ops::Range;

use lacewing::Model;
use lacewing::format::metadata::{self, Item, Layer};
use lacewing::format::{DType, Op, Place, Port, SafeOverlap, Span, Tensor as At};
use serde::Serialize;
use serde_json::Value;

/// One operation.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The ONNX node that it came from.
    pub name: String,
    /// The operation and its arithmetic.
    pub op: &'static str,
    /// Shape of its result.
    pub shape: Vec<u32>,
    /// Type of its result.
    pub dtype: &'static str,
    /// Scale and zero point of its result, of integers.
    pub scale: Option<(f32, i8)>,
    /// First byte of its result.
    pub offset: u32,
    /// Lines of the ring that its result is; 0 for a whole tensor.
    pub lines: u16,
    /// The band that it runs in row by row, counted from 0.
    pub band: Option<usize>,
    /// Whether it writes over one of its operands.
    pub in_place: bool,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Bytes of its constants: weights, biases, multipliers, tables.
    pub constant_bytes: u64,
    /// Bytes of its result, of a ring those of its lines.
    pub output_bytes: u64,
    /// Tensors in the arena while it runs, its result among them.
    pub live_tensors: usize,
    /// The bytes of those tensors and of its scratch, those that tensors may share counted once. All operations of a band have the same.
    pub live_bytes: u64,
}

/// Where a tensor comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The caller.
    Input,
    /// The last run.
    State,
    /// An operation.
    Result,
}

/// What lies in a part of the arena for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tensor {
    /// The name of the input, of the state, or of the operation that writes it.
    pub name: String,
    /// Where it comes from.
    pub kind: Kind,
    /// Its shape.
    pub shape: Vec<u32>,
    /// Type of its elements.
    pub dtype: &'static str,
    /// First byte.
    pub offset: u32,
    /// Number of bytes.
    pub bytes: u32,
    /// The operation that writes it.
    pub writer: Option<usize>,
    /// The operations that read it.
    pub readers: Vec<usize>,
    /// The name of the output that it is.
    pub output: Option<String>,
    /// When it comes to be there: 0 is before the program, `i + 1` during operation `i`, and after the last one the outputs are read.
    pub first: usize,
    /// When it is there no more.
    pub end: usize,
}

/// The operations in their order, and all tensors.
#[must_use]
pub fn read(model: &Model<'_>) -> (Vec<Step>, Vec<Tensor>) {
    let (ops, layers) = (model.ops().collect::<Vec<_>>(), layers_of(model));
    let mut arena = Arena { tensors: Vec::new(), places: Vec::new(), end: ops.len() + 2 };
    model.inputs().for_each(|port| arena.door(&port, Kind::Input));
    model.states().for_each(|port| arena.door(&port, Kind::State));
    for (index, op) in ops.iter().enumerate() {
        arena.run(index, op, layers.get(index).map_or("", |layer| &layer.name));
    }
    for port in model.outputs() {
        if let Some(at) = arena.holding(&port.tensor) {
            arena.tensors[at].output = Some(port.name().to_string());
        }
    }
    let mut steps: Vec<Step> = (0..ops.len()).map(|index| step(&arena, &ops, &layers, index)).collect();
    for (number, (band, _)) in model.bands().enumerate() {
        arena.widen(&band);
        let (live_tensors, live_bytes) = arena.full(&band, &ops[band.clone()]);
        for step in &mut steps[band] {
            *step = Step { band: Some(number), live_tensors, live_bytes, ..step.clone() };
        }
    }
    (steps, arena.tensors)
}

/// The layers' names and scales from a file's metadata.
#[must_use]
pub fn layers_of(model: &Model<'_>) -> Vec<Layer> {
    let items = metadata::read(model.metadata_bytes());
    let layers = |item| if let Item::Layers(layers) = item { Some(layers) } else { None };
    items.into_iter().find_map(layers).unwrap_or_default()
}

/// Multiply-accumulates of the whole program.
#[must_use]
pub fn macs(steps: &[Step]) -> u64 {
    steps.iter().map(|step| step.macs).sum()
}

/// The most bytes live at once: no arena for these operations in this order and these bands is smaller.
#[must_use]
pub fn lower_bound(steps: &[Step]) -> u64 {
    steps.iter().map(|step| step.live_bytes).max().unwrap_or(0)
}

fn step(arena: &Arena, ops: &[Op], layers: &[Layer], index: usize) -> Step {
    let (op, layer) = (&ops[index], layers.get(index));
    let output = op.output();
    let live = || arena.live(index + 1);
    Step {
        name: layer.map(|layer| layer.name.clone()).unwrap_or_default(),
        op: op.opcode().name(),
        shape: output.shape.to_vec(),
        dtype: dtype(output),
        scale: layer.and_then(Layer::quantization),
        offset: output.offset,
        lines: output.lines,
        band: None,
        in_place: op.inputs().iter().any(|input| input.place() == output.place() && input.span() == output.span()),
        macs: op.macs(),
        constant_bytes: constant_bytes(op),
        output_bytes: output.span().map_or(0, |span| span.len.into()),
        live_tensors: live().count(),
        live_bytes: live().map(|tensor| u64::from(tensor.bytes)).sum::<u64>() + u64::from(op.scratch().len)
            - u64::from(shared(op)),
    }
}

/// The most bytes that an operation's output may share with its input.
fn shared(op: &Op) -> u32 {
    let SafeOverlap { below, above } = op.safe_overlap();
    let bytes = |tensor: &At| tensor.span().map_or(0, |span| span.len);
    below.min(op.inputs().first().map_or(0, bytes)).max(above.min(bytes(op.output())))
}

/// The bytes of the constants that a record names, in operands and beside them.
fn constant_bytes(op: &Op) -> u64 {
    let operands = op.inputs().iter().filter(|input| input.place() == Place::Constant);
    let operands: u64 = operands.filter_map(At::span).map(|span| u64::from(span.len)).sum();
    operands + serde_json::to_value(op).map_or(0, |record| spans(&record))
}

/// The lengths of all spans of a record; its scratch and its sums are not in the file.
fn spans(record: &Value) -> u64 {
    let Value::Object(fields) = record else { return 0 };
    match (fields.len(), fields.get("offset"), fields.get("len").and_then(Value::as_u64)) {
        (2, Some(_), Some(len)) => len,
        _ => fields
            .iter()
            .filter(|(name, _)| !["scratch", "sums"].contains(&name.as_str()))
            .map(|(_, field)| spans(field))
            .sum(),
    }
}

/// What has been in the arena so far.
struct Arena {
    tensors: Vec<Tensor>,
    /// Where each lies.
    places: Vec<(Place, Span)>,
    end: usize,
}

impl Arena {
    /// What is there at a time.
    fn live(&self, time: usize) -> impl Iterator<Item = &Tensor> {
        self.tensors.iter().filter(move |tensor| (tensor.first..tensor.end).contains(&time))
    }

    /// What a band reads and writes is there from its first operation to its last; its rings no longer.
    fn widen(&mut self, band: &Range<usize>) {
        let (first, last, in_first) = (band.start + 1, band.end, band.start == 0);
        for (tensor, (place, _)) in self.tensors.iter_mut().zip(&self.places) {
            if tensor.writer.is_some_and(|writer| band.contains(&writer)) {
                tensor.first = first;
            }
            if (first + 1..=last).contains(&tensor.end)
                || *place == Place::Ring && (tensor.first == first || in_first && tensor.writer.is_none())
            {
                tensor.end = last + 1;
            }
        }
    }

    /// How many tensors are there in a band, and how many bytes with its scratch.
    fn full(&self, band: &Range<usize>, ops: &[Op]) -> (usize, u64) {
        let tensors = || self.live(band.start + 1);
        let sums = ops.iter().filter_map(Op::turns).map(|turns| turns.sums);
        let spans = tensors().map(|tensor| Span { offset: tensor.offset, len: tensor.bytes });
        let scratch = ops.iter().map(|op| u64::from(op.scratch().len)).max().unwrap_or(0);
        (tensors().count(), occupied(spans.chain(sums).collect()) + scratch)
    }

    fn door(&mut self, port: &Port<'_>, kind: Kind) {
        self.add(&port.tensor, port.shape(), port.name(), (kind, None));
    }

    fn add(&mut self, at: &At, shape: &[u32], name: &str, (kind, writer): (Kind, Option<usize>)) {
        let span = at.span().unwrap_or(Span::EMPTY);
        self.places.push((at.place(), span));
        self.tensors.push(Tensor {
            name: name.into(),
            kind,
            shape: shape.to_vec(),
            dtype: dtype(at),
            offset: span.offset,
            bytes: span.len,
            writer,
            readers: Vec::new(),
            output: None,
            first: writer.map_or(0, |index| index + 1),
            end: self.end,
        });
    }

    /// The tensor that was last written there.
    fn holding(&self, at: &At) -> Option<usize> {
        let span = at.span()?;
        self.places.iter().rposition(|(place, held)| *place == at.place() && held.overlaps(span))
    }

    fn run(&mut self, index: usize, op: &Op, name: &str) {
        for input in op.inputs().iter().filter(|input| input.place() != Place::Constant) {
            let Some(at) = self.holding(input) else { continue };
            let tensor = &mut self.tensors[at];
            if tensor.readers.last() != Some(&index) {
                tensor.readers.push(index);
            }
            if input.is_last() {
                tensor.end = tensor.end.min(index + 2);
            }
        }
        // In place, the operand is there no more from here on.
        if let Some(at) = self.holding(op.output()).filter(|at| Some(self.places[*at].1) == op.output().span()) {
            self.tensors[at].end = self.tensors[at].end.min(index + 1);
        }
        self.add(op.output(), &op.output().shape, name, (Kind::Result, Some(index)));
    }
}

/// The number of bytes that lie in at least one of the spans.
fn occupied(mut spans: Vec<Span>) -> u64 {
    spans.sort_unstable_by_key(|span| span.offset);
    let (mut bytes, mut end) = (0, 0);
    for span in spans {
        let (from, to) = (u64::from(span.offset).max(end), u64::from(span.offset) + u64::from(span.len));
        bytes += to.saturating_sub(from);
        end = end.max(to);
    }
    bytes
}

/// The name of a tensor's element type.
#[must_use]
pub fn dtype(at: &At) -> &'static str {
    match at.dtype() {
        Some(DType::I8) => "int8",
        Some(DType::I16) => "int16",
        Some(DType::I32) => "int32",
        Some(DType::F32) => "float32",
        None => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing::format::encode::Builder;
    use lacewing::ops::{Function, UnaryF32};

    fn tensor(offset: u32) -> At {
        At::new(Place::Arena, DType::F32, offset, [1, 1, 1, 4])
    }

    fn port(tensor: At) -> Port<'static> {
        Port { name: b"x", tensor, rank: 2, dims: [1, 4, 1, 1, 1, 1], scale: 1.0, zero: 0 }
    }

    #[test]
    fn bytes_in_common_are_counted_once() {
        let span = |offset, len| Span { offset, len };
        assert_eq!(occupied(vec![span(10, 5), span(0, 4), span(2, 6), span(3, 1)]), 13);
    }

    #[test]
    fn live_bytes_follow_the_last_uses() {
        let mut builder = Builder::default();
        let unary = |input, output| UnaryF32 { input, output, function: Function::Abs };
        for record in
            [unary(tensor(0), tensor(16)), unary(tensor(16).last(), tensor(16)), unary(tensor(0).last(), tensor(32))]
        {
            builder.push(&record.into()).unwrap();
        }
        let file = builder.finish(&[port(tensor(0))], &[port(tensor(32))], 48, &[]).unwrap();
        let file = lacewing::owned::Aligned::from(&file[..]);
        let steps = read(&Model::read(&file).unwrap()).0;
        assert_eq!(
            steps.iter().map(|s| (s.live_bytes, s.in_place)).collect::<Vec<_>>(),
            [(32, false), (32, true), (48, false)]
        );
        assert_eq!(lower_bound(&steps), 48);
    }
}
