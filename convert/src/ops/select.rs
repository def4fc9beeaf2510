//! A choice between two tensors.

use super::binary::operands;
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Op, ValueId};
use crate::import::{Lowering, OnnxNode};
use lacewing::ops::SelectF32;

/// `Where`. A mask may be infinite.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let operands = [to.any_value(node, 0)?, to.any_value(node, 1)?, to.any_value(node, 2)?];
    Ok(vec![to.emit(node, "", Op::Select, &operands)?])
}

/// Writes a choice.
pub(crate) fn encode(to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let (inputs, output) = operands(to)?;
    to.push(SelectF32 { inputs, output })
}
