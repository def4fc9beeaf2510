//! `lacewing deploy`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::failure::Failure;
use super::files;
use super::numbers::bytes;
use super::store::{Place, name};
use super::terminal::{Paint, Terminal};
use crate::deploy::ssh::Board;
use crate::deploy::switch::Health;
use crate::deploy::trial::Outputs;
use crate::deploy::{Record, Status, sha256, short};

/// Bring a .lace file to a Linux board over ssh, try it there and let it be the model in use
///
/// The board has the file or has it not, whatever happens: it is received beside the models that are there, its hash is compared, it runs
/// on made inputs and must give the bits that it gives here, and one rename makes DIR/NAME/current.lace a link to it. If then the
/// unit does not stay active, or the health command fails, the link and the unit go back to the model before.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    board: Board,
    /// The model's .lace file
    #[arg(required_unless_present_any = ["status", "rollback"])]
    model: Option<PathBuf>,
    /// The model's name on the board; that of the file if not given
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// The folder of models on the board
    #[arg(long, value_name = "PATH", default_value = "/var/lib/lacewing")]
    dir: String,
    #[command(flatten)]
    health: Health,
    /// Releases that stay on the board
    #[arg(long, value_name = "N", default_value_t = 3)]
    keep: usize,
    /// Look at everything and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Say which models are on the board
    #[arg(long, conflicts_with_all = ["model", "rollback"], requires = "name")]
    status: bool,
    /// Go back to the model before the one in use
    #[arg(long, conflicts_with = "model", requires = "name")]
    rollback: bool,
}

const EXAMPLES: &str = "\
Examples:
  lacewing deploy pi@board kws.lace
  lacewing deploy pi@board kws.lace --restart lacewing-classify@kws
  lacewing deploy pi@board kws.lace --restart kws --health 'curl -fs localhost:8080/health' --keep 5
  lacewing deploy pi@board --status --name kws
  lacewing deploy pi@board --rollback --name kws --restart lacewing-classify@kws";

/// Runs it.
///
/// # Errors
/// The model in use is not the one that it should be; the message says what is.
pub fn run(args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    match (&args.model, args.status) {
        (_, true) => status(args, terminal),
        (Some(model), _) => Deployment::new(args, terminal).deploy(model),
        (None, _) => Deployment::new(args, terminal).back(),
    }
}

fn status(args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let place = args.place(None)?;
    let status = args.board.status(&place.words())?;
    let mut table = terminal.table([place.name.as_str(), ""], 0..0);
    table.add_row(["lacewing".to_string(), format!("{}, {}", status.version, status.architecture)]);
    for release in &status.releases {
        let mark = |link: &Option<String>, word| if link.as_ref() == Some(release) { word } else { "" };
        table.add_row([release.clone(), [mark(&status.current, "in use"), mark(&status.previous, "before")].concat()]);
    }
    terminal.say(table);
    terminal.object(&json!(status))
}

impl Args {
    /// Where the models are on the board.
    fn place(&self, model: Option<&Path>) -> Result<Place, Failure> {
        let stem = model.and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy().into_owned());
        let given = self.name.clone().or(stem).unwrap_or_default();
        let name = name(&given).map_err(|reason| Failure::usage(format!("--name: {reason}")))?;
        Ok(Place { dir: self.dir.clone().into(), name })
    }

    fn health_words(&self) -> Vec<String> {
        let pair = |option: &str, value: &Option<String>| value.clone().map(|value| [option.to_string(), value]);
        let pairs = [pair("--restart", &self.health.restart), pair("--health", &self.health.health)];
        let wait = ["--wait".to_string(), self.health.wait.to_string()];
        pairs.into_iter().flatten().flatten().chain(wait).collect()
    }
}

/// A model as it is here.
struct Local {
    file: Vec<u8>,
    sha256: String,
    expected: Vec<u8>,
}

/// What is done, and what was said of it.
struct Deployment<'a> {
    args: &'a Args,
    terminal: &'a Terminal,
    records: Vec<Record>,
}

impl<'a> Deployment<'a> {
    fn new(args: &'a Args, terminal: &'a Terminal) -> Self {
        Self { args, terminal, records: Vec::new() }
    }

