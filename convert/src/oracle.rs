//! The float original, run by tract: what every conversion is compared with.

mod repair;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ndarray::ArrayD;
use tract_core::internal::TVec;
use tract_core::ops::konst::Const;
use tract_core::optim::Optimizer;
use tract_core::plan::SimplePlan;
use tract_core::prelude::{DatumType, OutletId, TValue, Tensor, TypedFact, TypedModel, TypedOp};
use tract_onnx::pb::AttributeProto;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::tract_hir::infer::InferenceModelExt;
use tract_onnx::tract_hir::prelude::{InferenceFact, TractResult};

use crate::error::ConvertError;
use crate::import::{ImportOptions, InputType, Source, StateNames, declared, quietly};

/// Nodes times outputs up to which tract chooses kernels: its passes take so many steps, again and again.
const MAX_CHOSEN: usize = 1 << 18;

/// Nodes of a model that is run by tract: to type them takes it time that grows with their square.
const MAX_NODES: usize = 1 << 13;

type Plan = SimplePlan<TypedFact, Box<dyn TypedOp>>;

/// An ONNX model in float, exactly as its file has it.
pub struct Oracle {
    plan: Arc<Plan>,
    /// The same model with every tensor that has a name there as an output, so that none is merged into another.
    open: Arc<Plan>,
    /// The names of its outputs.
    tensors: Vec<String>,
    inputs: Vec<InputType>,
    outputs: Vec<String>,
    states: Vec<StateNames>,
    /// The states as the last run left them, by the names of their inputs.
    kept: Mutex<HashMap<String, ArrayD<f32>>>,
}

impl Oracle {
    /// Prepares the model. It is typed, its constants are folded and kernels are chosen, but it is never decluttered:
    /// tract's rewriting drops names.
    ///
    /// # Errors
    /// What tract says where it cannot run the model, or what is wrong with the file.
    pub fn new(bytes: &[u8], options: &ImportOptions) -> Result<Oracle, ConvertError> {
        let source = Source::decode(bytes, options)?;
        misread(&source)?;
        let inputs = declared(&source, options)?;
        if source.order.len() > MAX_NODES {
            let reason = format!("its {} nodes would take tract too long", source.order.len());
            return Err(ConvertError::Oracle { reason });
        }
        let outputs: Vec<String> = source.graph().output.iter().map(|o| o.name.clone()).collect();
        let typed = settle(quietly(|| typed(&source, &inputs)))?;
        let plan = settle(quietly(|| planned(&typed)))?;
        let (open, tensors) = settle(quietly(|| opened(typed, &outputs)))?;
        let states = source.states(options);
        let oracle = Oracle { plan, open, tensors, inputs, outputs, states, kept: Mutex::default() };
        oracle.reset();
        Ok(oracle)
    }

    /// Starts a stream anew: every state is 0.
    pub fn reset(&self) {
        let states = self.inputs.iter().filter(|input| self.is_state(&input.name));
        let zeros = states.map(|input| (input.name.clone(), ArrayD::zeros(input.shape.clone()))).collect();
        *self.kept() = zeros;
    }

