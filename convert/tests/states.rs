//! A network that takes a state and gives the next one, as a stream.

use lacewing_convert::import::{ImportOptions, StateNames};
use lacewing_convert::oracle::Oracle;
use lacewing_convert::runner::Runner;
use lacewing_convert::{Options, Precision, Sample, convert};
use ndarray::{ArrayD, IxDyn};
use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::*;

const INPUTS: usize = 3;
const HIDDEN: usize = 5;

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
    let dim = [1, width].map(|d| Dimension { value: Some(dimension::Value::DimValue(d as i64)), ..Default::default() });
    let shape = Some(TensorShapeProto { dim: dim.to_vec() });
    let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape };
    let value = Some(type_proto::Value::TensorType(tensor));
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { value, ..Default::default() }), ..Default::default() }
}

fn weights(name: &str, rows: usize, columns: usize) -> TensorProto {
    let float_data = noise(name.len() as u32 + rows as u32, rows * columns);
    let dims = vec![rows as i64, columns as i64];
    TensorProto { name: name.into(), dims, data_type: DataType::Float as i32, float_data, ..Default::default() }
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    let input = inputs.iter().map(|name| name.to_string()).collect();
    NodeProto { op_type: op.into(), name: output.into(), input, output: vec![output.into()], ..Default::default() }
}

/// `next = tanh(x·W + h·U)`, `y = next·V`.
fn model() -> Vec<u8> {
    let graph = GraphProto {
        name: "elman".into(),
        input: vec![info("x", INPUTS), info("h", HIDDEN)],
        output: vec![info("y", 2), info("next", HIDDEN)],
        initializer: vec![weights("W", INPUTS, HIDDEN), weights("U", HIDDEN, HIDDEN), weights("V", HIDDEN, 2)],
        node: vec![
            node("MatMul", &["x", "W"], "from_x"),
            node("MatMul", &["h", "U"], "from_h"),
            node("Add", &["from_x", "from_h"], "sum"),
            node("Tanh", &["sum"], "next"),
            node("MatMul", &["next", "V"], "y"),
        ],
        ..Default::default()
    };
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 13 }];
    ModelProto { ir_version: 8, graph: Some(graph), opset_import, ..Default::default() }.encode_to_vec()
}

fn import() -> ImportOptions {
    let states = vec![StateNames { input: "h".into(), output: "next".into() }];
    ImportOptions { states, ..ImportOptions::default() }
}

fn stream(len: usize) -> Vec<Sample> {
    let row = |i: usize| ArrayD::from_shape_vec(IxDyn(&[1, INPUTS]), noise(100 + i as u32, INPUTS)).unwrap();
    (0..len).map(|i| vec![row(i)]).collect()
}

fn run(runner: &mut Runner, samples: &[Sample]) -> Vec<ArrayD<f32>> {
    samples.iter().map(|sample| runner.run(sample).unwrap().remove(0)).collect()
}

#[test]
fn a_stream_follows_the_original_step_by_step() {
    let samples = stream(50);
    for (precision, least_db) in [(Precision::F32, 100.0), (Precision::Int8, 25.0)] {
        let options = Options { import: import(), ..Options::of(precision) };
        let conversion = convert(&model(), &options, &samples, |_| {}).unwrap();
        assert_eq!(conversion.verification.reference, "tract");
        assert!(conversion.verification.sqnr_db > least_db, "{}", conversion.verification.sqnr_db);

        let mut runner = Runner::new(&conversion.file).unwrap();
        let states: Vec<String> = runner.model().states().map(|port| port.name().to_string()).collect();
        assert_eq!(states, ["h"]);
        assert_eq!((runner.model().inputs().count(), runner.model().outputs().count()), (1, 1));
        let (first, second) = (run(&mut runner, &samples), run(&mut runner, &samples));
        assert_ne!(first, second, "the state is kept");
        runner.reset();
        assert_eq!(run(&mut runner, &samples), first, "and cleared");
    }
}

/// The oracle's own stream against the model without states, which is given them by hand.
#[test]
fn the_oracle_keeps_states_too() {
    let (stateful, plain) =
        (Oracle::new(&model(), &import()).unwrap(), Oracle::new(&model(), &Default::default()).unwrap());
    assert_eq!((stateful.input_names(), stateful.output_names()), (vec!["x".to_string()], vec!["y".to_string()]));
    let mut h = ArrayD::zeros(IxDyn(&[1, HIDDEN]));
    for sample in stream(5) {
        let outputs = plain.run(&[sample[0].clone(), h]).unwrap();
        assert_eq!(stateful.run(&sample).unwrap()[0], outputs[0]);
        h = outputs[1].clone();
    }
}

#[test]
fn states_that_are_not_there_are_refused() {
    let states = vec![StateNames { input: "h".into(), output: "y".into() }];
    let import = ImportOptions { states, ..ImportOptions::default() };
    let options = Options { import, ..Options::of(Precision::F32) };
    let error = convert(&model(), &options, &[], |_| {}).unwrap_err().to_string();
    assert!(error.contains("`h`") && error.contains("[1, 2]"), "{error}");
}
