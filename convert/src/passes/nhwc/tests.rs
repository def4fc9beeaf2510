//! Orders through every kind of operation, against the naive evaluator.

use super::super::tests::{Build, equivalent};
use super::super::{dead, identities, reshapes};
use super::*;
use crate::graph::{Binary, Function, PoolKind, ValueId, Window};

fn window(kernel: usize) -> Window {
    Window { kernel: [kernel; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] }
}

fn conv(b: &mut Build, x: ValueId, channels: [usize; 2]) -> ValueId {
    let w = b.random(&[channels[1], channels[0], 2, 2]);
    let bias = b.random(&[channels[1]]);
    b.op(Op::Conv { window: window(2), groups: 1 }, &[x, w, bias])
}

/// Transpositions left after the pass and what cleans up behind it.
fn transposes(graph: &Graph, options: &SimplifyOptions) -> usize {
    let passes = [run, reshapes::run, identities::run, dead::run];
    let after = passes.iter().fold(graph.clone(), |g, pass| pass(g, options));
    equivalent(graph, &after);
    after.nodes.iter().filter(|n| matches!(n.op, Op::Transpose { .. })).count()
}

#[test]
fn one_transposition_at_each_door() {
    let mut b = Build::new();
    let x = b.input(&[1, 3, 6, 5]);
    let y = conv(&mut b, x, [3, 4]);
    let y = b.op(Op::Unary(Function::Tanh), &[y]);
    let y = b.op(Op::Pool { window: window(2), kind: PoolKind::Max }, &[y]);
    let graph = b.output(y);
    assert_eq!(transposes(&graph, &SimplifyOptions::default()), 2);
}

#[test]
fn a_channels_last_model_ends_without_transpositions() {
    let mut b = Build::new();
    let x = b.input(&[1, 6, 5, 3]);
    let y = b.op(Op::Transpose { perm: NCHW.to_vec() }, &[x]);
    let y = conv(&mut b, y, [3, 4]);
    let y = b.op(Op::Transpose { perm: NHWC.to_vec() }, &[y]);
    let graph = b.output(y);
    assert_eq!(transposes(&graph, &SimplifyOptions::default()), 0);
    let options = SimplifyOptions { input_layout_nhwc: true, ..SimplifyOptions::default() };
    assert_eq!(transposes(&graph, &options), 0);
    assert_eq!(run(graph, &options).values[0].shape, [1, 6, 5, 3]);
}

#[test]
fn the_door_can_be_channels_last() {
    let mut b = Build::new();
    let x = b.input(&[1, 3, 6, 5]);
    let y = conv(&mut b, x, [3, 4]);
    let y = b.op(Op::Pool { window: Window { kernel: [5, 4], ..window(1) }, kind: PoolKind::Max }, &[y]);
    let graph = b.output(y);
    let options = SimplifyOptions { input_layout_nhwc: true, ..SimplifyOptions::default() };
    let after = reshapes::run(run(graph, &options), &options);
    assert_eq!(after.shape(after.inputs[0]), [1, 6, 5, 3]);
    assert!(!after.nodes.iter().any(|n| matches!(n.op, Op::Transpose { .. })));
}

#[test]
fn a_flattened_image_is_reordered_in_the_weights() {
    let mut b = Build::new();
    let x = b.input(&[1, 1, 6, 5]);
    let y = conv(&mut b, x, [1, 4]);
    let y = b.shaped(Op::Reshape, &[y], &[1, 80]);
    let (shift, factor) = (b.random(&[80]), b.number(0.5));
    let y = b.op(Op::Binary(Binary::Add), &[y, shift]);
    let y = b.op(Op::Binary(Binary::Mul), &[y, factor]);
    let y = b.op(Op::Unary(Function::Tanh), &[y]);
    let (w, bias) = (b.random(&[7, 80]), b.random(&[7]));
    let y = b.op(Op::FullyConnected, &[y, w, bias]);
    assert_eq!(transposes(&b.output(y), &SimplifyOptions::default()), 0);
}

#[test]
fn a_flattened_output_is_brought_to_order() {
    let mut b = Build::new();
    let x = b.input(&[1, 1, 6, 5]);
    let y = conv(&mut b, x, [1, 4]);
    let y = b.shaped(Op::Reshape, &[y], &[1, 80]);
    let other = b.input(&[1, 80]);
    let y = b.op(Op::Binary(Binary::Add), &[y, other]);
    let y = b.op(Op::Softmax { axis: 1 }, &[y]);
    assert_eq!(transposes(&b.output(y), &SimplifyOptions::default()), 1);
}

