//! Convolution in int8: two pixels by two outputs at a time.
//!
//! Pixels' activations are read in place where each reads one run of bytes; if not, they are copied to the scratch, two pixels of `K`
//! bytes at least.

use lacewing::arena::{Constants, cast_mut};
use lacewing::format::{Layout, Tensor, Window};
use lacewing::ops::ConvI8;
use lacewing::rows::Work;

use super::insn;
use super::round::Rounding;
use super::tile::Tile;
use crate::image::{Image, product};
use crate::windows::{Pixels, Windows};
use crate::wish::Wish;

/// Bytes of scratch that are enough: with more, the copies hardly become fewer.
const ENOUGH: u32 = 512;

/// What a convolution wants.
pub(super) fn wish(input: &Tensor, window: &Window) -> Option<Wish> {
    Wish::of_copies(Layout::PLAIN, input, window, [2, ENOUGH])
}

/// Computes the work, or gives `None` if the record is not as these loops want it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn run(op: &ConvI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let mut image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    let [_, _, width, outputs] = op.output.shape.map(|dim| dim as usize);
    let place = image.flatten(&work.rows, width);
    let depth = image.kernel[0].wrapping_mul(image.kernel[1]).wrapping_mul(image.channels);
    if op.layout != Layout::PLAIN || op.groups != 1 || op.zeros.len > 0 {
        return None;
    }
    let layer = Layer {
        depth,
        weights: constants.get::<i8>(op.weights).ok()?,
        bias: constants.get::<i32>(op.bias).ok()?,
        rounding: Rounding::new(&op.requant, constants)?,
    };
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

/// The constants of a layer.
#[derive(Clone, Copy)]
struct Layer<'a> {
    depth: usize,
    weights: &'a [i8],
    bias: &'a [i32],
    rounding: Rounding<'a>,
}

impl Layer<'_> {
    /// All outputs of some pixels, two at a time; a last one that is alone is both. `None` if there are none.
    fn pixels(&self, Pixels { x, step, count }: Pixels<'_>, y: &mut [i8]) -> Option<()> {
        let outputs = self.bias.len();
        let (mut x, mut y, mut left) = (x, y, count);
        while left > 0 {
            let two = left.min(2);
            let first = x.get(..self.depth)?;
            let other = if two == 2 { x.get(step..)?.get(..self.depth)? } else { first };
            let (now, after) = y.split_at_mut_checked(outputs.wrapping_mul(two))?;
            let (second, Self { weights, bias, rounding, .. }) = (now.len().checked_sub(outputs)?, *self);
            insn::tile(&mut Tile { x: [first, other], weights, bias, rounding, y: now, second })?;
            x = x.get(step.wrapping_mul(two)..).unwrap_or_default();
            (y, left) = (after, left.wrapping_sub(two));
        }
        (count > 0).then_some(())
    }
}
