//! Depthwise convolution in int8, one output for each channel: a channel in each lane, two pixels at a time.
//!
//! Nothing of the image is copied. Each tap inside is a slice of it, and pixels with the same taps inside read them at equal steps: the image is
//! cut into such rectangles, its middle, edges and corners.
//!
//! Few channels leave lanes empty. At a stride of one pixels that stand beside each other read bytes that do, and so they are one pixel of more
//! channels, whose weights, biases and multipliers are those of one, repeated in the scratch.

use lacewing::arena::{Constants, cast, cast_mut};
use lacewing::format::{Layout, Tensor, Window};
use lacewing::ops::DepthwiseI8;
use lacewing::rows::Work;

use super::insn;
use super::tile::{Rectangle, TAPS, Taps};
use crate::image::{Image, Lines};
use crate::round::Rounding;
use crate::windows::Copy;
use crate::wish::Wish;

/// The most channels of a pixel that several make up: with vectors of 256 bits one takes them all.
const LANES: usize = 64;

/// What a depthwise convolution wants.
pub(super) fn wish(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    let ([kh, kw], [.., channels]) = (window.kernel, input.shape);
    let taps = kh.checked_mul(kw)? as usize;
    let layout = Layout::channels_last(channels.try_into().ok()?);
    let count = beside(channels as usize, output.shape[2] as usize, window.stride[1] as usize);
    let lanes = if count > 1 { count.checked_mul(channels as usize)? } else { 0 };
    let scratch = room(taps, lanes)?.iter().sum::<usize>().try_into().ok()?;
    (taps <= TAPS && channels == output.shape[3]).then_some(Wish { layout, scratch, least: 0 })
}

/// How many pixels of a row of `width` are one.
fn beside(channels: usize, width: usize, stride: usize) -> usize {
    if stride == 1 { LANES.checked_div(channels).unwrap_or(1).min(width / 2) } else { 1 }
}

/// Bytes of so many weights, biases and multipliers, each at a multiple of 4.
fn room(taps: usize, lanes: usize) -> Option<[usize; 3]> {
    let words = lanes.checked_mul(4)?;
    Some([taps.checked_mul(lanes)?.checked_next_multiple_of(4)?, words, words])
}

/// Computes the work, or gives `None` if the record is not as the loop wants it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn run(op: &DepthwiseI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let [_, _, width, channels] = op.output.shape.map(|dim| dim as usize);
    let image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    let row = usize::from(op.layout.outputs);
    if op.layout.depth != 1 || row < channels || image.channels != channels {
        return None;
    }
    let one = Pixel {
        count: 1,
        weights: constants.get::<i8>(op.weights).ok()?,
        row,
        bias: constants.get::<i32>(op.bias).ok()?,
        rounding: Rounding::new(&op.requant, constants)?,
    };
    let narrow = insn::least(one.weights) > i8::MIN;
    let count = beside(channels, width, image.stride[1]);
    let several = one.repeated(&image, count, (op, constants), work.scratch);
    let layer = Layer { image, width, narrow, one, several: several.as_ref() };
    let len = width.checked_mul(channels)?;
    let mut taps = Taps::new();
    image.rows_alike(&work.rows, len, work.output, |lines, rows, output| layer.rows(&mut taps, lines, rows, output))
}

/// The constants of a pixel, or of several beside each other that are one.
struct Pixel<'a> {
    count: usize,
    weights: &'a [i8],
    /// From the weights of a tap to those of the next.
    row: usize,
    bias: &'a [i32],
    rounding: Rounding<'a>,
}

impl<'a> Pixel<'a> {
    /// Those of `count` pixels; `None` if it is less than two, or there is no room.
    fn repeated<'s>(
        &self,
        image: &Image<'_>,
        count: usize,
        (op, constants): (&DepthwiseI8, Constants<'a>),
        scratch: &'s mut [u8],
    ) -> Option<Pixel<'s>>
    where
        'a: 's,
    {
        let (channels, taps) = (image.channels, image.kernel[0].checked_mul(image.kernel[1])?);
        let lanes = count.checked_mul(channels).filter(|_| count > 1)?;
        let [weights_len, words_len, _] = room(taps, lanes)?;
        let (weights, rest) = scratch.split_at_mut_checked(weights_len)?;
        let (bias, rest) = rest.split_at_mut_checked(words_len)?;
        let multipliers = rest.get_mut(..words_len)?;
        let copy = Copy { counts: [count, taps], len: channels, steps: [0, self.row], strides: [channels, lanes] };
        insn::copy(self.weights, cast_mut(weights)?, &copy)?;
        let len = channels.checked_mul(4)?;
        let copy = Copy { counts: [1, count], len, steps: [0, 0], strides: [0, len] };
        insn::copy(constants.get::<i8>(op.bias).ok()?, cast_mut(bias)?, &copy)?;
        let mut rounding = self.rounding;
        if rounding.multipliers.len() > 1 {
            insn::copy(constants.get::<i8>(op.requant.multipliers).ok()?, cast_mut(multipliers)?, &copy)?;
            rounding.multipliers = cast(multipliers)?;
        }
        Some(Pixel { count, weights: cast(weights)?, row: lanes, bias: cast(bias)?, rounding })
    }
}

