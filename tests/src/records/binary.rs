//! Random sums, differences, products, other functions and choices, with broadcasting, in place, of a tensor with itself.

use lacewing::format::{DType, Op, Tensor};
use lacewing::ops::binary::Mul;
use lacewing::ops::{AddF32, AddI8, AddI16, BinaryF32, BinaryFunction, MulF32, SelectF32, SubF32};
use proptest::prelude::*;

use super::Case;
use super::fill::{Fill, fill};
use super::scene::{Element, Scene, Source, anywhere, apart, dtype, range_f32, range_i8, range_i16, wide_shift, zero};
use crate::oracle::Values;

/// The shape of the output, which dimensions of each operand are 1, and where they are.
#[derive(Clone, Copy, Debug)]
struct Operands {
    shape: [u32; 4],
    repeated: [[bool; 4]; 2],
    sources: [Source; 2],
    /// Both operands are one tensor.
    twins: bool,
    fill: Fill,
}

fn operands() -> impl Strategy<Value = Operands> {
    let shape = (1u32..=3, 1u32..=4, 1u32..=4, 1u32..=20).prop_map(|(n, h, w, c)| [n, h, w, c]);
    let mask = || prop_oneof![2 => Just([false; 4]), 1 => any::<[bool; 4]>()];
    let sources =
        prop_oneof![(anywhere(), apart()).prop_map(|(a, b)| [a, b]), (apart(), anywhere()).prop_map(|(a, b)| [a, b]),];
    let twins = prop_oneof![4 => Just(false), 1 => Just(true)];
    (shape, [mask(), mask()], sources, twins, fill()).prop_map(|(shape, repeated, sources, twins, fill)| {
        // An operand that becomes the output has its shape.
        let repeated = [0, 1].map(|i| if sources[i] == Source::InPlace { [false; 4] } else { repeated[i] });
        Operands { shape, repeated, sources, twins, fill }
    })
}

impl Operands {
    fn shape(&self, operand: usize) -> [u32; 4] {
        std::array::from_fn(|axis| if self.repeated[operand][axis] { 1 } else { self.shape[axis] })
    }

    fn place(&self, scene: &mut Scene, mut values: impl FnMut(&mut Scene, u32) -> Values) -> ([Tensor; 2], Tensor) {
        let mut input = |scene: &mut Scene, operand: usize| {
            let values = values(scene, self.shape(operand).iter().product());
            scene.input(self.sources[operand], values, self.shape(operand))
        };
        let a = input(scene, 0);
        let b = if self.twins { scene.again(a) } else { input(scene, 1) };
        let dtype = a.dtype().expect("a typed tensor");
        let output = match (self.sources, self.twins) {
            ([Source::InPlace, _], _) => scene.output_for(Source::InPlace, &a, dtype, self.shape),
            ([_, Source::InPlace], false) => scene.output_for(Source::InPlace, &b, dtype, self.shape),
            _ => scene.output(dtype, self.shape),
        };
        ([a, b], output)
    }
}

pub(super) fn add_i8() -> BoxedStrategy<Case> {
    let multiplier = || prop_oneof![3 => -(1 << 21)..=1 << 21, 1 => Just(1 << 21), 1 => Just(-(1 << 21)), 1 => Just(0)];
    let bias = prop_oneof![2 => any::<i32>(), 2 => -(1 << 26)..1 << 26, 1 => Just(i32::MAX), 1 => Just(i32::MIN)];
    (operands(), [multiplier(), multiplier()], bias, 1u8..=30, zero(), range_i8())
        .prop_map(|(operands, multipliers, bias, shift, zero, [lo, hi])| {
            let mut scene = Scene::new(operands.fill);
            let (inputs, output) = operands.place(&mut scene, |scene, len| Values::I8(scene.i8(len)));
            scene.finish(AddI8 { inputs, output, multipliers, bias, shift, zero, lo, hi })
        })
        .boxed()
}

