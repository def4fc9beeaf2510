//! A model with every operation on int16.

use lacewing::format::{DType, Tensor};
use lacewing::ops::*;

use super::{Chain, port};

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
    let (reals, bytes) = ends(&mut chain, padded);
    chain.finish(&ports, &[port(b"reals", reals, 1.0, 0), port(b"bytes", bytes, 0.02, 3)])
}

/// Both inputs in int16, one behind the other, with a border.
fn padded(chain: &mut Chain, image: Tensor, narrow: Tensor) -> Tensor {
    let [lo, hi] = [-32768, 32767];
    let [q, wide, scaled] = [(); 3].map(|()| chain.i16([1, 6, 6, 4]));
    chain.push(QuantizeI16 { input: image.last(), output: q, scale: 0.0001, zero: 0 });
    let (multiplier, zero) = (3 << 29, 0);
    let (input, output) = (narrow.last(), wide);
    chain.push(WidenI8 { input, output, input_zero: -5, multiplier, shift: 24, zero, lo, hi });
    let (input, output) = (q.last(), scaled);
    chain.push(RescaleI16 { input, output, input_zero: 0, multiplier, shift: 31, zero, lo: 0, hi: 6000 });
    let joined = chain.i16([1, 6, 6, 8]);
    let inputs = [scaled.last(), wide.last()].into_iter().collect();
    chain.push(ConcatI16 { inputs, output: joined, outer: 36 });
    let padded = chain.i16([1, 8, 8, 8]);
    chain.push(PadI16 { input: joined.last(), output: padded, before: [0, 1, 1, 0], value: 0 });
    padded
}

/// The last rows as reals and as int8.
fn ends(chain: &mut Chain, x: Tensor) -> (Tensor, Tensor) {
    let turned = chain.i16([1, 1, 8, 8]);
    let (dims, strides) = ([1, 1, 1, 1, 8, 8], [0, 0, 0, 0, 1, 8]);
    chain.push(StridedCopyI16 { input: x.last(), output: turned, start: 192, dims, strides });
    let (reals, bytes) = (chain.f32([1, 1, 8, 8]), chain.i8([1, 1, 8, 8]));
    chain.push(DequantizeI16 { input: turned, output: reals, scale: 0.0001, zero: 0 });
    let (input, output, zero, [lo, hi]) = (turned.last(), bytes, 3, [-128, 127]);
    chain.push(NarrowI16 { input, output, input_zero: 0, multiplier: 1 << 24, shift: 31, zero, lo, hi });
    (reals, bytes)
}
