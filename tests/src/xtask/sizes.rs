//! `cargo xtask sizes`: what firmwares take of flash and RAM, against the budget in `tests/sizes.txt`.
//!
//! Code and stack depend on the compiler, so they are compared where it is the one that the budget was written with. The arena is the
//! converter's, and is always compared.

use std::fmt::{self, Write};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use super::bare_metal::BareMetal;
use super::steps::{self, boards, example};
use super::{paths, qemu};

/// Say what firmwares take of flash and RAM, against the budget in tests/sizes.txt.
///
/// Every emulated board with the demo's model, with small ones, and with every operation (`all`), and every firmware example.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask sizes --check
  cargo xtask sizes --bless
What is measured: see `cargo xtask qemu --help`.")]
pub(super) struct Args {
    /// Fail where something is larger than its budget
    #[arg(long, conflicts_with = "bless")]
    check: bool,
    /// Write what is measured to the budget
    #[arg(long)]
    bless: bool,
}

/// Measures everything, then prints, checks or writes.
pub(super) fn command(args: &Args) -> Result<()> {
    if let Some(missing) = steps::missing_for_boards()? {
        bail!("{missing}: `cargo xtask install` helps");
    }
    let mut rows = boards::rows()?;
    rows.push(example::sizes()?);
    let measured = Budget { compiler: compiler()?, rows };
    match (args.check, args.bless) {
        (true, _) => check(&measured.rows),
        (_, true) => fs::write(path(), measured.to_string()).context("cannot write the budget"),
        _ => {
            print!("{measured}");
            Ok(())
        }
    }
}

/// What one firmware takes, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The board, or the example.
    pub(super) firmware: String,
    /// The model in it.
    pub(super) model: String,
    /// Code; constants without the model; the arena; the deepest stack, where it is known.
    pub(super) bytes: [Option<u64>; 4],
}

/// Names of [`Row::bytes`].
const NAMES: [&str; 4] = ["text", "rodata", "arena", "stack"];
/// The one of them that does not depend on the compiler.
const ARENA: usize = 2;
/// By how many bytes each may differ in builds of the same sources: where they lie decides the hashes in symbols, these the order of
/// functions, and that the padding between them.
const SLACK: [u64; 4] = [64, 0, 0, 0];

impl Row {
    /// Of a run on an emulated board.
    pub(super) fn of(report: &qemu::Report) -> Self {
        let qemu::Report { board, text_bytes, rodata_bytes, arena_bytes, stack_bytes, .. } = *report;
        Self {
            firmware: board.to_owned(),
            model: report.name(),
            bytes: [text_bytes, rodata_bytes, arena_bytes as u64, stack_bytes.into()].map(Some),
        }
    }

    fn read(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [firmware, model, numbers @ ..] = &words[..] else { return None };
        let numbers: [&str; 4] = numbers.try_into().ok()?;
        let known = numbers.iter().all(|number| *number == "-" || number.parse::<u64>().is_ok());
        let bytes = numbers.map(|number| number.parse().ok());
        known.then(|| Self { firmware: (*firmware).into(), model: (*model).into(), bytes })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:26} {:20}", self.firmware, self.model)?;
        for bytes in self.bytes {
            write!(f, " {:>8}", bytes.map_or_else(|| "-".into(), |bytes| bytes.to_string()))?;
        }
        Ok(())
    }
}

/// What firmwares may take.
#[derive(Debug, PartialEq, Eq)]
struct Budget {
    /// The compiler that it was measured with.
    compiler: String,
    rows: Vec<Row>,
}

const HEAD: &str = "\
# Bytes that firmwares take, without the model's file; see `cargo xtask sizes --help`. Growth fails the test run, after less it asks for
# `cargo xtask sizes --bless`: look at the difference before you commit it.
";

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [text, rodata, arena, stack] = NAMES;
        write!(f, "{HEAD}compiler {}\n\n", self.compiler)?;
        writeln!(f, "# {:24} {:20} {text:>8} {rodata:>8} {arena:>8} {stack:>8}", "firmware", "model")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

