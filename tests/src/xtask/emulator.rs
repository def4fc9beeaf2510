//! Running a firmware under QEMU.

use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lacewing_targets::Board;

use super::firmware::Firmware;
use super::plugin::{self, Counted};
use super::process::{self, Ended};

/// Runs the firmware in its folder, with `input` as the file it may read.
///
/// An error, with what the firmware said, unless it ends with exit code 0 within `limit`.
pub(super) fn run(firmware: &Firmware, input: Option<&[u8]>, limit: Duration) -> Result<Counted> {
    let folder = firmware.folder.path();
    if let Some(bytes) = input {
        fs::write(folder.join("input.bin"), bytes)?;
    }
    let counts = folder.join("counts.txt");
    let ended = process::within(limit, &mut command(firmware)?)?;
    check(firmware.board.name, limit, &ended)?;
    plugin::read(&counts)
}

fn command(firmware: &Firmware) -> Result<Command> {
    let Board { name, emulator, .. } = firmware.board;
    let emulator = emulator.with_context(|| format!("{name} has no emulator"))?;
    let plugin = plugin::provide()?;
    let mut qemu = Command::new(emulator.program);
    qemu.current_dir(firmware.folder.path())
        .args(["-machine", emulator.machine])
        .args(emulator.args)
        .args(["-nographic", "-monitor", "none", "-serial", "null"])
        .args(["-semihosting-config", "enable=on,target=native"])
        .arg("-plugin")
        .arg(format!("{},out=counts.txt", plugin.display()))
        .args(["-kernel", "firmware.elf"]);
    Ok(qemu)
}

fn check(board: &str, limit: Duration, ended: &Ended) -> Result<()> {
    let said = ended.stderr.trim();
    let Some(status) = ended.status else {
        bail!("{board}: no end within {} s {said}", limit.as_secs());
    };
    if status.success() {
        return Ok(());
    }
    let meaning = status.code().and_then(meaning);
    let meaning = meaning.with_context(|| format!("{board}: QEMU ended with {status}: {said}"))?;
    bail!("{board}: {meaning} {said}")
}

/// What the exit codes of `tests/firmware` mean.
fn meaning(code: i32) -> Option<&'static str> {
    Some(match code {
        10 => "the device refused the model",
        11 => "the device refused the arena",
        12 => "the device failed to run the model",
        14 => "the device failed to read or write a file",
        15 => "the stack went below the painted window",
        101 => "the firmware panicked:",
        102 => "the processor faulted:",
        _ => return None,
    })
}

/// Bytes as lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
