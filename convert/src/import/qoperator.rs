//! Quantized operators, ONNX's own and those of onnxruntime, as what they mean: `DequantizeLinear` of each operand, the float
//! operator, `QuantizeLinear` of the result. One reading serves both forms that quantized files come in.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

/// More zero points than any convolution has.
const MAX_CHANNELS: usize = 1 << 16;

/// Replaces the quantized operators of the main graph.
pub(super) fn expand(model: &mut ModelProto) {
    let Some(graph) = &mut model.graph else { return };
    if graph.node.iter().any(|node| form(node).is_some()) {
        let nodes = std::mem::take(&mut graph.node);
        nodes.into_iter().enumerate().for_each(|(index, node)| replace(graph, node, index));
    }
}

/// How the inputs of a quantized operator are to be read.
enum Form {
    /// `x, scale, zero` for each of so many operands, then the result's scale and zero point.
    Operands(usize),
    /// The result's scale and zero point, then `x, scale, zero` for each operand.
    ResultFirst,
    /// `x, w` with scales and zero points, the result's, then a bias in steps of both scales; weight scales along axis 0.
    Conv,
    /// `x, w`, then the zero points of both; their steps are 1, and so are those of the result, an int32.
    Integer,
    /// `x, w` with scales and zero points, a bias in steps of both scales, then the result's.
    Gemm,
}

/// The operator in float and the form of a quantized one; `None` for every other node.
fn form(node: &NodeProto) -> Option<(&'static str, Form)> {
    let microsoft = node.domain == "com.microsoft";
    Some(match (node.op_type.as_str(), microsoft) {
        ("QLinearConv", _) => ("Conv", Form::Conv),
        ("ConvInteger", false) => ("Conv", Form::Integer),
        ("QLinearMatMul", _) => ("MatMul", Form::Operands(2)),
        ("QGemm", true) => ("Gemm", Form::Gemm),
        ("QLinearAdd", true) => ("Add", Form::Operands(2)),
        ("QLinearMul", true) => ("Mul", Form::Operands(2)),
        ("QLinearSigmoid", true) => ("Sigmoid", Form::Operands(1)),
        ("QLinearLeakyRelu", true) => ("LeakyRelu", Form::Operands(1)),
        ("QLinearSoftmax", true) => ("Softmax", Form::Operands(1)),
        ("QLinearAveragePool", true) if !channels_last(node) => ("AveragePool", Form::Operands(1)),
        ("QLinearGlobalAveragePool", true) if !channels_last(node) => ("GlobalAveragePool", Form::Operands(1)),
        ("QLinearReduceMean", true) => ("ReduceMean", Form::Operands(1)),
        ("QLinearConcat", true) => ("Concat", Form::ResultFirst),
        _ => return None,
    })
}

fn channels_last(node: &NodeProto) -> bool {
    node.attribute.iter().any(|attribute| attribute.name == "channels_last" && attribute.i != 0)
}

fn replace(graph: &mut GraphProto, node: NodeProto, index: usize) {
    let Some((op, form)) = form(&node) else { return graph.node.push(node) };
    let name = if node.name.is_empty() { format!("{}_{index}", node.op_type) } else { node.name.clone() };
    let mut parts = Parts { graph, node, name };
    match form {
        Form::Operands(count) => parts.operands(op, count),
        Form::ResultFirst => parts.result_first(op),
        Form::Conv => parts.conv(op),
        Form::Integer => parts.integer(op),
        Form::Gemm => parts.gemm(op),
    }
}

/// A quantized node being replaced.
struct Parts<'g> {
    graph: &'g mut GraphProto,
    node: NodeProto,
    name: String,
}

