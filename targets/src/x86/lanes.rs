//! The loops, written once over what vectors of an instruction set can do.
//!
//! One operation makes four products in each of sixteen lanes and adds them to the lane's sum: a group of 64 bytes, four for each lane, meets
//! another. In a convolution one is weights and the other the same four activations in every lane; in a depthwise convolution lanes are
//! channels. A tile of pixels by blocks of outputs keeps its sums in registers, and each group that is loaded is used several times.

use super::tile::{BLOCK, Depth, GROUP, Layer, Sixteen, Square};

/// What an instruction set does with sixteen lanes.
///
/// Every method may be called only on a processor that has the instruction set.
pub(super) trait Lanes {
    /// 64 numbers, four for each lane.
    type Group: Copy;
    /// A sum for each lane.
    type Sums: Copy;
    /// Whether one factor of each product must be unsigned: it is then the number + 128.
    const UNSIGNED: bool;

    /// The 64 bytes from `at` on, which may be read.
    unsafe fn group(at: *const i8) -> Self::Group;
    /// The four bytes from `at` on, which may be read, for each lane.
    unsafe fn four(at: *const i8) -> Self::Group;
    /// The numbers + 128, if they must be unsigned; else as they are.
    unsafe fn raised(group: Self::Group) -> Self::Group;
    /// Sixteen zeros.
    unsafe fn zero() -> Self::Sums;
    /// Adds to each lane its four products. The numbers of `a` are those that may have to be unsigned.
    unsafe fn dot(sums: Self::Sums, a: Self::Group, b: Self::Group) -> Self::Sums;
    /// The sums as they are.
    unsafe fn sums(sums: Self::Sums) -> [i32; BLOCK];
    /// The sums with their biases as int8.
    unsafe fn finish(sums: Self::Sums, to: &Sixteen<'_>) -> [i8; BLOCK];
    /// Sixteen numbers of each of four rows, which may be read, side by side: `to[4·i + r] = rows[r][i]`.
    unsafe fn interleave(rows: [*const i8; 4], to: &mut [i8; GROUP]);
}

/// See [`Square`]: up to `P` pixels at a time meet up to `16·V` outputs. Of activations and weights those are raised that `W` says: weights if
/// it is true, and here; activations otherwise, and before.
///
/// # Safety
/// The processor has the instruction set, and [`Square::fits`].
#[inline(always)]
pub(super) unsafe fn square<L: Lanes, const P: usize, const V: usize, const W: bool>(square: &mut Square<'_>) {
    let mut first = 0;
    while first < square.count {
        let left = square.count.wrapping_sub(first);
        // SAFETY: as the caller says; so many pixels are left.
        first = first.wrapping_add(unsafe {
            match left {
                _ if P >= 12 && left >= 12 && square.layer.blocks() == 1 => pixels::<L, 12, 1, W>(square, first),
                _ if P >= 6 && left >= 6 => pixels::<L, 6, V, W>(square, first),
                _ if P >= 4 && left >= 4 => pixels::<L, 4, V, W>(square, first),
                _ if P >= 2 && left >= 2 => pixels::<L, 2, V, W>(square, first),
                _ => pixels::<L, 1, V, W>(square, first),
            }
        });
    }
}

/// All outputs of `P` pixels; gives `P`.
#[inline(always)]
unsafe fn pixels<L: Lanes, const P: usize, const V: usize, const W: bool>(
    square: &mut Square<'_>,
    first: usize,
) -> usize {
    let (mut block, blocks) = (0, square.layer.blocks());
    while block < blocks {
        let left = blocks.wrapping_sub(block);
        // SAFETY: as the caller says; so many blocks are left.
        block = block.wrapping_add(unsafe {
            match left {
                _ if V >= 8 && left >= 8 => tile::<L, P, 8, W>(square, [first, block]),
                _ if V >= 4 && left >= 4 => tile::<L, P, 4, W>(square, [first, block]),
                _ if V >= 2 && left >= 2 => tile::<L, P, 2, W>(square, [first, block]),
                _ => tile::<L, P, 1, W>(square, [first, block]),
            }
        });
    }
    P
}

/// `P` pixels by `V` blocks; gives `V`.
#[inline(always)]
unsafe fn tile<L: Lanes, const P: usize, const V: usize, const W: bool>(
    square: &mut Square<'_>,
    [first, block]: [usize; 2],
) -> usize {
    let Square { x, step, runs, len, ref layer, .. } = *square;
    let [group_step, block_step] = layer.steps;
    // SAFETY: `fits` says that the runs of all pixels lie in `x`, and that the weights have a group for every four bytes of the runs in each
    // block.
    let sums = unsafe {
        let mut sums = [[L::zero(); V]; P];
        let mut weights = layer.weights.as_ptr().add(block.wrapping_mul(block_step));
        let start = x.as_ptr().add(first.wrapping_mul(step));
        for run in runs {
            let mut at = start.add(*run);
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
        sums
    };
    for (p, sums) in sums.iter().enumerate() {
        for (v, sums) in sums.iter().enumerate() {
            let block = block.wrapping_add(v);
            // SAFETY: as the caller says.
            let results = unsafe { L::finish(*sums, &square.layer.sixteen(block)) };
            square.put(first.wrapping_add(p), block, &results);
        }
    }
    V
}

/// See [`Depth`].
///
/// # Safety
/// The processor has the instruction set, and [`Depth::fits`].
#[inline(always)]
pub(super) unsafe fn depth<L: Lanes>(depth: &mut Depth<'_>) {
    for block in 0..depth.layer.blocks() {
        // SAFETY: as the caller says.
        unsafe {
            match depth.layer.groups {
                3 => channels::<L, 3>(depth, block),
                _ => channels::<L, 0>(depth, block),
            }
        }
    }
}

/// Sixteen channels of all pixels; `T` groups of weights that stay in registers, or any number if it is 0.
#[inline(always)]
unsafe fn channels<L: Lanes, const T: usize>(depth: &mut Depth<'_>, block: usize) {
    let Depth { x, steps: [rows, pixel, tap], count, taps: [fours, taps], ref layer, .. } = *depth;
    let ([group_step, block_step], from) = (layer.steps, block.wrapping_mul(GROUP));
    // SAFETY: `fits` says that all groups of weights of the block are there.
    let weight = |g: usize| unsafe {
        let at = g.wrapping_mul(group_step).wrapping_add(block.wrapping_mul(block_step));
        L::group(layer.weights.as_ptr().add(at))
    };
    let mut kept = [weight(0); T];
    kept.iter_mut().enumerate().for_each(|(g, kept)| *kept = weight(g));
    for p in 0..count {
        // SAFETY: `fits` says that what all taps of all pixels read lies in `x`.
        let results = unsafe {
            let start = x.as_ptr().add(p.wrapping_mul(pixel).wrapping_add(from));
            let mut sums = L::zero();
            if T > 0 && fours == 1 {
                for (t, w) in kept.iter().enumerate() {
                    sums = L::dot(sums, L::group(start.add(t.wrapping_mul(tap))), *w);
                }
            } else {
                for g in 0..fours.wrapping_mul(taps) {
                    let at = (g / taps).wrapping_mul(rows).wrapping_add((g % taps).wrapping_mul(tap));
                    sums = L::dot(sums, L::group(start.add(at)), weight(g));
                }
            }
            L::finish(sums, &depth.layer.sixteen(block))
        };
        depth.put(p, block, &results);
    }
}

/// Writes what raised activations add to the sums of each block, `Σ_k 128·w[o][k]`; 0 where nothing is raised.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(super) unsafe fn surplus<L: Lanes>(layer: &Layer<'_>, to: &mut [[i32; BLOCK]]) {
    let [group_step, block_step] = layer.steps;
    for (block, to) in to.iter_mut().enumerate() {
        // SAFETY: as the caller says; 64 bytes may be read of each array.
        unsafe {
            let (mut sums, zeros) = (L::zero(), L::raised(L::group([0; GROUP].as_ptr())));
            for g in 0..if L::UNSIGNED { layer.groups } else { 0 } {
                let at = g.wrapping_mul(group_step).wrapping_add(block.wrapping_mul(block_step));
                let Some(group) = layer.weights.get(at..).and_then(|rest| rest.first_chunk::<GROUP>()) else { break };
                sums = L::dot(sums, zeros, L::group(group.as_ptr()));
            }
            *to = L::sums(sums);
        }
    }
}

/// The numbers of four rows side by side: `to[4·i + r] = rows[r][i]`.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(super) unsafe fn interleave<L: Lanes>(rows: [&[[i8; BLOCK]]; 4], to: &mut [[i8; GROUP]]) {
    let [a, b, c, d] = rows;
    for ((((a, b), c), d), to) in a.iter().zip(b).zip(c).zip(d).zip(to) {
        // SAFETY: as the caller says; sixteen numbers of each row may be read.
        unsafe { L::interleave([a, b, c, d].map(|row| row.as_ptr()), to) };
    }
}
