//! The loops in f32: sixteen outputs at a time, whose weights stand side by side, meet one number of a pixel.
//!
//! A sum starts with its bias and takes its products in the order of the weights, rounded once each where the instruction set fuses products
//! and sums, else twice: results do not depend on how work is cut.

use super::grid::{self, Grid};
use super::tile::{BLOCK, put_some, reach};

/// What an instruction set does with sixteen numbers in f32.
///
/// Every method may be called only on a processor that has the instruction set.
pub(crate) trait Reals {
    /// Sixteen numbers.
    type Sixteen: Copy;

    /// The sixteen numbers from `at` on, which may be read.
    unsafe fn load(at: *const f32) -> Self::Sixteen;
    /// The number sixteen times.
    unsafe fn splat(x: f32) -> Self::Sixteen;
    /// `sums[i] + a[i]·b[i]`.
    unsafe fn add_product(sums: Self::Sixteen, a: Self::Sixteen, b: Self::Sixteen) -> Self::Sixteen;
    /// What is less than `lo` as `lo`, and what is more than `hi` as `hi`.
    unsafe fn clamped(sixteen: Self::Sixteen, limits: [f32; 2]) -> Self::Sixteen;
    /// The numbers.
    unsafe fn numbers(sixteen: Self::Sixteen) -> [f32; BLOCK];
}

/// The constants of a layer, in blocks of sixteen outputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer<'a> {
    /// `[block][k][16]`.
    pub(super) weights: &'a [f32],
    /// Weights of each output.
    pub(super) depth: usize,
    /// One for each output.
    pub(super) bias: &'a [f32],
    /// Smallest and largest result.
    pub(super) limits: [f32; 2],
    /// Outputs in all.
    pub(super) outputs: usize,
}

impl Layer<'_> {
    /// Blocks, the last one maybe not full.
    fn blocks(&self) -> usize {
        self.outputs.div_ceil(BLOCK)
    }

    /// Whether there are weights of all blocks.
    fn fits(&self) -> bool {
        let len = self.blocks().checked_mul(BLOCK).and_then(|outputs| outputs.checked_mul(self.depth));
        len.is_some_and(|len| len <= self.weights.len())
    }

    /// The biases of a block, zeros behind the last.
    #[cfg(lanes = "armv7")]
    pub(super) fn biases(&self, block: usize) -> [f32; BLOCK] {
        let mut biases = [0.0; BLOCK];
        let from = self.bias.get(block.wrapping_mul(BLOCK)..).unwrap_or_default();
        biases.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        biases
    }

    /// Where the weights of a block start.
    pub(super) fn at(&self, block: usize) -> usize {
        block.wrapping_mul(self.depth).wrapping_mul(BLOCK)
    }

    /// The biases of a block, zeros behind the last. They are read from where they are: a copy that was just made is loaded slowly.
    #[inline(always)]
    unsafe fn bias<R: Reals>(&self, block: usize) -> R::Sixteen {
        let from = self.bias.get(block.wrapping_mul(BLOCK)..).unwrap_or_default();
        let mut part = [0.0; BLOCK];
        let whole = from.first_chunk().unwrap_or_else(|| {
            part.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            &part
        });
        // SAFETY: the processor has the instruction set, as the caller says; the array has sixteen numbers.
        unsafe { R::load(whole.as_ptr()) }
    }

    /// Writes the results of a block, between the limits, into the outputs of a pixel. Of less than one block all sixteen are written where there
    /// is room: those of the next pixel come later, to the same place.
    #[inline(always)]
    unsafe fn put<R: Reals>(&self, y: &mut [f32], [pixel, block]: [usize; 2], sums: R::Sixteen) {
        // SAFETY: the processor has the instruction set, as the caller says.
        let results = unsafe { R::numbers(R::clamped(sums, self.limits)) };
        let first = block.wrapping_mul(BLOCK);
        let start = pixel.wrapping_mul(self.outputs).wrapping_add(first);
        let (left, Some(y)) = (self.outputs.wrapping_sub(first), y.get_mut(start..)) else { return };
        match y.first_chunk_mut() {
            Some(y) if left >= BLOCK || self.outputs < BLOCK => *y = results,
            _ => put_part(y.get_mut(..left).unwrap_or_default(), &results),
        }
    }
}

