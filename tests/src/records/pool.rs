//! Random pools.

use lacewing::format::{DType, Op, Window};
use lacewing::ops::average_rows::AverageRows;
use lacewing::ops::pool::{AveragePool, MaxPool};
use lacewing::ops::{AveragePoolF32, MaxPoolF32};
use proptest::prelude::*;

use super::Case;
use super::scene::{Element, Scene, apart, dtype, range_f32, rounding, setting};
use super::window::geometry;
use crate::oracle::Values;

/// Blocks of 16 channels and what is beyond them.
const CHANNELS: std::ops::RangeInclusive<u32> = 1..=36;

pub(super) fn average<T: Element>() -> BoxedStrategy<Case>
where
    Op: From<AveragePool<T>>,
{
    (geometry(), CHANNELS, rounding::<T>(), T::zero(), setting(apart()))
        .prop_map(|(geometry, channels, rounding, input_zero, (fill, source))| {
            let mut scene = Scene::new(fill);
            let shape = geometry.input(channels);
            let values = scene.values(dtype::<T>(), shape.iter().product());
            let op = AveragePool {
                input: scene.input(source, values, shape),
                output: scene.output(dtype::<T>(), geometry.output(channels)),
                window: geometry.window,
                input_zero,
                requant: scene.requant(rounding, geometry.window.kernel.iter().product()),
            };
            scene.finish(op)
        })
        .boxed()
}

/// Of whole images, with the sums behind the tensors.
pub(super) fn average_rows<T: Element>() -> BoxedStrategy<Case>
where
    Op: From<AverageRows<T>>,
{
    (1u32..9, 1u32..9, CHANNELS, rounding::<T>(), T::zero(), setting(apart()))
        .prop_map(|(h, w, channels, rounding, input_zero, (fill, source))| {
            let mut scene = Scene::new(fill);
            let shape = [1, h, w, channels];
            let values = scene.values(dtype::<T>(), shape.iter().product());
            let window = Window { kernel: [h, w], stride: [1; 2], dilation: [1; 2], pad: [0; 2] };
            let pool = AveragePool {
                input: scene.input(source, values, shape),
                output: scene.output(dtype::<T>(), [1, 1, 1, channels]),
                window,
                input_zero,
                requant: scene.requant(rounding, h * w),
            };
            let sums = scene.scratch(channels * size_of::<T::Sum>() as u32);
            scene.finish(AverageRows { pool, sums })
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

pub(super) fn max<T: Element>() -> BoxedStrategy<Case>
where
    Op: From<MaxPool<T>>,
{
    (geometry(), CHANNELS, T::range(), setting(apart()))
        .prop_map(|(geometry, channels, [lo, hi], (fill, source))| {
            let mut scene = Scene::new(fill);
            let shape = geometry.input(channels);
            let values = scene.values(dtype::<T>(), shape.iter().product());
            let input = scene.input(source, values, shape);
            let output = scene.output(dtype::<T>(), geometry.output(channels));
            scene.finish(MaxPool { input, output, window: geometry.window, lo, hi })
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
