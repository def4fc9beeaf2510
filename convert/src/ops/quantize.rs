//! Between real numbers and int8, at the program's doors.

use lacewing::ops::{DequantizeI8, Function, QuantizeI8};

use crate::encode::Writer;
use crate::error::ConvertError;

/// Writes the change to int8; nothing but a copy in a float program.
pub(crate) fn encode_quantize(to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let (input, output) = (to.input(0), to.output());
    match to.params(to.node().outputs[0]) {
        Some(params) => to.push(QuantizeI8 { input, output, scale: params.scale, zero: params.zero }),
        None => super::unary::encode(Function::Identity, to),
    }
}

/// Writes the change to f32; nothing but a copy in a float program.
pub(crate) fn encode_dequantize(to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let (input, output) = (to.input(0), to.output());
    match to.params(to.node().inputs[0]) {
        Some(params) => to.push(DequantizeI8 { input, output, scale: params.scale, zero: params.zero }),
        None => super::unary::encode(Function::Identity, to),
    }
}
