//! uint16 whose zero point is in the middle of its range as int16, which an integer program holds.
//!
//! It may be read by what dequantizes it alone: anyone else sees the integers themselves.

use super::SimplifyOptions;
use crate::graph::{Function, Graph, Kind, Op, ValueId};

const MIDDLE: f32 = 32768.0;

pub(super) fn run(mut graph: Graph, _: &SimplifyOptions) -> Graph {
    for writer in 0..graph.nodes.len() {
        let value = graph.nodes[writer].outputs[0];
        if is_centered(&graph.nodes[writer].op) && is_only_dequantized(&graph, value) {
            graph.nodes[writer].op = signed(&graph.nodes[writer].op);
            graph
                .nodes
                .iter_mut()
                .filter(|node| node.inputs.contains(&value))
                .for_each(|node| node.op = signed(&node.op));
            (graph.values[value.0].kind, graph.values[value.0].original) = (Kind::I16, None);
        }
    }
    graph
}

/// Whether an operation quantizes to uint16 round its middle.
fn is_centered(op: &Op) -> bool {
    matches!(op, Op::Unary(Function::Quantize { zero, lo, hi, .. }) if *zero == MIDDLE && *lo == 0.0 && *hi == 65535.0)
}

fn is_only_dequantized(graph: &Graph, value: ValueId) -> bool {
    let mut readers = graph.nodes.iter().filter(|node| node.inputs.contains(&value));
    let dequantizes = |op: &Op| matches!(op, Op::Unary(Function::Dequantize { zero, .. }) if *zero == MIDDLE);
    readers.all(|node| dequantizes(&node.op)) && !graph.outputs.contains(&value)
}

fn signed(op: &Op) -> Op {
    match op {
        Op::Unary(Function::Quantize { scale, zero, lo, hi }) => {
            let [zero, lo, hi] = [zero, lo, hi].map(|x| x - MIDDLE);
            Op::Unary(Function::Quantize { scale: *scale, zero, lo, hi })
        }
        Op::Unary(Function::Dequantize { scale, zero }) => {
            Op::Unary(Function::Dequantize { scale: *scale, zero: zero - MIDDLE })
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Build, equivalent};
    use super::*;

    fn quantize(zero: f32) -> Op {
        Op::Unary(Function::Quantize { scale: 0.01, zero, lo: 0.0, hi: 65535.0 })
    }

    fn kinds(graph: Graph) -> Vec<Kind> {
        graph.values.into_iter().map(|value| value.kind).collect()
    }

    #[test]
    fn the_middle_becomes_zero() {
        for (zero, becomes) in [(MIDDLE, true), (1000.0, false)] {
            let mut build = Build::new();
            let x = build.input(&[2, 3]);
            let q = build.op(quantize(zero), &[x]);
            let y = build.op(Op::Unary(Function::Dequantize { scale: 0.01, zero }), &[q]);
            let graph = build.output(y);
            let found = run(graph.clone(), &Default::default());
            equivalent(&graph, &found);
            assert_eq!(kinds(found).contains(&Kind::I16), becomes);
        }
    }

    #[test]
    fn integers_at_a_door_stay() {
        let mut build = Build::new();
        let x = build.input(&[2, 3]);
        let q = build.op(quantize(MIDDLE), &[x]);
        let graph = build.output(q);
        assert!(!kinds(run(graph, &Default::default())).contains(&Kind::I16));
    }
}
