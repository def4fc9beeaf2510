//! The board's side: from a file on standard input to a model in use that is well, or the old one again.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::store::{CURRENT, PREVIOUS, Store, memory};
use super::trial::Outputs;
use super::{Record, short};
use crate::runner::Runner;

/// What to do once a link has changed, and how to see whether all is well.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Health {
    /// The unit of systemd that is restarted once the model is in place
    #[arg(long, value_name = "UNIT", value_parser = unit)]
    pub restart: Option<String>,
    /// A command that the board's shell runs afterwards: all is well if it succeeds
    #[arg(long, value_name = "COMMAND")]
    pub health: Option<String>,
    /// Seconds that the unit must stay active
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub wait: u64,
}

/// How often the unit is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A unit's name has no spaces and is no option.
fn unit(name: &str) -> Result<String, String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "@._:-\\".contains(letter);
    let right = !name.is_empty() && !name.starts_with('-') && name.chars().all(plain);
    if right { Ok(name.into()) } else { Err("expected the name of a unit, such as lacewing-classify@kws".into()) }
}

/// A file that is to be the model in use.
#[derive(Clone, Debug)]
pub struct Offer<'a> {
    /// Its hash, which is its name.
    pub sha256: &'a str,
    /// Its bytes on standard input; 0 if it is a release already.
    pub bytes: u64,
    /// Bytes of the outputs behind it that the host got.
    pub expected: u64,
    /// Releases that stay.
    pub keep: usize,
}

/// Says how each step went.
pub type Say<'a> = &'a mut dyn FnMut(Record);

/// Takes a step, says how it went, and gives what it found.
fn step<T>(name: &str, say: Say<'_>, work: impl FnOnce() -> Result<(String, T), String>) -> Option<T> {
    let start = Instant::now();
    let (result, found) = match work() {
        Ok((text, found)) => (Ok(text), Some(found)),
        Err(text) => (Err(text), None),
    };
    say(Record::of(name, start, &result));
    found
}

/// Receives, tries and switches. None if the model in use is not the new one; the old one is as it was.
pub fn install(store: &Store, offer: &Offer<'_>, health: &Health, from: &mut impl Read, say: Say<'_>) -> Option<()> {
    let _lock = step("lock", say, || Ok(("the board is ours".into(), store.lock()?)))?;
    let (path, expected) = step("receive", say, || received(store, offer, from))?;
    let tried = step("self-test", say, || tried(&path, &expected));
    if tried.is_none() {
        let _ = fs::remove_file(&path);
        return None;
    }
    if offer.bytes > 0 {
        step("keep", say, || {
            store.keep(&path, offer.sha256).map_err(|error| error.to_string())?;
            Ok((format!("releases/{}.lace", short(offer.sha256)), ()))
        })?;
    }
    switched(store, offer.sha256, health, say)?;
    step("prune", say, || Ok((format!("{} old releases removed", store.prune(offer.keep)), ())))
}

/// Lets the model before the one in use be in use again.
pub fn back(store: &Store, health: &Health, say: Say<'_>) -> Option<()> {
    let _lock = step("lock", say, || Ok(("the board is ours".into(), store.lock()?)))?;
    let previous = step("previous", say, || {
        let previous = store.linked(PREVIOUS).ok_or("there is no earlier model to go back to")?;
        let there = store.release(&previous).is_file();
        if there { Ok((short(&previous).into(), previous)) } else { Err(format!("{} is gone", short(&previous))) }
    })?;
    switched(store, &previous, health, say)
}

type Received = (std::path::PathBuf, Vec<u8>);

