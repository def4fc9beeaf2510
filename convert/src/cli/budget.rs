//! What a program may take, and the search for one that keeps it.

use lacewing_convert::search::{Budget, Outcome, Point, Quality, search};
use lacewing_convert::{Conversion, Options, Sample};
use serde_json::{Value, json};

use super::convert::{bars, convert_with};
use super::failure::Failure;
use super::numbers::{bytes, counted, decibels, grouped, json_decibels, percent};
use super::terminal::{Paint, Terminal};

/// What a program may take, and how good it must be.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Budget: what --precision auto searches within, and what any other program must keep")]
pub(super) struct BudgetArgs {
    /// Most bytes of the arena: `65536` or `64K`
    #[arg(long, value_name = "BYTES", value_parser = size)]
    max_ram: Option<usize>,
    /// Most bytes of the file: `262144`, `256K` or `1M`
    #[arg(long, value_name = "BYTES", value_parser = size)]
    max_flash: Option<usize>,
    /// Most multiply-accumulates of one run
    #[arg(long, value_name = "N")]
    max_macs: Option<u64>,
    /// Least share of labeled samples that must be right, 0..1
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "max_drop")]
    min_accuracy: Option<f64>,
    /// Most percentage points of accuracy to lose against float; without labels, most percent of samples of another class
    #[arg(long, value_name = "POINTS", value_parser = points)]
    max_drop: Option<f64>,
}

/// Bytes, with K for 2¹⁰ and M for 2²⁰.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix(['M', 'm']).map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    let bytes = digits.parse::<usize>().ok().and_then(|count| count.checked_mul(unit));
    bytes.ok_or_else(|| "expected bytes, as `65536`, `64K` or `1M`".into())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "it must be from 0 to 1".into())
}

fn points(text: &str) -> Result<f64, String> {
    let points = text.parse().ok().filter(|points| (0.0..=100.0).contains(points));
    points.ok_or_else(|| "it must be from 0 to 100".into())
}

impl BudgetArgs {
    pub(super) fn budget(&self) -> Budget {
        let drop = self.max_drop.map(|points| Quality::Drop(points / 100.0));
        let quality = self.min_accuracy.map(Quality::Accuracy).or(drop);
        Budget { ram: self.max_ram, flash: self.max_flash, macs: self.max_macs, quality }
    }
}

/// Refuses a bound on quality that the samples cannot tell.
pub(super) fn check_labels(budget: &Budget, samples: &[Sample], labels: Option<&[i64]>) -> Result<(), Failure> {
    match budget.quality {
        Some(_) if samples.is_empty() => Err(Failure::new("--min-accuracy and --max-drop need samples: --calib")),
        Some(Quality::Accuracy(_)) if labels.is_none() => Err(Failure::new(
            "--min-accuracy needs samples with labels; without them --max-drop bounds the disagreement with float",
        )),
        _ => Ok(()),
    }
}

/// Searches, and converts the best program that keeps the budget when it is finished, too: fitted anew, judged on all samples.
pub(super) fn searched(
    onnx: &[u8],
    options: &mut Options,
    budget: &Budget,
    (samples, labels): (&[Sample], Option<&[i64]>),
    terminal: &Terminal,
) -> Result<(Conversion, Point, Value), Failure> {
    let outcome = search(onnx, options, budget, samples, labels, bars(terminal))?;
    for at in &finalists(&outcome.within) {
        let Point { policy, prune, .. } = outcome.points[*at].clone();
        let finished = Options { policy, prune, ..options.clone() };
        let converted = convert_with(onnx, &finished, samples, terminal)?;
        let point = Point::of(&converted, &finished, labels);
        if budget.fits(&point) && budget.keeps(&point) {
            table(&outcome, Some(*at), terminal);
            terminal.say(reason(&outcome, budget));
            terminal.say(format_args!("the same without a search: {}", finished.arguments()));
            *options = finished;
            return Ok((converted, point, described(&outcome, *at, options)));
        }
    }
    table(&outcome, None, terminal);
    Err(missed(&outcome, options))
}

/// So many programs are finished, if those before miss the budget then, and so many are told.
const FINISHED: usize = 3;

/// The best, one between and the last: where the best are good by luck, the last are not.
fn finalists(within: &[usize]) -> Vec<usize> {
    let last = within.len().saturating_sub(1);
    let mut chosen: Vec<usize> = (0..FINISHED).filter_map(|i| within.get(i * last / (FINISHED - 1)).copied()).collect();
    chosen.dedup();
    chosen
}

fn missed(outcome: &Outcome, options: &Options) -> Failure {
    let nearest: Vec<Value> = self::nearest(outcome).map(|point| point_json(point, options)).collect();
    let text: Vec<String> = self::nearest(outcome).map(said).collect();
    let float = outcome.float_accuracy.map(|float| format!(" (float has an accuracy of {})", percent(float)));
    let found = match outcome.within.len() {
        0 => "keeps the budget".to_string(),
        kept => format!("keeps the budget on all samples, {kept} do on those that they were judged on"),
    };
    let message = format!(
        "no program of {} that were tried {found}{}; the nearest:\n  {}",
        outcome.tried,
        float.unwrap_or_default(),
        text.join("\n  ")
    );
    Failure::new(message).with("nearest", json!(nearest))
}

