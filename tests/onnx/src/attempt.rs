//! Converting and running one case, with as few inputs made constant as it takes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lacewing_convert::error::ConvertError;
use lacewing_convert::runner::Runner;
use lacewing_convert::{Options, Precision, Sample, convert};
use serde::{Deserialize, Serialize};
use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;

use crate::case::Case;
use crate::tensor::reals;

/// What became of a case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// It passes with these inputs as constants.
    Passed(Vec<usize>),
    /// It fails in each of these ways.
    Failed(Vec<Failure>),
}

/// One reason for which a case fails with some of its inputs as constants.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The inputs that were constants.
    pub(crate) constants: Vec<usize>,
    /// How far it came.
    pub(crate) stage: Stage,
    /// The operator in question, if the converter named one.
    pub(crate) op: Option<String>,
    /// The reason.
    pub(crate) reason: String,
}

/// The later, the closer to passing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// Its files are not read, or something panics or does not end.
    Broken,
    /// It is not converted.
    Convert,
    /// It does not run, or gives something else.
    Run,
}

impl Failure {
    /// With no inputs as constants, and without an operator.
    pub(crate) fn new(stage: Stage, reason: impl Into<String>) -> Failure {
        Failure { constants: Vec::new(), stage, op: None, reason: reason.into() }
    }
}

/// The first set of constants that lets the case pass, or why none does.
pub(crate) fn judge(case: &Case) -> Outcome {
    let mut failures = Vec::new();
    for constants in ladder(&case.inputs) {
        match guarded(case, &constants) {
            Ok(()) => return Outcome::Passed(constants),
            Err(found) => {
                failures.extend(found.into_iter().map(|failure| Failure { constants: constants.clone(), ..failure }))
            }
        }
    }
    Outcome::Failed(failures)
}

/// The sets of inputs that are tried as constants: none, indices and sizes, these and single numbers, all but the first, and every
/// integer. Never all of a case's inputs.
fn ladder(inputs: &[TensorProto]) -> Vec<Vec<usize>> {
    let chosen = |wanted: &dyn Fn(usize, &TensorProto) -> bool| -> Vec<usize> {
        inputs.iter().enumerate().filter(|(i, tensor)| wanted(*i, tensor)).map(|(i, _)| i).collect()
    };
    let mut ladder = vec![Vec::new()];
    let sets = [
        chosen(&|i, tensor| i > 0 && is_index(tensor)),
        chosen(&|i, tensor| i > 0 && (is_index(tensor) || is_single(tensor))),
        chosen(&|i, _| i > 0),
        chosen(&|_, tensor| is_index(tensor)),
    ];
    for set in sets {
        if set.len() < inputs.len() && !ladder.contains(&set) {
            ladder.push(set);
        }
    }
    ladder
}

/// What shapes, axes, positions and conditions are made of.
fn is_index(tensor: &TensorProto) -> bool {
    let kind = DataType::try_from(tensor.data_type);
    matches!(kind, Ok(DataType::Int32 | DataType::Int64 | DataType::Bool))
}

fn is_single(tensor: &TensorProto) -> bool {
    tensor.dims.iter().product::<i64>() == 1
}

/// A panic is a failure like others.
fn guarded(case: &Case, constants: &[usize]) -> Result<(), Vec<Failure>> {
    let attempt = catch_unwind(AssertUnwindSafe(|| attempt(case, constants)));
    attempt.unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Err(vec![Failure::new(Stage::Broken, format!("panicked: {}", text.unwrap_or("no message")))])
    })
}

fn attempt(case: &Case, constants: &[usize]) -> Result<(), Vec<Failure>> {
    let (onnx, run_time) = case.with_constants(constants);
    let options = Options::of(Precision::F32);
    let conversion = convert(&onnx, &options, &[], |_| {}).map_err(|error| refused(&error))?;
    let broken = |error: anyhow::Error| vec![Failure::new(Stage::Broken, format!("{error:#}"))];
    let sample = sample(&run_time).map_err(broken)?;
    let run = |error: String| vec![Failure::new(Stage::Run, error)];
    let got = Runner::new(&conversion.file).and_then(|mut runner| runner.run(&sample));
    let got = got.map_err(|error| run(error.to_string()))?;
    match case.difference(&got).map_err(broken)? {
        None => Ok(()),
        Some(difference) => Err(run(difference)),
    }
}

/// Each problem by itself.
fn refused(error: &ConvertError) -> Vec<Failure> {
    let op = match error {
        ConvertError::Several { problems, .. } => return problems.iter().flat_map(|one| refused(&one.error)).collect(),
        ConvertError::Node { op, .. } => Some(op.clone()),
        _ => None,
    };
    vec![Failure { op, ..Failure::new(Stage::Convert, error.to_string()) }]
}

fn sample(inputs: &[&TensorProto]) -> anyhow::Result<Sample> {
    inputs.iter().map(|tensor| Ok(reals(tensor)?.mapv(|x| x as f32))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(kind: DataType, dims: &[i64]) -> TensorProto {
        TensorProto { data_type: kind as i32, dims: dims.to_vec(), ..TensorProto::default() }
    }

    #[test]
    fn the_fewest_constants_come_first_and_never_all() {
        let (x, scale) = (tensor(DataType::Float, &[2, 3]), tensor(DataType::Float, &[]));
        let indices = tensor(DataType::Int64, &[4]);
        let none = [Vec::<usize>::new()];
        assert_eq!(ladder(std::slice::from_ref(&x)), none);
        assert_eq!(ladder(&[]), none);
        let all = ladder(&[x.clone(), indices.clone(), scale, x.clone()]);
        assert_eq!(all, [vec![], vec![1], vec![1, 2], vec![1, 2, 3]]);
        assert_eq!(ladder(&[indices.clone(), x]), [vec![], vec![1], vec![0]]);
        assert_eq!(ladder(&[indices.clone(), indices]), [vec![], vec![1]]);
    }
}
