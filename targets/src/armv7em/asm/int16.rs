//! The loops in int16.

use core::arch::naked_asm;

use super::passes;
use crate::armv7em::tile::{Run, Square};
use crate::wide::{MOST, Wide};

/// Groups of four that are summed at once; a multiple of what the loop holds.
const BLOCK: usize = MOST / 4;

/// The output in `$sum` of a sum in 32 bits, on which the bias in `$lo` and `$hi` is added: half of the divisor's upper word is in r12, its shift in lr.
macro_rules! wide {
    ($sum:literal, $lo:literal, $hi:literal, $multiplier:literal) => {
        concat!(
            "adds ",
            $lo,
            ", ",
            $lo,
            ", ",
            $sum,
            "\n",
            "adc ",
            $hi,
            ", ",
            $hi,
            ", ",
            $sum,
            ", asr #31\n",
            "umull ",
            $lo,
            ", ",
            $sum,
            ", ",
            $lo,
            ", ",
            $multiplier,
            "\n",
            "mla ",
            $sum,
            ", ",
            $hi,
            ", ",
            $multiplier,
            ", ",
            $sum,
            "\n",
            "add ",
            $sum,
            ", r12\n",
            "asr ",
            $sum,
            ", lr\n",
            "ssat ",
            $sum,
            ", #16, ",
            $sum,
            "\n",
        )
    };
}

/// Two outputs in a word between the limits in r0 and r1, each twice in a word; r2 is lost.
macro_rules! limit {
    ($word:literal) => {
        concat!(
            "ssub16 r2, ",
            $word,
            ", r0\n",
            "sel ",
            $word,
            ", ",
            $word,
            ", r0\n",
            "ssub16 r2, r1, ",
            $word,
            "\n",
            "sel ",
            $word,
            ", ",
            $word,
            ", r1\n",
        )
    };
}

/// The arguments of `square_loop`, in the order of its frame.
#[repr(C)]
struct SquareArguments {
    multipliers: *const i32,
    first: *mut i16,
    second: *mut i16,
    bias: *const i64,
    /// What is added to a product's upper word, and its shift; limits.
    upper: [u32; 2],
    limits: [u32; 2],
    multiplier_bytes: usize,
    x: *const [u32; 4],
    passes: usize,
    skip: usize,
    end: *mut i16,
    /// Blocks after the first; counted down, and what it begins with.
    more: [usize; 2],
    weights: *const [u32; 2],
}

/// See [`Square`]; it must fit.
#[inline(always)]
pub(in crate::armv7em) fn square(square: &mut Square<'_>) {
    let groups = square.x.len();
    let more = groups.saturating_sub(1) / BLOCK;
    let [passes, skip] = passes(groups.wrapping_sub(more.wrapping_mul(BLOCK)), 4, 56);
    let first = square.y.as_mut_ptr();
    let arguments = SquareArguments {
        multipliers: square.rounding.multipliers.as_ptr(),
        first,
        second: first.wrapping_add(square.second),
        bias: square.bias.as_ptr(),
        upper: square.wide.upper(),
        limits: square.wide.limits(),
        multiplier_bytes: square.rounding.step(square.outputs, 2).wrapping_mul(4),
        x: square.x.as_ptr(),
        passes,
        skip,
        end: first.wrapping_add(square.outputs),
        more: [more; 2],
        weights: square.weights.as_ptr(),
    };
    // SAFETY: `Square::fits` holds: there are groups, the outputs are even and at least two, weights and biases are there for all of them,
    // multipliers for all or for the tile that step 0 repeats, and room for all outputs from `first` and from `second` on.
    unsafe { square_loop(&raw const arguments) }
}