fn nearest(outcome: &Outcome) -> impl Iterator<Item = &Point> {
    let near = if outcome.nearest.is_empty() { &outcome.within } else { &outcome.nearest };
    near.iter().take(FINISHED).map(|at| &outcome.points[*at])
}

/// Refuses a program of given arithmetic that misses the budget.
pub(super) fn check(point: &Point, budget: &Budget) -> Result<(), Failure> {
    if budget.fits(point) && budget.keeps(point) {
        return Ok(());
    }
    let message =
        format!("the budget is not kept: {}; --precision auto searches for a program that keeps it", said(point));
    Err(Failure::new(message))
}

fn said(point: &Point) -> String {
    let accuracy = point.accuracy.map(|accuracy| format!(", accuracy {}", percent(accuracy)));
    format!(
        "arena {}, file {}, {} MAC, {}, top-1 agreement {}{}, {:.2} points below float ({})",
        bytes(point.arena_bytes),
        bytes(point.file_bytes),
        grouped(point.macs),
        decibels(point.sqnr_db),
        percent(point.agreement),
        accuracy.unwrap_or_default(),
        100.0 * point.drop,
        summary(point)
    )
}

/// How many layers have rules, by precision.
fn summary(point: &Point) -> String {
    let mut parts = vec![format!("{}", point.policy.precision)];
    for precision in lacewing_convert::Precision::ALL {
        let count = point.policy.rules.iter().filter(|rule| rule.precision() == precision).count();
        parts.extend((count > 0).then(|| format!("{precision} in {}", counted(count, "layer"))));
    }
    parts.extend(point.prune.map(|share| format!("{:.0} % pruned", 100.0 * share)));
    parts.join(", ")
}

fn reason(outcome: &Outcome, budget: &Budget) -> String {
    let what = if budget.quality.is_some() { "the smallest file" } else { "the least noise" };
    format!(
        "chosen: {what} of {} within the budget, of {} tried, judged on {} that weights were not fitted on",
        counted(outcome.within.len(), "program"),
        outcome.tried,
        counted(outcome.samples, "sample")
    )
}

/// Rows of the table, unless more are asked for.
const ROWS: usize = 14;

/// The programs of which none is better than another in everything.
fn table(outcome: &Outcome, chosen: Option<usize>, terminal: &Terminal) {
    let mut table = terminal.table(["program", "file", "arena", "MAC", "SQNR", "agreement", "accuracy"], 1..7);
    let every = if terminal.verbose() { 1 } else { outcome.points.len().div_ceil(ROWS).max(1) };
    for (at, point) in outcome.points.iter().enumerate().filter(|(at, _)| at % every == 0 || Some(*at) == chosen) {
        let (mark, paint) = if Some(at) == chosen { ("→ ", Paint::Green) } else { ("", Paint::Dim) };
        let cells = [
            format!("{mark}{}", summary(point)),
            bytes(point.file_bytes),
            bytes(point.arena_bytes),
            grouped(point.macs),
            decibels(point.sqnr_db),
            percent(point.agreement),
            point.accuracy.map_or_else(|| "-".into(), percent),
        ];
        table.add_row(cells.map(|text| terminal.cell(text, paint)));
    }
    terminal.say(table);
}

fn described(outcome: &Outcome, chosen: usize, options: &Options) -> Value {
    json!({
        "points": outcome.points.iter().map(|point| point_json(point, options)).collect::<Vec<_>>(),
        "chosen": chosen,
        "within": outcome.within,
        "tried": outcome.tried,
        "samples": outcome.samples,
        "float_accuracy": outcome.float_accuracy,
        "layers": outcome.layers,
    })
}

fn point_json(point: &Point, options: &Options) -> Value {
    let options = Options { policy: point.policy.clone(), prune: point.prune, ..options.clone() };
    json!({
        "options": options.arguments(),
        "arena_bytes": point.arena_bytes,
        "file_bytes": point.file_bytes,
        "macs": point.macs,
        "sqnr_db": json_decibels(point.sqnr_db),
        "top1_agreement": point.agreement,
        "accuracy": point.accuracy,
        "drop": point.drop,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finalists_are_spread() {
        let finalists = [&[][..], &[4], &[4, 2], &[4, 2, 7, 1, 0]].map(finalists);
        assert_eq!(finalists, [vec![], vec![4], vec![4, 2], vec![4, 7, 0]]);
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(["65536", "64K", "64k", "1M"].map(|text| size(text).unwrap()), [65536, 65536, 65536, 1 << 20]);
        assert!(["", "K", "-1", "1G", "99999999999999999999M"].iter().all(|text| size(text).is_err()));
        assert!(share("1.1").is_err() && points("0.5") == Ok(0.5));
    }
}
