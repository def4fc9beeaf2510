//! Random paddings, concatenations and copies by strides.

use lacewing::format::{DType, Op, Tensor};
use lacewing::ops::{
    ConcatF32, ConcatI8, ConcatI16, PadF32, PadI8, PadI16, StridedCopyF32, StridedCopyI8, StridedCopyI16,
};
use proptest::prelude::*;

use super::Case;
use super::scene::{Scene, Source, apart, setting};

fn pad(dtype: DType, op: impl Fn(Tensor, Tensor, [u32; 4]) -> Op + 'static) -> BoxedStrategy<Case> {
    let few = || prop_oneof![Just([0u32; 4]), [0u32..3, 0u32..3, 0u32..3, 0u32..3]];
    ((1u32..=2, 1u32..=4, 1u32..=4, 1u32..=6), few(), few(), setting(apart()))
        .prop_map(move |((n, h, w, c), before, after, (fill, source))| {
            let mut scene = Scene::new(fill);
            let shape = [n, h, w, c];
            let values = scene.values(dtype, shape.iter().product());
            let input = scene.input(source, values, shape);
            let padded = std::array::from_fn(|axis| shape[axis] + before[axis] + after[axis]);
            let output = scene.output(dtype, padded);
            scene.finish(op(input, output, before))
        })
        .boxed()
}

pub(super) fn pad_i8() -> BoxedStrategy<Case> {
    pad(DType::I8, |input, output, before| PadI8 { input, output, before, value: -77 }.into())
}

pub(super) fn pad_i16() -> BoxedStrategy<Case> {
    pad(DType::I16, |input, output, before| PadI16 { input, output, before, value: -777 }.into())
}

pub(super) fn pad_f32() -> BoxedStrategy<Case> {
    pad(DType::F32, |input, output, before| PadF32 { input, output, before, value: f32::NEG_INFINITY }.into())
}

fn concat(dtype: DType, op: impl Fn(Vec<Tensor>, Tensor, u32) -> Op + 'static) -> BoxedStrategy<Case> {
    let inputs = proptest::collection::vec((1u32..=6, apart(), any::<bool>()), 1..=8);
    (1u32..=4, inputs, setting(Just(Source::Last)))
        .prop_map(move |(outer, parts, (fill, _))| {
            let mut scene = Scene::new(fill);
            let mut tensors: Vec<Tensor> = Vec::new();
            for (len, source, again) in parts {
                let tensor = match tensors.last() {
                    Some(before) if again => scene.again(*before),
                    _ => {
                        let values = scene.values(dtype, outer * len);
                        scene.input(source, values, [1, 1, outer, len])
                    }
                };
                tensors.push(tensor);
            }
            let total = tensors.iter().map(|tensor| tensor.shape[3]).sum();
            let output = scene.output(dtype, [1, outer, 1, total]);
            scene.finish(op(tensors, output, outer))
        })
        .boxed()
}

pub(super) fn concat_i8() -> BoxedStrategy<Case> {
    concat(DType::I8, |inputs, output, outer| ConcatI8 { inputs: inputs.into_iter().collect(), output, outer }.into())
}

pub(super) fn concat_i16() -> BoxedStrategy<Case> {
    concat(DType::I16, |inputs, output, outer| ConcatI16 { inputs: inputs.into_iter().collect(), output, outer }.into())
}

pub(super) fn concat_f32() -> BoxedStrategy<Case> {
    concat(DType::F32, |inputs, output, outer| ConcatF32 { inputs: inputs.into_iter().collect(), output, outer }.into())
}

type Strided = (Tensor, Tensor, u32, [u32; 6], [i32; 6]);

fn strided(dtype: DType, op: impl Fn(Strided) -> Op + 'static) -> BoxedStrategy<Case> {
    let dims = prop_oneof![
        [1u32..=3, 1u32..=3, 1u32..=3, 1u32..=3, 1u32..=3, 1u32..=4],
        [1u32..=1, 1u32..=1, 1u32..=2, 1u32..=4, 1u32..=4, 1u32..=9],
    ];
    let strides = [-9i32..=9, -9i32..=9, -9i32..=9, -9i32..=9, -9i32..=9, -9i32..=9];
    (dims, strides, [0u32..4, 0u32..4], setting(apart()))
        .prop_map(move |(dims, strides, [before, after], (fill, source))| {
            let mut scene = Scene::new(fill);
            let reach = |sign: i32| -> u32 {
                let along = |axis: usize| (dims[axis] - 1) * (strides[axis] * sign).max(0) as u32;
                (0..6).map(along).sum()
            };
            let start = before + reach(-1);
            let len = start + reach(1) + 1 + after;
            let values = scene.values(dtype, len);
            let input = scene.input(source, values, [1, 1, 1, len]);
            let output = scene.output(dtype, [1, 1, 1, dims.iter().product()]);
            scene.finish(op((input, output, start, dims, strides)))
        })
        .boxed()
}

pub(super) fn strided_i8() -> BoxedStrategy<Case> {
    strided(DType::I8, |(input, output, start, dims, strides)| {
        StridedCopyI8 { input, output, start, dims, strides }.into()
    })
}

pub(super) fn strided_i16() -> BoxedStrategy<Case> {
    strided(DType::I16, |(input, output, start, dims, strides)| {
        StridedCopyI16 { input, output, start, dims, strides }.into()
    })
}

pub(super) fn strided_f32() -> BoxedStrategy<Case> {
    strided(DType::F32, |(input, output, start, dims, strides)| {
        StridedCopyF32 { input, output, start, dims, strides }.into()
    })
}
