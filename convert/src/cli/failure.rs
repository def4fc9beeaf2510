//! Why a command ends without its result, and with which status.

use std::error::Error;
use std::fmt;
use std::path::Path;

use lacewing_convert::error::{ConvertError, Problem};
use serde_json::{Value, json};

/// The message for people, and the exit status.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    status: u8,
    /// What is wrong with the model, one by one; empty for other failures.
    problems: Vec<Value>,
    /// More for programs, by its name.
    more: Option<(&'static str, Value)>,
}

impl Failure {
    /// The model or the data are wrong: status 1.
    pub(super) fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), status: 1, problems: Vec::new(), more: None }
    }

    /// The command line is wrong: status 2.
    pub(super) fn usage(message: impl Into<String>) -> Failure {
        Failure { status: 2, ..Failure::new(message) }
    }

    /// The same, with something that programs want to know.
    pub(super) fn with(self, name: &'static str, value: Value) -> Failure {
        Failure { more: Some((name, value)), ..self }
    }

    pub(super) fn status(&self) -> u8 {
        self.status
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let mut object = json!({ "error": self.message });
        if !self.problems.is_empty() {
            object["problems"] = self.problems.clone().into();
        }
        if let Some((name, value)) = &self.more {
            object[name] = value.clone();
        }
        object
    }

    /// Puts the file in front of the message, unless it is there.
    pub(super) fn of(self, path: &Path) -> Failure {
        let path = path.display().to_string();
        let message = if self.message.contains(&path) { self.message } else { format!("{path}: {}", self.message) };
        Failure { message, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// All errors of the library are about models and data. Causes are told once.
impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Failure {
        let convert = (&error as &dyn Error).downcast_ref::<ConvertError>();
        let problems = convert.map(problems).unwrap_or_default();
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        Failure { problems, ..Failure::new(message) }
    }
}

/// The problems of a model, one by one.
pub(super) fn problems(error: &ConvertError) -> Vec<Value> {
    match error {
        ConvertError::Several { problems, .. } => {
            problems.iter().map(|Problem { error, others }| problem(error, *others)).collect()
        }
        error => vec![problem(error, 0)],
    }
}

fn problem(error: &ConvertError, others: usize) -> Value {
    let mut object = json!({ "error": error.to_string(), "others": others });
    if let ConvertError::Node { op, node, reason } = error {
        object["op"] = json!(op);
        object["node"] = json!(node);
        object["reason"] = json!(reason);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read{0}")]
    struct Outer(&'static str, #[source] io::Error);

    #[test]
    fn problems_of_a_model_are_a_list_for_programs() {
        let node = ConvertError::Node { op: "Foo".into(), node: "a".into(), reason: "is odd".into() };
        let several = ConvertError::Several { problems: vec![Problem { error: node, others: 2 }], more: 0 };
        let object = Failure::from(several).json();
        assert_eq!((&object["problems"][0]["op"], &object["problems"][0]["others"]), (&json!("Foo"), &json!(2)));
        assert!(Failure::from(io::Error::other("disk full")).json().get("problems").is_none());
    }

    #[test]
    fn causes_are_told_once_and_the_file_first() {
        let cause = || io::Error::other("disk full");
        assert_eq!(Failure::from(Outer("", cause())).to_string(), "cannot read: disk full");
        let twice = Failure::from(Outer(": disk full", cause()));
        assert_eq!(twice.to_string(), "cannot read: disk full");
        assert_eq!(twice.of(Path::new("a.npz")).of(Path::new("a.npz")).to_string(), "a.npz: cannot read: disk full");
    }
}
