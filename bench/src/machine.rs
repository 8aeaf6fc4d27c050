//! What this runs on: figures travel badly without it.

use std::fmt;
use std::process::Command;

use anyhow::Context as _;
use serde::Serialize;

use crate::process::run;

/// The machine and its programs. What cannot be told is empty.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    memory_gib: u64,
    kernel: String,
    engine: String,
    client: String,
    /// Load of the last minute, before the run.
    load: String,
}

impl Machine {
    /// Looks.
    pub(crate) fn look() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let first = |text: String| text.split_whitespace().next().unwrap_or_default().to_owned();
        let memory = read("/proc/meminfo");
        let memory =
            memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next());
        let kibibytes: u64 = memory.and_then(|text| text.parse().ok()).unwrap_or_default();
        let engine = ["version", "--format", "{{.Server.Version}}"];
        Self {
            cores: std::thread::available_parallelism().map_or(0, Into::into),
            memory_gib: kibibytes.div_ceil(1024 * 1024),
            kernel: first(read("/proc/sys/kernel/osrelease")),
            engine: first(run(Command::new("docker").args(engine)).unwrap_or_default()),
            client: client(),
            load: first(read("/proc/loadavg")),
        }
    }
}

/// Memory that is to be had, in bytes.
pub(crate) fn available_bytes() -> anyhow::Result<u64> {
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let line =
        memory.lines().find_map(|line| line.strip_prefix("MemAvailable:")).context("what is available")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}

/// `ssh -V` tells it on standard error.
fn client() -> String {
    let output = Command::new("ssh").arg("-V").output().map(|output| output.stderr).unwrap_or_default();
    let text = String::from_utf8_lossy(&output);
    text.split([' ', ',']).next().unwrap_or_default().to_owned()
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, memory_gib, kernel, engine, client, load } = self;
        write!(
            f,
            "{cores} cores, {memory_gib} GiB, Linux {kernel}, Docker {engine}, {client}; load {load} before"
        )
    }
}
