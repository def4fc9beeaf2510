//! The loops in Armv7E-M assembly. Each is a function of its own with the C calling convention, given one pointer to its arguments, so
//! that all fourteen registers are its own; what the inner loop does not need waits in a frame on the stack.
//!
//! An inner loop is written out a few times and entered in the middle, so that any number of rounds costs one counter for a few of
//! them: `skip` is the length of the code that the first pass leaves out.

use core::arch::{asm, naked_asm};

use super::tile::{Column, Pair, Run};

/// What lets the assembler know the instructions: nothing where the target has them.
#[cfg(dsp = "armv7e-m")]
macro_rules! arch {
    () => {
        ""
    };
}
#[cfg(dsp = "armv8-m")]
macro_rules! arch {
    () => {
        ".cpu cortex-m33"
    };
}

/// Widens each of `from` to words `at` and `at + 1` of one of `to`; both are as many, at least one, and `at + 2 ≤ N`.
#[inline(always)]
pub(super) fn widen<const N: usize>(from: &[[i8; 4]], to: &mut [[u32; N]], at: usize) {
    // SAFETY: the loop reads `from.len()` words from `from` on, LDR at any address, and writes two words, from `at` on, of as many groups
    // of `4·N` bytes, aligned as `u32`.
    unsafe {
        asm!(
            arch!(),
            "2:",
            "ldr {word}, [{from}], #4",
            "sxtb16 {even}, {word}",
            "sxtb16 {word}, {word}, ror #8",
            "strd {even}, {word}, [{to}], #{group}",
            "cmp {from}, {end}",
            "bne 2b",
            from = inout(reg) from.as_ptr() => _,
            end = in(reg) from.as_ptr_range().end,
            to = inout(reg) to.as_mut_ptr().cast::<u32>().wrapping_add(at) => _,
            word = out(reg) _,
            even = out(reg) _,
            group = const 4 * N,
            options(nostack),
        );
    }
}

/// Copies bytes, at least four; both are as many.
#[inline(always)]
pub(super) fn copy(from: &[i8], to: &mut [i8]) {
    let last = from.len().wrapping_sub(4);
    // SAFETY: the loop copies words at any address while they begin before the last four bytes, which are copied by themselves.
    unsafe {
        asm!(
            "2:",
            "ldr {word}, [{from}], #4",
            "cmp {from}, {last}",
            "str {word}, [{to}], #4",
            "blo 2b",
            "ldr {word}, [{last}]",
            "str {word}, [{to_last}]",
            from = inout(reg) from.as_ptr() => _,
            last = in(reg) from.as_ptr().wrapping_add(last),
            to = inout(reg) to.as_mut_ptr() => _,
            to_last = in(reg) to.as_mut_ptr().wrapping_add(last),
            word = out(reg) _,
            options(nostack),
        );
    }
}

/// Copies runs of `len` bytes, at least four, that begin `stride` apart, until `to` is full; it is a multiple of `len`, and not empty.
#[inline(always)]
pub(super) fn copy_rows(from: &[i8], stride: usize, len: usize, to: &mut [i8]) {
    // SAFETY: each run is copied as in `copy`, to the end of the one before; the runs are in `from`, and the last ends where `to` does.
    unsafe {
        asm!(
            "2:",
            "mov {at}, {from}",
            "add {last}, {from}, {len}",
            "add {to_last}, {to}, {len}",
            "3:",
            "ldr {word}, [{at}], #4",
            "cmp {at}, {last}",
            "str {word}, [{to}], #4",
            "blo 3b",
            "ldr {word}, [{last}]",
            "str {word}, [{to_last}]",
            "add {to}, {to_last}, #4",
            "add {from}, {stride}",
            "cmp {to}, {end}",
            "bne 2b",
            from = inout(reg) from.as_ptr() => _,
            stride = in(reg) stride,
            len = in(reg) len.wrapping_sub(4),
            to = inout(reg) to.as_mut_ptr() => _,
            end = in(reg) to.as_mut_ptr_range().end,
            at = out(reg) _,
            last = out(reg) _,
            to_last = out(reg) _,
            word = out(reg) _,
            options(nostack),
        );
    }
}

