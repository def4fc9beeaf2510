//! The loops for 32-bit Arm that take a whole block: sixteen numbers in f32, and pools of sixteen channels.

use super::pool;
use super::reals::{Depth, Layer, Square};
use super::tile::BLOCK;
use crate::armv7::{self, Reals, Rectangle};
use crate::pool::{Average, Pool};

/// See [`Square`].
///
/// # Safety
/// The processor has NEON, and [`Square::fits`].
pub(super) unsafe fn real_square(square: &mut Square<'_>) {
    let Square { x, step, count, runs, len, layer, ref mut y } = *square;
    let reals = |tile| Reals { places: runs.as_ptr(), place_count: runs.len(), len, ..tile };
    // SAFETY: `fits` says that there are runs, that those of all pixels lie in `x`, and that each block has sixteen weights for every number of
    // them.
    each(layer, (x, [step, 0], count), y, |tile| unsafe { armv7::real_pixels(&reals(tile)) });
}

/// The same for one pixel.
///
/// # Safety
/// The processor has NEON, and [`Square::fits`].
pub(super) unsafe fn real_vector(square: &mut Square<'_>) {
    let Square { x, count: 1, runs: runs @ [_], len, layer, ref mut y, .. } = *square else {
        // SAFETY: as the caller says.
        return unsafe { real_square(square) };
    };
    for (block, y) in y.get_mut(..layer.outputs).unwrap_or_default().chunks_mut(BLOCK).enumerate() {
        let (bias, mut results) = (layer.biases(block), [0.0; BLOCK]);
        let tile = tile(&layer, block, &bias);
        let reals = Reals { x: x.as_ptr(), y: results.as_mut_ptr(), places: runs.as_ptr(), len, ..tile };
        // SAFETY: `fits` says that the run lies in `x`, and that each block has sixteen weights for every number of it.
        unsafe { armv7::real_vector(&reals) };
        y.iter_mut().zip(results).for_each(|(to, from)| *to = from);
    }
}

/// See [`Depth`].
///
/// # Safety
/// The processor has NEON, and [`Depth::fits`].
pub(super) unsafe fn real_depth(depth: &mut Depth<'_>) {
    let Depth { x, step, count, taps, layer, ref mut y } = *depth;
    let reals = |tile| Reals { places: taps.as_ptr(), place_count: taps.len(), ..tile };
    // SAFETY: `fits` says that there are taps, that each block has sixteen weights for each, and that what those of all pixels read lies in `x`.
    each(layer, (x, [step, BLOCK], count), y, |tile| unsafe { armv7::real_columns(&reals(tile)) });
}

/// Computes all pixels, block after block of the outputs; what a block reads of a pixel is `across` numbers behind what the one before reads.
fn each(
    layer: Layer<'_>,
    (x, [step, across], count): (&[f32], [usize; 2], usize),
    y: &mut [f32],
    compute: impl Fn(Reals),
) {
    let outputs = layer.outputs;
    let Some(y) = count.checked_mul(outputs).and_then(|len| y.get_mut(..len)) else { return };
    for (block, first) in (0..outputs).step_by(BLOCK).enumerate() {
        let (bias, x) = (layer.biases(block), x.as_ptr().wrapping_add(block.wrapping_mul(across)));
        let tile = Reals { x, step: step.wrapping_mul(size_of::<f32>()), ..tile(&layer, block, &bias) };
        match outputs.wrapping_sub(first) {
            BLOCK.. => whole(tile, count, (&mut *y, first, outputs), &compute),
            _ => part(tile, (&mut *y, first, outputs), &compute),
        }
    }
}

/// Sixteen outputs of all pixels, written where they belong. Of an odd number the last pixel is computed twice, at one place.
fn whole(tile: Reals, count: usize, (y, first, outputs): (&mut [f32], usize, usize), compute: impl Fn(Reals)) {
    let y = y.as_mut_ptr().wrapping_add(first);
    if count > 1 {
        compute(Reals { count: count / 2, y, y_step: outputs.wrapping_mul(size_of::<f32>()), ..tile });
    }
    if count % 2 > 0 {
        let last = count.wrapping_sub(1);
        let (x, y) =
            (tile.x.wrapping_byte_add(last.wrapping_mul(tile.step)), y.wrapping_add(last.wrapping_mul(outputs)));
        compute(Reals { x, step: 0, y, y_step: 0, ..tile });
    }
}

/// The outputs behind the last sixteen, by way of places for sixteen.
fn part(tile: Reals, (y, first, outputs): (&mut [f32], usize, usize), compute: impl Fn(Reals)) {
    for (two, rows) in y.chunks_mut(outputs.wrapping_mul(2)).enumerate() {
        let mut results = [[0.0; BLOCK]; 2];
        let x = tile.x.wrapping_byte_add(two.wrapping_mul(2).wrapping_mul(tile.step));
        let step = if rows.len() > outputs { tile.step } else { 0 };
        compute(Reals { x, step, y: results.as_mut_ptr().cast(), y_step: size_of_val(&results[0]), ..tile });
        for (row, results) in rows.chunks_mut(outputs).zip(&results) {
            row.iter_mut().skip(first).zip(results).for_each(|(to, from)| *to = *from);
        }
    }
}

/// The constants of a block, without what it reads and writes.
fn tile(layer: &Layer<'_>, block: usize, bias: &[f32; BLOCK]) -> Reals {
    Reals {
        x: core::ptr::null(),
        step: 0,
        count: 1,
        weights: layer.weights.as_ptr().wrapping_add(layer.at(block)),
        bias: bias.as_ptr(),
        y: core::ptr::null_mut(),
        y_step: 0,
        limits: layer.limits,
        places: core::ptr::null(),
        place_count: 1,
        len: 0,
    }
}

/// An average of pixels; of fewer than sixteen channels in plain Rust.
///
/// # Safety
/// The processor has NEON.
pub(super) unsafe fn average(pool: &mut Pool<'_>, numbers: Average) {
    // SAFETY: `rectangles` says that all pixels and outputs are there.
    let done = rectangles(pool, numbers, |rectangle| unsafe { armv7::average(rectangle) });
    done.unwrap_or_else(|| pool::average(pool, numbers));
}

/// The greatest of pixels; of fewer than sixteen channels in plain Rust.
///
/// # Safety
/// The processor has NEON.
pub(super) unsafe fn maximum(pool: &mut Pool<'_>) {
    let none = Average { bias: 0, multiplier: 0, zero: 0 };
    // SAFETY: `rectangles` says that all pixels and outputs are there.
    let done = rectangles(pool, none, |rectangle| unsafe { armv7::greatest(rectangle) });
    done.unwrap_or_else(|| pool::maximum(pool));
}

/// All channels by sixteens, the last sixteen anew where they are not whole; `None` if there are fewer, or not all pixels are there.
fn rectangles(pool: &mut Pool<'_>, numbers: Average, compute: impl Fn(&Rectangle)) -> Option<()> {
    let last = pool.y.len().checked_sub(BLOCK).filter(|_| pool.fits())?;
    let (x, y, count) = (pool.x.as_ptr(), pool.y.as_mut_ptr(), pool.y.len() / BLOCK);
    let Average { bias, multiplier, zero } = numbers;
    let Pool { size, steps, limits, .. } = *pool;
    let all = Rectangle { x, size, steps, y, count, bias, multiplier, zero: zero as i16, limits };
    compute(&all);
    if !last.is_multiple_of(BLOCK) {
        compute(&Rectangle { x: x.wrapping_add(last), y: y.wrapping_add(last), count: 1, ..all });
    }
    Some(())
}
