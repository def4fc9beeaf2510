//! `lacewing demo`: the whole way on the model and images that the repository carries.

use std::time::{Duration, Instant};

use lacewing_convert::data::{Samples, Scaling};
use lacewing_convert::quantize::Precision;
use lacewing_convert::runner::Runner;
use lacewing_convert::{Conversion, Options, Sample};
use ndarray::{ArrayD, Ix2};
use serde_json::{Value, json};

use super::bench::{self, Timing};
use super::convert::{convert_with, inputs};
use super::draw::{Picture, gallery};
use super::engine::{Engine, accuracy};
use super::failure::Failure;
use super::numbers::{bytes, decibels, duration, grouped, json_decibels, percent};
use super::program;
use super::terminal::{Paint, Terminal};

/// Convert, measure and run the model that Lacewing carries
///
/// A float classifier of Fashion-MNIST images becomes an int8 file, and both look at 1,000 test images.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {}

const EXAMPLES: &str = "\
Examples:
  lacewing demo
  lacewing demo --json";

const MODEL: &[u8] = include_bytes!("../../demo/fashion.onnx");
const CALIB: &[u8] = include_bytes!("../../demo/calib.npz");
const TEST: &[u8] = include_bytes!("../../demo/test.npz");
const LABELS: &str = include_str!("../../demo/labels.txt");

/// Images are stored as bytes and mean 0..1.
const BYTES: Scaling = Scaling { scale: 1.0 / 255.0, zero: 0.0 };
/// Images that are drawn.
const DRAWN: usize = 8;
/// Images in one row.
const ACROSS: usize = 4;
/// Columns of a terminal that does not tell.
const WIDTH: u16 = 80;

/// Calibration images on which the float program is compared with tract.
const COMPARED: usize = 16;

/// One of the two programs.
struct Program {
    conversion: Conversion,
    macs: u64,
    classes: Vec<i64>,
    timing: Timing,
}

/// All that is found out.
struct Findings {
    float: Program,
    int8: Program,
    test: Samples,
}

pub(super) fn run(_args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let start = Instant::now();
    let findings = find(terminal)?;
    let labels = findings.test.labels()?;
    let Findings { float, int8, .. } = &findings;
    let scores = [&float.classes, &int8.classes].map(|classes| accuracy(classes, labels));
    let agreement = accuracy(&int8.classes, &float.classes);
    table(&findings, scores, agreement, terminal);
    pictures(&findings, labels, terminal)?;
    terminal.say(NEXT);
    let seconds = start.elapsed().as_secs_f64();
    terminal.detail(format_args!("{seconds:.1} s in all"));
    terminal.object(&json!({
        "n": labels.len(),
        "float": program_json(float, scores[0]),
        "int8": program_json(int8, scores[1]),
        "top1_agreement": agreement,
        "onnx_bytes": MODEL.len(),
        "macs": int8.macs,
        "threads": 1,
        "seconds": seconds,
    }))
}

fn program_json(program: &Program, top1: f64) -> Value {
    let Program { conversion: Conversion { file, plan, verification, .. }, timing, .. } = program;
    json!({
        "top1": top1,
        "sqnr_db": json_decibels(verification.sqnr_db),
        "arena_bytes": plan.arena_bytes,
        "arena_lower_bound_bytes": plan.lower_bound_bytes,
        "file_bytes": file.len(),
        "median_us": timing.median_us,
        "min_us": timing.min_us,
    })
}

fn find(terminal: &Terminal) -> Result<Findings, Failure> {
    let options = Options::default();
    let specs = inputs(MODEL, &options.import)?;
    let calib = Samples::parse("calib.npz", CALIB, &specs, BYTES)?;
    let test = Samples::parse("test.npz", TEST, &specs, BYTES)?;
    let compared = &calib.rows()[..COMPARED.min(calib.len())];
    let program = |precision, samples: &[Sample], what| {
        let conversion = convert_with(MODEL, &Options::of(precision), samples, terminal)?;
        let mut runner = Runner::new(&conversion.file)?;
        let macs = program::macs(&program::steps(&runner.model()));
        let timing = bench::measure(runner.session(), Duration::from_millis(200))?;
        let classes = Engine::classes(&runner, &test, terminal.progress(what, test.len()))?;
        Ok::<_, Failure>(Program { conversion, macs, classes, timing })
    };
    let float = program(Precision::F32, compared, "float")?;
    let int8 = program(Precision::Int8, calib.rows(), "int8")?;
    Ok(Findings { float, int8, test })
}

