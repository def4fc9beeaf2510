//! LSTM: one direction.

use super::recurrent_i8::{Curve, Layer, multiplier};
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::Function;
use lacewing::ops::{LstmF32, LstmI8};

/// Writes an LSTM.
pub(crate) fn encode(
    activations: [Function; 3],
    [clip, bound]: [f32; 2],
    coupled: bool,
    to: &mut Writer<'_>,
) -> Result<(), ConvertError> {
    if let Some(layer) = Layer::new(clip, to) {
        return encode_i8(activations, coupled, &layer, to);
    }
    let (inputs, output) = super::recurrent::tensors(to);
    let record = LstmF32 {
        inputs,
        output,
        weights: to.float_constant(3, 0),
        recurrence: to.float_constant(4, 0),
        bias: to.float_constant(5, 0),
        peepholes: to.float_constant(6, 0),
        activations,
        clip,
        bound,
        coupled,
    };
    to.push(record)
}

/// The cells need no limit: what their int16 ends at is none larger.
fn encode_i8(
    [gate, candidate, result]: [Function; 3],
    coupled: bool,
    layer: &Layer,
    to: &mut Writer<'_>,
) -> Result<(), ConvertError> {
    let (gate, candidate) = (layer.curve(gate, 0..3), layer.curve(candidate, 3..4));
    let result = Curve::new(result, f64::INFINITY, layer.scale() * 32768.0);
    let (inputs, output) = super::recurrent::tensors(to);
    let record = LstmI8 {
        inputs,
        output,
        gates: layer.write(&[gate.step, gate.step, gate.step, candidate.step], to)?,
        tables: [gate.gate(to), candidate.table(candidate.unit(), to), result.table(result.unit(), to)],
        candidate: multiplier(candidate.unit() / layer.scale(), 17, to)?,
        cell: multiplier(layer.scale() / result.step, 16, to)?,
        result: multiplier(result.unit() / layer.scale(), 17, to)?,
        coupled,
    };
    to.push(record)
}
