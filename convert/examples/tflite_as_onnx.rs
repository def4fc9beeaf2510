//! Writes the ONNX model that a TensorFlow Lite file is read as: `tflite_as_onnx model.tflite model.onnx`.

use std::process::ExitCode;

use lacewing_convert::import::tflite_as_onnx;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = arguments.as_slice() else {
        eprintln!("usage: tflite_as_onnx MODEL.tflite MODEL.onnx");
        return ExitCode::from(2);
    };
    let bytes = std::fs::read(input).map_err(|e| e.to_string());
    let onnx = bytes.and_then(|bytes| tflite_as_onnx(&bytes).map_err(|e| e.to_string()));
    match onnx.and_then(|onnx| std::fs::write(output, onnx).map_err(|e| e.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{input}: {error}");
            ExitCode::FAILURE
        }
    }
}