impl Parts<'_> {
    fn operands(&mut self, op: &str, count: usize) {
        // Only the columns of a matrix of weights have scales of their own.
        let axis = |i: usize| if op == "MatMul" && i == 1 { -1 } else { 0 };
        let inputs = (0..count).map(|i| self.dequantized(3 * i, axis(i))).collect();
        self.finish(op, inputs, 3 * count);
    }

    fn result_first(&mut self, op: &str) {
        let count = self.node.input.len().saturating_sub(2) / 3;
        let inputs = (0..count).map(|i| self.dequantized(2 + 3 * i, 0)).collect();
        self.finish(op, inputs, 0);
    }

    fn conv(&mut self, op: &str) {
        let mut inputs = vec![self.dequantized(0, 0), self.dequantized(3, 0)];
        inputs.extend(self.bias(8));
        self.finish(op, inputs, 6);
    }

    fn integer(&mut self, op: &str) {
        let input = vec![self.centered(0, 2), self.centered(1, 3)];
        let attribute = std::mem::take(&mut self.node.attribute);
        let real = self.push(op, "real", input, attribute);
        let (output, name) = (std::mem::take(&mut self.node.output), self.name.clone());
        let (op_type, attribute) = ("Cast".into(), vec![integer("to", DataType::Int32 as i64)]);
        self.graph.node.push(NodeProto { op_type, input: vec![real], output, attribute, name, ..NodeProto::default() });
    }

    /// The operand at `at` less its zero point at `zero`: one, or one for each output channel. One that is computed is taken off in float.
    fn centered(&mut self, at: usize, zero: usize) -> String {
        let (x, zero, step) = (self.input(at), self.input(zero), format!("{}.step_{at}", self.name));
        if self.is_computed(&zero) {
            let to = || vec![integer("to", DataType::Float as i64)];
            let real = self.push("Cast", &format!("cast_{at}"), vec![x], to());
            let zero = self.push("Cast", &format!("cast_zero_{at}"), vec![zero], to());
            return self.push("Sub", &format!("centered_{at}"), vec![real, zero], Vec::new());
        }
        let dims = self.graph.initializer.iter().find(|t| t.name == zero).map(|t| t.dims.clone()).unwrap_or_default();
        let count = dims.iter().try_fold(1, |n, dim| usize::try_from(*dim).ok()?.checked_mul(n)).unwrap_or(1);
        let (data_type, float_data) = (DataType::Float as i32, vec![1.0; count.min(MAX_CHANNELS)]);
        self.graph.initializer.push(TensorProto {
            name: step.clone(),
            dims,
            data_type,
            float_data,
            ..TensorProto::default()
        });
        self.push("DequantizeLinear", &format!("dequantize_{at}"), vec![x, step, zero], vec![integer("axis", 0)])
    }

    /// The bias is scaled by `alpha` too.
    fn gemm(&mut self, op: &str) {
        let flag = |name: &str| self.node.attribute.iter().find(|a| a.name == name);
        let columns = i64::from(flag("transB").is_none_or(|a| a.i == 0));
        if let Some(mut alpha) = flag("alpha").cloned() {
            alpha.name = "beta".into();
            self.node.attribute.push(alpha);
        }
        let mut inputs = vec![self.dequantized(0, 0), self.dequantized(3, columns)];
        inputs.extend(self.bias(6));
        self.finish(op, inputs, 7);
    }

    fn is_computed(&self, name: &str) -> bool {
        let writer = self.graph.node.iter().find(|node| node.output.iter().any(|output| output == name));
        !name.is_empty() && writer.is_some_and(|node| node.op_type != "Constant")
    }

    fn input(&self, i: usize) -> String {
        self.node.input.get(i).cloned().unwrap_or_default()
    }

    /// The operand at `at`, whose scale and zero point follow it.
    fn dequantized(&mut self, at: usize, axis: i64) -> String {
        let inputs = vec![self.input(at), self.input(at + 1), self.input(at + 2)];
        self.push("DequantizeLinear", &format!("dequantize_{at}"), inputs, vec![integer("axis", axis)])
    }

    /// The bias at `at`, if there is one: int32 in steps of the first operand's scale times the second's.
    fn bias(&mut self, at: usize) -> Option<String> {
        let bias = Some(self.input(at)).filter(|name| !name.is_empty())?;
        let scale = self.push("Mul", "bias_scale", vec![self.input(1), self.input(4)], Vec::new());
        Some(self.push("DequantizeLinear", "dequantize_bias", vec![bias, scale], vec![integer("axis", 0)]))
    }

    /// The float operator, and the quantization of its result by scale and zero point at `at`, if they are given.
    fn finish(&mut self, op: &str, inputs: Vec<String>, at: usize) {
        let attribute = std::mem::take(&mut self.node.attribute);
        let output = std::mem::take(&mut self.node.output);
        let name = self.name.clone();
        let float = NodeProto { op_type: op.into(), input: inputs, attribute, name, ..NodeProto::default() };
        if self.input(at).is_empty() {
            self.graph.node.push(NodeProto { output, ..float });
            return;
        }
        let real = format!("{}.real", self.name);
        self.graph.node.push(NodeProto { output: vec![real.clone()], ..float });
        let input = vec![real, self.input(at), self.input(at + 1)];
        let name = format!("{}.quantize", self.name);
        let quantize = NodeProto { op_type: "QuantizeLinear".into(), name, input, output, ..NodeProto::default() };
        self.graph.node.push(quantize);
    }

    fn push(&mut self, op: &str, part: &str, input: Vec<String>, attribute: Vec<AttributeProto>) -> String {
        let name = format!("{}.{part}", self.name);
        let output = vec![name.clone()];
        let op_type = op.into();
        self.graph.node.push(NodeProto {
            op_type,
            input,
            output,
            attribute,
            name: name.clone(),
            ..NodeProto::default()
        });
        name
    }
}

