//! Where the instructions of an inference go: by record and by function.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lacewing::Model;
use lacewing::format::Op;
use lacewing::format::metadata::{self, Item};
use serde::Serialize;

use super::firmware::Firmware;
use super::plugin::Counted;
use super::{elf, emulator};

/// The instructions of one inference.
#[derive(Debug, Serialize)]
pub(super) struct Profile {
    /// Of each record, in the program's order.
    layers: Vec<Layer>,
    /// Of what lies between the records: the loop over them.
    between: u64,
    /// Of each function, the most first.
    functions: Vec<Function>,
}

#[derive(Debug, Serialize)]
struct Layer {
    name: String,
    op: &'static str,
    macs: u64,
    instructions: u64,
    instructions_per_mac: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Function {
    name: String,
    instructions: u64,
}

impl Profile {
    /// Runs a firmware that tells its records apart.
    pub(super) fn take(firmware: &Firmware, model: &Model<'_>, input: Option<&[u8]>, limit: Duration) -> Result<Self> {
        let counted = emulator::run(firmware, input, limit)?.by_inference(model);
        ensure!(counted.windows > 0, "the device made no inference");
        Ok(Self {
            layers: layers(model, &counted),
            between: mean(counted.parts.get(&0), &counted),
            functions: functions(&fs::read(firmware.elf())?, &counted)?,
        })
    }

    /// The tables for people.
    pub(super) fn print(&self) {
        println!("\n{:>14} {:>8}  {:20} layer", "instructions", "per MAC", "operation");
        for Layer { name, op, instructions, instructions_per_mac, .. } in &self.layers {
            let per_mac = instructions_per_mac.map_or_else(String::new, |ratio| format!("{ratio:.3}"));
            println!("{instructions:>14} {per_mac:>8}  {op:20} {name}");
        }
        println!("{:>14} {:>8}  between records", self.between, "");
        println!("\n{:>14}  function", "instructions");
        for Function { name, instructions } in &self.functions {
            println!("{instructions:>14}  {name}");
        }
    }
}

/// Part `i + 1` of the firmware's work is record `i`.
fn layers(model: &Model<'_>, counted: &Counted) -> Vec<Layer> {
    let names = names(model);
    let layer = |(index, op): (usize, Op)| {
        let (macs, instructions) = (op.macs(), mean(counted.parts.get(&(index + 1)), counted));
        Layer {
            name: names.get(index).cloned().unwrap_or_default(),
            op: op.opcode().name(),
            macs,
            instructions,
            instructions_per_mac: (macs > 0).then(|| instructions as f64 / macs as f64),
        }
    };
    model.ops().enumerate().map(layer).collect()
}

fn names(model: &Model<'_>) -> Vec<String> {
    let items = metadata::read(model.metadata_bytes()).into_iter();
    let layers = items.filter_map(|item| if let Item::Layers(layers) = item { Some(layers) } else { None });
    layers.flatten().map(|layer| layer.name).collect()
}

fn functions(firmware: &[u8], counted: &Counted) -> Result<Vec<Function>> {
    let functions = elf::Functions::read(firmware).context("no functions to count by")?;
    let mut sums = BTreeMap::<&str, u64>::new();
    for (address, times) in &counted.places {
        *sums.entry(functions.at(*address).unwrap_or("(no symbol)")).or_default() += times;
    }
    let function = |(name, sum): (&str, u64)| Function { name: name.into(), instructions: mean(Some(&sum), counted) };
    let mut functions: Vec<_> = sums.into_iter().map(function).collect();
    functions.sort_by_key(|function| std::cmp::Reverse(function.instructions));
    Ok(functions)
}

/// Of one inference.
fn mean(sum: Option<&u64>, counted: &Counted) -> u64 {
    sum.copied().unwrap_or_default() / counted.windows
}
