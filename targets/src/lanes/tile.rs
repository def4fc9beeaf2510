//! The pieces of work that one call of a loop does: what it reads and writes, with the lengths that make it sound.

use lacewing::arena::Constants;
use lacewing::format::{Requant, Span};

/// Outputs, or channels, in a block: one for each lane.
pub(crate) const BLOCK: usize = 16;
/// Bytes of a group: four numbers for each lane.
pub(crate) const GROUP: usize = 4 * BLOCK;

/// The constants of a layer, in blocks of sixteen outputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer<'a> {
    /// Groups of 64 bytes.
    pub(super) weights: &'a [i8],
    /// Groups of a block.
    pub(super) groups: usize,
    /// Bytes from a group to the next one of its block, and from a block to the next.
    pub(super) steps: [usize; 2],
    /// Whether no weight is −128, where that helps.
    pub(super) pairs: bool,
    /// The bias of each lane of full blocks, or of all.
    pub(super) bias: &'a [[i32; BLOCK]],
    /// The multiplier of each lane of full blocks; none if all outputs have one.
    pub(super) multipliers: &'a [[i32; BLOCK]],
    /// Biases of a block that is not full; multipliers of one, or of every block.
    pub(super) last: [[i32; BLOCK]; 2],
    /// The output's zero point.
    pub(super) zero: i8,
    /// Smallest and largest result.
    pub(super) limits: [i8; 2],
    /// Outputs in all.
    pub(super) outputs: usize,
}

/// What brings sixteen sums to int8: `q = clamp(zero + ((sum + bias)·m + 2^31 >> 32), lo, hi)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sixteen<'a> {
    /// A bias for each lane.
    pub(crate) bias: &'a [i32; BLOCK],
    /// `m` of each lane.
    pub(crate) multipliers: &'a [i32; BLOCK],
    /// The output's zero point.
    pub(crate) zero: i8,
    /// Smallest and largest result.
    pub(crate) limits: [i8; 2],
}

impl<'a> Layer<'a> {
    /// The constants of `outputs` outputs, whose groups and biases are still to be said.
    #[inline]
    pub(super) fn new(constants: Constants<'a>, weights: Span, requant: &Requant, outputs: usize) -> Option<Self> {
        let (multipliers, last) = match constants.get::<i32>(requant.multipliers).ok()? {
            [one] => (&[][..], [*one; BLOCK]),
            each => blocks(each),
        };
        Some(Self {
            weights: constants.get(weights).ok()?,
            groups: 0,
            steps: [0; 2],
            pairs: false,
            bias: &[],
            multipliers,
            last: [[0; BLOCK], last],
            zero: requant.zero,
            limits: [requant.lo, requant.hi],
            outputs,
        })
    }

    /// Gives it the biases of its outputs.
    #[inline]
    pub(super) fn with_bias(&mut self, bias: &'a [i32]) {
        (self.bias, self.last[0]) = blocks(bias);
    }

    /// Blocks, the last one maybe not full.
    pub(super) fn blocks(&self) -> usize {
        self.outputs.div_ceil(BLOCK)
    }

    /// What brings the sums of a block to int8.
    #[inline(always)]
    pub(super) fn sixteen(&self, block: usize) -> Sixteen<'_> {
        Sixteen {
            bias: self.bias.get(block).unwrap_or(&self.last[0]),
            multipliers: self.multipliers.get(block).unwrap_or(&self.last[1]),
            zero: self.zero,
            limits: self.limits,
        }
    }

    /// Whether there are weights of all blocks.
    pub(super) fn fits(&self) -> bool {
        let [group, block] = self.steps;
        reach([(self.groups, group), (self.blocks(), block)], GROUP).is_some_and(|end| end <= self.weights.len())
    }

    /// Writes the results of one block into the outputs of some pixels.
    #[inline(always)]
    pub(super) fn put_pixels<const N: usize>(
        &self,
        y: &mut [i8],
        [pixel, block]: [usize; 2],
        results: &[[i8; BLOCK]; N],
    ) {
        let y = y.get_mut(pixel.wrapping_mul(self.outputs)..).unwrap_or_default();
        match self.outputs {
            8 => put_each::<8>(y, results),
            _ => {
                results.iter().enumerate().for_each(|(n, results)| put_results(self.room::<1>(y, [n, block]), results))
            }
        }
    }

    /// The outputs of a pixel from a block on, of up to `V` blocks.
    #[inline(always)]
    pub(super) fn room<'y, const V: usize>(&self, y: &'y mut [i8], [pixel, block]: [usize; 2]) -> &'y mut [i8] {
        let first = block.wrapping_mul(BLOCK);
        let start = pixel.wrapping_mul(self.outputs).wrapping_add(first);
        let len = self.outputs.wrapping_sub(first).min(V.wrapping_mul(BLOCK));
        y.get_mut(start..).and_then(|y| y.get_mut(..len)).unwrap_or_default()
    }

    /// The outputs of four sums, of `V` blocks each of some pixels: of a pixel from a block on, or of neighbors that have `V` blocks in all.
    #[inline(always)]
    pub(super) fn room_of_four<'y, const V: usize>(&self, y: &'y mut [i8], at: [usize; 2]) -> &'y mut [i8] {
        if V == 4 {
            return self.room::<V>(y, at);
        }
        let start = at[0].wrapping_mul(V.wrapping_mul(BLOCK));
        y.get_mut(start..).and_then(|y| y.get_mut(..4 * BLOCK)).unwrap_or_default()
    }
}

