//! Types and shapes of graph inputs, with symbolic dimensions resolved.

use std::collections::HashSet;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dimension;
use tract_onnx::pb::{ValueInfoProto, type_proto};

use super::{ImportOptions, MAX_ELEMENTS, Source};
use crate::error::ConvertError;

/// A graph input as the float original declares it.
pub(crate) struct InputType {
    /// Its name.
    pub(crate) name: String,
    /// Element type.
    pub(crate) element: DataType,
    /// Resolved shape.
    pub(crate) shape: Vec<usize>,
}

/// All inputs that are no initializers, in order.
pub(crate) fn declared(source: &Source, options: &ImportOptions) -> Result<Vec<InputType>, ConvertError> {
    each_declared(source, options).map(|(_, input)| input).collect()
}

/// The name of each input that is no initializer, with what is known of it.
pub(super) fn each_declared<'s>(
    source: &'s Source,
    options: &'s ImportOptions,
) -> impl Iterator<Item = (&'s str, Result<InputType, ConvertError>)> {
    let names: HashSet<&str> = source.input_names().into_iter().collect();
    let infos = source.graph().input.iter().filter(move |i| names.contains(i.name.as_str()));
    infos.map(|info| (info.name.as_str(), input(info, options).map_err(|reason| input_error(info, reason))))
}

/// Says which input it is.
pub(super) fn input_error(info: &ValueInfoProto, reason: String) -> ConvertError {
    ConvertError::Input { input: info.name.clone(), reason }
}

/// What is known of one.
pub(super) fn input(info: &ValueInfoProto, options: &ImportOptions) -> Result<InputType, String> {
    let value = info.r#type.as_ref().and_then(|t| t.value.as_ref());
    let Some(type_proto::Value::TensorType(tensor)) = value else {
        return Err("is no tensor; only tensor inputs are supported".into());
    };
    let element = DataType::try_from(tensor.elem_type).map_err(|_| "has an unknown element type")?;
    accept(element)?;
    let declared = tensor.shape.as_ref().ok_or("has no shape; export the model with input shapes")?;
    let dims = declared.dim.iter().enumerate();
    let dims = dims.map(|(axis, d)| dim(&info.name, axis, d.value.as_ref(), options));
    let shape: Vec<usize> = dims.collect::<Result<_, _>>()?;
    let elements = shape.iter().try_fold(1, |n: usize, d| n.checked_mul(*d));
    match elements {
        Some(1..=MAX_ELEMENTS) => Ok(InputType { name: info.name.clone(), element, shape }),
        Some(0) => Err(format!("has no elements in its shape {shape:?}")),
        _ => Err(format!("has too many elements in its shape {shape:?}")),
    }
}

fn accept(element: DataType) -> Result<(), String> {
    use DataType::{
        Bfloat16, Bool, Double, Float, Float16, Int4, Int8, Int16, Int32, Int64, Uint4, Uint8, Uint16, Uint32, Uint64,
    };
    match element {
        Float | Float16 | Bfloat16 | Double | Bool | Int4 | Int8 | Int16 | Int32 | Int64 | Uint4 | Uint8 | Uint16
        | Uint32 | Uint64 => Ok(()),
        other => Err(format!("has type {}; export the model with float32 inputs", other.as_str_name())),
    }
}

/// A size, a symbol's size, a size given for `<input>.<axis>`, or 1 for the batch.
fn dim(input: &str, axis: usize, value: Option<&Dimension>, options: &ImportOptions) -> Result<usize, String> {
    let symbol = match value {
        Some(Dimension::DimValue(d)) if *d > 0 => return usize::try_from(*d).map_err(|e| e.to_string()),
        Some(Dimension::DimValue(d)) if *d < -1 => return Err(format!("axis {axis} has the size {d}")),
        Some(Dimension::DimParam(name)) if !matches!(name.as_str(), "" | "?") => Some(name.as_str()),
        _ => None,
    };
    let place = format!("{input}.{axis}");
    let given = symbol.and_then(|symbol| options.dims.get(symbol)).or(options.dims.get(&place));
    match given {
        Some(size) => Ok(*size),
        None if axis == 0 => Ok(1),
        None => Err(format!("axis {axis} has no fixed size; give it with --dim {}=<size>", symbol.unwrap_or(&place))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::tensor_shape_proto::Dimension as Dim;
    use tract_onnx::pb::{TensorShapeProto, TypeProto};

    fn info(element: DataType, dims: Vec<Dimension>) -> ValueInfoProto {
        let dim = dims.into_iter().map(|d| Dim { value: Some(d), ..Dim::default() }).collect();
        let shape = Some(TensorShapeProto { dim });
        let tensor = type_proto::Tensor { elem_type: element as i32, shape };
        let value = Some(type_proto::Value::TensorType(tensor));
        ValueInfoProto { r#type: Some(TypeProto { value, ..TypeProto::default() }), ..ValueInfoProto::default() }
    }

    #[test]
    fn a_symbolic_batch_is_one_and_other_symbols_need_a_size() {
        let x = info(DataType::Float, vec![Dimension::DimParam("N".into()), Dimension::DimParam("time".into())]);
        let mut options = ImportOptions::default();
        assert!(input(&x, &options).err().unwrap().contains("--dim time="));
        options.dims.insert("time".into(), 40);
        assert_eq!(input(&x, &options).unwrap().shape, [1, 40]);
        let mut x = info(DataType::Float, vec![Dimension::DimValue(-1), Dimension::DimParam("?".into())]);
        x.name = "x".into();
        assert!(input(&x, &options).err().unwrap().contains("--dim x.1="));
        options.dims.insert("x.1".into(), 30);
        assert_eq!(input(&x, &options).unwrap().shape, [1, 30]);
    }

    #[test]
    fn absurd_shapes_and_types_are_refused() {
        let options = ImportOptions::default();
        let huge = info(DataType::Float, vec![Dimension::DimValue(1 << 40), Dimension::DimValue(1 << 40)]);
        assert!(input(&huge, &options).is_err());
        let text = info(DataType::String, vec![Dimension::DimValue(1)]);
        assert!(input(&text, &options).err().unwrap().contains("float32"));
    }
}
