//! Convolution and fully connected layer in int16, with int8 weights, and in int8, with int4 weights: two output pixels, or vectors, at a time meet
//! all outputs in tiles of 2 × 2. A vector that is alone is both pixels.
//!
//! Activations are read where they are if each pixel reads one run of the image; if not, they are copied to the scratch, two pixels at least.

use lacewing::arena::{Constants, bytes_of, cast, cast_mut};
use lacewing::format::{Layout, Requant, Span, Tensor, Window};
use lacewing::ops::{ConvI8, ConvI16, FullyConnectedI8, FullyConnectedI16};
use lacewing::rows::Work;

use crate::fallback::limit;
use crate::image::{Image, product};
use crate::layer::{Layer, Rounding, Tiles};
use crate::wide::Wide;
use crate::windows::{Copy, Pixels, Windows};
use crate::wish::Wish;

/// What an instruction set has for it.
pub(crate) trait Loops {
    /// Weights of an output that stand together, in int16, before as many of the other.
    const GROUP: u8;

    /// Bytes of scratch that are enough: with more, the calls hardly become fewer.
    const ENOUGH: u32;

    /// Copies rectangles of bytes.
    fn copy(from: &[i8], to: &mut [i8], copy: &Copy) -> Option<()>;

    /// Two pixels in int16; `None` if they do not fit.
    fn wide(square: &mut WideSquare<'_>) -> Option<()>;

    /// Two pixels with int4 weights; `None` if they do not fit.
    fn nibbles(nibbles: &mut Nibbles<'_>) -> Option<()>;
}

/// The order of weights for int16.
const fn wide_layout<L: Loops>() -> Layout {
    Layout { outputs: 2, depth: L::GROUP }
}

/// The order of int4 weights: those of two outputs in a byte.
const NIBBLES: Layout = Layout { outputs: 2, depth: 1 };

/// What a convolution in int16 wants.
pub(crate) fn conv_i16_wish<L: Loops>(input: &Tensor, window: &Window) -> Option<Wish> {
    Wish::of_copies(wide_layout::<L>(), input, window, [2, L::ENOUGH])
}

/// What a convolution with int4 weights wants.
pub(crate) fn conv_w4_wish<L: Loops>(input: &Tensor, window: &Window) -> Option<Wish> {
    Wish::of_copies(NIBBLES, input, window, [2, L::ENOUGH])
}

/// What a fully connected layer in int16 wants.
pub(crate) fn fully_connected_i16_wish<L: Loops>() -> Wish {
    Wish { layout: wide_layout::<L>(), scratch: 0, least: 0 }
}

/// What a fully connected layer with int4 weights wants.
pub(crate) const FULLY_CONNECTED_W4: Wish = Wish { layout: NIBBLES, scratch: 0, least: 0 };

/// Computes the work, or gives `None` if the record is not as the loop wants it; the portable kernel then does all of it.
#[inline(never)]
pub(crate) fn conv_i16<L: Loops>(op: &ConvI16, constants: Constants<'_>, work: &mut Work<'_, i16>) -> Option<()> {
    if op.layout != wide_layout::<L>() || op.groups != 1 || op.zeros.len > 0 || op.input_zero != 0 {
        return None;
    }
    let mut image = Image::of_i16(&work.input, &op.input, &op.window);
    let [_, _, width, outputs] = op.output.shape.map(|dim| dim as usize);
    let place = image.flatten(&work.rows, width);
    let bytes = image.kernel[0].wrapping_mul(image.kernel[1]).wrapping_mul(image.channels);
    let layer = WideLayer::new::<L>(constants, [op.weights, op.bias], &op.requant, bytes)?;
    let patches = cast_mut::<i8>(work.scratch)?;
    let mut windows = Windows::new(&image, L::copy, place, patches.len(), true);
    windows.each(patches, outputs, work.output, |pixels, y| layer.pixels::<L>(&pixels, y))
}

/// The same with int4 weights.
#[inline(never)]
pub(crate) fn conv_w4<L: Loops>(op: &ConvI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    if op.layout != NIBBLES || op.groups != 1 || op.zeros.len > 0 {
        return None;
    }
    let mut image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    let [_, _, width, outputs] = op.output.shape.map(|dim| dim as usize);
    let place = image.flatten(&work.rows, width);
    let depth = image.kernel[0].wrapping_mul(image.kernel[1]).wrapping_mul(image.channels);
    let layer = NibbleLayer::new(constants, [op.weights, op.bias], &op.requant, depth)?;
    let patches = cast_mut::<i8>(work.scratch)?;
    let mut windows = Windows::new(&image, L::copy, place, patches.len(), true);
    windows.each(patches, outputs, work.output, |pixels, y| layer.pixels::<L>(&pixels, y))?;
    limit(&op.requant, work.output);
    Some(())
}

/// Computes the layer, or gives `None` as [`conv_i16`] does.
#[inline(never)]
pub(crate) fn fully_connected_i16<L: Loops>(
    op: &FullyConnectedI16,
    constants: Constants<'_>,
    input: &[i16],
    output: &mut [i16],
) -> Option<()> {
    if op.layout != wide_layout::<L>() || op.zeros.len > 0 {
        return None;
    }
    let [step, outputs] = [op.input.shape[3].checked_mul(2)?, op.output.shape[3]].map(|count| count as usize);
    let pixels = Pixels { x: cast(bytes_of(input))?, step, count: output.len().checked_div(outputs)? };
    WideLayer::new::<L>(constants, [op.weights, op.bias], &op.requant, step)?.pixels::<L>(&pixels, output)
}

/// The same with int4 weights.
#[inline(never)]
pub(crate) fn fully_connected_w4<L: Loops>(
    op: &FullyConnectedI8,
    constants: Constants<'_>,
    input: &[i8],
    output: &mut [i8],
) -> Option<()> {
    if op.layout != NIBBLES || op.zeros.len > 0 {
        return None;
    }
    let [step, outputs] = [op.input, op.output].map(|tensor| tensor.shape[3] as usize);
    let pixels = Pixels { x: input, step, count: output.len().checked_div(outputs)? };
    NibbleLayer::new(constants, [op.weights, op.bias], &op.requant, step)?.pixels::<L>(&pixels, output)?;
    limit(&op.requant, output);
    Some(())
}

/// The constants of a layer in int16.
struct WideLayer<'a> {
    layer: Layer<'a, i8, 2, i16>,
    wide: Wide,
    /// Bytes that a pixel reads.
    bytes: usize,
}

impl<'a> WideLayer<'a> {
    fn new<L: Loops>(
        constants: Constants<'a>,
        [weights, bias]: [Span; 2],
        requant: &Requant<i16>,
        bytes: usize,
    ) -> Option<Self> {
        // Two outputs' weights are as many bytes as the activations, in whole groups.
        let len = bytes.checked_next_multiple_of(2usize.wrapping_mul(L::GROUP.into()))?;
        let layer = Layer::of(constants.get(weights).ok()?, (constants, bias), requant, len)?;
        Some(Self { layer, wide: Wide::new(requant)?, bytes })
    }