/// A tile of 2 × 2: r4 and r5 are the first pixel's sums, r6 and r7 the second one's; r0 to r3 activations, r8, r9 and lr weights, r10 and r11 point to
/// both, r12 counts passes. 14 instructions for 16 products.
///
/// [`MOST`] products fit into 32 bits. So a sum is taken in blocks of 124 groups: at `9:` each is added to 64 bits that
/// are in the frame and began as the bias. The last one, at `8:`, is added on the way to the output, to what r8 and r9 point to for either pixel.
#[unsafe(naked)]
unsafe extern "C" fn square_loop(arguments: *const SquareArguments) {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "sub sp, #92",
        "ldm r0!, {{r1-r8}}",
        "stm sp, {{r1-r8}}",
        "ldm r0, {{r1-r8}}",
        "adr.w r9, 3f",
        "add r4, r9",
        "orr r4, r4, #1",
        "add r9, sp, #32",
        "stm r9, {{r1-r7}}",
        "mov r11, r8",
        "2:",
        "mov r4, #0",
        "mov r5, #0",
        "mov r6, #0",
        "mov r7, #0",
        "ldrd r10, r12, [sp, #36]",
        "ldr pc, [sp, #44]",
        "3:",
        ".rept 4",
        "ldm r10!, {{r0-r3}}",
        "ldrd r8, r9, [r11], #8",
        "sxtb16 lr, r8",
        "smlad r4, r0, lr, r4",
        "smlad r6, r2, lr, r6",
        "sxtb16 lr, r8, ror #8",
        "smlad r4, r1, lr, r4",
        "smlad r6, r3, lr, r6",
        "sxtb16 lr, r9",
        "smlad r5, r0, lr, r5",
        "smlad r7, r2, lr, r7",
        "sxtb16 lr, r9, ror #8",
        "smlad r5, r1, lr, r5",
        "smlad r7, r3, lr, r7",
        ".endr",
        "subs r12, #1",
        "bne 3b",
        "ldr r0, [sp, #56]",
        "ldr r8, [sp, #12]",
        "mov r9, r8",
        "cmp r0, #0",
        "bne 9f",
        "8:",
        "ldr r10, [sp]",
        "ldr r0, [sp, #32]",
        "ldrd r2, r3, [r10]",
        "add r10, r0",
        "str r10, [sp]",
        "ldr r12, [sp, #16]",
        "ldr lr, [sp, #20]",
        "ldrd r0, r1, [r8]",
        wide!("r4", "r0", "r1", "r2"),
        "ldrd r0, r1, [r8, #8]",
        wide!("r5", "r0", "r1", "r3"),
        "ldrd r0, r1, [r9]",
        wide!("r6", "r0", "r1", "r2"),
        "ldrd r0, r1, [r9, #8]",
        wide!("r7", "r0", "r1", "r3"),
        "pkhbt r4, r4, r5, lsl #16",
        "pkhbt r6, r6, r7, lsl #16",
        "ldrd r0, r1, [sp, #24]",
        limit!("r4"),
        limit!("r6"),
        "add r3, sp, #4",
        "ldm r3, {{r0, r1, r2}}",
        "str r6, [r1], #4",
        "str r4, [r0], #4",
        "add r2, #16",
        "stm r3, {{r0, r1, r2}}",
        "ldr r1, [sp, #48]",
        "cmp r0, r1",
        "bne.w 2b",
        "add sp, #92",
        "pop {{r4-r11, pc}}",
        // A block of several: r0 is how many there are after the first, r1 how many after this one.
        "9:",
        "ldr r1, [sp, #52]",
        "add r2, sp, #60",
        "cmp r1, r0",
        "itt ne",
        "movne r8, r2",
        "addne r9, r2, #16",
        "ldrd r3, r12, [r8]",
        "adds r3, r3, r4",
        "adc r12, r12, r4, asr #31",
        "strd r3, r12, [r2]",
        "ldrd r3, r12, [r8, #8]",
        "adds r3, r3, r5",
        "adc r12, r12, r5, asr #31",
        "strd r3, r12, [r2, #8]",
        "ldrd r3, r12, [r9]",
        "adds r3, r3, r6",
        "adc r12, r12, r6, asr #31",
        "strd r3, r12, [r2, #16]",
        "ldrd r3, r12, [r9, #8]",
        "adds r3, r3, r7",
        "adc r12, r12, r7, asr #31",
        "strd r3, r12, [r2, #24]",
        "mov r4, #0",
        "mov r5, #0",
        "mov r6, #0",
        "mov r7, #0",
        "mov r12, #31",
        "subs r1, #1",
        "bmi 7f",
        "str r1, [sp, #52]",
        "b.w 3b",
        "7:",
        "str r0, [sp, #52]",
        "mov r8, r2",
        "add r9, r2, #16",
        "b.w 8b",
    )
}

