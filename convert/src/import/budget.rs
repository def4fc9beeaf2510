//! How much a file may compute at conversion: a few bytes must not unfold to gigabytes, and weights of a hundred megabytes may.

use std::collections::HashSet;

use super::constants::Constant;
use super::{OnnxNode, Source};
use crate::error::ConvertError;

/// Bytes of computed constants that any file may come to.
const LEAST: usize = 1 << 25;

/// Bytes of computed constants for each byte of a small file.
const PER_BYTE: usize = 32;

/// Bytes of computed constants up to which a file counts as small.
const SMALL: usize = 1 << 29;

/// Bytes of computed constants for each byte of any file: weights of 8 bits that become f32, and then lie otherwise.
const PER_BYTE_OF_ANY: usize = 8;

/// What is left to compute.
pub(super) struct Budget {
    computed: usize,
    /// For weights that are one number over and over, as models without their weights have them.
    filled: usize,
    /// Names that are read as weights, and as nothing else.
    weights: HashSet<String>,
    spent: bool,
}

impl Budget {
    /// For one file.
    pub(super) fn new(source: &Source) -> Budget {
        Budget { computed: most(source.bytes), filled: SMALL, weights: weights(source), spent: false }
    }

    /// Bytes that a node may compute.
    pub(super) fn left(&self, node: &OnnxNode<'_>) -> usize {
        if self.fills(node) { self.filled } else { self.computed }
    }

    /// Takes a constant that a node has computed.
    pub(super) fn spend(&mut self, node: &OnnxNode<'_>, constant: &Constant) -> Result<(), ConvertError> {
        let bytes = constant.tensor.len().saturating_mul(constant.tensor.datum_type().size_of());
        let left = if self.fills(node) { &mut self.filled } else { &mut self.computed };
        match left.checked_sub(bytes) {
            Some(rest) => *left = rest,
            None => {
                self.spent = true;
                return Err(node.error(
                    "the constants that the model computes are too large for a file of its size; fold them into the file with onnxsim",
                ));
            }
        }
        Ok(())
    }

    fn fills(&self, node: &OnnxNode<'_>) -> bool {
        node.op() == "ConstantOfShape" && self.weights.contains(node.output(0))
    }

    /// Whether a constant was refused, after which the rest of the model is not looked at.
    pub(super) fn is_spent(&self) -> bool {
        self.spent
    }
}

/// Bytes of computed constants that a file of this size may come to.
fn most(bytes: usize) -> usize {
    let small = bytes.saturating_mul(PER_BYTE).saturating_add(LEAST).min(SMALL);
    small.max(bytes.saturating_mul(PER_BYTE_OF_ANY))
}

/// The names that layers read as their weights, if nothing else reads them.
fn weights(source: &Source) -> HashSet<String> {
    let graph = source.graph();
    let (mut weights, mut others) = (HashSet::new(), HashSet::new());
    for node in source.order.iter().map(|&index| &graph.node[index]) {
        let layer = matches!(node.op_type.as_str(), "Conv" | "Gemm" | "BatchNormalization");
        let (data, rest) = node.input.split_at(node.input.len().min(1));
        others.extend(data);
        if layer { &mut weights } else { &mut others }.extend(rest);
    }
    weights.difference(&others).map(|name| name.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_compute_in_proportion_to_what_it_holds() {
        assert_eq!(most(2048), LEAST + (1 << 16));
        assert_eq!(most(1 << 25), SMALL);
        assert_eq!(most(550 << 20), 4400 << 20);
    }
}
