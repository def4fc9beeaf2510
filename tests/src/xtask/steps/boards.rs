//! Steps on emulated boards.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lacewing_targets::boards::{emulated, target};
use lacewing_targets::{Board, Target};

use super::{Outcome, missing_for_boards, records};
use crate::generator::Generator;
use crate::models::released;
use crate::xtask::batch::Batch;
use crate::xtask::firmware::Firmware;
use crate::xtask::model::ModelFile;
use crate::xtask::sizes::{self, Row};
use crate::xtask::{converter, door, elf, emulator, process, qemu};

const LIMIT: Duration = Duration::from_secs(60);

/// Known windows are counted exactly, and failures are loud.
pub(super) fn count() -> Result<Outcome> {
    if let Some(missing) = missing_for_boards()? {
        return Ok(Outcome::NotInstalled(missing));
    }
    for board in emulated() {
        let firmware = Firmware::build(board, "probe", None)?;
        counts(&firmware).with_context(|| format!("counting on {}", board.name))?;
        failures(&firmware).with_context(|| format!("failing on {}", board.name))?;
    }
    Ok(Outcome::Passed)
}

/// An empty window counts 0, three nops count 3, a thousand turns of two instructions 2,000; three nops in record 1 are its own.
fn counts(firmware: &Firmware) -> Result<()> {
    for (window, expected) in [(b"0", 0), (b"3", 3), (b"t", 2_000)] {
        let counted = emulator::run(firmware, Some(window), LIMIT)?;
        ensure!(
            (counted.windows, counted.instructions) == (1, expected),
            "{counted:?} instead of {expected} instructions"
        );
        ensure!(counted.places.values().sum::<u64>() == expected, "{counted:?}: addresses do not add up");
    }
    let noted = emulator::run(firmware, Some(b"n"), LIMIT)?;
    ensure!(noted.parts.get(&2) == Some(&3), "{noted:?} instead of three instructions in record 1");
    ensure!(noted.parts.values().sum::<u64>() == noted.instructions, "{noted:?}: parts do not add up");
    Ok(())
}

/// Panics, faults, endless loops and deep stacks end with an error that names them.
fn failures(firmware: &Firmware) -> Result<()> {
    let failures = [
        (b"p", LIMIT, "panicked: panic at src/bin/probe.rs"),
        (b"f", LIMIT, "faulted: "),
        (b"l", Duration::from_secs(2), "no end within 2 s"),
        (b"s", LIMIT, "below the painted window"),
    ];
    for (way, limit, expected) in failures {
        let result = emulator::run(firmware, Some(way), limit);
        let error = result.err().with_context(|| format!("no error instead of `{expected}`"))?;
        let error = format!("{error:#}");
        ensure!(error.contains(expected), "`{error}` instead of `{expected}`");
    }
    Ok(())
}

/// Every model gives the same bytes on the host and on every board that it fits, and takes no more than its budget.
pub(super) fn qemu() -> Result<Outcome> {
    if let Some(missing) = missing_for_boards()? {
        return Ok(Outcome::NotInstalled(missing));
    }
    sizes::check(&rows()?)?;
    Ok(Outcome::Passed)
}

/// What boards take for models, whose outputs are the host's.
///
/// The demo, written for the board's kernels, and [`ALONE`] have firmwares of their own. All others go through one that has every operation, where a
/// board has room for it.
pub(in crate::xtask) fn rows() -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let cases: Vec<_> = models(folder.path())?
        .into_iter()
        .map(|path| Case::new(path, &folder.path().join("x.npy")))
        .collect::<Result<_>>()?;
    let mut rows = Vec::new();
    for board in emulated() {
        let before = rows.len();
        for case in cases.iter().filter(|case| case.is_alone_on(board)) {
            rows.push(Row::of(&case.check(board)?));
        }
        if has_room(board) {
            rows.push(together(board, &cases)?);
        }
        ensure!(rows.len() > before, "no model fits {}", board.name);
    }
    Ok(rows)
}

/// Released files with a firmware of their own on every board: what only its session does, and the smallest.
const ALONE: [&str; 3] = ["v1-regions", "v1-rows", "v1-tiny"];

/// Whether the firmware with every operation has its memory there.
fn has_room(board: &Board) -> bool {
    board.ram.len >= records::RAM
}

/// The demo's model, written for the kernels of every board, and the files that stay as tests.
fn models(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut models = Vec::new();
    for target in emulated().filter_map(|board| target(board.target)) {
        let demo = folder.join(demo(target)).with_extension("lace");
        if !models.contains(&demo) {
            converter::convert_demo(target.name, "int8", &demo)?;
            models.push(demo);
        }
    }
    models.extend(released()?);
    models.sort();
    Ok(models)
}