/// An image and the constants of a layer.
struct Layer<'a, 's> {
    image: Image<'a>,
    /// Outputs in a row.
    width: usize,
    /// Whether no weight is −128.
    narrow: bool,
    one: Pixel<'a>,
    several: Option<&'s Pixel<'s>>,
}

impl<'a> Layer<'a, '_> {
    /// All outputs of rows with the same taps inside, rectangle by rectangle.
    fn rows(&self, taps: &mut Taps<'a>, lines: &Lines<'a>, rows: usize, y: &mut [i8]) -> Option<()> {
        let mut x = 0;
        while x < self.width {
            let end = self.image.alike(1, x, self.width);
            let columns = end.wrapping_sub(x);
            let pixel = self.several.filter(|pixel| pixel.count <= columns).unwrap_or(&self.one);
            let count = columns.checked_div(pixel.count)?;
            self.rectangle(pixel, (&mut *taps, lines, x), [rows, count], y)?;
            if count.wrapping_mul(pixel.count) < columns {
                // Those that are left and some before them, once more.
                self.rectangle(pixel, (&mut *taps, lines, end.wrapping_sub(pixel.count)), [rows, 1], y)?;
            }
            x = end;
        }
        Some(())
    }

    /// A rectangle of outputs that begins in column `x`.
    #[inline(never)]
    fn rectangle(
        &self,
        pixel: &Pixel<'_>,
        (taps, lines, x): (&mut Taps<'a>, &Lines<'a>, usize),
        size: [usize; 2],
        y: &mut [i8],
    ) -> Option<()> {
        let Image { channels, stride: [down, across], zero, .. } = self.image;
        let across = pixel.count.wrapping_mul(channels).wrapping_mul(across);
        let steps = [down.wrapping_mul(self.image.row_len()), across];
        let strides = [self.width.wrapping_mul(channels), pixel.count.wrapping_mul(channels)];
        // The longer axis is the inner one: pixels are taken in pairs along it.
        let axes = [size, steps, strides];
        let [size, steps, strides] = if size[0] > size[1] { axes.map(|[a, b]| [b, a]) } else { axes };
        self.find(taps, lines, x, pixel.row)?;
        insn::rectangle(&mut Rectangle {
            taps,
            input_zero: zero,
            size,
            steps,
            strides,
            weights: pixel.weights,
            narrow: self.narrow,
            bias: pixel.bias,
            rounding: pixel.rounding,
            y: y.get_mut(x.wrapping_mul(channels)..)?,
        })
    }

    /// Finds the taps of the output in column `x`, whose weights are `row` apart.
    fn find(&self, taps: &mut Taps<'a>, lines: &Lines<'a>, x: usize, row: usize) -> Option<()> {
        let Image { channels, kernel: [kh, kw], dilation: [_, dilation], .. } = self.image;
        let columns = self.image.taps(1, x);
        let (first, step) = (self.image.position(1, x, columns.start), dilation.wrapping_mul(channels));
        taps.clear();
        for ky in lines.taps.clone() {
            let line = lines.from(ky)?;
            let mut start = first.wrapping_mul(channels);
            let mut at = ky.wrapping_mul(kw).wrapping_add(columns.start).wrapping_mul(row);
            for _ in columns.clone() {
                taps.inside(at, line.get(start..)?)?;
                (start, at) = (start.wrapping_add(step), at.wrapping_add(row));
            }
        }
        for ky in (0..kh).filter(|_| lines.taps.len() < kh || columns.len() < kw) {
            for kx in (0..kw).filter(|kx| !(lines.taps.contains(&ky) && columns.contains(kx))) {
                taps.outside(ky.wrapping_mul(kw).wrapping_add(kx).wrapping_mul(row))?;
            }
        }
        Some(())
    }
}
