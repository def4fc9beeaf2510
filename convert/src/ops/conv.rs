//! Convolution.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

use crate::encode::Writer;
use crate::encode::numbers::{Multipliers, Numbers, QUARTER, zero};
use crate::error::ConvertError;
use crate::graph::{Op, ValueId, Window};
use crate::import::window::{self, Windowed, Windows};
use crate::import::{Lowering, OnnxNode};
use crate::quantize::{Bits, Params, Weights, Width};
use lacewing::format::{Layout, Requant, Span, Tensor};
use lacewing::ops::conv::Conv;
use lacewing::ops::depthwise::Depthwise;
use lacewing::ops::fully_connected::FullyConnected;
use lacewing::ops::{ConvF32, ConvW4, DepthwiseW4, FullyConnectedW4};

use super::concat::joined;
use super::depthwise;

/// `Conv` over one to three spatial axes; one axis is a row of height 1.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let shape = to.shape(x);
    let w = to.weights(node, 1)?;
    if w.ndim() != shape.len() || !(3..=5).contains(&w.ndim()) {
        let reason = format!("weights {:?} on an input {shape:?}; only 1-D, 2-D and 3-D are supported", w.shape());
        return Err(node.error(reason));
    }
    let kernel = &w.shape()[2..];
    if node.sizes("kernel_shape", 1)?.is_some_and(|k| k != kernel) {
        return Err(node.error(format!("kernel_shape differs from its weights {:?}", w.shape())));
    }
    let Windows { plane: Windowed { mut window, .. }, depth } = window::read(node, &shape[2..], kernel)?;
    let groups = groups(node)?;
    let (grid, w) = (to.grid(node, 1, 0), to.add_constant(node, "weights", flat(node, w)?)?);
    to.set_grid(w, grid);
    let mut weights = vec![w];
    if node.input(2).is_some() {
        weights.push(to.add_constant(node, "bias", to.weights(node, 2)?)?);
    }
    if let Some(depth) = depth {
        return Ok(vec![volume(node, to, x, (Op::Conv { window, groups }, &weights), &depth.window)?]);
    }
    let x = plane(node, to, x)?;
    let inputs = [&[padded(node, to, x, &mut window)?], &weights[..]].concat();
    let line = shape.len() == 3;
    let y = to.emit(node, if line { "plane" } else { "" }, Op::Conv { window, groups }, &inputs)?;
    Ok(vec![if line { unplane(node, to, y)? } else { y }])
}

/// A window in a record pads no further than its kernel reaches: the rest is a `Pad` in front.
pub(super) fn padded(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    x: ValueId,
    window: &mut Window,
) -> Result<ValueId, ConvertError> {
    let reach = [0, 1, 0, 1].map(|axis| window.reach(axis));
    let [top, left, bottom, right] = std::array::from_fn(|side| window.pads[side].saturating_sub(reach[side]));
    if [top, left, bottom, right] == [0; 4] {
        return Ok(x);
    }
    window.pads = std::array::from_fn(|side| window.pads[side].min(reach[side]));
    let pads = vec![(0, 0), (0, 0), (top, bottom), (left, right)];
    to.emit(node, "border", Op::Pad { pads, value: 0.0 }, &[x])
}

/// The attribute `group`.
pub(super) fn groups(node: &OnnxNode<'_>) -> Result<usize, ConvertError> {
    let groups = node.int("group", 1);
    let found = usize::try_from(groups).ok().filter(|groups| *groups > 0);
    found.ok_or_else(|| node.error(format!("group {groups} is not supported")))
}

