//! Convolution.

use ndarray::{ArrayD, IxDyn};

use crate::encode::Writer;
use crate::encode::numbers::{Multipliers, QUARTER, multipliers};
use crate::error::ConvertError;
use crate::graph::Window;
use crate::graph::{Op, ValueId};
use crate::import::{Lowering, OnnxNode, window};
use crate::quantize::{Params, Weights};
use lacewing::format::{Layout, Requant, Span};
use lacewing::ops::{ConvF32, ConvI8};

use super::depthwise;

/// `Conv` over one or two spatial axes; one axis is a row of height 1.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let shape = to.shape(x);
    let w = to.weights(node, 1)?;
    if w.ndim() != shape.len() || !(3..=4).contains(&w.ndim()) {
        let reason = format!("weights {:?} on an input {shape:?}; only 1-D and 2-D are supported", w.shape());
        return Err(node.error(reason));
    }
    check_batch(node, &shape)?;
    let kernel = &w.shape()[2..];
    if node.sizes("kernel_shape", 1)?.is_some_and(|k| k != kernel) {
        return Err(node.error(format!("kernel_shape differs from its weights {:?}", w.shape())));
    }
    let window = window::read(node, &shape[2..], kernel)?.window;
    let groups = node.int("group", 1);
    let groups = usize::try_from(groups).map_err(|_| node.error(format!("group {groups} is not supported")))?;
    let (grid, w) = (to.grid(node, 1, 0), to.add_constant(node, "weights", flat(node, w)?)?);
    to.set_grid(w, grid);
    let mut inputs = vec![plane(node, to, x)?, w];
    if node.input(2).is_some() {
        inputs.push(to.add_constant(node, "bias", to.weights(node, 2)?)?);
    }
    let line = shape.len() == 3;
    let y = to.emit(node, if line { "plane" } else { "" }, Op::Conv { window, groups }, &inputs)?;
    Ok(vec![if line { unplane(node, to, y)? } else { y }])
}

/// Convolutions and pools run on one sample.
pub(super) fn check_batch(node: &OnnxNode<'_>, shape: &[usize]) -> Result<(), ConvertError> {
    match shape.first() {
        Some(1) => Ok(()),
        _ => Err(node.error(format!("its input {shape:?} has a batch; export the model with batch size 1"))),
    }
}

/// `[n, c, l]` as `[n, c, 1, l]`; a rank-4 value as it is.
pub(super) fn plane(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId) -> Result<ValueId, ConvertError> {
    match to.shape(x)[..] {
        [n, c, l] => to.emit_shaped(node, "row", Op::Reshape, &[x], vec![n, c, 1, l]),
        _ => Ok(x),
    }
}

/// `[n, c, 1, l]` back to `[n, c, l]`.
pub(super) fn unplane(node: &OnnxNode<'_>, to: &mut Lowering, y: ValueId) -> Result<ValueId, ConvertError> {
    let shape = to.shape(y);
    to.emit_shaped(node, "", Op::Reshape, &[y], [&shape[..2], &shape[3..]].concat())
}

fn flat(node: &OnnxNode<'_>, w: ArrayD<f32>) -> Result<ArrayD<f32>, ConvertError> {
    match *w.shape() {
        [o, i, k] => w.into_shape_with_order(IxDyn(&[o, i, 1, k])).map_err(|e| node.error(e.to_string())),
        _ => Ok(w),
    }
}

/// Writes a convolution, depthwise where each output channel reads one input channel.
pub(crate) fn encode(window: &Window, groups: usize, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let channels = to.input(0).shape[3];
    let depthwise = groups as u32 == channels && groups > 1;
    match (to.int8(), depthwise) {
        (Some(params), false) => encode_i8(window, groups, params, to),
        (Some(params), true) => depthwise::encode_i8(window, params, to),
        (None, false) => encode_f32(window, groups, to),
        (None, true) => depthwise::encode_f32(window, to),
    }
}

fn encode_i8(
    window: &Window,
    groups: usize,
    (input, output): (Params, Params),
    to: &mut Writer<'_>,
) -> Result<(), ConvertError> {
    let Sums { weights, bias, requant } = sums(input, output, to)?;
    let record = ConvI8 {
        input: to.input(0),
        output: to.output(),
        window: window_of(window),
        groups: groups as u32,
        weights: to.constant(&weights),
        layout: Layout::PLAIN,
        bias,
        input_zero: input.zero,
        requant,
        scratch: Span::EMPTY,
    };
    to.push(record)
}

fn encode_f32(window: &Window, groups: usize, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let outputs = to.output().shape[3] as usize;
    let (lo, hi) = to.clamp();
    let record = ConvF32 {
        input: to.input(0),
        output: to.output(),
        window: window_of(window),
        groups: groups as u32,
        weights: to.float_constant(1, 0),
        bias: to.float_constant(2, outputs),
        lo,
        hi,
    };
    to.push(record)
}

/// The window as the file carries it; padding below and to the right follows from the shapes.
pub(super) fn window_of(window: &Window) -> lacewing::format::Window {
    let pair = |[y, x]: [usize; 2]| [y as u32, x as u32];
    let [top, left, ..] = window.pads;
    lacewing::format::Window {
        kernel: pair(window.kernel),
        stride: pair(window.strides),
        dilation: pair(window.dilations),
        pad: pair([top, left]),
    }
}

/// What an int8 layer of weights needs beside them: the folded bias and the way from the sum to the output.
pub(super) struct Sums {
    /// `[out][..]`, row-major.
    pub(super) weights: Vec<i8>,
    pub(super) bias: Span,
    pub(super) requant: Requant,
}

/// `bias = b / (s_in·s_w) − zero_in·Σw` and `M = s_in·s_w / s_out` for each output channel. A channel without weights is a
/// constant: its bias is four times the distance from the zero point, its multiplier a quarter.
pub(super) fn sums(input: Params, output: Params, to: &mut Writer<'_>) -> Result<Sums, ConvertError> {
    let Weights { ints, scales } = to.weights().cloned().ok_or_else(|| to.error("it has no int8 weights"))?;
    let weights: Vec<i8> = ints.iter().copied().collect();
    let depth = weights.len() / scales.len().max(1);
    let floats = to.floats(2, scales.len());
    let (mut bias, mut reals) = (Vec::new(), Vec::new());
    for ((channel, scale), b) in weights.chunks(depth.max(1)).zip(&scales).zip(floats) {
        let step = f64::from(input.scale) * scale;
        if step == 0.0 {
            bias.push(4 * (i32::from(output.quantize(b)) - i32::from(output.zero)));
            reals.push(f64::from(QUARTER) * f64::powi(2.0, -32));
            continue;
        }
        let sum: i32 = channel.iter().map(|w| i32::from(*w)).sum();
        bias.push((f64::from(b) / step).round_ties_even() as i32 - i32::from(input.zero) * sum);
        reals.push(step / f64::from(output.scale));
    }
    let Multipliers { m, shift } =
        multipliers(&reals).ok_or_else(|| to.error("its output range is too small for its weights in int8"))?;
    let (lo, hi) = to.clamp_i8(output);
    let requant = Requant { multipliers: to.constant(&m), shift, zero: output.zero, lo, hi };
    Ok(Sums { weights, bias: to.constant(&bias), requant })
}
