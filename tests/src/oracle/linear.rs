//! Convolution, depthwise, fully connected: sums of products.

use lacewing::format::{Tensor, Window};
use lacewing::ops::conv::Conv;
use lacewing::ops::depthwise::Depthwise;
use lacewing::ops::fully_connected::FullyConnected;
use lacewing::ops::{ConvF32, DepthwiseF32, FullyConnectedF32};

use super::position::{columns, dims, index, positions, taps, unpack, unpack_tiles};
use super::requant::{Integer, channel};
use super::values::{Answer, Constants, Near, Values};

/// The elements of the input that meet weights 0, 1, … of one output; `None` for padding.
type Terms = Vec<Option<usize>>;

pub(super) fn conv_int<T: Integer>(op: &Conv<T>, w: Vec<i8>, constants: Constants<'_>, x: &Values) -> Answer {
    let x = T::of(x);
    let [.., outputs] = dims(&op.output);
    let depth = conv_depth(&op.input, &op.window, op.groups);
    let w = centered(unpack(&w, op.layout, outputs, depth), &constants.i8(op.zeros));
    let bias = T::biases(constants, op.bias);
    let value = |at: [usize; 4]| {
        let terms = conv(&op.input, &op.output, &op.window, op.groups, at);
        channel(sum_int(bias[at[3]], &w[at[3]], x, op.input_zero.into(), &terms), at[3], &op.requant, constants)
    };
    T::answer(positions(dims(&op.output)).into_iter().map(value).collect())
}

pub(super) fn conv_f32(op: &ConvF32, constants: Constants<'_>, x: &[f32]) -> Answer {
    let depth = conv_depth(&op.input, &op.window, op.groups);
    let (w, bias) = (constants.f32(op.weights), constants.f32(op.bias));
    let w = unpack_tiles(&w, op.layout, dims(&op.output)[3], depth);
    let value = |at: [usize; 4]| {
        let terms = conv(&op.input, &op.output, &op.window, op.groups, at);
        sum_f32(bias[at[3]], |k| w[at[3]][k], x, &terms).clamp(op.lo, op.hi)
    };
    Answer::Near(positions(dims(&op.output)).into_iter().map(value).collect())
}

pub(super) fn depthwise_int<T: Integer>(op: &Depthwise<T>, w: Vec<i8>, constants: Constants<'_>, x: &Values) -> Answer {
    let x = T::of(x);
    let [.., outputs] = dims(&op.output);
    let w = columns(op.layout, &op.window, |depth| unpack(&w, op.layout, outputs, depth));
    let bias = T::biases(constants, op.bias);
    let value = |at: [usize; 4]| {
        let terms = depthwise(&op.input, &op.output, &op.window, at);
        channel(sum_int(bias[at[3]], &w[at[3]], x, op.input_zero.into(), &terms), at[3], &op.requant, constants)
    };
    T::answer(positions(dims(&op.output)).into_iter().map(value).collect())
}

pub(super) fn depthwise_f32(op: &DepthwiseF32, constants: Constants<'_>, x: &[f32]) -> Answer {
    let [.., outputs] = dims(&op.output);
    let (w, bias) = (constants.f32(op.weights), constants.f32(op.bias));
    let w = columns(op.layout, &op.window, |depth| unpack_tiles(&w, op.layout, outputs, depth));
    let value = |at: [usize; 4]| {
        let terms = depthwise(&op.input, &op.output, &op.window, at);
        sum_f32(bias[at[3]], |k| w[at[3]][k], x, &terms).clamp(op.lo, op.hi)
    };
    Answer::Near(positions(dims(&op.output)).into_iter().map(value).collect())
}

