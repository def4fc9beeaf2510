//! A case of the suite: a model, what goes in, what must come out and how exactly.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use ndarray::ArrayD;
use prost::Message;
use serde::Deserialize;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, TensorProto};

use crate::tensor::reals;

/// How far `got` may be from `expected`: `atol + rtol·|expected|`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Tolerance {
    rtol: f64,
    atol: f64,
}

/// The suite's own, where a case has none.
const USUAL: Tolerance = Tolerance { rtol: 1e-3, atol: 1e-7 };
/// Two units in the last place of a bfloat16, as the suite's own runner allows.
const BRAIN: f64 = 1.0 / 64.0;

/// A case in memory.
pub(crate) struct Case {
    /// The model.
    pub(crate) model: ModelProto,
    /// The inputs, by name.
    pub(crate) inputs: Vec<TensorProto>,
    outputs: Vec<TensorProto>,
    tolerance: Tolerance,
}

impl Case {
    /// Reads the folder of a case.
    pub(crate) fn read(folder: &Path) -> Result<Case> {
        let model = ModelProto::decode(&fs::read(folder.join("model.onnx"))?[..])?;
        let mut inputs = tensors(folder, "input")?;
        let names = input_names(&model);
        ensure!(inputs.len() <= names.len(), "{} tensors for {} inputs", inputs.len(), names.len());
        inputs.iter_mut().zip(names).for_each(|(tensor, name)| tensor.name = name);
        let outputs = tensors(folder, "output")?;
        let tolerance = match fs::read(folder.join("data.json")) {
            Ok(json) => serde_json::from_slice(&json)?,
            Err(_) => USUAL,
        };
        Ok(Case { model, inputs, outputs, tolerance })
    }

    /// The model's bytes with these inputs as initializers, and the tensors of those that remain.
    pub(crate) fn with_constants(&self, constants: &[usize]) -> (Vec<u8>, Vec<&TensorProto>) {
        let mut model = self.model.clone();
        let graph = model.graph.get_or_insert_default();
        let fixed = constants.iter().filter_map(|i| self.inputs.get(*i));
        graph.initializer.extend(fixed.cloned());
        graph.input.retain(|input| !graph.initializer.iter().any(|tensor| tensor.name == input.name));
        let run_time = self.inputs.iter().enumerate().filter(|(i, _)| !constants.contains(i));
        (model.encode_to_vec(), run_time.map(|(_, tensor)| tensor).collect())
    }

    /// What is wrong with these outputs, if anything is.
    pub(crate) fn difference(&self, got: &[ArrayD<f32>]) -> Result<Option<String>> {
        if got.len() != self.outputs.len() {
            return Ok(Some(format!("gives {} outputs, not {}", got.len(), self.outputs.len())));
        }
        for (i, (got, tensor)) in got.iter().zip(&self.outputs).enumerate() {
            let expected = reals(tensor).with_context(|| format!("output {i}"))?;
            if let Some(what) = difference(got, &expected, self.tolerance.of(tensor)) {
                return Ok(Some(format!("output {i} {what}")));
            }
        }
        Ok(None)
    }
}

impl Tolerance {
    fn of(self, tensor: &TensorProto) -> Tolerance {
        match DataType::try_from(tensor.data_type) {
            Ok(DataType::Bfloat16) => Tolerance { rtol: self.rtol.max(BRAIN), ..self },
            _ => self,
        }
    }

    fn allows(self, got: f64, expected: f64) -> bool {
        match expected.is_finite() {
            true => (got - expected).abs() <= self.atol + self.rtol * expected.abs(),
            false => got == expected || (got.is_nan() && expected.is_nan()),
        }
    }
}

/// Graph inputs without initializers, in order.
fn input_names(model: &ModelProto) -> Vec<String> {
    let Some(graph) = &model.graph else { return Vec::new() };
    let initialized = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
    let names = graph.input.iter().map(|input| input.name.clone());
    names.filter(|name| !initialized(name)).collect()
}

/// `input_0.pb`, `input_1.pb` and so on, up to the first that does not exist.
fn tensors(folder: &Path, what: &str) -> Result<Vec<TensorProto>> {
    let path = |i| folder.join(format!("test_data_set_0/{what}_{i}.pb"));
    let files = (0..).map(path).take_while(|path| path.is_file());
    files.map(|path| TensorProto::decode(&fs::read(&path)?[..]).with_context(|| path.display().to_string())).collect()
}

fn difference(got: &ArrayD<f32>, expected: &ArrayD<f64>, tolerance: Tolerance) -> Option<String> {
    if got.shape() != expected.shape() {
        return Some(format!("has the shape {:?}, not {:?}", got.shape(), expected.shape()));
    }
    let pairs = || got.iter().map(|x| f64::from(*x)).zip(expected.iter().copied());
    let wrong = pairs().filter(|(got, expected)| !tolerance.allows(*got, *expected)).count();
    let (i, (got, expected)) = pairs().enumerate().find(|(_, (got, want))| !tolerance.allows(*got, *want))?;
    Some(format!("differs in {wrong} of {} elements; element {i} is {got}, not {expected}", pairs().count()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr1;

    #[test]
    fn numbers_compare_as_the_suite_compares_them() {
        let allows = |got, expected| USUAL.allows(got, expected);
        assert!(allows(1.0009, 1.0) && !allows(1.0011, 1.0));
        assert!(allows(f64::NAN, f64::NAN) && !allows(f64::NAN, 0.0));
        assert!(allows(f64::INFINITY, f64::INFINITY) && !allows(0.0, f64::INFINITY));
        assert!(!allows(f64::INFINITY, f64::NEG_INFINITY));
        assert!(!allows(2e-7, 0.0));
        let brain = TensorProto { data_type: DataType::Bfloat16 as i32, ..TensorProto::default() };
        assert!(USUAL.of(&brain).allows(1.01, 1.0));
    }

    #[test]
    fn shapes_count() {
        let (got, expected) = (arr1(&[1.0, 3.0]).into_dyn(), arr1(&[1.0, 2.0]).into_dyn());
        let text = difference(&got, &expected, USUAL).unwrap();
        assert_eq!(text, "differs in 1 of 2 elements; element 1 is 3, not 2");
        let row = got.into_shape_with_order(vec![1, 2]).unwrap();
        assert!(difference(&row, &expected, USUAL).unwrap().contains("shape"));
    }
}