impl Budget {
    fn read(text: &str) -> Result<Self> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let compiler = lines.next().and_then(|line| line.strip_prefix("compiler "));
        let compiler = compiler.context("the budget names no compiler")?.to_owned();
        let row = |line| Row::read(line).with_context(|| format!("`{line}` is no line of a budget"));
        Ok(Self { compiler, rows: lines.map(row).collect::<Result<_>>()? })
    }

    /// What `row` takes more, an error's text, and what it takes less.
    fn compare(&self, row: &Row, compiler: &str) -> (String, String) {
        let mut told = (String::new(), String::new());
        let Some(budget) =
            self.rows.iter().find(|known| (&known.firmware, &known.model) == (&row.firmware, &row.model))
        else {
            return (format!("{} with {} has no budget\n", row.firmware, row.model), String::new());
        };
        for (index, name) in NAMES.iter().enumerate().filter(|(index, _)| *index == ARENA || compiler == self.compiler)
        {
            let (Some(is), Some(may)) = (row.bytes[index], budget.bytes[index]) else { continue };
            let to = if is > may { &mut told.0 } else { &mut told.1 };
            if is.abs_diff(may) > SLACK[index] {
                // Writing to a string cannot fail.
                let _ = writeln!(to, "{} with {}: {name} {may} → {is}", row.firmware, row.model);
            }
        }
        told
    }
}

/// An error if a row takes more than its budget; what takes less is said.
pub(super) fn check(rows: &[Row]) -> Result<()> {
    let path = path();
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (budget, compiler) = (Budget::read(&text)?, compiler()?);
    if compiler != budget.compiler {
        eprintln!("SKIPPED: code and stack against the budget, which {} wrote; this is {compiler}", budget.compiler);
    }
    let told: Vec<_> = rows.iter().map(|row| budget.compare(row, &compiler)).collect();
    let (more, less): (Vec<_>, Vec<_>) = told.into_iter().unzip();
    let (more, less) = (more.concat(), less.concat());
    if !less.is_empty() {
        eprint!("smaller than the budget; `cargo xtask sizes --bless` takes it over:\n{less}");
    }
    ensure!(more.is_empty(), "larger than the budget in {}:\n{}", path.display(), more.trim_end());
    Ok(())
}

fn path() -> PathBuf {
    paths::root().join("tests/sizes.txt")
}

/// The compiler for bare metal.
fn compiler() -> Result<String> {
    BareMetal::find("thumbv7em-none-eabihf")?.version()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bytes: [u64; 4]) -> Row {
        Row { firmware: "board".into(), model: "demo".into(), bytes: bytes.map(Some) }
    }

    fn budget() -> Budget {
        let example =
            Row { firmware: "example".into(), model: "demo".into(), bytes: [Some(1), Some(2), Some(3), None] };
        Budget { compiler: "rustc 1".into(), rows: vec![row([10, 20, 30, 40]), example] }
    }

    #[test]
    fn a_budget_is_read_as_it_was_written() {
        assert_eq!(Budget::read(&budget().to_string()).expect("a budget"), budget());
        assert!(Budget::read("compiler rustc 1\nboard demo 1 2 3 x\n").is_err());
        assert!(Budget::read("board demo 1 2 3 4\n").is_err());
    }

    #[test]
    fn growth_is_told_apart_from_shrink() {
        let (more, less) = budget().compare(&row([75, 19, 30, 40]), "rustc 1");
        assert_eq!((&more[..], &less[..]), ("board with demo: text 10 → 75\n", "board with demo: rodata 20 → 19\n"));
        assert_eq!(budget().compare(&row([74, 20, 30, 40]), "rustc 1"), (String::new(), String::new()));
        let unknown = Row { model: "other".into(), ..row([0; 4]) };
        assert_eq!(budget().compare(&unknown, "rustc 1").0, "board with other has no budget\n");
    }

    #[test]
    fn another_compiler_is_held_to_the_arena_alone() {
        assert_eq!(budget().compare(&row([11, 21, 30, 41]), "rustc 2"), (String::new(), String::new()));
        assert_eq!(budget().compare(&row([11, 21, 31, 41]), "rustc 2").0, "board with demo: arena 30 → 31\n");
    }
}
