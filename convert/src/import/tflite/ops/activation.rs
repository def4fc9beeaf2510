//! Functions of one number, on their own or fused into other operators.

use crate::error::ConvertError;
use crate::import::tflite::onnx::{float, int, string};
use crate::import::tflite::schema::{GeluOptions, LeakyReluOptions, SoftmaxOptions};
use crate::import::tflite::translation::{Op, Translation};

/// `ActivationFunctionType` in the schema, after another operator.
pub(super) fn activate(t: &mut Translation<'_>, op: &Op<'_>, function: i8, x: String) -> Result<String, ConvertError> {
    match function {
        0 => Ok(x),
        1 => t.emit(op, "Relu", &[&x], Vec::new()),
        2 => clip(t, op, &x, -1.0, 1.0),
        3 => clip(t, op, &x, 0.0, 6.0),
        4 => t.emit(op, "Tanh", &[&x], Vec::new()),
        other => Err(op.error(format!("its fused activation {other} is not supported"))),
    }
}

fn clip(t: &mut Translation<'_>, op: &Op<'_>, x: &str, low: f32, high: f32) -> Result<String, ConvertError> {
    let (low, high) = (t.float(op, "low", low)?, t.float(op, "high", high)?);
    t.emit(op, "Clip", &[x, &low, &high], Vec::new())
}

/// An ONNX operator of the same meaning on each number.
pub(super) fn unary(t: &mut Translation<'_>, op: &Op<'_>, onnx: &str) -> Result<(), ConvertError> {
    let x = t.read(op, 0)?;
    let y = t.emit(op, onnx, &[&x], Vec::new())?;
    t.write(op, 0, &y)
}

/// RELU_N1_TO_1, RELU6, RELU_0_TO_1.
pub(super) fn bounded(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let (low, high) = match op.kind.as_str() {
        "RELU6" => (0.0, 6.0),
        "RELU_0_TO_1" => (0.0, 1.0),
        _ => (-1.0, 1.0),
    };
    let x = t.read(op, 0)?;
    let y = clip(t, op, &x, low, high)?;
    t.write(op, 0, &y)
}

/// LEAKY_RELU.
pub(super) fn leaky_relu(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let alpha = op.options::<LeakyReluOptions<'_>>()?.alpha();
    let x = t.read(op, 0)?;
    let y = t.emit(op, "LeakyRelu", &[&x], vec![float("alpha", alpha)])?;
    t.write(op, 0, &y)
}

/// GELU, with the error function or with the hyperbolic tangent.
pub(super) fn gelu(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let approximate = op.optional_options::<GeluOptions<'_>>()?.is_some_and(|o| o.approximate());
    let x = t.read(op, 0)?;
    let attribute = string("approximate", if approximate { "tanh" } else { "none" });
    let y = t.emit(op, "Gelu", &[&x], vec![attribute])?;
    t.write(op, 0, &y)
}

/// RSQRT.
pub(super) fn rsqrt(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let x = t.read(op, 0)?;
    let root = t.emit(op, "Sqrt", &[&x], Vec::new())?;
    let y = t.emit(op, "Reciprocal", &[&root], Vec::new())?;
    t.write(op, 0, &y)
}

/// SQUARE.
pub(super) fn square(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let x = t.read(op, 0)?;
    let y = t.emit(op, "Mul", &[&x, &x], Vec::new())?;
    t.write(op, 0, &y)
}

/// SOFTMAX of `beta · x` over the last axis.
pub(super) fn softmax(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let beta = op.options::<SoftmaxOptions<'_>>()?.beta();
    let mut x = t.read(op, 0)?;
    if beta != 1.0 {
        let beta = t.float(op, "beta", beta)?;
        x = t.emit(op, "Mul", &[&x, &beta], Vec::new())?;
    }
    let y = t.emit(op, "Softmax", &[&x], vec![int("axis", -1)])?;
    t.write(op, 0, &y)
}

/// LOG_SOFTMAX over the last axis.
pub(super) fn log_softmax(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let x = t.read(op, 0)?;
    let y = t.emit(op, "LogSoftmax", &[&x], vec![int("axis", -1)])?;
    t.write(op, 0, &y)
}
