//! `lacewing compare`.

use std::collections::HashMap;
use std::path::PathBuf;

use lacewing::format::DType;
use lacewing::format::metadata::{self, Item};
use lacewing_convert::channels;
use lacewing_convert::data::Samples;
use lacewing_convert::graph::{Graph, Node};
use lacewing_convert::import::{self, ImportOptions};
use lacewing_convert::isolated::LayerSteps;
use lacewing_convert::passes::{SimplifyOptions, simplify};
use lacewing_convert::reference::Reference;
use lacewing_convert::report::Findings;
use lacewing_convert::runner::Runner;
use lacewing_convert::states;
use lacewing_convert::verify::{LayerNoise, Verification, verify};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::arguments::DataArgs;
use super::convert::{compared_with, inputs, output_sqnr_json};
use super::failure::Failure;
use super::files;
use super::import::{self as model, ImportArgs};
use super::numbers::{counted, decibels, json_decibels, percent, short};
use super::program;
use super::report::{ReportArgs, file_name, own_errors};
use super::samples::{Found, Source};
use super::terminal::{Paint, Terminal};

/// Compare a .lace file with its ONNX original, layer by layer, the worst first
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The float original
    onnx: PathBuf,
    /// The file made from it
    lace: PathBuf,
    /// Samples in the original's layout: an .npz with `x` or one array for each input by name, or a folder of PNG, JPEG or WAV files
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    args: DataArgs,
    #[command(flatten)]
    import: ImportArgs,
}

const EXAMPLES: &str = "\
Examples:
  lacewing compare model.onnx model.lace --data samples.npz
  lacewing compare model.onnx model.lace --data test.npz --report report.html
  lacewing compare model.onnx model.lace --data samples.npz --json";

/// Below this a layer is worth a look, in dB.
const LOW_DB: f64 = 20.0;
/// Layers that people see without `-v`.
const SHOWN: usize = 10;

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let (onnx, file) = (model::read(&args.onnx)?, files::read(&args.lace)?);
    let import = args.import.options();
    let runner = Runner::new(&file).map_err(|error| Failure::from(error).of(&args.lace))?;
    warn_of_another_source(&onnx, &runner, terminal);
    let named = |failure: Failure| failure.of(&args.onnx);
    let (specs, items) = (inputs(&onnx, &import).map_err(named)?, metadata::read(runner.model().metadata_bytes()));
    let (path, data) = (Some(&*args.data), &args.args);
    let source = Source { path, args: data, inputs: specs, items, most: usize::MAX, labeled: false };
    let Found { samples, data, .. } = source.read(terminal)?;
    let samples = samples.ok_or_else(|| Failure::new("no samples"))?;
    let graph = written_graph(&onnx, &runner, &import).map_err(named)?;
    let reference = Reference::new(&onnx, &import, &graph, samples.rows()).map_err(|error| named(error.into()))?;
    let integers = runner.model().ops().any(|op| matches!(op.output().dtype(), Some(DType::I8 | DType::I16)));
    let graph = channels::written(&graph, integers, samples.rows()).map_err(|error| named(error.into()))?;
    refuse_pruned(&graph, &runner).map_err(|failure| failure.of(&args.lace))?;
    let verification = verified(&graph, &file, &reference, &samples, terminal).map_err(named)?;
    let own = own_errors(&graph, &file, &samples, terminal).map_err(named)?;
    let findings = Findings {
        model: &file_name(&args.onnx),
        data: &file_name(&args.data),
        file: &file,
        verification: &verification,
        own: &own,
        fixes: &[],
        labels: samples.labels().ok(),
    };
    args.report.write(&findings, terminal)?;
    let own: Own = own.iter().map(|layer| (layer.name.as_str(), layer)).collect();
    let sorted = worst_first(&verification);
    report(&verification, &sorted, &own, terminal);
    compared_with(&verification, terminal);
    terminal.object(&json!({
        "sqnr_db": json_decibels(verification.sqnr_db),
        "output_sqnr_db": output_sqnr_json(&verification),
        "top1_agreement": verification.has_classes.then_some(verification.top1_agreement),
        "n": verification.samples,
        "reference": verification.reference,
        "data": data,
        "layers": sorted.iter().map(|layer| layer_json(layer, &own)).collect::<Vec<_>>(),
        "advice": advice(&verification, &sorted),
    }))
}

