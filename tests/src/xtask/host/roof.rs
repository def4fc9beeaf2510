//! What this machine can do at most in int8: how near a layer may come.

use std::time::Instant;

use lacewing_targets::Lanes;
use serde::Serialize;

/// Tries, of which the fastest counts.
const TRIES: usize = 7;
/// Rounds of products of a try: some milliseconds.
const ROUNDS: usize = 1 << 20;
const MIB: usize = 1 << 20;

/// What one thread does at most.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Roofline {
    /// Products of int8, added up, in a second.
    pub(super) int8_macs_per_second: f64,
    /// Bytes that are read in a second, over and over, of 1 MiB.
    pub(super) read_1_mib_bytes_per_second: f64,
    /// The same of 512 MiB.
    pub(super) read_512_mib_bytes_per_second: f64,
}

/// Measures it with the instructions that layers use.
pub(super) fn measure() -> Roofline {
    let lanes = Lanes::detect();
    let bytes = vec![1i8; 512 * MIB];
    let reads = |len: usize, times: usize| {
        best(|| {
            (0..times).for_each(|_| lanes.reads(&bytes[..len]));
            (len * times) as f64
        })
    };
    Roofline {
        int8_macs_per_second: best(|| lanes.products(ROUNDS) as f64),
        read_1_mib_bytes_per_second: reads(MIB, 256),
        read_512_mib_bytes_per_second: reads(512 * MIB, 1),
    }
}

/// How much of something was done in a second, at the fastest try.
fn best(work: impl Fn() -> f64) -> f64 {
    let tries = (0..TRIES).map(|_| {
        let begun = Instant::now();
        let done = work();
        done / begun.elapsed().as_secs_f64()
    });
    tries.fold(0.0, f64::max)
}
