//! `cargo xtask`: install what the tests need, run models on emulated boards, run everything.
//!
//! Read in this order: `paths`, `process` and `python`, then the bare-metal compiler (`sysroot`,
//! `bare_metal`, `linux`, `musl`), then what is built with it and run (`firmware`, `plugin`, `emulator`, `batch`, `processors`, `wasm`, `profile`, `mca`),
//! then the commands (`install`, `qemu`, `bench`, `host`, `sizes`, `fit`, `no_panic`, `onnx`, `package`, `web`, `test`).

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bare_metal;
mod batch;
mod bench;
mod columns;
mod converter;
mod door;
mod elf;
mod emulator;
mod firmware;
mod fit;
mod host;
mod install;
mod linux;
mod mca;
mod model;
mod musl;
mod no_panic;
mod onnx;
mod package;
mod paths;
mod plugin;
mod process;
mod processors;
mod profile;
mod python;
mod qemu;
mod sizes;
mod steps;
mod sysroot;
mod test;
mod wasm;
mod web;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests need: emulators, a bare-metal core library, cargo-fuzz
    Install,
    /// Run every test, or those named, and say what was skipped and why
    Test(test::Args),
    /// Build what boards get: static binaries and Debian packages
    Package(package::Args),
    /// Run a model on an emulated board and measure it
    Qemu(qemu::Args),
    /// Run a model on an emulated processor of Linux boards and count its instructions
    Processor(processors::Args),
    /// Measure models on microcontrollers, beside what others need and our goals
    BenchMcu(bench::Args),
    /// Measure models on this machine, beside other engines
    BenchHost(host::Args),
    /// Say what firmwares take of flash and RAM, against the budget
    Sizes(sizes::Args),
    /// Fit how many instructions records take, for `lacewing convert --target`
    Fit(fit::Args),
    /// Prove by linking that the runtime cannot panic
    NoPanic,
    /// Convert and run ONNX's backend suite
    Onnx(onnx::Args),
    /// Make the npm package and the demo page
    Web(web::Args),
}

/// Runs the command line; the status is 0 for done, 1 for failed and 2 for wrong usage.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Task::Install => install::command(),
        Task::Test(args) => test::command(&args),
        Task::Package(args) => package::command(&args),
        Task::Qemu(args) => qemu::command(&args),
        Task::Processor(args) => processors::command(&args),
        Task::BenchMcu(args) => bench::command(&args),
        Task::BenchHost(args) => host::command(&args),
        Task::Sizes(args) => sizes::command(&args),
        Task::Fit(args) => fit::command(&args),
        Task::NoPanic => no_panic::command(),
        Task::Onnx(args) => onnx::command(&args),
        Task::Web(args) => web::command(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
