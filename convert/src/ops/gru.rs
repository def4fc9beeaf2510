//! GRU: one direction.

use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::Function;
use lacewing::ops::GruF32;

/// Writes a GRU.
pub(crate) fn encode(
    activations: [Function; 2],
    clip: f32,
    reset_last: bool,
    to: &mut Writer<'_>,
) -> Result<(), ConvertError> {
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
