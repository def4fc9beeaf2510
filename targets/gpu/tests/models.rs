//! Whole models on the GPU give the bytes that they give on the CPU, those in f32 its numbers, one by one and in batches; what is refused says why.
//!
//! Converted models of a folder `LACEWING_GPU_MODELS` are run besides those of the repository.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lacewing::format::encode::Builder;
use lacewing::format::{DType, Place, Port, Tensor};
use lacewing::ops::{AddI8, TableI8};
use lacewing_gpu::{Gpu, GpuError, GpuModel, Options};
use lacewing_targets::{Loaded, Session, host};
use lacewing_tests::generator::Generator;
use lacewing_tests::models;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../firmware-examples/qemu-mps2-an386-classify/fashion.lace")
}

/// The models by name.
fn all() -> Vec<(String, Loaded)> {
    let folder = std::env::var_os("LACEWING_GPU_MODELS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: the models of LACEWING_GPU_MODELS, which is not set");
    }
    let more = folder.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder"));
    let more = more.map(|entry| entry.expect("an entry").path());
    let lace = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "lace");
    let files = [example()].into_iter().chain(more.filter(lace));
    let read = |path: PathBuf| (path.display().to_string(), fs::read(path).expect("a file"));
    let made = [("bands", models::bands()), ("int4", models::int4()), ("rows", models::rows()), ("state", state())];
    let made = made.map(|(name, file)| (name.to_string(), file));
    files.map(read).chain(made).map(|(name, file)| (name, Loaded::new(&file).expect("a model"))).collect()
}

/// Arbitrary bytes for each input, others for each number; reals of -1..1.
fn inputs(model: &Loaded, number: usize) -> Vec<Vec<u8>> {
    let mut bytes = Generator::default().skip(7919 * number);
    let mut of = |port: Port<'_>| -> Vec<u8> {
        let len = port.tensor.len().expect("a small input") as usize;
        let some = bytes.by_ref().take(len);
        match port.tensor.dtype() {
            Some(DType::F32) => some.flat_map(|byte| (f32::from(byte) / 128.0 - 1.0).to_le_bytes()).collect(),
            _ => some.collect(),
        }
    };
    model.model().inputs().map(&mut of).collect()
}

fn on_cpu(session: &mut Session, inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    for (index, input) in inputs.iter().enumerate() {
        session.input_bytes(index).expect("an input").copy_from_slice(input);
    }
    session.run().expect("a run");
    let outputs = 0..session.model().outputs().count();
    outputs.map(|index| session.output_bytes(index).expect("an output").to_vec()).collect()
}

/// Whether outputs are the same bytes; of a model with operations in f32, whether no number is further off than a thousandth of the largest.
fn agree(model: &Loaded, got: &[Vec<u8>], wanted: &[Vec<u8>]) -> bool {
    if model.model().ops().all(|op| !op.opcode().name().ends_with("F32")) {
        return got == wanted;
    }
    let numbers = |port: &Port<'_>, bytes: &[u8]| {
        let dtype = port.tensor.dtype().expect("a typed output");
        let mut numbers = vec![0.0; bytes.len() / dtype.size() as usize];
        host::reals(bytes, dtype, (port.scale, port.zero), &mut numbers);
        numbers
    };
    model.model().outputs().zip(got.iter().zip(wanted)).all(|(port, (got, wanted))| {
        let [got, wanted] = [got, wanted].map(|bytes| numbers(&port, bytes));
        let largest = wanted.iter().fold(0f32, |largest, x| largest.max(x.abs()));
        got.iter().zip(&wanted).all(|(got, wanted)| (got - wanted).abs() <= 1e-3 * largest)
    })
}

fn slices(inputs: &[Vec<u8>]) -> Vec<&[u8]> {
    inputs.iter().map(Vec::as_slice).collect()
}

#[test]
fn models_give_the_bytes_of_the_cpu() {
    let Some(gpu) = common::gpu() else { return };
    let mut compared = 0;
    for (name, model) in all() {
        match GpuModel::load(&gpu, &model.model()) {
            Ok(mut on_gpu) => {
                let mut session = model.packed().session();
                on_gpu.reset().expect("a reset");
                // What a run leaves in the states is seen in the next.
                for number in 0..3 {
                    let inputs = inputs(&model, number);
                    let got = on_gpu.run(&slices(&inputs)).expect("a run");
                    assert!(agree(&model, &got, &on_cpu(&mut session, &inputs)), "{name}");
                }
                compared += 1;
                println!("{name}: {:?}", on_gpu.costs());
            }
            Err(GpuError::Unsupported(records)) => println!("{name}: on the CPU, {}", records[0]),
            Err(error) => panic!("{name}: {error}"),
        }
    }
    assert!(compared >= 4, "{compared} models were compared");
}

