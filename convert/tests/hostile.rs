//! Files that claim, unfold to or ask for more than they hold: the command ends with a message, in bounded memory and time.
//!
//! The bounds here are loose, so that no slow machine fails: ten seconds of processor and a gigabyte of addresses. The release build
//! takes less than a second and 200 MB for each. `HOSTILE=folder cargo test -p lacewing-convert --test hostile` leaves the files there,
//! for `/usr/bin/time -v lacewing convert FILE --precision f32 -o x.lace`.

use std::path::Path;
use std::process::{Command, Output};

use prost::Message;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value as Dim};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

/// The command under the bounds.
fn lacewing(args: &[&str]) -> Output {
    let bounded = r#"ulimit -t 10; ulimit -v 1000000; exec "$0" "$@""#;
    Command::new("sh").args(["-c", bounded, env!("CARGO_BIN_EXE_lacewing")]).args(args).output().unwrap()
}

fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: &[AttributeProto]) -> NodeProto {
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    let (input, output) = (names(inputs), names(outputs));
    NodeProto { op_type: op.into(), input, output, attribute: attributes.to_vec(), ..Default::default() }
}

fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: 7, ints: ints.to_vec(), ..Default::default() }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: 2, i, ..Default::default() }
}

fn int64(name: &str, dims: &[i64], numbers: &[i64]) -> TensorProto {
    let (dims, int64_data) = (dims.to_vec(), numbers.to_vec());
    TensorProto { name: name.into(), dims, data_type: 7, int64_data, ..Default::default() }
}

fn float(name: &str, dims: &[i64], numbers: &[f32]) -> TensorProto {
    let (dims, float_data) = (dims.to_vec(), numbers.to_vec());
    TensorProto { name: name.into(), dims, data_type: 1, float_data, ..Default::default() }
}

fn value(name: &str, shape: &[i64]) -> ValueInfoProto {
    let dim = shape.iter().map(|d| Dimension { value: Some(Dim::DimValue(*d)), ..Default::default() }).collect();
    let tensor = type_proto::Tensor { elem_type: 1, shape: Some(TensorShapeProto { dim }) };
    let r#type = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: name.into(), r#type: Some(r#type), ..Default::default() }
}

/// A model from `x` of that shape to `y`.
fn model(x: &[i64], node: Vec<NodeProto>, initializer: Vec<TensorProto>) -> Vec<u8> {
    let output = vec![ValueInfoProto { name: "y".into(), ..value("y", &[]) }];
    let output = output.into_iter().map(|y| ValueInfoProto { r#type: None, ..y }).collect();
    let graph = GraphProto { node, initializer, input: vec![value("x", x)], output, ..Default::default() };
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 17 }];
    ModelProto { ir_version: 8, graph: Some(graph), opset_import, ..Default::default() }.encode_to_vec()
}

/// `a0`, what `op` makes of it, and so on, and the sum of the last and `x`.
fn chain(count: usize, op: &str, twice: bool, attributes: &[AttributeProto]) -> Vec<u8> {
    let name = |i: usize| format!("a{i}");
    let step = |i: usize| {
        let inputs = if twice { vec![name(i), name(i)] } else { vec![name(i)] };
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        node(op, &inputs, &[&name(i + 1)], attributes)
    };
    let mut nodes: Vec<NodeProto> = (0..count).map(step).collect();
    nodes.push(node("Add", &["x", &name(count)], &["y"], &[]));
    model(&[1], nodes, vec![float("a0", &[1], &[1.0])])
}

fn conv(attributes: &[AttributeProto]) -> Vec<u8> {
    model(
        &[1, 1, 4, 4],
        vec![node("Conv", &["x", "w"], &["y"], attributes)],
        vec![float("w", &[1, 1, 3, 3], &[0.5; 9])],
    )
}

/// One node of `x` and of integers, which are constant.
fn shaped(op: &str, numbers: &[i64]) -> Vec<u8> {
    model(&[1000], vec![node(op, &["x", "n"], &["y"], &[])], vec![int64("n", &[numbers.len() as i64], numbers)])
}

/// A constant that claims another length than it has, or lies in another file.
fn weights(tensor: TensorProto) -> Vec<u8> {
    model(&[1], vec![node("Add", &["x", "w"], &["y"], &[])], vec![TensorProto { name: "w".into(), ..tensor }])
}

fn external(location: &str, offset: &str, length: &str) -> Vec<u8> {
    let entry = |(key, value): (&str, &str)| StringStringEntryProto { key: key.into(), value: value.into() };
    let external_data = [("location", location), ("offset", offset), ("length", length)].map(entry).to_vec();
    weights(TensorProto { dims: vec![4], data_type: 1, data_location: Some(1), external_data, ..Default::default() })
}

