//! What boards get: packages that are well formed, and programs in them that say what the host says.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Outcome;
use crate::xtask::musl::{ALL, Musl};
use crate::xtask::{package, paths, process};

/// The profiles of the test run, for the first architecture and for the others: the one for boards takes three times as long, for smaller
/// programs that do the same.
const PROFILES: [&str; 3] = ["release", "dev", "dev"];

/// What is in each, in the order of `dpkg-deb --contents`.
const FILES: [&str; 9] = [
    "usr/bin/lacewing",
    "usr/bin/lacewing-classify",
    "usr/lib/systemd/system/lacewing-classify@.service",
    "usr/share/bash-completion/completions/lacewing",
    "usr/share/doc/lacewing/NEWS.gz",
    "usr/share/doc/lacewing/copyright",
    "usr/share/lintian/overrides/lacewing",
    "usr/share/man/man1/lacewing.1.gz",
    "usr/share/man/man1/lacewing-classify.1.gz",
];

/// Builds the packages, unpacks them, and runs what is inside.
pub(super) fn run() -> Result<Outcome> {
    for musl in &ALL {
        if let Some(what) = lacking(musl)? {
            return Ok(Outcome::NotInstalled(what));
        }
    }
    let want = said(|| process::built("lacewing-board", "lacewing-board"))?;
    ALL.iter().zip(PROFILES).try_for_each(|(musl, profile)| same(musl, profile, &want))?;
    Ok(Outcome::Passed)
}

fn lacking(musl: &Musl) -> Result<Option<String>> {
    let mut programs = [&"dpkg-deb", &"lintian"].into_iter().chain(musl.emulator.first());
    let absent = programs.find(|name| paths::program(name).is_none());
    Ok(musl.missing()?.or_else(|| absent.map(|name| format!("no {name}"))))
}

fn same(musl: &Musl, profile: &str, want: &str) -> Result<()> {
    let package::Package { deb, .. } = package::build(musl, profile)?;
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    described(musl, &deb)?;
    process::run(Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(root))?;
    process::run(Command::new("dpkg-deb").arg("--control").arg(&deb).arg(root.join("DEBIAN")))?;
    process::run(Command::new("md5sum").args(["--check", "--quiet", "DEBIAN/md5sums"]).current_dir(root))?;
    process::run(Command::new("lintian").args(["--fail-on", "error,warning"]).arg(&deb))?;
    verify(root)?;
    let said = said(|| Ok(musl.emulated(&root.join("usr/bin/lacewing"))))?;
    ensure!(said == want, "on {} lacewing says\n{said}instead of\n{want}", musl.triple);
    let classified = process::output(musl.emulated(&root.join("usr/bin/lacewing-classify")).args(images()))?;
    ensure!(classified.contains("boot.png: Ankle boot"), "{classified}");
    eprintln!("{}: the same, {} B", musl.triple, fs::metadata(root.join("usr/bin/lacewing"))?.len());
    Ok(())
}

/// What the package says of itself.
fn described(musl: &Musl, deb: &Path) -> Result<()> {
    let told = |what| process::output(Command::new("dpkg-deb").arg(what).arg(deb));
    let info = told("--info")?;
    ensure!(info.lines().any(|line| line.trim() == format!("Architecture: {}", musl.debian)), "{info}");
    let contents = told("--contents")?;
    let paths = contents.lines().filter_map(|line| line.rsplit_once(" ./")).map(|(_, path)| path);
    let files: Vec<_> = paths.filter(|path| !path.ends_with('/')).collect();
    ensure!(files == FILES, "{contents}");
    Ok(())
}

/// The unit, where systemd is there to look at it. It names programs of the package, which stand for those of the board.
fn verify(root: &Path) -> Result<()> {
    let Some(analyze) = paths::program("systemd-analyze") else {
        eprintln!("SKIPPED: no systemd-analyze");
        return Ok(());
    };
    let unit = root.join("usr/lib/systemd/system/lacewing-classify@.service");
    let text = fs::read_to_string(&unit)?;
    let here = text.replace("ExecStart=/usr", &format!("ExecStart={}/usr", root.display()));
    let copy = root.join("lacewing-classify@model.service");
    fs::write(&copy, here.replace("man:lacewing-classify(1)", "https://github.com/lacewing-ml/lacewing"))?;
    process::run(Command::new(analyze).args(["verify", "--recursive-errors=no"]).arg(&copy)).context("the unit")
}

fn images() -> [std::path::PathBuf; 2] {
    ["fashion.lace", "boot.png"].map(|name| paths::root().join("examples/classify").join(name))
}

/// What `run` and `eval` say of the carried model.
fn said(program: impl Fn() -> Result<Command>) -> Result<String> {
    let [model, image] = images();
    let run = process::output(program()?.args(["run", "--json"]).arg(&model).arg("--input").arg(image))?;
    let test = paths::root().join("convert/demo/test.npz");
    let mut eval = program()?;
    eval.args(["eval", "--json", "--input-scale", "0.00392156862745098"]).arg(&model).arg("--data").arg(test);
    Ok(run + &process::output(&mut eval)?)
}
