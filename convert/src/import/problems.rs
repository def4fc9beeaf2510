//! What is wrong with a model: all of it, not the first.

use std::collections::HashSet;
use std::mem::discriminant;

use crate::error::{ConvertError, Problem};

/// Problems that are told by name; of more, the number.
const TOLD: usize = 20;

/// The problems so far, and the tensors that nothing can be said of because of them.
#[derive(Default)]
pub(super) struct Problems {
    told: Vec<Problem>,
    more: usize,
    unknown: HashSet<String>,
}

impl Problems {
    /// Notes an error that leaves a tensor unknown.
    pub(super) fn note_tensor(&mut self, name: &str, error: ConvertError) {
        self.add(error);
        self.unknown.insert(name.to_string());
    }

    /// Notes an error. Equal ones are told once, and those of one operator for one reason together.
    pub(super) fn add(&mut self, error: ConvertError) {
        match self.told.iter().position(|problem| is_like(&problem.error, &error)) {
            Some(same) => self.told[same].others += usize::from(matches!(error, ConvertError::Node { .. })),
            None if self.told.len() < TOLD => self.told.push(Problem { error, others: 0 }),
            None => self.more += 1,
        }
    }

    /// Nothing can be said of these tensors.
    pub(super) fn hide(&mut self, names: &[String]) {
        self.unknown.extend(names.iter().filter(|name| !name.is_empty()).cloned());
    }

    /// Whether nothing can be said of this tensor.
    pub(super) fn is_unknown(&self, name: &str) -> bool {
        self.unknown.contains(name)
    }

    /// Whether nothing can be said of one of these tensors.
    pub(super) fn any_unknown(&self, names: &[String]) -> bool {
        names.iter().any(|name| self.is_unknown(name))
    }

    /// All that was noted, as one error.
    pub(super) fn end(mut self) -> Result<(), ConvertError> {
        match self.told.pop() {
            None => Ok(()),
            Some(Problem { error, others: 0 }) if self.told.is_empty() && self.more == 0 => Err(error),
            Some(last) => {
                self.told.push(last);
                Err(ConvertError::Several { problems: self.told, more: self.more })
            }
        }
    }
}

fn is_like(a: &ConvertError, b: &ConvertError) -> bool {
    match (a, b) {
        (ConvertError::Node { op, reason, .. }, ConvertError::Node { op: other, reason: same, .. }) => {
            op == other && reason == same
        }
        _ => discriminant(a) == discriminant(b) && a.to_string() == b.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(op: &str, node: &str) -> ConvertError {
        ConvertError::Node { op: op.into(), node: node.into(), reason: "is not supported".into() }
    }

    fn text(errors: impl IntoIterator<Item = ConvertError>) -> String {
        let mut problems = Problems::default();
        errors.into_iter().for_each(|error| problems.add(error));
        problems.end().unwrap_err().to_string()
    }

    #[test]
    fn one_problem_is_itself_and_several_are_a_list() {
        assert!(Problems::default().end().is_ok());
        assert_eq!(text([error("Foo", "a")]), "Foo `a`: is not supported");
        let tensor = || ConvertError::Tensor { tensor: "w".into(), reason: "is NaN".into() };
        let several = text([error("Foo", "a"), tensor(), error("Foo", "b"), tensor(), error("Foo", "c")]);
        assert_eq!(
            several,
            "several things are wrong:\n  Foo `a`: is not supported (and 2 other nodes)\n  tensor `w`: is NaN"
        );
        assert_eq!(
            text([error("Foo", "a"), error("Foo", "b")]),
            "several things are wrong:\n  Foo `a`: is not supported (and 1 other node)"
        );
    }

    #[test]
    fn a_long_list_ends_with_a_number() {
        let many = text((0..TOLD + 12).map(|i| error(&format!("Op{i}"), "n")));
        assert_eq!(many.lines().count(), TOLD + 2);
        assert!(many.ends_with("\n  and 12 more"), "{many}");
    }
}