/// Writes a part of a block. A function of its own, so that the code round it stays small and sums in registers.
#[inline(never)]
fn put_part(y: &mut [f32], results: &[f32; BLOCK]) {
    put_some(y, results);
}

/// Pixels by all outputs of a layer; each pixel reads some runs of numbers.
///
/// `y[p·O + o] = clamp(b[o] + Σ_r Σ_k w[o][r·len + k] · x[p·step + runs[r] + k])`
#[derive(Debug)]
pub(super) struct Square<'a> {
    /// What the pixels read.
    pub(super) x: &'a [f32],
    /// From what one pixel reads to what the next one reads.
    pub(super) step: usize,
    /// Pixels.
    pub(super) count: usize,
    /// Where the runs of the first pixel start.
    pub(super) runs: &'a [usize],
    /// Numbers of a run.
    pub(super) len: usize,
    /// The constants.
    pub(super) layer: Layer<'a>,
    /// The outputs of the pixels.
    pub(super) y: &'a mut [f32],
}

impl Square<'_> {
    /// Whether all that the loops read is there.
    pub(super) fn fits(&self) -> bool {
        let Self { x, step, count, runs, len, layer, .. } = self;
        let end = reach([(*count, *step)], *len).zip(runs.iter().max()).and_then(|(end, run)| end.checked_add(*run));
        let inside = end.is_some_and(|end| end <= x.len());
        inside && runs.len().checked_mul(*len) == Some(layer.depth) && layer.fits()
    }
}

/// See [`Square`].
///
/// # Safety
/// The processor has the instruction set, and [`Square::fits`].
#[inline(always)]
pub(super) unsafe fn square<R: Reals, const P: usize, const V: usize>(square: &mut Square<'_>) {
    // SAFETY: as the caller says.
    unsafe { grid::all::<_, P, V>(&mut Products { square, reals: core::marker::PhantomData::<R> }) }
}

/// A square with what computes it.
struct Products<'s, 'a, R> {
    square: &'s mut Square<'a>,
    reals: core::marker::PhantomData<R>,
}

impl<R: Reals> Grid for Products<'_, '_, R> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.square.count
    }

    #[inline(always)]
    fn blocks(&self) -> usize {
        self.square.layer.blocks()
    }

    #[inline(always)]
    unsafe fn tile<const P: usize, const V: usize>(&mut self, [first, block]: [usize; 2]) {
        let Square { x, step, runs, len, layer, .. } = *self.square;
        let of_block = layer.at(1);
        // SAFETY: `fits` says that the runs of all pixels lie in `x`, and that each block has sixteen weights for every number of the runs.
        let sums = unsafe {
            let mut sums = [begun::<R, V>(&layer, block); P];
            let mut weights = layer.weights.as_ptr().add(layer.at(block));
            let start = x.as_ptr().add(first.wrapping_mul(step));
            for run in runs {
                let mut at = start.add(*run);
                let end = at.add(len);
                while at < end {
                    let mut w = [R::load(weights); V];
                    w.iter_mut().enumerate().for_each(|(v, w)| *w = R::load(weights.add(v.wrapping_mul(of_block))));
                    for (p, sums) in sums.iter_mut().enumerate() {
                        let x = R::splat(at.add(p.wrapping_mul(step)).read());
                        sums.iter_mut().zip(w).for_each(|(sums, w)| *sums = R::add_product(*sums, x, w));
                    }
                    (at, weights) = (at.add(1), weights.add(BLOCK));
                }
            }
            sums
        };
        // SAFETY: as the caller says.
        unsafe { put_all::<R, P, V>(&layer, self.square.y, [first, block], sums) };
    }
}

