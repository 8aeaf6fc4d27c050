//! Programs that are run to their end within a deadline, and timed from before their start.

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longest that any one step takes; the slowest is the installation of sshd into an image.
const DEADLINE: Duration = Duration::from_mins(10);

/// A line of progress. Nobody may be there to read it.
pub(crate) fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// Runs to success; gives standard output.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<String> {
    Ok(run_timed(command)?.0)
}

/// Runs to success; gives standard output, and how long it took in all.
pub(crate) fn run_timed(command: &mut Command) -> anyhow::Result<(String, Duration)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let (output, took) = finish(command)?;
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), took))
}

/// Runs to success, with standard input and output as they are set; gives how long it took in all.
pub(crate) fn time(command: &mut Command) -> anyhow::Result<Duration> {
    Ok(finish(command)?.1)
}

fn finish(command: &mut Command) -> anyhow::Result<(Output, Duration)> {
    command.stderr(Stdio::piped());
    let start = Instant::now();
    let child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let output = wait(child)?;
    let took = start.elapsed();
    anyhow::ensure!(
        output.status.success(),
        "{command:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok((output, took))
}

/// Waits for the end, which a watcher brings about when the deadline passes.
fn wait(child: Child) -> anyhow::Result<Output> {
    let pid = Pid::from_raw(child.id().try_into().context("a process id")?);
    std::thread::scope(|scope| {
        let (ended, deadline) = mpsc::channel::<()>();
        scope.spawn(move || {
            if deadline.recv_timeout(DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout) {
                // Refused: it has just ended by itself.
                kill(pid, Signal::SIGKILL).ok();
            }
        });
        let output = child.wait_with_output();
        drop(ended);
        output.context("cannot wait for a program")
    })
}

/// A program that runs until this is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Refused: it has ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
