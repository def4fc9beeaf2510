//! A TensorFlow Lite file whose indices, counts and shapes have been checked.

use flatbuffers::{Vector, VerifierOptions, root_with_opts};
use tract_onnx::pb::tensor_proto::DataType;

use super::schema::{self, Model};
use crate::error::ConvertError;

/// A file's subgraphs, the first of which is the model.
pub(super) struct File<'a> {
    /// All subgraphs, in order.
    pub(super) subgraphs: Vec<Subgraph<'a>>,
}

/// Tensors, and operators that each read what stands before them.
pub(super) struct Subgraph<'a> {
    /// Its name, possibly empty.
    pub(super) name: &'a str,
    /// Its tensors.
    pub(super) tensors: Vec<Tensor<'a>>,
    /// Its operators in the order of their execution.
    pub(super) operators: Vec<Operator<'a>>,
    /// Tensors that are given.
    pub(super) inputs: Vec<usize>,
    /// Tensors that are asked for.
    pub(super) outputs: Vec<usize>,
}

/// A tensor.
pub(super) struct Tensor<'a> {
    /// Its name, not necessarily its own.
    pub(super) name: &'a str,
    /// Its element type's number.
    pub(super) element: i8,
    /// Its sizes, those that the file leaves open as 1.
    pub(super) shape: Vec<usize>,
    /// An axis whose size the file leaves open, other than the batch.
    pub(super) open_axis: Option<usize>,
    /// How its integers stand for reals.
    pub(super) quantization: Option<schema::Quantization<'a>>,
    /// A constant's bytes.
    pub(super) data: Option<&'a [u8]>,
    /// Whether it keeps its values from one run to the next.
    pub(super) variable: bool,
    /// Whether its bytes leave zeros out.
    pub(super) sparsity: Option<schema::Sparsity<'a>>,
    /// Whether its bytes are in another file.
    pub(super) external: bool,
}

/// An operator.
pub(super) struct Operator<'a> {
    /// Its number among the built-in operators.
    pub(super) code: i32,
    /// Its name, if it is none of them.
    pub(super) custom: Option<&'a str>,
    /// What it reads; optional inputs may be absent.
    pub(super) inputs: Vec<Option<usize>>,
    /// What it writes.
    pub(super) outputs: Vec<usize>,
    /// Its table.
    pub(super) table: schema::Operator<'a>,
}

/// The number of operators that are not built in.
pub(super) const CUSTOM: i32 = 32;

impl<'a> File<'a> {
    /// Verifies the flatbuffer, then every index in it.
    pub(super) fn read(bytes: &'a [u8]) -> Result<File<'a>, ConvertError> {
        // Tables and strings may be shared, but not so often that a small file unfolds to a large one.
        let max_apparent_size = bytes.len().saturating_mul(4).saturating_add(1 << 20);
        let options =
            VerifierOptions { max_apparent_size, ignore_missing_null_terminator: true, ..VerifierOptions::default() };
        let model =
            root_with_opts::<Model<'_>>(&options, bytes).map_err(|e| broken(format!("{e}; is it complete?")))?;
        if model.version() != 3 {
            return Err(broken(format!("its schema has version {}, and 3 is supported", model.version())));
        }
        let subgraphs = rows(model.subgraphs()).map(|graph| subgraph(bytes, &model, graph));
        let subgraphs: Vec<_> = subgraphs.collect::<Result<_, _>>().map_err(broken)?;
        if subgraphs.is_empty() {
            return Err(broken("it holds no subgraph".into()));
        }
        Ok(File { subgraphs })
    }
}

/// An error in the file as a whole.
pub(super) fn broken(reason: String) -> ConvertError {
    ConvertError::NotTflite { reason }
}

/// The elements of a vector that may be absent.
fn rows<'a, T: flatbuffers::Follow<'a> + 'a>(vector: Option<Vector<'a, T>>) -> impl Iterator<Item = T::Inner> {
    vector.into_iter().flat_map(|vector| vector.iter())
}

fn subgraph<'a>(bytes: &'a [u8], model: &Model<'a>, graph: schema::SubGraph<'a>) -> Result<Subgraph<'a>, String> {
    let tensors: Vec<_> = rows(graph.tensors()).map(|t| tensor(bytes, model, t)).collect::<Result<_, _>>()?;
    let operators = rows(graph.operators()).enumerate();
    let operators: Vec<_> = operators.map(|(i, op)| operator(model, i, op, tensors.len())).collect::<Result<_, _>>()?;
    let ends = |which: &str, ends| indices(ends, tensors.len()).map_err(|e| format!("its list of {which}: {e}"));
    let (inputs, outputs) = (ends("inputs", graph.inputs())?, ends("outputs", graph.outputs())?);
    Ok(Subgraph { name: graph.name().unwrap_or_default(), tensors, operators, inputs, outputs })
}

