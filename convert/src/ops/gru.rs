//! GRU: one direction.

use super::recurrent_i8::{Layer, multiplier};
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::Function;
use lacewing::ops::{GruF32, GruI8};

/// Writes a GRU.
pub(crate) fn encode(
    activations: [Function; 2],
    clip: f32,
    reset_last: bool,
    to: &mut Writer<'_>,
) -> Result<(), ConvertError> {
    if let Some(layer) = Layer::new(clip, to) {
        return encode_i8(activations, reset_last, &layer, to);
    }
    let (inputs, output) = super::recurrent::tensors(to);
    let record = GruF32 {
        inputs,
        output,
        weights: to.float_constant(2, 0),
        recurrence: to.float_constant(3, 0),
        bias: to.float_constant(4, 0),
        activations,
        clip,
        reset_last,
    };
    to.push(record)
}

fn encode_i8(
    [gate, candidate]: [Function; 2],
    reset_last: bool,
    layer: &Layer,
    to: &mut Writer<'_>,
) -> Result<(), ConvertError> {
    let (gate, candidate) = (layer.curve(gate, 0..2), layer.curve(candidate, 2..3));
    let (inputs, output) = super::recurrent::tensors(to);
    let record = GruI8 {
        inputs,
        output,
        gates: layer.write(&[gate.step, gate.step, candidate.step], to)?,
        tables: [gate.gate(to), candidate.table(candidate.unit(), to)],
        candidate: multiplier(candidate.unit() / layer.scale(), 17, to)?,
        reset_last,
    };
    to.push(record)
}
