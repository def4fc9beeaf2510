//! How many instructions a program takes on a target, before it runs there.
//!
//! Each kind of record has coefficients for the terms of [`lacewing_targets::cost`], fitted on an emulator's counts: `predict.toml`, written
//! by `cargo xtask fit`. Instructions are not cycles; [`Costs::cycles`] are so many for each of them.

use std::collections::BTreeMap;

use lacewing::Model;
use lacewing::format::Op;
use lacewing_targets::Target;
use lacewing_targets::cost::{Kind, TERMS, terms};
use lacewing_targets::wish::Family;
use serde::Deserialize;

/// What is known of a target.
#[derive(Clone, Debug, Deserialize)]
pub struct Costs {
    /// The emulated board whose instructions were counted.
    pub board: String,
    /// Cycles of an instruction in the hot code of the fit's models.
    #[serde(rename = "cycles_per_instruction")]
    pub cycles: f64,
    /// Where they come from.
    pub cycles_source: String,
    /// The median of `|fit − count| / count` over the records of the fit's models.
    pub layer_error: f64,
    /// The deepest stack while files are read and run, with every operation linked, in bytes: those of the fit, random records of every operation,
    /// bands.
    pub stack_bytes: u32,
    /// `(fit − count) / count` of each model, by a fit that had not seen it.
    pub model_errors: BTreeMap<String, f64>,
    #[serde(skip)]
    kernels: Family,
    kinds: BTreeMap<String, [f64; TERMS]>,
}

impl Costs {
    /// Of a target; none where nothing was counted.
    #[must_use]
    pub fn of(target: &Target) -> Option<Self> {
        let mut all: BTreeMap<String, Self> = toml::from_str(include_str!("predict.toml")).ok()?;
        all.remove(target.name).map(|costs| Self { kernels: target.kernels, ..costs })
    }

    /// Instructions of a record; none for a kind that was not counted.
    #[must_use]
    pub fn instructions(&self, op: &Op) -> Option<u64> {
        let coefficients = self.kinds.get(&Kind::of(op, self.kernels).to_string())?;
        Some(coefficients.iter().zip(terms(op)).map(|(coefficient, term)| coefficient * term).sum::<f64>() as u64)
    }

    /// Instructions of every record of a model; none for those of a band, whose turns were not counted.
    #[must_use]
    pub fn records(&self, model: &Model<'_>) -> Vec<Option<u64>> {
        let bands: Vec<_> = model.bands().map(|(records, _)| records).collect();
        let banded = |record: usize| bands.iter().any(|band| band.contains(&record));
        let count = |(record, op): (usize, Op)| if banded(record) { None } else { self.instructions(&op) };
        model.ops().enumerate().map(count).collect()
    }

    /// Microseconds that instructions take at a clock.
    #[must_use]
    pub fn microseconds(&self, instructions: u64, hz: u32) -> f64 {
        instructions as f64 * self.cycles * 1e6 / f64::from(hz)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing_targets::boards::{TARGETS, emulated};

    /// No table nor simulator tells cycles of vectors of any length.
    const UNKNOWN: [&str; 2] = ["rv32imcv", "rv64gcv"];

    #[test]
    fn every_target_with_an_emulated_board_was_counted() {
        for target in TARGETS {
            let counted = emulated().any(|board| board.target == target.name) && !UNKNOWN.contains(&target.name);
            assert_eq!(Costs::of(target).is_some(), counted, "{}", target.name);
        }
    }
}