/// The arguments of `run_loop`, in the order of its frame.
#[repr(C)]
struct RunArguments {
    multipliers: *const i32,
    y: *mut i16,
    stride: usize,
    row_end: *mut i16,
    bias: *const i64,
    taps: *const [u32; 4],
    passes: usize,
    step_bytes: usize,
    upper: [u32; 2],
    limits: [u32; 2],
    skip: usize,
    end: *mut i16,
    row_bytes: usize,
    /// From the end of a row to the next row in the plane.
    down_bytes: usize,
    plane: *const u32,
}

/// See [`Run`]; called for [`Channels`](crate::armv7em::tile::Channels) that fit.
#[inline(always)]
pub(in crate::armv7em) fn run_i16(run: &mut Run<'_, i16, 4>, wide: &Wide) {
    let [passes, skip] = passes(run.taps.len(), 5, 28);
    let y = run.y.as_mut_ptr();
    let ([rows, width], [down, step]) = (run.size, run.steps);
    let row = width.wrapping_mul(run.stride);
    let arguments = RunArguments {
        multipliers: run.multipliers.as_ptr(),
        y,
        stride: run.stride.wrapping_mul(2),
        row_end: y.wrapping_add(row),
        bias: run.bias.as_ptr(),
        taps: run.taps.as_ptr(),
        passes,
        step_bytes: step.wrapping_mul(4),
        upper: wide.upper(),
        limits: wide.limits(),
        skip,
        end: y.wrapping_add(row.wrapping_mul(rows)),
        row_bytes: row.wrapping_mul(2),
        down_bytes: down.wrapping_sub(width.wrapping_mul(step)).wrapping_mul(4),
        plane: run.plane.as_ptr(),
    };
    // SAFETY: `Channels::fits` holds: there are taps and pixels, the farthest tap of the last pixel lies in the plane, the last pixel's outputs of
    // any two channels lie in `y`, and the ends of rows are met since the stride is not 0.
    unsafe { run_loop(&raw const arguments) }
}

/// Two channels of a pixel: r4 and r5 are the sums, r0 and r1 two taps' words of both channels, r2 and r3 their weights, r10 and r11 point to pixel and
/// taps, r12 counts passes. 7 instructions for 4 products, whose sums fit into 32 bits for at most [`MOST`] taps.
#[unsafe(naked)]
unsafe extern "C" fn run_loop(arguments: *const RunArguments) {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "sub sp, #64",
        "ldm r0!, {{r1-r8}}",
        "stm sp, {{r1-r8}}",
        "ldm r0, {{r1-r8, r10}}",
        "adr.w r9, 3f",
        "add r5, r9",
        "orr r5, r5, #1",
        "add r9, sp, #32",
        "stm r9, {{r1-r8}}",
        "2:",
        "mov r4, #0",
        "mov r5, #0",
        "ldrd r11, r12, [sp, #20]",
        "ldr pc, [sp, #48]",
        "3:",
        ".rept 5",
        "ldm r11!, {{r0, r1, r2, r3}}",
        "ldr r0, [r10, r0]",
        "ldr r1, [r10, r1]",
        "smlabb r4, r0, r2, r4",
        "smlatt r5, r0, r2, r5",
        "smlabb r4, r1, r3, r4",
        "smlatt r5, r1, r3, r5",
        ".endr",
        "subs r12, #1",
        "bne 3b",
        "ldr r0, [sp]",
        "ldr r1, [sp, #16]",
        "ldrd r2, r3, [r0]",
        "ldm r1, {{r0, r1, r8, r9}}",
        "ldrd r12, lr, [sp, #32]",
        wide!("r4", "r0", "r1", "r2"),
        wide!("r5", "r8", "r9", "r3"),
        "pkhbt r4, r4, r5, lsl #16",
        "ldrd r0, r1, [sp, #40]",
        limit!("r4"),
        "add r3, sp, #4",
        "ldm r3, {{r0, r1, r2}}",
        "str r4, [r0]",
        "add r0, r1",
        "str r0, [sp, #4]",
        "ldr r1, [sp, #28]",
        "add r10, r1",
        "cmp r0, r2",
        "bne 2b",
        "ldrd r1, r3, [sp, #56]",
        "add r2, r1",
        "str r2, [sp, #12]",
        "add r10, r3",
        "ldr r1, [sp, #52]",
        "cmp r0, r1",
        "bne 2b",
        "add sp, #64",
        "pop {{r4-r11, pc}}",
    )
}
