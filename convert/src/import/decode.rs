//! Bytes to a protobuf whose nodes are live, ordered and free of cycles.

use std::collections::{HashMap, HashSet};

use prost::Message;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto};

use super::control::captured;
use super::{ImportOptions, StateNames, functions, given, qoperator, tflite, wire};
use crate::error::ConvertError;

/// A decoded model.
pub(crate) struct Source {
    /// The protobuf.
    pub(crate) model: ModelProto,
    /// Its graph's nodes that the outputs depend on, each after those it reads.
    pub(crate) order: Vec<usize>,
    /// Version of the standard operator set.
    pub(crate) opset: i64,
    /// Size of the file.
    pub(crate) bytes: usize,
}

/// Nodes that the outputs may depend on, and that functions and bodies may come to when they are written out.
pub(super) const MAX_NODES: usize = 1 << 14;

/// Whether a domain is ONNX's own.
pub(crate) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

impl Source {
    /// Decodes, puts in the inputs that are given, drops what no output needs and orders the rest.
    pub(crate) fn decode(bytes: &[u8], options: &ImportOptions) -> Result<Source, ConvertError> {
        if bytes.is_empty() {
            return Err(not_onnx("the file is empty".into()));
        }
        let mut model = match tflite::is_tflite(bytes) {
            true => tflite::translate(bytes)?,
            false => {
                wire::check(bytes).map_err(not_onnx)?;
                ModelProto::decode(bytes).map_err(|e| not_onnx(format!("{e}; is the file complete?")))?
            }
        };
        given::fix(&mut model, options)?;
        functions::expand(&mut model, bytes)?;
        qoperator::expand(&mut model);
        let graph = model.graph.as_ref().ok_or_else(|| not_onnx("the file holds no graph".into()))?;
        if graph.output.is_empty() {
            return Err(not_onnx("its graph has no outputs".into()));
        }
        let order = live_order(graph)?;
        if order.len() > MAX_NODES {
            let reason =
                format!("its outputs depend on {} nodes, and {MAX_NODES} are read; split the model", order.len());
            return Err(ConvertError::BrokenGraph { reason });
        }
        let standard = model.opset_import.iter().find(|o| is_standard(&o.domain));
        let opset = match standard {
            Some(standard) => standard.version,
            None if model.ir_version < 3 || !graph.node.iter().any(|node| is_standard(&node.domain)) => 1,
            None => return Err(not_onnx("the file names no opset (`opset_import`); export it again".into())),
        };
        Ok(Source { order, opset, model, bytes: bytes.len() })
    }

    /// The graph.
    pub(crate) fn graph(&self) -> &GraphProto {
        self.model.graph.as_ref().expect("decode checked it")
    }

    /// The states that the user names, then those that the model lists itself.
    pub(crate) fn states(&self, options: &ImportOptions) -> Vec<StateNames> {
        let listed = tflite::listed_states(&self.model);
        let own = listed.into_iter().filter(|own| options.states.iter().all(|named| named.input != own.input));
        options.states.iter().cloned().chain(own).collect()
    }

    /// Names of graph inputs that are no initializers, in order.
    pub(crate) fn input_names(&self) -> Vec<&str> {
        let initialized: HashSet<&str> = self.graph().initializer.iter().map(|t| t.name.as_str()).collect();
        let names = self.graph().input.iter().map(|i| i.name.as_str());
        names.filter(|name| !initialized.contains(name)).collect()
    }
}

fn not_onnx(reason: String) -> ConvertError {
    ConvertError::NotOnnx { reason }
}

/// Depth-first from the outputs, with an explicit stack: files may nest as deep as they like.
fn live_order(graph: &GraphProto) -> Result<Vec<usize>, ConvertError> {
    let writers = writers(graph)?;
    let reads: Vec<Vec<&str>> = graph.node.iter().map(reads).collect();
    let mut order = Vec::new();
    let mut state = vec![State::New; graph.node.len()];
    for output in &graph.output {
        if let Some(&root) = writers.get(output.name.as_str()) {
            visit(graph, (&writers, &reads), root, &mut state, &mut order)?;
        }
    }
    Ok(order)
}

/// The names that a node reads, in its bodies too.
fn reads(node: &NodeProto) -> Vec<&str> {
    node.input.iter().map(String::as_str).chain(captured(node)).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}

fn visit(
    graph: &GraphProto,
    (writers, reads): (&HashMap<&str, usize>, &[Vec<&str>]),
    root: usize,
    state: &mut [State],
    order: &mut Vec<usize>,
) -> Result<(), ConvertError> {
    let mut stack = vec![(root, 0)];
    while let Some((node, next)) = stack.pop() {
        match (state[node], reads[node].get(next)) {
            (State::Done, _) => {}
            (State::Open, _) if next == 0 => return Err(cycle(&graph.node[node])),
            (_, Some(input)) => {
                state[node] = State::Open;
                stack.push((node, next + 1));
                stack.extend(writers.get(input).map(|&writer| (writer, 0)));
            }
            (_, None) => {
                state[node] = State::Done;
                order.push(node);
            }
        }
    }
    Ok(())
}

fn cycle(node: &NodeProto) -> ConvertError {
    let reason = format!("{} `{}` depends on its own output, a cycle", node.op_type, node.name);
    ConvertError::BrokenGraph { reason }
}

/// The node that writes each tensor.
fn writers(graph: &GraphProto) -> Result<HashMap<&str, usize>, ConvertError> {
    let mut writers = HashMap::new();
    for (index, node) in graph.node.iter().enumerate() {
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            if writers.insert(output.as_str(), index).is_some() {
                let reason = format!("tensor `{output}` is written by two nodes");
                return Err(ConvertError::BrokenGraph { reason });
            }
        }
    }
    Ok(writers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::ValueInfoProto;

    fn node(inputs: &[&str], output: &str) -> NodeProto {
        let input = inputs.iter().map(|i| i.to_string()).collect();
        NodeProto { input, output: vec![output.into()], op_type: "Relu".into(), ..NodeProto::default() }
    }

    fn decode(node: Vec<NodeProto>) -> Result<Source, ConvertError> {
        let output = vec![ValueInfoProto { name: "y".into(), ..ValueInfoProto::default() }];
        let graph = GraphProto { node, output, ..GraphProto::default() };
        Source::decode(&ModelProto { graph: Some(graph), ..ModelProto::default() }.encode_to_vec(), &Default::default())
    }

    #[test]
    fn nodes_are_ordered_and_dead_ones_left_out() {
        let source = decode(vec![node(&["a"], "y"), node(&["x"], "a"), node(&["x"], "dead")]).unwrap();
        assert_eq!(source.order, [1, 0]);
        let diamond = decode(vec![node(&["b", "a"], "y"), node(&["a"], "b"), node(&["x"], "a")]).unwrap();
        assert_eq!(diamond.order, [2, 1, 0]);
    }

    #[test]
    fn a_cycle_and_a_second_writer_are_named() {
        let cycle = decode(vec![node(&["a"], "y"), node(&["y"], "a")]).err().unwrap().to_string();
        assert!(cycle.contains("own output"), "{cycle}");
        let twice = decode(vec![node(&["x"], "y"), node(&["x"], "y")]).err().unwrap().to_string();
        assert!(twice.contains("two nodes"), "{twice}");
    }

    #[test]
    fn other_bytes_are_no_model() {
        assert!(matches!(
            Source::decode(b"PK\x03\x04 not a model", &Default::default()),
            Err(ConvertError::NotOnnx { .. })
        ));
        assert!(matches!(Source::decode(&[], &Default::default()), Err(ConvertError::NotOnnx { .. })));
    }
}