#[test]
fn a_batch_gives_the_bytes_of_single_runs() {
    let Some(gpu) = common::gpu() else { return };
    let model = Loaded::new(&fs::read(example()).expect("the example")).expect("a model");
    let mut on_gpu = GpuModel::load_batch(&gpu, &model.model(), 5).expect("a model on the GPU");
    let mut session = model.packed().session();
    let inputs: Vec<_> = (0..4).map(|number| inputs(&model, number)).collect();
    let batch: Vec<_> = inputs.iter().map(|inputs| slices(inputs)).collect();
    let batch: Vec<_> = batch.iter().map(Vec::as_slice).collect();
    let outputs = on_gpu.run_batch(&batch).expect("a run");
    assert_eq!(outputs, inputs.iter().map(|inputs| on_cpu(&mut session, inputs)).collect::<Vec<_>>());
    let six = [batch[0]; 6];
    assert_eq!(on_gpu.run_batch(&six), Err(GpuError::Batch { got: 6, most: 5 }));
    assert_eq!(on_gpu.run_batch(&[]), Err(GpuError::Batch { got: 0, most: 5 }));
    let wanted = vec![784];
    assert_eq!(on_gpu.run(&[&[0; 783]]), Err(GpuError::Inputs { wanted, got: vec![783] }));
}

#[test]
fn every_kernel_is_timed() {
    let Some(gpu) = common::gpu() else { return };
    let model = Loaded::new(&fs::read(example()).expect("the example")).expect("a model");
    let mut on_gpu = GpuModel::load(&gpu, &model.model()).expect("a model on the GPU");
    let inputs = inputs(&model, 0);
    match on_gpu.profile(&slices(&inputs)).expect("a run") {
        Some(times) => {
            assert_eq!(times.len(), model.model().ops().count());
            assert!(times.iter().sum::<f64>() > 0.0, "{times:?}");
        }
        None => eprintln!("SKIPPED: {} has no timestamps", gpu.name()),
    }
}

#[test]
fn a_lost_device_is_an_error_of_the_call() {
    let Some(gpu) = common::gpu() else { return };
    let model = Loaded::new(&fs::read(example()).expect("the example")).expect("a model");
    let mut on_gpu = GpuModel::load(&gpu, &model.model()).expect("a model on the GPU");
    let inputs = inputs(&model, 0);
    on_gpu.run(&slices(&inputs)).expect("a run");
    gpu.destroy();
    let lost = on_gpu.run(&slices(&inputs)).expect_err("the device is lost");
    assert!(matches!(lost, GpuError::Lost(_)), "{lost:?}");
    let lost = GpuModel::load(&gpu, &model.model()).map(|_| ()).expect_err("the device is lost");
    assert!(matches!(lost, GpuError::Lost(_)), "{lost:?}");
    let other = Gpu::new(&common::OPTIONS).expect("another device of the adapter");
    GpuModel::load(&other, &model.model()).expect("a model on it").run(&slices(&inputs)).expect("a run");
}

#[test]
fn software_is_refused_unless_it_is_asked_for() {
    let Some(gpu) = common::gpu() else { return };
    if gpu.is_software() {
        let refused = Gpu::new(&Options::default()).map(|_| ()).expect_err("no GPU");
        assert_eq!(refused, GpuError::Software(gpu.name().to_string()));
    }
}

#[test]
fn a_short_timeout_is_an_error() {
    let Some(_) = common::gpu() else { return };
    let gpu = Gpu::new(&Options { timeout: Duration::ZERO, ..common::OPTIONS }).expect("a GPU");
    let file = table_of(1 << 22);
    let model = Loaded::new(&file).expect("a model");
    let mut on_gpu = GpuModel::load(&gpu, &model.model()).expect("a model on the GPU");
    let input = vec![0; 1 << 22];
    // What ends at once is no error.
    let runs = (0..20).map(|_| on_gpu.run(&[&input]));
    let errors: Vec<_> = runs.filter_map(Result::err).collect();
    assert!(errors.iter().all(|error| matches!(error, GpuError::Timeout(_))), "{errors:?}");
    assert!(!errors.is_empty());
}

