//! The table for people.

use super::engines::{Engine, Measured};
use super::{Line, Outcome, Roofline};

const HEAD: [&str; 11] =
    ["model", "precision", "engine", "fastest", "median", "load", "first", "memory", "×peer", "×goal", "of peak"];
/// Columns of words; the others are numbers.
const WORDS: usize = 3;

/// Prints every engine of every line, the columns as wide as they must be.
pub(super) fn print(lines: &[Line], roofline: &Roofline) {
    let rows: Vec<_> = [HEAD.map(String::from)].into_iter().chain(lines.iter().flat_map(rows)).collect();
    crate::xtask::columns::print(&rows, WORDS);
    for line in lines {
        for (engine, outcome) in &line.engines {
            if let Outcome::Failed { error } = outcome {
                println!("{} in {} with {}: {error}", line.name, line.precision.name(), engine.name());
            }
        }
    }
    let giga = |number: f64| number / 1e9;
    println!(
        "one thread makes at most {:.0} G products of int8 in a second, and reads {:.0} GB/s of 1 MiB, {:.1} GB/s of 512 MiB",
        giga(roofline.int8_macs_per_second),
        giga(roofline.read_1_mib_bytes_per_second),
        giga(roofline.read_512_mib_bytes_per_second)
    );
}

fn rows(line: &Line) -> impl Iterator<Item = [String; 11]> {
    line.engines.iter().map(|(engine, outcome)| {
        let number =
            |value: Option<f64>, digits: usize| value.map_or_else(String::new, |value| format!("{value:.digits$}"));
        let of = |value: fn(&Measured) -> Option<f64>| outcome.measured().and_then(value);
        let ours = |ratio: Option<f64>| number(ratio.filter(|_| *engine == Engine::Lacewing), 2);
        let share = line.share_of_peak.filter(|_| *engine == Engine::Lacewing);
        let fastest = outcome.measured().map_or_else(|| "failed".into(), |measured| format!("{:.1}", measured.min_us));
        let memory = of(|measured| measured.peak_memory_bytes.map(|bytes| bytes as f64 / 1e6));
        [
            line.name.clone(),
            line.precision.name().into(),
            engine.name().into(),
            fastest,
            number(of(|measured| Some(measured.median_us)), 1),
            number(of(|measured| measured.load_us), 0),
            number(of(|measured| measured.first_us), 0),
            memory.map_or_else(String::new, |megabytes| format!("{megabytes:.1} MB")),
            ours(line.ratio_to_best_peer),
            ours(line.ratio_to_goal),
            share.map_or_else(String::new, |share| format!("{:.0} %", 100.0 * share)),
        ]
    })
}
