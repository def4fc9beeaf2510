//! Files of released versions: they stay readable, and mean the same.
//!
//! `BLESS=1` writes the files that this version makes; those of other versions are never written again.

use std::fs;
use std::path::Path;

use lacewing::format::{DType, Port};
use lacewing::owned::Aligned;
use lacewing::{Kernels, Model, Portable, Session};
use lacewing_targets::{native, pack};
use lacewing_tests::generator::Generator;
use lacewing_tests::{feed, models};

/// The files that this version makes.
fn made() -> [(&'static str, Vec<u8>); 7] {
    [
        ("v1-tiny", models::tiny()),
        ("v1-every-operation", models::every_operation()),
        ("v1-int16", models::int16()),
        ("v1-int4", models::int4()),
        ("v1-bands", models::bands()),
        ("v1-rows", models::rows()),
        ("v1-regions", models::regions()),
    ]
}

#[test]
fn the_writer_makes_the_released_bytes() {
    for (name, file) in made() {
        let path = models::golden().join(name);
        if std::env::var_os("BLESS").is_some() {
            fs::create_dir_all(models::golden()).expect("the folder");
            fs::write(path.with_extension("lace"), &file).expect("the model");
            fs::write(path.with_extension("out"), outputs(&file).concat()).expect("its answer");
        }
        let released = fs::read(path.with_extension("lace")).expect("the golden file");
        assert!(file == released, "{name}: the bytes changed; a new format needs a new version");
    }
}

#[test]
fn released_files_give_their_answers() {
    let models = models::released().expect("the folder");
    assert!(models.len() >= made().len());
    for path in models {
        let outputs = outputs(&fs::read(&path).expect("the model"));
        let want = fs::read(path.with_extension("out")).expect("its answer");
        same(&path, &outputs, &want);
    }
}

/// The example's model was written for Cortex-M4; most of the released files are for no target.
#[test]
fn packed_files_give_the_same_answers() {
    let example =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-examples/qemu-mps2-an386-classify/fashion.lace");
    for path in models::released().expect("the folder").into_iter().chain([example]) {
        let file = fs::read(&path).expect("the model");
        let model = Aligned::from(&file[..]);
        let model: Model<'_> = Model::read(&model).expect("a readable file");
        let Some(packed) = pack(&model).expect("room") else { continue };
        same(&path, &outputs_by(native(), &packed), &outputs(&file).concat());
    }
}

/// The bytes of every output, for inputs from the generator.
fn outputs(file: &[u8]) -> Vec<Vec<u8>> {
    outputs_by(Portable, file)
}

fn outputs_by(kernels: impl Kernels, file: &[u8]) -> Vec<Vec<u8>> {
    let file = Aligned::from(file);
    let model: Model<'_> = Model::read(&file).expect("a readable file");
    model.verify().expect("an undamaged file");
    let mut arena = Aligned::zeroed(model.arena_len());
    let mut session = Session::new(model, kernels, &mut arena).expect("a fitting arena");
    let mut numbers = Generator::default();
    let mut bytes = model.inputs().flat_map(|port| input(&port, &mut numbers));
    feed(&mut session, |input| input.fill_with(|| bytes.next().expect("a byte"))).expect("a run");
    (0..model.outputs().count()).map(|index| session.output_bytes(index).expect("an output").to_vec()).collect()
}

/// Small numbers of the port's type.
fn input(port: &Port<'_>, numbers: &mut Generator) -> Vec<u8> {
    let len = port.tensor.len().expect("a small tensor") as usize;
    let bytes = numbers.take(len);
    match port.tensor.dtype() {
        Some(DType::F32) => bytes.flat_map(|byte| (f32::from(byte as i8) / 64.0).to_le_bytes()).collect(),
        _ => bytes.collect(),
    }
}

/// Integers are the same bits; reals may differ by rounding.
fn same(path: &Path, outputs: &[Vec<u8>], want: &[u8]) {
    let file = Aligned::from(&fs::read(path).expect("the model")[..]);
    let model: Model<'_> = Model::read(&file).expect("a readable file");
    let mut want = want;
    for (port, got) in model.outputs().zip(outputs) {
        let (this, rest) = want.split_at(got.len());
        want = rest;
        match port.tensor.dtype() {
            Some(DType::F32) => reals(got).zip(reals(this)).for_each(|(got, want)| {
                assert!((got - want).abs() <= 1e-5 * want.abs().max(1.0), "{path:?} {}: {got} {want}", port.name());
            }),
            _ => assert_eq!(got, this, "{path:?} {}", port.name()),
        }
    }
    assert!(want.is_empty());
}

fn reals(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.chunks_exact(4).map(|word| f32::from_le_bytes(word.try_into().expect("four bytes")))
}

#[test]
fn the_worked_example_is_the_tiny_file() {
    let text = include_str!("../../runtime/FORMAT.md");
    let (_, example) = text.split_once("# A worked example").expect("the chapter");
    let dump = example.split("```").nth(1).expect("the dump");
    let mut bytes = Vec::new();
    for line in dump.lines().filter(|line| line.contains('|')) {
        let (at, hex) = line.split('|').next().and_then(|line| line.split_once(':')).expect("`at: bytes | meaning`");
        assert_eq!(usize::from_str_radix(at.trim(), 16), Ok(bytes.len()), "{line}");
        bytes.extend(hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("a byte")));
    }
    assert_eq!(bytes, models::tiny());
}
