//! The judge of ONNX operators: the cases of ONNX's own backend suite, converted to f32 and run.
//!
//! `make.py` writes the cases; `cargo xtask onnx` starts this program on them. `pass.txt` lists what passes, exactly, and `left_out.txt`
//! what is left out by design. Read in this order: `tensor`, `case`, `attempt` (one case), `workers` (all of them), `facts`,
//! `classes`, `lists`, `report`.

mod attempt;
mod case;
mod classes;
mod facts;
mod lists;
mod report;
mod tensor;
mod workers;

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;

use facts::Facts;
use report::{Report, Run};

/// Converts and runs the cases of ONNX's backend suite, and compares what passes with `tests/onnx/pass.txt`
#[derive(Parser)]
struct Args {
    /// The folder that `tests/onnx/make.py` wrote
    #[arg(long, value_name = "DIR")]
    cases: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Write what passes to `pass.txt` (or set BLESS=1)
    #[arg(long)]
    bless: bool,
    /// Run these only: an operator, or part of a name, with `*` for any text; several are separated by commas
    #[arg(long, value_delimiter = ',', value_name = "PATTERN")]
    only: Vec<String>,
    /// Say why cases fail, and which reasons are frequent; as with --only
    #[arg(long)]
    why: bool,
}

fn main() -> ExitCode {
    let worker = std::env::args().nth(1).is_some_and(|first| first == workers::WORKER);
    let result = if worker { workers::work().map(|()| true) } else { run(&Args::parse()) };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether the lists are right.
fn run(args: &Args) -> Result<bool> {
    let rules = lists::rules(&fs::read_to_string(list("left_out.txt"))?)?;
    let all = cases(&args.cases)?;
    let idle = lists::idle(&rules, &all);
    ensure!(idle.is_empty(), "left_out.txt: no case matches {}", idle.join(", "));
    let (chosen, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|facts| args.wants(facts));
    ensure!(!chosen.is_empty(), "no case is called {} or has such an operator", args.only.join(","));
    let mut listed = lists::read(&fs::read_to_string(list("pass.txt"))?)?;
    let others = rest.iter().filter_map(|facts| listed.remove_entry(&facts.name)).collect();
    let report = Report { runs: outcomes(args, &rules, chosen)?, listed };
    if args.bless || std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        return bless(&report, others, args);
    }
    show(&report, args)?;
    Ok(report.regressed().is_empty() && report.unlisted().is_empty() && report.wrongly_left_out().is_empty())
}

fn outcomes(args: &Args, rules: &[lists::Rule], chosen: Vec<Facts>) -> Result<Vec<Run>> {
    let folders: Vec<_> = chosen.iter().map(|facts| args.cases.join(&facts.name)).collect();
    let done = AtomicUsize::new(0);
    let terminal = std::io::stderr().is_terminal();
    let outcomes = workers::outcomes(&folders, || {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if terminal && done.is_multiple_of(20) {
            eprint!("\r{done} of {} cases ", folders.len());
        }
    })?;
    if terminal {
        eprint!("\r\x1b[K");
    }
    let run = |(facts, outcome)| {
        let left_out = lists::left_out(rules, &facts).map(String::from);
        Run { facts, left_out, outcome }
    };
    Ok(chosen.into_iter().zip(outcomes).map(run).collect())
}

/// The cases of a folder by kind and name.
fn cases(folder: &Path) -> Result<Vec<Facts>> {
    if !folder.join("made.txt").is_file() {
        bail!("{} holds no complete suite; tests/onnx/make.py writes it", folder.display());
    }
    let mut cases = Vec::new();
    for kind in names(folder)? {
        for case in names(&folder.join(&kind))? {
            let (name, path) = (format!("{kind}/{case}"), folder.join(&kind).join(&case));
            cases.push(Facts::read(name, &path).with_context(|| path.display().to_string())?);
        }
    }
    Ok(cases)
}

/// The folders in a folder, in order.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn list(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn bless(report: &Report, mut passing: lists::Passing, args: &Args) -> Result<bool> {
    let before = report.listed.len();
    passing.extend(report.passing());
    let wrong = report.wrongly_left_out();
    ensure!(wrong.is_empty(), "left out by design, and pass: {}; see left_out.txt", wrong.join(", "));
    fs::write(list("pass.txt"), lists::write(&passing))?;
    show(report, args)?;
    eprintln!("pass.txt: {} cases, before {before}", report.passing().len());
    Ok(true)
}

fn show(report: &Report, args: &Args) -> Result<()> {
    let why = args.why || !args.only.is_empty();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report.json(why))?);
        return Ok(());
    }
    if why {
        report.print_reasons();
        println!();
    }
    report.print_differences();
    report.print_counts();
    Ok(())
}

impl Args {
    fn wants(&self, facts: &Facts) -> bool {
        let wanted =
            |pattern: &String| facts.ops.contains(pattern) || lists::matches(&format!("*{pattern}*"), &facts.name);
        self.only.is_empty() || self.only.iter().any(wanted)
    }
}