#[test]
fn axes_are_renamed() {
    let mut b = Build::new();
    let x = b.input(&[1, 1, 6, 5]);
    let y = conv(&mut b, x, [1, 4]);
    let y = b.op(Op::Pad { pads: vec![(0, 0), (1, 0), (0, 2), (3, 1)], value: 0.5 }, &[y]);
    let (starts, steps) = (vec![0, 3, 0, 1], vec![1, -1, 2, 3]);
    let y = b.shaped(Op::Slice { starts, steps }, &[y], &[1, 3, 4, 3]);
    let other = b.random(&[1, 2, 4, 3]);
    let y = b.op(Op::Concat { axis: 1 }, &[y, other]);
    let y = b.op(Op::Softmax { axis: 1 }, &[y]);
    let y = b.shaped(Op::ArgMax { axis: 1 }, &[y], &[1, 1, 4, 3]);
    assert_eq!(transposes(&b.output(y), &SimplifyOptions::default()), 0);
}

#[test]
fn gates_and_constants_of_lower_rank_follow_the_image() {
    let mut b = Build::new();
    let x = b.input(&[1, 1, 6, 5]);
    let y = conv(&mut b, x, [1, 4]);
    let mean = b.op(Op::Pool { window: Window { kernel: [5, 4], ..window(1) }, kind: PoolKind::Max }, &[y]);
    let y = b.op(Op::Binary(Binary::Mul), &[mean, y]);
    let line = b.shaped(Op::Reshape, &[mean], &[4, 1, 1]);
    let y = b.op(Op::Binary(Binary::Sub), &[line, y]);
    let c = b.random(&[4, 1, 1]);
    let y = b.op(Op::Binary(Binary::Add), &[y, c]);
    let y = b.op(Op::Transpose { perm: NHWC.to_vec() }, &[y]);
    assert_eq!(transposes(&b.output(y), &SimplifyOptions::default()), 0);
}

#[test]
fn a_channel_shuffle_moves_channels_only() {
    let mut b = Build::new();
    let x = b.input(&[1, 1, 6, 5]);
    let y = conv(&mut b, x, [1, 4]);
    let y = b.shaped(Op::Reshape, &[y], &[1, 2, 2, 5, 4]);
    let y = b.op(Op::Transpose { perm: vec![0, 2, 1, 3, 4] }, &[y]);
    let y = b.shaped(Op::Reshape, &[y], &[1, 4, 5, 4]);
    let y = conv(&mut b, y, [4, 2]);
    let y = b.op(Op::Transpose { perm: NHWC.to_vec() }, &[y]);
    assert_eq!(transposes(&b.output(y), &SimplifyOptions::default()), 1);
}

#[test]
fn rows_of_a_sequence_keep_their_order() {
    let mut b = Build::new();
    let x = b.input(&[1, 1, 6, 5]);
    let y = conv(&mut b, x, [1, 4]);
    let y = b.shaped(Op::Reshape, &[y], &[1, 4, 20]);
    let y = b.op(Op::Transpose { perm: vec![0, 2, 1] }, &[y]);
    let w = b.random(&[3, 4]);
    let y = b.op(Op::FullyConnected, &[y, w]);
    assert_eq!(transposes(&b.output(y), &SimplifyOptions::default()), 0);
}

#[test]
fn outputs_that_are_inputs_or_the_same_value_are_copies() {
    let mut b = Build::new();
    let x = b.input(&[1, 2, 3]);
    let y = b.op(Op::Transpose { perm: vec![0, 1, 2] }, &[x]);
    let mut graph = b.output(y);
    graph.outputs.push(y);
    let after = run(graph.clone(), &SimplifyOptions::default());
    equivalent(&graph, &after);
    assert_ne!(after.outputs[0], after.outputs[1]);
}

#[test]
fn a_softmax_gets_its_axis_last() {
    for axis in 0..3 {
        let mut b = Build::new();
        let x = b.input(&[2, 3, 4]);
        let y = b.op(Op::Softmax { axis }, &[x]);
        let graph = b.output(y);
        let after = run(graph.clone(), &SimplifyOptions::default());
        equivalent(&graph, &after);
        let softmax = after.nodes.iter().find(|n| matches!(n.op, Op::Softmax { axis: 2 }));
        assert!(softmax.is_some(), "{axis}");
    }
}