/// Copies words, at least one, that are `stride` bytes apart; the last ends within `from`.
#[inline(always)]
pub(super) fn words(from: &[i8], stride: usize, to: &mut [u32]) {
    let (pairs, odd) = (to.len() / 2, to.len() % 2);
    // SAFETY: the loop reads `to.len()` words, each `stride` bytes after the one before, of which the last ends within `from`, by LDR at
    // any address, and writes them from `to` on: one first if they are odd, then two at a time.
    unsafe {
        asm!(
            "cmp {odd}, #0",
            "beq 2f",
            "ldr {odd}, [{from}]",
            "add {from}, {stride}",
            "str {odd}, [{to}], #4",
            "cmp {pairs}, #0",
            "beq 3f",
            "2:",
            "ldr {odd}, [{from}]",
            "ldr {word}, [{from}, {stride}]",
            "add {from}, {from}, {stride}, lsl #1",
            "strd {odd}, {word}, [{to}], #8",
            "subs {pairs}, #1",
            "bne 2b",
            "3:",
            from = inout(reg) from.as_ptr() => _,
            stride = in(reg) stride,
            to = inout(reg) to.as_mut_ptr() => _,
            pairs = inout(reg) pairs => _,
            odd = inout(reg) odd => _,
            word = out(reg) _,
            options(nostack),
        );
    }
}

/// `Σ a[i]·b[i]`, wrapping; both are as many, at least one word.
#[inline(always)]
pub(super) fn dot_i8(a: &[[i8; 4]], b: &[[i8; 4]]) -> i32 {
    let mut sum = 0;
    // SAFETY: the loop reads the words of `a` and as many from `b` on, at any address.
    unsafe {
        asm!(
            arch!(),
            "2:",
            "ldr {w}, [{a}], #4",
            "ldr {x}, [{b}], #4",
            "sxtb16 {w_even}, {w}",
            "sxtb16 {x_even}, {x}",
            "sxtb16 {w}, {w}, ror #8",
            "sxtb16 {x}, {x}, ror #8",
            "smlad {sum}, {w_even}, {x_even}, {sum}",
            "smlad {sum}, {w}, {x}, {sum}",
            "cmp {a}, {end}",
            "bne 2b",
            a = inout(reg) a.as_ptr() => _,
            end = in(reg) a.as_ptr_range().end,
            b = inout(reg) b.as_ptr() => _,
            w = out(reg) _,
            x = out(reg) _,
            w_even = out(reg) _,
            x_even = out(reg) _,
            sum = inout(reg) sum,
            options(readonly, nostack),
        );
    }
    sum
}

/// The same of int16 activations, in 64 bits.
#[inline(always)]
pub(super) fn dot_i16(a: &[[i8; 4]], b: &[[i16; 4]]) -> i64 {
    let (mut low, mut high) = (0u32, 0u32);
    // SAFETY: the loop reads the words of `a` and twice as many from `b` on, at any address.
    unsafe {
        asm!(
            arch!(),
            "2:",
            "ldr {w}, [{a}], #4",
            "ldr {x}, [{b}], #4",
            "ldr {y}, [{b}], #4",
            "sxtb16 {even}, {w}",
            "sxtb16 {w}, {w}, ror #8",
            "pkhbt {pair}, {even}, {w}, lsl #16",
            "pkhtb {w}, {w}, {even}, asr #16",
            "smlald {low}, {high}, {pair}, {x}",
            "smlald {low}, {high}, {w}, {y}",
            "cmp {a}, {end}",
            "bne 2b",
            a = inout(reg) a.as_ptr() => _,
            end = in(reg) a.as_ptr_range().end,
            b = inout(reg) b.as_ptr() => _,
            w = out(reg) _,
            x = out(reg) _,
            y = out(reg) _,
            even = out(reg) _,
            pair = out(reg) _,
            low = inout(reg) low,
            high = inout(reg) high,
            options(readonly, nostack),
        );
    }
    (u64::from(high) << 32 | u64::from(low)) as i64
}

