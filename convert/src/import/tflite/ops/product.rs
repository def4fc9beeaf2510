//! Products of matrices.

use super::activation::activate;
use super::window::bias;
use crate::error::ConvertError;
use crate::import::tflite::onnx::{int, ints, wide};
use crate::import::tflite::schema::{BatchMatMulOptions, FullyConnectedOptions};
use crate::import::tflite::translation::{Op, Translation};

/// FULLY_CONNECTED: rows of inputs, weights `[outputs, inputs]`, bias or none.
///
/// Where weights are int8 and the rows float, LiteRT rounds the rows to int8 at each run; here the weights alone are rounded.
pub(super) fn fully_connected(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let o: FullyConnectedOptions<'_> = op.options()?;
    if o.weights_format() != 0 {
        return Err(op.error("its weights are shuffled; export with the default format"));
    }
    let shape = t.shape(op, 0)?;
    let &[outputs, inputs] = t.shape(op, 1)? else {
        return Err(op.error(format!("has weights of shape {:?}", t.shape(op, 1)?)));
    };
    let mut x = t.read(op, 0)?;
    if shape.len() != 2 || shape[1] != inputs {
        let rows = t.int64s(op, "rows", &[-1, inputs as i64])?;
        x = t.emit(op, "Reshape", &[&x, &rows], Vec::new())?;
    }
    let mut y = gemm(t, op, &x)?;
    y = activate(t, op, o.activation(), y)?;
    if o.keep_num_dims() && shape.len() != 2 {
        let kept = shape.split_last().map_or(&[][..], |(_, kept)| kept);
        let shape: Vec<i64> = wide(kept).into_iter().chain([outputs as i64]).collect();
        let shape = t.int64s(op, "shape", &shape)?;
        y = t.emit(op, "Reshape", &[&y, &shape], Vec::new())?;
    }
    t.write(op, 0, &y)
}

fn gemm(t: &mut Translation<'_>, op: &Op<'_>, x: &str) -> Result<String, ConvertError> {
    let w = t.read(op, 1)?;
    let bias = bias(t, op, 0, 1, 2)?;
    let inputs: Vec<&str> = [x, &w].into_iter().chain(bias.as_deref()).collect();
    t.emit(op, "Gemm", &inputs, vec![int("transB", 1)])
}

/// BATCH_MATMUL, each side possibly transposed.
pub(super) fn batch_mat_mul(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let o: BatchMatMulOptions<'_> = op.options()?;
    let a = side(t, op, 0, o.adjoint_x())?;
    let b = side(t, op, 1, o.adjoint_y())?;
    let y = t.emit(op, "MatMul", &[&a, &b], Vec::new())?;
    t.write(op, 0, &y)
}

fn side(t: &mut Translation<'_>, op: &Op<'_>, i: usize, adjoint: bool) -> Result<String, ConvertError> {
    let x = t.read(op, i)?;
    let rank = t.shape(op, i)?.len();
    if !adjoint || rank < 2 {
        return Ok(x);
    }
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(rank - 1, rank - 2);
    t.emit(op, "Transpose", &[&x], vec![ints("perm", &perm)])
}
