//! What an authenticated connection costs that does nothing.

use std::process::Command;

use anyhow::Context as _;

use crate::lab::Lab;
use crate::process::{Running, run, say, until};
use crate::row::{Bar, Row, Unit};
use crate::samples::{Samples, Summary};
use crate::target::Target;

/// Looks at the memory, after as many connections each.
const BATCHES: u32 = 10;

/// Connections that are held at sshd at most: each of its processes keeps its libraries open, and where the engine's
/// files come through FUSE, 500 connections take all the files that this may open.
const THEIR_MOST: u32 = 200;

/// Connections that come and go before: code that was never run takes no memory yet.
const WARM_UP: u32 = 5;

pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Vec<Row>> {
    let connections = lab.sizes.connections;
    let ours = growth(lab, &lab.space(), connections, || gateway_resident(lab))?;
    let theirs = growth(lab, &lab.rival(), connections.min(THEIR_MOST), || proportional(lab))?;
    // Hundreds of processes that end are nothing to measure beside.
    until("an sshd that nobody is at", || Ok(processes(lab)? == 1))?;
    Ok(vec![Row {
        what: format!("an idle connection, of {connections}"),
        against: "sshd",
        unit: Unit::Kilobytes,
        ours,
        theirs: Some(theirs),
        bar: Bar::AtMost(60.0, Unit::Kilobytes),
    }])
}

/// Kilobytes that a held connection costs: the growth over all of them; the spread is that of the batches.
fn growth(
    lab: &Lab,
    target: &Target,
    connections: u32,
    memory: impl Fn() -> anyhow::Result<f64>,
) -> anyhow::Result<Summary> {
    for _warm_up in 0..WARM_UP {
        run(&mut target.ssh(&[], &["true"]))?;
    }
    let mut held: Vec<Running> = Vec::new();
    let mut batches = Samples::default();
    let first = memory()?;
    let mut before = first;
    let mut left = connections;
    while left > 0 {
        lab.check()?;
        let batch = left.min(connections.div_ceil(BATCHES));
        for _connection in 0..batch {
            held.push(target.hold(&[])?);
        }
        left -= batch;
        let now = memory()?;
        batches.add((now - before) / f64::from(batch) / 1e3);
        before = now;
        say(&format!("  {} connections held at {}", held.len(), target.address));
    }
    let median = (before - first) / f64::from(connections) / 1e3;
    Ok(Summary { median, ..batches.summary() })
}

/// Bytes that the gateway has in memory.
pub(crate) fn gateway_resident(lab: &Lab) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", lab.platform.pid()));
    sum_of(&status.context("the gateway's status")?, "VmRSS:")
}

/// Bytes that a container's first program has in memory.
pub(crate) fn process_one_resident(container: &str) -> anyhow::Result<f64> {
    let status = run(Command::new("docker").args(["exec", container, "cat", "/proc/1/status"]))?;
    sum_of(&status, "VmRSS:")
}

/// Bytes that the processes of sshd's container have in memory together. What several of them share counts once:
/// their proportional shares, which a program may read of other users only by a right that neither side has, so
/// that a container beside it looks.
fn proportional(lab: &Lab) -> anyhow::Result<f64> {
    let (label, run_name) = lab.guard.label();
    let (label, pid) = (format!("{label}={run_name}"), format!("container:{}", lab.rival.container));
    let mut command = Command::new("docker");
    command.args(["run", "--rm", "--label", &label, "--pid", &pid, "--network", "none"]);
    command.args(["--cap-add", "SYS_PTRACE", "--user", "0", "--entrypoint", "sh", &lab.rival.container]);
    // A process may end between its name and its file. The reader itself is small and there each time.
    command.args(["-c", "cat /proc/[0-9]*/smaps_rollup 2>/dev/null || :"]);
    sum_of(&run(&mut command)?, "Pss:")
}

/// How many processes run in sshd's container; the listener is always there.
fn processes(lab: &Lab) -> anyhow::Result<usize> {
    let table = run(Command::new("docker").args(["top", &lab.rival.container, "-eo", "pid"]))?;
    Ok(table.lines().skip(1).count())
}

/// The sum of the lines of this name, which tell kibibytes.
fn sum_of(text: &str, name: &str) -> anyhow::Result<f64> {
    let values = text.lines().filter_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    let kibibytes: Vec<f64> = values.map(str::parse).collect::<Result<_, _>>().context("not a number")?;
    anyhow::ensure!(!kibibytes.is_empty(), "no line `{name}`");
    Ok(kibibytes.iter().sum::<f64>() * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_name_add_up() {
        let text = "Rss: 9 kB\nPss:   3 kB\nPss_Anon: 5 kB\nPss: 4 kB\n";
        assert!((sum_of(text, "Pss:").unwrap() - 7168.0).abs() < f64::EPSILON);
        sum_of(text, "VmRSS:").unwrap_err();
    }
}
