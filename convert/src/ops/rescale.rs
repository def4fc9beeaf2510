//! Changes of scale and of width between integers, and functions that are no more than that.

use crate::encode::Writer;
use crate::encode::numbers::{Multipliers, wide};
use crate::error::ConvertError;
use crate::graph::Function;
use crate::quantize::{Params, Width};
use lacewing::Int;
use lacewing::format::Op as Record;
use lacewing::ops::rescale::Rescale;

/// `y = to + (x − from)·ratio` in integers, between limits in reals.
struct Change {
    ratio: f64,
    from: f32,
    to: f32,
    limits: (f32, f32),
}

/// Whether a function only changes what integers stand for, and limits them.
pub(crate) fn is_change(function: Function) -> bool {
    use Function::{Clip, Dequantize, Identity, Quantize};
    matches!(function, Identity | Clip { .. } | Quantize { .. } | Dequantize { .. })
}

impl Change {
    fn of(function: Function, [x, y]: [Params; 2]) -> Option<Change> {
        let ratio = f64::from(x.scale) / f64::from(y.scale);
        let (from, to) = (f32::from(x.zero), f32::from(y.zero));
        let none = (f32::NEG_INFINITY, f32::INFINITY);
        match function {
            Function::Identity => Some(Change { ratio, from, to, limits: none }),
            Function::Clip { lo, hi } => Some(Change { ratio, from, to, limits: (lo, hi) }),
            Function::Quantize { scale, zero, lo, hi } if y.scale == 1.0 => {
                Some(Change { ratio: ratio / f64::from(scale), from, to: to + zero, limits: (lo, hi) })
            }
            Function::Dequantize { scale, zero } if x.scale == 1.0 => {
                Some(Change { ratio: ratio * f64::from(scale), from: from + zero, to, limits: none })
            }
            _ => None,
        }
    }
}

/// Writes a change of scale.
pub(crate) fn encode(function: Function, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    match to.integers().map(|(x, y)| (x.width, y.width)) {
        Some((Width::I16, Width::I8)) => record::<i16, i8>(function, to),
        Some((Width::I8, _)) => record::<i8, i16>(function, to),
        _ => record::<i16, i16>(function, to),
    }
}

fn record<T: Int, U: Int>(function: Function, to: &mut Writer<'_>) -> Result<(), ConvertError>
where
    Record: From<Rescale<T, U>>,
{
    let change = to.integers().and_then(|(x, y)| Some((Change::of(function, [x, y])?, y)));
    let (change, y) = change.ok_or_else(|| to.error("it is no change of scale between integers"))?;
    let numbers = wide(&[change.ratio], &[FARTHEST]);
    let Multipliers { m, shift } = numbers.ok_or_else(|| to.error("its output range is too small for its input"))?;
    let limits = to.clamp();
    let bound = |x: f32| y.quantize(x.max(limits.0).min(limits.1));
    let (lo, hi) = (bound(change.limits.0), bound(change.limits.1));
    let (input, output) = (to.input(0), to.output());
    let (input_zero, zero) = (T::saturate(change.from as i32), U::saturate(change.to as i32));
    to.push(Rescale { input, output, input_zero, multiplier: m[0], shift, zero, lo, hi })
}

/// No integer is farther from its zero point.
const FARTHEST: f64 = 65536.0;
