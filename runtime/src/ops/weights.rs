//! Matrices of int8 and int4 weights in any layout.

use super::depthwise::{BLOCK, block, gather};
use crate::arena::Constants;
use crate::error::{Fault, Flaw};
use crate::format::{Layout, Span};
use crate::int::{Int, Sum};
use crate::kernels::Kernels;

/// How a layer's weights lie in bytes.
pub trait Weight {
    /// Bytes of `len` weights.
    fn bytes(len: u32) -> u32;

    /// The weight at a position of the layout.
    fn at(bytes: &[i8], index: usize) -> Option<i8>;

    /// The weights from a position on, zeros after the last.
    fn block(bytes: &[i8], start: u32) -> [i8; BLOCK];

    /// Checks that as many bytes are there as the layout's `len` weights take.
    ///
    /// # Errors
    /// [`Flaw`] if they are not, or if `len` is `None`.
    fn check(constants: Constants<'_>, span: Span, len: Option<u32>) -> Result<(), Flaw> {
        constants.check::<i8>(span, Self::bytes(len.ok_or(Flaw::Parameter)?))?;
        Ok(())
    }
}

/// Products of weights with activations.
pub trait Dot<T: Int>: Weight {
    /// `Σ w[start + i] · input[i]`, `None` if there are not so many weights.
    fn dot<K: Kernels + ?Sized>(kernels: &K, bytes: &[i8], start: usize, input: &[T]) -> Option<T::Sum>;
}

/// int8: a byte each.
impl Weight for i8 {
    #[inline(always)]
    fn bytes(len: u32) -> u32 {
        len
    }

    #[inline(always)]
    fn at(bytes: &[i8], index: usize) -> Option<i8> {
        bytes.get(index).copied()
    }

    #[inline(always)]
    fn block(bytes: &[i8], start: u32) -> [i8; BLOCK] {
        block(bytes, start)
    }
}

impl<T: Int> Dot<T> for i8 {
    #[inline(always)]
    fn dot<K: Kernels + ?Sized>(kernels: &K, bytes: &[i8], start: usize, input: &[T]) -> Option<T::Sum> {
        Some(T::dot(kernels, bytes.get(start..start.wrapping_add(input.len()))?, input))
    }
}

/// int4: two in a byte, the first in the low half.
#[derive(Clone, Copy, Debug)]
pub struct W4;

/// Both weights of a byte, the low half first.
#[inline(always)]
#[must_use]
pub const fn nibbles(byte: i8) -> [i8; 2] {
    [byte.wrapping_shl(4) >> 4, byte >> 4]
}

impl Weight for W4 {
    #[inline(always)]
    fn bytes(len: u32) -> u32 {
        len.div_ceil(2)
    }

    #[inline(always)]
    fn at(bytes: &[i8], index: usize) -> Option<i8> {
        let [low, high] = nibbles(*bytes.get(index / 2)?);
        Some(if index.is_multiple_of(2) { low } else { high })
    }

    #[inline(always)]
    fn block(bytes: &[i8], start: u32) -> [i8; BLOCK] {
        gather(|i| Self::at(bytes, start.wrapping_add(i) as usize))
    }
}

impl Dot<i8> for W4 {
    #[inline(always)]
    fn dot<K: Kernels + ?Sized>(kernels: &K, bytes: &[i8], start: usize, input: &[i8]) -> Option<i32> {
        // A row may begin in the middle of a byte.
        let (first, rest) = input.split_at_checked((start % 2).min(input.len()))?;
        let first = first.iter().try_fold(0, |_, x| Some(i32::from(Self::at(bytes, start)?) * i32::from(*x)))?;
        let from = start.div_ceil(2);
        let bytes = bytes.get(from..from.wrapping_add(rest.len().div_ceil(2)))?;
        Some(kernels.dot_w4(bytes, rest).wrapping_add(first))
    }
}

/// What a record of int4 weights has of the record in int8 that it wraps.
macro_rules! packed {
    () => {
        fn inputs(&self) -> &[Tensor] {
            self.0.inputs()
        }

        fn output(&self) -> &Tensor {
            self.0.output()
        }

        fn safe_overlap(&self) -> crate::format::SafeOverlap {
            self.0.safe_overlap()
        }

        fn turns(&self) -> Option<crate::format::Turns> {
            self.0.turns()
        }

        fn scratch(&self) -> Span {
            self.0.scratch()
        }

        fn macs(&self) -> u64 {
            self.0.macs()
        }

        fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
            self.0.check_weights::<W4>(DType::I8, constants)
        }
    };
}
pub(super) use packed;

/// Weights of any layout, read by output and depth, less their zero points.
pub(super) struct Matrix<'a, W> {
    weights: &'a [i8],
    zeros: &'a [i8],
    layout: Layout,
    depth: u32,
    kind: core::marker::PhantomData<W>,
}

/// Checks that zero points are there for every output or for none.
pub(super) fn check_zeros(constants: Constants<'_>, zeros: Span, outputs: u32) -> Result<(), Flaw> {
    constants.check::<i8>(zeros, if zeros.len == 0 { 0 } else { outputs })?;
    Ok(())
}

