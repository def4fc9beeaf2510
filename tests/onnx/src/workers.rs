//! Cases in processes of their own: one that does not end is killed, one that ends its process is a failure.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::attempt::{Failure, Outcome, Stage, judge};
use crate::case::Case;

/// What a case may take, all its attempts together. The longest takes 3 s on an idle machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The outcome of each folder, in order; `progress` is called after each.
pub(crate) fn outcomes(folders: &[PathBuf], progress: impl Fn() + Sync) -> Result<Vec<Outcome>> {
    let next = Mutex::new(folders.iter().enumerate());
    let take = || next.lock().ok()?.next();
    let work = || -> Result<Vec<(usize, Outcome)>> {
        let mut worker = Worker::start()?;
        let mut done = Vec::new();
        while let Some((index, folder)) = take() {
            done.push((index, worker.outcome(folder)?));
            progress();
        }
        Ok(done)
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut all = thread::scope(|scope| -> Result<Vec<_>> {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let parts = threads.into_iter().map(|thread| thread.join().ok().context("a thread panicked")?);
        Ok(parts.collect::<Result<Vec<_>>>()?.concat())
    })?;
    all.sort_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, outcome)| outcome).collect())
}

/// This program again, answering one line for one line.
struct Worker {
    child: Child,
    questions: ChildStdin,
    answers: Receiver<String>,
}

impl Worker {
    fn start() -> Result<Worker> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(WORKER).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("cannot start a worker")?;
        let questions = child.stdin.take().context("the worker has no stdin")?;
        let output = child.stdout.take().context("the worker has no stdout")?;
        let (sender, answers) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        Ok(Worker { child, questions, answers })
    }

    /// A worker that fails is replaced.
    fn outcome(&mut self, folder: &Path) -> Result<Outcome> {
        writeln!(self.questions, "{}", folder.display()).context("the worker reads nothing")?;
        let reason = match self.answers.recv_timeout(LIMIT) {
            Ok(line) => return Ok(serde_json::from_str(&line)?),
            Err(RecvTimeoutError::Timeout) => format!("does not end within {} s", LIMIT.as_secs()),
            Err(RecvTimeoutError::Disconnected) => format!("ends the process: {}", self.child.wait()?),
        };
        *self = Worker::start()?;
        Ok(Outcome::Failed(vec![Failure::new(Stage::Broken, reason)]))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Neither fails but for a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The argument that makes a worker of this program.
pub(crate) const WORKER: &str = "--worker";

/// The worker's side: folders of cases on stdin, outcomes on stdout.
pub(crate) fn work() -> Result<()> {
    let mut answers = io::stdout().lock();
    for folder in io::stdin().lines() {
        let outcome = match Case::read(Path::new(&folder?)) {
            Ok(case) => judge(&case),
            Err(error) => Outcome::Failed(vec![Failure::new(Stage::Broken, format!("{error:#}"))]),
        };
        writeln!(answers, "{}", serde_json::to_string(&outcome)?)?;
        answers.flush()?;
    }
    Ok(())
}