/// The same of int4 weights, two in a byte, summed sixteen times as large: a nibble stays in the upper half of its byte.
#[inline(always)]
pub(super) fn dot_w4(a: &[[i8; 4]], b: &[[i8; 8]]) -> i32 {
    let mut sum = 0i32;
    // SAFETY: the loop reads the words of `a` and twice as many from `b` on, at any address.
    unsafe {
        asm!(
            arch!(),
            "2:",
            "ldr {odd}, [{a}], #4",
            "ldr {x}, [{b}], #4",
            "ldr {y}, [{b}], #4",
            "and {even}, {mask}, {odd}, lsl #4",
            "and {odd}, {odd}, {mask}",
            // Activations (0, 1, 4, 5) and (2, 3, 6, 7).
            "pkhtb {z}, {y}, {x}, asr #16",
            "pkhbt {x}, {x}, {y}, lsl #16",
            "sxtb16 {y}, {x}",
            "sxtb16 {w}, {even}",
            "smlad {sum}, {w}, {y}, {sum}",
            "sxtb16 {y}, {x}, ror #8",
            "sxtb16 {w}, {odd}",
            "smlad {sum}, {w}, {y}, {sum}",
            "sxtb16 {y}, {z}",
            "sxtb16 {w}, {even}, ror #8",
            "smlad {sum}, {w}, {y}, {sum}",
            "sxtb16 {y}, {z}, ror #8",
            "sxtb16 {w}, {odd}, ror #8",
            "smlad {sum}, {w}, {y}, {sum}",
            "cmp {a}, {end}",
            "bne 2b",
            a = inout(reg) a.as_ptr() => _,
            end = in(reg) a.as_ptr_range().end,
            b = inout(reg) b.as_ptr() => _,
            mask = in(reg) 0xf0f0_f0f0u32,
            odd = out(reg) _,
            even = out(reg) _,
            w = out(reg) _,
            x = out(reg) _,
            y = out(reg) _,
            z = out(reg) _,
            sum = inout(reg) sum,
            options(readonly, nostack),
        );
    }
    sum >> 4
}

/// Passes over code that holds a round `unroll` times, and bytes of code that the first pass leaves out.
#[inline(always)]
const fn passes(rounds: usize, unroll: usize, bytes: usize) -> [usize; 2] {
    let passes = rounds.div_ceil(unroll);
    [passes, passes.wrapping_mul(unroll).wrapping_sub(rounds).wrapping_mul(bytes)]
}

/// The arguments of `pair_loop`, in the order of its frame.
#[repr(C)]
struct PairArguments {
    multipliers: *const i32,
    first: *mut i8,
    second: *mut i8,
    zero: i32,
    bias: *const i32,
    multiplier_bytes: usize,
    x: *const [u32; 4],
    passes: usize,
    skip: usize,
    end: *mut i8,
    weights: *const u32,
}

/// See [`Pair`]; it must fit.
#[inline(always)]
pub(super) fn pair<const W: usize>(pair: &mut Pair<'_, W>) {
    let [passes, skip] = passes(pair.x.len(), 4, if W == 2 { 56 } else { 68 });
    let first = pair.y.as_mut_ptr();
    let arguments = PairArguments {
        multipliers: pair.rounding.multipliers.as_ptr(),
        first,
        second: first.wrapping_add(pair.second),
        zero: pair.rounding.zero,
        bias: pair.bias.as_ptr(),
        multiplier_bytes: pair.rounding.step(pair.outputs, 2).wrapping_mul(4),
        x: pair.x.as_ptr(),
        passes,
        skip,
        end: first.wrapping_add(pair.outputs),
        weights: pair.weights.as_ptr().cast(),
    };
    // SAFETY: `Pair::fits` holds: there is a group, the outputs are even and at least two, weights and biases are there for all of them,
    // multipliers for all or for the one tile that step 0 repeats, and from `first` and from `second` on there is room for them.
    unsafe {
        match W {
            2 => pair_loop(&raw const arguments),
            _ => pair_loop_w4(&raw const arguments),
        }
    }
}

/// How both loops over pairs begin: the arguments go to the frame, where `skip` becomes an address in the unrolled code at `3:`.
macro_rules! pair_begin {
    () => {
        concat!(
            "push {{r4-r11, lr}}\n",
            "sub sp, #40\n",
            "ldm r0!, {{r1-r8}}\n",
            "stm sp, {{r1-r8}}\n",
            "ldm r0, {{r1, r2, r11}}\n",
            "adr.w r3, 3f\n",
            "add r1, r3\n",
            "orr r1, r1, #1\n",
            "strd r1, r2, [sp, #32]\n",
        )
    };
}

