//! Random changes of scale between integers.

use lacewing::format::{DType, Op, Tensor};
use lacewing::ops::{NarrowI16, RescaleI16, WidenI8};
use proptest::prelude::*;

use super::Case;
use super::fill::fill;
use super::scene::{Scene, Source, anywhere, apart, range_i8, range_i16, setting, wide_shift, zero};

/// Tensors and the rounding.
type Parts = (Tensor, Tensor, [i32; 2], u8);

fn rescale(
    [from, to]: [DType; 2],
    source: impl Strategy<Value = Source> + 'static,
    op: impl Fn(Parts) -> Op + 'static,
) -> impl Strategy<Value = Case> {
    let len = prop_oneof![Just(1u32), 1u32..=40];
    (len, fill(), any::<[bool; 2]>(), wide_shift(), setting(source)).prop_map(
        move |(len, multipliers, falls, shift, (fill, source))| {
            let mut scene = Scene::new(fill);
            let of = multipliers.multipliers(2);
            let multipliers = [0, 1].map(|i| if falls[i] { -of[i] } else { of[i] });
            let values = scene.values(from, len);
            let input = scene.input(source, values, [1, 1, 1, len]);
            let output = scene.output_for(source, &input, to, [len, 1, 1, 1]);
            scene.finish(op((input, output, multipliers, shift)))
        },
    )
}

pub(super) fn i16() -> BoxedStrategy<Case> {
    (any::<i16>(), any::<i16>(), range_i16())
        .prop_flat_map(|(input_zero, zero, [lo, hi])| {
            rescale([DType::I16; 2], anywhere(), move |(input, output, multipliers, shift)| {
                RescaleI16 { input, output, input_zero, multipliers, shift, zero, lo, hi }.into()
            })
        })
        .boxed()
}

pub(super) fn narrow() -> BoxedStrategy<Case> {
    (any::<i16>(), zero(), range_i8())
        .prop_flat_map(|(input_zero, zero, [lo, hi])| {
            rescale([DType::I16, DType::I8], apart(), move |(input, output, multipliers, shift)| {
                NarrowI16 { input, output, input_zero, multipliers, shift, zero, lo, hi }.into()
            })
        })
        .boxed()
}

pub(super) fn widen() -> BoxedStrategy<Case> {
    (zero(), any::<i16>(), range_i16())
        .prop_flat_map(|(input_zero, zero, [lo, hi])| {
            rescale([DType::I8, DType::I16], apart(), move |(input, output, multipliers, shift)| {
                WidenI8 { input, output, input_zero, multipliers, shift, zero, lo, hi }.into()
            })
        })
        .boxed()
}
