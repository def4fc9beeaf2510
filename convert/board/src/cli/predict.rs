//! What `convert --target` and `inspect --target` say of a program before it runs.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use lacewing::Model;
use lacewing_targets::boards::{BOARDS, Board, TARGETS, Target, board, target};
use serde_json::{Value, json};

use super::numbers::{bytes, duration, grouped, short};
use super::program::Step;
use super::terminal::{Paint, Terminal};
use crate::predict::Costs;

/// A target, or a board and its target.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The instruction set.
    pub target: &'static Target,
    /// The board, if it is one.
    pub board: Option<&'static Board>,
}

impl Place {
    /// By the name of either.
    pub fn named(name: &str) -> Option<Self> {
        let board = board(name);
        Some(Self { target: target(board.map_or(name, |board| board.target))?, board })
    }

    fn name(&self) -> &'static str {
        self.board.map_or(self.target.name, |board| board.name)
    }

    fn hz(&self) -> Option<u32> {
        self.board.and_then(|board| board.clock_hz)
    }
}

/// Takes the names of all targets and boards.
pub fn place_parser() -> impl TypedValueParser<Value = Place> {
    let names = TARGETS.iter().map(|target| target.name).chain(BOARDS.iter().map(|board| board.name));
    PossibleValuesParser::new(names).try_map(|name| Place::named(&name).ok_or("no such target or board"))
}

/// Says what a program will take, and gives it for programs; nothing for a target that was never counted.
pub fn predict(place: Place, model: &Model<'_>, steps: &[Step], terminal: &Terminal) -> Value {
    let Some(costs) = Costs::of(place.target) else { return Value::Null };
    let records = costs.records(model);
    let total: u64 = records.iter().flatten().sum();
    let time = |instructions: u64| place.hz().map(|hz| costs.microseconds(instructions, hz));
    say(place, &costs, (steps, &records), terminal);
    let layer = |(step, instructions): (&Step, &Option<u64>)| json!({ "name": step.name, "op": step.op, "instructions": instructions, "us": instructions.and_then(time) });
    json!({
        "instructions": total,
        "us": time(total),
        "clock_hz": place.hz(),
        "cycles_per_instruction": costs.cycles,
        "cycles_source": costs.cycles_source,
        "counted_on": costs.board,
        "stack_bytes": costs.stack_bytes,
        "layer_error": costs.layer_error,
        "model_errors": costs.model_errors,
        "unknown": records.iter().filter(|instructions| instructions.is_none()).count(),
        "layers": steps.iter().zip(&records).map(layer).collect::<Vec<_>>(),
    })
}

fn say(place: Place, costs: &Costs, (steps, records): (&[Step], &[Option<u64>]), terminal: &Terminal) {
    let title = format!("on {}", place.name());
    let mut table = terminal.table([title.as_str(), "operation", "instructions", "time"], 2..4);
    let time = |instructions: u64| place.hz().map(|hz| duration(costs.microseconds(instructions, hz)));
    let numbers =
        |count: Option<u64>| [count.map(grouped), count.and_then(time)].map(|text| text.unwrap_or("–".into()));
    for (step, instructions) in steps.iter().zip(records) {
        let [count, time] = numbers(*instructions);
        table.add_row([short(&step.name), step.op.into(), count, time]);
    }
    let [count, time] = numbers(Some(records.iter().flatten().sum()));
    table.add_row(["all".to_string(), String::new(), count, time]);
    terminal.say(table);
    terminal.say(terminal.paint(grounds(place, costs), Paint::Dim));
}

/// What the numbers are grounded on.
fn grounds(place: Place, costs: &Costs) -> String {
    let percent = |error: f64| format!("{:+.0} %", 100.0 * error);
    let errors = || costs.model_errors.values().copied();
    let mut text = format!(
        "predicted by a fit on counts of {}: layers within {:.0} % in the median, models that it had not seen {} to {}",
        costs.board,
        100.0 * costs.layer_error,
        percent(errors().fold(f64::INFINITY, f64::min)),
        percent(errors().fold(f64::NEG_INFINITY, f64::max)),
    );
    text += &format!(
        "\nstack: {} at most was measured there, of every operation, to read and to run",
        bytes(costs.stack_bytes as usize)
    );
    if let Some(hz) = place.hz() {
        text += &format!(
            "\ntime: {} cycles for an instruction ({}) at {} MHz, without the memories' wait states",
            costs.cycles,
            costs.cycles_source,
            hz / 1_000_000
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_boards_are_places() {
        let [target, board] = ["cortex-m4f", "stm32f446"].map(|name| Place::named(name).unwrap());
        assert_eq!((target.hz(), board.hz()), (None, Some(180_000_000)));
        assert_eq!(target.target, board.target);
        assert!(Place::named("nowhere").is_none());
        assert!(BOARDS.iter().all(|board| Place::named(board.name).is_some()));
        assert!(TARGETS.iter().all(|target| super::board(target.name).is_none()), "no name means both");
    }
}
