//! Convolution and fully connected layer in int16, with int8 weights, and in int8, with int4 weights: two output pixels, or vectors, at a time meet all
//! outputs in tiles of 2 × 2.
//!
//! What two pixels read is sorted once for all outputs into the pairs of 16 bits that SXTB16 makes of weights, so that the loop loads both with one
//! instruction, from any address and of any depth: `4·K` bytes of scratch. After them stand copies of pixels that are not one run of the image.

use lacewing::Int;
use lacewing::arena::{Constants, bytes_of, cast, cast_mut};
use lacewing::format::{Layout, Tensor, Window};
use lacewing::ops::{ConvI8, ConvI16, FullyConnectedI8, FullyConnectedI16};
use lacewing::rows::Work;

use super::insn;
use super::tile::{Nibbles, Square};
use crate::fallback::limit;
use crate::image::Image;
use crate::layer::{Layer, Tiles};
use crate::wide::Wide;
use crate::windows::{Pixels, Windows};
use crate::wish::Wish;

/// The order of weights for int16: a word of four of one output, a word of four of the other.
pub(super) const WIDE: Layout = Layout { outputs: 2, depth: 4 };

/// The order of int4 weights: those of two outputs in a byte.
pub(super) const NIBBLES: Layout = Layout { outputs: 2, depth: 1 };

/// Bytes of copied pixels that are enough: with more the calls hardly become fewer.
const ENOUGH: u32 = 1024;

/// What a convolution wants.
pub(super) fn conv_wish(layout: Layout, input: &Tensor, window: &Window) -> Option<Wish> {
    let ([kh, kw], [.., channels]) = (window.kernel, input.shape);
    let sorted = sorted(kh.checked_mul(kw)?.checked_mul(channels)?)?;
    let Wish { scratch, least, .. } = Wish::of_copies(layout, input, window, [2, ENOUGH])?;
    Some(Wish { layout, scratch: scratch.checked_add(sorted)?, least: least.checked_add(sorted)? })
}

/// What a fully connected layer of `depth` inputs wants.
pub(super) fn fully_connected_wish(layout: Layout, depth: u32) -> Option<Wish> {
    let sorted = sorted(depth)?;
    Some(Wish { layout, scratch: sorted, least: sorted })
}

/// Bytes of two sorted pixels.
fn sorted(depth: u32) -> Option<u32> {
    depth.checked_next_multiple_of(4)?.checked_mul(4)
}

/// Computes the work, or gives `None` if the record is not as this loop wants it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn conv_i16(op: &ConvI16, constants: Constants<'_>, work: &mut Work<'_, i16>) -> Option<()> {
    if op.layout != WIDE || op.groups != 1 || op.zeros.len > 0 || op.input_zero != 0 {
        return None;
    }
    let (mut image, wide) = (Image::of_i16(&work.input, &op.input, &op.window), Wide::new(&op.requant)?);
    let depth = depth(&op.input, &op.window);
    let layer = Layer::new(constants, [&op.weights, &op.bias], &op.requant, depth.div_ceil(4))?;
    let (mut tiling, patches) = Tiling::new(layer, depth, work.scratch)?;
    let [_, _, width, outputs] = op.output.shape.map(|dim| dim as usize);
    let place = image.flatten(&work.rows, width);
    let mut windows = Windows::new(&image, insn::copy, place, patches.len(), true);
    windows.each(patches, outputs, work.output, |pixels, y| tiling.pixels(&pixels, y, &wide))
}

/// The same with int4 weights.
#[inline(never)]
pub(super) fn conv_w4(op: &ConvI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    if op.layout != NIBBLES || op.groups != 1 || op.zeros.len > 0 || op.requant.shift > 0 {
        return None;
    }
    let mut image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    let depth = few(depth(&op.input, &op.window))?;
    let layer = Layer::of(constants.get(op.weights).ok()?, (constants, op.bias), &op.requant, depth)?;
    let (mut tiling, patches) = Tiling::new(layer, depth, work.scratch)?;
    let [_, _, width, outputs] = op.output.shape.map(|dim| dim as usize);
    let place = image.flatten(&work.rows, width);
    let mut windows = Windows::new(&image, insn::copy, place, patches.len(), true);
    windows.each(patches, outputs, work.output, |pixels, y| tiling.pixels(&pixels, y, &Depth(depth)))?;
    limit(&op.requant, work.output);
    Some(())
}

/// Computes the layer, whose vectors are pixels; or gives `None` as [`conv_i16`] does.
#[inline(never)]
pub(super) fn fully_connected_i16(
    op: &FullyConnectedI16,
    constants: Constants<'_>,
    input: &[i16],
    output: &mut [i16],
    scratch: &mut [u8],
) -> Option<()> {
    if op.layout != WIDE || op.zeros.len > 0 {
        return None;
    }
    let (depth, wide) = (op.input.shape[3] as usize, Wide::new(&op.requant)?);
    let layer = Layer::new(constants, [&op.weights, &op.bias], &op.requant, depth.div_ceil(4))?;
    let pixels = Pixels { x: cast(bytes_of(input))?, step: depth.checked_mul(2)?, count: 1 };
    Tiling::new(layer, depth, scratch)?.0.pixels(&pixels, output, &wide)
}

