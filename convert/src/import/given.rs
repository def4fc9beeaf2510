//! Inputs that the user gives once and for all: they become initializers, and what follows from them is folded.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, TensorProto};

use super::ImportOptions;
use super::inputs::{InputType, input, input_error};
use crate::error::ConvertError;

/// Makes initializers of the inputs that `options` give.
pub(super) fn fix(model: &mut ModelProto, options: &ImportOptions) -> Result<(), ConvertError> {
    let Some(graph) = &mut model.graph else { return Ok(()) };
    for (name, numbers) in &options.constants {
        let missing = || ConvertError::Input { input: name.clone(), reason: "is no input of the model".into() };
        let info = graph.input.iter().find(|info| info.name == *name).ok_or_else(missing)?;
        let tensor = input(info, options).and_then(|input| tensor(&input, numbers));
        let tensor = tensor.map_err(|reason| input_error(info, reason))?;
        graph.initializer.retain(|other| other.name != *name);
        graph.initializer.push(tensor);
    }
    Ok(())
}

/// One number for every element, or one for each.
fn tensor(input: &InputType, numbers: &[f64]) -> Result<TensorProto, String> {
    let elements: usize = input.shape.iter().product();
    if numbers.len() != 1 && numbers.len() != elements {
        return Err(format!("has {elements} elements, and --constant gives {}", numbers.len()));
    }
    let mut raw_data = Vec::new();
    for number in numbers.iter().cycle().take(elements) {
        raw_data.extend(bytes(*number, input.element)?);
    }
    let dims = input.shape.iter().map(|dim| *dim as i64).collect();
    Ok(TensorProto {
        name: input.name.clone(),
        data_type: input.element as i32,
        dims,
        raw_data,
        ..TensorProto::default()
    })
}

/// A number as ONNX stores it: little-endian.
fn bytes(number: f64, element: DataType) -> Result<Vec<u8>, String> {
    let within = |lo: f64, hi: f64| match number.fract() == 0.0 && (lo..=hi).contains(&number) {
        true => Ok(number as i64),
        false => Err(format!("holds {}, which {number} is not", element.as_str_name().to_lowercase())),
    };
    let integer = |bits: i32, signed: bool| match signed {
        true => within(-(2f64.powi(bits - 1)), 2f64.powi(bits - 1) - 1.0),
        false => within(0.0, 2f64.powi(bits) - 1.0),
    };
    Ok(match element {
        DataType::Float => (number as f32).to_le_bytes().to_vec(),
        DataType::Double => number.to_le_bytes().to_vec(),
        DataType::Bool => vec![integer(1, false)? as u8],
        DataType::Int8 => vec![integer(8, true)? as u8],
        DataType::Uint8 => vec![integer(8, false)? as u8],
        DataType::Int16 => (integer(16, true)? as i16).to_le_bytes().to_vec(),
        DataType::Uint16 => (integer(16, false)? as u16).to_le_bytes().to_vec(),
        DataType::Int32 => (integer(32, true)? as i32).to_le_bytes().to_vec(),
        DataType::Uint32 => (integer(32, false)? as u32).to_le_bytes().to_vec(),
        // Integers that f64 holds exactly.
        DataType::Int64 | DataType::Uint64 => within(-(2f64.powi(53)), 2f64.powi(53))?.to_le_bytes().to_vec(),
        other => return Err(format!("has the type {}, for which --constant has no numbers", other.as_str_name())),
    })
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use prost::Message;
    use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
    use tract_onnx::pb::{
        GraphProto, NodeProto, OperatorSetIdProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
    };

    use super::*;
    use crate::import::onnx;
    use crate::oracle::Oracle;

    fn info(name: &str) -> ValueInfoProto {
        let dim = vec![Dimension { value: Some(dimension::Value::DimValue(2)), ..Dimension::default() }];
        let shape = Some(TensorShapeProto { dim });
        let value = type_proto::Value::TensorType(type_proto::Tensor { elem_type: DataType::Float as i32, shape });
        let r#type = Some(TypeProto { value: Some(value), ..TypeProto::default() });
        ValueInfoProto { name: name.into(), r#type, ..ValueInfoProto::default() }
    }

    /// `y = x + w`.
    fn sum() -> Vec<u8> {
        let [input, output] = [vec!["x".into(), "w".into()], vec!["y".into()]];
        let node = vec![NodeProto { op_type: "Add".into(), input, output, ..NodeProto::default() }];
        let (input, output) = (vec![info("x"), info("w")], vec![info("y")]);
        let graph = Some(GraphProto { node, input, output, ..GraphProto::default() });
        let opset_import = vec![OperatorSetIdProto { version: 13, ..OperatorSetIdProto::default() }];
        ModelProto { ir_version: 8, opset_import, graph, ..ModelProto::default() }.encode_to_vec()
    }

    #[test]
    fn an_input_that_is_given_is_none_any_more() {
        let mut options = ImportOptions::default();
        options.constants.insert("w".into(), vec![1.0, -2.0]);
        assert_eq!(onnx(&sum(), &options).unwrap().inputs.len(), 1);
        let outputs = Oracle::new(&sum(), &options).unwrap().run(&[array![0.5f32, 0.5].into_dyn()]).unwrap();
        assert_eq!(outputs, [array![1.5f32, -1.5].into_dyn()]);
        options.constants.insert("v".into(), vec![1.0]);
        let error = onnx(&sum(), &options).unwrap_err().to_string();
        assert!(error.contains(" is no input"), "{error}");
    }

    fn of(element: DataType, shape: &[usize], numbers: &[f64]) -> Result<Vec<u8>, String> {
        tensor(&InputType { name: "sr".into(), element, shape: shape.to_vec() }, numbers).map(|tensor| tensor.raw_data)
    }

    #[test]
    fn numbers_become_elements() {
        assert_eq!(of(DataType::Int64, &[], &[16000.0]).unwrap(), 16000i64.to_le_bytes());
        assert_eq!(of(DataType::Uint8, &[2, 2], &[3.0]).unwrap(), [3; 4]);
        assert_eq!(of(DataType::Int16, &[2], &[-1.0, 2.0]).unwrap(), [255, 255, 2, 0]);
        assert_eq!(of(DataType::Float, &[1], &[0.5]).unwrap(), 0.5f32.to_le_bytes());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (element, numbers) in [
            (DataType::Int8, &[128.0][..]),
            (DataType::Int64, &[0.5]),
            (DataType::Uint32, &[-1.0]),
            (DataType::Bool, &[2.0]),
            (DataType::Float16, &[1.0]),
            (DataType::Float, &[1.0, 2.0]),
        ] {
            assert!(of(element, &[3], numbers).is_err(), "{element:?} {numbers:?}");
        }
    }
}
