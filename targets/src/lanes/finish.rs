//! What becomes of the sums of a tile: int8, where it belongs.

use super::loops::Vectors;
use super::tile::{BLOCK, Layer, put_block};

/// Writes the results of `P` pixels by `V` blocks from a pixel and a block on.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(super) unsafe fn tile<L: Vectors, const P: usize, const V: usize>(
    layer: &Layer<'_>,
    y: &mut [i8],
    [first, block]: [usize; 2],
    sums: &[[L::Sums; V]; P],
) {
    // SAFETY: as the caller says.
    let to = unsafe { roundings::<L, V>(layer, block) };
    if L::TOGETHER {
        // SAFETY: the same.
        return unsafe { together::<L, P, V>(layer, y, [first, block], (sums, &to)) };
    }
    for (v, to) in to.iter().enumerate() {
        for (p, sums) in sums.iter().enumerate() {
            let y = layer.room::<1>(y, [first.wrapping_add(p), block.wrapping_add(v)]);
            // SAFETY: the same.
            put_block(y, &unsafe { L::finish(sums[v], to) });
        }
    }
}

/// Writes the results of a tile, of four sums at a time: blocks of a pixel, or pixels whose results are neighbors or have but one block.
#[inline(always)]
unsafe fn together<L: Vectors, const P: usize, const V: usize>(
    layer: &Layer<'_>,
    y: &mut [i8],
    [first, block]: [usize; 2],
    (sums, to): (&[[L::Sums; V]; P], &[L::Rounding<'_>; V]),
) {
    let (pixels, mut done) = (4 / V, 0);
    if V != 2 || layer.outputs == V.wrapping_mul(BLOCK) {
        let mut four = [to[0]; 4];
        four.iter_mut().zip(to.iter().cycle()).for_each(|(four, to)| *four = *to);
        // Written out, so that sums stay in registers.
        macro_rules! each {
            ($($n:literal)*) => {$(
                if let Some(sums) = sums.as_flattened().as_chunks::<4>().0.get($n) {
                    // SAFETY: as the caller says.
                    unsafe { four_sums::<L, V>(layer, y, [first.wrapping_add(done), block], (sums, &four)) };
                    done = done.wrapping_add(pixels);
                }
            )*};
        }
        each!(0 1 2 3 4 5);
    }
    for (p, sums) in sums.iter().enumerate().skip(done) {
        // SAFETY: as the caller says.
        unsafe { L::finish_all(sums, to, layer.room::<V>(y, [first.wrapping_add(p), block])) };
    }
}

/// Writes the results of four sums, of `V` blocks each of some pixels.
#[inline(always)]
unsafe fn four_sums<L: Vectors, const V: usize>(
    layer: &Layer<'_>,
    y: &mut [i8],
    [pixel, block]: [usize; 2],
    (sums, to): (&[L::Sums; 4], &[L::Rounding<'_>; 4]),
) {
    let (apart, mut spare) = (V == 1 && layer.outputs != BLOCK, [[0; BLOCK]; 4]);
    let room = if apart { spare.as_flattened_mut() } else { layer.room_of_four::<V>(y, [pixel, block]) };
    // SAFETY: as the caller says.
    unsafe { L::finish_all(sums, to, room) };
    if apart {
        layer.put_pixels(y, [pixel, block], &spare);
    }
}

/// What brings the sums of `V` blocks to int8.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(super) unsafe fn roundings<'a, L: Vectors, const V: usize>(
    layer: &'a Layer<'_>,
    block: usize,
) -> [L::Rounding<'a>; V] {
    // SAFETY: as the caller says.
    let mut all = [unsafe { L::rounding(layer.sixteen(block)) }; V];
    for (v, to) in all.iter_mut().enumerate() {
        // SAFETY: the same.
        *to = unsafe { L::rounding(layer.sixteen(block.wrapping_add(v))) };
    }
    all
}
