//! Programs that are run to their end within a deadline, and timed from before their start.

use std::io::{Read as _, Write as _};
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
    let pid = pid(&child)?;
    watched(pid, || child.wait_with_output()).context("cannot wait for a program")
}

/// Does what this program's output or end bounds; it is killed when the deadline passes.
fn watched<T>(pid: Pid, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let (ended, deadline) = mpsc::channel::<()>();
        scope.spawn(move || {
            if deadline.recv_timeout(DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout) {
                // Refused: it has just ended by itself.
                kill(pid, Signal::SIGKILL).ok();
            }
        });
        let done = work();
        drop(ended);
        done
    })
}

fn pid(child: &Child) -> anyhow::Result<Pid> {
    Ok(Pid::from_raw(child.id().try_into().context("a process id")?))
}

/// Looks until it is so. Each look is the whole run of a program: no pause between two.
pub(crate) fn until(what: &str, mut look: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let start = Instant::now();
    while !look()? {
        anyhow::ensure!(start.elapsed() < DEADLINE, "in vain: {what}");
    }
    Ok(())
}

/// A program that runs until this is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Reads its standard output, which is piped, until this has come.
    pub(crate) fn read_until(&mut self, text: &[u8]) -> anyhow::Result<()> {
        let pid = pid(&self.0)?;
        let stdout = self.0.stdout.as_mut().context("its output is piped")?;
        let mut got = Vec::new();
        let mut piece = [0; 4096];
        watched(pid, || {
            while !got.windows(text.len()).any(|window| window == text) {
                let length = stdout.read(&mut piece)?;
                anyhow::ensure!(length > 0, "it ended before, with {:?}", String::from_utf8_lossy(&got));
                got.extend_from_slice(piece.get(..length).unwrap_or_default());
            }
            Ok(())
        })
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        let pid = pid(&self.0)?;
        kill(pid, Signal::SIGTERM).context("cannot end a program")?;
        watched(pid, || self.0.wait()).context("cannot wait for a program")?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Refused: it has ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
