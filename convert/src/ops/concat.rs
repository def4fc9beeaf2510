//! Concatenation.

use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Op, ValueId};
use crate::import::{Lowering, OnnxNode};
use crate::quantize::Width;
use lacewing::ops::concat::MAX_INPUTS;
use lacewing::ops::{ConcatF32, ConcatI8, ConcatI16};

/// `Concat`; parts without elements are none.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let mut inputs: Vec<ValueId> = (0..node.pb.input.len()).map(|i| to.value(node, i)).collect::<Result<_, _>>()?;
    let first = *inputs.first().ok_or_else(|| node.error("has no inputs"))?;
    let axis = node.axis(node.int("axis", 1), to.shape(first).len())?;
    if inputs.iter().any(|id| !to.shape(*id).contains(&0)) {
        inputs.retain(|id| !to.shape(*id).contains(&0));
    }
    Ok(vec![joined(node, to, inputs, axis)?])
}

/// The parts one after another along `axis`: more than a record takes are joined in steps.
pub(super) fn joined(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    mut parts: Vec<ValueId>,
    axis: usize,
) -> Result<ValueId, ConvertError> {
    let mut step = 0;
    while parts.len() > MAX_INPUTS {
        let mut wider = Vec::with_capacity(parts.len().div_ceil(MAX_INPUTS));
        for some in parts.chunks(MAX_INPUTS) {
            step += 1;
            wider.push(match some {
                [one] => *one,
                _ => to.emit(node, &format!("joined_{step}"), Op::Concat { axis }, some)?,
            });
        }
        parts = wider;
    }
    match parts[..] {
        [one] => Ok(one),
        _ => to.emit(node, "", Op::Concat { axis }, &parts),
    }
}

/// Writes a concatenation.
pub(crate) fn encode(axis: usize, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let count = to.node().inputs.len();
    let inputs = (0..count).map(|index| to.input(index)).collect::<Vec<_>>();
    let inputs = heapless::Vec::from_slice(&inputs).map_err(|_| {
        to.error(format!("it joins {count} tensors, at most {MAX_INPUTS} are supported; join in steps"))
    })?;
    let outer = to.shape(to.node().outputs[0])[..axis].iter().product::<usize>() as u32;
    let output = to.output();
    match to.moved() {
        Some(Width::I8) => to.push(ConcatI8 { inputs, output, outer }),
        Some(Width::I16) => to.push(ConcatI16 { inputs, output, outer }),
        None => to.push(ConcatF32 { inputs, output, outer }),
    }
}
