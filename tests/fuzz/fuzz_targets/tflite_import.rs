//! Any bytes behind the mark of a TensorFlow Lite file: a graph or an error, never a panic.

#![no_main]

use lacewing_convert::import;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut file = data.to_vec();
    if let Some(mark) = file.get_mut(4..8) {
        mark.copy_from_slice(b"TFL3");
    }
    let _ = import::onnx(&file, &Default::default());
});
