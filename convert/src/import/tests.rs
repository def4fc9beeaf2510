//! Whole files through the importer.

use std::path::PathBuf;

use ndarray::ArrayD;
use ndarray_npy::NpzReader;

use super::*;
use crate::graph::naive;
use crate::oracle::Oracle;

/// The folder of real models, if it is there.
pub(crate) fn models() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/models");
    let folder = std::env::var_os("LACEWING_MODELS").map_or(beside, PathBuf::from);
    let there = folder.is_dir();
    if !there {
        eprintln!("SKIPPED: no models in {}; set LACEWING_MODELS", folder.display());
    }
    there.then_some(folder)
}

/// The float models that must convert, as file and golden file.
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

/// `(inputs, outputs)` recorded with onnxruntime, first sample only, in the order of the graph.
pub(crate) fn golden(path: &std::path::Path, source: &Source) -> (Vec<ArrayD<f32>>, Vec<ArrayD<f32>>) {
    let mut npz = NpzReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let outputs: Vec<String> = source.graph().output.iter().map(|o| o.name.clone()).collect();
    let inputs: Vec<String> = source.input_names().iter().map(|n| n.to_string()).collect();
    let mut read = |key: String| -> ArrayD<f32> {
        npz.by_name(&format!("{key}.npy")).or_else(|_| npz.by_name(&key)).unwrap_or_else(|e| panic!("{key}: {e}"))
    };
    let inputs = inputs.iter().map(|n| read(format!("in:{n}"))).collect();
    (inputs, outputs.iter().map(|n| read(format!("out:{n}"))).collect())
}

/// The largest difference, relative to the largest magnitude.
pub(crate) fn difference(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
    a.iter().zip(b).fold(0.0f32, |m, (x, y)| m.max((x - y).abs())) / scale
}

pub(crate) fn first_sample(x: &ArrayD<f32>, shape: &[usize]) -> ArrayD<f32> {
    let count = shape.iter().product();
    ArrayD::from_shape_vec(shape.to_vec(), x.iter().copied().take(count).collect()).unwrap()
}

fn check_model(name: &str, folder: &std::path::Path) {
    let bytes = std::fs::read(folder.join(format!("{name}.onnx"))).unwrap();
    let graph = onnx(&bytes, &ImportOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let source = Source::decode(&bytes).unwrap();
    let oracle = Oracle::new(&bytes, &ImportOptions::default()).unwrap();
    let (inputs, outputs) = golden(&folder.join(format!("{name}.golden.npz")), &source);
    let inputs: Vec<_> = inputs.iter().zip(oracle.input_shapes()).map(|(x, s)| first_sample(x, &s)).collect();
    let ours = naive::outputs(&graph, &inputs);
    let theirs = oracle.run(&inputs).unwrap();
    for ((our, their), golden) in ours.iter().zip(&theirs).zip(&outputs) {
        let golden = first_sample(golden, our.shape());
        assert!(difference(their, &golden) < 1e-4, "{name}: tract differs from golden");
        assert!(difference(our, &golden) < 1e-4, "{name}: {}", difference(our, &golden));
    }
    let all = oracle.run_all(&inputs).unwrap();
    let values = naive::run(&graph, &inputs);
    let mut compared = 0;
    for (id, value) in &values {
        let Some(original) = &graph.value(*id).original else { continue };
        if let Some(their) = all.get(&original.tensor) {
            assert_eq!(their.shape(), value.shape(), "{name}: {}", original.tensor);
            assert!(difference(value, their) < 1e-4, "{name}: {}", original.tensor);
            compared += 1;
        }
    }
    println!("{name}: {} nodes, {compared} of {} tensors compared", graph.nodes.len(), values.len());
}

#[test]
fn required_models_equal_tract_and_onnxruntime() {
    let Some(folder) = models() else { return };
    REQUIRED.iter().for_each(|name| check_model(name, &folder));
}

#[test]
fn larger_models_equal_tract_and_onnxruntime() {
    let Some(folder) = models() else { return };
    ["mobilenetv2_flowers/model", "ultraface_rfb320/model"].iter().for_each(|name| check_model(name, &folder));
}
