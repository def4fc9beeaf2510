//! A file written for a target gives the outputs of the portable file, with the target's kernels and with the portable ones.

use std::path::PathBuf;

use lacewing::format::{Layout, Op, Span};
use lacewing::owned::Aligned;
use lacewing::{Kernels, Model, Portable};
use lacewing_convert::encode::Aim;
use lacewing_convert::{Options, Precision, convert};
use lacewing_targets::wish::Family;
use lacewing_targets::{CortexM4, CortexM55, RiscvV, Scalar};

fn written(tflite: &[u8], kernels: Family) -> Aligned {
    let aim = Aim { kernels, ..Aim::default() };
    let options = Options { aim, ..Options::of(Precision::Int8) };
    Aligned::from(&convert(tflite, &options, &[], |_| {}).unwrap().file[..])
}

/// The outputs for inputs of varied bytes.
fn outputs<K: Kernels>(file: &[u8], kernels: &K) -> Vec<Vec<u8>> {
    let model: Model<'_> = Model::read(file).unwrap();
    let mut arena = Aligned::from(&vec![0; model.arena_len()][..]);
    let range = |span: Option<Span>| span.and_then(Span::range).unwrap();
    for input in model.inputs() {
        let bytes = arena[range(input.tensor.span())].iter_mut();
        bytes.enumerate().for_each(|(i, byte)| *byte = (i * i * 37 + i * 11 + 5) as u8);
    }
    model.run(kernels, &mut arena).unwrap();
    model.outputs().map(|output| arena[range(output.tensor.span())].to_vec()).collect()
}

fn layouts(file: &[u8]) -> Vec<Layout> {
    let model: Model<'_> = Model::read(file).unwrap();
    let layout = |op| match op {
        Op::ConvI8(op) => Some(op.layout),
        Op::FullyConnectedI8(op) => Some(op.layout),
        _ => None,
    };
    model.ops().filter_map(layout).collect()
}

#[test]
fn outputs_are_the_same_for_every_target() {
    alike(Family::Armv7em, &CortexM4);
    alike(Family::Armv81m, &CortexM55);
    alike(Family::Scalar, &Scalar);
    alike(Family::RiscvV, &RiscvV);
}

fn alike<K: Kernels>(family: Family, kernels: &K) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tflite"));
    for name in
        ["int8_classifier", "int8_conv", "int8_conv_relu6", "int8_depthwise", "int8_depthwise_multiplier", "int4_conv"]
    {
        let tflite = std::fs::read(folder.join(name).with_extension("tflite")).unwrap();
        let [portable, own] = [Family::Portable, family].map(|kernels| written(&tflite, kernels));
        let expected = outputs(&portable, &Portable);
        assert_eq!(outputs(&own, kernels), expected, "{name}");
        assert_eq!(outputs(&own, &Portable), expected, "{name}");
        assert_eq!(outputs(&portable, kernels), expected, "{name}");
        assert!(layouts(&portable).iter().all(|layout| *layout == Layout::PLAIN), "{name}");
    }
}

#[test]
fn weights_are_in_the_order_that_the_kernels_want() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tflite"));
    let tflite = std::fs::read(folder.join("int8_classifier.tflite")).unwrap();
    let own = layouts(&written(&tflite, Family::Armv7em));
    assert!(!own.is_empty() && own.iter().all(|layout| *layout == Layout::PAIRS), "{own:?}");
    let own = layouts(&written(&tflite, Family::Armv81m));
    assert!(own.iter().all(|layout| *layout == Layout { outputs: 4, depth: 16 }), "{own:?}");
    let own = layouts(&written(&tflite, Family::RiscvV));
    assert!(own.iter().all(|layout| layout.outputs > 1 && layout.depth == 1), "{own:?}");
}
