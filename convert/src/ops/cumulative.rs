//! Running sums and products.

use super::compose::Compose;
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Op, ValueId};
use crate::import::{Lowering, OnnxNode};
use lacewing::ops::CumulativeF32;

/// `CumSum` and `CumProd`.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let axes = to.integers(node, 1)?.unwrap_or_default();
    let mut on = Compose::new(node, to);
    let x = on.input(0)?;
    let [axis] = axes[..] else { return Err(node.error(format!("needs one axis, not {axes:?}"))) };
    let axis = node.axis(axis, on.shape(x).len())?;
    let (exclusive, reverse) = (node.flag("exclusive"), node.flag("reverse"));
    let product = node.op() == "CumProd";
    Ok(vec![on.op(Op::Cumulative { axis, product, exclusive, reverse }, &[x])?])
}

/// Writes a running sum or product.
pub(crate) fn encode(
    axis: usize,
    [product, exclusive, reverse]: [bool; 3],
    to: &mut Writer<'_>,
) -> Result<(), ConvertError> {
    let shape = to.shape(to.node().inputs[0]);
    let (n, inner) = (shape[axis] as u32, shape[axis + 1..].iter().product::<usize>() as u32);
    let (input, output) = (to.input(0), to.output());
    to.push(CumulativeF32 { input, output, n, inner, product, exclusive, reverse })
}
