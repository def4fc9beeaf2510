//! Small TensorFlow Lite models of every operator, against outputs recorded with LiteRT; and broken files. `tests/tflite/gaps.txt`
//! lists what is not converted yet: a listed case that passes fails the run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use lacewing_convert::data::{InputSpec, Samples, Scaling};
use lacewing_convert::graph::{Kind, Value, ValueId};
use lacewing_convert::import::{self, tflite_as_onnx};
use lacewing_convert::runner::Runner;
use lacewing_convert::{Options, Precision, convert};
use ndarray::ArrayD;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tflite"))
}

fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = files.filter_map(|name| name.strip_suffix(".tflite").map(String::from)).collect();
    names.sort();
    names
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.tflite"))).unwrap()
}

/// One recorded case: runs one after the other.
struct Case {
    bytes: Vec<u8>,
    /// What the outputs hold.
    kinds: Vec<Kind>,
    inputs: Vec<Vec<ArrayD<f32>>>,
    outputs: Vec<Vec<ArrayD<f32>>>,
}

impl Case {
    fn load(name: &str) -> Result<Case, String> {
        let bytes = bytes(name);
        let (graph, states) = import::with_states(&bytes, &Default::default()).map_err(|e| e.to_string())?;
        let no_state = |value: &&Value| states.iter().all(|s| ![&s.input, &s.output].contains(&&value.name));
        let doors = |ids: &[ValueId]| -> Vec<Value> {
            ids.iter().map(|id| graph.value(*id)).filter(no_state).cloned().collect()
        };
        let (inputs, outputs) = (doors(&graph.inputs), doors(&graph.outputs));
        let kinds = outputs.iter().map(|output| output.kind).collect();
        let [inputs, outputs] = [("in", inputs), ("out", outputs)].map(|(side, doors)| arrays(name, side, &doors));
        Ok(Case { bytes, kinds, inputs: inputs?, outputs: outputs? })
    }

    /// The largest difference of an output: in steps of integers, or in units of 10⁻⁴ (1 + |expected|).
    fn difference(&self, precision: Precision) -> Result<f32, String> {
        let options = Options::of(precision);
        let conversion = convert(&self.bytes, &options, &[], |_| {}).map_err(|e| e.to_string())?;
        let mut runner = Runner::new(&conversion.file).map_err(|e| e.to_string())?;
        let mut worst: f32 = 0.0;
        for (given, expected) in self.inputs.iter().zip(&self.outputs) {
            let outputs = runner.run(given).map_err(|e| e.to_string())?;
            for ((kind, got), expected) in self.kinds.iter().zip(outputs).zip(expected) {
                worst = worst.max(apart(*kind, &got, expected));
            }
        }
        Ok(worst)
    }
}

fn arrays(name: &str, side: &str, doors: &[Value]) -> Result<Vec<Vec<ArrayD<f32>>>, String> {
    let specs = doors.iter().map(|v| InputSpec { name: format!("{side}:{}", v.name), shape: v.shape.clone() });
    let npz = folder().join(format!("{name}.npz"));
    let samples = Samples::read(&npz, &specs.collect::<Vec<_>>(), Scaling::default());
    samples.map(|samples| samples.rows().to_vec()).map_err(|e| e.to_string())
}

fn apart(kind: Kind, got: &ArrayD<f32>, expected: &ArrayD<f32>) -> f32 {
    let unit = |expected: f32| if kind == Kind::F32 { 1e-4 + 1e-4 * expected.abs() } else { 1.0 };
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).map(|(got, expected)| (got - expected).abs() / unit(*expected)).fold(0.0, f32::max)
}

/// Where LiteRT computes otherwise than the file's numbers say, or roundings follow each other: how far the outputs may be apart.
fn tolerance(name: &str) -> f32 {
    match name {
        // LiteRT rounds the rows to int8 as well.
        "dynamic_range" | "lstm_hybrid" => 200.0,
        // LiteRT's table of the logistic function, for both, is wrong by as much; we are by 1.
        "int16_logistic" => 5.0,
        "int16_tanh" => 9.0,
        // The same tables, then steps a tenth as large.
        "int16_keras_gates" => 2.0,
        // Four layers and a softmax.
        "int8_classifier" => 4.0,
        // One step of 0.05 in units of 10⁻⁴.
        "int8_inside" => 501.0,
        _ => 1.0,
    }
}

fn check(name: &str, precision: Precision) -> Result<(), String> {
    let worst = Case::load(name)?.difference(precision)?;
    if worst <= tolerance(name) { Ok(()) } else { Err(format!("differs from LiteRT by {worst}")) }
}

