//! What goes and what stays, and that nothing changes by it.

use ndarray::{ArrayD, Axis};
use proptest::prelude::*;

use super::*;
use crate::calibrate::Ranges;
use crate::encode::{Context, encode};
use crate::graph::{Binary, Function, Kind, PoolKind, Window};
use crate::passes::tests::{Build, random};
use crate::runner::Runner;

fn conv(kernel: usize, pad: usize, stride: usize, groups: usize) -> Op {
    let window = Window { kernel: [kernel; 2], strides: [stride; 2], dilations: [1; 2], pads: [pad; 4] };
    Op::Conv { window, groups }
}

/// Weights of which the rows in `zero` are 0, and a bias.
fn weights(b: &mut Build, shape: &[usize], zero: impl Fn(usize) -> bool) -> [ValueId; 2] {
    let seed = b.graph_mut().values.len() as u32;
    let mut w = random(shape, seed);
    (0..shape[0]).filter(|row| zero(*row)).for_each(|row| w.index_axis_mut(Axis(0), row).fill(0.0));
    [b.constant(w), b.random(&shape[..1])]
}

fn bias(b: &mut Build, id: ValueId, channel: usize, number: f32) {
    let constant = b.graph_mut().values[id.0].constant.as_mut().unwrap();
    std::sync::Arc::make_mut(constant)[channel] = number;
}

fn clamp(b: &mut Build, lo: f32, hi: f32) {
    b.graph_mut().nodes.last_mut().unwrap().clamp = Some((lo, hi));
}

/// The bytes of the outputs of a program on some inputs, and their reals.
fn outputs(graph: &Graph, quantization: &Quantization) -> (Vec<Vec<u8>>, Vec<f32>) {
    let context = Context::new(graph, quantization.clone(), Vec::new()).unwrap();
    let mut runner = Runner::new(&encode(&context).unwrap().file).unwrap();
    let (mut bytes, mut reals) = (Vec::new(), Vec::new());
    for seed in 0..3 {
        let inputs: Vec<ArrayD<f32>> = graph.inputs.iter().map(|id| random(graph.shape(*id), 7 + seed)).collect();
        let found = runner.run(&inputs).unwrap();
        reals.extend(found.iter().flat_map(|y| y.iter().copied()));
        bytes.push(runner.output_bytes());
    }
    (bytes, reals)
}

/// The graph without what goes; the float program is as before up to rounding, the integer program to the bit.
fn without(graph: &Graph) -> Graph {
    let ranges = Ranges::made_up(graph);
    let (whole, numbers) = quantize(graph, &ranges, &Policy::default()).unwrap();
    let (less, fewer) = remove(whole.clone(), numbers.clone()).unwrap();
    assert_eq!(less.check(), Ok(()));
    assert_eq!(outputs(&whole, &numbers).0, outputs(&less, &fewer).0);
    let (less, none) = remove(graph.clone(), Quantization::none()).unwrap();
    assert_eq!(less.check(), Ok(()));
    // A sum in another order may round to the next integer where the net rounds in between.
    let rounds = graph.nodes.iter().any(|node| matches!(node.op, Op::Unary(Function::Quantize { .. })));
    let tolerance = if rounds { 0.1 } else { 1e-5 };
    let pairs = outputs(graph, &none).1.into_iter().zip(outputs(&less, &none).1);
    pairs.for_each(|(a, b)| assert!((a - b).abs() <= tolerance * a.abs().max(1.0), "{a} {b}"));
    less
}

/// Whether the made-up ranges suffice for an integer program.
pub(crate) fn has_integers(graph: &Graph) -> bool {
    let (graph, numbers) = quantize(graph, &Ranges::made_up(graph), &Policy::default()).unwrap();
    Context::new(&graph, numbers, Vec::new()).is_ok_and(|context| encode(&context).is_ok())
}

/// Channels of the results of all nodes.
fn channels(graph: &Graph) -> Vec<usize> {
    graph.nodes.iter().map(|node| count(graph, node.outputs[0])).collect()
}

/// A convolution of 4 channels with one that is the constant `constant`, a depthwise convolution, another convolution.
fn three(constant: f32, pad: usize) -> Graph {
    let mut b = Build::nhwc();
    let x = b.input(&[1, 6, 6, 3]);
    let [w, c] = weights(&mut b, &[4, 1, 1, 3], |row| row == 2);
    bias(&mut b, c, 2, constant);
    let x = b.op(conv(1, 0, 1, 1), &[x, w, c]);
    clamp(&mut b, 0.0, 6.0);
    let [w, c] = weights(&mut b, &[4, 3, 3, 1], |_| false);
    let x = b.op(conv(3, pad, 1, 4), &[x, w, c]);
    let [w, c] = weights(&mut b, &[5, 1, 1, 4], |_| false);
    let x = b.op(conv(1, 0, 1, 1), &[x, w, c]);
    b.output(x)
}

