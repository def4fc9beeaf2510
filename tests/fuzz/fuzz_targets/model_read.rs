//! Any bytes as a `.lace` file, as they are and with a header that fits them, checked and trusted.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/parts.rs"]
mod parts;
#[path = "../../src/probe.rs"]
mod probe;

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.iter().rev().copied().cycle();
    let mut fill = || bytes.next().unwrap_or_default();
    let file = parts::Parts::of(data).file();
    for file in [data, &file] {
        probe::probe(file, &mut fill);
        probe::probe_trusted(file, &mut fill);
    }
});
