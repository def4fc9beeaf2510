//! Random convolutions, depthwise convolutions and fully connected layers.

use lacewing::format::{DType, Layout};
use lacewing::ops::{ConvF32, ConvI8, DepthwiseF32, DepthwiseI8, FullyConnectedF32, FullyConnectedI8};
use proptest::prelude::*;

use super::Case;
use super::scene::{Rounding, Scene, apart, range_f32, rounding, setting, zero};
use super::window::geometry;
use crate::oracle::Values;

/// Layouts: plain, channels last with room to spare, tiles.
#[derive(Clone, Copy, Debug)]
enum Order {
    Plain,
    ChannelsLast { more: u16 },
    Tiles { outputs: u16, depth: u8 },
}

impl Order {
    fn layout(self, outputs: u32) -> Layout {
        match self {
            Self::Plain => Layout::PLAIN,
            Self::ChannelsLast { more } => Layout::channels_last(outputs as u16 + more),
            Self::Tiles { outputs, depth } => Layout { outputs, depth },
        }
    }
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![
        2 => Just(Order::Plain),
        2 => (0u16..4).prop_map(|more| Order::ChannelsLast { more }),
        2 => (1u16..=9, 1u8..=9).prop_map(|(outputs, depth)| Order::Tiles { outputs, depth }),
    ]
}

/// What the int8 records have beside their shapes.
fn int8() -> impl Strategy<Value = (Order, Rounding, i8, u32)> {
    (order(), rounding(), zero(), prop_oneof![Just(0u32), 1u32..40])
}

/// Groups, input channels and output channels of a group.
fn channels() -> impl Strategy<Value = [u32; 3]> {
    prop_oneof![
        2 => (1u32..=20, 1u32..=9).prop_map(|(c, o)| [1, c, o]),
        1 => (1u32..=4, 1u32..=5, 1u32..=3).prop_map(|(groups, c, o)| [groups, c, o]),
    ]
}

/// Input channels and outputs for each; blocks of 16 and what is beyond them.
fn depthwise_channels() -> impl Strategy<Value = [u32; 2]> {
    prop_oneof![2 => (1u32..=36).prop_map(|c| [c, 1]), 1 => (1u32..=12, 2u32..=4).prop_map(|(c, m)| [c, m])]
}

pub(super) fn conv_i8() -> BoxedStrategy<Case> {
    (geometry(), channels(), (int8(), any::<bool>()), setting(apart()))
        .prop_map(|(geometry, [groups, c, o], ((order, rounding, input_zero, scratch), zeros), (fill, source))| {
            let mut scene = Scene::new(fill);
            let (shape, outputs) = (geometry.input(groups * c), groups * o);
            let layout = order.layout(outputs);
            let depth = geometry.window.kernel.iter().product::<u32>() * c;
            let values = Values::I8(scene.i8(shape.iter().product()));
            let op = ConvI8 {
                input: scene.input(source, values, shape),
                output: scene.output(DType::I8, geometry.output(outputs)),
                window: geometry.window,
                groups,
                weights: scene.weights_i8(layout.len(outputs, depth).expect("a small layout")),
                layout,
                zeros: scene.weights_i8(if zeros { outputs } else { 0 }),
                bias: scene.bias(outputs),
                input_zero,
                requant: scene.requant(rounding, outputs),
                scratch: scene.scratch(scratch),
            };
            scene.finish(op)
        })
        .boxed()
}

pub(super) fn conv_f32() -> BoxedStrategy<Case> {
    (geometry(), channels(), range_f32(), setting(apart()))
        .prop_map(|(geometry, [groups, c, o], [lo, hi], (fill, source))| {
            let mut scene = Scene::new(fill);
            let (shape, outputs) = (geometry.input(groups * c), groups * o);
            let depth = geometry.window.kernel.iter().product::<u32>() * c;
            let values = Values::F32(scene.f32(shape.iter().product()));
            let op = ConvF32 {
                input: scene.input(source, values, shape),
                output: scene.output(DType::F32, geometry.output(outputs)),
                window: geometry.window,
                groups,
                weights: scene.weights_f32(outputs * depth),
                bias: scene.weights_f32(outputs),
                lo,
                hi,
            };
            scene.finish(op)
        })
        .boxed()
}

