//! Published models that keep a state, over a stream of sound: against the float original, and without drift. Skipped, loudly, where the
//! models are not present.

mod shared;

use std::f32::consts::TAU;
use std::path::Path;

use lacewing_convert::data::{InputSpec, Samples, Scaling};
use lacewing_convert::import::{ImportOptions, StateNames};
use lacewing_convert::oracle::Oracle;
use lacewing_convert::quantize::{Policy, Rule};
use lacewing_convert::runner::Runner;
use lacewing_convert::{Options, Precision, Sample, convert};
use ndarray::{ArrayD, IxDyn};
use shared::models;

const STEPS: usize = 50;

/// Spoken words, one after the other, at 16 kHz.
fn sound(folder: &Path) -> Vec<f32> {
    let words = InputSpec { name: "x".into(), shape: vec![16_000] };
    let scaling = Scaling { scale: 1.0 / 32768.0, zero: 0.0 };
    let samples = Samples::read(&folder.join("data/kws01_open_wave_120.npz"), &[words], scaling).unwrap();
    samples.rows()[..4].iter().flat_map(|word| word[0].iter().copied()).collect()
}

/// Frames of `length` each `stride`, as `shape`, after `f`.
fn frames(
    sound: &[f32],
    (length, stride): (usize, usize),
    shape: &[usize],
    f: impl Fn(&[f32]) -> Vec<f32>,
) -> Vec<Sample> {
    let frames = sound.windows(length).step_by(stride).take(STEPS);
    frames.map(|frame| vec![ArrayD::from_shape_vec(IxDyn(shape), f(frame)).unwrap()]).collect()
}

/// Magnitudes of the 257 frequencies of 512 samples.
fn spectrum(frame: &[f32]) -> Vec<f32> {
    let turn: Vec<(f32, f32)> = (0..512).map(|i| (TAU * i as f32 / 512.0).sin_cos()).collect();
    let magnitude = |k: usize| {
        let parts = frame.iter().enumerate().map(|(i, x)| (x * turn[i * k % 512].0, x * turn[i * k % 512].1));
        let (im, re) = parts.fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        f32::hypot(im, re)
    };
    (0..257).map(magnitude).collect()
}

fn states(pairs: &[(&str, &str)]) -> ImportOptions {
    let states = pairs.iter().map(|(input, output)| StateNames { input: (*input).into(), output: (*output).into() });
    ImportOptions { states: states.collect(), ..ImportOptions::default() }
}

/// SQNR in dB of the stream, and of the same stream again with the states that it left.
fn twice(runner: &mut Runner, oracle: &Oracle, stream: &[Sample]) -> [f64; 2] {
    [(); 2].map(|()| {
        let (mut signal, mut noise) = (0.0, 0.0);
        for sample in stream {
            let (got, want) = (runner.run(sample).unwrap(), oracle.run(sample).unwrap());
            signal += want[0].iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
            noise += got[0].iter().zip(&want[0]).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
        }
        10.0 * (signal / noise).log10()
    })
}

/// Each program reaches so many dB, and no fewer when the stream goes on.
fn check(model: &Path, import: &ImportOptions, stream: &[Sample], programs: &[(Policy, f64)]) {
    let onnx = std::fs::read(model).unwrap();
    for (policy, least) in programs {
        let options = Options { import: import.clone(), policy: policy.clone(), ..Options::default() };
        let conversion = convert(&onnx, &options, stream, |_| {}).unwrap();
        assert_eq!(conversion.verification.reference, "tract");
        let oracle = Oracle::new(&onnx, import).unwrap();
        let [first, second] = twice(&mut Runner::new(&conversion.file).unwrap(), &oracle, stream);
        println!("{}, {policy:?}: {first:.1} dB, then {second:.1} dB", model.display());
        assert!(first > *least && second > least - 1.0, "{policy:?}: {first} and {second} dB");
    }
}

fn of(precision: Precision) -> Policy {
    Policy { precision, ..Policy::default() }
}

#[test]
fn a_voice_detector_does_not_drift() {
    let Some(folder) = models() else { return };
    let stream = frames(&sound(&folder), (576, 512), &[1, 576], <[f32]>::to_vec);
    let programs = [(of(Precision::F32), 100.0), (of(Precision::Int16), 18.0), (of(Precision::Int8), 8.0)];
    check(&folder.join("silero_vad/model.onnx"), &states(&[("h", "hn"), ("c", "cn")]), &stream, &programs);
}

#[test]
fn a_noise_suppressor_does_not_drift() {
    let Some(folder) = models() else { return };
    let stream = frames(&sound(&folder), (512, 128), &[1, 1, 257], spectrum);
    let rules = vec![Rule::new("lstm*", Precision::F32)];
    let mixed = Policy { rules, ..of(Precision::Int16) };
    let programs = [(of(Precision::F32), 100.0), (mixed, 35.0), (of(Precision::Int8), 15.0)];
    check(&folder.join("dtln_1/model.onnx"), &states(&[("input_3", "tf_op_layer_stack_2")]), &stream, &programs);
}
