//! A model before conversion: what it is made of, and what each of its nodes will be.
//!
//! What can be converted is converted as it would be, only with ranges that are made up: which operation runs in int8 and how much
//! it computes depends on no range. So this is no second opinion on what the converter does.

use std::collections::HashMap;

use lacewing::format::metadata::{self, Item};

use crate::calibrate::Ranges;
use crate::encode::{Context, encode};
use crate::error::ConvertError;
pub use crate::import::Door;
use crate::import::{self, Fate, SeenNode, Sight, quietly};
use crate::passes::simplify;
use crate::quantize::{Quantization, is_quantized, quantize};
use crate::runner::Runner;
use crate::{Options, Precision};

/// A model before conversion.
#[derive(Debug)]
pub struct Survey {
    /// The model's name in its file.
    pub name: String,
    /// The program that wrote the file.
    pub producer: String,
    /// Version of the standard operator set.
    pub opset: i64,
    /// Inputs without initializers.
    pub inputs: Vec<Door>,
    /// Outputs.
    pub outputs: Vec<Door>,
    /// The nodes that the outputs depend on, each after those it reads.
    pub nodes: Vec<Node>,
    /// Bytes of the arena and of the file, if the model can be converted. Names in the file may differ in length.
    pub sizes: Option<[usize; 2]>,
    /// What is wrong, if something is.
    pub problem: Option<ConvertError>,
}

/// A node before conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name, or `op_index` where it has none.
    pub name: String,
    /// Its operator.
    pub op: String,
    /// Shape of its first output, if it is known.
    pub shape: Option<Vec<usize>>,
    /// Elements of the weights that it is the first to read.
    pub parameters: usize,
    /// Multiply-accumulates of the operations that it becomes.
    pub macs: u64,
    /// What it will be.
    pub becomes: Becomes,
}

/// What a node will be in a `.lace` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// A constant, computed at conversion.
    Constant,
    /// No operation of its own: part of another, or only another shape of the same elements.
    Merged,
    /// One or more operations in int8.
    Int8,
    /// At least one operation in f32.
    F32,
    /// It cannot be converted, for this reason.
    Refused(String),
    /// It reads what a refused node writes.
    Unknown,
}

