//! TensorFlow Lite files to ONNX protobufs, which the importer and the oracle then read like any other.
//!
//! The file says how its integers stand for real numbers; in ONNX, QuantizeLinear and DequantizeLinear say the same. Images have
//! channels last; where ONNX wants them first, Transpose nodes stand round the operator. Any bytes may be given: the flatbuffer is verified,
//! then each index, size and count in it is checked, and a small file cannot unfold to a large model.

mod constant;
mod file;
mod names;
mod onnx;
mod ops;
mod schema;
mod sparse;
mod state;
mod translation;

use tract_onnx::pb::{ModelProto, OperatorSetIdProto};

use super::problems::Problems;
use crate::error::ConvertError;
use file::File;
use translation::Translation;

pub(super) use state::pairs as listed_states;

/// Whether the bytes say that they are a TensorFlow Lite file.
pub(super) fn is_tflite(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"TFL3")
}

/// The ONNX model of the same meaning.
///
/// # Errors
/// What is wrong with the file, or the operators that are not supported, all of them.
pub(super) fn translate(bytes: &[u8]) -> Result<ModelProto, ConvertError> {
    let file = File::read(bytes)?;
    let mut translation = Translation::new(&file, bytes.len())?;
    for (index, translate) in translations(&translation)?.into_iter().enumerate() {
        let op = translation.op(index)?;
        translate(&mut translation, &op)?;
    }
    let (graph, metadata_props) = translation.finish()?;
    let opset = OperatorSetIdProto { domain: String::new(), version: onnx::OPSET };
    Ok(ModelProto {
        ir_version: onnx::IR_VERSION,
        opset_import: vec![opset],
        producer_name: "lacewing".into(),
        graph: Some(graph),
        metadata_props,
        ..ModelProto::default()
    })
}

/// How each operator is translated, or all that are not supported.
fn translations(translation: &Translation<'_>) -> Result<Vec<ops::Translate>, ConvertError> {
    let mut problems = Problems::default();
    let mut found = Vec::new();
    for (index, operator) in translation.graph.operators.iter().enumerate() {
        match ops::find(operator) {
            Some(translate) => found.push(translate),
            None => {
                problems.add(translation.op(index)?.error("is not supported; replace it, or export the model as ONNX"))
            }
        }
    }
    problems.end().map(|()| found)
}
