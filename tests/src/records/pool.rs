//! Random pools.

use lacewing::format::DType;
use lacewing::ops::{AveragePoolF32, AveragePoolI8, MaxPoolF32, MaxPoolI8};
use proptest::prelude::*;

use super::Case;
use super::scene::{Scene, apart, range_f32, range_i8, rounding, setting, zero};
use super::window::geometry;
use crate::oracle::Values;

/// Blocks of 16 channels and what is beyond them.
const CHANNELS: std::ops::RangeInclusive<u32> = 1..=36;

pub(super) fn average_i8() -> BoxedStrategy<Case> {
    (geometry(), CHANNELS, rounding(), zero(), setting(apart()))
        .prop_map(|(geometry, channels, rounding, input_zero, (fill, source))| {
            let mut scene = Scene::new(fill);
            let shape = geometry.input(channels);
            let values = Values::I8(scene.i8(shape.iter().product()));
            let op = AveragePoolI8 {
                input: scene.input(source, values, shape),
                output: scene.output(DType::I8, geometry.output(channels)),
                window: geometry.window,
                input_zero,
                requant: scene.requant(rounding, geometry.window.kernel.iter().product()),
            };
            scene.finish(op)
        })
        .boxed()
}

pub(super) fn average_f32() -> BoxedStrategy<Case> {
    (geometry(), CHANNELS, prop_oneof![Just(0u32), 1u32..20], range_f32(), setting(apart()))
        .prop_map(|(geometry, channels, divisor, [lo, hi], (fill, source))| {
            let mut scene = Scene::new(fill);
            let shape = geometry.input(channels);
            let values = Values::F32(scene.f32(shape.iter().product()));
            let op = AveragePoolF32 {
                input: scene.input(source, values, shape),
                output: scene.output(DType::F32, geometry.output(channels)),
                window: geometry.window,
                divisor,
                lo,
                hi,
            };
            scene.finish(op)
        })
        .boxed()
}

pub(super) fn max_i8() -> BoxedStrategy<Case> {
    (geometry(), CHANNELS, range_i8(), setting(apart()))
        .prop_map(|(geometry, channels, [lo, hi], (fill, source))| {
            let mut scene = Scene::new(fill);
            let shape = geometry.input(channels);
            let values = Values::I8(scene.i8(shape.iter().product()));
            let input = scene.input(source, values, shape);
            let output = scene.output(DType::I8, geometry.output(channels));
            scene.finish(MaxPoolI8 { input, output, window: geometry.window, lo, hi })
        })
        .boxed()
}

pub(super) fn max_f32() -> BoxedStrategy<Case> {
    (geometry(), CHANNELS, range_f32(), setting(apart()))
        .prop_map(|(geometry, channels, [lo, hi], (fill, source))| {
            let mut scene = Scene::new(fill);
            let shape = geometry.input(channels);
            let values = Values::F32(scene.f32(shape.iter().product()));
            let input = scene.input(source, values, shape);
            let output = scene.output(DType::F32, geometry.output(channels));
            scene.finish(MaxPoolF32 { input, output, window: geometry.window, lo, hi })
        })
        .boxed()
}
