//! The loops in RISC-V assembly with vectors. Each is a function of its own with the C calling convention, given one pointer to its arguments,
//! so that all registers are its own. Of the vector extensions the smallest one that has what they use is Zve32x.
//!
//! Lanes are outputs or channels, as many of those that are left as VSETVLI gives. Sums of 32 bits take groups of eight registers, numbers of 16
//! bits four and of 8 bits two: all have the same number of lanes, so that VSETVLI between them changes the type alone.

/// What lets the assembler know the instructions, which the compilation target does not name.
macro_rules! begin {
    () => {
        ".option push\n.option arch, +m, +zve32x\n"
    };
}

/// Returns, and ends what `begin` began.
macro_rules! end {
    () => {
        "ret\n.option pop\n"
    };
}

/// Loads or stores words, each the size of a pointer: a register and its place from `base` on.
#[cfg(target_pointer_width = "32")]
macro_rules! words {
    (load $base:literal $($register:literal $at:literal)+) => {
        concat!($("lw ", $register, ", 4*", $at, "(", $base, ")\n",)+)
    };
    (store $base:literal $($register:literal $at:literal)+) => {
        concat!($("sw ", $register, ", 4*", $at, "(", $base, ")\n",)+)
    };
    (next $register:literal $count:literal) => {
        concat!("addi ", $register, ", ", $register, ", 4*", $count, "\n")
    };
}
#[cfg(target_pointer_width = "64")]
macro_rules! words {
    (load $base:literal $($register:literal $at:literal)+) => {
        concat!($("ld ", $register, ", 8*", $at, "(", $base, ")\n",)+)
    };
    (store $base:literal $($register:literal $at:literal)+) => {
        concat!($("sd ", $register, ", 8*", $at, "(", $base, ")\n",)+)
    };
    (next $register:literal $count:literal) => {
        concat!("addi ", $register, ", ", $register, ", 8*", $count, "\n")
    };
}

/// Saves the registers that are the caller's, and restores them.
macro_rules! saved {
    ($what:ident) => {
        words!($what "sp" "s0" "0" "s1" "1" "s2" "2" "s3" "3" "s4" "4" "s5" "5" "s6" "6" "s7" "7" "s8" "8" "s9" "9" "s10" "10" "s11" "11")
    };
}
macro_rules! save {
    () => {
        concat!(words!(next "sp" "-12"), saved!(store))
    };
}
macro_rules! restore {
    () => {
        concat!(saved!(load), words!(next "sp" "12"))
    };
}

/// Rounds sums to int8, each group of eight registers to its first two. a3 points to multipliers, a word if s11 is 0.
///
/// VSMUL gives `(a·b + 2^30) >> 31`, so that `b = m / 2`: the multipliers are even.
macro_rules! round {
    ($multipliers:literal, $($sum:literal),+) => {
        concat!(
            "vsetvli zero, zero, e32, m8, ta, ma\n",
            "lw t4, (a3)\n",
            "vmv.v.x ", $multipliers, ", t4\n",
            "beqz s11, 9f\n",
            "vle32.v ", $multipliers, ", (a3)\n",
            "9:\n",
            "vsra.vi ", $multipliers, ", ", $multipliers, ", 1\n",
            $("vsmul.vv ", $sum, ", ", $sum, ", ", $multipliers, "\n",)+
            narrow!($($sum),+),
        )
    };
}

/// Goes from 32 bits to int8: s8 to s10 are the smallest and largest result and the zero point. VNCLIP without a shift saturates.
macro_rules! narrow {
    ($($sum:literal),+) => {
        concat!(
            "vsetvli zero, zero, e16, m4, ta, ma\n",
            $("vnclip.wi ", $sum, ", ", $sum, ", 0\n",)+
            $("vsadd.vx ", $sum, ", ", $sum, ", s10\n",)+
            "vsetvli zero, zero, e8, m2, ta, ma\n",
            $("vnclip.wi ", $sum, ", ", $sum, ", 0\n",)+
            $("vmax.vx ", $sum, ", ", $sum, ", s8\n",)+
            $("vmin.vx ", $sum, ", ", $sum, ", s9\n",)+
        )
    };
}

mod copy;
mod depthwise;
mod elements;
mod pixels;
mod pool;

pub(super) use copy::copy;
pub(super) use depthwise::rectangle;
pub(super) use elements::{add, least, table};
pub(super) use pixels::pixels;
pub(super) use pool::{average, greatest};
