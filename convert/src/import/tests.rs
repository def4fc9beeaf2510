//! Whole files through the importer: real ones, exporters' idioms, and broken ones.

#[path = "../../tests/shared/mod.rs"]
mod shared;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ndarray::ArrayD;
use ndarray_npy::NpzReader;
use prost::Message;
use tract_onnx::pb::{AttributeProto, ModelProto, NodeProto};

use super::*;
use crate::graph::naive;
use crate::oracle::Oracle;
use crate::passes::{SimplifyOptions, simplify};
pub(crate) use shared::models;

/// The folder of models that `make.py` writes.
pub(crate) fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// The real models that must convert.
pub(crate) const REQUIRED: [&str; 9] = [
    "mlperf_kws/kws_fp32",
    "mlperf_ic/ic_fp32",
    "mlperf_vww/vww_fp32",
    "mlperf_ad/ad_fp32",
    "kws_dscnn_s/model",
    "mnist_cntk/model",
    "mnist_mlp_bn/conv14",
    "mnist_mlp_bn/mlp_bn",
    "hello_world/sine_fp32",
];

/// The models of [`data`].
pub(crate) const EXPORTS: [&str; 9] = [
    "torch_mobilenet",
    "torch_squeeze_excite",
    "torch_lenet",
    "torch_conv1d",
    "torch_inception",
    "torch_tokens",
    "tf_channels_last",
    "normalized_input",
    "two_inputs",
];

/// A model, its float original, and one sample with the outputs that onnxruntime gave for it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) graph: Graph,
    pub(crate) oracle: Oracle,
    pub(crate) inputs: Vec<ArrayD<f32>>,
    pub(crate) outputs: Vec<ArrayD<f32>>,
}

impl Case {
    pub(crate) fn load(folder: &Path, name: &str) -> Case {
        let bytes = std::fs::read(folder.join(format!("{name}.onnx"))).unwrap();
        let options = ImportOptions::default();
        let graph = onnx(&bytes, &options).unwrap_or_else(|e| panic!("{name}: {e}"));
        let oracle = Oracle::new(&bytes, &options).unwrap_or_else(|e| panic!("{name}: {e}"));
        let source = Source::decode(&bytes, &Default::default()).unwrap();
        let file = std::fs::File::open(folder.join(format!("{name}.golden.npz"))).unwrap();
        let mut npz = NpzReader::new(file).unwrap();
        let mut read = |key: String| -> ArrayD<f32> { npz.by_name(&format!("{key}.npy")).unwrap() };
        let shapes = oracle.input_shapes();
        let names = source.input_names();
        let inputs =
            names.iter().zip(&shapes).map(|(n, shape)| first_sample(&read(format!("in:{n}")), shape)).collect();
        let outputs = source.graph().output.iter().map(|o| read(format!("out:{}", o.name))).collect();
        Case { name: name.to_string(), graph, oracle, inputs, outputs }
    }
}

/// The first sample of a recorded batch.
pub(crate) fn first_sample(x: &ArrayD<f32>, shape: &[usize]) -> ArrayD<f32> {
    let count = shape.iter().product();
    ArrayD::from_shape_vec(shape.to_vec(), x.iter().copied().take(count).collect()).unwrap()
}

/// The largest difference, relative to the largest magnitude.
pub(crate) fn difference(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
    a.iter().zip(b).fold(0.0f32, |m, (x, y)| m.max((x - y).abs())) / scale
}

fn check_case(case: &Case) {
    let (ours, theirs) = (naive::outputs(&case.graph, &case.inputs), case.oracle.run(&case.inputs).unwrap());
    for ((our, their), golden) in ours.iter().zip(&theirs).zip(&case.outputs) {
        let golden = first_sample(golden, our.shape());
        assert!(difference(their, &golden) < 1e-4, "{}: tract differs from onnxruntime", case.name);
        assert!(difference(our, &golden) < 1e-4, "{}: {}", case.name, difference(our, &golden));
    }
    let (all, values) = (case.oracle.run_all(&case.inputs).unwrap(), naive::run(&case.graph, &case.inputs));
    for (id, value) in &values {
        let tensor = case.graph.value(*id).original.as_ref().map_or("", |o| o.tensor.as_str());
        if let Some(their) = all.get(tensor) {
            assert_eq!(their.shape(), value.shape(), "{}: {tensor}", case.name);
            assert!(difference(value, their) < 1e-4, "{}: {tensor}", case.name);
        }
    }
}

