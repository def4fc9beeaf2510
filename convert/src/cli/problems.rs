//! What is wrong with a model, one by one, for programs.

use lacewing_convert::error::{ConvertError, Problem};
use serde_json::{Value, json};

use super::failure::Failure;

/// The failure with the problems of the model, if it is one of the converter's.
pub(super) fn told(failure: Failure) -> Failure {
    match failure.error().map(problems) {
        Some(problems) => failure.with("problems", problems.into()),
        None => failure,
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

    #[test]
    fn problems_of_a_model_are_a_list_for_programs() {
        let node = ConvertError::Node { op: "Foo".into(), node: "a".into(), reason: "is odd".into() };
        let several = ConvertError::Several { problems: vec![Problem { error: node, others: 2 }], more: 0 };
        let object = told(Failure::from(several)).json();
        assert_eq!((&object["problems"][0]["op"], &object["problems"][0]["others"]), (&json!("Foo"), &json!(2)));
        assert!(told(Failure::from(io::Error::other("disk full"))).json().get("problems").is_none());
    }
}
