//! The checked-in lists: what passes, and what is left out by design.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

use crate::facts::Facts;

/// Cases that pass, each with the inputs that must be constants for it.
pub(crate) type Passing = BTreeMap<String, Vec<usize>>;

const HEAD: &str = "\
# Cases of ONNX's backend suite that pass, as `cargo xtask onnx --bless` writes them.
# `const=1,2`: these inputs (counted from 0) are given as constants, as they are in models of users:
# shapes, axes, indices, weights. A case all of whose inputs would be constant does not pass.
";

/// One line for each case.
pub(crate) fn write(passing: &Passing) -> String {
    let mut text = HEAD.to_string();
    for (name, constants) in passing {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name}{}", shown(constants));
    }
    text
}

/// The inputs as a line has them, with a space in front; nothing for none.
pub(crate) fn shown(constants: &[usize]) -> String {
    let words: Vec<_> = constants.iter().map(usize::to_string).collect();
    if words.is_empty() { String::new() } else { format!(" const={}", words.join(",")) }
}

/// Reads what [`write()`] wrote.
pub(crate) fn read(text: &str) -> Result<Passing> {
    lines(text).map(|line| passing(line).with_context(|| format!("pass.txt: `{line}`"))).collect()
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn passing(line: &str) -> Result<(String, Vec<usize>)> {
    let Some((name, rest)) = line.split_once(' ') else { return Ok((line.to_string(), Vec::new())) };
    let list = rest.trim().strip_prefix("const=").context("neither a case nor `case const=1,2`")?;
    let constants = list.split(',').map(str::parse).collect::<Result<_, _>>()?;
    Ok((name.to_string(), constants))
}

/// A line of `left_out.txt`.
#[derive(Debug)]
pub(crate) struct Rule {
    pattern: String,
    reason: String,
}

/// Reads `left_out.txt`: `PATTERN reason`. A pattern is `op=A,B`, `type=a,b`, or the names of cases with `*` for anything.
pub(crate) fn rules(text: &str) -> Result<Vec<Rule>> {
    let rule = |line: &str| match line.split_once(char::is_whitespace) {
        Some((pattern, reason)) => Ok(Rule { pattern: pattern.into(), reason: reason.trim().into() }),
        None => bail!("left_out.txt: `{line}` gives no reason"),
    };
    lines(text).map(rule).collect()
}

/// Why a case is left out, if it is.
pub(crate) fn left_out<'r>(rules: &'r [Rule], facts: &Facts) -> Option<&'r str> {
    rules.iter().find(|rule| rule.matches(facts)).map(|rule| rule.reason.as_str())
}

/// Patterns that no case matches.
pub(crate) fn idle<'r>(rules: &'r [Rule], cases: &[Facts]) -> Vec<&'r str> {
    let idle = |rule: &&Rule| !cases.iter().any(|facts| rule.matches(facts));
    rules.iter().filter(idle).map(|rule| rule.pattern.as_str()).collect()
}

impl Rule {
    fn matches(&self, facts: &Facts) -> bool {
        let any = |list: &str, set: &BTreeSet<String>| list.split(',').any(|word| set.contains(word));
        match self.pattern.split_once('=') {
            Some(("op", list)) => any(list, &facts.ops),
            Some(("type", list)) => any(list, &facts.types),
            _ => matches(&self.pattern, &facts.name),
        }
    }
}

/// Whether the name is the pattern, in which `*` stands for any text.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            let ends = rest.char_indices().map(|(i, _)| i).chain([rest.len()]);
            ends.into_iter().any(|i| matches(tail, &rest[i..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let passing = Passing::from([("node/a".into(), vec![]), ("node/b".into(), vec![1, 2])]);
        let text = write(&passing);
        assert!(text.ends_with("\nnode/a\nnode/b const=1,2\n"), "{text}");
        assert_eq!(read(&text).unwrap(), passing);
        assert!(read("node/a cnst=1").is_err() && read("node/a const=x").is_err());
    }

    #[test]
    fn a_star_is_any_text() {
        assert!(matches("node/test_add*", "node/test_add") && matches("*add*cuda*", "node/test_add_cuda"));
        assert!(!matches("node/test_add", "node/test_add_bcast") && !matches("a*b", "a*c"));
    }

    #[test]
    fn rules_name_cases_operators_or_types() {
        let rules = rules("# why\ntype=string  strings\nop=Adam,Unique  other\nsimple/*x  third").unwrap();
        let of = |words: [&str; 3]| {
            let [name, op, kind] = words.map(String::from);
            Facts { name, ops: [op].into(), types: [kind].into(), ..Facts::default() }
        };
        let cases =
            [of(["node/a", "Cast", "string"]), of(["node/b", "Unique", "float"]), of(["node/x", "Add", "float"])];
        let reasons = cases.each_ref().map(|facts| left_out(&rules, facts));
        assert_eq!(reasons, [Some("strings"), Some("other"), None]);
        assert_eq!(idle(&rules, &cases), ["simple/*x"]);
        assert!(super::rules("op=Adam").is_err());
    }
}
