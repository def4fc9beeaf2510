//! The loops in Thumb assembly, for Armv6-M and for Armv7-M without DSP instructions. Each is a function of its own with the C calling
//! convention, given one pointer to its arguments.
//!
//! LDRSB adds a register to its base, so all bases stand at the ends of their slices and one index counts up to zero.

use core::arch::naked_asm;

use super::tile::{Column, Tile};

/// `sum += a · b` of r8 to r11 and low registers; `b` is lost on Armv6-M.
#[cfg(thumb = "armv6-m")]
macro_rules! mac {
    ($sum:literal, $a:literal, $b:literal) => {
        concat!("muls ", $b, ", ", $a, ", ", $b, "\nadd ", $sum, ", ", $b, "\n")
    };
}
#[cfg(thumb = "armv7-m")]
macro_rules! mac {
    ($sum:literal, $a:literal, $b:literal) => {
        concat!("mla ", $sum, ", ", $a, ", ", $b, ", ", $sum, "\n")
    };
}

/// `r8 += r0 · r6`, which stay; r7 may be lost.
#[cfg(thumb = "armv6-m")]
macro_rules! first {
    () => {
        concat!("mov r7, r6\n", mac!("r8", "r0", "r7"))
    };
}
#[cfg(thumb = "armv7-m")]
macro_rules! first {
    () => {
        mac!("r8", "r0", "r6")
    };
}

/// How a loop begins: saves what is not its own, and copies five times so many words of its arguments to a frame of 80 bytes.
macro_rules! begin {
    ($fives:literal) => {
        concat!(
            "push {{r4-r7, lr}}\n",
            "mov r4, r8\n",
            "mov r5, r9\n",
            "mov r6, r10\n",
            "mov r7, r11\n",
            "push {{r4-r7}}\n",
            "sub sp, #80\n",
            "mov r6, sp\n",
            ".rept ",
            $fives,
            "\nldm r0!, {{r1-r5}}\nstm r6!, {{r1-r5}}\n.endr\n",
        )
    };
}

/// How it ends.
macro_rules! end {
    () => {
        concat!(
            "add sp, #80\n",
            "pop {{r4-r7}}\n",
            "mov r8, r4\n",
            "mov r9, r5\n",
            "mov r10, r6\n",
            "mov r11, r7\n",
            "pop {{r4-r7, pc}}\n",
        )
    };
}

/// Turns the bytes that the first pass leaves out, in the frame, to an address in the unrolled code at `3:`.
macro_rules! entry {
    ($at:literal) => {
        concat!("adr r0, 3f\nldr r1, [sp, #", $at, "]\nadds r0, r0, r1\nadds r0, #1\nstr r0, [sp, #", $at, "]\n")
    };
}

/// Sets the four sums to 0, and goes to the unrolled code.
macro_rules! enter {
    ($at:literal) => {
        concat!(
            "movs r0, #0\nmov r8, r0\nmov r9, r0\nmov r10, r0\nmov r11, r0\n",
            "ldr r0, [sp, #",
            $at,
            "]\nbx r0\n.balign 4\n3:\n"
        )
    };
}

/// Splits the multiplier in r5 for `high`: into halves, the lower one in r6, where products have 32 bits.
#[cfg(thumb = "armv6-m")]
macro_rules! split {
    () => {
        "uxth r6, r5\nlsrs r5, r5, #16\n"
    };
}
#[cfg(thumb = "armv7-m")]
macro_rules! split {
    () => {
        ""
    };
}

/// `r0 = r12 + ((r0 · m + 2^31) >> 32)`, with the multiplier that was split; r1 to r3 are lost.
#[cfg(thumb = "armv6-m")]
macro_rules! high {
    () => {
        concat!(
            "uxth r1, r0\n",
            "asrs r0, r0, #16\n",
            "mov r2, r1\n",
            "muls r2, r6, r2\n",
            "lsrs r2, r2, #16\n",
            "mov r3, r0\n",
            "muls r3, r6, r3\n",
            "adds r3, r3, r2\n",
            "muls r1, r5, r1\n",
            "uxth r2, r3\n",
            "adds r1, r1, r2\n",
            "lsrs r1, r1, #15\n",
            "adds r1, #1\n",
            "lsrs r1, r1, #1\n",
            "asrs r3, r3, #16\n",
            "muls r0, r5, r0\n",
            "adds r0, r0, r3\n",
            "adds r0, r0, r1\n",
            "add r0, r12\n",
        )
    };
}
#[cfg(thumb = "armv7-m")]
macro_rules! high {
    () => {
        "smull r2, r3, r0, r5\nadds r2, r2, #0x80000000\nadc r0, r3, r12\n"
    };
}