pub(super) fn fully_connected_int<T: Integer>(
    op: &FullyConnected<T>,
    w: Vec<i8>,
    constants: Constants<'_>,
    x: &Values,
) -> Answer {
    let x = T::of(x);
    let ([.., depth], [.., outputs]) = (dims(&op.input), dims(&op.output));
    let w = centered(unpack(&w, op.layout, outputs, depth), &constants.i8(op.zeros));
    let bias = T::biases(constants, op.bias);
    let value = |at: [usize; 4]| {
        let terms = fully_connected(&op.input, at);
        channel(sum_int(bias[at[3]], &w[at[3]], x, 0, &terms), at[3], &op.requant, constants)
    };
    T::answer(positions(dims(&op.output)).into_iter().map(value).collect())
}

pub(super) fn fully_connected_f32(op: &FullyConnectedF32, constants: Constants<'_>, x: &[f32]) -> Answer {
    let ([.., depth], [.., outputs]) = (dims(&op.input), dims(&op.output));
    let (w, bias) = (constants.f32(op.weights), constants.f32(op.bias));
    let w = unpack_tiles(&w, op.layout, outputs, depth);
    let value = |at: [usize; 4]| {
        let terms = fully_connected(&op.input, at);
        sum_f32(bias[at[3]], |k| w[at[3]][k], x, &terms).clamp(op.lo, op.hi)
    };
    Answer::Near(positions(dims(&op.output)).into_iter().map(value).collect())
}

fn conv_depth(input: &Tensor, window: &Window, groups: u32) -> usize {
    let [.., channels] = input.shape;
    (window.kernel[0] * window.kernel[1] * (channels / groups)) as usize
}

fn conv(input: &Tensor, output: &Tensor, window: &Window, groups: u32, [n, y, x, o]: [usize; 4]) -> Terms {
    let ([.., channels], [.., outputs]) = (dims(input), dims(output));
    let (group_channels, group_outputs) = (channels / groups as usize, outputs / groups as usize);
    let first = o / group_outputs * group_channels;
    let mut terms = Vec::new();
    for tap in taps(window, input, [y, x]) {
        for c in first..first + group_channels {
            terms.push(tap.map(|[y, x]| index(dims(input), [n, y, x, c])));
        }
    }
    terms
}

fn depthwise(input: &Tensor, output: &Tensor, window: &Window, [n, y, x, o]: [usize; 4]) -> Terms {
    let ([.., channels], [.., outputs]) = (dims(input), dims(output));
    let c = o / (outputs / channels);
    taps(window, input, [y, x]).into_iter().map(|tap| tap.map(|[y, x]| index(dims(input), [n, y, x, c]))).collect()
}

fn fully_connected(input: &Tensor, [n, y, x, _]: [usize; 4]) -> Terms {
    let [.., depth] = dims(input);
    (0..depth).map(|k| Some(index(dims(input), [n, y, x, k]))).collect()
}

/// The weights of each output less its zero point.
fn centered(w: Vec<Vec<i32>>, zeros: &[i8]) -> Vec<Vec<i32>> {
    let zero = |o: usize| zeros.get(o).map_or(0, |zero| i32::from(*zero));
    w.iter().enumerate().map(|(o, row)| row.iter().map(|w| *w - zero(o)).collect()).collect()
}

fn sum_int<T: Integer>(bias: i128, w: &[i32], x: &[T], padding: i128, terms: &Terms) -> i128 {
    assert_eq!(w.len(), terms.len(), "one weight for each term");
    w.iter().zip(terms).fold(bias, |sum, (w, at)| {
        let x = at.map_or(padding, |at| x[at].into());
        sum + i128::from(*w) * x
    })
}

fn sum_f32(bias: f32, w: impl Fn(usize) -> f32, x: &[f32], terms: &Terms) -> Near {
    let mut near = Near { value: f64::from(bias), slack: f64::from(bias.abs()) };
    for (k, at) in terms.iter().enumerate() {
        let product = f64::from(w(k)) * at.map_or(0.0, |at| f64::from(x[at]));
        near.value += product;
        near.slack += product.abs();
    }
    Near { slack: near.slack * 1e-5, ..near }
}
