//! Transposition.

use super::strided_copy::{copy, strides};
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Op, ValueId};
use crate::import::{Lowering, OnnxNode};

/// `Transpose`; without `perm` the axes are reversed.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let rank = to.shape(x).len();
    let perm = match node.ints("perm") {
        Some(perm) => perm.iter().map(|a| node.axis(*a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).rev().collect(),
    };
    Ok(vec![to.emit(node, "", Op::Transpose { perm }, &[x])?])
}

/// Writes a transposition.
pub(crate) fn encode(perm: &[usize], to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let strides = strides(to.shape(to.node().inputs[0]));
    let dims = to.shape(to.node().outputs[0]).to_vec();
    let axes: Vec<(usize, i64)> = dims.iter().zip(perm).map(|(dim, axis)| (*dim, strides[*axis])).collect();
    copy(0, &axes, to)
}
