//! Operators of `ai.onnx.ml` that are plain arithmetic: what scikit-learn puts around a network.

use ndarray::ArrayD;

use super::compose::{Compose, Made};
use crate::error::ConvertError;
use crate::graph::{Op, ValueId};
use crate::import::{Lowering, OnnxNode};

/// The domain.
pub(crate) const DOMAIN: &str = "ai.onnx.ml";

/// `Scaler`, `ArrayFeatureExtractor`; the others of the domain are refused.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let mut on = Compose::new(node, to);
    match node.op() {
        "Scaler" => Ok(vec![scaler(&mut on)?]),
        "ArrayFeatureExtractor" => Ok(vec![extractor(&mut on)?]),
        _ => Err(node.error(format!("operators of the domain `{DOMAIN}` are not supported; export plain ONNX"))),
    }
}

/// `(x − offset)·scale`, with numbers for each feature of the last axis or one for all.
fn scaler(on: &mut Compose<'_, '_>) -> Made {
    let x = on.input(0)?;
    let features = on.shape(x).last().copied().unwrap_or(1);
    let mut numbers = |name: &str| {
        let numbers = on.node.floats(name).unwrap_or_default();
        if ![1, features].contains(&numbers.len()) {
            let reason = format!("attribute `{name}` has {} numbers for {features} features", numbers.len());
            return Err(on.node.error(reason));
        }
        on.constant(ArrayD::from_shape_fn(vec![numbers.len()], |i| numbers[i[0]]))
    };
    let (offset, scale) = (numbers("offset")?, numbers("scale")?);
    let centered = on.sub(x, offset)?;
    on.mul(centered, scale)
}

/// Elements of the last axis; a list is a matrix of one row.
fn extractor(on: &mut Compose<'_, '_>) -> Made {
    let (mut x, places) = (on.input(0)?, on.input(1)?);
    if let [n] = on.shape(x)[..] {
        x = on.reshape(x, vec![1, n])?;
    }
    let (axis, count) = (on.shape(x).len() - 1, on.shape(places).iter().product());
    let places = on.reshape(places, vec![count])?;
    on.op(Op::Gather { axis }, &[x, places])
}