/// A function of so many numbers.
fn table_of(len: u32) -> Vec<u8> {
    let mut builder = Builder::default();
    let tensor = |offset| Tensor::new(Place::Arena, DType::I8, offset, [1, 1, 1, len]);
    let table = builder.constant(&[7i8; 256]);
    builder.push(&TableI8 { input: tensor(0).last(), output: tensor(len), table }.into()).expect("one record");
    let port = |name, tensor| Port { name, tensor, rank: 1, dims: [len, 0, 0, 0, 0, 0], scale: 1.0, zero: 0 };
    builder.finish(&[port(b"x", tensor(0))], &[port(b"y", tensor(len))], 2 * len, &[]).expect("a file")
}

/// A sum of its inputs so far, `s = s + x`, which is its output too, by a table.
fn state() -> Vec<u8> {
    let mut builder = Builder::default();
    let tensor = |place, offset| Tensor::new(place, DType::I8, offset, [1, 1, 1, 7]);
    let [sum, x, y] = [tensor(Place::State, 0), tensor(Place::Arena, 16), tensor(Place::Arena, 32)];
    let (multipliers, shift) = ([1 << 10; 2], 10);
    let (zero, lo, hi) = (0, -128, 127);
    let add = AddI8 { inputs: [x.last(), sum], output: sum, multipliers, bias: -3 << 10, shift, zero, lo, hi };
    builder.push(&add.into()).expect("one record");
    let same: Vec<i8> = (-128..=127).collect();
    let table = builder.constant(&same);
    builder.push(&TableI8 { input: sum, output: y, table }.into()).expect("one record");
    let port = |name, tensor| Port { name, tensor, rank: 1, dims: [7, 0, 0, 0, 0, 0], scale: 1.0, zero: 3 };
    builder.state(&port(b"sum", sum)).expect("one state");
    builder.finish(&[port(b"x", x)], &[port(b"y", y)], 48, &[]).expect("a file")
}

#[test]
fn a_stream_is_reset_and_has_no_batches() {
    let Some(gpu) = common::gpu() else { return };
    let model = Loaded::new(&state()).expect("a model");
    let mut on_gpu = GpuModel::load(&gpu, &model.model()).expect("a model on the GPU");
    let mut run = || on_gpu.run(&[&[5; 7]]).expect("a run");
    // The zero point of both is 3.
    assert_eq!([run(), run(), run()], [5, 7, 9].map(|sum| vec![vec![sum; 7]]));
    on_gpu.reset().expect("a reset");
    assert_eq!(on_gpu.run(&[&[5; 7]]), Ok(vec![vec![5; 7]]));
    let refused = GpuModel::load_batch(&gpu, &model.model(), 2).map(|_| ()).expect_err("no batch");
    assert_eq!(refused, GpuError::Batch { got: 2, most: 1 });
}

#[test]
fn a_model_beyond_the_limits_says_which() {
    let Some(gpu) = common::gpu() else { return };
    let model = Loaded::new(&table_of(100 << 20)).expect("a model");
    let refused = GpuModel::load(&gpu, &model.model()).map(|_| ()).expect_err("200 MiB of values");
    assert_eq!(refused, GpuError::Limit { what: "bytes of values", needed: 200 << 20, allowed: 128 << 20 });
    assert_eq!(refused.to_string(), "the model exceeds the GPU: 209715200 bytes of values where 134217728 are allowed");
    let model = Loaded::new(&table_of(1 << 20)).expect("a model");
    let refused = GpuModel::load_batch(&gpu, &model.model(), 65).map(|_| ()).expect_err("130 MiB of values");
    assert!(matches!(refused, GpuError::Limit { what: "bytes of values", .. }), "{refused:?}");
}

#[test]
fn records_without_a_kernel_are_all_named() {
    let model = Loaded::new(&models::int16()).expect("a model");
    let named = GpuModel::unsupported(&model.model());
    assert!(!named.is_empty());
    let first = named[0].to_string();
    assert!(first.starts_with("record 0, "), "{first}");
    assert!(named.iter().all(|record| !record.reason.is_empty()));
}
