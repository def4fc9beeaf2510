//! Depthwise convolutions: a convolution with as many groups as input channels, see `conv`.

use lacewing::format::Layout;
use lacewing::ops::DepthwiseF32;
use lacewing::ops::depthwise::Depthwise;

use super::conv::{Pushed, Sums, sums, window_of};
use crate::encode::Writer;
use crate::encode::numbers::{Numbers, zero};
use crate::error::ConvertError;
use crate::graph::Window;
use crate::quantize::Params;

/// Writes a depthwise convolution in integers, weights channels-last.
pub(super) fn encode_integers<T: Numbers + Pushed<Depthwise<T>>>(
    window: &Window,
    (input, output): (Params, Params),
    to: &mut Writer<'_>,
) -> Result<(), ConvertError> {
    let Sums { weights, bits, bias, requant, .. } = sums::<T>(input, output, to)?;
    let (outputs, columns) = (to.output().shape[3], window.kernel[1] as u32);
    let layout = to.layout(usual(outputs), &requant);
    let record = Depthwise {
        input: to.input(0),
        output: to.output(),
        window: window_of(window),
        weights: to.weights_constant(bits, &weights, (layout, columns)),
        layout,
        bias,
        input_zero: zero(input),
        requant,
        scratch: to.scratch(),
    };
    T::push(bits, record, to)
}

/// Writes a depthwise convolution in f32.
pub(super) fn encode_f32(window: &Window, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let (outputs, columns) = (to.output().shape[3], window.kernel[1] as u32);
    let (lo, hi) = to.clamp();
    let layout = to.layout_f32(usual(outputs));
    let record = DepthwiseF32 {
        input: to.input(0),
        output: to.output(),
        window: window_of(window),
        weights: to.float_weights((layout, columns)),
        layout,
        bias: to.float_constant(2, outputs as usize),
        lo,
        hi,
        scratch: to.scratch(),
    };
    to.push(record)
}

/// Channels last, if a layout can say so many.
fn usual(outputs: u32) -> Layout {
    u16::try_from(outputs).map_or(Layout::PLAIN, Layout::channels_last)
}
