//! `cargo xtask bench-host`: models on this machine, beside other engines.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

mod engines;
mod models;
mod roof;
mod table;

use engines::{Engine, Engines, Measured};
use models::{Job, Precision};
use roof::Roofline;

/// Measure models on this machine, beside other engines.
///
/// Every model of tests/host/models.toml in int8 and in f32. The engines take turns, each time in a new process; times are the least of all
/// turns. The first time, packages of Python are installed in the cache and tract is built.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask bench-host --models ../models
  cargo xtask bench-host --model own_qdq.onnx --precision int8 --engine lacewing,onnxruntime --json
Columns:
  fastest, median  one inference, in microseconds
  load, first      from opening the file until the engine could run, and the first inference after it
  memory           the most that the process had; of the engines in Python with Python's own
  ×peer            our fastest beside the best peer's, ×goal beside our goal: below 1 is better
  of peak          the products of int8 that our layers make, of what one thread could at most; the last line tells that, and how fast it reads")]
pub(super) struct Args {
    /// The folder with the models of tests/host/models.toml; LACEWING_MODELS if not given
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// An ONNX or .tflite file to measure, instead of those of the table; --precision says what it is
    #[arg(long, value_name = "FILE", requires = "precision")]
    model: Vec<PathBuf>,
    /// Measure in this precision alone
    #[arg(long, value_enum)]
    precision: Option<Precision>,
    /// Engines, instead of all
    #[arg(long, value_enum, value_delimiter = ',')]
    engine: Vec<Engine>,
    /// Threads of an inference
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// Turns of each engine
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Seconds of a turn
    #[arg(long, default_value_t = 0.4)]
    seconds: f64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What the engines need for one model.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    precision: Precision,
    threads: u16,
    engines: BTreeMap<Engine, Outcome>,
    best_peer: Option<Engine>,
    ratio_to_best_peer: Option<f64>,
    goal: Option<f64>,
    ratio_to_goal: Option<f64>,
    /// Our products in a second, of those that as many threads could make.
    share_of_peak: Option<f64>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Outcome {
    Measured(Measured),
    Failed { error: String },
}

impl Outcome {
    fn measured(&self) -> Option<&Measured> {
        match self {
            Self::Measured(measured) => Some(measured),
            Self::Failed { .. } => None,
        }
    }

    /// With the times of another turn; a failure stays one.
    fn and(self, turn: Result<Measured>) -> Self {
        match (self, turn) {
            (Self::Measured(measured), Ok(turn)) => Self::Measured(measured.least(turn)),
            (Self::Measured(_), Err(error)) => Self::failed(&error),
            (failed, _) => failed,
        }
    }

    fn failed(error: &anyhow::Error) -> Self {
        Self::Failed { error: format!("{error:#}") }
    }
}

/// Measures and prints.
pub(super) fn command(args: &Args) -> Result<()> {
    let jobs = args.jobs()?;
    let engines = match &args.engine[..] {
        [] => Engine::value_variants(),
        some => some,
    };
    let folder = tempfile::tempdir()?;
    let set = Engines::new(engines, folder.path(), args.seconds, args.threads)?;
    let roofline = roof::measure();
    let lines: Vec<Line> = jobs.iter().map(|job| args.line(&set, engines, job, &roofline)).collect();
    if args.json {
        println!("{}", serde_json::json!({ "roofline_of_a_thread": roofline, "models": lines }));
    } else {
        table::print(&lines, &roofline);
    }
    Ok(())
}

impl Args {
    fn jobs(&self) -> Result<Vec<Job>> {
        if let (Some(precision), false) = (self.precision, self.model.is_empty()) {
            return self.model.iter().map(|path| models::given(path, precision)).collect();
        }
        let folder = self.models.clone().or_else(|| env::var_os("LACEWING_MODELS").map(PathBuf::from));
        let folders: Vec<_> = folder.into_iter().chain([engines::made()?]).collect();
        let mut jobs = models::known(&folders)?;
        jobs.retain(|job| self.precision.is_none_or(|precision| job.precision == precision));
        Ok(jobs)
    }

