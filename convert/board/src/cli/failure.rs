//! Why a command ends without its result, and with which status.

use std::error::Error;
use std::fmt;
use std::path::Path;

use serde_json::{Map, Value};

/// The message for people, and the exit status.
#[derive(Debug)]
pub struct Failure {
    message: String,
    status: u8,
    /// More for programs.
    more: Map<String, Value>,
    /// The error that it comes from, if it was one.
    error: Option<Box<dyn Error + Send>>,
}

impl Failure {
    /// The model or the data are wrong: status 1.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), status: 1, more: Map::new(), error: None }
    }

    /// The command line is wrong: status 2.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { status: 2, ..Failure::new(message) }
    }

    /// The same, with something that programs want to know.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Failure {
        self.more.insert(name.to_string(), value);
        self
    }

    /// The error that it comes from, if it is of that type.
    #[must_use]
    pub fn error<E: Error + 'static>(&self) -> Option<&E> {
        (self.error.as_deref()? as &dyn Error).downcast_ref()
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        self.status
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let error = ("error".to_string(), self.message.clone().into());
        Value::Object(std::iter::once(error).chain(self.more.clone()).collect())
    }

    /// Puts the file in front of the message, unless it is there.
    pub fn of(self, path: &Path) -> Failure {
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
impl<E: Error + Send + 'static> From<E> for Failure {
    fn from(error: E) -> Failure {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = inner.source();
        }
        Failure { error: Some(Box::new(error)), ..Failure::new(message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read{0}")]
    struct Outer(&'static str, #[source] io::Error);

    #[test]
    fn the_error_behind_is_kept() {
        let failure =
            Failure::from(Outer("", io::Error::other("disk full"))).of(Path::new("x.npz")).with("n", 1.into());
        assert!(failure.error::<Outer>().is_some() && failure.error::<io::Error>().is_none());
        assert_eq!(failure.json(), serde_json::json!({ "error": "x.npz: cannot read: disk full", "n": 1 }));
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