    /// Whether a run goes on where the last one left it.
    pub fn has_states(&self) -> bool {
        !self.states.is_empty()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, ArrayD<f32>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_state(&self, input: &str) -> bool {
        self.states.iter().any(|state| state.input == input)
    }

    /// The inputs that are no states.
    fn doors(&self) -> impl Iterator<Item = &InputType> {
        self.inputs.iter().filter(|input| !self.is_state(&input.name))
    }

    /// The shapes of the inputs, in ONNX's order.
    pub fn input_shapes(&self) -> Vec<Vec<usize>> {
        self.doors().map(|i| i.shape.clone()).collect()
    }

    /// The names of the inputs, in ONNX's order.
    pub fn input_names(&self) -> Vec<String> {
        self.doors().map(|i| i.name.clone()).collect()
    }

    /// The names of the outputs that are no states, in ONNX's order.
    pub fn output_names(&self) -> Vec<String> {
        let state = |name: &String| self.states.iter().any(|state| state.output == *name);
        self.outputs.iter().filter(|name| !state(name)).cloned().collect()
    }

    /// The model's outputs for one sample. Inputs are in ONNX's order, without states; each is reshaped where the counts agree.
    /// Integer outputs come as reals. States go on where the last run left them.
    ///
    /// # Errors
    /// If the inputs do not fit or tract fails.
    pub fn run(&self, inputs: &[ArrayD<f32>]) -> Result<Vec<ArrayD<f32>>, ConvertError> {
        let values = self.values(inputs)?;
        let outputs: Vec<ArrayD<f32>> = settle(quietly(|| self.plan.run(values)?.iter().map(|v| array(v)).collect()))?;
        let mut named: HashMap<String, ArrayD<f32>> = self.outputs.iter().cloned().zip(outputs).collect();
        self.keep(&named);
        Ok(self.output_names().iter().filter_map(|name| named.remove(name)).collect())
    }

    /// Every tensor of the model that has a name there, by that name: inputs, what nodes write, outputs.
    ///
    /// # Errors
    /// If the inputs do not fit or tract fails.
    pub fn run_all(&self, inputs: &[ArrayD<f32>]) -> Result<HashMap<String, ArrayD<f32>>, ConvertError> {
        let values = self.values(inputs)?;
        let tensors = settle(quietly(|| self.collect(values)))?;
        self.keep(&tensors);
        Ok(tensors)
    }

    fn keep(&self, tensors: &HashMap<String, ArrayD<f32>>) {
        let mut kept = self.kept();
        for StateNames { input, output } in &self.states {
            if let Some(next) = tensors.get(output) {
                kept.insert(input.clone(), next.clone());
            }
        }
    }

    fn collect(&self, inputs: TVec<TValue>) -> TractResult<HashMap<String, ArrayD<f32>>> {
        let given = self.inputs.iter().map(|input| &input.name).zip(inputs.clone());
        let outputs = self.open.run(inputs)?;
        let computed = self.tensors.iter().zip(outputs);
        // A tensor that is not numeric has no place in a comparison of numbers.
        Ok(given.chain(computed).filter_map(|(name, value)| Some((name.clone(), array(&value).ok()?))).collect())
    }

    fn values(&self, given: &[ArrayD<f32>]) -> Result<TVec<TValue>, ConvertError> {
        let wanted = self.doors().count();
        if given.len() != wanted {
            let reason = format!("it has {wanted} inputs, and {} were given", given.len());
            return Err(ConvertError::Oracle { reason });
        }
        let (kept, mut given) = (self.kept(), given.iter());
        let of = |input: &InputType| value(kept.get(&input.name).or_else(|| given.next()), input);
        self.inputs.iter().map(of).collect()
    }
}

fn settle<T>(result: Result<TractResult<T>, String>) -> Result<T, ConvertError> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e)) => Err(ConvertError::Oracle { reason: format!("{e:#}") }),
        Err(reason) => Err(ConvertError::Oracle { reason }),
    }
}

fn typed(source: &Source, inputs: &[InputType]) -> TractResult<TypedModel> {
    let onnx = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
    let mut model = onnx.parse(&repair::repaired(source), None)?.model;
    for (i, input) in inputs.iter().enumerate() {
        model.set_input_fact(i, InferenceFact::dt_shape(datum_type(input.element), &input.shape))?;
    }
    let outlets = model.output_outlets()?.to_vec();
    for outlet in outlets {
        model.set_outlet_fact(outlet, InferenceFact::default())?;
    }
    let mut typed: TypedModel = model.into_typed()?;
    Optimizer::prop_consts().optimize(&mut typed)?;
    Ok(typed)
}

/// Chooses kernels, without the rewriting before it, unless that would take longer than the slow ones.
fn planned(typed: &TypedModel) -> TractResult<Arc<Plan>> {
    let mut fast = typed.clone();
    if typed.nodes.len() * typed.output_outlets()?.len() > MAX_CHOSEN {
        return SimplePlan::new(fast);
    }
    match Optimizer::codegen().optimize(&mut fast) {
        Ok(()) => SimplePlan::new(fast),
        Err(_) => SimplePlan::new(typed.clone()),
    }
}

/// Behind the outputs, of these names, every other tensor that a node computes and that has a name is an output too; all names.
fn opened(mut typed: TypedModel, outputs: &[String]) -> TractResult<(Arc<Plan>, Vec<String>)> {
    let (mut outlets, mut names) = (typed.output_outlets()?.to_vec(), outputs.to_vec());
    let computed = typed.nodes.iter().filter(|node| !node.op_is::<Const>());
    for outlet in computed.flat_map(|node| (0..node.outputs.len()).map(|slot| OutletId::new(node.id, slot))) {
        if let Some(name) = typed.outlet_label(outlet).filter(|name| !outputs.iter().any(|output| output == name)) {
            outlets.push(outlet);
            names.push(name.to_string());
        }
    }
    typed.select_output_outlets(&outlets)?;
    Ok((planned(&typed)?, names))
}

/// The types that `declared` lets pass.
fn datum_type(element: DataType) -> DatumType {
    match element {
        DataType::Float16 => DatumType::F16,
        DataType::Double => DatumType::F64,
        DataType::Bool => DatumType::Bool,
        DataType::Int8 => DatumType::I8,
        DataType::Int16 => DatumType::I16,
        DataType::Int32 => DatumType::I32,
        DataType::Int64 => DatumType::I64,
        DataType::Uint8 => DatumType::U8,
        DataType::Uint16 => DatumType::U16,
        DataType::Uint32 => DatumType::U32,
        DataType::Uint64 => DatumType::U64,
        _ => DatumType::F32,
    }
}

fn value(given: Option<&ArrayD<f32>>, declared: &InputType) -> Result<TValue, ConvertError> {
    let elements: Vec<f32> = given.into_iter().flatten().copied().collect();
    let tensor = Tensor::from_shape(&declared.shape, &elements)
        .and_then(|t| Ok(t.cast_to_dt(datum_type(declared.element))?.into_owned()));
    tensor.map(TValue::from).map_err(|_| ConvertError::Input {
        input: declared.name.clone(),
        reason: format!("has shape {:?}, and {:?} was given", declared.shape, given.map(|given| given.shape())),
    })
}

