//! The table for people.

use super::figures::Figures;
use super::{Figured, Line, Outcome};

const HEAD: [&str; 14] = [
    "model",
    "board",
    "optimize",
    "instructions",
    "per MAC",
    "×peer",
    "×goal",
    "cycles",
    "arena",
    "×goal",
    "stack",
    "code",
    "×goal",
    "file",
];
/// Columns of words; the others are numbers.
const WORDS: usize = 3;

/// Prints every line, the columns as wide as they must be.
pub(super) fn print(lines: &[Line]) {
    let rows: Vec<[String; 14]> = [HEAD.map(String::from)].into_iter().chain(lines.iter().map(row)).collect();
    crate::xtask::columns::print(&rows, WORDS);
    for line in lines {
        if let Outcome::Failed { error } = &line.outcome {
            println!("{} on {}: {error}", line.name, line.board);
        }
    }
}

fn row(line: &Line) -> [String; 14] {
    let optimize = line.optimize.map_or("as it is", |optimize| optimize.name()).to_string();
    let [name, board] = [&line.name, line.board].map(str::to_owned);
    let Outcome::Measured(figured) = &line.outcome else {
        let mut row = [const { String::new() }; 14];
        row[..=WORDS].clone_from_slice(&[name, board, optimize, "failed".into()]);
        return row;
    };
    let Figured { instructions, instructions_per_mac, arena_bytes, stack_bytes, code_bytes, file_bytes, .. } =
        **figured;
    let goal = |of: fn(&Figures) -> Option<u64>| line.goal.as_ref().and_then(of);
    let part = |of: u64, whole: Option<u64>| ratio(whole.map(|whole| of as f64 / whole as f64));
    let cycles = figured.mca.as_ref().map(|hot| format!("{} ({:.0} %)", hot.cycles, 100.0 * hot.share));
    [
        name,
        board,
        optimize,
        instructions.to_string(),
        ratio(instructions_per_mac),
        ratio(line.ratio_to_best_peer),
        ratio(line.ratio_to_goal),
        cycles.unwrap_or_else(|| "-".into()),
        arena_bytes.to_string(),
        part(arena_bytes as u64, goal(|goal| goal.arena)),
        stack_bytes.to_string(),
        code_bytes.to_string(),
        part(code_bytes, goal(|goal| goal.code)),
        file_bytes.to_string(),
    ]
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.3}"))
}
