//! Steps on emulated boards.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lacewing_targets::Board;
use lacewing_targets::boards::emulated;

use super::{Outcome, file, missing_for_boards};
use crate::generator::Generator;
use crate::xtask::firmware::Firmware;
use crate::xtask::model::ModelFile;
use crate::xtask::{door, emulator, lacewing, paths, process, qemu};

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

/// Every model gives the same bytes on the host and on every board that it fits.
pub(super) fn qemu() -> Result<Outcome> {
    if let Some(missing) = missing_for_boards()? {
        return Ok(Outcome::NotInstalled(missing));
    }
    let folder = tempfile::tempdir()?;
    let mut idle: Vec<_> = emulated().map(|board| board.name).collect();
    for path in models(folder.path())? {
        let case = Case::new(path, &folder.path().join("x.npy"))?;
        for board in emulated() {
            match case.model.check_fits(board) {
                Ok(()) => {
                    case.check(board)?;
                    idle.retain(|name| *name != board.name);
                }
                Err(reason) => eprintln!("{}: {reason:#}", case.path.display()),
            }
        }
    }
    ensure!(idle.is_empty(), "no model fits {}", idle.join(", "));
    Ok(Outcome::Passed)
}

/// The demo's model, written for two targets, and the files that stay as tests.
fn models(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut models = vec![demo(folder, "portable")?, demo(folder, "cortex-m4f")?];
    for entry in paths::root().join("tests/data/golden").read_dir().into_iter().flatten() {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "lace") {
            models.push(path);
        }
    }
    models.sort();
    Ok(models)
}

/// The demo's model, written for a target.
fn demo(folder: &Path, target: &str) -> Result<PathBuf> {
    let demo = folder.join(target).with_extension("lace");
    let (onnx, samples) = (file("convert/demo/fashion.onnx")?, file("convert/demo/calib.npz")?);
    let mut convert = lacewing::command(&["convert", "--input-scale", "0.00392156862745098", "--target", target]);
    convert.arg(onnx).arg("-o").arg(&demo).arg("--calib").arg(samples);
    process::run(&mut convert)?;
    Ok(demo)
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

    /// One inference on generated bytes, and one on a file's.
    fn check(&self, board: &'static Board) -> Result<()> {
        let measured = qemu::measure(board, &self.path, &self.model, None, LIMIT)?;
        eprintln!("{}", measured.report);
        let name = board.name;
        ensure!(measured.output == self.generated, "{name} answers otherwise than the host");
        if let Some((bytes, expected)) = &self.from_file {
            let input = Some(bytes.clone());
            let measured = qemu::measure(board, &self.path, &self.model, input, LIMIT)?;
            ensure!(measured.report.output_sha256 == *expected, "{name} answers otherwise than `lacewing run`");
        }
        Ok(())
    }
}

/// The answer of the command `lacewing run` to a `.npy` file made of generated bytes; none if the model has several inputs.
fn lacewing_run(path: &Path, model: &ModelFile, npy: &Path) -> Result<Option<(Vec<u8>, String)>> {
    let model = model.model()?;
    let mut ports = model.inputs();
    let (Some(port), None) = (ports.next(), ports.next()) else {
        return Ok(None);
    };
    let len = port.tensor.span().context("the input has no size")?.len as usize;
    // A byte on, so that these are other inputs than the generated ones.
    let bytes: Vec<u8> = Generator::default().skip(1).take(len).collect();
    door::write_inputs(&model, &bytes, npy)?;
    let printed = process::output(lacewing::command(&["run", "--json", "--input"]).arg(npy).arg(path))?;
    let printed: serde_json::Value = serde_json::from_str(&printed)?;
    let sha256 = printed["output_sha256"].as_str().context("`lacewing run` gave no hash")?;
    Ok(Some((bytes, sha256.to_owned())))
}