fn loops(trips: i64) -> Vec<u8> {
    let body = GraphProto {
        node: vec![node("Add", &["s", "x"], &["so"], &[]), node("Identity", &["c"], &["co"], &[])],
        input: ["i", "c", "s"].map(|name| value(name, &[1])).to_vec(),
        output: ["co", "so"].map(|name| value(name, &[1])).to_vec(),
        ..Default::default()
    };
    let body = AttributeProto { name: "body".into(), r#type: 5, g: Some(body), ..Default::default() };
    let held = TensorProto { name: "t".into(), data_type: 9, int32_data: vec![1], ..Default::default() };
    model(&[1], vec![node("Loop", &["n", "t", "x"], &["y"], &[body])], vec![int64("n", &[], &[trips]), held])
}

/// Attributes in graphs in attributes, deeper than any stack.
fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in [1u32, 5, 6].iter().cycle().take(depth) {
        let mut outer = Vec::new();
        prost::encoding::bytes::encode(*field, &bytes, &mut outer);
        bytes = outer;
    }
    let mut file = Vec::new();
    prost::encoding::bytes::encode(7, &bytes, &mut file);
    file
}

/// A graph of so many empty nodes, two bytes each.
fn empty_nodes(count: usize) -> Vec<u8> {
    let mut file = Vec::new();
    prost::encoding::bytes::encode(7, &[0x0a, 0x00].repeat(count), &mut file);
    file
}

fn cases() -> Vec<(&'static str, Vec<u8>)> {
    let relu = |from: &str, to: &str| node("Relu", &[from], &[to], &[]);
    let split: Vec<String> = (0..30_000).map(|i| if i == 0 { "y".into() } else { format!("y{i}") }).collect();
    let split: Vec<&str> = split.iter().map(String::as_str).collect();
    let claim = TensorProto { dims: vec![1 << 15, 1 << 14], data_type: 1, raw_data: vec![0; 4], ..Default::default() };
    let negative = TensorProto { dims: vec![-4, -1], data_type: 1, raw_data: vec![0; 16], ..Default::default() };
    vec![
        ("cycle", model(&[1], vec![relu("y", "a"), relu("a", "y")], vec![])),
        ("huge_dimensions", model(&[1 << 40, 1 << 40], vec![relu("x", "y")], vec![])),
        ("negative_dimension", model(&[-5, 3], vec![relu("x", "y")], vec![])),
        ("missing_initializer", model(&[1, 1, 4, 4], vec![node("Conv", &["x", "w"], &["y"], &[])], vec![])),
        ("written_twice", model(&[1], vec![relu("x", "y"), relu("y", "y")], vec![])),
        ("claims_two_gigabytes", weights(claim)),
        ("negative_initializer", weights(negative)),
        ("external_outside", external("../../../../etc/passwd", "0", "16")),
        ("external_absolute", external("/etc/passwd", "0", "16")),
        ("external_beyond", external("hostile.onnx", "999999999999", "16")),
        ("external_negative", external("hostile.onnx", "-4", "-16")),
        ("expand", shaped("Expand", &[1 << 40, 1000])),
        ("tile", shaped("Tile", &[1 << 30])),
        ("reshape", shaped("Reshape", &[-1, -1])),
        ("pads", conv(&[ints("pads", &[1 << 40; 4])])),
        ("stride_0", conv(&[ints("strides", &[0, 0])])),
        ("dilation", conv(&[ints("dilations", &[1 << 62, 1])])),
        ("group_0", conv(&[int("group", 0)])),
        ("loop", loops(1 << 40)),
        ("loop_of_many", loops(100_000)),
        ("doubled", chain(40, "Concat", true, &[int("axis", 0)])),
        ("many_constants", chain(20_000, "Neg", false, &[])),
        ("split", model(&[30_000], vec![node("Split", &["x"], &split, &[])], vec![])),
        ("nested", nested(3_000)),
        ("empty_nodes", empty_nodes(1_000_000)),
        ("tflite_cut", b"\x1c\x00\x00\x00TFL3\xff\xff\xff\x7f".to_vec()),
        ("tflite_offsets", [&b"\x08\x00\x00\x00TFL3"[..], &[0xff; 4096]].concat()),
    ]
}

/// Whether the command ended by itself, with success or with a message.
fn ended(name: &str, output: &Output) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!message.contains("panicked at"), "{name}: {message}");
    match output.status.code() {
        Some(0) => {}
        Some(1) => assert!(message.starts_with("error: "), "{name}: {message}"),
        _ => panic!("{name}: {}: {message}", output.status),
    }
}

#[test]
fn every_file_comes_to_an_end() {
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("HOSTILE");
    let folder = kept.as_deref().map_or(temporary.path(), Path::new);
    for (name, bytes) in cases() {
        let file = folder.join(format!("{name}.onnx")).display().to_string();
        let lace = temporary.path().join("out.lace").display().to_string();
        std::fs::write(&file, bytes).unwrap();
        ended(name, &lacewing(&["convert", &file, "--precision", "f32", "-o", &lace]));
        ended(name, &lacewing(&["inspect", &file]));
    }
}

/// Offsets, lengths and indices of a valid TFLite file, each replaced by what it may least be.
#[test]
fn tflite_files_with_other_numbers_are_errors_or_models() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tflite/average_pool.tflite");
    let valid = std::fs::read(fixture).unwrap();
    let (mut refused, options) = (0, lacewing_convert::Options::default());
    for at in (0..valid.len() - 4).step_by(4) {
        for number in [u32::MAX, 1 << 30, 0, 3] {
            let mut bytes = valid.clone();
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
            refused += usize::from(lacewing_convert::convert(&bytes, &options, &[], |_| {}).is_err());
        }
    }
    assert!(refused > valid.len() / 16, "{refused} of {} refused", valid.len());
}