/// The output in r0 of a sum: with the bias in r4 and the multiplier that was split, between lr and what the frame holds at 20.
macro_rules! round {
    ($sum:literal) => {
        concat!(
            "mov r0, ",
            $sum,
            "\nadds r0, r0, r4\n",
            high!(),
            "cmp r0, lr\nbge 7f\nmov r0, lr\n7:\n",
            "ldr r1, [sp, #20]\ncmp r0, r1\nble 8f\nmov r0, r1\n8:\n",
        )
    };
}

/// Takes the next bias to r4 and the next multiplier to r5, from pointers that the frame holds at 0 and 4; the multiplier's step is at 8.
macro_rules! next {
    () => {
        concat!(
            "ldr r0, [sp]\nldm r0!, {{r4}}\nstr r0, [sp]\n",
            "ldr r0, [sp, #4]\nldr r5, [r0]\nldr r1, [sp, #8]\nadds r0, r0, r1\nstr r0, [sp, #4]\n",
            split!(),
        )
    };
}

/// Writes r0 where the frame points to.
macro_rules! put {
    ($at:literal) => {
        concat!("ldr r1, [sp, #", $at, "]\nstrb r0, [r1]\nadds r1, #1\nstr r1, [sp, #", $at, "]\n")
    };
}

/// Takes one from what is left in the frame at 24.
macro_rules! count {
    () => {
        "ldr r0, [sp, #24]\nsubs r0, #1\nstr r0, [sp, #24]\n"
    };
}

mod copy;
mod depthwise;
mod squares;

pub(super) use copy::copy;
pub(super) use depthwise::channel;
pub(super) use squares::{sums_i16, sums_w4};

/// Bytes of unrolled code that the first pass leaves out, if one of `unroll` rounds has `bytes`.
#[inline(always)]
const fn skip(rounds: usize, unroll: usize, bytes: usize) -> usize {
    rounds.next_multiple_of(unroll).wrapping_sub(rounds).wrapping_mul(bytes)
}

/// The arguments of `tile_loop`, in the order of its frame.
#[repr(C)]
struct TileArguments {
    bias: *const i32,
    multipliers: *const i32,
    multiplier_bytes: usize,
    first: *mut i8,
    second: *mut i8,
    hi: i32,
    outputs: usize,
    /// Ends.
    x: [*const i8; 2],
    w: *const i8,
    depth: usize,
    skip: usize,
    zero: i32,
    lo: i32,
    unused: usize,
}

/// Bytes of a round of `tile_loop`.
const TILE_BYTES: usize = if cfg!(thumb = "armv6-m") { 28 } else { 26 };

/// See [`Tile`]; it must fit.
#[inline(always)]
pub(super) fn tile(tile: &mut Tile<'_>) -> Option<()> {
    let (depth, y) = (tile.x[0].len(), tile.y.as_mut_ptr());
    let (multipliers, multiplier_bytes) = tile.rounding.steps();
    let arguments = TileArguments {
        bias: tile.bias.as_ptr(),
        multipliers,
        multiplier_bytes,
        first: y,
        second: y.wrapping_add(tile.second),
        hi: tile.rounding.hi,
        outputs: tile.bias.len(),
        x: tile.x.map(|x| x.as_ptr_range().end),
        w: tile.weights.as_ptr().wrapping_add(depth),
        depth,
        skip: skip(depth, 4, TILE_BYTES),
        zero: tile.rounding.zero,
        lo: tile.rounding.lo,
        unused: 0,
    };
    // SAFETY: `Tile::fits` holds: there are outputs and activations, as many of both pixels, weights for all outputs, multipliers for all or
    // the one that step 0 repeats, and room for all outputs from `first` and from `second` on.
    unsafe { tile_loop(&raw const arguments) };
    Some(())
}

