//! Arithmetic, rounding and ranges that the user chooses, on the demo's model.

use std::fs::File;
use std::path::Path;

use lacewing_convert::calibrate::Calibrator;
use lacewing_convert::data::{InputSpec, Samples, Scaling};
use lacewing_convert::fixes::fixes;
use lacewing_convert::isolated::isolated;
use lacewing_convert::quantize::{Policy, Precision};
use lacewing_convert::reconstruct::Rounding;
use lacewing_convert::{Conversion, Options, Sample, convert};

fn demo(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo").join(name);
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut File::open(path).expect("the demo's files"), &mut bytes).expect("a readable file");
    bytes
}

fn samples() -> Vec<Sample> {
    let input = InputSpec { name: "image".into(), shape: vec![1, 1, 28, 28] };
    let scaling = Scaling { scale: 1.0 / 255.0, zero: 0.0 };
    let samples = Samples::parse("calib.npz", &demo("calib.npz"), &[input], scaling).expect("the demo's samples");
    samples.rows()[..24].to_vec()
}

fn converted(options: &Options) -> Conversion {
    convert(&demo("fashion.onnx"), options, &samples(), |_| {}).expect("the demo's model")
}

#[test]
fn fitted_weights_are_nearer_than_rounded_ones() {
    for (precision, least_gain) in [(Precision::Int8, 0.5), (Precision::Int4, 6.0), (Precision::Int16, 3.0)] {
        let [nearest, gptq, adaround] = [Rounding::Nearest, Rounding::Gptq, Rounding::Adaround].map(|rounding| {
            let options = Options { rounding, ..Options::of(precision) };
            converted(&options).verification.sqnr_db
        });
        let least = nearest + least_gain;
        assert!(
            gptq > least && adaround > least,
            "{precision}: {nearest} dB by rounding, {gptq} and {adaround} dB fitted"
        );
    }
}

#[test]
fn a_fix_gains_what_it_says() {
    let options = Options { rounding: Rounding::Nearest, ..Options::of(Precision::Int8) };
    let (base, samples) = (converted(&options), samples());
    let own = isolated(&base.float, &base.file, &samples, || {}).unwrap();
    let found = fixes(&base, &options, &own, &samples, |_| {}).unwrap();
    let (best, sizes) = (&found[0], |c: &Conversion| (c.file.len() + c.plan.arena_bytes) as i64);
    let rules = vec![format!("{}=int16", best.layer).parse().unwrap()];
    let fixed = converted(&Options { policy: Policy { rules, ..Policy::default() }, ..options });
    assert_eq!(best.what, "int16 activations");
    assert!((fixed.verification.sqnr_db - base.verification.sqnr_db - best.gain_db).abs() < 0.01, "{best:?}");
    assert_eq!(sizes(&fixed) - sizes(&base), best.cost_bytes);
    assert!(found.is_sorted_by(|a, b| a.gain_db >= b.gain_db));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for calibrator in [Calibrator::MinMax, Calibrator::Mse] {
        let options = Options { calibrator, ..Options::of(Precision::Int4) };
        assert!(converted(&options).file == converted(&options).file);
    }
}

#[test]
fn precision_decides_sizes_and_noise() {
    let [int4, int8, int16] = [Precision::Int4, Precision::Int8, Precision::Int16].map(|p| converted(&Options::of(p)));
    assert!(int4.file.len() + 8000 < int8.file.len(), "{} {}", int4.file.len(), int8.file.len());
    assert!(int16.plan.arena_bytes > int8.plan.arena_bytes);
    assert!(int16.verification.sqnr_db > int8.verification.sqnr_db + 6.0);
    assert!(int8.verification.sqnr_db > int4.verification.sqnr_db + 3.0);
}

#[test]
fn single_layers_have_an_arithmetic_of_their_own() {
    let policy = |rule: &str| Policy { rules: vec![rule.parse().unwrap()], ..Policy::default() };
    let with = |rule: &str| converted(&Options { policy: policy(rule), ..Options::default() });
    let opcodes = |conversion: &Conversion| {
        let runner = lacewing_convert::runner::Runner::new(&conversion.file).unwrap();
        runner.model().ops().map(|op| op.opcode().name()).collect::<Vec<_>>()
    };
    let count = |rule: &str, what: &str| opcodes(&with(rule)).into_iter().filter(|name| *name == what).count();
    assert_eq!(count("*=int4", "FullyConnectedW4"), 1);
    assert_eq!(count("/fc/*=f32", "FullyConnectedF32"), 1);
    assert_eq!(count("/fc/*=int16", "FullyConnectedI16"), 1);
    assert_eq!(count("/fc/*=int8", "FullyConnectedI16"), 0);
    let refused = Options { policy: policy("/nowhere=int4"), ..Options::default() };
    let error = convert(&demo("fashion.onnx"), &refused, &samples(), |_| {}).unwrap_err().to_string();
    assert!(error.contains("/nowhere") && error.contains("/fc/"), "{error}");
}

/// It has steps to spare for every number that was seen.
#[test]
fn int16_activations_are_cut_by_no_calibrator() {
    let db = |calibrator| converted(&Options { calibrator, ..Options::of(Precision::Int16) }).verification.sqnr_db;
    assert_eq!(db(Calibrator::MinMax), db(Calibrator::Mse));
}

#[test]
fn every_calibrator_gives_a_program() {
    use Calibrator::{Kl, MinMax, Mse, Outputs, Percentile};
    for calibrator in [MinMax, Percentile(99.9), Mse, Kl, Outputs] {
        let db = converted(&Options { calibrator, ..Options::default() }).verification.sqnr_db;
        assert!(db > 20.0, "{calibrator:?}: {db}");
    }
}
