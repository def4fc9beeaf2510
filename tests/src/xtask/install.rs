//! `cargo xtask install`: everything the tests need beyond Rust.
//!
//! Downloads happen here and nowhere else. System packages come through apt-get, programs written
//! in Rust through `cargo install`; what the machine already has is left alone.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use lacewing_targets::boards::BARE_METAL_TRIPLES;

use super::sysroot::Sysroot;
use super::{bare_metal, linux, musl, onnx, paths, process, python, steps, web};

/// Where a tool comes from.
enum Source {
    /// Packages of Debian and its kin.
    Apt(&'static [&'static str]),
    /// A crate with a binary.
    Crate(&'static str),
    /// A package of npm, which this installs.
    Npm(fn() -> Result<()>),
}

/// Something the tests use.
struct Tool {
    /// What it is for.
    purpose: &'static str,
    /// Whether the machine has it.
    present: fn() -> Result<bool>,
    source: Source,
}

const TOOLS: [Tool; 17] = [
    Tool {
        purpose: "a C compiler, for the instruction counter",
        present: || Ok(paths::program("gcc").is_some()),
        source: Source::Apt(&["gcc", "libc6-dev"]),
    },
    Tool {
        purpose: "core for bare metal",
        present: || Ok(triples_without_rustup()?.is_empty() || Sysroot::find()?.is_some()),
        source: Source::Apt(&["rustc-web", "rust-web-src"]),
    },
    Tool {
        purpose: "a linker for bare metal",
        present: || Ok(bare_metal::linker().is_ok()),
        source: Source::Apt(&["lld-22"]),
    },
    Tool {
        purpose: "the emulator of Arm boards",
        present: || Ok(paths::program("qemu-system-arm").is_some()),
        source: Source::Apt(&["qemu-system-arm"]),
    },
    Tool {
        purpose: "the emulator of RISC-V boards",
        present: || {
            Ok(["qemu-system-riscv32", "qemu-system-riscv64"].iter().all(|name| paths::program(name).is_some()))
        },
        source: Source::Apt(&["qemu-system-misc"]),
    },
    Tool {
        purpose: "a C compiler for Linux boards",
        present: || Ok(linux::has_compilers()),
        source: Source::Apt(&linux::COMPILERS),
    },
    Tool {
        purpose: "the emulator of Linux boards",
        present: || Ok(linux::has_emulators()),
        source: Source::Apt(&["qemu-user"]),
    },
    Tool {
        purpose: "a JavaScript engine",
        present: || Ok(paths::program("node").is_some()),
        source: Source::Apt(&["nodejs"]),
    },
    Tool {
        purpose: "npm, for wasm-opt",
        present: || Ok(web::has_optimizer() || paths::program("npm").is_some()),
        source: Source::Apt(&["npm"]),
    },
    Tool {
        purpose: "wasm-opt, for the module of the npm package",
        present: || Ok(web::has_optimizer()),
        source: Source::Npm(web::install_optimizer),
    },
    Tool {
        purpose: "fuzzing",
        present: || Ok(paths::program("cargo-fuzz").is_some()),
        source: Source::Crate("cargo-fuzz"),
    },
    Tool {
        purpose: "reading the logs of firmware",
        present: || Ok(paths::program("defmt-print").is_some()),
        source: Source::Crate("defmt-print"),
    },
    Tool {
        purpose: "Python, for the cases of ONNX's backend suite",
        present: || Ok(python::is_there()),
        source: Source::Apt(&["python3", "python3-venv"]),
    },
    Tool {
        purpose: "a board over ssh",
        present: || Ok(steps::has_sshd() && paths::program("ssh").is_some()),
        source: Source::Apt(&["openssh-client", "openssh-server"]),
    },
    Tool {
        purpose: "a GPU in software",
        present: || Ok(steps::gpu::has_lavapipe()),
        source: Source::Apt(&["mesa-vulkan-drivers"]),
    },
    Tool {
        purpose: "looking at Debian packages",
        present: || Ok(paths::program("lintian").is_some()),
        source: Source::Apt(&["lintian"]),
    },
    Tool {
        purpose: "a browser, for the report's page",
        present: || Ok(paths::program("chromium").is_some()),
        source: Source::Apt(&["chromium"]),
    },
];

/// Installs what is missing, builds the core libraries and writes the cases of ONNX's suite. A second run has nothing to do.
pub(super) fn command() -> Result<()> {
    let _lock = paths::lock(&paths::cache_dir(), "install")?;
    let missing = missing()?;
    install_packages(&missing)?;
    for tool in &missing {
        match tool.source {
            Source::Apt(_) => {}
            Source::Crate(name) => process::run(process::cargo(&paths::root()).args(["install", "--locked", name]))?,
            Source::Npm(install) => install()?,
        }
    }
    if let Some(sysroot) = Sysroot::find()? {
        sysroot.provide(&[triples_without_rustup()?, linux::without_rustup()?].concat())?;
    }
    for musl in &musl::ALL {
        if musl.missing()?.is_none() {
            musl.provide()?;
        }
    }
    for tool in &TOOLS {
        if !(tool.present)()? {
            bail!("after installing, {} is still missing", tool.purpose);
        }
    }
    onnx::provide()?;
    eprintln!("everything the tests need is installed");
    Ok(())
}

fn missing() -> Result<Vec<&'static Tool>> {
    let mut missing = Vec::new();
    for tool in &TOOLS {
        if !(tool.present)()? {
            eprintln!("missing: {}", tool.purpose);
            missing.push(tool);
        }
    }
    Ok(missing)
}

fn install_packages(missing: &[&Tool]) -> Result<()> {
    let packages: Vec<_> = missing
        .iter()
        .filter_map(|tool| match tool.source {
            Source::Apt(packages) => Some(packages),
            Source::Crate(_) | Source::Npm(_) => None,
        })
        .flatten()
        .copied()
        .collect();
    if packages.is_empty() {
        return Ok(());
    }
    if paths::program("apt-get").is_none() || !is_root()? {
        let list = packages.join(" ");
        bail!(
            "as root, run `apt-get install {list}`; elsewhere install QEMU and gcc by other means \
             and run `rustup target add {}`",
            BARE_METAL_TRIPLES.join(" ")
        );
    }
    apt_get(&["update"])?;
    let install = ["install", "--yes", "--no-install-recommends"];
    let arguments: Vec<_> = install.into_iter().chain(packages).collect();
    apt_get(&arguments)
}

/// Runs apt-get, waiting for its lock where another process holds it.
fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(["-o", "DPkg::Lock::Timeout=600"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    process::run(&mut command).context("cannot install system packages")
}

fn is_root() -> Result<bool> {
    let id = Path::new("/usr/bin/id");
    Ok(process::output(Command::new(id).arg("-u"))?.trim() == "0")
}

fn triples_without_rustup() -> Result<Vec<&'static str>> {
    let mut triples = Vec::new();
    for &triple in BARE_METAL_TRIPLES {
        if !bare_metal::rustup_has(triple)? {
            triples.push(triple);
        }
    }
    Ok(triples)
}