/// The same with int4 weights.
#[inline(never)]
pub(super) fn fully_connected_w4(
    op: &FullyConnectedI8,
    constants: Constants<'_>,
    input: &[i8],
    output: &mut [i8],
    scratch: &mut [u8],
) -> Option<()> {
    if op.layout != NIBBLES || op.zeros.len > 0 || op.requant.shift > 0 {
        return None;
    }
    let depth = few(op.input.shape[3] as usize)?;
    let layer = Layer::of(constants.get(op.weights).ok()?, (constants, op.bias), &op.requant, depth)?;
    let pixels = Pixels { x: input, step: depth, count: 1 };
    Tiling::new(layer, depth, scratch)?.0.pixels(&pixels, output, &Depth(depth))?;
    limit(&op.requant, output);
    Some(())
}

/// Activations that an output of a convolution reads.
fn depth(input: &Tensor, window: &Window) -> usize {
    let ([kh, kw], [.., channels]) = (window.kernel, input.shape);
    kh.wrapping_mul(kw).wrapping_mul(channels) as usize
}

/// If they are so few that sixteen times the sum with int4 weights fits into 32 bits.
fn few(depth: usize) -> Option<usize> {
    (depth < 1 << 16).then_some(depth)
}

/// What pixels are computed with.
struct Tiling<'a, E, T: Int> {
    layer: Layer<'a, E, 2, T>,
    /// Bytes that a pixel reads.
    bytes: usize,
    /// Where two pixels are sorted.
    sorted: &'a mut [[u32; 4]],
}

impl<'a, E, T: Int> Tiling<'a, E, T> {
    /// For pixels that read so many numbers; beside it, the scratch that it leaves.
    fn new(layer: Layer<'a, E, 2, T>, depth: usize, scratch: &'a mut [u8]) -> Option<(Self, &'a mut [i8])> {
        let (sorted, patches) = scratch.split_at_mut_checked(depth.div_ceil(4).checked_mul(16)?)?;
        let sorted = cast_mut::<u32>(sorted)?.as_chunks_mut().0;
        Some((Self { layer, bytes: depth.checked_mul(size_of::<T>())?, sorted }, cast_mut(patches)?))
    }

    /// All outputs of some pixels.
    fn pixels<S: Squares<E, T>>(&mut self, pixels: &Pixels<'_>, y: &mut [T], squares: &S) -> Option<()> {
        let Self { layer, bytes, sorted } = self;
        pixels.pairs(*bytes, layer.bias.len(), y, |x, y| {
            S::sort(x, sorted);
            layer.squares(y, |tiles, y, second| squares.square(sorted, tiles, y, second))
        })
    }
}

/// How pixels are sorted, and tiles computed.
trait Squares<E, T: Int> {
    /// Writes what two pixels read, as many bytes, in groups of four.
    fn sort(x: [&[i8]; 2], to: &mut [[u32; 4]]);

    /// The outputs of tiles.
    fn square(&self, x: &[[u32; 4]], tiles: Tiles<'_, E, T>, y: &mut [T], second: usize) -> Option<()>;
}

/// In int16.
impl Squares<[u32; 2], i16> for Wide {
    fn sort(x: [&[i8]; 2], to: &mut [[u32; 4]]) {
        sort::<8>(x, to, |a, b| {
            let ([a, c], [b, d]) = (pairs(a), pairs(b));
            [a, c, b, d]
        });
    }

    fn square(&self, x: &[[u32; 4]], tiles: Tiles<'_, [u32; 2], i16>, y: &mut [i16], second: usize) -> Option<()> {
        let Tiles { weights, bias, rounding, outputs } = tiles;
        insn::square(&mut Square { x, weights, bias, rounding, wide: self, outputs, y, second })
    }
}

/// In int8, with int4 weights, of so many activations of a pixel.
struct Depth(usize);

impl Squares<i8, i8> for Depth {
    fn sort(x: [&[i8]; 2], to: &mut [[u32; 4]]) {
        sort::<4>(x, to, |a, b| insn::widen([word(*a), word(*b)]));
    }

    fn square(&self, x: &[[u32; 4]], tiles: Tiles<'_, i8>, y: &mut [i8], second: usize) -> Option<()> {
        let Tiles { weights, bias, rounding, outputs } = tiles;
        insn::nibbles(&mut Nibbles { x, depth: self.0, weights, bias, rounding, outputs, y, second })
    }
}

/// Writes what two pixels read, as many bytes, in groups of so many, which `group` makes of both. Zeros fill the last group.
#[inline(always)]
fn sort<const N: usize>([a, b]: [&[i8]; 2], to: &mut [[u32; 4]], group: impl Fn(&[i8; N], &[i8; N]) -> [u32; 4]) {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<N>(), b.as_chunks::<N>());
    let mut to = to.iter_mut();
    for ((a, b), to) in a.iter().zip(b).zip(&mut to) {
        *to = group(a, b);
    }
    if let Some(to) = to.next() {
        let mut last = [[0; N]; 2];
        last.iter_mut().zip([a_rest, b_rest]).for_each(|(to, x)| to.iter_mut().zip(x).for_each(|(to, x)| *to = *x));
        *to = group(&last[0], &last[1]);
    }
}

/// The first and the third of four numbers of int16, the second and the fourth.
#[inline(always)]
fn pairs(x: &[i8; 8]) -> [u32; 2] {
    let (low, high) = (word([x[0], x[1], x[2], x[3]]), word([x[4], x[5], x[6], x[7]]));
    [low & 0xffff | high << 16, low >> 16 | high & 0xffff_0000]
}

#[inline(always)]
fn word([a, b, c, d]: [i8; 4]) -> u32 {
    u32::from_le_bytes([a as u8, b as u8, c as u8, d as u8])
}
