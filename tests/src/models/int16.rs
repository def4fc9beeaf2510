//! A model with every operation on int16.

use lacewing::format::{DType, Layout, Place, Requant, Span, Tensor};
use lacewing::ops::*;

use super::{Chain, port};

const LIMITS: [i16; 2] = [-32768, 32767];

/// Every operation that reads or writes int16.
///
/// # Panics
/// Never: it is small.
#[must_use]
pub fn int16() -> Vec<u8> {
    let mut chain = Chain::default();
    let image = chain.tensor(DType::F32, [1, 6, 6, 4]);
    let narrow = chain.i8([1, 6, 6, 4]);
    let ports = [port(b"image", image, 1.0, 0), port(b"narrow", narrow, 0.02, -5)];
    let padded = padded(&mut chain, image, narrow);
    let pooled = layers(&mut chain, padded);
    let (shares, best) = classes(&mut chain, pooled);
    let (reals, bytes) = ends(&mut chain, pooled);
    let outputs = [
        port(b"reals", reals, 1.0, 0),
        port(b"bytes", bytes, 0.02, 3),
        port(b"shares", shares, 1.0 / 32768.0, 0),
        port(b"best", best, 1.0, 0),
    ];
    chain.finish(&ports, &outputs)
}

/// Both inputs in int16, one behind the other, with a border.
fn padded(chain: &mut Chain, image: Tensor, narrow: Tensor) -> Tensor {
    let [lo, hi] = LIMITS;
    let [q, wide, scaled] = [(); 3].map(|()| chain.i16([1, 6, 6, 4]));
    chain.push(QuantizeI16 { input: image.last(), output: q, scale: 0.0001, zero: 0 });
    let (multipliers, zero) = ([1 << 28, 3 << 29], 0);
    let (input, output) = (narrow.last(), wide);
    chain.push(WidenI8 { input, output, input_zero: -5, multipliers, shift: 24, zero, lo, hi });
    let (input, output) = (q.last(), scaled);
    chain.push(RescaleI16 { input, output, input_zero: 0, multipliers, shift: 31, zero, lo: -100, hi: 6000 });
    let joined = chain.i16([1, 6, 6, 8]);
    let inputs = [scaled.last(), wide.last()].into_iter().collect();
    chain.push(ConcatI16 { inputs, output: joined, outer: 36 });
    let padded = chain.i16([1, 8, 8, 8]);
    chain.push(PadI16 { input: joined.last(), output: padded, before: [0, 1, 1, 0], value: 0 });
    padded
}

/// Convolutions, pools, and what lies between them.
fn layers(chain: &mut Chain, x: Tensor) -> Tensor {
    let (groups, layout, zeros, input_zero, scratch, [lo, hi]) =
        (2, Layout::PLAIN, Span::EMPTY, 0, Span::EMPTY, LIMITS);
    let [conv, depthwise] = [(); 2].map(|()| chain.i16([1, 6, 6, 8]));
    let (weights, bias, requant) = (chain.weights(8 * 36), bias_i64(chain, 8), rounding(chain, 8));
    let (input, output, window) = (x.last(), conv, super::window(3, 1, 0));
    chain.push(ConvI16 { input, output, window, groups, weights, layout, zeros, bias, input_zero, requant, scratch });
    let (weights, bias, requant) = (chain.weights(8 * 9), bias_i64(chain, 8), rounding(chain, 1));
    let (input, output, window, layout) = (conv, depthwise, super::window(3, 1, 1), Layout::channels_last(8));
    chain.push(DepthwiseI16 { input, output, window, weights, layout, bias, input_zero, requant, scratch });
    let multipliers = [1 << 30, -(3 << 28)];
    let inputs = [conv.last(), depthwise];
    chain.push(AddI16 { inputs, output: conv, multipliers, shift: 30, lo, hi });
    let inputs = [conv.last(), depthwise.last()];
    let (output, zeros, multiplier, zero) = (depthwise, [0; 2], 1 << 30, 0);
    chain.push(MulI16 { inputs, output, zeros, multiplier, shift: 40, zero, lo, hi });
    let table: Vec<i16> = (-256i32..=256).map(|i| (i * i / 2 - 16384) as i16).collect();
    let table = chain.builder.constant(&table);
    chain.push(TableI16 { input: output.last(), output, table });
    let [max, average] = [(); 2].map(|()| chain.i16([1, 3, 3, 8]));
    chain.push(MaxPoolI16 { input: output.last(), output: max, window: super::window(2, 2, 0), lo, hi });
    let requant = rounding(chain, 9);
    chain.push(AveragePoolI16 {
        input: max.last(),
        output: average,
        window: super::window(3, 1, 1),
        input_zero,
        requant,
    });
    average
}