    /// All outputs of some pixels.
    fn pixels<L: Loops>(&self, pixels: &Pixels<'_>, y: &mut [i16]) -> Option<()> {
        pixels.pairs(self.bytes, self.layer.bias.len(), y, |[a, b], y| {
            let x = [cast(bytes_of(a))?, cast(bytes_of(b))?];
            self.layer.squares(y, |tiles, y, second| self.square::<L>(x, tiles, y, second))
        })
    }

    fn square<L: Loops>(&self, x: [&[i16]; 2], tiles: Tiles<'_, i8, i16>, y: &mut [i16], second: usize) -> Option<()> {
        let Tiles { weights, bias, rounding, outputs } = tiles;
        L::wide(&mut WideSquare { x, weights, bias, rounding, wide: &self.wide, outputs, y, second })
    }
}

/// The constants of a layer with int4 weights.
struct NibbleLayer<'a> {
    layer: Layer<'a, i8, 2>,
    depth: usize,
}

impl<'a> NibbleLayer<'a> {
    /// `None` for a shift, and for so many products that sixteen times their sum might not fit into 32 bits.
    fn new(constants: Constants<'a>, [weights, bias]: [Span; 2], requant: &Requant, depth: usize) -> Option<Self> {
        let weights = constants.get::<i8>(weights).ok()?;
        let layer = Layer::of(weights, (constants, bias), requant, depth)?;
        (requant.shift == 0 && depth < 1 << 16).then_some(Self { layer, depth })
    }