#[test]
fn required_models_equal_tract_and_onnxruntime() {
    let Some(folder) = models() else { return };
    REQUIRED.iter().for_each(|name| check_case(&Case::load(&folder, name)));
}

#[test]
fn larger_models_equal_tract_and_onnxruntime() {
    let Some(folder) = models() else { return };
    ["mobilenetv2_flowers/model", "ultraface_rfb320/model"].iter().for_each(|n| check_case(&Case::load(&folder, n)));
}

#[test]
fn exporters_idioms_equal_tract_and_onnxruntime() {
    EXPORTS.iter().for_each(|name| check_case(&Case::load(&data(), name)));
}

pub(crate) fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(data().join(format!("{name}.onnx"))).unwrap()
}

/// A model with one change, and what the importer says to it.
fn refusal(name: &str, change: impl Fn(&mut ModelProto)) -> String {
    let mut model = ModelProto::decode(&bytes_of(name)[..]).unwrap();
    change(&mut model);
    onnx(&model.encode_to_vec(), &ImportOptions::default()).err().map_or("accepted".into(), |e| e.to_string())
}

fn nodes(model: &mut ModelProto) -> &mut Vec<NodeProto> {
    &mut model.graph.as_mut().unwrap().node
}

fn find<'m>(model: &'m mut ModelProto, op: &str) -> &'m mut NodeProto {
    nodes(model).iter_mut().find(|n| n.op_type == op).unwrap()
}

#[test]
fn an_unknown_operator_is_named_with_the_way_out() {
    let text = refusal("torch_mobilenet", |m| find(m, "GlobalAveragePool").op_type = "NonZero".into());
    assert!(text.starts_with("NonZero `/12/GlobalAveragePool`: is not supported; "), "{text}");
    let text = refusal("torch_mobilenet", |m| find(m, "Add").domain = "com.microsoft".into());
    assert!(text.contains("com.microsoft"), "{text}");
}

#[test]
fn all_problems_are_told_and_what_follows_from_them_is_not() {
    let text = refusal("torch_mobilenet", |m| {
        nodes(m)[0].domain = "com.microsoft".into();
        find(m, "GlobalAveragePool").op_type = "FancyPool".into();
        find(m, "Gemm").input[1] = "nowhere".into();
    });
    let lines: Vec<_> = text.lines().skip(1).collect();
    let told = ["com.microsoft", "FancyPool `/12/GlobalAveragePool`: is not supported", "reads `nowhere`"];
    assert_eq!(lines.len(), told.len(), "{text}");
    assert!(lines.iter().zip(told).all(|(line, word)| line.contains(word)), "{text}");
}

#[test]
fn missing_and_foreign_weights_are_named() {
    let text = refusal("torch_lenet", |m| m.graph.as_mut().unwrap().initializer.truncate(1));
    assert!(text.contains("weights missing"), "{text}");
    let external = |m: &mut ModelProto| {
        let entry = tract_onnx::pb::StringStringEntryProto { key: "location".into(), value: "w.bin".into() };
        let tensor = &mut m.graph.as_mut().unwrap().initializer[0];
        tensor.data_location = Some(1);
        tensor.external_data.push(entry);
    };
    assert!(refusal("torch_lenet", external).contains("another file"));
}

