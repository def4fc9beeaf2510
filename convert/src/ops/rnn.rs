//! Plain recurrent layer: one direction.

use super::recurrent_i8::Layer;
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::Function;
use lacewing::ops::{RnnF32, RnnI8};

/// Writes a plain recurrent layer.
pub(crate) fn encode(activation: Function, clip: f32, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    if let Some(layer) = Layer::new(clip, to) {
        return encode_i8(activation, &layer, to);
    }
    let (inputs, output) = super::recurrent::tensors(to);
    let record = RnnF32 {
        inputs,
        output,
        weights: to.float_constant(2, 0),
        recurrence: to.float_constant(3, 0),
        bias: to.float_constant(4, 0),
        activation,
        clip,
    };
    to.push(record)
}

fn encode_i8(activation: Function, layer: &Layer, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let curve = layer.curve(activation, 0..1);
    let (inputs, output) = super::recurrent::tensors(to);
    let record =
        RnnI8 { inputs, output, gates: layer.write(&[curve.step], to)?, table: curve.table(layer.scale(), to) };
    to.push(record)
}
