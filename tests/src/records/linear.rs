//! Random convolutions, depthwise convolutions and fully connected layers.

use lacewing::format::{DType, Layout, Op};
use lacewing::ops::conv::Conv;
use lacewing::ops::depthwise::Depthwise;
use lacewing::ops::fully_connected::FullyConnected;
use lacewing::ops::{ConvF32, ConvW4, DepthwiseF32, DepthwiseW4, FullyConnectedF32, FullyConnectedW4};
use proptest::prelude::*;

use super::Case;
use super::scene::{Element, Rounding, Scene, apart, dtype, range_f32, rounding, setting};
use super::window::geometry;
use crate::oracle::Values;

/// Layouts: plain, channels last with room to spare, tiles.
#[derive(Clone, Copy, Debug)]
enum Order {
    Plain,
    ChannelsLast {
        more: u16,
    },
    Tiles {
        outputs: u16,
        depth: u8,
    },
    /// Tiles of as many times `outputs` as all take.
    Whole {
        outputs: u16,
        depth: u8,
    },
}

impl Order {
    fn layout(self, outputs: u32) -> Layout {
        match self {
            Self::Plain => Layout::PLAIN,
            Self::ChannelsLast { more } => Layout::channels_last(outputs as u16 + more),
            Self::Tiles { outputs, depth } => Layout { outputs, depth },
            Self::Whole { outputs: tile, depth } => {
                Layout { outputs: outputs.next_multiple_of(u32::from(tile)) as u16, depth }
            }
        }
    }
}

/// Orders of any kind, those in tiles most often that kernels want.
fn order(wanted: &'static [(u16, u8)]) -> impl Strategy<Value = Order> {
    let tiles = |(outputs, depth)| Order::Tiles { outputs, depth };
    prop_oneof![
        2 => Just(Order::Plain),
        3 => prop_oneof![Just(0u16), 0u16..4].prop_map(|more| Order::ChannelsLast { more }),
        2 => (1u16..=9, 1u8..=9).prop_map(tiles),
        6 => proptest::sample::select(wanted).prop_map(tiles),
    ]
}

/// What kernels want of weights of so many bits, in int8 for those of Armv7E-M, of Armv8.1-M and of x86-64.
fn wanted<T: Element>(bits: u32) -> &'static [(u16, u8)] {
    match (bits, dtype::<T>()) {
        (4, _) => &[(2, 1)],
        (_, DType::I16) => &[(2, 4), (2, 8), (2, 1)],
        _ => &[(2, 0), (4, 16), (16, 4), (16, 4)],
    }
}

/// What they want of a depthwise convolution, if it is neither plain nor channels last.
const DEPTHWISE: &[(u16, u8)] = &[(16, 1)];

/// What they want in f32.
const REALS: &[(u16, u8)] = &[(16, 1)];

/// An order of weights in f32.
fn reals(order: Order, outputs: u32) -> Layout {
    Some(order.layout(outputs)).filter(|layout| *layout != Layout::PAIRS).unwrap_or(Layout::PLAIN)
}

/// Bytes to work in: none, an odd few, as many as fast kernels may want on small processors, and on large ones.
fn scratch() -> impl Strategy<Value = u32> {
    let words = |words: std::ops::Range<u32>| words.prop_map(|words| 4 * words);
    prop_oneof![1 => Just(0u32), 1 => 1u32..40, 3 => words(10..500), 2 => words(500..4000), 4 => words(4000..8000)]
}

/// Bytes of weights.
fn stored(layout: Layout, outputs: u32, depth: u32, bits: u32) -> u32 {
    (layout.len(outputs, depth).expect("a small layout") * bits).div_ceil(8)
}

/// Whether an element is of a row behind the last of a depthwise convolution's kernel: the converter writes 0 there.
fn is_behind(layout: Layout, [kh, kw]: [u32; 2], (at, depth): (u32, u32)) -> bool {
    let ((_, k), group) = (layout.at(at, depth), u32::from(layout.depth));
    k / group / kw * group + k % group >= kh
}

/// What the records in integers have beside their shapes.
fn integers<T: Element>(wanted: &'static [(u16, u8)]) -> impl Strategy<Value = (Order, Rounding<T>, T, u32)> {
    (order(wanted), rounding(), T::zero(), scratch())
}

