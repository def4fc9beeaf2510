//! `lacewing bench`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lacewing::format::DType;
use lacewing_targets::{Loaded, Session, Threads};
use serde_json::json;

use super::device::DeviceArgs;
use super::failure::Failure;
use super::numbers::{bytes, duration, grouped};
use super::program;
use super::terminal::{Paint, Terminal};

/// Measure how long a model takes on this machine until it is ready, and one inference
///
/// Ready: the file is read and checked, packed unless it was converted for this machine (`--target x86-64`), and has its arena. The first
/// inference finds nothing of the model in the processor's caches.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The model
    model: PathBuf,
    /// Threads that share each large layer
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    threads: u8,
    #[command(flatten)]
    device: DeviceArgs,
}

const EXAMPLES: &str = "\
Examples:
  lacewing bench model.lace
  lacewing bench model.lace --threads 2
  lacewing bench model.lace --json";

/// Where the made inputs begin.
pub(super) const SEED: u32 = 12345;
/// How long is measured.
const BUDGET: Duration = Duration::from_secs(1);
/// Runs that are made even if they take longer.
const LEAST_RUNS: usize = 5;

/// Times of single runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Half of the runs were at least as fast.
    pub median_us: f64,
    /// The fastest run.
    pub min_us: f64,
    /// Number of runs.
    pub runs: usize,
}

/// How long it takes until a model can run.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Loading {
    /// To read the file and check it.
    read: Duration,
    /// To pack it for this machine, if it was written for another.
    pack: Duration,
    /// All, the arena too.
    ready: Duration,
}

/// Runs it.
///
/// # Errors
/// The model cannot be used.
pub fn run(args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    if args.device.bench(&args.model, args.threads, terminal)? {
        return Ok(());
    }
    let (file, mut session, loading) = load(args)?;
    let first = timed(&mut session)?;
    file.model().verify().map_err(|error| Failure::from(error).of(&args.model))?;
    let timing = measure(&mut session, BUDGET)?;
    let macs = program::macs(&program::steps(&session.model()));
    let rate = macs as f64 / timing.min_us * 1e6;
    let (peak, arena) = (peak_memory(), session.model().arena_len());
    let title = match args.threads {
        1 => "one inference, one thread".to_string(),
        threads => format!("one inference, {threads} threads"),
    };
    let mut table = terminal.table([title.as_str(), ""], 1..2);
    table.add_row([terminal.cell("median", Paint::Bold), terminal.cell(duration(timing.median_us), Paint::Bold)]);
    table.add_row(["fastest".to_string(), duration(timing.min_us)]);
    table.add_row(["runs".to_string(), grouped(timing.runs as u64)]);
    table.add_row(["multiply-accumulates".to_string(), grouped(macs)]);
    table.add_row(["MAC/s at the fastest".to_string(), grouped(rate as u64)]);
    table.add_row(["ready to run after".to_string(), duration(us(loading.ready))]);
    table.add_row(["  the file read and checked".to_string(), duration(us(loading.read))]);
    table.add_row(["  packed for this machine".to_string(), duration(us(loading.pack))]);
    table.add_row(["first inference".to_string(), duration(us(first))]);
    table.add_row(["first result after".to_string(), duration(us(loading.ready + first))]);
    table.add_row(["arena".to_string(), bytes(arena)]);
    if let Some(peak) = peak {
        table.add_row(["peak memory of the process".to_string(), bytes(peak)]);
    }
    terminal.say(table);
    terminal.object(&json!({
        "median_us": timing.median_us,
        "min_us": timing.min_us,
        "load_us": us(loading.ready),
        "read_us": us(loading.read),
        "pack_us": us(loading.pack),
        "first_us": us(first),
        "threads": args.threads,
        "runs": timing.runs,
        "macs": macs,
        "macs_per_second": rate,
        "arena_bytes": arena,
        "file_bytes": file.model().header().file_len,
        "peak_memory_bytes": peak,
    }))
}

/// The file as it is, and a session of what runs.
fn load(args: &Args) -> Result<(Loaded, Session, Loading), Failure> {
    let threads = (args.threads > 1).then(|| Threads::new(args.threads.into())).transpose()?;
    let start = Instant::now();
    let file = Loaded::open(&args.model)?;
    let read = start.elapsed();
    let packed = file.packed();
    let pack = start.elapsed() - read;
    let session = threads.iter().fold(packed.session(), Session::on);
    Ok((file, session, Loading { read, pack, ready: start.elapsed() }))
}

/// Runs the model again and again for `budget`, after some runs that do not count.
///
/// # Errors
/// The model did not run.
pub fn measure(session: &mut Session, budget: Duration) -> Result<Timing, Failure> {
    repeated(budget, || timed(session))
}

/// The times of runs that follow each other for `budget`, after some runs that do not count.
///
/// # Errors
/// The first of a run.
pub(super) fn repeated(
    budget: Duration,
    mut timed: impl FnMut() -> Result<Duration, Failure>,
) -> Result<Timing, Failure> {
    let warm = Instant::now();
    while warm.elapsed() < budget / 10 {
        timed()?;
    }
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < LEAST_RUNS || start.elapsed() < budget {
        times.push(timed()?);
    }
    times.sort_unstable();
    Ok(Timing { median_us: us(times[times.len() / 2]), min_us: us(times[0]), runs: times.len() })
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// One run on fresh inputs; only the run is timed.
fn timed(session: &mut Session) -> Result<Duration, Failure> {
    session.reset();
    fill(session, SEED)?;
    let start = Instant::now();
    session.run()?;
    Ok(start.elapsed())
}

/// Fills the inputs with numbers that no kernel finds easy: any byte in int8, −1..1 in f32.
///
/// # Errors
/// The model's own doors do not refuse.
pub fn fill(session: &mut Session, seed: u32) -> Result<(), Failure> {
    let mut state = seed;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let dtypes: Vec<Option<DType>> = session.model().inputs().map(|port| port.tensor.dtype()).collect();
    for (index, dtype) in dtypes.into_iter().enumerate() {
        match dtype {
            Some(DType::F32) => session.input(index)?.fill_with(|| f32::from(byte()) / 128.0 - 1.0),
            _ => session.input_bytes(index)?.fill_with(&mut byte),
        }
    }
    Ok(())
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
