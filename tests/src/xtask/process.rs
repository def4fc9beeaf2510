//! Running other programs.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::paths;

/// Cargo, the one that runs this program if cargo does, in the folder of a package.
pub(super) fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder);
    command
}

/// Set in the steps of a test run that has built the whole workspace for its tests.
pub(super) const WHOLE: &str = "LACEWING_TESTS_WHOLE";

/// Whether this is a step of such a test run.
pub(super) fn is_whole() -> bool {
    env::var_os(WHOLE).is_some()
}

/// A program of a package of the workspace. In a test run it is the one that was built with the tests, whose libraries have the features that
/// any package asks for: nothing is compiled again.
pub(super) fn built(package: &str, name: &str) -> Result<Command> {
    let of = if is_whole() { &["--workspace"][..] } else { &["--package", package] };
    output(cargo(&paths::root()).args(["build", "--quiet", "--bin", name]).args(of))?;
    let mut program = Command::new(paths::target_dir().join("debug").join(name));
    program.current_dir(paths::root());
    Ok(program)
}

/// Runs to the end; what it prints goes to standard error. An error unless it succeeds.
pub(super) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    eprintln!("$ {shown}");
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// As [`run`], of a program that prints what failed among much else: the error says that again.
pub(super) fn run_tests(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    eprintln!("$ {shown}");
    let (reader, writer) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("cannot start `{shown}`"))?;
    // The command has ends of the pipe, without which it is read to its end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut failures = Vec::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        eprintln!("{line}");
        if line.ends_with(" FAILED") || line.contains(" panicked at ") || line.starts_with("error") {
            failures.push(line);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{shown}` failed ({status})\n{}", failures.join("\n"));
    }
    Ok(())
}

/// Runs to the end in silence and returns standard output. An error unless it succeeds.
pub(super) fn output(command: &mut Command) -> Result<String> {
    fed(command, Stdio::null())
}

/// As [`output`], with something to read on standard input.
pub(super) fn fed(command: &mut Command, input: impl Into<Stdio>) -> Result<String> {
    let shown = shown(command);
    let output = command.stdin(input).output().with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` failed ({}): {}", output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` did not print text"))
}

/// How a program ended, and all that it printed on standard error.
pub(super) struct Ended {
    /// The status, or `None` if it had to be killed when its time was over.
    pub(super) status: Option<ExitStatus>,
    /// Standard error as text.
    pub(super) stderr: String,
}

/// Runs for at most `limit`.
pub(super) fn within(limit: Duration, command: &mut Command) -> Result<Ended> {
    let shown = shown(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let mut pipe = child.stderr.take().context("the child has no stderr")?;
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).map(|_| bytes)
    });
    let status = wait(&mut child, Instant::now() + limit)?;
    let bytes = reader.join().ok().context("the reader ended early")??;
    Ok(Ended { status, stderr: String::from_utf8_lossy(&bytes).into_owned() })
}

fn wait(child: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_is_returned_and_failure_is_an_error() {
        assert_eq!(output(&mut shell("echo yes")).expect("echo"), "yes\n");
        let error = output(&mut shell("echo no >&2; exit 3")).expect_err("status 3");
        assert!(error.to_string().ends_with(": no"), "{error}");
    }

    #[test]
    fn what_failed_among_the_tests_is_said_again() {
        run_tests(&mut shell("echo error; exit 0")).expect("status 0");
        let script = "echo test a ... ok; echo test b ... FAILED >&2; exit 101";
        let error = run_tests(&mut shell(script)).expect_err("status 101").to_string();
        assert!(error.ends_with("\ntest b ... FAILED"), "{error}");
    }

    #[test]
    fn a_program_is_killed_when_its_time_is_over() {
        let ended = within(Duration::from_millis(50), &mut shell("echo a >&2; exec sleep 60"));
        let ended = ended.expect("sh starts");
        assert_eq!((ended.status, ended.stderr.as_str()), (None, "a\n"));
    }

    #[test]
    fn a_status_is_passed_on() {
        let ended = within(Duration::from_secs(60), &mut shell("exit 7")).expect("sh starts");
        assert_eq!(ended.status.and_then(|status| status.code()), Some(7));
    }
}