pub(super) fn depthwise_i8() -> BoxedStrategy<Case> {
    (geometry(), depthwise_channels(), int8(), setting(apart()))
        .prop_map(|(geometry, [c, m], (order, rounding, input_zero, scratch), (fill, source))| {
            let mut scene = Scene::new(fill);
            let (shape, outputs) = (geometry.input(c), c * m);
            let layout = order.layout(outputs);
            let depth = geometry.window.kernel.iter().product();
            let values = Values::I8(scene.i8(shape.iter().product()));
            let op = DepthwiseI8 {
                input: scene.input(source, values, shape),
                output: scene.output(DType::I8, geometry.output(outputs)),
                window: geometry.window,
                weights: scene.weights_i8(layout.len(outputs, depth).expect("a small layout")),
                layout,
                bias: scene.bias(outputs),
                input_zero,
                requant: scene.requant(rounding, outputs),
                scratch: scene.scratch(scratch),
            };
            scene.finish(op)
        })
        .boxed()
}

pub(super) fn depthwise_f32() -> BoxedStrategy<Case> {
    (geometry(), depthwise_channels(), range_f32(), setting(apart()))
        .prop_map(|(geometry, [c, m], [lo, hi], (fill, source))| {
            let mut scene = Scene::new(fill);
            let (shape, outputs) = (geometry.input(c), c * m);
            let values = Values::F32(scene.f32(shape.iter().product()));
            let op = DepthwiseF32 {
                input: scene.input(source, values, shape),
                output: scene.output(DType::F32, geometry.output(outputs)),
                window: geometry.window,
                weights: scene.weights_f32(outputs * geometry.window.kernel.iter().product::<u32>()),
                bias: scene.weights_f32(outputs),
                lo,
                hi,
            };
            scene.finish(op)
        })
        .boxed()
}

/// Dimensions before the last, inputs, outputs.
fn matrix() -> impl Strategy<Value = ([u32; 3], u32, u32)> {
    let rows = prop_oneof![2 => Just([1, 1, 1]), 1 => (1u32..=2, 1u32..=3, 1u32..=3).prop_map(|(n, h, w)| [n, h, w])];
    (rows, 1u32..=70, 1u32..=20)
}

pub(super) fn fully_connected_i8() -> BoxedStrategy<Case> {
    (matrix(), (int8(), any::<bool>()), setting(apart()))
        .prop_map(|(([n, h, w], depth, outputs), ((order, rounding, _, scratch), zeros), (fill, source))| {
            let mut scene = Scene::new(fill);
            let layout = order.layout(outputs);
            let values = Values::I8(scene.i8(n * h * w * depth));
            let op = FullyConnectedI8 {
                input: scene.input(source, values, [n, h, w, depth]),
                output: scene.output(DType::I8, [n, h, w, outputs]),
                weights: scene.weights_i8(layout.len(outputs, depth).expect("a small layout")),
                layout,
                zeros: scene.weights_i8(if zeros { outputs } else { 0 }),
                bias: scene.bias(outputs),
                requant: scene.requant(rounding, outputs),
                scratch: scene.scratch(scratch),
            };
            scene.finish(op)
        })
        .boxed()
}

pub(super) fn fully_connected_f32() -> BoxedStrategy<Case> {
    (matrix(), range_f32(), setting(apart()))
        .prop_map(|(([n, h, w], depth, outputs), [lo, hi], (fill, source))| {
            let mut scene = Scene::new(fill);
            let values = Values::F32(scene.f32(n * h * w * depth));
            let op = FullyConnectedF32 {
                input: scene.input(source, values, [n, h, w, depth]),
                output: scene.output(DType::F32, [n, h, w, outputs]),
                weights: scene.weights_f32(outputs * depth),
                bias: scene.weights_f32(outputs),
                lo,
                hi,
            };
            scene.finish(op)
        })
        .boxed()
}