/// How they end, from the four sums on: rounds, stores, and goes on to the next two outputs at `2:`.
macro_rules! pair_end {
    () => {
        concat!(
            "ldm sp, {{r0-r3}}\n",
            "ldrd r8, r9, [r0]\n",
            "ldr r10, [sp, #20]\n",
            "add r0, r10\n",
            "smmlar r4, r4, r8, r3\n",
            "smmlar r5, r5, r8, r3\n",
            "smmlar r6, r6, r9, r3\n",
            "smmlar r7, r7, r9, r3\n",
            "ssat r4, #8, r4\n",
            "ssat r5, #8, r5\n",
            "ssat r6, #8, r6\n",
            "ssat r7, #8, r7\n",
            "strb r5, [r2], #1\n",
            "strb r7, [r2], #1\n",
            "strb r4, [r1], #1\n",
            "strb r6, [r1], #1\n",
            "stm sp, {{r0-r2}}\n",
            "ldr r3, [sp, #36]\n",
            "cmp r1, r3\n",
            "bne 2b\n",
            "add sp, #40\n",
            "pop {{r4-r11, pc}}\n",
        )
    };
}

/// A tile of 2 × 2: r4 to r7 are the sums, output by pixel; r0 to r3 activations, r8, r9 and lr weights, r10 and r11 point to both,
/// r12 counts passes. 14 instructions for 16 products.
#[unsafe(naked)]
unsafe extern "C" fn pair_loop(arguments: *const PairArguments) {
    naked_asm!(
        arch!(),
        pair_begin!(),
        "2:",
        "ldr r0, [sp, #16]",
        "ldrd r4, r6, [r0], #8",
        "str r0, [sp, #16]",
        "mov r5, r4",
        "mov r7, r6",
        "ldrd r10, r12, [sp, #24]",
        "ldr pc, [sp, #32]",
        "3:",
        ".rept 4",
        "ldm r10!, {{r0-r3}}",
        "ldrd r8, lr, [r11], #8",
        "sxtb16 r9, r8",
        "sxtb16 r8, r8, ror #8",
        "smlad r4, r0, r9, r4",
        "smlad r5, r2, r9, r5",
        "smlad r4, r1, r8, r4",
        "smlad r5, r3, r8, r5",
        "sxtb16 r9, lr",
        "sxtb16 lr, lr, ror #8",
        "smlad r6, r0, r9, r6",
        "smlad r7, r2, r9, r7",
        "smlad r6, r1, lr, r6",
        "smlad r7, r3, lr, r7",
        ".endr",
        "subs r12, #1",
        "bne 3b",
        pair_end!(),
    )
}

/// The same with int4 weights, which stay in the upper halves of bytes, so that the sums are sixteen times as large until the bias is
/// added. 17 instructions for 16 products.
#[unsafe(naked)]
unsafe extern "C" fn pair_loop_w4(arguments: *const PairArguments) {
    naked_asm!(
        arch!(),
        pair_begin!(),
        "2:",
        "mov r4, #0",
        "mov r5, #0",
        "mov r6, #0",
        "mov r7, #0",
        "ldrd r10, r12, [sp, #24]",
        "ldr pc, [sp, #32]",
        "3:",
        ".rept 4",
        "ldm r10!, {{r0-r3}}",
        "ldr r8, [r11], #4",
        "lsl r9, r8, #4",
        "and r8, r8, #0xf0f0f0f0",
        "and r9, r9, #0xf0f0f0f0",
        "sxtb16 lr, r9",
        "smlad r4, r0, lr, r4",
        "smlad r5, r2, lr, r5",
        "sxtb16 r9, r9, ror #8",
        "smlad r6, r0, r9, r6",
        "smlad r7, r2, r9, r7",
        "sxtb16 lr, r8",
        "smlad r4, r1, lr, r4",
        "smlad r5, r3, lr, r5",
        "sxtb16 r8, r8, ror #8",
        "smlad r6, r1, r8, r6",
        "smlad r7, r3, r8, r7",
        ".endr",
        "subs r12, #1",
        "bne 3b",
        "ldr r0, [sp, #16]",
        "ldrd r8, r9, [r0], #8",
        "str r0, [sp, #16]",
        "add r4, r8, r4, asr #4",
        "add r5, r8, r5, asr #4",
        "add r6, r9, r6, asr #4",
        "add r7, r9, r7, asr #4",
        pair_end!(),
    )
}

