//! Functions that a model brings along: each call is replaced by the nodes of the function's body.

use std::collections::HashMap;

use prost::Message;
use tract_onnx::pb::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto};

use super::decode::{MAX_NODES, is_standard};
use crate::error::ConvertError;

/// The fields of functions that the parser's messages lack.
#[derive(Clone, PartialEq, Message)]
struct Extras {
    #[prost(message, repeated, tag = "25")]
    functions: Vec<Extra>,
}

#[derive(Clone, PartialEq, Message)]
struct Extra {
    #[prost(message, repeated, tag = "11")]
    defaults: Vec<AttributeProto>,
    #[prost(string, tag = "13")]
    overload: String,
}

/// Replaces every call; `bytes` are the model's.
///
/// # Errors
/// [`ConvertError::BrokenGraph`] for functions that call themselves, come to too many nodes, or are written for another operator set.
pub(super) fn expand(model: &mut ModelProto, bytes: &[u8]) -> Result<(), ConvertError> {
    if model.functions.is_empty() {
        return Ok(());
    }
    let extras = Extras::decode(bytes).map_err(|e| broken(e.to_string()))?.functions;
    let standard = model.opset_import.iter().find(|o| is_standard(&o.domain)).cloned();
    let functions = std::mem::take(&mut model.functions);
    let imports =
        functions.iter().flat_map(|function| &function.opset_import).find(|o| is_standard(&o.domain)).cloned();
    let opset = standard.as_ref().or(imports.as_ref()).map(|o| o.version);
    let mut known = HashMap::new();
    for (function, Extra { defaults, overload }) in functions.into_iter().zip(extras) {
        let (nodes, bytes) = (size(&function.node).max(1), function.encoded_len());
        let body = Body { function, defaults, overload, opset, nodes, bytes };
        known.insert(body.key(), body);
    }
    if standard.is_none() {
        model.opset_import.extend(imports);
    }
    let Some(graph) = &mut model.graph else { return Ok(()) };
    let mut calls = Calls {
        functions: &known,
        open: Vec::new(),
        count: 0,
        nodes: 0,
        bytes: 0,
        most: LEAST + PER_BYTE * bytes.len(),
    };
    graph.node = calls.nodes(std::mem::take(&mut graph.node))?;
    Ok(())
}

fn broken(reason: String) -> ConvertError {
    ConvertError::BrokenGraph { reason }
}

/// Bytes that functions may come to in any file, and for each byte of the file.
const LEAST: usize = 1 << 22;
const PER_BYTE: usize = 8;

/// Domain and name.
type Key = (String, String);

/// A function, its attributes' defaults, and the operator set of the model.
struct Body {
    function: FunctionProto,
    defaults: Vec<AttributeProto>,
    overload: String,
    opset: Option<i64>,
    nodes: usize,
    bytes: usize,
}

impl Body {
    fn key(&self) -> Key {
        (self.function.domain().to_string(), self.function.name().to_string())
    }

    fn check(&self) -> Result<(), ConvertError> {
        let name = self.function.name();
        if !self.overload.is_empty() {
            return Err(broken(format!(
                "function `{name}` has the overload `{}`; overloads are not read, rename it",
                self.overload
            )));
        }
        let own = self.function.opset_import.iter().find(|o| is_standard(&o.domain)).map(|o| o.version);
        match own.zip(self.opset).filter(|(own, opset)| own != opset) {
            Some((own, opset)) => Err(broken(format!(
                "function `{name}` is written for opset {own}, the model for {opset}; export it with one"
            ))),
            None => Ok(()),
        }
    }
}

/// The calls that are being replaced.
struct Calls<'f> {
    functions: &'f HashMap<Key, Body>,
    open: Vec<Key>,
    /// Calls so far, for names of their own.
    count: usize,
    /// Nodes so far, and bytes.
    nodes: usize,
    bytes: usize,
    /// Most bytes.
    most: usize,
}

