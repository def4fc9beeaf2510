//! The loops for 32-bit Arm, where registers are too few for sixteen lanes of two pixels: eight lanes, half of a block, at a time.

use super::tile::{BLOCK, Depth, GROUP, Layer, Square};
use crate::add::Add;
use crate::armv7::{self, Columns, Pixels, Sum, Tile};

/// Lanes of a half.
const HALF: usize = BLOCK / 2;
/// Bytes of a half's numbers in a group.
const BYTES: usize = GROUP / 2;
/// Numbers that are looked through at a time.
const CHUNK: usize = 32;

/// See [`Square`].
///
/// # Safety
/// The processor has NEON, and [`Square::fits`].
pub(super) unsafe fn square(square: &mut Square<'_>) {
    let Square { x, step, count, runs, len, layer, ref mut y } = *square;
    let eights = if layer.pairs { len / 8 } else { 0 };
    let fours = (len / 4).wrapping_sub(eights.wrapping_mul(2));
    let pixels = |tile| Pixels { tile, runs: runs.as_ptr(), run_count: runs.len(), eights, fours };
    // SAFETY: `fits` says that there are runs, that those of all pixels lie in `x`, and that the weights have a group for every four bytes of
    // the runs in each block.
    each(layer, (x, [step, 0], count), y, |tile| unsafe { armv7::pixels(&pixels(tile)) });
}

/// The same for one pixel.
///
/// # Safety
/// The processor has NEON, and [`Square::fits`].
pub(super) unsafe fn vector(square: &mut Square<'_>) {
    let Square { x, count: 1, runs: [run], len, layer, ref mut y, .. } = *square else {
        // SAFETY: as the caller says.
        return unsafe { self::square(square) };
    };
    for (block, y) in y.get_mut(..layer.outputs).unwrap_or_default().chunks_mut(BLOCK).enumerate() {
        let mut results = [0; BLOCK];
        let tile = Tile {
            x: x.as_ptr().wrapping_add(*run),
            second: HALF.wrapping_mul(size_of::<i32>()),
            y: results.as_mut_ptr(),
            y_step: HALF,
            ..tile(layer, block.wrapping_mul(2))
        };
        // SAFETY: `fits` says that the run lies in `x`, and that the weights have a group for every four bytes of it in each block.
        unsafe { armv7::vector(&tile, len / 4) };
        y.iter_mut().zip(results).for_each(|(to, from)| *to = from);
    }
}

/// See [`Depth`]; one row.
///
/// # Safety
/// The processor has NEON, and [`Depth::fits`].
pub(super) unsafe fn depth(depth: &mut Depth<'_>) {
    let Depth { x, steps: [rows, step, tap], count, taps: [fours, taps], layer, ref mut y, .. } = *depth;
    // SAFETY: `fits` says that there are taps, that what those of all pixels read lies in `x`, and that there are weights of all taps.
    each(layer, (x, [step, BYTES], count), y, |tile| unsafe {
        armv7::columns(&mut Columns { tile, fours, rows, taps, tap });
    });
}

/// Computes all pixels, half after half of the outputs; what a half reads of a pixel is so many bytes behind what the one before reads.
fn each(
    layer: &Layer<'_>,
    (x, [step, across], count): (&[i8], [usize; 2], usize),
    y: &mut [i8],
    compute: impl Fn(Tile),
) {
    let outputs = layer.outputs;
    let Some(y) = count.checked_mul(outputs).and_then(|len| y.get_mut(..len)) else { return };
    for half in 0..outputs.div_ceil(HALF) {
        let first = half.wrapping_mul(HALF);
        let x = x.as_ptr().wrapping_add(half.wrapping_mul(across));
        let tile = Tile { x, step, ..tile(layer, half) };
        match outputs.wrapping_sub(first) {
            HALF.. => whole(tile, count, (&mut *y, first, outputs), &compute),
            _ => part(tile, (&mut *y, first, outputs), &compute),
        }
    }
}

