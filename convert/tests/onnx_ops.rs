//! Small ONNX models of every operator and its attributes, against outputs recorded with onnxruntime; and broken files, each with
//! its error. `tests/onnx_ops/gaps.txt` lists what is not converted yet: a listed case that passes fails the run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lacewing::format::Op;
use lacewing_convert::data::{InputSpec, Samples, Scaling};
use lacewing_convert::error::ConvertError;
use lacewing_convert::graph::Graph;
use lacewing_convert::runner::Runner;
use lacewing_convert::{Conversion, Options, Precision, convert, import};
use ndarray::ArrayD;
use prost::Message;
use tract_onnx::pb::ModelProto;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/onnx_ops"))
}

/// The names of the files with this ending, without it.
fn stems(folder: &Path, ending: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut stems: Vec<String> = files.filter_map(|name| name.strip_suffix(ending).map(String::from)).collect();
    stems.sort();
    stems
}

/// One recorded case.
struct Case {
    onnx: Vec<u8>,
    inputs: Vec<ArrayD<f32>>,
    outputs: Vec<ArrayD<f32>>,
}

fn case(name: &str) -> Result<Case, ConvertError> {
    let folder = folder();
    let onnx = std::fs::read(folder.join(format!("{name}.onnx"))).unwrap();
    let graph = import::onnx(&onnx, &Default::default())?;
    let npz = folder.join(format!("{name}.npz"));
    let inputs = arrays(&npz, "in:", &graph, &graph.inputs);
    let outputs = arrays(&npz, "out:", &graph, &graph.outputs);
    Ok(Case { onnx, inputs, outputs })
}

fn arrays(npz: &Path, prefix: &str, graph: &Graph, values: &[lacewing_convert::graph::ValueId]) -> Vec<ArrayD<f32>> {
    let spec = |id: &_| {
        let value = graph.value(*id);
        InputSpec { name: format!("{prefix}{}", value.name), shape: value.shape.clone() }
    };
    let specs: Vec<InputSpec> = values.iter().map(spec).collect();
    Samples::read(npz, &specs, Scaling::default()).unwrap().rows()[0].clone()
}

fn converted(case: &Case, precision: Precision) -> Result<Conversion, ConvertError> {
    let options = Options::of(precision);
    convert(&case.onnx, &options, std::slice::from_ref(&case.inputs), |_| {})
}

/// The largest difference, in units of `1e-4 + 1e-4·|expected|`.
fn difference(got: &[ArrayD<f32>], expected: &[ArrayD<f32>]) -> f32 {
    let pairs = got.iter().flatten().zip(expected.iter().flatten());
    let relative = |(got, expected): (&f32, &f32)| (got - expected).abs() / (1e-4 + 1e-4 * expected.abs());
    pairs.map(relative).fold(0.0, f32::max)
}

/// `10·log10(Σ expected² ÷ Σ (got − expected)²)` over what is finite.
fn sqnr_db(got: &[ArrayD<f32>], expected: &[ArrayD<f32>]) -> f64 {
    let pairs = got.iter().flatten().zip(expected.iter().flatten()).filter(|(_, expected)| expected.is_finite());
    let (signal, noise) = pairs.fold((0.0, 0.0), |(signal, noise), (got, expected)| {
        let (got, expected) = (f64::from(*got), f64::from(*expected));
        (signal + expected * expected, noise + (got - expected).powi(2))
    });
    if noise == 0.0 { f64::INFINITY } else { 10.0 * (signal / noise).log10() }
}

fn check_f32(name: &str) -> Result<(), String> {
    let case = case(name).map_err(|error| error.to_string())?;
    let conversion = converted(&case, Precision::F32).map_err(|error| error.to_string())?;
    let got = Runner::new(&conversion.file).and_then(|mut runner| runner.run(&case.inputs));
    let worst = difference(&got.map_err(|error| error.to_string())?, &case.outputs);
    if worst <= 1.0 { Ok(()) } else { Err(format!("differs from onnxruntime by {worst} tolerances")) }
}

