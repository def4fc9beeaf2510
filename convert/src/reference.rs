//! What a conversion is compared with: the float original through tract, or, where tract cannot run it, the float program on our
//! own runtime.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lacewing::format::Op;
use ndarray::{ArrayD, IxDyn};

use crate::Sample;
use crate::doors;
use crate::encode::{Context, Encoded, encode};
use crate::error::ConvertError;
use crate::graph::{Graph, NodeId, Original, ValueId};
use crate::import::ImportOptions;
use crate::oracle::Oracle;
use crate::runner::{Runner, reals};
use crate::transposed::transposed;

/// ONNX tensors by name.
pub type Tensors = HashMap<String, ArrayD<f32>>;

/// A float program and the node of each of its records.
#[derive(Clone, Debug)]
pub struct FloatProgram {
    runner: Runner,
    ops: Vec<Op>,
    layers: Vec<NodeId>,
}

impl FloatProgram {
    /// The program of `graph`.
    ///
    /// # Errors
    /// [`ConvertError`] if the graph cannot be encoded.
    pub fn new(graph: &Graph) -> Result<Self, ConvertError> {
        let Encoded { file, layers, .. } = encode(&Context::float(graph)?)?;
        let runner = Runner::new(&file)?;
        let ops = runner.model().ops().collect();
        Ok(Self { runner, ops, layers })
    }

    /// Runs a sample, whose arrays lie as the original's inputs, and shows every value of `graph`, which the program was made from:
    /// inputs, what each record writes, outputs.
    ///
    /// # Errors
    /// [`ConvertError::Run`] if the sample does not fit.
    pub fn run(
        &mut self,
        graph: &Graph,
        sample: &[ArrayD<f32>],
        mut see: impl FnMut(ValueId, Vec<f32>),
    ) -> Result<(), ConvertError> {
        let sample = doors::arranged(graph, sample);
        graph.inputs.iter().zip(&sample).for_each(|(value, input)| see(*value, input.iter().copied().collect()));
        let (ops, layers) = (&self.ops, &self.layers);
        let outputs = self.runner.run_with(&sample, |record, bytes| {
            let value = graph.nodes[layers[record].0].outputs[0];
            see(value, reals(bytes, ops[record].output().dtype(), 1.0, 0));
        })?;
        graph.outputs.iter().zip(outputs).for_each(|(value, output)| see(*value, output.into_iter().collect()));
        Ok(())
    }
}

/// What the written bytes are compared with.
pub enum Reference {
    /// The float original, run by tract.
    Tract(Box<Oracle>),
    /// The float program of the simplified graph, run by Lacewing.
    Lacewing {
        /// The program.
        program: Box<Mutex<FloatProgram>>,
        /// The graph that it was made from.
        graph: Box<Graph>,
        /// Why tract does not run the original.
        reason: String,
    },
}

impl Reference {
    /// tract if it runs the original on the first sample and gives all its outputs in their shapes. `graph` is the original
    /// simplified.
    ///
    /// # Errors
    /// [`ConvertError`] if the file is broken, the sample does not fit, or the graph cannot be encoded.
    pub fn new(onnx: &[u8], options: &ImportOptions, graph: &Graph, samples: &[Sample]) -> Result<Self, ConvertError> {
        match Oracle::new(onnx, options).and_then(|oracle| tried(oracle, graph, samples)) {
            Ok(oracle) => Ok(Self::Tract(Box::new(oracle))),
            Err(ConvertError::Oracle { reason }) => Self::without_tract(graph, reason),
            Err(error) => Err(error),
        }
    }

    fn without_tract(graph: &Graph, reason: String) -> Result<Self, ConvertError> {
        let program = Box::new(Mutex::new(FloatProgram::new(graph)?));
        Ok(Self::Lacewing { program, graph: Box::new(graph.clone()), reason })
    }

