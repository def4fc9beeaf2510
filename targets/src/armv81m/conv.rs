//! Convolution in int8: two output pixels at a time meet all outputs in tiles of 2 × 4.
//!
//! Pixels' activations are read in place where each reads one run of bytes; if not, they are copied to the scratch, which holds two pixels, `2·K`
//! bytes, or as many as 1,024 bytes hold. Weights stay in flash, sixteen of each of four outputs at a time, so that they are loaded without a
//! shuffle.

use lacewing::arena::{Constants, cast_mut};
use lacewing::format::{Layout, Tensor, Window};
use lacewing::ops::ConvI8;
use lacewing::rows::Work;

use super::insn;
use super::tile::{Column, Square};
use crate::image::Image;
use crate::layer::{self, Tiles};
use crate::windows::{Pixels, Windows};
use crate::wish::Wish;

/// The order of weights, of convolutions and of fully connected layers.
pub(super) const LAYOUT: Layout = Layout { outputs: 4, depth: 16 };

/// The constants of a layer in tiles of four outputs, sixteen weights of each in a group.
pub(super) type Layer<'a> = layer::Layer<'a, [u32; 16], 4>;

/// Bytes of scratch that are enough: with more, the calls hardly become fewer.
const ENOUGH: u32 = 1024;

/// What a convolution wants.
pub(super) fn wish(input: &Tensor, window: &Window) -> Option<Wish> {
    Wish::of_copies(LAYOUT, input, window, [2, ENOUGH])
}

/// Computes the work, or gives `None` if the record is not as these loops want it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn run(op: &ConvI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let mut image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    let [_, _, width, outputs] = op.output.shape.map(|dim| dim as usize);
    let place = image.flatten(&work.rows, width);
    let depth = image.kernel[0].wrapping_mul(image.kernel[1]).wrapping_mul(image.channels);
    if op.layout != LAYOUT || op.groups != 1 || op.zeros.len > 0 || op.requant.shift > 0 {
        return None;
    }
    let patches = cast_mut::<i8>(work.scratch)?;
    let layer = Layer::new(constants, [&op.weights, &op.bias], &op.requant, depth.div_ceil(16))?;
    let limits = [op.requant.lo, op.requant.hi];
    let mut windows = Windows::new(&image, insn::copy, place, patches.len(), true);
    let mut left = work.output.len().checked_div(outputs)?;
    let mut rest = &mut *work.output;
    while left > 0 {
        let pixels = windows.next(left, patches)?;
        let (y, after) = rest.split_at_mut_checked(pixels.count.checked_mul(outputs)?)?;
        square(&layer, (pixels, depth), limits, y)?;
        (left, rest) = (left.wrapping_sub(pixels.count), after);
    }
    Some(())
}

/// All outputs of some pixels.
fn square(layer: &Layer<'_>, (pixels, depth): (Pixels<'_>, usize), limits: [i8; 2], y: &mut [i8]) -> Option<()> {
    let stride = layer.bias.len();
    if layer.full > 0 {
        let Tiles { weights, bias, rounding, .. } = layer.full();
        let outputs = layer.full;
        insn::square(&mut Square { pixels, depth, weights, bias, rounding, limits, outputs, y, stride })?;
    }
    if layer.full == stride { Some(()) } else { last(layer, (pixels, depth), limits, y) }
}

/// The outputs of a tile that is not full, pixel by pixel.
fn last(layer: &Layer<'_>, (pixels, depth): (Pixels<'_>, usize), limits: [i8; 2], y: &mut [i8]) -> Option<()> {
    let tile = layer.tile(layer.full)?;
    let Tiles { weights, bias, rounding, .. } = tile.tiles();
    let (mut x, mut y) = (pixels.x, y);
    for _ in 0..pixels.count {
        let (this, after) = y.split_at_mut_checked(layer.bias.len())?;
        let mut four = [0; 4];
        insn::column(&mut Column { x: x.get(..depth)?, weights, bias, rounding, limits, y: &mut four })?;
        this.get_mut(layer.full..)?.iter_mut().zip(four).for_each(|(to, from)| *to = from);
        (x, y) = (x.get(pixels.step..).unwrap_or_default(), after);
    }
    Some(())
}