#[test]
fn weights_that_are_no_numbers_are_named_with_their_node() {
    let poisoned = |m: &mut ModelProto| {
        m.graph.as_mut().unwrap().initializer[0].raw_data[..4].copy_from_slice(&f32::NAN.to_le_bytes())
    };
    let text = refusal("torch_lenet", poisoned);
    assert!(text.contains("element 0 is NaN") && text.contains("Conv `/0/Conv`"), "{text}");
    let negative = |m: &mut ModelProto| {
        let variance = find(m, "BatchNormalization").input[4].clone();
        let mut tensors = m.graph.as_mut().unwrap().initializer.iter_mut();
        let tensor = tensors.find(|t| t.name == variance).unwrap();
        tensor.raw_data[..4].copy_from_slice(&(-9.0f32).to_le_bytes());
    };
    let text = refusal("torch_mobilenet", negative);
    assert!(text.contains("BatchNormalization") && text.contains("finite"), "{text}");
}

#[test]
fn wrong_shapes_cycles_and_absurd_sizes_are_errors() {
    let text = refusal("torch_lenet", |m| m.graph.as_mut().unwrap().initializer[0].dims = vec![2, 2, 5, 5]);
    assert!(text.contains("Conv `/0/Conv`"), "{text}");
    let text = refusal("torch_lenet", |m| m.graph.as_mut().unwrap().initializer[0].dims = vec![1 << 40, 1 << 40]);
    assert!(text.contains("tensor `c0`"), "{text}");
    let cycle = |m: &mut ModelProto| nodes(m)[0].input[0] = nodes(m)[3].output[0].clone();
    assert!(refusal("torch_lenet", cycle).contains("own output"));
    let pads = |m: &mut ModelProto| {
        let pads = nodes(m)[0].attribute.iter_mut().find(|a| a.name == "pads").unwrap();
        pads.ints = vec![1 << 23; 4];
    };
    assert!(refusal("torch_lenet", pads).contains("too many elements"));
}

#[test]
fn constants_of_absurd_size_are_not_computed() {
    let mut model = ModelProto::decode(&bytes_of("two_inputs")[..]).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let shape = tract_onnx::pb::TensorProto {
        dims: vec![2],
        data_type: 7,
        int64_data: vec![1 << 30, 1 << 30],
        name: "huge".into(),
        ..Default::default()
    };
    graph.initializer.push(shape);
    let fill = NodeProto {
        op_type: "ConstantOfShape".into(),
        input: vec!["huge".into()],
        output: vec!["full".into()],
        ..Default::default()
    };
    graph.node.insert(0, fill);
    graph.output[0].name = "full".into();
    let text = onnx(&model.encode_to_vec(), &ImportOptions::default()).unwrap_err().to_string();
    assert!(text.starts_with("ConstantOfShape `ConstantOfShape_0`: would compute"), "{text}");
}

#[test]
fn a_constant_whose_axes_are_not_permuted_is_refused() {
    let mut model = ModelProto::decode(&bytes_of("two_inputs")[..]).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let matrix = tract_onnx::pb::TensorProto {
        dims: vec![2, 2],
        data_type: 1,
        float_data: vec![1.0; 4],
        name: "matrix".into(),
        ..Default::default()
    };
    graph.initializer.push(matrix);
    let perm = AttributeProto { name: "perm".into(), r#type: 7, ints: vec![1, 1], ..Default::default() };
    let transpose = NodeProto {
        op_type: "Transpose".into(),
        input: vec!["matrix".into()],
        output: vec!["turned".into()],
        attribute: vec![perm],
        ..Default::default()
    };
    graph.node.insert(0, transpose);
    graph.output[0].name = "turned".into();
    let text = onnx(&model.encode_to_vec(), &ImportOptions::default()).unwrap_err().to_string();
    assert!(text.contains("[1, 1] does not permute the axes"), "{text}");
}

/// A deterministic source of changes.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }

    fn number(&mut self) -> i64 {
        const ODD: [i64; 12] = [0, 1, -1, 2, 3, 7, 1 << 20, 1 << 31, 1 << 40, i64::MAX, i64::MIN, -2];
        ODD[self.below(ODD.len())]
    }
}

