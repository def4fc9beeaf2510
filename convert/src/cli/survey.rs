//! `lacewing inspect` of an ONNX model: what it is, and what it will be.

use std::collections::BTreeMap;

use lacewing_convert::error::ConvertError;
use lacewing_convert::survey::{Becomes, Door, Node, Survey, survey};
use lacewing_convert::{Options, import::ImportOptions};
use serde_json::{Value, json};

use super::failure::Failure;
use super::numbers::{bytes, counted, grouped, shape, short};
use super::problems::problems;
use super::terminal::{Paint, Terminal};

pub(super) fn run(onnx: &[u8], import: ImportOptions, terminal: &Terminal) -> Result<(), Failure> {
    let survey = survey(onnx, &Options { import, ..Options::default() })?;
    doors(&survey, terminal);
    operators(&survey, terminal);
    nodes(&survey, terminal);
    totals(&survey, terminal);
    verdict(&survey, terminal);
    terminal.object(&described(&survey))
}

fn doors(survey: &Survey, terminal: &Terminal) {
    let mut table = terminal.table(["", "name", "shape", "type"], 4..4);
    let inputs = survey.inputs.iter().map(|door| ("input", door));
    for (what, Door { name, dtype, shape }) in inputs.chain(survey.outputs.iter().map(|door| ("output", door))) {
        let dtype = if dtype.is_empty() { "no tensor" } else { dtype };
        table.add_row([what, name, &known(shape.as_deref()), dtype]);
    }
    terminal.say(table);
}

fn known(dims: Option<&[usize]>) -> String {
    dims.map_or("?".to_string(), shape)
}

/// Each operator with its number and what its nodes will be.
fn operators(survey: &Survey, terminal: &Terminal) {
    let mut table = terminal.table(["operator", "nodes", "parameters", "MAC", "becomes"], 1..4);
    for (op, nodes) in by_operator(survey) {
        let kinds = count(nodes.iter().map(|node| node.becomes.word()));
        let becomes: Vec<_> = kinds.into_iter().map(|(word, n)| format!("{n} {}", painted(word, terminal))).collect();
        let parameters: usize = nodes.iter().map(|node| node.parameters).sum();
        let macs: u64 = nodes.iter().map(|node| node.macs).sum();
        let number = |n: u64| if n == 0 { String::new() } else { grouped(n) };
        let cells = [op.to_string(), nodes.len().to_string(), number(parameters as u64), number(macs)];
        table.add_row(cells.into_iter().chain([becomes.join(", ")]));
    }
    terminal.say(table);
}

fn by_operator(survey: &Survey) -> BTreeMap<&str, Vec<&Node>> {
    let mut operators: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    survey.nodes.iter().for_each(|node| operators.entry(&node.op).or_default().push(node));
    operators
}

fn count<'w>(words: impl Iterator<Item = &'w str>) -> BTreeMap<&'w str, usize> {
    words.fold(BTreeMap::new(), |mut counts, word| {
        *counts.entry(word).or_default() += 1;
        counts
    })
}

fn painted(word: &str, terminal: &Terminal) -> String {
    match word {
        "refused" => terminal.paint(word, Paint::Red),
        "f32" | "unknown" => terminal.paint(word, Paint::Yellow),
        "constant" | "merged" => terminal.paint(word, Paint::Dim),
        _ => word.to_string(),
    }
}

/// Nodes in their order; constants are left out, for there can be many.
fn nodes(survey: &Survey, terminal: &Terminal) {
    let mut table = terminal.table(["operator", "node", "output", "parameters", "MAC", "becomes"], 3..5);
    for node in survey.nodes.iter().filter(|node| node.becomes != Becomes::Constant) {
        table.add_row([
            node.op.clone(),
            short(&node.name),
            known(node.shape.as_deref()),
            grouped(node.parameters as u64),
            grouped(node.macs),
            painted(node.becomes.word(), terminal),
        ]);
    }
    terminal.say(table);
}

fn parameters(survey: &Survey) -> usize {
    survey.nodes.iter().map(|node| node.parameters).sum()
}

fn macs(survey: &Survey) -> u64 {
    survey.nodes.iter().map(|node| node.macs).sum()
}

fn totals(survey: &Survey, terminal: &Terminal) {
    let mut table = terminal.table(["model", ""], 1..2);
    table.add_row(["nodes that the outputs need".to_string(), grouped(survey.nodes.len() as u64)]);
    table.add_row(["parameters".to_string(), grouped(parameters(survey) as u64)]);
    table.add_row(["multiply-accumulates".to_string(), grouped(macs(survey))]);
    if let Some([arena, file]) = survey.sizes {
        table.add_row(["arena (RAM), converted to int8".to_string(), bytes(arena)]);
        table.add_row(["file (flash), converted to int8".to_string(), bytes(file)]);
    }
    terminal.say(table);
    let by = if survey.producer.is_empty() { String::new() } else { format!(", written by {}", survey.producer) };
    terminal.say(terminal.paint(format!("{}, opset {}{by}", survey.name, survey.opset), Paint::Dim));
}

/// The last word: what stands in the way, or that nothing does.
fn verdict(survey: &Survey, terminal: &Terminal) {
    let float = survey.nodes.iter().filter(|node| node.becomes == Becomes::F32).count();
    match &survey.problem {
        Some(problem) => terminal.say(format_args!("{}: {problem}", terminal.paint("cannot be converted", Paint::Red))),
        None if float > 0 => {
            let nodes = counted(float, "node");
            terminal.say(format_args!("{}: {nodes} in f32", terminal.paint("can be converted", Paint::Yellow)));
        }
        None => terminal.say(terminal.paint("can be converted, all of it in int8", Paint::Green)),
    }
}

fn described(survey: &Survey) -> Value {
    let operators = by_operator(survey).into_iter().map(|(op, nodes)| {
        let becomes = count(nodes.iter().map(|node| node.becomes.word()));
        (op.to_string(), json!({ "nodes": nodes.len(), "becomes": becomes }))
    });
    let more = match &survey.problem {
        Some(ConvertError::Several { more, .. }) => *more,
        _ => 0,
    };
    json!({
        "name": survey.name,
        "producer": survey.producer,
        "opset": survey.opset,
        "inputs": survey.inputs.iter().map(door_json).collect::<Vec<_>>(),
        "outputs": survey.outputs.iter().map(door_json).collect::<Vec<_>>(),
        "operators": operators.collect::<serde_json::Map<_, _>>(),
        "nodes": survey.nodes.iter().map(node_json).collect::<Vec<_>>(),
        "parameters": parameters(survey),
        "macs": macs(survey),
        "arena_bytes": survey.sizes.map(|[arena, _]| arena),
        "file_bytes": survey.sizes.map(|[_, file]| file),
        "convertible": survey.problem.is_none(),
        "problems": survey.problem.as_ref().map(problems).unwrap_or_default(),
        "more_problems": more,
    })
}

fn door_json(door: &Door) -> Value {
    json!({ "name": door.name, "dtype": door.dtype, "shape": door.shape })
}

fn node_json(node: &Node) -> Value {
    let reason = match &node.becomes {
        Becomes::Refused(reason) => Some(reason),
        _ => None,
    };
    json!({
        "name": node.name,
        "op": node.op,
        "shape": node.shape,
        "parameters": node.parameters,
        "macs": node.macs,
        "becomes": node.becomes.word(),
        "reason": reason,
    })
}
