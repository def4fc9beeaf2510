//! `cargo xtask package`: what boards get, as static binaries and Debian packages.

mod archive;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::musl::{ALL, Musl};
use super::{paths, process};

/// Build `lacewing` and the example's service for boards: static binaries and Debian packages
///
/// Writes to target/package. A board's `lacewing` is without the converter.
#[derive(clap::Args)]
pub(super) struct Args {
    /// arm64, armhf or amd64, as Debian calls them, or the compiler's triple; all three if not given
    #[arg(long, value_parser = parse)]
    target: Vec<&'static Musl>,
}

fn parse(name: &str) -> Result<&'static Musl, String> {
    let found = ALL.iter().find(|musl| [musl.debian, musl.triple].contains(&name));
    found.ok_or_else(|| format!("the targets are {}", ALL.each_ref().map(|musl| musl.debian).join(", ")))
}

/// What one build gives.
#[derive(Debug)]
pub(super) struct Package {
    /// The static binary.
    pub(super) program: PathBuf,
    /// The package of Debian.
    pub(super) deb: PathBuf,
}

/// Builds and says where it all is.
pub(super) fn command(args: &Args) -> Result<()> {
    let all: Vec<&Musl> = ALL.iter().collect();
    for musl in if args.target.is_empty() { &all } else { &args.target } {
        let Package { program, deb } = build(musl, "board")?;
        for path in [program, deb] {
            println!("{}  {} B", path.display(), fs::metadata(&path)?.len());
        }
    }
    Ok(())
}

/// Builds for one architecture, with a profile of the workspace.
pub(super) fn build(musl: &Musl, profile: &str) -> Result<Package> {
    let mut cargo = musl.cargo(&paths::root(), "build")?;
    cargo.args(["--profile", profile, "--quiet", "--package", "lacewing-board", "--package", "lacewing-classify"]);
    process::run(&mut cargo)?;
    let folder = paths::target_dir().join("package");
    fs::create_dir_all(&folder)?;
    let version = env!("CARGO_PKG_VERSION");
    let program = folder.join(format!("lacewing-{version}-{}", musl.triple));
    fs::copy(musl.executable(profile, "lacewing-board")?, &program)?;
    let deb = folder.join(format!("lacewing_{version}_{}.deb", musl.debian));
    let classify = fs::read(musl.executable(profile, "classify")?)?;
    let file = archive::deb(version, musl.debian, &contents(fs::read(&program)?, classify)?)?;
    fs::write(&deb, file).with_context(|| format!("cannot write {}", deb.display()))?;
    Ok(Package { program, deb })
}

/// One file of the package.
struct Member {
    /// Below the root.
    path: &'static str,
    bytes: Vec<u8>,
    executable: bool,
}

fn contents(lacewing: Vec<u8>, classify: Vec<u8>) -> Result<Vec<Member>> {
    let root = paths::root();
    let read = |name: &str| fs::read(root.join(name)).with_context(|| format!("no {name}"));
    let file = |path, bytes| Member { path, bytes, executable: false };
    let program = |path, bytes| Member { path, bytes, executable: true };
    Ok(vec![
        program("usr/bin/lacewing", lacewing),
        program("usr/bin/lacewing-classify", classify),
        file(
            "usr/lib/systemd/system/lacewing-classify@.service",
            read("examples/classify/lacewing-classify@.service")?,
        ),
        file("usr/share/bash-completion/completions/lacewing", completions()?),
        file("usr/share/doc/lacewing/NEWS.gz", archive::gzip(&read("CHANGELOG.md")?)?),
        file("usr/share/doc/lacewing/copyright", read("tests/package/copyright")?),
        file("usr/share/lintian/overrides/lacewing", read("tests/package/lintian-overrides")?),
        file("usr/share/man/man1/lacewing.1.gz", archive::gzip(&read("tests/package/lacewing.1")?)?),
        file("usr/share/man/man1/lacewing-classify.1.gz", archive::gzip(&read("tests/package/lacewing-classify.1")?)?),
    ])
}

/// What the command says of itself, by a build for the host.
fn completions() -> Result<Vec<u8>> {
    let mut lacewing = process::built("lacewing-board", "lacewing-board")?;
    Ok(process::output(lacewing.args(["completions", "bash"]))?.into_bytes())
}
