//! UNIDIRECTIONAL_SEQUENCE_LSTM. Its inputs are: the sequence; weights of the gates input, forget, cell, output from the sequence
//! (1–4) and from the output (5–8); from the cells (9–11); biases (12–15); a projection (16, 17); the kept output and cells (18, 19);
//! normalizations (20–23).
//!
//! Where the sequence is int8, outputs are kept in int8 and cells in int16. LiteRT then rounds each gate to 16 bits and each output to int8
//! before the next step reads it; here the next step reads it in the int16 of the cells. In f32 cells are rounded after the last step alone.
//! ONNX's operator does not bound the cells: where the file does, an operator of our own domain stands in its place.

use tract_onnx::pb::tensor_proto::DataType;

use super::shape::{squeezed, unsqueeze};
use crate::error::ConvertError;
use crate::import::tflite::constant::{Quantization, elements};
use crate::import::tflite::onnx::{float, int, ints};
use crate::import::tflite::schema::UnidirectionalSequenceLSTMOptions;
use crate::import::tflite::state::{read_kept, write_kept};
use crate::import::tflite::translation::{Op, Translation};
use crate::ops::BOUNDED;

/// The parts of the node, as names of ONNX tensors.
struct Lstm {
    /// The sequence, `[steps, batch, inputs]`.
    x: String,
    /// Gates in ONNX's order: input, output, forget, cell.
    weights: String,
    recurrent: String,
    bias: String,
    /// Of the gates input, output, forget from the cells; none or all.
    holes: Vec<String>,
    h: String,
    c: String,
    units: usize,
    /// A bound of the cells; 0 for none.
    clip: f32,
    /// What outputs and cells are rounded to where the sequence is int8.
    words: Option<Quantization>,
}

/// The sequence of outputs.
pub(super) fn lstm(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let o: UnidirectionalSequenceLSTMOptions<'_> = op.options()?;
    check(t, op, &o)?;
    let lstm = Lstm::read(t, op, o.time_major(), o.cell_clip())?;
    let mut results = lstm.emit(t, op)?;
    if let Some(words) = &lstm.words {
        for result in &mut results {
            *result = t.through(op, result, DataType::Int16, words)?;
        }
    }
    let [y, h, c] = results;
    write_kept(t, op, 18, &h)?;
    write_kept(t, op, 19, &c)?;
    let y = if o.time_major() { y } else { turned(t, op, &y)? };
    t.write(op, 0, &y)
}

fn check(t: &Translation<'_>, op: &Op<'_>, o: &UnidirectionalSequenceLSTMOptions<'_>) -> Result<(), ConvertError> {
    let absent = |inputs: &[usize]| inputs.iter().all(|i| op.optional(*i).is_none());
    let reason = match () {
        () if o.activation() != 4 => "has another activation than TANH",
        () if op.optional(1).is_none() => "couples its input and forget gates",
        () if !absent(&[16, 17]) || o.projection_clip() != 0.0 => "projects its output",
        () if !absent(&[20, 21, 22, 23]) => "normalizes its gates",
        () if o.diagonal_recurrent_tensors() => "has diagonal weights",
        () if matches!(t.data_type(op.input(0)?)?, DataType::Int16 | DataType::Uint8) => {
            "reads 16-bit or unsigned integers; export it with int8 or float activations"
        }
        () => return Ok(()),
    };
    Err(op.error(format!("{reason}, which is not supported")))
}

/// The first two axes change places.
fn turned(t: &mut Translation<'_>, op: &Op<'_>, x: &str) -> Result<String, ConvertError> {
    t.emit(op, "Transpose", &[x], vec![ints("perm", &[1, 0, 2])])
}

