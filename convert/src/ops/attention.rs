//! Scaled dot products of queries and keys, and what they weigh.

use ndarray::{ArrayD, IxDyn};

use super::compose::{Compose, Made};
use crate::error::ConvertError;
use crate::graph::{BinaryFunction, Function, Op, ValueId};
use crate::import::{Lowering, OnnxNode};

/// `Attention` (opset 23 and later): `softmax(cap(q·kᵀ·scale) + mask)·v`, for groups of heads, caches, windows.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let mut on = Compose::new(node, to);
    let flat = on.input(0).map(|q| on.shape(q).len() == 3)?;
    let q = heads(&mut on, 0, "q_num_heads")?;
    let (k, past) = extended(&mut on, 1, 4)?;
    let (v, _) = extended(&mut on, 2, 5)?;
    let shape = check(&on, [q, k, v])?;
    let raw = scores(&mut on, q, k, &shape)?;
    let capped = cap(&mut on, raw)?;
    let masked = mask(&mut on, capped, &shape, past)?;
    let weights = weights(&mut on, &masked)?;
    let y = weighed(&mut on, weights, v, &shape)?;
    let y = if flat { joined_heads(&mut on, y)? } else { y };
    let shown = match node.int("qk_matmul_output_mode", 0) {
        0 => raw,
        1 => capped,
        2 => masked.scores,
        _ => weights,
    };
    Ok(vec![y, k, v, shown])
}

/// Batch, heads of queries and of keys, queries, keys.
struct Shape {
    batch: usize,
    heads: usize,
    key_heads: usize,
    queries: usize,
    keys: usize,
}

fn check(on: &Compose<'_, '_>, [q, k, v]: [ValueId; 3]) -> Result<Shape, ConvertError> {
    let shapes = [q, k, v].map(|value| on.shape(value));
    match (&shapes[0][..], &shapes[1][..], &shapes[2][..]) {
        (&[batch, heads, queries, width], &[b, key_heads, keys, key_width], &[vb, v_heads, v_keys, _])
            if [b, vb] == [batch; 2]
                && [v_heads, v_keys] == [key_heads, keys]
                && width == key_width
                && heads % key_heads == 0 =>
        {
            Ok(Shape { batch, heads, key_heads, queries, keys })
        }
        _ => Err(on.node.error(format!("queries, keys and values of shapes {shapes:?} do not fit each other"))),
    }
}

/// Input `i` as `[batch, heads, sequence, width]`.
fn heads(on: &mut Compose<'_, '_>, i: usize, attribute: &str) -> Made {
    let x = on.input(i)?;
    match on.shape(x)[..] {
        [_, _, _, _] => Ok(x),
        [batch, sequence, width] => {
            let heads = usize::try_from(on.node.int(attribute, 0)).ok().filter(|n| *n > 0 && width.is_multiple_of(*n));
            let heads = heads.ok_or_else(|| on.node.error(format!("{attribute} does not divide {width}")))?;
            let split = on.reshape(x, vec![batch, sequence, heads, width / heads])?;
            on.transpose(split, vec![0, 2, 1, 3])
        }
        ref shape => Err(on.node.error(format!("input {i} has shape {shape:?}; three or four axes are needed"))),
    }
}

/// Keys or values behind those of the past, and the length of the past.
fn extended(on: &mut Compose<'_, '_>, i: usize, past: usize) -> Result<(ValueId, usize), ConvertError> {
    let new = heads(on, i, "kv_num_heads")?;
    match on.optional(past)? {
        None => Ok((new, 0)),
        Some(past) => {
            let length = on.shape(past).get(2).copied().unwrap_or(0);
            Ok((on.concat(&[past, new], 2)?, length))
        }
    }
}

/// `q·kᵀ·scale`; the heads that share a key are rows of one matrix.
fn scores(on: &mut Compose<'_, '_>, q: ValueId, k: ValueId, shape: &Shape) -> Made {
    let width = on.shape(q)[3];
    let scale = on.node.float("scale", 1.0 / (width as f32).sqrt())?;
    let q = on.scaled(q, scale)?;
    let rows = shape.heads / shape.key_heads * shape.queries;
    let q = on.reshape(q, vec![shape.batch, shape.key_heads, rows, width])?;
    let products = on.matmul(q, k, true)?;
    on.reshape(products, vec![shape.batch, shape.heads, shape.queries, shape.keys])
}

/// `c·tanh(x / c)`.
fn cap(on: &mut Compose<'_, '_>, x: ValueId) -> Made {
    match on.node.float("softcap", 0.0)? {
        0.0 => Ok(x),
        c => on.unary(Function::ScaledTanh { alpha: c, beta: 1.0 / c }, x),
    }
}

/// Scores, −∞ where a query must not see a key.
struct Masked {
    scores: ValueId,
    /// Whether some query may see no key at all.
    blind: bool,
    masked: bool,
}

