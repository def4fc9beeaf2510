//! Building for Linux boards, and running on the host what was built, by `qemu-user`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::bare_metal::{self, BareMetal};
use super::paths;
use super::sysroot::Sysroot;

/// Boards of one processor family.
#[derive(Debug)]
pub(super) struct Linux {
    pub(super) triple: &'static str,
    /// Prefix of the C compiler, which links, and name of the folder of its libraries.
    gnu: &'static str,
    emulator: &'static str,
    /// A processor that boards without anything new have.
    pub(super) cpu: &'static str,
}

pub(super) const AARCH64: Linux = Linux {
    triple: "aarch64-unknown-linux-gnu",
    gnu: "aarch64-linux-gnu",
    emulator: "qemu-aarch64",
    cpu: "cortex-a53",
};

pub(super) const ARMV7: Linux = Linux {
    triple: "armv7-unknown-linux-gnueabihf",
    gnu: "arm-linux-gnueabihf",
    emulator: "qemu-arm",
    cpu: "cortex-a7",
};

pub(super) const RISCV64: Linux =
    Linux { triple: "riscv64gc-unknown-linux-gnu", gnu: "riscv64-linux-gnu", emulator: "qemu-riscv64", cpu: "rv64" };

pub(super) const ALL: [&Linux; 3] = [&AARCH64, &ARMV7, &RISCV64];

/// Packages of Debian that have the C compilers.
pub(super) const COMPILERS: [&str; 6] = [
    "gcc-aarch64-linux-gnu",
    "libc6-dev-arm64-cross",
    "gcc-arm-linux-gnueabihf",
    "libc6-dev-armhf-cross",
    "gcc-riscv64-linux-gnu",
    "libc6-dev-riscv64-cross",
];

/// Whether there is a C compiler for every board.
pub(super) fn has_compilers() -> bool {
    ALL.iter().all(|linux| paths::program(&linux.compiler()).is_some())
}

/// Whether every board can be emulated.
pub(super) fn has_emulators() -> bool {
    ALL.iter().all(|linux| paths::program(linux.emulator).is_some())
}

/// The targets that the user's compiler does not have.
pub(super) fn without_rustup() -> Result<Vec<&'static str>> {
    let mut triples = Vec::new();
    for linux in ALL {
        if !bare_metal::rustup_has(linux.triple)? {
            triples.push(linux.triple);
        }
    }
    Ok(triples)
}

impl Linux {
    /// What building and running need that is not there.
    pub(super) fn missing(&self) -> Result<Option<String>> {
        let programs = [self.compiler(), self.emulator.into()];
        if let Some(program) = programs.iter().find(|name| paths::program(name).is_none()) {
            return Ok(Some(format!("no {program}")));
        }
        let library = bare_metal::rustup_has(self.triple)? || Sysroot::find()?.is_some();
        Ok((!library).then(|| format!("no standard library for {}", self.triple)))
    }

    /// `cargo SUBCOMMAND --target …` in `folder`.
    pub(super) fn cargo(&self, folder: &Path, subcommand: &str) -> Result<Command> {
        let mut cargo = BareMetal::find(self.triple)?.cargo(folder, subcommand)?;
        let name = self.triple.replace('-', "_").to_uppercase();
        cargo.env(format!("CARGO_TARGET_{name}_LINKER"), self.compiler());
        Ok(cargo)
    }

    /// Where a release build puts the executable `name`.
    pub(super) fn executable(&self, name: &str) -> Result<PathBuf> {
        Ok(BareMetal::find(self.triple)?.executable(name))
    }

    /// The emulator of a processor; its arguments are the executable and those of this.
    pub(super) fn emulated(&self, cpu: &str) -> Command {
        let mut emulator = Command::new(self.emulator);
        emulator.args(["-L", &format!("/usr/{}", self.gnu), "-cpu", cpu]);
        emulator
    }

    fn compiler(&self) -> String {
        format!("{}-gcc", self.gnu)
    }
}
