//! What a case is about, by its model alone: operators and types.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;
use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::type_proto::Value;
use tract_onnx::pb::{GraphProto, ModelProto, ValueInfoProto};

/// Operators and types of a case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// `KIND/CASE`.
    pub(crate) name: String,
    /// Its operators, those of inner graphs too, with their domains if they are no standard ones.
    pub(crate) ops: BTreeSet<String>,
    /// The operator of its last node.
    pub(crate) last_op: String,
    /// Element types of inputs and outputs in ONNX's lower-case words; `container` is a sequence, an optional or a map.
    pub(crate) types: BTreeSet<String>,
}

impl Facts {
    /// Reads them from a case's folder.
    pub(crate) fn read(name: String, folder: &Path) -> Result<Facts> {
        let model = ModelProto::decode(&fs::read(folder.join("model.onnx"))?[..])?;
        let mut facts = Facts { name, ..Facts::default() };
        let Some(graph) = &model.graph else { return Ok(facts) };
        facts.last_op = graph.node.last().map(|node| node.op_type.clone()).unwrap_or_default();
        facts.types = graph.input.iter().chain(&graph.output).map(type_of).collect();
        facts.collect_ops(graph);
        Ok(facts)
    }

    fn collect_ops(&mut self, graph: &GraphProto) {
        for node in &graph.node {
            let domain = Some(&node.domain).filter(|domain| !matches!(domain.as_str(), "" | "ai.onnx"));
            let domain = domain.map(|domain| format!("{domain}.")).unwrap_or_default();
            self.ops.insert(format!("{domain}{}", node.op_type));
            node.attribute.iter().filter_map(|a| a.g.as_ref()).for_each(|graph| self.collect_ops(graph));
        }
    }
}

fn type_of(info: &ValueInfoProto) -> String {
    let Some(Value::TensorType(tensor)) = info.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return "container".into();
    };
    match (tensor.elem_type, DataType::try_from(tensor.elem_type)) {
        (_, Ok(kind)) => kind.as_str_name().to_lowercase(),
        // Newer than the protobuf that reads it.
        (number, Err(_)) => format!("type{number}"),
    }
}