/// The arguments of `column_loop`, in the order of its frame.
#[repr(C)]
struct ColumnArguments {
    multipliers: *const i32,
    y: *mut i8,
    multiplier_bytes: usize,
    zero: i32,
    bias: *const i32,
    end: *mut i8,
    x: *const [u32; 2],
    passes: usize,
    skip: usize,
    weights: *const [u32; 4],
}

/// See [`Column`]; it must fit.
#[inline(always)]
pub(super) fn column(column: &mut Column<'_>) {
    let [passes, skip] = passes(column.x.len(), 6, 72);
    let outputs = column.y.len();
    let y = column.y.as_mut_ptr();
    let arguments = ColumnArguments {
        multipliers: column.rounding.multipliers.as_ptr(),
        y,
        multiplier_bytes: column.rounding.step(outputs, 4).wrapping_mul(4),
        zero: column.rounding.zero,
        bias: column.bias.as_ptr(),
        end: y.wrapping_add(outputs),
        x: column.x.as_ptr(),
        passes,
        skip,
        weights: column.weights.as_ptr(),
    };
    // SAFETY: `Column::fits` holds: there is a group, the outputs are a multiple of four and at least four, weights and biases are there
    // for all of them, and multipliers for all or for the one tile that step 0 repeats.
    unsafe { column_loop(&raw const arguments) }
}

/// A tile of four outputs: r4 to r7 are the sums, r2 and r3 activations, r0, r1, r8, r9 and lr weights, r10 and r11 point to both,
/// r12 counts passes. 18 instructions for 16 products.
#[unsafe(naked)]
unsafe extern "C" fn column_loop(arguments: *const ColumnArguments) {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "sub sp, #36",
        "ldm r0!, {{r1-r8}}",
        "stm sp, {{r1-r8}}",
        "ldm r0, {{r1, r11}}",
        "adr.w r3, 3f",
        "add r1, r3",
        "orr r1, r1, #1",
        "str r1, [sp, #32]",
        "2:",
        "ldr r0, [sp, #16]",
        "ldm r0!, {{r4-r7}}",
        "str r0, [sp, #16]",
        "ldrd r10, r12, [sp, #24]",
        "ldr pc, [sp, #32]",
        "3:",
        ".rept 6",
        "ldrd r2, r3, [r10], #8",
        "ldm r11!, {{r0, r1, r8, r9}}",
        "sxtb16 lr, r0",
        "sxtb16 r0, r0, ror #8",
        "smlad r4, lr, r2, r4",
        "smlad r4, r0, r3, r4",
        "sxtb16 lr, r1",
        "sxtb16 r1, r1, ror #8",
        "smlad r5, lr, r2, r5",
        "smlad r5, r1, r3, r5",
        "sxtb16 lr, r8",
        "sxtb16 r8, r8, ror #8",
        "smlad r6, lr, r2, r6",
        "smlad r6, r8, r3, r6",
        "sxtb16 lr, r9",
        "sxtb16 r9, r9, ror #8",
        "smlad r7, lr, r2, r7",
        "smlad r7, r9, r3, r7",
        ".endr",
        "subs r12, #1",
        "bne 3b",
        "ldm sp, {{r0-r3}}",
        "ldm r0, {{r8, r9, r10, r12}}",
        "add r0, r2",
        "smmlar r4, r4, r8, r3",
        "smmlar r5, r5, r9, r3",
        "smmlar r6, r6, r10, r3",
        "smmlar r7, r7, r12, r3",
        "ssat r4, #8, r4",
        "ssat r5, #8, r5",
        "ssat r6, #8, r6",
        "ssat r7, #8, r7",
        "strb r4, [r1], #1",
        "strb r5, [r1], #1",
        "strb r6, [r1], #1",
        "strb r7, [r1], #1",
        "stm sp, {{r0, r1}}",
        "ldr r3, [sp, #20]",
        "cmp r1, r3",
        "bne 2b",
        "add sp, #36",
        "pop {{r4-r11, pc}}",
    )
}