/// Numbers in full blocks, and those behind them with zeros.
#[inline]
fn blocks(numbers: &[i32]) -> (&[[i32; BLOCK]], [i32; BLOCK]) {
    let (full, left) = numbers.as_chunks();
    let mut last = [0; BLOCK];
    last.iter_mut().zip(left).for_each(|(to, from)| *to = *from);
    (full, last)
}

/// Writes as many results of a block as there is room for, in little time.
#[inline(always)]
pub(super) fn put_results(y: &mut [i8], results: &[i8; BLOCK]) {
    match y.first_chunk_mut() {
        Some(y) => *y = *results,
        None => put_few(y, results),
    }
}

/// Writes as many results of a block as there is room for, in little code.
#[inline(always)]
pub(super) fn put_block(y: &mut [i8], results: &[i8; BLOCK]) {
    match y.first_chunk_mut() {
        Some(y) => *y = *results,
        None => y.iter_mut().zip(results).for_each(|(to, from)| *to = *from),
    }
}

/// Writes the first `N` results of each pixel, one pixel after the other.
#[inline(always)]
fn put_each<const N: usize>(y: &mut [i8], results: &[[i8; BLOCK]]) {
    for (y, results) in y.as_chunks_mut::<N>().0.iter_mut().zip(results) {
        results.first_chunk().into_iter().for_each(|results| *y = *results);
    }
}

/// Copies as many of up to 127 numbers as there is room for, in pieces that need no loop.
#[inline(always)]
pub(super) fn put_some<T: Copy>(y: &mut [T], from: &[T]) {
    let (y, from) = piece::<T, 64>(y, from);
    let (y, from) = piece::<T, 32>(y, from);
    let (y, from) = piece::<T, 16>(y, from);
    put_few(y, from);
}

/// The same of up to fifteen numbers.
#[inline(always)]
fn put_few<T: Copy>(y: &mut [T], from: &[T]) {
    let (y, from) = piece::<T, 8>(y, from);
    let (y, from) = piece::<T, 4>(y, from);
    let (y, from) = piece::<T, 2>(y, from);
    piece::<T, 1>(y, from);
}

/// Copies `N` numbers, if `N` is part of how many there is room for as a sum of powers of two. Gives what is left.
#[inline(always)]
fn piece<'a, T: Copy, const N: usize>(y: &'a mut [T], from: &'a [T]) -> (&'a mut [T], &'a [T]) {
    let (y, rest) = y.split_at_mut(y.len() & N);
    if let (Some(y), Some(from)) = (y.first_chunk_mut::<N>(), from.first_chunk()) {
        *y = *from;
    }
    (rest, from.get(y.len()..).unwrap_or_default())
}

/// Pixels by all outputs of a layer; each pixel reads some runs of bytes.
///
/// `y[p·O + o] = q(Σ_r Σ_k w[o][r·len + k] · x[p·step + runs[r] + k])`
#[derive(Debug)]
pub(super) struct Square<'a> {
    /// What the pixels read.
    pub(super) x: &'a [i8],
    /// From what one pixel reads to what the next one reads.
    pub(super) step: usize,
    /// Pixels.
    pub(super) count: usize,
    /// Where the runs of the first pixel start.
    pub(super) runs: &'a [usize],
    /// Bytes of a run, a multiple of 4.
    pub(super) len: usize,
    /// The constants.
    pub(super) layer: &'a Layer<'a>,
    /// The outputs of the pixels.
    pub(super) y: &'a mut [i8],
}

