//! Recurrent layers in int8, as a stream of 50 steps: the states are int16, nothing is float, and the rows stay close.

use lacewing::format::DType;
use lacewing_convert::import::{ImportOptions, StateNames};
use lacewing_convert::runner::Runner;
use lacewing_convert::{Options, Precision, Sample, convert};
use ndarray::{ArrayD, IxDyn};
use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::*;

const INPUTS: usize = 6;
const UNITS: usize = 16;
const STEPS: usize = 50;
/// What int8 weights and an int8 sequence leave, in dB: about 40 is usual.
const LEAST_SQNR: f64 = 32.0;

/// Numbers in -1..1.
fn noise(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from((state >> 16) as i16) / 32768.0
    };
    (0..len).map(|_| next()).collect()
}

fn info(name: &str, width: usize) -> ValueInfoProto {
    let dim = |d: usize| Dimension { value: Some(dimension::Value::DimValue(d as i64)), ..Default::default() };
    let shape = Some(TensorShapeProto { dim: [1, 1, width].map(dim).to_vec() });
    let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape };
    let value = Some(type_proto::Value::TensorType(tensor));
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { value, ..Default::default() }), ..Default::default() }
}

fn weights(name: &str, dims: &[usize], size: f32) -> TensorProto {
    let float_data = noise(name.len() as u32 + dims.len() as u32, dims.iter().product());
    let float_data = float_data.into_iter().map(|w| w * size).collect();
    let dims = dims.iter().map(|dim| *dim as i64).collect();
    TensorProto { name: name.into(), dims, data_type: DataType::Float as i32, float_data, ..Default::default() }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Int as i32, i, ..Default::default() }
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

/// One layer whose states come in and go out.
fn model(op: &str, gates: usize, reset_last: bool) -> Vec<u8> {
    let lstm = op == "LSTM";
    let states: &[(&str, &str)] = if lstm { &[("h", "h_next"), ("c", "c_next")] } else { &[("h", "h_next")] };
    let mut attribute = vec![int("hidden_size", UNITS as i64)];
    if op == "GRU" {
        attribute.push(int("linear_before_reset", reset_last.into()));
    }
    let (mut input, mut output) = (strings(&["x", "W", "R", "B", "", "h"]), strings(&["y", "h_next"]));
    if lstm {
        input.push("c".into());
        output.push("c_next".into());
    }
    let layer = NodeProto { op_type: op.into(), name: "layer".into(), input, output, attribute, ..Default::default() };
    let squeeze = NodeProto {
        op_type: "Squeeze".into(),
        name: "rows".into(),
        input: strings(&["y", "axis"]),
        output: strings(&["rows"]),
        ..Default::default()
    };
    let axis = TensorProto {
        name: "axis".into(),
        dims: vec![1],
        data_type: DataType::Int64 as i32,
        int64_data: vec![1],
        ..Default::default()
    };
    let graph = GraphProto {
        name: op.into(),
        input: [info("x", INPUTS)].into_iter().chain(states.iter().map(|(from, _)| info(from, UNITS))).collect(),
        output: [info("rows", UNITS)].into_iter().chain(states.iter().map(|(_, to)| info(to, UNITS))).collect(),
        initializer: vec![
            weights("W", &[1, gates * UNITS, INPUTS], 1.0),
            weights("R", &[1, gates * UNITS, UNITS], 0.4),
            weights("B", &[1, 2 * gates * UNITS], 0.3),
            axis,
        ],
        node: vec![layer, squeeze],
        ..Default::default()
    };
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 14 }];
    ModelProto { ir_version: 8, graph: Some(graph), opset_import, ..Default::default() }.encode_to_vec()
}

fn stream() -> Vec<Sample> {
    let step = |seed: usize| ArrayD::from_shape_vec(IxDyn(&[1, 1, INPUTS]), noise(seed as u32, INPUTS)).unwrap();
    (0..STEPS).map(|seed| vec![step(seed * 7919)]).collect()
}

fn options(op: &str, precision: Precision) -> Options {
    let mut states = vec![StateNames { input: "h".into(), output: "h_next".into() }];
    if op == "LSTM" {
        states.push(StateNames { input: "c".into(), output: "c_next".into() });
    }
    let import = ImportOptions { states, ..ImportOptions::default() };
    Options { import, ..Options::of(precision) }
}

fn check(op: &str, gates: usize, reset_last: bool) {
    let options = options(op, Precision::Int8);
    let done = convert(&model(op, gates, reset_last), &options, &stream(), |_| {}).unwrap();
    let sqnr = done.verification.sqnr_db;
    assert!(sqnr > LEAST_SQNR, "{op}, reset last {reset_last}: {sqnr:.1} dB");
    let runner = Runner::new(&done.file).unwrap();
    let names: Vec<&str> = runner.model().ops().map(|op| op.opcode().name()).collect();
    assert!(names.iter().all(|name| !name.ends_with("F32")), "{op}: {names:?}");
    assert!(names.iter().any(|name| name.eq_ignore_ascii_case(&format!("{op}I8"))), "{op}: {names:?}");
    assert!(runner.model().states().all(|state| state.tensor.dtype() == Some(DType::I16)), "{op}");
}

#[test]
fn a_sequence_that_is_narrowed_is_named() {
    for (op, gates) in [("LSTM", 4), ("GRU", 3), ("RNN", 1)] {
        let narrowed = |precision| {
            let options = options(op, precision);
            let done = convert(&model(op, gates, false), &options, &stream(), |_| {}).unwrap();
            done.narrowed(&options.policy).len()
        };
        assert_eq!([Precision::Int8, Precision::Int16].map(narrowed), [0, 1], "{op}");
    }
}

#[test]
fn an_lstm_stays_close_over_50_steps() {
    check("LSTM", 4, false);
}

#[test]
fn a_gru_stays_close_over_50_steps() {
    check("GRU", 3, false);
    check("GRU", 3, true);
}

#[test]
fn a_plain_layer_stays_close_over_50_steps() {
    check("RNN", 1, false);
}
