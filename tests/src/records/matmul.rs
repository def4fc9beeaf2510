//! Random products of matrices, with batches repeated.

use lacewing::format::{Op, Tensor};
use lacewing::ops::MatMulF32;
use lacewing::ops::matmul::MatMul;
use proptest::prelude::*;

use super::Case;
use super::fill::{Fill, fill};
use super::scene::{Element, Scene, Source, apart, dtype, range_f32};
use crate::oracle::Values;

/// Shapes of both operands and of the output.
#[derive(Clone, Copy, Debug)]
struct Shapes {
    inputs: [[u32; 4]; 2],
    output: [u32; 4],
    transposed: bool,
    sources: [Source; 2],
    fill: Fill,
}

fn shapes() -> impl Strategy<Value = Shapes> {
    let sizes = (1u32..=3, 1u32..=3, 1u32..=6, 1u32..=20, 1u32..=9);
    let repeated = || any::<[bool; 2]>();
    (sizes, repeated(), repeated(), any::<bool>(), [apart(), apart()], fill()).prop_map(
        |((n, m, rows, k, columns), a, b, transposed, sources, fill)| {
            let batch = |repeated: [bool; 2]| [if repeated[0] { 1 } else { n }, if repeated[1] { 1 } else { m }];
            let ([an, am], [bn, bm]) = (batch(a), batch(b));
            let second = if transposed { [bn, bm, columns, k] } else { [bn, bm, k, columns] };
            Shapes { inputs: [[an, am, rows, k], second], output: [n, m, rows, columns], transposed, sources, fill }
        },
    )
}

fn record(
    shapes: Shapes,
    mut values: impl FnMut(&mut Scene, u32) -> Values,
    op: impl Fn([Tensor; 2], Tensor) -> Op,
) -> Case {
    let mut scene = Scene::new(shapes.fill);
    let inputs = [0, 1].map(|i| {
        let values = values(&mut scene, shapes.inputs[i].iter().product());
        scene.input(shapes.sources[i], values, shapes.inputs[i])
    });
    let output = scene.output(inputs[0].dtype().expect("a typed tensor"), shapes.output);
    scene.finish(op(inputs, output))
}

pub(super) fn int<T: Element>() -> BoxedStrategy<Case>
where
    Op: From<MatMul<T>>,
{
    (shapes(), [T::zero(), T::zero()], fill(), T::shift(), T::zero(), T::range())
        .prop_map(|(shapes, zeros, multiplier, shift, zero, [lo, hi])| {
            let (multiplier, transposed) = (multiplier.multipliers(1)[0], shapes.transposed);
            record(
                shapes,
                |scene, len| scene.values(dtype::<T>(), len),
                |inputs, output| MatMul { inputs, output, transposed, zeros, multiplier, shift, zero, lo, hi }.into(),
            )
        })
        .boxed()
}

pub(super) fn f32() -> BoxedStrategy<Case> {
    (shapes(), range_f32())
        .prop_map(|(shapes, [lo, hi])| {
            let transposed = shapes.transposed;
            record(
                shapes,
                |scene, len| Values::F32(scene.f32(len)),
                |inputs, output| MatMulF32 { inputs, output, transposed, lo, hi }.into(),
            )
        })
        .boxed()
}
