//! Pools: sixteen channels at a time, whose sums of 32 bits take four registers.

use core::arch::naked_asm;
use core::mem::offset_of;

use crate::armv7::Rectangle;

// The places of fields as the loops have them.
const _: () = assert!(offset_of!(Rectangle, y) == 20 && offset_of!(Rectangle, count) == 24);
const _: () = assert!(offset_of!(Rectangle, bias) == 28 && offset_of!(Rectangle, limits) == 38);

/// Saves the registers that are the caller's, and loads the arguments: r1 to r5, r10 and r11 are the fields up to the count, and all lanes of
/// q12 to q14, d30 and d31 the others.
macro_rules! begin {
    () => {
        concat!(
            arch!(),
            "push {{r4-r11, lr}}\n",
            "ldm r0!, {{r1-r5, r10, r11}}\n",
            "vld1.32 {{d24[], d25[]}}, [r0]!\n",
            "vld1.32 {{d26[], d27[]}}, [r0]!\n",
            "vld1.16 {{d28[], d29[]}}, [r0]!\n",
            "vld1.8 {{d30[]}}, [r0]!\n",
            "vld1.8 {{d31[]}}, [r0]\n",
        )
    };
}

/// Does something with the sixteen channels of each pixel, in q0.
macro_rules! each {
    ($($line:literal)+) => {
        concat!(
            "mov r6, r1\n",
            "mov r7, r2\n",
            "2:\n",
            "mov r8, r6\n",
            "mov r9, r3\n",
            "3:\n",
            "vld1.8 {{d0, d1}}, [r8], r5\n",
            $($line, "\n",)+
            "subs r9, r9, #1\n",
            "bne 3b\n",
            "add r6, r6, r4\n",
            "subs r7, r7, #1\n",
            "bne 2b\n",
        )
    };
}

/// Stores q8 between the limits, and goes on with the next sixteen channels, or returns.
macro_rules! end {
    () => {
        concat!(
            "vmax.s8 d16, d16, d30\n",
            "vmax.s8 d17, d17, d30\n",
            "vmin.s8 d16, d16, d31\n",
            "vmin.s8 d17, d17, d31\n",
            "vst1.8 {{d16, d17}}, [r10]!\n",
            "add r1, r1, #16\n",
            "subs r11, r11, #1\n",
            "bne 1b\n",
            "pop {{r4-r11, pc}}",
        )
    };
}

/// The averages of a rectangle of pixels.
///
/// # Safety
/// The processor has NEON, and all that the arguments tell of is there.
pub(crate) unsafe fn average(rectangle: &Rectangle) {
    // SAFETY: as the caller says.
    unsafe { average_loop(rectangle) }
}

#[unsafe(naked)]
unsafe extern "C" fn average_loop(rectangle: *const Rectangle) {
    naked_asm!(
        begin!(),
        "vshr.s32 q13, q13, #1",
        "1:",
        "vmov q8, q12",
        "vmov q9, q12",
        "vmov q10, q12",
        "vmov q11, q12",
        each!(
            "vmovl.s8 q1, d0" "vmovl.s8 q2, d1"
            "vaddw.s16 q8, q8, d2" "vaddw.s16 q9, q9, d3" "vaddw.s16 q10, q10, d4" "vaddw.s16 q11, q11, d5"
        ),
        "vqrdmulh.s32 q8, q8, q13",
        "vqrdmulh.s32 q9, q9, q13",
        "vqrdmulh.s32 q10, q10, q13",
        "vqrdmulh.s32 q11, q11, q13",
        "vqmovn.s32 d16, q8",
        "vqmovn.s32 d17, q9",
        "vqmovn.s32 d18, q10",
        "vqmovn.s32 d19, q11",
        "vqadd.s16 q8, q8, q14",
        "vqadd.s16 q9, q9, q14",
        "vqmovn.s16 d16, q8",
        "vqmovn.s16 d17, q9",
        end!(),
    )
}

/// The greatest numbers of a rectangle of pixels.
///
/// # Safety
/// The processor has NEON, and all that the arguments tell of is there.
pub(crate) unsafe fn greatest(rectangle: &Rectangle) {
    // SAFETY: as the caller says.
    unsafe { greatest_loop(rectangle) }
}

#[unsafe(naked)]
unsafe extern "C" fn greatest_loop(rectangle: *const Rectangle) {
    naked_asm!(begin!(), "1:", "vmov.i8 q8, #128", each!("vmax.s8 q8, q8, q0"), end!())
}
