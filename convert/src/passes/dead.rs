//! Drops nodes and values that no output needs, and numbers the rest anew.

use super::SimplifyOptions;
use crate::graph::{Graph, ValueId};

pub(super) fn run(mut graph: Graph, _: &SimplifyOptions) -> Graph {
    let mut live = vec![false; graph.values.len()];
    graph.inputs.iter().chain(&graph.outputs).for_each(|id| live[id.0] = true);
    let mut kept = vec![false; graph.nodes.len()];
    for (node, kept) in graph.nodes.iter().zip(&mut kept).rev() {
        *kept = node.outputs.iter().any(|id| live[id.0]);
        if *kept {
            node.inputs.iter().chain(&node.outputs).for_each(|id| live[id.0] = true);
        }
    }
    let mut kept = kept.into_iter();
    graph.nodes.retain(|_| kept.next().unwrap_or(true));
    renumber(graph, &live)
}

fn renumber(mut graph: Graph, live: &[bool]) -> Graph {
    let mut next = 0;
    let new: Vec<ValueId> = live
        .iter()
        .map(|live| {
            next += usize::from(*live);
            ValueId(next.saturating_sub(1))
        })
        .collect();
    let mut live = live.iter();
    graph.values.retain(|_| live.next().copied().unwrap_or(false));
    let nodes = graph.nodes.iter_mut().flat_map(|n| n.inputs.iter_mut().chain(&mut n.outputs));
    nodes.chain(&mut graph.inputs).chain(&mut graph.outputs).for_each(|id| *id = new[id.0]);
    graph
}

#[cfg(test)]
mod tests {
    use super::super::tests::Build;
    use super::*;
    use crate::graph::{Function, Op};

    #[test]
    fn unread_nodes_go_and_unread_inputs_stay() {
        let mut b = Build::new();
        let x = b.input(&[1, 3]);
        b.input(&[1, 2]);
        b.op(Op::Unary(Function::Exp), &[x]);
        let y = b.op(Op::Unary(Function::Abs), &[x]);
        b.number(2.0);
        let graph = run(b.output(y), &SimplifyOptions::default());
        assert_eq!(graph.check(), Ok(()));
        assert_eq!((graph.nodes.len(), graph.values.len(), graph.inputs.len()), (1, 3, 2));
    }
}