fn judge(suite: &str, names: &[String], precision: Precision) {
    let listed = std::fs::read_to_string(folder().join("gaps.txt")).unwrap();
    let lines = listed.lines().filter_map(|line| line.split('#').next()?.trim().strip_prefix(suite));
    let listed: BTreeSet<&str> = lines.map(str::trim).collect();
    let failures = names.iter().filter_map(|name| check(name, precision).err().map(|error| (name.as_str(), error)));
    let failures: BTreeMap<&str, String> = failures.collect();
    let regressed: Vec<_> = failures.iter().filter(|(name, _)| !listed.contains(*name)).collect();
    let fixed: Vec<_> = listed.iter().filter(|name| !failures.contains_key(**name)).collect();
    assert!(regressed.is_empty(), "{} cases fail: {regressed:#?}", regressed.len());
    assert!(fixed.is_empty(), "these pass now, take them off gaps.txt: {fixed:?}");
}

#[test]
fn f32_equals_litert() {
    judge("f32 ", &names(), Precision::F32);
}

/// Quantized files need no samples: they bring their scales along.
#[test]
fn int8_equals_litert() {
    let is_quantized = |name: &String| name.starts_with("int8_") || name.starts_with("int16_");
    let quantized: Vec<String> = names().into_iter().filter(is_quantized).collect();
    assert!(quantized.len() > 60);
    judge("int8 ", &quantized, Precision::Int8);
}

/// int16 with int8 weights needs no float, whatever the operator, nor does an LSTM in int8.
#[test]
fn int16_stays_integer() {
    let whole = |name: &String| name.starts_with("int16_") || name.starts_with("int8_lstm");
    for name in names().into_iter().filter(whole) {
        let conversion = convert(&bytes(&name), &Options::default(), &[], |_| {}).unwrap();
        let runner = Runner::new(&conversion.file).unwrap();
        let float: Vec<_> = runner.model().ops().filter(|op| op.opcode().name().ends_with("F32")).collect();
        assert!(float.is_empty(), "{name}: {float:?}");
    }
}

/// A model of channels last has no transpositions left between its layers.
#[test]
fn no_transposition_is_left() {
    for name in ["conv_chain", "int8_classifier", "depthwise_stride_2", "average_pool_whole", "conv_relu6_stride_2"] {
        let conversion = convert(&bytes(name), &Options::of(Precision::F32), &[], |_| {});
        let graph = conversion.unwrap().graph;
        let turned: Vec<_> = graph.nodes.iter().filter(|node| format!("{:?}", node.op).contains("Transpose")).collect();
        assert!(turned.is_empty(), "{name}: {turned:?}");
    }
}

/// Errors name the operator, its output and its place.
#[test]
fn what_is_not_supported_is_named() {
    let error =
        |name: &str| tflite_as_onnx(&std::fs::read(folder().join("bad").join(name)).unwrap()).unwrap_err().to_string();
    let custom = error("custom.tflite");
    assert!(
        ["custom operator First `y_1 #0`", "custom operator Second `y_2 #1`"].iter().all(|w| custom.contains(w)),
        "{custom}"
    );
    assert!(error("state_of_ones.tflite").contains("is not all zero"));
    assert!(error("open_size.tflite").contains("axis 1 has no fixed size"));
    assert!(error("short_weights.tflite").contains("has the shape [3, 3, 3, 2] and 8 bytes"));
    assert!(error("later.tflite").contains("nothing before has written it"));
    assert!(error("two_writers.tflite").contains("is known before"));
    assert!(error("no_stride.tflite").contains("CONV_2D `y_3 #0`: has the stride 0"));
    assert!(error("scales.tflite").contains("2 scales along axis 0"));
    assert!(
        error("lstm_two_scales.tflite").contains("with the scale [0.015625] and zero point [3], and reads them with")
    );
}

/// Cut anywhere, or with bits turned: an error or a model, and in no more than a moment.
#[test]
fn broken_files_never_panic() {
    let mut random = 12345_u32;
    let mut next = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        random as usize >> 8
    };
    for name in [
        "int8_classifier",
        "int8_variables",
        "int8_lstm",
        "strided_slice_masks",
        "transpose_conv",
        "lstm_clip",
        "split_v",
    ] {
        let whole = bytes(name);
        for cut in (0..whole.len()).step_by(7) {
            let _ = tflite_as_onnx(&whole[..cut]);
        }
        for _ in 0..2000 {
            let mut turned = whole.clone();
            for _ in 0..1 + next() % 4 {
                let at = next() % turned.len();
                turned[at] = if next() % 2 == 0 { turned[at] ^ 1 << (next() % 8) } else { next() as u8 };
            }
            if let Ok(onnx) = tflite_as_onnx(&turned) {
                assert!(onnx.len() < 1 << 25, "{name} unfolds to {} bytes", onnx.len());
            }
        }
    }
}