/// What outputs and cells are rounded to where the sequence is int8: int16 in the file's steps, finer if that ends at the bound of the cells.
fn words(t: &Translation<'_>, op: &Op<'_>, clip: f32) -> Result<Option<Quantization>, ConvertError> {
    if t.quantization(op.input(0)?)?.is_none() {
        return Ok(None);
    }
    let (outputs, cells) = (op.input(18)?, op.input(19)?);
    match (t.quantization(outputs)?, t.data_type(cells)?, t.quantization(cells)?) {
        (Some(outputs), DataType::Int16, Some(Quantization { scales, zeros, .. }))
            if scales.len() == 1 && zeros == [0] =>
        {
            hidden(t, op, &outputs)?;
            let bound = if clip > 0.0 { clip / 32767.0 } else { f32::INFINITY };
            Ok(Some(Quantization { scales: vec![scales[0].min(bound)], zeros, axis: 0 }))
        }
        _ => Err(op.error("lacks the scales of int8 outputs and int16 cells; convert the float model again")),
    }
}

/// LiteRT rounds outputs to what the fifth intermediate tensor says, and reads them as what input 18 says: both must be the same.
fn hidden(t: &Translation<'_>, op: &Op<'_>, outputs: &Quantization) -> Result<(), ConvertError> {
    let listed = op.file.table.intermediates().and_then(|all| all.iter().nth(4));
    let tensor = listed.and_then(|i| t.graph.tensors.get(usize::try_from(i).ok()?));
    let Some(tensor) = tensor else { return Ok(()) };
    match Quantization::of(tensor).map_err(|reason| op.error(format!("its intermediate tensor 4 {reason}")))? {
        Some(other) if other.scales != outputs.scales || other.zeros != outputs.zeros => Err(op.error(format!(
            "rounds its outputs with the scale {:?} and zero point {:?}, and reads them with {:?} and {:?}; convert the float model again",
            other.scales, other.zeros, outputs.scales, outputs.zeros
        ))),
        _ => Ok(()),
    }
}

/// Biases one below the other. Where the sequence is int8, they are in steps of its products with their gate's weights.
fn biases(t: &mut Translation<'_>, op: &Op<'_>) -> Result<String, ConvertError> {
    let x = t.quantization(op.input(0)?)?;
    let mut parts = Vec::new();
    for gate in GATES {
        let bias = gate + 11;
        let steps = match (&x, t.quantization(op.input(gate)?)?) {
            (Some(x), Some(weights)) => weights.scales.iter().map(|scale| scale * x.scales[0]).collect(),
            (None, _) => Vec::new(),
            (Some(_), None) => return Err(op.error(format!("input {gate} lacks a scale"))),
        };
        parts.push(if steps.is_empty() { t.read(op, bias)? } else { t.bias(op, bias, &steps)? });
    }
    concat(t, op, &parts)
}

/// Weights one below the other, with an axis before: integers as they are, if all are.
fn stacked(t: &mut Translation<'_>, op: &Op<'_>, inputs: [usize; 4]) -> Result<String, ConvertError> {
    let rows: Vec<Option<Rows>> = inputs.iter().map(|i| Rows::read(t, op, *i)).collect::<Result<_, _>>()?;
    if let Some(rows) = rows.into_iter().collect::<Option<Vec<Rows>>>() {
        return Rows::write(t, op, &rows);
    }
    let parts: Vec<String> = inputs.into_iter().map(|i| t.read(op, i)).collect::<Result<_, _>>()?;
    let all = concat(t, op, &parts)?;
    unsqueeze(t, op, &all, 0)
}

/// Constant int8 weights, with a scale and a zero point for each row.
struct Rows {
    bytes: Vec<u8>,
    width: usize,
    scales: Vec<f32>,
    zeros: Vec<i64>,
}

impl Rows {
    /// Input `i`, if it is that.
    fn read(t: &Translation<'_>, op: &Op<'_>, i: usize) -> Result<Option<Rows>, ConvertError> {
        let Some(constant) = t.constant(op.input(i)?) else { return Ok(None) };
        let (tensor, quantization) = (t.tensor(constant), t.quantization(constant)?);
        let (Some(Quantization { mut scales, mut zeros, axis: 0 }), &[rows, width]) = (quantization, &tensor.shape[..])
        else {
            return Ok(None);
        };
        if tensor.external || t.data_type(constant)? != DataType::Int8 {
            return Ok(None);
        }
        let (_, bytes) = elements(tensor).map_err(|reason| t.tensor_error(constant, reason))?;
        if scales.len() == 1 {
            (scales, zeros) = (vec![scales[0]; rows], vec![zeros[0]; rows]);
        }
        Ok(Some(Rows { bytes, width, scales, zeros }))
    }

