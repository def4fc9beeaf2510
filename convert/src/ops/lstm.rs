//! LSTM: one direction.

use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::Function;
use lacewing::ops::LstmF32;

/// Writes an LSTM.
pub(crate) fn encode(
    activations: [Function; 3],
    clip: f32,
    coupled: bool,
    to: &mut Writer<'_>,
) -> Result<(), ConvertError> {
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
        coupled,
    };
    to.push(record)
}