#[test]
fn a_constant_goes_through_a_depthwise_convolution_into_the_next_bias() {
    assert_eq!(channels(&without(&three(0.7, 0))), [3, 3, 5]);
}

#[test]
fn a_border_that_sees_another_constant_keeps_the_channel() {
    assert_eq!(channels(&without(&three(0.7, 1))), [4, 4, 5]);
    assert_eq!(channels(&without(&three(-0.7, 1))), [3, 3, 5]);
}

#[test]
fn what_is_left_out_is_counted() {
    let graph = three(0.7, 0);
    let less = without(&graph);
    let macs = 36 * 3 + 16 * 9 + 16 * 5;
    let expected = Removed { channels: 2, macs, bytes: (3 + 9 + 5) + 2 * 8 };
    assert_eq!(Removed::between(&graph, &less, true), expected);
    let kept = |node: usize| less.value(less.nodes[node].outputs[0]).kept.clone();
    assert_eq!((kept(1).as_deref(), kept(2)), (Some(&[0, 1, 3][..]), None));
}

/// Two convolutions whose sum a third one reads; each with a constant channel where it is told so.
fn sum(constant: [bool; 2]) -> Vec<usize> {
    let mut b = Build::nhwc();
    let x = b.input(&[1, 4, 4, 2]);
    let parts = constant.map(|constant| {
        let [w, c] = weights(&mut b, &[3, 1, 1, 2], |row| constant && row == 1);
        b.op(conv(1, 0, 1, 1), &[x, w, c])
    });
    let y = b.op(Op::Binary(Binary::Add), &parts);
    let [w, c] = weights(&mut b, &[2, 2, 2, 3], |_| false);
    let y = b.op(conv(2, 0, 2, 1), &[y, w, c]);
    channels(&without(&b.output(y)))
}

#[test]
fn a_sum_loses_what_both_operands_lose() {
    assert_eq!(sum([true, true]), [2, 2, 2, 2]);
    assert_eq!(sum([true, false]), [3, 3, 3, 2]);
}

#[test]
fn channels_that_nobody_reads_go_with_all_that_makes_them() {
    let mut b = Build::nhwc();
    let x = b.input(&[1, 4, 4, 2]);
    let [w, c] = weights(&mut b, &[4, 1, 1, 2], |_| false);
    let x = b.op(conv(1, 0, 1, 1), &[x, w, c]);
    let [w, c] = weights(&mut b, &[4, 3, 3, 1], |_| false);
    let x = b.op(conv(3, 1, 1, 4), &[x, w, c]);
    let window = Window { kernel: [4; 2], ..Window::default() };
    let x = b.op(Op::Pool { window, kind: PoolKind::Average { count_include_pad: false } }, &[x]);
    let x = b.shaped(Op::Reshape, &[x], &[1, 4]);
    let mut w = random(&[2, 4], 5);
    w.index_axis_mut(Axis(1), 3).fill(0.0);
    let w = b.constant(w);
    let y = b.op(Op::FullyConnected, &[x, w]);
    assert_eq!(channels(&without(&b.output(y))), [3, 3, 3, 3, 2]);
}

#[test]
fn a_flattened_channel_is_many_and_outputs_keep_theirs() {
    let mut b = Build::nhwc();
    let x = b.input(&[1, 2, 2, 2]);
    let [w, c] = weights(&mut b, &[3, 3, 3, 2], |row| row == 0);
    let x = b.op(conv(3, 1, 1, 1), &[x, w, c]);
    let x = b.shaped(Op::Reshape, &[x], &[1, 12]);
    let [w, c] = weights(&mut b, &[3, 12], |row| row == 2);
    let y = b.op(Op::FullyConnected, &[x, w, c]);
    assert_eq!(channels(&without(&b.output(y))), [2, 8, 3]);
}

