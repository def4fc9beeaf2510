//! `lacewing inspect`, of a `.lace` file; that of an ONNX model is `survey`.

use std::path::PathBuf;

use lacewing::Model;
use lacewing::format::metadata::{self, Item};
use lacewing::format::preprocessing::Preprocessing;
use lacewing::format::{DType, Port, VERSION};
use serde_json::{Map, Value, json};

use super::device::DeviceArgs;
use super::engine::{Formats, is_lace};
use super::failure::Failure;
use super::files;
use super::memory;
use super::numbers::{bytes, counted, grouped, hex, shape, short};
use super::predict::{Place, place_parser, predict};
use super::program::{self, Step};
use super::terminal::{Paint, Terminal};
use crate::runner::Runner;

/// Show what is in a model: operations, shapes, memory over time; what an ONNX model will be
///
/// Of a .lace file its program. Of an ONNX model its nodes before conversion: what runs in int8, what in f32, what is refused and why.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args<F: Formats> {
    /// The .lace file or the ONNX model
    model: PathBuf,
    /// Predict instructions and time of a .lace file on this instruction set or board; see `lacewing targets`
    #[arg(long, value_parser = place_parser(), hide_possible_values = true)]
    target: Option<Place>,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    formats: F,
}

const EXAMPLES: &str = "\
Examples:
  lacewing inspect model.lace
  lacewing inspect model.onnx
  lacewing inspect model.lace --target stm32f446
  lacewing inspect model.lace --json";

/// Characters of the longest bar.
const BAR: u64 = 24;

/// Runs it.
///
/// # Errors
/// The file is refused.
pub fn run<F: Formats>(args: &Args<F>, terminal: &Terminal) -> Result<(), Failure> {
    let file = files::read(&args.model)?;
    if !is_lace(&file) {
        return args.formats.inspect(&file, &args.model, terminal).map_err(|failure| failure.of(&args.model));
    }
    let runner = Runner::new(&file).map_err(|error| Failure::from(error).of(&args.model))?;
    let model = runner.model();
    let steps = program::steps(&model);
    ports(&model, terminal);
    operations(&steps, model.arena_len(), terminal);
    sizes(&model, &steps, terminal);
    origin(&model, terminal);
    let mut object = described(&model, &steps);
    if let Some(place) = args.target {
        object["prediction"] = predict(place, &model, &steps, terminal);
    }
    if let Some(gpu) = args.device.inspect(&model, terminal)? {
        object["gpu"] = gpu;
    }
    terminal.object(&object)
}

fn ports(model: &Model<'_>, terminal: &Terminal) {
    let mut table = terminal.table(["", "name", "shape", "type", "scale", "zero point"], 4..6);
    let doors = model.inputs().map(|port| ("input", port)).chain(model.outputs().map(|port| ("output", port)));
    let doors = doors.chain(model.states().map(|port| ("state", port)));
    for (door, port) in doors {
        let integers = matches!(port.tensor.dtype(), Some(DType::I8 | DType::I16));
        let number = |text: String| if integers { text } else { String::new() };
        let Port { scale, zero, .. } = port;
        let of_type = program::dtype(&port.tensor).to_string();
        let (scale, zero) = (number(scale.to_string()), number(zero.to_string()));
        let door = if port.tensor.lines > 0 { format!("{door}, row by row") } else { door.to_string() };
        table.add_row([door, port.name().to_string(), shape(port.shape()), of_type, scale, zero]);
    }
    terminal.say(table);
}

/// The operations with a bar of the live bytes; the full bar is the arena.
fn operations(steps: &[Step], arena: usize, terminal: &Terminal) {
    let mut table = terminal.table(["operation", "node", "output", "MAC", "live", "of the arena"], 3..5);
    for step in steps {
        let filled = (step.live_bytes * BAR).div_ceil((arena as u64).max(1)).min(BAR);
        let mark = if step.in_place { " in place" } else { "" };
        let band = step.band.map(|band| format!("{} ", band + 1)).unwrap_or_default();
        table.add_row([
            format!("{band}{}{mark}", step.op),
            short(&step.name),
            shape(&step.shape),
            grouped(step.macs),
            grouped(step.live_bytes),
            "█".repeat(filled as usize),
        ]);
    }
    terminal.say(table);
    if steps.iter().any(|step| step.band.is_some()) {
        terminal.say("Operations with the same number in front run together, row by row.");
    }
}