fn table(findings: &Findings, scores: [f64; 2], agreement: f64, terminal: &Terminal) {
    let Findings { float, int8, test } = findings;
    let mut table = terminal.table(["Fashion-MNIST classifier", "float", "int8"], 1..3);
    let mut row = |what: &str, [float, int8]: [String; 2]| {
        table.add_row([what.to_string(), float, int8]);
    };
    let both = |of: &dyn Fn(&Program) -> String| [float, int8].map(of);
    row(&format!("accuracy on {} test images", grouped(test.len() as u64)), scores.map(percent));
    row("same class as float", [String::new(), percent(agreement)]);
    row("SQNR at the output, against tract", both(&|p| decibels(p.conversion.verification.sqnr_db)));
    row(&format!("file (the ONNX file has {})", bytes(MODEL.len())), both(&|p| bytes(p.conversion.file.len())));
    row("arena (all RAM but the stack)", both(&|p| bytes(p.conversion.plan.arena_bytes)));
    row("  lower bound for this order", both(&|p| bytes(p.conversion.plan.lower_bound_bytes)));
    row("multiply-accumulates", both(&|p| grouped(p.macs)));
    row("latency here", both(&|p| duration(p.timing.median_us)));
    terminal.say(table);
}

/// Test images from the first on, with one that the int8 model gets wrong in the last place.
fn chosen(findings: &Findings, labels: &[i64]) -> Vec<usize> {
    let wrong = (0..labels.len()).filter(|&i| findings.int8.classes[i] != labels[i]);
    let mut chosen: Vec<usize> = (0..labels.len().min(DRAWN)).collect();
    let unseen = wrong.into_iter().find(|i| *i >= chosen.len());
    if let (Some(last), Some(unseen)) = (chosen.last_mut(), unseen) {
        *last = unseen;
    }
    chosen
}

fn pictures(findings: &Findings, labels: &[i64], terminal: &Terminal) -> Result<(), Failure> {
    let names: Vec<&str> = LABELS.lines().collect();
    let name = |class: i64| usize::try_from(class).ok().and_then(|class| names.get(class)).copied().unwrap_or("?");
    let mut pictures = Vec::new();
    for i in chosen(findings, labels) {
        let image = image(&findings.test.rows()[i][0])?;
        let (said, is) = (name(findings.int8.classes[i]), name(labels[i]));
        pictures.push(Picture { pixels: image, caption: caption(said, is, terminal) });
    }
    let width = terminal.width().unwrap_or(WIDTH);
    terminal.say(gallery(&pictures, ACROSS, usize::from(width), terminal.color()));
    Ok(())
}

/// The last two axes of an image of one channel.
fn image(pixels: &ArrayD<f32>) -> Result<ndarray::Array2<f32>, Failure> {
    let side = pixels.len().isqrt();
    Ok(pixels.to_shape((side, side))?.into_owned().into_dimensionality::<Ix2>()?)
}

/// What the model said, and what it is where that differs; each line with its width.
fn caption(said: &str, is: &str, terminal: &Terminal) -> Vec<(String, usize)> {
    let line = |text: String, paint| (terminal.paint(&text, paint), text.chars().count());
    if said == is {
        return vec![line(format!("✓ {said}"), Paint::Green), (String::new(), 0)];
    }
    vec![line(format!("✗ {said}"), Paint::Red), line(format!("  is {is}"), Paint::Dim)]
}

const NEXT: &str = "\
Your own model next:
  lacewing convert model.onnx -o model.lace --calib samples.npz    samples: an array `x`, one row for each input
  lacewing eval model.lace --data test.npz                         with the classes as `y`
  lacewing inspect model.lace                                      operations, memory over time
From a clone, `cargo run --release --` stands for `lacewing`.";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ColorChoice;
    use lacewing_convert::data::InputSpec;

    #[test]
    fn the_carried_files_fit_each_other() {
        let specs: Vec<InputSpec> = inputs(MODEL, &Default::default()).unwrap();
        let calib = Samples::parse("calib.npz", CALIB, &specs, BYTES).unwrap();
        let test = Samples::parse("test.npz", TEST, &specs, BYTES).unwrap();
        assert_eq!((calib.len(), test.len()), (200, 1000));
        assert!(test.labels().unwrap().iter().all(|class| (0..10).contains(class)));
        assert_eq!(LABELS.lines().count(), 10);
        assert_eq!(image(&test.rows()[0][0]).unwrap().dim(), (28, 28));
    }

    #[test]
    fn captions_say_what_is_wrong() {
        let terminal = Terminal::new(false, false, ColorChoice::Never);
        assert_eq!(caption("Bag", "Bag", &terminal)[0], ("✓ Bag".to_string(), 5));
        assert_eq!(caption("Bag", "Coat", &terminal)[1].0, "  is Coat");
    }
}