/// Each slice of the result is a convolution over two axes, of the slices that its window meets: their channels are inputs side by side.
fn volume(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    x: ValueId,
    (op, weights): (Op, &[ValueId]),
    depth: &Window,
) -> Result<ValueId, ConvertError> {
    let pads = vec![(0, 0), (0, 0), (depth.pads[0], depth.pads[2]), (0, 0), (0, 0)];
    let x = if pads[2] == (0, 0) { x } else { to.emit(node, "pad", Op::Pad { pads, value: 0.0 }, &[x])? };
    let &[n, c, d, h, w] = &to.shape(x)[..] else { return Err(node.error("needs three spatial axes")) };
    let (taps, step, dilation) = (depth.kernel[0], depth.strides[0], depth.dilations[0]);
    let outputs = (d - dilation * (taps - 1) - 1) / step + 1;
    let mut slices = Vec::with_capacity(outputs);
    for o in 0..outputs {
        let (starts, steps) = (vec![0, 0, o * step, 0, 0], vec![1, 1, dilation as isize, 1, 1]);
        let part =
            to.emit_shaped(node, &format!("slice_{o}"), Op::Slice { starts, steps }, &[x], vec![n, c, taps, h, w])?;
        let part = to.emit_shaped(node, &format!("channels_{o}"), Op::Reshape, &[part], vec![n, c * taps, h, w])?;
        let y = to.emit(node, &format!("conv_{o}"), op.clone(), &[&[part], weights].concat())?;
        let shape = to.shape(y);
        let shape = [&shape[..2], &[1], &shape[2..]].concat();
        slices.push(to.emit_shaped(node, &format!("depth_{o}"), Op::Reshape, &[y], shape)?);
    }
    joined(node, to, slices, 2)
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

/// Weights over two spatial axes: one axis is a row, the first of three is beside the input channels.
fn flat(node: &OnnxNode<'_>, w: ArrayD<f32>) -> Result<ArrayD<f32>, ConvertError> {
    let shape = match *w.shape() {
        [o, i, k] => [o, i, 1, k],
        [o, i, d, h, w] => [o, i * d, h, w],
        _ => return Ok(w),
    };
    w.into_shape_with_order(IxDyn(&shape)).map_err(|e| node.error(e.to_string()))
}

/// Whether each output channel reads one input channel of several.
pub(crate) fn is_depthwise(groups: usize, input: &Tensor) -> bool {
    groups as u32 == input.shape[3] && groups > 1
}

/// Writes a convolution, depthwise where each output channel reads one input channel and weights have no zero points.
pub(crate) fn encode(window: &Window, groups: usize, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let centered = to.weights().is_none_or(|weights| weights.zeros.is_empty());
    let depthwise = is_depthwise(groups, &to.input(0)) && centered;
    match (to.integers(), depthwise) {
        (None, false) => encode_f32(window, groups, to),
        (None, true) => depthwise::encode_f32(window, to),
        (Some(params), false) if params.1.width == Width::I8 => encode_integers::<i8>(window, groups, params, to),
        (Some(params), false) => encode_integers::<i16>(window, groups, params, to),
        (Some(params), true) if params.1.width == Width::I8 => depthwise::encode_integers::<i8>(window, params, to),
        (Some(params), true) => depthwise::encode_integers::<i16>(window, params, to),
    }
}

fn encode_integers<T: Numbers + Pushed<Conv<T>>>(
    window: &Window,
    groups: usize,
    (input, output): (Params, Params),
    to: &mut Writer<'_>,
) -> Result<(), ConvertError> {
    let Sums { weights, bits, zeros, bias, requant } = sums::<T>(input, output, to)?;
    let layout = to.layout(Layout::PLAIN, &requant);
    let record = Conv {
        input: to.input(0),
        output: to.output(),
        window: window_of(window),
        groups: groups as u32,
        weights: to.weights_constant(bits, &weights, (layout, 1)),
        layout,
        zeros,
        bias,
        input_zero: zero(input),
        requant,
        scratch: to.scratch(),
    };
    T::push(bits, record, to)
}

fn encode_f32(window: &Window, groups: usize, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let outputs = to.output().shape[3] as usize;
    let (lo, hi) = to.clamp();
    let layout = to.layout_f32(Layout::PLAIN);
    let record = ConvF32 {
        input: to.input(0),
        output: to.output(),
        window: window_of(window),
        groups: groups as u32,
        weights: to.float_weights((layout, 1)),
        layout,
        bias: to.float_constant(2, outputs),
        lo,
        hi,
        scratch: to.scratch(),
    };
    to.push(record)
}

/// The window as the file carries it; padding below and to the right follows from the shapes.
pub(crate) fn window_of(window: &Window) -> lacewing::format::Window {
    let pair = |[y, x]: [usize; 2]| [y as u32, x as u32];
    let [top, left, ..] = window.pads;
    lacewing::format::Window {
        kernel: pair(window.kernel),
        stride: pair(window.strides),
        dilation: pair(window.dilations),
        pad: pair([top, left]),
    }
}

/// Writes records of integer weights: in int8 activations the weights may be int4.
pub(super) trait Pushed<R> {
    /// Appends the record for weights of that size.
    fn push(bits: Bits, record: R, to: &mut Writer<'_>) -> Result<(), ConvertError>;
}

macro_rules! pushed {
    ($($record:ident $narrow:ident,)*) => {
        $(impl Pushed<$record<i8>> for i8 {
            fn push(bits: Bits, record: $record<i8>, to: &mut Writer<'_>) -> Result<(), ConvertError> {
                match bits {
                    Bits::Eight => to.push(record),
                    Bits::Four => to.push($narrow(record)),
                }
            }
        }

        impl Pushed<$record<i16>> for i16 {
            fn push(_: Bits, record: $record<i16>, to: &mut Writer<'_>) -> Result<(), ConvertError> {
                to.push(record)
            }
        })*
    };
}
pushed!(Conv ConvW4, Depthwise DepthwiseW4, FullyConnected FullyConnectedW4,);

/// What a layer of int8 weights needs beside them: the folded bias and the way from the sum to the output.
pub(super) struct Sums<T> {
    /// `[out][..]`, row-major.
    pub(super) weights: Vec<i8>,
    pub(super) bits: Bits,
    pub(super) zeros: Span,
    pub(super) bias: Span,
    pub(super) requant: Requant<T>,
}

/// What the sums of an output channel become.
struct Channel {
    bias: i64,
    /// The way to the output.
    real: f64,
    /// No sum is larger.
    bound: f64,
}

/// `bias = b / (s_in·s_w) − zero_in·Σw` and `M = s_in·s_w / s_out` for each output channel. A channel without weights is a
/// constant: its bias is four times the distance from the zero point, its multiplier a quarter.
fn channels<T: Numbers>(weights: &Weights, biases: &[f32], input: Params, output: Params) -> Vec<Channel> {
    let channel = |(o, row): (usize, ArrayViewD<'_, i8>)| {
        let step = f64::from(input.scale) * weights.scales[o];
        let centered = || row.iter().map(|w| i64::from(*w) - i64::from(weights.zero(o)));
        let (bias, real) = match step == 0.0 {
            true => (4 * i64::from(output.integer(biases[o]) - i32::from(output.zero)), QUARTER),
            false => {
                let folded = weights.bias_steps(o, biases[o], input) - i64::from(input.zero) * centered().sum::<i64>();
                (folded, step / f64::from(output.scale))
            }
        };
        let bound = bias.unsigned_abs() as f64 + T::FARTHEST * centered().map(i64::abs).sum::<i64>() as f64;
        Channel { bias, real, bound }
    };
    weights.ints.axis_iter(Axis(0)).enumerate().map(channel).collect()
}

fn multipliers<T: Numbers>(channels: &[Channel], shift: Option<u8>) -> Option<Multipliers> {
    let reals: Vec<f64> = channels.iter().map(|channel| channel.real).collect();
    let bounds: Vec<f64> = channels.iter().map(|channel| channel.bound).collect();
    T::multipliers_with(&reals, &bounds, shift)
}

/// The shift that a layer's multipliers have in its record, if they can be written.
pub(crate) fn shift(weights: &Weights, biases: &[f32], input: Params, output: Params) -> Option<u8> {
    let given = weights.exact.as_ref().and_then(|exact| exact.shift);
    let multipliers = match output.width {
        Width::I8 => multipliers::<i8>(&channels::<i8>(weights, biases, input, output), given),
        Width::I16 => multipliers::<i16>(&channels::<i16>(weights, biases, input, output), given),
    };
    Some(multipliers?.shift)
}

/// The numbers of a layer in its record.
pub(super) fn sums<T: Numbers>(input: Params, output: Params, to: &mut Writer<'_>) -> Result<Sums<T>, ConvertError> {
    let weights = to.weights().cloned().ok_or_else(|| to.error("it has no int8 weights"))?;
    let channels = channels::<T>(&weights, &to.floats(2, weights.scales.len()), input, output);
    let multipliers = multipliers::<T>(&channels, weights.exact.as_ref().and_then(|exact| exact.shift));
    let Multipliers { m, shift } =
        multipliers.ok_or_else(|| to.error("its output range is too small for its weights"))?;
    let (lo, hi) = to.limits(output);
    let requant = Requant { multipliers: to.constant(&m), shift, zero: zero(output), lo, hi };
    let bias: Vec<T::Sum> = channels.iter().map(|channel| T::sum(channel.bias)).collect();
    let (zeros, bias) = (to.constant(&weights.zeros), to.constant(&bias));
    Ok(Sums { weights: weights.ints.iter().copied().collect(), bits: weights.bits, zeros, bias, requant })
}
