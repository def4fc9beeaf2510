//! Random gathers, scatters, resamplings and selections of the largest.

use lacewing::format::{DType, Op, Span, Tensor};
use lacewing::ops::{
    GatherF32, GatherI8, GatherI16, ResampleF32, ResampleI8, ResampleI16, ScatterF32, TopKF32, Update,
};
use proptest::prelude::*;

use super::Case;
use super::fill::Fill;
use super::scene::{Scene, anywhere, apart, setting};
use crate::oracle::Values;

/// Indices for `n` places: mostly in them, of both signs, some far outside; in f32 with fractions and NaN.
fn indices(fill: Fill, n: u32, len: u32, real: bool) -> Values {
    let near = |word: u64| (word >> 32) as i32 % (2 * n as i32 + 3) - n as i32 - 1;
    let whole = |word: u64| match word % 16 {
        0 => [i32::MIN, i32::MAX][(word >> 8) as usize % 2],
        _ => near(word >> 1),
    };
    let fraction = |word: u64| match word % 16 {
        0 => [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e9][(word >> 8) as usize % 4],
        _ => near(word >> 1) as f32 + (word % 8) as f32 / 8.0,
    };
    let words = fill.other(77).words().take(len as usize);
    match real {
        true => Values::F32(words.map(fraction).collect()),
        false => Values::I32(words.map(whole).collect()),
    }
}

type Gather = ([Tensor; 2], Tensor, u32, u32);

fn gather(dtype: DType, op: impl Fn(Gather) -> Op + 'static) -> BoxedStrategy<Case> {
    let sizes = (1u32..=3, 1u32..=7, 1u32..=5, 1u32..=9);
    (sizes, any::<bool>(), apart(), setting(apart()))
        .prop_map(move |((outer, n, inner, count), real, place, (fill, source))| {
            let mut scene = Scene::new(fill);
            let values = scene.values(dtype, outer * n * inner);
            let x = scene.input(source, values, [1, outer, n, inner]);
            let indices = scene.input(place, indices(fill, n, count, real), [1, 1, 1, count]);
            let output = scene.output(dtype, [1, outer, count, inner]);
            scene.finish(op(([x, indices], output, n, inner)))
        })
        .boxed()
}

pub(super) fn gather_f32() -> BoxedStrategy<Case> {
    gather(DType::F32, |(inputs, output, n, inner)| GatherF32 { inputs, output, n, inner }.into())
}

pub(super) fn gather_i8() -> BoxedStrategy<Case> {
    gather(DType::I8, |(inputs, output, n, inner)| GatherI8 { inputs, output, n, inner }.into())
}

pub(super) fn gather_i16() -> BoxedStrategy<Case> {
    gather(DType::I16, |(inputs, output, n, inner)| GatherI16 { inputs, output, n, inner }.into())
}

pub(super) fn scatter_f32() -> BoxedStrategy<Case> {
    let how =
        prop_oneof![Just(Update::Set), Just(Update::Add), Just(Update::Mul), Just(Update::Min), Just(Update::Max),];
    ((1u32..=9, 1u32..=5, 1u32..=9), how, any::<bool>(), [apart(), apart()], setting(anywhere()))
        .prop_map(|((n, inner, count), how, real, [place, updates], (fill, source))| {
            let mut scene = Scene::new(fill);
            let numbers = Values::F32(scene.f32(n * inner));
            let x = scene.input(source, numbers, [1, 1, n, inner]);
            let indices = scene.input(place, indices(fill, n, count, real), [1, 1, 1, count]);
            let numbers = Values::F32(scene.f32(count * inner));
            let updates = scene.input(updates, numbers, [1, 1, count, inner]);
            let output = scene.output_for(source, &x, DType::F32, [1, n, 1, inner]);
            scene.finish(ScatterF32 { inputs: [x, indices, updates], output, inner, how })
        })
        .boxed()
}

struct Resample {
    input: Tensor,
    output: Tensor,
    n: u32,
    inner: u32,
    first: Span,
    taps: u32,
    weights: Span,
}

fn resample(
    dtype: DType,
    weights: impl Fn(&mut Scene, u32) -> Span + 'static,
    op: impl Fn(Resample) -> Op + 'static,
) -> BoxedStrategy<Case> {
    let sizes = (1u32..=3, 1u32..=7, 1u32..=5, 1u32..=9, any::<u32>());
    (sizes, setting(apart()))
        .prop_map(move |((outer, n, inner, m, taps), (fill, source))| {
            let mut scene = Scene::new(fill);
            let taps = 1 + taps % n;
            let values = scene.values(dtype, outer * n * inner);
            let input = scene.input(source, values, [1, outer, n, inner]);
            let output = scene.output(dtype, [1, outer, m, inner]);
            let place = |word: u64| if word.is_multiple_of(16) { u32::MAX } else { (word >> 32) as u32 % (n + 1) };
            let first: Vec<u32> = fill.other(78).words().map(place).take(m as usize).collect();
            let first = scene.builder.constant(&first);
            let weights = weights(&mut scene, m * taps);
            scene.finish(op(Resample { input, output, n, inner, first, taps, weights }))
        })
        .boxed()
}

pub(super) fn resample_f32() -> BoxedStrategy<Case> {
    resample(DType::F32, Scene::weights_f32, |all| {
        let Resample { input, output, n, inner, first, taps, weights } = all;
        ResampleF32 { input, output, n, inner, first, taps, weights }.into()
    })
}

/// Weights of the size that the converter writes, and at the ends of the type.
fn weights_i16(scene: &mut Scene, len: u32) -> Span {
    let numbers: Vec<i16> = scene.i8(len).iter().map(|x| i16::from(*x) * 256).collect();
    scene.builder.constant(&numbers)
}

pub(super) fn resample_i16() -> BoxedStrategy<Case> {
    resample(DType::I16, weights_i16, |all| {
        let Resample { input, output, n, inner, first, taps, weights } = all;
        ResampleI16 { input, output, n, inner, first, taps, weights }.into()
    })
}

pub(super) fn resample_i8() -> BoxedStrategy<Case> {
    resample(DType::I8, weights_i16, |all| {
        let Resample { input, output, n, inner, first, taps, weights } = all;
        ResampleI8 { input, output, n, inner, first, taps, weights }.into()
    })
}

pub(super) fn top_k_f32() -> BoxedStrategy<Case> {
    ((1u32..=4, 1u32..=20, any::<u32>()), any::<bool>(), any::<bool>(), setting(apart()))
        .prop_map(|((rows, n, k), largest, few, (fill, source))| {
            let mut scene = Scene::new(fill);
            let mut numbers = scene.f32(rows * n);
            if few {
                numbers.iter_mut().for_each(|x| *x = x.round());
                numbers.iter_mut().step_by(7).for_each(|x| *x = f32::NAN);
            }
            let input = scene.input(source, Values::F32(numbers), [1, 1, rows, n]);
            let k = 1 + k % n;
            let output = scene.output(DType::F32, [1, 1, rows, k]);
            scene.finish(TopKF32 { input, output, n, k, largest })
        })
        .boxed()
}
