//! The program of a `.lace` file as people look at it: its operations, and how full the arena is at each.

use lacewing::Model;
use lacewing::format::metadata::{self, Item};
use lacewing::format::{DType, Op, Place, Port, Span, Tensor};
use serde_json::{Value, json};

/// One operation of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The operation and its arithmetic.
    pub(super) op: &'static str,
    /// The ONNX node that it came from.
    pub(super) name: String,
    /// The tensor that it writes.
    pub(super) output: Tensor,
    /// Multiply-accumulates.
    pub(super) macs: u64,
    /// Tensors in the arena while it runs, the output among them.
    pub(super) live: usize,
    /// The bytes of those tensors and of its scratch, those that output and input may share counted once.
    pub(super) live_bytes: u64,
    /// Whether it writes over one of its operands.
    pub(super) in_place: bool,
}

/// The operations of a model in their order.
pub(super) fn steps(model: &Model<'_>) -> Vec<Step> {
    let mut live: Vec<Span> = model.inputs().filter_map(|port| port.tensor.span()).collect();
    let names = names(model);
    model.ops().enumerate().map(|(i, op)| step(&op, names.get(i).cloned().unwrap_or_default(), &mut live)).collect()
}

fn step(op: &Op, name: String, live: &mut Vec<Span>) -> Step {
    let output = *op.output();
    let written = output.span().unwrap_or(Span::EMPTY);
    let in_place = live.contains(&written);
    if !in_place {
        live.push(written);
    }
    let step = Step {
        op: op.opcode().name(),
        name,
        output,
        macs: op.macs(),
        live: live.len(),
        live_bytes: live.iter().chain([&op.scratch()]).map(|span| u64::from(span.len)).sum::<u64>()
            - u64::from(op.safe_overlap().most()),
        in_place,
    };
    let dead = op.inputs().iter().filter(|input| input.is_last() && input.place() == Place::Arena);
    let dead: Vec<Span> = dead.filter_map(Tensor::span).collect();
    live.retain(|span| *span == written || !dead.contains(span));
    step
}

/// The node of each operation.
fn names(model: &Model<'_>) -> Vec<String> {
    let items = metadata::read(model.metadata_bytes());
    let layers = items.into_iter().find_map(|item| if let Item::Layers(layers) = item { Some(layers) } else { None });
    layers.unwrap_or_default().into_iter().map(|layer| layer.name).collect()
}

/// Multiply-accumulates of the whole program.
pub(super) fn macs(steps: &[Step]) -> u64 {
    steps.iter().map(|step| step.macs).sum()
}

/// The most bytes live at once: no arena for this order of operations is smaller.
pub(super) fn lower_bound(steps: &[Step]) -> u64 {
    steps.iter().map(|step| step.live_bytes).max().unwrap_or(0)
}

/// Operations that compute in f32 though the program is int8: the model was converted, but not all of it.
pub(super) fn float_ops(steps: &[Step]) -> Vec<&Step> {
    let float = |step: &&Step| step.op.ends_with("F32");
    if steps.iter().all(|step| float(&step)) { Vec::new() } else { steps.iter().filter(float).collect() }
}

/// The name of an element type.
pub(super) fn dtype(tensor: &Tensor) -> &'static str {
    match tensor.dtype() {
        Some(DType::I8) => "int8",
        Some(DType::I16) => "int16",
        Some(DType::I32) => "int32",
        Some(DType::F32) => "float32",
        None => "unknown",
    }
}

/// An operation for programs.
pub(super) fn step_json(step: &Step) -> Value {
    json!({
        "name": step.name,
        "op": step.op,
        "shape": step.output.shape,
        "offset": step.output.offset,
        "macs": step.macs,
        "in_place": step.in_place,
        "live_tensors": step.live,
        "live_bytes": step.live_bytes,
    })
}

/// An input or an output for programs.
pub(super) fn port_json(port: &Port<'_>) -> Value {
    let integers = matches!(port.tensor.dtype(), Some(DType::I8 | DType::I16));
    json!({
        "name": port.name(),
        "shape": port.shape(),
        "dtype": dtype(&port.tensor),
        "scale": integers.then_some(port.scale),
        "zero_point": integers.then_some(port.zero),
        "offset": port.tensor.offset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing::format::encode::Builder;
    use lacewing::ops::{Function, UnaryF32};

    fn tensor(offset: u32) -> Tensor {
        Tensor::new(Place::Arena, DType::F32, offset, [1, 1, 1, 4])
    }

    fn port(tensor: Tensor) -> Port<'static> {
        Port { name: b"x", tensor, rank: 2, dims: [1, 4, 1, 1, 1, 1], scale: 1.0, zero: 0 }
    }

    #[test]
    fn live_bytes_follow_the_last_uses() {
        let mut builder = Builder::default();
        let unary = |input, output| UnaryF32 { input, output, function: Function::Abs };
        for record in
            [unary(tensor(0), tensor(16)), unary(tensor(16).last(), tensor(16)), unary(tensor(0).last(), tensor(32))]
        {
            builder.push(&record.into()).unwrap();
        }
        let file = builder.finish(&[port(tensor(0))], &[port(tensor(32))], 48, &[]).unwrap();
        let file = lacewing::owned::Aligned::from(&file[..]);
        let steps = steps(&Model::read(&file).unwrap());
        assert_eq!(
            steps.iter().map(|s| (s.live_bytes, s.in_place)).collect::<Vec<_>>(),
            [(32, false), (32, true), (48, false)]
        );
        assert_eq!(lower_bound(&steps), 48);
        assert!(float_ops(&steps).is_empty(), "a float program has no op to complain of");
    }
}
