//! The loops of convolutions and fully connected layers.

use core::arch::naked_asm;

use crate::riscv_v::tile::Tile;

/// The arguments of the loops, in the order of their registers.
#[repr(C)]
struct Arguments {
    x: *const i8,
    step: usize,
    /// Turns, of three pixels or of one; or pixels.
    turns: usize,
    y: *mut i8,
    stride: usize,
    depth: usize,
    outputs: usize,
    row: usize,
    lo: isize,
    hi: isize,
    zero: isize,
    /// −1 if each output has a multiplier, else 0.
    each: isize,
    weights: *const i8,
    bias: *const i32,
    multipliers: *const i32,
}

/// See [`Tile`]; it must fit.
#[inline(always)]
pub(in crate::riscv_v) fn pixels(tile: &mut Tile<'_>) {
    let (count, rounding) = (tile.pixels.count, &tile.rounding);
    let (multipliers, multiplier_bytes) = rounding.steps();
    let mut arguments = Arguments {
        x: tile.pixels.x.as_ptr(),
        step: tile.pixels.step,
        turns: count / 3,
        y: tile.y.as_mut_ptr(),
        stride: tile.stride,
        depth: tile.depth,
        outputs: tile.bias.len(),
        row: tile.row,
        lo: rounding.lo as isize,
        hi: rounding.hi as isize,
        zero: rounding.zero as isize,
        each: if multiplier_bytes == 0 { 0 } else { -1 },
        weights: tile.weights.as_ptr(),
        bias: tile.bias.as_ptr(),
        multipliers,
    };
    let narrow = (3..=NARROW).contains(&arguments.outputs) && count >= MANY;
    // SAFETY: `Tile::fits` holds: there are pixels, outputs and activations, which lie in `x` up to the last pixel's last, weights for all
    // activations of all outputs, multipliers for all outputs or the only one, and the last pixel's outputs lie in `y`. Of `narrow_loop` there are
    // three outputs, of the others there is a turn.
    unsafe {
        if narrow {
            arguments.turns = count;
            return narrow_loop(&raw const arguments);
        }
        if arguments.turns > 0 {
            three_loop(&raw const arguments);
        }
        let done = arguments.turns.wrapping_mul(3);
        arguments.x = arguments.x.wrapping_add(done.wrapping_mul(arguments.step));
        arguments.y = arguments.y.wrapping_add(done.wrapping_mul(arguments.stride));
        arguments.turns = count.wrapping_sub(done);
        if arguments.turns > 0 {
            one_loop(&raw const arguments);
        }
    }
}

/// The most outputs that leave more lanes empty than pixels do, and the pixels that are enough.
const NARROW: usize = 8;
const MANY: usize = 16;

/// One activation of each pixel times its weights: the sums, where the pixels are and registers to load to.
macro_rules! product {
    ($at:literal $($sum:literal $x:literal $t:literal)+) => {
        concat!(
            "vle8.v v24, (a7)\nadd a7, a7, s7\n",
            $("lb ", $t, ", ", $at, "(", $x, ")\n",)+
            "vsext.vf2 v28, v24\n",
            $("vwmacc.vx ", $sum, ", ", $t, ", v28\n",)+
        )
    };
}

/// Goes on by so many activations.
macro_rules! forward {
    ($by:literal $($sum:literal $x:literal $t:literal)+) => {
        concat!($("addi ", $x, ", ", $x, ", ", $by, "\n",)+)
    };
}

/// All activations, four at a time as long as there are four.
macro_rules! products {
    ($($list:literal)+) => {
        concat!(
            "vsetvli zero, zero, e16, m4, ta, ma\n",
            "mv a7, a1\n",
            "andi t3, s5, -4\n",
            "add t3, t3, t0\n",
            "beq t3, t0, 4f\n",
            "3:\n",
            product!("0" $($list)+),
            product!("1" $($list)+),
            product!("2" $($list)+),
            product!("3" $($list)+),
            forward!("4" $($list)+),
            "bne t0, t3, 3b\n",
            "4:\n",
            "andi t3, s5, 3\n",
            "add t3, t3, t0\n",
            "beq t3, t0, 6f\n",
            "5:\n",
            product!("0" $($list)+),
            forward!("1" $($list)+),
            "bne t0, t3, 5b\n",
            "6:\n",
        )
    };
}

/// Loads the arguments, and goes to a turn's first outputs: a1 to a4 point to weights, biases, multipliers and outputs, a5 are left.
macro_rules! first {
    () => {
        concat!(
            begin!(),
            save!(),
            "csrwi vxrm, 0\n",
            words!(load "a0" "s0" "0" "s1" "1" "s2" "2" "s3" "3" "s4" "4" "s5" "5" "s6" "6" "s7" "7" "s8" "8" "s9" "9" "s10" "10" "s11" "11"),
            "1:\n",
            words!(load "a0" "a1" "12" "a2" "13" "a3" "14"),
            "mv a4, s3\n",
            "mv a5, s6\n",
        )
    };
}

