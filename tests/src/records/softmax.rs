//! Random softmaxes and argmaxes.

use lacewing::format::{DType, Op, Tensor};
use lacewing::ops::{ArgMaxF32, ArgMaxI8, ArgMaxI16, SoftmaxF32, SoftmaxI8, SoftmaxI16};
use proptest::prelude::*;

use super::Case;
use super::fill::Fill;
use super::scene::{Scene, apart, setting};
use crate::oracle::Values;

/// A table of powers.
#[derive(Clone, Copy, Debug)]
enum Table {
    /// As the converter makes it, for this scale.
    Scale(f32),
    /// Any that falls, of this length.
    Falling(usize),
}

impl Table {
    fn numbers(self, n: u32, fill: Fill) -> Vec<u32> {
        let mut table: Vec<u32> = match self {
            Self::Scale(scale) => {
                let unit = f64::from(1u32 << (31 - n.next_power_of_two().ilog2()));
                (0..256).map(|d| (unit * (-f64::from(d) * f64::from(scale)).exp()).round() as u32).collect()
            }
            Self::Falling(len) => {
                fill.words().map(|word| 1 + (word >> 32) as u32 % ((1 << 31) / n)).take(len).collect()
            }
        };
        table.sort_unstable_by(|a, b| b.cmp(a));
        table.retain(|power| *power > 0);
        table
    }
}

/// Dimensions before the last, and the last.
fn shape() -> impl Strategy<Value = [u32; 4]> {
    let n = prop_oneof![4 => 1u32..=20, 1 => 250u32..=300];
    (1u32..=2, 1u32..=2, 1u32..=3, n).prop_map(|(a, b, c, n)| [a, b, c, n])
}

pub(super) fn softmax_i8() -> BoxedStrategy<Case> {
    let table = prop_oneof![(0.0005f32..0.5).prop_map(Table::Scale), (1usize..=256).prop_map(Table::Falling)];
    (shape(), table, setting(apart()))
        .prop_map(|(shape, table, (fill, source))| {
            let mut scene = Scene::new(fill);
            let table = scene.builder.constant(&table.numbers(shape[3], fill));
            let values = Values::I8(scene.i8(shape.iter().product()));
            let input = scene.input(source, values, shape);
            let output = scene.output(DType::I8, shape);
            scene.finish(SoftmaxI8 { input, output, table })
        })
        .boxed()
}

pub(super) fn softmax_i16() -> BoxedStrategy<Case> {
    let table = prop_oneof![(0.0001f32..0.5).prop_map(Table::Scale), (1usize..=256).prop_map(Table::Falling)];
    (shape(), table, setting(apart()))
        .prop_map(|(shape, table, (fill, source))| {
            let mut scene = Scene::new(fill);
            let coarse = scene.builder.constant(&table.numbers(shape[3], fill));
            let mut fine: Vec<u32> = fill.other(5).words().map(|word| (word >> 33) as u32).take(255).collect();
            fine.push(1 << 31);
            fine.sort_unstable_by(|a, b| b.cmp(a));
            let fine = scene.builder.constant(&fine);
            let values = Values::I16(scene.i16(shape.iter().product()));
            let input = scene.input(source, values, shape);
            let output = scene.output(DType::I16, shape);
            scene.finish(SoftmaxI16 { input, output, coarse, fine })
        })
        .boxed()
}

pub(super) fn softmax_f32() -> BoxedStrategy<Case> {
    (shape(), 0.1f32..30.0, setting(apart()))
        .prop_map(|(shape, size, (fill, source))| {
            let mut scene = Scene::new(fill);
            let values = Values::F32(fill.f32(shape.iter().product::<u32>() as usize, size));
            let input = scene.input(source, values, shape);
            let output = scene.output(DType::F32, shape);
            scene.finish(SoftmaxF32 { input, output })
        })
        .boxed()
}

fn argmax(values: fn(&mut Scene, u32) -> Values, op: fn(Tensor, Tensor, u32, u32) -> Op) -> BoxedStrategy<Case> {
    let dtype = prop_oneof![Just(DType::I32), Just(DType::F32)];
    (1u32..=3, 1u32..=20, 1u32..=4, dtype, setting(apart()))
        .prop_map(move |(outer, n, inner, dtype, (fill, source))| {
            let mut scene = Scene::new(fill);
            let values = values(&mut scene, outer * n * inner);
            let input = scene.input(source, values, [1, outer, n, inner]);
            let output = scene.output(dtype, [1, 1, outer, inner]);
            scene.finish(op(input, output, n, inner))
        })
        .boxed()
}

pub(super) fn argmax_i8() -> BoxedStrategy<Case> {
    argmax(
        |scene, len| Values::I8(scene.i8(len)),
        |input, output, n, inner| ArgMaxI8 { input, output, n, inner }.into(),
    )
}

pub(super) fn argmax_i16() -> BoxedStrategy<Case> {
    argmax(
        |scene, len| Values::I16(scene.i16(len)),
        |input, output, n, inner| ArgMaxI16 { input, output, n, inner }.into(),
    )
}

pub(super) fn argmax_f32() -> BoxedStrategy<Case> {
    argmax(
        |scene, len| Values::F32(scene.f32(len)),
        |input, output, n, inner| ArgMaxF32 { input, output, n, inner }.into(),
    )
}