fn mask(on: &mut Compose<'_, '_>, scores: ValueId, shape: &Shape, past: usize) -> Result<Masked, ConvertError> {
    let visible = visible(on, shape, past)?;
    let mut masked = Masked { scores, blind: false, masked: false };
    if on.node.input(3).is_some() {
        let keys = shape.keys;
        masked = Masked { scores: with_input(on, scores, keys)?, blind: true, masked: true };
    }
    if let Some(visible) = visible {
        let rows = visible.len() / shape.keys;
        let sees = |row: usize| visible.iter().skip(row * shape.keys).take(shape.keys).any(|sees| *sees != 0.0);
        masked.blind |= !(0..rows).all(sees);
        let visible = on.constant(visible)?;
        masked = Masked { scores: hidden(on, visible, masked.scores)?, masked: true, ..masked };
    }
    Ok(masked)
}

/// `c ? x : −∞`.
fn hidden(on: &mut Compose<'_, '_>, visible: ValueId, scores: ValueId) -> Made {
    let never = on.any_number(f32::NEG_INFINITY);
    on.op(Op::Select, &[visible, scores, never])
}

/// The mask of input 3: truth values, or addends. Where it is shorter than the keys, the rest is not seen.
fn with_input(on: &mut Compose<'_, '_>, scores: ValueId, keys: usize) -> Made {
    let mut mask = on.to.any_value(on.node, 3)?;
    let truth = on.to.kind(mask).is_integer();
    let shape = on.shape(mask);
    let length = shape.last().copied().unwrap_or(1);
    if length < keys && length > 1 {
        let mut pads = vec![(0, 0); shape.len()];
        pads[shape.len() - 1] = (0, keys - length);
        mask = {
            let value = if truth { 0.0 } else { f32::NEG_INFINITY };
            on.op(Op::Pad { pads, value }, &[mask])?
        };
    }
    if truth { hidden(on, mask, scores) } else { on.add(scores, mask) }
}

/// 1 where a query may see a key by its position, `[batch or 1, 1, queries, keys]`; nothing if it may everywhere.
fn visible(on: &Compose<'_, '_>, shape: &Shape, past: usize) -> Result<Option<ArrayD<f32>>, ConvertError> {
    let node = on.node;
    let lengths = on.to.integers(node, 6)?;
    let (left, right) = (node.int("left_window_size", -1), node.int("right_window_size", -1));
    let causal = node.flag("is_causal");
    if lengths.is_none() && !causal && left < 0 && right < 0 {
        return Ok(None);
    }
    if lengths.as_ref().is_some_and(|lengths| lengths.len() != shape.batch) {
        return Err(node.error(format!("nonpad_kv_seqlen {lengths:?} does not fit a batch of {}", shape.batch)));
    }
    let batch = if lengths.is_some() { shape.batch } else { 1 };
    let sees = |at: IxDyn| {
        let (b, query, key) = (at[0], at[2] as i64, at[3] as i64);
        let length = lengths.as_ref().map(|lengths| lengths[b]);
        let position = query + length.map_or(past as i64, |length| length.saturating_sub(shape.queries as i64));
        let inside = length.is_none_or(|length| key < length);
        let behind = (!causal || key <= position) && (right < 0 || key <= position.saturating_add(right));
        f32::from(u8::from(inside && behind && (left < 0 || key >= position.saturating_sub(left))))
    };
    Ok(Some(ArrayD::from_shape_fn(IxDyn(&[batch, 1, shape.queries, shape.keys]), sees)))
}

/// The softmax of the scores; a query that sees no key weighs them with 0.
fn weights(on: &mut Compose<'_, '_>, masked: &Masked) -> Made {
    if !masked.masked {
        return on.op(Op::Softmax { axis: 3 }, &[masked.scores]);
    }
    // Differences of infinities are no numbers.
    let finite = on.unary(Function::Clip { lo: f32::MIN, hi: f32::INFINITY }, masked.scores)?;
    let weights = on.op(Op::Softmax { axis: 3 }, &[finite])?;
    if !masked.blind {
        return Ok(weights);
    }
    let least = on.number(f32::MIN)?;
    let seen = on.function(BinaryFunction::Less, least, finite)?;
    let zero = on.number(0.0)?;
    on.op(Op::Select, &[seen, weights, zero])
}

fn weighed(on: &mut Compose<'_, '_>, weights: ValueId, v: ValueId, shape: &Shape) -> Made {
    let (rows, width) = (shape.heads / shape.key_heads * shape.queries, on.shape(v)[3]);
    let weights = on.reshape(weights, vec![shape.batch, shape.key_heads, rows, shape.keys])?;
    let y = on.matmul(weights, v, false)?;
    on.reshape(y, vec![shape.batch, shape.heads, shape.queries, width])
}

/// `[batch, heads, sequence, width]` as `[batch, sequence, heads · width]`.
fn joined_heads(on: &mut Compose<'_, '_>, y: ValueId) -> Made {
    let shape = on.shape(y);
    let y = on.transpose(y, vec![0, 2, 1, 3])?;
    on.reshape(y, vec![shape[0], shape[2], shape[1] * shape[3]])
}
