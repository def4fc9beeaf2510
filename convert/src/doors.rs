//! What stands at the program's inputs and outputs: int8, or f32 with the change inside the program.

use ndarray::ArrayD;

use crate::Sample;
use crate::graph::{Graph, Kind, Node, Op, Value, ValueId};

/// The type of inputs and outputs of an int8 program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Io {
    /// int8 with the port's scale and zero point; the caller converts.
    #[default]
    Int8,
    /// f32; the program converts.
    F32,
}

/// Puts a quantization behind every input and a dequantization before every output, for [`Io::F32`].
#[must_use]
pub fn open(mut graph: Graph, io: Io) -> Graph {
    if io == Io::Int8 {
        return graph;
    }
    let inputs = graph.inputs.clone();
    let quantized: Vec<Node> = inputs.iter().map(|input| quantize(&mut graph, *input)).collect();
    graph.nodes.splice(0..0, quantized);
    for index in 0..graph.outputs.len() {
        dequantize(&mut graph, index);
    }
    graph
}

/// A node that quantizes `input` for all that read it.
fn quantize(graph: &mut Graph, input: ValueId) -> Node {
    let inner = beside(graph, input, "int8");
    for id in graph.nodes.iter_mut().flat_map(|node| &mut node.inputs).chain(&mut graph.outputs) {
        if *id == input {
            *id = inner;
        }
    }
    Node::new(&format!("{}.quantize", graph.value(input).name), Op::Quantize, &[input], inner)
}

fn dequantize(graph: &mut Graph, index: usize) {
    let inner = graph.outputs[index];
    if graph.value(inner).kind != Kind::F32 {
        return;
    }
    let output = beside(graph, inner, "f32");
    let name = graph.value(inner).name.clone();
    // The door bears the ONNX name, the value behind it the other one.
    graph.values[output.0].name = std::mem::replace(&mut graph.values[inner.0].name, format!("{name}.int8"));
    graph.nodes.push(Node::new(&format!("{name}.dequantize"), Op::Dequantize, &[inner], output));
    graph.outputs[index] = output;
}

/// A new value like `value`, that nothing reads or writes yet.
fn beside(graph: &mut Graph, value: ValueId, suffix: &str) -> ValueId {
    let like = graph.value(value);
    let new = Value { name: format!("{}.{suffix}", like.name), constant: None, ..like.clone() };
    graph.add(new)
}

/// A sample in the original's layout as the graph's inputs take it: with `--input-layout nhwc` the channels come last.
#[must_use]
pub fn arranged(graph: &Graph, sample: &[ArrayD<f32>]) -> Sample {
    let arrange = |(input, given): (&ValueId, &ArrayD<f32>)| {
        let original = graph.value(*input).original.as_ref().filter(|original| !original.perm.is_sorted());
        let shaped = original.and_then(|original| Some((given.to_shape(original.shape.as_slice()).ok()?, original)));
        shaped.map_or_else(
            || given.clone(),
            |(shaped, original)| shaped.permuted_axes(original.perm.clone()).as_standard_layout().into_owned(),
        )
    };
    graph.inputs.iter().zip(sample).map(arrange).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_keep_their_names_and_change_type_inside() {
        let mut graph = Graph::default();
        let x = graph.add(Value::activation("x", &[1, 4], Kind::F32));
        let y = graph.add(Value::activation("y", &[1, 4], Kind::F32));
        graph.nodes.push(Node::new("relu", Op::Unary(crate::graph::Function::Abs), &[x], y));
        (graph.inputs, graph.outputs) = (vec![x], vec![y]);
        let graph = open(graph, Io::F32);
        let ops: Vec<_> = graph.nodes.iter().map(|node| crate::encode::name(&node.op)).collect();
        assert_eq!(ops, ["Quantize", "Unary", "Dequantize"]);
        assert_eq!(graph.value(graph.inputs[0]).name, "x");
        assert_eq!(graph.value(graph.outputs[0]).name, "y");
        graph.check().unwrap();
    }
    #[test]
    fn samples_are_turned_like_the_inputs() {
        let mut graph = Graph::default();
        let x = graph.add(Value::activation("x", &[1, 2, 1, 3], Kind::F32));
        let original = crate::graph::Original { tensor: "x".into(), shape: vec![1, 3, 2, 1], perm: vec![0, 2, 3, 1] };
        graph.values[x.0].original = Some(original);
        graph.inputs.push(x);
        let given = ndarray::Array::from_iter(0..6).mapv(|i| i as f32).into_shape_with_order(vec![1, 3, 2, 1]).unwrap();
        let turned = &arranged(&graph, &[given])[0];
        assert_eq!(turned.as_slice().unwrap(), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
    }
}
