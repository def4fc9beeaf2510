//! The loops, written once over what vectors of an instruction set can do.
//!
//! One operation makes four products in each of sixteen lanes and adds them to the lane's sum: a group of 64 bytes, four for each lane, meets
//! another. In a convolution one is weights and the other the same four activations in every lane; in a depthwise convolution lanes are
//! channels. A tile of pixels by blocks of outputs keeps its sums in registers, and each group that is loaded is used several times.

use core::marker::PhantomData;

use super::grid::{self, Grid};
use super::tile::{BLOCK, Depth, GROUP, Layer, Sixteen, Square};

/// What an instruction set does with sixteen lanes.
///
/// Every method may be called only on a processor that has the instruction set.
pub(crate) trait Vectors: Sized {
    /// 64 numbers, four for each lane.
    type Group: Copy;
    /// A sum for each lane.
    type Sums: Copy;
    /// What brings sums to int8, as it is kept while the results of a block are made.
    type Rounding<'a>: Copy;
    /// Whether one factor of each product must be unsigned: it is then the number + 128.
    const UNSIGNED: bool;
    /// Whether it helps to know that no weight is −128.
    const PAIRS: bool;

    /// The 64 bytes from `at` on, which may be read.
    unsafe fn group(at: *const i8) -> Self::Group;
    /// The four bytes from `at` on, which may be read, for each lane.
    unsafe fn four(at: *const i8) -> Self::Group;
    /// The numbers + 128, if they must be unsigned; else as they are.
    unsafe fn raised(group: Self::Group) -> Self::Group;
    /// Sixteen zeros.
    unsafe fn zero() -> Self::Sums;
    /// What the sums of a block begin with: their biases, unless [`Self::finish`] adds those.
    #[inline(always)]
    unsafe fn start(_to: &Sixteen<'_>) -> Self::Sums {
        // SAFETY: as the caller says.
        unsafe { Self::zero() }
    }
    /// Adds to each lane its four products. The numbers of `a` are those that may have to be unsigned.
    unsafe fn dot(sums: Self::Sums, a: Self::Group, b: Self::Group) -> Self::Sums;
    /// The sums as they are.
    unsafe fn sums(sums: Self::Sums) -> [i32; BLOCK];
    /// What brings the sums of a block to int8.
    unsafe fn rounding(to: Sixteen<'_>) -> Self::Rounding<'_>;
    /// The sums with their biases as int8.
    unsafe fn finish(sums: Self::Sums, to: &Self::Rounding<'_>) -> [i8; BLOCK];
    /// Whether the results of a tile are made by [`Self::finish_all`], pixel after pixel; else block after block, with one rounding in registers.
    const TOGETHER: bool = false;
    /// [`Self::finish`] of some blocks side by side.
    #[inline(always)]
    unsafe fn finish_all<const V: usize>(sums: &[Self::Sums; V], to: &[Self::Rounding<'_>; V]) -> [[i8; BLOCK]; V] {
        let mut results = [[0; BLOCK]; V];
        for ((results, sums), to) in results.iter_mut().zip(sums).zip(to) {
            // SAFETY: as the caller says.
            *results = unsafe { Self::finish(*sums, to) };
        }
        results
    }
    /// Sixteen numbers of each of four rows, which may be read, side by side: `to[4·i + r] = rows[r][i]`.
    unsafe fn interleave(rows: [*const i8; 4], to: &mut [i8; GROUP]);
    /// The same of 64 numbers of each row.
    #[inline(always)]
    unsafe fn interleave_four(rows: [*const i8; 4], to: &mut [[i8; GROUP]; 4]) {
        for (block, to) in to.iter_mut().enumerate() {
            // SAFETY: the caller says that 64 numbers of each row may be read.
            unsafe { Self::interleave(rows.map(|row| row.add(block.wrapping_mul(BLOCK))), to) };
        }
    }

    /// Brings the sums of a tile into the order in which [`Self::run`] wants them; done once more, it brings them back.
    #[inline(always)]
    unsafe fn turn<const P: usize, const V: usize>(_sums: &mut [[Self::Sums; V]; P]) {}

    /// Adds the products of a run to the sums of `P` pixels by `V` blocks. Of activations and weights those are raised that `W` says: weights if
    /// it is true, and here; activations otherwise, and before. `_pairs` says that no weight is −128. All that [`Run`] tells may be read.
    #[inline(always)]
    unsafe fn run<const P: usize, const V: usize, const W: bool>(
        sums: &mut [[Self::Sums; V]; P],
        run: Run,
        _pairs: bool,
    ) {
        // SAFETY: as the caller says.
        unsafe {
            if !W && V == 1 && P >= 6 && run.step.is_multiple_of(4) && run.len == run.step.wrapping_mul(TAPS) {
                neighbors::<Self, P, V>(sums, run);
            } else {
                fours::<Self, P, V, W>(sums, run);
            }
        }
    }
}

/// Taps of a row of the usual window.
const TAPS: usize = 3;

/// What the pixels of a tile read one after another, and the weights that it meets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Where the first pixel's bytes are.
    pub(crate) x: *const i8,
    /// From one pixel's bytes to those of the next.
    pub(crate) step: usize,
    /// Bytes of each pixel, a multiple of 4.
    pub(crate) len: usize,
    /// The group of the first block that the first four bytes meet.
    pub(crate) weights: *const i8,
    /// From a group to the next one of its block, and from a block to the next.
    pub(crate) steps: [usize; 2],
}

/// See [`Vectors::run`]: a group at a time.
///
/// # Safety
/// As there.
#[inline(always)]
pub(crate) unsafe fn fours<L: Vectors, const P: usize, const V: usize, const W: bool>(
    sums: &mut [[L::Sums; V]; P],
    run: Run,
) {
    let Run { x: mut at, step, len, mut weights, steps: [group_step, block_step] } = run;
    // SAFETY: the caller says that all of it may be read.
    unsafe {
        let end = at.add(len);
        while at < end {
            let mut b = [L::group(weights); V];
            for (v, b) in b.iter_mut().enumerate() {
                let group = L::group(weights.add(v.wrapping_mul(block_step)));
                *b = if W { L::raised(group) } else { group };
            }
            for (p, sums) in sums.iter_mut().enumerate() {
                let a = L::four(at.add(p.wrapping_mul(step)));
                for (sums, b) in sums.iter_mut().zip(b) {
                    *sums = if W { L::dot(*sums, b, a) } else { L::dot(*sums, a, b) };
                }
            }
            (at, weights) = (at.add(4), weights.add(group_step));
        }
    }
}

/// See [`Vectors::run`], where a run is three steps: what the first tap of a pixel reads, the second of the pixel before and the third of the one
/// before that read too. It is loaded once, and meets the weights of all three.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn neighbors<L: Vectors, const P: usize, const V: usize>(sums: &mut [[L::Sums; V]; P], run: Run) {
    let Run { x, step, mut weights, steps: [group_step, _], .. } = run;
    let tap_step = (step / 4).wrapping_mul(group_step);
    // SAFETY: the caller says that all of it may be read: the last pixel's third tap is `P + 1` steps from the first pixel's first one.
    unsafe {
        let (mut at, end) = (x, x.add(step));
        while at < end {
            let mut b = [L::group(weights); TAPS];
            for (tap, b) in b.iter_mut().enumerate() {
                *b = L::group(weights.add(tap.wrapping_mul(tap_step)));
            }
            let (mut first, mut second) = (L::four(at), L::four(at.add(step)));
            for (p, sums) in sums.iter_mut().enumerate() {
                let third = L::four(at.add(p.wrapping_add(2).wrapping_mul(step)));
                for sums in sums {
                    for (a, b) in [first, second, third].into_iter().zip(b) {
                        *sums = L::dot(*sums, a, b);
                    }
                }
                (first, second) = (second, third);
            }
            (at, weights) = (at.add(4), weights.add(group_step));
        }
    }
}

/// See [`Square`]: up to `P` pixels at a time meet up to `16·V` outputs. Of activations and weights those are raised that `W` says: weights if
/// it is true, and here; activations otherwise, and before.
///
/// # Safety
/// The processor has the instruction set, and [`Square::fits`].
#[inline(always)]
pub(super) unsafe fn square<L: Vectors, const P: usize, const V: usize, const W: bool>(square: &mut Square<'_>) {
    // SAFETY: as the caller says.
    unsafe { grid::all::<_, P, V>(&mut Products::<L, W> { square, vectors: PhantomData }) }
}

/// A square with what computes it.
struct Products<'s, 'a, L, const W: bool> {
    square: &'s mut Square<'a>,
    vectors: PhantomData<L>,
}

impl<L: Vectors, const W: bool> Grid for Products<'_, '_, L, W> {
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
        let Square { x, step, runs, len, layer, ref mut y, .. } = *self.square;
        // SAFETY: `fits` says that the runs of all pixels lie in `x`, and that the weights have a group for every four bytes of the runs in
        // each block.
        let sums = unsafe {
            let mut sums = [begun::<L, V>(layer, block); P];
            L::turn(&mut sums);
            let mut weights = layer.weights.as_ptr().add(block.wrapping_mul(layer.steps[1]));
            let start = x.as_ptr().add(first.wrapping_mul(step));
            for run in runs {
                let run = Run { x: start.add(*run), step, len, weights, steps: layer.steps };
                L::run::<P, V, W>(&mut sums, run, layer.pairs);
                weights = weights.add((len / 4).wrapping_mul(layer.steps[0]));
            }
            L::turn(&mut sums);
            sums
        };
        if !L::TOGETHER {
            for v in 0..V {
                let block = block.wrapping_add(v);
                // SAFETY: as the caller says.
                let to = unsafe { L::rounding(layer.sixteen(block)) };
                for (p, sums) in sums.iter().enumerate() {
                    // SAFETY: the same.
                    let results = unsafe { L::finish(sums[v], &to) };
                    layer.put_block(y, [first.wrapping_add(p), block], &results);
                }
            }
            return;
        }
        // SAFETY: as the caller says.
        let to = unsafe { roundings::<L, V>(layer, block) };
        if let ([to], true) = (&to[..], V == 1 && P.is_multiple_of(4)) {
            for (p, sums) in sums.as_flattened().as_chunks::<4>().0.iter().enumerate() {
                // SAFETY: as the caller says.
                let results = unsafe { L::finish_all(sums, &[*to; 4]) };
                layer.put_pixels(y, [first.wrapping_add(p.wrapping_mul(4)), block], &results);
            }
            return;
        }
        if let ([to], Some(sums), true) = (&to[..], sums.as_flattened().first_chunk::<P>(), V == 1 && P > 1) {
            // SAFETY: as the caller says.
            let results = unsafe { L::finish_all(sums, &[*to; P]) };
            layer.put_pixels(y, [first, block], &results);
            return;
        }
        for (p, sums) in sums.iter().enumerate() {
            // SAFETY: as the caller says.
            let results = unsafe { L::finish_all(sums, &to) };
            layer.put(y, [first.wrapping_add(p), block], &results);
        }
    }
}

