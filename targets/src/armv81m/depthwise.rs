//! Depthwise convolution in int8, with weights of int8 or int4, one output for each channel: sixteen channels of a pixel at a time. Weights of int4 are
//! unpacked to the scratch before.
//!
//! Nothing is copied. Each tap inside is a slice of the image, and pixels with the same taps inside read them at equal steps: the image is cut
//! into such rectangles, its middle, edges and corners.

use lacewing::arena::Constants;
use lacewing::format::{Layout, Tensor, Window};
use lacewing::ops::DepthwiseI8;
use lacewing::rows::Work;

use super::insn;
use super::tile::{BLOCK, Blocks, HALF, Half, Path, TAPS, Taps};
use crate::image::{Image, Lines};
use crate::layer::Rounding;
use crate::nibbles::unpack;
use crate::wish::Wish;

/// The order of weights: for each block of channels and each tap, the weights of the block.
const LAYOUT: Layout = Layout { outputs: BLOCK as u16, depth: 1 };

/// What a depthwise convolution wants.
pub(super) fn wish(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    let ([kh, kw], [.., channels]) = (window.kernel, input.shape);
    let few = kh.checked_mul(kw)? as usize <= TAPS && channels == output.shape[3];
    few.then_some(Wish { layout: LAYOUT, scratch: 0, least: 0 })
}

/// The same with int4 weights: room for all of them in int8.
pub(super) fn wish_w4(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    let (wish, [kh, kw]) = (wish(input, output, window)?, window.kernel);
    let unpacked = LAYOUT.len(output.shape[3], kh.checked_mul(kw)?)?;
    Some(Wish { scratch: unpacked, least: unpacked, ..wish })
}

/// Computes the work, or gives `None` if the record is not as these loops want it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn run(op: &DepthwiseI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    compute(op, constants, work, Some)
}

/// The same with int4 weights.
#[inline(never)]
pub(super) fn run_w4(op: &DepthwiseI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let scratch = core::mem::take(&mut work.scratch);
    compute(op, constants, work, |packed| unpack(packed, packed.len().checked_mul(2)?, scratch))
}

#[inline(always)]
fn compute<'a>(
    op: &DepthwiseI8,
    constants: Constants<'a>,
    work: &mut Work<'_, i8>,
    unpacked: impl FnOnce(&'a [i8]) -> Option<&'a [i8]>,
) -> Option<()> {
    let [_, _, width, channels] = op.output.shape.map(|dim| dim as usize);
    let image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    if op.layout != LAYOUT || op.requant.shift > 0 || image.channels != channels {
        return None;
    }
    let layer = Layer::new(op, constants, unpacked, [width, channels])?;
    let len = width.checked_mul(channels)?;
    image.rows_alike(&work.rows, len, work.output, |lines, count, rows| layer.rows(&image, lines, count, rows))
}

/// The taps of the output in column `x`.
fn taps<'a>(image: &Image<'_>, lines: &Lines<'a>, x: usize) -> Option<Taps<'a>> {
    let ([kh, kw], columns) = (image.kernel, image.taps(1, x));
    let mut taps = Taps::new();
    for ky in lines.taps.clone() {
        let row = lines.from(ky)?;
        for kx in columns.clone() {
            let at = image.position(1, x, kx).wrapping_mul(image.channels);
            taps.inside(ky.wrapping_mul(kw).wrapping_add(kx), row.get(at..)?)?;
        }
    }
    if taps.counts()[0] < kh.checked_mul(kw)? {
        for ky in 0..kh {
            for kx in (0..kw).filter(|kx| !(lines.taps.contains(&ky) && columns.contains(kx))) {
                taps.outside(ky.wrapping_mul(kw).wrapping_add(kx))?;
            }
        }
    }
    Some(taps)
}

