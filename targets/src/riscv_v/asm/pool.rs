//! The loops of pools.

use core::arch::naked_asm;

use crate::pool::{Average, Pool};

/// The arguments of the loops, in the order of their registers.
#[repr(C)]
struct Arguments {
    x: *const i8,
    rows: usize,
    columns: usize,
    across: usize,
    /// From the end of a row to the next row.
    gap: usize,
    lo: isize,
    hi: isize,
    channels: usize,
    y: *mut i8,
    bias: isize,
    multiplier: isize,
    zero: isize,
}

impl Arguments {
    #[inline(always)]
    fn new(pool: &mut Pool<'_>, Average { bias, multiplier, zero }: Average) -> Self {
        let ([rows, columns], [down, across], [lo, hi]) = (pool.size, pool.steps, pool.limits.map(isize::from));
        let gap = down.wrapping_sub(across.wrapping_mul(columns));
        let (x, y, channels) = (pool.x.as_ptr(), pool.y.as_mut_ptr(), pool.y.len());
        let [bias, multiplier, zero] = [bias, multiplier >> 1, zero].map(|number| number as isize);
        Self { x, rows, columns, across, gap, lo, hi, channels, y, bias, multiplier, zero }
    }
}

/// See [`Pool`]; it must fit.
#[inline(always)]
pub(in crate::riscv_v) fn average(pool: &mut Pool<'_>, average: Average) {
    let arguments = Arguments::new(pool, average);
    // SAFETY: `Pool::fits` holds: there are rows, columns and channels, and the last channel of the last pixel lies in `x`.
    unsafe { average_loop(&raw const arguments) }
}

/// See [`Pool`]; it must fit.
#[inline(always)]
pub(in crate::riscv_v) fn greatest(pool: &mut Pool<'_>) {
    let arguments = Arguments::new(pool, Average { bias: 0, multiplier: 0, zero: 0 });
    // SAFETY: as in `average`.
    unsafe { greatest_loop(&raw const arguments) }
}

/// Calls `$each` with every pixel of a block of channels at t2; t3 counts rows and t4 columns.
macro_rules! pixels {
    ($each:literal) => {
        concat!(
            "mv t2, a1\n",
            "mv t3, a2\n",
            "2:\n",
            "mv t4, a3\n",
            "3:\n",
            $each,
            "addi t4, t4, -1\n",
            "add t2, t2, a4\n",
            "bnez t4, 3b\n",
            "addi t3, t3, -1\n",
            "add t2, t2, a5\n",
            "bnez t3, 2b\n",
        )
    };
}

/// Goes to the next block of channels, if there is one.
macro_rules! next {
    () => {
        "add a1, a1, t1\nadd t0, t0, t1\nsub a0, a0, t1\nbnez a0, 1b\n"
    };
}

/// The sums are in 32 bits, v0.
#[unsafe(naked)]
unsafe extern "C" fn average_loop(arguments: *const Arguments) {
    naked_asm!(
        begin!(),
        words!(next "sp" "-4"),
        words!(store "sp" "s0" "0" "s1" "1" "s2" "2"),
        "csrwi vxrm, 0",
        words!(load "a0" "a1" "0" "a2" "1" "a3" "2" "a4" "3" "a5" "4" "a6" "5" "a7" "6" "t0" "8" "s0" "9" "s1" "10" "s2" "11" "a0" "7"),
        "1:",
        "vsetvli t1, a0, e32, m8, ta, ma",
        "vmv.v.x v0, s0",
        "vsetvli zero, zero, e16, m4, ta, ma",
        pixels!("vle8.v v8, (t2)\nvsext.vf2 v12, v8\nvwadd.wv v0, v0, v12\n"),
        "vsetvli zero, zero, e32, m8, ta, ma",
        "vsmul.vx v0, v0, s1",
        "vsetvli zero, zero, e16, m4, ta, ma",
        "vnclip.wi v0, v0, 0",
        "vsadd.vx v0, v0, s2",
        "vsetvli zero, zero, e8, m2, ta, ma",
        "vnclip.wi v0, v0, 0",
        "vmax.vx v0, v0, a6",
        "vmin.vx v0, v0, a7",
        "vse8.v v0, (t0)",
        next!(),
        words!(load "sp" "s0" "0" "s1" "1" "s2" "2"),
        words!(next "sp" "4"),
        end!(),
    )
}

/// The greatest numbers so far are v0; none is less than the smallest result.
#[unsafe(naked)]
unsafe extern "C" fn greatest_loop(arguments: *const Arguments) {
    naked_asm!(
        begin!(),
        words!(load "a0" "a1" "0" "a2" "1" "a3" "2" "a4" "3" "a5" "4" "a6" "5" "a7" "6" "t0" "8" "a0" "7"),
        "1:",
        "vsetvli t1, a0, e8, m8, ta, ma",
        "vmv.v.x v0, a6",
        pixels!("vle8.v v8, (t2)\nvmax.vv v0, v0, v8\n"),
        "vmin.vx v0, v0, a7",
        "vse8.v v0, (t0)",
        next!(),
        end!(),
    )
}