/// One change to the meaning of a model: sizes, attributes, wiring, operators.
fn distort(model: &mut ModelProto, dice: &mut Dice) {
    const OPS: [&str; 16] = [
        "Reshape",
        "Slice",
        "Pad",
        "Conv",
        "MaxPool",
        "Concat",
        "Transpose",
        "Softmax",
        "MatMul",
        "Gather",
        "Expand",
        "Split",
        "ReduceMean",
        "Tile",
        "Squeeze",
        "ArgMax",
    ];
    let Some(graph) = model.graph.as_mut() else { return };
    let (count, node, tensor) = (graph.node.len(), dice.below(graph.node.len()), dice.below(graph.initializer.len()));
    match dice.below(8) {
        0 => graph.node[node].op_type = OPS[dice.below(OPS.len())].into(),
        1 => {
            let other = graph.node[dice.below(count)].output[0].clone();
            let inputs = &mut graph.node[node].input;
            let slot = dice.below(inputs.len());
            inputs.get_mut(slot).into_iter().for_each(|input| *input = other.clone());
        }
        2 => drop(graph.node[node].input.pop()),
        3 => {
            let dims = &mut graph.initializer[tensor].dims;
            let axis = dice.below(dims.len());
            dims.get_mut(axis).into_iter().for_each(|d| *d = dice.number());
        }
        4 => graph.initializer[tensor].raw_data.chunks_mut(8).for_each(|c| {
            if dice.below(4) == 0 {
                c.copy_from_slice(&dice.number().to_le_bytes()[..c.len()]);
            }
        }),
        5 => graph.initializer[tensor].data_type = dice.below(24) as i32,
        6 => model.opset_import[0].version = dice.below(25) as i64,
        _ => {
            let attributes = &mut graph.node[node].attribute;
            let which = dice.below(attributes.len());
            if let Some(attribute) = attributes.get_mut(which) {
                attribute.i = dice.number();
                let at = dice.below(attribute.ints.len());
                attribute.ints.get_mut(at).into_iter().for_each(|i| *i = dice.number());
            }
        }
    }
}

/// Imports and simplifies without the guard, so that a panic of ours fails the test.
fn survives(bytes: &[u8]) {
    let begun = Instant::now();
    let graph = Source::decode(bytes, &Default::default())
        .and_then(|source| lowering::lower(&source, &ImportOptions::default()));
    if let Ok(graph) = graph {
        simplify(graph, &SimplifyOptions::default()).unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "took {:?}", begun.elapsed());
}

/// Rounds of changes for each model; a fuzzing run sets more.
fn rounds() -> usize {
    std::env::var("LACEWING_FUZZ_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(150)
}

#[test]
fn distorted_models_never_panic() {
    for (seed, name) in EXPORTS.iter().enumerate() {
        let model = ModelProto::decode(&bytes_of(name)[..]).unwrap();
        let mut dice = Dice(seed as u64 + 1);
        for _ in 0..rounds() {
            let mut model = model.clone();
            (0..=dice.below(3)).for_each(|_| distort(&mut model, &mut dice));
            survives(&model.encode_to_vec());
        }
    }
}

#[test]
fn flipped_and_cut_bytes_never_panic() {
    for (seed, name) in EXPORTS.iter().enumerate() {
        let bytes = bytes_of(name);
        let mut dice = Dice(seed as u64 + 100);
        for _ in 0..rounds() {
            let mut bytes = bytes.clone();
            (0..=dice.below(4)).for_each(|_| {
                let at = dice.below(bytes.len());
                bytes[at] ^= 1 << dice.below(8);
            });
            if dice.below(4) == 0 {
                bytes.truncate(dice.below(bytes.len()));
            }
            survives(&bytes);
        }
    }
}

#[test]
fn long_models_take_time_in_proportion() {
    let mut model = ModelProto::decode(&bytes_of("torch_tokens")[..]).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let mut last = graph.output[0].name.clone();
    for i in 0..20_000 {
        let op_type = ["Relu", "Sigmoid", "Identity", "Flatten"][i % 4].to_string();
        let output = vec![format!("t{i}")];
        graph.node.push(NodeProto { op_type, input: vec![last], output, ..Default::default() });
        last = format!("t{i}");
    }
    graph.output[0].name = last;
    survives(&model.encode_to_vec());
}