/// r1 and r2 are the ends of pixels, r3 and r4 of weights, r5 is the index; r8 to r11 are the sums. 14 instructions for 4 products, 9 on
/// Armv7-M. The second of two outputs is the first again where there is none.
#[unsafe(naked)]
unsafe extern "C" fn tile_loop(arguments: *const TileArguments) {
    naked_asm!(
        begin!("3"),
        entry!("44"),
        "ldr r0, [sp, #48]",
        "mov r12, r0",
        "ldr r0, [sp, #52]",
        "mov lr, r0",
        "2:",
        "ldr r1, [sp, #28]",
        "ldr r2, [sp, #32]",
        "ldr r3, [sp, #36]",
        "ldr r5, [sp, #40]",
        "mov r4, r3",
        "ldr r0, [sp, #24]",
        "cmp r0, #1",
        "beq 4f",
        "adds r4, r4, r5",
        "4:",
        "adds r0, r4, r5",
        "str r0, [sp, #36]",
        "rsbs r5, r5, #0",
        enter!("44"),
        ".rept 4",
        "ldrsb r0, [r1, r5]",
        "ldrsb r6, [r3, r5]",
        first!(),
        "ldrsb r7, [r4, r5]",
        mac!("r9", "r7", "r0"),
        "ldrsb r0, [r2, r5]",
        mac!("r10", "r0", "r6"),
        mac!("r11", "r0", "r7"),
        "adds r5, #1",
        ".endr",
        "bne 3b",
        next!(),
        round!("r10"),
        put!("16"),
        round!("r8"),
        put!("12"),
        count!(),
        "bne 5f",
        "b 6f",
        "5:",
        next!(),
        round!("r11"),
        put!("16"),
        round!("r9"),
        put!("12"),
        count!(),
        "beq 6f",
        "b 2b",
        "6:",
        end!(),
    )
}

/// The arguments of `column_loop`, in the order of its frame.
#[repr(C)]
struct ColumnArguments {
    bias: *const i32,
    multipliers: *const i32,
    multiplier_bytes: usize,
    y: *mut i8,
    /// Ends.
    x: *const i8,
    hi: i32,
    outputs: usize,
    w: *const i8,
    depth: usize,
    skip: usize,
    zero: i32,
    lo: i32,
    unused: [usize; 3],
}

/// Bytes of a round of `column_loop`.
const COLUMN_BYTES: usize = 28;

/// See [`Column`]; it must fit.
#[inline(always)]
pub(super) fn column(column: &mut Column<'_>) -> Option<()> {
    let depth = column.x.len();
    let (multipliers, multiplier_bytes) = column.rounding.steps();
    let arguments = ColumnArguments {
        bias: column.bias.as_ptr(),
        multipliers,
        multiplier_bytes,
        y: column.y.as_mut_ptr(),
        x: column.x.as_ptr_range().end,
        hi: column.rounding.hi,
        outputs: column.y.len(),
        w: column.weights.as_ptr().wrapping_add(depth),
        depth,
        skip: skip(depth, 4, COLUMN_BYTES),
        zero: column.rounding.zero,
        lo: column.rounding.lo,
        unused: [0; 3],
    };
    // SAFETY: `Column::fits` holds: there are activations, the outputs are a multiple of four and not none, weights and biases are there for
    // all of them, and multipliers for all or the one that step 0 repeats.
    unsafe { column_loop(&raw const arguments) };
    Some(())
}

/// r1 is the end of the vector, r2 to r5 those of weights, r6 the index; r8 to r11 are the sums. 14 instructions for 4 products, 10 on
/// Armv7-M.
#[unsafe(naked)]
unsafe extern "C" fn column_loop(arguments: *const ColumnArguments) {
    naked_asm!(
        begin!("3"),
        entry!("36"),
        "ldr r0, [sp, #40]",
        "mov r12, r0",
        "ldr r0, [sp, #44]",
        "mov lr, r0",
        "2:",
        "ldr r1, [sp, #16]",
        "ldr r2, [sp, #28]",
        "ldr r6, [sp, #32]",
        "adds r3, r2, r6",
        "adds r4, r3, r6",
        "adds r5, r4, r6",
        "adds r0, r5, r6",
        "str r0, [sp, #28]",
        "rsbs r6, r6, #0",
        enter!("36"),
        ".rept 4",
        "ldrsb r0, [r1, r6]",
        "ldrsb r7, [r2, r6]",
        mac!("r8", "r0", "r7"),
        "ldrsb r7, [r3, r6]",
        mac!("r9", "r0", "r7"),
        "ldrsb r7, [r4, r6]",
        mac!("r10", "r0", "r7"),
        "ldrsb r7, [r5, r6]",
        mac!("r11", "r0", "r7"),
        "adds r6, #1",
        ".endr",
        "bne 3b",
        next!(),
        round!("r8"),
        put!("12"),
        next!(),
        round!("r9"),
        put!("12"),
        next!(),
        round!("r10"),
        put!("12"),
        next!(),
        round!("r11"),
        put!("12"),
        "ldr r0, [sp, #24]",
        "subs r0, #4",
        "str r0, [sp, #24]",
        "beq 6f",
        "b 2b",
        "6:",
        end!(),
    )
}
