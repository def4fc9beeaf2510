//! Plain recurrent layer: one direction.

use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::Function;
use lacewing::ops::RnnF32;

/// Writes a plain recurrent layer.
pub(crate) fn encode(activation: Function, clip: f32, to: &mut Writer<'_>) -> Result<(), ConvertError> {
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