fn tensor<'a>(bytes: &'a [u8], model: &Model<'a>, table: schema::Tensor<'a>) -> Result<Tensor<'a>, String> {
    let name = table.name().unwrap_or_default();
    let named = |reason: String| format!("tensor `{name}`: {reason}");
    let size = |d: i32| usize::try_from(d).map_err(|_| named(format!("has the size {d}")));
    let shape: Vec<usize> = rows(table.shape()).map(size).collect::<Result<_, _>>()?;
    let open = rows(table.shape_signature()).enumerate().skip(1);
    let open_axis = open.filter(|(_, d)| *d < 0).map(|(axis, _)| axis).next();
    Ok(Tensor {
        name,
        element: table.element(),
        shape,
        open_axis,
        quantization: table.quantization(),
        data: data(bytes, model, table.buffer()).map_err(named)?,
        variable: table.is_variable(),
        sparsity: table.sparsity(),
        external: table.external_buffer() != 0,
    })
}

/// A buffer's bytes: in the flatbuffer or behind it.
fn data<'a>(bytes: &'a [u8], model: &Model<'a>, index: u32) -> Result<Option<&'a [u8]>, String> {
    let buffers = model.buffers().filter(|buffers| (index as usize) < buffers.len());
    let buffer = match buffers {
        Some(buffers) => buffers.get(index as usize),
        // Writers without constants write no buffers.
        None if index == 0 => return Ok(None),
        None => return Err(format!("its buffer {index} does not exist")),
    };
    // An offset of 1 is a writer's mark for one that was to be filled in.
    if buffer.offset() > 1 {
        let start = usize::try_from(buffer.offset()).ok();
        let end = buffer.offset().checked_add(buffer.size()).and_then(|end| usize::try_from(end).ok());
        let range = start.zip(end).and_then(|(start, end)| bytes.get(start..end));
        return range.map(Some).ok_or(format!("its buffer {index} lies outside of the file"));
    }
    Ok(buffer.data().map(|data| data.bytes()).filter(|data| !data.is_empty()))
}

fn operator<'a>(
    model: &Model<'a>,
    index: usize,
    table: schema::Operator<'a>,
    tensors: usize,
) -> Result<Operator<'a>, String> {
    let at = |reason: String| format!("operator {index}: {reason}");
    let codes = model.operator_codes().filter(|codes| (table.opcode_index() as usize) < codes.len());
    let codes = codes.ok_or_else(|| at(format!("its code {} does not exist", table.opcode_index())))?;
    let code = codes.get(table.opcode_index() as usize);
    // Codes up to 127 stand in the older field, which old writers alone fill.
    let number = code.code().max(code.deprecated_code().into());
    let custom = (number == CUSTOM).then(|| code.custom_code().unwrap_or("without a name"));
    let optional = |i| if i == -1 { Ok(None) } else { tensor_index(i, tensors).map(Some) };
    let inputs = rows(table.inputs()).map(optional).collect::<Result<_, _>>().map_err(at)?;
    let outputs = indices(table.outputs(), tensors).map_err(at)?;
    Ok(Operator { code: number, custom, inputs, outputs, table })
}

fn indices(list: Option<Vector<'_, i32>>, tensors: usize) -> Result<Vec<usize>, String> {
    rows(list).map(|i| tensor_index(i, tensors)).collect()
}

fn tensor_index(index: i32, tensors: usize) -> Result<usize, String> {
    let found = usize::try_from(index).ok().filter(|i| *i < tensors);
    found.ok_or_else(|| format!("tensor {index} does not exist"))
}

impl Tensor<'_> {
    /// Its number of elements, if that can be counted.
    pub(super) fn elements(&self) -> Option<usize> {
        self.shape.iter().try_fold(1, |n: usize, d| n.checked_mul(*d))
    }

    /// The ONNX element type that holds its elements, where there is one.
    pub(super) fn data_type(&self) -> Option<DataType> {
        Some(match self.element {
            // Halves are widened when they are read, and 4-bit integers unpacked.
            0 | 1 => DataType::Float,
            2 => DataType::Int32,
            3 => DataType::Uint8,
            4 => DataType::Int64,
            6 => DataType::Bool,
            7 => DataType::Int16,
            9 | 17 => DataType::Int8,
            10 => DataType::Double,
            12 => DataType::Uint64,
            15 => DataType::Uint32,
            16 => DataType::Uint16,
            _ => return None,
        })
    }
}