/// Eight outputs of all pixels, written where they belong. Of an odd number the last pixel is computed twice, at one place.
fn whole(tile: Tile, count: usize, (y, first, outputs): (&mut [i8], usize, usize), compute: impl Fn(Tile)) {
    let y = y.as_mut_ptr().wrapping_add(first);
    if count > 1 {
        compute(Tile { count: count / 2, y, y_step: outputs, ..tile });
    }
    if count % 2 > 0 {
        let last = count.wrapping_sub(1);
        let (x, y) = (tile.x.wrapping_add(last.wrapping_mul(tile.step)), y.wrapping_add(last.wrapping_mul(outputs)));
        compute(Tile { x, step: 0, y, y_step: 0, ..tile });
    }
}

/// The outputs behind the last eight, by way of places for eight.
fn part(tile: Tile, (y, first, outputs): (&mut [i8], usize, usize), compute: impl Fn(Tile)) {
    for (two, rows) in y.chunks_mut(outputs.wrapping_mul(2)).enumerate() {
        let mut results = [[0; HALF]; 2];
        let x = tile.x.wrapping_add(two.wrapping_mul(2).wrapping_mul(tile.step));
        let step = if rows.len() > outputs { tile.step } else { 0 };
        compute(Tile { x, step, y: results.as_mut_ptr().cast(), y_step: HALF, ..tile });
        for (row, results) in rows.chunks_mut(outputs).zip(&results) {
            row.iter_mut().skip(first).zip(results).for_each(|(to, from)| *to = *from);
        }
    }
}

/// The constants of a half, without what it reads and writes.
fn tile(layer: &Layer<'_>, half: usize) -> Tile {
    let (block, lane) = (half / 2, half.wrapping_rem(2).wrapping_mul(HALF));
    let (sixteen, [group_step, block_step]) = (layer.sixteen(block), layer.steps);
    let at = block.wrapping_mul(block_step).wrapping_add(lane.wrapping_mul(4));
    Tile {
        x: core::ptr::null(),
        step: 0,
        count: 1,
        weights: layer.weights.as_ptr().wrapping_add(at),
        group_step,
        bias: sixteen.bias.as_ptr().wrapping_add(lane),
        multipliers: sixteen.multipliers.as_ptr().wrapping_add(lane),
        second: 0,
        y: core::ptr::null_mut(),
        y_step: 0,
        zero: sixteen.zero.into(),
        limits: sixteen.limits,
    }
}

/// Whether no weight is −128.
///
/// # Safety
/// The processor has NEON.
pub(super) unsafe fn pairs(weights: &[i8]) -> bool {
    let (chunks, rest) = weights.as_chunks::<CHUNK>();
    // SAFETY: as the caller says; so many weights may be read.
    let least = unsafe { armv7::least(weights.as_ptr(), chunks.len()) };
    rest.iter().fold(least, |least, w| least.min(*w)) > i8::MIN
}

/// The numbers of four rows side by side: `to[4·i + r] = rows[r][i]`.
///
/// # Safety
/// The processor has NEON.
pub(super) unsafe fn interleave(rows: [&[[i8; BLOCK]]; 4], to: &mut [[i8; GROUP]]) {
    let chunks = rows.iter().fold(to.len(), |len, row| len.min(row.len()));
    // SAFETY: as the caller says; all rows and what is written have so many chunks.
    unsafe { armv7::interleave(rows.map(|row| row.as_ptr().cast()), to.as_mut_ptr().cast(), chunks) }
}

/// A sum of two tensors; what is no whole half in plain Rust.
///
/// # Safety
/// The processor has NEON.
pub(super) unsafe fn add(add: &mut Add<'_>) {
    let (count, y) = (add.y.len() / HALF, add.y.as_mut_ptr());
    let [a, b] = add.operands.map(|operand| operand.map_or(y.cast_const(), <[i8]>::as_ptr));
    let Add { multipliers, bias, zero, limits, .. } = *add;
    let shift = i32::from(add.shift).wrapping_neg();
    if count > 0 {
        // SAFETY: operands have as many numbers as there are outputs, or are the outputs, of which eight are read before they are written.
        unsafe { armv7::add(&Sum { a, b, y, count, multipliers, bias, shift, zero: zero.into(), limits }) }
    }
    let done = count.wrapping_mul(HALF);
    let operands = add.operands.map(|operand| operand.map(|operand| operand.get(done..).unwrap_or_default()));
    Add { operands, y: add.y.get_mut(done..).unwrap_or_default(), ..*add }.compute();
}
