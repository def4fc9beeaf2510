//! Models quantized by onnxruntime, in both forms and both signs: they stay int8, keep the file's integers, and give
//! onnxruntime's results. `tests/qdq/make.py` writes them.

use std::path::PathBuf;

use lacewing::format::Opcode;
use lacewing_board::scores::top1;
use lacewing_convert::data::{InputSpec, Samples, Scaling};
use lacewing_convert::import;
use lacewing_convert::isolated::isolated;
use lacewing_convert::passes::simplify;
use lacewing_convert::runner::Runner;
use lacewing_convert::{Options, Precision, Sample, convert};
use ndarray::ArrayD;

/// One has weights with zero points that leave them outside int8.
const FORMS: [&str; 7] =
    ["qdq_int8", "qdq_uint8", "qoperator_int8", "qoperator_uint8", "qdq_asymmetric", "qdq_int16", "qdq_uint16"];

/// A model, its inputs, and onnxruntime's outputs.
struct Case {
    onnx: Vec<u8>,
    inputs: Vec<Sample>,
    outputs: Vec<Sample>,
}

fn case(name: &str, input: &[usize], output: &[usize]) -> Case {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/qdq"));
    let arrays = |key: &str, shape: &[usize]| {
        let spec = InputSpec { name: key.into(), shape: shape.to_vec() };
        Samples::read(&folder.join(format!("{name}.npz")), &[spec], Scaling::default()).unwrap().rows().to_vec()
    };
    let onnx = std::fs::read(folder.join(format!("{name}.onnx"))).unwrap();
    Case { onnx, inputs: arrays("in:x", input), outputs: arrays("out:y", output) }
}

fn nets(form: &str) -> [(String, Case); 2] {
    let nets: [(&str, &[usize], &[usize]); 2] = [("cnn", &[1, 3, 16, 16], &[1, 10]), ("mlp", &[1, 20], &[1, 5])];
    nets.map(|(net, input, output)| (format!("{net}_{form}"), case(&format!("{net}_{form}"), input, output)))
}

fn cases() -> impl Iterator<Item = (String, Case)> {
    FORMS.into_iter().flat_map(nets)
}

/// The operations of a program that run in f32.
fn float_ops(file: &[u8]) -> Vec<Opcode> {
    let ops: Vec<Opcode> = Runner::new(file).unwrap().model().ops().map(|op| op.opcode()).collect();
    ops.into_iter().filter(|op| op.name().ends_with("F32")).collect()
}

/// The scale of the first output.
fn output_scale(file: &[u8]) -> f32 {
    Runner::new(file).unwrap().model().outputs().next().unwrap().scale
}

fn converted(onnx: &[u8], precision: Precision) -> Vec<u8> {
    let options = Options::of(precision);
    convert(onnx, &options, &[], |_| {}).unwrap().file
}

/// The largest difference from onnxruntime over all samples, in steps of the output.
fn steps_apart(case: &Case, file: &[u8], step: f32) -> f32 {
    let mut runner = Runner::new(file).unwrap();
    let mut worst: f32 = 0.0;
    for (inputs, wanted) in case.inputs.iter().zip(&case.outputs) {
        let got: Vec<ArrayD<f32>> = runner.run(inputs).unwrap();
        let (got, wanted) = (got[0].as_slice().unwrap(), wanted[0].as_slice().unwrap());
        assert_eq!(top1(got), top1(wanted));
        worst = got.iter().zip(wanted).fold(worst, |worst, (a, b)| worst.max((a - b).abs() / step));
    }
    worst
}

#[test]
fn quantized_models_stay_int8_and_give_onnxruntimes_results() {
    for (name, case) in cases() {
        let file = converted(&case.onnx, Precision::Int8);
        assert_eq!(float_ops(&file), [], "{name}");
        // onnxruntime rounds ties to even and multiplies in f32: one step of one layer, carried on.
        assert!(steps_apart(&case, &file, output_scale(&file)) <= 2.0, "{name}");
    }
}

#[test]
fn in_f32_they_keep_their_roundings() {
    for (name, case) in cases() {
        let step = output_scale(&converted(&case.onnx, Precision::Int8));
        assert!(steps_apart(&case, &converted(&case.onnx, Precision::F32), step) <= 1.01, "{name}");
    }
}

/// Each layer, given its own operands, is within one step of the arithmetic that the specification asks for.
#[test]
fn no_layer_is_more_than_a_step_from_its_exact_meaning() {
    for (name, case) in cases() {
        let graph = simplify(import::onnx(&case.onnx, &Default::default()).unwrap(), &Default::default()).unwrap();
        let layers = isolated(&graph, &converted(&case.onnx, Precision::Int8), &case.inputs, || {}).unwrap();
        assert!(layers.len() >= 3, "{name}");
        for layer in layers {
            assert!(layer.max_steps <= 1, "{name}: {layer:?}");
        }
    }
}

/// Rounding to uint8 with the zero point 0 is an activation: what is compared with has it too.
#[test]
fn layers_are_compared_with_what_the_file_rounds() {
    for (name, case) in cases() {
        let found = convert(&case.onnx, &Options::default(), &case.inputs, |_| {}).unwrap().verification;
        assert!(found.layers.len() >= 2, "{name}");
        for layer in found.layers {
            assert!(layer.sqnr_db > 20.0, "{name}: {layer:?}");
        }
    }
}

/// Trained with quantization in the loop, by `convert/demo/train_qat.py`: nothing is chosen anew.
#[test]
fn a_model_that_was_trained_for_int8_keeps_its_scales() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let spec = |name: &str, shape: &[usize]| [InputSpec { name: name.into(), shape: shape.to_vec() }];
    let bytes = Scaling { scale: 1.0 / 255.0, zero: 0.0 };
    let images = Samples::read(&root.join("convert/demo/test.npz"), &spec("image", &[1, 1, 28, 28]), bytes).unwrap();
    let logits = root.join("tests/qdq/fashion_qat.npz");
    let logits = Samples::read(&logits, &spec("logits", &[1, 10]), Scaling::default()).unwrap();
    let (inputs, outputs) = (images.rows()[..logits.len()].to_vec(), logits.rows().to_vec());
    let case = Case { onnx: std::fs::read(root.join("tests/qdq/fashion_qat.onnx")).unwrap(), inputs, outputs };
    let file = converted(&case.onnx, Precision::Int8);
    assert_eq!(float_ops(&file), []);
    assert!(steps_apart(&case, &file, output_scale(&file)) <= 1.01);
}