/// The arguments of `run_loop`, in the order of its frame.
#[repr(C)]
struct RunArguments {
    multipliers: *const [i32; 4],
    y: *mut i8,
    stride: usize,
    zero: i32,
    bias: *const [i32; 4],
    taps: *const [u32; 6],
    passes: usize,
    step_bytes: usize,
    row_end: *mut i8,
    skip: usize,
    end: *mut i8,
    row_bytes: usize,
    /// From the end of a row to the next row in the plane.
    down_bytes: usize,
    plane: *const u32,
}

/// See [`Run`]; it must fit.
#[inline(always)]
pub(super) fn run(run: &mut Run<'_>) {
    let [passes, skip] = passes(run.taps.len(), 5, 52);
    let y = run.y.as_mut_ptr();
    let row_bytes = run.width.wrapping_mul(run.stride);
    let arguments = RunArguments {
        multipliers: run.multipliers,
        y,
        stride: run.stride,
        zero: run.zero,
        bias: run.bias,
        taps: run.taps.as_ptr(),
        passes,
        step_bytes: run.step.wrapping_mul(4),
        row_end: y.wrapping_add(row_bytes),
        skip,
        end: y.wrapping_add(row_bytes.wrapping_mul(run.rows)),
        row_bytes,
        down_bytes: run.down.wrapping_sub(run.width.wrapping_mul(run.step)).wrapping_mul(4),
        plane: run.plane.as_ptr(),
    };
    // SAFETY: `Run::fits` holds: there are taps and pixels, the farthest tap of the last pixel lies in the plane, the last pixel's four
    // outputs lie in `y`, and the ends of rows are met since the stride is not 0.
    unsafe { run_loop(&raw const arguments) }
}

/// Four channels of a pixel: r4 to r7 are the sums, r0 and r1 two taps' words of four channels, which PKHTB and PKHBT sort into pairs of
/// taps, r2, r3, r8 and r9 their weights, r10 and r11 point to pixel and taps, r12 counts passes. 13 instructions for 8 products.
#[unsafe(naked)]
unsafe extern "C" fn run_loop(arguments: *const RunArguments) {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "sub sp, #52",
        "ldm r0!, {{r1-r8}}",
        "stm sp, {{r1-r8}}",
        "ldm r0, {{r1-r5, r10}}",
        "adr.w r6, 3f",
        "add r2, r6",
        "orr r2, r2, #1",
        "add r6, sp, #32",
        "stm r6, {{r1-r5}}",
        "2:",
        "ldr r0, [sp, #16]",
        "ldm r0, {{r4-r7}}",
        "ldrd r11, r12, [sp, #20]",
        "ldr pc, [sp, #36]",
        "3:",
        ".rept 5",
        "ldm r11!, {{r0, r1, r2, r3, r8, r9}}",
        "ldr r0, [r10, r0]",
        "ldr r1, [r10, r1]",
        "pkhtb lr, r1, r0, asr #16",
        "pkhbt r0, r0, r1, lsl #16",
        "sxtb16 r1, r0",
        "sxtb16 r0, r0, ror #8",
        "smlad r4, r1, r2, r4",
        "smlad r5, r0, r3, r5",
        "sxtb16 r1, lr",
        "sxtb16 lr, lr, ror #8",
        "smlad r6, r1, r8, r6",
        "smlad r7, lr, r9, r7",
        ".endr",
        "subs r12, #1",
        "bne 3b",
        "ldm sp, {{r0-r3}}",
        "ldm r0, {{r8, r9, r11, r12}}",
        "smmlar r4, r4, r8, r3",
        "smmlar r5, r5, r9, r3",
        "smmlar r6, r6, r11, r3",
        "smmlar r7, r7, r12, r3",
        "ssat r4, #8, r4",
        "ssat r5, #8, r5",
        "ssat r6, #8, r6",
        "ssat r7, #8, r7",
        "bfi r4, r5, #8, #8",
        "bfi r6, r7, #8, #8",
        "pkhbt r4, r4, r6, lsl #16",
        "str r4, [r1]",
        "add r1, r2",
        "str r1, [sp, #4]",
        "ldrd r0, r2, [sp, #28]",
        "add r10, r0",
        "cmp r1, r2",
        "bne 2b",
        "ldrd r0, r3, [sp, #40]",
        "add r2, r3",
        "str r2, [sp, #32]",
        "ldr r3, [sp, #48]",
        "add r10, r3",
        "cmp r1, r0",
        "bne 2b",
        "add sp, #52",
        "pop {{r4-r11, pc}}",
    )
}
