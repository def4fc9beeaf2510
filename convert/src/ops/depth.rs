//! Blocks of pixels as channels and back.

use crate::error::ConvertError;
use crate::graph::{Op, ValueId};
use crate::import::{Lowering, OnnxNode};

/// `DepthToSpace` and `SpaceToDepth`: a transposition between two reshapes.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let shape = to.shape(x);
    let block = usize::try_from(node.int("blocksize", 0)).ok().filter(|block| (1..=1 << 12).contains(block));
    let (&[n, c, h, w], Some(b)) = (&shape[..], block) else {
        return Err(node.error(format!("needs an image and a blocksize, not shape {shape:?}")));
    };
    let error = || node.error(format!("blocks of {b} do not fit shape {shape:?}"));
    let (split, perm, result) = match node.op() {
        "SpaceToDepth" if h % b == 0 && w % b == 0 => {
            let split = vec![n, c, h / b, b, w / b, b];
            let perm = match node.string("mode") {
                "" | "DCR" => [0, 3, 5, 1, 2, 4],
                "CRD" => [0, 1, 3, 5, 2, 4],
                other => return Err(node.error(format!("mode `{other}` does not exist"))),
            };
            (split, perm, vec![n, c * b * b, h / b, w / b])
        }
        "DepthToSpace" if c % (b * b) == 0 => {
            let (depth, result) = (c / (b * b), vec![n, c / (b * b), h * b, w * b]);
            match node.string("mode") {
                "" | "DCR" => (vec![n, b, b, depth, h, w], [0, 3, 4, 1, 5, 2], result),
                "CRD" => (vec![n, depth, b, b, h, w], [0, 1, 4, 2, 5, 3], result),
                other => return Err(node.error(format!("mode `{other}` does not exist"))),
            }
        }
        _ => return Err(error()),
    };
    let split = to.emit_shaped(node, "split", Op::Reshape, &[x], split)?;
    let turned = to.emit(node, "turned", Op::Transpose { perm: perm.to_vec() }, &[split])?;
    Ok(vec![to.emit_shaped(node, "", Op::Reshape, &[turned], result)?])
}
