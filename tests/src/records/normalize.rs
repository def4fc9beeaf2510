//! Random layer normalizations.

use lacewing::format::DType;
use lacewing::ops::{NormalizeF32, NormalizeI8, NormalizeI16};
use proptest::prelude::*;

use super::Case;
use super::scene::{Scene, apart, setting, zero};
use crate::oracle::Values;

/// Rows and their length, long ones too.
fn shape() -> impl Strategy<Value = [u32; 4]> {
    let n = prop_oneof![4 => 1u32..=20, 1 => 250u32..=300, 1 => Just(1 << 15)];
    (1u32..=2, 1u32..=3, n).prop_map(|(a, b, n)| [1, a, b, n])
}

/// Small, as converters have it; large; none.
fn epsilon() -> impl Strategy<Value = u64> {
    prop_oneof![2 => 0u64..1000, 1 => 0..1u64 << 60, 1 => Just(0)]
}

pub(super) fn normalize_i8() -> BoxedStrategy<Case> {
    let numbers = (0u8..=30, any::<bool>(), zero(), zero(), epsilon(), any::<bool>());
    (shape(), numbers, setting(apart()))
        .prop_map(|(shape, (shift, centered, input_zero, zero, epsilon, flat), (fill, source))| {
            let mut scene = Scene::new(fill);
            let mut values = scene.i8(shape.iter().product());
            if flat {
                values.iter_mut().for_each(|x| *x = input_zero);
            }
            let op = NormalizeI8 {
                input: scene.input(source, Values::I8(values), shape),
                output: scene.output(DType::I8, shape),
                factors: scene.bias::<i8>(shape[3]),
                bias: scene.bias::<i8>(shape[3]),
                shift,
                centered,
                input_zero,
                zero,
                epsilon,
            };
            scene.finish(op)
        })
        .boxed()
}

pub(super) fn normalize_i16() -> BoxedStrategy<Case> {
    let numbers = (0u8..=30, any::<bool>(), epsilon(), any::<bool>());
    (shape(), numbers, setting(apart()))
        .prop_map(|(shape, (shift, centered, epsilon, flat), (fill, source))| {
            let mut scene = Scene::new(fill);
            let mut values = scene.i16(shape.iter().product());
            if flat {
                values.fill(0);
            }
            let op = NormalizeI16 {
                input: scene.input(source, Values::I16(values), shape),
                output: scene.output(DType::I16, shape),
                factors: scene.bias::<i8>(shape[3]),
                bias: scene.bias::<i8>(shape[3]),
                shift,
                centered,
                epsilon,
            };
            scene.finish(op)
        })
        .boxed()
}

pub(super) fn normalize_f32() -> BoxedStrategy<Case> {
    (shape(), any::<bool>(), 1e-3f32..1.0, setting(apart()))
        .prop_map(|(shape, centered, epsilon, (fill, source))| {
            let mut scene = Scene::new(fill);
            let values = Values::F32(scene.f32(shape.iter().product()));
            let op = NormalizeF32 {
                input: scene.input(source, values, shape),
                output: scene.output(DType::F32, shape),
                factors: scene.weights_f32(shape[3]),
                bias: scene.weights_f32(shape[3]),
                centered,
                epsilon,
            };
            scene.finish(op)
        })
        .boxed()
}
