//! The loops in Armv7E-M assembly. Each is a function of its own with the C calling convention, given one pointer to its arguments, so
//! that all fourteen registers are its own; what the inner loop does not need waits in a frame on the stack. The loops in int8 are given their
//! arguments themselves: the first four in r0 to r3, the others on the stack, where they belong to the loop and are its frame as they stand.
//!
//! An inner loop is written out a few times and entered in the middle, so that any number of rounds costs one counter for a few of
//! them: `skip` is the length of the code that the first pass leaves out.
//!
//! Weights of int8 of convolutions and fully connected layers are in the order `Layout::PAIRS`: a half word is `h = w[o] + 256·w[o + 1]`.
//! SXTB16 takes `w[o]` out of two of them, and `Σ x·h − Σ x·w[o] = 256·Σ x·w[o + 1]`, so that of two outputs one is widened: three
//! instructions for four products, not four. The difference is right as long as `Σ x·w[o + 1]` fits in 24 bits, which it does for 496
//! products of any bytes. Deeper sums are taken in blocks.

use core::arch::{asm, naked_asm};
use core::mem::{MaybeUninit, offset_of};

use crate::windows::Copy;

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

/// Passes over code that holds a round `unroll` times, and bytes of code that the first pass leaves out.
#[inline(always)]
const fn passes(rounds: usize, unroll: usize, bytes: usize) -> [usize; 2] {
    let passes = rounds.div_ceil(unroll);
    [passes, passes.wrapping_mul(unroll).wrapping_sub(rounds).wrapping_mul(bytes)]
}

/// Groups of four that are summed at once where weights are pairs: `4·124·128·128 < 2^23`. A multiple of what the loops hold.
const BLOCK: usize = 124;
/// Groups that the loops hold.
const UNROLL: usize = 4;

/// Where a loop whose arguments are its frame keeps r4 to r11 and lr: behind its arguments.
type Saved = MaybeUninit<[u32; 9]>;

/// How the groups of a sum are walked over.
#[repr(C)]
struct Walk {
    /// Blocks after the first; counted down, and what it begins with.
    more: [usize; 2],
    /// The second outputs' sums of all blocks but the last.
    partial: [i32; 2],
}

/// Twice the passes over the code for the first block, less 1 if there are more of them; bytes of code, of which a group takes `bytes`, that its
/// first pass leaves out; and the other blocks.
#[inline(always)]
const fn walk(groups: usize, block: usize, bytes: usize) -> ([usize; 2], Walk) {
    let more = groups.saturating_sub(1) / block;
    let [passes, skip] = passes(groups.wrapping_sub(more.wrapping_mul(block)), UNROLL, bytes);
    let rounds = passes.wrapping_mul(2).wrapping_sub((more > 0) as usize);
    ([rounds, skip], Walk { more: [more; 2], partial: [0; 2] })
}

/// Leaves the loop for a sum of several blocks at `9:`, after a round that counted r12 down by two.
///
/// r4 and r6 are sums of `x·w[o]`, r5 and r7 of `x·h`, all from the same start. What the block adds to the second outputs goes to the frame at
/// `$partial`; then r5 and r7 begin anew, or after the last block, are the whole sums without bias. There it goes on at `8:`.
macro_rules! blocks {
    ($more:literal, $partial:literal) => {
        concat!(
            "9:\n",
            "sub r5, r5, r4\n",
            "sub r7, r7, r6\n",
            "ldrd r0, r1, [sp, #",
            $partial,
            "]\n",
            "ldrd r2, r3, [sp, #",
            $more,
            "]\n",
            "add r0, r0, r5, asr #8\n",
            "add r1, r1, r7, asr #8\n",
            "mov r5, r4\n",
            "mov r7, r6\n",
            "mov r12, #61\n",
            "subs r2, #1\n",
            "bmi 7f\n",
            "str r2, [sp, #",
            $more,
            "]\n",
            "strd r0, r1, [sp, #",
            $partial,
            "]\n",
            "b 3b\n",
            "7:\n",
            "mov r5, r0\n",
            "mov r7, r1\n",
            "mov r0, #0\n",
            "mov r1, #0\n",
            "str r3, [sp, #",
            $more,
            "]\n",
            "strd r0, r1, [sp, #",
            $partial,
            "]\n",
            "b 8b\n",
        )
    };
}

mod column;
mod depthwise;
mod int16;
mod nibbles;
mod pairs;

pub(super) use column::column;
pub(super) use depthwise::{run, weigh, words};
pub(super) use int16::{run_i16, square};
pub(super) use nibbles::{nibbles, widen};
pub(super) use pairs::pairs;

/// Copies rectangles of bytes, which must fit.
#[inline(always)]
pub(super) fn copy(from: &[i8], to: &mut [i8], copy: &Copy) {
    // SAFETY: `Copy::fits` holds: there are rectangles and rows, none of them empty, and all of them lie in `from` and in `to`.
    unsafe { copy_loop(from.as_ptr(), to.as_mut_ptr(), copy) }
}

/// A row goes word by word, at any address, while a word begins before the last four bytes, which are copied by themselves; one of less than
/// four bytes goes byte by byte. r0 and r1 are the row, on the stack they are the rectangle's first, r4 and r5 where it goes on, r6 and r7 its last
/// word, r8 and r9 the steps to the next one, r10 counts rows and lr rectangles.
#[unsafe(naked)]
unsafe extern "C" fn copy_loop(from: *const i8, to: *mut i8, copy: *const Copy) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "push {{r0, r1}}",
        "mov r11, r2",
        "ldr lr, [r11, #{rectangles}]",
        "ldr r3, [r11, #{len}]",
        "sub r3, #4",
        "ldr r8, [r11, #{step}]",
        "ldr r9, [r11, #{stride}]",
        "2:",
        "ldr r10, [r11, #{rows}]",
        "3:",
        "mov r4, r0",
        "mov r5, r1",
        "add r6, r0, r3",
        "add r7, r1, r3",
        "cmp r3, #0",
        "blt 6f",
        "4:",
        "ldr r12, [r4], #4",
        "cmp r4, r6",
        "str r12, [r5], #4",
        "blo 4b",
        "ldr r12, [r6]",
        "str r12, [r7]",
        "5:",
        "add r0, r8",
        "add r1, r9",
        "subs r10, #1",
        "bne 3b",
        "ldrd r0, r1, [sp]",
        "ldr r6, [r11, #{next_step}]",
        "ldr r7, [r11, #{next_stride}]",
        "add r0, r6",
        "add r1, r7",
        "strd r0, r1, [sp]",
        "subs lr, #1",
        "bne 2b",
        "add sp, #8",
        "pop {{r4-r11, pc}}",
        "6:",
        "add r6, #4",
        "7:",
        "ldrb r12, [r4], #1",
        "strb r12, [r5], #1",
        "cmp r4, r6",
        "bne 7b",
        "b 5b",
        rectangles = const offset_of!(Copy, counts),
        rows = const offset_of!(Copy, counts) + 4,
        len = const offset_of!(Copy, len),
        next_step = const offset_of!(Copy, steps),
        step = const offset_of!(Copy, steps) + 4,
        next_stride = const offset_of!(Copy, strides),
        stride = const offset_of!(Copy, strides) + 4,
    )
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
