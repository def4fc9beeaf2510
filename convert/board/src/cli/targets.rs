//! `lacewing targets`.

use lacewing_targets::boards::{BOARDS, Board, TARGETS};
use serde_json::json;

use super::failure::Failure;
use super::numbers::bytes;
use super::terminal::{Paint, Terminal};

/// List the instruction sets and boards that models can be written for
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

const EXAMPLES: &str = "\
Examples:
  lacewing targets
  lacewing targets --json";

/// Runs it.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(_args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let mut targets = terminal.table(["target", "what it is"], 0..0);
    TARGETS.iter().for_each(|target| {
        targets.add_row([target.name, target.about]);
    });
    terminal.say(targets);
    let mut boards = terminal.table(["board", "target", "flash", "RAM", "clock", "emulator", "what it is"], 2..5);
    BOARDS.iter().for_each(|board| {
        boards.add_row(row(board));
    });
    terminal.say(boards);
    terminal.say(terminal.paint("Every file runs on every target, with the same output bits.", Paint::Dim));
    terminal.object(&json!({
        "targets": TARGETS.iter().map(|target| json!({ "name": target.name, "about": target.about })).collect::<Vec<_>>(),
        "boards": BOARDS.iter().map(|board| json!({
            "name": board.name,
            "about": board.about,
            "target": board.target,
            "triple": board.triple,
            "flash_bytes": board.flash.len,
            "ram_bytes": board.ram.len,
            "clock_hz": board.clock_hz,
            "emulator": board.emulator.map(|emulator| emulator.machine),
        })).collect::<Vec<_>>(),
    }))
}

fn row(board: &Board) -> [String; 7] {
    let Board { name, about, target, flash, ram, .. } = *board;
    let clock = board.clock_hz.map_or("–".to_string(), |hz| format!("{} MHz", hz / 1_000_000));
    let emulator = board.emulator.map_or("–", |emulator| emulator.machine);
    let size = |len: u32| bytes(len as usize);
    [name.into(), target.into(), size(flash.len), size(ram.len), clock, emulator.into(), about.into()]
}
