//! Core and alloc for bare metal and std for Linux boards, built once from Debian's sources.
//!
//! A toolchain of rustup's may lack the targets, and a machine may be unable to download
//! them. Debian packages a compiler with the sources of its core library (`rustc-web`,
//! `rust-web-src`). From these a sysroot is built, laid out like rustup's, with a two-line script
//! that stands for the compiler. A target takes half a minute once; then builds are ordinary ones.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{paths, process};

/// Debian's compiler, whatever the user's own is.
const RUSTC: &str = "/usr/bin/rustc";
/// The oldest one that compiles the workspace, its `rust-version`.
const OLDEST_MINOR: u32 = 91;

/// A sysroot for one version of Debian's compiler.
pub(super) struct Sysroot {
    folder: PathBuf,
    host: String,
}

impl Sysroot {
    /// The sysroot of the installed compiler, or `None` where the compiler or its sources are
    /// absent or too old. Nothing is built yet.
    pub(super) fn find() -> Result<Option<Self>> {
        if !Path::new(RUSTC).is_file() || !sources()?.is_dir() {
            return Ok(None);
        }
        let version = process::output(Command::new(RUSTC).arg("-vV"))?;
        let field = |name| {
            let line = version.lines().find_map(|line| line.strip_prefix(name));
            line.with_context(|| format!("`{RUSTC} -vV` does not say `{name}`"))
        };
        let (release, commit) = (field("release: ")?, field("commit-hash: ")?);
        if minor(release).is_none_or(|minor| minor < OLDEST_MINOR) {
            return Ok(None);
        }
        let name = format!("rust-{release}-{}", commit.get(..9).unwrap_or(commit));
        Ok(Some(Self { folder: paths::cache_dir().join(name), host: field("host: ")?.to_owned() }))
    }

    /// The script to use as `RUSTC`.
    pub(super) fn compiler(&self) -> PathBuf {
        self.folder.join("rustc")
    }

    /// Whether the libraries for `triple` are there.
    pub(super) fn has(&self, triple: &str) -> bool {
        self.libraries(triple).is_dir()
    }

    /// Builds the libraries that are not there yet. Other processes wait.
    pub(super) fn provide(&self, triples: &[&str]) -> Result<()> {
        if triples.iter().all(|triple| self.has(triple)) {
            return Ok(());
        }
        let _lock = paths::lock(&self.folder, "sysroot")?;
        let missing: Vec<&str> = triples.iter().copied().filter(|triple| !self.has(triple)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.write_compiler()?;
        let (linux, bare): (Vec<&str>, Vec<&str>) = missing.into_iter().partition(|triple| triple.contains("-linux-"));
        let (musl, linux) = linux.into_iter().partition(|triple| triple.contains("-musl"));
        // Static programs abort where they panic, and so must the library that they are linked with.
        for (libraries, triples, panic) in
            [("core,alloc", bare, "unwind"), ("std,panic_abort", linux, "unwind"), ("std,panic_abort", musl, "abort")]
        {
            let work = tempfile::tempdir_in(&self.folder)?;
            if !triples.is_empty() {
                build(work.path(), libraries, &triples, panic)?;
            }
            triples.into_iter().try_for_each(|triple| self.install(work.path(), triple))?;
        }
        Ok(())
    }

    /// The script, and beside it the host's library for build scripts and procedural macros.
    fn write_compiler(&self) -> Result<()> {
        let script = format!("#!/bin/sh\nexec {RUSTC} --sysroot '{}' \"$@\"\n", self.folder.display());
        fs::write(self.compiler(), script)?;
        fs::set_permissions(self.compiler(), fs::Permissions::from_mode(0o755))?;
        let rustlib = self.folder.join("lib/rustlib");
        fs::create_dir_all(&rustlib)?;
        let link = rustlib.join(&self.host);
        if !link.exists() {
            symlink(debian_sysroot()?.join("lib/rustlib").join(&self.host), link)?;
        }
        Ok(())
    }

    /// Copies the libraries of one target; the last step, a rename, makes them visible.
    fn install(&self, work: &Path, triple: &str) -> Result<()> {
        let ready = work.join("ready").join(triple);
        fs::create_dir_all(&ready)?;
        let built = work.join("target").join(triple).join("release/deps");
        let mut copied = 0;
        for entry in fs::read_dir(&built)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".rlib") && !name.starts_with("libstub-") {
                fs::copy(entry.path(), ready.join(name))?;
                copied += 1;
            }
        }
        ensure!(copied >= 3, "{} lacks a library", built.display());
        let place = self.libraries(triple);
        fs::create_dir_all(place.parent().context("the place has a parent")?)?;
        fs::rename(&ready, &place).with_context(|| format!("cannot make {}", place.display()))
    }

    /// Where the libraries of a target are.
    pub(super) fn libraries(&self, triple: &str) -> PathBuf {
        self.folder.join("lib/rustlib").join(triple).join("lib")
    }
}

/// Compiles libraries by way of an empty crate. Bitcode is embedded for `lto = "fat"`.
fn build(work: &Path, libraries: &str, triples: &[&str], panic: &str) -> Result<()> {
    fs::create_dir(work.join("src"))?;
    fs::write(work.join("src/lib.rs"), "#![no_std]\n")?;
    fs::write(work.join("Cargo.toml"), "[package]\nname = \"stub\"\nedition = \"2024\"\n[workspace]\n")?;
    let mut cargo = process::cargo(work);
    cargo
        .args(["build", "--release", &format!("-Zbuild-std={libraries}")])
        .env("RUSTC", RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .env("CARGO_PROFILE_RELEASE_PANIC", panic)
        .env("CARGO_TARGET_DIR", work.join("target"));
    for triple in triples {
        cargo.args(["--target", triple]);
    }
    process::run(&mut cargo).with_context(|| format!("cannot build {libraries}"))
}

fn sources() -> Result<PathBuf> {
    Ok(debian_sysroot()?.join("lib/rustlib/src/rust/library"))
}

fn debian_sysroot() -> Result<PathBuf> {
    let path = process::output(Command::new(RUSTC).args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(path.trim()))
}

/// The middle number of a release such as `1.96.0`.
fn minor(release: &str) -> Option<u32> {
    release.strip_prefix("1.")?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_their_minor_number() {
        assert_eq!(minor("1.96.0"), Some(96));
        assert_eq!(minor("1.100.0-nightly"), Some(100));
        assert_eq!(minor("2.0.0"), None);
    }
}