impl Becomes {
    /// One word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Merged => "merged",
            Self::Int8 => "int8",
            Self::F32 => "f32",
            Self::Refused(_) => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// Looks at an ONNX model; what cannot be converted is told, and is no error.
///
/// # Errors
/// [`ConvertError`] if the bytes are no ONNX model, or its graph contradicts itself.
pub fn survey(onnx: &[u8], options: &Options) -> Result<Survey, ConvertError> {
    let Sight { producer, opset, doors: [inputs, outputs], nodes, graph, mut problem } =
        import::survey(onnx, &options.import)?;
    let name = graph.name.clone();
    let whole = problem.is_none();
    let program = match graph.nodes.is_empty() {
        true => Ok(Program::default()),
        false => quietly(|| program(graph, options)).unwrap_or_else(|reason| Err(ConvertError::BrokenGraph { reason })),
    };
    let program = program.unwrap_or_else(|error| {
        problem.get_or_insert(error);
        Program::default()
    });
    let sizes = program.sizes.filter(|_| whole);
    let nodes = joined(nodes, &program);
    Ok(Survey { name, producer, opset, inputs, outputs, nodes, sizes, problem })
}

/// What a graph becomes.
#[derive(Default)]
struct Program {
    /// For each operation the name of its node, whether it runs in f32, and its multiply-accumulates.
    records: Vec<(String, bool, u64)>,
    sizes: Option<[usize; 2]>,
}

fn program(graph: crate::graph::Graph, options: &Options) -> Result<Program, ConvertError> {
    let graph = simplify(graph, &options.simplify)?;
    let (graph, quantization) = match options.policy.precision {
        Precision::F32 => (graph, Quantization::none()),
        _ => {
            let ranges = if is_quantized(&graph) { Ranges::new(&graph) } else { Ranges::made_up(&graph) };
            quantize(&graph, &ranges, &options.policy)?
        }
    };
    let context = Context::new(&graph, quantization, Vec::new())?;
    let file = encode(&context)?.file;
    let runner = Runner::new(&file)?;
    let model = runner.model();
    let items = metadata::read(model.metadata_bytes());
    let layers = items.into_iter().find_map(|item| if let Item::Layers(layers) = item { Some(layers) } else { None });
    let names = layers.unwrap_or_default().into_iter().map(|layer| layer.name);
    let records = names.zip(model.ops()).map(|(name, op)| (name, op.opcode().name().ends_with("F32"), op.macs()));
    Ok(Program { records: records.collect(), sizes: Some([model.arena_len(), file.len()]) })
}

/// Nodes with the operations that bear their names, with or without a part's name behind a dot.
fn joined(nodes: Vec<SeenNode>, program: &Program) -> Vec<Node> {
    let index: HashMap<&str, usize> = nodes.iter().enumerate().map(|(i, node)| (node.name.as_str(), i)).collect();
    let mut work = vec![(Becomes::Merged, 0); nodes.len()];
    for (name, float, macs) in &program.records {
        if let Some(&node) = owner(&index, name) {
            let (becomes, sum) = &mut work[node];
            *sum += macs;
            *becomes = if *float || *becomes == Becomes::F32 { Becomes::F32 } else { Becomes::Int8 };
        }
    }
    let node = |(node, (becomes, macs)): (SeenNode, _)| {
        let becomes = match node.fate {
            Fate::Constant => Becomes::Constant,
            Fate::Lowered => becomes,
            Fate::Refused(reason) => Becomes::Refused(reason),
            Fate::Unknown => Becomes::Unknown,
        };
        let SeenNode { name, op, shape, parameters, .. } = node;
        Node { name, op, shape, parameters, macs, becomes }
    };
    nodes.into_iter().zip(work).map(node).collect()
}

fn owner<'i>(index: &'i HashMap<&str, usize>, name: &str) -> Option<&'i usize> {
    let ends = name.match_indices('.').map(|(end, _)| end).rev();
    [name.len()].into_iter().chain(ends).find_map(|end| index.get(&name[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::tests::data;
    use prost::Message;
    use tract_onnx::pb::ModelProto;

    /// torch_lenet with a change, as it is seen.
    fn lenet(change: impl Fn(&mut ModelProto)) -> Survey {
        let mut model = ModelProto::decode(&std::fs::read(data().join("torch_lenet.onnx")).unwrap()[..]).unwrap();
        change(&mut model);
        survey(&model.encode_to_vec(), &Options::default()).unwrap()
    }

    #[test]
    fn a_model_that_can_be_converted_is_int8() {
        let seen = lenet(|_| ());
        assert!(seen.problem.is_none() && seen.sizes.is_some());
        for node in seen.nodes {
            match node.op.as_str() {
                "Conv" => assert!(node.becomes == Becomes::Int8 && node.macs > 0 && node.parameters > 0, "{node:?}"),
                "Relu" => assert!(node.becomes == Becomes::Merged && node.parameters == 0, "{node:?}"),
                _ => assert!(matches!(node.becomes, Becomes::Int8 | Becomes::Merged | Becomes::Constant), "{node:?}"),
            }
        }
    }

    #[test]
    fn what_comes_before_and_after_a_refused_node_is_told() {
        let seen = lenet(|model| {
            let nodes = &mut model.graph.as_mut().unwrap().node;
            nodes.iter_mut().find(|node| node.op_type == "MaxPool").unwrap().op_type = "FancyPool".into();
        });
        assert!(seen.problem.unwrap().to_string().starts_with("FancyPool `"));
        assert_eq!((seen.sizes, &seen.outputs[0].shape), (None, &None));
        let refused = seen.nodes.iter().position(|node| node.op == "FancyPool").unwrap();
        assert_eq!(seen.nodes[0].becomes, Becomes::Int8);
        assert!(matches!(&seen.nodes[refused].becomes, Becomes::Refused(reason) if reason.contains("not supported")));
        assert!(seen.nodes[refused + 1..].iter().all(|node| node.becomes == Becomes::Unknown && node.macs == 0));
    }

    #[test]
    fn a_part_belongs_to_the_node_of_the_longest_name() {
        let index = HashMap::from([("a", 0), ("a.b", 1)]);
        let owners = ["a", "a.c", "a.b", "a.b.c", "b"].map(|name| owner(&index, name).copied());
        assert_eq!(owners, [Some(0), Some(0), Some(1), Some(1), None]);
    }
}
