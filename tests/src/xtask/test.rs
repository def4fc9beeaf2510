//! `cargo xtask test`: the whole test run as a list of named steps.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Read};
use std::iter;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::steps::{Outcome, STEPS, Step};
use super::{install, process};

/// Steps that run at a time: most spend much of their time in one linker, one emulator or one test.
const AT_A_TIME: usize = 2;

/// Run every test, or those named, and say what was skipped and why.
#[derive(clap::Args)]
pub(super) struct Args {
    /// First install what is missing
    #[arg(long)]
    install: bool,
    /// Run these steps only, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "STEP")]
    only: Vec<String>,
    /// Say what the steps are and run none
    #[arg(long)]
    list: bool,
    /// Print a JSON object for each step instead of the summary
    #[arg(long)]
    json: bool,
}

/// What became of one step.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    step: String,
    seconds: f64,
    #[serde(flatten)]
    verdict: Verdict,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "why", rename_all = "lowercase")]
enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Runs the steps, all of them even after a failure, and ends with the counts.
pub(super) fn command(args: &Args) -> Result<()> {
    let steps = selected(&args.only)?;
    if args.list {
        for step in steps {
            println!("{:10} {}", step.name, step.about);
        }
        return Ok(());
    }
    let lines = match steps[..] {
        [step] => {
            if args.install {
                install::command()?;
            }
            vec![run(step)]
        }
        _ => side_by_side(&steps, args.install)?,
    };
    if args.json {
        lines.iter().try_for_each(|line| serde_json::to_string(line).map(|line| println!("{line}")))?;
    } else {
        summary(&lines);
    }
    let failed = lines.iter().filter(|line| matches!(line.verdict, Verdict::Failed(_))).count();
    if failed > 0 {
        bail!("{failed} of {} steps failed", lines.len());
    }
    Ok(())
}

fn selected(only: &[String]) -> Result<Vec<&'static Step>> {
    if let Some(name) = only.iter().find(|name| STEPS.iter().all(|s| s.name != **name)) {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        bail!("no step is called {name}; there are {}", names.join(", "));
    }
    let wanted = |step: &&Step| only.is_empty() || only.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(wanted).collect())
}

/// Runs each step in a process of its own, begun in their order, and gives their lines in the same. What is missing is installed beside
/// the steps that do without.
fn side_by_side(steps: &[&Step], install: bool) -> Result<Vec<Line>> {
    let (waiting, installed) = (Mutex::new(steps.iter().enumerate()), OnceLock::new());
    let next = || {
        let (place, step) = waiting.lock().ok()?.next()?;
        (step.bare || *installed.wait()).then_some((place, step))
    };
    let work = || -> Result<Vec<(usize, Line)>> {
        iter::from_fn(next).map(|(place, step)| Ok((place, apart(step)?))).collect()
    };
    let done: Result<Vec<_>> = thread::scope(|scope| {
        let others = [(); AT_A_TIME - 1].map(|()| scope.spawn(work));
        let ready = if install { install::command() } else { Ok(()) };
        let _ = installed.set(ready.is_ok());
        let mine = work();
        ready?;
        let others = others.into_iter().map(|other| other.join().ok().context("a step ended the test run")?);
        others.chain([mine]).collect()
    });
    let lines: BTreeMap<_, _> = done?.into_iter().flatten().collect();
    Ok(lines.into_values().collect())
}

/// Runs a step in a process of its own; every line that it says has its name in front.
fn apart(step: &Step) -> Result<Line> {
    let start = Instant::now();
    let mut command = Command::new(env::current_exe()?);
    command.args(["test", "--json", "--only", step.name]).env(process::WHOLE, "1").stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let said = child.stderr.take().context("the step has no stderr")?;
    let show = |line: &str| eprintln!("{:10}| {line}", step.name);
    for line in BufReader::new(said).split(b'\n') {
        show(&String::from_utf8_lossy(&line?));
    }
    let mut told = String::new();
    child.stdout.take().context("the step has no stdout")?.read_to_string(&mut told)?;
    let status = child.wait()?;
    // What became of it is the last line; others are of programs that it ran.
    let (others, line) = told.trim_end().rsplit_once('\n').unwrap_or(("", &told));
    others.lines().for_each(show);
    Ok(serde_json::from_str(line).unwrap_or_else(|_| Line {
        step: step.name.into(),
        seconds: start.elapsed().as_secs_f64(),
        verdict: Verdict::Failed(format!("it ended with {status}")),
    }))
}

fn run(step: &Step) -> Line {
    eprintln!("\n=== {}: {}", step.name, step.about);
    let strict = env::var("CI").is_ok_and(|ci| ci == "true");
    let start = Instant::now();
    let verdict = verdict((step.run)(), strict);
    Line { step: step.name.into(), seconds: start.elapsed().as_secs_f64(), verdict }
}

/// In strict runs nothing may be skipped that `--install` could have provided.
fn verdict(result: Result<Outcome>, strict: bool) -> Verdict {
    match result {
        Ok(Outcome::Passed) => Verdict::Passed,
        Ok(Outcome::Skipped(why)) => Verdict::Skipped(why),
        Ok(Outcome::NotInstalled(why)) if strict => Verdict::Failed(format!("{why} (CI=true)")),
        Ok(Outcome::NotInstalled(why)) => Verdict::Skipped(format!("{why}; `--install` helps")),
        Err(error) => Verdict::Failed(format!("{error:#}")),
    }
}

fn summary(lines: &[Line]) {
    println!();
    let [mut passed, mut failed, mut skipped] = [0; 3];
    for Line { step, seconds, verdict } in lines {
        let (count, text) = match verdict {
            Verdict::Passed => (&mut passed, "passed".to_owned()),
            Verdict::Failed(why) => (&mut failed, format!("FAILED: {why}")),
            Verdict::Skipped(why) => (&mut skipped, format!("skipped: {why}")),
        };
        *count += 1;
        println!("{step:10} {seconds:6.1} s  {text}");
    }
    println!("\n{passed} passed, {failed} failed, {skipped} skipped");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_steps_are_refused() {
        assert!(selected(&["no-such-step".to_owned()]).is_err());
        let all = selected(&[]).expect("no names means all steps");
        assert_eq!(all.len(), STEPS.len());
    }

    #[test]
    fn strict_runs_fail_where_something_could_have_been_installed() {
        let absent = || Ok(Outcome::NotInstalled("no QEMU".to_owned()));
        assert!(matches!(verdict(absent(), true), Verdict::Failed(_)));
        assert!(matches!(verdict(absent(), false), Verdict::Skipped(_)));
        let skipped = Ok(Outcome::Skipped("no data".to_owned()));
        assert!(matches!(verdict(skipped, true), Verdict::Skipped(_)));
    }

    #[test]
    fn a_line_is_read_as_it_is_told() {
        for verdict in [Verdict::Passed, Verdict::Failed("a\nb".into()), Verdict::Skipped("c".into())] {
            let line = Line { step: "fmt".into(), seconds: 0.5, verdict };
            let told = serde_json::to_string(&line).expect("JSON");
            assert_eq!(serde_json::from_str::<Line>(&told).expect("a line"), line);
        }
    }
}
