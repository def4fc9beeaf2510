//! Layers in f32: sixteen outputs of two pixels, or of one, whose sums take eight registers or four. VMLA rounds product and sum.

use core::arch::naked_asm;
use core::mem::offset_of;

use crate::armv7::Reals;

// The places of fields as the loops have them.
const _: () = assert!(offset_of!(Reals, y_step) == 24 && offset_of!(Reals, limits) == 28);
const _: () = assert!(offset_of!(Reals, places) == 36 && offset_of!(Reals, len) == 44);

/// Saves the registers that are the caller's, and loads the first arguments: r1 to r5, and r10 and r11, the results' place and step.
macro_rules! begin {
    () => {
        concat!(arch!(), "push {{r4-r11, lr}}\n", "vpush {{d8-d15}}\n", "ldm r0, {{r1-r5, r10, r11}}\n",)
    };
}

/// Sums begin with the biases. r12 are the weights, r6 the places and r7 how many.
macro_rules! bias {
    () => {
        concat!(
            "mov r12, r4\n",
            "ldr r6, [r0, #36]\n",
            "ldr r7, [r0, #40]\n",
            "mov r8, r5\n",
            "vld1.32 {{d16-d19}}, [r8]!\n",
            "vld1.32 {{d20-d23}}, [r8]\n",
        )
    };
    (twice) => {
        concat!(bias!(), "vmov q12, q8\nvmov q13, q9\nvmov q14, q10\nvmov q15, q11\n")
    };
}

/// The sixteen weights of the next number.
macro_rules! weights {
    () => {
        "vld1.32 {{d0-d3}}, [r12]!\nvld1.32 {{d4-d7}}, [r12]!\n"
    };
}

/// Adds the products of the weights, q0 to q3, to four sums.
macro_rules! products {
    ($($sum:literal, $a:literal, $b:literal;)+) => {
        concat!($("vmla.f32 q", $sum, ", q", $a, ", ", $b, "\n",)+)
    };
}

/// Stores four sums of a pixel between the limits, q0 and q1.
macro_rules! put {
    ($a:literal, $b:literal, $c:literal, $d:literal: $low:literal, $high:literal) => {
        concat!(
            put!(@$a), put!(@$b), put!(@$c), put!(@$d),
            "mov r8, r10\n",
            "vst1.32 {{", $low, "}}, [r8]!\n",
            "vst1.32 {{", $high, "}}, [r8]\n",
            "add r10, r10, r11\n",
        )
    };
    (@$sum:literal) => {
        concat!("vmax.f32 q", $sum, ", q", $sum, ", q0\nvmin.f32 q", $sum, ", q", $sum, ", q1\n")
    };
    (limits) => {
        "add r8, r0, #28\nvld1.32 {{d0[], d1[]}}, [r8]!\nvld1.32 {{d2[], d3[]}}, [r8]\n"
    };
}

/// Stores the sums of two pixels, and goes on with the next two, or returns.
macro_rules! next {
    () => {
        concat!(
            put!(limits),
            put!("8", "9", "10", "11": "d16-d19", "d20-d23"),
            put!("12", "13", "14", "15": "d24-d27", "d28-d31"),
            "add r1, r1, r2, lsl #1\n",
            "subs r3, r3, #1\n",
            "bne 1b\n",
            end!(),
        )
    };
}

/// Two and two pixels that read runs of numbers.
///
/// # Safety
/// The processor has NEON, and all that the arguments tell of is there.
pub(crate) unsafe fn real_pixels(reals: &Reals) {
    // SAFETY: as the caller says.
    unsafe { pixels_loop(reals) }
}

#[unsafe(naked)]
unsafe extern "C" fn pixels_loop(reals: *const Reals) {
    naked_asm!(
        begin!(),
        "1:",
        bias!(twice),
        "2:",
        "ldr r8, [r6], #4",
        "add r8, r1, r8, lsl #2",
        "add r9, r8, r2",
        "ldr lr, [r0, #44]",
        "cmp lr, #0",
        "beq 4f",
        "3:",
        weights!(),
        "vld1.32 {{d8[0]}}, [r8]!",
        "vld1.32 {{d8[1]}}, [r9]!",
        products!(
            "8", "0", "d8[0]"; "9", "1", "d8[0]"; "10", "2", "d8[0]"; "11", "3", "d8[0]";
            "12", "0", "d8[1]"; "13", "1", "d8[1]"; "14", "2", "d8[1]"; "15", "3", "d8[1]";
        ),
        "subs lr, lr, #1",
        "bne 3b",
        "4:",
        "subs r7, r7, #1",
        "bne 2b",
        next!(),
    )
}

/// One pixel that reads one run of numbers.
///
/// # Safety
/// The processor has NEON, and all that the arguments tell of is there.
pub(crate) unsafe fn real_vector(reals: &Reals) {
    // SAFETY: as the caller says.
    unsafe { vector_loop(reals) }
}

#[unsafe(naked)]
unsafe extern "C" fn vector_loop(reals: *const Reals) {
    naked_asm!(
        begin!(),
        bias!(),
        "ldr r6, [r6]",
        "add r1, r1, r6, lsl #2",
        "ldr lr, [r0, #44]",
        "cmp lr, #0",
        "beq 4f",
        "3:",
        weights!(),
        "vld1.32 {{d8[]}}, [r1]!",
        products!("8", "0", "d8[0]"; "9", "1", "d8[0]"; "10", "2", "d8[0]"; "11", "3", "d8[0]";),
        "subs lr, lr, #1",
        "bne 3b",
        "4:",
        put!(limits),
        put!("8", "9", "10", "11": "d16-d19", "d20-d23"),
        end!(),
    )
}

/// Two and two pixels of a depthwise convolution, which read sixteen channels of each tap.
///
/// # Safety
/// The processor has NEON, and all that the arguments tell of is there.
pub(crate) unsafe fn real_columns(reals: &Reals) {
    // SAFETY: as the caller says.
    unsafe { columns_loop(reals) }
}

#[unsafe(naked)]
unsafe extern "C" fn columns_loop(reals: *const Reals) {
    naked_asm!(
        begin!(),
        "1:",
        bias!(twice),
        "2:",
        "ldr r8, [r6], #4",
        "add r8, r1, r8, lsl #2",
        "add r9, r8, r2",
        weights!(),
        "vld1.32 {{d8-d11}}, [r8]!",
        "vld1.32 {{d12-d15}}, [r8]",
        products!("8", "0", "q4"; "9", "1", "q5"; "10", "2", "q6"; "11", "3", "q7";),
        "vld1.32 {{d8-d11}}, [r9]!",
        "vld1.32 {{d12-d15}}, [r9]",
        products!("12", "0", "q4"; "13", "1", "q5"; "14", "2", "q6"; "15", "3", "q7";),
        "subs r7, r7, #1",
        "bne 2b",
        next!(),
    )
}
