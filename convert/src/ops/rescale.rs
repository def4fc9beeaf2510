//! Changes of scale and of width between integers, and functions that are straight on either side of 0.

use crate::encode::Writer;
use crate::encode::numbers::{Multipliers, wide};
use crate::error::ConvertError;
use crate::graph::Function;
use crate::quantize::{Params, Width};
use lacewing::Int;
use lacewing::format::Op as Record;
use lacewing::ops::rescale::Rescale;

/// `y = to + (x − from)·ratio` in integers, with one ratio below 0 and one above, between limits in reals.
struct Change {
    ratios: [f64; 2],
    from: f32,
    to: f32,
    limits: (f32, f32),
}

/// Whether a function is no more than a change of scale, straight on either side of 0, between limits.
pub(crate) fn is_change(function: Function) -> bool {
    use Function::{Abs, Clip, Dequantize, Identity, LeakyRelu, Neg, Quantize};
    matches!(function, Identity | Clip { .. } | Quantize { .. } | Dequantize { .. } | LeakyRelu { .. } | Abs | Neg)
}

impl Change {
    fn of(function: Function, [x, y]: [Params; 2]) -> Option<Change> {
        let ratio = f64::from(x.scale) / f64::from(y.scale);
        let (from, to) = (f32::from(x.zero), f32::from(y.zero));
        let none = (f32::NEG_INFINITY, f32::INFINITY);
        match function {
            Function::Identity => Some(Change { ratios: [ratio; 2], from, to, limits: none }),
            Function::LeakyRelu { alpha } => {
                Some(Change { ratios: [ratio * f64::from(alpha), ratio], from, to, limits: none })
            }
            Function::Abs => Some(Change { ratios: [-ratio, ratio], from, to, limits: none }),
            Function::Neg => Some(Change { ratios: [-ratio; 2], from, to, limits: none }),
            Function::Clip { lo, hi } => Some(Change { ratios: [ratio; 2], from, to, limits: (lo, hi) }),
            Function::Quantize { scale, zero, lo, hi } if y.scale == 1.0 => {
                Some(Change { ratios: [ratio / f64::from(scale); 2], from, to: to + zero, limits: (lo, hi) })
            }
            Function::Dequantize { scale, zero } if x.scale == 1.0 => {
                Some(Change { ratios: [ratio * f64::from(scale); 2], from: from + zero, to, limits: none })
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
    let ratios = change.ratios.map(|ratio| ratio.abs().min(FARTHEST));
    let numbers = wide(&ratios, &ratios.map(|ratio| FARTHEST.min(FARTHEST / ratio + 2.0)), None);
    let Multipliers { m, shift } = numbers.ok_or_else(|| to.error("its output range is too small for its input"))?;
    let limits = to.clamp();
    let bound = |x: f32| y.quantize(x.max(limits.0).min(limits.1));
    let (lo, hi) = (bound(change.limits.0), bound(change.limits.1));
    let signed = |ratio: f64, m: i32| if ratio < 0.0 { -m } else { m };
    let [below, above] = change.ratios;
    let multipliers = [signed(below, m[0]), signed(above, m[m.len() - 1])];
    let (input, output) = (to.input(0), to.output());
    let (input_zero, zero) = (T::saturate(change.from as i32), U::saturate(change.to as i32));
    to.push(Rescale { input, output, input_zero, multipliers, shift, zero, lo, hi })
}

/// No integer is farther from its zero point. What a ratio takes farther than that is the smallest or largest integer, however wrong the
/// ratio is.
const FARTHEST: f64 = 65536.0;