fn integer(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i, r#type: AttributeType::Int as i32, ..AttributeProto::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(op: &str, domain: &str, inputs: &[&str]) -> Vec<NodeProto> {
        let input = inputs.iter().map(|name| name.to_string()).collect();
        let output = vec!["y".into()];
        let node = NodeProto { op_type: op.into(), domain: domain.into(), input, output, ..NodeProto::default() };
        let graph = Some(GraphProto { node: vec![node], ..GraphProto::default() });
        let mut model = ModelProto { graph, ..ModelProto::default() };
        expand(&mut model);
        model.graph.unwrap_or_default().node
    }

    fn ops(nodes: &[NodeProto]) -> Vec<&str> {
        nodes.iter().map(|node| node.op_type.as_str()).collect()
    }

    #[test]
    fn a_convolution_has_a_bias_in_steps_of_both_scales() {
        let nodes = expanded("QLinearConv", "", &["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"]);
        let wanted = ["DequantizeLinear", "DequantizeLinear", "Mul", "DequantizeLinear", "Conv", "QuantizeLinear"];
        assert_eq!(ops(&nodes), wanted);
        assert_eq!(nodes[2].input, ["xs", "ws"]);
        assert_eq!(nodes[5].input[1..], ["ys", "yz"]);
        assert_eq!(nodes[5].output, ["y"]);
    }

    #[test]
    fn a_gemm_without_a_result_scale_gives_reals() {
        let nodes = expanded("QGemm", "com.microsoft", &["x", "xs", "xz", "w", "ws", "wz"]);
        assert_eq!(ops(&nodes), ["DequantizeLinear", "DequantizeLinear", "Gemm"]);
        assert_eq!(nodes[2].output, ["y"]);
    }

    #[test]
    fn a_convolution_of_integers_gives_integers() {
        let nodes = expanded("ConvInteger", "", &["x", "w", "xz", "wz"]);
        assert_eq!(ops(&nodes), ["DequantizeLinear", "DequantizeLinear", "Conv", "Cast"]);
        assert_eq!((&nodes[1].input[2], &nodes[3].output[0]), (&"wz".to_string(), &"y".to_string()));
    }

    #[test]
    fn operators_of_another_domain_stay_to_be_refused() {
        assert_eq!(ops(&expanded("QLinearAdd", "elsewhere", &["a"])), ["QLinearAdd"]);
        assert_eq!(ops(&expanded("QLinearConv", "", &[])), ["DequantizeLinear", "DequantizeLinear", "Conv"]);
    }
}
