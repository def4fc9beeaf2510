//! Einstein sums: products of tensors with named axes, summed over those that the result does not name.

use super::compose::{Compose, Made};
use crate::error::ConvertError;
use crate::graph::{Op, PoolKind, ValueId};
use crate::import::{Lowering, OnnxNode};

/// A value whose axes have names; the axes of an ellipsis are digits, counted from the end.
#[derive(Clone, Debug)]
struct Named {
    value: ValueId,
    axes: Vec<char>,
}

/// `Einsum`, one operand after the other.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let mut on = Compose::new(node, to);
    let equation: String = node.string("equation").chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left.to_string(), Some(right.to_string())),
        None => (equation.clone(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != node.pb.input.len() {
        return Err(node.error(format!("equation `{equation}` does not fit {} operands", node.pb.input.len())));
    }
    let mut operands = Vec::new();
    for (i, term) in terms.iter().enumerate() {
        operands.push(operand(&mut on, i, term)?);
    }
    let result = result(&on, &operands, right.as_deref())?;
    let mut parts = operands.into_iter();
    let mut total = parts.next().ok_or_else(|| node.error("has no operands"))?;
    let rest: Vec<Named> = parts.collect();
    for (i, next) in rest.iter().enumerate() {
        let needed = |axis: &char| result.contains(axis) || rest[i + 1..].iter().any(|n| n.axes.contains(axis));
        total = contract(&mut on, &total, next, needed)?;
    }
    let total = summed(&mut on, total, |axis| result.contains(axis))?;
    Ok(vec![ordered(&mut on, &total, &result)?])
}

/// Operand `i` with its axes named; of an axis named twice the diagonal is taken.
fn operand(on: &mut Compose<'_, '_>, i: usize, term: &str) -> Result<Named, ConvertError> {
    let value = on.input(i)?;
    let rank = on.shape(value).len();
    let named = term.replace("...", "").chars().count();
    let error = || on.node.error(format!("term `{term}` does not fit an operand of rank {rank}"));
    let hidden = rank.checked_sub(named).filter(|hidden| *hidden < 10).ok_or_else(error)?;
    if hidden > 0 && !term.contains("...") {
        return Err(error());
    }
    let ellipsis: String = (0..hidden as u32).rev().filter_map(|d| char::from_digit(d, 10)).collect();
    let axes: Vec<char> = term.replace("...", &ellipsis).chars().collect();
    if !axes.iter().all(|axis| axis.is_ascii_alphanumeric()) {
        return Err(error());
    }
    diagonals(on, Named { value, axes })
}

fn diagonals(on: &mut Compose<'_, '_>, mut named: Named) -> Result<Named, ConvertError> {
    while let Some((first, second)) = repeated(&named.axes) {
        let shape = on.shape(named.value);
        let n = shape[first];
        if shape[second] != n {
            return Err(on.node.error(format!("an axis is named twice with sizes {n} and {}", shape[second])));
        }
        let others: Vec<usize> = (0..shape.len()).filter(|a| *a != first && *a != second).collect();
        let turned = on.transpose(named.value, [&others[..], &[first, second]].concat())?;
        let rows: usize = others.iter().map(|a| shape[*a]).product();
        let flat = on.reshape(turned, vec![rows, n * n])?;
        let op = Op::Slice { starts: vec![0, 0], steps: vec![1, n.cast_signed() + 1] };
        let diagonal = on.shaped(op, &[flat], vec![rows, n])?;
        let kept: Vec<usize> = others.iter().map(|a| shape[*a]).chain([n]).collect();
        let axes = others.iter().map(|a| named.axes[*a]).chain([named.axes[first]]).collect();
        named = Named { value: on.reshape(diagonal, kept)?, axes };
    }
    Ok(named)
}

fn repeated(axes: &[char]) -> Option<(usize, usize)> {
    let pairs = (0..axes.len()).flat_map(|i| (i + 1..axes.len()).map(move |j| (i, j)));
    pairs.into_iter().find(|(i, j)| axes[*i] == axes[*j])
}

/// The axes of the result: as written, or those named once, in the order of the alphabet, behind the ellipsis.
fn result(on: &Compose<'_, '_>, operands: &[Named], right: Option<&str>) -> Result<Vec<char>, ConvertError> {
    let all: Vec<char> = operands.iter().flat_map(|operand| operand.axes.iter().copied()).collect();
    let mut hidden: Vec<char> = all.iter().copied().filter(char::is_ascii_digit).collect();
    hidden.sort_unstable_by(|a, b| b.cmp(a));
    hidden.dedup();
    let axes: Vec<char> = match right {
        Some(right) => right.replace("...", &hidden.iter().collect::<String>()).chars().collect(),
        None => {
            let once = |axis: &char| all.iter().filter(|other| *other == axis).count() == 1;
            let mut single: Vec<char> = all.iter().copied().filter(|a| a.is_ascii_alphabetic() && once(a)).collect();
            single.sort_unstable();
            [hidden, single].concat()
        }
    };
    match axes.iter().all(|axis| all.contains(axis)) && repeated(&axes).is_none() {
        true => Ok(axes),
        false => Err(on.node.error("its result names axes that no operand has, or one twice")),
    }
}

/// The sum over all axes that are not needed.
fn summed(on: &mut Compose<'_, '_>, named: Named, needed: impl Fn(&char) -> bool) -> Result<Named, ConvertError> {
    let gone: Vec<usize> = (0..named.axes.len()).filter(|i| !needed(&named.axes[*i])).collect();
    if gone.is_empty() {
        return Ok(named);
    }
    let shape = on.shape(named.value);
    let total = on.reduce(PoolKind::Sum, named.value, &gone)?;
    let kept: Vec<usize> = (0..shape.len()).filter(|i| !gone.contains(i)).collect();
    let value = on.reshape(total, kept.iter().map(|i| shape[*i]).collect())?;
    Ok(Named { value, axes: kept.iter().map(|i| named.axes[*i]).collect() })
}

/// The product of two values, summed over the axes of both that nobody needs: a product of matrices.
fn contract(
    on: &mut Compose<'_, '_>,
    a: &Named,
    b: &Named,
    needed: impl Fn(&char) -> bool,
) -> Result<Named, ConvertError> {
    let a = summed(on, a.clone(), |axis| needed(axis) || b.axes.contains(axis))?;
    let b = summed(on, b.clone(), |axis| needed(axis) || a.axes.contains(axis))?;
    let (shared, rows): (Vec<char>, Vec<char>) = a.axes.iter().partition(|axis| b.axes.contains(axis));
    let (batch, depth): (Vec<char>, Vec<char>) = shared.into_iter().partition(|axis| needed(axis));
    let columns: Vec<char> = b.axes.iter().copied().filter(|axis| !a.axes.contains(axis)).collect();
    let size = |on: &Compose<'_, '_>, named: &Named, axis: &char| {
        named.axes.iter().position(|other| other == axis).map_or(1, |at| on.shape(named.value)[at])
    };
    if let Some(axis) = depth.iter().chain(&batch).find(|axis| size(on, &a, axis) != size(on, &b, axis)) {
        return Err(on.node.error(format!(
            "axis `{axis}` has sizes {} and {}",
            size(on, &a, axis),
            size(on, &b, axis)
        )));
    }
    let sizes = |on: &Compose<'_, '_>, named: &Named, axes: &[char]| -> Vec<usize> {
        axes.iter().map(|axis| size(on, named, axis)).collect()
    };
    let product = |sizes: &[usize]| sizes.iter().product::<usize>();
    let (n, r, k, c) = (sizes(on, &a, &batch), sizes(on, &a, &rows), sizes(on, &a, &depth), sizes(on, &b, &columns));
    let left = ordered(on, &a, &[&batch[..], &rows, &depth].concat())?;
    let left = on.reshape(left, vec![product(&n), product(&r), product(&k)])?;
    let right = ordered(on, &b, &[&batch[..], &depth, &columns].concat())?;
    let right = on.reshape(right, vec![product(&n), product(&k), product(&c)])?;
    let y = on.matmul(left, right, false)?;
    let value = on.reshape(y, [n, r, c].concat())?;
    Ok(Named { value, axes: [batch, rows, columns].concat() })
}

/// The value with its axes in that order.
fn ordered(on: &mut Compose<'_, '_>, named: &Named, axes: &[char]) -> Made {
    let perm = axes.iter().filter_map(|axis| named.axes.iter().position(|other| other == axis)).collect();
    on.transpose(named.value, perm)
}
