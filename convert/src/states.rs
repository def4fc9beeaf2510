//! Models that take a state and give the next one: the pair becomes a part of the arena that one run leaves to the next.
//!
//! Samples are then the steps of one stream, in their order.

use crate::error::ConvertError;
use crate::graph::{Function, Graph, Kind, Node, Op, State, Value, ValueId};
use crate::import::StateNames;

/// Makes a state of each pair of an input and an output, by their names in the original.
///
/// # Errors
/// [`ConvertError::Input`] if the model has no such input or output, or they do not fit each other.
pub fn bind(mut graph: Graph, names: &[StateNames]) -> Result<Graph, ConvertError> {
    let nexts: Vec<(ValueId, ValueId)> = names.iter().map(|names| take(&mut graph, names)).collect::<Result<_, _>>()?;
    // What is stored must not be a state that an earlier store has replaced.
    let nexts: Vec<_> = nexts.into_iter().map(|(input, next)| (input, computed(&mut graph, next))).collect();
    for (input, next) in nexts {
        let output = like(&mut graph, input, "next");
        let rank = graph.shape(input).len();
        let store = Op::Slice { starts: vec![0; rank], steps: vec![1; rank] };
        let name = format!("{}.store", graph.value(input).name);
        graph.nodes.push(Node::new(&name, store, &[next], output));
        graph.states.push(State { input, output });
    }
    graph.check().map_err(|reason| ConvertError::Pass { pass: "states", reason })?;
    Ok(graph)
}

/// Takes a pair off the graph's doors.
fn take(graph: &mut Graph, StateNames { input, output }: &StateNames) -> Result<(ValueId, ValueId), ConvertError> {
    let error = |reason: String| ConvertError::Input { input: input.clone(), reason };
    let at = |doors: &[ValueId], name: &str| doors.iter().position(|id| graph.value(*id).name == *name);
    let from =
        at(&graph.inputs, input).ok_or_else(|| error("is named as a state, and the model has no such input".into()))?;
    let to = at(&graph.outputs, output)
        .ok_or_else(|| error(format!("takes its next state from `{output}`, and the model has no such output")))?;
    let (from, to) = (graph.inputs.remove(from), graph.outputs.remove(to));
    let [a, b] = [from, to].map(|id| graph.shape(id).to_vec());
    if a != b || graph.value(from).kind == Kind::Index || graph.value(to).kind == Kind::Index {
        return Err(error(format!("is a state of shape {a:?}, and its next state `{output}` has the shape {b:?}")));
    }
    Ok((from, to))
}

/// The value itself if a node writes it, else a copy.
fn computed(graph: &mut Graph, id: ValueId) -> ValueId {
    if graph.nodes.iter().any(|node| node.outputs.contains(&id)) {
        return id;
    }
    let copy = like(graph, id, "copy");
    let name = graph.value(copy).name.clone();
    graph.nodes.push(Node::new(&name, Op::Unary(Function::Identity), &[id], copy));
    copy
}

fn like(graph: &mut Graph, id: ValueId, suffix: &str) -> ValueId {
    let value = graph.value(id);
    let new = Value::activation(&format!("{}.{suffix}", value.name), &value.shape, value.kind);
    graph.add(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(input: &str, output: &str) -> StateNames {
        StateNames { input: input.into(), output: output.into() }
    }

    /// `a' = x`, `b' = a`: a line of delays.
    fn delays() -> Graph {
        let mut graph = Graph::default();
        let [x, a, b, y, to_a, to_b] =
            ["x", "a", "b", "y", "to_a", "to_b"].map(|name| graph.add(Value::activation(name, &[1, 4], Kind::F32)));
        let copy = |name, from, to| Node::new(name, Op::Unary(Function::Identity), &[from], to);
        graph.nodes = vec![copy("y", b, y), copy("to_a", x, to_a), copy("to_b", a, to_b)];
        (graph.inputs, graph.outputs) = (vec![x, a, b], vec![y, to_a, to_b]);
        graph
    }

    #[test]
    fn a_pair_of_doors_becomes_a_state() {
        let graph = bind(delays(), &[names("a", "to_a"), names("b", "to_b")]).unwrap();
        assert_eq!((graph.inputs.len(), graph.outputs.len(), graph.states.len()), (1, 1, 2));
        assert!(graph.nodes[3..].iter().all(|node| matches!(node.op, Op::Slice { .. })));
    }

    #[test]
    fn a_state_that_another_takes_over_is_copied_before_it_is_replaced() {
        let mut graph = delays();
        graph.nodes.pop();
        graph.outputs[2] = graph.inputs[1];
        graph.values[graph.inputs[1].0].name = "a".into();
        let graph = bind(graph, &[names("a", "to_a"), names("b", "a")]).unwrap();
        let ops: Vec<_> = graph.nodes.iter().map(|node| crate::encode::name(&node.op)).collect();
        assert_eq!(ops, ["Unary", "Unary", "Unary", "Slice", "Slice"]);
    }

    #[test]
    fn doors_that_are_not_there_or_do_not_fit_are_named() {
        let error = |from: &str, to: &str| bind(delays(), &[names(from, to)]).unwrap_err().to_string();
        assert!(error("c", "to_a").contains("`c`"));
        assert!(error("a", "to_c").contains("`to_c`"));
        let mut graph = delays();
        graph.values[4].shape = vec![1, 5];
        assert!(bind(graph, &[names("a", "to_a")]).unwrap_err().to_string().contains("[1, 5]"));
    }
}
