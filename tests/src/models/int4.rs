//! A model with every operation on int4 weights.

use lacewing::format::{DType, Layout, Place, Span, Tensor};
use lacewing::ops::*;

use super::{Chain, port};

/// A convolution, a depthwise convolution and a fully connected layer, some rows of which begin within a byte.
///
/// # Panics
/// Never: it is small.
#[must_use]
pub fn int4() -> Vec<u8> {
    let mut chain = Chain::default();
    let image = chain.i8([1, 6, 6, 3]);
    let [conv, depthwise] = [(); 2].map(|()| chain.i8([1, 6, 6, 5]));
    let (zeros, scratch, input_zero, window) = (Span::EMPTY, Span::EMPTY, -3, super::window(3, 1, 1));
    let (weights, bias, requant) = (chain.weights(68), chain.bias(5), chain.requant(5));
    let (input, output, layout, groups) = (image.last(), conv, Layout::PLAIN, 1);
    let record = ConvI8 { input, output, window, groups, weights, layout, zeros, bias, input_zero, requant, scratch };
    chain.push(ConvW4(record));
    let (weights, bias, requant) = (chain.weights(23), chain.bias(5), chain.requant(1));
    let (input, output, layout) = (conv.last(), depthwise, Layout::channels_last(5));
    chain.push(DepthwiseW4(DepthwiseI8 { input, output, window, weights, layout, bias, input_zero, requant, scratch }));
    let flat = Tensor::new(Place::Arena, DType::I8, depthwise.offset, [1, 1, 1, 180]);
    let logits = chain.i8([1, 1, 1, 7]);
    let (weights, bias, requant) = (chain.weights(630), chain.bias(7), chain.requant(7));
    let (input, output, layout) = (flat.last(), logits, Layout::PLAIN);
    chain.push(FullyConnectedW4(FullyConnectedI8 { input, output, weights, layout, zeros, bias, requant, scratch }));
    chain.finish(&[port(b"image", image, 0.02, -3)], &[port(b"logits", logits, 0.1, 0)])
}