/// Pixels of a depthwise convolution.
///
/// `y[p·C + c] = clamp(b[c] + Σ_t w[t][c] · x[p·step + taps[t] + c])`
#[derive(Debug)]
pub(super) struct Depth<'a> {
    /// What the pixels read, and behind it as much as fills a block.
    pub(super) x: &'a [f32],
    /// From what one pixel reads to what the next one reads.
    pub(super) step: usize,
    /// Pixels.
    pub(super) count: usize,
    /// What each tap of the first pixel reads.
    pub(super) taps: &'a [usize],
    /// The constants.
    pub(super) layer: Layer<'a>,
    /// The outputs of the pixels.
    pub(super) y: &'a mut [f32],
}

impl Depth<'_> {
    /// Whether all that the loop reads is there.
    pub(super) fn fits(&self) -> bool {
        let Self { x, step, count, taps, layer, .. } = self;
        let end = reach([(*count, *step), (layer.blocks(), BLOCK)], BLOCK);
        let end = end.zip(taps.iter().max()).and_then(|(end, tap)| end.checked_add(*tap));
        end.is_some_and(|end| end <= x.len()) && taps.len() == layer.depth && layer.fits()
    }
}

/// See [`Depth`]: up to `P` pixels by up to `16·V` channels at a time.
///
/// # Safety
/// The processor has the instruction set, and [`Depth::fits`].
#[inline(always)]
pub(super) unsafe fn depth<R: Reals, const P: usize, const V: usize>(depth: &mut Depth<'_>) {
    // SAFETY: as the caller says.
    unsafe { grid::all::<_, P, V>(&mut Channels { depth, reals: core::marker::PhantomData::<R> }) }
}

/// Channels with what computes them.
struct Channels<'d, 'a, R> {
    depth: &'d mut Depth<'a>,
    reals: core::marker::PhantomData<R>,
}

impl<R: Reals> Grid for Channels<'_, '_, R> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.depth.count
    }

    #[inline(always)]
    fn blocks(&self) -> usize {
        self.depth.layer.blocks()
    }

    #[inline(always)]
    unsafe fn tile<const P: usize, const V: usize>(&mut self, [first, block]: [usize; 2]) {
        let Depth { x, step, taps, layer, ref mut y, .. } = *self.depth;
        // SAFETY: `fits` says that each block has sixteen weights for each tap, and that what all taps of all pixels read lies in `x`.
        let sums = unsafe {
            let start = x.as_ptr().add(first.wrapping_mul(step).wrapping_add(block.wrapping_mul(BLOCK)));
            let mut weights = layer.weights.as_ptr().add(layer.at(block));
            let mut sums = [begun::<R, V>(&layer, block); P];
            for tap in taps {
                for v in 0..V {
                    let w = R::load(weights.add(layer.at(v)));
                    for (p, sums) in sums.iter_mut().enumerate() {
                        let at = tap.wrapping_add(p.wrapping_mul(step)).wrapping_add(v.wrapping_mul(BLOCK));
                        sums[v] = R::add_product(sums[v], R::load(start.add(at)), w);
                    }
                }
                weights = weights.add(BLOCK);
            }
            sums
        };
        // SAFETY: as the caller says.
        unsafe { put_all::<R, P, V>(&layer, y, [first, block], sums) };
    }
}

/// What the sums of `V` blocks begin with.
#[inline(always)]
unsafe fn begun<R: Reals, const V: usize>(layer: &Layer<'_>, block: usize) -> [R::Sixteen; V] {
    // SAFETY: as the caller says.
    let mut sums = [unsafe { R::splat(0.0) }; V];
    for (v, sums) in sums.iter_mut().enumerate() {
        // SAFETY: the same.
        *sums = unsafe { layer.bias::<R>(block.wrapping_add(v)) };
    }
    sums
}

/// Writes the results of a tile.
#[inline(always)]
unsafe fn put_all<R: Reals, const P: usize, const V: usize>(
    layer: &Layer<'_>,
    y: &mut [f32],
    [first, block]: [usize; 2],
    sums: [[R::Sixteen; V]; P],
) {
    for (p, sums) in sums.iter().enumerate() {
        for (v, sums) in sums.iter().enumerate() {
            // SAFETY: the processor has the instruction set, as the caller says.
            unsafe { layer.put::<R>(y, [first.wrapping_add(p), block.wrapping_add(v)], *sums) };
        }
    }
}