/// Groups, input channels and output channels of a group.
fn channels() -> impl Strategy<Value = [u32; 3]> {
    prop_oneof![
        4 => (1u32..=20, 1u32..=9).prop_map(|(c, o)| [1, c, o]),
        1 => (1u32..=9, 10u32..=150).prop_map(|(c, o)| [1, c, o]),
        2 => (1u32..=4, 1u32..=5, 1u32..=3).prop_map(|(groups, c, o)| [groups, c, o]),
    ]
}

/// Input channels and outputs for each; blocks of 16 and what is beyond them.
fn depthwise_channels() -> impl Strategy<Value = [u32; 2]> {
    prop_oneof![2 => (1u32..=36).prop_map(|c| [c, 1]), 1 => (1u32..=12, 2u32..=4).prop_map(|(c, m)| [c, m])]
}

pub(super) fn conv<T: Element>() -> BoxedStrategy<Case>
where
    Op: From<Conv<T>>,
{
    conv_of(8, |op: Conv<T>| op.into())
}

pub(super) fn conv_w4() -> BoxedStrategy<Case> {
    conv_of(4, |op| ConvW4(op).into())
}

fn conv_of<T: Element>(bits: u32, record: fn(Conv<T>) -> Op) -> BoxedStrategy<Case> {
    (geometry(), channels(), (integers::<T>(wanted::<T>(bits)), any::<bool>()), setting(apart()))
        .prop_map(move |(geometry, [groups, c, o], ((order, rounding, input_zero, scratch), zeros), (fill, source))| {
            let mut scene = Scene::new(fill);
            let (shape, outputs) = (geometry.input(groups * c), groups * o);
            let layout = order.layout(outputs);
            let depth = geometry.window.kernel.iter().product::<u32>() * c;
            let values = scene.values(dtype::<T>(), shape.iter().product());
            let op = Conv {
                input: scene.input(source, values, shape),
                output: scene.output(dtype::<T>(), geometry.output(outputs)),
                window: geometry.window,
                groups,
                weights: scene.weights_i8(stored(layout, outputs, depth, bits)),
                layout,
                zeros: scene.weights_i8(if zeros { outputs } else { 0 }),
                bias: scene.bias::<T>(outputs),
                input_zero,
                requant: scene.requant(rounding, outputs),
                scratch: scene.scratch(scratch),
            };
            scene.finish(record(op))
        })
        .boxed()
}

pub(super) fn conv_f32() -> BoxedStrategy<Case> {
    (geometry(), channels(), (order(REALS), range_f32(), scratch()), setting(apart()))
        .prop_map(|(geometry, [groups, c, o], (order, [lo, hi], scratch), (fill, source))| {
            let mut scene = Scene::new(fill);
            let (shape, outputs) = (geometry.input(groups * c), groups * o);
            let layout = reals(order, outputs);
            let depth = geometry.window.kernel.iter().product::<u32>() * c;
            let values = Values::F32(scene.eighths(shape.iter().product()));
            let op = ConvF32 {
                input: scene.input(source, values, shape),
                output: scene.output(DType::F32, geometry.output(outputs)),
                window: geometry.window,
                groups,
                weights: scene.weights_eighths(layout.len(outputs, depth).expect("a small layout")),
                layout,
                bias: scene.weights_eighths(outputs),
                lo,
                hi,
                scratch: scene.scratch(scratch),
            };
            scene.finish(op)
        })
        .boxed()
}

pub(super) fn depthwise<T: Element>() -> BoxedStrategy<Case>
where
    Op: From<Depthwise<T>>,
{
    depthwise_of(8, |op: Depthwise<T>| op.into())
}

pub(super) fn depthwise_w4() -> BoxedStrategy<Case> {
    depthwise_of(4, |op| DepthwiseW4(op).into())
}

fn depthwise_of<T: Element>(bits: u32, record: fn(Depthwise<T>) -> Op) -> BoxedStrategy<Case> {
    let columns = prop_oneof![1 => Just(None), 1 => Just(Some(Order::Whole { outputs: 16, depth: 4 }))];
    (geometry(), depthwise_channels(), (integers::<T>(DEPTHWISE), columns, any::<bool>()), setting(apart()))
        .prop_map(
            move |(geometry, [c, m], ((order, rounding, input_zero, scratch), columns, written), (fill, source))| {
                let order = columns.unwrap_or(order);
                let mut scene = Scene::new(fill);
                let (shape, outputs) = (geometry.input(c), c * m);
                let layout = reals(order, outputs);
                let depth = layout.taps(geometry.window.kernel).expect("a small kernel");
                let values = scene.values(dtype::<T>(), shape.iter().product());
                let behind = |at: u32| written && bits == 8 && is_behind(layout, geometry.window.kernel, (at, depth));
                let op = Depthwise {
                    input: scene.input(source, values, shape),
                    output: scene.output(dtype::<T>(), geometry.output(outputs)),
                    window: geometry.window,
                    weights: scene.weights_but(stored(layout, outputs, depth, bits), behind),
                    layout,
                    bias: scene.bias::<T>(outputs),
                    input_zero,
                    requant: scene.requant(rounding, outputs),
                    scratch: scene.scratch(scratch),
                };
                scene.finish(record(op))
            },
        )
        .boxed()
}

