//! `cargo xtask test`: the whole test run as a list of named steps.

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::install;
use super::steps::{Outcome, STEPS, Step};

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
}

/// What became of one step.
struct Line {
    name: &'static str,
    verdict: Verdict,
    took: Duration,
}

enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Runs the steps in order, all of them even after a failure, and ends with the counts.
pub(super) fn command(args: &Args) -> Result<()> {
    let steps = selected(&args.only)?;
    if args.list {
        for step in steps {
            println!("{:10} {}", step.name, step.about);
        }
        return Ok(());
    }
    if args.install {
        install::command()?;
    }
    let strict = env::var("CI").is_ok_and(|ci| ci == "true");
    let lines: Vec<_> = steps.into_iter().map(|step| run(step, strict)).collect();
    summary(&lines)
}

fn selected(only: &[String]) -> Result<Vec<&'static Step>> {
    if let Some(name) = only.iter().find(|name| STEPS.iter().all(|s| s.name != **name)) {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        bail!("no step is called {name}; there are {}", names.join(", "));
    }
    let wanted = |step: &&Step| only.is_empty() || only.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(wanted).collect())
}

fn run(step: &Step, strict: bool) -> Line {
    eprintln!("\n=== {}: {}", step.name, step.about);
    let start = Instant::now();
    let verdict = verdict((step.run)(), strict);
    Line { name: step.name, verdict, took: start.elapsed() }
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

fn summary(lines: &[Line]) -> Result<()> {
    println!();
    let [mut passed, mut failed, mut skipped] = [0; 3];
    for line in lines {
        let (count, text) = match &line.verdict {
            Verdict::Passed => (&mut passed, "passed".to_owned()),
            Verdict::Failed(why) => (&mut failed, format!("FAILED: {why}")),
            Verdict::Skipped(why) => (&mut skipped, format!("skipped: {why}")),
        };
        *count += 1;
        println!("{:10} {:6.1} s  {text}", line.name, line.took.as_secs_f64());
    }
    println!("\n{passed} passed, {failed} failed, {skipped} skipped");
    if failed > 0 {
        bail!("{failed} of {} steps failed", lines.len());
    }
    Ok(())
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
}
