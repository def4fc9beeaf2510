//! `cargo xtask bench-mcu`: models on emulated microcontrollers, beside what others need and our goals.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use lacewing_targets::{Board, boards};
use serde::Serialize;
use tempfile::TempDir;

use super::converter::{self, Optimize};
use super::mca::{Hot, Tools};
use super::model::ModelFile;
use super::qemu;

pub(super) mod figures;
mod table;

use figures::{Figures, Known};

/// Measure models on emulated microcontrollers, beside what others need and our goals.
///
/// Every model of tests/mcu.toml, each written for the board. Instructions are not cycles; cycles of the hot code are llvm-mca's.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask bench-mcu --models ../models
  cargo xtask bench-mcu --model own.tflite --model own.lace --board mps2-an386 --json
What is measured: see `cargo xtask qemu --help`. Further:
  code    text and read-only data of the firmware without the model
  cycles  of one inference in the straight runs of code that hold nine tenths of its instructions, by llvm-mca's model of the
          processor; in brackets the share of instructions that these are. Wait states of memories are not in them
  ×peer   our part of the best peer's, ×goal of our goal's: below 1 is better")]
pub(super) struct Args {
    /// The folder with the models of tests/mcu.toml; LACEWING_MODELS if not given
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// A .lace, .tflite or ONNX file to measure, instead of those of the table; the last two must be quantized
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    /// A board, instead of mps2-an386, mps2-an385-armv6m, mps3-an547 and riscv32-virt
    #[arg(long, value_parser = qemu::parse_board)]
    board: Vec<&'static Board>,
    /// What the memory's plan is made for, instead of all three
    #[arg(long, value_enum)]
    optimize: Vec<Optimize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const BOARDS: [&str; 4] = ["mps2-an386", "mps2-an385-armv6m", "mps3-an547", "riscv32-virt"];
const LIMIT: Duration = Duration::from_secs(600);

/// A model to measure.
pub(super) struct Job {
    pub(super) name: String,
    pub(super) path: PathBuf,
    known: Option<Known>,
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
struct Line {
    name: String,
    board: &'static str,
    /// None of a `.lace` file, whose plan is made.
    optimize: Option<Optimize>,
    #[serde(flatten)]
    outcome: Outcome,
    peers: serde_json::Value,
    goal: Option<Figures>,
    floor_arena_bytes: Option<u64>,
    ratio_to_best_peer: Option<f64>,
    ratio_to_goal: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Outcome {
    Measured(Box<Figured>),
    Failed { error: String },
}

#[derive(Debug, Clone, Serialize)]
struct Figured {
    macs: u64,
    instructions: u64,
    instructions_per_mac: Option<f64>,
    mca: Option<Hot>,
    arena_bytes: usize,
    stack_bytes: u32,
    text_bytes: u64,
    rodata_bytes: u64,
    code_bytes: u64,
    file_bytes: usize,
    output_sha256: String,
}

/// Measures and prints.
pub(super) fn command(args: &Args) -> Result<()> {
    let jobs = if args.model.is_empty() {
        known(args.models.as_deref())?
    } else {
        args.model.iter().map(|path| job(path)).collect()
    };
    if jobs.is_empty() {
        eprintln!("SKIPPED: no models; --models or LACEWING_MODELS names the folder of those in tests/mcu.toml");
    }
    let mut bench = Bench { folder: tempfile::tempdir()?, tools: Tools::find()?, measured: HashMap::new() };
    if bench.tools.is_none() {
        eprintln!("SKIPPED: cycles; there is no llvm-mca (on Debian, package llvm-22 or llvm)");
    }
    let mut lines = Vec::new();
    for job in &jobs {
        for (board, optimize) in args.ways(job) {
            lines.push(bench.line(job, board, optimize));
        }
    }
    if args.json {
        println!("{}", serde_json::json!({ "models": lines }));
    } else {
        table::print(&lines);
    }
    Ok(())
}

/// The models of the table that are in the folder; says which are not.
pub(super) fn known(folder: Option<&Path>) -> Result<Vec<Job>> {
    let folder = folder.map(Path::to_path_buf).or_else(|| env::var_os("LACEWING_MODELS").map(PathBuf::from));
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let mut jobs = Vec::new();
    for known in figures::known()? {
        let path = folder.join(&known.path);
        match path.is_file() {
            true => jobs.push(Job { name: known.name.clone(), path, known: Some(known) }),
            false => eprintln!("SKIPPED: {}; there is no {}", known.name, path.display()),
        }
    }
    Ok(jobs)
}

fn job(path: &Path) -> Job {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Job { name, path: path.to_path_buf(), known: None }
}

impl Job {
    fn is_lace(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "lace")
    }
}

impl Args {
    /// The boards and plans that a model is measured with.
    fn ways(&self, job: &Job) -> Vec<(&'static Board, Option<Optimize>)> {
        let plans = match (job.is_lace(), &self.optimize[..]) {
            (true, _) => vec![None],
            (false, []) => [Optimize::Speed, Optimize::Balanced, Optimize::Ram].map(Some).into(),
            (false, some) => some.iter().copied().map(Some).collect(),
        };
        let boards: Vec<_> = match &self.board[..] {
            [] => BOARDS.iter().filter_map(|name| boards::board(name)).collect(),
            some => some.to_vec(),
        };
        boards.iter().flat_map(|board| plans.iter().map(|plan| (*board, *plan))).collect()
    }
}

/// What is needed for all lines.
struct Bench {
    folder: TempDir,
    tools: Option<Tools>,
    /// Plans for different ends may be the same, so that the file is.
    measured: HashMap<(&'static str, Vec<u8>), Figured>,
}

impl Bench {
    fn line(&mut self, job: &Job, board: &'static Board, optimize: Option<Optimize>) -> Line {
        let outcome = match self.figured(job, board, optimize) {
            Ok(figured) => Outcome::Measured(Box::new(figured)),
            Err(error) => Outcome::Failed { error: format!("{error:#}") },
        };
        Line::new(job, board, optimize, outcome)
    }

