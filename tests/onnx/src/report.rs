//! The outcome of a run, for people and for programs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::attempt::{Failure, Outcome};
use crate::classes::CLASSES;
use crate::facts::Facts;
use crate::lists::{Passing, shown};

/// A case that was run.
pub(crate) struct Run {
    /// What it is about.
    pub(crate) facts: Facts,
    /// Why it is left out, if it is.
    pub(crate) left_out: Option<String>,
    /// What became of it.
    pub(crate) outcome: Outcome,
}

impl Run {
    fn failures(&self) -> &[Failure] {
        match &self.outcome {
            Outcome::Passed(_) => &[],
            Outcome::Failed(failures) => failures,
        }
    }

    /// The reasons of the attempt that came furthest; with more constants if several did.
    fn reasons(&self) -> impl Iterator<Item = &Failure> {
        let last = self.failures().iter().max_by_key(|failure| failure.stage);
        self.failures().iter().filter(move |failure| last.is_some_and(|last| last.constants == failure.constants))
    }

    fn passes(&self) -> bool {
        matches!(self.outcome, Outcome::Passed(_))
    }
}

/// All cases of a run, and what was expected of them.
pub(crate) struct Report {
    /// The cases.
    pub(crate) runs: Vec<Run>,
    /// Those of `pass.txt` that were run.
    pub(crate) listed: Passing,
}

impl Report {
    /// The cases that pass.
    pub(crate) fn passing(&self) -> Passing {
        let passed = |run: &Run| match &run.outcome {
            Outcome::Passed(constants) => Some((run.facts.name.clone(), constants.clone())),
            Outcome::Failed(_) => None,
        };
        self.runs.iter().filter_map(passed).collect()
    }

    /// Listed cases that do not pass as listed, each with the reason.
    pub(crate) fn regressed(&self) -> Vec<(String, String)> {
        let passing = self.passing();
        let lost = self.listed.iter().filter(|(name, constants)| passing.get(*name) != Some(*constants));
        lost.map(|(name, _)| (name.clone(), self.what_happens(name))).collect()
    }

    /// Cases that pass and are not listed so.
    pub(crate) fn unlisted(&self) -> Vec<String> {
        let passing = self.passing().into_iter();
        let new = passing.filter(|(name, constants)| self.listed.get(name) != Some(constants));
        new.map(|(name, constants)| name + &shown(&constants)).collect()
    }

    /// Cases that pass although they are left out by design.
    pub(crate) fn wrongly_left_out(&self) -> Vec<&str> {
        let wrong = self.runs.iter().filter(|run| run.left_out.is_some() && run.passes());
        wrong.map(|run| run.facts.name.as_str()).collect()
    }

    fn what_happens(&self, name: &str) -> String {
        let Some(run) = self.runs.iter().find(|run| run.facts.name == name) else { return "is no case".into() };
        match &run.outcome {
            Outcome::Passed(constants) => format!("passes with other constants:{}", shown(constants)),
            Outcome::Failed(_) => run.reasons().map(|failure| failure.reason.as_str()).collect::<Vec<_>>().join("; "),
        }
    }

    /// Kinds and classes: how many pass, of how many, of which are left out.
    fn counts(&self) -> Vec<(String, [usize; 3])> {
        let kind = |run: &Run| run.facts.name.split('/').next().unwrap_or_default().to_string();
        let mut kinds: Vec<String> = self.runs.iter().map(kind).collect();
        kinds.dedup();
        let of_kinds = kinds.into_iter().map(|name| (name.clone(), self.count(|run| kind(run) == name)));
        let of_classes =
            CLASSES.iter().map(|class| (class.name.to_string(), self.count(|run| (class.has)(&run.facts))));
        of_kinds.chain(of_classes).filter(|(_, [_, all, _])| *all > 0).collect()
    }

    fn count(&self, wanted: impl Fn(&Run) -> bool) -> [usize; 3] {
        let runs: Vec<_> = self.runs.iter().filter(|run| wanted(run)).collect();
        let number = |has: fn(&Run) -> bool| runs.iter().filter(|run| has(run)).count();
        [number(Run::passes), runs.len(), number(|run| run.left_out.is_some())]
    }

    /// For programs.
    pub(crate) fn json(&self, why: bool) -> Value {
        let counts = self.counts().into_iter().map(|(name, [passed, cases, left_out])| {
            (name, json!({ "passed": passed, "cases": cases, "left_out": left_out }))
        });
        let regressed = self.regressed().into_iter().map(|(case, reason)| json!({ "case": case, "reason": reason }));
        let mut object = json!({
            "passed": self.passing().len(),
            "listed": self.listed.len(),
            "regressed": regressed.collect::<Vec<_>>(),
            "unlisted": self.unlisted(),
            "wrongly_left_out": self.wrongly_left_out(),
            "counts": counts.collect::<serde_json::Map<_, _>>(),
        });
        if why {
            let failing = self.failing().map(|run| json!({ "case": run.facts.name, "attempts": run.failures() }));
            object["failing"] = failing.collect();
        }
        object
    }