/// Goes to the next outputs, if there are any.
macro_rules! next {
    () => {
        concat!(
            "add a1, a1, a6\n",
            "add a4, a4, a6\n",
            "sub a5, a5, a6\n",
            "slli t4, a6, 2\n",
            "add a2, a2, t4\n",
            "and t4, t4, s11\n",
            "add a3, a3, t4\n",
            "bnez a5, 2b\n",
        )
    };
}

/// Three pixels at a time: v0, v8 and v16 are the sums, t0 to t2 point to the pixels, a7 to weights. 10 instructions for three products in each
/// lane.
#[unsafe(naked)]
unsafe extern "C" fn three_loop(arguments: *const Arguments) {
    naked_asm!(
        first!(),
        "2:",
        "vsetvli a6, a5, e32, m8, ta, ma",
        "vle32.v v0, (a2)",
        "mv t0, s0",
        "add t1, t0, s1",
        "add t2, t1, s1",
        "vmv.v.v v8, v0",
        "vmv.v.v v16, v0",
        products!("v0" "t0" "t4" "v8" "t1" "t5" "v16" "t2" "t6"),
        round!("v24", "v0", "v8", "v16"),
        "add t4, a4, s4",
        "add t5, t4, s4",
        "vse8.v v0, (a4)",
        "vse8.v v8, (t4)",
        "vse8.v v16, (t5)",
        next!(),
        "slli t4, s1, 1",
        "add t4, t4, s1",
        "add s0, s0, t4",
        "slli t4, s4, 1",
        "add t4, t4, s4",
        "add s3, s3, t4",
        "addi s2, s2, -1",
        "bnez s2, 1b",
        restore!(),
        end!(),
    )
}

/// One pixel at a time. Five and a half instructions for a product in each lane.
#[unsafe(naked)]
unsafe extern "C" fn one_loop(arguments: *const Arguments) {
    naked_asm!(
        first!(),
        "2:",
        "vsetvli a6, a5, e32, m8, ta, ma",
        "vle32.v v0, (a2)",
        "mv t0, s0",
        products!("v0" "t0" "t4"),
        round!("v24", "v0"),
        "vse8.v v0, (a4)",
        next!(),
        "add s0, s0, s1",
        "add s3, s3, s4",
        "addi s2, s2, -1",
        "bnez s2, 1b",
        restore!(),
        end!(),
    )
}

/// A pixel in each lane, three outputs at a time: the last three are computed once more where the outputs are not a multiple. v0, v8 and v16 are the
/// sums, t0 points to the first pixel's activations, a7 to weights, a5 is the first output. 11 instructions for three products in each lane.
#[unsafe(naked)]
unsafe extern "C" fn narrow_loop(arguments: *const Arguments) {
    naked_asm!(
        first!(),
        "vsetvli a6, s2, e32, m8, ta, ma",
        "li a5, 0",
        "2:",
        "slli t4, a5, 2",
        "add t4, t4, a2",
        "lw t5, 0(t4)",
        "lw t6, 4(t4)",
        "lw t4, 8(t4)",
        "vsetvli zero, zero, e32, m8, ta, ma",
        "vmv.v.x v0, t5",
        "vmv.v.x v8, t6",
        "vmv.v.x v16, t4",
        "vsetvli zero, zero, e16, m4, ta, ma",
        "add a7, a1, a5",
        "mv t0, s0",
        "add t3, s0, s5",
        "3:",
        "vlse8.v v24, (t0), s1",
        "lb t4, 0(a7)",
        "lb t5, 1(a7)",
        "lb t6, 2(a7)",
        "addi t0, t0, 1",
        "add a7, a7, s7",
        "vsext.vf2 v28, v24",
        "vwmacc.vx v0, t4, v28",
        "vwmacc.vx v8, t5, v28",
        "vwmacc.vx v16, t6, v28",
        "bne t0, t3, 3b",
        // The multipliers, halved: three words, or one.
        "slli t4, a5, 2",
        "and t4, t4, s11",
        "add t4, t4, a3",
        "andi t5, s11, 4",
        "add t5, t5, t4",
        "andi t6, s11, 8",
        "add t6, t6, t4",
        "lw t4, (t4)",
        "lw t5, (t5)",
        "lw t6, (t6)",
        "srai t4, t4, 1",
        "srai t5, t5, 1",
        "srai t6, t6, 1",
        "vsetvli zero, zero, e32, m8, ta, ma",
        "vsmul.vx v0, v0, t4",
        "vsmul.vx v8, v8, t5",
        "vsmul.vx v16, v16, t6",
        narrow!("v0", "v8", "v16"),
        "add t4, s3, a5",
        "vsse8.v v0, (t4), s4",
        "addi t4, t4, 1",
        "vsse8.v v8, (t4), s4",
        "addi t4, t4, 1",
        "vsse8.v v16, (t4), s4",
        "addi a5, a5, 3",
        "beq a5, s6, 4f",
        "addi t4, s6, -3",
        "ble a5, t4, 2b",
        "mv a5, t4",
        "j 2b",
        "4:",
        "mul t4, a6, s1",
        "add s0, s0, t4",
        "mul t4, a6, s4",
        "add s3, s3, t4",
        "sub s2, s2, a6",
        "bnez s2, 1b",
        restore!(),
        end!(),
    )
}