    fn deploy(mut self, model: &Path) -> Result<(), Failure> {
        let place = self.args.place(Some(model))?;
        let start = Instant::now();
        let local = local(model)?;
        self.see(Record::of(
            "check",
            start,
            &Ok(format!("{}, SHA-256 {}", bytes(local.file.len()), short(&local.sha256))),
        ));
        let status = self.connect(&place)?;
        let there = status.releases.contains(&local.sha256);
        if self.args.dry_run {
            let text =
                if there { "would be switched to; it is there already" } else { "would be sent and switched to" };
            self.see(Record::of("dry run", Instant::now(), &Ok(text.into())));
            return self.told("dry run", Some(&local.sha256));
        }
        let words = [place.words(), self.offer(&local, there), self.args.health_words()].concat();
        let input = if there { local.expected } else { [local.file, local.expected].concat() };
        self.on_board("install", &words, input)?;
        self.told("deployed", Some(&local.sha256))
    }

    fn back(mut self) -> Result<(), Failure> {
        let place = self.args.place(None)?;
        self.connect(&place)?;
        let words = [place.words(), self.args.health_words()].concat();
        self.on_board("rollback", &words, Vec::new())?;
        self.told("rolled back", None)
    }

    fn connect(&mut self, place: &Place) -> Result<Status, Failure> {
        let start = Instant::now();
        let status =
            self.args.board.status(&place.words()).map_err(|failure| self.with_records(failure, "unchanged"))?;
        let Status { version, architecture, .. } = &status;
        let current = status.current.as_deref().map_or("none", short);
        self.see(Record::of("connect", start, &Ok(format!("lacewing {version}, {architecture}, in use: {current}"))));
        Ok(status)
    }

    fn offer(&self, local: &Local, there: bool) -> Vec<String> {
        let sent = if there { 0 } else { local.file.len() };
        let numbers = [("--bytes", sent), ("--expected", local.expected.len()), ("--keep", self.args.keep)];
        let numbers = numbers.into_iter().flat_map(|(option, number)| [option.to_string(), number.to_string()]);
        ["--sha256".to_string(), local.sha256.clone()].into_iter().chain(numbers).collect()
    }

    /// Runs the board's part and sees its records.
    fn on_board(&mut self, verb: &str, words: &[String], input: Vec<u8>) -> Result<(), Failure> {
        let mut progress = self.terminal.progress("sending", input.len() >> 16);
        let board = &self.args.board;
        let result = board.run(verb, words, input, || progress.step(), |record| self.see(record));
        match result {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.failure()),
            Err(failure) => {
                let text =
                    format!("{failure}\nthe connection ended; `lacewing deploy --status` says which model is in use");
                Err(self.with_records(Failure::new(text), "unknown"))
            }
        }
    }

    fn see(&mut self, record: Record) {
        let mark =
            if record.ok { self.terminal.paint("✓", Paint::Green) } else { self.terminal.paint("✗", Paint::Red) };
        self.terminal.say(format_args!("{mark} {:10} {}", record.step, record.text));
        self.records.push(record);
    }

    /// What went wrong on the board, and which model is in use.
    fn failure(&self) -> Failure {
        let wrong = self.records.iter().find(|record| !record.ok);
        let why = wrong.map_or("the board did not say why".into(), |r| format!("{}: {}", r.step, r.text));
        match self.records.iter().find(|record| record.step == "rollback") {
            Some(back) if back.ok => self.with_records(Failure::new(format!("{why}; {}", back.text)), "rolled back"),
            Some(back) => {
                self.with_records(Failure::new(format!("{why}; and the way back failed: {}", back.text)), "broken")
            }
            None => self.with_records(Failure::new(format!("{why}; the model in use is unchanged")), "unchanged"),
        }
    }

    fn with_records(&self, failure: Failure, result: &str) -> Failure {
        failure.with("result", result.into()).with("steps", json!(self.records))
    }

    fn told(&self, result: &str, sha256: Option<&str>) -> Result<(), Failure> {
        let board: Value = self.args.board.board.as_str().into();
        self.terminal.object(&json!({ "result": result, "board": board, "sha256": sha256, "steps": self.records }))
    }
}

/// Reads the file with every check, and runs it.
fn local(model: &Path) -> Result<Local, Failure> {
    let file = files::read(model)?;
    let of = |failure: Failure| failure.of(model);
    let expected = Outputs::of(&file).map_err(of)?.bytes();
    Ok(Local { sha256: sha256(&file), file, expected })
}
