//! The loop of depthwise convolutions.

use core::arch::naked_asm;

use crate::scalar::round::Rounding;
use crate::scalar::tile::{Channel, TAPS, Tap};

/// The arguments of `channel_loop`, in the order of its frame.
#[repr(C)]
struct ChannelArguments<'a> {
    taps: *const Tap<'a, i8>,
    end: *const Tap<'a, i8>,
    y: *mut i8,
    stride: usize,
    step: usize,
    hi: i32,
    /// Columns that are left in a row.
    left: usize,
    skip: usize,
    bias: i32,
    multiplier: i32,
    at: usize,
    zero: i32,
    lo: i32,
    columns: usize,
    rows: usize,
    /// From the end of a row to the next one.
    gap: usize,
    y_gap: usize,
    unused: [usize; 3],
}

/// Rounds of three for so many taps: `⌈taps / 3⌉` without a division, which these processors have not.
const fn threes(taps: usize) -> usize {
    taps.wrapping_add(2).wrapping_mul(171) >> 9
}

const _: () = {
    let mut taps = 0;
    while taps <= TAPS {
        assert!(threes(taps) == taps.div_ceil(3));
        taps += 1;
    }
};

/// See [`Channel`]; called for a [`Rectangle`](crate::scalar::tile::Rectangle) that fits.
#[inline(always)]
pub(in crate::scalar) fn channel(channel: &mut Channel<'_, i8>, rounding: &Rounding<'_>) -> Option<()> {
    let (ends, taps) = (channel.taps.all().as_ptr_range(), channel.taps.all().len());
    let ([rows, columns], [down, step], [y_down, stride]) = (channel.size, channel.steps, channel.strides);
    let arguments = ChannelArguments {
        taps: ends.start,
        end: ends.end,
        y: channel.y.as_mut_ptr(),
        stride,
        step,
        hi: rounding.hi,
        left: columns,
        skip: threes(taps).wrapping_mul(3).wrapping_sub(taps).wrapping_mul(14),
        bias: channel.bias,
        multiplier: channel.multiplier,
        at: channel.first,
        zero: rounding.zero,
        lo: rounding.lo,
        columns,
        rows,
        gap: down.wrapping_sub(columns.wrapping_mul(step)),
        y_gap: y_down.wrapping_sub(columns.wrapping_mul(stride)),
        unused: [0; 3],
    };
    // SAFETY: `Rectangle::fits` holds: there are rows, columns and taps, which reach to the last pixel of every channel, whose output lies in `y`.
    unsafe { channel_loop(&raw const arguments) };
    Some(())
}

/// Two pixels of a row at a time, a last one that is alone as both: r7 points to taps, r1 to their end, r2 and r3 are where the pixels read;
/// r8 and r9 are the sums. 7 instructions for 2 products, 5 on Armv7-M.
#[unsafe(naked)]
unsafe extern "C" fn channel_loop(arguments: *const ChannelArguments<'_>) {
    naked_asm!(
        begin!("4"),
        entry!("28"),
        "ldr r0, [sp, #44]",
        "mov r12, r0",
        "ldr r0, [sp, #48]",
        "mov lr, r0",
        "2:",
        "ldr r2, [sp, #40]",
        "ldr r4, [sp, #16]",
        "ldr r0, [sp, #24]",
        "mov r3, r2",
        "cmp r0, #1",
        "beq 4f",
        "adds r3, r3, r4",
        "4:",
        "adds r4, r3, r4",
        "str r4, [sp, #40]",
        "ldr r7, [sp]",
        "ldr r1, [sp, #4]",
        enter!("28"),
        ".rept 3",
        "ldm r7!, {{r4, r5}}",
        "ldrsb r6, [r4, r2]",
        "ldrsb r4, [r4, r3]",
        mac!("r8", "r5", "r6"),
        mac!("r9", "r5", "r4"),
        ".endr",
        "cmp r7, r1",
        "bne 3b",
        "ldr r4, [sp, #32]",
        "ldr r5, [sp, #36]",
        split!(),
        round!("r8"),
        "ldr r1, [sp, #8]",
        "ldr r7, [sp, #12]",
        "strb r0, [r1]",
        "adds r1, r1, r7",
        "str r1, [sp, #8]",
        count!(),
        "beq 5f",
        round!("r9"),
        "ldr r1, [sp, #8]",
        "strb r0, [r1]",
        "adds r1, r1, r7",
        "str r1, [sp, #8]",
        count!(),
        "bne 2b",
        "5:",
        // On to the next row.
        "ldr r0, [sp, #56]",
        "subs r0, #1",
        "str r0, [sp, #56]",
        "beq 6f",
        "ldr r0, [sp, #52]",
        "str r0, [sp, #24]",
        "ldr r0, [sp, #40]",
        "ldr r1, [sp, #60]",
        "adds r0, r0, r1",
        "str r0, [sp, #40]",
        "ldr r0, [sp, #8]",
        "ldr r1, [sp, #64]",
        "adds r0, r0, r1",
        "str r0, [sp, #8]",
        "b 2b",
        "6:",
        end!(),
    )
}
