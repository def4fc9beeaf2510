//! `lacewing bench`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lacewing::Model;
use lacewing::format::{DType, Place, Span};
use lacewing::owned::Aligned;
use lacewing_convert::runner::Runner;
use lacewing_targets::host;
use serde_json::json;

use super::failure::Failure;
use super::files;
use super::numbers::{bytes, duration, grouped};
use super::program;
use super::terminal::{Paint, Terminal};

/// Measure how long one inference takes on this machine
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The model
    model: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  lacewing bench model.lace
  lacewing bench model.lace --json";

/// How long is measured.
const BUDGET: Duration = Duration::from_secs(1);
/// Runs that are made even if they take longer.
const LEAST_RUNS: usize = 5;

/// Times of single runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Timing {
    /// Half of the runs were at least as fast.
    pub(super) median_us: f64,
    /// The fastest run.
    pub(super) min_us: f64,
    /// Number of runs.
    pub(super) runs: usize,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let runner = Runner::new(&files::read(&args.model)?).map_err(|error| Failure::from(error).of(&args.model))?;
    let model = runner.model();
    let timing = measure(runner.packed(), BUDGET)?;
    let macs = program::macs(&program::steps(&model));
    let rate = macs as f64 / timing.min_us * 1e6;
    let peak = peak_memory();
    let mut table = terminal.table(["one inference, one thread", ""], 1..2);
    table.add_row([terminal.cell("median", Paint::Bold), terminal.cell(duration(timing.median_us), Paint::Bold)]);
    table.add_row(["fastest".to_string(), duration(timing.min_us)]);
    table.add_row(["runs".to_string(), grouped(timing.runs as u64)]);
    table.add_row(["multiply-accumulates".to_string(), grouped(macs)]);
    table.add_row(["MAC/s at the fastest".to_string(), grouped(rate as u64)]);
    table.add_row(["arena".to_string(), bytes(runner.packed().arena_len())]);
    if let Some(peak) = peak {
        table.add_row(["peak memory of the process".to_string(), bytes(peak)]);
    }
    terminal.say(table);
    terminal.object(&json!({
        "median_us": timing.median_us,
        "min_us": timing.min_us,
        "threads": 1,
        "runs": timing.runs,
        "macs": macs,
        "macs_per_second": rate,
        "arena_bytes": runner.packed().arena_len(),
        "file_bytes": model.header().file_len,
        "peak_memory_bytes": peak,
    }))
}

/// Runs the model again and again for `budget`, after some runs that do not count.
pub(super) fn measure(model: Model<'_>, budget: Duration) -> Result<Timing, Failure> {
    let mut arena = Aligned::zeroed(model.arena_len());
    let warm = Instant::now();
    while warm.elapsed() < budget / 10 {
        timed(&model, &mut arena)?;
    }
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < LEAST_RUNS || start.elapsed() < budget {
        times.push(timed(&model, &mut arena)?);
    }
    times.sort_unstable();
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    Ok(Timing { median_us: us(times[times.len() / 2]), min_us: us(times[0]), runs: times.len() })
}

/// One run on fresh inputs; only the run is timed.
fn timed(model: &Model<'_>, arena: &mut [u8]) -> Result<Duration, Failure> {
    model.reset(arena)?;
    let rows = fill(model, arena);
    let start = Instant::now();
    host::run(model, arena, &rows, &mut |_| ())?;
    Ok(start.elapsed())
}

/// Fills the inputs with numbers that no kernel finds easy: any byte in int8, −1..1 in f32. Gives those of an input that goes in row by row.
fn fill(model: &Model<'_>, arena: &mut [u8]) -> Vec<u8> {
    let mut state = 12345_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let mut rows = Vec::new();
    for port in model.inputs() {
        let count = port.tensor.bytes().unwrap_or(0);
        let bytes: Vec<u8> = match port.tensor.dtype() {
            Some(DType::F32) => (0..count / 4).flat_map(|_| (f32::from(byte()) / 128.0 - 1.0).to_le_bytes()).collect(),
            _ => (0..count).map(|_| byte()).collect(),
        };
        match port.tensor.span().and_then(Span::range).and_then(|range| arena.get_mut(range)) {
            Some(input) if port.tensor.place() != Place::Ring => input.copy_from_slice(&bytes),
            _ => rows = bytes,
        }
    }
    rows
}

/// The most memory that this process had, where the system tells.
fn peak_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_has_some_memory() {
        assert!(peak_memory().is_some_and(|bytes| bytes > 100_000));
    }
}
