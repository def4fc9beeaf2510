//! Sums, differences and products, with broadcasting.
//!
//! int8 sum: `y = clamp(zero + ((a·ma + b·mb + bias + 2^(k−1)) >> k), lo, hi)` in i32, with `|ma|, |mb| ≤ 2^21`, `1 ≤ k ≤ 30`; `bias` holds
//! `−za·ma − zb·mb`. A difference has `mb < 0`. int16 sum: `y = clamp((a·ma + b·mb + 2^(k−1)) >> k, lo, hi)` in i64, `1 ≤ k ≤ 62`. Product of
//! integers: `y = requantize((a − za)·(b − zb))` with one multiplier.
//! f32: `y = clamp(a ∘ b, lo, hi)`.

use super::{broadcast, clamp};
use crate::arena::{Constants, Memory, Operand};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Tensor, Turns, plain};
use crate::int::{Int, Sum};
use crate::kernels::Kernels;
use crate::requant::{Rounding, Wide};

/// Sum or difference in int8.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct AddI8 {
    /// `a` and `b`; each dimension is 1 or the output's.
    pub inputs: [Tensor; 2],
    /// `y`; may be the bytes of an operand of the same shape.
    pub output: Tensor,
    /// `ma` and `mb`.
    pub multipliers: [i32; 2],
    /// Added to the products.
    pub bias: i32,
    /// `k`.
    pub shift: u8,
    /// The output's zero point.
    pub zero: i8,
    /// Smallest result.
    pub lo: i8,
    /// Largest result.
    pub hi: i8,
}

plain!(AddI8 { inputs, output, multipliers, bias, shift, zero, lo, hi });

impl Record for AddI8 {
    const OPCODE: Opcode = Opcode::AddI8;

    fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn in_place(&self, _input: usize) -> bool {
        true
    }

    fn turns(&self) -> Option<Turns> {
        Turns::of_elements(self.inputs(), self.output())
    }

    fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
        let small = self.multipliers.iter().all(|m| m.unsigned_abs() <= 1 << 21);
        if !small || !(1..=30).contains(&self.shift) {
            return Err(Flaw::Parameter);
        }
        broadcast::check(&self.inputs, &self.output, DType::I8)
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let [a, b] = &self.inputs;
        let (a, b, output) = memory.binary(a, b, &self.output)?;
        kernels.add_i8(self, a, b, output)
    }
}

/// Sum or difference in int16.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct AddI16 {
    /// `a` and `b`; each dimension is 1 or the output's.
    pub inputs: [Tensor; 2],
    /// `y`; may be the bytes of an operand of the same shape.
    pub output: Tensor,
    /// `ma` and `mb`.
    pub multipliers: [i32; 2],
    /// `k`, 1..=62.
    pub shift: u8,
    /// Smallest result.
    pub lo: i16,
    /// Largest result.
    pub hi: i16,
}

plain!(AddI16 { inputs, output, multipliers, shift, lo, hi });

impl Record for AddI16 {
    const OPCODE: Opcode = Opcode::AddI16;

    fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn in_place(&self, _input: usize) -> bool {
        true
    }

    fn turns(&self) -> Option<Turns> {
        Turns::of_elements(self.inputs(), self.output())
    }

    fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
        Wide::check(self.shift)?;
        broadcast::check(&self.inputs, &self.output, DType::I16)
    }

    fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let [a, b] = &self.inputs;
        let (a, b, output) = memory.binary::<i16>(a, b, &self.output)?;
        let [ma, mb] = self.multipliers.map(i64::from);
        let rounding = Wide { multiplier: 1, shift: self.shift };
        broadcast::run(&self.inputs, self.output.shape, [a, b], output, |a, b| {
            let products = i64::from(a).wrapping_mul(ma).wrapping_add(i64::from(b).wrapping_mul(mb));
            rounding.between(products, [0, self.lo, self.hi])
        })
    }
}

/// Product in integers.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct Mul<T> {
    /// `a` and `b`; each dimension is 1 or the output's.
    pub inputs: [Tensor; 2],
    /// `y`; may be the bytes of an operand of the same shape.
    pub output: Tensor,
    /// `za` and `zb`.
    pub zeros: [T; 2],
    /// `m` of the requantization.
    pub multiplier: i32,
    /// Its shift: 0..=30, in int16 1..=62.
    pub shift: u8,
    /// The output's zero point.
    pub zero: T,
    /// Smallest result.
    pub lo: T,
    /// Largest result.
    pub hi: T,
}