impl<'a, W: Weight> Matrix<'a, W> {
    pub(super) fn new(
        constants: Constants<'a>,
        weights: Span,
        zeros: Span,
        (layout, depth): (Layout, u32),
    ) -> Result<Self, Fault> {
        let (weights, zeros) = (constants.get(weights)?, constants.get(zeros)?);
        Ok(Self { weights, zeros, layout, depth, kind: core::marker::PhantomData })
    }

    /// `Σ (w[o][k + i] − zeros[o]) · input[i]`.
    #[inline(always)]
    pub(super) fn dot<T: Int, K: Kernels + ?Sized>(
        &self,
        kernels: &K,
        o: u32,
        k: u32,
        input: &[T],
    ) -> Result<T::Sum, Fault>
    where
        W: Dot<T>,
    {
        let products = self.products(kernels, o, k, input)?;
        Ok(match self.zeros.get(o as usize) {
            Some(zero) => products.plus(sum(input).times(i32::from(*zero).wrapping_neg())),
            None => products,
        })
    }

    /// `Σ w[o][k + i] · input[i]`.
    #[inline(always)]
    fn products<T: Int, K: Kernels + ?Sized>(&self, kernels: &K, o: u32, k: u32, input: &[T]) -> Result<T::Sum, Fault>
    where
        W: Dot<T>,
    {
        if self.layout == Layout::PLAIN {
            let start = o.wrapping_mul(self.depth).wrapping_add(k) as usize;
            return W::dot(kernels, self.weights, start, input).ok_or(Fault);
        }
        (k..).zip(input).try_fold(T::Sum::default(), |sum, (k, x)| {
            let x: i32 = (*x).into();
            Ok(sum.plus(T::Sum::from(self.weight(o, k)?.wrapping_mul(x))))
        })
    }

    /// `Σ (w[o][k + i] − zeros[o])` over `len` weights.
    pub(super) fn sum(&self, o: u32, k: u32, len: u32) -> Result<i32, Fault> {
        let zero = self.zeros.get(o as usize).copied().map_or(0, i32::from);
        (k..k.wrapping_add(len)).try_fold(0i32, |sum, k| Ok(sum.wrapping_add(self.weight(o, k)?).wrapping_sub(zero)))
    }

    fn weight(&self, o: u32, k: u32) -> Result<i32, Fault> {
        let index = self.layout.index(o, k, self.depth) as usize;
        let stored = W::at(self.weights, index).map(i32::from).ok_or(Fault)?;
        let carries =
            self.layout.carries(o) && W::at(self.weights, index.wrapping_sub(1)).is_some_and(|before| before < 0);
        Ok(stored.wrapping_add(carries.into()))
    }
}

/// Weights in f32 of any layout.
pub(super) struct Reals<'a> {
    weights: &'a [f32],
    layout: Layout,
    depth: u32,
}

impl<'a> Reals<'a> {
    /// Checks that as many are there as the layout has for `outputs × depth` weights.
    pub(super) fn check(
        constants: Constants<'_>,
        span: Span,
        (layout, outputs, depth): (Layout, u32, u32),
    ) -> Result<(), Flaw> {
        let len = layout.len(outputs, depth).filter(|_| layout != Layout::PAIRS);
        constants.check::<f32>(span, len.ok_or(Flaw::Parameter)?)?;
        Ok(())
    }

    pub(super) fn new(constants: Constants<'a>, span: Span, (layout, depth): (Layout, u32)) -> Result<Self, Fault> {
        Ok(Self { weights: constants.get(span)?, layout, depth })
    }

    /// `Σ w[o][k + i] · input[i]`.
    #[inline(always)]
    pub(super) fn dot<K: Kernels + ?Sized>(&self, kernels: &K, o: u32, k: u32, input: &[f32]) -> Result<f32, Fault> {
        if self.layout == Layout::PLAIN {
            let start = o.wrapping_mul(self.depth).wrapping_add(k) as usize;
            let row = self.weights.get(start..start.wrapping_add(input.len())).ok_or(Fault)?;
            return Ok(kernels.dot_f32(row, input));
        }
        (k..).zip(input).try_fold(0.0, |sum, (k, x)| {
            let w = self.weights.get(self.layout.index(o, k, self.depth) as usize).ok_or(Fault)?;
            Ok(sum + w * x)
        })
    }
}

fn sum<T: Int>(input: &[T]) -> T::Sum {
    input.iter().fold(T::Sum::default(), |sum, x| sum.plus(T::Sum::from((*x).into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Portable;

    #[test]
    fn rows_of_int4_may_begin_and_end_within_a_byte() {
        // -8, 7, -1, 3, 5
        let bytes = [0x78u8 as i8, 0x3f, 0x05];
        let weights: [i8; 5] = core::array::from_fn(|i| W4::at(&bytes, i).unwrap());
        assert_eq!(weights, [-8, 7, -1, 3, 5]);
        let input = [3i8, -128, 127, 2, -5];
        for start in 0..5 {
            for len in 0..=5 - start {
                let (w, x) = (&weights[start..start + len], &input[..len]);
                let exact: i32 = w.iter().zip(x).map(|(w, x)| i32::from(*w) * i32::from(*x)).sum();
                assert_eq!(W4::dot(&Portable, &bytes, start, x), Some(exact), "{start} {len}");
            }
        }
        assert_eq!(W4::dot(&Portable, &bytes, 3, &input), None);
        assert_eq!((W4::bytes(5), W4::at(&bytes, 6)), (3, None));
    }
}
