//! Models in bands and in regions of memory.

use lacewing::format::{DType, Layout, Place, Span, Tensor, Window};
use lacewing::ops::average_rows::AverageRows;
use lacewing::ops::pool::AveragePool;
use lacewing::ops::*;

use super::int16::rounding;
use super::{Chain, port};

const IMAGE: [u32; 4] = [1, 6, 5, 4];

/// Two convolutions over a ring, a table over their line and the average of all, row by row; then the average of an int16 image.
///
/// # Panics
/// Never: it is small.
#[must_use]
pub fn bands() -> Vec<u8> {
    let mut chain = Chain::default();
    let image = chain.i8([1, 6, 5, 3]);
    let mean = int8(&mut chain, image, &[0, 0, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 1, 3]);
    let wide = chain.i16([1, 6, 5, 3]);
    let (multipliers, zero, lo, hi) = ([1 << 28, 3 << 29], 0, i16::MIN, i16::MAX);
    chain.push(WidenI8 { input: image.last(), output: wide, input_zero: -5, multipliers, shift: 24, zero, lo, hi });
    let wide_mean = chain.i16([1, 1, 1, 3]);
    chain.builder.end_plain();
    let (window, requant) = (whole(), rounding(&mut chain, 1));
    let pool = AveragePool { input: wide.last(), output: wide_mean, window, input_zero: 0, requant };
    let sums = Span { offset: chain.arena, len: 24 };
    chain.arena += 24;
    chain.push(AverageRows { pool, sums });
    chain.builder.end_band(&[0; 12]);
    chain.finish(&[port(b"image", image, 0.02, -3)], &[port(b"mean", mean, 0.5, 3), port(b"wide", wide_mean, 1.0, 0)])
}

/// The first of these bands with its input row by row, over a ring of three lines.
///
/// # Panics
/// Never: it is small.
#[must_use]
pub fn rows() -> Vec<u8> {
    rows_in(3, &[(2, [0, 0]), (1, [0, 3]), (1, [0, 3]), (1, [0, 3]), (1, [0, 3]), (0, [0, 3]), (0, [1, 3])])
}

/// The same over another ring, in other turns: so many rows arrive, then the first to the last of members have a turn each.
///
/// # Panics
/// Never: it is small.
#[must_use]
pub fn rows_in(lines: u16, turns: &[(usize, [u8; 2])]) -> Vec<u8> {
    let mut chain = Chain::default();
    let image = Tensor::new(Place::Arena, DType::I8, 0, [1, 6, 5, 3]).ring(lines);
    chain.arena = (15 * u32::from(lines)).next_multiple_of(16);
    let turns = turns.iter().flat_map(|(rows, pair)| [vec![u8::MAX; 2 * rows], pair.to_vec()].concat());
    let mean = int8(&mut chain, image, &turns.collect::<Vec<u8>>());
    chain.finish(&[port(b"image", image, 0.02, -3)], &[port(b"mean", mean, 0.5, 3)])
}

/// A table and an average of int8, whose input, middle and output are in a region each.
///
/// # Panics
/// Never: it is small.
#[must_use]
pub fn regions() -> Vec<u8> {
    regions_at([128, 256], 0)
}

/// The same with other regions, and the middle moved by so many bytes.
///
/// # Panics
/// Never: it is small.
#[must_use]
pub fn regions_at(starts: [u32; 2], moved: u32) -> Vec<u8> {
    let mut chain = Chain::default();
    chain.builder.regions(starts);
    let at = |offset, shape| Tensor::new(Place::Arena, DType::I8, offset, shape);
    let (image, middle, mean) = (at(0, IMAGE), at(128 + moved, IMAGE), at(256, [1, 1, 1, 4]));
    chain.arena = 272;
    let table = chain.weights(256);
    chain.push(TableI8 { input: image.last(), output: middle, table });
    let requant = chain.requant(1);
    chain.push(AveragePool { input: middle.last(), output: mean, window: whole(), input_zero: -3, requant });
    chain.finish(&[port(b"image", image, 0.02, -3)], &[port(b"mean", mean, 0.5, 3)])
}

fn whole() -> Window {
    let [_, h, w, _] = IMAGE;
    Window { kernel: [h, w], stride: [1; 2], dilation: [1; 2], pad: [0; 2] }
}

fn int8(chain: &mut Chain, image: Tensor, turns: &[u8]) -> Tensor {
    let mut ring = |lines: u16| {
        let tensor = Tensor::new(Place::Arena, DType::I8, chain.arena, IMAGE).ring(lines);
        chain.arena += 80;
        tensor
    };
    let (conv, line) = (ring(3), ring(1));
    let mean = chain.i8([1, 1, 1, 4]);
    let (zeros, scratch, input_zero, window) = (Span::EMPTY, Span::EMPTY, -3, super::window(3, 1, 1));
    let (weights, bias, requant) = (chain.weights(108), chain.bias(4), chain.requant(4));
    let (input, output, layout, groups) = (image, conv, Layout::PLAIN, 1);
    chain.push(ConvI8 { input, output, window, groups, weights, layout, zeros, bias, input_zero, requant, scratch });
    let (weights, bias, requant) = (chain.weights(36), chain.bias(4), chain.requant(1));
    let (input, output, layout) = (conv, line, Layout::channels_last(4));
    chain.push(DepthwiseI8 { input, output, window, weights, layout, bias, input_zero, requant, scratch });
    let table = chain.weights(256);
    chain.push(TableI8 { input: line, output: line, table });
    let (window, requant) = (whole(), chain.requant(1));
    let sums = Span { offset: chain.arena, len: 16 };
    chain.arena += 16;
    let pool = AveragePool { input: line, output: mean, window, input_zero, requant };
    chain.push(AverageRows { pool, sums });
    chain.builder.end_band(turns);
    mean
}
