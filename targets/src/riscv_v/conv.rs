//! Convolution in int8, and fully connected layer: three pixels at a time meet all outputs, one in each lane; or three outputs all pixels, where the
//! outputs are few.
//!
//! Pixels' activations are read in place where each reads one run of bytes; if not, they are copied to the scratch, which holds three pixels, `3·K`
//! bytes, or as many as 2,048 bytes hold. Weights stay where they are, those of all outputs for one activation after the other, so that a
//! vector of them is one run of bytes, as long as the processor's vectors are.

use lacewing::arena::{Constants, cast_mut};
use lacewing::format::{Layout, Requant, Span, Tensor, Window};
use lacewing::ops::{ConvI8, FullyConnectedI8};
use lacewing::rows::Work;

use super::insn;
use super::tile::Tile;
use crate::image::{Image, product};
use crate::round::Rounding;
use crate::windows::{Pixels, Windows};
use crate::wish::Wish;

/// Bytes of scratch that are enough: with more, the calls hardly become fewer.
const ENOUGH: u32 = 2048;

/// What a convolution wants.
pub(super) fn wish(input: &Tensor, outputs: u32, window: &Window) -> Option<Wish> {
    Wish::of_copies(layout(outputs)?, input, window, [3, ENOUGH])
}

/// What a fully connected layer wants.
pub(super) fn wish_connected(outputs: u32) -> Option<Wish> {
    Some(Wish { layout: layout(outputs)?, scratch: 0, least: 0 })
}

/// The order of weights: those of all outputs for each activation.
fn layout(outputs: u32) -> Option<Layout> {
    Some(Layout::channels_last(outputs.try_into().ok()?))
}

/// Computes the work, or gives `None` if the record is not as these loops want it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn run(op: &ConvI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let mut image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    let [_, _, width, outputs] = op.output.shape.map(|dim| dim as usize);
    let place = image.flatten(&work.rows, width);
    if op.groups != 1 || op.zeros.len > 0 {
        return None;
    }
    let depth = image.kernel[0].wrapping_mul(image.kernel[1]).wrapping_mul(image.channels);
    let layer = Layer::new(constants, [op.weights, op.bias], &op.requant, op.layout, depth)?;
    let patches = cast_mut::<i8>(work.scratch)?;
    let mut windows = Windows::new(&image, insn::copy, place, patches.len(), true);
    let mut left = work.output.len().checked_div(outputs)?;
    let mut rest = &mut *work.output;
    while left > 0 {
        let pixels = windows.next(left, patches)?;
        let (y, after) = rest.split_at_mut_checked(product(pixels.count, outputs)?)?;
        layer.pixels(pixels, y)?;
        (left, rest) = (left.wrapping_sub(pixels.count), after);
    }
    Some(())
}

/// Computes the layer, or gives `None` if the record is not as the loops want it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn connected(op: &FullyConnectedI8, constants: Constants<'_>, x: &[i8], y: &mut [i8]) -> Option<()> {
    let [depth, outputs] = [op.input.shape, op.output.shape].map(|[.., len]| len as usize);
    if op.zeros.len > 0 {
        return None;
    }
    let layer = Layer::new(constants, [op.weights, op.bias], &op.requant, op.layout, depth)?;
    let count = y.len().checked_div(outputs)?;
    layer.pixels(Pixels { x, step: depth, count }, y)
}

/// The constants of a layer.
struct Layer<'a> {
    depth: usize,
    weights: &'a [i8],
    row: usize,
    bias: &'a [i32],
    rounding: Rounding<'a>,
}

impl<'a> Layer<'a> {
    fn new(
        constants: Constants<'a>,
        [weights, bias]: [Span; 2],
        requant: &Requant,
        layout: Layout,
        depth: usize,
    ) -> Option<Self> {
        let (weights, bias) = (constants.get::<i8>(weights).ok()?, constants.get::<i32>(bias).ok()?);
        let row = usize::from(layout.outputs);
        let ordered = layout.depth == 1 && row >= bias.len();
        Some(Self { depth, weights, row, bias, rounding: Rounding::new(requant, constants)? }).filter(|_| ordered)
    }

    /// All outputs of some pixels.
    fn pixels(&self, pixels: Pixels<'_>, y: &mut [i8]) -> Option<()> {
        let Self { depth, weights, row, bias, rounding } = *self;
        insn::pixels(&mut Tile { pixels, depth, weights, row, bias, rounding, y, stride: bias.len() })
    }
}