fn verified(
    graph: &Graph,
    file: &[u8],
    reference: &Reference,
    samples: &Samples,
    terminal: &Terminal,
) -> Result<Verification, Failure> {
    let mut progress = terminal.progress("comparing", samples.len());
    Ok(verify(graph, file, reference, samples.rows(), || progress.step())?)
}

/// The error of each layer by itself, by the layer's name.
type Own<'a> = HashMap<&'a str, &'a LayerSteps>;

fn layer_json(layer: &LayerNoise, own: &Own<'_>) -> Value {
    let own = own.get(layer.name.as_str());
    json!({
        "name": layer.name,
        "op": layer.op,
        "sqnr_db": json_decibels(layer.sqnr_db),
        "own_sqnr_db": own.map(|own| json_decibels(own.sqnr_db)),
        "own_max_steps": own.map(|own| own.max_steps),
        "own_differing": own.map(|own| own.differing),
    })
}

/// The graph that the file was written from: channels last at the door if its inputs are not as the original's.
fn written_graph(onnx: &[u8], runner: &Runner, import: &ImportOptions) -> Result<Graph, Failure> {
    let (graph, states) = import::with_states(onnx, import)?;
    let model = runner.model();
    let shapes = model.inputs().map(|port| port.shape().iter().map(|dim| *dim as usize).collect::<Vec<_>>());
    let differs = graph.inputs.iter().zip(shapes).any(|(input, shape)| graph.shape(*input) != shape);
    let options = SimplifyOptions { input_layout_nhwc: differs, ..SimplifyOptions::default() };
    Ok(states::bind(simplify(graph, &options)?, &states)?)
}

/// The layers of a pruned file are not those of its original.
fn refuse_pruned(graph: &Graph, runner: &Runner) -> Result<(), Failure> {
    let steps = program::steps(&runner.model());
    let written: HashMap<&str, Option<u32>> =
        steps.iter().map(|step| (step.name.as_str(), Some(step.shape.iter().product()))).collect();
    let differs = |node: &Node| {
        let len = graph.shape(node.outputs[0]).iter().product::<usize>() as u32;
        written.get(node.name.as_str()).is_some_and(|written| *written != Some(len))
    };
    match graph.nodes.iter().find(|node| differs(node)) {
        Some(node) => Err(Failure::new(format!(
            "layer `{}` is not as in the original, as after --prune; `lacewing eval` measures both files",
            short(&node.name)
        ))),
        None => Ok(()),
    }
}

fn warn_of_another_source(onnx: &[u8], runner: &Runner, terminal: &Terminal) {
    let digest: [u8; 32] = Sha256::digest(onnx).into();
    let items = metadata::read(runner.model().metadata_bytes());
    if items.iter().any(|item| matches!(item, Item::Source { sha256, .. } if *sha256 != digest)) {
        let warning = terminal.paint("warning", Paint::Yellow);
        terminal.note(format_args!(
            "{warning}: the .lace file was made from another ONNX file; layers are matched by name"
        ));
    }
}

fn worst_first(verification: &Verification) -> Vec<LayerNoise> {
    let mut layers = verification.layers.clone();
    layers.sort_by(|a, b| a.sqnr_db.total_cmp(&b.sqnr_db));
    layers
}

