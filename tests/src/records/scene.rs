//! Where the tensors of a random record are.

use lacewing::Int;
use lacewing::format::encode::Builder;
use lacewing::format::{DType, Op, Place, Requant, Span, Tensor};
use proptest::prelude::*;

use super::Case;
use super::fill::{Fill, fill};
use crate::oracle::Values;

/// Where an input is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    /// In the arena, still needed afterwards.
    Kept,
    /// In the arena, for the last time.
    Last,
    /// In the arena, its bytes become the output's.
    InPlace,
    /// In the constants.
    Constant,
}

/// A place for an input of an operation that does not run in place.
pub(super) fn apart() -> impl Strategy<Value = Source> {
    prop_oneof![4 => Just(Source::Last), 2 => Just(Source::Kept), 1 => Just(Source::Constant)]
}

/// A place for an input of an operation that may run in place.
pub(super) fn anywhere() -> impl Strategy<Value = Source> {
    prop_oneof![4 => Just(Source::InPlace), 4 => apart()]
}

/// A record in the making: its constants, and the arena so far. Tensors stand at odd offsets, with gaps.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) builder: Builder,
    fill: Fill,
    arena: u32,
    count: u64,
    inputs: Vec<Values>,
}

impl Scene {
    pub(super) fn new(fill: Fill) -> Self {
        Self { builder: Builder::default(), fill, arena: 0, count: 0, inputs: Vec::new() }
    }

    fn next(&mut self) -> Fill {
        self.count += 1;
        self.fill.other(self.count)
    }

    /// An input with numbers of its own.
    pub(super) fn input(&mut self, source: Source, values: Values, shape: [u32; 4]) -> Tensor {
        let tensor = match source {
            Source::Constant => {
                let span = match &values {
                    Values::I8(numbers) => self.builder.constant(numbers),
                    Values::I16(numbers) => self.builder.constant(numbers),
                    Values::I32(numbers) => self.builder.constant(numbers),
                    Values::F32(numbers) => self.builder.constant(numbers),
                };
                Tensor::new(Place::Constant, values.dtype(), span.offset, shape)
            }
            _ => self.output(values.dtype(), shape),
        };
        self.inputs.push(values);
        if matches!(source, Source::Last | Source::InPlace) { tensor.last() } else { tensor }
    }

    /// The same input once more.
    pub(super) fn again(&mut self, tensor: Tensor) -> Tensor {
        let values = self.inputs.last().expect("an input before it").clone();
        self.inputs.push(values);
        tensor
    }

    /// A tensor in the arena.
    pub(super) fn output(&mut self, dtype: DType, shape: [u32; 4]) -> Tensor {
        let offset = self.allocate(dtype.size(), shape.iter().product::<u32>() * dtype.size());
        Tensor::new(Place::Arena, dtype, offset, shape)
    }

    /// The output: the input's own bytes if that is to be in place.
    pub(super) fn output_for(&mut self, source: Source, input: &Tensor, dtype: DType, shape: [u32; 4]) -> Tensor {
        match source {
            Source::InPlace => Tensor::new(Place::Arena, dtype, input.offset, shape),
            _ => self.output(dtype, shape),
        }
    }

    /// Bytes to work in; whole words and pairs of words of them are aligned.
    pub(super) fn scratch(&mut self, len: u32) -> Span {
        let align = [8, 4].into_iter().find(|align| len.is_multiple_of(*align)).unwrap_or(1);
        Span { offset: self.allocate(align, len), len }
    }

    fn allocate(&mut self, align: u32, len: u32) -> u32 {
        let gap = self.next().0 as u32 % 19;
        let offset = (self.arena + gap).next_multiple_of(align);
        self.arena = offset + len;
        offset
    }

    pub(super) fn i8(&mut self, len: u32) -> Vec<i8> {
        self.next().i8(len as usize)
    }

    pub(super) fn i16(&mut self, len: u32) -> Vec<i16> {
        self.next().i16(len as usize)
    }

    /// Numbers of a type.
    pub(super) fn values(&mut self, dtype: DType, len: u32) -> Values {
        match dtype {
            DType::F32 => Values::F32(self.f32(len)),
            DType::I16 => Values::I16(self.i16(len)),
            _ => Values::I8(self.i8(len)),
        }
    }

    pub(super) fn f32(&mut self, len: u32) -> Vec<f32> {
        self.next().f32(len as usize, 4.0)
    }

    /// Eighths between −4 and 4, no −0: sums of some thousand products are the same bits in any order.
    pub(super) fn eighths(&mut self, len: u32) -> Vec<f32> {
        self.f32(len).into_iter().map(|x| (8.0 * x).round() / 8.0 + 0.0).collect()
    }

    pub(super) fn weights_eighths(&mut self, len: u32) -> Span {
        let weights = self.eighths(len);
        self.builder.constant(&weights)
    }

    pub(super) fn weights_i8(&mut self, len: u32) -> Span {
        let weights = self.i8(len);
        self.builder.constant(&weights)
    }

