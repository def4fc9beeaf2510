//! Functions of one number, and the door.

use lacewing::ops::{DequantizeI8, DequantizeI16, Function, QuantizeI8, QuantizeI16, TableI8, TableI16, UnaryF32};

use super::values::{Answer, Constants, Near, Values};

pub(super) fn table_i8(op: &TableI8, constants: Constants<'_>, x: &[i8]) -> Answer {
    let table = constants.i8(op.table);
    Values::I8(x.iter().map(|x| table[(i32::from(*x) + 128) as usize]).collect()).into()
}

pub(super) fn table_i16(op: &TableI16, constants: Constants<'_>, x: &[i16]) -> Answer {
    let table = constants.i16(op.table);
    let step = 65536 / (table.len() as i128 - 1);
    let value = |x: &i16| {
        let from_start = i128::from(*x) + 32768;
        let [start, end] = [0, 1].map(|next| i128::from(table[(from_start / step + next) as usize]));
        let above = ((end - start) * (from_start % step) * 2 + step).div_euclid(2 * step);
        i16::try_from(start + above).expect("between two entries")
    };
    Values::I16(x.iter().map(value).collect()).into()
}

pub(super) fn quantize_i8(op: &QuantizeI8, x: &[f32]) -> Answer {
    let integer = |x: &f32| quantized(*x, op.scale, op.zero.into()).clamp(-128.0, 127.0) as i8;
    Values::I8(x.iter().map(integer).collect()).into()
}

pub(super) fn quantize_i16(op: &QuantizeI16, x: &[f32]) -> Answer {
    let integer = |x: &f32| quantized(*x, op.scale, op.zero.into()).clamp(-32768.0, 32767.0) as i16;
    Values::I16(x.iter().map(integer).collect()).into()
}

fn quantized(x: f32, scale: f32, zero: f64) -> f64 {
    let rounded = f64::from((x / scale).round_ties_even());
    if rounded.is_nan() { zero } else { rounded + zero }
}

pub(super) fn dequantize_i8(op: &DequantizeI8, q: &[i8]) -> Answer {
    Values::F32(q.iter().map(|q| dequantized((*q).into(), op.scale, op.zero.into())).collect()).into()
}

pub(super) fn dequantize_i16(op: &DequantizeI16, q: &[i16]) -> Answer {
    Values::F32(q.iter().map(|q| dequantized((*q).into(), op.scale, op.zero.into())).collect()).into()
}

/// The product has at most 41 significant bits, exact in f64; the conversion rounds once.
fn dequantized(q: f64, scale: f32, zero: f64) -> f32 {
    (f64::from(scale) * (q - zero)) as f32
}

pub(super) fn unary_f32(op: &UnaryF32, x: &[f32]) -> Answer {
    let near = |x: &f32| {
        let x = f64::from(*x);
        let value = eval(op.function, x);
        Near { value, slack: slack(op.function, x, value) }
    };
    Answer::Near(x.iter().map(near).collect())
}

/// What rounding in f32 explains: a part of the result, and of the terms that cancel in it.
fn slack(function: Function, x: f64, value: f64) -> f64 {
    let terms = match function {
        Function::Gelu | Function::GeluTanh | Function::HardSwish => x.abs(),
        Function::HardSigmoid { alpha, beta } | Function::Affine { alpha, beta } => {
            (f64::from(alpha) * x).abs() + f64::from(beta).abs()
        }
        Function::Shrink { bias, .. } => x.abs() + f64::from(bias).abs(),
        Function::Tan => value * value * x.abs() * 0.1,
        _ => 0.0,
    };
    // A factor of `x` may fall below the normal numbers.
    value.abs() * 1e-5 + terms * 1e-6 + f64::from(f32::MIN_POSITIVE) * x.abs().max(1.0)
}

pub(super) fn eval(function: Function, x: f64) -> f64 {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    let truth = |truth: bool| f64::from(u8::from(truth));
    let softplus = x.max(0.0) + (-x.abs()).exp().ln_1p();
    match function {
        Function::Identity => x,
        Function::Clip { lo, hi } => x.max(lo.into()).min(hi.into()),
        Function::LeakyRelu { alpha } => {
            if x < 0.0 {
                f64::from(alpha) * x
            } else {
                x
            }
        }
        Function::Elu { alpha } => {
            if x < 0.0 {
                f64::from(alpha) * x.exp_m1()
            } else {
                x
            }
        }
        Function::Selu { alpha, gamma } => f64::from(gamma) * if x <= 0.0 { f64::from(alpha) * x.exp_m1() } else { x },
        Function::Sigmoid => sigmoid,
        Function::HardSigmoid { alpha, beta } => (f64::from(alpha) * x + f64::from(beta)).clamp(0.0, 1.0),
        Function::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        Function::Silu => x * sigmoid,
        Function::Tanh => x.tanh(),
        Function::Gelu => 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt())),
        Function::GeluTanh => {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
        }
        Function::Exp => x.exp(),
        Function::Log => x.ln(),
        Function::Sqrt => x.sqrt(),
        Function::Reciprocal => 1.0 / x,
        Function::Abs => x.abs(),
        Function::Neg => -x,
        Function::Erf => libm::erf(x),
        Function::Softplus => softplus,
        Function::Softsign => x / (1.0 + x.abs()),
        Function::Mish => x * softplus.tanh(),
        Function::Square => x * x,
        Function::Floor => x.floor(),
        Function::Ceil => x.ceil(),
        Function::Round => x.round_ties_even(),
        Function::Sin => x.sin(),
        Function::Cos => x.cos(),
        Function::Tan => x.tan(),
        Function::Asin => x.asin(),
        Function::Acos => x.acos(),
        Function::Atan => x.atan(),
        Function::Sinh => x.sinh(),
        Function::Cosh => x.cosh(),
        Function::Asinh => libm::asinh(x),
        Function::Acosh => libm::acosh(x),
        Function::Atanh => libm::atanh(x),
        Function::Sign => x.partial_cmp(&0.0).map_or(x, |order| f64::from(order as i8)),
        Function::Trunc => x.trunc(),
        Function::IsNan => truth(x.is_nan()),
        Function::IsInf { negative, positive } => truth(x.is_infinite() && if x < 0.0 { negative } else { positive }),
        Function::Not => truth(x == 0.0),
        Function::ThresholdedRelu { alpha } => {
            if x > alpha.into() {
                x
            } else {
                0.0
            }
        }
        Function::Shrink { lambda, bias } => {
            let (lambda, bias) = (f64::from(lambda), f64::from(bias));
            (x + bias) * truth(x < -lambda) + (x - bias) * truth(x > lambda && x >= -lambda)
        }
        Function::Celu { alpha } => {
            if x < 0.0 {
                f64::from(alpha) * (x / f64::from(alpha)).exp_m1()
            } else {
                x
            }
        }
        Function::Swish { alpha } => x / (1.0 + (-f64::from(alpha) * x).exp()),
        Function::Power { exponent } => x.powf(exponent.into()),
        Function::Affine { alpha, beta } => f64::from(alpha) * x + f64::from(beta),
        Function::ScaledTanh { alpha, beta } => f64::from(alpha) * (f64::from(beta) * x).tanh(),
        Function::Quantize { scale, zero, lo, hi } => {
            // The division is IEEE's in f32: it decides ties.
            let steps = (x as f32 / scale).round_ties_even();
            (f64::from(steps) + f64::from(zero)).clamp(lo.into(), hi.into())
        }
        Function::Dequantize { scale, zero } => (x - f64::from(zero)) * f64::from(scale),
    }
}