pub(super) fn add_i16() -> BoxedStrategy<Case> {
    let multiplier = || prop_oneof![3 => any::<i32>(), 1 => -(1 << 21)..=1 << 21, 1 => Just(0)];
    (operands(), [multiplier(), multiplier()], wide_shift(), range_i16())
        .prop_map(|(operands, multipliers, shift, [lo, hi])| {
            let mut scene = Scene::new(operands.fill);
            let (inputs, output) = operands.place(&mut scene, |scene, len| Values::I16(scene.i16(len)));
            scene.finish(AddI16 { inputs, output, multipliers, shift, lo, hi })
        })
        .boxed()
}

pub(super) fn mul<T: Element>() -> BoxedStrategy<Case>
where
    Op: From<Mul<T>>,
{
    (operands(), [T::zero(), T::zero()], fill(), T::shift(), T::zero(), T::range())
        .prop_map(|(operands, zeros, multiplier, shift, zero, [lo, hi])| {
            let mut scene = Scene::new(operands.fill);
            let multiplier = multiplier.multipliers(1)[0];
            let (inputs, output) = operands.place(&mut scene, |scene, len| scene.values(dtype::<T>(), len));
            scene.finish(Mul { inputs, output, zeros, multiplier, shift, zero, lo, hi })
        })
        .boxed()
}

fn f32(op: impl Fn([Tensor; 2], Tensor, [f32; 2]) -> Op + 'static) -> BoxedStrategy<Case> {
    (operands(), range_f32())
        .prop_map(move |(operands, range)| {
            let mut scene = Scene::new(operands.fill);
            let (inputs, output) = operands.place(&mut scene, |scene, len| Values::F32(scene.f32(len)));
            debug_assert_eq!(output.dtype(), Some(DType::F32));
            scene.finish(op(inputs, output, range))
        })
        .boxed()
}

pub(super) fn add_f32() -> BoxedStrategy<Case> {
    f32(|inputs, output, [lo, hi]| AddF32 { inputs, output, lo, hi }.into())
}

pub(super) fn sub_f32() -> BoxedStrategy<Case> {
    f32(|inputs, output, [lo, hi]| SubF32 { inputs, output, lo, hi }.into())
}

pub(super) fn mul_f32() -> BoxedStrategy<Case> {
    f32(|inputs, output, [lo, hi]| MulF32 { inputs, output, lo, hi }.into())
}

pub(super) fn function_f32() -> BoxedStrategy<Case> {
    use BinaryFunction::*;
    let function = proptest::sample::select(vec![
        Div,
        Pow,
        Min,
        Max,
        Mod,
        Fmod,
        Equal,
        NotEqual,
        Less,
        LessOrEqual,
        BitAnd,
        BitOr,
        BitXor,
        Shift,
    ]);
    (operands(), function, any::<bool>(), range_f32())
        .prop_map(|(operands, function, whole, [lo, hi])| {
            let mut scene = Scene::new(operands.fill);
            let numbers = |scene: &mut Scene, len| match whole {
                true => scene.f32(len).into_iter().map(|x| (4.0 * x).round()).collect(),
                false => scene.f32(len),
            };
            let (inputs, output) = operands.place(&mut scene, |scene, len| Values::F32(numbers(scene, len)));
            scene.finish(BinaryF32 { inputs, output, function, lo, hi })
        })
        .boxed()
}

pub(super) fn select_f32() -> BoxedStrategy<Case> {
    let repeated = prop_oneof![1 => Just([false; 4]), 1 => any::<[bool; 4]>()];
    (operands(), repeated, apart())
        .prop_map(|(operands, repeated, source)| {
            let mut scene = Scene::new(operands.fill);
            let shape = std::array::from_fn(|axis| if repeated[axis] { 1 } else { operands.shape[axis] });
            let truths = scene.i8(shape.iter().product()).into_iter().map(|x| f32::from(x & 1)).collect();
            let condition = scene.input(source, Values::F32(truths), shape);
            let ([a, b], output) = operands.place(&mut scene, |scene, len| Values::F32(scene.f32(len)));
            scene.finish(SelectF32 { inputs: [condition, a, b], output })
        })
        .boxed()
}
