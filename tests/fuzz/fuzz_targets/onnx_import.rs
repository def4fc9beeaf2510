//! Any bytes as an ONNX model: a graph or an error, never a panic.

#![no_main]

use lacewing_convert::import;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = import::onnx(data, &Default::default());
});
