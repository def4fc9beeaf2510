//! Random recurrent layers in int8.

use lacewing::format::{DType, Span, Tensor};
use lacewing::ops::recurrent_i8::TABLE;
use lacewing::ops::{GatesI8, GruI8, LstmI8, RnnI8};
use proptest::prelude::*;

use super::Case;
use super::fill::{Fill, fill};
use super::recurrent::sizes;
use super::scene::{Scene, Source, apart};
use crate::oracle::Values;

/// How the sums are shifted, and the multipliers of states: those of a valid file mostly, which leave a state neither 0 nor at its ends.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    shift: u8,
    multipliers: [i32; 3],
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let shift = prop_oneof![3 => 20u8..=36, 1 => 1u8..=40];
    let multiplier = || prop_oneof![4 => 1i32 << 13..1 << 19, 1 => 0..=i32::MAX, 1 => Just(1 << 16)];
    (shift, [multiplier(), multiplier(), multiplier()]).prop_map(|(shift, multipliers)| Numbers { shift, multipliers })
}

/// The tensors and constants of a layer.
struct Parts<const N: usize> {
    inputs: [Tensor; N],
    output: Tensor,
    gates: GatesI8,
}

fn parts<const N: usize>(
    scene: &mut Scene,
    [steps, batch, inputs, units]: [u32; 4],
    sources: [Source; N],
    [gates, biases, more]: [u32; 3],
    shift: u8,
) -> Parts<N> {
    let tensors = std::array::from_fn(|i| match i {
        0 => {
            let numbers = scene.i8(steps * batch * inputs);
            scene.input(sources[0], Values::I8(numbers), [1, steps, batch, inputs])
        }
        _ => {
            let numbers = scene.i16(batch * units);
            scene.input(sources[i], Values::I16(numbers), [1, 1, batch, units])
        }
    });
    let output = scene.output(DType::I16, [1, steps + more, batch, units]);
    let gates = GatesI8 {
        weights: scene.weights_i8(gates * units * inputs),
        recurrence: scene.weights_i8(gates * units * units),
        bias: scene.bias::<i8>(biases * units),
        multipliers: scene.multipliers(2 * gates * units),
        shift,
    };
    Parts { inputs: tensors, output, gates }
}

fn tables<const N: usize>(scene: &mut Scene) -> [Span; N] {
    std::array::from_fn(|_| {
        let table = scene.i16(TABLE);
        scene.builder.constant(&table)
    })
}

pub(super) fn lstm() -> BoxedStrategy<Case> {
    (sizes(), numbers(), any::<bool>(), [apart(), apart(), apart()], fill())
        .prop_map(|(sizes, numbers, coupled, sources, fill): (_, _, _, _, Fill)| {
            let mut scene = Scene::new(fill);
            let Parts { inputs, output, gates } = parts(&mut scene, sizes, sources, [4, 4, 1], numbers.shift);
            let tables = tables(&mut scene);
            let [candidate, cell, result] = numbers.multipliers;
            scene.finish(LstmI8 { inputs, output, gates, tables, candidate, cell, result, coupled })
        })
        .boxed()
}

pub(super) fn gru() -> BoxedStrategy<Case> {
    (sizes(), numbers(), any::<bool>(), [apart(), apart()], fill())
        .prop_map(|(sizes, numbers, reset_last, sources, fill): (_, _, _, _, Fill)| {
            let mut scene = Scene::new(fill);
            let more = u32::from(!reset_last);
            let Parts { inputs, output, gates } = parts(&mut scene, sizes, sources, [3, 4, more], numbers.shift);
            let (tables, [candidate, ..]) = (tables(&mut scene), numbers.multipliers);
            scene.finish(GruI8 { inputs, output, gates, tables, candidate, reset_last })
        })
        .boxed()
}

pub(super) fn rnn() -> BoxedStrategy<Case> {
    (sizes(), numbers(), [apart(), apart()], fill())
        .prop_map(|(sizes, numbers, sources, fill): (_, _, _, Fill)| {
            let mut scene = Scene::new(fill);
            let Parts { inputs, output, gates } = parts(&mut scene, sizes, sources, [1, 1, 0], numbers.shift);
            let [table] = tables(&mut scene);
            scene.finish(RnnI8 { inputs, output, gates, table })
        })
        .boxed()
}
