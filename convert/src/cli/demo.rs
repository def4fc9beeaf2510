//! `lacewing demo`: the whole way on the model and images that the repository carries.

use std::time::{Duration, Instant};

use lacewing_convert::data::{Samples, Scaling};
use lacewing_convert::oracle::Oracle;
use lacewing_convert::runner::Runner;
use lacewing_convert::{Conversion, Options};
use ndarray::{ArrayD, Ix2};
use serde_json::json;

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

/// All that is found out.
struct Findings {
    conversion: Conversion,
    macs: u64,
    test: Samples,
    float: Vec<i64>,
    int8: Vec<i64>,
    timing: Timing,
}

pub(super) fn run(_args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let start = Instant::now();
    let findings = find(terminal)?;
    let labels = findings.test.labels()?;
    let [float, int8] = [&findings.float, &findings.int8].map(|classes| accuracy(classes, labels));
    let agreement = accuracy(&findings.int8, &findings.float);
    table(&findings, [float, int8, agreement], terminal);
    pictures(&findings, labels, terminal)?;
    terminal.say(NEXT);
    let seconds = start.elapsed().as_secs_f64();
    terminal.detail(format_args!("{seconds:.1} s in all"));
    let Findings { conversion, macs, timing, .. } = &findings;
    terminal.object(&json!({
        "n": labels.len(),
        "float": { "top1": float },
        "int8": { "top1": int8 },
        "top1_agreement": agreement,
        "sqnr_db": json_decibels(conversion.verification.sqnr_db),
        "arena_bytes": conversion.plan.arena_bytes,
        "arena_lower_bound_bytes": conversion.plan.lower_bound_bytes,
        "onnx_bytes": MODEL.len(),
        "file_bytes": conversion.file.len(),
        "macs": macs,
        "median_us": timing.median_us,
        "min_us": timing.min_us,
        "threads": 1,
        "seconds": seconds,
    }))
}

fn find(terminal: &Terminal) -> Result<Findings, Failure> {
    let options = Options::default();
    let specs = inputs(MODEL, &options.import)?;
    let calib = Samples::parse("calib.npz", CALIB, &specs, BYTES)?;
    let test = Samples::parse("test.npz", TEST, &specs, BYTES)?;
    let conversion = convert_with(MODEL, &options, calib.rows(), terminal)?;
    let runner = Runner::new(&conversion.file)?;
    let macs = program::macs(&program::steps(&runner.model()));
    let timing = bench::measure(runner.model(), Duration::from_millis(200))?;
    let classes = |mut engine: Engine, what| engine.classes(&test, terminal.progress(what, test.len()));
    let float = classes(Engine::Onnx(Box::new(Oracle::new(MODEL, &options.import)?)), "float")?;
    let int8 = classes(Engine::Lace(Box::new(runner)), "int8")?;
    Ok(Findings { conversion, macs, test, float, int8, timing })
}

fn table(findings: &Findings, [float, int8, agreement]: [f64; 3], terminal: &Terminal) {
    let Findings { conversion, macs, test, timing, .. } = findings;
    let (plan, verification) = (&conversion.plan, &conversion.verification);
    let mut table = terminal.table(["Fashion-MNIST classifier", "float ONNX", "int8 .lace"], 1..3);
    let n = grouped(test.len() as u64);
    let mut row = |what: &str, float: String, int8: String| {
        table.add_row([what.to_string(), float, int8]);
    };
    row(&format!("accuracy on {n} test images"), percent(float), percent(int8));
    row("same class as float", String::new(), percent(agreement));
    row("SQNR at the output", String::new(), decibels(verification.sqnr_db));
    row("file", bytes(MODEL.len()), bytes(conversion.file.len()));
    row("arena (all RAM but the stack)", String::new(), bytes(plan.arena_bytes));
    row("  lower bound for this order", String::new(), bytes(plan.lower_bound_bytes));
    row("multiply-accumulates", String::new(), grouped(*macs));
    row("latency here, portable kernels", String::new(), duration(timing.median_us));
    terminal.say(table);
}

/// Test images from the first on, with one that the int8 model gets wrong in the last place.
fn chosen(findings: &Findings, labels: &[i64]) -> Vec<usize> {
    let wrong = (0..labels.len()).filter(|&i| findings.int8[i] != labels[i]);
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
        let (said, is) = (name(findings.int8[i]), name(labels[i]));
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
