//! Steps on emulated boards.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lacewing_targets::Board;
use lacewing_targets::boards::{emulated, target};

use super::{Outcome, missing_for_boards};
use crate::generator::Generator;
use crate::models::released;
use crate::xtask::firmware::Firmware;
use crate::xtask::model::ModelFile;
use crate::xtask::sizes::{self, Row};
use crate::xtask::{converter, door, emulator, process, qemu};

const LIMIT: Duration = Duration::from_secs(60);

/// Known windows are counted exactly, and failures are loud.
pub(super) fn count() -> Result<Outcome> {
    if let Some(missing) = missing_for_boards()? {
        return Ok(Outcome::NotInstalled(missing));
    }
    for board in emulated() {
        counts(board).with_context(|| format!("counting on {}", board.name))?;
        failures(board).with_context(|| format!("failing on {}", board.name))?;
    }
    Ok(Outcome::Passed)
}

/// An empty window counts 0, three nops count 3, a thousand turns of two instructions 2,000; three nops in record 1 are its own.
fn counts(board: &'static Board) -> Result<()> {
    let firmware = Firmware::build(board, "count", None)?;
    for (window, expected) in [(b"0", 0), (b"3", 3), (b"t", 2_000)] {
        let counted = emulator::run(&firmware, Some(window), LIMIT)?;
        ensure!(
            (counted.windows, counted.instructions) == (1, expected),
            "{counted:?} instead of {expected} instructions"
        );
        ensure!(counted.places.values().sum::<u64>() == expected, "{counted:?}: addresses do not add up");
    }
    let noted = emulator::run(&firmware, Some(b"n"), LIMIT)?;
    ensure!(noted.parts.get(&2) == Some(&3), "{noted:?} instead of three instructions in record 1");
    ensure!(noted.parts.values().sum::<u64>() == noted.instructions, "{noted:?}: parts do not add up");
    Ok(())
}

/// Panics, faults, endless loops and deep stacks end with an error that names them.
fn failures(board: &'static Board) -> Result<()> {
    let firmware = Firmware::build(board, "fail", None)?;
    let failures = [
        (b"p", LIMIT, "panicked: panic at src/bin/fail.rs"),
        (b"f", LIMIT, "faulted: "),
        (b"l", Duration::from_secs(2), "no end within 2 s"),
        (b"s", LIMIT, "below the painted window"),
    ];
    for (way, limit, expected) in failures {
        let result = emulator::run(&firmware, Some(way), limit);
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
    let rows: Vec<_> = reports()?.iter().map(Row::of).collect();
    sizes::check(&rows)?;
    Ok(Outcome::Passed)
}

/// What is measured of every model on every board that it fits, whose outputs are the host's.
pub(in crate::xtask) fn reports() -> Result<Vec<qemu::Report>> {
    let folder = tempfile::tempdir()?;
    let cases: Vec<_> = models(folder.path())?
        .into_iter()
        .map(|path| Case::new(path, &folder.path().join("x.npy")))
        .collect::<Result<_>>()?;
    let mut reports = Vec::new();
    for board in emulated() {
        let before = reports.len();
        for case in &cases {
            match case.model.check_fits(board) {
                Ok(()) => reports.push(case.check(board)?),
                Err(reason) => eprintln!("{}: {reason:#}", case.path.display()),
            }
        }
        ensure!(reports.len() > before, "no model fits {}", board.name);
    }
    Ok(reports)
}

/// The demo's model, written for the kernels of every board, and the files that stay as tests.
fn models(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut models = Vec::new();
    for target in emulated().filter_map(|board| target(board.target)) {
        let demo = folder.join(format!("demo-{}.lace", target.kernels.type_name()));
        if !models.contains(&demo) {
            converter::convert_demo(target.name, "int8", &demo)?;
            models.push(demo);
        }
    }
    models.extend(released()?);
    models.sort();
    Ok(models)
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
    let printed = process::output(converter::command(&["run", "--json", "--input"]).arg(npy).arg(path))?;
    let printed: serde_json::Value = serde_json::from_str(&printed)?;
    let sha256 = printed["output_sha256"].as_str().context("`lacewing run` gave no hash")?;
    Ok(Some((bytes, sha256.to_owned())))
}