pub(super) fn depthwise_f32() -> BoxedStrategy<Case> {
    (geometry(), depthwise_channels(), (order(REALS), range_f32(), scratch()), setting(apart()))
        .prop_map(|(geometry, [c, m], (order, [lo, hi], scratch), (fill, source))| {
            let mut scene = Scene::new(fill);
            let (shape, outputs) = (geometry.input(c), c * m);
            let layout = reals(order, outputs);
            let depth = layout.taps(geometry.window.kernel).expect("a small kernel");
            let values = Values::F32(scene.eighths(shape.iter().product()));
            let op = DepthwiseF32 {
                input: scene.input(source, values, shape),
                output: scene.output(DType::F32, geometry.output(outputs)),
                window: geometry.window,
                weights: scene.weights_eighths(layout.len(outputs, depth).expect("a small layout")),
                layout,
                bias: scene.weights_eighths(outputs),
                lo,
                hi,
                scratch: scene.scratch(scratch),
            };
            scene.finish(op)
        })
        .boxed()
}

/// Dimensions before the last, inputs, outputs.
fn matrix() -> impl Strategy<Value = ([u32; 3], u32, u32)> {
    let rows = prop_oneof![2 => Just([1, 1, 1]), 1 => (1u32..=2, 1u32..=3, 1u32..=3).prop_map(|(n, h, w)| [n, h, w])];
    let depth = prop_oneof![4 => 1u32..=70, 1 => 400u32..=1600];
    (rows, depth, 1u32..=20)
}

pub(super) fn fully_connected<T: Element>() -> BoxedStrategy<Case>
where
    Op: From<FullyConnected<T>>,
{
    fully_connected_of(8, |op: FullyConnected<T>| op.into())
}

pub(super) fn fully_connected_w4() -> BoxedStrategy<Case> {
    fully_connected_of(4, |op| FullyConnectedW4(op).into())
}

fn fully_connected_of<T: Element>(bits: u32, record: fn(FullyConnected<T>) -> Op) -> BoxedStrategy<Case> {
    (matrix(), (integers::<T>(wanted::<T>(bits)), any::<bool>()), setting(apart()))
        .prop_map(move |(([n, h, w], depth, outputs), ((order, rounding, _, scratch), zeros), (fill, source))| {
            let mut scene = Scene::new(fill);
            let layout = order.layout(outputs);
            let values = scene.values(dtype::<T>(), n * h * w * depth);
            let op = FullyConnected {
                input: scene.input(source, values, [n, h, w, depth]),
                output: scene.output(dtype::<T>(), [n, h, w, outputs]),
                weights: scene.weights_i8(stored(layout, outputs, depth, bits)),
                layout,
                zeros: scene.weights_i8(if zeros { outputs } else { 0 }),
                bias: scene.bias::<T>(outputs),
                requant: scene.requant(rounding, outputs),
                scratch: scene.scratch(scratch),
            };
            scene.finish(record(op))
        })
        .boxed()
}

pub(super) fn fully_connected_f32() -> BoxedStrategy<Case> {
    (matrix(), (order(REALS), range_f32()), setting(apart()))
        .prop_map(|(([n, h, w], depth, outputs), (order, [lo, hi]), (fill, source))| {
            let mut scene = Scene::new(fill);
            let layout = reals(order, outputs);
            let values = Values::F32(scene.eighths(n * h * w * depth));
            let op = FullyConnectedF32 {
                input: scene.input(source, values, [n, h, w, depth]),
                output: scene.output(DType::F32, [n, h, w, outputs]),
                weights: scene.weights_eighths(layout.len(outputs, depth).expect("a small layout")),
                layout,
                bias: scene.weights_eighths(outputs),
                lo,
                hi,
            };
            scene.finish(op)
        })
        .boxed()
}