/// The constants of a layer.
struct Layer<'a> {
    /// Outputs in a row.
    width: usize,
    channels: usize,
    weights: &'a [[i8; BLOCK]],
    bias: &'a [i32],
    multipliers: &'a [i32],
    /// The only multiplier, for every channel of a block.
    single: [i32; BLOCK],
    zero: i32,
    limits: [i8; 2],
    /// Channels in whole blocks; none if a weight is −128, since two products of blocks are added in 16 bits.
    blocks: usize,
}

impl<'a> Layer<'a> {
    fn new(
        op: &DepthwiseI8,
        constants: Constants<'a>,
        unpacked: impl FnOnce(&'a [i8]) -> Option<&'a [i8]>,
        [width, channels]: [usize; 2],
    ) -> Option<Self> {
        let multipliers = constants.get::<i32>(op.requant.multipliers).ok()?;
        let weights = unpacked(constants.get::<i8>(op.weights).ok()?)?;
        let narrow = insn::least(weights) > i8::MIN;
        Some(Self {
            width,
            channels,
            weights: weights.as_chunks().0,
            bias: constants.get::<i32>(op.bias).ok()?,
            multipliers,
            single: [*multipliers.first()?; BLOCK],
            zero: op.requant.zero.into(),
            limits: [op.requant.lo, op.requant.hi],
            blocks: if narrow { channels / BLOCK * BLOCK } else { 0 },
        })
    }

    /// All outputs of rows with the same taps inside, rectangle by rectangle.
    fn rows(&self, image: &Image<'_>, lines: &Lines<'_>, rows: usize, y: &mut [i8]) -> Option<()> {
        let [down, across] = image.stride;
        let steps = [down.wrapping_mul(image.row_len()), across.wrapping_mul(self.channels)];
        let strides = [self.width.wrapping_mul(self.channels), self.channels];
        let mut x = 0;
        while x < self.width {
            let end = image.alike(1, x, self.width);
            let size = [rows, end.wrapping_sub(x)];
            let path = Path { taps: &taps(image, lines, x)?, input_zero: image.zero, size, steps, strides };
            self.rectangle(path, y.get_mut(x.wrapping_mul(self.channels)..)?)?;
            x = end;
        }
        Some(())
    }

    /// All channels of a rectangle of pixels.
    fn rectangle(&self, path: Path<'_>, to: &mut [i8]) -> Option<()> {
        if self.blocks > 0 {
            self.blocks(path, to)?;
        }
        let mut first = self.blocks;
        while first < self.channels {
            self.half(path, first, to.get_mut(first..)?)?;
            first = first.wrapping_add(HALF);
        }
        Some(())
    }

    fn blocks(&self, path: Path<'_>, y: &mut [i8]) -> Option<()> {
        let multipliers = if self.multipliers.len() == 1 { &self.single } else { self.multipliers };
        insn::blocks(&mut Blocks {
            path,
            weights: self.weights,
            bias: self.bias,
            rounding: Rounding { multipliers, zero: self.zero },
            limits: self.limits,
            channels: self.blocks,
            y,
        })
    }

    fn half(&self, path: Path<'_>, first: usize, y: &mut [i8]) -> Option<()> {
        let channels = self.channels.checked_sub(first)?.min(HALF);
        let count = path.taps.counts().iter().sum::<usize>();
        let mut bias = [0; HALF];
        bias.iter_mut().zip(self.bias.get(first..)?).for_each(|(to, from)| *to = *from);
        let mut multipliers = [self.single[0]; HALF];
        if self.multipliers.len() > 1 {
            multipliers.iter_mut().zip(self.multipliers.get(first..)?).for_each(|(to, from)| *to = *from);
        }
        insn::half(&mut Half {
            path,
            first,
            weights: self.weights.get((first / BLOCK).checked_mul(count)?..)?,
            at: first % BLOCK,
            bias: &bias,
            multipliers: &multipliers,
            zero: self.zero,
            limits: self.limits,
            channels,
            y,
        })
    }
}
