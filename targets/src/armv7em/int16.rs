//! Convolution and fully connected layer in int16, with int8 weights: two output pixels, or vectors, at a time meet all outputs in tiles of 2 × 2.
//!
//! Activations have 16 bits already. What two pixels read is sorted once for all outputs into the pairs that SXTB16 makes of weights, so that the
//! loop loads both with one instruction, from any address and of any depth: `4·K` bytes of scratch. After them stand copies of pixels that are
//! not one run of the image.

use lacewing::arena::{Constants, bytes_of, cast, cast_mut};
use lacewing::format::{Layout, Requant, Span, Tensor, Window};
use lacewing::ops::{ConvI16, FullyConnectedI16};
use lacewing::rows::Work;

use super::insn;
use super::tile::Square;
use crate::image::Image;
use crate::layer::{Layer, Tiles};
use crate::wide::Wide;
use crate::windows::{Pixels, Windows};
use crate::wish::Wish;

/// The order of weights: a word of four of one output, a word of four of the other.
const LAYOUT: Layout = Layout { outputs: 2, depth: 4 };

/// Bytes of copied pixels that are enough: with more the calls hardly become fewer.
const ENOUGH: u32 = 1024;

/// What a convolution wants.
pub(super) fn conv_wish(input: &Tensor, window: &Window) -> Option<Wish> {
    let ([kh, kw], [.., channels]) = (window.kernel, input.shape);
    let sorted = sorted(kh.checked_mul(kw)?.checked_mul(channels)?)?;
    let Wish { layout, scratch, least } = Wish::of_copies(LAYOUT, input, window, [2, ENOUGH])?;
    Some(Wish { layout, scratch: scratch.checked_add(sorted)?, least: least.checked_add(sorted)? })
}

/// What a fully connected layer of `depth` inputs wants.
pub(super) fn fully_connected_wish(depth: u32) -> Option<Wish> {
    let sorted = sorted(depth)?;
    Some(Wish { layout: LAYOUT, scratch: sorted, least: sorted })
}

/// Bytes of two sorted pixels.
fn sorted(depth: u32) -> Option<u32> {
    depth.checked_next_multiple_of(4)?.checked_mul(4)
}

/// Computes the work, or gives `None` if the record is not as this loop wants it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn conv(op: &ConvI16, constants: Constants<'_>, work: &mut Work<'_, i16>) -> Option<()> {
    let image = Image::of_i16(&work.input, &op.input, &op.window);
    let [_, _, width, outputs] = op.output.shape.map(|dim| dim as usize);
    let (image, width, first) = image.as_line(&work.rows, width).unwrap_or((image, width, work.rows.start as usize));
    let bytes = image.kernel[0].wrapping_mul(image.kernel[1]).wrapping_mul(image.channels);
    if op.layout != LAYOUT || op.groups != 1 || op.zeros.len > 0 || op.input_zero != 0 {
        return None;
    }
    let (mut tiling, patches) = Tiling::new(constants, [op.weights, op.bias], &op.requant, bytes, work.scratch)?;
    let mut windows = Windows::new(image, insn::copy, [width, first], patches.len(), true);
    windows.each(patches, outputs, work.output, |pixels, y| tiling.pixels(&pixels, y))
}

/// Computes the layer, whose vectors are pixels; or gives `None` as [`conv`] does.
#[inline(never)]
pub(super) fn fully_connected(
    op: &FullyConnectedI16,
    constants: Constants<'_>,
    input: &[i16],
    output: &mut [i16],
    scratch: &mut [u8],
) -> Option<()> {
    if op.layout != LAYOUT || op.zeros.len > 0 {
        return None;
    }
    let [depth, outputs] = [op.input, op.output].map(|tensor| tensor.shape[3] as usize);
    let (step, count) = (depth.checked_mul(2)?, output.len().checked_div(outputs)?);
    let (mut tiling, _) = Tiling::new(constants, [op.weights, op.bias], &op.requant, step, scratch)?;
    tiling.pixels(&Pixels { x: cast(bytes_of(input))?, step, count }, output)
}

/// What pixels are computed with.
struct Tiling<'a> {
    layer: Layer<'a, [u32; 2], 2, i16>,
    wide: Wide,
    /// Bytes that a pixel reads.
    bytes: usize,
    /// Where two pixels are sorted.
    sorted: &'a mut [[u32; 4]],
}

impl<'a> Tiling<'a> {
    /// For pixels that read so many bytes; beside it, the scratch that it leaves.
    fn new(
        constants: Constants<'a>,
        spans: [Span; 2],
        requant: &Requant<i16>,
        bytes: usize,
        scratch: &'a mut [u8],
    ) -> Option<(Self, &'a mut [i8])> {
        let groups = bytes.div_ceil(8);
        let (sorted, patches) = scratch.split_at_mut_checked(groups.checked_mul(16)?)?;
        let sorted = cast_mut::<u32>(sorted)?.as_chunks_mut().0;
        let (layer, wide) = (Layer::new(constants, spans, requant, groups)?, Wide::new(requant)?);
        Some((Self { layer, wide, bytes, sorted }, cast_mut(patches)?))
    }

    /// All outputs of some pixels.
    fn pixels(&mut self, pixels: &Pixels<'_>, y: &mut [i16]) -> Option<()> {
        let Self { layer, wide, bytes, sorted } = self;
        pixels.pairs(*bytes, layer.bias.len(), y, |x, y| {
            sort(x, sorted);
            layer.squares(y, |tiles, y, second| square(sorted, wide, tiles, (y, second)))
        })
    }
}

/// The outputs of tiles, of sorted pixels.
fn square(
    x: &[[u32; 4]],
    wide: &Wide,
    Tiles { weights, bias, rounding, outputs }: Tiles<'_, [u32; 2], i16>,
    (y, second): (&mut [i16], usize),
) -> Option<()> {
    insn::square(&mut Square { x, weights, bias, rounding, wide, outputs, y, second })
}

/// Writes what two pixels read, as many bytes, in groups of four numbers: the first and the third, the second and the fourth, of each. Zeros
/// fill the last group.
fn sort([a, b]: [&[i8]; 2], to: &mut [[u32; 4]]) {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut to = to.iter_mut();
    for ((a, b), to) in a.iter().zip(b).zip(&mut to) {
        *to = group(a, b);
    }
    if let Some(to) = to.next() {
        let mut last = [[0; 8]; 2];
        last.iter_mut().zip([a_rest, b_rest]).for_each(|(to, x)| to.iter_mut().zip(x).for_each(|(to, x)| *to = *x));
        *to = group(&last[0], &last[1]);
    }
}

/// Four numbers of each of two pixels.
#[inline(always)]
fn group(a: &[i8; 8], b: &[i8; 8]) -> [u32; 4] {
    let ([a, c], [b, d]) = (pairs(a), pairs(b));
    [a, c, b, d]
}

/// The first and the third of four numbers, the second and the fourth.
#[inline(always)]
fn pairs(x: &[i8; 8]) -> [u32; 2] {
    let [low, high] = [[x[0], x[1], x[2], x[3]], [x[4], x[5], x[6], x[7]]];
    let word = |[a, b, c, d]: [i8; 4]| u32::from_le_bytes([a as u8, b as u8, c as u8, d as u8]);
    let (low, high) = (word(low), word(high));
    [low & 0xffff | high << 16, low >> 16 | high & 0xffff_0000]
}
