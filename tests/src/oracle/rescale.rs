//! Changes of scale between integers.

use lacewing::ops::rescale::Rescale;
use lacewing::ops::{NarrowI16, RescaleI16, WidenI8};

use super::requant::wide;
use super::values::{Answer, Values};

pub(super) fn i16(op: &RescaleI16, x: &[i16]) -> Answer {
    Values::I16(each(op, x)).into()
}

pub(super) fn narrow(op: &NarrowI16, x: &[i16]) -> Answer {
    Values::I8(each(op, x)).into()
}

pub(super) fn widen(op: &WidenI8, x: &[i8]) -> Answer {
    Values::I16(each(op, x)).into()
}

fn each<T: Copy + Into<i128>, U: Copy + Into<i128> + TryFrom<i128>>(op: &Rescale<T, U>, x: &[T]) -> Vec<U> {
    let of = |x: &T| {
        let centered = (*x).into() - op.input_zero.into();
        wide(centered, op.multiplier, op.shift, [op.zero.into(), op.lo.into(), op.hi.into()])
    };
    x.iter().filter_map(|x| U::try_from(of(x)).ok()).collect()
}