    /// `tract`, or `lacewing f32: ` and why tract is not.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Tract(_) => "tract".into(),
            Self::Lacewing { reason, .. } => format!("lacewing f32: {reason}"),
        }
    }

    /// Starts a stream anew; nothing for a model without state.
    pub fn reset(&self) {
        match self {
            Self::Tract(oracle) => oracle.reset(),
            Self::Lacewing { program, .. } => locked(program).runner.reset(),
        }
    }

    /// Every known tensor of the original for one sample. A model with state goes on where the last run left it.
    ///
    /// # Errors
    /// [`ConvertError`] if the sample does not fit or the reference fails on it.
    pub fn run(&self, sample: &[ArrayD<f32>]) -> Result<Tensors, ConvertError> {
        match self {
            Self::Tract(oracle) => oracle.run_all(sample),
            Self::Lacewing { program, graph, .. } if graph.states.is_empty() => {
                tensors(&mut locked(program).clone(), graph, sample)
            }
            Self::Lacewing { program, graph, .. } => tensors(&mut locked(program), graph, sample),
        }
    }
}

fn locked(program: &Mutex<FloatProgram>) -> MutexGuard<'_, FloatProgram> {
    program.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The oracle, if it runs the first sample and its outputs have the elements that the graph's have.
fn tried(oracle: Oracle, graph: &Graph, samples: &[Sample]) -> Result<Oracle, ConvertError> {
    let Some(sample) = samples.first() else { return Ok(oracle) };
    let outputs = oracle.run(sample)?;
    for (value, output) in graph.outputs.iter().zip(&outputs) {
        let (name, shape) = (&graph.value(*value).name, graph.shape(*value));
        if output.len() != shape.iter().product::<usize>() {
            let reason = format!("it gives `{name}` the shape {:?}, which is {shape:?}", output.shape());
            return Err(ConvertError::Oracle { reason });
        }
    }
    Ok(oracle)
}

/// What a float program computes, by the names that the values have in the original and in its order.
fn tensors(program: &mut FloatProgram, graph: &Graph, sample: &[ArrayD<f32>]) -> Result<Tensors, ConvertError> {
    let mut tensors = HashMap::new();
    program.run(graph, sample, |id, numbers| {
        let value = graph.value(id);
        let original = value.original.clone().unwrap_or_else(|| Original::same(&value.name, &value.shape));
        if let Some(tensor) = in_original_order(&original, numbers) {
            tensors.insert(original.tensor, tensor);
        }
    })?;
    Ok(tensors)
}

fn in_original_order(original: &Original, numbers: Vec<f32>) -> Option<ArrayD<f32>> {
    let Original { shape, perm, .. } = original;
    let lying: Vec<usize> = perm.iter().map(|axis| shape[*axis]).collect();
    let mut inverse = vec![0; perm.len()];
    perm.iter().enumerate().for_each(|(at, axis)| inverse[*axis] = at);
    let lying = ArrayD::from_shape_vec(IxDyn(&lying), numbers).ok()?;
    Some(transposed(lying.view(), &inverse))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::tests::{Case, EXPORTS, data, difference};
    use crate::passes::simplify;

    #[test]
    fn the_float_program_gives_what_tract_gives() {
        for name in EXPORTS {
            let Case { graph, oracle, inputs, .. } = Case::load(&data(), name);
            let graph = simplify(graph, &Default::default()).unwrap();
            let ours = Reference::without_tract(&graph, String::new()).unwrap().run(&inputs).unwrap();
            let tracts = oracle.run_all(&inputs).unwrap();
            assert!(oracle.output_names().iter().all(|output| ours.contains_key(output)), "{name}");
            for (tensor, ours) in &ours {
                let Some(tracts) = tracts.get(tensor) else { continue };
                let ours = ours.to_shape(tracts.shape()).unwrap().into_owned();
                assert!(difference(&ours, tracts) < 2e-4, "{name}: {tensor}");
            }
        }
    }

    #[test]
    fn channels_last_come_back_channels_first() {
        let original = Original { tensor: "x".into(), shape: vec![1, 3, 2, 1], perm: vec![0, 2, 3, 1] };
        let tensor = in_original_order(&original, vec![0.0, 2.0, 4.0, 1.0, 3.0, 5.0]).unwrap();
        assert_eq!(tensor.shape(), [1, 3, 2, 1]);
        assert_eq!(tensor.as_slice().unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!(in_original_order(&original, vec![0.0]).is_none());
    }
}