fn report(verification: &Verification, sorted: &[LayerNoise], own: &Own<'_>, terminal: &Terminal) {
    let shown = if terminal.verbose() { sorted.len() } else { sorted.len().min(SHOWN) };
    table(&sorted[..shown], own, terminal);
    if shown < sorted.len() {
        let rest = counted(sorted.len() - shown, "better layer");
        terminal.say(terminal.paint(format!("… and {rest}; -v shows all"), Paint::Dim));
    }
    let agreement = match verification.has_classes {
        true => format!(", top-1 agreement {}", percent(verification.top1_agreement)),
        false => String::new(),
    };
    terminal.say(format_args!(
        "output SQNR {}{agreement} on {}",
        terminal.paint(decibels(verification.sqnr_db), Paint::Bold),
        counted(verification.samples, "sample"),
    ));
    advice(verification, sorted).into_iter().for_each(|line| terminal.say(format_args!("• {line}")));
}

/// SQNR of layers against the original, and what of it is their own: given what the program gave them, the largest difference from
/// their exact meaning in steps of their scale, and how many outputs differ.
fn table(layers: &[LayerNoise], own: &Own<'_>, terminal: &Terminal) {
    let mut table = terminal.table(["layer", "operation", "SQNR", "own error", "outputs off"], 2..5);
    for layer in layers {
        let own = own.get(layer.name.as_str());
        let steps = own.map_or_else(String::new, |own| counted(own.max_steps as usize, "step"));
        let share = own.map_or_else(String::new, |own| percent(own.differing));
        table.add_row([short(&layer.name), layer.op.clone(), decibels(layer.sqnr_db), steps, share]);
    }
    terminal.say(table);
}

/// What to do about the worst layers.
fn advice(verification: &Verification, sorted: &[LayerNoise]) -> Vec<String> {
    let mut advice = Vec::new();
    let worst = sorted.first().filter(|layer| layer.sqnr_db < LOW_DB);
    let other_classes = verification.has_classes && verification.top1_agreement < 0.98;
    let Some(worst) = worst.filter(|_| verification.sqnr_db < LOW_DB || other_classes) else {
        return vec!["nothing to do: what is lost is lost evenly and the output hardly sees it".to_string()];
    };
    if let Some(first) = first_drop(&verification.layers) {
        advice.push(format!(
            "the loss begins at {} `{}`: look there before the layers behind it",
            first.op,
            short(&first.name)
        ));
    }
    advice.push(format!(
        "{} `{}` is worst with {}: a few large values stretch its range; clip it in training (ReLU6, weight decay), or leave \
         outliers out of the calibration samples",
        worst.op,
        short(&worst.name),
        decibels(worst.sqnr_db)
    ));
    advice.push("calibrate on samples like those compared here: 100 to 500 that cover every class".to_string());
    advice.push("`lacewing convert --precision f32` shows whether the loss is quantization's".to_string());
    advice
}

/// The first layer, in the order of the program, that is low.
fn first_drop(layers: &[LayerNoise]) -> Option<&LayerNoise> {
    layers.iter().find(|layer| layer.sqnr_db < LOW_DB)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verification(sqnr: [f64; 3], output: f64) -> Verification {
        let layer = |(i, &sqnr_db): (usize, &f64)| LayerNoise {
            name: format!("n{i}"),
            op: "Conv".into(),
            sqnr_db,
            spread: None,
        };
        let layers = sqnr.iter().enumerate().map(layer).collect();
        let (classes, reference) = (Vec::new(), "tract".into());
        let outputs = vec![("y".into(), output)];
        let (sqnr_db, has_classes, top1_agreement, samples) = (output, true, 0.9, 10);
        Verification { layers, sqnr_db, outputs, has_classes, top1_agreement, classes, samples, reference }
    }

    #[test]
    fn the_worst_layer_comes_first_and_the_first_loss_is_named() {
        let verification = verification([40.0, 15.0, 12.0], 11.0);
        let sorted = worst_first(&verification);
        assert_eq!(sorted[0].name, "n2");
        let advice = advice(&verification, &sorted);
        assert!(advice[0].contains("`n1`") && advice[1].contains("`n2`"), "{advice:?}");
    }

    #[test]
    fn good_models_get_no_advice() {
        let verification = verification([40.0, 35.0, f64::INFINITY], 33.0);
        assert!(advice(&verification, &worst_first(&verification))[0].starts_with("nothing to do"));
    }
}
