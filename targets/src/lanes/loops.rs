//! The loops, written once over what vectors of an instruction set can do.
//!
//! One operation makes four products in each of sixteen lanes and adds them to the lane's sum: a group of 64 bytes, four for each lane, meets
//! another. In a convolution one is weights and the other the same four activations in every lane; in a depthwise convolution lanes are
//! channels. A tile of pixels by blocks of outputs keeps its sums in registers, and each group that is loaded is used several times.

use core::marker::PhantomData;

use super::finish;
use super::grid::{self, Grid};
use super::tile::{BLOCK, Depth, GROUP, Layer, Sixteen, Square, put_results};

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
    /// [`Self::finish`] of some blocks side by side, as many results as there is room for.
    #[inline(always)]
    unsafe fn finish_all<const V: usize>(sums: &[Self::Sums; V], to: &[Self::Rounding<'_>; V], results: &mut [i8]) {
        for ((results, sums), to) in results.chunks_mut(BLOCK).zip(sums).zip(to) {
            // SAFETY: as the caller says.
            put_results(results, &unsafe { Self::finish(*sums, to) });
        }
    }
    /// The weights of each lane one row later: `b[4·i + r + 1] = a[4·i + r]`, and 0 for the first row.
    unsafe fn later(group: Self::Group) -> Self::Group;
    /// Sixteen numbers of each of four rows, which may be read, side by side, raised if they must be: `to[4·i + r] = rows[r][i]`.
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

    /// Adds the products of a run to the sums of `P` pixels by `V` blocks. Activations are raised if one factor must be. `_pairs` says that no
    /// weight is −128. All that [`Run`] tells may be read.
    #[inline(always)]
    unsafe fn run<const P: usize, const V: usize>(sums: &mut [[Self::Sums; V]; P], run: Run, _pairs: bool) {
        // SAFETY: as the caller says.
        unsafe {
            if V == 1 && P >= 6 && run.step.is_multiple_of(4) && run.len == run.step.wrapping_mul(TAPS) {
                neighbors::<Self, P, V>(sums, run);
            } else {
                fours::<Self, P, V>(sums, run);
            }
        }
    }

    /// The sums less others; asked for only where one factor of each product must be unsigned.
    #[inline(always)]
    unsafe fn less(sums: Self::Sums, _others: Self::Sums) -> Self::Sums {
        sums
    }
}

/// Sums that are made of one at a time where one would wait for itself.
pub(super) const CHAINS: usize = 4;

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
pub(crate) unsafe fn fours<L: Vectors, const P: usize, const V: usize>(sums: &mut [[L::Sums; V]; P], run: Run) {
    let Run { x: mut at, step, len, mut weights, steps: [group_step, block_step] } = run;
    // SAFETY: the caller says that all of it may be read.
    unsafe {
        let end = at.add(len);
        while at < end {
            let mut b = [L::group(weights); V];
            for (v, b) in b.iter_mut().enumerate() {
                *b = L::group(weights.add(v.wrapping_mul(block_step)));
            }
            for (p, sums) in sums.iter_mut().enumerate() {
                let a = L::four(at.add(p.wrapping_mul(step)));
                for (sums, b) in sums.iter_mut().zip(b) {
                    *sums = L::dot(*sums, a, b);
                }
            }
            (at, weights) = (at.add(4), weights.add(group_step));
        }
    }
}