#[test]
fn weights_of_two_layers_stay_one() {
    for (shares, expected) in [(true, [3, 3, 2, 2]), (false, [2, 3, 2, 2])] {
        let mut b = Build::nhwc();
        let x = b.input(&[1, 2]);
        let [w, c] = weights(&mut b, &[3, 2], |row| row == 1);
        let y = b.op(Op::FullyConnected, &[x, w, c]);
        let [v, d] = weights(&mut b, &[3, 2], |_| false);
        let z = b.op(Op::FullyConnected, &[x, v, d]);
        let [w, c] = weights(&mut b, &[2, 3], |_| false);
        let y = b.op(Op::FullyConnected, &[y, w, c]);
        let [v, d] = if shares { [w, c] } else { weights(&mut b, &[2, 3], |_| false) };
        let z = b.op(Op::FullyConnected, &[z, v, d]);
        b.graph_mut().outputs.push(z);
        assert_eq!(channels(&without(&b.output(y))), expected);
    }
}

/// One block of a random net.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    kind: usize,
    channels: usize,
    /// Padding, whether the stride is 2, whether limits follow.
    window: (usize, bool, bool),
    /// Rows whose weights are 0, by bits.
    zero: u8,
    /// Whether integers of a quantized file follow, and which.
    held: usize,
}

pub(crate) fn block() -> impl Strategy<Value = Block> {
    (0..7usize, 1..6usize, (0..2usize, any::<bool>(), any::<bool>()), any::<u8>(), 0..4usize)
        .prop_map(|(kind, channels, window, zero, held)| Block { kind, channels, window, zero, held })
}

fn add(b: &mut Build, x: ValueId, block: &Block) -> ValueId {
    let shape = b.graph_mut().shape(x).to_vec();
    let (pad, stride, limits) = block.window;
    let zero = |row: usize| block.zero >> (row % 8) & 1 == 1;
    let fits = shape[1] + 2 * pad >= 3;
    let layer = |b: &mut Build, x: ValueId, rows: usize, op: Op, kernel: usize, columns: usize| {
        let [w, c] = weights(b, &[rows, kernel, kernel, columns], zero);
        let y = b.op(op, &[x, w, c]);
        if limits {
            clamp(b, 0.0, 0.8);
        }
        y
    };
    let (stride, own) = (1 + usize::from(stride), shape[3]);
    match block.kind {
        0 | 1 => layer(b, x, block.channels, conv(1, 0, stride, 1), 1, own),
        2 if fits => layer(b, x, block.channels, conv(3, pad, stride, 1), 3, own),
        3 if fits => layer(b, x, own, conv(3, pad, stride, own), 3, 1),
        4 => {
            let y = layer(b, x, own, conv(1, 0, 1, 1), 1, own);
            b.op(Op::Binary(Binary::Add), &[x, y])
        }
        5 => {
            let y = layer(b, x, own, conv(1, 0, 1, 1), 1, own);
            let z = layer(b, x, block.channels, conv(1, 0, 1, 1), 1, own);
            b.op(Op::Concat { axis: 3 }, &[y, z])
        }
        _ => b.op(Op::Unary(Function::Tanh), &[x]),
    }
}

/// What a quantized file says of a value: int8 or int16 of a scale of its own.
fn held(b: &mut Build, x: ValueId, held: usize) -> ValueId {
    let (scale, zero, lo, hi, kind) = match held {
        0 => (0.013, -3.0, -128.0, 127.0, Kind::I8),
        1 => (0.000_4, 0.0, -32768.0, 32767.0, Kind::I16),
        _ => return x,
    };
    let q = b.op(Op::Unary(Function::Quantize { scale, zero, lo, hi }), &[x]);
    b.graph_mut().values[q.0].kind = kind;
    b.op(Op::Unary(Function::Dequantize { scale, zero }), &[q])
}

/// A net of blocks over an image of `size` rows and columns; a fully connected layer follows if it is `flat`.
pub(crate) fn net(blocks: &[Block], [size, channels]: [usize; 2], flat: bool) -> Graph {
    let mut b = Build::nhwc();
    let mut x = b.input(&[1, size, size, channels]);
    for block in blocks {
        x = add(&mut b, x, block);
        x = held(&mut b, x, block.held);
    }
    if flat {
        let n = b.graph_mut().shape(x).iter().product();
        x = b.shaped(Op::Reshape, &[x], &[1, n]);
        let [w, c] = weights(&mut b, &[3, n], |row| row == 1);
        x = b.op(Op::FullyConnected, &[x, w, c]);
    }
    b.output(x)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_net_changes(blocks in prop::collection::vec(block(), 1..7), channels in 1..4usize, flat in any::<bool>()) {
        let graph = net(&blocks, [5, channels], flat);
        prop_assume!(has_integers(&graph));
        without(&graph);
    }
}
