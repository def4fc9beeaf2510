//! Changes of scale between integers.

use lacewing::ops::rescale::Rescale;

use super::requant::{Integer, saturate, wide};
use super::values::{Answer, Values};

pub(super) fn rescale<T: Integer, U: Integer>(op: &Rescale<T, U>, x: &Values) -> Answer {
    let value = |x: &T| {
        let centered = (*x).into() - op.input_zero.into();
        saturate(wide(centered, op.multipliers[usize::from(centered >= 0)], op.shift) + op.zero.into(), op.lo, op.hi)
    };
    U::answer(T::of(x).iter().map(value).collect())
}