/// What the sums of `V` blocks begin with.
#[inline(always)]
unsafe fn begun<L: Vectors, const V: usize>(layer: &Layer<'_>, block: usize) -> [L::Sums; V] {
    // SAFETY: as the caller says.
    let mut sums = [unsafe { L::zero() }; V];
    for (v, sums) in sums.iter_mut().enumerate() {
        // SAFETY: the same.
        *sums = unsafe { L::start(&layer.sixteen(block.wrapping_add(v))) };
    }
    sums
}

/// What brings the sums of `V` blocks to int8.
#[inline(always)]
unsafe fn roundings<'a, L: Vectors, const V: usize>(layer: &'a Layer<'_>, block: usize) -> [L::Rounding<'a>; V] {
    // SAFETY: as the caller says.
    let mut all = [unsafe { L::rounding(layer.sixteen(block)) }; V];
    for (v, to) in all.iter_mut().enumerate() {
        // SAFETY: the same.
        *to = unsafe { L::rounding(layer.sixteen(block.wrapping_add(v))) };
    }
    all
}

/// See [`Depth`].
///
/// # Safety
/// The processor has the instruction set, and [`Depth::fits`].
#[inline(always)]
pub(super) unsafe fn depth<L: Vectors, const V: usize>(depth: &mut Depth<'_>) {
    let (mut block, blocks) = (0, depth.layer.blocks());
    while block < blocks {
        let left = blocks.wrapping_sub(block);
        // SAFETY: as the caller says; so many blocks are left.
        block = block.wrapping_add(unsafe {
            match left {
                _ if V >= 4 && left >= 4 => taps::<L, 4>(depth, block),
                _ if V >= 2 && left >= 2 => taps::<L, 2>(depth, block),
                _ => taps::<L, 1>(depth, block),
            }
        });
    }
}

