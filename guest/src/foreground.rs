//! Which program a terminal's keys reach now.

use std::fs;
use std::os::fd::AsFd;

use nix::unistd::{Pid, tcgetpgrp};

/// The leader of the foreground process group.
pub(crate) fn leader(terminal: impl AsFd) -> Option<Pid> {
    tcgetpgrp(terminal).ok()
}

/// A process's name, as `ps` shows it; none where it has ended.
pub(crate) fn name(process: Pid) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}