fn array(tensor: &Tensor) -> TractResult<ArrayD<f32>> {
    let cast = tensor.cast_to::<f32>()?;
    let view = cast.to_plain_array_view::<f32>()?;
    Ok(view.to_owned())
}

fn passed_over(op: &str, attribute: &AttributeProto) -> bool {
    let usual: &[&[u8]] = match op {
        "LSTM" => &[b"Sigmoid", b"Tanh", b"Tanh"],
        "GRU" => &[b"Sigmoid", b"Tanh"],
        _ => &[b"Tanh"],
    };
    match &attribute.name[..] {
        "direction" => attribute.s == b"reverse",
        "input_forget" => attribute.i != 0,
        "activations" => attribute.strings.iter().zip(usual.iter().cycle()).any(|(name, usual)| name != usual),
        name => name == "clip",
    }
}

/// A recurrent layer that tract 0.23 takes for another one: it passes over these attributes.
///
/// # Errors
/// [`ConvertError::Oracle`] with its name.
fn misread(source: &Source) -> Result<(), ConvertError> {
    let recurrent = source.graph().node.iter().filter(|node| matches!(&node.op_type[..], "LSTM" | "GRU" | "RNN"));
    for node in recurrent {
        if let Some(attribute) = node.attribute.iter().find(|attribute| passed_over(&node.op_type, attribute)) {
            let reason = format!("tract passes over `{}` of {} `{}`", attribute.name, node.op_type, node.name);
            return Err(ConvertError::Oracle { reason });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::Dimension;
    use prost::Message;
    use tract_onnx::pb::{ModelProto, NodeProto};

    use super::*;
    use crate::import::tests::data;

    #[test]
    fn it_can_move_between_threads() {
        fn sendable<T: Send + Sync>() {}
        sendable::<Oracle>();
    }

    #[test]
    fn it_does_not_take_recurrent_layers_that_it_misreads() {
        let oracle = |name: &str| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/onnx_ops");
            Oracle::new(&std::fs::read(format!("{folder}/{name}.onnx")).unwrap(), &ImportOptions::default())
        };
        assert!(oracle("lstm").is_ok() && oracle("lstm_bidirectional").is_ok());
        for (name, attribute) in [("lstm_clip", "clip"), ("lstm_reverse", "direction")] {
            let error = oracle(name).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(&format!("passes over `{attribute}`")), "{name}: {error}");
        }
    }

    /// Its results, in steps of 1/256 from −128, add up to 1.
    #[test]
    fn a_softmax_between_integers_is_no_table() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tflite/int8_softmax.tflite");
        let oracle = Oracle::new(&std::fs::read(file).unwrap(), &ImportOptions::default()).unwrap();
        let shape = oracle.input_shapes().remove(0);
        let row = *shape.last().unwrap();
        let sample = ArrayD::from_shape_fn(shape, |at| at.slice().iter().sum::<usize>() as f32 * 7.0);
        let steps: Vec<f32> = oracle.run(&[sample]).unwrap()[0].iter().map(|q| q + 128.0).collect();
        let sums: Vec<f32> = steps.chunks(row).map(|row| row.iter().sum()).collect();
        assert!(sums.iter().all(|sum| (sum - 256.0).abs() < row as f32), "{sums:?}");
    }

    /// So long that kernels are chosen for the outputs alone, not with every tensor as one.
    #[test]
    fn a_long_chain_gives_every_tensor() {
        let bytes = std::fs::read(data().join("two_inputs.onnx")).unwrap();
        let mut model = ModelProto::decode(&bytes[..]).unwrap();
        let graph = model.graph.as_mut().unwrap();
        let end = graph.output[0].name.clone();
        let name = |i: usize| if i == 0 { end.clone() } else { format!("minus{i}") };
        let minus = |i| NodeProto {
            op_type: "Neg".into(),
            name: name(i + 1),
            input: vec![name(i)],
            output: vec![name(i + 1)],
            ..Default::default()
        };
        graph.node.extend((0..600).map(minus));
        graph.output[0].name = name(600);
        let oracle = Oracle::new(&model.encode_to_vec(), &ImportOptions::default()).unwrap();
        let sample: Vec<_> = oracle.input_shapes().into_iter().map(|shape| ArrayD::from_elem(shape, 0.5)).collect();
        let tensors = oracle.run_all(&sample).unwrap();
        assert_eq!(oracle.run(&sample).unwrap()[0], tensors[&name(600)]);
        assert_eq!(tensors[&end], tensors[&name(600)]);
        assert_eq!(tensors[&end].mapv(|x| -x), tensors[&name(599)]);
    }

    #[test]
    fn broken_files_are_errors() {
        assert!(Oracle::new(b"nothing", &ImportOptions::default()).is_err());
    }
}
