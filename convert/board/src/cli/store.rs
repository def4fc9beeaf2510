//! `lacewing board`: the board's side of `lacewing deploy`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::failure::Failure;
use super::terminal::Terminal;
use crate::deploy::Record;
use crate::deploy::store::Store;
use crate::deploy::switch::{Health, Offer, back, install};

/// The board's side of `lacewing deploy`, which calls it over ssh
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  lacewing board status --name kws
  lacewing board rollback --name kws --restart lacewing-classify@kws";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say which models are there, as JSON
    Status(Place),
    /// Receive a model on standard input, try it and switch to it
    Install {
        #[command(flatten)]
        place: Place,
        /// The file's SHA-256
        #[arg(long, value_parser = hash)]
        sha256: String,
        /// Bytes of the file on standard input; 0 if it is there already
        #[arg(long)]
        bytes: u64,
        /// Bytes of the outputs that follow, those of the host
        #[arg(long)]
        expected: u64,
        /// Releases that stay
        #[arg(long, default_value_t = 3)]
        keep: usize,
        #[command(flatten)]
        health: Health,
    },
    /// Go back to the model before the one in use
    Rollback {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        health: Health,
    },
}

/// Where models are on a board.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// The folder of models
    #[arg(long, value_name = "PATH", default_value = "/var/lib/lacewing")]
    pub dir: PathBuf,
    /// The model's name
    #[arg(long, value_parser = name)]
    pub name: String,
}

impl Place {
    /// As arguments.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        vec!["--dir".into(), self.dir.display().to_string(), "--name".into(), self.name.clone()]
    }

    fn store(&self) -> Store {
        Store::new(&self.dir, &self.name)
    }
}

/// A name that is one folder, and nothing else.
///
/// # Errors
/// What a name must be.
pub fn name(text: &str) -> Result<String, String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let right = text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.chars().all(plain);
    if right { Ok(text.into()) } else { Err("expected letters, digits, `.`, `_` and `-`, the first no sign".into()) }
}

fn hash(text: &str) -> Result<String, String> {
    let right = text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if right { Ok(text.into()) } else { Err("expected 64 hexadecimal digits".into()) }
}

/// Runs it.
///
/// # Errors
/// A step failed; its record says why.
pub fn run(args: &Args, _terminal: &Terminal) -> Result<(), Failure> {
    let mut last = None;
    // Whoever listened may have gone: what was begun is brought to its end.
    let mut say = |record: Record| {
        let _ = writeln!(io::stdout(), "{}", json!(record));
        if !record.ok {
            last.get_or_insert(record);
        }
    };
    let done = match &args.verb {
        Verb::Status(place) => {
            writeln!(io::stdout(), "{}", json!(place.store().status()))?;
            Some(())
        }
        Verb::Install { place, sha256, bytes, expected, keep, health } => {
            let offer = Offer { sha256, bytes: *bytes, expected: *expected, keep: *keep };
            install(&place.store(), &offer, health, &mut io::stdin().lock(), &mut say)
        }
        Verb::Rollback { place, health } => back(&place.store(), health, &mut say),
    };
    let why = |record: Record| format!("{}: {}", record.step, record.text);
    done.ok_or_else(|| Failure::new(last.map_or_else(String::new, why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folders_and_hashes_hashes() {
        assert!(name("kws-2.1").is_ok());
        assert!(["", "..", ".a", "a/b", "-a", "a b"].iter().all(|text| name(text).is_err()));
        assert!(hash(&"0f".repeat(32)).is_ok() && hash(&"0F".repeat(32)).is_err() && hash("../x").is_err());
    }
}
