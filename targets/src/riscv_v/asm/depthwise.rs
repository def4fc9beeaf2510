//! The loop of depthwise convolutions.

use core::arch::naked_asm;

use crate::riscv_v::tile::{Rectangle, Tap};

/// The arguments of `rectangle_loop`, in the order of its registers, then what stays where it is.
#[repr(C)]
struct Arguments<'a> {
    taps: *const Tap<'a>,
    input_zero: isize,
    lo: isize,
    hi: isize,
    zero: isize,
    each: isize,
    bias: *const i32,
    multipliers: *const i32,
    weights: *const i8,
    channels: usize,
    y: *mut i8,
    across: usize,
    y_across: usize,
    /// Ends of the taps that are taken in pairs, of the others that are inside, and of those outside.
    pairs: *const Tap<'a>,
    inside: *const Tap<'a>,
    all: *const Tap<'a>,
    rows: usize,
    columns: usize,
    down: usize,
    y_down: usize,
}

/// See [`Rectangle`]; it must fit.
#[inline(always)]
pub(in crate::riscv_v) fn rectangle(rectangle: &mut Rectangle<'_>) {
    let (taps, rounding) = (rectangle.taps.as_ptr(), &rectangle.rounding);
    let ([inside, outside], [rows, columns]) = (rectangle.taps.counts(), rectangle.size);
    let ([down, across], [y_down, y_across]) = (rectangle.steps, rectangle.strides);
    let (multipliers, multiplier_bytes) = rounding.steps();
    let arguments = Arguments {
        taps,
        input_zero: rectangle.input_zero.into(),
        lo: rounding.lo as isize,
        hi: rounding.hi as isize,
        zero: rounding.zero as isize,
        each: if multiplier_bytes == 0 { 0 } else { -1 },
        bias: rectangle.bias.as_ptr(),
        multipliers,
        weights: rectangle.weights.as_ptr(),
        channels: rectangle.bias.len(),
        y: rectangle.y.as_mut_ptr(),
        across,
        y_across,
        pairs: taps.wrapping_add(if rectangle.narrow { inside & !1 } else { 0 }),
        inside: taps.wrapping_add(inside),
        all: taps.wrapping_add(inside.wrapping_add(outside)),
        rows,
        columns,
        down,
        y_down,
    };
    // SAFETY: `Rectangle::fits` holds: there are rows, columns and channels, each tap inside reaches to the last channel of the last pixel, each
    // tap has weights for all channels, there are multipliers for all or the only one, and the last pixel's outputs lie in `y`.
    unsafe { rectangle_loop(&raw const arguments) }
}

/// Loads the weights of a tap, and what it reads of both pixels.
macro_rules! tap {
    ($weights:literal) => {
        concat!(
            words!(load "t0" "t2" "0" "t3" "1"),
            words!(next "t0" "2"),
            "add t2, t2, a4\n",
            "add t3, t3, a1\n",
            "vle8.v ", $weights, ", (t3)\n",
            "vle8.v v26, (t2)\n",
            "add t2, t2, t5\n",
            "vle8.v v28, (t2)\n",
        )
    };
}

/// Adds products of 16 bits to the sums.
macro_rules! widen {
    ($first:literal, $second:literal) => {
        concat!(
            "vsetvli zero, zero, e16, m4, ta, ma\n",
            "vwadd.wv v0, v0, ",
            $first,
            "\n",
            "vwadd.wv v8, v8, ",
            $second,
            "\n",
            "vsetvli zero, zero, e8, m2, ta, ma\n",
        )
    };
}

/// The channels of a block of two pixels at a time; a last one that is alone is both. v0 and v8 are the sums, v16 and v20 products of 16 bits,
/// of which two of a lane fit if no weight is −128. a4 is added to what taps read, a1 to where their weights are.
#[unsafe(naked)]
unsafe extern "C" fn rectangle_loop(arguments: *const Arguments<'_>) {
    naked_asm!(
        begin!(),
        save!(),
        "csrwi vxrm, 0",
        words!(load "a0" "s0" "0" "s1" "1" "s8" "2" "s9" "3" "s10" "4" "s11" "5" "a2" "6" "a3" "7" "a1" "8"),
        words!(load "a0" "s2" "9" "s3" "10" "s4" "11" "s5" "12"),
        // From the first channel of a pixel to the block's.
        "li s6, 0",
        // A block of channels.
        "1:",
        "vsetvli a7, s2, e8, m2, ta, ma",
        words!(load "a0" "t6" "16"),
        // A row: where it begins in what taps read and in the outputs.
        "mv a5, s6",
        "mv a6, s3",
        "2:",
        words!(load "a0" "s7" "17"),
        "mv a4, a5",
        "mv t1, a6",
        // Two pixels.
        "3:",
        "addi s7, s7, -2",
        "slti t4, s7, 0",
        "addi t4, t4, -1",
        "and t5, s4, t4",
        "vsetvli zero, zero, e32, m8, ta, ma",
        "vle32.v v0, (a2)",
        "mv t0, s0",
        words!(load "a0" "t4" "13"),
        "vmv.v.v v8, v0",
        "vsetvli zero, zero, e8, m2, ta, ma",
        "beq t0, t4, 5f",
        "4:",
        tap!("v24"),
        "vwmul.vv v16, v26, v24",
        "vwmul.vv v20, v28, v24",
        tap!("v30"),
        "vwmacc.vv v16, v26, v30",
        "vwmacc.vv v20, v28, v30",
        widen!("v16", "v20"),
        "bne t0, t4, 4b",
        "5:",
        words!(load "a0" "t4" "14"),
        "beq t0, t4, 7f",
        "6:",
        tap!("v24"),
        "vwmul.vv v16, v26, v24",
        "vwmul.vv v20, v28, v24",
        widen!("v16", "v20"),
        "bne t0, t4, 6b",
        "7:",
        words!(load "a0" "t4" "15"),
        "beq t0, t4, 9f",
        "8:",
        words!(load "t0" "t3" "1"),
        words!(next "t0" "2"),
        "add t3, t3, a1",
        "vle8.v v24, (t3)",
        "vwmul.vx v16, v24, s1",
        widen!("v16", "v16"),
        "bne t0, t4, 8b",
        "9:",
        round!("v16", "v0", "v8"),
        "slti t4, s7, 0",
        "addi t4, t4, -1",
        "and t4, t4, s5",
        "vse8.v v0, (t1)",
        "add t4, t4, t1",
        "vse8.v v8, (t4)",
        "add t1, t4, s5",
        "add a4, a4, t5",
        "add a4, a4, s4",
        "bgtz s7, 3b",
        words!(load "a0" "t4" "18" "t5" "19"),
        "add a5, a5, t4",
        "add a6, a6, t5",
        "addi t6, t6, -1",
        "bnez t6, 2b",
        "add a1, a1, a7",
        "add s3, s3, a7",
        "add s6, s6, a7",
        "sub s2, s2, a7",
        "slli t4, a7, 2",
        "add a2, a2, t4",
        "and t4, t4, s11",
        "add a3, a3, t4",
        "bnez s2, 1b",
        restore!(),
        end!(),
    )
}
