//! What the importer makes of a model, whether it can be converted or not.

use std::collections::HashSet;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ValueInfoProto, type_proto};

use super::inputs::each_declared;
use super::lowering::walk;
use super::problems::Problems;
use super::{Constant, Fate, ImportOptions, Lowering, OnnxNode, Source, quietly};
use crate::error::ConvertError;
use crate::graph::{Graph, Kind, ValueId};

/// A model as far as it is understood.
pub(crate) struct Sight {
    /// The file's own words for the program that wrote it.
    pub(crate) producer: String,
    /// Version of the standard operator set.
    pub(crate) opset: i64,
    /// Inputs without initializers, and outputs.
    pub(crate) doors: [Vec<Door>; 2],
    /// Live nodes, each after those it reads.
    pub(crate) nodes: Vec<SeenNode>,
    /// What could be lowered; what leads to nothing is an output.
    pub(crate) graph: Graph,
    /// What is wrong, if something is.
    pub(crate) problem: Option<ConvertError>,
}

/// An input or an output of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Its ONNX name.
    pub name: String,
    /// Its element type, such as `float32`; empty for what is no tensor.
    pub dtype: String,
    /// Its shape, if it is known.
    pub shape: Option<Vec<usize>>,
}

/// A node as the importer sees it.
pub(crate) struct SeenNode {
    /// Its name.
    pub(crate) name: String,
    /// Its operator.
    pub(crate) op: String,
    /// Shape of its first output, if it is known.
    pub(crate) shape: Option<Vec<usize>>,
    /// Elements of the constants that it is the first to read, but for single numbers and for integers such as shapes.
    pub(crate) parameters: usize,
    /// What became of it.
    pub(crate) fate: Fate,
}

/// Looks at a model without giving up at what cannot be converted.
///
/// # Errors
/// If the bytes are no ONNX model, or its graph contradicts itself.
pub(crate) fn survey(bytes: &[u8], options: &ImportOptions) -> Result<Sight, ConvertError> {
    let source = Source::decode(bytes, options)?;
    quietly(|| sight(&source, options)).unwrap_or_else(|reason| Err(ConvertError::BrokenGraph { reason }))
}

fn sight(source: &Source, options: &ImportOptions) -> Result<Sight, ConvertError> {
    let (mut nodes, mut counted, mut problems) = (Vec::new(), HashSet::new(), Problems::default());
    let mut shapes = vec![None; source.graph().output.len()];
    let mut graph = walk(source, options, &mut problems, |lowering, node, fate| {
        nodes.push(seen(lowering, node, fate, &mut counted));
        for (shape, info) in shapes.iter_mut().zip(&source.graph().output) {
            if node.pb.output.contains(&info.name) {
                *shape = lowering.shape_named(&info.name).map(<[usize]>::to_vec);
            }
        }
    })?;
    let inputs = each_declared(source, options).map(|(name, input)| {
        let info = source.graph().input.iter().find(|info| info.name == name);
        door(info, name, input.ok().map(|input| input.shape))
    });
    let outputs = source.graph().output.iter().zip(shapes).map(|(info, shape)| door(Some(info), &info.name, shape));
    let doors = [inputs.collect(), outputs.collect()];
    let problem = problems.end().err();
    if problem.is_some() {
        graph.outputs = loose_ends(&graph);
    }
    let producer = format!("{} {}", source.model.producer_name, source.model.producer_version).trim().to_string();
    Ok(Sight { producer, opset: source.opset, doors, nodes, graph, problem })
}

fn seen<'s>(lowering: &Lowering, node: &OnnxNode<'s>, fate: Fate, counted: &mut HashSet<&'s str>) -> SeenNode {
    let mut parameters = 0;
    if fate != Fate::Constant {
        for name in lowering.inputs_of(node) {
            let weights = |constant: &&Constant| constant.kind() != Kind::Integer && !constant.shape().is_empty();
            if let Some(constant) = lowering.constant_named(name).filter(weights).filter(|_| counted.insert(name)) {
                parameters += constant.tensor.len();
            }
        }
    }
    let output = node.pb.output.iter().find(|name| !name.is_empty());
    let shape = output.and_then(|name| lowering.shape_named(name)).map(<[usize]>::to_vec);
    SeenNode { name: node.name(), op: node.op().to_string(), shape, parameters, fate }
}

fn door(info: Option<&ValueInfoProto>, name: &str, shape: Option<Vec<usize>>) -> Door {
    let dtype = match info.and_then(|info| info.r#type.as_ref()).and_then(|t| t.value.as_ref()) {
        Some(type_proto::Value::TensorType(tensor)) => match DataType::try_from(tensor.elem_type).unwrap_or_default() {
            DataType::Float => "float32".into(),
            DataType::Double => "float64".into(),
            other => other.as_str_name().to_lowercase(),
        },
        None => String::new(),
    };
    Door { name: name.to_string(), dtype, shape }
}

/// What is computed and read by nothing.
fn loose_ends(graph: &Graph) -> Vec<ValueId> {
    let read: HashSet<ValueId> = graph.nodes.iter().flat_map(|node| node.inputs.iter().copied()).collect();
    let written = graph.nodes.iter().flat_map(|node| node.outputs.iter().copied());
    written.filter(|id| !read.contains(id)).collect()
}