/// Rows by their indices, resized and multiplied with each other; then classes.
fn classes(chain: &mut Chain, x: Tensor) -> (Tensor, Tensor) {
    let [lo, hi] = LIMITS;
    let span = chain.builder.constant(&[2i32, 0, 1, -1]);
    let places = Tensor::new(Place::Constant, DType::I32, span.offset, [1, 1, 1, 4]);
    let [rows, found, product] = [[1, 4, 3, 8], [1, 4, 2, 8], [1, 1, 8, 8]].map(|shape| chain.i16(shape));
    chain.push(GatherI16 { inputs: [x, places], output: rows, n: 3, inner: 24 });
    let (first, weights) = (chain.builder.constant(&[0u32, 1]), chain.builder.constant(&[[8192i16; 2]; 2].concat()));
    chain.push(ResampleI16 { input: rows.last(), output: found, n: 3, inner: 8, first, taps: 2, weights });
    let square = Tensor::new(Place::Arena, DType::I16, found.offset, [1, 1, 8, 8]);
    let (inputs, output, zeros, multiplier, zero) = ([square, square.last()], product, [0; 2], 1 << 30, 0);
    chain.push(MatMulI16 { inputs, output, transposed: true, zeros, multiplier, shift: 44, zero, lo, hi });
    let flat = Tensor::new(Place::Arena, DType::I16, product.offset, [1, 1, 1, 64]);
    let [logits, normal, shares] = [(); 3].map(|()| chain.i16([1, 1, 1, 10]));
    let (weights, bias, requant) = (chain.weights(640), bias_i64(chain, 10), rounding(chain, 10));
    let (layout, scratch, zeros) = (Layout::PLAIN, Span::EMPTY, Span::EMPTY);
    let (input, output) = (flat.last(), logits);
    chain.push(FullyConnectedI16 { input, output, weights, layout, zeros, bias, requant, scratch });
    let (factors, bias, shift, centered, epsilon) = (chain.bias(10), chain.bias(10), 8, true, 1000);
    chain.push(NormalizeI16 { input: logits.last(), output: normal, factors, bias, shift, centered, epsilon });
    let power = |d: u32| (2147483648.0 * (-f64::from(d) * 0.0005).exp()).round();
    let coarse: Vec<u32> = (0..64).map(|h| (power(256 * h) / 16.0) as u32).collect();
    let fine: Vec<u32> = (0..256).map(|l| power(l) as u32).collect();
    let (coarse, fine) = (chain.builder.constant(&coarse), chain.builder.constant(&fine));
    chain.push(SoftmaxI16 { input: normal.last(), output: shares, coarse, fine });
    let best = chain.tensor(DType::I32, [1; 4]);
    chain.push(ArgMaxI16 { input: shares, output: best, n: 10, inner: 1 });
    (shares, best)
}

fn bias_i64(chain: &mut Chain, len: usize) -> Span {
    let bias: Vec<i64> = chain.numbers.by_ref().take(len).map(|byte| i64::from(byte as i8) << 12).collect();
    chain.builder.constant(&bias)
}

pub(super) fn rounding(chain: &mut Chain, count: usize) -> Requant<i16> {
    let multipliers: Vec<i32> = chain.numbers.by_ref().take(count).map(|b| (1 << 29) + (i32::from(b) << 20)).collect();
    let [lo, hi] = LIMITS;
    Requant { multipliers: chain.builder.constant(&multipliers), shift: 38, zero: 0, lo, hi }
}

/// The last rows as reals and as int8.
fn ends(chain: &mut Chain, x: Tensor) -> (Tensor, Tensor) {
    let turned = chain.i16([1, 1, 8, 3]);
    let (dims, strides) = ([1, 1, 1, 1, 8, 3], [0, 0, 0, 0, 1, 8]);
    chain.push(StridedCopyI16 { input: x.last(), output: turned, start: 48, dims, strides });
    let (reals, bytes) = (chain.f32([1, 1, 8, 3]), chain.i8([1, 1, 8, 3]));
    chain.push(DequantizeI16 { input: turned, output: reals, scale: 0.0001, zero: 0 });
    let (input, output, zero, [lo, hi]) = (turned.last(), bytes, 3, [-128, 127]);
    chain.push(NarrowI16 { input, output, input_zero: 0, multipliers: [1 << 24; 2], shift: 31, zero, lo, hi });
    (reals, bytes)
}