    /// The same with zeros at some places.
    pub(super) fn weights_but(&mut self, len: u32, zero: impl Fn(u32) -> bool) -> Span {
        let mut weights = self.i8(len);
        (0..).zip(&mut weights).filter(|(at, _)| zero(*at)).for_each(|(_, weight)| *weight = 0);
        self.builder.constant(&weights)
    }

    pub(super) fn weights_f32(&mut self, len: u32) -> Span {
        let weights = self.f32(len);
        self.builder.constant(&weights)
    }

    pub(super) fn bias<T: Element>(&mut self, len: u32) -> Span {
        let bias: Vec<T::Sum> = self.next().i32(len as usize).into_iter().map(T::Sum::from).collect();
        self.builder.constant(&bias)
    }

    pub(super) fn multipliers(&mut self, len: u32) -> Span {
        let multipliers = self.next().multipliers(len as usize);
        self.builder.constant(&multipliers)
    }

    pub(super) fn requant<T: Element>(&mut self, rounding: Rounding<T>, count: u32) -> Requant<T> {
        let Rounding { each, shift, zero, range: [lo, hi] } = rounding;
        let multipliers = self.next().multipliers(if each { count as usize } else { 1 });
        Requant { multipliers: self.builder.constant(&multipliers), shift, zero, lo, hi }
    }

    pub(super) fn finish(self, op: impl Into<Op>) -> Case {
        let room = self.fill.0 as u32 % 7;
        Case::new(self.builder, op.into(), self.inputs, self.arena + room)
    }
}

/// int8 and int16, as the strategies want them.
pub(super) trait Element: Int + std::fmt::Debug {
    /// A zero point, often at the ends of the type.
    fn zero() -> BoxedStrategy<Self>;

    /// The smallest and the largest result.
    fn range() -> BoxedStrategy<[Self; 2]>;

    /// A shift of its rounding.
    fn shift() -> BoxedStrategy<u8>;
}

impl Element for i8 {
    fn zero() -> BoxedStrategy<Self> {
        zero().boxed()
    }

    fn range() -> BoxedStrategy<[Self; 2]> {
        range_i8().boxed()
    }

    fn shift() -> BoxedStrategy<u8> {
        shift().boxed()
    }
}

impl Element for i16 {
    fn zero() -> BoxedStrategy<Self> {
        prop_oneof![5 => Just(0), 1 => any::<i16>()].boxed()
    }

    fn range() -> BoxedStrategy<[Self; 2]> {
        range_i16().boxed()
    }

    fn shift() -> BoxedStrategy<u8> {
        wide_shift().boxed()
    }
}

/// The type of the elements.
pub(super) fn dtype<T: Element>() -> DType {
    T::DTYPE.expect("a type of tensors")
}

/// A requantization before its multipliers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rounding<T> {
    /// A multiplier for each channel, not one for all.
    pub(super) each: bool,
    pub(super) shift: u8,
    pub(super) zero: T,
    /// Smallest and largest result.
    pub(super) range: [T; 2],
}

pub(super) fn rounding<T: Element>() -> impl Strategy<Value = Rounding<T>> {
    (any::<bool>(), T::shift(), T::zero(), T::range()).prop_map(|(each, shift, zero, range)| Rounding {
        each,
        shift,
        zero,
        range,
    })
}

pub(super) fn shift() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0u8), 1 => 0u8..=30]
}

/// The shift of a wide rounding, often one that leaves something of a sum.
pub(super) fn wide_shift() -> impl Strategy<Value = u8> {
    prop_oneof![1 => 24u8..=32, 3 => 33u8..=44, 1 => 1u8..=62]
}

/// A zero point, often at the ends of the type.
pub(super) fn zero() -> impl Strategy<Value = i8> {
    prop_oneof![2 => any::<i8>(), 1 => Just(-128), 1 => Just(127), 1 => Just(0)]
}

/// The smallest and the largest result.
pub(super) fn range_i8() -> impl Strategy<Value = [i8; 2]> {
    let any = (any::<i8>(), any::<i8>()).prop_map(|(a, b)| [a.min(b), a.max(b)]);
    prop_oneof![2 => Just([-128, 127]), 1 => any]
}

/// The smallest and the largest result.
pub(super) fn range_i16() -> impl Strategy<Value = [i16; 2]> {
    let any = (any::<i16>(), any::<i16>()).prop_map(|(a, b)| [a.min(b), a.max(b)]);
    prop_oneof![2 => Just([-32768, 32767]), 1 => any]
}

/// The smallest and the largest result.
pub(super) fn range_f32() -> impl Strategy<Value = [f32; 2]> {
    prop_oneof![
        2 => Just([f32::NEG_INFINITY, f32::INFINITY]),
        1 => Just([0.0, f32::INFINITY]),
        1 => (-8f32..0.0, 0f32..8.0).prop_map(|(lo, hi)| [lo, hi]),
    ]
}

/// A seed and a place, which every strategy wants.
pub(super) fn setting(source: impl Strategy<Value = Source>) -> impl Strategy<Value = (Fill, Source)> {
    (fill(), source)
}
