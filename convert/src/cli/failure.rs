//! Why a command ends without its result, and with which status.

use std::error::Error;
use std::fmt;
use std::path::Path;

/// The message for people, and the exit status.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    status: u8,
}

impl Failure {
    /// The model or the data are wrong: status 1.
    pub(super) fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), status: 1 }
    }

    /// The command line is wrong: status 2.
    pub(super) fn usage(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), status: 2 }
    }

    pub(super) fn status(&self) -> u8 {
        self.status
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
impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        Failure::new(message)
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
    fn causes_are_told_once_and_the_file_first() {
        let cause = || io::Error::other("disk full");
        assert_eq!(Failure::from(Outer("", cause())).to_string(), "cannot read: disk full");
        let twice = Failure::from(Outer(": disk full", cause()));
        assert_eq!(twice.to_string(), "cannot read: disk full");
        assert_eq!(twice.of(Path::new("a.npz")).of(Path::new("a.npz")).to_string(), "a.npz: cannot read: disk full");
    }
}