/// The name of the demo's model for the kernels of a target.
fn demo(target: &Target) -> String {
    format!("demo-{}", target.kernels.type_name())
}

/// All files but [`ALONE`] that fit, one after the other in one firmware.
fn together(board: &'static Board, cases: &[Case]) -> Result<Row> {
    let batch = Batch::build(board)?;
    let mut taken = Vec::new();
    for case in cases.iter().filter(|case| !ALONE.contains(&&*case.name())) {
        let arena = case.model.filled(&mut Generator::default())?;
        if Batch::fits(board, case.model.bytes().len() + arena.len()) {
            taken.push((case, arena));
        }
    }
    ensure!(!taken.is_empty(), "no model fits {}", board.name);
    let ran = batch.run(taken.iter().map(|(case, arena)| (case.model.bytes(), &arena[..])))?;
    let mut rest = &ran.arenas[..];
    for (case, arena) in &taken {
        let (left, after) = rest.split_at_checked(arena.len()).context("an arena is missing")?;
        let (name, file) = (board.name, case.path.display());
        ensure!(case.model.outputs(left)? == case.generated, "{name} answers otherwise than the host to {file}");
        rest = after;
    }
    let sizes = elf::sizes(&fs::read(batch.firmware.elf())?, None)?;
    let row = Row {
        firmware: board.name.into(),
        model: "all".into(),
        bytes: [Some(sizes.text), Some(sizes.rodata), None, Some(ran.stack.into())],
    };
    eprintln!("{row}: {} files", taken.len());
    Ok(row)
}

/// A model and what the host answers.
struct Case {
    path: PathBuf,
    model: ModelFile,
    /// The output for the generator's bytes, by the runtime in this process.
    generated: Vec<u8>,
    /// Where the inputs' type allows it, bytes of a file and the hash that `lacewing run` prints for that file.
    from_file: Option<(Vec<u8>, String)>,
}

impl Case {
    /// Asks the host; `npy` is written on the way.
    fn new(path: PathBuf, npy: &Path) -> Result<Self> {
        let model = ModelFile::open(&path)?;
        let generated = model.run(1, &mut Generator::default())?;
        let from_file = lacewing_run(&path, &model, npy)?;
        Ok(Self { path, model, generated, from_file })
    }

    /// The name of the file.
    fn name(&self) -> Cow<'_, str> {
        self.path.file_stem().unwrap_or_default().to_string_lossy()
    }

    /// Whether it has a firmware of its own on the board, and fits it.
    fn is_alone_on(&self, board: &Board) -> bool {
        let name = self.name();
        let own = target(board.target).is_some_and(|target| demo(target) == name);
        let alone = own || ALONE.contains(&&*name) || !has_room(board);
        alone && self.model.check_fits(board).inspect_err(|why| eprintln!("{}: {why:#}", self.path.display())).is_ok()
    }

    /// One inference on generated bytes, which is what is told, and one on a file's.
    fn check(&self, board: &'static Board) -> Result<qemu::Report> {
        let measured = qemu::measure(board, &self.path, &self.model, None, LIMIT)?;
        eprintln!("{}", measured.report);
        let name = board.name;
        ensure!(measured.output == self.generated, "{name} answers otherwise than the host");
        if let Some((bytes, expected)) = &self.from_file {
            let input = Some(bytes.clone());
            let again = qemu::measure(board, &self.path, &self.model, input, LIMIT)?;
            ensure!(again.report.output_sha256 == *expected, "{name} answers otherwise than `lacewing run`");
        }
        Ok(measured.report)
    }
}

/// The answer of the command `lacewing run` to a `.npy` file made of generated bytes; none if the model has several inputs.
fn lacewing_run(path: &Path, model: &ModelFile, npy: &Path) -> Result<Option<(Vec<u8>, String)>> {
    let model = model.model()?;
    let mut ports = model.inputs();
    let (Some(port), None) = (ports.next(), ports.next()) else {
        return Ok(None);
    };
    let len = port.tensor.bytes().context("the input has no size")? as usize;
    // A byte on, so that these are other inputs than the generated ones.
    let bytes: Vec<u8> = Generator::default().skip(1).take(len).collect();
    door::write_inputs(&model, &bytes, npy)?;
    let printed = process::output(
        process::built("lacewing-convert", "lacewing")?.args(["run", "--json", "--input"]).arg(npy).arg(path),
    )?;
    let printed: serde_json::Value = serde_json::from_str(&printed)?;
    let sha256 = printed["output_sha256"].as_str().context("`lacewing run` gave no hash")?;
    Ok(Some((bytes, sha256.to_owned())))
}
