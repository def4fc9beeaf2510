//! The system's `ssh`, which knows the user's configuration, keys and agents.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::{Record, Status};
use crate::cli::failure::Failure;

/// How a board is reached.
#[derive(Clone, Debug, clap::Args)]
pub struct Board {
    /// The board, as ssh takes it: user@board, or a host of your ssh configuration
    #[arg(value_parser = destination)]
    pub board: String,
    /// Its port
    #[arg(long)]
    pub port: Option<u16>,
    /// The private key
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// An option of ssh, such as ConnectTimeout=5; may be given several times
    #[arg(long = "ssh", value_name = "OPTION")]
    pub options: Vec<String>,
    /// The board's lacewing
    #[arg(long, value_name = "PATH", default_value = "lacewing")]
    pub command: String,
}

fn destination(text: &str) -> Result<String, String> {
    let right = !text.is_empty() && !text.starts_with('-') && !text.contains(char::is_whitespace);
    if right { Ok(text.into()) } else { Err("expected user@board".into()) }
}

/// ssh's own errors.
const OWN: i32 = 255;
/// A shell's, for a program that is not there.
const ABSENT: i32 = 127;
/// Bytes that are sent at once.
const CHUNK: usize = 1 << 16;

impl Board {
    /// What the board says of a name's models.
    ///
    /// # Errors
    /// It cannot be reached, or has no `lacewing`, or another.
    pub fn status(&self, words: &[String]) -> Result<Status, Failure> {
        let output = self.ssh("status", words).stdin(Stdio::null()).output().map_err(no_ssh)?;
        if !output.status.success() {
            return Err(self.failed(output.status.code(), String::from_utf8_lossy(&output.stderr).trim()));
        }
        let unknown = |_| Failure::new(format!("{}: its lacewing says what this version does not know", self.board));
        serde_json::from_slice(&output.stdout).map_err(unknown)
    }

    /// Runs a command there with something to read, and sees every record; true if it succeeded.
    ///
    /// # Errors
    /// The connection ended.
    pub fn run(
        &self,
        verb: &str,
        words: &[String],
        input: Vec<u8>,
        mut sent: impl FnMut() + Send,
        mut see: impl FnMut(Record),
    ) -> Result<bool, Failure> {
        let mut ssh = self.ssh(verb, words);
        let mut child =
            ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(no_ssh)?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let said = thread::scope(|scope| {
            // A board that has seen enough reads no more, and says why.
            scope.spawn(move || {
                let mut stdin = stdin?;
                input.chunks(CHUNK).try_for_each(|chunk| stdin.write_all(chunk).map(|()| sent())).ok()
            });
            let said = scope.spawn(move || {
                let mut text = String::new();
                stderr.map(|mut stderr| stderr.read_to_string(&mut text));
                text
            });
            let lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines()).map_while(Result::ok);
            lines.filter_map(|line| serde_json::from_str(&line).ok()).for_each(&mut see);
            said.join().unwrap_or_default()
        });
        self.ended(&mut child, &said)
    }

    fn ended(&self, child: &mut Child, said: &str) -> Result<bool, Failure> {
        match child.wait()?.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            code => Err(self.failed(code, said.trim())),
        }
    }

    fn ssh(&self, verb: &str, words: &[String]) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-T", "-o", "BatchMode=yes"]);
        self.options.iter().for_each(|option| {
            ssh.args(["-o", option]);
        });
        if let Some(port) = self.port {
            ssh.args(["-p", &port.to_string()]);
        }
        if let Some(identity) = &self.identity {
            ssh.arg("-i").arg(identity);
        }
        let fixed = [self.command.as_str(), "board", verb].map(quoted);
        let all: Vec<String> = fixed.into_iter().chain(words.iter().map(|word| quoted(word))).collect();
        ssh.arg(&self.board).arg(all.join(" "));
        ssh
    }

    fn failed(&self, code: Option<i32>, said: &str) -> Failure {
        let board = &self.board;
        Failure::new(match code {
            Some(OWN) => format!("{board}: {said}"),
            Some(ABSENT) => format!(
                "{board} has no `{}`: `cargo xtask package` makes lacewing_{}_arm64.deb (armhf, amd64); copy it there and \
                 run `sudo dpkg -i` on it, or copy the static binary and name it with --command",
                self.command,
                env!("CARGO_PKG_VERSION")
            ),
            Some(2) => format!("{board}: its lacewing is older than this one, install the same version there: {said}"),
            _ => format!("{board}: {said}"),
        })
    }
}

fn no_ssh(error: std::io::Error) -> Failure {
    Failure::new(format!("cannot start ssh: {error}; install OpenSSH's client"))
}

/// One word for the board's shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words_in_a_shell() {
        assert_eq!(quoted("a; b $(c)"), "'a; b $(c)'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert!(destination("-oProxyCommand=x").is_err() && destination("pi@board").is_ok());
    }
}