    /// Cases that fail, but for those that are left out.
    fn failing(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| !run.passes() && run.left_out.is_none())
    }

    /// The counts as text.
    pub(crate) fn print_counts(&self) {
        for (name, [passed, cases, left_out]) in self.counts() {
            println!("{name:50} {passed:5} of {cases:5}   ({left_out} left out by design)");
        }
    }

    /// What differs from the lists, as text.
    pub(crate) fn print_differences(&self) {
        self.regressed().iter().for_each(|(case, reason)| println!("regressed: {case}: {reason}"));
        self.unlisted().iter().for_each(|line| println!("passes, and is not listed so: {line}"));
        self.wrongly_left_out().iter().for_each(|case| println!("passes, and is left out by design: {case}"));
    }

    /// Each failing case with what it failed of, then the reasons by operator.
    pub(crate) fn print_reasons(&self) {
        for run in self.failing() {
            println!(
                "\n{} ({})",
                run.facts.name,
                run.facts.ops.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
            );
            let mut last = "";
            for Failure { constants, reason, .. } in run.failures().iter().filter(|f| !f.reason.is_empty()) {
                let same = if reason == last { "the same" } else { reason };
                println!("   {:14} {same}", shown(constants).trim_start());
                last = reason;
            }
        }
        self.print_summary();
    }

    fn print_summary(&self) {
        let mut groups: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
        for (run, failure) in self.failing().flat_map(|run| run.reasons().map(move |failure| (run, failure))) {
            let op = failure.op.clone().unwrap_or_else(|| run.facts.last_op.clone());
            groups.entry((op, general(&failure.reason))).or_default().push(&run.facts.name);
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(_, cases)| std::cmp::Reverse(cases.len()));
        println!("\n{} failing cases by operator and reason:", self.failing().count());
        for ((op, reason), cases) in groups {
            println!("{:5}  {op:22} {reason}   [{}]", cases.len(), cases[0]);
        }
    }
}

/// The reason without names and numbers, so that equal ones meet.
fn general(reason: &str) -> String {
    let mut text = String::new();
    for (i, part) in reason.split('`').enumerate() {
        text.push_str(if i % 2 == 1 { "`…`" } else { part });
    }
    let mut short = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if short.ends_with('#') => {}
            '0'..='9' => short.push('#'),
            _ => short.push(c),
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Stage;

    fn run(name: &str, outcome: Outcome) -> Run {
        let facts = Facts { name: name.into(), ..Facts::default() };
        Run { facts, left_out: None, outcome }
    }

    fn failed(stage: Stage) -> Outcome {
        let second = Failure { constants: vec![1], ..Failure::new(stage, "second") };
        Outcome::Failed(vec![Failure::new(Stage::Convert, "no op"), second])
    }

    #[test]
    fn every_difference_from_the_list_is_one() {
        let passed = |constants: &[usize]| Outcome::Passed(constants.to_vec());
        let runs = vec![
            run("node/kept", passed(&[])),
            run("node/lost", failed(Stage::Run)),
            run("node/more", passed(&[1])),
            run("node/new", passed(&[2])),
        ];
        let listed = ["kept", "lost", "more", "gone"].map(|name| (format!("node/{name}"), vec![])).into();
        let report = Report { runs, listed };
        let regressed = report.regressed();
        let named: Vec<_> = regressed.iter().map(|(name, reason)| (name.as_str(), reason.as_str())).collect();
        let more = ("node/more", "passes with other constants: const=1");
        assert_eq!(named, [("node/gone", "is no case"), ("node/lost", "second"), more]);
        assert_eq!(report.unlisted(), ["node/more const=1", "node/new const=2"]);
        assert_eq!(report.counts()[0], ("node".to_string(), [3, 4, 0]));
    }

    #[test]
    fn what_is_left_out_and_passes_is_told() {
        let left_out = Some("strings".to_string());
        let runs = vec![Run { left_out, ..run("node/a", Outcome::Passed(vec![])) }];
        assert_eq!(Report { runs, listed: Passing::new() }.wrongly_left_out(), ["node/a"]);
    }

    #[test]
    fn reasons_of_one_kind_are_one() {
        assert_eq!(general("Conv `a/b`: axis 12 of `x1`"), "Conv `…`: axis # of `…`");
    }
}
