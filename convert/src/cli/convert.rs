//! `lacewing convert`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use lacewing::Model;
use lacewing_convert::channels::Removed;
use lacewing_convert::data::{InputSpec, Samples};
use lacewing_convert::encode::Aim;
use lacewing_convert::fixes::fixes;
use lacewing_convert::import::{self, ImportOptions};
use lacewing_convert::passes::SimplifyOptions;
use lacewing_convert::plan::Optimize;
use lacewing_convert::quantize::Precision;
use lacewing_convert::reconstruct::{Rounding, too_large};
use lacewing_convert::report::Findings;
use lacewing_convert::runner::Runner;
use lacewing_convert::search::Point;
use lacewing_convert::verify::{LayerNoise, Verification};
use lacewing_convert::{Conversion, Options, Sample, Stage, Step, convert};
use serde_json::{Value, json};

use super::arguments::DataArgs;
use super::budget::{self, BudgetArgs};
use super::failure::Failure;
use super::files;
use super::import::{self as model, ImportArgs};
use super::memory;
use super::numbers::{bytes, counted, decibels, grouped, json_decibels, percent, short};
use super::predict::{Place, place_parser, predict};
use super::program;
use super::quantization::QuantizationArgs;
use super::regions::{self, Regions};
use super::report::{ReportArgs, file_name, own_errors};
use super::samples::{Found, Source};
use super::terminal::{Paint, Progress, Terminal};

/// Convert an ONNX model to a .lace file
///
/// The model is quantized on calibration samples, written, and what was written is run against the float original.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{RECIPES}"))]
pub(super) struct Args {
    /// The ONNX model
    model: PathBuf,
    /// The file to write; the model's name with .lace if not given
    #[arg(short, long, value_name = "LACE")]
    output: Option<PathBuf>,
    /// Samples that show what values occur, in ONNX's layout: an .npz with `x` or one array for each input by name,
    /// or a folder of PNG, JPEG or WAV files
    #[arg(long, value_name = "PATH")]
    calib: Option<PathBuf>,
    /// Take at most N samples: of n in the order of their names number ⌊i·n / N⌋ for each i
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    calib_samples: Option<u32>,
    /// The instruction set or board to write for; see `lacewing targets`
    #[arg(long, default_value = "portable", value_parser = place_parser(), hide_possible_values = true)]
    target: Place,
    /// What matters more in the plan of the memory: if --max-ram is given the least time within it, otherwise `speed` for boards with Linux,
    /// PCs and browsers, and `balanced`
    #[arg(long, value_enum)]
    optimize: Option<OptimizeArg>,
    /// Leave out the channels that matter least until this share of multiply-accumulates is saved; needs --calib
    #[arg(long, value_name = "SHARE")]
    prune: Option<f64>,
    /// Order of the axes of image inputs on the device
    #[arg(long, value_enum, default_value_t = LayoutArg::Onnx)]
    input_layout: LayoutArg,
    /// Put the arena into two or three regions of memory, the fastest first, what is used most into the fastest: bytes of each, or `board`
    /// for those of the --target, less 8K of the first for stack and variables; see `Session::in_regions`
    #[arg(long, value_name = "BYTES,BYTES", value_parser = regions::parse)]
    regions: Option<Regions>,
    /// Have the input go in row by row, as a camera gives it, so that RAM never holds all of it; see `Session::push_row`
    #[arg(long)]
    input_rows: bool,
    /// Refuse a model of which an operation would run in float inside an int8 program
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    args: DataArgs,
    #[command(flatten)]
    import: ImportArgs,
    #[command(flatten)]
    quantization: QuantizationArgs,
    #[command(flatten)]
    budget: BudgetArgs,
}

const EXAMPLES: &str = "\
Examples:
  lacewing convert model.onnx -o model.lace --calib samples.npz
  lacewing convert model.onnx --calib images.npz --input-scale 0.00392157     (bytes to 0..1)
  lacewing convert model.onnx --calib images/ --calib-samples 200 --preprocess pre.toml
  lacewing convert model.onnx --calib samples.npz --target mps2-an386 --io f32
  lacewing convert model.onnx --calib samples.npz --target stm32f446          (and instructions, time)
  lacewing convert model.onnx --calib samples.npz --report report.html
  lacewing convert model.onnx --calib samples.npz --prune 0.3
  lacewing convert model.onnx --calib samples.npz --precision auto --max-ram 64K --max-flash 256K --max-drop 0.5
  lacewing convert model.onnx --precision f32";

