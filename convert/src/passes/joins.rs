//! Parts of a concatenation must come in its scale when the program is quantized. A part whose writer cannot be asked
//! for another scale, or that others read too, gets an identity in between, which can. A part that is a concatenation itself has that
//! scale with its own parts, whoever reads it.

use std::collections::HashSet;

use super::SimplifyOptions;
use crate::graph::{Function, Graph, Node, Op, PoolKind, Value, ValueId};

pub(super) fn run(mut graph: Graph, _: &SimplifyOptions) -> Graph {
    let (free, mut nodes) = (free_to_rescale(&graph), Vec::with_capacity(graph.nodes.len()));
    for mut node in std::mem::take(&mut graph.nodes) {
        if matches!(node.op, Op::Concat { .. }) {
            for (i, part) in node.inputs.iter_mut().enumerate().filter(|(_, part)| !free.contains(part)) {
                let name = format!("{}.join_{i}", node.name);
                let join = copy(&mut graph, &name, *part);
                nodes.push(Node::new(&name, Op::Unary(Function::Identity), &[*part], join));
                *part = join;
            }
        }
        nodes.push(node);
    }
    graph.nodes = nodes;
    graph
}

fn copy(graph: &mut Graph, name: &str, id: ValueId) -> ValueId {
    let source = graph.value(id);
    let original = source.original.clone();
    let value = Value { original, ..Value::activation(name, &source.shape, source.kind) };
    graph.add(value)
}

/// Values read once whose writer rescales anyway, and concatenations.
fn free_to_rescale(graph: &Graph) -> HashSet<ValueId> {
    let mut reads = vec![0; graph.values.len()];
    graph.nodes.iter().flat_map(|n| &n.inputs).chain(&graph.outputs).for_each(|id| reads[id.0] += 1);
    let rescaling = graph.nodes.iter().filter(|node| rescales(&node.op));
    let alone = rescaling.map(|node| node.outputs[0]).filter(|id| reads[id.0] == 1);
    alone
        .chain(graph.nodes.iter().filter(|node| matches!(node.op, Op::Concat { .. })).map(|node| node.outputs[0]))
        .collect()
}

fn rescales(op: &Op) -> bool {
    let average = matches!(op, Op::Pool { kind: PoolKind::Average { .. } | PoolKind::Sum, .. });
    average || matches!(op, Op::Conv { .. } | Op::FullyConnected | Op::Binary(_) | Op::Unary(_) | Op::Softmax { .. })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Build, equivalent};
    use super::*;
    use crate::graph::Binary;

    #[test]
    fn only_parts_that_cannot_rescale_are_copied() {
        let mut b = Build::new();
        let x = b.input(&[1, 4]);
        let c = b.random(&[1, 2]);
        let shared = b.op(Op::Binary(Binary::Add), &[x, x]);
        let alone = b.op(Op::Unary(Function::Tanh), &[shared]);
        let y = b.op(Op::Concat { axis: 1 }, &[x, alone, shared, c]);
        let graph = b.output(y);
        let after = run(graph.clone(), &SimplifyOptions::default());
        assert_eq!(after.check(), Ok(()));
        equivalent(&graph, &after);
        assert_eq!(after.nodes.len(), graph.nodes.len() + 3);
    }
}
