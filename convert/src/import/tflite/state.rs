//! What a model carries from one run to the next: an input and an output of the ONNX model, as ONNX models carry state.
//!
//! The pairs stand in the model's properties under [`PROPERTY`], as `input>output;…`. A state holds real values, at the start zeros.

use std::collections::{BTreeMap, HashMap};

use tract_onnx::pb::{ModelProto, StringStringEntryProto};

use super::constant::{Quantization, integers};
use super::file::Subgraph;
use super::schema::{CallOnceOptions, VarHandleOptions};
use super::translation::{Op, Translation};
use super::{ops, schema};
use crate::error::ConvertError;
use crate::import::StateNames;

/// The property that lists the pairs.
pub(crate) const PROPERTY: &str = "lacewing.state";

/// The pairs of a model that lists them.
pub(crate) fn pairs(model: &ModelProto) -> Vec<StateNames> {
    let listed = model.metadata_props.iter().filter(|entry| entry.key == PROPERTY);
    let pairs = listed.flat_map(|entry| entry.value.split(';')).filter_map(|pair| pair.split_once('>'));
    pairs.map(|(input, output)| StateNames { input: input.into(), output: output.into() }).collect()
}

/// The model's states so far, by what the file calls them.
#[derive(Default)]
pub(super) struct States {
    states: BTreeMap<String, State>,
    /// The variable that each resource tensor stands for.
    handles: HashMap<usize, String>,
}

struct State {
    /// The input's name.
    input: String,
    /// A tensor of its type and shape.
    tensor: usize,
    /// The tensor that holds its real values now.
    current: String,
}

/// VAR_HANDLE: output 0 is a name for a variable.
pub(super) fn var_handle(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let handle = op.output(0)?;
    t.states.handles.insert(handle, variable(op.options()?));
    Ok(())
}

fn variable(options: VarHandleOptions<'_>) -> String {
    let parts = [options.container(), options.shared_name()];
    let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    parts.join("/")
}

fn handle(t: &Translation<'_>, op: &Op<'_>) -> Result<String, ConvertError> {
    let found = t.states.handles.get(&op.input(0)?).cloned();
    found.ok_or_else(|| op.error("reads a variable without a VAR_HANDLE before it"))
}

/// READ_VARIABLE: what was assigned before, in this run or the last.
pub(super) fn read_variable(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let variable = handle(t, op)?;
    let current = current(t, op, &variable, op.output(0)?)?;
    t.write(op, 0, &current)
}

/// ASSIGN_VARIABLE: input 1 for those who read later.
pub(super) fn assign_variable(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let variable = handle(t, op)?;
    let value = op.input(1)?;
    let real = t.real(value)?;
    current(t, op, &variable, value)?;
    assign(t, &variable, real);
    Ok(())
}

fn assign(t: &mut Translation<'_>, variable: &str, real: String) {
    if let Some(state) = t.states.states.get_mut(variable) {
        state.current = real;
    }
}

/// The state's real values now; the first use declares it as an input. Later ones must agree with it on what its numbers mean.
fn current(t: &mut Translation<'_>, op: &Op<'_>, variable: &str, tensor: usize) -> Result<String, ConvertError> {
    if let Some(state) = t.states.states.get(variable) {
        let scales = |i: usize| t.quantization(i).map(|q| q.map(|q| (q.scales, q.zeros)));
        let (declared, used) = (t.tensor(state.tensor), t.tensor(tensor));
        let same = (declared.element, &declared.shape) == (used.element, &used.shape);
        if !same || scales(state.tensor)? != scales(tensor)? {
            return Err(op.error(format!("uses variable `{variable}` with another type, shape or scale than before")));
        }
        return Ok(state.current.clone());
    }
    // The marks of the list of pairs.
    let input = t.free(&variable.replace(['>', ';'], "_"));
    t.declare(tensor, input.clone(), t.real_type(tensor)?);
    let state = State { input: input.clone(), tensor, current: input.clone() };
    t.states.states.insert(variable.into(), state);
    Ok(input)
}

/// Input `i`, which the operator keeps from run to run: its real values now.
pub(super) fn read_kept(t: &mut Translation<'_>, op: &Op<'_>, i: usize) -> Result<String, ConvertError> {
    let tensor = op.input(i)?;
    if !t.tensor(tensor).variable {
        return Err(op.error(format!("input {i}, `{}`, must be a variable", t.name(tensor))));
    }
    let variable = t.name(tensor).to_string();
    let current = current(t, op, &variable, tensor)?;
    t.rounded(tensor, &current)
}

/// The new real values of input `i`, which the operator keeps from run to run; gives them as they are kept.
pub(super) fn write_kept(t: &mut Translation<'_>, op: &Op<'_>, i: usize, name: &str) -> Result<String, ConvertError> {
    let tensor = op.input(i)?;
    let real = t.rounded(tensor, name)?;
    let variable = t.name(tensor).to_string();
    assign(t, &variable, real.clone());
    Ok(real)
}

/// CALL_ONCE: the variables before the first run. They must be zero.
pub(super) fn call_once(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let index = op.options::<CallOnceOptions<'_>>()?.subgraph();
    let subgraph = usize::try_from(index).ok().and_then(|i| t.file.subgraphs.get(i));
    let subgraph = subgraph.ok_or_else(|| op.error(format!("its subgraph {index} does not exist")))?;
    for (i, operator) in subgraph.operators.iter().enumerate() {
        let kind = ops::name(operator);
        let reason = match kind.as_str() {
            "VAR_HANDLE" => continue,
            "ASSIGN_VARIABLE" => match operator.inputs.get(1).copied().flatten() {
                Some(value) => not_zero(subgraph, value),
                None => Some("assigns nothing".into()),
            },
            _ => Some("only assignments of constants are supported before the first run".into()),
        };
        if let Some(reason) = reason {
            return Err(op.error(format!("in its subgraph {index}, operator {i}, {kind}: {reason}")));
        }
    }
    Ok(())
}

/// Why the tensor is no constant of zeros.
fn not_zero(subgraph: &Subgraph<'_>, value: usize) -> Option<String> {
    let tensor = &subgraph.tensors[value];
    let name = tensor.name;
    if tensor.data.is_none() {
        return Some(format!("`{name}` is no constant"));
    }
    let zero = match Quantization::of(tensor) {
        Ok(quantization) => quantization.and_then(|q| q.zeros.first().copied()).unwrap_or(0),
        Err(reason) => return Some(format!("`{name}` {reason}")),
    };
    let zeros = match tensor.element {
        schema::FLOAT32 => tensor.data.unwrap_or_default().iter().all(|byte| *byte == 0),
        _ => match integers(tensor) {
            Ok(integers) => integers.iter().all(|i| *i == zero),
            Err(reason) => return Some(format!("`{name}` {reason}")),
        },
    };
    (!zeros).then(|| format!("`{name}` is not all zero; only models whose state starts at zero are supported"))
}

impl States {
    /// Declares the outputs, and lists the pairs.
    pub(super) fn finish(t: &mut Translation<'_>) -> Result<Vec<StringStringEntryProto>, ConvertError> {
        let mut pairs = Vec::new();
        for state in std::mem::take(&mut t.states.states).into_values() {
            let next = t.free(&format!("{}.next", state.input));
            pairs.push(format!("{}>{next}", state.input));
            let next = t.identity(&state.current, next)?;
            t.give(state.tensor, next, t.real_type(state.tensor)?);
        }
        let entry = StringStringEntryProto { key: PROPERTY.into(), value: pairs.join(";") };
        Ok(if pairs.is_empty() { Vec::new() } else { vec![entry] })
    }
}