const RECIPES: &str = r#"What --preprocess takes, for an ImageNet model:
  [image]                          # real = (pixel - mean) * scale, pixels are 0..255
  color = "rgb"                    # or "bgr", "gray"
  resize = { shorter = 256 }       # and the center; "input" stretches, { exact = [320, 240] }
  method = "antialias"             # as Pillow has it; or "bilinear", "area"
  mean = [123.675, 116.28, 103.53]
  scale = [0.01712475, 0.017507, 0.01742919]
and for a keyword spotter:
  labels = ["silence", "yes"]      # order of the outputs, if not that of the names
  [sound]
  rate = 16000                     # samples are -1..1
  clip = 16000                     # longer sounds are cut, shorter ones end in zeros
  normalize = "peak"               # divide by the largest sample; or "none"
  [sound.mel]                      # without it, samples are the input
  window = 480                     # in samples, as the stride
  stride = 320
  fft = 512
  taper = "hann"                   # or "hamming", "none"
  spectrum = "magnitude"           # or "power"
  bins = 40
  low = 20                         # Hz
  high = 4000
  offset = 1e-6                    # ln(max(energy, floor) + offset)
  floor = 0
  mfcc = 10                        # without it, log-mel
The equations are in runtime/FORMAT.md, "Preprocessing"."#;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LayoutArg {
    /// As the ONNX model has it
    Onnx,
    /// Channels last, as cameras give it
    Nhwc,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OptimizeArg {
    /// The smallest arena
    Ram,
    /// A small arena, whose layers are computed in few goes
    Balanced,
    /// Every layer in one go
    Speed,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let output = args.output.clone().unwrap_or_else(|| args.model.with_extension("lace"));
    if output == args.model {
        return Err(Failure::usage("the .lace file would overwrite the model; name another with -o"));
    }
    if args.quantization.is_auto() && args.prune.is_some() {
        return Err(Failure::usage("--precision auto chooses what is pruned; leave --prune away"));
    }
    let mut options = args.options()?;
    if options.policy.precision == Precision::F32 && !options.policy.rules.is_empty() {
        return Err(Failure::usage("--layer chooses within an integer program; --precision f32 has none"));
    }
    let onnx = model::read(&args.model)?;
    let Found { samples, data, items } = samples(&onnx, args, &options.import, terminal)?;
    options.items = items;
    let rows = samples.as_ref().map(Samples::rows).unwrap_or_default();
    let labels = samples.as_ref().and_then(|samples| samples.labels().ok());
    let (converted, Point { accuracy, drop, .. }, found) =
        finished(&onnx, args, &mut options, (rows, labels), terminal).map_err(|failure| failure.of(&args.model))?;
    let runner = Runner::new(&converted.file)?;
    let steps = program::steps(&runner.model());
    refuse_float(args, &steps)?;
    files::write(&output, &converted.file)?;
    report(&converted, &steps, terminal);
    warn(args, &options, &converted, &steps, terminal);
    terminal.note(format_args!("wrote {}", output.display()));
    page(args, &options, &converted, samples.as_ref(), terminal)?;
    let prediction = predict(args.target, &runner.model(), &steps, terminal);
    let mut object = described(args, &options, &output, &converted, (&runner.model(), &steps));
    (object["accuracy"], object["drop"]) = (json!(accuracy), json!(accuracy.map(|_| drop)));
    (object["data"], object["search"], object["prediction"]) = (data, found, prediction);
    terminal.object(&object)
}

