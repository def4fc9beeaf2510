//! A model as tract 0.23 reads it rightly.
//!
//! tract removes the axes of a `Squeeze` from the last listed to the first, and panics where they are not listed in ascending order. Between a
//! DequantizeLinear and a QuantizeLinear it takes a Softmax for a function of single elements and makes a table of it; of an operand that is read
//! twice, as by `Max(x, x)`, which is `x`, it makes none.

use std::borrow::Cow;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};

use crate::import::Source;

/// The model with the axes of every `Squeeze` ascending, and every Softmax behind a Max. Axes of both signs, whose order depends on the
/// rank, stay as they are.
pub(super) fn repaired(source: &Source) -> Cow<'_, ModelProto> {
    let is_concerned = |node: &NodeProto| node.op_type == "Squeeze" || is_softmax(node);
    if !source.graph().node.iter().any(is_concerned) {
        return Cow::Borrowed(&source.model);
    }
    let mut model = source.model.clone();
    if let Some(graph) = &mut model.graph {
        (0..graph.node.len()).for_each(|index| sort(graph, index));
        graph.node = std::mem::take(&mut graph.node).into_iter().enumerate().flat_map(guarded).collect();
    }
    Cow::Owned(model)
}

fn is_softmax(node: &NodeProto) -> bool {
    matches!(&node.op_type[..], "Softmax" | "LogSoftmax") && !node.input.is_empty()
}

/// A node, behind a Max if it is a Softmax.
fn guarded((index, mut node): (usize, NodeProto)) -> Vec<NodeProto> {
    if !is_softmax(&node) {
        return vec![node];
    }
    let name = format!("Softmax_{index}.operand");
    let operand = std::mem::replace(&mut node.input[0], name.clone());
    let input = vec![operand.clone(), operand];
    let max =
        NodeProto { op_type: "Max".into(), name: name.clone(), input, output: vec![name], ..NodeProto::default() };
    vec![max, node]
}

fn sort(graph: &mut GraphProto, index: usize) {
    if graph.node[index].op_type != "Squeeze" {
        return;
    }
    if let Some(axes) = graph.node[index].attribute.iter_mut().find(|a| a.name == "axes") {
        sort_axes(&mut axes.ints);
    }
    let Some(mut axes) = graph.node[index].input.get(1).and_then(|name| integers(graph, name)) else { return };
    sort_axes(&mut axes);
    // Others may read the same constant in the order in which it is.
    let name = format!("Squeeze_{index}.axes");
    graph.node[index].input[1] = name.clone();
    graph.initializer.push(TensorProto {
        name,
        dims: vec![axes.len() as i64],
        data_type: DataType::Int64 as i32,
        int64_data: axes,
        ..TensorProto::default()
    });
}

fn sort_axes(axes: &mut [i64]) {
    if axes.iter().all(|axis| *axis < 0) || axes.iter().all(|axis| *axis >= 0) {
        axes.sort_unstable();
    }
}

/// The elements of a constant of type int64, from an initializer or a node `Constant`.
fn integers(graph: &GraphProto, name: &str) -> Option<Vec<i64>> {
    let initializer = graph.initializer.iter().find(|tensor| tensor.name == name);
    let writer = || graph.node.iter().find(|node| node.op_type == "Constant" && node.output.iter().any(|o| o == name));
    let tensor = initializer.or_else(|| writer().and_then(value))?;
    if tensor.data_type != DataType::Int64 as i32 {
        return None;
    }
    if tensor.raw_data.is_empty() {
        return Some(tensor.int64_data.clone());
    }
    Some(tensor.raw_data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
}

fn value(node: &NodeProto) -> Option<&TensorProto> {
    node.attribute.iter().find(|attribute| attribute.name == "value")?.t.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(axes: TensorProto) -> GraphProto {
        let input = vec!["x".to_string(), "axes".to_string()];
        let squeeze = NodeProto { op_type: "Squeeze".into(), input, ..NodeProto::default() };
        let axes = TensorProto { name: "axes".into(), data_type: DataType::Int64 as i32, ..axes };
        GraphProto { node: vec![squeeze], initializer: vec![axes], ..GraphProto::default() }
    }

    #[test]
    fn axes_of_one_sign_are_sorted_for_their_node_alone() {
        let raw_data = [-1i64, -2].iter().flat_map(|axis| axis.to_le_bytes()).collect();
        let mut graph = graph(TensorProto { raw_data, ..TensorProto::default() });
        sort(&mut graph, 0);
        assert_eq!(integers(&graph, &graph.node[0].input[1]), Some(vec![-2, -1]));
        assert_eq!(integers(&graph, "axes"), Some(vec![-1, -2]));
    }

    #[test]
    fn axes_of_both_signs_stay() {
        let mut graph = graph(TensorProto { int64_data: vec![-1, 0], ..TensorProto::default() });
        sort(&mut graph, 0);
        assert_eq!(integers(&graph, &graph.node[0].input[1]), Some(vec![-1, 0]));
    }
}
