//! What stands at the program's inputs and outputs: int8, or f32 with the change inside the program.

use ndarray::ArrayD;

use crate::Sample;
use crate::graph::{Graph, ValueId};
use crate::transposed::transposed;

/// The type of inputs and outputs of an int8 program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Io {
    /// int8 with the port's scale and zero point; the caller converts.
    #[default]
    Int8,
    /// f32; the program converts.
    F32,
}

/// A sample in the original's layout as the graph's inputs take it: with `--input-layout nhwc` the channels come last.
#[must_use]
pub fn arranged(graph: &Graph, sample: &[ArrayD<f32>]) -> Sample {
    let arrange = |(input, given): (&ValueId, &ArrayD<f32>)| {
        let original = graph.value(*input).original.as_ref().filter(|original| !original.perm.is_sorted());
        let shaped = original.and_then(|original| Some((given.to_shape(original.shape.as_slice()).ok()?, original)));
        shaped.map_or_else(|| given.clone(), |(shaped, original)| transposed(shaped.view(), &original.perm))
    };
    graph.inputs.iter().zip(sample).map(arrange).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Kind, Value};

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