/// A conversion that keeps the budget, and what a search for it found.
fn finished(
    onnx: &[u8],
    args: &Args,
    options: &mut Options,
    (samples, labels): (&[Sample], Option<&[i64]>),
    terminal: &Terminal,
) -> Result<(Conversion, Point, Value), Failure> {
    let budget = args.budget.budget();
    budget::check_labels(&budget, samples, labels)?;
    if args.quantization.is_auto() {
        return budget::searched(onnx, options, &budget, (samples, labels), terminal);
    }
    let converted = convert_with(onnx, options, samples, terminal)?;
    let point = Point::of(&converted, options, labels);
    budget::check(&point, &budget)?;
    Ok((converted, point, Value::Null))
}

/// The report as a page, if it is asked for.
fn page(
    args: &Args,
    options: &Options,
    converted: &Conversion,
    samples: Option<&Samples>,
    terminal: &Terminal,
) -> Result<(), Failure> {
    if !args.report.is_wanted() {
        return Ok(());
    }
    let own = samples.map(|samples| own_errors(&converted.float, &converted.file, samples, terminal)).transpose()?;
    let own = own.unwrap_or_default();
    let rows = samples.map(Samples::rows).unwrap_or_default();
    let mut bar = None;
    let fixes = fixes(converted, options, &own, rows, |of| {
        bar.get_or_insert_with(|| terminal.progress("trying changes", of)).step();
    })?;
    drop(bar);
    let findings = Findings {
        model: &file_name(&args.model),
        data: &args.calib.as_deref().map(file_name).unwrap_or_default(),
        file: &converted.file,
        verification: &converted.verification,
        own: &own,
        fixes: &fixes,
        labels: samples.and_then(|samples| samples.labels().ok()),
    };
    args.report.write(&findings, terminal)
}

/// Converts with a progress bar for each stage that takes time.
pub(super) fn convert_with(
    onnx: &[u8],
    options: &Options,
    samples: &[Sample],
    terminal: &Terminal,
) -> Result<Conversion, Failure> {
    Ok(convert(onnx, options, samples, bars(terminal))?)
}

/// A bar for each stage, one at a time.
pub(super) fn bars(terminal: &Terminal) -> impl FnMut(Step) {
    let mut shown: Option<(Stage, Progress)> = None;
    move |Step { stage, of }| {
        let what = match stage {
            Stage::Prune => "pruning",
            Stage::Calibrate => "calibrating",
            Stage::Cut => "trying ranges",
            Stage::Fit => "fitting",
            Stage::Try => "searching",
            Stage::Verify => "verifying",
        };
        shown.take_if(|(before, _)| *before != stage);
        shown.get_or_insert_with(|| (stage, terminal.progress(what, of))).1.step();
    }
}

/// The calibration samples; a float program and a quantized model can do without.
fn samples(onnx: &[u8], args: &Args, import: &ImportOptions, terminal: &Terminal) -> Result<Found, Failure> {
    if args.calib.is_none() && args.args.preprocess.is_none() {
        return Ok(Found::default());
    }
    let inputs = inputs(onnx, import).map_err(|failure| failure.of(&args.model))?;
    let most = args.calib_samples.map_or(usize::MAX, |most| most as usize);
    let (path, args) = (args.calib.as_deref(), &args.args);
    Source { path, args, inputs, items: Vec::new(), most, labeled: false }.read(terminal)
}

/// The inputs of an ONNX model that are no states, in its order.
pub(super) fn inputs(onnx: &[u8], import: &ImportOptions) -> Result<Vec<InputSpec>, Failure> {
    let (graph, states) = import::with_states(onnx, import)?;
    let state = |name: &str| states.iter().any(|state| state.input == name);
    let values = graph.inputs.iter().map(|input| graph.value(*input)).filter(|value| !state(&value.name));
    Ok(values.map(|value| InputSpec { name: value.name.clone(), shape: value.shape.clone() }).collect())
}

impl Args {
    fn options(&self) -> Result<Options, Failure> {
        Ok(Options {
            import: self.import.options(),
            simplify: SimplifyOptions {
                input_layout_nhwc: matches!(self.input_layout, LayoutArg::Nhwc),
                ..SimplifyOptions::default()
            },
            policy: self.quantization.policy(),
            calibrator: self.quantization.calibrator(),
            rounding: self.quantization.rounding(),
            items: Vec::new(),
            aim: Aim {
                kernels: self.target.target.kernels,
                optimize: self.optimize(),
                ram: self.ram(),
                rows: self.input_rows,
                regions: self.regions.map(|regions| regions.sizes(self.target.board)).transpose()?,
            },
            prune: self.prune,
        })
    }