fn sizes(model: &Model<'_>, steps: &[Step], terminal: &Terminal) {
    let header = model.header();
    let bound = program::lower_bound(steps) as usize;
    let mut table = terminal.table(["memory", ""], 1..2);
    table.add_row(["arena (RAM), with inputs and outputs".to_string(), bytes(model.arena_len())]);
    memory::rows(model.regions(), &mut table);
    table.add_row(["largest sum of live tensors".to_string(), bytes(bound)]);
    table.add_row(["file (flash)".to_string(), bytes(header.file_len as usize)]);
    table.add_row(["  weights and tables".to_string(), bytes(header.constants_len as usize)]);
    table.add_row(["  program".to_string(), bytes(header.program_len as usize)]);
    table.add_row(["  names and origin".to_string(), bytes(header.metadata_len as usize)]);
    table.add_row(["multiply-accumulates".to_string(), grouped(program::macs(steps))]);
    terminal.say(table);
}

fn origin(model: &Model<'_>, terminal: &Terminal) {
    for item in metadata::read(model.metadata_bytes()) {
        match item {
            Item::Producer(producer) => terminal.say(terminal.paint(format!("written by {producer}"), Paint::Dim)),
            Item::Source { name, sha256 } => {
                terminal.say(terminal.paint(format!("from {name}, SHA-256 {}", hex(&sha256)), Paint::Dim));
            }
            Item::Conversion { options, samples, sha256 } => {
                terminal.say(terminal.paint(format!("converted with {options}"), Paint::Dim));
                let data = format!("on {}, SHA-256 {}", counted(samples as usize, "sample"), hex(&sha256));
                terminal.say(terminal.paint(data, Paint::Dim));
            }
            Item::Preprocessing(preprocessing) => terminal.say(recipe(&preprocessing)),
            Item::Labels(labels) => terminal.say(format_args!("classes: {}", labels.join(", "))),
            _ => {}
        }
    }
}

/// Preprocessing as the file that `--preprocess` takes.
fn recipe(preprocessing: &Preprocessing) -> String {
    toml::to_string(preprocessing).unwrap_or_default().trim_end().to_string()
}

fn described(model: &Model<'_>, steps: &[Step]) -> Value {
    let header = model.header();
    let mut object = json!({
        "format_version": VERSION,
        "file_bytes": header.file_len,
        "program_bytes": header.program_len,
        "constant_bytes": header.constants_len,
        "metadata_bytes": header.metadata_len,
        "arena_bytes": header.arena_len,
        "region_bytes": memory::regions_json(model.regions()),
        "arena_lower_bound_bytes": program::lower_bound(steps),
        "macs": program::macs(steps),
        "inputs": model.inputs().map(|port| program::port_json(&port)).collect::<Vec<_>>(),
        "outputs": model.outputs().map(|port| program::port_json(&port)).collect::<Vec<_>>(),
        "states": model.states().map(|port| program::port_json(&port)).collect::<Vec<_>>(),
        "ops": steps,
    });
    if let Value::Object(object) = &mut object {
        metadata::read(model.metadata_bytes()).into_iter().for_each(|item| insert(object, item));
    }
    object
}

fn insert(object: &mut Map<String, Value>, item: Item) {
    match item {
        Item::Producer(producer) => object.insert("producer".into(), json!(producer)),
        Item::Source { name, sha256 } => {
            object.insert("source".into(), json!({ "name": name, "sha256": hex(&sha256) }))
        }
        Item::Conversion { options, samples, sha256 } => {
            let data = json!({ "samples": samples, "sha256": hex(&sha256) });
            object.insert("conversion".into(), json!({ "options": options, "data": data }))
        }
        Item::Labels(labels) => object.insert("labels".into(), json!(labels)),
        Item::Preprocessing(preprocessing) => object.insert("preprocessing".into(), json!(preprocessing)),
        _ => None,
    };
}
