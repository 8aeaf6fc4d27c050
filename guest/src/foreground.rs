//! Which program a terminal's keys reach now.

use std::fs;
use std::os::fd::AsFd;

use nix::unistd::tcgetpgrp;

/// The name of the foreground process group's leader, as `ps` shows it; none where it has ended.
pub(crate) fn program(terminal: impl AsFd) -> Option<String> {
    let leader = tcgetpgrp(terminal).ok()?;
    let name = fs::read_to_string(format!("/proc/{leader}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}