    fn optimize(&self) -> Optimize {
        match self.optimize {
            Some(OptimizeArg::Ram) => Optimize::Ram,
            Some(OptimizeArg::Balanced) => Optimize::Balanced,
            Some(OptimizeArg::Speed) => Optimize::Speed,
            None => Optimize::of(self.target.target.kernels),
        }
    }

    /// The arena that the plan is to keep to, unless it is told what matters more.
    fn ram(&self) -> Option<usize> {
        self.budget.budget().ram.filter(|_| self.optimize.is_none())
    }
}

fn refuse_float(args: &Args, steps: &[program::Step]) -> Result<(), Failure> {
    let float = program::float_ops(steps);
    if !args.strict || float.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = float.iter().map(|step| format!("{} `{}`", step.op, step.name)).collect();
    Err(Failure::new(format!("--strict: these operations would run in float: {}", names.join(", "))).of(&args.model))
}

/// The tables of a conversion.
fn report(converted: &Conversion, steps: &[program::Step], terminal: &Terminal) {
    let (plan, verification) = (&converted.plan, &converted.verification);
    if verification.samples > 0 {
        layers(&verification.layers, terminal);
    }
    let gap = plan.arena_bytes - plan.lower_bound_bytes;
    let mut table = terminal.table(["result", ""], 1..2);
    table.add_row(["arena (RAM), with inputs and outputs".to_string(), bytes(plan.arena_bytes)]);
    table
        .add_row(["  lower bound for this order".to_string(), format!("{}, gap {gap}", bytes(plan.lower_bound_bytes))]);
    memory::rows(plan.regions(), &mut table);
    table.add_row(["file (flash)".to_string(), bytes(converted.file.len())]);
    table.add_row(["operations".to_string(), steps.len().to_string()]);
    table.add_row(["multiply-accumulates".to_string(), grouped(program::macs(steps))]);
    let gone = [("left out, outputs identical", &converted.removed), ("pruned", &converted.pruned)];
    gone.into_iter().filter_map(removed).chain(quality(verification)).for_each(|row| {
        table.add_row(row);
    });
    terminal.say(table);
}

/// Channels that are gone.
fn removed((how, removed): (&str, &Removed)) -> Option<[String; 2]> {
    let Removed { channels, macs, bytes: size } = *removed;
    let gone = format!("{}, {} MAC, {}", counted(channels, "channel"), grouped(macs), bytes(size));
    (channels > 0).then(|| [how.into(), gone])
}

fn quality(verification: &Verification) -> Vec<[String; 2]> {
    if verification.samples == 0 {
        return vec![["against the float original".into(), "not run, no --calib".into()]];
    }
    let all = format!("output SQNR on {}", counted(verification.samples, "sample"));
    let mut rows = vec![[all, decibels(verification.sqnr_db)]];
    if let outputs @ [_, _, ..] = &verification.outputs[..] {
        rows.extend(outputs.iter().map(|(name, db)| [format!("  of {}", short(name)), decibels(*db)]));
    }
    if verification.has_classes {
        rows.push(["top-1 agreement with float".into(), percent(verification.top1_agreement)]);
    }
    rows
}

/// SQNR of layers in the order given, as a table.
pub(super) fn layers(layers: &[LayerNoise], terminal: &Terminal) {
    let mut table = terminal.table(["layer", "operation", "SQNR"], 2..3);
    for layer in layers {
        table.add_row([short(&layer.name), layer.op.clone(), decibels(layer.sqnr_db)]);
    }
    terminal.say(table);
}

