//! Cycles of hot code by llvm-mca, a model of the processor's pipeline.
//!
//! The hot code is the straight runs of instructions that are executed most, each with equal counts from its first to its last. llvm-mca
//! repeats a run as the body of a loop; a run's cycles are those of one turn, times its count. Caches, wait states of memories and
//! mispredicted branches are not in them.

mod armv6m;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use lacewing_targets::Board;
use serde::Serialize;
use tempfile::NamedTempFile;

use super::plugin::Counted;
use super::{paths, process};

/// Cycles of the hot code of one inference.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Hot {
    /// The processor whose pipeline is modeled.
    cpu: &'static str,
    /// The program and its version.
    tool: String,
    /// Instructions of the runs that have cycles.
    instructions: u64,
    /// Their share of all instructions.
    pub(super) share: f64,
    /// Their cycles.
    pub(super) cycles: u64,
    /// Cycles for one of those instructions.
    pub(super) cycles_per_instruction: f64,
    /// Hot instructions that llvm-mca has no timing of.
    unknown: u64,
}

impl Hot {
    /// Where the cycles come from.
    pub(super) fn source(&self) -> String {
        format!("{} for {}, of {:.0} % of the instructions", self.tool, self.cpu, 100.0 * self.share)
    }
}

/// The hot runs hold so many of a thousand instructions.
const PER_MILLE: u64 = 900;
/// Turns that a run is repeated for.
const TURNS: u64 = 100;

/// llvm-mca and the disassembler beside it.
pub(super) struct Tools {
    mca: PathBuf,
    objdump: PathBuf,
    version: String,
}

impl Tools {
    /// The newest that is installed.
    pub(super) fn find() -> Result<Option<Self>> {
        let pair = |suffix| {
            Some((paths::program(&format!("llvm-mca{suffix}"))?, paths::program(&format!("llvm-objdump{suffix}"))?))
        };
        let Some((mca, objdump)) = ["-22", ""].into_iter().find_map(pair) else { return Ok(None) };
        let said = process::output(Command::new(&mca).arg("--version"))?;
        let version = said.lines().find_map(|line| line.split_once("LLVM version ")).map(|(_, version)| version.trim());
        let version = format!("llvm-mca {}", version.context("llvm-mca does not say its version")?);
        Ok(Some(Self { mca, objdump, version }))
    }

    /// The cycles of the hot code of `elf`; of a Cortex-M0+, which llvm-mca has no model of, those of all code by Arm's table.
    pub(super) fn cycles(&self, board: &Board, elf: &Path, counted: &Counted) -> Result<Option<Hot>> {
        if board.target == "cortex-m0plus" {
            return Ok(Some(armv6m::cycles(&self.disassembled(elf, board.target, "")?, counted)));
        }
        let Some((triple, cpu, features)) = pipeline(board.target) else { return Ok(None) };
        let model =
            [("mtriple", triple), ("mcpu", cpu), ("mattr", features)].map(|(key, value)| format!("-{key}={value}"));
        let code = self.disassembled(elf, cpu, features)?;
        let (mut instructions, mut cycles, mut unknown) = (0, 0.0, 0);
        for run in hottest(runs(&code, &counted.places), counted.instructions) {
            match self.turn(&run.text, &model)? {
                Some(turn) => {
                    instructions += run.executed();
                    cycles += turn * run.times as f64;
                }
                None => unknown += run.executed(),
            }
        }
        let inference = |sum: f64| sum / counted.windows as f64;
        Ok((instructions > 0).then(|| Hot {
            cpu,
            tool: self.version.clone(),
            instructions: instructions / counted.windows,
            share: instructions as f64 / counted.instructions as f64,
            cycles: inference(cycles) as u64,
            cycles_per_instruction: cycles / instructions as f64,
            unknown: unknown / counted.windows,
        }))
    }

    /// The instruction at each address, as llvm-mca reads it.
    fn disassembled(&self, elf: &Path, cpu: &str, features: &str) -> Result<BTreeMap<u64, String>> {
        let mut objdump = Command::new(&self.objdump);
        objdump
            .args(["-d", "--no-show-raw-insn"])
            .args([format!("--mcpu={cpu}"), format!("--mattr={features}")])
            .arg(elf);
        let text = process::output(&mut objdump)?;
        Ok(text.lines().filter_map(instruction).collect())
    }