    fn write(t: &mut Translation<'_>, op: &Op<'_>, parts: &[Rows]) -> Result<String, ConvertError> {
        let scales: Vec<f32> = parts.iter().flat_map(|part| part.scales.iter().copied()).collect();
        let zeros = parts.iter().flat_map(|part| part.zeros.iter().copied()).collect();
        if parts.iter().any(|part| part.width != parts[0].width) {
            return Err(op.error("has weights of different widths"));
        }
        let shape = [1, scales.len(), parts[0].width];
        let bytes = parts.iter().flat_map(|part| part.bytes.iter().copied()).collect();
        t.quantized_constant(op, &shape, bytes, &Quantization { scales, zeros, axis: 1 })
    }
}

fn concat(t: &mut Translation<'_>, op: &Op<'_>, parts: &[String]) -> Result<String, ConvertError> {
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    t.emit(op, "Concat", &parts, vec![int("axis", 0)])
}

/// The gates in ONNX's order, as the inputs with their weights from the sequence.
const GATES: [usize; 4] = [1, 4, 2, 3];

impl Lstm {
    fn read(t: &mut Translation<'_>, op: &Op<'_>, time_major: bool, clip: f32) -> Result<Lstm, ConvertError> {
        let (&[_, _, _], &[units, _]) = (t.shape(op, 0)?, t.shape(op, 2)?) else {
            return Err(op.error(format!("has the shapes {:?} and {:?}", t.shape(op, 0)?, t.shape(op, 2)?)));
        };
        if !(0.0..f32::INFINITY).contains(&clip) {
            return Err(op.error(format!("bounds its cells by {clip}; 0 stands for no bound")));
        }
        let words = words(t, op, clip)?;
        let x = t.read(op, 0)?;
        let holes = [9, 11, 10].into_iter().filter(|i| op.optional(*i).is_some());
        let holes: Vec<String> = holes.map(|i| t.read(op, i)).collect::<Result<_, _>>()?;
        if !matches!(holes.len(), 0 | 3) {
            return Err(op.error("has some of the weights from its cells and not all"));
        }
        Ok(Lstm {
            x: if time_major { x } else { turned(t, op, &x)? },
            weights: stacked(t, op, GATES)?,
            recurrent: stacked(t, op, GATES.map(|gate| gate + 4))?,
            bias: biases(t, op)?,
            holes,
            h: read_kept(t, op, 18)?,
            c: read_kept(t, op, 19)?,
            units,
            clip,
            words,
        })
    }

    /// The outputs of all steps, and the last output and cells.
    fn emit(&self, t: &mut Translation<'_>, op: &Op<'_>) -> Result<[String; 3], ConvertError> {
        let zeros = t.add_constant(op, "zeros", DataType::Float, &[4 * self.units], vec![0; 16 * self.units])?;
        let bias = concat(t, op, &[self.bias.clone(), zeros])?;
        let bias = unsqueeze(t, op, &bias, 0)?;
        let mut inputs = vec![self.x.clone(), self.weights.clone(), self.recurrent.clone(), bias, String::new()];
        for part in [&self.h, &self.c] {
            inputs.push(unsqueeze(t, op, part, 0)?);
        }
        if !self.holes.is_empty() {
            let holes = concat(t, op, &self.holes)?;
            inputs.push(unsqueeze(t, op, &holes, 0)?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let outputs = t.emit_many(op, "LSTM", &inputs, vec![int("hidden_size", self.units as i64)], 3)?;
        if self.clip > 0.0 {
            t.extend_last(BOUNDED, float("cell_clip", self.clip));
        }
        Ok([squeezed(t, op, &outputs[0], 1)?, squeezed(t, op, &outputs[1], 0)?, squeezed(t, op, &outputs[2], 0)?])
    }
}