    fn line(&self, set: &Engines, engines: &[Engine], job: &Job, roofline: &Roofline) -> Line {
        let mut commands = set.commands(engines, job);
        let mut outcomes: BTreeMap<Engine, Outcome> = BTreeMap::new();
        for round in 1..=self.rounds {
            eprintln!("{} in {}: turn {round} of {}", job.name, job.precision.name(), self.rounds);
            for (engine, command) in &mut commands {
                let turn = match command {
                    Ok(command) => engines::measure(command),
                    Err(error) => Err(anyhow::anyhow!("{error:#}")),
                };
                let outcome = match outcomes.remove(engine) {
                    Some(outcome) => outcome.and(turn),
                    None => turn.map_or_else(|error| Outcome::failed(&error), Outcome::Measured),
                };
                outcomes.insert(*engine, outcome);
            }
        }
        Line::new(job, self.threads, outcomes, roofline)
    }
}

impl Line {
    fn new(job: &Job, threads: u16, engines: BTreeMap<Engine, Outcome>, roofline: &Roofline) -> Self {
        let least = |engine: &Engine| Some(engines.get(engine)?.measured()?.min_us);
        let peers = engines.keys().filter(|engine| **engine != Engine::Lacewing);
        let best = peers.filter_map(|engine| Some((*engine, least(engine)?))).min_by(|a, b| a.1.total_cmp(&b.1));
        let ratio = least(&Engine::Lacewing).zip(best).map(|(ours, (_, best))| ours / best);
        let ours =
            engines.get(&Engine::Lacewing).and_then(Outcome::measured).filter(|_| job.precision == Precision::Int8);
        let peak = roofline.int8_macs_per_second * f64::from(threads);
        let share = |ours: &Measured| Some(ours.macs? as f64 / (ours.min_us * 1e-6) / peak);
        Self {
            name: job.name.clone(),
            precision: job.precision,
            threads,
            best_peer: best.map(|(engine, _)| engine),
            ratio_to_best_peer: ratio,
            goal: job.files.goal,
            ratio_to_goal: ratio.zip(job.files.goal).map(|(ratio, goal)| ratio / goal),
            share_of_peak: ours.and_then(share),
            engines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::Files;

    fn times(min_us: f64) -> Measured {
        let (load_us, macs, peak_memory_bytes) = (Some(10.0), Some(6000), Some(1));
        Measured { load_us, first_us: None, min_us, median_us: min_us, peak_memory_bytes, macs }
    }

    #[test]
    fn a_line_compares_with_the_best_of_the_others() {
        let files = Files { goal: Some(0.5), ..Files::default() };
        let job = Job { name: "a".into(), precision: Precision::Int8, files };
        let measured = |engine, us| (engine, Outcome::Measured(times(us)));
        let failed = (Engine::Litert, Outcome::Failed { error: "no".into() });
        let engines =
            [measured(Engine::Lacewing, 3.0), measured(Engine::Tract, 9.0), measured(Engine::Ncnn, 4.0), failed];
        let roofline = Roofline {
            int8_macs_per_second: 4e9,
            read_1_mib_bytes_per_second: 1.0,
            read_512_mib_bytes_per_second: 1.0,
        };
        let line = Line::new(&job, 1, engines.into(), &roofline);
        assert_eq!(line.best_peer, Some(Engine::Ncnn));
        assert_eq!((line.ratio_to_best_peer, line.ratio_to_goal), (Some(0.75), Some(1.5)));
        // 6,000 products in 3 µs.
        assert!((line.share_of_peak.expect("a share") - 0.5).abs() < 1e-9);
    }

    #[test]
    fn turns_leave_the_least_and_one_failure_is_a_failure() {
        let both = Outcome::Measured(times(3.0)).and(Ok(times(2.0)));
        assert_eq!(both.measured(), Some(&times(2.0)));
        let failed = both.and(Err(anyhow::anyhow!("no"))).and(Ok(times(1.0)));
        assert!(matches!(failed, Outcome::Failed { error } if error == "no"));
    }
}
