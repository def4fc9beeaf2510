//! The compiler for bare metal: rustup's where it has the target, else Debian's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::sysroot::Sysroot;
use super::{paths, process};

/// A compiler that has the libraries for one target.
pub(super) struct BareMetal {
    triple: &'static str,
    /// What `RUSTC` must be, unless cargo finds the right one itself.
    rustc: Option<PathBuf>,
}

impl BareMetal {
    /// The compiler for `triple`; builds Debian's core library for it at the first use.
    pub(super) fn find(triple: &'static str) -> Result<Self> {
        if rustup_has(triple)? {
            return Ok(Self { triple, rustc: None });
        }
        let Some(sysroot) = Sysroot::find()? else {
            bail!(
                "there is no core library for {triple}: run `rustup target add {triple}`, \
                 or on Debian `cargo xtask install`"
            );
        };
        sysroot.provide(&[triple])?;
        Ok(Self { triple, rustc: Some(sysroot.compiler()) })
    }

    /// `cargo SUBCOMMAND --target …` in `folder`, with the artifacts under [`Self::target_dir`].
    ///
    /// Where packages lie is left out of what they compile to, so that sizes are the same on every machine.
    pub(super) fn cargo(&self, folder: &Path, subcommand: &str) -> Result<Command> {
        let mut cargo = process::cargo(folder);
        cargo.arg(subcommand).env("CARGO_TARGET_DIR", self.target_dir());
        if let Some(rustc) = &self.rustc {
            cargo.env("RUSTC", rustc);
        }
        self.aim(&mut cargo)?;
        Ok(cargo)
    }

    /// Adds the target to a command of the same compiler.
    pub(super) fn aim(&self, cargo: &mut Command) -> Result<()> {
        let name = self.triple.replace(['-', '.'], "_").to_uppercase();
        let flags = format!("--remap-path-prefix={}=", paths::cargo_home().display());
        cargo.args(["--target", self.triple]).env(format!("CARGO_TARGET_{name}_RUSTFLAGS"), flags);
        if self.rustc.is_some() {
            cargo.env(format!("CARGO_TARGET_{name}_LINKER"), linker()?);
        }
        Ok(())
    }

    /// Name and version.
    pub(super) fn version(&self) -> Result<String> {
        let rustc = self.rustc.clone().unwrap_or_else(|| "rustc".into());
        Ok(process::output(Command::new(rustc).arg("-V"))?.trim().to_owned())
    }

    /// One folder for all bare-metal builds of a compiler: artifacts of two do not mix.
    pub(super) fn target_dir(&self) -> PathBuf {
        let compiler = if self.rustc.is_some() { "debian" } else { "rustup" };
        paths::target_dir().join("bare-metal").join(compiler)
    }

    /// Where a release build puts the executable `name`.
    pub(super) fn executable(&self, name: &str) -> PathBuf {
        let folder = self.target_dir().join(self.triple);
        folder.join("release").join(name)
    }
}

/// Whether the user's own compiler has `triple`.
pub(super) fn rustup_has(triple: &str) -> Result<bool> {
    let libraries = user_sysroot()?.join("lib/rustlib").join(triple).join("lib");
    Ok(libraries.is_dir())
}

/// A linker for bare metal; Debian's compiler brings none.
pub(super) fn linker() -> Result<OsString> {
    let rustup = user_sysroot()?.join("lib/rustlib");
    let hosts = std::fs::read_dir(rustup).into_iter().flatten().flatten();
    let bundled = hosts.map(|host| host.path().join("bin/rust-lld"));
    let installed = ["rust-lld", "ld.lld-22", "ld.lld"].map(paths::program);
    let mut linkers = bundled.chain(installed.into_iter().flatten());
    match linkers.find(|linker| linker.is_file()) {
        Some(linker) => Ok(linker.into()),
        None => bail!("there is no lld: on Debian, `cargo xtask install`"),
    }
}

fn user_sysroot() -> Result<PathBuf> {
    let path = process::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(path.trim()))
}