fn received(store: &Store, offer: &Offer<'_>, from: &mut impl Read) -> Result<(String, Received), String> {
    let Offer { sha256, bytes, expected, .. } = *offer;
    let path = match bytes {
        0 => store.release(sha256),
        bytes => store.receive(from, bytes, sha256)?,
    };
    let mut outputs = Vec::new();
    from.take(expected).read_to_end(&mut outputs).map_err(|error| error.to_string())?;
    if outputs.len() as u64 != expected {
        return Err("the connection ended before the end of the host's outputs".into());
    }
    let found = super::sha256(&fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?);
    if found != sha256 {
        return Err(format!("SHA-256 on the disk is {}, not {}", short(&found), short(sha256)));
    }
    let text = if bytes == 0 { "it is there already".into() } else { format!("{bytes} B, SHA-256 as on the host") };
    Ok((text, (path, outputs)))
}

fn tried(path: &std::path::Path, expected: &[u8]) -> Result<(String, ()), String> {
    let file = fs::read(path).map_err(|error| error.to_string())?;
    let runner = Runner::new(&file).map_err(|error| error.to_string())?;
    let needed = 2 * file.len() as u64 + runner.model().arena_len() as u64;
    if let Some(memory) = memory().filter(|memory| *memory < needed) {
        return Err(format!("needs {needed} B of memory, and {memory} B are available"));
    }
    let outputs = Outputs::of(&file).map_err(|failure| failure.to_string())?;
    Ok((outputs.agree(expected)?, ()))
}

/// Changes the links and looks whether all is well; if not, changes them back.
fn switched(store: &Store, sha256: &str, health: &Health, say: Say<'_>) -> Option<()> {
    let (old, before) = (store.linked(CURRENT), store.linked(PREVIOUS));
    let link = |link, sha256: Option<&str>| store.link(link, sha256).map_err(|error| error.to_string());
    let done = step("switch", say, || {
        if old.as_deref() == Some(sha256) {
            return Ok(("in use already".into(), ()));
        }
        link(PREVIOUS, old.as_deref())?;
        link(CURRENT, Some(sha256))?;
        Ok((format!("{} instead of {}", short(sha256), old.as_deref().map_or("none", short)), ()))
    });
    let well = done.and_then(|()| well(health, say));
    if well.is_none() {
        step("rollback", say, || {
            link(CURRENT, old.as_deref())?;
            link(PREVIOUS, before.as_deref())?;
            let Some(old) = &old else { return Ok(("there was no model before: none is in use".into(), ())) };
            restart(health)?;
            Ok((format!("{} is in use again", short(old)), ()))
        });
    }
    well
}

fn well(health: &Health, say: Say<'_>) -> Option<()> {
    if let Some(unit) = &health.restart {
        step("restart", say, || restart(health).map(|()| (unit.clone(), ())))?;
    }
    match health {
        Health { health: Some(command), .. } => step("health", say, || {
            ran(Command::new("sh").args(["-c", command])).map(|()| (format!("`{command}` succeeds"), ()))
        }),
        Health { restart: Some(unit), wait, .. } => step("health", say, || active(unit, Duration::from_secs(*wait))),
        _ => Some(()),
    }
}

fn restart(health: &Health) -> Result<(), String> {
    let Some(unit) = &health.restart else { return Ok(()) };
    ran(Command::new("systemctl").args(["restart", unit]))
}

/// Whether a unit stays active.
fn active(unit: &str, wait: Duration) -> Result<(String, ()), String> {
    let start = Instant::now();
    loop {
        if ran(Command::new("systemctl").args(["is-active", "--quiet", unit])).is_err() {
            return Err(format!("{unit} is not active {:.1} s after its restart", start.elapsed().as_secs_f64()));
        }
        if start.elapsed() >= wait {
            return Ok((format!("{unit} stayed active for {} s", wait.as_secs()), ()));
        }
        thread::sleep(LOOK);
    }
}

/// Runs to the end; the error has the last of what it said.
fn ran(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().lines().next_back().unwrap_or_default().to_string();
    Err(format!("{name} ended with {}: {said}", output.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_names() {
        assert!(unit("lacewing-classify@kws.service").is_ok());
        assert!(["", "--now", "a b", "a;b"].iter().all(|name| unit(name).is_err()));
    }
}
