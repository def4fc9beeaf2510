//! The program of a file as the page draws it: its operations, and the tensors between them with their place and time.

use lacewing::Model;
use lacewing::format::metadata::Layer;
use lacewing::format::{DType, Op, Place, Port, Span, Tensor as At};
use serde::Serialize;
use serde_json::Value;

use crate::verify::layers_of;

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
    /// Multiply-accumulates.
    pub macs: u64,
    /// Bytes of its constants: weights, biases, multipliers, tables.
    pub constant_bytes: u64,
    /// Bytes of its result.
    pub output_bytes: u64,
    /// Bytes live in the arena while it runs, its scratch among them, those that output and input may share counted once.
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
pub(super) fn read(model: &Model<'_>) -> (Vec<Step>, Vec<Tensor>) {
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
    let live = |time: usize| arena.tensors.iter().filter(move |t| (t.first..t.end).contains(&time));
    let live = |time: usize| live(time).map(|tensor| u64::from(tensor.bytes)).sum::<u64>();
    let step = |(index, op): (usize, &Op)| {
        let bytes = live(index + 1) + u64::from(op.scratch().len) - u64::from(op.safe_overlap().most());
        step(op, layers.get(index), bytes)
    };
    (ops.iter().enumerate().map(step).collect(), arena.tensors)
}

fn step(op: &Op, layer: Option<&Layer>, live_bytes: u64) -> Step {
    let output = op.output();
    Step {
        name: layer.map(|layer| layer.name.clone()).unwrap_or_default(),
        op: op.opcode().name(),
        shape: output.shape.to_vec(),
        dtype: dtype(output),
        scale: layer.and_then(Layer::quantization),
        macs: op.macs(),
        constant_bytes: constant_bytes(op),
        output_bytes: output.span().map_or(0, |span| span.len.into()),
        live_bytes,
    }
}

/// The bytes of the constants that a record names, in operands and beside them.
fn constant_bytes(op: &Op) -> u64 {
    let operands = op.inputs().iter().filter(|input| input.place() == Place::Constant);
    let operands: u64 = operands.filter_map(At::span).map(|span| u64::from(span.len)).sum();
    operands + serde_json::to_value(op).map_or(0, |record| spans(&record))
}

/// The lengths of all spans of a record; its scratch is not in the file.
fn spans(record: &Value) -> u64 {
    let Value::Object(fields) = record else { return 0 };
    match (fields.len(), fields.get("offset"), fields.get("len").and_then(Value::as_u64)) {
        (2, Some(_), Some(len)) => len,
        _ => fields.iter().filter(|(name, _)| *name != "scratch").map(|(_, field)| spans(field)).sum(),
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
        if let Some(at) = self.holding(op.output()) {
            self.tensors[at].end = self.tensors[at].end.min(index + 1);
        }
        self.add(op.output(), &op.output().shape, name, (Kind::Result, Some(index)));
    }
}

/// The name of a tensor's element type.
fn dtype(at: &At) -> &'static str {
    match at.dtype() {
        Some(DType::I8) => "int8",
        Some(DType::I16) => "int16",
        Some(DType::I32) => "int32",
        Some(DType::F32) => "float32",
        None => "unknown",
    }
}