/// See [`Vectors::run`]: of one pixel, whose activations are as they are. Weights are raised, and what that adds to all sums, `128·Σ x`, is taken off.
/// Few blocks at a time make few streams of loads, so each has several sums.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn signed<L: Vectors, const V: usize>(sums: &mut [L::Sums; V], run: Run) {
    let Run { x, len, weights, steps: [group_step, block_step], .. } = run;
    let at = |group: usize, v: usize| {
        weights.wrapping_add(group.wrapping_mul(group_step).wrapping_add(v.wrapping_mul(block_step)))
    };
    // SAFETY: the caller says that all of it may be read, and the array has 64 bytes.
    unsafe {
        let (zeros, groups, mut group) = (L::raised(L::group([0; GROUP].as_ptr())), len / 4, 0);
        let (mut parts, mut surplus) = ([[L::zero(); V]; CHAINS], [L::zero(); CHAINS]);
        while group < groups {
            let last = groups.wrapping_sub(group) < CHAINS;
            for (part, surplus) in parts.iter_mut().zip(&mut surplus) {
                let a = L::four(x.add(group.wrapping_mul(4)));
                for (v, sums) in part.iter_mut().enumerate() {
                    *sums = L::dot(*sums, L::raised(L::group(at(group, v))), a);
                }
                *surplus = L::dot(*surplus, zeros, a);
                group = group.wrapping_add(1);
                if last {
                    break;
                }
            }
        }
        for (part, surplus) in parts.iter().zip(surplus) {
            for (sums, part) in sums.iter_mut().zip(part) {
                *sums = L::less(*sums, L::less(surplus, *part));
            }
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

/// See [`Square`]: up to `P` pixels at a time meet up to `16·V` outputs. If one factor of each product must be unsigned, activations were raised
/// before, or it is one pixel and `SIGNED` says that they were not.
///
/// # Safety
/// The processor has the instruction set, and [`Square::fits`].
#[inline(always)]
pub(super) unsafe fn square<L: Vectors, const P: usize, const V: usize, const SIGNED: bool>(square: &mut Square<'_>) {
    // SAFETY: as the caller says.
    unsafe { grid::all::<_, P, V>(&mut Products::<L, SIGNED> { square, vectors: PhantomData }) }
}

/// A square with what computes it.
struct Products<'s, 'a, L, const SIGNED: bool> {
    square: &'s mut Square<'a>,
    vectors: PhantomData<L>,
}

impl<L: Vectors, const SIGNED: bool> Grid for Products<'_, '_, L, SIGNED> {
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
                match sums.first_mut() {
                    Some(sums) if SIGNED && L::UNSIGNED => signed::<L, V>(sums, run),
                    _ => L::run::<P, V>(&mut sums, run, layer.pairs),
                }
                weights = weights.add((len / 4).wrapping_mul(layer.steps[0]));
            }
            L::turn(&mut sums);
            sums
        };
        // SAFETY: as the caller says.
        unsafe { finish::tile::<L, P, V>(layer, y, [first, block], &sums) };
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
                _ if V >= 4 && left >= 4 && depth.below.is_none() => taps::<L, 4>(depth, block),
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
        match (depth.taps, depth.below.is_some()) {
            ([1, 3], false) => channels::<L, 3, V, 1>(depth, block),
            ([1, 3], true) => channels::<L, 3, V, 2>(depth, block),
            (_, false) => channels::<L, 0, V, 1>(depth, block),
            (_, true) => channels::<L, 0, V, 2>(depth, block),
        }
    }
    V
}

/// `V` blocks of channels of all pixels, of `R` rows; `T` groups of weights that stay in registers, or any number if it is 0.
#[inline(always)]
unsafe fn channels<L: Vectors, const T: usize, const V: usize, const R: usize>(depth: &mut Depth<'_>, block: usize) {
    let Depth { x, steps: [rows, pixel, tap], count, taps: [_, taps], layer, below, ref mut y } = *depth;
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
    let (begin, to) = unsafe { (begun::<L, V>(layer, block), finish::roundings::<L, V>(layer, block)) };
    for p in 0..count {
        let mut sums = [begin; R];
        // SAFETY: `fits` says that what all taps of all pixels read lies in `x`.
        unsafe {
            let start = x.as_ptr().add(p.wrapping_mul(pixel).wrapping_add(from));
            for (t, w) in kept.iter().enumerate() {
                for (v, w) in w.iter().enumerate() {
                    let at = t.wrapping_mul(tap).wrapping_add(v.wrapping_mul(GROUP));
                    rows_of::<L, V, R>(&mut sums, v, L::group(start.add(at)), *w);
                }
            }
            for g in 0..if T == 0 { layer.groups } else { 0 } {
                let at = (g / taps).wrapping_mul(rows).wrapping_add((g % taps).wrapping_mul(tap));
                for v in 0..V {
                    let at = at.wrapping_add(v.wrapping_mul(GROUP));
                    rows_of::<L, V, R>(&mut sums, v, L::group(start.add(at)), weight(g, v));
                }
            }
        }
        let [first, others @ ..] = &sums[..] else { continue };
        // SAFETY: as the caller says.
        unsafe { L::finish_all(first, &to, layer.room::<V>(y, [p, block])) };
        if let ([sums], Some(y)) = (others, below.and_then(|below| y.get_mut(below..))) {
            // SAFETY: the same.
            unsafe { L::finish_all(sums, &to, layer.room::<V>(y, [p, block])) };
        }
    }
}

/// Adds the products of one group to the sums of a block, of the row and of that below.
#[inline(always)]
unsafe fn rows_of<L: Vectors, const V: usize, const R: usize>(
    sums: &mut [[L::Sums; V]; R],
    v: usize,
    x: L::Group,
    w: L::Group,
) {
    for (row, sums) in sums.iter_mut().enumerate() {
        // SAFETY: the caller says that the processor has the instruction set.
        sums[v] = unsafe { L::dot(sums[v], x, if row == 0 { w } else { L::later(w) }) };
    }
}