/// int8 of one sample, calibrated on itself: no operator may lose the signal.
fn check_int8(name: &str, least_db: f64) -> Result<(), String> {
    let case = case(name).map_err(|error| error.to_string())?;
    let conversion = converted(&case, Precision::Int8).map_err(|error| error.to_string())?;
    let got = Runner::new(&conversion.file).and_then(|mut runner| runner.run(&case.inputs));
    let sqnr = sqnr_db(&got.map_err(|error| error.to_string())?, &case.outputs);
    if sqnr >= least_db { Ok(()) } else { Err(format!("SQNR {sqnr:.1} dB")) }
}

fn judge(suite: &str, check: impl Fn(&str) -> Result<(), String>) {
    let listed = std::fs::read_to_string(folder().join("gaps.txt")).unwrap();
    let listed: BTreeSet<&str> =
        listed.lines().filter_map(|line| line.split('#').next()?.trim().strip_prefix(suite)).map(str::trim).collect();
    let failures: BTreeMap<String, String> = stems(&folder(), ".onnx")
        .into_iter()
        .filter_map(|name| check(&name).err().map(|error| (name, error)))
        .collect();
    let regressed: Vec<_> = failures.iter().filter(|(name, _)| !listed.contains(name.as_str())).collect();
    let fixed: Vec<_> = listed.iter().filter(|name| !failures.contains_key(**name)).collect();
    assert!(regressed.is_empty(), "{} cases fail: {regressed:#?}", regressed.len());
    assert!(fixed.is_empty(), "these pass now, take them off gaps.txt: {fixed:?}");
}

#[test]
fn f32_equals_onnxruntime() {
    judge("f32", check_f32);
}

#[test]
fn int8_keeps_the_signal() {
    judge("int8", |name| check_int8(name, 20.0));
}

#[test]
fn normalizations_are_integers_in_both_widths() {
    for name in ["layer_norm", "layer_norm_axis", "layer_norm_written_out", "rms_norm"] {
        for (precision, least) in [(Precision::Int8, 20.0), (Precision::Int16, 60.0)] {
            let conversion = converted(&case(name).unwrap(), precision).unwrap();
            let runner = Runner::new(&conversion.file).unwrap();
            assert!(!runner.model().ops().any(|op| matches!(op, Op::NormalizeF32(_))), "{name}");
            let db = conversion.verification.sqnr_db;
            assert!(db > least, "{name} in {precision}: {db} dB");
        }
    }
}

/// tract panics on a `Squeeze` whose axes, counted from both ends, are not in ascending order.
#[test]
fn where_tract_fails_our_float_program_is_the_reference() {
    let mut case = case("squeeze_input_gemm").unwrap();
    let mut model = ModelProto::decode(&case.onnx[..]).unwrap();
    let axes = model.graph.as_mut().unwrap().initializer.iter_mut().find(|tensor| tensor.name == "ints").unwrap();
    axes.raw_data = [3i64, -2].iter().flat_map(|axis| axis.to_le_bytes()).collect();
    case.onnx = model.encode_to_vec();
    for (precision, least) in [(Precision::F32, 100.0), (Precision::Int8, 20.0)] {
        let conversion = converted(&case, precision).unwrap();
        let reference = &conversion.verification.reference;
        assert!(reference.starts_with("lacewing f32: tract panicked"), "{reference}");
        assert!(conversion.verification.sqnr_db > least);
    }
    assert_eq!(converted(&self::case("relu").unwrap(), Precision::F32).unwrap().verification.reference, "tract");
}

#[test]
fn broken_models_are_refused_with_what_matters() {
    let bad = folder().join("bad");
    let wanted: BTreeMap<String, Vec<String>> =
        serde_json::from_slice(&std::fs::read(bad.join("bad.json")).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for (file, words) in wanted {
        let onnx = std::fs::read(bad.join(&file)).unwrap();
        match import::onnx(&onnx, &Default::default()) {
            Ok(_) => wrong.push(format!("{file}: accepted")),
            Err(error) => {
                let text = error.to_string().to_lowercase();
                let missing: Vec<_> = words.iter().filter(|word| !text.contains(&word.to_lowercase())).collect();
                if !missing.is_empty() {
                    wrong.push(format!("{file}: {text:?} lacks {missing:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of the broken models: {wrong:#?}", wrong.len());
}