    fn figured(&mut self, job: &Job, board: &'static Board, optimize: Option<Optimize>) -> Result<Figured> {
        let path = match optimize {
            Some(optimize) => self.converted(job, board, optimize)?,
            None => job.path.clone(),
        };
        let key = (board.name, fs::read(&path)?);
        if let Some(figured) = self.measured.get(&key) {
            return Ok(figured.clone());
        }
        let figured = self.measure(board, &path)?;
        self.measured.insert(key, figured.clone());
        Ok(figured)
    }

    fn converted(&self, job: &Job, board: &Board, optimize: Optimize) -> Result<PathBuf> {
        let lace = self.folder.path().join(&job.name).with_extension("lace");
        converter::convert(&job.path, board.target, optimize, &lace)?;
        Ok(lace)
    }

    fn measure(&self, board: &'static Board, path: &Path) -> Result<Figured> {
        let file = ModelFile::open(path)?;
        let measured = qemu::measure(board, path, &file, None, LIMIT)?;
        let expected = file.run(1, &mut crate::generator::Generator::default())?;
        if measured.output != expected {
            bail!("{} answers otherwise than the host", board.name);
        }
        let mca = self.tools.as_ref().map(|tools| tools.cycles(board, &measured.firmware.elf(), &measured.counted));
        let report = measured.report;
        Ok(Figured {
            macs: report.macs,
            instructions: report.instructions,
            instructions_per_mac: report.instructions_per_mac,
            mca: mca.transpose().context("llvm-mca")?.flatten(),
            arena_bytes: report.arena_bytes,
            stack_bytes: report.stack_bytes,
            text_bytes: report.text_bytes,
            rodata_bytes: report.rodata_bytes,
            code_bytes: report.text_bytes + report.rodata_bytes,
            file_bytes: file.bytes().len(),
            output_sha256: report.output_sha256,
        })
    }
}

impl Line {
    fn new(job: &Job, board: &'static Board, optimize: Option<Optimize>, outcome: Outcome) -> Self {
        let known = job.known.as_ref();
        let instructions = match &outcome {
            Outcome::Measured(figured) => Some(figured.instructions),
            Outcome::Failed { .. } => None,
        };
        let ratio = |to: Option<u64>| Some(instructions? as f64 / to? as f64);
        let of = |figures: &Figures| figures.instructions.get(board.name).copied();
        let best = known.and_then(|known| known.peers.values().filter_map(of).min());
        Self {
            name: job.name.clone(),
            board: board.name,
            optimize,
            peers: serde_json::json!(known.map(|known| &known.peers)),
            goal: known.map(|known| known.goal.clone()),
            floor_arena_bytes: known.and_then(|known| known.floor),
            ratio_to_best_peer: ratio(best),
            ratio_to_goal: ratio(known.and_then(|known| of(&known.goal))),
            outcome,
        }
    }
}
