//! Random functions of one number, and doors.

use lacewing::format::{DType, Op, Tensor};
use lacewing::ops::{DequantizeI8, DequantizeI16, Function, QuantizeI8, QuantizeI16, TableI8, TableI16, UnaryF32};
use proptest::prelude::*;

use super::Case;
use super::scene::{Scene, anywhere, apart, setting, zero};
use crate::oracle::Values;

fn shape() -> impl Strategy<Value = [u32; 4]> {
    (1u32..=2, 1u32..=4, 1u32..=4, 1u32..=20).prop_map(|(n, h, w, c)| [n, h, w, c])
}

pub(super) fn table_i8() -> BoxedStrategy<Case> {
    (shape(), setting(anywhere()))
        .prop_map(|(shape, (fill, source))| {
            let mut scene = Scene::new(fill);
            let table = scene.i8(256);
            let table = scene.builder.constant(&table);
            let values = Values::I8(scene.i8(shape.iter().product()));
            let input = scene.input(source, values, shape);
            let output = scene.output_for(source, &input, DType::I8, shape);
            scene.finish(TableI8 { input, output, table })
        })
        .boxed()
}

pub(super) fn table_i16() -> BoxedStrategy<Case> {
    (shape(), 1u32..=15, setting(anywhere()))
        .prop_map(|(shape, bits, (fill, source))| {
            let mut scene = Scene::new(fill);
            let table = scene.i16((1 << bits) + 1);
            let table = scene.builder.constant(&table);
            let values = Values::I16(scene.i16(shape.iter().product()));
            let input = scene.input(source, values, shape);
            let output = scene.output_for(source, &input, DType::I16, shape);
            scene.finish(TableI16 { input, output, table })
        })
        .boxed()
}

/// Every function; parameters as exporters write them and others.
fn function() -> impl Strategy<Value = Function> {
    use Function::*;
    let slope = || -2f32..2.0;
    let with_parameters = prop_oneof![
        (-8f32..0.0, 0f32..8.0).prop_map(|(lo, hi)| Clip { lo, hi }),
        Just(Clip { lo: 0.0, hi: f32::INFINITY }),
        slope().prop_map(|alpha| LeakyRelu { alpha }),
        slope().prop_map(|alpha| Elu { alpha }),
        (slope(), slope()).prop_map(|(alpha, gamma)| Selu { alpha, gamma }),
        (slope(), slope()).prop_map(|(alpha, beta)| HardSigmoid { alpha, beta }),
        slope().prop_map(|alpha| ThresholdedRelu { alpha }),
        (0f32..2.0, slope()).prop_map(|(lambda, bias)| Shrink { lambda, bias }),
        (0.1f32..2.0).prop_map(|alpha| Celu { alpha }),
        slope().prop_map(|alpha| Swish { alpha }),
        slope().prop_map(|exponent| Power { exponent }),
        (slope(), slope()).prop_map(|(alpha, beta)| Affine { alpha, beta }),
        (slope(), slope()).prop_map(|(alpha, beta)| ScaledTanh { alpha, beta }),
        any::<[bool; 2]>().prop_map(|[negative, positive]| IsInf { negative, positive }),
        (scale(), zero()).prop_map(|(scale, zero)| Quantize { scale, zero: zero.into(), lo: -128.0, hi: 127.0 }),
        (scale(), zero()).prop_map(|(scale, zero)| Dequantize { scale, zero: zero.into() }),
    ];
    let plain = proptest::sample::select(vec![
        Identity, Sigmoid, HardSwish, Silu, Tanh, Gelu, GeluTanh, Exp, Log, Sqrt, Reciprocal, Abs, Neg, Erf, Softplus,
        Softsign, Mish, Square, Floor, Ceil, Round, Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Asinh, Acosh, Atanh,
        Sign, Trunc, IsNan, Not,
    ]);
    prop_oneof![1 => with_parameters, 4 => plain]
}

pub(super) fn unary_f32() -> BoxedStrategy<Case> {
    (shape(), function(), prop_oneof![Just(4f32), Just(0.01), Just(80.0)], setting(anywhere()))
        .prop_map(|(shape, function, size, (fill, source))| {
            let mut scene = Scene::new(fill);
            let values = Values::F32(fill.f32(shape.iter().product::<u32>() as usize, size));
            let input = scene.input(source, values, shape);
            let output = scene.output_for(source, &input, DType::F32, shape);
            scene.finish(UnaryF32 { input, output, function })
        })
        .boxed()
}

fn scale() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => (-20f32..20.0).prop_map(f32::exp2),
        1 => Just(f32::MIN_POSITIVE),
        1 => Just(f32::MAX),
        1 => Just(1.0),
    ]
}

fn quantize(dtype: DType, op: impl Fn(Tensor, Tensor, f32, i8) -> Op + 'static) -> BoxedStrategy<Case> {
    (shape(), scale(), zero(), setting(apart()))
        .prop_map(move |(shape, scale, zero, (fill, source))| {
            let mut scene = Scene::new(fill);
            let steps = if dtype == DType::I8 { 1 << 10 } else { 1 << 18 };
            let number = |word: u64| match word % 32 {
                0 => f32::from_bits((word >> 32) as u32),
                1 => f32::NAN,
                2 => f32::INFINITY,
                3 => f32::NEG_INFINITY,
                // Halves of steps, so that ties occur.
                _ => (((word >> 32) % steps) as f32 / 2.0 - (steps / 4) as f32) * scale,
            };
            let values = fill.words().map(number).take(shape.iter().product::<u32>() as usize).collect();
            let input = scene.input(source, Values::F32(values), shape);
            let output = scene.output(dtype, shape);
            scene.finish(op(input, output, scale, zero))
        })
        .boxed()
}

pub(super) fn quantize_i8() -> BoxedStrategy<Case> {
    quantize(DType::I8, |input, output, scale, zero| QuantizeI8 { input, output, scale, zero }.into())
}

pub(super) fn quantize_i16() -> BoxedStrategy<Case> {
    quantize(DType::I16, |input, output, scale, zero| QuantizeI16 { input, output, scale, zero: zero.into() }.into())
}

fn dequantize(dtype: DType, op: impl Fn(Tensor, Tensor, f32, i8) -> Op + 'static) -> BoxedStrategy<Case> {
    (shape(), scale(), zero(), setting(apart()))
        .prop_map(move |(shape, scale, zero, (fill, source))| {
            let mut scene = Scene::new(fill);
            let values = scene.values(dtype, shape.iter().product());
            let input = scene.input(source, values, shape);
            let output = scene.output(DType::F32, shape);
            scene.finish(op(input, output, scale, zero))
        })
        .boxed()
}

pub(super) fn dequantize_i8() -> BoxedStrategy<Case> {
    dequantize(DType::I8, |input, output, scale, zero| DequantizeI8 { input, output, scale, zero }.into())
}

pub(super) fn dequantize_i16() -> BoxedStrategy<Case> {
    dequantize(DType::I16, |input, output, scale, zero| {
        DequantizeI16 { input, output, scale, zero: zero.into() }.into()
    })
}
