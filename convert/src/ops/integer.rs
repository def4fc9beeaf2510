//! Products of integers, and integers made at run time. They are carried in f32, exact below 2^24.

use super::compose::{Compose, Made};
use super::matmul::product;
use crate::error::ConvertError;
use crate::graph::{Function, Kind, PoolKind, ValueId};
use crate::import::{Lowering, OnnxNode};

/// `MatMulInteger`: `(a − za)·(b − zb)`.
pub(crate) fn lower_matmul(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let mut on = Compose::new(node, to);
    let (a, b) = (centered(&mut on, 0, 2)?, centered(&mut on, 1, 3)?);
    Ok(vec![product(&mut on, a, b)?])
}

/// Input `i` less its zero point; those of rows stand in a column.
fn centered(on: &mut Compose<'_, '_>, i: usize, zero: usize) -> Made {
    let x = on.input(i)?;
    let x = wide(on, x)?;
    let Some(mut zero) = on.optional(zero)? else { return Ok(x) };
    if i == 0 && on.shape(zero).len() == 1 && on.shape(zero)[0] > 1 {
        let rows = on.shape(zero)[0];
        zero = on.reshape(zero, vec![rows, 1])?;
    }
    let zero = wide(on, zero)?;
    on.sub(x, zero)
}

/// The same integers, not bound to a byte.
fn wide(on: &mut Compose<'_, '_>, x: ValueId) -> Made {
    if on.to.is_constant(x) {
        return Ok(x);
    }
    on.to.cast(on.node, &format!("wide_{}", x.0), x, Kind::Integer)
}

/// `DynamicQuantizeLinear`: bytes, their scale and their zero point from the range of the input.
pub(crate) fn lower_dynamic(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let mut on = Compose::new(node, to);
    let x = on.input(0)?;
    let axes: Vec<usize> = (0..on.shape(x).len()).collect();
    let most = on.reduce(PoolKind::Max, x, &axes)?;
    let most = on.reshape(most, vec![])?;
    let most = on.unary(Function::Clip { lo: 0.0, hi: f32::INFINITY }, most)?;
    let negative = on.unary(Function::Neg, x)?;
    let least = on.reduce(PoolKind::Max, negative, &axes)?;
    let least = on.reshape(least, vec![])?;
    let least = on.unary(Function::Clip { lo: 0.0, hi: f32::INFINITY }, least)?;
    let range = on.add(most, least)?;
    let scale = on.scaled(range, 1.0 / 255.0)?;
    let zero = on.div(least, scale)?;
    let zero = byte(&mut on, zero)?;
    let steps = on.div(x, scale)?;
    let steps = on.unary(Function::Round, steps)?;
    let moved = on.add(steps, zero)?;
    let y = byte(&mut on, moved)?;
    let y = on.to.cast(node, "bytes", y, Kind::U8)?;
    let zero = on.to.cast(node, "zero", zero, Kind::U8)?;
    Ok(vec![y, scale, zero])
}

fn byte(on: &mut Compose<'_, '_>, x: ValueId) -> Made {
    let whole = on.unary(Function::Round, x)?;
    on.unary(Function::Clip { lo: 0.0, hi: 255.0 }, whole)
}