impl Calls<'_> {
    fn nodes(&mut self, nodes: Vec<NodeProto>) -> Result<Vec<NodeProto>, ConvertError> {
        let mut replaced = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            let key = (node.domain.clone(), node.op_type.clone());
            match self.functions.get(&key) {
                Some(body) => replaced.extend(self.call(&node, key, body)?),
                None => {
                    for graph in graphs(&mut node) {
                        graph.node = self.nodes(std::mem::take(&mut graph.node))?;
                    }
                    replaced.push(node);
                }
            }
        }
        Ok(replaced)
    }

    /// The body for one call, with names of its own.
    fn call(&mut self, node: &NodeProto, key: Key, body: &Body) -> Result<Vec<NodeProto>, ConvertError> {
        body.check()?;
        if self.open.contains(&key) {
            return Err(broken(format!("function `{}` calls itself", key.1)));
        }
        self.count += 1;
        (self.nodes, self.bytes) = (self.nodes + body.nodes, self.bytes + body.bytes);
        if self.nodes > MAX_NODES || self.bytes > self.most {
            let reason =
                format!("its functions come to more than {MAX_NODES} nodes or {} bytes at `{}`", self.most, node.name);
            return Err(broken(reason));
        }
        let name = if node.name.is_empty() { format!("{}_{}", node.op_type, self.count) } else { node.name.clone() };
        let call = Call { node, body, names: names(node, &body.function), prefix: name };
        let nodes = body.function.node.iter().map(|inner| call.node(inner)).collect();
        self.open.push(key);
        let nodes = self.nodes(nodes)?;
        self.open.pop();
        Ok(nodes)
    }
}

/// What the call names the inputs and outputs of the function; what it leaves out is empty.
fn names(node: &NodeProto, function: &FunctionProto) -> HashMap<String, String> {
    let given = |formal: &[String], actual: &[String]| {
        let actual = actual.iter().cloned().chain(std::iter::repeat(String::new()));
        formal.iter().cloned().zip(actual).collect::<Vec<_>>()
    };
    let mut names: HashMap<_, _> = given(&function.input, &node.input).into_iter().collect();
    names.extend(given(&function.output, &node.output).into_iter().filter(|(_, actual)| !actual.is_empty()));
    names
}

/// One call of a function.
struct Call<'c> {
    node: &'c NodeProto,
    body: &'c Body,
    names: HashMap<String, String>,
    prefix: String,
}

impl Call<'_> {
    fn node(&self, inner: &NodeProto) -> NodeProto {
        let mut node = inner.clone();
        node.name = format!("{}/{}", self.prefix, if inner.name.is_empty() { &inner.op_type } else { &inner.name });
        node.attribute = inner.attribute.iter().filter_map(|attribute| self.attribute(attribute)).collect();
        node.input.iter_mut().chain(&mut node.output).for_each(|name| self.rename(name));
        node
    }

    /// The attribute, or what the call or the function's default says in its place.
    fn attribute(&self, attribute: &AttributeProto) -> Option<AttributeProto> {
        if attribute.ref_attr_name.is_empty() {
            let mut own = attribute.clone();
            own.g.iter_mut().chain(&mut own.graphs).for_each(|graph| self.graph(graph));
            return Some(own);
        }
        let named = |a: &&AttributeProto| a.name == attribute.ref_attr_name;
        let given = self.node.attribute.iter().find(named).or_else(|| self.body.defaults.iter().find(named))?;
        Some(AttributeProto { name: attribute.name.clone(), ..given.clone() })
    }

    fn graph(&self, graph: &mut GraphProto) {
        let values = graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info);
        values.for_each(|value| self.rename(&mut value.name));
        graph.initializer.iter_mut().for_each(|tensor| self.rename(&mut tensor.name));
        graph.node = graph.node.iter().map(|node| self.node(node)).collect();
    }

    fn rename(&self, name: &mut String) {
        match self.names.get(name) {
            Some(given) => name.clone_from(given),
            None if name.is_empty() => {}
            None => *name = format!("{}/{name}", self.prefix),
        }
    }
}

/// Nodes, with those of bodies.
fn size(nodes: &[NodeProto]) -> usize {
    let bodies = nodes.iter().flat_map(|node| &node.attribute).flat_map(|a| a.g.iter().chain(&a.graphs));
    nodes.len() + bodies.map(|graph| size(&graph.node)).sum::<usize>()
}

/// The bodies of a node.
fn graphs(node: &mut NodeProto) -> impl Iterator<Item = &mut GraphProto> {
    node.attribute.iter_mut().flat_map(|attribute| attribute.g.iter_mut().chain(&mut attribute.graphs))
}
