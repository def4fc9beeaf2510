//! NEON of Armv7-A, in 32-bit programs of Linux boards.
//!
//! The compiler has neither intrinsics nor operands for it in stable Rust, and a program for such boards must run without. So whole loops are
//! in assembly, and what each is given is in a structure here. VMULL makes eight products of 16 bits, and VPADAL adds two and two of them to
//! sums; between both VMLAL adds a second product of eight others, where no weight is −128: 2·127·128 is less than 2^15.
//!
//! Of sixteen registers the sums of two pixels by eight lanes take eight: each lane has two, which are added in the end. Four are weights, two
//! are activations and two products. A vector alone meets sixteen lanes instead. In f32 there are no products apart, and two pixels meet sixteen
//! lanes.

mod asm;

pub(crate) use asm::{
    add, average, columns, greatest, interleave, least, pixels, real_columns, real_pixels, real_vector, vector,
};

/// Whether the processor has NEON, as the system tells every program: the compiler's own test is not in stable Rust.
pub(crate) fn has_neon() -> bool {
    /// The bit that Linux has for it.
    const NEON: libc::c_ulong = 1 << 12;
    // SAFETY: the function may be called with any number, and gives 0 for what the system does not tell.
    unsafe { libc::getauxval(libc::AT_HWCAP) & NEON != 0 }
}

/// What all loops are given. Two eights of outputs are computed at once, of two pixels or of a vector.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Tile {
    /// What the first pixel reads.
    pub(crate) x: *const i8,
    /// From what a pixel reads to what the next one reads.
    pub(crate) step: usize,
    /// How often two eights are computed, at least once.
    pub(crate) count: usize,
    /// The first group of weights, from its first lane on.
    pub(crate) weights: *const i8,
    /// From one group to the next.
    pub(crate) group_step: usize,
    /// The bias of each lane.
    pub(crate) bias: *const i32,
    /// The multiplier of each lane.
    pub(crate) multipliers: *const i32,
    /// Bytes from the bias of the first eight to that of the second, and so of the multipliers.
    pub(crate) second: usize,
    /// The first eight results.
    pub(crate) y: *mut i8,
    /// From eight results to the next eight.
    pub(crate) y_step: usize,
    /// The output's zero point.
    pub(crate) zero: i16,
    /// Smallest and largest result.
    pub(crate) limits: [i8; 2],
}

/// Pixels that read runs of bytes.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Pixels {
    pub(crate) tile: Tile,
    /// Where the runs of the first pixel start.
    pub(crate) runs: *const usize,
    /// Runs, at least one.
    pub(crate) run_count: usize,
    /// How many eights of each run are added in pairs.
    pub(crate) eights: usize,
    /// How many fours follow them.
    pub(crate) fours: usize,
}

/// Pixels of a depthwise convolution.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Columns {
    pub(crate) tile: Tile,
    /// Fours of rows, at least one.
    pub(crate) fours: usize,
    /// From a four of rows to the next.
    pub(crate) rows: usize,
    /// Taps of a row, at least one.
    pub(crate) taps: usize,
    /// From a tap to the next.
    pub(crate) tap: usize,
}

/// A sum of two tensors, eight numbers at a time; see [`Add`](crate::add::Add).
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Sum {
    pub(crate) a: *const i8,
    pub(crate) b: *const i8,
    pub(crate) y: *mut i8,
    /// Eights, at least one.
    pub(crate) count: usize,
    /// Of `a` and of `b`.
    pub(crate) multipliers: [i32; 2],
    pub(crate) bias: i32,
    /// To the left.
    pub(crate) shift: i32,
    /// The output's zero point.
    pub(crate) zero: i16,
    /// Smallest and largest result.
    pub(crate) limits: [i8; 2],
}

/// Rectangles of pixels, of each of which a pool makes one: sixteen channels at a time; see [`Pool`](crate::pool::Pool).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Rectangle {
    /// The first pixel.
    pub(crate) x: *const i8,
    /// Rows and columns, at least one of each.
    pub(crate) size: [usize; 2],
    /// From one row to the next, and from one column to the next.
    pub(crate) steps: [usize; 2],
    pub(crate) y: *mut i8,
    /// Sixteens, at least one.
    pub(crate) count: usize,
    /// What every sum begins with, and its multiplier.
    pub(crate) bias: i32,
    pub(crate) multiplier: i32,
    /// The output's zero point.
    pub(crate) zero: i16,
    /// Smallest and largest result.
    pub(crate) limits: [i8; 2],
}

/// Sixteen outputs in f32 of two and two pixels.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Reals {
    /// What the first pixel reads.
    pub(crate) x: *const f32,
    /// Bytes from what a pixel reads to what the next one reads.
    pub(crate) step: usize,
    /// Twos of pixels, at least one.
    pub(crate) count: usize,
    /// Sixteen for each number that a pixel reads.
    pub(crate) weights: *const f32,
    /// Sixteen.
    pub(crate) bias: *const f32,
    /// The first pixel's results.
    pub(crate) y: *mut f32,
    /// Bytes from one pixel's results to the next one's.
    pub(crate) y_step: usize,
    /// Smallest and largest result.
    pub(crate) limits: [f32; 2],
    /// Where the runs or taps of the first pixel start, in numbers.
    pub(crate) places: *const usize,
    /// How many there are, at least one.
    pub(crate) place_count: usize,
    /// Numbers of a run.
    pub(crate) len: usize,
}