fn warn(args: &Args, options: &Options, converted: &Conversion, steps: &[program::Step], terminal: &Terminal) {
    let warning = |text: String| terminal.note(format_args!("{}: {text}", terminal.paint("warning", Paint::Yellow)));
    for step in program::float_ops(steps) {
        warning(format!("{} `{}` runs in float", step.op, step.name));
    }
    for layer in converted.narrowed(&options.policy) {
        warning(format!("`{layer}` reads its sequence in int8, only its states are int16"));
    }
    unfitted(options, converted).into_iter().for_each(warning);
    compared_with(&converted.verification, terminal);
    let Some(board) = args.target.board else { return };
    let sizes = [
        ("arena", "RAM", converted.plan.arena_bytes, board.ram.len),
        ("file", "flash", converted.file.len(), board.flash.len),
    ];
    for (what, memory, needed, has) in sizes {
        if needed > has as usize {
            warning(format!(
                "the {what} takes {}, {} has {} of {memory}",
                bytes(needed),
                board.name,
                bytes(has as usize)
            ));
        }
    }
}

/// What was to be fitted and was not.
fn unfitted(options: &Options, converted: &Conversion) -> Vec<String> {
    if options.rounding == Rounding::Nearest || converted.quantization.is_float() {
        return Vec::new();
    }
    if !converted.float.states.is_empty() {
        return vec!["the model keeps a state: its weights were rounded to the nearest, not fitted".into()];
    }
    let layers = too_large(&converted.graph, &converted.quantization).into_iter();
    layers
        .map(|layer| format!("`{layer}` is too large to be fitted: its weights were rounded to the nearest"))
        .collect()
}

/// Says so where tract does not run the original.
pub(super) fn compared_with(verification: &Verification, terminal: &Terminal) {
    if verification.samples > 0 && verification.reference != "tract" {
        let warning = terminal.paint("warning", Paint::Yellow);
        terminal.note(format_args!("{warning}: compared with {}", verification.reference));
    }
}

fn described(
    args: &Args,
    options: &Options,
    output: &Path,
    converted: &Conversion,
    (model, steps): (&Model<'_>, &[program::Step]),
) -> Value {
    let verification = &converted.verification;
    let verified = verification.samples > 0;
    json!({
        "output": output.display().to_string(),
        "target": args.target.target.name,
        "board": args.target.board.map(|board| board.name),
        "arena_bytes": converted.plan.arena_bytes,
        "region_bytes": memory::regions_json(converted.plan.regions()),
        "arena_lower_bound_bytes": converted.plan.lower_bound_bytes,
        "file_bytes": converted.file.len(),
        "constant_bytes": model.header().constants_len,
        "macs": program::macs(steps),
        "inputs": model.inputs().map(|port| program::port_json(&port)).collect::<Vec<_>>(),
        "outputs": model.outputs().map(|port| program::port_json(&port)).collect::<Vec<_>>(),
        "ops": steps,
        "float_ops": program::float_ops(steps),
        "narrowed": converted.narrowed(&options.policy),
        "removed": removed_json(&converted.removed, "identical"),
        "pruned": options.prune.map(|_| removed_json(&converted.pruned, "approximate")),
        "sqnr_db": verified.then(|| json_decibels(verification.sqnr_db)),
        "output_sqnr_db": output_sqnr_json(verification),
        "top1_agreement": (verified && verification.has_classes).then_some(verification.top1_agreement),
        "samples": verification.samples,
        "reference": verified.then_some(&verification.reference),
        "layers": layers_json(&verification.layers),
    })
}

/// The SQNR of each output by its name.
pub(super) fn output_sqnr_json(verification: &Verification) -> Value {
    verification.outputs.iter().map(|(name, db)| (name.clone(), json_decibels(*db))).collect()
}

fn removed_json(removed: &Removed, outputs: &str) -> Value {
    let Removed { channels, macs, bytes } = removed;
    json!({ "channels": channels, "macs": macs, "bytes": bytes, "outputs": outputs })
}

/// Layers for programs.
pub(super) fn layers_json(layers: &[LayerNoise]) -> Vec<Value> {
    let layer =
        |layer: &LayerNoise| json!({ "name": layer.name, "op": layer.op, "sqnr_db": json_decibels(layer.sqnr_db) });
    layers.iter().map(layer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing_convert::data::Recipe;

    #[test]
    fn the_recipes_of_the_help_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pre.toml");
        for recipe in RECIPES.split("\nand for") {
            let lines = recipe.lines().filter_map(|line| line.strip_prefix("  "));
            std::fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
            Recipe::read(&path).unwrap();
        }
    }
}
