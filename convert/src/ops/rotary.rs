//! Rotary position embedding: pairs of numbers turned by an angle that depends on the position.

use ndarray::{ArrayD, Axis, IxDyn};

use super::compose::{Compose, Made};
use crate::error::ConvertError;
use crate::graph::{Op, ValueId};
use crate::import::{Lowering, OnnxNode};

/// `RotaryEmbedding`: `(x₁·cos − x₂·sin, x₁·sin + x₂·cos)`.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let mut on = Compose::new(node, to);
    let x = on.input(0)?;
    let shape = on.shape(x);
    // The axes of heads and of widths; the caches have one entry for all heads.
    let (split, heads) = match shape[..] {
        [_, _, _, _] => (x, 1),
        [batch, sequence, width] => {
            let heads = usize::try_from(node.int("num_heads", 0)).ok().filter(|n| *n > 0 && width.is_multiple_of(*n));
            let heads = heads.ok_or_else(|| node.error(format!("num_heads does not divide {width}")))?;
            (on.reshape(x, vec![batch, sequence, heads, width / heads])?, 2)
        }
        _ => return Err(node.error(format!("its input {shape:?} must have three or four axes"))),
    };
    let width = on.shape(split)[3];
    let turned = match usize::try_from(node.int("rotary_embedding_dim", 0)) {
        Ok(0) => width,
        Ok(part) if part <= width => part,
        _ => return Err(node.error(format!("rotary_embedding_dim is not within {width}"))),
    };
    if !turned.is_multiple_of(2) {
        return Err(node.error(format!("cannot make pairs of {turned} numbers")));
    }
    let (cos, sin) = (cache(&mut on, 1, heads)?, cache(&mut on, 2, heads)?);
    let front = on.slice(split, 3, 0, turned)?;
    let mut y = rotated(&mut on, front, [cos, sin])?;
    if turned < width {
        let rest = on.slice(split, 3, turned, width - turned)?;
        y = on.concat(&[y, rest], 3)?;
    }
    Ok(vec![on.reshape(y, shape)?])
}

/// Cosines or sines of input `i` with an axis of 1 for the heads, chosen by constant positions.
fn cache(on: &mut Compose<'_, '_>, i: usize, heads: usize) -> Made {
    let cache = match on.to.integers(on.node, 3)? {
        None => on.input(i)?,
        Some(positions) => {
            let table = on.to.weights(on.node, i)?;
            let rows = chosen(on, &table, &positions)?;
            on.constant(rows)?
        }
    };
    let mut shape = on.shape(cache);
    if shape.len() != 3 {
        return Err(on.node.error(format!("its cache {shape:?} does not fit; with positions it is a table")));
    }
    shape.insert(heads, 1);
    on.reshape(cache, shape)
}

fn chosen(on: &Compose<'_, '_>, table: &ArrayD<f32>, positions: &[i64]) -> Result<ArrayD<f32>, ConvertError> {
    let error = || on.node.error(format!("positions do not fit a table of shape {:?}", table.shape()));
    let shape = on.to.constant(on.node, 3).map(|c| c.shape().to_vec()).filter(|shape| shape.len() == 2);
    let ([rows, width], Some(shape)) = (table.shape(), shape) else { return Err(error()) };
    let places: Option<Vec<usize>> = positions.iter().map(|p| usize::try_from(*p).ok().filter(|p| p < rows)).collect();
    let lines = table.select(Axis(0), &places.ok_or_else(error)?);
    lines.into_shape_with_order(IxDyn(&[shape[0], shape[1], *width])).map_err(|_| error())
}

fn rotated(on: &mut Compose<'_, '_>, x: ValueId, [cos, sin]: [ValueId; 2]) -> Made {
    let (shape, interleaved) = (on.shape(x), on.node.flag("interleaved"));
    let half = shape[3] / 2;
    let (a, b) = match interleaved {
        true => (every_second(on, x, 0)?, every_second(on, x, 1)?),
        false => (on.slice(x, 3, 0, half)?, on.slice(x, 3, half, half)?),
    };
    let (a_cos, b_sin) = (on.mul(a, cos)?, on.mul(b, sin)?);
    let (a_sin, b_cos) = (on.mul(a, sin)?, on.mul(b, cos)?);
    let (mut real, mut imaginary) = (on.sub(a_cos, b_sin)?, on.add(a_sin, b_cos)?);
    if !interleaved {
        return on.concat(&[real, imaginary], 3);
    }
    let pairs = vec![shape[0], shape[1], shape[2] * half, 1];
    (real, imaginary) = (on.reshape(real, pairs.clone())?, on.reshape(imaginary, pairs)?);
    let y = on.concat(&[real, imaginary], 3)?;
    on.reshape(y, shape)
}

fn every_second(on: &mut Compose<'_, '_>, x: ValueId, first: usize) -> Made {
    let mut shape = on.shape(x);
    shape[3] /= 2;
    on.shaped(Op::Slice { starts: vec![0, 0, 0, first], steps: vec![1, 1, 1, 2] }, &[x], shape)
}