    /// Cycles of one turn of a loop; none if an instruction has no timing.
    fn turn(&self, body: &[&str], model: &[String]) -> Result<Option<f64>> {
        let mut file = NamedTempFile::new()?;
        for line in body {
            writeln!(file, "{}", jump(line))?;
        }
        let mut mca = Command::new(&self.mca);
        mca.args(model).arg(format!("-iterations={TURNS}")).arg(file.path());
        let Ok(said) = process::output(&mut mca) else { return Ok(None) };
        let total = said.lines().find_map(|line| line.strip_prefix("Total Cycles:"));
        let total: f64 = total.context("llvm-mca gave no cycles")?.trim().parse()?;
        Ok(Some(total / TURNS as f64))
    }
}

/// The triple, the processor and the features of llvm-mca's model for a target.
///
/// For plain RV32IMC SiFive's E31 stands, five stages in order.
fn pipeline(target: &str) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match target {
        "cortex-m3" => ("thumbv7m-none-eabi", "cortex-m3", ""),
        "cortex-m4f" => ("thumbv7em-none-eabihf", "cortex-m4", ""),
        "cortex-m7" => ("thumbv7em-none-eabihf", "cortex-m7", ""),
        "cortex-m33" => ("thumbv8m.main-none-eabihf", "cortex-m33", ""),
        "cortex-m55" => ("thumbv8.1m.main-none-eabihf", "cortex-m55", ""),
        "rv32imc" => ("riscv32", "sifive-e31", "+m,+c"),
        _ => return None,
    })
}

/// A straight run of instructions, executed `times` each.
#[derive(Debug, PartialEq, Eq)]
struct Run<'c> {
    text: Vec<&'c str>,
    times: u64,
}

impl Run<'_> {
    fn executed(&self) -> u64 {
        self.times * self.text.len() as u64
    }
}

/// An address and its instruction in a line of the disassembly, without what is said of it.
fn instruction(line: &str) -> Option<(u64, String)> {
    let (address, text) = line.trim_start().split_once(':')?;
    let address = u64::from_str_radix(address, 16).ok()?;
    let text = text.split(['@', '<']).next()?.trim();
    (!text.is_empty()).then(|| (address, text.replace('\t', " ")))
}

/// A call as a jump, which takes as long: llvm-mca supposes a hundred cycles of what it does not see.
fn jump(instruction: &str) -> String {
    instruction.strip_prefix("bl ").map_or_else(|| instruction.to_owned(), |to| format!("b {to}"))
}

/// Cuts the code where the counts change.
fn runs<'c>(code: &'c BTreeMap<u64, String>, places: &BTreeMap<u64, u64>) -> Vec<Run<'c>> {
    let mut runs: Vec<Run<'c>> = Vec::new();
    let mut before = 0;
    for (address, text) in code {
        let times = places.get(address).copied().unwrap_or_default();
        match runs.last_mut() {
            Some(run) if times == before && times > 0 => run.text.push(text),
            _ if times > 0 => runs.push(Run { text: vec![text], times }),
            _ => {}
        }
        before = times;
    }
    runs
}

/// Those with the most instructions, until they hold [`PER_MILLE`] of all.
fn hottest(mut runs: Vec<Run<'_>>, all: u64) -> Vec<Run<'_>> {
    runs.sort_by_key(|run| std::cmp::Reverse(run.executed()));
    let mut sum = 0;
    let enough = runs.iter().position(|run| {
        sum += run.executed();
        sum * 1000 >= all * PER_MILLE
    });
    runs.truncate(enough.map_or(usize::MAX, |last| last + 1));
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_disassembly_are_read() {
        let line = "      44:      \tbl\t0x483c <__pre_init>     @ imm = #18420";
        assert_eq!(instruction(line), Some((0x44, "bl 0x483c".to_owned())));
        assert_eq!([jump("bl 0x483c"), jump("ble 0x48")], ["b 0x483c", "ble 0x48"]);
        assert_eq!(instruction("00000044 <__stext>:"), None);
        assert_eq!(instruction("f.elf:\tfile format elf32-littlearm"), None);
    }

    #[test]
    fn runs_end_where_counts_change_and_the_hottest_come_first() {
        let code = (0..6).map(|at| (2 * at, format!("i{at}"))).collect();
        let places = [(0, 1), (2, 50), (4, 50), (8, 50), (10, 2)].into();
        let runs = runs(&code, &places);
        let run = |text: &[&'static str], times| Run { text: text.to_vec(), times };
        assert_eq!(runs, [run(&["i0"], 1), run(&["i1", "i2"], 50), run(&["i4"], 50), run(&["i5"], 2)]);
        assert_eq!(hottest(runs, 153), [run(&["i1", "i2"], 50), run(&["i4"], 50)]);
    }
}
