//! Random recurrent layers and running sums.

use lacewing::format::{DType, Span, Tensor};
use lacewing::ops::{CumulativeF32, Function, GruF32, LstmF32, RnnF32};
use proptest::prelude::*;

use super::Case;
use super::fill::{Fill, fill};
use super::scene::{Scene, Source, anywhere, apart, setting};
use crate::oracle::Values;

pub(super) fn cumulative() -> BoxedStrategy<Case> {
    (1u32..=3, 1u32..=9, 1u32..=4, any::<[bool; 3]>(), setting(anywhere()))
        .prop_map(|(outer, n, inner, [product, exclusive, reverse], (fill, source))| {
            let mut scene = Scene::new(fill);
            let shape = [1, outer, n, inner];
            let values = Values::F32(scene.f32(outer * n * inner));
            let input = scene.input(source, values, shape);
            let output = scene.output_for(source, &input, DType::F32, shape);
            scene.finish(CumulativeF32 { input, output, n, inner, product, exclusive, reverse })
        })
        .boxed()
}

/// Sizes of a layer: steps, batch, inputs, units.
pub(super) fn sizes() -> impl Strategy<Value = [u32; 4]> {
    [1u32..=4, 1u32..=3, 1u32..=5, 1u32..=6]
}

fn activation() -> impl Strategy<Value = Function> {
    prop_oneof![
        3 => Just(Function::Sigmoid),
        3 => Just(Function::Tanh),
        1 => Just(Function::Softsign),
        1 => Just(Function::HardSigmoid { alpha: 0.2, beta: 0.5 }),
    ]
}

fn clip() -> impl Strategy<Value = f32> {
    prop_oneof![2 => Just(f32::INFINITY), 1 => 0.1f32..2.0]
}

/// The tensors and constants of a layer.
struct Parts<const N: usize> {
    inputs: [Tensor; N],
    output: Tensor,
    weights: [Span; 3],
}

fn parts<const N: usize>(
    scene: &mut Scene,
    [steps, batch, inputs, units]: [u32; 4],
    sources: [Source; N],
    [gates, biases, more]: [u32; 3],
) -> Parts<N> {
    let shape = |i: usize| if i == 0 { [1, steps, batch, inputs] } else { [1, 1, batch, units] };
    let tensors = std::array::from_fn(|i| {
        let numbers = scene.f32(shape(i).iter().product()).into_iter().map(|x| x / 4.0).collect();
        scene.input(sources[i], Values::F32(numbers), shape(i))
    });
    let output = scene.output(DType::F32, [1, steps + more, batch, units]);
    let mut weights = |len: u32| {
        let numbers: Vec<f32> = scene.f32(len).into_iter().map(|w| w / 4.0).collect();
        scene.builder.constant(&numbers)
    };
    let weights = [weights(gates * units * inputs), weights(gates * units * units), weights(biases * units)];
    Parts { inputs: tensors, output, weights }
}

pub(super) fn lstm() -> BoxedStrategy<Case> {
    let activations = [activation(), activation(), activation()];
    let sources = [apart(), apart(), apart()];
    (sizes(), activations, [clip(), clip()], any::<[bool; 2]>(), sources, fill())
        .prop_map(|(sizes, activations, [clip, bound], [coupled, peeps], sources, fill): (_, _, _, _, _, Fill)| {
            let mut scene = Scene::new(fill);
            let parts = parts(&mut scene, sizes, sources, [4, 4, 1]);
            let peepholes = if peeps { scene.weights_f32(3 * sizes[3]) } else { Span::EMPTY };
            let Parts { inputs, output, weights: [weights, recurrence, bias] } = parts;
            let op =
                LstmF32 { inputs, output, weights, recurrence, bias, peepholes, activations, clip, bound, coupled };
            scene.finish(op)
        })
        .boxed()
}

pub(super) fn gru() -> BoxedStrategy<Case> {
    (sizes(), [activation(), activation()], clip(), any::<bool>(), [apart(), apart()], fill())
        .prop_map(|(sizes, activations, clip, reset_last, sources, fill)| {
            let mut scene = Scene::new(fill);
            let parts = parts(&mut scene, sizes, sources, [3, 4, u32::from(!reset_last)]);
            let Parts { inputs, output, weights: [weights, recurrence, bias] } = parts;
            scene.finish(GruF32 { inputs, output, weights, recurrence, bias, activations, clip, reset_last })
        })
        .boxed()
}

pub(super) fn rnn() -> BoxedStrategy<Case> {
    (sizes(), activation(), clip(), [apart(), apart()], fill())
        .prop_map(|(sizes, activation, clip, sources, fill)| {
            let mut scene = Scene::new(fill);
            let Parts { inputs, output, weights: [weights, recurrence, bias] } =
                parts(&mut scene, sizes, sources, [1, 1, 0]);
            scene.finish(RnnF32 { inputs, output, weights, recurrence, bias, activation, clip })
        })
        .boxed()
}