impl Square<'_> {
    /// Whether all that the loops read is there.
    #[inline]
    pub(super) fn fits(&self) -> bool {
        let Self { x, step, count, runs, len, layer, .. } = self;
        let end = reach([(*count, *step)], *len).zip(runs.iter().max()).and_then(|(end, run)| end.checked_add(*run));
        let inside = end.is_some_and(|end| end <= x.len());
        len.is_multiple_of(4) && inside && runs.len().checked_mul(*len / 4) == Some(layer.groups) && layer.fits()
    }
}

/// Pixels of a depthwise convolution, whose input rows were interleaved by fours.
///
/// `y[p·C + c] = q(Σ_g Σ_t Σ_{i < 4} w[g][t][c][i] · x[g·rows + p·step + t·tap + 4·c + i])`, in the row below with `x[… + i + 1]`.
#[derive(Debug)]
pub(super) struct Depth<'a> {
    /// The interleaved rows.
    pub(super) x: &'a [i8],
    /// From one four of rows to the next, from one pixel to the next, and from one tap to the next.
    pub(super) steps: [usize; 3],
    /// Pixels.
    pub(super) count: usize,
    /// Fours of rows, and taps of a row.
    pub(super) taps: [usize; 2],
    /// The constants; the groups of weights are in the order `[g][t]` for all blocks each.
    pub(super) layer: &'a Layer<'a>,
    /// From the outputs of the pixels to those of the row below, which reads the same four rows but the first: there are no others, and the
    /// last of their weights is 0. `None` if there is no such row.
    pub(super) below: Option<usize>,
    /// The outputs of the pixels.
    pub(super) y: &'a mut [i8],
}

impl Depth<'_> {
    /// Whether all that the loop reads is there.
    pub(super) fn fits(&self) -> bool {
        let Self { x, steps, count, taps, layer, .. } = self;
        let [rows, pixel, tap] = *steps;
        let end = reach([(taps[0], rows), (*count, pixel), (taps[1], tap), (layer.blocks(), GROUP)], GROUP);
        end.is_some_and(|end| end <= x.len()) && taps[0].checked_mul(taps[1]) == Some(layer.groups) && layer.fits()
    }
}

/// The end of `len` bytes that are reached by steps, each so often less one; `None` if there are none.
pub(super) fn reach<const N: usize>(steps: [(usize, usize); N], len: usize) -> Option<usize> {
    steps.iter().try_fold(len, |end, (count, step)| end.checked_add(count.checked_sub(1)?.checked_mul(*step)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(outputs: usize) -> Layer<'static> {
        let (weights, bias, multipliers) = (&[][..], &[][..], &[][..]);
        let (groups, steps, pairs, last, zero, limits) = (0, [0; 2], false, [[0; BLOCK]; 2], 0, [0; 2]);
        Layer { weights, groups, steps, pairs, bias, multipliers, last, zero, limits, outputs }
    }

    /// Writes `V` blocks of both of two pixels, numbered from 1 on, and looks at what was written.
    fn writes<const V: usize>(outputs: usize) {
        let (layer, mut y, mut results) = (layer(outputs), [0; 2 * 8 * BLOCK], [[0; BLOCK]; V]);
        results.as_flattened_mut().iter_mut().zip(1u8..).for_each(|(to, number)| *to = number as i8);
        for pixel in 0..2 {
            let room = layer.room::<V>(&mut y[..2 * outputs], [pixel, 0]);
            room.copy_from_slice(&results.as_flattened()[..room.len()]);
        }
        let written = outputs.min(V * BLOCK);
        for pixel in y[..2 * outputs].chunks(outputs) {
            assert_eq!(pixel[..written], results.as_flattened()[..written], "{V} blocks of {outputs} outputs");
            assert!(pixel[written..].iter().all(|y| *y == 0), "{V} blocks of {outputs} outputs");
        }
    }

    #[test]
    fn any_number_of_outputs_is_written() {
        for outputs in 1..=8 * BLOCK {
            writes::<1>(outputs);
            writes::<2>(outputs);
            writes::<4>(outputs);
            if outputs < 8 * BLOCK {
                writes::<8>(outputs);
            }
        }
    }

    #[test]
    fn pixels_are_written_one_after_the_other() {
        let results: [[i8; BLOCK]; 4] = core::array::from_fn(|pixel| [pixel as i8 + 1; BLOCK]);
        for outputs in 1..=BLOCK {
            let (layer, mut y) = (layer(outputs), [0; 5 * BLOCK]);
            layer.put_pixels(&mut y[..5 * outputs], [1, 0], &results);
            let want = (0..5 * outputs).map(|i| (i / outputs) as i8);
            assert!(y[..5 * outputs].iter().copied().eq(want), "{outputs} outputs");
        }
    }
}