    /// All outputs of some pixels.
    fn pixels<L: Loops>(&self, pixels: &Pixels<'_>, y: &mut [i8]) -> Option<()> {
        pixels.pairs(self.depth, self.layer.bias.len(), y, |x, y| {
            self.layer.squares(y, |Tiles { weights, bias, rounding, outputs }, y, second| {
                L::nibbles(&mut Nibbles { x, weights, bias, rounding, outputs, y, second })
            })
        })
    }
}

/// Two pixels in int16 by any even number of outputs, in tiles of 2 × 2.
///
/// `y[o]`, `y[second + o] = q(bias[o] + Σ_k w[o][k] · x[k])`
#[derive(Debug)]
pub(crate) struct WideSquare<'a> {
    /// The activations of both pixels; as many, and not none.
    pub(crate) x: [&'a [i16]; 2],
    /// For each two outputs and each group of activations, or fewer at the end, a group of weights of the one and a group of the other.
    pub(crate) weights: &'a [i8],
    /// A bias for each output.
    pub(crate) bias: &'a [i64],
    /// The way to int16.
    pub(crate) rounding: Rounding<'a>,
    /// The rest of it.
    pub(crate) wide: &'a Wide,
    /// Number of outputs, even, at least 2.
    pub(crate) outputs: usize,
    /// The first pixel's outputs, and further on, or in the same place if both are the same pixel, those of the second.
    pub(crate) y: &'a mut [i16],
    /// Where in `y` the second pixel's outputs begin.
    pub(crate) second: usize,
}

impl WideSquare<'_> {
    /// Whether all slices are as long as loops need whose groups are of `group` weights.
    pub(crate) fn fits(&self, group: usize) -> bool {
        let Self { x: [first, other], weights, bias, rounding, outputs, y, second, .. } = self;
        let pixels = !first.is_empty() && first.len() == other.len();
        let read = product(first.len().next_multiple_of(group), *outputs);
        let enough = read.is_some_and(|read| read <= weights.len()) && bias.len() >= *outputs;
        pixels && enough && rounding.fits(*outputs, 2) && two_fit(*outputs, *second, y.len())
    }
}

/// Two pixels in int8 by any even number of outputs with int4 weights, in tiles of 2 × 2.
///
/// `y[o]`, `y[second + o] = q(bias[o] + Σ_k w[o][k] · x[k])`
#[derive(Debug)]
pub(crate) struct Nibbles<'a> {
    /// The activations of both pixels; as many, not none, and so few that sixteen times the sum fits into 32 bits.
    pub(crate) x: [&'a [i8]; 2],
    /// For each two outputs and each activation a byte: the first output's weight in its lower half, the other one's in the upper.
    pub(crate) weights: &'a [i8],
    /// A bias for each output.
    pub(crate) bias: &'a [i32],
    /// The way to int8.
    pub(crate) rounding: Rounding<'a>,
    /// As in [`WideSquare`].
    pub(crate) outputs: usize,
    pub(crate) y: &'a mut [i8],
    pub(crate) second: usize,
}

impl Nibbles<'_> {
    /// Whether all slices are as long as the loop needs.
    pub(crate) fn fits(&self) -> bool {
        let Self { x: [first, other], weights, bias, rounding, outputs, y, second } = self;
        let pixels = !first.is_empty() && first.len() == other.len();
        let read = product(first.len(), outputs / 2);
        let enough = read.is_some_and(|read| read <= weights.len()) && bias.len() >= *outputs;
        pixels && enough && rounding.fits(*outputs, 2) && two_fit(*outputs, *second, y.len())
    }
}

/// Whether there are tiles of two outputs, and room for those of a pixel from `second` on.
fn two_fit(outputs: usize, second: usize, len: usize) -> bool {
    let room = len.checked_sub(outputs).is_some_and(|room| room >= second);
    outputs >= 2 && outputs.is_multiple_of(2) && room
}