plain!(Mul<T> { inputs, output, zeros, multiplier, shift, zero, lo, hi });

/// Product in int8.
pub type MulI8 = Mul<i8>;
/// Product in int16.
pub type MulI16 = Mul<i16>;

macro_rules! record_mul {
    ($record:ident, $dtype:ident, $element:ty, $method:ident) => {
        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                &self.inputs
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn in_place(&self, _input: usize) -> bool {
                true
            }

            fn turns(&self) -> Option<Turns> {
                Turns::of_elements(self.inputs(), self.output())
            }

            fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
                if !<$element>::SHIFTS.contains(&self.shift) {
                    return Err(Flaw::Parameter);
                }
                broadcast::check(&self.inputs, &self.output, DType::$dtype)
            }

            fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                let [a, b] = &self.inputs;
                let (a, b, output) = memory.binary(a, b, &self.output)?;
                kernels.$method(self, a, b, output)
            }
        }
    };
}
record_mul!(MulI8, I8, i8, mul_i8);
record_mul!(MulI16, I16, i16, mul_i16);

macro_rules! record_f32 {
    ($(#[$doc:meta])* $record:ident, $operator:tt) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[repr(C)]
        #[cfg_attr(feature = "encode", derive(serde::Serialize))]
        pub struct $record {
            /// `a` and `b`; each dimension is 1 or the output's.
            pub inputs: [Tensor; 2],
            /// `y`; may be the bytes of an operand of the same shape.
            pub output: Tensor,
            /// Smallest result.
            pub lo: f32,
            /// Largest result.
            pub hi: f32,
        }

        plain!($record { inputs, output, lo, hi });

        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                &self.inputs
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn in_place(&self, _input: usize) -> bool {
                true
            }

            fn turns(&self) -> Option<Turns> {
                Turns::of_elements(self.inputs(), self.output())
            }

            fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
                broadcast::check(&self.inputs, &self.output, DType::F32)
            }

            fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                let [a, b] = &self.inputs;
                let (a, b, output) = memory.binary::<f32>(a, b, &self.output)?;
                broadcast::run(&self.inputs, self.output.shape, [a, b], output, |a, b| {
                    clamp(a $operator b, self.lo, self.hi)
                })
            }
        }
    };
}
record_f32!(
    /// Sum in f32.
    AddF32, +
);
record_f32!(
    /// Difference in f32.
    SubF32, -
);
record_f32!(
    /// Product in f32.
    MulF32, *
);

/// The portable sum in int8.
///
/// # Errors
/// [`Fault`] if the record was not checked or the slices do not fit it.
pub fn add_i8(op: &AddI8, a: Operand<'_, i8>, b: Operand<'_, i8>, output: &mut [i8]) -> Result<(), Fault> {
    let [ma, mb] = op.multipliers;
    let shift = u32::from(op.shift);
    let bias = op.bias.wrapping_add(1i32.wrapping_shl(shift.wrapping_sub(1)));
    broadcast::run(&op.inputs, op.output.shape, [a, b], output, |a, b| {
        let products = i32::from(a).wrapping_mul(ma).wrapping_add(i32::from(b).wrapping_mul(mb));
        let rounded = products.wrapping_add(bias).wrapping_shr(shift);
        let q = rounded.wrapping_add(i32::from(op.zero));
        q.max(i32::from(op.lo)).min(i32::from(op.hi)) as i8
    })
}

/// The portable product in integers.
///
/// # Errors
/// [`Fault`] if the record was not checked or the slices do not fit it.
pub fn mul<T: Int>(op: &Mul<T>, a: Operand<'_, T>, b: Operand<'_, T>, output: &mut [T]) -> Result<(), Fault> {
    let Mul { zeros: [za, zb], multiplier, shift, zero, lo, hi, .. } = *op;
    let rounding = Rounding { multiplier, shift, zero, lo, hi };
    broadcast::run(&op.inputs, op.output.shape, [a, b], output, |a, b| rounding.apply(product([a, b], [za, zb])))
}

/// `(a − za)·(b − zb)`.
#[inline(always)]
pub(super) fn product<T: Int>([a, b]: [T; 2], [za, zb]: [T; 2]) -> T::Sum {
    let centered = |q: T, zero: T| -> i32 { q.into().wrapping_sub(zero.into()) };
    T::Sum::from(centered(a, za)).times(centered(b, zb))
}