/// `V` blocks of all pixels; gives `V`.
#[inline(always)]
unsafe fn taps<L: Vectors, const V: usize>(depth: &mut Depth<'_>, block: usize) -> usize {
    // SAFETY: as the caller says.
    unsafe {
        match depth.layer.groups {
            3 => channels::<L, 3, V>(depth, block),
            _ => channels::<L, 0, V>(depth, block),
        }
    }
    V
}

/// `V` blocks of channels of all pixels; `T` groups of weights that stay in registers, or any number if it is 0.
#[inline(always)]
unsafe fn channels<L: Vectors, const T: usize, const V: usize>(depth: &mut Depth<'_>, block: usize) {
    let Depth { x, steps: [rows, pixel, tap], count, taps: [fours, taps], layer, ref mut y } = *depth;
    let ([group_step, block_step], from) = (layer.steps, block.wrapping_mul(GROUP));
    // SAFETY: `fits` says that all groups of weights of the blocks are there.
    let weight = |g: usize, v: usize| unsafe {
        let at = g.wrapping_mul(group_step).wrapping_add(block.wrapping_add(v).wrapping_mul(block_step));
        L::group(layer.weights.as_ptr().add(at))
    };
    let mut kept = [[weight(0, 0); V]; T];
    for (g, kept) in kept.iter_mut().enumerate() {
        kept.iter_mut().enumerate().for_each(|(v, kept)| *kept = weight(g, v));
    }
    // SAFETY: as the caller says.
    let to = unsafe { roundings::<L, V>(layer, block) };
    for p in 0..count {
        // SAFETY: `fits` says that what all taps of all pixels read lies in `x`.
        let results = unsafe {
            let start = x.as_ptr().add(p.wrapping_mul(pixel).wrapping_add(from));
            let mut sums = begun::<L, V>(layer, block);
            if T > 0 && fours == 1 {
                for (t, w) in kept.iter().enumerate() {
                    for (v, (sums, w)) in sums.iter_mut().zip(w).enumerate() {
                        let at = t.wrapping_mul(tap).wrapping_add(v.wrapping_mul(GROUP));
                        *sums = L::dot(*sums, L::group(start.add(at)), *w);
                    }
                }
            } else {
                for g in 0..fours.wrapping_mul(taps) {
                    let at = (g / taps).wrapping_mul(rows).wrapping_add((g % taps).wrapping_mul(tap));
                    for (v, sums) in sums.iter_mut().enumerate() {
                        let at = at.wrapping_add(v.wrapping_mul(GROUP));
                        *sums = L::dot(*sums, L::group(start.add(at)), weight(g, v));
                    }
                }
            }
            L::finish_all(&sums, &to)
        };
        match &results[..] {
            [one] if !L::TOGETHER => layer.put_block(y, [p, block], one),
            _ => layer.put(y, [p, block], &results),
        }
    }
}
